/* test_limiter_fleet.c - how a fleet of limiters waits, recovers, probes and
 * shares places, with and without Redis. */
#include "tests/unit/limiter_world.h"

#include <inttypes.h>

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
    assert_int_equal(limiter_begin(w->procs[0].limiter, 0, 1,
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

int
main(void)
{
    static const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
