/* test_kind_written.c - rows whose texts a model writes: whatever is lost,
 * late, repeated or crashes, the same corpus comes out and no money is
 * uncharged. */
#include "written_world.h"

static void
a_job_in_order_asks_each_row_twice_and_no_row_too_many(void **state)
{
    struct world f;

    (void)state;
    world_start_in_order(&f, 60, 1);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 60);
    assert_int_equal(f.asked, 120);
    assert_int_equal(world_ledger(&f).surplus, 190);
    world_fini(&f);
}

/* With one call at a time. */
static void
a_row_is_asked_on_before_new_rows_whose_intents_were_there_earlier(void **state)
{
    struct world f;

    (void)state;
    world_start_in_order(&f, 200, 1);
    while (!f.n_out) {
        world_turn(&f, 1);
        world_commit(&f);
    }
    assert_int_equal(f.out[0].task, ASK_STEP);
    assert_true(written_counters(f.w)->asks > 2); /* others may be asked */
    (void)world_answer(&f, 0);
    world_commit(&f);
    world_turn(&f, 1); /* nothing idles while the second intent is written */
    assert_int_equal(f.out[0].task, 1 << 8 | ASK_STEP);
    world_commit_all(&f);
    world_turn(&f, 1);
    assert_int_equal(f.out[1].task, ASK_STEP + 1);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 200);
    world_fini(&f);
}

/* Of what is intended and not given out nobody knows after a crash. */
static void
no_more_is_intended_than_can_be_given_out(void **state)
{
    struct world f;

    (void)state;
    world_start_in_order(&f, 200, 1);
    written_kind.room(f.w, 5);
    for (int i = 0; i < 3; i++) {
        world_turn(&f, 5);
    }
    assert_int_equal(f.n_out, 0);
    assert_int_equal(money_open(written_money(f.w)), 5);
    world_commit_all(&f);
    world_turn(&f, 5);
    assert_int_equal(f.n_out, 5);
    assert_int_equal(money_open(written_money(f.w)), 5);
    written_kind.room(f.w, 2);
    world_turn(&f, 2);
    world_turn(&f, 2);
    assert_int_equal(money_open(written_money(f.w)), 7);
    (void)world_answer(&f, 0); /* the row's second ask is one of the two */
    world_commit_all(&f);
    written_kind.room(f.w, 2);
    world_turn(&f, 2);
    assert_int_equal(money_open(written_money(f.w)), 6);
    written_kind.room(f.w, UINT32_MAX);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 200);
    world_fini(&f);
}

/* -- orders, losses, crashes ---------------------------------------------- */

static void
prepare(struct world *f, uint64_t seed)
{
    static const uint64_t rows[] = {40, 300, 90, 1, 60, 520, 20};

    world_init(f, rows[seed % co_countof(rows)], seed);
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

/* When all has been waited for, no money is left reserved. */
static void
assert_nothing_reserved(struct world *f)
{
    f->now_us += 2 * SETTLE_US;
    for (unsigned i = 0; i < 10; i++) {
        world_turn(f, 1);
        world_commit_all(f);
        for (size_t k = f->n_out; k-- > 0;) {
            if (f->out[k].known) (void)world_answer(f, k);
        }
    }
    assert_int_equal(money_sums(written_money(f->w)).reserved, 0);
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
    assert_nothing_reserved(&f);
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

/* -- money ---------------------------------------------------------------- */

static void
a_spent_budget_ends_the_job_with_the_rows_it_paid_for(void **state)
{
    struct world f;

    (void)state;
    for (uint64_t seed = 300; seed < 330; seed++) {
        prepare(&f, seed);
        f.lose = seed % 2 ? 30 : 0;
        f.options.cap = INT64_C(120) * world_price(300, 0, 60);
        f.personas_options.rows = 400;
        world_start(&f);
        assert_int_equal(world_run(&f, (unsigned)(seed % 3)), KIND_PARTIAL);
        assert_true(world_ledger(&f).accepted > 20);
        assert_true(world_ledger(&f).accepted < 100);
        assert_int_equal(world_ledger(&f).pending, 0);
        world_fini(&f);
    }
}

static void
a_raised_budget_goes_on_where_the_job_stopped(void **state)
{
    struct world f;
    uint64_t before;

    (void)state;
    world_init(&f, 400, 5);
    f.options.cap = INT64_C(120) * world_price(300, 0, 60);
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    before = world_ledger(&f).accepted;
    world_commit_all(&f);
    f.options.cap *= 100;
    world_crash(&f);
    assert_int_equal(written_kind.done(f.w), KIND_RUNNING);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_true(before > 0);
    assert_int_equal(world_ledger(&f).accepted, 400);
    /* two asks a row, and what was half done when the money ended */
    assert_true(f.asked < 2 * 400 + 20);
    world_fini(&f);
}

/* -- going on ------------------------------------------------------------- */

/* As one run would have come out: same rows, same number of questions where
 * none was lost, same ledger. */
static void
assert_as_one_run(struct world *f, uint64_t seed, uint64_t rows)
{
    struct world one;

    prepare(&one, seed);
    one.in_order = true;
    one.personas_options.rows = rows;
    one.personas_options.shard_rows = f->personas_options.shard_rows;
    world_start(&one);
    assert_int_equal(world_run(&one, 0), KIND_DONE);
    for (uint64_t row = 0; row < WORLD_ROWS_MAX; row++) {
        if (f->corpus[row] == one.corpus[row]) continue;
        fail_msg("seed %" PRIu64 ": row %" PRIu64 " is %s", seed, row,
                 !f->corpus[row]   ? "missing"
                 : one.corpus[row] ? "another"
                                   : "too many");
    }
    if (!f->lose) assert_int_equal(f->asked, one.asked);
    assert_int_equal(world_ledger(f).accepted, rows);
    assert_int_equal(world_ledger(f).dead, world_ledger(&one).dead);
    assert_int_equal(world_ledger(f).surplus, world_ledger(&one).surplus);
    assert_int_equal(world_ledger(f).drawn, world_ledger(&one).drawn);
    world_fini(&one);
}

static void
more_rows_go_on_behind_the_last_and_not_in_the_next_cell(void **state)
{
    static const uint64_t steps[][3] = {
        {20, 40, 40}, {20, 21, 300}, {1, 499, 501}, {260, 520, 790}};

    (void)state;
    for (uint64_t seed = 400; seed < 424; seed++) {
        const uint64_t *rows = steps[seed % co_countof(steps)];
        struct world f;

        prepare(&f, seed);
        f.in_order = seed % 3 == 0;
        f.lose = seed % 3 == 1 ? 30 : 0;
        for (unsigned i = 0; i < 3; i++) {
            f.personas_options.rows = rows[i];
            if (i) {
                world_next_life(&f);
            } else {
                world_start(&f);
            }
            assert_int_equal(world_run(&f, seed % 3 == 1), KIND_DONE);
        }
        assert_as_one_run(&f, seed, rows[2]);
        world_fini(&f);
    }
}

/* Runs with so much money, and with step more each second time; how often it
 * did not suffice. */
static unsigned
run_in_stops(struct world *f, uint64_t seed, int64_t cap, int64_t step)
{
    unsigned stops = 0;

    f->in_order = seed % 3 == 0;
    f->lose = seed % 3 == 1 ? 30 : 0;
    f->options.cap = cap;
    world_start(f);
    while (world_run(f, seed % 3 == 1) == KIND_PARTIAL) {
        assert_int_equal(world_ledger(f).pending, 0);
        /* once more in vain costs nothing and changes nothing */
        if (stops % 2 == 0) f->options.cap += step;
        if (++stops > 4000) fail_msg("the job does not end");
        if (stops > 40) f->options.cap += 50 * step;
        world_next_life(f);
    }
    return stops;
}

static void
money_that_ends_anywhere_and_more_of_it_give_the_rows_of_one_run(void **state)
{
    unsigned stops = 0;

    (void)state;
    for (uint64_t seed = 500; seed < 536; seed++) {
        const int64_t step =
            (int64_t)(2 + seed % 90) * world_price(300, 0, 60) + 4000;
        struct world f;

        prepare(&f, seed);
        stops += run_in_stops(&f, seed, step, step);
        assert_as_one_run(&f, seed, f.personas_options.rows);
        world_fini(&f);
    }
    assert_true(stops > 100);
}

static void
money_that_ends_between_two_shards_changes_no_row(void **state)
{
    unsigned stops = 0;

    (void)state;
    for (uint64_t seed = 600; seed < 640; seed++) {
        const int64_t row = 2 * world_price(220, 0, 60);
        struct world f;

        prepare(&f, seed);
        f.personas_options.rows = 300;
        f.personas_options.shard_rows = PERSONAS_CELL;
        stops += run_in_stops(&f, seed, (int64_t)(seed - 380) * row, 5 * row);
        assert_as_one_run(&f, seed, 300);
        world_fini(&f);
    }
    assert_true(stops > 40);
}

static void
rows_that_say_the_same_are_left_out_as_in_one_run(void **state)
{
    (void)state;
    for (uint64_t seed = 700; seed < 715; seed++) {
        const uint64_t rows = 30 + seed % 50;
        struct world f, one;

        world_init(&one, rows, seed);
        one.personas_options.dedup = true;
        one.personas_options.hash_bits = 10;
        one.in_order = true;
        world_start(&one);
        assert_int_equal(world_run(&one, 0), KIND_DONE);
        world_init(&f, rows, seed);
        f.personas_options = one.personas_options;
        f.personas_options.load_self = &f;
        (void)run_in_stops(&f, seed, 20 * world_price(220, 0, 60),
                           20 * world_price(220, 0, 60));
        for (uint64_t row = 0; row < WORLD_ROWS_MAX; row++) {
            assert_int_equal(f.corpus[row], one.corpus[row]);
        }
        assert_int_equal(world_ledger(&f).accepted, rows);
        assert_int_equal(world_ledger(&f).duplicates,
                         world_ledger(&one).duplicates);
        assert_int_equal(world_ledger(&f).drawn, world_ledger(&one).drawn);
        world_fini(&one);
        world_fini(&f);
    }
}

static void
no_row_is_begun_that_the_money_left_could_not_finish(void **state)
{
    struct world f;

    (void)state;
    world_init(&f, 100, 5);
    f.in_order = true;
    /* a row and a half at its worst: the second one is not begun */
    f.options.cap = 3 * (int64_t)(WORLD_INPUT_MAX * 3 + WORLD_OUTPUT_MAX * 10 +
                                  1000 + 3 * ASK_ANSWER_MAX / 2);
    world_start(&f);
    world_turn(&f, 100);
    assert_int_equal(money_open(written_money(f.w)), 1);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    assert_int_equal(f.asked, 2 * world_ledger(&f).accepted);
    world_fini(&f);
}

static void
a_call_that_costs_more_than_it_could_stops_the_job(void **state)
{
    struct world f;
    struct co_buf why;
    uint64_t asked;

    (void)state;
    world_init(&f, 500, 5);
    f.overrun_row = 30;
    f.options.cap = 1000000000000;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    assert_int_equal(money_counters(written_money(f.w))->overruns, 1);
    assert_true(world_ledger(&f).accepted < 500);
    co_buf_init(&why, 1 << 16);
    written_kind.why(f.w, f.now_us, &why);
    assert_non_null(strstr(co_buf_text(&why), "cost more than it could"));
    co_buf_fini(&why);
    world_commit_all(&f);
    asked = f.asked;
    world_crash(&f); /* it stays stopped */
    world_turn(&f, 10);
    assert_int_equal(f.asked, asked);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    world_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_row_is_asked_on_before_new_rows_whose_intents_were_there_earlier),
        cmocka_unit_test(no_more_is_intended_than_can_be_given_out),
        cmocka_unit_test(
            a_job_in_order_asks_each_row_twice_and_no_row_too_many),
        cmocka_unit_test(any_order_of_answers_gives_the_same_corpus),
        cmocka_unit_test(lost_late_and_repeated_answers_give_the_same_corpus),
        cmocka_unit_test(crashes_give_the_same_corpus_and_ask_nothing_twice),
        cmocka_unit_test(a_spent_budget_ends_the_job_with_the_rows_it_paid_for),
        cmocka_unit_test(a_raised_budget_goes_on_where_the_job_stopped),
        cmocka_unit_test(
            more_rows_go_on_behind_the_last_and_not_in_the_next_cell),
        cmocka_unit_test(
            money_that_ends_anywhere_and_more_of_it_give_the_rows_of_one_run),
        cmocka_unit_test(money_that_ends_between_two_shards_changes_no_row),
        cmocka_unit_test(rows_that_say_the_same_are_left_out_as_in_one_run),
        cmocka_unit_test(no_row_is_begun_that_the_money_left_could_not_finish),
        cmocka_unit_test(a_call_that_costs_more_than_it_could_stops_the_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
