/* nodes.h - the processes of a run. A node is what a shell is to its core: an
 * inbox, timers, a turn. A node that was killed comes back as a new life with
 * nothing in memory. */
#pragma once
#include "coordinator/engine.h"
#include "proto/outbox.h"
#include "tests/sim/sim.h"

enum node_kind { NODE_OWNER, NODE_BROKER, NODE_WORKER };

/* A frame that arrived. */
struct mail {
    uint64_t peer; /* link at a dealer, routing id at a broker */
    struct co_bytes head, body;
};

struct inbox {
    struct mail *v;
    size_t from, n, cap;
};

/* A dealer's end towards one broker. */
struct dealer_link {
    uint64_t routing; /* connection in use, 0: none */
    bool connecting;
    int64_t blocked_until_us; /* partition */
};

struct node {
    enum node_kind kind;
    unsigned index;      /* among its kind */
    unsigned host;       /* machine: they lose power and sleep together */
    struct sim_job *job; /* an owner's */
    uint32_t life;
    bool alive, frozen;
    int64_t turn_us;       /* when the next turn is; INT64_MAX: none */
    int64_t busy_until_us; /* it computes: no turn before */
    struct inbox in[2];    /* broker: by side; others: [0] */
    struct dealer_link links[SIM_BROKERS_MAX];
    uint32_t fence[SIM_JOBS_MAX]; /* highest owner that attached (broker) */
    void *core; /* struct worker_node, broker_node, owner_node */
};

/* That of the i-th job. */
static inline struct node *
node_owner(const struct sim *s, unsigned i)
{
    return &s->nodes[i];
}
static inline struct node *
node_broker(const struct sim *s, unsigned i)
{
    return &s->nodes[SIM_OWNERS_MAX + i];
}
static inline struct node *
node_worker(const struct sim *s, unsigned i)
{
    return &s->nodes[SIM_OWNERS_MAX + SIM_BROKERS_MAX + i];
}
/* The clock of its machine, which is what its core is told. */
static inline int64_t
node_now(const struct sim *s, const struct node *n)
{
    return s->now_us + s->skew_us[n->host];
}
/* "w3.2": kind, number, life. Valid until the fourth next call. */
const char *node_name(const struct node *n);

/* Lets the node's turn come at at_us, or earlier if it is planned so. */
void node_wake(struct sim *s, struct node *n, int64_t at_us);
/* The same by the node's own clock. */
void node_wake_by(struct sim *s, struct node *n, int64_t clock_us);
void node_deliver(struct sim *s, struct node *n, unsigned box,
                  struct mail mail);
bool node_take(struct node *n, unsigned box, struct mail *ret_mail);
void node_start(struct sim *s, struct node *n);
/* kill -9, or the power goes (silent). */
void node_kill(struct sim *s, struct node *n, bool silent);
/* At the end of a run. */
void node_free(struct sim *s, struct node *n);
void node_freeze(struct sim *s, struct node *n);
void node_thaw(struct sim *s, struct node *n);

/* -- per kind: start makes core, stop frees it, turn runs it */
void broker_node_start(struct sim *s, struct node *n);
void broker_node_stop(struct node *n);
void broker_node_turn(struct sim *s, struct node *n);
const char *broker_node_check(const struct node *n);

void worker_node_start(struct sim *s, struct node *n);
void worker_node_stop(struct node *n);
void worker_node_turn(struct sim *s, struct node *n);
void worker_node_drain(struct sim *s, struct node *n, bool now);
/* Greets the broker anew though nothing broke. */
void worker_node_greet(struct sim *s, struct node *n, unsigned link);
uint64_t worker_node_incarnation(const struct node *n);
/* It serves all providers that there are. */
bool worker_node_is_whole(const struct sim *s, const struct node *n);
/* Holds a suspect that runs alone: killing it would convict an innocent. */
bool worker_node_is_court(const struct node *n);
void worker_node_check(struct sim *s, const struct node *n);

void owner_node_start(struct sim *s, struct node *n);
void owner_node_stop(struct node *n);
void owner_node_turn(struct sim *s, struct node *n);
/* The journal's thread does its work: what is queued becomes durable. */
void owner_node_commit(struct sim *s, struct node *n);
/* SIGTERM. */
void owner_node_ask_stop(struct sim *s, struct node *n);
bool owner_node_queued(const struct node *n);
uint32_t owner_node_number(const struct node *n);
/* A shard of this life is on disk (shards.c). */
const char *owner_node_check(struct sim *s, const struct node *n);
/* What it holds and why it does nothing, into the trace. */
void owner_node_say(struct sim *s, const struct node *n);
void broker_node_say(struct sim *s, const struct node *n);
void worker_node_say(struct sim *s, const struct node *n);
