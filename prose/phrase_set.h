/* phrase_set.h - the texts of phrase files, by name, in memory.
 * What Cohort ships lies in share/cohort/phrases; a user's folder adds to it.
 * The hash over names and bytes says whether two machines have the same.
 * Not thread-safe while being filled; only read afterwards. */
#pragma once
#include "common/err.h"

enum {
    PHRASE_FILES_MAX = 64,
    PHRASE_NAME_MAX = 63,        /* bytes of a file's name */
    PHRASE_FILE_BYTES = 1 << 20, /* of one file */
    PHRASE_SET_BYTES = 4 << 20,  /* of all */
};

struct phrase_file {
    char name[PHRASE_NAME_MAX + 1];
    char *data; /* NUL-terminated beyond its len bytes */
    size_t len;
};

struct phrase_set; /* opaque */

co_must_use enum co_err phrase_set_new(struct phrase_set **ret_set);
void phrase_set_free(struct phrase_set *set);
CO_DEFINE_FREEP(struct phrase_set, phrase_set_free)

/* Adds a copy of a file; files stand sorted by name.
 * CO_EXISTS  the name is there already    CO_FULL   over a limit above
 * CO_INVALID a name that is none          CO_NOMEM */
co_must_use enum co_err phrase_set_add(struct phrase_set *set, const char *name,
                                       const char *data, size_t len,
                                       struct co_diag *diag);
/* Adds every file of dir whose name ends in .txt (not those that begin with a
 * dot). CO_NOTFOUND: no such folder, or none in it; and as above. */
co_must_use enum co_err phrase_set_read(struct phrase_set *set, const char *dir,
                                        struct co_diag *diag);

/* The files in order of their names; *ret_count of them. */
const struct phrase_file *phrase_set_files(const struct phrase_set *set,
                                           size_t *ret_count);
/* XXH3-64 over all names and bytes, in order. */
uint64_t phrase_set_hash(const struct phrase_set *set);
