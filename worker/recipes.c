/* recipes.c - see recipes.h. */
#include "worker/recipes.h"

#include "job/recipe.h"
#include "rows/generator.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { POPULATIONS_MAX = 8 };
enum { MAKERS_MAX = 16 }; /* range makers that wait to be used again */

struct recipe_entry {
    uint64_t hash, used; /* used: number of the last get */
    struct sampler *sampler;
    struct prose *prose; /* with the recipe's words; NULL: the population's */
    bool dedup;
    struct writer *writer;   /* NULL: the built-in one */
    struct writers *writers; /* NULL: that one alone */
    uint32_t refs;
};

struct recipes {
    struct population {
        const struct model *model;
        const struct prose *prose;
    } populations[POPULATIONS_MAX];
    uint32_t n;
    uint64_t gets;
    struct recipe_entry entries[RECIPES_MAX]; /* sampler NULL: free */
    struct range_maker *makers[MAKERS_MAX];
    uint32_t makers_n, makers_used;
};

enum co_err
recipes_new(const struct model *model, const struct prose *prose,
            struct recipes **ret_recipes)
{
    struct recipes *r = calloc(1, sizeof *r);

    if (!r) return CO_NOMEM;
    r->populations[r->n++] = (struct population){model, prose};
    *ret_recipes = r;
    return CO_OK;
}

enum co_err
recipes_add(struct recipes *r, const struct model *model,
            const struct prose *prose)
{
    if (r->n == POPULATIONS_MAX) return CO_FULL;
    r->populations[r->n++] = (struct population){model, prose};
    return CO_OK;
}

static void
entry_fini(struct recipe_entry *e)
{
    sampler_free(e->sampler);
    prose_free(e->prose);
    writers_free(e->writers);
    writer_free(e->writer);
    *e = (struct recipe_entry){0};
}

void
recipes_free(struct recipes *r)
{
    if (!r) return;
    for (unsigned i = 0; i < RECIPES_MAX; i++) {
        entry_fini(&r->entries[i]);
    }
    while (r->makers_n > 0) {
        range_maker_free(r->makers[--r->makers_n]);
    }
    free(r);
}

/* The entry of hash, else a free one, else the longest unused; NULL: all are
 * in use. */
static struct recipe_entry *
entry_for(struct recipes *r, uint64_t hash)
{
    struct recipe_entry *best = NULL;

    for (unsigned i = 0; i < RECIPES_MAX; i++) {
        struct recipe_entry *e = &r->entries[i];

        if (e->sampler && e->hash == hash) return e;
        if (e->refs > 0) continue;
        if (!best || (best->sampler && (!e->sampler || e->used < best->used))) {
            best = e;
        }
    }
    return best;
}

/* The population that a recipe draws from: the one with its model. */
static enum co_err
find_population(const struct recipes *r, const struct recipe *recipe,
                const struct population **ret, struct co_diag *diag)
{
    if (recipe->generator != GENERATOR_VERSION) {
        return co_fail(diag, CO_INVALID,
                       "the recipe is for generator %u, this is %u",
                       recipe->generator, (unsigned)GENERATOR_VERSION);
    }
    *ret = NULL;
    for (uint32_t i = 0; i < r->n; i++) {
        if (model_hash(r->populations[i].model) == recipe->model_hash) {
            *ret = &r->populations[i];
        }
    }
    if (!*ret) {
        return co_fail(diag, CO_INVALID,
                       "the recipe is for model %016" PRIx64
                       " of \"%s\", here is %016" PRIx64,
                       recipe->model_hash, recipe->population,
                       model_hash(r->populations[0].model));
    }
    if (recipe->phrases != prose_hash((*ret)->prose)) {
        return co_fail(diag, CO_INVALID,
                       "the recipe is for phrases %016" PRIx64
                       ", here are %016" PRIx64,
                       recipe->phrases, prose_hash((*ret)->prose));
    }
    return CO_OK;
}

static enum co_err
make_entry(const struct recipes *r, uint64_t hash, struct co_bytes blob,
           struct recipe_entry *made, struct co_diag *diag)
{
    const struct population *from = NULL;
    struct recipe recipe;
    enum co_err err = recipe_parse(blob.data, blob.len, &recipe, diag);

    if (err) return err == CO_NOMEM ? err : CO_INVALID;
    err = find_population(r, &recipe, &from, diag);
    if (!err) err = recipe_sampler(&recipe, from->model, diag, &made->sampler);
    if (!err) err = recipe_prose(&recipe, from->prose, diag, &made->prose);
    if (!err) {
        sampler_set_recipe(made->sampler, hash);
        sampler_set_prose(made->sampler,
                          made->prose ? made->prose : from->prose);
        made->hash = hash;
        made->dedup = recipe.dedup;
        made->writer = co_take(&recipe.writer);
        made->writers = co_take(&recipe.writers);
    }
    recipe_fini(&recipe);
    return err;
}

enum co_err
recipes_get(struct recipes *r, uint64_t hash, struct co_bytes blob,
            struct recipe_use *ret_use, struct co_diag *diag)
{
    struct recipe_entry *e = entry_for(r, hash);

    if (!e) {
        return co_fail(diag, CO_FULL, "all %d recipes are in use", RECIPES_MAX);
    }
    if (!e->sampler || e->hash != hash) {
        struct recipe_entry made = {0};
        enum co_err err = make_entry(r, hash, blob, &made, diag);

        if (err) {
            entry_fini(&made);
            return err;
        }
        entry_fini(e);
        *e = made;
    }
    e->used = ++r->gets;
    e->refs++;
    *ret_use = (struct recipe_use){.sampler = e->sampler,
                                   .writer = e->writer,
                                   .writers = e->writers,
                                   .dedup = e->dedup,
                                   .entry = e};
    return CO_OK;
}

void
recipes_put(struct recipes *r, struct recipe_use *use)
{
    (void)r;
    if (use->entry) use->entry->refs--;
    *use = (struct recipe_use){0};
}

enum co_err
recipes_maker_get(struct recipes *r, struct range_maker **ret_maker)
{
    enum co_err err = CO_OK;

    if (r->makers_n == 0) {
        err = range_maker_new(ret_maker);
    } else {
        *ret_maker = r->makers[--r->makers_n];
    }
    if (!err) r->makers_used++;
    return err;
}

void
recipes_maker_put(struct recipes *r, struct range_maker *maker)
{
    if (!maker) return;
    r->makers_used--;
    if (r->makers_n == MAKERS_MAX) {
        range_maker_free(maker);
        return;
    }
    r->makers[r->makers_n++] = maker;
}

uint32_t
recipes_makers_used(const struct recipes *r)
{
    return r->makers_used;
}

uint32_t
recipes_count(const struct recipes *r)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < RECIPES_MAX; i++) {
        n += r->entries[i].sampler != 0;
    }
    return n;
}
