/* fuzz_tables.c - any bytes as a recipe with a user's tables: what is taken
 * must make a model whose columns can be drawn for anybody. The sampler itself
 * is left out, it takes too long; its joint is read here instead. */
#include "job/recipe.h"
#include "job/tables_json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct model *base;

static void
draw_everybody(const struct model *m)
{
    for (uint32_t i = 0; i < 400; i++) {
        struct person p = {
            .state = (uint8_t)(i % m->states),
            .sex = i % 2,
            .age = (uint8_t)(i / 4),
            .education = (uint8_t)(i % EDU_COUNT),
            .employment = (uint8_t)(i % EMPLOY_COUNT),
            .occupation = PERSON_NO_OCCUPATION,
        };

        for (uint32_t k = 0; k < m->users; k++) {
            const uint32_t *weights = model_lookup(m->user[k], &p);
            uint64_t sum = 0;

            p.user[k] = PERSON_NONE8;
            for (uint32_t v = 0; weights && v < m->user[k]->values; v++) {
                sum += weights[v];
                if (weights[v]) p.user[k] = (uint8_t)v;
            }
            co_assert(!weights || sum == TABLE_SUM);
        }
        for (uint32_t k = 0; k < REPLACE_COUNT; k++) {
            if (m->replace[k]) (void)model_lookup(m->replace[k], &p);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *own = NULL;
    struct user_tables tables = {0};
    struct co_diag diag;
    json_t *array;

    if (!base && model_open(CO_SOURCE_DIR "/data/us.model", &diag, &base)) {
        abort();
    }
    array = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (!array) return 0;
    if (tables_from_json(&tables, array, &diag) == CO_OK &&
        model_with(base, &tables, &diag, &own) == CO_OK) {
        draw_everybody(own);
        model_free(own);
    }
    user_tables_fini(&tables);
    json_decref(array);
    return 0;
}
