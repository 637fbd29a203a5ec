/* Runs that wait: when they go on, who wakes them, and how they end early. */
#include "tests/unit/slots_fixture.h"
#include "worker/work.h"

enum { RUNS = 3000, WAIT_US = 1000000, RETURN_MS = 77 };

/* What the service of this test does with the next step of any run. */
static struct script {
    enum service_step begin, step, stop;
    int64_t wait_until_us; /* of begin and step */
    bool wake_self;
    uint32_t steps, stops, aborts;
    uint64_t order[RUNS]; /* tasks, as they were stepped */
} script;
static struct service_run *runs[RUNS + 1]; /* by task */

static enum service_step
answer(struct service_run *run, enum service_step step)
{
    run->wait_until_us = script.wait_until_us;
    run->not_before_ms = RETURN_MS;
    if (step == SERVICE_DONE) co_buf_puts(run->out, "told");
    return step;
}

static enum service_step
begin(struct service_env *env, struct service_run *run, int64_t now_us)
{
    (void)env, (void)now_us;
    run->state = &script;
    runs[run->task.task] = run;
    /* Each its own time, none in order. */
    if (run->task.job == JOB + 1) {
        run->wait_until_us =
            START_US + WAIT_US + (int64_t)(run->task.task * 7919 % RUNS);
        return SERVICE_WAIT;
    }
    return answer(run, script.begin);
}

static enum service_step
step(struct service_run *run, int64_t now_us)
{
    (void)now_us;
    if (script.steps < RUNS) script.order[script.steps] = run->task.task;
    script.steps++;
    if (script.wake_self) {
        script.wake_self = false;
        work_wake(run);
    }
    return answer(run, script.step);
}

static enum service_step
stop(struct service_run *run, int64_t now_us)
{
    (void)now_us;
    script.stops++;
    return answer(run, script.stop);
}

static void
abort_run(struct service_run *run)
{
    (void)run;
    script.aborts++;
}

static const struct service waiter = {.name = "ask",
                                      .begin = begin,
                                      .step = step,
                                      .stop = stop,
                                      .abort = abort_run};
static const struct service *const services[] = {&waiter};
static const struct slots_service announced[] = {
    {.name = "ask", .hint_ns = 1000000, .slots = RUNS}};

struct plant {
    struct fixture *f;
    struct work *work;
    struct service_env env;
};

static int64_t clock_us;

static int64_t
read_clock(void)
{
    return clock_us++; /* so that a slice ends */
}

static int
setup(void **state)
{
    struct plant *p = calloc(1, sizeof *p);
    void *fixture = NULL;

    assert_non_null(p);
    (void)fixture_setup_config(
        &fixture,
        (struct slots_config){.services = announced, .n_services = 1});
    p->f = fixture;
    assert_int_equal(
        work_new(p->f->s, 1 + RUNS, services, &p->env, read_clock, &p->work),
        CO_OK);
    given_link(p->f, 0);
    clock_us = START_US;
    script = (struct script){.begin = SERVICE_WAIT,
                             .step = SERVICE_DONE,
                             .stop = SERVICE_RETURN,
                             .wait_until_us = INT64_MAX};
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct plant *p = *state;
    void *fixture = p->f;

    work_free(p->work);
    (void)fixture_teardown(&fixture);
    free(p);
    return 0;
}

static void
run_all(struct plant *p)
{
    while (work_run(p->work, clock_us)) {
    }
    slots_check(p->f->s);
}

static void
given_runs_of(struct plant *p, uint64_t job, uint32_t n, uint32_t run_ms)
{
    p->f->now = clock_us;
    for (uint64_t first = 1; first <= n; first += BATCH_MAX) {
        say_tasks(
            p->f, 0,
            (struct given){.first = first,
                           .n = (uint32_t)co_min_u64(n - first + 1, BATCH_MAX),
                           .job = job,
                           .run_ms = run_ms,
                           .service = "ask"});
    }
    run_all(p);
    assert_int_equal(stats(p->f).running, n);
}

static void
given_runs(struct plant *p, uint32_t n)
{
    given_runs_of(p, JOB, n, 0);
}

static void
a_run_that_waits_is_left_alone_until_it_is_woken(void **state)
{
    struct plant *p = *state;

    given_runs(p, RUNS);
    assert_int_equal(work_deadline(p->work), INT64_MAX);
    clock_us += WAIT_US;
    run_all(p);
    assert_int_equal(script.steps, 0);
    work_wake(runs[1234]);
    assert_true(work_deadline(p->work) <= clock_us);
    run_all(p);
    assert_int_equal(script.steps, 1);
    assert_int_equal(script.order[0], 1234);
    assert_int_equal(stats(p->f).counters.done, 1);
    assert_int_equal(stats(p->f).running, RUNS - 1);
}

static void
runs_go_on_in_the_order_of_their_times(void **state)
{
    struct plant *p = *state;

    given_runs_of(p, JOB + 1, RUNS, 0);
    assert_int_equal(work_deadline(p->work), START_US + WAIT_US);
    clock_us = START_US + WAIT_US + RUNS;
    run_all(p);
    assert_int_equal(script.steps, RUNS);
    for (uint32_t i = 0; i < RUNS; i++) {
        assert_int_equal(script.order[i] * 7919 % RUNS, i);
    }
}

/* Some of those in the middle of the heap leave it. */
static void
the_order_holds_when_others_were_woken_before(void **state)
{
    struct plant *p = *state;
    int64_t last = -1;

    given_runs_of(p, JOB + 1, RUNS, 0);
    for (uint32_t i = 1; i <= RUNS; i += 3) {
        work_wake(runs[i]);
    }
    run_all(p);
    assert_int_equal(script.steps, RUNS / 3);
    script.steps = 0;
    clock_us = START_US + WAIT_US + RUNS;
    run_all(p);
    assert_int_equal(script.steps, RUNS - RUNS / 3);
    for (uint32_t i = 0; i < script.steps; i++) {
        int64_t at = (int64_t)(script.order[i] * 7919 % RUNS);

        assert_true(at > last);
        last = at;
    }
}

static void
one_that_is_woken_in_its_own_step_goes_on(void **state)
{
    struct plant *p = *state;

    given_runs(p, 1);
    script.step = SERVICE_WAIT;
    script.wake_self = true;
    work_wake(runs[1]);
    run_all(p);
    assert_int_equal(script.steps, 2);
    assert_int_equal(work_deadline(p->work), INT64_MAX);
}

/* Beats must go out although thousands of answers came at once. */
static void
a_slice_ends_while_many_are_ready(void **state)
{
    struct plant *p = *state;

    given_runs(p, RUNS);
    for (uint32_t i = 1; i <= RUNS; i++) {
        work_wake(runs[i]);
    }
    assert_true(work_run(p->work, clock_us));
    assert_in_range(script.steps, 1, RUNS / 2);
    run_all(p);
    assert_int_equal(script.steps, RUNS);
}

static void
a_cancelled_run_that_waits_is_given_back(void **state)
{
    struct plant *p = *state;
    struct msg m;

    given_runs(p, 3);
    say_cancel(p->f, 0, 2);
    run_all(p);
    assert_int_equal(script.stops, 1);
    assert_int_equal(script.aborts, 1);
    flush(p->f);
    m = take(p->f, 0, MSG_returned);
    assert_int_equal(m.returned.tasks.v[0], 2);
    assert_int_equal(m.returned.reason, RETURN_CANCELLED);
}

static void
a_cancelled_run_whose_turn_would_come_is_given_back(void **state)
{
    struct plant *p = *state;

    given_runs(p, 3);
    for (uint32_t i = 1; i <= 3; i++) {
        work_wake(runs[i]);
    }
    say_cancel(p->f, 0, 2);
    run_all(p);
    assert_int_equal(script.steps, 2);
    assert_int_equal(stats(p->f).counters.returned, 1);
}

static void
what_cannot_be_called_back_is_told_and_not_given_back(void **state)
{
    struct plant *p = *state;
    struct msg m;

    script.stop = SERVICE_DONE;
    given_runs(p, 2);
    say_cancel(p->f, 0, 1);
    run_all(p);
    flush(p->f);
    assert_silent(p->f, 0, MSG_returned);
    m = take(p->f, 0, MSG_results);
    assert_int_equal(m.results.tasks.v[0], 1);
    work_hand_back(p->work, RETURN_DRAIN);
    flush(p->f);
    assert_int_equal(take(p->f, 0, MSG_results).results.tasks.v[0], 2);
    assert_int_equal(stats(p->f).counters.failed, 0);
}

static void
a_run_whose_time_is_over_is_asked_what_it_has_to_tell(void **state)
{
    struct plant *p = *state;

    given_runs_of(p, JOB, 1, 5);
    assert_true(work_deadline(p->work) <= START_US + 5 * MS + 1000);
    clock_us += INT64_C(6) * MS;
    run_all(p);
    assert_int_equal(script.stops, 1);
    assert_int_equal(stats(p->f).counters.returned, 1);
    assert_int_equal(stats(p->f).counters.failed, 0);
}

static void
a_run_that_gives_itself_back_says_when_it_may_come_again(void **state)
{
    struct plant *p = *state;
    struct msg m;

    script.step = SERVICE_RETURN;
    given_runs(p, 1);
    work_wake(runs[1]);
    run_all(p);
    flush(p->f);
    m = take(p->f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_LIMIT);
    assert_int_equal(m.returned.not_before_ms, RETURN_MS);
    assert_int_equal(script.aborts, 1);
}

static void
all_own_slots_in_use_are_one_slot_of_time(void **state)
{
    struct plant *p = *state;
    uint64_t busy_us;

    given_runs(p, RUNS);
    clock_us += WAIT_US;
    busy_us = work_used(p->work, clock_us)[0].busy_us;
    assert_in_range(busy_us, WAIT_US - WAIT_US / 10, WAIT_US + WAIT_US / 10);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_run_that_waits_is_left_alone_until_it_is_woken),
        T(runs_go_on_in_the_order_of_their_times),
        T(the_order_holds_when_others_were_woken_before),
        T(one_that_is_woken_in_its_own_step_goes_on),
        T(a_slice_ends_while_many_are_ready),
        T(a_cancelled_run_that_waits_is_given_back),
        T(a_cancelled_run_whose_turn_would_come_is_given_back),
        T(what_cannot_be_called_back_is_told_and_not_given_back),
        T(a_run_whose_time_is_over_is_asked_what_it_has_to_tell),
        T(a_run_that_gives_itself_back_says_when_it_may_come_again),
        T(all_own_slots_in_use_are_one_slot_of_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
