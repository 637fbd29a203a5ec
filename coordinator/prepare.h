/* prepare.h - everything that a job file decides: the job as it is to run, its
 * recipe, and what tells whether a folder may be used for it. Both who runs a
 * job (run_job.c) and who only takes it in (serve.c) begin here. One thread. */
#pragma once
#include "coordinator/jobfolder.h"
#include "job/spec.h"
#include "population/sampler.h"
#include "prose/prose.h"

/* What stands on the command line or in a submission. */
struct prepare_options {
    const char *file;           /* path; in messages when text is given */
    const char *text;           /* the content; NULL: read the file */
    size_t text_len;            /* of text */
    struct spec_overrides over; /* dir is borrowed */
    const char *data;           /* folder of the model; NULL: the usual */
};

struct prepared {
    struct job_spec *spec;
    struct model *model;
    struct prose *prose; /* the phrases of this machine */
    struct sampler *sampler;
    struct co_bytes recipe;
    uint64_t recipe_hash;
    unsigned hash_bits;  /* see recipe.h */
    char file_dir[1025]; /* folder that the job file names */
    bool job_is_bad; /* on error: the job file or command line is to blame */
};

/* Reads a number of the command line. CO_USAGE: text is none. */
co_must_use enum co_err prepare_number(const char *option, const char *text,
                                       uint64_t *ret, struct co_diag *diag);
/* Fills *p, which prepare_fini frees in any case. On error diag has the
 * message, and p->job_is_bad says whether another try can help. */
co_must_use enum co_err prepare(const struct prepare_options *options,
                                struct prepared *p, struct co_diag *diag);
void prepare_fini(struct prepared *p);
/* Opens (and locks) dir for this job, as jobfolder_open. job: id of a new job;
 * 0: a random one. */
co_must_use enum co_err prepare_folder(const struct prepared *p,
                                       const char *dir, uint64_t job,
                                       struct jobfolder *ret_folder,
                                       struct co_diag *diag);
/* Appends a line that says what the command line changed, at most
 * PREPARE_AS_RUN_BYTES: "# as run: rows 20000, seed 43". Nothing when nothing
 * was changed. */
enum { PREPARE_AS_RUN_BYTES = 4096 };
void prepare_as_run(const struct spec_overrides *over, struct co_buf *text);
