/* range.c - see range.h. Making ranges; the payload is in range_codec.c. */
#include "rows/range.h"

#include "prose/text_hash.h"
#include "rows/matches.h"
#include "rows/raw_crc.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { BATCH = 64 }; /* candidates that are drawn together */

struct range_maker {
    const struct sampler *s;
    const struct model *model; /* the audit's */
    uint64_t serial;           /* and that of the model */
    uint64_t start;
    uint32_t count, take, done, accepted, rows;
    enum row_level level;
    uint8_t *bitmap;
    uint8_t *skip;   /* as bitmap */
    uint8_t *hashes; /* 8 bytes each, room for all candidates */
    size_t cap_hashes;
    bool want_hashes, answered;
    struct row_answers *answers; /* one a candidate, when answered */
    size_t cap_answers;
    struct audit *audit;
    struct audit_delta *deltas;
    size_t n_deltas, cap_deltas;
    struct co_buf raw, frame, text;
    struct marks marks;
    struct matches *matches;
};

enum co_err
range_maker_new(struct range_maker **ret_maker)
{
    co_auto(range_maker_freep) struct range_maker *r = calloc(1, sizeof *r);
    enum co_err err;

    if (!r) return CO_NOMEM;
    co_buf_init(&r->raw, RANGE_RAW_MAX);
    co_buf_init(&r->frame, RANGE_FRAME_MAX);
    co_buf_init(&r->text, ROW_ANSWERED_MAX_BYTES + 1);
    err = matches_new(&r->matches);
    if (err) return err;
    r->bitmap = malloc(RANGE_COUNT_MAX / 8);
    r->skip = malloc(RANGE_COUNT_MAX / 8);
    if (!r->bitmap || !r->skip) return CO_NOMEM;
    *ret_maker = co_take(&r);
    return CO_OK;
}

void
range_maker_free(struct range_maker *r)
{
    if (!r) return;
    audit_free(r->audit);
    free(r->deltas);
    free(r->bitmap);
    free(r->skip);
    free(r->hashes);
    free(r->answers);
    co_buf_fini(&r->raw);
    co_buf_fini(&r->frame);
    co_buf_fini(&r->text);
    matches_free(r->matches);
    free(r);
}

/* One audit is kept as long as ranges come from the same model. One with a
 * user's tables goes with its recipe, and another may come to lie where it
 * lay: the number tells them apart. */
static enum co_err
maker_ready_audit(struct range_maker *r, const struct model *m)
{
    enum co_err err;

    if (r->audit && r->model == m && r->serial == m->serial) {
        audit_clear(r->audit);
        return CO_OK;
    }
    audit_free(r->audit);
    r->audit = NULL;
    err = audit_new(m, &r->audit);
    if (err) return err;
    r->model = m;
    r->serial = m->serial;
    return CO_OK;
}

enum co_err
range_begin(struct range_maker *r, const struct sampler *s, uint64_t start,
            uint32_t count, uint32_t take, enum row_level level)
{
    enum co_err err;

    if (count == 0 || count > RANGE_COUNT_MAX || start > UINT64_MAX - count) {
        return CO_RANGE;
    }
    err = maker_ready_audit(r, sampler_model(s));
    if (err) return err;
    r->s = s;
    r->start = start;
    r->count = count;
    r->take = take;
    r->level = level;
    audit_begin(r->audit, start);
    r->done = r->accepted = r->rows = 0;
    r->want_hashes = r->answered = false;
    memset(r->bitmap, 0, (count + 7) / 8);
    memset(r->skip, 0, (count + 7) / 8);
    co_buf_clear(&r->raw);
    co_buf_clear(&r->frame);
    matches_begin(r->matches);
    return CO_OK;
}

enum co_err
range_want_hashes(struct range_maker *r)
{
    const size_t bytes = 8 * (size_t)r->count;

    if (r->cap_hashes < bytes) {
        uint8_t *more = realloc(r->hashes, bytes);

        if (!more) return CO_NOMEM;
        r->hashes = more;
        r->cap_hashes = bytes;
    }
    r->want_hashes = true;
    return CO_OK;
}

enum co_err
range_skip(struct range_maker *r, const uint8_t *skip, size_t bytes)
{
    if (bytes != (r->count + 7) / 8) return CO_RANGE;
    memcpy(r->skip, skip, bytes);
    return CO_OK;
}

enum co_err
range_answers(struct range_maker *r, const uint8_t *msgpack, size_t len)
{
    co_assert(r->s && r->done == 0 && r->level == ROW_TEXTS);
    if (r->cap_answers < r->count) {
        struct row_answers *more = realloc(r->answers, r->count * sizeof *more);

        if (!more) return CO_NOMEM;
        r->answers = more;
        r->cap_answers = r->count;
    }
    r->answered = true;
    return row_answers_read(msgpack, len, r->answers, r->count);
}

static void
keep_hash(struct range_maker *r, const uint8_t *text, size_t len)
{
    const uint64_t h = text_hash((const char *)text, len, &r->text);
    uint8_t *to = r->hashes + 8 * (size_t)(r->accepted - 1);

    for (unsigned i = 0; i < 8; i++) {
        to[i] = (uint8_t)(h >> 8 * i);
    }
    if (r->text.err) r->raw.err = r->text.err;
}

static struct row_prose
write_texts_of(struct range_maker *r, uint32_t i, const struct person *p)
{
    struct row_prose none = {0, 0};

    if (!r->answered) {
        return row_write_marked(r->s, p, r->level, &r->raw, &r->marks);
    }
    r->raw.err = row_answers_check(&r->answers[i], p->age, &r->text);
    if (r->raw.err) return none;
    return row_write_answered(r->s, p, &r->answers[i], &r->raw);
}

/* Writes the accepted candidate i, or only hashes it. True: it is a row. */
static bool
write_one(struct range_maker *r, uint32_t i, const struct person *p)
{
    const size_t at = r->raw.len;
    const bool row = r->rows < r->take && !(r->skip[i / 8] >> i % 8 & 1);
    struct row_prose prose;

    r->accepted++;
    r->bitmap[i / 8] = (uint8_t)(r->bitmap[i / 8] | 1U << i % 8);
    if ((!row && !r->want_hashes) || r->raw.err) return false;
    prose = write_texts_of(r, i, p);
    if (r->raw.err) return false;
    if (r->want_hashes) {
        keep_hash(r, r->raw.data + at + prose.at, prose.len);
    }
    if (!row) { /* written only to be hashed */
        r->raw.len = at;
        return false;
    }
    r->rows++;
    if (!r->answered &&
        matches_row(r->matches, r->raw.data, at, r->raw.len, &r->marks)) {
        r->raw.err = CO_NOMEM;
    }
    return true;
}

/* Candidates from r->done on, n of them: first all are drawn, then written,
 * then counted. Each of these walks over tables of its own, about a megabyte,
 * which stay in the cache meanwhile. */
static void
range_batch(struct range_maker *r, uint32_t n)
{
    struct person people[BATCH];
    uint32_t which[BATCH], accepted = 0, rows = 0;

    for (uint32_t i = 0; i < n; i++) {
        sampler_draw(r->s, r->start + r->done + i, &people[accepted]);
        which[accepted] = r->done + i;
        if (r->answered && row_answers_are_none(&r->answers[r->done + i])) {
            continue;
        }
        accepted += sampler_accepts(r->s, &people[accepted]);
    }
    for (uint32_t i = 0; i < accepted; i++) {
        if (write_one(r, which[i], &people[i])) people[rows++] = people[i];
    }
    for (uint32_t i = 0; i < rows; i++) {
        audit_count(r->audit, &people[i]);
    }
    r->done += n;
}

enum co_err
range_step(struct range_maker *r, uint32_t n, uint32_t *ret_left)
{
    uint32_t to = n > r->count - r->done ? r->count : r->done + n;

    co_assert(r->s);
    while (r->done < to) {
        range_batch(r, to - r->done < BATCH ? to - r->done : BATCH);
    }
    if (r->raw.err) return r->raw.err;
    *ret_left = r->count - r->done;
    return CO_OK;
}

static enum co_err
deltas_push(struct range_maker *r, struct audit_delta d)
{
    if (r->n_deltas == r->cap_deltas) {
        size_t cap = r->cap_deltas ? 2 * r->cap_deltas : 1024;
        struct audit_delta *more = realloc(r->deltas, cap * sizeof *more);

        if (!more) return CO_NOMEM;
        r->deltas = more;
        r->cap_deltas = cap;
    }
    r->deltas[r->n_deltas++] = d;
    return CO_OK;
}

static enum co_err
collect_deltas(struct range_maker *r)
{
    enum co_err err = CO_OK;

    r->n_deltas = 0;
    for (uint32_t t = 0; t < AUDIT_TABLE_COUNT; t++) {
        uint32_t n = 0;
        const uint32_t *cells = audit_touched(r->audit, t, &n);

        for (uint32_t i = 0; i < n && !err; i++) {
            uint64_t count = audit_get(r->audit, t, cells[i]);

            err = deltas_push(
                r, (struct audit_delta){t, cells[i], (uint32_t)count});
        }
    }
    return err;
}

static enum co_err
compress_rows(struct range_maker *r)
{
    size_t bound = ZSTD_compressBound(r->raw.len), n = 0;
    enum co_err err;
    uint8_t *to;

    r->frame.limit = bound; /* what exceeds the payload is refused below */
    to = co_buf_reserve(&r->frame, bound);
    if (!to) return r->frame.err;
    err = r->answered ? matches_compress_unmarked(r->matches, r->raw.data,
                                                  r->raw.len, to, bound, &n)
                      : matches_compress(r->matches, r->raw.data, r->raw.len,
                                         to, bound, &n);
    if (err) return err;
    if (n > RANGE_FRAME_MAX) return CO_FULL;
    co_buf_commit(&r->frame, n);
    return CO_OK;
}

enum co_err
range_end(struct range_maker *r, struct range_result *ret)
{
    enum co_err err;

    co_assert(r->s && r->done == r->count);
    audit_end(r->audit);
    err = compress_rows(r);
    if (!err) err = collect_deltas(r);
    if (err) return err;
    *ret = (struct range_result){
        .start = r->start,
        .count = r->count,
        .drawn = r->count,
        .accepted = r->accepted,
        .rows = r->rows,
        .bitmap = r->bitmap,
        .raw_bytes = r->raw.len,
        .raw_crc32 = raw_crc(r->raw.data, r->raw.len),
        .deltas = r->deltas,
        .n_deltas = r->n_deltas,
        .frame = r->frame.data,
        .frame_bytes = r->frame.len,
        .hashes = r->want_hashes ? r->hashes : NULL,
    };
    return CO_OK;
}

enum co_err
range_make(struct range_maker *r, const struct sampler *s, uint64_t start,
           uint32_t count, uint32_t take, enum row_level level,
           struct range_result *ret)
{
    uint32_t left = 0;
    enum co_err err = range_begin(r, s, start, count, take, level);

    if (!err) err = range_step(r, count, &left);
    if (!err) err = range_end(r, ret);
    return err;
}
