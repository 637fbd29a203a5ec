/* What models are asked, in the words of each API: conversations, structured
 * answers, temperatures; and how structured answers are read. */
#include "llm/provider.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <string.h>

static struct co_diag diag;

static const struct provider_message turns[] = {
    {PROVIDER_SYSTEM, "S", 1},
    {PROVIDER_USER, "U", 1},
    {PROVIDER_ASSISTANT, "{\"a\":", 5},
    {PROVIDER_USER, "cut", 3}};

#define SCHEMA "{\"type\":\"object\"}"
#define SAID(role, text) "{\"role\":\"" role "\",\"content\":\"" text "\"}"
#define TURNS                                                                  \
    SAID("user", "U")                                                          \
    "," SAID("assistant", "{\\\"a\\\":") "," SAID("user", "cut") "]"
#define WORDS                                                                  \
    "Answer with one JSON object and nothing else. It has to match this JSON " \
    "Schema:\\n{\\\"type\\\":\\\"object\\\"}"

static struct provider_ask
ask_for_json(enum provider_form form)
{
    return (struct provider_ask){.model = "m",
                                 .messages = turns,
                                 .n_messages = co_countof(turns),
                                 .schema = SCHEMA,
                                 .schema_name = "row",
                                 .form = form,
                                 .temperature_milli = PROVIDER_TEMPERATURE_OWN};
}

static void
expect_body(const struct provider *p, const struct provider_ask *ask,
            const char *body)
{
    co_auto(co_buf_fini) struct co_buf out;

    co_buf_init(&out, 10000);
    p->write(ask, &out);
    assert_string_equal(co_buf_text(&out), body);
}

static void
a_conversation_is_sent_turn_by_turn(void **state)
{
    struct provider_ask ask = ask_for_json(PROVIDER_FORM_SCHEMA);

    (void)state;
    ask.schema = NULL;
    ask.temperature_milli = 250;
    ask.max_tokens = 7;
    expect_body(&provider_openai, &ask,
                "{\"model\":\"m\",\"messages\":[" SAID(
                    "system", "S") "," TURNS
                                   ",\"max_tokens\":7,\"temperature\":0.250}");
    expect_body(&provider_anthropic, &ask,
                "{\"model\":\"m\",\"max_tokens\":7,\"system\":\"S\","
                "\"messages\":[" TURNS ",\"temperature\":0.250}");
}

static void
a_schema_binds_the_answer(void **state)
{
    struct provider_ask ask = ask_for_json(PROVIDER_FORM_SCHEMA);

    (void)state;
    expect_body(
        &provider_openai, &ask,
        "{\"model\":\"m\",\"messages\":[" SAID(
            "system", "S") "," TURNS
                           ",\"response_format\":{\"type\":\"json_schema\","
                           "\"json_schema\":{\"name\":\"row\",\"strict\":true,"
                           "\"schema\":" SCHEMA "}}}");
    expect_body(&provider_anthropic, &ask,
                "{\"model\":\"m\",\"max_tokens\":1024,\"system\":\"S\","
                "\"messages\":[" TURNS ",\"tools\":[{\"name\":\"row\","
                "\"description\":\"Takes the answer.\",\"input_schema\":" SCHEMA
                "}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"row\","
                "\"disable_parallel_tool_use\":true}}");
}

static void
servers_that_know_no_schema_are_told_in_words(void **state)
{
    struct provider_ask ask = ask_for_json(PROVIDER_FORM_JSON);

    (void)state;
    expect_body(&provider_openai, &ask,
                "{\"model\":\"m\",\"messages\":[" SAID(
                    "system", "S\\n\\n" WORDS) "," TURNS
                                               ",\"response_format\":{\"type\":"
                                               "\"json_object\"}}");
    ask.form = PROVIDER_FORM_WORDS;
    expect_body(&provider_openai, &ask,
                "{\"model\":\"m\",\"messages\":[" SAID(
                    "system", "S\\n\\n" WORDS) "," TURNS "}");
    ask.messages++; /* nobody said anything before */
    ask.n_messages--;
    expect_body(&provider_anthropic, &ask,
                "{\"model\":\"m\",\"max_tokens\":1024,\"system\":\"" WORDS
                "\",\"messages\":[" TURNS "}");
}

static void
each_form_is_found_by_its_name(void **state)
{
    enum provider_form form;

    (void)state;
    for (int i = 0; i < PROVIDER_FORMS; i++) {
        assert_true(provider_form_find(
            provider_form_name((enum provider_form)i), &form));
        assert_int_equal(form, i);
        assert_true(strlen(provider_form_text(form)) > 5);
    }
    assert_false(provider_form_find("yaml", &form));
}

/* A token is a byte at least, so what is sent bounds what is billed. */
static void
input_is_bounded_by_what_is_sent(void **state)
{
    size_t count;
    const struct provider *const *all = provider_all(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct provider_ask ask = ask_for_json(PROVIDER_FORM_WORDS);
        co_auto(co_buf_fini) struct co_buf out;
        uint64_t plain;

        co_buf_init(&out, 10000);
        all[i]->write(&ask, &out);
        assert_true(provider_input_max(all[i], &ask) >=
                    strlen(SCHEMA) + strlen(WORDS) + 10);
        ask.schema = NULL;
        plain = provider_input_max(all[i], &ask);
        assert_int_equal(plain, 4 * 16 + 1 + 1 + 5 + 3);
    }
}

static enum fault
read_by(const struct provider *p, const char *body, struct provider_answer *a)
{
    provider_answer_clear(a);
    diag.text[0] = '\0';
    return p->read(body, strlen(body), a, &diag);
}

static void
the_input_of_a_tool_is_the_answer(void **state)
{
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    assert_int_equal(
        read_by(&provider_anthropic,
                "{\"model\":\"c\",\"content\":[{\"type\":\"text\",\"text\":"
                "\"Here it is\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":"
                "\"row\",\"input\": {\"a\": [1, \"Zo\xc3\xab\"]}},{\"type\":"
                "\"text\",\"text\":\"more\"}],\"stop_reason\":\"tool_use\"}",
                &a),
        FAULT_NONE);
    assert_string_equal(co_buf_text(&a.text), "{\"a\": [1, \"Zo\xc3\xab\"]}");
    assert_true(a.is_tool && !a.is_cut && !a.is_filtered);
    assert_int_equal(read_by(&provider_anthropic,
                             "{\"content\":[{\"type\":\"tool_use\",\"input\":"
                             "{\"a\":]}}]}",
                             &a),
                     FAULT_BAD_JSON);
    provider_answer_fini(&a);
}

static void
the_input_of_a_tool_comes_in_pieces(void **state)
{
    static const struct {
        const char *name, *data;
    } events[] = {
        {"message_start", "{\"message\":{\"model\":\"c\",\"content\":[],"
                          "\"usage\":{\"input_tokens\":5}}}"},
        {"content_block_delta", "{\"delta\":{\"text\":\"Here\"}}"},
        {"content_block_start", "{\"content_block\":{\"type\":\"tool_use\","
                                "\"name\":\"row\",\"input\":{}}}"},
        {"content_block_delta", "{\"delta\":{\"type\":\"input_json_delta\","
                                "\"partial_json\":\"\"}}"},
        {"content_block_delta", "{\"delta\":{\"partial_json\":\"{\\\"a\"}}"},
        {"content_block_delta", "{\"delta\":{\"partial_json\":\"\\\":1}\"}}"},
        {"message_delta", "{\"delta\":{\"stop_reason\":\"max_tokens\"},"
                          "\"usage\":{\"output_tokens\":3}}"},
        {"message_stop", "{}"},
    };
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    for (size_t i = 0; i < co_countof(events); i++) {
        assert_int_equal(
            provider_anthropic.event(events[i].name, events[i].data,
                                     strlen(events[i].data), &a, &diag),
            FAULT_NONE);
    }
    assert_string_equal(co_buf_text(&a.text), "{\"a\":1}");
    assert_true(a.is_cut && a.has_end && a.has_usage);
    assert_int_equal(a.input_tokens, 5);
    assert_int_equal(a.output_tokens, 3);
    provider_answer_fini(&a);
}

static void
a_model_may_refuse_where_a_schema_binds_it(void **state)
{
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    assert_int_equal(
        read_by(&provider_openai,
                "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":"
                "\"I can't.\"},\"finish_reason\":\"stop\"}]}",
                &a),
        FAULT_NONE);
    assert_true(a.is_filtered);
    assert_string_equal(co_buf_text(&a.text), "I can't.");
    provider_answer_fini(&a);
}

static enum fault
embed_by(const char *body, struct provider_answer *a)
{
    provider_answer_clear(a);
    diag.text[0] = '\0';
    return provider_openai.embed_read(body, strlen(body), a, &diag);
}

static void
vectors_are_asked_for_and_read(void **state)
{
    static const struct provider_text texts[] = {{"a", 1}, {"Zo\xc3\xab", 4}};
    struct provider_embed ask = {
        .model = "e", .texts = texts, .n_texts = 2, .dimensions = 2};
    co_auto(co_buf_fini) struct co_buf out;
    struct provider_answer a;
    float v[4];

    (void)state;
    co_buf_init(&out, 1000);
    provider_openai.embed_write(&ask, &out);
    assert_string_equal(
        co_buf_text(&out),
        "{\"model\":\"e\",\"input\":[\"a\",\"Zo\xc3\xab\"],\"dimensions\":2}");
    assert_null(provider_anthropic.embed_path);
    provider_answer_init(&a, 1000);
    assert_int_equal(
        embed_by("{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
                 "\"index\":0,\"embedding\":[0.5,-1]},{\"embedding\":[1e-1,2],"
                 "\"index\":1}],\"model\":\"e-1\",\"usage\":{\"prompt_tokens\":"
                 "3,\"total_tokens\":3}}",
                 &a),
        FAULT_NONE);
    assert_int_equal(a.n_vectors, 2);
    assert_int_equal(a.dimensions, 2);
    assert_int_equal(a.vectors.len, sizeof v);
    memcpy(v, a.vectors.data, sizeof v);
    assert_true(v[0] == 0.5F && v[1] == -1.0F && v[2] == 0.1F && v[3] == 2.0F);
    assert_true(a.has_usage && a.input_tokens == 3);
    assert_string_equal(a.model, "e-1");
    provider_answer_fini(&a);
}

static void
a_vector_is_not_thrown_away_for_its_usage_and_not_read_beyond_its_limit(
    void **state)
{
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 8);
    assert_int_equal(embed_by("{\"data\":[{\"embedding\":[1,2]}],"
                              "\"usage\":{\"prompt_tokens\":null}}",
                              &a),
                     FAULT_NONE);
    assert_int_equal(a.dimensions, 2);
    assert_false(a.has_usage);
    assert_int_equal(embed_by("{\"data\":[{\"embedding\":[1,2,3]}]}", &a),
                     FAULT_TOO_BIG);
    assert_int_equal(a.n_vectors, 0);
    provider_answer_fini(&a);
}

static void
vectors_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *data, *why;
    } cases[] = {
        {"[]", "data[0].embedding"},
        {"[{\"index\":0}]", "no embedding"},
        {"[{\"embedding\":[]}]", "length of the first"},
        {"[{\"embedding\":[1]},{\"embedding\":[1,2]}]", "length of the first"},
        {"[{\"embedding\":[1],\"index\":1}]", "in its place"},
        {"[{\"embedding\":[1e99]}]", "a float holds"},
        {"[{\"embedding\":\"AACAPw==\"}]", "no array"}};
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    for (size_t i = 0; i < co_countof(cases); i++) {
        char body[200];

        (void)snprintf(body, sizeof body, "{\"data\":%s}", cases[i].data);
        assert_int_equal(embed_by(body, &a), FAULT_BAD_SHAPE);
        if (!strstr(diag.text, cases[i].why)) fail_msg("%s", diag.text);
    }
    provider_answer_fini(&a);
}

static void
a_temperature_that_an_api_refuses_is_refused_before_it_is_sent(void **state)
{
    static const char *const none[] = {"",       ".",  "a",  "-1",
                                       "0.1234", "10", "1.x"};
    uint32_t milli = 0;

    (void)state;
    assert_int_equal(
        provider_read_temperature(&provider_openai, "1.25", &milli, &diag),
        CO_OK);
    assert_int_equal(milli, 1250);
    assert_int_equal(
        provider_read_temperature(&provider_anthropic, "1", &milli, &diag),
        CO_OK);
    assert_int_equal(milli, 1000);
    assert_int_equal(
        provider_read_temperature(&provider_anthropic, "1.001", &milli, &diag),
        CO_RANGE);
    assert_string_equal(diag.text, "anthropic takes a temperature from 0 to 1, "
                                   "and refuses 1.001");
    assert_int_equal(provider_check_temperature(
                         &provider_openai, PROVIDER_TEMPERATURE_OWN, &diag),
                     CO_OK);
    for (size_t i = 0; i < co_countof(none); i++) {
        assert_int_equal(
            provider_read_temperature(&provider_openai, none[i], &milli, &diag),
            CO_USAGE);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_is_sent_turn_by_turn),
        cmocka_unit_test(a_schema_binds_the_answer),
        cmocka_unit_test(servers_that_know_no_schema_are_told_in_words),
        cmocka_unit_test(each_form_is_found_by_its_name),
        cmocka_unit_test(input_is_bounded_by_what_is_sent),
        cmocka_unit_test(the_input_of_a_tool_is_the_answer),
        cmocka_unit_test(the_input_of_a_tool_comes_in_pieces),
        cmocka_unit_test(a_model_may_refuse_where_a_schema_binds_it),
        cmocka_unit_test(vectors_are_asked_for_and_read),
        cmocka_unit_test(
            a_vector_is_not_thrown_away_for_its_usage_and_not_read_beyond_its_limit),
        cmocka_unit_test(vectors_that_are_none_are_refused),
        cmocka_unit_test(
            a_temperature_that_an_api_refuses_is_refused_before_it_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
