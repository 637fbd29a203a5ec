/* limits_state.c - see limits_state.h. */
#include "cli/limits_state.h"

#include "common/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 3000 };

/* Limits belong to endpoints, not to a namespace. */
#define SHARED "shared"

static enum co_err
read_now(struct co_redis_client *client, uint64_t *ret_us, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    const char *const argv[] = {"TIME"};
    enum co_err err = co_redis_do(client, 1, argv, WAIT_MS, &r, diag);

    if (err) return err;
    if (r->count == 2 && r->elements[0].text && r->elements[1].text) {
        *ret_us = strtoull(r->elements[0].text, NULL, 10) * 1000000 +
                  strtoull(r->elements[1].text, NULL, 10);
    }
    return CO_OK;
}

static void
take(const struct co_redis_reply *hash, struct limits_state_endpoint *e)
{
    (void)snprintf(e->provider, sizeof e->provider, "%s",
                   co_redis_field(hash, "provider"));
    (void)snprintf(e->url, sizeof e->url, "%s", co_redis_field(hash, "url"));
#define TAKE(field) e->field = co_redis_field_u64(hash, #field)
    TAKE(at);
    TAKE(hold_until);
    TAKE(open_until);
    TAKE(breaker);
    TAKE(rpm);
    TAKE(tpm);
    TAKE(requests_60s);
    TAKE(tokens_60s);
    TAKE(ceiling);
    TAKE(held);
    TAKE(workers);
#undef TAKE
}

static enum co_err
read_one(struct co_redis_client *client, const char *id,
         struct limits_state *state, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    struct limits_state_endpoint *e = &state->v[state->n];
    char key[CO_KEY_BYTES];
    const char *const argv[] = {"HGETALL",
                                co_key(CO_KEY_LIMIT, SHARED, id, key)};
    enum co_err err = co_redis_do(client, 2, argv, WAIT_MS, &r, diag);

    if (err) return err;
    take(r, e);
    if (e->at + (uint64_t)CO_KEY_ALIVE_MS * 1000 > state->now_us) state->n++;
    return CO_OK;
}

enum co_err
limits_state_read(struct co_redis_client *client,
                  struct limits_state *ret_state, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *list = NULL;
    char key[CO_KEY_BYTES];
    const char *const argv[] = {
        "ZREVRANGE", co_key(CO_KEY_LIMITS, SHARED, NULL, key), "0", "63"};
    enum co_err err;

    memset(ret_state, 0, sizeof *ret_state);
    err = read_now(client, &ret_state->now_us, diag);
    if (!err) err = co_redis_do(client, 4, argv, WAIT_MS, &list, diag);
    for (size_t i = 0; !err && i < list->count && i < LIMITS_STATE_MAX; i++) {
        if (list->elements[i].type != CO_REDIS_TEXT) continue;
        err = read_one(client, list->elements[i].text, ret_state, diag);
    }
    return err;
}
