/* test_batchbook.c - what is done about one batch, and when: above all when one
 * whose submission got lost may be made again. */
#include "tests/co_test.h"

#include "coordinator/batchbook.h"

#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000)
#define S INT64_C(1000000)

static const uint64_t asks[] = {ASK_STEP, 256 + ASK_STEP};

struct fixture {
    struct batchbook book;
    struct batchbook_entry *e;
    int64_t now_us;
};

/* A batch that is to be submitted. */
static void
prepare(struct fixture *f, int64_t poll_us)
{
    *f = (struct fixture){.book = {.poll_us = poll_us}, .now_us = 1000 * S};
    f->e = batchbook_add(&f->book, 1, asks, 2, 1764000000);
    assert_non_null(f->e);
    batchbook_noted(f->e);
}

/* Waits for the next task, which has to be that. */
static uint64_t
given(struct fixture *f, enum batch_op op)
{
    const int64_t due = batchbook_due(&f->book);
    uint64_t task = 0;

    assert_true(due < INT64_MAX);
    if (f->now_us < due) f->now_us = due;
    assert_true(batchbook_next(&f->book, f->now_us, &task));
    assert_int_equal(batchbook_op(task), op);
    return task;
}

static enum batchbook_step
answer(struct fixture *f, uint64_t task, const struct batch_result *r)
{
    assert_true(batchbook_wants(f->e, task, r));
    return batchbook_commit(&f->book, f->e, task, r, f->now_us);
}

static enum batchbook_step
answer_state(struct fixture *f, uint64_t task, enum batch_state state,
             const char *id)
{
    const struct batch_result r = {.op = batchbook_op(task),
                                   .batch = 1,
                                   .state = state,
                                   .id = ask_text_of(id)};

    return answer(f, task, &r);
}

/* It is submitted: first a worker says of which account it will be. */
static uint64_t
submitted(struct fixture *f, uint64_t account)
{
    const uint64_t task = given(f, BATCH_SUBMIT);
    const struct batch_result r = {.op = BATCH_SUBMIT,
                                   .batch = 1,
                                   .state = BATCH_NONE,
                                   .account = account};

    (void)answer(f, task, &r);
    return given(f, BATCH_SUBMIT);
}

static uint64_t
account_in(const struct fixture *f, uint64_t task)
{
    struct batch_task t;

    batchbook_task(f->e, task, &t);
    return t.account;
}

/* Looks until it is submitted again; how long after since_us that was. */
static int64_t
made_again_after(struct fixture *f, int64_t since_us, unsigned *ret_looks)
{
    *ret_looks = 0;
    while (batchbook_due(&f->book) < INT64_MAX) {
        uint64_t task = 0;

        if (f->now_us < batchbook_due(&f->book)) {
            f->now_us = batchbook_due(&f->book);
        }
        assert_true(batchbook_next(&f->book, f->now_us, &task));
        if (batchbook_op(task) == BATCH_SUBMIT) break;
        f->now_us += 5 * MS;
        (void)answer_state(f, task, BATCH_NONE, "");
        ++*ret_looks;
    }
    return f->now_us - since_us;
}

static void
a_lost_batch_is_not_made_again_before_ten_seconds_however_short_poll_is(
    void **state)
{
    struct fixture f;
    unsigned looks;
    int64_t lost_us;

    (void)state;
    prepare(&f, 10 * MS);
    (void)answer_state(&f, submitted(&f, 7), BATCH_UNSURE, "");
    lost_us = f.now_us;
    assert_true(made_again_after(&f, lost_us, &looks) >= 10 * S);
    assert_int_equal(looks, 2); /* a soon one, and one that counts */
    batchbook_fini(&f.book);

    prepare(&f, 10 * MS); /* the same where its worker was lost */
    batchbook_gone(&f.book, submitted(&f, 7), true, f.now_us);
    lost_us = f.now_us;
    assert_true(made_again_after(&f, lost_us, &looks) >= 10 * S);
    batchbook_fini(&f.book);
}

static void
a_vendor_that_took_long_is_given_as_long_again(void **state)
{
    struct fixture f;
    unsigned looks;
    uint64_t task;

    (void)state;
    prepare(&f, 10 * MS);
    task = submitted(&f, 7);
    f.now_us += 75 * S;
    (void)answer_state(&f, task, BATCH_UNSURE, "");
    assert_true(made_again_after(&f, f.now_us, &looks) >= 75 * S);
    batchbook_fini(&f.book);

    prepare(&f, 10 * MS); /* but not without end */
    task = submitted(&f, 7);
    f.now_us += 100000 * S;
    (void)answer_state(&f, task, BATCH_UNSURE, "");
    assert_true(made_again_after(&f, f.now_us, &looks) < 601 * S);
    batchbook_fini(&f.book);
}

/* The vendor made it when nobody waited any more, and lists it seconds later.
 */
static void
one_that_is_found_late_is_the_one(void **state)
{
    struct fixture f;
    uint64_t task;

    (void)state;
    prepare(&f, 10 * MS);
    (void)answer_state(&f, submitted(&f, 7), BATCH_UNSURE, "");
    (void)answer_state(&f, given(&f, BATCH_FIND), BATCH_NONE, "");
    task = given(&f, BATCH_FIND);
    (void)answer_state(&f, task, BATCH_RUNNING, "batch_1");
    assert_string_equal(f.e->id, "batch_1");
    (void)given(&f, BATCH_POLL);
    batchbook_fini(&f.book);
}

static void
in_a_new_life_it_is_the_same(void **state)
{
    struct fixture f;
    unsigned looks;
    int64_t began_us;

    (void)state;
    prepare(&f, 10 * MS);
    began_us = f.now_us;
    batchbook_restart(&f.book, f.now_us, f.now_us + 10 * MS);
    assert_true(made_again_after(&f, began_us, &looks) >= 10 * S);
    batchbook_fini(&f.book);
}

/* Before there can be a batch it is known who can see it. */
static void
all_about_a_batch_is_for_the_account_that_makes_it(void **state)
{
    struct fixture f;
    uint64_t task;
    struct batch_result r = {.op = BATCH_SUBMIT, .batch = 1};

    (void)state;
    prepare(&f, S);
    task = submitted(&f, 7);
    assert_true(f.e->claimed);
    assert_int_equal(account_in(&f, task), 7);
    r.state = BATCH_NONE; /* it came to a worker with another key */
    r.account = 8;
    (void)answer(&f, task, &r);
    task = given(&f, BATCH_SUBMIT);
    assert_int_equal(account_in(&f, task), 8);
    (void)answer_state(&f, task, BATCH_UNSURE, "");
    task = given(&f, BATCH_FIND);
    assert_int_equal(account_in(&f, task), 8);
    (void)answer_state(&f, task, BATCH_RUNNING, "batch_1");
    task = given(&f, BATCH_POLL);
    assert_int_equal(account_in(&f, task), 8);
    batchbook_fini(&f.book);
}

static void
what_a_worker_of_another_account_does_not_see_is_not_missed(void **state)
{
    struct fixture f;
    struct batch_result r = {.batch = 1, .state = BATCH_UNSURE, .account = 8};

    (void)state;
    prepare(&f, S);
    (void)answer_state(&f, submitted(&f, 7), BATCH_RUNNING, "batch_1");
    f.e->account = 7;
    for (unsigned i = 0; i < 2 * BATCHBOOK_MISSES_MAX; i++) {
        const uint64_t task = given(&f, BATCH_POLL);

        r.op = BATCH_POLL;
        assert_int_equal(answer(&f, task, &r), BATCHBOOK_GOES_ON);
        assert_true(f.e->strange);
    }
    (void)answer_state(&f, given(&f, BATCH_POLL), BATCH_RUNNING, "batch_1");
    assert_false(f.e->strange);
    batchbook_fini(&f.book);
}

static void
a_submission_without_its_asks_that_gets_lost_made_nothing(void **state)
{
    struct fixture f;

    (void)state;
    prepare(&f, S);
    batchbook_gone(&f.book, given(&f, BATCH_SUBMIT), true, f.now_us);
    (void)given(&f, BATCH_SUBMIT);
    batchbook_fini(&f.book);
}

/* Right after it was made its vendor may not show it everywhere. */
static void
a_batch_is_not_given_up_within_ten_seconds_however_short_poll_is(void **state)
{
    struct fixture f;
    int64_t began_us;

    (void)state;
    prepare(&f, 10 * MS);
    (void)answer_state(&f, submitted(&f, 7), BATCH_RUNNING, "batch_1");
    began_us = f.now_us;
    while (answer_state(&f, given(&f, BATCH_POLL), BATCH_GONE, "") !=
           BATCHBOOK_LOST) {
    }
    assert_true(f.now_us - began_us >= 10 * S);
    batchbook_fini(&f.book);
}

/* Also where nobody looks for more work: no worker may be left. */
static void
files_that_nobody_deletes_in_ten_seconds_stay_and_hold_nothing_up(void **state)
{
    struct fixture f;

    (void)state;
    for (unsigned is_out = 0; is_out < 2; is_out++) {
        prepare(&f, 10 * MS);
        (void)snprintf(f.e->input, sizeof f.e->input, "file-in");
        f.e->n_files = 2;
        batchbook_clean(&f.book, f.e, f.now_us);
        if (is_out) (void)given(&f, BATCH_CLEAN);
        assert_int_equal(
            batchbook_drop_late(&f.book, f.now_us + BATCHBOOK_CLEAN_US - 1), 0);
        assert_true(batchbook_cleans(&f.book));
        assert_int_equal(
            batchbook_drop_late(&f.book, f.now_us + BATCHBOOK_CLEAN_US), 3);
        assert_false(batchbook_cleans(&f.book));
        batchbook_fini(&f.book);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_lost_batch_is_not_made_again_before_ten_seconds_however_short_poll_is),
        cmocka_unit_test(a_vendor_that_took_long_is_given_as_long_again),
        cmocka_unit_test(one_that_is_found_late_is_the_one),
        cmocka_unit_test(in_a_new_life_it_is_the_same),
        cmocka_unit_test(
            files_that_nobody_deletes_in_ten_seconds_stay_and_hold_nothing_up),
        cmocka_unit_test(
            a_batch_is_not_given_up_within_ten_seconds_however_short_poll_is),
        cmocka_unit_test(all_about_a_batch_is_for_the_account_that_makes_it),
        cmocka_unit_test(
            what_a_worker_of_another_account_does_not_see_is_not_missed),
        cmocka_unit_test(
            a_submission_without_its_asks_that_gets_lost_made_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
