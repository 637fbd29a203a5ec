/* What endpoints send that is not as their API has it, and what must not come
 * of it: words of others in an answer, calls held up, keys in what is kept. */
#include "llm/call.h"
#include "tests/co_test.h"
#include "tests/unit/loopback.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct co_diag diag;

/* ---- streams ---- */

static void
tell(const char *data, struct provider_answer *a)
{
    assert_int_equal(provider_openai.event("", data, strlen(data), a, &diag),
                     FAULT_NONE);
}

static void
a_stream_ends_where_it_says_so(void **state)
{
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    tell("{\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}", &a);
    tell("[DONE]", &a);
    tell("{\"choices\":[{\"delta\":{\"content\":\" there\"}}]}", &a);
    tell("{\"error\":{\"message\":\"late\"}}", &a);
    tell("no JSON at all", &a);
    assert_string_equal(co_buf_text(&a.text), "hi");
    assert_string_equal(a.error, "");
    assert_true(a.has_end);
    /* The next call begins anew. */
    provider_answer_clear(&a);
    tell("{\"choices\":[{\"delta\":{\"content\":\"yes\"}}]}", &a);
    assert_string_equal(co_buf_text(&a.text), "yes");
    provider_answer_fini(&a);
}

static void
choices_do_not_run_together_in_a_stream(void **state)
{
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    tell("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}", &a);
    tell("{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"two\"}}]}", &a);
    tell("{\"choices\":[{\"delta\":{\"content\":\"two\"},\"index\":1,"
         "\"finish_reason\":\"length\"}]}",
         &a);
    tell("{\"choices\":[{\"delta\":{\"content\":\"!\"},\"index\":0}]}", &a);
    tell("{\"choices\":[{\"delta\":{\"content\":\"?\"},\"index\":null}]}", &a);
    assert_string_equal(co_buf_text(&a.text), "one!?");
    assert_false(a.is_cut);
    provider_answer_fini(&a);
}

static void
the_first_choice_counts_wherever_it_stands(void **state)
{
    static const struct {
        const char *body, *text;
    } cases[] = {
        {"{\"choices\":[{\"index\":1,\"message\":{\"content\":\"two\"}},"
         "{\"index\":0,\"message\":{\"content\":\"one\"}}]}",
         "one"},
        {"{\"choices\":[{\"message\":{\"content\":\"one\"}},"
         "{\"message\":{\"content\":\"two\"}}]}",
         "one"},
        {"{\"choices\":[{\"index\":0,\"message\":{\"content\":\"one\"}},"
         "{\"index\":0,\"message\":{\"content\":\"two\"}}]}",
         "one"},
        {"{\"choices\":[{\"index\":\"x\",\"message\":{\"content\":\"one\"}}]}",
         "one"},
    };
    struct provider_answer a;

    (void)state;
    provider_answer_init(&a, 1000);
    for (size_t i = 0; i < co_countof(cases); i++) {
        provider_answer_clear(&a);
        assert_int_equal(provider_openai.read(cases[i].body,
                                              strlen(cases[i].body), &a, &diag),
                         FAULT_NONE);
        assert_string_equal(co_buf_text(&a.text), cases[i].text);
    }
    provider_answer_fini(&a);
}

static bool
on_event(void *self, const char *name, const char *data, size_t len)
{
    struct co_buf *seen = self;

    co_buf_printf(seen, "<%s|%.*s>", name, (int)len, data);
    return true;
}

static void
a_byte_order_mark_costs_no_event(void **state)
{
    static const struct {
        const char *stream, *events;
    } cases[] = {
        {"\xef\xbb\xbf"
         "data: a\n\ndata: b\n\n",
         "<|a><|b>"},
        {"\xef\xbb\xbf\ndata: a\n\n", "<|a>"},
        /* One, and only in front. */
        {"\xef\xbb\xbf\xef\xbb\xbf"
         "data: a\n\ndata: b\n\n",
         "<|b>"},
        {"data: a\n\n\xef\xbb\xbf"
         "data: b\n\n",
         "<|a>"},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        for (size_t step = 1; step < 8; step++) {
            co_auto(co_buf_fini) struct co_buf seen;
            const size_t len = strlen(cases[i].stream);
            struct sse sse;

            co_buf_init(&seen, 1000);
            sse_init(&sse, 1000);
            for (size_t at = 0; at < len; at += step) {
                assert_int_equal(sse_feed(&sse, cases[i].stream + at,
                                          co_min_u64(step, len - at), on_event,
                                          &seen),
                                 CO_OK);
            }
            assert_string_equal(co_buf_text(&seen), cases[i].events);
            sse_fini(&sse);
        }
    }
}

/* ---- keys ---- */

static void
a_key_is_found_however_json_spells_it(void **state)
{
    static const struct secret secret = {"sk-/\"\\9", 7};
    static const struct {
        const char *text, *clean;
    } cases[] = {
        {"a sk-/\"\\9 b", "a ******* b"},
        {"a \\u0073k-/\\\"\\\\9 b", "a ************** b"},
        {"a sk\\u002D\\/\\u0022\\u005c\\u0039 b",
         "a **************************** b"},
        {"a \\u0073k-/\\\"\\\\8 b", "a \\u0073k-/\\\"\\\\8 b"},
        {"a \\u0173k-/\\\"\\\\9", "a \\u0173k-/\\\"\\\\9"},
        /* Cut, also within an escape; three bytes tell nothing. */
        {"a \\u0073k-/", "a *********"},
        {"a sk-/\\u00", "a ********"},
        {"a sk-/\\", "a *****"},
        {"a sk-", "a sk-"},
        {"a sk-\\u00", "a sk-\\u00"},
        {"sk-/\"\\9sk-/\"\\9", "**************"},
        {"\\", "\\"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        char text[64];

        (void)snprintf(text, sizeof text, "%s", cases[i].text);
        secret_redact(&secret, text, strlen(text));
        assert_string_equal(text, cases[i].clean);
    }
}

/* ---- answers over a socket ---- */

struct end {
    bool done;
};

static void
on_done(void *self, struct call *call)
{
    (void)call;
    ((struct end *)self)->done = true;
}

static bool
is_readable(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, 0) == 1;
}

/* Accepts the call, answers when it was sent, and hangs up. We are its sender,
 * too: nothing may be waited for. */
static void
serve(int fd, const char *answer, int *s)
{
    char request[4096];

    if (*s < 0 && is_readable(fd)) *s = accept(fd, NULL, NULL);
    if (*s < 0 || !is_readable(*s)) return;
    if (recv(*s, request, sizeof request, 0) <= 0) return;
    assert_int_equal(send(*s, answer, strlen(answer), MSG_NOSIGNAL),
                     strlen(answer));
    assert_int_equal(shutdown(*s, SHUT_WR), 0);
}

/* The end of a call that got that answer. */
static void
call_with(const char *answer, struct call *call)
{
    const struct http_options options = {.in_flight = 1,
                                         .body_max = 65536,
                                         .connect_ms = 60000,
                                         .first_byte_ms = 60000,
                                         .idle_ms = 60000,
                                         .total_ms = 60000};
    const struct secret none = {.len = 0};
    struct call_endpoint endpoint;
    struct http *http = NULL;
    struct end end = {false};
    int s = -1;
    uint16_t port;
    char url[64];
    int fd = loopback_listen(4, &port);

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/v1", (unsigned)port);
    assert_int_equal(call_endpoint_init(&endpoint, &provider_openai, url, &none,
                                        false, &diag),
                     CO_OK);
    assert_int_equal(http_new(&options, &http, &diag), CO_OK);
    assert_int_equal(call_start(call, http, &endpoint, "{}", 2, on_done, &end),
                     CO_OK);
    while (!end.done) {
        assert_int_equal(http_turn(http, 5), CO_OK);
        serve(fd, answer, &s);
    }
    http_free(http);
    call_endpoint_fini(&endpoint);
    (void)close(s);
    (void)close(fd);
}

#define JSON "Content-Type: application/json\r\nConnection: close\r\n\r\n"
#define HI "{\"choices\":[{\"message\":{\"content\":\"hi\"}}]}"

static void
only_who_turns_a_call_away_asks_to_wait(void **state)
{
    static const struct {
        const char *answer;
        enum fault fault;
        int64_t wait_ms, left;
    } cases[] = {
        {"HTTP/1.1 429 N\r\nRetry-After: 7\r\n" JSON "{}", FAULT_RATE_LIMITED,
         7000, -1},
        {"HTTP/1.1 503 N\r\nRetry-After: 7\r\n" JSON "{}", FAULT_OVERLOADED,
         7000, -1},
        {"HTTP/1.1 529 N\r\nretry-after-ms: 70\r\n" JSON "{}", FAULT_OVERLOADED,
         70, -1},
        {"HTTP/1.1 500 N\r\nRetry-After: 7\r\n" JSON "{}", FAULT_SERVER, 7000,
         -1},
        {"HTTP/1.1 200 Y\r\nRetry-After: 7\r\n"
         "x-ratelimit-remaining-requests: 0\r\n" JSON HI,
         FAULT_NONE, -1, 0},
        {"HTTP/1.1 200 Y\r\nRetry-After: 7\r\n" JSON "{", FAULT_BAD_JSON, -1,
         -1},
        {"HTTP/1.1 401 N\r\nRetry-After: 7\r\n" JSON "{}", FAULT_UNAUTHORIZED,
         -1, -1},
        /* some gateways pass it on under another status */
        {"HTTP/1.1 200 Y\r\nRetry-After: 7\r\n" JSON
         "{\"error\":{\"message\":\"slow\",\"code\":\"rate_limit_exceeded\"}}",
         FAULT_RATE_LIMITED, 7000, -1},
        {"HTTP/1.1 103 Early\r\nRetry-After: 7\r\n\r\n"
         "HTTP/1.1 503 N\r\n" JSON "{}",
         FAULT_OVERLOADED, -1, -1},
    };
    struct call call;

    (void)state;
    call_init(&call, 65536);
    for (size_t i = 0; i < co_countof(cases); i++) {
        call_with(cases[i].answer, &call);
        assert_int_equal(call.fault, cases[i].fault);
        assert_int_equal(call.hints.retry_after_ms, cases[i].wait_ms);
        assert_int_equal(call.hints.requests_left, cases[i].left);
    }
    call_fini(&call);
}

static void
what_comes_compressed_is_said_to_be_so(void **state)
{
    static const char *const types[] = {"application/json",
                                        "text/event-stream"};
    char answer[300];
    struct call call;

    (void)state;
    call_init(&call, 65536);
    for (size_t i = 0; i < co_countof(types); i++) {
        (void)snprintf(answer, sizeof answer,
                       "HTTP/1.1 200 Y\r\nContent-Encoding: GZIP\r\n"
                       "Content-Type: %s\r\nConnection: close\r\n\r\n"
                       "\x1f\x8b\x08....",
                       types[i]);
        call_with(answer, &call);
        assert_int_equal(call.fault, FAULT_CONTENT_TYPE);
        assert_non_null(strstr(call.diag.text, "Content-Encoding: gzip"));
    }
    call_with("HTTP/1.1 200 Y\r\nContent-Encoding: identity\r\n" JSON HI,
              &call);
    assert_int_equal(call.fault, FAULT_NONE);
    call_fini(&call);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_ends_where_it_says_so),
        cmocka_unit_test(choices_do_not_run_together_in_a_stream),
        cmocka_unit_test(the_first_choice_counts_wherever_it_stands),
        cmocka_unit_test(a_byte_order_mark_costs_no_event),
        cmocka_unit_test(a_key_is_found_however_json_spells_it),
        cmocka_unit_test(only_who_turns_a_call_away_asks_to_wait),
        cmocka_unit_test(what_comes_compressed_is_said_to_be_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
