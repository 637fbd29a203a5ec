/* fake_ranges.h - what a worker would answer to a range task, made cheaply.
 * Rows are "row <index>\n"; a candidate is rejected when the mask says so. No
 * two say the same, until a kind keeps a few bits of their hashes only. */
#pragma once
#include "common/hash.h"
#include "coordinator/kind_personas.h"
#include "proto/walk.h"
#include "rows/range.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

/* One candidate in `reject_one_in` is rejected (0: none), always the same. */
static inline bool
fake_accepts(uint64_t index, uint32_t reject_one_in)
{
    return !reject_one_in ||
           (index * 0x9E3779B97F4A7C15u >> 33) % reject_one_in != 0;
}

/* The hash of what a candidate says. */
static inline uint64_t
fake_hash(uint64_t index)
{
    return co_mix64(index + 1);
}

/* Which candidates count when a kind keeps `bits` bits of the hashes (0: no
 * dedup), found the slow way: called for 0, 1, 2 ... in order. */
struct fake_said {
    unsigned bits;
    uint8_t *said; /* 2^bits; owned */
};

static inline void
fake_said_begin(struct fake_said *f, unsigned bits)
{
    *f = (struct fake_said){.bits = bits};
    if (bits) f->said = calloc((size_t)1 << bits, 1);
}

static inline void
fake_said_end(struct fake_said *f)
{
    free(f->said);
    f->said = NULL;
}

static inline bool
fake_is_new(struct fake_said *f, uint64_t index)
{
    uint64_t hash;

    if (!f->bits) return true;
    hash = fake_hash(index) & ((UINT64_C(1) << f->bits) - 1);
    if (f->said[hash]) return false;
    f->said[hash] = 1;
    return true;
}

struct fake_task {
    uint64_t start;
    uint32_t count, take;
    uint8_t skip[32];
    uint8_t unanswered[32]; /* rows that come without answers: not accepted */
};

/* Key 5: an element a candidate; nil for those without answers. */
static inline void
fake_read_answers(struct walk *w, struct fake_task *t)
{
    if (walk_array(w) != t->count) abort();
    for (uint32_t i = 0; i < t->count; i++) {
        if (w->at < w->end && *w->at == 0xc0) {
            t->unanswered[i / 8] =
                (uint8_t)(t->unanswered[i / 8] | 1u << i % 8);
        }
        walk_skip(w);
    }
}

static inline struct fake_task
fake_read(const uint8_t *payload, size_t len)
{
    struct walk w = walk_start(payload, len);
    struct fake_task t = {0};
    uint32_t pairs = walk_map(&w), skip_len = 0;
    const uint8_t *skip;

    uint32_t key = 0;

    if (pairs < 3 || pairs > 5) abort();
    if (walk_u32(&w) != 1) abort();
    t.start = walk_u64(&w);
    if (walk_u32(&w) != 2) abort();
    t.count = walk_u32(&w);
    if (walk_u32(&w) != 3) abort();
    t.take = walk_u32(&w);
    while (pairs-- > 3) {
        key = walk_u32(&w);
        if (key == 5) {
            fake_read_answers(&w, &t);
            continue;
        }
        if (key != 4) abort();
        skip = walk_bin(&w, &skip_len);
        if (w.bad || skip_len != (t.count + 7) / 8) abort();
        memcpy(t.skip, skip, skip_len);
    }
    if (!walk_done(&w)) abort();
    return t;
}

/* Appends the result of the task. Table 0 of the audit counts rows by
 * index % 4. */
static inline void
fake_answer(struct fake_task t, uint32_t reject_one_in, struct co_buf *out)
{
    uint8_t bitmap[32] = {0}, frame[8192], hashes[8 * PERSONAS_CELL];
    char raw[16384];
    struct audit_delta deltas[4] = {{0, 0, 0}, {0, 1, 0}, {0, 2, 0}, {0, 3, 0}};
    struct range_result r = {.start = t.start,
                             .count = t.count,
                             .drawn = t.count,
                             .bitmap = bitmap,
                             .frame = frame,
                             .hashes = hashes};
    size_t len = 0, n = 0;

    for (uint32_t i = 0; i < t.count; i++) {
        uint64_t index = t.start + i;

        if (!fake_accepts(index, reject_one_in)) continue;
        if (t.unanswered[i / 8] >> i % 8 & 1) continue;
        bitmap[i / 8] = (uint8_t)(bitmap[i / 8] | 1u << i % 8);
        for (unsigned k = 0; k < 8; k++) {
            hashes[8 * r.accepted + k] = (uint8_t)(fake_hash(index) >> 8 * k);
        }
        r.accepted++;
        if (r.rows == t.take || t.skip[i / 8] >> i % 8 & 1) continue;
        r.rows++;
        deltas[index % 4].n++;
        len += (size_t)snprintf(raw + len, sizeof(raw) - len,
                                "row %" PRIu64 "\n", index);
    }
    for (size_t i = 0; i < 4; i++) {
        if (deltas[i].n) deltas[n++] = deltas[i];
    }
    r.deltas = deltas;
    r.n_deltas = n;
    r.raw_bytes = len;
    r.raw_crc32 = (uint32_t)crc32(0, (const uint8_t *)raw, (unsigned)len);
    r.frame_bytes = ZSTD_compress(frame, sizeof(frame), raw, len, 1);
    if (ZSTD_isError(r.frame_bytes)) abort();
    if (range_encode(&r, out) != CO_OK) abort();
}
