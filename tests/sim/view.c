/* view.c - what the records of a job say: its asks, their money, its rows. The
 * rules of coordinator/money.h and talk.h, a second time. */
#include "tests/sim/paid_core.h"

#include "common/hash.h"
#include "coordinator/batchbook.h"
#include "proto/walk.h"
#include "rows/range.h"

#include <stdlib.h>

void
view_init(struct view *v)
{
    *v = (struct view){.rows = calloc(ITEMS_MAX, sizeof *v->rows)};
    co_assert(v->rows);
}

void
view_fini(struct view *v)
{
    for (unsigned i = 0; i < ITEMS_MAX; i++) {
        free(v->rows[i].asks);
    }
    free(v->rows);
    paid_batches_fini(v);
}

uint32_t
view_ask_of(uint64_t task)
{
    return (uint32_t)(task & 0xff) - ASK_STEP;
}

struct said *
view_said(struct sim *s, struct view *v, uint64_t task)
{
    struct said_row *row;

    if (task >> 8 >= ITEMS_MAX || view_ask_of(task) >= ASK_MAX) {
        sim_fail(s, "protocol", "%llx is no ask", (unsigned long long)task);
        return NULL;
    }
    row = &v->rows[task >> 8];
    if (!row->asks) row->asks = calloc(ASK_MAX, sizeof *row->asks);
    co_assert(row->asks);
    return &row->asks[view_ask_of(task)];
}

void
view_check_first(struct sim *s, bool overrun, int64_t first)
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
    view_check_first(s, v->overrun, v->first);
}

/* What is committed to changes by that much. */
static void
view_charge(struct view *v, const struct said *said, int64_t by)
{
    if (said->stage == ASK_BACKGROUND) v->first += by;
}

static void
view_intent(struct sim *s, struct view *v, uint64_t task, uint64_t stage,
            uint64_t worst, uint64_t writer)
{
    struct said *said = view_said(s, v, task);

    if (!said) return;
    if (said->intended) {
        sim_fail(s, "G4", "ask %llx is intended twice",
                 (unsigned long long)task);
    }
    *said = (struct said){.stage = (uint8_t)stage,
                          .writer = (uint8_t)writer,
                          .intended = true,
                          .worst = (int64_t)worst};
    paid_writers_intent(s, task >> 8, writer);
    v->open += said->worst;
    view_charge(v, said, said->worst);
    check_cap(s, v);
}

void
view_release(struct sim *s, struct view *v, uint64_t task)
{
    struct said *said = view_said(s, v, task);

    if (!said) return;
    if (!said->intended || said->released || said->settled) return;
    said->released = true;
    v->open -= said->worst;
    view_charge(v, said, -said->worst);
}

void
view_refuse(struct sim *s, struct view *v, uint64_t task)
{
    struct said *said = view_said(s, v, task);

    if (!said || !said->intended || said->released || said->settled) return;
    said->settled = true;
    said->outcome = ASK_REFUSED;
    v->open -= said->worst;
    view_charge(v, said, -said->worst);
}

static int64_t
cost_of(const struct workload *w, const struct said *said,
        const struct ask_result *r)
{
    const struct written_writer *by = &w->writers[said->writer];
    const struct price_use use = {.cached_input = r->cached,
                                  .call = 1,
                                  .input = r->input,
                                  .output = r->output};
    int64_t cost = 0;

    if (r->outcome == ASK_REFUSED) return 0;
    if (!r->has_usage) return said->worst;
    if (by->price.input < 0) return 0;
    co_assert(price_cost(&by->price, &use, &cost));
    return cost;
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

bool
view_is_done(const struct said_row *row)
{
    return row->built || row->answered == ASK_STAGES;
}

/* Whether it is the one that its row waited for. */
static bool
view_answer(struct said_row *row, const struct ask_result *r)
{
    if (r->outcome != ASK_ANSWER || row->built || r->stage != row->answered) {
        return false;
    }
    row->answers[row->answered++] = co_hash64(r->answer, r->answer_len, 0);
    return true;
}

/* What its row says of itself is summed up until it is done. */
static void
view_row(struct sim *s, struct view *v, uint64_t task, const struct said *said,
         const struct ask_result *r)
{
    struct said_row *row = &v->rows[task >> 8];

    if (!view_is_done(row)) {
        row->cost += said->charged;
        row->input += r->has_usage ? r->input : 0;
        row->output += r->has_usage ? r->output : 0;
    }
    paid_writers_outcome(s, v, task, r, view_answer(row, r));
}

static void
view_result(struct sim *s, struct view *v, uint64_t task, const uint8_t *data,
            uint32_t len)
{
    struct said *said = view_said(s, v, task);
    struct ask_result r;

    if (!said) return;
    if (!ask_get_result(data, len, &r)) {
        sim_fail(s, "protocol", "a result of ask %llx cannot be read",
                 (unsigned long long)task);
        return;
    }
    if (!said->intended || said->released || said->settled) return;
    said->settled = true;
    said->counted = r.has_usage;
    said->outcome = (uint8_t)r.outcome;
    if (r.outcome != ASK_UNKNOWN) {
        said->charged = cost_of(s->job->work, said, &r);
        v->open -= said->worst;
        v->settled += said->charged;
        view_charge(v, said, said->charged - said->worst);
        if (said->charged > said->worst) view_overrun(s, v, task);
    }
    view_row(s, v, task, said, &r);
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
            if (!row->accepted) paid_writers_accept(v, index);
            row->accepted = true;
            if (!view_is_done(row)) {
                sim_fail(s, "G1", "row %llu has %u committed answers",
                         (unsigned long long)index, row->answered);
            }
        } else if (view_is_done(row) && !row->accepted && !was_trouble(row) &&
                   workload_accepts(s->job->work, index)) {
            sim_fail(s, "G1", "row %llu is answered and not written",
                     (unsigned long long)index);
        }
    }
    range_result_fini(&r);
}

/* Numbers for each task; 0: no such record. */
static uint32_t
width_of(uint64_t type)
{
    switch (type) {
    case 1: /* intents */
        return 3;
    case 2: /* releases */
        return 1;
    case 20: /* intents, each for a writer */
        return 5;
    case 21: /* rows for the built-in writer */
        return 2;
    default:
        return 0;
    }
}

enum { NOTE_BATCH = 6 };

static void
view_element(struct sim *s, struct view *v, uint64_t type, struct walk *in)
{
    const uint64_t task = walk_u64(in);
    uint64_t stage, worst, writer = 0;

    if (type == 2) {
        view_release(s, v, task);
        return;
    }
    stage = walk_u64(in);
    if (type == 21) {
        paid_writers_built(s, v, task, stage);
        return;
    }
    worst = walk_u64(in);
    if (type == 20) {
        (void)walk_u64(in); /* the day */
        writer = walk_u64(in);
    }
    if (!in->bad) view_intent(s, v, task, stage, worst, writer);
}

void
view_note(struct sim *s, struct view *v, const uint8_t *data, size_t len)
{
    struct walk in = walk_start(data, len);
    const uint32_t n = walk_array(&in);
    const uint64_t type = n ? walk_u64(&in) : 0;
    const uint32_t width = width_of(type);

    for (uint32_t i = 1; width && i < n && !in.bad; i += width) {
        view_element(s, v, type, &in);
    }
    if (type == NOTE_BATCH) {
        paid_batches_note(s, v, &in, n - 1);
    } else if (!width) {
        in.bad = true;
    }
    if (!walk_done(&in)) {
        sim_fail(s, "protocol", "a note cannot be read");
    }
}

void
view_task(struct sim *s, struct view *v, uint64_t task, const uint8_t *data,
          uint32_t len)
{
    if (batchbook_is_op(task)) {
        paid_batches_result(s, v, task, data, len);
    } else if ((task & 0xff) >= ASK_STEP) {
        view_result(s, v, task, data, len);
    } else if ((task & 0xff) <= PERSONAS_DEPTH_MAX) {
        view_range(s, v, data, len);
    }
}
