/* limiter_bank_members.c - which workers are at an endpoint, which of them are
 * heard, and what each may spend should Redis go. */
#include "llm/limiter_bank_core.h"

enum { MS = 1000, SCAN_US = 1000 * 1000 };

struct limiter_member *
limiter_bank_member(struct limiter_bank *b, uint64_t id)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->members[i].id == id) return &b->members[i];
    }
    return NULL;
}

/* NULL: too many. A share that the newcomer has of another Redis is no share
 * here, but one that it may be spending there. */
struct limiter_member *
limiter_bank_join(struct limiter_bank *b, uint64_t id,
                  const struct limiter_ask *ask, int64_t now_us)
{
    struct limiter_member *m = limiter_bank_member(b, id);

    if (m) return m;
    if (ask->claim_ppm > 0) {
        b->claims_ppm = limiter_max(b->claims_ppm, 0) + ask->claim_ppm;
    }
    if (b->n == b->max) return NULL;
    m = &b->members[b->n++];
    *m = (struct limiter_member){.id = id, .heard_us = now_us};
    b->workers++;
    return m;
}

/* What counts is the last answer that it got: until then it knew Redis to be
 * there. Who got none for long has spent its share, and comes as a newcomer. */
void
limiter_bank_hear(struct limiter_bank *b, struct limiter_member *m,
                  const struct limiter_ask *ask, int64_t now_us)
{
    if (ask->heard_us > 0) m->heard_us = limiter_min(ask->heard_us, now_us);
    if (now_us - m->heard_us <= (int64_t)LIMITER_FORGET_MS * MS) return;
    m->heard_us = now_us;
    b->shares_ppm -= m->share_ppm;
    m->share_ppm = 0;
}

void
limiter_bank_leave(struct limiter_bank *b, struct limiter_member *m)
{
    b->shares_ppm -= m->share_ppm;
    b->held -= m->held;
    b->workers = limiter_max(b->workers - 1, 0);
    *m = b->members[--b->n];
}

int64_t
limiter_bank_fair(const struct limiter_bank *b)
{
    return limiter_max(b->ceiling / limiter_max(b->active, 1), 1);
}

bool
limiter_bank_starves(const struct limiter_member *m, int64_t fair)
{
    return m->held < limiter_min(m->need, fair);
}

static void
count_members(struct limiter_bank *b, int64_t now_us)
{
    b->workers = b->shares_ppm = b->held = 0;
    b->active = b->starved = b->silent_ppm = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        struct limiter_member *m = &b->members[i];

        m->heard_us = limiter_min(m->heard_us, now_us);
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
void
limiter_bank_scan(struct limiter_bank *b, int64_t now_us)
{
    int64_t fair;

    if (now_us - b->scan_us < SCAN_US) return;
    b->scan_us = now_us;
    count_members(b, now_us);
    fair = limiter_bank_fair(b);
    for (uint32_t i = 0; i < b->n; i++) {
        const struct limiter_member *m = &b->members[i];

        if (now_us - m->heard_us > (int64_t)LIMITER_SILENT_MS * MS) continue;
        if (limiter_bank_starves(m, fair)) b->starved++;
    }
}

/* Whether a fleet may live on shares that it had under another Redis. */
bool
limiter_bank_young(const struct limiter_bank *b, int64_t now_us)
{
    return now_us - b->ring.born_us < (int64_t)LIMITER_FORGET_MS * MS;
}

/* Shares under the Redis before, of workers that did not come here yet. */
static int64_t
unknown_ppm(const struct limiter_bank *b, int64_t now_us)
{
    if (b->claims_ppm < 0 || !limiter_bank_young(b, now_us)) return 0;
    return limiter_max(LIMITER_PPM - b->claims_ppm, 0);
}

/* Workers that are not heard may be spending their shares: that is charged. */
void
limiter_bank_charge_silent(struct limiter_bank *b,
                           const struct limiter_ask *ask, int64_t now_us)
{
    int64_t dt_us =
        limiter_min(now_us - b->at_us, (int64_t)LIMITER_SLOTS * 1000 * MS);
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
void
limiter_bank_share(struct limiter_bank *b, struct limiter_member *m,
                   int64_t now_us)
{
    int64_t others = b->shares_ppm - m->share_ppm;
    int64_t share = LIMITER_PPM / limiter_max(b->workers, 1);
    int64_t left = LIMITER_PPM - others - unknown_ppm(b, now_us);

    if (b->claims_ppm < 0 && limiter_bank_young(b, now_us)) left = 0;
    share = limiter_max(limiter_min(share, left), 0);
    b->shares_ppm = others + share;
    m->share_ppm = share;
}
