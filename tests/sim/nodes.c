/* nodes.c - see nodes.h. */
#include "tests/sim/nodes.h"

#include "tests/sim/net.h"
#include "tests/sim/oracle.h"

#include <stdio.h>
#include <stdlib.h>

const char *
node_name(const struct node *n)
{
    static char names[4][16];
    static unsigned next;
    char *name = names[next++ % 4];

    (void)snprintf(name, sizeof names[0], "%c%u.%u", "obw"[n->kind], n -> index,
                   n -> life);
    return name;
}

/* ---- inbox ---- */

static void
inbox_clear(struct inbox *in)
{
    for (; in->from < in->n; in->from++) {
        co_bytes_unref(&in->v[in->from].head);
        co_bytes_unref(&in->v[in->from].body);
    }
    in->from = in->n = 0;
}

/* For a person who follows a run with --trace: not part of its hash. */
static void
show(const struct node *n, const struct mail *mail)
{
    static struct msg_reader reader;
    struct msg_u64s ids = {0};
    struct msg_u32s tries = {0};
    struct msg m;

    if (msg_decode(&reader, mail->head.data, mail->head.len, &m)) return;
    if (m.type == MSG_tasks) {
        ids = m.tasks.tasks;
        tries = m.tasks.attempts;
    }
    if (m.type == MSG_results) {
        ids = m.results.tasks;
        tries = m.results.attempts;
    }
    if (m.type == MSG_lost) {
        ids = m.lost.tasks;
        tries = m.lost.attempts;
    }
    if (m.type == MSG_have) {
        ids = m.have.tasks;
        tries = m.have.attempts;
    }
    if (m.type == MSG_cancel) ids = m.cancel.tasks;
    if (m.type == MSG_returned) {
        ids = m.returned.tasks;
        tries = m.returned.attempts;
    }
    if (m.type == MSG_inventory) {
        ids = m.inventory.tasks;
        tries = m.inventory.attempts;
    }
    if (m.type == MSG_refused) ids = m.refused.tasks;
    if (m.type == MSG_ack) ids = m.ack.seqs;
    printf("    %s < %llu %s", node_name(n), (unsigned long long)mail->peer,
           msg_name((unsigned)m.type));
    if (m.type == MSG_credit) {
        printf(" %.*s %llu of %u", (int)m.credit.service.len,
               m.credit.service.text, (unsigned long long)m.credit.granted,
               m.credit.greeting);
    }
    if (m.type == MSG_hello) printf(" %u", m.hello.greeting);
    if (m.type == MSG_welcome) printf(" %u", m.welcome.greeting);
    for (uint32_t i = 0; i < ids.n; i++) {
        printf(" %llx/%u", (unsigned long long)ids.v[i],
               tries.n ? msg_at(tries, i) : 0);
    }
    printf("\n");
}

void
node_deliver(struct sim *s, struct node *n, unsigned box, struct mail mail)
{
    struct inbox *in = &n->in[box];

    if (in->from == in->n) in->from = in->n = 0;
    if (in->n == in->cap) {
        in->cap = in->cap ? 2 * in->cap : 64;
        in->v = realloc(in->v, in->cap * sizeof *in->v);
        co_assert(in->v);
    }
    in->v[in->n++] = mail;
    if (s->options.print) show(n, &mail);
    node_wake(s, n, s->now_us + (int64_t)sim_below(s, 20));
}

bool
node_take(struct node *n, unsigned box, struct mail *ret_mail)
{
    struct inbox *in = &n->in[box];

    if (in->from == in->n) return false;
    *ret_mail = in->v[in->from++];
    return true;
}

/* ---- turns ---- */

static void
turn(struct sim *s, struct sim_event *e)
{
    struct node *n = &s->nodes[e->a];

    if (!n->alive || n->frozen || n->life != e->b || n->turn_us != e->at_us) {
        return;
    }
    n->turn_us = INT64_MAX;
    s->clock_us = node_now(s, n);
    switch (n->kind) {
    case NODE_OWNER:
        sim_enter(s, n->job);
        owner_node_turn(s, n);
        break;
    case NODE_BROKER:
        broker_node_turn(s, n);
        break;
    case NODE_WORKER:
        worker_node_turn(s, n);
        break;
    }
}

void
node_wake(struct sim *s, struct node *n, int64_t at_us)
{
    if (at_us < s->now_us) at_us = s->now_us;
    if (at_us < n->busy_until_us) at_us = n->busy_until_us;
    if (!n->alive || n->frozen || n->turn_us <= at_us) return;
    n->turn_us = at_us;
    sim_at(s, at_us, turn, (uint64_t)(n - s->nodes), n->life);
}

void
node_wake_by(struct sim *s, struct node *n, int64_t clock_us)
{
    int64_t most = INT64_MAX / 2;

    node_wake(s, n, clock_us > most ? most : clock_us - s->skew_us[n->host]);
}

/* ---- life ---- */

void
node_start(struct sim *s, struct node *n)
{
    if (n->alive) return;
    n->alive = true;
    n->frozen = false;
    n->life++;
    n->turn_us = INT64_MAX;
    n->busy_until_us = 0;
    for (unsigned i = 0; i < SIM_JOBS_MAX; i++) {
        n->fence[i] = 0;
    }
    s->clock_us = node_now(s, n);
    sim_trace(s, "%s starts", node_name(n));
    switch (n->kind) {
    case NODE_OWNER:
        sim_enter(s, n->job);
        owner_node_start(s, n);
        break;
    case NODE_BROKER:
        broker_node_start(s, n);
        break;
    case NODE_WORKER:
        worker_node_start(s, n);
        break;
    }
}

void
node_kill(struct sim *s, struct node *n, bool silent)
{
    if (!n->alive) return;
    sim_trace(s, "%s is gone%s", node_name(n), silent ? ", silently" : "");
    net_cut_node(s, n, silent);
    oracle_on_death(s, n);
    n->alive = n->frozen = false;
    switch (n->kind) {
    case NODE_OWNER:
        sim_enter(s, n->job);
        owner_node_stop(n);
        break;
    case NODE_BROKER:
        broker_node_stop(n);
        break;
    case NODE_WORKER:
        worker_node_stop(n);
        break;
    }
    for (int i = 0; i < 2; i++) {
        inbox_clear(&n->in[i]);
    }
    for (unsigned i = 0; i < SIM_BROKERS_MAX; i++) {
        n->links[i] = (struct dealer_link){.blocked_until_us =
                                               n->links[i].blocked_until_us};
    }
}

void
node_free(struct sim *s, struct node *n)
{
    node_kill(s, n, false);
    for (int i = 0; i < 2; i++) {
        inbox_clear(&n->in[i]);
        free(n->in[i].v);
    }
}

void
node_freeze(struct sim *s, struct node *n)
{
    if (!n->alive || n->frozen) return;
    sim_trace(s, "%s freezes", node_name(n));
    n->frozen = true;
    n->turn_us = INT64_MAX;
}

void
node_thaw(struct sim *s, struct node *n)
{
    if (!n->alive || !n->frozen) return;
    sim_trace(s, "%s thaws", node_name(n));
    n->frozen = false;
    node_wake(s, n, s->now_us);
}
