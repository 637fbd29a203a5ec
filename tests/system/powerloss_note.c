/* powerloss_note.c - see powerloss_note.h. */
#include "powerloss_note.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { INODES = 1 << 16 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool active;            /* both variables are set */
static char root[PATH_MAX];    /* the watched folder */
static char keep[PATH_MAX];    /* the log's folder */
static int log_fd = -1;        /* of keep/log */
static uint64_t log_end;       /* valid only under the lock */
static uint64_t known[INODES]; /* files that have a link in keep */

int
powerloss_openat(int dir, const char *path, int flags, unsigned mode)
{
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

void
powerloss_die(const char *what)
{
    (void)dprintf(2, "powerloss: %s: %s\n", what, strerror(errno));
    abort(); /* a shim that forgets would make tests pass */
}

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

    if (fstat(log_fd, &st)) powerloss_die("log");
    while (record_read(log_fd, at, (uint64_t)st.st_size, &at)) {
        continue;
    }
    if (syscall(SYS_ftruncate, log_fd, at)) powerloss_die("log");
}

void
powerloss_lock(void)
{
    struct stat st;

    pthread_mutex_lock(&mutex);
    while (flock(log_fd, LOCK_EX)) {
        if (errno != EINTR) powerloss_die("flock");
    }
    if (fstat(log_fd, &st)) powerloss_die("log");
    log_end = (uint64_t)st.st_size;
}

void
powerloss_unlock(void)
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
    if (!realpath(dir, root) || !realpath(log, keep)) powerloss_die("folder");
    (void)snprintf(path, sizeof path, "%s/log", keep);
    log_fd =
        powerloss_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    /* Out of the way of programs that count on low numbers. */
    if (log_fd >= 0) log_fd = fcntl(log_fd, F_DUPFD_CLOEXEC, 900);
    if (log_fd < 0) powerloss_die(path);
    while (flock(log_fd, LOCK_EX)) {
        if (errno != EINTR) powerloss_die("flock");
    }
    log_cut_tail();
    (void)flock(log_fd, LOCK_UN);
    active = true;
}

bool
powerloss_watching(void)
{
    int e = errno;

    pthread_once(&once, start);
    errno = e;
    return active;
}

void
powerloss_add(struct powerloss_record *r, const char *path, const char *name,
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
        powerloss_die("cannot write the log");
    }
    log_end += len;
}

void
powerloss_unknown(const char *what)
{
    struct powerloss_record r = {.type = POWERLOSS_UNKNOWN};

    powerloss_lock();
    powerloss_add(&r, NULL, what, NULL, NULL);
    powerloss_unlock();
}

static uint64_t *
known_slot(uint64_t ino)
{
    size_t at = (size_t)(ino * 0x9E3779B97F4A7C15u >> 48);

    for (size_t i = 0; i < INODES; i++) {
        uint64_t *slot = &known[(at + i) % INODES];

        if (*slot == ino || *slot == 0) return slot;
    }
    errno = ENOSPC;
    powerloss_die("too many files");
    return NULL;
}

uint64_t
powerloss_remember(int dir, const char *name)
{
    char path[PATH_MAX + 32];
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) {
        return 0;
    }
    (void)snprintf(path, sizeof path, "%s/ino-%llu", keep,
                   (unsigned long long)st.st_ino);
    if (syscall(SYS_linkat, dir, name, AT_FDCWD, path, 0) && errno != EEXIST) {
        powerloss_die(path);
    }
    *known_slot(st.st_ino) = st.st_ino;
    return st.st_ino;
}

void
powerloss_place_close(struct powerloss_place *p)
{
    int e = errno;

    if (p->dir >= 0) (void)syscall(SYS_close, p->dir);
    errno = e;
}

bool
powerloss_place_find(struct powerloss_place *p, int at, const char *path)
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
    p->dir = powerloss_openat(at, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
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
    powerloss_place_close(p);
    p->dir = -1;
    errno = e;
    return false;
}

void
powerloss_note_write(int fd, const struct stat *st, uint64_t offset,
                     uint64_t len, uint64_t lost)
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
        own = powerloss_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
        for (uint64_t got = 0; got < r.before_len;) {
            long n = own < 0 || !before
                         ? -1
                         : syscall(SYS_pread64, own, before + got,
                                   r.before_len - got, offset + got);

            if (n <= 0) powerloss_die("cannot read what is overwritten");
            got += (uint64_t)n;
        }
        (void)syscall(SYS_close, own);
    }
    powerloss_add(&r, NULL, NULL, NULL, before);
    free(before);
}

bool
powerloss_watched(int fd, struct stat *st)
{
    int e = errno;

    if (!powerloss_watching() || fd == log_fd) return false;
    if (fstat(fd, st) || !S_ISREG(st->st_mode)) {
        errno = e;
        return false;
    }
    powerloss_lock();
    if (*known_slot(st->st_ino) == st->st_ino && !fstat(fd, st)) {
        errno = e;
        return true;
    }
    powerloss_unlock();
    errno = e;
    return false;
}

uint64_t
powerloss_log_end(void)
{
    return log_end;
}
