/* test_kind_personas.c - exactly N rows, whatever the order of results. The
 * kind is driven by hand here; test_engine.c puts the engine in front. */
#include "personas_world.h"

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
        cmocka_unit_test(wrong_results_are_invalid_and_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
