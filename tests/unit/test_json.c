/* test_json.c - the writer cannot write anything but JSON. */
#include "common/json.h"
#include "tests/co_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct co_buf buf;
    struct co_json json;
};

static void
begin(struct fixture *f)
{
    co_buf_init(&f->buf, 1 << 16);
    co_json_init(&f->json, &f->buf);
}

static void
assert_wrote(struct fixture *f, const char *want)
{
    json_t *back;

    assert_int_equal(co_json_finish(&f->json), CO_OK);
    assert_string_equal(co_buf_text(&f->buf), want);
    back = json_loads(want, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(back); /* an independent reader agrees */
    json_decref(back);
    co_buf_fini(&f->buf);
}

static void
nesting_gets_its_commas(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    co_json_object(&f.json);
    co_json_put_u64(&f.json, "a", INT64_MAX);
    co_json_key(&f.json, "b");
    co_json_array(&f.json);
    co_json_i64(&f.json, INT64_MIN);
    co_json_object(&f.json);
    co_json_end(&f.json);
    co_json_array(&f.json);
    co_json_end(&f.json);
    co_json_bool(&f.json, true);
    co_json_bool(&f.json, false);
    co_json_null(&f.json);
    co_json_end(&f.json);
    co_json_put_text(&f.json, "c", "x");
    co_json_key(&f.json, "d");
    co_json_hex64(&f.json, 0xabc);
    co_json_key(&f.json, "e");
    co_json_raw(&f.json, "[1]", 3);
    co_json_end(&f.json);
    assert_wrote(&f, "{\"a\":9223372036854775807,\"b\":[-"
                     "9223372036854775808,{},[],true,false,null],\"c\":\"x\","
                     "\"d\":\"0000000000000abc\",\"e\":[1]}");
}

static void
text_is_escaped_and_utf8_is_raw(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    co_json_bytes(&f.json, "\"\\\n\r\t\x01\x7f\0z", 9);
    assert_wrote(&f, "\"\\\"\\\\\\n\\r\\t\\u0001\\u007f\\u0000z\"");
    begin(&f);
    co_json_text(&f.json, "Jos\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_wrote(&f, "\"Jos\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

static void
what_is_not_utf8_becomes_the_replacement_character(void **state)
{
    static const char *const bad[] = {
        "\xff", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xc3", "\xe2\x82"};
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        json_t *back;

        begin(&f);
        co_json_text(&f.json, bad[i]);
        assert_int_equal(co_json_finish(&f.json), CO_OK);
        back = json_loads(co_buf_text(&f.buf), JSON_DECODE_ANY, NULL);
        assert_non_null(back);
        assert_non_null(strstr(json_string_value(back), "\xEF\xBF\xBD"));
        json_decref(back);
        co_buf_fini(&f.buf);
    }
}

static void
numbers_are_exact(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    co_json_array(&f.json);
    co_json_fixed(&f.json, 1234, 3);
    co_json_fixed(&f.json, -5, 2);
    co_json_fixed(&f.json, 7, 0);
    co_json_fixed(&f.json, INT64_MIN, 18);
    co_json_double(&f.json, 0.1);
    co_json_double(&f.json, 1e300);
    co_json_double(&f.json, NAN);
    co_json_double(&f.json, -INFINITY);
    co_json_end(&f.json);
    assert_wrote(&f, "[1.234,-0.05,7,-9.223372036854775808,0.1,1e+300,null,"
                     "null]");
}

static void
a_full_buffer_is_an_error_not_a_crash(void **state)
{
    struct co_buf buf;
    struct co_json json;

    (void)state;
    co_buf_init(&buf, 4);
    co_json_init(&json, &buf);
    co_json_text(&json, "too long for it");
    assert_int_equal(co_json_finish(&json), CO_FULL);
    co_buf_fini(&buf);
}

static json_t *
load(const char *text, size_t max_bytes, enum co_err want, struct co_diag *diag)
{
    char path[] = "/tmp/co-test-json-XXXXXX";
    int fd = mkstemp(path);
    json_t *value = NULL;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
    assert_int_equal(co_json_load_file(path, max_bytes, &value, diag), want);
    (void)unlink(path);
    return value;
}

static void
files_are_loaded_up_to_their_limit(void **state)
{
    struct co_diag diag;
    json_t *value = load("{\"a\": 1}", 8, CO_OK, &diag);

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(value, "a")), 1);
    json_decref(value);
    (void)load("{\"a\": 1}", 7, CO_FULL, &diag);
    assert_non_null(strstr(diag.text, ": 8 bytes; allowed are at most 7"));
    (void)load("{\"a\": 1, \"a\": 2}", 100, CO_INVALID, &diag);
    assert_non_null(strstr(diag.text, ":1: not valid JSON: duplicate"));
    assert_int_equal(co_json_load_file("/dev/zero", 100000, &value, &diag),
                     CO_FULL);
    assert_int_equal(co_json_load_file("/nowhere", 10, &value, &diag),
                     CO_NOTFOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_gets_its_commas),
        cmocka_unit_test(text_is_escaped_and_utf8_is_raw),
        cmocka_unit_test(what_is_not_utf8_becomes_the_replacement_character),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(a_full_buffer_is_an_error_not_a_crash),
        cmocka_unit_test(files_are_loaded_up_to_their_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
