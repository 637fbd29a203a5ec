/* kind_written_told.c - what the written kind tells of its money, and what it
 * does with intents when the job is stopped. */
#include "coordinator/kind_written_core.h"

#include <string.h>

/* So many refusals without an answer between them are no accident. */
enum { REFUSED_SAID = 3 };

#define SHORT_TEXT(phase)                                                      \
    "the share of phase " phase " and the reserve cover no further row; with " \
    "a higher budget.usd or other budget.phases the same command goes on"
static const char *const short_texts[] = {
    [ASK_BACKGROUND] = SHORT_TEXT("background"),
    [ASK_PERSONAS] = SHORT_TEXT("personas"),
};
_Static_assert(co_countof(short_texts) == MONEY_PHASES, "one a phase");

/* Why nothing new is asked, in a person's words; NULL: it is. */
static const char *
stop_of(const struct written *w)
{
    if (w->over == WRITTEN_SPENT && means_short_phase(w)) {
        return short_texts[w->short_phase];
    }
    if (w->over == WRITTEN_SPENT) {
        return "the money left covers no further row; with a higher "
               "budget.usd the same command goes on";
    }
    if (w->over == WRITTEN_SHARED) {
        return "the cap over all jobs (`cohort budget show`) covers no further "
               "call; with a higher one the same command goes on";
    }
    if (w->over == WRITTEN_OVERRUN) {
        return "a call cost more than it could: the prices of the job file are "
               "not those of the endpoint, or it counts tokens wrongly";
    }
    if (w->over == WRITTEN_HOPELESS) return w->hopeless_why;
    return w->refusals >= REFUSED_SAID ? w->refusal : NULL;
}

/* One row that is refused time and again is no endpoint that refuses all, but
 * where nobody ever got an answer. */
static bool
is_refused(const struct written *w)
{
    const struct money_counters *n = money_counters(w->m);

    if (w->over != WRITTEN_GOES_ON) return false;
    return w->streak >= REFUSED_SAID ||
           (w->refusals >= REFUSED_SAID &&
            n->calls == n->outcomes[ASK_REFUSED] + n->outcomes[ASK_UNKNOWN]);
}

/* In parts in a million: of the rows that a model was asked for to the end,
 * those that the job's gates let through: not given up, and no duplicate. */
static uint64_t
quality_of(const struct written *w)
{
    const uint64_t ended = w->n.rows_done + w->n.rows_dead - w->n.revived;
    struct kind_ledger l;

    if (!ended) return 0;
    personas_kind.ledger(w->p, &l);
    if (l.duplicates >= w->n.rows_done) return 0;
    return (w->n.rows_done - l.duplicates) * 1000000 / ended;
}

static struct money_phase_fields
told_phase(const struct written *w, unsigned i)
{
    const struct money_phase p = money_phase(w->m, i);

    return (struct money_phase_fields){.share = p.share,
                                       .settled = p.sums.settled,
                                       .unknown = p.sums.unknown,
                                       .reserved = p.sums.reserved,
                                       .calls = p.calls,
                                       .input_tokens = p.input_tokens,
                                       .cached_tokens = p.cached_tokens,
                                       .output_tokens = p.output_tokens};
}

/* What there is to do about it differs. */
static const char *
hold_code(enum purse_why why)
{
    switch (why) {
    case PURSE_WHY_DAY:
        return "cap_day";
    case PURSE_WHY_TOTAL:
        return "cap_total";
    case PURSE_WHY_ELSEWHERE:
    case PURSE_WHY_NO_LEDGER:
    case PURSE_WHY_UNSURE:
    case PURSE_WHY_CLOSED:
        return "cap_ledger";
    case PURSE_WHY_OFF:
    case PURSE_WHY_OPEN:
    case PURSE_WHY_UNASKED:
    case PURSE_WHY_ASKED:
    case PURSE_WHY_STALE:
    case PURSE_WHY_COUNT:
        break;
    }
    return "cap_wait";
}

static void
tell_hold(const struct written *w, struct kind_money *m)
{
    enum purse_why why;

    if (w->over || !w->options.purse) return;
    why = purse_why(w->options.purse);
    if (ask_is_unpriced(w) && why != PURSE_WHY_UNASKED) {
        m->hold = "caps over several jobs hold, and under them nothing can be "
                  "spent without a price";
        m->hold_code = "no_price";
        return;
    }
    if (why <= PURSE_WHY_OPEN) return;
    if (!w->is_waiting && !ask_is_unpriced(w)) return;
    m->hold = purse_why_text(why);
    m->hold_code = hold_code(why);
}

static void
tell_calls(const struct written *w, struct kind_money *m)
{
    const struct money_counters *n = money_counters(w->m);

    memcpy(m->outcomes, n->outcomes, sizeof m->outcomes);
    m->mended = w->n.mended;
    m->afresh = w->n.afresh;
    m->gone = n->lost;
    m->salvaged = n->salvaged;
    m->surplus = w->n.surplus;
    m->unbilled = n->unbilled;
    m->overruns = n->overruns;
    m->rows_dead = w->n.rows_dead;
}

/* Rounded up: 0 says that nobody knows. */
static uint64_t
call_ms(const struct written *w)
{
    if (w->timed.calls == 0) return 0;
    return (w->timed.us / w->timed.calls + 999) / 1000;
}

void
written_told(const void *kind, struct kind_money *ret_money)
{
    const struct written *w = kind;
    const struct money_counters *n = money_counters(w->m);
    const struct money_sums sums = money_sums(w->m);

    *ret_money = (struct kind_money){
        .has_price = w->priced,
        .cap = money_cap(w->m) > 0 ? money_cap(w->m) : -1,
        .settled = sums.settled,
        .unknown = sums.unknown,
        .reserved = sums.reserved,
        .calls = n->calls - n->outcomes[ASK_UNKNOWN],
        .lost = money_unknown(w->m),
        .cached_calls = w->n.cached,
        .unrecorded = w->n.unrecorded,
        .input_tokens = n->input_tokens,
        .cached_tokens = n->cached_tokens,
        .output_tokens = n->output_tokens,
        .characters = n->characters,
        .held_ms = n->held_ms,
        .written = w->n.rows_done,
        .words = w->n.words,
        .quality_ppm = quality_of(w),
        .call_ms = call_ms(w),
        .degraded = w->n.degraded,
        .built = w->n.built,
        .starved = w->n.starved,
        .has_phases = true,
        .stop = stop_of(w),
        .batches = w->batches[0] ? w->batches : NULL,
        .refused = is_refused(w),
    };
    for (unsigned i = 0; i < MONEY_PHASES; i++) {
        ret_money->phases[i] = told_phase(w, i);
    }
    tell_calls(w, ret_money);
    tell_hold(w, ret_money);
}

/* An intent without an outcome would be waited for in the next life, and cost
 * its worst case in the end, though nobody was asked. */
void
written_stopping(void *kind)
{
    struct written *w = kind;

    for (uint32_t b = 0; b < w->n_blocks; b++) {
        for (uint32_t i = 0; i < PERSONAS_CELL; i++) {
            struct talk *t = &w->blocks[b]->talks[i];

            if (t->state != TALK_INTENT && t->state != TALK_READY) continue;
            rows_withdraw(w, w->blocks[b]->cell * PERSONAS_CELL + i, t);
        }
    }
}

/* Its answer cannot come: its money is free for the next life. */
bool
written_unsent(void *kind, uint64_t task)
{
    struct written *w = kind;
    struct talk *t;

    if (batchbook_is_op(task)) {
        batchbook_gone(&w->book, task, false, w->now_us);
        return true;
    }
    if (!written_is_ask(task)) return false;
    t = rows_talk(w, task >> 8);
    if (!t || t->state != TALK_OUT || !talk_is_present(t, written_ask(task))) {
        return false;
    }
    rows_unsent(w, task >> 8, t);
    return true;
}
