/* purse_core.h - inside of a purse; purse.c and purse_exchange.c only. */
#pragma once
#include "coordinator/purse.h"

enum {
    PURSE_MS = 1000,       /* microseconds */
    PURSE_MICRO = 1000000, /* 1e-12 USD in 1e-6 USD */
};

static inline int64_t
purse_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* 1e-12 USD in 1e-6 USD, upwards: what is told is never too little. */
static inline int64_t
purse_micro_up(int64_t amount)
{
    return amount / PURSE_MICRO + (amount % PURSE_MICRO > 0);
}

/* NULL: that day has no entry. */
struct purse_day *purse_day_find(struct purse *p, uint32_t day);
/* The entry of a day, made if there is room; forced: by dropping the oldest.
 * NULL: there is none. */
struct purse_day *purse_day_get(struct purse *p, uint32_t day, bool forced);
/* What is not used of it is not had any more. */
void purse_day_give_back(struct purse_day *d);
/* What was granted and is not confirmed is not waited for. */
void purse_block_void(struct purse *p);
void purse_set_today(struct purse *p, uint32_t today);
