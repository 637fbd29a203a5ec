/* purse.c - see purse.h: what a job spends of it, and what its journal says;
 * purse_exchange.c talks to Redis. What must never be wrong:
 *
 *   used <= have          of each day: nothing is spent that is not confirmed
 *   used <= said          in the journal at every byte: a rebuild is enough
 *   have, told, Redis     have only grows by what Redis was seen to keep; what
 *                         Redis counts for the job is lowered after have was
 *
 * Giving back lowers `have` first. */
#include "coordinator/purse_core.h"

#include "job/purse_note.h"

enum {
    WINDOW_MS = 10000, /* that spending is measured over */
    DAY_MS = 24 * 3600 * 1000,
};

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

struct purse_day *
purse_day_find(struct purse *p, uint32_t day)
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
    p->old += purse_micro_up(d->used);
    *d = (struct purse_day){0};
}

struct purse_day *
purse_day_get(struct purse *p, uint32_t day, bool forced)
{
    struct purse_day *found = purse_day_find(p, day), *oldest = NULL;

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

/* ---- blocks ---- */

void
purse_block_void(struct purse *p)
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

void
purse_day_give_back(struct purse_day *d)
{
    d->have = purse_micro_up(d->used);
}

void
purse_set_today(struct purse *p, uint32_t today)
{
    if (today == p->today) return;
    purse_block_void(p);
    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        purse_day_give_back(&p->days[i]);
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
    return d->have * PURSE_MICRO - d->used;
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
    d = purse_day_find(p, p->today);
    if (!d) return 0; /* amount is 0 */
    charge(d, amount);
    purse_want(p, amount);
    if (p->spent <= INT64_MAX - amount) p->spent += amount;
    return d->day;
}

void
purse_release(struct purse *p, uint32_t day, int64_t amount)
{
    struct purse_day *d = purse_day_find(p, day);

    co_assert(amount >= 0);
    if (!d) return; /* charged to no day, or to one long over */
    /* Less is there only when the day was dropped and came again. */
    d->used -= purse_least(amount, d->used);
    if (day != p->today) purse_day_give_back(d);
}

void
purse_exceed(struct purse *p, uint32_t day, int64_t amount)
{
    struct purse_day *d = purse_day_find(p, day);

    if (!d) return;
    charge(d, amount);
    p->exceeded++;
    if (purse_micro_up(d->used) <= d->have) return;
    purse_day_give_back(d); /* upwards, here */
    if (day == p->today) p->block.noted_us = 0;
}

void
purse_leave(struct purse *p)
{
    if (p->leaving) return;
    p->leaving = true;
    p->next_us = 0; /* at once */
    p->left = !p->opt.redis || p->unlimited;
    purse_block_void(p);
    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        purse_day_give_back(&p->days[i]);
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
    struct purse_day *d = purse_day_find(p, p->noting.day);

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
    d = purse_day_get(p, note.day, true);
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
    struct purse_day *d = day ? purse_day_get(p, day, true) : NULL;

    if (d) charge(d, amount); /* else no cap held then */
}

void
purse_begin(struct purse *p)
{
    p->begun = true;
    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        purse_day_give_back(&p->days[i]);
        p->days[i].told = -1;
    }
}

/* ---- time ---- */

static void
turn_window(struct purse *p, int64_t now_us)
{
    if (p->touched) p->touched_us = now_us;
    p->touched = false;
    if (now_us - p->window_us < (int64_t)WINDOW_MS * PURSE_MS) return;
    p->window_us = now_us;
    p->rate = p->spent;
    p->spent = 0;
}

/* Nobody wants it any more: other jobs may. */
static void
turn_idle(struct purse *p, int64_t now_us)
{
    struct purse_day *d = purse_day_find(p, p->today);

    if (now_us - p->touched_us < (int64_t)PURSE_IDLE_MS * PURSE_MS) return;
    p->need = p->rate = 0;
    purse_block_void(p);
    if (d) purse_day_give_back(d);
}

void
purse_turn(struct purse *p, int64_t now_us)
{
    if (!p->opt.redis) return;
    turn_window(p, now_us);
    turn_idle(p, now_us);
    if (p->known && p->redis_ms) {
        int64_t ms = p->redis_ms + (now_us - p->redis_us) / PURSE_MS;

        /* Only forwards: backwards it goes by the word of Redis. */
        if (ms / DAY_MS > p->today) purse_set_today(p, (uint32_t)(ms / DAY_MS));
    }
}

const char *
purse_check(const struct purse *p)
{
    for (unsigned i = 0; i < PURSE_DAYS; i++) {
        const struct purse_day *d = &p->days[i];

        if (d->used < 0) return "purse: less than nothing is used";
        if (d->used > d->have * PURSE_MICRO) {
            return "purse: more used than confirmed";
        }
        if (!d->day && (d->used || d->have)) return "purse: money of no day";
    }
    if (p->block.amount < 0) return "purse: a block of less than nothing";
    return NULL;
}
