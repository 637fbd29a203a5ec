/* budget_rebuild.h - what the commands `cohort budget ...` ask of the ledger in
 * Redis, and of the journals of runs. In order, for a rebuild: budget_stop, so
 * that nothing is granted while journals are read; budget_read of each; then
 * budget_tell. Blocking, one thread. */
#pragma once
#include "cli/source.h"
#include "common/hash.h"
#include "job/budget.h"

/* What a job was granted, in 1e-6 USD. */
struct budget_job {
    uint64_t job;
    int64_t total, today;
};

struct budget_jobs {
    struct budget_job *v; /* owned */
    size_t n;
    int64_t total, today; /* sums */
    uint32_t day;         /* that is today */
    uint64_t id;          /* of the new ledger */
};
void budget_jobs_fini(struct budget_jobs *jobs);

/* Days since 1970 by the clock of Redis. */
co_must_use enum co_err budget_today(struct source *source, uint32_t *ret_day,
                                     struct co_diag *diag);
/* Above `above`, and above all given out by a clock that goes forward. */
uint64_t budget_new_id(uint64_t above);
/* budget_script_set; its result. */
co_must_use enum co_err budget_set(struct source *source, const char *day,
                                   const char *total, const char *id,
                                   int64_t *ret_result, struct co_diag *diag);
/* Whether budget_read would find a journal there: asked before anything is
 * stopped. */
co_must_use enum co_err budget_look(const char *dir, struct co_diag *diag);
/* CO_USAGE: there is no ledger, and with it the caps went, and none are given
 * (caps) in their place. */
co_must_use enum co_err budget_stop(struct source *source, bool caps,
                                    struct budget_jobs *jobs,
                                    struct co_diag *diag);
/* dir: the output folder of a run, or the journal in it. A run that goes on may
 * be read, too. CO_NOTFOUND: no journal; CO_DAMAGED, CO_VERSION: one that
 * cannot tell. */
co_must_use enum co_err budget_read(const char *dir, struct budget_jobs *jobs,
                                    struct co_diag *diag);
/* CO_STATE: another rebuild has begun, or the day has passed. */
co_must_use enum co_err budget_tell(struct source *source,
                                    const struct budget_jobs *jobs,
                                    struct co_diag *diag);
