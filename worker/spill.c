/* spill.c - see spill.h. Extents (used and free) lie in one array in order of
 * their offset; a lookup walks it. Spilled batches are about 1 MiB each, so
 * there are a few thousand at most and disk time is all that counts. */
#include "worker/spill.h"

#include "common/fs.h"
#include "common/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_BYTES = 24, MAGIC = 0x43535031 /* "CSP1" */ };

struct extent {
    uint64_t offset, bytes; /* header included */
    uint64_t seq;           /* 0: free */
    uint32_t body_bytes;
};

struct spill {
    int fd; /* -1: not made yet */
    uint64_t bytes_max, end, used;
    struct extent *v;
    size_t n, cap;
    uint32_t count;
};

static enum co_err
open_unnamed(const char *dir, int *ret_fd)
{
    *ret_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return *ret_fd < 0 ? co_err_from_errno(errno) : CO_OK;
}

/* Makes the file in a folder of our own below base. The folder can go at once:
 * the file has no name in it. */
static enum co_err
open_below(const char *base, int *ret_fd)
{
    char dir[PATH_MAX];
    enum co_err err;

    if (!base || base[0] != '/') return CO_NOTFOUND;
    if (snprintf(dir, sizeof dir, "%s/" CO_PROGRAM "-spill-XXXXXX", base) >=
        (int)sizeof dir) {
        return CO_RANGE;
    }
    if (!mkdtemp(dir)) return co_err_from_errno(errno);
    err = open_unnamed(dir, ret_fd);
    (void)rmdir(dir);
    return err;
}

static enum co_err
open_default(struct spill *s)
{
    /* Not $XDG_RUNTIME_DIR: that is memory, which is what there is none of. */
    enum co_err err = open_below(getenv("TMPDIR"), &s->fd);

    if (err) err = open_below("/var/tmp", &s->fd);
    if (err) err = open_below("/tmp", &s->fd);
    return err;
}

enum co_err
spill_open(const char *dir, uint64_t bytes_max, struct spill **ret_spill,
           struct co_diag *diag)
{
    co_auto(spill_freep) struct spill *s = calloc(1, sizeof *s);
    enum co_err err = CO_OK;

    if (!s) return CO_NOMEM;
    s->fd = -1;
    s->bytes_max = bytes_max;
    if (dir) err = co_fs_mkdirs(dir, diag);
    if (err && err != CO_EXISTS) return err;
    if (dir) err = open_unnamed(dir, &s->fd);
    if (dir && err) {
        return co_fail(diag, err,
                       "cannot make a spill file in %s: %s; choose another "
                       "folder with --spill",
                       dir, strerror(errno));
    }
    *ret_spill = co_take(&s);
    return CO_OK;
}

void
spill_free(struct spill *s)
{
    if (!s) return;
    co_fs_closep(&s->fd);
    free(s->v);
    free(s);
}

static struct extent *
find(const struct spill *s, uint64_t seq)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i].seq == seq) return &s->v[i];
    }
    return NULL;
}

/* Room for one extent more (a split needs one). */
static bool
reserve(struct spill *s)
{
    size_t cap = s->cap ? s->cap * 2 : 64;
    struct extent *v;

    if (s->n + 1 < s->cap) return true;
    v = realloc(s->v, cap * sizeof *v);
    if (!v) return false;
    s->v = v;
    s->cap = cap;
    return true;
}

static void
insert(struct spill *s, size_t at, struct extent e)
{
    memmove(&s->v[at + 1], &s->v[at], (s->n - at) * sizeof e);
    s->v[at] = e;
    s->n++;
}

/* A free extent of exactly that size: the first that fits, or the end. */
static enum co_err
allocate(struct spill *s, uint64_t bytes, size_t *ret_at)
{
    if (!reserve(s)) return CO_NOMEM;
    for (size_t i = 0; i < s->n; i++) {
        struct extent *e = &s->v[i];

        if (e->seq || e->bytes < bytes) continue;
        if (e->bytes > bytes) {
            const struct extent rest = {e->offset + bytes, e->bytes - bytes, 0,
                                        0};
            e->bytes = bytes;
            insert(s, i + 1, rest);
        }
        *ret_at = i;
        return CO_OK;
    }
    if (bytes > s->bytes_max - s->end) return CO_FULL;
    insert(s, s->n, (struct extent){s->end, bytes, 0, 0});
    s->end += bytes;
    *ret_at = s->n - 1;
    return CO_OK;
}

/* Joins free neighbours; free space at the end goes back to the disk. */
static void
release(struct spill *s, size_t i)
{
    s->v[i].seq = 0;
    if (i + 1 < s->n && !s->v[i + 1].seq) {
        s->v[i].bytes += s->v[i + 1].bytes;
        memmove(&s->v[i + 1], &s->v[i + 2], (s->n - i - 2) * sizeof s->v[0]);
        s->n--;
    }
    if (i > 0 && !s->v[i - 1].seq) {
        s->v[i - 1].bytes += s->v[i].bytes;
        memmove(&s->v[i], &s->v[i + 1], (s->n - i - 1) * sizeof s->v[0]);
        s->n--;
        i--;
    }
    if (i + 1 == s->n) {
        s->end = s->v[i].offset;
        s->n--;
        /* Only a favour to the disk: failing changes nothing for us. */
        if (ftruncate(s->fd, (off_t)s->end) != 0) return;
    }
}

static void
put_u32(uint8_t *to, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        to[i] = (uint8_t)(v >> (8 * i));
    }
}

static void
make_header(uint8_t header[HEADER_BYTES], uint64_t seq, const uint8_t *body,
            uint32_t len)
{
    uint32_t crc;

    memset(header, 0, HEADER_BYTES);
    put_u32(header, MAGIC);
    put_u32(header + 8, (uint32_t)seq);
    put_u32(header + 12, (uint32_t)(seq >> 32));
    put_u32(header + 16, len);
    crc = co_crc32c(co_crc32c(0, header + 8, HEADER_BYTES - 8), body, len);
    put_u32(header + 4, crc);
}

enum co_err
spill_put(struct spill *s, uint64_t seq, struct co_bytes body)
{
    uint8_t header[HEADER_BYTES];
    size_t at;
    enum co_err err;

    if (find(s, seq)) return CO_EXISTS;
    err = s->fd < 0 ? open_default(s) : CO_OK;
    if (err) return err;
    err = allocate(s, HEADER_BYTES + (uint64_t)body.len, &at);
    if (err) return err;
    struct extent *e = &s->v[at];
    make_header(header, seq, body.data, (uint32_t)body.len);
    err = co_fs_pwrite_all(s->fd, header, sizeof header, e->offset, "spill",
                           NULL);
    if (!err) {
        err = co_fs_pwrite_all(s->fd, body.data, body.len,
                               e->offset + HEADER_BYTES, "spill", NULL);
    }
    if (err) {
        release(s, at);
        return err;
    }
    e->seq = seq;
    e->body_bytes = (uint32_t)body.len;
    s->used += e->bytes;
    s->count++;
    return CO_OK;
}

static enum co_err
read_all(int fd, uint8_t *to, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)offset);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return CO_IO;
        if (n == 0) return CO_DAMAGED;
        to += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return CO_OK;
}

enum co_err
spill_get(struct spill *s, uint64_t seq, struct co_bytes *ret_body)
{
    const struct extent *e = find(s, seq);
    uint8_t header[HEADER_BYTES], expected[HEADER_BYTES], *data;
    struct co_bytes body;
    enum co_err err;

    if (!e) return CO_NOTFOUND;
    err = co_bytes_new(e->body_bytes, &data, &body);
    if (err) return err;
    err = read_all(s->fd, header, sizeof header, e->offset);
    if (!err) {
        err = read_all(s->fd, data, body.len, e->offset + HEADER_BYTES);
    }
    if (!err) {
        make_header(expected, seq, data, e->body_bytes);
        if (memcmp(header, expected, sizeof header) != 0) err = CO_DAMAGED;
    }
    if (err) {
        co_bytes_unref(&body);
        return err;
    }
    *ret_body = body;
    return CO_OK;
}

void
spill_drop(struct spill *s, uint64_t seq)
{
    struct extent *e = find(s, seq);

    if (!e) return;
    s->used -= e->bytes;
    s->count--;
    release(s, (size_t)(e - s->v));
}

uint64_t
spill_bytes(const struct spill *s)
{
    return s->used;
}

uint32_t
spill_count(const struct spill *s)
{
    return s->count;
}

int
spill_fd(const struct spill *s)
{
    return s->fd;
}

static enum co_err
put_any(void *ctx, uint64_t seq, struct co_bytes body)
{
    return spill_put(ctx, seq, body);
}

static enum co_err
get_any(void *ctx, uint64_t seq, struct co_bytes *ret_body)
{
    return spill_get(ctx, seq, ret_body);
}

static void
drop_any(void *ctx, uint64_t seq)
{
    spill_drop(ctx, seq);
}

struct slots_spill
spill_interface(struct spill *s)
{
    if (!s) return (struct slots_spill){0};
    return (struct slots_spill){s, put_any, get_any, drop_any};
}
