/* rowfind.c - see rowfind.h. */
#include "query/rowfind.h"

#include "query/value.h"
#include "rows/row.h"

#include "common/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { UUID_CHARS = 36, FRAMES_MAX = 4000001 };

/* What a row says about itself. */
struct origin {
    uint64_t row, seed, recipe;
};

struct rowfind {
    const struct outdir *dir;
    struct unpacker *unpacker;
    struct scan_plan *plan;
    struct origin first, last;
    char *file;       /* path of the one that is looked at, for messages */
    uint64_t *frames; /* offsets in it */
    size_t count, cap;
};

/* ---- a row's origin ---- */

enum { SLOT_ROW, SLOT_SEED, SLOT_RECIPE, SLOTS };
static const char *const origin_paths[SLOTS] = {
    "provenance.row", "provenance.seed", "provenance.recipe_hash"};

static enum co_err
make_plan(struct scan_plan **ret_plan)
{
    co_auto(scan_plan_freep) struct scan_plan *plan = NULL;
    enum co_err err = scan_plan_new(false, &plan);

    for (uint32_t i = 0; !err && i < SLOTS; i++) {
        struct scan_path path;
        uint32_t slot;

        co_assert(
            scan_path_parse(origin_paths[i], strlen(origin_paths[i]), &path));
        err = scan_plan_add(plan, &path, &slot);
        co_assert(err || slot == i);
    }
    if (!err) *ret_plan = co_take(&plan);
    return err;
}

static enum co_err
origin_of(const struct rowfind *f, const char *line, size_t len,
          struct origin *ret, struct co_diag *diag)
{
    struct scan_value v[SLOTS];
    char hex[CO_HEX16_SIZE] = "";
    struct origin origin;
    size_t at = 0;

    if (scan_row(f->plan, line, len, v, &at) ||
        !number_u64(&v[SLOT_ROW], &origin.row) ||
        !number_u64(&v[SLOT_SEED], &origin.seed)) {
        return co_fail(diag, CO_DAMAGED,
                       "%s: a row without provenance.row and "
                       "provenance.seed; this is no corpus of " CO_PROGRAM,
                       f->file);
    }
    if (v[SLOT_RECIPE].type == SCAN_TEXT &&
        v[SLOT_RECIPE].len == CO_HEX16_SIZE + 1) {
        memcpy(hex, v[SLOT_RECIPE].at + 1, CO_HEX16_SIZE - 1);
    }
    if (!co_hex16_parse(hex, &origin.recipe)) origin.recipe = 0;
    *ret = origin;
    return CO_OK;
}

/* ---- files and frames ---- */

static enum co_err
open_shard(struct rowfind *f, size_t k, struct frames **ret_frames,
           struct co_diag *diag)
{
    const char *file = f->dir->shards[k].file;

    free(f->file);
    if (asprintf(&f->file, "%s/%s", f->dir->dir, file) < 0) {
        f->file = NULL;
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    return frames_open(f->dir->dir, file, false, ret_frames, diag);
}

/* The origin of the first row of the frame that is next in frames. */
static enum co_err
first_of_next(struct rowfind *f, struct frames *frames, struct origin *ret,
              struct co_diag *diag)
{
    struct frame frame;
    const char *line;
    size_t len;
    enum co_err err = frames_next(frames, &frame, diag);

    if (err == CO_NOTFOUND) {
        return co_fail(diag, CO_DAMAGED, "%s has no rows", f->file);
    }
    if (!err) {
        err = unpacker_first(f->unpacker, &frame, f->file, &line, &len, diag);
    }
    return err ? err : origin_of(f, line, len, ret, diag);
}

static enum co_err
first_of_shard(struct rowfind *f, size_t k, struct origin *ret,
               struct co_diag *diag)
{
    co_auto(frames_freep) struct frames *frames = NULL;
    enum co_err err = open_shard(f, k, &frames, diag);

    return err ? err : first_of_next(f, frames, ret, diag);
}

static enum co_err
add_offset(struct rowfind *f, uint64_t offset, struct co_diag *diag)
{
    if (f->count == FRAMES_MAX) {
        return co_fail(diag, CO_FULL, "%s: more frames than rows can have",
                       f->file);
    }
    if (f->count == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 64;
        uint64_t *more = realloc(f->frames, cap * sizeof *more);

        if (!more) return co_fail(diag, CO_NOMEM, "out of memory");
        f->frames = more;
        f->cap = cap;
    }
    f->frames[f->count++] = offset;
    return CO_OK;
}

/* Where the frames of an open file begin, hopping over their contents. */
static enum co_err
index_frames(struct rowfind *f, struct frames *frames, struct co_diag *diag)
{
    struct frame frame;
    enum co_err err;

    f->count = 0;
    while (!(err = frames_next(frames, &frame, diag))) {
        if (frame.raw_bytes == 0) continue;
        err = add_offset(f, frame.offset, diag);
        if (err) return err;
    }
    if (err != CO_NOTFOUND) return err;
    if (f->count) return CO_OK;
    return co_fail(diag, CO_DAMAGED, "%s has no rows", f->file);
}

/* Looks at the first row of element i of what is halved. */
typedef enum co_err (*probe)(struct rowfind *f, void *arg, size_t i,
                             struct origin *ret, struct co_diag *diag);

static enum co_err
probe_shard(struct rowfind *f, void *arg, size_t i, struct origin *ret,
            struct co_diag *diag)
{
    (void)arg;
    return first_of_shard(f, i, ret, diag);
}

static enum co_err
probe_frame(struct rowfind *f, void *arg, size_t i, struct origin *ret,
            struct co_diag *diag)
{
    frames_seek(arg, f->frames[i]);
    return first_of_next(f, arg, ret, diag);
}

/* The last of n that begins at or before row; element 0 does. */
static enum co_err
halve(struct rowfind *f, probe look, void *arg, size_t n, uint64_t row,
      size_t *ret, struct co_diag *diag)
{
    size_t low = 0, high = n;

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        struct origin at;
        enum co_err err = look(f, arg, mid, &at, diag);

        if (err) return err;
        if (at.row <= row) {
            low = mid;
        } else {
            high = mid;
        }
    }
    *ret = low;
    return CO_OK;
}

static enum co_err
unpack_at(struct rowfind *f, struct frames *frames, size_t i,
          const char **ret_rows, size_t *ret_len, struct co_diag *diag)
{
    struct frame frame;
    enum co_err err;

    frames_seek(frames, f->frames[i]);
    err = frames_next(frames, &frame, diag);
    return err ? err
               : unpacker_rows(f->unpacker, &frame, f->file, ret_rows, ret_len,
                               diag);
}

/* ---- making ---- */

static enum co_err
read_last(struct rowfind *f, struct co_diag *diag)
{
    co_auto(frames_freep) struct frames *frames = NULL;
    const char *rows, *line;
    size_t len = 0;
    enum co_err err = open_shard(f, f->dir->count - 1, &frames, diag);

    if (!err) err = index_frames(f, frames, diag);
    if (!err) err = unpack_at(f, frames, f->count - 1, &rows, &len, diag);
    if (err) return err;
    line = memrchr(rows, '\n', len - 1);
    line = line ? line + 1 : rows;
    return origin_of(f, line, (size_t)(rows + len - line), &f->last, diag);
}

enum co_err
rowfind_new(const struct outdir *dir, struct rowfind **ret_rowfind,
            struct co_diag *diag)
{
    co_auto(rowfind_freep) struct rowfind *f = calloc(1, sizeof *f);
    enum co_err err = f ? CO_OK : CO_NOMEM;

    if (!err) err = unpacker_new(&f->unpacker);
    if (!err) err = make_plan(&f->plan);
    if (err) return co_fail(diag, err, "%s", co_err_text(err));
    f->dir = dir;
    err = first_of_shard(f, 0, &f->first, diag);
    if (!err) err = read_last(f, diag);
    if (err) return err;
    *ret_rowfind = co_take(&f);
    return CO_OK;
}

void
rowfind_free(struct rowfind *f)
{
    if (!f) return;
    unpacker_free(f->unpacker);
    scan_plan_free(f->plan);
    free(f->file);
    free(f->frames);
    free(f);
}

uint64_t
rowfind_first(const struct rowfind *f)
{
    return f->first.row;
}

uint64_t
rowfind_last(const struct rowfind *f)
{
    return f->last.row;
}

/* ---- by index ---- */

/* next is the row behind it. */
static enum co_err
hole(uint64_t row, uint64_t next, struct co_diag *diag)
{
    return co_fail(diag, CO_NOTFOUND,
                   "row %llu is a hole: its candidate was rejected or given "
                   "up, and its number goes to nobody else. The next row is "
                   "%llu",
                   (unsigned long long)row, (unsigned long long)next);
}

/* Row is behind all rows of its frame: which one follows? */
static enum co_err
hole_behind(struct rowfind *f, struct frames *frames, uint64_t row, size_t k,
            size_t i, struct co_diag *diag)
{
    struct origin next = {.row = 0};
    enum co_err err = i + 1 < f->count
                          ? probe_frame(f, frames, i + 1, &next, diag)
                          : first_of_shard(f, k + 1, &next, diag);

    return err ? err : hole(row, next.row, diag);
}

/* CO_AGAIN: all rows of the frame come before it. */
static enum co_err
pick_line(struct rowfind *f, const char *rows, size_t len, uint64_t row,
          const char **ret_line, size_t *ret_len, struct co_diag *diag)
{
    const char *line = rows, *end = rows + len;

    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline : end) - line);
        struct origin at;
        enum co_err err = origin_of(f, line, n, &at, diag);

        if (err) return err;
        if (at.row == row) {
            *ret_line = line;
            *ret_len = n;
            return CO_OK;
        }
        if (at.row > row) return hole(row, at.row, diag);
        line += n + 1;
    }
    return CO_AGAIN;
}

enum co_err
rowfind_index(struct rowfind *f, uint64_t row, const char **ret_line,
              size_t *ret_len, struct co_diag *diag)
{
    co_auto(frames_freep) struct frames *frames = NULL;
    const char *rows;
    size_t k = 0, i = 0, len = 0;
    enum co_err err;

    if (row < f->first.row) return hole(row, f->first.row, diag);
    if (row > f->last.row) {
        return co_fail(diag, CO_RANGE,
                       "there is no row %llu in %s: rows go from %llu to %llu",
                       (unsigned long long)row, f->dir->dir,
                       (unsigned long long)f->first.row,
                       (unsigned long long)f->last.row);
    }
    err = halve(f, probe_shard, NULL, f->dir->count, row, &k, diag);
    if (!err) err = open_shard(f, k, &frames, diag);
    if (!err) err = index_frames(f, frames, diag);
    if (!err) err = halve(f, probe_frame, frames, f->count, row, &i, diag);
    if (!err) err = unpack_at(f, frames, i, &rows, &len, diag);
    if (!err) err = pick_line(f, rows, len, row, ret_line, ret_len, diag);
    return err == CO_AGAIN ? hole_behind(f, frames, row, k, i, diag) : err;
}

/* ---- by uuid ---- */

bool
rowfind_is_uuid(const char *text)
{
    if (strlen(text) != UUID_CHARS) return false;
    for (size_t i = 0; i < UUID_CHARS; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        bool fits = dash ? text[i] == '-'
                         : strchr("0123456789abcdefABCDEF", text[i]) != NULL;

        if (!fits) return false;
    }
    return true;
}

enum co_err
rowfind_uuid(struct rowfind *f, const char *uuid, const char **ret_line,
             size_t *ret_len, struct co_diag *diag)
{
    char made[UUID_CHARS];

    for (uint64_t row = f->first.row; row <= f->last.row; row++) {
        row_uuid(f->first.recipe, f->first.seed, row, made);
        if (strncasecmp(made, uuid, UUID_CHARS) != 0) continue;
        return rowfind_index(f, row, ret_line, ret_len, diag);
    }
    return co_fail(diag, CO_NOTFOUND,
                   "no row of %s has the uuid %s. Another seed or recipe gives "
                   "other uuids",
                   f->dir->dir, uuid);
}
