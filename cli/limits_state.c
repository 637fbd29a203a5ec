/* limits_state.c - see limits_state.h. */
#include "cli/limits_state.h"

#include "common/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 3000 };

/* Limits belong to endpoints, not to a namespace. */
#define SHARED "shared"

/* Commands of one exchange; a refused one is told. */
static enum co_err
exchange(struct co_redis_client *client, const struct co_redis_command *v,
         size_t n, struct co_redis_reply **ret, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *all = NULL;
    enum co_err err = co_redis_call_many(client, v, n, WAIT_MS, &all, diag);

    for (size_t i = 0; i < n && !err; i++) {
        char what[CO_KEY_BYTES + 20];

        (void)snprintf(what, sizeof what, "%s %s", v[i].argv[0],
                       v[i].argc > 1 ? v[i].argv[1] : "");
        err = co_redis_refused(&all->elements[i], co_redis_client_name(client),
                               what, diag);
    }
    if (!err) *ret = co_take(&all);
    return err;
}

static uint64_t
time_of(const struct co_redis_reply *r)
{
    if (r->count != 2 || !r->elements[0].text || !r->elements[1].text) return 0;
    return strtoull(r->elements[0].text, NULL, 10) * 1000000 +
           strtoull(r->elements[1].text, NULL, 10);
}

static void
take(const struct co_redis_reply *hash, struct endpoint_state *e)
{
    for (size_t i = 0; i + 1 < hash->count; i += 2) {
        const struct co_redis_reply *pair = &hash->elements[i];

        if (pair[0].type == CO_REDIS_TEXT && pair[1].type == CO_REDIS_TEXT) {
            endpoint_state_set(e, pair[0].text, pair[1].text);
        }
    }
}

static enum co_err
read_all(struct co_redis_client *client, const struct co_redis_reply *list,
         struct limits_state *state, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    struct co_redis_command v[LIMITS_STATE_MAX];
    char keys[LIMITS_STATE_MAX][CO_KEY_BYTES];
    const char *ids[LIMITS_STATE_MAX];
    size_t n = 0;
    enum co_err err;

    for (size_t i = 0; i < list->count && n < LIMITS_STATE_MAX; i++) {
        if (list->elements[i].type != CO_REDIS_TEXT) continue;
        ids[n] = list->elements[i].text;
        v[n] = (struct co_redis_command){
            2, {"HGETALL", co_key(CO_KEY_LIMIT, SHARED, ids[n], keys[n])}};
        n++;
    }
    if (n == 0) return CO_OK;
    err = exchange(client, v, n, &r, diag);
    for (size_t i = 0; !err && i < n; i++) {
        struct endpoint_state *e = &state->v[state->n];

        memset(e, 0, sizeof *e);
        (void)snprintf(e->id, sizeof e->id, "%s", ids[i]);
        take(&r->elements[i], e);
        if (e->at + (uint64_t)CO_KEY_ALIVE_MS * 1000 > state->now_us) {
            state->n++;
        }
    }
    return err;
}

enum co_err
limits_state_read(struct co_redis_client *client,
                  struct limits_state *ret_state, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    char key[CO_KEY_BYTES];
    const struct co_redis_command v[] = {
        {1, {"TIME"}},
        {4,
         {"ZREVRANGE", co_key(CO_KEY_LIMITS, SHARED, NULL, key), "0", "63"}}};
    enum co_err err;

    memset(ret_state, 0, sizeof *ret_state);
    err = exchange(client, v, co_countof(v), &r, diag);
    if (err) return err;
    ret_state->now_us = time_of(&r->elements[0]);
    return read_all(client, &r->elements[1], ret_state, diag);
}
