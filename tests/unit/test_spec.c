/* test_spec.c - job files: what is read, and what each mistake is told. */
#include "tests/unit/spec_fixture.h"

static void
the_example_is_read(void **state)
{
    struct job_spec *spec = NULL;

    (void)state;
    assert_int_equal(
        spec_load(CO_SOURCE_DIR "/examples/us-adults.yaml", &spec, &diag),
        CO_OK);
    if (!spec) abort();
    assert_string_equal(spec->name, "us-adults");
    assert_int_equal(spec->seed, 42);
    assert_int_equal(spec->rows, 10000);
    assert_string_equal(spec->dir, "out/us-adults");
    assert_int_equal(spec->where.count, 1);
    assert_int_equal(spec->where.items[0].id, ATTR_AGE);
    assert_int_equal(spec->where.items[0].min, 18);
    assert_false(spec->where.items[0].has_max);
    spec_free(spec);
}

static void
defaults_are_those_of_the_document(void **state)
{
    struct job_spec *spec = given(HEAD);

    (void)state;
    assert_non_null(spec);
    assert_int_equal(spec->seed, 0);
    assert_int_equal(spec->phases, SPEC_CORPUS | SPEC_COMPOSE);
    assert_int_equal(spec->priority, SPEC_MEDIUM);
    assert_string_equal(spec_priority_name(spec->priority), "medium");
    assert_int_equal(spec->shard_rows, 10000);
    assert_true(spec_dedups(spec));
    assert_true(spec->dedup_memory == 2ull << 30);
    assert_string_equal(spec->dir, "out/a");
    assert_string_equal(spec_service(spec), "persona.compose");
    assert_int_equal(spec->where.count, 0);
    spec_free(spec);
}

static void
every_key_is_read(void **state)
{
    struct job_spec *spec = given(
        HEAD "seed: 18446744073709551615\n"
             "population: {data: us, where: {state: CA, city: [Reno, Austin], "
             "age: 30}}\nphases: [corpus]\nprovider: builtin\n"
             "dedup: {method: none, memory: 64MiB}\npriority: "
             "critical\noutput: {dir: /x/y, shard_rows: 500, "
             "formats: [jsonl.zst]}\n");
    struct condition c[ATTR_ALL];

    (void)state;
    assert_non_null(spec);
    assert_true(spec->seed == UINT64_MAX);
    assert_int_equal(spec->phases, SPEC_CORPUS);
    assert_int_equal(spec->priority, SPEC_CRITICAL);
    assert_string_equal(spec->dir, "/x/y");
    assert_int_equal(spec->shard_rows, 500);
    assert_int_equal(spec->dedup, SPEC_DEDUP_NONE);
    assert_true(spec->dedup_memory == 64 << 20);
    assert_string_equal(spec_service(spec), "persona.corpus");
    assert_int_equal(where_conditions(&spec->where, c), 3);
    assert_string_equal(c[0].attribute, "state");
    assert_string_equal(c[0].values[0], "CA");
    assert_int_equal(c[1].n_values, 2);
    assert_string_equal(c[1].values[1], "Austin");
    assert_true(c[2].has_min && c[2].has_max);
    assert_int_equal(c[2].min, 30);
    assert_int_equal(c[2].max, 30);
    spec_free(spec);
    spec = given(HEAD "service: slow\n");
    assert_string_equal(spec_service(spec), "slow");
    spec_free(spec);
}

static void
rows_have_a_range(void **state)
{
    (void)state;
    assert_refused("job: personas\nname: a\nrows: 0\n",
                   "us.yaml:3: rows: found \"0\"; allowed is a whole number "
                   "from 1 to 100000000000");
    assert_refused("job: personas\nname: a\nrows: 10000000000000\n",
                   "us.yaml:3: rows: found \"10000000000000\"; allowed is a "
                   "whole number from 1 to 100000000000");
    assert_refused("job: personas\nname: a\nrows: many\n",
                   "us.yaml:3: rows: found \"many\"; allowed is a whole number "
                   "from 1 to 100000000000");
    assert_refused("job: personas\nname: a\nrows: -1\n",
                   "us.yaml:3: rows: found \"-1\"; allowed is a whole number "
                   "from 1 to 100000000000");
}

static void
unknown_keys_are_named_with_those_allowed(void **state)
{
    (void)state;
    assert_refused(HEAD "sede: 1\n",
                   "us.yaml:4: sede: unknown key, did you mean seed?; allowed "
                   "here: job, name, seed, rows, population, phases, provider, "
                   "providers, prompts, arms, fallback_ok, answers, budget, "
                   "cache, dedup, priority, output or service");
    assert_refused(
        HEAD "gates: {}\n",
        "us.yaml:4: gates: unknown key; allowed here: job, name, "
        "seed, rows, population, phases, provider, providers, prompts, "
        "arms, fallback_ok, answers, budget, cache, dedup, priority, output "
        "or service");
    assert_refused(HEAD "output:\n  dri: x\n",
                   "us.yaml:5: output.dri: unknown key, did you mean dir?; "
                   "allowed here: dir, shard_rows or formats");
    assert_refused(HEAD "population:\n  source: x\n",
                   "us.yaml:5: population.source: unknown key; allowed here: "
                   "data, where, mix or phrases");
}

static void
keys_of_later_versions_are_unknown_for_now(void **state)
{
    static const char *const later[] = {"quality", "deadline",  "resources",
                                        "gates",   "relations", "index"};
    char text[200];

    (void)state;
    for (size_t i = 0; i < co_countof(later); i++) {
        (void)snprintf(text, sizeof text, HEAD "%s: 1\n", later[i]);
        assert_null(parse(text));
        assert_non_null(strstr(diag.text, "unknown key"));
    }
}

static void
dedup_says_which_methods_there_are(void **state)
{
    static const char *const later[] = {"minhash", "embedding"};
    char text[200], message[200];

    (void)state;
    for (size_t i = 0; i < co_countof(later); i++) {
        (void)snprintf(text, sizeof text, HEAD "dedup: {method: %s}\n",
                       later[i]);
        (void)snprintf(message, sizeof message,
                       "us.yaml:4: dedup.method: found \"%s\"; allowed is "
                       "auto, exact or none (this version compares whole "
                       "texts only)",
                       later[i]);
        assert_refused(text, message);
    }
    assert_refused(HEAD "dedup: {memory: 1KiB}\n",
                   "us.yaml:4: dedup.memory: found \"1KiB\"; allowed is "
                   "1048576B to 1099511627776B");
}

static void
wrong_types_and_values_are_told(void **state)
{
    (void)state;
    assert_refused("job: people\nname: a\nrows: 1\n",
                   "us.yaml:1: job: found \"people\"; allowed is personas");
    assert_refused("job: personas\nname: US adults\nrows: 1\n",
                   "us.yaml:2: name: found \"US adults\"; allowed are 1 to 64 "
                   "of a-z, 0-9 and -");
    assert_refused(HEAD "seed: 18446744073709551616\n",
                   "us.yaml:4: seed: found \"18446744073709551616\"; allowed "
                   "is a whole number from 0 to 18446744073709551615");
    assert_refused(HEAD "population: us\n",
                   "us.yaml:4: population: found \"us\"; allowed is a map "
                   "(key: value)");
    assert_refused(
        HEAD "population: {data: de}\n",
        "us.yaml:4: population.data: found \"de\"; allowed is us, "
        "world, or a folder with a manifest.yaml (written with a slash: "
        "./de)");
    assert_refused(HEAD "phases: corpus\n",
                   "us.yaml:4: phases: found \"corpus\"; allowed is a list "
                   "([a, b])");
    assert_refused(HEAD "phases: [corpus, design]\n",
                   "us.yaml:4: phases[1]: found \"design\"; allowed is corpus "
                   "or compose");
    assert_refused(HEAD "phases: [compose, corpus]\n",
                   "us.yaml:4: phases: phases are empty, out of order or "
                   "twice; allowed is [corpus] or [corpus, compose]");
    assert_null(parse(HEAD "phases: []\n"));
    assert_null(parse(HEAD "phases: [compose]\n"));
    assert_null(parse(HEAD "phases: [corpus, corpus]\n"));
    assert_null(parse(HEAD "phases: [compose, compose]\n"));
    assert_null(parse(HEAD "phases: [corpus, compose, compose]\n"));
    assert_refused(HEAD "provider: openai\n",
                   "us.yaml:4: provider: found \"openai\"; allowed is builtin, "
                   "or a name that stands in providers:");
    assert_refused(HEAD "priority: urgent\n",
                   "us.yaml:4: priority: found \"urgent\"; allowed is low, "
                   "medium, high or critical");
    assert_refused(HEAD "output: {dir: \"\"}\n",
                   "us.yaml:4: output.dir: found \"\" in quotes; allowed is a "
                   "text of 1 to 1024 bytes");
    assert_refused(HEAD "output: {shard_rows: 300}\n",
                   "us.yaml:4: output.shard_rows: found \"300\"; allowed is a "
                   "multiple of 250 from 250 to 1000000");
    assert_refused(HEAD "output: {shard_rows: 100}\n",
                   "us.yaml:4: output.shard_rows: found \"100\"; allowed is a "
                   "whole number from 250 to 1000000");
    assert_refused(HEAD "output: {formats: [csv]}\n",
                   "us.yaml:4: output.formats[0]: found \"csv\"; allowed is "
                   "jsonl.zst");
    assert_refused(HEAD "output: {formats: []}\n",
                   "us.yaml:4: output.formats: found 0 formats; allowed is "
                   "[jsonl.zst]");
    assert_refused(HEAD "service: fast\n",
                   "us.yaml:4: service: found \"fast\"; allowed is auto or "
                   "slow");
    assert_refused("- 1\n", "us.yaml:1: found a list; allowed is a map (key: "
                            "value)");
    assert_refused("job: personas\nrows: 1\n",
                   "us.yaml: name is missing; job, name and rows are required");
}

static void
conditions_are_checked_as_far_as_the_file_goes(void **state)
{
    (void)state;
    assert_refused(
        HEAD "population:\n  where:\n    stat: CA\n",
        "us.yaml:6: population.where.stat: unknown key, did you mean state?; "
        "allowed here: state, sex, age, race_ethnicity, hispanic, "
        "education_level, marital_status, employment_status, occupation, "
        "first_name, last_name, city, household_type, tenure, household_size, "
        "household_income_usd, language, ocean_openness, "
        "ocean_conscientiousness, ocean_extraversion, ocean_agreeableness, "
        "ocean_neuroticism, bachelors_field, income_usd or country");
    assert_refused(HEAD "population: {where: {age: {min: 30, max: 20}}}\n",
                   "us.yaml:4: population.where.age: min 30 is above max 20: "
                   "no such people");
    assert_refused(HEAD "population: {where: {age: {}}}\n",
                   "us.yaml:4: population.where.age: found an empty map; give "
                   "min, max or both");
    assert_refused(HEAD "population: {where: {age: [1, 2]}}\n",
                   "us.yaml:4: population.where.age: found a list; allowed is "
                   "a number, or {min: A, max: B}");
    assert_refused(HEAD "population: {where: {age: {most: 2}}}\n",
                   "us.yaml:4: population.where.age.most: unknown key; allowed "
                   "here: min or max");
    assert_refused(HEAD "population: {where: {state: {min: 2}}}\n",
                   "us.yaml:4: population.where.state: found a map; allowed is "
                   "one value or a list of values ([a, b])");
    assert_refused(HEAD "population: {where: {state: []}}\n",
                   "us.yaml:4: population.where.state: found an empty list: no "
                   "such people; give at least one value");
}

static void
hostile_files_are_refused(void **state)
{
    (void)state;
    assert_refused("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
                   "us.yaml:1: found an anchor (&...); anchors and aliases are "
                   "not allowed, write the value out");
    assert_refused(HEAD "rows: 2\n",
                   "us.yaml:4: key \"rows\" stands twice (first in line 3); "
                   "each key may stand once");
}

static void
the_command_line_stands_above_the_file(void **state)
{
    struct job_spec *spec = given(HEAD);
    struct spec_overrides o = {
        .has_rows = true, .rows = 7, .has_seed = true, .seed = 9, .dir = "d"};

    (void)state;
    assert_int_equal(spec_override(spec, &o, &diag), CO_OK);
    assert_int_equal(spec->rows, 7);
    assert_int_equal(spec->seed, 9);
    assert_string_equal(spec->dir, "d");
    o.rows = 0;
    o.seed = 1;
    assert_int_equal(spec_override(spec, &o, &diag), CO_RANGE);
    assert_string_equal(diag.text, "--rows 0: allowed is a whole number from 1 "
                                   "to 100000000000");
    assert_int_equal(spec->seed, 9); /* nothing changed */
    o = (struct spec_overrides){.dir = ""};
    assert_int_equal(spec_override(spec, &o, &diag), CO_RANGE);
    assert_string_equal(diag.text, "--out: allowed is a path of 1 to 1024 "
                                   "bytes");
    spec_free(spec);
}

static void
weights_are_checked_as_far_as_the_file_goes(void **state)
{
#define MIX(s) HEAD "population:\n  mix: " s "\n"
    struct job_spec *spec =
        given(MIX("{state: {CA: 2.0, tx: 0.000001}, age: {\"18-29\": 1000, "
                  "\"80+\": 0, \"7\": 0.5}}"));

    (void)state;
    assert_int_equal(spec->mix.count, 5);
    assert_int_equal(spec->mix.items[0].weight, 2000000);
    assert_int_equal(spec->mix.items[1].weight, 1);
    assert_int_equal(spec->mix.items[2].weight, MIX_MAX);
    assert_int_equal(spec->mix.items[3].from, 80);
    assert_int_equal(spec->mix.items[3].to, 99);
    assert_int_equal(spec->mix.items[4].to, 7);
    spec_free(spec);
    assert_refused(MIX("{marital_status: {Divorced: 2}}"),
                   "us.yaml:5: population.mix.marital_status: unknown key; "
                   "allowed here: state, sex, age, race_ethnicity or country");
    assert_refused(MIX("{sex: Female}"), "us.yaml:5: population.mix.sex: found "
                                         "\"Female\"; allowed is a map (key: "
                                         "value)");
    assert_refused(MIX("{sex: {Female: 1000.000001}}"),
                   "us.yaml:5: population.mix.sex.Female: found "
                   "\"1000.000001\"; allowed is a number from 0 to 1000 with "
                   "at most 6 decimals");
    assert_refused(MIX("{sex: {Female: 1.0000001}}"),
                   "us.yaml:5: population.mix.sex.Female: found "
                   "\"1.0000001\"; allowed is a number from 0 to 1000 with at "
                   "most 6 decimals");
    assert_refused(
        MIX("{sex: {Female: -1}}"),
        "us.yaml:5: population.mix.sex.Female: found \"-1\"; allowed is a "
        "number from 0 to 1000 with at most 6 decimals");
    assert_refused(
        MIX("{sex: {Female: 1e3}}"),
        "us.yaml:5: population.mix.sex.Female: found \"1e3\"; allowed is a "
        "number from 0 to 1000 with at most 6 decimals");
    assert_refused(MIX("{age: {\"18-120\": 2}}"),
                   "us.yaml:5: population.mix.age.18-120: these are no ages; "
                   "allowed are \"18-29\", \"18\" and \"80+\", from 0 to 99");
    assert_null(parse(MIX("{age: {\"29-18\": 2}}")));
    assert_null(parse(MIX("{age: {\"018\": 2}}")));
    assert_null(parse(MIX("{age: {\"18-\": 2}}")));
    assert_null(parse(MIX("[]")));
#undef MIX
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_read),
        cmocka_unit_test(defaults_are_those_of_the_document),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(rows_have_a_range),
        cmocka_unit_test(unknown_keys_are_named_with_those_allowed),
        cmocka_unit_test(keys_of_later_versions_are_unknown_for_now),
        cmocka_unit_test(dedup_says_which_methods_there_are),
        cmocka_unit_test(wrong_types_and_values_are_told),
        cmocka_unit_test(conditions_are_checked_as_far_as_the_file_goes),
        cmocka_unit_test(weights_are_checked_as_far_as_the_file_goes),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(the_command_line_stands_above_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
