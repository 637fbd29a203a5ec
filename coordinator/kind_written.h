/* kind_written.h - the kind that makes a persona corpus whose texts a model
 * writes. It stands in front of the personas kind: that one draws ranges of
 * candidates and counts rows; this one holds a range back until each of its
 * rows that is needed was written or given up, and gives it out with the
 * answers. Rows are begun in index order and only as many as are needed: a
 * candidate that nobody needs is not asked for and counts as surplus; one that
 * was given up counts as dead. A range that leaves some out for want of need or
 * money counts only at the job's end: with more rows or money it is made anew.
 *
 * One ask is one request (docs/decisions/0049). Its intent is journaled before
 * it is given out; once that is committed it is published under one id, never
 * again under that id once it was lost. Money: money.h; a row: talk.h.
 *
 * When a row's last answer is committed, its texts and what it says about
 * tokens and cost are decided, in the order of the journal. An ask of that row
 * whose outcome becomes known later changes the ledger, and not the row.
 *
 * Memory: the personas kind's, 48 KiB a cell of 250 rows that is under way, and
 * the answers of rows whose range is not counted yet (answers_max). */
#pragma once
#include "coordinator/kind_personas.h"
#include "coordinator/money.h"
#include "coordinator/talk.h"
#include "job/writers.h"

struct written; /* opaque */

/* What bounds the tokens of a stage's asks before they are made. Tokens are at
 * most as many as bytes. */
struct written_stage {
    /* Tokens of all that is sent whoever the person is: system and user text
     * as prompt_bound() has them, schema, and 16 a message. */
    uint64_t input_max;
    uint32_t output_max;  /* max_tokens */
    uint32_t quote_times; /* how often {{background}} stands in the texts */
    /* A turn that mends: its text and 16 for each of two messages; and how
     * often {{error}} stands in it. The wrong answer is counted once. */
    uint64_t repair_max;
    uint32_t error_times;
};

/* What is known of one who writes. */
struct written_writer {
    const char *provider; /* borrowed */
    struct written_stage stages[ASK_STAGES];
    struct price price;
    uint64_t
        call_ms; /* of a call at most, where seconds have a price; else 0 */
};

/* Asks that go out as batches of their vendor. */
struct written_batch {
    uint32_t max_requests; /* of one, at most; 0: each ask goes by itself */
    int64_t window_us;     /* so long asks wait for others */
    int64_t poll_us;       /* between two looks at a batch */
};

struct written_options {
    struct personas *personas; /* borrowed; nobody else is its engine's kind */
    const char *service;       /* borrowed, e.g. "persona.write" */
    struct written_stage stages[ASK_STAGES];
    struct talk_rules rules;
    struct price price; /* input and output unknown: the job can have no cap */
    uint64_t call_ms;   /* as that of a writer */
    /* The stages and prices above are those of writer 0. Where there are more,
     * or fallbacks: all of them by number, that one included (borrowed for the
     * call), and whose rows they write (for life). NULL: it alone. */
    const struct written_writer *writers;
    const struct writers *table;
    /* Something that a person should hear of, in words: a provider is away, and
     * who writes for it. NULL: nobody listens. */
    void (*notice)(void *self, const char *text);
    void *notice_self;
    struct written_batch batch;
    int64_t cap;          /* 1e-12 USD; 0: none */
    struct shares shares; /* of the cap; unset: it is one pot */
    /* A row whose writer has become too dear for what the cap leaves goes on
     * with the next one of its arm; else the job stops. */
    bool degrades;
    struct purse *purse;  /* caps over several jobs; borrowed; NULL: none */
    uint64_t answers_max; /* bytes in memory; 0: 256 MiB */
    /* Of a task; 0: unset. An ask that an earlier life made and nobody names is
     * given up after kind_answer_wait_ms() of it, if an answer can come. */
    uint32_t total_ms;
    /* What an earlier life asked cannot be answered any more, as its workers
     * are gone: it is given up at once. */
    bool no_late_answers;
    /* Whether a candidate fulfils the conditions at all; else it is not asked
     * for. Pure. NULL: all do. */
    bool (*accepts)(void *self, uint64_t row);
    void *accepts_self;
    /* A row was given up, and a letter about it is committed (one JSON object
     * as engine_case.c makes, with the last answer); also in a replay. NULL:
     * nobody wants to know. */
    void (*dead)(void *self, const uint8_t *letter, size_t len);
    void *dead_self;
    /* Answers that were paid for before. kept: appends what keep() was given
     * for that row, stage and answer of the stage before (len 0: none); false:
     * nothing. keep: an answer is committed; also in a replay. Neither waits
     * for a disk to sync. NULL: there is no cache. */
    bool (*kept)(void *cache, uint64_t row, enum ask_stage stage,
                 const uint8_t *input, uint32_t input_len, struct co_buf *out);
    void (*keep)(void *cache, uint64_t row, enum ask_stage stage,
                 const uint8_t *input, uint32_t input_len,
                 const uint8_t *content, uint32_t len);
    void *cache;
    uint64_t job, recipe; /* stand in letters */
    int64_t wall_ms;      /* time of day at microsecond 0, for letters */
};

enum {
    WRITTEN_REFUSED_STREAK = 20, /* refusals without an answer between them */
    WRITTEN_PROBE_US = 30000000, /* after them, one ask each so often */
    /* Rows given up, and none written between them, stop the job: others would
     * cost as much and end as they did. Of many at once a quarter. */
    WRITTEN_HOPELESS_STREAK = 20,
    WRITTEN_HOPELESS_PART = 4,
    WRITTEN_POLL_US = 60000000, /* between two looks at a batch */
    WRITTEN_NOTE_MAX = 256,     /* intents a record */
    /* Where the cap of a namespace is reached a job ends after that: what other
     * jobs do not spend comes back within PURSE_IDLE_MS. */
    WRITTEN_SHARED_US = 2 * PURSE_IDLE_MS * 1000,
    WRITTEN_LETTERS_MAX = 1024, /* letters on their way; more are counted */
};

extern const struct job_kind written_kind;

/* CO_INVALID: an option is out of its range; a cap without known prices; a
 * worst case beyond what can be counted. */
co_must_use enum co_err written_new(const struct written_options *options,
                                    struct written **ret_written);
void written_free(struct written *w);
CO_DEFINE_FREEP(struct written, written_free)

/* Counted since written_new(), replays included; X(name, text). */
#define WRITTEN_COUNTER_LIST(X)                                                \
    X(rows_begun, "rows that were begun")                                      \
    X(rows_done, "rows with all their answers")                                \
    X(rows_dead, "rows that were given up")                                    \
    X(revived, "of these: asked again on a person's word")                     \
    X(words, "words that the models wrote in the rows that are done")          \
    X(asks, "asks whose intent was committed")                                 \
    X(cached, "answers from the cache, in place of asks: they cost nothing")   \
    X(mended, "asks that quote a wrong answer")                                \
    X(afresh, "asks after wrong answers, without them")                        \
    X(lost, "asks of which nobody knows what became: asked anew")              \
    X(late, "late answers of older asks that were used")                       \
    X(batches, "batches that were written down")                               \
    X(unrun, "asks that expired or failed in a batch, unpaid: asked again")    \
    X(files_deleted, "files of batches that were deleted at their vendor")     \
    X(files_left, "files of batches that could not be deleted there")          \
    X(surplus, "answers that came too late to be used: paid all the same")     \
    X(withdrawn, "asks withdrawn as another answer was there or the row was "  \
                 "not needed")                                                 \
    X(unsent, "of these: surely not sent, their money is free again")          \
    X(invalid, "results that were no result of the ask, or of none")           \
    X(duplicates, "results of asks that are settled")                          \
    X(no_memory, "times that memory was short")                                \
    X(untold, "rows given up without a letter: too many at once")              \
    X(pauses, "times that asking stopped, as all was refused")                 \
    X(aways, "times that a provider with a fallback was found away")           \
    X(unrecorded,                                                              \
      "answers that could not be written to the file of `record:`")            \
    X(moved, "asks that went to another writer than the row's last one")       \
    X(degraded, "rows that a fallback wrote, in a part at least")              \
    X(built, "of these: by the built-in writer")                               \
    X(starved, "of these: as the money left did not cover the first writer")

struct written_counters {
#define X(name, text) uint64_t name;
    WRITTEN_COUNTER_LIST(X)
#undef X
};
/* What one writer did for the rows of one arm. Counted since the job began,
 * replays included. */
struct written_tally {
    uint64_t rows;     /* written; a row is that of its last stage's writer */
    uint64_t accepted; /* of these, in ranges that counted */
    uint64_t degraded; /* of rows: not by their arm's first writer alone */
    uint64_t starved;  /* of these: as money did not cover that one */
    uint64_t dead;     /* given up while it wrote */
    uint64_t calls;    /* with an outcome */
    uint64_t wrong;    /* of these: answers that were not what was asked for */
    uint64_t input, output; /* tokens */
    uint64_t lost;          /* calls of which nobody knows what they cost */
    struct money_sums money;
};
/* Appends a JSON array of arms, each with its writers; nothing where there is
 * but one writer. False: that. */
bool written_arms(const void *kind, struct co_buf *out);
/* The same as a table of Markdown. */
void written_arms_table(const struct written *w, struct co_buf *out);
const struct written_counters *written_counters(const struct written *w);
const struct money *written_money(const struct written *w);
