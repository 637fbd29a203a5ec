/* socket.c - see socket.h.
 * Options and why: ROUTER_MANDATORY, or messages to vanished peers disappear
 * without a word; never HANDOVER, never routing ids chosen by peers (both let
 * one peer take another's place); IMMEDIATE, so that nothing queues for a
 * broker that is not there; MAXMSGSIZE and HANDSHAKE_IVL against hostile
 * peers. High-water marks are generous: credit is the flow control.
 * A cut link must show. A DEALER asks for it by ZeroMQ's heartbeats. A ROUTER
 * must not, and no peer may make it (HEARTBEAT_TTL): libzmq keeps a thread's
 * timers in one tree and walks all of it to cancel one, which each message
 * does behind a heartbeat. With 10,000 peers that is all a core can do, and
 * workers count as dead because nobody gets to read them. The kernel does it
 * for a ROUTER: keep-alive, and TCP_USER_TIMEOUT for what is under way.
 * With keys: CURVE, and ZAP_ENFORCE_DOMAIN, without which libzmq lets everybody
 * in when no ZAP handler answers. ZAP's answer to a stranger is 300: 400 would
 * end its attempts for ever, and a key that is added later be of no use. */
#include "proto/socket.h"

#include "common/hash.h"
#include "proto/socket_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

enum {
    SOCK_HWM = 65536,
    SOCK_BACKLOG = 4096,
    HANDSHAKE_MS = 10000,
    HEARTBEAT_MS = 2000,
    HEARTBEAT_DEAD_MS = 10000,
    KEEPALIVE_S = 5, /* silence, then one probe after the other */
    PROBE_S = 2,
    PROBES = 3,
    RECONNECT_MS = 100,
    RECONNECT_MAX_MS = 2000,
    LINGER_MS = 300,
    ENDPOINT_BYTES = 256,
    MONITOR_BYTES = 64,
    /* Older headers show it to draft builds only; all 4.3 libraries have it. */
    ZAP_ENFORCE_DOMAIN = 93,
};

/* What monitors hear: a DEALER's its failures, a ROUTER's who comes. */
enum {
    FAILURES = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
               ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
    ARRIVALS = FAILURES | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED,
};

struct sock {
    void *zmq;
    void *monitor; /* DEALER with keys: tells of failed handshakes */
    bool router, keyed, monitored;
    uint64_t peer_key; /* of the message received last */
    int peer_fd;       /* the same; -1: not known */
    char endpoint[ENDPOINT_BYTES];
    struct sock_counters counts;
};

struct option {
    int option, value;
};

static int
set_options(void *zmq, const struct option *v, size_t n)
{
    int bad = 0;

    for (size_t i = 0; i < n; i++) {
        bad |= zmq_setsockopt(zmq, v[i].option, &v[i].value, sizeof v[i].value);
    }
    return bad;
}

static enum co_err
sock_new(void *zmq_ctx, int type, struct sock **ret_sock)
{
    static const struct option all[] = {
        {ZMQ_SNDHWM, SOCK_HWM},
        {ZMQ_RCVHWM, SOCK_HWM},
        {ZMQ_BACKLOG, SOCK_BACKLOG},
        {ZMQ_IMMEDIATE, 1},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
        {ZMQ_LINGER, LINGER_MS},
    };
    static const struct option router[] = {
        {ZMQ_ROUTER_MANDATORY, 1},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_S},
        {ZMQ_TCP_KEEPALIVE_INTVL, PROBE_S},
        {ZMQ_TCP_KEEPALIVE_CNT, PROBES},
        {ZMQ_TCP_MAXRT, HEARTBEAT_DEAD_MS},
    };
    static const struct option dealer[] = {
        {ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_DEAD_MS},
        {ZMQ_HEARTBEAT_TTL, 0},
        {ZMQ_RECONNECT_IVL, RECONNECT_MS},
        {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS},
    };
    const int64_t max_bytes = BODY_BYTES_MAX + HEAD_BYTES_MAX;
    struct sock *s = calloc(1, sizeof *s);
    int bad = 0;

    if (!s) return CO_NOMEM;
    s->router = type == ZMQ_ROUTER;
    s->peer_fd = -1;
    s->zmq = zmq_socket(zmq_ctx, type);
    if (!s->zmq) {
        free(s);
        return CO_NOMEM;
    }
    bad |= set_options(s->zmq, all, co_countof(all));
    bad |= s->router ? set_options(s->zmq, router, co_countof(router))
                     : set_options(s->zmq, dealer, co_countof(dealer));
    bad |= zmq_setsockopt(s->zmq, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes);
    co_assert(bad == 0); /* constants that libzmq documents as valid */
    *ret_sock = s;
    return CO_OK;
}

/* ---- keys ---------------------------------------------------------------- */

/* Tells failures of a DEALER's handshakes to itself. Without memory for it
 * they are not told, that is all. */
static void
monitor_self(void *zmq_ctx, struct sock *s)
{
    const int unlimited = 0;
    char address[MONITOR_BYTES];

    (void)snprintf(address, sizeof address, "inproc://handshakes-%p",
                   (void *)s);
    if (zmq_socket_monitor(s->zmq, address, FAILURES) != 0) return;
    s->monitored = true;
    s->monitor = zmq_socket(zmq_ctx, ZMQ_PAIR);
    if (!s->monitor) return;
    (void)zmq_setsockopt(s->monitor, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
    (void)zmq_connect(s->monitor, address);
}

static enum co_err
use_keys(void *zmq_ctx, struct sock *s, const struct sock_keys *keys,
         struct co_diag *diag)
{
    const int one = 1;
    int bad = 0;

    bad |= zmq_setsockopt(s->zmq, ZMQ_CURVE_PUBLICKEY, keys->public, KEY_BYTES);
    bad |= zmq_setsockopt(s->zmq, ZMQ_CURVE_SECRETKEY, keys->secret, KEY_BYTES);
    if (s->router) {
        co_assert(keys->domain && keys->domain[0]);
        bad |= zmq_setsockopt(s->zmq, ZMQ_CURVE_SERVER, &one, sizeof one);
        bad |= zmq_setsockopt(s->zmq, ZMQ_ZAP_DOMAIN, keys->domain,
                              strlen(keys->domain));
        bad |= zmq_setsockopt(s->zmq, ZAP_ENFORCE_DOMAIN, &one, sizeof one);
    } else {
        bad |= zmq_setsockopt(s->zmq, ZMQ_CURVE_SERVERKEY, keys->server,
                              KEY_BYTES);
    }
    if (bad) {
        return co_fail(diag, CO_UNAVAILABLE,
                       "this libzmq cannot encrypt (%s): install one with "
                       "CURVE (Debian's has it)",
                       zmq_strerror(errno));
    }
    s->keyed = true;
    if (!s->router) {
        monitor_self(zmq_ctx, s);
    } else if (keys->monitor) {
        s->monitored = zmq_socket_monitor(s->zmq, keys->monitor, ARRIVALS) == 0;
    }
    return CO_OK;
}

uint64_t
sock_peer_key(const struct sock *s)
{
    return s->peer_key;
}

/* The port of a TCP address, 0 of any other. */
static in_port_t
port_of(const struct sockaddr_storage *at)
{
    if (at->ss_family == AF_INET) {
        return ((const struct sockaddr_in *)(const void *)at)->sin_port;
    }
    if (at->ss_family == AF_INET6) {
        return ((const struct sockaddr_in6 *)(const void *)at)->sin6_port;
    }
    return 0;
}

/* Whether fd is a connection that was accepted at endpoint. The number may
 * have been used again since the message came; then another peer of ours is
 * cut at worst, which connects again, and never anything else. */
static bool
is_link_of(int fd, const char *endpoint)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    const char *colon = strrchr(endpoint, ':');

    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0) return false;
    if (at.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const void *)&at;

        return strncmp(endpoint, "ipc://", 6) == 0 &&
               strncmp(un->sun_path, endpoint + 6, sizeof un->sun_path) == 0;
    }
    return colon && strncmp(endpoint, "tcp://", 6) == 0 &&
           ntohs(port_of(&at)) == strtoul(colon + 1, NULL, 10);
}

void
sock_cut(struct sock *s)
{
    if (s->peer_fd < 0 || !is_link_of(s->peer_fd, s->endpoint)) return;
    (void)shutdown(s->peer_fd, SHUT_RDWR); /* libzmq sees the end and closes */
    s->peer_fd = -1;
}

uint32_t
sock_unwelcome(struct sock *s)
{
    uint32_t n = 0;
    zmq_msg_t event;

    if (!s->monitor) return 0;
    (void)zmq_msg_init(&event);
    while (zmq_msg_recv(&event, s->monitor, ZMQ_DONTWAIT) >= 0) {
        n += zmq_msg_more(&event) != 0; /* the event; its address follows */
    }
    (void)zmq_msg_close(&event);
    return n;
}

/* What people can do about it. */
static const char *
bind_advice(int errnum)
{
    switch (errnum) {
    case EADDRINUSE:
        return ". Another program listens there, perhaps a broker or "
               "coordinator of before: stop it, or choose another endpoint";
    case EADDRNOTAVAIL:
    case ENODEV:
        return ". This host has no such address: choose one that it has, or "
               "* for all";
    case EACCES:
        return ". Choose a port above 1023, or a folder that you may write to";
    case ENOENT:
        return ". Make the folder of the path first";
    default:
        return "";
    }
}

enum co_err
sock_bind(void *zmq_ctx, const char *endpoint, const struct sock_keys *keys,
          struct co_diag *diag, struct sock **ret_sock)
{
    co_auto(sock_freep) struct sock *s = NULL;
    size_t len = ENDPOINT_BYTES;
    enum co_err err = sock_allowed(endpoint, keys != NULL, diag);

    if (err) return err;
    if (sock_endpoint_taken(endpoint)) {
        return co_fail(
            diag, CO_BUSY,
            "cannot listen on \"%s\": another program listens there. "
            "Stop it, or choose another endpoint",
            endpoint);
    }
    err = sock_new(zmq_ctx, ZMQ_ROUTER, &s);
    if (!err && keys) err = use_keys(zmq_ctx, s, keys, diag);
    if (err) return err;
    if (zmq_bind(s->zmq, endpoint) != 0) {
        int errnum = errno;

        return co_fail(diag, co_err_from_errno(errnum),
                       "cannot listen on \"%s\": %s%s", endpoint,
                       zmq_strerror(errnum), bind_advice(errnum));
    }
    if (zmq_getsockopt(s->zmq, ZMQ_LAST_ENDPOINT, s->endpoint, &len) != 0) {
        return co_fail(diag, CO_IO, "cannot read the address of \"%s\": %s",
                       endpoint, zmq_strerror(errno));
    }
    *ret_sock = co_take(&s);
    return CO_OK;
}

enum co_err
sock_connect(void *zmq_ctx, const char *endpoint, const struct sock_keys *keys,
             struct co_diag *diag, struct sock **ret_sock)
{
    co_auto(sock_freep) struct sock *s = NULL;
    enum co_err err = sock_allowed(endpoint, keys != NULL, diag);

    if (err) return err;
    if (strlen(endpoint) >= ENDPOINT_BYTES) {
        return co_fail(diag, CO_RANGE, "endpoint \"%.40s...\": longer than %d",
                       endpoint, ENDPOINT_BYTES - 1);
    }
    err = sock_new(zmq_ctx, ZMQ_DEALER, &s);
    if (!err && keys) err = use_keys(zmq_ctx, s, keys, diag);
    if (err) return err;
    if (zmq_connect(s->zmq, endpoint) != 0) {
        int errnum = errno;

        return co_fail(diag, co_err_from_errno(errnum),
                       "cannot connect to \"%s\": %s", endpoint,
                       zmq_strerror(errnum));
    }
    memcpy(s->endpoint, endpoint, strlen(endpoint) + 1);
    *ret_sock = co_take(&s);
    return CO_OK;
}

void
sock_free(struct sock *s)
{
    if (!s) return;
    /* First: what a closing socket tells would wait for a reader for ever. */
    if (s->monitored) (void)zmq_socket_monitor(s->zmq, NULL, 0);
    if (s->monitor) (void)zmq_close(s->monitor);
    (void)zmq_close(s->zmq);
    free(s);
}

const char *
sock_endpoint(const struct sock *s)
{
    return s->endpoint;
}

void *
sock_handle(const struct sock *s)
{
    return s->zmq;
}

int
sock_fd(const struct sock *s)
{
    int fd = -1;
    size_t len = sizeof fd;

    (void)zmq_getsockopt(s->zmq, ZMQ_FD, &fd, &len);
    return fd;
}

bool
sock_ready(const struct sock *s)
{
    int events = 0;
    size_t len = sizeof events;

    (void)zmq_getsockopt(s->zmq, ZMQ_EVENTS, &events, &len);
    return events & ZMQ_POLLIN;
}

const struct sock_counters *
sock_counts(const struct sock *s)
{
    return &s->counts;
}

/* Who sent it: what libzmq knows of the connection goes with the message. */
static void
sender_take(struct sock *s, zmq_msg_t *frame)
{
    const char *id = zmq_msg_gets(frame, "User-Id");

    s->peer_key = 0;
    if (!id || !co_hex16_parse(id, &s->peer_key)) s->peer_key = 0;
    s->peer_fd = zmq_msg_get(frame, ZMQ_SRCFD);
}

enum co_err
sock_recv(struct sock *s, uint64_t *ret_peer, struct co_bytes *ret_head,
          struct co_bytes *ret_body)
{
    const int want = s->router ? 3 : 2;
    zmq_msg_t v[3];
    uint64_t peer = 0;
    struct co_bytes head;
    struct co_bytes body;

    for (;;) {
        int n = sock_frame_recv(s->zmq, v, want);
        zmq_msg_t *frames = v + (want - 2);

        if (n < 0) return CO_AGAIN;
        if (n != want || (s->router && !sock_frame_peer(&v[0], &peer)) ||
            zmq_msg_size(&frames[0]) > HEAD_BYTES_MAX ||
            zmq_msg_size(&frames[1]) > BODY_BYTES_MAX) {
            s->counts.malformed++;
            sock_frame_close(v, n < want ? n : want);
            continue;
        }
        if (s->router) (void)zmq_msg_close(&v[0]);
        if (s->router && s->keyed) sender_take(s, &frames[0]);
        if (sock_frame_take(&frames[0], &head)) {
            (void)zmq_msg_close(&frames[1]);
            return CO_NOMEM;
        }
        if (sock_frame_take(&frames[1], &body)) {
            co_bytes_unref(&head);
            return CO_NOMEM;
        }
        s->counts.received++;
        s->counts.received_bytes += head.len + body.len;
        *ret_peer = peer;
        *ret_head = head;
        *ret_body = body;
        return CO_OK;
    }
}

static enum co_err
send_failed(struct sock *s)
{
    if (errno == EHOSTUNREACH) {
        s->counts.unroutable++;
        return CO_UNAVAILABLE;
    }
    s->counts.would_block++;
    /* A DEALER without a connection looks the same as one with a full pipe;
     * credit keeps pipes from filling, so it is the former. */
    return s->router ? CO_FULL : CO_UNAVAILABLE;
}

enum co_err
sock_send(struct sock *s, uint64_t peer, struct co_bytes head,
          struct co_bytes body)
{
    size_t bytes = head.len + body.len;
    zmq_msg_t frames[2];
    uint8_t id[5];

    if (sock_frame_make(&frames[0], head)) {
        co_bytes_unref(&body);
        return CO_NOMEM;
    }
    if (sock_frame_make(&frames[1], body)) {
        (void)zmq_msg_close(&frames[0]);
        return CO_NOMEM;
    }
    sock_frame_peer_id(peer, id);
    /* Once the first frame is taken the pipe takes the rest too. */
    if ((s->router &&
         zmq_send(s->zmq, id, sizeof id, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) ||
        zmq_msg_send(&frames[0], s->zmq, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0 ||
        zmq_msg_send(&frames[1], s->zmq, ZMQ_DONTWAIT) < 0) {
        enum co_err err = send_failed(s);

        sock_frame_close(frames, 2);
        return err;
    }
    s->counts.sent++;
    s->counts.sent_bytes += bytes;
    return CO_OK;
}
