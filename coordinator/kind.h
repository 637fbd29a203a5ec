/* kind.h - what a kind of job tells the job engine.
 * A kind knows its items, what to publish next and what a result means; the
 * engine knows attempts, credit, losses and the journal, and no persona.
 * Everything here is pure: no I/O, no clock, called from the engine only.
 * Task ids: item index << 8 | step. The kind gives them out and is the only
 * one who looks inside.
 *
 * Life of an item, as the kind sees it:
 *   next/adopt -> (split ->) take -> place        the result is committed
 *                            dead                 given up, committed
 *   unwanted                                      no longer needed */
#pragma once
#include "common/buf.h"
#include "job/money_fields.h"
#include "llm/ask.h"
#include "proto/msg.h"

/* Where a committed result lies. */
struct kind_place {
    uint64_t segment; /* owner << 32 | sequence of the journal segment */
    uint32_t record;  /* offset of the record in that file */
    uint32_t inside;  /* bytes from there to the payload */
    uint32_t len;     /* bytes of the payload */
};

/* drawn = accepted + rejected + dead + surplus + pending, always. For jobs
 * over given items drawn counts the items, accepted those done. */
struct kind_ledger {
    uint64_t requested; /* rows or items asked for */
    uint64_t drawn;
    uint64_t accepted; /* never more than requested */
    uint64_t rejected;
    uint64_t dead;
    uint64_t surplus;    /* good, but beyond the last row asked for */
    uint64_t pending;    /* undecided, or an earlier one is */
    uint64_t duplicates; /* of the rejected: say what an earlier one says */
};

static inline bool
kind_ledger_holds(const struct kind_ledger *l)
{
    return l->drawn ==
               l->accepted + l->rejected + l->dead + l->surplus + l->pending &&
           l->accepted <= l->requested && l->duplicates <= l->rejected;
}

/* What a job that pays for its calls has spent: job/money_fields.h. The kind
 * leaves row, kiloword and point to ledger_told(). */
struct kind_money {
    bool has_price; /* else nobody knows: the amounts but the cap are 0 */
    MONEY_FIELDS
    /* Of calls with a result, by how they ended. */
    uint64_t outcomes[ASK_OUTCOMES];
    uint64_t mended, afresh; /* further asks of a row: quoting what was wrong
                              * with an answer, and without that */
    uint64_t gone;           /* calls that were given up as lost, in all, */
    uint64_t salvaged;       /* and of these: settled by a late answer */
    uint64_t surplus;        /* answers that nobody needed any more */
    uint64_t unbilled;       /* calls whose usage the endpoint did not say */
    uint64_t overruns;       /* that cost more than they could */
    uint64_t rows_dead;
    /* Why money that caps over several jobs leave is not here now, for a
     * person and as a word (docs/redis-keys.md); NULL: it holds nothing up. */
    const char *hold, *hold_code;
    const char *stop;    /* why nothing new is asked, for a person; NULL: it is.
                          * Good until the kind is called again */
    const char *batches; /* which are at the vendor and waited for; NULL: none.
                          * As good as stop */
    bool refused; /* the endpoint refuses all; it is tried now and then */
};

/* What next() answers: a task, or why there is none. X(name, text) */
#define KIND_NEXT_LIST(X)                                                      \
    X(TASK, "there is a task")                                                 \
    X(ALL_OUT, "everything needed is published or decided")                    \
    X(UNDECIDED, "65,536 candidates are undecided")                            \
    X(SHARDS, "256 shards are open and wait for their last rows or sealing")   \
    X(MEMORY, "dedup waits for memory that the machine does not have")         \
    X(RATE, "the rate asked for is reached")                                   \
    X(LATER, "what is left is tried again later, or may still be answered")    \
    X(BUDGET, "the candidate budget is spent")                                 \
    X(INTENT, "what is to be asked is on its way to the disk first")           \
    X(ANSWERS, "answers of unfinished rows fill their memory")                 \
    X(MONEY, "the money left does not cover another call")                     \
    X(OVER, "the job is over")

enum kind_next {
#define X(name, text) KIND_NEXT_##name,
    KIND_NEXT_LIST(X)
#undef X
        KIND_NEXT_COUNT
};

/* What take() says about a result. */
enum kind_take {
    KIND_ACCEPTED,  /* counts once it is committed: journal it */
    KIND_DUPLICATE, /* decided (or being committed) already */
    KIND_LATE,      /* not wanted any more: halved since, beyond the cut */
    KIND_INVALID,   /* malformed or not what was asked: counts as a failure */
};

/* Why a task that was out came to nothing; see job_kind.gone. */
enum kind_gone {
    KIND_GONE_LOST,   /* its worker, link or broker is: it may still answer */
    KIND_GONE_FAILED, /* its worker says so */
};

/* How a task that was out came back, unrun. */
struct kind_return {
    uint32_t reason; /* enum return_reason */
    uint32_t not_before_ms;
    bool waited; /* no worker had it: it waited too long at its broker */
};

/* A provider's part of the rows that are left, as they are asked now. */
struct kind_lane {
    const char *provider; /* good as long as the kind */
    uint32_t permille;
};

enum kind_state {
    KIND_RUNNING,
    KIND_DONE,    /* everything asked for is there, and sealed */
    KIND_PARTIAL, /* over, but not everything: why() says what is missing */
};

enum {
    KIND_UNDECIDED_MAX = 65536, /* candidates */
    KIND_SHARDS_MAX = 256,      /* open shards */
    KIND_NOTE_BYTES_MAX = 256 * 1024,
    KIND_ANSWER_WAIT_MS = 60000,
    KIND_LANES_MAX = 6, /* providers of a job (job/writers.h) */
    KIND_LANES_WHOLE = 1000,
};

/* How long the answer of a call that was lost is waited for, as long as a call
 * may take, at most KIND_ANSWER_WAIT_MS; total_ms 0: nobody knows. */
static inline uint32_t
kind_answer_wait_ms(uint32_t total_ms)
{
    return total_ms && total_ms < KIND_ANSWER_WAIT_MS ? total_ms
                                                      : KIND_ANSWER_WAIT_MS;
}

/* One kind. `kind` is the kind's own state. Times: microseconds, monotonic. */
struct job_kind {
    const char *name;
    bool paid; /* a second execution costs money */

    /* Service that runs the tasks, e.g. "persona.compose". */
    const char *(*service)(const void *kind);
    /* Provider of a task that is given out, in whose lane it goes; good as long
     * as the kind. NULL, or NULL returned: that of the engine's options. */
    const char *(*provider)(const void *kind, uint64_t task);
    /* So many tasks could be published now; next() is asked for no more of them
     * before this is told anew. What has to be noted first need not be more.
     * NULL: the kind does not ask. */
    void (*room)(void *kind, uint32_t tasks);
    /* Called each turn, also when nobody takes tasks and next() is not: for
     * what ends by time alone. NULL: nothing does. */
    void (*tick)(void *kind, int64_t now_us);
    /* Gives out the next task and marks it as out. *ret_due_us (RATE, LATER):
     * when to ask again. */
    enum kind_next (*next)(void *kind, int64_t now_us, uint64_t *ret_task,
                           int64_t *ret_due_us);
    /* Appends the payload of a task that is out; called at each publishing.
     * False: the task is not wanted any more (nothing appended). */
    bool (*payload)(void *kind, uint64_t task, struct co_buf *body);
    /* Somebody holds this task from an earlier time; mark it as out.
     * False: not wanted (decided, unknown, beyond the limits). */
    bool (*adopt)(void *kind, uint64_t task);
    /* Judges a result. ACCEPTED marks the task as taken: place() or a crash
     * follows. data is borrowed for the call. The task need not be out: a
     * result may outlive the owner who asked for it. After DUPLICATE and LATE
     * the engine forgets the task. */
    enum kind_take (*take)(void *kind, uint64_t task, const uint8_t *data,
                           uint32_t len);
    /* The taken result is committed there. Called again for a placed task
     * when its record was copied to another segment. */
    void (*place)(void *kind, uint64_t task, int64_t now_us,
                  const struct kind_place *place);
    /* Halves an out task. Returns 0 (cannot be) or 2 and the halves' ids,
     * which are then out in its place. */
    unsigned (*split)(void *kind, uint64_t task, uint64_t ret_halves[2]);
    /* The task is given up, and that is committed. In a replay the task may
     * never have been out. */
    void (*dead)(void *kind, uint64_t task);
    /* Withdraws a death: next() gives the task out again. Also called for
     * deaths that were withdrawn in an earlier life. False: it is not dead, or
     * what it belongs to is final. NULL: none can be. */
    bool (*revive)(void *kind, uint64_t task);
    /* Before a replay, in which revive() will be called for this task; wished:
     * or right after it, on a person's word. CO_RANGE: that is not possible any
     * more; CO_NOMEM. NULL: the kind need not know. */
    enum co_err (*foresee)(void *kind, uint64_t task, bool wished);
    /* Whether a second run of this task costs money. NULL: all of them if the
     * kind is paid, else none. Those that are free are repeated at once when
     * they are lost, and halved and given up as the tasks of any kind. */
    bool (*once)(const void *kind, uint64_t task);
    /* For tasks that must not be run twice (once), as each run is paid. A task
     * that was out and is lost or failed is told here in place of being
     * published again: a failed one and one whose worker died at once, another
     * after min(total_ms, 60 s), as its answer may still come. True: the
     * engine forgets it, and next() gives out another one in its place; a late
     * result still comes to take(). False: repeat it. NULL: all are repeated.
     * RETURNED tasks were not run (but for RETURN_RESULT_LOST, which is a
     * failure): they are repeated, and so are those that a broker refused or
     * that could not be sent to it. */
    bool (*gone)(void *kind, uint64_t task, enum kind_gone how, int64_t now_us);
    /* Records of the kind's own (journal: NOTE), committed in one order with
     * the results: what was to be written before a result is taken stands in
     * front of it, what came up with it behind its whole message. Appends the
     * content of the next one (1 to KIND_NOTE_BYTES_MAX bytes); false: none
     * (left). Called until then at least once a turn. Beyond 2,048 records or
     * 4 MiB that are not yet told of no results are taken. NULL: it has none.
     */
    bool (*note)(void *kind, struct co_buf *out);
    /* The oldest record not yet told of is committed: it is on disk. */
    void (*noted)(void *kind, int64_t now_us);
    /* A committed record, in a replay, in one order with take() and dead().
     * False: it is none of this kind's, and the journal is refused. */
    bool (*replay_note)(void *kind, const uint8_t *data, size_t len);
    /* Nothing more is published until the job's process ends, and results are
     * still taken: what is noted and was not given out is taken back, so that
     * nobody has to wait for it later. NULL: nothing is. */
    void (*stopping)(void *kind);
    /* After stopping(): this task was given out, and surely nobody ran it: as
     * if it had not been. True: the engine forgets it. NULL: it stays. */
    bool (*unsent)(void *kind, uint64_t task);
    /* For tasks that must not be run twice: one came back that surely was not
     * run. True: the engine forgets it, next() gives out another one in its
     * place. False: it is published again. NULL: all are. */
    bool (*returned)(void *kind, uint64_t task, const struct kind_return *how,
                     int64_t now_us);
    /* A task that was given out, and is wanted back if nobody has begun it: it
     * is called back, and comes to returned(), or else its result. False: none
     * (left). NULL: none is. */
    bool (*recall)(void *kind, uint64_t *ret_task);
    /* A task that was out and is not needed any more; false: none (left). */
    bool (*unwanted)(void *kind, uint64_t *ret_task);
    enum kind_state (*done)(const void *kind);
    void (*ledger)(const void *kind, struct kind_ledger *ret_ledger);
    /* What was spent. NULL: the job pays for nothing. */
    void (*money)(const void *kind, struct kind_money *ret_money);
    /* Appends a JSON array: what each writer did for each arm of the job.
     * False: there is but one. NULL: the same. */
    bool (*arms)(const void *kind, struct co_buf *out);
    /* Who is asked for which part of the rows now: each provider of the job
     * once, also those that nobody asks. Less than a whole is left where the
     * built-in writer stands in. Returns how many. NULL: there is but one. */
    uint32_t (*lanes)(const void *kind, struct kind_lane ret[KIND_LANES_MAX]);
    /* Appends one JSON object about the job, without a newline. */
    void (*summary)(const void *kind, struct co_buf *out);
    /* Appends lines for a person: why the job is not further. */
    void (*why)(const void *kind, int64_t now_us, struct co_buf *out);
    /* NULL, or a text that says which invariant is broken. */
    const char *(*check)(const void *kind);
};

/* The text of the list above, and its name ("SHARDS"). */
const char *kind_next_text(enum kind_next next);
const char *kind_next_name(enum kind_next next);
