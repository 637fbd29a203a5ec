/* test_kind_written_late.c - the written kind, event by event: asks that are
 * lost, late, withdrawn or void. */
#include "written_world.h"

static void
an_answer_for_a_sealed_row_settles_its_money_and_nothing_else(void **state)
{
    struct world f;
    struct world_task lost = {0};
    struct money_sums s;

    (void)state;
    world_start_in_order(&f, 600, 5);
    world_turn(&f, 1);
    world_until_out(&f);
    assert_int_equal(f.out[0].task, ASK_STEP);
    world_send(&f, &f.out[0]);
    lost = f.out[0];
    f.n_out = 0;
    assert_true(written_kind.gone(f.w, lost.task, KIND_GONE_LOST, f.now_us));
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    s = money_sums(written_money(f.w));
    assert_true(s.unknown > 0);
    *world_add_out(&f, lost.task) = lost;
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_commit(&f);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(money_sums(written_money(f.w)).settled, f.paid);
    assert_int_equal(written_counters(f.w)->surplus, 1);
    assert_int_equal(world_ledger(&f).accepted, 600);
    /* and in a later life */
    world_crash(&f);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(money_sums(written_money(f.w)).settled, f.paid);
    assert_int_equal(written_kind.done(f.w), KIND_DONE);
    world_fini(&f);
}

/* One row's first ask is out, lost, and made anew: the lost one is out[0], the
 * new one is not given out yet. */
static void
given_a_lost_ask_and_another_that_is_ready(struct world *f)
{
    world_start_in_order(f, 1, 5);
    world_until_out(f);
    world_send(f, &f->out[0]);
    f->out[0].known = false;
    assert_true(
        written_kind.gone(f->w, f->out[0].task, KIND_GONE_LOST, f->now_us));
    assert_int_equal(f->n_out, 1);
    while (f->next != KIND_NEXT_INTENT) {
        world_turn(f, 1); /* to the time when it is asked again */
    }
    world_commit(f);
    assert_int_equal(money_sums(written_money(f->w)).reserved,
                     money_sums(written_money(f->w)).unknown);
}

static void
an_ask_that_was_not_sent_is_free_when_a_late_answer_makes_it_needless(
    void **state)
{
    struct world f;

    (void)state;
    given_a_lost_ask_and_another_that_is_ready(&f);
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_commit(&f);
    assert_int_equal(written_counters(f.w)->late, 1);
    world_take_notes(&f);
    world_commit(&f); /* the release */
    assert_int_equal(written_counters(f.w)->unsent, 1);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(money_sums(written_money(f.w)).reserved, 0);
    /* the same in a replay: nothing is waited for that was released */
    world_crash(&f);
    assert_int_equal(money_open(written_money(f.w)), 0);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 2);
    world_fini(&f);
}

static void
an_ask_that_is_out_is_withdrawn_when_a_late_answer_makes_it_needless(
    void **state)
{
    struct world f;
    struct money_sums s;
    uint64_t second;

    (void)state;
    given_a_lost_ask_and_another_that_is_ready(&f);
    world_turn(&f, 1);
    assert_int_equal(f.n_out, 2);
    second = f.out[1].task;
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_commit(&f);
    world_turn(&f, 0);
    assert_false(f.out[0].known); /* the second one */
    assert_int_equal(f.out[0].task, second);
    s = money_sums(written_money(f.w));
    assert_true(s.unknown > 0); /* it may have been sent */
    assert_int_equal(s.reserved, 0);
    /* it was: its answer is paid, and changes nothing */
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_commit(&f);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(written_counters(f.w)->surplus, 1);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 3);
    world_fini(&f);
}

static void
a_result_that_came_before_its_ask_was_withdrawn_is_not_withdrawn(void **state)
{
    struct world f;

    (void)state;
    given_a_lost_ask_and_another_that_is_ready(&f);
    world_turn(&f, 1);
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_commit(&f);
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED); /* the second one */
    world_turn(&f, 0); /* asserts that nothing taken is withdrawn */
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    world_fini(&f);
}

static void
an_ask_that_was_surely_not_sent_is_free_again_when_the_job_stops(void **state)
{
    struct world f;

    (void)state;
    world_start_in_order(&f, 1, 5);
    world_until_out(&f);
    written_kind.stopping(f.w);
    assert_int_equal(money_open(written_money(f.w)), 1);
    assert_true(written_kind.unsent(f.w, f.out[0].task));
    assert_false(written_kind.unsent(f.w, f.out[0].task));
    world_drop(&f, 0);
    world_take_notes(&f);
    world_commit(&f);
    assert_int_equal(money_open(written_money(f.w)), 0);
    world_crash(&f); /* the next life waits for nothing */
    assert_int_equal(money_open(written_money(f.w)), 0);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    world_fini(&f);
}

static struct kind_money
told_after_refusals(struct world *f, unsigned n)
{
    struct kind_money money;

    while (n > 0) {
        world_commit(f);
        world_turn(f, 1);
        if (!f->n_out) continue;
        (void)world_answer(f, 0);
        world_commit(f);
        n--;
    }
    written_kind.money(f->w, &money);
    return money;
}

static void
what_an_endpoint_says_to_all_calls_is_told_of_a_job_of_one_row_too(void **state)
{
    struct world f;
    struct kind_money money;

    (void)state;
    world_init(&f, 1, 5);
    f.in_order = true;
    f.all = ASK_REFUSED;
    world_start(&f);
    money = told_after_refusals(&f, 2);
    assert_null(money.stop);
    money = told_after_refusals(&f, 1);
    assert_string_equal(money.stop, "AUTH: too short");
    assert_true(money.refused);
    f.all = ASK_OUTCOMES;
    money = told_after_refusals(&f, 1); /* an answer */
    assert_null(money.stop);
    assert_false(money.refused);
    world_fini(&f);
}

static void
money_of_an_ask_that_is_found_again_is_out_again(void **state)
{
    struct world f;
    uint64_t task;

    (void)state;
    world_start_in_order(&f, 1, 5);
    world_until_out(&f);
    task = f.out[0].task;
    written_kind.gone(f.w, task, KIND_GONE_LOST, f.now_us);
    assert_int_equal(money_open(written_money(f.w)), 0);
    assert_true(written_kind.adopt(f.w, task));
    assert_int_equal(money_open(written_money(f.w)), 1);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(money_counters(written_money(f.w))->lost, 0);
    world_check(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 2);
    world_fini(&f);
}

static void
results_of_asks_that_were_never_made_are_not_taken(void **state)
{
    const struct ask_result r = {.row = 3,
                                 .outcome = ASK_ANSWER,
                                 .answer = (const uint8_t *)"{}",
                                 .answer_len = 2};
    struct co_buf result;
    struct world f;

    (void)state;
    world_init(&f, 10, 5);
    world_start(&f);
    co_buf_init(&result, 4096);
    ask_put_result(&r, &result);
    assert_int_equal(written_kind.take(f.w, 3 << 8 | ASK_STEP, result.data,
                                       (uint32_t)result.len),
                     KIND_DUPLICATE);
    assert_int_equal(written_kind.take(f.w, 4 << 8 | ASK_STEP, result.data,
                                       (uint32_t)result.len),
                     KIND_INVALID);
    assert_int_equal(written_kind.take(f.w, 3 << 8 | ASK_STEP, result.data, 3),
                     KIND_INVALID);
    assert_false(written_kind.adopt(f.w, 3 << 8 | ASK_STEP));
    co_buf_fini(&result);
    world_fini(&f);
}

static void
a_result_of_another_stage_is_refused_and_the_ask_made_anew(void **state)
{
    const struct ask_result r = {.stage = ASK_PERSONAS,
                                 .outcome = ASK_ANSWER,
                                 .answer = (const uint8_t *)"{}",
                                 .answer_len = 2};
    struct co_buf result;
    struct world f;

    (void)state;
    world_start_in_order(&f, 1, 5);
    world_until_out(&f);
    assert_int_equal(f.out[0].task, ASK_STEP);
    co_buf_init(&result, 4096);
    ask_put_result(&r, &result);
    assert_int_equal(
        written_kind.take(f.w, ASK_STEP, result.data, (uint32_t)result.len),
        KIND_INVALID);
    co_buf_fini(&result);
    assert_int_equal(written_counters(f.w)->invalid, 1);
    /* as the engine does with what answers so */
    assert_true(written_kind.gone(f.w, ASK_STEP, KIND_GONE_FAILED, f.now_us));
    world_drop(&f, 0);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 1);
    world_fini(&f);
}

static void
a_lost_ask_that_is_answered_before_it_is_made_anew_is_asked_once(void **state)
{
    struct world f;
    struct co_buf body;

    (void)state;
    world_start_in_order(&f, 10, 5);
    world_turn(&f, 1);
    world_until_out(&f);
    co_buf_init(&body, 1 << 16);
    assert_true(written_kind.payload(f.w, f.out[0].task, &body));
    written_kind.gone(f.w, f.out[0].task, KIND_GONE_LOST, f.now_us);
    world_send(&f, &f.out[0]);
    assert_false(written_kind.payload(f.w, f.out[0].task, &body));
    (void)world_answer(&f, 0);
    co_buf_fini(&body);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 20);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    world_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            an_answer_for_a_sealed_row_settles_its_money_and_nothing_else),
        cmocka_unit_test(
            an_ask_that_was_not_sent_is_free_when_a_late_answer_makes_it_needless),
        cmocka_unit_test(
            an_ask_that_is_out_is_withdrawn_when_a_late_answer_makes_it_needless),
        cmocka_unit_test(
            a_result_that_came_before_its_ask_was_withdrawn_is_not_withdrawn),
        cmocka_unit_test(
            what_an_endpoint_says_to_all_calls_is_told_of_a_job_of_one_row_too),
        cmocka_unit_test(
            an_ask_that_was_surely_not_sent_is_free_again_when_the_job_stops),
        cmocka_unit_test(money_of_an_ask_that_is_found_again_is_out_again),
        cmocka_unit_test(results_of_asks_that_were_never_made_are_not_taken),
        cmocka_unit_test(
            a_result_of_another_stage_is_refused_and_the_ask_made_anew),
        cmocka_unit_test(
            a_lost_ask_that_is_answered_before_it_is_made_anew_is_asked_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
