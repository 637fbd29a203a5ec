/* dead_file.h - dead.jsonl in an output folder: a letter for each task that
 * was given up, and what people decided about it. One JSON object a line:
 *   {"letter":1,"task":...}                 as journaled (engine_case.c)
 *   {"mark":"replay","task":...,"at_ms":..} about that task's last letter
 * Lines are only appended; an unfinished last one is cut off by the next.
 * Whoever appends holds the folder's lock; reading needs none. Blocks for the
 * time of a write or fsync. One thread a struct. */
#pragma once
#include "common/buf.h"

enum {
    DEAD_FILE_LETTERS_MAX = 10000,
    DEAD_FILE_LINE_MAX = 8192,
    DEAD_FILE_PATH = 4096,
};

/* X(name, mark, what a person reads) */
#define DEAD_STATE_LIST(X)                                                     \
    X(OPEN, "", "dead")                                                        \
    X(REPLAY, "replay", "to be drawn again by the next run")                   \
    X(REPLAYED, "replayed", "drawn again")                                     \
    X(FINAL, "final", "cannot be drawn again: its shard is final")             \
    X(DISCARDED, "discarded", "stays dead: discarded")

enum dead_state {
#define X(name, mark, text) DEAD_##name,
    DEAD_STATE_LIST(X)
#undef X
        DEAD_STATE_COUNT
};

struct dead_letter {
    uint64_t task, row, hash; /* hash: of the line */
    int64_t dead_ms;
    enum dead_state state;
    char *line; /* owned, without newline */
};

struct dead_file {
    char path[DEAD_FILE_PATH];
    struct dead_letter *v; /* in the order of the file */
    size_t n, cap;
    uint64_t whole;     /* bytes of whole lines */
    uint64_t bytes_max; /* of the file */
    uint64_t unkept;    /* letters and marks beyond a limit */
    int fd;             /* -1: not open for writing */
    bool dirty;         /* written, and nobody was told to sync it */
};

/* Reads it; a file that is not there has no letters.
 * CO_DAMAGED: a whole line that is neither letter nor mark. */
co_must_use enum co_err dead_file_load(const char *dir, struct dead_file *ret,
                                       struct co_diag *diag);
void dead_file_fini(struct dead_file *f);
/* CO_EXISTS: it is there; CO_FULL: counted in unkept. Nothing was written. */
co_must_use enum co_err dead_file_add(struct dead_file *f, const void *letter,
                                      size_t len, struct co_diag *diag);
/* Marks the last letter of the task; nothing is written when it has that mark.
 * CO_NOTFOUND: it has none. CO_FULL: the file may grow no more, counted in
 * unkept; what a run has to say about what people asked for finds room still.
 */
co_must_use enum co_err dead_file_mark(struct dead_file *f, uint64_t task,
                                       enum dead_state state, int64_t at_ms,
                                       struct co_diag *diag);
co_must_use enum co_err dead_file_sync(struct dead_file *f,
                                       struct co_diag *diag);
/* For somebody else to sync: the descriptor if something was written since the
 * last call, else -1. */
int dead_file_take_dirty(struct dead_file *f);
const char *dead_state_text(enum dead_state state);
/* The word for scripts: "dead", "replay", ... */
const char *dead_state_name(enum dead_state state);
