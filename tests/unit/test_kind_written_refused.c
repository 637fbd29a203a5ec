/* test_kind_written_refused.c - rows whose texts a model writes, when it does
 * not: an endpoint that refuses, rows that are given up, and what stops a job.
 */
#include "written_world.h"

static bool
was_asked(const struct world *f, uint64_t row)
{
    for (unsigned i = 0; i < 32; i++) {
        if (f->given[row * 32 + i]) return true;
    }
    return false;
}

static void
an_endpoint_that_refuses_all_is_asked_once_in_half_a_minute(void **state)
{
    struct world f;
    struct co_buf why;
    uint64_t asked;
    int64_t since;

    (void)state;
    world_init(&f, 200, 5);
    f.in_order = true;
    f.all = ASK_REFUSED;
    world_start(&f);
    for (unsigned i = 0; i < 20; i++) {
        world_step_in_order(&f);
    }
    assert_int_equal(written_counters(f.w)->pauses, 1);
    asked = f.asked;
    since = f.now_us;
    for (unsigned i = 0; i < 40; i++) {
        world_step_in_order(&f);
    }
    assert_true((int64_t)(f.asked - asked) <=
                (f.now_us - since) / WRITTEN_PROBE_US + 1);
    assert_true(f.asked > asked);
    assert_int_equal(money_sums(written_money(f.w)).settled, 0);
    co_buf_init(&why, 1 << 16);
    written_kind.why(f.w, f.now_us, &why);
    assert_non_null(strstr(co_buf_text(&why), "AUTH: too short"));
    co_buf_fini(&why);
    /* the key is put right */
    f.all = ASK_OUTCOMES;
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 200);
    world_fini(&f);
}

static void
rows_that_are_refused_time_and_again_stop_nobody_else(void **state)
{
    struct world f;

    (void)state;
    world_init(&f, 30, 5);
    f.in_order = true;
    f.fault = "bad-request";
    f.refuse_below = 15;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 30);
    assert_int_equal(world_ledger(&f).dead, 15);
    assert_int_equal(written_counters(f.w)->pauses, 0);
    world_fini(&f);
}

/* Rows that are given up while all calls are refused, over a long time. */
static uint64_t
given_up_while_paused(const char *fault)
{
    struct world f;
    uint64_t dead;

    world_start_in_order(&f, 60, 5);
    world_step_in_order(&f);
    world_step_in_order(&f);
    f.all = ASK_REFUSED;
    f.fault = fault;
    for (unsigned i = 0; i < 20; i++) {
        world_step_in_order(&f);
    }
    assert_int_equal(written_counters(f.w)->pauses, 1);
    dead = written_counters(f.w)->rows_dead;
    for (unsigned i = 0; i < 400; i++) {
        world_step_in_order(&f);
    }
    dead = written_counters(f.w)->rows_dead - dead;
    world_fini(&f);
    return dead;
}

static void
while_asking_pauses_only_bad_questions_count_for_their_rows(void **state)
{
    (void)state;
    assert_int_equal(given_up_while_paused("unauthorized"), 0);
    assert_true(given_up_while_paused("bad-request") > 0);
}

/* So few that nothing else would stop the asking before a row's third. */
static void
a_rejected_key_and_an_empty_account_give_no_row_up(void **state)
{
    static const char *const faults[] = {"unauthorized", "no-money"};

    (void)state;
    for (size_t i = 0; i < co_countof(faults); i++) {
        struct world f;

        world_init(&f, 2, 5);
        f.in_order = true;
        f.all = ASK_REFUSED;
        f.fault = faults[i];
        world_start(&f);
        for (unsigned step = 0; step < 60; step++) {
            world_step_in_order(&f);
        }
        assert_true(f.asked > UINT64_C(2) * TALK_REFUSED_MAX);
        f.all = ASK_OUTCOMES;
        assert_int_equal(world_run(&f, 0), KIND_DONE);
        assert_int_equal(world_ledger(&f).accepted, 2);
        assert_int_equal(world_ledger(&f).dead, 0);
        world_fini(&f);
    }
}

static void
rows_whose_calls_are_never_answered_are_dead_and_their_money_unknown(
    void **state)
{
    struct kind_money told;
    struct co_buf why;
    struct world f;
    struct money_sums s;

    (void)state;
    world_init(&f, 5, 5);
    f.in_order = true;
    f.all = ASK_UNKNOWN;
    f.personas_options.candidates = 250;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    /* those that wait to be asked again when the job stops are dead, too */
    assert_in_range(written_counters(f.w)->rows_dead, WRITTEN_HOPELESS_STREAK,
                    2 * WRITTEN_HOPELESS_STREAK);
    assert_in_range(f.asked, WRITTEN_HOPELESS_STREAK * TALK_LOST_MAX,
                    (WRITTEN_HOPELESS_STREAK + 5) * TALK_LOST_MAX);
    s = money_sums(written_money(f.w));
    assert_true(s.unknown > 0);
    assert_int_equal(s.settled + s.reserved, 0);
    written_kind.money(f.w, &told);
    assert_int_equal(told.calls, 0);
    assert_int_equal(told.lost, f.asked);
    co_buf_init(&why, 1 << 16);
    written_kind.why(f.w, f.now_us, &why);
    assert_non_null(strstr(co_buf_text(&why), " calls were sent and broke off "
                                              "without an answer"));
    assert_null(strstr(co_buf_text(&why), "a late answer settles"));
    co_buf_fini(&why);
    world_fini(&f);
}

static void
rows_given_up_count_as_dead_and_not_as_rejected(void **state)
{
    struct world f;
    uint64_t dead = 0, reject = 0;

    (void)state;
    world_init(&f, 250, 5);
    f.dead = 9;
    f.reject = 7;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    for (uint64_t row = 0; row < 250; row++) {
        const bool accepted = fake_accepts(row, f.reject);

        reject += !accepted;
        dead += accepted && world_row_dies(&f, row);
    }
    assert_true(dead > 0);
    assert_true(world_ledger(&f).dead >= dead);
    assert_true(world_ledger(&f).rejected >= reject);
    /* no candidate that its conditions reject is asked about */
    for (uint64_t row = 0; row < WORLD_ROWS_MAX; row++) {
        if (!fake_accepts(row, f.reject)) assert_false(was_asked(&f, row));
    }
    world_fini(&f);
}

static void
row_after_row_given_up_stops_the_job_long_before_its_money_is_gone(void **state)
{
    struct kind_money told;
    struct world f;

    (void)state;
    world_init(&f, 250, 5);
    f.dead = 1;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    assert_in_range(written_counters(f.w)->rows_dead, WRITTEN_HOPELESS_STREAK,
                    250);
    written_kind.money(f.w, &told);
    assert_non_null(strstr(told.stop, "one after another, were given up"));
    world_fini(&f);
}

static void
many_rows_given_up_among_others_that_are_written_stop_nothing(void **state)
{
    struct world f;

    (void)state;
    world_init(&f, 250, 5);
    f.dead = 2;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_in_range(written_counters(f.w)->rows_dead, 100, 500);
    world_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            an_endpoint_that_refuses_all_is_asked_once_in_half_a_minute),
        cmocka_unit_test(rows_that_are_refused_time_and_again_stop_nobody_else),
        cmocka_unit_test(a_rejected_key_and_an_empty_account_give_no_row_up),
        cmocka_unit_test(
            while_asking_pauses_only_bad_questions_count_for_their_rows),
        cmocka_unit_test(
            rows_whose_calls_are_never_answered_are_dead_and_their_money_unknown),
        cmocka_unit_test(rows_given_up_count_as_dead_and_not_as_rejected),
        cmocka_unit_test(
            row_after_row_given_up_stops_the_job_long_before_its_money_is_gone),
        cmocka_unit_test(
            many_rows_given_up_among_others_that_are_written_stop_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
