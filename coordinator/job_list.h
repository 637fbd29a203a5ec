/* job_list.h - the jobs that a daemon has accepted and not ended, kept in
 * ROOT/jobs.json so that they survive it. At most JOB_LIST_MAX. */
#pragma once
#include "common/err.h"

#include <sys/types.h>

enum {
    JOB_LIST_MAX = 256,
    JOB_FAILURES_MAX = 8,
    JOB_WELL_MS = 30 * 1000 /* who lived this long died of something else */
};

struct listed_job {
    uint64_t id;
    char out[4096];          /* absolute */
    char rows[24], seed[24]; /* overrides as text; "" none */
    pid_t pid;               /* of its process; 0: none runs */
    int failures;            /* deaths in a row */
    int64_t start_ms;        /* when it was started, or is to be */
};

struct job_list {
    struct listed_job v[JOB_LIST_MAX];
    size_t n;
};

/* A missing file is an empty list. */
co_must_use enum co_err job_list_load(struct job_list *list, const char *root,
                                      struct co_diag *diag);
co_must_use enum co_err job_list_save(const struct job_list *list,
                                      const char *root, struct co_diag *diag);
/* CO_FULL: JOB_LIST_MAX jobs. */
co_must_use enum co_err job_list_add(struct job_list *list,
                                     const struct listed_job *job);
struct listed_job *job_list_find(struct job_list *list, const char *out);
void job_list_remove(struct job_list *list, size_t i);
/* Counts a death; true while it is worth starting again, at start_ms. Deaths
 * are in a row when none of them came JOB_WELL_MS or more after its start:
 * a job of weeks outlives any number of them. */
bool job_list_failed(struct listed_job *job, int64_t now_ms);
