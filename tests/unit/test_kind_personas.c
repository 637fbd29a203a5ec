/* test_kind_personas.c - exactly N rows, whatever the order of results. The
 * kind is driven by hand here; test_engine.c puts the engine in front. */
#include "tests/co_test.h"

#include "fake_ranges.h"

enum { OUT_MAX = 4096, SEGMENT = 7, JOURNAL_MAX = 1000 };

static const uint32_t table_cells[1] = {4};

/* A record of the model's journal: a committed result, or a SEALED. */
struct entry {
    bool sealed;
    uint64_t task;
    struct kind_place place;
    struct co_buf bytes;
};

struct fixture {
    struct personas *p;
    struct entry *journal; /* JOURNAL_MAX, when the test keeps one */
    size_t n_journal;

    uint32_t reject;       /* one in so many candidates */
    uint64_t out[OUT_MAX]; /* tasks given out */
    size_t n_out;
    uint32_t record; /* next place in the journal */
    /* what the sealed shards' frames hold, in order */
    uint64_t rows_sealed, shards_sealed, frames_moved;
    uint64_t random;
};

static uint64_t
rnd(struct fixture *f, uint64_t below)
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (f->random >> 33) % below;
}

static struct personas_options
options(uint64_t rows)
{
    return (struct personas_options){.rows = rows,
                                     .shard_rows = 1000,
                                     .service = "persona.corpus",
                                     .table_cells = table_cells,
                                     .tables = 1};
}

static void
begin(struct fixture *f, uint64_t rows, uint32_t reject)
{
    struct personas_options o = options(rows);

    *f = (struct fixture){.reject = reject, .record = 64, .random = 1};
    assert_int_equal(personas_new(&o, &f->p), CO_OK);
}

static void
check(struct fixture *f)
{
    struct kind_ledger l;
    const char *broken = personas_kind.check(f->p);

    if (broken) fail_msg("%s", broken);
    personas_kind.ledger(f->p, &l);
    assert_true(kind_ledger_holds(&l));
}

static struct kind_ledger
ledger(struct fixture *f)
{
    struct kind_ledger l;

    personas_kind.ledger(f->p, &l);
    return l;
}

static enum kind_next
draw(struct fixture *f)
{
    int64_t due;
    enum kind_next next = personas_kind.next(f->p, 0, &f->out[f->n_out], &due);

    if (next == KIND_NEXT_TASK) f->n_out++;
    assert_true(f->n_out < OUT_MAX);
    check(f);
    return next;
}

static void
draw_all(struct fixture *f)
{
    while (draw(f) == KIND_NEXT_TASK) {
        ;
    }
}

static void
answer(struct fixture *f, uint64_t task, struct co_buf *out)
{
    struct co_buf payload;

    co_buf_init(&payload, 1024);
    assert_true(personas_kind.payload(f->p, task, &payload));
    fake_answer(fake_read(payload.data, payload.len), f->reject, out);
    co_buf_fini(&payload);
}

static enum kind_take
take(struct fixture *f, uint64_t task)
{
    enum kind_take verdict;
    struct co_buf result;

    co_buf_init(&result, 1 << 20);
    answer(f, task, &result);
    verdict = personas_kind.take(f->p, task, result.data, (uint32_t)result.len);
    check(f);
    if (verdict == KIND_ACCEPTED) {
        assert_int_not_equal(
            personas_kind.take(f->p, task, result.data, (uint32_t)result.len),
            KIND_ACCEPTED);
    }
    co_buf_fini(&result);
    return verdict;
}

static void
place(struct fixture *f, uint64_t task)
{
    struct kind_place at = {SEGMENT, f->record, 100, 500};

    f->record += 1000;
    personas_kind.place(f->p, task, 0, &at);
    check(f);
}

static void
forget(struct fixture *f, uint64_t task)
{
    for (size_t i = 0; i < f->n_out; i++) {
        if (f->out[i] == task) f->out[i--] = f->out[--f->n_out];
    }
}

static void
withdraw(struct fixture *f)
{
    uint64_t task;

    while (personas_kind.unwanted(f->p, &task)) {
        forget(f, task);
        check(f);
    }
}

/* Decides a random task that is out. */
static void
decide_one(struct fixture *f)
{
    size_t at = rnd(f, f->n_out);
    uint64_t task = f->out[at];

    f->out[at] = f->out[--f->n_out];
    if (f->journal) {
        struct entry *e = &f->journal[f->n_journal++];

        assert_true(f->n_journal < JOURNAL_MAX);
        *e = (struct entry){.task = task,
                            .place = {SEGMENT, f->record, 100, 500}};
        co_buf_init(&e->bytes, 1 << 20);
        answer(f, task, &e->bytes);
    }
    assert_int_equal(take(f, task), KIND_ACCEPTED);
    place(f, task);
    withdraw(f);
}

/* Seals what can be sealed. */
static void
seal_all(struct fixture *f)
{
    struct personas_seal seal;

    while (personas_next_seal(f->p, &seal)) {
        uint64_t shard = seal.shard, rows = seal.rows;
        struct co_buf buf;

        for (uint32_t i = 0; i < seal.count; i++) {
            f->frames_moved += seal.frames[i].segment == 0;
        }
        co_buf_init(&buf, 1 << 20);
        assert_int_equal(personas_sealed_record(f->p, shard, 11, 22, &buf),
                         CO_OK);
        if (f->journal) {
            f->journal[f->n_journal++] =
                (struct entry){.sealed = true, .bytes = buf};
        } else {
            co_buf_fini(&buf);
        }
        personas_on_sealed(f->p, shard, 11, 22);
        assert_int_equal(personas_shard(f->p, shard)->rows, rows);
        f->rows_sealed += rows;
        f->shards_sealed++;
        check(f);
    }
}

static void
run(struct fixture *f)
{
    for (int turn = 0; turn < 100000; turn++) {
        if (personas_kind.done(f->p) != KIND_RUNNING) return;
        draw_all(f);
        if (f->n_out) decide_one(f);
        seal_all(f);
    }
    {
        struct co_buf why;

        co_buf_init(&why, 1 << 16);
        personas_kind.why(f->p, 0, &why);
        personas_kind.summary(f->p, &why);
        fail_msg("the job does not end: %s", co_buf_text(&why));
    }
}

/* The index after the last row that counts, found the slow way. */
static uint64_t
cut_index(uint64_t rows, uint32_t reject)
{
    uint64_t index = 0;

    for (uint64_t n = 0; n < rows; index++) {
        n += fake_accepts(index, reject);
    }
    return index;
}

static uint64_t
audit_total(struct fixture *f)
{
    const uint64_t *n = personas_audit(f->p, 0);

    return n[0] + n[1] + n[2] + n[3];
}

/* -- tests ---------------------------------------------------------------- */

static void
exactly_n_rows_come_out_whatever_is_rejected_and_in_whatever_order(void **state)
{
    static const uint64_t rows[] = {1, 249, 250, 999, 1000, 1001, 5321};
    static const uint32_t rejects[] = {0, 3, 10};

    (void)state;
    for (size_t r = 0; r < co_countof(rows); r++) {
        for (size_t k = 0; k < co_countof(rejects); k++) {
            struct fixture f;

            begin(&f, rows[r], rejects[k]);
            f.random = r * 10 + k;
            run(&f);
            assert_int_equal(personas_kind.done(f.p), KIND_DONE);
            assert_int_equal(ledger(&f).accepted, rows[r]);
            assert_int_equal(ledger(&f).pending, 0);
            assert_int_equal(f.rows_sealed, rows[r]);
            assert_int_equal(audit_total(&f), rows[r]);
            assert_int_equal(f.shards_sealed,
                             (cut_index(rows[r], rejects[k]) + 999) / 1000);
            personas_free(f.p);
        }
    }
}

static void
with_full_acceptance_nothing_is_drawn_or_packed_in_vain(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 10100, 0);
    draw_all(&f);
    assert_int_equal(f.n_out, 41);
    run(&f);
    assert_int_equal(personas_counters(f.p)->packs, 0);
    assert_int_equal(ledger(&f).drawn, 41 * 250);
    assert_int_equal(ledger(&f).surplus, 150);
    personas_free(f.p);
}

static void
the_job_ends_partial_when_the_candidate_budget_is_spent(void **state)
{
    struct personas_options o = options(1000);
    struct fixture f;

    (void)state;
    begin(&f, 1000, 3);
    personas_free(f.p);
    o.candidates = 1000;
    assert_int_equal(personas_new(&o, &f.p), CO_OK);
    run(&f);
    assert_int_equal(personas_kind.done(f.p), KIND_PARTIAL);
    assert_true(ledger(&f).accepted < 1000);
    assert_int_equal(ledger(&f).drawn, 1000);
    assert_int_equal(f.rows_sealed, ledger(&f).accepted);
    personas_free(f.p);
}

static void
no_more_than_65536_candidates_and_256_shards_are_open(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 1000000, 0);
    while (draw(&f) == KIND_NEXT_TASK) {
        ;
    }
    assert_int_equal(f.n_out, 65536 / 250);
    assert_int_equal(draw(&f), KIND_NEXT_UNDECIDED);
    for (int i = 0; i < 3000; i++) { /* the first cell stays out */
        size_t at = f.n_out - 1;
        uint64_t task = f.out[at];

        if (!at) break;
        f.n_out--;
        assert_int_equal(take(&f, task), KIND_ACCEPTED);
        place(&f, task);
        draw_all(&f);
    }
    assert_int_equal(draw(&f), KIND_NEXT_SHARDS);
    assert_int_equal(ledger(&f).accepted, 0);
    personas_free(f.p);
}

static void
a_guilty_row_is_halved_out_and_leaves_a_hole(void **state)
{
    const uint64_t guilty = 613;
    struct fixture f;

    (void)state;
    begin(&f, 1000, 0);
    draw_all(&f);
    for (int guard = 0; guard < 10000; guard++) {
        uint64_t task, halves[2];
        struct co_buf payload;
        struct fake_task t;

        if (!f.n_out) draw_all(&f);
        if (!f.n_out) break;
        task = f.out[--f.n_out];
        co_buf_init(&payload, 1024);
        if (!personas_kind.payload(f.p, task, &payload)) continue;
        t = fake_read(payload.data, payload.len);
        co_buf_fini(&payload);
        if (guilty < t.start || guilty >= t.start + t.count) {
            assert_int_equal(take(&f, task), KIND_ACCEPTED);
            place(&f, task);
        } else if (personas_kind.split(f.p, task, halves) == 2) {
            f.out[f.n_out++] = halves[0];
            f.out[f.n_out++] = halves[1];
        } else {
            assert_int_equal(t.count, 1);
            personas_kind.dead(f.p, task);
        }
        check(&f);
        withdraw(&f);
    }
    seal_all(&f);
    assert_int_equal(personas_kind.done(f.p), KIND_DONE);
    assert_int_equal(ledger(&f).dead, 1);
    assert_int_equal(f.rows_sealed, 1000);
    assert_int_equal(audit_total(&f), 1000);
    personas_free(f.p);
}

/* Its record may be in any of them; without it the row would come back. */
static void
while_a_death_is_in_an_open_shard_no_segment_may_go(void **state)
{
    struct fixture f;
    uint64_t task;

    (void)state;
    begin(&f, 1000, 0);
    draw_all(&f);
    task = f.out[--f.n_out];
    assert_int_equal(take(&f, task), KIND_ACCEPTED);
    place(&f, task);
    assert_true(personas_needs_segment(f.p, SEGMENT));
    assert_false(personas_needs_segment(f.p, SEGMENT + 1));
    personas_kind.dead(f.p, f.out[--f.n_out]);
    assert_true(personas_needs_segment(f.p, SEGMENT + 1));
    run(&f);
    assert_false(personas_needs_segment(f.p, SEGMENT));
    personas_free(f.p);
}

static void
a_finished_corpus_is_extended_from_its_cut_cell(void **state)
{
    static const uint64_t more[] = {1101, 1250, 2000, 7000};

    (void)state;
    for (size_t i = 0; i < co_countof(more); i++) {
        struct personas_options o = options(more[i]);
        struct co_buf snapshot;
        struct fixture f, g;

        begin(&f, 1100, 7);
        run(&f);
        co_buf_init(&snapshot, 1 << 20);
        assert_int_equal(personas_snapshot(f.p, &snapshot), CO_OK);
        personas_free(f.p);
        begin(&g, 1, 7);
        personas_free(g.p);
        assert_int_equal(personas_new(&o, &g.p), CO_OK);
        assert_int_equal(personas_restore(g.p, snapshot.data, snapshot.len),
                         CO_OK);
        check(&g);
        g.rows_sealed = personas_shard(g.p, 0)->rows;
        run(&g);
        assert_int_equal(personas_kind.done(g.p), KIND_DONE);
        assert_int_equal(ledger(&g).accepted, more[i]);
        assert_int_equal(g.rows_sealed, more[i]);
        assert_int_equal(audit_total(&g), more[i]);
        assert_true(g.frames_moved > 0); /* old cells were not drawn again */
        assert_true(personas_counters(g.p)->packs > 0);
        co_buf_fini(&snapshot);
        personas_free(g.p);
    }
}

static void
fewer_rows_than_are_sealed_are_refused(void **state)
{
    struct personas_options o = options(500);
    struct co_buf snapshot;
    struct fixture f;

    (void)state;
    begin(&f, 1100, 0);
    run(&f);
    co_buf_init(&snapshot, 1 << 20);
    assert_int_equal(personas_snapshot(f.p, &snapshot), CO_OK);
    personas_free(f.p);
    assert_int_equal(personas_new(&o, &f.p), CO_OK);
    assert_int_equal(personas_restore(f.p, snapshot.data, snapshot.len),
                     CO_STATE);
    co_buf_fini(&snapshot);
    personas_free(f.p);
}

static void
a_snapshot_comes_back_the_same_and_a_cut_one_is_refused(void **state)
{
    struct personas_options o = options(4100);
    struct co_buf first, second;
    struct personas *p;
    struct fixture f;

    (void)state;
    begin(&f, 4100, 5);
    run(&f);
    co_buf_init(&first, 1 << 20);
    co_buf_init(&second, 1 << 20);
    assert_int_equal(personas_snapshot(f.p, &first), CO_OK);
    assert_int_equal(personas_new(&o, &p), CO_OK);
    assert_int_equal(personas_restore(p, first.data, first.len), CO_OK);
    assert_int_equal(personas_snapshot(p, &second), CO_OK);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
    assert_int_equal(personas_kind.done(p), KIND_DONE);
    personas_free(p);
    for (size_t len = 0; len < first.len; len += 1 + len / 50) {
        assert_int_equal(personas_new(&o, &p), CO_OK);
        assert_int_not_equal(personas_restore(p, first.data, len), CO_OK);
        personas_free(p);
    }
    personas_free(f.p);
    co_buf_fini(&first);
    co_buf_fini(&second);
}

/* A new owner of the first n records; with results false only SEALED is left
 * (the segments in front of it were deleted). */
static void
replay(struct fixture *g, const struct fixture *f, size_t n, uint64_t rows,
       bool results)
{
    begin(g, rows, f->reject);
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &f->journal[i];

        if (e->sealed) {
            assert_int_equal(
                personas_replay_sealed(g->p, e->bytes.data, e->bytes.len),
                CO_OK);
        } else if (results && personas_kind.take(g->p, e->task, e->bytes.data,
                                                 (uint32_t)e->bytes.len) ==
                                  KIND_ACCEPTED) {
            personas_kind.place(g->p, e->task, 0, &e->place);
        }
        check(g);
    }
}

/* Rows of all sealed shards, by their entries. */
static uint64_t
rows_in_shards(struct fixture *f)
{
    uint64_t rows = 0;

    for (uint64_t s = 0; s < personas_shards(f->p); s++) {
        rows += personas_shard(f->p, s)->rows;
    }
    return rows;
}

static void
an_owner_may_die_at_any_record_and_more_rows_be_asked_for(void **state)
{
    static const uint64_t more[] = {2600, 2601, 3000, 4100};
    struct fixture f, g;

    (void)state;
    begin(&f, 2600, 6);
    f.journal = test_calloc(JOURNAL_MAX, sizeof(*f.journal));
    run(&f);
    for (size_t n = 0; n <= f.n_journal; n++) {
        for (size_t m = 0; m < co_countof(more); m++) {
            for (int results = 0; results < 2; results++) {
                replay(&g, &f, n, more[m], results);
                g.random = n;
                run(&g);
                assert_int_equal(ledger(&g).accepted, more[m]);
                assert_int_equal(rows_in_shards(&g), more[m]);
                assert_int_equal(audit_total(&g), more[m]);
                personas_free(g.p);
            }
        }
    }
    for (size_t i = 0; i < f.n_journal; i++) {
        co_buf_fini(&f.journal[i].bytes);
    }
    test_free(f.journal);
    personas_free(f.p);
}

static void
surplus_cells_in_the_journal_are_not_drawn_again(void **state)
{
    struct fixture f, g;

    (void)state;
    begin(&f, 100, 0);
    f.journal = test_calloc(JOURNAL_MAX, sizeof(*f.journal));
    assert_true(personas_kind.adopt(f.p, 500 << 8)); /* published earlier */
    f.out[f.n_out++] = 500 << 8;
    decide_one(&f);
    run(&f);
    assert_int_equal(ledger(&f).surplus, 150 + 250 + 250);
    replay(&g, &f, f.n_journal, 700, true);
    draw_all(&g);
    assert_int_equal(g.n_out, 2); /* packs of the first and the last cell */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(g.out[i] & 0xff, PERSONAS_STEP_PACK);
    }
    run(&g);
    assert_int_equal(rows_in_shards(&g), 700);
    for (size_t i = 0; i < f.n_journal; i++) {
        co_buf_fini(&f.journal[i].bytes);
    }
    test_free(f.journal);
    personas_free(f.p);
    personas_free(g.p);
}

static void
an_extension_may_be_interrupted_too(void **state)
{
    struct fixture f, g, h;

    (void)state;
    begin(&f, 1100, 6);
    f.journal = test_calloc(JOURNAL_MAX, sizeof(*f.journal));
    run(&f);
    replay(&g, &f, f.n_journal, 3300, true);
    g.journal = f.journal;
    g.n_journal = f.n_journal;
    run(&g);
    for (size_t n = f.n_journal; n <= g.n_journal; n++) {
        replay(&h, &g, n, 3300, true);
        run(&h);
        assert_int_equal(rows_in_shards(&h), 3300);
        assert_int_equal(audit_total(&h), 3300);
        personas_free(h.p);
    }
    for (size_t i = 0; i < g.n_journal; i++) {
        co_buf_fini(&g.journal[i].bytes);
    }
    test_free(f.journal);
    personas_free(f.p);
    personas_free(g.p);
}

static void
wrong_results_are_invalid_and_change_nothing(void **state)
{
    struct fixture f;
    struct co_buf r;

    (void)state;
    begin(&f, 1000, 0);
    draw_all(&f);
    co_buf_init(&r, 1 << 20);
    fake_answer((struct fake_task){250, 250, 250, {0}, {0}}, 0, &r);
    assert_int_equal(personas_kind.take(f.p, 0, r.data, (uint32_t)r.len),
                     KIND_INVALID);
    for (uint32_t len = 0; len < r.len; len += 7) {
        assert_int_equal(personas_kind.take(f.p, 250 << 8, r.data, len),
                         KIND_INVALID);
    }
    check(&f);
    assert_int_equal(ledger(&f).pending, 1000);
    assert_int_equal(personas_kind.take(f.p, 250 << 8, r.data, (uint32_t)r.len),
                     KIND_ACCEPTED);
    co_buf_fini(&r);
    personas_free(f.p);
}

static void
a_result_from_an_earlier_life_counts_and_its_half_too(void **state)
{
    struct fixture f;
    struct co_buf r;

    (void)state;
    begin(&f, 3000, 0);
    co_buf_init(&r, 1 << 20);
    fake_answer((struct fake_task){500, 250, 250, {0}, {0}}, 0, &r);
    assert_int_equal(personas_kind.take(f.p, 500 << 8, r.data, (uint32_t)r.len),
                     KIND_ACCEPTED);
    check(&f);
    place(&f, 500 << 8);
    co_buf_clear(&r);
    fake_answer((struct fake_task){875, 125, 125, {0}, {0}}, 0, &r);
    assert_int_equal(
        personas_kind.take(f.p, 875 << 8 | 1, r.data, (uint32_t)r.len),
        KIND_ACCEPTED);
    place(&f, 875 << 8 | 1);
    assert_true(personas_kind.adopt(f.p, 750 << 8 | 1));
    f.out[f.n_out++] = 750 << 8 | 1;
    check(&f);
    run(&f);
    assert_int_equal(f.rows_sealed, 3000);
    co_buf_fini(&r);
    personas_free(f.p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            exactly_n_rows_come_out_whatever_is_rejected_and_in_whatever_order),
        cmocka_unit_test(
            with_full_acceptance_nothing_is_drawn_or_packed_in_vain),
        cmocka_unit_test(
            the_job_ends_partial_when_the_candidate_budget_is_spent),
        cmocka_unit_test(no_more_than_65536_candidates_and_256_shards_are_open),
        cmocka_unit_test(a_guilty_row_is_halved_out_and_leaves_a_hole),
        cmocka_unit_test(while_a_death_is_in_an_open_shard_no_segment_may_go),
        cmocka_unit_test(a_finished_corpus_is_extended_from_its_cut_cell),
        cmocka_unit_test(fewer_rows_than_are_sealed_are_refused),
        cmocka_unit_test(
            a_snapshot_comes_back_the_same_and_a_cut_one_is_refused),
        cmocka_unit_test(
            an_owner_may_die_at_any_record_and_more_rows_be_asked_for),
        cmocka_unit_test(surplus_cells_in_the_journal_are_not_drawn_again),
        cmocka_unit_test(an_extension_may_be_interrupted_too),
        cmocka_unit_test(wrong_results_are_invalid_and_change_nothing),
        cmocka_unit_test(a_result_from_an_earlier_life_counts_and_its_half_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
