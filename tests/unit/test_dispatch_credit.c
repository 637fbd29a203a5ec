/* Credit, shares and limits: nobody sends more than he may, nobody starves,
 * and every bound is a visible refusal. */
#include "tests/unit/dispatch_world.h"

/* What the owner may still send, by the CREDITs it was sent. */
static uint64_t
granted_to(struct world *w, uint64_t peer, uint64_t job)
{
    uint64_t granted = 0;

    for (size_t i = 0; i < w->out.n; i++) {
        struct outmsg *o = &w->out.v[i];
        struct msg m;

        if (o->side != FRONT || o->peer != peer) continue;
        assert_int_equal(msg_decode(&w->reader, o->head.data, o->head.len, &m),
                         CO_OK);
        if (m.type != MSG_credit || m.credit.job != job) continue;
        assert_true(m.credit.granted > granted);
        granted = m.credit.granted;
    }
    return granted;
}

static void
repeats(struct world *w, uint64_t job, uint64_t task)
{
    static const uint32_t two = 2;
    struct msg m = tasks_msg(w, job, task, 1);

    m.tasks.attempts = (struct msg_u32s){&two, 1};
    publishes_as(w, BOSS, m);
}

/* What the next grant of one task brings. */
static uint64_t
next_given(struct world *w)
{
    forget_past(w);
    grants(w, W1, "noop", 1);
    return expect(w, BACK, W1, MSG_tasks)->tasks.tasks.v[0];
}

static void
a_repetition_goes_before_what_its_job_has_waiting(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 0);
    publishes(w, 0, 10);
    publishes(w, 10, 10);
    repeats(w, JOB, 100);
    repeats(w, JOB, 101);
    assert_int_equal(next_given(w), 100);
    repeats(w, JOB, 102);
    assert_int_equal(next_given(w), 101); /* among them, in their order */
    assert_int_equal(next_given(w), 102);
    assert_int_equal(next_given(w), 0);
    repeats(w, JOB, 103); /* a batch that was begun waits too */
    assert_int_equal(next_given(w), 103);
    assert_int_equal(next_given(w), 1);
    assert_int_equal(dispatch_counts(w->d)->put_ahead, 4);
}

static void
repetitions_without_end_do_not_stop_what_waits_in_its_turn(void **state)
{
    struct world *w = *state;
    uint32_t passed = 0;

    given_owner(w);
    given_worker(w, W1, 0);
    publishes(w, 0, 1);
    publishes(w, 1, 1);
    for (uint64_t task = 1000; task < 1010; task++) {
        repeats(w, JOB, task);
    }
    for (uint64_t task = 1010; next_given(w) != 0; task++) {
        passed++;
        repeats(w, JOB, task);
        assert_true(passed < 100);
    }
    assert_int_equal(passed, 64);
    assert_int_equal(next_given(w), 1); /* and those behind come in turn */
}

/* A job before all others in the band has a task that no worker can take. */
static void
given_job_that_never_fits(struct world *w)
{
    struct msg m = tasks_msg(w, JOB + 2, 0, 1);

    hello(w, FRONT, BOSS, 0);
    attaches(w, BOSS, JOB + 2, OWNER, PRIORITY_MEDIUM);
    m.tasks.fingerprint = FP + 1;
    publishes_as(w, BOSS, m);
}

/* Two jobs publish single tasks of that cost, one of them attempts with that
 * number; credit comes by one. How many of the first `of` are of that job. */
static uint32_t
served_of_two_jobs(struct world *w, uint32_t cost, uint32_t attempt,
                   uint32_t of)
{
    uint32_t ours = 0;

    given_owner(w);
    attaches(w, BOSS, JOB + 1, OWNER, PRIORITY_MEDIUM);
    given_worker(w, W1, 0);
    for (uint64_t task = 0; task < 30; task++) {
        struct msg m = tasks_msg(w, JOB + 1, task, 1);

        m.tasks.cost = cost;
        publishes_as(w, BOSS, m);
        m = tasks_msg(w, JOB, task, 1);
        m.tasks.cost = cost;
        m.tasks.attempts = (struct msg_u32s){&attempt, 1};
        publishes_as(w, BOSS, m);
    }
    for (uint32_t i = 0; i < of; i++) {
        (void)next_given(w);
        ours += w->got.tasks.job == JOB;
    }
    return ours;
}

static void
repetitions_of_a_job_take_nothing_from_another(void **state)
{
    assert_in_range(served_of_two_jobs(*state, 1000, 2, 40), 18, 22);
}

static void
jobs_get_equal_shares_of_credit_that_comes_by_one(void **state)
{
    assert_in_range(served_of_two_jobs(*state, 700, 1, 40), 18, 22);
}

static void
a_job_that_never_fits_leaves_the_shares_of_others_equal(void **state)
{
    given_job_that_never_fits(*state);
    assert_in_range(served_of_two_jobs(*state, 1000, 1, 20), 8, 12);
}

static void
a_passed_task_that_waits_too_long_goes_back(void **state)
{
    struct world *w = *state;
    struct msg m;

    given_owner(w);
    m = tasks_msg(w, JOB, 7, 1);
    m.tasks.wait_ms = 3000;
    publishes_as(w, BOSS, m);
    m = tasks_msg(w, JOB, 8, 1);
    m.tasks.wait_ms = 3000;
    publishes_as(w, BOSS, m);
    passes(w, 2000);
    repeats(w, JOB, 9);
    passes(w, 1200);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_returned)->returned.tasks.v[0],
                     7);
    assert_int_equal(expect(w, FRONT, BOSS, MSG_returned)->returned.tasks.v[0],
                     8);
    assert_int_equal(dispatch_totals(w->d).queued, 1);
    given_worker(w, W1, 0);
    assert_int_equal(next_given(w), 9);
}

static void
an_owner_gets_a_first_window_when_it_attaches(void **state)
{
    struct world *w = *state;

    given_owner(w);
    assert_int_equal(granted_to(w, BOSS, JOB), 64);
}

static void
the_window_follows_the_workers(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 100);
    assert_int_equal(granted_to(w, BOSS, JOB), 400);
    given_worker(w, W2, 60000);
    assert_int_equal(granted_to(w, BOSS, JOB), 16384);
}

static void
more_tasks_than_credit_are_refused_and_listed(void **state)
{
    struct world *w = *state;

    given_owner(w);
    publishes(w, 0, 65);
    expect_refused(w, FRONT, BOSS, "FULL");
    assert_int_equal(w->got.refused.tasks.n, 65);
    assert_int_equal(dispatch_totals(w->d).queued, 0);
    publishes(w, 0, 64); /* a refused message used no credit */
    assert_int_equal(dispatch_totals(w->d).queued, 64);
    publishes(w, 64, 1);
    expect_refused(w, FRONT, BOSS, "FULL");
    assert_int_equal(dispatch_counts(w->d)->refused_credit, 66);
}

static void
a_result_frees_the_owners_credit(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 16);
    publishes(w, 0, 64);
    assert_int_equal(granted_to(w, BOSS, JOB), 64);
    finishes(w, W1, 1, 0, 16, 1);
    assert_int_equal(granted_to(w, BOSS, JOB), 80);
}

static void
jobs_of_a_service_share_its_window(void **state)
{
    struct world *w = *state;

    given_worker(w, W1, 100);
    given_owner(w);
    assert_int_equal(granted_to(w, BOSS, JOB), 400);
    attaches(w, BOSS, JOB + 1, OWNER, PRIORITY_MEDIUM);
    assert_int_equal(granted_to(w, BOSS, JOB + 1), 200);
    /* The first has more than its share now and is asked for the rest. */
    assert_int_equal(expect(w, FRONT, BOSS, MSG_reclaim)->reclaim.count, 200);
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_reclaimed,
                       .reclaimed = {.service = msg_text("noop"),
                                     .returned = 200,
                                     .job = JOB}});
    publishes(w, 0, 201);
    expect_refused(w, FRONT, BOSS, "FULL");
    publishes(w, 0, 200);
    assert_int_equal(dispatch_counts(w->d)->tasks_in, 200);
}

static void
an_owner_cannot_return_what_it_has_not(void **state)
{
    struct world *w = *state;

    given_owner(w);
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_reclaimed,
                       .reclaimed = {.service = msg_text("noop"),
                                     .returned = 65,
                                     .job = JOB}});
    expect_refused(w, FRONT, BOSS, "PROTOCOL");
}

static void
a_worker_may_reclaim_what_was_not_used(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 10);
    publishes(w, 0, 4);
    sends(w, BACK, W1,
          (struct msg){.type = MSG_reclaim,
                       .reclaim = {.service = msg_text("noop"), .count = 9}});
    assert_int_equal(expect(w, BACK, W1, MSG_reclaimed)->reclaimed.returned, 6);
    publishes(w, 10, 4);
    assert_int_equal(tasks_sent(w, W1), 4);
}

static void
a_grant_is_never_lowered(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 10);
    w->granted[W1] = 3;
    grants(w, W1, "noop", 0);
    expect_refused(w, BACK, W1, "PROTOCOL");
}

/* Tasks sent to workers for jobs 1, 2, ... since forget_past. */
static void
count_served(struct world *w, uint32_t *served)
{
    for (size_t i = 0; i < w->out.n; i++) {
        struct msg m;

        assert_int_equal(msg_decode(&w->reader, w->out.v[i].head.data,
                                    w->out.v[i].head.len, &m),
                         CO_OK);
        if (m.type == MSG_tasks) served[m.tasks.job - 1] += m.tasks.tasks.n;
    }
}

static int
setup_wide(void **state)
{
    struct world *w = malloc(sizeof *w);
    struct dispatch_limits limits = dispatch_limits_default();

    limits.window_min = limits.window_max = 65536;
    limits.merge_max = 1;
    world_new_with(w, limits);
    *state = w;
    return 0;
}

static void
jobs_of_equal_priority_get_equal_shares(void **state)
{
    struct world *w = *state;
    uint32_t served[3] = {0};

    given_worker(w, W1, 0);
    hello(w, FRONT, BOSS, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        attaches(w, BOSS, i, OWNER, PRIORITY_MEDIUM);
    }
    /* The first has a long queue before the others come. */
    for (uint64_t i = 0; i < 5000; i++) {
        publishes_as(w, BOSS, tasks_msg(w, 1, 100000 + i, 1));
    }
    for (uint64_t i = 0; i < 3000; i++) {
        publishes_as(w, BOSS, tasks_msg(w, 2, 200000 + i, 1));
        publishes_as(w, BOSS, tasks_msg(w, 3, 300000 + i, 1));
    }
    grants(w, W1, "noop", 6ull * 1024);
    count_served(w, served);
    for (int i = 0; i < 3; i++) {
        assert_in_range(served[i], 1024, 3072);
    }
}

static void
a_high_band_goes_first_but_a_low_one_never_starves(void **state)
{
    struct world *w = *state;
    uint32_t served[2] = {0};

    given_worker(w, W1, 0);
    hello(w, FRONT, BOSS, 0);
    attaches(w, BOSS, 1, OWNER, PRIORITY_LOW);
    attaches(w, BOSS, 2, OWNER, PRIORITY_CRITICAL);
    for (uint64_t i = 0; i < 4500; i++) {
        publishes_as(w, BOSS, tasks_msg(w, 1, i, 1));
        publishes_as(w, BOSS, tasks_msg(w, 2, i, 1));
    }
    forget_past(w);
    for (int i = 0; i < 40; i++) {
        grants(w, W1, "noop", 100);
    }
    count_served(w, served);
    assert_int_equal(served[0] + served[1], 4000);
    /* 5 % of 4,000 is 200; the first share comes after 1,216. */
    assert_in_range(served[0], 120, 220);
}

/* ---- limits -------------------------------------------------------------- */

static int
setup_tight(void **state)
{
    struct world *w = malloc(sizeof *w);
    struct dispatch_limits limits = dispatch_limits_default();

    limits.peers_max = 3;
    limits.jobs_max = 2;
    limits.services_max = 3;
    limits.job_tasks_max = 20;
    limits.tasks_max = 30;
    limits.queued_bytes_max = 4000;
    limits.unacked_max = 2;
    limits.worker_tasks_max = 5;
    world_new_with(w, limits);
    *state = w;
    return 0;
}

static void
too_many_peers_are_refused(void **state)
{
    struct world *w = *state;

    hello(w, BACK, W1, 0);
    hello(w, BACK, W2, 0);
    hello(w, FRONT, BOSS, 0);
    hello(w, BACK, 13, 0);
    expect_refused(w, BACK, 13, "FULL");
    hello(w, FRONT, 2, 0);
    expect_refused(w, FRONT, 2, "FULL");
    assert_int_equal(dispatch_counts(w->d)->refused_peers_full, 2);
}

static void
too_many_jobs_are_refused(void **state)
{
    struct world *w = *state;

    given_owner(w);
    attaches(w, BOSS, 2, OWNER, PRIORITY_LOW);
    attaches(w, BOSS, 3, OWNER, PRIORITY_LOW);
    expect_refused(w, FRONT, BOSS, "FULL");
    assert_int_equal(dispatch_counts(w->d)->refused_jobs_full, 1);
}

static void
too_many_tasks_of_a_job_and_in_all_are_refused(void **state)
{
    struct world *w = *state;

    given_owner(w);
    attaches(w, BOSS, 2, OWNER, PRIORITY_LOW);
    publishes(w, 0, 21);
    expect_refused(w, FRONT, BOSS, "FULL");
    assert_int_equal(dispatch_counts(w->d)->refused_job_full, 21);
    publishes(w, 0, 20);
    publishes_as(w, BOSS, tasks_msg(w, 2, 0, 11));
    expect_refused(w, FRONT, BOSS, "FULL");
    assert_int_equal(dispatch_counts(w->d)->refused_tasks_full, 11);
}

static void
too_many_bytes_are_refused(void **state)
{
    struct world *w = *state;
    static const uint32_t large = 5000;
    static const char body[5000];
    struct msg m;

    given_owner(w);
    m = tasks_msg(w, JOB, 0, 1);
    m.tasks.lens = (struct msg_u32s){&large, 1};
    sends_body(w, FRONT, BOSS, &m, body, sizeof body);
    expect_refused(w, FRONT, BOSS, "FULL");
    assert_int_equal(dispatch_counts(w->d)->refused_bytes_full, 1);
}

static void
too_many_services_are_refused(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 1);
    grants(w, W1, "second", 1);
    grants(w, W1, "third", 1);
    expect_refused(w, BACK, W1, "FULL");
}

static void
a_worker_that_grants_without_bound_is_believed_up_to_the_limit(void **state)
{
    struct world *w = *state;

    given_owner(w);
    publishes(w, 0, 20);
    given_worker(w, W1, (uint64_t)1 << 60);
    /* The limit is for each message: the loop goes on as results come. */
    assert_int_equal(tasks_sent(w, W1), 20);
    assert_int_equal(dispatch_counts(w->d)->overgranted, 1);
}

static void
result_batches_beyond_the_limit_are_passed_on_unremembered(void **state)
{
    struct world *w = *state;

    given_owner(w);
    given_worker(w, W1, 5);
    publishes(w, 0, 5);
    for (uint64_t i = 0; i < 5; i++) {
        finishes(w, W1, i + 1, i, 1, 1);
    }
    assert_int_equal(dispatch_counts(w->d)->unacked_untracked, 3);
    assert_int_equal(dispatch_counts(w->d)->results_out, 5);
}

static void
events_nobody_fetches_are_dropped_and_counted(void **state)
{
    struct world *w = *state;
    const struct msg hello = {.type = MSG_hello,
                              .hello = {.version = PROTO_VERSION,
                                        .role = ROLE_WORKER,
                                        .incarnation = 1}};
    const struct msg bye = {.type = MSG_bye};
    const struct co_bytes none = {0};
    struct dispatch_event e;
    int n = 0;

    for (int i = 0; i < 2100; i++) {
        dispatch_on_message(w->d, SIDE_BACK, W1, &hello, none, none, w->now,
                            &w->out);
        dispatch_on_message(w->d, SIDE_BACK, W1, &bye, none, none, w->now,
                            &w->out);
        outbox_clear(&w->out);
    }
    while (dispatch_take_event(w->d, &e)) {
        n++;
    }
    assert_int_equal(n, 4096);
    assert_int_equal(dispatch_counts(w->d)->events_dropped, 4200 - 4096);
}

static void
joins(struct world *w, uint64_t worker, uint64_t credit)
{
    hello(w, BACK, worker, 0);
    sends(w, BACK, worker,
          (struct msg){
              .type = MSG_credit,
              .credit = {.service = msg_text("noop"), .granted = credit}});
}

/* Those that are busy are not searched: dispatch_check looks at the order. */
static void
one_worker_with_credit_among_many_without_gets_the_task(void **state)
{
    struct world *w = *state;

    given_owner(w);
    for (uint64_t i = 10; i < 110; i++) {
        joins(w, i, i == 70);
    }
    publishes(w, 0, 1);
    assert_int_equal(expect(w, BACK, 70, MSG_tasks)->tasks.tasks.n, 1);
}

/* What it would hold is not summed in every turn, but soon. */
static void
a_large_fleet_opens_the_window_of_its_owner_within_milliseconds(void **state)
{
    struct world *w = *state;

    given_owner(w);
    for (uint64_t i = 10; i < 310; i++) {
        joins(w, i, 1);
    }
    forget_past(w);
    w->now += 2;
    dispatch_run(w->d, w->now, &w->out);
    publishes(w, 0, 1);
    assert_true(expect(w, FRONT, BOSS, MSG_credit)->credit.granted >= 1000);
}

int
main(void)
{
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
#define WIDE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, setup_wide, world_teardown)
#define TIGHT(name)                                                            \
    cmocka_unit_test_setup_teardown(name, setup_tight, world_teardown)
    const struct CMUnitTest tests[] = {
        T(an_owner_gets_a_first_window_when_it_attaches),
        T(a_repetition_goes_before_what_its_job_has_waiting),
        T(repetitions_without_end_do_not_stop_what_waits_in_its_turn),
        T(repetitions_of_a_job_take_nothing_from_another),
        T(jobs_get_equal_shares_of_credit_that_comes_by_one),
        T(a_job_that_never_fits_leaves_the_shares_of_others_equal),
        T(a_passed_task_that_waits_too_long_goes_back),
        T(the_window_follows_the_workers),
        T(more_tasks_than_credit_are_refused_and_listed),
        T(a_result_frees_the_owners_credit),
        T(jobs_of_a_service_share_its_window),
        T(an_owner_cannot_return_what_it_has_not),
        T(a_worker_may_reclaim_what_was_not_used),
        T(a_grant_is_never_lowered),
        WIDE(jobs_of_equal_priority_get_equal_shares),
        WIDE(a_high_band_goes_first_but_a_low_one_never_starves),
        TIGHT(too_many_peers_are_refused),
        TIGHT(too_many_jobs_are_refused),
        TIGHT(too_many_tasks_of_a_job_and_in_all_are_refused),
        TIGHT(too_many_bytes_are_refused),
        TIGHT(too_many_services_are_refused),
        TIGHT(a_worker_that_grants_without_bound_is_believed_up_to_the_limit),
        TIGHT(result_batches_beyond_the_limit_are_passed_on_unremembered),
        T(one_worker_with_credit_among_many_without_gets_the_task),
        T(a_large_fleet_opens_the_window_of_its_owner_within_milliseconds),
        TIGHT(events_nobody_fetches_are_dropped_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
