/* test_spec_short.c - job files: what happens where the budget is short, and
 * the least that a job of several writers can begin with. */
#include "spec_fixture.h"

/* A call of main costs 1 USD at most, and exactly; one of dear 3. */
#define SEVERAL                                                                \
    HEAD "providers:\n  main: {kind: openai, model: m, price: {call_usd: 1}, " \
         "fallback: [%s]}\n  dear: {kind: openai, model: d, price: "           \
         "{call_usd: 3}}\nprovider: main\n"

static void
who_degrades_has_a_fallback_to_go_to(void **state)
{
    struct job_spec *spec;

    (void)state;
    assert_refused(
        WRITTEN "budget: {usd: 5, short: degrade}\n",
        "us.yaml:8: budget.short: rows go on with the fallback of their "
        "provider when the money runs short, and provider main has none; give "
        "it one (fallback: [NAME], or [builtin], which costs nothing), or say "
        "stop");
    assert_refused(WRITTEN "budget: {usd: 5, short: wait}\n",
                   "us.yaml:8: budget.short: found \"wait\"; allowed is stop "
                   "or degrade");
    spec = given(WRITTEN "budget: {usd: 5, short: stop}\n");
    assert_false(spec->degrades);
    spec_free(spec);
}

static void
each_arm_needs_one(void **state)
{
    char text[1024];
    struct job_spec *spec;
    int n;

    (void)state;
    n = snprintf(text, sizeof text, SEVERAL, "builtin");
    (void)snprintf(text + n, sizeof text - (size_t)n,
                   "arms: [{name: a, share: 50}, {name: b, share: 50, "
                   "provider: dear}]\nbudget: {usd: 9, short: degrade}\n");
    assert_null(parse(text));
    assert_non_null(strstr(diag.text, "provider dear has none"));
    (void)snprintf(text + n, sizeof text - (size_t)n,
                   "budget: {usd: 9, short: degrade}\n");
    spec = given(text);
    assert_true(spec->degrades);
    spec_free(spec);
}

static enum co_err
open_with(const char *fallback, const char *budget)
{
    char dir[64], text[1024];
    const int n = snprintf(text, sizeof text, SEVERAL, fallback);
    struct job_spec *spec;
    enum co_err err;

    given_data_dir(dir, BACKGROUND);
    (void)snprintf(text + n, sizeof text - (size_t)n, "budget: {%s}\n", budget);
    spec = given(text);
    err = spec_open_writer(spec, dir, &diag);
    if (err) assert_null(spec->writer);
    spec_free(spec);
    return err;
}

/* A row may go from one to the other between its calls. */
static void
a_row_may_cost_what_the_dearest_of_its_writers_takes(void **state)
{
    (void)state;
    assert_int_equal(open_with("dear", "usd: 5.99"), CO_INVALID);
    assert_non_null(strstr(diag.text, "which may cost up to 6 USD (background: "
                                      "dear, personas: dear) ("));
    assert_non_null(strstr(diag.text, "Raise the budget to that at least"));
    assert_int_equal(open_with("dear", "usd: 6"), CO_OK);
    assert_int_equal(open_with("builtin", "usd: 1.99"), CO_INVALID);
    assert_int_equal(open_with("builtin", "usd: 2"), CO_OK);
}

/* The others are there for when there is less. */
static void
a_job_that_degrades_needs_what_its_first_writer_takes(void **state)
{
    (void)state;
    assert_int_equal(open_with("dear", "usd: 1.99, short: degrade"),
                     CO_INVALID);
    assert_non_null(strstr(diag.text, "up to 2 USD (background: main, "));
    assert_int_equal(open_with("dear", "usd: 2, short: degrade"), CO_OK);
}

static void
shares_that_cover_no_row_are_told_the_least_budget_that_does(void **state)
{
    static const char cut[] =
        ", reserve: 10%, phases: {background: 40%, personas: 60%}";
    char budget[128];

    (void)state;
    (void)snprintf(budget, sizeof budget, "usd: 6.5%s", cut);
    assert_int_equal(open_with("dear", budget), CO_INVALID);
    assert_non_null(strstr(diag.text, "whose call may cost up to 3 USD with "
                                      "dear ("));
    assert_non_null(
        strstr(diag.text, "Raise the budget to 6.521739130436 or the share"));
    (void)snprintf(budget, sizeof budget, "usd: 6.521739130436%s", cut);
    assert_int_equal(open_with("dear", budget), CO_OK);
    (void)snprintf(budget, sizeof budget, "usd: 6.521739130435%s", cut);
    assert_int_equal(open_with("dear", budget), CO_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_degrades_has_a_fallback_to_go_to),
        cmocka_unit_test(each_arm_needs_one),
        cmocka_unit_test(a_row_may_cost_what_the_dearest_of_its_writers_takes),
        cmocka_unit_test(a_job_that_degrades_needs_what_its_first_writer_takes),
        cmocka_unit_test(
            shares_that_cover_no_row_are_told_the_least_budget_that_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
