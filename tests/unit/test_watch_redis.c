/* What is read back from Redis is judged: anybody may have written there. */
#include "coordinator/watch_redis.h"
#include "tests/co_test.h"

static void
an_owner_number_is_taken_as_it_stands(void **state)
{
    uint32_t number = 9;

    (void)state;
    assert_int_equal(watch_redis_number("0", &number), CO_OK);
    assert_int_equal(number, 0);
    assert_int_equal(watch_redis_number("17", &number), CO_OK);
    assert_int_equal(number, 17);
    assert_int_equal(watch_redis_number("1073741824", &number), CO_OK);
    assert_int_equal(number, WATCH_OWNER_MAX);
}

static void
what_is_no_owner_number_or_would_use_them_up_is_damage(void **state)
{
    static const char *const bad[] = {"",     " 7",         "7 ",
                                      "-1",   "+1",         "0x10",
                                      "7a",   "1073741825", "4294967295",
                                      "1e9",  "4294967296", "99999999999999",
                                      "seven"};
    uint32_t number = 9;

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_int_equal(watch_redis_number(bad[i], &number), CO_DAMAGED);
        assert_int_equal(number, 9);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_number_is_taken_as_it_stands),
        cmocka_unit_test(
            what_is_no_owner_number_or_would_use_them_up_is_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
