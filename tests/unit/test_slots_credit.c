/* test_slots_credit.c - how much work a worker asks for, and of whom. */
#include "tests/unit/slots_fixture.h"

static void
the_first_grant_is_the_look_ahead(void **state)
{
    struct fixture *f = *state;

    slots_connect(f->s, 0, f->now, &f->out);
    flush(f);
    assert_int_equal(granted(f, 0, "noop"), 0); /* not before WELCOME */
    welcome_again(f, 0, 1);
    flush(f);
    assert_int_equal(granted(f, 0, "noop"), 1024); /* 100 ns a task */
    ignore_what_was_said(f);
    flush(f);
    assert_silent(f, 0, MSG_credit);
}

static void
a_service_has_credit_of_its_own_for_each_provider(void **state)
{
    struct fixture *f = *state;
    struct msg m[2];

    slots_connect(f->s, 0, f->now, &f->out);
    welcome_again(f, 0, 1);
    flush(f);
    (void)take(f, 0, MSG_credit); /* noop, range */
    assert_int_equal(take(f, 0, MSG_credit).credit.provider.len, 0);
    m[0] = take(f, 0, MSG_credit);
    assert_true(msg_str_is(m[0].credit.service, "ask"));
    assert_true(msg_str_is(m[0].credit.provider, "one"));
    m[1] = take(f, 0, MSG_credit);
    assert_true(msg_str_is(m[1].credit.service, "ask"));
    assert_true(msg_str_is(m[1].credit.provider, "two"));
    assert_int_equal(m[1].credit.granted, 1);
}

static void
a_task_is_taken_on_the_credit_of_its_provider(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0,
              (struct given){
                  .first = 1, .n = 2, .service = "ask", .provider = "two"});
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.tasks.n, 1);
    assert_int_equal(f->s->links[0].credit[ASK_TWO].received, 2);
    assert_int_equal(f->s->links[0].credit[ASK_ONE].received, 0);
    assert_int_equal(started(f).service, ASK_TWO);
}

static void
tasks_of_a_provider_that_is_not_here_are_given_back(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0,
              (struct given){
                  .first = 1, .n = 1, .service = "ask", .provider = "three"});
    say_tasks(f, 0, (struct given){.first = 2, .n = 1, .service = "ask"});
    say_tasks(f, 0,
              (struct given){
                  .first = 3, .n = 1, .service = "noop", .provider = "one"});
    flush(f);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_FULL);
    assert_int_equal(m.returned.tasks.n, 3);
    assert_int_equal(stats(f).counters.over_credit, 3);
    assert_nothing_to_run(f);
}

static void
grants_come_back_to_the_provider_they_were_for(void **state)
{
    struct fixture *f = *state;
    const struct msg answer = {.type = MSG_reclaimed,
                               .reclaimed = {.service = msg_text("ask"),
                                             .returned = 1,
                                             .provider = msg_text("two")}};

    given_link(f, 0);
    slots_drain(f->s, f->now, &f->out);
    flush(f);
    while (!msg_str_is(take(f, 0, MSG_reclaim).reclaim.provider, "two")) {
    }
    say(f, 0, &answer);
    assert_int_equal(f->s->links[0].credit[ASK_TWO].returned, 1);
    assert_int_equal(f->s->links[0].credit[ASK_ONE].returned, 0);
    assert_int_equal(stats(f).counters.bad, 0);
}

static void
ranges_get_three_ahead_however_long_they_take(void **state)
{
    struct fixture *f = *state;

    slots_connect(f->s, 0, f->now, &f->out);
    welcome_again(f, 0, 1);
    flush(f);
    assert_int_equal(granted(f, 0, "range"), 3);
}

static void
look_ahead_is_two_milliseconds_of_work(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 200; i++) {
        slots_measure(f->s, NOOP, 100ull * 1000);
    }
    assert_in_range(slots_look_ahead(f->s, NOOP), 19, 21);
    for (int i = 0; i < 200; i++) {
        slots_measure(f->s, NOOP, 5ull * 1000 * 1000);
    }
    assert_int_equal(slots_look_ahead(f->s, NOOP), 1);
    for (int i = 0; i < 300; i++) {
        slots_measure(f->s, NOOP, 0);
    }
    assert_int_equal(slots_look_ahead(f->s, NOOP), 1024);
}

static void
a_grant_is_renewed_when_an_eighth_was_worked_off(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 0, .n = 200});
    for (int i = 0; i < 100; i++) {
        finish(f, started(f), "x");
    }
    flush(f);
    assert_int_equal(granted(f, 0, "noop"), 0); /* 100 < 1024 / 8 */
    for (int i = 0; i < 28; i++) {
        finish(f, started(f), "x");
    }
    flush(f);
    assert_int_equal(granted(f, 0, "noop"), 1024 + 128);
}

static void
a_broker_that_is_nearly_out_of_credit_gets_every_bit(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 0, .n = 1024});
    finish(f, started(f), "x");
    flush(f);
    assert_int_equal(granted(f, 0, "noop"), 1024 + 1);
}

static void
tasks_beyond_the_grant_are_returned_full(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 5, .service = "range"});
    flush(f);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_FULL);
    assert_int_equal(m.returned.tasks.n, 2);
    assert_int_equal(m.returned.tasks.v[0], 4);
    assert_int_equal(stats(f).queued, 3);
    assert_int_equal(stats(f).counters.over_credit, 2);
}

static void
returned_tasks_free_their_credit(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 3, .service = "range"});
    say_cancel(f, 0, 1);
    flush(f);
    assert_int_equal(granted(f, 0, "range"), 4);
}

static void
grants_are_counted_anew_after_welcome(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2, .service = "range"});
    ignore_what_was_said(f);
    welcome_again(f, 0, 2);
    flush(f);
    /* Two are still here, so there is room for one. */
    assert_int_equal(granted(f, 0, "range"), 1);
}

static void
grants_are_asked_back_when_tasks_turn_out_slow(void **state)
{
    struct fixture *f = *state;
    const struct msg answer = {
        .type = MSG_reclaimed,
        .reclaimed = {.service = msg_text("noop"), .returned = 1000}};

    given_link(f, 0);
    for (int i = 0; i < 100; i++) {
        slots_measure(f->s, NOOP, 5ull * 1000 * 1000);
    }
    flush(f);
    assert_int_equal(take(f, 0, MSG_reclaim).reclaim.count, 1023);
    flush(f);
    assert_silent(f, 0, MSG_reclaim); /* one question at a time */
    say(f, 0, &answer);
    assert_int_equal(stats(f).credit, 24 + OTHERS);
}

static void
grants_given_back_stay_given_back(void **state)
{
    struct fixture *f = *state;
    const struct msg answer = {
        .type = MSG_reclaimed,
        .reclaimed = {.service = msg_text("noop"), .returned = 1000}};

    given_link(f, 0);
    say(f, 0, &answer);
    for (int i = 0; i < 300; i++) {
        slots_measure(f->s, NOOP, 0);
    }
    flush(f); /* quick again: 1,024 more than what was given back */
    assert_int_equal(granted(f, 0, "noop"), 1000 + 1024);
}

static void
a_reclaimed_that_claims_too_much_is_ignored(void **state)
{
    struct fixture *f = *state;
    const struct msg answer = {
        .type = MSG_reclaimed,
        .reclaimed = {.service = msg_text("range"), .returned = 4}};

    given_link(f, 0);
    say(f, 0, &answer);
    assert_int_equal(stats(f).counters.bad, 1);
    assert_int_equal(stats(f).credit, 1024 + OTHERS);
}

static void
two_brokers_share_the_look_ahead(void **state)
{
    struct fixture *f = *state;

    slots_connect(f->s, 0, f->now, &f->out);
    slots_connect(f->s, 1, f->now, &f->out);
    welcome_again(f, 0, 1);
    welcome_again(f, 1, 2);
    flush(f);
    assert_int_equal(granted(f, 0, "noop"), 512);
    assert_int_equal(granted(f, 1, "noop"), 512);
}

static void
credit_moves_to_the_broker_that_has_work(void **state)
{
    struct fixture *f = *state;

    slots_connect(f->s, 0, f->now, &f->out);
    slots_connect(f->s, 1, f->now, &f->out);
    welcome_again(f, 0, 1);
    welcome_again(f, 1, 2);
    flush(f);
    ignore_what_was_said(f);
    say_tasks(f, 0, (struct given){.first = 0, .n = 1});
    flush(f);
    assert_int_equal(granted(f, 0, "noop"), 1024 - 64);
}

int
main(void)
{
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(the_first_grant_is_the_look_ahead),
        T(a_service_has_credit_of_its_own_for_each_provider),
        T(a_task_is_taken_on_the_credit_of_its_provider),
        T(tasks_of_a_provider_that_is_not_here_are_given_back),
        T(grants_come_back_to_the_provider_they_were_for),
        T(ranges_get_three_ahead_however_long_they_take),
        T(look_ahead_is_two_milliseconds_of_work),
        T(a_grant_is_renewed_when_an_eighth_was_worked_off),
        T(a_broker_that_is_nearly_out_of_credit_gets_every_bit),
        T(tasks_beyond_the_grant_are_returned_full),
        T(returned_tasks_free_their_credit),
        T(grants_are_counted_anew_after_welcome),
        T(grants_are_asked_back_when_tasks_turn_out_slow),
        T(grants_given_back_stay_given_back),
        T(a_reclaimed_that_claims_too_much_is_ignored),
        T(two_brokers_share_the_look_ahead),
        T(credit_moves_to_the_broker_that_has_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
