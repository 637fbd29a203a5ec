/* replay.h - an owner's start from its journal, and how the engine's orders
 * stand in it.
 *
 *   RESULTS content
 *    0          4
 *   +----------+----------------+----------------+
 *   | head u32 | head bytes     | body bytes     |
 *   +----------+----------------+----------------+
 *
 * little-endian; head and body are the RESULTS message as it came. A NOTE is
 * the kind's own content as it is. */
#pragma once
#include "coordinator/engine.h"
#include "coordinator/hosted.h"

enum { REPLAY_PREFIX_BYTES = 4 };

/* The engine's name of a segment: owner << 32 | sequence. */
static inline uint64_t
replay_segment(struct segment_name name)
{
    return (uint64_t)name.owner << 32 | name.sequence;
}

/* From the record's start to the first byte of the body. */
static inline uint32_t
replay_body_inside(uint64_t head_bytes)
{
    return RECORD_HEADER_BYTES + REPLAY_PREFIX_BYTES + (uint32_t)head_bytes;
}

/* The first part of a RESULTS record. */
co_must_use enum co_err replay_prefix(size_t head_bytes,
                                      struct co_bytes *ret_bytes);

/* Checks the journal in dir, feeds what counts of it into engine and hosted
 * (the newest CHECKPOINT, then oldest first), and starts writing as owner, in
 * segments of segment_bytes (0: the default). A torn tail is cut and said; a
 * damaged journal is refused and not touched: diag says what to do. */
co_must_use enum co_err replay_journal(const char *dir, uint64_t job,
                                       uint32_t owner, uint64_t segment_bytes,
                                       struct engine *engine,
                                       const struct hosted *hosted,
                                       struct journal **ret_journal,
                                       struct co_diag *diag);
