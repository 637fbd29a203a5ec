/* watch.c - see watch.h. */
#include "coordinator/watch.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "coordinator/ledger.h"
#include "coordinator/purse_redis.h"
#include "coordinator/scale.h"
#include "coordinator/spend_rate.h"
#include "coordinator/watch_lanes.h"
#include "coordinator/watch_metrics.h"
#include "coordinator/watch_redis.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TICK_US = 250000,
    LINE_BYTES_MAX = 64 * 1024,
    STALL_MS = 10000,  /* then it is told as an event */
    STILL_MS = 1500,   /* nothing moved: an endpoint that is shut is why */
    RATE_SAMPLES = 16, /* quarter seconds the rate is measured over */
    WHY_CODE_BYTES = 16,
};

struct watch {
    struct watch_options opt;
    struct watch_lanes lanes;
    struct watch_redis *redis;       /* NULL without Redis */
    struct scale *scale;             /* the namespace's scaler, or NULL */
    struct purse_redis *purse;       /* borrowed; NULL: no caps over jobs */
    struct watch_metrics *metrics;   /* NULL when not asked for */
    const struct engine *engine;     /* NULL before and after it lives */
    struct engine_counters counters; /* once it is gone */
    const struct job_kind *kind;
    const void *state;
    uint32_t owner;
    const char *name; /* of the job's state */
    char said[200];   /* why it is in it; told once the engine is gone */
    int64_t started_us, next_us;
    struct {
        int64_t at_us;
        uint64_t accepted;
    } sample[RATE_SAMPLES];
    unsigned samples; /* taken in all */
    struct spend_rate spend;
    bool stalled;     /* and told so */
    uint64_t moved;   /* candidates drawn and decided, when it last changed */
    int64_t moved_ms; /* wall clock */
    struct co_buf line;
};

enum co_err
watch_new(const struct watch_options *options, struct watch **ret_watch,
          struct co_diag *diag)
{
    co_auto(watch_freep) struct watch *w = calloc(1, sizeof *w);
    enum co_err err;

    if (!w) return co_fail(diag, CO_NOMEM, "out of memory");
    w->opt = *options;
    w->name = "starting";
    w->started_us = co_clock_us();
    watch_lanes_init(&w->lanes, options->service ? options->service : "",
                     options->providers, options->n_providers);
    w->opt.providers = NULL; /* borrowed until here */
    w->opt.service = w->lanes.v[0].service;
    co_buf_init(&w->line, LINE_BYTES_MAX);
    if (options->redis_url) {
        err = watch_redis_new(&w->opt, &w->lanes, &w->redis, diag);
        if (err) return err;
    }
    if (options->redis_url && options->scale_quiet_ms) {
        const struct scale_options scaling = {
            .redis_url = options->redis_url,
            .redis_insecure = options->redis_insecure,
            .name_space = options->name_space,
            .quiet_ms = options->scale_quiet_ms};

        err = scale_new(&scaling, &w->scale, diag);
        if (err) return err;
    }
    if (options->metrics) {
        err = watch_metrics_new(&w->opt, &w->metrics, diag);
        if (err) return err;
    }
    if (options->status_fd >= 0) {
        /* A command that does not read must not hold the job up. */
        int flags = fcntl(options->status_fd, F_GETFL);

        (void)fcntl(options->status_fd, F_SETFL, flags | O_NONBLOCK);
    }
    *ret_watch = co_take(&w);
    return CO_OK;
}

void
watch_free(struct watch *w)
{
    if (!w) return;
    scale_free(w->scale);
    watch_redis_free(w->redis);
    watch_metrics_free(w->metrics);
    co_buf_fini(&w->line);
    free(w);
}

void
watch_purse(struct watch *w, struct purse_redis *purse)
{
    w->purse = purse;
}

int
watch_fd(const struct watch *w)
{
    return w->redis ? watch_redis_fd(w->redis) : -1;
}

void
watch_engine(struct watch *w, const struct engine *e,
             const struct job_kind *kind, const void *state, uint32_t owner)
{
    w->engine = e;
    w->kind = kind;
    w->state = state;
    w->owner = owner;
}

void
watch_engine_gone(struct watch *w)
{
    if (w->engine) w->counters = *engine_counters(w->engine);
    w->engine = NULL;
}

/* Rows a second over the last samples, and 0 before there are two. */
static uint64_t
watch_rate(struct watch *w, uint64_t accepted, int64_t now_us)
{
    unsigned n = w->samples < RATE_SAMPLES ? w->samples : RATE_SAMPLES;
    unsigned oldest = w->samples < RATE_SAMPLES ? 0 : w->samples % RATE_SAMPLES;
    int64_t span_us = n ? now_us - w->sample[oldest].at_us : 0;
    uint64_t before = n ? w->sample[oldest].accepted : 0;

    w->sample[w->samples % RATE_SAMPLES].at_us = now_us;
    w->sample[w->samples % RATE_SAMPLES].accepted = accepted;
    w->samples++;
    if (span_us <= 0 || accepted < before) return 0;
    return (accepted - before) * 1000000 / (uint64_t)span_us;
}

static void
line_begin(struct watch *w, struct co_json *json, const char *event)
{
    co_buf_clear(&w->line);
    co_json_init(json, &w->line);
    co_json_object(json);
    co_json_put_text(json, "event", event);
    co_json_put_text(json, "state", w->name);
    co_json_put_u64(json, "elapsed_ms",
                    (uint64_t)(co_clock_us() - w->started_us) / 1000);
}

/* One write of a whole line; a full pipe skips it. */
static void
line_end(struct watch *w, struct co_json *json)
{
    co_json_end(json);
    if (co_json_finish(json) || w->opt.status_fd < 0) return;
    co_buf_putc(&w->line, '\n');
    if (!w->line.err) {
        ssize_t n = write(w->opt.status_fd, w->line.data, w->line.len);

        (void)n;
    }
}

static const struct engine_counters *
watch_counters(const struct watch *w)
{
    return w->engine ? engine_counters(w->engine) : &w->counters;
}

/* What makes more workers useless to this job. */
static enum scaler_limit
watch_limit(const struct engine_status *status)
{
    bool owner = status->why == ENGINE_WHY_JOURNAL ||
                 status->why == ENGINE_WHY_TABLE ||
                 status->why == ENGINE_WHY_WINDOW ||
                 (status->why == ENGINE_WHY_KIND &&
                  (status->kind == KIND_NEXT_UNDECIDED ||
                   status->kind == KIND_NEXT_SHARDS ||
                   status->kind == KIND_NEXT_MEMORY));

    if (owner) return SCALER_LIMIT_OWNER;
    if (status->why == ENGINE_WHY_KIND && status->kind == KIND_NEXT_RATE) {
        return SCALER_LIMIT_RATE;
    }
    if (status->why == ENGINE_WHY_KIND && status->kind == KIND_NEXT_MONEY) {
        return SCALER_LIMIT_MONEY;
    }
    return SCALER_LIMIT_NONE;
}

/* Tasks that are not drawn yet. Candidates that will be rejected are not known
 * and not in it: it is the least that remains. */
static uint64_t
watch_remaining(const struct watch *w, const struct kind_ledger *l)
{
    uint64_t known = l->accepted + l->pending;
    uint64_t rows = w->opt.rows_per_task ? w->opt.rows_per_task : 1;

    if (!w->engine || known >= l->requested) return 0;
    return (l->requested - known + rows - 1) / rows;
}

/* Why nothing more is published: of the engine, or, when it asks its kind in
 * vain, of that. */
static void
watch_why(const struct engine_status *status, struct watch_numbers *n,
          char code[WHY_CODE_BYTES])
{
    bool of_kind = status->why == ENGINE_WHY_KIND;
    const char *name =
        of_kind ? kind_next_name(status->kind) : engine_why_name(status->why);
    size_t i = 0;

    for (; name[i] && i + 1 < WHY_CODE_BYTES; i++) {
        code[i] = (char)tolower((unsigned char)name[i]);
    }
    code[i] = '\0';
    n->why_code = code;
    n->why =
        of_kind ? kind_next_text(status->kind) : engine_why_text(status->why);
}

/* All endpoints of a provider that rows are asked of are shut: which one opens
 * first, and when. */
static bool
watch_shut(const struct watch *w, char text[ENDPOINT_STATE_TEXT])
{
    const struct endpoint_state *v;
    uint64_t now_us;
    size_t n;

    v = watch_redis_endpoints(w->redis, &n, &now_us);
    return watch_lanes_shut(&w->lanes, v, n, now_us, text);
}

static void
watch_deal(struct watch *w)
{
    struct kind_lane now[KIND_LANES_MAX];

    if (!w->kind->lanes) return;
    watch_lanes_deal(&w->lanes, now, w->kind->lanes(w->state, now));
}

/* Answers that come all the same are a fallback's, or were on their way. */
static bool
watch_is_still(const struct watch *w)
{
    return co_clock_wall_ms() - w->moved_ms >= STILL_MS;
}

/* Whether it may be calls that hold it up: some are out or wait, and nothing
 * else does. */
static bool
watch_awaits_calls(const struct engine_status *status)
{
    const bool any = status->out || status->waiting || status->ready;
    const bool of_kind =
        status->kind == KIND_NEXT_ALL_OUT ||
        status->kind == KIND_NEXT_UNDECIDED ||
        status->kind == KIND_NEXT_SHARDS || status->kind == KIND_NEXT_LATER ||
        status->kind == KIND_NEXT_ANSWERS || status->kind == KIND_NEXT_MONEY;

    return any && (status->why == ENGINE_WHY_RETRY ||
                   status->why == ENGINE_WHY_NO_CREDIT ||
                   status->why == ENGINE_WHY_WINDOW ||
                   status->why == ENGINE_WHY_TABLE ||
                   (status->why == ENGINE_WHY_KIND && of_kind));
}

/* Money that caps over several jobs leave is not here yet. */
static bool
watch_hold(const struct kind_money *m, const struct engine_status *status,
           struct watch_numbers *n)
{
    if (!m->hold || status->why != ENGINE_WHY_KIND ||
        (status->kind != KIND_NEXT_MONEY && status->kind != KIND_NEXT_LATER)) {
        return false;
    }
    n->why = m->hold;
    n->why_code = m->hold_code;
    return true;
}

/* What money stops, or an endpoint that refuses everything, is the better
 * reason: the kind's own is only that it publishes nothing. So are endpoints
 * of which none may be called, and calls that workers gave back, which only
 * limits and endpoints make them do. True: it explains a stall as well. */
static bool
watch_money(const struct watch *w, const struct kind_money *m,
            const struct engine_status *status, struct watch_numbers *n,
            char shut[ENDPOINT_STATE_TEXT])
{
    if (m->stop) {
        n->why = m->stop;
        if (m->refused) n->why_code = "refused";
        return m->refused;
    }
    if (watch_hold(m, status, n)) return true;
    if (m->batches && status->why == ENGINE_WHY_KIND &&
        (status->kind == KIND_NEXT_LATER ||
         status->kind == KIND_NEXT_ALL_OUT)) {
        n->why = m->batches;
        n->why_code = "batch";
        return true;
    }
    if (watch_awaits_calls(status) && watch_is_still(w) &&
        watch_shut(w, shut)) {
        n->why = shut;
        return true;
    }
    if (status->waiting <= status->doubted) return false;
    if (status->why != ENGINE_WHY_KIND && status->why != ENGINE_WHY_RETRY) {
        return false;
    }
    n->why = "an endpoint is down, asked to wait, or its limits are reached: "
             "calls were given back and are tried again (`cohort why` names "
             "it)";
    return true;
}

/* The ledger, and since when it stands still. */
static void
watch_ledger(struct watch *w, struct watch_numbers *n)
{
    const struct kind_ledger *l = &n->ledger;
    uint64_t sum;

    w->kind->ledger(w->state, &n->ledger);
    sum = l->drawn + l->accepted + l->rejected + l->dead + l->surplus;
    if (n->money) sum += n->money->calls;
    if (sum != w->moved || !w->moved_ms) w->moved_ms = co_clock_wall_ms();
    w->moved = sum;
    n->moved_ms = w->moved_ms;
}

/* Why nothing is sent, and for how long there has been work all the same,
 * unless the reason explains that; a stall that begins or ends is an event too.
 */
static const char *
stall_why(struct watch *w, const struct engine_status *s, const char *why,
          bool explained, char *text, size_t size)
{
    bool stalled = s->stalled_us / 1000 >= STALL_MS;

    (void)snprintf(text, size, "%s", why);
    if (stalled && !explained && s->out) {
        (void)snprintf(text, size,
                       "stalled: there is work, and nothing was sent or came "
                       "back for %lld s; %u tasks are with brokers and workers",
                       (long long)s->stalled_us / 1000000, s->out);
    } else if (stalled && !explained) {
        (void)snprintf(text, size,
                       "stalled: there is work, and nothing was sent or came "
                       "back for %lld s: %s",
                       (long long)s->stalled_us / 1000000, why);
    }
    if (stalled != w->stalled) {
        w->stalled = stalled;
        co_log(stalled ? CO_LOG_WARN : CO_LOG_INFO,
               stalled ? "job.stalled" : "job.moves_again", "why=%s",
               co_log_quote(text).text);
        if (w->redis) {
            watch_redis_event(w->redis, stalled ? w->name : "stalled",
                              stalled ? "stalled" : w->name, text);
        }
    }
    return text;
}

/* Rows that the rate counts: accepted ones come in whole ranges, which take a
 * model minutes; those that are written come one by one. */
static uint64_t
watch_rows(const struct watch_numbers *n)
{
    uint64_t written = n->money ? n->money->written : 0;

    return co_max_u64(n->ledger.accepted,
                      co_min_u64(written, n->ledger.requested));
}

static void
watch_progress(struct watch *w, int64_t now_us)
{
    struct watch_numbers numbers = {
        .limit = scaler_limit_name(SCALER_LIMIT_NONE),
        .state = w->name,
        .owner = w->owner,
        .usd_per_min = -1,
        .why = w->said[0] ? w->said : "the job is over",
        .why_code = "done"};
    char code[WHY_CODE_BYTES];
    char why[200], shut[ENDPOINT_STATE_TEXT];
    struct kind_money money = {.stop = NULL};
    uint64_t rows;
    struct co_json json;

    if (w->kind->money) {
        w->kind->money(w->state, &money);
        numbers.money = &money;
        numbers.usd_per_min = spend_rate_take(
            &w->spend, money.has_price ? money.settled + money.unknown : -1,
            now_us);
    }
    watch_deal(w);
    if (w->engine) {
        struct engine_status status;
        bool explained = false;

        engine_status(w->engine, &status);
        watch_why(&status, &numbers, code);
        if (numbers.money) {
            explained = watch_money(w, &money, &status, &numbers, shut);
        }
        numbers.stalled_ms = (uint64_t)status.stalled_us / 1000;
        numbers.why =
            stall_why(w, &status, numbers.why, explained, why, sizeof why);
        numbers.out = status.out;
        numbers.ready = status.ready + status.waiting;
        numbers.limit = scaler_limit_name(watch_limit(&status));
    }
    watch_ledger(w, &numbers);
    numbers.remaining = watch_remaining(w, &numbers.ledger);
    rows = watch_rows(&numbers);
    numbers.rate = watch_rate(w, rows, now_us);
    if (numbers.rate) {
        numbers.eta_s = (numbers.ledger.requested - rows) / numbers.rate;
    }
    line_begin(w, &json, "progress");
    ledger_put(&json, &numbers.ledger);
    co_json_put_u64(&json, "rows_per_s", numbers.rate);
    co_json_put_u64(&json, "eta_s", numbers.eta_s);
    co_json_put_u64(&json, "out", numbers.out);
    co_json_put_u64(&json, "stalled_ms", numbers.stalled_ms);
    co_json_put_text(&json, "why", numbers.why);
    if (numbers.money) {
        ledger_put_money(&json, numbers.money, numbers.ledger.accepted);
    }
    line_end(w, &json);
    if (w->redis) watch_redis_job(w->redis, &numbers, watch_counters(w));
    if (w->metrics) {
        watch_metrics_job(w->metrics, &numbers, watch_counters(w), w->redis,
                          now_us / 1000);
    }
}

void
watch_tick(struct watch *w, int64_t now_us)
{
    if (w->redis) watch_redis_poll(w->redis);
    if (w->scale) scale_tick(w->scale, now_us / 1000);
    if (w->purse) purse_redis_tick(w->purse, now_us);
    if (now_us < w->next_us || !w->engine) return;
    w->next_us = now_us + TICK_US;
    watch_progress(w, now_us);
}

void
watch_state(struct watch *w, const char *state, const char *why)
{
    co_log(CO_LOG_INFO, "job.state", "job=%016llx from=%s to=%s why=%s",
           (unsigned long long)w->opt.job, w->name, state, why ? why : "-");
    if (w->redis) watch_redis_event(w->redis, w->name, state, why);
    w->name = state;
    (void)snprintf(w->said, sizeof w->said, "%s", why ? why : "");
    if (w->kind) watch_progress(w, co_clock_us());
}

void
watch_letters(struct watch *w, const struct dead_file *letters)
{
    if (w->redis) watch_redis_letters(w->redis, letters);
}

void
watch_letter(struct watch *w, const struct dead_letter *letter)
{
    if (w->redis) watch_redis_letter(w->redis, letter);
}

void
watch_end(struct watch *w, int exit_status, const char *text, const char *extra)
{
    struct co_json json;

    if (w->opt.status_fd >= 0) {
        /* The last line must arrive. */
        int flags = fcntl(w->opt.status_fd, F_GETFL);

        (void)fcntl(w->opt.status_fd, F_SETFL, flags & ~O_NONBLOCK);
    }
    line_begin(w, &json, "end");
    co_json_put_u64(&json, "exit", (uint64_t)exit_status);
    co_json_put_text(&json, "text", text);
    if (w->kind) {
        struct kind_ledger ledger;
        struct kind_money money;
        const struct engine_counters *c = watch_counters(w);

        w->kind->ledger(w->state, &ledger);
        ledger_put(&json, &ledger);
        if (w->kind->money) {
            w->kind->money(w->state, &money);
            ledger_put_money(&json, &money, ledger.accepted);
        }
        co_json_key(&json, "counters");
        co_json_object(&json);
#define X(name, help)                                                          \
    if (c->name) co_json_put_u64(&json, #name, c->name);
        ENGINE_COUNTER_LIST(X)
#undef X
        co_json_end(&json);
    }
    if (extra) {
        co_json_key(&json, "result");
        co_json_raw(&json, extra, strlen(extra));
    }
    line_end(w, &json);
}
