/* test_engine_paid.c - tasks that must not be run twice: what a kind of job
 * writes before they are asked, and when the same one is asked once more. */
#include "paid_world.h"

/* -- intents --------------------------------------------------------------- */

static void
a_call_goes_out_only_after_its_intent_is_on_disk(void **state)
{
    struct world *w = given_calls(1);

    (void)state;
    given_broker(w, 100);
    publishes(w);
    assert_int_equal(status(w).why, ENGINE_WHY_KIND);
    assert_int_equal(status(w).kind, KIND_NEXT_INTENT);
    journal_writes(w);
    publishes(w);
    expect_nothing(w);
    assert_string_equal(w->calls->said, "");
    journal_syncs(w);
    assert_string_equal(w->calls->said, "noted0.16 ");
    assert_string_equal(on_disk(w), "N");
    publishes(w);
    assert_int_equal(worker_has(w).task, calls_id(0, 0));
    world_end(w);
}

static void
time_goes_on_for_a_job_that_nobody_takes_tasks_of(void **state)
{
    struct world *w = given_calls(1);

    (void)state;
    publishes(w);
    assert_int_equal(status(w).why, ENGINE_WHY_NO_LINK);
    assert_int_equal(w->calls->ticks, 1);
    given_broker(w, 0);
    publishes(w);
    assert_int_equal(status(w).why, ENGINE_WHY_NO_CREDIT);
    assert_int_equal(w->calls->ticks, 2);
    world_end(w);
}

static void
a_turn_that_made_intents_has_orders_for_the_journal(void **state)
{
    struct world *w = given_calls(3);
    struct engine_order order;

    (void)state;
    given_broker(w, 100);
    publishes(w);
    assert_int_equal(status(w).pending, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(engine_next_order(w->e, &order));
        assert_true(order.note);
        assert_int_equal(order.head.len, 0);
        co_bytes_unref(&order.body);
    }
    assert_false(engine_next_order(w->e, &order));
    assert_int_equal(counters(w).notes, 3);
    assert_int_equal(counters(w).journaled, 0);
    world_end(w);
}

static void
notes_and_results_stand_on_disk_in_the_order_in_which_they_came_up(void **state)
{
    struct world *w = given_calls(2);

    (void)state;
    given_broker(w, 100);
    turns(w);
    assert_string_equal(on_disk(w), "NN");
    lost(w, w->held[0], LOST_WORKER_DEAD);
    publishes(w); /* makes an intent, and then an answer comes */
    answers(w, w->held[1]);
    commits(w);
    assert_string_equal(on_disk(w), "NNNR");
    answers(w, w->held[0]); /* too late, but good */
    lost(w, w->held[0], LOST_WORKER_DEAD);
    commits(w);
    assert_string_equal(on_disk(w), "NNNRR");
    assert_string_equal(w->calls->said,
                        "noted0.16 noted1.16 lost0.16 take1.16 noted0.17 "
                        "place1.16 take0.16 place0.16 ");
    world_end(w);
}

static void
while_many_notes_wait_for_the_disk_no_results_are_taken(void **state)
{
    struct world *w = given_calls(CALLS_ROWS_MAX);

    (void)state;
    given_broker(w, 10000);
    assert_true(engine_results_room(w->e) > 0);
    publishes(w);
    assert_int_equal(engine_results_room(w->e), 0);
    journal_writes(w);
    assert_int_equal(engine_results_room(w->e), 0);
    journal_syncs(w);
    assert_true(engine_results_room(w->e) > 0);
    publishes(w);
    assert_int_equal(w->n_held, CALLS_ROWS_MAX);
    world_end(w);
}

/* -- calls that no worker had ---------------------------------------------- */

static void
expect_the_same(struct world *w, struct held h)
{
    struct held again = worker_has(w);

    assert_int_equal(again.task, h.task);
    assert_int_equal(again.attempt, h.attempt + 1);
    assert_int_equal(w->calls->unknown, 0);
    assert_int_equal(counters(w).gone, 0);
    assert_string_equal(on_disk(w), "N"); /* its intent still holds */
}

static void
a_returned_call_is_repeated_under_the_same_id(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    returned(w, h);
    turns(w);
    expect_the_same(w, h);
    world_end(w);
}

/* So that it intends no more than that. */
static void
the_kind_is_told_what_can_be_published_after_what_is_repeated(void **state)
{
    struct world *w = given_calls(10);

    (void)state;
    given_broker(w, 4);
    publishes(w);
    assert_int_equal(w->calls->room, 4);
    commits(w);
    publishes(w);
    assert_int_equal(w->n_held, 4);
    returned(w, worker_has(w));
    grants(w, 3);
    publishes(w);
    assert_int_equal(w->calls->room, 2);
    assert_int_equal(w->n_held, 6);
    world_end(w);
}

/* Its worker had it done, and could not keep what came of it. */
static void
a_call_whose_result_is_lost_is_gone_at_once(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    returned_for(w, h, RETURN_RESULT_LOST);
    turns(w);
    assert_string_equal(w->calls->said, "noted0.16 failed0.16 noted0.17 ");
    expect_another(w, h);
    world_end(w);
}

static void
a_lost_call_that_comes_back_unsent_is_repeated_under_the_same_id(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_LINK);
    passes(w, 10LL * S);
    returned(w, h);
    turns(w);
    expect_the_same(w, h);
    world_end(w);
}

static void
a_call_that_a_broker_refused_is_repeated_under_the_same_id(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);
    const struct msg_refused full = {
        .code = msg_text("FULL"), .job = JOB, .tasks = {&h.task, 1}};

    (void)state;
    w->n_held = 0;
    engine_on_refused(w->e, 0, &full, w->now_us);
    passes(w, 1LL * S);
    expect_the_same(w, h);
    world_end(w);
}

static void
a_call_in_a_message_that_was_not_sent_is_repeated_under_the_same_id(
    void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);
    const struct msg_tasks unsent = {.job = JOB,
                                     .owner = 1,
                                     .tasks = {&h.task, 1},
                                     .attempts = {&h.attempt, 1}};

    (void)state;
    w->n_held = 0;
    engine_on_unsent(w->e, 0, &unsent, w->now_us);
    engine_on_link_down(w->e, 0, w->now_us);
    given_broker(w, 100);
    turns(w);
    expect_the_same(w, h);
    assert_int_equal(counters(w).unsent, 1);
    world_end(w);
}

/* -- free tasks of a paid job ---------------------------------------------- */

static void
a_task_that_costs_nothing_is_repeated_at_once(void **state)
{
    static const uint32_t causes[] = {LOST_SILENT, LOST_LINK, LOST_DRAIN};
    struct world *w = given_calls(1);

    (void)state;
    w->calls->frames = true;
    (void)given_call_out(w);
    answers(w, worker_has(w));
    turns(w);
    for (uint32_t i = 0; i < co_countof(causes); i++) {
        struct held frame = worker_has(w);

        assert_int_equal(frame.task, 0);
        lost(w, frame, causes[i]);
        turns(w);
    }
    assert_int_equal(counters(w).gone, 0);
    assert_int_equal(counters(w).lost_charged, 1);
    answers_with(w, w->held[0], STATUS_FAILED, 0, 0);
    passes(w, 1LL * S);
    assert_int_equal(w->n_held, 2);
    world_end(w);
}

static void
on_a_link_that_stays_away_free_tasks_go_elsewhere_before_calls_are_gone(
    void **state)
{
    struct world *w = given_calls(2);
    struct held call;

    (void)state;
    w->calls->frames = true;
    given_broker(w, 100);
    turns(w);
    answers(w, worker_has(w));
    turns(w);
    call = worker_has(w);
    assert_int_equal(worker_has(w).task, 0); /* the frame of the first row */
    engine_on_link_down(w->e, 0, w->now_us);
    passes(w, 2LL * S);
    assert_int_equal(status(w).ready, 1);
    assert_int_equal(counters(w).gone, 0);
    passes(w, 58LL * S);
    assert_int_equal(counters(w).gone, 1);
    given_broker(w, 100);
    turns(w);
    assert_int_equal(worker_has(w).task, 0);
    expect_another(w, call);
    world_end(w);
}

/* -- the provider ---------------------------------------------------------- */

static void
credit_for_another_provider_is_not_ours(void **state)
{
    struct world *w = given_calls(1);
    const struct msg_credit other = {.service = msg_text("ask"),
                                     .provider = msg_text("cheap"),
                                     .job = JOB,
                                     .granted = 9};
    const struct msg_credit none = {
        .service = msg_text("ask"), .job = JOB, .granted = 9};

    (void)state;
    attached(w);
    engine_on_credit(w->e, 0, &other);
    assert_int_equal(counters(w).unknown, 1);
    assert_int_equal(status(w).credit, 0);
    engine_on_credit(w->e, 0, &none); /* of a broker that names none */
    assert_int_equal(status(w).credit, 9);
    world_end(w);
}

static void
grants_are_given_back_for_the_provider(void **state)
{
    struct world *w = given_calls(1);
    const struct msg_reclaim reclaim = {.service = msg_text("ask"),
                                        .provider = msg_text("main"),
                                        .job = JOB,
                                        .count = 4};
    struct msg m;

    (void)state;
    given_broker(w, 9);
    engine_on_reclaim(w->e, 0, &reclaim);
    assert_int_equal(w->out.n, 1);
    assert_int_equal(
        msg_decode(&w->reader, w->out.v[0].head.data, w->out.v[0].head.len, &m),
        CO_OK);
    assert_int_equal(m.type, MSG_reclaimed);
    assert_int_equal(m.reclaimed.returned, 4);
    assert_true(msg_str_is(m.reclaimed.provider, "main"));
    world_end(w);
}

/* -- what people are told -------------------------------------------------- */

static void
why_says_that_answers_are_waited_for(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);
    struct co_buf out;

    (void)state;
    lost(w, h, LOST_SILENT);
    publishes(w);
    co_buf_init(&out, 1 << 16);
    engine_why(w->e, w->now_us, &out);
    assert_non_null(strstr(co_buf_text(&out),
                           "publishing: lost calls may still be answered"));
    assert_non_null(strstr(co_buf_text(&out), "in doubt: 1 of the waiting"));
    assert_non_null(strstr(co_buf_text(&out), "next retry in 60000 ms"));
    co_buf_fini(&out);
    world_end(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test(name)
        T(a_call_goes_out_only_after_its_intent_is_on_disk),
        T(time_goes_on_for_a_job_that_nobody_takes_tasks_of),
        T(a_turn_that_made_intents_has_orders_for_the_journal),
        T(notes_and_results_stand_on_disk_in_the_order_in_which_they_came_up),
        T(while_many_notes_wait_for_the_disk_no_results_are_taken),
        T(a_returned_call_is_repeated_under_the_same_id),
        T(the_kind_is_told_what_can_be_published_after_what_is_repeated),
        T(a_call_whose_result_is_lost_is_gone_at_once),
        T(a_lost_call_that_comes_back_unsent_is_repeated_under_the_same_id),
        T(a_call_that_a_broker_refused_is_repeated_under_the_same_id),
        T(a_call_in_a_message_that_was_not_sent_is_repeated_under_the_same_id),
        T(a_task_that_costs_nothing_is_repeated_at_once),
        T(on_a_link_that_stays_away_free_tasks_go_elsewhere_before_calls_are_gone),
        T(credit_for_another_provider_is_not_ours),
        T(grants_are_given_back_for_the_provider),
        T(why_says_that_answers_are_waited_for),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
