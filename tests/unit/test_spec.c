/* test_spec.c - job files: what is read, and what each mistake is told. */
#include "common/fs.h"
#include "common/yaml.h"
#include "job/keys.h"
#include "job/spec.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "job: personas\nname: a\nrows: 10\n"

static struct co_diag diag;

static struct job_spec *
parse(const char *text)
{
    struct job_spec *spec = NULL;

    diag.text[0] = '\0';
    if (spec_parse(text, strlen(text), "us.yaml", &spec, &diag)) return NULL;
    return spec;
}

/* A spec that must be there. abort: gcc knows that it does not return. */
static struct job_spec *
given(const char *text)
{
    struct job_spec *spec = parse(text);

    if (!spec) {
        print_error("%s\n", diag.text);
        abort();
    }
    return spec;
}

static void
assert_refused(const char *text, const char *message)
{
    struct job_spec *spec = parse(text);

    assert_null(spec);
    assert_string_equal(diag.text, message);
}

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

/* --- who writes ----------------------------------------------------------- */

#define MODELS                                                                 \
    "providers:\n  main: {kind: openai, model: m, endpoints: [{url: "          \
    "\"http://127.0.0.1:1\"}]}\n  vendor: {kind: openai, model: "              \
    "gpt-4o-mini}\n"
#define WRITTEN HEAD MODELS "provider: main\n"

static void
a_provider_is_one_of_the_map(void **state)
{
    struct job_spec *spec = given(WRITTEN);

    (void)state;
    assert_string_equal(spec_provider(spec)->model, "m");
    assert_string_equal(spec_service(spec), "persona.write");
    assert_int_equal(spec->answers.max_tokens, 1200);
    assert_int_equal(spec->answers.temperature_milli, 800);
    assert_int_equal(spec->answers.repairs, 2);
    assert_int_equal(spec->answers.fresh, 1);
    assert_true(spec->budget == -1);
    spec_free(spec);
    spec = given(HEAD MODELS "provider: builtin\n");
    assert_null(spec_provider(spec));
    assert_string_equal(spec_service(spec), "persona.compose");
    spec_free(spec);
    assert_refused(HEAD MODELS "provider: mian\n",
                   "us.yaml:7: provider: found \"mian\"; allowed is builtin, "
                   "main or vendor");
    assert_refused(WRITTEN "phases: [corpus]\n",
                   "us.yaml:7: provider: found \"main\", but phases [corpus] "
                   "have no texts to write; allowed is builtin");
    assert_refused(WRITTEN "service: slow\n",
                   "us.yaml:7: provider: found \"main\"; service: slow is of "
                   "the built-in writer alone");
    assert_refused(HEAD "providers: {main: {kind: openai}}\n",
                   "us.yaml:4: providers.main: model is missing");
}

static void
answers_and_the_budget_are_read_exactly(void **state)
{
    struct job_spec *spec =
        given(WRITTEN "answers: {max_tokens: 16, temperature: 1.25, repairs: "
                      "0, fresh: 5}\nbudget: {usd: 5.000000000001}\n");

    (void)state;
    assert_int_equal(spec->answers.max_tokens, 16);
    assert_int_equal(spec->answers.temperature_milli, 1250);
    assert_int_equal(spec->answers.repairs, 0);
    assert_int_equal(spec->answers.fresh, 5);
    assert_true(spec->budget == 5000000000001);
    assert_false(spec->cached);
    spec_free(spec);
    spec =
        given(WRITTEN "answers: {temperature: own}\ncache: own\nbudget: {usd: "
                      "9000000}\n");
    assert_true(spec->answers.temperature_milli == WRITER_TEMPERATURE_OWN);
    assert_true(spec->budget == 9000000000000000000);
    assert_true(spec->cached && !spec->cache_shared);
    spec_free(spec);
    assert_refused(WRITTEN "answers: {temperature: 2.5}\n",
                   "us.yaml:8: answers.temperature: found \"2.5\"; allowed is "
                   "a number from 0 to 2 with at most 3 decimals, or own "
                   "(nothing is sent)");
    assert_refused(WRITTEN "answers: {fresh: 6}\n",
                   "us.yaml:8: answers.fresh: found \"6\"; allowed is a whole "
                   "number from 0 to 5");
    spec = given(WRITTEN "cache: shared\n");
    assert_true(spec->cached && spec->cache_shared);
    spec_free(spec);
    assert_refused(WRITTEN "cache: on\n",
                   "us.yaml:8: cache: found \"on\"; allowed is off, own or "
                   "shared");
    assert_refused(WRITTEN "budget: {usd: 9000000.000000000001}\n",
                   "us.yaml:8: budget.usd: found \"9000000.000000000001\"; "
                   "allowed is a number from 0 to 9000000 with at most 12 "
                   "decimals");
    assert_refused(WRITTEN "budget: {usd: 0.0}\n",
                   "us.yaml:8: budget.usd: found \"0.0\": no call could be "
                   "made; allowed is more than 0, to 9000000");
    assert_refused(WRITTEN "budget: 5\n",
                   "us.yaml:8: budget: found \"5\"; allowed is a map (key: "
                   "value)");
    assert_refused(WRITTEN "budget: {eur: 5}\n",
                   "us.yaml:8: budget.eur: unknown key; allowed here: usd, "
                   "reserve or phases");
}

/* A folder with the two files, and a table of prices as the program's. */
static void
given_data_dir(char dir[64], const char *background)
{
    static const char personas[] = "## system\ns\n## user\n{{background}}\n"
                                   "{{fields}}\n## repair\n{{error}}\n";
    static const char prices[] = "2025-01-02\topenai\tgpt-4o-mini\t1\t-\t2\n";
    const struct {
        const char *name, *text;
    } files[] = {{"prompts/compose/background.md", background},
                 {"prompts/compose/personas.md", personas},
                 {"prices.tsv", prices}};
    char path[128];

    (void)snprintf(dir, 64, "/tmp/spec-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/prompts/compose", dir);
    assert_int_equal(co_fs_mkdirs(path, &diag), CO_OK);
    for (size_t i = 0; i < co_countof(files); i++) {
        FILE *file;

        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        file = fopen(path, "we");
        if (!file) abort();
        assert_true(fputs(files[i].text, file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
}

#define BACKGROUND "## system\ns\n## user\n{{fields}}\n## repair\n{{error}}\n"

static void
a_writer_is_the_provider_with_prompts_and_price(void **state)
{
    char dir[64];
    struct job_spec *spec = given(HEAD MODELS "provider: vendor\n");

    (void)state;
    given_data_dir(dir, BACKGROUND);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    assert_string_equal(spec->writer->provider, "vendor");
    assert_string_equal(spec->writer->kind, "openai");
    assert_string_equal(spec->writer->model, "gpt-4o-mini");
    assert_string_equal(prompt_set_text(spec->writer->prompts, ASK_BACKGROUND),
                        BACKGROUND);
    /* Nothing in the file: as the vendor's table says. */
    assert_int_equal(spec->writer->price.input, 1000000);
    assert_int_equal(spec->writer->price.output, 2000000);
    assert_string_equal(spec->price_date, "2025-01-02");
    spec_free(spec);
    spec = given(HEAD "provider: v\nproviders: {v: {kind: openai, model: "
                      "gpt-4o-mini, price: {call_usd: 1}}}\n");
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    assert_int_equal(spec->writer->price.input, 0);
    assert_string_equal(spec->price_date, "");
    spec_free(spec);
    spec = given(HEAD);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    assert_null(spec->writer);
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

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

/* Its calls would never start, and nobody would say so. */
static void
a_limit_of_tokens_below_one_call_is_refused(void **state)
{
    static const char job[] =
        HEAD "provider: v\nproviders:\n  v: {kind: openai, model: m, limits: "
             "{tpm: %llu}}\nanswers: {max_tokens: 500}\n";
    unsigned long long needed = 0;
    char dir[64], text[512];
    struct job_spec *spec;
    const char *at;

    (void)state;
    given_data_dir(dir, BACKGROUND);
    (void)snprintf(text, sizeof text, job, 1000ull);
    spec = given(text);
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text,
                           "providers.v.limits.tpm: found 1000; one call of "
                           "this job may take "));
    assert_null(spec->writer);
    spec_free(spec);
    at = strstr(diag.text, "may take ");
    assert_non_null(at);
    needed = strtoull(at + strlen("may take "), NULL, 10);
    assert_true(needed > 500 + ASK_ANSWER_MAX + ASK_WRONG_MAX);
    for (unsigned less = 0; less < 2; less++) {
        (void)snprintf(text, sizeof text, job, needed - less);
        spec = given(text);
        assert_int_equal(spec_open_writer(spec, dir, &diag),
                         less ? CO_INVALID : CO_OK);
        spec_free(spec);
    }
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

static void
a_temperature_that_the_api_refuses_is_refused_with_its_line(void **state)
{
    static const char job[] = HEAD "provider: v\nproviders: {v: {kind: "
                                   "anthropic, model: m}}\nanswers: "
                                   "{temperature: %s}\n";
    char text[256];

    (void)state;
    (void)snprintf(text, sizeof text, job, "1.5");
    assert_refused(text, "us.yaml:6: answers.temperature: found \"1.5\", but "
                         "anthropic takes a temperature from 0 to 1, and "
                         "refuses 1.500; lower it, or say own (nothing is "
                         "sent)");
    (void)snprintf(text, sizeof text, job, "1");
    spec_free(given(text));
    (void)snprintf(text, sizeof text, job, "own");
    spec_free(given(text));
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
wrong_prompts_are_told_with_their_file(void **state)
{
    char dir[64], text[512];
    struct job_spec *spec;

    (void)state;
    given_data_dir(dir, "## system\ns\n## user\n{{fields}} {{shoe}}\n");
    (void)snprintf(text, sizeof text, WRITTEN "prompts: %s/prompts/compose\n",
                   dir);
    spec = given(text);
    assert_int_equal(spec_open_writer(spec, "/nowhere", &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "us.yaml: prompts: "));
    assert_non_null(strstr(diag.text, "background.md:4"));
    spec_free(spec);
    spec = given(WRITTEN "prompts: no/such\n");
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "(looked for from the working folder, "));
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

#define TWO                                                                    \
    HEAD "provider: a\n"                                                       \
         "providers:\n"                                                        \
         "  a: {kind: openai, model: m, fallback: [b, builtin],\n"             \
         "      price: {call_usd: 0}}\n"                                       \
         "  b: {kind: openai, model: n, price: {call_usd: 0}}\n"
#define ARMS(list) TWO "arms: [" list "]\n"

static void
arms_are_shares_with_writers_of_their_own(void **state)
{
    char dir[64];
    struct job_spec *spec;
    const struct writers *w;

    (void)state;
    given_data_dir(dir, BACKGROUND);
    spec = given(ARMS(
        "{name: x, share: 70}, {name: y, share: 30, provider: b}") "fallback_"
                                                                   "ok: "
                                                                   "true\n");
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    w = spec->writers;
    assert_int_equal(w->n, 2); /* b is the same for both */
    assert_string_equal(w->v[1]->provider, "b");
    assert_int_equal(w->n_arms, 2);
    assert_int_equal(w->arms[0].n, 2);
    assert_int_equal(w->arms[0].chain[1], 1);
    assert_true(w->arms[0].builtin);
    assert_int_equal(w->arms[1].n, 1);
    assert_int_equal(w->arms[1].chain[0], 1);
    assert_false(w->arms[1].builtin);
    assert_true(w->fallback_ok);
    spec_free(spec);
    spec =
        given(HEAD "provider: b\nproviders: {b: {kind: openai, model: n}}\n");
    assert_int_equal(spec_open_writer(spec, dir, &diag), CO_OK);
    assert_null(spec->writers);
    spec_free(spec);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

static void
wrong_arms_are_told_with_what_to_do(void **state)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {ARMS("{name: x, share: 70}, {name: y, share: 31}"),
         "us.yaml:9: arms: the shares are 101 percent together; they have to "
         "be 100"},
        {ARMS("{name: x, share: 70}"), "us.yaml:9: arms: found 1 arms; "},
        {ARMS("{name: x, share: 70}, {name: x, share: 30}"), "twice"},
        {ARMS("{name: x, share: 70, provider: b}, {name: y, share: 30}"),
         "leave provider and prompts out here"},
        {ARMS("{name: x, share: 70}, {name: y, share: 30, provider: c}"),
         "arms[1].provider: found \"c\"; allowed is a name that stands in "
         "providers:"},
        {ARMS("{name: x, share: 70}, {share: 30}"), "name is missing"},
        {ARMS("{name: x, share: 70}, {name: Y, share: 30}"), "a-z, 0-9"},
        {HEAD "arms: [{name: x, share: 70}, {name: y, share: 30}]\n",
         "this job has no provider"},
        {HEAD "provider: b\nproviders: {b: {kind: openai, model: n}}\n"
              "fallback_ok: true\n",
         "no provider of this job has a fallback"},
        {TWO "cache: own\n", "leave cache out"},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(wrong); i++) {
        assert_null(parse(wrong[i].text));
        if (!strstr(diag.text, wrong[i].message)) {
            fail_msg("%s is not in %s", wrong[i].message, diag.text);
        }
    }
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

/* --- documents ------------------------------------------------------------ */

static void
the_document_has_every_key_as_it_is(void **state)
{
    FILE *doc = fopen(CO_SOURCE_DIR "/docs/job-file.md", "r");
    size_t count = 0, seen = 0, attributes = 0;
    const struct job_key *keys = job_keys(&count);
    char line[1024], want[1024];

    (void)state;
    assert_non_null(doc);
    while (fgets(line, sizeof line, doc)) {
        if (strncmp(line, "| `", 3) != 0) continue;
        if (seen < count) {
            (void)snprintf(
                want, sizeof want, "| `%s` | %s | %s | %s | %s | %s |\n",
                keys[seen].path, keys[seen].type, keys[seen].fallback,
                keys[seen].allowed, keys[seen].changes_rows ? "yes" : "no",
                keys[seen].why);
            seen++;
        } else {
            enum attribute_id id = (enum attribute_id)attributes++;

            assert_true(id < ATTR_COUNT);
            (void)snprintf(want, sizeof want, "| `%s` | %s |\n",
                           attribute_get(id)->name,
                           attribute_get(id)->kind == ATTR_INTEGER
                               ? "a number or bounds"
                               : "one value or a list");
        }
        assert_string_equal(line, want);
    }
    (void)fclose(doc);
    assert_int_equal(seen, count);
    assert_int_equal(attributes, ATTR_COUNT);
}

/* The schema's properties at path must be exactly names. */
static void
assert_properties(const json_t *schema, const char *const *names)
{
    const json_t *properties = json_object_get(schema, "properties");
    size_t n = 0;

    for (; names[n]; n++) {
        if (!json_object_get(properties, names[n])) {
            fail_msg("the schema lacks %s", names[n]);
        }
    }
    assert_int_equal(json_object_size(properties), n);
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
}

/* What the reader of providers: allows is told by what it refuses. */
static void
assert_provider_keys(const json_t *schema, const char *before,
                     const char *after)
{
    const json_t *properties = json_object_get(schema, "properties");
    char text[400], allowed[400];
    const char *key, *list;
    char *last;
    json_t *value;
    size_t n = 0;

    (void)snprintf(text, sizeof text, HEAD "providers: {a: %snope: 1%s}\n",
                   before, after);
    assert_null(parse(text));
    list = strstr(diag.text, "allowed here: ");
    assert_non_null(list);
    (void)snprintf(allowed, sizeof allowed, " %s,",
                   list + strlen("allowed here:"));
    last = strstr(allowed, " or ");
    if (last) memcpy(last, ",   ", 4);
    json_object_foreach((json_t *)(uintptr_t)properties, key, value)
    {
        (void)value;
        (void)snprintf(text, sizeof text, " %s,", key);
        if (!strstr(allowed, text)) fail_msg("%s is not in%s", key, allowed);
    }
    for (const char *p = allowed; (p = strchr(p, ',')); p++) {
        n++;
    }
    assert_int_equal(n, json_object_size(properties));
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
}

static void
assert_providers(const json_t *schema)
{
    const json_t *provider =
        json_object_get(json_object_get(schema, "$defs"), "provider");
    const json_t *in = json_object_get(provider, "properties");

#define KIND "{kind: openai, model: m, "
    assert_provider_keys(provider, "{", "}");
    assert_provider_keys(
        json_object_get(json_object_get(in, "endpoints"), "items"),
        KIND "endpoints: [{", "}]}");
    assert_provider_keys(json_object_get(in, "timeouts"), KIND "timeouts: {",
                         "}}");
    assert_provider_keys(json_object_get(in, "limits"), KIND "limits: {", "}}");
    assert_provider_keys(json_object_get(in, "price"), KIND "price: {", "}}");
#undef KIND
}

static void
the_schema_agrees_with_the_parser(void **state)
{
    const char *names[JOB_KEYS_MAX];
    const char *attributes[ATTR_COUNT + 1] = {NULL};
    const json_t *at;
    json_t *schema = NULL;
    size_t count = 0, required = 0;
    const struct job_key *keys = job_keys(&count);

    (void)state;
    assert_int_equal(co_json_load_file(CO_SOURCE_DIR
                                       "/job/personas.schema.json",
                                       1 << 20, &schema, &diag),
                     CO_OK);
    job_keys_under("", names);
    assert_properties(schema, names);
    at = json_object_get(schema, "properties");
    job_keys_under("output", names);
    assert_properties(json_object_get(at, "output"), names);
    job_keys_under("dedup", names);
    assert_properties(json_object_get(at, "dedup"), names);
    job_keys_under("answers", names);
    assert_properties(json_object_get(at, "answers"), names);
    job_keys_under("budget", names);
    assert_properties(json_object_get(at, "budget"), names);
    job_keys_under("budget.phases", names);
    assert_properties(
        json_object_get(
            json_object_get(json_object_get(at, "budget"), "properties"),
            "phases"),
        names);
    assert_providers(schema);
    job_keys_under("population", names);
    at = json_object_get(at, "population");
    assert_properties(at, names);
    for (unsigned i = 0; i < ATTR_COUNT; i++) {
        attributes[i] = attribute_get((enum attribute_id)i)->name;
    }
    at = json_object_get(at, "properties");
    assert_properties(json_object_get(at, "where"), attributes);
    for (unsigned i = 0, n = 0; i < ATTR_COUNT; i++) {
        if (attribute_get((enum attribute_id)i)->root) {
            attributes[n++] = attribute_get((enum attribute_id)i)->name;
            attributes[n] = NULL;
        }
    }
    assert_properties(json_object_get(at, "mix"), attributes);
    for (size_t i = 0; i < count; i++) {
        required += strcmp(keys[i].fallback, "required") == 0;
    }
    assert_int_equal(json_array_size(json_object_get(schema, "required")),
                     required);
    json_decref(schema);
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
        cmocka_unit_test(a_provider_is_one_of_the_map),
        cmocka_unit_test(answers_and_the_budget_are_read_exactly),
        cmocka_unit_test(a_writer_is_the_provider_with_prompts_and_price),
        cmocka_unit_test(a_budget_without_a_price_is_refused),
        cmocka_unit_test(a_limit_of_tokens_below_one_call_is_refused),
        cmocka_unit_test(
            a_temperature_that_the_api_refuses_is_refused_with_its_line),
        cmocka_unit_test(a_budget_below_one_row_is_refused_with_both_figures),
        cmocka_unit_test(a_budget_without_a_sum_is_refused),
        cmocka_unit_test(arms_are_shares_with_writers_of_their_own),
        cmocka_unit_test(wrong_arms_are_told_with_what_to_do),
        cmocka_unit_test(a_budget_needs_the_price_of_every_writer),
        cmocka_unit_test(a_budget_is_cut_by_phase),
        cmocka_unit_test(a_share_below_one_row_is_refused_with_its_phase),
        cmocka_unit_test(wrong_prompts_are_told_with_their_file),
        cmocka_unit_test(the_document_has_every_key_as_it_is),
        cmocka_unit_test(the_schema_agrees_with_the_parser),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
