/* record.h - what stands in the journal: record types, positions, views.
 * The journal carries contents and does not look inside them, except in
 * OWNER (its own bookkeeping). Numbers are on disk: never reused, never
 * changed; a reader meets unknown types and hands them on. No state. */
#pragma once
#include "common/err.h"

/* X(name, number, what it says) */
#define RECORD_TYPE_LIST(X)                                                    \
    X(OWNER, 1, "which bytes of which older segments count")                   \
    X(JOB, 2, "the job and its recipe")                                        \
    X(RESULTS, 3, "a result message, header and body verbatim")                \
    X(LOST, 4, "reserved: tasks whose worker, link or broker went away")       \
    X(EXTEND, 5, "reserved: more candidates were drawn")                       \
    X(SEALED, 6, "a shard is on disk: number and hash")                        \
    X(CHECKPOINT, 7, "the job and all sealed shards")                          \
    X(DONE, 8, "the job is over")                                              \
    X(NOTE, 9, "the job's own: what it may spend, before it is asked")         \
    X(RETURNED, 10, "reserved: tasks handed back by a worker")                 \
    X(CANCEL, 11, "reserved: the user's stop")                                 \
    X(CLOSE, 12, "the writer stopped in order; all before it is synced")       \
    X(VOID, 13, "stands where repair gave up damaged bytes")

enum record_type {
    RECORD_NONE = 0,
#define X(name, number, text) RECORD_##name = number,
    RECORD_TYPE_LIST(X)
#undef X
};

enum {
    RECORD_HEADER_BYTES = 16,
    RECORD_ALIGN = 8,             /* every record starts on such an offset */
    RECORD_CONTENT_MAX = 8 << 20, /* bytes */
    SEGMENT_HEADER_BYTES = 64,
    SEGMENT_ROLL_BYTES = 64 << 20, /* a longer segment gets no new commit */
    SEGMENT_VERSION = 1,
};

/* One segment file: whose, and the how-manieth of that owner (from 1). */
struct segment_name {
    uint32_t owner;
    uint32_t sequence;
};

/* Where a record stands. Stays true for the life of the segment: repair
 * keeps every offset. */
struct journal_pos {
    struct segment_name segment;
    uint32_t offset; /* of the record's header in the file */
    uint32_t length; /* content bytes */
};

/* A record as read. content is borrowed from the reader's window and valid
 * until its next call. */
struct record {
    uint64_t sequence; /* within the owner, from 1 */
    uint8_t type;      /* enum record_type, or one this version knows not */
    bool first;        /* first of its commit: all before it was synced */
    uint32_t length;   /* content bytes */
    uint64_t offset;   /* of the header in the segment */
    uint64_t end;      /* where the next record starts */
    const uint8_t *content;
};

/* "RESULTS", ...; "?" for an unknown number. */
const char *record_type_name(uint8_t type);
/* Bytes that a record with this content takes in a segment. */
static inline uint64_t
record_bytes(uint64_t content_len)
{
    return (RECORD_HEADER_BYTES + content_len + RECORD_ALIGN - 1) &
           ~(uint64_t)(RECORD_ALIGN - 1);
}
