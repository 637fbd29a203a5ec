/* Workers that die, leave, fall silent and come back: who hears of it, and what
 * becomes of their tasks and of results that they keep. */
#include "tests/unit/dispatch_world.h"

/* An owner, and a worker that has the first n tasks. */
static void
given_worker_with(struct world *w, uint32_t n)
{
    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, n);
}

/* Until it is given up; its owner is not. */
static void
worker_is_silent(struct world *w)
{
    for (int i = 0; i < 6; i++) {
        beats(w, FRONT, BOSS, 0, 0);
        passes(w, 1000);
    }
}

/* HELLO of a process that may have been here before, perhaps on another link.
 */
static void
greets(struct world *w, uint64_t peer, uint64_t incarnation,
       struct msg_hello hello)
{
    hello.version = PROTO_VERSION;
    hello.role = ROLE_WORKER;
    hello.incarnation = incarnation;
    hello.name = msg_text("again");
    hello.fingerprint = FP;
    sends(w, BACK, peer, (struct msg){.type = MSG_hello, .hello = hello});
}

/* Its INVENTORY of one page, all in one state. */
static void
names(struct world *w, uint64_t peer, const uint64_t *tasks, uint32_t n,
      uint32_t state)
{
    const uint64_t job = JOB;
    const uint32_t one = 1;

    sends(w, BACK, peer,
          (struct msg){.type = MSG_inventory,
                       .inventory = {.pages = 1,
                                     .jobs = {&job, 1},
                                     .tasks = {tasks, n},
                                     .attempts = {&one, 1},
                                     .states = {&state, 1}}});
}

/* A worker tells of so many tasks, until the broker asks which. */
static void
beats_until_asked(struct world *w, uint32_t held, uint64_t key)
{
    for (int i = 0; i < 9 && !finds(w, BACK, W1, MSG_inventory_get); i++) {
        passes(w, 1000);
        beats(w, FRONT, BOSS, 0, 0);
        beats(w, BACK, W1, held, key);
    }
}

static void
tasks_of_a_silent_worker_are_lost_with_cause_and_neighbours(void **state)
{
    struct world *w = *state;
    const struct msg *m;

    given_worker_with(w, 4);
    worker_is_silent(w);
    m = expect(w, FRONT, BOSS, MSG_lost);
    assert_int_equal(m->lost.cause, LOST_SILENT);
    assert_int_equal(m->lost.tasks.n, 4);
    assert_int_equal(m->lost.neighbours, 4);
    assert_int_equal(m->lost.worker, 1000 + W1);
    assert_int_equal(dispatch_totals(w->d).workers, 0);
}

static void
owners_hear_of_a_dead_worker_that_comes_back_and_of_what_it_holds(void **state)
{
    struct world *w = *state;
    uint64_t held[] = {0, 3};
    const struct msg *m;

    given_worker_with(w, 4);
    worker_is_silent(w);
    (void)expect(w, FRONT, BOSS, MSG_lost);
    expect_none(w, FRONT, BOSS, MSG_revived);
    forget_past(w);
    greets(w, W2, 1000 + W1, (struct msg_hello){.held_count = 2});
    assert_int_equal(expect(w, FRONT, BOSS, MSG_revived)->revived.worker,
                     1000 + W1);
    names(w, W2, held, 2, HELD_RUNNING);
    m = expect(w, FRONT, BOSS, MSG_inventory);
    assert_int_equal(m->inventory.tasks.n, 2);
    assert_int_equal(m->inventory.tasks.v[1], 3);
    assert_int_equal(dispatch_counts(w->d)->workers_revived, 1);
}

/* The broker that gave it up was killed: its successor cannot know. */
static void
owners_hear_of_a_worker_that_another_broker_may_have_given_up(void **state)
{
    struct world *w = *state;
    const struct msg_hello second = {.greeting = 2};

    greets(w, W1, 1000 + W1, second); /* before its owner, */
    given_worker(w, W2, 10);          /* one that greets for the first time, */
    given_owner(w);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_revived)->revived.worker,
                     1000 + W1);
    forget_past(w);
    attaches(w, BOSS, JOB, OWNER, PRIORITY_MEDIUM); /* just compares */
    expect_none(w, FRONT, BOSS, MSG_revived);
    greets(w, W2 + 1, 1, second); /* and behind it */
    assert_int_equal(expect(w, FRONT, BOSS, MSG_revived)->revived.worker, 1);
}

/* A broker that has long been there knows whom it gave up. */
static void
owners_hear_of_no_worker_that_is_new_after_the_settling(void **state)
{
    struct world *w = *state;
    const struct msg_hello second = {.greeting = 2};

    greets(w, W1, 1000 + W1, second); /* in time, */
    w->now += w->limits.settle_ms;
    given_owner(w); /* which is of no interest any more */
    greets(w, W1 + 1, 1, second);
    expect_none(w, FRONT, BOSS, MSG_revived);
    assert_int_equal(dispatch_counts(w->d)->workers_revived, 1);
}

static void
the_end_of_a_draining_worker_is_no_death(void **state)
{
    struct world *w = *state;

    given_worker_with(w, 2);
    sends(w, BACK, W1, (struct msg){.type = MSG_drain});
    dispatch_on_unroutable(w->d, SIDE_BACK, W1, w->now, &w->out);
    passes(w, 1500);
    passes(w, 500);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_lost)->lost.cause, LOST_DRAIN);
}

static void
a_worker_that_leaves_with_tasks_loses_them_by_drain(void **state)
{
    struct world *w = *state;

    given_worker_with(w, 2);
    sends(w, BACK, W1, (struct msg){.type = MSG_bye});
    assert_int_equal(expect(w, FRONT, BOSS, MSG_lost)->lost.cause, LOST_DRAIN);
}

static void
an_unroutable_worker_may_come_back_with_what_it_holds(void **state)
{
    struct world *w = *state;
    uint64_t held[] = {0, 1};

    given_worker_with(w, 3);
    dispatch_on_unroutable(w->d, SIDE_BACK, W1, w->now, &w->out);
    passes(w, 500);
    expect_none(w, FRONT, BOSS, MSG_lost);
    forget_past(w);
    /* A new link, the same incarnation; task 2 never arrived there. */
    greets(w, W2, 1000 + W1, (struct msg_hello){.held_count = 2});
    (void)expect(w, BACK, W2, MSG_welcome);
    names(w, W2, held, 2, HELD_RUNNING);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_lost)->lost.tasks.v[0], 2);
    assert_int_equal(w->got.lost.cause, LOST_LINK);
    assert_int_equal(dispatch_totals(w->d).in_flight, 2);
}

static void
an_unroutable_worker_that_stays_away_is_dead_soon(void **state)
{
    struct world *w = *state;

    given_worker_with(w, 3);
    dispatch_on_unroutable(w->d, SIDE_BACK, W1, w->now, &w->out);
    passes(w, 1600);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_lost)->lost.cause,
                     LOST_WORKER_DEAD);
}

/* A spill that was damaged: no INVENTORY may name these as done any more. */
static void
a_kept_result_that_is_given_back_is_not_kept(void **state)
{
    struct world *w = *state;
    uint64_t both[] = {0, 1};
    uint32_t one = 1;

    given_worker_with(w, 2);
    sends(w, FRONT, BOSS, (struct msg){.type = MSG_bye});
    finishes(w, W1, 1, 0, 2, 1);
    sends(w, BACK, W1,
          (struct msg){.type = MSG_returned,
                       .returned = {.job = JOB,
                                    .tasks = {both, 2},
                                    .attempts = {&one, 1},
                                    .reason = RETURN_FULL}});
    hello(w, FRONT, 2, 0);
    attaches(w, 2, JOB, OWNER + 1, PRIORITY_MEDIUM);
    assert_int_equal(expect(w, FRONT, 2, MSG_attached)->attached.held, 0);
}

/* The successor was told that the worker has them; it must hear that the worker
 * took them with it. */
static void
results_that_went_with_their_worker_are_lost_to_the_successor(void **state)
{
    struct world *w = *state;

    given_worker_with(w, 2);
    sends(w, FRONT, BOSS, (struct msg){.type = MSG_bye});
    finishes(w, W1, 1, 0, 2, 1);
    hello(w, FRONT, 2, 0);
    attaches(w, 2, JOB, OWNER + 1, PRIORITY_MEDIUM);
    dispatch_on_unroutable(w->d, SIDE_BACK, W1, w->now, &w->out);
    passes(w, 1600);
    assert_int_equal(expect(w, FRONT, 2, MSG_lost)->lost.tasks.n, 2);
    assert_int_equal(w->got.lost.cause, LOST_LINK);
}

/* Its spill was damaged, and the RETURNED that said so went with the link. */
static void
a_kept_result_that_does_not_come_again_is_lost_at_the_next_inventory(
    void **state)
{
    struct world *w = *state;
    const uint64_t kept[] = {0, 1};

    given_worker_with(w, 2);
    finishes(w, W1, 1, 0, 1, 1);
    finishes(w, W1, 2, 1, 1, 1);
    hello(w, BACK, W1, 2);
    names(w, W1, kept, 2, HELD_DONE);
    finishes(w, W1, 1, 0, 1, 1); /* and not the second */
    beats_until_asked(w, 1, msg_held_key(JOB, 0, 1));
    forget_past(w);
    names(w, W1, kept, 1, HELD_DONE);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_lost)->lost.tasks.n, 1);
    assert_int_equal(w->got.lost.tasks.v[0], 1);
    assert_int_equal(dispatch_counts(w->d)->inventory_missing, 1);
}

/* Answers INVENTORY_GET with tasks 0 .. n - 1, one a page, as done. */
static void
names_done(struct world *w, uint32_t n)
{
    const uint64_t job = JOB;
    const uint32_t one = 1;
    const uint32_t done = HELD_DONE;

    for (uint64_t task = 0; task < n; task++) {
        sends(w, BACK, W1,
              (struct msg){.type = MSG_inventory,
                           .inventory = {.page = (uint32_t)task,
                                         .pages = n,
                                         .jobs = {&job, 1},
                                         .tasks = {&task, 1},
                                         .attempts = {&one, 1},
                                         .states = {&done, 1}}});
    }
}

/* A slow link takes minutes to bring them again. */
static void
kept_results_that_an_inventory_names_are_not_lost(void **state)
{
    struct world *w = *state;

    given_worker_with(w, 4);
    finishes(w, W1, 1, 0, 1, 1);
    finishes(w, W1, 2, 1, 1, 1);
    finishes(w, W1, 3, 2, 2, 1);
    hello(w, BACK, W1, 4);
    names_done(w, 4);
    beats_until_asked(w, 4, 4711);
    forget_past(w);
    names_done(w, 2); /* all but the last batch */
    assert_int_equal(expect(w, FRONT, BOSS, MSG_lost)->lost.tasks.n, 2);
    assert_int_equal(w->got.lost.tasks.v[0], 2);
    assert_int_equal(dispatch_counts(w->d)->inventory_missing, 2);
    expect_none(w, FRONT, BOSS, MSG_lost);
}

static void
a_difference_in_two_beats_leads_to_an_inventory_that_repairs(void **state)
{
    struct world *w = *state;
    uint64_t jobs[] = {JOB, JOB};
    uint64_t held[] = {1, 9};
    uint32_t one = 1;

    given_worker_with(w, 2); /* the worker will say that it has 1 and 9 */
    beats_until_asked(w, 2, 4711);
    assert_int_equal(dispatch_counts(w->d)->inventory_asked, 1);
    sends(w, BACK, W1,
          (struct msg){.type = MSG_inventory,
                       .inventory = {.page = 0,
                                     .pages = 1,
                                     .jobs = {jobs, 2},
                                     .tasks = {held, 2},
                                     .attempts = {&one, 1}}});
    assert_int_equal(expect(w, FRONT, BOSS, MSG_lost)->lost.tasks.v[0], 0);
    assert_int_equal(dispatch_counts(w->d)->inventory_adopted, 1);
    /* From now on beats agree. */
    forget_past(w);
    for (int i = 0; i < 9; i++) {
        passes(w, 1000);
        beats(w, FRONT, BOSS, 0, 0);
        beats(w, BACK, W1, 2,
              msg_held_key(JOB, 1, 1) ^ msg_held_key(JOB, 9, 1));
    }
    expect_none(w, BACK, W1, MSG_inventory_get);
}

static void
results_without_an_owner_are_kept_by_the_worker(void **state)
{
    struct world *w = *state;

    given_worker_with(w, 2);
    sends(w, FRONT, BOSS, (struct msg){.type = MSG_bye});
    finishes(w, W1, 1, 0, 2, 1);
    assert_int_equal(expect(w, BACK, W1, MSG_no_owner)->no_owner.seqs.v[0], 1);
    /* The successor is told of them, and the worker to send again. */
    hello(w, FRONT, 2, 0);
    attaches(w, 2, JOB, OWNER + 1, PRIORITY_MEDIUM);
    assert_int_equal(expect(w, FRONT, 2, MSG_inventory)->inventory.states.v[0],
                     HELD_DONE);
    assert_int_equal(expect(w, FRONT, 2, MSG_attached)->attached.held, 2);
    w->read = 0;
    (void)expect(w, BACK, W1, MSG_owner_attached);
    finishes(w, W1, 1, 0, 2, 1);
    (void)expect(w, FRONT, 2, MSG_results);
}

static void
results_that_the_broker_knows_nothing_of_are_passed_on(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 0);
    finishes(w, W1, 1, 500, 2, 1);
    (void)expect(w, FRONT, BOSS, MSG_results);
    assert_int_equal(dispatch_counts(w->d)->results_unknown, 2);
}

int
main(void)
{
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(tasks_of_a_silent_worker_are_lost_with_cause_and_neighbours),
        T(owners_hear_of_a_dead_worker_that_comes_back_and_of_what_it_holds),
        T(owners_hear_of_a_worker_that_another_broker_may_have_given_up),
        T(owners_hear_of_no_worker_that_is_new_after_the_settling),
        T(the_end_of_a_draining_worker_is_no_death),
        T(a_worker_that_leaves_with_tasks_loses_them_by_drain),
        T(an_unroutable_worker_may_come_back_with_what_it_holds),
        T(an_unroutable_worker_that_stays_away_is_dead_soon),
        T(a_kept_result_that_is_given_back_is_not_kept),
        T(results_that_went_with_their_worker_are_lost_to_the_successor),
        T(a_kept_result_that_does_not_come_again_is_lost_at_the_next_inventory),
        T(kept_results_that_an_inventory_names_are_not_lost),
        T(a_difference_in_two_beats_leads_to_an_inventory_that_repairs),
        T(results_without_an_owner_are_kept_by_the_worker),
        T(results_that_the_broker_knows_nothing_of_are_passed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
