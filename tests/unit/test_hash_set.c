/* test_hash_set.c - a set of hashes that was told how many will come. */
#include "coordinator/hash_set.h"

#include "common/hash.h"
#include "tests/co_test.h"

#include <stdlib.h>

static struct hash_set *
given(uint64_t items)
{
    struct hash_set *s = NULL;

    assert_int_equal(hash_set_new(items, &s), CO_OK);
    return s;
}

static void
a_hash_is_new_once(void **state)
{
    struct hash_set *s = given(3);

    (void)state;
    assert_true(hash_set_add(s, 5));
    assert_true(hash_set_add(s, UINT64_MAX));
    assert_true(hash_set_add(s, 0));
    assert_false(hash_set_add(s, 5));
    assert_false(hash_set_add(s, UINT64_MAX));
    assert_false(hash_set_add(s, 0));
    assert_int_equal(hash_set_count(s), 3);
    hash_set_free(s);
}

/* Hashes with a few bits lie together before they are mixed. */
static void
it_agrees_with_a_table_of_everything(void **state)
{
    enum { BITS = 16, ROUNDS = 200000 };
    uint8_t *there = calloc(1u << BITS, 1);
    struct hash_set *s = given(1u << BITS);
    uint64_t random = 1;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t hash;

        random = random * 6364136223846793005u + 1442695040888963407u;
        hash = random >> (64 - BITS);
        hash_set_prefetch(s, hash);
        assert_int_equal(hash_set_add(s, hash), !there[hash]);
        there[hash] = 1;
    }
    free(there);
    hash_set_free(s);
}

static void
twelve_bytes_an_item_are_all_it_takes(void **state)
{
    const uint64_t items = 1000000;
    struct hash_set *s = given(items);

    (void)state;
    for (uint64_t i = 0; i < items; i++) {
        assert_int_equal(hash_set_reserve(s, 1), CO_OK);
        assert_true(hash_set_add(s, co_mix64(i + 1)));
    }
    assert_in_range(hash_set_bytes(s), 8 * items,
                    HASH_SET_ITEM_BYTES * items + 100);
    hash_set_free(s);
}

static void
more_than_was_told_finds_room_and_nothing_is_forgotten(void **state)
{
    struct hash_set *s = given(1000);

    (void)state;
    for (uint64_t i = 0; i < 300000; i++) {
        assert_int_equal(hash_set_reserve(s, 250), CO_OK);
        assert_true(hash_set_add(s, co_mix64(i + 1)));
    }
    for (uint64_t i = 0; i < 300000; i++) {
        assert_false(hash_set_add(s, co_mix64(i + 1)));
    }
    assert_int_equal(hash_set_count(s), 300000);
    hash_set_free(s);
}

static void
what_no_machine_has_is_refused(void **state)
{
    struct hash_set *s = NULL;

    (void)state;
    assert_int_equal(hash_set_new(UINT64_MAX / 17, &s), CO_NOMEM);
    assert_null(s);
    hash_set_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_is_new_once),
        cmocka_unit_test(it_agrees_with_a_table_of_everything),
        cmocka_unit_test(twelve_bytes_an_item_are_all_it_takes),
        cmocka_unit_test(
            more_than_was_told_finds_room_and_nothing_is_forgotten),
        cmocka_unit_test(what_no_machine_has_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
