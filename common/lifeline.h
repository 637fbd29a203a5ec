/* lifeline.h - how a child learns that the one who started it is gone.
 * A pipe on which nothing is ever written: the parent keeps the write end,
 * the child has the read end, and when the parent ends in whatever way
 * (kill -9 too) the kernel closes it. Unlike a death signal this is seen by
 * grandchildren too, and the child can end in its own way. */
#pragma once
#include "common/proc.h"

struct co_lifeline {
    int child_fd; /* the read end; hand it to children */
    int held_fd;  /* the write end; open as long as the parent lives */
};

enum { CO_LIFELINE_FD = 3 }; /* where a child finds it */

/* Both ends close on exec: only a child that is given one has it. */
co_must_use enum co_err co_lifeline_init(struct co_lifeline *line);
/* Lets go: every child sees the end. */
void co_lifeline_fini(struct co_lifeline *line);

/* For co_proc_opts.fds and .env of a child that watches the lifeline. */
struct co_proc_fd co_lifeline_pass(const struct co_lifeline *line);
const char *co_lifeline_env(void);

/* In the child, once at start: the descriptor to watch, -1 when it was
 * started without one. It closes on exec from then on, and children of this
 * process do not believe to have one. Not thread-safe (environment). */
int co_lifeline_adopt(void);
/* True when the parent is gone. When poll says POLLHUP (epoll: EPOLLHUP) it
 * is; fd -1 is never cut. */
bool co_lifeline_cut(int fd);
