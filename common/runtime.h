/* runtime.h - where sockets lie that only this user's programs may open.
 * A name directly in /tmp could be taken by anybody first, and a job would be
 * handed to a stranger. Not thread-safe: reads the environment. */
#pragma once
#include "common/err.h"

enum { CO_RUNTIME_ENDPOINT_BYTES = 128 };

/* Writes "ipc://FOLDER/name". FOLDER is $XDG_RUNTIME_DIR when that is an
 * absolute path of a private folder of ours and the socket's path fits into
 * sockaddr_un; else /tmp/cohort-UID, which is made when it is missing.
 * CO_DENIED: that is not a private folder of ours; diag says what to do. */
co_must_use enum co_err
co_runtime_endpoint(const char *name,
                    char ret_endpoint[CO_RUNTIME_ENDPOINT_BYTES],
                    struct co_diag *diag);

/* Makes path with mode 0700, or sees that what is there is a folder (no
 * symbolic link) of this user with that mode. CO_DENIED: it is not. */
co_must_use enum co_err co_runtime_private(const char *path,
                                           struct co_diag *diag);
