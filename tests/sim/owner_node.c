/* owner_node.c - a coordinator with one job: link, engine, kind and journal in
 * the order of coordinator/owner.c, and the start of run_job.c (what does the
 * journal say; claim a number; attach; only then read). The journal's thread
 * is an event: owner_node_commit(). */
#include "coordinator/corpus.h"
#include "coordinator/identity.h"
#include "coordinator/kind_bench.h"
#include "coordinator/link.h"
#include "coordinator/replay.h"
#include "proto/parts.h"
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TURN_MESSAGES_MAX = 256,
    WAIT_MAX_US = 50 * 1000,
    ATTACH_WAIT_US = 1000 * 1000,
    EARLY_MAX = 4096,
    STOP_WAIT_US = 3000 * 1000,
    HEAD_BITS = 17,
    HEAD_MASK = (1 << HEAD_BITS) - 1,
    CHECK_EVERY = 64,
};

struct owner_node {
    struct sim *sim;
    struct node *node;
    uint32_t number;
    bool fresh, replayed, stopping, stale, committing;
    int64_t attach_until_us, stop_us;
    char name[16];
    struct link_identity self;
    struct link links[SIM_BROKERS_MAX];
    struct engine *engine;
    struct bench *bench;
    struct corpus *corpus;
    struct hosted hosted;
    struct co_bytes identity;
    struct journal *journal;
    struct parts *parts;
    struct outbox out;
    struct msg_reader reader, output_reader;
    struct mail *early;
    size_t n_early;
    uint64_t turns;
    struct co_diag diag;
};

/* ---- making ---- */

static void
make_identity(struct owner_node *o, struct identity *id)
{
    const struct workload *w = o->sim->work;

    id->job = w->job;
    id->rows = w->rows;
    id->shard_rows = w->shard_rows;
    id->recipe_hash = w->recipe_hash;
    (void)snprintf(id->kind, sizeof id->kind, "personas");
    (void)snprintf(id->name, sizeof id->name, "sim");
    co_buf_clear(&id->recipe);
    co_buf_puts(&id->recipe, "{\"sim\":1}");
    co_assert(!identity_make(id, &o->identity));
}

static void
make_personas(struct owner_node *o, bool is_new)
{
    const struct workload *w = o->sim->work;
    struct corpus_options options = {.name = "sim",
                                     .job = w->job,
                                     .rows = w->rows,
                                     .shard_rows = w->shard_rows,
                                     .service = w->service,
                                     .out_dir = o->sim->options.dir,
                                     .journal_dir = disk_journal(o->sim),
                                     .recipe = w->recipe,
                                     .recipe_hash = w->recipe_hash,
                                     .identity = o->identity,
                                     .identity_is_new = is_new};

    co_assert(!corpus_new(&options, &o->corpus, &o->diag));
    o->hosted = *corpus_hosted(o->corpus);
}

static void
make_bench(struct owner_node *o)
{
    const struct bench_options options = {.tasks = o->sim->work->rows,
                                          .payload_bytes =
                                              o->sim->work->payload_bytes};

    co_assert(!bench_new(&options, &o->bench));
    o->hosted = (struct hosted){.kind = &bench_kind, .state = o->bench};
}

static void
make_engine(struct owner_node *o)
{
    const struct workload *w = o->sim->work;
    const struct engine_options options = {.job = w->job,
                                           .owner = o->number,
                                           .recipe = w->recipe_hash,
                                           .fingerprint =
                                               w->personas ? w->fingerprint : 0,
                                           .batch = w->batch,
                                           .window = w->window,
                                           .resumed = !o->fresh};

    o->hosted.kind = oracle_kind(o->sim, o->hosted.kind);
    co_assert(!engine_new(&options, o->hosted.kind, o->hosted.state, &o->out,
                          &o->engine));
    o->self = (struct link_identity){
        .incarnation = sim_random(o->sim) | 1,
        .name = o->name,
        .software = "sim",
        .job = w->job,
        .owner = o->number,
        .job_name = "sim",
        .service = o->hosted.kind->service(o->hosted.state),
        .priority = (uint32_t)sim_below(o->sim, PRIORITY_COUNT),
        .fingerprint = w->personas ? w->fingerprint : 0};
}

void
owner_node_start(struct sim *s, struct node *n)
{
    struct owner_node *o = calloc(1, sizeof *o);
    struct identity id = {0};

    co_assert(o);
    n->core = o;
    o->sim = s;
    o->node = n;
    (void)snprintf(o->name, sizeof o->name, "%s", node_name(n));
    outbox_init(&o->out);
    o->early = calloc(EARLY_MAX, sizeof *o->early);
    co_assert(o->early && !parts_new(SIM_BROKERS_MAX, &o->parts));
    if (identity_read(disk_journal(s), &id, &o->diag)) {
        sim_fail(s, "G3", "the journal cannot be read: %s", o->diag.text);
    }
    o->number = id.highest_owner + 1;
    o->fresh = s->work->personas ? !id.found : !id.highest_owner;
    if (journal_claim(disk_journal(s), s->work->job, o->number, &o->diag)) {
        sim_fail(s, "G3", "no owner number: %s", o->diag.text);
    }
    make_identity(o, &id);
    identity_fini(&id);
    if (s->work->personas) {
        make_personas(o, o->fresh);
    } else {
        make_bench(o);
    }
    make_engine(o);
    o->attach_until_us = s->now_us + ATTACH_WAIT_US;
    for (unsigned i = 0; i < s->n_brokers; i++) {
        link_init(&o->links[i], i, &o->self);
        net_connect(s, n, i);
    }
    sim_trace(s, "%s is owner number %u%s", node_name(n), o->number,
              o->fresh ? ", fresh" : "");
    node_wake(s, n, s->now_us);
}

void
owner_node_stop(struct node *n)
{
    struct owner_node *o = n->core;

    for (size_t i = 0; i < o->n_early; i++) {
        co_bytes_unref(&o->early[i].head);
        co_bytes_unref(&o->early[i].body);
    }
    free(o->early);
    engine_free(o->engine);
    journal_free(o->journal);
    corpus_free(o->corpus);
    bench_free(o->bench);
    parts_free(o->parts);
    outbox_fini(&o->out);
    co_bytes_unref(&o->identity);
    free(o);
    n->core = NULL;
}

uint32_t
owner_node_number(const struct node *n)
{
    const struct owner_node *o = n->core;

    return o ? o->number : 0;
}

void
owner_node_ask_stop(struct sim *s, struct node *n)
{
    struct owner_node *o = n->core;

    if (!o || o->stopping) return;
    o->stopping = true;
    o->stop_us = s->now_us + STOP_WAIT_US;
}

/* ---- sending ---- */

static void
link_lost(struct owner_node *o, unsigned i)
{
    size_t kept = 0;

    sim_trace(o->sim, "%s lost broker %u", node_name(o->node), i);
    if (o->replayed) {
        engine_on_link_down(o->engine, i, o->sim->now_us);
        return;
    }
    for (size_t k = 0; k < o->n_early; k++) {
        if (o->early[k].peer != i) {
            o->early[kept++] = o->early[k];
            continue;
        }
        co_bytes_unref(&o->early[k].head);
        co_bytes_unref(&o->early[k].body);
    }
    o->n_early = kept;
}

static void
send_all(struct owner_node *o)
{
    for (size_t i = 0; i < o->out.n; i++) {
        struct outmsg m = o->out.v[i];
        unsigned link = (unsigned)m.peer;

        o->out.v[i].head = o->out.v[i].body = (struct co_bytes){0};
        oracle_on_owner_output(o->sim, o->node, &m, &o->output_reader);
        if (net_dealer_send(o->sim, o->node, link, m.head, m.body,
                            o->sim->now_us) &&
            (o->links[link].state == LINK_READY ||
             o->links[link].state == LINK_ATTACHING)) {
            o->links[link].state = LINK_DOWN;
            link_lost(o, link);
        }
    }
    o->out.n = 0;
}

/* ---- input ---- */

static void
send_blob(struct owner_node *o, unsigned link, const struct msg_blob_get *get)
{
    struct co_bytes whole = {0}, piece = {0};
    struct msg m = {.type = MSG_blob,
                    .blob = {.job = get->job,
                             .hash = get->hash,
                             .worker = get->worker,
                             .offset = get->offset}};

    if (o->hosted.blob && o->hosted.blob(o->hosted.self, get->hash, &whole) &&
        get->offset <= whole.len) {
        size_t len = co_min_u64(whole.len - get->offset,
                                co_min_u64(get->len, BLOB_PIECE_MAX));

        m.blob.total = whole.len;
        piece = co_bytes_slice(whole, get->offset, len);
    }
    co_bytes_unref(&whole);
    outbox_push(&o->out, ENGINE_SIDE_BROKER, link, &m, piece);
}

static void
on_task_message(struct owner_node *o, unsigned link, const struct msg *m,
                struct co_bytes head, struct co_bytes body)
{
    struct engine *e = o->engine;
    int64_t now_us = o->sim->now_us;

    oracle_on_owner_input(o->sim, o->node, link, m);
    switch ((int)m->type) {
    case MSG_results:
        (void)!engine_on_results(e, link, &m->results, head, body, now_us);
        return;
    case MSG_credit:
        engine_on_credit(e, link, &m->credit);
        return;
    case MSG_reclaim:
        engine_on_reclaim(e, link, &m->reclaim);
        return;
    case MSG_have:
        engine_on_have(e, link, &m->have);
        return;
    case MSG_lost:
        engine_on_lost(e, link, &m->lost, now_us);
        return;
    case MSG_returned:
        engine_on_returned(e, link, &m->returned, now_us);
        return;
    case MSG_refused:
        engine_on_refused(e, link, &m->refused, now_us);
        return;
    case MSG_inventory:
        engine_on_inventory(e, link, &m->inventory, now_us);
        return;
    case MSG_attached:
        engine_on_attached(e, link, &m->attached, now_us);
        return;
    case MSG_blob_get:
        send_blob(o, link, &m->blob_get);
        return;
    case MSG_need:
        return;
    default:
        sim_fail(o->sim, "protocol", "the owner got %s",
                 msg_name((unsigned)m->type));
    }
}

static void
keep_early(struct owner_node *o, unsigned link, struct co_bytes head,
           struct co_bytes body)
{
    if (o->n_early == EARLY_MAX) return;
    o->early[o->n_early++] =
        (struct mail){link, co_bytes_ref(head), co_bytes_ref(body)};
}

static void
on_message(struct owner_node *o, unsigned link, const struct msg *m,
           struct co_bytes head, struct co_bytes body)
{
    if (m->type == MSG_welcome) oracle_on_owner_input(o->sim, o->node, link, m);
    switch (
        link_on_message(&o->links[link], m, o->sim->now_us / 1000, &o->out)) {
    case LINK_HANDLED:
        return;
    case LINK_STALE:
        o->stale = true;
        return;
    case LINK_LOST:
        link_lost(o, link);
        return;
    case LINK_ATTACHED:
    case LINK_PASS:
        break;
    }
    if (o->replayed) {
        on_task_message(o, link, m, head, body);
    } else {
        keep_early(o, link, head, body);
    }
}

static void
on_frames(struct owner_node *o, struct mail *mail)
{
    struct co_bytes head = {0}, body = {0};
    unsigned link = (unsigned)mail->peer;
    struct msg m;
    enum co_err err;

    if (msg_decode(&o->reader, mail->head.data, mail->head.len, &m)) {
        sim_fail(o->sim, "protocol", "the owner got garbage");
    } else if (m.type != MSG_part) {
        on_message(o, link, &m, mail->head, mail->body);
    } else if ((err = parts_add(o->parts, link, &m.part, mail->body, &head,
                                &body))) {
        if (err != CO_AGAIN) {
            sim_fail(o->sim, "protocol", "a PART does not fit");
        }
    } else {
        if (!msg_decode(&o->reader, head.data, head.len, &m)) {
            on_message(o, link, &m, head, body);
        }
        co_bytes_unref(&head);
        co_bytes_unref(&body);
    }
    co_bytes_unref(&mail->head);
    co_bytes_unref(&mail->body);
}

static void
read_links(struct owner_node *o)
{
    struct mail mail;

    for (int i = 0; i < TURN_MESSAGES_MAX; i++) {
        if (o->replayed && engine_results_room(o->engine) == 0) return;
        if (!node_take(o->node, 0, &mail)) return;
        on_frames(o, &mail);
    }
}

/* ---- the journal ---- */

static enum co_err
read_journal(struct owner_node *o)
{
    struct journal_answer *answer;
    enum co_err err = CO_OK;

    while (!err && (answer = journal_take(o->journal))) {
        err = answer->err;
        for (uint32_t i = 0; i < answer->count && !err; i++) {
            const struct journal_committed *c = &answer->records[i];

            if (c->cookie >= HOSTED_COOKIE) {
                err = o->hosted.committed(o->hosted.self, o->journal, c->cookie,
                                          &o->diag);
                continue;
            }
            engine_on_committed(o->engine, c->cookie >> HEAD_BITS,
                                replay_segment(c->pos.segment), c->pos.offset,
                                replay_body_inside(c->cookie & HEAD_MASK),
                                o->sim->now_us);
        }
        free(answer);
        if (err) (void)!journal_error(o->journal, &o->diag);
    }
    return err;
}

static enum co_err
write_orders(struct owner_node *o)
{
    struct engine_order order;
    enum co_err err = CO_OK;

    journal_cork(o->journal);
    while (!err && engine_next_order(o->engine, &order)) {
        struct co_bytes parts[3];

        err = replay_prefix(order.head.len, &parts[0]);
        parts[1] = order.head;
        parts[2] = order.body;
        if (!err) {
            err = journal_append(o->journal, RECORD_RESULTS, parts, 3,
                                 order.cookie << HEAD_BITS | order.head.len);
        }
        co_bytes_unref(&parts[0]);
        co_bytes_unref(&order.head);
        co_bytes_unref(&order.body);
    }
    journal_uncork(o->journal);
    return err;
}

static void
commit_event(struct sim *s, struct sim_event *e)
{
    struct node *n = &s->nodes[e->a];

    if (!n->alive || n->life != e->b) return;
    if (n->frozen) { /* its thread is stopped too */
        sim_at(s, s->now_us + 100000, commit_event, e->a, e->b);
        return;
    }
    owner_node_commit(s, n);
}

static void
plan_commit(struct owner_node *o)
{
    struct sim *s = o->sim;
    int64_t us = sim_between(s, s->plan->commit_us / 2, s->plan->commit_us);

    if (o->committing || !journal_queued_bytes(o->journal)) return;
    if (s->now_us < s->plan->slow_disk_until_us) {
        us += sim_between(s, 1, 3000000);
    }
    o->committing = true;
    sim_at(s, s->now_us + us, commit_event, (uint64_t)(o->node - s->nodes),
           o->node->life);
}

bool
owner_node_queued(const struct node *n)
{
    const struct owner_node *o = n->core;

    return o && o->journal && journal_queued_bytes(o->journal) > 0;
}

void
owner_node_commit(struct sim *s, struct node *n)
{
    struct owner_node *o = n->core;

    if (!o || !o->journal) return;
    o->committing = false;
    oracle_owner_turn(s, n);
    (void)!journal_commit(o->journal);
    node_wake(s, n, s->now_us);
}

/* ---- start and end ---- */

static bool
attached_everywhere(const struct owner_node *o)
{
    for (unsigned i = 0; i < o->sim->n_brokers; i++) {
        if (o->links[i].state != LINK_READY) return false;
    }
    return true;
}

static enum co_err
replay(struct owner_node *o)
{
    struct sim *s = o->sim;
    struct msg m;
    enum co_err err;

    oracle_on_replay(s, o->node);
    err = replay_journal(disk_journal(s), s->work->job, o->number, 0, o->engine,
                         &o->hosted, &o->journal, &o->diag);
    if (err) return err;
    engine_replay_done(o->engine);
    o->replayed = true;
    oracle_on_replayed(
        s, o->node,
        o->corpus ? personas_shards(o->hosted.state) * s->work->shard_rows : 0);
    for (size_t i = 0; i < o->n_early; i++) {
        struct mail *e = &o->early[i];

        if (!msg_decode(&o->reader, e->head.data, e->head.len, &m)) {
            on_task_message(o, (unsigned)e->peer, &m, e->head, e->body);
        }
        co_bytes_unref(&e->head);
        co_bytes_unref(&e->body);
    }
    o->n_early = 0;
    return CO_OK;
}

/* The process ends; another is started unless the job is over. */
static void
end(struct owner_node *o, const char *why, bool again)
{
    struct sim *s = o->sim;
    struct node *n = o->node;

    sim_trace(s, "%s ends: %s", node_name(n), why);
    net_close_node(s, n);
    node_kill(s, n, false);
    if (again) faults_restart(s, n, 1000000);
}

static void
fail(struct owner_node *o, enum co_err err)
{
    struct sim *s = o->sim;

    if (disk_mode(s) == DISK_GOOD) {
        sim_fail(s, "G3", "owner failed with %s on a good disk: %s",
                 co_err_name(err), o->diag.text);
    }
    end(o, co_err_name(err), true);
}

static bool
is_quiet(const struct owner_node *o)
{
    struct engine_status status;

    engine_status(o->engine, &status);
    return status.taken == 0 && status.pending == 0 &&
           (!o->hosted.settled || o->hosted.settled(o->hosted.self));
}

static void
finish(struct owner_node *o, enum kind_state state)
{
    static const char content[] = "{}";
    enum co_err err = CO_OK;

    if (o->hosted.finish) err = o->hosted.finish(o->hosted.self, &o->diag);
    if (!err && state == KIND_DONE) {
        err = journal_append_final(o->journal, RECORD_DONE, content,
                                   sizeof content - 1, &o->diag);
    }
    if (err) {
        fail(o, err);
        return;
    }
    o->sim->over = true;
    o->sim->over_us = o->sim->now_us;
    for (unsigned i = 0; i < o->sim->n_brokers; i++) {
        link_detach(&o->links[i], &o->out);
        link_bye(&o->links[i], &o->out);
    }
    send_all(o);
    (void)!journal_stop(o->journal, &o->diag);
    o->hosted.kind->ledger(o->hosted.state, &o->sim->result.ledger);
    end(o, state == KIND_DONE ? "done" : "partial", false);
}

/* Whether the process is gone. */
static bool
maybe_over(struct owner_node *o)
{
    enum kind_state state = engine_done(o->engine);
    struct sim *s = o->sim;

    if (o->stale || engine_stale(o->engine)) {
        if (s->oracle_owner == o->node) {
            sim_fail(s, "fence", "the owner in force is called stale");
        }
        end(o, "stale", false);
        return true;
    }
    if (state != KIND_RUNNING && is_quiet(o)) {
        if (s->oracle_owner == o->node) {
            finish(o, state);
        } else {
            end(o, "done, but not in force", false);
        }
        return true;
    }
    if (o->stopping && (is_quiet(o) || s->now_us >= o->stop_us)) {
        for (unsigned i = 0; i < s->n_brokers; i++) {
            link_bye(&o->links[i], &o->out);
        }
        send_all(o);
        end(o, "stopped", true);
        return true;
    }
    return false;
}

/* ---- the turn ---- */

const char *
owner_node_check(struct sim *s, const struct node *n)
{
    const struct owner_node *o = n->core;
    struct kind_ledger l;
    const char *broken;

    if (!o || !o->replayed) return NULL;
    o->hosted.kind->ledger(o->hosted.state, &l);
    if (!kind_ledger_holds(&l)) return "the ledger does not add up";
    if (o->turns % CHECK_EVERY) return NULL;
    (void)s;
    broken = engine_check(o->engine);
    return broken ? broken : o->hosted.kind->check(o->hosted.state);
}

void
owner_node_say(struct sim *s, const struct node *n)
{
    const struct owner_node *o = n->core;
    struct co_buf out;

    if (!o) return;
    co_buf_init(&out, 1 << 16);
    engine_why(o->engine, s->now_us, &out);
    if (o->replayed) o->hosted.kind->why(o->hosted.state, s->now_us, &out);
    for (const char *at = co_buf_text(&out); *at;) {
        int len = (int)strcspn(at, "\n");

        sim_trace(s, "| %.*s", len, at);
        at += len + (at[len] == '\n');
    }
    co_buf_fini(&out);
}

static void
tick_links(struct owner_node *o)
{
    for (unsigned i = 0; i < o->sim->n_brokers; i++) {
        if (link_tick(&o->links[i], o->sim->now_us / 1000, &o->out)) {
            link_lost(o, i);
        }
    }
}

static void
start_turn(struct owner_node *o)
{
    struct sim *s = o->sim;
    enum co_err err;

    if (!o->fresh) {
        tick_links(o);
        send_all(o);
        read_links(o);
    }
    if (!o->fresh && !attached_everywhere(o) &&
        s->now_us < o->attach_until_us && !o->stale) {
        node_wake(s, o->node, s->now_us + WAIT_MAX_US);
        return;
    }
    err = replay(o);
    if (err) {
        fail(o, err);
    } else {
        node_wake(s, o->node, s->now_us);
    }
}

static enum co_err
work_turn(struct owner_node *o)
{
    enum co_err err;

    read_links(o);
    err = read_journal(o);
    if (err) return err;
    tick_links(o);
    engine_tick(o->engine, o->sim->now_us);
    err = write_orders(o);
    if (!err && o->hosted.turn) {
        err = o->hosted.turn(o->hosted.self, o->journal, &o->diag);
    }
    if (err) return err;
    if (!o->stopping) engine_publish(o->engine, o->sim->now_us);
    send_all(o);
    return o->out.err;
}

void
owner_node_turn(struct sim *s, struct node *n)
{
    struct owner_node *o = n->core;
    int64_t due;
    const char *broken;
    enum co_err err;

    oracle_owner_turn(s, n);
    if (!o->replayed) {
        start_turn(o);
        return;
    }
    if (maybe_over(o)) return;
    err = work_turn(o);
    if (err) {
        fail(o, err);
        return;
    }
    plan_commit(o);
    broken = owner_node_check(s, n);
    if (broken) sim_fail(s, "engine_check", "%s", broken);
    o->turns++;
    due = engine_due_us(o->engine);
    if (due > s->now_us + WAIT_MAX_US) due = s->now_us + WAIT_MAX_US;
    if (engine_done(o->engine) != KIND_RUNNING || n->in[0].from < n->in[0].n) {
        due = s->now_us + 100;
    }
    if (due < s->now_us + 50) due = s->now_us + 50;
    node_wake(s, n, due);
}
