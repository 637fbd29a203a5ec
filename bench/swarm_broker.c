/* swarm_broker.c - see swarm.h: the broker under test, as a process. */
#include "bench/swarm.h"
#include "common/proc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_FD = 3, ARGS_MAX = 64, METRICS_BYTES = 512 * 1024 };

/* "front=... back=... metrics=..." */
static bool
read_ready(int fd, struct swarm_broker *b)
{
    char line[1024];
    size_t len = 0;

    while (len < sizeof line - 1 && !memchr(line, '\n', len)) {
        ssize_t n = read(fd, line + len, sizeof line - 1 - len);

        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        len += (size_t)n;
    }
    line[len] = '\0';
    return sscanf(line, "front=%255s back=%255s metrics=%127s", b->front,
                  b->back, b->metrics) == 3;
}

static void
fill_args(const struct swarm_broker *b, const char *peers,
          const char *argv[ARGS_MAX])
{
    const char *const fixed[] = {
        b->program, "--front",     b->front, "--back",     b->back, "--metrics",
        b->metrics, "--peers-max", peers,    "--ready-fd", "3",     NULL};
    size_t n = 0;

    for (; fixed[n]; n++) {
        argv[n] = fixed[n];
    }
    if (b->key) {
        argv[n++] = "--key";
        argv[n++] = b->key;
        argv[n++] = "--allow";
        argv[n++] = b->allow;
    }
    for (size_t i = 0; b->options[i] && n < ARGS_MAX - 1; i++) {
        argv[n++] = b->options[i];
    }
    argv[n] = NULL;
}

enum co_err
swarm_broker_start(struct swarm_broker *b, struct co_diag *diag)
{
    const char *argv[ARGS_MAX];
    char peers[24];
    int pipefd[2];
    enum co_err err;
    bool ready;

    if (!b->front[0]) {
        (void)snprintf(b->front, sizeof b->front, "tcp://127.0.0.1:*");
        (void)snprintf(b->back, sizeof b->back, "tcp://127.0.0.1:*");
        (void)snprintf(b->metrics, sizeof b->metrics, "127.0.0.1:0");
    }
    (void)snprintf(peers, sizeof peers, "%llu", (unsigned long long)b->peers);
    fill_args(b, peers, argv);
    if (pipe2(pipefd, O_CLOEXEC) != 0) return CO_IO;
    {
        const struct co_proc_fd fds[] = {{pipefd[1], READY_FD}};
        const struct co_proc_opts opts = {.fds = fds,
                                          .fd_count = 1,
                                          .stderr_path = b->log,
                                          .death_signal = SIGKILL};

        err = co_proc_spawn(argv, &opts, &b->pid, diag);
    }
    (void)close(pipefd[1]);
    ready = !err && read_ready(pipefd[0], b);
    (void)close(pipefd[0]);
    if (err || ready) return err;
    return co_fail(diag, CO_IO, "the broker did not start: see its log");
}

void
swarm_broker_kill(struct swarm_broker *b)
{
    if (b->pid <= 0) return;
    (void)kill(b->pid, SIGKILL);
    (void)waitpid(b->pid, NULL, 0);
    b->pid = 0;
}

/* ---- what the kernel knows of it ----------------------------------------- */

static bool
read_proc(const struct swarm_broker *b, const char *name, char *text,
          size_t size)
{
    char path[64];
    FILE *f;
    size_t n;

    (void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)b->pid, name);
    f = fopen(path, "re");
    if (!f) return false;
    n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    (void)fclose(f);
    return n > 0;
}

uint64_t
swarm_broker_rss(const struct swarm_broker *b)
{
    char text[256];
    const char *at;

    if (!read_proc(b, "statm", text, sizeof text)) return 0;
    at = strchr(text, ' ');
    return at ? strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t
swarm_broker_cpu_us(const struct swarm_broker *b)
{
    char text[1024];
    char *at;
    uint64_t ticks = 0;

    if (!read_proc(b, "stat", text, sizeof text)) return 0;
    at = strrchr(text, ')'); /* field 2; user and system are 14 and 15 */
    for (int field = 2; at && field < 15; field++) {
        at = strchr(at + 1, ' ');
        if (at && field >= 13) ticks += strtoull(at, NULL, 10);
    }
    return ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* ---- what it says of itself ---------------------------------------------- */

static int
metrics_connect(const struct swarm_broker *b)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct timeval wait = {.tv_sec = 10};
    const char *colon = strrchr(b->metrics, ':');
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons((uint16_t)(colon ? strtoul(colon + 1, NULL, 10) : 0));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0) return fd;
    (void)close(fd);
    return -1;
}

uint64_t
swarm_broker_metric(const struct swarm_broker *b, const char *name)
{
    static const char ask[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                              "Connection: close\r\n\r\n";
    static char text[METRICS_BYTES];
    char line[128];
    size_t len = 0;
    const char *at;
    int fd = metrics_connect(b);

    if (fd < 0) return 0;
    if (write(fd, ask, sizeof ask - 1) > 0) {
        ssize_t n;

        while (len < sizeof text - 1 &&
               (n = read(fd, text + len, sizeof text - 1 - len)) > 0) {
            len += (size_t)n;
        }
    }
    (void)close(fd);
    text[len] = '\0';
    (void)snprintf(line, sizeof line, "\n%s ", name);
    at = strstr(text, line);
    return at ? strtoull(at + strlen(line), NULL, 10) : 0;
}
