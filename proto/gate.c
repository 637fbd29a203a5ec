/* gate.c - see gate.h.
 * CZMQ's zauth would do, but it reads its folder at each handshake, which a
 * stranger can make a thousand of a second, and knows no roles. */
#include "proto/gate.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    ZAP_FRAMES = 7, /* version, id, domain, address, identity, mechanism, key */
    FRAME_BYTES_MAX = 256,
    LOG_EVERY_MS = 1000,
    WINDOW_MS = 15000, /* longer than a handshake: HANDSHAKE_MS of socket.c */
    TURN_MAX = 256,    /* messages of one socket, then the others have a turn */
};

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define CONTROL_ENDPOINT "inproc://gate-control"

enum order { ORDER_STOP, ORDER_RELOAD };

enum why { WHY_KEY, WHY_ROLE, WHY_HANDSHAKE, WHY_COUNT };

struct gate {
    void *zmq;
    char *dir;
    void *zap, *tell, *hear; /* tell: the caller's end, hear: the thread's */
    void *monitors[KEY_ROLE_COUNT];
    pthread_t thread;
    bool runs;
    pthread_mutex_t mutex; /* of list */
    struct allowlist *list;
    _Atomic uint32_t generation;
    struct {
#define X(name, help) _Atomic uint64_t name;
        GATE_COUNTERS(X)
#undef X
    } count;
    struct co_log_limit limits[WHY_COUNT];
    /* For denied_garbage, which libzmq does not tell of. */
    uint64_t succeeded, failed; /* handshakes */
    uint64_t settling;          /* connections when the window began */
    int64_t window_ms;          /* when it began */
};

const char *
gate_domain(enum key_role role)
{
    return key_role_name(role);
}

const char *
gate_monitor(enum key_role role)
{
    static const char *const addresses[KEY_ROLE_COUNT] = {
#define X(id, name) "inproc://gate-" name,
        KEY_ROLES(X)
#undef X
    };

    return addresses[role];
}

static void
count(_Atomic uint64_t *counter)
{
    (void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- the list ------------------------------------------------------------ */

static void
say_loaded(const struct allowlist *list)
{
    co_log(CO_LOG_INFO, "keys.loaded", "workers=%u coordinators=%u skipped=%u",
           allowlist_count(list, KEY_WORKER),
           allowlist_count(list, KEY_COORDINATOR), allowlist_bad(list));
}

static void
reload(struct gate *g)
{
    struct allowlist *list, *old;
    struct co_diag diag = {""};

    count(&g->count.keys_reloads);
    if (allowlist_load(g->dir, &list, &diag)) {
        count(&g->count.keys_unreadable);
        co_log(CO_LOG_ERROR, "keys.unreadable", "why=%s",
               co_log_quote(diag.text).text);
        return;
    }
    say_loaded(list);
    (void)pthread_mutex_lock(&g->mutex);
    old = g->list;
    g->list = list;
    (void)pthread_mutex_unlock(&g->mutex);
    allowlist_unref(old);
    (void)atomic_fetch_add(&g->generation, 1);
}

struct allowlist *
gate_list(struct gate *g)
{
    struct allowlist *list;

    (void)pthread_mutex_lock(&g->mutex);
    list = allowlist_ref(g->list);
    (void)pthread_mutex_unlock(&g->mutex);
    return list;
}

uint32_t
gate_generation(const struct gate *g)
{
    return atomic_load(&g->generation);
}

/* ---- handshakes ---------------------------------------------------------- */

struct frame {
    uint8_t data[FRAME_BYTES_MAX + 1]; /* ended by NUL */
    size_t len;
};

/* All frames of a message, at most max of them kept. The number of frames that
 * came; -1: no message waits. */
static int
frames_recv(void *socket, struct frame *v, int max)
{
    zmq_msg_t msg;
    int n = 0;
    int more = 1;

    (void)zmq_msg_init(&msg);
    while (more && zmq_msg_recv(&msg, socket, ZMQ_DONTWAIT) >= 0) {
        size_t len = zmq_msg_size(&msg);

        if (n < max && len <= FRAME_BYTES_MAX) {
            memcpy(v[n].data, zmq_msg_data(&msg), len);
            v[n].data[len] = '\0';
            v[n].len = len;
        } else if (n < max) {
            n = max; /* nobody sends that: it counts as too many frames */
        }
        more = zmq_msg_more(&msg);
        n++;
    }
    (void)zmq_msg_close(&msg);
    return n ? n : -1;
}

static void
say_denied(struct gate *g, enum why why, const struct key *known,
           const struct frame *v)
{
    char text[KEY_TEXT_SIZE];
    uint64_t more;

    if (!co_log_every(&g->limits[why], co_clock_ms(), LOG_EVERY_MS, &more)) {
        return;
    }
    co_log(CO_LOG_WARN, "key.denied",
           "why=%s wanted=%s key=%s name=%s role=%s address=%s more=%llu",
           why == WHY_ROLE ? "role" : "unknown",
           co_log_quote((const char *)v[2].data).text,
           co_log_quote(key_text(v[6].data, text)).text,
           known ? known->name : "", known ? key_role_name(known->role) : "",
           co_log_quote((const char *)v[3].data).text,
           (unsigned long long)more);
}

/* The key, if it may come in. */
static const struct key *
judge(struct gate *g, const struct allowlist *list, const struct frame *v)
{
    const struct key *key = allowlist_find(list, v[6].data);

    if (!key) {
        count(&g->count.denied_key);
        say_denied(g, WHY_KEY, NULL, v);
        return NULL;
    }
    if (strcmp(key_role_name(key->role), (const char *)v[2].data) != 0) {
        count(&g->count.denied_role);
        say_denied(g, WHY_ROLE, key, v);
        return NULL;
    }
    count(&g->count.keys_admitted);
    return key;
}

static void
answer(struct gate *g, const struct frame *id, const struct key *key)
{
    char user[CO_HEX16_SIZE] = "";
    /* 300 ("try later") and not 400 ("never"): see socket.c. */
    const char *code = key ? "200" : "300";
    const char *text = key ? "" : "not allowed";

    if (key) (void)co_hex16(key_id(key->public), user);
    (void)zmq_send(g->zap, "1.0", 3, ZMQ_SNDMORE);
    (void)zmq_send(g->zap, id->data, id->len, ZMQ_SNDMORE);
    (void)zmq_send(g->zap, code, 3, ZMQ_SNDMORE);
    (void)zmq_send(g->zap, text, strlen(text), ZMQ_SNDMORE);
    (void)zmq_send(g->zap, user, strlen(user), ZMQ_SNDMORE);
    (void)zmq_send(g->zap, "", 0, 0);
}

static void
read_handshakes(struct gate *g)
{
    struct allowlist *list = gate_list(g);

    for (int i = 0; i < TURN_MAX; i++) {
        static const struct frame none;
        struct frame v[ZAP_FRAMES] = {{{0}, 0}};
        int n = frames_recv(g->zap, v, ZAP_FRAMES);
        bool good = n == ZAP_FRAMES && v[6].len == KEY_BYTES &&
                    strcmp((const char *)v[0].data, "1.0") == 0 &&
                    strcmp((const char *)v[5].data, "CURVE") == 0;

        if (n < 0) break;
        if (!good) count(&g->count.denied_key); /* not from our sockets */
        answer(g, n > 1 ? &v[1] : &none, good ? judge(g, list, v) : NULL);
    }
    allowlist_unref(list);
}

/* ---- handshakes that failed before that ---------------------------------- */

static const char *
failure(uint16_t event, uint32_t value)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) {
        return "cut off or silent";
    }
    if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC) {
        return "made for another key than ours";
    }
    if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
        return "without a key";
    }
    return "not our protocol";
}

static void
say_failed(struct gate *g, const char *role, const char *why)
{
    uint64_t more;

    if (!co_log_every(&g->limits[WHY_HANDSHAKE], co_clock_ms(), LOG_EVERY_MS,
                      &more)) {
        return;
    }
    co_log(CO_LOG_WARN, "handshake.failed", "wanted=%s why=%s more=%llu", role,
           co_log_quote(why).text, (unsigned long long)more);
}

static void
on_event(struct gate *g, const char *role, uint16_t event, uint32_t value)
{
    switch (event) {
    case ZMQ_EVENT_ACCEPTED:
        count(&g->count.connections);
        break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        g->succeeded++;
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: /* judged, and counted there */
        g->failed++;
        break;
    default:
        g->failed++;
        count(&g->count.denied_handshake);
        say_failed(g, role, failure(event, value));
        break;
    }
}

/* A connection that sends what ZMTP 3 never begins with is closed without an
 * event. But none is undecided for longer than a handshake may last: of those
 * that were there when a window began, all are decided when it ends, and what
 * neither succeeded nor failed was that. (Later ones only make the number too
 * small, until a window without them.) */
static void
count_garbage(struct gate *g, int64_t now_ms)
{
    uint64_t decided = g->succeeded + g->failed;

    if (now_ms - g->window_ms < WINDOW_MS) return;
    if (g->settling > decided + g->count.denied_garbage) {
        g->count.denied_garbage = g->settling - decided;
        say_failed(g, "any", "garbage");
    }
    g->window_ms = now_ms;
    g->settling = g->count.connections;
}

static void
read_events(struct gate *g, void *monitor, const char *role)
{
    for (int i = 0; i < TURN_MAX; i++) {
        struct frame v[2] = {{{0}, 0}};
        uint16_t event;
        uint32_t value;

        if (frames_recv(monitor, v, 2) < 0) return;
        if (v[0].len != sizeof event + sizeof value) continue;
        memcpy(&event, v[0].data, sizeof event);
        memcpy(&value, v[0].data + sizeof event, sizeof value);
        on_event(g, role, event, value);
    }
}

/* ---- the thread ---------------------------------------------------------- */

/* False: it is to end. */
static bool
read_orders(struct gate *g)
{
    uint8_t order;

    while (zmq_recv(g->hear, &order, 1, ZMQ_DONTWAIT) == 1) {
        if (order == ORDER_STOP) return false;
        reload(g);
    }
    return true;
}

static void *
gate_thread(void *arg)
{
    struct gate *g = arg;
    zmq_pollitem_t items[2 + KEY_ROLE_COUNT] = {
        {g->hear, 0, ZMQ_POLLIN, 0},
        {g->zap, 0, ZMQ_POLLIN, 0},
    };
    int n = 2;

    for (int role = 0; role < KEY_ROLE_COUNT; role++) {
        if (!g->monitors[role]) continue;
        items[n++] = (zmq_pollitem_t){g->monitors[role], 0, ZMQ_POLLIN, 0};
    }
    g->window_ms = co_clock_ms();
    while (read_orders(g)) {
        read_handshakes(g);
        for (int role = 0; role < KEY_ROLE_COUNT; role++) {
            if (!g->monitors[role]) continue;
            read_events(g, g->monitors[role],
                        key_role_name((enum key_role)role));
        }
        count_garbage(g, co_clock_ms());
        (void)zmq_poll(items, n, WINDOW_MS);
    }
    return NULL;
}

/* ---- making and ending --------------------------------------------------- */

static enum co_err
open_sockets(struct gate *g)
{
    g->zap = zmq_socket(g->zmq, ZMQ_REP);
    g->tell = zmq_socket(g->zmq, ZMQ_PAIR);
    g->hear = zmq_socket(g->zmq, ZMQ_PAIR);
    if (!g->zap || !g->tell || !g->hear) return CO_NOMEM;
    if (zmq_bind(g->zap, ZAP_ENDPOINT) != 0 ||
        zmq_bind(g->hear, CONTROL_ENDPOINT) != 0 ||
        zmq_connect(g->tell, CONTROL_ENDPOINT) != 0) {
        return CO_IO;
    }
    return CO_OK;
}

enum co_err
gate_new(void *zmq_ctx, const char *dir, struct gate **ret_gate,
         struct co_diag *diag)
{
    co_auto(gate_freep) struct gate *g = calloc(1, sizeof *g);
    enum co_err err;

    if (!g) return co_fail(diag, CO_NOMEM, "out of memory");
    g->zmq = zmq_ctx;
    g->generation = 1;
    (void)pthread_mutex_init(&g->mutex, NULL);
    g->dir = strdup(dir);
    if (!g->dir) return co_fail(diag, CO_NOMEM, "out of memory");
    err = allowlist_load(dir, &g->list, diag);
    if (err) return err;
    say_loaded(g->list);
    err = open_sockets(g);
    if (err) return co_fail(diag, err, "cannot make sockets inside");
    *ret_gate = co_take(&g);
    return CO_OK;
}

enum co_err
gate_watch(struct gate *g, enum key_role role)
{
    const int unlimited = 0; /* a full one would stop libzmq's own thread */
    void *monitor = zmq_socket(g->zmq, ZMQ_PAIR);

    co_assert(!g->runs && !g->monitors[role]);
    if (!monitor) return CO_NOMEM;
    g->monitors[role] = monitor;
    (void)zmq_setsockopt(monitor, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
    return zmq_connect(monitor, gate_monitor(role)) == 0 ? CO_OK : CO_IO;
}

enum co_err
gate_run(struct gate *g, struct co_diag *diag)
{
    /* From here on zap, hear and monitors are the thread's. */
    if (pthread_create(&g->thread, NULL, gate_thread, g) != 0) {
        return co_fail(diag, CO_NOMEM, "cannot start a thread");
    }
    g->runs = true;
    return CO_OK;
}

static void
close_socket(void *socket)
{
    const int none = 0;

    if (!socket) return;
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    (void)zmq_close(socket);
}

static void
order(struct gate *g, enum order what)
{
    uint8_t byte = (uint8_t)what;

    (void)zmq_send(g->tell, &byte, 1, 0);
}

void
gate_free(struct gate *g)
{
    if (!g) return;
    if (g->runs) {
        order(g, ORDER_STOP);
        (void)pthread_join(g->thread, NULL);
    }
    close_socket(g->zap);
    close_socket(g->tell);
    close_socket(g->hear);
    for (int role = 0; role < KEY_ROLE_COUNT; role++) {
        close_socket(g->monitors[role]);
    }
    allowlist_unref(g->list);
    (void)pthread_mutex_destroy(&g->mutex);
    free(g->dir);
    free(g);
}

void
gate_reload(struct gate *g)
{
    order(g, ORDER_RELOAD);
}

void
gate_count_revoked(struct gate *g)
{
    count(&g->count.denied_revoked);
}

void
gate_read_counts(struct gate *g, struct gate_counts *ret_counts)
{
    struct allowlist *list = gate_list(g);

#define X(name, help)                                                          \
    ret_counts->name =                                                         \
        atomic_load_explicit(&g->count.name, memory_order_relaxed);
    GATE_COUNTERS(X)
#undef X
    ret_counts->keys_allowed = allowlist_count(list, KEY_WORKER) +
                               allowlist_count(list, KEY_COORDINATOR);
    ret_counts->keys_skipped = allowlist_bad(list);
    allowlist_unref(list);
}
