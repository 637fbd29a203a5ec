/* test_link.c - an owner's link to a broker: when it counts as lost. */
#include "tests/co_test.h"

#include "coordinator/link.h"

static const struct link_identity self = {.incarnation = 5,
                                          .name = "o",
                                          .software = "t",
                                          .job = 9,
                                          .owner = 3,
                                          .job_name = "j",
                                          .service = "noop"};

struct fixture {
    struct link link;
    struct outbox out;
};

static int
setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);

    outbox_init(&f->out);
    link_init(&f->link, 0, &self);
    (void)link_tick(&f->link, 1000, &f->out);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    outbox_fini(&f->out);
    test_free(f);
    return 0;
}

static enum link_verdict
hears(struct fixture *f, struct msg m, int64_t now_ms)
{
    return link_on_message(&f->link, &m, now_ms, &f->out);
}

static enum link_verdict
welcomed(struct fixture *f, uint64_t broker, int64_t now_ms)
{
    return hears(f,
                 (struct msg){.type = MSG_welcome,
                              .welcome = {.incarnation = broker,
                                          .beat_ms = 1000,
                                          .dead_ms = 5000,
                                          .part_max = 8192}},
                 now_ms);
}

static void
a_link_attaches_after_welcome(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(welcomed(f, 7, 1001), LINK_HANDLED);
    assert_int_equal(f->link.state, LINK_ATTACHING);
    assert_int_equal(f->link.part_max, 8192);
    assert_int_equal(hears(f,
                           (struct msg){.type = MSG_attached,
                                        .attached = {.job = 9, .owner = 3}},
                           1002),
                     LINK_ATTACHED);
    assert_int_equal(f->link.state, LINK_READY);
}

/* Pages of INVENTORY may have been passed on: they count no more. */
static void
a_link_that_breaks_while_attaching_is_lost_too(void **state)
{
    struct fixture *f = *state;

    (void)welcomed(f, 7, 1001);
    assert_int_equal(welcomed(f, 7, 1100), LINK_HANDLED); /* said twice */
    assert_int_equal(welcomed(f, 8, 1200), LINK_LOST);    /* another broker */
    assert_int_equal(hears(f, (struct msg){.type = MSG_who}, 1300), LINK_LOST);
    assert_int_equal(hears(f, (struct msg){.type = MSG_who}, 1400),
                     LINK_HANDLED);
    (void)welcomed(f, 8, 1500);
    assert_false(link_tick(&f->link, 6500, &f->out));
    assert_true(link_tick(&f->link, 6501, &f->out));
    assert_false(link_tick(&f->link, 6502, &f->out));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_link_attaches_after_welcome),
        T(a_link_that_breaks_while_attaching_is_lost_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
