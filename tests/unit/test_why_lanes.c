/* test_why_lanes.c - why of jobs whose rows several providers write: each has a
 * lane of workers and endpoints of its own. */
#include "cli/why.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <string.h>

enum { MAIN, OTHER };

struct fixture {
    struct fleet_state s;
    struct fleet_worker worker;
    struct fleet_broker broker;
    struct fleet_queue queues[2];
    struct fleet_job job;
    struct limits_state limits;
    struct why why;
};

static void
set(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%s", text);
}
#define SET(field, text) set(field, sizeof(field), text)

/* One worker calls both; rows are asked of the first. */
static int
set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.broker = {.id = "b"}};
    SET(f.worker.services, "persona.write,persona.write@main,"
                           "persona.write@other");
    SET(f.worker.state, "busy");
    SET(f.job.state, "running");
    SET(f.job.service, "persona.write@main");
    SET(f.job.services, "persona.write@main,persona.write@other");
    SET(f.job.why_code, "no_credit");
    SET(f.job.calls, "9");
    f.job.lease = true;
    for (int i = 0; i < 2; i++) {
        SET(f.queues[i].service,
            i ? "persona.write@other" : "persona.write@main");
        f.queues[i].capacity = 8;
        f.queues[i].workers = 1;
    }
    f.queues[MAIN].remaining = 100;
    f.s.workers.v = &f.worker;
    f.s.workers.n = f.s.workers.all = 1;
    f.s.brokers.v = &f.broker;
    f.s.brokers.n = 1;
    f.s.queues.v = f.queues;
    f.s.queues.n = 2;
    f.s.jobs.v = &f.job;
    f.s.jobs.n = 1;
    f.limits = (struct limits_state){.now_us = 1, .n = 2};
    SET(f.limits.v[MAIN].provider, "main");
    SET(f.limits.v[OTHER].provider, "other");
    *state = &f;
    return 0;
}

static const struct why_finding *
first(struct fixture *f)
{
    why_of_job(&f->s, &f->job, &f->why);
    why_of_limits(&f->limits, &f->s, &f->job, &f->why);
    assert_true(f->why.n > 0);
    return &f->why.v[0];
}

static void
calls_and_room_of_all_lanes_are_counted(void **state)
{
    struct fixture *f = *state;

    f->queues[MAIN].in_flight = 8;
    f->queues[OTHER].in_flight = 7;
    f->queues[OTHER].queued = 3;
    assert_string_equal(first(f)->code, "full_load");
    assert_string_equal(f->why.v[0].text,
                        "workers: 15 tasks run or wait at 1 worker, which take "
                        "at most 16; 3 more wait with the broker");
}

static void
an_arm_that_no_worker_can_call_is_named(void **state)
{
    struct fixture *f = *state;

    SET(f->worker.services, "persona.write,persona.write@main");
    f->queues[OTHER] = (struct fleet_queue){.remaining = 40};
    SET(f->queues[OTHER].service, "persona.write@other");
    assert_string_equal(first(f)->code, "no_workers");
    assert_string_equal(f->why.v[0].text,
                        "no worker for persona.write@other is alive");
}

static void
a_fallback_that_nobody_needs_needs_no_workers(void **state)
{
    struct fixture *f = *state;

    SET(f->worker.services, "persona.write,persona.write@main");
    f->queues[OTHER].workers = f->queues[OTHER].capacity = 0;
    assert_string_equal(first(f)->code, "full_load");
}

static void
a_provider_that_is_shut_is_the_reason_while_rows_are_asked_of_it(void **state)
{
    struct fixture *f = *state;
    struct endpoint_state *main = &f->limits.v[MAIN];

    main->breaker = 1;
    main->open_until = 20000000;
    assert_string_equal(first(f)->code, "endpoint_open");
    /* its fallback has all rows */
    f->queues[MAIN].remaining = 0;
    f->queues[OTHER].remaining = 100;
    assert_string_equal(first(f)->code, "full_load");
    assert_string_equal(f->why.v[1].code, "endpoint_open");
}

static void
jobs_that_share_a_lane_want_the_same_workers(void **state)
{
    struct fixture *f = *state;
    struct fleet_job jobs[2] = {f->job, f->job};

    SET(jobs[1].service, "persona.write@other");
    jobs[1].services[0] = '\0'; /* of an older coordinator */
    f->s.jobs.v = jobs;
    f->s.jobs.n = 2;
    why_of_job(&f->s, &jobs[0], &f->why);
    assert_string_equal(f->why.v[1].code, "shared");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
        TEST(calls_and_room_of_all_lanes_are_counted),
        TEST(an_arm_that_no_worker_can_call_is_named),
        TEST(a_fallback_that_nobody_needs_needs_no_workers),
        TEST(a_provider_that_is_shut_is_the_reason_while_rows_are_asked_of_it),
        TEST(jobs_that_share_a_lane_want_the_same_workers),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
