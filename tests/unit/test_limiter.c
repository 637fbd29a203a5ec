/* A limiter alone, and fleets of them: what starts in any 60 s, whatever
 * happens to Redis; how a fleet waits, recovers, probes and shares. */
#include "tests/unit/limiter_world.h"

#include <inttypes.h>

enum { MS = 1000, STEP_US = 5000 };

/* ---- the promise ---- */

/* Bursts of calls of unlike sizes; most take less than they might. */
static void
restless_work(struct world *w, struct world_proc *p)
{
    if (world_pick(w, 400) == 0) p->wants = (uint32_t)world_pick(w, 60);
    for (uint32_t n = p->wants < 8 ? p->wants : 8; n > 0; n--) {
        uint64_t most = 200 + world_pick(w, 2000);

        world_begin(w, p, most, world_pick(w, 3) ? most / 4 : most);
    }
}

static void
long_and_short(struct world *w, struct world_call *call)
{
    call->end_us = call->begin_us +
                   (int64_t)world_pick(w, world_pick(w, 5) ? 3000 : 40000) * MS;
}

/* What may happen to Redis, to the way there, and to processes. */
static void
mischief(struct world *w)
{
    struct world_proc *p = &w->procs[world_pick(w, w->n_procs)];

    switch (world_pick(w, 12)) {
    case 0: /* gone, or back: with what it knew, or with nothing */
        if (w->bank) {
            world_redis_stop(w);
        } else {
            world_redis_start(w);
        }
        break;
    case 1: /* restarted at once, its data with it, or with older ones */
        if (world_pick(w, 2)) {
            w->run++;
        } else {
            world_redis_set_back(w);
        }
        break;
    case 2:
        w->redis_offset_us -= (int64_t)world_pick(w, 20000) * MS;
        break;
    case 6:
        world_redis_save(w);
        break;
    case 7:
        p->deaf_us = w->now_us + (int64_t)world_pick(w, 90) * WORLD_SECOND;
        break;
    case 3: /* one cannot reach it for long */
        p->cut_us = w->now_us + (int64_t)world_pick(w, 90) * WORLD_SECOND;
        break;
    case 4: /* killed, and another comes: its calls count all the same */
        limiter_free(p->limiter);
        world_proc_start(w, p);
        break;
    case 5:
        w->delay_us = 1 + (int64_t)world_pick(w, 400000);
        w->lost_one = world_pick(w, 2) ? 0 : 2 + world_pick(w, 20);
        break;
    default:
        break;
    }
    for (uint32_t i = 0; i < w->n_procs; i++) {
        w->procs[i].connect_us = w->now_us + (int64_t)world_pick(w, 5000) * MS;
    }
}

static void
run_restless(uint64_t seed, uint64_t rpm, uint64_t tpm, bool quiet)
{
    struct world *w = calloc(1, sizeof *w);
    uint64_t requests, tokens;

    assert_non_null(w);
    w->entry.limits = (struct providers_limits){.rpm = rpm, .tpm = tpm};
    w->serve = long_and_short;
    world_open(w, seed, 1 + (uint32_t)(seed % 7));
    for (int64_t t = 0; t < (int64_t)300 * WORLD_SECOND; t += STEP_US) {
        world_step(w, STEP_US, restless_work);
        if (!quiet && world_pick(w, 1000) == 0) mischief(w);
    }
    world_most(w, &requests, &tokens);
    if ((rpm && requests > rpm) || (tpm && tokens > tpm)) {
        fail_msg("seed %" PRIu64 ": %" PRIu64 " of %" PRIu64
                 " requests, %" PRIu64 " of %" PRIu64 " tokens in 60 s",
                 seed, requests, rpm, tokens, tpm);
    }
    if (quiet) assert_true(w->n_starts > 60);
    world_close(w);
}

static void
no_window_of_60_s_has_more_than_the_limits(void **state)
{
    static const struct {
        uint64_t rpm, tpm;
    } limits[] = {{600, 0}, {0, 100000}, {120, 60000}, {20, 0}, {3000, 400000}};

    (void)state;
    for (uint64_t seed = 0; seed < 15; seed++) {
        uint64_t rpm = limits[seed % co_countof(limits)].rpm;
        uint64_t tpm = limits[seed % co_countof(limits)].tpm;

        run_restless(seed, rpm, tpm, seed % 8 == 0);
    }
}

/* ---- how much comes through ---- */

static void
steady_work(struct world *w, struct world_proc *p)
{
    for (int i = 0; i < 4; i++) {
        world_begin(w, p, 1000, 250);
    }
}

static void
the_limits_are_used_well(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    uint64_t requests, tokens;

    (void)state;
    assert_non_null(w);
    w->entry.limits = (struct providers_limits){.rpm = 600};
    world_open(w, 3, 4);
    for (int64_t t = 0; t < (int64_t)300 * WORLD_SECOND; t += STEP_US) {
        world_step(w, STEP_US, steady_work);
    }
    world_most(w, &requests, &tokens);
    assert_in_range(requests, 500, 600);
    /* (600 - 37) / 65.25 s for 300 s are 2,588, and a burst every 66 s */
    assert_in_range(w->n_starts, 2400, 2720);
    world_close(w);
}

static void
tokens_that_were_not_used_come_back(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    (void)state;
    assert_non_null(w);
    w->entry.limits = (struct providers_limits){.tpm = 200000};
    world_open(w, 4, 3);
    for (int64_t t = 0; t < (int64_t)300 * WORLD_SECOND; t += STEP_US) {
        world_step(w, STEP_US, steady_work);
    }
    /* At their worst case 862 calls would fit; they take a quarter of it. */
    assert_true(w->n_starts > 3000);
    world_close(w);
}

/* ---- one misfortune after another, under full load ---- */

static void
one_hears_nothing(struct world *w)
{
    w->procs[0].deaf_us = w->now_us + (int64_t)120 * WORLD_SECOND;
}

static void
the_clock_steps_back(struct world *w)
{
    w->redis_offset_us -= (int64_t)1500 * MS;
}

static void
redis_is_set_back(struct world *w)
{
    if (w->saved) {
        world_redis_set_back(w);
    } else {
        world_redis_save(w);
    }
}

static void
redis_comes_back_empty(struct world *w)
{
    world_redis_stop(w);
    world_redis_start(w);
}

/* Another Redis, which only one of two reaches. */
static void
one_stays_behind(struct world *w)
{
    redis_comes_back_empty(w);
    w->procs[0].cut_us = w->now_us + (int64_t)120 * WORLD_SECOND;
}

/* One dies, one is cut off, a third that came last has no share; then there is
 * another Redis, which only the third reaches. */
static void
only_who_has_no_share_is_left(struct world *w)
{
    if (w->next_id == 2) {
        limiter_free(w->procs[1].limiter);
        world_proc_start(w, &w->procs[1]);
        w->procs[0].cut_us = w->now_us + (int64_t)120 * WORLD_SECOND;
    } else if (w->run == 1) {
        redis_comes_back_empty(w);
    }
}

/* Every few seconds for two minutes: sooner than anything is forgotten. */
static void
befall(void (*misfortune)(struct world *w), int64_t every_ms, size_t least)
{
    struct world *w = calloc(1, sizeof *w);
    uint64_t requests, tokens;
    size_t before;

    assert_non_null(w);
    w->entry.limits = (struct providers_limits){.rpm = 600};
    world_open(w, 9, 2);
    while (w->now_us < (int64_t)1100 * WORLD_SECOND) {
        world_step(w, STEP_US, steady_work);
    }
    before = w->n_starts;
    for (int64_t t = 0; t < (int64_t)120 * WORLD_SECOND; t += STEP_US) {
        if (t % (every_ms * MS) == 0) misfortune(w);
        world_step(w, STEP_US, steady_work);
    }
    world_most(w, &requests, &tokens);
    assert_in_range(requests, 1, 600);
    assert_true(w->n_starts - before >= least); /* and work goes on */
    world_close(w);
}

static void
who_hears_nothing_is_charged_what_it_may_spend(void **state)
{
    (void)state;
    befall(one_hears_nothing, 60000, 700);
}

static void
a_clock_that_steps_back_again_and_again_allows_no_more(void **state)
{
    (void)state;
    befall(the_clock_steps_back, 2000, 200);
}

static void
a_redis_that_is_set_back_again_and_again_allows_no_more(void **state)
{
    (void)state;
    befall(redis_is_set_back, 5000, 200);
}

static void
a_redis_that_is_emptied_again_and_again_allows_no_more(void **state)
{
    (void)state;
    befall(redis_comes_back_empty, 7000, 200);
}

static void
who_stays_behind_at_a_lost_redis_is_charged_by_the_new_one(void **state)
{
    (void)state;
    befall(one_stays_behind, 120000, 700);
}

static void
who_has_no_share_tells_a_new_redis_that_others_have(void **state)
{
    (void)state;
    befall(only_who_has_no_share_is_left, 1000, 300);
}

static void
a_block_is_good_for_250_ms(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct world_proc *p;
    int64_t until_us;
    uint32_t endpoint;

    (void)state;
    assert_non_null(w);
    w->entry.limits = (struct providers_limits){.rpm = 600};
    world_open(w, 10, 1);
    p = &w->procs[0];
    while (w->now_us < (int64_t)1100 * WORLD_SECOND || p->told.requests < 2 ||
           p->asking) {
        p->wants = 1;
        world_step(w, STEP_US, restless_work);
    }
    assert_int_equal(limiter_begin(p->limiter, 1, w->now_us + p->offset_us,
                                   &endpoint, &until_us),
                     LIMITER_WHY_GO);
    w->now_us += (int64_t)LIMITER_LEASE_MS * MS;
    assert_int_equal(limiter_begin(p->limiter, 1, w->now_us + p->offset_us,
                                   &endpoint, &until_us),
                     LIMITER_WHY_RATE);
    world_close(w);
}

/* ---- a storm ---- */

enum {
    STORM_FROM_S = 1030, /* by the world's clock */
    STORM_WAIT_S = 20,
    STORM_CALLS = 4000,
};

static void
serve_storm(struct world *w, struct world_call *call)
{
    int64_t from = (int64_t)STORM_FROM_S * WORLD_SECOND;

    if (w->now_us < from ||
        w->now_us >= from + (int64_t)STORM_WAIT_S * WORLD_SECOND) {
        return;
    }
    call->fault = FAULT_RATE_LIMITED;
    call->hints.retry_after_ms = (int64_t)STORM_WAIT_S * 1000;
    call->end_us = w->now_us + (int64_t)30 * MS;
}

static void
storm_work(struct world *w, struct world_proc *p)
{
    if (w->ok + p->n_calls < STORM_CALLS) world_begin(w, p, 1000, 1000);
}

/* One 429 holds all back at once, for as long as it says; then they come one
 * after another, and little was asked for in vain. */
static void
a_storm_stops_64_processes_and_they_recover(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    int64_t first = (int64_t)STORM_FROM_S * WORLD_SECOND + (int64_t)30 * MS;
    int64_t again = 0, spread = 0;

    (void)state;
    assert_non_null(w);
    w->entry.limits.in_flight = 64;
    w->serve = serve_storm;
    world_open(w, 5, 64);
    while (w->ok < STORM_CALLS && w->now_us < (int64_t)1300 * WORLD_SECOND) {
        world_step(w, STEP_US, storm_work);
    }
    assert_true(w->ok >= STORM_CALLS);
    for (size_t i = 0; i < w->n_starts; i++) {
        int64_t at = w->starts[i].at_us;

        /* 150 ms: until everybody asked Redis again */
        if (at < first + (int64_t)150 * MS) continue;
        if (at < first + (int64_t)STORM_WAIT_S * WORLD_SECOND) {
            fail_msg("a call %" PRId64 " ms after the first 429",
                     (at - first) / MS);
        }
        if (!again) again = at;
        if (i > 0 && at == w->starts[i - 1].at_us) spread++;
    }
    assert_true(again > 0);
    assert_true(again - first < (int64_t)(STORM_WAIT_S + 1) * WORLD_SECOND);
    assert_true(w->n_starts <= STORM_CALLS + STORM_CALLS / 20);
    /* 4,000 s of calls on 64 places, and 20 s of waiting. */
    assert_true(w->now_us < (int64_t)(1000 + 63 + 20 + 35) * WORLD_SECOND);
    world_close(w);
}

/* ---- the breaker ---- */

static void
serve_refusals(struct world *w, struct world_call *call)
{
    call->end_us = w->now_us + (int64_t)10 * MS;
    if (w->now_us < (int64_t)1200 * WORLD_SECOND) call->fault = FAULT_CONNECT;
}

static void
a_dead_endpoint_gets_one_probe_a_minute_of_the_whole_fleet(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    size_t probes;

    (void)state;
    assert_non_null(w);
    w->entry.limits.in_flight = 100;
    w->serve = serve_refusals;
    world_open(w, 6, 8);
    while (w->now_us < (int64_t)1010 * WORLD_SECOND) {
        world_step(w, STEP_US, steady_work);
    }
    probes = w->n_starts;
    assert_in_range(probes, LIMITER_FAILURES, 400);
    while (w->now_us < (int64_t)1199 * WORLD_SECOND) {
        world_step(w, STEP_US, steady_work);
    }
    assert_in_range(w->n_starts - probes, 2, 3);
    while (w->now_us < (int64_t)1262 * WORLD_SECOND) {
        world_step(w, STEP_US, steady_work);
    }
    assert_true(w->ok > 1000); /* the probe was answered: closed again */
    world_close(w);
}

/* One in ten is reset at once; the others take half a second. */
static void
serve_flakily(struct world *w, struct world_call *call)
{
    bool bad = world_pick(w, 10) == 0;

    call->end_us = w->now_us + (int64_t)(bad ? 1 : 500) * MS;
    if (bad) call->fault = FAULT_RESET;
}

static void
resets_that_come_before_slow_answers_keep_the_breaker_closed(void **state)
{
    static const uint32_t procs[] = {1, 3, 64};

    (void)state;
    for (uint64_t seed = 0; seed < co_countof(procs); seed++) {
        struct world *w = calloc(1, sizeof *w);

        assert_non_null(w);
        w->entry.limits.in_flight = 256;
        w->serve = serve_flakily;
        world_open(w, seed, procs[seed]);
        while (w->now_us < (int64_t)1030 * WORLD_SECOND) {
            world_step(w, STEP_US, steady_work);
            assert_int_equal(w->bank->breaker, LIMITER_CLOSED);
        }
        assert_true(w->ok > (uint64_t)256 * 2 * 25);
        world_close(w);
    }
}

/* ---- places, when in_flight is not given ---- */

static void
serve_in_200_ms(struct world *w, struct world_call *call)
{
    call->end_us = w->now_us + (int64_t)200 * MS;
}

static void
much_work(struct world *w, struct world_proc *p)
{
    for (int i = 0; i < 50; i++) {
        world_begin(w, p, 1000, 250);
    }
}

static uint64_t
in_flight(const struct world *w)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < w->n_procs; i++) {
        n += w->procs[i].n_calls;
    }
    return n;
}

static void
places_double_until_the_first_refusal(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    int64_t ceiling;

    (void)state;
    assert_non_null(w);
    w->serve = serve_in_200_ms;
    world_open(w, 12, 3);
    while (w->now_us < (int64_t)1003 * WORLD_SECOND) {
        world_step(w, STEP_US, much_work);
    }
    assert_in_range(in_flight(w), 1000, 3 * WORLD_CALLS_MAX);
    /* one burst of refusals: three quarters of it, and slowly from there */
    w->procs[0].calls[0].fault = FAULT_RATE_LIMITED;
    ceiling = w->bank->ceiling;
    while (w->now_us < (int64_t)1004 * WORLD_SECOND) {
        world_step(w, STEP_US, much_work);
    }
    assert_in_range(w->bank->ceiling, 3 * ceiling / 4, 9 * ceiling / 10);
    world_close(w);
}

static void
long_pause(struct world *w, struct world_proc *p)
{
    (void)w;
    (void)p;
}

static void
places_that_nobody_uses_do_not_grow(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    (void)state;
    assert_non_null(w);
    w->serve = serve_refusals; /* of old: they end well, 10 ms later */
    world_open(w, 13, 3);
    w->now_us = (int64_t)1300 * WORLD_SECOND;
    while (w->now_us < (int64_t)1310 * WORLD_SECOND) {
        if (in_flight(w) < 4) world_begin(w, &w->procs[0], 10, 10);
        world_step(w, STEP_US, long_pause);
    }
    assert_true(w->ok > 1000);
    assert_int_equal(w->bank->ceiling, LIMITER_PLACES);
    world_close(w);
}

/* ---- without Redis ---- */

static void
redis_gone_leaves_a_share_for_a_minute_and_then_nothing(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    size_t before, at_60;
    int64_t until_us;
    uint32_t endpoint;

    (void)state;
    assert_non_null(w);
    w->entry.limits = (struct providers_limits){.rpm = 600};
    world_open(w, 7, 4);
    while (w->now_us < (int64_t)1100 * WORLD_SECOND) {
        world_step(w, STEP_US, steady_work);
    }
    world_redis_stop(w);
    before = w->n_starts;
    while (w->now_us < (int64_t)1161 * WORLD_SECOND) {
        world_step(w, STEP_US, steady_work);
    }
    at_60 = w->n_starts;
    /* 57 s at (600 - 37) / 65 s, and what was leased yet */
    assert_in_range(at_60 - before, 400, 520);
    while (w->now_us < (int64_t)1180 * WORLD_SECOND) {
        world_step(w, STEP_US, steady_work);
    }
    assert_int_equal(w->n_starts, at_60);
    limiter_free(w->procs[0].limiter); /* one that starts now has none */
    world_proc_start(w, &w->procs[0]);
    assert_int_equal(limiter_begin(w->procs[0].limiter, 1,
                                   w->now_us + w->procs[0].offset_us, &endpoint,
                                   &until_us),
                     LIMITER_WHY_FULL);
    world_close(w);
}

static void
few_exchanges_are_enough(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    uint64_t idle;

    (void)state;
    assert_non_null(w);
    w->entry.limits = (struct providers_limits){.rpm = 6000};
    world_open(w, 8, 2);
    while (w->now_us < (int64_t)1060 * WORLD_SECOND) {
        world_step(w, STEP_US, steady_work);
    }
    assert_in_range(w->procs[0].exchanges, 400, 660);
    idle = w->procs[0].exchanges;
    while (w->now_us < (int64_t)1120 * WORLD_SECOND) {
        w->now_us += STEP_US;
        world_talk(w, &w->procs[0]);
        world_end_calls(w, &w->procs[0]);
    }
    assert_in_range(w->procs[0].exchanges - idle, 50, 90);
    world_close(w);
}

/* ---- a limiter that is its own fleet ---- */

static struct limiter *
alone(const struct providers_entry *entry)
{
    struct limiter *l;

    assert_int_equal(limiter_new(entry, false, &l), CO_OK);
    return l;
}

static void
end_call(struct limiter *l, uint32_t endpoint, enum fault fault,
         int64_t retry_after_ms, int64_t now_us)
{
    struct hints hints;

    hints_init(&hints);
    hints.retry_after_ms = retry_after_ms;
    limiter_end(l, endpoint, 1, 1, fault, &hints, 0, now_us);
}

static void
without_limits_calls_start_at_once(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1};
    struct limiter *l = alone(&entry);
    int64_t now = 77, until;
    uint32_t e;

    (void)state;
    assert_true(limiter_room(l, now) > 0);
    for (int i = 0; i < LIMITER_PLACES; i++) {
        assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
    }
    assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_FULL);
    limiter_free(l);
}

static void
a_refusal_cuts_places_once_a_burst(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1, .limits.in_flight = 100};
    struct limiter *l = alone(&entry);
    int64_t now = 1000, until;
    uint32_t e, n = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
    }
    now += WORLD_SECOND;
    for (int i = 0; i < 100; i++) {
        limiter_end(l, 0, 1, 1, FAULT_RATE_LIMITED, NULL, WORLD_SECOND, now);
    }
    now += WORLD_SECOND;
    while (limiter_begin(l, 1, now, &e, &until) == LIMITER_WHY_GO) {
        n++;
    }
    assert_int_equal(n, 75);
    limiter_free(l);
}

static void
retry_after_is_obeyed_and_says_when(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1};
    struct limiter *l = alone(&entry);
    int64_t now = 1000, until = 0;
    uint32_t e;

    (void)state;
    assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
    end_call(l, e, FAULT_RATE_LIMITED, 7000, now);
    assert_int_equal(limiter_begin(l, 1, now, &e, &until),
                     LIMITER_WHY_RETRY_AFTER);
    assert_in_range(until - now, 7 * WORLD_SECOND, 9 * WORLD_SECOND);
    assert_int_equal(limiter_room(l, now), 0);
    assert_int_equal(limiter_due_us(l, now), until);
    assert_int_equal(limiter_begin(l, 1, until, &e, &until), LIMITER_WHY_GO);
    limiter_free(l);
}

static void
a_call_beyond_the_limit_of_a_minute_never_starts(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1, .limits.tpm = 1000};
    struct limiter *l = alone(&entry);
    int64_t until;
    uint32_t e;

    (void)state;
    assert_int_equal(limiter_begin(l, 1001, 5, &e, &until),
                     LIMITER_WHY_TOO_BIG);
    assert_int_equal(until, INT64_MAX);
    assert_int_equal(limiter_begin(l, 10, 5, &e, &until), LIMITER_WHY_RATE);
    limiter_free(l);
}

static void
a_success_between_failures_keeps_the_breaker_closed(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1};
    struct limiter *l = alone(&entry);
    int64_t now = 1000, until;
    uint32_t e;

    (void)state;
    for (int i = 0; i < 40; i++) {
        now += WORLD_SECOND;
        assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
        end_call(l, e, i % 5 == 4 ? FAULT_NONE : FAULT_RESET, -1, now);
    }
    for (int i = 0; i < 5; i++) {
        now += WORLD_SECOND;
        assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
        end_call(l, e, FAULT_RESET, -1, now);
    }
    assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_OPEN);
    assert_in_range(until - now, 59 * WORLD_SECOND, 60 * WORLD_SECOND);
    limiter_free(l);
}

static void
who_fails_by_itself_stops_until_the_fleet_has_heard(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1};
    const struct limiter_told closed = {.allow = 20};
    struct limiter_ask ask;
    struct limiter *l;
    int64_t now = 1000, until;
    uint32_t e;

    (void)state;
    assert_int_equal(limiter_new(&entry, true, &l), CO_OK);
    assert_true(limiter_want(l, 0, now, &ask));
    limiter_granted(l, 0, &closed, now);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
        end_call(l, e, FAULT_RESET, -1, now);
    }
    assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_OPEN);
    assert_int_equal(until, now + (int64_t)60 * WORLD_SECOND);
    now = until; /* Redis was away: one more, which fails */
    assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
    end_call(l, e, FAULT_RESET, -1, now);
    assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_OPEN);
    assert_true(limiter_want(l, 0, now, &ask));
    assert_int_equal(ask.failures, 6);
    assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_OPEN);
    limiter_granted(l, 0, &closed, now);
    assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
    limiter_free(l);
}

static void
lighter_endpoints_have_their_part_of_the_places(void **state)
{
    struct providers_entry entry = {
        .n_endpoints = 3,
        .endpoints = {{.weight = 3}, {.weight = 1}, {.weight = 2}},
        .limits.in_flight = 10};
    static const int64_t places[] = {10, 4, 7};
    struct limiter_ask ask;
    struct limiter *l;

    (void)state;
    assert_int_equal(limiter_new(&entry, true, &l), CO_OK);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(limiter_want(l, i, 1000, &ask));
        assert_int_equal(ask.places, places[i]);
    }
    limiter_free(l);
}

static void
calls_go_by_weight_and_then_to_the_faster_endpoint(void **state)
{
    struct providers_entry entry = {
        .n_endpoints = 2, .endpoints = {{.weight = 3}, {.weight = 1}}};
    struct limiter *l = alone(&entry);
    uint32_t e, n[2] = {0};
    int64_t now = 1000, until;

    (void)state;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
        n[e]++;
    }
    assert_int_equal(n[0], 30);
    assert_int_equal(n[1], 10);
    limiter_free(l);

    entry.endpoints[0].weight = 1;
    l = alone(&entry);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
    }
    limiter_end(l, 0, 1, 1, FAULT_NONE, NULL, 9000, now + 9000);
    limiter_end(l, 1, 1, 1, FAULT_NONE, NULL, 4000, now + 9000);
    assert_int_equal(limiter_begin(l, 1, now + 9000, &e, &until),
                     LIMITER_WHY_GO);
    assert_int_equal(e, 1);
    limiter_free(l);
}

static void
an_endpoint_that_waits_leaves_the_calls_to_the_others(void **state)
{
    struct providers_entry entry = {
        .n_endpoints = 2, .endpoints = {{.weight = 9}, {.weight = 1}}};
    struct limiter *l = alone(&entry);
    int64_t now = 1000, until;
    uint32_t e;

    (void)state;
    assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
    assert_int_equal(e, 0);
    end_call(l, 0, FAULT_RATE_LIMITED, 60000, now);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(limiter_begin(l, 1, now, &e, &until), LIMITER_WHY_GO);
        assert_int_equal(e, 1);
    }
    limiter_free(l);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_window_of_60_s_has_more_than_the_limits),
        cmocka_unit_test(the_limits_are_used_well),
        cmocka_unit_test(tokens_that_were_not_used_come_back),
        cmocka_unit_test(who_hears_nothing_is_charged_what_it_may_spend),
        cmocka_unit_test(
            a_clock_that_steps_back_again_and_again_allows_no_more),
        cmocka_unit_test(
            a_redis_that_is_set_back_again_and_again_allows_no_more),
        cmocka_unit_test(
            a_redis_that_is_emptied_again_and_again_allows_no_more),
        cmocka_unit_test(
            who_stays_behind_at_a_lost_redis_is_charged_by_the_new_one),
        cmocka_unit_test(who_has_no_share_tells_a_new_redis_that_others_have),
        cmocka_unit_test(a_block_is_good_for_250_ms),
        cmocka_unit_test(a_storm_stops_64_processes_and_they_recover),
        cmocka_unit_test(
            a_dead_endpoint_gets_one_probe_a_minute_of_the_whole_fleet),
        cmocka_unit_test(
            resets_that_come_before_slow_answers_keep_the_breaker_closed),
        cmocka_unit_test(places_double_until_the_first_refusal),
        cmocka_unit_test(places_that_nobody_uses_do_not_grow),
        cmocka_unit_test(
            redis_gone_leaves_a_share_for_a_minute_and_then_nothing),
        cmocka_unit_test(few_exchanges_are_enough),
        cmocka_unit_test(without_limits_calls_start_at_once),
        cmocka_unit_test(a_refusal_cuts_places_once_a_burst),
        cmocka_unit_test(retry_after_is_obeyed_and_says_when),
        cmocka_unit_test(a_call_beyond_the_limit_of_a_minute_never_starts),
        cmocka_unit_test(a_success_between_failures_keeps_the_breaker_closed),
        cmocka_unit_test(who_fails_by_itself_stops_until_the_fleet_has_heard),
        cmocka_unit_test(lighter_endpoints_have_their_part_of_the_places),
        cmocka_unit_test(calls_go_by_weight_and_then_to_the_faster_endpoint),
        cmocka_unit_test(an_endpoint_that_waits_leaves_the_calls_to_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
