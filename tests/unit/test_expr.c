/* test_expr.c - conditions: what they mean, and what is said of wrong ones. */
#include "query/expr.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ana[] =
    "{\"name\":\"Ana\",\"age\":47,\"job\":null,\"home\":{\"size\":2,\"pay\":"
    "[75000,null]},\"langs\":[\"English\",\"Spanish\"],\"kids\":[9,6],\"city\":"
    "\"S\\u00e3o \\\"X\\\"\",\"ok\":true,\"only_null\":null,\"provenance\":{"
    "\"row\":12,\"seed\":18446744073709551615}}";
static const char bob[] =
    "{\"name\":\"Bob\",\"age\":30.5,\"job\":\"Registered nurses\",\"home\":{"
    "\"size\":5,\"pay\":[0,9999]},\"langs\":[],\"kids\":[],\"city\":\"Bob\","
    "\"ok\":false,\"only_null\":null,\"provenance\":{\"row\":13,\"seed\":1}}";

static struct schema *schema;
static struct co_diag diag;

static enum co_err
parse(const char *text, struct scan_plan *plan, struct expr **ret)
{
    diag.text[0] = '\0';
    return expr_parse(text, strlen(text), schema, plan, ret, &diag);
}

static bool
holds(const char *text, const char *line)
{
    co_auto(scan_plan_freep) struct scan_plan *plan = NULL;
    co_auto(expr_freep) struct expr *e = NULL;
    struct scan_value values[16];
    struct co_buf scratch;
    size_t at;
    bool yes;

    assert_int_equal(scan_plan_new(false, &plan), CO_OK);
    if (parse(text, plan, &e)) fail_msg("%s: %s", text, diag.text);
    assert_true(scan_plan_slots(plan) <= co_countof(values));
    assert_int_equal(scan_row(plan, line, strlen(line), values, &at), CO_OK);
    co_buf_init(&scratch, 1000);
    yes = expr_match(e, values, &scratch);
    assert_int_equal(scratch.err, CO_OK);
    co_buf_fini(&scratch);
    return yes;
}

/* What holds for Ana and for Bob. */
struct meaning {
    const char *text;
    bool ana, bob;
};

static void
assert_meanings(const struct meaning *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (holds(v[i].text, ana) != v[i].ana) fail_msg("Ana: %s", v[i].text);
        if (holds(v[i].text, bob) != v[i].bob) fail_msg("Bob: %s", v[i].text);
    }
}

static void
comparisons_know_numbers_and_texts(void **state)
{
    static const struct meaning v[] = {
        {"age = 47", true, false},
        {"age = 47.0", true, false},
        {"age = 4.7e1", true, false},
        {"age != 47", false, true},
        {"age < 47", false, true},
        {"age <= 47", true, true},
        {"age > 30.5", true, false},
        {"age >= 30.5", true, true},
        {"age > -1", true, true},
        {"47 = age", true, false},
        {"30 < age", true, true},
        {"name = \"Ana\"", true, false},
        {"name = 'Ana'", true, false},
        {"name = 'ana'", false, false},
        {"name < 'B'", true, false},
        {"city = 'S\xc3\xa3o \"X\"'", true, false},
        {"city = \"S\xc3\xa3o \\\"X\\\"\"", true, false},
        {"name = city", false, true},
        {"city = name", false, true},
        {"age > home.size", true, true},
        {"ok = true", true, false},
        {"ok != TRUE", false, true},
        {"provenance.seed = 18446744073709551615", true, false},
        {"provenance.seed = 18446744073709551614", false, false},
        {"row = 13", false, true},
        {"home.pay[0] >= 75000", true, false},
    };

    (void)state;
    assert_meanings(v, co_countof(v));
}

static void
null_is_equal_to_null_and_has_no_order(void **state)
{
    static const struct meaning v[] = {
        {"job is null", true, false},
        {"job is not null", false, true},
        {"job = null", true, false},
        {"job != null", false, true},
        {"job = 'Registered nurses'", false, true},
        {"job != 'Registered nurses'", true, false},
        {"not job = 'Registered nurses'", true, false},
        {"job < 'Z'", false, true},
        {"job >= 'A'", false, true},
        {"job in (null, 'x')", true, false},
        {"home.pay[1] is null", true, false},
        {"home.pay[1] < 10000", false, true},
        {"kids[1] is null", false, true},
        {"only_null = 3", false, false},
        {"only_null = 'x' or only_null is null", true, true},
        {"langs is null", false, false},
    };

    (void)state;
    assert_meanings(v, co_countof(v));
}

static void
lists_and_texts_are_searched(void **state)
{
    static const struct meaning v[] = {
        {"langs contains \"Spanish\"", true, false},
        {"langs contains \"Span\"", false, false}, /* whole elements */
        {"langs not contains 'Spanish'", false, true},
        {"langs ~ 'SPAN'", true, false},
        {"kids contains 9", true, false},
        {"kids contains 9.0", true, false},
        {"job contains 'nurse'", false, true},
        {"job contains 'NURSE'", false, false},
        {"job ~ 'NURSE'", false, true},
        {"job !~ 'NURSE'", true, false},
        {"job not ~ 'NURSE'", true, false},
        {"job like 'Reg%'", false, true},
        {"job like '%nurse_'", false, true},
        {"job not like 'Reg%'", true, false},
        {"job like 'nurses'", false, false},
        {"age in (1, 30.5, 2)", false, true},
        {"age not in (30.5)", true, false},
        {"name in ('Bob', 'Ana')", true, true},
        {"langs[1] = 'Spanish'", true, false},
    };

    (void)state;
    assert_meanings(v, co_countof(v));
}

static void
and_binds_closer_than_or_and_not_closest(void **state)
{
    static const struct meaning v[] = {
        {"age = 47 or age = 30.5 and name = 'x'", true, false},
        {"(age = 47 or age = 30.5) and name = 'Bob'", false, true},
        {"not age = 47 and name = 'Bob'", false, true},
        {"not (age = 47 or name = 'Bob')", false, false},
        {"not not age = 47", true, false},
        {"age = 1 or age = 2 or age = 47 or age = 3", true, false},
        {"age > 1 and age > 2 and name = 'Ana' and age > 3", true, false},
        {"age = 47 AND name = 'Ana' Or NOT age=47", true, true},
        {"((((age=47))))", true, false},
    };

    (void)state;
    assert_meanings(v, co_countof(v));
}

/* ---- refusals ---- */

struct refusal {
    const char *text;
    const char *says;
    size_t column; /* of the caret, from 0 */
};

static void
assert_refused(const struct refusal *r)
{
    co_auto(scan_plan_freep) struct scan_plan *plan = NULL;
    struct expr *e = NULL;
    const char *caret, *line;

    assert_int_equal(scan_plan_new(false, &plan), CO_OK);
    if (parse(r->text, plan, &e) != CO_INVALID) fail_msg("taken: %s", r->text);
    if (!strstr(diag.text, r->says)) {
        fail_msg("%s: no \"%s\" in:\n%s", r->text, r->says, diag.text);
    }
    caret = strchr(diag.text, '^');
    if (!r->text[strspn(r->text, " ")]) return; /* no place in nothing */
    assert_non_null(caret);
    line = memrchr(diag.text, '\n', (size_t)(caret - diag.text));
    if ((size_t)(caret - line) - 3 != r->column) {
        fail_msg("column %zu:\n%s", r->column, diag.text);
    }
}

static void
what_is_wrong_is_said_with_its_place(void **state)
{
    static const struct refusal v[] = {
        {"", "empty", 0},
        {"   ", "empty", 0},
        {"agee > 3", "did you mean age?", 0},
        {"size > 3", "did you mean home.size?", 0},
        {"elephants = 3", "the rows have name, age", 0},
        {"name = Ana", "a text stands in quotes: \"Ana\"", 7},
        {"age", "but the expression ends", 3},
        {"age >", "but the expression ends", 5},
        {"age = ", "but the expression ends", 6},
        {"age = 3 x", "expected \"and\" or \"or\", found x", 8},
        {"age = 3 and", "but the expression ends", 11},
        {"(age = 3", "\")\"", 8},
        {"age = 3)", "found )", 7},
        {"age = (3)", "expected a column, found (", 6},
        {"age == 3", "write one =", 4},
        {"AGE = 3", "did you mean age?", 0},
        {"age <> 3", "found >", 5},
        {"age & 3", "means nothing here: write and", 4},
        {"age || 3", "write or", 4},
        {"age = 3x", "no number", 6},
        {"age = 1.", "no number", 6},
        {"age = 007", "no number", 6},
        {"age = --3", "no number", 6},
        {"name = 'x", "no closing quote", 7},
        {"name = \"x\\\"", "no closing quote", 7},
        {"age = '3'", "age is a number, this is a text", 6},
        {"age = true", "age is a number, this is true or false", 6},
        {"name = 3", "name is a text, this is a number", 7},
        {"name in ('a', 3)", "name is a text, this is a number", 14},
        {"name in 'a'", "expected \"(\"", 8},
        {"name in ()", "expected a number or a text", 9},
        {"name in ('a' 'b')", "expected \",\"", 13},
        {"name in (age)", "expected a number or a text", 9},
        {"home = 3", "home is an object", 0},
        {"langs = 'x'", "langs is a list of texts", 0},
        {"kids contains 'x'", "kids is a list of numbers, this is a text", 14},
        {"age contains 3", "contains needs a text or a list", 0},
        {"age ~ 'x'", "~ needs a text or a list", 0},
        {"langs like 'x'", "like needs a text", 0},
        {"name ~ 3", "expected a text in quotes", 7},
        {"name like", "but the expression ends", 9},
        {"age > null", "null is neither smaller", 6},
        {"ok > true", "neither smaller", 5},
        {"3 = 3", "neither side is a column", 0},
        {"3 ~ 'x'", "expected a comparison", 2},
        {"age = name", "they are never equal", 6},
        {"age is 3", "expected null", 7},
        {"age not 3", "expected a comparison", 8},
        {"not", "but the expression ends", 3},
        {"age[0] = 3", "age is a number, no list", 0},
        {"age. = 3", "is no column", 0},
        {"home..size = 3", "is no column", 0},
        /* columns are characters: a caret stands below what it means */
        {"name = '\xc3\xbc' and agee = 3", "did you mean age?", 15},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(v); i++) {
        assert_refused(&v[i]);
    }
}

static void
a_long_expression_is_shown_around_its_mistake(void **state)
{
    co_auto(scan_plan_freep) struct scan_plan *plan = NULL;
    struct expr *e = NULL;
    const char *line;
    struct co_buf text;

    (void)state;
    co_buf_init(&text, 1 << 16);
    for (int i = 0; i < 150; i++) {
        co_buf_puts(&text, "age = 1 or ");
    }
    co_buf_puts(&text, "agee = 1");
    for (int i = 0; i < 50; i++) {
        co_buf_puts(&text, " or age = 1");
    }
    assert_int_equal(scan_plan_new(false, &plan), CO_OK);
    assert_int_equal(parse(co_buf_text(&text), plan, &e), CO_INVALID);
    co_buf_fini(&text);
    line = strchr(diag.text, '\n');
    assert_non_null(line);
    assert_true(strlen(line) < 250);
    assert_non_null(strstr(line, "agee"));
}

static void
limits_are_refused_not_met(void **state)
{
    co_auto(scan_plan_freep) struct scan_plan *plan = NULL;
    struct expr *e = NULL;
    struct co_buf chain;
    char *text = malloc(EXPR_BYTES_MAX + 2);

    (void)state;
    assert_non_null(text);
    assert_int_equal(scan_plan_new(false, &plan), CO_OK);
    memset(text, '(', EXPR_BYTES_MAX);
    text[EXPR_DEPTH_MAX + 1] = '\0';
    assert_int_equal(parse(text, plan, &e), CO_FULL);
    memset(text, ' ', EXPR_BYTES_MAX + 1);
    text[EXPR_BYTES_MAX + 1] = '\0';
    assert_int_equal(parse(text, plan, &e), CO_FULL);
    /* A long chain is no deep one. */
    co_buf_init(&chain, EXPR_BYTES_MAX);
    while (chain.len < EXPR_BYTES_MAX - 20) {
        co_buf_puts(&chain, "age=1 or ");
    }
    co_buf_puts(&chain, "age=47");
    assert_true(holds(co_buf_text(&chain), ana));
    assert_false(holds(co_buf_text(&chain), bob));
    co_buf_fini(&chain);
    free(text);
}

static int
setup(void **state)
{
    (void)state;
    assert_int_equal(schema_new(&schema), CO_OK);
    assert_int_equal(schema_learn(schema, ana, strlen(ana)), CO_OK);
    assert_int_equal(schema_learn(schema, bob, strlen(bob)), CO_OK);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    schema_free(schema);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons_know_numbers_and_texts),
        cmocka_unit_test(null_is_equal_to_null_and_has_no_order),
        cmocka_unit_test(lists_and_texts_are_searched),
        cmocka_unit_test(and_binds_closer_than_or_and_not_closest),
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(a_long_expression_is_shown_around_its_mistake),
        cmocka_unit_test(limits_are_refused_not_met),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
