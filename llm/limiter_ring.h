/* limiter_ring.h - what was charged in each of the last 66 seconds, and what a
 * limit still allows. The rule, for every instant u of the past:
 *
 *     charged from u to now  <=  b + r (now - u),   r = (L - b) / 65.25 s
 *
 * with b = L / 16. Charges are made when a block is leased, which is spent
 * within 0.25 s: so in any 60 s at most b + 60.25 r < L start, and with the
 * guard of 5 s, which is in r, as many reach the endpoint. Because the rule
 * looks at the charges themselves, a charge that is taken back later (the call
 * used less, or was not made) is taken back in its own second, and nothing has
 * to be bounded about when. A level with a refill could not do that: what it
 * gets back late, it might have been refilled with before.
 * Numbers are doubles: those of Redis's scripts are, and both must agree.
 * Pure. */
#pragma once
#include "llm/limiter_exchange.h"

enum limiter_resource { LIMITER_REQUESTS, LIMITER_TOKENS, LIMITER_RESOURCES };

struct limiter_ring {
    int64_t slot;    /* the newest: a second of Redis's time */
    int64_t born_us; /* nothing is known of before: no burst then */
    double charged[LIMITER_RESOURCES][LIMITER_SLOTS]; /* [slot % SLOTS] */
};

/* Empty in both senses: nothing charged, and nothing allowed yet. */
void limiter_ring_init(struct limiter_ring *ring, int64_t now_us);
/* Goes on to now. True: time went back, so that slots have new numbers. */
bool limiter_ring_advance(struct limiter_ring *ring, int64_t now_us);
/* What may be charged now; < 0: too much was. */
double limiter_ring_level(const struct limiter_ring *ring,
                          enum limiter_resource resource, double limit,
                          double burst, int64_t now_us);
void limiter_ring_charge(struct limiter_ring *ring,
                         enum limiter_resource resource, double amount);
void limiter_ring_settle(struct limiter_ring *ring,
                         const struct limiter_settle *settle);
/* Charged in the last 60 s. */
double limiter_ring_used(const struct limiter_ring *ring,
                         enum limiter_resource resource);
/* b of a limit, for calls of at most so much. */
double limiter_ring_burst(double limit, double call);
/* What the fleet may use in dt_us while Redis is gone. */
double limiter_ring_alone(double limit, double burst, int64_t dt_us);
