/* The table against a plain array, at its limit, and out of memory. */
#include <stdbool.h>
#include <stdlib.h>

/* The module is compiled in here with an allocator that can fail. */
static bool memory_is_short;
static void *
failing_malloc(size_t size)
{
    return memory_is_short ? NULL : malloc(size);
}
#define malloc failing_malloc
#include "common/table.c"
#undef malloc

#include "tests/co_test.h"

enum { KEYS = 700, STEPS = 100000 };

static int
setup(void **state)
{
    static struct co_table table;

    co_table_init(&table, KEYS, 12345);
    *state = &table;
    return 0;
}

static int
teardown(void **state)
{
    co_table_fini(*state);
    return 0;
}

static enum co_err
add(struct co_table *table, uint64_t a, uint32_t b, uint32_t value)
{
    enum co_err err = co_table_reserve(table, table->count + 1);

    if (!err) co_table_put(table, a, b, value);
    return err;
}

static void
an_empty_table_finds_and_deletes_nothing(void **state)
{
    struct co_table *table = *state;

    assert_int_equal(co_table_find(table, 1, 1), CO_TABLE_NONE);
    assert_int_equal(co_table_del(table, 1, 1), CO_TABLE_NONE);
    assert_int_equal(co_table_reserve(table, 1), CO_OK);
    assert_int_equal(co_table_del(table, 1, 1), CO_TABLE_NONE);
    assert_int_equal(table->count, 0);
}

static void
what_was_put_is_found_until_it_is_deleted(void **state)
{
    struct co_table *table = *state;

    assert_int_equal(add(table, 0, 0, 7), CO_OK);
    assert_int_equal(add(table, 0, 1, 8), CO_OK);
    assert_int_equal(add(table, 1, 0, 9), CO_OK);
    assert_int_equal(co_table_find(table, 0, 0), 7);
    assert_int_equal(co_table_find(table, 0, 1), 8);
    assert_int_equal(co_table_find(table, 1, 0), 9);
    co_table_put(table, 1, 0, 11); /* replaced */
    assert_int_equal(table->count, 3);
    assert_int_equal(co_table_del(table, 1, 0), 11);
    assert_int_equal(co_table_del(table, 1, 0), CO_TABLE_NONE);
    assert_int_equal(table->count, 2);
}

static void
a_full_table_refuses_and_changes_nothing(void **state)
{
    struct co_table *table = *state;

    for (uint32_t i = 0; i < KEYS; i++) {
        assert_int_equal(add(table, i, 5, i), CO_OK);
    }
    assert_int_equal(add(table, KEYS, 5, KEYS), CO_FULL);
    assert_int_equal(table->count, KEYS);
    assert_int_equal(co_table_del(table, 50, 5), 50);
    assert_int_equal(add(table, KEYS, 5, KEYS), CO_OK);
    assert_int_equal(co_table_find(table, 49, 5), 49);
}

/* Random puts and deletes of neighbouring tasks, checked after each. */
static void
it_always_agrees_with_a_plain_array(void **state)
{
    struct co_table *table = *state;
    uint32_t model[KEYS];
    uint32_t count = 0;

    for (int i = 0; i < KEYS; i++) {
        model[i] = CO_TABLE_NONE;
    }
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint64_t r = co_mix64(step);
        uint32_t key = (uint32_t)(r % KEYS);
        uint32_t value = (uint32_t)(r >> 40);

        if (r >> 63) {
            assert_int_equal(
                add(table, (uint64_t)(key / 3) << 8, key % 3, value), CO_OK);
            count += model[key] == CO_TABLE_NONE;
            model[key] = value;
        } else {
            assert_int_equal(
                co_table_del(table, (uint64_t)(key / 3) << 8, key % 3),
                model[key]);
            count -= model[key] != CO_TABLE_NONE;
            model[key] = CO_TABLE_NONE;
        }
        key = (uint32_t)(r >> 20) % KEYS;
        assert_int_equal(
            co_table_find(table, (uint64_t)(key / 3) << 8, key % 3),
            model[key]);
        assert_int_equal(table->count, count);
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        assert_int_equal(
            co_table_find(table, (uint64_t)(key / 3) << 8, key % 3),
            model[key]);
    }
}

static void
room_that_was_reserved_is_there_when_memory_is_short(void **state)
{
    struct co_table *table = *state;

    assert_int_equal(co_table_reserve(table, 100), CO_OK);
    memory_is_short = true;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(add(table, i, 1, i), CO_OK);
    }
    assert_int_equal(co_table_reserve(table, KEYS), CO_NOMEM);
    assert_int_equal(co_table_find(table, 99, 1), 99);
    assert_int_equal(table->count, 100);
    memory_is_short = false;
    assert_int_equal(co_table_reserve(table, KEYS), CO_OK);
    assert_int_equal(co_table_find(table, 99, 1), 99);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_table_finds_and_deletes_nothing),
        TEST(what_was_put_is_found_until_it_is_deleted),
        TEST(a_full_table_refuses_and_changes_nothing),
        TEST(it_always_agrees_with_a_plain_array),
        TEST(room_that_was_reserved_is_there_when_memory_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
