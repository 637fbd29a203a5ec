/* watch_redis.c - see watch_redis.h. */
#include "coordinator/watch_redis.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/redis_log.h"
#include "coordinator/ledger.h"
#include "coordinator/watch_endpoints.h"
#include "llm/price.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ARGS_MAX = 128,
    TEXT_BYTES = 32, /* of a number, or of USD */
    OWNER_LEASE_MS = 6000,
    OWNER_TIMEOUT_MS = 1000,
    STOP_TIMEOUT_MS = 1000,
    MINUTE_US = 60 * 1000 * 1000,
};

struct watch_redis {
    struct watch_options opt;
    const struct watch_lanes *lanes; /* borrowed */
    struct co_redis *redis;
    struct co_redis_refusals refusals;
    char id[CO_HEX16_SIZE]; /* of the job */
    char self[64];          /* of this coordinator: host-pid */
    char host[40];
    char events_max[TEXT_BYTES];
    int64_t told_ms;                   /* wall clock: when this was made */
    const struct dead_file *letters;   /* borrowed; NULL: not known yet */
    struct watch_endpoints *endpoints; /* NULL: it asks no model */
    int64_t series_us; /* when the next line of the series is due */
    /* The command under construction. */
    const char *argv[ARGS_MAX];
    char texts[ARGS_MAX][TEXT_BYTES];
    char key[CO_KEY_BYTES];
    int argc, used;
};

enum co_err
watch_redis_new(const struct watch_options *options,
                const struct watch_lanes *lanes, struct watch_redis **ret_redis,
                struct co_diag *diag)
{
    co_auto(watch_redis_freep) struct watch_redis *r = calloc(1, sizeof *r);
    struct co_redis_options redis = {.url = options->redis_url,
                                     .allow_insecure = options->redis_insecure,
                                     .name = CO_PROGRAM "-coordinator"};
    enum co_err err;

    if (!r) return co_fail(diag, CO_NOMEM, "out of memory");
    r->opt = *options;
    r->lanes = lanes;
    r->told_ms = co_clock_wall_ms();
    (void)co_hex16(options->job, r->id);
    if (gethostname(r->host, sizeof r->host - 1)) {
        (void)snprintf(r->host, sizeof r->host, "unknown");
    }
    (void)snprintf(r->self, sizeof r->self, "%s-%d", r->host, (int)getpid());
    (void)snprintf(r->events_max, sizeof r->events_max, "%d",
                   (int)CO_KEY_EVENTS_MAX);
    err = watch_endpoints_new(lanes, &r->endpoints, diag);
    if (!err) err = co_redis_start(&redis, &r->redis, diag);
    if (err) return err;
    *ret_redis = co_take(&r);
    return CO_OK;
}

/* ---- commands ---- */

static void
begin(struct watch_redis *r, const char *command, enum co_key key,
      const char *id)
{
    r->argv[0] = command;
    r->argv[1] = co_key(key, r->opt.name_space, id, r->key);
    r->argc = 2;
    r->used = 0;
}

static void
add(struct watch_redis *r, const char *text)
{
    co_assert(r->argc < ARGS_MAX);
    r->argv[r->argc++] = text;
}

static void
add_u64(struct watch_redis *r, uint64_t value)
{
    char *text = r->texts[r->used++];

    (void)snprintf(text, TEXT_BYTES, "%llu", (unsigned long long)value);
    add(r, text);
}

static void
put(struct watch_redis *r, const char *field, const char *text)
{
    add(r, field);
    add(r, text);
}

static void
put_u64(struct watch_redis *r, const char *field, uint64_t value)
{
    add(r, field);
    add_u64(r, value);
}

/* What the actor cannot take is counted there and written again soon. */
static void
finish(struct watch_redis *r)
{
    enum co_err err = co_redis_send(r->redis, r->argc, r->argv, NULL);

    (void)err;
}

/* ---- keys ---- */

/* USD are exact decimals; what is not known is no field. */
static void
put_usd(struct watch_redis *r, const char *field, int64_t amount)
{
    if (amount < 0) return;
    _Static_assert((int)TEXT_BYTES >= (int)PRICE_TEXT_BYTES, "a price fits");
    put(r, field, price_text(amount, r->texts[r->used++]));
}

static void
put_money(struct watch_redis *r, const struct watch_numbers *n)
{
    const struct kind_money m = ledger_told(n->money, n->ledger.accepted);

#define X(member, json, field) put_usd(r, field, m.member);
    MONEY_AMOUNT_LIST(X)
#undef X
#define X(member, json, field, always) put_u64(r, field, m.member);
    MONEY_COUNT_LIST(X)
#undef X
    if (m.has_price) put_usd(r, "usd_per_min", n->usd_per_min);
}

static void
write_job(struct watch_redis *r, const struct watch_numbers *n,
          const struct engine_counters *c)
{
    const struct kind_ledger *l = &n->ledger;

    begin(r, "HSET", CO_KEY_JOB, r->id);
    put(r, "name", r->opt.job_name);
    put(r, "kind", r->opt.kind);
    put(r, "state", n->state);
    put(r, "why", n->why);
    put(r, "why_code", n->why_code);
    put(r, "host", r->host);
    put(r, "folder", r->opt.folder);
    put(r, "service", r->lanes->v[0].service);
    put(r, "services", r->lanes->names);
    put_u64(r, "owner", n->owner);
    put_u64(r, "requested", l->requested);
    put_u64(r, "drawn", l->drawn);
    put_u64(r, "accepted", l->accepted);
    put_u64(r, "rejected", l->rejected);
    put_u64(r, "surplus", l->surplus);
    put_u64(r, "dead", l->dead);
    put_u64(r, "pending", l->pending);
    put_u64(r, "rows_per_s", n->rate);
    put_u64(r, "eta_s", n->eta_s);
    put_u64(r, "tasks_out", n->out);
    put_u64(r, "tasks_ready", n->ready);
    put_u64(r, "stalled_ms", n->stalled_ms);
    put_u64(r, "retried", c->retried);
    put_u64(r, "lost", c->lost);
    put_u64(r, "failed", c->failed);
    put_u64(r, "salvaged", c->salvaged);
    put_u64(r, "duplicate", c->duplicate);
    if (n->money) put_money(r, n);
    put_u64(r, "moved_at", (uint64_t)n->moved_ms);
    put_u64(r, "updated_at", (uint64_t)co_clock_wall_ms());
    finish(r);
}

/* Every time: a Redis that was emptied (FLUSHALL) does not tell, and is the
 * same server with the same run_id on the same connection. */
static void
write_registration(struct watch_redis *r)
{
    begin(r, "SET", CO_KEY_SCHEMA, NULL);
    add(r, CO_KEYS_SCHEMA);
    finish(r);
    begin(r, "ZADD", CO_KEY_JOBS, NULL);
    add(r, "NX"); /* the first owner's time stays */
    add_u64(r, (uint64_t)r->told_ms);
    add(r, r->id);
    finish(r);
    begin(r, "ZADD", CO_KEY_COORDINATORS, NULL);
    add_u64(r, (uint64_t)co_clock_wall_ms());
    add(r, r->self);
    finish(r);
    begin(r, "ZREMRANGEBYSCORE", CO_KEY_COORDINATORS, NULL);
    add(r, "-inf");
    add_u64(r, (uint64_t)(co_clock_wall_ms() - CO_KEY_MEMBER_MS));
    finish(r);
}

static void
write_self(struct watch_redis *r, const struct watch_numbers *n)
{
    struct co_redis_counters c;

    co_redis_counters(r->redis, &c);
    begin(r, "HSET", CO_KEY_COORDINATOR, r->self);
    put(r, "host", r->host);
    put_u64(r, "pid", (uint64_t)getpid());
    put(r, "job", r->id);
    put(r, "state", n->state);
    put_u64(r, "redis_refused", c.refused);
    put_u64(r, "redis_failed", c.failed);
    put_u64(r, "redis_reconnects", c.reconnects);
    finish(r);
    begin(r, "EXPIRE", CO_KEY_COORDINATOR, r->self);
    add_u64(r, CO_KEY_TTL_S);
    finish(r);
}

/* The lease only tells who should own the job; the folder's lock decides. */
static void
write_lease(struct watch_redis *r, uint32_t owner)
{
    begin(r, "SET", CO_KEY_OWNER, r->id);
    add_u64(r, owner);
    add(r, "PX");
    add_u64(r, OWNER_LEASE_MS);
    finish(r);
}

/* Tasks of a lane that no broker has yet; the broker writes what it has. Each
 * field is this coordinator's own. */
static void
write_lane(struct watch_redis *r, uint32_t i, const struct watch_numbers *n)
{
    const char *service = r->lanes->v[i].service;
    char backlog[80], remaining[80], limit[80];

    (void)snprintf(backlog, sizeof backlog, "backlog.%s", r->self);
    (void)snprintf(remaining, sizeof remaining, "remaining.%s", r->self);
    (void)snprintf(limit, sizeof limit, "limit.%s", r->self);
    begin(r, "HSET", CO_KEY_QUEUE, service);
    put_u64(r, backlog, watch_lanes_part(r->lanes, i, n->ready));
    put_u64(r, remaining, watch_lanes_part(r->lanes, i, n->remaining));
    put(r, limit, n->limit);
    finish(r);
    begin(r, "ZADD", CO_KEY_SERVICES, NULL);
    add_u64(r, (uint64_t)co_clock_wall_ms());
    add(r, service);
    finish(r);
}

static void
write_backlog(struct watch_redis *r, const struct watch_numbers *n)
{
    for (uint32_t i = 0; i < r->lanes->n; i++) {
        write_lane(r, i, n);
    }
}

static void
write_series(struct watch_redis *r, const struct watch_numbers *n)
{
    int64_t now_us = co_clock_us();
    char line[256];

    if (now_us < r->series_us) return;
    r->series_us = now_us + MINUTE_US;
    (void)snprintf(line, sizeof line,
                   "{\"time_ms\":%lld,\"rows_per_s\":%llu,\"accepted\":%llu,"
                   "\"rejected\":%llu,\"pending\":%llu,\"tasks_out\":%u}",
                   (long long)co_clock_wall_ms(), (unsigned long long)n->rate,
                   (unsigned long long)n->ledger.accepted,
                   (unsigned long long)n->ledger.rejected,
                   (unsigned long long)n->ledger.pending, n->out);
    begin(r, "RPUSH", CO_KEY_SERIES, r->id);
    add(r, line);
    finish(r);
    begin(r, "LTRIM", CO_KEY_SERIES, r->id);
    add(r, "-1440"); /* a day of minutes */
    add(r, "-1");
    finish(r);
}

void
watch_redis_job(struct watch_redis *r, const struct watch_numbers *n,
                const struct engine_counters *counters)
{
    co_redis_log_refusals(r->redis, &r->refusals, co_clock_ms());
    write_registration(r);
    write_job(r, n, counters);
    write_self(r, n);
    write_lease(r, n->owner);
    write_backlog(r, n);
    write_series(r, n);
}

void
watch_redis_event(struct watch_redis *r, const char *from, const char *to,
                  const char *why)
{
    begin(r, "XADD", CO_KEY_EVENTS, NULL);
    add(r, "MAXLEN");
    add(r, "~");
    add(r, r->events_max);
    add(r, "*");
    put_u64(r, "time_ms", (uint64_t)co_clock_wall_ms());
    put(r, "kind", "job");
    put(r, "id", r->id);
    put(r, "name", r->opt.job_name ? r->opt.job_name : "");
    put(r, "job", r->id);
    put(r, "from", from);
    put(r, "to", to);
    put(r, "why", why ? why : "");
    finish(r);
}

/* ---- dead letters ---- */

void
watch_redis_letter(struct watch_redis *r, const struct dead_letter *letter)
{
    char max[TEXT_BYTES];
    char task[CO_HEX16_SIZE];

    (void)snprintf(max, sizeof max, "%d", (int)WATCH_LETTERS_MAX);
    begin(r, "XADD", CO_KEY_DEAD, r->id);
    add(r, "MAXLEN");
    add(r, "~");
    add(r, max);
    add(r, "*");
    put(r, "task", co_hex16(letter->task, task));
    put_u64(r, "row", letter->row);
    put_u64(r, "time_ms", (uint64_t)letter->dead_ms);
    put(r, "letter", letter->line);
    finish(r);
}

static void
write_letters(struct watch_redis *r)
{
    const struct dead_file *f = r->letters;
    size_t from = 0;

    if (!f || !f->n) return;
    if (f->n > WATCH_LETTERS_MAX) from = f->n - WATCH_LETTERS_MAX;
    begin(r, "DEL", CO_KEY_DEAD, r->id);
    finish(r);
    for (size_t i = from; i < f->n; i++) {
        watch_redis_letter(r, &f->v[i]);
    }
}

void
watch_redis_letters(struct watch_redis *r, const struct dead_file *letters)
{
    r->letters = letters;
    write_letters(r);
}

/* ---- the actor ---- */

static void
on_up(struct watch_redis *r, const struct co_redis_item *item)
{
    write_letters(r); /* it may be another one, or empty */
    if (r->endpoints) watch_endpoints_up(r->endpoints);
    co_log(CO_LOG_INFO, "redis.up", "version=%s changed=%d", item->version,
           item->run_id_changed);
}

void
watch_redis_poll(struct watch_redis *r)
{
    struct co_redis_item *item;

    while ((item = co_redis_poll(r->redis))) {
        if (item->kind == CO_REDIS_UP) on_up(r, item);
        if (item->kind == CO_REDIS_REPLY && r->endpoints) {
            watch_endpoints_take(r->endpoints, r->redis, item, co_clock_us());
        }
        if (item->kind == CO_REDIS_DOWN) {
            co_log(CO_LOG_WARN, "redis.down", "why=%s",
                   co_log_quote(item->why).text);
        }
        co_redis_item_free(item);
    }
    if (r->endpoints) {
        watch_endpoints_turn(r->endpoints, r->redis, co_clock_us());
    }
}

const struct endpoint_state *
watch_redis_endpoints(const struct watch_redis *r, size_t *ret_n,
                      uint64_t *ret_now_us)
{
    *ret_n = 0;
    *ret_now_us = 0;
    if (!r || !r->endpoints) return NULL;
    return watch_endpoints_list(r->endpoints, co_clock_us(), ret_n, ret_now_us);
}

int
watch_redis_fd(const struct watch_redis *r)
{
    return co_redis_fd(r->redis);
}

static void
clear_lane(struct watch_redis *r, const char *service)
{
    static const char *const fields[] = {"backlog", "remaining", "limit"};
    char field[80];

    for (size_t i = 0; i < co_countof(fields); i++) {
        (void)snprintf(field, sizeof field, "%s.%s", fields[i], r->self);
        begin(r, "HDEL", CO_KEY_QUEUE, service);
        add(r, field);
        finish(r);
    }
}

void
watch_redis_free(struct watch_redis *r)
{
    if (!r) return;
    if (r->redis) {
        /* What only a living coordinator has goes with it. */
        begin(r, "ZREM", CO_KEY_COORDINATORS, NULL);
        add(r, r->self);
        finish(r);
        begin(r, "DEL", CO_KEY_COORDINATOR, r->self);
        finish(r);
        for (uint32_t i = 0; i < r->lanes->n; i++) {
            clear_lane(r, r->lanes->v[i].service);
        }
        co_redis_stop(r->redis, STOP_TIMEOUT_MS);
        co_redis_free(r->redis);
    }
    watch_endpoints_free(r->endpoints);
    free(r);
}

void
watch_redis_counters(struct watch_redis *r, struct co_redis_counters *ret)
{
    *ret = (struct co_redis_counters){0};
    if (r) co_redis_counters(r->redis, ret);
}

enum co_err
watch_redis_number(const char *text, uint32_t *ret_number)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long long number;

    if (!digits || digits > 10 || text[digits]) return CO_DAMAGED;
    number = strtoull(text, NULL, 10);
    if (number > WATCH_OWNER_MAX) return CO_DAMAGED;
    *ret_number = (uint32_t)number;
    return CO_OK;
}

uint32_t
watch_redis_owner(const char *url, bool insecure, const char *name_space,
                  uint64_t job)
{
    co_auto(co_redis_closep) struct co_redis_client *client = NULL;
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    char id[CO_HEX16_SIZE];
    char key[CO_KEY_BYTES];
    const char *argv[3] = {"HGET", NULL, "owner"};
    uint32_t number = 0;

    argv[1] = co_key(CO_KEY_JOB, name_space, co_hex16(job, id), key);
    if (co_redis_connect(url, insecure, OWNER_TIMEOUT_MS, &client, NULL) ||
        co_redis_call(client, 3, argv, NULL, OWNER_TIMEOUT_MS, &reply, NULL) ||
        reply->type != CO_REDIS_TEXT) {
        return 0;
    }
    if (watch_redis_number(reply->text, &number)) {
        co_log(CO_LOG_WARN, "redis.damaged",
               "key=%s field=owner value=%s text=%s", co_log_quote(key).text,
               co_log_quote(reply->text).text,
               co_log_quote("no owner number; the journal's counts").text);
    }
    return number;
}
