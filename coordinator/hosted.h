/* hosted.h - a job as its owner's loop sees it: the kind that the engine asks,
 * and what the kind needs of the world (sealed files, own journal records).
 * The loop (owner.c) knows sockets and the journal; a hosted job knows its
 * folder. Functions that are NULL have nothing to do. One thread. */
#pragma once
#include "coordinator/kind.h"
#include "journal/writer.h"

/* Cookies at or above it belong to hosted jobs, below to the engine. */
#define HOSTED_COOKIE (1ULL << 62)

struct hosted {
    const struct job_kind *kind;
    void *state; /* the kind's */
    void *self;  /* first argument of the functions below */

    /* The same records as below, all of them, before the first of those. */
    enum co_err (*foresee)(void *self, uint8_t type, const uint8_t *content,
                           size_t len, struct co_diag *diag);
    /* A journal record that is neither RESULTS nor NOTE (those go to the
     * kind), at start, in commit order. */
    enum co_err (*replay)(void *self, uint8_t type, const uint8_t *content,
                          size_t len, struct co_diag *diag);
    /* At start, before any record: an older segment that counts, by the
     * engine's name (replay.h). Which of them may go is the job's to say. */
    void (*segment)(void *self, uint64_t segment);
    /* Once a turn: order files, append records with cookies of its own. */
    enum co_err (*turn)(void *self, struct journal *j, struct co_diag *diag);
    /* A record appended with this cookie is on disk. */
    enum co_err (*committed)(void *self, struct journal *j, uint64_t cookie,
                             struct co_diag *diag);
    /* A descriptor to poll: then turn() has something to do. */
    int (*fd)(const void *self);
    /* The bytes of an asset; false: there is none with this hash. */
    bool (*blob)(void *self, uint64_t hash, struct co_bytes *ret_bytes);
    /* The engine is done: may the job end, or does the disk still work? */
    bool (*settled)(const void *self);
    /* Everything is on disk: writes what tells about it. DONE follows. */
    enum co_err (*finish)(void *self, struct co_diag *diag);
};
