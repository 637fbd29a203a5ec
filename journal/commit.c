/* commit.c - see commit.h.
 * A commit is gathered into one staging buffer: record headers and small
 * parts are copied (a copy of 100 bytes costs less than an iovec of it),
 * large parts are written from where they lie. Preallocating segments was
 * measured to make no difference, so the file's size is its end. */
#include "journal/commit.h"
#include "common/bug.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/hash.h"

enum {
    COMMIT_BYTES_MAX = 4 << 20, /* of one commit, unless one record is more */
    STAGING_BYTES = 1 << 20,    /* copied bytes between two writes */
    COPY_BYTES_MAX = 4096,      /* a larger part is not copied */
    IOV_COUNT = 512,
};

struct commit {
    struct commit_options options;
    int dir_fd;
    int fd;                       /* current segment */
    struct segment_header header; /* of the current segment */
    uint32_t seed;
    uint64_t committed;    /* bytes of the current segment synced */
    uint64_t written;      /* bytes handed to the kernel */
    uint64_t sequence;     /* of the last committed record */
    uint64_t records;      /* in this segment, OWNER not counted */
    struct adoption older; /* all segments but the current one */
    enum co_err err;       /* sticky */
    struct co_diag diag;
    bool rolling; /* into the current segment: not all of it is synced */
    bool no_room; /* the error is of a write, not of a sync */
    bool full;    /* the ballast is given up, and commits go on */
    struct co_diag full_diag;

    uint8_t *staging;
    size_t staged; /* bytes of it in use */
    struct iovec iov[IOV_COUNT];
    int iov_count;
    size_t iov_bytes;
};

static enum co_err
commit_fail(struct commit *c, enum co_err err, const char *what, int errnum)
{
    char file[FOLDER_NAME_SIZE];

    if (c->err) return c->err;
    c->err = err;
    return co_fail(&c->diag, err,
                   "journal segment %s: %s failed at offset %llu: %s. Nothing "
                   "after it was committed; what was acknowledged is safe. "
                   "%s, then run the same command again",
                   folder_segment_file(c->header.name, file), what,
                   (unsigned long long)c->committed, strerror(errnum),
                   err == CO_NOSPACE ? "Free some disk space"
                                     : "Check the disk");
}

/* ---- gathering ---- */

static enum co_err
gather_flush(struct commit *c)
{
    struct iovec *iov = c->iov;
    int left = c->iov_count;

    while (left > 0) {
        ssize_t n = c->options.io.pwritev(c->fd, iov, left, (off_t)c->written);

        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            int errnum = n < 0 ? errno : ENOSPC;
            enum co_err err = co_err_from_errno(errnum);

            c->no_room = err == CO_NOSPACE;
            return commit_fail(c, err == CO_NOSPACE ? err : CO_IO, "write",
                               errnum);
        }
        c->written += (uint64_t)n;
        /* A short write: go on behind it (the next call says why). */
        for (; left > 0 && (size_t)n >= iov->iov_len; iov++, left--) {
            n -= (ssize_t)iov->iov_len;
        }
        if (left > 0) {
            iov->iov_base = (uint8_t *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    c->iov_count = 0;
    c->staged = 0;
    return CO_OK;
}

static void
gather_reference(struct commit *c, const uint8_t *data, size_t len)
{
    struct iovec *last = c->iov_count ? &c->iov[c->iov_count - 1] : NULL;

    if (last && (uint8_t *)last->iov_base + last->iov_len == data) {
        last->iov_len += len;
        return;
    }
    /* pwritev does not write to it; iovec has no const form. */
    c->iov[c->iov_count++] = (struct iovec){(void *)(uintptr_t)data, len};
}

/* Makes room for a copy of len (<= COPY_BYTES_MAX) bytes and a reference. */
static enum co_err
gather_room(struct commit *c, size_t len)
{
    if (c->staged + len <= STAGING_BYTES && c->iov_count + 2 <= IOV_COUNT) {
        return CO_OK;
    }
    return gather_flush(c);
}

static enum co_err
gather(struct commit *c, const void *data, size_t len)
{
    bool copy = len <= COPY_BYTES_MAX;
    enum co_err err = gather_room(c, copy ? len : 0);

    if (err || !len) return err;
    if (copy) {
        memcpy(c->staging + c->staged, data, len);
        data = c->staging + c->staged;
        c->staged += len;
    }
    gather_reference(c, data, len);
    return CO_OK;
}

static enum co_err
gather_record(struct commit *c, const struct commit_entry *e, bool first,
              uint64_t sequence)
{
    static const uint8_t zeros[RECORD_ALIGN];
    uint8_t header[RECORD_HEADER_BYTES];
    size_t padding =
        (size_t)(record_bytes(e->length) - RECORD_HEADER_BYTES) - e->length;
    uint32_t crc;
    uint32_t i;
    enum co_err err;

    segment_record_encode(header, e->length, first, e->type, sequence, 0);
    crc = segment_crc_header(c->seed, header);
    for (i = 0; i < e->part_count; i++) {
        crc = co_crc32c(crc, e->parts[i].data, e->parts[i].len);
    }
    crc = co_crc32c(crc, zeros, padding);
    segment_record_encode(header, e->length, first, e->type, sequence, crc);

    err = gather(c, header, sizeof header);
    for (i = 0; !err && i < e->part_count; i++) {
        err = gather(c, e->parts[i].data, e->parts[i].len);
    }
    return err ? err : gather(c, zeros, padding);
}

/* ---- durability ---- */

static enum co_err
commit_sync(struct commit *c)
{
    enum co_err err = gather_flush(c);

    if (err) return err;
    while (!CO_BUG(commit_without_sync) && c->options.io.fdatasync(c->fd) < 0) {
        if (errno == EINTR) continue;
        /* Never again: after a failure the kernel may have dropped the
         * dirty pages and would call the next sync a success. */
        err = co_err_from_errno(errno);
        return commit_fail(c, err == CO_NOSPACE ? err : CO_IO, "fdatasync",
                           errno);
    }
    c->committed = c->written;
    return CO_OK;
}

static enum co_err
commit_sync_folder(struct commit *c)
{
    if (fsync(c->dir_fd) < 0) {
        return commit_fail(c, CO_IO, "fsync of the folder", errno);
    }
    return CO_OK;
}

/* The disk is full: take back what was not committed, and free the ballast
 * so that commit_final finds room. */
static void
commit_disk_full(struct commit *c)
{
    c->iov_count = 0;
    c->staged = 0;
    if (ftruncate(c->fd, (off_t)c->committed) < 0) c->err = CO_IO;
    c->written = c->committed;
    if (unlinkat(c->dir_fd, FOLDER_BALLAST, 0) == 0) (void)fsync(c->dir_fd);
    /* The cut must be on disk before anything is written in its place. */
    if (c->options.io.fdatasync(c->fd) < 0) c->err = CO_IO;
}

/* After commit_disk_full: whether the same entries may be tried once more. Not
 * when a sync found no room: what the kernel dropped then is not known. */
static bool
commit_goes_on(struct commit *c)
{
    char file[FOLDER_NAME_SIZE];

    if (!c->options.use_ballast || c->full) return false;
    if (!c->no_room || c->err != CO_NOSPACE) return false;
    c->full = true;
    c->err = CO_OK;
    (void)co_fail(&c->full_diag, CO_NOSPACE,
                  "journal segment %s: write failed at offset %llu: %s. "
                  "Nothing was begun after it; what was under way went into "
                  "the space set aside, as far as it came in time. Free some "
                  "disk space, then run the same command again",
                  folder_segment_file(c->header.name, file),
                  (unsigned long long)c->committed, strerror(ENOSPC));
    return true;
}

/* ---- segments ---- */

/* Creates the file with its header. Not synced. */
static enum co_err
segment_create(int dir_fd, const struct segment_header *header, int *ret_fd)
{
    uint8_t block[SEGMENT_HEADER_BYTES];
    char file[FOLDER_NAME_SIZE];
    ssize_t n;
    int fd = openat(dir_fd, folder_segment_file(header->name, file),
                    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) return co_err_from_errno(errno);
    segment_header_encode(header, block);
    n = pwrite(fd, block, sizeof block, 0);
    if (n != (ssize_t)sizeof block) {
        enum co_err err = n < 0 ? co_err_from_errno(errno) : CO_NOSPACE;

        (void)close(fd);
        (void)unlinkat(dir_fd, file, 0);
        return err == CO_NOSPACE ? err : CO_IO;
    }
    *ret_fd = fd;
    return CO_OK;
}

/* Writes the OWNER record that lists all older segments, as a commit. */
static enum co_err
commit_owner_record(struct commit *c)
{
    struct co_buf content;
    struct co_bytes part;
    struct commit_entry entry = {.type = RECORD_OWNER, .part_count = 1};
    enum co_err err;

    co_buf_init(&content, RECORD_CONTENT_MAX);
    adoption_encode(&c->older, &content);
    err = content.err;
    if (!err) {
        part = co_bytes_borrow(content.data, content.len);
        entry.parts = &part;
        entry.length = (uint32_t)content.len;
        err = gather_record(c, &entry, true, c->sequence + 1);
        if (!err) err = commit_sync(c);
    }
    co_buf_fini(&content);
    if (err) return commit_fail(c, err, "OWNER record", ENOMEM);
    c->sequence++;
    return CO_OK;
}

static void
commit_enter(struct commit *c, int fd, const struct segment_header *header)
{
    folder_close(&c->fd);
    c->fd = fd;
    c->header = *header;
    c->seed = segment_crc_seed(header->id);
    c->written = c->committed = SEGMENT_HEADER_BYTES;
    c->records = 0;
}

/* The next segment: its header and OWNER record are synced, and its name in
 * the folder, before any record in it can be acknowledged. The header first,
 * alone: power may be lost with a file of the length of both and none of their
 * bytes, and a header in shreds with records behind it is damage. */
static enum co_err
commit_roll_sync(struct commit *c)
{
    enum co_err err = commit_sync(c);

    if (!err) err = commit_owner_record(c);
    if (!err) err = commit_sync_folder(c);
    if (!err) c->rolling = false;
    return err;
}

/* Called again after a full disk, it goes on where that stopped it. */
static enum co_err
commit_roll(struct commit *c)
{
    struct segment_header next = c->header;
    int fd;
    enum co_err err;

    if (c->rolling) return commit_roll_sync(c);
    err = adoption_set(&c->older, (struct adopted){c->header.name, c->committed,
                                                   c->header.id});
    next.name.sequence++;
    next.id = co_random_u64();
    if (!err) err = segment_create(c->dir_fd, &next, &fd);
    if (err) {
        c->no_room = err == CO_NOSPACE;
        return commit_fail(c, err, "creating the next segment",
                           err == CO_NOSPACE ? ENOSPC : EIO);
    }
    commit_enter(c, fd, &next);
    c->rolling = true;
    return commit_roll_sync(c);
}

static enum co_err
commit_delete(struct commit *c, const struct commit_entry *entries,
              size_t count, size_t *ret_used)
{
    char file[FOLDER_NAME_SIZE];
    size_t used = 0;
    size_t i;
    enum co_err err;

    for (; used < count && entries[used].type == RECORD_NONE; used++) {
        (void)adoption_remove(&c->older, entries[used].gone);
    }
    /* First nobody needs the files, then they go. */
    err = commit_owner_record(c);
    if (err) return err;
    for (i = 0; i < used; i++) {
        folder_segment_file(entries[i].gone, file);
        if (unlinkat(c->dir_fd, file, 0) < 0 && errno != ENOENT) {
            return commit_fail(c, CO_IO, "deleting a segment", errno);
        }
    }
    err = commit_sync_folder(c);
    if (!err) *ret_used = used;
    return err;
}

/* ---- commits ---- */

static enum co_err
commit_gather(struct commit *c, const struct commit_entry *entries,
              size_t count, struct journal_pos *positions, size_t *ret_used)
{
    uint64_t offset = c->committed;
    size_t i;

    for (i = 0; i < count && entries[i].type != RECORD_NONE; i++) {
        uint64_t bytes = record_bytes(entries[i].length);
        enum co_err err;

        if (i > 0 && (offset + bytes > c->options.roll_bytes ||
                      offset + bytes - c->committed > COMMIT_BYTES_MAX)) {
            break;
        }
        err = gather_record(c, &entries[i], i == 0, c->sequence + 1 + i);
        if (err) return err;
        positions[i] = (struct journal_pos){c->header.name, (uint32_t)offset,
                                            entries[i].length};
        offset += bytes;
    }
    *ret_used = i;
    return CO_OK;
}

static enum co_err
commit_batch(struct commit *c, const struct commit_entry *entries, size_t count,
             struct journal_pos *positions, size_t *ret_used)
{
    size_t used = 0;
    enum co_err err = CO_OK;

    if (entries[0].type == RECORD_NONE) {
        return commit_delete(c, entries, count, ret_used);
    }
    if (c->rolling ||
        (c->records && c->committed + record_bytes(entries[0].length) >
                           c->options.roll_bytes)) {
        err = commit_roll(c);
    }
    if (!err) err = commit_gather(c, entries, count, positions, &used);
    if (!err) err = commit_sync(c);
    if (err) return err;
    c->sequence += used;
    c->records += used;
    *ret_used = used;
    return CO_OK;
}

enum co_err
commit_run(struct commit *c, const struct commit_entry *entries, size_t count,
           struct journal_pos *positions, size_t *ret_used)
{
    enum co_err err;

    if (c->err) return c->err;
    err = commit_batch(c, entries, count, positions, ret_used);
    if (err != CO_NOSPACE) return err;
    commit_disk_full(c);
    if (!commit_goes_on(c)) return err;
    err = commit_batch(c, entries, count, positions, ret_used);
    if (err == CO_NOSPACE) commit_disk_full(c);
    return err;
}

enum co_err
commit_final(struct commit *c, const struct commit_entry *entry,
             struct journal_pos *ret_pos)
{
    enum co_err before = c->err;
    size_t used;
    enum co_err err;

    if (before && before != CO_NOSPACE) return before;
    c->err = CO_OK;
    err = c->rolling ? commit_roll(c) : CO_OK;
    if (!err) err = commit_gather(c, entry, 1, ret_pos, &used);
    if (!err) err = commit_sync(c);
    if (!err) {
        c->sequence++;
        c->records++;
        c->err = before;
    } else if (err == CO_NOSPACE) {
        commit_disk_full(c);
    }
    return err;
}

enum co_err
commit_sync_file(struct commit *c, int fd)
{
    if (c->err) return c->err;
    while (c->options.io.fdatasync(fd) < 0) {
        /* Not CO_NOSPACE either, after which a last record may follow: the
         * kernel tells of it once, and the content may be gone. */
        if (errno != EINTR) {
            return commit_fail(c, CO_IO, "fdatasync of the dead letters",
                               errno);
        }
    }
    return CO_OK;
}

enum co_err
commit_error(const struct commit *c, struct co_diag *diag)
{
    if (c->err && diag) *diag = c->diag;
    return c->err;
}

bool
commit_is_full(const struct commit *c, struct co_diag *diag)
{
    if (c->full && diag) *diag = c->full_diag;
    return c->full;
}

uint64_t
commit_sequence(const struct commit *c)
{
    return c->sequence;
}

struct segment_name
commit_segment(const struct commit *c)
{
    return c->header.name;
}

/* ---- start ---- */

enum co_err
commit_claim(const char *dir, uint64_t job, uint32_t owner,
             struct co_diag *diag)
{
    struct segment_header header = {.job = job, .name = {owner, 1}};
    int dir_fd = -1;
    int fd = -1;
    enum co_err err = folder_create(dir, diag);

    if (!err) err = folder_open(dir, &dir_fd, diag);
    if (err) return err;
    header.id = co_random_u64();
    err = segment_create(dir_fd, &header, &fd);
    if (!err && (fsync(fd) < 0 || fsync(dir_fd) < 0)) err = CO_IO;
    folder_close(&fd);
    folder_close(&dir_fd);
    if (err) {
        return co_fail(diag, err,
                       "cannot take owner number %u in journal folder %s: %s",
                       owner, dir, co_err_text(err));
    }
    return CO_OK;
}

/* Opens the segment that commit_claim made and checks that it is just that. */
static enum co_err
commit_open_claimed(struct commit *c, struct co_diag *diag)
{
    struct segment_name name = {c->options.owner, 1};
    uint8_t block[SEGMENT_HEADER_BYTES];
    struct segment_header header;
    struct stat st;
    int fd;
    enum co_err err = folder_open_segment(c->dir_fd, name, O_RDWR, &fd, diag);

    if (err) return err;
    if (fstat(fd, &st) < 0 ||
        pread(fd, block, sizeof block, 0) != (ssize_t)sizeof block) {
        err = CO_IO;
    }
    if (!err) err = segment_header_decode(block, sizeof block, &header);
    if (!err && st.st_size != SEGMENT_HEADER_BYTES) err = CO_EXISTS;
    if (!err && (header.job != c->options.job ||
                 segment_name_compare(header.name, name) != 0)) {
        err = CO_MISMATCH;
    }
    if (err) {
        (void)close(fd);
        return co_fail(diag, err,
                       "owner number %u cannot start in this journal: %s",
                       name.owner, co_err_text(err));
    }
    commit_enter(c, fd, &header);
    return CO_OK;
}

static enum co_err
commit_ballast(struct commit *c, struct co_diag *diag)
{
    struct stat st;
    int rc;
    int fd;

    if (!c->options.ballast_bytes) return CO_OK;
    fd = openat(c->dir_fd, FOLDER_BALLAST, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return co_fail(diag, co_err_from_errno(errno),
                       "cannot create the journal's ballast file: %s",
                       strerror(errno));
    }
    rc = fstat(fd, &st) < 0 ? errno : 0;
    if (!rc && (uint64_t)st.st_blocks * 512 < c->options.ballast_bytes) {
        rc = posix_fallocate(fd, 0, (off_t)c->options.ballast_bytes);
    }
    (void)close(fd);
    if (!rc) return CO_OK;
    (void)unlinkat(c->dir_fd, FOLDER_BALLAST, 0);
    return co_fail(diag, co_err_from_errno(rc),
                   "cannot set %llu bytes aside for the end of the run "
                   "(journal ballast): %s. Free 100 MB there, or choose "
                   "another folder",
                   (unsigned long long)c->options.ballast_bytes, strerror(rc));
}

void
commit_drop_ballast(struct commit *c)
{
    if (c->options.ballast_bytes) {
        (void)unlinkat(c->dir_fd, FOLDER_BALLAST, 0);
    }
}

/* What is adopted must be on disk: a predecessor that was killed between write
 * and sync left it in the page cache only, and we are about to call it
 * committed. Only the newest segment can be so: whoever wrote behind the others
 * had synced them. */
static enum co_err
commit_sync_adopted(struct commit *c, struct co_diag *diag)
{
    const struct adoption *older = &c->older;
    int fd = -1;
    int rc;
    enum co_err err;

    if (!older->len || CO_BUG(adopt_without_sync)) return CO_OK;
    err = folder_open_segment(c->dir_fd, older->v[older->len - 1].name,
                              O_RDONLY, &fd, diag);
    if (err) return err;
    do {
        rc = c->options.io.fdatasync(fd);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0) {
        err = co_fail(diag, CO_IO,
                      "cannot make the last owner's journal segment durable: "
                      "%s. Check the disk, then run the same command again",
                      strerror(errno));
    }
    (void)close(fd);
    return err;
}

static enum co_err
commit_begin(struct commit *c, const char *dir, const struct adoption *older,
             struct co_diag *diag)
{
    enum co_err err = folder_create(dir, diag);

    if (!err) err = folder_open(dir, &c->dir_fd, diag);
    if (!err) err = commit_ballast(c, diag);
    if (!err) err = commit_claim(dir, c->options.job, c->options.owner, diag);
    if (err && err != CO_EXISTS) return err;
    err = commit_open_claimed(c, diag);
    if (err) return err;
    err = adoption_copy(older, &c->older);
    if (!err) err = commit_sync_adopted(c, diag);
    if (err) return err;
    err = commit_owner_record(c);
    if (err && diag) *diag = c->diag;
    return err;
}

enum co_err
commit_new(const char *dir, const struct commit_options *options,
           const struct adoption *older, struct commit **ret,
           struct co_diag *diag)
{
    co_auto(commit_freep) struct commit *c = calloc(1, sizeof *c);
    enum co_err err;

    if (!c) return co_fail(diag, CO_NOMEM, "out of memory");
    c->fd = c->dir_fd = -1;
    c->options = *options;
    if (!c->options.io.pwritev) c->options.io.pwritev = pwritev;
    if (!c->options.io.fdatasync) c->options.io.fdatasync = fdatasync;
    c->staging = malloc(STAGING_BYTES);
    if (!c->staging) return co_fail(diag, CO_NOMEM, "out of memory");
    err = commit_begin(c, dir, older, diag);
    if (err) return err;
    *ret = co_take(&c);
    return CO_OK;
}

void
commit_free(struct commit *c)
{
    if (!c) return;
    folder_close(&c->fd);
    folder_close(&c->dir_fd);
    adoption_fini(&c->older);
    free(c->staging);
    free(c);
}
