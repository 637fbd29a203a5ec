/* test_slots_link.c - the worker's core and a broker: greeting, beats, silence,
 * inventories, and results that are held until their ack. */
#include "tests/unit/slots_fixture.h"

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

#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

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
        T(a_result_is_held_until_its_ack),
        T(a_late_or_foreign_ack_changes_nothing),
        T(no_owner_keeps_and_owner_attached_sends_again),
        T(a_new_broker_gets_inventory_and_results_again),
        T(a_new_broker_is_told_which_task_is_a_suspect),
        T(inventory_comes_in_pages),
        T(an_empty_inventory_is_one_empty_page),
        T(nothing_is_sent_while_the_broker_does_not_know_us),
        T(a_result_without_answer_is_sent_again_after_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
