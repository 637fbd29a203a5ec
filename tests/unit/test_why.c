/* What a job waits for: each situation of a fleet gives its reason first. */
#include "cli/why.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <string.h>

struct fixture {
    struct fleet_state s;
    struct fleet_worker workers[2];
    struct fleet_broker broker;
    struct fleet_coordinator coordinator;
    struct fleet_queue queue;
    struct fleet_job jobs[2];
    struct why why;
};

/* Two workers at work for one of two jobs; all is well. */
static int
set_up(void **state)
{
    static struct fixture f;
    struct fleet_job *j = &f.jobs[0];

    f = (struct fixture){.broker = {.id = "b"},
                         .coordinator = {.id = "c", .job = "00000000000000aa"},
                         .queue = {.service = "slow",
                                   .queued = 9,
                                   .in_flight = 4,
                                   .capacity = 4,
                                   .workers = 2,
                                   .brokers = 1}};
    for (int i = 0; i < 2; i++) {
        (void)snprintf(f.workers[i].services, sizeof f.workers[i].services,
                       "noop,slow");
        (void)snprintf(f.workers[i].state, sizeof f.workers[i].state, "busy");
    }
    (void)snprintf(j->id, sizeof j->id, "00000000000000aa");
    (void)snprintf(j->state, sizeof j->state, "running");
    (void)snprintf(j->service, sizeof j->service, "slow");
    (void)snprintf(j->host, sizeof j->host, "ana");
    (void)snprintf(j->why_code, sizeof j->why_code, "no_credit");
    j->lease = true;
    j->updated_at = j->moved_at = 1000000;
    f.s.workers.v = f.workers;
    f.s.workers.n = f.s.workers.all = 2;
    f.s.brokers.v = &f.broker;
    f.s.brokers.n = 1;
    f.s.coordinators.v = &f.coordinator;
    f.s.coordinators.n = 1;
    f.s.queues.v = &f.queue;
    f.s.queues.n = 1;
    f.s.jobs.v = f.jobs;
    f.s.jobs.n = 1;
    *state = &f;
    return 0;
}

static void
ask(struct fixture *f)
{
    why_of_job(&f->s, &f->jobs[0], &f->why);
    assert_true(f->why.n > 0);
}

static bool
tells(const struct fixture *f, const char *code)
{
    for (size_t i = 0; i < f->why.n; i++) {
        if (strcmp(f->why.v[i].code, code) == 0) return true;
    }
    return false;
}

static void
assert_first(struct fixture *f, const char *code, enum why_level level)
{
    ask(f);
    assert_string_equal(f->why.v[0].code, code);
    assert_int_equal(f->why.v[0].level, level);
    if (level == WHY_PROBLEM) assert_true(f->why.v[0].act[0] != '\0');
}

static void
set_code(struct fixture *f, const char *code)
{
    (void)snprintf(f->jobs[0].why_code, sizeof f->jobs[0].why_code, "%s", code);
}

static void
busy_workers_are_as_it_should_be(void **state)
{
    struct fixture *f = *state;

    assert_first(f, "full_load", WHY_FINE);
    assert_int_equal(f->why.n, 1);
    assert_string_equal(f->why.v[0].text,
                        "workers: 4 tasks run or wait at 2 workers, which take "
                        "at most 4; 9 more wait with the broker");
    assert_null(strstr(f->why.v[0].act, "limit of an endpoint"));
    /* whoever calls models is held by their limits first */
    (void)snprintf(f->jobs[0].calls, sizeof f->jobs[0].calls, "7");
    assert_first(f, "full_load", WHY_FINE);
    assert_non_null(strstr(f->why.v[0].act, "limit of an endpoint"));
}

static void
without_workers_that_is_the_reason_whatever_the_coordinator_says(void **state)
{
    static const char *const codes[] = {"no_credit", "all_out", "none",
                                        "window", "undecided"};
    struct fixture *f = *state;

    f->s.workers.n = f->s.workers.all = 0;
    f->queue.workers = 0;
    for (size_t i = 0; i < co_countof(codes); i++) {
        set_code(f, codes[i]);
        assert_first(f, "no_workers", WHY_PROBLEM);
    }
    /* Those that serve something else are no help. */
    f->s.workers.n = f->s.workers.all = 2;
    for (int i = 0; i < 2; i++) {
        (void)snprintf(f->workers[i].services, sizeof f->workers[i].services,
                       "noop,slower");
    }
    assert_first(f, "no_workers", WHY_PROBLEM);
}

static void
a_paid_job_says_what_its_money_does(void **state)
{
    struct fixture *f = *state;
    struct fleet_job *j = &f->jobs[0];

    (void)snprintf(j->settled_usd, sizeof j->settled_usd, "1.25");
    (void)snprintf(j->unknown_usd, sizeof j->unknown_usd, "0.5");
    (void)snprintf(j->budget_usd, sizeof j->budget_usd, "5");
    (void)snprintf(j->calls, sizeof j->calls, "204");
    j->calls_lost = 3;
    set_code(f, "money");
    assert_first(f, "money", WHY_PROBLEM);
    assert_true(tells(f, "spent"));
    assert_string_equal(f->why.v[1].text, "1.25 USD spent of 5 for 204 calls");
    assert_string_equal(f->why.v[2].text,
                        "3 calls without a known end, perhaps 0.5 USD");
    assert_false(tells(f, "fallbacks"));
    j->rows_degraded = 61;
    j->rows_built_in = 2;
    assert_first(f, "money", WHY_PROBLEM);
    assert_true(tells(f, "fallbacks"));
    assert_string_equal(f->why.v[3].text,
                        "61 rows by fallbacks, 2 of them built in");
    set_code(f, "refused");
    assert_first(f, "endpoint_refuses", WHY_PROBLEM);
    set_code(f, "cap_wait");
    assert_first(f, "budget_wait", WHY_NOTE);
    set_code(f, "cap_day");
    assert_first(f, "budget_day", WHY_PROBLEM);
    set_code(f, "cap_total");
    assert_first(f, "shared_budget", WHY_PROBLEM);
    set_code(f, "cap_ledger");
    assert_first(f, "budget_ledger", WHY_PROBLEM);
    set_code(f, "no_price");
    assert_first(f, "no_price", WHY_PROBLEM);
    set_code(f, "doubt");
    assert_first(f, "doubt", WHY_NOTE);
    set_code(f, "answers");
    assert_first(f, "answers", WHY_NOTE);
    set_code(f, "intent");
    assert_first(f, "runs", WHY_FINE);
    f->queue.workers = 0;
    assert_first(f, "calls_wait", WHY_NOTE);
    f->s.workers.n = f->s.workers.all = 0;
    assert_first(f, "no_workers", WHY_PROBLEM);
    assert_non_null(strstr(f->why.v[0].act, "--providers FILE"));
    set_code(f, "refused"); /* and that is why nobody is there */
    assert_first(f, "endpoint_refuses", WHY_PROBLEM);
}

static void
without_a_broker_workers_do_not_matter(void **state)
{
    struct fixture *f = *state;

    f->s.brokers.n = 0;
    assert_first(f, "no_broker", WHY_PROBLEM);
    f->s.brokers.n = 1;
    set_code(f, "no_link");
    assert_first(f, "not_attached", WHY_PROBLEM);
}

static void
workers_that_drain_or_are_unlike_give_nothing(void **state)
{
    struct fixture *f = *state;

    f->queue.workers = 0;
    assert_first(f, "workers_unlike", WHY_PROBLEM);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(f->workers[i].state, sizeof f->workers[i].state,
                       "draining");
    }
    assert_first(f, "draining", WHY_PROBLEM);
    (void)snprintf(f->workers[0].state, sizeof f->workers[0].state, "ready");
    f->queue.workers = 1;
    assert_first(f, "full_load", WHY_FINE);
}

static void
a_task_that_waits_although_workers_have_room_is_a_stall(void **state)
{
    struct fixture *f = *state;

    f->queue.in_flight = 1;
    f->queue.oldest_ms = 9000; /* not yet */
    ask(f);
    assert_false(tells(f, "stall"));
    f->queue.oldest_ms = 31000;
    ask(f);
    assert_true(tells(f, "stall"));
    f->queue.in_flight = 4; /* no room: it may wait */
    ask(f);
    assert_false(tells(f, "stall"));
}

static void
a_ledger_that_stands_still_is_said(void **state)
{
    struct fixture *f = *state;

    f->jobs[0].updated_at += 15000;
    ask(f);
    assert_false(tells(f, "still"));
    f->jobs[0].updated_at += 30000;
    ask(f);
    assert_true(tells(f, "still"));
}

static void
another_job_that_wants_the_same_workers_is_named(void **state)
{
    struct fixture *f = *state;

    f->jobs[1] = f->jobs[0];
    (void)snprintf(f->jobs[1].id, sizeof f->jobs[1].id, "00000000000000bb");
    f->s.jobs.n = 2;
    ask(f);
    assert_true(tells(f, "shared"));
    (void)snprintf(f->jobs[1].state, sizeof f->jobs[1].state, "stopped");
    ask(f);
    assert_false(tells(f, "shared"));
}

static void
each_word_of_the_coordinator_has_its_reason(void **state)
{
    static const struct {
        const char *word, *code;
        enum why_level level;
    } words[] = {
        {"none", "runs", WHY_FINE},
        {"settling", "settling", WHY_FINE},
        {"window", "window", WHY_FINE},
        {"table", "task_table", WHY_NOTE},
        {"journal", "disk", WHY_PROBLEM},
        {"retry", "retry", WHY_NOTE},
        {"alone", "suspects", WHY_NOTE},
        {"stale", "other_owner", WHY_PROBLEM},
        {"nomem", "memory", WHY_PROBLEM},
        {"all_out", "all_out", WHY_FINE},
        {"undecided", "shards_open", WHY_PROBLEM},
        {"shards", "shards_open", WHY_PROBLEM},
        {"memory", "dedup_memory", WHY_PROBLEM},
        {"budget", "budget", WHY_PROBLEM},
        {"of a newer release", "runs", WHY_FINE},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < co_countof(words); i++) {
        set_code(f, words[i].word);
        assert_first(f, words[i].code, words[i].level);
    }
}

static void
an_owner_without_lease_and_hash_is_silent(void **state)
{
    struct fixture *f = *state;

    f->jobs[0].lease = false;
    assert_first(f, "full_load", WHY_FINE); /* its hash is there: just slow */
    f->s.coordinators.n = 0;
    assert_first(f, "no_owner", WHY_PROBLEM);
    assert_non_null(strstr(f->why.v[0].text, "ana"));
}

static void
how_it_ended_is_told_by_the_message(void **state)
{
    static const struct {
        const char *state, *text, *code;
    } ends[] = {
        {"complete", "all rows are written", "complete"},
        {"partial", "the candidate budget is spent", "partial"},
        {"partial",
         "the candidate budget is spent: most rows said what an earlier one "
         "says (dedup: {method: none} keeps such rows)",
         "duplicates"},
        {"partial", "the money left covers no further row; with", "money"},
        {"partial", "the share of phase personas and the reserve cover no",
         "money_phase"},
        {"partial", "the cap over all jobs (`cohort budget show`) covers no",
         "shared_budget"},
        {"partial", "20 rows, one after another, were given up (the last: x)",
         "no_fit_answers"},
        {"partial", "a call cost more than it could: the prices", "overrun"},
        {"stopped", "stopped; the same command goes on", "stopped"},
        {"stopped", "another owner has taken the job over", "other_owner"},
        {"interrupted", "nobody runs it", "interrupted"},
        {"failed", "/out: No space left on device", "disk_full"},
        {"failed", "cannot set 16777216 bytes aside", "disk_full"},
        {"failed", "a committed record is damaged at offset 7", "damaged"},
        {"failed", "something else", "failed"},
        {"of a newer release", "", "failed"},
    };
    struct job_state s = {0};
    struct why why;

    (void)state;
    for (size_t i = 0; i < co_countof(ends); i++) {
        (void)snprintf(s.state, sizeof s.state, "%s", ends[i].state);
        (void)snprintf(s.why, sizeof s.why, "%s", ends[i].text);
        why_of_folder(&s, &why);
        assert_string_equal(why.v[0].code, ends[i].code);
    }
}

static void
endpoints_that_hold_back_are_named_for_jobs_that_ask_models(void **state)
{
    static const struct {
        struct endpoint_state e;
        const char *code;
    } cases[] = {
        {{.breaker = 1, .open_until = 9000000}, "endpoint_open"},
        {{.breaker = 2}, "endpoint_open"},
        {{.hold_until = 9000000}, "endpoint_waits"},
        {{.rpm = 100, .requests_60s = 80}, "endpoint_rate"},
        {{.tpm = 100, .tokens_60s = 93}, "endpoint_rate"},
        {{.rpm = 9, .tpm = 100, .tokens_60s = 93}, "endpoint_rate"},
        {{.ceiling = 4, .held = 4}, "endpoint_full"},
        {{.rpm = 100, .requests_60s = 79, .ceiling = 4, .held = 3}, NULL},
    };
    struct fixture *f = *state;
    struct fleet_job *j = &f->jobs[0];
    struct limits_state limits = {.now_us = 1000000, .n = 1};

    for (size_t i = 0; i < co_countof(cases); i++) {
        limits.v[0] = cases[i].e;
        (void)snprintf(j->service, sizeof j->service, "persona.write");
        f->why.n = 0;
        why_of_limits(&limits, &f->s, j, &f->why);
        assert_int_equal(f->why.n, cases[i].code ? 1 : 0);
        if (f->why.n) assert_string_equal(f->why.v[0].code, cases[i].code);
        if (f->why.n) assert_true(f->why.v[0].act[0] != '\0');
        (void)snprintf(j->service, sizeof j->service, "persona.compose");
        f->why.n = 0;
        why_of_limits(&limits, &f->s, j, &f->why);
        assert_int_equal(f->why.n, 0);
    }
}

static void
a_rate_that_is_used_up_is_told_in_the_limits_that_there_are(void **state)
{
    struct fixture *f = *state;
    struct limits_state limits = {
        .now_us = 1000000,
        .n = 1,
        .v[0] = {.provider = "main", .url = "http://h/v1", .tpm = 100}};

    (void)snprintf(f->jobs[0].service, sizeof f->jobs[0].service,
                   "persona.write@main");
    limits.v[0].tokens_60s = 93;
    f->why.n = 0;
    why_of_limits(&limits, &f->s, &f->jobs[0], &f->why);
    assert_string_equal(f->why.v[0].text,
                        "main (http://h/v1): 93 of 100 tokens of a minute are "
                        "used; a part stays free, so that no window of 60 s "
                        "has more");
    limits.v[0].rpm = 9;
    f->why.n = 0;
    why_of_limits(&limits, &f->s, &f->jobs[0], &f->why);
    assert_non_null(
        strstr(f->why.v[0].text, "0 of 9 requests and 93 of 100 tokens"));
}

/* What the job itself says. */
static void
given_reason(struct fixture *f, enum why_level level, const char *code)
{
    f->why.n = 1;
    f->why.v[0] = (struct why_finding){.level = level, .code = code};
}

static void
an_endpoint_that_is_shut_comes_before_what_follows_from_it(void **state)
{
    struct fixture *f = *state;
    struct fleet_job *j = &f->jobs[0];
    struct limits_state limits = {.now_us = 1000000, .n = 2};

    (void)snprintf(j->service, sizeof j->service, "persona.write@main");
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(limits.v[i].provider, sizeof limits.v[i].provider,
                       "main");
    }
    limits.v[0].breaker = 1;
    given_reason(f, WHY_FINE, "all_out");
    why_of_limits(&limits, &f->s, j, &f->why); /* the other one is called */
    assert_string_equal(f->why.v[0].code, "all_out");
    limits.v[1].hold_until = 9000000;
    given_reason(f, WHY_FINE, "all_out");
    why_of_limits(&limits, &f->s, j, &f->why);
    assert_int_equal(f->why.n, 3);
    assert_string_equal(f->why.v[0].code, "endpoint_open");
    assert_string_equal(f->why.v[1].code, "endpoint_waits");
    assert_string_equal(f->why.v[2].code, "all_out");
    given_reason(f, WHY_PROBLEM, "endpoint_refuses"); /* says what is wrong */
    why_of_limits(&limits, &f->s, j, &f->why);
    assert_string_equal(f->why.v[0].code, "endpoint_refuses");
}

static void
a_run_whose_redis_is_away_goes_on(void **state)
{
    struct job_state s = {.state = "running", .redis = "unix:///x", .pid = 7};
    struct why why;

    (void)state;
    why_of_folder(&s, &why);
    assert_string_equal(why.v[0].code, "redis_away");
    s.redis[0] = '\0';
    why_of_folder(&s, &why);
    assert_string_equal(why.v[0].code, "runs");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    static const struct CMUnitTest tests[] = {
        TEST(busy_workers_are_as_it_should_be),
        TEST(without_workers_that_is_the_reason_whatever_the_coordinator_says),
        TEST(a_paid_job_says_what_its_money_does),
        TEST(without_a_broker_workers_do_not_matter),
        TEST(workers_that_drain_or_are_unlike_give_nothing),
        TEST(a_task_that_waits_although_workers_have_room_is_a_stall),
        TEST(a_ledger_that_stands_still_is_said),
        TEST(another_job_that_wants_the_same_workers_is_named),
        TEST(each_word_of_the_coordinator_has_its_reason),
        TEST(an_owner_without_lease_and_hash_is_silent),
        TEST(how_it_ended_is_told_by_the_message),
        TEST(endpoints_that_hold_back_are_named_for_jobs_that_ask_models),
        TEST(a_rate_that_is_used_up_is_told_in_the_limits_that_there_are),
        TEST(an_endpoint_that_is_shut_comes_before_what_follows_from_it),
        TEST(a_run_whose_redis_is_away_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
