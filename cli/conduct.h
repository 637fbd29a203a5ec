/* conduct.h - runs one coordinator in a fleet to its end: reads its reports,
 * passes signals on, has what dies started again. Used by run and bench.
 * One thread. */
#pragma once
#include "cli/fleet.h"
#include "cli/progress.h"

struct conduct {
    struct fleet *fleet; /* with its coordinator started */
    struct progress *progress;
    int signal_fd;          /* co_signals_open */
    uint32_t restart_max;   /* of the coordinator, when it is killed */
    const char *unanswered; /* endpoints to name when none answers */
    bool keyed; /* with keys: who is not let in hears nothing either */
    /* Each report; may start more of the fleet. May be NULL. */
    void (*report)(void *arg, const struct status_line *line);
    void *arg;
    /* The rest is filled by conduct_run. */
    bool stop_asked;         /* by a signal */
    int64_t stop_ms;         /* and when that was */
    bool kill_asked;         /* by a second one */
    bool restarted;          /* the coordinator was; last counts from then */
    bool broken;             /* the fleet could not be kept up */
    struct status_line last; /* the end, or the last report; owned */
};

/* Until the coordinator is gone for good. Returns the exit code for the
 * program; has told why if it is not 0 or 3 (then the caller has last). */
int conduct_run(struct conduct *c);
void conduct_fini(struct conduct *c);
