/* test_estimate.c - what a job will take: intervals hold together, limits bind,
 * and what rows really took is believed over arithmetic. */
#include "common/fs.h"
#include "job/estimate.h"
#include "job/recipe.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB(rows)                                                              \
    "job: personas\nname: a\nrows: " rows                                      \
    "\nprovider: main\nproviders:\n  main: "                                   \
    "{kind: openai, model: m, price: {input_usd_per_mtok: 1, "                 \
    "output_usd_per_mtok: 2}, "

struct fixture {
    struct co_diag diag;
    struct model *model;
    char dir[32];
    struct job_spec *spec;
    struct sampler *sampler;
    struct estimate_wish wish;
    struct estimate e;
};

static int
set_up(void **state)
{
    static const char *const names[ASK_STAGES] = {"background", "personas"};
    struct fixture *f = calloc(1, sizeof *f);
    char path[96];

    if (!f) return -1;
    *state = f;
    if (model_open(CO_SOURCE_DIR "/data/us.model", &f->diag, &f->model)) {
        return -1;
    }
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/estimate-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    (void)snprintf(path, sizeof path, "%s/prompts/compose", f->dir);
    if (co_fs_mkdirs(path, &f->diag)) return -1;
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        FILE *file;

        (void)snprintf(path, sizeof path, "%s/prompts/compose/%s.md", f->dir,
                       names[i]);
        file = fopen(path, "we");
        if (!file) return -1;
        (void)fprintf(file,
                      "## system\ns\n## user\n%s{{fields}}\n## repair\n"
                      "{{error}}\n",
                      i ? "{{background}}\n" : "");
        (void)fclose(file);
    }
    f->wish = (struct estimate_wish){.workers = 2, .llm_slots = 100};
    return 0;
}

static void
drop(struct fixture *f)
{
    sampler_free(f->sampler);
    spec_free(f->spec);
    f->sampler = NULL;
    f->spec = NULL;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    drop(f);
    model_free(f->model);
    if (co_fs_remove_tree(f->dir, &f->diag)) return -1;
    free(f);
    return 0;
}

static void
estimate(struct fixture *f, const char *yaml)
{
    struct recipe recipe;

    drop(f);
    if (spec_parse(yaml, strlen(yaml), "j.yaml", &f->spec, &f->diag) ||
        spec_check(f->spec, f->model, &f->diag) ||
        spec_open_writer(f->spec, f->dir, &f->diag)) {
        fail_msg("%s", f->diag.text);
    }
    recipe = recipe_of_spec(f->spec, 1, 2, 3);
    assert_int_equal(recipe_sampler(&recipe, f->model, &f->diag, &f->sampler),
                     CO_OK);
    assert_int_equal(estimate_make(f->spec, f->sampler, &f->wish, &f->e),
                     CO_OK);
}

static void
assert_interval(const uint64_t v[ESTIMATES])
{
    assert_true(v[ESTIMATE_LOW] <= v[ESTIMATE_MID]);
    assert_true(v[ESTIMATE_MID] <= v[ESTIMATE_HIGH]);
    assert_true(v[ESTIMATE_LOW] > 0);
}

/* Two arms of one writer are the job without them. */
static void
arms_are_priced_by_their_shares(void **state)
{
    struct fixture *f = *state;
    struct estimate one;

    estimate(f, JOB("10000") "stream: true}\n");
    one = f->e;
    estimate(f, JOB("10000") "stream: true}\n"
                             "arms: [{name: a, share: 70}, {name: b, share: "
                             "30}]\n");
    for (unsigned g = 0; g < ESTIMATES; g++) {
        int64_t sum = 0;

        assert_int_equal(f->e.calls[g], one.calls[g]);
        assert_int_equal(f->e.output[g], one.output[g]);
        assert_true(f->e.cost[g] == one.cost[g]);
        for (unsigned s = 0; s < ASK_STAGES; s++) {
            sum += f->e.phases[s].cost[g];
        }
        assert_true(sum > 0 && sum == f->e.cost[g]);
    }
}

static void
every_figure_is_an_interval_and_grows_with_the_rows(void **state)
{
    struct fixture *f = *state;
    struct estimate small;

    estimate(f, JOB("1000") "stream: true}\n");
    small = f->e;
    assert_interval(small.calls);
    assert_interval(small.input);
    assert_interval(small.output);
    assert_interval(small.ms);
    assert_interval(small.bytes);
    assert_int_equal(small.calls[ESTIMATE_LOW], 2000); /* two for each row */
    assert_false(small.measured);
    for (unsigned g = 0; g < ESTIMATES; g++) {
        assert_true(small.cost[g] == (int64_t)(small.input[g] * 1000000 +
                                               small.output[g] * 2000000));
    }
    estimate(f, JOB("10000") "stream: true}\n");
    assert_int_equal(f->e.calls[ESTIMATE_MID], 10 * small.calls[ESTIMATE_MID]);
    assert_true(f->e.cost[ESTIMATE_MID] / small.cost[ESTIMATE_MID] == 10);
}

static void
the_tightest_limit_is_what_binds(void **state)
{
    struct fixture *f = *state;
    enum estimate_bound bound;

    estimate(f, JOB("1000") "stream: true}\n");
    assert_int_equal(f->e.bound, ESTIMATE_BY_SLOTS);
    estimate(f, JOB("1000") "limits: {in_flight: 10}}\n");
    assert_int_equal(f->e.bound, ESTIMATE_BY_IN_FLIGHT);
    estimate(f, JOB("1000") "limits: {in_flight: 10, rpm: 5}}\n");
    assert_int_equal(f->e.bound, ESTIMATE_BY_RPM);
    assert_int_equal(f->e.ms[ESTIMATE_MID],
                     f->e.calls[ESTIMATE_MID] * 69600 / 5);
    /* A second endpoint halves it. */
    estimate(f, JOB("1000") "limits: {rpm: 5}, endpoints: [{url: "
                            "\"http://127.0.0.1:1\"}, {url: "
                            "\"http://127.0.0.1:2\"}]}\n");
    assert_int_equal(f->e.ms[ESTIMATE_MID],
                     f->e.calls[ESTIMATE_MID] * 69600 / 10);
    estimate(f, JOB("1000") "limits: {tpm: 50000}}\n");
    assert_int_equal(f->e.bound, ESTIMATE_BY_TPM);
    /* No number of workers is faster than that. */
    assert_int_equal(estimate_workers(&f->e, f->spec, &f->wish, 60000, &bound),
                     0);
    assert_int_equal(bound, ESTIMATE_BY_TPM);
}

/* A row takes two, one after the other; limits of calls do not hold. */
static void
batches_take_from_two_looks_to_two_days(void **state)
{
    struct fixture *f = *state;
    enum estimate_bound bound;
    uint64_t hours;

    estimate(f, JOB("10000") "limits: {rpm: 5}, batch: {max_requests: 1000, "
                             "window: 10s, poll: 60s}}\n");
    assert_interval(f->e.batches);
    assert_int_equal(f->e.batch_requests[0], 1000);
    assert_in_range(f->e.batch_requests[1], 100, 1000); /* they quote */
    assert_in_range(f->e.batches[ESTIMATE_MID], 21, 200);
    assert_false(f->e.half_price); /* the file's price is what is paid */
    assert_int_equal(f->e.bound, ESTIMATE_BY_BATCH);
    assert_int_equal(f->e.ms[ESTIMATE_LOW], 2 * 70 * 1000);
    hours = f->e.ms[ESTIMATE_HIGH] / 3600000;
    assert_int_equal(hours, 48);
    assert_int_equal(
        estimate_workers(&f->e, f->spec, &f->wish, 3600000, &bound), 0);
    assert_int_equal(bound, ESTIMATE_BY_BATCH);
    /* only so many are at a vendor at a time */
    estimate(f, JOB("1000000") "batch: {max_requests: 1000, window: 10s, poll: "
                               "60s}}\n");
    assert_true(f->e.ms[ESTIMATE_HIGH] / 3600000 > 2 * hours);
    estimate(f, JOB("1000") "stream: true}\n");
    assert_int_equal(f->e.batches[ESTIMATE_MID], 0);
}

static void
a_deadline_needs_as_many_workers_as_it_is_short(void **state)
{
    struct fixture *f = *state;
    enum estimate_bound bound;
    uint64_t slow, fast, alone;

    estimate(f, JOB("100000") "stream: true}\n");
    f->wish.workers = 1;
    assert_int_equal(estimate_make(f->spec, f->sampler, &f->wish, &f->e),
                     CO_OK);
    alone = f->e.ms[ESTIMATE_MID];
    slow = estimate_workers(&f->e, f->spec, &f->wish, alone, &bound);
    fast = estimate_workers(&f->e, f->spec, &f->wish, alone / 10, &bound);
    assert_int_equal(slow, 1);
    assert_in_range(fast, 10, 11);
    assert_int_equal(bound, ESTIMATE_BY_SLOTS);
}

static void
a_budget_is_enough_for_its_share_of_the_rows(void **state)
{
    struct fixture *f = *state;
    int64_t cost;

    estimate(f, JOB("1000") "stream: true}\n");
    cost = f->e.cost[ESTIMATE_MID];
    assert_true(estimate_affordable(&f->e, cost) == UINT64_MAX);
    assert_true(estimate_affordable(&f->e, -1) == UINT64_MAX);
    assert_in_range(estimate_affordable(&f->e, cost / 2), 499, 500);
}

/* All of what a phase costs, and half of the other: half of the rows. */
static void
shares_pay_for_the_rows_of_the_phase_that_is_short(void **state)
{
    struct fixture *f = *state;
    struct shares s = {.is_set = true};
    unsigned short_phase;
    int64_t first, second;

    estimate(f, JOB("1000") "stream: true}\n");
    first = f->e.phases[0].cost[ESTIMATE_MID];
    second = f->e.phases[1].cost[ESTIMATE_MID];
    assert_true(first > 0 && second > 0);
    /* the phases are the job, but for what is rounded */
    assert_true(f->e.cost[ESTIMATE_MID] - first - second < 10000000);
    s.share[0] = first;
    s.share[1] = second;
    assert_true(estimate_affordable_shares(&f->e, &s, &short_phase) ==
                UINT64_MAX);
    assert_int_equal(short_phase, SHARES_PHASES);
    s.share[0] = first / 2;
    assert_in_range(estimate_affordable_shares(&f->e, &s, &short_phase), 498,
                    500);
    assert_int_equal(short_phase, 0);
    s.reserve = first / 4;
    assert_in_range(estimate_affordable_shares(&f->e, &s, &short_phase), 748,
                    750);
    /* what the first leaves is the second's */
    s = (struct shares){.is_set = true, .share = {first + second / 2, 0}};
    assert_int_equal(
        estimate_affordable_shares(&f->e, &s, &short_phase),
        (uint64_t)((__int128)s.share[0] * 1000 / (first + second)));
    assert_int_equal(short_phase, 1);
}

static void
what_rows_took_is_believed(void **state)
{
    struct fixture *f = *state;

    f->wish.history = (struct estimate_history){
        .rows = 100,
        .all = {240, 1000, 500, 7000},
        .phases = {{130, 400, 300, 3000}, {110, 600, 200, 4000}},
        .has_phases = true};
    estimate(f, JOB("1000") "stream: true}\n");
    assert_true(f->e.measured);
    assert_int_equal(f->e.calls[ESTIMATE_MID], 2400);
    assert_int_equal(f->e.calls[ESTIMATE_LOW], 2160); /* 100 rows: 10 % */
    assert_int_equal(f->e.calls[ESTIMATE_HIGH], 2640);
    assert_int_equal(f->e.output[ESTIMATE_MID], 5000);
    assert_true(f->e.cost[ESTIMATE_MID] == 70000); /* cached ones and all */
    assert_int_equal(f->e.phases[0].calls[ESTIMATE_MID], 1300);
    assert_true(f->e.phases[1].cost[ESTIMATE_MID] == 40000);
}

/* 30 ms a call instead of seconds: no longer bound by calls in flight. */
static void
how_long_calls_took_is_believed(void **state)
{
    struct fixture *f = *state;

    f->wish.history = (struct estimate_history){
        .rows = 100, .all = {200, 1000, 50000, 7000}, .call_ms = 30};
    estimate(f, JOB("1000") "limits: {in_flight: 8, rpm: 600}}\n");
    assert_int_equal(f->e.call_ms[ESTIMATE_LOW], 21);
    assert_int_equal(f->e.call_ms[ESTIMATE_MID], 30);
    assert_int_equal(f->e.call_ms[ESTIMATE_HIGH], 60);
    assert_int_equal(f->e.bound, ESTIMATE_BY_RPM);
    assert_int_equal(f->e.ms[ESTIMATE_MID], 2000 * 116);
    f->wish.history.call_ms = 0;
    estimate(f, JOB("1000") "limits: {in_flight: 8, rpm: 600}}\n");
    assert_int_equal(f->e.bound, ESTIMATE_BY_IN_FLIGHT);
}

static void
a_cost_is_not_known_when_only_its_highest_figure_is_beyond_counting(
    void **state)
{
    struct fixture *f = *state;

    estimate(f, JOB("1000") "stream: true}\n");
    assert_true(f->e.cost[ESTIMATE_HIGH] > 0);
    f->spec->writer->price = (struct price){
        .input = INT64_MAX / (int64_t)f->e.input[ESTIMATE_HIGH] + 1};
    assert_int_equal(estimate_make(f->spec, f->sampler, &f->wish, &f->e),
                     CO_OK);
    for (unsigned g = 0; g < ESTIMATES; g++) {
        assert_true(f->e.cost[g] == -1);
    }
}

static void
the_built_in_writer_calls_nobody(void **state)
{
    struct fixture *f = *state;

    estimate(f, "job: personas\nname: a\nrows: 1000\nphases: [corpus]\n");
    assert_false(f->e.calls_models);
    assert_int_equal(f->e.calls[ESTIMATE_HIGH], 0);
    assert_true(f->e.cost[ESTIMATE_HIGH] == 0);
    assert_int_equal(f->e.bound, ESTIMATE_BY_CPU);
    assert_interval(f->e.bytes);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_figure_is_an_interval_and_grows_with_the_rows),
        TEST(arms_are_priced_by_their_shares),
        TEST(the_tightest_limit_is_what_binds),
        TEST(batches_take_from_two_looks_to_two_days),
        TEST(a_deadline_needs_as_many_workers_as_it_is_short),
        TEST(a_budget_is_enough_for_its_share_of_the_rows),
        TEST(shares_pay_for_the_rows_of_the_phase_that_is_short),
        TEST(what_rows_took_is_believed),
        TEST(how_long_calls_took_is_believed),
        TEST(
            a_cost_is_not_known_when_only_its_highest_figure_is_beyond_counting),
        TEST(the_built_in_writer_calls_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
