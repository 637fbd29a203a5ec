/* test_written_phases.c - a budget by phase: each has its share, takes from the
 * reserve, and stops; what one leaves is the next one's. */
#include "written_world.h"

/* The worst case of a call that is made once, per phase. */
#define WORST_FIRST                                                            \
    (INT64_C(3) * WORLD_INPUT_MAX + INT64_C(10) * WORLD_OUTPUT_MAX + 1000)
#define WORST_SECOND (WORST_FIRST + INT64_C(3) * ASK_ANSWER_MAX)

static void
cut(struct world *f, int64_t reserve, int64_t background, int64_t personas)
{
    f->options.cap = reserve + background + personas;
    f->options.shares = (struct shares){
        .is_set = true, .reserve = reserve, .share = {background, personas}};
}

static int64_t
charged(const struct world *f, unsigned phase)
{
    const struct money_sums s = money_phase(written_money(f->w), phase).sums;

    return s.settled + s.unknown + s.reserved;
}

static void
assert_stopped_by(const struct world *f, const char *phase)
{
    struct kind_money told;
    struct co_buf why, want;

    written_kind.money(f->w, &told);
    assert_non_null(told.stop);
    co_buf_init(&want, 256);
    co_buf_printf(&want, "the share of phase %s and the reserve", phase);
    assert_non_null(strstr(told.stop, co_buf_text(&want)));
    co_buf_init(&why, 1 << 16);
    written_kind.why(f->w, f->now_us, &why);
    assert_non_null(strstr(co_buf_text(&why), co_buf_text(&want)));
    co_buf_fini(&why);
    co_buf_fini(&want);
}

static void
a_phase_that_runs_short_takes_the_reserve_and_then_stops_the_job(void **state)
{
    struct world f;
    int64_t reserve;

    (void)state;
    world_init(&f, 300, 3);
    f.in_order = true;
    cut(&f, 2 * WORST_FIRST, 10 * WORST_FIRST, 400 * WORST_SECOND);
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    assert_stopped_by(&f, "background");
    /* all of its share is gone, and of the reserve what another call needs */
    assert_true(charged(&f, ASK_BACKGROUND) > 11 * WORST_FIRST);
    assert_true(charged(&f, ASK_BACKGROUND) <= 12 * WORST_FIRST);
    assert_true(money_taken(written_money(f.w), &reserve) > WORST_FIRST);
    assert_int_equal(reserve, 2 * WORST_FIRST);
    /* no row was begun that did not end, though the other has plenty */
    assert_int_equal(f.asked, 2 * written_counters(f.w)->rows_done);
    assert_true(written_counters(f.w)->rows_done > 0);
    /* once more in vain, then with a larger share */
    world_next_life(&f);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    assert_stopped_by(&f, "background");
    cut(&f, 2 * WORST_FIRST, 300 * WORST_FIRST, 400 * WORST_SECOND);
    world_next_life(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 300);
    assert_int_equal(f.asked, 600);
    world_fini(&f);
}

static void
the_second_phase_is_named_when_it_is_the_one_that_is_short(void **state)
{
    const int64_t row = world_price(240, 0, 60);
    struct world f;

    (void)state;
    world_init(&f, 300, 3);
    f.in_order = true;
    /* the first has what its calls take, and nothing to leave */
    cut(&f, WORST_FIRST, 300 * row, 2 * WORST_SECOND);
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    assert_stopped_by(&f, "personas");
    assert_int_equal(f.asked, 2 * written_counters(f.w)->rows_done);
    world_fini(&f);
}

/* All rows come out, the second phase with more than its own share. */
static void
ends_with_money_of_the_first(int64_t background, int64_t personas)
{
    struct world f;

    world_init(&f, 300, 3);
    f.in_order = true;
    cut(&f, 0, background, personas);
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 300);
    assert_true(charged(&f, ASK_PERSONAS) > f.options.shares.share[1]);
    world_fini(&f);
}

/* The first costs a third of what it may, and its share is far too large; the
 * second has too little for all rows, and gets the rest of the first's. */
static void
what_the_first_phase_leaves_pays_for_the_second(void **state)
{
    const int64_t row = world_price(240, 0, 60);

    (void)state;
    ends_with_money_of_the_first(400 * row + 20 * WORST_SECOND,
                                 200 * row + WORST_SECOND);
}

/* Too little to ask the 20 rows that say what a row takes: those that ended say
 * it, once there is nothing else to wait for. */
static void
a_small_second_share_ends_no_job_that_has_the_money(void **state)
{
    const int64_t row = world_price(240, 0, 60);

    (void)state;
    ends_with_money_of_the_first(800 * row + 20 * WORST_SECOND,
                                 2 * WORST_SECOND);
}

/* As one run without a budget would have come out. */
static void
assert_as_one_run(const struct world *f, uint64_t seed)
{
    struct world one;

    world_init(&one, f->personas_options.rows, seed);
    one.in_order = true;
    one.dead = f->dead;
    one.invalid = f->invalid;
    world_start(&one);
    assert_int_equal(world_run(&one, 0), KIND_DONE);
    for (uint64_t row = 0; row < WORLD_ROWS_MAX; row++) {
        assert_int_equal(f->corpus[row], one.corpus[row]);
    }
    if (!f->lose) assert_int_equal(f->asked, one.asked);
    world_fini(&one);
}

/* Rows that die, calls that are lost, crashes: shares that bind change when
 * rows are asked, and no row. */
static void
shares_that_bind_anywhere_give_the_rows_of_one_run(void **state)
{
    unsigned stops = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        const int64_t step = (int64_t)(2 + seed % 40) * WORST_SECOND;
        const unsigned percent = 20 + (unsigned)seed * 7 % 60;
        struct world f;
        int64_t cap = 4 * WORST_SECOND;

        world_init(&f, 40 + seed * 11 % 300, seed);
        f.in_order = seed % 3 == 0;
        f.lose = seed % 3 == 1 ? 30 : 0;
        f.dead = 17;
        f.invalid = 5;
        for (unsigned tries = 0;; tries++) {
            const int64_t reserve = cap / 10,
                          first = (cap - reserve) * percent / 100;

            cut(&f, reserve, first, cap - reserve - first);
            if (tries) {
                world_next_life(&f);
            } else {
                world_start(&f);
            }
            if (world_run(&f, seed % 3 == 1 ? 2 : 0) == KIND_DONE) break;
            stops++;
            if (tries > 400) fail_msg("the job does not end");
            cap += step;
        }
        assert_as_one_run(&f, seed);
        world_fini(&f);
    }
    assert_true(stops > 50);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_phase_that_runs_short_takes_the_reserve_and_then_stops_the_job),
        cmocka_unit_test(
            the_second_phase_is_named_when_it_is_the_one_that_is_short),
        cmocka_unit_test(what_the_first_phase_leaves_pays_for_the_second),
        cmocka_unit_test(a_small_second_share_ends_no_job_that_has_the_money),
        cmocka_unit_test(shares_that_bind_anywhere_give_the_rows_of_one_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
