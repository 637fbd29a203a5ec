/* stats.c - see stats.h.
 * Bucket of v: values below 2^7 are their own bucket; above, the top 7 bits
 * of v (1xxxxxx) name the bucket within its doubling. Both rules give the
 * same number where they meet:
 *
 *   v = 127 -> 127      v = 128, 129 -> 128      v = 254, 255 -> 191
 */
#include "common/stats.h"

#include <string.h>

enum { SUB = 1 << CO_HIST_SUB_BITS };

static size_t
stats_bucket(uint64_t v)
{
    unsigned shift;

    if (v < 2ull * SUB) return v;
    if (v >> CO_HIST_TOP_BITS) return CO_HIST_BUCKETS - 1;
    shift = 63 - (unsigned)__builtin_clzll(v) - CO_HIST_SUB_BITS;
    return ((size_t)shift << CO_HIST_SUB_BITS) + (size_t)(v >> shift);
}

/* The greatest value that falls into bucket i. */
static uint64_t
stats_bucket_end(size_t i)
{
    size_t shift;

    if (i < 2ull * SUB) return i;
    shift = (i >> CO_HIST_SUB_BITS) - 1;
    return ((uint64_t)(SUB + i % SUB + 1) << shift) - 1;
}

void
co_stats_add_n(struct co_stats_hist *hist, uint64_t value, uint64_t n)
{
    if (n == 0) return;
    hist->buckets[stats_bucket(value)] += n;
    hist->count += n;
    hist->sum += value * n;
    hist->max = co_max_u64(hist->max, value);
}

void
co_stats_add(struct co_stats_hist *hist, uint64_t value)
{
    co_stats_add_n(hist, value, 1);
}

void
co_stats_merge(struct co_stats_hist *hist, const struct co_stats_hist *from)
{
    for (size_t i = 0; i < CO_HIST_BUCKETS; i++) {
        hist->buckets[i] += from->buckets[i];
    }
    hist->count += from->count;
    hist->sum += from->sum;
    hist->max = co_max_u64(hist->max, from->max);
}

void
co_stats_clear(struct co_stats_hist *hist)
{
    memset(hist, 0, sizeof *hist);
}

/* ceil(count * ppm / 10^6), without overflow up to 2^63 values. */
static uint64_t
stats_rank(uint64_t count, uint32_t ppm)
{
    uint64_t whole = count / 1000000 * ppm;
    uint64_t rest = count % 1000000 * ppm;

    return whole + (rest + 999999) / 1000000;
}

uint64_t
co_stats_quantile(const struct co_stats_hist *hist, uint32_t ppm)
{
    uint64_t rank, seen = 0;

    if (hist->count == 0) return 0;
    rank = co_clamp_u64(stats_rank(hist->count, ppm), 1, hist->count);
    for (size_t i = 0; i < CO_HIST_BUCKETS - 1; i++) {
        seen += hist->buckets[i];
        if (seen >= rank) return co_min_u64(stats_bucket_end(i), hist->max);
    }
    return hist->max; /* the last bucket has no end of its own */
}

uint64_t
co_stats_mean(const struct co_stats_hist *hist)
{
    return hist->count ? hist->sum / hist->count : 0;
}
