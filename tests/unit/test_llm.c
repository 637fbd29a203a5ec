/* The pure parts of calls to models: classes of failures, addresses, headers,
 * streams, prices, keys, and the providers' requests and answers. */
#include "llm/fault.h"
#include "llm/hints.h"
#include "llm/price.h"
#include "llm/provider.h"
#include "llm/secret.h"
#include "llm/sse.h"
#include "llm/url.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct co_diag diag;

/* ---- classes ---- */

static void
statuses_are_classes(void **state)
{
    static const struct {
        int status;
        enum fault fault;
        bool retry;
    } cases[] = {
        {200, FAULT_NONE, false},         {204, FAULT_NONE, false},
        {302, FAULT_REDIRECT, false},     {400, FAULT_BAD_REQUEST, false},
        {401, FAULT_UNAUTHORIZED, false}, {402, FAULT_NO_MONEY, false},
        {404, FAULT_BAD_REQUEST, false},  {408, FAULT_TRY_AGAIN, true},
        {409, FAULT_TRY_AGAIN, true},     {425, FAULT_TRY_AGAIN, true},
        {429, FAULT_RATE_LIMITED, true},  {500, FAULT_SERVER, true},
        {502, FAULT_SERVER, true},        {503, FAULT_OVERLOADED, true},
        {529, FAULT_OVERLOADED, true},    {101, FAULT_NOT_HTTP, false},
        {0, FAULT_NOT_HTTP, false}};

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        assert_int_equal(fault_of_status(cases[i].status), cases[i].fault);
        assert_int_equal(fault_retryable(cases[i].fault), cases[i].retry);
    }
}

static void
every_class_has_a_name_of_its_own_and_says_what_to_do(void **state)
{
    (void)state;
    for (int a = 0; a < FAULT_COUNT; a++) {
        assert_true(strlen(fault_advice((enum fault)a)) > 5);
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(fault_name((enum fault)a),
                                    fault_name((enum fault)b));
        }
    }
}

/* ---- addresses ---- */

static void
the_same_endpoint_may_be_written_in_many_ways(void **state)
{
    static const char api[] = "/v1/chat/completions";
    static const char *const bases[] = {"http://h:8000", "http://h:8000/",
                                        "http://h:8000/v1", "http://h:8000/v1/",
                                        "http://h:8000/v1/chat/completions"};
    char out[URL_BYTES];

    (void)state;
    for (size_t i = 0; i < co_countof(bases); i++) {
        assert_int_equal(url_join(bases[i], api, out, &diag), CO_OK);
        assert_string_equal(out, "http://h:8000/v1/chat/completions");
    }
    assert_int_equal(url_join("https://h/a/v1", api, out, &diag), CO_OK);
    assert_string_equal(out, "https://h/a/v1/chat/completions");
    assert_int_equal(url_join("https://h/x?api-version=1", api, out, &diag),
                     CO_OK);
    assert_string_equal(out, "https://h/x?api-version=1");
    /* Not the host's own name: only a path can hold part of the API's. */
    assert_int_equal(url_join("http://v1", api, out, &diag), CO_OK);
    assert_string_equal(out, "http://v1/v1/chat/completions");
    assert_int_equal(url_join("http://messages", "/v1/messages", out, &diag),
                     CO_OK);
    assert_string_equal(out, "http://messages/v1/messages");
}

static void
a_whole_address_is_taken_as_it_stands(void **state)
{
    static const struct {
        const char *base, *api, *url;
    } cases[] = {
        {"https://h/openai/deployments/d/chat/completions",
         "/v1/chat/completions",
         "https://h/openai/deployments/d/chat/completions"},
        {"https://h/api/v3/chat/completions/", "/v1/chat/completions",
         "https://h/api/v3/chat/completions"},
        {"http://h/chat/completions", "/v1/chat/completions",
         "http://h/chat/completions"},
        {"https://h/proxy/messages", "/v1/messages",
         "https://h/proxy/messages"},
        /* Not half a name. */
        {"https://h/mymessages", "/v1/messages",
         "https://h/mymessages/v1/messages"},
        {"https://h/v1/chat", "/v1/chat/completions",
         "https://h/v1/chat/completions"},
    };
    char out[URL_BYTES];

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        assert_int_equal(url_join(cases[i].base, cases[i].api, out, &diag),
                         CO_OK);
        assert_string_equal(out, cases[i].url);
    }
}

static void
what_is_no_address_is_refused_with_the_reason(void **state)
{
    static const char *const bad[] = {"",
                                      "h:8000",
                                      "ftp://h",
                                      "http://",
                                      "http://:80",
                                      "http://h:0",
                                      "http://h:65536",
                                      "http://h:8o",
                                      "http://h /v1",
                                      "http://h/#x",
                                      "http://h /v1?api_key=secret",
                                      "http://h/v1?a=b&token=secret",
                                      "http://user:secret@h/v1"};
    struct url url;

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        diag.text[0] = '\0';
        assert_int_equal(url_parse(bad[i], &url, &diag), CO_USAGE);
        assert_true(diag.text[0]);
        assert_null(strstr(diag.text, "secret"));
    }
}

static bool
same(const char *a, const char *b)
{
    struct url x, y;

    assert_int_equal(url_parse(a, &x, &diag), CO_OK);
    assert_int_equal(url_parse(b, &y, &diag), CO_OK);
    return url_same_origin(&x, &y);
}

static bool
loopback(const char *text)
{
    struct url url;

    assert_int_equal(url_parse(text, &url, &diag), CO_OK);
    return url_is_loopback(&url);
}

static void
an_origin_is_scheme_host_and_port(void **state)
{
    (void)state;
    assert_true(same("http://H/a", "HTTP://h:80/b"));
    assert_true(same("https://h", "https://h:443/"));
    assert_false(same("http://h", "https://h"));
    assert_false(same("http://h:81", "http://h"));
    assert_false(same("http://h", "http://h.evil.org"));
    assert_true(loopback("http://127.0.0.1:1"));
    assert_true(loopback("http://[::1]:8000/v1"));
    assert_true(loopback("http://localhost"));
    assert_false(loopback("http://127.0.0.1.evil.org"));
    assert_false(loopback("http://10.0.0.1"));
}

/* ---- headers ---- */

static struct hints
hints_of(const char *line)
{
    struct hints h;

    hints_init(&h);
    /* Now is 2026-11-29 08:00:00 UTC. */
    hints_take(&h, line, strlen(line), 1795939200000);
    return h;
}

static void
retry_after_is_seconds_or_a_date(void **state)
{
    static const struct {
        const char *line;
        int64_t ms;
    } cases[] = {
        {"Retry-After: 7\r\n", 7000},
        {"retry-after:0", 0},
        {"Retry-After: 1.5", 1500},
        {"Retry-After: Sun, 29 Nov 2026 08:00:30 GMT\r\n", 30000},
        {"Retry-After: Sunday, 29-Nov-26 08:01:00 GMT", 60000},
        {"Retry-After: Sun Nov 29 08:00:05 2026", 5000},
        {"Retry-After: Sun, 29 Nov 2026 07:00:00 GMT", 0}, /* past */
        {"Retry-After: Sun, 29 Nov 2099 08:00:00 GMT", HINTS_WAIT_MAX_MS},
        {"Retry-After: 999999999999999999999", HINTS_WAIT_MAX_MS},
        {"retry-after-ms: 250", 250},
        {"Retry-After: soon", -1},
        {"Retry-After: -1", -1},
        {"Retry-After:", -1},
        {"Retry-Afterwards: 3", -1},
        {"Retry-After: Sun, 99 Nov 2026 08:00:30 GMT", -1}};

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        if (hints_of(cases[i].line).retry_after_ms != cases[i].ms) {
            fail_msg("%s: %lld", cases[i].line,
                     (long long)hints_of(cases[i].line).retry_after_ms);
        }
    }
}

static void
limits_of_both_vendors_are_read(void **state)
{
    struct hints h;
    static const char in[] = "anthropic-ratelimit-input-tokens-remaining: 900";
    static const char out[] = "anthropic-ratelimit-output-tokens-remaining: 80";

    (void)state;
    assert_int_equal(
        hints_of("x-ratelimit-remaining-requests: 59").requests_left, 59);
    assert_int_equal(hints_of("x-ratelimit-reset-tokens: 6m0s").tokens_reset_ms,
                     360000);
    assert_int_equal(
        hints_of("x-ratelimit-reset-requests: 20ms").requests_reset_ms, 20);
    assert_int_equal(
        hints_of("x-ratelimit-reset-requests: 1h2m3.5s").requests_reset_ms,
        3723500);
    assert_int_equal(
        hints_of("anthropic-ratelimit-tokens-reset: 2026-11-29T08:00:10Z")
            .tokens_reset_ms,
        10000);
    assert_int_equal(
        hints_of(
            "anthropic-ratelimit-requests-reset: 2026-11-29T09:00:01+01:00")
            .requests_reset_ms,
        1000);
    hints_init(&h);
    hints_take(&h, in, strlen(in), 0);
    hints_take(&h, out, strlen(out), 0);
    assert_int_equal(h.tokens_left, 80); /* the strictest of both */
}

/* ---- streams ---- */

struct seen {
    char text[400];
};

static bool
on_event(void *self, const char *name, const char *data, size_t len)
{
    struct seen *seen = self;
    size_t used = strlen(seen->text);

    (void)snprintf(seen->text + used, sizeof seen->text - used, "<%s|%.*s>",
                   name, (int)len, data);
    return true;
}

/* However the network cuts it, the same events come out. */
static void
events_come_whole_wherever_they_are_cut(void **state)
{
    static const char stream[] =
        ": hello\r\nevent: a\r\ndata: Zo\xc3\xab\r\n\r\ndata:x\ndata: y\n\n"
        "id: 3\nretry: 10\n\nevent: lost\n\ndata\n\rdata: z\r\rdata: half";
    static const char events[] = "<a|Zo\xc3\xab><|x\ny><|><|z>";

    (void)state;
    for (size_t step = 1; step < sizeof stream; step++) {
        struct seen seen = {""};
        struct sse sse;

        sse_init(&sse, 1000);
        for (size_t at = 0; at + 1 < sizeof stream; at += step) {
            size_t n = co_min_u64(step, sizeof stream - 1 - at);

            assert_int_equal(sse_feed(&sse, stream + at, n, on_event, &seen),
                             CO_OK);
        }
        assert_string_equal(seen.text, events);
        sse_fini(&sse);
    }
}

static void
a_line_without_end_is_refused(void **state)
{
    struct seen seen = {""};
    char line[101];
    struct sse sse;

    (void)state;
    memset(line, 'x', sizeof line);
    sse_init(&sse, 100);
    assert_int_equal(sse_feed(&sse, line, sizeof line, on_event, &seen),
                     CO_FULL);
    sse_fini(&sse);
}

/* ---- prices ---- */

static void
prices_are_exact(void **state)
{
    struct price p = price_unknown;
    char text[PRICE_TEXT_BYTES];
    int64_t cost = 0;

    (void)state;
    assert_int_equal(price_parse("0.15", &p.input, &diag), CO_OK);
    assert_int_equal(p.input, 150000);
    assert_int_equal(price_parse("0.000001", &p.output, &diag), CO_OK);
    assert_int_equal(p.output, 1);
    assert_true(price_cost(
        &p, &(struct price_use){.input = 3, .cached_input = 0, .output = 1},
        &cost));
    assert_string_equal(price_text(cost, text), "0.000000450001");
    p.cached_input = 75000;
    assert_true(price_cost(
        &p, &(struct price_use){.input = 3, .cached_input = 2, .output = 0},
        &cost));
    assert_int_equal(cost, 150000 + 2 * 75000);
    assert_string_equal(price_text(2500000000000, text), "2.5");
    assert_string_equal(price_text(0, text), "0");
    /* Amounts are read as they are written, and nothing else is. */
    assert_int_equal(price_usd_parse("9000000.000000000001", &cost), CO_OK);
    assert_string_equal(price_text(cost, text), "9000000.000000000001");
    assert_int_equal(price_usd_parse("0.0000000000001", &cost), CO_USAGE);
    assert_int_equal(price_usd_parse("9999999", &cost), CO_USAGE);
    assert_int_equal(price_usd_parse("-1", &cost), CO_USAGE);
    p.output = -1;
    assert_false(price_cost(
        &p, &(struct price_use){.input = 1, .cached_input = 0, .output = 1},
        &cost)); /* not known is not 0 */
    assert_false(price_cost(&p,
                            &(struct price_use){.input = UINT64_MAX,
                                                .cached_input = 0,
                                                .output = 0},
                            &cost));
    for (size_t i = 0; i < 6; i++) {
        static const char *const bad[] = {"",    "x",         "-1",
                                          "1,5", "0.0000001", "1e3"};

        assert_int_equal(price_parse(bad[i], &p.input, &diag), CO_USAGE);
    }
}

/* ---- keys ---- */

static void
keys_are_read_and_taken_out_of_texts(void **state)
{
    char text[] = "the key sk-12345 and sk-12345 again, sk-1234";
    char few[] = "sk-12345678 sk-";
    struct secret secret = {.len = 0};

    (void)state;
    assert_int_equal(setenv("CO_TEST_KEY", "sk-12345\n", 1), 0);
    assert_int_equal(
        secret_load("CO_TEST_KEY", NULL, "--key-env", &secret, &diag), CO_OK);
    assert_string_equal(secret.text, "sk-12345");
    secret_redact(&secret, text, strlen(text));
    assert_string_equal(text, "the key ******** and ******** again, *******");
    secret_redact(&secret, few, strlen(few));
    assert_string_equal(few, "********678 sk-"); /* three tell nothing */
    secret_forget(&secret);
    assert_int_equal(secret.len, 0);
    assert_int_equal(setenv("CO_TEST_KEY", "sk-1\r\nX-Evil: 1", 1), 0);
    assert_int_equal(
        secret_load("CO_TEST_KEY", NULL, "--key-env", &secret, &diag),
        CO_USAGE);
    assert_null(strstr(diag.text, "Evil"));
    assert_int_equal(
        secret_load("CO_TEST_NONE", NULL, "--key-env", &secret, &diag),
        CO_USAGE);
    assert_string_equal(diag.text, "the environment has no CO_TEST_NONE: "
                                   "export it, or name another variable with "
                                   "--key-env");
    assert_int_equal(
        secret_load(NULL, "/nowhere/key", "--key-env", &secret, &diag),
        CO_USAGE);
}

static void
a_file_can_hold_the_key(void **state)
{
    char path[] = "/tmp/co-test-key-XXXXXX";
    struct secret secret = {.len = 0};
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "sk-1\r\n# mine\n", 13), 13);
    assert_int_equal(close(fd), 0);
    assert_int_equal(secret_load(NULL, path, "--key-env", &secret, &diag),
                     CO_OK);
    assert_string_equal(secret.text, "sk-1");
    assert_int_equal(unlink(path), 0);
}

/* ---- providers ---- */

static void
requests_are_what_the_apis_take(void **state)
{
    const struct provider_message messages[] = {
        {PROVIDER_SYSTEM, "Be \"brief\".", 11},
        {PROVIDER_USER, "Zo\xc3\xab\n", 5}};
    const struct provider_ask ask = {.model = "m",
                                     .messages = messages,
                                     .n_messages = 2,
                                     .max_tokens = 9,
                                     .temperature_milli =
                                         PROVIDER_TEMPERATURE_OWN,
                                     .stream = true};
    co_auto(co_buf_fini) struct co_buf out;

    (void)state;
    co_buf_init(&out, 10000);
    provider_openai.write(&ask, &out);
    assert_string_equal(
        co_buf_text(&out),
        "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be "
        "\\\"brief\\\".\"},{\"role\":\"user\",\"content\":\"Zo\xc3\xab\\n\"}],"
        "\"max_tokens\":9,\"stream\":true,\"stream_options\":{\"include_usage\""
        ":true}}");
    co_buf_clear(&out);
    provider_anthropic.write(&ask, &out);
    assert_string_equal(
        co_buf_text(&out),
        "{\"model\":\"m\",\"max_tokens\":9,\"system\":\"Be \\\"brief\\\".\","
        "\"messages\":[{\"role\":\"user\",\"content\":\"Zo\xc3\xab\\n\"}],"
        "\"stream\":true}");
}

static enum fault
read_by(const struct provider *p, const char *body, struct provider_answer *a)
{
    provider_answer_clear(a);
    diag.text[0] = '\0';
    return p->read(body, strlen(body), a, &diag);
}

static void
answers_are_read(void **state)
{
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    assert_int_equal(
        read_by(&provider_openai,
                "{\"model\":\"m-1\",\"choices\":[{\"index\":0,\"message\":{"
                "\"role\":\"assistant\",\"content\":\"a\\nb\",\"refusal\":null}"
                ",\"finish_reason\":\"length\"},{\"x\":1}],\"usage\":{"
                "\"prompt_tokens\":5,\"completion_tokens\":2,"
                "\"prompt_tokens_details\":{\"cached_tokens\":4}}}",
                &a),
        FAULT_NONE);
    assert_string_equal(co_buf_text(&a.text), "a\nb");
    assert_string_equal(a.model, "m-1");
    assert_true(a.is_cut && a.has_end && a.has_usage);
    assert_int_equal(a.input_tokens, 5);
    assert_int_equal(a.cached_tokens, 4);
    assert_int_equal(a.output_tokens, 2);
    assert_int_equal(
        read_by(
            &provider_anthropic,
            "{\"type\":\"message\",\"model\":\"c\",\"content\":[{\"type\":"
            "\"thinking\",\"thinking\":\"x\"},{\"type\":\"text\",\"text\":"
            "\"a\"},{\"type\":\"text\",\"text\":\"b\"}],\"stop_reason\":"
            "\"end_turn\",\"usage\":{\"input_tokens\":5,\"output_tokens\":2,"
            "\"cache_read_input_tokens\":10,\"cache_creation_input_tokens\""
            ":null}}",
            &a),
        FAULT_NONE);
    assert_string_equal(co_buf_text(&a.text), "ab");
    assert_int_equal(a.input_tokens, 15);
    assert_int_equal(a.cached_tokens, 10);
    assert_false(a.is_cut);
    provider_answer_fini(&a);
}

static void
what_is_no_answer_is_told_with_the_place(void **state)
{
    struct provider_answer a;
    size_t count;
    const struct provider *const *all = provider_all(&count);

    (void)state;
    provider_answer_init(&a, 10);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(read_by(all[i], "{}", &a), FAULT_BAD_SHAPE);
        assert_true(diag.text[0]);
        assert_int_equal(read_by(all[i], "[]", &a), FAULT_BAD_SHAPE);
        assert_int_equal(read_by(all[i], "{\"usage\":3}", &a), FAULT_BAD_SHAPE);
        assert_int_equal(read_by(all[i], "", &a), FAULT_BAD_JSON);
        assert_int_equal(read_by(all[i], "{\"a\":", &a), FAULT_BAD_JSON);
        assert_non_null(strstr(diag.text, "byte 5"));
        assert_ptr_equal(provider_find(all[i]->name), all[i]);
    }
    assert_int_equal(read_by(&provider_openai,
                             "{\"choices\":[{\"message\":{\"content\":"
                             "\"more than ten bytes\"}}]}",
                             &a),
                     FAULT_TOO_BIG);
    assert_null(provider_find("nobody"));
    provider_answer_fini(&a);
}

static void
errors_say_what_the_endpoint_says(void **state)
{
    static const struct {
        const char *body, *error, *code;
    } cases[] = {
        {"{\"error\":{\"message\":\"no\",\"type\":\"t\",\"code\":null}}", "no",
         "t"},
        {"{\"error\":{\"message\":\"no\",\"type\":\"t\",\"code\":\"c\"}}", "no",
         "c"},
        {"{\"error\":{\"code\":\"c\",\"type\":\"t\",\"message\":\"no\"}}", "no",
         "c"},
        {"{\"type\":\"error\",\"error\":{\"type\":\"t\",\"message\":\"no\"}}",
         "no", "t"},
        {"{\"error\":\"no\"}", "no", ""},
        {"{\"object\":\"error\",\"message\":\"no\",\"code\":404}", "no", ""},
        {"<html>", "", ""}};
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 100);
    for (size_t i = 0; i < co_countof(cases); i++) {
        provider_answer_clear(&a);
        provider_read_error(cases[i].body, strlen(cases[i].body), &a);
        assert_string_equal(a.error, cases[i].error);
        assert_string_equal(a.error_code, cases[i].code);
    }
    provider_answer_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_are_classes),
        cmocka_unit_test(every_class_has_a_name_of_its_own_and_says_what_to_do),
        cmocka_unit_test(the_same_endpoint_may_be_written_in_many_ways),
        cmocka_unit_test(a_whole_address_is_taken_as_it_stands),
        cmocka_unit_test(what_is_no_address_is_refused_with_the_reason),
        cmocka_unit_test(an_origin_is_scheme_host_and_port),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(limits_of_both_vendors_are_read),
        cmocka_unit_test(events_come_whole_wherever_they_are_cut),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(prices_are_exact),
        cmocka_unit_test(keys_are_read_and_taken_out_of_texts),
        cmocka_unit_test(a_file_can_hold_the_key),
        cmocka_unit_test(requests_are_what_the_apis_take),
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(what_is_no_answer_is_told_with_the_place),
        cmocka_unit_test(errors_say_what_the_endpoint_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
