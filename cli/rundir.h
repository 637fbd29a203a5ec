/* rundir.h - the private folder of a run: sockets and logs.
 * $XDG_RUNTIME_DIR/cohort-XXXXXX, else the same under TMPDIR or /tmp, mode
 * 0700, locked as long as its run lives. What a killed run left behind is
 * removed by the next one: its lock is free. One thread. */
#pragma once
#include "common/err.h"

/* With the longest name of a socket in it, a path must fit into
 * sockaddr_un (108 bytes). */
enum { RUNDIR_PATH_SIZE = 88 };

struct rundir {
    char path[RUNDIR_PATH_SIZE];
    int lock_fd;
};

/* Where they are made: the first of $XDG_RUNTIME_DIR, $TMPDIR and /tmp that can
 * be written and is short enough. */
const char *rundir_base(void);
/* Makes one. CO_DENIED, CO_NOSPACE: no place for it; diag says where. */
co_must_use enum co_err rundir_make(struct rundir *dir, struct co_diag *diag);
/* Removes it with all that is in it. */
void rundir_remove(struct rundir *dir);
/* path/name; returns text. */
char *rundir_file(const struct rundir *dir, const char *name, char *text,
                  size_t size);
/* Is path the folder of a run that is gone, unchanged for age_ms? Then its lock
 * is taken (*ret_lock, to be closed after removal). */
bool rundir_is_left(const char *path, int64_t now_ms, uint64_t age_ms,
                    int *ret_lock);
/* Removes the folders under base whose run is gone; returns how many. */
unsigned rundir_sweep(const char *base);
