/* Who is let in, over real sockets. */
#include "common/clock.h"
#include "common/fs.h"
#include "proto/gate.h"
#include "proto/socket.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum { WAIT_MS = 20000, QUIET_MS = 200, PATH_BYTES = 256 };

struct fixture {
    char dir[PATH_BYTES];
    void *zmq;
    struct gate *gate;
    struct sock *back; /* workers come here */
    struct sock *peers[4];
    size_t n_peers;
    struct key broker, worker, coordinator, stranger;
};

static struct key
made(struct fixture *f, enum key_role role, const char *name)
{
    struct key key;

    assert_int_equal(keyfile_make(f->dir, role, name, &key, NULL), CO_OK);
    return key;
}

static void
takes_away(const struct fixture *f, const char *name)
{
    char path[2 * PATH_BYTES];

    (void)snprintf(path, sizeof path, "%s/%s.pub", f->dir, name);
    assert_int_equal(unlink(path), 0);
}

static struct sock_keys
server_keys(const struct fixture *f)
{
    return (struct sock_keys){.public = f->broker.public,
                              .secret = f->broker.secret,
                              .domain = gate_domain(KEY_WORKER),
                              .monitor = gate_monitor(KEY_WORKER)};
}

static int
setup(void **state)
{
    static struct fixture f;
    struct co_diag diag = {""};
    struct sock_keys keys;

    (void)snprintf(f.dir, sizeof f.dir, "/tmp/cohort-gate-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    f.broker = made(&f, KEY_BROKER, "broker");
    f.worker = made(&f, KEY_WORKER, "worker");
    f.coordinator = made(&f, KEY_COORDINATOR, "coordinator");
    f.stranger = made(&f, KEY_WORKER, "stranger");
    takes_away(&f, "stranger");
    f.zmq = zmq_ctx_new();
    assert_int_equal(gate_new(f.zmq, f.dir, &f.gate, &diag), CO_OK);
    keys = server_keys(&f);
    assert_int_equal(
        sock_bind(f.zmq, "tcp://127.0.0.1:*", &keys, &diag, &f.back), CO_OK);
    assert_int_equal(gate_watch(f.gate, KEY_WORKER), CO_OK);
    assert_int_equal(gate_run(f.gate, &diag), CO_OK);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->n_peers; i++) {
        sock_free(f->peers[i]);
    }
    f->n_peers = 0;
    sock_free(f->back);
    gate_free(f->gate);
    (void)zmq_ctx_term(f->zmq);
    return (int)co_fs_remove_tree(f->dir, NULL);
}

/* A peer, freed at the end, with own and the key that it expects of the other
 * end. */
static struct sock *
peer(struct fixture *f, const struct key *own, const struct key *server)
{
    struct sock_keys keys = {
        .public = own->public, .secret = own->secret, .server = server->public};
    struct sock *s = NULL;

    assert_int_equal(sock_connect(f->zmq, sock_endpoint(f->back),
                                  own == server ? NULL : &keys, NULL, &s),
                     CO_OK);
    assert_true(f->n_peers < co_countof(f->peers));
    f->peers[f->n_peers++] = s;
    return s;
}

static bool
polls(struct sock *s, short events, int ms)
{
    zmq_pollitem_t item = {sock_handle(s), 0, events, 0};

    return zmq_poll(&item, 1, ms) == 1;
}

/* s says something, and it arrives. */
static void
is_let_in(struct fixture *f, struct sock *s)
{
    struct co_bytes head, body;
    uint64_t from;

    assert_true(polls(s, ZMQ_POLLOUT, WAIT_MS));
    assert_int_equal(
        sock_send(s, 0, co_bytes_borrow("x", 1), (struct co_bytes){0}), CO_OK);
    assert_true(polls(f->back, ZMQ_POLLIN, WAIT_MS));
    assert_int_equal(sock_recv(f->back, &from, &head, &body), CO_OK);
    co_bytes_unref(&head);
    co_bytes_unref(&body);
}

static struct gate_counts
counts(const struct fixture *f)
{
    struct gate_counts c;

    gate_read_counts(f->gate, &c);
    return c;
}

/* Waits until the condition on counts c holds. */
#define UNTIL(f, condition)                                                    \
    do {                                                                       \
        int64_t until_ms = co_clock_ms() + WAIT_MS;                            \
        struct gate_counts c = counts(f);                                      \
                                                                               \
        while (!(condition) && co_clock_ms() < until_ms) {                     \
            (void)polls((f)->back, ZMQ_POLLIN, 1);                             \
            c = counts(f);                                                     \
        }                                                                      \
        assert_true(condition);                                                \
    } while (0)

/* ---- handshakes ---------------------------------------------------------- */

static void
an_allowed_key_comes_in_and_is_known_with_each_message(void **state)
{
    struct fixture *f = *state;
    struct sock *s = peer(f, &f->worker, &f->broker);

    is_let_in(f, s);
    assert_int_equal(sock_peer_key(f->back), key_id(f->worker.public));
    assert_int_equal(counts(f).keys_admitted, 1);
    assert_int_equal(sock_unwelcome(s), 0);
}

static void
an_unknown_key_and_one_of_another_role_stay_outside(void **state)
{
    struct fixture *f = *state;
    struct sock *unknown = peer(f, &f->stranger, &f->broker);
    struct sock *other = peer(f, &f->coordinator, &f->broker);

    UNTIL(f, c.denied_key == 1 && c.denied_role == 1);
    assert_false(polls(unknown, ZMQ_POLLOUT, QUIET_MS));
    assert_false(polls(other, ZMQ_POLLOUT, 0));
    assert_false(sock_ready(f->back));
    assert_int_equal(counts(f).keys_admitted, 0);
}

static void
without_a_key_or_with_another_servers_nobody_comes_in(void **state)
{
    struct fixture *f = *state;
    struct sock *wrong;
    uint32_t failures = 0;

    (void)peer(f, &f->worker, &f->worker);
    UNTIL(f, c.denied_handshake >= 1);
    wrong = peer(f, &f->worker, &f->coordinator);
    UNTIL(f, c.denied_handshake >= 3); /* it tries again */
    assert_int_equal(counts(f).denied_key, 0);
    for (int i = 0; i < WAIT_MS / QUIET_MS && failures == 0; i++) {
        failures = sock_unwelcome(wrong);
        if (!failures) (void)polls(wrong, ZMQ_POLLIN, QUIET_MS);
    }
    assert_true(failures > 0);
    assert_false(sock_ready(f->back));
}

static void
without_a_gate_nobody_comes_in(void **state)
{
    struct fixture *f = *state;
    void *zmq = zmq_ctx_new(); /* no gate in this one */
    struct sock_keys keys = server_keys(f);
    struct sock *front = NULL, *s;
    bool in;

    keys.monitor = NULL;
    assert_int_equal(sock_bind(zmq, "tcp://127.0.0.1:*", &keys, NULL, &front),
                     CO_OK);
    keys = (struct sock_keys){.public = f->worker.public,
                              .secret = f->worker.secret,
                              .server = f->broker.public};
    assert_int_equal(
        sock_connect(f->zmq, sock_endpoint(front), &keys, NULL, &s), CO_OK);
    f->peers[f->n_peers++] = s;
    in = polls(s, ZMQ_POLLOUT, 5 * QUIET_MS);
    sock_free(front);
    (void)zmq_ctx_term(zmq);
    assert_false(in);
}

/* ---- changes ------------------------------------------------------------- */

static void
a_key_that_is_added_comes_in_after_the_reload(void **state)
{
    struct fixture *f = *state;
    struct key late = made(f, KEY_WORKER, "late");
    struct sock *s;

    assert_int_equal(gate_generation(f->gate), 1);
    gate_reload(f->gate);
    UNTIL(f, c.keys_reloads == 1 && gate_generation(f->gate) == 2);
    assert_int_equal(counts(f).keys_allowed, 3);
    s = peer(f, &late, &f->broker);
    is_let_in(f, s);
}

static void
a_folder_that_cannot_be_read_changes_nothing(void **state)
{
    struct fixture *f = *state;
    char away[PATH_BYTES + 8];
    struct sock *s;

    (void)snprintf(away, sizeof away, "%s.away", f->dir);
    assert_int_equal(rename(f->dir, away), 0);
    gate_reload(f->gate);
    UNTIL(f, c.keys_unreadable == 1);
    assert_int_equal(rename(away, f->dir), 0);
    assert_int_equal(gate_generation(f->gate), 1);
    s = peer(f, &f->worker, &f->broker);
    is_let_in(f, s);
}

static void
a_list_in_hand_stays_while_the_gate_has_a_new_one(void **state)
{
    struct fixture *f = *state;
    struct allowlist *old = gate_list(f->gate), *new;

    takes_away(f, "worker");
    gate_reload(f->gate);
    UNTIL(f, gate_generation(f->gate) == 2 && c.keys_reloads == 1);
    new = gate_list(f->gate);
    assert_true(allowlist_has(old, key_id(f->worker.public), KEY_WORKER));
    assert_false(allowlist_has(new, key_id(f->worker.public), KEY_WORKER));
    allowlist_unref(new);
    allowlist_unref(old);
}

static void
a_peer_that_is_cut_has_to_show_its_key_again(void **state)
{
    struct fixture *f = *state;
    struct sock *s = peer(f, &f->worker, &f->broker);

    is_let_in(f, s);
    takes_away(f, "worker");
    gate_reload(f->gate);
    UNTIL(f, gate_generation(f->gate) == 2 && c.keys_reloads == 1);
    sock_cut(f->back);
    UNTIL(f, c.denied_key == 1);
    sock_cut(f->back); /* once more does no harm */
    assert_int_equal(counts(f).keys_admitted, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(an_allowed_key_comes_in_and_is_known_with_each_message),
        T(an_unknown_key_and_one_of_another_role_stay_outside),
        T(without_a_key_or_with_another_servers_nobody_comes_in),
        T(without_a_gate_nobody_comes_in),
        T(a_key_that_is_added_comes_in_after_the_reload),
        T(a_folder_that_cannot_be_read_changes_nothing),
        T(a_list_in_hand_stays_while_the_gate_has_a_new_one),
        T(a_peer_that_is_cut_has_to_show_its_key_again),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
