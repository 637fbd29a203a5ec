/* test_slots.c - the worker's core, behaviour by behaviour. */
#include "tests/unit/slots_fixture.h"

/* -- greeting ------------------------------------------------------------ */
static void
says_hello_with_what_it_is(void **state)
{
    struct fixture *f = *state;

    slots_connect(f->s, 0, f->now, &f->out);
    struct msg m = take(f, 0, MSG_hello);
    assert_int_equal(m.hello.role, ROLE_WORKER);
    assert_int_equal(m.hello.incarnation, WORKER);
    assert_int_equal(m.hello.services.n, 3); /* each once, whoever provides */
    assert_true(msg_str_is(m.hello.services.v[1], "range"));
    assert_int_equal(m.hello.held_count, 0);
}

static void
what_a_link_takes_whole_is_told_by_welcome(void **state)
{
    struct fixture *f = *state;

    slots_connect(f->s, 0, f->now, &f->out);
    assert_int_equal(slots_part_max(f->s, 0), 0);
    welcome_again(f, 0, 1);
    assert_int_equal(slots_part_max(f->s, 0), PART_BYTES_MAX);
}

static void
says_hello_again_each_second_until_welcome(void **state)
{
    struct fixture *f = *state;

    slots_connect(f->s, 0, f->now, &f->out);
    ignore_what_was_said(f);
    at(f, 999);
    assert_silent(f, 0, MSG_hello);
    at(f, 1000);
    (void)take(f, 0, MSG_hello);
    welcome_again(f, 0, 1);
    at(f, 1999);
    assert_silent(f, 0, MSG_hello);
}

static void
a_hello_that_could_not_be_sent_is_not_counted(void **state)
{
    struct fixture *f = *state;

    slots_connect(f->s, 0, f->now, &f->out);
    assert_int_equal(take(f, 0, MSG_hello).hello.greeting, 1);
    slots_hello_unsent(f->s, 0, 1);
    slots_connect(f->s, 0, f->now, &f->out);
    assert_int_equal(take(f, 0, MSG_hello).hello.greeting, 1);
    slots_connect(f->s, 0, f->now, &f->out);
    slots_hello_unsent(f->s, 0, 1); /* the second may be under way */
    slots_connect(f->s, 0, f->now, &f->out);
    assert_int_equal(take(f, 0, MSG_hello).hello.greeting, 2);
    assert_int_equal(take(f, 0, MSG_hello).hello.greeting, 3);
}

static void
answers_who_with_hello_and_runs_on(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    say(f, 0, &(struct msg){.type = MSG_who});
    struct msg m = take(f, 0, MSG_hello);
    assert_int_equal(m.hello.held_count, 1);
    assert_int_equal(m.hello.held_hash, msg_held_key(JOB, 1, 1));
    (void)started(f);
}

static void
silence_means_hello_again_but_no_lost_work(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    at(f, 1000);
    (void)take(f, 0, MSG_beat);
    at(f, 5000);
    (void)take(f, 0, MSG_hello);
    assert_int_equal(stats(f).counters.silences, 1);
    assert_int_equal(stats(f).queued, 1);
}

static void
a_piece_of_a_large_message_ends_the_silence(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    at(f, 4000);
    say(f, 0,
        &(struct msg){.type = MSG_part, .part = {.number = 1, .count = 9}});
    at(f, 8000);
    assert_int_equal(stats(f).counters.silences, 0);
    assert_int_equal(stats(f).counters.bad, 0);
    at(f, 9000);
    assert_int_equal(stats(f).counters.silences, 1);
}

static void
a_broker_of_another_version_is_tried_again_later(void **state)
{
    struct fixture *f = *state;
    const struct msg no = {
        .type = MSG_refused,
        .refused = {.code = msg_text("VERSION"), .message = MSG_hello}};

    slots_connect(f->s, 0, f->now, &f->out);
    ignore_what_was_said(f);
    say(f, 0, &no);
    at(f, 5000);
    assert_silent(f, 0, MSG_hello);
    at(f, 10000);
    (void)take(f, 0, MSG_hello);
}

static void
beats_tell_count_hash_and_progress(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2});
    struct slots_task t = started(f);
    slots_progress(f->s, t.ref);
    at(f, 1000);
    struct msg m = take(f, 0, MSG_beat);
    assert_int_equal(m.beat.held_count, 2);
    assert_int_equal(m.beat.held_hash,
                     msg_held_key(JOB, 1, 1) ^ msg_held_key(JOB, 2, 1));
    assert_int_equal(m.beat.running, 1);
    assert_int_equal(m.beat.tasks.n, 1);
    assert_int_equal(m.beat.tasks.v[0], 1);
    at(f, 2000);
    assert_int_equal(take(f, 0, MSG_beat).beat.tasks.n, 0);
}

static void
each_broker_hears_only_of_its_own_tasks(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_link(f, 1);
    say_tasks(f, 1, (struct given){.first = 9, .n = 1});
    at(f, 1000);
    assert_int_equal(take(f, 0, MSG_beat).beat.held_count, 0);
    assert_int_equal(take(f, 1, MSG_beat).beat.held_count, 1);
}

/* -- running ------------------------------------------------------------- */
static void
tasks_run_in_order_with_their_payload(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 10, .n = 2});
    struct slots_task t = started(f);
    assert_int_equal(t.task, 10);
    assert_int_equal(t.payload_bytes, 1);
    assert_int_equal(t.payload[0], 'a');
    assert_nothing_to_run(f); /* one slot */
    finish(f, t, "x");
    t = started(f);
    assert_int_equal(t.task, 11);
    assert_int_equal(t.payload[0], 'b');
    finish(f, t, "x");
    assert_nothing_to_run(f);
}

static void
results_of_a_turn_go_as_one_batch(void **state)
{
    struct fixture *f = *state;
    struct co_bytes body = {0};
    struct msg m;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 10, .n = 3});
    finish(f, started(f), "one");
    finish(f, started(f), "");
    struct slots_task t = started(f);
    assert_int_equal(slots_done(f->s, t.ref, STATUS_FAILED, "bad", 3, 0),
                     CO_OK);
    flush(f);
    assert_true(took(f, 0, MSG_results, &m, &body));
    assert_int_equal(m.results.seq, 1);
    assert_int_equal(m.results.job, JOB);
    assert_int_equal(m.results.owner, OWNER);
    assert_int_equal(m.results.worker, WORKER);
    assert_int_equal(msg_check_results(&m.results, body.len), CO_OK);
    assert_int_equal(m.results.tasks.n, 3);
    assert_int_equal(m.results.tasks.v[2], 12);
    assert_int_equal(msg_at(m.results.statuses, 0), STATUS_OK);
    assert_int_equal(msg_at(m.results.statuses, 2), STATUS_FAILED);
    assert_memory_equal(body.data, "onebad", 6);
    assert_silent(f, 0, MSG_results);
}

static void
a_batch_has_at_most_256_tasks(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 0, .n = 300});
    for (int i = 0; i < 300; i++) {
        finish(f, started(f), "x");
    }
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.tasks.n, 256);
    struct msg m = take(f, 0, MSG_results);
    assert_int_equal(m.results.tasks.n, 44);
    assert_int_equal(m.results.seq, 2);
}

static void
a_batch_has_at_most_1_mib(void **state)
{
    struct fixture *f = *state;
    enum { BIG = 600 * 1024 };
    char *big = calloc(1, BIG);

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 0, .n = 2});
    for (int i = 0; i < 2; i++) {
        struct slots_task t = started(f);
        assert_int_equal(slots_done(f->s, t.ref, STATUS_OK, big, BIG, 0),
                         CO_OK);
    }
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.tasks.n, 1);
    assert_int_equal(take(f, 0, MSG_results).results.tasks.n, 1);
    free(big);
}

static void
a_result_larger_than_a_body_fails_its_task(void **state)
{
    struct fixture *f = *state;
    char *big = calloc(1, BODY_BYTES_MAX + 1);
    struct msg m;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 0, .n = 1});
    struct slots_task t = started(f);
    assert_int_equal(
        slots_done(f->s, t.ref, STATUS_OK, big, BODY_BYTES_MAX + 1, 0), CO_OK);
    flush(f);
    assert_true(took(f, 0, MSG_results, &m, NULL));
    assert_int_equal(msg_at(m.results.statuses, 0), STATUS_FAILED);
    free(big);
}

static void
jobs_and_owners_have_batches_of_their_own(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .job = 6});
    say_tasks(f, 0, (struct given){.first = 2, .n = 1, .job = 7});
    say_tasks(f, 0, (struct given){.first = 3, .n = 1, .job = 7, .owner = 9});
    for (int i = 0; i < 3; i++) {
        finish(f, started(f), "x");
    }
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.job, 6);
    assert_int_equal(take(f, 0, MSG_results).results.owner, OWNER);
    assert_int_equal(take(f, 0, MSG_results).results.owner, 9);
}

static void
more_jobs_than_gathers_in_one_turn_lose_nothing(void **state)
{
    struct fixture *f = *state;
    unsigned n = 0;

    given_link(f, 0);
    for (uint64_t job = 1; job <= 20; job++) {
        say_tasks(f, 0, (struct given){.first = 1, .n = 1, .job = job});
        finish(f, started(f), "x");
    }
    flush(f);
    struct msg m;
    while (took(f, 0, MSG_results, &m, NULL)) {
        n++;
    }
    assert_int_equal(n, 20);
}

static void
a_task_whose_total_time_is_over_fails_without_running(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .total_ms = 50});
    at(f, 50);
    assert_nothing_to_run(f);
    flush(f);
    struct msg m = take(f, 0, MSG_results);
    assert_int_equal(msg_at(m.results.statuses, 0), STATUS_FAILED);
}

static void
the_shorter_of_run_and_total_time_ends_a_run(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0,
              (struct given){.first = 1, .n = 1, .run_ms = 9, .total_ms = 50});
    at(f, 10);
    struct slots_task t = started(f);
    assert_int_equal(t.run_until_us, f->now + 9ll * MS);
    finish(f, t, "x");
}

/* Its broker is told that the suspect starts, and it does a little later. */
static struct slots_task
started_suspect(struct fixture *f, uint32_t link)
{
    struct msg_beat beat;

    flush(f); /* what goes back beside it goes first */
    assert_nothing_to_run(f);
    flush(f);
    beat = take(f, link, MSG_beat).beat;
    assert_int_equal(beat.tasks.n, 1);
    assert_nothing_to_run(f);
    f->now += (int64_t)20 * MS;
    return started(f);
}

static void
a_second_suspect_from_another_broker_is_given_back_before_one_runs(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_link(f, 1);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .alone = 1});
    say_tasks(f, 1, (struct given){.first = 2, .n = 1, .alone = 1});
    assert_nothing_to_run(f);
    flush(f);
    assert_int_equal(take(f, 1, MSG_returned).returned.tasks.v[0], 2);
    assert_int_equal(started_suspect(f, 0).task, 1);
}

static void
a_suspect_runs_alone(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 2, .n = 1, .alone = 1});
    say_tasks(f, 0, (struct given){.first = 3, .n = 1});
    struct slots_task suspect = started_suspect(f, 0);
    assert_int_equal(suspect.task, 2);
    assert_nothing_to_run(f); /* nobody starts beside it */
    finish(f, suspect, "x");
    assert_int_equal(started(f).task, 3);
}

static void
a_suspect_beside_tasks_of_another_broker_is_given_back_and_room_is_made(
    void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_link(f, 1);
    say_tasks(f, 1, (struct given){.first = 1, .n = 1});
    struct slots_task running = started(f);
    say_tasks(f, 1, (struct given){.first = 3, .n = 1});
    say_tasks(f, 0, (struct given){.first = 9, .n = 1, .alone = 1});
    flush(f);
    struct msg_returned waited = take(f, 1, MSG_returned).returned;
    assert_int_equal(waited.tasks.v[0], 3);
    assert_int_equal(take(f, 0, MSG_returned).returned.tasks.v[0], 9);
    finish(f, running, "x");

    say_tasks(f, 1, (struct given){.first = 4, .n = 1}); /* not now */
    assert_nothing_to_run(f);
    say_tasks(f, 0,
              (struct given){.first = 9, .n = 1, .attempt = 2, .alone = 1});
    say_tasks(f, 1, (struct given){.first = 5, .n = 1}); /* nor beside it */
    struct slots_task suspect = started_suspect(f, 0);
    assert_int_equal(suspect.task, 9);
    finish(f, suspect, "x");
    at(f, 4000);
    say_tasks(f, 1, (struct given){.first = 6, .n = 1});
    assert_int_equal(started(f).task, 6);
}

/* -- results are kept ---------------------------------------------------- */
static void
a_result_still_gathered_goes_to_the_broker_that_asks_again(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_link(f, 1);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    finish(f, started(f), "x"); /* the turn is not over: nothing is sealed */
    say_tasks(f, 1, (struct given){.first = 1, .n = 1});
    flush(f);
    assert_int_equal(take(f, 1, MSG_results).results.tasks.v[0], 1);
    slots_check(f->s);
}

static void
a_result_is_held_until_its_ack(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_sent_result(f, 1);
    assert_int_equal(stats(f).kept, 1);
    at(f, 1000);
    assert_int_equal(take(f, 0, MSG_beat).beat.held_count, 1);
    say_ack(f, 0, 1);
    assert_int_equal(stats(f).kept, 0);
    assert_int_equal(stats(f).result_bytes, 0);
    at(f, 2000);
    struct msg m = take(f, 0, MSG_beat);
    assert_int_equal(m.beat.held_count, 0);
    assert_int_equal(m.beat.held_hash, 0);
}

static void
a_late_or_foreign_ack_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const uint64_t seq = 1;
    struct msg m = {.type = MSG_ack,
                    .ack = {.job = JOB,
                            .owner = OWNER,
                            .worker = WORKER + 1,
                            .seqs = {&seq, 1}}};

    given_link(f, 0);
    given_sent_result(f, 1);
    say(f, 0, &m); /* another worker's */
    m.ack.worker = WORKER;
    m.ack.job = JOB + 1;
    say(f, 0, &m); /* another job's */
    assert_int_equal(stats(f).kept, 1);
    say_ack(f, 0, 1);
    say_ack(f, 0, 1); /* twice */
    assert_int_equal(stats(f).counters.acked, 1);
    assert_int_equal(stats(f).counters.ack_unknown, 2);
}

static void
no_owner_keeps_and_owner_attached_sends_again(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_sent_result(f, 1);
    uint64_t seq = take(f, 0, MSG_results).results.seq;
    say_job(f, 0, MSG_no_owner);
    flush(f);
    assert_silent(f, 0, MSG_results);
    say_job(f, 0, MSG_owner_attached);
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.seq, seq);
    say_ack(f, 0, seq);
    assert_int_equal(stats(f).kept, 0);
}

static void
a_new_broker_gets_inventory_and_results_again(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_sent_result(f, 1);
    say_tasks(f, 0, (struct given){.first = 2, .n = 2});
    (void)started(f);
    ignore_what_was_said(f);
    welcome_again(f, 0, 4711);
    struct msg m = take(f, 0, MSG_inventory);
    assert_int_equal(m.inventory.page, 0);
    assert_int_equal(m.inventory.pages, 1);
    assert_int_equal(m.inventory.tasks.n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t expected = m.inventory.tasks.v[i] == 1   ? HELD_DONE
                            : m.inventory.tasks.v[i] == 2 ? HELD_RUNNING
                                                          : HELD_QUEUED;
        assert_int_equal(msg_at(m.inventory.states, i), expected);
    }
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.seq, 1);
    /* Grants count from WELCOME: nothing received since. */
    assert_true(take(f, 0, MSG_credit).credit.granted > 0);
}

static void
a_new_broker_is_told_which_task_is_a_suspect(void **state)
{
    struct fixture *f = *state;
    struct msg m;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 2, .n = 1, .alone = 1});
    say_tasks(f, 0, (struct given){.first = 3, .n = 1});
    (void)started_suspect(f, 0);
    ignore_what_was_said(f);
    welcome_again(f, 0, 4711);
    m = take(f, 0, MSG_inventory);
    assert_int_equal(m.inventory.tasks.n, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(msg_at(m.inventory.alone, i),
                         m.inventory.tasks.v[i] == 2);
    }
}

static void
inventory_comes_in_pages(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 0, .n = 1024});
    slots_measure(f->s, NOOP, 0);
    flush(f);
    for (int i = 0; i < 100; i++) {
        finish(f, started(f), "x");
    }
    flush(f);
    say_tasks(f, 0, (struct given){.first = 5000, .n = 100});
    ignore_what_was_said(f);
    say(f, 0, &(struct msg){.type = MSG_inventory_get});
    struct msg m = take(f, 0, MSG_inventory);
    assert_int_equal(m.inventory.pages, 2);
    assert_int_equal(m.inventory.tasks.n, 1024);
    m = take(f, 0, MSG_inventory);
    assert_int_equal(m.inventory.page, 1);
    assert_int_equal(m.inventory.tasks.n, 100);
}

static void
an_empty_inventory_is_one_empty_page(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say(f, 0, &(struct msg){.type = MSG_inventory_get});
    struct msg m = take(f, 0, MSG_inventory);
    assert_int_equal(m.inventory.pages, 1);
    assert_int_equal(m.inventory.tasks.n, 0);
}

static void
nothing_is_sent_while_the_broker_does_not_know_us(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    say(f, 0, &(struct msg){.type = MSG_who});
    finish(f, started(f), "x");
    flush(f);
    assert_silent(f, 0, MSG_results);
    welcome_again(f, 0, 2);
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.seq, 1);
}

static void
a_result_without_answer_is_sent_again_after_a_while(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_sent_result(f, 1);
    ignore_what_was_said(f);
    for (int64_t ms = 1000; ms < 30000; ms += 1000) {
        at(f, ms);
        say(f, 0, &(struct msg){.type = MSG_beat});
        flush(f);
    }
    assert_silent(f, 0, MSG_results);
    at(f, 30000);
    flush(f);
    (void)take(f, 0, MSG_results);
}

static void
forget_drops_everything_of_the_job_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_sent_result(f, 1);
    say_tasks(f, 0, (struct given){.first = 2, .n = 2});
    struct slots_task t = started(f);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .job = JOB + 1});
    ignore_what_was_said(f);
    say_job(f, 0, MSG_forget);
    assert_true(slots_stopped(f->s, t.ref));
    finish(f, t, "too late");
    flush(f);
    assert_silent(f, 0, MSG_results);
    assert_silent(f, 0, MSG_returned);
    assert_int_equal(stats(f).kept, 0);
    assert_int_equal(started(f).job, JOB + 1);
}

/* -- the same task again ------------------------------------------------- */
static void
a_task_that_is_held_is_not_run_twice(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    finish(f, started(f), "x");
    assert_nothing_to_run(f);
    assert_int_equal(stats(f).counters.duplicates, 1);
}

static void
a_task_that_is_done_is_answered_from_what_is_kept(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_sent_result(f, 1);
    ignore_what_was_said(f);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    assert_nothing_to_run(f);
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.seq, 1);
}

static void
another_broker_asking_for_a_held_task_gets_its_result(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_link(f, 1);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    say_tasks(f, 1, (struct given){.first = 1, .n = 1});
    finish(f, started(f), "x");
    flush(f);
    assert_silent(f, 0, MSG_results);
    (void)take(f, 1, MSG_results);
}

static void
a_higher_attempt_replaces_a_queued_one(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 1});
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 2});
    flush(f);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_CANCELLED);
    assert_int_equal(msg_at(m.returned.attempts, 0), 1);
    struct slots_task t = started(f);
    assert_int_equal(t.attempt, 2);
    finish(f, t, "x");
    assert_nothing_to_run(f);
}

static void
a_higher_attempt_stops_a_running_one(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 1});
    struct slots_task t = started(f);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 2});
    assert_true(slots_stopped(f->s, t.ref));
    slots_give_back(f->s, t.ref, RETURN_CANCELLED, 0);
    assert_int_equal(started(f).attempt, 2);
}

static void
a_lower_attempt_is_ignored(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 2});
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .attempt = 1});
    assert_int_equal(started(f).attempt, 2);
    assert_nothing_to_run(f);
    assert_int_equal(stats(f).counters.stale, 1);
}

/* -- cancel -------------------------------------------------------------- */
static void
a_cancelled_queued_task_is_returned_at_once(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2});
    say_cancel(f, 0, 1);
    flush(f);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_CANCELLED);
    assert_int_equal(m.returned.tasks.v[0], 1);
    assert_int_equal(started(f).task, 2);
}

static void
a_cancelled_running_task_is_stopped_then_returned(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    struct slots_task t = started(f);
    assert_false(slots_stopped(f->s, t.ref));
    say_cancel(f, 0, 1);
    assert_true(slots_stopped(f->s, t.ref));
    slots_give_back(f->s, t.ref, RETURN_DRAIN, 0);
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.reason,
                     RETURN_CANCELLED);
}

static bool
mark_is_7(void *ctx, uint32_t mark)
{
    (void)ctx;
    return mark == 7;
}

static void
only_what_is_not_begun_is_called_back_when_that_is_all_that_is_asked(
    void **state)
{
    static const uint64_t tasks[] = {1, 2, 3};
    const struct msg m = {
        .type = MSG_cancel,
        .cancel = {
            .job = JOB, .owner = OWNER, .tasks = {tasks, 3}, .unsent = 1}};
    struct fixture *f = *state;

    slots_unsent(f->s, mark_is_7, NULL);
    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 3});
    struct slots_task begun = started(f), held_back = started(f);
    slots_mark(f->s, begun.ref, 6);
    slots_mark(f->s, held_back.ref, 7);
    say(f, 0, &m);
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.tasks.v[0], 3);
    assert_false(slots_stopped(f->s, begun.ref));
    assert_true(slots_stopped(f->s, held_back.ref));
}

static void
a_cancel_that_comes_too_late_changes_nothing(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_sent_result(f, 1);
    say_cancel(f, 0, 1);
    say_cancel(f, 0, 99);
    flush(f);
    assert_silent(f, 0, MSG_returned);
    assert_int_equal(stats(f).kept, 1);
}

/* -- recipes ------------------------------------------------------------- */
static void
say_blob(struct fixture *f, uint64_t hash, const void *data, size_t len,
         uint64_t total)
{
    const struct msg m = {
        .type = MSG_blob,
        .blob = {.job = JOB, .hash = hash, .worker = WORKER, .total = total}};
    struct co_bytes body;

    assert_int_equal(co_bytes_copy(data, len, &body), CO_OK);
    say_body(f, 0, &m, body);
    co_bytes_unref(&body);
}

static const char recipe_text[] = "{\"recipe\":1}";
enum { RECIPE_LEN = sizeof recipe_text - 1 };

static uint64_t
recipe_name(void)
{
    return co_hash64(recipe_text, RECIPE_LEN, 0);
}

static void
a_missing_recipe_is_fetched_while_its_task_waits(void **state)
{
    struct fixture *f = *state;
    uint64_t hash = recipe_name();

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2, .recipe = hash});
    say_tasks(f, 0, (struct given){.first = 9, .n = 1});
    assert_int_equal(take(f, 0, MSG_need).need.hash, hash);
    struct msg get = take(f, 0, MSG_blob_get);
    assert_int_equal(get.blob_get.offset, 0);
    assert_int_equal(stats(f).parked, 2);
    struct slots_task t = started(f); /* the one without recipe */
    assert_int_equal(t.task, 9);
    finish(f, t, "x");
    say_blob(f, hash, recipe_text, RECIPE_LEN, RECIPE_LEN);
    t = started(f);
    assert_int_equal(t.recipe.len, RECIPE_LEN);
    assert_memory_equal(t.recipe.data, recipe_text, RECIPE_LEN);
    finish(f, t, "x");
    say_tasks(f, 0, (struct given){.first = 20, .n = 1, .recipe = hash});
    assert_silent(f, 0, MSG_need); /* it is kept */
    assert_int_equal(stats(f).parked, 0);
}

static void
tasks_of_a_recipe_that_does_not_exist_are_returned(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2, .recipe = 99});
    say_blob(f, 99, "", 0, 0);
    flush(f);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_NO_RECIPE);
    assert_int_equal(m.returned.tasks.n, 2);
}

static void
tasks_of_a_recipe_with_the_wrong_content_are_returned(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .recipe = 99});
    say_blob(f, 99, recipe_text, RECIPE_LEN, RECIPE_LEN);
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.reason,
                     RETURN_NO_RECIPE);
}

static void
tasks_for_another_fingerprint_are_returned(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .fingerprint = 12345});
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.reason,
                     RETURN_NO_RECIPE);
}

/* -- leaving ------------------------------------------------------------- */
static void
drain_returns_what_waits_and_finishes_what_runs(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 3});
    struct slots_task t = started(f);
    slots_drain(f->s, f->now, &f->out);
    (void)take(f, 0, MSG_drain);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_DRAIN);
    assert_int_equal(m.returned.tasks.n, 2);
    assert_false(slots_drained(f->s));
    finish(f, t, "x");
    flush(f);
    assert_false(slots_drained(f->s)); /* its result is not on disk yet */
    say_ack(f, 0, take(f, 0, MSG_results).results.seq);
    assert_true(slots_drained(f->s));
    slots_bye(f->s, &f->out);
    (void)take(f, 0, MSG_bye);
}

static void
a_draining_worker_takes_grants_and_tasks_back(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    slots_drain(f->s, f->now, &f->out);
    flush(f);
    assert_int_equal(take(f, 0, MSG_reclaim).reclaim.count, 1024);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1});
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.reason, RETURN_DRAIN);
}

static void
drain_of_a_broker_is_obeyed(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say(f, 0, &(struct msg){.type = MSG_drain});
    assert_true(slots_drained(f->s));
}

static void
hand_back_returns_running_tasks_too(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2});
    (void)started(f);
    slots_hand_back(f->s, f->now, &f->out);
    unsigned n = 0;
    struct msg m;
    while (took(f, 0, MSG_returned, &m, NULL)) {
        n += m.returned.tasks.n;
    }
    assert_int_equal(n, 2);
    assert_int_equal(stats(f).running, 0);
}

/* -- nonsense ------------------------------------------------------------ */
static void
messages_for_others_are_refused_and_counted(void **state)
{
    struct fixture *f = *state;
    const struct msg m = {.type = MSG_submitted, .submitted = {.job = 1}};

    given_link(f, 0);
    say(f, 0, &m);
    assert_int_equal(take(f, 0, MSG_refused).refused.message, MSG_submitted);
    assert_int_equal(stats(f).counters.bad, 1);
    say(f, 0,
        &(struct msg){.type = MSG_refused,
                      .refused = {.code = msg_text("PROTOCOL")}});
    assert_silent(f, 0, MSG_refused); /* never answered by another */
}

static void
tasks_with_lengths_that_lie_are_refused(void **state)
{
    struct fixture *f = *state;
    const uint64_t id = 1;
    const uint32_t one = 1, len = 100;
    const struct msg m = {.type = MSG_tasks,
                          .tasks = {.job = JOB,
                                    .owner = OWNER,
                                    .service = msg_text("noop"),
                                    .tasks = {&id, 1},
                                    .attempts = {&one, 1},
                                    .lens = {&len, 1}}};

    given_link(f, 0);
    say_body(f, 0, &m, co_bytes_borrow("abc", 3));
    (void)take(f, 0, MSG_refused);
    assert_nothing_to_run(f);
}

static void
an_unknown_service_gets_its_tasks_back(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 1, .service = "magic"});
    flush(f);
    assert_int_equal(take(f, 0, MSG_returned).returned.reason, RETURN_FULL);
}

static int
setup_two_slots(void **state)
{
    return fixture_setup_config(state, (struct slots_config){.slots = 2});
}

#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define T2(name)                                                               \
    cmocka_unit_test_setup_teardown(name, setup_two_slots, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(says_hello_with_what_it_is),
        T(what_a_link_takes_whole_is_told_by_welcome),
        T(says_hello_again_each_second_until_welcome),
        T(a_hello_that_could_not_be_sent_is_not_counted),
        T(answers_who_with_hello_and_runs_on),
        T(silence_means_hello_again_but_no_lost_work),
        T(a_piece_of_a_large_message_ends_the_silence),
        T(a_broker_of_another_version_is_tried_again_later),
        T(beats_tell_count_hash_and_progress),
        T(each_broker_hears_only_of_its_own_tasks),
        T(tasks_run_in_order_with_their_payload),
        T(results_of_a_turn_go_as_one_batch),
        T(a_batch_has_at_most_256_tasks),
        T(a_batch_has_at_most_1_mib),
        T(a_result_larger_than_a_body_fails_its_task),
        T(jobs_and_owners_have_batches_of_their_own),
        T(more_jobs_than_gathers_in_one_turn_lose_nothing),
        T(a_task_whose_total_time_is_over_fails_without_running),
        T(the_shorter_of_run_and_total_time_ends_a_run),
        T2(a_second_suspect_from_another_broker_is_given_back_before_one_runs),
        T2(a_suspect_runs_alone),
        T2(a_result_still_gathered_goes_to_the_broker_that_asks_again),
        T2(a_suspect_beside_tasks_of_another_broker_is_given_back_and_room_is_made),
        T(a_result_is_held_until_its_ack),
        T(a_late_or_foreign_ack_changes_nothing),
        T(no_owner_keeps_and_owner_attached_sends_again),
        T(a_new_broker_gets_inventory_and_results_again),
        T(a_new_broker_is_told_which_task_is_a_suspect),
        T(inventory_comes_in_pages),
        T(an_empty_inventory_is_one_empty_page),
        T(nothing_is_sent_while_the_broker_does_not_know_us),
        T(a_result_without_answer_is_sent_again_after_a_while),
        T(forget_drops_everything_of_the_job_and_nothing_else),
        T(a_task_that_is_held_is_not_run_twice),
        T(a_task_that_is_done_is_answered_from_what_is_kept),
        T(another_broker_asking_for_a_held_task_gets_its_result),
        T(a_higher_attempt_replaces_a_queued_one),
        T(a_higher_attempt_stops_a_running_one),
        T(a_lower_attempt_is_ignored),
        T(a_cancelled_queued_task_is_returned_at_once),
        T(a_cancelled_running_task_is_stopped_then_returned),
        T2(only_what_is_not_begun_is_called_back_when_that_is_all_that_is_asked),
        T(a_cancel_that_comes_too_late_changes_nothing),
        T(a_missing_recipe_is_fetched_while_its_task_waits),
        T(tasks_of_a_recipe_that_does_not_exist_are_returned),
        T(tasks_of_a_recipe_with_the_wrong_content_are_returned),
        T(tasks_for_another_fingerprint_are_returned),
        T(drain_returns_what_waits_and_finishes_what_runs),
        T(a_draining_worker_takes_grants_and_tasks_back),
        T(drain_of_a_broker_is_obeyed),
        T(hand_back_returns_running_tasks_too),
        T(messages_for_others_are_refused_and_counted),
        T(tasks_with_lengths_that_lie_are_refused),
        T(an_unknown_service_gets_its_tasks_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
