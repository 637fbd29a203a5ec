/* limiter_lease.c - blocks of requests and tokens: leased ahead, spent within
 * 250 ms of the question (so surely within 250 ms of the charge), or given
 * back to the second that they were charged to.
 *
 * When Redis was not heard for 3 s, a worker lives on its share of what the
 * fleet may use without Redis, which Redis, if it is there for others, sets
 * aside from the third second on; for 60 s from when it asked what was
 * answered last, then on nothing. It begins with nothing saved. */
#include "llm/limiter_core.h"

#include <math.h>
#include <string.h>

bool
limiter_has_limits(const struct limiter *l)
{
    return providers_has_rates(l->entry);
}

void
limiter_wait_begins(struct limiter_endpoint *e, int64_t now_us)
{
    if (e->heard_us == LIMITER_NEVER_US) e->heard_us = now_us;
}

bool
limiter_is_gone(const struct limiter *l, const struct limiter_endpoint *e,
                int64_t now_us)
{
    return l->shared &&
           now_us - e->heard_us > (int64_t)LIMITER_GONE_MS * LIMITER_US;
}

void
limiter_lease_return(struct limiter_endpoint *e, int64_t epoch, int64_t slot,
                     int64_t requests, int64_t tokens)
{
    struct limiter_settle *s;

    if (epoch == 0 || epoch != e->back_epoch) return;
    s = &e->back[slot % LIMITER_SLOTS];
    if (s->slot != slot) {
        if (s->slot > slot) return; /* so old that it no longer matters */
        *s = (struct limiter_settle){.slot = slot};
    }
    s->requests += requests;
    s->tokens += tokens;
}

void
limiter_lease_expire(struct limiter_endpoint *e, int64_t now_us)
{
    if (now_us < e->until_us || (!e->requests && !e->tokens)) return;
    limiter_lease_return(e, e->epoch, e->slot, (int64_t)e->requests,
                         (int64_t)e->tokens);
    e->requests = e->tokens = 0;
}

/* -- alone ------------------------------------------------------------------
 */
static int64_t
alone_end_us(const struct limiter_endpoint *e)
{
    return e->heard_sent_us + (int64_t)LIMITER_PERIOD_MS * LIMITER_US;
}

static double
burst_of(const struct limiter *l, const struct limiter_endpoint *e,
         enum limiter_resource r)
{
    return r == LIMITER_REQUESTS
               ? limiter_ring_burst((double)l->entry->limits.rpm, 1)
               : limiter_ring_burst((double)l->entry->limits.tpm,
                                    (double)e->call_tokens);
}

static double
alone_rate(const struct limiter *l, const struct limiter_endpoint *e,
           enum limiter_resource r, int64_t dt_us)
{
    uint64_t limit =
        r == LIMITER_REQUESTS ? l->entry->limits.rpm : l->entry->limits.tpm;

    return limiter_ring_alone((double)limit, burst_of(l, e, r), dt_us) *
           (double)e->share_ppm / (double)LIMITER_PPM;
}

/* What it saves is bounded by what a burst may be. */
static void
refill(struct limiter *l, struct limiter_endpoint *e, int64_t now_us)
{
    if (e->alone_us == 0) {
        e->alone[LIMITER_REQUESTS] = e->alone[LIMITER_TOKENS] = 0;
        e->alone_us = now_us;
    }
    for (enum limiter_resource r = LIMITER_REQUESTS; r < LIMITER_RESOURCES;
         r++) {
        e->alone[r] += alone_rate(l, e, r, now_us - e->alone_us);
        e->alone[r] = fmin(e->alone[r], burst_of(l, e, r));
    }
    e->alone_us = now_us;
}

static double
short_us(double missing, double rate)
{
    return missing <= 0 ? 0 : rate > 0 ? missing / rate : 1e18;
}

static enum limiter_why
look_alone(struct limiter *l, struct limiter_endpoint *e, uint64_t tokens,
           int64_t now_us, int64_t *ret_until_us)
{
    double wait = 0;

    *ret_until_us = INT64_MAX;
    if (!e->told || e->share_ppm == 0 || now_us >= alone_end_us(e)) {
        return LIMITER_WHY_NO_REDIS;
    }
    refill(l, e, now_us);
    if (l->entry->limits.rpm > 0) {
        wait = short_us(1 - e->alone[LIMITER_REQUESTS],
                        alone_rate(l, e, LIMITER_REQUESTS, 1));
    }
    if (l->entry->limits.tpm > 0) {
        wait = fmax(wait, short_us((double)tokens - e->alone[LIMITER_TOKENS],
                                   alone_rate(l, e, LIMITER_TOKENS, 1)));
    }
    if (wait <= 0) return LIMITER_WHY_GO;
    if (wait < 1e15) *ret_until_us = now_us + (int64_t)wait + 1;
    return LIMITER_WHY_NO_REDIS;
}

/* -- blocks -----------------------------------------------------------------
 */
static bool
block_pays(const struct limiter *l, const struct limiter_endpoint *e,
           uint64_t tokens, int64_t now_us)
{
    return now_us < e->until_us &&
           (l->entry->limits.rpm == 0 || e->requests > 0) &&
           (l->entry->limits.tpm == 0 || e->tokens >= tokens);
}

enum limiter_why
limiter_lease_look(struct limiter *l, struct limiter_endpoint *e,
                   uint64_t tokens, int64_t now_us, int64_t *ret_until_us)
{
    if (!limiter_has_limits(l)) return LIMITER_WHY_GO;
    if (l->entry->limits.tpm > 0 && tokens > l->entry->limits.tpm) {
        *ret_until_us = INT64_MAX;
        return LIMITER_WHY_TOO_BIG;
    }
    if (block_pays(l, e, tokens, now_us)) return LIMITER_WHY_GO;
    if (limiter_is_gone(l, e, now_us)) {
        return look_alone(l, e, tokens, now_us, ret_until_us);
    }
    limiter_lease_pump(l, e, now_us);
    if (block_pays(l, e, tokens, now_us)) return LIMITER_WHY_GO;
    *ret_until_us = e->again_us > now_us
                        ? e->again_us
                        : now_us + (int64_t)LIMITER_EXCHANGE_MS * LIMITER_US;
    return LIMITER_WHY_RATE;
}

void
limiter_lease_take(struct limiter *l, struct limiter_endpoint *e,
                   uint64_t tokens, int64_t now_us, struct limiter_call *call)
{
    call->epoch = 0;
    if (!limiter_has_limits(l)) return;
    if (!block_pays(l, e, tokens, now_us)) { /* alone: nothing comes back */
        e->alone[LIMITER_REQUESTS] -= 1;
        e->alone[LIMITER_TOKENS] -= (double)tokens;
        return;
    }
    if (e->requests > 0) e->requests--;
    e->tokens -= co_min_u64(tokens, e->tokens);
    call->epoch = e->epoch;
    call->slot = e->slot;
}

uint64_t
limiter_lease_room(const struct limiter *l, const struct limiter_endpoint *e,
                   int64_t now_us)
{
    uint64_t call = co_max_u64(e->call_tokens, 1), room = LIMITER_WANT_MAX;

    if (!limiter_has_limits(l)) return room;
    if (limiter_is_gone(l, e, now_us)) {
        return e->told && e->share_ppm > 0 && now_us < alone_end_us(e);
    }
    /* The next block is likely as large as the last; one at least, or who has
     * none would never be asked for one. */
    room = co_max_u64(e->granted, 1);
    if (now_us < e->until_us) {
        uint64_t left = e->requests;

        if (l->entry->limits.tpm > 0) {
            left = l->entry->limits.rpm > 0 ? co_min_u64(left, e->tokens / call)
                                            : e->tokens / call;
        }
        room = co_max_u64(room, left);
    }
    return room;
}

/* -- leasing from oneself ----------------------------------------------------
 */
void
limiter_lease_pump(struct limiter *l, struct limiter_endpoint *e,
                   int64_t now_us)
{
    struct limiter_ask ask;
    struct limiter_told told;

    if (l->shared) return;
    e->next_us = now_us; /* nobody's time is taken */
    if (!limiter_want(l, (uint32_t)(e - l->endpoints), now_us, &ask)) return;
    limiter_bank_exchange(e->bank, 1, 1, &ask, now_us, &told);
    limiter_granted(l, (uint32_t)(e - l->endpoints), &told, now_us);
}
