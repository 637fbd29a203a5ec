/* powerloss_revert.c - takes back what a power loss might have taken.
 *
 *   powerloss-revert DIR LOG SEED [none|all]
 *
 * DIR and LOG as the programs had them (powerloss.c), all of which have ended.
 * Afterwards DIR is as found after the power came back, and LOG is empty.
 * Prints one line of counts.
 *
 * For each file with unsynced changes, by SEED:
 *   none    all of them are lost
 *   prefix  bytes up to a random place reached the disk (a torn write)
 *   pages   each sector reached the disk or not, whatever the order: a later
 *           one may have, an earlier one not; unwritten ones read as zeros
 *   size    the file has grown, its new bytes are zeros
 *   all     everything reached the disk
 * For each folder the first so many of its unsynced names survive.
 * Of two unsynced writes to the same place the older is never what survives.
 * `none` or `all` instead of the choice by seed: for tests. */
#include "powerloss_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512 };
enum mode { NONE, PREFIX, PAGES, SIZE, ALL, MODES, BY_SEED = MODES };

static const char *root, *keep;
static enum mode wanted = BY_SEED;
static uint64_t seed_state;

/* The log in memory, and where its records start. */
static uint8_t *log_bytes;
static size_t log_len;
static size_t *starts;
static size_t n_starts;

static struct {
    unsigned files, changed, lost_names, kept_names;
    uint64_t lost_bytes;
} counts;

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    (void)fprintf(stderr, "powerloss-revert: ");
    (void)vfprintf(stderr, format, ap);
    (void)fprintf(stderr, "\n");
    exit(2);
}

static void *
need(void *p)
{
    if (!p) die("out of memory");
    return p;
}

/* SplitMix64: the same choices on every machine. */
static uint64_t
choice(uint64_t below)
{
    uint64_t x = seed_state += 0x9E3779B97F4A7C15u;

    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    return below ? x % below : 0;
}

/* ---- the log ---- */

static uint8_t *
read_whole(const char *path, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *bytes;
    size_t got = 0;

    if (fd < 0 || fstat(fd, &st)) die("%s: %s", path, strerror(errno));
    bytes = need(malloc((size_t)st.st_size + 1));
    while (got < (size_t)st.st_size) {
        ssize_t n = read(fd, bytes + got, (size_t)st.st_size - got);

        if (n <= 0) die("%s: cannot read", path);
        got += (size_t)n;
    }
    (void)close(fd);
    *ret_len = got;
    return bytes;
}

static struct powerloss_record
record_at(size_t i)
{
    struct powerloss_record r;

    memcpy(&r, log_bytes + starts[i], sizeof r);
    return r;
}

static const char *
record_text(size_t i, size_t skip, size_t len)
{
    static char text[4][PATH_MAX];
    static unsigned turn;
    char *to = text[turn++ % 4];

    (void)snprintf(to, PATH_MAX, "%.*s", (int)len,
                   (const char *)log_bytes + starts[i] +
                       sizeof(struct powerloss_record) + skip);
    return to;
}

static void
load_log(void)
{
    char path[PATH_MAX];
    size_t at = 0;
    size_t cap = 0;

    (void)snprintf(path, sizeof path, "%s/log", keep);
    if (access(path, F_OK) != 0) return; /* nothing was ever touched */
    log_bytes = read_whole(path, &log_len);
    while (log_len - at >= sizeof(struct powerloss_record)) {
        struct powerloss_record r;
        uint64_t len;

        memcpy(&r, log_bytes + at, sizeof r);
        len = sizeof r + r.path_len + r.name_len + r.name2_len + r.before_len;
        if (r.magic != POWERLOSS_MAGIC || len > log_len - at) break;
        if (n_starts == cap) {
            cap = cap ? 2 * cap : 1024;
            starts = need(realloc(starts, cap * sizeof *starts));
        }
        starts[n_starts++] = at;
        if (r.type == POWERLOSS_UNKNOWN) {
            die("the shim does not understand %s",
                record_text(n_starts - 1, 0, r.name_len));
        }
        at += len;
    }
}

/* The log offset up to which `ino` is safe. */
static uint64_t
synced_upto(uint64_t ino)
{
    uint64_t upto = 0;

    for (size_t i = 0; i < n_starts; i++) {
        struct powerloss_record r = record_at(i);

        if (r.type == POWERLOSS_SYNC && r.ino == ino && r.upto > upto) {
            upto = r.upto;
        }
    }
    return upto;
}

/* ---- bytes of a file ---- */

struct image {
    uint8_t *bytes;
    uint64_t size;
};

/* Takes back every change behind `upto`, newest first. Returns where the first
 * changed byte is; UINT64_MAX when there is none. */
static uint64_t
image_undo(struct image *im, uint64_t ino, uint64_t upto, uint64_t cap)
{
    uint64_t first = UINT64_MAX;

    for (size_t i = n_starts; i-- > 0;) {
        struct powerloss_record r = record_at(i);

        if (r.type != POWERLOSS_WRITE || r.ino != ino || starts[i] < upto) {
            continue;
        }
        if (r.old_size > cap) die("a file was larger than expected");
        if (r.old_size > im->size) {
            memset(im->bytes + im->size, 0, r.old_size - im->size);
        }
        im->size = r.old_size;
        memcpy(im->bytes + r.offset,
               log_bytes + starts[i] + sizeof r + r.path_len + r.name_len +
                   r.name2_len,
               r.before_len);
        if (r.offset < first) first = r.offset;
        if (r.old_size < first) first = r.old_size;
    }
    return first;
}

/* The largest that the file ever was among its undo records. */
static uint64_t
image_cap(uint64_t ino, uint64_t size)
{
    for (size_t i = 0; i < n_starts; i++) {
        struct powerloss_record r = record_at(i);

        if (r.type == POWERLOSS_WRITE && r.ino == ino && r.old_size > size) {
            size = r.old_size;
        }
    }
    return size;
}

static enum mode
choose_mode(void)
{
    if (wanted != BY_SEED) return wanted;
    return (enum mode)choice(MODES);
}

/* Each sector reached the disk or not; the size is somewhere on its way. */
static void
mix_pages(struct image *old, const struct image *now, uint64_t first,
          uint64_t end)
{
    for (uint64_t at = first; at < end; at += SECTOR - at % SECTOR) {
        uint64_t len = SECTOR - at % SECTOR;

        if (len > end - at) len = end - at;
        if (choice(2)) memcpy(old->bytes + at, now->bytes + at, len);
    }
    if (end <= old->size) return;
    if (choice(2)) {
        old->size += choice(end - old->size + 1);
    } else {
        old->size = end;
    }
}

/* `old` becomes what survives of the way from old to now. Both have room for
 * the larger of them, zeros behind their sizes. */
static void
image_mix(struct image *old, const struct image *now, uint64_t first)
{
    uint64_t end = old->size > now->size ? old->size : now->size;
    enum mode mode = choose_mode();
    uint64_t cut;

    if (now->size < old->size && mode != NONE && mode != ALL) {
        /* A file that was cut is so, or not; its bytes may vary before. */
        if (choice(2)) old->size = now->size;
        end = now->size;
        if (first > end) return;
    }
    switch (mode) {
    case NONE:
        return;
    case ALL:
        memcpy(old->bytes, now->bytes, now->size);
        old->size = now->size;
        return;
    case PREFIX:
        cut = first + choice(end - first + 1);
        memcpy(old->bytes + first, now->bytes + first, cut - first);
        if (cut > old->size) old->size = cut;
        return;
    case PAGES:
        mix_pages(old, now, first, end);
        return;
    case SIZE:
        if (end > old->size) old->size = end;
        return;
    case MODES:
        break;
    }
}

static void
write_back(const char *path, const struct image *im)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    uint64_t done = 0;

    if (fd < 0) die("%s: %s", path, strerror(errno));
    while (done < im->size) {
        ssize_t n = write(fd, im->bytes + done, im->size - done);

        if (n <= 0) die("%s: cannot write: %s", path, strerror(errno));
        done += (uint64_t)n;
    }
    (void)close(fd);
}

static void
revert_file(uint64_t ino)
{
    char path[PATH_MAX];
    struct image now;
    struct image old;
    uint64_t upto = synced_upto(ino);
    uint64_t cap;
    uint64_t first;
    size_t len;

    (void)snprintf(path, sizeof path, "%s/ino-%" PRIu64, keep, ino);
    now.bytes = read_whole(path, &len);
    now.size = len;
    cap = image_cap(ino, len);
    now.bytes = need(realloc(now.bytes, cap + 1));
    memset(now.bytes + len, 0, cap - len);
    old.bytes = need(calloc(1, cap + 1));
    old.size = now.size;
    memcpy(old.bytes, now.bytes, now.size);
    first = image_undo(&old, ino, upto, cap);
    counts.files++;
    if (first != UINT64_MAX) {
        /* Behind their sizes both must read as a hole. */
        memset(old.bytes + old.size, 0, cap - old.size);
        image_mix(&old, &now, first);
        if (old.size != now.size ||
            memcmp(old.bytes, now.bytes, now.size) != 0) {
            counts.changed++;
            if (now.size > old.size) counts.lost_bytes += now.size - old.size;
            write_back(path, &old);
        }
    }
    free(now.bytes);
    free(old.bytes);
}

static void
revert_files(void)
{
    DIR *dir = opendir(keep);
    struct dirent *e;

    if (!dir) die("%s: %s", keep, strerror(errno));
    while ((e = readdir(dir)) != NULL) {
        if (strncmp(e->d_name, "ino-", 4) == 0) {
            revert_file(strtoull(e->d_name + 4, NULL, 10));
        }
    }
    (void)closedir(dir);
}

/* ---- names ---- */

static bool
is_name(uint16_t type)
{
    return type >= POWERLOSS_CREATE && type <= POWERLOSS_RMDIR;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    (void)remove(path); /* what stays is seen in the folder */
    return 0;
}

static void
remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
bring_back(uint64_t ino, const char *path)
{
    char from[PATH_MAX];

    if (!ino) return;
    (void)snprintf(from, sizeof from, "%s/ino-%" PRIu64, keep, ino);
    if (link(from, path) && errno != EEXIST && errno != ENOENT) {
        die("%s: %s", path, strerror(errno));
    }
}

static void
undo_name(size_t i, const struct powerloss_record *r)
{
    const char *folder = record_text(i, 0, r->path_len);
    const char *name = record_text(i, r->path_len, r->name_len);
    const char *name2 =
        record_text(i, (size_t)r->path_len + (size_t)r->name_len, r->name2_len);
    char path[3 * PATH_MAX];
    char path2[3 * PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/%s/%s", root, folder, name);
    (void)snprintf(path2, sizeof path2, "%s/%s/%s", root, folder, name2);
    switch ((enum powerloss_type)r->type) {
    case POWERLOSS_CREATE:
        (void)unlink(path);
        break;
    case POWERLOSS_RENAME: /* name2 -> name, within the folder */
        (void)unlink(path);
        bring_back(r->ino, path2);
        bring_back(r->ino2, path);
        break;
    case POWERLOSS_UNLINK:
        bring_back(r->ino, path);
        break;
    case POWERLOSS_MKDIR:
        remove_tree(path);
        break;
    case POWERLOSS_RMDIR:
        (void)mkdir(path, 0700);
        break;
    case POWERLOSS_WRITE:
    case POWERLOSS_SYNC:
    case POWERLOSS_UNKNOWN:
        break;
    }
}

/* How many unsynced names of a folder survive: chosen once for each. */
struct folder {
    uint64_t dir, upto;
    size_t unsynced, survive, seen;
};

static struct folder *
folder_of(struct folder **all, size_t *n, uint64_t dir)
{
    for (size_t i = 0; i < *n; i++) {
        if ((*all)[i].dir == dir) return &(*all)[i];
    }
    *all = need(realloc(*all, (*n + 1) * sizeof **all));
    (*all)[*n] = (struct folder){.dir = dir, .upto = synced_upto(dir)};
    return &(*all)[(*n)++];
}

static size_t
choose_survivors(size_t unsynced)
{
    if (wanted == NONE) return 0;
    if (wanted == ALL) return unsynced;
    return (size_t)choice(unsynced + 1);
}

static void
revert_names(void)
{
    struct folder *all = NULL;
    size_t n = 0;
    bool *lost = need(calloc(n_starts + 1, sizeof *lost));

    for (size_t i = 0; i < n_starts; i++) {
        struct powerloss_record r = record_at(i);
        struct folder *f = is_name(r.type) ? folder_of(&all, &n, r.dir) : NULL;

        if (f && starts[i] >= f->upto) f->unsynced++;
    }
    for (size_t i = 0; i < n; i++) {
        all[i].survive = choose_survivors(all[i].unsynced);
    }
    for (size_t i = 0; i < n_starts; i++) {
        struct powerloss_record r = record_at(i);
        struct folder *f = is_name(r.type) ? folder_of(&all, &n, r.dir) : NULL;

        if (!f || starts[i] < f->upto) continue;
        lost[i] = f->seen++ >= f->survive;
        lost[i] ? counts.lost_names++ : counts.kept_names++;
    }
    for (size_t i = n_starts; i-- > 0;) {
        struct powerloss_record r = record_at(i);

        if (lost[i]) undo_name(i, &r);
    }
    free(all);
    free(lost);
}

int
main(int argc, char **argv)
{
    if (argc < 4) die("usage: powerloss-revert DIR LOG SEED [none|all]");
    root = argv[1];
    keep = argv[2];
    seed_state = strtoull(argv[3], NULL, 10);
    if (argc > 4) wanted = strcmp(argv[4], "all") == 0 ? ALL : NONE;
    load_log();
    revert_files();
    revert_names();
    remove_tree(keep);
    if (mkdir(keep, 0700)) die("%s: %s", keep, strerror(errno));
    printf("files=%u changed=%u lost_bytes=%" PRIu64
           " lost_names=%u kept_names=%u\n",
           counts.files, counts.changed, counts.lost_bytes, counts.lost_names,
           counts.kept_names);
    free(log_bytes);
    free(starts);
    return 0;
}
