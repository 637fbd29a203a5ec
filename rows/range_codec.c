/* range_codec.c - the payload of a range result. Written with msgpack-c;
 * read with the walker, because the bytes come from a peer and msgpack-c
 * allocates by claimed counts. */
#include "rows/range.h"

#include "proto/walk.h"
#include "rows/raw_crc.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum key {
    KEY_START = 1,
    KEY_COUNT,
    KEY_DRAWN,
    KEY_ACCEPTED,
    KEY_BITMAP,
    KEY_ROWS,
    KEY_RAW_BYTES,
    KEY_RAW_CRC32,
    KEY_DELTAS,
    KEY_FRAME,
    KEY_HASHES,
    KEY_END
};
enum { NEEDED_KEYS = (1 << KEY_HASHES) - 2 };

static void
pack_uint(msgpack_packer *pk, enum key key, uint64_t value)
{
    (void)msgpack_pack_uint64(pk, key);
    (void)msgpack_pack_uint64(pk, value);
}

static void
pack_bin(msgpack_packer *pk, enum key key, const void *data, size_t len)
{
    (void)msgpack_pack_uint64(pk, key);
    (void)msgpack_pack_bin(pk, len);
    (void)msgpack_pack_bin_body(pk, data, len);
}

/* Deltas come sorted by table: one array a table. */
static void
pack_deltas(msgpack_packer *pk, const struct audit_delta *d, size_t n)
{
    size_t tables = 0, i = 0;

    for (size_t k = 0; k < n; k++) {
        tables += k == 0 || d[k].table != d[k - 1].table;
    }
    (void)msgpack_pack_uint64(pk, KEY_DELTAS);
    (void)msgpack_pack_array(pk, tables);
    while (i < n) {
        size_t end = i;

        while (end < n && d[end].table == d[i].table) {
            end++;
        }
        (void)msgpack_pack_array(pk, 1 + 2 * (end - i));
        (void)msgpack_pack_uint32(pk, d[i].table);
        for (; i < end; i++) {
            (void)msgpack_pack_uint32(pk, d[i].cell);
            (void)msgpack_pack_uint32(pk, d[i].n);
        }
    }
}

enum co_err
range_encode(const struct range_result *r, struct co_buf *buf)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_map(&pk, r->hashes ? KEY_HASHES : KEY_FRAME);
    pack_uint(&pk, KEY_START, r->start);
    pack_uint(&pk, KEY_COUNT, r->count);
    pack_uint(&pk, KEY_DRAWN, r->drawn);
    pack_uint(&pk, KEY_ACCEPTED, r->accepted);
    pack_bin(&pk, KEY_BITMAP, r->bitmap, (r->count + 7) / 8);
    pack_uint(&pk, KEY_ROWS, r->rows);
    pack_uint(&pk, KEY_RAW_BYTES, r->raw_bytes);
    pack_uint(&pk, KEY_RAW_CRC32, r->raw_crc32);
    pack_deltas(&pk, r->deltas, r->n_deltas);
    pack_bin(&pk, KEY_FRAME, r->frame, r->frame_bytes);
    if (r->hashes) {
        pack_bin(&pk, KEY_HASHES, r->hashes, 8 * (size_t)r->accepted);
    }
    return buf->err;
}

/* Counts the deltas (to == NULL) or stores them; 0 and bad on nonsense. */
static size_t
walk_deltas(struct walk *w, struct audit_delta *to)
{
    uint32_t tables = walk_array(w);
    size_t n = 0;

    if (tables > AUDIT_TABLE_COUNT) w->bad = true;
    for (uint32_t t = 0; t < tables && !w->bad; t++) {
        uint32_t items = walk_array(w), table = walk_u32(w);

        if (items % 2 == 0 || table >= AUDIT_TABLE_COUNT) w->bad = true;
        for (uint32_t i = 1; i + 1 < items && !w->bad; i += 2) {
            uint32_t cell = walk_u32(w), count = walk_u32(w);

            if (to) to[n] = (struct audit_delta){table, cell, count};
            if (++n > RANGE_DELTAS_MAX || count == 0) w->bad = true;
        }
    }
    return w->bad ? 0 : n;
}

/* What is known of a payload while it is read. */
struct reading {
    struct range_result r;
    uint32_t bitmap_bytes, hashes_bytes;
    struct walk deltas;
};

static void
walk_entry(struct walk *w, uint64_t key, struct reading *reading)
{
    struct range_result *r = &reading->r;
    uint32_t len = 0;

    switch (key) {
    case KEY_START:
        r->start = walk_u64(w);
        break;
    case KEY_COUNT:
        r->count = walk_u32(w);
        break;
    case KEY_DRAWN:
        r->drawn = walk_u32(w);
        break;
    case KEY_ACCEPTED:
        r->accepted = walk_u32(w);
        break;
    case KEY_BITMAP:
        r->bitmap = walk_bin(w, &reading->bitmap_bytes);
        break;
    case KEY_ROWS:
        r->rows = walk_u32(w);
        break;
    case KEY_RAW_BYTES:
        r->raw_bytes = walk_u64(w);
        break;
    case KEY_RAW_CRC32:
        r->raw_crc32 = walk_u32(w);
        break;
    case KEY_DELTAS:
        reading->deltas = *w;
        r->n_deltas = walk_deltas(w, NULL);
        break;
    case KEY_FRAME:
        r->frame = walk_bin(w, &len);
        r->frame_bytes = len;
        break;
    case KEY_HASHES:
        r->hashes = walk_bin(w, &reading->hashes_bytes);
        break;
    default:
        walk_skip(w);
    }
}

static uint32_t
bitmap_ones(const uint8_t *bitmap, uint32_t bytes)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < bytes; i++) {
        n += (uint32_t)__builtin_popcount(bitmap[i]);
    }
    return n;
}

/* Bits beyond count must be clear, or the count of ones would lie. */
static bool
bitmap_good(const struct range_result *r, uint32_t bytes)
{
    unsigned tail = r->count % 8;

    return bytes == (r->count + 7) / 8 &&
           (!tail || r->bitmap[bytes - 1] >> tail == 0) &&
           bitmap_ones(r->bitmap, bytes) == r->accepted;
}

static bool
frame_good(const struct range_result *r)
{
    return r->frame_bytes >= 1 && r->frame_bytes <= RANGE_FRAME_MAX &&
           r->raw_bytes <= RANGE_RAW_MAX &&
           ZSTD_getFrameContentSize(r->frame, r->frame_bytes) == r->raw_bytes &&
           ZSTD_findFrameCompressedSize(r->frame, r->frame_bytes) ==
               r->frame_bytes;
}

static bool
result_good(const struct reading *reading)
{
    const struct range_result *r = &reading->r;

    return r->count >= 1 && r->count <= RANGE_COUNT_MAX &&
           r->start <= UINT64_MAX - r->count && r->drawn == r->count &&
           bitmap_good(r, reading->bitmap_bytes) &&
           (!r->hashes || reading->hashes_bytes == 8 * r->accepted) &&
           r->rows <= r->accepted && (r->rows == 0) == (r->raw_bytes == 0) &&
           frame_good(r);
}

/* The counts of each table sum to at most what the rows can give. */
static bool
deltas_good(const struct range_result *r)
{
    uint64_t sum[AUDIT_TABLE_COUNT] = {0};

    for (size_t i = 0; i < r->n_deltas; i++) {
        uint32_t table = r->deltas[i].table;

        sum[table] += r->deltas[i].n;
        if (sum[table] > audit_sum_max(table, r->rows)) return false;
    }
    return true;
}

enum co_err
range_decode(const void *data, size_t len, struct range_result *ret)
{
    struct walk w = walk_start(data, len);
    struct reading reading = {.deltas = w};
    struct range_result *r = &reading.r;
    uint32_t pairs = walk_map(&w), seen = 0;

    for (uint32_t i = 0; i < pairs && !w.bad; i++) {
        uint64_t key = walk_u64(&w);

        if (key < KEY_END) {
            if (seen >> key & 1) return CO_PROTOCOL; /* twice */
            seen |= 1U << key;
        }
        walk_entry(&w, key, &reading);
    }
    if (!walk_done(&w) || (seen & NEEDED_KEYS) != NEEDED_KEYS ||
        !result_good(&reading)) {
        return CO_PROTOCOL;
    }
    r->deltas = calloc(r->n_deltas ? r->n_deltas : 1, sizeof *r->deltas);
    if (!r->deltas) return CO_NOMEM;
    (void)walk_deltas(&reading.deltas, r->deltas);
    if (!deltas_good(r)) {
        range_result_fini(r);
        return CO_PROTOCOL;
    }
    *ret = *r;
    return CO_OK;
}

void
range_result_fini(struct range_result *r)
{
    free(r->deltas);
    r->deltas = NULL;
    r->n_deltas = 0;
}

enum co_err
range_verify(const struct range_result *r, struct co_buf *raw)
{
    uint8_t *to = co_buf_reserve(raw, r->raw_bytes);
    uint32_t lines = 0;
    size_t n;

    if (!to) return raw->err;
    n = ZSTD_decompress(to, r->raw_bytes, r->frame, r->frame_bytes);
    if (ZSTD_isError(n) || n != r->raw_bytes) return CO_DAMAGED;
    if (raw_crc(to, n) != r->raw_crc32) return CO_DAMAGED;
    for (size_t i = 0; i < n; i++) {
        lines += to[i] == '\n';
    }
    if (lines != r->rows || (n && to[n - 1] != '\n')) return CO_DAMAGED;
    co_buf_commit(raw, n);
    return CO_OK;
}
