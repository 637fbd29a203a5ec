/* limiter_bank_health.c - what a fleet's calls say about an endpoint: how many
 * it takes at once, and whether it answers at all. */
#include "llm/limiter_bank_core.h"

enum { MS = 1000 };

/* Successes that add a place. Before the first refusal nobody knows what the
 * endpoint takes, and each does: so places double in a round of calls, as the
 * window of a new TCP connection does. */
static int64_t
step_of(const struct limiter_bank *b)
{
    if (b->best == 0) return 1;
    return b->ceiling >= b->best ? LIMITER_STEP_HIGH : LIMITER_STEP;
}

/* Places that nobody holds show nothing about whether more would be taken. */
static void
grow(struct limiter_bank *b, int64_t successes, int64_t most)
{
    if (b->best == 0 && b->held < b->ceiling) return;
    b->grown += successes;
    while (b->grown >= step_of(b) && b->ceiling < most) {
        b->grown -= step_of(b);
        b->ceiling++;
    }
    if (b->ceiling >= most) b->grown = 0;
}

/* A refusal cuts once a burst: calls that began before the last cut say
 * nothing of what followed from it. */
void
limiter_bank_adapt(struct limiter_bank *b, const struct limiter_ask *ask,
                   int64_t now_us)
{
    int64_t most = ask->places > 0 ? ask->places : LIMITER_PLACES_MAX;

    if (b->ceiling <= 0) {
        b->ceiling = ask->places > 0 ? ask->places : LIMITER_PLACES;
    }
    if (ask->limited_us >= 0 && now_us - ask->limited_us > b->dropped_us) {
        b->best = b->ceiling;
        b->ceiling = limiter_max(b->ceiling * 3 / 4, 1);
        b->grown = 0;
        b->dropped_us = now_us;
    }
    grow(b, ask->successes, most);
    b->ceiling = limiter_min(b->ceiling, most);
}

static void
open_breaker(struct limiter_bank *b, int64_t until_us)
{
    b->breaker = LIMITER_OPEN;
    b->open_us = until_us;
    b->failures = 0;
    b->prober = 0;
}

static void
take_probe(struct limiter_bank *b, uint64_t id, int64_t probe, int64_t now_us)
{
    if (b->breaker != LIMITER_HALF || b->prober != id) return;
    if (probe == LIMITER_PROBE_OK) {
        b->breaker = LIMITER_CLOSED;
        b->prober = 0;
    } else if (probe == LIMITER_PROBE_FAILED) {
        open_breaker(b, now_us + (int64_t)LIMITER_OPEN_MS * MS);
    } else if (probe == LIMITER_PROBE_BACK) {
        open_breaker(b, now_us);
    } else if (probe == LIMITER_PROBE_HELD) {
        b->probe_us = now_us + (int64_t)LIMITER_PROBE_MS * MS;
    }
}

/* So many failures, one after the other, open the breaker. Of many calls at
 * once some may have failed, and none have ended well yet. */
static int64_t
failures_max(const struct limiter_bank *b)
{
    return limiter_max(LIMITER_FAILURES, b->held / LIMITER_FAILURES_PART);
}

/* Whether this worker has the one probe now. */
bool
limiter_bank_breaker(struct limiter_bank *b, uint64_t id,
                     const struct limiter_ask *ask, int64_t now_us)
{
    take_probe(b, id, ask->probe, now_us);
    if (b->breaker == LIMITER_CLOSED) {
        b->failures =
            ask->successes > 0 ? ask->tail : b->failures + ask->failures;
        if (b->failures >= failures_max(b)) {
            open_breaker(b, now_us + (int64_t)LIMITER_OPEN_MS * MS);
        }
        return false;
    }
    if (b->breaker == LIMITER_HALF && b->prober == id) return true;
    if (now_us < (b->breaker == LIMITER_OPEN ? b->open_us : b->probe_us) ||
        ask->need <= 0 || ask->bye || b->hold_until_us > now_us ||
        ask->probe == LIMITER_PROBE_BACK) {
        return false;
    }
    b->breaker = LIMITER_HALF;
    b->prober = id;
    b->probe_us = now_us + (int64_t)LIMITER_PROBE_MS * MS;
    return true;
}
