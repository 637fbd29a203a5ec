/* paid.c - see paid.h. */
#include "tests/sim/paid.h"

#include "common/hash.h"
#include "journal/reader.h"
#include "proto/walk.h"
#include "rows/range.h"
#include "tests/sim/disk.h"
#include "tests/sim/workload.h"

#include <stdlib.h>
#include <string.h>

enum { NOTES_MAX = 64 };

/* What is committed about one ask. */
struct said {
    uint8_t stage;
    bool intended, released, settled;
    int64_t worst;   /* of the intent */
    int64_t charged; /* settled */
    uint8_t outcome;
};

/* What is committed about one row. */
struct said_row {
    struct said *asks; /* ASK_MAX of them; NULL: none */
    uint8_t answered;  /* stages */
    uint64_t answers[ASK_STAGES];
    bool accepted; /* by a range */
};

struct view {
    struct said_row *rows;        /* ITEMS_MAX */
    int64_t settled, open, first; /* first: both, of the first phase */
    bool overrun;
};

/* What happened to one ask in the world. */
struct fact {
    bool given;
    uint8_t sent;
    int64_t bill;
};

/* Accepted, not yet told of as committed. */
struct taken {
    struct taken *next;
    uint64_t task;
    uint32_t len;
    uint8_t data[];
};

struct paid {
    struct view told;
    struct fact *facts[ITEMS_MAX];
    int64_t billed;
    int64_t
        excess; /* of this: beyond their worst case, as the model plays it */
    struct taken *taken;
    struct co_bytes notes[NOTES_MAX]; /* handed to the journal, oldest first */
    unsigned n_notes;
    struct msg_reader *reader;
};

/* ---- life ---- */

static void
view_init(struct view *v)
{
    *v = (struct view){.rows = calloc(ITEMS_MAX, sizeof *v->rows)};
    co_assert(v->rows);
}

static void
view_fini(struct view *v)
{
    for (unsigned i = 0; i < ITEMS_MAX; i++) {
        free(v->rows[i].asks);
    }
    free(v->rows);
}

void
paid_make(struct sim *s)
{
    struct paid *p;

    if (!s->job->work->written) return;
    p = s->job->paid = calloc(1, sizeof *p);
    co_assert(p);
    p->reader = calloc(1, sizeof *p->reader);
    co_assert(p->reader);
    view_init(&p->told);
}

static void
forget_pending(struct paid *p)
{
    while (p->taken) {
        struct taken *next = p->taken->next;

        free(p->taken);
        p->taken = next;
    }
    while (p->n_notes) {
        co_bytes_unref(&p->notes[--p->n_notes]);
    }
}

void
paid_free(struct sim *s)
{
    struct paid *p = s->job->paid;

    if (!p) return;
    forget_pending(p);
    for (unsigned i = 0; i < ITEMS_MAX; i++) {
        free(p->facts[i]);
    }
    view_fini(&p->told);
    free(p->reader);
    free(p);
    s->job->paid = NULL;
}

/* ---- views ---- */

static uint32_t
ask_of(uint64_t task)
{
    return (uint32_t)(task & 0xff) - ASK_STEP;
}

/* Its place; made when there is none. NULL: it is no ask that may be. */
static struct said *
said_of(struct sim *s, struct view *v, uint64_t task)
{
    struct said_row *row;

    if (task >> 8 >= ITEMS_MAX || ask_of(task) >= ASK_MAX) {
        sim_fail(s, "protocol", "%llx is no ask", (unsigned long long)task);
        return NULL;
    }
    row = &v->rows[task >> 8];
    if (!row->asks) row->asks = calloc(ASK_MAX, sizeof *row->asks);
    co_assert(row->asks);
    return &row->asks[ask_of(task)];
}

static struct fact *
fact_of(struct sim *s, uint64_t task)
{
    struct paid *p = s->job->paid;

    co_assert(task >> 8 < ITEMS_MAX && ask_of(task) < ASK_MAX);
    if (!p->facts[task >> 8]) {
        p->facts[task >> 8] = calloc(ASK_MAX, sizeof(struct fact));
    }
    co_assert(p->facts[task >> 8]);
    return &p->facts[task >> 8][ask_of(task)];
}

/* The first phase has its share and the reserve, and no more. */
static void
check_first(struct sim *s, bool overrun, int64_t first)
{
    const struct shares *shares = &s->job->work->shares;

    if (shares->is_set && !overrun &&
        first > shares->share[0] + shares->reserve) {
        sim_fail(s, "G5",
                 "%lld is of the first phase, its share is %lld and "
                 "the reserve %lld",
                 (long long)first, (long long)shares->share[0],
                 (long long)shares->reserve);
    }
}

/* In no prefix of the journal there is more than the cap. */
static void
check_cap(struct sim *s, const struct view *v)
{
    const int64_t cap = s->job->work->cap;
    const long long all = v->settled + v->open;

    if (cap && !v->overrun && all > cap) {
        sim_fail(s, "G5", "%lld is committed to, the cap is %lld", all,
                 (long long)cap);
    }
    check_first(s, v->overrun, v->first);
}

/* What is committed to changes by that much. */
static void
view_charge(struct view *v, const struct said *said, int64_t by)
{
    if (said->stage == ASK_BACKGROUND) v->first += by;
}

static void
view_intent(struct sim *s, struct view *v, uint64_t task, uint64_t stage,
            uint64_t worst)
{
    struct said *said = said_of(s, v, task);

    if (!said) return;
    if (said->intended) {
        sim_fail(s, "G4", "ask %llx is intended twice",
                 (unsigned long long)task);
    }
    *said = (struct said){
        .stage = (uint8_t)stage, .intended = true, .worst = (int64_t)worst};
    v->open += said->worst;
    view_charge(v, said, said->worst);
    check_cap(s, v);
}

static void
view_release(struct sim *s, struct view *v, uint64_t task)
{
    struct said *said = said_of(s, v, task);

    if (!said) return;
    if (!said->intended || said->released || said->settled) return;
    said->released = true;
    v->open -= said->worst;
    view_charge(v, said, -said->worst);
}

static int64_t
cost_of(const struct workload *w, const struct ask_result *r, int64_t worst)
{
    int64_t cost = 0;

    if (r->outcome == ASK_REFUSED) return 0;
    if (!r->has_usage) return worst;
    if (w->price.input < 0) return 0;
    co_assert(price_cost(&w->price, r->input, r->cached, r->output, &cost));
    return cost + w->call_price;
}

/* Only one that the model plays may be. */
static void
view_overrun(struct sim *s, struct view *v, uint64_t task)
{
    v->overrun = true;
    if (task >> 8 == s->job->work->endpoint.overrun_row) return;
    sim_fail(s, "G5", "ask %llx cost more than its worst case",
             (unsigned long long)task);
}

static void
view_answer(struct said_row *row, const struct ask_result *r)
{
    if (r->outcome != ASK_ANSWER || r->stage != row->answered) return;
    row->answers[row->answered++] = co_hash64(r->answer, r->answer_len, 0);
}

static void
view_result(struct sim *s, struct view *v, uint64_t task, const uint8_t *data,
            uint32_t len)
{
    struct said *said = said_of(s, v, task);
    struct ask_result r;

    if (!said) return;
    if (!ask_get_result(data, len, &r)) {
        sim_fail(s, "protocol", "a result of ask %llx cannot be read",
                 (unsigned long long)task);
        return;
    }
    if (!said->intended || said->released || said->settled) return;
    said->settled = true;
    said->outcome = (uint8_t)r.outcome;
    if (r.outcome != ASK_UNKNOWN) {
        said->charged = cost_of(s->job->work, &r, said->worst);
        v->open -= said->worst;
        v->settled += said->charged;
        view_charge(v, said, said->charged - said->worst);
        if (said->charged > said->worst) view_overrun(s, v, task);
    }
    view_answer(&v->rows[task >> 8], &r);
    check_cap(s, v);
}

/* Anything but answers, so that it may have been given up. */
static bool
was_trouble(const struct said_row *row)
{
    for (unsigned i = 0; row->asks && i < ASK_MAX; i++) {
        const struct said *said = &row->asks[i];

        if (!said->intended || said->released) continue;
        if (!said->settled || said->outcome != ASK_ANSWER) return true;
    }
    return false;
}

static void
view_range(struct sim *s, struct view *v, const uint8_t *data, uint32_t len)
{
    struct range_result r;

    if (range_decode(data, len, &r)) {
        sim_fail(s, "protocol", "the result of a range cannot be read");
        return;
    }
    for (uint32_t i = 0; i < r.count; i++) {
        const uint64_t index = r.start + i;
        struct said_row *row = &v->rows[index];

        if (index >= ITEMS_MAX) break;
        if (r.bitmap[i / 8] >> i % 8 & 1) {
            row->accepted = true;
            if (row->answered < ASK_STAGES) {
                sim_fail(s, "G1", "row %llu has %u committed answers",
                         (unsigned long long)index, row->answered);
            }
        } else if (row->answered == ASK_STAGES && !row->accepted &&
                   !was_trouble(row) && workload_accepts(s->job->work, index)) {
            sim_fail(s, "G1", "row %llu is answered and not written",
                     (unsigned long long)index);
        }
    }
    range_result_fini(&r);
}

static void
view_note(struct sim *s, struct view *v, const uint8_t *data, size_t len)
{
    struct walk in = walk_start(data, len);
    const uint32_t n = walk_array(&in);
    const uint64_t type = n ? walk_u64(&in) : 0;

    for (uint32_t i = 1; i < n && !in.bad; i += type == 1 ? 3 : 1) {
        const uint64_t task = walk_u64(&in);

        if (type == 1) {
            const uint64_t stage = walk_u64(&in);

            view_intent(s, v, task, stage, walk_u64(&in));
        } else {
            view_release(s, v, task);
        }
    }
    if (!walk_done(&in) || (type != 1 && type != 2)) {
        sim_fail(s, "protocol", "a note cannot be read");
    }
}

static void
view_task(struct sim *s, struct view *v, uint64_t task, const uint8_t *data,
          uint32_t len)
{
    if ((task & 0xff) >= ASK_STEP) {
        view_result(s, v, task, data, len);
    } else if ((task & 0xff) <= PERSONAS_DEPTH_MAX) {
        view_range(s, v, data, len);
    }
}

/* ---- the journal's bytes ---- */

static void
read_results(struct sim *s, struct view *v, const struct record *r)
{
    const uint8_t *c = r->content;
    struct msg m;
    uint32_t head;

    co_assert(r->length >= 4);
    head = (uint32_t)c[0] | (uint32_t)c[1] << 8 | (uint32_t)c[2] << 16 |
           (uint32_t)c[3] << 24;
    c += 4;
    if (msg_decode(s->job->paid->reader, c, head, &m) ||
        m.type != MSG_results) {
        sim_fail(s, "G3", "a journaled message cannot be read");
        return;
    }
    c += head;
    for (uint32_t i = 0; i < m.results.tasks.n; i++) {
        const uint32_t len = msg_at(m.results.lens, i);

        if (msg_at(m.results.statuses, i) == STATUS_OK) {
            view_task(s, v, m.results.tasks.v[i], c, len);
        }
        c += len;
    }
}

/* As it stands on disk, without segments of owners from below on (0: all). */
static void
read_journal(struct sim *s, struct view *v, uint32_t below)
{
    co_auto(reader_closep) struct reader *reader = NULL;
    struct record record;
    struct co_diag diag = {""};
    enum co_err err = reader_open(disk_journal(s), below, &reader, &diag);

    while (!err) {
        err = reader_next(reader, &record, NULL, &diag);
        if (err) break;
        if (record.type == RECORD_RESULTS) read_results(s, v, &record);
        if (record.type == RECORD_NOTE) {
            view_note(s, v, record.content, record.length);
        }
    }
    if (err != CO_NOTFOUND) {
        sim_fail(s, "G3", "the journal cannot be read: %s", diag.text);
    }
}

/* All that was told as committed is there, and nothing that was sent is not. */
static void
compare_row(struct sim *s, const struct view *disk, uint64_t index)
{
    const struct paid *p = s->job->paid;
    static const struct said nothing = {0};

    for (unsigned i = 0; i < ASK_MAX; i++) {
        const struct said_row *old = &p->told.rows[index],
                              *new = &disk->rows[index];
        const struct said *was = old->asks ? &old->asks[i] : &nothing;
        const struct said *is = new->asks ? &new->asks[i] : &nothing;
        const bool sent = p->facts[index] && p->facts[index][i].sent;

        if (was->intended > is->intended || was->settled > is->settled ||
            was->released > is->released || was->charged > is->charged) {
            sim_fail(s, "G3",
                     "what was committed of ask %u of row %llu is "
                     "not on disk",
                     i, (unsigned long long)index);
        }
        if (sent && (!is->intended || is->released)) {
            sim_fail(s, "G5",
                     "ask %u of row %llu was sent, and no money is "
                     "on it",
                     i, (unsigned long long)index);
        }
    }
}

static void
compare_with_told(struct sim *s, const struct view *disk)
{
    for (uint64_t i = 0; i < ITEMS_MAX; i++) {
        if (s->job->paid->told.rows[i].asks || s->job->paid->facts[i]) {
            compare_row(s, disk, i);
        }
    }
}

/* ---- the endpoint ---- */

void
paid_on_sent(struct sim *s, const struct ask_task *ask, int64_t bill)
{
    const uint64_t task = ask->row << 8 | (ASK_STEP + ask->ask);
    const struct said *said = said_of(s, &s->job->paid->told, task);
    struct fact *fact;

    if (!said) return;
    fact = fact_of(s, task);
    s->result.faults.call_sent++;
    fact->sent++;
    fact->bill += bill;
    s->job->paid->billed += bill;
    if (bill > said->worst) s->job->paid->excess += bill - said->worst;
    if (fact->sent > 1) {
        sim_fail(s, "G4", "ask %llx is sent twice", (unsigned long long)task);
    } else if (!said->intended || said->released) {
        sim_fail(s, "G4", "ask %llx is sent, and its intent is not on disk",
                 (unsigned long long)task);
    } else if (said->settled) {
        sim_fail(s, "G4", "ask %llx is sent after its outcome is committed",
                 (unsigned long long)task);
    }
    if (said->stage != ask->stage) {
        sim_fail(s, "G4", "ask %llx is of another stage",
                 (unsigned long long)task);
    }
}

/* ---- the owner's kind ---- */

void
paid_on_given(struct sim *s, uint64_t task)
{
    struct fact *fact = fact_of(s, task);

    if (fact->given) {
        sim_fail(s, "G4", "ask %llx is given out twice",
                 (unsigned long long)task);
    }
    fact->given = true;
}

void
paid_on_published(struct sim *s, uint64_t task)
{
    const struct said *said = said_of(s, &s->job->paid->told, task);

    if (!said) return;
    if (!said->intended || said->released || said->settled) {
        sim_fail(s, "G4", "ask %llx is published, and is not open on disk",
                 (unsigned long long)task);
    }
    if (s->job->paid->told.rows[task >> 8].answered > said->stage) {
        sim_fail(s, "G4", "ask %llx is published, its row has that answer",
                 (unsigned long long)task);
    }
    if (fact_of(s, task)->sent) {
        sim_fail(s, "G4", "ask %llx is published again, and was sent",
                 (unsigned long long)task);
    }
}

void
paid_on_taken(struct sim *s, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct taken **at = &s->job->paid->taken;
    struct taken *t = malloc(sizeof *t + len);

    co_assert(t);
    while (*at) {
        at = &(*at)->next;
    }
    *t = (struct taken){.task = task, .len = len};
    memcpy(t->data, data, len);
    *at = t;
}

void
paid_on_placed(struct sim *s, uint64_t task)
{
    struct taken **at = &s->job->paid->taken, *t;

    while (*at && (*at)->task != task) {
        at = &(*at)->next;
    }
    t = *at;
    if (!t) return; /* its record was copied */
    view_task(s, &s->job->paid->told, task, t->data, t->len);
    *at = t->next;
    free(t);
}

void
paid_on_note(struct sim *s, const uint8_t *data, size_t len)
{
    struct paid *p = s->job->paid;

    co_assert(p->n_notes < NOTES_MAX);
    co_assert(!co_bytes_copy(data, len, &p->notes[p->n_notes++]));
}

void
paid_on_noted(struct sim *s)
{
    struct paid *p = s->job->paid;

    if (!p->n_notes) {
        sim_fail(s, "G5", "a note is told as committed that was none");
        return;
    }
    view_note(s, &p->told, p->notes[0].data, p->notes[0].len);
    co_bytes_unref(&p->notes[0]);
    memmove(p->notes, p->notes + 1, --p->n_notes * sizeof p->notes[0]);
}

/* ---- lives of the owner ---- */

void
paid_on_replay(struct sim *s)
{
    forget_pending(s->job->paid);
}

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
    check_first(s, p->told.overrun, charged_by(w, ASK_BACKGROUND));
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

static void
believe_disk(struct sim *s, uint32_t below)
{
    struct view disk;

    view_init(&disk);
    read_journal(s, &disk, below);
    compare_with_told(s, &disk);
    view_fini(&s->job->paid->told);
    s->job->paid->told = disk;
}

void
paid_on_replayed(struct sim *s, uint32_t number, const struct written *w)
{
    believe_disk(s, number);
    check_equal(s, w);
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
        int64_t worst = 0;

        co_assert(money_worst(&work->price, work->call_price,
                              work->stages[i].input_max +
                                  work->stages[i].repair_max + ASK_ANSWER_MAX +
                                  ASK_WRONG_MAX + ASK_ERROR_MAX,
                              work->stages[i].output_max, &worst));
        dearest += worst;
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

    believe_disk(s, 0);
    paid_check(s, w);
    check_equal(s, w);
    s->result.faults.answer_salvaged += n->salvaged;
    s->result.faults.answer_surplus += written_counters(w)->surplus;
    for (uint64_t i = 0; i < ITEMS_MAX && s->job->work->price.input >= 0; i++) {
        check_unpaid_for(s, i);
    }
    s->job->partial = how == OWNER_PARTIAL;
    if (s->job->partial && !is_hopeless(s, w)) check_partial(s, w);
}

/* ---- questions ---- */

bool
paid_is_settled(const struct sim *s, uint64_t task)
{
    const struct said_row *row = &s->job->paid->told.rows[task >> 8];

    return task >> 8 < ITEMS_MAX && row->asks && ask_of(task) < ASK_MAX &&
           row->asks[ask_of(task)].settled;
}

bool
paid_row(const struct sim *s, uint64_t row, uint64_t *ret_text)
{
    const struct said_row *said = &s->job->paid->told.rows[row];

    *ret_text = co_mix64(said->answers[0] * 3 + said->answers[1]);
    return said->accepted;
}
