/* llm.c - the service persona.write, as worker/services/write.c is, over an
 * endpoint that is a few lines of chance. A request that the endpoint accepts
 * is billed at once, whoever still waits for its answer. */
#include "tests/sim/llm.h"
#include "llm/batch.h"
#include "tests/sim/market.h"
#include "tests/sim/paid.h"
#include "tests/sim/workload.h"

#include "common/hash.h"
#include "tests/unit/fake_ranges.h"

enum {
    HOLD_US = 1000000,
    LATE_MIN_US = 20000000,
    LATE_MAX_US = 150000000,
    RETRY_MAX_MS = 20000,
    BACKOFF_MAX_MS = 2000,
    HINTS_MAX_MS = 90000,
    INPUT_MAX = 300,
    OUTPUT_MAX = 100,
};

/* ---- the job ---- */

static void
choose_endpoint(struct sim *s, struct workload *w)
{
    static const unsigned in[] = {0, 4, 9, 30};
    struct endpoint *e = &w->endpoint;

    *e = (struct endpoint){.latency_us = sim_between(s, 5000, 1500000),
                           .window_us = sim_between(s, 500000, 5000000),
                           .overrun_row = UINT64_MAX};
    /* of a large job, too, all calls one after the other have to end in time */
    e->latency_us = (int64_t)co_min_u64((uint64_t)e->latency_us,
                                        UINT64_C(150000000) / w->rows);
    e->wrong_in = in[sim_below(s, 4)];
    e->dead_in = sim_chance(s, 400) ? 13 : 0;
    e->refused_in = sim_chance(s, 300) ? 40 : 0;
    if (sim_chance(s, 30)) e->overrun_row = sim_below(s, w->rows);
    if (s->profile == PROFILE_CALM) return;
    e->limited = (unsigned)sim_below(s, 200);
    e->unconnected = (unsigned)sim_below(s, 100);
    e->broken = sim_chance(s, 600) ? (unsigned)sim_below(s, 120) : 0;
    e->late = sim_chance(s, 400) ? (unsigned)sim_below(s, 60) : 0;
    e->cut = (unsigned)sim_below(s, 60);
    e->unbilled = sim_chance(s, 300) ? (unsigned)sim_below(s, 300) : 0;
    e->storm = sim_chance(s, 400) ? (unsigned)sim_below(s, 500) : 0;
    e->outage = sim_chance(s, 300) ? (unsigned)sim_below(s, 300) : 0;
    e->revoked = sim_chance(s, 200) ? (unsigned)sim_below(s, 200) : 0;
}

/* Some budgets are cut by phase, at any place. Not drawn from the seed's
 * numbers, so that all else is as it was. */
static void
choose_shares(const struct sim *s, struct workload *w)
{
    const uint64_t r = co_mix64(s->options.seed + 64);
    const int64_t first = (int64_t)(r >> 8) % (SHARES_WHOLE + 1);
    const struct shares_wish wish = {
        .is_set = true,
        .reserve = {(int64_t)(r >> 40) % (SHARES_WHOLE / 3), true},
        .phases = {{first, true}, {SHARES_WHOLE - first, true}}};
    int64_t sum;

    if (!w->cap || r % 3) return;
    co_assert(!shares_split(&wish, w->cap, &w->shares, &sum));
}

/* None, more than enough, or for a part of the job only. */
static void
choose_money(struct sim *s, struct workload *w)
{
    const int64_t row = INT64_C(2) * (INPUT_MAX * 3 + OUTPUT_MAX * 10 + 1000);
    const int64_t least = row + INT64_C(3) * (ASK_ANSWER_MAX + 3 * INPUT_MAX);

    w->price = (struct price){
        .input = 3, .output = 10, .cached_input = 1, .call = 1000};
    if (sim_chance(s, 150)) { /* all cost the same, and the cap is one short */
        w->price.input = w->price.cached_input = 0;
        w->endpoint.flat = true;
        w->cap = sim_between(s, 2, 2 * (int64_t)w->rows + 10) *
                     (INT64_C(10) * OUTPUT_MAX + w->price.call) -
                 1;
        return;
    }
    if (sim_chance(s, 100)) {
        w->price = price_unknown;
    } else if (sim_chance(s, 300)) {
        w->cap = (row + least) * 100 * (int64_t)(w->rows + 100);
    } else if (sim_chance(s, 700)) {
        w->cap = least + sim_between(s, 0, row * (int64_t)w->rows);
    }
}

void
workload_make_written(struct sim *s, struct workload *w)
{
    static const uint32_t rejects[] = {0, 0, 3, 10};

    w->personas = w->written = true;
    w->service = workload_write.name;
    w->provider = "sim";
    w->rows = 1 + sim_below(s, sim_chance(s, 200) ? 600 : 120);
    w->shard_rows = sim_chance(s, 500) ? 250 : 500;
    w->reject_one_in = rejects[sim_below(s, 4)];
    w->items = 4 * w->rows + 3000 + w->shard_rows;
    if (sim_chance(s, 300)) {
        for (w->hash_bits = 8; (UINT64_C(1) << w->hash_bits) < 4 * w->rows;) {
            w->hash_bits++;
        }
    }
    w->batch = sim_chance(s, 500) ? 1 : (uint32_t)sim_between(s, 2, 16);
    w->rules = (struct talk_rules){.repairs = (uint32_t)sim_below(s, 3),
                                   .fresh = (uint32_t)sim_below(s, 3)};
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        w->stages[i] = (struct written_stage){.input_max = INPUT_MAX,
                                              .output_max = OUTPUT_MAX,
                                              .quote_times = i,
                                              .repair_max = 50,
                                              .error_times = 1};
    }
    w->answers_max = w->rows <= 120 && sim_chance(s, 300) ? 4096 : 0;
    choose_endpoint(s, w);
    choose_money(s, w);
    choose_shares(s, w);
    w->n_writers = 1;
    w->writers[0] =
        (struct written_writer){.provider = w->provider, .price = w->price};
    memcpy(w->writers[0].stages, w->stages, sizeof w->stages);
}

bool
workload_accepts(void *workload, uint64_t row)
{
    const struct workload *w = workload;

    return fake_accepts(row, w->reject_one_in);
}

/* ---- an ask ---- */

enum phase { WAITING, SENT };

/* How its call will end. */
enum end { END_ANSWER, END_LIMITED, END_BROKEN };

struct call {
    struct workload_env *env;
    struct sim_job *job;
    const struct workload *work;
    const struct written_writer *by;
    struct ask_task ask;
    enum phase phase;
    enum end end;
    struct ask_result result; /* END_ANSWER */
    char text[128];
};

static enum service_step
give_back(struct service_run *run, uint32_t not_before_ms)
{
    run->reason = RETURN_LIMIT;
    run->not_before_ms = not_before_ms;
    return SERVICE_RETURN;
}

/* Breakers are open at all its endpoints, or one asked for a long wait. */
static enum service_step
give_away(struct call *c, struct service_run *run)
{
    struct sim *s = c->env->sim;

    s->result.faults.call_away++;
    run->reason = RETURN_AWAY;
    run->not_before_ms = (uint32_t)sim_below(
        s, sim_chance(s, 100) ? HINTS_MAX_MS : BACKOFF_MAX_MS);
    return SERVICE_RETURN;
}

bool
llm_struck(struct sim *s, unsigned permille)
{
    return !s->healed && sim_chance(s, permille);
}

static bool
struck(const struct call *c, unsigned permille)
{
    return llm_struck(c->env->sim, permille);
}

/* Whether the endpoint has a bad time. */
static unsigned
weather(const struct call *c)
{
    const struct sim *s = c->env->sim;
    const uint64_t window = (uint64_t)(s->now_us / c->work->endpoint.window_us);

    return (unsigned)(co_mix64(c->work->job ^ window * 31) % 1000);
}

/* A key that is rejected for a while. */
static bool
is_revoked(const struct call *c)
{
    const struct endpoint *e = &c->work->endpoint;
    const unsigned now = weather(c);

    return now >= e->outage && now < e->outage + e->revoked;
}

/* What its provider goes through. */
static enum provider_time
time_of(const struct call *c)
{
    const struct sim *s = c->env->sim;

    return s->writers ? market_time(s, c->by->provider) : PROVIDER_WELL;
}

static bool
is_one_in(uint64_t row, uint64_t salt, unsigned in)
{
    return in && co_mix64(row * 7 + salt) % in == 0;
}

static enum ask_outcome
outcome_of(const struct call *c)
{
    const struct endpoint *e = &c->work->endpoint;
    const struct ask_task *a = &c->ask;

    if (time_of(c) == PROVIDER_REFUSES) return ASK_REFUSED;
    if (!c->env->sim->healed && is_revoked(c)) return ASK_REFUSED;
    if (is_one_in(a->row, 3, e->refused_in)) return ASK_REFUSED;
    if (struck(c, e->cut)) return a->ask % 3 ? ASK_CUT : ASK_FILTERED;
    if (a->stage == ASK_PERSONAS && is_one_in(a->row, 5, e->dead_in)) {
        return ASK_INVALID;
    }
    if (!a->wrong && is_one_in(a->row * 2 + a->stage, 9, e->wrong_in)) {
        return ASK_INVALID;
    }
    return ASK_ANSWER;
}

/* Tokens: any number, often the most there may be. */
static uint64_t
tokens(struct sim *s, uint64_t most)
{
    return sim_chance(s, 100) ? most : 1 + sim_below(s, most);
}

static void
write_answer(struct call *c)
{
    struct ask_result *r = &c->result;
    struct sim *s = c->env->sim;

    *r = (struct ask_result){.row = c->ask.row,
                             .ask = c->ask.ask,
                             .stage = c->ask.stage,
                             .outcome = outcome_of(c),
                             .time = 1764000000 + c->ask.row};
    r->error = (struct ask_text){"not so", 6};
    if (r->outcome == ASK_REFUSED) {
        s->result.faults.call_refused++;
        r->fault = is_one_in(c->ask.row, 3, c->work->endpoint.refused_in)
                       ? (struct ask_text){"bad-request", 11}
                       : (struct ask_text){"unauthorized", 12};
        return;
    }
    r->answer_len = (uint32_t)snprintf(
        c->text, sizeof c->text, "{\"row\":%" PRIu64 ",\"ask\":%u,\"of\":%u}",
        c->ask.row, c->ask.ask, (unsigned)c->ask.stage);
    r->answer = (const uint8_t *)c->text;
    r->model = (struct ask_text){"sim", 3};
    if (r->outcome == ASK_ANSWER) r->error.len = 0;
    s->result.faults.answer_wrong += r->outcome != ASK_ANSWER;
    r->has_usage = true;
    r->input = tokens(s, c->ask.input_max);
    r->cached = sim_below(s, r->input + 1);
    r->output = c->work->endpoint.flat ? c->ask.output_max
                                       : tokens(s, c->ask.output_max);
    if (c->ask.row == c->work->endpoint.overrun_row) {
        s->result.faults.call_overrun++;
        r->output = 100000;
    }
}

static int64_t
bill_of(const struct call *c)
{
    const struct ask_result *r = &c->result;
    const struct price_use use = {.cached_input = r->cached,
                                  .call = 1,
                                  .input = r->input,
                                  .output = r->output};
    int64_t cost = 0;

    if (!r->has_usage || c->by->price.input < 0) return 0;
    co_assert(price_cost(&c->by->price, &use, &cost));
    return cost;
}

void
llm_answer(struct sim *s, const struct workload *w, const struct ask_task *ask,
           struct llm_answer *ret)
{
    struct workload_env env = {.sim = s};
    struct call c = {
        .env = &env, .work = w, .by = &w->writers[ask->writer], .ask = *ask};

    write_answer(&c);
    ret->bill = bill_of(&c);
    ret->result = c.result;
    memcpy(ret->text, c.text, sizeof ret->text);
    if (c.result.answer) ret->result.answer = (const uint8_t *)ret->text;
    if (!struck(&c, w->endpoint.unbilled) ||
        ask->row == w->endpoint.overrun_row) {
        return;
    }
    s->result.faults.call_unbilled++;
    ret->result.has_usage = false;
}

/* The endpoint has the request. A connection that breaks may do so before or
 * after it was worked on. */
static void
accept(struct call *c)
{
    const struct endpoint *e = &c->work->endpoint;
    struct sim *s = c->env->sim;
    int64_t bill;

    write_answer(c);
    bill = bill_of(c);
    c->end = END_ANSWER;
    if (struck(c, e->broken)) {
        s->result.faults.call_broken++;
        c->end = END_BROKEN;
        if (sim_chance(s, 500)) bill = 0;
    }
    if (struck(c, e->unbilled) && c->work->endpoint.overrun_row != c->ask.row) {
        s->result.faults.call_unbilled++;
        c->result.has_usage = false;
    }
    if (time_of(c) == PROVIDER_FAILS) {
        s->result.faults.call_failing++;
        c->end = END_BROKEN;
    }
    sim_enter(s, c->job);
    paid_on_sent(s, &c->ask, bill);
}

static enum service_step
send(struct call *c, struct service_run *run, int64_t now_us)
{
    const struct endpoint *e = &c->work->endpoint;
    struct sim *s = c->env->sim;
    const unsigned now = weather(c);
    int64_t us = sim_between(s, e->latency_us / 4, 2 * e->latency_us);

    if (time_of(c) == PROVIDER_AWAY) return give_away(c, run);
    if ((!s->healed && now < e->outage) || struck(c, e->unconnected)) {
        s->result.faults.call_unconnected++;
        return give_back(run, (uint32_t)sim_below(s, BACKOFF_MAX_MS));
    }
    c->phase = SENT;
    if ((!s->healed && now >= 1000 - e->storm) || struck(c, e->limited)) {
        s->result.faults.call_limited++;
        c->end = END_LIMITED;
    } else {
        accept(c);
    }
    if (struck(c, e->late)) {
        s->result.faults.call_late++;
        us = sim_between(s, LATE_MIN_US, LATE_MAX_US);
    }
    run->progressed = true;
    run->wait_until_us = now_us + us;
    return SERVICE_WAIT;
}

/* It came in the lane of its writer. */
static void
find_writer(struct call *c, const struct service_run *run)
{
    const char *lane = c->env->announced[run->task.service].provider;

    c->by = &c->work->writers[c->ask.writer % c->work->n_writers];
    if (c->ask.writer >= c->work->n_writers || !lane ||
        strcmp(lane, c->by->provider) != 0) {
        sim_fail(c->env->sim, "writer", "an ask for writer %u came in lane %s",
                 c->ask.writer, lane ? lane : "of nobody");
    }
}

static enum service_step
begin(struct service_env *env, struct service_run *run, int64_t now_us)
{
    struct workload_env *e = (struct workload_env *)env;
    struct sim *s = e->sim;
    struct call *c;

    if (batch_is_task(run->task.payload, run->task.payload_bytes)) {
        run->service = &llm_batch;
        return llm_batch.begin(env, run, now_us);
    }
    if (!ask_is_task(run->task.payload, run->task.payload_bytes)) {
        run->service = &workload_range;
        return workload_range.begin(env, run, now_us);
    }
    c = calloc(1, sizeof *c);
    co_assert(c);
    run->state = c;
    c->env = e;
    c->job = sim_job_of(s, run->task.job);
    co_assert(c->job);
    c->work = c->job->work;
    if (!ask_get_task(run->task.payload, run->task.payload_bytes, &c->ask)) {
        sim_fail(s, "protocol", "an ask cannot be read");
    }
    if (run->task.recipe_hash != c->work->recipe_hash) {
        sim_fail(s, "recipe", "an ask runs with another recipe");
    }
    find_writer(c, run);
    if (struck(c, 3)) {
        s->result.faults.ask_failed++;
        return service_fail(run, CO_PROTOCOL, "payload is not an ask");
    }
    if (!sim_chance(s, 250)) return send(c, run, now_us);
    run->wait_until_us = now_us + sim_between(s, 1, HOLD_US);
    return SERVICE_WAIT;
}

static enum service_step
tell(struct service_run *run, const struct ask_result *r)
{
    ask_put_result(r, run->out);
    run->progressed = true;
    return SERVICE_DONE;
}

static enum service_step
tell_unknown(const struct call *c, struct service_run *run)
{
    const struct ask_result r = {.row = c->ask.row,
                                 .ask = c->ask.ask,
                                 .stage = c->ask.stage,
                                 .outcome = ASK_UNKNOWN,
                                 .error = {"no answer", 9},
                                 .fault = {"reset", 5}};

    return tell(run, &r);
}

static enum service_step
step(struct service_run *run, int64_t now_us)
{
    struct call *c = run->state;

    if (c->env->die) {
        run->wait_until_us = INT64_MAX / 2;
        return SERVICE_WAIT;
    }
    if (c->phase == WAITING) return send(c, run, now_us);
    c->phase = WAITING; /* it is over: abort() has nothing to count */
    switch (c->end) {
    case END_LIMITED:
        return give_back(
            run, (uint32_t)sim_below(c->env->sim,
                                     c->env->sim->healed ? 500 : RETRY_MAX_MS));
    case END_BROKEN:
        return tell_unknown(c, run);
    case END_ANSWER:
        break;
    }
    return tell(run, &c->result);
}

static enum service_step
stop(struct service_run *run, int64_t now_us)
{
    struct call *c = run->state;

    (void)now_us;
    if (c->phase == WAITING) return SERVICE_RETURN;
    c->phase = WAITING;
    c->env->sim->result.faults.call_stopped++;
    return tell_unknown(c, run);
}

static bool
is_unsent(const struct service_run *run)
{
    const struct call *c = run->state;

    return c->phase == WAITING;
}

static void
abort_call(struct service_run *run)
{
    struct call *c = run->state;

    c->env->sim->result.faults.call_orphaned += c->phase == SENT;
    free(c);
}

const struct service workload_write = {.name = "persona.write",
                                       .has_lanes = true,
                                       .waits = true,
                                       .hint_ns = 1000000000,
                                       .begin = begin,
                                       .step = step,
                                       .stop = stop,
                                       .abort = abort_call};
const struct service workload_write_asked = {.name = "persona.write",
                                             .has_lanes = true,
                                             .waits = true,
                                             .hint_ns = 1000000000,
                                             .begin = begin,
                                             .step = step,
                                             .stop = stop,
                                             .unsent = is_unsent,
                                             .abort = abort_call};
