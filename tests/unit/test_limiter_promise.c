/* test_limiter_promise.c - what a fleet of limiters starts in any 60 s,
 * whatever happens to Redis, to the way there and to clocks. */
#include "tests/unit/limiter_world.h"

#include <inttypes.h>

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
    assert_int_equal(limiter_begin(p->limiter, 0, 1, w->now_us + p->offset_us,
                                   &endpoint, &until_us),
                     LIMITER_WHY_GO);
    w->now_us += (int64_t)LIMITER_LEASE_MS * MS;
    assert_int_equal(limiter_begin(p->limiter, 0, 1, w->now_us + p->offset_us,
                                   &endpoint, &until_us),
                     LIMITER_WHY_RATE);
    world_close(w);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
