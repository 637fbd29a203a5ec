/* Whom the broker serves: versions, incarnations, owners, fingerprints and
 * keys; and when it gives nobody up. */
#include "tests/unit/dispatch_world.h"

static void
a_lower_owner_number_is_stale_everywhere(void **state)
{
    struct world *w = *state;
    uint64_t x = 1;

    given_owner(w);
    hello(w, FRONT, 2, 0);
    attaches(w, 2, JOB, OWNER + 1, PRIORITY_MEDIUM);
    expect_refused(w, FRONT, BOSS, "STALE"); /* the one before is told */
    publishes(w, 0, 1);
    expect_refused(w, FRONT, BOSS, "STALE");
    sends(
        w, FRONT, BOSS,
        (struct msg){
            .type = MSG_ack,
            .ack = {.job = JOB, .owner = OWNER, .worker = 1, .seqs = {&x, 1}}});
    expect_refused(w, FRONT, BOSS, "STALE");
    sends(
        w, FRONT, BOSS,
        (struct msg){.type = MSG_cancel,
                     .cancel = {.job = JOB, .owner = OWNER, .tasks = {&x, 1}}});
    expect_refused(w, FRONT, BOSS, "STALE");
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_detach,
                       .detach = {.job = JOB, .owner = OWNER}});
    expect_refused(w, FRONT, BOSS, "STALE");
    attaches(w, BOSS, JOB, OWNER, PRIORITY_MEDIUM);
    expect_refused(w, FRONT, BOSS, "STALE");
    assert_int_equal(w->got.refused.owner, OWNER + 1);
}

static void
detach_makes_everybody_forget_the_job(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 2);
    publishes(w, 0, 5);
    finishes(w, W1, 1, 0, 1, 1);
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_detach,
                       .detach = {.job = JOB, .owner = OWNER}});
    (void)expect(w, BACK, W1, MSG_forget);
    assert_int_equal(dispatch_totals(w->d).jobs, 0);
    assert_int_equal(dispatch_totals(w->d).queued, 0);
    assert_int_equal(dispatch_totals(w->d).in_flight, 0);
    /* A straggler is told once more. */
    finishes(w, W1, 2, 1, 1, 1);
    (void)expect(w, BACK, W1, MSG_forget);
}

/* FORGET would end its tasks and results of other brokers too. */
static void
a_recipe_of_a_forgotten_job_is_asked_in_vain_and_no_more(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 2);
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_detach,
                       .detach = {.job = JOB, .owner = OWNER}});
    forget_past(w);
    sends(w, BACK, W1,
          (struct msg){.type = MSG_need,
                       .need = {.job = JOB, .hash = 5, .worker = 1000 + W1}});
    assert_int_equal(expect(w, BACK, W1, MSG_no_owner)->no_owner.job, JOB);
    assert_int_equal(dispatch_counts(w->d)->need_no_owner, 1);
    w->read = 0;
    expect_none(w, BACK, W1, MSG_forget);
}

static void
tasks_go_only_to_workers_with_the_same_fingerprint(void **state)
{
    struct world *w = *state;
    struct msg m;

    given_owner(w);
    given_worker(w, W1, 100);
    m = tasks_msg(w, JOB, 0, 2);
    m.tasks.fingerprint = FP + 1;
    publishes_as(w, BOSS, m);
    assert_int_equal(tasks_sent(w, W1), 0);
    m = tasks_msg(w, JOB, 10, 2);
    m.tasks.fingerprint = FP;
    publishes_as(w, BOSS, m);
    assert_int_equal(tasks_sent(w, W1), 0); /* behind those of the other */
    assert_int_equal(dispatch_totals(w->d).queued, 4);
}

static void
an_unknown_peer_is_asked_who_it_is(void **state)
{
    struct world *w = *state;

    grants(w, W1, "noop", 5);
    (void)expect(w, BACK, W1, MSG_who);
    grants(w, W1, "noop", 5); /* not again at once */
    expect_none(w, BACK, W1, MSG_who);
    hello(w, BACK, W1, 0);
    (void)expect(w, BACK, W1, MSG_welcome);
}

static void
wrong_versions_roles_and_places_are_refused(void **state)
{
    struct world *w = *state;

    sends(w, BACK, W1,
          (struct msg){.type = MSG_hello,
                       .hello = {.version = 2,
                                 .role = ROLE_WORKER,
                                 .incarnation = 1,
                                 .name = msg_text("x")}});
    expect_refused(w, BACK, W1, "VERSION");
    sends(w, BACK, W1,
          (struct msg){.type = MSG_hello,
                       .hello = {.version = 1,
                                 .role = ROLE_COORDINATOR,
                                 .incarnation = 1,
                                 .name = msg_text("x")}});
    expect_refused(w, BACK, W1, "DENIED");
    given_worker(w, W1, 1);
    sends(w, BACK, W1,
          (struct msg){.type = MSG_detach, .detach = {.job = JOB, .owner = 9}});
    expect_refused(w, BACK, W1, "DENIED");
    assert_int_equal(dispatch_counts(w->d)->misplaced, 1);
}

static void
results_with_another_workers_incarnation_are_refused(void **state)
{
    struct world *w = *state;
    uint64_t task = 0;
    uint32_t zero = 0;

    given_owner(w);
    given_worker(w, W1, 1);
    sends(w, BACK, W1,
          (struct msg){.type = MSG_results,
                       .results = {.job = JOB,
                                   .owner = OWNER,
                                   .worker = 1,
                                   .seq = 1,
                                   .tasks = {&task, 1},
                                   .attempts = {&zero, 1},
                                   .statuses = {&zero, 1},
                                   .lens = {&zero, 1}}});
    expect_refused(w, BACK, W1, "MISMATCH");
    expect_none(w, FRONT, BOSS, MSG_results);
}

static void
assets_travel_between_worker_and_owner(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 1);
    sends(w, BACK, W1,
          (struct msg){.type = MSG_need,
                       .need = {.job = JOB, .hash = 5, .worker = 1000 + W1}});
    (void)expect(w, FRONT, BOSS, MSG_need);
    sends(
        w, FRONT, BOSS,
        (struct msg){
            .type = MSG_blob,
            .blob = {.job = JOB, .hash = 5, .worker = 1000 + W1, .total = 3}});
    (void)expect(w, BACK, W1, MSG_blob);
}

static void
a_draining_worker_gets_nothing_more(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 100);
    sends(w, BACK, W1, (struct msg){.type = MSG_drain});
    publishes(w, 0, 5);
    assert_int_equal(tasks_sent(w, W1), 0);
}

static void
a_loop_that_stood_still_gives_nobody_up(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 10);
    w->now += 60000;
    dispatch_tick(w->d, w->now, &w->out);
    assert_int_equal(dispatch_totals(w->d).workers, 1);
}

static uint32_t
settle_ms_at_attach(struct world *w)
{
    given_owner(w);
    return expect(w, FRONT, BOSS, MSG_attached)->attached.settle_ms;
}

static void
a_young_broker_lets_more_time_pass_the_more_peers_it_knows(void **state)
{
    struct world *w = *state;

    assert_int_equal(settle_ms_at_attach(w), 15000);
    for (uint64_t i = 0; i < 1499; i++) { /* and the owner */
        hello(w, BACK, 100 + i, 0);
    }
    forget_past(w);
    assert_int_equal(settle_ms_at_attach(w), 16000);
    w->now += 16000;
    forget_past(w);
    assert_int_equal(settle_ms_at_attach(w), 0);
}

/* W2's link says HELLO with the incarnation of W1. */
static void
claims_to_be_w1(struct world *w)
{
    sends(w, BACK, W2,
          (struct msg){.type = MSG_hello,
                       .hello = {.version = PROTO_VERSION,
                                 .role = ROLE_WORKER,
                                 .incarnation = 1000 + W1,
                                 .name = msg_text("p"),
                                 .fingerprint = FP}});
}

static void
an_incarnation_comes_back_only_with_the_key_it_came_with(void **state)
{
    struct world *w = *state;

    given_owner(w);
    w->key = 1;
    given_worker(w, W1, 10);
    publishes(w, 0, 3);
    w->key = 2;
    claims_to_be_w1(w);
    expect_refused(w, BACK, W2, "DENIED");
    assert_int_equal(dispatch_counts(w->d)->refused_identity, 1);
    assert_int_equal(dispatch_totals(w->d).in_flight, 3);
    w->key = 1;
    finishes(w, W1, 1, 0, 3, 1); /* the true one goes on */
    (void)expect(w, FRONT, BOSS, MSG_results);
    claims_to_be_w1(w); /* on a new link */
    (void)expect(w, BACK, W2, MSG_welcome);
    assert_int_equal(dispatch_counts(w->d)->workers_rebound, 1);
}

static bool
not_the_second(const void *ctx, enum side side, uint64_t key)
{
    (void)ctx;
    (void)side;
    return key != 2;
}

static void
peers_whose_key_is_taken_away_lose_all_and_the_rest_nothing(void **state)
{
    struct world *w = *state;
    const struct msg *m;

    w->key = 1;
    given_owner(w);
    w->key = 2;
    given_worker(w, W1, 10);
    publishes(w, 0, 3);
    w->key = 3;
    given_worker(w, W2, 10);
    publishes(w, 3, 2);
    dispatch_drop_keys(w->d, not_the_second, NULL, w->now, &w->out);
    world_check(w);
    m = expect(w, FRONT, BOSS, MSG_lost);
    assert_int_equal(m->lost.tasks.n, 3);
    assert_int_equal(m->lost.cause, LOST_LINK);
    assert_int_equal(dispatch_counts(w->d)->peers_revoked, 1);
    assert_int_equal(dispatch_totals(w->d).workers, 1);
    w->key = 2;
    forget_past(w);
    grants(w, W1, "noop", 10); /* it goes on talking */
    (void)expect(w, BACK, W1, MSG_who);
    assert_int_equal(tasks_sent(w, W1), 0);
}

static void
an_owner_whose_key_is_taken_away_leaves_its_job_to_another(void **state)
{
    struct world *w = *state;

    w->key = 2;
    given_owner(w);
    dispatch_drop_keys(w->d, not_the_second, NULL, w->now, &w->out);
    world_check(w);
    assert_int_equal(dispatch_totals(w->d).owners, 0);
    w->key = 1;
    hello(w, FRONT, BOSS + 1, 0);
    attaches(w, BOSS + 1, JOB, OWNER + 1, PRIORITY_MEDIUM);
    (void)expect(w, FRONT, BOSS + 1, MSG_attached);
}

static void
a_piece_of_a_large_message_is_a_sign_of_life(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 10);
    for (int i = 0; i < 8; i++) {
        passes(w, w->limits.dead_ms / 2);
        dispatch_on_life(w->d, SIDE_BACK, W1, w->now);
        dispatch_on_life(w->d, SIDE_FRONT, BOSS, w->now);
    }
    assert_int_equal(dispatch_totals(w->d).workers, 1);
    assert_int_equal(dispatch_totals(w->d).owners, 1);
    dispatch_on_life(w->d, SIDE_BACK, W2, w->now); /* unknown: nothing */
}

int
main(void)
{
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(a_lower_owner_number_is_stale_everywhere),
        T(detach_makes_everybody_forget_the_job),
        T(a_recipe_of_a_forgotten_job_is_asked_in_vain_and_no_more),
        T(tasks_go_only_to_workers_with_the_same_fingerprint),
        T(an_unknown_peer_is_asked_who_it_is),
        T(wrong_versions_roles_and_places_are_refused),
        T(results_with_another_workers_incarnation_are_refused),
        T(assets_travel_between_worker_and_owner),
        T(a_draining_worker_gets_nothing_more),
        T(a_young_broker_lets_more_time_pass_the_more_peers_it_knows),
        T(a_loop_that_stood_still_gives_nobody_up),
        T(an_incarnation_comes_back_only_with_the_key_it_came_with),
        T(peers_whose_key_is_taken_away_lose_all_and_the_rest_nothing),
        T(an_owner_whose_key_is_taken_away_leaves_its_job_to_another),
        T(a_piece_of_a_large_message_is_a_sign_of_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
