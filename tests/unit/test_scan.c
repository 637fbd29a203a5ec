/* test_scan.c - lines of JSON are read in place, and what is no JSON is told.
 * jansson, which shares no code with it, is the judge. */
#include "query/scan.h"
#include "query/schema.h"
#include "query/value.h"
#include "tests/co_test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char row[] =
    "{\"uuid\":\"u-1\",\"age\":47,\"occupation\":null,\"household\":{\"type\":"
    "\"Lives alone\",\"size\":2,\"children\":[9,6],\"income_usd\":[75000,null]"
    "},\"languages\":[\"English\",\"Spanish\"],\"text\":\"a \\\"b\\\" , } "
    "\\\\\","
    "\"provenance\":{\"row\":12,\"seed\":18446744073709551615}}\n";

/* What the plan fetches of a line for one path. */
static struct scan_value
fetched(const char *line, const char *path)
{
    co_auto(scan_plan_freep) struct scan_plan *plan = NULL;
    struct scan_value value = {.type = SCAN_MISSING};
    struct scan_path parsed;
    uint32_t slot;
    size_t at = 0;

    assert_int_equal(scan_plan_new(false, &plan), CO_OK);
    assert_true(scan_path_parse(path, strlen(path), &parsed));
    assert_int_equal(scan_plan_add(plan, &parsed, &slot), CO_OK);
    assert_int_equal(slot, 0);
    assert_int_equal(scan_row(plan, line, strlen(line), &value, &at), CO_OK);
    return value;
}

static void
assert_fetched(const char *path, enum scan_type type, const char *raw)
{
    struct scan_value v = fetched(row, path);

    assert_int_equal(v.type, type);
    if (!raw) return;
    assert_int_equal(v.len, strlen(raw));
    assert_memory_equal(v.at, raw, v.len);
}

static void
paths_lead_to_values_where_they_stand(void **state)
{
    (void)state;
    assert_fetched("age", SCAN_NUMBER, "47");
    assert_fetched("uuid", SCAN_TEXT, "\"u-1\"");
    assert_fetched("occupation", SCAN_NULL, "null");
    assert_fetched("household.size", SCAN_NUMBER, "2");
    assert_fetched("household.children", SCAN_ARRAY, "[9,6]");
    assert_fetched("household.income_usd[0]", SCAN_NUMBER, "75000");
    assert_fetched("household.income_usd[1]", SCAN_NULL, "null");
    assert_fetched("languages[1]", SCAN_TEXT, "\"Spanish\"");
    assert_fetched("text", SCAN_TEXT, "\"a \\\"b\\\" , } \\\\\"");
    assert_fetched("provenance.row", SCAN_NUMBER, "12");
}

static void
what_a_line_does_not_have_is_missing(void **state)
{
    (void)state;
    assert_fetched("agee", SCAN_MISSING, NULL);
    assert_fetched("ag", SCAN_MISSING, NULL);
    assert_fetched("age.size", SCAN_MISSING, NULL);
    assert_fetched("size", SCAN_MISSING, NULL); /* not at the top */
    assert_fetched("languages[2]", SCAN_MISSING, NULL);
    assert_fetched("household[0]", SCAN_MISSING, NULL);
}

static void
one_pass_fills_all_slots_and_a_path_has_one(void **state)
{
    static const char *const paths[] = {"provenance.seed", "household",
                                        "household.size", "age", "household"};
    static const uint32_t slots[] = {0, 1, 2, 3, 1};
    co_auto(scan_plan_freep) struct scan_plan *plan = NULL;
    struct scan_value v[4];
    uint64_t seed;
    size_t at;

    (void)state;
    assert_int_equal(scan_plan_new(false, &plan), CO_OK);
    for (size_t i = 0; i < co_countof(paths); i++) {
        struct scan_path path;
        uint32_t slot;

        assert_true(scan_path_parse(paths[i], strlen(paths[i]), &path));
        assert_int_equal(scan_plan_add(plan, &path, &slot), CO_OK);
        assert_int_equal(slot, slots[i]);
    }
    assert_int_equal(scan_plan_slots(plan), 4);
    assert_int_equal(scan_row(plan, row, strlen(row), v, &at), CO_OK);
    assert_true(number_u64(&v[0], &seed));
    assert_true(seed == UINT64_MAX);
    assert_int_equal(v[1].type, SCAN_OBJECT);
    assert_int_equal(v[2].len, 1);
    assert_int_equal(v[3].len, 2);
}

static void
a_strict_plan_names_what_it_does_not_know(void **state)
{
    static const char line[] = "{\"a\":{\"b\":1},\"c\":2}";
    static const char more[] = "{\"a\":{\"b\":1,\"x\":3},\"c\":2}";
    co_auto(scan_plan_freep) struct scan_plan *plan = NULL;
    struct scan_value v[2];
    struct scan_path path;
    uint32_t slot;
    size_t at = 0;

    (void)state;
    assert_int_equal(scan_plan_new(true, &plan), CO_OK);
    assert_true(scan_path_parse("a.b", 3, &path));
    assert_int_equal(scan_plan_add(plan, &path, &slot), CO_OK);
    assert_true(scan_path_parse("c", 1, &path));
    assert_int_equal(scan_plan_add(plan, &path, &slot), CO_OK);
    assert_int_equal(scan_row(plan, line, strlen(line), v, &at), CO_OK);
    assert_int_equal(scan_row(plan, more, strlen(more), v, &at), CO_MISMATCH);
    assert_int_equal(more[at], 'x');
}

static void
only_paths_are_paths(void **state)
{
    static const char *const bad[] = {"",
                                      ".",
                                      "a.",
                                      ".a",
                                      "a..b",
                                      "a[",
                                      "a[]",
                                      "a[x]",
                                      "a[1",
                                      "[1]",
                                      "9a",
                                      "a b",
                                      "a.b.c.d.e.f.g.h.i",
                                      "a-b",
                                      "a[1234567]",
                                      "a.[0]",
                                      "a[0]b"};
    struct scan_path path;

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        if (scan_path_parse(bad[i], strlen(bad[i]), &path)) {
            fail_msg("taken for a path: %s", bad[i]);
        }
    }
    assert_true(scan_path_parse("a.b[3][0].c_9", 13, &path));
    assert_int_equal(path.count, 5);
}

/* Both readers on the same text. */
static void
assert_as_jansson(const char *text, size_t len)
{
    json_t *judge =
        json_loadb(text, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    struct scan_value value;
    enum co_err err = scan_value_of(text, len, &value);

    /* Inside of texts only the end is looked for: jansson is stricter. */
    if (judge && err) fail_msg("refused: %.*s", (int)len, text);
    if (!judge && !err && !memchr(text, '"', len)) {
        fail_msg("taken: %.*s", (int)len, text);
    }
    json_decref(judge);
}

static void
it_takes_what_another_reader_takes(void **state)
{
    static const char *const texts[] = {
        "{}",        "[]",          "[1,2]",      "[1,]",    "[,1]",
        "{\"a\":1}", "{\"a\":1,}",  "{\"a\" :1}", "{\"a\"}", "{a:1}",
        "nul",       "null",        "nulll",      "true",    "tru",
        "01",        "-0",          "-",          "1.",      "1.5",
        ".5",        "1e5",         "1e",         "1E+5",    "+1",
        "1e5 ",      " [ 1 , 2 ] ", "[1 2]",      "[[[]]]",  "[[]",
        "]",         "{\"a\":}",    "{,}",        "\"a",     "\"a\\\"",
        "\"a\\\\\"", "[}",          "{]",         "[1}",     "",
        "false,",    "{\"a\":[{}]}"};

    (void)state;
    for (size_t i = 0; i < co_countof(texts); i++) {
        assert_as_jansson(texts[i], strlen(texts[i]));
    }
}

static void
every_cut_of_a_row_is_refused_and_nothing_is_read_beyond(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof row - 2; n++) {
        char *cut = malloc(n ? n : 1); /* a sanitizer watches its end */
        struct scan_value value;

        assert_non_null(cut);
        memcpy(cut, row, n);
        assert_int_equal(scan_value_of(cut, n, &value), CO_INVALID);
        assert_as_jansson(cut, n);
        free(cut);
    }
}

static void
a_line_of_too_many_levels_is_refused(void **state)
{
    char deep[3 * SCAN_DEPTH_MAX];
    struct scan_value value;

    (void)state;
    memset(deep, '[', sizeof deep);
    assert_int_equal(scan_value_of(deep, sizeof deep, &value), CO_INVALID);
}

static void
members_are_walked_in_order(void **state)
{
    struct scan_value whole, member;
    struct scan_walk walk;
    struct co_buf names;

    (void)state;
    co_buf_init(&names, 1000);
    assert_int_equal(scan_value_of(row, strlen(row), &whole), CO_OK);
    scan_begin(&walk, &whole);
    while (scan_next(&walk, &member)) {
        co_buf_append(&names, member.key, member.key_len);
        co_buf_putc(&names, ' ');
    }
    assert_int_equal(walk.err, CO_OK);
    assert_string_equal(co_buf_text(&names),
                        "uuid age occupation household languages text "
                        "provenance ");
    co_buf_fini(&names);
    member = scan_member(&whole, "age");
    assert_int_equal(member.type, SCAN_NUMBER);
    assert_int_equal(scan_member(&whole, "x").type, SCAN_MISSING);
}

/* ---- values ---- */

static void
assert_order(const char *a, const char *b, int want)
{
    struct number x = number_of(a, strlen(a)), y = number_of(b, strlen(b));

    assert_int_equal(number_compare(&x, &y), want);
    assert_int_equal(number_compare(&y, &x), -want);
}

static void
numbers_compare_exactly(void **state)
{
    (void)state;
    assert_order("2", "10", -1);
    assert_order("-2", "1", -1);
    assert_order("30", "30.0", 0);
    assert_order("0.1", "1e-1", 0);
    assert_order("999999999999999998", "999999999999999999", -1);
    assert_order("18446744073709551614", "18446744073709551615", -1);
    assert_order("1e400", "2", 1);
}

static void
assert_text(const char *json, const char *want)
{
    struct scan_value value;
    struct co_buf scratch;
    const char *at;
    size_t len;

    co_buf_init(&scratch, 1000);
    assert_int_equal(scan_value_of(json, strlen(json), &value), CO_OK);
    assert_true(text_of(&value, &scratch, &at, &len));
    assert_int_equal(len, strlen(want));
    assert_memory_equal(at, want, len);
    co_buf_fini(&scratch);
}

static void
escapes_become_the_text_they_stand_for(void **state)
{
    (void)state;
    assert_text("\"plain\"", "plain");
    assert_text("\"a\\n\\t\\\"\\\\\\/b\"", "a\n\t\"\\/b");
    assert_text("\"caf\\u00e9\"", "caf\xc3\xa9");
    assert_text("\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!");
    assert_text("\"\\ud83d!\"", "\xef\xbf\xbd!"); /* half of a pair */
    assert_text("\"\\u12\"", "\xef\xbf\xbd"
                             "12");
    assert_text("\"\\x\"", "\xef\xbf\xbd");
}

static bool
like(const char *text, const char *pattern)
{
    return text_like(text, strlen(text), pattern, strlen(pattern));
}

static void
like_matches_whole_texts(void **state)
{
    (void)state;
    assert_true(like("Registered nurses", "Registered%"));
    assert_true(like("Registered nurses", "%nurse%"));
    assert_true(like("Registered nurses", "R%d n_rses"));
    assert_false(like("Registered nurses", "nurse%"));
    assert_false(like("Registered nurses", "Registered"));
    assert_true(like("", ""));
    assert_true(like("", "%"));
    assert_false(like("", "_"));
    assert_true(like("caf\xc3\xa9", "caf_"));
    assert_true(like("100%", "100\\%"));
    assert_false(like("1000", "100\\%"));
    assert_true(like("aXbXc", "a%X%c"));
    assert_false(like("aaaaaaaaaaaaaaaaaaaaaaaaaaab", "%a%a%a%a%a%a%a%c"));
}

static void
finding_folds_ascii_when_asked(void **state)
{
    (void)state;
    assert_true(text_contains("Registered Nurse", 16, "nurse", 5, true));
    assert_false(text_contains("Registered Nurse", 16, "nurse", 5, false));
    assert_true(text_contains("abc", 3, "", 0, true));
    assert_false(text_contains("ab", 2, "abc", 3, true));
}

/* ---- columns ---- */

static void
columns_are_learned_from_rows(void **state)
{
    static const char *const want[] = {"uuid",
                                       "age",
                                       "occupation",
                                       "household",
                                       "household.type",
                                       "household.size",
                                       "household.children",
                                       "household.income_usd",
                                       "languages",
                                       "text",
                                       "provenance",
                                       "provenance.row",
                                       "provenance.seed"};
    co_auto(schema_freep) struct schema *schema = NULL;
    struct schema_column column;
    struct scan_path path;
    struct co_diag diag;

    (void)state;
    assert_int_equal(schema_new(&schema), CO_OK);
    assert_int_equal(schema_learn(schema, row, strlen(row)), CO_OK);
    assert_int_equal(schema->count, co_countof(want));
    for (size_t i = 0; i < co_countof(want); i++) {
        assert_string_equal(schema->columns[i].path, want[i]);
    }
    assert_string_equal(schema_type_name(&schema->columns[1]), "a number");
    assert_string_equal(schema_type_name(&schema->columns[2]), "");
    assert_string_equal(schema_type_name(&schema->columns[8]),
                        "a list of texts");
    assert_string_equal(schema_nearest(schema, "agee", 4), "age");
    assert_string_equal(schema_nearest(schema, "size", 4), "household.size");
    assert_null(schema_nearest(schema, "elephant", 8));
    assert_int_equal(schema_resolve(schema, "row", 3, &path, &column, &diag),
                     CO_OK);
    assert_string_equal(column.path, "provenance.row");
    assert_int_equal(schema_resolve(schema, "household.income_usd[0]", 23,
                                    &path, &column, &diag),
                     CO_OK);
    assert_int_equal(column.types & SCHEMA_BIT(SCAN_NUMBER),
                     SCHEMA_BIT(SCAN_NUMBER));
    assert_int_equal(schema_resolve(schema, "citty", 5, &path, &column, &diag),
                     CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "there is no column citty; the rows have "
                                      "uuid, age,"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_values_where_they_stand),
        cmocka_unit_test(what_a_line_does_not_have_is_missing),
        cmocka_unit_test(one_pass_fills_all_slots_and_a_path_has_one),
        cmocka_unit_test(a_strict_plan_names_what_it_does_not_know),
        cmocka_unit_test(only_paths_are_paths),
        cmocka_unit_test(it_takes_what_another_reader_takes),
        cmocka_unit_test(
            every_cut_of_a_row_is_refused_and_nothing_is_read_beyond),
        cmocka_unit_test(a_line_of_too_many_levels_is_refused),
        cmocka_unit_test(members_are_walked_in_order),
        cmocka_unit_test(numbers_compare_exactly),
        cmocka_unit_test(escapes_become_the_text_they_stand_for),
        cmocka_unit_test(like_matches_whole_texts),
        cmocka_unit_test(finding_folds_ascii_when_asked),
        cmocka_unit_test(columns_are_learned_from_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
