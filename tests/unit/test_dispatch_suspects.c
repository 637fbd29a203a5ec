/* Suspects: they run alone, and what the end of their worker says about them.
 */
#include "tests/unit/dispatch_world.h"

static void
suspects_run_alone(void **state)
{
    struct world *w = *state;
    struct msg m;

    given_owner(w);
    given_worker(w, W1, 100);
    publishes(w, 0, 3);
    m = tasks_msg(w, JOB, 100, 2);
    m.tasks.alone = 1;
    publishes_as(w, BOSS, m);
    publishes(w, 200, 3); /* nothing goes to the worker that is to be empty */
    assert_int_equal(tasks_sent(w, W1), 3);
    finishes(w, W1, 1, 0, 3, 1);
    assert_int_equal(tasks_sent(w, W1), 4); /* the first suspect */
    finishes(w, W1, 2, 100, 1, 1);
    finishes(w, W1, 3, 101, 1, 1);
    finishes(w, W1, 4, 200, 3, 1);
    assert_int_equal(tasks_sent(w, W1), 8);
}

/* The broker looks at some workers a run; an empty one is found soon. */
static void
a_suspect_finds_the_empty_worker_among_many(void **state)
{
    enum { FIRST_WORKER = 20, WORKERS = 200, EMPTY = FIRST_WORKER + 150 };
    struct world *w = *state;
    struct msg m;

    given_owner(w);
    for (uint64_t i = 0; i < WORKERS; i++) {
        given_worker(w, FIRST_WORKER + i, 1);
    }
    for (uint64_t i = 0; i < WORKERS; i++) {
        publishes(w, i, 1);
    }
    m = tasks_msg(w, JOB, 1000, 1);
    m.tasks.alone = 1;
    publishes_as(w, BOSS, m);
    assert_int_equal(dispatch_totals(w->d).queued, 1);
    m = *expect(w, BACK, EMPTY, MSG_tasks);
    finishes(w, EMPTY, 1, m.tasks.tasks.v[0], 1, 1);
    forget_past(w);
    grants(w, EMPTY, "noop", 1);
    passes(w, 4LL * DISPATCH_TICK_MS);
    assert_int_equal(tasks_sent(w, EMPTY), 1);
}

static void
a_worker_with_a_suspect_gets_nothing_else(void **state)
{
    struct world *w = *state;
    struct msg m;

    given_owner(w);
    given_worker(w, W1, 100);
    m = tasks_msg(w, JOB, 100, 1);
    m.tasks.alone = 1;
    publishes_as(w, BOSS, m);
    publishes(w, 200, 3);
    assert_int_equal(tasks_sent(w, W1), 1);
    finishes(w, W1, 1, 100, 1, 1);
    assert_int_equal(tasks_sent(w, W1), 4);
}

/* The worker of a suspect dies: what its owner hears as the cause. */
static uint32_t
cause_when_the_worker_of_a_suspect_dies(struct world *w, bool begun,
                                        uint64_t job, uint64_t begun_task)
{
    struct msg m;

    given_owner(w);
    given_worker(w, W1, 10);
    m = tasks_msg(w, JOB, 100, 1);
    m.tasks.alone = 1;
    publishes_as(w, BOSS, m);
    assert_int_equal(tasks_sent(w, W1), 1);
    if (begun) {
        sends(w, BACK, W1,
              (struct msg){.type = MSG_beat,
                           .beat = {.held_count = 1,
                                    .held_hash = msg_held_key(JOB, 100, 1),
                                    .jobs = {&job, 1},
                                    .tasks = {&begun_task, 1}}});
    }
    dispatch_on_unroutable(w->d, SIDE_BACK, W1, w->now, &w->out);
    passes(w, w->limits.away_ms + 500);
    return expect(w, FRONT, BOSS, MSG_lost)->lost.cause;
}

static void
a_suspect_that_its_dead_worker_began_is_lost_by_that_death(void **state)
{
    assert_int_equal(
        cause_when_the_worker_of_a_suspect_dies(*state, true, JOB, 100),
        LOST_WORKER_DEAD);
}

/* It may have died of what another broker sent it. */
static void
a_suspect_that_its_dead_worker_had_not_begun_is_lost_by_the_link(void **state)
{
    assert_int_equal(
        cause_when_the_worker_of_a_suspect_dies(*state, false, JOB, 0),
        LOST_LINK);
}

static void
the_beginning_of_another_task_is_not_that_of_the_suspect(void **state)
{
    assert_int_equal(
        cause_when_the_worker_of_a_suspect_dies(*state, true, JOB, 101),
        LOST_LINK);
}

static void
the_beginning_of_another_jobs_task_is_not_that_of_the_suspect(void **state)
{
    assert_int_equal(
        cause_when_the_worker_of_a_suspect_dies(*state, true, JOB + 1, 100),
        LOST_LINK);
}

/* A broker that began anew learns of a suspect from the worker that has it. */
static void
reports_suspect(struct world *w, uint32_t held_state)
{
    uint64_t job = JOB, task = 100;
    uint32_t one = 1;

    given_owner(w);
    hello(w, BACK, W1, 1);
    sends(w, BACK, W1,
          (struct msg){.type = MSG_inventory,
                       .inventory = {.pages = 1,
                                     .jobs = {&job, 1},
                                     .tasks = {&task, 1},
                                     .attempts = {&one, 1},
                                     .states = {&held_state, 1},
                                     .alone = {&one, 1}}});
    grants(w, W1, "noop", 10);
    publishes(w, 200, 3);
}

static void
a_suspect_that_a_new_broker_is_told_of_stays_alone(void **state)
{
    struct world *w = *state;

    reports_suspect(w, HELD_RUNNING);
    assert_int_equal(tasks_sent(w, W1), 0);
    finishes(w, W1, 1, 100, 1, 1);
    assert_int_equal(tasks_sent(w, W1), 3);
}

static uint32_t
cause_when_the_worker_of_a_reported_suspect_dies(struct world *w,
                                                 uint32_t held_state)
{
    reports_suspect(w, held_state);
    dispatch_on_unroutable(w->d, SIDE_BACK, W1, w->now, &w->out);
    passes(w, w->limits.away_ms + 500);
    return expect(w, FRONT, BOSS, MSG_lost)->lost.cause;
}

static void
a_suspect_that_was_reported_running_is_lost_by_the_death_of_its_worker(
    void **state)
{
    assert_int_equal(
        cause_when_the_worker_of_a_reported_suspect_dies(*state, HELD_RUNNING),
        LOST_WORKER_DEAD);
}

static void
a_suspect_that_was_reported_waiting_is_lost_by_the_link(void **state)
{
    assert_int_equal(
        cause_when_the_worker_of_a_reported_suspect_dies(*state, HELD_QUEUED),
        LOST_LINK);
}

static void
of_two_suspects_reported_by_one_worker_one_counts(void **state)
{
    struct world *w = *state;
    uint64_t job = JOB, tasks[] = {100, 101};
    uint32_t one = 1, running = HELD_RUNNING;

    given_owner(w);
    hello(w, BACK, W1, 2);
    sends(w, BACK, W1,
          (struct msg){.type = MSG_inventory,
                       .inventory = {.pages = 1,
                                     .jobs = {&job, 1},
                                     .tasks = {tasks, 2},
                                     .attempts = {&one, 1},
                                     .states = {&running, 1},
                                     .alone = {&one, 1}}});
    finishes(w, W1, 1, 100, 1, 1);
    finishes(w, W1, 2, 101, 1, 1);
    assert_int_equal(dispatch_counts(w->d)->inventory_adopted, 2);
}

int
main(void)
{
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(suspects_run_alone),
        T(a_suspect_finds_the_empty_worker_among_many),
        T(a_worker_with_a_suspect_gets_nothing_else),
        T(a_suspect_that_its_dead_worker_began_is_lost_by_that_death),
        T(a_suspect_that_its_dead_worker_had_not_begun_is_lost_by_the_link),
        T(the_beginning_of_another_task_is_not_that_of_the_suspect),
        T(the_beginning_of_another_jobs_task_is_not_that_of_the_suspect),
        T(a_suspect_that_a_new_broker_is_told_of_stays_alone),
        T(a_suspect_that_was_reported_running_is_lost_by_the_death_of_its_worker),
        T(a_suspect_that_was_reported_waiting_is_lost_by_the_link),
        T(of_two_suspects_reported_by_one_worker_one_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
