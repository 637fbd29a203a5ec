/* test_talk.c - what a row is asked next. */
#include "tests/co_test.h"

#include "coordinator/talk.h"

#include <string.h>

static const struct talk_rules rules = {.repairs = 1, .fresh = 1};

/* Asks the row; the ask's ordinal. */
static uint32_t
ask(struct talk *t)
{
    const uint32_t ask = talk_intend(t);

    assert_true(talk_intended(t, ask));
    talk_publish(t);
    assert_int_equal(t->state, TALK_OUT);
    return ask;
}

static struct ask_result
result(const struct talk *t, uint32_t ask, enum ask_outcome outcome,
       const char *answer)
{
    return (struct ask_result){.row = 5,
                               .ask = ask,
                               .stage = (enum ask_stage)t->stage,
                               .outcome = outcome,
                               .answer = (const uint8_t *)answer,
                               .answer_len = (uint32_t)strlen(answer),
                               .error = {"wrong", 5},
                               .model = {"m", 1},
                               .has_usage = true,
                               .input = 10,
                               .output = 3,
                               .time = 99};
}

static enum talk_step
commit(struct talk *t, const struct ask_result *r)
{
    talk_take(t, r->ask, r->stage);
    return talk_commit(t, &rules, r, 100, true, 1000);
}

static enum talk_step
answer(struct talk *t, enum ask_outcome outcome, const char *text)
{
    const uint32_t n = ask(t);
    const struct ask_result r = result(t, n, outcome, text);

    return commit(t, &r);
}

static struct ask_task
quotes(const struct talk *t)
{
    struct ask_task q = {0};

    talk_quotes(t, &q);
    return q;
}

static void
two_answers_complete_a_row_and_are_summed_up(void **state)
{
    struct talk t = {0};

    (void)state;
    talk_begin(&t);
    assert_null(quotes(&t).input);
    assert_int_equal(answer(&t, ASK_ANSWER, "background"), TALK_NEXT);
    assert_int_equal(quotes(&t).stage, ASK_PERSONAS);
    assert_memory_equal(quotes(&t).input, "background", 10);
    assert_int_equal(answer(&t, ASK_ANSWER, "personas"), TALK_COMPLETE);
    assert_int_equal(t.state, TALK_DONE);
    assert_int_equal(t.input, 20);
    assert_int_equal(t.output, 6);
    assert_int_equal(t.cost, 200);
    assert_int_equal(t.time, 99);
    assert_memory_equal(t.model.data, "m", 1);
    assert_int_equal(talk_bytes(&t), 10 + 8 + 1);
    talk_fini(&t);
}

static void
a_wrong_answer_is_mended_then_asked_afresh_then_the_row_is_dead(void **state)
{
    struct talk t = {0};

    (void)state;
    talk_begin(&t);
    assert_int_equal(answer(&t, ASK_INVALID, "no"), TALK_AGAIN);
    assert_memory_equal(quotes(&t).wrong, "no", 2);
    assert_memory_equal(quotes(&t).error, "wrong", 5);
    assert_int_equal(answer(&t, ASK_CUT, "no again"), TALK_AGAIN);
    assert_null(quotes(&t).wrong); /* the one repair is used up */
    assert_int_equal(answer(&t, ASK_INVALID, "no"), TALK_AGAIN);
    assert_non_null(quotes(&t).wrong);
    assert_int_equal(answer(&t, ASK_INVALID, "last"), TALK_GIVEN_UP);
    assert_int_equal(t.state, TALK_DEAD);
    assert_int_equal(t.end, TALK_END_INVALID);
    assert_memory_equal(t.wrong.data, "last", 4); /* kept for reading */
    talk_fini(&t);
}

static void
what_a_filter_stopped_is_not_quoted(void **state)
{
    struct talk t = {0};

    (void)state;
    talk_begin(&t);
    assert_int_equal(answer(&t, ASK_FILTERED, "bad"), TALK_AGAIN);
    assert_null(quotes(&t).wrong);
    assert_int_equal(t.fresh, 1);
    talk_fini(&t);
}

static void
an_answer_without_text_is_not_quoted(void **state)
{
    static const char *const answers[] = {"", " \n"};

    (void)state;
    for (size_t i = 0; i < co_countof(answers); i++) {
        struct talk t = {0};

        talk_begin(&t);
        assert_int_equal(answer(&t, ASK_CUT, answers[i]), TALK_AGAIN);
        assert_null(quotes(&t).wrong);
        assert_int_equal(t.fresh, 1);
        talk_fini(&t);
    }
}

static void
each_stage_has_repairs_of_its_own(void **state)
{
    struct talk t = {0};

    (void)state;
    talk_begin(&t);
    (void)answer(&t, ASK_INVALID, "x");
    (void)answer(&t, ASK_INVALID, "x");
    assert_int_equal(answer(&t, ASK_ANSWER, "a"), TALK_NEXT);
    assert_null(quotes(&t).wrong);
    assert_int_equal(answer(&t, ASK_INVALID, "x"), TALK_AGAIN);
    assert_non_null(quotes(&t).wrong);
    assert_int_equal(answer(&t, ASK_ANSWER, "b"), TALK_COMPLETE);
    talk_fini(&t);
}

static void
a_lost_ask_is_made_anew_under_another_number_after_longer_and_longer(
    void **state)
{
    struct talk t = {0};
    int64_t longest = TALK_AGAIN_FIRST_US;

    (void)state;
    talk_begin(&t);
    for (uint32_t i = 0; i + 1 < TALK_LOST_MAX; i++) {
        assert_int_equal(ask(&t), i);
        talk_lost(&t, 5, 7000000);
        assert_int_equal(t.state, TALK_WANTED);
        assert_true(t.due_us >= 7000000 + longest / 2);
        assert_true(t.due_us <= 7000000 + longest);
        longest =
            2 * longest < TALK_AGAIN_MAX_US ? 2 * longest : TALK_AGAIN_MAX_US;
    }
    (void)ask(&t);
    talk_lost(&t, 5, 0);
    assert_int_equal(t.state, TALK_DEAD);
    assert_int_equal(t.end, TALK_END_LOST);
    talk_fini(&t);
}

static void
a_late_answer_counts_while_its_stage_lasts(void **state)
{
    struct talk t = {0};
    struct ask_result late;

    (void)state;
    talk_begin(&t);
    late = result(&t, ask(&t), ASK_ANSWER, "late");
    talk_lost(&t, 5, 0);
    assert_int_equal(ask(&t), 1);
    talk_take(&t, 0, ASK_BACKGROUND);
    assert_int_equal(t.state, TALK_OUT); /* the other one is still out */
    assert_int_equal(commit(&t, &late), TALK_NEXT);
    assert_memory_equal(t.answers[0].data, "late", 4);
    /* the second one's answer came too late: only its cost counts */
    late.ask = 1;
    talk_take(&t, 1, ASK_BACKGROUND);
    assert_int_equal(t.state, TALK_WANTED);
    assert_int_equal(commit(&t, &late), TALK_SAME);
    assert_int_equal(t.cost, 200);
    assert_int_equal(t.stage, ASK_PERSONAS);
    talk_fini(&t);
}

static void
a_late_invalid_answer_of_an_older_ask_changes_nothing(void **state)
{
    struct talk t = {0};
    struct ask_result late;

    (void)state;
    talk_begin(&t);
    late = result(&t, ask(&t), ASK_INVALID, "late");
    talk_lost(&t, 5, 0);
    (void)ask(&t);
    assert_int_equal(commit(&t, &late), TALK_SAME);
    assert_int_equal(t.state, TALK_OUT);
    assert_null(quotes(&t).wrong);
    talk_fini(&t);
}

static void
a_row_that_is_done_does_not_change_when_an_old_call_is_settled(void **state)
{
    struct talk t = {0};
    struct ask_result late;

    (void)state;
    talk_begin(&t);
    late = result(&t, ask(&t), ASK_ANSWER, "late");
    talk_lost(&t, 5, 0);
    assert_int_equal(answer(&t, ASK_ANSWER, "a"), TALK_NEXT);
    assert_int_equal(answer(&t, ASK_ANSWER, "b"), TALK_COMPLETE);
    assert_int_equal(commit(&t, &late), TALK_SAME);
    assert_int_equal(t.cost, 200);
    assert_int_equal(t.input, 20);
    talk_fini(&t);
}

static void
a_row_is_dead_after_three_refusals_of_its_own(void **state)
{
    struct talk t = {0};
    struct ask_result r;

    (void)state;
    talk_begin(&t);
    for (unsigned i = 0; i < 5; i++) { /* everybody is refused */
        r = result(&t, ask(&t), ASK_REFUSED, "");
        assert_int_equal(talk_commit(&t, &rules, &r, 0, false, 0), TALK_AGAIN);
    }
    assert_int_equal(answer(&t, ASK_REFUSED, ""), TALK_AGAIN);
    assert_int_equal(answer(&t, ASK_REFUSED, ""), TALK_AGAIN);
    assert_int_equal(answer(&t, ASK_REFUSED, ""), TALK_GIVEN_UP);
    assert_int_equal(t.end, TALK_END_REFUSED);
    talk_fini(&t);
}

static void
a_refusal_between_a_wrong_answer_and_its_repair_is_not_quoted(void **state)
{
    struct talk t = {0};
    struct ask_result r;

    (void)state;
    talk_begin(&t);
    (void)answer(&t, ASK_INVALID, "no");
    r = result(&t, ask(&t), ASK_REFUSED, "");
    r.error = (struct ask_text){"no such key", 11};
    (void)commit(&t, &r);
    assert_memory_equal(quotes(&t).wrong, "no", 2);
    assert_memory_equal(quotes(&t).error, "wrong", 5);
    talk_fini(&t);
}

static void
a_row_ends_when_its_ask_numbers_are_used_up(void **state)
{
    const struct talk_rules patient = {.repairs = 1000, .fresh = 0};
    struct talk t = {0};
    unsigned n = 0;

    (void)state;
    talk_begin(&t);
    while (t.state != TALK_DEAD) {
        struct ask_result r = result(&t, ask(&t), ASK_INVALID, "x");

        (void)talk_commit(&t, &patient, &r, 0, true, 0);
        n++;
    }
    assert_int_equal(n, ASK_MAX);
    assert_int_equal(t.end, TALK_END_ASKS);
    talk_fini(&t);
}

static void
a_restored_ask_is_open_until_somebody_names_it(void **state)
{
    struct talk t = {0};

    (void)state;
    talk_restore(&t, 0, ASK_BACKGROUND);
    assert_int_equal(t.state, TALK_OPEN);
    assert_false(talk_adopt(&t, 1));
    assert_true(talk_adopt(&t, 0));
    assert_int_equal(t.state, TALK_OUT);
    talk_restore(&t, 1, ASK_BACKGROUND);
    assert_int_equal(t.state, TALK_OPEN);
    assert_false(talk_adopt(&t, 0)); /* the older one is not waited for */
    talk_lost(&t, 5, 0);
    assert_int_equal(talk_intend(&t), 2);
    talk_fini(&t);
}

static void
an_intent_that_the_row_outran_is_void(void **state)
{
    struct talk t = {0};

    (void)state;
    talk_begin(&t);
    (void)answer(&t, ASK_ANSWER, "a");
    talk_restore(&t, 1, ASK_BACKGROUND); /* written before, committed after */
    assert_int_equal(t.state, TALK_WANTED);
    assert_int_equal(talk_intend(&t), 2);
    talk_fini(&t);
}

static void
a_lost_ask_that_turns_up_is_waited_for_again(void **state)
{
    struct talk t = {0};

    (void)state;
    talk_begin(&t);
    (void)ask(&t);
    talk_lost(&t, 5, 0);
    assert_true(talk_adopt(&t, 0));
    assert_int_equal(t.state, TALK_OUT);
    talk_withdraw(&t);
    assert_false(talk_adopt(&t, 0)); /* nobody waits for it */
    talk_fini(&t);
}

static void
a_dead_row_that_is_wanted_again_has_all_its_tries_and_new_ids(void **state)
{
    struct talk t = {0};

    (void)state;
    talk_begin(&t);
    assert_int_equal(answer(&t, ASK_ANSWER, "{}"), TALK_NEXT);
    for (unsigned i = 0; i < 4; i++) {
        (void)answer(&t, ASK_INVALID, "bad");
    }
    assert_int_equal(t.state, TALK_DEAD);
    t.told = true;
    talk_revive(&t);
    assert_int_equal(t.state, TALK_WANTED);
    assert_false(t.told);
    assert_int_equal(quotes(&t).stage, ASK_PERSONAS); /* it was answered */
    assert_int_equal(quotes(&t).input_len, 2);
    assert_null(quotes(&t).wrong);
    assert_int_equal(ask(&t), 5);
    talk_withdraw(&t);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(answer(&t, ASK_INVALID, "bad"), TALK_AGAIN);
    }
    assert_int_equal(answer(&t, ASK_INVALID, "bad"), TALK_GIVEN_UP);
    talk_fini(&t);
}

static void
a_row_whose_ids_are_used_up_stays_dead(void **state)
{
    struct talk t = {0};

    (void)state;
    talk_restore(&t, ASK_MAX - 1, ASK_BACKGROUND);
    talk_withdraw(&t);
    assert_int_equal(t.state, TALK_DEAD);
    talk_revive(&t);
    assert_int_equal(t.state, TALK_DEAD);
    assert_int_equal(t.end, TALK_END_ASKS);
    talk_fini(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_answers_complete_a_row_and_are_summed_up),
        cmocka_unit_test(
            a_wrong_answer_is_mended_then_asked_afresh_then_the_row_is_dead),
        cmocka_unit_test(what_a_filter_stopped_is_not_quoted),
        cmocka_unit_test(an_answer_without_text_is_not_quoted),
        cmocka_unit_test(each_stage_has_repairs_of_its_own),
        cmocka_unit_test(
            a_lost_ask_is_made_anew_under_another_number_after_longer_and_longer),
        cmocka_unit_test(a_late_answer_counts_while_its_stage_lasts),
        cmocka_unit_test(a_late_invalid_answer_of_an_older_ask_changes_nothing),
        cmocka_unit_test(
            a_row_that_is_done_does_not_change_when_an_old_call_is_settled),
        cmocka_unit_test(a_row_is_dead_after_three_refusals_of_its_own),
        cmocka_unit_test(
            a_refusal_between_a_wrong_answer_and_its_repair_is_not_quoted),
        cmocka_unit_test(a_row_ends_when_its_ask_numbers_are_used_up),
        cmocka_unit_test(a_restored_ask_is_open_until_somebody_names_it),
        cmocka_unit_test(an_intent_that_the_row_outran_is_void),
        cmocka_unit_test(
            a_dead_row_that_is_wanted_again_has_all_its_tries_and_new_ids),
        cmocka_unit_test(a_row_whose_ids_are_used_up_stays_dead),
        cmocka_unit_test(a_lost_ask_that_turns_up_is_waited_for_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
