/* test_engine.c - the engine's single rules: publishing, results, acks, grants
 * and owners. Losses, brokers and chance: test_engine_*.c. */
#include "engine_world.h"

static void
nothing_is_published_before_a_broker_is_attached_and_grants(void **state)
{
    struct world *w = given_bench(100);
    struct engine_status s;

    (void)state;
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.why, ENGINE_WHY_NO_LINK);
    attach(w, 0);
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.why, ENGINE_WHY_NO_CREDIT);
    grant(w, 0, 70);
    publish(w);
    assert_int_equal(w->n_held, 70);
    assert_int_equal(counters(w).messages_out, 2);
    grant(w, 0, 70);
    publish(w);
    assert_int_equal(w->n_held, 100);
    engine_status(w->e, &s);
    assert_int_equal(s.why, ENGINE_WHY_KIND);
    world_end(w);
}

static void
an_ack_comes_after_the_commit_and_not_before(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    given_out(w, 5);
    h = held_take(w, 0);
    result(w, &h, true);
    result(w, &h, true); /* sent again: repeats what is not committed yet */
    publish(w);
    assert_int_equal(w->acked, 0);
    commit_all(w);
    publish(w);
    assert_int_equal(w->acked, 2);
    assert_int_equal(w->fetched, 1);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    result(w, &h, true); /* and once more, when all is over */
    publish(w);
    assert_int_equal(w->acked, 3);
    assert_int_equal(w->fetched, 1);
    world_end(w);
}

/* Compared every half minute, and not sent again. */
static void
a_task_of_hours_is_published_once(void **state)
{
    struct world *w = given_bench(1);
    unsigned compared = 0;
    struct held h;

    (void)state;
    given_out(w, 5);
    for (int second = 0; second < 3 * 3600; second++) {
        w->now_us += 1000000;
        if (engine_next_compare(w->e, w->now_us) == 0) {
            compared++;
            inventory(w, 0, w->held[0].task);
            attach(w, 0);
        }
        publish(w);
        assert_int_equal(w->n_held, 1);
    }
    assert_in_range(compared, 300, 360);
    assert_int_equal(counters(w).published, 1);
    h = held_take(w, 0);
    result(w, &h, true);
    commit_all(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    world_end(w);
}

static void
a_job_that_moves_nowhere_says_so_and_for_how_long(void **state)
{
    struct world *w = given_bench(1);
    struct engine_status s;
    struct held h;

    (void)state;
    publish(w); /* no broker */
    w->now_us += 12000000;
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.stalled_us, 12000000);
    attach(w, 0);
    grant(w, 0, 5);
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.stalled_us, 0);
    w->now_us += 7000000; /* nobody answers */
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.stalled_us, 7000000);
    h = held_take(w, 0);
    result(w, &h, true);
    commit_all(w);
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.stalled_us, 0);
    world_end(w);
}

static void
a_returned_task_waits_for_its_time_and_costs_nothing(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    given_out(w, 50);
    for (int i = 0; i < 10; i++) {
        h = held_take(w, 0);
        give_back(w, &h, 500);
        w->now_us += 499999;
        publish(w);
        assert_int_equal(w->n_held, 0);
        w->now_us += 1;
        assert_true(engine_due_us(w->e) <= w->now_us);
        publish(w);
        assert_int_equal(w->n_held, 1);
        assert_false(w->held[0].alone);
    }
    assert_int_equal(counters(w).dead, 0);
    world_end(w);
}

static void
a_late_result_is_salvaged_and_the_newer_attempt_cancelled(void **state)
{
    struct world *w = given_bench(1);
    struct held old;

    (void)state;
    given_out(w, 50);
    old = held_take(w, 0);
    lose(w, &old, LOST_LINK, 1);
    publish(w);
    assert_int_equal(w->n_held, 1);
    assert_int_equal(w->held[0].attempt, 2);
    result(w, &old, true);
    drain(w);
    assert_int_equal(w->cancelled, 1);
    assert_int_equal(counters(w).salvaged, 1);
    commit_all(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    world_end(w);
}

static void
only_refused_tasks_give_their_grant_back(void **state)
{
    struct world *w = given_bench(10);
    struct msg_have have = {.job = JOB};
    const uint32_t seven = 7;
    struct msg_refused full = {.code = msg_text("FULL"), .job = JOB};
    uint64_t ids[4];

    (void)state;
    given_out(w, 4);
    for (int i = 0; i < 4; i++) {
        ids[i] = w->held[i].task;
    }
    w->n_held = 0;
    full.tasks = (struct msg_u64s){ids, 4};
    engine_on_refused(w->e, 0, &full, w->now_us);
    check(w);
    publish(w);
    assert_int_equal(w->n_held, 0); /* not at once: it said FULL */
    w->now_us = engine_due_us(w->e);
    publish(w);
    assert_int_equal(w->n_held, 4);
    have.tasks = (struct msg_u64s){ids, 4};
    have.attempts = (struct msg_u32s){&seven, 1};
    engine_on_have(w->e, 0, &have);
    check(w);
    publish(w);
    assert_int_equal(w->n_held, 4);
    w->held[0].attempt = 7; /* the attempt in force is the broker's now */
    lose(w, &w->held[0], LOST_LINK, 1);
    assert_int_equal(counters(w).stale_lost, 0);
    world_end(w);
}

static void
a_higher_owner_stops_everything(void **state)
{
    struct world *w = given_bench(10);
    struct msg_refused stale = {
        .code = msg_text("STALE"), .job = JOB, .owner = OWNER + 1};

    (void)state;
    attach(w, 0);
    engine_on_refused(w->e, 0, &stale, w->now_us);
    grant(w, 0, 10);
    publish(w);
    assert_true(engine_stale(w->e));
    assert_int_equal(w->n_held, 0);
    world_end(w);
}

static void
results_of_other_jobs_and_broken_batches_are_refused(void **state)
{
    struct world *w = given_bench(10);
    uint32_t zero = 0, len = 64;
    uint64_t id = 0;
    struct msg_results r = {.job = JOB + 1,
                            .owner = OWNER,
                            .worker = 1,
                            .seq = 1,
                            .tasks = {&id, 1},
                            .attempts = {&zero, 1},
                            .statuses = {&zero, 1},
                            .lens = {&len, 1}};
    uint8_t text[64] = {0};
    struct co_bytes none = {0}, body = co_bytes_borrow(text, 64);

    (void)state;
    attach(w, 0);
    assert_int_equal(engine_on_results(w->e, 0, &r, none, body, 0),
                     CO_PROTOCOL);
    r.job = JOB;
    assert_int_equal(engine_on_results(w->e, 0, &r, none, none, 0),
                     CO_PROTOCOL);
    r.worker = 0; /* only the journal may say that */
    assert_int_equal(engine_on_results(w->e, 0, &r, none, body, 0),
                     CO_PROTOCOL);
    assert_int_equal(counters(w).foreign, 1);
    assert_int_equal(counters(w).malformed, 2);
    check(w);
    world_end(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            nothing_is_published_before_a_broker_is_attached_and_grants),
        cmocka_unit_test(an_ack_comes_after_the_commit_and_not_before),
        cmocka_unit_test(a_returned_task_waits_for_its_time_and_costs_nothing),
        cmocka_unit_test(
            a_late_result_is_salvaged_and_the_newer_attempt_cancelled),
        cmocka_unit_test(a_task_of_hours_is_published_once),
        cmocka_unit_test(a_job_that_moves_nowhere_says_so_and_for_how_long),
        cmocka_unit_test(only_refused_tasks_give_their_grant_back),
        cmocka_unit_test(a_higher_owner_stops_everything),
        cmocka_unit_test(results_of_other_jobs_and_broken_batches_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
