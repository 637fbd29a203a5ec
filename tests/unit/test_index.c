/* The index of the dispatch core against a plain list. */
#include "broker/index.h"
#include "common/hash.h"
#include "tests/co_test.h"

enum { KEYS = 700, STEPS = 40000 };

static void
what_was_put_is_found_until_it_is_removed(void **state)
{
    static uint32_t model[KEYS]; /* value + 1, 0: not there */
    struct index x = {.seed = 42};
    uint32_t n = 0;

    (void)state;
    for (uint64_t i = 0; i < STEPS; i++) {
        uint64_t random = co_mix64(i + 1);
        uint32_t k = (uint32_t)(random % KEYS);
        uint64_t a = (uint64_t)(k / 3) << 8;
        uint32_t b = k % 3;

        if (random >> 40 & 1) {
            assert_int_equal(index_reserve(&x, n + 1), CO_OK);
            index_put(&x, a, b, (uint32_t)i);
            n += model[k] == 0;
            model[k] = (uint32_t)i + 1;
        } else {
            index_remove(&x, a, b);
            n -= model[k] != 0;
            model[k] = 0;
        }
        assert_int_equal(x.n, n);
        k = (uint32_t)(random >> 20) % KEYS;
        assert_int_equal(index_get(&x, (uint64_t)(k / 3) << 8, k % 3),
                         model[k] ? model[k] - 1 : INDEX_NONE);
    }
    index_fini(&x);
}

static void
an_empty_index_finds_and_removes_nothing(void **state)
{
    struct index x = {0};

    (void)state;
    assert_int_equal(index_get(&x, 1, 1), INDEX_NONE);
    index_remove(&x, 1, 1);
    assert_int_equal(index_reserve(&x, 1), CO_OK);
    index_remove(&x, 1, 1);
    assert_int_equal(x.n, 0);
    index_fini(&x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_until_it_is_removed),
        cmocka_unit_test(an_empty_index_finds_and_removes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
