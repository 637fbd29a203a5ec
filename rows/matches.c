/* matches.c - see matches.h.
 *
 *   last[number]   where the text of that number began last
 *   covered        up to here the rows are covered by matches or given up
 *   block_at       where the block of zstd's that is being gathered begins
 *
 * A block holds at most 128 KiB and ends between two rows: a match never
 * crosses its end, because matches of a row end in it. */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_compressSequences */
#include "rows/matches.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    TEXTS = 1 << 16,   /* numbers are taken modulo this */
    MATCH_MIN = 6,     /* a shorter one costs as much as its bytes */
    WINDOW_LOG = 20,   /* how far back a match may lie, as a power of 2 */
    BLOCK = 128 << 10, /* ZSTD_BLOCKSIZE_MAX */
    FIRST = 16384,
    UNMARKED_LEVEL = 3, /* 39 % of English prose; 1 leaves 44, no search 62 */
    NOWHERE = UINT32_MAX,
};

struct matches {
    ZSTD_CCtx *zstd;
    ZSTD_Sequence *v;
    size_t n, cap;
    uint32_t covered, block_at;
    uint32_t last[TEXTS];
};

static enum co_err
set_up(ZSTD_CCtx *zstd)
{
    static const struct {
        ZSTD_cParameter name;
        int value;
    } parameters[] = {
        {ZSTD_c_compressionLevel, 1},
        {ZSTD_c_windowLog, WINDOW_LOG},
        {ZSTD_c_contentSizeFlag, 1},
        {ZSTD_c_checksumFlag, 0},
        {ZSTD_c_blockDelimiters, ZSTD_sf_explicitBlockDelimiters},
    };

    if (!zstd) return CO_NOMEM;
    for (size_t i = 0; i < co_countof(parameters); i++) {
        if (ZSTD_isError(ZSTD_CCtx_setParameter(zstd, parameters[i].name,
                                                parameters[i].value))) {
            return CO_STATE;
        }
    }
    return CO_OK;
}

enum co_err
matches_new(struct matches **ret)
{
    co_auto(matches_freep) struct matches *m = calloc(1, sizeof *m);
    enum co_err err;

    if (!m) return CO_NOMEM;
    m->zstd = ZSTD_createCCtx();
    err = set_up(m->zstd);
    if (err) return err;
    *ret = co_take(&m);
    return CO_OK;
}

void
matches_free(struct matches *m)
{
    if (!m) return;
    (void)ZSTD_freeCCtx(m->zstd);
    free(m->v);
    free(m);
}

void
matches_begin(struct matches *m)
{
    m->n = 0;
    m->covered = m->block_at = 0;
    memset(m->last, 0xff, sizeof m->last);
}

/* Room for the sequences of one row: its marks and the end of a block. */
static enum co_err
make_room(struct matches *m, size_t marks)
{
    size_t cap = m->cap ? m->cap : FIRST;
    ZSTD_Sequence *more;

    while (cap < m->n + marks + 2) {
        cap *= 2;
    }
    if (cap == m->cap) return CO_OK;
    more = realloc(m->v, cap * sizeof *more);
    if (!more) return CO_NOMEM;
    m->v = more;
    m->cap = cap;
    return CO_OK;
}

/* What no match covers ends a block. */
static void
end_block(struct matches *m, uint32_t at)
{
    m->v[m->n++] = (ZSTD_Sequence){.litLength = at - m->covered};
    m->covered = m->block_at = at;
}

static uint64_t
load(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

/* Bytes of a word that agree, lowest first, when not all do. */
static uint32_t
agreeing(uint64_t differ)
{
    return (uint32_t)__builtin_ctzll(differ) / 8;
}

/* How many of 32 bytes agree. Four words and no branch: where a text ends is
 * not to be predicted, and to guess wrong costs more than to look at all. */
static uint32_t
agree_block(const uint8_t *a, const uint8_t *b)
{
    uint64_t d0 = load(a) ^ load(b), d1 = load(a + 8) ^ load(b + 8);
    uint64_t d2 = load(a + 16) ^ load(b + 16), d3 = load(a + 24) ^ load(b + 24);
    uint32_t n = 32;

    n = d3 ? 24 + agreeing(d3) : n;
    n = d2 ? 16 + agreeing(d2) : n;
    n = d1 ? 8 + agreeing(d1) : n;
    return d0 ? agreeing(d0) : n;
}

/* How many bytes agree from a and b on, before `left` bytes are over. */
static uint32_t
agree(const uint8_t *a, const uint8_t *b, uint32_t left)
{
    uint32_t n = 0;

    for (; n + 32 <= left; n += 32) {
        uint32_t here = agree_block(a + n, b + n);

        if (here < 32) return n + here;
    }
    while (n < left && a[n] == b[n]) {
        n++;
    }
    return n;
}

/* The text at `at` began at `before`, too: covers as much as agrees. Of a text
 * whose beginning an earlier match covers the rest may still agree. */
static void
match(struct matches *m, const uint8_t *raw, uint32_t at, uint32_t before,
      uint32_t end)
{
    uint32_t back = 0, n, distance = at - before;

    if (distance > (1U << WINDOW_LOG) - 1) return;
    if (at < m->covered) at = m->covered;
    n = agree(raw + at, raw + at - distance, end - at);
    while (at - back > m->covered && at - back > distance &&
           raw[at - back - 1] == raw[at - distance - back - 1]) {
        back++;
    }
    if (n + back < MATCH_MIN) return;
    m->v[m->n++] = (ZSTD_Sequence){.offset = distance,
                                   .litLength = at - back - m->covered,
                                   .matchLength = n + back};
    m->covered = at + n;
}

/* Where each marked text stood before, into before[]; NOWHERE: it did not.
 * A loop of its own, so that many places are fetched at once. */
static void
look_up(struct matches *m, const uint8_t *raw, const struct marks *marks,
        uint32_t *before)
{
    for (uint32_t i = 0; i < marks->n; i++) {
        uint32_t *last = &m->last[marks->v[i].text % TEXTS];

        before[i] = *last;
        *last = marks->v[i].at;
        if (before[i] != NOWHERE) __builtin_prefetch(raw + before[i]);
    }
}

enum co_err
matches_row(struct matches *m, const uint8_t *raw, size_t from, size_t to,
            const struct marks *marks)
{
    uint32_t before[MARKS_MAX], end = (uint32_t)to, n = marks->n;

    if (make_room(m, n)) return CO_NOMEM;
    if (end - m->block_at > BLOCK) end_block(m, (uint32_t)from);
    look_up(m, raw, marks, before);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t next = i + 1 < n ? marks->v[i + 1].at : end;

        uint32_t at = marks->v[i].at;

        if (before[i] >= at || at >= end || next <= m->covered) continue;
        match(m, raw, at, before[i], end);
    }
    return CO_OK;
}

/* What zstd says of a frame that it wrote. */
static enum co_err
written(size_t n, size_t *ret_len)
{
    if (ZSTD_isError(n)) {
        return ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? CO_NOMEM
                                                                    : CO_STATE;
    }
    *ret_len = n;
    return CO_OK;
}

enum co_err
matches_compress(struct matches *m, const uint8_t *raw, size_t len, uint8_t *to,
                 size_t cap, size_t *ret_len)
{
    size_t n;

    if (make_room(m, 0)) return CO_NOMEM;
    end_block(m, (uint32_t)len);
    n = ZSTD_compressSequences(m->zstd, to, cap, m->v, m->n, raw, len);
    return written(n, ret_len);
}

enum co_err
matches_compress_unmarked(struct matches *m, const uint8_t *raw, size_t len,
                          uint8_t *to, size_t cap, size_t *ret_len)
{
    return written(
        ZSTD_compressCCtx(m->zstd, to, cap, raw, len, UNMARKED_LEVEL), ret_len);
}
