/* fuzz_journal.c - segment scan over any bytes, and over valid segments
 * that the input damages: then nothing in front of the first change may be
 * lost, and nothing that was never written may appear. */
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "journal/adoption.h"
#include "journal/segment.h"

enum { SEGMENT_ID = 77, BUILT_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
scan_raw(const uint8_t *data, size_t size)
{
    struct segment_source src;
    struct segment_scan scan;
    struct segment_header header;
    struct adoption list;

    if (segment_header_decode(data, size, &header) == CO_OK) {
        segment_source_memory(&src, data, size);
        (void)!segment_scan(&src, header.id, size, false, &scan);
        (void)!segment_scan(&src, header.id, size + 8, true, &scan);
    }
    if (size > SEGMENT_HEADER_BYTES) {
        segment_source_memory(&src, data, size);
        co_assert(segment_scan(&src, SEGMENT_ID, size, size & 1, &scan) ==
                  CO_OK);
        co_assert(scan.good_end <= size && scan.tail <= size);
    }
    if (adoption_decode(data, size, &list) == CO_OK) adoption_fini(&list);
}

/* A record for each byte of `lengths` (its value: content length). */
static size_t
build(uint8_t *out, const uint8_t *lengths, size_t count)
{
    struct segment_header header = {1, {1, 1}, SEGMENT_ID};
    uint32_t seed = segment_crc_seed(SEGMENT_ID);
    size_t at = SEGMENT_HEADER_BYTES;
    size_t i;

    segment_header_encode(&header, out);
    for (i = 0; i < count; i++) {
        size_t total = (size_t)record_bytes(lengths[i]);
        bool first = i == 0 || lengths[i] % 3 == 0;
        uint32_t crc;

        if (at + total > BUILT_MAX) break;
        memset(out + at, 0, total);
        memset(out + at + RECORD_HEADER_BYTES, (int)i, lengths[i]);
        segment_record_encode(out + at, lengths[i], first, RECORD_NOTE, i + 1,
                              0);
        crc = segment_crc_header(seed, out + at);
        crc = co_crc32c(crc, out + at + RECORD_HEADER_BYTES,
                        total - RECORD_HEADER_BYTES);
        segment_record_encode(out + at, lengths[i], first, RECORD_NOTE, i + 1,
                              crc);
        at += total;
    }
    return at;
}

static void
scan_damaged(const uint8_t *data, size_t size)
{
    static uint8_t built[BUILT_MAX];
    size_t records = data[0] % 64u;
    struct segment_source src;
    struct segment_scan whole, scan;
    size_t len, at;

    if (size < records + 5) return;
    len = build(built, data + 1, records);
    segment_source_memory(&src, built, len);
    co_assert(segment_scan(&src, SEGMENT_ID, len, false, &whole) == CO_OK);
    co_assert(whole.verdict == SEGMENT_WHOLE && whole.records == records);
    at = data[records + 1] | (size_t)data[records + 2] << 8;
    if (at < SEGMENT_HEADER_BYTES || at >= len) return;
    for (size_t i = records + 3; i < size && at < len; i++, at++) {
        built[at] ^= data[i];
    }
    co_assert(segment_scan(&src, SEGMENT_ID, len, false, &scan) == CO_OK);
    co_assert(scan.records <= whole.records && scan.good_end <= len);
    if (size == records + 4 &&
        __builtin_popcount(data[records + 3]) == 1) { /* one bit: never torn */
        co_assert(scan.verdict == SEGMENT_DAMAGED);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    scan_raw(data, size);
    scan_damaged(data, size);
    return 0;
}
