/* live.h - how much of each segment is still needed, and which may go.
 * The owner counts: a result is live from its commit until its shard is
 * SEALED (or its record was copied forward). Bytes, not records: a rewrite
 * costs bytes. A segment may be deleted when nothing in it is live, it is
 * older than the current one, and a CHECKPOINT stands in a later segment
 * (that makes its LOST, SEALED, ... records superfluous). One that is almost
 * dead is to be copied forward: append its live records again, and when they
 * are committed drop the old ones here.
 * Pure: no I/O; belongs to the thread that owns the journal. */
#pragma once
#include "journal/adoption.h"

struct live; /* opaque */

enum { LIVE_COPY_PERCENT = 10 }; /* less live than this: copy forward */

co_must_use enum co_err live_new(struct live **ret);
void live_free(struct live *l);
CO_DEFINE_FREEP(struct live, live_free)

/* A record was read at the start or committed: counts it into its segment's
 * size. live: it will be dropped one day; else it never holds the segment.
 * A CHECKPOINT is reported with live_checkpoint as well. */
co_must_use enum co_err live_add(struct live *l, struct journal_pos pos,
                                 bool live);
/* bytes of that record (part of its content is fine: a result message with
 * several results is dropped one by one) are not needed any more.
 * Dropping more than was added is a bug (asserted). */
void live_drop(struct live *l, struct segment_name segment, uint64_t bytes);
/* The newest committed CHECKPOINT stands there. */
void live_checkpoint(struct live *l, struct segment_name segment);
/* The segment was deleted. */
void live_gone(struct live *l, struct segment_name segment);

enum live_action { LIVE_DELETE, LIVE_COPY };
struct live_garbage {
    struct segment_name segment;
    enum live_action action;
};
/* Fills at most max entries, oldest first; returns how many. Segments from
 * `current` on are never named. */
size_t live_garbage(const struct live *l, struct segment_name current,
                    struct live_garbage *ret, size_t max);
/* Live bytes of a segment; 0 if unknown. */
uint64_t live_bytes(const struct live *l, struct segment_name segment);
