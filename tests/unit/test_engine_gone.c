/* test_engine_gone.c - tasks that must not be run twice and that nobody has any
 * more: how long an answer is waited for, and what becomes of a late one. */
#include "paid_world.h"

/* -- lost calls ------------------------------------------------------------ */

static void
a_call_lost_with_its_worker_is_never_sent_again(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_WORKER_DEAD);
    assert_int_equal(counters(w).gone, 1);
    assert_int_equal(w->calls->unknown, 1);
    turns(w);
    expect_another(w, h);
    passes(w, 1000LL * S);
    expect_nothing(w);
    assert_int_equal(counters(w).retried, 0);
    assert_int_equal(counters(w).lost_charged, 0);
    world_end(w);
}

static void
a_call_whose_worker_may_live_is_waited_for(uint32_t cause, uint32_t total_ms,
                                           int64_t wait_us)
{
    struct world *w = given_calls_of(1, total_ms);
    struct held h = given_call_out(w);

    w->n_held = 0;
    lost(w, h, cause);
    turns(w);
    assert_int_equal(status(w).doubted, 1);
    assert_int_equal(status(w).why, ENGINE_WHY_DOUBT);
    assert_int_equal(engine_due_us(w->e), w->now_us + wait_us);
    passes(w, wait_us - 1);
    expect_nothing(w);
    passes(w, 1);
    assert_string_equal(w->calls->said, "noted0.16 lost0.16 noted0.17 ");
    expect_another(w, h);
    assert_int_equal(status(w).doubted, 0);
    world_end(w);
}

static void
a_call_of_a_silent_worker_is_waited_for_a_minute(void **state)
{
    (void)state;
    a_call_whose_worker_may_live_is_waited_for(LOST_SILENT, 0, 60LL * S);
    a_call_whose_worker_may_live_is_waited_for(LOST_LINK, 600000, 60LL * S);
}

static void
a_lost_call_is_waited_for_no_longer_than_it_may_take(void **state)
{
    (void)state;
    a_call_whose_worker_may_live_is_waited_for(LOST_SILENT, 7000, 7LL * S);
}

static void
a_worker_that_left_is_no_proof_that_its_call_was_not_made(void **state)
{
    (void)state;
    a_call_whose_worker_may_live_is_waited_for(LOST_DRAIN, 0, 60LL * S);
}

static void
the_answer_of_a_lost_call_counts_while_it_is_waited_for(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_SILENT);
    passes(w, 30LL * S);
    answers(w, h);
    turns(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    assert_int_equal(w->calls->unknown, 0);
    assert_int_equal(w->acked, 1);
    passes(w, 100LL * S);
    expect_nothing(w);
    assert_string_equal(on_disk(w), "NR");
    world_end(w);
}

static void
an_answer_after_that_is_salvaged_and_settles_the_call(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    lost(w, h, LOST_WORKER_DEAD);
    w->n_held = 0;
    turns(w);
    answers(w, h);
    assert_int_equal(counters(w).salvaged, 1);
    turns(w);
    assert_int_equal(w->calls->row[0].settled, 1);
    assert_int_equal(w->acked, 1);
    answers(w, worker_has(w)); /* the second one was paid, too */
    turns(w);
    assert_int_equal(w->calls->row[0].settled, 3);
    assert_string_equal(on_disk(w), "NNRR");
    world_end(w);
}

static void
a_second_loss_ends_the_waiting_early_and_never_prolongs_it(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_SILENT);
    passes(w, 50LL * S);
    lost(w, h, LOST_LINK);
    passes(w, 10LL * S);
    expect_another(w, h);
    h.task++;
    lost(w, h, LOST_SILENT);
    lost(w, h, LOST_WORKER_DEAD);
    turns(w);
    expect_another(w, h);
    world_end(w);
}

static void
a_failed_call_is_gone_at_once(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    answers_with(w, h, STATUS_FAILED, 0, 0);
    turns(w);
    assert_string_equal(w->calls->said, "noted0.16 failed0.16 noted0.17 ");
    expect_another(w, h);
    assert_int_equal(w->acked, 1);
    world_end(w);
}

static void
a_call_whose_answer_makes_no_sense_is_gone_too(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    answers_with(w, h, STATUS_OK, 77, CALL_BYTES);
    turns(w);
    assert_int_equal(counters(w).invalid, 1);
    expect_another(w, h);
    world_end(w);
}

static void
a_lost_call_that_fails_is_not_waited_for(void **state)
{
    struct world *w = given_calls(2);
    struct held a, b;

    (void)state;
    given_broker(w, 100);
    turns(w);
    a = worker_has(w);
    b = worker_has(w);
    lost(w, a, LOST_SILENT);
    lost(w, b, LOST_SILENT);
    answers_with(w, a, STATUS_FAILED, 0, 0);
    answers_with(w, b, STATUS_OK, 77, CALL_BYTES);
    turns(w);
    assert_int_equal(worker_has(w).task, a.task + 1);
    assert_int_equal(worker_has(w).task, b.task + 1);
    world_end(w);
}

static void
a_kind_that_wants_a_lost_call_repeated_gets_that(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w), again;

    (void)state;
    w->n_held = 0;
    w->calls->keeps_lost = true;
    lost(w, h, LOST_SILENT);
    passes(w, 60LL * S);
    again = worker_has(w);
    assert_int_equal(again.task, h.task);
    assert_int_equal(again.attempt, 2);
    world_end(w);
}

/* -- links ----------------------------------------------------------------- */

static void
a_call_that_a_broker_has_not_got_any_more_is_waited_for_and_gone(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    engine_on_link_down(w->e, 0, w->now_us);
    given_broker(w, 100); /* its INVENTORY named nothing */
    turns(w);
    assert_int_equal(status(w).doubted, 1);
    passes(w, 60LL * S);
    expect_another(w, h);
    world_end(w);
}

static void
a_call_that_a_comparison_does_not_find_is_waited_for_and_gone(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    w->now_us += 40LL * S;
    assert_int_equal(engine_next_compare(w->e, w->now_us), 0);
    given_broker(w, 100);
    assert_int_equal(counters(w).reconciled, 1);
    passes(w, 59LL * S);
    expect_nothing(w);
    passes(w, 1LL * S);
    expect_another(w, h);
    world_end(w);
}

static void
a_call_on_a_link_that_stays_away_is_gone_after_a_minute(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    engine_on_link_down(w->e, 0, w->now_us);
    passes(w, 60LL * S - 1);
    assert_int_equal(counters(w).gone, 0);
    passes(w, 1);
    assert_int_equal(counters(w).gone, 1);
    given_broker(w, 100);
    turns(w);
    expect_another(w, h);
    world_end(w);
}

static void
a_call_in_doubt_that_an_inventory_names_is_out_again(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_LINK);
    passes(w, 30LL * S);
    inventory_of(w, h);
    assert_int_equal(status(w).doubted, 0);
    passes(w, 100LL * S);
    expect_nothing(w);
    answers(w, h);
    turns(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    assert_int_equal(w->calls->unknown, 0);
    world_end(w);
}

static void
a_call_that_is_gone_and_turns_up_is_cancelled(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_WORKER_DEAD);
    turns(w);
    inventory_of(w, h);
    publishes(w);
    assert_int_equal(w->cancelled, 1);
    expect_another(w, h);
    world_end(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test(name)
        T(a_call_lost_with_its_worker_is_never_sent_again),
        T(a_call_of_a_silent_worker_is_waited_for_a_minute),
        T(a_lost_call_is_waited_for_no_longer_than_it_may_take),
        T(a_worker_that_left_is_no_proof_that_its_call_was_not_made),
        T(the_answer_of_a_lost_call_counts_while_it_is_waited_for),
        T(an_answer_after_that_is_salvaged_and_settles_the_call),
        T(a_second_loss_ends_the_waiting_early_and_never_prolongs_it),
        T(a_failed_call_is_gone_at_once),
        T(a_call_whose_answer_makes_no_sense_is_gone_too),
        T(a_lost_call_that_fails_is_not_waited_for),
        T(a_kind_that_wants_a_lost_call_repeated_gets_that),
        T(a_call_that_a_broker_has_not_got_any_more_is_waited_for_and_gone),
        T(a_call_that_a_comparison_does_not_find_is_waited_for_and_gone),
        T(a_call_on_a_link_that_stays_away_is_gone_after_a_minute),
        T(a_call_in_doubt_that_an_inventory_names_is_out_again),
        T(a_call_that_is_gone_and_turns_up_is_cancelled),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
