/* vendor.c - see vendor.h. */
#include "tests/sim/vendor.h"

#include "coordinator/batchbook.h"
#include "proto/walk.h"
#include "tests/sim/paid.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- choosing ---- */

static unsigned
sometimes(struct sim *s, unsigned permille, unsigned most)
{
    return sim_chance(s, permille) ? (unsigned)sim_below(s, most) : 0;
}

static void
choose_faults(struct sim *s, struct vendor *v)
{
    v->unsure = sometimes(s, 700, 600);
    v->refused = sometimes(s, 200, 100);
    v->failing = sometimes(s, 200, 150);
    v->blind = sometimes(s, 300, 300);
    v->gone = sometimes(s, 300, 300);
    v->forgets = sometimes(s, 150, 100);
    v->expires = sometimes(s, 400, 500);
    v->unrun = sometimes(s, 400, 300);
    v->missing = sometimes(s, 300, 100);
    v->cut = sometimes(s, 300, 200);
}

void
vendor_make(struct sim *s, struct workload *w)
{
    struct vendor *v = calloc(1, sizeof *v);

    co_assert(v);
    w->vendor = v;
    w->tells = true;
    w->in_batches =
        (struct written_batch){.max_requests = 1 + (uint32_t)sim_below(s, 60),
                               .window_us = sim_between(s, 100000, 3000000),
                               .poll_us = sim_between(s, 500000, 5000000)};
    /* what is looked for is listed by then: owners wait for as long, but where
     * their clock jumps */
    v->list_us = BATCHBOOK_SETTLE_US;
    v->line_us = sim_between(s, 100000, 8000000);
    v->has_upload = sim_chance(s, 500);
    if (s->profile != PROFILE_CALM) choose_faults(s, v);
}

void
vendor_free(struct workload *w)
{
    if (!w->vendor) return;
    for (size_t i = 0; i < w->vendor->n; i++) {
        free(w->vendor->v[i].lines);
    }
    free(w->vendor->v);
    free(w->vendor);
}

/* ---- working ---- */

static void
answer_line(struct sim *s, struct vendor *v, struct vendor_line *line)
{
    llm_answer(s, s->job->work, &line->ask, &line->answer);
    paid_on_sent(s, &line->ask, line->answer.bill);
    line->end = VENDOR_ANSWERED;
    if (!llm_struck(s, v->missing)) return;
    s->result.faults.line_missing++;
    line->end = VENDOR_MISSING;
}

static void
run_line(struct sim *s, struct sim_event *e)
{
    struct vendor *v;
    struct vendor_batch *b;
    struct vendor_line *line;

    sim_enter(s, &s->jobs[e->a >> 32]);
    v = s->job->work->vendor;
    b = &v->v[e->a & 0xffffffff];
    line = &b->lines[e->b];
    b->left--;
    if (b->cancelled || s->now_us >= b->expires_us || llm_struck(s, v->unrun)) {
        s->result.faults.line_unrun++;
        line->end = VENDOR_UNRUN;
    } else {
        answer_line(s, v, line);
    }
}

/* ---- batches ---- */

static struct vendor_batch *
add(struct vendor *v)
{
    if (v->n == v->cap) {
        v->cap = v->cap ? 2 * v->cap : 16;
        v->v = realloc(v->v, v->cap * sizeof *v->v);
        co_assert(v->v);
    }
    v->v[v->n] = (struct vendor_batch){.expires_us = INT64_MAX};
    return &v->v[v->n++];
}

static void
read_lines(struct sim *s, const struct batch_task *task, struct vendor_batch *b)
{
    struct walk asks = walk_start(task->asks, task->asks_len);

    b->n = b->left = walk_array(&asks);
    b->lines = calloc(b->n ? b->n : 1, sizeof *b->lines);
    co_assert(b->lines);
    for (uint32_t i = 0; i < b->n; i++) {
        struct ask_task *ask = &b->lines[i].ask;
        uint32_t len = 0;
        const uint8_t *data = walk_bin(&asks, &len);

        if (!ask_get_task(data, len, ask)) {
            sim_fail(s, "protocol", "an ask of a batch cannot be read");
        }
        ask->input = NULL; /* borrowed */
        if (ask->wrong) ask->wrong = (const uint8_t *)"";
        ask->error = NULL;
    }
}

void
vendor_submit(struct sim *s, const struct batch_task *task, uint64_t account,
              char ret_id[32])
{
    struct vendor *v = s->job->work->vendor;
    const size_t index = v->n;
    struct vendor_batch *b = add(v);

    b->number = task->batch;
    b->account = account;
    (void)snprintf(b->id, sizeof b->id, "batch-%zu", index + 1);
    memcpy(ret_id, b->id, sizeof b->id);
    b->listed_us = s->now_us + sim_between(s, 0, v->list_us);
    read_lines(s, task, b);
    s->result.faults.batch_made++;
    sim_trace(s, "%s is batch %" PRIu64 " of %u asks", b->id, b->number, b->n);
    b->failed = llm_struck(s, v->failing);
    if (b->failed) {
        s->result.faults.batch_failed++;
        return;
    }
    if (llm_struck(s, v->expires)) {
        b->expires_us = s->now_us + sim_between(s, 0, v->line_us);
    }
    for (uint32_t i = 0; i < b->n; i++) {
        paid_on_submitted(s, &b->lines[i].ask, b->number);
        sim_at(s, s->now_us + sim_between(s, 1000, v->line_us), run_line,
               (uint64_t)s->job->index << 32 | index, i);
    }
}

const struct vendor_batch *
vendor_find(const struct sim *s, uint64_t number, uint64_t account)
{
    const struct vendor *v = s->job->work->vendor;

    for (size_t i = v->n; i-- > 0;) {
        const struct vendor_batch *b = &v->v[i];

        if (b->number != number || b->account != account ||
            b->listed_us > s->now_us) {
            continue;
        }
        return b->forgotten ? NULL : b;
    }
    return NULL;
}

struct vendor_batch *
vendor_of(const struct sim *s, struct ask_text id, uint64_t account)
{
    const struct vendor *v = s->job->work->vendor;

    for (size_t i = 0; i < v->n; i++) {
        struct vendor_batch *b = &v->v[i];

        if (strlen(b->id) != id.len || memcmp(b->id, id.text, id.len) != 0) {
            continue;
        }
        return b->forgotten || b->account != account ? NULL : b;
    }
    return NULL;
}

void
vendor_list_all(struct sim *s)
{
    for (unsigned i = 0; i < s->n_jobs; i++) {
        struct vendor *v = s->jobs[i].work->vendor;

        for (size_t k = 0; v && k < v->n; k++) {
            v->v[k].listed_us = 0;
        }
        if (v) v->list_us = 0;
    }
}

void
vendor_cancel(struct vendor_batch *b)
{
    b->cancelled = true;
}

void
vendor_clean(struct sim *s, struct vendor_batch *b)
{
    s->result.faults.batch_cleaned++;
    b->cleaned = true;
    for (uint32_t i = 0; i < b->n; i++) {
        const struct ask_task *ask = &b->lines[i].ask;

        if (b->lines[i].end != VENDOR_ANSWERED) continue;
        if (paid_is_settled(s, ask->row << 8 | (ASK_STEP + ask->ask))) continue;
        sim_fail(s, "G3",
                 "the files of %s go, and ask %u of row %" PRIu64
                 " is not committed",
                 b->id, ask->ask, ask->row);
    }
}

bool
vendor_is_in(const struct vendor_line *line, uint32_t file)
{
    if (line->end == VENDOR_UNRUN) return file == 1;
    return line->end == VENDOR_ANSWERED && file == 0;
}
