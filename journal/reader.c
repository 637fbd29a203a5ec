/* reader.c - see reader.h.
 * reader_copy goes through memory instead of copy_file_range: that way the
 * checksum is looked at before bytes leave for a shard, and parts of one
 * result message, which are sealed one after the other, cost one read. */
#include "journal/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPEN_FILES = 8 }; /* segments kept open for reader_record */

struct open_file {
    struct segment_name name; /* owner 0: free */
    uint32_t seed;
    int fd;
    uint64_t used; /* when last, by `clock` */
};

struct reader {
    int dir_fd;
    struct plan plan;
    /* the iteration */
    size_t index; /* segment in the plan */
    int fd;       /* of it; -1: not open yet */
    uint32_t seed;
    uint64_t offset;
    uint64_t sequence; /* of the last record in this segment */
    struct segment_source src;
    /* single records */
    struct open_file files[OPEN_FILES];
    uint64_t clock;
    uint8_t *buf; /* the record read last: header, content, padding */
    size_t cap;
    struct record last;
    struct journal_pos last_pos; /* segment.owner 0: none */
};

static enum co_err
reader_new(const char *dir, struct reader **ret, struct co_diag *diag)
{
    struct reader *r = calloc(1, sizeof *r);
    enum co_err err;

    if (!r) {
        (void)co_fail(diag, CO_NOMEM, "out of memory");
        return CO_NOMEM; /* said here, so that gcc knows *ret is not read */
    }
    r->fd = -1;
    r->src.fd = -1;
    err = folder_open(dir, &r->dir_fd, diag);
    if (err) {
        free(r);
        return err;
    }
    *ret = r;
    return CO_OK;
}

enum co_err
reader_open(const char *dir, uint32_t below, struct reader **ret,
            struct co_diag *diag)
{
    co_auto(reader_closep) struct reader *r = NULL;
    enum co_err err = reader_new(dir, &r, diag);

    if (!err) err = plan_load(r->dir_fd, below, &r->plan, diag);
    if (err) return err;
    *ret = co_take(&r);
    return CO_OK;
}

enum co_err
reader_open_direct(const char *dir, struct reader **ret, struct co_diag *diag)
{
    return reader_new(dir, ret, diag);
}

void
reader_close(struct reader *r)
{
    size_t i;

    if (!r) return;
    for (i = 0; i < OPEN_FILES; i++) {
        if (r->files[i].name.owner) (void)close(r->files[i].fd);
    }
    segment_source_fini(&r->src);
    folder_close(&r->fd);
    folder_close(&r->dir_fd);
    plan_fini(&r->plan);
    free(r->buf);
    free(r);
}

const struct plan *
reader_plan(const struct reader *r)
{
    return &r->plan;
}

static enum co_err
reader_damaged(struct segment_name name, uint64_t offset, const char *what,
               struct co_diag *diag)
{
    char file[FOLDER_NAME_SIZE];

    return co_fail(diag, CO_DAMAGED,
                   "journal segment %s: %s at offset %llu. Nothing was "
                   "changed. `" CO_PROGRAM " journal repair` on the run's "
                   "folder repairs what can be repaired",
                   folder_segment_file(name, file), what,
                   (unsigned long long)offset);
}

/* ---- iteration ---- */

static enum co_err
next_segment(struct reader *r, struct co_diag *diag)
{
    const struct plan_segment *s = &r->plan.v[r->index];
    enum co_err err;

    if (s->missing || s->header_bad) {
        return reader_damaged(
            s->header.name, 0,
            s->missing ? "the file is missing" : "the header is damaged", diag);
    }
    err =
        folder_open_segment(r->dir_fd, s->header.name, O_RDONLY, &r->fd, diag);
    if (err) return err;
    r->seed = segment_crc_seed(s->header.id);
    r->offset = SEGMENT_HEADER_BYTES;
    r->sequence = 0;
    segment_source_fini(&r->src);
    err = segment_source_file(&r->src, r->fd);
    if (!err && r->src.size < s->bytes) {
        err = reader_damaged(s->header.name, r->src.size,
                             "committed bytes are missing", diag);
    }
    return err;
}

enum co_err
reader_next(struct reader *r, struct record *ret, struct journal_pos *ret_pos,
            struct co_diag *diag)
{
    while (r->index < r->plan.len) {
        const struct plan_segment *s = &r->plan.v[r->index];
        struct record record;
        enum co_err err = CO_OK;

        if (r->fd < 0) err = next_segment(r, diag);
        if (err) return err;
        err = segment_record(&r->src, r->seed, r->offset, s->bytes, &record);
        if (err == CO_NOTFOUND) {
            folder_close(&r->fd);
            r->index++;
            continue;
        }
        if (err == CO_DAMAGED || (!err && record.sequence <= r->sequence)) {
            return reader_damaged(s->header.name, r->offset,
                                  "a committed record is damaged", diag);
        }
        if (err) {
            return co_fail(diag, err, "reading the journal: %s",
                           co_err_text(err));
        }
        r->sequence = record.sequence;
        r->offset = record.end;
        if (ret_pos) {
            *ret_pos = (struct journal_pos){
                s->header.name, (uint32_t)record.offset, record.length};
        }
        *ret = record;
        return CO_OK;
    }
    return CO_NOTFOUND;
}

/* ---- single records ---- */

static enum co_err
file_open(struct reader *r, struct open_file *f, struct segment_name name,
          struct co_diag *diag)
{
    uint8_t block[SEGMENT_HEADER_BYTES];
    struct segment_header header;
    int fd;
    enum co_err err = folder_open_segment(r->dir_fd, name, O_RDONLY, &fd, diag);

    if (err) return err;
    if (pread(fd, block, sizeof block, 0) != (ssize_t)sizeof block ||
        segment_header_decode(block, sizeof block, &header) != CO_OK) {
        (void)close(fd);
        return reader_damaged(name, 0, "the header is damaged", diag);
    }
    if (f->name.owner) (void)close(f->fd);
    *f = (struct open_file){name, segment_crc_seed(header.id), fd, 0};
    return CO_OK;
}

/* The least recently used slot makes room. */
static enum co_err
file_find(struct reader *r, struct segment_name name, struct open_file **ret,
          struct co_diag *diag)
{
    struct open_file *f = &r->files[0];
    size_t i;
    enum co_err err = CO_OK;

    for (i = 0; i < OPEN_FILES; i++) {
        if (segment_name_compare(r->files[i].name, name) == 0) break;
        if (r->files[i].used < f->used) f = &r->files[i];
    }
    if (i < OPEN_FILES) {
        f = &r->files[i];
    } else {
        err = file_open(r, f, name, diag);
    }
    if (err) return err;
    f->used = ++r->clock;
    *ret = f;
    return CO_OK;
}

static enum co_err
record_load(struct reader *r, const struct open_file *f, struct journal_pos pos,
            struct record *ret)
{
    size_t total = (size_t)record_bytes(pos.length);
    struct segment_source src;
    size_t got = 0;

    if (pos.length > RECORD_CONTENT_MAX) return CO_DAMAGED;
    if (r->cap < total) {
        uint8_t *buf = realloc(r->buf, total);

        if (!buf) return CO_NOMEM;
        r->buf = buf;
        r->cap = total;
    }
    while (got < total) {
        ssize_t n =
            pread(f->fd, r->buf + got, total - got, (off_t)(pos.offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return co_err_from_errno(errno);
        if (n == 0) return CO_DAMAGED; /* the file is shorter */
        got += (size_t)n;
    }
    segment_source_memory(&src, r->buf, total);
    return segment_record(&src, f->seed, 0, total, ret);
}

enum co_err
reader_record(struct reader *r, struct journal_pos pos, struct record *ret,
              struct co_diag *diag)
{
    struct open_file *f;
    enum co_err err;

    if (r->last_pos.segment.owner &&
        segment_name_compare(r->last_pos.segment, pos.segment) == 0 &&
        r->last_pos.offset == pos.offset && r->last_pos.length == pos.length) {
        *ret = r->last;
        return CO_OK;
    }
    r->last_pos.segment.owner = 0;
    if (!pos.segment.owner) {
        return co_fail(diag, CO_NOTFOUND, "no journal segment 0");
    }
    err = file_find(r, pos.segment, &f, diag);
    if (err) return err;
    err = record_load(r, f, pos, &r->last);
    if (err == CO_DAMAGED || (!err && r->last.length != pos.length)) {
        return reader_damaged(pos.segment, pos.offset,
                              "a committed record is damaged", diag);
    }
    if (err) {
        return co_fail(diag, err, "reading the journal: %s", co_err_text(err));
    }
    r->last.offset = pos.offset;
    r->last.end += pos.offset;
    r->last_pos = pos;
    *ret = r->last;
    return CO_OK;
}

enum co_err
reader_copy(struct reader *r, struct journal_pos pos, uint32_t from,
            uint32_t len, int fd, struct co_diag *diag)
{
    struct record record;
    const uint8_t *p;
    enum co_err err = reader_record(r, pos, &record, diag);

    if (err) return err;
    if (from > record.length || len > record.length - from) {
        return co_fail(diag, CO_RANGE, "not inside the journal record");
    }
    for (p = record.content + from; len > 0;) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            return co_fail(diag, co_err_from_errno(n < 0 ? errno : ENOSPC),
                           "writing a copy of a journal record: %s",
                           strerror(n < 0 ? errno : ENOSPC));
        }
        p += n;
        len -= (uint32_t)n;
    }
    return CO_OK;
}
