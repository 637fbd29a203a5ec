/* fs.c - see fs.h.
 * flock, not fcntl locks: those of POSIX vanish when any descriptor of the
 * file is closed. */
#include "common/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What a person can do about errnum, as the end of a sentence. */
static const char *
fs_advice(int errnum)
{
    switch (errnum) {
    case EACCES:
    case EPERM:
        return "Check the owner and the mode, or choose a folder that is yours";
    case EROFS:
        return "The file system is read-only: choose another folder";
    case ENOSPC:
    case EDQUOT:
        return "Free some space (or raise the quota) and run it again";
    case ENOENT:
        return "Check the spelling of the path";
    case ENOTDIR:
        return "A part of the path is a file: choose another path";
    case ELOOP:
        return "It is a symbolic link: name the place itself";
    case EMFILE:
    case ENFILE:
        return "Raise the limit of open files (ulimit -n)";
    case EIO:
        return "The disk reports a fault: look at the kernel's log before "
               "trusting it again";
    default:
        return "Check the path and the disk";
    }
}

static enum co_err
fs_fail(struct co_diag *diag, const char *what, const char *path)
{
    int e = errno;

    return co_fail(diag, co_err_from_errno(e), "cannot %s %s: %s. %s", what,
                   path, strerror(e), fs_advice(e));
}

void
co_fs_closep(int *fd)
{
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
}

/* dir/name in path; a name too long is an errno like any other. */
static bool
fs_join(char path[PATH_MAX], const char *dir, const char *prefix,
        const char *name, const char *suffix)
{
    int n = snprintf(path, PATH_MAX, "%s/%s%s%s", dir, prefix, name, suffix);

    if (n >= 0 && n < PATH_MAX) return true;
    errno = ENAMETOOLONG;
    return false;
}

/* The pid that the holder wrote, 0 when there is none to read. */
static long
fs_lock_holder(int fd)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;

    return pid > 0 ? pid : 0;
}

static enum co_err
fs_fail_busy(struct co_diag *diag, const char *dir, long pid)
{
    if (pid) {
        return co_fail(diag, CO_BUSY,
                       "the folder %s is in use by process %ld. Wait until it "
                       "ends, or stop it, or choose another folder",
                       dir, pid);
    }
    return co_fail(diag, CO_BUSY,
                   "the folder %s is in use by another process. Wait until it "
                   "ends, or choose another folder",
                   dir);
}

enum co_err
co_fs_lock(const char *dir, int *ret_fd, struct co_diag *diag)
{
    co_auto(co_fs_closep) int fd = -1;
    char path[PATH_MAX], pid[24];
    int n;

    if (!fs_join(path, dir, "", ".lock", "")) return fs_fail(diag, "lock", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fs_fail(diag, "open the lock file", path);
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK) {
            return fs_fail_busy(diag, dir, fs_lock_holder(fd));
        }
        return fs_fail(diag, "lock", path);
    }
    /* Only for messages of others: a full disk must not refuse the lock. */
    n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0) {
        ssize_t done = pwrite(fd, pid, (size_t)n, 0);

        (void)done;
    }
    *ret_fd = fd;
    fd = -1; // NOLINT(clang-analyzer-deadcode.DeadStores): for co_auto
    return CO_OK;
}

enum co_err
co_fs_sync_dir(const char *dir, struct co_diag *diag)
{
    co_auto(co_fs_closep) int fd =
        open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) return fs_fail(diag, "open the folder", dir);
    if (fsync(fd)) return fs_fail(diag, "sync the folder", dir);
    return CO_OK;
}

enum co_err
co_fs_pwrite_all(int fd, const void *data, size_t len, uint64_t offset,
                 const char *path, struct co_diag *diag)
{
    const uint8_t *p = data;

    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)offset);

        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO; /* no progress must not loop for ever */
        if (n <= 0) return fs_fail(diag, "write", path);
        p += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return CO_OK;
}

static enum co_err
fs_write_synced(const char *path, const void *data, size_t len,
                struct co_diag *diag)
{
    co_auto(co_fs_closep) int fd = -1;
    enum co_err err;

    /* One left over by a crash is removed, so that a link put in its place
     * is not followed either. */
    if (unlink(path) && errno != ENOENT) return fs_fail(diag, "replace", path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fs_fail(diag, "make", path);
    err = co_fs_pwrite_all(fd, data, len, 0, path, diag);
    if (err) return err;
    if (fsync(fd)) return fs_fail(diag, "sync", path);
    return CO_OK;
}

enum co_err
co_fs_write_atomic(const char *dir, const char *name, const void *data,
                   size_t len, struct co_diag *diag)
{
    char path[PATH_MAX], temp[PATH_MAX];
    enum co_err err;

    if (!fs_join(path, dir, "", name, "") ||
        !fs_join(temp, dir, ".", name, ".tmp")) {
        return fs_fail(diag, "write", name);
    }
    err = fs_write_synced(temp, data, len, diag);
    if (!err && rename(temp, path)) err = fs_fail(diag, "replace", path);
    if (err) {
        (void)unlink(temp);
        return err;
    }
    return co_fs_sync_dir(dir, diag);
}

/* Syncs the parent of path, in which path was just made. */
static enum co_err
fs_sync_parent(const char *path, struct co_diag *diag)
{
    char parent[PATH_MAX];
    char *slash;

    (void)snprintf(parent, sizeof parent, "%s", path);
    slash = strrchr(parent, '/');
    if (!slash) return co_fs_sync_dir(".", diag);
    if (slash == parent) slash++;
    *slash = '\0';
    return co_fs_sync_dir(parent, diag);
}

/* One folder. last: it must be a folder itself, not a link to one. */
static enum co_err
fs_mkdir(const char *path, bool last, struct co_diag *diag)
{
    struct stat st;
    int why;

    if (mkdir(path, 0700) == 0) return fs_sync_parent(path, diag);
    /* Missing rights count only if the folder is really missing. */
    why = errno;
    if (why != EEXIST && why != EACCES && why != EROFS) {
        return fs_fail(diag, "make the folder", path);
    }
    if (last ? lstat(path, &st) : stat(path, &st)) {
        errno = why;
        return fs_fail(diag, "make the folder", path);
    }
    if (S_ISDIR(st.st_mode)) return CO_OK;
    return co_fail(diag, CO_EXISTS,
                   "cannot make the folder %s: a %s of that name exists. "
                   "Choose another path or move it away",
                   path, S_ISLNK(st.st_mode) ? "symbolic link" : "file");
}

enum co_err
co_fs_mkdirs(const char *path, struct co_diag *diag)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    if (len == 0 || len >= sizeof part) {
        errno = len ? ENAMETOOLONG : ENOENT;
        return fs_fail(diag, "make the folder", path);
    }
    memcpy(part, path, len);
    part[len] = '\0';
    for (size_t i = 1; i < len; i++) {
        enum co_err err;

        if (part[i] != '/' || part[i - 1] == '/') continue;
        part[i] = '\0';
        err = fs_mkdir(part, false, diag);
        part[i] = '/';
        if (err) return err;
    }
    return fs_mkdir(part, true, diag);
}

static enum co_err
fs_fail_size(struct co_diag *diag, const char *path, size_t limit)
{
    return co_fail(diag, CO_FULL,
                   "%s is too big: more than %zu bytes. Give a smaller file",
                   path, limit);
}

static enum co_err
fs_read_fd(int fd, const char *path, size_t limit, struct co_buf *buf,
           struct co_diag *diag)
{
    size_t start = buf->len;

    for (;;) {
        /* One byte more than allowed tells a file that grew too big. */
        size_t want = co_min_u64(65536, limit - (buf->len - start) + 1);
        uint8_t *to = co_buf_reserve(buf, want);
        ssize_t n;

        if (!to) {
            return co_fail(diag, buf->err, "cannot read %s: %s", path,
                           co_err_text(buf->err));
        }
        n = read(fd, to, want);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fs_fail(diag, "read", path);
        if (n == 0) return CO_OK;
        co_buf_commit(buf, (size_t)n);
        if (buf->len - start > limit) return fs_fail_size(diag, path, limit);
    }
}

enum co_err
co_fs_read_file(const char *path, size_t limit, struct co_buf *buf,
                struct co_diag *diag)
{
    /* NONBLOCK: opening a FIFO must not wait for its writer. */
    co_auto(co_fs_closep) int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t start = buf->len;
    struct stat st;
    enum co_err err;

    if (fd < 0 || fstat(fd, &st)) return fs_fail(diag, "read", path);
    if (!S_ISREG(st.st_mode)) {
        return co_fail(diag, CO_INVALID,
                       "cannot read %s: it is not a regular file. Name a file",
                       path);
    }
    if ((uint64_t)st.st_size > limit) return fs_fail_size(diag, path, limit);
    err = fs_read_fd(fd, path, limit, buf, diag);
    if (err) buf->len = start;
    return err;
}

enum co_err
co_fs_free_bytes(const char *path, uint64_t *ret_bytes, struct co_diag *diag)
{
    struct statvfs st;

    if (statvfs(path, &st)) return fs_fail(diag, "ask the free space of", path);
    *ret_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return CO_OK;
}

struct fs_removal {
    const char *path; /* for messages */
    struct co_diag *diag;
    dev_t device;
    unsigned names_left;
};

static enum co_err fs_remove_content(struct fs_removal *r, int fd,
                                     unsigned depth);

/* A name is a folder below which to go, on the same file system. */
static enum co_err
// NOLINTNEXTLINE(misc-no-recursion): at most CO_FS_REMOVE_DEPTH
fs_remove_folder(struct fs_removal *r, int parent, const char *name,
                 unsigned depth)
{
    int fd =
        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    enum co_err err;

    if (fd < 0 || fstat(fd, &st)) {
        err = fs_fail(r->diag, "remove", r->path);
        co_fs_closep(&fd);
        return err;
    }
    if (depth == 0) r->device = st.st_dev;
    if (st.st_dev != r->device) {
        co_fs_closep(&fd);
        return co_fail(r->diag, CO_BUSY,
                       "cannot remove %s: another file system is mounted on "
                       "%s inside it. Unmount that first",
                       r->path, name);
    }
    err = fs_remove_content(r, fd, depth + 1); /* takes fd */
    if (!err && unlinkat(parent, name, AT_REMOVEDIR)) {
        err = fs_fail(r->diag, "remove", r->path);
    }
    return err;
}

static enum co_err
// NOLINTNEXTLINE(misc-no-recursion): at most CO_FS_REMOVE_DEPTH
fs_remove_name(struct fs_removal *r, int parent, const char *name,
               unsigned depth)
{
    struct stat st;

    if (r->names_left-- == 0 || depth > CO_FS_REMOVE_DEPTH) {
        r->names_left = 0;
        return co_fail(r->diag, CO_FULL,
                       "stopped removing %s: more names or deeper than "
                       "expected (%d, %d). Look at it and remove it by hand",
                       r->path, CO_FS_REMOVE_MAX, CO_FS_REMOVE_DEPTH);
    }
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW)) {
        return fs_fail(r->diag, "remove", r->path);
    }
    if (S_ISDIR(st.st_mode)) return fs_remove_folder(r, parent, name, depth);
    if (unlinkat(parent, name, 0)) return fs_fail(r->diag, "remove", r->path);
    return CO_OK;
}

/* Takes over fd. */
static enum co_err
// NOLINTNEXTLINE(misc-no-recursion): at most CO_FS_REMOVE_DEPTH
fs_remove_content(struct fs_removal *r, int fd, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    enum co_err err = CO_OK;

    if (!dir) {
        err = fs_fail(r->diag, "remove", r->path);
        co_fs_closep(&fd);
        return err;
    }
    while (!err && (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) {
            continue;
        }
        err = fs_remove_name(r, fd, entry->d_name, depth);
    }
    (void)closedir(dir);
    return err;
}

enum co_err
co_fs_remove_tree(const char *path, struct co_diag *diag)
{
    struct fs_removal r = {
        .path = path, .diag = diag, .names_left = CO_FS_REMOVE_MAX};
    struct stat st;

    if (lstat(path, &st)) {
        if (errno == ENOENT) return CO_OK;
        return fs_fail(diag, "remove", path);
    }
    return fs_remove_name(&r, AT_FDCWD, path, 0);
}

enum co_err
co_fs_exe_dir(struct co_buf *buf, struct co_diag *diag)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (n < 0) return fs_fail(diag, "read", "/proc/self/exe");
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (!slash || slash == path) slash = path + 1; /* the root itself */
    co_buf_append(buf, path, (size_t)(slash - path));
    return buf->err;
}
