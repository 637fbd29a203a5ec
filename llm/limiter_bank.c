/* limiter_bank.c - see limiter_bank.h. Each function has its like in the
 * script, in the same order and with the same arithmetic. */
#include "llm/limiter_bank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MS = 1000, SCAN_US = 1000 * 1000 };
/* A day: what hints.h believes. */
static const int64_t hold_max_us = (int64_t)HINTS_WAIT_MAX_MS * MS;

static int64_t
min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t
max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

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
    b->hold_until_us = min_i64(b->hold_until_us, now_us + hold_max_us);
    b->open_us = min_i64(b->open_us, now_us + (int64_t)LIMITER_OPEN_MS * MS);
    b->probe_us = min_i64(b->probe_us, now_us + (int64_t)LIMITER_PROBE_MS * MS);
    b->dropped_us = min_i64(b->dropped_us, now_us);
    b->at_us = min_i64(b->at_us, now_us);
    b->scan_us = min_i64(b->scan_us, now_us);
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

/* ---- members ---- */

static struct limiter_member *
member_of(struct limiter_bank *b, uint64_t id)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->members[i].id == id) return &b->members[i];
    }
    return NULL;
}

/* NULL: too many. A share that the newcomer has of another Redis is no share
 * here, but one that it may be spending there. */
static struct limiter_member *
join(struct limiter_bank *b, uint64_t id, const struct limiter_ask *ask,
     int64_t now_us)
{
    struct limiter_member *m = member_of(b, id);

    if (m) return m;
    if (ask->claim_ppm > 0) {
        b->claims_ppm = max_i64(b->claims_ppm, 0) + ask->claim_ppm;
    }
    if (b->n == b->max) return NULL;
    m = &b->members[b->n++];
    *m = (struct limiter_member){.id = id, .heard_us = now_us};
    b->workers++;
    return m;
}

/* What counts is the last answer that it got: until then it knew Redis to be
 * there. Who got none for long has spent its share, and comes as a newcomer. */
static void
hear(struct limiter_bank *b, struct limiter_member *m,
     const struct limiter_ask *ask, int64_t now_us)
{
    if (ask->heard_us > 0) m->heard_us = min_i64(ask->heard_us, now_us);
    if (now_us - m->heard_us <= (int64_t)LIMITER_FORGET_MS * MS) return;
    m->heard_us = now_us;
    b->shares_ppm -= m->share_ppm;
    m->share_ppm = 0;
}

static void
leave(struct limiter_bank *b, struct limiter_member *m)
{
    b->shares_ppm -= m->share_ppm;
    b->held -= m->held;
    b->workers = max_i64(b->workers - 1, 0);
    *m = b->members[--b->n];
}

static int64_t
fair_part(const struct limiter_bank *b)
{
    return max_i64(b->ceiling / max_i64(b->active, 1), 1);
}

static bool
starves(const struct limiter_member *m, int64_t fair)
{
    return m->held < min_i64(m->need, fair);
}

static void
count_members(struct limiter_bank *b, int64_t now_us)
{
    b->workers = b->shares_ppm = b->held = 0;
    b->active = b->starved = b->silent_ppm = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        struct limiter_member *m = &b->members[i];

        m->heard_us = min_i64(m->heard_us, now_us);
        if (now_us - m->heard_us > (int64_t)LIMITER_FORGET_MS * MS) {
            *m = b->members[--b->n];
            i--;
            continue;
        }
        b->shares_ppm += m->share_ppm;
        b->held += m->held;
        if (now_us - m->heard_us > (int64_t)LIMITER_SILENT_MS * MS) {
            b->silent_ppm += m->share_ppm;
            continue;
        }
        b->workers++;
        if (m->need > 0) b->active++;
    }
}

/* Once a second: that many workers are not looked at for each exchange. */
static void
scan(struct limiter_bank *b, int64_t now_us)
{
    int64_t fair;

    if (now_us - b->scan_us < SCAN_US) return;
    b->scan_us = now_us;
    count_members(b, now_us);
    fair = fair_part(b);
    for (uint32_t i = 0; i < b->n; i++) {
        const struct limiter_member *m = &b->members[i];

        if (now_us - m->heard_us > (int64_t)LIMITER_SILENT_MS * MS) continue;
        if (starves(m, fair)) b->starved++;
    }
}

/* Whether a fleet may live on shares that it had under another Redis. */
static bool
is_young(const struct limiter_bank *b, int64_t now_us)
{
    return now_us - b->ring.born_us < (int64_t)LIMITER_FORGET_MS * MS;
}

/* Shares under the Redis before, of workers that did not come here yet. */
static int64_t
unknown_ppm(const struct limiter_bank *b, int64_t now_us)
{
    if (b->claims_ppm < 0 || !is_young(b, now_us)) return 0;
    return max_i64(LIMITER_PPM - b->claims_ppm, 0);
}

/* Workers that are not heard may be spending their shares: that is charged. */
static void
charge_silent(struct limiter_bank *b, const struct limiter_ask *ask,
              int64_t now_us)
{
    int64_t dt_us =
        min_i64(now_us - b->at_us, (int64_t)LIMITER_SLOTS * 1000 * MS);
    double part =
        (double)(b->silent_ppm + unknown_ppm(b, now_us)) / (double)LIMITER_PPM;
    double rpm = (double)ask->rpm, tpm = (double)ask->tpm;
    double call = (double)ask->call_tokens;

    b->at_us = now_us;
    if (part <= 0 || dt_us <= 0) return;
    if (part > 1) part = 1;
    limiter_ring_charge(
        &b->ring, LIMITER_REQUESTS,
        limiter_ring_alone(rpm, limiter_ring_burst(rpm, 1), dt_us) * part);
    limiter_ring_charge(
        &b->ring, LIMITER_TOKENS,
        limiter_ring_alone(tpm, limiter_ring_burst(tpm, call), dt_us) * part);
}

/* All shares together never exceed the whole: who comes last waits until the
 * others were told that there are more of them. Nor is any given out by a young
 * Redis that nobody came to from another one: they may yet come. */
static void
set_share(struct limiter_bank *b, struct limiter_member *m, int64_t now_us)
{
    int64_t others = b->shares_ppm - m->share_ppm;
    int64_t share = LIMITER_PPM / max_i64(b->workers, 1);
    int64_t left = LIMITER_PPM - others - unknown_ppm(b, now_us);

    if (b->claims_ppm < 0 && is_young(b, now_us)) left = 0;
    share = max_i64(min_i64(share, left), 0);
    b->shares_ppm = others + share;
    m->share_ppm = share;
}

/* ---- how the endpoint is ---- */

/* A refusal cuts once a burst: calls that began before the last cut say
 * nothing of what followed from it. */
static void
adapt(struct limiter_bank *b, const struct limiter_ask *ask, int64_t now_us)
{
    int64_t most = ask->places > 0 ? ask->places : LIMITER_PLACES_MAX;
    int64_t step;

    if (b->ceiling <= 0) {
        b->ceiling = ask->places > 0 ? ask->places : LIMITER_PLACES;
    }
    if (ask->limited_us >= 0 && now_us - ask->limited_us > b->dropped_us) {
        b->best = b->ceiling;
        b->ceiling = max_i64(b->ceiling * 3 / 4, 1);
        b->grown = 0;
        b->dropped_us = now_us;
    }
    b->grown += ask->successes;
    step =
        b->best > 0 && b->ceiling >= b->best ? LIMITER_STEP_HIGH : LIMITER_STEP;
    while (b->grown >= step) {
        b->grown -= step;
        b->ceiling++;
        step = b->best > 0 && b->ceiling >= b->best ? LIMITER_STEP_HIGH
                                                    : LIMITER_STEP;
    }
    b->ceiling = min_i64(b->ceiling, most);
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

/* Whether this worker has the one probe now. */
static bool
step_breaker(struct limiter_bank *b, uint64_t id, const struct limiter_ask *ask,
             int64_t now_us)
{
    take_probe(b, id, ask->probe, now_us);
    if (b->breaker == LIMITER_CLOSED) {
        b->failures =
            ask->successes > 0 ? ask->tail : b->failures + ask->failures;
        if (b->failures >= LIMITER_FAILURES) {
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
                                    : max_i64(ask->in_flight, 1);
}

/* Places: what it has use for, as long as nobody has less than a fair part of
 * what it needs; never more than the others leave. */
static int64_t
set_places(struct limiter_bank *b, struct limiter_member *m,
           const struct limiter_ask *ask)
{
    int64_t fair = fair_part(b), others = b->held - m->held;
    int64_t starved = b->starved - starves(m, fair);
    int64_t cap = ask->need;

    if (starved > 0) cap = min_i64(cap, turn_of(b, m, ask, fair));
    cap = max_i64(min_i64(cap, b->ceiling - others), 0);
    m->need = ask->need;
    m->held = max_i64(cap, ask->in_flight);
    b->held = others + m->held;
    return cap;
}

static void
lease(struct limiter_bank *b, const struct limiter_ask *ask, bool probing,
      int64_t now_us, struct limiter_told *told)
{
    double rpm = (double)ask->rpm, tpm = (double)ask->tpm;
    double call = (double)ask->call_tokens;
    double n = (double)ask->want, tokens = 0, wait_us = 0;
    double active = (double)max_i64(b->active, 1);

    if (n <= 0 || (ask->rpm <= 0 && ask->tpm <= 0)) return;
    if (b->hold_until_us > now_us) return;
    if (b->breaker != LIMITER_CLOSED && !probing) return;
    if (probing) n = 1;
    if (ask->rpm > 0) {
        double burst = limiter_ring_burst(rpm, 1);
        double level =
            limiter_ring_level(&b->ring, LIMITER_REQUESTS, rpm, burst, now_us);
        double most = floor(level), part = floor(most / active);

        if (part < 1) part = 1;
        if (n > part) n = part;
        if (most < 1) {
            n = 0;
            wait_us = (1 - level) / limiter_ring_alone(rpm, burst, 1);
        }
    }
    if (ask->tpm > 0) {
        double burst = limiter_ring_burst(tpm, call);
        double level =
            limiter_ring_level(&b->ring, LIMITER_TOKENS, tpm, burst, now_us);
        double most = floor(level), part = floor(most / active);

        if (part < call) part = call;
        if (part > most) part = most;
        tokens = (double)ask->want_tokens;
        if (tokens > part) tokens = part;
        if (tokens < call) {
            double us = (call - level) / limiter_ring_alone(tpm, burst, 1);

            n = 0;
            if (us > wait_us) wait_us = us;
        }
    }
    if (n < 1) {
        tokens = 0;
        if (!(wait_us < 5000000)) wait_us = 5000000;
        told->again_ms = max_i64((int64_t)ceil(wait_us / 1000), 1);
    }
    limiter_ring_charge(&b->ring, LIMITER_REQUESTS, n);
    limiter_ring_charge(&b->ring, LIMITER_TOKENS, tokens);
    told->requests = (int64_t)n;
    told->tokens = (int64_t)tokens;
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
        b->hold_until_us = max_i64(
            b->hold_until_us, now_us + min_i64(ask->hold_ms * MS, hold_max_us));
    }
    adapt(b, ask, now_us);
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
    m = join(b, id, ask, now_us);
    if (m) hear(b, m, ask, now_us);
    scan(b, now_us);
    charge_silent(b, ask, now_us);
    settle(b, ask);
    report(b, ask, now_us);
    ret_told->was = b->breaker;
    probing = step_breaker(b, id, ask, now_us);
    m = member_of(b, id); /* a scan moves them */
    if (m && ask->bye) {
        leave(b, m);
    } else if (m) {
        set_share(b, m, now_us);
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
    ret_told->young = b->claims_ppm < 0 && is_young(b, now_us);
    ret_told->used =
        (int64_t)ceil(limiter_ring_used(&b->ring, LIMITER_REQUESTS));
}
