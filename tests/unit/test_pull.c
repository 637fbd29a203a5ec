/* What strangers send is read strictly: jansson, which shares no code with
 * the reader, is the judge. */
#include "llm/pull.h"
#include "tests/co_test.h"

#include <jansson.h>
#include <string.h>

static bool
accepted(const char *json, size_t len)
{
    struct pull p;

    pull_init(&p, json, len);
    pull_skip(&p);
    return pull_end(&p);
}

static bool
judged(const char *json, size_t len)
{
    json_t *value = json_loadb(
        json, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
        NULL);

    json_decref(value);
    return value != NULL;
}

static const char *const texts[] = {
    "null", "true", "false", "0", "-0", "1.5e3", "\"\"", "[]", "{}",
    " [1 , 2,[3,{\"a\":{}}]] ", "{\"a\":1,\"b\":[true,null]}",
    "\"\\u00e9 \\ud83d\\ude00 \\n\\\"\"", "\"eight bytes and more than eight\"",
    "\"caf\xc3\xa9\"",
    /* and what is none */
    "", " ", "nul", "tru", "01", "1.", "-", "+1", ".5", "1e", "[1,]", "[,1]",
    "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "[", "{", "]", "}",
    "[}", "{]", "\"", "\"\\\"", "\"\\x\"", "\"\\u12g4\"", "\"\t\"", "1 2",
    "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"",
    "\"long enough \x01 for eight\"", "[1]x", "\"a\nb\""};

static void
exactly_json_is_taken_for_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < co_countof(texts); i++) {
        size_t len = strlen(texts[i]);

        if (accepted(texts[i], len) != judged(texts[i], len)) {
            fail_msg("the judge differs on %s", texts[i]);
        }
    }
}

/* No truncation and no changed byte of an answer is judged differently. */
static void
damaged_answers_are_judged_as_a_tree_reader_does(void **state)
{
    static const char answer[] =
        "{\"id\":\"c-1\",\"choices\":[{\"message\":{\"content\":\"Zo\xc3\xab "
        "says \\\"hi\\\" and leaves\"},\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":12,\"x\":-1.5e-3,\"y\":null}}";
    static const char bytes[] = "\"\\{}[],:0e-.\x01\xc3 ";
    char copy[sizeof answer];

    (void)state;
    for (size_t len = 0; len < sizeof answer; len++) {
        assert_int_equal(accepted(answer, len), judged(answer, len));
    }
    for (size_t at = 0; at + 1 < sizeof answer; at++) {
        for (size_t b = 0; b + 1 < sizeof bytes; b++) {
            memcpy(copy, answer, sizeof copy);
            copy[at] = bytes[b];
            if (accepted(copy, sizeof copy - 1) !=
                judged(copy, sizeof copy - 1)) {
                fail_msg("the judge differs on %s", copy);
            }
        }
    }
}

static void
nesting_ends_at_its_limit(void **state)
{
    char deep[2 * PULL_DEPTH_MAX + 2];

    (void)state;
    memset(deep, '[', PULL_DEPTH_MAX + 1);
    memset(deep + PULL_DEPTH_MAX + 1, ']', PULL_DEPTH_MAX + 1);
    assert_false(accepted(deep, sizeof deep));
    assert_true(accepted(deep + 1, sizeof deep - 2));
}

static void
texts_come_out_as_they_were_meant(void **state)
{
    static const char json[] =
        "\"a\\u00e9\\ud83d\\ude00\\ud83dx\\/\\b\\f\\n\\r\\t\\\\\"";
    static const char plain[] =
        "a\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx/\b\f\n\r\t\\";
    co_auto(co_buf_fini) struct co_buf out;
    struct pull_slice text;
    char cut[4];
    struct pull p;

    (void)state;
    co_buf_init(&out, 1000);
    pull_init(&p, json, strlen(json));
    assert_true(pull_text(&p, &text));
    assert_true(pull_end(&p));
    pull_decode(&text, &out);
    assert_string_equal(co_buf_text(&out), plain);
    /* Cut between characters: the fourth byte would be half a pair. */
    assert_string_equal(pull_copy(&text, cut, sizeof cut), "a\xc3\xa9");
}

static void
counts_are_counts(void **state)
{
    static const struct {
        const char *json;
        bool is_count;
        uint64_t n;
    } cases[] = {{"0", true, 0},
                 {"18446744073709551615", true, UINT64_MAX},
                 {"18446744073709551616", false, 0},
                 {"-1", false, 0},
                 {"1.0", false, 0},
                 {"1e3", false, 0},
                 {"\"1\"", false, 0}};

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        uint64_t n = 0;
        struct pull p;

        pull_init(&p, cases[i].json, strlen(cases[i].json));
        assert_int_equal(pull_u64(&p, &n), cases[i].is_count);
        assert_int_equal(n, cases[i].n);
    }
}

static void
the_first_mistake_sticks(void **state)
{
    static const char json[] = "{\"a\":x,\"b\":1}";
    struct pull_slice key;
    struct pull p;

    (void)state;
    pull_init(&p, json, strlen(json));
    assert_true(pull_enter(&p, PULL_OBJECT));
    assert_true(pull_key(&p, &key));
    pull_skip(&p);
    assert_false(pull_key(&p, &key));
    assert_false(pull_end(&p));
    assert_int_equal(pull_where(&p), 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_json_is_taken_for_json),
        cmocka_unit_test(damaged_answers_are_judged_as_a_tree_reader_does),
        cmocka_unit_test(nesting_ends_at_its_limit),
        cmocka_unit_test(texts_come_out_as_they_were_meant),
        cmocka_unit_test(counts_are_counts),
        cmocka_unit_test(the_first_mistake_sticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
