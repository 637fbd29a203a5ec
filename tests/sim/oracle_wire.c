/* oracle_wire.c - see oracle.h: credit as the wire shows it, and guilt.
 * On each hop the holder may have sent at most what the granter's messages
 * that reached it allow: granted - returned - (sent - given back). */
#include "tests/sim/faults.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle_core.h"
#include "tests/sim/workload.h"

#include <stdlib.h>

enum { FRONT_SIDE = 0, LONE_APART_US = 10000000 };

/* ---- credit ---- */

/* A worker grants by service and provider; an owner has one. */
static struct conn_credit *
credit_of(struct conn *c, struct msg_str service, struct msg_str provider)
{
    if (c->dealer->kind != NODE_WORKER ||
        msg_str_is(service, workload_bench.name)) {
        return &c->credit[0];
    }
    if (!msg_str_is(service, workload_write.name)) return &c->credit[1];
    return &c->credit[provider.len ? 3 + market_number(provider) : 2];
}

static void
check_credit(struct sim *s, const struct conn_credit *k, const char *hop)
{
    if (k->known && k->sent + k->returned > k->granted + k->back) {
        sim_fail(s, "G6",
                 "%s: %llu tasks sent and %llu grants returned, %llu granted, "
                 "%llu came back",
                 hop, (unsigned long long)k->sent,
                 (unsigned long long)k->returned,
                 (unsigned long long)k->granted, (unsigned long long)k->back);
    }
}

void
oracle_on_owner_output(struct sim *s, struct node *n, const struct outmsg *out,
                       struct msg_reader *r)
{
    struct conn *c = net_conn_of(s, n, (unsigned)out->peer);
    struct msg m;

    if (msg_decode(r, out->head.data, out->head.len, &m)) {
        sim_fail(s, "protocol", "the owner sends what cannot be read");
        return;
    }
    if (m.type == MSG_ack) oracle_check_owner_ack(s, n, &m.ack);
    if (m.type == MSG_attach) faults_on_attach(s, n);
    if (!c) return;
    if (m.type == MSG_tasks) {
        c->credit[0].sent += m.tasks.tasks.n;
        check_credit(s, &c->credit[0], "owner to broker");
    } else if (m.type == MSG_reclaimed) {
        s->result.faults.reclaimed +=
            m.reclaimed.returned > c->credit[0].returned;
        c->credit[0].returned = m.reclaimed.returned;
        check_credit(s, &c->credit[0], "owner to broker");
    }
}

static void
add_loss(struct sim *s, uint64_t task, uint64_t worker, bool failure, bool died)
{
    struct oracle *o = s->job->oracle;

    if (o->n_losses == o->cap_losses) {
        o->cap_losses = o->cap_losses ? 2 * o->cap_losses : 64;
        o->losses = realloc(o->losses, o->cap_losses * sizeof *o->losses);
        co_assert(o->losses);
    }
    o->losses[o->n_losses++] =
        (struct loss){task, worker, s->clock_us, failure, died};
}

/* The process that was declared dead runs on: it was cut off or frozen. */
static bool
lives(const struct sim *s, uint64_t incarnation)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        const struct node *n = node_worker(s, i);

        if (n->alive && worker_node_incarnation(n) == incarnation) return true;
    }
    return false;
}

static void
on_lost(struct sim *s, const struct msg_lost *l)
{
    bool charged = l->cause == LOST_WORKER_DEAD || l->cause == LOST_SILENT;

    for (uint32_t i = 0; i < l->tasks.n; i++) {
        sim_trace(s, "lost %llx attempt %u cause %u neighbours %u",
                  (unsigned long long)l->tasks.v[i], msg_at(l->attempts, i),
                  l->cause, l->neighbours);
        if (charged && l->neighbours <= 1) {
            add_loss(s, l->tasks.v[i], l->worker, false, !lives(s, l->worker));
        }
    }
}

static void
on_results(struct sim *s, const struct msg_results *r)
{
    for (uint32_t i = 0; i < r->tasks.n; i++) {
        if (msg_at(r->statuses, i) != STATUS_OK) {
            add_loss(s, r->tasks.v[i], r->worker, true, false);
        }
    }
}

void
oracle_on_owner_input(struct sim *s, struct node *n, unsigned link,
                      const struct msg *m)
{
    struct conn *c = net_conn_of(s, n, link);

    switch ((int)m->type) {
    case MSG_lost:
        on_lost(s, &m->lost);
        break;
    case MSG_results:
        on_results(s, &m->results);
        break;
    case MSG_welcome:
    case MSG_attached: /* also of a job that was attached: it compares */
        if (c) c->credit[0] = (struct conn_credit){.known = true};
        break;
    case MSG_credit:
        if (c && m->credit.granted > c->credit[0].granted) {
            c->credit[0].granted = m->credit.granted;
        }
        break;
    case MSG_have:
        if (c) c->credit[0].back += m->have.tasks.n;
        break;
    case MSG_refused:
        sim_trace(s, "%s is refused: %.*s %.*s tasks %u", node_name(n),
                  (int)m->refused.code.len, m->refused.code.text,
                  (int)m->refused.text.len, m->refused.text.text,
                  m->refused.tasks.n);
        if (c) c->credit[0].back += m->refused.tasks.n;
        break;
    default:
        break;
    }
}

/* ---- fences ---- */

/* The owner number that a message carries; 0: none. */
static uint32_t
owner_number(const struct msg *m, uint64_t *ret_job)
{
    switch ((int)m->type) {
    case MSG_attach:
        *ret_job = m->attach.job;
        return m->attach.owner;
    case MSG_detach:
        *ret_job = m->detach.job;
        return m->detach.owner;
    case MSG_tasks:
        *ret_job = m->tasks.job;
        return m->tasks.owner;
    case MSG_ack:
        *ret_job = m->ack.job;
        return m->ack.owner;
    case MSG_cancel:
        *ret_job = m->cancel.job;
        return m->cancel.owner;
    default:
        return 0;
    }
}

void
oracle_on_owner_heard(struct sim *s, struct node *n, const struct msg *m,
                      bool taken)
{
    uint64_t id = 0;
    uint32_t number = owner_number(m, &id);
    const struct sim_job *job = number ? sim_job_of(s, id) : NULL;

    if (!job || !taken) return;
    if (number < n->fence[job->index]) {
        sim_fail(s, "fence", "%s takes %s of owner %u, %u has attached",
                 node_name(n), msg_name((unsigned)m->type), number,
                 n->fence[job->index]);
    }
    if (m->type == MSG_attach) n->fence[job->index] = number;
    if (m->type == MSG_detach) n->fence[job->index] = 0; /* it is forgotten */
}

/* ---- brokers ---- */

void
oracle_on_broker_input(struct sim *s, unsigned side, uint64_t routing,
                       const struct msg *m)
{
    struct conn *c = net_conn(s, routing);
    struct conn_credit *k;

    if (side == FRONT_SIDE || !c) return;
    if (m->type == MSG_hello) {
        c->greetings++;
        c->greeting = m->hello.greeting;
        for (int i = 0; i < CONN_SERVICES; i++) {
            c->credit[i].granted_after = 0;
        }
    }
    if (m->type != MSG_credit || m->credit.greeting != c->greeting) return;
    k = credit_of(c, m->credit.service, m->credit.provider);
    if (c->greetings) {
        k->granted_after = m->credit.granted;
    } else if (m->credit.granted > k->granted) {
        k->granted = m->credit.granted;
    }
}

/* WELCOME: counting begins anew. */
static void
begin_credit(struct conn *c)
{
    for (int i = 0; i < CONN_SERVICES; i++) {
        c->credit[i] =
            (struct conn_credit){.known = true,
                                 .granted = c->credit[i].granted_after,
                                 .granted_after = c->credit[i].granted_after};
    }
    if (c->greetings) c->greetings--;
}

void
oracle_on_broker_output(struct sim *s, struct node *n, const struct outmsg *out,
                        struct msg_reader *r)
{
    struct conn *c = net_conn(s, out->peer);
    struct conn_credit *k;
    struct msg m;

    (void)n;
    if (msg_decode(r, out->head.data, out->head.len, &m)) {
        sim_fail(s, "protocol", "the broker sends what cannot be read");
        return;
    }
    if (out->side == FRONT_SIDE || !c) return;
    switch ((int)m.type) {
    case MSG_welcome:
        begin_credit(c);
        break;
    case MSG_tasks:
        k = credit_of(c, m.tasks.service, m.tasks.provider);
        k->sent += m.tasks.tasks.n;
        check_credit(s, k, "broker to worker");
        break;
    case MSG_reclaimed:
        k = credit_of(c, m.reclaimed.service, m.reclaimed.provider);
        s->result.faults.reclaimed += m.reclaimed.returned > k->returned;
        k->returned = m.reclaimed.returned;
        check_credit(s, k, "broker to worker");
        break;
    default:
        break;
    }
}

/* ---- guilt ---- */

/* A worker that was frozen when it was given up may die of the row when it
 * thaws: that speaks against the guilty, and an innocent has no part in it. */
static bool
is_lone_loss(const struct sim *s, const struct loss *l, bool innocent)
{
    return !l->failure && (l->died || (!innocent && !lives(s, l->worker)));
}

/* Did somebody hear what the rule wants for a death? */
static bool
rule_allows(const struct sim *s, uint64_t task, bool innocent)
{
    const struct oracle *o = s->job->oracle;
    unsigned failures = 0;

    for (size_t i = 0; i < o->n_losses; i++) {
        const struct loss *a = &o->losses[i];

        if (a->task != task) continue;
        failures += a->failure;
        if (!is_lone_loss(s, a, innocent)) continue;
        for (size_t k = i + 1; k < o->n_losses; k++) {
            const struct loss *b = &o->losses[k];

            if (b->task == task && is_lone_loss(s, b, innocent) &&
                b->worker != a->worker && b->at_us - a->at_us > LONE_APART_US) {
                return true;
            }
        }
    }
    return failures >= 3;
}

void
oracle_judge_death(struct sim *s, uint64_t task, uint32_t count)
{
    uint64_t index = task >> 8;
    bool innocent = !workload_poison(s->job->work, index, 1) &&
                    !workload_failing(s->job->work, index, 1);

    if (count > 1) {
        sim_fail(s, "guilt", "task %llx of %u items is given up whole",
                 (unsigned long long)task, count);
    }
    /* A worker that is killed while its suspect is still on the way cannot be
     * told from one that the suspect killed: twice, and the rule convicts.
     * Counted, not hidden. Being cut off or frozen convicts nobody. */
    if (innocent) {
        if (s->profile == PROFILE_CALM || !rule_allows(s, task, true)) {
            sim_fail(s, "guilt", "the innocent item %llu is dead",
                     (unsigned long long)index);
        }
        s->result.faults.convicted++;
    }
    if (!rule_allows(s, task, innocent)) {
        sim_fail(s, "guilt", "item %llu is dead too early",
                 (unsigned long long)index);
    }
}

void
oracle_judge_pack(struct sim *s, uint64_t task)
{
    sim_trace(s, "the pack %llx is given up", (unsigned long long)task);
    if (s->profile == PROFILE_CALM || !rule_allows(s, task, true)) {
        sim_fail(s, "guilt", "the frame %llx is given up",
                 (unsigned long long)task);
    }
    s->job->rows_given_up = true;
    s->result.faults.pack_dead++;
}
