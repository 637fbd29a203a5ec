/* socket.c - see socket.h.
 * Options and why: ROUTER_MANDATORY, or messages to vanished peers disappear
 * without a word; never HANDOVER, never routing ids chosen by peers (both let
 * one peer take another's place); IMMEDIATE, so that nothing queues for a
 * broker that is not there; MAXMSGSIZE and HANDSHAKE_IVL against hostile
 * peers; heartbeats on both sides, so that a cut link shows. High-water marks
 * are generous: credit is the flow control. */
#include "proto/socket.h"

#include <errno.h>
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
    RECONNECT_MS = 100,
    RECONNECT_MAX_MS = 2000,
    LINGER_MS = 300,
    COPY_BYTES_MAX = 1024, /* below it a copy costs less than a hand-over */
    ENDPOINT_BYTES = 256,
};

struct sock {
    void *zmq;
    bool router;
    char endpoint[ENDPOINT_BYTES];
    struct sock_counters counts;
};

static bool
endpoint_is_local(const char *endpoint)
{
    static const char *const local[] = {"ipc://", "inproc://", "tcp://127.",
                                        "tcp://localhost:", "tcp://[::1]:"};

    for (size_t i = 0; i < co_countof(local); i++) {
        if (strncmp(endpoint, local[i], strlen(local[i])) == 0) return true;
    }
    return false;
}

static enum co_err
sock_new(void *zmq_ctx, int type, struct sock **ret_sock)
{
    static const struct {
        int option, value;
    } options[] = {
        {ZMQ_SNDHWM, SOCK_HWM},
        {ZMQ_RCVHWM, SOCK_HWM},
        {ZMQ_BACKLOG, SOCK_BACKLOG},
        {ZMQ_IMMEDIATE, 1},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
        {ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_DEAD_MS},
        {ZMQ_HEARTBEAT_TTL, HEARTBEAT_DEAD_MS},
        {ZMQ_RECONNECT_IVL, RECONNECT_MS},
        {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS},
        {ZMQ_LINGER, LINGER_MS},
    };
    const int64_t max_bytes = BODY_BYTES_MAX + HEAD_BYTES_MAX;
    const int mandatory = 1;
    struct sock *s = calloc(1, sizeof *s);
    int bad = 0;

    if (!s) return CO_NOMEM;
    s->router = type == ZMQ_ROUTER;
    s->zmq = zmq_socket(zmq_ctx, type);
    if (!s->zmq) {
        free(s);
        return CO_NOMEM;
    }
    for (size_t i = 0; i < co_countof(options); i++) {
        bad |= zmq_setsockopt(s->zmq, options[i].option, &options[i].value,
                              sizeof options[i].value);
    }
    bad |= zmq_setsockopt(s->zmq, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes);
    if (s->router) {
        bad |= zmq_setsockopt(s->zmq, ZMQ_ROUTER_MANDATORY, &mandatory,
                              sizeof mandatory);
    }
    co_assert(bad == 0); /* constants that libzmq documents as valid */
    *ret_sock = s;
    return CO_OK;
}

enum co_err
sock_allowed(const char *endpoint, struct co_diag *diag)
{
    if (endpoint_is_local(endpoint)) return CO_OK;
    return co_fail(diag, CO_DENIED,
                   "endpoint \"%s\": only ipc:// and loopback addresses "
                   "(tcp://127.0.0.1:PORT) are allowed, since the link is not "
                   "encrypted",
                   endpoint);
}

/* libzmq takes a path away from a program that listens there, without a word
 * to either: ask first whether anyone answers. */
static bool
endpoint_is_taken(const char *endpoint)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = endpoint + strlen("ipc://");
    bool taken;
    int fd;

    if (strncmp(endpoint, "ipc://", strlen("ipc://")) != 0 || *path == '@' ||
        strlen(path) >= sizeof to.sun_path) {
        return false; /* others are refused by the kernel */
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    memcpy(to.sun_path, path, strlen(path) + 1);
    taken = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 ||
            errno == EAGAIN;
    (void)close(fd);
    return taken;
}

enum co_err
sock_bind(void *zmq_ctx, const char *endpoint, struct co_diag *diag,
          struct sock **ret_sock)
{
    co_auto(sock_freep) struct sock *s = NULL;
    size_t len = ENDPOINT_BYTES;
    enum co_err err = sock_allowed(endpoint, diag);

    if (err) return err;
    if (endpoint_is_taken(endpoint)) {
        return co_fail(
            diag, CO_BUSY,
            "cannot listen on \"%s\": another program listens there. "
            "Stop it, or choose another endpoint",
            endpoint);
    }
    err = sock_new(zmq_ctx, ZMQ_ROUTER, &s);
    if (err) return err;
    if (zmq_bind(s->zmq, endpoint) != 0) {
        int errnum = errno;

        return co_fail(diag, co_err_from_errno(errnum),
                       "cannot listen on \"%s\": %s", endpoint,
                       zmq_strerror(errnum));
    }
    if (zmq_getsockopt(s->zmq, ZMQ_LAST_ENDPOINT, s->endpoint, &len) != 0) {
        return co_fail(diag, CO_IO, "cannot read the address of \"%s\": %s",
                       endpoint, zmq_strerror(errno));
    }
    *ret_sock = co_take(&s);
    return CO_OK;
}

enum co_err
sock_connect(void *zmq_ctx, const char *endpoint, struct co_diag *diag,
             struct sock **ret_sock)
{
    co_auto(sock_freep) struct sock *s = NULL;
    enum co_err err = sock_allowed(endpoint, diag);

    if (err) return err;
    if (strlen(endpoint) >= ENDPOINT_BYTES) {
        return co_fail(diag, CO_RANGE, "endpoint \"%.40s...\": longer than %d",
                       endpoint, ENDPOINT_BYTES - 1);
    }
    err = sock_new(zmq_ctx, ZMQ_DEALER, &s);
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

/* ---- receiving ---------------------------------------------------------- */

static void
release_msg(void *arg)
{
    zmq_msg_t *msg = arg;

    (void)zmq_msg_close(msg);
    free(msg);
}

/* Turns a received frame into a slice; the frame is used up in every case. */
static enum co_err
frame_take(zmq_msg_t *frame, struct co_bytes *ret_bytes)
{
    size_t len = zmq_msg_size(frame);
    zmq_msg_t *kept;
    enum co_err err;

    if (len == 0) {
        *ret_bytes = (struct co_bytes){0};
        (void)zmq_msg_close(frame);
        return CO_OK;
    }
    if (len <= COPY_BYTES_MAX) {
        err = co_bytes_copy(zmq_msg_data(frame), len, ret_bytes);
        (void)zmq_msg_close(frame);
        return err;
    }
    kept = malloc(sizeof *kept);
    if (!kept) {
        (void)zmq_msg_close(frame);
        return CO_NOMEM;
    }
    (void)zmq_msg_init(kept);
    (void)zmq_msg_move(kept, frame);
    (void)zmq_msg_close(frame);
    err = co_bytes_adopt(zmq_msg_data(kept), len, release_msg, kept, ret_bytes);
    if (err) release_msg(kept);
    return err;
}

/* The routing ids that libzmq assigns: a zero byte and 32 bits. */
static bool
peer_from_frame(zmq_msg_t *frame, uint64_t *ret_peer)
{
    const uint8_t *p = zmq_msg_data(frame);

    if (zmq_msg_size(frame) != 5 || p[0] != 0) return false;
    *ret_peer = (uint64_t)p[1] << 24 | (uint64_t)p[2] << 16 |
                (uint64_t)p[3] << 8 | p[4];
    return true;
}

static void
peer_to_bytes(uint64_t peer, uint8_t id[5])
{
    id[0] = 0;
    for (int i = 0; i < 4; i++) {
        id[1 + i] = (uint8_t)(peer >> (24 - 8 * i));
    }
}

/* Receives all frames of one multipart into v (max of them kept, the rest
 * thrown away). The number of frames, or -1 when none waits. */
static int
multipart_recv(void *zmq, zmq_msg_t *v, int max)
{
    int n = 0;
    int more = 1;

    while (more) {
        zmq_msg_t extra;
        zmq_msg_t *frame = n < max ? &v[n] : &extra;

        (void)zmq_msg_init(frame);
        if (zmq_msg_recv(frame, zmq, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(frame);
            if (errno == EINTR) continue;
            return n ? n : -1;
        }
        more = zmq_msg_more(frame);
        if (n >= max) (void)zmq_msg_close(&extra);
        n++;
    }
    return n;
}

static void
frames_close(zmq_msg_t *v, int n)
{
    for (int i = 0; i < n; i++) {
        (void)zmq_msg_close(&v[i]);
    }
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
        int n = multipart_recv(s->zmq, v, want);
        zmq_msg_t *frames = v + (want - 2);

        if (n < 0) return CO_AGAIN;
        if (n != want || (s->router && !peer_from_frame(&v[0], &peer)) ||
            zmq_msg_size(&frames[0]) > HEAD_BYTES_MAX ||
            zmq_msg_size(&frames[1]) > BODY_BYTES_MAX) {
            s->counts.malformed++;
            frames_close(v, n < want ? n : want);
            continue;
        }
        if (s->router) (void)zmq_msg_close(&v[0]);
        if (frame_take(&frames[0], &head)) {
            (void)zmq_msg_close(&frames[1]);
            return CO_NOMEM;
        }
        if (frame_take(&frames[1], &body)) {
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

/* ---- sending ------------------------------------------------------------ */

static void
release_bytes(void *data, void *arg)
{
    struct co_bytes *kept = arg;

    (void)data;
    co_bytes_unref(kept);
    free(kept);
}

/* libzmq wants a mutable pointer for memory that it only reads. */
static void *
unconst(const void *p)
{
    return (void *)(uintptr_t)p;
}

/* Makes a frame of a slice; takes over its reference in every case. */
static int
frame_make(zmq_msg_t *frame, struct co_bytes bytes)
{
    struct co_bytes *kept;

    if (bytes.len > COPY_BYTES_MAX && bytes.chunk) {
        kept = malloc(sizeof *kept);
        if (!kept) goto nomem;
        *kept = bytes;
        if (zmq_msg_init_data(frame, unconst(bytes.data), bytes.len,
                              release_bytes, kept) != 0) {
            free(kept);
            goto nomem;
        }
        return 0;
    }
    if (zmq_msg_init_size(frame, bytes.len) != 0) goto nomem;
    if (bytes.len) memcpy(zmq_msg_data(frame), bytes.data, bytes.len);
    co_bytes_unref(&bytes);
    return 0;
nomem:
    co_bytes_unref(&bytes);
    return -1;
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

    if (frame_make(&frames[0], head)) {
        co_bytes_unref(&body);
        return CO_NOMEM;
    }
    if (frame_make(&frames[1], body)) {
        (void)zmq_msg_close(&frames[0]);
        return CO_NOMEM;
    }
    peer_to_bytes(peer, id);
    /* Once the first frame is taken the pipe takes the rest too. */
    if ((s->router &&
         zmq_send(s->zmq, id, sizeof id, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) ||
        zmq_msg_send(&frames[0], s->zmq, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0 ||
        zmq_msg_send(&frames[1], s->zmq, ZMQ_DONTWAIT) < 0) {
        enum co_err err = send_failed(s);

        frames_close(frames, 2);
        return err;
    }
    s->counts.sent++;
    s->counts.sent_bytes += bytes;
    return CO_OK;
}
