/* test_kind_personas_lives.c - exactly N rows over several lives: snapshots,
 * journals that are read again, and more rows than before. */
#include "personas_world.h"

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
        cmocka_unit_test(a_finished_corpus_is_extended_from_its_cut_cell),
        cmocka_unit_test(fewer_rows_than_are_sealed_are_refused),
        cmocka_unit_test(
            a_snapshot_comes_back_the_same_and_a_cut_one_is_refused),
        cmocka_unit_test(
            an_owner_may_die_at_any_record_and_more_rows_be_asked_for),
        cmocka_unit_test(surplus_cells_in_the_journal_are_not_drawn_again),
        cmocka_unit_test(an_extension_may_be_interrupted_too),
        cmocka_unit_test(a_result_from_an_earlier_life_counts_and_its_half_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
