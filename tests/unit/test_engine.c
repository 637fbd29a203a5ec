/* test_engine.c - the engine against a small model of brokers, workers and
 * journal. The model keeps what is out in a list; tests say what happens to
 * it. engine_check() runs after every event. */
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

static uint64_t
rnd(struct world *w, uint64_t below)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (w->random >> 33) % below;
}

static void
check(struct world *w)
{
    const char *broken = engine_check(w->e);

    if (broken) fail_msg("%s", broken);
}

static void
engine_begin(struct world *w, uint32_t batch)
{
    struct engine_options o = {
        .job = JOB, .owner = OWNER, .batch = batch, .window = 2048};

    outbox_init(&w->out);
    assert_int_equal(engine_new(&o, w->kind, w->state, &w->out, &w->e), CO_OK);
}

static struct personas *
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

static struct world *
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

static struct world *
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

static void
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

/* -- what the model does --------------------------------------------------- */

static void
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

static void
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

static void
publish(struct world *w)
{
    engine_tick(w->e, w->now_us);
    engine_publish(w->e, w->now_us);
    check(w);
    drain(w);
}

static void
grant(struct world *w, unsigned link, uint64_t more)
{
    struct msg_credit c = {.service = msg_text(w->kind->service(w->state)),
                           .job = JOB};

    w->granted[link] += more;
    c.granted = w->granted[link];
    engine_on_credit(w->e, link, &c);
    check(w);
}

static void
attach(struct world *w, unsigned link)
{
    struct msg_attached a = {.job = JOB, .owner = OWNER};

    engine_on_attached(w->e, link, &a, w->now_us);
    check(w);
}

/* A result of h, good or failed, from its worker. */
static void
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

static struct held
held_take(struct world *w, uint32_t i)
{
    struct held h = w->held[i];

    w->held[i] = w->held[--w->n_held];
    return h;
}

static void
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

static void
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

static void
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
static uint32_t
inside(const struct order_copy *o)
{
    return (uint32_t)(16 + o->head.len);
}

static void
commit_one(struct world *w)
{
    struct order_copy *o = &w->journal[w->committed];

    if (w->committed == w->fetched) return;
    engine_on_committed(w->e, w->cookies[w->committed], 1, o->record, inside(o),
                        w->now_us);
    w->committed++;
    check(w);
}

static void
commit_all(struct world *w)
{
    fetch_orders(w);
    while (w->committed < w->fetched) {
        commit_one(w);
    }
}

static void
seal_all(struct world *w)
{
    struct personas_seal seal;

    while (w->p && personas_next_seal(w->p, &seal)) {
        personas_on_sealed(w->p, seal.shard, 1, 2);
        check(w);
    }
}

static struct kind_ledger
ledger(struct world *w)
{
    struct kind_ledger l;

    w->kind->ledger(w->state, &l);
    return l;
}

static struct engine_counters
counters(struct world *w)
{
    return *engine_counters(w->e);
}

/* -- tests: single rules --------------------------------------------------- */

static void
nothing_is_published_before_a_broker_is_attached_and_grants(void **state)
{
    struct world *w = given_bench(100);
    struct engine_status s;

    (void)state;
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.why, ENGINE_WHY_NO_LINK);
    attach(w, 0);
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.why, ENGINE_WHY_NO_CREDIT);
    grant(w, 0, 70);
    publish(w);
    assert_int_equal(w->n_held, 70);
    assert_int_equal(counters(w).messages_out, 2);
    grant(w, 0, 70);
    publish(w);
    assert_int_equal(w->n_held, 100);
    engine_status(w->e, &s);
    assert_int_equal(s.why, ENGINE_WHY_KIND);
    world_end(w);
}

static void
an_ack_comes_after_the_commit_and_not_before(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    attach(w, 0);
    grant(w, 0, 5);
    publish(w);
    h = held_take(w, 0);
    result(w, &h, true);
    result(w, &h, true); /* sent again: repeats what is not committed yet */
    publish(w);
    assert_int_equal(w->acked, 0);
    commit_all(w);
    publish(w);
    assert_int_equal(w->acked, 2);
    assert_int_equal(w->fetched, 1);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    result(w, &h, true); /* and once more, when all is over */
    publish(w);
    assert_int_equal(w->acked, 3);
    assert_int_equal(w->fetched, 1);
    world_end(w);
}

static void
suspects_are_out_by_one_broker_at_a_time(void **state)
{
    struct world *w = given_bench(2);
    struct held one, two;

    (void)state;
    attach(w, 0);
    attach(w, 1);
    grant(w, 0, 50);
    grant(w, 1, 50);
    publish(w);
    one = held_take(w, 0);
    two = held_take(w, 0);
    lose(w, &one, LOST_WORKER_DEAD, 2);
    lose(w, &two, LOST_WORKER_DEAD, 2);
    publish(w);
    assert_int_equal(w->n_held, 2);
    assert_true(w->held[0].alone && w->held[1].alone);
    assert_int_equal(w->held[0].link, w->held[1].link);
    world_end(w);
}

static void
inventory(struct world *w, unsigned link, uint64_t task)
{
    struct msg_inventory i = {.pages = 1, .tasks = {&task, 1}};

    engine_on_inventory(w->e, link, &i, w->now_us);
}

static void
a_task_of_a_lost_link_may_turn_up_at_another(void **state)
{
    struct world *w = given_bench(1);

    (void)state;
    attach(w, 0);
    grant(w, 0, 5);
    publish(w);
    engine_on_link_down(w->e, 0, w->now_us);
    inventory(w, 1, w->held[0].task);
    attach(w, 1);
    check(w);
    w->now_us += 5000000;
    publish(w); /* nothing of link 0 is left to be published again */
    assert_int_equal(counters(w).published, 1);
    world_end(w);
}

static void
an_older_attempt_in_an_inventory_holds_nothing(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    attach(w, 0);
    grant(w, 0, 5);
    publish(w);
    h = held_take(w, 0);
    lose(w, &h, LOST_LINK, 1);
    publish(w);
    assert_int_equal(held_take(w, 0).attempt, 2);
    engine_on_link_down(w->e, 0, w->now_us);
    inventory(w, 0, h.task); /* attempt 1: all that the new broker heard of */
    attach(w, 0);
    w->granted[0] = 0;
    grant(w, 0, 5);
    publish(w);
    assert_int_equal(w->n_held, 1);
    assert_int_equal(w->held[0].attempt, 3);
    world_end(w);
}

/* It stood at a worker since an earlier owner, and took the place of ours. */
static void
the_loss_of_a_higher_attempt_is_a_loss(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    attach(w, 0);
    grant(w, 0, 5);
    publish(w);
    h = held_take(w, 0);
    h.attempt = 2;
    lose(w, &h, LOST_LINK, 1);
    publish(w);
    assert_int_equal(w->n_held, 1);
    assert_int_equal(w->held[0].attempt, 3);
    world_end(w);
}

static void
what_only_a_broken_attachment_named_is_published_again(void **state)
{
    struct world *w = given_bench(1);

    (void)state;
    inventory(w, 0, 0);
    engine_on_link_down(w->e, 0, w->now_us);
    check(w);
    attach(w, 0); /* this time without an INVENTORY */
    grant(w, 0, 5);
    publish(w);
    assert_int_equal(w->n_held, 1);
    world_end(w);
}

static void
a_task_that_its_broker_lost_in_silence_is_found_and_sent_again(void **state)
{
    struct world *w = given_bench(2);

    (void)state;
    attach(w, 0);
    grant(w, 0, 5);
    publish(w);
    assert_int_equal(w->n_held, 2);
    w->now_us += 29000000;
    assert_int_equal(engine_next_compare(w->e, w->now_us), ENGINE_LINKS_MAX);
    w->now_us += 1000000;
    assert_int_equal(engine_next_compare(w->e, w->now_us), 0);
    assert_int_equal(engine_next_compare(w->e, w->now_us), ENGINE_LINKS_MAX);
    inventory(w, 0, w->held[0].task); /* the other one is not named */
    attach(w, 0);
    w->granted[0] = 0;
    grant(w, 0, 5);
    publish(w);
    assert_int_equal(w->n_held, 3);
    assert_int_equal(w->held[2].task, w->held[1].task);
    assert_int_equal(w->held[2].attempt, 2);
    assert_int_equal(counters(w).reconciled, 1);
    assert_int_equal(counters(w).compared, 1);
    world_end(w);
}

/* Compared every half minute, and not sent again. */
static void
a_task_of_hours_is_published_once(void **state)
{
    struct world *w = given_bench(1);
    unsigned compared = 0;
    struct held h;

    (void)state;
    attach(w, 0);
    grant(w, 0, 5);
    publish(w);
    for (int second = 0; second < 3 * 3600; second++) {
        w->now_us += 1000000;
        if (engine_next_compare(w->e, w->now_us) == 0) {
            compared++;
            inventory(w, 0, w->held[0].task);
            attach(w, 0);
        }
        publish(w);
        assert_int_equal(w->n_held, 1);
    }
    assert_in_range(compared, 300, 360);
    assert_int_equal(counters(w).published, 1);
    h = held_take(w, 0);
    result(w, &h, true);
    commit_all(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    world_end(w);
}

static void
a_job_that_moves_nowhere_says_so_and_for_how_long(void **state)
{
    struct world *w = given_bench(1);
    struct engine_status s;
    struct held h;

    (void)state;
    publish(w); /* no broker */
    w->now_us += 12000000;
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.stalled_us, 12000000);
    attach(w, 0);
    grant(w, 0, 5);
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.stalled_us, 0);
    w->now_us += 7000000; /* nobody answers */
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.stalled_us, 7000000);
    h = held_take(w, 0);
    result(w, &h, true);
    commit_all(w);
    publish(w);
    engine_status(w->e, &s);
    assert_int_equal(s.stalled_us, 0);
    world_end(w);
}

static void
a_returned_task_waits_for_its_time_and_costs_nothing(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    attach(w, 0);
    grant(w, 0, 50);
    publish(w);
    for (int i = 0; i < 10; i++) {
        h = held_take(w, 0);
        give_back(w, &h, 500);
        w->now_us += 499999;
        publish(w);
        assert_int_equal(w->n_held, 0);
        w->now_us += 1;
        assert_true(engine_due_us(w->e) <= w->now_us);
        publish(w);
        assert_int_equal(w->n_held, 1);
        assert_false(w->held[0].alone);
    }
    assert_int_equal(counters(w).dead, 0);
    world_end(w);
}

static void
a_late_result_is_salvaged_and_the_newer_attempt_cancelled(void **state)
{
    struct world *w = given_bench(1);
    struct held old;

    (void)state;
    attach(w, 0);
    grant(w, 0, 50);
    publish(w);
    old = held_take(w, 0);
    lose(w, &old, LOST_LINK, 1);
    publish(w);
    assert_int_equal(w->n_held, 1);
    assert_int_equal(w->held[0].attempt, 2);
    result(w, &old, true);
    drain(w);
    assert_int_equal(w->cancelled, 1);
    assert_int_equal(counters(w).salvaged, 1);
    commit_all(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    world_end(w);
}

static void
only_the_death_of_its_worker_counts_against_a_task(void **state)
{
    static const uint32_t free_causes[] = {LOST_LINK, LOST_DRAIN, LOST_BROKER};
    struct world *w = given_personas(250, 0, 1);
    struct held h;

    (void)state;
    attach(w, 0);
    grant(w, 0, 1000);
    for (int i = 0; i < 30; i++) {
        publish(w);
        h = held_take(w, 0);
        lose(w, &h, free_causes[i % 3], 1);
    }
    assert_int_equal(counters(w).lost_charged, 0);
    assert_int_equal(counters(w).halved, 0);
    publish(w);
    assert_false(w->held[0].alone);
    h = held_take(w, 0);
    lose(w, &h, LOST_WORKER_DEAD, 3);
    publish(w);
    assert_true(w->held[0].alone); /* at once, but alone */
    h = held_take(w, 0);
    lose(w, &h, LOST_WORKER_DEAD, 1);
    assert_int_equal(counters(w).halved, 1);
    world_end(w);
}

static void
tasks_of_a_worker_that_held_many_are_suspect_only_when_a_second_one_dies(
    void **state)
{
    struct world *w = given_personas(250, 0, 1);
    struct held h;

    (void)state;
    attach(w, 0);
    grant(w, 0, 1000);
    publish(w);
    h = held_take(w, 0);
    lose(w, &h, LOST_SILENT, 5);
    publish(w);
    assert_int_equal(counters(w).lost_charged, 1);
    assert_false(w->held[0].alone);
    h = held_take(w, 0);
    lose(w, &h, LOST_SILENT, 5);
    publish(w);
    assert_int_equal(counters(w).halved, 1);
    assert_true(w->held[0].alone);
    world_end(w);
}

static void
one_row_that_kills_workers_is_found_and_only_it_dies(void **state)
{
    const uint64_t guilty = 777;
    struct world *w = given_personas(1000, 0, 1);
    int64_t first_lone = 0, death = 0;
    uint32_t crashes = 0;

    (void)state;
    attach(w, 0);
    grant(w, 0, 100000);
    for (int turn = 0; turn < 2000 && !engine_done(w->e); turn++) {
        publish(w);
        while (w->n_held) {
            struct held h = held_take(w, 0);
            uint64_t end = h.range.start + h.range.count;

            if (guilty < h.range.start || guilty >= end) {
                result(w, &h, true);
                continue;
            }
            if (h.range.count == 1 && !first_lone) first_lone = w->now_us;
            crashes++;
            lose(w, &h, LOST_WORKER_DEAD, h.alone ? 1 : 4);
        }
        commit_all(w);
        seal_all(w);
        if (counters(w).dead && !death) death = w->now_us;
        w->now_us += 500000;
    }
    assert_int_equal(engine_done(w->e), KIND_DONE);
    assert_int_equal(ledger(w).dead, 1);
    assert_int_equal(ledger(w).accepted, 1000);
    assert_true(death - first_lone > 10000000);
    assert_in_range(crashes, 9, 13);
    world_end(w);
}

/* Publishes until the one task is out, and takes it off the model. */
static struct held
next_out(struct world *w)
{
    publish(w);
    while (!w->n_held) {
        assert_true(engine_due_us(w->e) > w->now_us);
        w->now_us = engine_due_us(w->e);
        publish(w);
        if (counters(w).dead) break;
    }
    return held_take(w, 0);
}

/* The one task of a bench job as a suspect with one lone loss. */
static struct held
given_lone_loss(struct world *w, uint32_t cause)
{
    struct held h;

    attach(w, 0);
    grant(w, 0, 50);
    h = next_out(w);
    lose(w, &h, cause, 2);
    h = next_out(w);
    assert_true(h.alone);
    lose(w, &h, cause, 1);
    return h;
}

static bool
is_dead(struct world *w)
{
    publish(w);
    commit_all(w);
    return counters(w).dead == 1;
}

static void
two_lone_deaths_are_on_trial_before_the_row_dies(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    given_lone_loss(w, LOST_WORKER_DEAD);
    h = next_out(w);
    lose(w, &h, LOST_WORKER_DEAD, 1);
    w->now_us += 14999999;
    assert_false(is_dead(w));
    w->now_us += 1;
    assert_true(is_dead(w));
    assert_int_equal(counters(w).excused, 0);
    world_end(w);
}

static void
silent_workers_are_waited_for_a_minute(void **state)
{
    struct world *w = given_bench(1);
    struct held h;

    (void)state;
    given_lone_loss(w, LOST_SILENT);
    h = next_out(w);
    lose(w, &h, LOST_SILENT, 1);
    w->now_us += 59999999;
    assert_false(is_dead(w));
    w->now_us += 1;
    assert_true(is_dead(w));
    world_end(w);
}

/* A worker that was only cut off sends what it has, sooner or later. */
static void
a_row_lives_when_a_worker_that_looked_dead_is_heard_again(void **state)
{
    struct world *w = given_bench(2);
    struct held suspect, other;

    (void)state;
    attach(w, 0);
    grant(w, 0, 50);
    publish(w);
    suspect = held_take(w, 0);
    other = held_take(w, 0);
    lose(w, &suspect, LOST_SILENT, 2);
    suspect = next_out(w);
    other.worker = suspect.worker; /* its result was on the way */
    lose(w, &suspect, LOST_SILENT, 1);
    suspect = next_out(w);
    lose(w, &suspect, LOST_SILENT, 1);
    result(w, &other, true); /* the first of the two is heard */
    w->now_us += 60000000;
    assert_false(is_dead(w));
    assert_int_equal(counters(w).excused, 1);
    suspect = next_out(w);
    result(w, &suspect, true);
    commit_all(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    world_end(w);
}

static void
a_row_lives_when_its_attempt_is_found_at_the_worker(void **state)
{
    struct world *w = given_bench(1);
    struct held h, back;
    const uint32_t running = HELD_RUNNING;
    struct msg_inventory i = {.pages = 1, .states = {&running, 1}};

    (void)state;
    given_lone_loss(w, LOST_WORKER_DEAD);
    h = next_out(w);
    lose(w, &h, LOST_WORKER_DEAD, 1); /* now on trial */
    i.tasks = (struct msg_u64s){&h.task, 1};
    i.attempts = (struct msg_u32s){&h.attempt, 1};
    engine_on_inventory(w->e, 0, &i, w->now_us);
    check(w);
    w->now_us += 100000000;
    assert_false(is_dead(w));
    assert_int_equal(w->n_held, 0); /* it runs there: not published again */
    back = h;
    result(w, &back, true);
    commit_all(w);
    assert_int_equal(engine_done(w->e), KIND_DONE);
    world_end(w);
}

/* Hundreds of workers go while a row is on trial: who they were, and whether
 * they were heard again, is not remembered for ever. */
static void
a_row_lives_when_what_speaks_against_it_was_forgotten(void **state)
{
    struct world *w = given_bench(1);
    struct msg_lost lost = {
        .job = JOB, .cause = LOST_WORKER_DEAD, .neighbours = 1};
    struct held h;

    (void)state;
    given_lone_loss(w, LOST_WORKER_DEAD);
    h = next_out(w);
    lose(w, &h, LOST_WORKER_DEAD, 1);
    w->now_us += 5000000;
    for (uint64_t worker = 1; worker <= 400; worker++) {
        lost.worker = worker << 32;
        engine_on_lost(w->e, 0, &lost, w->now_us);
    }
    w->now_us += 100000000;
    assert_false(is_dead(w));
    assert_int_equal(counters(w).excused, 2);
    assert_true(counters(w).forgotten > 0);
    world_end(w);
}

/* Waits until that task is out again. */
static struct held
held_wait(struct world *w, uint64_t task)
{
    for (int seconds = 0; seconds < 100; seconds++) {
        publish(w);
        for (uint32_t i = 0; i < w->n_held; i++) {
            if (w->held[i].task == task) return held_take(w, i);
        }
        w->now_us += 1000000;
    }
    fail_msg("task %llx is not published again", (unsigned long long)task);
    return (struct held){0};
}

/* The host or the network was it, not the row. */
static void
a_lone_loss_does_not_count_when_others_go_at_the_same_moment(void **state)
{
    struct world *w = given_bench(20);
    struct held suspect, other;

    (void)state;
    attach(w, 0);
    grant(w, 0, 50);
    publish(w);
    suspect = held_take(w, 0);
    lose(w, &suspect, LOST_WORKER_DEAD, 2);
    for (int i = 0; i < 6; i++) {
        suspect = held_wait(w, suspect.task);
        lose(w, &suspect, LOST_WORKER_DEAD, 1);
        w->now_us += 1000000;
        other = held_take(w, 0); /* another one each time */
        lose(w, &other, LOST_WORKER_DEAD, 100);
    }
    w->now_us += 100000000;
    publish(w);
    assert_int_equal(counters(w).dead, 0);
    assert_int_equal(counters(w).excused, 5);
    world_end(w);
}

static void
a_half_dies_after_three_failures_of_its_own(void **state)
{
    struct world *w = given_personas(250, 0, 1);
    uint32_t failures = 0;

    (void)state;
    attach(w, 0);
    grant(w, 0, 10000);
    for (int turn = 0; turn < 4000 && !counters(w).dead; turn++) {
        publish(w);
        while (w->n_held) {
            struct held h = held_take(w, 0);
            bool guilty = h.range.start == 0;

            if (guilty && h.range.count == 1) failures++;
            result(w, &h, !guilty);
        }
        commit_all(w);
        w->now_us += 200000;
    }
    assert_int_equal(counters(w).dead, 1);
    assert_int_equal(failures, 3);
    world_end(w);
}

static void
a_failing_row_dies_after_three_failures_with_back_off(void **state)
{
    struct world *w = given_bench(1);
    int64_t start;
    struct held h;

    (void)state;
    attach(w, 0);
    grant(w, 0, 50);
    start = w->now_us;
    for (int i = 0; i < 3; i++) {
        publish(w);
        while (!w->n_held) {
            assert_true(engine_due_us(w->e) > w->now_us);
            w->now_us = engine_due_us(w->e);
            publish(w);
        }
        h = held_take(w, 0);
        result(w, &h, false);
    }
    assert_int_equal(w->now_us - start, 300000);
    commit_all(w);
    assert_int_equal(counters(w).dead, 1);
    assert_int_equal(engine_done(w->e), KIND_PARTIAL);
    world_end(w);
}

static void
only_refused_tasks_give_their_grant_back(void **state)
{
    struct world *w = given_bench(10);
    struct msg_have have = {.job = JOB};
    const uint32_t seven = 7;
    struct msg_refused full = {.code = msg_text("FULL"), .job = JOB};
    uint64_t ids[4];

    (void)state;
    attach(w, 0);
    grant(w, 0, 4);
    publish(w);
    for (int i = 0; i < 4; i++) {
        ids[i] = w->held[i].task;
    }
    w->n_held = 0;
    full.tasks = (struct msg_u64s){ids, 4};
    engine_on_refused(w->e, 0, &full, w->now_us);
    check(w);
    publish(w);
    assert_int_equal(w->n_held, 0); /* not at once: it said FULL */
    w->now_us = engine_due_us(w->e);
    publish(w);
    assert_int_equal(w->n_held, 4);
    have.tasks = (struct msg_u64s){ids, 4};
    have.attempts = (struct msg_u32s){&seven, 1};
    engine_on_have(w->e, 0, &have);
    check(w);
    publish(w);
    assert_int_equal(w->n_held, 4);
    w->held[0].attempt = 7; /* the attempt in force is the broker's now */
    lose(w, &w->held[0], LOST_LINK, 1);
    assert_int_equal(counters(w).stale_lost, 0);
    world_end(w);
}

static void
a_higher_owner_stops_everything(void **state)
{
    struct world *w = given_bench(10);
    struct msg_refused stale = {
        .code = msg_text("STALE"), .job = JOB, .owner = OWNER + 1};

    (void)state;
    attach(w, 0);
    engine_on_refused(w->e, 0, &stale, w->now_us);
    grant(w, 0, 10);
    publish(w);
    assert_true(engine_stale(w->e));
    assert_int_equal(w->n_held, 0);
    world_end(w);
}

static void
unused_grants_are_given_back_when_reclaimed(void **state)
{
    struct world *w = given_bench(100);
    struct msg_reclaim r = {
        .service = msg_text("noop"), .count = 50, .job = JOB};

    (void)state;
    attach(w, 0);
    grant(w, 0, 40);
    engine_on_reclaim(w->e, 0, &r);
    check(w);
    publish(w);
    assert_int_equal(w->n_held, 0);
    grant(w, 0, 1);
    publish(w);
    assert_int_equal(w->n_held, 1);
    world_end(w);
}

/* The broker counts anew from the ATTACH that is on its way; it would take the
 * answer for one about the new count. */
static void
a_reclaim_of_an_earlier_attachment_is_not_answered(void **state)
{
    struct world *w = given_bench(100);
    struct msg_reclaim r = {
        .service = msg_text("noop"), .count = 30, .job = JOB};

    (void)state;
    attach(w, 0);
    grant(w, 0, 40);
    engine_on_link_down(w->e, 0, w->now_us);
    grant(w, 0, 40); /* was said before it saw the ATTACH, as the next */
    w->out.n = 0;
    engine_on_reclaim(w->e, 0, &r);
    assert_int_equal(w->out.n, 0);
    check(w);
    world_end(w);
}

/* To compare is to attach anew. */
static void
a_reclaim_from_before_a_comparison_is_not_answered(void **state)
{
    struct world *w = given_bench(100);
    struct msg_reclaim r = {
        .service = msg_text("noop"), .count = 30, .job = JOB};

    (void)state;
    attach(w, 0);
    grant(w, 0, 40);
    publish(w);
    w->now_us += 40LL * 1000 * 1000;
    assert_int_equal(engine_next_compare(w->e, w->now_us), 0);
    grant(w, 0, 80);
    w->out.n = 0;
    engine_on_reclaim(w->e, 0, &r);
    assert_int_equal(w->out.n, 0);
    attach(w, 0);
    grant(w, 0, 40);
    engine_on_reclaim(w->e, 0, &r);
    assert_int_equal(w->out.n, 1);
    check(w);
    world_end(w);
}

static void
a_broker_that_comes_back_is_asked_what_it_still_holds(void **state)
{
    struct world *w = given_bench(10);
    struct msg_inventory inv = {.page = 0, .pages = 1};
    uint64_t ids[2] = {0 << 8, 3 << 8};
    uint32_t one = 1;

    (void)state;
    attach(w, 0);
    grant(w, 0, 10);
    publish(w);
    assert_int_equal(w->n_held, 10);
    w->n_held = 0;
    engine_on_link_down(w->e, 0, w->now_us);
    w->granted[0] = 0;
    check(w);
    inv.tasks = (struct msg_u64s){ids, 2};
    inv.attempts = (struct msg_u32s){&one, 1};
    engine_on_inventory(w->e, 0, &inv, w->now_us);
    check(w);
    attach(w, 0);
    grant(w, 0, 20);
    publish(w);
    assert_int_equal(w->n_held, 8);
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(w->held[i].task != ids[0] && w->held[i].task != ids[1]);
    }
    world_end(w);
}

static void
a_broker_that_restarted_gets_again_what_no_worker_claims_in_a_second(
    void **state)
{
    struct world *w = given_bench(20);
    struct msg_attached a = {.job = JOB, .owner = OWNER, .settle_ms = 15000};

    (void)state;
    attach(w, 0);
    grant(w, 0, 10);
    publish(w);
    assert_int_equal(w->n_held, 10);
    w->n_held = 0;
    engine_on_link_down(w->e, 0, w->now_us);
    w->granted[0] = 0;
    engine_on_attached(w->e, 0, &a, w->now_us); /* it knows of nothing */
    grant(w, 0, 30);
    publish(w);
    assert_int_equal(w->n_held, 10); /* new ones need not wait */
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(w->held[i].task >= 10 << 8);
    }
    inventory(w, 0, 3 << 8); /* a worker is back */
    w->now_us += 1000000 - 1;
    publish(w);
    assert_int_equal(w->n_held, 10);
    w->now_us += 250001;
    publish(w);
    assert_int_equal(w->n_held, 19);
    for (uint32_t i = 10; i < 19; i++) {
        assert_int_not_equal(w->held[i].task, 3 << 8);
        assert_int_equal(w->held[i].attempt, 2);
    }
    world_end(w);
}

static void
tasks_of_a_broker_that_stays_away_go_to_another(void **state)
{
    struct world *w = given_bench(10);

    (void)state;
    attach(w, 0);
    grant(w, 0, 10);
    publish(w);
    attach(w, 1);
    grant(w, 1, 20);
    w->n_held = 0;
    engine_on_link_down(w->e, 0, w->now_us);
    publish(w);
    assert_int_equal(w->n_held, 0);
    w->now_us = engine_due_us(w->e);
    publish(w);
    assert_int_equal(w->n_held, 10);
    assert_int_equal(w->held[0].link, 1);
    world_end(w);
}

static void
results_of_other_jobs_and_broken_batches_are_refused(void **state)
{
    struct world *w = given_bench(10);
    uint32_t zero = 0, len = 64;
    uint64_t id = 0;
    struct msg_results r = {.job = JOB + 1,
                            .owner = OWNER,
                            .worker = 1,
                            .seq = 1,
                            .tasks = {&id, 1},
                            .attempts = {&zero, 1},
                            .statuses = {&zero, 1},
                            .lens = {&len, 1}};
    uint8_t text[64] = {0};
    struct co_bytes none = {0}, body = co_bytes_borrow(text, 64);

    (void)state;
    attach(w, 0);
    assert_int_equal(engine_on_results(w->e, 0, &r, none, body, 0),
                     CO_PROTOCOL);
    r.job = JOB;
    assert_int_equal(engine_on_results(w->e, 0, &r, none, none, 0),
                     CO_PROTOCOL);
    r.worker = 0; /* only the journal may say that */
    assert_int_equal(engine_on_results(w->e, 0, &r, none, body, 0),
                     CO_PROTOCOL);
    assert_int_equal(counters(w).foreign, 1);
    assert_int_equal(counters(w).malformed, 2);
    check(w);
    world_end(w);
}

/* -- the random model ------------------------------------------------------ */

static void
link_break(struct world *w, unsigned link)
{
    struct msg_inventory inv = {.pages = 1};
    uint64_t ids[HELD_MAX];
    uint32_t attempts[HELD_MAX], n = 0;

    engine_on_link_down(w->e, link, w->now_us);
    check(w);
    w->granted[link] = 0;
    for (uint32_t i = 0; i < w->n_held;) {
        struct held *h = &w->held[i];

        if (h->link == link && rnd(w, 2)) {
            held_take(w, i); /* the broker forgot it */
            continue;
        }
        if (h->link == link && n < BATCH_MAX) {
            attempts[n] = h->attempt;
            ids[n++] = h->task;
        }
        i++;
    }
    inv.tasks = (struct msg_u64s){ids, n};
    inv.attempts = (struct msg_u32s){attempts, n};
    if (n) engine_on_inventory(w->e, link, &inv, w->now_us);
    check(w);
    attach(w, link);
}

/* Poisonous rows fail whatever range they are in. */
static bool
poisoned(const struct held *h)
{
    return h->range.start <= 4321 && 4321 < h->range.start + h->range.count;
}

static void
random_event(struct world *w, struct held *last)
{
    unsigned link = (unsigned)rnd(w, LINKS);
    struct held h;

    w->now_us += (int64_t)rnd(w, 20000);
    switch (rnd(w, 16)) {
    case 0:
        grant(w, link, rnd(w, 6));
        break;
    case 1:
        if (last->worker) result(w, last, true); /* a duplicate, or late */
        break;
    case 2:
        if (rnd(w, 20) == 0) link_break(w, link);
        break;
    case 3:
        fetch_orders(w);
        break;
    case 4:
    case 5:
    case 6:
        commit_one(w);
        break;
    case 7:
    case 8:
        publish(w);
        break;
    case 9:
        seal_all(w);
        break;
    default:
        if (!w->n_held) break;
        h = held_take(w, (uint32_t)rnd(w, w->n_held));
        *last = h;
        if (poisoned(&h)) {
            result(w, &h, false);
        } else if (rnd(w, 12) == 0) {
            lose(w, &h, (uint32_t)rnd(w, 4) + 1, (uint32_t)rnd(w, 4) + 1);
        } else if (rnd(w, 20) == 0) {
            give_back(w, &h, (uint32_t)rnd(w, 50));
        } else {
            result(w, &h, rnd(w, 20) != 0);
        }
        break;
    }
}

/* Lets everything come to its end, without faults. */
static void
settle(struct world *w)
{
    for (int turn = 0; turn < 20000 && !engine_done(w->e); turn++) {
        int64_t due = engine_due_us(w->e);

        for (unsigned link = 0; link < LINKS; link++) {
            grant(w, link, 50);
        }
        publish(w);
        while (w->n_held) {
            struct held h = held_take(w, 0);

            result(w, &h, !poisoned(&h));
        }
        commit_all(w);
        seal_all(w);
        if (due != INT64_MAX && due > w->now_us) w->now_us = due;
    }
}

/* The journal so far, fed into a fresh owner: the same rows count. */
static void
replay_and_compare(struct world *w, uint64_t rows)
{
    struct personas *p = new_personas(rows);
    struct engine_options o = {.job = JOB, .owner = OWNER + 1};
    struct kind_ledger live = ledger(w), again;
    struct personas_seal seal;
    struct outbox out;
    struct engine *e;

    outbox_init(&out);
    assert_int_equal(engine_new(&o, &personas_kind, p, &out, &e), CO_OK);
    for (uint32_t i = 0; i < w->committed; i++) {
        const struct order_copy *c = &w->journal[i];

        assert_int_equal(engine_replay_results(e, c->head.data, c->head.len,
                                               c->body.data, c->body.len, 1,
                                               c->record, inside(c)),
                         CO_OK);
    }
    engine_replay_done(e);
    assert_null(engine_check(e));
    personas_kind.ledger(p, &again);
    assert_int_equal(again.accepted, live.accepted);
    if (live.accepted < rows) { /* beyond the cut what was drawn may differ */
        assert_int_equal(again.rejected, live.rejected);
        assert_int_equal(again.dead, live.dead);
    }
    while (personas_next_seal(p, &seal)) {
        const struct personas_shard *was = personas_shard(w->p, seal.shard);

        if (was) {
            assert_int_equal(seal.rows, was->rows);
            assert_int_equal(seal.bytes, was->bytes);
            assert_int_equal(seal.raw_bytes, was->raw_bytes);
        }
        personas_on_sealed(p, seal.shard, 1, 2);
    }
    engine_free(e);
    personas_free(p);
    outbox_fini(&out);
}

static void
a_hundred_thousand_random_events_break_no_invariant(void **state)
{
    uint64_t events = 0;

    (void)state;
    for (uint64_t seed = 1; events < 100000; seed++) {
        uint64_t rows = 3000 + seed * 977 % 6000;
        struct world *w = given_personas(rows, seed % 4 ? 5 : 0, seed);
        struct held last = {0};

        for (unsigned link = 0; link < LINKS; link++) {
            attach(w, link);
        }
        for (int i = 0; i < 5000 && !engine_done(w->e); i++, events++) {
            random_event(w, &last);
            if (i % 500 == 499) replay_and_compare(w, rows);
        }
        settle(w);
        if (engine_done(w->e) != KIND_DONE) {
            struct co_buf why;

            co_buf_init(&why, 1 << 16);
            engine_why(w->e, w->now_us, &why);
            fail_msg("seed %d: %s", (int)seed, co_buf_text(&why));
        }
        assert_int_equal(ledger(w).accepted, rows);
        assert_int_equal(ledger(w).pending, 0);
        assert_int_equal(w->fetched, w->committed);
        replay_and_compare(w, rows);
        world_end(w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            nothing_is_published_before_a_broker_is_attached_and_grants),
        cmocka_unit_test(an_ack_comes_after_the_commit_and_not_before),
        cmocka_unit_test(suspects_are_out_by_one_broker_at_a_time),
        cmocka_unit_test(a_task_of_a_lost_link_may_turn_up_at_another),
        cmocka_unit_test(an_older_attempt_in_an_inventory_holds_nothing),
        cmocka_unit_test(the_loss_of_a_higher_attempt_is_a_loss),
        cmocka_unit_test(
            what_only_a_broken_attachment_named_is_published_again),
        cmocka_unit_test(a_returned_task_waits_for_its_time_and_costs_nothing),
        cmocka_unit_test(
            a_late_result_is_salvaged_and_the_newer_attempt_cancelled),
        cmocka_unit_test(only_the_death_of_its_worker_counts_against_a_task),
        cmocka_unit_test(
            tasks_of_a_worker_that_held_many_are_suspect_only_when_a_second_one_dies),
        cmocka_unit_test(one_row_that_kills_workers_is_found_and_only_it_dies),
        cmocka_unit_test(
            a_task_that_its_broker_lost_in_silence_is_found_and_sent_again),
        cmocka_unit_test(a_task_of_hours_is_published_once),
        cmocka_unit_test(a_job_that_moves_nowhere_says_so_and_for_how_long),
        cmocka_unit_test(two_lone_deaths_are_on_trial_before_the_row_dies),
        cmocka_unit_test(silent_workers_are_waited_for_a_minute),
        cmocka_unit_test(
            a_row_lives_when_a_worker_that_looked_dead_is_heard_again),
        cmocka_unit_test(a_row_lives_when_its_attempt_is_found_at_the_worker),
        cmocka_unit_test(a_row_lives_when_what_speaks_against_it_was_forgotten),
        cmocka_unit_test(
            a_lone_loss_does_not_count_when_others_go_at_the_same_moment),
        cmocka_unit_test(a_half_dies_after_three_failures_of_its_own),
        cmocka_unit_test(a_failing_row_dies_after_three_failures_with_back_off),
        cmocka_unit_test(only_refused_tasks_give_their_grant_back),
        cmocka_unit_test(a_higher_owner_stops_everything),
        cmocka_unit_test(unused_grants_are_given_back_when_reclaimed),
        cmocka_unit_test(a_reclaim_of_an_earlier_attachment_is_not_answered),
        cmocka_unit_test(a_reclaim_from_before_a_comparison_is_not_answered),
        cmocka_unit_test(a_broker_that_comes_back_is_asked_what_it_still_holds),
        cmocka_unit_test(
            a_broker_that_restarted_gets_again_what_no_worker_claims_in_a_second),
        cmocka_unit_test(tasks_of_a_broker_that_stays_away_go_to_another),
        cmocka_unit_test(results_of_other_jobs_and_broken_batches_are_refused),
        cmocka_unit_test(a_hundred_thousand_random_events_break_no_invariant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
