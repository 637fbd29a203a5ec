/* cache_key.c - see cache_key.h. */
#include "coordinator/cache_key.h"

#include "common/json.h"
#include "llm/shape.h"
#include "population/model.h"

#include <stdlib.h>
#include <string.h>

enum {
    VERSION = 1, /* of what goes into a key; another one finds nothing old */
    SCHEMAS_MAX = ASK_STAGES * MODEL_AGES * SHAPE_SCHEMA_MAX,
};

/* They change neither who a row is nor what is asked. */
static void
leave_out(json_t *root)
{
    static const char *const of_recipe[] = {"dedup", "provider"};
    static const char *const of_writer[] = {"call_ms", "call_price", "fresh",
                                            "price", "repairs"};
    json_t *writer = json_object_get(root, "writer");

    for (size_t i = 0; i < co_countof(of_recipe); i++) {
        (void)json_object_del(root, of_recipe[i]);
    }
    for (size_t i = 0; i < co_countof(of_writer); i++) {
        (void)json_object_del(writer, of_writer[i]);
    }
}

static enum co_err
put_recipe(struct co_bytes recipe, struct co_buf *out)
{
    json_t *root = json_loadb((const char *)recipe.data, recipe.len, 0,
                              &(json_error_t){0});
    char *text;

    if (!root) return CO_INVALID;
    leave_out(root);
    text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(root);
    if (!text) return CO_NOMEM;
    co_buf_puts(out, text);
    free(text);
    return out->err;
}

/* An answer that another version of the program found good is not taken for
 * one where it asks for something else. */
static void
put_schemas(struct co_buf *out)
{
    for (unsigned s = 0; s < ASK_STAGES; s++) {
        for (uint32_t age = 0; age < MODEL_AGES; age++) {
            shape_schema(shape_of((enum ask_stage)s), age, out);
        }
    }
}

enum co_err
cache_key_base(struct co_bytes recipe, struct co_hash128 *ret_base)
{
    co_auto(co_buf_fini) struct co_buf all;
    enum co_err err;

    co_buf_init(&all, recipe.len + SCHEMAS_MAX);
    err = put_recipe(recipe, &all);
    if (!err) put_schemas(&all);
    if (!err) err = all.err;
    if (err) return err;
    *ret_base = co_hash128(all.data, all.len, VERSION);
    return CO_OK;
}

struct co_hash128
cache_key(struct co_hash128 base, uint64_t row, enum ask_stage stage,
          const uint8_t *input, size_t len)
{
    const struct co_hash128 before = co_hash128(len ? input : NULL, len, 0);
    const uint64_t parts[] = {base.low, base.high,  row,
                              stage,    before.low, before.high};

    return co_hash128(parts, sizeof parts, VERSION);
}
