/* limiter_route.c - which of the endpoints that may be called. Weight comes
 * first, as calls in flight for each unit of it: an endpoint that is slower
 * then gets fewer calls by itself, as its places come free later. Between
 * equals the shorter expected wait decides, then the error rate. */
#include "llm/limiter_core.h"

bool
limiter_route_before(const struct limiter_endpoint *a,
                     const struct limiter_endpoint *b)
{
    uint64_t load_a = ((uint64_t)a->in_flight + 1) * b->weight;
    uint64_t load_b = ((uint64_t)b->in_flight + 1) * a->weight;

    if (load_a != load_b) return load_a < load_b;
    if (a->latency_us != b->latency_us) return a->latency_us < b->latency_us;
    return a->error_ppm < b->error_ppm;
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
