/* test_limiter.c - a limiter alone: when a call may start, what a refusal
 * means, how endpoints share the calls. Fleets of limiters: test_limiter_*.c.
 */
#include "tests/unit/limiter_world.h"

static struct limiter *
alone(const struct providers_entry *entry)
{
    struct limiter *l;

    assert_int_equal(limiter_new(entry, false, &l), CO_OK);
    return l;
}

static void
end_call(struct limiter *l, uint32_t endpoint, enum fault fault,
         int64_t retry_after_ms, int64_t now_us)
{
    struct hints hints;

    hints_init(&hints);
    hints.retry_after_ms = retry_after_ms;
    limiter_end(l, endpoint, 1, 1, fault, &hints, 0, now_us);
}

static void
without_limits_calls_start_at_once(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1};
    struct limiter *l = alone(&entry);
    int64_t now = 77, until;
    uint32_t e;

    (void)state;
    assert_true(limiter_room(l, now) > 0);
    for (int i = 0; i < LIMITER_PLACES; i++) {
        assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until),
                         LIMITER_WHY_GO);
    }
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_FULL);
    limiter_free(l);
}

static void
a_refusal_cuts_places_once_a_burst(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1, .limits.in_flight = 100};
    struct limiter *l = alone(&entry);
    int64_t now = 1000, until;
    uint32_t e, n = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until),
                         LIMITER_WHY_GO);
    }
    now += WORLD_SECOND;
    for (int i = 0; i < 100; i++) {
        limiter_end(l, 0, 1, 1, FAULT_RATE_LIMITED, NULL, WORLD_SECOND, now);
    }
    now += WORLD_SECOND;
    while (limiter_begin(l, 0, 1, now, &e, &until) == LIMITER_WHY_GO) {
        n++;
    }
    assert_int_equal(n, 75);
    limiter_free(l);
}

static void
retry_after_is_obeyed_and_says_when(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1};
    struct limiter *l = alone(&entry);
    int64_t now = 1000, until = 0;
    uint32_t e;

    (void)state;
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_GO);
    end_call(l, e, FAULT_RATE_LIMITED, 7000, now);
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until),
                     LIMITER_WHY_RETRY_AFTER);
    assert_in_range(until - now, 7 * WORLD_SECOND, 9 * WORLD_SECOND);
    assert_int_equal(limiter_room(l, now), 0);
    assert_int_equal(limiter_due_us(l, now), until);
    assert_int_equal(limiter_begin(l, 0, 1, until, &e, &until), LIMITER_WHY_GO);
    limiter_free(l);
}

static void
a_call_beyond_the_limit_of_a_minute_never_starts(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1, .limits.tpm = 1000};
    struct limiter *l = alone(&entry);
    int64_t until;
    uint32_t e;

    (void)state;
    assert_int_equal(limiter_begin(l, 0, 1001, 5, &e, &until),
                     LIMITER_WHY_TOO_BIG);
    assert_int_equal(until, INT64_MAX);
    assert_int_equal(limiter_begin(l, 0, 10, 5, &e, &until), LIMITER_WHY_RATE);
    limiter_free(l);
}

static void
a_success_between_failures_keeps_the_breaker_closed(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1};
    struct limiter *l = alone(&entry);
    int64_t now = 1000, until;
    uint32_t e;

    (void)state;
    for (int i = 0; i < 40; i++) {
        now += WORLD_SECOND;
        assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until),
                         LIMITER_WHY_GO);
        end_call(l, e, i % 5 == 4 ? FAULT_NONE : FAULT_RESET, -1, now);
    }
    for (int i = 0; i < 5; i++) {
        now += WORLD_SECOND;
        assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until),
                         LIMITER_WHY_GO);
        end_call(l, e, FAULT_RESET, -1, now);
    }
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_OPEN);
    assert_in_range(until - now, 59 * WORLD_SECOND, 60 * WORLD_SECOND);
    limiter_free(l);
}

/* What is short is waited for; so is one endpoint while another can be called.
 */
static void
a_provider_is_away_when_all_its_endpoints_are_for_long(void **state)
{
    struct providers_entry entry = {.n_endpoints = 2};
    struct limiter *l = alone(&entry);
    int64_t now = 1000, until;
    uint32_t e, other;

    (void)state;
    assert_int_equal(limiter_away_us(l, now), 0);
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_GO);
    end_call(l, e, FAULT_RATE_LIMITED, 61000, now);
    assert_int_equal(limiter_away_us(l, now), 0);
    assert_int_equal(limiter_begin(l, 0, 1, now, &other, &until),
                     LIMITER_WHY_GO);
    assert_int_not_equal(other, e);
    end_call(l, other, FAULT_RATE_LIMITED, 59000, now);
    assert_int_equal(limiter_away_us(l, now), 0);
    assert_int_equal(
        limiter_begin(l, 0, 1, now + (int64_t)70 * WORLD_SECOND, &e, &until),
        LIMITER_WHY_GO);
    now += (int64_t)70 * WORLD_SECOND;
    end_call(l, e, FAULT_RATE_LIMITED, 120000, now);
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_GO);
    end_call(l, e, FAULT_RATE_LIMITED, 90000, now);
    assert_in_range(limiter_away_us(l, now), now + (int64_t)89 * WORLD_SECOND,
                    now + (int64_t)93 * WORLD_SECOND);
    limiter_free(l);
}

static void
who_fails_by_itself_stops_until_the_fleet_has_heard(void **state)
{
    struct providers_entry entry = {.n_endpoints = 1};
    const struct limiter_told closed = {.allow = 20};
    struct limiter_ask ask;
    struct limiter *l;
    int64_t now = 1000, until;
    uint32_t e;

    (void)state;
    assert_int_equal(limiter_new(&entry, true, &l), CO_OK);
    assert_true(limiter_want(l, 0, now, &ask));
    limiter_granted(l, 0, &closed, now);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until),
                         LIMITER_WHY_GO);
        end_call(l, e, FAULT_RESET, -1, now);
    }
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_OPEN);
    assert_int_equal(until, now + (int64_t)60 * WORLD_SECOND);
    now = until; /* Redis was away: one more, which fails */
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_GO);
    end_call(l, e, FAULT_RESET, -1, now);
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_OPEN);
    assert_true(limiter_want(l, 0, now, &ask));
    assert_int_equal(ask.failures, 6);
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_OPEN);
    limiter_granted(l, 0, &closed, now);
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_GO);
    limiter_free(l);
}

static void
lighter_endpoints_have_their_part_of_the_places(void **state)
{
    struct providers_entry entry = {
        .n_endpoints = 3,
        .endpoints = {{.weight = 3}, {.weight = 1}, {.weight = 2}},
        .limits.in_flight = 10};
    static const int64_t places[] = {10, 4, 7};
    struct limiter_ask ask;
    struct limiter *l;

    (void)state;
    assert_int_equal(limiter_new(&entry, true, &l), CO_OK);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(limiter_want(l, i, 1000, &ask));
        assert_int_equal(ask.places, places[i]);
    }
    limiter_free(l);
}

static void
calls_go_by_weight_and_then_to_the_faster_endpoint(void **state)
{
    struct providers_entry entry = {
        .n_endpoints = 2, .endpoints = {{.weight = 3}, {.weight = 1}}};
    struct limiter *l = alone(&entry);
    uint32_t e, n[2] = {0};
    int64_t now = 1000, until;

    (void)state;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until),
                         LIMITER_WHY_GO);
        n[e]++;
    }
    assert_int_equal(n[0], 30);
    assert_int_equal(n[1], 10);
    limiter_free(l);

    entry.endpoints[0].weight = 1;
    l = alone(&entry);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until),
                         LIMITER_WHY_GO);
    }
    limiter_end(l, 0, 1, 1, FAULT_NONE, NULL, 9000, now + 9000);
    limiter_end(l, 1, 1, 1, FAULT_NONE, NULL, 4000, now + 9000);
    assert_int_equal(limiter_begin(l, 0, 1, now + 9000, &e, &until),
                     LIMITER_WHY_GO);
    assert_int_equal(e, 1);
    limiter_free(l);
}

static void
an_endpoint_that_waits_leaves_the_calls_to_the_others(void **state)
{
    struct providers_entry entry = {
        .n_endpoints = 2, .endpoints = {{.weight = 9}, {.weight = 1}}};
    struct limiter *l = alone(&entry);
    int64_t now = 1000, until;
    uint32_t e;

    (void)state;
    assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until), LIMITER_WHY_GO);
    assert_int_equal(e, 0);
    end_call(l, 0, FAULT_RATE_LIMITED, 60000, now);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(limiter_begin(l, 0, 1, now, &e, &until),
                         LIMITER_WHY_GO);
        assert_int_equal(e, 1);
    }
    limiter_free(l);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_calls_start_at_once),
        cmocka_unit_test(a_refusal_cuts_places_once_a_burst),
        cmocka_unit_test(retry_after_is_obeyed_and_says_when),
        cmocka_unit_test(a_call_beyond_the_limit_of_a_minute_never_starts),
        cmocka_unit_test(a_success_between_failures_keeps_the_breaker_closed),
        cmocka_unit_test(
            a_provider_is_away_when_all_its_endpoints_are_for_long),
        cmocka_unit_test(who_fails_by_itself_stops_until_the_fleet_has_heard),
        cmocka_unit_test(lighter_endpoints_have_their_part_of_the_places),
        cmocka_unit_test(calls_go_by_weight_and_then_to_the_faster_endpoint),
        cmocka_unit_test(an_endpoint_that_waits_leaves_the_calls_to_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
