/* test_kind_written_late.c - the written kind, event by event: ranges that are
 * halved, die or come back, asks that are lost, late, withdrawn or void. */
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

/* -- late and foreign ------------------------------------------------------ */

static void
an_answer_for_a_sealed_row_settles_its_money_and_nothing_else(void **state)
{
    struct world f;
    struct world_task lost = {0};
    struct money_sums s;

    (void)state;
    world_start_in_order(&f, 600, 5);
    world_turn(&f, 1);
    world_until_out(&f);
    assert_int_equal(f.out[0].task, ASK_STEP);
    world_send(&f, &f.out[0]);
    lost = f.out[0];
    f.n_out = 0;
    assert_true(written_kind.gone(f.w, lost.task, KIND_GONE_LOST, f.now_us));
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    s = money_sums(written_money(f.w));
    assert_true(s.unknown > 0);
    *world_add_out(&f, lost.task) = lost;
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_commit(&f);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(money_sums(written_money(f.w)).settled, f.paid);
    assert_int_equal(written_counters(f.w)->surplus, 1);
    assert_int_equal(world_ledger(&f).accepted, 600);
    /* and in a later life */
    world_crash(&f);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(money_sums(written_money(f.w)).settled, f.paid);
    assert_int_equal(written_kind.done(f.w), KIND_DONE);
    world_fini(&f);
}

/* One row's first ask is out, lost, and made anew: the lost one is out[0], the
 * new one is not given out yet. */
static void
given_a_lost_ask_and_another_that_is_ready(struct world *f)
{
    world_start_in_order(f, 1, 5);
    world_until_out(f);
    world_send(f, &f->out[0]);
    f->out[0].known = false;
    assert_true(
        written_kind.gone(f->w, f->out[0].task, KIND_GONE_LOST, f->now_us));
    assert_int_equal(f->n_out, 1);
    while (f->next != KIND_NEXT_INTENT) {
        world_turn(f, 1); /* to the time when it is asked again */
    }
    world_commit(f);
    assert_int_equal(money_sums(written_money(f->w)).reserved,
                     money_sums(written_money(f->w)).unknown);
}

static void
an_ask_that_was_not_sent_is_free_when_a_late_answer_makes_it_needless(
    void **state)
{
    struct world f;

    (void)state;
    given_a_lost_ask_and_another_that_is_ready(&f);
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_commit(&f);
    assert_int_equal(written_counters(f.w)->late, 1);
    world_take_notes(&f);
    world_commit(&f); /* the release */
    assert_int_equal(written_counters(f.w)->unsent, 1);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(money_sums(written_money(f.w)).reserved, 0);
    /* the same in a replay: nothing is waited for that was released */
    world_crash(&f);
    assert_int_equal(money_open(written_money(f.w)), 0);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 2);
    world_fini(&f);
}

static void
an_ask_that_is_out_is_withdrawn_when_a_late_answer_makes_it_needless(
    void **state)
{
    struct world f;
    struct money_sums s;
    uint64_t second;

    (void)state;
    given_a_lost_ask_and_another_that_is_ready(&f);
    world_turn(&f, 1);
    assert_int_equal(f.n_out, 2);
    second = f.out[1].task;
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_commit(&f);
    world_turn(&f, 0);
    assert_false(f.out[0].known); /* the second one */
    assert_int_equal(f.out[0].task, second);
    s = money_sums(written_money(f.w));
    assert_true(s.unknown > 0); /* it may have been sent */
    assert_int_equal(s.reserved, 0);
    /* it was: its answer is paid, and changes nothing */
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_commit(&f);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(written_counters(f.w)->surplus, 1);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 3);
    world_fini(&f);
}

static void
a_result_that_came_before_its_ask_was_withdrawn_is_not_withdrawn(void **state)
{
    struct world f;

    (void)state;
    given_a_lost_ask_and_another_that_is_ready(&f);
    world_turn(&f, 1);
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_commit(&f);
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED); /* the second one */
    world_turn(&f, 0); /* asserts that nothing taken is withdrawn */
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    world_fini(&f);
}

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

/* Its ask is lost with the life that made it. Returns the time until it is made
 * anew. */
static int64_t
asked_anew_after(bool no_late_answers)
{
    struct world f;
    int64_t since, took;
    uint64_t first;

    world_init(&f, 1, 5);
    f.in_order = true;
    f.options.total_ms = 30000;
    f.options.no_late_answers = no_late_answers;
    world_start(&f);
    world_until_out(&f);
    first = f.out[0].task;
    world_drop(&f, 0);
    world_crash(&f);
    since = f.now_us;
    assert_int_equal(money_open(written_money(f.w)), 1);
    while (!f.n_out) {
        world_turn(&f, 1);
        world_commit(&f);
    }
    took = f.now_us - since;
    assert_int_equal(f.out[0].task, first + 1);
    assert_true(money_sums(written_money(f.w)).unknown > 0);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    world_fini(&f);
    return took;
}

static void
an_ask_of_an_earlier_life_is_waited_for_and_then_made_anew(void **state)
{
    int64_t took = asked_anew_after(false);

    (void)state;
    assert_true(took >= 30000000);
    assert_true(took <= 31000000 + TALK_AGAIN_FIRST_US);
}

static void
an_ask_that_nobody_can_answer_any_more_is_made_anew_at_once(void **state)
{
    (void)state;
    assert_true(asked_anew_after(true) <= 1000000 + TALK_AGAIN_FIRST_US);
}

static void
an_ask_that_was_surely_not_sent_is_free_again_when_the_job_stops(void **state)
{
    struct world f;

    (void)state;
    world_start_in_order(&f, 1, 5);
    world_until_out(&f);
    written_kind.stopping(f.w);
    assert_int_equal(money_open(written_money(f.w)), 1);
    assert_true(written_kind.unsent(f.w, f.out[0].task));
    assert_false(written_kind.unsent(f.w, f.out[0].task));
    world_drop(&f, 0);
    world_take_notes(&f);
    world_commit(&f);
    assert_int_equal(money_open(written_money(f.w)), 0);
    world_crash(&f); /* the next life waits for nothing */
    assert_int_equal(money_open(written_money(f.w)), 0);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    world_fini(&f);
}

static struct kind_money
told_after_refusals(struct world *f, unsigned n)
{
    struct kind_money money;

    while (n > 0) {
        world_commit(f);
        world_turn(f, 1);
        if (!f->n_out) continue;
        (void)world_answer(f, 0);
        world_commit(f);
        n--;
    }
    written_kind.money(f->w, &money);
    return money;
}

static void
what_an_endpoint_says_to_all_calls_is_told_of_a_job_of_one_row_too(void **state)
{
    struct world f;
    struct kind_money money;

    (void)state;
    world_init(&f, 1, 5);
    f.in_order = true;
    f.all = ASK_REFUSED;
    world_start(&f);
    money = told_after_refusals(&f, 2);
    assert_null(money.stop);
    money = told_after_refusals(&f, 1);
    assert_string_equal(money.stop, "AUTH: too short");
    assert_true(money.refused);
    f.all = ASK_OUTCOMES;
    money = told_after_refusals(&f, 1); /* an answer */
    assert_null(money.stop);
    assert_false(money.refused);
    world_fini(&f);
}

static void
an_intent_that_a_late_answer_overtakes_on_its_way_to_the_disk_is_void(
    void **state)
{
    struct world f;
    int64_t unknown;

    (void)state;
    world_start_in_order(&f, 1, 5);
    world_until_out(&f);
    /* the first ask is lost, then the second */
    world_send(&f, &f.out[0]);
    f.out[0].known = false;
    written_kind.gone(f.w, f.out[0].task, KIND_GONE_LOST, f.now_us);
    while (f.n_out < 2) {
        world_turn(&f, 1);
        world_commit(&f);
    }
    written_kind.gone(f.w, f.out[1].task, KIND_GONE_LOST, f.now_us);
    world_drop(&f, 1);
    f.now_us += INT64_C(2) * TALK_AGAIN_FIRST_US;
    /* the first one's result is taken, then there is an intent for a third,
     * then both are committed */
    assert_int_equal(world_answer(&f, 0), KIND_ACCEPTED);
    world_turn(&f, 1);
    assert_int_equal(f.next, KIND_NEXT_INTENT);
    world_commit(&f);
    assert_int_equal(written_counters(f.w)->late, 1);
    world_commit(&f);
    world_take_notes(&f);
    world_commit(&f); /* its release */
    assert_int_equal(written_counters(f.w)->unsent, 1);
    assert_int_equal(money_sums(written_money(f.w)).reserved, 0);
    unknown = money_sums(written_money(f.w)).unknown; /* of the second */
    world_crash(&f);
    assert_int_equal(money_sums(written_money(f.w)).unknown, unknown);
    assert_int_equal(money_open(written_money(f.w)), 0);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 2);
    world_fini(&f);
}

static void
money_of_an_intent_that_nobody_waits_for_does_not_stay_reserved(void **state)
{
    static const uint8_t first[] = {0x94, 1, ASK_STEP, 0, 1},
                         void_one[] = {0x94, 1, ASK_STEP + 1, 0, 1};
    const struct ask_result r = {.outcome = ASK_ANSWER,
                                 .answer = (const uint8_t *)"{}",
                                 .answer_len = 2};
    const struct kind_place place = {0};
    struct co_buf result;
    struct world f;

    (void)state;
    world_start_in_order(&f, 1, 5);
    co_buf_init(&result, 4096);
    ask_put_result(&r, &result);
    assert_true(written_kind.replay_note(f.w, first, sizeof first));
    assert_int_equal(
        written_kind.take(f.w, ASK_STEP, result.data, (uint32_t)result.len),
        KIND_ACCEPTED);
    written_kind.place(f.w, ASK_STEP, 0, &place);
    /* written for the stage that this answer ended, and never published */
    assert_true(written_kind.replay_note(f.w, void_one, sizeof void_one));
    co_buf_fini(&result);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 1); /* the second stage, as a third ask */
    f.now_us += SETTLE_US;
    world_turn(&f, 1);
    assert_int_equal(money_sums(written_money(f.w)).reserved, 0);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 1);
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

static void
what_was_released_is_not_waited_for_in_the_next_life(void **state)
{
    static const uint8_t intent[] = {0x94, 1, ASK_STEP, 0, 1},
                         release[] = {0x92, 2, ASK_STEP};
    struct world f;

    (void)state;
    world_init(&f, 1, 5);
    world_start(&f);
    assert_true(written_kind.replay_note(f.w, intent, sizeof intent));
    assert_true(written_kind.replay_note(f.w, release, sizeof release));
    world_check(&f);
    world_turn(&f, 1);
    assert_int_equal(f.next, KIND_NEXT_INTENT);
    world_commit(&f);
    world_turn(&f, 1);
    assert_int_equal(f.n_out, 1);
    assert_int_equal(f.out[0].task, ASK_STEP + 1); /* its id stays used */
    world_fini(&f);
}

/* Records of one row's asks, as many as it may lose and one: each but the last
 * was released behind the intent that followed it. */
static void
what_was_released_behind_a_later_intent_is_free_and_was_not_lost(void **state)
{
    uint8_t intent[] = {0x94, 1, ASK_STEP, 0, 1},
            release[] = {0x92, 2, ASK_STEP};
    struct world f;

    (void)state;
    world_start_in_order(&f, 1, 5);
    assert_true(written_kind.replay_note(f.w, intent, sizeof intent));
    for (unsigned i = 0; i < TALK_LOST_MAX; i++) {
        intent[2]++;
        assert_true(written_kind.replay_note(f.w, intent, sizeof intent));
        assert_true(written_kind.replay_note(f.w, release, sizeof release));
        release[2]++;
        world_check(&f);
    }
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(money_sums(written_money(f.w)).reserved, 1);
    assert_int_equal(money_counters(written_money(f.w))->lost, 0);
    f.now_us += SETTLE_US; /* the last one is lost, and the row asked on */
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(written_counters(f.w)->rows_dead, 0);
    assert_int_equal(written_counters(f.w)->lost, 1);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 1);
    world_fini(&f);
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

static void
money_of_an_ask_that_is_found_again_is_out_again(void **state)
{
    struct world f;
    uint64_t task;

    (void)state;
    world_start_in_order(&f, 1, 5);
    world_until_out(&f);
    task = f.out[0].task;
    written_kind.gone(f.w, task, KIND_GONE_LOST, f.now_us);
    assert_int_equal(money_open(written_money(f.w)), 0);
    assert_true(written_kind.adopt(f.w, task));
    assert_int_equal(money_open(written_money(f.w)), 1);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    assert_int_equal(money_counters(written_money(f.w))->lost, 0);
    world_check(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 2);
    world_fini(&f);
}

static void
results_of_asks_that_were_never_made_are_not_taken(void **state)
{
    const struct ask_result r = {.row = 3,
                                 .outcome = ASK_ANSWER,
                                 .answer = (const uint8_t *)"{}",
                                 .answer_len = 2};
    struct co_buf result;
    struct world f;

    (void)state;
    world_init(&f, 10, 5);
    world_start(&f);
    co_buf_init(&result, 4096);
    ask_put_result(&r, &result);
    assert_int_equal(written_kind.take(f.w, 3 << 8 | ASK_STEP, result.data,
                                       (uint32_t)result.len),
                     KIND_DUPLICATE);
    assert_int_equal(written_kind.take(f.w, 4 << 8 | ASK_STEP, result.data,
                                       (uint32_t)result.len),
                     KIND_INVALID);
    assert_int_equal(written_kind.take(f.w, 3 << 8 | ASK_STEP, result.data, 3),
                     KIND_INVALID);
    assert_false(written_kind.adopt(f.w, 3 << 8 | ASK_STEP));
    co_buf_fini(&result);
    world_fini(&f);
}

/* One intent each of 256 rows that are no rows of this job. */
static void
replay_foreign_intents(struct world *f, uint64_t row)
{
    uint8_t record[4 + 256 * 11] = {0xdc, 3, 1, 1}, *at = record + 4;

    for (uint64_t i = 0; i < 256; i++) {
        const uint64_t task = (row + i) << 8 | ASK_STEP;

        *at++ = 0xcf;
        for (unsigned k = 64; k; k -= 8) {
            *at++ = (uint8_t)(task >> (k - 8));
        }
        *at++ = 0; /* stage */
        *at++ = 0; /* worst */
    }
    assert_true(written_kind.replay_note(f->w, record, sizeof record));
}

static void
a_row_is_begun_only_with_its_intent_and_waits_while_too_many_calls_are_out(
    void **state)
{
    struct world f;

    (void)state;
    world_start_in_order(&f, 10, 5);
    for (uint64_t i = 0; i < MONEY_OPEN_MAX; i += 256) {
        replay_foreign_intents(&f, 1000000 + i);
    }
    assert_int_equal(money_open(written_money(f.w)), MONEY_OPEN_MAX);
    world_turn(&f, 1);
    assert_int_equal(written_counters(f.w)->rows_begun, MONEY_OPEN_MAX);
    assert_int_equal(f.n_journal, 0);
    assert_int_equal(world_run(&f, 0), KIND_DONE); /* when they are given up */
    assert_int_equal(world_ledger(&f).accepted, 10);
    world_fini(&f);
}

static void
a_result_of_another_stage_is_refused_and_the_ask_made_anew(void **state)
{
    const struct ask_result r = {.stage = ASK_PERSONAS,
                                 .outcome = ASK_ANSWER,
                                 .answer = (const uint8_t *)"{}",
                                 .answer_len = 2};
    struct co_buf result;
    struct world f;

    (void)state;
    world_start_in_order(&f, 1, 5);
    world_until_out(&f);
    assert_int_equal(f.out[0].task, ASK_STEP);
    co_buf_init(&result, 4096);
    ask_put_result(&r, &result);
    assert_int_equal(
        written_kind.take(f.w, ASK_STEP, result.data, (uint32_t)result.len),
        KIND_INVALID);
    co_buf_fini(&result);
    assert_int_equal(written_counters(f.w)->invalid, 1);
    /* as the engine does with what answers so */
    assert_true(written_kind.gone(f.w, ASK_STEP, KIND_GONE_FAILED, f.now_us));
    world_drop(&f, 0);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 1);
    world_fini(&f);
}

static void
records_that_cannot_be_are_refused(void **state)
{
    static const uint8_t none[] = {0x90}, other[] = {0x91, 9},
                         half[] = {0x92, 1, 5}, range[] = {0x94, 1, 8, 0, 1},
                         stage[] = {0x94, 1, ASK_STEP, ASK_STAGES, 1},
                         twice[] = {0x97, 1, ASK_STEP, 0, 1, ASK_STEP, 0, 1},
                         good[] = {0x94, 1, ASK_STEP, 0, 1},
                         more[] = {0x94, 1, ASK_STEP + 1, 0, 1, 7};
    struct world f;

    (void)state;
    world_init(&f, 10, 5);
    world_start(&f);
#define REFUSED(r) assert_false(written_kind.replay_note(f.w, r, sizeof(r)))
    REFUSED(none);
    REFUSED(other);
    REFUSED(half);
    REFUSED(range);
    REFUSED(stage);
    assert_true(written_kind.replay_note(f.w, good, sizeof good));
    REFUSED(good); /* an id is given out once */
    REFUSED(twice);
    REFUSED(more);
#undef REFUSED
    world_fini(&f);
}

static void
a_lost_ask_that_is_answered_before_it_is_made_anew_is_asked_once(void **state)
{
    struct world f;
    struct co_buf body;

    (void)state;
    world_start_in_order(&f, 10, 5);
    world_turn(&f, 1);
    world_until_out(&f);
    co_buf_init(&body, 1 << 16);
    assert_true(written_kind.payload(f.w, f.out[0].task, &body));
    written_kind.gone(f.w, f.out[0].task, KIND_GONE_LOST, f.now_us);
    world_send(&f, &f.out[0]);
    assert_false(written_kind.payload(f.w, f.out[0].task, &body));
    (void)world_answer(&f, 0);
    co_buf_fini(&body);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 20);
    assert_int_equal(money_sums(written_money(f.w)).unknown, 0);
    world_fini(&f);
}

/* -- letters -------------------------------------------------------------- */

static void
each_row_that_is_given_up_has_one_letter_in_all_lives(void **state)
{
    struct world f;
    uint64_t letters, all;

    (void)state;
    world_init(&f, 200, 5);
    f.dead = 9;
    f.lose = 20;
    f.options.job = 0xabc;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    world_commit_all(&f);
    letters = f.letters;
    all = f.letters_xor;
    assert_true(letters > 10);
    assert_int_equal(letters, written_counters(f.w)->rows_dead);
    assert_non_null(
        strstr(f.letter, "{\"letter\":1,\"job\":\"0000000000000abc\""));
    assert_non_null(strstr(f.letter, "\"reason\":\"no valid answer after"));
    assert_non_null(strstr(f.letter, "\"error\":\"too short\""));
    assert_non_null(strstr(f.letter, "\"answer\":\"{\\\"row\\\":"));
    f.letters = f.letters_xor = 0;
    world_crash(&f); /* the same are told again, and no other */
    for (unsigned i = 0; i < 100; i++) {
        world_turn(&f, 1);
        world_commit(&f);
    }
    assert_int_equal(f.letters, letters);
    assert_int_equal(f.letters_xor, all);
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
            an_answer_for_a_sealed_row_settles_its_money_and_nothing_else),
        cmocka_unit_test(
            an_ask_that_was_not_sent_is_free_when_a_late_answer_makes_it_needless),
        cmocka_unit_test(
            an_ask_that_is_out_is_withdrawn_when_a_late_answer_makes_it_needless),
        cmocka_unit_test(
            a_result_that_came_before_its_ask_was_withdrawn_is_not_withdrawn),
        cmocka_unit_test(
            a_range_that_comes_back_from_an_earlier_life_is_not_given_out_again),
        cmocka_unit_test(
            an_ask_of_an_earlier_life_is_waited_for_and_then_made_anew),
        cmocka_unit_test(
            what_an_endpoint_says_to_all_calls_is_told_of_a_job_of_one_row_too),
        cmocka_unit_test(
            an_ask_that_was_surely_not_sent_is_free_again_when_the_job_stops),
        cmocka_unit_test(
            an_ask_that_nobody_can_answer_any_more_is_made_anew_at_once),
        cmocka_unit_test(
            a_range_of_an_earlier_life_waits_for_a_row_that_is_asked_on),
        cmocka_unit_test(
            an_intent_that_a_late_answer_overtakes_on_its_way_to_the_disk_is_void),
        cmocka_unit_test(
            money_of_an_intent_that_nobody_waits_for_does_not_stay_reserved),
        cmocka_unit_test(rows_of_a_range_that_a_worker_has_are_not_asked),
        cmocka_unit_test(
            a_range_without_rows_that_can_be_paid_now_is_not_taken),
        cmocka_unit_test(
            a_range_of_an_earlier_life_without_them_is_made_once_more),
        cmocka_unit_test(
            an_answer_that_comes_while_its_range_is_made_is_written_by_a_later_life),
        cmocka_unit_test(
            a_worker_that_writes_no_row_from_some_answers_gets_them_once_in_a_life),
        cmocka_unit_test(what_was_released_is_not_waited_for_in_the_next_life),
        cmocka_unit_test(
            what_was_released_behind_a_later_intent_is_free_and_was_not_lost),
        cmocka_unit_test(money_of_an_ask_that_is_found_again_is_out_again),
        cmocka_unit_test(results_of_asks_that_were_never_made_are_not_taken),
        cmocka_unit_test(
            a_row_is_begun_only_with_its_intent_and_waits_while_too_many_calls_are_out),
        cmocka_unit_test(
            a_result_of_another_stage_is_refused_and_the_ask_made_anew),
        cmocka_unit_test(records_that_cannot_be_are_refused),
        cmocka_unit_test(
            a_lost_ask_that_is_answered_before_it_is_made_anew_is_asked_once),
        cmocka_unit_test(each_row_that_is_given_up_has_one_letter_in_all_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
