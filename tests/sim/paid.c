/* paid.c - see paid.h. */
#include "tests/sim/paid_core.h"

#include "common/hash.h"
#include "coordinator/batchbook.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- the endpoint ---- */

static struct fact *
fact_of(struct sim *s, uint64_t task)
{
    struct paid *p = s->job->paid;

    co_assert(task >> 8 < ITEMS_MAX && view_ask_of(task) < ASK_MAX);
    if (!p->facts[task >> 8]) {
        p->facts[task >> 8] = calloc(ASK_MAX, sizeof(struct fact));
    }
    co_assert(p->facts[task >> 8]);
    return &p->facts[task >> 8][view_ask_of(task)];
}

void
paid_on_submitted(struct sim *s, const struct ask_task *ask, uint64_t batch)
{
    const uint64_t task = ask->row << 8 | (ASK_STEP + ask->ask);
    struct fact *fact = fact_of(s, task);

    if (fact->submitted) {
        sim_fail(s, "G4", "ask %llx is in two batches, the second is %llu",
                 (unsigned long long)task, (unsigned long long)batch);
    }
    fact->submitted = true;
}

void
paid_on_sent(struct sim *s, const struct ask_task *ask, int64_t bill)
{
    const uint64_t task = ask->row << 8 | (ASK_STEP + ask->ask);
    const struct said *said = view_said(s, &s->job->paid->told, task);
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
    if (said->stage != ask->stage || said->writer != ask->writer) {
        sim_fail(s, "G4", "ask %llx is of another stage or writer",
                 (unsigned long long)task);
    }
}

/* ---- the owner's kind ---- */

void
paid_on_given(struct sim *s, uint64_t task)
{
    struct fact *fact;

    if (batchbook_is_op(task)) return; /* may be done again */
    fact = fact_of(s, task);
    if (fact->given) {
        sim_fail(s, "G4", "ask %llx is given out twice",
                 (unsigned long long)task);
    }
    fact->given = true;
}

void
paid_on_published(struct sim *s, uint64_t task, const uint8_t *data, size_t len)
{
    const struct said *said;
    struct ask_task ask;

    if (batchbook_is_op(task)) {
        paid_batches_published(s, task, data, len);
        return;
    }
    said = view_said(s, &s->job->paid->told, task);
    if (!said) return;
    if (!ask_get_task(data, len, &ask) || ask.writer != said->writer ||
        ask.stage != (enum ask_stage)said->stage) {
        sim_fail(s, "G4", "ask %llx is published for writer %u, stage %u",
                 (unsigned long long)task, ask.writer, ask.stage);
    }
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

    co_assert(p->n_notes < PAID_NOTES_MAX);
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

void
paid_on_replay(struct sim *s)
{
    forget_pending(s->job->paid);
}

/* ---- questions ---- */

bool
paid_is_settled(const struct sim *s, uint64_t task)
{
    const struct said_row *row;

    /* all but to submit it can be done again, and that is looked for */
    if (batchbook_is_op(task)) return true;
    row = &s->job->paid->told.rows[task >> 8];
    return task >> 8 < ITEMS_MAX && row->asks && view_ask_of(task) < ASK_MAX &&
           row->asks[view_ask_of(task)].settled;
}

bool
paid_row(const struct sim *s, uint64_t row, struct paid_text *ret_text)
{
    const struct said_row *said = &s->job->paid->told.rows[row];

    ret_text->says[0] = '\0';
    ret_text->hash =
        said->built ? 0 : co_mix64(said->answers[0] * 3 + said->answers[1]);
    if (s->job->work->tells) {
        paid_writers_says(s->job->work, row, said, ret_text);
    }
    return said->accepted;
}
