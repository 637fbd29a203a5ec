/* paid_core.h - inside of paid.h; paid*.c and view.c only.
 * view.c: what is committed, as anybody can tell from the records. paid_disk.c:
 * the same from the journal's bytes. paid_end.c: the ledger against both.
 * paid.c: the endpoint and the owner's kind, as they go. */
#pragma once
#include "tests/sim/paid.h"
#include "tests/sim/workload.h"

enum { PAID_NOTES_MAX = 64 };

/* What is committed about one ask. */
struct said {
    uint8_t stage;
    bool intended, released, settled;
    int64_t worst;   /* of the intent */
    int64_t charged; /* settled */
    uint8_t outcome;
};

/* What is committed about one row. */
struct said_row {
    struct said *asks; /* ASK_MAX of them; NULL: none */
    uint8_t answered;  /* stages */
    uint64_t answers[ASK_STAGES];
    bool accepted; /* by a range */
};

struct view {
    struct said_row *rows;        /* ITEMS_MAX */
    int64_t settled, open, first; /* first: both, of the first phase */
    bool overrun;
};

/* What happened to one ask in the world. */
struct fact {
    bool given;
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

/* -- paid_disk.c */
/* Takes what the journal says for what was told, once nothing of the latter is
 * missing in it. Without segments of owners from below on (0: all). */
void paid_disk_believe(struct sim *s, uint32_t below);
