/* kind_written_means.c - what the money left covers.
 * A new row is begun only when it covers its worst case and the later stages of
 * those begun before it: a row that is half done is money spent for nothing.
 * Repairs are not counted in: they are few, and what they take is missing at
 * the very end only.
 * Most of what is reserved comes back, as calls cost less than they may. So a
 * call that does not fit now is waited for, unless it could not fit if all
 * that is out cost nothing, or nothing is out. Then the job is over, or, where
 * it degrades, its rows go on with the next writer of their arm: for the rest
 * of this life, as a late answer that frees some money is no reason to change
 * writers once more. */
#include "coordinator/kind_written_core.h"

#include <stdio.h>

enum {
    FORESEE_ROWS = 20, /* that say what a row takes */
    NOTICE_BYTES = 256,
};

uint64_t
means_times_freed(const struct written *w)
{
    const struct money_counters *n = money_counters(w->m);

    return n->calls + n->released;
}

bool
means_is_idle(const struct written *w)
{
    return !money_open(w->m) && !w->n_notes && !w->n_taken && !w->waits.n &&
           !w->releases.n;
}

/* -- now ------------------------------------------------------------------ */

/* What rows that are early need for their later stages, with one more of that
 * writer. False: more than can be counted. */
static bool
later_of(const struct written *w, uint8_t more, int64_t *ret)
{
    int64_t sum = 0, part;

    for (uint32_t i = 0; i < w->n_writers; i++) {
        const uint64_t n = w->early_by[i] + (i == more);

        if (__builtin_mul_overflow(w->later_by[i], n, &part) ||
            __builtin_add_overflow(sum, part, &sum)) {
            return false;
        }
    }
    *ret = sum;
    return true;
}

/* Whether an ask of the first phase fits beside the later ones. */
static bool
leaves_later(const struct written *w, int64_t worst, int64_t later)
{
    const int64_t more[] = {worst, later};

    _Static_assert(ASK_STAGES == 2, "what is later is of the last stage");
    return money_fits_phases(w->m, more);
}

/* Where phases have shares, what mends an early row must not eat what rows that
 * were begun need to end: the reserve is for all. When all of them wait for
 * that, one goes on. */
bool
means_cover_call(struct written *w, const struct talk *t, int64_t worst)
{
    int64_t later = w->later_by[t->writer];

    if (!w->options.shares.is_set || t->state == TALK_IDLE) return true;
    if (t->stage + 1 == ASK_STAGES) return true;
    return (means_is_idle(w) || later_of(w, WRITER_NONE, &later)) &&
           leaves_later(w, worst, later);
}

/* A new row would not fit, and nothing was freed since. */
static bool
is_short_for_rows(const struct written *w)
{
    return w->short_at == means_times_freed(w) + 1;
}

bool
means_cover_row(struct written *w, const struct talk *fresh, int64_t worst)
{
    int64_t later;

    if (is_short_for_rows(w) || !later_of(w, fresh->writer, &later) ||
        !leaves_later(w, worst, later)) {
        if (!is_short_for_rows(w)) w->short_phase = money_short_phase(w->m);
        w->short_at = means_times_freed(w) + 1;
        w->is_short = true;
        return false;
    }
    w->is_waiting = !money_is_here(w->m, worst);
    return !w->is_waiting;
}

/* -- for good ------------------------------------------------------------- */

static enum means_need
need_of(const struct talk *t)
{
    if (t->state == TALK_IDLE) return MEANS_ROW;
    return t->stage == ASK_BACKGROUND ? MEANS_FIRST : MEANS_LATER;
}

static bool
may_fit(const struct written *w, const struct talk *t, int64_t worst)
{
    int64_t more[ASK_STAGES] = {0};

    more[t->stage] = worst;
    if (t->state == TALK_IDLE) {
        more[ASK_STAGES - 1] = w->later_by[t->writer];
    }
    return money_may_fit(w->m, more);
}

static void
say_beyond(const struct written *w, uint8_t writer)
{
    char text[NOTICE_BYTES];

    for (unsigned i = 0; i < MEANS_NEEDS; i++) {
        if (w->beyond[i][writer] != INT64_MAX) return; /* said */
    }
    if (!w->options.notice) return;
    (void)snprintf(text, sizeof text,
                   "the money left does not cover provider %s any more: its "
                   "fallbacks write, as budget.short says",
                   w->writers[writer].provider);
    w->options.notice(w->options.notice_self, text);
}

bool
means_give_up(struct written *w, const struct talk *t, int64_t worst)
{
    int64_t *beyond = &w->beyond[need_of(t)][t->writer];

    if (!w->options.degrades || worst >= *beyond) return false;
    if (may_fit(w, t, worst) && !means_is_idle(w)) return false;
    say_beyond(w, t->writer);
    *beyond = worst;
    w->short_at = 0; /* another one may be cheaper */
    return true;
}

bool
means_are_beyond(const struct written *w, const struct talk *t, uint8_t writer)
{
    const int64_t beyond = w->beyond[need_of(t)][writer];
    struct talk as_asked = *t; /* its texts are borrowed */
    uint64_t input;
    int64_t worst;

    if (beyond == INT64_MAX) return false;
    as_asked.mend &= t->writer == writer;
    as_asked.writer = writer;
    return !ask_bound(w, &as_asked, &input, &worst) || worst >= beyond;
}

void
means_why(const struct written *w, struct co_buf *out)
{
    for (uint32_t i = 0; i < w->n_writers; i++) {
        const bool is_beyond = w->beyond[MEANS_ROW][i] != INT64_MAX ||
                               w->beyond[MEANS_FIRST][i] != INT64_MAX ||
                               w->beyond[MEANS_LATER][i] != INT64_MAX;

        if (!is_beyond) continue;
        co_buf_printf(out,
                      "money: what is left does not cover provider %s: its "
                      "fallbacks write (budget.short: degrade)\n",
                      w->writers[i].provider);
    }
}

/* -- phases --------------------------------------------------------------- */

/* What the first phase will need yet, by what its rows took: so many more rows,
 * a quarter above, and room to reserve one. Nothing when no row is to be begun;
 * all that it has while too little is known, unless nothing is out: then nobody
 * will know more, and the job would end with that money in hand. */
void
means_foresee(struct written *w)
{
    const struct money_phase p = money_phase(w->m, ASK_BACKGROUND);
    const uint64_t rows = personas_progress(w->p).rows, at = ask_expected(w);
    const uint64_t left = rows > at ? rows - at : 0;
    const uint64_t known =
        w->n.rows_begun > w->early ? w->n.rows_begun - w->early : 0;
    __int128 need;

    if (!w->options.shares.is_set) return;
    if (!left && !w->early) {
        money_need(w->m, ASK_BACKGROUND, 0);
        return;
    }
    need = known < (means_is_idle(w) ? 1 : FORESEE_ROWS)
               ? INT64_MAX
               : (__int128)p.sums.settled * left / known * 5 / 4 + w->first;
    money_need(w->m, ASK_BACKGROUND,
               need > INT64_MAX ? INT64_MAX : (int64_t)need);
}

/* -- over ----------------------------------------------------------------- */

/* Rows that are begun, and have the money to end, may be among those that wait
 * for a provider. It is tried in the end: then they are short, or go on. */
static bool
is_over(const struct written *w)
{
    return means_is_idle(w) && w->away_us == INT64_MAX;
}

bool
means_are_spent(const struct written *w)
{
    return w->is_short && !w->is_waiting && is_over(w);
}

const char *
means_short_phase(const struct written *w)
{
    const bool is_phases =
        w->options.shares.is_set && w->short_phase < MONEY_PHASES;

    return is_phases ? shares_phase_name(w->short_phase) : NULL;
}

bool
means_are_shared_out(struct written *w, int64_t now_us)
{
    if (!w->is_waiting || !is_over(w) || !w->options.purse ||
        purse_why(w->options.purse) != PURSE_WHY_TOTAL) {
        w->shared_us = 0;
        return false;
    }
    if (!w->shared_us) w->shared_us = now_us;
    return now_us - w->shared_us >= WRITTEN_SHARED_US;
}
