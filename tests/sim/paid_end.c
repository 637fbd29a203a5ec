/* paid_end.c - an owner's ledger against what is committed and what is billed:
 * after each turn, after a replay, and at the end. */
#include "tests/sim/paid_core.h"

#include <string.h>

static int64_t
charged_by(const struct written *w, unsigned phase)
{
    const struct money_sums m = money_phase(written_money(w), phase).sums;

    return m.settled + m.unknown + m.reserved;
}

void
paid_check(struct sim *s, const struct written *w)
{
    const struct paid *p = s->job->paid;
    const struct money_sums m = money_sums(written_money(w));
    const int64_t all = m.settled + m.unknown + m.reserved;
    const int64_t cap = s->job->work->cap;

    if (m.settled != p->told.settled) {
        sim_fail(s, "G5", "%lld is settled, outcomes cost %lld",
                 (long long)m.settled, (long long)p->told.settled);
    }
    if (m.unknown + m.reserved < p->told.open) {
        sim_fail(s, "G5", "%lld unknown, %lld reserved, %lld are open",
                 (long long)m.unknown, (long long)m.reserved,
                 (long long)p->told.open);
    }
    if (cap && all > cap && !p->told.overrun) {
        sim_fail(s, "G5", "%lld is charged, the cap is %lld", (long long)all,
                 (long long)cap);
    }
    paid_writers_check(s, w, false);
    view_check_first(s, p->told.overrun, charged_by(w, ASK_BACKGROUND));
    if (p->billed > all + p->excess && s->job->work->price.input >= 0) {
        sim_fail(s, "G5", "the endpoint bills %lld, %lld is charged",
                 (long long)p->billed, (long long)all);
    }
}

/* Nothing is on its way to the disk: the ledger is what the disk says. */
static void
check_equal(struct sim *s, const struct written *w)
{
    const struct money_sums m = money_sums(written_money(w));
    const struct view *told = &s->job->paid->told;

    if (m.settled != told->settled || m.unknown + m.reserved != told->open) {
        sim_fail(s, "G5",
                 "%lld settled, %lld unknown, %lld reserved; on disk "
                 "%lld and %lld",
                 (long long)m.settled, (long long)m.unknown,
                 (long long)m.reserved, (long long)told->settled,
                 (long long)told->open);
    }
}

void
paid_on_replayed(struct sim *s, uint32_t number, const struct written *w)
{
    paid_disk_believe(s, number);
    check_equal(s, w);
    paid_writers_check(s, w, true);
}

/* It stopped as row after row was given up: no money was short. */
static bool
is_hopeless(struct sim *s, const struct written *w)
{
    struct kind_money told;

    written_kind.money(w, &told);
    sim_trace(s, "why it stopped: %s", told.stop ? told.stop : "");
    return written_counters(w)->rows_dead >= WRITTEN_HOPELESS_STREAK &&
           told.stop && strstr(told.stop, "one after another, were given up");
}

/* The dearest ask of a stage that there may be, of all writers. */
static int64_t
dearest_of(const struct workload *work, unsigned stage)
{
    int64_t dearest = 0;

    for (uint32_t i = 0; i < work->n_writers; i++) {
        const struct written_writer *by = &work->writers[i];
        int64_t worst = 0;

        co_assert(money_worst(
            &by->price,
            by->stages[stage].input_max + by->stages[stage].repair_max +
                ASK_ANSWER_MAX + ASK_WRONG_MAX + ASK_ERROR_MAX,
            by->stages[stage].output_max, 0, &worst));
        if (worst > dearest) dearest = worst;
    }
    return dearest;
}

/* It stopped for want of money, or because a call cost too much. */
static void
check_partial(struct sim *s, const struct written *w)
{
    const struct workload *work = s->job->work;
    const struct money_sums m = money_sums(written_money(w));
    int64_t left = work->cap - m.settled - m.unknown - m.reserved;
    int64_t dearest = 0;

    s->result.faults.money_spent++;
    if (s->job->paid->told.overrun) return;
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        dearest += dearest_of(work, i);
    }
    for (unsigned i = 0; work->shares.is_set && i < ASK_STAGES; i++) {
        const int64_t of_phase =
            work->shares.share[i] + work->shares.reserve - charged_by(w, i);

        left = of_phase < left ? of_phase : left;
    }
    if (!work->cap || left > dearest) {
        sim_fail(s, "G5", "the job ends with %lld left of %lld",
                 (long long)left, (long long)work->cap);
    }
}

static void
check_unpaid_for(struct sim *s, uint64_t index)
{
    const struct said_row *row = &s->job->paid->told.rows[index];
    const struct fact *facts = s->job->paid->facts[index];

    for (unsigned i = 0; row->asks && i < ASK_MAX; i++) {
        const struct said *said = &row->asks[i];
        const int64_t bill = facts ? facts[i].bill : 0;
        const int64_t charged = said->settled && said->outcome != ASK_UNKNOWN
                                    ? said->charged
                                : said->released ? 0
                                                 : said->worst;

        if (said->settled && said->counted && charged > bill) {
            sim_fail(s, "G5", "ask %u of row %llu did cost %lld, settled: %lld",
                     i, (unsigned long long)index, (long long)bill,
                     (long long)charged);
        }
        if (bill > charged && bill <= said->worst) {
            sim_fail(s, "G5", "ask %u of row %llu did cost %lld, charged: %lld",
                     i, (unsigned long long)index, (long long)bill,
                     (long long)charged);
        }
    }
}

void
paid_on_end(struct sim *s, const struct written *w, enum owner_end how)
{
    const struct money_counters *n = money_counters(written_money(w));

    paid_disk_believe(s, 0);
    paid_check(s, w);
    check_equal(s, w);
    paid_writers_check(s, w, true);
    paid_writers_count(s, w);
    s->result.faults.answer_salvaged += n->salvaged;
    s->result.faults.answer_surplus += written_counters(w)->surplus;
    for (uint64_t i = 0; i < ITEMS_MAX && s->job->work->price.input >= 0; i++) {
        check_unpaid_for(s, i);
    }
    s->job->partial = how == OWNER_PARTIAL;
    if (s->job->partial && !is_hopeless(s, w)) check_partial(s, w);
}
