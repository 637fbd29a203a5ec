/* sweep.h - all rows of a corpus, once, in order, on several processors.
 * Threads take the next frame (one reads at a time), uncompress it and look
 * at its rows; what they wrote comes out in the order of frames. At most
 * SWEEP_AHEAD frames are under way, so memory does not grow with the corpus:
 * a frame's rows and their output for each. */
#pragma once
#include "query/outdir.h"
#include "query/schema.h"
#include "query/select.h"

enum { SWEEP_THREADS_MAX = 8, SWEEP_AHEAD = 16 };

/* What the rows of a frame gave; all of it is gone after the call. */
struct sweep_batch {
    const char *out;    /* of the rows that matched, one behind the other */
    const size_t *ends; /* where each of them ends in out */
    size_t matches;
    uint64_t rows; /* that were looked at */
};

struct sweep_options {
    const struct outdir *dir;
    const struct select *select;
    unsigned
        threads; /* 1..SWEEP_THREADS_MAX; 0: the processors, at most that */
    bool verify; /* compare the hashes of files with MANIFEST.json */
};

struct sweep_totals {
    uint64_t rows, matches;
};

/* Takes a batch. CO_CANCELLED: enough; any other error ends the sweep too, and
 * is its result. Called in the caller's thread. */
typedef enum co_err (*sweep_sink)(void *arg, const struct sweep_batch *batch,
                                  struct co_diag *diag);

/* CO_CANCELLED is success to the caller: the sink wanted no more. In errors the
 * file and the byte of the frame are named. Rows in front of an error have been
 * given out.
 *
 * CO_DAMAGED  a file differs from MANIFEST.json (hash with verify, rows always)
 *             or does not hold what was promised */
co_must_use enum co_err sweep_run(const struct sweep_options *options,
                                  sweep_sink sink, void *arg,
                                  struct sweep_totals *ret_totals,
                                  struct co_diag *diag);

/* Learns the columns from the rows of the first frame. */
co_must_use enum co_err sweep_schema(const struct outdir *dir,
                                     struct schema **ret_schema,
                                     struct co_diag *diag);
