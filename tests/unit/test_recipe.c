/* test_recipe.c - one meaning, one recipe, one hash. */
#include "common/fs.h"
#include "common/hash.h"
#include "job/keys.h"
#include "job/recipe.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "job: personas\nname: a\nrows: 10\nseed: 42\n"

static struct co_diag diag;
static char data_dir[] = "/tmp/recipe-XXXXXX"; /* with prompts */

/* Prompts as a user might have them: "%s" is where they differ. */
static void
write_prompts(const char *dir, const char *word)
{
    static const char *const names[ASK_STAGES] = {"background", "personas"};
    char path[128];

    (void)snprintf(path, sizeof path, "%s/prompts/compose", dir);
    assert_int_equal(co_fs_mkdirs(path, &diag), CO_OK);
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        FILE *file;

        (void)snprintf(path, sizeof path, "%s/prompts/compose/%s.md", dir,
                       names[i]);
        file = fopen(path, "we");
        if (!file) abort();
        assert_true(fprintf(file,
                            "## system\n%s \"A\"\n## user\n%s{{fields}}\n"
                            "## repair\n{{error}}\n",
                            word, i ? "{{background}}\n" : "") > 0);
        assert_int_equal(fclose(file), 0);
    }
}

static int
open_model(void **state)
{
    struct model *model = NULL;

    if (model_open(CO_SOURCE_DIR "/data/us.model", &diag, &model)) return -1;
    if (!mkdtemp(data_dir)) return -1;
    write_prompts(data_dir, "write");
    *state = model;
    return 0;
}

static int
close_model(void **state)
{
    model_free(*state);
    return co_fs_remove_tree(data_dir, &diag) != CO_OK;
}

/* The job file's recipe as text; the caller frees it. NULL: refused. */
static char *
recipe_text(const struct model *m, const char *yaml)
{
    struct job_spec *spec = NULL;
    struct co_buf buf;
    struct recipe recipe;
    char *text;

    if (spec_parse(yaml, strlen(yaml), "us.yaml", &spec, &diag)) return NULL;
    if (spec_check(spec, m, &diag) || spec_open_writer(spec, data_dir, &diag)) {
        spec_free(spec);
        return NULL;
    }
    recipe = recipe_of_spec(spec, 1, 0xabcdef, 0x123456);
    co_buf_init(&buf, RECIPE_BYTES_MAX);
    assert_int_equal(recipe_write(&recipe, &buf), CO_OK);
    text = strdup(co_buf_text(&buf));
    co_buf_fini(&buf);
    spec_free(spec);
    return text;
}

static void
assert_recipe(const struct model *m, const char *yaml, const char *want)
{
    char *text = recipe_text(m, yaml);

    if (!text) assert_string_equal(diag.text, "");
    assert_string_equal(text, want);
    free(text);
}

#define BEFORE_REST                                                            \
    ",\"generator\":1,\"grid\":250,\"job\":\"personas\","                      \
    "\"model\":\"0000000000abcdef\",\"phases\":[\"corpus\",\"compose\"],"      \
    "\"phrases\":\"0000000000123456\",\"population\":\"us\",\"provider\":"     \
    "\"builtin\",\"seed\":\"42\","                                             \
    "\"version\":1,\"where\":"
#define BEFORE "{\"dedup\":\"exact\"" BEFORE_REST

static void
the_recipe_is_canonical_json(void **state)
{
    char *text = recipe_text(*state, HEAD);
    json_t *root;
    char *again;

    assert_string_equal(text, BEFORE "{}}");
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    again = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(again, text);
    /* Golden: a folder made today must be known tomorrow. */
    assert_int_equal(recipe_hash(text, strlen(text)), 0x2c0779cc72debbed);
    free(again);
    json_decref(root);
    free(text);
}

static void
one_meaning_has_one_form(void **state)
{
    static const char *const same[] = {
        "state: [TX, CA], age: {min: 18}",
        "age: {min: 18, max: 2000000}, state: [CA, TX]",
        "state: [ca, tx, California], age: {min: 18}",
    };
    char *first = NULL;

    for (size_t i = 0; i < co_countof(same); i++) {
        char yaml[300];
        char *text;

        (void)snprintf(yaml, sizeof yaml, HEAD "population: {where: {%s}}\n",
                       same[i]);
        text = recipe_text(*state, yaml);
        if (!text) fail_msg("%s", diag.text);
        if (!first) {
            first = text;
        } else {
            assert_string_equal(text, first);
            free(text);
        }
    }
    assert_non_null(first);
    assert_non_null(
        strstr(first, "\"where\":{\"age\":{\"min\":18},\"state\":["));
    free(first);
    assert_recipe(*state, HEAD "population: {where: {age: {min: 0}}}\n",
                  BEFORE "{}}");
}

static void
hashes_cut_short_for_tests_make_another_recipe(void **state)
{
    static const char text[] = BEFORE "{}}";
    struct recipe recipe, other;
    struct co_buf json, diff;

    (void)state;
    co_buf_init(&json, RECIPE_BYTES_MAX);
    co_buf_init(&diff, 1 << 12);
    assert_int_equal(recipe_parse(text, sizeof text - 1, &recipe, NULL), CO_OK);
    assert_int_equal(recipe.hash_bits, 0);
    recipe.hash_bits = 22;
    assert_int_equal(recipe_write(&recipe, &json), CO_OK);
    assert_non_null(strstr(co_buf_text(&json), "\"dedup\":\"exact-22\""));
    assert_int_equal(recipe_parse(json.data, json.len, &other, NULL), CO_OK);
    assert_int_equal(other.hash_bits, 22);
    recipe.hash_bits = 0;
    assert_true(recipe_diff(&other, &recipe, &diff));
    assert_non_null(strstr(co_buf_text(&diff), "COHORT_TEST_HASH_BITS: 22"));
    recipe_fini(&recipe);
    recipe_fini(&other);
    co_buf_fini(&json);
    co_buf_fini(&diff);
}

static void
a_bound_of_income_excludes_who_has_none(void **state)
{
    static const char *const same[] = {"{min: 0}", "{max: 2000000}",
                                       "{min: 0, max: 1000000}"};

    for (size_t i = 0; i < co_countof(same); i++) {
        char yaml[300];

        (void)snprintf(yaml, sizeof yaml,
                       HEAD "population: {where: {income_usd: %s}}\n", same[i]);
        assert_recipe(*state, yaml, BEFORE "{\"income_usd\":{\"min\":0}}}");
    }
}

static void
a_bound_on_what_a_population_does_not_know_is_refused(void **state)
{
    static const char text[] =
        HEAD "population:\n  where: {income_usd: {max: 30000}}\n";
    struct model *world = NULL;

    (void)state;
    assert_int_equal(
        model_open(CO_SOURCE_DIR "/data/world.model", &diag, &world), CO_OK);
    assert_null(recipe_text(world, text));
    assert_non_null(strstr(diag.text,
                           "us.yaml:6: where: this population has no "
                           "attribute \"income_usd\""));
    model_free(world);
}

static void
one_mix_has_one_form(void **state)
{
    static const char *const same[] = {
        "state: {California: 2}, age: {\"18-29\": 1.5, \"30\": 1.5}",
        "age: {\"30\": 1.500000, \"18-29\": 1.5}, state: {ca: 2.0, TX: 1}",
        ("age: {\"18-20\": 1.5, \"21-30\": 1.5}, state: {CA: 2}, sex: "
         "{Male: 3, Female: 3}"),
    };
    struct recipe recipe;

    for (size_t i = 0; i < co_countof(same); i++) {
        char yaml[300];
        char *text;

        (void)snprintf(yaml, sizeof yaml, HEAD "population: {mix: {%s}}\n",
                       same[i]);
        text = recipe_text(*state, yaml);
        if (!text) fail_msg("%s", diag.text);
        assert_non_null(strstr(text, "\"job\":\"personas\",\"mix\":{\"age\":{"
                                     "\"18-30\":1500000},\"state\":{\"CA\":"
                                     "2000000}},\"model\":"));
        assert_int_equal(recipe_parse(text, strlen(text), &recipe, &diag),
                         CO_OK);
        assert_int_equal(recipe.mix.count, 2);
        assert_int_equal(recipe.mix.items[0].from, 18);
        assert_int_equal(recipe.mix.items[0].to, 30);
        recipe_fini(&recipe);
        free(text);
    }
    /* No mix at all is the recipe of folders that knew none. */
    assert_recipe(*state, HEAD "population: {mix: {sex: {Male: 1}}}\n",
                  BEFORE "{}}");
}

#define LOCAL                                                                  \
    "kind: openai, endpoints: [{url: \"http://127.0.0.1:1\"}], model: "
#define PRICED(in)                                                             \
    "price: {input_usd_per_mtok: " in ", output_usd_per_mtok: 0.6}"
#define PROVIDERS(map) "providers: {main: {" map "}}\n"
#define WRITTEN HEAD "provider: main\n" PROVIDERS(LOCAL "m, " PRICED("0.15"))

#define PROMPT(before)                                                         \
    "\"## system\\nwrite \\\"A\\\"\\n## user\\n" before "{{fields}}\\n## "     \
    "repair\\n{{error}}\\n\""
#define WRITER                                                                 \
    "\"writer\":{\"call_price\":0,\"fresh\":1,\"kind\":\"openai\","            \
    "\"max_tokens\":[1200,1200],\"model\":\"m\",\"price\":{\"input\":150000,"  \
    "\"output\":600000},\"prompts\":[" PROMPT("") "," PROMPT(                  \
        "{{background}}\\n") "],\"repairs\":2,\"temperature\":800}}"

static void
a_writer_stands_in_the_recipe_with_its_prompts(void **state)
{
    char *text = recipe_text(*state, WRITTEN);
    struct recipe recipe;
    json_t *root;
    char *again;

    if (!text) fail_msg("%s", diag.text);
    assert_non_null(strstr(text, ",\"provider\":\"main\",\"seed\":"));
    assert_non_null(strstr(text, ",\"where\":{}," WRITER));
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    again = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(again, text);
    assert_int_equal(recipe_parse(text, strlen(text), &recipe, &diag), CO_OK);
    assert_string_equal(recipe.writer->provider, "main");
    assert_string_equal(recipe.writer->model, "m");
    assert_int_equal(recipe.writer->max_tokens[ASK_PERSONAS], 1200);
    assert_int_equal(recipe.writer->price.output, 600000);
    assert_int_equal(recipe.writer->price.cached_input, -1);
    recipe_fini(&recipe);
    free(again);
    json_decref(root);
    free(text);
}

static void
several_writers_stand_behind_the_first_and_come_back(void **state)
{
    char *text = recipe_text(
        *state, HEAD
        "provider: main\n"
        "providers: {main: {" LOCAL "m, " PRICED(
            "0.15") ", fallback: [b, builtin]}, b: {" LOCAL
                    "n, " PRICED("0.2") "}}\n"
                                        "arms: [{name: x, share: 60}, {name: "
                                        "y, share: 40, provider: b}]\n");
    struct recipe recipe;

    if (!text) fail_msg("%s", diag.text);
    assert_non_null(strstr(
        text, ",\"writers\":{\"arms\":[{\"builtin\":true,\"chain\":[0,1],"
              "\"name\":\"x\",\"share\":60},{\"chain\":[1],\"name\":"
              "\"y\",\"share\":40}],\"more\":[{\"provider\":\"b\","
              "\"writer\":{\"call_price\":0,"));
    assert_int_equal(recipe_parse(text, strlen(text), &recipe, &diag), CO_OK);
    assert_int_equal(recipe.writers->n, 2);
    assert_string_equal(recipe.writers->v[1]->provider, "b");
    assert_string_equal(recipe.writers->v[1]->model, "n");
    assert_int_equal(recipe.writers->arms[1].share, 40);
    assert_true(recipe.writers->arms[0].builtin);
    recipe_fini(&recipe);
    free(text);
}

static void
hostile_writers_are_refused(void **state)
{
    static const char *const swaps[][2] = {
        {"\"writer\"", "\"writes\""},
        {"\"provider\":\"main\"", "\"provider\":\"builtin\""},
        {"\"fresh\":1", "\"fresh\":6"},
        {"\"fresh\":1", "\"fresh\":1.0"},
        {"[1200,1200]", "[1200]"},
        {"[1200,1200]", "[1200,0]"},
        {"\"input\":150000", "\"input\":-1"},
        {"\"input\":150000", "\"input\":1e3"},
        {"\"input\":150000,", ""},
        {"\"model\":\"m\"", "\"model\":\"\""},
        {"\"temperature\":800", "\"temperature\":2001"},
        {"\"temperature\":800", "\"temperature\":800,\"z\":1"},
        {"## user", "## usre"},
        {"{{error}}", "{{shoe}}"},
    };
    char *text = recipe_text(*state, WRITTEN);
    struct recipe recipe;

    assert_non_null(text);
    for (size_t i = 0; i < co_countof(swaps); i++) {
        const char *at = strstr(text, swaps[i][0]);
        struct co_buf wrong;

        if (!at) fail_msg("no %s", swaps[i][0]);
        co_buf_init(&wrong, RECIPE_BYTES_MAX);
        co_buf_printf(&wrong, "%.*s%s%s", (int)(at - text), text, swaps[i][1],
                      at + strlen(swaps[i][0]));
        if (recipe_parse(wrong.data, wrong.len, &recipe, &diag) == CO_OK) {
            fail_msg("taken: %s", co_buf_text(&wrong));
        }
        co_buf_fini(&wrong);
    }
    for (size_t len = 0; len < strlen(text); len++) {
        assert_int_not_equal(recipe_parse(text, len, &recipe, &diag), CO_OK);
    }
    free(text);
}

static void
differences_of_writers_are_told_in_words(void **state)
{
    char *a = recipe_text(*state, WRITTEN);
    char *b = recipe_text(
        *state, HEAD "provider: main\nanswers: {max_tokens: 99, temperature: "
                     "own}\n" PROVIDERS(LOCAL "n, " PRICED("0.2")));
    char *c = recipe_text(*state, HEAD);
    struct recipe old, new, plain;
    struct co_buf buf;

    if (!a || !b || !c) fail_msg("%s", diag.text);
    assert_int_equal(recipe_parse(a, strlen(a), &old, &diag), CO_OK);
    assert_int_equal(recipe_parse(b, strlen(b), &new, &diag), CO_OK);
    assert_int_equal(recipe_parse(c, strlen(c), &plain, &diag), CO_OK);
    co_buf_init(&buf, 10000);
    assert_false(recipe_diff(&old, &old, &buf));
    assert_true(recipe_diff(&old, &new, &buf));
    assert_string_equal(
        co_buf_text(&buf),
        "providers: model: m in the folder, n in the job file; providers: "
        "price: 0.15 in, 0.6 out USD a million tokens in the folder, 0.2 in, "
        "0.6 out USD a million tokens in the job file; answers: max_tokens "
        "1200, temperature 0.800, repairs 2, fresh 1 in the folder, max_tokens "
        "99, the model's temperature, repairs 2, fresh 1 in the job file");
    co_buf_clear(&buf);
    assert_true(recipe_diff(&plain, &new, &buf));
    assert_string_equal(co_buf_text(&buf),
                        "provider: builtin in the folder, main in the job "
                        "file");
    co_buf_fini(&buf);
    recipe_fini(&old);
    recipe_fini(&new);
    recipe_fini(&plain);
    free(a);
    free(b);
    free(c);
}

/* Addresses, keys, limits and timeouts are of whoever calls. */
static void
what_is_the_workers_is_not_in_the_recipe(void **state)
{
    char *base = recipe_text(*state, WRITTEN);
    char *text = recipe_text(
        *state, HEAD
        "provider: main\nproviders:\n  main:\n    kind: openai\n    model: "
        "m\n    endpoints: [{url: \"https://h/v1\", weight: 2, key_env: "
        "K}]\n    timeouts: {total: 1m}\n    limits: {rpm: 5}\n    stream: "
        "true\n    price: {input_usd_per_mtok: 0.15, output_usd_per_mtok: "
        "0.6}\n  other: {kind: anthropic, model: x}\n");

    if (!text) fail_msg("%s", diag.text);
    assert_string_equal(text, base);
    free(text);
    free(base);
}

static void
prompts_of_another_text_are_another_recipe(void **state)
{
    char dir[] = "/tmp/recipe-XXXXXX", yaml[1024];
    char *base = recipe_text(*state, WRITTEN), *text;

    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 2; i++) {
        write_prompts(dir, i ? "sing" : "write");
        (void)snprintf(yaml, sizeof yaml,
                       WRITTEN "prompts: %s/prompts/compose\n", dir);
        text = recipe_text(*state, yaml);
        if (!text) fail_msg("%s", diag.text);
        assert_int_equal(strcmp(text, base) != 0, i);
        free(text);
    }
    free(base);
    assert_int_equal(co_fs_remove_tree(dir, &diag), CO_OK);
}

/* yaml, with another value of the key, makes another recipe than base exactly
 * when the table says so. */
static void
assert_key(const struct model *m, const char *base, const char *path,
           const char *yaml)
{
    size_t count = 0, k = 0;
    const struct job_key *keys = job_keys(&count);
    char *text = recipe_text(m, yaml);

    if (!text) fail_msg("%s: %s", path, diag.text);
    while (strcmp(keys[k].path, path) != 0) {
        k++;
    }
    if ((strcmp(text, base) != 0) != keys[k].changes_rows) {
        fail_msg("%s: the table is wrong", path);
    }
    free(text);
}

static void
keys_change_the_recipe_exactly_as_the_table_says(void **state)
{
    /* For each key of the table another value than in HEAD. Keys with one
     * allowed value, and maps, have none. */
    static const struct {
        const char *path;
        const char *yaml;
    } other[] = {
        {"name", "job: personas\nname: b\nrows: 10\nseed: 42\n"},
        {"seed", "job: personas\nname: a\nrows: 10\nseed: 43\n"},
        {"rows", "job: personas\nname: a\nrows: 11\nseed: 42\n"},
        {"population.where", HEAD "population: {where: {sex: female}}\n"},
        {"population.mix", HEAD "population: {mix: {sex: {Female: 2}}}\n"},
        /* population.phrases: test_words */
        {"phases", HEAD "phases: [corpus]\n"},
        {"dedup.method", HEAD "dedup: {method: none}\n"},
        {"dedup.memory", HEAD "dedup: {memory: 1MiB}\n"},
        {"priority", HEAD "priority: high\n"},
        {"output.dir", HEAD "output: {dir: x}\n"},
        {"output.shard_rows", HEAD "output: {shard_rows: 250}\n"},
        {"service", HEAD "service: slow\n"},
        {"provider", WRITTEN},
    };
    /* These say something only where a model writes. prompts: above. */
    static const struct {
        const char *path;
        const char *yaml;
    } written[] = {
        {"providers",
         HEAD "provider: main\n" PROVIDERS(LOCAL "n, " PRICED("0.15"))},
        {"providers",
         HEAD "provider: main\n" PROVIDERS(LOCAL "m, " PRICED("0.2"))},
        {"answers.max_tokens", WRITTEN "answers: {max_tokens: 99}\n"},
        {"answers.temperature", WRITTEN "answers: {temperature: 1}\n"},
        {"answers.repairs", WRITTEN "answers: {repairs: 1}\n"},
        {"answers.fresh", WRITTEN "answers: {fresh: 2}\n"},
        {"budget.usd", WRITTEN "budget: {usd: 5}\n"},
    };
    char *base = recipe_text(*state, HEAD);

    for (size_t i = 0; i < co_countof(other); i++) {
        assert_key(*state, base, other[i].path, other[i].yaml);
    }
    free(base);
    base = recipe_text(*state, WRITTEN);
    for (size_t i = 0; i < co_countof(written); i++) {
        assert_key(*state, base, written[i].path, written[i].yaml);
    }
    free(base);
}

static void
a_recipe_survives_the_way_to_the_worker(void **state)
{
    char *text = recipe_text(
        *state, "job: personas\nname: a\nrows: 1\nseed: 18446744073709551615\n"
                "phases: [corpus]\npopulation: {where: {age: {max: 64, min: "
                "18}, state: [CA, TX]}}\n");
    struct recipe recipe;
    struct co_buf buf;

    assert_non_null(text);
    assert_int_equal(recipe_parse(text, strlen(text), &recipe, &diag), CO_OK);
    assert_true(recipe.seed == UINT64_MAX);
    assert_int_equal(recipe.generator, 1);
    assert_int_equal(recipe.model_hash, 0xabcdef);
    assert_int_equal(recipe.phrases, 0x123456);
    assert_int_equal(recipe.phases, SPEC_CORPUS);
    assert_false(recipe.dedup);
    assert_int_equal(recipe.where.count, 2);
    assert_int_equal(recipe.where.items[0].max, 64);
    assert_int_equal(recipe.where.items[1].n_values, 2);
    co_buf_init(&buf, RECIPE_BYTES_MAX);
    assert_int_equal(recipe_write(&recipe, &buf), CO_OK);
    assert_string_equal(co_buf_text(&buf), text);
    co_buf_fini(&buf);
    recipe_fini(&recipe);
    free(text);
}

#define WITH_MIX(mix)                                                          \
    "{\"generator\":1,\"grid\":250,\"job\":\"personas\",\"mix\":" mix          \
    ",\"model\":\"0000000000abcdef\",\"phases\":[\"corpus\",\"compose\"],"     \
    "\"phrases\":\"0000000000123456\",\"population\":\"us\",\"provider\":"     \
    "\"builtin\",\"seed\":\"42\","                                             \
    "\"version\":1,\"where\":{}}"

static void
hostile_recipes_are_refused(void **state)
{
    static const struct {
        const char *text;
        enum co_err err;
        const char *message;
    } bad[] = {
        {"", CO_INVALID, "recipe: not valid JSON: "},
        {"[]", CO_INVALID, "recipe: no version"},
        {"{\"version\":2}", CO_VERSION,
         "recipe: version 2; this program reads 1"},
        {"{\"version\":1}", CO_INVALID,
         "recipe: generator, seed, model, population, phases or phrases are "
         "missing or "
         "wrong"},
        {BEFORE "[]}", CO_INVALID, "recipe: where is not an object"},
        {BEFORE "{\"shoe\":1}}", CO_NOTFOUND,
         "recipe: bad condition on \"shoe\""},
        {BEFORE "{\"age\":{}}}", CO_INVALID,
         "recipe: bad condition on \"age\""},
        {BEFORE "{\"age\":{\"min\":-1}}}", CO_INVALID,
         "recipe: bad condition on \"age\""},
        {BEFORE "{\"state\":[]}}", CO_RANGE,
         "recipe: bad condition on \"state\""},
        {BEFORE "{\"state\":[1]}}", CO_INVALID,
         "recipe: bad condition on \"state\""},
        {BEFORE "{\"state\":[\"TX\",\"CA\"]}}", CO_INVALID,
         "recipe: bad condition on \"state\""},
        {WITH_MIX("[]"), CO_INVALID, "recipe: mix is not an object"},
        {WITH_MIX("{\"shoe\":{}}"), CO_NOTFOUND, "recipe: bad mix of \"shoe\""},
        {WITH_MIX("{\"hispanic\":{\"Yes\":1}}"), CO_INVALID,
         "recipe: bad mix of \"hispanic\""},
        {WITH_MIX("{\"age\":{\"1-200\":1}}"), CO_INVALID,
         "recipe: bad mix of \"age\""},
        {WITH_MIX("{\"sex\":{\"Male\":1000000001}}"), CO_INVALID,
         "recipe: bad mix of \"sex\""},
        {WITH_MIX("{\"sex\":{\"Male\":-1}}"), CO_INVALID,
         "recipe: bad mix of \"sex\""},
        {WITH_MIX("{\"sex\":{\"Male\":2,\"Female\":3}}"), CO_INVALID,
         "recipe: not in canonical form, or with unknown keys"},
        {BEFORE "{},\"z\":1}", CO_INVALID,
         "recipe: not in canonical form, or with unknown keys"},
        {"{\"dedup\":\"minhash\"" BEFORE_REST "{}}", CO_INVALID,
         "recipe: not in canonical form, or with unknown keys"},
        {BEFORE "{} }", CO_INVALID,
         "recipe: not in canonical form, or with unknown keys"},
        {BEFORE "{\"state\":[\"TX\"],\"age\":{\"min\":1}}}", CO_INVALID,
         "recipe: not in canonical form, or with unknown keys"},
    };
    struct recipe recipe;

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_int_equal(
            recipe_parse(bad[i].text, strlen(bad[i].text), &recipe, &diag),
            bad[i].err);
        assert_memory_equal(diag.text, bad[i].message, strlen(bad[i].message));
    }
}

static void
every_truncation_of_a_recipe_is_refused(void **state)
{
    char *text = recipe_text(
        *state, HEAD "population: {where: {age: {min: 18}, state: CA}}\n");
    struct recipe recipe;

    assert_non_null(text);
    for (size_t len = 0; len < strlen(text); len++) {
        assert_int_not_equal(recipe_parse(text, len, &recipe, &diag), CO_OK);
    }
    free(text);
}

static void
differences_are_told_in_words(void **state)
{
    char *a = recipe_text(*state, HEAD);
    char *b = recipe_text(
        *state, "job: personas\nname: a\nrows: 10\nseed: 43\n"
                "phases: [corpus]\npopulation: {where: {age: {min: 18}}}\n");
    struct recipe old, new;
    struct co_buf buf;

    assert_int_equal(recipe_parse(a, strlen(a), &old, &diag), CO_OK);
    assert_int_equal(recipe_parse(b, strlen(b), &new, &diag), CO_OK);
    co_buf_init(&buf, 10000);
    assert_false(recipe_diff(&old, &old, &buf));
    assert_true(recipe_diff(&old, &new, &buf));
    assert_string_equal(
        co_buf_text(&buf),
        "seed: 42 in the folder, 43 in the job file; population.where: {} in "
        "the folder, {\"age\":{\"min\":18}} in the job file; phases: [corpus, "
        "compose] in the folder, [corpus] in the job file; dedup.method: exact "
        "in the folder, none in the job file");
    co_buf_clear(&buf);
    recipe_fini(&new);
    new = old;
    new.generator = 2;
    new.model_hash = 1;
    assert_true(recipe_diff(&old, &new, &buf));
    assert_string_equal(
        co_buf_text(&buf),
        "generator version: 1 in the folder, 2 in this program; population "
        "tables: 0000000000abcdef in the folder, 0000000000000001 in this "
        "program");
    co_buf_fini(&buf);
    recipe_fini(&old);
    free(a);
    free(b);
}

static void
assert_check_refused(const struct model *m, const char *yaml,
                     const char *message)
{
    char *text = recipe_text(m, yaml);

    assert_null(text);
    if (strncmp(diag.text, message, strlen(message)) != 0) {
        assert_string_equal(diag.text, message);
    }
}

static void
impossible_conditions_are_refused_with_their_line(void **state)
{
    assert_check_refused(
        *state, HEAD "population:\n  where:\n    state: [CA, XX]\n",
        "us.yaml:7: where: state has no value \"XX\"; allowed: ");
    assert_check_refused(
        *state, HEAD "population:\n  where:\n    city: Sprngfield\n",
        "us.yaml:7: where: city has no value \"Sprngfield\"; nearest: ");
    assert_check_refused(
        *state, HEAD "population:\n  where:\n    occupation: Nurse\n",
        "us.yaml:7: where: occupation has no value \"Nurse\"; nearest: "
        "\"Nurse midwives\", ");
    assert_check_refused(*state,
                         HEAD "population:\n  where: {age: {min: 200}}\n",
                         "us.yaml:6: ");
    assert_check_refused(
        *state,
        HEAD "population:\n  where: {age: {max: 10}, marital_status: "
             "Divorced}\n",
        "us.yaml:6: ");
}

static void
impossible_mixes_are_refused_with_their_line(void **state)
{
#define MIX(s) HEAD "population:\n  mix: " s "\n"
    assert_check_refused(*state, MIX("{state: {XX: 2}}"),
                         "us.yaml:6: mix: state has no value \"XX\"; allowed: "
                         "AK; ");
    assert_check_refused(*state, MIX("{state: {CA: 2, California: 3}}"),
                         "us.yaml:6: mix: state California has two weights; "
                         "give each value once");
    assert_check_refused(*state, MIX("{age: {\"18-29\": 2, \"29-40\": 3}}"),
                         "us.yaml:6: mix: age 29 has two weights; let the "
                         "bands not overlap");
    assert_check_refused(*state, MIX("{sex: {Male: 0, Female: 0}}"),
                         "us.yaml:6: mix: nobody in the population has a "
                         "weight above 0; loosen one of them");
    assert_check_refused(
        *state, MIX("{sex: {Male: 0}}\n  where: {sex: Male}"),
        "us.yaml:6: mix: nobody in the population has a weight above 0 and "
        "fulfils all conditions; loosen one of them");
#undef MIX
}

static void
dedup_that_cannot_be_had_is_refused_with_the_alternatives(void **state)
{
    const char *big = "job: personas\nname: a\nrows: 1000000000\n";
    char yaml[200];
    char *text;

    assert_check_refused(
        *state, big,
        "us.yaml:1: dedup.memory: 1000000000 rows need 12 bytes each, 11445MiB "
        "together; 2048MiB are allowed. Allow more (dedup: {memory: "
        "11445MiB}), ask for at most 178956970 rows, or keep duplicates "
        "(dedup: {method: none})");
    assert_check_refused(*state,
                         HEAD "phases: [corpus]\ndedup: {method: exact}\n",
                         "us.yaml:6: dedup.method: found \"exact\", but phases "
                         "[corpus] write no texts");
    (void)snprintf(yaml, sizeof yaml, "%sdedup: {memory: 11445MiB}\n", big);
    text = recipe_text(*state, yaml);
    assert_non_null(text);
    free(text);
    (void)snprintf(yaml, sizeof yaml, "%sphases: [corpus]\n", big);
    text = recipe_text(*state, yaml); /* nothing to compare: no memory */
    assert_non_null(text);
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recipe_is_canonical_json),
        cmocka_unit_test(one_meaning_has_one_form),
        cmocka_unit_test(hashes_cut_short_for_tests_make_another_recipe),
        cmocka_unit_test(a_bound_of_income_excludes_who_has_none),
        cmocka_unit_test(a_bound_on_what_a_population_does_not_know_is_refused),
        cmocka_unit_test(one_mix_has_one_form),
        cmocka_unit_test(a_writer_stands_in_the_recipe_with_its_prompts),
        cmocka_unit_test(several_writers_stand_behind_the_first_and_come_back),
        cmocka_unit_test(hostile_writers_are_refused),
        cmocka_unit_test(differences_of_writers_are_told_in_words),
        cmocka_unit_test(what_is_the_workers_is_not_in_the_recipe),
        cmocka_unit_test(prompts_of_another_text_are_another_recipe),
        cmocka_unit_test(keys_change_the_recipe_exactly_as_the_table_says),
        cmocka_unit_test(a_recipe_survives_the_way_to_the_worker),
        cmocka_unit_test(hostile_recipes_are_refused),
        cmocka_unit_test(every_truncation_of_a_recipe_is_refused),
        cmocka_unit_test(differences_are_told_in_words),
        cmocka_unit_test(impossible_conditions_are_refused_with_their_line),
        cmocka_unit_test(impossible_mixes_are_refused_with_their_line),
        cmocka_unit_test(
            dedup_that_cannot_be_had_is_refused_with_the_alternatives),
    };

    return cmocka_run_group_tests(tests, open_model, close_model);
}
