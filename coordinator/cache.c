/* cache.c - see cache.h. */
#include "coordinator/cache.h"

#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"
#include "coordinator/cache_index.h"
#include "coordinator/cache_key.h"
#include "coordinator/cache_shared.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MAX_DEFAULT (UINT64_C(1) << 30)
#define SUFFIX ".answers"

enum {
    FILE_BYTES_DEFAULT = 64 << 20,
    FILES_MAX = 256,
    NAME_BYTES = 64,
    WAITING_MAX = 256 * 1024, /* then it is written at once */
    NAMES_TRIED = 16,
};

struct file {
    char name[NAME_BYTES];
    int fd; /* stays open when the file is removed: it can still be read */
    uint64_t size, valid; /* bytes when it was read; of whole records */
    int64_t mtime_ns;
    bool removed;
};

struct cache {
    char *dir;
    struct co_hash128 base;
    struct cache_shared *shared; /* names answers; NULL: cache_key() does */
    struct cache_index *index;
    struct file files[FILES_MAX]; /* the oldest first; new ones at the end */
    uint32_t n_files;
    uint32_t own; /* appended to; n_files or more: none yet */
    uint64_t at;  /* bytes of it that the kernel has */
    struct co_buf waiting;
    struct co_buf read; /* a record */
    uint64_t bytes_max;
    uint32_t file_bytes;
    bool stopped; /* the disk does not take more */
    struct cache_counters n;
};

/* -- reading what is there ------------------------------------------------ */

static bool
read_at(int fd, uint8_t *data, size_t len, uint64_t offset)
{
    while (len) {
        const ssize_t n = pread(fd, data, len, (off_t)offset);

        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        data += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

static void
index_records(struct cache *c, uint32_t number, const uint8_t *data)
{
    struct file *f = &c->files[number];
    struct cache_record record;

    while (cache_record_get(data + f->valid, f->size - f->valid, &record)) {
        const struct cache_place place = {number, (uint32_t)f->valid};
        const enum co_err err = cache_index_put(c->index, record.key, place);

        c->n.answers += !err;
        c->n.left_out += err && err != CO_EXISTS;
        f->valid += record.bytes;
    }
    c->n.torn += f->valid < f->size;
}

/* One that cannot be read is as good as empty, and is not appended to. */
static void
load(struct cache *c, uint32_t number)
{
    struct file *f = &c->files[number];
    uint8_t *data = f->size ? malloc(f->size) : NULL;

    if (data && read_at(f->fd, data, f->size, 0)) {
        index_records(c, number, data);
    } else if (f->size) {
        c->n.torn++;
        f->valid = UINT64_MAX;
    }
    free(data);
    c->n.files++;
}

static bool
is_name(const char *name)
{
    const size_t len = strlen(name), end = strlen(SUFFIX);

    return len > end && len < NAME_BYTES &&
           strcmp(name + len - end, SUFFIX) == 0;
}

/* Others' files, links and what is too large for a file of ours stay as they
 * are. */
static bool
open_file(const struct cache *c, int dir, const char *name, struct file *ret)
{
    struct stat st;
    const int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0) return false;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < 0 ||
        (uint64_t)st.st_size > UINT32_MAX ||
        (uint64_t)st.st_size > 2 * (uint64_t)c->file_bytes) {
        (void)close(fd);
        return false;
    }
    *ret = (struct file){.fd = fd,
                         .size = (uint64_t)st.st_size,
                         .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 +
                                     st.st_mtim.tv_nsec};
    memcpy(ret->name, name, strlen(name) + 1); /* is_name() */
    return true;
}

static int
by_age(const void *a, const void *b)
{
    const struct file *x = a, *y = b;

    return (x->mtime_ns > y->mtime_ns) - (x->mtime_ns < y->mtime_ns);
}

/* One place stays free for a file of our own. */
static enum co_err
list_files(struct cache *c, struct co_diag *diag)
{
    const struct dirent *entry;
    DIR *dir = opendir(c->dir);

    if (!dir) {
        return co_fail(diag, CO_IO, "%s: cannot be read: %s", c->dir,
                       strerror(errno)); // NOLINT(concurrency-mt-unsafe)
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this thread's own
    while (c->n_files < FILES_MAX - 1 && (entry = readdir(dir))) {
        if (is_name(entry->d_name) &&
            open_file(c, dirfd(dir), entry->d_name, &c->files[c->n_files])) {
            c->n_files++;
        }
    }
    (void)closedir(dir);
    qsort(c->files, c->n_files, sizeof c->files[0], by_age);
    return CO_OK;
}

enum co_err
cache_open(const struct cache_options *options, struct cache **ret_cache,
           struct co_diag *diag)
{
    co_auto(cache_freep) struct cache *c = calloc(1, sizeof *c);
    enum co_err err;

    if (!c) return co_fail(diag, CO_NOMEM, "out of memory");
    c->own = FILES_MAX;
    c->bytes_max = options->bytes_max ? options->bytes_max : BYTES_MAX_DEFAULT;
    c->file_bytes =
        options->file_bytes ? options->file_bytes : FILE_BYTES_DEFAULT;
    co_buf_init(&c->waiting, (size_t)2 * WAITING_MAX);
    co_buf_init(&c->read, CACHE_HEAD_BYTES + CACHE_CONTENT_MAX);
    c->dir = strdup(options->dir);
    if (!c->dir) return co_fail(diag, CO_NOMEM, "out of memory");
    err = cache_key_base(options->recipe, &c->base);
    if (!err && options->shared) {
        err = cache_shared_new(options->writer, options->sampler, &c->shared);
    }
    if (!err) err = cache_index_new(CACHE_ANSWERS_MAX, &c->index);
    if (err) return co_fail(diag, err, "the cache: %s", co_err_text(err));
    err = co_fs_mkdirs(c->dir, diag);
    if (!err) err = list_files(c, diag);
    if (err) return err;
    for (uint32_t i = c->n_files; i-- > 0;) { /* the newest are let in first */
        load(c, i);
    }
    *ret_cache = co_take(&c);
    return CO_OK;
}

void
cache_free(struct cache *c)
{
    if (!c) return;
    if (c->index) cache_flush(c);
    for (uint32_t i = 0; i < c->n_files; i++) {
        co_fs_closep(&c->files[i].fd);
    }
    co_buf_fini(&c->waiting);
    co_buf_fini(&c->read);
    cache_index_free(c->index);
    cache_shared_free(c->shared);
    free(c->dir);
    free(c);
}

enum co_err
cache_dir(struct co_buf *out, struct co_diag *diag)
{
    // NOLINTBEGIN(concurrency-mt-unsafe): nobody sets the environment
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    // NOLINTEND(concurrency-mt-unsafe)

    if (cache && *cache == '/') {
        co_buf_printf(out, "%s/cohort/answers", cache);
    } else if (home && *home == '/') {
        co_buf_printf(out, "%s/.cache/cohort/answers", home);
    } else {
        return co_fail(diag, CO_NOTFOUND,
                       "cache: neither XDG_CACHE_HOME nor HOME is an absolute "
                       "path: set one of them, or cache: off");
    }
    return out->err;
}

/* -- room ----------------------------------------------------------------- */

/* Files that somebody appends to stay. */
static bool
remove_file(const struct cache *c, struct file *f)
{
    char path[4096];
    const int n = snprintf(path, sizeof path, "%s/%s", c->dir, f->name);

    if (n < 0 || (size_t)n >= sizeof path) return false;
    if (flock(f->fd, LOCK_EX | LOCK_NB)) return false;
    f->removed = unlink(path) == 0;
    if (!f->removed) (void)flock(f->fd, LOCK_UN);
    return f->removed;
}

static void
make_room(struct cache *c)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < c->n_files; i++) {
        if (!c->files[i].removed) bytes += c->files[i].size;
    }
    for (uint32_t i = 0; i < c->n_files && bytes > c->bytes_max; i++) {
        struct file *f = &c->files[i];

        if (f->removed || i == c->own || !remove_file(c, f)) continue;
        bytes -= f->size;
        c->n.removed++;
    }
}

/* -- the file that is appended to ----------------------------------------- */

/* Takes over a file that nobody appends to and that has not changed since it
 * was read: its torn end is cut. */
static bool
take_over(struct file *f)
{
    struct stat st;

    if (f->removed || f->valid == UINT64_MAX) return false;
    if (flock(f->fd, LOCK_EX | LOCK_NB)) return false;
    if (!fstat(f->fd, &st) && st.st_nlink && (uint64_t)st.st_size == f->size &&
        !ftruncate(f->fd, (off_t)f->valid)) {
        return true;
    }
    (void)flock(f->fd, LOCK_UN);
    return false;
}

static int
create(const struct cache *c, char name[NAME_BYTES])
{
    char path[4096];

    for (unsigned i = 0; i < NAMES_TRIED; i++) {
        int n, fd;

        (void)snprintf(name, NAME_BYTES, "%013" PRIx64 "-%d-%u" SUFFIX,
                       (uint64_t)co_clock_wall_ms(), (int)getpid(), i);
        n = snprintf(path, sizeof path, "%s/%s", c->dir, name);
        if (n < 0 || (size_t)n >= sizeof path) return -1;
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                  0600);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

static bool
make_file(struct cache *c)
{
    struct file f = {.fd = -1};

    if (c->n_files == FILES_MAX) return false;
    f.fd = create(c, f.name);
    if (f.fd < 0) return false;
    if (flock(f.fd, LOCK_EX | LOCK_NB)) {
        (void)close(f.fd);
        return false;
    }
    c->own = c->n_files++;
    c->files[c->own] = f;
    c->at = 0;
    return true;
}

static bool
choose_file(struct cache *c)
{
    for (uint32_t i = c->n_files; i-- > 0;) {
        struct file *f = &c->files[i];

        if (f->valid >= c->file_bytes || i == c->own || !take_over(f)) continue;
        c->own = i;
        c->at = f->size = f->valid;
        return true;
    }
    return make_file(c);
}

static void
stop(struct cache *c, const char *why)
{
    c->stopped = true;
    co_buf_clear(&c->waiting);
    co_log(CO_LOG_WARN, "cache.unwritten", "dir=%s why=%s",
           co_log_quote(c->dir).text, co_log_quote(why).text);
}

/* Before the first answer, and when the file is full. */
static bool
has_file(struct cache *c)
{
    if (c->own < c->n_files) {
        struct file *f = &c->files[c->own];

        if (c->at + c->waiting.len < c->file_bytes) return true;
        cache_flush(c);
        if (c->stopped) return false;
        (void)flock(f->fd, LOCK_UN);
    }
    if (!choose_file(c)) {
        stop(c, "no file can be made there");
        return false;
    }
    make_room(c);
    return true;
}

void
cache_flush(struct cache *c)
{
    struct file *f;
    struct co_diag diag = {""};

    if (!c->waiting.len || c->stopped) return;
    f = &c->files[c->own];
    if (co_fs_pwrite_all(f->fd, c->waiting.data, c->waiting.len, c->at, f->name,
                         &diag)) {
        (void)!ftruncate(f->fd, (off_t)c->at);
        stop(c, diag.text);
        return;
    }
    c->at += c->waiting.len;
    f->size = f->valid = c->at;
    co_buf_clear(&c->waiting);
}

/* -- answers -------------------------------------------------------------- */

static bool
name_of(struct cache *c, uint64_t row, enum ask_stage stage,
        const uint8_t *input, uint32_t len, struct co_hash128 *ret_key)
{
    if (c->shared) {
        return cache_shared_key(c->shared, row, stage, input, len, ret_key);
    }
    *ret_key = cache_key(c->base, row, stage, input, len);
    return true;
}

void
cache_put(void *self, uint64_t row, enum ask_stage stage, const uint8_t *input,
          uint32_t input_len, const uint8_t *content, uint32_t len)
{
    struct cache *c = self;
    struct co_hash128 key;
    struct cache_place place;

    if (!name_of(c, row, stage, input, input_len, &key)) {
        c->n.left_out++;
        return;
    }
    if (cache_index_get(c->index, key, &place)) return;
    if (c->stopped || len > CACHE_CONTENT_MAX || !has_file(c) ||
        !co_buf_reserve(&c->waiting, CACHE_HEAD_BYTES + len)) {
        c->n.left_out++;
        return;
    }
    place = (struct cache_place){c->own, (uint32_t)(c->at + c->waiting.len)};
    if (cache_index_put(c->index, key, place)) {
        c->n.left_out++;
        return;
    }
    cache_record_put(key, content, len, &c->waiting);
    c->n.added++;
    if (c->waiting.len >= WAITING_MAX) cache_flush(c);
}

/* The record at a place; it may be the last of its file. */
static bool
read_record(struct cache *c, struct cache_place place,
            struct cache_record *ret_record)
{
    const struct file *f = &c->files[place.file];
    uint64_t left;
    size_t len;
    uint8_t *data;

    co_buf_clear(&c->read);
    if (f->valid == UINT64_MAX || place.offset >= f->valid) return false;
    left = f->valid - place.offset;
    len = left < CACHE_HEAD_BYTES + CACHE_CONTENT_MAX
              ? (size_t)left
              : CACHE_HEAD_BYTES + CACHE_CONTENT_MAX;
    data = co_buf_reserve(&c->read, len);
    return data && read_at(f->fd, data, len, place.offset) &&
           cache_record_get(data, len, ret_record);
}

bool
cache_get(void *self, uint64_t row, enum ask_stage stage, const uint8_t *input,
          uint32_t input_len, struct co_buf *out)
{
    struct cache *c = self;
    struct co_hash128 key;
    struct cache_record record;
    struct cache_place place;

    if (!name_of(c, row, stage, input, input_len, &key) ||
        !cache_index_get(c->index, key, &place)) {
        return false;
    }
    if (place.file == c->own) cache_flush(c);
    if (!read_record(c, place, &record) || record.key.low != key.low ||
        record.key.high != key.high) {
        c->n.damaged++;
        return false;
    }
    co_buf_append(out, record.content, record.len);
    c->n.hits += !out->err;
    return !out->err;
}

const struct cache_counters *
cache_counters(const struct cache *c)
{
    return &c->n;
}
