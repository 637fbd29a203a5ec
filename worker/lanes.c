/* lanes.c - see lanes.h. Each provider has a libcurl of its own: time-outs are
 * a provider's, and one that answers slowly does not use up the connections of
 * another. */
#include "worker/lanes.h"

#include "common/fs.h"
#include "llm/endpoint_id.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    BODY_MAX = 2 * 1024 * 1024,
    /* Of a provider beside its calls: idle connections, resolvers. */
    SPARE_FDS = 4096,
};

struct lanes {
    struct lane v[PROVIDERS_MAX];
    uint32_t n;
    struct worker_limits *limits; /* NULL: they are not shared */
};

/* -- keys and endpoints -------------------------------------------------- */
static enum co_err
load_key(const struct providers_endpoint *from, struct secret *secret,
         struct co_diag *why)
{
    if (from->key_env[0] && !getenv(from->key_env)) {
        return co_fail(why, CO_USAGE,
                       "the environment has no %s: export it where the worker "
                       "starts, or name another variable (key_env) or a file "
                       "(key_file)",
                       from->key_env);
    }
    if (from->key_env[0]) {
        return secret_load(from->key_env, NULL, "key_env", secret, why);
    }
    if (from->key_file[0]) {
        return secret_load(NULL, from->key_file, "key_env", secret, why);
    }
    return CO_OK;
}

/* NULL: the vendor's own host. */
static const char *
address_of(const struct providers_entry *entry,
           const struct providers_endpoint *endpoint)
{
    if (entry->replay_file[0]) return entry->replay_file;
    return endpoint->url[0] ? endpoint->url : NULL;
}

uint64_t
lane_account(struct lane *lane)
{
    const char *url = address_of(lane->entry, &lane->entry->endpoints[0]);
    struct co_diag why;

    if (!lane->account &&
        endpoint_id(url ? url : lane->entry->kind->host, &lane->secrets[0],
                    &lane->account, &why)) {
        lane->account = 0;
    }
    return lane->account;
}

static enum co_err
open_endpoints(struct lane *lane, struct co_diag *why)
{
    const struct providers_entry *e = lane->entry;
    enum co_err err = CO_OK;

    lane->endpoints = calloc(e->n_endpoints, sizeof *lane->endpoints);
    lane->secrets = calloc(e->n_endpoints, sizeof *lane->secrets);
    if (!lane->endpoints || !lane->secrets) return CO_NOMEM;
    for (uint32_t i = 0; i < e->n_endpoints && !err; i++) {
        const struct providers_endpoint *from = &e->endpoints[i];

        err = load_key(from, &lane->secrets[i], why);
        if (err) return err;
        err = call_endpoint_init(&lane->endpoints[i], lane->speaks,
                                 address_of(e, from), &lane->secrets[i],
                                 from->key_in_clear, why);
    }
    if (err || !e->record_file[0]) return err;
    return recorded_open(e->record_file, &lane->record_fd, why);
}

static void
close_endpoints(struct lane *lane)
{
    for (uint32_t i = 0; i < lane->entry->n_endpoints; i++) {
        if (lane->endpoints) call_endpoint_fini(&lane->endpoints[i]);
        if (lane->secrets) secret_forget(&lane->secrets[i]);
    }
    free(lane->endpoints);
    free(lane->secrets);
    co_fs_closep(&lane->record_fd);
}

/* http.c sees to the descriptors of one provider; they add up. A limit below
 * that is not worth a refusal: not all are full at once. */
static void
raise_descriptors(const struct lanes_options *options)
{
    rlim_t need =
        (rlim_t)options->providers->n * (options->in_flight + SPARE_FDS);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= need) return;
    limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* -- making -------------------------------------------------------------- */
static enum co_err
open_http(struct lane *lane, struct co_diag *diag)
{
    const struct providers_timeouts *t = &lane->entry->timeouts;
    const struct http_options options = {
        .in_flight = lane->in_flight,
        .body_max = BODY_MAX,
        .connect_ms = t->connect_ms,
        .first_byte_ms = t->first_byte_ms,
        .idle_ms = t->idle_ms,
        .total_ms = t->total_ms,
    };

    return http_new(&options, &lane->http, diag);
}

static enum co_err
share_limits(const struct lanes *lanes, struct lane *lane, struct co_diag *diag)
{
    const struct secret *keys[PROVIDERS_ENDPOINTS_MAX];

    if (!lanes->limits) return CO_OK;
    for (uint32_t i = 0; i < lane->entry->n_endpoints; i++) {
        keys[i] = &lane->secrets[i];
    }
    return worker_limits_add(lanes->limits, lane->entry, lane->limiter, keys,
                             diag);
}

static void
lane_close(struct lane *lane)
{
    struct lane_orphan *orphan;

    /* What is in flight ends here, without on_done. */
    http_free(lane->http);
    while ((orphan = LIST_FIRST(&lane->orphans))) {
        LIST_REMOVE(orphan, entry);
        orphan->release(orphan);
    }
    limiter_free(lane->limiter);
    close_endpoints(lane);
}

/* Takes the lane into the list, unless its file or its keys forbid it. */
static enum co_err
lane_open(struct lanes *lanes, const struct providers_entry *entry,
          uint32_t in_flight, struct co_diag *diag)
{
    struct lane *lane = &lanes->v[lanes->n];
    struct co_diag why = {""};
    enum co_err err;

    *lane = (struct lane){.entry = entry,
                          .speaks = entry->replay_file[0] ? &provider_replay
                                                          : entry->kind,
                          .record_fd = -1,
                          .in_flight = in_flight,
                          .service = UINT32_MAX};
    TAILQ_INIT(&lane->waits);
    LIST_INIT(&lane->orphans);
    err = open_endpoints(lane, &why);
    if (err && err != CO_NOMEM) {
        co_log(CO_LOG_WARN, "provider.left_out", "provider=%s why=%s",
               entry->name, co_log_quote(why.text).text);
        close_endpoints(lane);
        return CO_OK;
    }
    lanes->n++; /* from here on lanes_free() closes it */
    if (!err) err = limiter_new(entry, lanes->limits != NULL, &lane->limiter);
    if (!err) err = open_http(lane, diag);
    if (!err) err = share_limits(lanes, lane, diag);
    return err;
}

enum co_err
lanes_new(const struct lanes_options *options, struct lanes **ret_lanes,
          struct co_diag *diag)
{
    co_auto(lanes_freep) struct lanes *lanes = calloc(1, sizeof *lanes);
    enum co_err err = CO_OK;

    if (!lanes) return CO_NOMEM;
    raise_descriptors(options);
    if (options->redis) {
        err = worker_limits_new(options->redis, &lanes->limits, diag);
    }
    for (uint32_t i = 0; i < options->providers->n && !err; i++) {
        err = lane_open(lanes, &options->providers->entries[i],
                        options->in_flight, diag);
    }
    if (!err) *ret_lanes = co_take(&lanes);
    return err;
}

void
lanes_free(struct lanes *lanes)
{
    if (!lanes) return;
    worker_limits_free(lanes->limits);
    for (uint32_t i = 0; i < lanes->n; i++) {
        lane_close(&lanes->v[i]);
    }
    free(lanes);
}

/* -- looking ------------------------------------------------------------- */
uint32_t
lanes_count(const struct lanes *lanes)
{
    return lanes ? lanes->n : 0;
}

struct lane *
lanes_at(struct lanes *lanes, uint32_t index)
{
    co_assert(index < lanes->n);
    return &lanes->v[index];
}

struct lane *
lanes_of(struct lanes *lanes, uint32_t service)
{
    for (uint32_t i = 0; i < lanes_count(lanes); i++) {
        if (lanes->v[i].service == service) return &lanes->v[i];
    }
    return NULL;
}

int
lanes_fd(const struct lanes *lanes, uint32_t index)
{
    return http_fd(lanes->v[index].http);
}

void
lanes_readable(struct lanes *lanes, uint32_t index)
{
    co_assert(index < lanes->n);
    lanes->v[index].readable = true;
}

int
lanes_limits_fd(const struct lanes *lanes)
{
    return lanes->limits ? worker_limits_fd(lanes->limits) : -1;
}

void
lanes_limits_readable(struct lanes *lanes, int64_t now_us)
{
    worker_limits_read(lanes->limits, now_us);
}

/* Calls that limits allow, whoever is to make them. */
static uint32_t
allowed(const struct lane *lane, int64_t now_us)
{
    uint32_t used = http_in_flight(lane->http);
    uint32_t free = lane->in_flight > used ? lane->in_flight - used : 0;

    return (uint32_t)co_min_u64(free, limiter_room(lane->limiter, now_us));
}

uint32_t
lanes_room(const struct lane *lane, int64_t now_us)
{
    uint32_t room = allowed(lane, now_us);

    return room > lane->waiting ? room - lane->waiting : 0;
}

uint32_t
lanes_in_flight(const struct lanes *lanes)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < lanes_count(lanes); i++) {
        n += http_in_flight(lanes->v[i].http);
    }
    return n;
}

/* -- waiting for room ---------------------------------------------------- */
void
lane_wait_add(struct lane *lane, struct lane_wait *wait)
{
    if (wait->waits) return;
    wait->waits = true;
    lane->waiting++;
    TAILQ_INSERT_TAIL(&lane->waits, wait, entry);
}

void
lane_wait_remove(struct lane *lane, struct lane_wait *wait)
{
    if (!wait->waits) return;
    wait->waits = false;
    lane->waiting--;
    TAILQ_REMOVE(&lane->waits, wait, entry);
}

/* The first of those that wait, as many as there is room for. They stay in the
 * list until they have sent. */
static void
tell_room(struct lane *lane, int64_t now_us)
{
    struct lane_wait *wait = TAILQ_FIRST(&lane->waits);
    uint32_t room = wait ? allowed(lane, now_us) : 0;

    for (; wait && room > 0; room--) {
        struct lane_wait *next = TAILQ_NEXT(wait, entry);

        wait->on_room(wait);
        wait = next;
    }
}

/* -- turns --------------------------------------------------------------- */
static void
turn_http(struct lane *lane, int64_t now_us)
{
    uint64_t more;

    if (!lane->readable && http_due_us(lane->http) > now_us) return;
    lane->readable = false;
    if (!http_turn(lane->http, 0)) return;
    if (co_log_every(&lane->log_limit, now_us / 1000, 10000, &more)) {
        co_log(CO_LOG_ERROR, "provider.epoll_failed", "provider=%s",
               lane->entry->name);
    }
}

void
lanes_turn(struct lanes *lanes, int64_t now_us)
{
    if (!lanes) return;
    if (lanes->limits) worker_limits_turn(lanes->limits, now_us);
    for (uint32_t i = 0; i < lanes->n; i++) {
        turn_http(&lanes->v[i], now_us);
        tell_room(&lanes->v[i], now_us);
    }
}

int64_t
lanes_due_us(const struct lanes *lanes, int64_t now_us)
{
    int64_t due = INT64_MAX, next;

    if (!lanes) return due;
    if (lanes->limits) due = worker_limits_due_us(lanes->limits, now_us);
    for (uint32_t i = 0; i < lanes->n; i++) {
        const struct lane *lane = &lanes->v[i];

        next = http_due_us(lane->http);
        if (next < due) due = next;
        next = limiter_due_us(lane->limiter, now_us);
        if (next < due) due = next;
    }
    return due;
}
