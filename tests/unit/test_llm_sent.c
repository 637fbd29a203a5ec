/* One ask is one request: none is sent twice, whatever the server does with a
 * connection that was used before, and whoever asks is told whether it may have
 * been sent. Over real sockets of this machine. */
#include "llm/http.h"
#include "tests/co_test.h"
#include "tests/unit/loopback.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: 2\r\n\r\n{}";

/* What the server does with a whole request. */
enum deed { ANSWER, CLOSE, RESET, HALF };

/* Serves one connection at a time, only from within turn(). */
struct server {
    int fd, connection; /* -1: none */
    uint16_t port;
    const enum deed *deeds; /* one a request; the last for all that follow */
    size_t count, requests, accepted;
    char got[8192];
    size_t got_len;
};

struct end {
    bool done, sent;
    enum fault fault;
    char why[HTTP_WHY_BYTES];
};

static void
server_open(struct server *s, const enum deed *deeds, size_t count)
{
    *s = (struct server){
        .fd = -1, .connection = -1, .deeds = deeds, .count = count};
    s->fd = loopback_listen(8, &s->port);
}

static void
server_drop(struct server *s, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (reset) {
        (void)setsockopt(s->connection, SOL_SOCKET, SO_LINGER, &linger,
                         sizeof linger);
    }
    (void)close(s->connection);
    s->connection = -1;
}

/* A whole request came: its body ends with "!". */
static void
server_act(struct server *s)
{
    size_t n = s->requests++;

    s->got_len = 0;
    switch (s->deeds[n < s->count ? n : s->count - 1]) {
    case ANSWER:
        (void)send(s->connection, answer, sizeof answer - 1, MSG_NOSIGNAL);
        return;
    case HALF:
        (void)send(s->connection, answer, sizeof answer / 2, MSG_NOSIGNAL);
        server_drop(s, false);
        return;
    case CLOSE:
    case RESET:
        server_drop(s, s->deeds[n < s->count ? n : s->count - 1] == RESET);
        return;
    }
}

static void
server_turn(struct server *s)
{
    struct pollfd ready = {.fd = s->fd, .events = POLLIN};
    ssize_t n;

    if (poll(&ready, 1, 0) == 1) {
        if (s->connection >= 0) server_drop(s, false);
        s->connection = accept(s->fd, NULL, NULL);
        s->accepted++;
        s->got_len = 0;
    }
    if (s->connection < 0) return;
    n = recv(s->connection, s->got + s->got_len, sizeof s->got - s->got_len,
             MSG_DONTWAIT);
    if (n > 0) s->got_len += (size_t)n;
    if (n > 0 && s->got[s->got_len - 1] == '!') server_act(s);
}

static void
server_close(struct server *s)
{
    if (s->connection >= 0) (void)close(s->connection);
    (void)close(s->fd);
}

static struct http *
client(uint64_t first_byte_ms)
{
    const struct http_options options = {.in_flight = 1,
                                         .body_max = 65536,
                                         .connect_ms = 10000,
                                         .first_byte_ms = first_byte_ms,
                                         .idle_ms = 60000,
                                         .total_ms = 60000};
    struct co_diag diag = {""};
    struct http *http = NULL;

    assert_int_equal(http_new(&options, &http, &diag), CO_OK);
    return http;
}

static struct http_target *
target_of(const char *scheme, uint16_t port)
{
    struct http_target *target = NULL;
    char url[64];

    (void)snprintf(url, sizeof url, "%s://127.0.0.1:%u/", scheme,
                   (unsigned)port);
    assert_int_equal(http_target_new(url, NULL, 0, &target), CO_OK);
    return target;
}

static void
on_done(void *self, const struct http_result *result)
{
    struct end *end = self;

    end->done = true;
    end->fault = result->fault;
    end->sent = result->sent;
    (void)snprintf(end->why, sizeof end->why, "%s", result->why);
}

/* One call, its body len bytes long. */
static struct end
call(struct http *http, const struct http_target *target, struct server *s,
     size_t len)
{
    static char body[4096];
    struct end end = {.done = false};
    const struct http_request request = {.target = target,
                                         .body = body,
                                         .body_len = len,
                                         .self = &end,
                                         .on_done = on_done};

    assert_true(len <= sizeof body);
    memset(body, 'x', len);
    body[len - 1] = '!';
    assert_int_equal(http_start(http, &request), CO_OK);
    while (!end.done) {
        assert_int_equal(http_turn(http, 2), CO_OK);
        if (s) server_turn(s);
    }
    return end;
}

static void
a_request_on_a_used_connection_that_dies_is_not_sent_again(void **state)
{
    static const enum deed ends[] = {CLOSE, RESET};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const enum deed deeds[] = {ANSWER, ends[i % 2], ANSWER};
        struct http *http = client(10000);
        struct http_target *target;
        struct server s;
        struct end end;

        server_open(&s, deeds, co_countof(deeds));
        target = target_of("http", s.port);
        end = call(http, target, &s, i < 2 ? 20 : 4000);
        assert_true(end.fault == FAULT_NONE && end.sent);
        end = call(http, target, &s, i < 2 ? 20 : 4000);
        assert_int_equal(end.fault, FAULT_RESET);
        assert_true(end.sent && end.why[0]);
        assert_int_equal(s.requests, 2);
        /* The next one is none the worse. */
        end = call(http, target, &s, 20);
        assert_int_equal(end.fault, FAULT_NONE);
        assert_int_equal(s.requests, 3);
        http_free(http);
        http_target_free(target);
        server_close(&s);
    }
}

/* It was closed while nobody used it: that is seen before anything is sent. */
static void
a_connection_that_ended_between_calls_costs_none(void **state)
{
    const enum deed deeds[] = {ANSWER};
    struct http *http = client(10000);
    struct http_target *target;
    struct server s;

    (void)state;
    server_open(&s, deeds, 1);
    target = target_of("http", s.port);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(call(http, target, &s, 20).fault, FAULT_NONE);
        server_drop(&s, i % 2);
    }
    assert_int_equal(s.requests, 5);
    assert_int_equal(s.accepted, 5);
    http_free(http);
    http_target_free(target);
    server_close(&s);
}

static void
what_came_after_sending_counts_as_sent(void **state)
{
    const enum deed deeds[] = {RESET, CLOSE, HALF};
    struct http *http = client(10000);
    struct http_target *target;
    struct server s;

    (void)state;
    server_open(&s, deeds, co_countof(deeds));
    target = target_of("http", s.port);
    for (size_t i = 0; i < co_countof(deeds); i++) {
        struct end end = call(http, target, &s, 20);

        assert_int_equal(end.fault, i == 2 ? FAULT_CUT : FAULT_RESET);
        assert_true(end.sent);
    }
    assert_int_equal(s.requests, 3);
    http_free(http);
    http_target_free(target);
    server_close(&s);
}

static void
a_server_that_says_nothing_was_sent_to(void **state)
{
    const enum deed deeds[] = {ANSWER};
    struct http *http = client(50);
    struct http_target *target;
    struct server s;
    struct end end;

    (void)state;
    server_open(&s, deeds, 1);
    target = target_of("http", s.port);
    end = call(http, target, NULL, 20); /* in the listener's queue */
    assert_int_equal(end.fault, FAULT_FIRST_BYTE_TIMEOUT);
    assert_true(end.sent);
    http_free(http);
    http_target_free(target);
    server_close(&s);
}

static void
what_never_had_a_connection_was_not_sent(void **state)
{
    const enum deed deeds[] = {CLOSE};
    struct http *http = client(10000);
    struct http_target *target;
    struct server s;
    struct end end;

    (void)state;
    server_open(&s, deeds, 1);
    target = target_of("https", s.port);
    assert_int_equal(close(s.fd), 0);
    end = call(http, target, NULL, 20);
    assert_int_equal(end.fault, FAULT_CONNECT);
    assert_false(end.sent);
    http_target_free(target);
    assert_int_equal(
        http_target_new("http://no-such-host.invalid/", NULL, 0, &target),
        CO_OK);
    end = call(http, target, NULL, 20);
    assert_int_equal(end.fault, FAULT_RESOLVE);
    assert_false(end.sent);
    http_free(http);
    http_target_free(target);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_request_on_a_used_connection_that_dies_is_not_sent_again),
        cmocka_unit_test(a_connection_that_ended_between_calls_costs_none),
        cmocka_unit_test(what_came_after_sending_counts_as_sent),
        cmocka_unit_test(a_server_that_says_nothing_was_sent_to),
        cmocka_unit_test(what_never_had_a_connection_was_not_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
