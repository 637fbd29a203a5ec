/* sealer.h - copies the frames of a decided shard from the journal into its
 * final file, on a thread of its own (copying and fsync block).
 * A shard is its zstd frames one after the other: nothing is encoded again.
 * Temp file, fsync, rename, fsync of the folder; only then is it reported, so
 * that the owner may journal SEALED and let the journal segments go.
 * The hashes of the shard's texts, if there are any, go to a file beside it in
 * the same way, before it: 8 bytes each, little-endian.
 * Orders are handled in the order given. Started and used by one thread. */
#pragma once
#include "journal/record.h"

/* Bytes of a journal segment that belong into the file. */
struct seal_piece {
    struct segment_name segment; /* owner 0: the shard's present file */
    uint64_t offset;             /* in that file */
    uint32_t len;
};

struct seal_order {
    uint64_t shard; /* the caller's number, comes back with the answer */
    char file[64];  /* name inside the output folder */
    struct seal_piece *pieces; /* malloc'ed, freed with the order */
    size_t n; /* 0: nothing is written, the answer says 0 bytes */
    char hash_file[64];
    const uint64_t *hashes; /* borrowed until the answer or sealer_stop */
    size_t n_hashes;        /* 0: no such file */
};

struct seal_answer {
    uint64_t shard;
    enum co_err err;
    struct co_diag diag; /* when err */
    uint64_t bytes;      /* of the file */
    uint64_t hash;       /* XXH3-64 of the file */
};

struct sealer; /* opaque */

/* Starts the thread. Both folders exist; out_dir gets the files. */
co_must_use enum co_err sealer_start(const char *out_dir,
                                     const char *journal_dir,
                                     struct sealer **ret_sealer,
                                     struct co_diag *diag);
/* Hands over an order (on CO_OK its pieces are the sealer's). CO_FULL: as many
 * as SEALER_ORDERS_MAX wait; try again after an answer. */
enum { SEALER_ORDERS_MAX = 64 };
co_must_use enum co_err sealer_order(struct sealer *s,
                                     const struct seal_order *order);
/* Readable while answers wait. */
int sealer_fd(const struct sealer *s);
/* One answer, or CO_AGAIN. Never blocks. */
co_must_use enum co_err sealer_poll(struct sealer *s,
                                    struct seal_answer *ret_answer);
/* Ends the thread after the order it is at; unanswered ones are dropped (their
 * frames still stand in the journal). NULL is fine. */
void sealer_stop(struct sealer *s);
CO_DEFINE_FREEP(struct sealer, sealer_stop)
