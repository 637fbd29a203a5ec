/* Services with slots of their own: what runs beside what, and for how much
 * they ask brokers while limits allow less. */
#include "tests/unit/slots_fixture.h"

enum { LIMIT_MS = 700 };

static const struct slots_service table[] = {
    {.name = "noop", .hint_ns = 100},
    {.name = "ask", .hint_ns = 1000000000, .provider = "one", .slots = 3},
    {.name = "ask", .hint_ns = 1000000000, .provider = "two", .slots = 2},
};
enum { ONE = 1, TWO = 2 };

static int
setup_links(void **state, uint32_t links)
{
    return fixture_setup_config(
        state, (struct slots_config){.services = table,
                                     .n_services = co_countof(table),
                                     .links = links,
                                     .slots = 1});
}

static int
setup(void **state)
{
    return setup_links(state, 1);
}

static int
setup_two_links(void **state)
{
    return setup_links(state, 2);
}

static void
say_asks(struct fixture *f, const char *provider, uint64_t first, uint32_t n)
{
    say_tasks(
        f, 0,
        (struct given){
            .first = first, .n = n, .service = "ask", .provider = provider});
}

/* The next grant to that provider; 0: none was sent. */
static uint64_t
grant_for(struct fixture *f, const char *provider)
{
    struct msg m;
    uint64_t granted = 0;

    while (took(f, 0, MSG_credit, &m, NULL)) {
        if (msg_str_is(m.credit.provider, provider)) granted = m.credit.granted;
    }
    return granted;
}

static void
own_slots_are_beside_those_of_the_others(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_asks(f, "one", 1, 3);
    say_asks(f, "two", 11, 2);
    say_tasks(f, 0, (struct given){.first = 21, .n = 2});
    for (int i = 0; i < 3 + 2 + 1; i++) {
        (void)started(f);
    }
    assert_nothing_to_run(f);
    assert_int_equal(stats(f).running, 6);
    assert_int_equal(stats(f).own_running, 5);
}

static void
who_waits_for_a_slot_holds_up_nobody_else(void **state)
{
    struct fixture *f = *state;
    struct slots_task first;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 3});
    say_asks(f, "one", 11, 1);
    first = started(f);
    assert_int_equal(first.task, 1);
    assert_int_equal(started(f).task, 11);
    assert_nothing_to_run(f);
    finish(f, first, "x");
    assert_int_equal(started(f).task, 2);
}

static void
the_oldest_of_those_that_can_start_goes_first(void **state)
{
    struct fixture *f = *state;
    const uint64_t order[] = {11, 1, 12, 13};

    given_link(f, 0);
    say_asks(f, "two", 11, 1);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    say_asks(f, "one", 12, 2);
    for (size_t i = 0; i < co_countof(order); i++) {
        assert_int_equal(started(f).task, order[i]);
    }
}

/* What no slot is free for would only wait here, and could run elsewhere. */
static void
credit_is_for_the_own_slots_and_no_more(void **state)
{
    struct fixture *f = *state;

    slots_connect(f->s, 0, f->now, &f->out);
    welcome_again(f, 0, 1);
    flush(f);
    assert_int_equal(grant_for(f, "one"), 3);
    say_asks(f, "one", 1, 3);
    (void)started(f);
    flush(f);
    assert_int_equal(grant_for(f, "one"), 0);
}

static void
credit_is_what_the_limits_allow(void **state)
{
    struct fixture *f = *state;

    slots_room(f->s, ONE, 1);
    slots_room(f->s, TWO, 0);
    slots_connect(f->s, 0, f->now, &f->out);
    welcome_again(f, 0, 1);
    flush(f);
    assert_int_equal(f->s->links[0].credit[ONE].granted, 1);
    assert_int_equal(f->s->links[0].credit[TWO].granted, 0);
    /* One that waits here uses the room up, one that runs does not. */
    say_asks(f, "one", 1, 1);
    flush(f);
    assert_int_equal(f->s->links[0].credit[ONE].granted, 1);
    (void)started(f);
    flush(f);
    assert_int_equal(f->s->links[0].credit[ONE].granted, 2);
}

static void
what_the_limits_allow_is_shared_by_the_brokers(void **state)
{
    struct fixture *f = *state;

    slots_room(f->s, ONE, 2);
    given_link(f, 0);
    given_link(f, 1);
    /* Asked back from the first, which was alone when it got both. */
    assert_int_equal(f->s->links[1].credit[ONE].granted, 1);
}

static void
grants_are_asked_back_when_the_limits_allow_nothing(void **state)
{
    struct fixture *f = *state;
    struct msg m;

    given_link(f, 0);
    slots_room(f->s, ONE, 0);
    flush(f);
    m = take(f, 0, MSG_reclaim);
    assert_true(msg_str_is(m.reclaim.provider, "one"));
    assert_int_equal(m.reclaim.count, 3);
    assert_silent(f, 0, MSG_reclaim);
}

static void
the_scalers_limit_is_for_the_shared_slots(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    slots_limit(f->s, 1, f->now);
    say_asks(f, "one", 1, 3);
    say_tasks(f, 0, (struct given){.first = 11, .n = 1});
    slots_limit(f->s, 1, f->now);
    for (int i = 0; i < 3 + 1; i++) {
        (void)started(f);
    }
    assert_int_equal(stats(f).slots, 1);
}

static void
what_is_given_back_says_until_when(void **state)
{
    struct fixture *f = *state;
    struct msg m;

    given_link(f, 0);
    say_asks(f, "one", 1, 1);
    slots_give_back(f->s, started(f).ref, RETURN_LIMIT, LIMIT_MS);
    flush(f);
    m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_LIMIT);
    assert_int_equal(m.returned.not_before_ms, LIMIT_MS);
}

static void
cancelled_and_forgotten_tasks_are_named_by_their_marks(void **state)
{
    struct fixture *f = *state;
    struct slots_task t[3];
    uint32_t mark;

    given_link(f, 0);
    say_asks(f, "one", 1, 3);
    for (uint32_t i = 0; i < 3; i++) {
        t[i] = started(f);
        slots_mark(f->s, t[i].ref, 70 + i);
    }
    assert_false(slots_next_stopped(f->s, &mark));
    say_cancel(f, 0, 2);
    assert_true(slots_next_stopped(f->s, &mark));
    assert_int_equal(mark, 71);
    slots_give_back(f->s, t[1].ref, RETURN_LIMIT, 0);
    assert_false(slots_next_stopped(f->s, &mark));
    say_job(f, 0, MSG_forget);
    assert_true(slots_next_stopped(f->s, &mark));
    slots_give_back(f->s, t[0].ref, RETURN_LIMIT, 0);
    slots_give_back(f->s, t[2].ref, RETURN_LIMIT, 0);
    assert_false(slots_next_stopped(f->s, &mark));
}

static void
a_drain_gives_back_what_waits_in_each_queue(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_asks(f, "one", 1, 3);
    say_asks(f, "two", 11, 2);
    say_tasks(f, 0, (struct given){.first = 21, .n = 4});
    (void)started(f);
    slots_drain(f->s, f->now, &f->out);
    slots_check(f->s);
    assert_int_equal(stats(f).queued, 0);
    assert_int_equal(stats(f).counters.returned, 3 + 2 + 4 - 1);
}

/* As FAILED it would pass for a call that may have been paid. */
static void
a_call_whose_total_time_is_over_goes_back_unmade(void **state)
{
    struct fixture *f = *state;
    struct msg m;

    given_link(f, 0);
    say_tasks(f, 0,
              (struct given){.first = 1,
                             .n = 1,
                             .total_ms = 50,
                             .service = "ask",
                             .provider = "one"});
    at(f, 50);
    assert_nothing_to_run(f);
    flush(f);
    assert_silent(f, 0, MSG_results);
    m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_LIMIT);
    assert_int_equal(stats(f).counters.expired, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(own_slots_are_beside_those_of_the_others),
        T(who_waits_for_a_slot_holds_up_nobody_else),
        T(the_oldest_of_those_that_can_start_goes_first),
        T(credit_is_for_the_own_slots_and_no_more),
        T(credit_is_what_the_limits_allow),
        cmocka_unit_test_setup_teardown(
            what_the_limits_allow_is_shared_by_the_brokers, setup_two_links,
            fixture_teardown),
        T(grants_are_asked_back_when_the_limits_allow_nothing),
        T(the_scalers_limit_is_for_the_shared_slots),
        T(what_is_given_back_says_until_when),
        T(cancelled_and_forgotten_tasks_are_named_by_their_marks),
        T(a_call_whose_total_time_is_over_goes_back_unmade),
        T(a_drain_gives_back_what_waits_in_each_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
