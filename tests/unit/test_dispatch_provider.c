/* Jobs whose tasks call an LLM provider: a lane is a pair of service and
 * provider, for tasks, for workers' credit and for that of owners. */
#include "tests/unit/dispatch_world.h"

enum { W3 = 13 };

/* Grants for (ask, provider), counted from WELCOME. */
static void
offers(struct world *w, uint64_t worker, const char *provider, uint64_t granted)
{
    sends(w, BACK, worker,
          (struct msg){.type = MSG_credit,
                       .credit = {.service = msg_text("ask"),
                                  .granted = granted,
                                  .provider = msg_text(provider)}});
}

static void
attaches_for(struct world *w, uint64_t job, const char *provider)
{
    sends(w, FRONT, BOSS,
          (struct msg){.type = MSG_attach,
                       .attach = {.job = job,
                                  .owner = OWNER,
                                  .service = msg_text("ask"),
                                  .priority = PRIORITY_MEDIUM,
                                  .provider = msg_text(provider)}});
}

static void
asks(struct world *w, uint64_t job, uint64_t first, uint32_t n,
     const char *provider)
{
    struct msg m = tasks_msg(w, job, first, n);

    m.tasks.service = msg_text("ask");
    m.tasks.provider = msg_text(provider);
    m.tasks.cost = 1000; /* more than a turn's quantum */
    publishes_as(w, BOSS, m);
}

/* What the owner of the job was granted since forget_past. */
static uint64_t
owner_has(struct world *w, uint64_t job)
{
    uint64_t granted = 0;

    for (size_t i = 0; i < w->out.n; i++) {
        struct outmsg *o = &w->out.v[i];
        struct msg m;

        assert_int_equal(msg_decode(&w->reader, o->head.data, o->head.len, &m),
                         CO_OK);
        if (m.type == MSG_credit && m.credit.job == job) {
            granted = m.credit.granted;
        }
    }
    return granted;
}

static void
given_three_workers(struct world *w)
{
    hello(w, FRONT, BOSS, 0);
    given_worker(w, W1, 0);
    given_worker(w, W2, 0);
    given_worker(w, W3, 0);
    offers(w, W1, "one", 10);
    offers(w, W2, "two", 1000);
    offers(w, W3, "", 1000);
}

static void
tasks_go_only_to_workers_that_have_the_provider(void **state)
{
    struct world *w = *state;
    const struct msg *m;

    given_three_workers(w);
    attaches_for(w, JOB, "one");
    asks(w, JOB, 0, 11, "one");
    assert_int_equal(tasks_sent(w, W1), 10);
    assert_int_equal(tasks_sent(w, W2), 0);
    assert_int_equal(tasks_sent(w, W3), 0);
    m = expect(w, BACK, W1, MSG_tasks);
    assert_true(msg_str_is(m->tasks.provider, "one"));
    offers(w, W1, "two", 100); /* another of its lanes does not help */
    assert_int_equal(tasks_sent(w, W1), 10);
    offers(w, W1, "one", 30);
    assert_int_equal(tasks_sent(w, W1), 11);
}

static void
turns_away(struct world *w, uint64_t worker, uint64_t task)
{
    uint32_t attempt = 1;

    sends(w, BACK, worker,
          (struct msg){.type = MSG_returned,
                       .returned = {.job = JOB,
                                    .tasks = {&task, 1},
                                    .attempts = {&attempt, 1},
                                    .reason = RETURN_LIMIT,
                                    .not_before_ms = 1000}});
}

/* Two workers with keys of two accounts: what is of the other's must not go to
 * the one with more credit again and again. */
static void
what_a_worker_turned_away_others_are_asked_for_first(void **state)
{
    struct world *w = *state;

    given_three_workers(w);
    offers(w, W2, "one", 1000);
    attaches_for(w, JOB, "one");
    asks(w, JOB, 0, 1, "one");
    assert_int_equal(tasks_sent(w, W2), 1);
    turns_away(w, W2, 0);
    asks(w, JOB, 1, 10, "one");
    assert_int_equal(tasks_sent(w, W1), 10);
    asks(w, JOB, 11, 1, "one"); /* nobody else has credit */
    assert_int_equal(tasks_sent(w, W2), 2);
    offers(w, W1, "one", 20);
    w->now += 11000;
    asks(w, JOB, 12, 1, "one"); /* it is long past */
    assert_int_equal(tasks_sent(w, W2), 3);
}

static void
an_owners_credit_is_measured_by_the_workers_of_its_provider(void **state)
{
    struct world *w = *state;

    given_three_workers(w);
    attaches_for(w, JOB, "one");
    assert_int_equal(owner_has(w, JOB), 11); /* 10, and one */
    forget_past(w);
    offers(w, W1, "one", 100);
    assert_int_equal(owner_has(w, JOB), 101);
    offers(w, W2, "two", 2000);
    assert_int_equal(owner_has(w, JOB), 101);
}

/* 100 calls end in a second, then 1,000. */
static void
for_the_way_a_job_gets_what_ends_meanwhile_and_no_more_than_an_eighth(
    void **state)
{
    struct world *w = *state;

    given_three_workers(w);
    attaches_for(w, JOB, "one");
    offers(w, W1, "one", 100);
    asks(w, JOB, 0, 101, "one");
    w->now += 400;
    finishes(w, W1, 1, 0, 100, 1);
    forget_past(w);
    offers(w, W1, "one", 200); /* and takes the one that waited */
    assert_int_equal(owner_has(w, JOB), 101 - 1 + 100 + 2 + 1);
    for (uint64_t i = 1; i < 10; i++) {
        finishes(w, W1, 1 + i, 1000, 100, 1);
    }
    forget_past(w);
    asks(w, JOB, 200, 102, "one");
    assert_int_equal(owner_has(w, JOB), 203 - 103 + 100 + 12 + 1);
}

static void
credit_names_the_provider_of_attach(void **state)
{
    struct world *w = *state;
    const struct msg *m;

    given_three_workers(w);
    attaches_for(w, JOB, "two");
    m = expect(w, FRONT, BOSS, MSG_credit);
    assert_true(msg_str_is(m->credit.service, "ask"));
    assert_true(msg_str_is(m->credit.provider, "two"));
    for (uint64_t i = 1; i < 9; i++) { /* and the first one gets less */
        attaches_for(w, JOB + i, "two");
    }
    m = expect(w, FRONT, BOSS, MSG_reclaim);
    assert_int_equal(m->reclaim.job, JOB);
    assert_true(msg_str_is(m->reclaim.provider, "two"));
}

static void
jobs_of_different_providers_do_not_share_a_window(void **state)
{
    struct world *w = *state;

    given_three_workers(w);
    attaches_for(w, JOB, "two");
    assert_int_equal(owner_has(w, JOB), 1001);
    attaches_for(w, JOB + 1, "one");
    expect_none(w, FRONT, BOSS, MSG_reclaim);
    assert_int_equal(owner_has(w, JOB + 1), 11);
}

static void
without_a_provider_credit_is_measured_by_all_workers_of_the_service(
    void **state)
{
    struct world *w = *state;
    const struct msg *m;

    given_three_workers(w);
    attaches_for(w, JOB, "");
    m = expect(w, FRONT, BOSS, MSG_credit);
    assert_int_equal(m->credit.provider.len, 0);
    assert_int_equal(m->credit.granted, 4 * 2010);
    asks(w, JOB, 0, 10, "one"); /* and its tasks may name one all the same */
    assert_int_equal(tasks_sent(w, W1), 10);
}

static void
a_task_that_a_worker_reports_counts_in_the_jobs_lane(void **state)
{
    static const uint64_t job = JOB, task = 5;
    static const uint32_t attempt = 1;
    struct world *w = *state;
    struct dispatch_service s;
    uint64_t held = 0;

    given_three_workers(w);
    attaches_for(w, JOB, "one");
    sends(w, BACK, W1,
          (struct msg){.type = MSG_inventory,
                       .inventory = {.page = 0,
                                     .pages = 1,
                                     .jobs = {&job, 1},
                                     .tasks = {&task, 1},
                                     .attempts = {&attempt, 1}}});
    for (uint32_t i = 0; dispatch_service_at(w->d, i, w->now, &s); i++) {
        if (strcmp(s.provider, "one") == 0) held = s.in_flight;
    }
    assert_int_equal(held, 1);
}

static void
two_jobs_of_a_provider_get_equal_shares(void **state)
{
    struct world *w = *state;
    uint32_t served[2] = {0};

    hello(w, FRONT, BOSS, 0);
    given_worker(w, W1, 0);
    given_worker(w, W2, 0);
    offers(w, W2, "one", 100); /* all in use: owners may have as many */
    attaches_for(w, JOB + 2, "one");
    asks(w, JOB + 2, 0, 100, "one");
    attaches_for(w, JOB, "one");
    attaches_for(w, JOB + 1, "one");
    for (uint64_t i = 0; i < 30; i++) {
        asks(w, JOB, i, 1, "one");
        asks(w, JOB + 1, i, 1, "one");
    }
    for (uint64_t credit = 1; credit <= 30; credit++) {
        forget_past(w);
        offers(w, W1, "one", credit);
        served[expect(w, BACK, W1, MSG_tasks)->tasks.job - JOB]++;
    }
    assert_int_equal(served[0], 15);
    assert_int_equal(served[1], 15);
}

static void
a_job_with_one_call_out_leaves_the_workers_to_others(void **state)
{
    struct world *w = *state;

    given_three_workers(w);
    attaches_for(w, JOB + 1, "two");
    asks(w, JOB + 1, 0, 1, "two");
    forget_past(w);
    attaches_for(w, JOB, "two");
    asks(w, JOB, 0, 1, "two");
    assert_int_equal(owner_has(w, JOB), 1000); /* one is the other's */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        T(tasks_go_only_to_workers_that_have_the_provider),
        T(what_a_worker_turned_away_others_are_asked_for_first),
        T(an_owners_credit_is_measured_by_the_workers_of_its_provider),
        T(for_the_way_a_job_gets_what_ends_meanwhile_and_no_more_than_an_eighth),
        T(credit_names_the_provider_of_attach),
        T(jobs_of_different_providers_do_not_share_a_window),
        T(without_a_provider_credit_is_measured_by_all_workers_of_the_service),
        T(a_task_that_a_worker_reports_counts_in_the_jobs_lane),
        T(two_jobs_of_a_provider_get_equal_shares),
        T(a_job_with_one_call_out_leaves_the_workers_to_others),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
