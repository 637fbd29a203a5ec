/* redis_server.h - a real redis-server for a test, on a unix socket. */
#pragma once
#include "common/clock.h"
#include "tests/co_test.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REDIS_SERVER_PATIENCE_MS = 20000 };

/* Reads what the server says until it listens. */
static inline void
redis_server_await(int said)
{
    int64_t until = co_clock_ms() + REDIS_SERVER_PATIENCE_MS;
    char text[8192] = "";
    size_t len = 0;

    while (!strstr(text, "eady to accept connections")) {
        struct pollfd fd = {said, POLLIN, 0};
        int64_t left = until - co_clock_ms();
        ssize_t n;

        assert_true(left > 0);
        assert_true(len + 1 < sizeof text);
        if (poll(&fd, 1, (int)left) <= 0) continue;
        n = read(said, text + len, sizeof text - len - 1);
        assert_true(n > 0);
        len += (size_t)n;
        text[len] = '\0';
    }
}

/* It listens when this returns. The server dies with us, however we end.
 * password: "" for none; appendonly: "yes" or "no". */
static inline pid_t
redis_server_start_with(const char *socket, const char *dir,
                        const char *password, const char *appendonly)
{
    pid_t parent = getpid(), server;
    int said[2];

    assert_int_equal(pipe(said), 0);
    server = fork();
    assert_true(server >= 0);
    if (server > 0) {
        (void)close(said[1]);
        redis_server_await(said[0]);
        (void)close(said[0]);
        return server;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    (void)dup2(said[1], 1);
    (void)close(said[0]);
    (void)close(said[1]);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
           socket, "--dir", dir, "--save", "", "--requirepass", password,
           "--appendonly", appendonly, (char *)NULL);
    _exit(127);
}

static inline pid_t
redis_server_start(const char *socket, const char *dir, const char *password)
{
    return redis_server_start_with(socket, dir, password, "no");
}

static inline void
redis_server_kill(pid_t server)
{
    if (server <= 0) return;
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
}
