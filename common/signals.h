/* signals.h - signals as a descriptor of the loop, never as handlers.
 * SIGTERM, SIGINT, SIGHUP and SIGCHLD are blocked and read; SIGPIPE is
 * ignored. Call before any thread is started: threads inherit the mask. */
#pragma once
#include "common/err.h"

/* A descriptor that is readable while signals wait; closes on exec. */
co_must_use enum co_err co_signals_open(int *ret_fd);
/* The next signal that came, 0 when none waits. Never blocks. SIGCHLD stands
 * for any number of children: wait for each with co_proc_wait(pid, 0). */
int co_signals_next(int fd);
/* Closes *fd and unblocks the signals again. */
void co_signals_close(int *fd);
