/* runtime.c - see runtime.h. lstat after mkdir is enough: in /tmp nobody else
 * can rename or replace a folder that is ours (sticky bit). */
#include "common/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* libzmq keeps the last byte of sun_path for the NUL. */
enum { PATH_MAX_BYTES = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

static bool
is_private(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == geteuid() && (st.st_mode & 0777) == 0700;
}

enum co_err
co_runtime_private(const char *path, struct co_diag *diag)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        int errnum = errno;

        return co_fail(diag, co_err_from_errno(errnum),
                       "cannot make the folder %s: %s", path, strerror(errnum));
    }
    if (is_private(path)) return CO_OK;
    return co_fail(diag, CO_DENIED,
                   "%s is not a folder of this user with mode 0700: remove it, "
                   "set XDG_RUNTIME_DIR to such a folder, or name the endpoint",
                   path);
}

static bool
fits(const char *dir, const char *name)
{
    return strlen(dir) + 1 + strlen(name) <= PATH_MAX_BYTES;
}

enum co_err
co_runtime_endpoint(const char *name,
                    char ret_endpoint[CO_RUNTIME_ENDPOINT_BYTES],
                    struct co_diag *diag)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");
    char own[64];

    if (!dir || dir[0] != '/' || !is_private(dir) || !fits(dir, name)) {
        enum co_err err;

        (void)snprintf(own, sizeof own, "/tmp/" CO_PROGRAM "-%lu",
                       (unsigned long)geteuid());
        dir = own;
        err = co_runtime_private(dir, diag);
        if (err) return err;
    }
    if (!fits(dir, name)) {
        return co_fail(diag, CO_RANGE, "%s/%s: too long for a socket", dir,
                       name);
    }
    (void)snprintf(ret_endpoint, CO_RUNTIME_ENDPOINT_BYTES, "ipc://%s/%s", dir,
                   name);
    return CO_OK;
}
