/* test_recipe.c - one meaning, one recipe, one hash. */
#include "tests/unit/recipe_fixture.h"

static void
assert_recipe(const struct model *m, const char *yaml, const char *want)
{
    char *text = recipe_text(m, yaml);

    if (!text) assert_string_equal(diag.text, "");
    assert_string_equal(text, want);
    free(text);
}

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
        cmocka_unit_test(a_recipe_survives_the_way_to_the_worker),
        cmocka_unit_test(differences_are_told_in_words),
    };

    return cmocka_run_group_tests(tests, open_model, close_model);
}
