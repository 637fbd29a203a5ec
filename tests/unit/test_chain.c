/* test_chain.c - when a provider is taken to be away, and when it is back. */
#include "tests/co_test.h"

#include "coordinator/chain.h"

#define SECOND INT64_C(1000000)

static void
strike(struct chain *c, unsigned times, int64_t now_us)
{
    for (unsigned i = 0; i < times; i++) {
        (void)chain_on_strike(c, 100 + i, now_us);
    }
}

static void
it_can_be_asked_until_five_calls_in_a_row_came_to_nothing(void **state)
{
    struct chain c = {0};

    (void)state;
    strike(&c, CHAIN_STRIKES - 1, SECOND);
    assert_true(chain_may_ask(&c, SECOND));
    chain_on_answer(&c, 1);
    strike(&c, CHAIN_STRIKES - 1, SECOND);
    assert_true(chain_may_ask(&c, SECOND));
    assert_true(chain_on_strike(&c, 7, SECOND));
    assert_false(chain_may_ask(&c, SECOND));
    assert_true(chain_is_away_for(&c, 8));
    assert_int_equal(c.times, 1);
}

static void
a_workers_word_is_enough(void **state)
{
    struct chain c = {0};

    (void)state;
    assert_true(chain_on_away(&c, 1, 0, SECOND));
    assert_false(chain_may_ask(&c, CHAIN_AWAY_US));
    assert_true(chain_may_ask(&c, SECOND + CHAIN_AWAY_US));
    assert_false(chain_on_away(&c, 2, 0, 2 * SECOND)); /* no news */
    assert_true(chain_may_ask(&c, SECOND + CHAIN_AWAY_US));
}

static void
a_longer_wait_that_was_asked_for_is_kept(void **state)
{
    struct chain c = {0};

    (void)state;
    (void)chain_on_away(&c, 1, 3600 * 1000, SECOND);
    assert_false(chain_may_ask(&c, 3600 * SECOND));
    assert_true(chain_may_ask(&c, 3601 * SECOND));
}

static void
one_ask_tries_it_and_an_answer_ends_it(void **state)
{
    struct chain c = {0};
    int64_t now = SECOND;

    (void)state;
    (void)chain_on_away(&c, 1, 0, now);
    now += CHAIN_AWAY_US;
    chain_ask(&c, 55, now);
    assert_false(chain_may_ask(&c, now)); /* nobody beside it */
    assert_false(chain_is_away_for(&c, 55));
    assert_true(chain_is_away_for(&c, 56));
    chain_on_answer(&c, 54); /* of an ask from before */
    assert_false(chain_may_ask(&c, now));
    chain_on_answer(&c, 55);
    assert_true(chain_may_ask(&c, now));
    assert_false(chain_is_away_for(&c, 56));
}

/* Rows that have no fallback go on asking. */
static void
other_asks_do_not_take_the_place_of_the_one_that_tries_it(void **state)
{
    struct chain c = {0};
    int64_t now = SECOND;

    (void)state;
    (void)chain_on_away(&c, 1, 0, now);
    chain_ask(&c, 44, now); /* before its time, which stays */
    now += CHAIN_AWAY_US;
    assert_true(chain_may_ask(&c, now));
    chain_ask(&c, 55, now);
    chain_ask(&c, 66, now + SECOND);
    chain_on_answer(&c, 55);
    assert_true(chain_may_ask(&c, now + SECOND));
}

static void
each_try_that_fails_doubles_the_time(void **state)
{
    struct chain c = {0};
    int64_t now = SECOND, wait = CHAIN_AWAY_US;

    (void)state;
    (void)chain_on_away(&c, 1, 0, now);
    for (unsigned i = 0; i < 8; i++) {
        now += wait;
        assert_true(chain_may_ask(&c, now));
        chain_ask(&c, 100 + i, now);
        (void)chain_on_strike(&c, 100 + i, now);
        wait = wait * 2 < CHAIN_AWAY_MAX_US ? wait * 2 : CHAIN_AWAY_MAX_US;
        assert_false(chain_may_ask(&c, now + wait - 1));
    }
    assert_int_equal(wait, CHAIN_AWAY_MAX_US);
    assert_int_equal(c.times, 1);
}

static void
a_try_of_which_nobody_hears_is_made_again(void **state)
{
    struct chain c = {0};
    int64_t now = SECOND;

    (void)state;
    (void)chain_on_away(&c, 1, 0, now);
    now += CHAIN_AWAY_US;
    chain_ask(&c, 55, now);
    assert_false(chain_may_ask(&c, now + CHAIN_TRY_US - 1));
    assert_true(chain_may_ask(&c, now + CHAIN_TRY_US));
}

/* A limit of a minute makes asks wait, and come back, as long as that. */
static void
only_long_silence_counts_as_served_by_nobody(void **state)
{
    struct chain c = {0};

    (void)state;
    chain_ask(&c, 1, SECOND);
    assert_false(chain_on_waited(&c, 1, SECOND + CHAIN_SILENT_US - 1));
    chain_on_heard(&c);
    chain_on_heard(&c);
    chain_ask(&c, 2, 500 * SECOND); /* long idle before: that is not silence */
    assert_false(chain_on_waited(&c, 2, 520 * SECOND));
    assert_true(chain_on_waited(&c, 2, 500 * SECOND + CHAIN_SILENT_US));
}

/* All that is wanted is out, so that nothing is asked for once more. */
static void
asks_that_go_out_again_and_again_are_not_forgotten(void **state)
{
    struct chain c = {0};

    (void)state;
    chain_ask(&c, 1, SECOND);
    chain_on_answer(&c, 2); /* and then its worker is gone */
    assert_false(chain_on_waited(&c, 1, 20 * SECOND));
    assert_false(chain_on_waited(&c, 1, 80 * SECOND));
    assert_true(chain_on_waited(&c, 1, 20 * SECOND + CHAIN_SILENT_US));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            it_can_be_asked_until_five_calls_in_a_row_came_to_nothing),
        cmocka_unit_test(a_workers_word_is_enough),
        cmocka_unit_test(a_longer_wait_that_was_asked_for_is_kept),
        cmocka_unit_test(one_ask_tries_it_and_an_answer_ends_it),
        cmocka_unit_test(
            other_asks_do_not_take_the_place_of_the_one_that_tries_it),
        cmocka_unit_test(each_try_that_fails_doubles_the_time),
        cmocka_unit_test(a_try_of_which_nobody_hears_is_made_again),
        cmocka_unit_test(only_long_silence_counts_as_served_by_nobody),
        cmocka_unit_test(asks_that_go_out_again_and_again_are_not_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
