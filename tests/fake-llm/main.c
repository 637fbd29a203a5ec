/* fake-llm: an endpoint for tests that answers like OpenAI and Anthropic, is
 * strict about requests (request.c) and misbehaves as it is told (behave.h):
 *   fake-llm [--port N] [--key KEY] [--script SCRIPT]
 *   POST /script with a script as body    from now on
 *   X-Fake: behaviours                    this request
 *   GET /stats                            what it has counted
 * Prints "ready PORT". One thread, one epoll; ends with its standard input
 * when that is a pipe, so that no test leaves one behind. */
#include "common/clock.h"
#include "common/json.h"
#include "tests/fake-llm/answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CONNS_MAX = 65536,
    TIMERS_MAX = 1 << 20, /* those of dropped connections stay until due */
    EVENTS_MAX = 512,
    SCRATCH_BYTES = 256 * 1024,
    STATUS_MAX = 600,
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
    const char *key;
    struct behave_script script;
    struct conn conns[CONNS_MAX];
    struct timer heap[TIMERS_MAX];
    uint32_t heap_count, numbers;
    uint64_t requests, refused, connections, open, open_peak, answering,
        answering_peak;
    uint64_t by_status[STATUS_MAX];
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
    if (c->busy) server.answering--;
    co_buf_fini(&c->in);
    co_buf_fini(&c->out);
    c->open = false;
    server.open--;
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
    server.answering--;
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

/* ---- answers ---- */

static void
stats(struct co_buf *out)
{
    struct co_buf body;
    struct co_json json;

    co_buf_init(&body, SCRATCH_BYTES);
    co_json_init(&json, &body);
    co_json_object(&json);
    co_json_put_u64(&json, "requests", server.requests);
    co_json_put_u64(&json, "refused", server.refused);
    co_json_put_u64(&json, "connections", server.connections);
    co_json_put_u64(&json, "open_peak", server.open_peak);
    co_json_put_u64(&json, "in_flight_peak", server.answering_peak);
    co_json_key(&json, "by_status");
    co_json_object(&json);
    for (int i = 0; i < STATUS_MAX; i++) {
        char name[16];

        if (!server.by_status[i]) continue;
        (void)snprintf(name, sizeof name, "%d", i);
        co_json_put_u64(&json, name, server.by_status[i]);
    }
    co_json_end(&json);
    co_json_end(&json);
    (void)co_json_finish(&json);
    answer_json((const char *)body.data, body.len, out);
    co_buf_fini(&body);
}

static void
new_script(const struct request *r, struct co_buf *out)
{
    struct behave_script script;
    struct co_diag diag = {""};

    if (behave_script_parse(r->body, r->body_len, &script, &diag)) {
        answer_error(r, 400, "script", diag.text, NULL, 0, out);
        return;
    }
    server.script = script;
    answer_json("{}", 2, out);
}

static int
refusal(const struct request *r, const struct behave *b, int64_t now_s,
        int status, const char *why, struct co_buf *out)
{
    const char *type = status == 401   ? "authentication_error"
                       : status == 400 ? "invalid_request_error"
                                       : "not_found_error";

    answer_error(r, status, type, why, b, now_s, out);
    server.refused++;
    return status;
}

/* Fills c->out for a call and returns its status. */
static int
answer_call(struct conn *c, struct request *r, const struct behave *b)
{
    int64_t now_s = co_clock_wall_ms() / 1000;
    struct co_diag diag = {""};
    int status = request_check(r, server.key, &diag);
    char echo[600];

    if (status != 200) {
        status = refusal(r, b, now_s, status, diag.text, &c->out);
        c->send_to = c->out.len;
        return status;
    }
    status = b->status ? (int)co_min_u64(b->status, STATUS_MAX - 1) : 200;
    if (b->location[0] && !b->status) status = 307;
    if (b->body == BODY_ECHO_KEY) {
        (void)snprintf(echo, sizeof echo, "your key is %.*s",
                       (int)co_min_u64(r->key_len, 500), r->key ? r->key : "");
        answer_error(r, status == 200 ? 400 : status, "echo", echo, b, now_s,
                     &c->out);
    } else if (status != 200) {
        answer_error(r, status, b->quota ? "insufficient_quota" : "fake",
                     "as the script says", b, now_s, &c->out);
    } else {
        answer_write(r, b, now_s, &c->out, &c->send_to);
        if (b->end == END_CUT || b->end == END_STALL) return status;
    }
    c->send_to = c->out.len;
    return status;
}

static void
begin_call(int fd, struct request *r)
{
    struct conn *c = &server.conns[fd];
    struct co_diag diag = {""};
    struct behave own;
    const struct behave *b = behave_next(&server.script);

    server.requests++;
    if (r->behave) {
        if (behave_parse(r->behave, r->behave_len, &own, &diag)) {
            answer_error(r, 400, "x-fake", diag.text, NULL, 0, &c->out);
            c->send_to = c->out.len;
            conn_write(fd);
            return;
        }
        b = &own;
    }
    if (b->end == END_RESET || b->end == END_CLOSE) {
        conn_drop(fd, b->end == END_RESET);
        return;
    }
    if (b->end == END_MUTE) return;
    c->closes = b->end == END_CUT;
    c->piece = b->split;
    server.by_status[answer_call(c, r, b)]++;
    if (b->latency_ms) {
        conn_later(fd, (int64_t)b->latency_ms * 1000);
    } else {
        conn_write(fd);
    }
}

static void
begin(int fd, struct request *r)
{
    struct conn *c = &server.conns[fd];

    c->busy = true;
    c->sent = c->send_to = c->piece = 0;
    c->closes = false;
    server.answering++;
    if (server.answering > server.answering_peak) {
        server.answering_peak = server.answering;
    }
    if (r->api != API_STATS && r->api != API_SCRIPT) {
        begin_call(fd, r);
        return;
    }
    if (r->api == API_STATS) {
        stats(&c->out);
    } else {
        new_script(r, &c->out);
    }
    c->send_to = c->out.len;
    conn_write(fd);
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
        server.connections++;
        if (++server.open > server.open_peak) server.open_peak = server.open;
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

static _Noreturn void
serve(void)
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

/* ---- start ---- */

static uint16_t
listen_on(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    struct epoll_event event = {.events = EPOLLIN};
    struct stat in;
    int one = 1;

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

static _Noreturn void
usage(const char *why)
{
    (void)fprintf(stderr,
                  "fake-llm: %s\nUsage: fake-llm [--port N] [--key KEY] "
                  "[--script SCRIPT]\n",
                  why);
    exit(2);
}

int
main(int argc, char **argv)
{
    const char *script = "ok";
    struct co_diag diag = {""};
    struct rlimit limit;
    uint16_t port = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0) {
            port = (uint16_t)strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--key") == 0) {
            server.key = argv[i + 1];
        } else if (strcmp(argv[i], "--script") == 0) {
            script = argv[i + 1];
        } else {
            usage(argv[i]);
        }
    }
    if (argc % 2 == 0) usage("an option without its value");
    if (behave_script_parse(script, strlen(script), &server.script, &diag)) {
        usage(diag.text);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)printf("ready %u\n", listen_on(port));
    (void)fflush(stdout);
    serve();
}
