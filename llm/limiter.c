/* limiter.c - see limiter.h: making, calls begin and end, what may be
 * announced. What the fleet is asked and told: limiter_talk.c. */
#include "llm/limiter_core.h"

#include <stdlib.h>
#include <string.h>

enum { CALLS_FIRST = 16 };
#define MINUTE_US (INT64_C(60) * 1000 * 1000)

enum co_err
limiter_new(const struct providers_entry *entry, bool shared,
            struct limiter **ret_limiter)
{
    co_auto(limiter_freep) struct limiter *l =
        calloc(1, sizeof *l + entry->n_endpoints * sizeof l->endpoints[0]);

    if (!l) return CO_NOMEM;
    l->entry = entry;
    l->shared = shared;
    l->n = entry->n_endpoints;
    for (uint32_t i = 0; i < l->n; i++) {
        struct limiter_endpoint *e = &l->endpoints[i];

        e->weight = (uint32_t)co_max_u64(entry->endpoints[i].weight, 1);
        e->limited_us = -1;
        e->demand_us = LIMITER_NEVER_US;
        e->heard_us = e->heard_sent_us = e->asked_us = LIMITER_NEVER_US;
        if (shared) continue;
        e->bank = limiter_bank_new(1);
        if (!e->bank) return CO_NOMEM;
    }
    *ret_limiter = co_take(&l);
    return CO_OK;
}

void
limiter_free(struct limiter *l)
{
    if (!l) return;
    for (uint32_t i = 0; i < l->n; i++) {
        free(l->endpoints[i].calls);
        limiter_bank_free(l->endpoints[i].bank);
    }
    free(l);
}

const char *
limiter_why_text(enum limiter_why why)
{
    static const char *const texts[LIMITER_WHYS] = {
#define X(name, text) text,
        LIMITER_WHY_LIST(X)
#undef X
    };

    return texts[why];
}

/* -- calls in flight -- */
static bool
has_room_for_call(struct limiter_endpoint *e)
{
    uint32_t max = e->calls_max ? 2 * e->calls_max : CALLS_FIRST;
    struct limiter_call *calls;

    if (e->in_flight < e->calls_max) return true;
    if (e->in_flight >= LIMITER_PLACES_MAX) return false;
    calls = realloc(e->calls, max * sizeof *calls);
    if (!calls) return false;
    e->calls = calls;
    e->calls_max = max;
    return true;
}

/* The call that began then: the last one that began no later. Were it another
 * one that began a little earlier, what is given back would be so in an older
 * second, which allows less, never more. */
static struct limiter_call
remove_call(struct limiter_endpoint *e, int64_t begin_us)
{
    uint32_t low = 0, high = e->in_flight;
    struct limiter_call call;

    co_assert(e->in_flight > 0);
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (e->calls[mid].begin_us <= begin_us) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low > 0) low--;
    call = e->calls[low];
    e->in_flight--;
    memmove(&e->calls[low], &e->calls[low + 1],
            (e->in_flight - low) * sizeof *e->calls);
    return call;
}

/* -- begin -- */

/* A call wants a place: the next exchange says so, at once when it is the
 * first for long. */
static void
note_demand(struct limiter_endpoint *e, uint64_t tokens, int64_t now_us)
{
    if (now_us - e->demand_us > LIMITER_DEMAND_US) limiter_hurry(e, now_us);
    e->demand_us = now_us;
    if (tokens > e->call_tokens) e->call_tokens = tokens;
}

static enum limiter_why
look(struct limiter *l, struct limiter_endpoint *e, uint64_t tokens,
     int64_t now_us, int64_t *ret_until_us)
{
    enum limiter_why why;

    limiter_lease_expire(e, now_us);
    limiter_health_tick(e, now_us);
    limiter_wait_begins(e, now_us);
    note_demand(e, tokens, now_us);
    if (e->breaker != LIMITER_CLOSED ||
        limiter_route_places(l, e, now_us) <= 0) {
        limiter_lease_pump(l, e, now_us);
    }
    why = limiter_health_look(e, now_us, ret_until_us);
    if (why) return why;
    if (limiter_route_places(l, e, now_us) <= 0 || !has_room_for_call(e)) {
        *ret_until_us = now_us + (int64_t)LIMITER_EXCHANGE_MS * LIMITER_US;
        return LIMITER_WHY_FULL;
    }
    return limiter_lease_look(l, e, tokens, now_us, ret_until_us);
}

static void
start_call(struct limiter *l, struct limiter_endpoint *e, uint64_t tokens,
           int64_t now_us)
{
    struct limiter_call *call = &e->calls[e->in_flight];

    *call = (struct limiter_call){.begin_us = now_us};
    limiter_lease_take(l, e, tokens, now_us, call);
    if (e->breaker != LIMITER_CLOSED) {
        call->probe = true;
        e->probing = true;
    }
    e->in_flight++;
}

enum limiter_why
limiter_begin(struct limiter *l, uint64_t near, uint64_t tokens_max,
              int64_t now_us, uint32_t *ret_endpoint, int64_t *ret_until_us)
{
    struct limiter_endpoint *best = NULL, *home = limiter_route_home(l, near);
    bool home_goes = false;
    int64_t until_us = INT64_MAX;
    enum limiter_why why = LIMITER_WHY_TOO_BIG;

    for (uint32_t i = 0; i < l->n; i++) {
        struct limiter_endpoint *e = &l->endpoints[i];
        int64_t until = INT64_MAX;
        enum limiter_why w = look(l, e, tokens_max, now_us, &until);

        if (w == LIMITER_WHY_GO) {
            if (!best || limiter_route_before(e, best)) best = e;
            home_goes |= e == home;
        } else if (until < until_us || why == LIMITER_WHY_TOO_BIG) {
            until_us = until;
            why = w;
        }
    }
    if (!best) {
        *ret_until_us = until_us;
        return why;
    }
    if (home_goes && limiter_route_stays(home, best)) best = home;
    start_call(l, best, tokens_max, now_us);
    *ret_endpoint = (uint32_t)(best - l->endpoints);
    return LIMITER_WHY_GO;
}

void
limiter_end(struct limiter *l, uint32_t endpoint, uint64_t tokens_max,
            uint64_t tokens, enum fault fault, const struct hints *hints,
            int64_t total_us, int64_t now_us)
{
    struct limiter_endpoint *e = &l->endpoints[endpoint];
    struct limiter_call call = remove_call(e, now_us - total_us);

    co_assert(endpoint < l->n);
    limiter_lease_return(e, call.epoch, call.slot, 0,
                         (int64_t)tokens_max - (int64_t)tokens);
    limiter_health_take(e, &call, fault, hints, total_us, now_us);
    limiter_lease_pump(l, e, now_us);
}

void
limiter_answered(struct limiter *l, uint32_t endpoint, bool misses)
{
    struct limiter_endpoint *e = &l->endpoints[endpoint];

    co_assert(endpoint < l->n);
    e->miss_ppm = limiter_ewma_ppm(e->miss_ppm, misses);
}

/* -- what may be announced -- */

/* Without demand a worker holds no place; it would get one within one
 * exchange. */
static uint64_t
room_of(const struct limiter *l, const struct limiter_endpoint *e,
        int64_t now_us)
{
    int64_t until_us, places = limiter_route_places(l, e, now_us);
    bool idle = now_us - e->demand_us > LIMITER_DEMAND_US;

    if (limiter_health_look(e, now_us, &until_us)) return 0;
    if (e->breaker != LIMITER_CLOSED) return 1; /* the probe */
    if (places < 1 && idle && (e->told || !l->shared)) places = 1;
    if (places < 1) return 0;
    return co_min_u64((uint64_t)places, limiter_lease_room(l, e, now_us));
}

uint32_t
limiter_room(const struct limiter *l, int64_t now_us)
{
    uint64_t room = 0;

    for (uint32_t i = 0; i < l->n; i++) {
        room += room_of(l, &l->endpoints[i], now_us);
    }
    return (uint32_t)co_min_u64(room, LIMITER_PLACES_MAX);
}

int64_t
limiter_away_us(const struct limiter *l, int64_t now_us)
{
    int64_t away_us = INT64_MAX;

    for (uint32_t i = 0; i < l->n; i++) {
        int64_t until_us = 0;
        enum limiter_why why =
            limiter_health_look(&l->endpoints[i], now_us, &until_us);

        if (why != LIMITER_WHY_OPEN && (why != LIMITER_WHY_RETRY_AFTER ||
                                        until_us - now_us <= MINUTE_US)) {
            return 0;
        }
        if (until_us < away_us) away_us = until_us;
    }
    return away_us == INT64_MAX ? 0 : away_us;
}

static void
sooner(int64_t *due, int64_t at_us, int64_t now_us)
{
    if (at_us > now_us && at_us < *due) *due = at_us;
}

int64_t
limiter_due_us(const struct limiter *l, int64_t now_us)
{
    int64_t due = INT64_MAX;

    for (uint32_t i = 0; i < l->n; i++) {
        const struct limiter_endpoint *e = &l->endpoints[i];

        sooner(&due, e->hold_us, now_us);
        sooner(&due, e->pause_us, now_us);
        if (e->breaker != LIMITER_CLOSED) sooner(&due, e->open_us, now_us);
        if (!limiter_has_limits(l)) continue;
        sooner(&due, e->again_us, now_us);
        if (e->requests || e->tokens) sooner(&due, e->until_us, now_us);
        if (e->told && limiter_is_gone(l, e, now_us)) {
            sooner(&due, now_us + (int64_t)LIMITER_EXCHANGE_MS * LIMITER_US,
                   now_us);
        }
    }
    return due;
}
