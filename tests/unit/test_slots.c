/* test_slots.c - the worker's core runs what it is sent: in order, within its
 * time, suspects alone, results in batches; and its states are as drawn. The
 * rest: test_slots_*.c. */
#include "tests/unit/slots_fixture.h"

static void
tasks_run_in_order_with_their_payload(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 10, .n = 2});
    struct slots_task t = started(f);
    assert_int_equal(t.task, 10);
    assert_int_equal(t.payload_bytes, 1);
    assert_int_equal(t.payload[0], 'a');
    assert_nothing_to_run(f); /* one slot */
    finish(f, t, "x");
    t = started(f);
    assert_int_equal(t.task, 11);
    assert_int_equal(t.payload[0], 'b');
    finish(f, t, "x");
    assert_nothing_to_run(f);
}

static void
results_of_a_turn_go_as_one_batch(void **state)
{
    struct fixture *f = *state;
    struct co_bytes body = {0};
    struct msg m;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 10, .n = 3});
    finish(f, started(f), "one");
    finish(f, started(f), "");
    struct slots_task t = started(f);
    assert_int_equal(slots_done(f->s, t.ref, STATUS_FAILED, "bad", 3, 0),
                     CO_OK);
    flush(f);
    assert_true(took(f, 0, MSG_results, &m, &body));
    assert_int_equal(m.results.seq, 1);
    assert_int_equal(m.results.job, JOB);
    assert_int_equal(m.results.owner, OWNER);
    assert_int_equal(m.results.worker, WORKER);
    assert_int_equal(msg_check_results(&m.results, body.len), CO_OK);
    assert_int_equal(m.results.tasks.n, 3);
    assert_int_equal(m.results.tasks.v[2], 12);
    assert_int_equal(msg_at(m.results.statuses, 0), STATUS_OK);
    assert_int_equal(msg_at(m.results.statuses, 2), STATUS_FAILED);
    assert_memory_equal(body.data, "onebad", 6);
    assert_silent(f, 0, MSG_results);
}

static void
a_batch_has_at_most_256_tasks(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 0, .n = 300});
    for (int i = 0; i < 300; i++) {
        finish(f, started(f), "x");
    }
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.tasks.n, 256);
    struct msg m = take(f, 0, MSG_results);
    assert_int_equal(m.results.tasks.n, 44);
    assert_int_equal(m.results.seq, 2);
}

static void
a_batch_has_at_most_1_mib(void **state)
{
    struct fixture *f = *state;
    enum { BIG = 600 * 1024 };
    char *big = calloc(1, BIG);

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 0, .n = 2});
    for (int i = 0; i < 2; i++) {
        struct slots_task t = started(f);
        assert_int_equal(slots_done(f->s, t.ref, STATUS_OK, big, BIG, 0),
                         CO_OK);
    }
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.tasks.n, 1);
    assert_int_equal(take(f, 0, MSG_results).results.tasks.n, 1);
    free(big);
}

static void
a_result_larger_than_a_body_fails_its_task(void **state)
{
    struct fixture *f = *state;
    char *big = calloc(1, BODY_BYTES_MAX + 1);
    struct msg m;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 0, .n = 1});
    struct slots_task t = started(f);
    assert_int_equal(
        slots_done(f->s, t.ref, STATUS_OK, big, BODY_BYTES_MAX + 1, 0), CO_OK);
    flush(f);
    assert_true(took(f, 0, MSG_results, &m, NULL));
    assert_int_equal(msg_at(m.results.statuses, 0), STATUS_FAILED);
    free(big);
}

static void
jobs_and_owners_have_batches_of_their_own(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .job = 6});
    say_tasks(f, 0, (struct given){.first = 2, .n = 1, .job = 7});
    say_tasks(f, 0, (struct given){.first = 3, .n = 1, .job = 7, .owner = 9});
    for (int i = 0; i < 3; i++) {
        finish(f, started(f), "x");
    }
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.job, 6);
    assert_int_equal(take(f, 0, MSG_results).results.owner, OWNER);
    assert_int_equal(take(f, 0, MSG_results).results.owner, 9);
}

static void
more_jobs_than_gathers_in_one_turn_lose_nothing(void **state)
{
    struct fixture *f = *state;
    unsigned n = 0;

    given_link(f, 0);
    for (uint64_t job = 1; job <= 20; job++) {
        say_tasks(f, 0, (struct given){.first = 1, .n = 1, .job = job});
        finish(f, started(f), "x");
    }
    flush(f);
    struct msg m;
    while (took(f, 0, MSG_results, &m, NULL)) {
        n++;
    }
    assert_int_equal(n, 20);
}

static void
a_task_whose_total_time_is_over_fails_without_running(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .total_ms = 50});
    at(f, 50);
    assert_nothing_to_run(f);
    flush(f);
    struct msg m = take(f, 0, MSG_results);
    assert_int_equal(msg_at(m.results.statuses, 0), STATUS_FAILED);
}

static void
the_shorter_of_run_and_total_time_ends_a_run(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0,
              (struct given){.first = 1, .n = 1, .run_ms = 9, .total_ms = 50});
    at(f, 10);
    struct slots_task t = started(f);
    assert_int_equal(t.run_until_us, f->now + 9ll * MS);
    finish(f, t, "x");
}

static void
a_second_suspect_from_another_broker_is_given_back_before_one_runs(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_link(f, 1);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .alone = 1});
    say_tasks(f, 1, (struct given){.first = 2, .n = 1, .alone = 1});
    assert_nothing_to_run(f);
    flush(f);
    assert_int_equal(take(f, 1, MSG_returned).returned.tasks.v[0], 2);
    assert_int_equal(started_suspect(f, 0).task, 1);
}

static void
a_suspect_runs_alone(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 2, .n = 1, .alone = 1});
    say_tasks(f, 0, (struct given){.first = 3, .n = 1});
    struct slots_task suspect = started_suspect(f, 0);
    assert_int_equal(suspect.task, 2);
    assert_nothing_to_run(f); /* nobody starts beside it */
    finish(f, suspect, "x");
    assert_int_equal(started(f).task, 3);
}

static void
a_suspect_beside_tasks_of_another_broker_is_given_back_and_room_is_made(
    void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_link(f, 1);
    say_tasks(f, 1, (struct given){.first = 1, .n = 1});
    struct slots_task running = started(f);
    say_tasks(f, 1, (struct given){.first = 3, .n = 1});
    say_tasks(f, 0, (struct given){.first = 9, .n = 1, .alone = 1});
    flush(f);
    struct msg_returned waited = take(f, 1, MSG_returned).returned;
    assert_int_equal(waited.tasks.v[0], 3);
    assert_int_equal(take(f, 0, MSG_returned).returned.tasks.v[0], 9);
    finish(f, running, "x");

    say_tasks(f, 1, (struct given){.first = 4, .n = 1}); /* not now */
    assert_nothing_to_run(f);
    say_tasks(f, 0,
              (struct given){.first = 9, .n = 1, .attempt = 2, .alone = 1});
    say_tasks(f, 1, (struct given){.first = 5, .n = 1}); /* nor beside it */
    struct slots_task suspect = started_suspect(f, 0);
    assert_int_equal(suspect.task, 9);
    finish(f, suspect, "x");
    at(f, 4000);
    say_tasks(f, 1, (struct given){.first = 6, .n = 1});
    assert_int_equal(started(f).task, 6);
}

static void
a_result_still_gathered_goes_to_the_broker_that_asks_again(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_link(f, 1);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    finish(f, started(f), "x"); /* the turn is not over: nothing is sealed */
    say_tasks(f, 1, (struct given){.first = 1, .n = 1});
    flush(f);
    assert_int_equal(take(f, 1, MSG_results).results.tasks.v[0], 1);
    slots_check(f->s);
}

static bool
mark_is_7(void *ctx, uint32_t mark)
{
    (void)ctx;
    return mark == 7;
}

static void
only_what_is_not_begun_is_called_back_when_that_is_all_that_is_asked(
    void **state)
{
    static const uint64_t tasks[] = {1, 2, 3};
    const struct msg m = {
        .type = MSG_cancel,
        .cancel = {
            .job = JOB, .owner = OWNER, .tasks = {tasks, 3}, .unsent = 1}};
    struct fixture *f = *state;

    slots_unsent(f->s, mark_is_7, NULL);
    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 3});
    struct slots_task begun = started(f), held_back = started(f);
    slots_mark(f->s, begun.ref, 6);
    slots_mark(f->s, held_back.ref, 7);
    say(f, 0, &m);
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.tasks.v[0], 3);
    assert_false(slots_stopped(f->s, begun.ref));
    assert_true(slots_stopped(f->s, held_back.ref));
}

static int
setup_two_slots(void **state)
{
    return fixture_setup_config(state, (struct slots_config){.slots = 2});
}

static void
every_pair_of_task_state_and_event_is_as_drawn(void **state)
{
    (void)state;
    /* rows: FREE PARKED QUEUED RUNNING STOPPING DROPPED DONE; columns: TAKE
     * PARK READY START FINISH CANCEL RETURN DROP ACK. '-' is refused. */
    static const char *const drawn[SLOTS_STATE_COUNT] = {
        [SLOTS_FREE] = "QP-----F-",     [SLOTS_PARKED] = "--Q---FF-",
        [SLOTS_QUEUED] = "---RD-FF-",   [SLOTS_RUNNING] = "----DSFX-",
        [SLOTS_STOPPING] = "----DSFX-", [SLOTS_DROPPED] = "----FXFX-",
        [SLOTS_DONE] = "------FFF",
    };
    static const char letters[] = "-FPQRSXD";

    for (unsigned st = SLOTS_FREE; st < SLOTS_STATE_COUNT; st++) {
        for (unsigned ev = 0; ev < SLOTS_EVENT_COUNT; ev++) {
            enum slots_state to =
                slots_state_after((enum slots_state)st, (enum slots_event)ev);
            assert_int_equal(letters[to], drawn[st][ev]);
        }
    }
}

static void
every_pair_of_link_state_and_event_is_as_drawn(void **state)
{
    (void)state;
    /* columns: CONNECT WELCOME WHO SILENT BARRED BYE */
    static const char *const drawn[LINK_STATE_COUNT] = {
        [LINK_DOWN] = "G-G--X", [LINK_GREETED] = "GUGGBX",
        [LINK_UP] = "GUGGBX",   [LINK_BARRED] = "G----X",
        [LINK_GONE] = "------",
    };
    static const char letters[] = "-DGUBX";

    for (unsigned st = LINK_DOWN; st < LINK_STATE_COUNT; st++) {
        for (unsigned ev = 0; ev < LINK_EVENT_COUNT; ev++) {
            enum link_state to =
                slots_link_after((enum link_state)st, (enum link_event)ev);
            assert_int_equal(letters[to], drawn[st][ev]);
        }
    }
}

static void
every_pair_of_result_state_and_event_is_as_drawn(void **state)
{
    (void)state;
    static const char *const drawn[RESULT_STATE_COUNT] = {
        [RESULT_PENDING] = "SPP", /* SEND NO_OWNER AGAIN */
        [RESULT_SENT] = "SWP",
        [RESULT_WAITING] = "SWP",
    };
    static const char letters[] = "PSW";

    for (unsigned st = 0; st < RESULT_STATE_COUNT; st++) {
        for (unsigned ev = 0; ev < RESULT_EVENT_COUNT; ev++) {
            enum result_state to = slots_result_after((enum result_state)st,
                                                      (enum result_event)ev);
            assert_int_equal(letters[to], drawn[st][ev]);
        }
    }
}

#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define T2(name)                                                               \
    cmocka_unit_test_setup_teardown(name, setup_two_slots, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(tasks_run_in_order_with_their_payload),
        T(results_of_a_turn_go_as_one_batch),
        T(a_batch_has_at_most_256_tasks),
        T(a_batch_has_at_most_1_mib),
        T(a_result_larger_than_a_body_fails_its_task),
        T(jobs_and_owners_have_batches_of_their_own),
        T(more_jobs_than_gathers_in_one_turn_lose_nothing),
        T(a_task_whose_total_time_is_over_fails_without_running),
        T(the_shorter_of_run_and_total_time_ends_a_run),
        T2(a_second_suspect_from_another_broker_is_given_back_before_one_runs),
        T2(a_suspect_runs_alone),
        T2(a_result_still_gathered_goes_to_the_broker_that_asks_again),
        T2(a_suspect_beside_tasks_of_another_broker_is_given_back_and_room_is_made),
        T2(only_what_is_not_begun_is_called_back_when_that_is_all_that_is_asked),
        cmocka_unit_test(every_pair_of_task_state_and_event_is_as_drawn),
        cmocka_unit_test(every_pair_of_link_state_and_event_is_as_drawn),
        cmocka_unit_test(every_pair_of_result_state_and_event_is_as_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
