/* limiter_health.c - what the ends of calls say about an endpoint, and what
 * the fleet says of it: waits it asked for, its circuit breaker, whether it is
 * slower than it used to be. */
#include "llm/limiter_core.h"

#include "common/hash.h"

enum {
    SLOW_TIMES = 4,          /* the usual latency: a collapse */
    SLOW_LEAST_US = 1000000, /* and by so much at least */
    SLOW_AFTER = 64,         /* calls: before, nothing is usual */
    FAST_PART = 16,          /* of a call in the latency of now, */
    USUAL_PART = 256,        /* and in the usual one */
    JITTER_PART = 8,         /* of the wait, */
    JITTER_MAX_US = 2000000, /* but not more */
};

/* What a way to end means for the endpoint. */
enum verdict {
    GOOD,    /* it answered as it should */
    NEUTRAL, /* says nothing: the request, or this machine */
    LIMITED, /* too many calls: fewer, and no failure */
    LOADED,  /* too many calls; burst after burst, a failure */
    BAD,     /* it fails */
};

static const uint8_t verdicts[FAULT_COUNT] = {
    [FAULT_NONE] = GOOD,
    [FAULT_LENGTH] = GOOD,
    [FAULT_FILTERED] = GOOD,
    [FAULT_TOO_BIG] = GOOD,
    [FAULT_BAD_REQUEST] = NEUTRAL,
    [FAULT_TRY_AGAIN] = NEUTRAL,
    [FAULT_LOCAL] = NEUTRAL,
    [FAULT_RATE_LIMITED] = LIMITED,
    [FAULT_OVERLOADED] = LOADED,
    [FAULT_RESOLVE] = BAD,
    [FAULT_CONNECT] = BAD,
    [FAULT_CONNECT_TIMEOUT] = BAD,
    [FAULT_TLS] = BAD,
    [FAULT_RESET] = BAD,
    [FAULT_CUT] = BAD,
    [FAULT_FIRST_BYTE_TIMEOUT] = BAD,
    [FAULT_IDLE_TIMEOUT] = BAD,
    [FAULT_TOTAL_TIMEOUT] = BAD,
    [FAULT_SERVER] = BAD,
    [FAULT_NO_MONEY] = BAD,
    [FAULT_UNAUTHORIZED] = BAD,
    [FAULT_REDIRECT] = BAD,
    [FAULT_HEADERS] = BAD,
    [FAULT_NOT_HTTP] = BAD,
    [FAULT_CONTENT_TYPE] = BAD,
    [FAULT_BAD_JSON] = BAD,
    [FAULT_BAD_SHAPE] = BAD,
};

/* -- what calls say ----------------------------------------------------------
 */

/* A moving mean; of the first ones, the mean. */
static int64_t
follow(int64_t mean, int64_t value, int64_t seen, int64_t part)
{
    return mean + (value - mean) / (seen < part ? seen : part);
}

/* Answers of a model take unlike times: only many of them that take several
 * times as long as is usual say that the endpoint has too much to do. */
static void
take_latency(struct limiter_endpoint *e, const struct limiter_call *call,
             int64_t total_us, int64_t now_us)
{
    e->seen++;
    e->latency_us = follow(e->latency_us, total_us, e->seen, FAST_PART);
    e->usual_us = follow(e->usual_us, total_us, e->seen, USUAL_PART);
    if (e->seen > SLOW_AFTER && call->begin_us > e->burst_us &&
        e->latency_us > e->usual_us * SLOW_TIMES + SLOW_LEAST_US) {
        e->burst_us = now_us;
        e->limited_us = call->begin_us;
        e->latency_us = e->usual_us; /* said once; it has to rise again */
    }
}

/* The wait that headers ask for; 0: none. What is left counts also in answers
 * that are fine: at none, the next call would be refused. */
static int64_t
wait_of(enum verdict verdict, const struct hints *hints)
{
    int64_t wait_ms = 0;

    if (!hints) return 0;
    if (verdict != GOOD && hints->retry_after_ms > 0) {
        wait_ms = hints->retry_after_ms;
    }
    if (hints->requests_left == 0 && hints->requests_reset_ms > wait_ms) {
        wait_ms = hints->requests_reset_ms;
    }
    if (hints->tokens_left == 0 && hints->tokens_reset_ms > wait_ms) {
        wait_ms = hints->tokens_reset_ms;
    }
    return wait_ms > HINTS_WAIT_MAX_MS ? HINTS_WAIT_MAX_MS : wait_ms;
}

/* This worker obeys at once, without jitter: it has the wait in its hand. The
 * others hear of it by the next exchange, which is now. */
static void
take_wait(struct limiter_endpoint *e, int64_t wait_ms, int64_t now_us)
{
    int64_t until_us = now_us + wait_ms * LIMITER_US;

    if (wait_ms <= 0) return;
    if (until_us > e->hold_us) e->hold_us = until_us;
    if (until_us > e->hold_report_us) {
        e->hold_report_us = until_us;
        limiter_hurry(e, now_us);
    }
}

static void
take_success(struct limiter_endpoint *e, const struct limiter_call *call,
             int64_t total_us, int64_t now_us)
{
    e->successes++;
    e->took_us += total_us;
    e->tail = 0;
    e->pause_us = 0;
    take_latency(e, call, total_us, now_us);
}

/* By what this worker alone has seen since it told the fleet: as the fleet
 * counts, which holds more places. */
static bool
fails(const struct limiter_endpoint *e)
{
    return e->tail >= LIMITER_FAILURES &&
           e->tail >= e->allow / LIMITER_FAILURES_PART &&
           2 * e->tail >= (int64_t)e->in_flight;
}

static void
take_failure(struct limiter_endpoint *e, int64_t now_us)
{
    e->failures++;
    e->tail++;
    if (e->tail >= LIMITER_FAILURES) limiter_hurry(e, now_us);
    if (fails(e)) {
        e->pause_us = now_us + (int64_t)LIMITER_OPEN_MS * LIMITER_US;
    }
}

static void
take_refusal(struct limiter_endpoint *e, const struct limiter_call *call,
             enum verdict verdict, int64_t now_us)
{
    if (call->begin_us > e->limited_us) e->limited_us = call->begin_us;
    if (call->begin_us > e->burst_us) {
        e->burst_us = now_us;
        if (verdict == LOADED) take_failure(e, now_us);
    }
    limiter_hurry(e, now_us);
}

static void
end_probe(struct limiter_endpoint *e, enum verdict verdict, int64_t now_us)
{
    e->probing = false;
    e->probe = verdict == BAD || verdict == LOADED ? LIMITER_PROBE_FAILED
               : verdict == NEUTRAL                ? LIMITER_PROBE_BACK
                                                   : LIMITER_PROBE_OK;
    limiter_hurry(e, now_us);
}

void
limiter_health_take(struct limiter_endpoint *e, const struct limiter_call *call,
                    enum fault fault, const struct hints *hints,
                    int64_t total_us, int64_t now_us)
{
    enum verdict verdict = (enum verdict)verdicts[fault];

    e->ended++;
    e->refusals += verdict == LIMITED || verdict == LOADED;
    e->errors += verdict == BAD;
    if (call->probe) end_probe(e, verdict, now_us);
    take_wait(e, wait_of(verdict, hints), now_us);
    if (verdict == GOOD) {
        take_success(e, call, total_us, now_us);
    } else if (verdict == LIMITED || verdict == LOADED) {
        take_refusal(e, call, verdict, now_us);
    } else if (verdict == BAD) {
        take_failure(e, now_us);
    }
    if (verdict != NEUTRAL) {
        e->error_ppm = limiter_ewma_ppm(e->error_ppm, verdict != GOOD);
    }
}

/* -- what the fleet says ------------------------------------------------------
 */
enum limiter_why
limiter_health_look(const struct limiter_endpoint *e, int64_t now_us,
                    int64_t *ret_until_us)
{
    if (now_us < e->hold_us) {
        *ret_until_us = e->hold_us;
        return LIMITER_WHY_RETRY_AFTER;
    }
    if (e->probe == LIMITER_PROBE_HELD && !e->probing) return LIMITER_WHY_GO;
    if (now_us < e->pause_us) {
        *ret_until_us = e->pause_us;
        return LIMITER_WHY_OPEN;
    }
    if (e->breaker == LIMITER_CLOSED) return LIMITER_WHY_GO;
    *ret_until_us = e->open_us > now_us
                        ? e->open_us
                        : now_us + (int64_t)LIMITER_EXCHANGE_MS * LIMITER_US;
    return LIMITER_WHY_OPEN;
}

void
limiter_health_tick(struct limiter_endpoint *e, int64_t now_us)
{
    if (e->probe == LIMITER_PROBE_HELD && !e->probing &&
        now_us - e->probe_us > LIMITER_UNUSED_US) {
        e->probe = LIMITER_PROBE_BACK;
    }
}

/* Everybody hears the same end of a wait; so that not all come back in one
 * instant, each adds a part of its own. Never less: the question whose answer
 * this is was asked before Redis read its clock. */
static void
take_hold(struct limiter *l, struct limiter_endpoint *e,
          const struct limiter_told *told, int64_t now_us)
{
    int64_t left = told->hold_until_us - told->now_us, span;

    if (told->hold_until_us == 0 || told->hold_until_us == e->hold_redis_us) {
        return;
    }
    e->hold_redis_us = told->hold_until_us;
    span = left / JITTER_PART;
    if (span > JITTER_MAX_US) span = JITTER_MAX_US;
    left += (int64_t)(co_mix64(l->seed ^ (uint64_t)told->hold_until_us) %
                      (uint64_t)(span + 1));
    if (now_us + left > e->hold_us) e->hold_us = now_us + left;
}

/* Failures that were told are in the fleet's breaker; those since are not. */
static void
take_breaker(struct limiter_endpoint *e, const struct limiter_told *told,
             int64_t now_us)
{
    if (!fails(e)) e->pause_us = 0;
    e->breaker = told->breaker;
    e->open_us = now_us + told->open_ms * LIMITER_US;
    if (told->probe && e->probe == LIMITER_PROBE_NONE && !e->probing) {
        e->probe = LIMITER_PROBE_HELD;
        e->probe_us = now_us;
    } else if (!told->probe && e->probe == LIMITER_PROBE_HELD && !e->probing) {
        e->probe = LIMITER_PROBE_NONE;
    }
}

void
limiter_health_told(struct limiter *l, struct limiter_endpoint *e,
                    const struct limiter_told *told, int64_t now_us)
{
    take_hold(l, e, told, now_us);
    take_breaker(e, told, now_us);
}
