/* disk.c - see disk.h. The journal calls the hooks below for every write of
 * records and every sync of a segment. A segment that was only claimed was
 * synced by the journal itself: its 64 bytes are safe. */
#include "tests/sim/disk.h"

#include "common/fs.h"
#include "journal/folder.h"
#include "journal/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 4096, SECTOR = 512, PATH_BYTES = 512 };

struct disk_file {
    struct segment_name name;
    uint64_t synced;
};

struct disk {
    char journal[PATH_BYTES];
    enum disk_mode mode;
    bool dead;     /* DIE: nothing is written any more */
    bool told;     /* FULL: the journal was, and has given up its ballast */
    uint64_t room; /* FULL: of the ballast */
    uint64_t roll_bytes;
    struct disk_file *files;
    size_t n_files;
    struct shards *shards;
};

void
disk_make(struct sim *s)
{
    struct disk *d = calloc(1, sizeof *d);
    struct co_diag diag;

    co_assert(d);
    s->job->disk = d;
    d->files = calloc(FILES_MAX, sizeof *d->files);
    co_assert(d->files);
    d->roll_bytes = (uint64_t)sim_between(s, 8, sim_chance(s, 500) ? 64 : 4096)
                    << 10;
    (void)snprintf(d->journal, sizeof d->journal, "%s/journal%u",
                   s->options.dir, s->job->index);
    if (co_fs_remove_tree(d->journal, &diag)) {
        sim_fail(s, "scratch", "%s", diag.text);
    }
}

void
disk_free(struct sim *s)
{
    struct co_diag diag;

    if (co_fs_remove_tree(s->job->disk->journal, &diag)) {
        sim_fail(s, "scratch", "%s", diag.text);
    }
    free(s->job->disk->files);
    free(s->job->disk);
    s->job->disk = NULL;
}

const char *
disk_journal(const struct sim *s)
{
    return s->job->disk->journal;
}

void
disk_set_mode(struct sim *s, enum disk_mode mode)
{
    struct disk *d = s->job->disk;

    d->mode = mode;
    d->dead = d->told = false;
    d->room = d->roll_bytes;
}

enum disk_mode
disk_mode(const struct sim *s)
{
    return s->job->disk->mode;
}

/* ---- what is synced ---- */

static struct disk_file *
file_of(struct disk *d, struct segment_name name)
{
    for (size_t i = d->n_files; i-- > 0;) {
        if (segment_name_compare(d->files[i].name, name) == 0) {
            return &d->files[i];
        }
    }
    return NULL;
}

static struct segment_name
name_of_fd(int fd)
{
    char link[64], path[PATH_BYTES + 64];
    struct segment_name name = {0, 0};
    ssize_t n;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n > 0) {
        path[n] = '\0';
        (void)folder_segment_parse(strrchr(path, '/') + 1, &name);
    }
    return name;
}

static void
note_synced(struct disk *d, struct segment_name name, int fd)
{
    struct disk_file *f = file_of(d, name);
    struct stat st;

    if (!f && d->n_files < FILES_MAX) {
        f = &d->files[d->n_files++];
        f->name = name;
    }
    co_assert(f && fstat(fd, &st) == 0);
    f->synced = (uint64_t)st.st_size;
}

static uint64_t
synced(const struct disk *d, struct segment_name name)
{
    for (size_t i = d->n_files; i-- > 0;) {
        if (segment_name_compare(d->files[i].name, name) == 0) {
            return d->files[i].synced;
        }
    }
    return name.sequence == 1 ? SEGMENT_HEADER_BYTES : 0;
}

bool
disk_is_synced(const struct sim *s, uint64_t segment, uint64_t end)
{
    struct segment_name name = {(uint32_t)(segment >> 32), (uint32_t)segment};

    return end <= synced(s->job->disk, name);
}

/* ---- hooks ---- */

/* In what the ballast took, for the life that gave it up. */
static bool
has_room(struct disk *d, const struct iovec *iov, int count)
{
    uint64_t bytes = 0;
    bool room;

    for (int i = 0; i < count; i++) {
        bytes += iov[i].iov_len;
    }
    room = d->told && bytes <= d->room;
    if (room) d->room -= bytes;
    d->told = true;
    return room;
}

static ssize_t
hook_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    struct sim *s = sim_now;
    struct disk *d = s->job->disk;
    struct iovec part = iov[0];

    if (d->dead) {
        errno = EIO;
        return -1;
    }
    if (d->mode == DISK_FULL && !has_room(d, iov, count)) {
        errno = ENOSPC;
        return -1;
    }
    if (d->mode != DISK_DIE_IN_WRITE) return pwritev(fd, iov, count, offset);
    d->dead = true;
    part.iov_len = (size_t)sim_below(s, part.iov_len + 1);
    if (part.iov_len) (void)!pwritev(fd, &part, 1, offset);
    errno = EIO;
    return -1;
}

static int
hook_fdatasync(int fd)
{
    struct disk *d = sim_now->job->disk;

    if (d->mode == DISK_DIE_IN_SYNC) d->dead = true;
    if (d->dead || d->mode == DISK_BROKEN_SYNC) {
        errno = EIO;
        return -1;
    }
    note_synced(d, name_of_fd(fd), fd);
    return 0;
}

struct journal_io
disk_io(void)
{
    return (struct journal_io){hook_pwritev, hook_fdatasync};
}

/* ---- power loss ---- */

/* Sectors that were written may be on disk or not, in any order. */
static void
tear(struct sim *s, int fd, uint64_t from, uint64_t size)
{
    static const uint8_t zeros[SECTOR];

    s->result.faults.torn_write++;
    for (uint64_t at = from; at < size;) {
        uint64_t end = (at / SECTOR + 1) * SECTOR;

        if (end > size) end = size;
        if (sim_chance(s, 500)) {
            (void)!pwrite(fd, zeros, (size_t)(end - at), (off_t)at);
        }
        at = end;
    }
}

static void
lose(struct sim *s, int dir_fd, struct segment_name name)
{
    char file[FOLDER_NAME_SIZE];
    uint64_t safe = synced(s->job->disk, name), size;
    struct stat st;
    int fd = openat(dir_fd, folder_segment_file(name, file), O_RDWR);

    if (fd < 0) return;
    size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    if (size <= safe) {
        (void)close(fd);
        return;
    }
    sim_trace(s, "%s: %llu of %llu bytes are synced", file,
              (unsigned long long)safe, (unsigned long long)size);
    if (!safe && sim_chance(s, 500)) {
        (void)unlinkat(dir_fd, file, 0); /* its name was not synced */
    } else if (sim_chance(s, 400)) {
        (void)!ftruncate(fd, (off_t)safe);
    } else {
        uint64_t keep = safe + sim_below(s, size - safe + 1);

        if (sim_chance(s, 500)) {
            (void)!ftruncate(fd, (off_t)keep);
        } else {
            keep = size;
        }
        if (sim_chance(s, 700)) tear(s, fd, safe, keep);
    }
    note_synced(s->job->disk, name, fd); /* what is there now is on disk */
    (void)close(fd);
}

void
disk_power_loss(struct sim *s)
{
    struct adoption list = {0};
    struct co_diag diag;
    int fd;

    if (folder_open(s->job->disk->journal, &fd, &diag)) return;
    if (!folder_list(fd, &list, &diag)) {
        for (size_t i = 0; i < list.len; i++) {
            lose(s, fd, list.v[i].name);
        }
    }
    adoption_fini(&list);
    folder_close(&fd);
}

/* ---- the journal's start, and other things outside ---- */

/* The linker's --wrap makes the names. */
// NOLINTBEGIN(bugprone-reserved-identifier)
// NOLINTBEGIN(readability-identifier-naming)
enum co_err __real_journal_start(const char *dir, uint64_t job, uint32_t owner,
                                 const struct adoption *older,
                                 const struct journal_options *options,
                                 struct journal **ret, struct co_diag *diag);
enum co_err __wrap_journal_start(const char *dir, uint64_t job, uint32_t owner,
                                 const struct adoption *older,
                                 const struct journal_options *options,
                                 struct journal **ret, struct co_diag *diag);
uint64_t __wrap_co_random_u64(void);
int64_t __wrap_co_clock_us(void);
void __wrap_co_log(int level, const char *event, const char *fmt, ...);

/* replay.c starts the journal with its defaults: a thread and the real calls.
 * Here it works when owner_node_commit says so. */
enum co_err
__wrap_journal_start(const char *dir, uint64_t job, uint32_t owner,
                     const struct adoption *older,
                     const struct journal_options *options,
                     struct journal **ret, struct co_diag *diag)
{
    const struct journal_options o = {.roll_bytes =
                                          sim_now->job->disk->roll_bytes,
                                      .no_ballast = true,
                                      .use_ballast = options->use_ballast,
                                      .threadless = true,
                                      .io = disk_io()};

    sim_now->job->disk->room = 0; /* the start of a life finds no ballast */
    return __real_journal_start(dir, job, owner, older, &o, ret, diag);
}

uint64_t
__wrap_co_random_u64(void)
{
    return sim_random(sim_now) | 1;
}

int64_t
__wrap_co_clock_us(void)
{
    return sim_now->clock_us;
}

void
__wrap_co_log(int level, const char *event, const char *fmt, ...)
{
    (void)fmt;
    if (sim_now && level <= 2) sim_trace(sim_now, "log: %s", event);
}
// NOLINTEND(readability-identifier-naming)
// NOLINTEND(bugprone-reserved-identifier)

/* ---- shards' place ---- */

uint64_t
disk_segments(const struct sim *s)
{
    return s->job->disk->n_files;
}

struct shards **disk_shards(struct sim *s);

struct shards **
disk_shards(struct sim *s)
{
    return &s->job->disk->shards;
}
