/* test_engine_losses.c - what a loss or a failure means: who is a suspect, on
 * trial, guilty, and who lives. */
#include "engine_world.h"

static void
only_the_death_of_its_worker_counts_against_a_task(void **state)
{
    static const uint32_t free_causes[] = {LOST_LINK, LOST_DRAIN, LOST_BROKER};
    struct world *w = given_personas(250, 0, 1);
    struct held h;

    (void)state;
    given_broker(w, 0, 1000);
    for (int i = 0; i < 30; i++) {
        publish(w);
        h = held_take(w, 0);
        lose(w, &h, free_causes[i % 3], 1);
    }
    assert_int_equal(counters(w).lost_charged, 0);
    assert_int_equal(counters(w).halved, 0);
    publish(w);
    assert_false(w->held[0].alone);
    h = held_take(w, 0);
    lose(w, &h, LOST_WORKER_DEAD, 3);
    publish(w);
    assert_true(w->held[0].alone); /* at once, but alone */
    h = held_take(w, 0);
    lose(w, &h, LOST_WORKER_DEAD, 1);
    assert_int_equal(counters(w).halved, 1);
    world_end(w);
}

static void
tasks_of_a_worker_that_held_many_are_suspect_only_when_a_second_one_dies(
    void **state)
{
    struct world *w = given_personas(250, 0, 1);
    struct held h;

    (void)state;
    given_out(w, 1000);
    h = held_take(w, 0);
    lose(w, &h, LOST_SILENT, 5);
    publish(w);
    assert_int_equal(counters(w).lost_charged, 1);
    assert_false(w->held[0].alone);
    h = held_take(w, 0);
    lose(w, &h, LOST_SILENT, 5);
    publish(w);
    assert_int_equal(counters(w).halved, 1);
    assert_true(w->held[0].alone);
    world_end(w);
}

static void
one_row_that_kills_workers_is_found_and_only_it_dies(void **state)
{
    const uint64_t guilty = 777;
    struct world *w = given_personas(1000, 0, 1);
    int64_t first_lone = 0, death = 0;
    uint32_t crashes = 0;

    (void)state;
    given_broker(w, 0, 100000);
    for (int turn = 0; turn < 2000 && !engine_done(w->e); turn++) {
        publish(w);
        while (w->n_held) {
            struct held h = held_take(w, 0);
            uint64_t end = h.range.start + h.range.count;

            if (guilty < h.range.start || guilty >= end) {
                result(w, &h, true);
                continue;
            }
            if (h.range.count == 1 && !first_lone) first_lone = w->now_us;
            crashes++;
            lose(w, &h, LOST_WORKER_DEAD, h.alone ? 1 : 4);
        }
        commit_all(w);
        seal_all(w);
        if (counters(w).dead && !death) death = w->now_us;
        w->now_us += 500000;
    }
    assert_int_equal(engine_done(w->e), KIND_DONE);
    assert_int_equal(ledger(w).dead, 1);
    assert_int_equal(ledger(w).accepted, 1000);
    assert_true(death - first_lone > 10000000);
    assert_in_range(crashes, 9, 13);
    world_end(w);
}

/* Publishes until the one task is out, and takes it off the model. */
static struct held
next_out(struct world *w)
{
    publish(w);
    while (!w->n_held) {
        assert_true(engine_due_us(w->e) > w->now_us);
        w->now_us = engine_due_us(w->e);
        publish(w);
        if (counters(w).dead) break;
    }
    return held_take(w, 0);
}

/* The one task of a bench job as a suspect with one lone loss. */
static struct held
given_lone_loss(struct world *w, uint32_t cause)
{
    struct held h;

    attach(w, 0);
    grant(w, 0, 50);
    h = next_out(w);
    lose(w, &h, cause, 2);
    h = next_out(w);
    assert_true(h.alone);
    lose(w, &h, cause, 1);
    return h;
}

static bool
is_dead(struct world *w)
{
    publish(w);
    commit_all(w);
    return counters(w).dead == 1;
}

static void
two_lone_deaths_are_on_trial_before_the_row_dies(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    given_lone_loss(w, LOST_WORKER_DEAD);
    h = next_out(w);
    lose(w, &h, LOST_WORKER_DEAD, 1);
    w->now_us += 14999999;
    assert_false(is_dead(w));
    w->now_us += 1;
    assert_true(is_dead(w));
    assert_int_equal(counters(w).excused, 0);
    world_end(w);
}

static void
silent_workers_are_waited_for_a_minute(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    given_lone_loss(w, LOST_SILENT);
    h = next_out(w);
    lose(w, &h, LOST_SILENT, 1);
    w->now_us += 59999999;
    assert_false(is_dead(w));
    w->now_us += 1;
    assert_true(is_dead(w));
    world_end(w);
}

/* A worker that was only cut off sends what it has, sooner or later. */
static void
a_row_lives_when_a_worker_that_looked_dead_is_heard_again(void **state)
{
    struct world *w = given_bench(2);
    struct held suspect, other;

    (void)state;
    given_out(w, 50);
    suspect = held_take(w, 0);
    other = held_take(w, 0);
    lose(w, &suspect, LOST_SILENT, 2);
    suspect = next_out(w);
    other.worker = suspect.worker; /* its result was on the way */
    lose(w, &suspect, LOST_SILENT, 1);
    suspect = next_out(w);
    lose(w, &suspect, LOST_SILENT, 1);
    result(w, &other, true); /* the first of the two is heard */
    w->now_us += 60000000;
    assert_false(is_dead(w));
    assert_int_equal(counters(w).excused, 1);
    suspect = next_out(w);
    result(w, &suspect, true);
    commit_all(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    world_end(w);
}

static void
a_row_lives_when_its_attempt_is_found_at_the_worker(void **state)
{
    struct world *w = given_bench(1);
    struct held h, back;
    const uint32_t running = HELD_RUNNING;
    struct msg_inventory i = {.pages = 1, .states = {&running, 1}};

    (void)state;
    given_lone_loss(w, LOST_WORKER_DEAD);
    h = next_out(w);
    lose(w, &h, LOST_WORKER_DEAD, 1); /* now on trial */
    i.tasks = (struct msg_u64s){&h.task, 1};
    i.attempts = (struct msg_u32s){&h.attempt, 1};
    engine_on_inventory(w->e, 0, &i, w->now_us);
    check(w);
    w->now_us += 100000000;
    assert_false(is_dead(w));
    assert_int_equal(w->n_held, 0); /* it runs there: not published again */
    back = h;
    result(w, &back, true);
    commit_all(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    world_end(w);
}

/* Hundreds of workers go while a row is on trial: who they were, and whether
 * they were heard again, is not remembered for ever. */
static void
a_row_lives_when_what_speaks_against_it_was_forgotten(void **state)
{
    struct world *w = given_bench(1);
    struct msg_lost lost = {
        .job = JOB, .cause = LOST_WORKER_DEAD, .neighbours = 1};
    struct held h;

    (void)state;
    given_lone_loss(w, LOST_WORKER_DEAD);
    h = next_out(w);
    lose(w, &h, LOST_WORKER_DEAD, 1);
    w->now_us += 5000000;
    for (uint64_t worker = 1; worker <= 400; worker++) {
        lost.worker = worker << 32;
        engine_on_lost(w->e, 0, &lost, w->now_us);
    }
    w->now_us += 100000000;
    assert_false(is_dead(w));
    assert_int_equal(counters(w).excused, 2);
    assert_true(counters(w).forgotten > 0);
    world_end(w);
}

/* Waits until that task is out again. */
static struct held
held_wait(struct world *w, uint64_t task)
{
    for (int seconds = 0; seconds < 100; seconds++) {
        publish(w);
        for (uint32_t i = 0; i < w->n_held; i++) {
            if (w->held[i].task == task) return held_take(w, i);
        }
        w->now_us += 1000000;
    }
    fail_msg("task %llx is not published again", (unsigned long long)task);
    return (struct held){0};
}

/* The host or the network was it, not the row. */
static void
a_lone_loss_does_not_count_when_others_go_at_the_same_moment(void **state)
{
    struct world *w = given_bench(20);
    struct held suspect, other;

    (void)state;
    given_out(w, 50);
    suspect = held_take(w, 0);
    lose(w, &suspect, LOST_WORKER_DEAD, 2);
    for (int i = 0; i < 6; i++) {
        suspect = held_wait(w, suspect.task);
        lose(w, &suspect, LOST_WORKER_DEAD, 1);
        w->now_us += 1000000;
        other = held_take(w, 0); /* another one each time */
        lose(w, &other, LOST_WORKER_DEAD, 100);
    }
    w->now_us += 100000000;
    publish(w);
    assert_int_equal(counters(w).dead, 0);
    assert_int_equal(counters(w).excused, 5);
    world_end(w);
}

static void
a_half_dies_after_three_failures_of_its_own(void **state)
{
    struct world *w = given_personas(250, 0, 1);
    uint32_t failures = 0;

    (void)state;
    given_broker(w, 0, 10000);
    for (int turn = 0; turn < 4000 && !counters(w).dead; turn++) {
        publish(w);
        while (w->n_held) {
            struct held h = held_take(w, 0);
            bool guilty = h.range.start == 0;

            if (guilty && h.range.count == 1) failures++;
            result(w, &h, !guilty);
        }
        commit_all(w);
        w->now_us += 200000;
    }
    assert_int_equal(counters(w).dead, 1);
    assert_int_equal(failures, 3);
    world_end(w);
}

static void
a_failing_row_dies_after_three_failures_with_back_off(void **state)
{
    struct world *w = given_bench(1);
    int64_t start;
    struct held h;

    (void)state;
    given_broker(w, 0, 50);
    start = w->now_us;
    for (int i = 0; i < 3; i++) {
        publish(w);
        while (!w->n_held) {
            assert_true(engine_due_us(w->e) > w->now_us);
            w->now_us = engine_due_us(w->e);
            publish(w);
        }
        h = held_take(w, 0);
        result(w, &h, false);
    }
    assert_int_equal(w->now_us - start, 300000);
    commit_all(w);
    assert_int_equal(counters(w).dead, 1);
    assert_int_equal(engine_done(w->e), KIND_PARTIAL);
    world_end(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_death_of_its_worker_counts_against_a_task),
        cmocka_unit_test(
            tasks_of_a_worker_that_held_many_are_suspect_only_when_a_second_one_dies),
        cmocka_unit_test(one_row_that_kills_workers_is_found_and_only_it_dies),
        cmocka_unit_test(two_lone_deaths_are_on_trial_before_the_row_dies),
        cmocka_unit_test(silent_workers_are_waited_for_a_minute),
        cmocka_unit_test(
            a_row_lives_when_a_worker_that_looked_dead_is_heard_again),
        cmocka_unit_test(a_row_lives_when_its_attempt_is_found_at_the_worker),
        cmocka_unit_test(a_row_lives_when_what_speaks_against_it_was_forgotten),
        cmocka_unit_test(
            a_lone_loss_does_not_count_when_others_go_at_the_same_moment),
        cmocka_unit_test(a_half_dies_after_three_failures_of_its_own),
        cmocka_unit_test(a_failing_row_dies_after_three_failures_with_back_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
