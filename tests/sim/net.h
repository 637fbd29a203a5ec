/* net.h - connections as ZeroMQ gives them: a DEALER at the owner or worker,
 * a ROUTER at the broker. A connection carries frames in order, or breaks;
 * nothing is dropped or repeated inside a live one. After a break the DEALER
 * connects again and the ROUTER knows it under a new routing id. Both sides
 * notice a break some time later, and what they send until then is gone. */
#pragma once
#include "tests/sim/market.h"
#include "tests/sim/nodes.h"

enum conn_way { TO_BROKER, TO_DEALER };

/* What was granted and used on it, seen from the wire; see oracle.h. */
struct conn_credit {
    uint64_t granted, sent, back, returned;
    uint64_t granted_after; /* behind a HELLO whose WELCOME is not out yet */
    bool known;             /* the dealer got WELCOME on it */
};
/* noop, ranges, and what a model writes: for anybody, and for each provider;
 * owners use the first only. */
enum { CONN_SERVICES = 3 + PROVIDERS };

struct conn {
    struct node *dealer, *broker;
    unsigned link; /* of the dealer */
    uint32_t dealer_life, broker_life;
    bool cut;
    int64_t until_us[2]; /* what arrives later is lost, by conn_way */
    int64_t last_us[2];  /* arrival of the newest frame */
    int64_t dealer_knows_us, router_knows_us; /* of the break */
    int64_t slow_until_us, slow_us;
    struct conn_credit credit[CONN_SERVICES];
    unsigned greetings; /* HELLOs whose WELCOME is not out yet */
    uint32_t greeting;  /* number of the newest */
};

/* Begins to connect the link; retried until it works. */
void net_connect(struct sim *s, struct node *dealer, unsigned link);
/* Both take the references. CO_AGAIN: no connection; CO_NOTFOUND: no such
 * peer any more. */
co_must_use enum co_err net_dealer_send(struct sim *s, struct node *dealer,
                                        unsigned link, struct co_bytes head,
                                        struct co_bytes body, int64_t at_us);
co_must_use enum co_err net_router_send(struct sim *s, struct node *broker,
                                        uint64_t routing, struct co_bytes head,
                                        struct co_bytes body);
/* The connection of a routing id; NULL: there never was one. */
struct conn *net_conn(struct sim *s, uint64_t routing);
struct conn *net_conn_of(struct sim *s, const struct node *dealer,
                         unsigned link);
/* How a connection breaks. */
enum net_break {
    NET_TOLD,   /* both ends are told soon */
    NET_SILENT, /* noticed only by missing heartbeats */
    /* Silent, and until it is noticed the other way still works. */
    NET_TO_BROKER_LOST,
    NET_TO_DEALER_LOST,
};
void net_break(struct sim *s, struct conn *c, enum net_break how);
/* The process is gone; by power loss its peers are not told. */
void net_cut_node(struct sim *s, struct node *n, bool silent);
/* The process ended in order: what it sent still arrives. */
void net_close_node(struct sim *s, struct node *n);
void net_free(struct sim *s);
