/* serve.c - see serve.h. */
#include "tests/fake-llm/serve.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CONNS_MAX = 65536,
    TIMERS_MAX = 1 << 20, /* those of dropped connections stay until due */
    EVENTS_MAX = 512,
    SCRATCH_BYTES = 256 * 1024,
    PIECE_GAP_US = 1000,
};

struct conn {
    bool open, busy, wants_out, closes;
    uint32_t number; /* tells a descriptor's connections apart */
    struct co_buf in, out;
    size_t sent, send_to; /* of out: sent so far, and how far it may go */
    size_t piece;         /* of each write; 0: all */
};

struct timer {
    int64_t at_us;
    int fd;
    uint32_t number;
};

static struct server {
    int epoll, listener;
    struct calls *calls;
    struct conn conns[CONNS_MAX];
    struct timer heap[TIMERS_MAX];
    uint32_t heap_count, numbers;
    int64_t now_us;
} server;

/* ---- timers: a binary heap ---- */

static void
heap_push(struct timer timer)
{
    uint32_t i = server.heap_count++;

    co_assert(i < TIMERS_MAX);
    while (i > 0 && server.heap[(i - 1) / 2].at_us > timer.at_us) {
        server.heap[i] = server.heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    server.heap[i] = timer;
}

/* Sets the entry i to timer, which is not earlier than its parent. */
static void
heap_sink(uint32_t i, struct timer timer)
{
    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child >= server.heap_count) break;
        if (child + 1 < server.heap_count &&
            server.heap[child + 1].at_us < server.heap[child].at_us) {
            child++;
        }
        if (server.heap[child].at_us >= timer.at_us) break;
        server.heap[i] = server.heap[child];
        i = child;
    }
    server.heap[i] = timer;
}

static void
heap_pop(void)
{
    if (--server.heap_count > 0) heap_sink(0, server.heap[server.heap_count]);
}

/* ---- connections ---- */

static void
conn_drop(int fd, bool reset)
{
    struct conn *c = &server.conns[fd];
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (reset) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    /* Its timer stays in the heap and is told apart by its number. */
    if (c->busy) server.calls->answering--;
    co_buf_fini(&c->in);
    co_buf_fini(&c->out);
    c->open = false;
    server.calls->open--;
    (void)close(fd);
}

static void
conn_watch(int fd, bool out)
{
    struct conn *c = &server.conns[fd];
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0U),
                                .data.fd = fd};

    if (c->wants_out == out) return;
    c->wants_out = out;
    (void)epoll_ctl(server.epoll, EPOLL_CTL_MOD, fd, &event);
}

static void
conn_later(int fd, int64_t us)
{
    heap_push((struct timer){.at_us = server.now_us + us,
                             .fd = fd,
                             .number = server.conns[fd].number});
}

/* All that may go out did. */
static void
conn_sent(int fd)
{
    struct conn *c = &server.conns[fd];

    conn_watch(fd, false);
    if (c->closes) {
        conn_drop(fd, false);
        return;
    }
    if (c->send_to < c->out.len) return; /* stalled: nothing more */
    c->busy = false;
    server.calls->answering--;
    if (c->out.cap > SCRATCH_BYTES) co_buf_fini(&c->out);
    co_buf_clear(&c->out);
}

/* Writes what may be written; in pieces it goes on by timer. */
static void
conn_write(int fd)
{
    struct conn *c = &server.conns[fd];

    while (c->sent < c->send_to) {
        size_t want = c->send_to - c->sent;
        ssize_t n;

        if (c->piece) want = co_min_u64(want, c->piece);
        n = send(fd, c->out.data + c->sent, want, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            conn_watch(fd, true);
            return;
        }
        if (n < 0) {
            conn_drop(fd, false);
            return;
        }
        c->sent += (size_t)n;
        if (c->piece && c->sent < c->send_to) {
            conn_later(fd, PIECE_GAP_US);
            return;
        }
    }
    conn_sent(fd);
}

static void
begin(int fd, struct request *r)
{
    struct conn *c = &server.conns[fd];
    struct calls *calls = server.calls;
    struct response response;

    c->busy = true;
    c->sent = 0;
    calls->answering++;
    if (calls->answering > calls->answering_peak) {
        calls->answering_peak = calls->answering;
    }
    calls_answer(calls, r, server.now_us, &c->out, &response);
    c->send_to = response.send_to;
    c->piece = response.piece;
    c->closes = response.closes;
    if (response.way == RESPONSE_RESET || response.way == RESPONSE_CLOSE) {
        conn_drop(fd, response.way == RESPONSE_RESET);
    } else if (response.way == RESPONSE_SEND && response.delay_us) {
        conn_later(fd, response.delay_us);
    } else if (response.way == RESPONSE_SEND) {
        conn_write(fd);
    }
}

/* ---- input ---- */

/* Takes len bytes that came; most requests come whole, and are not copied. */
static void
conn_input(int fd, const char *bytes, size_t len)
{
    struct conn *c = &server.conns[fd];
    bool copied = c->in.len > 0 || c->busy;
    struct request r;
    enum co_err err;

    if (copied) {
        co_buf_append(&c->in, bytes, len);
        if (c->busy && !c->in.err) return; /* no pipelining: it waits */
        bytes = (const char *)c->in.data;
        len = c->in.len;
    }
    err = c->in.err ? c->in.err : request_read(bytes, len, &r);
    if (err == CO_AGAIN) {
        if (!copied) co_buf_append(&c->in, bytes, len);
        return;
    }
    if (err) {
        conn_drop(fd, false);
        return;
    }
    begin(fd, &r);
    if (c->open) co_buf_clear(&c->in);
}

static void
conn_event(int fd, uint32_t events)
{
    static char scratch[SCRATCH_BYTES];
    struct conn *c = &server.conns[fd];
    ssize_t n;

    if (!c->open) return;
    if (events & EPOLLOUT) conn_write(fd);
    if (!c->open || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    n = recv(fd, scratch, sizeof scratch, 0);
    if (n > 0) {
        conn_input(fd, scratch, (size_t)n);
    } else if (n == 0 || errno != EAGAIN) {
        conn_drop(fd, false);
    }
}

static void
accept_all(void)
{
    int one = 1, fd;

    while ((fd = accept4(server.listener, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        struct conn *c;

        if (fd >= CONNS_MAX) {
            (void)close(fd);
            continue;
        }
        c = &server.conns[fd];
        /* The heap may still hold the timer of the last one. */
        *c = (struct conn){.open = true, .number = ++server.numbers};
        co_buf_init(&c->in, REQUEST_BODY_MAX + REQUEST_HEAD_MAX);
        co_buf_init(&c->out, 1U << 30);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event);
        server.calls->connections++;
        server.calls->open++;
        server.calls->open_peak =
            co_max_u64(server.calls->open_peak, server.calls->open);
    }
}

static void
run_timers(void)
{
    while (server.heap_count > 0 && server.heap[0].at_us <= server.now_us) {
        struct timer timer = server.heap[0];
        struct conn *c = &server.conns[timer.fd];

        heap_pop();
        if (c->open && c->number == timer.number) conn_write(timer.fd);
    }
}

static int
until_next(void)
{
    int64_t us;

    if (server.heap_count == 0) return -1;
    us = server.heap[0].at_us - co_clock_us();
    return us <= 0 ? 0 : (int)(us / 1000 + 1);
}

_Noreturn void
serve_run(void)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int n = epoll_wait(server.epoll, events, EVENTS_MAX, until_next());

        server.now_us = co_clock_us();
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == server.listener) {
                accept_all();
            } else if (events[i].data.fd == STDIN_FILENO) {
                exit(0); /* whoever started us is gone */
            } else {
                conn_event(events[i].data.fd, events[i].events);
            }
        }
        run_timers();
    }
}

uint16_t
serve_listen(uint16_t port, struct calls *calls)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    struct epoll_event event = {.events = EPOLLIN};
    struct stat in;
    int one = 1;

    server.calls = calls;
    server.listener =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(server.listener, SOL_SOCKET, SO_REUSEADDR, &one,
                     sizeof one);
    if (bind(server.listener, (struct sockaddr *)&at, sizeof at) ||
        listen(server.listener, 8192) ||
        getsockname(server.listener, (struct sockaddr *)&at, &len)) {
        perror("fake-llm: listen");
        exit(1);
    }
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = server.listener;
    (void)epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.listener, &event);
    if (fstat(STDIN_FILENO, &in) == 0 && S_ISFIFO(in.st_mode)) {
        event.data.fd = STDIN_FILENO;
        (void)epoll_ctl(server.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    }
    return ntohs(at.sin_port);
}
