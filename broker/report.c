/* report.c - see report.h. Counters are cumulative and written whole each
 * time, so that an emptied Redis is right again after REPORT_MS. */
#include "broker/report.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/redis_log.h"
#include "proto/gate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ARGS_MAX = 256, /* of one command: all counters and more */
    FIELD_BYTES = NAME_BYTES_MAX + 32, /* a name, a field's name before it */
    STOP_MS = 500,
};

struct report {
    struct co_redis *redis;
    struct co_redis_refusals refusals;
    const char *ns; /* the config's */
    char id[NAME_BYTES_MAX + 1];
    char host[65];
    int64_t next_ms, started_ms;
    int64_t cpu_us, cpu_at_ms;
    uint64_t refused; /* orders that the Redis queue had no room for */
    /* the command under construction */
    const char *argv[ARGS_MAX];
    char text[ARGS_MAX][FIELD_BYTES];
    int argc;
};

static void
begin(struct report *r, const char *command, enum co_key key, const char *id,
      char text[CO_KEY_BYTES])
{
    r->argv[0] = command;
    r->argv[1] = co_key(key, r->ns, id, text);
    r->argc = 2;
}

static void add(struct report *r, const char *fmt, ...) co_printf(2, 3);
static void
add(struct report *r, const char *fmt, ...)
{
    va_list args;

    if (r->argc == ARGS_MAX) return;
    va_start(args, fmt);
    (void)vsnprintf(r->text[r->argc], FIELD_BYTES, fmt, args);
    va_end(args);
    r->argv[r->argc] = r->text[r->argc];
    r->argc++;
}

/* Redis is slow or away and the queue full: the next report repeats every
 * count; what does not come again (events) stands in the log. */
static void
finish(struct report *r)
{
    if (co_redis_send(r->redis, r->argc, r->argv, NULL)) r->refused++;
}

enum co_err
report_new(const struct broker_config *config, const char *name,
           uint64_t incarnation, struct co_diag *diag,
           struct report **ret_report)
{
    co_auto(report_freep) struct report *r = NULL;
    struct co_redis_options options = {.url = config->redis,
                                       .allow_insecure = config->redis_insecure,
                                       .name = name};
    enum co_err err;

    (void)incarnation;
    *ret_report = NULL;
    if (!config->redis) return CO_OK;
    r = calloc(1, sizeof *r);
    if (!r) return CO_NOMEM;
    err = co_redis_start(&options, &r->redis, diag);
    if (err) return err;
    r->ns = config->ns;
    memcpy(r->id, name, strlen(name) + 1);
    (void)gethostname(r->host, sizeof r->host - 1);
    r->started_ms = co_clock_wall_ms();
    *ret_report = co_take(&r);
    return CO_OK;
}

void
report_free(struct report *r)
{
    if (!r) return;
    if (r->redis) co_redis_stop(r->redis, STOP_MS);
    co_redis_free(r->redis);
    free(r);
}

void
report_events(struct report *r, struct dispatch *d)
{
    struct dispatch_event e;
    char key[CO_KEY_BYTES];

    while (dispatch_take_event(d, &e)) {
        char id[CO_HEX16_SIZE];

        co_hex16(e.id, id);
        co_log(CO_LOG_INFO, "state",
               "kind=%s id=%s name=%s from=%s to=%s "
               "why=%s",
               e.kind, id, co_log_quote(e.name).text, e.from, e.to,
               co_log_quote(e.why).text);
        if (!r) continue;
        begin(r, "XADD", CO_KEY_EVENTS, NULL, key);
        add(r, "MAXLEN");
        add(r, "~");
        add(r, "%d", CO_KEY_EVENTS_MAX);
        add(r, "*");
        add(r, "time_ms");
        add(r, "%" PRId64, co_clock_wall_ms());
        add(r, "kind");
        add(r, "%s", e.kind);
        add(r, "id");
        add(r, "%s", id);
        add(r, "name");
        add(r, "%s", e.name);
        add(r, "job"); /* workers and owners are not of one job */
        add(r, "%s", strcmp(e.kind, "job") == 0 ? id : "");
        add(r, "from");
        add(r, "%s", e.from);
        add(r, "to");
        add(r, "%s", e.to);
        add(r, "why");
        add(r, "%s", e.why);
        add(r, "broker");
        add(r, "%s", r->id);
        finish(r);
    }
}

static void
report_broker(struct report *r, const struct dispatch *d, struct gate *gate,
              int64_t now_ms)
{
    struct gate_counts keys = {0};
    const struct dispatch_counters *c = dispatch_counts(d);
    struct dispatch_totals t = dispatch_totals(d);
    int64_t cpu_us = co_clock_cpu_us();
    int64_t span = now_ms - r->cpu_at_ms;
    char key[CO_KEY_BYTES];

    begin(r, "HSET", CO_KEY_BROKER, r->id, key);
#define FIELD(name, format, value)                                             \
    add(r, name);                                                              \
    add(r, format, value)
    FIELD("version", "%s", COHORT_VERSION);
    FIELD("host", "%s", r->host);
    FIELD("pid", "%ld", (long)getpid());
    FIELD("state", "%s", "ready");
    FIELD("started_at", "%" PRId64, r->started_ms);
    FIELD("workers", "%u", t.workers);
    FIELD("owners", "%u", t.owners);
    FIELD("jobs", "%u", t.jobs);
    FIELD("queued", "%u", t.queued);
    FIELD("in_flight", "%u", t.in_flight);
    FIELD("queued_bytes", "%" PRIu64, t.queued_bytes);
    FIELD("redis_refused", "%" PRIu64, r->refused);
    FIELD("rss_bytes", "%" PRIu64, co_proc_resident_bytes());
    FIELD("cpu_pct", "%" PRId64,
          span > 0 ? (cpu_us - r->cpu_us) / (10 * span) : 0);
#define X(name, help) FIELD(#name, "%" PRIu64, c->name);
    DISPATCH_COUNTERS(X)
#undef X
    if (gate) gate_read_counts(gate, &keys);
    FIELD("encrypted", "%d", gate ? 1 : 0);
    FIELD("keys_allowed", "%u", keys.keys_allowed);
    FIELD("keys_skipped", "%u", keys.keys_skipped);
#define X(name, help) FIELD(#name, "%" PRIu64, keys.name);
    GATE_COUNTERS(X)
#undef X
#undef FIELD
    finish(r);
    r->cpu_us = cpu_us;
    r->cpu_at_ms = now_ms;
    begin(r, "EXPIRE", CO_KEY_BROKER, r->id, key);
    add(r, "%d", CO_KEY_TTL_S);
    finish(r);
    begin(r, "ZADD", CO_KEY_BROKERS, NULL, key);
    add(r, "%" PRId64, co_clock_wall_ms());
    add(r, "%s", r->id);
    finish(r);
    begin(r, "ZREMRANGEBYSCORE", CO_KEY_BROKERS, NULL, key);
    add(r, "-inf");
    add(r, "%" PRId64, co_clock_wall_ms() - CO_KEY_MEMBER_MS);
    finish(r);
}

/* Fields of queue:SERVICE, each with ".BROKER" behind it. X(name, value) */
#define QUEUE_FIELDS(X, s)                                                     \
    X("queued", (s)->queued)                                                   \
    X("in_flight", (s)->in_flight)                                             \
    X("capacity", (s)->capacity)                                               \
    X("oldest_ms", (uint64_t)(s)->oldest_ms)                                   \
    X("stalled_ms", (uint64_t)(s)->stalled_ms)                                 \
    X("workers", (uint64_t)(s)->workers)                                       \
    X("tasks_in", (s)->tasks_in)                                               \
    X("results", (s)->results)                                                 \
    X("at", (uint64_t)co_clock_wall_ms())

static void
begin_queue(struct report *r, const char *command,
            const struct dispatch_service *s, char key[CO_KEY_BYTES])
{
    char id[2 * NAME_BYTES_MAX + 2];

    (void)snprintf(id, sizeof id, "%s%s%s", s->service,
                   s->provider[0] ? "@" : "", s->provider);
    begin(r, command, CO_KEY_QUEUE, id, key);
}

static void
report_service(struct report *r, const struct dispatch_service *s)
{
    char key[CO_KEY_BYTES];

    begin_queue(r, "HSET", s, key);
#define X(name, value)                                                         \
    add(r, name ".%s", r->id);                                                 \
    add(r, "%" PRIu64, value);
    QUEUE_FIELDS(X, s)
#undef X
    finish(r);
}

void
report_leave(struct report *r, const struct dispatch *d, int64_t now_ms)
{
    struct dispatch_service s;
    char key[CO_KEY_BYTES];

    if (!r || !d) return;
    for (uint32_t i = 0; dispatch_service_at(d, i, now_ms, &s); i++) {
        begin_queue(r, "HDEL", &s, key);
#define X(name, value) add(r, name ".%s", r->id);
        QUEUE_FIELDS(X, &s)
#undef X
        finish(r);
    }
    begin(r, "ZREM", CO_KEY_BROKERS, NULL, key);
    add(r, "%s", r->id);
    finish(r);
    begin(r, "DEL", CO_KEY_BROKER, r->id, key);
    finish(r);
}

void
report_redis(struct report *r, struct co_redis_counters *ret)
{
    *ret = (struct co_redis_counters){0};
    if (r) co_redis_counters(r->redis, ret);
}

void
report_tick(struct report *r, struct dispatch *d, struct gate *gate,
            int64_t now_ms)
{
    struct dispatch_service s;

    if (!r || now_ms < r->next_ms) return;
    r->next_ms = now_ms + REPORT_MS;
    for (;;) { /* nobody waits for answers; DOWN and UP are told once */
        co_auto(co_redis_item_freep) struct co_redis_item *item =
            co_redis_poll(r->redis);

        if (!item) break;
        if (item->kind == CO_REDIS_DOWN) {
            co_log(CO_LOG_WARN, "redis.down", "why=%s",
                   co_log_quote(item->why).text);
        }
    }
    co_redis_log_refusals(r->redis, &r->refusals, now_ms);
    report_broker(r, d, gate, now_ms);
    for (uint32_t i = 0; dispatch_service_at(d, i, now_ms, &s); i++) {
        report_service(r, &s);
    }
}
