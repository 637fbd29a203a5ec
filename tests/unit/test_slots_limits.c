/* test_slots_limits.c - what a worker does at its limits: of memory, of what it
 * may hold, and of slots that the scaler turns down. */
#include "tests/unit/slots_fixture.h"

/* -- memory -------------------------------------------------------------- */

enum { LITTLE = 100 };

static void
when_results_fill_memory_nothing_is_taken(void **state)
{
    struct fixture *f = *state;
    char body[LITTLE + 1] = {0};

    memset(body, 'x', LITTLE);
    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 1, .n = 2});
    finish(f, started(f), body);
    finish(f, started(f), body);
    flush(f);
    assert_true(stats(f).full);
    ignore_what_was_said(f);
    say_tasks(f, 0, (struct given){.first = 3, .n = 1});
    flush(f);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_FULL);
    assert_true(m.returned.not_before_ms > 0);
    at(f, 3000);
    flush(f);
    assert_true(take(f, 0, MSG_reclaim).reclaim.count > 0);
    say_ack(f, 0, 1);
    assert_false(stats(f).full);
    flush(f);
    say_tasks(f, 0, (struct given){.first = 3, .n = 1});
    (void)started(f);
}

/* A spill that the test can break. */
static struct {
    struct co_bytes kept[8];
    uint64_t seqs[8];
    unsigned n;
    bool full, broken;
} disk;

static enum co_err
disk_put(void *ctx, uint64_t seq, struct co_bytes body)
{
    (void)ctx;
    if (disk.full) return CO_FULL;
    disk.seqs[disk.n] = seq;
    return co_bytes_copy(body.data, body.len, &disk.kept[disk.n++]);
}

static enum co_err
disk_get(void *ctx, uint64_t seq, struct co_bytes *ret_body)
{
    (void)ctx;
    if (disk.broken) return CO_DAMAGED;
    for (unsigned i = 0; i < disk.n; i++) {
        if (disk.seqs[i] != seq) continue;
        *ret_body = co_bytes_ref(disk.kept[i]);
        return CO_OK;
    }
    return CO_NOTFOUND;
}

static void
disk_drop(void *ctx, uint64_t seq)
{
    (void)ctx;
    for (unsigned i = 0; i < disk.n; i++) {
        if (disk.seqs[i] != seq) continue;
        co_bytes_unref(&disk.kept[i]);
        disk.kept[i] = disk.kept[disk.n - 1];
        disk.seqs[i] = disk.seqs[disk.n - 1];
        disk.kept[--disk.n] = (struct co_bytes){0};
        return;
    }
}

static int
setup_little_memory(void **state)
{
    return fixture_setup_config(
        state, (struct slots_config){.result_bytes_max = 2 * LITTLE - 1});
}

static int
setup_spill(void **state)
{
    const struct slots_config config = {
        .result_bytes_max = LITTLE + 1,
        .result_age_us = 10ll * 1000 * MS,
        .spill = {NULL, disk_put, disk_get, disk_drop},
    };
    memset(&disk, 0, sizeof disk);
    return fixture_setup_config(state, config);
}

static void
given_result_of(struct fixture *f, uint64_t task, char letter)
{
    char body[LITTLE + 1] = {0};

    memset(body, letter, LITTLE);
    say_tasks(f, 0, (struct given){.first = task, .n = 1});
    finish(f, started(f), body);
    flush(f);
}

static void
results_beyond_memory_go_to_disk_and_come_back(void **state)
{
    struct fixture *f = *state;
    struct co_bytes body;
    struct msg m;

    given_link(f, 0);
    given_result_of(f, 1, 'a');
    given_result_of(f, 2, 'b');
    assert_int_equal(disk.n, 1);
    assert_int_equal(stats(f).counters.spilled, 1);
    assert_false(stats(f).full);
    ignore_what_was_said(f);
    say_job(f, 0, MSG_owner_attached);
    flush(f);
    unsigned seen = 0;
    while (took(f, 0, MSG_results, &m, &body)) {
        assert_int_equal(body.len, LITTLE);
        assert_int_equal(body.data[0], m.results.seq == 1 ? 'a' : 'b');
        seen++;
    }
    assert_int_equal(seen, 2);
    say_ack(f, 0, 1);
    say_ack(f, 0, 2);
    assert_int_equal(disk.n, 0);
    assert_int_equal(stats(f).spilled_bytes, 0);
}

static void
old_results_go_to_disk_even_when_memory_is_free(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_result_of(f, 1, 'a');
    at(f, 9000);
    assert_int_equal(disk.n, 0);
    at(f, 10000);
    assert_int_equal(disk.n, 1);
    assert_int_equal(stats(f).result_bytes, 0);
}

static void
a_full_disk_refuses_and_recovers(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    disk.full = true;
    given_result_of(f, 1, 'a');
    given_result_of(f, 2, 'b');
    assert_true(stats(f).full);
    assert_int_equal(stats(f).counters.spill_failed, 1);
    disk.full = false;
    at(f, 2000);
    assert_false(stats(f).full);
    assert_true(disk.n > 0);
}

static void
a_result_that_the_disk_lost_gives_its_tasks_back(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_result_of(f, 1, 'a');
    given_result_of(f, 2, 'b');
    disk.broken = true;
    ignore_what_was_said(f);
    say_job(f, 0, MSG_owner_attached);
    flush(f);
    struct msg m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.tasks.v[0], 1);
    assert_int_equal(m.returned.reason, RETURN_RESULT_LOST);
    assert_int_equal(stats(f).counters.spill_lost, 1);
    assert_int_equal(stats(f).kept, 1);
}

static void
a_result_that_the_disk_shortened_is_not_sent(void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    given_result_of(f, 1, 'a');
    given_result_of(f, 2, 'b');
    disk.kept[0].len--;
    ignore_what_was_said(f);
    say_job(f, 0, MSG_owner_attached);
    flush(f);
    assert_int_equal(take(f, 0, MSG_results).results.seq, 2);
    assert_silent(f, 0, MSG_results);
    assert_int_equal(stats(f).counters.spill_lost, 1);
}

/* Tasks and results together are bounded too. */
static int
setup_few_held(void **state)
{
    return fixture_setup_config(state, (struct slots_config){.held_max = 10});
}

static void
the_grant_never_exceeds_what_can_be_held(void **state)
{
    struct fixture *f = *state;

    slots_connect(f->s, 0, f->now, &f->out);
    welcome_again(f, 0, 1);
    flush(f);
    assert_int_equal(granted(f, 0, "noop"), 10);
    say_tasks(f, 0, (struct given){.first = 1, .n = 10});
    for (int i = 0; i < 10; i++) {
        finish(f, started(f), "x");
    }
    flush(f);
    assert_int_equal(granted(f, 0, "noop"), 0); /* ten results are kept */
    say_ack(f, 0, 1);
    flush(f);
    assert_int_equal(granted(f, 0, "noop"), 20);
}

/* -- slots that the scaler turns ----------------------------------------- */

static int
setup_four_slots(void **state)
{
    return fixture_setup_config(state, (struct slots_config){.slots = 4});
}

static void
no_more_run_than_the_limit_says_and_never_more_than_there_are_slots(
    void **state)
{
    struct fixture *f = *state;

    given_link(f, 0);
    slots_limit(f->s, 2, f->now);
    say_tasks(f, 0, (struct given){.first = 10, .n = 6});
    (void)started(f);
    (void)started(f);
    assert_nothing_to_run(f);
    slots_limit(f->s, 1000, f->now);
    assert_int_equal(stats(f).slots, 4);
    (void)started(f);
    (void)started(f);
    assert_nothing_to_run(f);
}

static void
given_long_tasks(struct fixture *f)
{
    for (int i = 0; i < 200; i++) {
        slots_measure(f->s, NOOP, 5ull * 1000 * 1000);
    }
}

/* Two milliseconds of work are planned to be at hand. */
static void
a_lower_limit_gives_no_short_tasks_back_that_it_would_ask_for(void **state)
{
    struct fixture *f = *state;
    uint64_t look;

    for (int i = 0; i < 200; i++) {
        slots_measure(f->s, NOOP, 100ull * 1000);
    }
    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 10, .n = 60});
    slots_limit(f->s, 1, f->now);
    look = slots_look_ahead(f->s, NOOP);
    assert_in_range(look, 15, 21);
    assert_int_equal(stats(f).queued, look);
}

static void
a_lower_limit_stops_nothing_and_gives_back_what_would_wait_long(void **state)
{
    struct fixture *f = *state;
    struct slots_task running;
    struct msg m;

    given_link(f, 0);
    say_tasks(f, 0, (struct given){.first = 10, .n = 5});
    running = started(f);
    (void)started(f);
    given_long_tasks(f);
    slots_limit(f->s, 1, f->now);
    flush(f);
    m = take(f, 0, MSG_returned);
    assert_int_equal(m.returned.reason, RETURN_LIMIT);
    assert_int_equal(m.returned.tasks.n, 2); /* one waits on */
    assert_int_equal(m.returned.tasks.v[0], 14);
    assert_int_equal(stats(f).running, 2);
    finish(f, running, "x");
    assert_nothing_to_run(f); /* the other one runs still */
    slots_limit(f->s, 0, f->now);
    assert_int_equal(started(f).task, 12);
}

static void
a_limit_asks_for_less_work(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 200; i++) {
        slots_measure(f->s, NOOP, 5ull * 1000 * 1000);
    }
    assert_int_equal(slots_look_ahead(f->s, NOOP), 4);
    slots_limit(f->s, 3, f->now);
    assert_int_equal(slots_look_ahead(f->s, NOOP), 3);
}

int
main(void)
{
#define WITH(setup, name)                                                      \
    cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH(setup_little_memory, when_results_fill_memory_nothing_is_taken),
        WITH(setup_spill, results_beyond_memory_go_to_disk_and_come_back),
        WITH(setup_spill, old_results_go_to_disk_even_when_memory_is_free),
        WITH(setup_spill, a_full_disk_refuses_and_recovers),
        WITH(setup_spill, a_result_that_the_disk_lost_gives_its_tasks_back),
        WITH(setup_spill, a_result_that_the_disk_shortened_is_not_sent),
        WITH(setup_few_held, the_grant_never_exceeds_what_can_be_held),
        WITH(
            setup_four_slots,
            no_more_run_than_the_limit_says_and_never_more_than_there_are_slots),
        WITH(setup_four_slots,
             a_lower_limit_stops_nothing_and_gives_back_what_would_wait_long),
        WITH(setup_four_slots,
             a_lower_limit_gives_no_short_tasks_back_that_it_would_ask_for),
        WITH(setup_four_slots, a_limit_asks_for_less_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
