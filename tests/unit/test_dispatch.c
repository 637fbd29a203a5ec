/* What the broker promises about tasks: who gets them, once, and when they go
 * back. Its other promises: test_dispatch_*.c. */
#include "tests/unit/dispatch_world.h"

static void
a_batch_that_fits_is_passed_on_as_it_came(void **state)
{
    struct world *w = *state;
    const struct msg *m;

    given_owner(w);
    given_worker(w, W1, 100);
    publishes(w, 256, 64);
    m = expect(w, BACK, W1, MSG_tasks);
    assert_int_equal(m->tasks.tasks.n, 64);
    assert_int_equal(m->tasks.tasks.v[63], 256 + 63);
    assert_int_equal(w->out.v[w->read - 1].body.len, 64 * 8);
    assert_int_equal(dispatch_counts(w->d)->split, 0);
}

static void
a_batch_larger_than_the_credit_is_cut_without_losing_payload(void **state)
{
    struct world *w = *state;
    const struct msg *m;
    uint64_t payload;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 25);
    m = expect(w, BACK, W1, MSG_tasks);
    assert_int_equal(m->tasks.tasks.n, 10);
    grants(w, W1, "noop", 100);
    m = expect(w, BACK, W1, MSG_tasks);
    assert_int_equal(m->tasks.tasks.n, 15);
    assert_int_equal(m->tasks.tasks.v[0], 10);
    memcpy(&payload, w->out.v[w->read - 1].body.data, sizeof payload);
    assert_int_equal(payload, 10);
}

static void
single_tasks_that_wait_are_merged_into_one_message(void **state)
{
    struct world *w = *state;
    const struct msg *m;
    uint64_t payload;

    given_owner(w);
    for (uint64_t i = 0; i < 50; i++) {
        publishes(w, i, 1);
    }
    given_worker(w, W1, 100);
    m = expect(w, BACK, W1, MSG_tasks);
    assert_int_equal(m->tasks.tasks.n, 50);
    memcpy(&payload, w->out.v[w->read - 1].body.data + (size_t)49 * 8, 8);
    assert_int_equal(payload, 49);
    assert_int_equal(dispatch_counts(w->d)->merged, 49);
}

static void
work_is_spread_over_workers_with_free_credit(void **state)
{
    struct world *w = *state;

    given_owner(w);
    for (uint64_t i = 0; i < 40; i++) {
        publishes(w, i, 1);
    }
    hello(w, BACK, W1, 0);
    hello(w, BACK, W2, 0);
    /* Both grants are in before the core hands out anything more. */
    grants(w, W1, "other", 1);
    grants(w, W2, "other", 1);
    w->granted[W1] = w->granted[W2] = 0;
    grants(w, W1, "noop", 20);
    grants(w, W2, "noop", 100);
    assert_int_equal(tasks_sent(w, W1), 20);
    assert_int_equal(tasks_sent(w, W2), 20);
}

static void
credit_of_a_worker_is_never_exceeded(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 7);
    publishes(w, 0, 60);
    assert_int_equal(tasks_sent(w, W1), 7);
    finishes(w, W1, 1, 0, 7, 1);
    assert_int_equal(tasks_sent(w, W1), 7); /* a result is not a grant */
    grants(w, W1, "noop", 3);
    assert_int_equal(tasks_sent(w, W1), 10);
}

static void
a_result_is_passed_on_and_its_acknowledgement_goes_back(void **state)
{
    struct world *w = *state;
    uint64_t seq = 1;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 3);
    finishes(w, W1, 1, 0, 3, 1);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_results)->results.tasks.n, 3);
    assert_int_equal(dispatch_totals(w->d).in_flight, 0);
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_ack,
                       .ack = {.job = JOB,
                               .owner = OWNER,
                               .worker = 1000 + W1,
                               .seqs = {&seq, 1}}});
    assert_int_equal(expect(w, BACK, W1, MSG_ack)->ack.seqs.v[0], 1);
}

static void
a_task_published_again_is_answered_have(void **state)
{
    struct world *w = *state;

    given_owner(w);
    publishes(w, 0, 4);
    publishes(w, 2, 4); /* 2 and 3 are known */
    assert_int_equal(expect(w, FRONT, BOSS, MSG_have)->have.tasks.n, 2);
    assert_int_equal(w->got.have.tasks.v[0], 2);
    given_worker(w, W1, 100);
    assert_int_equal(tasks_sent(w, W1), 6);
}

static void
a_higher_attempt_replaces_a_queued_one(void **state)
{
    struct world *w = *state;
    struct msg m;
    uint32_t two = 2;

    given_owner(w);
    publishes(w, 0, 4);
    m = tasks_msg(w, JOB, 1, 1);
    m.tasks.attempts = (struct msg_u32s){&two, 1};
    publishes_as(w, BOSS, m);
    given_worker(w, W1, 100);
    assert_int_equal(tasks_sent(w, W1), 4);
    assert_int_equal(dispatch_counts(w->d)->replaced, 1);
    publishes(w, 1, 1); /* the lower one again */
    assert_int_equal(expect(w, FRONT, BOSS, MSG_have)->have.attempts.v[0], 2);
}

static void
a_higher_attempt_of_a_running_task_cancels_it_and_is_queued(void **state)
{
    struct world *w = *state;
    struct msg m;
    uint32_t two = 2;

    given_owner(w);
    given_worker(w, W1, 1);
    publishes(w, 0, 1);
    m = tasks_msg(w, JOB, 0, 1);
    m.tasks.attempts = (struct msg_u32s){&two, 1};
    publishes_as(w, BOSS, m);
    assert_int_equal(expect(w, BACK, W1, MSG_cancel)->cancel.tasks.v[0], 0);
    finishes(w, W1, 1, 0, 1, 1); /* the late result is passed on all the same */
    (void)expect(w, FRONT, BOSS, MSG_results);
    assert_int_equal(dispatch_totals(w->d).queued, 1);
    grants(w, W1, "noop", 1);
    assert_int_equal(expect(w, BACK, W1, MSG_tasks)->tasks.attempts.v[0], 2);
}

static void
a_cancelled_task_in_the_queue_is_returned_and_never_sent(void **state)
{
    struct world *w = *state;
    uint64_t which[] = {1, 2, 50};

    given_owner(w);
    publishes(w, 0, 4);
    sends(w, FRONT, BOSS,
          (struct msg){
              .type = MSG_cancel,
              .cancel = {.job = JOB, .owner = OWNER, .tasks = {which, 3}}});
    assert_int_equal(expect(w, FRONT, BOSS, MSG_returned)->returned.tasks.n, 2);
    assert_int_equal(dispatch_counts(w->d)->cancel_unknown, 1);
    given_worker(w, W1, 100);
    assert_int_equal(tasks_sent(w, W1), 2);
}

/* The cancelled batch stands behind one that is sent: nothing of it may stay.
 */
static void
a_queue_that_was_emptied_keeps_no_bytes(void **state)
{
    struct world *w = *state;
    uint64_t which = 2;

    given_owner(w);
    publishes(w, 0, 2);
    publishes(w, 2, 1);
    sends(w, FRONT, BOSS,
          (struct msg){
              .type = MSG_cancel,
              .cancel = {.job = JOB, .owner = OWNER, .tasks = {&which, 1}}});
    given_worker(w, W1, 2);
    assert_int_equal(tasks_sent(w, W1), 2);
    assert_int_equal(dispatch_totals(w->d).queued_bytes, 0);
}

static void
a_running_task_is_cancelled_at_its_worker(void **state)
{
    struct world *w = *state;
    uint64_t which = 0;

    given_owner(w);
    given_worker(w, W1, 1);
    publishes(w, 0, 1);
    sends(w, FRONT, BOSS,
          (struct msg){
              .type = MSG_cancel,
              .cancel = {.job = JOB, .owner = OWNER, .tasks = {&which, 1}}});
    assert_int_equal(expect(w, BACK, W1, MSG_cancel)->cancel.unsent, 0);
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_cancel,
                       .cancel = {.job = JOB,
                                  .owner = OWNER,
                                  .tasks = {&which, 1},
                                  .unsent = 1}});
    assert_int_equal(expect(w, BACK, W1, MSG_cancel)->cancel.unsent, 1);
    assert_int_equal(dispatch_totals(w->d).in_flight, 1);
}

static void
a_task_of_hours_stays_with_the_worker_that_beats(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 1);
    publishes(w, 0, 1);
    for (int second = 0; second < 3 * 3600; second++) {
        beats(w, FRONT, BOSS, 0, 0);
        beats(w, BACK, W1, 1, msg_held_key(JOB, 0, 1));
        passes(w, 1000);
        expect_none(w, FRONT, BOSS, MSG_lost);
        forget_past(w);
    }
    assert_int_equal(dispatch_totals(w->d).in_flight, 1);
    assert_int_equal(dispatch_counts(w->d)->tasks_out, 1);
}

static void
a_task_that_waits_too_long_for_a_worker_goes_back(void **state)
{
    struct world *w = *state;
    uint64_t tasks[] = {7, 8};
    uint32_t one = 1;
    uint32_t none = 0;

    given_owner(w);
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_tasks,
                       .tasks = {.job = JOB,
                                 .owner = OWNER,
                                 .service = msg_text("noop"),
                                 .tasks = {tasks, 2},
                                 .attempts = {&one, 1},
                                 .lens = {&none, 1},
                                 .wait_ms = 3000}});
    assert_int_equal(dispatch_totals(w->d).queued, 2);
    passes(w, 2900);
    assert_int_equal(dispatch_totals(w->d).queued, 2);
    passes(w, 200);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_returned)->returned.reason,
                     RETURN_LIMIT);
    assert_int_equal(w->got.returned.tasks.n, 2);
    assert_int_equal(dispatch_totals(w->d).queued, 0);
    assert_int_equal(dispatch_counts(w->d)->waited_out, 2);
}

static void
the_total_time_runs_on_while_tasks_wait(void **state)
{
    struct world *w = *state;
    struct msg m;

    given_owner(w);
    m = tasks_msg(w, JOB, 0, 2);
    m.tasks.total_ms = 1000;
    publishes_as(w, BOSS, m);
    passes(w, 400);
    m = tasks_msg(w, JOB, 2, 2); /* younger: not joined */
    m.tasks.total_ms = 1000;
    publishes_as(w, BOSS, m);
    given_worker(w, W1, 100);
    assert_int_equal(expect(w, BACK, W1, MSG_tasks)->tasks.total_ms, 600);
    assert_int_equal(expect(w, BACK, W1, MSG_tasks)->tasks.total_ms, 1000);
    assert_int_equal(tasks_sent(w, W1), 4);
}

static void
tasks_whose_time_ran_out_in_the_queue_go_on_with_the_least_time(void **state)
{
    struct world *w = *state;
    struct msg m;

    given_owner(w);
    m = tasks_msg(w, JOB, 0, 2);
    m.tasks.total_ms = 1000;
    publishes_as(w, BOSS, m);
    passes(w, 2000);
    given_worker(w, W1, 100);
    assert_int_equal(expect(w, BACK, W1, MSG_tasks)->tasks.total_ms, 1);
}

int
main(void)
{
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(a_batch_that_fits_is_passed_on_as_it_came),
        T(a_batch_larger_than_the_credit_is_cut_without_losing_payload),
        T(single_tasks_that_wait_are_merged_into_one_message),
        T(work_is_spread_over_workers_with_free_credit),
        T(credit_of_a_worker_is_never_exceeded),
        T(a_result_is_passed_on_and_its_acknowledgement_goes_back),
        T(a_task_published_again_is_answered_have),
        T(a_higher_attempt_replaces_a_queued_one),
        T(a_higher_attempt_of_a_running_task_cancels_it_and_is_queued),
        T(a_cancelled_task_in_the_queue_is_returned_and_never_sent),
        T(a_queue_that_was_emptied_keeps_no_bytes),
        T(a_running_task_is_cancelled_at_its_worker),
        T(a_task_of_hours_stays_with_the_worker_that_beats),
        T(a_task_that_waits_too_long_for_a_worker_goes_back),
        T(the_total_time_runs_on_while_tasks_wait),
        T(tasks_whose_time_ran_out_in_the_queue_go_on_with_the_least_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
