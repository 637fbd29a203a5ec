/* write.c - the service persona.write: texts of people by a model. There is a
 * lane of it for each provider, with three kinds of tasks in it: asks, one call
 * each (llm/ask.h), what is to be done for a batch of asks (write_batch.c), and
 * ranges, whose rows are made of the answers in their payload (range_task.h).
 *
 * No slot is held for long while a call may not start: what the limits do not
 * let go within HOLD_US is given back with the time at which they will. */
#include "worker/services/write.h"

#include "common/clock.h"
#include "worker/services/range_task.h"
#include "worker/services/services.h"
#include "worker/work.h"

#include <stdlib.h>

enum {
    HOLD_US = 1000 * 1000,
    FULL_MS = 250, /* not before, where nobody knows better */
    /* Where the limits do not know when either. */
    AGAIN_FIRST_MS = 1000,
    AGAIN_MAX_MS = 10 * 1000,
    AGAIN_DOUBLINGS_MAX = 4,
    RATE_MAX_MS = 60 * 1000, /* limits are of a minute */
    ANSWER_MAX = 256 * 1024,
    /* Ranges at once: each has a maker with its buffers. */
    RANGES_MAX = 16,
    RANGE_POLL_US = 5000,
    HELD_LOG_MS = 60 * 1000,
};

/* -- life of an ask ------------------------------------------------------ */
static void
ask_free(struct write_ask *a)
{
    call_fini(&a->call);
    co_buf_fini(&a->body);
    co_buf_fini(&a->asked);
    free(a);
}

static void
orphan_release(struct lane_orphan *orphan)
{
    ask_free((struct write_ask *)((char *)orphan -
                                  offsetof(struct write_ask, orphan)));
}

static void
on_room(struct lane_wait *wait)
{
    struct write_ask *a =
        (struct write_ask *)((char *)wait - offsetof(struct write_ask, wait));

    work_wake(a->run);
}

static struct write_ask *
ask_new(struct service_run *run, struct lane *lane, int64_t now_us)
{
    struct write_ask *a = calloc(1, sizeof *a);

    if (!a) return NULL;
    a->lane = lane;
    a->run = run;
    a->out = run->out;
    a->since_us = now_us;
    a->wait.on_room = on_room;
    a->orphan.release = orphan_release;
    call_init(&a->call, ANSWER_MAX);
    run->state = a;
    return a;
}

static enum service_step
give_back(struct service_run *run, enum return_reason reason,
          uint32_t not_before_ms)
{
    run->reason = reason;
    run->not_before_ms = not_before_ms;
    return SERVICE_RETURN;
}

enum service_step
write_give_back(const struct write_ask *a, uint32_t not_before_ms)
{
    const bool away = limiter_away_us(a->lane->limiter, co_clock_us()) != 0;

    return give_back(a->run, away ? RETURN_AWAY : RETURN_LIMIT, not_before_ms);
}

/* -- sending ------------------------------------------------------------- */
/* The recipe is kept only while it is used: runs may be many, and the cache
 * holds no more than a few. */
static enum co_err
make_request(struct write_ask *a, bool is_vendor, struct co_diag *diag)
{
    struct recipes *recipes = a->run->env->recipes;
    struct recipe_use use;
    enum co_err err = recipes_get(recipes, a->run->task.recipe_hash,
                                  a->run->task.recipe, &use, diag);

    if (err) return err;
    err = write_request(a, &use, is_vendor, diag);
    recipes_put(recipes, &use);
    return err;
}

/* What to do without a request. */
static enum service_step
no_request(struct write_ask *a, enum co_err err, const struct co_diag *diag)
{
    if (err == CO_DENIED) return write_refused(a, diag->text);
    if (err == CO_INVALID) return SERVICE_NO_RECIPE;
    return give_back(a->run, RETURN_FULL, FULL_MS);
}

/* From http_turn(). */
static void
on_done(void *self, struct call *call)
{
    struct write_ask *a = self;
    const struct provider_answer *answer = &call->answer;
    uint64_t tokens = call->sent ? a->tokens_max : 0;

    if (answer->has_usage) {
        tokens = answer->input_tokens + answer->output_tokens;
    }
    limiter_end(a->lane->limiter, a->endpoint, a->tokens_max, tokens,
                call->fault, &call->hints, call->total_us, co_clock_us());
    a->phase = WRITE_ENDED;
    if (a->run) {
        work_wake(a->run);
    } else {
        LIST_REMOVE(&a->orphan, entry);
        ask_free(a);
    }
}

/* The limiter gave it a place at the endpoint, and gets that back where it is
 * not used. */
static enum service_step
send(struct write_ask *a, int64_t now_us)
{
    struct lane *lane = a->lane;
    const struct call_endpoint *to = &lane->endpoints[a->endpoint];
    struct co_diag diag = {""};
    struct hints none;
    enum co_err err = CO_OK;

    if (to->is_vendor != a->body_is_vendor) {
        err = make_request(a, to->is_vendor, &diag);
    }
    if (!err) {
        err = call_start(&a->call, lane->http, to, a->body.data, a->body.len,
                         on_done, a);
    }
    if (err) {
        hints_init(&none);
        limiter_end(lane->limiter, a->endpoint, a->tokens_max, 0, FAULT_LOCAL,
                    &none, 0, now_us);
        return no_request(a, err, &diag);
    }
    a->phase = WRITE_SENT;
    a->since_us = now_us;
    a->run->progressed = true;
    a->run->wait_until_us = INT64_MAX;
    return SERVICE_WAIT;
}

/* How long to stay away. Nothing but what an endpoint asked for is long: a time
 * that is not known (INT64_MAX) is short, since what ends it may come at any
 * moment, and who holds the task meanwhile is not told. */
static uint64_t
away_ms(enum limiter_why why, int64_t until_us, uint32_t attempt,
        int64_t now_us)
{
    uint64_t most_ms =
        why == LIMITER_WHY_RETRY_AFTER ? HINTS_WAIT_MAX_MS : RATE_MAX_MS;
    uint32_t doublings = attempt > 0 ? attempt - 1 : 0;
    uint64_t wait_ms;

    if (until_us == INT64_MAX) {
        if (doublings > AGAIN_DOUBLINGS_MAX) doublings = AGAIN_DOUBLINGS_MAX;
        wait_ms =
            co_min_u64((uint64_t)AGAIN_FIRST_MS << doublings, AGAIN_MAX_MS);
        return wait_ms / 2 + co_random_u64() % (wait_ms / 2);
    }
    wait_ms = until_us > now_us ? (uint64_t)(until_us - now_us) / 1000 : 0;
    wait_ms = co_min_u64(wait_ms, most_ms);
    /* Spread a little, or all who wait come at the same moment. */
    return wait_ms + co_random_u64() % (wait_ms / 10 + FULL_MS);
}

static void
log_held(const struct write_ask *a, enum limiter_why why, uint64_t ms)
{
    uint64_t more = 0;

    if (!co_log_every(&a->lane->held_log_limit, co_clock_ms(), HELD_LOG_MS,
                      &more)) {
        return;
    }
    co_log(CO_LOG_INFO, "call.held",
           "provider=%s why=%s not_before_ms=%llu more=%llu",
           a->lane->entry->name, co_log_quote(limiter_why_text(why)).text,
           (unsigned long long)ms, (unsigned long long)more);
}

/* It fits in no minute: waiting would not help. */
static enum service_step
refuse_too_big(struct write_ask *a)
{
    const struct providers_entry *entry = a->lane->entry;
    struct co_diag why;

    (void)co_fail(&why, CO_DENIED,
                  "this call may take %llu tokens, more than limits.tpm (%llu) "
                  "of provider %s in this worker's providers file allows in a "
                  "minute: raise it, or ask for shorter answers",
                  (unsigned long long)a->tokens_max,
                  (unsigned long long)entry->limits.tpm, entry->name);
    return write_refused(a, why.text);
}

/* Not now: holds the slot for a moment, or gives it up. */
static enum service_step
hold(struct write_ask *a, enum limiter_why why, int64_t until_us,
     int64_t now_us)
{
    int64_t last_us = a->since_us + HOLD_US;
    uint64_t ms;

    /* A place among those in flight may be free at any moment. */
    if (now_us < last_us && (until_us <= last_us || why == LIMITER_WHY_FULL)) {
        lane_wait_add(a->lane, &a->wait);
        a->run->wait_until_us = until_us < last_us ? until_us : last_us;
        if (a->run->wait_until_us <= now_us) a->run->wait_until_us = now_us + 1;
        return SERVICE_WAIT;
    }
    ms = away_ms(why, until_us, a->run->task.attempt, now_us);
    log_held(a, why, ms);
    return write_give_back(a, (uint32_t)ms);
}

static enum service_step
try_to_send(struct write_ask *a, int64_t now_us)
{
    struct lane *lane = a->lane;
    enum limiter_why why = LIMITER_WHY_FULL;
    int64_t until_us = INT64_MAX;

    if (http_in_flight(lane->http) < lane->in_flight) {
        why = limiter_begin(lane->limiter, a->task.row + 1, a->tokens_max,
                            now_us, &a->endpoint, &until_us);
    }
    if (why == LIMITER_WHY_TOO_BIG) return refuse_too_big(a);
    if (why != LIMITER_WHY_GO) return hold(a, why, until_us, now_us);
    lane_wait_remove(lane, &a->wait);
    return send(a, now_us);
}

static enum service_step
begin_ask(struct service_run *run, int64_t now_us)
{
    struct lane *lane = lanes_of(run->env->lanes, run->task.service);
    struct co_diag diag = {""};
    struct write_ask *a;
    enum co_err err;

    if (!lane) {
        return service_fail(run, CO_PROTOCOL,
                            "an ask in the lane of no provider");
    }
    a = ask_new(run, lane, now_us);
    if (!a) return give_back(run, RETURN_FULL, FULL_MS);
    if (!ask_get_task(run->task.payload, run->task.payload_bytes, &a->task)) {
        return service_fail(run, CO_PROTOCOL, "payload is not an ask");
    }
    a->call.of = (struct recorded_ask){a->task.row, a->task.ask};
    err = make_request(a, lane->endpoints[0].is_vendor, &diag);
    return err ? no_request(a, err, &diag) : try_to_send(a, now_us);
}

/* -- ranges -------------------------------------------------------------- */
static const struct service written_range = {
    .name = "persona.write",
    .range = true,
    .waits = true,
    .step = range_task_step,
    .abort = range_task_abort,
};

/* A range that has its turn is stepped and ended as such from then on. */
static enum service_step
begin_range(struct service_run *run, int64_t now_us)
{
    if (recipes_makers_used(run->env->recipes) >= RANGES_MAX) {
        run->wait_until_us = now_us + RANGE_POLL_US;
        return SERVICE_WAIT;
    }
    run->service = &written_range;
    return range_task_begin(run->env, run, RANGE_ANSWERED, now_us);
}

/* -- the service --------------------------------------------------------- */
static enum service_step
write_begin(struct service_env *env, struct service_run *run, int64_t now_us)
{
    if (!env->recipes || !run->task.recipe_hash) return SERVICE_NO_RECIPE;
    if (batch_is_task(run->task.payload, run->task.payload_bytes)) {
        return write_batch_begin(run, now_us);
    }
    return ask_is_task(run->task.payload, run->task.payload_bytes)
               ? begin_ask(run, now_us)
               : begin_range(run, now_us);
}

static enum service_step
write_step(struct service_run *run, int64_t now_us)
{
    struct write_ask *a = run->state;

    if (!a) return begin_range(run, now_us);
    switch (a->phase) {
    case WRITE_WAITING:
        return try_to_send(a, now_us);
    case WRITE_ENDED:
        return write_verdict(a);
    case WRITE_SENT:
        break;
    }
    run->wait_until_us = INT64_MAX;
    return SERVICE_WAIT;
}

static enum service_step
write_stop(struct service_run *run, int64_t now_us)
{
    struct write_ask *a = run->state;

    if (!a || a->phase == WRITE_WAITING) return SERVICE_RETURN;
    if (a->phase == WRITE_ENDED) return write_verdict(a);
    return write_unknown(a, "stopped before its answer came", now_us);
}

static bool
write_unsent(const struct service_run *run)
{
    const struct write_ask *a = run->state;

    return !a || a->phase == WRITE_WAITING;
}

/* What was sent stays in flight: its endpoint works on it. */
static void
write_abort(struct service_run *run)
{
    struct write_ask *a = run->state;

    lane_wait_remove(a->lane, &a->wait);
    a->run = NULL;
    if (a->phase == WRITE_SENT) {
        LIST_INSERT_HEAD(&a->lane->orphans, &a->orphan, entry);
    } else {
        ask_free(a);
    }
    run->state = NULL;
}

const struct service service_persona_write = {
    .name = "persona.write",
    .range = false,
    .needs_model = true,
    .has_lanes = true,
    .waits = true,
    .hint_ns = 1000 * 1000 * 1000,
    .begin = write_begin,
    .step = write_step,
    .stop = write_stop,
    .unsent = write_unsent,
    .abort = write_abort,
};
