/* range.h - what a range task does: draw candidates, keep the accepted,
 * write their rows, compress, count. And the payload that carries it.
 *
 * Payload, a msgpack map with integer keys (docs/protocol.md):
 *   1 start u64        2 count u32       3 drawn u32 (= count)
 *   4 accepted u32     5 bitmap of the accepted (count bits, LSB first)
 *   6 rows in the frame, min(accepted, take)
 *   7 raw_bytes u64    8 raw_crc32 (zlib's) of the uncompressed rows
 *   9 deltas: array of [table, cell, n, cell, n, ...] (audit.h)
 *  10 frame: one zstd frame of `rows` lines
 *  11 hashes: bin, 8 bytes little-endian for each of the accepted, in order:
 *     text_hash() of its prose, whether it became a row or not (so that they
 *     do not depend on take). Only where the recipe dedups.
 * Unknown keys are skipped. The same range gives the same bytes anywhere
 * (given population_fingerprint).
 *
 * A maker belongs to one thread; it keeps its buffers between ranges. */
#pragma once
#include "audit/audit.h"
#include "rows/row.h"

enum {
    RANGE_COUNT_MAX = 65536,   /* candidates of one range */
    RANGE_FRAME_MAX = 4 << 20, /* bytes of a compressed frame */
    RANGE_RAW_MAX = 64 << 20,  /* bytes of uncompressed rows */
    RANGE_DELTAS_MAX = 3 * RANGE_COUNT_MAX,
};

struct range_result {
    uint64_t start;
    uint32_t count, drawn, accepted, rows;
    const uint8_t *bitmap; /* (count + 7) / 8 bytes */
    uint64_t raw_bytes;
    uint32_t raw_crc32;
    struct audit_delta *deltas;
    size_t n_deltas;
    const uint8_t *frame;
    size_t frame_bytes;
    const uint8_t *hashes; /* 8 * accepted bytes; NULL: not hashed */
};

/* Hash k of a result, k < accepted. */
static inline uint64_t
range_hash(const struct range_result *r, uint32_t k)
{
    uint64_t h = 0;

    for (unsigned i = 0; i < 8; i++) {
        h |= (uint64_t)r->hashes[8 * (size_t)k + i] << 8 * i;
    }
    return h;
}

struct range_maker; /* opaque */

co_must_use enum co_err range_maker_new(struct range_maker **ret_maker);
void range_maker_free(struct range_maker *r);
CO_DEFINE_FREEP(struct range_maker, range_maker_free)

/* Starts a range of candidates start .. start + count - 1; of the accepted
 * at most the first take become rows (all are counted as accepted and in the
 * bitmap; the deltas count the rows). sampler is borrowed until the end. An
 * unfinished earlier range is forgotten.
 *
 * CO_RANGE  count is 0 or above RANGE_COUNT_MAX, or start + count overflows */
co_must_use enum co_err range_begin(struct range_maker *r,
                                    const struct sampler *s, uint64_t start,
                                    uint32_t count, uint32_t take,
                                    enum row_level level);
/* Between begin and the first step: hash what the accepted say. */
co_must_use enum co_err range_want_hashes(struct range_maker *r);
/* Between begin and the first step: candidates whose bit is set (as in the
 * bitmap of a result) do not become rows, though they count as accepted: so a
 * range is made without its duplicates. skip is copied.
 *
 * CO_RANGE  bytes is not (count + 7) / 8 */
co_must_use enum co_err range_skip(struct range_maker *r, const uint8_t *skip,
                                   size_t bytes);
/* Between begin and the first step, with ROW_TEXTS: the texts are what models
 * wrote (row_answers.h), an element for each candidate, and no row has a
 * built-in text, but for one whose element says that it has. A candidate
 * without answers is not accepted. msgpack is borrowed until the end.
 *
 * CO_PROTOCOL  not such answers; then or in the step that comes to a row whose
 *              answers are none for its person      CO_NOMEM */
co_must_use enum co_err range_answers(struct range_maker *r,
                                      const uint8_t *msgpack, size_t len);
/* Draws up to n candidates more; *ret_left of them remain. */
co_must_use enum co_err range_step(struct range_maker *r, uint32_t n,
                                   uint32_t *ret_left);
/* Compresses; call when none remain. The result's pointers are the maker's
 * and hold until its next range_begin. */
co_must_use enum co_err range_end(struct range_maker *r,
                                  struct range_result *ret);
/* Begin, every step and end in one call. */
co_must_use enum co_err range_make(struct range_maker *r,
                                   const struct sampler *s, uint64_t start,
                                   uint32_t count, uint32_t take,
                                   enum row_level level,
                                   struct range_result *ret);

/* Appends the payload to buf; fails only as buf does. */
co_must_use enum co_err range_encode(const struct range_result *result,
                                     struct co_buf *buf);
/* Reads a payload that a peer sent. bitmap and frame point into data, deltas
 * are allocated: release with range_result_fini. Checked: every length and
 * limit, that bitmap, accepted and rows agree, that the frame is one zstd
 * frame that declares raw_bytes, and that deltas name existing tables. What
 * is inside the frame is not looked at: see range_verify.
 *
 * CO_PROTOCOL  not such a payload      CO_NOMEM */
co_must_use enum co_err range_decode(const void *data, size_t len,
                                     struct range_result *ret);
void range_result_fini(struct range_result *result);

/* Uncompresses the frame into raw and compares size, CRC and line count.
 * CO_DAMAGED: they differ. */
co_must_use enum co_err range_verify(const struct range_result *result,
                                     struct co_buf *raw);
