/* worker_heartbeat.c - see worker_heartbeat.h. One script call instead of HSET
 * + EXPIRE + ZADD would use the clock of Redis for the score, but scripts are
 * often not permitted to a restricted user; wall time is exact enough for a
 * list whose readers allow 15 s. */
#include "worker/worker_heartbeat.h"

#include "common/clock.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/redis_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    GONE_MS = 200,
    FIELDS_MAX = 48 + 4 * SLOTS_SERVICES_MAX,
    VALUE_BYTES = 32,
    NAME_BYTES = 2 * NAME_BYTES_MAX + 16,
    ASK_DRAIN = 1, /* tokens */
    ASK_LIMIT = 2, /* + number of the service */
};

struct worker_heartbeat {
    struct worker_heartbeat_self self;
    struct co_redis *redis;
    struct co_redis_refusals refusals;
    char key[CO_KEY_BYTES], list[CO_KEY_BYTES], drain_key[CO_KEY_BYTES];
    char id[17], host[65], pid[16], started[24];
    /* "done.SERVICE" and "busy_ms.SERVICE", made once; a service that calls a
     * provider is called SERVICE@PROVIDER, as its queue is */
    char done_names[SLOTS_SERVICES_MAX][NAME_BYTES + 8];
    char busy_names[SLOTS_SERVICES_MAX][NAME_BYTES + 8];
    char scale_keys[SLOTS_SERVICES_MAX][CO_KEY_BYTES];
    uint32_t limits[SLOTS_SERVICES_MAX]; /* 0: none */
    bool drain;
};

static void
name_fields(struct worker_heartbeat *h)
{
    for (uint32_t i = 0; i < h->self.n_services; i++) {
        const struct slots_service *service = &h->self.service_table[i];
        const char *provider = service->provider ? service->provider : "";
        char name[NAME_BYTES];

        (void)snprintf(name, sizeof name, "%s%s%s", service->name,
                       provider[0] ? "@" : "", provider);
        (void)snprintf(h->done_names[i], sizeof h->done_names[i], "done.%s",
                       name);
        (void)snprintf(h->busy_names[i], sizeof h->busy_names[i], "busy_ms.%s",
                       name);
        (void)co_key(CO_KEY_SCALE, h->self.ns, name, h->scale_keys[i]);
    }
}

enum co_err
worker_heartbeat_new(const struct worker_heartbeat_self *self,
                     struct worker_heartbeat **ret_heartbeat,
                     struct co_diag *diag)
{
    co_auto(worker_heartbeat_freep) struct worker_heartbeat *h =
        calloc(1, sizeof *h);
    const struct co_redis_options options = {
        .url = self->url,
        .allow_insecure = self->insecure,
        .name = CO_PROGRAM "-worker",
    };
    enum co_err err;

    if (!h) return CO_NOMEM;
    h->self = *self;
    (void)snprintf(h->id, sizeof h->id, "%016" PRIx64, self->incarnation);
    (void)co_key(CO_KEY_WORKER, self->ns, h->id, h->key);
    (void)co_key(CO_KEY_WORKERS, self->ns, NULL, h->list);
    (void)co_key(CO_KEY_DRAIN, self->ns, h->id, h->drain_key);
    name_fields(h);
    (void)snprintf(h->pid, sizeof h->pid, "%ld", (long)getpid());
    (void)snprintf(h->started, sizeof h->started, "%" PRId64,
                   co_clock_wall_ms());
    if (gethostname(h->host, sizeof h->host - 1) != 0) h->host[0] = '\0';
    err = co_redis_start(&options, &h->redis, diag);
    if (err) return err;
    *ret_heartbeat = co_take(&h);
    return CO_OK;
}

void
worker_heartbeat_free(struct worker_heartbeat *h)
{
    if (!h) return;
    if (h->redis) {
        const char *const del[] = {"DEL", h->key, h->drain_key};
        const char *const rem[] = {"ZREM", h->list, h->id};

        /* Refused when its queue is full: then the TTL does it. */
        if (!co_redis_send(h->redis, 3, del, NULL) &&
            !co_redis_send(h->redis, 3, rem, NULL)) {
            co_redis_stop(h->redis, GONE_MS);
        }
        co_redis_free(h->redis);
    }
    free(h);
}

int
worker_heartbeat_fd(const struct worker_heartbeat *h)
{
    return co_redis_fd(h->redis);
}

static uint64_t
number_of(const struct co_redis_reply *r)
{
    return r->type == CO_REDIS_TEXT ? strtoull(r->text, NULL, 10) : 0;
}

/* in_flight_max and at. The key stays when no scaler is left to renew it: what
 * that one thought of the load then must not hold for ever. */
static uint32_t
limit_of(const struct co_redis_reply *reply)
{
    int64_t at_ms;

    if (reply->type != CO_REDIS_ARRAY || reply->count < 2) return 0;
    at_ms = (int64_t)co_min_u64(number_of(&reply->elements[1]), INT64_MAX);
    if (co_clock_wall_ms() - at_ms > CO_KEY_ALIVE_MS) return 0;
    return (uint32_t)co_min_u64(number_of(&reply->elements[0]), UINT32_MAX);
}

/* An answer that was lost changes nothing; one that says that there is no such
 * field lifts the limit. */
static void
take_answer(struct worker_heartbeat *h, uint64_t token,
            const struct co_redis_reply *reply)
{
    bool text = reply && reply->type == CO_REDIS_TEXT;

    if (!reply || reply->type == CO_REDIS_ERROR) return;
    if (token == ASK_DRAIN) {
        h->drain |= text;
    } else if (token - ASK_LIMIT < h->self.n_services) {
        h->limits[token - ASK_LIMIT] = limit_of(reply);
    }
}

void
worker_heartbeat_read(struct worker_heartbeat *h)
{
    struct co_redis_item *item;

    while ((item = co_redis_poll(h->redis))) {
        if (item->kind == CO_REDIS_REPLY) {
            take_answer(h, item->token, item->reply);
        } else if (item->kind == CO_REDIS_UP) {
            co_log(CO_LOG_INFO, "redis.up", "version=%s",
                   co_log_quote(item->version).text);
        } else if (item->kind == CO_REDIS_DOWN) {
            co_log(CO_LOG_WARN, "redis.down", "why=%s",
                   co_log_quote(item->why).text);
        }
        co_redis_item_free(item);
    }
}

/* The arguments of one HSET; numbers are written into values. */
struct fields {
    const char *argv[FIELDS_MAX];
    char values[FIELDS_MAX / 2][VALUE_BYTES];
    int n, numbers;
};

static void
add_text(struct fields *f, const char *name, const char *value)
{
    co_assert(f->n + 2 <= FIELDS_MAX);
    f->argv[f->n++] = name;
    f->argv[f->n++] = value;
}

static void
add_number(struct fields *f, const char *name, uint64_t value)
{
    char *text = f->values[f->numbers++];

    (void)snprintf(text, VALUE_BYTES, "%" PRIu64, value);
    add_text(f, name, text);
}

static const char *
state_name(const struct slots_stats *stats)
{
    if (stats->draining) return "draining";
    return stats->running > 0 || stats->queued > 0 ? "busy" : "ready";
}

static void
send_list(struct worker_heartbeat *h)
{
    char now[24], old[24], seconds[12];
    const char *const ttl[] = {"EXPIRE", h->key, seconds};
    const char *const add[] = {"ZADD", h->list, now, h->id};
    const char *const trim[] = {"ZREMRANGEBYSCORE", h->list, "-inf", old};

    (void)snprintf(seconds, sizeof seconds, "%d", (int)CO_KEY_TTL_S);
    (void)snprintf(now, sizeof now, "%" PRId64, co_clock_wall_ms());
    (void)snprintf(old, sizeof old, "%" PRId64,
                   co_clock_wall_ms() - CO_KEY_MEMBER_MS);
    /* A refusal is counted there; the next second tries again. */
    if (!co_redis_send(h->redis, 3, ttl, NULL) &&
        !co_redis_send(h->redis, 4, add, NULL) &&
        !co_redis_send(h->redis, 4, trim, NULL)) {
        return;
    }
}

/* A question that finds no room is asked again in a second. */
static void
ask_drain(struct worker_heartbeat *h)
{
    const char *const get[] = {"GET", h->drain_key};
    enum co_err err = co_redis_ask(h->redis, ASK_DRAIN, 2, get, NULL);

    (void)err;
}

/* A worker with one slot has nothing to change. */
static void
ask_limits(struct worker_heartbeat *h)
{
    for (uint32_t i = 0; i < h->self.n_services && h->self.slots > 1; i++) {
        const char *const get[] = {"HMGET", h->scale_keys[i], "in_flight_max",
                                   "at"};

        if (co_redis_ask(h->redis, ASK_LIMIT + i, 4, get, NULL)) return;
    }
}

uint32_t
worker_heartbeat_limit(const struct worker_heartbeat *h)
{
    uint32_t limit = 0;

    for (uint32_t i = 0; i < h->self.n_services; i++) {
        if (h->self.service_table[i].slots) continue; /* has its own */
        if (!h->limits[i] || (limit && h->limits[i] >= limit)) continue;
        limit = h->limits[i];
    }
    return limit;
}

bool
worker_heartbeat_drain(const struct worker_heartbeat *h)
{
    return h->drain;
}

void
worker_heartbeat_write(struct worker_heartbeat *h,
                       const struct slots_stats *stats,
                       const struct work_usage *usage, uint32_t llm_in_flight,
                       uint64_t rss_bytes, uint32_t cpu_permille)
{
    const struct slots_counters *c = &stats->counters;
    struct fields f = {.n = 0};
    struct co_redis_counters redis;

    /* Without a connection beats would only pile up. */
    co_redis_log_refusals(h->redis, &h->refusals, co_clock_ms());
    co_redis_counters(h->redis, &redis);
    if (redis.waiting > 16) return;
    f.argv[f.n++] = "HSET";
    f.argv[f.n++] = h->key;
    add_text(&f, "name", h->self.name);
    add_text(&f, "host", h->host);
    add_text(&f, "pid", h->pid);
    add_text(&f, "version", h->self.version);
    add_text(&f, "services", h->self.services);
    add_text(&f, "state", state_name(stats));
    add_text(&f, "started_at", h->started);
    add_number(&f, "capacity", stats->slots);
    add_number(&f, "slots_max", h->self.slots);
    add_number(&f, "in_flight", stats->running - stats->own_running);
    add_number(&f, "llm_slots", h->self.llm_slots);
    add_number(&f, "llm_in_flight", llm_in_flight);
    add_number(&f, "queued", (uint64_t)stats->queued + stats->parked);
    add_number(&f, "results_kept", stats->kept);
    add_number(&f, "done", c->done);
    add_number(&f, "failed", c->failed);
    add_number(&f, "returned", c->returned);
    add_number(&f, "resent", c->resent);
    add_number(&f, "rss_bytes", rss_bytes);
    add_number(&f, "cpu_pct", cpu_permille / 10);
    add_text(&f, "supervisor", h->self.supervisor ? h->self.supervisor : "");
    for (uint32_t i = 0; i < h->self.n_services; i++) {
        add_number(&f, h->done_names[i], usage[i].done);
        add_number(&f, h->busy_names[i], usage[i].busy_us / 1000);
    }
    if (!co_redis_send(h->redis, f.n, f.argv, NULL)) send_list(h);
    if (!h->drain) ask_drain(h);
    ask_limits(h);
}
