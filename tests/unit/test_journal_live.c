/* test_journal_live.c - when a segment may go. */
#include "tests/co_test.h"

#include "journal/live.h"

static const struct segment_name one = {1, 1}, two = {1, 2}, three = {2, 1};

static void
add(struct live *l, struct segment_name segment, uint32_t bytes)
{
    struct journal_pos pos = {segment, 64, bytes};

    assert_int_equal(live_add(l, pos, true), CO_OK);
}

static void
a_dead_segment_goes_only_behind_a_later_checkpoint(void **state)
{
    struct live_garbage g[4];
    struct live *l;

    (void)state;
    assert_int_equal(live_new(&l), CO_OK);
    add(l, two, 100);
    add(l, one, 100);
    add(l, three, 100);
    live_drop(l, one, 100);
    assert_int_equal(live_garbage(l, three, g, 4), 0);
    live_checkpoint(l, one); /* in the same segment: not later */
    assert_int_equal(live_garbage(l, three, g, 4), 0);
    live_checkpoint(l, two);
    assert_int_equal(live_garbage(l, three, g, 4), 1);
    assert_int_equal(g[0].action, LIVE_DELETE);
    assert_int_equal(g[0].segment.sequence, 1);
    live_gone(l, one);
    assert_int_equal(live_garbage(l, three, g, 4), 0);
    assert_int_equal(live_bytes(l, two), 100);
    live_free(l);
}

static void
an_almost_dead_segment_is_to_be_copied(void **state)
{
    struct live_garbage g[4];
    struct live *l;

    (void)state;
    assert_int_equal(live_new(&l), CO_OK);
    add(l, one, 1000);
    live_checkpoint(l, three);
    live_drop(l, one, 900);
    assert_int_equal(live_garbage(l, three, g, 4), 0);
    live_drop(l, one, 1);
    assert_int_equal(live_garbage(l, three, g, 4), 1);
    assert_int_equal(g[0].action, LIVE_COPY);
    live_free(l);
}

static void
the_current_segment_never_goes(void **state)
{
    struct live_garbage g[4];
    struct live *l;

    (void)state;
    assert_int_equal(live_new(&l), CO_OK);
    add(l, two, 10);
    live_drop(l, two, 10);
    live_checkpoint(l, three);
    assert_int_equal(live_garbage(l, two, g, 4), 0);
    assert_int_equal(live_garbage(l, three, g, 4), 1);
    live_free(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_segment_goes_only_behind_a_later_checkpoint),
        cmocka_unit_test(an_almost_dead_segment_is_to_be_copied),
        cmocka_unit_test(the_current_segment_never_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
