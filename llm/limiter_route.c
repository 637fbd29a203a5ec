/* limiter_route.c - which of the endpoints that may be called. Weight comes
 * first, as calls in flight for each unit of it: an endpoint that is slower
 * then gets fewer calls by itself, as its places come free later. Between
 * equals the one that is expected to give a good answer sooner. */
#include "llm/limiter_core.h"

#include "common/hash.h"

#include <math.h>

uint32_t
limiter_ewma_ppm(uint32_t ppm, bool bad)
{
    return (uint32_t)(((uint64_t)ppm * 15 + (bad ? LIMITER_PPM : 0)) / 16);
}

/* How long until a good answer: who fails, or answers in another form, is asked
 * 1 / (share of what is good) times. */
static double
expected_us(const struct limiter_endpoint *e)
{
    double ends = (double)(LIMITER_PPM - e->error_ppm) / LIMITER_PPM;
    double fits = (double)(LIMITER_PPM - e->miss_ppm) / LIMITER_PPM;
    double good = ends * fits;

    return (double)e->latency_us / (good > 0.001 ? good : 0.001);
}

bool
limiter_route_before(const struct limiter_endpoint *a,
                     const struct limiter_endpoint *b)
{
    uint64_t load_a = ((uint64_t)a->in_flight + 1) * b->weight;
    uint64_t load_b = ((uint64_t)b->in_flight + 1) * a->weight;
    double us_a = expected_us(a), us_b = expected_us(b);

    if (load_a != load_b) return load_a < load_b;
    if (us_a < us_b || us_a > us_b) return us_a < us_b;
    return a->error_ppm + a->miss_ppm < b->error_ppm + b->miss_ppm;
}

/* Weighted rendezvous hashing: each endpoint is home of its weight's part of
 * all values, and one more or less moves no other's. The least of exponential
 * variates with the weights as rates is that of i with weight_i / sum. */
struct limiter_endpoint *
limiter_route_home(struct limiter *l, uint64_t near)
{
    struct limiter_endpoint *home = NULL;
    double least = INFINITY;

    if (near == 0 || l->n < 2) return NULL;
    for (uint32_t i = 0; i < l->n; i++) {
        uint64_t bits = co_mix64(near ^ co_mix64(i + 1)) >> 11;
        double u = ((double)bits + 0.5) * 0x1p-53;
        double at = -log(u) / (double)l->endpoints[i].weight;

        if (at >= least) continue;
        least = at;
        home = &l->endpoints[i];
    }
    return home;
}

/* What a prompt that is known saves must not cost more: an eighth more calls in
 * flight than where it would go else, and one, or twice the wait. */
bool
limiter_route_stays(const struct limiter_endpoint *home,
                    const struct limiter_endpoint *best)
{
    uint64_t most = (uint64_t)best->in_flight + best->in_flight / 8 + 1;

    return (uint64_t)home->in_flight * best->weight <= most * home->weight &&
           expected_us(home) <= 2 * expected_us(best);
}

/* Who was never told anything has no places; but for one when there are no
 * limits that it could break, and nobody answers. */
int64_t
limiter_route_places(const struct limiter *l, const struct limiter_endpoint *e,
                     int64_t now_us)
{
    int64_t allow = e->allow;

    if (!e->told && !limiter_has_limits(l) && limiter_is_gone(l, e, now_us)) {
        allow = 1;
    }
    return allow - (int64_t)e->in_flight;
}
