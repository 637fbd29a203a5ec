/* test_lags.c - resemblance of neighbours is seen, and noise is not. */
#include "audit/lags.h"
#include "common/hash.h"
#include "tests/unit/population.h"

#include <math.h>
#include <string.h>

enum { BLOCKS = 100, ROWS = 250 };

/* One column's counts, as the audit adds them up. */
struct counts {
    uint64_t margins[LAGS_CODES], sums[LAGS_MAX];
};

static void
add_block(struct counts *c, enum attribute_id id, struct lags_block *b)
{
    assert_true(lags_close(b));
    for (uint32_t i = 0; i < b->rows; i++) {
        c->margins[b->code[id][i]]++;
    }
    for (unsigned lag = 1; lag <= LAGS_MAX; lag++) {
        c->sums[lag - 1] += lags_sum(b, id, lag);
    }
}

/* Codes from noise; every row repeats what stood `lag` rows before with a
 * chance of `share` in 256; lag 0: never. */
static struct lags_result
measured(enum attribute_id id, uint32_t values, unsigned lag, unsigned share)
{
    struct counts c = {0};
    uint64_t x = 1;

    for (unsigned k = 0; k < BLOCKS; k++) {
        struct lags_block b = {.rows = ROWS};

        for (uint32_t i = 0; i < ROWS; i++) {
            uint64_t bits = co_mix64(x++);

            b.code[id][i] = (uint8_t)(bits % values);
            if (lag && i >= lag && (bits >> 32 & 255) < share) {
                b.code[id][i] = b.code[id][i - lag];
            }
        }
        add_block(&c, id, &b);
    }
    return lags_compare(id, c.margins, c.sums);
}

static void
noise_stays_within_four_deviations(void **state)
{
    struct lags_result r = measured(ATTR_AGE, 100, 0, 0);

    (void)state;
    assert_int_equal(r.n, BLOCKS * ROWS);
    assert_true(fabs(r.noise - 1 / sqrt(BLOCKS * ROWS)) < 1e-9);
    assert_true(fabs(r.r) < 4 * r.noise);
    r = measured(ATTR_RACE, 7, 0, 0);
    assert_true(fabs(r.r) < 4 * r.noise);
}

static void
numbers_that_follow_each_other_are_found_with_their_lag(void **state)
{
    struct lags_result r = measured(ATTR_AGE, 100, 17, 26);

    (void)state;
    assert_int_equal(r.lag, 17);
    assert_true(fabs(r.r - 0.1) < 0.02);
}

static void
labels_that_follow_each_other_are_found_with_their_lag(void **state)
{
    struct lags_result r = measured(ATTR_RACE, 7, 3, 26);

    (void)state;
    assert_int_equal(r.lag, 3);
    assert_true(fabs(r.r - 0.1) < 0.02);
}

static void
a_column_of_one_value_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(measured(ATTR_RACE, 1, 0, 0).n, 0);
    assert_int_equal(measured(ATTR_AGE, 1, 0, 0).n, 0);
}

static void
a_block_of_too_few_rows_is_left_out(void **state)
{
    struct lags_block b = {.rows = LAGS_MAX};

    (void)state;
    assert_false(lags_close(&b));
    b.rows++;
    assert_true(lags_close(&b));
}

static void
every_sixteenth_grid_cell_is_in_the_sample(void **state)
{
    (void)state;
    assert_true(lags_sampled(0));
    assert_true(lags_sampled(249));
    assert_false(lags_sampled(250));
    assert_true(lags_sampled(UINT64_C(16) * 250));
}

static void
equal_values_have_equal_codes_and_no_value_has_its_own(void **state)
{
    struct model *m = given_model();
    struct person p = {.age = 44, .occupation = PERSON_NO_OCCUPATION};

    (void)state;
    assert_int_equal(lags_code(m, ATTR_AGE, &p), 44);
    assert_int_equal(lags_code(m, ATTR_OCCUPATION, &p), 255);
    p.occupation = 300;
    assert_int_equal(lags_code(m, ATTR_OCCUPATION, &p),
                     lags_code(m, ATTR_OCCUPATION, &p));
    model_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_stays_within_four_deviations),
        cmocka_unit_test(
            numbers_that_follow_each_other_are_found_with_their_lag),
        cmocka_unit_test(
            labels_that_follow_each_other_are_found_with_their_lag),
        cmocka_unit_test(a_column_of_one_value_says_nothing),
        cmocka_unit_test(a_block_of_too_few_rows_is_left_out),
        cmocka_unit_test(every_sixteenth_grid_cell_is_in_the_sample),
        cmocka_unit_test(
            equal_values_have_equal_codes_and_no_value_has_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
