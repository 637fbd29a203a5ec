/* owner_node.c - a coordinator with one job: owner_core with the simulator's
 * network and clock instead of those of coordinator/owner.c, and the start of
 * run_job.c (what does the journal say; claim a number; attach; only then
 * read). The journal's thread is an event: owner_node_commit(). */
#include "coordinator/chain.h"
#include "coordinator/corpus.h"
#include "coordinator/identity.h"
#include "coordinator/kind_bench.h"
#include "coordinator/kind_written.h"
#include "coordinator/owner_core.h"
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/paid.h"
#include "tests/sim/redis.h"
#include "tests/sim/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TURN_MESSAGES_MAX = 256,
    WAIT_MAX_US = 50 * 1000,
    CHECK_EVERY = 64,
};

struct owner_node {
    struct sim *sim;
    struct node *node;
    uint32_t number;
    bool fresh, committing;
    int64_t attach_until_us;
    char name[16];
    struct owner_core *core;
    struct bench *bench;
    struct corpus *corpus;
    struct personas *personas; /* the corpus's */
    struct written *written;
    struct hosted hosted;
    struct co_bytes identity;
    struct msg_reader output_reader;
    uint64_t turns;
    struct co_diag diag;
};

static int64_t
now_of(const struct owner_node *o)
{
    return node_now(o->sim, o->node);
}

/* ---- what the core tells ---- */

static void
see_lost(void *ctx, unsigned link)
{
    struct owner_node *o = ctx;

    sim_trace(o->sim, "%s lost broker %u", node_name(o->node), link);
}

static void
see_malformed(void *ctx, unsigned link, enum co_err err)
{
    struct owner_node *o = ctx;

    sim_fail(o->sim, "protocol", "the owner cannot read broker %u: %s", link,
             co_err_name(err));
}

static void
see_odd(void *ctx, unsigned link, unsigned type)
{
    struct owner_node *o = ctx;

    sim_fail(o->sim, "protocol", "the owner got %s from broker %u",
             msg_name(type), link);
}

static void
see_input(void *ctx, unsigned link, const struct msg *m)
{
    struct owner_node *o = ctx;

    oracle_on_owner_input(o->sim, o->node, link, m);
}

/* ---- making ---- */

static void
make_identity(struct owner_node *o, struct identity *id)
{
    const struct workload *w = o->sim->job->work;

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
    const struct workload *w = o->sim->job->work;
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
                                     .identity_is_new = is_new,
                                     .candidates = w->items - w->shard_rows,
                                     .keep_journal = w->written,
                                     .dedup = w->hash_bits > 0,
                                     .hash_bits = w->hash_bits};

    co_assert(!corpus_new(&options, &o->corpus, &o->diag));
    o->hosted = *corpus_hosted(o->corpus);
    o->personas = o->hosted.state;
}

/* In front of the personas kind. */
static void
make_written(struct owner_node *o)
{
    struct workload *w = o->sim->job->work;
    struct written_options options = {.personas = o->personas,
                                      .service = w->service,
                                      .rules = w->rules,
                                      .price = w->price,
                                      .cap = w->cap,
                                      .shares = w->shares,
                                      .answers_max = w->answers_max,
                                      .writers = w->table ? w->writers : NULL,
                                      .table = w->table,
                                      .recipe = w->recipe_hash,
                                      .batch = w->in_batches,
                                      .job = w->job,
                                      .accepts = workload_accepts,
                                      .accepts_self = w};

    memcpy(options.stages, w->stages, sizeof options.stages);
    co_assert(!written_new(&options, &o->written));
    o->hosted.kind = &written_kind;
    o->hosted.state = o->written;
}

static void
make_bench(struct owner_node *o)
{
    const struct bench_options options = {.tasks = o->sim->job->work->rows,
                                          .payload_bytes =
                                              o->sim->job->work->payload_bytes};

    co_assert(!bench_new(&options, &o->bench));
    o->hosted = (struct hosted){.kind = &bench_kind, .state = o->bench};
}

static void
make_core(struct owner_node *o)
{
    const struct workload *w = o->sim->job->work;
    struct owner_core_options options = {
        .self = {.incarnation = sim_random(o->sim) | 1,
                 .name = o->name,
                 .software = "sim",
                 .job = w->job,
                 .owner = o->number,
                 .job_name = "sim",
                 .provider = w->provider,
                 .priority = (uint32_t)sim_below(o->sim, PRIORITY_COUNT),
                 .fingerprint = w->personas ? o->sim->fingerprint : 0},
        .journal_dir = disk_journal(o->sim),
        .fresh = o->fresh,
        .recipe = w->recipe_hash,
        .provider = w->provider,
        .batch = w->batch,
        .window = w->window,
        .links = o->sim->n_brokers,
        .wait_ms = w->table ? CHAIN_WAIT_MS : 0,
        .observer = {.ctx = o,
                     .lost = see_lost,
                     .malformed = see_malformed,
                     .odd = see_odd,
                     .input = see_input}};

    o->hosted.kind = oracle_kind(o->sim, o->hosted.kind);
    options.self.service = o->hosted.kind->service(o->hosted.state);
    co_assert(!owner_core_new(&options, &o->hosted, &o->core));
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
    if (identity_read(disk_journal(s), &id, &o->diag)) {
        sim_fail(s, "G3", "the journal cannot be read: %s", o->diag.text);
    }
    o->number = identity_next_owner(&id, redis_owner(s, n->job));
    if (o->number <= n->job->number_seen) {
        sim_fail(s, "fence", "owner number %u is given a second time",
                 o->number);
    }
    n->job->number_seen = o->number;
    o->fresh = s->job->work->personas ? !id.found : !id.highest_owner;
    if (journal_claim(disk_journal(s), s->job->work->job, o->number,
                      &o->diag)) {
        sim_fail(s, "G3", "no owner number: %s", o->diag.text);
    }
    make_identity(o, &id);
    identity_fini(&id);
    if (s->job->work->personas) {
        make_personas(o, o->fresh);
        if (s->job->work->written) make_written(o);
    } else {
        make_bench(o);
    }
    make_core(o);
    o->attach_until_us = now_of(o) + (int64_t)OWNER_ATTACH_MS * 1000;
    for (unsigned i = 0; i < s->n_brokers; i++) {
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

    owner_core_free(o->core);
    written_free(o->written);
    corpus_free(o->corpus);
    bench_free(o->bench);
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

    (void)s;
    if (!o || o->core->stopping) return;
    owner_core_stop(o->core, now_of(o) + (int64_t)OWNER_STOP_MS * 1000);
}

/* ---- the network ---- */

static void
send_all(struct owner_node *o)
{
    struct outbox *out = &o->core->out;

    owner_core_output(o->core);
    for (size_t i = 0; i < out->n; i++) {
        struct outmsg m = out->v[i];
        unsigned link = (unsigned)m.peer;

        struct co_bytes head = co_bytes_ref(m.head);

        out->v[i].head = out->v[i].body = (struct co_bytes){0};
        oracle_on_owner_output(o->sim, o->node, &m, &o->output_reader);
        if (net_dealer_send(o->sim, o->node, link, m.head, m.body,
                            o->sim->now_us)) {
            owner_core_unsent(o->core, link, head, now_of(o));
        }
        co_bytes_unref(&head);
    }
    out->n = 0;
}

static void
read_links(struct owner_node *o)
{
    struct mail mail;

    owner_core_measure_room(o->core);
    for (int i = 0; i < TURN_MESSAGES_MAX; i++) {
        if (!owner_core_has_room(o->core)) return;
        if (!node_take(o->node, 0, &mail)) return;
        owner_core_receive(o->core, (unsigned)mail.peer, mail.head, mail.body,
                           now_of(o));
        co_bytes_unref(&mail.head);
        co_bytes_unref(&mail.body);
    }
}

/* ---- the journal ---- */

static void
commit_event(struct sim *s, struct sim_event *e)
{
    struct node *n = &s->nodes[e->a];

    if (!n->alive || n->life != e->b) return;
    sim_enter(s, n->job);
    if (n->frozen) { /* its thread is stopped too */
        sim_at(s, s->now_us + 100000, commit_event, e->a, e->b);
        return;
    }
    owner_node_commit(s, n);
}

static unsigned
n_job(const struct owner_node *o)
{
    return o->node->job->index;
}

static void
plan_commit(struct owner_node *o)
{
    struct sim *s = o->sim;
    int64_t us = sim_between(s, s->plan->commit_us / 2, s->plan->commit_us);

    if (o->committing || !journal_queued_bytes(o->core->journal)) return;
    if (s->now_us < s->plan->slow_disk_until_us[n_job(o)]) {
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

    return o && o->core->journal && journal_queued_bytes(o->core->journal) > 0;
}

void
owner_node_commit(struct sim *s, struct node *n)
{
    struct owner_node *o = n->core;

    if (!o || !o->core->journal) return;
    sim_enter(s, n->job);
    o->committing = false;
    oracle_owner_turn(s, n);
    (void)!journal_commit(o->core->journal);
    node_wake(s, n, s->now_us);
}

/* ---- start and end ---- */

static enum co_err
replay(struct owner_node *o)
{
    struct sim *s = o->sim;
    enum co_err err;

    oracle_on_replay(s, o->node);
    err = owner_core_replay(o->core, &o->diag);
    if (err) return err;
    redis_put_owner(s, o->node, o->number);
    oracle_on_replayed(s, o->node,
                       o->corpus ? personas_shards(o->personas) *
                                       s->job->work->shard_rows
                                 : 0);
    if (o->written) paid_on_replayed(s, o->number, o->written);
    return owner_core_begin(o->core, now_of(o), &o->diag);
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

    if (disk_mode(s) == DISK_GOOD && !o->core->full) {
        sim_fail(s, "G3", "owner failed with %s on a good disk: %s",
                 co_err_name(err), o->diag.text);
    }
    end(o, co_err_name(err), true);
}

static void
job_over(struct sim *s, struct sim_job *job)
{
    job->over = true;
    job->over_us = s->now_us;
    s->over = true;
    for (unsigned i = 0; i < s->n_jobs; i++) {
        s->over = s->over && s->jobs[i].over;
    }
    if (s->over) s->over_us = s->now_us;
    sim_trace(s, "job %u is over%s", job->index, s->over ? ", as all" : "");
}

static void
finish(struct owner_node *o, enum owner_end how)
{
    enum co_err err = owner_core_finish(o->core, how, &o->diag);

    if (err) {
        fail(o, err);
        return;
    }
    if (o->written) paid_on_end(o->sim, o->written, how);
    job_over(o->sim, o->node->job);
    owner_core_leave(o->core, how);
    send_all(o);
    (void)!journal_stop(o->core->journal, &o->diag);
    o->hosted.kind->ledger(o->hosted.state, &o->node->job->ledger);
    end(o, how == OWNER_DONE ? "done" : "partial", false);
}

/* Whether the process is gone. */
static bool
maybe_over(struct owner_node *o)
{
    struct sim *s = o->sim;
    bool in_force = s->job->in_force == o->node;
    enum owner_end how;

    if (!owner_core_over(o->core, now_of(o), &how)) return false;
    switch (how) {
    case OWNER_STALE:
        if (in_force) {
            sim_fail(s, "fence", "the owner in force is called stale");
        }
        end(o, "stale", false);
        break;
    case OWNER_DONE:
    case OWNER_PARTIAL:
        if (in_force) {
            finish(o, how);
        } else {
            end(o, "done, but not in force", false);
        }
        break;
    case OWNER_STOPPED:
    case OWNER_FAILED:
        owner_core_leave(o->core, how);
        send_all(o);
        end(o, "stopped", true);
    }
    return true;
}

/* ---- the turn ---- */

const char *
owner_node_check(struct sim *s, const struct node *n)
{
    const struct owner_node *o = n->core;
    struct kind_ledger l;
    const char *broken;

    if (!o || !o->core->replayed) return NULL;
    if (o->written && s->job->in_force == n) paid_check(s, o->written);
    o->hosted.kind->ledger(o->hosted.state, &l);
    if (!kind_ledger_holds(&l)) return "the ledger does not add up";
    /* every loss is told: what only a comparison finds was a bug */
    if (engine_counters(o->core->engine)->reconciled) {
        return "a broker lost a task in silence";
    }
    if (o->turns % CHECK_EVERY) return NULL;
    broken = engine_check(o->core->engine);
    return broken ? broken : o->hosted.kind->check(o->hosted.state);
}

void
owner_node_say(struct sim *s, const struct node *n)
{
    const struct owner_node *o = n->core;
    struct co_buf out;

    if (!o) return;
    co_buf_init(&out, 1 << 16);
    engine_why(o->core->engine, now_of(o), &out);
    if (o->core->replayed) {
        o->hosted.kind->why(o->hosted.state, now_of(o), &out);
    }
    for (const char *at = co_buf_text(&out); *at;) {
        int len = (int)strcspn(at, "\n");

        sim_trace(s, "| %.*s", len, at);
        at += len + (at[len] == '\n');
    }
    co_buf_fini(&out);
}

static void
start_turn(struct owner_node *o)
{
    struct sim *s = o->sim;
    enum co_err err;

    if (!o->fresh) {
        owner_core_greet(o->core, now_of(o));
        send_all(o);
        read_links(o);
    }
    if (!o->fresh && !owner_core_attached(o->core) &&
        now_of(o) < o->attach_until_us && !o->core->stale) {
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
    err = owner_core_work(o->core, now_of(o), &o->diag);
    if (!err) send_all(o);
    return err;
}

void
owner_node_turn(struct sim *s, struct node *n)
{
    struct owner_node *o = n->core;
    int64_t due;
    const char *broken;
    enum co_err err;

    oracle_owner_turn(s, n);
    if (!o->core->replayed) {
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
    due = engine_due_us(o->core->engine);
    if (due < INT64_MAX / 2) due -= s->skew_us[n->host];
    if (due > s->now_us + WAIT_MAX_US) due = s->now_us + WAIT_MAX_US;
    if (engine_done(o->core->engine) != KIND_RUNNING ||
        n->in[0].from < n->in[0].n) {
        due = s->now_us + 100;
    }
    if (due < s->now_us + 50) due = s->now_us + 50;
    node_wake(s, n, due);
}
