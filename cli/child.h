/* child.h - one program that the command started: its arguments, its log, how
 * often it was started again, and what it cost. Reaped with its resource use,
 * which co_proc_wait does not give. One thread, the one that stays: children
 * die with the thread that started them. */
#pragma once
#include "common/proc.h"

#include <sys/resource.h>

enum { CHILD_ARGS_MAX = 128, CHILD_FDS_MAX = 4, CHILD_NAME_SIZE = 32 };

struct child {
    char name[CHILD_NAME_SIZE]; /* for people: "broker" */
    char *argv[CHILD_ARGS_MAX]; /* owned */
    int argc;
    char *log; /* stdout and stderr go there; owned */
    struct co_proc_fd fds[CHILD_FDS_MAX];
    size_t fd_count;
    int death_signal;
    uint32_t restart_max; /* times; then it stays down */

    pid_t pid; /* 0: not running */
    bool wanted;
    bool gave_up;          /* died more often than restart_max */
    uint32_t starts;       /* in all */
    int64_t started_ms;    /* the last time */
    int64_t next_start_ms; /* when to start it again, if pid is 0 */
    struct co_proc_exit last_exit;
    int64_t cpu_us;   /* of all its ended processes, children included */
    uint64_t rss_max; /* bytes: the largest resident set of one of them */
};

/* An empty child. log may be NULL: output goes where ours goes. */
co_must_use enum co_err child_init(struct child *c, const char *name,
                                   const char *log);
/* Releases memory; does not stop anything. */
void child_fini(struct child *c);
/* One more argument, copied. More than CHILD_ARGS_MAX - 1 is asserted; out of
 * memory shows in child_start. */
void child_arg(struct child *c, const char *arg);
/* Another argument in the place of the first one that is like `from`: for the
 * next start. */
void child_arg_swap(struct child *c, const char *from, const char *to);
/* --name value, unless value is NULL. */
void child_option(struct child *c, const char *name, const char *value);
void child_option_u64(struct child *c, const char *name, uint64_t value);
/* The child finds our descriptor from as to. */
void child_fd(struct child *c, int from, int to);

/* Starts it, in a process group of its own so that ^C of the terminal does
 * not reach it. env as co_proc_opts.env. */
co_must_use enum co_err child_start(struct child *c, const char *const *env,
                                    int64_t now_ms, struct co_diag *diag);
/* Has it ended? Then it is reaped and pid is 0, cpu_us and last_exit say the
 * rest. false: it runs on, or did not run. */
bool child_reap(struct child *c);
void child_signal(const struct child *c, int signum);
/* Waits at most timeout_ms until it is reaped. */
bool child_wait(struct child *c, int64_t timeout_ms);
/* SIGTERM; after again_ms SIGTERM once more, after kill_ms SIGKILL; reaps.
 * Fine when it does not run. */
void child_stop(struct child *c, int64_t again_ms, int64_t kill_ms);
/* How it ended, for a person: "was killed by signal 9 (Killed)". */
void child_exit_text(const struct child *c, char *text, size_t size);
