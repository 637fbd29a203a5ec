/* A test's owner of a written job: its lives, its journal, and runs of steps
 * that are random or in order. */
#include "written_world.h"

/* -- life ------------------------------------------------------------------ */

void
world_start(struct world *f)
{
    f->options.personas = NULL;
    assert_int_equal(personas_new(&f->personas_options, &f->p), CO_OK);
    f->options.personas = f->p;
    assert_int_equal(written_new(&f->options, &f->w), CO_OK);
}

static bool
world_accepts(void *self, uint64_t row)
{
    const struct world *f = self;

    return fake_accepts(row, f->reject);
}

static void
world_dead(void *self, const uint8_t *letter, size_t len)
{
    struct world *f = self;

    f->letters++;
    f->letters_xor ^= co_hash64(letter, len, 0);
    assert_true(len < sizeof f->letter);
    memcpy(f->letter, letter, len);
    f->letter[len] = '\0';
}

static enum co_err
world_load(void *self, uint64_t shard, uint32_t n, uint64_t hash,
           uint64_t *ret_hashes)
{
    const struct world *f = self;

    (void)hash;
    assert_true(n <= f->hashes[shard].n);
    memcpy(ret_hashes, f->hashes[shard].v, n * sizeof *ret_hashes);
    return CO_OK;
}

void
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
        .price = {.input = 3, .output = 10, .cached_input = 1, .call = 1000},
        .accepts = world_accepts,
        .accepts_self = f,
        .dead = world_dead,
        .dead_self = f};
    f->given = calloc((size_t)WORLD_ROWS_MAX * 32, 1);
    f->losses = calloc(WORLD_ROWS_MAX, 1);
    f->corpus = calloc(WORLD_ROWS_MAX, sizeof *f->corpus);
    assert_true(f->given && f->losses && f->corpus);
}

void
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

struct kind_ledger
world_ledger(const struct world *f)
{
    struct kind_ledger l;

    written_kind.ledger(f->w, &l);
    return l;
}

void
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

/* -- the journal ----------------------------------------------------------- */

void
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

void
world_take_notes(struct world *f)
{
    struct co_buf note;

    co_buf_init(&note, (size_t)256 * 1024);
    while (written_kind.note(f->w, &note)) {
        assert_int_equal(note.err, CO_OK);
        world_append(f, WORLD_NOTE, 0, note.data, note.len);
        co_buf_clear(&note);
    }
    co_buf_fini(&note);
}

static void
world_place(struct world *f, const struct world_entry *e, size_t at,
            int64_t now_us)
{
    const struct kind_place place = {7, (uint32_t)at * 8, 0, e->len};

    written_kind.place(f->w, e->task, now_us, &place);
}

void
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

void
world_commit_all(struct world *f)
{
    while (f->durable < f->n_journal) {
        world_commit(f);
    }
}

static void
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

void
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

/* -- crashes --------------------------------------------------------------- */

static void
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

void
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

void
world_next_life(struct world *f)
{
    world_commit_all(f);
    world_crash(f);
}

/* -- a run ----------------------------------------------------------------- */

uint64_t
world_rnd(struct world *f, uint64_t below)
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (f->random >> 33) % below;
}

void
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

void
world_step_in_order(struct world *f)
{
    world_turn(f, 1000);
    while (f->n_out) {
        (void)world_answer(f, 0);
    }
    world_commit_all(f);
}

void
world_start_in_order(struct world *f, uint64_t rows, uint64_t seed)
{
    world_init(f, rows, seed);
    f->in_order = true;
    world_start(f);
}

void
world_until_out(struct world *f)
{
    while (!f->n_out) {
        world_commit(f);
        world_turn(f, 1);
    }
}

size_t
world_until_range(struct world *f)
{
    for (unsigned i = 0; i < 100; i++) {
        world_turn(f, 1000);
        for (size_t k = 0; k < f->n_out; k++) {
            if ((f->out[k].task & 0xff) < ASK_STEP) return k;
        }
        while (f->n_out) {
            (void)world_answer(f, 0);
        }
        world_commit_all(f);
    }
    fail_msg("no range is given out");
    return 0;
}

enum kind_state
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
