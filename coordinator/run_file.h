/* run_file.h - run.json in the output folder: how the run stands, for people
 * and `cohort status`. A cache of the journal, never the truth. */
#pragma once
#include "coordinator/kind.h"

struct run_file {
    const char *dir, *name, *redis, *name_space;
    const char *service, *provider; /* NULL: not told; the built-in writer */
    char user[64];                  /* whose process this is */
    uint64_t job, rows, recipe;
    int64_t started_ms; /* wall clock */
    bool has_ledger;
    struct kind_ledger ledger;
    bool has_money; /* the job pays for its calls */
    struct kind_money money;
    struct co_buf arms; /* JSON of who did what; empty: nothing to tell */
};

/* Texts are borrowed. */
void run_file_init(struct run_file *f, const char *dir, uint64_t job,
                   const char *name, uint64_t rows);
/* Hash of the recipe: tells whether another job's figures say anything. */
void run_file_recipe(struct run_file *f, uint64_t recipe_hash);
/* Whom the money of the job is for: what a sum over runs goes by, with the
 * namespace and the user. provider "": the built-in writer. */
void run_file_payee(struct run_file *f, const char *service,
                    const char *provider);
void run_file_redis(struct run_file *f, const char *redis,
                    const char *name_space);
void run_file_ledger(struct run_file *f, const struct job_kind *kind,
                     const void *state);
void run_file_fini(struct run_file *f);
co_must_use enum co_err run_file_begin(struct run_file *f,
                                       struct co_diag *diag);
co_must_use enum co_err run_file_end(struct run_file *f, const char *state,
                                     const char *text, struct co_diag *diag);
