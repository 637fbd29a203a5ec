/* The scaler's rules one by one: up, down, limits, pins, holders, levels. Load
 * curves over hours: test_scaler_curves.c. */
#include "scaler/lease.h"
#include "scaler/scaler.h"
#include "scaler/share.h"
#include "tests/co_test.h"

#include <string.h>

enum { SECOND = 1000, SERVICE_US = 100000 /* ten tasks a second and slot */ };

struct world {
    struct scaler s;
    struct scaler_config c;
    struct scaler_output out;
    uint32_t workers;
    int64_t now_ms;
};

static struct world
given(uint32_t workers, bool held)
{
    struct world w = {.c = scaler_defaults(), .workers = workers, .now_ms = 5};

    w.c.max = 64;
    scaler_init(&w.s, &w.c, held, w.now_ms);
    return w;
}

/* One second with so many tasks done by the workers that live. */
static struct scaler_sample
second_of(const struct world *w, uint64_t done, uint64_t waiting)
{
    return (struct scaler_sample){.waiting = waiting,
                                  .running = done ? 1 : 0,
                                  .arrived = done,
                                  .done = done,
                                  .busy_us = done * SERVICE_US,
                                  .workers = w->workers,
                                  .slots = w->workers,
                                  .left_ms = INT64_MAX};
}

static uint32_t
step(struct world *w, const struct scaler_sample *m)
{
    w->now_ms += SECOND;
    scaler_step(&w->s, &w->c, m, w->now_ms, &w->out);
    return w->out.desired;
}

/* seconds of the same, the workers following the wish at once. */
static uint32_t
pass(struct world *w, uint32_t seconds, uint64_t done_each, uint64_t waiting)
{
    for (uint32_t i = 0; i < seconds; i++) {
        struct scaler_sample m = second_of(w, done_each * w->workers, waiting);

        w->workers = step(w, &m);
    }
    return w->workers;
}

static void
the_first_worker_is_asked_for_as_soon_as_work_waits(void **state)
{
    struct world w = given(0, false);
    struct scaler_sample m = second_of(&w, 0, 5);

    (void)state;
    assert_int_equal(step(&w, &m), 1);
    assert_int_equal(w.out.reason, SCALER_REASON_FIRST);
}

static void
busy_workers_are_doubled_at_most_and_only_once_they_live(void **state)
{
    struct world w = given(2, false);
    struct scaler_sample m = second_of(&w, 20, 100000);

    (void)state;
    assert_int_equal(step(&w, &m), 4);
    assert_int_equal(w.out.reason, SCALER_REASON_BACKLOG);
    for (int i = 0; i < 5; i++) { /* two live still */
        assert_int_equal(step(&w, &m), 4);
        assert_int_equal(w.out.reason, SCALER_REASON_ARRIVING);
    }
    w.workers = 4;
    m = second_of(&w, 40, 100000);
    assert_int_equal(step(&w, &m), 8);
}

static void
nothing_goes_beyond_the_maximum(void **state)
{
    struct world w = given(1, false);

    (void)state;
    w.c.max = 6;
    assert_int_equal(pass(&w, 10, 10, 100000), 6);
    assert_int_equal(w.out.reason, SCALER_REASON_AT_MAX);
}

static void
fewer_are_wished_for_after_a_whole_quiet_window_and_not_before(void **state)
{
    struct world w = given(8, false);

    (void)state;
    assert_int_equal(pass(&w, 20, 5, 0), 8); /* half busy */
    for (int i = 20; i < 55; i++) {
        assert_int_equal(pass(&w, 1, 1, 0), 8);
        assert_int_equal(w.out.reason, SCALER_REASON_QUIET);
    }
    assert_true(pass(&w, 40, 1, 0) < 8);
    assert_true(pass(&w, 200, 0, 0) == 0);
    assert_int_equal(w.out.reason, SCALER_REASON_IDLE);
}

static void
the_minimum_stays_when_there_is_nothing_to_do(void **state)
{
    struct world w = given(5, false);

    (void)state;
    w.c.min = 2;
    assert_int_equal(pass(&w, 300, 0, 0), 2);
    assert_int_equal(w.out.reason, SCALER_REASON_AT_MIN);
}

static void
a_load_between_the_two_marks_changes_nothing(void **state)
{
    struct world w = given(10, false);

    (void)state;
    for (int i = 0; i < 600; i++) { /* 71 to 79 % */
        struct scaler_sample m = second_of(&w, (uint64_t)(71 + i * 7 % 9), 0);

        assert_true(step(&w, &m) >= 10);
    }
    assert_true(w.out.desired <= 12);
    assert_true(w.out.utilisation_permille > 650);
}

static void
more_workers_are_no_use_while_something_else_is_the_limit(void **state)
{
    static const struct {
        enum scaler_limit limit;
        enum scaler_reason reason;
    } cases[] = {
        {SCALER_LIMIT_RATE, SCALER_REASON_LIMIT_RATE},
        {SCALER_LIMIT_MONEY, SCALER_REASON_LIMIT_MONEY},
        {SCALER_LIMIT_APPROVAL, SCALER_REASON_LIMIT_APPROVAL},
        {SCALER_LIMIT_OWNER, SCALER_REASON_LIMIT_OWNER},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        struct world w = given(3, false);
        struct scaler_sample m = second_of(&w, 30, 100000);

        m.limit = cases[i].limit;
        for (int k = 0; k < 20; k++) {
            assert_int_equal(step(&w, &m), 3);
            assert_int_equal(w.out.reason, cases[i].reason);
        }
        m.limit = SCALER_LIMIT_NONE;
        assert_int_equal(step(&w, &m), 6);
    }
}

static void
a_pin_is_obeyed_at_once_and_automatic_goes_on_from_there(void **state)
{
    struct world w = given(2, false);

    (void)state;
    w.c.pin = 7;
    assert_int_equal(pass(&w, 1, 0, 0), 7);
    assert_int_equal(w.out.reason, SCALER_REASON_PINNED);
    assert_int_equal(pass(&w, 500, 0, 0), 7);
    w.c.pin = 0;
    assert_int_equal(pass(&w, 1, 10, 10), 0);
    w.c.pin = SCALER_AUTO;
    assert_int_equal(pass(&w, 1, 0, 10), 1);
}

static void
a_pin_that_is_lifted_leaves_a_wish_that_goes_down_after_a_quiet_window(
    void **state)
{
    struct world w = given(2, false);

    (void)state;
    w.c.pin = 7;
    assert_int_equal(pass(&w, 100, 0, 0), 7);
    w.c.pin = SCALER_AUTO;
    assert_int_equal(pass(&w, 50, 0, 0), 7);
    assert_int_equal(pass(&w, 20, 0, 0), 0);
}

static void
a_new_holder_takes_what_lives_and_holds_still_for_a_quiet_window(void **state)
{
    struct world w = given(5, true);

    (void)state;
    for (int i = 0; i < 59; i++) {
        assert_int_equal(pass(&w, 1, 10, 100000), 5);
        assert_int_equal(w.out.reason, SCALER_REASON_HOLD);
    }
    assert_true(pass(&w, 2, 10, 100000) >= 10);
}

static void
a_new_holder_still_starts_the_first_worker(void **state)
{
    struct world w = given(0, true);

    (void)state;
    assert_int_equal(pass(&w, 1, 0, 3), 1);
}

static void
a_climbing_load_is_met_before_it_arrives(void **state)
{
    struct world w = given(10, false);
    uint32_t needed = 0;

    (void)state;
    for (uint64_t i = 0; i < 60; i++) { /* 40 tasks a second, +1 each second */
        struct scaler_sample m = second_of(&w, 40 + i, 0);

        w.workers = step(&w, &m);
        needed = (uint32_t)(40 + i + 7) / 8;
        if (i > 30) assert_true(w.workers >= needed);
    }
    assert_int_equal(w.out.has_was, true);
    /* Ten seconds ago it foresaw what came, within 5 %. */
    assert_in_range(w.out.was_milli, 94000, 104000);
    assert_true(w.out.ahead_milli > w.out.in_milli);
}

static void
absurd_figures_of_a_faulty_peer_are_clamped(void **state)
{
    struct world w = given(3, false);
    struct scaler_sample m = {.waiting = UINT64_MAX,
                              .arrived = UINT64_MAX,
                              .done = UINT64_MAX,
                              .busy_us = UINT64_MAX,
                              .workers = UINT32_MAX / 2,
                              .slots = UINT32_MAX,
                              .rss_bytes = UINT64_MAX,
                              .left_ms = INT64_MIN};

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_true(step(&w, &m) <= w.c.max);
        m.workers = 0;
        m.slots = i % 2 ? 0 : UINT32_MAX;
    }
}

static void
in_flight_grows_by_one_and_is_halved_by_errors_and_by_memory(void **state)
{
    struct world w = given(2, false);
    struct scaler_sample m = second_of(&w, 20, 100000);
    uint32_t before;

    (void)state;
    w.c.mode = SCALER_MODE_VERTICAL;
    w.c.memory_bytes = 1000;
    w.c.in_flight_max = 40;
    scaler_init(&w.s, &w.c, false, w.now_ms);
    for (int i = 0; i < 100; i++) {
        before = w.s.in_flight;
        assert_int_equal(step(&w, &m), 2); /* the number of workers stays */
        assert_true(w.out.in_flight <= before + 1);
    }
    assert_int_equal(w.out.in_flight, 40);
    m.errors = 3;
    (void)step(&w, &m);
    assert_int_equal(w.out.in_flight, 20);
    (void)step(&w, &m); /* of the same burst */
    assert_int_equal(w.out.in_flight, 20);
    m.errors = 0;
    m.rss_bytes = 950;
    for (int i = 0; i < 5; i++) {
        (void)step(&w, &m);
    }
    assert_int_equal(w.out.in_flight, 10);
    m.rss_bytes = 800; /* no longer short, but not roomy either */
    (void)step(&w, &m);
    assert_int_equal(w.out.in_flight, 10);
}

static void
a_new_holder_goes_on_with_the_tasks_in_flight_of_the_one_before(void **state)
{
    struct world w = given(2, true);
    struct scaler_sample m = second_of(&w, 0, 0);

    (void)state;
    w.c.in_flight_max = 40;
    scaler_take_over(&w.s, &w.c, 20);
    (void)step(&w, &m);
    assert_int_equal(w.out.in_flight, 0); /* a mode that sets none */
    w.c.mode = SCALER_MODE_VERTICAL;
    scaler_init(&w.s, &w.c, true, w.now_ms);
    scaler_take_over(&w.s, &w.c, 20);
    (void)step(&w, &m);
    assert_int_equal(w.out.in_flight, 20);
    scaler_take_over(&w.s, &w.c, 0); /* it had set none */
    scaler_take_over(&w.s, &w.c, 4000);
    (void)step(&w, &m);
    assert_int_equal(w.out.in_flight, 40);
}

static void
vertical_keeps_the_workers_that_live_and_wants_one_for_work(void **state)
{
    struct world w = given(3, false);
    struct scaler_sample m = second_of(&w, 0, 0);

    (void)state;
    w.c.mode = SCALER_MODE_VERTICAL;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(step(&w, &m), 3); /* a quiet window changes nothing */
    }
    w = given(0, false);
    w.c.mode = SCALER_MODE_VERTICAL;
    m = second_of(&w, 0, 0);
    assert_int_equal(step(&w, &m), 0);
    m = second_of(&w, 0, 10);
    assert_int_equal(step(&w, &m), 1);
}

static void
quality_steps_down_once_a_window_when_the_deadline_is_out_of_reach(void **state)
{
    struct world w = given(2, false);
    struct scaler_sample m = second_of(&w, 20, 100000); /* 5,000 s of work */

    (void)state;
    w.c.mode = SCALER_MODE_QUALITY;
    w.c.quality_levels = 3;
    m.left_ms = 6000L * SECOND;
    for (int i = 0; i < 100; i++) {
        (void)step(&w, &m);
    }
    assert_int_equal(w.out.quality, 0);
    m.left_ms = 4000L * SECOND;
    (void)step(&w, &m);
    assert_int_equal(w.out.quality, 1);
    for (int i = 0; i < 58; i++) {
        (void)step(&w, &m);
        assert_int_equal(w.out.quality, 1);
    }
    for (int i = 0; i < 200; i++) {
        (void)step(&w, &m);
    }
    assert_int_equal(w.out.quality, 2); /* the last level */
    m.left_ms = INT64_MAX;
    (void)step(&w, &m);
    assert_int_equal(w.out.quality, 2); /* never up again */
}

static void
hybrid_takes_workers_first_then_in_flight_then_quality(void **state)
{
    struct world w = given(2, false);
    struct scaler_sample m;

    (void)state;
    w.c.mode = SCALER_MODE_HYBRID;
    w.c.max = 4;
    w.c.quality_levels = 2;
    scaler_init(&w.s, &w.c, false, w.now_ms);
    m = second_of(&w, 20, 100000);
    m.left_ms = 2600L * SECOND; /* four can do it, two cannot */
    w.workers = step(&w, &m);
    assert_int_equal(w.workers, 4);
    assert_int_equal(w.out.in_flight, 1);
    for (int i = 0; i < 70; i++) {
        m = second_of(&w, 40, 100000);
        m.left_ms = 2600L * SECOND;
        (void)step(&w, &m);
    }
    assert_true(w.out.in_flight > 10);
    assert_int_equal(w.out.quality, 0);
    m.left_ms = 1000L * SECOND;
    (void)step(&w, &m);
    assert_int_equal(w.out.quality, 1);
}

/* ---- the lease ---- */

static void
a_lease_is_taken_once_and_kept_while_it_says_so(void **state)
{
    struct lease a, b;
    char value[LEASE_VALUE_BYTES];

    (void)state;
    lease_init(&a, "a");
    lease_init(&b, "b");
    assert_true(lease_on_value(&a, NULL, 0));
    lease_on_claim(&a, 1, 10);
    assert_true(lease_held(&a, 2000));
    lease_value(&a, value);
    assert_string_equal(value, "1 a");
    assert_false(lease_on_value(&b, value, 500));
    assert_false(lease_held(&b, 500));
    assert_false(lease_on_value(&a, value, 1000));
    assert_true(lease_held(&a, 3400));
    assert_false(lease_held(&a, 3600)); /* Redis did not answer since */
}

static void
a_frozen_holder_finds_itself_replaced_by_a_higher_number(void **state)
{
    struct lease a;

    (void)state;
    lease_init(&a, "a");
    lease_on_claim(&a, 4, 0);
    assert_false(lease_on_value(&a, "5 b", 10000));
    assert_false(lease_held(&a, 10000));
    assert_int_equal(a.lost, 1);
    assert_int_equal(a.highest, 5);
}

static void
a_holder_whose_write_was_refused_stops_at_once(void **state)
{
    struct lease a;

    (void)state;
    lease_init(&a, "a");
    lease_on_claim(&a, 4, 0);
    lease_on_refusal(&a);
    assert_false(lease_held(&a, 1));
    assert_int_equal(a.lost, 1);
}

static void
who_loses_the_race_for_the_lease_has_none(void **state)
{
    struct lease a;

    (void)state;
    lease_init(&a, "a");
    lease_on_claim(&a, 0, 0);
    assert_false(lease_held(&a, 1));
    assert_int_equal(a.taken, 0);
}

/* ---- hosts and victims ---- */

static void
shares_add_up_and_nothing_moves_between_hosts(void **state)
{
    struct share_host h[] = {{.max = 8}, {.max = 8}, {.max = 2}};

    (void)state;
    share_out(h, 3, 9);
    assert_int_equal(h[0].share + h[1].share + h[2].share, 9);
    assert_int_equal(h[2].share, 1);
    h[0] = (struct share_host){.max = 8, .share = 7};
    h[1] = (struct share_host){.max = 8, .share = 1};
    share_out(h, 2, 8); /* unbalanced, but everybody runs already */
    assert_int_equal(h[0].share, 7);
    share_out(h, 2, 5);
    assert_int_equal(h[0].share, 4);
    assert_int_equal(h[1].share, 1);
    share_out(h, 2, 100);
    assert_int_equal(h[0].share + h[1].share, 16); /* there is no more room */
    share_out(h, 0, 3);
}

static void
idle_workers_go_first_and_busy_ones_only_when_that_is_allowed(void **state)
{
    const struct share_worker w[] = {
        {.load = 3, .busy = true, .started_ms = 9},
        {.load = 0, .started_ms = 1},
        {.load = 0, .started_ms = 5},
        {.load = 1, .busy = true, .started_ms = 2},
    };

    (void)state;
    assert_int_equal(share_victim(w, 4, false), 2); /* the youngest idle one */
    assert_int_equal(share_victim(w, 2, false), 1);
    assert_int_equal(share_victim(w, 1, false), 1); /* none */
    assert_int_equal(share_victim(w, 1, true), 0);
    assert_int_equal(share_victim(w + 3, 1, true), 0);
    assert_int_equal(share_victim(w, 0, true), 0);
}

static void
words_of_limits_and_modes_are_read_back(void **state)
{
    enum scaler_mode mode;

    (void)state;
    for (unsigned i = 0; i < SCALER_LIMIT_COUNT; i++) {
        assert_int_equal(
            scaler_limit_of(scaler_limit_name((enum scaler_limit)i)), i);
    }
    for (unsigned i = 0; i < SCALER_MODE_COUNT; i++) {
        assert_true(
            scaler_mode_of(scaler_mode_name((enum scaler_mode)i), &mode));
        assert_int_equal(mode, i);
    }
    assert_int_equal(scaler_limit_of("a word of next year"), SCALER_LIMIT_NONE);
    assert_false(scaler_mode_of("diagonal", &mode));
    for (unsigned i = 0; i < SCALER_REASON_COUNT; i++) {
        assert_true(strlen(scaler_reason_text((enum scaler_reason)i)) > 5);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_worker_is_asked_for_as_soon_as_work_waits),
        cmocka_unit_test(
            busy_workers_are_doubled_at_most_and_only_once_they_live),
        cmocka_unit_test(nothing_goes_beyond_the_maximum),
        cmocka_unit_test(
            fewer_are_wished_for_after_a_whole_quiet_window_and_not_before),
        cmocka_unit_test(the_minimum_stays_when_there_is_nothing_to_do),
        cmocka_unit_test(a_load_between_the_two_marks_changes_nothing),
        cmocka_unit_test(
            more_workers_are_no_use_while_something_else_is_the_limit),
        cmocka_unit_test(
            a_pin_is_obeyed_at_once_and_automatic_goes_on_from_there),
        cmocka_unit_test(
            a_pin_that_is_lifted_leaves_a_wish_that_goes_down_after_a_quiet_window),
        cmocka_unit_test(
            a_new_holder_takes_what_lives_and_holds_still_for_a_quiet_window),
        cmocka_unit_test(a_new_holder_still_starts_the_first_worker),
        cmocka_unit_test(a_climbing_load_is_met_before_it_arrives),
        cmocka_unit_test(absurd_figures_of_a_faulty_peer_are_clamped),
        cmocka_unit_test(
            in_flight_grows_by_one_and_is_halved_by_errors_and_by_memory),
        cmocka_unit_test(
            a_new_holder_goes_on_with_the_tasks_in_flight_of_the_one_before),
        cmocka_unit_test(
            vertical_keeps_the_workers_that_live_and_wants_one_for_work),
        cmocka_unit_test(
            quality_steps_down_once_a_window_when_the_deadline_is_out_of_reach),
        cmocka_unit_test(
            hybrid_takes_workers_first_then_in_flight_then_quality),
        cmocka_unit_test(a_lease_is_taken_once_and_kept_while_it_says_so),
        cmocka_unit_test(
            a_frozen_holder_finds_itself_replaced_by_a_higher_number),
        cmocka_unit_test(a_holder_whose_write_was_refused_stops_at_once),
        cmocka_unit_test(who_loses_the_race_for_the_lease_has_none),
        cmocka_unit_test(shares_add_up_and_nothing_moves_between_hosts),
        cmocka_unit_test(
            idle_workers_go_first_and_busy_ones_only_when_that_is_allowed),
        cmocka_unit_test(words_of_limits_and_modes_are_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
