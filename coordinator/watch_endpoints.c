/* watch_endpoints.c - see watch_endpoints.h. A round is TIME and the list of
 * endpoints, then a HMGET for each: without the fields of single workers, of
 * which there may be thousands. Each question has exactly one answer, if only
 * that there is none, so a round ends when all have come.
 *
 * Commands that the user of Redis lacks are not asked for again on the same
 * connection: what a job waits for is worth knowing, and no reason to fill a
 * log. */
#include "coordinator/watch_endpoints.h"

#include "common/keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUND_US = 1000000,
    TOKEN_TIME = 1,
    TOKEN_LIST = 2,
    TOKEN_FIRST = 3, /* of the first endpoint */
};

#define SHARED "shared" /* the namespace of limits */

struct watch_endpoints {
    const struct watch_lanes *lanes; /* borrowed */
    int64_t next_us;
    int64_t ahead_us; /* Redis's clock less ours; 0: not known */
    uint32_t out;     /* questions not answered yet */
    bool denied;
    /* this round's, and the last whole one */
    struct endpoint_state now[WATCH_ENDPOINTS_MAX], all[WATCH_ENDPOINTS_MAX];
    size_t n_now, n_all;
    struct endpoint_state told[WATCH_ENDPOINTS_MAX]; /* the job's */
};

enum co_err
watch_endpoints_new(const struct watch_lanes *lanes,
                    struct watch_endpoints **ret_endpoints,
                    struct co_diag *diag)
{
    struct watch_endpoints *e;

    *ret_endpoints = NULL;
    if (!lanes->v[0].provider) return CO_OK;
    e = calloc(1, sizeof *e);
    if (!e) return co_fail(diag, CO_NOMEM, "out of memory");
    e->lanes = lanes;
    *ret_endpoints = e;
    return CO_OK;
}

void
watch_endpoints_free(struct watch_endpoints *e)
{
    free(e);
}

void
watch_endpoints_up(struct watch_endpoints *e)
{
    e->denied = false;
}

/* ---- questions ---- */

static void
ask(struct watch_endpoints *e, struct co_redis *redis, uint64_t token, int argc,
    const char *const *argv)
{
    /* Full: the next round does it. */
    if (co_redis_ask(redis, token, argc, argv, NULL) == CO_OK) e->out++;
}

void
watch_endpoints_turn(struct watch_endpoints *e, struct co_redis *redis,
                     int64_t now_us)
{
    static const char *const time[] = {"TIME"};
    char key[CO_KEY_BYTES], since[24];
    const char *const list[] = {"ZRANGEBYSCORE",
                                co_key(CO_KEY_LIMITS, SHARED, NULL, key),
                                since,
                                "+inf",
                                "LIMIT",
                                "0",
                                "64"};

    if (e->denied || e->out || now_us < e->next_us) return;
    e->next_us = now_us + ROUND_US;
    e->n_now = 0;
    ask(e, redis, TOKEN_TIME, co_countof(time), time);
    if (!e->ahead_us) return; /* since when is known from then on */
    (void)snprintf(since, sizeof since, "%" PRId64,
                   (now_us + e->ahead_us) / 1000 - CO_KEY_ALIVE_MS);
    ask(e, redis, TOKEN_LIST, co_countof(list), list);
}

static void
ask_for_each(struct watch_endpoints *e, struct co_redis *redis,
             const struct co_redis_reply *list)
{
    for (size_t i = 0; i < list->count && e->n_now < WATCH_ENDPOINTS_MAX; i++) {
        const char *argv[2 + ENDPOINT_STATE_FIELDS] = {"HMGET"};
        const char *id = list->elements[i].text;
        char key[CO_KEY_BYTES];

        if (list->elements[i].type != CO_REDIS_TEXT) continue;
        argv[1] = co_key(CO_KEY_LIMIT, SHARED, id, key);
        for (unsigned k = 0; k < ENDPOINT_STATE_FIELDS; k++) {
            argv[2 + k] = endpoint_state_field(k);
        }
        e->now[e->n_now] = (struct endpoint_state){.at = 0};
        (void)snprintf(e->now[e->n_now].id, sizeof e->now[0].id, "%s", id);
        ask(e, redis, TOKEN_FIRST + e->n_now, co_countof(argv), argv);
        e->n_now++;
    }
}

/* ---- answers ---- */

static void
take_time(struct watch_endpoints *e, const struct co_redis_reply *r,
          int64_t now_us)
{
    if (r->count != 2 || !r->elements[0].text || !r->elements[1].text) return;
    e->ahead_us = strtoll(r->elements[0].text, NULL, 10) * 1000000 +
                  strtoll(r->elements[1].text, NULL, 10) - now_us;
}

static void
take_fields(struct watch_endpoints *e, uint64_t i,
            const struct co_redis_reply *r)
{
    if (i >= e->n_now || r->count != ENDPOINT_STATE_FIELDS) return;
    for (unsigned k = 0; k < ENDPOINT_STATE_FIELDS; k++) {
        if (r->elements[k].type != CO_REDIS_TEXT) continue;
        endpoint_state_set(&e->now[i], endpoint_state_field(k),
                           r->elements[k].text);
    }
}

void
watch_endpoints_take(struct watch_endpoints *e, struct co_redis *redis,
                     const struct co_redis_item *item, int64_t now_us)
{
    const struct co_redis_reply *r = item->reply;

    if (e->out) e->out--;
    if (r && r->type == CO_REDIS_ERROR) {
        e->denied = true;
    } else if (r && item->token == TOKEN_TIME) {
        take_time(e, r, now_us);
    } else if (r && item->token == TOKEN_LIST) {
        ask_for_each(e, redis, r);
    } else if (r && item->token >= TOKEN_FIRST) {
        take_fields(e, item->token - TOKEN_FIRST, r);
    }
    if (e->out) return;
    memcpy(e->all, e->now, sizeof e->all);
    e->n_all = e->n_now;
}

static bool
is_of_job(const struct watch_endpoints *e, const char *provider)
{
    for (uint32_t i = 0; i < e->lanes->n; i++) {
        if (strcmp(e->lanes->v[i].provider, provider) == 0) return true;
    }
    return false;
}

const struct endpoint_state *
watch_endpoints_list(struct watch_endpoints *e, int64_t now_us, size_t *ret_n,
                     uint64_t *ret_now_us)
{
    const uint64_t now = (uint64_t)(now_us + e->ahead_us);
    size_t n = 0;

    for (size_t i = 0; i < e->n_all; i++) {
        if (!is_of_job(e, e->all[i].provider)) continue;
        if (e->all[i].at + (uint64_t)CO_KEY_ALIVE_MS * 1000 <= now) continue;
        e->told[n++] = e->all[i];
    }
    *ret_n = n;
    *ret_now_us = now;
    return e->told;
}
