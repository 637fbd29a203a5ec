/* limiter_ring.c - see limiter_ring.h. Every expression stands in the script
 * in the same order: the two are compared bit by bit. */
#include "llm/limiter_ring.h"

#include <math.h>
#include <string.h>

enum { SECOND_US = 1000000 };

static const double refill_us = 65250000.0; /* 60 s + lease + guard */
static const double alone_us = 65000000.0;  /* 60 s + guard */
static const double slots_us = 66000000.0;

void
limiter_ring_init(struct limiter_ring *ring, int64_t now_us)
{
    memset(ring, 0, sizeof *ring);
    ring->slot = now_us / SECOND_US;
    ring->born_us = now_us;
}

/* The same charges, with the newest in this slot: as if no time had passed
 * between, which is the least that may have. */
static void
renumber(struct limiter_ring *ring, int64_t slot)
{
    struct limiter_ring old = *ring;

    for (int64_t k = 0; k < LIMITER_SLOTS; k++) {
        for (int r = 0; r < LIMITER_RESOURCES; r++) {
            ring->charged[r][(slot + LIMITER_SLOTS - k) % LIMITER_SLOTS] =
                old.charged[r][(old.slot + LIMITER_SLOTS - k) % LIMITER_SLOTS];
        }
    }
    ring->slot = slot;
}

bool
limiter_ring_advance(struct limiter_ring *ring, int64_t now_us)
{
    int64_t slot = now_us / SECOND_US;
    int64_t first = ring->slot + 1;

    if (ring->born_us > now_us) ring->born_us = now_us;
    if (slot < ring->slot) {
        renumber(ring, slot);
        return true;
    }
    if (first < slot - LIMITER_SLOTS + 1) first = slot - LIMITER_SLOTS + 1;
    for (int64_t s = first; s <= slot; s++) {
        ring->charged[LIMITER_REQUESTS][s % LIMITER_SLOTS] = 0;
        ring->charged[LIMITER_TOKENS][s % LIMITER_SLOTS] = 0;
    }
    ring->slot = slot;
    return false;
}

double
limiter_ring_level(const struct limiter_ring *ring,
                   enum limiter_resource resource, double limit, double burst,
                   int64_t now_us)
{
    const double *charged = ring->charged[resource];
    double rate = (limit - burst) / refill_us, sum = 0, level = burst;

    for (int64_t k = 0; k < LIMITER_SLOTS; k++) {
        int64_t s = ring->slot - k;
        /* From the end of the second: no interval within is longer. */
        double length = (double)(now_us - (s + 1) * SECOND_US);
        double left;

        sum += charged[(s + LIMITER_SLOTS) % LIMITER_SLOTS];
        if (length < 0) length = 0;
        left = burst + rate * length - sum;
        if (left < level) level = left;
    }
    if ((double)(now_us - ring->born_us) < slots_us) {
        double left = rate * (double)(now_us - ring->born_us) - sum;

        if (left < level) level = left;
    }
    return level;
}

void
limiter_ring_charge(struct limiter_ring *ring, enum limiter_resource resource,
                    double amount)
{
    ring->charged[resource][ring->slot % LIMITER_SLOTS] += amount;
}

static void
take_back(double *charged, double amount)
{
    *charged -= amount;
    if (*charged < 0) *charged = 0;
}

void
limiter_ring_settle(struct limiter_ring *ring,
                    const struct limiter_settle *settle)
{
    int64_t at = settle->slot % LIMITER_SLOTS;

    if (settle->slot > ring->slot ||
        settle->slot <= ring->slot - LIMITER_SLOTS) {
        return; /* so long ago that it no longer matters */
    }
    take_back(&ring->charged[LIMITER_REQUESTS][at], (double)settle->requests);
    take_back(&ring->charged[LIMITER_TOKENS][at], (double)settle->tokens);
}

double
limiter_ring_used(const struct limiter_ring *ring,
                  enum limiter_resource resource)
{
    double sum = 0;

    for (int64_t k = 0; k < 60; k++) {
        int64_t s = ring->slot + LIMITER_SLOTS - k;

        sum += ring->charged[resource][s % LIMITER_SLOTS];
    }
    return sum;
}

double
limiter_ring_burst(double limit, double call)
{
    double burst = floor(limit / LIMITER_BURST_PART);

    if (burst < call) burst = call;
    if (burst < 1) burst = 1;
    return burst < limit ? burst : limit;
}

double
limiter_ring_alone(double limit, double burst, int64_t dt_us)
{
    return (limit - burst) / alone_us * (double)dt_us;
}
