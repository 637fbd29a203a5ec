/* purse.c - see purse.h. What must never be wrong:
 *
 *   used <= have          of each day: nothing is spent that is not confirmed
 *   used <= said          in the journal at every byte: a rebuild is enough
 *   have, told, Redis     have only grows by what Redis was seen to keep; what
 *                         Redis counts for the job is lowered after have was
 *
 * Giving back lowers `have` first. Redis is always told absolute amounts, and
 * refuses overtaken requests, so that an exchange without an answer needs no
 * case of its own: the next one says all of it again. */
#include "coordinator/purse.h"

#include "job/purse_note.h"

#include <string.h>

enum {
    MS = 1000,
    MICRO = 1000000,   /* 1e-12 USD in 1e-6 USD */
    SOON_MS = 100,     /* the next exchange, when something waits for it */
    WINDOW_MS = 10000, /* that spending is measured over */
    NEED_BLOCKS = 4,   /* reservations that a block is good for, at least */
    DAY_MS = 24 * 3600 * 1000,
};
static const int64_t block_max = 1000LL * MICRO; /* 1,000 USD in 1e-6 USD */

const char *
purse_why_text(enum purse_why why)
{
    static const char *const texts[PURSE_WHY_COUNT] = {
#define X(name, text) text,
        PURSE_WHY_LIST(X)
#undef X
    };

    return texts[why];
}

static int64_t
least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* 1e-12 USD in 1e-6 USD, upwards: what is told is never too little. */
static int64_t
micro_up(int64_t amount)
{
    return amount / MICRO + (amount % MICRO > 0);
}

void
purse_init(struct purse *p, const struct purse_options *options)
{
    *p = (struct purse){.opt = *options,
                        .state = PURSE_LEDGER_NONE,
                        .today = options->day,
                        .cap_day = -1,
                        .cap_total = -1};
    p->capped = options->cap_day >= 0 || options->cap_total >= 0;
}

/* ---- days ---- */

static struct purse_day *
day_find(struct purse *p, uint32_t day)
{
    for (unsigned i = 0; day && i < PURSE_DAYS; i++) {
        if (p->days[i].day == day) return &p->days[i];
    }
    return NULL;
}

static const struct purse_day *
day_today(const struct purse *p)
{
    for (unsigned i = 0; p->today && i < PURSE_DAYS; i++) {
        if (p->days[i].day == p->today) return &p->days[i];
    }
    return NULL;
}

/* Nothing about it is under way: journal and Redis know its last word. */
static bool
day_settled(const struct purse *p, const struct purse_day *d)
{
    return d->day != p->today && d->said == d->have && d->told == d->have &&
           !(p->noting.under_way && p->noting.day == d->day);
}

/* Its releases are not awaited any longer: what is reserved counts as spent.
 */
static void
day_drop(struct purse *p, struct purse_day *d)
{
    p->old += micro_up(d->used);
    *d = (struct purse_day){0};
}

/* The entry of a day, made if there is room; forced: by dropping the oldest. */
static struct purse_day *
day_get(struct purse *p, uint32_t day, bool forced)
{
    struct purse_day *found = day_find(p, day), *oldest = NULL;

    for (unsigned i = 0; !found && i < PURSE_DAYS; i++) {
        struct purse_day *d = &p->days[i];

        if (!d->day) found = d;
        if (!forced && !day_settled(p, d)) continue;
        if (!oldest || d->day < oldest->day) oldest = d;
    }
    if (!found && oldest) {
        day_drop(p, oldest);
        found = oldest;
    }
    if (found && !found->day) {
        /* An earlier life may have been granted something. */
        *found = (struct purse_day){.day = day, .told = -1};
    }
    return found;
}

static int64_t
have_total(const struct purse *p)
{
    int64_t sum = p->old;

    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        sum += p->days[i].have;
    }
    return sum;
}

/* ---- blocks ---- */

static void
block_void(struct purse *p)
{
    if (p->block.amount) p->voided++;
    p->block.amount = 0;
    p->block.noted_us = 0;
}

/* What the journal has to allow for this day. */
static int64_t
day_due(const struct purse *p, const struct purse_day *d)
{
    return d->have + (d->day == p->today ? p->block.amount : 0);
}

static void
day_give_back(struct purse_day *d)
{
    d->have = micro_up(d->used);
}

static void
set_today(struct purse *p, uint32_t today)
{
    if (today == p->today) return;
    block_void(p);
    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        day_give_back(&p->days[i]);
    }
    p->today = today;
    p->granted_day = 0;
}

/* ---- the job's side ---- */

int64_t
purse_free(const struct purse *p)
{
    const struct purse_day *d = day_today(p);

    if (p->unlimited || (!p->opt.redis && !p->capped)) return INT64_MAX;
    if (!p->opt.redis) return 0;
    if (!p->known || !d || p->leaving) return 0;
    return d->have * MICRO - d->used;
}

/* Of a ledger that is open. */
static enum purse_why
why_open(const struct purse *p)
{
    if (p->block.amount || !p->known) return PURSE_WHY_ASKED;
    if (p->cap_day >= 0 && p->granted_day >= p->cap_day) return PURSE_WHY_DAY;
    if (p->cap_total >= 0 && p->granted_total >= p->cap_total) {
        return PURSE_WHY_TOTAL;
    }
    return PURSE_WHY_ASKED;
}

enum purse_why
purse_why(const struct purse *p)
{
    int64_t free = purse_free(p);

    if (free == INT64_MAX) return PURSE_WHY_OFF;
    if (free > 0 && free >= p->need) return PURSE_WHY_OPEN;
    if (!p->opt.redis) return PURSE_WHY_ELSEWHERE;
    if (!p->known) return PURSE_WHY_UNASKED;
    switch (p->state) {
    case PURSE_LEDGER_NONE:
        return PURSE_WHY_NO_LEDGER;
    case PURSE_LEDGER_OPEN:
        return why_open(p);
    case PURSE_LEDGER_UNSURE:
        return PURSE_WHY_UNSURE;
    case PURSE_LEDGER_CLOSED:
        return PURSE_WHY_CLOSED;
    case PURSE_LEDGER_STALE:
        return PURSE_WHY_STALE;
    }
    return PURSE_WHY_CLOSED;
}

void
purse_want(struct purse *p, int64_t amount)
{
    p->need = amount > p->need ? amount : p->need;
    p->touched = true;
}

static void
charge(struct purse_day *d, int64_t amount)
{
    co_assert(amount >= 0 && d->used <= INT64_MAX - amount);
    d->used += amount;
}

uint32_t
purse_take(struct purse *p, int64_t amount)
{
    struct purse_day *d;

    co_assert(amount >= 0 && amount <= purse_free(p));
    if (purse_free(p) == INT64_MAX) return 0;
    d = day_find(p, p->today);
    if (!d) return 0; /* amount is 0 */
    charge(d, amount);
    purse_want(p, amount);
    if (p->spent <= INT64_MAX - amount) p->spent += amount;
    return d->day;
}

void
purse_release(struct purse *p, uint32_t day, int64_t amount)
{
    struct purse_day *d = day_find(p, day);

    co_assert(amount >= 0);
    if (!d) return; /* charged to no day, or to one long over */
    /* Less is there only when the day was dropped and came again. */
    d->used -= least_of(amount, d->used);
    if (day != p->today) day_give_back(d);
}

void
purse_exceed(struct purse *p, uint32_t day, int64_t amount)
{
    struct purse_day *d = day_find(p, day);

    if (!d) return;
    charge(d, amount);
    p->exceeded++;
    if (micro_up(d->used) <= d->have) return;
    day_give_back(d); /* upwards, here */
    if (day == p->today) p->block.noted_us = 0;
}

void
purse_leave(struct purse *p)
{
    if (p->leaving) return;
    p->leaving = true;
    p->next_us = 0; /* at once */
    p->left = !p->opt.redis || p->unlimited;
    block_void(p);
    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        day_give_back(&p->days[i]);
    }
}

bool
purse_left(const struct purse *p)
{
    return p->left;
}

/* ---- the journal ---- */

/* One after the other. */
static const struct purse_day *
note_day(const struct purse *p)
{
    for (unsigned i = 0; !p->noting.under_way && i < PURSE_DAYS; i++) {
        const struct purse_day *d = &p->days[i];

        if (d->day && day_due(p, d) != d->said) return d;
    }
    return NULL;
}

bool
purse_note_is_due(const struct purse *p)
{
    return note_day(p) != NULL;
}

bool
purse_note(struct purse *p, struct co_buf *out)
{
    const struct purse_day *d = note_day(p);

    if (!d) return false;
    p->noting.under_way = true;
    p->noting.day = d->day;
    p->noting.have = day_due(p, d);
    purse_note_put(&(struct purse_note){.day = d->day,
                                        .have = p->noting.have,
                                        .ledger = p->ledger,
                                        .seq = p->seq},
                   out);
    return true;
}

void
purse_noted(struct purse *p, int64_t now_us)
{
    struct purse_day *d = day_find(p, p->noting.day);

    co_assert(p->noting.under_way);
    p->noting.under_way = false;
    if (!d) return;
    d->said = p->noting.have;
    if (d->day == p->today && p->block.amount && !p->block.noted_us &&
        d->said >= day_due(p, d)) {
        p->block.noted_us = now_us;
    }
}

bool
purse_replay(struct purse *p, const uint8_t *data, size_t len)
{
    struct purse_note note;
    struct purse_day *d;

    if (purse_note_get(data, len, &note) || !note.day) return false;
    d = day_get(p, note.day, true);
    co_assert(d != NULL);
    d->have = d->said = note.have;
    p->capped = true;
    p->ledger = note.ledger;
    p->seq = note.seq;
    return true;
}

void
purse_replay_take(struct purse *p, uint32_t day, int64_t amount)
{
    struct purse_day *d = day ? day_get(p, day, true) : NULL;

    if (d) charge(d, amount); /* else no cap held then */
}

void
purse_begin(struct purse *p)
{
    p->begun = true;
    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        day_give_back(&p->days[i]);
        p->days[i].told = -1;
    }
}

/* ---- time ---- */

static void
turn_window(struct purse *p, int64_t now_us)
{
    if (p->touched) p->touched_us = now_us;
    p->touched = false;
    if (now_us - p->window_us < (int64_t)WINDOW_MS * MS) return;
    p->window_us = now_us;
    p->rate = p->spent;
    p->spent = 0;
}

/* Nobody wants it any more: other jobs may. */
static void
turn_idle(struct purse *p, int64_t now_us)
{
    struct purse_day *d = day_find(p, p->today);

    if (now_us - p->touched_us < (int64_t)PURSE_IDLE_MS * MS) return;
    p->need = p->rate = 0;
    block_void(p);
    if (d) day_give_back(d);
}

void
purse_turn(struct purse *p, int64_t now_us)
{
    if (!p->opt.redis) return;
    turn_window(p, now_us);
    turn_idle(p, now_us);
    if (p->known && p->redis_ms) {
        int64_t ms = p->redis_ms + (now_us - p->redis_us) / MS;

        /* Only forwards: backwards it goes by the word of Redis. */
        if (ms / DAY_MS > p->today) set_today(p, (uint32_t)(ms / DAY_MS));
    }
}

/* ---- the exchange ---- */

/* What is still to be had of both caps, by the last answer. */
static int64_t
room_left(const struct purse *p)
{
    int64_t room = INT64_MAX;

    if (p->cap_day >= 0) {
        room = least_of(room, p->cap_day - p->granted_day);
    }
    if (p->cap_total >= 0) {
        room = least_of(room, p->cap_total - p->granted_total);
    }
    return room;
}

/* 1e-6 USD to ask for. Enough for what is spent while it is on its way; near
 * the cap at most half of what is left, so that others get some too. */
static int64_t
wanted(const struct purse *p)
{
    int64_t free = purse_free(p);
    int64_t target = least_of(p->need, INT64_MAX / NEED_BLOCKS) * NEED_BLOCKS;
    int64_t extra, least;

    if (p->leaving || !p->need || free == INT64_MAX) return 0;
    if (p->rate > target) target = p->rate;
    if (free >= target / 2 && free >= p->need) return 0;
    extra = least_of(micro_up(target - free), block_max);
    least = micro_up(p->need > free ? p->need - free : 0);
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
    return day_get(p, p->today, false);
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
    ret->lag_ms = (now_us - p->view.sent_us) / MS;
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
    p->next_us = now_us + (int64_t)PURSE_PERIOD_MS * MS;
}

static void
answer_seq(struct purse *p, const struct purse_answer *a, bool anew,
           int64_t now_us)
{
    if (a->ledger != p->ledger) p->seq = 0;
    if (!anew && p->sent_us - p->seq_us < (int64_t)PURSE_CONFIRM_MS * MS) {
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
        block_void(p);
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
    struct purse_day *d = day_find(p, p->today);

    if (!d || got <= 0 || p->leaving || a->state != PURSE_LEDGER_OPEN) {
        block_void(p);
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
        p->sent_us - p->block.at_us < (int64_t)PURSE_CONFIRM_MS * MS ||
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
           (ask_day(p) != day_find(p, p->today) || p->sent.day != p->today ||
            (p->leaving && !p->left));
}

void
purse_answer(struct purse *p, int64_t now_us, const struct purse_answer *a)
{
    struct purse_day *d = day_find(p, p->sent.day);

    co_assert(p->asking);
    p->asking = false;
    p->next_us = p->sent_us + (int64_t)PURSE_PERIOD_MS * MS;
    p->known = true;
    p->state = a->state;
    p->unlimited = a->state == PURSE_LEDGER_NONE && !p->capped;
    if (a->state == PURSE_LEDGER_NONE || a->state == PURSE_LEDGER_STALE) {
        block_void(p);
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
    set_today(p, a->today);
    if (p->sent.leaving) p->left = true;
    if (in_a_hurry(p, a)) p->next_us = now_us + (int64_t)SOON_MS * MS;
}

const char *
purse_check(const struct purse *p)
{
    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        const struct purse_day *d = &p->days[i];

        if (d->used < 0) return "purse: less than nothing is used";
        if (d->used > d->have * MICRO) return "purse: more used than confirmed";
        if (!d->day && (d->used || d->have)) return "purse: money of no day";
    }
    if (p->block.amount < 0) return "purse: a block of less than nothing";
    return NULL;
}
