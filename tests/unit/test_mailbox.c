/* The mailbox: order, refusal when full, and an honest descriptor. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

/* The module is compiled in here with an allocator that can fail. */
static int calls_left = -1; /* -1: never fails */
#define calloc(n, size)                                                        \
    (calls_left >= 0 && calls_left-- == 0 ? NULL : calloc(n, size))
#include "common/mailbox.c"
#undef calloc

#include "tests/co_test.h"

enum { MANY = 20000 };

static bool
readable(const struct co_mailbox *box)
{
    struct pollfd p = {.fd = co_mailbox_fd(box), .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void
items_come_out_in_the_order_they_went_in(void **state)
{
    co_auto(co_mailbox_freep) struct co_mailbox *box = NULL;
    int items[7];

    (void)state;
    assert_int_equal(co_mailbox_new(3, &box), CO_OK);
    /* Seven through a ring of three: the ring wraps. */
    assert_int_equal(co_mailbox_put(box, &items[0]), CO_OK);
    for (int i = 1; i < 7; i++) {
        assert_int_equal(co_mailbox_put(box, &items[i]), CO_OK);
        assert_ptr_equal(co_mailbox_take(box), &items[i - 1]);
    }
    assert_ptr_equal(co_mailbox_take(box), &items[6]);
    assert_null(co_mailbox_take(box));
}

static void
a_full_mailbox_refuses_and_keeps_what_it_has(void **state)
{
    co_auto(co_mailbox_freep) struct co_mailbox *box = NULL;
    int a, b, c;

    (void)state;
    assert_int_equal(co_mailbox_new(2, &box), CO_OK);
    assert_int_equal(co_mailbox_put(box, &a), CO_OK);
    assert_int_equal(co_mailbox_put(box, &b), CO_OK);
    assert_int_equal(co_mailbox_put(box, &c), CO_FULL);
    assert_ptr_equal(co_mailbox_take(box), &a);
    assert_int_equal(co_mailbox_put(box, &c), CO_OK);
    assert_ptr_equal(co_mailbox_take(box), &b);
    assert_ptr_equal(co_mailbox_take(box), &c);
}

static void
the_descriptor_is_readable_exactly_while_items_wait(void **state)
{
    co_auto(co_mailbox_freep) struct co_mailbox *box = NULL;
    int a, b;

    (void)state;
    assert_int_equal(co_mailbox_new(4, &box), CO_OK);
    assert_false(readable(box));
    assert_int_equal(co_mailbox_put(box, &a), CO_OK);
    assert_int_equal(co_mailbox_put(box, &b), CO_OK);
    assert_true(readable(box));
    (void)co_mailbox_take(box);
    assert_true(readable(box));
    (void)co_mailbox_take(box);
    assert_false(readable(box));
}

static void
waiting_on_an_empty_mailbox_ends_at_the_deadline(void **state)
{
    co_auto(co_mailbox_freep) struct co_mailbox *box = NULL;
    int a;

    (void)state;
    assert_int_equal(co_mailbox_new(1, &box), CO_OK);
    assert_null(co_mailbox_wait(box, 0));
    assert_null(co_mailbox_wait(box, 5));
    assert_int_equal(co_mailbox_put(box, &a), CO_OK);
    assert_ptr_equal(co_mailbox_wait(box, 0), &a);
}

static void *
put_many(void *arg)
{
    struct co_mailbox *box = arg;

    for (uintptr_t i = 1; i <= MANY;) {
        if (co_mailbox_put(box, (void *)i) == CO_OK) i++;
    }
    return NULL;
}

static void
two_threads_put_and_a_third_takes_each_item_once(void **state)
{
    co_auto(co_mailbox_freep) struct co_mailbox *box = NULL;
    pthread_t threads[2];
    uint64_t sum = 0;

    (void)state;
    assert_int_equal(co_mailbox_new(64, &box), CO_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, box), 0);
    }
    for (int i = 0; i < 2 * MANY; i++) {
        sum += (uintptr_t)co_mailbox_wait(box, -1);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(sum, (uint64_t)MANY * (MANY + 1));
    assert_null(co_mailbox_take(box));
}

static void
no_mailbox_is_made_without_memory(void **state)
{
    struct co_mailbox *box = NULL;

    (void)state;
    for (int n = 0; n < 2; n++) {
        calls_left = n;
        assert_int_equal(co_mailbox_new(5, &box), CO_NOMEM);
        assert_null(box);
    }
    calls_left = -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_the_order_they_went_in),
        cmocka_unit_test(a_full_mailbox_refuses_and_keeps_what_it_has),
        cmocka_unit_test(the_descriptor_is_readable_exactly_while_items_wait),
        cmocka_unit_test(waiting_on_an_empty_mailbox_ends_at_the_deadline),
        cmocka_unit_test(two_threads_put_and_a_third_takes_each_item_once),
        cmocka_unit_test(no_mailbox_is_made_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
