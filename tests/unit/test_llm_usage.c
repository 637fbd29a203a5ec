/* What endpoints say of the tokens of a call, and what is made of it where they
 * say it wrongly: an answer that was paid stays one, and is never taken for
 * free. */
#include "llm/provider.h"
#include "tests/co_test.h"

#include <string.h>

static struct co_diag diag;

#define OPENAI(usage)                                                          \
    "{\"choices\":[{\"message\":{\"content\":\"hi\"}}],\"usage\":" usage "}"
#define ANTHROPIC(usage)                                                       \
    "{\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"usage\":" usage "}"

static void
expect_an_answer(const struct provider *p, const char *body,
                 struct provider_answer *a)
{
    provider_answer_clear(a);
    assert_int_equal(p->read(body, strlen(body), a, &diag), FAULT_NONE);
    assert_string_equal(co_buf_text(&a->text), "hi");
}

static void
an_answer_whose_usage_cannot_be_read_is_one_without_usage(void **state)
{
    static const char *const openai[] = {
        OPENAI("null"),
        OPENAI("{}"),
        OPENAI("{\"total_tokens\":7}"),
        OPENAI("{\"prompt_tokens\":5}"),
        OPENAI("{\"completion_tokens\":5}"),
        OPENAI("{\"prompt_tokens\":-5,\"completion_tokens\":2}"),
        OPENAI("{\"prompt_tokens\":5,\"completion_tokens\":2.5}"),
        OPENAI("{\"prompt_tokens\":\"5\",\"completion_tokens\":2}"),
        OPENAI("{\"prompt_tokens\":5,\"completion_tokens\":null}"),
        OPENAI("{\"prompt_tokens\":{\"a\":[1]},\"completion_tokens\":2}"),
    };
    static const char *const anthropic[] = {
        ANTHROPIC("null"),
        ANTHROPIC("{}"),
        ANTHROPIC("{\"input_tokens\":5}"),
        ANTHROPIC("{\"output_tokens\":5}"),
        ANTHROPIC("{\"input_tokens\":1e3,\"output_tokens\":5}"),
    };
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    for (size_t i = 0; i < co_countof(openai); i++) {
        expect_an_answer(&provider_openai, openai[i], &a);
        assert_false(a.has_usage);
    }
    for (size_t i = 0; i < co_countof(anthropic); i++) {
        expect_an_answer(&provider_anthropic, anthropic[i], &a);
        assert_false(a.has_usage);
    }
    provider_answer_fini(&a);
}

static void
more_cached_tokens_than_there_are_were_left_out_of_the_prompt(void **state)
{
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    expect_an_answer(&provider_openai,
                     OPENAI("{\"prompt_tokens_details\":{\"cached_tokens\":500}"
                            ",\"prompt_tokens\":16,\"completion_tokens\":2}"),
                     &a);
    assert_true(a.has_usage);
    assert_int_equal(a.input_tokens, 516);
    assert_int_equal(a.cached_tokens, 500);
    expect_an_answer(&provider_openai,
                     OPENAI("{\"prompt_tokens\":16,\"completion_tokens\":2,"
                            "\"prompt_tokens_details\":null}"),
                     &a);
    assert_int_equal(a.input_tokens, 16);
    assert_int_equal(a.cached_tokens, 0);
    provider_answer_fini(&a);
}

static void
a_count_beyond_belief_is_the_highest_that_there_is(void **state)
{
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    expect_an_answer(&provider_openai,
                     OPENAI("{\"prompt_tokens\":99999999999999999999999999,"
                            "\"completion_tokens\":18446744073709551615}"),
                     &a);
    assert_true(a.has_usage);
    assert_true(a.input_tokens == PROVIDER_TOKENS_MAX);
    assert_true(a.output_tokens == PROVIDER_TOKENS_MAX);
    expect_an_answer(&provider_anthropic,
                     ANTHROPIC("{\"input_tokens\":18446744073709551615,"
                               "\"cache_read_input_tokens\":1,"
                               "\"output_tokens\":2}"),
                     &a);
    assert_true(a.input_tokens == PROVIDER_TOKENS_MAX + 1);
    provider_answer_fini(&a);
}

static void
tell(const char *name, const char *data, struct provider_answer *a)
{
    assert_int_equal(
        provider_anthropic.event(name, data, strlen(data), a, &diag),
        FAULT_NONE);
}

/* It begins with the tokens before the first word, mostly 1. */
static void
a_stream_that_ends_without_its_tokens_has_no_usage(void **state)
{
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    tell("message_start",
         "{\"message\":{\"content\":[],\"usage\":{\"input_tokens\":5,"
         "\"output_tokens\":1}}}",
         &a);
    assert_false(a.has_usage);
    tell("content_block_delta", "{\"delta\":{\"text\":\"hi\"}}", &a);
    tell("message_delta", "{\"delta\":{\"stop_reason\":\"end_turn\"}}", &a);
    assert_false(a.has_usage);
    tell("message_delta", "{\"delta\":{},\"usage\":{\"output_tokens\":9}}", &a);
    assert_true(a.has_usage);
    assert_int_equal(a.input_tokens, 5);
    assert_int_equal(a.output_tokens, 9);
    provider_answer_fini(&a);
}

static void
a_stream_whose_events_have_no_names_ends_all_the_same(void **state)
{
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    tell("", "{\"type\":\"content_block_delta\",\"delta\":{\"text\":\"hi\"}}",
         &a);
    assert_false(a.has_end);
    tell("", "{\"type\":\"message_stop\"}", &a);
    assert_true(a.has_end);
    provider_answer_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            an_answer_whose_usage_cannot_be_read_is_one_without_usage),
        cmocka_unit_test(
            more_cached_tokens_than_there_are_were_left_out_of_the_prompt),
        cmocka_unit_test(a_count_beyond_belief_is_the_highest_that_there_is),
        cmocka_unit_test(a_stream_that_ends_without_its_tokens_has_no_usage),
        cmocka_unit_test(a_stream_whose_events_have_no_names_ends_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
