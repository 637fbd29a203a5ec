/* outfile.c - see outfile.h. */
#include "cli/outfile.h"

#include "common/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct outfile {
    int fd;
    bool file;
    char path[PATH_MAX]; /* final name */
    char dir[PATH_MAX];
    char temp[PATH_MAX]; /* "": nothing to remove */
    uint64_t bytes;
};

/* path = dir/name; the file beside it. */
static enum co_err
set_names(struct outfile *o, const char *path, struct co_diag *diag)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t dir = slash ? (size_t)(slash - path) : 0;

    if (!name[0] || strlen(path) + 32 >= PATH_MAX) {
        return co_fail(diag, CO_USAGE, "%.200s: no name of a file", path);
    }
    (void)snprintf(o->path, sizeof o->path, "%s", path);
    (void)snprintf(o->dir, sizeof o->dir, "%.*s",
                   slash ? (int)(dir ? dir : 1) : 1, slash ? path : ".");
    if ((size_t)snprintf(o->temp, sizeof o->temp, "%.*s.%s.%d.tmp",
                         (int)(name - path), path, name,
                         (int)getpid()) >= sizeof o->temp) {
        o->temp[0] = '\0';
        return co_fail(diag, CO_USAGE, "%.200s: the name is too long", path);
    }
    return CO_OK;
}

static enum co_err
open_temp(struct outfile *o, struct co_diag *diag)
{
    struct stat st;
    int error;

    if (stat(o->path, &st) == 0 && !S_ISREG(st.st_mode)) {
        o->temp[0] = '\0';
        return co_fail(diag, CO_USAGE,
                       "%s exists and is no file; choose another name, or - "
                       "for standard output",
                       o->path);
    }
    o->fd = open(o->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                 0644);
    if (o->fd >= 0) return CO_OK;
    error = errno;
    (void)co_fail(diag, CO_OK, "%s cannot be written, in the folder %s: %s%s",
                  o->path, o->dir, strerror(error),
                  error == ENOENT ? ". Make the folder first, or choose "
                                    "another"
                                  : "");
    o->temp[0] = '\0'; /* not ours */
    return error == ENOENT || error == ENOTDIR ? CO_USAGE
                                               : co_err_from_errno(error);
}

enum co_err
outfile_open(const char *path, struct outfile **ret_outfile,
             struct co_diag *diag)
{
    co_auto(outfile_freep) struct outfile *o = calloc(1, sizeof *o);
    enum co_err err = CO_OK;

    if (!o) return co_fail(diag, CO_NOMEM, "out of memory");
    o->fd = -1;
    o->file = strcmp(path, "-") != 0;
    if (o->file) {
        err = set_names(o, path, diag);
        if (!err) err = open_temp(o, diag);
    } else {
        o->fd = STDOUT_FILENO;
    }
    if (err) return err;
    *ret_outfile = co_take(&o);
    return CO_OK;
}

void
outfile_free(struct outfile *o)
{
    if (!o) return;
    if (o->file) {
        co_fs_closep(&o->fd);
        if (o->temp[0]) (void)unlink(o->temp);
    }
    free(o);
}

enum co_err
outfile_write(struct outfile *o, const void *data, size_t len,
              struct co_diag *diag)
{
    const char *p = data, *end = p + len;

    while (p < end) {
        ssize_t n = write(o->fd, p, (size_t)(end - p));

        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EPIPE && !o->file) return CO_CANCELLED;
        if (n < 0) {
            return co_fail(
                diag, co_err_from_errno(errno), "%s cannot be written: %s. %s",
                o->file ? o->path : "standard output", strerror(errno),
                o->file ? "What was begun is removed; choose a "
                          "place with more room"
                        : "What was printed is not complete");
        }
        p += n;
        o->bytes += (uint64_t)n;
    }
    return CO_OK;
}

enum co_err
outfile_commit(struct outfile *o, struct co_diag *diag)
{
    if (!o->file) return CO_OK;
    if (fsync(o->fd) || rename(o->temp, o->path)) {
        return co_fail(diag, co_err_from_errno(errno),
                       "%s cannot be completed: %s", o->path, strerror(errno));
    }
    o->temp[0] = '\0';
    return co_fs_sync_dir(o->dir, diag);
}

bool
outfile_is_file(const struct outfile *o)
{
    return o->file;
}

uint64_t
outfile_bytes(const struct outfile *o)
{
    return o->bytes;
}
