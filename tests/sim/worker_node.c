/* worker_node.c - a worker: the slots core, worker/work.c, and what
 * worker/worker_shell*.c do. Results that do not fit in memory go to a spill
 * that may refuse or damage them. */
#include "tests/sim/faults.h"
#include "tests/sim/market.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/workload.h"

#include "proto/parts.h"
#include "worker/assets.h"
#include "worker/work.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    READ_MAX = 256,
    GREET_US = 20 * 1000,
    TICK_US = 100 * 1000,
    BACKLOG_US = 5000,
    DRAIN_US = 5000 * 1000,
    CHECK_EVERY = 16,
};

struct spilled {
    uint64_t seq;
    struct co_bytes body;
};

struct worker_node {
    struct workload_env env; /* first: a service gets its address */
    struct sim *sim;
    struct node *node;
    struct slots_service announced[3 + PROVIDERS];
    const struct service *services[3 + PROVIDERS];
    uint32_t n_services;
    struct slots *slots;
    struct work *work;
    struct assets *assets;
    struct parts *parts;
    struct msg_reader reader;
    struct outbox out;
    bool greet[SIM_BROKERS_MAX], busy, flushed, leave;
    int64_t greeted_us, drain_until_us;
    uint64_t incarnation, turns;
    bool alone; /* was given a suspect to run alone */
    char name[16];
    struct spilled *spilled;
    size_t n_spilled, cap_spilled;
    size_t seen; /* messages of out that the oracle saw */
};

static struct worker_node *running; /* whose turn it is */

static int64_t
worker_clock(void)
{
    return sim_now->clock_us + (running ? running->env.ahead_us : 0);
}

static int64_t
now_of(const struct worker_node *w)
{
    return node_now(w->sim, w->node);
}

/* ---- spill ---- */

static enum co_err
spill_put(void *ctx, uint64_t seq, struct co_bytes body)
{
    struct worker_node *w = ctx;

    if (sim_chance(w->sim, w->sim->plan->spill_refuse)) {
        w->sim->result.faults.spill_refused++;
        return CO_NOSPACE;
    }
    if (w->n_spilled == w->cap_spilled) {
        w->cap_spilled = w->cap_spilled ? 2 * w->cap_spilled : 16;
        w->spilled = realloc(w->spilled, w->cap_spilled * sizeof *w->spilled);
        co_assert(w->spilled);
    }
    w->spilled[w->n_spilled++] = (struct spilled){seq, co_bytes_ref(body)};
    return CO_OK;
}

static enum co_err
spill_get(void *ctx, uint64_t seq, struct co_bytes *ret_body)
{
    struct worker_node *w = ctx;

    if (sim_chance(w->sim, w->sim->plan->spill_damage)) {
        w->sim->result.faults.spill_damaged++;
        oracle_on_spill_damage(w->sim, w->node, w->incarnation, seq);
        return CO_DAMAGED;
    }
    for (size_t i = 0; i < w->n_spilled; i++) {
        if (w->spilled[i].seq != seq) continue;
        *ret_body = co_bytes_ref(w->spilled[i].body);
        return CO_OK;
    }
    sim_fail(w->sim, "spill", "result %llu was never spilled",
             (unsigned long long)seq);
    return CO_NOTFOUND;
}

static void
spill_drop(void *ctx, uint64_t seq)
{
    struct worker_node *w = ctx;

    for (size_t i = 0; i < w->n_spilled; i++) {
        if (w->spilled[i].seq != seq) continue;
        co_bytes_unref(&w->spilled[i].body);
        w->spilled[i] = w->spilled[--w->n_spilled];
        return;
    }
}

/* ---- life ---- */

/* The lane of the provider, with slots of its own. */
static void
announce_lane(struct sim *s, struct worker_node *w)
{
    w->n_services = 3;
    w->services[2] = s->batches ? &workload_write_asked : &workload_write;
    w->announced[2] =
        (struct slots_service){.name = workload_write.name,
                               .range = workload_write.range,
                               .hint_ns = workload_write.hint_ns,
                               .provider = "sim",
                               .slots = (uint32_t)sim_between(s, 1, 16)};
}

/* Services, the hint of each from the first job that asks for it. */
static void
announce(struct sim *s, struct worker_node *w)
{
    bool hasty = sim_chance(s, 100);

    w->n_services = 2;
    w->services[0] = &workload_bench;
    w->services[1] = &workload_range;
    if (s->writers) {
        w->n_services += market_announce(s, w->announced + 2, w->services + 2);
    } else if (s->paid) {
        announce_lane(s, w);
    }
    w->env.announced = w->announced;
    w->env.account = 1 + (s->accounts > 1 ? w->node->index % s->accounts : 0);
    for (int i = 0; i < 2; i++) {
        const struct service *service = w->services[i];
        uint64_t ns = service->hint_ns;

        for (unsigned j = s->n_jobs; j-- > 0;) {
            const struct workload *work = s->jobs[j].work;

            if (work->personas == service->range) {
                ns = (uint64_t)work->task_us * 1000;
            }
        }
        /* Told too short, the worker asks for more than it can do, and asks
         * it back once it has measured. */
        if (hasty) ns = ns / 256 + 1;
        w->announced[i] = (struct slots_service){
            .name = service->name,
            .range = service->range,
            .hint_ns = (uint32_t)co_min_u64(ns, UINT32_MAX)};
    }
}

static void
open_core(struct sim *s, struct worker_node *w)
{
    uint32_t slots = (uint32_t)sim_between(s, 1, 4);
    const struct slots_config config = {
        .incarnation = w->incarnation,
        .fingerprint = s->fingerprint,
        .name = w->name,
        .software = "sim",
        .services = w->announced,
        .n_services = w->n_services,
        .links = s->n_brokers,
        .slots = slots,
        .result_bytes_max = s->plan->result_memory,
        .result_age_us = sim_chance(s, 200) ? 2000000 : 0,
        .spill = {.ctx = w,
                  .put = spill_put,
                  .get = spill_get,
                  .drop = spill_drop},
        .assets = w->assets,
    };

    co_assert(!slots_new(&config, &w->slots));
    for (uint32_t i = 2; i < w->n_services; i++) {
        slots += w->announced[i].slots;
    }
    co_assert(!work_new(w->slots, slots, w->services, &w->env.env, worker_clock,
                        &w->work));
}

void
worker_node_start(struct sim *s, struct node *n)
{
    struct worker_node *w = calloc(1, sizeof *w);

    co_assert(w);
    w->sim = w->env.sim = s;
    w->node = n;
    w->env.speed = (unsigned)sim_between(s, 50, 200);
    w->env.env.fingerprint = s->fingerprint;
    w->incarnation = sim_random(s) | 1;
    (void)snprintf(w->name, sizeof w->name, "%s", node_name(n));
    announce(s, w);
    outbox_init(&w->out);
    co_assert(!assets_new(w->incarnation, NULL, &w->assets));
    co_assert(!parts_new(SIM_BROKERS_MAX, &w->parts));
    open_core(s, w);
    n->core = w;
    for (unsigned i = 0; i < s->n_brokers; i++) {
        net_connect(s, n, i);
        slots_connect(w->slots, i, now_of(w), &w->out);
    }
    node_wake(s, n, s->now_us);
}

void
worker_node_stop(struct node *n)
{
    struct worker_node *w = n->core;

    work_free(w->work);
    slots_free(w->slots);
    assets_free(w->assets);
    parts_free(w->parts);
    outbox_fini(&w->out);
    for (size_t i = 0; i < w->n_spilled; i++) {
        co_bytes_unref(&w->spilled[i].body);
    }
    free(w->spilled);
    free(w);
    n->core = NULL;
}

uint64_t
worker_node_incarnation(const struct node *n)
{
    const struct worker_node *w = n->core;

    return w ? w->incarnation : 0;
}

bool
worker_node_is_court(const struct node *n)
{
    const struct worker_node *w = n->core;

    return w && w->alone;
}

void
worker_node_drain(struct sim *s, struct node *n, bool now)
{
    struct worker_node *w = n->core;

    if (!w || w->leave) return;
    sim_trace(s, "%s %s", node_name(n), now ? "hands back" : "drains");
    if (now) {
        work_hand_back(w->work, RETURN_DRAIN);
        slots_hand_back(w->slots, now_of(w), &w->out);
        w->leave = true;
    } else {
        w->drain_until_us = s->now_us + DRAIN_US;
        slots_drain(w->slots, now_of(w), &w->out);
    }
    node_wake(s, n, s->now_us);
}

bool
worker_node_is_whole(const struct sim *s, const struct node *n)
{
    const struct worker_node *w = n->core;

    return !w || !s->writers || w->n_services == co_countof(w->services);
}

void
worker_node_greet(struct sim *s, struct node *n, unsigned link)
{
    struct worker_node *w = n->core;

    if (!w || w->leave) return;
    w->greet[link] = true;
    node_wake(s, n, s->now_us);
}

/* ---- input ---- */

static void
take(struct worker_node *w, unsigned link, const struct msg *m,
     struct co_bytes body)
{
    oracle_on_worker_input(w->sim, w->node, w->incarnation, m);
    if (m->type == MSG_tasks) w->alone = m->tasks.alone;
    slots_on_message(w->slots, link, m, body, now_of(w), &w->out);
}

static void
deliver(struct worker_node *w, struct mail *mail)
{
    struct co_bytes head = {0}, body = {0};
    struct msg m;
    enum co_err err =
        msg_decode(&w->reader, mail->head.data, mail->head.len, &m);

    if (err) {
        sim_fail(w->sim, "protocol", "a worker got garbage: %s",
                 co_err_name(err));
    } else if (m.type != MSG_part) {
        take(w, (unsigned)mail->peer, &m, mail->body);
    } else if ((err = parts_add(w->parts, mail->peer, &m.part, mail->body,
                                &head, &body))) {
        if (err != CO_AGAIN) {
            sim_fail(w->sim, "protocol", "a PART does not fit");
        }
    } else {
        if (!msg_decode(&w->reader, head.data, head.len, &m)) {
            take(w, (unsigned)mail->peer, &m, body);
        }
        co_bytes_unref(&head);
        co_bytes_unref(&body);
    }
    co_bytes_unref(&mail->head);
    co_bytes_unref(&mail->body);
}

static void
read_links(struct worker_node *w)
{
    struct sim *s = w->sim;
    bool greet = s->now_us - w->greeted_us >= GREET_US;
    struct mail mail;

    if (greet) w->greeted_us = s->now_us;
    for (unsigned i = 0; i < s->n_brokers; i++) {
        if (!greet || !w->greet[i]) continue;
        w->greet[i] = false;
        slots_connect(w->slots, i, now_of(w), &w->out);
    }
    for (int i = 0; i < READ_MAX && node_take(w->node, 0, &mail); i++) {
        deliver(w, &mail);
    }
}

/* ---- output ---- */

static void
note_unsent(struct worker_node *w, unsigned link, const struct outmsg *o)
{
    struct msg m;

    w->greet[link] = true;
    if (!msg_decode(&w->reader, o->head.data, o->head.len, &m) &&
        m.type == MSG_hello) {
        slots_hello_unsent(w->slots, link, m.hello.greeting);
    }
}

static bool
send_one(struct worker_node *w, struct outmsg *m)
{
    unsigned link = (unsigned)m->peer;
    enum co_err err = net_dealer_send(
        w->sim, w->node, link, co_bytes_ref(m->head), co_bytes_ref(m->body),
        w->sim->now_us + w->env.ahead_us);

    if (err && slots_link_up(w->slots, link)) return false;
    if (err) note_unsent(w, link, m);
    co_bytes_unref(&m->head);
    co_bytes_unref(&m->body);
    return true;
}

static void
send_all(struct worker_node *w)
{
    bool stuck[SIM_BROKERS_MAX] = {false};
    size_t kept = 0;

    for (size_t i = w->seen; i < w->out.n; i++) {
        oracle_on_worker_output(w->sim, w->node, w->incarnation, &w->out.v[i],
                                &w->reader);
    }
    for (size_t i = 0; i < w->out.n; i++) {
        struct outmsg m = w->out.v[i];

        if (!stuck[m.peer] && send_one(w, &m)) continue;
        stuck[m.peer] = true;
        w->out.v[kept++] = m;
    }
    w->out.n = w->seen = kept;
}

/* By the worker's clock. */
static int64_t
next_turn(const struct worker_node *w)
{
    int64_t until = slots_deadline(w->slots), work = work_deadline(w->work);
    int64_t now = now_of(w);

    if (w->busy || w->node->in[0].from < w->node->in[0].n) return now + 10;
    if (work < until) until = work;
    if (until > now + TICK_US) until = now + TICK_US;
    if (w->out.n && until > now + BACKLOG_US) until = now + BACKLOG_US;
    return until < now + 10 ? now + 10 : until;
}

/* The process ends in order. */
static void
leave(struct sim *s, struct node *n)
{
    struct worker_node *w = n->core;

    slots_flush(w->slots, now_of(w), &w->out);
    slots_bye(w->slots, &w->out);
    send_all(w);
    net_close_node(s, n);
    node_kill(s, n, false);
    faults_restart(s, n, 500000);
}

void
worker_node_turn(struct sim *s, struct node *n)
{
    struct worker_node *w = n->core;

    running = w;
    w->env.ahead_us = 0;
    read_links(w);
    slots_tick(w->slots, now_of(w), &w->out);
    if (w->drain_until_us && s->now_us >= w->drain_until_us && !w->leave) {
        worker_node_drain(s, n, true);
    }
    if (slots_drained(w->slots)) w->leave = true;
    w->busy = work_run(w->work, now_of(w));
    if (w->env.die) {
        running = NULL;
        s->result.faults.poison++;
        node_kill(s, n, false);
        faults_restart(s, n, 500000);
        return;
    }
    if (!w->out.n || !w->flushed) slots_flush(w->slots, now_of(w), &w->out);
    send_all(w);
    w->flushed = w->out.n > 0;
    n->busy_until_us = s->now_us + w->env.ahead_us;
    if (w->turns++ % CHECK_EVERY == 0) worker_node_check(s, n);
    oracle_on_worker_turn(s, n, w->incarnation, w->slots);
    if (w->leave) {
        leave(s, n);
    } else {
        node_wake_by(s, n, next_turn(w));
    }
    running = NULL;
}

void
worker_node_check(struct sim *s, const struct node *n)
{
    const struct worker_node *w = n->core;

    (void)s;
    if (w) slots_check(w->slots);
}

void
worker_node_say(struct sim *s, const struct node *n)
{
    const struct worker_node *w = n->core;
    struct slots_stats t;

    if (!w) return;
    slots_get_stats(w->slots, &t);
    sim_trace(s,
              "%s: parked %u, queued %u, running %u, kept %u, links %u, "
              "credit %llu%s%s",
              node_name(n), t.parked, t.queued, t.running, t.kept, t.links_up,
              (unsigned long long)t.credit, t.draining ? ", draining" : "",
              t.full ? ", full" : "");
#define X(name, help)                                                          \
    if (t.counters.name)                                                       \
        sim_trace(s, "| %s %llu", #name, (unsigned long long)t.counters.name);
    SLOTS_COUNTERS(X)
#undef X
}
