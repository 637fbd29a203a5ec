/* worker_shell.h - one worker process: the loop around the slots core. */
#pragma once
#include "worker/worker_config.h"

/* Runs until drained, handed back, or the lifeline is cut. signals_fd: see
 * common/signals.h; lifeline_fd: -1 for none. diag says why it ended early. */
co_must_use enum co_err worker_shell_run(const struct worker_config *config,
                                         int signals_fd, int lifeline_fd,
                                         struct co_diag *diag);
