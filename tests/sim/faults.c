/* faults.c - see faults.h. */
#include "tests/sim/faults.h"

#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/redis.h"
#include "tests/sim/vendor.h"
#include "tests/sim/workload.h"

#include <stdlib.h>

enum { LATE_US = 500000 };

/* ---- coming back ---- */

static void
restart(struct sim *s, struct sim_event *e)
{
    struct node *n = &s->nodes[e->a];

    if (n->alive || n->life != e->b || s->over || n == s->plan->gone) return;
    if (n->kind == NODE_OWNER) {
        sim_enter(s, n->job);
        if (n->job->over) return;
        if (disk_mode(s) != DISK_GOOD) {
            sim_at(s, s->now_us + 1000000, restart, e->a, e->b);
            return;
        }
    }
    node_start(s, n);
}

void
faults_restart(struct sim *s, struct node *n, int64_t least_us)
{
    int64_t most = sim_chance(s, 200) ? 15000000 : 2000000;

    sim_at(s, s->now_us + sim_between(s, least_us, least_us + most), restart,
           (uint64_t)(n - s->nodes), n->life);
}

static void
thaw(struct sim *s, struct sim_event *e)
{
    struct node *n = &s->nodes[e->a];

    if (n->life == e->b) node_thaw(s, n);
}

static void
disk_is_well(struct sim *s, struct sim_event *e)
{
    sim_enter(s, &s->jobs[e->a]);
    sim_trace(s, "the disk is well");
    disk_set_mode(s, DISK_GOOD);
}

/* ---- who is hit ---- */

/* NULL when that one must not be killed now. */
static struct node *
some_worker(struct sim *s)
{
    struct node *n = node_worker(s, (unsigned)sim_below(s, s->n_workers));

    return n->alive && !worker_node_is_court(n) ? n : NULL;
}

/* Freezing one, or cutting it off, must convict nobody: any will do. */
static struct node *
any_worker(struct sim *s)
{
    struct node *n = node_worker(s, (unsigned)sim_below(s, s->n_workers));

    return n->alive ? n : NULL;
}

static struct node *
some_broker(struct sim *s)
{
    struct node *n = node_broker(s, (unsigned)sim_below(s, s->n_brokers));

    return n->alive ? n : NULL;
}

/* One of the owners; what is asked of a job is asked of its job from here. */
static struct node *
some_owner(struct sim *s)
{
    struct node *n = node_owner(s, (unsigned)sim_below(s, s->n_jobs));

    sim_enter(s, n->job);
    return n->alive ? n : NULL;
}

static struct node *
anybody(struct sim *s)
{
    uint64_t who = sim_below(s, 10);

    if (who < 2) return some_owner(s);
    return who < 4 ? some_broker(s) : any_worker(s);
}

static bool
may_cut(const struct conn *c)
{
    return !c->cut && c->dealer->alive;
}

static struct conn *
some_conn(struct sim *s)
{
    for (int tries = 0; tries < 8 && s->n_conns; tries++) {
        struct conn *c = &s->conns[sim_below(s, s->n_conns)];

        if (may_cut(c)) return c;
    }
    return NULL;
}

/* ---- the faults ---- */

static void
kill(struct sim *s, struct node *n, uint64_t *count)
{
    if (!n || !n->alive) return;
    (*count)++;
    node_kill(s, n, false);
    faults_restart(s, n, 100000);
}

static void
fault_kill_worker(struct sim *s)
{
    kill(s, some_worker(s), &s->result.faults.kill_worker);
}

static void
fault_kill_broker(struct sim *s)
{
    kill(s, some_broker(s), &s->result.faults.kill_broker);
}

/* The commit under way gets as far as it gets; nobody hears of it. */
static void
die_in_commit(struct sim *s, struct node *n)
{
    enum disk_mode before = disk_mode(s);

    if (!owner_node_queued(n) || before != DISK_GOOD) return;
    s->result.faults.kill_in_commit++;
    disk_set_mode(
        s, (enum disk_mode)sim_between(s, DISK_DIE_IN_WRITE, DISK_DIE_AFTER));
    owner_node_commit(s, n);
    disk_set_mode(s, before);
}

static void
fault_kill_owner(struct sim *s)
{
    struct node *n = some_owner(s);

    if (!n) return;
    if (sim_chance(s, 700)) die_in_commit(s, n);
    kill(s, n, &s->result.faults.kill_owner);
}

/* What it said last waits in the buffers of its brokers, which read all their
 * connections in turn: it comes after the first words of the next owner. */
static void
die_late(struct sim *s, struct sim_event *e)
{
    struct node *n = &s->nodes[e->a];

    if (!n->alive || n->life != e->b || s->healed) return;
    sim_enter(s, n->job);
    s->result.faults.late_owner++;
    net_close_node(s, n);
    node_kill(s, n, false);
    faults_restart(s, n, 1000);
}

static void
die_late_within(struct sim *s, struct node *n, int64_t us)
{
    for (unsigned i = 0; i < s->n_brokers; i++) {
        struct conn *c = net_conn_of(s, n, i);

        if (!c || c->cut) continue;
        c->slow_until_us = s->now_us + LATE_US;
        c->slow_us = INT64_C(8) * LATE_US;
    }
    sim_at(s, s->now_us + sim_between(s, 1000, us), die_late,
           (uint64_t)(n - s->nodes), n->life);
}

static void
fault_late_owner(struct sim *s)
{
    struct node *n = some_owner(s);

    if (n) die_late_within(s, n, LATE_US);
}

void
faults_on_attach(struct sim *s, struct node *n)
{
    if (s->healed || !s->plan->die_attaching) return;
    if (sim_chance(s, s->plan->die_attaching)) die_late_within(s, n, 5000);
}

/* A worker there tries a suspect: its end would convict an innocent. */
static bool
holds_court(const struct sim *s, unsigned host, bool all)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        const struct node *n = node_worker(s, i);

        if ((all || n->host == host) && worker_node_is_court(n)) return true;
    }
    return false;
}

/* Everything that runs on a machine is gone, and what its disk had not
 * synced. */
static void
lose_host(struct sim *s, unsigned host, bool all)
{
    for (unsigned i = 0; i < s->n_jobs; i++) {
        struct node *n = node_owner(s, i);

        if (!all && n->host != host) continue;
        sim_enter(s, n->job);
        if (n->alive) die_in_commit(s, n);
    }
    for (unsigned i = 0; i < s->n_nodes; i++) {
        struct node *n = &s->nodes[i];

        if (!n->alive || (!all && n->host != host)) continue;
        node_kill(s, n, true);
        faults_restart(s, n, 1000000);
    }
    for (unsigned i = 0; i < s->n_jobs; i++) {
        if (!all && node_owner(s, i)->host != host) continue;
        sim_enter(s, &s->jobs[i]);
        disk_power_loss(s);
    }
}

static void
fault_power_loss(struct sim *s)
{
    bool all = sim_chance(s, 300);
    struct node *owner = some_owner(s);

    if (all && holds_court(s, 0, true)) return;
    s->result.faults.power_loss++;
    sim_trace(s, "power loss%s", all ? " everywhere" : "");
    if (all) {
        lose_host(s, 0, true);
        return;
    }
    if (owner) { /* its machine has nothing else on it */
        die_in_commit(s, owner);
        node_kill(s, owner, true);
        faults_restart(s, owner, 1000000);
    }
    disk_power_loss(s);
}

static void
fault_host_loss(struct sim *s)
{
    unsigned host = s->nodes[sim_below(s, s->n_nodes)].host;

    if (holds_court(s, host, false)) return;
    s->result.faults.host_loss++;
    sim_trace(s, "host %u loses its power", host);
    lose_host(s, host, false);
}

static void
fault_freeze(struct sim *s)
{
    struct node *n = anybody(s);
    int64_t most = sim_chance(s, 300) ? 12000000 : 2000000;

    if (!n || n->frozen) return;
    s->result.faults.freeze++;
    node_freeze(s, n);
    sim_at(s, s->now_us + sim_between(s, 1000, most), thaw,
           (uint64_t)(n - s->nodes), n->life);
}

/* A laptop is closed: time goes on, nothing runs. */
static void
fault_suspend(struct sim *s)
{
    unsigned host = s->nodes[sim_below(s, s->n_nodes)].host;
    int64_t us = sim_between(s, 1000, sim_chance(s, 300) ? 40000000 : 4000000);

    s->result.faults.suspend++;
    sim_trace(s, "host %u sleeps for %lld ms", host, (long long)us / 1000);
    for (unsigned i = 0; i < s->n_nodes; i++) {
        struct node *n = &s->nodes[i];

        if (n->host != host || !n->alive || n->frozen) continue;
        node_freeze(s, n);
        sim_at(s, s->now_us + us, thaw, i, n->life);
    }
}

/* The clock of a machine steps forward (a virtual machine was moved). It
 * never goes back: that is what CLOCK_BOOTTIME promises. */
static void
fault_clock_jump(struct sim *s)
{
    unsigned host = s->nodes[sim_below(s, s->n_nodes)].host;
    int64_t us = sim_between(s, 1000, sim_chance(s, 300) ? 90000000 : 6000000);

    if (holds_court(s, 0, true)) return;
    s->result.faults.clock_jump++;
    sim_trace(s, "the clock of host %u jumps by %lld ms", host,
              (long long)us / 1000);
    s->skew_us[host] += us;
    vendor_list_all(s);
    for (unsigned i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].host == host) node_wake(s, &s->nodes[i], s->now_us);
    }
}

static void
fault_cut(struct sim *s)
{
    struct conn *c = some_conn(s);

    if (!c) return;
    s->result.faults.cut++;
    net_break(s, c, sim_chance(s, 300) ? NET_SILENT : NET_TOLD);
}

/* Between any two sets of processes: nothing gets through, or what one side
 * says does not. */
static void
fault_partition(struct sim *s)
{
    int64_t us = sim_between(s, 100000, 12000000);
    enum net_break how = sim_chance(s, 300)   ? NET_TO_BROKER_LOST
                         : sim_chance(s, 400) ? NET_TO_DEALER_LOST
                                              : NET_SILENT;
    uint64_t side = sim_random(s); /* a bit for each node */
    unsigned cut = 0;

    if (sim_chance(s, 500)) { /* one from all others */
        side = UINT64_C(1) << sim_below(s, s->n_nodes);
    }
    for (size_t i = 0; i < s->n_conns; i++) {
        struct conn *c = &s->conns[i];
        uint64_t bits =
            side >> (c->dealer - s->nodes) ^ side >> (c->broker - s->nodes);

        if (!(bits & 1) || !may_cut(c)) continue;
        c->dealer->links[c->link].blocked_until_us = s->now_us + us;
        net_break(s, c, how);
        cut++;
    }
    if (!cut) return;
    s->result.faults.partition++;
    if (how != NET_SILENT) s->result.faults.one_way++;
    sim_trace(s, "%u connections are cut for %lld ms%s", cut,
              (long long)us / 1000, how == NET_SILENT ? "" : ", one way first");
}

static void
flap(struct sim *s, struct sim_event *e)
{
    struct node *dealer = &s->nodes[e->a >> 8];
    struct conn *c = net_conn_of(s, dealer, e->a & 0xff);

    if (s->healed || !e->b) return;
    if (dealer->alive && c && may_cut(c)) net_break(s, c, NET_TOLD);
    sim_at(s, s->now_us + sim_between(s, 1000, 800000), flap, e->a, e->b - 1);
}

static void
fault_flap(struct sim *s)
{
    const struct conn *c = some_conn(s);

    if (!c) return;
    s->result.faults.flap++;
    sim_at(s, s->now_us, flap, (uint64_t)(c->dealer - s->nodes) << 8 | c->link,
           (uint64_t)sim_between(s, 2, 12));
}

/* A second HELLO crosses the answer to the first. */
static void
fault_greet_again(struct sim *s)
{
    struct node *n = some_worker(s);

    if (!n || n->frozen) return;
    s->result.faults.greet_again++;
    worker_node_greet(s, n, (unsigned)sim_below(s, s->n_brokers));
}

/* It never comes back; there is another one. */
static void
fault_broker_gone(struct sim *s)
{
    struct node *n = some_broker(s);

    if (!n || s->plan->gone || s->n_brokers < 2) return;
    s->result.faults.broker_gone++;
    s->plan->gone = n;
    node_kill(s, n, sim_chance(s, 500));
}

static void
fault_redis(struct sim *s)
{
    switch (sim_below(s, 3)) {
    case 0:
        s->result.faults.redis_rollback++;
        redis_roll_back(s);
        return;
    case 1:
        s->result.faults.redis_loss++;
        redis_lose(s);
        return;
    default:
        s->result.faults.redis_down++;
        redis_down(s, s->now_us + sim_between(s, 1000, 10000000));
    }
}

static void
fault_slow_link(struct sim *s)
{
    struct conn *c = some_conn(s);

    if (!c) return;
    s->result.faults.slow_link++;
    c->slow_until_us = s->now_us + sim_between(s, 100000, 5000000);
    c->slow_us = sim_between(s, 1000, 1000000);
}

static void
fault_slow_disk(struct sim *s)
{
    s->result.faults.slow_disk++;
    s->plan->slow_disk_until_us[sim_below(s, s->n_jobs)] =
        s->now_us + sim_between(s, 1000, 8000000);
}

static void
bad_disk(struct sim *s, enum disk_mode mode)
{
    sim_enter(s, &s->jobs[sim_below(s, s->n_jobs)]);
    if (disk_mode(s) != DISK_GOOD) return;
    sim_trace(s, "the disk is %s", mode == DISK_FULL ? "full" : "broken");
    disk_set_mode(s, mode);
    sim_at(s, s->now_us + sim_between(s, 1000, 3000000), disk_is_well,
           s->job->index, 0);
}

static void
fault_full_disk(struct sim *s)
{
    s->result.faults.full_disk++;
    bad_disk(s, DISK_FULL);
}

static void
fault_broken_disk(struct sim *s)
{
    s->result.faults.broken_disk++;
    bad_disk(s, DISK_BROKEN_SYNC);
}

static void
fault_drain(struct sim *s)
{
    struct node *n = some_worker(s);

    if (!n || n->frozen) return;
    s->result.faults.drain++;
    worker_node_drain(s, n, false);
}

static void
fault_hand_back(struct sim *s)
{
    struct node *n = some_worker(s);

    if (!n || n->frozen) return;
    s->result.faults.hand_back++;
    worker_node_drain(s, n, true);
}

static void
fault_stop_owner(struct sim *s)
{
    struct node *n = some_owner(s);

    if (!n || n->frozen) return;
    s->result.faults.stop_owner++;
    owner_node_ask_stop(s, n);
}

/* How likely each is, by profile (calm: none). */
static const struct {
    void (*fn)(struct sim *s);
    unsigned weight[PROFILE_FAULTS];
} kinds[] = {
    /*                    calm crash net disk all */
    {fault_kill_worker, {0, 30, 3, 3, 15}},
    {fault_kill_broker, {0, 12, 3, 2, 8}},
    {fault_kill_owner, {0, 15, 2, 15, 10}},
    {fault_late_owner, {0, 6, 3, 1, 4}},
    {fault_power_loss, {0, 8, 0, 20, 8}},
    {fault_freeze, {0, 3, 25, 2, 10}},
    {fault_cut, {0, 3, 35, 2, 12}},
    {fault_partition, {0, 1, 15, 1, 6}},
    {fault_flap, {0, 1, 12, 1, 4}},
    {fault_greet_again, {0, 1, 6, 1, 3}},
    {fault_host_loss, {0, 6, 1, 6, 5}},
    {fault_suspend, {0, 2, 8, 1, 4}},
    {fault_clock_jump, {0, 2, 5, 1, 3}},
    {fault_broker_gone, {0, 3, 3, 1, 2}},
    {fault_redis, {0, 5, 2, 3, 3}},
    {fault_slow_link, {0, 2, 20, 2, 8}},
    {fault_slow_disk, {0, 3, 2, 25, 8}},
    {fault_full_disk, {0, 0, 0, 12, 4}},
    {fault_broken_disk, {0, 0, 0, 8, 3}},
    {fault_drain, {0, 10, 2, 1, 5}},
    {fault_hand_back, {0, 6, 1, 1, 3}},
    {fault_stop_owner, {0, 4, 1, 2, 2}},
};

/* ---- when ---- */

int64_t
faults_liveness_us(const struct sim *s)
{
    return s->writers || s->batches ? INT64_C(3) * LIVENESS_US : LIVENESS_US;
}

/* What no worker served is served again: who lacks a provider makes place for
 * one that has all. */
static void
complete(struct sim *s, struct sim_event *e)
{
    struct node *n = &s->nodes[e->a];

    if (!n->alive || worker_node_is_whole(s, n)) return;
    if (worker_node_is_court(n)) {
        sim_at(s, s->now_us + 1000000, complete, e->a, 0);
    } else {
        worker_node_drain(s, n, true);
    }
}

static void
heal(struct sim *s, struct sim_event *e)
{
    (void)e;
    s->healed = true;
    s->heal_us = s->now_us;
    sim_trace(s, "no more faults");
    s->plan->spill_refuse = s->plan->spill_damage = 0;
    redis_down(s, 0);
    for (unsigned i = 0; i < s->n_jobs; i++) {
        sim_enter(s, &s->jobs[i]);
        disk_set_mode(s, DISK_GOOD);
        s->plan->slow_disk_until_us[i] = 0;
    }
    for (unsigned i = 0; i < s->n_nodes; i++) {
        struct node *n = &s->nodes[i];

        for (unsigned k = 0; k < SIM_BROKERS_MAX; k++) {
            n->links[k].blocked_until_us = 0;
        }
        node_thaw(s, n);
    }
    for (size_t i = 0; i < s->n_conns; i++) {
        s->conns[i].slow_until_us = 0;
    }
    for (unsigned i = 0; s->writers && i < s->n_workers; i++) {
        sim_at(s, s->now_us, complete, (uint64_t)(node_worker(s, i) - s->nodes),
               0);
    }
}

static void
strike(struct sim *s, struct sim_event *e)
{
    unsigned total = 0, at;
    size_t k = 0;

    (void)e;
    if (s->healed || s->over) return;
    for (size_t i = 0; i < co_countof(kinds); i++) {
        total += kinds[i].weight[s->profile];
    }
    at = (unsigned)sim_below(s, total);
    for (; at >= kinds[k].weight[s->profile]; k++) {
        at -= kinds[k].weight[s->profile];
    }
    kinds[k].fn(s);
    sim_at(s, s->now_us + sim_between(s, 1000, 2 * s->plan->mean_us), strike, 0,
           0);
}

void
faults_make(struct sim *s)
{
    static const int64_t means[] = {300000, 1000000, 3000000, 10000000};
    struct fault_plan *p = calloc(1, sizeof *p);

    co_assert(p);
    s->plan = p;
    p->commit_us = sim_between(s, 100, 8000);
    if (sim_chance(s, 300)) p->result_memory = 2048u << sim_below(s, 6);
    sim_at(s, s->now_us + sim_between(s, 2, 60) * 1000000, heal, 0, 0);
    if (s->profile == PROFILE_CALM) return;
    if (sim_chance(s, 300)) p->spill_refuse = (unsigned)sim_below(s, 500);
    if (sim_chance(s, 300)) p->spill_damage = (unsigned)sim_below(s, 100);
    if (sim_chance(s, 200)) p->die_attaching = (unsigned)sim_below(s, 300);
    p->mean_us = means[sim_below(s, 4)];
    sim_at(s, s->now_us + sim_between(s, 1000, p->mean_us), strike, 0, 0);
}

void
faults_free(struct sim *s)
{
    free(s->plan);
    s->plan = NULL;
}
