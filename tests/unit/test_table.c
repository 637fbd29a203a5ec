/* The table against a plain array, at its limit, and out of memory. */
#include <stdlib.h>

/* The module is compiled in here with an allocator that can fail. */
static int calls_left = -1; /* -1: never fails */
static void *
failing_calloc(size_t n, size_t size)
{
    if (calls_left == 0) return NULL;
    if (calls_left > 0) calls_left--;
    return calloc(n, size);
}
#define calloc failing_calloc
#include "common/table.c"
#undef calloc

#include "tests/co_test.h"

enum { KEYS = 600, STEPS = 200000 };

static void
what_was_put_is_found_until_it_is_deleted(void **state)
{
    co_auto(co_table_freep) struct co_table *table = NULL;
    uint32_t *value;

    (void)state;
    assert_int_equal(co_table_new(10, &table), CO_OK);
    assert_int_equal(co_table_find(table, 0, 0), CO_TABLE_NONE);
    assert_int_equal(co_table_put(table, 0, 0, 7), CO_OK);
    assert_int_equal(co_table_put(table, 0, 1, 8), CO_OK);
    assert_int_equal(co_table_put(table, 1, 0, 9), CO_OK);
    assert_int_equal(co_table_put(table, 1, 0, 10), CO_EXISTS);
    assert_int_equal(co_table_find(table, 0, 0), 7);
    assert_int_equal(co_table_find(table, 0, 1), 8);
    assert_int_equal(co_table_find(table, 1, 0), 9);
    value = co_table_at(table, 1, 0);
    assert_non_null(value);
    if (value) *value = 11; /* gcc does not know that the line above ends */
    assert_int_equal(co_table_del(table, 1, 0), 11);
    assert_int_equal(co_table_del(table, 1, 0), CO_TABLE_NONE);
    assert_int_equal(co_table_count(table), 2);
    co_table_clear(table);
    assert_int_equal(co_table_find(table, 0, 0), CO_TABLE_NONE);
    assert_int_equal(co_table_count(table), 0);
}

static void
a_full_table_refuses_and_changes_nothing(void **state)
{
    co_auto(co_table_freep) struct co_table *table = NULL;

    (void)state;
    assert_int_equal(co_table_new(100, &table), CO_OK);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(co_table_put(table, 5, i, i), CO_OK);
    assert_int_equal(co_table_put(table, 5, 100, 100), CO_FULL);
    assert_int_equal(co_table_put(table, 5, 99, 1), CO_EXISTS);
    assert_int_equal(co_table_count(table), 100);
    assert_int_equal(co_table_del(table, 5, 50), 50);
    assert_int_equal(co_table_put(table, 5, 100, 100), CO_OK);
}

/* Random puts and deletes, checked against an array after each. */
static void
it_always_agrees_with_a_plain_array(void **state)
{
    co_auto(co_table_freep) struct co_table *table = NULL;
    uint32_t model[KEYS];
    size_t count = 0;

    (void)state;
    for (int i = 0; i < KEYS; i++)
        model[i] = CO_TABLE_NONE;
    assert_int_equal(co_table_new(KEYS, &table), CO_OK);
    co_table_set_seed(table, 12345);
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint64_t r = co_mix64(step);
        uint64_t key = r % KEYS;
        uint32_t value = (uint32_t)(r >> 40);

        if (r >> 63) {
            enum co_err err = co_table_put(table, key % 3, key << 8, value);

            assert_int_equal(err,
                             model[key] == CO_TABLE_NONE ? CO_OK : CO_EXISTS);
            if (!err) count++, model[key] = value;
        } else {
            uint32_t got = co_table_del(table, key % 3, key << 8);

            assert_int_equal(got, model[key]);
            if (got != CO_TABLE_NONE) count--;
            model[key] = CO_TABLE_NONE;
        }
        key = (r >> 20) % KEYS;
        assert_int_equal(co_table_find(table, key % 3, key << 8), model[key]);
        assert_int_equal(co_table_count(table), count);
    }
    for (uint64_t key = 0; key < KEYS; key++)
        assert_int_equal(co_table_find(table, key % 3, key << 8), model[key]);
}

static void
iteration_meets_each_key_once(void **state)
{
    co_auto(co_table_freep) struct co_table *table = NULL;
    struct co_table_slot slot;
    uint8_t seen[1000] = {0};
    size_t cursor = 0, n = 0;

    (void)state;
    assert_int_equal(co_table_new(1000, &table), CO_OK);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(co_table_put(table, 9, i, i), CO_OK);
    for (; co_table_next(table, &cursor, &slot); n++) {
        assert_true(slot.a == 9 && slot.b == slot.value);
        assert_int_equal(seen[slot.value]++, 0);
    }
    assert_int_equal(n, 1000);
}

static void
out_of_memory_refuses_the_one_key(void **state)
{
    struct co_table *table = NULL;

    (void)state;
    for (calls_left = 0; calls_left < 2; calls_left++) {
        int budget = calls_left;

        assert_int_equal(co_table_new(1000, &table), CO_NOMEM);
        assert_null(table);
        calls_left = budget;
    }
    calls_left = 2;
    assert_int_equal(co_table_new(1000, &table), CO_OK);
    for (uint32_t i = 0; i < 12; i++)
        assert_int_equal(co_table_put(table, 1, i, i), CO_OK);
    assert_int_equal(co_table_put(table, 1, 12, 12), CO_NOMEM);
    assert_int_equal(co_table_count(table), 12);
    assert_int_equal(co_table_find(table, 1, 11), 11);
    calls_left = -1;
    assert_int_equal(co_table_put(table, 1, 12, 12), CO_OK);
    co_table_free(table);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_until_it_is_deleted),
        cmocka_unit_test(a_full_table_refuses_and_changes_nothing),
        cmocka_unit_test(it_always_agrees_with_a_plain_array),
        cmocka_unit_test(iteration_meets_each_key_once),
        cmocka_unit_test(out_of_memory_refuses_the_one_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
