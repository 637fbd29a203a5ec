/* test_revivals.c - which revivals are still to come. */
#include "tests/co_test.h"

#include "coordinator/revivals.h"

static void
each_row_is_awaited_as_often_as_it_was_added(void **state)
{
    struct revivals r = {0};

    (void)state;
    assert_int_equal(revivals_first(&r), UINT64_MAX);
    assert_int_equal(revivals_add(&r, 9), CO_OK);
    assert_int_equal(revivals_add(&r, 9), CO_OK);
    assert_true(revivals_remove(&r, 9));
    assert_int_equal(revivals_first(&r), 9);
    assert_true(revivals_remove(&r, 9));
    assert_false(revivals_remove(&r, 9));
    assert_int_equal(revivals_first(&r), UINT64_MAX);
    revivals_fini(&r);
}

static void
a_range_has_the_rows_from_its_start_to_before_its_end(void **state)
{
    struct revivals r = {0};

    (void)state;
    for (uint64_t row = 1000; row > 0; row -= 10) {
        assert_int_equal(revivals_add(&r, row), CO_OK);
    }
    assert_int_equal(revivals_first(&r), 10);
    assert_true(revivals_in(&r, 10, 1));
    assert_false(revivals_in(&r, 11, 9));
    assert_true(revivals_in(&r, 11, 10));
    assert_false(revivals_in(&r, 1001, 100));
    assert_true(revivals_remove(&r, 500));
    assert_false(revivals_in(&r, 491, 19));
    assert_true(revivals_in(&r, 491, 20));
    revivals_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_awaited_as_often_as_it_was_added),
        cmocka_unit_test(a_range_has_the_rows_from_its_start_to_before_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
