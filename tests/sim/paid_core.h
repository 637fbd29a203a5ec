/* paid_core.h - inside of paid.h; paid*.c and view.c only.
 * view.c: what is committed, as anybody can tell from the records. paid_disk.c:
 * the same from the journal's bytes. paid_end.c: the ledger against both.
 * paid.c: the endpoint and the owner's kind, as they go. */
#pragma once
#include "proto/walk.h"
#include "tests/sim/paid.h"
#include "tests/sim/workload.h"

enum { PAID_NOTES_MAX = 64 };

/* What is committed about one ask. */
struct said {
    uint8_t stage, writer;
    bool intended, released, settled;
    int64_t worst;   /* of the intent */
    int64_t charged; /* settled */
    uint8_t outcome;
    bool counted;   /* its tokens are known */
    uint64_t batch; /* that it is in; 0: none */
};

/* What is committed about one row. */
struct said_row {
    struct said *asks; /* ASK_MAX of them; NULL: none */
    uint8_t answered;  /* stages */
    uint64_t answers[ASK_STAGES];
    bool accepted; /* by a range */
    /* Until it was done: what it says of itself. */
    uint64_t input, output;
    int64_t cost;
    uint8_t served; /* whose answer was the last */
    bool degraded, built;
};

/* What a writer did for an arm's rows. */
struct said_tally {
    uint64_t rows, degraded, calls;
    int64_t cost;
};

struct said_batch {
    struct said_batch *next;
    uint64_t number;
    bool over; /* refused: what comes later is nothing */
    uint32_t n;
    uint64_t tasks[];
};

struct view {
    struct said_row *rows;        /* ITEMS_MAX */
    int64_t settled, open, first; /* first: both, of the first phase */
    bool overrun;
    struct said_batch *batches; /* owned; newest first */
    struct said_tally tallies[WRITERS_ARMS_MAX][WRITERS_MAX + 1];
    /* Rows that a fallback, and that the built-in writer wrote: in a part, or
     * all; of these: in a range that counts. */
    uint64_t degraded, built, degraded_in, built_in;
};

/* What happened to one ask in the world. */
struct fact {
    bool given, submitted; /* submitted: in a batch that its vendor has */
    uint8_t sent;
    int64_t bill;
};

/* Accepted, not yet told of as committed. */
struct taken {
    struct taken *next;
    uint64_t task;
    uint32_t len;
    uint8_t data[];
};

struct paid {
    struct view told;
    struct fact *facts[ITEMS_MAX];
    int64_t billed;
    int64_t
        excess; /* of this: beyond their worst case, as the model plays it */
    struct taken *taken;
    struct co_bytes
        notes[PAID_NOTES_MAX]; /* handed to the journal, oldest first */
    unsigned n_notes;
    struct msg_reader *reader;
};

/* -- view.c */
void view_init(struct view *v);
void view_fini(struct view *v);
/* The number of an ask in its row. */
uint32_t view_ask_of(uint64_t task);
/* Its place; made when there is none. NULL: it is no ask that may be. */
struct said *view_said(struct sim *s, struct view *v, uint64_t task);
/* A note, and a result, are committed. */
void view_note(struct sim *s, struct view *v, const uint8_t *data, size_t len);
void view_task(struct sim *s, struct view *v, uint64_t task,
               const uint8_t *data, uint32_t len);
/* The first phase has its share and the reserve, and no more. */
void view_check_first(struct sim *s, bool overrun, int64_t first);

/* Its money is free, or it costs nothing; if it has no outcome yet. */
void view_release(struct sim *s, struct view *v, uint64_t task);
void view_refuse(struct sim *s, struct view *v, uint64_t task);
/* Whether a row needs no answer any more. */
bool view_is_done(const struct said_row *row);

/* -- paid_writers.c: of rows that several may write */
/* An ask of that writer is intended. */
void paid_writers_intent(struct sim *s, uint64_t row, uint64_t writer);
/* An outcome counts; took: it is the answer of a stage. */
void paid_writers_outcome(struct sim *s, struct view *v, uint64_t task,
                          const struct ask_result *r, bool took);
/* The built-in writer writes the row, if it is in that stage. */
void paid_writers_built(struct sim *s, struct view *v, uint64_t row,
                        uint64_t stage);
/* A range that counts has the row. */
void paid_writers_accept(struct view *v, uint64_t row);
/* Behind its hash, in the line of a row. */
void paid_writers_says(const struct workload *w, uint64_t row,
                       const struct said_row *said, struct paid_text *ret);
/* What is told of arms and writers; all: not only what is looked at in each
 * turn. */
void paid_writers_check(struct sim *s, const struct written *w, bool all);
/* Into the counts of the run, at the job's end. */
void paid_writers_count(struct sim *s, const struct written *w);

/* -- paid_batches.c */
void paid_batches_fini(struct view *v);
/* The rest of such a note, of n numbers; a result is committed; a payload. */
void paid_batches_note(struct sim *s, struct view *v, struct walk *in,
                       uint32_t n);
void paid_batches_result(struct sim *s, struct view *v, uint64_t task,
                         const uint8_t *data, uint32_t len);
void paid_batches_published(struct sim *s, uint64_t task, const uint8_t *data,
                            size_t len);

/* -- paid_disk.c */
/* Takes what the journal says for what was told, once nothing of the latter is
 * missing in it. Without segments of owners from below on (0: all). */
void paid_disk_believe(struct sim *s, uint32_t below);
