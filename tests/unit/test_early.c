/* test_early.c - what an owner keeps of what brokers say before its journal is
 * read. */
#include "tests/co_test.h"

#include "coordinator/early.h"

#include <string.h>

static struct co_bytes
bytes(size_t len)
{
    struct co_bytes b;
    uint8_t *data;

    assert_int_equal(co_bytes_new(len, &data, &b), CO_OK);
    if (len) memset(data, 'x', len);
    return b;
}

static void
keep(struct early *e, unsigned link, size_t len, enum co_err expected)
{
    struct co_bytes head = bytes(1);
    struct co_bytes body = bytes(len);

    assert_int_equal(early_keep(e, link, head, body), expected);
    co_bytes_unref(&head);
    co_bytes_unref(&body);
}

static void
messages_stay_in_the_order_in_which_they_came(void **state)
{
    struct early e;

    (void)state;
    assert_int_equal(early_init(&e), CO_OK);
    for (size_t i = 0; i < 5; i++) {
        keep(&e, (unsigned)i % 2, i, CO_OK);
    }
    assert_int_equal(e.n, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(e.v[i].body.len, i);
    }
    early_fini(&e);
}

static void
a_broken_link_takes_only_its_own_messages_along(void **state)
{
    struct early e;

    (void)state;
    assert_int_equal(early_init(&e), CO_OK);
    for (size_t i = 0; i < 6; i++) {
        keep(&e, (unsigned)i % 3, i, CO_OK);
    }
    early_drop_link(&e, 1);
    assert_int_equal(e.n, 4);
    assert_int_equal(e.bytes, 4 + 0 + 2 + 3 + 5);
    assert_int_equal(e.v[0].link, 0);
    assert_int_equal(e.v[1].link, 2);
    assert_int_equal(e.v[2].body.len, 3);
    early_drop_link(&e, 7);
    assert_int_equal(e.n, 4);
    early_drop(&e);
    assert_int_equal(e.bytes, 0);
    early_fini(&e);
}

static void
a_message_above_the_limit_of_bytes_is_refused_and_nothing_kept_of_it(
    void **state)
{
    struct early e;

    (void)state;
    assert_int_equal(early_init(&e), CO_OK);
    keep(&e, 0, EARLY_BYTES_MAX - 1, CO_OK);
    keep(&e, 1, 0, CO_FULL);
    assert_int_equal(e.n, 1);
    early_drop_link(&e, 0);
    keep(&e, 1, EARLY_BYTES_MAX, CO_FULL);
    keep(&e, 1, 0, CO_OK);
    early_fini(&e);
}

static void
more_messages_than_the_limit_are_refused(void **state)
{
    struct early e;

    (void)state;
    assert_int_equal(early_init(&e), CO_OK);
    for (int i = 0; i < EARLY_MAX; i++) {
        keep(&e, 0, 0, CO_OK);
    }
    keep(&e, 1, 0, CO_FULL);
    assert_int_equal(e.n, EARLY_MAX);
    early_fini(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_stay_in_the_order_in_which_they_came),
        cmocka_unit_test(a_broken_link_takes_only_its_own_messages_along),
        cmocka_unit_test(
            a_message_above_the_limit_of_bytes_is_refused_and_nothing_kept_of_it),
        cmocka_unit_test(more_messages_than_the_limit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
