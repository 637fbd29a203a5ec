/* The scaler on load curves, in virtual time: a service whose tasks take 100 ms
 * of a slot, workers of one slot that need 5 s to arrive and leave when they
 * are told to. Each curve prints what came of it:
 *   peak       most workers, and how many the curve's peak needs at 80 %
 *   overshoot  the first over the second
 *   turns      how often the wish changed its direction
 *   settled    highest utilisation, averaged over a minute, once the wish had
 *              not grown for two minutes
 *   waited     the longest that the oldest task waited */
#include "scaler/scaler.h"
#include "tests/co_test.h"

#include <stdio.h>

enum {
    SECOND = 1000,
    SERVICE_US = 100000,
    START_S = 5,
    MINUTE = 60,
    HOUR = 3600,
    SETTLE_S = 120,
};

#define PER_WORKER ((uint64_t)1000000 / SERVICE_US) /* tasks a second */

struct curve {
    const char *name;
    uint32_t seconds;
    uint64_t (*rate)(uint32_t t); /* tasks that come in second t */
    uint64_t peak;                /* the highest of them, without noise */
    uint64_t endpoint;            /* tasks a second it takes; 0: no limit */
    uint64_t batch;               /* tasks that are there from the start */
};

struct result {
    uint32_t most, ideal, turns, settled_permille, last;
    uint64_t waited_s, left;
};

struct plant {
    struct scaler s;
    struct scaler_config c;
    struct scaler_output out;
    uint32_t live, starting[START_S];
    uint64_t queue, random;
};

/* Up to 10 % more or less, the same in every run. */
static uint64_t
noisy(struct plant *p, uint64_t rate)
{
    uint64_t spread = rate / 5;

    p->random = p->random * 6364136223846793005U + 1442695040888963407U;
    return rate - spread / 2 + (spread ? (p->random >> 33) % (spread + 1) : 0);
}

/* Workers that were asked for START_S ago live now; those that are too many
 * leave. */
static void
follow(struct plant *p, uint32_t t)
{
    uint32_t coming = 0;

    p->live += p->starting[t % START_S];
    p->starting[t % START_S] = 0;
    for (int i = 0; i < START_S; i++) {
        coming += p->starting[i];
    }
    if (p->live > p->out.desired) {
        p->live = p->out.desired;
    } else if (p->live + coming < p->out.desired) {
        p->starting[t % START_S] = p->out.desired - p->live - coming;
    }
}

static uint32_t
second(struct plant *p, const struct curve *curve, uint32_t t)
{
    uint64_t came = noisy(p, curve->rate(t)) + (t == 0 ? curve->batch : 0);
    uint64_t can = (uint64_t)p->live * PER_WORKER;
    bool limited = curve->endpoint && can > curve->endpoint;
    uint64_t most = limited ? curve->endpoint : can;
    uint64_t done = p->queue + came < most ? p->queue + came : most;
    bool choked = limited && done == curve->endpoint;
    struct scaler_sample m = {.arrived = came, .done = done};

    p->queue += came - done;
    m.waiting = p->queue;
    m.running = done ? 1 : 0;
    /* A slot that waits for the endpoint is occupied all the same. */
    m.busy_us = choked ? p->live * (uint64_t)1000000 : done * SERVICE_US;
    m.workers = m.slots = p->live;
    m.left_ms = INT64_MAX;
    m.limit = choked ? SCALER_LIMIT_RATE : SCALER_LIMIT_NONE;
    scaler_step(&p->s, &p->c, &m, ((int64_t)t + 1) * SECOND, &p->out);
    follow(p, t);
    return can ? (uint32_t)(m.busy_us / can / (SERVICE_US / 1000)) : 0;
}

static void
tell(const struct curve *curve, const struct result *r)
{
    uint32_t more = r->most > r->ideal ? r->most - r->ideal : 0;

    print_message("%-16s peak %3u workers of %3u needed, overshoot %3u %%, "
                  "%2u turns, settled at %u.%u %%, waited %llu s, ends with "
                  "%u\n",
                  curve->name, r->most, r->ideal,
                  r->ideal ? more * 100 / r->ideal : 0, r->turns,
                  r->settled_permille / 10, r->settled_permille % 10,
                  (unsigned long long)r->waited_s, r->last);
}

static struct result
run(const struct curve *curve, uint32_t workers)
{
    struct plant p = {.c = scaler_defaults(), .live = workers, .random = 7};
    struct result r = {
        .ideal = (uint32_t)((curve->peak * 10 + 79) / (PER_WORKER * 8))};
    uint32_t before = workers, grown_at = 0, used[MINUTE] = {0}, sum = 0;
    int direction = 0;

    p.c.min = 1;
    scaler_init(&p.s, &p.c, false, 0);
    for (uint32_t t = 0; t < curve->seconds; t++) {
        uint32_t now_used = second(&p, curve, t), wish = p.out.desired;
        int turn = wish > before ? 1 : wish < before ? -1 : direction;

        if (turn != direction && direction) r.turns++;
        direction = turn;
        if (wish > before) grown_at = t;
        before = wish;
        if (wish > r.most) r.most = wish;
        sum += now_used - used[t % MINUTE];
        used[t % MINUTE] = now_used;
        if (t - grown_at > SETTLE_S && sum / MINUTE > r.settled_permille) {
            r.settled_permille = sum / MINUTE;
        }
        if (p.live && p.queue / (p.live * PER_WORKER) > r.waited_s) {
            r.waited_s = p.queue / (p.live * PER_WORKER);
        }
    }
    r.last = before;
    r.left = p.queue;
    tell(curve, &r);
    return r;
}

/* ---- curves ---- */

static uint64_t
step_rate(uint32_t t)
{
    return t < 5 * MINUTE ? 16 : 160;
}

static uint64_t
ramp_rate(uint32_t t)
{
    uint32_t half = 30 * MINUTE, at = t < half ? t : 2 * half - t;

    return t > 2 * half ? 10 : 10 + (uint64_t)at * 300 / half;
}

static uint64_t
spike_rate(uint32_t t)
{
    return t >= 10 * MINUTE && t < 10 * MINUTE + 20 ? 400 : 40;
}

/* A day: 20 at night, 320 at noon, a parabola between 6 and 18 h. */
static uint64_t
day_rate(uint32_t t)
{
    int64_t from_noon = (int64_t)t - 12L * HOUR, half = 6L * HOUR;

    if (from_noon < -half || from_noon > half) return 20;
    return 20 + (uint64_t)(300 * (half * half - from_noon * from_noon) /
                           (half * half));
}

static uint64_t
no_rate(uint32_t t)
{
    (void)t;
    return 0;
}

static void
a_step_is_met_with_one_change_of_direction_at_most(void **state)
{
    static const struct curve c = {"step", HOUR, step_rate, 160, 0, 0};
    struct result r = run(&c, 2);

    (void)state;
    assert_true(r.turns <= 1); /* up, and down to size once caught up */
    assert_true(r.most <= r.ideal * 3 / 2);
    assert_true(r.settled_permille < 800);
    assert_true(r.waited_s < 30);
    assert_int_equal(r.left, 0);
}

static void
a_ramp_is_followed_up_and_down_without_a_queue(void **state)
{
    static const struct curve c = {"ramp", 70 * MINUTE, ramp_rate, 310, 0, 0};
    struct result r = run(&c, 2);

    (void)state;
    assert_true(r.turns <= 1);
    assert_true(r.most <= r.ideal * 5 / 4);
    assert_true(r.settled_permille < 800);
    assert_true(r.waited_s < 2);
}

static void
a_spike_goes_up_once_and_down_once(void **state)
{
    static const struct curve c = {"spike", HOUR, spike_rate, 400, 0, 0};
    struct result r = run(&c, 5);

    (void)state;
    assert_true(r.turns <= 1);
    assert_true(r.most <= r.ideal * 3 / 2);
    assert_true(r.settled_permille < 800);
    assert_true(r.waited_s < 30);
    assert_true(r.last <= 7);
}

static void
a_day_has_one_turn(void **state)
{
    static const struct curve c = {"day", 24 * HOUR, day_rate, 320, 0, 0};
    struct result r = run(&c, 3);

    (void)state;
    assert_true(r.turns <= 1);
    assert_true(r.most <= r.ideal * 5 / 4);
    assert_true(r.settled_permille < 800);
    assert_true(r.waited_s < 2);
}

static void
an_endpoint_that_takes_no_more_stops_the_growth(void **state)
{
    static const struct curve c = {
        "endpoint-limited", HOUR, step_rate, 60, 60, 0};
    struct result r = run(&c, 2);

    (void)state;
    assert_true(r.turns <= 1);
    assert_true(r.most <= 120 / PER_WORKER); /* a doubling under way */
    assert_true(r.left > 0);                 /* nothing can be done about it */
}

static void
a_batch_is_finished_and_its_workers_go(void **state)
{
    static const struct curve c = {"batch", HOUR, no_rate, 0, 0, 60000};
    struct result r = run(&c, 0);

    (void)state;
    assert_true(r.turns <= 1);
    assert_int_equal(r.left, 0);
    assert_int_equal(r.last, 1);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_met_with_one_change_of_direction_at_most),
        cmocka_unit_test(a_ramp_is_followed_up_and_down_without_a_queue),
        cmocka_unit_test(a_spike_goes_up_once_and_down_once),
        cmocka_unit_test(a_day_has_one_turn),
        cmocka_unit_test(an_endpoint_that_takes_no_more_stops_the_growth),
        cmocka_unit_test(a_batch_is_finished_and_its_workers_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
