/* cover.h - were all state tables of the cores gone through? Counted in the
 * program sim-planted only (common/cover.h). The tables are asked what they
 * allow; pairs that cannot happen stand with their reason in unmet.txt,
 * and one of those that does happen is as wrong as a pair that does not. */
#pragma once
#include "common/cover.h"

#include <stdbool.h>
#include <stdio.h>

enum { COVER_STATES_MAX = 8, COVER_EVENTS_MAX = 10 };

struct cover_table {
    const char *name;
    unsigned n_states, n_events;
    const char *states[COVER_STATES_MAX], *events[COVER_EVENTS_MAX];
    bool (*allows)(unsigned state, unsigned event);
};

/* By id. cover_broker.c, cover_worker.c and cover_engine.c have them, because
 * the cores' names do not go together in one file. */
extern const struct cover_table cover_broker_task, cover_broker_worker,
    cover_worker_task, cover_worker_result, cover_worker_link,
    cover_engine_task;

/* Prints how often each pair was met; with the file of impossible ones also
 * what is wrong. False: something is. */
bool cover_report(const char *impossible, FILE *out);
