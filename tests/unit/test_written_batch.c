/* test_written_batch.c - asks that go out as batches: nothing is paid twice,
 * whatever is lost and whoever is killed; what was not run is asked again. */
#include "written_vendor.h"

static void
asks_go_out_as_batches_and_rows_are_those_of_single_asks(void **state)
{
    struct world single, together;
    struct vendor *v = prepare(&together, 120, 1);

    (void)state;
    world_init(&single, 120, 1);
    single.in_order = together.in_order = true;
    single.invalid = together.invalid = 5;
    world_start(&single);
    assert_int_equal(world_run(&single, 0), KIND_DONE);
    world_start(&together);
    assert_int_equal(world_run(&together, 0), KIND_DONE);
    assert_memory_equal(single.corpus, together.corpus,
                        120 * sizeof *single.corpus);
    assert_int_equal(single.asked, together.asked);
    assert_int_equal(single.paid, together.paid);
    assert_int_equal(money_sums(written_money(together.w)).settled,
                     together.paid);
    assert_true(v->submitted >= together.asked / 40);
    assert_true(v->submitted <= together.asked / 20);
    world_fini(&single);
    finish(&together, v);
}

static void
what_was_not_run_is_asked_again_and_costs_nothing(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 100, 2);
    struct money_sums sums;

    (void)state;
    f.in_order = true;
    v->expire = 4;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 200);
    assert_true(written_counters(f.w)->unrun > 20);
    sums = money_sums(written_money(f.w));
    assert_int_equal(sums.settled, f.paid);
    assert_int_equal(sums.unknown + sums.reserved, 0);
    finish(&f, v);
}

static void
a_request_that_no_line_is_about_is_lost_and_counts_as_spent(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 100, 3);
    struct money_sums sums;

    (void)state;
    f.in_order = true;
    v->drop = 10;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 200 + written_counters(f.w)->lost);
    assert_true(written_counters(f.w)->lost > 5);
    sums = money_sums(written_money(f.w));
    assert_true(sums.unknown > 0 && sums.settled + sums.unknown >= f.paid);
    finish(&f, v);
}

/* Its answers are there, and paid for: only the file was cut short. */
static void
a_file_that_ends_early_is_read_again_and_nothing_is_lost(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 100, 14);
    struct money_sums sums;

    (void)state;
    f.in_order = true;
    v->expire = 9;
    v->shorts = BATCHBOOK_READINGS_MAX - 1;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 200);
    assert_int_equal(written_counters(f.w)->lost, 0);
    sums = money_sums(written_money(f.w));
    assert_int_equal(sums.settled, f.paid);
    assert_int_equal(sums.unknown + sums.reserved, 0);
    finish(&f, v);
}

static void
a_file_that_always_ends_early_leaves_its_requests_unknown(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 100, 15);

    (void)state;
    f.in_order = true;
    v->shorts = BATCHBOOK_READINGS_MAX;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_true(written_counters(f.w)->lost > 0);
    assert_true(money_sums(written_money(f.w)).unknown > 0);
    finish(&f, v);
}

static void
files_that_nobody_needs_are_deleted_and_a_job_ends_without_it(void **state)
{
    (void)state;
    for (unsigned clings = 0; clings < 2; clings++) {
        struct world f;
        struct vendor *v = prepare(&f, 100, 16);
        const struct written_counters *n;

        f.in_order = true;
        v->keeps_files = true;
        v->clings = clings;
        world_start(&f);
        assert_int_equal(world_run(&f, 0), KIND_DONE);
        n = written_counters(f.w);
        assert_int_equal(v->cleaned, n->batches);
        assert_int_equal(clings ? n->files_left : n->files_deleted,
                         2 * n->batches);
        finish(&f, v);
    }
}

/* A turn, all its answers but those about files, and all commits. */
static void
step_without_cleaning(struct world *f)
{
    world_turn(f, 1000);
    for (size_t i = f->n_out; i-- > 0;) {
        const uint64_t task = f->out[i].task;

        if (batchbook_is_op(task) && batchbook_op(task) == BATCH_CLEAN) {
            continue;
        }
        (void)world_answer(f, i);
    }
    world_commit_all(f);
    world_seal(f);
    world_commit_all(f);
}

/* Who could delete them is gone, and nobody asks for more work. */
static void
where_no_worker_is_left_files_hold_the_end_up_for_ten_seconds(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 100, 17);

    (void)state;
    f.in_order = true;
    v->keeps_files = true;
    world_start(&f);
    while (world_ledger(&f).accepted < 100) {
        assert_int_equal(written_kind.done(f.w), KIND_RUNNING);
        step_without_cleaning(&f);
    }
    assert_int_equal(written_kind.done(f.w), KIND_RUNNING);
    written_kind.tick(f.w, f.now_us + BATCHBOOK_CLEAN_US);
    assert_int_equal(written_kind.done(f.w), KIND_DONE);
    assert_int_equal(written_counters(f.w)->files_left,
                     2 * written_counters(f.w)->batches);
    finish(&f, v);
}

static void
a_vendor_that_refuses_stops_the_asking(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 100, 4);
    struct kind_money money;

    (void)state;
    f.in_order = true;
    v->refuses = true;
    world_start(&f);
    for (unsigned i = 0; i < 20; i++) {
        world_step_in_order(&f);
    }
    written_kind.money(f.w, &money);
    assert_non_null(money.stop);
    assert_non_null(strstr(money.stop, "no such model"));
    assert_true(money.refused);
    assert_int_equal(money.settled + money.unknown, 0);
    v->refuses = false; /* somebody put it right */
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    finish(&f, v);
}

static void
a_batch_that_fails_its_vendors_checks_is_refused_as_a_whole(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 30, 5);

    (void)state;
    f.in_order = true;
    v->fails = true;
    world_start(&f);
    while (money_counters(written_money(f.w))->outcomes[ASK_REFUSED] < 30) {
        world_step_in_order(&f);
    }
    assert_int_equal(money_sums(written_money(f.w)).settled, 0);
    finish(&f, v);
}

/* Only so much may be queued at a time; what was not run is not refused. */
static void
a_batch_that_finds_no_room_is_submitted_again_later(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 100, 10);
    const struct money_counters *n;

    (void)state;
    f.in_order = true;
    v->crowded = 2;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    n = money_counters(written_money(f.w));
    assert_int_equal(v->crowded, 0);
    assert_int_equal(n->outcomes[ASK_REFUSED], 0);
    assert_int_equal(f.asked, 200);
    assert_int_equal(money_sums(written_money(f.w)).settled, f.paid);
    finish(&f, v);
}

/* Else its job would wait without end, and nobody would know for what. */
static void
a_batch_that_finds_no_room_though_it_is_alone_is_refused(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 30, 11);
    struct kind_money money;

    (void)state;
    f.in_order = true;
    v->crowded = UINT32_MAX;
    world_start(&f);
    while (money_counters(written_money(f.w))->outcomes[ASK_REFUSED] < 60) {
        world_step_in_order(&f);
    }
    written_kind.money(f.w, &money);
    assert_non_null(money.stop);
    assert_non_null(strstr(money.stop, "Enqueued token limit"));
    assert_int_equal(money.settled + money.unknown, 0);
    finish(&f, v);
}

static void
a_batch_that_is_not_there_for_a_moment_is_not_given_up(void **state)
{
    (void)state;
    for (unsigned strangers = 0; strangers < 2; strangers++) {
        struct world f;
        struct vendor *v = prepare(&f, 60, 12);
        struct money_sums sums;

        f.in_order = true;
        v->misses = BATCHBOOK_MISSES_MAX - 1;
        v->strangers = strangers;
        world_start(&f);
        assert_int_equal(world_run(&f, 0), KIND_DONE);
        assert_int_equal(f.asked, 120);
        sums = money_sums(written_money(f.w));
        assert_int_equal(sums.settled, f.paid);
        assert_int_equal(sums.unknown + sums.reserved, 0);
        finish(&f, v);
    }
}

static void
replay_note(struct world *f, const uint64_t *numbers, uint32_t n)
{
    struct co_buf buf;

    co_buf_init(&buf, 4096);
    batch_put_array(n, &buf);
    for (uint32_t i = 0; i < n; i++) {
        batch_put_u64(numbers[i], &buf);
    }
    if (!written_kind.replay_note(f->w, buf.data, buf.len)) {
        fail_msg("record %u of batch %u", (unsigned)numbers[0],
                 (unsigned)numbers[1]);
    }
    co_buf_fini(&buf);
}

/* No record says that they were let go, however many lives did so. */
static void
batches_that_were_let_go_before_they_were_submitted_take_no_room(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 30, 13);

    (void)state;
    f.in_order = true;
    world_start(&f);
    for (uint64_t i = 0; i < UINT64_C(2) * BATCHBOOK_LIVE_MAX; i++) {
        const uint64_t task = ASK_STEP + i;

        replay_note(&f, (const uint64_t[]){1, task, 0, 1000}, 4);
        replay_note(&f, (const uint64_t[]){6, i + 1, 1764000000, task}, 4);
        replay_note(&f, (const uint64_t[]){2, task}, 2);
    }
    assert_int_equal(money_sums(written_money(f.w)).reserved, 0);
    finish(&f, v);
}

/* The job was over when its batch was submitted: in a later life, with more
 * money, it would wait for its answer without end. */
static void
an_ask_that_was_left_out_of_its_batch_is_out_no_more(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 30, 13);

    (void)state;
    f.in_order = true;
    world_start(&f);
    replay_note(&f, (const uint64_t[]){1, ASK_STEP, 0, 1000}, 4);
    replay_note(&f, (const uint64_t[]){6, 1, 1764000000, ASK_STEP}, 4);
    replay_note(&f, (const uint64_t[]){2, ASK_STEP}, 2);
    assert_null(written_kind.check(f.w));
    finish(&f, v);
}

/* The model never answers well: the job stops, and what runs is cancelled. */
static void
batches_of_a_job_that_is_over_are_cancelled(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 200, 6);

    (void)state;
    f.in_order = true;
    f.dead = 1;
    v->polls = 3;
    world_start(&f);
    while (!written_counters(f.w)->rows_dead) {
        world_step_in_order(&f);
    }
    v->polls = 1000000;
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    assert_int_equal(money_sums(written_money(f.w)).reserved, 0);
    finish(&f, v);
}

/* Lost tasks, lost answers to submissions, crashes at any record: the vendor
 * asserts that no request comes twice. */
static void
whatever_is_lost_and_killed_no_request_is_made_twice(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 80; seed++) {
        struct world f;
        struct vendor *v = prepare(&f, 150, seed + 100);
        struct money_sums sums;

        f.lose = seed % 2 ? 12 : 0;
        f.invalid = seed % 3 ? 9 : 0;
        v->expire = seed % 4 ? 15 : 0;
        v->unsure = seed % 5 ? 6 : 0;
        world_start(&f);
        assert_int_equal(world_run(&f, 6), KIND_DONE);
        assert_int_equal(world_ledger(&f).accepted, 150);
        sums = money_sums(written_money(f.w));
        assert_true(f.paid <= sums.settled + sums.unknown);
        finish(&f, v);
    }
}

static void
a_quiet_replay_knows_as_much_as_the_life_before(void **state)
{
    struct world f;
    struct vendor *v = prepare(&f, 100, 9);
    struct money_sums before, after;

    (void)state;
    f.in_order = true;
    v->expire = 7;
    world_start(&f);
    while (money_sums(written_money(f.w)).settled == 0) {
        world_step_in_order(&f);
    }
    before = money_sums(written_money(f.w));
    world_crash(&f);
    after = money_sums(written_money(f.w));
    assert_int_equal(after.settled, before.settled);
    assert_int_equal(after.unknown + after.reserved,
                     before.unknown + before.reserved);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(money_sums(written_money(f.w)).settled, f.paid);
    finish(&f, v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            asks_go_out_as_batches_and_rows_are_those_of_single_asks),
        cmocka_unit_test(what_was_not_run_is_asked_again_and_costs_nothing),
        cmocka_unit_test(
            a_request_that_no_line_is_about_is_lost_and_counts_as_spent),
        cmocka_unit_test(
            a_file_that_ends_early_is_read_again_and_nothing_is_lost),
        cmocka_unit_test(
            a_file_that_always_ends_early_leaves_its_requests_unknown),
        cmocka_unit_test(
            files_that_nobody_needs_are_deleted_and_a_job_ends_without_it),
        cmocka_unit_test(
            where_no_worker_is_left_files_hold_the_end_up_for_ten_seconds),
        cmocka_unit_test(a_vendor_that_refuses_stops_the_asking),
        cmocka_unit_test(
            a_batch_that_fails_its_vendors_checks_is_refused_as_a_whole),
        cmocka_unit_test(a_batch_that_finds_no_room_is_submitted_again_later),
        cmocka_unit_test(
            a_batch_that_finds_no_room_though_it_is_alone_is_refused),
        cmocka_unit_test(
            a_batch_that_is_not_there_for_a_moment_is_not_given_up),
        cmocka_unit_test(
            batches_that_were_let_go_before_they_were_submitted_take_no_room),
        cmocka_unit_test(an_ask_that_was_left_out_of_its_batch_is_out_no_more),
        cmocka_unit_test(batches_of_a_job_that_is_over_are_cancelled),
        cmocka_unit_test(whatever_is_lost_and_killed_no_request_is_made_twice),
        cmocka_unit_test(a_quiet_replay_knows_as_much_as_the_life_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
