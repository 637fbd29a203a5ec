/* folder.c - see folder.h. */
#include "journal/folder.h"

#include "common/bug.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *
folder_segment_file(struct segment_name name, char text[FOLDER_NAME_SIZE])
{
    (void)snprintf(text, FOLDER_NAME_SIZE, "seg-%010u-%06u.log", name.owner,
                   name.sequence);
    return text;
}

/* Decimal digits up to `stop`; at most 10 of them, value from 1 to 2^32-1. */
static const char *
parse_number(const char *p, char stop, uint32_t *ret)
{
    uint64_t v = 0;
    int digits = 0;

    for (; *p >= '0' && *p <= '9' && digits < 10; p++, digits++) {
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (*p != stop || v == 0 || v > UINT32_MAX) return NULL;
    *ret = (uint32_t)v;
    return p + 1;
}

bool
folder_segment_parse(const char *file, struct segment_name *ret_name)
{
    struct segment_name name;
    char again[FOLDER_NAME_SIZE];
    const char *p = file;

    if (strncmp(p, "seg-", 4) != 0) return false;
    p = parse_number(p + 4, '-', &name.owner);
    if (p) p = parse_number(p, '.', &name.sequence);
    if (!p || strcmp(folder_segment_file(name, again), file) != 0) return false;
    *ret_name = name;
    return true;
}

void
folder_close(int *fd)
{
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
}

enum co_err
folder_open(const char *dir, int *ret_fd, struct co_diag *diag)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return co_fail(diag, co_err_from_errno(errno),
                       "cannot open the journal folder %s: %s", dir,
                       strerror(errno));
    }
    *ret_fd = fd;
    return CO_OK;
}

enum co_err
folder_open_segment(int dir_fd, struct segment_name name, int flags,
                    int *ret_fd, struct co_diag *diag)
{
    char file[FOLDER_NAME_SIZE];
    int fd = openat(dir_fd, folder_segment_file(name, file), flags | O_CLOEXEC);

    if (fd < 0) {
        return co_fail(diag, co_err_from_errno(errno),
                       "cannot open journal segment %s: %s", file,
                       strerror(errno));
    }
    *ret_fd = fd;
    return CO_OK;
}

static enum co_err
list_entry(int dir_fd, const char *file, struct adoption *list)
{
    struct adopted entry = {0};
    struct stat st;

    if (!folder_segment_parse(file, &entry.name)) return CO_OK;
    if (fstatat(dir_fd, file, &st, 0) < 0) {
        /* Deleted since readdir: garbage of a running owner. */
        return errno == ENOENT ? CO_OK : co_err_from_errno(errno);
    }
    entry.bytes = (uint64_t)st.st_size;
    return adoption_set(list, entry);
}

enum co_err
folder_list(int dir_fd, struct adoption *ret_list, struct co_diag *diag)
{
    struct adoption list = {0};
    enum co_err err = CO_OK;
    /* A descriptor of its own: closedir closes it, rewinding is ours. */
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!d) {
        err = co_err_from_errno(errno);
        if (fd >= 0) (void)close(fd);
        return co_fail(diag, err, "cannot list the journal folder: %s",
                       co_err_text(err));
    }
    while (!err && (e = readdir(d)) != NULL) {
        err = list_entry(dir_fd, e->d_name, &list);
    }
    (void)closedir(d);
    if (err) {
        adoption_fini(&list);
        return co_fail(diag, err, "cannot list the journal folder: %s",
                       co_err_text(err));
    }
    *ret_list = list;
    return CO_OK;
}

enum co_err
folder_create(const char *dir, struct co_diag *diag)
{
    char parent[PATH_MAX];
    int fd;
    int rc;

    if (mkdir(dir, 0700) < 0) {
        if (errno == EEXIST) return CO_OK;
        return co_fail(diag, co_err_from_errno(errno), "cannot create %s: %s",
                       dir, strerror(errno));
    }
    if (snprintf(parent, sizeof parent, "%s", dir) >= (int)sizeof parent) {
        return co_fail(diag, CO_INVALID, "path too long: %s", dir);
    }
    fd = open(dirname(parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = fd < 0 ? -1 : fsync(fd);
    folder_close(&fd);
    if (rc < 0) {
        return co_fail(diag, co_err_from_errno(errno),
                       "cannot make %s durable: %s", dir, strerror(errno));
    }
    return CO_OK;
}

enum co_err
journal_highest_owner(const char *dir, uint32_t *ret_owner,
                      struct co_diag *diag)
{
    struct adoption list = {0};
    int fd = -1;
    enum co_err err = folder_open(dir, &fd, diag);

    if (err == CO_NOTFOUND) {
        *ret_owner = 0;
        return CO_OK;
    }
    if (err) return err;
    err = folder_list(fd, &list, diag);
    folder_close(&fd);
    while (CO_BUG(claim_left_to_redis) && list.len &&
           list.v[list.len - 1].bytes <= SEGMENT_HEADER_BYTES) {
        list.len--;
    }
    if (!err) *ret_owner = list.len ? list.v[list.len - 1].name.owner : 0;
    adoption_fini(&list);
    return err;
}
