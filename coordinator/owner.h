/* owner.h - runs one job: the process around owner_core.
 * The owner has the folder's lock (taken by the caller), an owner number that
 * is on disk, links to all brokers, the journal and a hosted job. One thread;
 * the journal and the sealer have threads of their own behind mailboxes. */
#pragma once
#include "coordinator/owner_core.h"
#include "proto/keyring.h"

struct owner; /* opaque */
struct watch; /* watch.h: who is told about progress */

struct owner_options {
    uint64_t job;         /* id, not 0 */
    uint32_t number;      /* owner number, claimed in the journal */
    const char *job_name; /* for people */
    const char *journal_dir;
    bool fresh;           /* nothing was journaled before */
    uint64_t recipe;      /* stands in TASKS; 0 = none */
    const char *provider; /* of the tasks; borrowed; NULL or "" = none */
    uint64_t fingerprint; /* workers must have it; 0 = any */
    uint32_t priority;
    uint32_t batch;          /* tasks a message; 0 = default */
    uint32_t window;         /* tasks out at most; 0 = default */
    uint64_t segment_bytes;  /* of the journal; 0 = default */
    struct letters *letters; /* borrowed; NULL: nobody reads them */
    uint32_t wait_ms, run_ms, total_ms,
        stall_ms;                  /* clocks of a task; 0: unlimited */
    uint32_t call_total_ms;        /* of a paid call; 0: not known */
    struct co_option_list brokers; /* endpoints, at least one */
    const struct keyring *keys;    /* of the links; NULL: none */
    int lifeline_fd;               /* its end of file stops the job; -1: none */
    int signal_fd;                 /* SIGTERM, SIGINT stop the job; -1: none */
};

/* options and hosted are borrowed for the owner's life. */
co_must_use enum co_err owner_new(const struct owner_options *options,
                                  const struct hosted *hosted,
                                  struct watch *watch, struct owner **ret_owner,
                                  struct co_diag *diag);
/* Attaches, reads the journal, works until the end. */
co_must_use enum owner_end owner_run(struct owner *o, struct co_diag *diag);
/* The engine, for reports after the run. */
const struct engine *owner_engine(const struct owner *o);
void owner_free(struct owner *o);
CO_DEFINE_FREEP(struct owner, owner_free)
