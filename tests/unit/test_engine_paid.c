/* test_engine_paid.c - tasks that must not be run twice, and the records that
 * a kind of job writes before they are asked. A small kind (fake_calls.h), a
 * model of brokers and workers, and a real journal in a temporary folder.
 * engine_check() runs after every event. */
#include "tests/co_test.h"

#include "common/fs.h"
#include "coordinator/engine.h"
#include "coordinator/owner_journal.h"
#include "coordinator/replay.h"
#include "fake_calls.h"
#include "journal/reader.h"

#include <poll.h>
#include <stdlib.h>

enum { JOB = 9, HELD_MAX = 8192, S = 1000000, DISK_MS = 20000 };

struct held {
    uint64_t task;
    uint32_t attempt;
    uint64_t worker;
};

struct world {
    char dir[64], journal_dir[80];
    struct journal *journal;
    struct calls *calls;
    struct engine *e;
    struct hosted hosted;
    struct outbox out;
    struct msg_reader reader;
    int64_t now_us;
    uint64_t granted, seq, acked, cancelled, recalled, last_worker;
    uint64_t seed; /* of what happens at random; 0: nothing does */
    uint32_t owner;
    struct held held[HELD_MAX]; /* what workers have, oldest first */
    uint32_t n_held;
};

static void
check(struct world *w)
{
    const char *broken = engine_check(w->e);

    if (broken) fail_msg("%s (seed %u)", broken, (unsigned)w->seed);
}

/* -- lives of the owner ---------------------------------------------------- */

static void
life_begins(struct world *w, uint32_t total_ms)
{
    const struct engine_options o = {.job = JOB,
                                     .owner = ++w->owner,
                                     .provider = "main",
                                     .total_ms = total_ms,
                                     .resumed = w->owner > 1};

    assert_int_equal(engine_new(&o, &calls_kind, w->calls, &w->out, &w->e),
                     CO_OK);
    w->hosted = (struct hosted){.kind = &calls_kind, .state = w->calls};
}

static struct calls *
new_calls(uint32_t rows)
{
    struct calls *c = test_calloc(1, sizeof *c);

    c->rows = rows;
    c->wait_us = 60LL * S;
    return c;
}

static struct world *
given_calls_of(uint32_t rows, uint32_t total_ms)
{
    struct world *w = test_calloc(1, sizeof *w);
    const struct journal_options options = {.no_ballast = true,
                                            .threadless = true};
    const struct adoption none = {0};

    strcpy(w->dir, "/tmp/cohort-test-paid-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->journal_dir, sizeof w->journal_dir, "%s/journal", w->dir);
    w->now_us = 1000LL * S;
    w->calls = new_calls(rows);
    outbox_init(&w->out);
    life_begins(w, total_ms);
    assert_int_equal(journal_start(w->journal_dir, JOB, w->owner, &none,
                                   &options, &w->journal, NULL),
                     CO_OK);
    return w;
}

static struct world *
given_calls(uint32_t rows)
{
    return given_calls_of(rows, 0);
}

/* As by kill -9. */
static void
life_ends(struct world *w)
{
    journal_free(w->journal);
    engine_free(w->e);
    test_free(w->calls);
    outbox_clear(&w->out);
    w->journal = NULL;
    w->e = NULL;
    w->calls = NULL;
    w->n_held = 0;
    w->granted = 0;
}

/* What the journal held is in w->calls->said then. */
static enum co_err
next_life(struct world *w, struct co_diag *diag)
{
    uint32_t rows = w->calls->rows;
    enum co_err err;

    life_ends(w);
    w->calls = new_calls(rows);
    life_begins(w, 0);
    err = replay_journal(w->journal_dir, JOB, w->owner, 0, w->e, &w->hosted,
                         &w->journal, diag);
    if (!err) engine_replay_done(w->e);
    return err;
}

static void
world_end(struct world *w)
{
    life_ends(w);
    outbox_fini(&w->out);
    assert_int_equal(co_fs_remove_tree(w->dir, NULL), CO_OK);
    test_free(w);
}

static struct engine_status
status(const struct world *w)
{
    struct engine_status s;

    engine_status(w->e, &s);
    return s;
}

/* -- the journal ----------------------------------------------------------- */

static void
journal_writes(struct world *w)
{
    assert_int_equal(owner_journal_write(w->journal, w->e, NULL), CO_OK);
    check(w);
}

static void
journal_syncs(struct world *w)
{
    assert_int_equal(journal_commit(w->journal), CO_OK);
    assert_int_equal(
        owner_journal_read(w->journal, w->e, &w->hosted, w->now_us, NULL),
        CO_OK);
    check(w);
}

static void
commits(struct world *w)
{
    journal_writes(w);
    journal_syncs(w);
}

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

/* Types of the records on disk that are a job's: "NRN". */
static const char *
on_disk(struct world *w)
{
    static char types[CALLS_SAID];
    co_auto(reader_closep) struct reader *r = NULL;
    struct record record;
    size_t n = 0;

    assert_int_equal(reader_open(w->journal_dir, 0, &r, NULL), CO_OK);
    while (!reader_next(r, &record, NULL, NULL)) {
        if (record.type == RECORD_NOTE) types[n++] = 'N';
        if (record.type == RECORD_RESULTS) types[n++] = 'R';
    }
    types[n] = '\0';
    return types;
}

/* -- brokers and workers --------------------------------------------------- */

static void
on_tasks(struct world *w, const struct msg_tasks *t)
{
    assert_true(msg_str_is(t->provider, "main"));
    for (uint32_t i = 0; i < t->tasks.n; i++) {
        assert_true(w->n_held < HELD_MAX);
        w->held[w->n_held++] = (struct held){.task = t->tasks.v[i],
                                             .attempt = msg_at(t->attempts, i),
                                             .worker = ++w->last_worker};
    }
}

static void
broker_reads(struct world *w)
{
    struct msg m;

    for (size_t i = 0; i < w->out.n; i++) {
        const struct outmsg *o = &w->out.v[i];

        assert_int_equal(msg_decode(&w->reader, o->head.data, o->head.len, &m),
                         CO_OK);
        if (m.type == MSG_tasks) on_tasks(w, &m.tasks);
        if (m.type == MSG_ack) w->acked += m.ack.seqs.n;
        if (m.type == MSG_cancel && m.cancel.unsent) {
            w->recalled += m.cancel.tasks.n;
        } else if (m.type == MSG_cancel) {
            w->cancelled += m.cancel.tasks.n;
        }
    }
    outbox_clear(&w->out);
}

static void
publishes(struct world *w)
{
    engine_tick(w->e, w->now_us);
    check(w);
    engine_publish(w->e, w->now_us);
    check(w);
    broker_reads(w);
}

/* What an owner does in two turns: intents go to disk, then calls go out. */
static void
turns(struct world *w)
{
    publishes(w);
    commits(w);
    publishes(w);
}

static void
passes(struct world *w, int64_t us)
{
    w->now_us += us;
    turns(w);
}

static void
attached(struct world *w)
{
    const struct msg_attached a = {.job = JOB, .owner = w->owner};

    engine_on_attached(w->e, 0, &a, w->now_us);
    check(w);
}

static void
grants(struct world *w, uint64_t more)
{
    const struct msg_credit c = {.service = msg_text("ask"),
                                 .provider = msg_text("main"),
                                 .job = JOB,
                                 .granted = w->granted += more};

    engine_on_credit(w->e, 0, &c);
    check(w);
}

static void
given_broker(struct world *w, uint64_t credit)
{
    w->granted = 0;
    attached(w);
    grants(w, credit);
}

/* One call, out at a worker. */
static struct held
given_call_out(struct world *w)
{
    given_broker(w, 100);
    turns(w);
    assert_int_equal(w->n_held, 1);
    return w->held[0];
}

/* The oldest task that workers have. */
static struct held
worker_has(struct world *w)
{
    struct held h = w->held[0];

    assert_true(w->n_held > 0);
    memmove(w->held, w->held + 1, --w->n_held * sizeof h);
    return h;
}

static void
answers_with(struct world *w, struct held h, uint32_t status, uint64_t said,
             uint32_t len)
{
    struct msg m = {.type = MSG_results};
    struct co_bytes head, body;
    struct co_buf buf;

    m.results = (struct msg_results){.job = JOB,
                                     .owner = w->owner,
                                     .worker = h.worker,
                                     .seq = ++w->seq,
                                     .tasks = {&h.task, 1},
                                     .attempts = {&h.attempt, 1},
                                     .statuses = {&status, 1},
                                     .lens = {&len, 1}};
    co_buf_init(&buf, HEAD_BYTES_MAX);
    msg_encode(&m, &buf);
    assert_int_equal(co_bytes_copy(buf.data, buf.len, &head), CO_OK);
    assert_int_equal(co_bytes_copy(&said, len, &body), CO_OK);
    assert_int_equal(
        engine_on_results(w->e, 0, &m.results, head, body, w->now_us), CO_OK);
    co_bytes_unref(&head);
    co_bytes_unref(&body);
    co_buf_fini(&buf);
    check(w);
}

static void
answers(struct world *w, struct held h)
{
    answers_with(w, h, STATUS_OK, h.task, CALL_BYTES);
}

static void
lost(struct world *w, struct held h, uint32_t cause)
{
    const struct msg_lost l = {.job = JOB,
                               .tasks = {&h.task, 1},
                               .attempts = {&h.attempt, 1},
                               .cause = cause,
                               .worker = h.worker,
                               .neighbours = 1};

    engine_on_lost(w->e, 0, &l, w->now_us);
    check(w);
}

static void
returned_for(struct world *w, struct held h, uint32_t reason)
{
    const struct msg_returned r = {.job = JOB,
                                   .tasks = {&h.task, 1},
                                   .attempts = {&h.attempt, 1},
                                   .reason = reason};

    engine_on_returned(w->e, 0, &r, w->now_us);
    check(w);
}

static void
returned(struct world *w, struct held h)
{
    returned_for(w, h, RETURN_DRAIN);
}

static void
inventory_of(struct world *w, struct held h)
{
    static const uint64_t job = JOB;
    const struct msg_inventory i = {.pages = 1,
                                    .jobs = {&job, 1},
                                    .tasks = {&h.task, 1},
                                    .attempts = {&h.attempt, 1}};

    engine_on_inventory(w->e, 0, &i, w->now_us);
    check(w);
}

static struct engine_counters
counters(const struct world *w)
{
    return *engine_counters(w->e);
}

/* The call that workers have now is another one than h. */
static void
expect_another(struct world *w, struct held h)
{
    assert_int_equal(worker_has(w).task, h.task + 1);
    assert_int_equal(w->n_held, 0);
}

/* And not the same again. */
static void
expect_nothing(struct world *w)
{
    assert_int_equal(w->n_held, 0);
}

/* -- intents --------------------------------------------------------------- */

static void
a_call_goes_out_only_after_its_intent_is_on_disk(void **state)
{
    struct world *w = given_calls(1);

    (void)state;
    given_broker(w, 100);
    publishes(w);
    assert_int_equal(status(w).why, ENGINE_WHY_KIND);
    assert_int_equal(status(w).kind, KIND_NEXT_INTENT);
    journal_writes(w);
    publishes(w);
    expect_nothing(w);
    assert_string_equal(w->calls->said, "");
    journal_syncs(w);
    assert_string_equal(w->calls->said, "noted0.16 ");
    assert_string_equal(on_disk(w), "N");
    publishes(w);
    assert_int_equal(worker_has(w).task, calls_id(0, 0));
    world_end(w);
}

static void
a_turn_that_made_intents_has_orders_for_the_journal(void **state)
{
    struct world *w = given_calls(3);
    struct engine_order order;

    (void)state;
    given_broker(w, 100);
    publishes(w);
    assert_int_equal(status(w).pending, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(engine_next_order(w->e, &order));
        assert_true(order.note);
        assert_int_equal(order.head.len, 0);
        co_bytes_unref(&order.body);
    }
    assert_false(engine_next_order(w->e, &order));
    assert_int_equal(counters(w).notes, 3);
    assert_int_equal(counters(w).journaled, 0);
    world_end(w);
}

static void
notes_and_results_stand_on_disk_in_the_order_in_which_they_came_up(void **state)
{
    struct world *w = given_calls(2);

    (void)state;
    given_broker(w, 100);
    turns(w);
    assert_string_equal(on_disk(w), "NN");
    lost(w, w->held[0], LOST_WORKER_DEAD);
    publishes(w); /* makes an intent, and then an answer comes */
    answers(w, w->held[1]);
    commits(w);
    assert_string_equal(on_disk(w), "NNNR");
    answers(w, w->held[0]); /* too late, but good */
    lost(w, w->held[0], LOST_WORKER_DEAD);
    commits(w);
    assert_string_equal(on_disk(w), "NNNRR");
    assert_string_equal(w->calls->said,
                        "noted0.16 noted1.16 lost0.16 take1.16 noted0.17 "
                        "place1.16 take0.16 place0.16 ");
    world_end(w);
}

static void
while_many_notes_wait_for_the_disk_no_results_are_taken(void **state)
{
    struct world *w = given_calls(CALLS_ROWS_MAX);

    (void)state;
    given_broker(w, 10000);
    assert_true(engine_results_room(w->e) > 0);
    publishes(w);
    assert_int_equal(engine_results_room(w->e), 0);
    journal_writes(w);
    assert_int_equal(engine_results_room(w->e), 0);
    journal_syncs(w);
    assert_true(engine_results_room(w->e) > 0);
    publishes(w);
    assert_int_equal(w->n_held, CALLS_ROWS_MAX);
    world_end(w);
}

/* -- lost calls ------------------------------------------------------------ */

static void
a_call_lost_with_its_worker_is_never_sent_again(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_WORKER_DEAD);
    assert_int_equal(counters(w).gone, 1);
    assert_int_equal(w->calls->unknown, 1);
    turns(w);
    expect_another(w, h);
    passes(w, 1000LL * S);
    expect_nothing(w);
    assert_int_equal(counters(w).retried, 0);
    assert_int_equal(counters(w).lost_charged, 0);
    world_end(w);
}

static void
a_call_whose_worker_may_live_is_waited_for(uint32_t cause, uint32_t total_ms,
                                           int64_t wait_us)
{
    struct world *w = given_calls_of(1, total_ms);
    struct held h = given_call_out(w);

    w->n_held = 0;
    lost(w, h, cause);
    turns(w);
    assert_int_equal(status(w).doubted, 1);
    assert_int_equal(status(w).why, ENGINE_WHY_DOUBT);
    assert_int_equal(engine_due_us(w->e), w->now_us + wait_us);
    passes(w, wait_us - 1);
    expect_nothing(w);
    passes(w, 1);
    assert_string_equal(w->calls->said, "noted0.16 lost0.16 noted0.17 ");
    expect_another(w, h);
    assert_int_equal(status(w).doubted, 0);
    world_end(w);
}

static void
a_call_of_a_silent_worker_is_waited_for_a_minute(void **state)
{
    (void)state;
    a_call_whose_worker_may_live_is_waited_for(LOST_SILENT, 0, 60LL * S);
    a_call_whose_worker_may_live_is_waited_for(LOST_LINK, 600000, 60LL * S);
}

static void
a_lost_call_is_waited_for_no_longer_than_it_may_take(void **state)
{
    (void)state;
    a_call_whose_worker_may_live_is_waited_for(LOST_SILENT, 7000, 7LL * S);
}

static void
a_worker_that_left_is_no_proof_that_its_call_was_not_made(void **state)
{
    (void)state;
    a_call_whose_worker_may_live_is_waited_for(LOST_DRAIN, 0, 60LL * S);
}

static void
the_answer_of_a_lost_call_counts_while_it_is_waited_for(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_SILENT);
    passes(w, 30LL * S);
    answers(w, h);
    turns(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    assert_int_equal(w->calls->unknown, 0);
    assert_int_equal(w->acked, 1);
    passes(w, 100LL * S);
    expect_nothing(w);
    assert_string_equal(on_disk(w), "NR");
    world_end(w);
}

static void
an_answer_after_that_is_salvaged_and_settles_the_call(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    lost(w, h, LOST_WORKER_DEAD);
    w->n_held = 0;
    turns(w);
    answers(w, h);
    assert_int_equal(counters(w).salvaged, 1);
    turns(w);
    assert_int_equal(w->calls->row[0].settled, 1);
    assert_int_equal(w->acked, 1);
    answers(w, worker_has(w)); /* the second one was paid, too */
    turns(w);
    assert_int_equal(w->calls->row[0].settled, 3);
    assert_string_equal(on_disk(w), "NNRR");
    world_end(w);
}

static void
a_second_loss_ends_the_waiting_early_and_never_prolongs_it(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_SILENT);
    passes(w, 50LL * S);
    lost(w, h, LOST_LINK);
    passes(w, 10LL * S);
    expect_another(w, h);
    h.task++;
    lost(w, h, LOST_SILENT);
    lost(w, h, LOST_WORKER_DEAD);
    turns(w);
    expect_another(w, h);
    world_end(w);
}

static void
a_failed_call_is_gone_at_once(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    answers_with(w, h, STATUS_FAILED, 0, 0);
    turns(w);
    assert_string_equal(w->calls->said, "noted0.16 failed0.16 noted0.17 ");
    expect_another(w, h);
    assert_int_equal(w->acked, 1);
    world_end(w);
}

static void
a_call_whose_answer_makes_no_sense_is_gone_too(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    answers_with(w, h, STATUS_OK, 77, CALL_BYTES);
    turns(w);
    assert_int_equal(counters(w).invalid, 1);
    expect_another(w, h);
    world_end(w);
}

static void
a_lost_call_that_fails_is_not_waited_for(void **state)
{
    struct world *w = given_calls(2);
    struct held a, b;

    (void)state;
    given_broker(w, 100);
    turns(w);
    a = worker_has(w);
    b = worker_has(w);
    lost(w, a, LOST_SILENT);
    lost(w, b, LOST_SILENT);
    answers_with(w, a, STATUS_FAILED, 0, 0);
    answers_with(w, b, STATUS_OK, 77, CALL_BYTES);
    turns(w);
    assert_int_equal(worker_has(w).task, a.task + 1);
    assert_int_equal(worker_has(w).task, b.task + 1);
    world_end(w);
}

static void
a_kind_that_wants_a_lost_call_repeated_gets_that(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w), again;

    (void)state;
    w->n_held = 0;
    w->calls->keeps_lost = true;
    lost(w, h, LOST_SILENT);
    passes(w, 60LL * S);
    again = worker_has(w);
    assert_int_equal(again.task, h.task);
    assert_int_equal(again.attempt, 2);
    world_end(w);
}

/* -- calls that no worker had ---------------------------------------------- */

static void
expect_the_same(struct world *w, struct held h)
{
    struct held again = worker_has(w);

    assert_int_equal(again.task, h.task);
    assert_int_equal(again.attempt, h.attempt + 1);
    assert_int_equal(w->calls->unknown, 0);
    assert_int_equal(counters(w).gone, 0);
    assert_string_equal(on_disk(w), "N"); /* its intent still holds */
}

static void
a_returned_call_is_repeated_under_the_same_id(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    returned(w, h);
    turns(w);
    expect_the_same(w, h);
    world_end(w);
}

/* So that it intends no more than that. */
static void
the_kind_is_told_what_can_be_published_after_what_is_repeated(void **state)
{
    struct world *w = given_calls(10);

    (void)state;
    given_broker(w, 4);
    publishes(w);
    assert_int_equal(w->calls->room, 4);
    commits(w);
    publishes(w);
    assert_int_equal(w->n_held, 4);
    returned(w, worker_has(w));
    grants(w, 3);
    publishes(w);
    assert_int_equal(w->calls->room, 2);
    assert_int_equal(w->n_held, 6);
    world_end(w);
}

/* Its worker had it done, and could not keep what came of it. */
static void
a_call_whose_result_is_lost_is_gone_at_once(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    returned_for(w, h, RETURN_RESULT_LOST);
    turns(w);
    assert_string_equal(w->calls->said, "noted0.16 failed0.16 noted0.17 ");
    expect_another(w, h);
    world_end(w);
}

static void
a_lost_call_that_comes_back_unsent_is_repeated_under_the_same_id(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_LINK);
    passes(w, 10LL * S);
    returned(w, h);
    turns(w);
    expect_the_same(w, h);
    world_end(w);
}

static void
a_call_that_a_broker_refused_is_repeated_under_the_same_id(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);
    const struct msg_refused full = {
        .code = msg_text("FULL"), .job = JOB, .tasks = {&h.task, 1}};

    (void)state;
    w->n_held = 0;
    engine_on_refused(w->e, 0, &full, w->now_us);
    passes(w, 1LL * S);
    expect_the_same(w, h);
    world_end(w);
}

static void
a_call_in_a_message_that_was_not_sent_is_repeated_under_the_same_id(
    void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);
    const struct msg_tasks unsent = {.job = JOB,
                                     .owner = 1,
                                     .tasks = {&h.task, 1},
                                     .attempts = {&h.attempt, 1}};

    (void)state;
    w->n_held = 0;
    engine_on_unsent(w->e, 0, &unsent, w->now_us);
    engine_on_link_down(w->e, 0, w->now_us);
    given_broker(w, 100);
    turns(w);
    expect_the_same(w, h);
    assert_int_equal(counters(w).unsent, 1);
    world_end(w);
}

/* -- links ----------------------------------------------------------------- */

static void
a_call_that_a_broker_has_not_got_any_more_is_waited_for_and_gone(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    engine_on_link_down(w->e, 0, w->now_us);
    given_broker(w, 100); /* its INVENTORY named nothing */
    turns(w);
    assert_int_equal(status(w).doubted, 1);
    passes(w, 60LL * S);
    expect_another(w, h);
    world_end(w);
}

static void
a_call_that_a_comparison_does_not_find_is_waited_for_and_gone(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    w->now_us += 40LL * S;
    assert_int_equal(engine_next_compare(w->e, w->now_us), 0);
    given_broker(w, 100);
    assert_int_equal(counters(w).reconciled, 1);
    passes(w, 59LL * S);
    expect_nothing(w);
    passes(w, 1LL * S);
    expect_another(w, h);
    world_end(w);
}

static void
a_call_on_a_link_that_stays_away_is_gone_after_a_minute(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    engine_on_link_down(w->e, 0, w->now_us);
    passes(w, 60LL * S - 1);
    assert_int_equal(counters(w).gone, 0);
    passes(w, 1);
    assert_int_equal(counters(w).gone, 1);
    given_broker(w, 100);
    turns(w);
    expect_another(w, h);
    world_end(w);
}

static void
a_call_in_doubt_that_an_inventory_names_is_out_again(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_LINK);
    passes(w, 30LL * S);
    inventory_of(w, h);
    assert_int_equal(status(w).doubted, 0);
    passes(w, 100LL * S);
    expect_nothing(w);
    answers(w, h);
    turns(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    assert_int_equal(w->calls->unknown, 0);
    world_end(w);
}

static void
a_call_that_is_gone_and_turns_up_is_cancelled(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);

    (void)state;
    w->n_held = 0;
    lost(w, h, LOST_WORKER_DEAD);
    turns(w);
    inventory_of(w, h);
    publishes(w);
    assert_int_equal(w->cancelled, 1);
    expect_another(w, h);
    world_end(w);
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

/* -- free tasks of a paid job ---------------------------------------------- */

static void
a_task_that_costs_nothing_is_repeated_at_once(void **state)
{
    static const uint32_t causes[] = {LOST_SILENT, LOST_LINK, LOST_DRAIN};
    struct world *w = given_calls(1);

    (void)state;
    w->calls->frames = true;
    (void)given_call_out(w);
    answers(w, worker_has(w));
    turns(w);
    for (uint32_t i = 0; i < co_countof(causes); i++) {
        struct held frame = worker_has(w);

        assert_int_equal(frame.task, 0);
        lost(w, frame, causes[i]);
        turns(w);
    }
    assert_int_equal(counters(w).gone, 0);
    assert_int_equal(counters(w).lost_charged, 1);
    answers_with(w, w->held[0], STATUS_FAILED, 0, 0);
    passes(w, 1LL * S);
    assert_int_equal(w->n_held, 2);
    world_end(w);
}

static void
on_a_link_that_stays_away_free_tasks_go_elsewhere_before_calls_are_gone(
    void **state)
{
    struct world *w = given_calls(2);
    struct held call;

    (void)state;
    w->calls->frames = true;
    given_broker(w, 100);
    turns(w);
    answers(w, worker_has(w));
    turns(w);
    call = worker_has(w);
    assert_int_equal(worker_has(w).task, 0); /* the frame of the first row */
    engine_on_link_down(w->e, 0, w->now_us);
    passes(w, 2LL * S);
    assert_int_equal(status(w).ready, 1);
    assert_int_equal(counters(w).gone, 0);
    passes(w, 58LL * S);
    assert_int_equal(counters(w).gone, 1);
    given_broker(w, 100);
    turns(w);
    assert_int_equal(worker_has(w).task, 0);
    expect_another(w, call);
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

/* -- the provider ---------------------------------------------------------- */

static void
credit_for_another_provider_is_not_ours(void **state)
{
    struct world *w = given_calls(1);
    const struct msg_credit other = {.service = msg_text("ask"),
                                     .provider = msg_text("cheap"),
                                     .job = JOB,
                                     .granted = 9};
    const struct msg_credit none = {
        .service = msg_text("ask"), .job = JOB, .granted = 9};

    (void)state;
    attached(w);
    engine_on_credit(w->e, 0, &other);
    assert_int_equal(counters(w).unknown, 1);
    assert_int_equal(status(w).credit, 0);
    engine_on_credit(w->e, 0, &none); /* of a broker that names none */
    assert_int_equal(status(w).credit, 9);
    world_end(w);
}

static void
grants_are_given_back_for_the_provider(void **state)
{
    struct world *w = given_calls(1);
    const struct msg_reclaim reclaim = {.service = msg_text("ask"),
                                        .provider = msg_text("main"),
                                        .job = JOB,
                                        .count = 4};
    struct msg m;

    (void)state;
    given_broker(w, 9);
    engine_on_reclaim(w->e, 0, &reclaim);
    assert_int_equal(w->out.n, 1);
    assert_int_equal(
        msg_decode(&w->reader, w->out.v[0].head.data, w->out.v[0].head.len, &m),
        CO_OK);
    assert_int_equal(m.type, MSG_reclaimed);
    assert_int_equal(m.reclaimed.returned, 4);
    assert_true(msg_str_is(m.reclaimed.provider, "main"));
    world_end(w);
}

/* -- what people are told -------------------------------------------------- */

static void
why_says_that_answers_are_waited_for(void **state)
{
    struct world *w = given_calls(1);
    struct held h = given_call_out(w);
    struct co_buf out;

    (void)state;
    lost(w, h, LOST_SILENT);
    publishes(w);
    co_buf_init(&out, 1 << 16);
    engine_why(w->e, w->now_us, &out);
    assert_non_null(strstr(co_buf_text(&out),
                           "publishing: lost calls may still be answered"));
    assert_non_null(strstr(co_buf_text(&out), "in doubt: 1 of the waiting"));
    assert_non_null(strstr(co_buf_text(&out), "next retry in 60000 ms"));
    co_buf_fini(&out);
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
        T(a_call_goes_out_only_after_its_intent_is_on_disk),
        T(a_turn_that_made_intents_has_orders_for_the_journal),
        T(notes_and_results_stand_on_disk_in_the_order_in_which_they_came_up),
        T(while_many_notes_wait_for_the_disk_no_results_are_taken),
        T(a_call_lost_with_its_worker_is_never_sent_again),
        T(a_call_of_a_silent_worker_is_waited_for_a_minute),
        T(a_lost_call_is_waited_for_no_longer_than_it_may_take),
        T(a_worker_that_left_is_no_proof_that_its_call_was_not_made),
        T(the_answer_of_a_lost_call_counts_while_it_is_waited_for),
        T(an_answer_after_that_is_salvaged_and_settles_the_call),
        T(a_second_loss_ends_the_waiting_early_and_never_prolongs_it),
        T(a_failed_call_is_gone_at_once),
        T(a_call_whose_answer_makes_no_sense_is_gone_too),
        T(a_lost_call_that_fails_is_not_waited_for),
        T(a_kind_that_wants_a_lost_call_repeated_gets_that),
        T(a_returned_call_is_repeated_under_the_same_id),
        T(the_kind_is_told_what_can_be_published_after_what_is_repeated),
        T(a_call_whose_result_is_lost_is_gone_at_once),
        T(a_lost_call_that_comes_back_unsent_is_repeated_under_the_same_id),
        T(a_call_that_a_broker_refused_is_repeated_under_the_same_id),
        T(a_call_in_a_message_that_was_not_sent_is_repeated_under_the_same_id),
        T(a_call_that_a_broker_has_not_got_any_more_is_waited_for_and_gone),
        T(a_call_that_a_comparison_does_not_find_is_waited_for_and_gone),
        T(a_call_on_a_link_that_stays_away_is_gone_after_a_minute),
        T(a_call_in_doubt_that_an_inventory_names_is_out_again),
        T(a_call_that_is_gone_and_turns_up_is_cancelled),
        T(a_stop_calls_back_what_is_out_and_takes_back_what_was_not_sent),
        T(a_link_that_comes_back_during_a_stop_is_told_of_it),
        T(a_broker_that_restarts_during_a_stop_is_told_when_it_knows_its_workers),
        T(a_call_that_may_have_been_sent_is_not_taken_back_by_a_stop),
        T(a_task_that_costs_nothing_is_repeated_at_once),
        T(on_a_link_that_stays_away_free_tasks_go_elsewhere_before_calls_are_gone),
        T(the_next_owner_reads_notes_and_results_in_their_order),
        T(an_intent_that_was_not_synced_leaves_nothing),
        T(the_next_owner_adopts_a_call_that_a_broker_names),
        T(a_call_of_the_last_owner_is_answered_though_nobody_named_it),
        T(a_note_that_the_kind_does_not_know_refuses_the_journal),
        T(credit_for_another_provider_is_not_ours),
        T(grants_are_given_back_for_the_provider),
        T(why_says_that_answers_are_waited_for),
        T(whatever_happens_no_call_is_made_twice_and_the_job_ends),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
