/* test_engine_brokers.c - brokers that go, come back, compare what they hold
 * with the engine and ask for grants they gave. */
#include "engine_world.h"

static void
suspects_are_out_by_one_broker_at_a_time(void **state)
{
    struct world *w = given_bench(2);
    struct held one, two;

    (void)state;
    attach(w, 0);
    attach(w, 1);
    grant(w, 0, 50);
    grant(w, 1, 50);
    publish(w);
    one = held_take(w, 0);
    two = held_take(w, 0);
    lose(w, &one, LOST_WORKER_DEAD, 2);
    lose(w, &two, LOST_WORKER_DEAD, 2);
    publish(w);
    assert_int_equal(w->n_held, 2);
    assert_true(w->held[0].alone && w->held[1].alone);
    assert_int_equal(w->held[0].link, w->held[1].link);
    world_end(w);
}

static void
a_task_of_a_lost_link_may_turn_up_at_another(void **state)
{
    struct world *w = given_bench(1);

    (void)state;
    given_out(w, 5);
    engine_on_link_down(w->e, 0, w->now_us);
    inventory(w, 1, w->held[0].task);
    attach(w, 1);
    check(w);
    w->now_us += 5000000;
    publish(w); /* nothing of link 0 is left to be published again */
    assert_int_equal(counters(w).published, 1);
    world_end(w);
}

static void
an_older_attempt_in_an_inventory_holds_nothing(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    given_out(w, 5);
    h = held_take(w, 0);
    lose(w, &h, LOST_LINK, 1);
    publish(w);
    assert_int_equal(held_take(w, 0).attempt, 2);
    engine_on_link_down(w->e, 0, w->now_us);
    inventory(w, 0, h.task); /* attempt 1: all that the new broker heard of */
    given_broker(w, 0, 5);
    publish(w);
    assert_int_equal(w->n_held, 1);
    assert_int_equal(w->held[0].attempt, 3);
    world_end(w);
}

/* It stood at a worker since an earlier owner, and took the place of ours. */
static void
the_loss_of_a_higher_attempt_is_a_loss(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    given_out(w, 5);
    h = held_take(w, 0);
    h.attempt = 2;
    lose(w, &h, LOST_LINK, 1);
    publish(w);
    assert_int_equal(w->n_held, 1);
    assert_int_equal(w->held[0].attempt, 3);
    world_end(w);
}

static void
what_only_a_broken_attachment_named_is_published_again(void **state)
{
    struct world *w = given_bench(1);

    (void)state;
    inventory(w, 0, 0);
    engine_on_link_down(w->e, 0, w->now_us);
    check(w);
    attach(w, 0); /* this time without an INVENTORY */
    grant(w, 0, 5);
    publish(w);
    assert_int_equal(w->n_held, 1);
    world_end(w);
}

static void
a_task_that_its_broker_lost_in_silence_is_found_and_sent_again(void **state)
{
    struct world *w = given_bench(2);

    (void)state;
    given_out(w, 5);
    assert_int_equal(w->n_held, 2);
    w->now_us += 29000000;
    assert_int_equal(engine_next_compare(w->e, w->now_us), ENGINE_LINKS_MAX);
    w->now_us += 1000000;
    assert_int_equal(engine_next_compare(w->e, w->now_us), 0);
    assert_int_equal(engine_next_compare(w->e, w->now_us), ENGINE_LINKS_MAX);
    inventory(w, 0, w->held[0].task); /* the other one is not named */
    given_broker(w, 0, 5);
    publish(w);
    assert_int_equal(w->n_held, 3);
    assert_int_equal(w->held[2].task, w->held[1].task);
    assert_int_equal(w->held[2].attempt, 2);
    assert_int_equal(counters(w).reconciled, 1);
    assert_int_equal(counters(w).compared, 1);
    world_end(w);
}

static void
unused_grants_are_given_back_when_reclaimed(void **state)
{
    struct world *w = given_bench(100);
    struct msg_reclaim r = {
        .service = msg_text("noop"), .count = 50, .job = JOB};

    (void)state;
    given_broker(w, 0, 40);
    engine_on_reclaim(w->e, 0, &r);
    check(w);
    publish(w);
    assert_int_equal(w->n_held, 0);
    grant(w, 0, 1);
    publish(w);
    assert_int_equal(w->n_held, 1);
    world_end(w);
}

/* The broker counts anew from the ATTACH that is on its way; it would take the
 * answer for one about the new count. */
static void
a_reclaim_of_an_earlier_attachment_is_not_answered(void **state)
{
    struct world *w = given_bench(100);
    struct msg_reclaim r = {
        .service = msg_text("noop"), .count = 30, .job = JOB};

    (void)state;
    given_broker(w, 0, 40);
    engine_on_link_down(w->e, 0, w->now_us);
    grant(w, 0, 40); /* was said before it saw the ATTACH, as the next */
    w->out.n = 0;
    engine_on_reclaim(w->e, 0, &r);
    assert_int_equal(w->out.n, 0);
    check(w);
    world_end(w);
}

/* To compare is to attach anew. */
static void
a_reclaim_from_before_a_comparison_is_not_answered(void **state)
{
    struct world *w = given_bench(100);
    struct msg_reclaim r = {
        .service = msg_text("noop"), .count = 30, .job = JOB};

    (void)state;
    given_out(w, 40);
    w->now_us += 40LL * 1000 * 1000;
    assert_int_equal(engine_next_compare(w->e, w->now_us), 0);
    grant(w, 0, 80);
    w->out.n = 0;
    engine_on_reclaim(w->e, 0, &r);
    assert_int_equal(w->out.n, 0);
    attach(w, 0);
    grant(w, 0, 40);
    engine_on_reclaim(w->e, 0, &r);
    assert_int_equal(w->out.n, 1);
    check(w);
    world_end(w);
}

static void
a_broker_that_comes_back_is_asked_what_it_still_holds(void **state)
{
    struct world *w = given_bench(10);
    struct msg_inventory inv = {.page = 0, .pages = 1};
    uint64_t ids[2] = {0 << 8, 3 << 8};
    uint32_t one = 1;

    (void)state;
    given_out(w, 10);
    assert_int_equal(w->n_held, 10);
    w->n_held = 0;
    engine_on_link_down(w->e, 0, w->now_us);
    check(w);
    inv.tasks = (struct msg_u64s){ids, 2};
    inv.attempts = (struct msg_u32s){&one, 1};
    engine_on_inventory(w->e, 0, &inv, w->now_us);
    check(w);
    given_broker(w, 0, 20);
    publish(w);
    assert_int_equal(w->n_held, 8);
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(w->held[i].task != ids[0] && w->held[i].task != ids[1]);
    }
    world_end(w);
}

static void
a_broker_that_restarted_gets_again_what_no_worker_claims_in_a_second(
    void **state)
{
    struct world *w = given_bench(20);
    struct msg_attached a = {.job = JOB, .owner = OWNER, .settle_ms = 15000};

    (void)state;
    given_out(w, 10);
    assert_int_equal(w->n_held, 10);
    w->n_held = 0;
    engine_on_link_down(w->e, 0, w->now_us);
    w->granted[0] = 0;
    engine_on_attached(w->e, 0, &a, w->now_us); /* it knows of nothing */
    grant(w, 0, 30);
    publish(w);
    assert_int_equal(w->n_held, 10); /* new ones need not wait */
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(w->held[i].task >= 10 << 8);
    }
    inventory(w, 0, 3 << 8); /* a worker is back */
    w->now_us += 1000000 - 1;
    publish(w);
    assert_int_equal(w->n_held, 10);
    w->now_us += 250001;
    publish(w);
    assert_int_equal(w->n_held, 19);
    for (uint32_t i = 10; i < 19; i++) {
        assert_int_not_equal(w->held[i].task, 3 << 8);
        assert_int_equal(w->held[i].attempt, 2);
    }
    world_end(w);
}

static void
tasks_of_a_broker_that_stays_away_go_to_another(void **state)
{
    struct world *w = given_bench(10);

    (void)state;
    given_out(w, 10);
    given_broker(w, 1, 20);
    w->n_held = 0;
    engine_on_link_down(w->e, 0, w->now_us);
    publish(w);
    assert_int_equal(w->n_held, 0);
    w->now_us = engine_due_us(w->e);
    publish(w);
    assert_int_equal(w->n_held, 10);
    assert_int_equal(w->held[0].link, 1);
    world_end(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suspects_are_out_by_one_broker_at_a_time),
        cmocka_unit_test(a_task_of_a_lost_link_may_turn_up_at_another),
        cmocka_unit_test(an_older_attempt_in_an_inventory_holds_nothing),
        cmocka_unit_test(the_loss_of_a_higher_attempt_is_a_loss),
        cmocka_unit_test(
            what_only_a_broken_attachment_named_is_published_again),
        cmocka_unit_test(
            a_task_that_its_broker_lost_in_silence_is_found_and_sent_again),
        cmocka_unit_test(unused_grants_are_given_back_when_reclaimed),
        cmocka_unit_test(a_reclaim_of_an_earlier_attachment_is_not_answered),
        cmocka_unit_test(a_reclaim_from_before_a_comparison_is_not_answered),
        cmocka_unit_test(a_broker_that_comes_back_is_asked_what_it_still_holds),
        cmocka_unit_test(
            a_broker_that_restarted_gets_again_what_no_worker_claims_in_a_second),
        cmocka_unit_test(tasks_of_a_broker_that_stays_away_go_to_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
