/* segment.h - one segment file: encode, decode, scan.
 *
 * All numbers little-endian. A file is a header and records, back to back:
 *
 *   segment header, 64 bytes
 *    0        8        12      16       24     28    32        40     60
 *   +--------+--------+-------+--------+------+-----+---------+------+-----+
 *   |COHJRNL1|version |owner  |job id  |segm. |  0  |segment  |  0   |crc  |
 *   |        |u32 = 1 |u32    |u64     |seq   |u32  |id u64   |20 B  |u32  |
 *   +--------+--------+-------+--------+------+-----+---------+------+-----+
 *    crc = CRC32C of bytes 0..59. The segment id is random, never 0.
 *
 *   record, from a multiple of 8 on
 *    0        4        8      9              16
 *   +--------+--------+------+--------------+------------- - -+---------+
 *   |length  |crc     |type  |sequence      |content          |0 to the |
 *   |u32     |u32     |u8    |56 bits       |length bytes     |next 8   |
 *   +--------+--------+------+--------------+------------- - -+---------+
 *    length: bits 0-30 content bytes (<= 8 MiB), bit 31 FIRST
 *    crc = CRC32C of: segment id (8 bytes), bytes 0..3, bytes 8..15,
 *          content, padding. So a record of another segment, an older file
 *          in the same blocks, or a run of zeros is never taken for one.
 *
 * FIRST marks the first record of a commit (one write, one fdatasync). A
 * commit is written only after the one before it was synced: whatever stands
 * in front of a valid FIRST record was on disk, whole. From that follows the
 * verdict on a bad record:
 *   - a valid FIRST record after it: DAMAGED, committed bytes were changed;
 *   - one flipped bit explains it: DAMAGED too, even at the very end;
 *   - else TORN: the last write never finished. That holds also when later
 *     records of the same commit are whole: a disk may write pages in any
 *     order before the sync, and power may fail between them.
 *
 * Reading goes through a window: memory is bounded by one record (8 MiB).
 * Not thread-safe; no global state. Rule for change: a new version number,
 * readers keep reading the old ones. */
#pragma once
#include "journal/record.h"

struct segment_header {
    uint64_t job;
    struct segment_name name;
    uint64_t id; /* random, != 0; ties records to this file */
};

void segment_header_encode(const struct segment_header *header,
                           uint8_t out[SEGMENT_HEADER_BYTES]);
/* CO_TORN   fewer than 64 bytes
 * CO_DAMAGED checksum or magic wrong
 * CO_VERSION written by a newer version */
co_must_use enum co_err segment_header_decode(const uint8_t *in, size_t len,
                                              struct segment_header *ret);
/* Like decode, for a header with one flipped bit: repairs the copy in `in`.
 * CO_DAMAGED: more than one bit is wrong. */
co_must_use enum co_err segment_header_correct(uint8_t *in,
                                               struct segment_header *ret);

/* The checksum's state after the segment id: compute once a segment. */
uint32_t segment_crc_seed(uint64_t segment_id);
/* Writes a record header. crc is the checksum as above (see
 * segment_crc_header for its first part). */
void segment_record_encode(uint8_t out[RECORD_HEADER_BYTES], uint32_t length,
                           bool first, uint8_t type, uint64_t sequence,
                           uint32_t crc);
/* Feeds the covered bytes of an encoded header into the running checksum. */
uint32_t segment_crc_header(uint32_t seed,
                            const uint8_t header[RECORD_HEADER_BYTES]);

/* Where bytes come from: memory or a file, through a window. */
struct segment_source {
    int fd;             /* -1: everything is in `window` */
    uint64_t size;      /* bytes that exist */
    uint8_t *window;    /* owned when fd >= 0 */
    const uint8_t *mem; /* borrowed; memory sources only */
    uint64_t at;        /* file offset of the window */
    size_t len, cap;    /* bytes in the window, allocated */
};
void segment_source_memory(struct segment_source *src, const void *data,
                           size_t len);
/* fd is borrowed. CO_IO and friends: its size cannot be read. */
co_must_use enum co_err segment_source_file(struct segment_source *src, int fd);
void segment_source_fini(struct segment_source *src);
/* len bytes at offset (inside size, asserted); valid until the next call. */
co_must_use enum co_err segment_source_get(struct segment_source *src,
                                           uint64_t offset, size_t len,
                                           const uint8_t **ret);

/* The record at offset, which must end at or before `end`.
 * CO_NOTFOUND offset == end: nothing is there
 * CO_DAMAGED  no valid record is there */
co_must_use enum co_err segment_record(struct segment_source *src,
                                       uint32_t seed, uint64_t offset,
                                       uint64_t end, struct record *ret);
/* The next valid record after the bad one at offset, with a sequence above
 * `sequence`. CO_NOTFOUND: none up to end. */
co_must_use enum co_err segment_resync(struct segment_source *src,
                                       uint32_t seed, uint64_t offset,
                                       uint64_t end, uint64_t sequence,
                                       struct record *ret);

enum segment_verdict { SEGMENT_WHOLE, SEGMENT_TORN, SEGMENT_DAMAGED };

struct segment_scan {
    enum segment_verdict verdict;
    uint64_t records;       /* valid ones, cut ones not counted */
    uint64_t notes;         /* of these: NOTE */
    uint64_t good_end;      /* where the first bad record starts, or the end */
    uint64_t last_sequence; /* of the last record counted */
    uint64_t last_first;    /* offset of the last valid FIRST record; 0: none */
    uint64_t last_owner;    /* offset of the last valid OWNER record; 0: none */
    uint64_t bad_stretches; /* damage only */
    uint64_t valid_after;   /* damage: valid records after the first bad one */
    uint64_t tail;          /* torn: where the tail starts; else good end */
    uint64_t cut_records;   /* torn: whole records of the unfinished commit */
};
/* Walks the records up to end. sealed: all of it is known to be committed, so
 * that any
 * bad record is damage and a missing end too. CO_IO, CO_NOMEM: not scanned. */
co_must_use enum co_err segment_scan(struct segment_source *src,
                                     uint64_t segment_id, uint64_t end,
                                     bool sealed, struct segment_scan *ret);
