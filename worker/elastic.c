/* elastic.c - see elastic.h.
 *
 * A wish carries the number of the scaler's lease. A lower one than was seen
 * is of a holder that was replaced while it was frozen, and is passed over; but
 * only for STALE_MS: a Redis that was emptied under a fleet that was started
 * anew counts from 1 again. */
#include "worker/elastic.h"

#include "common/clock.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/redis.h"
#include "worker/service.h"
#include "worker/slots.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    GONE_MS = 200,
    WAITING_MAX = 16, /* orders; without a connection beats would pile up */
    STALE_MS = 10000,
    ASK_SHARE = 1, /* tokens: what << 32 | number */
    ASK_WORKER = 2,
};

struct wish {
    const char *service;
    uint64_t number; /* of the lease that it was made under */
    int64_t at_ms;   /* when it was read */
    uint32_t share;
};

struct elastic {
    const struct worker_config *config;
    struct co_redis *redis;
    char id[96], host[65], services[512], share_field[112];
    char key[CO_KEY_BYTES], list[CO_KEY_BYTES];
    struct wish wishes[SLOTS_SERVICES_MAX];
    uint32_t n;
    struct {
        bool answered;
        struct share_worker worker;
    } answers[WORKER_PROCESSES_MAX];
};

/* Those that the workers will serve: what was asked for, or all. */
static void
list_services(struct elastic *e)
{
    const struct co_option_list *given = &e->config->services;
    size_t n = given->count ? given->count : service_count, len = 0;

    for (size_t i = 0; i < n && e->n < SLOTS_SERVICES_MAX; i++) {
        const char *name =
            given->count ? given->items[i] : service_table[i]->name;

        e->wishes[e->n++].service = name;
        if (len >= sizeof e->services) continue;
        len += (size_t)snprintf(e->services + len, sizeof e->services - len,
                                "%s%s", i ? "," : "", name);
    }
}

enum co_err
elastic_new(const struct worker_config *config, struct elastic **ret_elastic,
            struct co_diag *diag)
{
    co_auto(elastic_freep) struct elastic *e = calloc(1, sizeof *e);
    const struct co_redis_options options = {
        .url = config->redis,
        .allow_insecure = config->redis_insecure,
        .name = CO_PROGRAM "-supervisor",
    };
    enum co_err err;

    if (!e) return co_fail(diag, CO_NOMEM, "out of memory");
    e->config = config;
    if (gethostname(e->host, sizeof e->host - 1)) e->host[0] = '\0';
    (void)snprintf(e->id, sizeof e->id, "%s-%ld", e->host, (long)getpid());
    (void)snprintf(e->share_field, sizeof e->share_field, "share.%s", e->id);
    (void)co_key(CO_KEY_SUPERVISOR, config->ns, e->id, e->key);
    (void)co_key(CO_KEY_SUPERVISORS, config->ns, NULL, e->list);
    list_services(e);
    err = co_redis_start(&options, &e->redis, diag);
    if (err) return err;
    *ret_elastic = co_take(&e);
    return CO_OK;
}

/* What the queue has no room for is counted there and said again next time. */
static void
send(struct elastic *e, int argc, const char *const *argv)
{
    enum co_err err = co_redis_send(e->redis, argc, argv, NULL);

    (void)err;
}

static void
ask(struct elastic *e, uint64_t what, uint32_t i, int argc,
    const char *const *argv)
{
    enum co_err err = co_redis_ask(e->redis, what << 32 | i, argc, argv, NULL);

    (void)err;
}

void
elastic_free(struct elastic *e)
{
    if (!e) return;
    if (e->redis) {
        const char *const del[] = {"DEL", e->key};
        const char *const rem[] = {"ZREM", e->list, e->id};

        send(e, 2, del);
        send(e, 3, rem);
        co_redis_stop(e->redis, GONE_MS);
        co_redis_free(e->redis);
    }
    free(e);
}

int
elastic_fd(const struct elastic *e)
{
    return co_redis_fd(e->redis);
}

const char *
elastic_id(const struct elastic *e)
{
    return e->id;
}

/* ---- telling and asking ---- */

static void
tell_self(struct elastic *e, uint32_t running)
{
    char pid[16], min[12], max[12], now_running[12], ttl[12], now[24], old[24];
    const char *const set[] = {
        "HSET",      e->key, "host", e->host, "pid", pid,       "services",
        e->services, "min",  min,    "max",   max,   "running", now_running};
    const char *const expire[] = {"EXPIRE", e->key, ttl};
    const char *const add[] = {"ZADD", e->list, now, e->id};
    const char *const trim[] = {"ZREMRANGEBYSCORE", e->list, "-inf", old};

    (void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
    (void)snprintf(min, sizeof min, "%u", e->config->processes_min);
    (void)snprintf(max, sizeof max, "%u", e->config->processes_max);
    (void)snprintf(now_running, sizeof now_running, "%u", running);
    (void)snprintf(ttl, sizeof ttl, "%d", (int)CO_KEY_TTL_S);
    (void)snprintf(now, sizeof now, "%" PRId64, co_clock_wall_ms());
    (void)snprintf(old, sizeof old, "%" PRId64,
                   co_clock_wall_ms() - CO_KEY_MEMBER_MS);
    send(e, (int)co_countof(set), set);
    send(e, 3, expire);
    send(e, 4, add);
    send(e, 4, trim);
}

void
elastic_beat(struct elastic *e, uint32_t running)
{
    struct co_redis_counters redis;

    co_redis_counters(e->redis, &redis);
    if (redis.waiting > WAITING_MAX) return;
    tell_self(e, running);
    for (uint32_t i = 0; i < e->n; i++) {
        char key[CO_KEY_BYTES];
        const char *argv[] = {"HMGET", NULL, "number", e->share_field};

        argv[1] =
            co_key(CO_KEY_SCALE, e->config->ns, e->wishes[i].service, key);
        ask(e, ASK_SHARE, i, 4, argv);
    }
}

void
elastic_ask(struct elastic *e, uint32_t i, uint64_t worker)
{
    char key[CO_KEY_BYTES], id[17];
    const char *argv[] = {"HMGET",  NULL,           "state",     "in_flight",
                          "queued", "results_kept", "started_at"};

    (void)snprintf(id, sizeof id, "%016" PRIx64, worker);
    argv[1] = co_key(CO_KEY_WORKER, e->config->ns, id, key);
    e->answers[i].answered = false;
    ask(e, ASK_WORKER, i, (int)co_countof(argv), argv);
}

void
elastic_drain(struct elastic *e, uint64_t worker)
{
    char key[CO_KEY_BYTES], id[17], ttl[12];
    const char *argv[] = {"SET", NULL, "scale-in", "EX", ttl};

    (void)snprintf(id, sizeof id, "%016" PRIx64, worker);
    (void)snprintf(ttl, sizeof ttl, "%d", (int)CO_KEY_DRAIN_S);
    argv[1] = co_key(CO_KEY_DRAIN, e->config->ns, id, key);
    send(e, (int)co_countof(argv), argv);
}

/* ---- answers ---- */

/* The i-th text of an array; NULL: nothing stands there. */
static const char *
text_at(const struct co_redis_reply *reply, size_t i)
{
    if (reply->type != CO_REDIS_ARRAY || i >= reply->count) return NULL;
    if (reply->elements[i].type != CO_REDIS_TEXT) return NULL;
    return reply->elements[i].text;
}

static uint64_t
number_at(const struct co_redis_reply *reply, size_t i)
{
    const char *text = text_at(reply, i);

    return text ? strtoull(text, NULL, 10) : 0;
}

/* No scale:SERVICE: the scaler does not know the service, or Redis was emptied
 * and it will be written again. Either way the last wish stands. */
static void
on_share(struct elastic *e, uint32_t i, const struct co_redis_reply *reply)
{
    struct wish *w = &e->wishes[i];
    uint64_t number = number_at(reply, 0), share = number_at(reply, 1);
    int64_t now_ms = co_clock_ms();

    if (i >= e->n || !text_at(reply, 0) || !text_at(reply, 1)) return;
    if (number < w->number && now_ms - w->at_ms < STALE_MS) return;
    w->number = number;
    w->at_ms = now_ms;
    w->share = (uint32_t)co_min_u64(share, WORKER_PROCESSES_MAX);
}

/* A worker without a hash is starting up, or Redis was emptied: take it for
 * busy, since nothing is known. */
static void
on_worker(struct elastic *e, uint32_t i, const struct co_redis_reply *reply)
{
    const char *state = text_at(reply, 0);
    uint64_t load =
        number_at(reply, 1) + number_at(reply, 2) + number_at(reply, 3);

    if (i >= WORKER_PROCESSES_MAX) return;
    e->answers[i].answered = true;
    e->answers[i].worker = (struct share_worker){
        .load = (uint32_t)co_min_u64(load, UINT32_MAX),
        .started_ms = (int64_t)number_at(reply, 4),
        .busy = !state || strcmp(state, "ready") != 0 || load > 0,
    };
}

void
elastic_read(struct elastic *e)
{
    struct co_redis_item *item;

    while ((item = co_redis_poll(e->redis))) {
        uint32_t i = (uint32_t)item->token;

        if (item->kind == CO_REDIS_REPLY && item->reply) {
            if (item->token >> 32 == ASK_SHARE) on_share(e, i, item->reply);
            if (item->token >> 32 == ASK_WORKER) on_worker(e, i, item->reply);
        } else if (item->kind == CO_REDIS_DOWN) {
            co_log(CO_LOG_WARN, "redis.down", "why=%s",
                   co_log_quote(item->why).text);
        }
        co_redis_item_free(item);
    }
}

bool
elastic_answer(struct elastic *e, uint32_t i, struct share_worker *ret)
{
    if (!e->answers[i].answered) return false;
    e->answers[i].answered = false;
    *ret = e->answers[i].worker;
    return true;
}

uint32_t
elastic_wish(const struct elastic *e)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < e->n; i++) {
        sum += e->wishes[i].share;
    }
    return (uint32_t)co_clamp_u64(sum, e->config->processes_min,
                                  e->config->processes_max);
}
