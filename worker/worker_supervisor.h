/* worker_supervisor.h - one parent, N worker processes of one slot set each:
 * the local scaling actor. With a fixed number it keeps that many; with
 * MIN..MAX it follows what the scaler wants of this host (elastic.h): starts
 * at once, and asks idle workers to drain, busy ones only when none was idle
 * for WORKER_SUPERVISOR_PATIENCE_MS. It never kills one. */
#pragma once
#include "worker/worker_config.h"

enum {
    WORKER_SUPERVISOR_BACKOFF_MIN_MS = 100,
    WORKER_SUPERVISOR_BACKOFF_MAX_MS = 10 * 1000,
    /* lived so long: back-off starts over */
    WORKER_SUPERVISOR_CALM_MS = 30 * 1000,
    WORKER_SUPERVISOR_PATIENCE_MS = 10 * 1000,
};

/* How long to wait before starting a child again that crashed `crashes` times
 * in a row (>= 1): 100 ms, doubling, at most 10 s. */
int64_t worker_supervisor_backoff_ms(uint32_t crashes);

/* Starts config->processes_min children with the arguments of argv, restarts
 * those that crash, passes SIGTERM and SIGINT on, and returns when all are
 * gone. Children die with it. */
co_must_use enum co_err
worker_supervisor_run(const struct worker_config *config, char *const *argv,
                      int signals_fd, int lifeline_fd, struct co_diag *diag);
