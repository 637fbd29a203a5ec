/* Clocks go forward and random numbers are not 0. */
#include "common/clock.h"
#include "tests/co_test.h"

static void
time_since_boot_never_goes_back(void **state)
{
    int64_t last_us = co_clock_us();

    (void)state;
    for (int i = 0; i < 10000; i++) {
        int64_t us = co_clock_us();

        assert_true(us >= last_us);
        last_us = us;
    }
    assert_true(co_clock_ms() >= last_us / 1000);
    assert_true(co_clock_ms() - last_us / 1000 < 60000);
}

static void
wall_time_is_after_this_was_written(void **state)
{
    (void)state;
    assert_true(co_clock_wall_ms() > INT64_C(1700000000000));
}

static void
work_uses_cpu_time(void **state)
{
    int64_t start = co_clock_cpu_us();

    (void)state;
    while (co_clock_cpu_us() == start) {
        ;
    }
    assert_true(co_clock_cpu_us() > start);
}

static void
random_numbers_differ_and_are_never_0(void **state)
{
    uint64_t last = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t v = co_random_u64();

        assert_true(v != 0 && v != last);
        last = v;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_since_boot_never_goes_back),
        cmocka_unit_test(wall_time_is_after_this_was_written),
        cmocka_unit_test(work_uses_cpu_time),
        cmocka_unit_test(random_numbers_differ_and_are_never_0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
