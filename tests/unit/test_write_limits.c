/* test_write_limits.c - the service persona.write when a call is not sent, or
 * not waited for: limits, places, stops, and providers that cannot be asked. */
#include "tests/unit/write_fixture.h"

/* A slot is held at most so long by a call that must not start. */
static const int64_t hold_us = 1000000;

static void
nothing_beyond_the_allowance_is_sent(void **state)
{
    struct ask_task task = an_ask();
    struct served v;

    task.input_max = 10;
    begin(*state, &v, &task);
    assert_int_equal(result_of(&v).outcome, ASK_REFUSED);
    assert_true(says(result_of(&v).error, "allowance"));
    end(&v);
    task = an_ask();
    task.output_max = OUTPUT_MAX - 1;
    begin(*state, &v, &task);
    assert_int_equal(result_of(&v).outcome, ASK_REFUSED);
    end(&v);
    endpoint_turn(&endpoint);
    assert_int_equal(endpoint.n, 0);
}

static void
a_sent_call_that_is_stopped_is_perhaps_paid_and_goes_on(void **state)
{
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    struct served v;

    endpoint.manner = HANGS;
    begin(f, &v, &task);
    run_until_asked(&v, 1);
    v.step = v.run.service->stop(&v.run, now(&v));
    assert_int_equal(result_of(&v).outcome, ASK_UNKNOWN);
    end(&v);
    assert_int_equal(lanes_in_flight(f->lanes), 1);
    endpoint.manner = RESETS;
    (void)shutdown(endpoint.conns[0].fd, SHUT_RDWR);
    while (lanes_in_flight(f->lanes) > 0) {
        lanes_readable(f->lanes, 0);
        lanes_turn(f->lanes, co_clock_us());
    }
}

/* The endpoint takes one call, and does not answer it. */
static void
one_waits_for_another(struct fixture *f, const struct ask_task *task,
                      struct served *first, struct served *second)
{
    given_provider(f)->limits.in_flight = 1;
    open_lanes(f);
    endpoint.manner = HANGS;
    begin(f, first, task);
    begin(f, second, task);
}

static void
one_that_was_not_sent_is_given_back_when_stopped(void **state)
{
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    struct served first, second;

    one_waits_for_another(f, &task, &first, &second);
    assert_int_equal(second.step, SERVICE_WAIT);
    assert_int_equal(lanes_in_flight(f->lanes), 1);
    assert_int_equal(second.run.service->stop(&second.run, now(&second)),
                     SERVICE_RETURN);
    end(&second);
    end(&first);
}

static void
no_slot_is_held_for_long_while_limits_hold_a_call_back(void **state)
{
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    struct served first, second;

    one_waits_for_another(f, &task, &first, &second);
    assert_true(second.run.wait_until_us <= now(&second) + hold_us);
    assert_int_equal(lanes_room(lanes_at(f->lanes, 0), now(&second)), 0);
    second.late_us = hold_us + 1;
    second.step = second.run.service->step(&second.run, now(&second));
    assert_int_equal(second.step, SERVICE_RETURN);
    assert_int_equal(second.run.reason, RETURN_LIMIT);
    end(&second);
    end(&first);
}

/* How long an ask that is held back stays away, looked at so much later. */
static uint32_t
away_ms(struct served *v, uint32_t attempt, int64_t late_us)
{
    assert_int_equal(v->step, SERVICE_WAIT);
    v->run.task.attempt = attempt;
    v->late_us = late_us;
    v->step = v->run.service->step(&v->run, now(v));
    assert_int_equal(v->step, SERVICE_RETURN);
    assert_int_equal(v->run.reason, RETURN_LIMIT);
    end(v);
    return v->run.not_before_ms;
}

/* Redis told a worker of its places, and nothing more after that. */
static void
redis_tells_once(struct fixture *f)
{
    const struct limiter_told told = {
        .now_us = 1, .epoch = 1, .again_ms = 100, .allow = 8, .workers = 1};
    struct limiter *limiter = lanes_at(f->lanes, 0)->limiter;
    struct limiter_ask ask;

    assert_true(limiter_want(limiter, 0, co_clock_us(), &ask));
    limiter_granted(limiter, 0, &told, co_clock_us());
}

/* Nobody can say when there is a Redis again, so it is looked for soon. */
static void
without_redis_an_ask_is_tried_again_within_seconds(void **state)
{
    static const struct worker_limits_self nowhere = {
        .url = "unix:///nonexistent/redis.sock",
        .ns = "test",
        .name = "test",
        .id = 1,
    };
    static const int64_t gone_us = 70000000;
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    struct served v;

    given_provider(f)->limits.rpm = 60;
    open_shared_lanes(f, &nowhere);
    begin(f, &v, &task);
    redis_tells_once(f);
    assert_in_range(away_ms(&v, 1, gone_us), 500, 1000);
    endpoint_turn(&endpoint);
    assert_int_equal(endpoint.n, 0);
}

/* The worker's own file may allow less than the job's. */
static void
what_fits_in_no_minute_is_refused_with_the_limit(void **state)
{
    struct fixture *f = *state;
    struct served v;
    struct ask_result r;

    given_provider(f)->limits.tpm = 1000;
    open_lanes(f);
    r = ask(f, &v);
    assert_int_equal(r.outcome, ASK_REFUSED);
    assert_true(says(r.error, "limits.tpm (1000) of provider main"));
    end(&v);
    endpoint_turn(&endpoint);
    assert_int_equal(endpoint.n, 0);
    assert_int_equal(lanes_at(f->lanes, 0)->waiting, 0);
}

/* All calls that may be in flight are, and nobody waits for theirs. */
static void
a_place_that_an_abandoned_call_has_is_waited_for_in_seconds(void **state)
{
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    static const struct {
        uint32_t attempt, least, most;
    } known[] = {{1, 500, 1000}, {3, 2000, 4000}, {1000, 5000, 10000}};
    struct served v;

    open_lanes(f);
    endpoint.manner = HANGS;
    for (size_t i = 0; i < 8; i++) {
        begin(f, &v, &task);
        end(&v);
    }
    assert_int_equal(lanes_in_flight(f->lanes), 8);
    for (size_t i = 0; i < co_countof(known); i++) {
        begin(f, &v, &task);
        assert_in_range(away_ms(&v, known[i].attempt, 2 * hold_us),
                        known[i].least, known[i].most);
    }
}

static void
the_next_one_is_sent_when_a_place_is_free(void **state)
{
    const struct ask_task task = an_ask();
    struct fixture *f = *state;
    struct served first, second;

    given_provider(f)->limits.in_flight = 1;
    open_lanes(f);
    given_good_answer();
    begin(f, &first, &task);
    begin(f, &second, &task);
    run_through(&first);
    second.step = second.run.service->step(&second.run, now(&second));
    run_through(&second);
    assert_int_equal(result_of(&second).outcome, ASK_ANSWER);
    assert_int_equal(endpoint.requests, 2);
    end(&first);
    end(&second);
}

static void
a_provider_of_another_kind_is_not_asked(void **state)
{
    struct fixture *f = *state;
    struct served v;
    struct ask_result r;

    given_provider(f)->kind = &provider_anthropic;
    open_lanes(f);
    r = ask(f, &v);
    assert_int_equal(r.outcome, ASK_REFUSED);
    assert_true(says(r.error, "openai"));
    end(&v);
}

static void
a_provider_without_its_key_is_left_out(void **state)
{
    struct fixture *f = *state;

    (void)strcpy(given_provider(f)->endpoints[0].key_env, "TEST_NO_SUCH_KEY");
    open_lanes(f);
    assert_int_equal(lanes_count(f->lanes), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define OWN(name)                                                              \
    cmocka_unit_test_setup_teardown(name, setup_without_lanes, teardown)
    const struct CMUnitTest tests[] = {
        T(nothing_beyond_the_allowance_is_sent),
        T(a_sent_call_that_is_stopped_is_perhaps_paid_and_goes_on),
        OWN(one_that_was_not_sent_is_given_back_when_stopped),
        OWN(no_slot_is_held_for_long_while_limits_hold_a_call_back),
        OWN(what_fits_in_no_minute_is_refused_with_the_limit),
        OWN(without_redis_an_ask_is_tried_again_within_seconds),
        OWN(a_place_that_an_abandoned_call_has_is_waited_for_in_seconds),
        OWN(the_next_one_is_sent_when_a_place_is_free),
        OWN(a_provider_of_another_kind_is_not_asked),
        OWN(a_provider_without_its_key_is_left_out),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
