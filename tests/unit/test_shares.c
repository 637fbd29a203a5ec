/* test_shares.c - a budget cut by phase: exact, and never more than it is. */
#include "tests/co_test.h"

#include "common/hash.h"
#include "job/shares.h"

#define USD INT64_C(1000000000000)

static struct shares_part
percent(int64_t parts)
{
    return (struct shares_part){parts, true};
}

static struct shares_part
usd(int64_t amount)
{
    return (struct shares_part){amount, false};
}

static struct shares_wish
wish_of(struct shares_part reserve, struct shares_part background,
        struct shares_part personas)
{
    return (struct shares_wish){true, reserve, {background, personas}};
}

static void
the_reserve_comes_off_first_and_the_rest_is_cut_by_percent(void **state)
{
    const struct shares_wish wish =
        wish_of(percent(100000), percent(400000), percent(600000));
    struct shares s;
    int64_t sum;

    (void)state;
    assert_int_equal(shares_split(&wish, 5 * USD, &s, &sum), CO_OK);
    assert_int_equal(s.reserve, USD / 2);
    assert_int_equal(s.share[0], 9 * USD / 5);
    assert_int_equal(s.share[1], 27 * USD / 10);
}

static void
amounts_have_to_be_what_the_reserve_leaves(void **state)
{
    struct shares_wish wish = wish_of(usd(USD), usd(USD), usd(3 * USD));
    struct shares s;
    int64_t sum = 0;

    (void)state;
    assert_int_equal(shares_split(&wish, 5 * USD, &s, &sum), CO_OK);
    assert_int_equal(s.share[1], 3 * USD);
    wish.phases[1].value--;
    assert_int_equal(shares_split(&wish, 5 * USD, &s, &sum), CO_INVALID);
    assert_int_equal(sum, 4 * USD - 1);
    wish.phases[0].value = wish.phases[1].value = 9000000 * USD;
    assert_int_equal(shares_split(&wish, 9000000 * USD, &s, &sum), CO_INVALID);
    assert_int_equal(sum, INT64_MAX); /* it stands still there */
    wish = wish_of(percent(0), percent(400000), percent(600001));
    assert_int_equal(shares_split(&wish, 5 * USD, &s, &sum), CO_INVALID);
    wish = wish_of(usd(6 * USD), percent(400000), percent(600000));
    assert_int_equal(shares_split(&wish, 5 * USD, &s, &sum), CO_RANGE);
}

/* Nothing is lost to rounding, whatever the cap and the percents are. */
static void
shares_and_reserve_are_the_cap_to_the_last_digit(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        const uint64_t r = co_mix64(i + 1), q = co_mix64(r);
        const int64_t cap = (int64_t)(r % (UINT64_C(9000000) * USD)) >> i % 60;
        const int64_t first = (int64_t)(q % (SHARES_WHOLE + 1));
        const struct shares_wish wish =
            wish_of(percent((int64_t)(q >> 32) % (SHARES_WHOLE + 1)),
                    percent(first), percent(SHARES_WHOLE - first));
        struct shares s;
        int64_t sum;

        assert_int_equal(shares_split(&wish, cap, &s, &sum), CO_OK);
        assert_true(s.reserve >= 0 && s.share[0] >= 0 && s.share[1] >= 0);
        assert_int_equal(s.reserve + s.share[0] + s.share[1], cap);
        /* the first is rounded down, by less than one */
        assert_true((__int128)s.share[0] * SHARES_WHOLE <=
                    (__int128)(cap - s.reserve) * first);
        assert_true((__int128)(s.share[0] + 1) * SHARES_WHOLE >
                    (__int128)(cap - s.reserve) * first);
    }
}

static struct shares
cut(int64_t reserve, int64_t background, int64_t personas)
{
    return (struct shares){
        .is_set = true, .reserve = reserve, .share = {background, personas}};
}

static const int64_t all[SHARES_PHASES] = {INT64_MAX, INT64_MAX};
static const int64_t none[SHARES_PHASES];

static bool
use(struct shares *s, int64_t background, int64_t personas,
    const int64_t need[SHARES_PHASES], unsigned *ret_short)
{
    const int64_t used[SHARES_PHASES] = {background, personas};

    return shares_use(s, used, need, ret_short);
}

static void
a_phase_that_runs_short_takes_from_the_reserve_and_no_more(void **state)
{
    struct shares s = cut(10, 40, 50);
    unsigned short_phase = SHARES_PHASES;

    (void)state;
    assert_true(use(&s, 40, 0, all, NULL));
    assert_int_equal(shares_taken(&s, (int64_t[]){40, 0}), 0);
    assert_true(use(&s, 50, 0, all, NULL));
    assert_int_equal(shares_taken(&s, (int64_t[]){50, 0}), 10);
    assert_false(use(&s, 51, 0, all, &short_phase));
    assert_int_equal(short_phase, ASK_BACKGROUND);
    /* what it took is missing to the other, until it is given back */
    assert_false(use(&s, 50, 51, all, &short_phase));
    assert_true(use(&s, 45, 55, all, NULL));
    assert_false(use(&s, 45, 56, all, NULL));
    assert_true(use(&s, 40, 60, all, NULL));
    assert_false(use(&s, 0, 61, all, &short_phase));
    assert_int_equal(short_phase, ASK_PERSONAS);
}

static void
what_a_phase_leaves_flows_to_the_next_before_the_reserve_is_taken(void **state)
{
    struct shares s = cut(10, 40, 50);
    int64_t need[SHARES_PHASES] = {20, 0};

    (void)state;
    assert_true(use(&s, 5, 65, need, NULL)); /* 15 of the first are left */
    assert_int_equal(shares_limit(&s, 0), 25);
    assert_int_equal(shares_limit(&s, 1), 65);
    assert_int_equal(shares_taken(&s, (int64_t[]){5, 65}), 0);
    assert_true(use(&s, 5, 75, need, NULL));
    assert_int_equal(shares_taken(&s, (int64_t[]){5, 75}), 10);
    assert_false(use(&s, 5, 76, need, NULL));
    need[0] = 0; /* the first is done */
    assert_true(use(&s, 5, 95, need, NULL));
    assert_false(use(&s, 5, 96, need, NULL));
    /* it is not: what the next does not use comes back */
    assert_true(use(&s, 40, 50, need, NULL));
    assert_int_equal(shares_limit(&s, 0), 40);
}

static void
nothing_flows_back_to_a_phase_before(void **state)
{
    struct shares s = cut(0, 40, 50);

    (void)state;
    assert_true(use(&s, 40, 0, none, NULL));
    assert_false(use(&s, 41, 0, none, NULL));
}

/* Whatever is used and needed, in whatever order. */
static void
phases_never_have_more_than_the_cap_together(void **state)
{
    struct shares s = cut(100, 400, 500);
    int64_t used[SHARES_PHASES] = {0, 0};
    uint64_t granted = 0, refused = 0;

    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        const uint64_t r = co_mix64(i + 77);
        const int64_t need[SHARES_PHASES] = {(int64_t)(r >> 40) % 300, 0};
        int64_t next[SHARES_PHASES] = {used[0], used[1]};
        const unsigned phase = r % 2;

        next[phase] = (int64_t)(r >> 8) % (phase ? 1000 : 600);
        if (next[0] + next[1] > 1000) continue;
        if (next[phase] < used[phase]) { /* settled for less */
            used[phase] = next[phase];
        } else if (shares_use(&s, next, need, NULL)) {
            used[phase] = next[phase];
            granted++;
        } else {
            refused++;
        }
        assert_true(shares_limit(&s, 0) >= 0 && shares_limit(&s, 1) >= 500);
        assert_int_equal(s.reserve + shares_limit(&s, 0) + shares_limit(&s, 1),
                         1000);
        assert_true(shares_taken(&s, used) <= s.reserve);
        /* a phase has its share and what it took or got, and no more */
        assert_true(used[0] <= 500);
    }
    assert_true(granted > 1000 && refused > 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_reserve_comes_off_first_and_the_rest_is_cut_by_percent),
        cmocka_unit_test(amounts_have_to_be_what_the_reserve_leaves),
        cmocka_unit_test(shares_and_reserve_are_the_cap_to_the_last_digit),
        cmocka_unit_test(
            a_phase_that_runs_short_takes_from_the_reserve_and_no_more),
        cmocka_unit_test(
            what_a_phase_leaves_flows_to_the_next_before_the_reserve_is_taken),
        cmocka_unit_test(nothing_flows_back_to_a_phase_before),
        cmocka_unit_test(phases_never_have_more_than_the_cap_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
