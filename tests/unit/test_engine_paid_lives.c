/* test_engine_paid_lives.c - tasks that must not be run twice, when their owner
 * stops or dies: what is called back, what the next one knows, and random lives
 * of owners, brokers and workers. */
#include "paid_world.h"

#include <poll.h>

/* -- the journal ----------------------------------------------------------- */

/* The same in any life: the first journal has no thread, later ones have. */
static void
journal_waits(struct world *w)
{
    journal_writes(w);
    if (w->owner == 1) {
        journal_syncs(w);
        return;
    }
    while (status(w).pending) {
        struct pollfd fd = {.fd = journal_fd(w->journal), .events = POLLIN};

        assert_int_equal(poll(&fd, 1, DISK_MS), 1);
        assert_int_equal(
            owner_journal_read(w->journal, w->e, &w->hosted, w->now_us, NULL),
            CO_OK);
    }
    check(w);
}

/* -- the stop -------------------------------------------------------------- */

static void
a_stop_calls_back_what_is_out_and_takes_back_what_was_not_sent(void **state)
{
    struct world *w = given_calls(4);
    struct held waits, unsent, sent;

    (void)state;
    given_broker(w, 4);
    turns(w);
    waits = worker_has(w);
    unsent = worker_has(w);
    sent = worker_has(w);
    returned_for(w, waits, RETURN_LIMIT); /* until it is due */
    engine_stop(w->e);
    check(w);
    broker_reads(w);
    assert_int_equal(w->recalled, 3);
    assert_int_equal(w->cancelled, 0);
    assert_non_null(strstr(w->calls->said, "unsent0.16 "));
    assert_int_equal(status(w).out, 3);
    returned_for(w, unsent, RETURN_CANCELLED);
    assert_non_null(strstr(w->calls->said, "unsent1.16 "));
    answers(w, sent);
    commits(w);
    assert_non_null(strstr(w->calls->said, "place2.16 "));
    assert_int_equal(status(w).out, 1);
    world_end(w);
}

/* Otherwise the stop would wait for the whole of its patience. */
static void
a_link_that_comes_back_during_a_stop_is_told_of_it(void **state)
{
    struct world *w = given_calls(2);
    struct held first, second;

    (void)state;
    given_broker(w, 2);
    turns(w);
    first = worker_has(w);
    second = worker_has(w);
    engine_on_link_down(w->e, 0, w->now_us);
    engine_stop(w->e);
    broker_reads(w);
    assert_int_equal(w->recalled, 0);
    inventory_of(w, first); /* the second was lost with the link */
    attached(w);
    check(w);
    broker_reads(w);
    assert_int_equal(w->recalled, 1);
    returned_for(w, first, RETURN_CANCELLED);
    assert_non_null(strstr(w->calls->said, "unsent0.16 "));
    assert_null(strstr(w->calls->said, "unsent1.16 "));
    assert_int_equal(status(w).out, 0);
    assert_int_equal(second.task >> 8, 1);
    world_end(w);
}

static void
a_broker_that_restarts_during_a_stop_is_told_when_it_knows_its_workers(
    void **state)
{
    struct world *w = given_calls(1);
    struct msg_attached back = {
        .job = JOB, .owner = w->owner, .settle_ms = 3000};
    struct held h;

    (void)state;
    given_broker(w, 1);
    turns(w);
    h = worker_has(w);
    engine_on_link_down(w->e, 0, w->now_us);
    engine_stop(w->e);
    engine_on_attached(w->e, 0, &back, w->now_us);
    broker_reads(w);
    assert_int_equal(w->recalled, 0);
    inventory_of(w, h);
    engine_on_settled(w->e, 0, w->now_us);
    broker_reads(w);
    assert_int_equal(w->recalled, 1);
    world_end(w);
}

static void
a_call_that_may_have_been_sent_is_not_taken_back_by_a_stop(void **state)
{
    struct world *w = given_calls(2);
    struct held doubted, broken;

    (void)state;
    given_broker(w, 2);
    turns(w);
    doubted = worker_has(w);
    broken = worker_has(w);
    lost(w, doubted, LOST_LINK);
    engine_stop(w->e);
    returned_for(w, broken, RETURN_RESULT_LOST);
    assert_null(strstr(w->calls->said, "unsent"));
    world_end(w);
}

/* -- the next owner -------------------------------------------------------- */

static void
the_next_owner_reads_notes_and_results_in_their_order(void **state)
{
    struct world *w = given_calls(2);

    (void)state;
    given_broker(w, 100);
    turns(w);
    lost(w, w->held[0], LOST_WORKER_DEAD);
    publishes(w);
    answers(w, w->held[1]);
    commits(w);
    answers(w, w->held[0]);
    commits(w);
    assert_int_equal(next_life(w, NULL), CO_OK);
    assert_string_equal(w->calls->said,
                        "noted0.16 noted1.16 noted0.17 take1.16 place1.16 "
                        "take0.16 place0.16 ");
    world_end(w);
}

static void
an_intent_that_was_not_synced_leaves_nothing(void **state)
{
    struct world *w = given_calls(1);

    (void)state;
    given_broker(w, 100);
    publishes(w);
    journal_writes(w);
    assert_int_equal(next_life(w, NULL), CO_OK);
    assert_string_equal(w->calls->said, "");
    given_broker(w, 100);
    publishes(w);
    assert_int_equal(status(w).kind, KIND_NEXT_INTENT);
    world_end(w);
}

static void
the_next_owner_adopts_a_call_that_a_broker_names(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    assert_int_equal(next_life(w, NULL), CO_OK);
    inventory_of(w, h);
    given_broker(w, 100);
    assert_string_equal(w->calls->said, "noted0.16 adopt0.16 ");
    w->now_us += 100LL * S;
    publishes(w);
    expect_nothing(w);
    answers(w, h);
    assert_int_equal(engine_results_room(w->e) > 0, true);
    assert_int_equal(w->calls->unknown, 0);
    assert_int_equal(counters(w).accepted, 1);
    world_end(w);
}

static void
a_call_of_the_last_owner_is_answered_though_nobody_named_it(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    assert_int_equal(next_life(w, NULL), CO_OK);
    given_broker(w, 100);
    publishes(w);
    expect_nothing(w); /* it may be out */
    answers(w, h);
    assert_int_equal(counters(w).salvaged, 1);
    assert_int_equal(w->calls->row[0].settled, 1);
    world_end(w);
}

static void
a_note_that_the_kind_does_not_know_refuses_the_journal(void **state)
{
    struct world *w = given_calls(1);
    struct co_bytes odd = co_bytes_borrow("what?", 5);
    struct co_diag diag = {""};

    (void)state;
    assert_int_equal(journal_append(w->journal, RECORD_NOTE, &odd, 1, 1),
                     CO_OK);
    assert_int_equal(journal_commit(w->journal), CO_OK);
    assert_int_equal(next_life(w, &diag), CO_DAMAGED);
    assert_non_null(strstr(diag.text, "note"));
    world_end(w);
}

/* -- lives at random ------------------------------------------------------- */

enum {
    RANDOM_ROWS = 24,
    RANDOM_STEPS = 250,
    LIVES_SEEDS = 20,
    STALE_MAX = 512
};

/* What the world knows beside what the engine is told. */
struct chance {
    struct world *w;
    uint64_t random;
    uint8_t ran[RANDOM_ROWS][256]; /* times that the call was made */
    /* lost for the engine, but its worker lives: it may still do anything */
    struct held stale[STALE_MAX];
    uint32_t n_stale;
};

static uint64_t
rnd(struct chance *c, uint64_t below)
{
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return (c->random >> 33) % below;
}

static struct held
some_of(struct chance *c, struct held *list, uint32_t *n)
{
    uint32_t i = (uint32_t)rnd(c, *n);
    struct held h = list[i];

    list[i] = list[--*n];
    return h;
}

/* Each call is made once, in all lives of owner and workers. */
static void
runs(struct chance *c, struct held h)
{
    if (!calls_is_call(h.task)) return;
    c->ran[h.task >> 8][h.task & 0xff]++;
    if (c->ran[h.task >> 8][h.task & 0xff] > 1) {
        fail_msg("a call is made twice (seed %u)", (unsigned)c->w->seed);
    }
}

/* A worker that has a task does something with it. */
static void
worker_acts(struct chance *c, struct held h)
{
    struct world *w = c->w;

    switch (rnd(c, 4)) {
    case 0:
        returned(w, h);
        return;
    case 1:
        runs(c, h);
        answers_with(w, h, STATUS_FAILED, 0, 0);
        return;
    default:
        runs(c, h);
        answers(w, h);
    }
}

static void
worker_is_lost(struct chance *c, struct held h)
{
    static const uint32_t causes[] = {LOST_WORKER_DEAD, LOST_LINK, LOST_DRAIN,
                                      LOST_SILENT};
    uint32_t cause = causes[rnd(c, co_countof(causes))];

    if (cause == LOST_WORKER_DEAD) {
        if (rnd(c, 2)) runs(c, h);
    } else if (calls_is_call(h.task) && c->n_stale < STALE_MAX) {
        c->stale[c->n_stale++] = h;
    }
    lost(c->w, h, cause);
}

/* The broker begins anew; some workers are back at once, others later. */
static void
broker_restarts(struct chance *c)
{
    struct world *w = c->w;

    engine_on_link_down(w->e, 0, w->now_us);
    check(w);
    while (w->n_held && rnd(c, 4)) {
        struct held h = some_of(c, w->held, &w->n_held);

        if (calls_is_call(h.task) && c->n_stale < STALE_MAX) {
            c->stale[c->n_stale++] = h;
        }
    }
    for (uint32_t i = 0; i < w->n_held; i++) {
        inventory_of(w, w->held[i]);
    }
    given_broker(w, 1000);
}

/* kill -9: the broker keeps what it had, and names it to the next owner. */
static void
owner_restarts(struct chance *c)
{
    struct world *w = c->w;
    struct held held[HELD_MAX];
    uint32_t n = w->n_held;

    memcpy(held, w->held, n * sizeof held[0]);
    assert_int_equal(next_life(w, NULL), CO_OK);
    w->calls->frames = true;
    memcpy(w->held, held, n * sizeof held[0]);
    w->n_held = n;
    for (uint32_t i = 0; i < n; i++) {
        inventory_of(w, w->held[i]);
    }
    given_broker(w, 1000);
}

static void
something_happens(struct chance *c)
{
    struct world *w = c->w;
    uint64_t what = rnd(c, 20);

    if (what < 8 && w->n_held) {
        worker_acts(c, some_of(c, w->held, &w->n_held));
    } else if (what < 11 && w->n_held) {
        worker_is_lost(c, some_of(c, w->held, &w->n_held));
    } else if (what < 13 && c->n_stale) {
        worker_acts(c, some_of(c, c->stale, &c->n_stale));
    } else if (what < 14) {
        broker_restarts(c);
    } else if (what == 14 && !rnd(c, 4)) {
        owner_restarts(c);
    } else if (what == 15) {
        w->now_us += (int64_t)rnd(c, 30) * S;
    } else if (what < 18) {
        publishes(w);
    } else {
        journal_waits(w);
    }
}

/* Everything that may be answered is, and what is lost is waited for. */
static void
all_ends_well(struct chance *c)
{
    struct world *w = c->w;

    for (int i = 0; i < 1000 && calls_done(w->calls) == KIND_RUNNING; i++) {
        journal_waits(w);
        publishes(w);
        while (w->n_held) {
            struct held h = some_of(c, w->held, &w->n_held);

            runs(c, h);
            answers(w, h);
        }
        w->now_us += 10LL * S;
    }
    journal_waits(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
}

static void
whatever_happens_no_call_is_made_twice_and_the_job_ends(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= LIVES_SEEDS; seed++) {
        struct chance *c = test_calloc(1, sizeof *c);

        c->random = seed;
        c->w = given_calls(RANDOM_ROWS);
        c->w->seed = seed;
        c->w->calls->frames = true;
        given_broker(c->w, 1000);
        for (int i = 0; i < RANDOM_STEPS; i++) {
            something_happens(c);
        }
        all_ends_well(c);
        world_end(c->w);
        test_free(c);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test(name)
        T(a_stop_calls_back_what_is_out_and_takes_back_what_was_not_sent),
        T(a_link_that_comes_back_during_a_stop_is_told_of_it),
        T(a_broker_that_restarts_during_a_stop_is_told_when_it_knows_its_workers),
        T(a_call_that_may_have_been_sent_is_not_taken_back_by_a_stop),
        T(the_next_owner_reads_notes_and_results_in_their_order),
        T(an_intent_that_was_not_synced_leaves_nothing),
        T(the_next_owner_adopts_a_call_that_a_broker_names),
        T(a_call_of_the_last_owner_is_answered_though_nobody_named_it),
        T(a_note_that_the_kind_does_not_know_refuses_the_journal),
        T(whatever_happens_no_call_is_made_twice_and_the_job_ends),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
