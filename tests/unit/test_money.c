/* test_money.c - the ledger of a job's calls: no order of events charges more
 * than the cap, or less than was paid. */
#include "tests/co_test.h"

#include "common/hash.h"
#include "coordinator/money.h"

#include <stdlib.h>
#include <string.h>

static const struct price price = {
    .input = 150, .output = 600, .cached_input = 75};

static struct money *
ledger(int64_t cap)
{
    struct money *m;

    assert_int_equal(money_new(cap, &m), CO_OK);
    return m;
}

static struct money_call
call_of(int64_t cost)
{
    return (struct money_call){.outcome = ASK_ANSWER,
                               .has_usage = true,
                               .has_cost = true,
                               .cost = cost};
}

static void
assert_sums(const struct money *m, int64_t settled, int64_t unknown,
            int64_t reserved)
{
    const struct money_sums s = money_sums(m);

    assert_int_equal(s.settled, settled);
    assert_int_equal(s.unknown, unknown);
    assert_int_equal(s.reserved, reserved);
    if (money_check(m)) fail_msg("%s", money_check(m));
}

static void
a_reservation_that_does_not_fit_under_the_cap_is_refused(void **state)
{
    struct money *m = ledger(100);

    (void)state;
    assert_int_equal(money_reserve(m, 0, 1, 60), CO_OK);
    assert_int_equal(money_reserve(m, 0, 2, 41), CO_FULL);
    assert_int_equal(money_reserve(m, 0, 1, 1), CO_EXISTS);
    assert_int_equal(money_reserve(m, MONEY_PHASES, 2, 1), CO_RANGE);
    assert_int_equal(money_reserve(m, 0, 2, -1), CO_RANGE);
    assert_int_equal(money_reserve(m, 1, 2, 40), CO_OK);
    assert_sums(m, 0, 0, 100);
    assert_int_equal(money_phase_of(m, 1), 0);
    assert_int_equal(money_phase_of(m, 2), 1);
    assert_int_equal(money_phase_of(m, 3), MONEY_PHASES);
    money_free(m);
}

static void
settling_charges_the_true_cost_and_frees_the_rest(void **state)
{
    struct money *m = ledger(100);
    struct money_call call = call_of(25);
    int64_t charged = -1;

    (void)state;
    call.input = 10;
    call.cached = 4;
    call.output = 3;
    assert_int_equal(money_reserve(m, 0, 1, 100), CO_OK);
    assert_int_equal(money_settle(m, 1, &call, &charged), CO_OK);
    assert_int_equal(charged, 25);
    assert_sums(m, 25, 0, 0);
    assert_true(money_fits(m, 75));
    assert_false(money_fits(m, 76));
    assert_int_equal(money_counters(m)->input_tokens, 10);
    assert_int_equal(money_counters(m)->cached_tokens, 4);
    assert_int_equal(money_counters(m)->output_tokens, 3);
    assert_int_equal(money_counters(m)->outcomes[ASK_ANSWER], 1);
    /* told twice: nothing is charged twice */
    assert_int_equal(money_settle(m, 1, &call, NULL), CO_NOTFOUND);
    assert_sums(m, 25, 0, 0);
    money_free(m);
}

static void
a_lost_call_stays_charged_until_its_late_answer_settles_it(void **state)
{
    struct money *m = ledger(100);
    struct money_call call = call_of(10);
    uint32_t cursor = 0;
    uint64_t task;
    int64_t amount;

    (void)state;
    assert_int_equal(money_reserve(m, 1, 7, 90), CO_OK);
    assert_true(money_lost(m, 7));
    assert_false(money_lost(m, 7));
    assert_sums(m, 0, 90, 0);
    assert_int_equal(money_unknown(m), 1);
    assert_false(money_fits(m, 11));
    assert_true(money_next(m, true, &cursor, &task, &amount));
    assert_int_equal(task, 7);
    assert_int_equal(amount, 90);
    assert_false(money_next(m, true, &cursor, &task, &amount));
    assert_int_equal(money_settle(m, 7, &call, NULL), CO_OK);
    assert_sums(m, 10, 0, 0);
    assert_int_equal(money_counters(m)->salvaged, 1);
    assert_int_equal(money_unknown(m), 0);
    money_free(m);
}

/* Its release was on its way when it was given up. */
static void
a_call_that_was_never_made_is_free_even_if_it_was_taken_for_lost(void **state)
{
    struct money *m = ledger(100);

    (void)state;
    assert_int_equal(money_reserve(m, 1, 7, 90), CO_OK);
    assert_true(money_lost(m, 7));
    assert_true(money_release(m, 7));
    assert_sums(m, 0, 0, 0);
    assert_int_equal(money_counters(m)->lost, 0);
    assert_int_equal(money_counters(m)->released, 1);
    assert_false(money_release(m, 7));
    money_free(m);
}

static void
what_an_outcome_costs_is_known_bounded_nothing_or_unknown(void **state)
{
    struct money *m = ledger(1000);
    struct money_call call = {.outcome = ASK_INVALID};

    (void)state;
    assert_int_equal(money_reserve(m, 0, 1, 100), CO_OK);
    assert_int_equal(money_reserve(m, 0, 2, 100), CO_OK);
    assert_int_equal(money_reserve(m, 0, 3, 100), CO_OK);
    assert_int_equal(money_settle(m, 1, &call, NULL), CO_OK); /* no usage */
    assert_sums(m, 100, 0, 200);
    call.outcome = ASK_REFUSED;
    assert_int_equal(money_settle(m, 2, &call, NULL), CO_OK);
    assert_sums(m, 100, 0, 100);
    call.outcome = ASK_UNKNOWN;
    assert_int_equal(money_settle(m, 3, &call, NULL), CO_OK);
    assert_sums(m, 100, 100, 0);
    /* it said so itself: nothing will come any more */
    assert_false(money_has(m, 3, NULL));
    assert_int_equal(money_unknown(m), 1);
    assert_int_equal(money_counters(m)->unbilled, 1);
    money_free(m);
}

static void
a_call_above_its_worst_case_is_charged_in_full_and_counted(void **state)
{
    struct money *m = ledger(100);
    struct money_call call = call_of(250);

    (void)state;
    assert_int_equal(money_reserve(m, 0, 1, 100), CO_OK);
    assert_int_equal(money_counters(m)->overruns, 0);
    assert_int_equal(money_settle(m, 1, &call, NULL), CO_RANGE);
    assert_int_equal(money_counters(m)->overruns, 1);
    assert_sums(m, 250, 0, 0);
    assert_int_equal(money_reserve(m, 0, 2, 1), CO_FULL);
    money_free(m);
}

static void
no_sum_is_beyond_what_an_int64_holds(void **state)
{
    struct money *m = ledger(0);
    struct money_call call = call_of(INT64_MAX);
    struct price dear = price;
    int64_t worst;

    (void)state;
    assert_int_equal(money_reserve(m, 0, 1, INT64_MAX - 5), CO_OK);
    assert_int_equal(money_reserve(m, 0, 2, 6), CO_FULL);
    assert_int_equal(money_restore(m, 0, 2, 6, 0), CO_RANGE);
    assert_int_equal(money_reserve(m, 0, 2, 5), CO_OK);
    assert_int_equal(money_settle(m, 1, &call, NULL), CO_OK);
    assert_sums(m, INT64_MAX - 5, 0, 5);
    assert_int_equal(money_settle(m, 2, &call, NULL), CO_OK);
    assert_sums(m, INT64_MAX, 0, 0);
    assert_false(money_worst(&price, UINT64_MAX, 1, 0, &worst));
    dear.call = INT64_MAX;
    assert_false(money_worst(&dear, 1, 1, 0, &worst));
    money_free(m);
}

static void
the_worst_case_takes_every_token_at_its_dearest(void **state)
{
    const struct price odd = {.input = 10, .output = 1, .cached_input = 30};
    struct price each = price;
    const struct price unknown = {.input = -1, .output = 1, .cached_input = -1};
    struct money_call call = {.input = 100, .cached = 100, .output = 2};
    int64_t worst;

    (void)state;
    each.call = 7;
    call.has_usage = true;
    assert_true(money_worst(&each, 100, 2, 0, &worst));
    assert_int_equal(worst, 100 * 150 + 2 * 600 + 7);
    money_cost(&each, &call);
    assert_true(call.has_cost);
    assert_int_equal(call.cost, 100 * 75 + 2 * 600 + 7);
    assert_true(money_worst(&odd, 100, 2, 0, &worst));
    money_cost(&odd, &call);
    assert_true(call.cost <= worst);
    assert_false(money_worst(&unknown, 1, 1, 0, &worst));
}

static void
lost_calls_that_fill_the_table_make_room_for_new_ones(void **state)
{
    struct money *m = ledger(0);

    (void)state;
    for (uint64_t i = 0; i < MONEY_OPEN_MAX; i++) {
        assert_int_equal(money_reserve(m, 0, i << 8, 1), CO_OK);
    }
    assert_int_equal(money_reserve(m, 0, UINT64_MAX, 1), CO_AGAIN);
    for (uint64_t i = 0; i < MONEY_OPEN_MAX; i++) {
        assert_true(money_lost(m, i << 8));
    }
    assert_int_equal(money_open(m), 0);
    for (uint64_t i = 0; i < MONEY_OPEN_MAX; i++) {
        assert_int_equal(money_reserve(m, 0, i << 8 | 1, 1), CO_OK);
    }
    assert_int_equal(money_named(m), MONEY_NAMED_MAX);
    assert_int_equal(money_counters(m)->nameless, 0);
    /* another one: an eighth of the lost ones' ids is forgotten, not their
     * money */
    assert_true(money_release(m, 1));
    assert_int_equal(money_reserve(m, 0, 2, 1), CO_OK);
    assert_true(money_lost(m, 2));
    assert_int_equal(money_reserve(m, 0, 3, 1), CO_OK);
    assert_int_equal(money_counters(m)->nameless, MONEY_OPEN_MAX / 8 + 1);
    assert_sums(m, 0, MONEY_OPEN_MAX + 1, MONEY_OPEN_MAX);
    assert_false(money_has(m, 0, NULL));
    assert_true(money_has(m, (MONEY_OPEN_MAX - 1) << 8, NULL));
    for (uint64_t i = 1; i < MONEY_OPEN_MAX; i++) {
        assert_true(money_has(m, i << 8 | 1, NULL));
    }
    money_free(m);
}

/* Restores them all as one journal would: asked, and asked again. */
static struct money *
given_replay_of_lost_calls(uint32_t n)
{
    struct money *m = ledger(0);

    for (uint64_t i = 0; i < n; i++) {
        assert_int_equal(money_restore(m, 0, i << 8, 1, 0), CO_OK);
        assert_true(money_lost(m, i << 8));
    }
    return m;
}

static void
a_replay_ends_with_no_more_ids_than_the_life_before_it(void **state)
{
    enum { LOST = 4 * MONEY_NAMED_MAX };
    const struct money_call late = {
        .outcome = ASK_ANSWER, .has_usage = true, .has_cost = true};
    struct money *m = given_replay_of_lost_calls(LOST);

    (void)state;
    /* until then all are known: the next record may be an answer */
    assert_int_equal(money_named(m), LOST);
    assert_true(money_has(m, 0, NULL));
    money_forget(m);
    assert_true(money_named(m) < MONEY_NAMED_MAX);
    assert_true(money_named(m) > MONEY_NAMED_MAX / 2);
    assert_int_equal(money_counters(m)->nameless, LOST - money_named(m));
    assert_int_equal(money_unknown(m), LOST);
    assert_sums(m, 0, LOST, 0);
    assert_int_equal(money_settle(m, 0, &late, NULL), CO_NOTFOUND);
    assert_int_equal(money_settle(m, (uint64_t)(LOST - 1) << 8, &late, NULL),
                     CO_OK);
    assert_sums(m, 0, LOST - 1, 0);
    money_free(m);
}

static void
calls_that_are_out_are_never_forgotten(void **state)
{
    enum { OUT = 2 * MONEY_NAMED_MAX };
    struct money *m = ledger(0);

    (void)state;
    for (uint64_t i = 0; i < OUT; i++) {
        assert_int_equal(money_restore(m, 0, i << 8, 1, 0), CO_OK);
    }
    money_forget(m);
    assert_int_equal(money_named(m), OUT);
    assert_sums(m, 0, 0, OUT);
    money_free(m);
}

static void
a_journal_written_under_a_higher_cap_is_counted_all_the_same(void **state)
{
    struct money *m = ledger(50);

    (void)state;
    assert_int_equal(money_restore(m, 0, 1, 80, 0), CO_OK);
    assert_sums(m, 0, 0, 80);
    assert_int_equal(money_reserve(m, 0, 2, 0), CO_FULL);
    assert_true(money_release(m, 1));
    assert_int_equal(money_reserve(m, 0, 2, 50), CO_OK);
    assert_int_equal(money_reserve(m, 0, 3, 1), CO_FULL);
    money_free(m);
}

/* A ledger of the slow kind beside it. */
enum { CALLS = 300 };

struct model {
    int64_t amount[CALLS], sum[3]; /* settled, unknown, reserved */
    uint8_t at[CALLS];             /* 0: none, 1: unknown, 2: reserved */
};

static void
settle_both(struct money *m, struct model *b, uint64_t i, uint64_t cost)
{
    const struct money_call call = call_of((int64_t)cost);
    const enum co_err err = money_settle(m, i, &call, NULL);

    if (!b->at[i]) {
        assert_int_equal(err, CO_NOTFOUND);
        return;
    }
    b->sum[b->at[i]] -= b->amount[i];
    b->sum[0] += (int64_t)cost;
    b->at[i] = 0;
}

static void
reserve_both(struct money *m, struct model *b, uint64_t i, int64_t amount)
{
    const int64_t sum = b->sum[0] + b->sum[1] + b->sum[2];

    if (b->at[i]) return;
    if (money_reserve(m, i % 2, i, amount) != CO_OK) {
        assert_true(sum + amount > 2000);
        return;
    }
    b->at[i] = 2;
    b->amount[i] = amount;
    b->sum[2] += amount;
}

/* Lost (to 1) or released (to 0). */
static void
end_both(struct money *m, struct model *b, uint64_t i, uint8_t to)
{
    const bool done = to ? money_lost(m, i) : money_release(m, i);

    assert_int_equal(done, b->at[i] == 2 || (!to && b->at[i] == 1));
    if (!done) return;
    b->sum[b->at[i]] -= b->amount[i];
    b->at[i] = to;
    if (to) b->sum[1] += b->amount[i];
}

static void
step_both(struct money *m, struct model *b, uint64_t r)
{
    const uint64_t i = (r >> 8) % CALLS, below = (uint64_t)b->amount[i];

    switch (r % 8) {
    case 0:
    case 4:
        reserve_both(m, b, i, (int64_t)(r >> 40) % 100);
        break;
    case 1:
    case 5:
        settle_both(m, b, i, below ? (r >> 20) % below : 0);
        break;
    case 2:
    case 6:
        end_both(m, b, i, 1);
        break;
    default:
        end_both(m, b, i, 0);
        break;
    }
}

static void
any_order_of_events_keeps_the_sums_and_the_cap(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct money *m = ledger(2000);
        struct model b = {.sum = {0}};

        for (uint64_t step = 0; step < 400; step++) {
            step_both(m, &b, co_mix64(seed << 32 | step));
            assert_true(b.sum[0] + b.sum[1] + b.sum[2] <= 2000);
            if (step % 40 == 0) assert_sums(m, b.sum[0], b.sum[1], b.sum[2]);
        }
        assert_sums(m, b.sum[0], b.sum[1], b.sum[2]);
        money_free(m);
    }
}

static const struct shares shares = {
    .is_set = true, .reserve = 200, .share = {600, 1200}};

static void
a_phase_is_told_that_its_money_does_not_reach(void **state)
{
    struct money *m = ledger(2000);
    const int64_t both[MONEY_PHASES] = {700, 1200}, more[] = {701, 1200},
                  whole[] = {801, 1200};
    struct money_phase p;
    int64_t reserve;

    (void)state;
    money_phases(m, &shares);
    assert_true(money_fits_phases(m, both));
    assert_true(money_fits_phases(m, more)); /* 101 of the reserve */
    assert_false(money_fits_phases(m, whole));
    assert_int_equal(money_short_phase(m), MONEY_PHASES); /* it is the cap */
    assert_int_equal(money_reserve(m, 0, 1, 800), CO_OK);
    assert_int_equal(money_taken(m, &reserve), 200);
    assert_int_equal(reserve, 200);
    assert_int_equal(money_reserve(m, 0, 2, 1), CO_FULL);
    assert_int_equal(money_short_phase(m), 0);
    assert_int_equal(money_reserve(m, 1, 3, 1200), CO_OK);
    assert_sums(m, 0, 0, 2000);
    p = money_phase(m, 1);
    assert_int_equal(p.share, 1200);
    assert_int_equal(p.sums.reserved, 1200);
    money_free(m);
}

/* What people read of the phases adds up to what they read of the job. */
static void
a_call_without_a_known_end_is_none_of_its_phases_calls(void **state)
{
    const struct money_call lost = {.outcome = ASK_UNKNOWN};
    const struct money_call answer = {
        .outcome = ASK_ANSWER, .has_usage = true, .has_cost = true, .cost = 3};
    struct money *m = ledger(2000);

    (void)state;
    assert_int_equal(money_reserve(m, 0, 1, 10), CO_OK);
    assert_int_equal(money_reserve(m, 0, 2, 10), CO_OK);
    assert_int_equal(money_settle(m, 1, &lost, NULL), CO_OK);
    assert_int_equal(money_settle(m, 2, &answer, NULL), CO_OK);
    assert_int_equal(money_phase(m, 0).calls, 1);
    assert_int_equal(money_phase(m, 0).sums.unknown, 10);
    assert_int_equal(money_counters(m)->calls, 2);
    money_free(m);
}

/* As above, and no phase has more than its share, what flowed, and the reserve.
 * A replay in the same order comes to the same, or is inherited. */
static void
any_order_of_events_keeps_the_shares_of_the_phases(void **state)
{
    uint64_t refused = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct money *m = ledger(2000), *again = ledger(2000);

        money_phases(m, &shares);
        money_phases(again, &shares);
        for (uint64_t step = 0; step < 400; step++) {
            const uint64_t r = co_mix64(seed << 32 | step), i = r / 256 % CALLS;
            const struct money_call call = call_of((int64_t)(r >> 20) % 20);
            const int64_t amount = 20 + (int64_t)(r >> 40) % 100;
            bool full;

            money_need(m, 0, (int64_t)(r >> 50) % 400);
            switch (r % 4) {
            case 0:
                (void)money_settle(m, i, &call, NULL);
                (void)money_settle(again, i, &call, NULL);
                break;
            case 1:
                (void)money_lost(m, i);
                (void)money_lost(again, i);
                break;
            default:
                full = money_reserve(m, i % 2, i, amount);
                refused += full && money_short_phase(m) < MONEY_PHASES;
                if (full) break;
                assert_int_equal(money_restore(again, i % 2, i, amount, 0),
                                 CO_OK);
            }
            if (money_check(m)) fail_msg("%s", money_check(m));
            if (money_check(again)) fail_msg("replay: %s", money_check(again));
        }
        assert_int_equal(money_sums(m).unknown, money_sums(again).unknown);
        money_free(m);
        money_free(again);
    }
    assert_true(refused > 1000);
}

static void
the_summary_has_exact_decimals_as_texts(void **state)
{
    struct money *m = ledger(2500000000000);
    struct money_call call = call_of(1230000);
    struct co_buf out;

    (void)state;
    assert_int_equal(money_reserve(m, 0, 1, 2000000), CO_OK);
    assert_int_equal(money_settle(m, 1, &call, NULL), CO_OK);
    co_buf_init(&out, 4096);
    money_json(m, &out);
    assert_non_null(
        strstr(co_buf_text(&out),
               "\"cap_usd\":\"2.5\",\"settled_usd\":\"0.00000123\""));
    assert_non_null(strstr(co_buf_text(&out), "\"stages\":{\"background\":{"));
    co_buf_fini(&out);
    money_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_reservation_that_does_not_fit_under_the_cap_is_refused),
        cmocka_unit_test(settling_charges_the_true_cost_and_frees_the_rest),
        cmocka_unit_test(
            a_call_that_was_never_made_is_free_even_if_it_was_taken_for_lost),
        cmocka_unit_test(
            a_lost_call_stays_charged_until_its_late_answer_settles_it),
        cmocka_unit_test(
            what_an_outcome_costs_is_known_bounded_nothing_or_unknown),
        cmocka_unit_test(
            a_call_above_its_worst_case_is_charged_in_full_and_counted),
        cmocka_unit_test(no_sum_is_beyond_what_an_int64_holds),
        cmocka_unit_test(the_worst_case_takes_every_token_at_its_dearest),
        cmocka_unit_test(lost_calls_that_fill_the_table_make_room_for_new_ones),
        cmocka_unit_test(
            a_replay_ends_with_no_more_ids_than_the_life_before_it),
        cmocka_unit_test(calls_that_are_out_are_never_forgotten),
        cmocka_unit_test(
            a_journal_written_under_a_higher_cap_is_counted_all_the_same),
        cmocka_unit_test(any_order_of_events_keeps_the_sums_and_the_cap),
        cmocka_unit_test(a_phase_is_told_that_its_money_does_not_reach),
        cmocka_unit_test(
            a_call_without_a_known_end_is_none_of_its_phases_calls),
        cmocka_unit_test(any_order_of_events_keeps_the_shares_of_the_phases),
        cmocka_unit_test(the_summary_has_exact_decimals_as_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
