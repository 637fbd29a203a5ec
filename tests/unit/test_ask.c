/* What an owner asks and a worker answers arrives as it was said; what is no
 * such payload, or beyond a limit, is refused. */
#include "llm/ask.h"
#include "tests/co_test.h"

#include <string.h>

static struct co_buf buf;

static int
setup(void **state)
{
    (void)state;
    co_buf_init(&buf, 1 << 20);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    co_buf_fini(&buf);
    return 0;
}

static const char answer[] = "{\"persona\":\"Ann repairs clocks.\"}";

static struct ask_task
mending_task(void)
{
    return (struct ask_task){
        .row = UINT64_C(1) << 40,
        .ask = 7,
        .stage = ASK_PERSONAS,
        .input = (const uint8_t *)answer,
        .input_len = sizeof answer - 1,
        .wrong = (const uint8_t *)"{\"pers",
        .wrong_len = 6,
        .error = "cut off",
        .error_len = 7,
        .input_max = 4096,
        .output_max = 900,
        .writer = 3,
    };
}

static struct ask_result
full_result(void)
{
    return (struct ask_result){
        .row = 12,
        .ask = 1,
        .stage = ASK_PERSONAS,
        .outcome = ASK_ANSWER,
        .answer = (const uint8_t *)answer,
        .answer_len = sizeof answer - 1,
        .model = {"m-1", 3},
        .has_usage = true,
        .input = 800,
        .cached = 700,
        .output = 150,
        .endpoint = {"http://127.0.0.1:1", 18},
        .first_byte_us = 9000,
        .total_us = 12000,
        .time = 1796000000,
        .status = 200,
    };
}

static void
test_a_task_arrives_as_it_was_asked(void **state)
{
    const struct ask_task t = mending_task();
    struct ask_task got;

    (void)state;
    ask_put_task(&t, &buf);
    assert_int_equal(buf.err, CO_OK);
    assert_true(ask_is_task(buf.data, buf.len));
    assert_true(ask_get_task(buf.data, buf.len, &got));
    assert_int_equal(got.row, t.row);
    assert_int_equal(got.ask, 7);
    assert_int_equal(got.stage, ASK_PERSONAS);
    assert_int_equal(got.input_len, t.input_len);
    assert_memory_equal(got.input, answer, t.input_len);
    assert_memory_equal(got.wrong, "{\"pers", 6);
    assert_int_equal(got.error_len, 7);
    assert_memory_equal(got.error, "cut off", 7);
    assert_int_equal(got.input_max, 4096);
    assert_int_equal(got.output_max, 900);
    assert_int_equal(got.writer, 3);
}

static void
test_a_fresh_task_has_nothing_to_mend(void **state)
{
    const struct ask_task t = {.row = 3, .input_max = 1, .output_max = 2};
    struct ask_task got;

    (void)state;
    ask_put_task(&t, &buf);
    assert_true(ask_get_task(buf.data, buf.len, &got));
    assert_null(got.wrong);
    assert_null(got.input);
    assert_int_equal(got.ask, 0);
}

static void
test_a_range_is_no_ask(void **state)
{
    const uint8_t range[] = {0x82, 1, 0xcf, 0, 0, 0, 0, 0, 0, 0, 1, 2, 5};
    struct ask_task got;

    (void)state;
    assert_false(ask_is_task(range, sizeof range));
    assert_false(ask_get_task(range, sizeof range, &got));
}

static void
test_a_result_arrives_as_it_was_answered(void **state)
{
    const struct ask_result r = full_result();
    struct ask_result got;

    (void)state;
    ask_put_result(&r, &buf);
    assert_true(ask_get_result(buf.data, buf.len, &got));
    assert_int_equal(got.row, 12);
    assert_int_equal(got.outcome, ASK_ANSWER);
    assert_memory_equal(got.answer, answer, sizeof answer - 1);
    assert_memory_equal(got.model.text, "m-1", 3);
    assert_true(got.has_usage);
    assert_int_equal(got.input, 800);
    assert_int_equal(got.cached, 700);
    assert_int_equal(got.output, 150);
    assert_int_equal(got.endpoint.len, 18);
    assert_int_equal(got.first_byte_us, 9000);
    assert_int_equal(got.total_us, 12000);
    assert_int_equal(got.time, 1796000000);
    assert_int_equal(got.status, 200);
    assert_int_equal(got.error.len, 0);
}

static void
test_unknown_usage_is_not_zero_usage(void **state)
{
    const struct ask_result r = {
        .row = 1, .outcome = ASK_UNKNOWN, .fault = {"reset", 5}};
    struct ask_result got;

    (void)state;
    ask_put_result(&r, &buf);
    assert_true(ask_get_result(buf.data, buf.len, &got));
    assert_false(got.has_usage);
    assert_memory_equal(got.fault.text, "reset", 5);
}

static void
test_long_texts_are_cut_between_characters(void **state)
{
    char text[ASK_ERROR_MAX + 9];
    struct ask_result r = {.row = 1, .outcome = ASK_INVALID}, got;

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text + ASK_ERROR_MAX - 1, "\xc3\xa9", 2); /* over the limit */
    r.error = (struct ask_text){text, sizeof text};
    ask_put_result(&r, &buf);
    assert_true(ask_get_result(buf.data, buf.len, &got));
    assert_int_equal(got.error.len, ASK_ERROR_MAX - 1);
}

static void
test_what_is_cut_anywhere_is_refused(void **state)
{
    const struct ask_task t = mending_task();
    const struct ask_result r = full_result();
    struct ask_task task;
    struct ask_result result;

    (void)state;
    ask_put_task(&t, &buf);
    for (size_t len = 0; len < buf.len; len++) {
        assert_false(ask_get_task(buf.data, len, &task));
    }
    co_buf_clear(&buf);
    ask_put_result(&r, &buf);
    for (size_t len = 0; len < buf.len; len++) {
        assert_false(ask_get_result(buf.data, len, &result));
    }
}

/* Bytes that a peer could send in place of ours. */
static void
refuse_result(struct ask_result r)
{
    struct ask_result got;

    co_buf_clear(&buf);
    ask_put_result(&r, &buf);
    assert_false(ask_get_result(buf.data, buf.len, &got));
}

static void
test_results_against_the_rules_are_refused(void **state)
{
    struct ask_result r = full_result();

    (void)state;
    r.answer = NULL; /* an ANSWER has one */
    refuse_result(r);
    r = full_result();
    r.cached = r.input + 1;
    refuse_result(r);
    r = full_result();
    r.outcome = ASK_OUTCOMES;
    refuse_result(r);
    r = full_result();
    r.stage = ASK_STAGES;
    refuse_result(r);
    r = full_result();
    r.ask = ASK_MAX;
    refuse_result(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_task_arrives_as_it_was_asked,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_fresh_task_has_nothing_to_mend,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_range_is_no_ask, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_a_result_arrives_as_it_was_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_usage_is_not_zero_usage,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_long_texts_are_cut_between_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_cut_anywhere_is_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_results_against_the_rules_are_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
