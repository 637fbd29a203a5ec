/* test_decimal.c - numbers with a point are read exactly, or not at all. */
#include "common/decimal.h"
#include "tests/co_test.h"

static void
what_stands_there_is_read_to_the_last_decimal(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},           {"12", 12000},    {"12.5", 12500},
                {"0.001", 1},       {"007.25", 7250}, {"3.", 3000},
                {"999.999", 999999}};

    (void)state;
    for (size_t i = 0; i < co_countof(good); i++) {
        int64_t value = -1;

        assert_true(co_decimal_read(good[i].text, 3, 3, &value));
        assert_int_equal(value, good[i].value);
    }
}

static void
what_is_more_or_something_else_is_refused(void **state)
{
    static const char *const bad[] = {"",     ".5",   "1000", "1.0001", "-1",
                                      "+1",   " 1",   "1 ",   "1e3",    "1,5",
                                      "1..2", "1.2.", "0x10", "nan"};
    int64_t value = 77;

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_false(co_decimal_read(bad[i], 3, 3, &value));
    }
    assert_true(co_decimal_read("9223372036854775807", 19, 0, &value));
    assert_int_equal(value, INT64_MAX);
    assert_false(co_decimal_read("9223372036854775808", 19, 0, &value));
    assert_false(co_decimal_read("9223372036854775807", 19, 1, &value));
    assert_int_equal(value, INT64_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_there_is_read_to_the_last_decimal),
        cmocka_unit_test(what_is_more_or_something_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
