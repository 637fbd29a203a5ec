/* letters.h - the dead letters of a job: from the engine to the folder's
 * dead.jsonl and to dead:JOB in Redis, and the wishes of people back to the
 * engine. A letter that cannot be written now is told of in the log and
 * stands in the journal: the next start writes it. One thread. */
#pragma once
#include "coordinator/engine.h"
#include "coordinator/watch.h"
#include "job/dead_file.h"
#include "journal/writer.h"

struct letters {
    struct dead_file file;
    struct watch *watch; /* borrowed */
    uint64_t unwritten;  /* letters that the disk did not take */
    size_t revived;      /* letters looked at by letters_revive */
};

/* Opens those of a folder and puts them into Redis. */
co_must_use enum co_err letters_open(const char *dir, struct watch *watch,
                                     struct letters *ret_letters,
                                     struct co_diag *diag);
void letters_close(struct letters *l);
/* engine_options.dead and .revived; ctx is the letters. */
void letters_on_dead(void *ctx, const uint8_t *letter, size_t len);
void letters_on_revived(void *ctx, uint64_t task);
/* engine_options.wishes: before a replay. */
co_must_use enum co_err letters_foresee(void *ctx, struct engine *e);
/* Hands what people want drawn again to the engine, once, at the start.
 * *ret_more: the engine takes no more now, go on after its orders were
 * committed. */
co_must_use enum co_err letters_revive(struct letters *l, struct engine *e,
                                       bool *ret_more, struct co_diag *diag);
/* Once a turn: what was written becomes durable, by the journal's thread: a
 * slow disk must not hold up the loop. An error: an earlier one failed, and
 * the journal with it. */
co_must_use enum co_err letters_sync(struct letters *l, struct journal *j,
                                     struct co_diag *diag);
/* Waits until all of it is durable: before the journal says that nothing is
 * missing, and nobody reads it any more. On an error it must not say so. */
co_must_use enum co_err letters_finish(struct letters *l, struct journal *j,
                                       struct co_diag *diag);
/* Whether somebody wants a task of this folder drawn again. Reads the file. */
bool letters_wanted(const char *dir);
