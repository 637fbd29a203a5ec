/* powerloss.c - makes kill -9 as bad as a power loss.
 *
 * After kill -9 all that a program wrote is still in the page cache: a test
 * that only kills cannot see a missing fsync. This library is preloaded into
 * the programs (LD_PRELOAD). It notes what they do to files below
 * $COHORT_POWERLOSS_DIR and how to undo it, and what was synced. After the
 * kill, powerloss-revert takes back what a power loss might have taken.
 *
 * Undo information and not delayed writes: the program and its other threads
 * (and other processes) must read back what was written, synced or not.
 *
 * One lock (a mutex, and flock for other processes; the kernel frees it at a
 * kill) covers "note it, do it", so that the order in the log is the order of
 * the file. fsync itself runs outside the lock.
 *
 * Not understood, and noted as such, so that the revert refuses: fopen for
 * writing, truncate, sendfile, copy_file_range, O_SYNC. mmap is not seen. */
#include "powerloss_log.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
enum { INODES = 1 << 16, IOV_LIMIT = 1024 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool active;            /* both variables are set */
static char root[PATH_MAX];    /* the watched folder */
static char keep[PATH_MAX];    /* the log's folder */
static int log_fd = -1;        /* of keep/log */
static uint64_t log_end;       /* valid only under the lock */
static uint64_t known[INODES]; /* files that have a link in keep */

/* The next definition of a function: libc's, or a sanitizer's, whose fd
 * bookkeeping must not be passed by. */
#define NEXT(name)                                                             \
    ({                                                                         \
        static __typeof__(&name) next;                                         \
        if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);          \
        next;                                                                  \
    })

/* Our own use of files goes around every interceptor. */
static int
sys_openat(int dir, const char *path, int flags, unsigned mode)
{
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

static void
die(const char *what)
{
    (void)dprintf(2, "powerloss: %s: %s\n", what, strerror(errno));
    abort(); /* a shim that forgets would make tests pass */
}

/* ---- the log ---- */

static bool
record_read(int fd, uint64_t at, uint64_t end, uint64_t *ret_next)
{
    struct powerloss_record r;
    uint64_t len;

    if (end - at < sizeof r ||
        syscall(SYS_pread64, fd, &r, sizeof r, at) != (long)sizeof r ||
        r.magic != POWERLOSS_MAGIC) {
        return false;
    }
    len = sizeof r + r.path_len + r.name_len + r.name2_len + r.before_len;
    if (end - at < len) return false;
    *ret_next = at + len;
    return true;
}

/* The log of a process that was killed may end in half a record. */
static void
log_cut_tail(void)
{
    struct stat st;
    uint64_t at = 0;

    if (fstat(log_fd, &st)) die("log");
    while (record_read(log_fd, at, (uint64_t)st.st_size, &at)) {
        continue;
    }
    if (syscall(SYS_ftruncate, log_fd, at)) die("log");
}

static void
lock(void)
{
    struct stat st;

    pthread_mutex_lock(&mutex);
    while (flock(log_fd, LOCK_EX)) {
        if (errno != EINTR) die("flock");
    }
    if (fstat(log_fd, &st)) die("log");
    log_end = (uint64_t)st.st_size;
}

static void
unlock(void)
{
    int e = errno;

    (void)flock(log_fd, LOCK_UN);
    pthread_mutex_unlock(&mutex);
    errno = e;
}

static void
start(void)
{
    const char *dir = getenv("COHORT_POWERLOSS_DIR");
    const char *log = getenv("COHORT_POWERLOSS_LOG");
    char path[PATH_MAX + 8];

    if (!dir || !log) return;
    if (!realpath(dir, root) || !realpath(log, keep)) die("folder");
    (void)snprintf(path, sizeof path, "%s/log", keep);
    log_fd = sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    /* Out of the way of programs that count on low numbers. */
    if (log_fd >= 0) log_fd = fcntl(log_fd, F_DUPFD_CLOEXEC, 900);
    if (log_fd < 0) die(path);
    while (flock(log_fd, LOCK_EX)) {
        if (errno != EINTR) die("flock");
    }
    log_cut_tail();
    (void)flock(log_fd, LOCK_UN);
    active = true;
}

static bool
watching(void)
{
    int e = errno;

    pthread_once(&once, start);
    errno = e;
    return active;
}

static void
log_add(struct powerloss_record *r, const char *path, const char *name,
        const char *name2, const void *before)
{
    struct iovec iov[5];
    size_t len;

    r->magic = POWERLOSS_MAGIC;
    r->path_len = (uint16_t)(path ? strlen(path) : 0);
    r->name_len = (uint16_t)(name ? strlen(name) : 0);
    r->name2_len = (uint16_t)(name2 ? strlen(name2) : 0);
    iov[0] = (struct iovec){r, sizeof *r};
    iov[1] = (struct iovec){(void *)(uintptr_t)path, r->path_len};
    iov[2] = (struct iovec){(void *)(uintptr_t)name, r->name_len};
    iov[3] = (struct iovec){(void *)(uintptr_t)name2, r->name2_len};
    iov[4] = (struct iovec){(void *)(uintptr_t)before, r->before_len};
    len = sizeof *r + r->path_len + r->name_len + r->name2_len + r->before_len;
    if (syscall(SYS_pwritev, log_fd, iov, 5, log_end, 0) != (long)len) {
        die("cannot write the log");
    }
    log_end += len;
}

static void
log_unknown(const char *what)
{
    struct powerloss_record r = {.type = POWERLOSS_UNKNOWN};

    lock();
    log_add(&r, NULL, what, NULL, NULL);
    unlock();
}

/* ---- which files ---- */

static uint64_t *
known_slot(uint64_t ino)
{
    size_t at = (size_t)(ino * 0x9E3779B97F4A7C15u >> 48);

    for (size_t i = 0; i < INODES; i++) {
        uint64_t *slot = &known[(at + i) % INODES];

        if (*slot == ino || *slot == 0) return slot;
    }
    errno = ENOSPC;
    die("too many files");
    return NULL;
}

/* Makes sure that the bytes of dir/name are found again. Its inode, 0 when
 * there is no such file. Under the lock. */
static uint64_t
remember(int dir, const char *name)
{
    char path[PATH_MAX + 32];
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) {
        return 0;
    }
    (void)snprintf(path, sizeof path, "%s/ino-%llu", keep,
                   (unsigned long long)st.st_ino);
    if (syscall(SYS_linkat, dir, name, AT_FDCWD, path, 0) && errno != EEXIST) {
        die(path);
    }
    *known_slot(st.st_ino) = st.st_ino;
    return st.st_ino;
}

/* A name below the watched folder, resolved. */
struct place {
    int dir; /* O_PATH descriptor of its folder, or -1 */
    uint64_t dir_ino;
    char path[PATH_MAX]; /* of the folder, below the watched one; "" itself */
    char name[NAME_MAX + 1];
};

static void
place_close(struct place *p)
{
    int e = errno;

    if (p->dir >= 0) (void)syscall(SYS_close, p->dir);
    errno = e;
}

/* False: not below the watched folder, or not there at all. */
static bool
place_find(struct place *p, int at, const char *path)
{
    char parent[PATH_MAX], link[64];
    size_t root_len = strlen(root), len = strlen(path);
    const char *base;
    struct stat st;
    ssize_t n;
    int e = errno;

    p->dir = -1;
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    if (len == 0 || len >= sizeof parent) return false;
    for (base = path + len; base > path && base[-1] != '/'; base--) {
        continue;
    }
    if ((size_t)(path + len - base) > NAME_MAX) return false;
    (void)snprintf(p->name, sizeof p->name, "%.*s", (int)(path + len - base),
                   base);
    (void)snprintf(parent, sizeof parent, "%.*s",
                   base == path ? 1 : (int)(base - path),
                   base == path ? "." : path);
    p->dir = sys_openat(at, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (p->dir < 0) goto no;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", p->dir);
    n = readlink(link, parent, sizeof parent - 1);
    if (n < 0 || fstat(p->dir, &st)) goto no;
    parent[n] = '\0';
    if (strncmp(parent, root, root_len) != 0 ||
        (parent[root_len] != '/' && parent[root_len] != '\0')) {
        goto no;
    }
    (void)snprintf(p->path, sizeof p->path, "%s",
                   parent[root_len] ? parent + root_len + 1 : "");
    p->dir_ino = st.st_ino;
    errno = e;
    return true;
no:
    place_close(p);
    p->dir = -1;
    errno = e;
    return false;
}

/* ---- bytes ---- */

/* Notes that [offset, offset + len) of fd will change, or its size. `lost`
 * bytes from offset on are overwritten or cut. Under the lock. */
static void
note_write(int fd, const struct stat *st, uint64_t offset, uint64_t len,
           uint64_t lost)
{
    struct powerloss_record r = {.type = POWERLOSS_WRITE,
                                 .ino = st->st_ino,
                                 .offset = offset,
                                 .len = len,
                                 .old_size = (uint64_t)st->st_size};
    uint64_t size = (uint64_t)st->st_size;
    char *before = NULL;
    int own = -1;

    if (offset < size && lost) {
        char path[PATH_MAX + 32];

        r.before_len = size - offset < lost ? size - offset : lost;
        before = malloc(r.before_len);
        /* fd may be open for writing only. */
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        own = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
        for (uint64_t got = 0; got < r.before_len;) {
            long n = own < 0 || !before
                         ? -1
                         : syscall(SYS_pread64, own, before + got,
                                   r.before_len - got, offset + got);

            if (n <= 0) die("cannot read what is overwritten");
            got += (uint64_t)n;
        }
        (void)syscall(SYS_close, own);
    }
    log_add(&r, NULL, NULL, NULL, before);
    free(before);
}

/* Whether fd is a file that is watched; then the lock is taken. */
static bool
watched(int fd, struct stat *st)
{
    int e = errno;

    if (!watching() || fd == log_fd) return false;
    if (fstat(fd, st) || !S_ISREG(st->st_mode)) {
        errno = e;
        return false;
    }
    lock();
    if (*known_slot(st->st_ino) == st->st_ino && !fstat(fd, st)) {
        errno = e;
        return true;
    }
    unlock();
    errno = e;
    return false;
}

static uint64_t
position(int fd, const struct stat *st)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_APPEND)) return (uint64_t)st->st_size;
    return (uint64_t)lseek(fd, 0, SEEK_CUR);
}

static uint64_t
iov_bytes(const struct iovec *iov, int n)
{
    uint64_t sum = 0;

    for (int i = 0; i < n && i < IOV_LIMIT; i++) {
        sum += iov[i].iov_len;
    }
    return sum;
}

/* CALL with [OFFSET, OFFSET + LEN) of fd noted first. */
#define WRITING(type, offset, len, call)                                       \
    do {                                                                       \
        struct stat st;                                                        \
        type rc_;                                                              \
                                                                               \
        if (!watched(fd, &st)) return (call);                                  \
        note_write(fd, &st, (uint64_t)(offset), (uint64_t)(len),               \
                   (uint64_t)(len));                                           \
        rc_ = (call);                                                          \
        unlock();                                                              \
        return rc_;                                                            \
    } while (0)

EXPORT ssize_t
write(int fd, const void *data, size_t len)
{
    WRITING(ssize_t, position(fd, &st), len, NEXT(write)(fd, data, len));
}

EXPORT ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
    WRITING(ssize_t, at, len, NEXT(pwrite)(fd, data, len, at));
}

EXPORT ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    WRITING(ssize_t, at, len, NEXT(pwrite64)(fd, data, len, at));
}

EXPORT ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    WRITING(ssize_t, position(fd, &st), iov_bytes(iov, n),
            NEXT(writev)(fd, iov, n));
}

EXPORT ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    WRITING(ssize_t, at, iov_bytes(iov, n), NEXT(pwritev)(fd, iov, n, at));
}

EXPORT ssize_t
pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
    WRITING(ssize_t, at, iov_bytes(iov, n), NEXT(pwritev64)(fd, iov, n, at));
}

EXPORT ssize_t
pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    WRITING(ssize_t, at, iov_bytes(iov, n),
            NEXT(pwritev2)(fd, iov, n, at, flags));
}

EXPORT ssize_t
pwritev64v2(int fd, const struct iovec *iov, int n, off64_t at, int flags)
{
    WRITING(ssize_t, at, iov_bytes(iov, n),
            NEXT(pwritev64v2)(fd, iov, n, at, flags));
}

/* A cut loses the bytes behind it, growth only changes the size. */
#define RESIZING(size, call)                                                   \
    do {                                                                       \
        struct stat st;                                                        \
        int rc_;                                                               \
                                                                               \
        if (!watched(fd, &st)) return (call);                                  \
        note_write(fd, &st, (uint64_t)(size), 0, UINT64_MAX);                  \
        rc_ = (call);                                                          \
        unlock();                                                              \
        return rc_;                                                            \
    } while (0)

EXPORT int
ftruncate(int fd, off_t size)
{
    RESIZING(size, NEXT(ftruncate)(fd, size));
}

EXPORT int
ftruncate64(int fd, off64_t size)
{
    RESIZING(size, NEXT(ftruncate64)(fd, size));
}

EXPORT int
posix_fallocate(int fd, off_t at, off_t len)
{
    WRITING(int, st.st_size, 0, NEXT(posix_fallocate)(fd, at, len));
}

EXPORT int
posix_fallocate64(int fd, off64_t at, off64_t len)
{
    WRITING(int, st.st_size, 0, NEXT(posix_fallocate64)(fd, at, len));
}

EXPORT int
fallocate(int fd, int mode, off_t at, off_t len)
{
    if (mode & ~FALLOC_FL_KEEP_SIZE && watching()) {
        log_unknown("fallocate mode");
    }
    WRITING(int, st.st_size, 0, NEXT(fallocate)(fd, mode, at, len));
}

EXPORT int
fallocate64(int fd, int mode, off64_t at, off64_t len)
{
    if (mode & ~FALLOC_FL_KEEP_SIZE && watching()) {
        log_unknown("fallocate mode");
    }
    WRITING(int, st.st_size, 0, NEXT(fallocate64)(fd, mode, at, len));
}

/* ---- sync ---- */

/* Only what happened before the call is safe after it. */
static uint64_t
sync_begin(int fd, struct stat *st)
{
    uint64_t upto;
    int e = errno;

    if (!watching() || fstat(fd, st) ||
        (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))) {
        errno = e;
        return 0;
    }
    lock();
    upto = log_end;
    unlock();
    errno = e;
    return upto;
}

static int
sync_end(int rc, const struct stat *st, uint64_t upto)
{
    struct powerloss_record r = {.type = POWERLOSS_SYNC, .upto = upto};

    if (rc || upto == 0) return rc;
    r.ino = st->st_ino;
    lock();
    log_add(&r, NULL, NULL, NULL, NULL);
    unlock();
    return rc;
}

EXPORT int
fsync(int fd)
{
    struct stat st;
    uint64_t upto = sync_begin(fd, &st);

    return sync_end(NEXT(fsync)(fd), &st, upto);
}

EXPORT int
fdatasync(int fd)
{
    struct stat st;
    uint64_t upto = sync_begin(fd, &st);

    return sync_end(NEXT(fdatasync)(fd), &st, upto);
}

/* ---- names ---- */

static void
note_name(enum powerloss_type type, const struct place *p, uint64_t ino,
          const char *name2, uint64_t ino2)
{
    struct powerloss_record r = {
        .type = (uint16_t)type, .dir = p->dir_ino, .ino = ino, .ino2 = ino2};

    log_add(&r, p->path, p->name, name2, NULL);
}

/* The file is open already for reading only: nothing to note. */
static bool
open_is_read(int flags)
{
    return (flags & O_ACCMODE) == O_RDONLY && !(flags & (O_CREAT | O_TRUNC));
}

/* Before the open: creation and O_TRUNC. Under the lock. */
static void
note_open(const struct place *p, int flags)
{
    uint64_t ino = remember(p->dir, p->name);
    struct stat st;
    int fd;

    if (!ino) {
        if (flags & O_CREAT) note_name(POWERLOSS_CREATE, p, 0, NULL, 0);
        return;
    }
    if (!(flags & O_TRUNC)) return;
    fd = sys_openat(p->dir, p->name, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return; /* then the open will fail as well */
    if (fstat(fd, &st)) die("open");
    note_write(fd, &st, 0, 0, UINT64_MAX);
    (void)syscall(SYS_close, fd);
}

#define OPENING(at, path, flags, call)                                         \
    do {                                                                       \
        struct place p_;                                                       \
        int rc_;                                                               \
                                                                               \
        if (open_is_read(flags) || !watching() || !place_find(&p_, at, path))  \
            return (call);                                                     \
        if ((flags) & (O_DSYNC | O_DIRECT)) log_unknown("open flags");         \
        lock();                                                                \
        note_open(&p_, flags);                                                 \
        rc_ = (call);                                                          \
        if (rc_ >= 0) (void)remember(p_.dir, p_.name);                         \
        unlock();                                                              \
        place_close(&p_);                                                      \
        return rc_;                                                            \
    } while (0)

#define MODE_OF(flags)                                                         \
    ({                                                                         \
        mode_t mode_ = 0;                                                      \
        va_list ap_;                                                           \
        va_start(ap_, flags);                                                  \
        if ((flags) & (O_CREAT | O_TMPFILE)) mode_ = va_arg(ap_, mode_t);      \
        va_end(ap_);                                                           \
        mode_;                                                                 \
    })

EXPORT int
open(const char *path, int flags, ...)
{
    mode_t mode = MODE_OF(flags);

    OPENING(AT_FDCWD, path, flags, NEXT(open)(path, flags, mode));
}

EXPORT int
open64(const char *path, int flags, ...)
{
    mode_t mode = MODE_OF(flags);

    OPENING(AT_FDCWD, path, flags, NEXT(open64)(path, flags, mode));
}

EXPORT int
openat(int dir, const char *path, int flags, ...)
{
    mode_t mode = MODE_OF(flags);

    OPENING(dir, path, flags, NEXT(openat)(dir, path, flags, mode));
}

EXPORT int
openat64(int dir, const char *path, int flags, ...)
{
    mode_t mode = MODE_OF(flags);

    OPENING(dir, path, flags, NEXT(openat64)(dir, path, flags, mode));
}

EXPORT int
creat(const char *path, mode_t mode)
{
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORT int
creat64(const char *path, mode_t mode)
{
    return open64(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* What _FORTIFY_SOURCE makes of open without a mode. */
/* The names are glibc's. */
// NOLINTBEGIN(bugprone-reserved-identifier)
// NOLINTBEGIN(readability-identifier-naming)
EXPORT int __open_2(const char *path, int flags);
EXPORT int __open64_2(const char *path, int flags);
EXPORT int __openat_2(int dir, const char *path, int flags);
EXPORT int __openat64_2(int dir, const char *path, int flags);

EXPORT int
__open_2(const char *path, int flags)
{
    return open(path, flags, 0);
}

EXPORT int
__open64_2(const char *path, int flags)
{
    return open64(path, flags, 0);
}

EXPORT int
__openat_2(int dir, const char *path, int flags)
{
    return openat(dir, path, flags, 0);
}

EXPORT int
__openat64_2(int dir, const char *path, int flags)
{
    return openat64(dir, path, flags, 0);
}
// NOLINTEND(readability-identifier-naming)
// NOLINTEND(bugprone-reserved-identifier)

/* Renames between folders count as one of the new folder. */
static void
note_rename(const struct place *from, const struct place *to)
{
    uint64_t ino = remember(from->dir, from->name);
    uint64_t ino2 = remember(to->dir, to->name);

    if (!ino) return; /* a folder, or it will fail */
    if (from->dir_ino == to->dir_ino) {
        note_name(POWERLOSS_RENAME, to, ino, from->name, ino2);
        return;
    }
    note_name(POWERLOSS_UNLINK, from, ino, NULL, 0);
    if (ino2) note_name(POWERLOSS_UNLINK, to, ino2, NULL, 0);
    note_name(POWERLOSS_CREATE, to, ino, NULL, 0);
}

#define RENAMING(at, path, to_at, to_path, call)                               \
    do {                                                                       \
        struct place from_, to_;                                               \
        int rc_;                                                               \
                                                                               \
        if (!watching() || !place_find(&to_, to_at, to_path)) return (call);   \
        if (!place_find(&from_, at, path)) {                                   \
            log_unknown("rename from outside");                                \
            place_close(&to_);                                                 \
            return (call);                                                     \
        }                                                                      \
        lock();                                                                \
        note_rename(&from_, &to_);                                             \
        rc_ = (call);                                                          \
        unlock();                                                              \
        place_close(&from_);                                                   \
        place_close(&to_);                                                     \
        return rc_;                                                            \
    } while (0)

EXPORT int
rename(const char *from, const char *to)
{
    RENAMING(AT_FDCWD, from, AT_FDCWD, to, NEXT(rename)(from, to));
}

EXPORT int
renameat(int at, const char *from, int to_at, const char *to)
{
    RENAMING(at, from, to_at, to, NEXT(renameat)(at, from, to_at, to));
}

EXPORT int
renameat2(int at, const char *from, int to_at, const char *to, unsigned flags)
{
    if (flags & ~(unsigned)RENAME_NOREPLACE && watching()) {
        log_unknown("renameat2 flags");
    }
    RENAMING(at, from, to_at, to, NEXT(renameat2)(at, from, to_at, to, flags));
}

/* One name appears (TYPE) or disappears. A call that then fails leaves a note
 * whose undoing must do no harm: only what is there is unlinked, and what is
 * to be there is looked at first. */
#define NAMING(type, at, path, call)                                           \
    do {                                                                       \
        struct place p_;                                                       \
        struct stat st_;                                                       \
        bool there_;                                                           \
        int rc_;                                                               \
                                                                               \
        if (!watching() || !place_find(&p_, at, path)) return (call);          \
        lock();                                                                \
        there_ = !fstatat(p_.dir, p_.name, &st_, AT_SYMLINK_NOFOLLOW);         \
        if (there_ ==                                                          \
            ((type) == POWERLOSS_UNLINK || (type) == POWERLOSS_RMDIR))         \
            note_name(type, &p_, remember(p_.dir, p_.name), NULL, 0);          \
        rc_ = (call);                                                          \
        unlock();                                                              \
        place_close(&p_);                                                      \
        return rc_;                                                            \
    } while (0)

EXPORT int
link(const char *from, const char *to)
{
    NAMING(POWERLOSS_CREATE, AT_FDCWD, to, NEXT(link)(from, to));
}

EXPORT int
linkat(int at, const char *from, int to_at, const char *to, int flags)
{
    NAMING(POWERLOSS_CREATE, to_at, to,
           NEXT(linkat)(at, from, to_at, to, flags));
}

EXPORT int
unlink(const char *path)
{
    NAMING(POWERLOSS_UNLINK, AT_FDCWD, path, NEXT(unlink)(path));
}

EXPORT int
unlinkat(int at, const char *path, int flags)
{
    if (flags & AT_REMOVEDIR) {
        NAMING(POWERLOSS_RMDIR, at, path, NEXT(unlinkat)(at, path, flags));
    }
    NAMING(POWERLOSS_UNLINK, at, path, NEXT(unlinkat)(at, path, flags));
}

EXPORT int
rmdir(const char *path)
{
    NAMING(POWERLOSS_RMDIR, AT_FDCWD, path, NEXT(rmdir)(path));
}

EXPORT int
mkdir(const char *path, mode_t mode)
{
    NAMING(POWERLOSS_MKDIR, AT_FDCWD, path, NEXT(mkdir)(path, mode));
}

EXPORT int
mkdirat(int at, const char *path, mode_t mode)
{
    NAMING(POWERLOSS_MKDIR, at, path, NEXT(mkdirat)(at, path, mode));
}

/* ---- what is not understood ---- */

static void
refuse_path(const char *what, const char *path)
{
    struct place p;

    if (!watching() || !place_find(&p, AT_FDCWD, path)) return;
    place_close(&p);
    log_unknown(what);
}

static void
refuse_fd(const char *what, int fd)
{
    struct stat st;

    if (!watched(fd, &st)) return;
    unlock();
    log_unknown(what);
}

EXPORT FILE *
fopen(const char *path, const char *mode)
{
    if (strpbrk(mode, "wa+")) refuse_path("fopen", path);
    return NEXT(fopen)(path, mode);
}

EXPORT FILE *
fopen64(const char *path, const char *mode)
{
    if (strpbrk(mode, "wa+")) refuse_path("fopen64", path);
    return NEXT(fopen64)(path, mode);
}

EXPORT int
truncate(const char *path, off_t size)
{
    refuse_path("truncate", path);
    return NEXT(truncate)(path, size);
}

EXPORT ssize_t
copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t len,
                unsigned flags)
{
    refuse_fd("copy_file_range", out);
    return NEXT(copy_file_range)(in, in_at, out, out_at, len, flags);
}

EXPORT int
truncate64(const char *path, off64_t size)
{
    refuse_path("truncate64", path);
    return NEXT(truncate64)(path, size);
}

EXPORT ssize_t
sendfile(int out, int in, off_t *at, size_t len)
{
    refuse_fd("sendfile", out);
    return NEXT(sendfile)(out, in, at, len);
}

EXPORT ssize_t
sendfile64(int out, int in, off64_t *at, size_t len)
{
    refuse_fd("sendfile64", out);
    return NEXT(sendfile64)(out, in, at, len);
}
