/* purse_exchange.c - a purse and Redis: what is asked for and what an answer
 * means; see purse.h. Redis is always told absolute amounts, and refuses
 * overtaken requests, so that an exchange without an answer needs no case of
 * its own: the next one says all of it again. */
#include "coordinator/purse_core.h"

#include <string.h>

enum {
    SOON_MS = 100,   /* the next exchange, when something waits for it */
    NEED_BLOCKS = 4, /* reservations that a block is good for, at least */
};
static const int64_t block_max =
    1000LL * PURSE_MICRO; /* 1,000 USD in 1e-6 USD */

static int64_t
have_total(const struct purse *p)
{
    int64_t sum = p->old;

    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        sum += p->days[i].have;
    }
    return sum;
}

/* What is still to be had of both caps, by the last answer. */
static int64_t
room_left(const struct purse *p)
{
    int64_t room = INT64_MAX;

    if (p->cap_day >= 0) {
        room = purse_least(room, p->cap_day - p->granted_day);
    }
    if (p->cap_total >= 0) {
        room = purse_least(room, p->cap_total - p->granted_total);
    }
    return room;
}

/* 1e-6 USD to ask for. Enough for what is spent while it is on its way; near
 * the cap at most half of what is left, so that others get some too. */
static int64_t
wanted(const struct purse *p)
{
    int64_t free = purse_free(p);
    int64_t target =
        purse_least(p->need, INT64_MAX / NEED_BLOCKS) * NEED_BLOCKS;
    int64_t extra, least;

    if (p->leaving || !p->need || free == INT64_MAX) return 0;
    if (p->rate > target) target = p->rate;
    if (free >= target / 2 && free >= p->need) return 0;
    extra = purse_least(purse_micro_up(target - free), block_max);
    least = purse_micro_up(p->need > free ? p->need - free : 0);
    if (extra > room_left(p) / 2) extra = room_left(p) / 2;
    return extra > least ? extra : least;
}

/* The day to speak of: those that are over first, as they only give back;
 * but a block that is on its way is not let go of for them. */
static struct purse_day *
ask_day(struct purse *p)
{
    for (unsigned i = 0; !p->block.amount && i < PURSE_DAYS; i++) {
        struct purse_day *d = &p->days[i];

        if (d->day && d->day != p->today && d->told != d->have) return d;
    }
    return purse_day_get(p, p->today, false);
}

bool
purse_ask(struct purse *p, int64_t now_us, struct purse_ask *ret)
{
    struct purse_day *d;

    if (!p->opt.redis || !p->begun || p->asking || p->left ||
        now_us < p->next_us) {
        return false;
    }
    d = ask_day(p);
    if (!d) return false; /* as many days wait to be told of as there can be */
    *ret = (struct purse_ask){.request = ++p->requests,
                              .day = d->day,
                              .claim_day = d->have,
                              .claim_total = have_total(p),
                              .ledger = p->ledger,
                              .seq = p->seq,
                              .view = p->view,
                              .leaving = p->leaving};
    if (d->day == p->today) {
        ret->extra = p->block.amount ? p->block.amount : wanted(p);
    } else {
        ret->leaving = false; /* today's is still to be told */
    }
    ret->lag_ms = (now_us - p->view.sent_us) / PURSE_MS;
    d->told = -1; /* until it answers */
    p->asking = true;
    p->sent = *ret;
    p->sent_us = now_us;
    return true;
}

void
purse_unanswered(struct purse *p, int64_t now_us)
{
    p->asking = false;
    p->next_us = now_us + (int64_t)PURSE_PERIOD_MS * PURSE_MS;
}

static void
answer_seq(struct purse *p, const struct purse_answer *a, bool anew,
           int64_t now_us)
{
    if (a->ledger != p->ledger) p->seq = 0;
    if (!anew &&
        p->sent_us - p->seq_us < (int64_t)PURSE_CONFIRM_MS * PURSE_MS) {
        return;
    }
    if (!anew && p->seq_next > p->seq) p->seq = p->seq_next;
    p->seq_next = a->seq;
    p->seq_us = now_us;
}

/* Another ledger, other shares or another server: what was granted and not
 * confirmed is not trusted, and all has to be told again. */
static void
answer_identity(struct purse *p, const struct purse_answer *a, int64_t now_us)
{
    bool other = a->ledger != p->ledger;
    bool anew = other || a->epoch != p->epoch || strcmp(a->run, p->run) != 0;

    if (anew) {
        purse_block_void(p);
        for (unsigned i = 0; i < PURSE_DAYS; i++) {
            p->days[i].told = -1;
        }
    }
    if (other) p->view.run[0] = '\0';
    answer_seq(p, a, anew, now_us);
    p->ledger = a->ledger;
    p->epoch = a->epoch;
    memcpy(p->run, a->run, sizeof p->run);
    /* The sums are of the day that was asked about. */
    if (a->state != PURSE_LEDGER_OPEN || p->sent.day != a->today) return;
    p->view = (struct purse_view){.seq = a->seq,
                                  .day = a->today,
                                  .granted_day = a->granted_day,
                                  .granted_total = a->granted_total,
                                  .sent_us = p->sent_us};
    memcpy(p->view.run, a->run, sizeof p->view.run);
}

/* What came of the extra that was asked for today. */
static void
answer_block(struct purse *p, const struct purse_answer *a, int64_t now_us)
{
    int64_t got = a->have_day - p->sent.claim_day;
    struct purse_day *d = purse_day_find(p, p->today);

    if (!d || got <= 0 || p->leaving || a->state != PURSE_LEDGER_OPEN) {
        purse_block_void(p);
        return;
    }
    if (!p->block.amount) {
        p->block.amount = got;
        p->block.seq = a->seq;
        p->block.at_us = now_us;
        p->block.noted_us = 0;
        p->grants++;
        return;
    }
    if (got < p->block.amount) p->block.amount = got; /* caps were lowered */
    if (!p->block.noted_us || p->block.noted_us > p->sent_us ||
        p->sent_us - p->block.at_us < (int64_t)PURSE_CONFIRM_MS * PURSE_MS ||
        a->least < p->block.seq) {
        return;
    }
    d->have += p->block.amount;
    p->block.amount = 0;
    p->confirmed++;
}

static void
answer_numbers(struct purse *p, const struct purse_answer *a)
{
    p->cap_day = a->cap_day;
    p->cap_total = a->cap_total;
    p->granted_total = a->granted_total;
    p->redis_ms = a->now_ms;
    p->redis_us = p->sent_us;
}

/* Whether something waits for the next exchange that is not time itself. */
static bool
in_a_hurry(struct purse *p, const struct purse_answer *a)
{
    return a->state == PURSE_LEDGER_OPEN &&
           (ask_day(p) != purse_day_find(p, p->today) ||
            p->sent.day != p->today || (p->leaving && !p->left));
}

void
purse_answer(struct purse *p, int64_t now_us, const struct purse_answer *a)
{
    struct purse_day *d = purse_day_find(p, p->sent.day);

    co_assert(p->asking);
    p->asking = false;
    p->next_us = p->sent_us + (int64_t)PURSE_PERIOD_MS * PURSE_MS;
    p->known = true;
    p->state = a->state;
    p->unlimited = a->state == PURSE_LEDGER_NONE && !p->capped;
    if (a->state == PURSE_LEDGER_NONE || a->state == PURSE_LEDGER_STALE) {
        purse_block_void(p);
        p->left = p->leaving;
        return;
    }
    p->capped = true;
    answer_identity(p, a, now_us);
    answer_numbers(p, a);
    if (d) d->told = a->have_day;
    if (p->sent.day == a->today && p->sent.day == p->today) {
        p->granted_day = a->granted_day;
        answer_block(p, a, now_us);
    }
    purse_set_today(p, a->today);
    if (p->sent.leaving) p->left = true;
    if (in_a_hurry(p, a)) p->next_us = now_us + (int64_t)SOON_MS * PURSE_MS;
}
