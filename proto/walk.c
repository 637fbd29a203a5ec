/* walk.c - see walk.h. Bytes are read one value at a time; the format is
 * msgpack's own specification. */
#include "proto/walk.h"

#include "common/utf8.h"

#include <string.h>

struct walk
walk_start(const void *data, size_t len)
{
    const uint8_t *at = data;

    return (struct walk){at, at ? at + len : at, false};
}

static size_t
walk_left(const struct walk *w)
{
    return (size_t)(w->end - w->at);
}

/* Makes the cursor bad and empty, so that nothing more is read. */
static void
walk_fail(struct walk *w)
{
    w->bad = true;
    w->at = w->end;
}

static uint8_t
walk_byte(struct walk *w)
{
    if (walk_left(w) < 1) {
        walk_fail(w);
        return 0xc1; /* the one byte msgpack never uses */
    }
    return *w->at++;
}

/* A big-endian number of width bytes (1, 2, 4 or 8). */
static uint64_t
walk_big_endian(struct walk *w, unsigned width)
{
    uint64_t v = 0;

    if (walk_left(w) < width) {
        walk_fail(w);
        return 0;
    }
    for (unsigned i = 0; i < width; i++) {
        v = v << 8 | *w->at++;
    }
    return v;
}

uint64_t
walk_u64(struct walk *w)
{
    uint8_t tag = walk_byte(w);
    uint64_t v;

    if (tag <= 0x7f) return tag;
    if (tag >= 0xcc && tag <= 0xcf) {
        return walk_big_endian(w, 1U << (tag - 0xcc));
    }
    if (tag >= 0xd0 && tag <= 0xd3) { /* signed, but not negative */
        unsigned width = 1U << (tag - 0xd0);

        v = walk_big_endian(w, width);
        if (!(v >> (8 * width - 1))) return v;
    }
    walk_fail(w);
    return 0;
}

uint32_t
walk_u32(struct walk *w)
{
    uint64_t v = walk_u64(w);

    if (v <= UINT32_MAX) return (uint32_t)v;
    walk_fail(w);
    return 0;
}

uint32_t
walk_below(struct walk *w, uint32_t most)
{
    uint32_t value = walk_u32(w);

    if (value < most) return value;
    walk_fail(w);
    return 0;
}

bool
walk_bool(struct walk *w)
{
    uint8_t tag = walk_byte(w);

    if (tag != 0xc2 && tag != 0xc3) walk_fail(w);
    return tag == 0xc3;
}

/* Text on the wire has no NUL either. */
static bool
text_valid(const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;

    while (p < end) {
        size_t bytes = *p ? co_utf8_bytes(p, (size_t)(end - p)) : 0;

        if (bytes == 0) return false;
        p += bytes;
    }
    return true;
}

/* Takes len bytes out of the frame. */
static const uint8_t *
walk_take(struct walk *w, uint64_t len, uint32_t *ret_len)
{
    const uint8_t *data = w->at;

    *ret_len = 0;
    if (w->bad || len > walk_left(w)) {
        walk_fail(w);
        return NULL;
    }
    w->at += len;
    *ret_len = (uint32_t)len;
    return data;
}

const char *
walk_str(struct walk *w, uint32_t *ret_len)
{
    uint8_t tag = walk_byte(w);
    uint64_t len = 0;
    const uint8_t *data;

    if ((tag & 0xe0) == 0xa0) {
        len = tag & 0x1f;
    } else if (tag >= 0xd9 && tag <= 0xdb) {
        len = walk_big_endian(w, 1U << (tag - 0xd9));
    } else {
        walk_fail(w);
    }
    data = walk_take(w, len, ret_len);
    if (data && !text_valid(data, *ret_len)) {
        walk_fail(w);
        *ret_len = 0;
        return NULL;
    }
    return (const char *)data;
}

const uint8_t *
walk_bin(struct walk *w, uint32_t *ret_len)
{
    uint8_t tag = walk_byte(w);
    uint64_t len = 0;

    if (tag >= 0xc4 && tag <= 0xc6) {
        len = walk_big_endian(w, 1U << (tag - 0xc4));
    } else {
        walk_fail(w);
    }
    return walk_take(w, len, ret_len);
}

/* A count whose elements take at least each bytes must fit what is left. */
static uint32_t
walk_count(struct walk *w, uint64_t count, unsigned each)
{
    if (w->bad || count * each > walk_left(w)) {
        walk_fail(w);
        return 0;
    }
    return (uint32_t)count;
}

uint32_t
walk_array(struct walk *w)
{
    uint8_t tag = walk_byte(w);

    if ((tag & 0xf0) == 0x90) return walk_count(w, tag & 0x0f, 1);
    if (tag == 0xdc) return walk_count(w, walk_big_endian(w, 2), 1);
    if (tag == 0xdd) return walk_count(w, walk_big_endian(w, 4), 1);
    walk_fail(w);
    return 0;
}

uint32_t
walk_map(struct walk *w)
{
    uint8_t tag = walk_byte(w);

    if ((tag & 0xf0) == 0x80) return walk_count(w, tag & 0x0f, 2);
    if (tag == 0xde) return walk_count(w, walk_big_endian(w, 2), 2);
    if (tag == 0xdf) return walk_count(w, walk_big_endian(w, 4), 2);
    walk_fail(w);
    return 0;
}

/* The number of values inside the one at the cursor; its own bytes are
 * stepped over. Scalars have none. */
static uint64_t
walk_into(struct walk *w)
{
    uint8_t tag = w->at < w->end ? *w->at : 0xc1;
    uint32_t len;

    if ((tag & 0xf0) == 0x80 || tag == 0xde || tag == 0xdf) {
        return 2ULL * walk_map(w);
    }
    if ((tag & 0xf0) == 0x90 || tag == 0xdc || tag == 0xdd) {
        return walk_array(w);
    }
    if ((tag & 0xe0) == 0xa0 || (tag >= 0xd9 && tag <= 0xdb)) {
        (void)walk_str(w, &len);
    } else if (tag >= 0xc4 && tag <= 0xc6) {
        (void)walk_bin(w, &len);
    } else if (tag <= 0x7f || tag >= 0xe0 || tag == 0xc0 || tag == 0xc2 ||
               tag == 0xc3) {
        w->at++;
    } else if (tag >= 0xca && tag <= 0xd3) {
        /* float 32/64, uint 8..64, int 8..64 */
        static const uint8_t width[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8};

        w->at++;
        (void)walk_take(w, width[tag - 0xca], &len);
    } else { /* ext types have no use here; 0xc1 is never valid */
        walk_fail(w);
    }
    return 0;
}

void
walk_skip(struct walk *w)
{
    uint64_t left[WALK_DEPTH_MAX + 1] = {1}; /* values to go at each depth */
    unsigned depth = 0;

    for (;;) {
        uint64_t inner;

        while (left[depth] == 0) {
            if (depth == 0) return;
            depth--;
        }
        left[depth]--;
        inner = walk_into(w);
        if (w->bad) return;
        if (inner == 0) continue;
        if (depth == WALK_DEPTH_MAX) {
            walk_fail(w);
            return;
        }
        left[++depth] = inner;
    }
}

bool
walk_done(const struct walk *w)
{
    return !w->bad && w->at == w->end;
}

bool
walk_check(const void *data, size_t len)
{
    struct walk w = walk_start(data, len);

    walk_skip(&w);
    return walk_done(&w);
}
