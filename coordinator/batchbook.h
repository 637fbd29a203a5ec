/* batchbook.h - the batches of one job at their vendor: where each one is, and
 * what is to be done about it next. The kind journals what it is told and what
 * came, the book decides from that alone, so that a replay ends where the life
 * before it was.
 *
 *             noted              result RUNNING           ENDED
 *      NEW ----------> SUBMIT ------------------> RUNS ---------> HARVEST
 *                       |  ^                       ^                 |
 *        gone, UNSURE,  |  | NONE     found        |     last page   v
 *        a new life     +->FIND -------------------+        over <- CLEAN
 *
 * A submission is first given out without its asks: the worker says for which
 * account it would ask, so that it is known where to look for the batch before
 * there can be one. Another worker than that account's claims it anew.
 *
 * REFUSED and GONE, when it is said three times, end it from anywhere; where
 * its vendor had no room for it, it is submitted again. A submission of which
 * nobody knows what became is looked for at the vendor before it is made again.
 * Task ids: (number << 20 | seq) << 8 | (BATCHBOOK_STEP + op); seq counts the
 * results of a batch that were committed. Pure: no I/O, no clock. */
#pragma once
#include "llm/batch.h"

enum {
    BATCHBOOK_STEP = 224,    /* of task ids: above those of all asks */
    BATCHBOOK_LIVE_MAX = 64, /* batches at a time */
    BATCHBOOK_SEQ_BITS = 20,
    /* What was there and is not: only so many looks make sure. */
    BATCHBOOK_MISSES_MAX = 3,
    BATCHBOOK_READINGS_MAX = 3,  /* of files in which lines are missing */
    BATCHBOOK_CROWDED_POLLS = 8, /* until it is tried where there was no room */
    /* From the loss of a submission until it counts that it is not there. */
    BATCHBOOK_SETTLE_US = 10 * 1000 * 1000,
    BATCHBOOK_SETTLE_MAX_US = 600 * 1000 * 1000,
    /* A job waits no longer for files to be deleted. */
    BATCHBOOK_CLEAN_US = 10 * 1000 * 1000,
};
_Static_assert(ASK_STEP + ASK_MAX <= BATCHBOOK_STEP &&
                   BATCHBOOK_STEP + BATCH_OPS <= 256,
               "steps of asks and of batches are not the same");

/* X(name, text) */
#define BATCHBOOK_PHASE_LIST(X)                                                \
    X(NEW, "is written down")                                                  \
    X(SUBMIT, "is submitted")                                                  \
    X(FIND, "is looked for at the vendor")                                     \
    X(RUNS, "runs at the vendor")                                              \
    X(HARVEST, "ended: its answers are fetched")                               \
    X(CLEAN, "is over: its files are deleted at the vendor")

enum batchbook_phase {
#define X(name, text) BATCHBOOK_##name,
    BATCHBOOK_PHASE_LIST(X)
#undef X
        BATCHBOOK_PHASES
};

struct batchbook_entry {
    uint64_t number;
    enum batchbook_phase phase;
    uint64_t *tasks; /* owned: ids of its asks */
    uint32_t n;
    uint32_t seq;
    uint64_t op;      /* task that is out; 0: none */
    bool taken;       /* its result is on its way to the disk */
    bool claimed;     /* a worker has said which account is to make it */
    uint64_t account; /* that, or which has it; 0: not known */
    bool strange;     /* who looked last has another one, and saw nothing */
    bool cancels;     /* nobody wants its answers */
    bool cancelled;
    uint8_t misses;     /* looks in a row that found nothing where it was */
    uint8_t readings;   /* of all its files, to their end */
    uint8_t crowded;    /* how often there was no room for it alone */
    int64_t due_us;     /* the next task not before */
    int64_t asked_us;   /* the last task was given out; 0: in an earlier life */
    int64_t settled_us; /* FIND: whoever submitted it had done so by then, and
                         * its vendor lists it: only a look from then on may say
                         * that it is not there. CLEAN: its files stay then */
    uint64_t since;     /* made then, seconds since 1970 */
    char id[BATCH_ID_BYTES];
    char input[BATCH_ID_BYTES]; /* that was uploaded; "": none, or not known */
    char files[BATCH_FILES][BATCH_ID_BYTES];
    uint32_t n_files, file;       /* file: that is being harvested */
    uint64_t skip;                /* its lines that are in */
    uint64_t total, done, failed; /* as the vendor told last */
};

struct batchbook {
    struct batchbook_entry *entries[BATCHBOOK_LIVE_MAX]; /* oldest first */
    uint32_t n;
    uint64_t last;   /* the highest number so far */
    int64_t poll_us; /* between two looks at a batch */
};

void batchbook_fini(struct batchbook *b);
static inline bool
batchbook_is_op(uint64_t task)
{
    return (task & 0xff) >= BATCHBOOK_STEP;
}

static inline enum batch_op
batchbook_op(uint64_t task)
{
    return (enum batch_op)((task & 0xff) - BATCHBOOK_STEP);
}

/* A batch of these asks, NEW; takes a copy. NULL: no memory, or too many. */
struct batchbook_entry *batchbook_add(struct batchbook *b, uint64_t number,
                                      const uint64_t *tasks, uint32_t n,
                                      uint64_t since);
void batchbook_remove(struct batchbook *b, struct batchbook_entry *e);
/* The batch that a task is about; NULL: none (any more). */
struct batchbook_entry *batchbook_of(const struct batchbook *b, uint64_t task);
struct batchbook_entry *batchbook_find(const struct batchbook *b,
                                       uint64_t number);

/* NEW -> SUBMIT. */
void batchbook_noted(struct batchbook_entry *e);
/* A new life: what was being submitted may be anywhere until due_us. */
void batchbook_restart(struct batchbook *b, int64_t now_us, int64_t due_us);
/* The next task that is due; it is out then. False: none. */
bool batchbook_next(struct batchbook *b, int64_t now_us, uint64_t *ret_task);
/* When the next one is; INT64_MAX: nothing without an event. */
int64_t batchbook_due(const struct batchbook *b);
/* Somebody holds this task from an earlier life. False: it is not needed. */
bool batchbook_adopt(struct batchbook *b, uint64_t task);
/* A task that is out comes to nothing. ran: perhaps it was run. */
void batchbook_gone(struct batchbook *b, uint64_t task, bool ran,
                    int64_t now_us);
/* Fills in what a worker has to know, but for the asks of SUBMIT. */
void batchbook_task(const struct batchbook_entry *e, uint64_t task,
                    struct batch_task *ret);
/* Whether a result is one that the batch waits for. */
bool batchbook_wants(const struct batchbook_entry *e, uint64_t task,
                     const struct batch_result *r);

/* What follows for its asks. */
enum batchbook_step {
    BATCHBOOK_GOES_ON,
    BATCHBOOK_DONE,    /* all there was is in: asks without a line are lost */
    BATCHBOOK_REFUSED, /* no ask of it was run */
    BATCHBOOK_LOST,    /* nobody knows what became of its asks */
    BATCHBOOK_OVER,    /* that was known, and now its files are gone or not */
};
/* Such a result is committed. */
enum batchbook_step batchbook_commit(struct batchbook *b,
                                     struct batchbook_entry *e, uint64_t task,
                                     const struct batch_result *r,
                                     int64_t now_us);

/* All its files are in (DONE), and some of its requests have no line: files may
 * end early. They are to be read again. False: that was done often enough. */
bool batchbook_read_again(const struct batchbook *b, struct batchbook_entry *e,
                          int64_t now_us);

/* Nothing of it is wanted any more but that its files go. Where it has none it
 * is removed. */
void batchbook_clean(struct batchbook *b, struct batchbook_entry *e,
                     int64_t now_us);
/* Whether files are being deleted. */
bool batchbook_cleans(const struct batchbook *b);
/* Files that nobody deleted in time stay: how many, since the last time. */
uint32_t batchbook_drop_late(struct batchbook *b, int64_t now_us);

const char *batchbook_phase_text(enum batchbook_phase phase);
const char *batchbook_phase_name(enum batchbook_phase phase);
