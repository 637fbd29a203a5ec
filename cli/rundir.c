/* rundir.c - see rundir.h. */
#include "cli/rundir.h"

#include "common/clock.h"
#include "common/fs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNDIR_PREFIX CO_PROGRAM "-run-"

enum {
    SWEEP_MAX = 64, /* folders looked at */
    SWEEP_AGE_MS = 10000,
};

/* Ours, a private folder, and not one that is just being made? */
static bool
may_sweep(const char *path, int64_t now_ms, uint64_t age_ms)
{
    struct stat st;

    if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & 077) != 0) {
        return false;
    }
    return st.st_mtim.tv_sec * 1000 + (int64_t)age_ms < now_ms;
}

bool
rundir_is_left(const char *path, int64_t now_ms, uint64_t age_ms, int *ret_lock)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    return strncmp(name, RUNDIR_PREFIX, strlen(RUNDIR_PREFIX)) == 0 &&
           may_sweep(path, now_ms, age_ms) &&
           co_fs_lock(path, ret_lock, NULL) == CO_OK;
}

unsigned
rundir_sweep(const char *base)
{
    DIR *dir = opendir(base);
    struct dirent *entry;
    unsigned removed = 0, seen = 0;

    while (dir && seen < SWEEP_MAX && (entry = readdir(dir))) {
        char path[RUNDIR_PATH_SIZE];
        int lock = -1;

        if (strncmp(entry->d_name, RUNDIR_PREFIX, strlen(RUNDIR_PREFIX)) != 0) {
            continue;
        }
        seen++;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", base, entry->d_name) >=
                sizeof path ||
            !rundir_is_left(path, co_clock_wall_ms(), SWEEP_AGE_MS, &lock)) {
            continue;
        }
        if (co_fs_remove_tree(path, NULL) == CO_OK) removed++;
        co_fs_closep(&lock);
    }
    if (dir) (void)closedir(dir);
    return removed;
}

const char *
rundir_base(void)
{
    const char *const places[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"),
                                  "/tmp"};
    size_t room = RUNDIR_PATH_SIZE - sizeof "/" RUNDIR_PREFIX "XXXXXX";

    for (size_t i = 0; i < co_countof(places); i++) {
        const char *p = places[i];

        if (p && *p == '/' && strlen(p) <= room &&
            access(p, W_OK | X_OK) == 0) {
            return p;
        }
    }
    return "/tmp";
}

enum co_err
rundir_make(struct rundir *dir, struct co_diag *diag)
{
    const char *base = rundir_base();
    enum co_err err;

    dir->lock_fd = -1;
    (void)rundir_sweep(base);
    (void)snprintf(dir->path, sizeof dir->path, "%s/" RUNDIR_PREFIX "XXXXXX",
                   base);
    if (!mkdtemp(dir->path)) {
        int e = errno;

        dir->path[0] = '\0';
        return co_fail(diag, co_err_from_errno(e),
                       "cannot make a folder for sockets in %s: %s. Set TMPDIR "
                       "to a folder that you may write",
                       base, strerror(e));
    }
    err = co_fs_lock(dir->path, &dir->lock_fd, diag);
    if (err) rundir_remove(dir);
    return err;
}

void
rundir_remove(struct rundir *dir)
{
    if (dir->path[0]) {
        enum co_err err = co_fs_remove_tree(dir->path, NULL);

        (void)err; /* the next run's sweep tries again */
    }
    co_fs_closep(&dir->lock_fd);
    dir->path[0] = '\0';
}

char *
rundir_file(const struct rundir *dir, const char *name, char *text, size_t size)
{
    (void)snprintf(text, size, "%s/%s", dir->path, name);
    return text;
}
