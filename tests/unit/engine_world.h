/* engine_world.h - the engine with a small model of brokers, workers and
 * journal around it. The model keeps what is out in a list; tests say what
 * happens to it. engine_check() runs after every event. */
#pragma once
#include "tests/co_test.h"

#include "coordinator/engine.h"
#include "coordinator/kind_bench.h"
#include "fake_ranges.h"

enum { JOB = 9, OWNER = 3, HELD_MAX = 8192, LINKS = 2, JOURNAL_MAX = 20000 };

/* A task that the model's brokers hold. */
struct held {
    uint64_t task, worker;
    uint32_t attempt;
    unsigned link;
    bool alone;
    struct fake_task range;
};

struct order_copy {
    struct co_bytes head, body;
    uint32_t record;
};

struct world {
    struct engine *e;
    const struct job_kind *kind;
    void *state;
    struct personas *p; /* when the kind is personas */
    struct outbox out;
    struct msg_reader reader, results_reader;
    int64_t now_us;
    uint64_t random, seq, granted[LINKS], acked, cancelled;
    uint32_t reject, record;
    struct held held[HELD_MAX];
    uint32_t n_held;
    uint64_t last_worker;
    /* orders fetched; [committed, fetched) are not committed yet */
    struct order_copy journal[JOURNAL_MAX];
    uint64_t cookies[JOURNAL_MAX];
    uint32_t fetched, committed;
    bool alone_seen;
};

static const uint32_t table_cells[1] = {4};

co_unused static void
check(struct world *w)
{
    const char *broken = engine_check(w->e);

    if (broken) fail_msg("%s", broken);
}

co_unused static void
engine_begin(struct world *w, uint32_t batch)
{
    struct engine_options o = {
        .job = JOB, .owner = OWNER, .batch = batch, .window = 2048};

    outbox_init(&w->out);
    assert_int_equal(engine_new(&o, w->kind, w->state, &w->out, &w->e), CO_OK);
}

co_unused static struct personas *
new_personas(uint64_t rows)
{
    struct personas_options o = {.rows = rows,
                                 .shard_rows = 1000,
                                 .service = "persona.corpus",
                                 .table_cells = table_cells,
                                 .tables = 1};
    struct personas *p;

    assert_int_equal(personas_new(&o, &p), CO_OK);
    return p;
}

co_unused static struct world *
given_personas(uint64_t rows, uint32_t reject, uint64_t seed)
{
    struct world *w = test_calloc(1, sizeof(*w));

    w->random = seed;
    w->reject = reject;
    w->now_us = 1000000;
    w->record = 64;
    w->kind = &personas_kind;
    w->state = w->p = new_personas(rows);
    engine_begin(w, 8);
    return w;
}

co_unused static struct world *
given_bench(uint64_t tasks)
{
    struct bench_options o = {.tasks = tasks};
    struct world *w = test_calloc(1, sizeof(*w));
    struct bench *b;

    assert_int_equal(bench_new(&o, &b), CO_OK);
    w->now_us = 1000000;
    w->record = 64;
    w->kind = &bench_kind;
    w->state = b;
    engine_begin(w, 64);
    return w;
}

co_unused static void
world_end(struct world *w)
{
    for (uint32_t i = 0; i < w->fetched; i++) {
        co_bytes_unref(&w->journal[i].head);
        co_bytes_unref(&w->journal[i].body);
    }
    engine_free(w->e);
    outbox_fini(&w->out);
    if (w->p) {
        personas_free(w->p);
    } else {
        bench_free(w->state);
    }
    test_free(w);
}

co_unused static void
on_tasks(struct world *w, unsigned link, const struct msg_tasks *t,
         const uint8_t *body)
{
    size_t at = 0;

    if (t->alone) {
        assert_int_equal(t->tasks.n, 1);
        w->alone_seen = true;
    }
    for (uint32_t i = 0; i < t->tasks.n; i++) {
        struct held *h = &w->held[w->n_held++];

        assert_true(w->n_held < HELD_MAX);
        *h = (struct held){.task = t->tasks.v[i],
                           .worker = ++w->last_worker,
                           .attempt = msg_at(t->attempts, i),
                           .link = link,
                           .alone = t->alone};
        if (w->p) h->range = fake_read(body + at, msg_at(t->lens, i));
        at += msg_at(t->lens, i);
    }
}

co_unused static void
drain(struct world *w)
{
    for (size_t i = 0; i < w->out.n; i++) {
        struct outmsg *o = &w->out.v[i];
        struct msg m;

        assert_int_equal(msg_decode(&w->reader, o->head.data, o->head.len, &m),
                         CO_OK);
        if (m.type == MSG_tasks) {
            assert_int_equal(msg_check_tasks(&m.tasks, o->body.len), CO_OK);
            on_tasks(w, (unsigned)o->peer, &m.tasks, o->body.data);
        } else if (m.type == MSG_ack) {
            w->acked += m.ack.seqs.n;
        } else if (m.type == MSG_cancel) {
            w->cancelled += m.cancel.tasks.n;
        }
    }
    outbox_clear(&w->out);
}

co_unused static void
publish(struct world *w)
{
    engine_tick(w->e, w->now_us);
    engine_publish(w->e, w->now_us);
    check(w);
    drain(w);
}

co_unused static void
grant(struct world *w, unsigned link, uint64_t more)
{
    struct msg_credit c = {.service = msg_text(w->kind->service(w->state)),
                           .job = JOB};

    w->granted[link] += more;
    c.granted = w->granted[link];
    engine_on_credit(w->e, link, &c);
    check(w);
}

co_unused static void
attach(struct world *w, unsigned link)
{
    struct msg_attached a = {.job = JOB, .owner = OWNER};

    engine_on_attached(w->e, link, &a, w->now_us);
    check(w);
}

/* A broker that is new here, or anew: its grants count from 0. */
co_unused static void
given_broker(struct world *w, unsigned link, uint64_t credit)
{
    w->granted[link] = 0;
    attach(w, link);
    grant(w, link, credit);
}

/* One broker, and what its credit allows is out. */
co_unused static void
given_out(struct world *w, uint64_t credit)
{
    given_broker(w, 0, credit);
    publish(w);
}

/* A result of h, good or failed, from its worker. */
co_unused static void
result(struct world *w, const struct held *h, bool ok)
{
    const uint32_t status = ok ? STATUS_OK : STATUS_FAILED;
    struct co_bytes head, bytes;
    struct co_buf body, header;
    struct msg m = {.type = MSG_results};
    uint32_t len;

    co_buf_init(&body, 1 << 20);
    co_buf_init(&header, HEAD_BYTES_MAX);
    if (ok && w->p) {
        fake_answer(h->range, w->reject, &body);
    } else if (ok) {
        uint8_t text[BENCH_RESULT_BYTES] = {0};

        memcpy(text, &h->task, 8);
        co_buf_append(&body, text, sizeof(text));
    }
    len = (uint32_t)body.len;
    m.results = (struct msg_results){.job = JOB,
                                     .owner = OWNER,
                                     .worker = h->worker,
                                     .seq = ++w->seq,
                                     .tasks = {&h->task, 1},
                                     .attempts = {&h->attempt, 1},
                                     .statuses = {&status, 1},
                                     .lens = {&len, 1}};
    msg_encode(&m, &header);
    assert_int_equal(co_bytes_copy(header.data, header.len, &head), CO_OK);
    assert_int_equal(co_bytes_copy(body.data, body.len, &bytes), CO_OK);
    assert_int_equal(
        engine_on_results(w->e, h->link, &m.results, head, bytes, w->now_us),
        CO_OK);
    co_bytes_unref(&head);
    co_bytes_unref(&bytes);
    co_buf_fini(&body);
    co_buf_fini(&header);
    check(w);
}

co_unused static struct held
held_take(struct world *w, uint32_t i)
{
    struct held h = w->held[i];

    w->held[i] = w->held[--w->n_held];
    return h;
}

co_unused static void
lose(struct world *w, const struct held *h, uint32_t cause, uint32_t neighbours)
{
    struct msg_lost l = {.job = JOB,
                         .tasks = {&h->task, 1},
                         .attempts = {&h->attempt, 1},
                         .cause = cause,
                         .worker = h->worker,
                         .neighbours = neighbours};

    engine_on_lost(w->e, h->link, &l, w->now_us);
    check(w);
}

co_unused static void
give_back(struct world *w, const struct held *h, uint32_t not_before_ms)
{
    struct msg_returned r = {.job = JOB,
                             .tasks = {&h->task, 1},
                             .attempts = {&h->attempt, 1},
                             .reason = RETURN_DRAIN,
                             .not_before_ms = not_before_ms};

    engine_on_returned(w->e, h->link, &r, w->now_us);
    check(w);
}

co_unused static void
fetch_orders(struct world *w)
{
    struct engine_order o;

    while (w->fetched < JOURNAL_MAX && engine_next_order(w->e, &o)) {
        w->cookies[w->fetched] = o.cookie;
        w->journal[w->fetched++] =
            (struct order_copy){o.head, o.body, w->record};
        w->record += 8000;
    }
}

/* The place of an order's body: after a record header and the head. */
co_unused static uint32_t
inside(const struct order_copy *o)
{
    return (uint32_t)(16 + o->head.len);
}

co_unused static void
commit_one(struct world *w)
{
    struct order_copy *o = &w->journal[w->committed];

    if (w->committed == w->fetched) return;
    engine_on_committed(w->e, w->cookies[w->committed], 1, o->record, inside(o),
                        w->now_us);
    w->committed++;
    check(w);
}

co_unused static void
commit_all(struct world *w)
{
    fetch_orders(w);
    while (w->committed < w->fetched) {
        commit_one(w);
    }
}

co_unused static void
seal_all(struct world *w)
{
    struct personas_seal seal;

    while (w->p && personas_next_seal(w->p, &seal)) {
        personas_on_sealed(w->p, seal.shard, 1, 2);
        check(w);
    }
}

co_unused static struct kind_ledger
ledger(struct world *w)
{
    struct kind_ledger l;

    w->kind->ledger(w->state, &l);
    return l;
}

co_unused static struct engine_counters
counters(struct world *w)
{
    return *engine_counters(w->e);
}

co_unused static void
inventory(struct world *w, unsigned link, uint64_t task)
{
    struct msg_inventory i = {.pages = 1, .tasks = {&task, 1}};

    engine_on_inventory(w->e, link, &i, w->now_us);
}
