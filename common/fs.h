/* fs.h - files and folders, made so that a crash leaves old or new, not half.
 * Every failure fills diag: what, where, why, what to do next (diag may be
 * NULL). Nothing here waits for another process. Thread-safe: no state. */
#pragma once
#include "common/buf.h"

/* Closes *fd if it is >= 0 and sets it to -1: co_auto(co_fs_closep) int fd. */
void co_fs_closep(int *fd);

/* Locks the folder for this process: `dir/.lock` (made if missing, never
 * through a link), an flock that goes with the last copy of the descriptor.
 * The holder's pid stands in the file, for messages only. The descriptor is
 * closed on exec, so that no child keeps the lock; closing it gives the lock
 * back. The file stays: removing it would let two processes lock two files.
 *
 * CO_BUSY   another process (or descriptor) holds it; diag names the pid */
co_must_use enum co_err co_fs_lock(const char *dir, int *ret_fd,
                                   struct co_diag *diag);

/* dir/name becomes data, durably: temp file (0600, dir/.name.tmp), fsync,
 * rename, fsync of dir. One writer a name: the caller holds the lock. */
co_must_use enum co_err co_fs_write_atomic(const char *dir, const char *name,
                                           const void *data, size_t len,
                                           struct co_diag *diag);
/* Makes names made, renamed or removed in dir durable. */
co_must_use enum co_err co_fs_sync_dir(const char *dir, struct co_diag *diag);

/* Makes path and the folders above it that are missing, with mode 0700, each
 * synced into its parent. A folder that exists is fine; a file or a symbolic
 * link as last component is not (CO_EXISTS). */
co_must_use enum co_err co_fs_mkdirs(const char *path, struct co_diag *diag);

/* Appends the whole file to buf. CO_FULL when it has more than limit bytes:
 * then nothing was appended. Regular files only. */
co_must_use enum co_err co_fs_read_file(const char *path, size_t limit,
                                        struct co_buf *buf,
                                        struct co_diag *diag);

/* Bytes that this user may still write where path lies. */
co_must_use enum co_err co_fs_free_bytes(const char *path, uint64_t *ret_bytes,
                                         struct co_diag *diag);

/* Writes all of data at offset. path is for the message. After an error any
 * part may have been written. */
co_must_use enum co_err co_fs_pwrite_all(int fd, const void *data, size_t len,
                                         uint64_t offset, const char *path,
                                         struct co_diag *diag);

enum { CO_FS_REMOVE_MAX = 1000000, CO_FS_REMOVE_DEPTH = 32 };
/* Removes path and all below it. Links are removed, never followed; stays on
 * one file system. Fine when path does not exist. CO_FULL after
 * CO_FS_REMOVE_MAX names or below CO_FS_REMOVE_DEPTH: then it stops there. */
co_must_use enum co_err co_fs_remove_tree(const char *path,
                                          struct co_diag *diag);

/* Appends the folder of the running program, without a slash at the end. */
co_must_use enum co_err co_fs_exe_dir(struct co_buf *buf, struct co_diag *diag);
