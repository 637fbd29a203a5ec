/* frames.c - see frames.h. */
#include "query/frames.h"

#include "common/fs.h"
#include "common/hash.h"
#include "rows/range.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum { READ_BYTES = 256 << 10, FIRST_BYTES = 16 << 10 };

struct frames {
    char *path;
    int fd;
    uint64_t offset;  /* of data[used] in the file */
    uint8_t *data;    /* RANGE_FRAME_MAX and a read more */
    size_t used, len; /* data[used..len) is still to be given out */
    bool end;         /* the file has no more */
    struct co_hash_stream *hash;
};

enum co_err
frames_open(const char *dir, const char *file, bool hash,
            struct frames **ret_frames, struct co_diag *diag)
{
    co_auto(frames_freep) struct frames *f = calloc(1, sizeof *f);

    if (!f) return co_fail(diag, CO_NOMEM, "out of memory");
    f->fd = -1;
    f->data = malloc(RANGE_FRAME_MAX + READ_BYTES);
    if (hash) f->hash = co_hash_stream_new(0);
    if (asprintf(&f->path, "%s/%s", dir, file) < 0) f->path = NULL;
    if (!f->data || !f->path || (hash && !f->hash)) {
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) {
        return co_fail(diag, co_err_from_errno(errno),
                       "%s cannot be opened: %s", f->path, strerror(errno));
    }
    (void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *ret_frames = co_take(&f);
    return CO_OK;
}

void
frames_free(struct frames *f)
{
    if (!f) return;
    co_fs_closep(&f->fd);
    co_hash_stream_free(f->hash);
    free(f->path);
    free(f->data);
    free(f);
}

uint64_t
frames_hash(const struct frames *f)
{
    return co_hash_stream_value(f->hash);
}

void
frames_seek(struct frames *f, uint64_t offset)
{
    f->offset = offset;
    f->used = f->len = 0;
    f->end = false;
}

/* Reads once more behind what is there. */
static enum co_err
fill(struct frames *f, struct co_diag *diag)
{
    ssize_t n;

    if (f->used) {
        memmove(f->data, f->data + f->used, f->len - f->used);
        f->len -= f->used;
        f->used = 0;
    }
    do {
        n = pread(f->fd, f->data + f->len, READ_BYTES,
                  (off_t)(f->offset + f->len));
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return co_fail(diag, co_err_from_errno(errno),
                       "%s cannot be read at byte %llu: %s", f->path,
                       (unsigned long long)(f->offset + f->len),
                       strerror(errno));
    }
    f->end = n == 0;
    if (f->hash) co_hash_stream_add(f->hash, f->data + f->len, (size_t)n);
    f->len += (size_t)n;
    return CO_OK;
}

static enum co_err
damaged(const char *path, uint64_t offset, const char *what,
        struct co_diag *diag)
{
    return co_fail(diag, CO_DAMAGED,
                   "%s is damaged at byte %llu: %s. Get it back from a copy, "
                   "or make the corpus again in another folder (the same job "
                   "gives the same rows)",
                   path, (unsigned long long)offset, what);
}

/* *ret_len bytes at data[used] are a frame; 0: more has to be read. */
static enum co_err
measure(struct frames *f, size_t *ret_len, struct co_diag *diag)
{
    size_t left = f->len - f->used;
    size_t n = left ? ZSTD_findFrameCompressedSize(f->data + f->used, left) : 0;

    *ret_len = 0;
    if (left && !ZSTD_isError(n)) {
        *ret_len = n;
        return CO_OK;
    }
    if (f->end) {
        return left ? damaged(f->path, f->offset, "no whole zstd frame", diag)
                    : CO_NOTFOUND;
    }
    if (left > RANGE_FRAME_MAX) {
        return damaged(f->path, f->offset, "no zstd frame of rows", diag);
    }
    return fill(f, diag);
}

enum co_err
frames_next(struct frames *f, struct frame *ret_frame, struct co_diag *diag)
{
    unsigned long long raw;
    size_t len = 0;

    while (len == 0) {
        enum co_err err = measure(f, &len, diag);

        if (err) return err;
    }
    raw = ZSTD_getFrameContentSize(f->data + f->used, len);
    if (raw > RANGE_RAW_MAX) { /* also unknown, and error */
        return damaged(f->path, f->offset,
                       "a zstd frame that does not say how many bytes of "
                       "rows it holds, or too many",
                       diag);
    }
    *ret_frame = (struct frame){f->offset, f->data + f->used, len, raw};
    f->used += len;
    f->offset += len;
    return CO_OK;
}

/* ---- uncompressing ---- */

struct unpacker {
    ZSTD_DCtx *zstd;
    char *raw; /* cap bytes */
    size_t cap;
};

enum co_err
unpacker_new(struct unpacker **ret_unpacker)
{
    struct unpacker *u = calloc(1, sizeof *u);

    if (!u) return CO_NOMEM;
    u->zstd = ZSTD_createDCtx();
    if (!u->zstd) {
        free(u);
        return CO_NOMEM;
    }
    *ret_unpacker = u;
    return CO_OK;
}

void
unpacker_free(struct unpacker *u)
{
    if (!u) return;
    (void)ZSTD_freeDCtx(u->zstd);
    free(u->raw);
    free(u);
}

static bool
make_room(struct unpacker *u, size_t bytes)
{
    char *more;

    if (bytes <= u->cap) return true;
    more = realloc(u->raw, bytes);
    if (!more) return false;
    u->raw = more;
    u->cap = bytes;
    return true;
}

enum co_err
unpacker_rows(struct unpacker *u, const struct frame *frame, const char *file,
              const char **ret_rows, size_t *ret_len, struct co_diag *diag)
{
    size_t n, raw = frame->raw_bytes;

    if (!make_room(u, raw + 1)) {
        return co_fail(diag, CO_NOMEM, "%s: out of memory", file);
    }
    n = ZSTD_decompressDCtx(u->zstd, u->raw, raw, frame->at, frame->len);
    if (ZSTD_isError(n) || n != raw) {
        return damaged(file, frame->offset,
                       ZSTD_isError(n) ? ZSTD_getErrorName(n)
                                       : "fewer bytes than announced",
                       diag);
    }
    if (n && u->raw[n - 1] != '\n') {
        return damaged(file, frame->offset, "a row without an end", diag);
    }
    *ret_rows = u->raw;
    *ret_len = n;
    return CO_OK;
}

enum co_err
unpacker_first(struct unpacker *u, const struct frame *frame, const char *file,
               const char **ret_line, size_t *ret_len, struct co_diag *diag)
{
    ZSTD_inBuffer in = {frame->at, frame->len, 0};
    ZSTD_outBuffer out = {NULL, 0, 0};
    const char *newline = NULL;

    (void)ZSTD_DCtx_reset(u->zstd, ZSTD_reset_session_only);
    while (!newline && out.pos < frame->raw_bytes) {
        size_t before = out.pos, n;

        if (!make_room(u, out.pos + FIRST_BYTES)) {
            return co_fail(diag, CO_NOMEM, "%s: out of memory", file);
        }
        out.dst = u->raw;
        out.size = out.pos + FIRST_BYTES;
        n = ZSTD_decompressStream(u->zstd, &out, &in);
        if (ZSTD_isError(n) || out.pos == before) {
            return damaged(file, frame->offset,
                           ZSTD_isError(n) ? ZSTD_getErrorName(n)
                                           : "fewer bytes than announced",
                           diag);
        }
        newline = memchr(u->raw + before, '\n', out.pos - before);
    }
    if (!newline && frame->raw_bytes) {
        return damaged(file, frame->offset, "a row without an end", diag);
    }
    *ret_line = u->raw;
    *ret_len = newline ? (size_t)(newline - u->raw) : 0;
    return CO_OK;
}
