/* What the scaler may do in Redis, and that who lost the lease may do nothing:
 * the scripts against a real redis-server. */
#include "coordinator/scale_script.h"
#include "tests/co_test.h"
#include "tests/unit/redis_fixture.h"

#include <stdlib.h>
#include <string.h>

static int
setup(void **state)
{
    struct redis_fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    *state = f;
    redis_fixture_open(f);
    return 0;
}

static int
teardown(void **state)
{
    redis_fixture_close(*state);
    free(*state);
    return 0;
}

static int64_t
claim(struct redis_fixture *f, const char *id, const char *seen)
{
    return redis_fixture_call(f, "EVAL", scale_script_claim, "2", "scaler",
                              "scaler:number", seen, id, "60000", NULL)
        ->integer;
}

/* Writes one field, and an event. */
static int64_t
write_wish(struct redis_fixture *f, const char *holder, const char *wish)
{
    return redis_fixture_call(f, "EVAL", scale_script_write, "4", "scaler",
                              "scale:x", "demand:x", "events", holder, wish,
                              "2", "desired", wish, "100", "kind", "scale",
                              NULL)
        ->integer;
}

static const char *
text(struct redis_fixture *f, const char *command, const char *key)
{
    const struct co_redis_reply *r = redis_fixture_call(f, command, key, NULL);

    return r->type == CO_REDIS_TEXT ? r->text : "";
}

static void
who_claims_first_has_it_and_the_other_draws_no_number(void **state)
{
    struct redis_fixture *f = *state;

    assert_int_equal(claim(f, "a", "0"), 1);
    assert_int_equal(claim(f, "b", "0"), 0);
    assert_string_equal(text(f, "GET", "scaler"), "1 a");
    assert_string_equal(text(f, "GET", "scaler:number"), "1");
    assert_in_range(redis_fixture_call(f, "PTTL", "scaler", NULL)->integer, 1,
                    60000);
}

static void
the_number_is_above_all_seen_and_never_goes_back(void **state)
{
    struct redis_fixture *f = *state;

    /* Redis was emptied: it would count from 1 again. */
    assert_int_equal(claim(f, "a", "41"), 42);
    assert_string_equal(text(f, "GET", "scaler:number"), "42");
    (void)redis_fixture_call(f, "DEL", "scaler", NULL);
    /* One that slept through all that, and saw less. */
    assert_int_equal(claim(f, "b", "7"), 43);
    assert_string_equal(text(f, "GET", "scaler"), "43 b");
    (void)redis_fixture_call(f, "DEL", "scaler", NULL);
    assert_int_equal(claim(f, "c", "123456789012345"), 123456789012346);
    assert_string_equal(text(f, "GET", "scaler"), "123456789012346 c");
}

static void
only_ones_own_lease_is_prolonged(void **state)
{
    struct redis_fixture *f = *state;
    const struct co_redis_reply *r;

    (void)claim(f, "a", "0");
    r = redis_fixture_call(f, "EVAL", scale_script_keep, "1", "scaler", "1 b",
                           "900000", NULL);
    assert_string_equal(r->text, "1 a");
    assert_in_range(redis_fixture_call(f, "PTTL", "scaler", NULL)->integer, 1,
                    60000);
    (void)redis_fixture_call(f, "EVAL", scale_script_keep, "1", "scaler", "1 a",
                             "900000", NULL);
    assert_in_range(redis_fixture_call(f, "PTTL", "scaler", NULL)->integer,
                    60001, 900000);
    (void)redis_fixture_call(f, "DEL", "scaler", NULL);
    r = redis_fixture_call(f, "EVAL", scale_script_keep, "1", "scaler", "1 a",
                           "9", NULL);
    assert_int_equal(r->type, CO_REDIS_NIL);
}

static void
a_wish_is_written_whole_with_as_many_members_as_workers(void **state)
{
    struct redis_fixture *f = *state;

    (void)claim(f, "a", "0");
    assert_int_equal(write_wish(f, "1 a", "10000"), 1);
    assert_int_equal(redis_fixture_call(f, "SCARD", "demand:x", NULL)->integer,
                     10000);
    (void)redis_fixture_call(f, "HSET", "scale:x", "old", "field", NULL);
    assert_int_equal(write_wish(f, "1 a", "3"), 1);
    assert_int_equal(redis_fixture_call(f, "SCARD", "demand:x", NULL)->integer,
                     3);
    assert_int_equal(redis_fixture_call(f, "HLEN", "scale:x", NULL)->integer,
                     1);
    assert_int_equal(redis_fixture_call(f, "XLEN", "events", NULL)->integer, 2);
    assert_int_equal(write_wish(f, "1 a", "0"), 1);
    assert_int_equal(redis_fixture_call(f, "EXISTS", "demand:x", NULL)->integer,
                     0);
}

static void
a_holder_that_was_replaced_changes_nothing(void **state)
{
    struct redis_fixture *f = *state;

    (void)claim(f, "a", "0");
    assert_int_equal(write_wish(f, "1 a", "3"), 1);
    (void)redis_fixture_call(f, "DEL", "scaler", NULL);
    assert_int_equal(write_wish(f, "1 a", "9"), 0); /* nobody's */
    assert_int_equal(claim(f, "b", "0"), 2);
    assert_int_equal(write_wish(f, "1 a", "9"), 0);
    assert_int_equal(redis_fixture_call(f, "SCARD", "demand:x", NULL)->integer,
                     3);
    assert_string_equal(
        redis_fixture_call(f, "HGET", "scale:x", "desired", NULL)->text, "3");
    assert_int_equal(redis_fixture_call(f, "XLEN", "events", NULL)->integer, 1);
}

static void
a_service_that_nobody_needs_goes_with_both_keys(void **state)
{
    struct redis_fixture *f = *state;

    (void)claim(f, "a", "0");
    (void)write_wish(f, "1 a", "3");
    (void)redis_fixture_call(f, "EVAL", scale_script_write, "4", "scaler",
                             "scale:x", "demand:x", "events", "1 a", "0", "0",
                             NULL);
    assert_int_equal(
        redis_fixture_call(f, "EXISTS", "scale:x", "demand:x", NULL)->integer,
        0);
}

static void
only_ones_own_lease_is_given_back(void **state)
{
    struct redis_fixture *f = *state;

    (void)claim(f, "a", "0");
    assert_int_equal(redis_fixture_call(f, "EVAL", scale_script_release, "1",
                                        "scaler", "1 b", NULL)
                         ->integer,
                     0);
    assert_string_equal(text(f, "GET", "scaler"), "1 a");
    assert_int_equal(redis_fixture_call(f, "EVAL", scale_script_release, "1",
                                        "scaler", "1 a", NULL)
                         ->integer,
                     1);
    assert_string_equal(text(f, "GET", "scaler"), "");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_claims_first_has_it_and_the_other_draws_no_number),
        TEST(the_number_is_above_all_seen_and_never_goes_back),
        TEST(only_ones_own_lease_is_prolonged),
        TEST(a_wish_is_written_whole_with_as_many_members_as_workers),
        TEST(a_holder_that_was_replaced_changes_nothing),
        TEST(a_service_that_nobody_needs_goes_with_both_keys),
        TEST(only_ones_own_lease_is_given_back),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
