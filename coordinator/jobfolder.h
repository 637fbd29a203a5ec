/* jobfolder.h - the output folder of a job: whose it is, what stands in it.
 * Opening it takes its lock, which is what keeps two owners apart; everything
 * else (Redis, brokers) only hears of it. One thread. */
#pragma once
#include "coordinator/identity.h"

enum jobfolder_state {
    JOBFOLDER_FRESH,    /* nothing was made here yet */
    JOBFOLDER_RESUME,   /* the same job, not finished */
    JOBFOLDER_EXTEND,   /* the same recipe, more rows asked for now */
    JOBFOLDER_FINISHED, /* the same job, complete */
    JOBFOLDER_REPLAY,   /* complete, but dead rows are to be drawn again */
};

struct jobfolder {
    int lock_fd;
    char dir[4096];
    char journal_dir[4096 + 16];
    enum jobfolder_state state;
    struct identity identity; /* of the job as it is to run now */
};

/* What the job file asks for, to be compared with what stands there. */
struct jobfolder_wish {
    const char *dir, *name, *kind;
    uint64_t rows;
    uint32_t shard_rows;
    const void *recipe; /* canonical JSON */
    size_t recipe_len;
    uint64_t recipe_hash;
    uint64_t job; /* id of a new job; 0: a random one */
};

/* Makes the folder if missing, locks it, reads its journal's identity.
 * CO_BUSY      another process works in it
 * CO_MISMATCH  another recipe, fewer rows, a corpus without its journal, or
 *              somebody's own README.md or report.json: diag says what
 *              differs
 * CO_DAMAGED   the journal: diag says what to do
 * CO_DENIED, CO_NOSPACE, ...  the folder cannot be used: diag says why */
co_must_use enum co_err jobfolder_open(const struct jobfolder_wish *wish,
                                       struct jobfolder *ret_folder,
                                       struct co_diag *diag);
/* Gives the lock back. */
void jobfolder_close(struct jobfolder *f);
