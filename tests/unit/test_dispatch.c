/* What the broker promises about tasks: who gets them, once, and who hears
 * what became of them. */
#include "tests/unit/dispatch_world.h"

static void
a_batch_that_fits_is_passed_on_as_it_came(void **state)
{
    struct world *w = *state;
    const struct msg *m;

    given_owner(w);
    given_worker(w, W1, 100);
    publishes(w, 256, 64);
    m = expect(w, BACK, W1, MSG_tasks);
    assert_int_equal(m->tasks.tasks.n, 64);
    assert_int_equal(m->tasks.tasks.v[63], 256 + 63);
    assert_int_equal(w->out.v[w->read - 1].body.len, 64 * 8);
    assert_int_equal(dispatch_counts(w->d)->split, 0);
}

static void
a_batch_larger_than_the_credit_is_cut_without_losing_payload(void **state)
{
    struct world *w = *state;
    const struct msg *m;
    uint64_t payload;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 25);
    m = expect(w, BACK, W1, MSG_tasks);
    assert_int_equal(m->tasks.tasks.n, 10);
    grants(w, W1, "noop", 100);
    m = expect(w, BACK, W1, MSG_tasks);
    assert_int_equal(m->tasks.tasks.n, 15);
    assert_int_equal(m->tasks.tasks.v[0], 10);
    memcpy(&payload, w->out.v[w->read - 1].body.data, sizeof payload);
    assert_int_equal(payload, 10);
}

static void
single_tasks_that_wait_are_merged_into_one_message(void **state)
{
    struct world *w = *state;
    const struct msg *m;
    uint64_t payload;

    given_owner(w);
    for (uint64_t i = 0; i < 50; i++) {
        publishes(w, i, 1);
    }
    given_worker(w, W1, 100);
    m = expect(w, BACK, W1, MSG_tasks);
    assert_int_equal(m->tasks.tasks.n, 50);
    memcpy(&payload, w->out.v[w->read - 1].body.data + (size_t)49 * 8, 8);
    assert_int_equal(payload, 49);
    assert_int_equal(dispatch_counts(w->d)->merged, 49);
}

static void
work_is_spread_over_workers_with_free_credit(void **state)
{
    struct world *w = *state;

    given_owner(w);
    for (uint64_t i = 0; i < 40; i++) {
        publishes(w, i, 1);
    }
    hello(w, BACK, W1, 0);
    hello(w, BACK, W2, 0);
    /* Both grants are in before the core hands out anything more. */
    grants(w, W1, "other", 1);
    grants(w, W2, "other", 1);
    w->granted[W1] = w->granted[W2] = 0;
    grants(w, W1, "noop", 20);
    grants(w, W2, "noop", 100);
    assert_int_equal(tasks_sent(w, W1), 20);
    assert_int_equal(tasks_sent(w, W2), 20);
}

static void
credit_of_a_worker_is_never_exceeded(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 7);
    publishes(w, 0, 60);
    assert_int_equal(tasks_sent(w, W1), 7);
    finishes(w, W1, 1, 0, 7, 1);
    assert_int_equal(tasks_sent(w, W1), 7); /* a result is not a grant */
    grants(w, W1, "noop", 3);
    assert_int_equal(tasks_sent(w, W1), 10);
}

static void
a_result_is_passed_on_and_its_acknowledgement_goes_back(void **state)
{
    struct world *w = *state;
    uint64_t seq = 1;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 3);
    finishes(w, W1, 1, 0, 3, 1);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_results)->results.tasks.n, 3);
    assert_int_equal(dispatch_totals(w->d).in_flight, 0);
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_ack,
                       .ack = {.job = JOB,
                               .owner = OWNER,
                               .worker = 1000 + W1,
                               .seqs = {&seq, 1}}});
    assert_int_equal(expect(w, BACK, W1, MSG_ack)->ack.seqs.v[0], 1);
}

static void
a_task_published_again_is_answered_have(void **state)
{
    struct world *w = *state;

    given_owner(w);
    publishes(w, 0, 4);
    publishes(w, 2, 4); /* 2 and 3 are known */
    assert_int_equal(expect(w, FRONT, BOSS, MSG_have)->have.tasks.n, 2);
    assert_int_equal(w->got.have.tasks.v[0], 2);
    given_worker(w, W1, 100);
    assert_int_equal(tasks_sent(w, W1), 6);
}

static void
a_higher_attempt_replaces_a_queued_one(void **state)
{
    struct world *w = *state;
    struct msg m;
    uint32_t two = 2;

    given_owner(w);
    publishes(w, 0, 4);
    m = tasks_msg(w, JOB, 1, 1);
    m.tasks.attempts = (struct msg_u32s){&two, 1};
    publishes_as(w, BOSS, m);
    given_worker(w, W1, 100);
    assert_int_equal(tasks_sent(w, W1), 4);
    assert_int_equal(dispatch_counts(w->d)->replaced, 1);
    publishes(w, 1, 1); /* the lower one again */
    assert_int_equal(expect(w, FRONT, BOSS, MSG_have)->have.attempts.v[0], 2);
}

static void
a_higher_attempt_of_a_running_task_cancels_it_and_is_queued(void **state)
{
    struct world *w = *state;
    struct msg m;
    uint32_t two = 2;

    given_owner(w);
    given_worker(w, W1, 1);
    publishes(w, 0, 1);
    m = tasks_msg(w, JOB, 0, 1);
    m.tasks.attempts = (struct msg_u32s){&two, 1};
    publishes_as(w, BOSS, m);
    assert_int_equal(expect(w, BACK, W1, MSG_cancel)->cancel.tasks.v[0], 0);
    finishes(w, W1, 1, 0, 1, 1); /* the late result is passed on all the same */
    (void)expect(w, FRONT, BOSS, MSG_results);
    assert_int_equal(dispatch_totals(w->d).queued, 1);
    grants(w, W1, "noop", 1);
    assert_int_equal(expect(w, BACK, W1, MSG_tasks)->tasks.attempts.v[0], 2);
}

static void
a_cancelled_task_in_the_queue_is_returned_and_never_sent(void **state)
{
    struct world *w = *state;
    uint64_t which[] = {1, 2, 50};

    given_owner(w);
    publishes(w, 0, 4);
    sends(w, FRONT, BOSS,
          (struct msg){
              .type = MSG_cancel,
              .cancel = {.job = JOB, .owner = OWNER, .tasks = {which, 3}}});
    assert_int_equal(expect(w, FRONT, BOSS, MSG_returned)->returned.tasks.n, 2);
    assert_int_equal(dispatch_counts(w->d)->cancel_unknown, 1);
    given_worker(w, W1, 100);
    assert_int_equal(tasks_sent(w, W1), 2);
}

/* The cancelled batch stands behind one that is sent: nothing of it may stay.
 */
static void
a_queue_that_was_emptied_keeps_no_bytes(void **state)
{
    struct world *w = *state;
    uint64_t which = 2;

    given_owner(w);
    publishes(w, 0, 2);
    publishes(w, 2, 1);
    sends(w, FRONT, BOSS,
          (struct msg){
              .type = MSG_cancel,
              .cancel = {.job = JOB, .owner = OWNER, .tasks = {&which, 1}}});
    given_worker(w, W1, 2);
    assert_int_equal(tasks_sent(w, W1), 2);
    assert_int_equal(dispatch_totals(w->d).queued_bytes, 0);
}

static void
a_running_task_is_cancelled_at_its_worker(void **state)
{
    struct world *w = *state;
    uint64_t which = 0;

    given_owner(w);
    given_worker(w, W1, 1);
    publishes(w, 0, 1);
    sends(w, FRONT, BOSS,
          (struct msg){
              .type = MSG_cancel,
              .cancel = {.job = JOB, .owner = OWNER, .tasks = {&which, 1}}});
    assert_int_equal(expect(w, BACK, W1, MSG_cancel)->cancel.unsent, 0);
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_cancel,
                       .cancel = {.job = JOB,
                                  .owner = OWNER,
                                  .tasks = {&which, 1},
                                  .unsent = 1}});
    assert_int_equal(expect(w, BACK, W1, MSG_cancel)->cancel.unsent, 1);
    assert_int_equal(dispatch_totals(w->d).in_flight, 1);
}

static void
tasks_of_a_silent_worker_are_lost_with_cause_and_neighbours(void **state)
{
    struct world *w = *state;
    const struct msg *m;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 4);
    for (int i = 0; i < 6; i++) {
        beats(w, FRONT, BOSS, 0, 0);
        passes(w, 1000);
    }
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
    uint64_t job = JOB;
    uint64_t held[] = {0, 3};
    uint32_t one = 1;
    uint32_t running = HELD_RUNNING;
    const struct msg *m;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 4);
    for (int i = 0; i < 6; i++) {
        beats(w, FRONT, BOSS, 0, 0);
        passes(w, 1000);
    }
    (void)expect(w, FRONT, BOSS, MSG_lost);
    expect_none(w, FRONT, BOSS, MSG_revived);
    forget_past(w);
    sends(w, BACK, W2,
          (struct msg){.type = MSG_hello,
                       .hello = {.version = PROTO_VERSION,
                                 .role = ROLE_WORKER,
                                 .incarnation = 1000 + W1,
                                 .name = msg_text("again"),
                                 .fingerprint = FP,
                                 .held_count = 2}});
    assert_int_equal(expect(w, FRONT, BOSS, MSG_revived)->revived.worker,
                     1000 + W1);
    sends(w, BACK, W2,
          (struct msg){.type = MSG_inventory,
                       .inventory = {.page = 0,
                                     .pages = 1,
                                     .jobs = {&job, 1},
                                     .tasks = {held, 2},
                                     .attempts = {&one, 1},
                                     .states = {&running, 1}}});
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
    struct msg again = {.type = MSG_hello,
                        .hello = {.version = PROTO_VERSION,
                                  .role = ROLE_WORKER,
                                  .incarnation = 1000 + W1,
                                  .name = msg_text("again"),
                                  .greeting = 2,
                                  .fingerprint = FP}};

    sends(w, BACK, W1, again); /* before its owner, */
    given_worker(w, W2, 10);   /* one that greets for the first time, */
    given_owner(w);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_revived)->revived.worker,
                     1000 + W1);
    forget_past(w);
    attaches(w, BOSS, JOB, OWNER, PRIORITY_MEDIUM); /* just compares */
    expect_none(w, FRONT, BOSS, MSG_revived);
    again.hello.incarnation = 1;
    sends(w, BACK, W2 + 1, again); /* and behind it */
    assert_int_equal(expect(w, FRONT, BOSS, MSG_revived)->revived.worker, 1);
}

/* A broker that has long been there knows whom it gave up. */
static void
owners_hear_of_no_worker_that_is_new_after_the_settling(void **state)
{
    struct world *w = *state;
    struct msg late = {.type = MSG_hello,
                       .hello = {.version = PROTO_VERSION,
                                 .role = ROLE_WORKER,
                                 .incarnation = 1000 + W1,
                                 .name = msg_text("late"),
                                 .greeting = 2,
                                 .fingerprint = FP}};

    sends(w, BACK, W1, late); /* in time, */
    w->now += w->limits.settle_ms;
    given_owner(w); /* which is of no interest any more */
    late.hello.incarnation = 1;
    sends(w, BACK, W1 + 1, late);
    expect_none(w, FRONT, BOSS, MSG_revived);
    assert_int_equal(dispatch_counts(w->d)->workers_revived, 1);
}

static void
the_end_of_a_draining_worker_is_no_death(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 2);
    sends(w, BACK, W1, (struct msg){.type = MSG_drain});
    dispatch_on_unroutable(w->d, SIDE_BACK, W1, w->now, &w->out);
    passes(w, 1500);
    passes(w, 500);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_lost)->lost.cause, LOST_DRAIN);
}

static void
a_task_of_hours_stays_with_the_worker_that_beats(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 1);
    publishes(w, 0, 1);
    for (int second = 0; second < 3 * 3600; second++) {
        beats(w, FRONT, BOSS, 0, 0);
        beats(w, BACK, W1, 1, msg_held_key(JOB, 0, 1));
        passes(w, 1000);
        expect_none(w, FRONT, BOSS, MSG_lost);
        forget_past(w);
    }
    assert_int_equal(dispatch_totals(w->d).in_flight, 1);
    assert_int_equal(dispatch_counts(w->d)->tasks_out, 1);
}

static void
a_task_that_waits_too_long_for_a_worker_goes_back(void **state)
{
    struct world *w = *state;
    uint64_t tasks[] = {7, 8};
    uint32_t one = 1;
    uint32_t none = 0;

    given_owner(w);
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_tasks,
                       .tasks = {.job = JOB,
                                 .owner = OWNER,
                                 .service = msg_text("noop"),
                                 .tasks = {tasks, 2},
                                 .attempts = {&one, 1},
                                 .lens = {&none, 1},
                                 .wait_ms = 3000}});
    assert_int_equal(dispatch_totals(w->d).queued, 2);
    passes(w, 2900);
    assert_int_equal(dispatch_totals(w->d).queued, 2);
    passes(w, 200);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_returned)->returned.reason,
                     RETURN_LIMIT);
    assert_int_equal(w->got.returned.tasks.n, 2);
    assert_int_equal(dispatch_totals(w->d).queued, 0);
    assert_int_equal(dispatch_counts(w->d)->waited_out, 2);
}

static void
a_worker_that_leaves_with_tasks_loses_them_by_drain(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 2);
    sends(w, BACK, W1, (struct msg){.type = MSG_bye});
    assert_int_equal(expect(w, FRONT, BOSS, MSG_lost)->lost.cause, LOST_DRAIN);
}

static void
an_unroutable_worker_may_come_back_with_what_it_holds(void **state)
{
    struct world *w = *state;
    uint64_t job = JOB;
    uint64_t held[] = {0, 1};
    uint32_t one = 1;
    uint32_t running = HELD_RUNNING;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 3);
    dispatch_on_unroutable(w->d, SIDE_BACK, W1, w->now, &w->out);
    passes(w, 500);
    expect_none(w, FRONT, BOSS, MSG_lost);
    forget_past(w);
    /* A new link, the same incarnation; task 2 never arrived there. */
    sends(w, BACK, W2,
          (struct msg){.type = MSG_hello,
                       .hello = {.version = PROTO_VERSION,
                                 .role = ROLE_WORKER,
                                 .incarnation = 1000 + W1,
                                 .name = msg_text("again"),
                                 .fingerprint = FP,
                                 .held_count = 2}});
    (void)expect(w, BACK, W2, MSG_welcome);
    sends(w, BACK, W2,
          (struct msg){.type = MSG_inventory,
                       .inventory = {.page = 0,
                                     .pages = 1,
                                     .jobs = {&job, 1},
                                     .tasks = {held, 2},
                                     .attempts = {&one, 1},
                                     .states = {&running, 1}}});
    assert_int_equal(expect(w, FRONT, BOSS, MSG_lost)->lost.tasks.v[0], 2);
    assert_int_equal(w->got.lost.cause, LOST_LINK);
    assert_int_equal(dispatch_totals(w->d).in_flight, 2);
}

static void
an_unroutable_worker_that_stays_away_is_dead_soon(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 3);
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

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 2);
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

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 2);
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
    const uint64_t job = JOB;
    const uint64_t kept[] = {0, 1};
    const uint32_t one = 1;
    const uint32_t done = HELD_DONE;
    struct msg page = {.type = MSG_inventory,
                       .inventory = {.pages = 1,
                                     .jobs = {&job, 1},
                                     .tasks = {kept, 2},
                                     .attempts = {&one, 1},
                                     .states = {&done, 1}}};

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 2);
    finishes(w, W1, 1, 0, 1, 1);
    finishes(w, W1, 2, 1, 1, 1);
    hello(w, BACK, W1, 2);
    sends(w, BACK, W1, page);
    finishes(w, W1, 1, 0, 1, 1); /* and not the second */
    page.inventory.tasks.n = 1;
    for (int i = 0; i < 9 && !finds(w, BACK, W1, MSG_inventory_get); i++) {
        passes(w, 1000);
        beats(w, FRONT, BOSS, 0, 0);
        beats(w, BACK, W1, 1, msg_held_key(JOB, 0, 1));
    }
    forget_past(w);
    sends(w, BACK, W1, page);
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

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 4);
    finishes(w, W1, 1, 0, 1, 1);
    finishes(w, W1, 2, 1, 1, 1);
    finishes(w, W1, 3, 2, 2, 1);
    hello(w, BACK, W1, 4);
    names_done(w, 4);
    for (int i = 0; i < 9 && !finds(w, BACK, W1, MSG_inventory_get); i++) {
        passes(w, 1000);
        beats(w, FRONT, BOSS, 0, 0);
        beats(w, BACK, W1, 4, 4711);
    }
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

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 2); /* the worker will say that it has 1 and 9 */
    for (int i = 0; i < 9 && !finds(w, BACK, W1, MSG_inventory_get); i++) {
        passes(w, 1000);
        beats(w, FRONT, BOSS, 0, 0);
        beats(w, BACK, W1, 2, 4711);
    }
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

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 2);
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
the_total_time_runs_on_while_tasks_wait(void **state)
{
    struct world *w = *state;
    struct msg m;

    given_owner(w);
    m = tasks_msg(w, JOB, 0, 2);
    m.tasks.total_ms = 1000;
    publishes_as(w, BOSS, m);
    passes(w, 400);
    m = tasks_msg(w, JOB, 2, 2); /* younger: not joined */
    m.tasks.total_ms = 1000;
    publishes_as(w, BOSS, m);
    given_worker(w, W1, 100);
    assert_int_equal(expect(w, BACK, W1, MSG_tasks)->tasks.total_ms, 600);
    assert_int_equal(expect(w, BACK, W1, MSG_tasks)->tasks.total_ms, 1000);
    assert_int_equal(tasks_sent(w, W1), 4);
}

static void
tasks_whose_time_ran_out_in_the_queue_go_on_with_the_least_time(void **state)
{
    struct world *w = *state;
    struct msg m;

    given_owner(w);
    m = tasks_msg(w, JOB, 0, 2);
    m.tasks.total_ms = 1000;
    publishes_as(w, BOSS, m);
    passes(w, 2000);
    given_worker(w, W1, 100);
    assert_int_equal(expect(w, BACK, W1, MSG_tasks)->tasks.total_ms, 1);
}

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

/* ---- keys ---------------------------------------------------------------- */

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
        T(a_batch_that_fits_is_passed_on_as_it_came),
        T(a_batch_larger_than_the_credit_is_cut_without_losing_payload),
        T(single_tasks_that_wait_are_merged_into_one_message),
        T(work_is_spread_over_workers_with_free_credit),
        T(credit_of_a_worker_is_never_exceeded),
        T(a_result_is_passed_on_and_its_acknowledgement_goes_back),
        T(a_task_published_again_is_answered_have),
        T(a_higher_attempt_replaces_a_queued_one),
        T(a_higher_attempt_of_a_running_task_cancels_it_and_is_queued),
        T(a_cancelled_task_in_the_queue_is_returned_and_never_sent),
        T(a_queue_that_was_emptied_keeps_no_bytes),
        T(a_running_task_is_cancelled_at_its_worker),
        T(tasks_of_a_silent_worker_are_lost_with_cause_and_neighbours),
        T(owners_hear_of_a_dead_worker_that_comes_back_and_of_what_it_holds),
        T(owners_hear_of_a_worker_that_another_broker_may_have_given_up),
        T(owners_hear_of_no_worker_that_is_new_after_the_settling),
        T(the_end_of_a_draining_worker_is_no_death),
        T(a_task_of_hours_stays_with_the_worker_that_beats),
        T(a_task_that_waits_too_long_for_a_worker_goes_back),
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
        T(a_lower_owner_number_is_stale_everywhere),
        T(detach_makes_everybody_forget_the_job),
        T(a_recipe_of_a_forgotten_job_is_asked_in_vain_and_no_more),
        T(the_total_time_runs_on_while_tasks_wait),
        T(tasks_whose_time_ran_out_in_the_queue_go_on_with_the_least_time),
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
