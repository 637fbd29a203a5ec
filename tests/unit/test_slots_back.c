/* test_slots_back.c - what the worker's core does not run: tasks it holds
 * already, that are cancelled, whose recipe is missing, or that it gives back.
 */
#include "tests/unit/slots_fixture.h"

static const char recipe_text[] = "{\"recipe\":1}";
enum { RECIPE_LEN = sizeof recipe_text - 1 };

static void
forget_drops_everything_of_the_job_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_sent_result(f, 1);
    say_tasks(f, 0, (struct given){.first = 2, .n = 2});
    struct slots_task t = started(f);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .job = JOB + 1});
    ignore_what_was_said(f);
    say_job(f, 0, MSG_forget);
    assert_true(slots_stopped(f->s, t.ref));
    finish(f, t, "too late");
    flush(f);
    assert_silent(f, 0, MSG_results);
    assert_silent(f, 0, MSG_returned);
    assert_int_equal(stats(f).kept, 0);
    assert_int_equal(started(f).job, JOB + 1);
}

static void
a_task_that_is_held_is_not_run_twice(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    finish(f, started(f), "x");
    assert_nothing_to_run(f);
    assert_int_equal(stats(f).counters.duplicates, 1);
}

static void
a_task_that_is_done_is_answered_from_what_is_kept(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_sent_result(f, 1);
    ignore_what_was_said(f);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    assert_nothing_to_run(f);
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.seq, 1);
}

static void
another_broker_asking_for_a_held_task_gets_its_result(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_link(f, 1);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    say_tasks(f, 1, (struct given){.first = 1, .n = 1});
    finish(f, started(f), "x");
    flush(f);
    assert_silent(f, 0, MSG_results);
    (void)take(f, 1, MSG_results);
}

static void
a_higher_attempt_replaces_a_queued_one(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 1});
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 2});
    flush(f);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_CANCELLED);
    assert_int_equal(msg_at(m.returned.attempts, 0), 1);
    struct slots_task t = started(f);
    assert_int_equal(t.attempt, 2);
    finish(f, t, "x");
    assert_nothing_to_run(f);
}

static void
a_higher_attempt_stops_a_running_one(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 1});
    struct slots_task t = started(f);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 2});
    assert_true(slots_stopped(f->s, t.ref));
    slots_give_back(f->s, t.ref, RETURN_CANCELLED, 0);
    assert_int_equal(started(f).attempt, 2);
}

static void
a_lower_attempt_is_ignored(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 2});
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 1});
    assert_int_equal(started(f).attempt, 2);
    assert_nothing_to_run(f);
    assert_int_equal(stats(f).counters.stale, 1);
}

static void
a_cancelled_queued_task_is_returned_at_once(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2});
    say_cancel(f, 0, 1);
    flush(f);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_CANCELLED);
    assert_int_equal(m.returned.tasks.v[0], 1);
    assert_int_equal(started(f).task, 2);
}

static void
a_cancelled_running_task_is_stopped_then_returned(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    struct slots_task t = started(f);
    assert_false(slots_stopped(f->s, t.ref));
    say_cancel(f, 0, 1);
    assert_true(slots_stopped(f->s, t.ref));
    slots_give_back(f->s, t.ref, RETURN_DRAIN, 0);
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.reason,
                     RETURN_CANCELLED);
}

static void
a_cancel_that_comes_too_late_changes_nothing(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_sent_result(f, 1);
    say_cancel(f, 0, 1);
    say_cancel(f, 0, 99);
    flush(f);
    assert_silent(f, 0, MSG_returned);
    assert_int_equal(stats(f).kept, 1);
}

static void
say_blob(struct fixture *f, uint64_t hash, const void *data, size_t len,
         uint64_t total)
{
    const struct msg m = {
        .type = MSG_blob,
        .blob = {.job = JOB, .hash = hash, .worker = WORKER, .total = total}};
    struct co_bytes body;

    assert_int_equal(co_bytes_copy(data, len, &body), CO_OK);
    say_body(f, 0, &m, body);
    co_bytes_unref(&body);
}

static uint64_t
recipe_name(void)
{
    return co_hash64(recipe_text, RECIPE_LEN, 0);
}

static void
a_missing_recipe_is_fetched_while_its_task_waits(void **state)
{
    struct fixture *f = *state;
    uint64_t hash = recipe_name();

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2, .recipe = hash});
    say_tasks(f, 0, (struct given){.first = 9, .n = 1});
    assert_int_equal(take(f, 0, MSG_need).need.hash, hash);
    struct msg get = take(f, 0, MSG_blob_get);
    assert_int_equal(get.blob_get.offset, 0);
    assert_int_equal(stats(f).parked, 2);
    struct slots_task t = started(f); /* the one without recipe */
    assert_int_equal(t.task, 9);
    finish(f, t, "x");
    say_blob(f, hash, recipe_text, RECIPE_LEN, RECIPE_LEN);
    t = started(f);
    assert_int_equal(t.recipe.len, RECIPE_LEN);
    assert_memory_equal(t.recipe.data, recipe_text, RECIPE_LEN);
    finish(f, t, "x");
    say_tasks(f, 0, (struct given){.first = 20, .n = 1, .recipe = hash});
    assert_silent(f, 0, MSG_need); /* it is kept */
    assert_int_equal(stats(f).parked, 0);
}

static void
tasks_of_a_recipe_that_does_not_exist_are_returned(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2, .recipe = 99});
    say_blob(f, 99, "", 0, 0);
    flush(f);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_NO_RECIPE);
    assert_int_equal(m.returned.tasks.n, 2);
}

static void
tasks_of_a_recipe_with_the_wrong_content_are_returned(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .recipe = 99});
    say_blob(f, 99, recipe_text, RECIPE_LEN, RECIPE_LEN);
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.reason,
                     RETURN_NO_RECIPE);
}

static void
tasks_for_another_fingerprint_are_returned(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .fingerprint = 12345});
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.reason,
                     RETURN_NO_RECIPE);
}

static void
drain_returns_what_waits_and_finishes_what_runs(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 3});
    struct slots_task t = started(f);
    slots_drain(f->s, f->now, &f->out);
    (void)take(f, 0, MSG_drain);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_DRAIN);
    assert_int_equal(m.returned.tasks.n, 2);
    assert_false(slots_drained(f->s));
    finish(f, t, "x");
    flush(f);
    assert_false(slots_drained(f->s)); /* its result is not on disk yet */
    say_ack(f, 0, take(f, 0, MSG_results).results.seq);
    assert_true(slots_drained(f->s));
    slots_bye(f->s, &f->out);
    (void)take(f, 0, MSG_bye);
}

static void
a_draining_worker_takes_grants_and_tasks_back(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    slots_drain(f->s, f->now, &f->out);
    flush(f);
    assert_int_equal(take(f, 0, MSG_reclaim).reclaim.count, 1024);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.reason, RETURN_DRAIN);
}

static void
drain_of_a_broker_is_obeyed(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say(f, 0, &(struct msg){.type = MSG_drain});
    assert_true(slots_drained(f->s));
}

static void
hand_back_returns_running_tasks_too(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2});
    (void)started(f);
    slots_hand_back(f->s, f->now, &f->out);
    unsigned n = 0;
    struct msg m;
    while (took(f, 0, MSG_returned, &m, NULL)) {
        n += m.returned.tasks.n;
    }
    assert_int_equal(n, 2);
    assert_int_equal(stats(f).running, 0);
}

static void
messages_for_others_are_refused_and_counted(void **state)
{
    struct fixture *f = *state;
    const struct msg m = {.type = MSG_submitted, .submitted = {.job = 1}};

    given_link(f, 0);
    say(f, 0, &m);
    assert_int_equal(take(f, 0, MSG_refused).refused.message, MSG_submitted);
    assert_int_equal(stats(f).counters.bad, 1);
    say(f, 0,
        &(struct msg){.type = MSG_refused,
                      .refused = {.code = msg_text("PROTOCOL")}});
    assert_silent(f, 0, MSG_refused); /* never answered by another */
}

static void
tasks_with_lengths_that_lie_are_refused(void **state)
{
    struct fixture *f = *state;
    const uint64_t id = 1;
    const uint32_t one = 1, len = 100;
    const struct msg m = {.type = MSG_tasks,
                          .tasks = {.job = JOB,
                                    .owner = OWNER,
                                    .service = msg_text("noop"),
                                    .tasks = {&id, 1},
                                    .attempts = {&one, 1},
                                    .lens = {&len, 1}}};

    given_link(f, 0);
    say_body(f, 0, &m, co_bytes_borrow("abc", 3));
    (void)take(f, 0, MSG_refused);
    assert_nothing_to_run(f);
}

static void
an_unknown_service_gets_its_tasks_back(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .service = "magic"});
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.reason, RETURN_FULL);
}

#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(forget_drops_everything_of_the_job_and_nothing_else),
        T(a_task_that_is_held_is_not_run_twice),
        T(a_task_that_is_done_is_answered_from_what_is_kept),
        T(another_broker_asking_for_a_held_task_gets_its_result),
        T(a_higher_attempt_replaces_a_queued_one),
        T(a_higher_attempt_stops_a_running_one),
        T(a_lower_attempt_is_ignored),
        T(a_cancelled_queued_task_is_returned_at_once),
        T(a_cancelled_running_task_is_stopped_then_returned),
        T(a_cancel_that_comes_too_late_changes_nothing),
        T(a_missing_recipe_is_fetched_while_its_task_waits),
        T(tasks_of_a_recipe_that_does_not_exist_are_returned),
        T(tasks_of_a_recipe_with_the_wrong_content_are_returned),
        T(tasks_for_another_fingerprint_are_returned),
        T(drain_returns_what_waits_and_finishes_what_runs),
        T(a_draining_worker_takes_grants_and_tasks_back),
        T(drain_of_a_broker_is_obeyed),
        T(hand_back_returns_running_tasks_too),
        T(messages_for_others_are_refused_and_counted),
        T(tasks_with_lengths_that_lie_are_refused),
        T(an_unknown_service_gets_its_tasks_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
