/* test_recipe_refused.c - what makes no recipe: texts that are none, and job
 * files that ask for what nobody fulfils. */
#include "tests/unit/recipe_fixture.h"

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
        cmocka_unit_test(hostile_recipes_are_refused),
        cmocka_unit_test(every_truncation_of_a_recipe_is_refused),
        cmocka_unit_test(impossible_conditions_are_refused_with_their_line),
        cmocka_unit_test(impossible_mixes_are_refused_with_their_line),
        cmocka_unit_test(
            dedup_that_cannot_be_had_is_refused_with_the_alternatives),
    };

    return cmocka_run_group_tests(tests, open_model, close_model);
}
