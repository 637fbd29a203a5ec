/* What stands in Redis about an endpoint of a model, and what it says to a
 * person. */
#include "llm/endpoint_state.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <string.h>

enum { SECOND_US = 1000000 };

static const uint64_t now_us = (uint64_t)100 * SECOND_US;

static struct endpoint_state
endpoint(const char *host)
{
    struct endpoint_state e = {.provider = "main", .ceiling = 8};

    (void)snprintf(e.url, sizeof e.url, "http://%s/v1", host);
    return e;
}

static void
fields_are_taken_by_their_names_and_others_passed_over(void **state)
{
    struct endpoint_state e = {.rpm = 0};

    (void)state;
    endpoint_state_set(&e, "provider", "main");
    endpoint_state_set(&e, "rpm", "600");
    endpoint_state_set(&e, "w:17", "1 2 3 4");
    endpoint_state_set(&e, "latency_us", "1200.5");
    assert_string_equal(e.provider, "main");
    assert_int_equal(e.rpm, 600);
    assert_int_equal(e.latency_us, 1200);
    assert_string_equal(endpoint_state_field(0), "provider");
    assert_string_equal(endpoint_state_field(ENDPOINT_STATE_FIELDS - 1),
                        "latency_us");
}

static void
what_holds_calls_back_is_the_hardest_of_it(void **state)
{
    struct endpoint_state e = endpoint("a:1");

    (void)state;
    assert_int_equal(endpoint_state_hold(&e, now_us), ENDPOINT_FREE);
    e.held = 8;
    assert_int_equal(endpoint_state_hold(&e, now_us), ENDPOINT_FULL);
    e.tpm = 1000;
    e.tokens_60s = 799;
    assert_int_equal(endpoint_state_hold(&e, now_us), ENDPOINT_FULL);
    e.tokens_60s = 800;
    assert_int_equal(endpoint_state_hold(&e, now_us), ENDPOINT_RATE);
    assert_false(endpoint_state_is_shut(&e, now_us));
    e.hold_until = now_us + 1;
    assert_int_equal(endpoint_state_hold(&e, now_us), ENDPOINT_WAITS);
    assert_true(endpoint_state_is_shut(&e, now_us));
    e.breaker = 2;
    assert_int_equal(endpoint_state_hold(&e, now_us), ENDPOINT_HALF);
    e.breaker = 1;
    assert_int_equal(endpoint_state_hold(&e, now_us), ENDPOINT_OPEN);
}

static void
a_limit_binds_from_four_fifths_on_however_large_it_is(void **state)
{
    (void)state;
    assert_false(endpoint_state_is_used_up(UINT64_MAX, 0));
    assert_true(endpoint_state_is_used_up(1, 1));
    assert_false(endpoint_state_is_used_up(0, 100));
    assert_false(endpoint_state_is_used_up(UINT64_MAX / 2, UINT64_MAX));
    assert_true(endpoint_state_is_used_up(UINT64_MAX - 1, UINT64_MAX));
}

static void
one_that_may_be_called_is_nothing_to_wait_for(void **state)
{
    struct endpoint_state v[2] = {endpoint("a:1"), endpoint("b:2")};
    char text[ENDPOINT_STATE_TEXT] = "as before";

    (void)state;
    v[0].breaker = 1;
    assert_false(endpoint_state_shut_text(v, 2, "main", now_us, text));
    assert_false(endpoint_state_shut_text(v, 1, "other", now_us, text));
    assert_false(endpoint_state_shut_text(v, 0, "main", now_us, text));
    assert_string_equal(text, "as before");
}

static void
of_those_that_are_shut_the_first_to_open_is_named(void **state)
{
    struct endpoint_state v[2] = {endpoint("a:1"), endpoint("b:2")};
    char text[ENDPOINT_STATE_TEXT];

    (void)state;
    v[0].breaker = 1;
    v[0].open_until = now_us + (uint64_t)20 * SECOND_US;
    assert_true(endpoint_state_shut_text(v, 1, "main", now_us, text));
    assert_string_equal(text, "main (a:1) is open-circuit, next probe in 20 s");
    v[1].hold_until = now_us + (uint64_t)5 * SECOND_US - 1;
    assert_true(endpoint_state_shut_text(v, 2, "main", now_us, text));
    assert_string_equal(
        text, "main (b:2) asked to wait, 5 s more; its 1 other later");
    v[0].breaker = 2;
    assert_true(endpoint_state_shut_text(v, 1, "main", now_us, text));
    assert_string_equal(text, "main (a:1) is open-circuit, one call tries it");
    /* An open one that asked to wait is tried after that. */
    v[0].breaker = 1;
    v[0].hold_until = now_us + (uint64_t)90 * SECOND_US;
    assert_true(endpoint_state_shut_text(v, 1, "main", now_us, text));
    assert_string_equal(text, "main (a:1) is open-circuit, next probe in 90 s");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            fields_are_taken_by_their_names_and_others_passed_over),
        cmocka_unit_test(what_holds_calls_back_is_the_hardest_of_it),
        cmocka_unit_test(a_limit_binds_from_four_fifths_on_however_large_it_is),
        cmocka_unit_test(one_that_may_be_called_is_nothing_to_wait_for),
        cmocka_unit_test(of_those_that_are_shut_the_first_to_open_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
