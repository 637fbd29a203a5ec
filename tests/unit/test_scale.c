/* test_scale.c - the scaler's rounds, against a real redis-server. */
#include "common/clock.h"
#include "coordinator/scale.h"
#include "tests/co_test.h"
#include "tests/unit/redis_fixture.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define KEY "cohort:{t}:"

enum { PATIENCE_MS = 20000, LOOK_MS = 10 };

struct fixture {
    struct redis_fixture redis;
    struct scale *scale;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct scale_options options = {.name_space = "t", .quiet_ms = 60000};

    assert_non_null(f);
    *state = f;
    redis_fixture_open(&f->redis);
    options.redis_url = f->redis.url;
    return (int)scale_new(&options, &f->scale, NULL);
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    scale_free(f->scale);
    redis_fixture_close(&f->redis);
    free(f);
    return 0;
}

static const char *
said(struct fixture *f, const char *field)
{
    const struct co_redis_reply *r =
        redis_fixture_call(&f->redis, "HGET", KEY "scale:slow", field, NULL);

    return r->type == CO_REDIS_TEXT ? r->text : "";
}

/* Lets the scaler work until field of scale:slow says value. */
static void
tick_until(struct fixture *f, const char *field, const char *value)
{
    int64_t until = co_clock_ms() + PATIENCE_MS;

    while (strcmp(said(f, field), value) != 0) {
        struct pollfd fd = {scale_fd(f->scale), POLLIN, 0};

        if (co_clock_ms() >= until) fail_msg("%s is never %s", field, value);
        (void)poll(&fd, 1, LOOK_MS);
        scale_tick(f->scale, co_clock_ms());
    }
}

static void
given_service(struct fixture *f)
{
    (void)redis_fixture_call(&f->redis, "ZADD", KEY "services",
                             "99999999999999", "slow", NULL);
}

static void
a_takeover_goes_on_with_the_tasks_in_flight_of_the_one_before(void **state)
{
    struct fixture *f = *state;

    given_service(f);
    (void)redis_fixture_call(&f->redis, "HSET", KEY "pin:slow", "mode",
                             "vertical", NULL);
    (void)redis_fixture_call(&f->redis, "SET", KEY "scaler:number", "7", NULL);
    (void)redis_fixture_call(&f->redis, "HSET", KEY "scale:slow", "number", "7",
                             "in_flight_max", "12", NULL);
    tick_until(f, "number", "8");
    assert_string_equal(said(f, "in_flight_max"), "12");
}

/* EVAL is answered by an error: a command in it is refused. */
static void
an_event_that_redis_did_not_take_is_told_again(void **state)
{
    struct fixture *f = *state;
    const struct co_redis_reply *events;
    int64_t until = co_clock_ms() + PATIENCE_MS;

    given_service(f);
    (void)redis_fixture_call(&f->redis, "HSET", KEY "pin:slow", "size", "3",
                             NULL);
    (void)redis_fixture_call(&f->redis, "SET", KEY "events", "no stream", NULL);
    tick_until(f, "desired", "3"); /* so far the script came */
    (void)redis_fixture_call(&f->redis, "DEL", KEY "events", NULL);
    while (
        redis_fixture_call(&f->redis, "EXISTS", KEY "events", NULL)->integer ==
        0) {
        struct pollfd fd = {scale_fd(f->scale), POLLIN, 0};

        if (co_clock_ms() >= until) fail_msg("no event");
        (void)poll(&fd, 1, LOOK_MS);
        scale_tick(f->scale, co_clock_ms());
    }
    events =
        redis_fixture_call(&f->redis, "XRANGE", KEY "events", "-", "+", NULL);
    assert_int_equal(events->count, 1);
    assert_string_equal(
        co_redis_field(&events->elements[0].elements[1], "from"), "0");
    assert_string_equal(co_redis_field(&events->elements[0].elements[1], "to"),
                        "3");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_takeover_goes_on_with_the_tasks_in_flight_of_the_one_before),
        T(an_event_that_redis_did_not_take_is_told_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
