/* powerloss_bytes.c - the shim's part for what files contain: writes, sizes,
 * and what was synced. See powerloss.c. */
#include "powerloss_note.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IOV_LIMIT = 1024 };

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
        if (!powerloss_watched(fd, &st)) return (call);                        \
        powerloss_note_write(fd, &st, (uint64_t)(offset), (uint64_t)(len),     \
                             (uint64_t)(len));                                 \
        rc_ = (call);                                                          \
        powerloss_unlock();                                                    \
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
        if (!powerloss_watched(fd, &st)) return (call);                        \
        powerloss_note_write(fd, &st, (uint64_t)(size), 0, UINT64_MAX);        \
        rc_ = (call);                                                          \
        powerloss_unlock();                                                    \
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
    if (mode & ~FALLOC_FL_KEEP_SIZE && powerloss_watching()) {
        powerloss_unknown("fallocate mode");
    }
    WRITING(int, st.st_size, 0, NEXT(fallocate)(fd, mode, at, len));
}

EXPORT int
fallocate64(int fd, int mode, off64_t at, off64_t len)
{
    if (mode & ~FALLOC_FL_KEEP_SIZE && powerloss_watching()) {
        powerloss_unknown("fallocate mode");
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

    if (!powerloss_watching() || fstat(fd, st) ||
        (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))) {
        errno = e;
        return 0;
    }
    powerloss_lock();
    upto = powerloss_log_end();
    powerloss_unlock();
    errno = e;
    return upto;
}

static int
sync_end(int rc, const struct stat *st, uint64_t upto)
{
    struct powerloss_record r = {.type = POWERLOSS_SYNC, .upto = upto};

    if (rc || upto == 0) return rc;
    r.ino = st->st_ino;
    powerloss_lock();
    powerloss_add(&r, NULL, NULL, NULL, NULL);
    powerloss_unlock();
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
