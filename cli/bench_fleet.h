/* bench_fleet.h - runs one coordinator in a fleet for `cohort bench` and says
 * what it cost. One thread. */
#pragma once
#include "cli/conduct.h"

struct bench_fleet {
    struct fleet_options fleet;
    const char *sub_command;  /* of the coordinator */
    const char *const *args;  /* further arguments, ended by NULL */
    const char *redis_folder; /* where a private Redis may lie; NULL: none */
    bool quiet;               /* no progress display */
    /* Filled: */
    struct status_line last; /* for status_line_fini */
    struct fleet_cost cost;
    int64_t wall_ms; /* from the first start to the last stop */
};

/* Returns the exit code; what went wrong was said. */
int bench_fleet_run(struct bench_fleet *b, const char *program);
/* All CPU of the fleet's processes. */
int64_t bench_fleet_cpu_us(const struct fleet_cost *cost);
