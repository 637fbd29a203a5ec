/* proc.c - see proc.h.
 * fork and exec by hand: posix_spawn has neither death signals nor "close all
 * but these". Everything that allocates or opens happens before the fork; the
 * child calls async-signal-safe functions only and reports a failure through
 * a pipe that a successful exec closes. */
#include "common/proc.h"

#include "common/clock.h"
#include "common/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_WAIT_MS = 10000, FDS_END = 1 << 16 };

/* What the child needs, all of it made before the fork. */
struct launch {
    const char *const *argv;
    const struct co_proc_opts *opts;
    char **env;
    int stdio[3];
    int report; /* errno goes here if exec fails; closes on exec */
    pid_t parent;
};

static void
launch_fini(struct launch *l)
{
    for (int i = 0; i < 3; i++) {
        co_fs_closep(&l->stdio[i]);
    }
    co_fs_closep(&l->report);
    free(l->env);
}

/* Same variable name? a is "NAME=value" or "NAME", b "NAME=value". */
static bool
env_same_name(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");

    return !strncmp(a, b, len) && b[len] == '=';
}

/* environ with the additions in place of variables of the same name, and
 * without those that have no value; only the array is allocated. */
static char **
launch_make_env(const char *const *additions)
{
    static const char *const none[] = {NULL};
    const char **env;
    size_t count = 0, added = 0, n = 0;

    if (!additions) additions = none;
    while (environ[count]) {
        count++;
    }
    while (additions[added]) {
        added++;
    }
    env = calloc(count + added + 1, sizeof *env);
    if (!env) return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t j = 0;

        while (j < added && !env_same_name(additions[j], environ[i])) {
            j++;
        }
        if (j == added) env[n++] = environ[i];
    }
    for (size_t j = 0; j < added; j++) {
        if (strchr(additions[j], '=')) env[n++] = additions[j];
    }
    /* exec wants char *const *; it does not write there. */
    return (char **)(uintptr_t)env;
}

static enum co_err
launch_open(const char *path, int flags, int *ret_fd, struct co_diag *diag)
{
    *ret_fd = open(path, flags | O_CLOEXEC, 0600);
    if (*ret_fd < 0) {
        int e = errno;

        return co_fail(diag, co_err_from_errno(e),
                       "cannot open %s for a program's output: %s. Choose a "
                       "folder that you may write",
                       path, strerror(e));
    }
    return CO_OK;
}

static enum co_err
launch_prepare(struct launch *l, struct co_diag *diag)
{
    const int append = O_WRONLY | O_CREAT | O_APPEND;
    const struct co_proc_opts *o = l->opts;
    enum co_err err;

    co_assert(o->fd_count <= CO_PROC_FDS_MAX);
    for (size_t i = 0; i < o->fd_count; i++) {
        co_assert(o->fds[i].to >= 3 && o->fds[i].to < FDS_END);
    }
    l->env = launch_make_env(o->env);
    if (!l->env) return co_fail(diag, CO_NOMEM, "out of memory");
    err = launch_open("/dev/null", O_RDONLY, &l->stdio[0], diag);
    if (!err && o->stdout_path) {
        err = launch_open(o->stdout_path, append, &l->stdio[1], diag);
    }
    if (!err && o->stderr_path) {
        err = launch_open(o->stderr_path, append, &l->stdio[2], diag);
    }
    return err;
}

/* From here on in the child: nothing that allocates or locks. */

static void
child_reset_signals(void)
{
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int s = 1; s < NSIG; s++) {
        (void)sigaction(s, &act, NULL); /* KILL and STOP refuse: fine */
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts fds in place and marks all others to close on exec. Each is first
 * copied above all targets, so that no target overwrites a source. */
static bool
child_place_fds(struct launch *l)
{
    const struct co_proc_opts *o = l->opts;
    int copies[CO_PROC_FDS_MAX];
    int above = 3, report;

    for (size_t i = 0; i < o->fd_count; i++) {
        if (o->fds[i].to >= above) above = o->fds[i].to + 1;
    }
    for (size_t i = 0; i < o->fd_count; i++) {
        copies[i] = fcntl(o->fds[i].from, F_DUPFD_CLOEXEC, above);
        if (copies[i] < 0) return false;
    }
    report = fcntl(l->report, F_DUPFD_CLOEXEC, above);
    if (report < 0) return false;
    l->report = report;
    if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC)) {
        for (int fd = 3; fd < FDS_END; fd++) { /* a kernel before 5.11 */
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
    for (int i = 0; i < 3; i++) {
        if (l->stdio[i] >= 0 && dup2(l->stdio[i], i) < 0) return false;
    }
    for (size_t i = 0; i < o->fd_count; i++) {
        if (dup2(copies[i], o->fds[i].to) < 0) return false;
    }
    return true;
}

_Noreturn static void
child_run(struct launch *l)
{
    const struct co_proc_opts *o = l->opts;
    int e;

    child_reset_signals();
    if (o->death_signal) {
        (void)prctl(PR_SET_PDEATHSIG, o->death_signal);
        if (getppid() != l->parent) _exit(127); /* too late to be told */
    }
    if (o->new_group) (void)setpgid(0, 0);
    if ((!o->dir || chdir(o->dir) == 0) && child_place_fds(l)) {
        (void)execvpe(l->argv[0], (char **)(uintptr_t)l->argv, l->env);
    }
    e = errno;
    if (write(l->report, &e, sizeof e) < 0) _exit(126);
    _exit(127);
}

/* Reads what the child reports: its errno, or nothing when it runs. */
static enum co_err
launch_hear(const struct launch *l, int fd, pid_t pid, struct co_diag *diag)
{
    int e = 0;
    ssize_t n;

    do {
        n = read(fd, &e, sizeof e);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) return CO_OK;
    (void)waitpid(pid, NULL, 0); /* it ends at once */
    return co_fail(diag, co_err_from_errno(e),
                   "cannot start %s: %s. Check that it is installed and may "
                   "be run",
                   l->argv[0], strerror(e));
}

enum co_err
co_proc_spawn(const char *const *argv, const struct co_proc_opts *opts,
              pid_t *ret_pid, struct co_diag *diag)
{
    co_auto(launch_fini) struct launch l = {.argv = argv,
                                            .opts = opts,
                                            .stdio = {-1, -1, -1},
                                            .report = -1,
                                            .parent = getpid()};
    co_auto(co_fs_closep) int hear = -1;
    enum co_err err = launch_prepare(&l, diag);
    int pipe_fds[2];
    pid_t pid;

    if (err) return err;
    if (pipe2(pipe_fds, O_CLOEXEC) == 0) {
        hear = pipe_fds[0];
        l.report = pipe_fds[1];
        pid = fork();
        if (pid == 0) child_run(&l);
    } else {
        pid = -1;
    }
    if (pid < 0) {
        int e = errno;

        return co_fail(diag, co_err_from_errno(e),
                       "cannot start %s: %s. Raise the limits of processes "
                       "(ulimit -u) and files (ulimit -n)",
                       argv[0], strerror(e));
    }
    co_fs_closep(&l.report);
    err = launch_hear(&l, hear, pid, diag);
    if (!err) *ret_pid = pid;
    return err;
}

/* Reaps pid if it has ended. */
static enum co_err
proc_reap(pid_t pid, struct co_proc_exit *ret_exit)
{
    int status;
    pid_t got;

    do {
        got = waitpid(pid, &status, WNOHANG);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return CO_NOTFOUND;
    if (got == 0) return CO_TIMEOUT;
    if (ret_exit) {
        *ret_exit = (struct co_proc_exit){
            .code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
            .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
    }
    return CO_OK;
}

/* Waits until fd is readable or end_ms (-1: for ever) has come. */
static void
proc_poll(int fd, int64_t end_ms)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = end_ms < 0 ? -1 : end_ms - co_clock_ms();

        if (end_ms >= 0 && left < 0) left = 0;
        if (poll(&p, 1, (int)left) >= 0 || errno != EINTR) return;
    }
}

enum co_err
co_proc_wait(pid_t pid, int timeout_ms, struct co_proc_exit *ret_exit)
{
    co_auto(co_fs_closep) int fd = -1;
    int64_t end_ms = timeout_ms < 0 ? -1 : co_clock_ms() + timeout_ms;
    enum co_err err = proc_reap(pid, ret_exit);

    if (err != CO_TIMEOUT || timeout_ms == 0) return err;
    fd = pidfd_open(pid, 0);
    if (fd < 0) return co_err_from_errno(errno);
    proc_poll(fd, end_ms);
    return proc_reap(pid, ret_exit);
}

enum co_err
co_proc_stop(pid_t pid, int term_ms, struct co_proc_exit *ret_exit)
{
    enum co_err err = co_proc_wait(pid, 0, ret_exit);

    /* Not reaped yet, so the number is still that child's. */
    if (err != CO_TIMEOUT) return err;
    (void)kill(pid, SIGTERM);
    err = co_proc_wait(pid, term_ms, ret_exit);
    if (err != CO_TIMEOUT) return err;
    (void)kill(pid, SIGKILL);
    return co_proc_wait(pid, KILL_WAIT_MS, ret_exit);
}

enum co_err
co_proc_rlimit_nofile(uint64_t wanted, uint64_t *ret_now, struct co_diag *diag)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit)) return co_err_from_errno(errno);
    if (limit.rlim_cur < wanted) {
        struct rlimit more = limit;

        more.rlim_cur = co_min_u64(wanted, limit.rlim_max);
        if (setrlimit(RLIMIT_NOFILE, &more) == 0) limit = more;
    }
    *ret_now = limit.rlim_cur;
    if (limit.rlim_cur >= wanted) return CO_OK;
    return co_fail(diag, CO_RANGE,
                   "%llu open files are allowed, %llu are wanted. Raise the "
                   "hard limit (ulimit -Hn, or LimitNOFILE= of the service)",
                   (unsigned long long)limit.rlim_cur,
                   (unsigned long long)wanted);
}

uint64_t
co_proc_resident_bytes(void)
{
    char text[128];
    char *resident; /* the second number, in pages */
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f) return 0;
    resident = fgets(text, sizeof text, f) ? strchr(text, ' ') : NULL;
    (void)fclose(f);
    if (!resident) return 0;
    return strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}
