/* Quantiles against sorted values; merging; the moving average. */
#include "common/hash.h"
#include "common/stats.h"
#include "tests/co_test.h"

#include <stdlib.h>
#include <string.h>

enum { MANY = 10000 };

static struct co_stats_hist hist, other;

static int
by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void
quantiles_are_at_most_a_64th_too_high(void **state)
{
    static const uint32_t quantiles[] = {1,      1000,   100000, 500000,
                                         900000, 990000, 999900, 1000000};
    static uint64_t values[MANY];

    (void)state;
    co_stats_clear(&hist);
    for (uint64_t i = 0; i < MANY; i++) {
        values[i] = co_mix64(i) >> (24 + i % 37); /* 4 to 40 bits */
        co_stats_add(&hist, values[i]);
    }
    qsort(values, MANY, sizeof values[0], by_value);
    for (size_t i = 0; i < co_countof(quantiles); i++) {
        uint64_t rank = ((uint64_t)MANY * quantiles[i] + 999999) / 1000000;
        uint64_t exact = values[rank - 1];
        uint64_t got = co_stats_quantile(&hist, quantiles[i]);

        assert_true(got >= exact);
        assert_true(got <= exact + exact / 64);
    }
    assert_true(co_stats_quantile(&hist, 1000000) == values[MANY - 1]);
}

static void
small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t v = 0; v < 128; v++) {
        co_stats_clear(&hist);
        co_stats_add(&hist, v);
        co_stats_add(&hist, 1000000);
        assert_int_equal(co_stats_quantile(&hist, 500000), v);
    }
}

static void
an_empty_histogram_says_0(void **state)
{
    (void)state;
    co_stats_clear(&hist);
    assert_int_equal(co_stats_quantile(&hist, 990000), 0);
    assert_int_equal(co_stats_mean(&hist), 0);
}

static void
no_quantile_is_above_the_greatest_value(void **state)
{
    (void)state;
    co_stats_clear(&hist);
    co_stats_add(&hist, 1000); /* inside a bucket: still never above max */
    assert_int_equal(co_stats_quantile(&hist, 500000), 1000);
    co_stats_clear(&hist);
    co_stats_add(&hist, UINT64_C(1) << 50);
    assert_true(co_stats_quantile(&hist, 1) == UINT64_C(1) << 50);
    co_stats_clear(&hist);
    co_stats_add(&hist, (UINT64_C(1) << 40) - 1);
    assert_true(co_stats_quantile(&hist, 1) == (UINT64_C(1) << 40) - 1);
}

static void
merging_is_adding_all_values(void **state)
{
    static struct co_stats_hist all;

    (void)state;
    co_stats_clear(&hist);
    co_stats_clear(&other);
    co_stats_clear(&all);
    for (uint64_t i = 0; i < 1000; i++) {
        co_stats_add(i % 3 ? &hist : &other, i * i);
        co_stats_add(&all, i * i);
    }
    co_stats_merge(&hist, &other);
    assert_memory_equal(&hist, &all, sizeof all);
    co_stats_add_n(&all, 5, 0);
    assert_memory_equal(&hist, &all, sizeof all);
    co_stats_add_n(&all, 5, 2);
    co_stats_add(&hist, 5);
    co_stats_add(&hist, 5);
    assert_memory_equal(&hist, &all, sizeof all);
}

static void
the_average_follows_its_samples(void **state)
{
    struct co_ewma ewma = {0};

    (void)state;
    assert_int_equal(co_ewma_value(&ewma, 77), 77);
    co_ewma_add(&ewma, 1000, 3);
    assert_int_equal(co_ewma_value(&ewma, 77), 1000);
    co_ewma_add(&ewma, 2000, 3);
    assert_int_equal(co_ewma_value(&ewma, 77), 1125);
    for (int i = 0; i < 200; i++) {
        co_ewma_add(&ewma, 10, 3);
    }
    assert_int_equal(co_ewma_value(&ewma, 77), 10);
    co_ewma_add(&ewma, UINT64_MAX, 0);
    assert_true(co_ewma_value(&ewma, 77) == UINT64_C(1) << 48);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_at_most_a_64th_too_high),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(an_empty_histogram_says_0),
        cmocka_unit_test(no_quantile_is_above_the_greatest_value),
        cmocka_unit_test(merging_is_adding_all_values),
        cmocka_unit_test(the_average_follows_its_samples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
