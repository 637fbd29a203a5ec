/* What the sockets promise, over real ones. */
#include "proto/socket.h"
#include "tests/co_test.h"

#include <string.h>
#include <zmq.h>

enum { WAIT_MS = 5000 };

struct fixture {
    void *ctx;
    struct sock *router, *dealer;
};

static int
setup(void **state)
{
    static struct fixture f;
    struct co_diag diag;

    f.ctx = zmq_ctx_new();
    assert_int_equal(
        sock_bind(f.ctx, "tcp://127.0.0.1:*", NULL, &diag, &f.router), CO_OK);
    assert_int_equal(
        sock_connect(f.ctx, sock_endpoint(f.router), NULL, &diag, &f.dealer),
        CO_OK);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    sock_free(f->dealer);
    sock_free(f->router);
    (void)zmq_ctx_term(f->ctx);
    return 0;
}

/* Waits for the events on the socket, with a deadline. */
static void
wait_for(struct sock *s, short events)
{
    zmq_pollitem_t item = {sock_handle(s), 0, events, 0};

    assert_int_equal(zmq_poll(&item, 1, WAIT_MS), 1);
}

static uint64_t
expect(struct sock *s, const char *text, size_t body_len)
{
    struct co_bytes head;
    struct co_bytes body;
    uint64_t peer;

    enum co_err err;

    do { /* what is skipped wakes us too */
        wait_for(s, ZMQ_POLLIN);
        err = sock_recv(s, &peer, &head, &body);
    } while (err == CO_AGAIN);
    assert_int_equal(err, CO_OK);
    assert_int_equal(head.len, strlen(text));
    assert_memory_equal(head.data, text, head.len);
    assert_int_equal(body.len, body_len);
    for (size_t i = 0; i < body_len; i++) {
        assert_int_equal(body.data[i], 'b');
    }
    co_bytes_unref(&head);
    co_bytes_unref(&body);
    return peer;
}

static void
send_text(struct sock *s, uint64_t peer, const char *text, size_t body_len)
{
    struct co_bytes body = {0};
    uint8_t *data;

    if (body_len) {
        assert_int_equal(co_bytes_new(body_len, &data, &body), CO_OK);
        memset(data, 'b', body_len);
    }
    assert_int_equal(
        sock_send(s, peer, co_bytes_borrow(text, strlen(text)), body), CO_OK);
}

static void
messages_of_every_size_go_both_ways(void **state)
{
    static const size_t sizes[] = {0, 1, 33, 34, 1024, 1025, BODY_BYTES_MAX};
    struct fixture *f = *state;

    wait_for(f->dealer, ZMQ_POLLOUT);
    for (size_t i = 0; i < co_countof(sizes); i++) {
        uint64_t peer;

        send_text(f->dealer, 0, "ping", sizes[i]);
        peer = expect(f->router, "ping", sizes[i]);
        send_text(f->router, peer, "pong", sizes[i]);
        (void)expect(f->dealer, "pong", sizes[i]);
    }
}

static void
an_unknown_receiver_is_told_and_counted(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sock_send(f->router, 12345, co_bytes_borrow("x", 1),
                               (struct co_bytes){0}),
                     CO_UNAVAILABLE);
    assert_int_equal(sock_counts(f->router)->unroutable, 1);
}

static void
wrong_numbers_of_frames_are_skipped_and_counted(void **state)
{
    struct fixture *f = *state;
    void *raw = sock_handle(f->dealer);

    wait_for(f->dealer, ZMQ_POLLOUT);
    assert_int_equal(zmq_send(raw, "one", 3, 0), 3);
    assert_int_equal(zmq_send(raw, "a", 1, ZMQ_SNDMORE), 1);
    assert_int_equal(zmq_send(raw, "b", 1, ZMQ_SNDMORE), 1);
    assert_int_equal(zmq_send(raw, "c", 1, 0), 1);
    send_text(f->dealer, 0, "good", 0);
    (void)expect(f->router, "good", 0);
    assert_int_equal(sock_counts(f->router)->malformed, 2);
}

static void
nothing_is_bound_or_connected_beyond_this_host(void **state)
{
    static const char *const bad[] = {"tcp://*:5000",
                                      "tcp://0.0.0.0:5000",
                                      "tcp://192.0.2.1:5000",
                                      "tcp://127.example.org:5000",
                                      "tcp://localhost.example.org:5000",
                                      "tcp://127.0.0.1:0;192.0.2.1:5000",
                                      "tcp://127.0.0.1",
                                      "tcp://[::]:5000",
                                      "udp://127.0.0.1:5000",
                                      "nonsense"};
    struct fixture *f = *state;
    struct sock *s = NULL;
    struct co_diag diag;

    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_int_equal(sock_bind(f->ctx, bad[i], NULL, &diag, &s), CO_DENIED);
        assert_int_equal(sock_connect(f->ctx, bad[i], NULL, &diag, &s),
                         CO_DENIED);
        assert_non_null(strstr(diag.text, bad[i]));
    }
    assert_null(s);
}

static void
with_keys_tcp_may_go_anywhere_and_nothing_else(void **state)
{
    static const char *const good[] = {"tcp://*:5000", "tcp://192.0.2.1:5000",
                                       "tcp://example.org:5000",
                                       "ipc:///tmp/x"};

    (void)state;
    for (size_t i = 0; i < co_countof(good); i++) {
        assert_int_equal(sock_allowed(good[i], true, NULL), CO_OK);
    }
    assert_int_equal(sock_allowed("udp://192.0.2.1:5000", true, NULL),
                     CO_DENIED);
    assert_int_equal(sock_allowed("tcp://a:1;b:2", true, NULL), CO_DENIED);
    assert_int_equal(sock_allowed("tcp://127.0.0.1:65535", false, NULL), CO_OK);
    assert_int_equal(sock_allowed("tcp://127.0.0.1:65536", false, NULL),
                     CO_DENIED);
    assert_int_equal(sock_allowed("tcp://a:99999999999", true, NULL),
                     CO_DENIED);
    assert_true(sock_is_local("tcp://127.0.0.1:*"));
    assert_true(sock_is_local("tcp://[::1]:5000"));
    assert_true(sock_is_local("tcp://localhost:5000"));
    assert_false(sock_is_local("tcp://0.0.0.0:5000"));
}

static void
sending_without_a_connection_fails_at_once(void **state)
{
    struct fixture *f = *state;
    struct sock *alone = NULL;

    assert_int_equal(
        sock_connect(f->ctx, "ipc:///nonexistent/socket", NULL, NULL, &alone),
        CO_OK);
    assert_int_equal(
        sock_send(alone, 0, co_bytes_borrow("x", 1), (struct co_bytes){0}),
        CO_UNAVAILABLE);
    sock_free(alone);
}

static int
option_of(struct sock *s, int option)
{
    int value = -1;
    size_t len = sizeof value;

    assert_int_equal(zmq_getsockopt(sock_handle(s), option, &value, &len), 0);
    return value;
}

/* Each costs libzmq a walk over the timers of all peers: 10,000 workers would
 * count as dead because nobody gets to read what they send. */
static void
a_router_has_no_timer_for_a_peer_and_lets_the_kernel_watch_the_link(
    void **state)
{
    struct fixture *f = *state;

    assert_int_equal(option_of(f->router, ZMQ_HEARTBEAT_IVL), 0);
    assert_int_equal(option_of(f->dealer, ZMQ_HEARTBEAT_TTL), 0);
    assert_true(option_of(f->dealer, ZMQ_HEARTBEAT_IVL) > 0);
    assert_int_equal(option_of(f->router, ZMQ_TCP_KEEPALIVE), 1);
    assert_true(option_of(f->router, ZMQ_TCP_MAXRT) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(messages_of_every_size_go_both_ways),
        T(an_unknown_receiver_is_told_and_counted),
        T(wrong_numbers_of_frames_are_skipped_and_counted),
        T(nothing_is_bound_or_connected_beyond_this_host),
        T(with_keys_tcp_may_go_anywhere_and_nothing_else),
        T(a_router_has_no_timer_for_a_peer_and_lets_the_kernel_watch_the_link),
        T(sending_without_a_connection_fails_at_once),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
