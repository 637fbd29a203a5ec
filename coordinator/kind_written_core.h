/* kind_written_core.h - inside of the written kind; kind_written*.c only.
 * kind_written.c: what is published next. kind_written_ask.c: which rows are
 * asked, and intents. kind_written_rows.c: rows and ranges in memory;
 * kind_written_lists.c: rows that wait.
 * kind_written_take.c: results of asks. kind_written_range.c: those of ranges.
 * kind_written_kept.c: answers of earlier jobs.
 * kind_written_note.c: records. kind_written_letter.c: rows given up.
 * kind_written_means.c: what the money left covers, and whom it does not.
 * kind_written_writers.c: which writer is asked; kind_written_stuck.c: arms
 * that nobody serves; kind_written_arms.c: what each
 * of them did. kind_written_batch*.c: asks that go out as batches.
 * kind_written_payload.c: payloads. kind_written_why.c: questions. */
#pragma once
#include "coordinator/batchbook.h"
#include "coordinator/chain.h"
#include "coordinator/kind_personas_asked.h"
#include "coordinator/kind_written.h"
#include "coordinator/revivals.h"
#include "job/purse_note.h"
#include "proto/walk.h"

/* The talks of a cell. */
struct block {
    uint64_t cell;
    struct talk talks[PERSONAS_CELL];
};

/* A range that the personas kind gave out and that has no result yet. */
struct hold {
    uint64_t task, start;
    uint16_t count;
    uint16_t next; /* every candidate below is begun, or need not be */
    uint16_t live, done;
    bool out; /* given out */
};

/* Of a call in the ledger: its writer, its row's arm (TAG_ARM: where it
 * stands), and whether it is that writer as money did not cover the one before.
 */
enum { TAG_POOR = 0x80, TAG_ARM = 4, TAG_ARMS = 0x07, TAG_WRITER = 0x0f };
_Static_assert(WRITERS_MAX - 1 <= TAG_WRITER &&
                   WRITERS_ARMS_MAX - 1 <= TAG_ARMS,
               "all writers and arms have a tag");

struct intent {
    uint64_t task;
    int64_t amount;
    uint32_t day; /* that the purse charges it to; 0: none */
    uint8_t stage;
    uint8_t writer;
    bool poor; /* talk.h */
};

enum note_type {
    NOTE_INTENTS = 1,
    NOTE_RELEASES = 2,
    NOTE_DATED = 3, /* intents, each with its day */
    NOTE_LETTER = 4,
    NOTE_KEPT = 5,     /* answers from the cache; letter holds the record */
    NOTE_BATCH = 6,    /* asks that are one batch; letter holds the record */
    NOTE_BY = 20,      /* intents, each with its day and its writer */
    NOTE_BUILT = 21,   /* rows that the built-in writer writes, with stages */
    NOTE_BY_POOR = 24, /* as NOTE_BY, and why it is that writer */
    NOTE_BUILT_POOR = 25,        /* as NOTE_BUILT, and why */
    NOTE_PURSE = PURSE_NOTE_TAG, /* the purse's own; v is empty */
};

/* A record on its way to the disk. */
struct note {
    uint8_t type;
    uint16_t n;
    struct intent v[WRITTEN_NOTE_MAX]; /* releases: tasks only */
    struct talk_bytes letter;          /* owned; about row v[0].task */
};

enum { NOTES_MAX = 4 };

/* What money may not cover any more: the calls of a new row; another one about
 * the first stage; one about the second. */
enum means_need { MEANS_ROW, MEANS_FIRST, MEANS_LATER, MEANS_NEEDS };

/* Beside the numbers of writers. */
enum { WRITER_BUILTIN = WRITERS_MAX, WRITER_NONE = 0xff };

/* Rows or tasks, first in first out. What it says may have changed since: who
 * takes one out looks at its talk. */
struct fifo {
    uint64_t *v;
    uint32_t head, n, cap; /* cap: a power of two */
};

/* Rows that wait for their time, the earliest first; as loose as the above. */
struct wait {
    int64_t due_us;
    uint64_t row;
};

struct waits {
    struct wait *v;
    uint32_t n, cap;
};

/* A result between take() and place(). */
struct taken {
    uint64_t task;
    uint32_t len;
    uint8_t data[];
};

enum writers_stuck { STUCK_NOT, STUCK_UNSERVED, STUCK_UNCALLED };

enum written_over {
    WRITTEN_GOES_ON,
    WRITTEN_SPENT,    /* nothing is out, and the money covers no further row */
    WRITTEN_SHARED,   /* the same, of the money of all jobs of the namespace */
    WRITTEN_OVERRUN,  /* a call cost more than it could */
    WRITTEN_HOPELESS, /* row after row was given up, and none was written */
};

struct written {
    struct written_options options;
    struct personas *p; /* borrowed */
    struct money *m;
    struct written_counters n;

    struct block **blocks; /* by cell */
    uint32_t n_blocks, cap_blocks;
    struct hold *holds; /* by start */
    uint32_t n_holds, cap_holds;
    uint64_t coming; /* live and done rows of all holds */
    uint64_t early;  /* live rows in holds that are not in the last stage */
    uint64_t early_by[WRITERS_MAX]; /* of these, by the writer they are with */
    uint64_t bytes;                 /* of texts in talks and taken */
    uint32_t ahead; /* talks whose ask is not given out yet: INTENT, READY */
    uint32_t room;  /* asks and ranges that could be published now */
    uint64_t swept; /* front at the last sweep */

    struct fifo wanted;    /* rows to be asked now */
    struct fifo going;     /* rows whose intent is committed: a later ask */
    struct fifo ready;     /* the same: a first ask */
    struct fifo releases;  /* tasks whose money a record is to free */
    struct fifo withdrawn; /* tasks that are out and not needed */
    struct fifo recalls;   /* tasks that are out, for a provider that is away */
    struct waits waits;
    struct letter {
        uint64_t row;
        struct talk_bytes text;     /* owned */
    } letters[WRITTEN_LETTERS_MAX]; /* a ring */
    uint32_t letters_head, n_letters;
    struct note *notes[NOTES_MAX]; /* oldest first */
    uint32_t n_notes, n_written;   /* written: handed to the journal */
    struct note *blank;            /* for the next intents, empty; NULL: none */
    struct note *built;     /* rows for the built-in writer; not in notes yet */
    struct note *kept_note; /* with answers found; not in notes yet */
    struct co_buf kept;     /* its record */
    uint32_t n_kept;
    struct taken **taken; /* oldest first */
    uint32_t n_taken, cap_taken;

    struct written_writer writers[WRITERS_MAX];
    uint32_t n_writers;
    uint8_t chain_of[WRITERS_MAX]; /* first writer of the same provider */
    struct chain chains[WRITERS_MAX];
    uint8_t stuck[WRITERS_MAX]; /* enum writers_stuck, by chain */
    uint64_t arm_seed;
    bool chained; /* an arm has a fallback */
    bool priced;  /* all writers are */
    int64_t
        away_us;    /* a row waits for a provider until then; INT64_MAX: none */
    int64_t now_us; /* of the last turn or event */
    struct {
        uint64_t calls, us;
    } timed; /* calls that were answered, as far as they say how long it took */
    struct written_tally tallies[WRITERS_ARMS_MAX][WRITERS_MAX + 1];
    struct revivals revivals; /* of rows given up, which are still to come */
    bool revives;             /* some have come */
    struct batchbook book;    /* batches that are not over */
    char batches[192];        /* what of them is waited for; "": none is */
    int64_t ready_us;         /* since when asks wait to be one; 0: none do */

    bool rescan;         /* a row could not be lined up: look at all */
    bool running;        /* the replay is over */
    int64_t open_due_us; /* then asks of an earlier life are given up;
                          * INT64_MAX: done */
    uint32_t streak;     /* refusals since the last answer, a row's once */
    uint32_t refusals;   /* the same, all of them */
    int64_t probe_us;    /* while that is long: the next ask not before */
    char refusal[ASK_ERROR_MAX + ASK_TEXT_MAX];
    uint32_t hopeless; /* rows given up in this life since one was written */
    char hopeless_why[320];
    int64_t first;                 /* worst case of a row's first ask */
    int64_t later;                 /* the same of the stages after it */
    int64_t later_by[WRITERS_MAX]; /* what is set aside for these, by writer */
    /* The least that a writer's call may cost and money did not cover; in this
     * life that stays so. INT64_MAX: none. */
    int64_t beyond[MEANS_NEEDS][WRITERS_MAX];
    bool is_short;        /* an ask did not fit the money left, last time */
    bool is_waiting;      /* it did, and waits for money that all jobs share */
    int64_t shared_us;    /* since when there is none of it; 0: there is */
    unsigned short_phase; /* is_short: whose money it was; MONEY_PHASES: all */
    uint64_t short_at;    /* no new row did, when money had been freed so often
                           * less 1; 0: one may, as far as is known */
    uint64_t unkept, unkept_at; /* a row that the cache has not got whole, and
                                 * when: as in short_at; both plus 1 */
    enum kind_next held_back;   /* why no (further) row was begun; never TASK */
    enum written_over over;
    bool final; /* over, and what is done is written */
};

/* -- ids */
static inline bool
written_is_ask(uint64_t task)
{
    return (task & 0xff) >= ASK_STEP && !batchbook_is_op(task);
}

static inline uint64_t
written_task(uint64_t row, uint32_t ask)
{
    return row << 8 | (ASK_STEP + ask);
}

static inline uint32_t
written_ask(uint64_t task)
{
    return (uint32_t)(task & 0xff) - ASK_STEP;
}

/* -- lists */
/* False: no memory. */
bool fifo_put(struct fifo *f, uint64_t value);
/* False: it is empty. */
bool fifo_get(struct fifo *f, uint64_t *ret_value);
bool waits_put(struct waits *h, int64_t due_us, uint64_t row);
/* The earliest; there is one. */
struct wait waits_get(struct waits *h);

/* -- rows */
/* NULL: the row has none. */
struct talk *rows_talk(const struct written *w, uint64_t row);
/* Makes the cell's block if there is none. NULL: no memory. */
struct block *rows_block(struct written *w, uint64_t cell);
/* Forgets cells whose answers nobody needs any more. */
void rows_sweep(struct written *w);
void rows_free(struct written *w);
/* The hold that the row is in; NULL: none. */
struct hold *rows_hold(const struct written *w, uint64_t row);
/* The hold of that very range. */
struct hold *rows_hold_task(const struct written *w, uint64_t task);
/* Room for two more. False: no memory. */
bool rows_hold_room(struct written *w);
/* A range that the personas kind has given out; there is room. */
void rows_hold_add(struct written *w, uint64_t task, bool out);
void rows_hold_remove(struct written *w, struct hold *h);
/* A range that is out, but not with a worker, is held again. */
void rows_take_back(struct written *w, struct hold *h);
/* Whether the row fulfils the job's conditions. */
bool rows_accepts(const struct written *w, uint64_t row);
/* The next candidate of a hold that may be begun; false: none (any more). */
bool rows_next(struct written *w, struct hold *h, uint64_t *ret_row);
/* The talk of a row changes: what it was before. */
struct row_before {
    size_t bytes;
    uint8_t state, stage, writer;
};
struct row_before rows_before(const struct talk *t);
/* It has changed: keeps sums, and lines the row up for what it needs. */
void rows_changed(struct written *w, uint64_t row, struct talk *t,
                  struct row_before before, int64_t now_us);
/* Lines a row up for a later time. */
void rows_wait(struct written *w, uint64_t row, int64_t due_us);
/* Puts rows whose time has come into `wanted`. */
void rows_due(struct written *w, int64_t now_us);
/* Nobody needs the present ask of a live row: withdraws it. */
void rows_withdraw(struct written *w, uint64_t row, struct talk *t);
/* The present ask of a row is OUT, and was surely not sent: its money is freed,
 * and another one is made if the row is needed. */
void rows_unsent(struct written *w, uint64_t row, struct talk *t);
/* As rows_withdraw(), for all rows of a range. */
void rows_withdraw_range(struct written *w, uint64_t start, uint32_t count);
/* Gives up asks of an earlier life that nobody named. */
void rows_give_up_open(struct written *w, int64_t now_us);

/* -- kept */
/* Takes an answer from the cache for a row that is WANTED, or begins it. False:
 * there is none. Not when the record is full. */
bool kept_take(struct written *w, uint64_t row, struct talk *t, int64_t now_us);
/* Whether the cache has all answers of a row that is not begun: it would cost
 * nothing. Reads them, a few KiB each. */
bool kept_is_whole(const struct written *w, uint64_t row);
bool kept_is_full(const struct written *w);
/* The record goes to the journal; there is room in notes. */
void kept_close(struct written *w);
void kept_free(struct written *w);
/* The n answers of a record are committed. False: it is none. */
bool kept_commit(struct written *w, struct walk *in, uint32_t n, bool replay,
                 int64_t now_us);
/* A result is about to be committed: offers its answer to the cache. */
void kept_offer(struct written *w, const struct ask_result *r);

/* -- letter */
/* A row was given up: writes a letter about it. */
void letter_write(struct written *w, uint64_t row, struct talk *t,
                  int64_t now_us);
/* The oldest letter; the caller owns it. False: none. */
bool letter_get(struct written *w, struct letter *ret_letter);
/* A letter is committed. */
void letter_tell(struct written *w, const uint8_t *letter, size_t len);
void letter_free(struct written *w);

/* -- ask */
/* Bounds of the next (or present) ask of a talk, and its worst case. False: it
 * cannot be counted. */
bool ask_bound(const struct written *w, const struct talk *t,
               uint64_t *ret_input, int64_t *ret_worst);
bool ask_is_paused(const struct written *w);
/* Nothing may be asked: the price is not known, and caps over jobs hold. */
bool ask_is_unpriced(const struct written *w);
/* Makes intents for rows that are begun and have to be asked on, while intents
 * of new rows wait to be given out. */
void ask_go_on(struct written *w, int64_t now_us);
/* Makes intents for rows that have to be asked; begins rows, and holds ranges
 * of the personas kind for them. */
void ask_prepare(struct written *w, int64_t now_us);
/* Rows that will be there when what is begun is done. */
uint64_t ask_expected(const struct written *w);

/* -- means */
/* Calls paid and reservations freed: nothing fits now that did not before,
 * unless this has grown. */
uint64_t means_times_freed(const struct written *w);
/* Nothing that is under way can free money. */
bool means_is_idle(const struct written *w);
/* Whether money covers the calls of another row, which is all zeros but for its
 * writer, beside what rows need that are begun. */
bool means_cover_row(struct written *w, const struct talk *fresh,
                     int64_t worst);
/* The same of another call of a row that is begun. */
bool means_cover_call(struct written *w, const struct talk *t, int64_t worst);
/* Money did not cover this call of the talk's writer: whether it never will. If
 * so that is remembered; false also when it was already, or the job is not one
 * that degrades. */
bool means_give_up(struct written *w, const struct talk *t, int64_t worst);
/* Whether the next call of the talk, were it that writer's, is known not to be
 * covered. */
bool means_are_beyond(const struct written *w, const struct talk *t,
                      uint8_t writer);
/* Tells the ledger what the first phase will need yet. */
void means_foresee(struct written *w);
/* Nothing can be asked any more for want of money; nothing is out, and no row
 * waits for a provider. */
bool means_are_spent(const struct written *w);
/* Whose money does not reach, for a person; NULL: that of the whole job. */
const char *means_short_phase(const struct written *w);
/* The same for want of money that all jobs share, of all days; since when is
 * kept. A cap of a day is waited for. */
bool means_are_shared_out(struct written *w, int64_t now_us);
void means_why(const struct written *w, struct co_buf *out);

/* -- writers */
/* CO_INVALID: there are none such. */
enum co_err writers_start(struct written *w);
/* Of a row that is WANTED (or new): the number of who is asked next,
 * WRITER_BUILTIN, or WRITER_NONE: all are away, until away_us. *ret_poor: money
 * did not cover one before. */
uint8_t writers_pick(struct written *w, uint64_t row, const struct talk *t,
                     int64_t now_us, bool *ret_poor);
/* What the ledger keeps of an intent. */
uint8_t writers_tag(const struct written *w, const struct intent *intent);
/* An intent was made for the talk's writer. */
void writers_asked(struct written *w, uint64_t task, uint8_t writer,
                   int64_t now_us);
/* An ask of that writer has this outcome. own: a refusal is its row's own. */
void writers_on_result(struct written *w, uint64_t task, uint8_t writer,
                       const struct ask_result *r, bool own, int64_t now_us);
/* Whether the ask is to be taken back: its writer is away. */
bool writers_is_away(const struct written *w, uint64_t row,
                     const struct talk *t, uint64_t task);
/* The arm of a row; its number, and NULL where there is but one writer. */
const struct writers_arm *writers_arm_of(const struct written *w, uint64_t row,
                                         uint32_t *ret_arm);
uint32_t written_lanes(const void *kind, struct kind_lane ret[KIND_LANES_MAX]);
/* Gives a row that is WANTED or new to the built-in writer, with the next
 * record. poor: as money does not cover others. False: no memory, or no room in
 * it. */
bool built_intend(struct written *w, uint64_t row, struct talk *t, bool poor,
                  int64_t now_us);
bool built_is_full(const struct written *w);
/* The record goes to the journal; there is room in notes. */
void built_close(struct written *w);
/* It is committed. */
void built_commit(struct written *w, const struct intent *built,
                  int64_t now_us);
const char *written_provider(const void *kind, uint64_t task);
bool written_returned(void *kind, uint64_t task, const struct kind_return *how,
                      int64_t now_us);
bool written_recall(void *kind, uint64_t *ret_task);

/* -- arms */
/* A call is settled. */
void arms_call(struct written *w, uint64_t row, uint8_t writer,
               const struct ask_result *r);
/* A row is written, or given up. */
void arms_end(struct written *w, uint64_t row, const struct talk *t);
/* It is in a range that counts. */
void arms_accept(struct written *w, uint64_t row, const struct talk *t);
/* It was given up, and is asked again. */
void arms_revive(struct written *w, uint64_t row, const struct talk *t);
void arms_why(const struct written *w, int64_t now_us, struct co_buf *out);

/* -- stuck */
/* What asks of that writer's provider wait for. Rows that have no other wait
 * without end: a person is told, once each time. */
void stuck_set(struct written *w, uint8_t writer, enum writers_stuck stuck);
void stuck_why(const struct written *w, struct co_buf *out);

/* -- revive */
/* Whether a row of the range, or of that of the task, is to be revived: what
 * was decided without it does not count. */
bool revive_is_awaited(const struct written *w, uint64_t start, uint32_t count);
bool revive_is_awaited_in(const struct written *w, uint64_t task);
/* Nobody is asked any more, and no call is out: revived rows without an answer
 * are given up again. */
void revive_stop(struct written *w, int64_t now_us);
/* Whether rows were revived, and the next new range has rows with all their
 * answers: those that had stood in for the revived ones. */
bool revive_finds_answers(const struct written *w);

/* -- take */
/* Keeps a result from take() to place(). False: no memory. */
bool take_keep(struct written *w, uint64_t task, const uint8_t *data,
               uint32_t len);
/* What was kept, the caller's to free. NULL: nothing. */
struct taken *take_fetch(struct written *w, uint64_t task);
/* The outcome of an ask that has money is committed. */
void take_outcome(struct written *w, uint64_t task, const struct ask_result *r,
                  int64_t now_us);
/* Appends what a worker is told of an ask. False: it is not needed. */
bool payload_ask(struct written *w, uint64_t task, struct co_buf *body);

/* -- batches */
/* Seconds since 1970. */
uint64_t batch_unix_s(const struct written *w, int64_t now_us);
/* The first call after a replay: what was being submitted in an earlier life
 * may go on until due_us. */
void batch_start(struct written *w, int64_t now_us, int64_t due_us);
/* Makes a batch of asks that are ready. */
void batch_gather(struct written *w, int64_t now_us);
/* When there is something to do without an event; INT64_MAX: never. */
int64_t batch_due(const struct written *w);
/* The next task about a batch. */
bool batch_next(struct written *w, int64_t now_us, uint64_t *ret_task);
bool batch_payload(struct written *w, uint64_t task, struct co_buf *body);
enum kind_take batch_take(struct written *w, uint64_t task, const uint8_t *data,
                          uint32_t len);
void batch_place(struct written *w, uint64_t task, int64_t now_us);
void batch_noted(struct written *w, const struct note *note);
/* The rest of such a record, of n elements. False: it is none. */
bool batch_replay(struct written *w, struct walk *in, uint32_t n);
/* Keeps what is told of batches that run. */
void batch_tell(struct written *w, int64_t now_us);
void batch_summary(const struct written *w, struct co_buf *out);
void batch_why(const struct written *w, int64_t now_us, struct co_buf *out);

/* -- the functions of written_kind */
enum kind_take written_take(void *kind, uint64_t task, const uint8_t *data,
                            uint32_t len);
void written_place(void *kind, uint64_t task, int64_t now_us,
                   const struct kind_place *place);
bool written_gone(void *kind, uint64_t task, enum kind_gone how,
                  int64_t now_us);
bool written_adopt(void *kind, uint64_t task);
bool written_unwanted(void *kind, uint64_t *ret_task);
enum kind_take range_take(struct written *w, uint64_t task, const uint8_t *data,
                          uint32_t len);
void range_place(struct written *w, uint64_t task, int64_t now_us,
                 const struct kind_place *place);
unsigned written_split(void *kind, uint64_t task, uint64_t ret_halves[2]);
void written_dead(void *kind, uint64_t task);
bool written_revive(void *kind, uint64_t task);
enum co_err written_foresee(void *kind, uint64_t task, bool wished);
bool written_note(void *kind, struct co_buf *out);
void written_noted(void *kind, int64_t now_us);
bool written_replay_note(void *kind, const uint8_t *data, size_t len);
bool written_payload(void *kind, uint64_t task, struct co_buf *body);
void written_stopping(void *kind);
bool written_unsent(void *kind, uint64_t task);
void written_told(const void *kind, struct kind_money *ret_money);
void written_summary(const void *kind, struct co_buf *out);
void written_why(const void *kind, int64_t now_us, struct co_buf *out);
const char *written_check(const void *kind);
