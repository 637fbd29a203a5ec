/* written_world.h - the written kind in a world without an engine: workers and
 * a model that answer in any order, lose, return and repeat; a journal that
 * commits in order; crashes. What the model says is a function of row, stage
 * and whether it is shown its mistake, so that all orders come to one corpus.
 */
#pragma once
#include "tests/co_test.h"

#include "coordinator/batchbook.h"
#include "coordinator/kind_written.h"
#include "fake_ranges.h"

enum {
    WORLD_ROWS_MAX = 2000,
    WORLD_INPUT_MAX = 400,
    WORLD_OUTPUT_MAX = 100,
    WORLD_SHARD = 500,
};

/* Until nobody answers any more. */
#define SETTLE_US ((int64_t)KIND_ANSWER_WAIT_MS * 1000)

struct world_task {
    uint64_t task;
    uint32_t len;
    uint8_t *payload;
    bool sent;  /* a worker had the model answer; the answer is kept */
    bool known; /* the engine waits for it; else it is late */
};

enum world_record { WORLD_RESULT, WORLD_NOTE, WORLD_SEALED };

struct world_entry {
    enum world_record type;
    uint64_t task;
    uint32_t len;
    uint8_t *data;
};

struct world {
    /* what a test chooses */
    struct personas_options personas_options;
    struct written_options options;
    uint32_t reject;       /* one candidate in so many is rejected; 0: none */
    uint32_t dead;         /* one row in so many is never answered well */
    uint32_t lose;         /* one ask in so many is lost; 0: none */
    uint32_t invalid;      /* one first answer in so many is invalid */
    bool in_order;         /* nothing is random */
    enum ask_outcome all;  /* ASK_OUTCOMES: as above; else what all get */
    uint64_t refuse_below; /* rows below are refused for their own sake */
    const char *fault;     /* of what is refused or unknown; NULL: "AUTH" */
    /* Does a task about a batch, as its vendor would. */
    void (*vendor)(struct world *f, const struct batch_task *t,
                   struct co_buf *result);
    void *vendor_self;
    uint64_t overrun_row; /* its first answer costs too much; UINT64_MAX */

    struct personas *p;
    struct written *w;
    uint64_t random;
    int64_t now_us;
    struct world_task *out;
    size_t n_out, cap_out;
    struct world_entry *journal; /* [0, durable) is committed */
    size_t n_journal, durable, cap_journal;
    uint8_t *given;   /* a bit for each ask id that next() ever gave out */
    uint8_t *losses;  /* of each row */
    uint64_t *corpus; /* hash of each row as a range's payload had it; 0 */
    uint64_t asked;   /* asks that were sent */
    int64_t paid;     /* of these, what they did cost */
    enum kind_next next;
    uint64_t checks;
    uint64_t letters; /* told */
    uint64_t letters_xor;
    char letter[8192]; /* the last one */
    struct {
        uint64_t *v;
        uint32_t n;
    } hashes[WORLD_ROWS_MAX / PERSONAS_CELL]; /* of each shard */
};

/* -- life ------------------------------------------------------------------ */

/* A life of the owner begins, with nothing replayed. */
void world_start(struct world *f);

/* Sets up so many rows; then a test says what it wants, and starts. */
void world_init(struct world *f, uint64_t rows, uint64_t seed);

/* Frees all of it, started or not. */
void world_fini(struct world *f);

/* What became of the rows. */
struct kind_ledger world_ledger(const struct world *f);

/* What has to hold after each step; walks everything now and then. */
void world_check(struct world *f);

/* -- the journal ----------------------------------------------------------- */

/* Adds an entry with a copy of data, which is not on the disk yet. */
void world_append(struct world *f, enum world_record type, uint64_t task,
                  const uint8_t *data, size_t len);

/* Fetches the notes that the kind has to write. */
void world_take_notes(struct world *f);

/* The oldest entry that is not on the disk is now. */
void world_commit(struct world *f);

/* All that was written is on the disk. */
void world_commit_all(struct world *f);

/* Seals shards that are full; the entries wait for the disk. */
void world_seal(struct world *f);

/* -- crashes --------------------------------------------------------------- */

/* The owner is killed, and the next one replays the journal. What was not on
 * the disk is lost; workers that had a result keep it, and may be adopted. */
void world_crash(struct world *f);

/* Everything is committed, and another life begins. */
void world_next_life(struct world *f);

/* -- a run ----------------------------------------------------------------- */

/* The next random number below that. */
uint64_t world_rnd(struct world *f, uint64_t below);

/* Something happens: an answer, a loss, a turn, a commit. */
void world_step(struct world *f);

/* A turn, all its answers, and all commits. */
void world_step_in_order(struct world *f);

/* world_init() and world_start(), with nothing random. */
void world_start_in_order(struct world *f, uint64_t rows, uint64_t seed);

/* Turns, one task each, until one is out. */
void world_until_out(struct world *f);

/* Everything but ranges in order, until a range is out. Returns its place. */
size_t world_until_range(struct world *f);

/* Until the job is over; crashes so often on the way. */
enum kind_state world_run(struct world *f, unsigned crashes);

/* -- the model (written_world_work.c) -------------------------------------- */

/* By `dead`: this row is never answered well. */
bool world_row_dies(const struct world *f, uint64_t row);

/* What so many tokens cost, a call's own price included. */
int64_t world_price(uint64_t input, uint64_t cached, uint64_t output);

/* Appends the result of an ask. */
void world_model(struct world *f, const struct ask_task *t, struct co_buf *out);

/* -- publishing (written_world_work.c) ------------------------------------- */

/* Fetches t's payload. False: the kind does not want it any more. */
bool world_publish(struct world *f, struct world_task *t);

/* A task is out, without a payload. Borrowed until the list changes. */
struct world_task *world_add_out(struct world *f, uint64_t task);

/* Task i of those out is forgotten; the last one takes its place. */
void world_drop(struct world *f, size_t i);

/* Its result is between take() and place(). */
bool world_is_taken(const struct world *f, uint64_t task);

/* Withdraws, then publishes up to most. */
void world_turn(struct world *f, size_t most);

/* -- workers (written_world_work.c) ---------------------------------------- */

/* A worker has the answer: its payload is replaced by the result. */
void world_send(struct world *f, struct world_task *t);

/* Task i of those out is answered, and is not out any more. */
enum kind_take world_answer(struct world *f, size_t i);

/* Nobody heard of task i any more; it may be answered late, or never. */
void world_lose(struct world *f, size_t i);
