/* kind_written_why.c - questions: what the job waits for, and what money does.
 */
#include "coordinator/kind_written_core.h"

#include <inttypes.h>

/* Rows by the state of their talk. */
struct census {
    uint64_t n[TALK_STATES];
};

static struct census
count_rows(const struct written *w)
{
    struct census c = {{0}};

    for (uint32_t b = 0; b < w->n_blocks; b++) {
        for (uint32_t i = 0; i < PERSONAS_CELL; i++) {
            c.n[w->blocks[b]->talks[i].state]++;
        }
    }
    return c;
}

static const char *
over_name(const struct written *w)
{
    static const char *const names[] = {[WRITTEN_GOES_ON] = "",
                                        [WRITTEN_SPENT] = "spent",
                                        [WRITTEN_SHARED] = "shared",
                                        [WRITTEN_OVERRUN] = "overrun",
                                        [WRITTEN_HOPELESS] = "hopeless"};

    return names[w->over];
}

/* -- summary -------------------------------------------------------------- */

static void
put_talk(const struct written *w, struct co_buf *out)
{
    const struct census c = count_rows(w);

    co_buf_printf(out,
                  "{\"stopped\":\"%s\",\"answer_bytes\":%" PRIu64
                  ",\"asked\":%" PRIu64 ",\"waiting\":%" PRIu64,
                  over_name(w), w->bytes,
                  c.n[TALK_OUT] + c.n[TALK_OPEN] + c.n[TALK_TAKEN],
                  c.n[TALK_WANTED] + c.n[TALK_INTENT] + c.n[TALK_READY]);
#define X(name, text) co_buf_printf(out, ",\"" #name "\":%" PRIu64, w->n.name);
    WRITTEN_COUNTER_LIST(X)
#undef X
    co_buf_puts(out, "}");
}

/* The object of the personas kind, with two members more. */
void
written_summary(const void *kind, struct co_buf *out)
{
    const struct written *w = kind;

    personas_kind.summary(w->p, out);
    if (out->err) return;
    co_assert(out->len && out->data[out->len - 1] == '}');
    out->len--;
    co_buf_puts(out, ",\"money\":");
    money_json(w->m, out);
    co_buf_puts(out, ",\"talk\":");
    put_talk(w, out);
    if (w->options.table) {
        co_buf_puts(out, ",\"arms\":");
        (void)written_arms(w, out);
    }
    co_buf_puts(out, ",\"batches\":");
    batch_summary(w, out);
    co_buf_puts(out, "}");
}

/* -- why ------------------------------------------------------------------ */

/* What their money hangs on differs. */
static void
why_unknown(const struct money *m, struct co_buf *out)
{
    const uint64_t broken = money_counters(m)->outcomes[ASK_UNKNOWN];

    if (money_unknown(m) > broken) {
        co_buf_printf(out,
                      "money: %" PRIu64
                      " calls were lost on the way or with their worker; a "
                      "late answer settles what they cost\n",
                      money_unknown(m) - broken);
    }
    if (broken) {
        co_buf_printf(out,
                      "money: %" PRIu64
                      " calls were sent and broke off without an answer; what "
                      "they cost stays unknown for good\n",
                      broken);
    }
}

static void
why_phases(const struct money *m, struct co_buf *out)
{
    char charged[PRICE_TEXT_BYTES], share[PRICE_TEXT_BYTES];
    int64_t reserve, taken = money_taken(m, &reserve);

    for (unsigned i = 0; i < MONEY_PHASES; i++) {
        const struct money_phase p = money_phase(m, i);

        if (p.share < 0) return;
        co_buf_printf(
            out, "money: phase %s has %s USD of its share of %s",
            shares_phase_name(i),
            price_text(p.sums.settled + p.sums.unknown + p.sums.reserved,
                       charged),
            price_text(p.share, share));
        if (p.limit != p.share) {
            co_buf_printf(out, ", %s with what flowed",
                          price_text(p.limit, share));
        }
        co_buf_puts(out, "\n");
    }
    co_buf_printf(out, "money: %s USD of the reserve of %s are taken\n",
                  price_text(taken, charged), price_text(reserve, share));
}

static void
why_money(const struct written *w, struct co_buf *out)
{
    const struct money_sums s = money_sums(w->m);
    char settled[PRICE_TEXT_BYTES], unknown[PRICE_TEXT_BYTES],
        reserved[PRICE_TEXT_BYTES], cap[PRICE_TEXT_BYTES];

    if (!w->priced) {
        co_buf_puts(out, "money: the price of the model is not known\n");
        if (ask_is_unpriced(w)) {
            co_buf_puts(out, "money: caps over several jobs hold, and are "
                             "asked of Redis first; under them nothing can be "
                             "spent without a price\n");
        }
        return;
    }
    co_buf_printf(
        out,
        "money: %s USD settled, %s unknown, %s reserved for %" PRIu32 " calls",
        price_text(s.settled, settled), price_text(s.unknown, unknown),
        price_text(s.reserved, reserved), money_open(w->m));
    if (money_cap(w->m)) {
        co_buf_printf(out, ", of at most %s", price_text(money_cap(w->m), cap));
    }
    co_buf_puts(out, "\n");
    why_phases(w->m, out);
    if (w->options.purse && purse_why(w->options.purse) > PURSE_WHY_OPEN) {
        co_buf_printf(out, "money: %s\n",
                      purse_why_text(purse_why(w->options.purse)));
    }
    why_unknown(w->m, out);
}

/* What is waited for, in the order in which it would be put right. */
static void
why_asks(const struct written *w, int64_t now_us, struct co_buf *out)
{
    const struct census c = count_rows(w);

    for (unsigned s = TALK_WANTED; s < TALK_DONE; s++) {
        if (!c.n[s]) continue;
        co_buf_printf(out, "rows: %" PRIu64 " %s\n", c.n[s],
                      talk_state_text((enum talk_state)s));
    }
    if (w->waits.n) {
        co_buf_printf(out,
                      "rows: the next that waits to be asked again does so in "
                      "%" PRId64 " ms\n",
                      w->waits.v[0].due_us > now_us
                          ? (w->waits.v[0].due_us - now_us) / 1000
                          : 0);
    }
    if (c.n[TALK_OPEN] && w->open_due_us != INT64_MAX && w->running) {
        co_buf_printf(
            out,
            "asks of an earlier life are waited for, for %" PRId64 " ms more\n",
            w->open_due_us > now_us ? (w->open_due_us - now_us) / 1000 : 0);
    }
    if (money_counters(w->m)->nameless) {
        co_buf_printf(out,
                      "money: %" PRIu64
                      " of the lost calls are too many to be known by their "
                      "ids: no late answer settles them\n",
                      money_counters(w->m)->nameless);
    }
}

static void
why_stopped(const struct written *w, int64_t now_us, struct co_buf *out)
{
    if (w->over == WRITTEN_SPENT && means_short_phase(w)) {
        co_buf_printf(out,
                      "stopped: the share of phase %s and the reserve do not "
                      "cover another call. Raise budget.usd, or give the phase "
                      "more of it, and run the job again: it goes on where it "
                      "stopped\n",
                      means_short_phase(w));
    } else if (w->over == WRITTEN_SPENT) {
        co_buf_puts(out, "stopped: the money left does not cover another "
                         "call. Raise the job's budget and run it again: it "
                         "goes on where it stopped\n");
    } else if (w->over == WRITTEN_SHARED) {
        co_buf_puts(out, "stopped: what the cap over all jobs leaves does not "
                         "cover another call. Raise it (`cohort budget set "
                         "--total`) and run the job again: it goes on where it "
                         "stopped\n");
    } else if (w->over == WRITTEN_OVERRUN) {
        co_buf_puts(out, "stopped: a call cost more than it could by its "
                         "prices and limits. Check them against the "
                         "provider's bill\n");
    } else if (w->over == WRITTEN_HOPELESS) {
        co_buf_printf(out, "stopped: %s\n", w->hopeless_why);
    } else if (ask_is_paused(w)) {
        co_buf_printf(out,
                      "paused: %" PRIu32 " asks were refused one after "
                      "another; one is tried in %" PRId64 " ms. The last: %s\n",
                      w->streak,
                      w->probe_us > now_us ? (w->probe_us - now_us) / 1000 : 0,
                      w->refusal);
    } else if (w->held_back == KIND_NEXT_MONEY ||
               w->held_back == KIND_NEXT_ANSWERS) {
        co_buf_printf(out, "no new row is begun: %s\n",
                      kind_next_text(w->held_back));
    }
}

void
written_why(const void *kind, int64_t now_us, struct co_buf *out)
{
    const struct written *w = kind;

    why_stopped(w, now_us, out);
    why_money(w, out);
    why_asks(w, now_us, out);
    means_why(w, out);
    arms_why(w, now_us, out);
    batch_why(w, now_us, out);
    co_buf_printf(out,
                  "answers: %" PRIu64
                  " bytes in memory, new rows up to %" PRIu64 "\n",
                  w->bytes, w->options.answers_max);
#define X(name, text)                                                          \
    if (w->n.name)                                                             \
        co_buf_printf(out, "%-14s %" PRIu64 "  %s\n", #name, w->n.name, text);
    WRITTEN_COUNTER_LIST(X)
#undef X
    personas_kind.why(w->p, now_us, out);
}

/* -- the checker ---------------------------------------------------------- */

static const char *
check_holds(const struct written *w)
{
    uint64_t coming = 0, early = 0, by = 0;

    for (uint32_t i = 0; i < w->n_holds; i++) {
        const struct hold *h = &w->holds[i];
        uint32_t live = 0, done = 0;

        for (uint64_t row = h->start; row < h->start + h->count; row++) {
            const struct talk *t = rows_talk(w, row);

            if (!t) continue;
            live += talk_is_live(t);
            done += t->state == TALK_DONE;
            early += talk_is_live(t) && t->stage + 1 < ASK_STAGES;
        }
        if (live != h->live || done != h->done) {
            return "a range's rows are miscounted";
        }
        if (i && h[-1].start + h[-1].count > h->start) {
            return "held ranges overlap";
        }
        coming += live + done;
    }
    if (coming != w->coming) return "rows to come are miscounted";
    for (uint32_t i = 0; i < w->n_writers; i++) {
        by += w->early_by[i];
    }
    if (early != w->early || by != early) {
        return "rows at their first stage are miscounted";
    }
    return NULL;
}

/* What is out has money reserved, or is known to be unknown. */
static const char *
check_talks(const struct written *w)
{
    uint64_t bytes = 0;
    uint32_t ahead = 0;

    for (uint32_t b = 0; b < w->n_blocks; b++) {
        for (uint32_t i = 0; i < PERSONAS_CELL; i++) {
            const struct talk *t = &w->blocks[b]->talks[i];
            const uint64_t row = w->blocks[b]->cell * PERSONAS_CELL + i;

            bytes += talk_bytes(t);
            ahead += t->state == TALK_INTENT || t->state == TALK_READY;
            if (t->state < TALK_INTENT || t->state > TALK_TAKEN) continue;
            if (!money_has(w->m, written_task(row, t->asks - 1u), NULL)) {
                return "an ask is out without money";
            }
        }
    }
    for (uint32_t i = 0; i < w->n_taken; i++) {
        bytes += w->taken[i]->len;
    }
    if (ahead != w->ahead) return "asks to be given out are miscounted";
    return bytes == w->bytes ? NULL : "bytes of answers are miscounted";
}

const char *
written_check(const void *kind)
{
    const struct written *w = kind;
    const char *broken = money_check(w->m);

    if (!broken) broken = check_holds(w);
    if (!broken) broken = check_talks(w);
    return broken ? broken : personas_kind.check(w->p);
}
