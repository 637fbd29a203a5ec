/* kind_personas.h - the kind that makes a persona corpus of exactly N rows.
 * Candidates 0, 1, 2 ... lie on a fixed grid of cells (250 candidates, one
 * range task each) and in shards [k S, (k+1) S). Accepted are the first N
 * acceptable candidates in index order, so a decided candidate counts as
 * pending until every earlier one is decided. What is good beyond N is
 * surplus. A cell whose frame does not hold just the rows that count gets a
 * `pack` task (step 9), whose frame replaces it. With dedup, a candidate that
 * says what an earlier one says is rejected, by the hashes that come with the
 * results.
 * Memory: open shards (at most 256), 80 bytes a sealed shard, and the cells of
 * the last, cut shard, from which a later run with more rows goes on. With
 * dedup 12 bytes a row asked for, and 8 a candidate of an open shard.
 *
 * How the shell uses it, beside the engine:
 *   replay:  personas_restore() (CHECKPOINT), personas_replay_sealed()
 *            (SEALED), engine_replay_results(), in journal order;
 *   running: while (personas_next_seal()) write the shard; when it is renamed
 *            and synced: personas_sealed_record() -> journal; when that is
 *            committed: personas_on_sealed(), personas_next_freed(). */
#pragma once
#include "coordinator/kind.h"

enum {
    PERSONAS_CELL = 250, /* candidates a range task: grid constant */
    PERSONAS_STEP_PACK = 9,
    PERSONAS_DEPTH_MAX = 8, /* halvings: 250 -> 1 */
    PERSONAS_TABLES_MAX = 64,
    PERSONAS_SHARD_ROWS_MAX = 1000000,
};

struct personas; /* opaque */

struct personas_options {
    uint64_t rows;       /* N, 1..10^11 */
    uint32_t shard_rows; /* candidates a shard, multiple of 250; 0 = 10,000 */
    uint64_t candidates; /* candidate budget; 0 = 2 N + 1000 */
    const char *service; /* borrowed, e.g. "persona.compose" */
    /* Audit tables: number of count cells of each. Deltas outside are
     * invalid. Borrowed during personas_new() only. */
    const uint32_t *table_cells;
    uint32_t tables; /* 0..PERSONAS_TABLES_MAX */

    bool dedup; /* results must have hashes of their texts */
    /* For tests: keeps that many bits of each hash, so that duplicates are
     * frequent. 0: all. */
    unsigned hash_bits;
    /* Reads the n hashes of a sealed shard (personas_seal.hashes; the file may
     * have more behind them); hash is XXH3-64 of them. Called in a replay, and
     * only with dedup. Its error is the caller's of the replay. */
    enum co_err (*load)(void *self, uint64_t shard, uint32_t n, uint64_t hash,
                        uint64_t *ret_hashes);
    void *load_self;
};

extern const struct job_kind personas_kind;

/* CO_INVALID: an option is out of its range. */
co_must_use enum co_err personas_new(const struct personas_options *options,
                                     struct personas **ret_personas);
void personas_free(struct personas *p);
CO_DEFINE_FREEP(struct personas, personas_free)

/* -- sealing -------------------------------------------------------------- */

/* One zstd frame of a shard, in row order. */
struct personas_frame {
    uint64_t segment;   /* owner << 32 | sequence of the journal segment;
                         * 0: in the shard's present file */
    uint64_t offset;    /* of the frame's first byte in that file */
    uint32_t len;       /* bytes */
    uint32_t rows;      /* lines in it, never 0 */
    uint64_t raw_bytes; /* uncompressed */
    uint32_t raw_crc;   /* zlib crc32 of the uncompressed rows */
    uint32_t record;    /* offset of its record in the segment, for checks */
};

struct personas_seal {
    uint64_t shard;
    const struct personas_frame *frames; /* valid until the next call with p */
    uint32_t count;                      /* 0: a shard without rows */
    uint64_t rows;
    uint64_t raw_bytes;
    uint64_t bytes; /* of all frames */
    bool reopened;  /* replaces an existing file */
    /* With dedup: the new hashes of the shard in index order, to be on disk
     * before its SEALED record is; valid until it is confirmed. */
    const uint64_t *hashes;
    uint32_t n_hashes;
};

/* What is kept of a sealed shard: 80 bytes. */
struct personas_shard {
    uint64_t rows;
    uint64_t bytes; /* of the file */
    uint64_t raw_bytes;
    uint64_t file_hash; /* XXH3-64 of the file */
    uint64_t raw_hash; /* hash of the uncompressed rows, as the shell defines */
    uint64_t rejected;
    uint64_t surplus;
    uint32_t dead;
    uint32_t drawn;       /* candidates; below shard_rows: the last one, cut */
    uint32_t duplicates;  /* of the rejected */
    uint32_t hashes;      /* in the shard's file of hashes */
    uint64_t hashes_hash; /* XXH3-64 of them */
};

/* The next shard to write, in order; each is named once. False: none now. */
bool personas_next_seal(struct personas *p, struct personas_seal *ret_seal);
/* Appends the SEALED record of a shard named by personas_next_seal(): entry,
 * audit counts and, for the cut shard, its cells. */
co_must_use enum co_err personas_sealed_record(const struct personas *p,
                                               uint64_t shard,
                                               uint64_t file_hash,
                                               uint64_t raw_hash,
                                               struct co_buf *out);
/* The SEALED record is committed: frees the shard's memory. Shards are
 * confirmed in the order in which they were named (asserted). */
void personas_on_sealed(struct personas *p, uint64_t shard, uint64_t file_hash,
                        uint64_t raw_hash);
/* Payload bytes that no longer have to be read, by segment, until false. */
bool personas_next_freed(struct personas *p, uint64_t *ret_segment,
                         uint64_t *ret_bytes);
/* Whether that journal segment still has to be read: a result of an open shard
 * is in it, or one's death may be. Walks the open shards: for the moments when
 * a segment might go. */
bool personas_needs_segment(const struct personas *p, uint64_t segment);

/* -- journal -------------------------------------------------------------- */

/* Appends the content of a CHECKPOINT: all sealed shards. Open shards are in
 * the RESULTS records since. */
co_must_use enum co_err personas_snapshot(const struct personas *p,
                                          struct co_buf *out);
/* Into a fresh p. CO_VERSION, CO_DAMAGED; CO_MISMATCH: other shard_rows or
 * tables; CO_STATE: more rows are sealed than are asked for now. After an
 * error p is of no use. */
co_must_use enum co_err personas_restore(struct personas *p, const uint8_t *in,
                                         size_t len);
/* Errors as above; CO_DAMAGED also for a gap in the shards' numbers. */
co_must_use enum co_err personas_replay_sealed(struct personas *p,
                                               const uint8_t *in, size_t len);

/* -- report --------------------------------------------------------------- */

uint64_t personas_shards(const struct personas *p); /* sealed */
const struct personas_shard *personas_shard(const struct personas *p,
                                            uint64_t shard);
/* Counts of one audit table over the sealed rows, table_cells of them; valid
 * until the next change. */
const uint64_t *personas_audit(const struct personas *p, uint32_t table);

/* Progress and costs of this run; X(name, text). */
#define PERSONAS_COUNTER_LIST(X)                                               \
    X(cells, "cells decided")                                                  \
    X(splits, "ranges halved")                                                 \
    X(packs, "cells packed again")                                             \
    X(packs_dead, "packs given up: their rows count as dead")                  \
    X(withdrawn, "candidates withdrawn beyond the last row")                   \
    X(invalid_shape, "results that were no range result")                      \
    X(invalid_range, "results of another range than asked")                    \
    X(invalid_counts, "results whose counts disagree")                         \
    X(invalid_audit, "results with impossible audit deltas")                   \
    X(reopened, "shards opened again for more rows")                           \
    X(duplicates, "rows left out: an earlier one says the same")               \
    X(invalid_hashes, "results without the hashes of their texts")             \
    X(no_memory, "times that dedup had no memory and the job waited")

struct personas_counters {
#define X(name, text) uint64_t name;
    PERSONAS_COUNTER_LIST(X)
#undef X
};
const struct personas_counters *personas_counters(const struct personas *p);
