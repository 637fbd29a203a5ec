/* broker_node.c - a broker: the dispatch core and what broker/shell.c does. */
#include "broker/dispatch.h"
#include "proto/parts.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"

#include <stdlib.h>

enum { LARGE_PEERS = 64, CHECK_EVERY = 16 };

struct broker_node {
    struct dispatch *d;
    struct parts *parts[2];
    struct outbox out, cut;
    struct msg_reader reader;
    uint64_t part_number, part_max, turns;
    int read_max; /* messages a turn; the real one has more peers */
};

static int64_t
now_ms(const struct sim *s)
{
    return s->clock_us / 1000;
}

void
broker_node_start(struct sim *s, struct node *n)
{
    struct broker_node *b = calloc(1, sizeof *b);
    struct dispatch_limits limits = dispatch_limits_default();

    co_assert(b);
    outbox_init(&b->out);
    outbox_init(&b->cut);
    b->part_max = sim_chance(s, 500) ? PART_BYTES_MAX : 2 * BODY_BYTES_MAX;
    limits.part_max = (uint32_t)b->part_max;
    b->read_max = sim_chance(s, 300) ? 16 : 256;
    if (sim_chance(s, 200)) limits.window_max = 64;
    /* A job gets more than it can use, and is asked to give some back. */
    if (sim_chance(s, 200)) limits.window_min = limits.window_max = 1024;
    if (sim_chance(s, 200)) limits.queued_bytes_max = 400 << 10;
    co_assert(!dispatch_new(&limits, sim_random(s) | 1, node_name(n), now_ms(s),
                            &b->d));
    co_assert(!parts_new(LARGE_PEERS, &b->parts[0]));
    co_assert(!parts_new(LARGE_PEERS, &b->parts[1]));
    n->core = b;
    node_wake(s, n, s->now_us);
}

void
broker_node_stop(struct node *n)
{
    struct broker_node *b = n->core;

    dispatch_free(b->d);
    parts_free(b->parts[0]);
    parts_free(b->parts[1]);
    outbox_fini(&b->out);
    outbox_fini(&b->cut);
    free(b);
    n->core = NULL;
}

const char *
broker_node_check(const struct node *n)
{
    const struct broker_node *b = n->core;

    return b ? dispatch_check(b->d) : NULL;
}

/* Grows by each message of an owner that changes something. */
static uint64_t
taken(const struct dispatch *d)
{
    const struct dispatch_counters *c = dispatch_counts(d);

    return c->jobs_attached + c->jobs_detached + c->tasks_in + c->have +
           c->replaced + c->superseded + c->refused_credit + c->acks +
           c->cancelled_queued + c->cancelled_running + c->cancel_unknown;
}

/* Takes the references. */
static void
hand_over(struct sim *s, struct node *n, enum side side, uint64_t peer,
          struct co_bytes head, struct co_bytes body)
{
    struct broker_node *b = n->core;
    uint64_t before;
    struct msg m;
    enum co_err err = msg_decode(&b->reader, head.data, head.len, &m);

    if (err || m.type == MSG_part) {
        sim_fail(s, "protocol", "the broker got garbage: %s", co_err_name(err));
        co_bytes_unref(&head);
        co_bytes_unref(&body);
        return;
    }
    oracle_on_broker_input(s, side, peer, &m);
    before = taken(b->d);
    dispatch_on_message(b->d, side, peer, &m, head, body, now_ms(s), &b->out);
    if (side == SIDE_FRONT) {
        oracle_on_owner_heard(s, n, &m, taken(b->d) != before);
    }
}

static void
read_side(struct sim *s, struct node *n, enum side side)
{
    struct broker_node *b = n->core;
    struct mail mail;
    struct msg m;

    for (int i = 0; i < b->read_max && node_take(n, side, &mail); i++) {
        if (!msg_decode(&b->reader, mail.head.data, mail.head.len, &m) &&
            m.type == MSG_part) {
            struct co_bytes head, body;
            enum co_err err = parts_add(b->parts[side], mail.peer, &m.part,
                                        mail.body, &head, &body);

            if (!err) {
                hand_over(s, n, side, mail.peer, head, body);
            } else if (err != CO_AGAIN) {
                dispatch_on_garbage(b->d, side, mail.peer, err, now_ms(s),
                                    &b->out);
            }
            co_bytes_unref(&mail.head);
            co_bytes_unref(&mail.body);
            continue;
        }
        hand_over(s, n, side, mail.peer, mail.head, mail.body);
    }
}

static void
// NOLINTNEXTLINE(misc-no-recursion): only once, into b->cut
send_all(struct sim *s, struct node *n, struct outbox *out)
{
    struct broker_node *b = n->core;

    for (size_t i = 0; i < out->n; i++) {
        struct outmsg m = out->v[i];

        out->v[i].head = out->v[i].body = (struct co_bytes){0};
        if (out != &b->cut) {
            oracle_on_broker_output(s, n, &m, &b->reader);
            if (m.head.len + m.body.len > b->part_max) {
                parts_push(&b->cut, m.side, m.peer, ++b->part_number,
                           b->part_max, m.head, m.body);
                send_all(s, n, &b->cut);
                continue;
            }
        }
        if (net_router_send(s, n, m.peer, m.head, m.body)) {
            parts_drop(b->parts[m.side], m.peer);
            dispatch_on_unroutable(b->d, (enum side)m.side, m.peer, now_ms(s),
                                   &b->out);
        }
    }
    outbox_clear(out);
}

void
broker_node_turn(struct sim *s, struct node *n)
{
    struct broker_node *b = n->core;
    const char *broken;

    read_side(s, n, SIDE_FRONT);
    read_side(s, n, SIDE_BACK);
    if (now_ms(s) >= dispatch_next_deadline(b->d)) {
        dispatch_tick(b->d, now_ms(s), &b->out);
    }
    dispatch_run(b->d, now_ms(s), &b->out);
    send_all(s, n, &b->out);
    if (b->turns++ % CHECK_EVERY == 0 && (broken = dispatch_check(b->d))) {
        sim_fail(s, "dispatch_check", "%s", broken);
    }
    node_wake_by(s, n, dispatch_next_deadline(b->d) * 1000);
    for (int i = 0; i < 2; i++) {
        if (n->in[i].from < n->in[i].n) node_wake(s, n, s->now_us + 50);
    }
}

void
broker_node_say(struct sim *s, const struct node *n)
{
    const struct broker_node *b = n->core;
    struct dispatch_totals t;

    if (!b) return;
    t = dispatch_totals(b->d);
    sim_trace(s, "%s: %u workers, %u owners, %u jobs, %u queued, %u in flight",
              node_name(n), t.workers, t.owners, t.jobs, t.queued, t.in_flight);
#define X(name, help)                                                          \
    if (dispatch_counts(b->d)->name)                                           \
        sim_trace(s, "| %s %llu", #name,                                       \
                  (unsigned long long)dispatch_counts(b->d)->name);
    DISPATCH_COUNTERS(X)
#undef X
}
