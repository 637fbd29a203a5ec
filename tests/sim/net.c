/* net.c - see net.h. */
#include "tests/sim/net.h"

#include <stdlib.h>

enum {
    CONNECT_US = 2000,
    RECONNECT_US = 100000,
    RECONNECT_MAX_US = 2000000,
    HEARTBEAT_DEAD_US = 10000000,
};

struct conn *
net_conn(struct sim *s, uint64_t routing)
{
    return routing && routing <= s->n_conns ? &s->conns[routing - 1] : NULL;
}

struct conn *
net_conn_of(struct sim *s, const struct node *dealer, unsigned link)
{
    return net_conn(s, dealer->links[link].routing);
}

void
net_free(struct sim *s)
{
    free(s->conns);
    s->conns = NULL;
}

/* ---- connecting ---- */

static void
add_conn(struct sim *s, struct node *dealer, unsigned link)
{
    struct node *broker = node_broker(s, link);

    if (s->n_conns == s->cap_conns) {
        s->cap_conns = s->cap_conns ? 2 * s->cap_conns : 64;
        s->conns = realloc(s->conns, s->cap_conns * sizeof *s->conns);
        co_assert(s->conns);
    }
    s->conns[s->n_conns++] = (struct conn){
        .dealer = dealer,
        .broker = broker,
        .link = link,
        .dealer_life = dealer->life,
        .broker_life = broker->life,
        .until_us = {INT64_MAX, INT64_MAX},
        .dealer_knows_us = INT64_MAX,
        .router_knows_us = INT64_MAX,
    };
    dealer->links[link].routing = s->n_conns;
    dealer->links[link].connecting = false;
    sim_trace(s, "%s connects to %s as %zu", node_name(dealer),
              node_name(broker), s->n_conns);
    node_wake(s, dealer, s->now_us);
}

static void
try_connect(struct sim *s, struct sim_event *e)
{
    struct node *dealer = &s->nodes[e->a >> 8];
    unsigned link = e->a & 0xff;
    struct dealer_link *l = &dealer->links[link];
    const struct node *broker = node_broker(s, link);

    if (!dealer->alive || dealer->life != e->b || l->routing) return;
    if (broker->alive && !broker->frozen && !dealer->frozen &&
        s->now_us >= l->blocked_until_us) {
        add_conn(s, dealer, link);
        return;
    }
    sim_at(s, s->now_us + sim_between(s, RECONNECT_US, RECONNECT_MAX_US),
           try_connect, e->a, e->b);
}

void
net_connect(struct sim *s, struct node *dealer, unsigned link)
{
    struct dealer_link *l = &dealer->links[link];
    uint64_t who = (uint64_t)(dealer - s->nodes) << 8 | link;

    if (l->connecting || l->routing) return;
    l->connecting = true;
    sim_at(s, s->now_us + sim_between(s, 100, CONNECT_US), try_connect, who,
           dealer->life);
}

/* ---- breaking ---- */

/* The dealer's library notices the break and connects again. */
static void
dealer_notices(struct sim *s, struct sim_event *e)
{
    struct conn *c = &s->conns[e->a - 1];
    struct dealer_link *l = &c->dealer->links[c->link];

    if (!c->dealer->alive || c->dealer->life != c->dealer_life) return;
    if (l->routing != e->a) return;
    l->routing = 0;
    l->connecting = true;
    sim_at(s,
           s->now_us + sim_between(s, RECONNECT_US, (int64_t)2 * RECONNECT_US),
           try_connect, (uint64_t)(c->dealer - s->nodes) << 8 | c->link,
           c->dealer_life);
}

void
net_break(struct sim *s, struct conn *c, enum net_break how)
{
    int64_t most = how == NET_TOLD ? 50000 : HEARTBEAT_DEAD_US;

    if (c->cut) return;
    c->cut = true;
    c->dealer_knows_us = s->now_us + sim_between(s, 0, most);
    c->router_knows_us = s->now_us + sim_between(s, 0, most);
    /* A part of what is under way still arrives: more on a slow link, whose
     * frames wait in the buffers of the receiver. */
    for (int way = 0; way < 2; way++) {
        int64_t late = 4 * s->delay_us;

        if (s->now_us < c->slow_until_us) late += c->slow_us;
        c->until_us[way] = s->now_us + sim_between(s, 0, late);
    }
    if (how == NET_TO_BROKER_LOST) c->until_us[TO_DEALER] = c->dealer_knows_us;
    if (how == NET_TO_DEALER_LOST) c->until_us[TO_BROKER] = c->router_knows_us;
    /* Nothing more is read from a connection that was given up. */
    if (c->until_us[TO_DEALER] > c->dealer_knows_us) {
        c->until_us[TO_DEALER] = c->dealer_knows_us;
    }
    if (c->until_us[TO_BROKER] > c->router_knows_us) {
        c->until_us[TO_BROKER] = c->router_knows_us;
    }
    sim_trace(s, "connection %zu of %s to %s breaks",
              (size_t)(c - s->conns) + 1, node_name(c->dealer),
              node_name(c->broker));
    sim_at(s, c->dealer_knows_us, dealer_notices, (uint64_t)(c - s->conns) + 1,
           0);
}

void
net_cut_node(struct sim *s, struct node *n, bool silent)
{
    for (size_t i = 0; i < s->n_conns; i++) {
        struct conn *c = &s->conns[i];

        if (c->cut) continue;
        if ((c->dealer == n && c->dealer_life == n->life) ||
            (c->broker == n && c->broker_life == n->life)) {
            net_break(s, c, silent ? NET_SILENT : NET_TOLD);
        }
    }
}

void
net_close_node(struct sim *s, struct node *n)
{
    for (size_t i = 0; i < s->n_conns; i++) {
        struct conn *c = &s->conns[i];

        if (c->cut || c->dealer != n || c->dealer_life != n->life) continue;
        net_break(s, c, NET_TOLD);
        c->until_us[TO_BROKER] = INT64_MAX;
        if (c->router_knows_us < c->last_us[TO_BROKER]) {
            c->router_knows_us = c->last_us[TO_BROKER];
        }
    }
}

/* ---- sending ---- */

static void
arrive(struct sim *s, struct sim_event *e)
{
    struct conn *c = &s->conns[e->a - 1];
    bool to_broker = e->b == TO_BROKER;
    struct node *n = to_broker ? c->broker : c->dealer;
    uint32_t life = to_broker ? c->broker_life : c->dealer_life;
    struct mail mail = {to_broker ? e->a : c->link, e->head, e->body};

    if (e->at_us > c->until_us[e->b] || !n->alive || n->life != life) {
        co_bytes_unref(&e->head);
        co_bytes_unref(&e->body);
        return;
    }
    node_deliver(s, n, to_broker && c->dealer->kind == NODE_WORKER, mail);
}

static void
send_on(struct sim *s, struct conn *c, enum conn_way way, struct co_bytes head,
        struct co_bytes body, int64_t at_us)
{
    int64_t delay = s->delay_us + (int64_t)sim_below(s, (uint64_t)s->delay_us);

    if (s->now_us < c->slow_until_us) {
        delay += (int64_t)sim_below(s, (uint64_t)c->slow_us);
    }
    if (at_us + delay <= c->last_us[way]) delay = c->last_us[way] - at_us + 1;
    c->last_us[way] = at_us + delay;
    sim_at_frame(s, at_us + delay, arrive, (uint64_t)(c - s->conns) + 1, way,
                 head, body);
}

enum co_err
net_dealer_send(struct sim *s, struct node *dealer, unsigned link,
                struct co_bytes head, struct co_bytes body, int64_t at_us)
{
    struct conn *c = net_conn_of(s, dealer, link);

    if (c && s->now_us < c->dealer_knows_us) {
        send_on(s, c, TO_BROKER, head, body, at_us);
        return CO_OK;
    }
    co_bytes_unref(&head);
    co_bytes_unref(&body);
    return CO_AGAIN;
}

enum co_err
net_router_send(struct sim *s, struct node *broker, uint64_t routing,
                struct co_bytes head, struct co_bytes body)
{
    struct conn *c = net_conn(s, routing);

    if (c && c->broker == broker && c->broker_life == broker->life &&
        s->now_us < c->router_knows_us) {
        send_on(s, c, TO_DEALER, head, body, s->now_us);
        return CO_OK;
    }
    co_bytes_unref(&head);
    co_bytes_unref(&body);
    return CO_NOTFOUND;
}
