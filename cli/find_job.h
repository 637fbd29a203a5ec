/* find_job.h - the job that a person means: an output folder, or a job id that
 * a Redis or a run of this user knows. One thread. */
#pragma once
#include "cli/job_state.h"
#include "cli/source.h"

/* what: a folder, or 16 hex digits. source: whom to ask for an id; NULL, or
 * without a URL: the runs of this user.
 * CO_USAGE: neither a folder with a run nor an id; CO_NOTFOUND: nobody knows
 * it. */
co_must_use enum co_err find_job(const char *what,
                                 const struct source_config *source,
                                 struct job_state *ret, struct co_diag *diag);
