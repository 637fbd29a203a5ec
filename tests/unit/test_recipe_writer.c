/* test_recipe_writer.c - recipes of models that write: what of a writer they
 * hold, and which keys of a job file change them. */
#include "job/keys.h"
#include "tests/unit/recipe_fixture.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_stands_in_the_recipe_with_its_prompts),
        cmocka_unit_test(several_writers_stand_behind_the_first_and_come_back),
        cmocka_unit_test(hostile_writers_are_refused),
        cmocka_unit_test(differences_of_writers_are_told_in_words),
        cmocka_unit_test(what_is_the_workers_is_not_in_the_recipe),
        cmocka_unit_test(prompts_of_another_text_are_another_recipe),
        cmocka_unit_test(keys_change_the_recipe_exactly_as_the_table_says),
    };

    return cmocka_run_group_tests(tests, open_model, close_model);
}
