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
 * writing, truncate, sendfile, copy_file_range, O_SYNC. mmap is not seen.
 *
 * Here are the wrappers for names of files, and what is not understood; those
 * for bytes are in powerloss_bytes.c, the log in powerloss_note.c. */
#include "powerloss_note.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
note_name(enum powerloss_type type, const struct powerloss_place *p,
          uint64_t ino, const char *name2, uint64_t ino2)
{
    struct powerloss_record r = {
        .type = (uint16_t)type, .dir = p->dir_ino, .ino = ino, .ino2 = ino2};

    powerloss_add(&r, p->path, p->name, name2, NULL);
}

/* The file is open already for reading only: nothing to note. */
static bool
open_is_read(int flags)
{
    return (flags & O_ACCMODE) == O_RDONLY && !(flags & (O_CREAT | O_TRUNC));
}

/* Before the open: creation and O_TRUNC. Under the lock. */
static void
note_open(const struct powerloss_place *p, int flags)
{
    uint64_t ino = powerloss_remember(p->dir, p->name);
    struct stat st;
    int fd;

    if (!ino) {
        if (flags & O_CREAT) note_name(POWERLOSS_CREATE, p, 0, NULL, 0);
        return;
    }
    if (!(flags & O_TRUNC)) return;
    fd = powerloss_openat(p->dir, p->name, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return; /* then the open will fail as well */
    if (fstat(fd, &st)) powerloss_die("open");
    powerloss_note_write(fd, &st, 0, 0, UINT64_MAX);
    (void)syscall(SYS_close, fd);
}

#define OPENING(at, path, flags, call)                                         \
    do {                                                                       \
        struct powerloss_place p_;                                             \
        int rc_;                                                               \
                                                                               \
        if (open_is_read(flags) || !powerloss_watching() ||                    \
            !powerloss_place_find(&p_, at, path))                              \
            return (call);                                                     \
        if ((flags) & (O_DSYNC | O_DIRECT)) powerloss_unknown("open flags");   \
        powerloss_lock();                                                      \
        note_open(&p_, flags);                                                 \
        rc_ = (call);                                                          \
        if (rc_ >= 0) (void)powerloss_remember(p_.dir, p_.name);               \
        powerloss_unlock();                                                    \
        powerloss_place_close(&p_);                                            \
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
note_rename(const struct powerloss_place *from,
            const struct powerloss_place *to)
{
    uint64_t ino = powerloss_remember(from->dir, from->name);
    uint64_t ino2 = powerloss_remember(to->dir, to->name);

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
        struct powerloss_place from_, to_;                                     \
        int rc_;                                                               \
                                                                               \
        if (!powerloss_watching() ||                                           \
            !powerloss_place_find(&to_, to_at, to_path))                       \
            return (call);                                                     \
        if (!powerloss_place_find(&from_, at, path)) {                         \
            powerloss_unknown("rename from outside");                          \
            powerloss_place_close(&to_);                                       \
            return (call);                                                     \
        }                                                                      \
        powerloss_lock();                                                      \
        note_rename(&from_, &to_);                                             \
        rc_ = (call);                                                          \
        powerloss_unlock();                                                    \
        powerloss_place_close(&from_);                                         \
        powerloss_place_close(&to_);                                           \
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
    if (flags & ~(unsigned)RENAME_NOREPLACE && powerloss_watching()) {
        powerloss_unknown("renameat2 flags");
    }
    RENAMING(at, from, to_at, to, NEXT(renameat2)(at, from, to_at, to, flags));
}

/* One name appears (TYPE) or disappears. A call that then fails leaves a note
 * whose undoing must do no harm: only what is there is unlinked, and what is
 * to be there is looked at first. */
#define NAMING(type, at, path, call)                                           \
    do {                                                                       \
        struct powerloss_place p_;                                             \
        struct stat st_;                                                       \
        bool there_;                                                           \
        int rc_;                                                               \
                                                                               \
        if (!powerloss_watching() || !powerloss_place_find(&p_, at, path))     \
            return (call);                                                     \
        powerloss_lock();                                                      \
        there_ = !fstatat(p_.dir, p_.name, &st_, AT_SYMLINK_NOFOLLOW);         \
        if (there_ ==                                                          \
            ((type) == POWERLOSS_UNLINK || (type) == POWERLOSS_RMDIR))         \
            note_name(type, &p_, powerloss_remember(p_.dir, p_.name), NULL,    \
                      0);                                                      \
        rc_ = (call);                                                          \
        powerloss_unlock();                                                    \
        powerloss_place_close(&p_);                                            \
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
    struct powerloss_place p;

    if (!powerloss_watching() || !powerloss_place_find(&p, AT_FDCWD, path)) {
        return;
    }
    powerloss_place_close(&p);
    powerloss_unknown(what);
}

static void
refuse_fd(const char *what, int fd)
{
    struct stat st;

    if (!powerloss_watched(fd, &st)) return;
    powerloss_unlock();
    powerloss_unknown(what);
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
