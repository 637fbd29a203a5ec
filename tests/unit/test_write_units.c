/* test_write_units.c - what persona.write counts where characters and seconds
 * have a price, and that no call takes longer than was set aside for it. */
#include "tests/unit/write_fixture.h"

#include "common/utf8.h"
#include "worker/services/write.h"

enum { LONG_MS = 60000 };

static int
open_priced(void **state)
{
    writer_price = (struct price){.character = 20000000, .millisecond = 1000};
    writer_call_ms = LONG_MS;
    return open_all(state);
}

static struct ask_task
timed_ask(uint64_t total_ms)
{
    struct ask_task task = an_ask();

    task.total_ms = total_ms;
    return task;
}

static struct ask_result
answer_to(struct fixture *f, struct served *v, const struct ask_task *task)
{
    begin(f, v, task);
    run_through(v);
    return result_of(v);
}

/* Of all that stands as "content" in the request that came. */
static uint64_t
characters_asked(void)
{
    const char *body = strstr(endpoint.request, "\r\n\r\n");
    json_t *root = body ? json_loads(body + 4, 0, NULL) : NULL;
    const json_t *message;
    uint64_t n = 0;
    size_t i;

    assert_non_null(root);
    json_array_foreach(json_object_get(root, "messages"), i, message)
    {
        const char *text =
            json_string_value(json_object_get(message, "content"));

        n += co_utf8_count((const uint8_t *)text, strlen(text));
    }
    json_decref(root);
    return n;
}

static void
characters_and_milliseconds_are_told_where_they_have_a_price(void **state)
{
    const struct ask_task task = timed_ask(LONG_MS);
    struct served v;
    struct ask_result r;

    given_good_answer();
    r = answer_to(*state, &v, &task);
    assert_int_equal(r.outcome, ASK_ANSWER);
    assert_true(r.has_characters && r.characters > 0);
    assert_int_equal(r.characters, characters_asked());
    assert_true(r.has_held_ms);
    assert_int_equal(r.held_ms, (r.total_us + 999) / 1000);
    end(&v);
}

/* Bytes bound tokens, and characters with them. */
static void
characters_are_fewer_than_what_is_set_aside_for_the_input(void **state)
{
    struct ask_task task = timed_ask(LONG_MS);
    struct served v;
    struct ask_result r;

    given_good_answer();
    r = answer_to(*state, &v, &task);
    task.input_max = r.characters;
    end(&v);
    r = answer_to(*state, &v, &task);
    assert_int_equal(r.outcome, ASK_REFUSED);
    assert_true(says(r.error, "beyond its allowance"));
    assert_false(r.has_characters);
    end(&v);
}

/* A call that nobody ends would cost more than its worst case. */
static void
a_call_ends_before_the_time_that_was_set_aside_for_it(void **state)
{
    const struct ask_task task = timed_ask(200);
    const int64_t begun = co_clock_us();
    struct served v;
    struct ask_result r;

    endpoint.manner = HANGS;
    r = answer_to(*state, &v, &task);
    assert_int_equal(r.outcome, ASK_UNKNOWN);
    assert_true(says(r.error, "not done after 150 ms"));
    /* its own time-outs are a minute */
    assert_true(co_clock_us() - begun < INT64_C(30000000));
    end(&v);
}

/* The worker was suspended with the answer at its door: an overrun, which stops
 * the job, would be its own. */
static void
an_answer_that_is_found_too_late_does_not_say_how_long_it_took(void **state)
{
    const struct ask_task task = timed_ask(LONG_MS);
    struct served v;
    struct write_ask *a;
    struct ask_result r;
    int64_t until;

    given_good_answer();
    begin(*state, &v, &task);
    a = v.run.state;
    a->task.total_ms = 1;
    for (until = co_clock_us() + 2000; co_clock_us() < until;) {
    }
    run_through(&v);
    r = result_of(&v);
    assert_int_equal(r.outcome, ASK_ANSWER);
    assert_true(r.total_us > 1000);
    assert_false(r.has_held_ms);
    end(&v);
}

static void
an_ask_without_a_limit_says_nothing_of_time(void **state)
{
    struct served v;
    struct ask_result r;

    given_good_answer();
    r = ask(*state, &v);
    assert_int_equal(r.outcome, ASK_ANSWER);
    assert_false(r.has_held_ms);
    end(&v);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(characters_and_milliseconds_are_told_where_they_have_a_price),
        TEST(characters_are_fewer_than_what_is_set_aside_for_the_input),
        TEST(a_call_ends_before_the_time_that_was_set_aside_for_it),
        TEST(an_answer_that_is_found_too_late_does_not_say_how_long_it_took),
        TEST(an_ask_without_a_limit_says_nothing_of_time),
    };

    return cmocka_run_group_tests(tests, open_priced, close_all);
}
