/* proc.h - starting, awaiting and stopping programs; limits and memory of the
 * own one.
 * A child gets exactly the descriptors that are listed, default signal
 * handling, an empty signal mask, and /dev/null as stdin. No shell is ever
 * involved. Thread-safe, but see death_signal. */
#pragma once
#include "common/err.h"

#include <sys/types.h>

/* The child finds the parent's descriptor `from` as `to` (>= 3). */
struct co_proc_fd {
    int from;
    int to;
};

struct co_proc_opts {
    const struct co_proc_fd *fds;
    size_t fd_count;         /* at most CO_PROC_FDS_MAX */
    const char *const *env;  /* "NAME=value" over the own environment, "NAME"
                                takes one out of it; ended by NULL; may be
                                NULL */
    const char *stdout_path; /* appended to, made 0600; NULL: inherited */
    const char *stderr_path; /* the same */
    const char *dir;         /* working folder; NULL: inherited */
    /* Sent to the child when the thread that started it ends (Linux counts
     * the thread, so start from one that stays); 0: none. A parent that was
     * gone already before it was armed is noticed too. */
    int death_signal;
    bool new_group; /* own process group: ^C of the terminal misses it */
};

enum { CO_PROC_FDS_MAX = 16 };

/* Starts argv[0] (looked for in PATH if without slash). Returns when the
 * program runs or could not be started, never with a half-made child.
 *
 * CO_NOTFOUND, CO_DENIED, ...  diag names the program and the reason */
co_must_use enum co_err co_proc_spawn(const char *const *argv,
                                      const struct co_proc_opts *opts,
                                      pid_t *ret_pid, struct co_diag *diag);

/* How a process ended. */
struct co_proc_exit {
    int code;   /* exit code; meaningless if signal */
    int signal; /* 0: ended by itself */
};

/* Waits for a child and reaps it. timeout_ms: 0 looks only, -1 for ever.
 * ret_exit may be NULL. CO_TIMEOUT: runs on. CO_NOTFOUND: no such child. */
co_must_use enum co_err co_proc_wait(pid_t pid, int timeout_ms,
                                     struct co_proc_exit *ret_exit);
/* SIGTERM, up to term_ms of patience, SIGKILL; reaps. CO_TIMEOUT: even the
 * kill did not end it within 10 s (stuck in the kernel). */
co_must_use enum co_err co_proc_stop(pid_t pid, int term_ms,
                                     struct co_proc_exit *ret_exit);

/* Raises the limit of open files to wanted if the hard limit allows; says in
 * *ret_now what it is then. CO_RANGE: it is below wanted (diag says how to
 * raise it), the program may go on with less. */
co_must_use enum co_err
co_proc_rlimit_nofile(uint64_t wanted, uint64_t *ret_now, struct co_diag *diag);

/* Memory of this process that is resident now; 0 when /proc does not say. */
uint64_t co_proc_resident_bytes(void);
