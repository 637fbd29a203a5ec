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

static inline uint64_t
world_rnd(struct world *f, uint64_t below)
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (f->random >> 33) % below;
}

/* -- the model ------------------------------------------------------------ */

static inline bool
world_row_dies(const struct world *f, uint64_t row)
{
    return f->dead && co_mix64(row + 77) % f->dead == 0;
}

static inline bool
world_is_invalid(const struct world *f, const struct ask_task *t)
{
    if (world_row_dies(f, t->row) && t->stage == ASK_PERSONAS) return true;
    if (!f->invalid || t->wrong) return false;
    return co_mix64(t->row * 2 + t->stage + 999) % f->invalid == 0;
}

static inline int64_t
world_price(uint64_t input, uint64_t cached, uint64_t output)
{
    return (int64_t)((input - cached) * 3 + cached + output * 10) + 1000;
}

/* Appends the result of an ask. */
static inline void
world_model(struct world *f, const struct ask_task *t, struct co_buf *out)
{
    struct ask_result r = {.row = t->row,
                           .ask = t->ask,
                           .stage = t->stage,
                           .outcome = ASK_ANSWER,
                           .has_usage = true,
                           .input = 200 + t->input_len,
                           .cached = 20,
                           .output = 60,
                           .time = 1764000000 + t->row};
    char answer[200];

    r.answer_len = (uint32_t)snprintf(
        answer, sizeof answer, "{\"row\":%" PRIu64 ",\"stage\":%d,\"in\":%u}",
        t->row, (int)t->stage, (unsigned)t->input_len);
    r.answer = (const uint8_t *)answer;
    r.model = (struct ask_text){"model \"x\"", 9};
    if (f->all != ASK_OUTCOMES) {
        r.outcome = f->all;
    } else if (t->row < f->refuse_below) {
        r.outcome = ASK_REFUSED;
    } else if (world_is_invalid(f, t)) {
        r.outcome = t->ask % 2 ? ASK_INVALID : ASK_CUT;
    }
    if (r.outcome != ASK_ANSWER) r.error = (struct ask_text){"too short", 9};
    if (r.outcome == ASK_REFUSED || r.outcome == ASK_UNKNOWN) {
        r.has_usage = false;
        r.answer = NULL;
        r.answer_len = 0;
        r.fault = f->fault
                      ? (struct ask_text){f->fault, (uint32_t)strlen(f->fault)}
                      : (struct ask_text){"AUTH", 4};
    }
    if (t->row == f->overrun_row) r.output = 100000;
    assert_true(r.input <= t->input_max);
    ask_put_result(&r, out);
    f->asked++;
    if (r.has_usage) f->paid += world_price(r.input, r.cached, r.output);
}

/* -- life ----------------------------------------------------------------- */

static inline void
world_start(struct world *f)
{
    f->options.personas = NULL;
    assert_int_equal(personas_new(&f->personas_options, &f->p), CO_OK);
    f->options.personas = f->p;
    assert_int_equal(written_new(&f->options, &f->w), CO_OK);
}

static inline bool
world_accepts(void *self, uint64_t row)
{
    const struct world *f = self;

    return fake_accepts(row, f->reject);
}

static inline void
world_dead(void *self, const uint8_t *letter, size_t len)
{
    struct world *f = self;

    f->letters++;
    f->letters_xor ^= co_hash64(letter, len, 0);
    assert_true(len < sizeof f->letter);
    memcpy(f->letter, letter, len);
    f->letter[len] = '\0';
}

static inline enum co_err
world_load(void *self, uint64_t shard, uint32_t n, uint64_t hash,
           uint64_t *ret_hashes)
{
    const struct world *f = self;

    (void)hash;
    assert_true(n <= f->hashes[shard].n);
    memcpy(ret_hashes, f->hashes[shard].v, n * sizeof *ret_hashes);
    return CO_OK;
}

static inline void
world_init(struct world *f, uint64_t rows, uint64_t seed)
{
    static const uint32_t table_cells[1] = {4};
    const struct written_stage stage = {.input_max = WORLD_INPUT_MAX,
                                        .output_max = WORLD_OUTPUT_MAX,
                                        .quote_times = 1,
                                        .repair_max = 50,
                                        .error_times = 1};

    *f = (struct world){.random = co_mix64(seed + 1),
                        .now_us = 1000000,
                        .all = ASK_OUTCOMES,
                        .overrun_row = UINT64_MAX};
    f->personas_options = (struct personas_options){.rows = rows,
                                                    .shard_rows = WORLD_SHARD,
                                                    .service = "persona.write",
                                                    .table_cells = table_cells,
                                                    .tables = 1,
                                                    .load = world_load,
                                                    .load_self = f};
    f->options = (struct written_options){
        .service = "persona.write",
        .stages = {stage, stage},
        .rules = {.repairs = 1, .fresh = 1},
        .price = {.input = 3, .output = 10, .cached_input = 1},
        .call_price = 1000,
        .accepts = world_accepts,
        .accepts_self = f,
        .dead = world_dead,
        .dead_self = f};
    f->given = calloc(WORLD_ROWS_MAX * 32, 1);
    f->losses = calloc(WORLD_ROWS_MAX, 1);
    f->corpus = calloc(WORLD_ROWS_MAX, sizeof *f->corpus);
    assert_true(f->given && f->losses && f->corpus);
}

static inline void
world_fini(struct world *f)
{
    for (size_t i = 0; i < f->n_out; i++) {
        free(f->out[i].payload);
    }
    for (size_t i = 0; i < f->n_journal; i++) {
        free(f->journal[i].data);
    }
    for (size_t i = 0; i < co_countof(f->hashes); i++) {
        free(f->hashes[i].v);
    }
    free(f->out);
    free(f->journal);
    free(f->given);
    free(f->losses);
    free(f->corpus);
    written_free(f->w);
    personas_free(f->p);
}

static inline struct kind_ledger
world_ledger(const struct world *f)
{
    struct kind_ledger l;

    written_kind.ledger(f->w, &l);
    return l;
}

/* What has to hold after each step; walks everything now and then. */
static inline void
world_check(struct world *f)
{
    const bool walk = f->checks++ % 64 == 0;
    const char *broken = walk ? written_kind.check(f->w) : NULL;
    const struct money_sums s = money_sums(written_money(f->w));
    const struct kind_ledger l = world_ledger(f);

    if (broken) fail_msg("%s", broken);
    assert_true(kind_ledger_holds(&l));
    if (f->options.cap && f->overrun_row == UINT64_MAX) {
        assert_true(s.settled + s.unknown + s.reserved <= f->options.cap);
    }
    /* nothing that was paid is uncharged, but an overrun on its way here */
    if (f->overrun_row == UINT64_MAX ||
        money_counters(written_money(f->w))->overruns) {
        assert_true(f->paid <= s.settled + s.unknown + s.reserved);
    }
}

/* -- the journal ---------------------------------------------------------- */

static inline void
world_append(struct world *f, enum world_record type, uint64_t task,
             const uint8_t *data, size_t len)
{
    struct world_entry *e;

    if (f->n_journal == f->cap_journal) {
        f->cap_journal = f->cap_journal ? 2 * f->cap_journal : 1024;
        f->journal = realloc(f->journal, f->cap_journal * sizeof *f->journal);
        assert_non_null(f->journal);
    }
    e = &f->journal[f->n_journal++];
    *e = (struct world_entry){type, task, (uint32_t)len, malloc(len + 1)};
    assert_non_null(e->data);
    memcpy(e->data, data, len);
}

static inline void
world_take_notes(struct world *f)
{
    struct co_buf note;

    co_buf_init(&note, 256 * 1024);
    while (written_kind.note(f->w, &note)) {
        assert_int_equal(note.err, CO_OK);
        world_append(f, WORLD_NOTE, 0, note.data, note.len);
        co_buf_clear(&note);
    }
    co_buf_fini(&note);
}

static inline void
world_place(struct world *f, const struct world_entry *e, size_t at,
            int64_t now_us)
{
    const struct kind_place place = {7, (uint32_t)at * 8, 0, e->len};

    written_kind.place(f->w, e->task, now_us, &place);
}

/* The oldest that is not on the disk. */
static inline void
world_commit(struct world *f)
{
    const struct world_entry *e = &f->journal[f->durable];

    if (f->durable == f->n_journal) return;
    f->durable++;
    if (e->type == WORLD_NOTE) {
        written_kind.noted(f->w, f->now_us);
    } else if (e->type == WORLD_RESULT) {
        world_place(f, e, f->durable - 1, f->now_us);
    } else {
        personas_on_sealed(f->p, e->task, 1, 2);
    }
    world_check(f);
}

static inline void
world_keep_hashes(struct world *f, const struct personas_seal *seal)
{
    const size_t bytes = seal->n_hashes * sizeof *seal->hashes;

    assert_true(seal->shard < co_countof(f->hashes));
    free(f->hashes[seal->shard].v);
    f->hashes[seal->shard].v = malloc(bytes + 1);
    assert_non_null(f->hashes[seal->shard].v);
    if (bytes) memcpy(f->hashes[seal->shard].v, seal->hashes, bytes);
    f->hashes[seal->shard].n = seal->n_hashes;
}

static inline void
world_seal(struct world *f)
{
    struct personas_seal seal;
    struct co_buf record;

    while (personas_next_seal(f->p, &seal)) {
        world_keep_hashes(f, &seal);
        co_buf_init(&record, 1 << 20);
        assert_int_equal(
            personas_sealed_record(f->p, seal.shard, 1, 2, &record), CO_OK);
        world_append(f, WORLD_SEALED, seal.shard, record.data, record.len);
        co_buf_fini(&record);
    }
}

/* -- publishing ----------------------------------------------------------- */

/* What a range's payload says about its rows is the corpus. */
static inline void
world_note_rows(struct world *f, const uint8_t *payload, size_t len)
{
    struct walk w = walk_start(payload, len);
    uint32_t pairs = walk_map(&w), count = 0;
    uint64_t start = 0;

    while (pairs--) {
        const uint32_t key = walk_u32(&w);

        if (key == 1) {
            start = walk_u64(&w);
        } else if (key == 2) {
            count = walk_u32(&w);
        } else if (key == 5) {
            assert_int_equal(walk_array(&w), count);
            for (uint32_t i = 0; i < count; i++) {
                const uint8_t *from = w.at;
                uint32_t background, persona, rest;
                const uint8_t *bytes;

                if (*w.at == 0xc0) {
                    walk_skip(&w);
                    continue;
                }
                if (walk_array(&w) == 1) { /* the built-in writer's */
                    (void)walk_bin(&w, &rest);
                    f->corpus[start + i] =
                        co_hash64(from, (size_t)(w.at - from), 0);
                    continue;
                }
                (void)walk_bin(&w, &background);
                (void)walk_bin(&w, &persona);
                f->corpus[start + i] =
                    co_hash64(from, (size_t)(w.at - from), 0);
                bytes = walk_bin(&w, &rest);
                assert_true(rest > 20 && !memcmp(bytes, "\"model\":", 8));
            }
        } else {
            walk_skip(&w);
        }
    }
    assert_true(walk_done(&w));
}

/* False: the kind does not want it any more. */
static inline bool
world_publish(struct world *f, struct world_task *t)
{
    struct co_buf body;
    bool wanted;

    co_buf_init(&body, 4 << 20);
    wanted = written_kind.payload(f->w, t->task, &body);
    assert_int_equal(body.err, CO_OK);
    free(t->payload);
    t->payload = body.data;
    t->len = (uint32_t)body.len;
    t->known = wanted;
    t->sent = false;
    if (wanted && !batchbook_is_op(t->task) &&
        !ask_is_task(body.data, body.len)) {
        world_note_rows(f, body.data, body.len);
    }
    return wanted;
}

static inline struct world_task *
world_add_out(struct world *f, uint64_t task)
{
    if (f->n_out == f->cap_out) {
        f->cap_out = f->cap_out ? 2 * f->cap_out : 1024;
        f->out = realloc(f->out, f->cap_out * sizeof *f->out);
        assert_non_null(f->out);
    }
    f->out[f->n_out] = (struct world_task){.task = task, .known = true};
    return &f->out[f->n_out++];
}

static inline void
world_drop(struct world *f, size_t i)
{
    free(f->out[i].payload);
    f->out[i] = f->out[--f->n_out];
}

/* An ask id is given out once, ever. */
static inline void
world_give(struct world *f, uint64_t task)
{
    uint64_t row = task >> 8, bit = row * 256 + (task & 0xff);

    if ((task & 0xff) < ASK_STEP || batchbook_is_op(task)) return;
    assert_true(row < WORLD_ROWS_MAX);
    assert_false(f->given[bit / 8] >> bit % 8 & 1);
    f->given[bit / 8] = (uint8_t)(f->given[bit / 8] | 1u << bit % 8);
}

/* Its result is between take() and place(). */
static inline bool
world_is_taken(const struct world *f, uint64_t task)
{
    for (size_t i = f->durable; i < f->n_journal; i++) {
        if (f->journal[i].type == WORLD_RESULT && f->journal[i].task == task) {
            return true;
        }
    }
    return false;
}

/* Withdraws, then publishes up to most. */
static inline void
world_turn(struct world *f, size_t most)
{
    uint64_t task;
    int64_t due = INT64_MAX;

    world_take_notes(f);
    while (written_kind.unwanted(f->w, &task)) {
        assert_false(world_is_taken(f, task));
        for (size_t i = 0; i < f->n_out; i++) {
            if (f->out[i].task == task) f->out[i].known = false;
        }
    }
    for (size_t i = 0; i < most; i++) {
        f->next = written_kind.next(f->w, f->now_us, &task, &due);
        world_check(f);
        if (f->next != KIND_NEXT_TASK) break;
        assert_false(world_is_taken(f, task));
        world_give(f, task);
        if (!world_publish(f, world_add_out(f, task))) {
            world_drop(f, f->n_out - 1);
        }
    }
    world_take_notes(f);
    if (f->next == KIND_NEXT_LATER && due > f->now_us &&
        (f->in_order || world_rnd(f, 4) == 0)) {
        f->now_us = due;
    }
    world_seal(f);
}

/* -- workers -------------------------------------------------------------- */

/* A worker has the answer: its payload is replaced by the result. */
static inline void
world_send(struct world *f, struct world_task *t)
{
    struct batch_task batch;
    struct ask_task ask;
    struct co_buf result;

    if (t->sent) return;
    co_buf_init(&result, 1 << 20);
    if (batchbook_is_op(t->task)) {
        assert_true(batch_get_task(t->payload, t->len, &batch));
        f->vendor(f, &batch, &result);
    } else if (ask_is_task(t->payload, t->len)) {
        assert_true(ask_get_task(t->payload, t->len, &ask));
        world_model(f, &ask, &result);
    } else {
        fake_answer(fake_read(t->payload, t->len), f->reject, &result);
    }
    free(t->payload);
    t->payload = result.data;
    t->len = (uint32_t)result.len;
    t->sent = true;
}

/* Task i of those out is answered. */
static inline enum kind_take
world_answer(struct world *f, size_t i)
{
    enum kind_take verdict;

    world_send(f, &f->out[i]);
    world_take_notes(f);
    if (world_is_taken(f, f->out[i].task)) { /* the engine knows it */
        world_drop(f, i);
        return KIND_DUPLICATE;
    }
    verdict = written_kind.take(f->w, f->out[i].task, f->out[i].payload,
                                f->out[i].len);
    if (verdict == KIND_ACCEPTED) {
        world_append(f, WORLD_RESULT, f->out[i].task, f->out[i].payload,
                     f->out[i].len);
    }
    assert_int_not_equal(verdict, KIND_INVALID);
    world_drop(f, i);
    world_check(f);
    return verdict;
}

/* A submission that nobody heard of may have been made, or its worker died
 * before; all else about a batch is done again. */
static inline void
world_lose_op(struct world *f, size_t i)
{
    struct world_task *t = &f->out[i];

    if (batchbook_op(t->task) != BATCH_SUBMIT) {
        if (!world_publish(f, t)) world_drop(f, i);
        return;
    }
    t->known = false;
    if (world_rnd(f, 2)) world_send(f, t);
    assert_true(written_kind.gone(f->w, t->task, KIND_GONE_LOST, f->now_us));
    if (!t->sent) world_drop(f, i);
    world_check(f);
}

/* Nobody heard of it any more; it may be answered late, or never. */
static inline void
world_lose(struct world *f, size_t i)
{
    struct world_task *t = &f->out[i];

    if (!t->known) return;
    if (batchbook_is_op(t->task)) {
        world_lose_op(f, i);
        return;
    }
    if ((t->task & 0xff) < ASK_STEP) { /* done again */
        assert_false(
            written_kind.gone(f->w, t->task, KIND_GONE_LOST, f->now_us));
        if (!world_publish(f, t)) world_drop(f, i);
        return;
    }
    if (f->losses[t->task >> 8] >= 3) return;
    f->losses[t->task >> 8]++;
    t->known = false;
    if (world_rnd(f, 2)) world_send(f, t);
    assert_true(written_kind.gone(f->w, t->task, KIND_GONE_LOST, f->now_us));
    world_check(f);
}

/* -- crashes -------------------------------------------------------------- */

static inline void
world_replay(struct world *f, const struct world_entry *e, size_t at)
{
    if (e->type == WORLD_NOTE) {
        assert_true(written_kind.replay_note(f->w, e->data, e->len));
    } else if (e->type == WORLD_SEALED) {
        assert_int_equal(personas_replay_sealed(f->p, e->data, e->len), CO_OK);
    } else if (written_kind.take(f->w, e->task, e->data, e->len) ==
               KIND_ACCEPTED) {
        world_place(f, e, at, 0);
    }
}

/* The owner is killed; what was not on the disk is lost, and workers that had
 * a result keep it. */
static inline void
world_crash(struct world *f)
{
    written_free(f->w);
    personas_free(f->p);
    for (size_t i = f->durable; i < f->n_journal; i++) {
        const struct world_entry *e = &f->journal[i];

        if (e->type == WORLD_RESULT) {
            struct world_task *t = world_add_out(f, e->task);

            t->payload = e->data;
            t->len = e->len;
            t->sent = true;
            t->known = false;
        } else {
            free(e->data);
        }
    }
    f->n_journal = f->durable;
    world_start(f);
    for (size_t i = 0; i < f->durable; i++) {
        world_replay(f, &f->journal[i], i);
    }
    f->checks = 0; /* walk now */
    world_check(f);
    for (size_t i = f->n_out; i-- > 0;) {
        struct world_task *t = &f->out[i];

        t->known =
            !t->sent && world_rnd(f, 2) && written_kind.adopt(f->w, t->task);
        if (!t->known && !t->sent && batchbook_is_op(t->task)) {
            world_drop(f, i); /* its worker died, too */
        }
    }
    world_check(f);
}

/* -- a run ---------------------------------------------------------------- */

static inline void
world_step(struct world *f)
{
    const size_t i = f->n_out ? (size_t)world_rnd(f, f->n_out) : 0;

    f->now_us += (int64_t)world_rnd(f, 20000);
    if (f->n_out && f->lose && world_rnd(f, f->lose) == 0) {
        world_lose(f, i);
    } else if (f->n_out && world_rnd(f, 40) == 0 && f->out[i].known &&
               !f->out[i].sent) { /* returned */
        if (!world_publish(f, &f->out[i])) world_drop(f, i);
    } else if (f->n_out && world_rnd(f, 3)) {
        (void)world_answer(f, i);
    } else {
        world_turn(f, 1 + (size_t)world_rnd(f, 40));
    }
    for (uint64_t k = world_rnd(f, 4); k; k--) {
        world_commit(f);
    }
}

static inline void
world_step_in_order(struct world *f)
{
    world_turn(f, 1000);
    while (f->n_out) {
        (void)world_answer(f, 0);
    }
    while (f->durable < f->n_journal) {
        world_commit(f);
    }
}

/* Until the job is over; crashes so often on the way. */
static inline enum kind_state
world_run(struct world *f, unsigned crashes)
{
    for (unsigned steps = 0; written_kind.done(f->w) == KIND_RUNNING; steps++) {
        if (f->in_order) {
            world_step_in_order(f);
        } else {
            world_step(f);
        }
        if (crashes && world_rnd(f, 400) == 0) {
            crashes--;
            world_crash(f);
        }
        if (steps > 200000) fail_msg("the job does not end");
    }
    return written_kind.done(f->w);
}
