/* oracle_acks.c - see oracle.h: batches of results, and that none of them is
 * acknowledged or forgotten before what it says is committed. */
#include "tests/sim/oracle_core.h"

#include "coordinator/kind_personas.h"
#include "tests/sim/net.h"
#include "tests/sim/paid.h"
#include "tests/sim/workload.h"

#include <stdlib.h>

/* What a message of a worker or broker is about. */
static void
enter_job(struct sim *s, uint64_t id)
{
    struct sim_job *job = sim_job_of(s, id);

    if (job) {
        sim_enter(s, job);
    } else {
        sim_fail(s, "protocol", "a message names a job that never was");
    }
}

static struct batch **
batch_slot(struct oracle *o, uint64_t worker, uint64_t seq)
{
    struct batch **at =
        &o->batches[(worker ^ seq * 0x9E3779B97F4A7C15u) % BATCH_BUCKETS];

    while (*at && ((*at)->worker != worker || (*at)->seq != seq)) {
        at = &(*at)->chain;
    }
    return at;
}

static void
on_returned(struct sim *s, const struct node *n, const struct msg_returned *r)
{
    const struct sim_job *job = sim_job_of(s, r->job);
    const struct batch **untold = job ? &job->oracle->untold[n->index] : NULL;

    for (uint32_t i = 0; untold && *untold && i < r->tasks.n; i++) {
        if (r->tasks.v[i] == (*untold)->tasks[0]) *untold = NULL;
    }
}

void
oracle_on_worker_output(struct sim *s, struct node *n, uint64_t incarnation,
                        const struct outmsg *out, struct msg_reader *r)
{
    struct oracle *o;
    struct batch **at, *b;
    uint64_t at_byte = 0;
    struct msg m;

    if (msg_decode(r, out->head.data, out->head.len, &m)) return;
    if (m.type == MSG_returned) on_returned(s, n, &m.returned);
    if (m.type != MSG_results) return;
    enter_job(s, m.results.job);
    o = s->job->oracle;
    at = batch_slot(o, incarnation, m.results.seq);
    if (*at) {
        if ((*at)->over) {
            sim_fail(s, "G3", "%s sends batch %llu again that it dropped",
                     node_name(n), (unsigned long long)m.results.seq);
        }
        return;
    }
    b = calloc(1, sizeof *b + m.results.tasks.n * sizeof b->tasks[0]);
    co_assert(b);
    b->worker = incarnation;
    b->seq = m.results.seq;
    for (uint32_t i = 0; i < m.results.tasks.n; i++) {
        uint32_t len = msg_at(m.results.lens, i);

        if (msg_at(m.results.statuses, i) == STATUS_OK) {
            b->tasks[b->n++] = m.results.tasks.v[i];
            oracle_learn_count(s, m.results.tasks.v[i],
                               out->body.data + at_byte, len);
        }
        at_byte += len;
    }
    *at = b;
    o->kept[n->index]++;
}

/* Nobody may forget a result that is not on disk, unless it is not wanted. */
static void
check_ack(struct sim *s, const char *who, uint64_t worker, uint64_t seq)
{
    const struct batch *b = *batch_slot(s->job->oracle, worker, seq);

    if (!b) {
        sim_fail(s, "G3", "%s acknowledges batch %llu that nobody sent", who,
                 (unsigned long long)seq);
        return;
    }
    for (uint32_t i = 0; i < b->n; i++) {
        if (oracle_is_pack(s, b->tasks[i])) continue;
        if (oracle_is_ask(s, b->tasks[i]) && paid_is_settled(s, b->tasks[i])) {
            continue;
        }
        if (oracle_all_marked(s, b->tasks[i],
                              ITEM_PLACED | ITEM_DEAD | ITEM_LATE)) {
            continue;
        }
        sim_fail(s, "G3", "%s acknowledges task %llx, which is not committed",
                 who, (unsigned long long)b->tasks[i]);
        return;
    }
}

static void
on_ack(struct sim *s, struct node *n, uint64_t incarnation,
       const struct msg_ack *a)
{
    if (a->worker != incarnation) return;
    enter_job(s, a->job);
    for (uint32_t i = 0; i < a->seqs.n; i++) {
        struct batch *b =
            *batch_slot(s->job->oracle, incarnation, a->seqs.v[i]);

        check_ack(s, "a message", incarnation, a->seqs.v[i]);
        if (!b || b->over) continue;
        b->over = true;
        s->job->oracle->kept[n->index]--;
    }
}

void
oracle_on_spill_damage(struct sim *s, struct node *n, uint64_t incarnation,
                       uint64_t seq)
{
    for (unsigned i = 0; i < s->n_jobs; i++) {
        struct oracle *o = s->jobs[i].oracle;
        struct batch *b = *batch_slot(o, incarnation, seq);

        if (!b || b->over) continue;
        b->over = true;
        o->kept[n->index]--;
        if (b->n) o->untold[n->index] = b;
    }
}

static void
on_forget(struct sim *s, struct node *n, uint64_t incarnation, uint64_t job)
{
    enter_job(s, job);
    if (!s->job->over) {
        sim_fail(s, "G3", "%s is told to forget a job that is not over",
                 node_name(n));
    }
    for (unsigned k = 0; k < BATCH_BUCKETS; k++) {
        for (struct batch *b = s->job->oracle->batches[k]; b; b = b->chain) {
            b->over |= b->worker == incarnation;
        }
    }
    s->job->oracle->kept[n->index] = 0;
}

void
oracle_on_worker_input(struct sim *s, struct node *n, uint64_t incarnation,
                       const struct msg *m)
{
    if (m->type == MSG_ack) on_ack(s, n, incarnation, &m->ack);
    if (m->type == MSG_forget) on_forget(s, n, incarnation, m->forget.job);
    if (m->type == MSG_refused) {
        sim_trace(s, "%s is refused: %.*s %.*s", node_name(n),
                  (int)m->refused.code.len, m->refused.code.text,
                  (int)m->refused.text.len, m->refused.text.text);
    }
}

void
oracle_on_worker_turn(struct sim *s, struct node *n, uint64_t incarnation,
                      const struct slots *slots)
{
    struct slots_stats stats;
    uint32_t kept = 0;

    (void)incarnation;
    for (unsigned i = 0; i < s->n_jobs; i++) {
        kept += s->jobs[i].oracle->kept[n->index];
        if (s->jobs[i].oracle->untold[n->index]) {
            sim_fail(s, "G3", "%s lost a batch and gives none of it back",
                     node_name(n));
        }
    }
    slots_get_stats(slots, &stats);
    if (stats.kept < kept) {
        sim_fail(s, "G3", "%s keeps %u result batches, %u are not committed",
                 node_name(n), stats.kept, kept);
    }
    if (stats.counters.over_credit) {
        sim_fail(s, "G6", "%s got more tasks than it granted", node_name(n));
    }
    if (stats.counters.bad) {
        sim_fail(s, "protocol", "%s got a message that makes no sense",
                 node_name(n));
    }
}

void
oracle_on_death(struct sim *s, const struct node *n)
{
    for (unsigned i = 0; i < s->n_jobs; i++) {
        struct oracle *o = s->jobs[i].oracle;

        if (n->kind == NODE_WORKER) {
            o->kept[n->index] = 0;
            o->untold[n->index] = NULL;
        }
        if (n->kind == NODE_OWNER && o->turn == n) o->turn = NULL;
    }
}

void
oracle_check_owner_ack(struct sim *s, struct node *n, const struct msg_ack *a)
{
    if (s->job->oracle->current != n) return;
    for (uint32_t i = 0; i < a->seqs.n; i++) {
        check_ack(s, "the owner", a->worker, a->seqs.v[i]);
    }
}
