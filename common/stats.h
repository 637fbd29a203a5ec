/* stats.h - a latency histogram in bounded memory, and a moving average.
 * Values are microseconds (any unit works). Buckets are exact below 128, then
 * 64 to each doubling: a quantile is at most 1/64 too high. 18 KiB, no
 * allocation. Not thread-safe. */
#pragma once
#include "common/base.h"

enum {
    CO_HIST_SUB_BITS = 6,  /* 64 buckets a doubling */
    CO_HIST_TOP_BITS = 40, /* values of 2^40 us (12 days) up share the last */
    CO_HIST_BUCKETS = (CO_HIST_TOP_BITS - CO_HIST_SUB_BITS + 1)
                      << CO_HIST_SUB_BITS,
};

/* Zeroed memory is an empty histogram. */
struct co_stats_hist {
    uint64_t count;
    uint64_t sum;
    uint64_t max; /* exact, also above the last bucket */
    uint64_t buckets[CO_HIST_BUCKETS];
};

void co_stats_add(struct co_stats_hist *hist, uint64_t value);
/* The same value n times. */
void co_stats_add_n(struct co_stats_hist *hist, uint64_t value, uint64_t n);
/* Adds all of from to hist. */
void co_stats_merge(struct co_stats_hist *hist,
                    const struct co_stats_hist *from);
void co_stats_clear(struct co_stats_hist *hist);
/* The value that ppm millionths of all values do not exceed (990000: p99),
 * as the upper end of its bucket, never above max; 0 when empty. */
uint64_t co_stats_quantile(const struct co_stats_hist *hist, uint32_t ppm);
/* The mean, rounded down; 0 when empty. */
uint64_t co_stats_mean(const struct co_stats_hist *hist);

/* An exponentially weighted average in fixed point; zeroed = no sample yet. */
struct co_ewma {
    uint64_t value_x256;
    bool has;
};

/* Moves the average by 1/2^shift of the difference; the first sample sets it.
 * Samples above 2^48 count as 2^48. */
static inline void
co_ewma_add(struct co_ewma *ewma, uint64_t sample, unsigned shift)
{
    uint64_t x = co_min_u64(sample, UINT64_C(1) << 48) << 8;
    uint64_t v = ewma->value_x256;

    if (!ewma->has) {
        v = x;
    } else if (x >= v) {
        v += (x - v) >> shift;
    } else {
        v -= (v - x) >> shift;
    }
    *ewma = (struct co_ewma){.value_x256 = v, .has = true};
}

/* The average, rounded; fallback when there is no sample. */
static inline uint64_t
co_ewma_value(const struct co_ewma *ewma, uint64_t fallback)
{
    return ewma->has ? (ewma->value_x256 + 128) >> 8 : fallback;
}
