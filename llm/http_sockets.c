/* http_sockets.c - epoll under libcurl, told as little as possible.
 * libcurl reports each socket as gone and new around every transfer, which
 * would be two epoll_ctl a call. Here a connection stays in the set until it is
 * closed, and only a changed mask is a system call.
 *
 * That is true only of descriptors whose end we hear of. libcurl closes two
 * kinds by itself: sockets dropped before they were connected, and those by
 * which its resolver threads wake it. They leave the set when libcurl no longer
 * wants them; the kernel has perhaps forgotten them already, and their numbers
 * soon belong to others. */
#include "llm/http_core.h"

#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 512, WATCHES_FIRST = 256 };

static struct watch *
watch_of(struct http *http, curl_socket_t fd)
{
    size_t count = http->watch_count ? http->watch_count : WATCHES_FIRST;
    struct watch *grown;

    if (fd < 0) return NULL;
    if ((size_t)fd < http->watch_count) return &http->watches[fd];
    while (count <= (size_t)fd) {
        count *= 2;
    }
    grown = reallocarray(http->watches, count, sizeof *grown);
    if (!grown) return NULL;
    memset(grown + http->watch_count, 0,
           (count - http->watch_count) * sizeof *grown);
    http->watches = grown;
    http->watch_count = count;
    return &grown[fd];
}

/* Has epoll report mask of fd; false: it cannot. */
static bool
set_mask(const struct http *http, struct watch *watch, int fd, uint32_t mask)
{
    struct epoll_event event = {.data.fd = fd, .events = mask};
    int failed = -1;

    if (mask == watch->mask) return true;
    errno = ENOENT;
    if (watch->mask) failed = epoll_ctl(http->epoll, EPOLL_CTL_MOD, fd, &event);
    /* Not in the set after all: closed unseen, and opened anew. */
    if (failed && errno == ENOENT) {
        failed = epoll_ctl(http->epoll, EPOLL_CTL_ADD, fd, &event);
    }
    watch->mask = failed ? 0 : mask;
    return !failed;
}

/* libcurl has no use for fd now. A connection stays: it comes back with the
 * next call. What waits to be writable is none yet. */
static void
unwant(const struct http *http, struct watch *watch, int fd)
{
    watch->wanted = false;
    if (watch->ours && watch->mask == EPOLLIN) return;
    if (watch->mask) (void)epoll_ctl(http->epoll, EPOLL_CTL_DEL, fd, NULL);
    *watch = (struct watch){.ours = watch->ours};
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *unused)
{
    struct shard *shard = self;
    struct watch *watch = watch_of(shard->http, fd);

    (void)easy, (void)unused;
    if (!watch) return -1;
    if (what == CURL_POLL_REMOVE) {
        unwant(shard->http, watch, fd);
        return 0;
    }
    watch->shard = shard;
    watch->wanted = true;
    return set_mask(shard->http, watch, fd,
                    (what & CURL_POLL_IN ? EPOLLIN : 0U) |
                        (what & CURL_POLL_OUT ? EPOLLOUT : 0U))
               ? 0
               : -1;
}

/* libcurl calls this for a socket to connect. */
static curl_socket_t
on_open(void *self, curlsocktype purpose, struct curl_sockaddr *address)
{
    const struct slot *slot = self;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                    address->protocol);
    struct watch *watch = watch_of(slot->http, fd);
    struct watch before;

    (void)purpose;
    if (!watch) {
        if (fd >= 0) (void)close(fd);
        return CURL_SOCKET_BAD;
    }
    before = *watch;
    *watch = (struct watch){.ours = true};
    /* The same number again within one step, as when the first address of a
     * host refuses: libcurl thinks that this socket is watched already. */
    if (before.wanted && before.shard == slot->shard) {
        watch->shard = before.shard;
        watch->wanted = set_mask(slot->http, watch, fd, before.mask);
    }
    return fd;
}

/* libcurl calls this where it would close: the set forgets it by itself. */
static int
on_close(void *self, curl_socket_t fd)
{
    struct http *http = self;

    if (fd >= 0 && (size_t)fd < http->watch_count) {
        http->watches[fd] = (struct watch){.shard = NULL};
    }
    return close(fd);
}

static int
on_timer(CURLM *multi, long timeout_ms, void *self)
{
    struct shard *shard = self;

    (void)multi;
    shard->due_us =
        timeout_ms < 0 ? -1 : shard->http->now_us + timeout_ms * 1000;
    return 0;
}

enum co_err
http_sockets_open(struct shard *shard)
{
    CURLM *multi = curl_multi_init();

    if (!multi) return CO_NOMEM;
    shard->multi = multi;
    shard->due_us = -1;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, shard);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, shard);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    /* Never fewer than are used: each finished call would then look for the
     * idlest connection, and close it. */
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)shard->slots + 8);
    return CO_OK;
}

void
http_sockets_attach(struct slot *slot)
{
    curl_easy_setopt(slot->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(slot->easy, CURLOPT_OPENSOCKETDATA, slot);
    curl_easy_setopt(slot->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(slot->easy, CURLOPT_CLOSESOCKETDATA, slot->http);
}

static void
on_event(struct http *http, const struct epoll_event *event)
{
    int fd = event->data.fd, running, mask = 0;
    struct watch *watch = &http->watches[fd];

    if (!watch->shard) return;
    if (!watch->wanted) {
        /* An idle connection that its server closed: libcurl finds out when it
         * wants to use it. Until then it would wake us in every turn. */
        (void)epoll_ctl(http->epoll, EPOLL_CTL_DEL, fd, NULL);
        watch->mask = 0;
        return;
    }
    if (event->events & EPOLLIN) mask |= CURL_CSELECT_IN;
    if (event->events & EPOLLOUT) mask |= CURL_CSELECT_OUT;
    if (event->events & (EPOLLERR | EPOLLHUP)) mask |= CURL_CSELECT_ERR;
    watch->shard->dirty = true;
    (void)curl_multi_socket_action(watch->shard->multi, fd, mask, &running);
}

int64_t
http_sockets_due(const struct http *http)
{
    int64_t first = http->in_flight ? http->sweep_us : INT64_MAX;

    for (uint32_t i = 0; i < http->shard_count; i++) {
        int64_t due = http->shards[i].due_us;

        if (due >= 0 && due < first) first = due;
    }
    return first;
}

/* Milliseconds until the first timer, at most timeout_ms. */
static int
next_due(const struct http *http, int timeout_ms)
{
    int64_t first = http_sockets_due(http);

    if (first == INT64_MAX) return timeout_ms;
    first = first <= http->now_us ? 0 : (first - http->now_us + 999) / 1000;
    return timeout_ms < 0 || first < timeout_ms ? (int)first : timeout_ms;
}

static void
run_timers(struct http *http)
{
    for (uint32_t i = 0; i < http->shard_count; i++) {
        struct shard *shard = &http->shards[i];
        int running;

        if (shard->due_us < 0 || shard->due_us > http->now_us) continue;
        shard->due_us = -1; /* libcurl sets the next one in this call */
        shard->dirty = true;
        (void)curl_multi_socket_action(shard->multi, CURL_SOCKET_TIMEOUT, 0,
                                       &running);
    }
}

enum co_err
http_sockets_wait(struct http *http, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int n;

    http->now_us = co_clock_us();
    n = epoll_wait(http->epoll, events, EVENTS_MAX, next_due(http, timeout_ms));
    if (n < 0 && errno != EINTR) return co_err_from_errno(errno);
    http->now_us = co_clock_us();
    http->wall_ms = co_clock_wall_ms();
    for (int i = 0; i < n; i++) {
        on_event(http, &events[i]);
    }
    run_timers(http);
    return CO_OK;
}
