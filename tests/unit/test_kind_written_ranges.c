/* test_kind_written_ranges.c - the written kind, event by event: ranges that
 * are halved, die, lack answers, or come back from an earlier life. */
#include "written_world.h"

/* -- ranges --------------------------------------------------------------- */

static void
a_halved_range_has_the_answers_of_its_halves(void **state)
{
    struct world f;
    uint64_t halves[2], whole;
    size_t at;

    (void)state;
    world_start_in_order(&f, 250, 5);
    at = world_until_range(&f);
    whole = f.out[at].task;
    assert_int_equal(written_kind.split(f.w, whole, halves), 2);
    assert_null(written_kind.check(f.w));
    world_drop(&f, at);
    for (unsigned h = 0; h < 2; h++) {
        assert_true(world_publish(&f, world_add_out(&f, halves[h])));
    }
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 250);
    assert_int_equal(f.asked, 500);
    world_fini(&f);
}

static void
a_range_that_died_and_is_revived_is_written_from_the_same_answers(void **state)
{
    struct world f;
    uint64_t range;
    size_t at;

    (void)state;
    world_start_in_order(&f, 500, 5);
    at = world_until_range(&f);
    range = f.out[at].task;
    world_drop(&f, at);
    written_kind.dead(f.w, range);
    world_check(&f);
    assert_int_equal(world_ledger(&f).dead, 250);
    assert_true(written_kind.revive(f.w, range));
    assert_false(written_kind.revive(f.w, range));
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 500);
    assert_int_equal(f.asked, 1000);
    world_fini(&f);
}

static void
a_range_that_accepts_rows_without_answers_is_refused(void **state)
{
    struct world f;
    struct fake_task whole = {0};
    struct co_buf result;
    size_t at;

    (void)state;
    world_init(&f, 250, 5);
    f.in_order = true;
    f.dead = 9;
    world_start(&f);
    at = world_until_range(&f);
    whole.start = f.out[at].task >> 8;
    whole.count = whole.take = 250;
    co_buf_init(&result, 1 << 20);
    fake_answer(whole, 0, &result);
    assert_int_equal(written_kind.take(f.w, f.out[at].task, result.data,
                                       (uint32_t)result.len),
                     KIND_INVALID);
    co_buf_fini(&result);
    assert_int_equal(written_counters(f.w)->invalid, 1);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    world_fini(&f);
}

static void
new_rows_wait_when_answers_fill_their_memory_but_never_the_oldest(void **state)
{
    struct world f;

    (void)state;
    world_init(&f, 900, 5);
    f.options.answers_max = 1; /* all but the oldest cell wait */
    world_start(&f);
    assert_int_equal(world_run(&f, 1), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 900);
    world_fini(&f);
    world_init(&f, 900, 5);
    f.options.answers_max = 1;
    f.in_order = true;
    world_start(&f);
    world_step_in_order(&f);
    world_step_in_order(&f);
    for (unsigned i = 0; i < 60 && f.next != KIND_NEXT_ANSWERS; i++) {
        world_turn(&f, 1000);
        while (f.n_out && (f.out[0].task & 0xff) >= ASK_STEP) {
            (void)world_answer(&f, 0);
        }
        world_commit_all(&f);
    }
    assert_int_equal(f.next, KIND_NEXT_ANSWERS);
    world_fini(&f);
}

/* -- other lives ----------------------------------------------------------- */

static void
a_range_that_comes_back_from_an_earlier_life_is_not_given_out_again(
    void **state)
{
    struct world f;

    (void)state;
    world_start_in_order(&f, 500, 5);
    (void)world_until_range(&f);
    while (f.n_out != 2 || ((f.out[0].task | f.out[1].task) & 0xff)) {
        world_turn(&f, 1000);
        for (size_t i = f.n_out; i-- > 0;) {
            if ((f.out[i].task & 0xff) >= ASK_STEP) (void)world_answer(&f, i);
        }
        world_commit_all(&f);
    }
    for (size_t i = 0; i < 2; i++) {
        world_send(&f, &f.out[i]);
    }
    world_crash(&f); /* nobody adopts what is done */
    world_turn(&f, 1);
    assert_int_equal(f.n_out, 3); /* one of the two is given out again */
    for (size_t i = 2; i-- > 0;) {
        if (f.out[i].task != f.out[2].task) {
            assert_int_equal(world_answer(&f, i), KIND_ACCEPTED);
        }
    }
    world_turn(&f, 10); /* asserts that nothing taken is given out */
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 500);
    world_fini(&f);
}

/* A budget was cut when rows were half done, their range went out without them,
 * and a worker still has it when the next life has more money. */
static struct world_task
given_a_range_from_before_that_lacks_rows(struct world *f)
{
    struct world_task range;
    size_t at;

    world_start_in_order(f, 240, 5);
    for (unsigned i = 0; i < 4; i++) {
        world_step_in_order(f);
    }
    f->options.cap = 1;
    f->overrun_row = UINT64_MAX - 1; /* more is spent than this cap */
    world_crash(f);
    at = world_until_range(f);
    assert_true(written_counters(f->w)->rows_begun >
                written_counters(f->w)->rows_done);
    range = f->out[at];
    f->out[at] = f->out[--f->n_out];
    while (f->n_out) {
        world_drop(f, 0);
    }
    f->options.cap = 0;
    world_crash(f);
    return range;
}

static void
rows_of_a_range_that_a_worker_has_are_not_asked(void **state)
{
    struct world f;
    struct world_task range;
    uint64_t asked;
    size_t records;

    (void)state;
    range = given_a_range_from_before_that_lacks_rows(&f);
    assert_true(written_kind.adopt(f.w, range.task));
    asked = f.asked;
    records = f.n_journal;
    for (unsigned i = 0; i < 10; i++) {
        world_step_in_order(&f);
    }
    assert_int_equal(f.asked, asked);
    assert_int_equal(f.n_journal, records); /* and nobody intends to */
    /* it is lost with its worker: now they are asked, and it waits for them */
    assert_false(world_publish(&f, &range));
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).dead, 0);
    assert_int_equal(world_ledger(&f).accepted, 240);
    free(range.payload);
    world_fini(&f);
}

static void
a_range_without_rows_that_can_be_paid_now_is_not_taken(void **state)
{
    struct world f;
    struct world_task range;
    uint64_t asks = 0;

    (void)state;
    range = given_a_range_from_before_that_lacks_rows(&f);
    while (!f.n_out) { /* nobody named the range: its rows are asked on */
        world_turn(&f, 100);
        world_commit(&f);
    }
    asks = f.n_out;
    *world_add_out(&f, range.task) = range;
    assert_int_equal(world_answer(&f, asks), KIND_LATE);
    world_turn(&f, 0);
    for (size_t i = 0; i < asks; i++) {
        assert_true(f.out[i].known);
    }
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 240);
    assert_int_equal(world_ledger(&f).dead, 0);
    world_fini(&f);
}

static void
a_range_of_an_earlier_life_without_them_is_made_once_more(void **state)
{
    struct world f;
    struct world_task range;

    (void)state;
    range = given_a_range_from_before_that_lacks_rows(&f);
    assert_true(written_kind.adopt(f.w, range.task));
    *world_add_out(&f, range.task) = range;
    assert_int_equal(world_answer(&f, f.n_out - 1), KIND_LATE);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 240);
    assert_int_equal(world_ledger(&f).dead, 0);
    world_fini(&f);
}

/* All rows of the first range are answered but this one, whose last ask is with
 * a worker that nobody hears of, when the budget is cut. */
static struct world_task
given_a_range_that_lacks_the_answer_of(struct world *f, uint64_t row)
{
    struct world_task late = {0};

    world_start_in_order(f, PERSONAS_CELL, 5);
    while (written_counters(f->w)->rows_done < PERSONAS_CELL - 1) {
        world_turn(f, 1000);
        while (f->n_out) {
            if (f->out[0].task == (row << 8 | (ASK_STEP + 1))) {
                world_send(f, &f->out[0]);
                late = f->out[0];
                f->out[0] = f->out[--f->n_out];
            } else {
                (void)world_answer(f, 0);
            }
        }
        world_commit_all(f);
    }
    assert_true(late.sent);
    f->options.cap = 1;
    f->overrun_row = UINT64_MAX - 1; /* more is spent than this cap */
    world_crash(f);
    return late;
}

/* It comes while the last range, which goes without it, is being made. */
static void
an_answer_that_comes_while_its_range_is_made_is_written_by_a_later_life(
    void **state)
{
    const uint64_t row = 100;
    struct world f;
    struct world_task late;
    size_t range;

    (void)state;
    late = given_a_range_that_lacks_the_answer_of(&f, row);
    f.now_us += SETTLE_US;
    range = world_until_range(&f);
    assert_int_equal(f.n_out, 1);
    assert_int_equal(f.corpus[row], 0);
    *world_add_out(&f, late.task) = late;
    assert_int_equal(world_answer(&f, 1), KIND_ACCEPTED);
    world_commit(&f);
    assert_int_equal(written_counters(f.w)->rows_done, PERSONAS_CELL);
    assert_int_equal(world_answer(&f, range), KIND_ACCEPTED);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    assert_int_equal(world_ledger(&f).accepted, PERSONAS_CELL - 1);
    world_crash(&f); /* it needs no more money */
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, PERSONAS_CELL);
    assert_int_equal(f.asked, 2 * PERSONAS_CELL);
    assert_true(f.corpus[row] != 0);
    world_crash(&f); /* and stays written */
    assert_int_equal(written_kind.done(f.w), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, PERSONAS_CELL);
    world_fini(&f);
}

/* The answers of a later life say the same: its ranges are made once more. */
static void
a_worker_that_writes_no_row_from_some_answers_gets_them_once_in_a_life(
    void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world f;

        world_init(&f, 700, seed);
        f.options.accepts = NULL; /* nobody but the worker knows */
        f.reject = 7;
        f.lose = seed % 2 ? 20 : 0;
        world_start(&f);
        assert_int_equal(world_run(&f, 3), KIND_DONE);
        assert_int_equal(world_ledger(&f).accepted, 700);
        world_next_life(&f);
        assert_int_equal(world_run(&f, 0), KIND_DONE);
        assert_int_equal(world_ledger(&f).accepted, 700);
        world_fini(&f);
    }
}

/* A row that was given up as its calls were lost is asked on by the next life,
 * which knows nothing of that; and the range that went out without it, and that
 * a worker still has, is held back again. */
static void
a_range_of_an_earlier_life_waits_for_a_row_that_is_asked_on(void **state)
{
    struct world f;
    struct co_buf body;
    uint64_t range;

    (void)state;
    world_start_in_order(&f, 1, 5);
    for (unsigned lost = 0; lost < TALK_LOST_MAX;) {
        world_turn(&f, 1);
        world_commit_all(&f);
        if (!f.n_out) continue;
        assert_int_equal(f.out[0].task >> 8, 0);
        written_kind.gone(f.w, f.out[0].task, KIND_GONE_LOST, f.now_us);
        world_drop(&f, 0);
        lost++;
    }
    assert_int_equal(written_counters(f.w)->rows_dead, 1);
    range = f.out[world_until_range(&f)].task;
    while (f.n_out) {
        world_drop(&f, 0);
    }
    world_crash(&f);
    assert_true(written_kind.adopt(f.w, range));
    co_buf_init(&body, 1 << 20);
    assert_false(written_kind.payload(f.w, range, &body)); /* it was lost */
    assert_int_equal(body.len, 0);
    co_buf_fini(&body);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).dead, 1);
    world_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_halved_range_has_the_answers_of_its_halves),
        cmocka_unit_test(
            a_range_that_died_and_is_revived_is_written_from_the_same_answers),
        cmocka_unit_test(a_range_that_accepts_rows_without_answers_is_refused),
        cmocka_unit_test(
            new_rows_wait_when_answers_fill_their_memory_but_never_the_oldest),
        cmocka_unit_test(
            a_range_that_comes_back_from_an_earlier_life_is_not_given_out_again),
        cmocka_unit_test(
            a_range_of_an_earlier_life_waits_for_a_row_that_is_asked_on),
        cmocka_unit_test(rows_of_a_range_that_a_worker_has_are_not_asked),
        cmocka_unit_test(
            a_range_without_rows_that_can_be_paid_now_is_not_taken),
        cmocka_unit_test(
            a_range_of_an_earlier_life_without_them_is_made_once_more),
        cmocka_unit_test(
            an_answer_that_comes_while_its_range_is_made_is_written_by_a_later_life),
        cmocka_unit_test(
            a_worker_that_writes_no_row_from_some_answers_gets_them_once_in_a_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
