/* powerloss_note.h - what the shim's wrappers (powerloss.c, powerloss_bytes.c)
 * share: one lock, the log, and which files are watched. Any thread may call;
 * "under the lock" means between powerloss_lock and powerloss_unlock. errno is
 * left as it was where the program would see it. */
#pragma once
#include "powerloss_log.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define EXPORT __attribute__((visibility("default")))

/* The next definition of a function: libc's, or a sanitizer's, whose fd
 * bookkeeping must not be passed by. */
#define NEXT(name)                                                             \
    ({                                                                         \
        static __typeof__(&name) next;                                         \
        if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);          \
        next;                                                                  \
    })

/* Our own use of files goes around every interceptor. */
int powerloss_openat(int dir, const char *path, int flags, unsigned mode);

/* Ends the program: a shim that forgets would make tests pass. */
void powerloss_die(const char *what);

/* Whether this process is watched at all; opens the log at the first call. */
bool powerloss_watching(void);

/* Of this process's threads, and of all others that write the same log. */
void powerloss_lock(void);
void powerloss_unlock(void);

/* Appends a record; the lengths in it are set here but for before_len. Each
 * text, and before, may be NULL. Under the lock. */
void powerloss_add(struct powerloss_record *r, const char *path,
                   const char *name, const char *name2, const void *before);

/* Notes something that no revert understands. Takes the lock. */
void powerloss_unknown(const char *what);

/* Where the log ends. Under the lock. */
uint64_t powerloss_log_end(void);

/* Makes sure that the bytes of dir/name are found again. Its inode, 0 when
 * there is no such file. Under the lock. */
uint64_t powerloss_remember(int dir, const char *name);

/* A name below the watched folder, resolved. */
struct powerloss_place {
    int dir; /* O_PATH descriptor of its folder, or -1 */
    uint64_t dir_ino;
    char path[PATH_MAX]; /* of the folder, below the watched one; "" itself */
    char name[NAME_MAX + 1];
};

/* False: not below the watched folder, or not there at all. */
bool powerloss_place_find(struct powerloss_place *p, int at, const char *path);
void powerloss_place_close(struct powerloss_place *p);

/* Notes that [offset, offset + len) of fd will change, or its size. `lost`
 * bytes from offset on are overwritten or cut. Under the lock. */
void powerloss_note_write(int fd, const struct stat *st, uint64_t offset,
                          uint64_t len, uint64_t lost);

/* Whether fd is a file that is watched; then the lock is taken. */
bool powerloss_watched(int fd, struct stat *st);
