/* test_written_degrade.c - a job that degrades: where the money left does not
 * cover the first writer of a row any more, the next one of its arm writes. */
#include "written_pair.h"

/* The first writer is ten times as dear as the world's model. */
#define DEAR 10
#define WORST_FIRST                                                            \
    (DEAR *                                                                    \
     (INT64_C(3) * WORLD_INPUT_MAX + INT64_C(10) * WORLD_OUTPUT_MAX + 1000))
#define WORST_SECOND (WORST_FIRST + DEAR * INT64_C(3) * ASK_ANSWER_MAX)
#define WORST_ROW (WORST_FIRST + WORST_SECOND)

static void
price(struct pair *p, unsigned writer, int64_t times)
{
    p->known[writer].price = (struct price){
        .input = 3 * times, .output = 10 * times, .cached_input = times};
    p->known[writer].price.call = 1000 * times;
}

/* What a row of the first writer really costs. */
static int64_t
row_cost(void)
{
    return DEAR * (world_price(200, 20, 60) + world_price(232, 20, 60));
}

/* cheap: its price, as that of the world's model. */
static struct pair *
given(uint64_t rows, bool builtin, int64_t cheap, int64_t cap)
{
    struct pair *p = given_pair(rows, builtin);

    p->f.in_order = true;
    p->f.overrun_row = UINT64_MAX - 1; /* calls have prices of their own */
    price(p, MAIN, DEAR);
    price(p, CHEAP, cheap);
    p->f.options.cap = cap;
    p->f.options.degrades = true;
    return p;
}

static int64_t
charged(const struct pair *p)
{
    const struct money_sums s = money_sums(written_money(p->f.w));

    return s.settled + s.unknown + s.reserved;
}

static struct kind_money
told(const struct pair *p)
{
    struct kind_money m;

    written_kind.money(p->f.w, &m);
    return m;
}

static void
rows_that_money_does_not_cover_are_the_next_writers(void **state)
{
    struct pair *p = given(200, false, 0, 30 * row_cost() + 5 * WORST_ROW);
    const struct written_counters *n;
    struct kind_lane lanes[KIND_LANES_MAX];

    (void)state;
    world_start(&p->f);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    n = written_counters(p->f.w);
    assert_int_equal(world_ledger(&p->f).accepted, 200);
    /* the first wrote as long as another row of it fits */
    assert_true(charged(p) <= p->f.options.cap);
    assert_true(charged(p) + WORST_ROW > p->f.options.cap);
    assert_true(n->starved > 50 && n->starved < 170);
    assert_int_equal(n->degraded, n->starved);
    assert_int_equal(told(p).starved, n->starved);
    assert_null(told(p).stop);
    assert_int_equal(p->notices, 1);
    assert_non_null(strstr(p->notice, "does not cover provider main"));
    assert_int_equal(written_kind.lanes(p->f.w, lanes), 2);
    assert_int_equal(lanes[MAIN].permille, 0); /* it needs no more workers */
    assert_int_equal(lanes[CHEAP].permille, KIND_LANES_WHOLE);
    end(p);
}

static void
without_that_the_job_stops(void **state)
{
    struct pair *p = given(200, true, 0, 30 * row_cost() + 5 * WORST_ROW);

    (void)state;
    p->f.options.degrades = false;
    world_start(&p->f);
    assert_int_equal(world_run(&p->f, 0), KIND_PARTIAL);
    assert_int_equal(written_counters(p->f.w)->degraded, 0);
    assert_non_null(told(p).stop);
    end(p);
}

/* 200 rows that are out at once may cost many times the cap. */
static void
no_row_is_degraded_for_what_is_only_set_aside(void **state)
{
    struct pair *p = given(200, true, 0, 200 * row_cost() + WORST_ROW);

    (void)state;
    world_start(&p->f);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_int_equal(written_counters(p->f.w)->degraded, 0);
    end(p);
}

static void
the_built_in_writer_is_the_last_and_costs_nothing(void **state)
{
    struct pair *p = given(200, true, 1, 40 * row_cost() + 5 * WORST_ROW);
    const struct written_counters *n;

    (void)state;
    world_start(&p->f);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    n = written_counters(p->f.w);
    assert_int_equal(world_ledger(&p->f).accepted, 200);
    assert_true(charged(p) <= p->f.options.cap);
    assert_true(n->built > 0 && n->built < n->starved);
    assert_true(n->starved < n->rows_done);
    assert_int_equal(p->notices, 3); /* main, cheap, built in */
    assert_non_null(strstr(p->notice, "budget.short"));
    end(p);
}

/* What is left is cut among the arms' own writers. */
static void
where_nobody_is_cheap_enough_the_job_stops_with_whole_rows(void **state)
{
    struct pair *p = given(200, false, 1, 30 * row_cost() + 5 * WORST_ROW);
    const struct written_counters *n;

    (void)state;
    world_start(&p->f);
    assert_int_equal(world_run(&p->f, 0), KIND_PARTIAL);
    n = written_counters(p->f.w);
    assert_true(n->starved > 0);
    assert_int_equal(p->f.asked, 2 * n->rows_done);
    assert_true(charged(p) + WORST_ROW / DEAR > p->f.options.cap);
    assert_non_null(told(p).stop);
    end(p);
}

static void
more_money_keeps_what_is_written_and_goes_on_with_the_first_writer(void **state)
{
    struct pair *p = given(500, false, 1, 150 * row_cost() + 5 * WORST_ROW);
    uint64_t *before = malloc(WORLD_ROWS_MAX * sizeof *before);
    uint64_t starved, kept = 0;

    (void)state;
    assert_non_null(before);
    world_start(&p->f);
    assert_int_equal(world_run(&p->f, 0), KIND_PARTIAL);
    world_commit_all(&p->f);
    memcpy(before, p->f.corpus, WORLD_ROWS_MAX * sizeof *before);
    starved = written_counters(p->f.w)->starved;
    assert_true(starved > 0);
    p->f.options.cap = 600 * row_cost() + 5 * WORST_ROW;
    world_crash(&p->f);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&p->f).accepted, 500);
    assert_int_equal(written_counters(p->f.w)->starved, starved);
    for (unsigned i = 0; i < WORLD_ROWS_MAX; i++) {
        if (!before[i]) continue;
        kept++;
        assert_int_equal(p->f.corpus[i], before[i]);
    }
    assert_true(kept > 100);
    free(before);
    end(p);
}

static void
a_replay_tells_the_same_rows_and_the_same_figures(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct pair *p =
            given(300, true, seed % 2, 40 * row_cost() + 6 * WORST_ROW);

        p->f.in_order = false;
        p->f.random = co_mix64(seed);
        p->f.invalid = 5;
        p->f.dead = 20;
        p->f.lose = seed % 3 ? 0 : 60;
        world_start(&p->f);
        assert_int_equal(world_run(&p->f, seed % 2 ? 3 : 0), KIND_DONE);
        world_commit_all(&p->f);
        assert_true(written_counters(p->f.w)->starved > 20);
        assert_a_crash_changes_nothing(p);
        end(p);
    }
}

/* A phase that is short with its reserve degrades as the whole does. */
static void
a_phase_that_runs_short_degrades(void **state)
{
    for (unsigned phase = 0; phase < ASK_STAGES; phase++) {
        struct pair *p = given(200, true, 0, 0);
        struct world *f = &p->f;
        const int64_t shares[] = {
            phase == 0 ? 20 * WORST_FIRST : 400 * WORST_FIRST,
            phase == 1 ? 2 * WORST_SECOND : 400 * WORST_SECOND};

        (void)state;
        f->options.shares = (struct shares){.is_set = true,
                                            .reserve = WORST_FIRST,
                                            .share = {shares[0], shares[1]}};
        f->options.cap = shares[0] + shares[1] + WORST_FIRST;
        world_start(f);
        assert_int_equal(world_run(f, 0), KIND_DONE);
        assert_int_equal(world_ledger(f).accepted, 200);
        if (phase == 0) {
            assert_true(written_counters(f->w)->starved > 100);
            assert_true(written_counters(f->w)->starved < 200);
        }
        assert_int_equal(written_counters(f->w)->built, 0);
        end(p);
    }
}

/* The first range that was published whole. */
static bool
says(struct pair *p, const char *text)
{
    struct world *f = &p->f;

    for (unsigned turns = 0; turns < 1000; turns++) {
        bool found = false;

        world_turn(f, 1000);
        for (size_t i = 0; i < f->n_out && !found; i++) {
            if ((f->out[i].task & 0xff) >= ASK_STEP) continue;
            found = memmem(f->out[i].payload, f->out[i].len, text,
                           strlen(text)) != NULL;
        }
        if (found) return true;
        if (written_kind.done(f->w) != KIND_RUNNING) return false;
        world_step_in_order(f);
    }
    return false;
}

static void
each_row_says_that_it_was_the_money_unless_fallbacks_are_as_good(void **state)
{
    const char *mark = "\"degraded\":true,\"degraded_by\":\"budget\"";

    (void)state;
    for (unsigned ok = 0; ok < 2; ok++) {
        struct pair *p = given(200, false, 0, 30 * row_cost() + WORST_ROW);

        p->table.fallback_ok = ok;
        world_start(&p->f);
        assert_int_equal(says(p, mark), !ok);
        end(p);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_money_does_not_cover_are_the_next_writers),
        cmocka_unit_test(without_that_the_job_stops),
        cmocka_unit_test(no_row_is_degraded_for_what_is_only_set_aside),
        cmocka_unit_test(the_built_in_writer_is_the_last_and_costs_nothing),
        cmocka_unit_test(
            where_nobody_is_cheap_enough_the_job_stops_with_whole_rows),
        cmocka_unit_test(
            more_money_keeps_what_is_written_and_goes_on_with_the_first_writer),
        cmocka_unit_test(a_replay_tells_the_same_rows_and_the_same_figures),
        cmocka_unit_test(a_phase_that_runs_short_degrades),
        cmocka_unit_test(
            each_row_says_that_it_was_the_money_unless_fallbacks_are_as_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
