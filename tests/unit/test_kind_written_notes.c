/* test_kind_written_notes.c - the written kind, event by event: what its
 * records of intents and releases say to the next life, and which are refused.
 */
#include "written_world.h"

/* -- intents and releases -------------------------------------------------- */

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
        cmocka_unit_test(
            an_ask_of_an_earlier_life_is_waited_for_and_then_made_anew),
        cmocka_unit_test(
            an_ask_that_nobody_can_answer_any_more_is_made_anew_at_once),
        cmocka_unit_test(
            an_intent_that_a_late_answer_overtakes_on_its_way_to_the_disk_is_void),
        cmocka_unit_test(
            money_of_an_intent_that_nobody_waits_for_does_not_stay_reserved),
        cmocka_unit_test(what_was_released_is_not_waited_for_in_the_next_life),
        cmocka_unit_test(
            what_was_released_behind_a_later_intent_is_free_and_was_not_lost),
        cmocka_unit_test(
            a_row_is_begun_only_with_its_intent_and_waits_while_too_many_calls_are_out),
        cmocka_unit_test(records_that_cannot_be_are_refused),
        cmocka_unit_test(each_row_that_is_given_up_has_one_letter_in_all_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
