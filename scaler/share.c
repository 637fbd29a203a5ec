/* share.c - see share.h. */
#include "scaler/share.h"

/* a is fuller than b: share / max, without fractions. */
static bool
is_fuller(const struct share_host *a, const struct share_host *b)
{
    return (uint64_t)a->share * b->max > (uint64_t)b->share * a->max;
}

static struct share_host *
emptiest(struct share_host *hosts, uint32_t n)
{
    struct share_host *best = NULL;

    for (uint32_t i = 0; i < n; i++) {
        if (hosts[i].share >= hosts[i].max) continue;
        if (!best || is_fuller(best, &hosts[i])) best = &hosts[i];
    }
    return best;
}

static struct share_host *
fullest(struct share_host *hosts, uint32_t n)
{
    struct share_host *best = NULL;

    for (uint32_t i = 0; i < n; i++) {
        if (!hosts[i].share) continue;
        if (!best || is_fuller(&hosts[i], best)) best = &hosts[i];
    }
    return best;
}

void
share_out(struct share_host *hosts, uint32_t n, uint32_t wanted)
{
    struct share_host *host;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (hosts[i].share > hosts[i].max) hosts[i].share = hosts[i].max;
        sum += hosts[i].share;
    }
    for (; sum < wanted && (host = emptiest(hosts, n)); sum++) {
        host->share++;
    }
    for (; sum > wanted && (host = fullest(hosts, n)); sum--) {
        host->share--;
    }
}

uint32_t
share_victim(const struct share_worker *workers, uint32_t n, bool busy_too)
{
    uint32_t best = n;

    for (uint32_t i = 0; i < n; i++) {
        const struct share_worker *w = &workers[i], *b = &workers[best];

        if (w->busy && !busy_too) continue;
        if (best == n || w->busy < b->busy ||
            (w->busy == b->busy &&
             (w->load < b->load ||
              (w->load == b->load && w->started_ms > b->started_ms)))) {
            best = i;
        }
    }
    return best;
}
