/* limiter_bank.c - see limiter_bank.h. Each function has its like in the
 * script, in the same order and with the same arithmetic. */
#include "llm/limiter_bank_core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MS = 1000 };
/* A day: what hints.h believes. */
static const int64_t hold_max_us = (int64_t)HINTS_WAIT_MAX_MS * MS;

struct limiter_bank *
limiter_bank_new(uint32_t members_max)
{
    struct limiter_bank *b =
        calloc(1, sizeof *b + members_max * sizeof b->members[0]);

    if (b) b->max = members_max;
    return b;
}

void
limiter_bank_free(struct limiter_bank *bank)
{
    free(bank);
}

/* ---- time and Redis ---- */

/* Another Redis, or one that was set back: it knows less than was leased. So
 * the charges start anew, with nothing allowed at first, and the members, who
 * may spend shares that they have of before, say so. */
static void
begin_anew(struct limiter_bank *b, uint64_t run, int64_t now_us)
{
    b->epoch = b->made ? b->epoch + 1 : now_us;
    b->claims_ppm = b->made ? 0 : -1;
    b->made = true;
    b->run = run;
    b->at_us = now_us;
    b->scan_us = 0;
    b->n = 0;
    b->workers = b->shares_ppm = b->held = 0;
    b->active = b->starved = b->silent_ppm = 0;
    limiter_ring_init(&b->ring, now_us);
}

/* Times of before a step back: none is further away than it can be. */
static void
clamp_times(struct limiter_bank *b, int64_t now_us)
{
    b->hold_until_us = limiter_min(b->hold_until_us, now_us + hold_max_us);
    b->open_us =
        limiter_min(b->open_us, now_us + (int64_t)LIMITER_OPEN_MS * MS);
    b->probe_us =
        limiter_min(b->probe_us, now_us + (int64_t)LIMITER_PROBE_MS * MS);
    b->dropped_us = limiter_min(b->dropped_us, now_us);
    b->at_us = limiter_min(b->at_us, now_us);
    b->scan_us = limiter_min(b->scan_us, now_us);
}

static void
go_on(struct limiter_bank *b, uint64_t run, int64_t now_us)
{
    if (!b->made || b->run != run) begin_anew(b, run, now_us);
    clamp_times(b, now_us);
    if (limiter_ring_advance(&b->ring, now_us)) {
        b->epoch++;
        b->scan_us = 0; /* what members were heard at is of before, too */
    }
}

/* ---- what a worker gets ---- */

/* What a worker may have while others starve. Where there are fewer places
 * than workers they go round: a place that is free at the exchange is given
 * away, and only the next one may bring another. */
static int64_t
turn_of(const struct limiter_bank *b, const struct limiter_member *m,
        const struct limiter_ask *ask, int64_t fair)
{
    if (b->ceiling >= b->active) return fair;
    return m->held > ask->in_flight ? ask->in_flight
                                    : limiter_max(ask->in_flight, 1);
}

/* Places: what it has use for, as long as nobody has less than a fair part of
 * what it needs; never more than the others leave. */
static int64_t
set_places(struct limiter_bank *b, struct limiter_member *m,
           const struct limiter_ask *ask)
{
    int64_t fair = limiter_bank_fair(b), others = b->held - m->held;
    int64_t starved = b->starved - limiter_bank_starves(m, fair);
    int64_t cap = ask->need;

    if (starved > 0) cap = limiter_min(cap, turn_of(b, m, ask, fair));
    cap = limiter_max(limiter_min(cap, b->ceiling - others), 0);
    m->need = ask->need;
    m->held = limiter_max(cap, ask->in_flight);
    b->held = others + m->held;
    return cap;
}

/* What is asked for of a limit and what it is worth. */
struct portion {
    double want, least; /* less than the least is nothing */
    double got, wait_us;
};

/* A part of what is there for each that wants some, but the least at least. */
static void
divide(const struct limiter_bank *b, enum limiter_resource resource,
       double limit, double burst, int64_t now_us, struct portion *p)
{
    double level = limiter_ring_level(&b->ring, resource, limit, burst, now_us);
    double most = floor(level);
    double part = floor(most / (double)limiter_max(b->active, 1));

    if (part < p->least) part = p->least;
    if (part > most) part = most;
    p->got = p->want < part ? p->want : part;
    if (p->got < p->least) {
        p->wait_us = (p->least - level) / limiter_ring_alone(limit, burst, 1);
    }
}

static bool
may_lease(const struct limiter_bank *b, const struct limiter_ask *ask,
          bool probing, int64_t now_us)
{
    return ask->want > 0 && (ask->rpm > 0 || ask->tpm > 0) &&
           b->hold_until_us <= now_us &&
           (b->breaker == LIMITER_CLOSED || probing);
}

/* When a longer wait than this is due, it is asked again all the same. */
static int64_t
again_ms(double a_us, double b_us)
{
    double us = a_us > b_us ? a_us : b_us;

    if (!(us < 5000000)) us = 5000000;
    return limiter_max((int64_t)ceil(us / 1000), 1);
}

static void
lease(struct limiter_bank *b, const struct limiter_ask *ask, bool probing,
      int64_t now_us, struct limiter_told *told)
{
    double rpm = (double)ask->rpm, tpm = (double)ask->tpm;
    struct portion calls = {.want = probing ? 1 : (double)ask->want,
                            .least = 1};
    struct portion tokens = {.want = (double)ask->want_tokens,
                             .least = (double)ask->call_tokens};

    if (!may_lease(b, ask, probing, now_us)) return;
    calls.got = calls.want;
    if (ask->rpm > 0) {
        divide(b, LIMITER_REQUESTS, rpm, limiter_ring_burst(rpm, 1), now_us,
               &calls);
    }
    if (ask->tpm > 0) {
        divide(b, LIMITER_TOKENS, tpm, limiter_ring_burst(tpm, tokens.least),
               now_us, &tokens);
    }
    if (calls.got < 1 || (ask->tpm > 0 && tokens.got < tokens.least)) {
        told->again_ms = again_ms(calls.wait_us, tokens.wait_us);
        return;
    }
    limiter_ring_charge(&b->ring, LIMITER_REQUESTS, calls.got);
    limiter_ring_charge(&b->ring, LIMITER_TOKENS, tokens.got);
    told->requests = (int64_t)calls.got;
    told->tokens = (int64_t)tokens.got;
}

static void
settle(struct limiter_bank *b, const struct limiter_ask *ask)
{
    if (ask->epoch != b->epoch) return;
    for (uint32_t i = 0; i < ask->n_settles; i++) {
        limiter_ring_settle(&b->ring, &ask->settles[i]);
    }
}

static void
report(struct limiter_bank *b, const struct limiter_ask *ask, int64_t now_us)
{
    if (ask->hold_ms > 0) {
        b->hold_until_us =
            limiter_max(b->hold_until_us,
                        now_us + limiter_min(ask->hold_ms * MS, hold_max_us));
    }
    limiter_bank_adapt(b, ask, now_us);
}

void
limiter_bank_exchange(struct limiter_bank *b, uint64_t id, uint64_t run,
                      const struct limiter_ask *ask, int64_t now_us,
                      struct limiter_told *ret_told)
{
    struct limiter_member *m;
    bool probing;

    memset(ret_told, 0, sizeof *ret_told);
    go_on(b, run, now_us);
    m = limiter_bank_join(b, id, ask, now_us);
    if (m) limiter_bank_hear(b, m, ask, now_us);
    limiter_bank_scan(b, now_us);
    limiter_bank_charge_silent(b, ask, now_us);
    settle(b, ask);
    report(b, ask, now_us);
    ret_told->was = b->breaker;
    probing = limiter_bank_breaker(b, id, ask, now_us);
    m = limiter_bank_member(b, id); /* a scan moves them */
    if (m && ask->bye) {
        limiter_bank_leave(b, m);
    } else if (m) {
        limiter_bank_share(b, m, now_us);
        ret_told->allow = set_places(b, m, ask);
        ret_told->share_ppm = m->share_ppm;
        lease(b, ask, probing, now_us, ret_told);
    }
    ret_told->now_us = now_us;
    ret_told->epoch = b->epoch;
    ret_told->slot = b->ring.slot;
    ret_told->hold_until_us = b->hold_until_us > now_us ? b->hold_until_us : 0;
    ret_told->ceiling = b->ceiling;
    ret_told->workers = b->workers;
    ret_told->breaker = b->breaker;
    if (b->breaker == LIMITER_OPEN && b->open_us > now_us) {
        ret_told->open_ms = (b->open_us - now_us + MS - 1) / MS;
    }
    ret_told->probe = probing;
    ret_told->young = b->claims_ppm < 0 && limiter_bank_young(b, now_us);
    ret_told->used =
        (int64_t)ceil(limiter_ring_used(&b->ring, LIMITER_REQUESTS));
}
