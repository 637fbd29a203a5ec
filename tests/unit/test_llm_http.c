/* Calls over real sockets of this machine: what becomes of them when
 * connections do not come about, and that the next ones are none the worse. */
#include "common/clock.h"
#include "llm/http.h"
#include "tests/co_test.h"
#include "tests/unit/loopback.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_MS = 300, CROWD = 1001, FILLERS_MAX = 64 };

static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    "Content-Length: 2\r\nConnection: close\r\n\r\n{}";

/* An endpoint that answers only from within turn(). */
struct endpoint {
    int fd, accepted[16];
    size_t count;
    uint16_t port;
    int fillers[FILLERS_MAX];
    size_t filled;
};

/* How a call ended. */
struct end {
    struct http *http;
    bool done;
    enum fault fault;
    int64_t total_us;
};

static void
endpoint_open(struct endpoint *e, int backlog)
{
    *e = (struct endpoint){.fd = -1};
    e->fd = loopback_listen(backlog, &e->port);
}

/* Connects until the queue of the listener is full: then SYNs are dropped. */
static void
endpoint_fill(struct endpoint *e)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(e->port)};
    struct pollfd ready = {.events = POLLOUT};

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    do {
        assert_true(e->filled < FILLERS_MAX);
        ready.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        e->fillers[e->filled++] = ready.fd;
        (void)connect(ready.fd, (struct sockaddr *)&at, sizeof at);
    } while (poll(&ready, 1, 50) == 1);
}

/* Takes the fillers out of the queue again. They stay open: the lowest free
 * number is then that of the socket that a call dropped. */
static void
endpoint_drain(struct endpoint *e)
{
    struct pollfd ready = {.fd = e->fd, .events = POLLIN};

    while (poll(&ready, 1, 50) == 1) {
        assert_int_equal(close(accept(e->fd, NULL, NULL)), 0);
    }
}

static void
endpoint_close(struct endpoint *e)
{
    for (size_t i = 0; i < e->filled; i++) {
        (void)close(e->fillers[i]);
    }
    for (size_t i = 0; i < e->count; i++) {
        (void)close(e->accepted[i]);
    }
    (void)close(e->fd);
}

/* Accepts and answers what is there. */
static void
endpoint_turn(struct endpoint *e)
{
    struct pollfd ready = {.fd = e->fd, .events = POLLIN};
    char request[4096];

    while (poll(&ready, 1, 0) == 1) {
        assert_true(e->count < co_countof(e->accepted));
        e->accepted[e->count++] = accept(e->fd, NULL, NULL);
    }
    for (size_t i = 0; i < e->count; i++) {
        if (recv(e->accepted[i], request, sizeof request, MSG_DONTWAIT) <= 0) {
            continue;
        }
        (void)send(e->accepted[i], answer, sizeof answer - 1, MSG_NOSIGNAL);
    }
}

static void
on_done(void *self, const struct http_result *result)
{
    struct end *end = self;

    end->done = true;
    end->fault = result->fault;
    end->total_us = result->total_us;
}

static struct http *
client(uint32_t in_flight, uint64_t total_ms)
{
    const struct http_options options = {.in_flight = in_flight,
                                         .body_max = 65536,
                                         .connect_ms = CONNECT_MS,
                                         .first_byte_ms = 60000,
                                         .idle_ms = 60000,
                                         .total_ms = total_ms};
    struct co_diag diag = {""};
    struct http *http = NULL;

    assert_int_equal(http_new(&options, &http, &diag), CO_OK);
    return http;
}

static struct http_target *
target_of(uint16_t port)
{
    struct http_target *target = NULL;
    char url[64];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)port);
    assert_int_equal(http_target_new(url, NULL, 0, &target), CO_OK);
    return target;
}

static void
start(struct http *http, const struct http_target *target, struct end *end)
{
    const struct http_request request = {.target = target,
                                         .body = "{}",
                                         .body_len = 2,
                                         .self = end,
                                         .on_done = on_done};

    *end = (struct end){.http = http};
    assert_int_equal(http_start(http, &request), CO_OK);
}

static enum fault
call(struct http *http, const struct http_target *target, struct endpoint *e)
{
    struct end end;

    start(http, target, &end);
    while (!end.done) {
        assert_int_equal(http_turn(http, 5), CO_OK);
        if (e) endpoint_turn(e);
    }
    return end.fault;
}

/* The socket of the first is closed by libcurl without a word to us, and the
 * second gets its number. */
static void
a_connection_comes_about_after_others_that_did_not(void **state)
{
    struct http *http = client(4, 60000);
    struct http_target *target;
    struct endpoint e;

    (void)state;
    endpoint_open(&e, 0);
    target = target_of(e.port);
    for (int i = 0; i < 3; i++) {
        endpoint_fill(&e);
        assert_int_equal(call(http, target, NULL), FAULT_CONNECT_TIMEOUT);
        endpoint_drain(&e);
        assert_int_equal(call(http, target, &e), FAULT_NONE);
    }
    http_free(http);
    http_target_free(target);
    endpoint_close(&e);
}

/* Also where memory gives the second the place of the first. */
static void
a_target_made_after_another_was_freed_is_another(void **state)
{
    struct http *http = client(1, 60000);
    struct endpoint a, b;

    (void)state;
    endpoint_open(&a, 8);
    endpoint_open(&b, 8);
    for (int i = 0; i < 4; i++) {
        struct endpoint *e = i % 2 ? &b : &a;
        struct http_target *target = target_of(e->port);

        assert_int_equal(call(http, target, e), FAULT_NONE);
        http_target_free(target);
    }
    assert_true(a.count > 0 && b.count > 0);
    http_free(http);
    endpoint_close(&a);
    endpoint_close(&b);
}

/* More than may connect at once: the last has all of its time from its turn
 * on, not only what the others left. */
static void
time_to_connect_begins_when_a_call_has_its_turn(void **state)
{
    static struct end ends[CROWD];
    struct http *http = client(CROWD, 60000);
    struct http_target *target;
    struct endpoint e;

    (void)state;
    endpoint_open(&e, 0);
    endpoint_fill(&e);
    target = target_of(e.port);
    for (size_t i = 0; i < CROWD; i++) {
        start(http, target, &ends[i]);
    }
    while (http_in_flight(http) > 0) {
        assert_int_equal(http_turn(http, -1), CO_OK);
    }
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(ends[i].fault, FAULT_CONNECT_TIMEOUT);
    }
    assert_true(ends[CROWD - 1].total_us >= INT64_C(2000) * CONNECT_MS);
    http_free(http);
    http_target_free(target);
    endpoint_close(&e);
}

/* Milliseconds until http_due_us, for poll. */
static int
due_ms(const struct http *http)
{
    int64_t due = http_due_us(http), now = co_clock_us();

    if (due == INT64_MAX) return -1;
    return due <= now ? 0 : (int)((due - now + 999) / 1000);
}

/* Nothing but the descriptor and the time says when to turn. */
static void
a_loop_of_its_owner_turns_it_when_there_is_something_to_do(void **state)
{
    struct http *http = client(4, 60000);
    struct http_target *target;
    struct endpoint e;
    struct end ends[2];

    (void)state;
    endpoint_open(&e, 8);
    target = target_of(e.port);
    assert_true(http_due_us(http) == INT64_MAX);
    start(http, target, &ends[0]);
    assert_true(http_due_us(http) <= co_clock_us());
    for (int i = 0; i < 2; i++) {
        while (!ends[i].done) {
            struct pollfd fds[] = {
                {.fd = http_fd(http), .events = POLLIN},
                {.fd = e.fd, .events = POLLIN},
                {.fd = e.count ? e.accepted[e.count - 1] : -1,
                 .events = POLLIN}};

            assert_true(poll(fds, co_countof(fds), due_ms(http)) >= 0);
            if (fds[1].revents || fds[2].revents) endpoint_turn(&e);
            if (fds[0].revents || due_ms(http) == 0) {
                assert_int_equal(http_turn(http, 0), CO_OK);
            }
        }
        assert_int_equal(ends[i].fault, FAULT_NONE);
        if (i == 0) start(http, target, &ends[1]);
    }
    http_free(http);
    http_target_free(target);
    endpoint_close(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_loop_of_its_owner_turns_it_when_there_is_something_to_do),
        cmocka_unit_test(a_connection_comes_about_after_others_that_did_not),
        cmocka_unit_test(a_target_made_after_another_was_freed_is_another),
        cmocka_unit_test(time_to_connect_begins_when_a_call_has_its_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
