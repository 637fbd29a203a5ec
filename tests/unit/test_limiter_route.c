/* test_limiter_route.c - which endpoint a call goes to: whose answers are good,
 * and who read most of its prompt before. Weights: test_limiter.c. */
#include "tests/unit/limiter_world.h"

enum { CALLS = 4000 };

static struct limiter *
made(const struct providers_entry *entry)
{
    struct limiter *l;

    assert_int_equal(limiter_new(entry, false, &l), CO_OK);
    return l;
}

static uint32_t
began(struct limiter *l, uint64_t near, int64_t now_us)
{
    int64_t until;
    uint32_t e = UINT32_MAX;

    assert_int_equal(limiter_begin(l, near, 1, now_us, &e, &until),
                     LIMITER_WHY_GO);
    return e;
}

/* One call at each of two endpoints, as long each, whose answers fit or not. */
static void
both_answer(struct limiter *l, int64_t took_0_us, bool misses_0,
            int64_t took_1_us, bool misses_1, int64_t now_us)
{
    (void)began(l, 0, now_us);
    (void)began(l, 0, now_us);
    limiter_end(l, 0, 1, 1, FAULT_NONE, NULL, took_0_us, now_us + took_0_us);
    limiter_answered(l, 0, misses_0);
    limiter_end(l, 1, 1, 1, FAULT_NONE, NULL, took_1_us, now_us + took_1_us);
    limiter_answered(l, 1, misses_1);
}

static const struct providers_entry two = {
    .n_endpoints = 2, .endpoints = {{.weight = 1}, {.weight = 1}}};

static void
between_equals_who_answers_in_the_form_asked_for_is_next(void **state)
{
    struct limiter *l = made(&two);
    int64_t now = 1000;

    (void)state;
    for (int i = 0; i < 20; i++, now += 10000) {
        both_answer(l, 5000, true, 5000, false, now);
    }
    assert_int_equal(began(l, 0, now), 1);
    limiter_free(l);
}

static void
a_fast_endpoint_that_has_to_be_asked_twice_is_not_the_faster(void **state)
{
    struct limiter *l = made(&two);
    int64_t now = 1000;

    (void)state;
    for (int i = 0; i < 200; i++, now += 10000) {
        both_answer(l, 4000, i % 2 == 0, 5000, false, now);
    }
    assert_int_equal(began(l, 0, now), 1);
    limiter_free(l);
}

static void
calls_of_one_row_go_to_one_endpoint_while_it_is_free(void **state)
{
    struct limiter *l = made(&two);

    (void)state;
    for (uint64_t row = 1; row <= 100; row++) {
        uint32_t first = began(l, row, 1000);

        limiter_end(l, first, 1, 1, FAULT_NONE, NULL, 0, 1000);
        assert_int_equal(began(l, row, 1000), first);
        limiter_end(l, first, 1, 1, FAULT_NONE, NULL, 0, 1000);
    }
    limiter_free(l);
}

static void
rows_are_at_home_by_the_weights(void **state)
{
    struct providers_entry entry = {
        .n_endpoints = 2, .endpoints = {{.weight = 3}, {.weight = 1}}};
    struct limiter *l = made(&entry);
    uint32_t n[2] = {0};

    (void)state;
    for (uint64_t row = 1; row <= CALLS; row++) {
        uint32_t e = began(l, row, 1000);

        n[e]++;
        limiter_end(l, e, 1, 1, FAULT_NONE, NULL, 0, 1000);
    }
    /* 4 standard deviations of a binomial: 110 */
    assert_in_range(n[0], 3 * CALLS / 4 - 110, 3 * CALLS / 4 + 110);
    limiter_free(l);
}

static void
a_home_that_is_busier_than_others_is_left(void **state)
{
    struct limiter *l = made(&two);
    uint32_t home = began(l, 7, 1000), n = 1;

    (void)state;
    while (began(l, 7, 1000) == home) {
        n++;
    }
    assert_int_equal(n, 2); /* one more than the other one has */
    limiter_free(l);
}

static void
a_home_that_is_away_is_left(void **state)
{
    struct limiter *l = made(&two);
    uint32_t home = began(l, 7, 1000);
    struct hints hints;

    (void)state;
    hints_init(&hints);
    hints.retry_after_ms = 60000;
    limiter_end(l, home, 1, 1, FAULT_RATE_LIMITED, &hints, 0, 1000);
    assert_int_equal(began(l, 7, 1000), 1 - home);
    limiter_free(l);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            between_equals_who_answers_in_the_form_asked_for_is_next),
        cmocka_unit_test(
            a_fast_endpoint_that_has_to_be_asked_twice_is_not_the_faster),
        cmocka_unit_test(calls_of_one_row_go_to_one_endpoint_while_it_is_free),
        cmocka_unit_test(rows_are_at_home_by_the_weights),
        cmocka_unit_test(a_home_that_is_busier_than_others_is_left),
        cmocka_unit_test(a_home_that_is_away_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
