/* gc.h - `cohort gc`: removes what nobody needs any more.
 * Two places are looked at: folders (gc_folders.c) and a Redis (gc_redis.c).
 * Both ask gc_take for each thing before they remove it; it says so, counts,
 * and answers false in a dry run. So a dry run prints exactly what the same
 * command would do. Which things may go is decided in gc_rules.h. One thread,
 * one pass, nothing kept. */
#pragma once
#include "cli/gc_rules.h"
#include "common/options.h"

struct gc {
    bool dry_run;
    const char *redis; /* NULL: no Redis is looked at */
    bool redis_insecure;
    struct gc_ages ages;
    bool unfinished; /* keys of jobs that are not finished may go too */
    int64_t now_ms;  /* wall clock */

    uint64_t things, disk_bytes, redis_bytes; /* removed, or to be */
    uint64_t kept, failed;
    bool journals; /* some journal went: what that costs is said at the end */
};

enum gc_place { GC_DISK, GC_REDIS };

/* "remove  journal  37.0 MB  PATH: finished 41 d ago". what is one word, fmt
 * says which one and why. Returns whether to do it now. */
bool gc_take(struct gc *gc, enum gc_place place, const char *what,
             uint64_t bytes, const char *fmt, ...) co_printf(5, 6);
/* "keep  run  PATH: in use by process 7". */
void gc_keep(struct gc *gc, const char *what, const char *fmt, ...)
    co_printf(3, 4);
/* It was to be removed and is still there. */
void gc_failed(struct gc *gc, const char *what, const struct co_diag *diag);

/* Folders of killed commands and list entries of this user on this machine. */
void gc_machine(struct gc *gc);
/* dir is the folder of a run, or one that holds such folders.
 * CO_USAGE: there is no such folder. */
co_must_use enum co_err gc_folder(struct gc *gc, const char *dir,
                                  struct co_diag *diag);
/* All namespaces of gc->redis. */
co_must_use enum co_err gc_redis(struct gc *gc, struct co_diag *diag);
