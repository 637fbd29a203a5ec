/* limiter_talk.c - a limiter's part of the exchange: when to ask, what to say,
 * and what an answer, or none, changes. */
#include "llm/limiter_core.h"

#include <string.h>

/* At most ten exchanges a second and endpoint; news (a wait, a refusal, a
 * probe's end, the first call after a pause) may come 20 ms after another. */
enum {
    WANT_LEAST = 16, /* places that it asks for beyond those in use */
    RETRY_US = 250000,
    YOUNG_MS = 10000, /* a Redis may be replaced in the meantime */
};

void
limiter_seed(struct limiter *l, uint64_t seed)
{
    l->seed = seed;
}

void
limiter_hurry(struct limiter_endpoint *e, int64_t now_us)
{
    int64_t soonest = e->asked_us + LIMITER_URGENT_US;

    if (e->asked) e->urgent = true;
    if (soonest < now_us) soonest = now_us;
    if (e->next_us > soonest) e->next_us = soonest;
}

static bool
has_demand(const struct limiter_endpoint *e, int64_t now_us)
{
    return now_us - e->demand_us <= LIMITER_DEMAND_US;
}

/* As many again as are in flight: so it doubles in 100 ms where there is use
 * for it, and does not keep from others what it has none for. */
static int64_t
need_of(const struct limiter_endpoint *e, int64_t now_us)
{
    int64_t in_flight = e->in_flight, more = in_flight;

    if (!has_demand(e, now_us)) {
        bool may_probe = e->breaker != LIMITER_CLOSED && now_us >= e->open_us;

        return in_flight == 0 && may_probe ? 1 : in_flight;
    }
    if (more < WANT_LEAST) more = WANT_LEAST;
    return in_flight + more < LIMITER_PLACES_MAX ? in_flight + more
                                                 : LIMITER_PLACES_MAX;
}

/* in_flight is what the heaviest endpoint takes: where all are full, which is
 * how it is while calls wait, places alone decide who gets the next. */
static int64_t
places_of(const struct limiter *l, const struct limiter_endpoint *e)
{
    uint64_t most = l->entry->limits.in_flight, heaviest = e->weight;

    for (uint32_t i = 0; i < l->n; i++) {
        heaviest = co_max_u64(heaviest, l->endpoints[i].weight);
    }
    return (int64_t)((most * e->weight + heaviest - 1) / heaviest);
}

static void
ask_for_block(const struct limiter *l, struct limiter_endpoint *e,
              int64_t now_us, struct limiter_ask *ask)
{
    int64_t free_places = e->allow - (int64_t)e->in_flight;

    ask->rpm = (int64_t)l->entry->limits.rpm;
    ask->tpm = (int64_t)l->entry->limits.tpm;
    ask->places = places_of(l, e);
    ask->call_tokens = (int64_t)e->call_tokens;
    if (!limiter_has_limits(l) || ask->bye) return;
    if (!has_demand(e, now_us) && e->probe != LIMITER_PROBE_HELD) return;
    if (free_places <= 0) free_places = e->told ? 1 : WANT_LEAST;
    ask->want = free_places < LIMITER_WANT_MAX ? free_places : LIMITER_WANT_MAX;
    ask->want_tokens = ask->want * ask->call_tokens;
}

/* Settlements of seconds that are too old are passed over there. */
static void
give_back(struct limiter_endpoint *e, struct limiter_ask *ask)
{
    ask->epoch = e->back_epoch;
    for (uint32_t i = 0; i < LIMITER_SLOTS; i++) {
        struct limiter_settle *s = &e->back[i];

        if (!s->requests && !s->tokens) continue;
        ask->settles[ask->n_settles++] = *s;
        s->requests = s->tokens = 0;
    }
}

/* Failures are often fast, and answers slow: of calls that began together,
 * those that fail end first. So many of them say nothing of the endpoint as
 * long as twice as many are in flight: they are told later, or a success comes.
 */
static void
tell_failures(struct limiter_endpoint *e, struct limiter_ask *ask)
{
    const bool early = 2 * e->tail < (int64_t)e->in_flight;
    const int64_t kept = early ? e->tail : 0;

    ask->failures = e->failures - kept;
    ask->tail = e->tail - kept;
    e->failures = e->tail = kept;
}

static void
tell_health(struct limiter_endpoint *e, int64_t now_us, struct limiter_ask *ask)
{
    ask->limited_us = e->limited_us < 0 ? -1 : now_us - e->limited_us;
    if (e->hold_report_us > now_us) {
        ask->hold_ms =
            (e->hold_report_us - now_us + LIMITER_US - 1) / LIMITER_US;
    }
    ask->successes = e->successes;
    tell_failures(e, ask);
    ask->probe = e->probe;
    ask->ended = e->ended;
    ask->refusals = e->refusals;
    ask->errors = e->errors;
    ask->took_us = e->took_us;
    e->successes = e->ended = e->refusals = e->errors = e->took_us = 0;
    e->said_hold_us = e->hold_report_us;
    e->said_limited_us = e->limited_us;
    e->said_probe = e->probe;
}

static void
fill(struct limiter *l, struct limiter_endpoint *e, bool bye, int64_t now_us,
     struct limiter_ask *ask)
{
    memset(ask, 0, offsetof(struct limiter_ask, settles));
    ask->bye = bye;
    ask->in_flight = e->in_flight;
    ask->need = bye ? 0 : need_of(e, now_us);
    ask->heard_us = e->heard_redis_us;
    if (e->claim_ppm &&
        now_us < e->heard_sent_us + (int64_t)LIMITER_PERIOD_MS * LIMITER_US) {
        ask->claim_ppm = e->claim_ppm;
    }
    ask_for_block(l, e, now_us, ask);
    give_back(e, ask);
    tell_health(e, now_us, ask);
    e->asked = true;
    e->asked_us = now_us;
}

bool
limiter_want(struct limiter *l, uint32_t endpoint, int64_t now_us,
             struct limiter_ask *ret_ask)
{
    struct limiter_endpoint *e = &l->endpoints[endpoint];

    if (e->asked || now_us < e->next_us) return false;
    limiter_lease_expire(e, now_us);
    limiter_health_tick(e, now_us);
    limiter_wait_begins(e, now_us);
    fill(l, e, false, now_us, ret_ask);
    return true;
}

void
limiter_bye(struct limiter *l, uint32_t endpoint, int64_t now_us,
            struct limiter_ask *ret_ask)
{
    struct limiter_endpoint *e = &l->endpoints[endpoint];

    e->until_us = now_us;
    limiter_lease_expire(e, now_us);
    fill(l, e, true, now_us, ret_ask);
}

/* The rest of the block before goes back; the new one counts from the
 * question. */
static void
take_block(struct limiter_endpoint *e, const struct limiter_told *told,
           int64_t now_us)
{
    if (e->back_epoch != told->epoch) {
        memset(e->back, 0, sizeof e->back);
        e->back_epoch = told->epoch;
    }
    e->again_us = told->again_ms ? now_us + told->again_ms * LIMITER_US : 0;
    e->granted = (uint64_t)told->requests;
    if (told->requests <= 0) return;
    e->until_us = now_us;
    limiter_lease_expire(e, now_us);
    e->requests = (uint64_t)told->requests;
    e->tokens = (uint64_t)told->tokens;
    e->epoch = told->epoch;
    e->slot = told->slot;
    e->until_us = e->asked_us + (int64_t)LIMITER_LEASE_MS * LIMITER_US;
}

static int64_t
interval_us(const struct limiter_endpoint *e, const struct limiter_told *told,
            int64_t now_us)
{
    int64_t ms = LIMITER_EXCHANGE_MS;

    if (!has_demand(e, now_us) && e->in_flight == 0 &&
        e->probe == LIMITER_PROBE_NONE) {
        ms = LIMITER_IDLE_MS;
    } else if (told->again_ms > ms) {
        ms =
            told->again_ms < LIMITER_IDLE_MS ? told->again_ms : LIMITER_IDLE_MS;
    }
    return ms * LIMITER_US;
}

/* What came up since it was asked is still to be told. */
static void
forget_said(struct limiter_endpoint *e)
{
    if (e->hold_report_us == e->said_hold_us) e->hold_report_us = 0;
    if (e->limited_us == e->said_limited_us) e->limited_us = -1;
    if (e->probe == e->said_probe && e->probe > LIMITER_PROBE_HELD) {
        e->probe = LIMITER_PROBE_NONE;
    }
}

void
limiter_granted(struct limiter *l, uint32_t endpoint,
                const struct limiter_told *told, int64_t now_us)
{
    struct limiter_endpoint *e = &l->endpoints[endpoint];

    co_assert(e->asked);
    e->asked = false;
    e->told = true;
    e->heard_us = now_us;
    e->heard_sent_us = e->asked_us;
    e->heard_redis_us = told->now_us;
    e->claim_ppm = 0;
    e->alone_us = 0;
    e->allow = told->allow;
    e->share_ppm = told->share_ppm;
    e->young = told->young == 1;
    forget_said(e);
    take_block(e, told, now_us);
    limiter_health_told(l, e, told, now_us);
    e->next_us = e->asked_us + interval_us(e, told, now_us);
    if (e->urgent) limiter_hurry(e, now_us);
    e->urgent = false;
}

void
limiter_unanswered(struct limiter *l, uint32_t endpoint, int64_t now_us)
{
    struct limiter_endpoint *e = &l->endpoints[endpoint];

    e->asked = e->urgent = false;
    e->next_us = now_us + RETRY_US;
}

/* Who has no share says all the same that others may have: but not when there
 * were none a moment ago. */
static int64_t
claim_of(const struct limiter_endpoint *e, int64_t now_us)
{
    if (e->share_ppm > 0) return e->share_ppm;
    return e->young && now_us - e->heard_us < (int64_t)YOUNG_MS * LIMITER_US
               ? 0
               : 1;
}

void
limiter_restarted(struct limiter *l, int64_t now_us)
{
    for (uint32_t i = 0; i < l->n; i++) {
        struct limiter_endpoint *e = &l->endpoints[i];

        if (e->told && !e->claim_ppm) e->claim_ppm = claim_of(e, now_us);
        e->heard_redis_us = 0;
        e->hold_redis_us = 0;
        e->requests = e->tokens = 0;
        e->back_epoch = 0;
        memset(e->back, 0, sizeof e->back);
        if (e->next_us > now_us) e->next_us = now_us;
    }
}

int64_t
limiter_exchange_due_us(const struct limiter *l)
{
    int64_t due = INT64_MAX;

    for (uint32_t i = 0; i < l->n; i++) {
        const struct limiter_endpoint *e = &l->endpoints[i];

        if (!e->asked && e->next_us < due) due = e->next_us;
    }
    return due;
}
