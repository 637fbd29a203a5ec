/* test_writers.c - arms: which row is in which, and that a recipe tells it. */
#include "tests/co_test.h"

#include "job/writers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct co_diag diag;

static struct writers
given_arms(uint32_t first)
{
    return (struct writers){
        .n = 1,
        .n_arms = 2,
        .arms = {{.name = "a", .share = first, .n = 1},
                 {.name = "b", .share = 100 - first, .n = 1}}};
}

static uint64_t
count_first(const struct writers *w, uint64_t seed, uint64_t from, uint64_t n)
{
    uint64_t first = 0;

    for (uint64_t row = from; row < from + n; row++) {
        first += writers_arm(w, seed, row) == 0;
    }
    return first;
}

/* Within five standard deviations, for tables and recipes of all kinds. */
static void
arms_get_their_shares_of_any_rows(void **state)
{
    enum { ROWS = 20000 };

    (void)state;
    for (uint32_t share = 1; share < 100; share += 7) {
        const struct writers w = given_arms(share);

        for (uint64_t recipe = 0; recipe < 5; recipe++) {
            const uint64_t seed = writers_seed(&w, recipe * 7919);
            const double p = share / 100.0;
            const double off =
                (double)count_first(&w, seed, recipe * 1000003, ROWS) -
                ROWS * p;

            assert_true(fabs(off) < 5 * sqrt(ROWS * p * (1 - p)));
        }
    }
}

/* In another version of the program they would be other rows: a job that goes
 * on would compare apples with pears. */
static void
the_arms_of_rows_are_these_for_good(void **state)
{
    static const char want[] = "aaaaaabaaaaaaaaaaaaabbbbbbaaaaaaaaabbaba";
    const struct writers w = given_arms(70);
    const uint64_t seed = writers_seed(&w, 0x0123456789abcdef);
    char got[sizeof want];

    (void)state;
    for (uint64_t row = 0; row + 1 < sizeof want; row++) {
        got[row] = w.arms[writers_arm(&w, seed, row)].name[0];
    }
    got[sizeof want - 1] = '\0';
    assert_string_equal(got, want);
}

static void
another_recipe_or_table_deals_them_anew(void **state)
{
    const struct writers w = given_arms(50), other = given_arms(51);
    const uint64_t seeds[] = {writers_seed(&w, 1), writers_seed(&w, 2),
                              writers_seed(&other, 1)};
    unsigned same = 0;

    (void)state;
    for (uint64_t row = 0; row < 1000; row++) {
        same +=
            writers_arm(&w, seeds[0], row) == writers_arm(&w, seeds[1], row);
    }
    assert_true(same > 400 && same < 600);
    assert_int_not_equal(seeds[0], seeds[2]);
}

static void
one_arm_has_all_rows(void **state)
{
    const struct writers w = {
        .n = 1, .n_arms = 1, .arms = {{.share = 100, .n = 1}}};

    (void)state;
    assert_int_equal(count_first(&w, 5, 0, 1000), 1000);
}

static bool
reads(const char *text)
{
    struct writer first = {.provider = "main"};
    json_t *value = json_loads(text, 0, NULL);
    struct writers *w = NULL;
    enum co_err err = writers_from_json(value, &first, &w, &diag);

    writers_free(w);
    json_decref(value);
    return err == CO_OK;
}

static void
hostile_tables_are_refused(void **state)
{
    static const char *const bad[] = {
        "{}",
        "{\"arms\":[]}",
        "{\"arms\":[{\"chain\":[]}]}",
        "{\"arms\":[{\"chain\":[1]}]}",
        "{\"arms\":[{\"chain\":[-1]}]}",
        "{\"arms\":[{\"chain\":[0],\"name\":\"a\",\"share\":100}]}",
        "{\"arms\":[{\"chain\":[0]},{\"chain\":[0]}]}",
        ("{\"arms\":[{\"chain\":[0],\"name\":\"a\",\"share\":70},"
         "{\"chain\":[0],\"name\":\"b\",\"share\":31}]}"),
        "{\"arms\":[{\"chain\":[0]}],\"more\":[]}",
        "{\"arms\":[{\"chain\":[0]}],\"more\":[{\"provider\":\"x\"}]}",
        "[]",
    };

    (void)state;
    assert_true(reads("{\"arms\":[{\"builtin\":true,\"chain\":[0]}]}"));
    assert_true(reads("{\"arms\":[{\"chain\":[0],\"name\":\"a\",\"share\":70},"
                      "{\"chain\":[0],\"name\":\"b\",\"share\":30}]}"));
    for (size_t i = 0; i < co_countof(bad); i++) {
        if (reads(bad[i])) fail_msg("%s was read", bad[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arms_get_their_shares_of_any_rows),
        cmocka_unit_test(the_arms_of_rows_are_these_for_good),
        cmocka_unit_test(another_recipe_or_table_deals_them_anew),
        cmocka_unit_test(one_arm_has_all_rows),
        cmocka_unit_test(hostile_tables_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
