/* test_spec_budget.c - budgets in job files: what they are cut into, and which
 * cover nothing. */
#include "tests/unit/spec_fixture.h"

static void
a_budget_without_a_price_is_refused(void **state)
{
    char dir[64];
    struct job_spec *spec = given(WRITTEN "budget: {usd: 5}\n");

    (void)state;
    given_data_dir(dir, BACKGROUND);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_INVALID);
    assert_string_equal(
        diag.text,
        "us.yaml:8: budget.usd: what model \"m\" of provider main costs is not "
        "known, so nothing could be counted against the budget. Give "
        "providers.main.price: {input_usd_per_mtok: A, output_usd_per_mtok: B} "
        "(0 where it costs nothing), or leave the budget out");
    assert_null(spec->writer);
    spec_free(spec);
    spec = given(WRITTEN); /* no budget: it may stay unknown */
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    assert_false(writer_has_price(spec->writer));
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

static void
a_budget_below_one_row_is_refused_with_both_figures(void **state)
{
    static const char budget[] =
        HEAD "provider: v\nproviders: {v: {kind: openai, model: m, price: "
             "{call_usd: 1}}}\nbudget: {usd: %s}\n";
    char dir[64], text[256];
    struct job_spec *spec;

    (void)state;
    given_data_dir(dir, BACKGROUND);
    (void)snprintf(text, sizeof text, budget, "1.999999999999");
    spec = given(text);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "us.yaml:6: budget.usd: 1.999999999999 "
                                      "USD covers not even one row, which may "
                                      "cost up to 2 USD ("));
    assert_null(spec->writer);
    spec_free(spec);
    (void)snprintf(text, sizeof text, budget, "2");
    spec = given(text);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    spec_free(spec);
    /* rows whose answers are in the cache take no money */
    (void)snprintf(text, sizeof text, budget,
                   "0.5}\ncache: own\ndedup: {method: none");
    spec = given(text);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

static void
a_budget_without_a_sum_is_refused(void **state)
{
    (void)state;
    assert_refused(HEAD "budget: {}\n",
                   "us.yaml:4: budget: usd is missing: a budget says what "
                   "calls may cost at most, such as {usd: 5.00}; leave budget "
                   "out for a job without a limit");
    assert_null(parse(HEAD "budget:\n"));
    assert_null(parse(HEAD "budget: {usd: }\n"));
}

static void
a_budget_is_cut_by_phase(void **state)
{
    struct job_spec *spec =
        given(HEAD "budget: {usd: 5, reserve: 10%, phases: {background: "
                   "33.3333%, personas: 66.6667%}}\n");

    (void)state;
    assert_true(spec->shares.is_set);
    assert_true(spec->shares.reserve == 500000000000);
    assert_true(spec->shares.share[0] == 1499998500000);
    assert_true(spec->shares.share[1] == 3000001500000);
    spec_free(spec);
    spec = given(HEAD "budget:\n  usd: 5\n  reserve: 0.5\n  phases:\n    "
                      "background: 1.5\n    personas: 3\n");
    assert_true(spec->shares.share[1] == 3000000000000);
    spec_free(spec);
    spec = given(HEAD "budget: {usd: 5}\n");
    assert_false(spec->shares.is_set);
    spec_free(spec);
    assert_refused(HEAD "budget: {usd: 5, reserve: 1}\n",
                   "us.yaml:4: budget.reserve: is what phases take from that "
                   "run short, and there are no budget.phases; give them, such "
                   "as {background: 40%, personas: 60%}");
    assert_refused(HEAD "budget: {usd: 5, phases: {background: 40%}}\n",
                   "us.yaml:4: budget.phases: personas is missing: each phase "
                   "has a share");
    assert_refused(HEAD "budget: {usd: 5, phases: {background: 40%, personas: "
                        "3}}\n",
                   "us.yaml:4: budget.phases: USD and percents; allowed is one "
                   "of them");
    assert_refused(HEAD "budget: {usd: 5, phases: {background: 40%, personas: "
                        "50.5%}}\n",
                   "us.yaml:4: budget.phases: the percents are 90.5000 "
                   "together; allowed is 100");
    assert_refused(HEAD "budget: {usd: 5, reserve: 10%, phases: {background: "
                        "2, personas: 3}}\n",
                   "us.yaml:4: budget.phases: the phases have 5 USD together; "
                   "allowed is 4.5, what usd has beside the reserve");
    assert_refused(HEAD "budget: {usd: 5, phases: {background: 9000000, "
                        "personas: 9000000}}\n",
                   "us.yaml:4: budget.phases: the phases have more than "
                   "9223372.036854775807 USD together; allowed is 5, what usd "
                   "has beside the reserve");
    assert_refused(HEAD "budget: {usd: 5, reserve: 6, phases: {background: "
                        "40%, personas: 60%}}\n",
                   "us.yaml:4: budget.reserve: found \"6\", more than "
                   "budget.usd");
    assert_refused(HEAD "budget: {usd: 5, reserve: 101%, phases: {background: "
                        "40%, personas: 60%}}\n",
                   "us.yaml:4: budget.reserve: found \"101%\"; allowed is "
                   "USD, such as 0.50, or a percent with at most 4 decimals, "
                   "such as 40%");
}

static void
a_share_below_one_row_is_refused_with_its_phase(void **state)
{
    static const char budget[] =
        HEAD "provider: v\nproviders: {v: {kind: openai, model: m, price: "
             "{call_usd: 1}}}\nbudget: {usd: 4, reserve: %s, phases: "
             "{background: %s, personas: %s}}\n";
    char dir[64], text[256];
    struct job_spec *spec;

    (void)state;
    given_data_dir(dir, BACKGROUND);
    (void)snprintf(text, sizeof text, budget, "0.5", "10%", "90%");
    spec = given(text);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_INVALID);
    assert_non_null(
        strstr(diag.text, "us.yaml:6: budget.phases.background: 0.35 USD, with "
                          "the reserve of 0.5, covers not even one row, whose "
                          "call may cost up to 1 USD ("));
    spec_free(spec);
    (void)snprintf(text, sizeof text, budget, "0.75", "10%", "90%");
    spec = given(text);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    spec_free(spec);
    /* what the first may leave one day pays for no row now */
    (void)snprintf(text, sizeof text, budget, "0.5", "90%", "10%");
    spec = given(text);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "us.yaml:6: budget.phases.personas: "));
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

static void
a_budget_needs_the_price_of_every_writer(void **state)
{
    char dir[64];
    struct job_spec *spec;

    (void)state;
    given_data_dir(dir, BACKGROUND);
    spec = given(HEAD "provider: a\n"
                      "providers:\n"
                      "  a: {kind: openai, model: m, price: {call_usd: 0.01},\n"
                      "      fallback: [b]}\n"
                      "  b: {kind: openai, model: n, endpoints: [{url: "
                      "\"http://127.0.0.1:1\"}]}\n"
                      "budget: {usd: 5}\n");
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "of provider b costs is not known"));
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_budget_without_a_price_is_refused),
        cmocka_unit_test(a_budget_below_one_row_is_refused_with_both_figures),
        cmocka_unit_test(a_budget_without_a_sum_is_refused),
        cmocka_unit_test(a_budget_needs_the_price_of_every_writer),
        cmocka_unit_test(a_budget_is_cut_by_phase),
        cmocka_unit_test(a_share_below_one_row_is_refused_with_its_phase),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
