/* writers.c - see writers.h. */
#include "job/writers.h"

#include "common/hash.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE_BYTES_MAX = 64 * 1024 };

struct writers *
writers_new(struct writer *first)
{
    struct writers *w = calloc(1, sizeof *w);

    if (!w) return NULL;
    w->v[0] = first;
    w->n = 1;
    return w;
}

void
writers_free(struct writers *w)
{
    if (!w) return;
    for (uint32_t i = 1; i < w->n; i++) {
        writer_free(w->v[i]);
    }
    free(w);
}

uint32_t
writers_find(const struct writers *w, const char *provider,
             uint64_t prompts_hash)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (strcmp(w->v[i]->provider, provider) == 0 &&
            writer_prompts_hash(w->v[i]) == prompts_hash) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* --- arms ----------------------------------------------------------------- */

static void
write_arm(const struct writers_arm *arm, bool alone, struct co_json *json)
{
    co_json_object(json); /* keys in sorted order */
    if (arm->builtin) {
        co_json_key(json, "builtin");
        co_json_bool(json, true);
    }
    co_json_key(json, "chain");
    co_json_array(json);
    for (uint32_t i = 0; i < arm->n; i++) {
        co_json_u64(json, arm->chain[i]);
    }
    co_json_end(json);
    if (!alone) {
        co_json_put_text(json, "name", arm->name);
        co_json_put_u64(json, "share", arm->share);
    }
    co_json_end(json);
}

static void
write_arms(const struct writers *w, struct co_json *json)
{
    co_json_array(json);
    for (uint32_t i = 0; i < w->n_arms; i++) {
        write_arm(&w->arms[i], w->n_arms == 1, json);
    }
    co_json_end(json);
}

uint64_t
writers_seed(const struct writers *w, uint64_t recipe)
{
    co_auto(co_buf_fini) struct co_buf table;
    struct co_json json;

    co_buf_init(&table, TABLE_BYTES_MAX);
    co_json_init(&json, &table);
    write_arms(w, &json);
    (void)co_json_finish(&json); /* some hundred bytes */
    return co_hash64(table.data, table.len, recipe);
}

/* Shares are of the hash's range, so that each row falls into its arm alone,
 * whatever rows there are beside it. */
uint32_t
writers_arm(const struct writers *w, uint64_t seed, uint64_t row)
{
    const uint64_t at = co_hash64(&row, sizeof row, seed) % WRITERS_SHARES;
    uint64_t sum = 0;

    for (uint32_t i = 0; i + 1 < w->n_arms; i++) {
        sum += w->arms[i].share;
        if (at < sum) return i;
    }
    return w->n_arms ? w->n_arms - 1 : 0;
}

/* --- the recipe ----------------------------------------------------------- */

void
writers_write(const struct writers *w, struct co_json *json)
{
    co_json_object(json); /* keys in sorted order */
    co_json_key(json, "arms");
    write_arms(w, json);
    if (w->fallback_ok) {
        co_json_key(json, "fallback_ok");
        co_json_bool(json, true);
    }
    if (w->n > 1) {
        co_json_key(json, "more");
        co_json_array(json);
        for (uint32_t i = 1; i < w->n; i++) {
            co_json_object(json);
            co_json_put_text(json, "provider", w->v[i]->provider);
            co_json_key(json, "writer");
            writer_write(w->v[i], json);
            co_json_end(json);
        }
        co_json_end(json);
    }
    co_json_end(json);
}

static enum co_err
bad(struct co_diag *diag)
{
    return co_fail(diag, CO_INVALID,
                   "recipe: its writers are missing or wrong");
}

static enum co_err
read_more(const json_t *list, struct writers *w, struct co_diag *diag)
{
    if (!list) return CO_OK;
    if (json_array_size(list) < 1 || json_array_size(list) >= WRITERS_MAX) {
        return bad(diag);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *provider =
            json_string_value(json_object_get(item, "provider"));
        enum co_err err;

        if (!provider) return bad(diag);
        err = writer_from_json(json_object_get(item, "writer"), provider,
                               &w->v[w->n], diag);
        if (err) return err;
        w->n++;
    }
    return CO_OK;
}

static bool
read_chain(const json_t *list, const struct writers *w, struct writers_arm *arm)
{
    if (json_array_size(list) < 1 ||
        json_array_size(list) > WRITERS_CHAIN_MAX) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);

        if (!json_is_integer(item) || json_integer_value(item) < 0 ||
            json_integer_value(item) >= w->n) {
            return false;
        }
        arm->chain[arm->n++] = (uint8_t)json_integer_value(item);
    }
    return true;
}

static bool
read_arm(const json_t *item, bool alone, struct writers *w)
{
    struct writers_arm *arm = &w->arms[w->n_arms++];
    const char *name = json_string_value(json_object_get(item, "name"));
    const json_t *share = json_object_get(item, "share");

    arm->share = WRITERS_SHARES;
    arm->builtin = json_is_true(json_object_get(item, "builtin"));
    if (!read_chain(json_object_get(item, "chain"), w, arm)) return false;
    if (alone) return !name && !share;
    if (!name || strlen(name) >= sizeof arm->name || !json_is_integer(share) ||
        json_integer_value(share) < 1 ||
        json_integer_value(share) > WRITERS_SHARES) {
        return false;
    }
    memcpy(arm->name, name, strlen(name) + 1);
    arm->share = (uint32_t)json_integer_value(share);
    return true;
}

static enum co_err
read_arms(const json_t *list, struct writers *w, struct co_diag *diag)
{
    const size_t n = json_array_size(list);
    uint32_t sum = 0;

    if (n < 1 || n > WRITERS_ARMS_MAX) return bad(diag);
    for (size_t i = 0; i < n; i++) {
        if (!read_arm(json_array_get(list, i), n == 1, w)) return bad(diag);
        sum += w->arms[i].share;
    }
    return sum == WRITERS_SHARES ? CO_OK : bad(diag);
}

enum co_err
writers_from_json(const json_t *value, struct writer *first,
                  struct writers **ret_writers, struct co_diag *diag)
{
    co_auto(writers_freep) struct writers *w = writers_new(first);
    enum co_err err;

    if (!w) return co_fail(diag, CO_NOMEM, "out of memory");
    w->fallback_ok = json_is_true(json_object_get(value, "fallback_ok"));
    err = read_more(json_object_get(value, "more"), w, diag);
    if (!err) err = read_arms(json_object_get(value, "arms"), w, diag);
    if (!err) *ret_writers = co_take(&w);
    return err;
}

/* --- for people ----------------------------------------------------------- */

void
writers_say(const struct writers *w, struct co_buf *out)
{
    for (uint32_t i = 0; i < w->n_arms; i++) {
        const struct writers_arm *arm = &w->arms[i];

        if (i) co_buf_puts(out, "; ");
        if (w->n_arms > 1) {
            co_buf_printf(out, "%s %u%% ", arm->name, arm->share);
        }
        for (uint32_t k = 0; k < arm->n; k++) {
            co_buf_printf(out, "%s%s", k ? ", " : "",
                          w->v[arm->chain[k]]->provider);
        }
        if (arm->builtin) co_buf_puts(out, ", builtin");
    }
    if (w->fallback_ok) co_buf_puts(out, " (fallback_ok)");
}
