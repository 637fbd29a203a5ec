/* powerloss_log.h - the undo log between the shim (powerloss.c), which writes
 * it, and powerloss-revert, which reads it.
 *
 * $COHORT_POWERLOSS_LOG is a folder on the same file system as the watched
 * one, not inside it:
 *   log        records, appended in the order in which things happened
 *   ino-N      a hard link to each file that was touched, so that its bytes
 *              are found again whatever became of its names
 *
 * An undo record is in the log before the thing itself happens, a SYNC record
 * only after fsync returned: a kill in between reads as "not synced", which is
 * what a power loss there may do. A record that was cut by the kill belongs to
 * something that did not happen. */
#pragma once
#include <stdint.h>

#define POWERLOSS_MAGIC 0x53534c50u /* "PLSS" */

enum powerloss_type {
    POWERLOSS_WRITE = 1, /* bytes or size of `ino` change */
    POWERLOSS_SYNC,      /* `ino` (file or folder): all before `upto` is safe */
    POWERLOSS_CREATE,    /* `name` appears in the folder */
    POWERLOSS_RENAME,    /* `name` becomes `name2`; `ino2` was there before */
    POWERLOSS_UNLINK,    /* `name` disappears */
    POWERLOSS_MKDIR,     /* `name`, a folder, appears */
    POWERLOSS_RMDIR,     /* `name`, an empty folder, disappears */
    POWERLOSS_UNKNOWN,   /* `name` says what the shim does not understand */
};

/* Followed by: path of the folder below the watched one, name, name2, and the
 * bytes that were there before. Lengths without terminators. */
struct powerloss_record {
    uint32_t magic;
    uint16_t type;
    uint16_t path_len, name_len, name2_len;
    uint32_t pad;
    uint64_t before_len;
    uint64_t dir;      /* inode of the folder (names) */
    uint64_t ino;      /* inode of the file; SYNC: of the file or folder */
    uint64_t ino2;     /* RENAME: what name2 was, 0 = nothing */
    uint64_t offset;   /* WRITE: first byte that changes */
    uint64_t len;      /* WRITE: how many */
    uint64_t old_size; /* WRITE: of the file, before */
    uint64_t upto;     /* SYNC: log offset at the call of fsync */
};
