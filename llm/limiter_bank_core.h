/* limiter_bank_core.h - a bank's parts, for its own files only. */
#pragma once
#include "llm/limiter_bank.h"

static inline int64_t
limiter_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t
limiter_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* -- limiter_bank_members.c -- */
/* NULL: it is none. A scan moves them. */
struct limiter_member *limiter_bank_member(struct limiter_bank *b, uint64_t id);
/* NULL: too many. */
struct limiter_member *limiter_bank_join(struct limiter_bank *b, uint64_t id,
                                         const struct limiter_ask *ask,
                                         int64_t now_us);
void limiter_bank_leave(struct limiter_bank *b, struct limiter_member *m);
void limiter_bank_hear(struct limiter_bank *b, struct limiter_member *m,
                       const struct limiter_ask *ask, int64_t now_us);
/* A fair part of the places, and whether m needs that and has less. */
int64_t limiter_bank_fair(const struct limiter_bank *b);
bool limiter_bank_starves(const struct limiter_member *m, int64_t fair);
/* Counts all anew, once a second. */
void limiter_bank_scan(struct limiter_bank *b, int64_t now_us);
/* Whether a fleet may live on shares that it had under another Redis. */
bool limiter_bank_young(const struct limiter_bank *b, int64_t now_us);
void limiter_bank_charge_silent(struct limiter_bank *b,
                                const struct limiter_ask *ask, int64_t now_us);
void limiter_bank_share(struct limiter_bank *b, struct limiter_member *m,
                        int64_t now_us);

/* -- limiter_bank_health.c -- */
/* AIMD: the places of the fleet. */
void limiter_bank_adapt(struct limiter_bank *b, const struct limiter_ask *ask,
                        int64_t now_us);
/* Whether this worker has the one probe now. */
bool limiter_bank_breaker(struct limiter_bank *b, uint64_t id,
                          const struct limiter_ask *ask, int64_t now_us);
