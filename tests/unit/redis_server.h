/* redis_server.h - a real redis-server for a test, on a unix socket. */
#pragma once
#include "tests/co_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The server dies with us, however we end. password: "" for none. */
static inline pid_t
redis_server_start(const char *socket, const char *dir, const char *password)
{
    pid_t parent = getpid(), server = fork();

    assert_true(server >= 0);
    if (server > 0) return server;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    (void)dup2(open("/dev/null", O_RDWR), 1);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
           socket, "--dir", dir, "--save", "", "--requirepass", password,
           (char *)NULL);
    _exit(127);
}

static inline void
redis_server_kill(pid_t server)
{
    if (server <= 0) return;
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
}
