/* test_kind_written.c - rows whose texts a model writes: whatever is lost,
 * late, repeated or crashes, the same corpus comes out and no money is
 * uncharged. */
#include "written_world.h"

static void
a_job_in_order_asks_each_row_twice_and_no_row_too_many(void **state)
{
    struct world f;

    (void)state;
    world_init(&f, 60, 1);
    f.in_order = true;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 60);
    assert_int_equal(f.asked, 120);
    assert_int_equal(world_ledger(&f).surplus, 190);
    world_fini(&f);
}

/* -- orders, losses, crashes ---------------------------------------------- */

static void
prepare(struct world *f, uint64_t seed)
{
    world_init(f, 120 + seed % 7 * 100, seed);
    f->dead = 17;
    f->invalid = 5;
    f->reject = seed % 3 ? 0 : 11;
}

/* The corpus that comes out when nothing goes wrong. */
static uint64_t *
expected(uint64_t seed)
{
    struct world f;
    uint64_t *corpus;

    prepare(&f, seed);
    f.in_order = true;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    corpus = f.corpus;
    f.corpus = NULL;
    world_fini(&f);
    return corpus;
}

static void
assert_corpus(const struct world *f, uint64_t seed)
{
    uint64_t *want = expected(seed);

    for (uint64_t row = 0; row < WORLD_ROWS_MAX; row++) {
        if (f->corpus[row] == want[row]) continue;
        fail_msg("seed %" PRIu64 ": row %" PRIu64 " is %s", seed, row,
                 !f->corpus[row] ? "missing"
                 : want[row]     ? "another"
                                 : "too many");
    }
    free(want);
}

static void
run_seed(uint64_t seed, uint32_t lose, unsigned crashes)
{
    struct world f;

    prepare(&f, seed);
    f.lose = lose;
    world_start(&f);
    assert_int_equal(world_run(&f, crashes), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, f.personas_options.rows);
    assert_corpus(&f, seed);
    world_fini(&f);
}

static void
any_order_of_answers_gives_the_same_corpus(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 70; seed++) {
        run_seed(seed, 0, 0);
    }
}

static void
lost_late_and_repeated_answers_give_the_same_corpus(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 170; seed++) {
        run_seed(seed, 20, 0);
    }
}

static void
crashes_give_the_same_corpus_and_ask_nothing_twice(void **state)
{
    (void)state;
    for (uint64_t seed = 200; seed < 270; seed++) {
        run_seed(seed, 20, 3);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_job_in_order_asks_each_row_twice_and_no_row_too_many),
        cmocka_unit_test(any_order_of_answers_gives_the_same_corpus),
        cmocka_unit_test(lost_late_and_repeated_answers_give_the_same_corpus),
        cmocka_unit_test(crashes_give_the_same_corpus_and_ask_nothing_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
