/* child.c - see child.h. */
#include "cli/child.h"

#include "common/clock.h"
#include "common/fs.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_WAIT_MS = 10000 };

enum co_err
child_init(struct child *c, const char *name, const char *log)
{
    *c = (struct child){.death_signal = SIGKILL};
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    if (log) c->log = strdup(log);
    return log && !c->log ? CO_NOMEM : CO_OK;
}

void
child_fini(struct child *c)
{
    for (int i = 0; i < c->argc; i++) {
        free(c->argv[i]);
    }
    free(c->log);
    *c = (struct child){0};
}

void
child_arg(struct child *c, const char *arg)
{
    co_assert(c->argc < CHILD_ARGS_MAX - 1);
    c->argv[c->argc++] = strdup(arg);
}

void
child_arg_swap(struct child *c, const char *from, const char *to)
{
    for (int i = 0; i < c->argc; i++) {
        if (!c->argv[i] || strcmp(c->argv[i], from) != 0) continue;
        free(c->argv[i]);
        c->argv[i] = strdup(to);
        return;
    }
}

void
child_option(struct child *c, const char *name, const char *value)
{
    if (!value) return;
    child_arg(c, name);
    child_arg(c, value);
}

void
child_option_u64(struct child *c, const char *name, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    child_option(c, name, text);
}

void
child_fd(struct child *c, int from, int to)
{
    co_assert(c->fd_count < CHILD_FDS_MAX);
    c->fds[c->fd_count++] = (struct co_proc_fd){.from = from, .to = to};
}

enum co_err
child_start(struct child *c, const char *const *env, int64_t now_ms,
            struct co_diag *diag)
{
    const struct co_proc_opts opts = {.fds = c->fds,
                                      .fd_count = c->fd_count,
                                      .env = env,
                                      .stdout_path = c->log,
                                      .stderr_path = c->log,
                                      .death_signal = c->death_signal,
                                      .new_group = true};
    const char *argv[CHILD_ARGS_MAX] = {NULL};
    enum co_err err;

    for (int i = 0; i < c->argc; i++) {
        if (!c->argv[i]) return co_fail(diag, CO_NOMEM, "out of memory");
        argv[i] = c->argv[i];
    }
    err = co_proc_spawn(argv, &opts, &c->pid, diag);
    if (err) {
        c->pid = 0;
        return err;
    }
    c->starts++;
    c->started_ms = now_ms;
    return CO_OK;
}

static int64_t
timeval_us(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

bool
child_reap(struct child *c)
{
    struct rusage usage;
    int status;
    pid_t got;

    if (!c->pid) return false;
    do {
        got = wait4(c->pid, &status, WNOHANG, &usage);
    } while (got < 0 && errno == EINTR);
    if (got == 0) return false;
    c->pid = 0;
    if (got < 0) return true; /* reaped by nobody we know: gone all the same */
    c->last_exit = (struct co_proc_exit){
        .code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
    c->cpu_us += timeval_us(usage.ru_utime) + timeval_us(usage.ru_stime);
    c->rss_max = co_max_u64(c->rss_max, (uint64_t)usage.ru_maxrss * 1024);
    return true;
}

void
child_signal(const struct child *c, int signum)
{
    /* Not reaped yet, so the number is still that child's. */
    if (c->pid) (void)kill(c->pid, signum);
}

bool
child_wait(struct child *c, int64_t timeout_ms)
{
    co_auto(co_fs_closep) int fd = -1;
    int64_t end_ms = co_clock_ms() + timeout_ms;

    if (!c->pid || child_reap(c)) return true;
    fd = pidfd_open(c->pid, 0);
    while (fd >= 0 && co_clock_ms() < end_ms) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        (void)poll(&p, 1, (int)(end_ms - co_clock_ms()));
        if (child_reap(c)) return true;
    }
    return child_reap(c);
}

void
child_stop(struct child *c, int64_t again_ms, int64_t kill_ms)
{
    c->wanted = false;
    if (!c->pid) return;
    child_signal(c, SIGTERM);
    if (child_wait(c, again_ms)) return;
    child_signal(c, SIGTERM);
    if (child_wait(c, kill_ms - again_ms)) return;
    child_signal(c, SIGKILL);
    (void)child_wait(c, KILL_WAIT_MS);
}

void
child_exit_text(const struct child *c, char *text, size_t size)
{
    if (c->last_exit.signal) {
        (void)snprintf(text, size, "was killed by signal %d (%s)",
                       c->last_exit.signal, strsignal(c->last_exit.signal));
    } else {
        (void)snprintf(text, size, "ended with exit code %d",
                       c->last_exit.code);
    }
}
