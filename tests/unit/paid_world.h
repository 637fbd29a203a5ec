/* paid_world.h - the engine with tasks that must not be run twice: a small kind
 * (fake_calls.h), a model of a broker and its workers, and a real journal in a
 * temporary folder, which an owner's next life reads. engine_check() runs after
 * every event. */
#pragma once
#include "tests/co_test.h"

#include "common/fs.h"
#include "coordinator/engine.h"
#include "coordinator/owner_journal.h"
#include "coordinator/replay.h"
#include "fake_calls.h"
#include "journal/reader.h"

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

co_unused static void
check(struct world *w)
{
    const char *broken = engine_check(w->e);

    if (broken) fail_msg("%s (seed %u)", broken, (unsigned)w->seed);
}

/* -- lives of the owner ---------------------------------------------------- */

co_unused static void
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

co_unused static struct calls *
new_calls(uint32_t rows)
{
    struct calls *c = test_calloc(1, sizeof *c);

    c->rows = rows;
    c->wait_us = 60LL * S;
    return c;
}

co_unused static struct world *
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

co_unused static struct world *
given_calls(uint32_t rows)
{
    return given_calls_of(rows, 0);
}

/* As by kill -9. */
co_unused static void
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
co_unused static enum co_err
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

co_unused static void
world_end(struct world *w)
{
    life_ends(w);
    outbox_fini(&w->out);
    assert_int_equal(co_fs_remove_tree(w->dir, NULL), CO_OK);
    test_free(w);
}

co_unused static struct engine_status
status(const struct world *w)
{
    struct engine_status s;

    engine_status(w->e, &s);
    return s;
}

/* -- the journal ----------------------------------------------------------- */

co_unused static void
journal_writes(struct world *w)
{
    assert_int_equal(owner_journal_write(w->journal, w->e, NULL), CO_OK);
    check(w);
}

co_unused static void
journal_syncs(struct world *w)
{
    assert_int_equal(journal_commit(w->journal), CO_OK);
    assert_int_equal(
        owner_journal_read(w->journal, w->e, &w->hosted, w->now_us, NULL),
        CO_OK);
    check(w);
}

co_unused static void
commits(struct world *w)
{
    journal_writes(w);
    journal_syncs(w);
}

/* Types of the records on disk that are a job's: "NRN". */
co_unused static const char *
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

co_unused static void
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

co_unused static void
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

co_unused static void
publishes(struct world *w)
{
    engine_tick(w->e, w->now_us);
    check(w);
    engine_publish(w->e, w->now_us);
    check(w);
    broker_reads(w);
}

/* What an owner does in two turns: intents go to disk, then calls go out. */
co_unused static void
turns(struct world *w)
{
    publishes(w);
    commits(w);
    publishes(w);
}

co_unused static void
passes(struct world *w, int64_t us)
{
    w->now_us += us;
    turns(w);
}

co_unused static void
attached(struct world *w)
{
    const struct msg_attached a = {.job = JOB, .owner = w->owner};

    engine_on_attached(w->e, 0, &a, w->now_us);
    check(w);
}

co_unused static void
grants(struct world *w, uint64_t more)
{
    const struct msg_credit c = {.service = msg_text("ask"),
                                 .provider = msg_text("main"),
                                 .job = JOB,
                                 .granted = w->granted += more};

    engine_on_credit(w->e, 0, &c);
    check(w);
}

co_unused static void
given_broker(struct world *w, uint64_t credit)
{
    w->granted = 0;
    attached(w);
    grants(w, credit);
}

/* One call, out at a worker. */
co_unused static struct held
given_call_out(struct world *w)
{
    given_broker(w, 100);
    turns(w);
    assert_int_equal(w->n_held, 1);
    return w->held[0];
}

/* The oldest task that workers have. */
co_unused static struct held
worker_has(struct world *w)
{
    struct held h = w->held[0];

    assert_true(w->n_held > 0);
    memmove(w->held, w->held + 1, --w->n_held * sizeof h);
    return h;
}

co_unused static void
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

co_unused static void
answers(struct world *w, struct held h)
{
    answers_with(w, h, STATUS_OK, h.task, CALL_BYTES);
}

co_unused static void
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

co_unused static void
returned_for(struct world *w, struct held h, uint32_t reason)
{
    const struct msg_returned r = {.job = JOB,
                                   .tasks = {&h.task, 1},
                                   .attempts = {&h.attempt, 1},
                                   .reason = reason};

    engine_on_returned(w->e, 0, &r, w->now_us);
    check(w);
}

co_unused static void
returned(struct world *w, struct held h)
{
    returned_for(w, h, RETURN_DRAIN);
}

co_unused static void
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

co_unused static struct engine_counters
counters(const struct world *w)
{
    return *engine_counters(w->e);
}

/* The call that workers have now is another one than h. */
co_unused static void
expect_another(struct world *w, struct held h)
{
    assert_int_equal(worker_has(w).task, h.task + 1);
    assert_int_equal(w->n_held, 0);
}

/* And not the same again. */
co_unused static void
expect_nothing(struct world *w)
{
    assert_int_equal(w->n_held, 0);
}
