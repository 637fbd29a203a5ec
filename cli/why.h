/* why.h - what a job waits for, and what to do about it: rules over what the
 * keys in Redis say (fleet_state.h), or over how it ended (job_state.h). Each
 * rule is a row of a table in why.c. Pure: no I/O, no clock. */
#pragma once
#include "cli/fleet_state.h"
#include "cli/job_state.h"
#include "cli/limits_state.h"

enum why_level {
    WHY_FINE,    /* as it should be */
    WHY_NOTE,    /* worth knowing */
    WHY_PROBLEM, /* somebody should do something */
};

enum { WHY_MAX = 12 };

struct why_finding {
    enum why_level level;
    const char *code; /* stable word; docs/cli.md lists them */
    char text[320];   /* what it waits for, or what is worth knowing */
    const char *act;  /* what to do; "" nothing */
};

struct why {
    struct why_finding v[WHY_MAX];
    size_t n;
};

/* Of a job that Redis tells about, whether it goes on or is over. */
void why_of_job(const struct fleet_state *s, const struct fleet_job *j,
                struct why *ret);
/* Adds which endpoints of models hold back a job that asks them, and why. */
void why_of_limits(const struct limits_state *limits,
                   const struct fleet_state *s, const struct fleet_job *j,
                   struct why *why);
/* Of a job whose folder alone is known: over, interrupted, or its Redis does
 * not answer. */
void why_of_folder(const struct job_state *s, struct why *ret);
/* "fine", "note", "problem" */
const char *why_level_name(enum why_level level);
