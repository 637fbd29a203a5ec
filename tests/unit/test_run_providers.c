/* test_run_providers.c - what a run looks at before its workers call models:
 * every provider that may write for the job, not only the first. */
#include "cli/open_job.h"
#include "cli/run_providers.h"
#include "tests/co_test.h"

#include <stdlib.h>
#include <string.h>

#define FREE ", model: m, price: {call_usd: 0}"
#define AT ", endpoints: [{url: \"http://127.0.0.1:1\"}]"
#define JOB(other)                                                             \
    "job: personas\nname: a\nrows: 10\nprovider: a\n"                          \
    "providers:\n"                                                             \
    "  a: {kind: openai" FREE AT ", fallback: [b, builtin]}\n" other

static const struct run_providers_where here = {.has_redis = true};
static struct co_diag diag;

static struct job_spec *
given(const char *text)
{
    struct job_spec *spec = NULL;

    if (spec_parse(text, strlen(text), "us.yaml", &spec, &diag)) {
        print_error("%s\n", diag.text);
        abort();
    }
    return spec;
}

static void
assert_refused(const char *text, const struct run_providers_where *where,
               const char *part)
{
    struct job_spec *spec = given(text);

    assert_int_not_equal(run_providers_check(spec, where, &diag), CO_OK);
    if (!strstr(diag.text, part)) fail_msg("%s is not in %s", part, diag.text);
    spec_free(spec);
}

static void
all_that_may_write_are_named_once(void **state)
{
    struct job_spec *spec =
        given(JOB("  b: {kind: openai" FREE AT "}\n"
                  "  c: {kind: openai" FREE AT ", fallback: [b]}\n"
                  "  d: {kind: openai" FREE AT "}\n"
                  "arms: [{name: x, share: 50}, {name: y, share: 50, "
                  "provider: c}]\n"));
    const struct providers_entry *v[PROVIDERS_MAX];

    (void)state;
    assert_int_equal(spec_providers(spec, v), 3);
    assert_string_equal(v[0]->name, "a");
    assert_string_equal(v[1]->name, "b");
    assert_string_equal(v[2]->name, "c");
    spec_free(spec);
    spec = given("job: personas\nname: a\nrows: 10\n");
    assert_int_equal(spec_providers(spec, v), 0);
    assert_int_equal(run_providers_check(spec, &here, &diag), CO_OK);
    assert_int_equal(run_providers_slots(spec, 4), 0);
    spec_free(spec);
}

static void
what_a_fallback_plays_is_looked_at(void **state)
{
    static const char text[] = JOB("  b: {kind: replay, model: m, replay: "
                                   "/nowhere/b.jsonl}\n");
    struct job_spec *spec = given(text);

    (void)state;
    assert_int_equal(open_job_check_replay(spec, &diag), CO_USAGE);
    spec_free(spec);
    assert_refused(text, &here, "us.yaml:7: provider b: replay: ");
}

static void
what_an_arm_records_is_looked_at(void **state)
{
    (void)state;
    assert_refused(
        JOB("  b: {kind: openai" FREE AT "}\n"
            "  c: {kind: openai" FREE AT ", record: /nowhere/c.jsonl}\n"
            "arms: [{name: x, share: 50}, {name: y, share: 50, "
            "provider: c}]\n"),
        &here, "us.yaml:8: provider c: record: cannot record to /nowhere/c");
}

static void
the_key_of_a_fallback_is_looked_for(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("NO_KEY_HERE"), 0);
    assert_refused(JOB("  b: {kind: openai" FREE ", endpoints: [{url: "
                       "\"https://b.example\", key_env: NO_KEY_HERE}]}\n"),
                   &here, "us.yaml:7: provider b: ");
}

static void
limits_of_a_fallback_need_a_redis_too(void **state)
{
    static const struct run_providers_where fleet = {.has_brokers = true};

    (void)state;
    assert_refused(JOB("  b: {kind: openai" FREE AT ", limits: {rpm: 9}}\n"),
                   &fleet, "provider b has limits a minute");
}

static void
workers_have_slots_for_the_busiest_provider(void **state)
{
    struct job_spec *spec =
        given("job: personas\nname: a\nrows: 10\nprovider: a\nproviders:\n"
              "  a: {kind: openai" FREE AT ", limits: {in_flight: 10}, "
              "fallback: [b]}\n"
              "  b: {kind: openai" FREE AT ", limits: {in_flight: 30}}\n");

    (void)state;
    assert_int_equal(run_providers_slots(spec, 4), 8);
    spec_free(spec);
    spec = given(JOB("  b: {kind: openai" FREE AT ", limits: {in_flight: 30}}"
                     "\n")); /* of a nobody knows */
    assert_int_equal(run_providers_slots(spec, 4), 0);
    spec_free(spec);
}

static void
a_budget_for_a_job_without_calls_is_refused(void **state)
{
    struct job_spec *spec =
        given("job: personas\nname: a\nrows: 10\nbudget: {usd: 5}\n");

    (void)state;
    assert_int_equal(spec_open_writer(spec, NULL, &diag), CO_INVALID);
    assert_string_equal(
        diag.text,
        "us.yaml:4: budget: is what calls may cost at most, and this job makes "
        "none: its texts are the built-in writer's and cost nothing. Leave "
        "budget out, or name the provider that writes (provider: NAME)");
    spec_free(spec);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_may_write_are_named_once),
        cmocka_unit_test(what_a_fallback_plays_is_looked_at),
        cmocka_unit_test(what_an_arm_records_is_looked_at),
        cmocka_unit_test(the_key_of_a_fallback_is_looked_for),
        cmocka_unit_test(limits_of_a_fallback_need_a_redis_too),
        cmocka_unit_test(workers_have_slots_for_the_busiest_provider),
        cmocka_unit_test(a_budget_for_a_job_without_calls_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
