/* open_job.h - a job file opened on this machine as a run would open it: read,
 * checked against its model, with its recipe's hash and its sampler. */
#pragma once
#include "cli/commands.h"
#include "job/spec.h"

struct open_job {
    struct job_spec *spec;
    struct model *model;
    struct prose *prose;
    struct sampler *sampler; /* of the recipe */
    uint64_t recipe_hash;
    uint32_t pass_ppm; /* candidates of a million that the conditions leave */
};

/* CLI_OK; else the exit code, and diag says what is wrong. ret is for
 * open_job_fini either way. over may be NULL. */
co_must_use int open_job(const char *file, const struct spec_overrides *over,
                         const char *data_dir, struct open_job *ret,
                         struct co_diag *diag);
/* Those that are played, of all that may write, have a file that can be. */
co_must_use enum co_err open_job_check_replay(const struct job_spec *spec,
                                              struct co_diag *diag);
void open_job_fini(struct open_job *job);
