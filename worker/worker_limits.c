/* worker_limits.c - see worker_limits.h.
 * The script is loaded once a connection and run by its digest: its text is
 * 10 KB, which ten exchanges a second and worker would send for nothing.
 *
 * What Redis said before it was another one must not count. The answer to a
 * question that was asked under the one before may come after the news of the
 * new one; so questions carry a generation, and older ones pass for
 * unanswered. A Redis that hides its run_id (INFO is not permitted) could be
 * any: then there are no exchanges, which the limiters take as Redis gone. */
#include "worker/worker_limits.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/redis_log.h"
#include "llm/endpoint_id.h"
#include "llm/limiter_exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GONE_MS = 200,
    TIMEOUT_MS = 1000,
    REFUSALS_MS = 1000,
    ENDPOINTS_MAX = PROVIDERS_MAX * PROVIDERS_ENDPOINTS_MAX,
    ARGS_FIXED = 5 + LIMITER_SCRIPT_TEXTS, /* EVALSHA, digest, 2, two keys */
    ASK_LOAD = 1,                          /* tokens; 2 + endpoint */
    ASK_EXCHANGE = 2,
    TOKEN_BITS = 16, /* below the generation */
    DIGEST_BYTES = 48,
};

#define SHARED "shared" /* the namespace of limits */

struct endpoint {
    struct limiter *limiter;
    uint32_t number; /* of the limiter */
    const char *provider;
    char id[CO_HEX16_SIZE], key[CO_KEY_BYTES];
    char url[PROVIDERS_URL_BYTES]; /* for people: without a query */
    int64_t held_us;               /* the wait that was logged last */
};

struct worker_limits {
    struct worker_limits_self self;
    struct co_redis *redis;
    struct co_redis_refusals refusals;
    int64_t refusals_ms;
    char worker[CO_HEX16_SIZE], index[CO_KEY_BYTES], events[CO_KEY_BYTES];

    bool up;
    uint64_t generation;
    char run_id[48], digest[DIGEST_BYTES];

    struct limiter *limiters[PROVIDERS_MAX];
    uint32_t n_limiters, n;
    struct endpoint endpoints[ENDPOINTS_MAX];
};

enum co_err
worker_limits_new(const struct worker_limits_self *self,
                  struct worker_limits **ret_limits, struct co_diag *diag)
{
    co_auto(worker_limits_freep) struct worker_limits *w = calloc(1, sizeof *w);
    const struct co_redis_options options = {
        .url = self->url,
        .allow_insecure = self->insecure,
        .name = CO_PROGRAM "-limits",
        .connect_timeout_ms = TIMEOUT_MS,
        .command_timeout_ms = TIMEOUT_MS,
    };
    enum co_err err;

    if (!w) return CO_NOMEM;
    w->self = *self;
    (void)co_hex16(self->id, w->worker);
    (void)co_key(CO_KEY_LIMITS, SHARED, NULL, w->index);
    (void)co_key(CO_KEY_EVENTS, self->ns, NULL, w->events);
    err = co_redis_start(&options, &w->redis, diag);
    if (err) return err;
    *ret_limits = co_take(&w);
    return CO_OK;
}

/* ---- providers --------------------------------------------------------------
 */
static enum co_err
add_endpoint(struct worker_limits *w, const struct providers_entry *entry,
             struct limiter *limiter, uint32_t number, const struct secret *key,
             struct co_diag *diag)
{
    struct endpoint *e = &w->endpoints[w->n];
    const char *url = entry->endpoints[number].url;
    uint64_t id;
    enum co_err err;

    if (!url[0]) url = entry->kind->host;
    if (entry->replay_file[0]) url = entry->replay_file;
    err = endpoint_id(url, key, &id, diag);
    if (err) return err;
    *e = (struct endpoint){
        .limiter = limiter, .number = number, .provider = entry->name};
    (void)co_hex16(id, e->id);
    (void)co_key(CO_KEY_LIMIT, SHARED, e->id, e->key);
    (void)snprintf(e->url, sizeof e->url, "%.*s", (int)strcspn(url, "?"), url);
    w->n++;
    return CO_OK;
}

enum co_err
worker_limits_add(struct worker_limits *w, const struct providers_entry *entry,
                  struct limiter *limiter, const struct secret *const *keys,
                  struct co_diag *diag)
{
    uint32_t before = w->n;

    if (w->n_limiters == PROVIDERS_MAX ||
        w->n + entry->n_endpoints > ENDPOINTS_MAX) {
        return co_fail(diag, CO_FULL, "more than %d providers",
                       (int)PROVIDERS_MAX);
    }
    for (uint32_t i = 0; i < entry->n_endpoints; i++) {
        enum co_err err =
            add_endpoint(w, entry, limiter, i, keys ? keys[i] : NULL, diag);

        if (!err) continue;
        w->n = before;
        return err;
    }
    limiter_seed(limiter, w->self.id);
    w->limiters[w->n_limiters++] = limiter;
    return CO_OK;
}

/* ---- asking ---- */

/* Sends the exchange; token 0: nobody waits for the answer. */
static enum co_err
send_ask(struct worker_limits *w, const struct endpoint *e, uint64_t token,
         const struct limiter_ask *ask)
{
    char numbers[LIMITER_NUMBERS_MAX][LIMITER_NUMBER_BYTES];
    const char *argv[ARGS_FIXED + LIMITER_NUMBERS_MAX] = {
        "EVALSHA", w->digest, "2",   e->key,      w->index,
        w->worker, w->run_id, e->id, e->provider, e->url};
    uint32_t n = limiter_ask_numbers(ask, numbers);

    for (uint32_t i = 0; i < n; i++) {
        argv[ARGS_FIXED + i] = numbers[i];
    }
    return token ? co_redis_ask(w->redis, token, (int)(ARGS_FIXED + n), argv,
                                NULL)
                 : co_redis_send(w->redis, (int)(ARGS_FIXED + n), argv, NULL);
}

static bool
may_ask(const struct worker_limits *w)
{
    return w->up && w->run_id[0] && w->digest[0];
}

void
worker_limits_turn(struct worker_limits *w, int64_t now_us)
{
    if (now_us / 1000 - w->refusals_ms >= REFUSALS_MS) {
        w->refusals_ms = now_us / 1000;
        co_redis_log_refusals(w->redis, &w->refusals, w->refusals_ms);
    }
    if (!may_ask(w)) return;
    for (uint32_t i = 0; i < w->n; i++) {
        const struct endpoint *e = &w->endpoints[i];
        uint64_t token = w->generation << TOKEN_BITS | (ASK_EXCHANGE + i);
        struct limiter_ask ask;

        if (!limiter_want(e->limiter, e->number, now_us, &ask)) continue;
        if (send_ask(w, e, token, &ask)) {
            limiter_unanswered(e->limiter, e->number, now_us);
        }
    }
}

int64_t
worker_limits_due_us(const struct worker_limits *w, int64_t now_us)
{
    int64_t due = INT64_MAX;

    for (uint32_t i = 0; i < w->n_limiters && may_ask(w); i++) {
        int64_t next = limiter_exchange_due_us(w->limiters[i]);

        if (next < due) due = next;
    }
    return due < now_us ? now_us : due;
}

/* ---- what is told to people ---- */
static const char *
why_changed(int64_t breaker)
{
    return breaker == LIMITER_OPEN   ? "calls failed one after another"
           : breaker == LIMITER_HALF ? "one call tries whether it answers again"
                                     : "it answers again";
}

static void
tell_breaker(struct worker_limits *w, const struct endpoint *e,
             const struct limiter_told *told)
{
    const char *from = limiter_breaker_name(told->was);
    const char *to = limiter_breaker_name(told->breaker);
    const char *why = why_changed(told->breaker);
    char now[24], most[16];
    const char *const argv[] = {
        "XADD",    w->events,   "MAXLEN", "~",       most,   "*",
        "time_ms", now,         "kind",   "breaker", "id",   e->id,
        "name",    e->provider, "job",    "",        "from", from,
        "to",      to,          "why",    why,       "url",  e->url};

    if (told->was == told->breaker) return;
    (void)snprintf(now, sizeof now, "%" PRId64, co_clock_wall_ms());
    (void)snprintf(most, sizeof most, "%d", (int)CO_KEY_EVENTS_MAX);
    co_log(told->breaker == LIMITER_OPEN ? CO_LOG_WARN : CO_LOG_INFO,
           "breaker.changed", "provider=%s url=%s from=%s to=%s why=%s",
           co_log_quote(e->provider).text, co_log_quote(e->url).text, from, to,
           co_log_quote(why).text);
    /* Full: counted there, and the log has it. */
    if (co_redis_send(w->redis, (int)co_countof(argv), argv, NULL)) return;
}

/* Once a wait; a later end is news. */
static void
tell_wait(struct endpoint *e, const struct limiter_told *told)
{
    int64_t left_us = told->hold_until_us - told->now_us;

    if (left_us <= 0 || told->hold_until_us <= e->held_us) return;
    e->held_us = told->hold_until_us;
    co_log(CO_LOG_INFO, "endpoint.waits", "provider=%s url=%s ms=%" PRId64,
           co_log_quote(e->provider).text, co_log_quote(e->url).text,
           left_us / 1000);
}

/* ---- answers ---- */
static bool
read_told(const struct co_redis_reply *reply, struct limiter_told *told)
{
    int64_t numbers[LIMITER_TOLD_COUNT];

    if (!reply || reply->type != CO_REDIS_ARRAY ||
        reply->count != LIMITER_TOLD_COUNT) {
        return false;
    }
    for (size_t i = 0; i < LIMITER_TOLD_COUNT; i++) {
        if (reply->elements[i].type != CO_REDIS_INT) return false;
        numbers[i] = reply->elements[i].integer;
    }
    return limiter_told_from(numbers, LIMITER_TOLD_COUNT, told);
}

/* A refusal that nobody's question was behind is logged with the others. */
static void
load(struct worker_limits *w)
{
    const char *const argv[] = {"SCRIPT", "LOAD", limiter_script};

    w->digest[0] = '\0';
    if (co_redis_ask(w->redis, w->generation << TOKEN_BITS | ASK_LOAD, 3, argv,
                     NULL)) {
        w->up = false; /* cannot be: nothing else waits on a connection */
    }
}

static void
take_exchange(struct worker_limits *w, uint32_t i,
              const struct co_redis_item *item, bool counts, int64_t now_us)
{
    struct endpoint *e = &w->endpoints[i];
    const struct co_redis_reply *reply = item->reply;
    struct limiter_told told;

    if (i >= w->n) return;
    if (counts && read_told(reply, &told)) {
        limiter_granted(e->limiter, e->number, &told, now_us);
        tell_breaker(w, e, &told);
        tell_wait(e, &told);
        return;
    }
    limiter_unanswered(e->limiter, e->number, now_us);
    /* SCRIPT FLUSH, or a failover to one that never had it */
    if (counts && reply && reply->type == CO_REDIS_ERROR &&
        strncmp(reply->text, "NOSCRIPT", 8) == 0 && w->digest[0]) {
        load(w);
    }
}

static void
take_reply(struct worker_limits *w, const struct co_redis_item *item,
           int64_t now_us)
{
    uint64_t low = item->token & ((1U << TOKEN_BITS) - 1);
    bool counts = item->token >> TOKEN_BITS == w->generation;

    if (low >= ASK_EXCHANGE) {
        take_exchange(w, (uint32_t)(low - ASK_EXCHANGE), item, counts, now_us);
    } else if (counts && item->reply && item->reply->type == CO_REDIS_TEXT) {
        (void)snprintf(w->digest, sizeof w->digest, "%s", item->reply->text);
    }
}

static void
take_up(struct worker_limits *w, const struct co_redis_item *item,
        int64_t now_us)
{
    w->up = true;
    w->generation++;
    (void)snprintf(w->run_id, sizeof w->run_id, "%s", item->run_id);
    if (item->run_id_changed) {
        for (uint32_t i = 0; i < w->n_limiters; i++) {
            limiter_restarted(w->limiters[i], now_us);
        }
    }
    if (!w->run_id[0]) {
        co_log(CO_LOG_WARN, "limits.blind",
               "why=\"this user of Redis may not run INFO: limits cannot be "
               "shared, so nothing is leased\"");
    }
    load(w);
}

void
worker_limits_read(struct worker_limits *w, int64_t now_us)
{
    struct co_redis_item *item;

    while ((item = co_redis_poll(w->redis))) {
        if (item->kind == CO_REDIS_REPLY) {
            take_reply(w, item, now_us);
        } else if (item->kind == CO_REDIS_UP) {
            take_up(w, item, now_us);
        } else {
            w->up = false;
        }
        co_redis_item_free(item);
    }
}

int
worker_limits_fd(const struct worker_limits *w)
{
    return co_redis_fd(w->redis);
}

/* ---- the end ---- */
void
worker_limits_free(struct worker_limits *w)
{
    if (!w) return;
    if (w->redis) {
        for (uint32_t i = 0; i < w->n && may_ask(w); i++) {
            const struct endpoint *e = &w->endpoints[i];
            struct limiter_ask ask;

            limiter_bye(e->limiter, e->number, co_clock_us(), &ask);
            if (send_ask(w, e, 0, &ask)) break; /* then silence does it */
        }
        co_redis_stop(w->redis, GONE_MS);
        co_redis_free(w->redis);
    }
    free(w);
}
