/* redis_peer.h - the Redis module with a real redis-server, or with a server
 * that is none and says what a test wants. */
#pragma once
#include "common/clock.h"
#include "common/redis.h"
#include "tests/co_test.h"
#include "tests/unit/redis_server.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

struct fixture {
    char dir[64];
    char socket[96];
    char url[128];
    pid_t server;  /* 0: none */
    int listen_fd; /* of a server that is no Redis; -1: none */
    int peer_fd;   /* its one connection; -1: none */
    struct co_redis *redis;
};

co_unused static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->listen_fd = f->peer_fd = -1;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/co-test-redis-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    (void)snprintf(f->socket, sizeof f->socket, "%s/s", f->dir);
    (void)snprintf(f->url, sizeof f->url, "unix://%s", f->socket);
    *state = f;
    return 0;
}

co_unused static void
kill_server(struct fixture *f)
{
    redis_server_kill(f->server);
    f->server = 0;
}

co_unused static int
teardown(void **state)
{
    struct fixture *f = *state;

    co_redis_free(f->redis);
    kill_server(f);
    if (f->peer_fd >= 0) (void)close(f->peer_fd);
    if (f->listen_fd >= 0) (void)close(f->listen_fd);
    (void)unlink(f->socket);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

co_unused static void
start_server(struct fixture *f, const char *password)
{
    f->server = redis_server_start(f->socket, f->dir, password ? password : "");
}

/* A socket that listens but is no Redis. */
co_unused static void
start_impostor(struct fixture *f)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", f->socket);
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&addr, sizeof addr),
                     0);
    assert_int_equal(listen(f->listen_fd, 8), 0);
}

/* Waits until the impostor got something, then lets it say this. */
co_unused static void
impostor_says(struct fixture *f, const char *text)
{
    struct pollfd fd = {.fd = f->listen_fd, .events = POLLIN};
    char request[4096];

    if (f->peer_fd < 0) {
        assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
        f->peer_fd = accept(f->listen_fd, NULL, NULL);
    }
    fd.fd = f->peer_fd;
    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    assert_true(read(f->peer_fd, request, sizeof request) > 0);
    assert_int_equal(write(f->peer_fd, text, strlen(text)), strlen(text));
}

co_unused static void
start_actor(struct fixture *f, struct co_redis_options options)
{
    struct co_diag diag = {{0}};

    if (!options.url) options.url = f->url;
    assert_int_equal(co_redis_start(&options, &f->redis, &diag), CO_OK);
}

/* The next item of any kind. */
co_unused static struct co_redis_item *
next_item(struct fixture *f)
{
    struct pollfd fd = {.fd = co_redis_fd(f->redis), .events = POLLIN};
    struct co_redis_item *item;

    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    item = co_redis_poll(f->redis);
    assert_non_null(item);
    return item;
}

/* The next item of this kind; those before it are dropped. */
co_unused static struct co_redis_item *
expect(struct fixture *f, enum co_redis_item_kind kind)
{
    for (;;) {
        struct co_redis_item *item = next_item(f);

        if (item->kind == kind) return item;
        co_redis_item_free(item);
    }
}

co_unused static void
expect_up(struct fixture *f)
{
    co_redis_item_free(expect(f, CO_REDIS_UP));
}

#define ARGS(...)                                                              \
    (int)co_countof(((const char *[]){__VA_ARGS__})),                          \
        (const char *[]){__VA_ARGS__}, NULL
