/* paid_batches.c - asks that go out as batches of their vendor: what is
 * committed of them, and that no ask is in two. */
#include "tests/sim/paid_core.h"

#include "coordinator/batchbook.h"
#include "proto/walk.h"

#include <inttypes.h>
#include <stdlib.h>

static uint64_t
ask_id(uint64_t row, uint32_t ask)
{
    return row << 8 | (ASK_STEP + ask);
}

static struct said_batch *
find(const struct view *v, uint64_t number)
{
    struct said_batch *b = v->batches;

    while (b && b->number != number) {
        b = b->next;
    }
    return b;
}

void
paid_batches_fini(struct view *v)
{
    while (v->batches) {
        struct said_batch *next = v->batches->next;

        free(v->batches);
        v->batches = next;
    }
}

/* ---- what is committed ---- */

/* An ask goes into a batch once. */
static void
put_in(struct sim *s, struct view *v, uint64_t task, uint64_t number)
{
    struct said *said = view_said(s, v, task);

    if (!said) return;
    if (!said->intended || said->batch) {
        sim_fail(s, "G4", "ask %" PRIx64 " is put into batch %" PRIu64 ", %s",
                 task, number,
                 said->batch ? "and in another one" : "and has no intent");
    }
    said->batch = number;
}

void
paid_batches_note(struct sim *s, struct view *v, struct walk *in, uint32_t n)
{
    const uint64_t number = walk_u64(in);
    struct said_batch *b;

    (void)walk_u64(in); /* since */
    if (in->bad || n < 3 || find(v, number)) {
        sim_fail(s, "G4", "batch %" PRIu64 " is written down twice", number);
        return;
    }
    b = calloc(1, sizeof *b + (n - 2) * sizeof b->tasks[0]);
    co_assert(b);
    b->number = number;
    b->n = n - 2;
    b->next = v->batches;
    v->batches = b;
    for (uint32_t i = 0; i < b->n; i++) {
        b->tasks[i] = walk_u64(in);
        put_in(s, v, b->tasks[i], number);
    }
}

static bool
is_in(const struct said_batch *b, uint64_t task)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->tasks[i] == task) return true;
    }
    return false;
}

static void
read_page(struct sim *s, struct view *v, const struct said_batch *b,
          const struct batch_result *r)
{
    struct walk asks = walk_start(r->asks, r->asks_len);
    struct walk unsent = walk_start(r->unsent, r->unsent_len);

    for (uint32_t n = r->asks ? walk_array(&asks) : 0; n; n--) {
        struct ask_result one;
        uint32_t len = 0;
        const uint8_t *data = walk_bin(&asks, &len);

        co_assert(ask_get_result(data, len, &one));
        if (!is_in(b, ask_id(one.row, one.ask))) continue;
        view_task(s, v, ask_id(one.row, one.ask), data, len);
    }
    for (uint32_t n = r->unsent ? walk_array(&unsent) : 0; n; n--) {
        const uint64_t id = walk_u64(&unsent);

        if (!is_in(b, ask_id(id >> 8, (uint32_t)(id & 0xff)))) continue;
        view_release(s, v, ask_id(id >> 8, (uint32_t)(id & 0xff)));
    }
}

/* Nothing of it was run. */
static void
refuse(struct sim *s, struct view *v, struct said_batch *b)
{
    b->over = true;
    for (uint32_t i = 0; i < b->n; i++) {
        view_refuse(s, v, b->tasks[i]);
    }
}

void
paid_batches_result(struct sim *s, struct view *v, uint64_t task,
                    const uint8_t *data, uint32_t len)
{
    struct said_batch *b = find(v, task >> (8 + BATCHBOOK_SEQ_BITS));
    struct batch_result r;

    if (!batch_get_result(data, len, &r)) {
        sim_fail(s, "protocol", "a result of task %" PRIx64 " cannot be read",
                 task);
        return;
    }
    sim_trace(s, "batch %" PRIu64 ": %s is told: %s", r.batch,
              batch_op_name(r.op), batch_state_text(r.state));
    if (!b || b->over) return;
    if (r.op == BATCH_HARVEST) read_page(s, v, b, &r);
    if (r.state != BATCH_REFUSED) return;
    if ((r.op == BATCH_SUBMIT && !r.id.len) ||
        (r.op == BATCH_POLL && r.id.len)) {
        refuse(s, v, b);
    }
}

/* ---- on its way ---- */

/* A submission goes out: its asks are those of that batch. */
void
paid_batches_published(struct sim *s, uint64_t task, const uint8_t *data,
                       size_t len)
{
    struct batch_task t;
    struct walk asks;

    if (!batch_get_task(data, len, &t) || t.op != batchbook_op(task)) {
        sim_fail(s, "protocol", "a task about a batch cannot be read");
        return;
    }
    sim_trace(s, "batch %" PRIu64 ": %s is published as %" PRIx64, t.batch,
              batch_op_name(t.op), task);
    if (t.op != BATCH_SUBMIT || !t.asks) return; /* it asks for whom */
    asks = walk_start(t.asks, t.asks_len);
    for (uint32_t n = walk_array(&asks); n; n--) {
        uint32_t bytes = 0;
        const uint8_t *bin = walk_bin(&asks, &bytes);
        struct ask_task ask;
        const struct said *said;

        co_assert(ask_get_task(bin, bytes, &ask));
        said = view_said(s, &s->job->paid->told, ask_id(ask.row, ask.ask));
        if (said && said->batch != t.batch) {
            sim_fail(s, "G4",
                     "ask %u of row %" PRIu64 " goes out with batch %" PRIu64
                     ", and is of %" PRIu64,
                     ask.ask, ask.row, t.batch, said->batch);
        }
        paid_on_published(s, ask_id(ask.row, ask.ask), bin, bytes);
    }
}
