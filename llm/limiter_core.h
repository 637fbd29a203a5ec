/* limiter_core.h - a limiter's parts, for its own files only. */
#pragma once
#include "llm/limiter_bank.h"

enum {
    LIMITER_US = 1000,           /* of a millisecond */
    LIMITER_URGENT_US = 20000,   /* news that all should hear at once */
    LIMITER_DEMAND_US = 2000000, /* a call that asked is remembered so long */
    LIMITER_UNUSED_US = 2000000, /* a probe that no call came for */
};

#define LIMITER_NEVER_US (INT64_MIN / 2)

/* One call in flight: what it was charged to. Sorted by begin. */
struct limiter_call {
    int64_t begin_us;
    int64_t epoch, slot; /* epoch 0: to nobody's ring (no limit, or alone) */
    bool probe;
};

/* One endpoint of the provider. Times are monotonic unless they say Redis. */
struct limiter_endpoint {
    uint32_t weight;

    /* the block */
    uint64_t requests, tokens;
    int64_t until_us, slot, epoch;
    uint64_t granted; /* requests of the last block */
    int64_t again_us; /* when there may be more */
    /* given back, by slot; of this epoch only */
    struct limiter_settle back[LIMITER_SLOTS];
    int64_t back_epoch;

    /* what Redis said last */
    bool told;
    int64_t heard_us;      /* when it came; before, since when it is awaited */
    int64_t heard_sent_us; /* when it was asked */
    int64_t heard_redis_us;
    int64_t allow, share_ppm, claim_ppm;
    bool young;                     /* nobody had a share yet */
    int64_t hold_redis_us, hold_us; /* the same, and with our jitter */
    int64_t breaker, open_us;
    int64_t pause_us; /* it failed by our own count: not before, unless the
                       * fleet was told and says otherwise */

    /* what it is to be told */
    int64_t hold_report_us; /* 0: nothing new */
    int64_t limited_us;     /* begin of the last one refused; -1: none */
    int64_t successes, failures, tail;
    int64_t ended, refusals, errors, took_us; /* since the last exchange */
    int64_t probe;                            /* enum limiter_probe */
    int64_t probe_us;
    bool probing; /* the probe is in flight */

    /* exchanges */
    bool asked;  /* one is under way */
    bool urgent; /* and another should follow it at once */
    int64_t asked_us, next_us;
    /* what the one under way says: told, once it was answered */
    int64_t said_hold_us, said_limited_us, said_probe;

    /* alone: Redis is gone */
    double alone[LIMITER_RESOURCES];
    int64_t alone_us; /* refilled until then; 0: not alone */

    /* demand, and how it goes */
    int64_t demand_us;                  /* a call asked for a place last */
    uint64_t call_tokens;               /* of the largest lately */
    int64_t latency_us, usual_us, seen; /* EWMA, and the usual one */
    int64_t burst_us;                   /* refusals before are of one burst */
    uint32_t error_ppm, miss_ppm;       /* EWMA: calls failed, answers unfit */

    struct limiter_call *calls;
    uint32_t in_flight, calls_max;
    struct limiter_bank *bank; /* not shared: it leases from itself */
};

struct limiter {
    const struct providers_entry *entry;
    bool shared;
    uint64_t seed;
    uint32_t n;
    struct limiter_endpoint endpoints[];
};

/* -- limiter_lease.c: blocks ------------------------------------------------
 */
bool limiter_has_limits(const struct limiter *l);
/* Before the first answer: Redis is awaited from now on. */
void limiter_wait_begins(struct limiter_endpoint *e, int64_t now_us);
/* Whether Redis was not heard for long. */
bool limiter_is_gone(const struct limiter *l, const struct limiter_endpoint *e,
                     int64_t now_us);
/* Whether a call of so many tokens is paid for by the block (or, alone, by the
 * share); else *ret_until_us is when to look again. */
enum limiter_why limiter_lease_look(struct limiter *l,
                                    struct limiter_endpoint *e, uint64_t tokens,
                                    int64_t now_us, int64_t *ret_until_us);
/* Takes it; call gets what it is charged to. */
void limiter_lease_take(struct limiter *l, struct limiter_endpoint *e,
                        uint64_t tokens, int64_t now_us,
                        struct limiter_call *call);
/* Takes notice that a block is too old: what is left of it is given back. */
void limiter_lease_expire(struct limiter_endpoint *e, int64_t now_us);
void limiter_lease_return(struct limiter_endpoint *e, int64_t epoch,
                          int64_t slot, int64_t requests, int64_t tokens);
/* Not shared: leases from its own bank. */
void limiter_lease_pump(struct limiter *l, struct limiter_endpoint *e,
                        int64_t now_us);
/* Calls that could start now by the block. */
uint64_t limiter_lease_room(const struct limiter *l,
                            const struct limiter_endpoint *e, int64_t now_us);

/* -- limiter_health.c: waits, breaker, what calls say -----------------------
 */
/* LIMITER_WHY_GO: the endpoint may be called, as far as it goes for that. */
enum limiter_why limiter_health_look(const struct limiter_endpoint *e,
                                     int64_t now_us, int64_t *ret_until_us);
void limiter_health_take(struct limiter_endpoint *e,
                         const struct limiter_call *call, enum fault fault,
                         const struct hints *hints, int64_t total_us,
                         int64_t now_us);
/* A probe that no call came for is given back. */
void limiter_health_tick(struct limiter_endpoint *e, int64_t now_us);
void limiter_health_told(struct limiter *l, struct limiter_endpoint *e,
                         const struct limiter_told *told, int64_t now_us);

/* -- limiter_talk.c ----------------------------------------------------------
 */
/* The next exchange is to be as soon as may be. */
void limiter_hurry(struct limiter_endpoint *e, int64_t now_us);

/* -- limiter_route.c ---------------------------------------------------------
 */
/* A rate of what is bad, in millionths, after one more. */
uint32_t limiter_ewma_ppm(uint32_t ppm, bool bad);
/* Whether a is to be called rather than b. */
bool limiter_route_before(const struct limiter_endpoint *a,
                          const struct limiter_endpoint *b);
/* Where calls of that value go as long as it stays; NULL: near is 0, or there
 * is nothing to choose. */
struct limiter_endpoint *limiter_route_home(struct limiter *l, uint64_t near);
bool limiter_route_stays(const struct limiter_endpoint *home,
                         const struct limiter_endpoint *best);
/* Places that the endpoint has left. */
int64_t limiter_route_places(const struct limiter *l,
                             const struct limiter_endpoint *e, int64_t now_us);
