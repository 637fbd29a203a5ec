/* batches.c - see batches.h. */
#include "broker/batches.h"

#include "broker/jobs.h"
#include "broker/tasks.h"

#include <stdlib.h>

enum {
    BATCHES_FIRST = 256,
    AHEAD_MAX = 64, /* messages in a row that pass what waits */
};

enum co_err
batches_new(struct dispatch *d, uint32_t *ret_batch)
{
    uint32_t cap = d->batch_cap ? d->batch_cap * 2 : BATCHES_FIRST;
    struct batch *batches;

    if (d->batch_free == NONE) {
        batches = realloc(d->batches, cap * sizeof *batches);
        if (!batches) return CO_NOMEM;
        d->batches = batches;
        for (uint32_t i = cap; i-- > d->batch_cap;) {
            batches[i] = (struct batch){.next = d->batch_free, .flow = NONE};
            d->batch_free = i;
        }
        d->batch_cap = cap;
    }
    *ret_batch = d->batch_free;
    d->batch_free = d->batches[*ret_batch].next;
    return CO_OK;
}

void
batches_skip_dropped(struct dispatch *d, struct batch *batch)
{
    while (batch->first != NONE &&
           d->entries[batch->first].state == TASK_DROPPED) {
        uint32_t at = batch->first;
        uint32_t len = d->entries[at].len;

        batch->first = d->entries[at].next;
        batch->dropped--;
        batch->body.data = len ? batch->body.data + len : batch->body.data;
        batch->body.len -= len;
        d->queued_bytes -= len;
        tasks_apply(d, at, TEV_DEQUEUE, NONE);
    }
}

void
batches_pop(struct dispatch *d, struct flow *flow)
{
    uint32_t at = flow->head;
    struct batch *batch = &d->batches[at];

    batches_skip_dropped(d, batch);
    co_assert(batch->first == NONE && batch->n == 0);
    d->queued_bytes -= batch->head.len + batch->body.len;
    co_bytes_unref(&batch->head);
    co_bytes_unref(&batch->body);
    flow->head = batch->next;
    if (flow->head == NONE) flow->tail = NONE;
    if (flow->ahead_tail == NONE) flow->ahead = 0; /* one that was passed */
    if (flow->ahead_tail == at) flow->ahead_tail = NONE;
    *batch = (struct batch){.next = d->batch_free, .flow = NONE};
    d->batch_free = at;
}

void
batches_flow_emptied(struct dispatch *d, uint32_t flow)
{
    co_assert(!d->flows[flow].queued);
    while (d->flows[flow].head != NONE) {
        batches_pop(d, &d->flows[flow]);
    }
    jobs_flow_deactivate(d, flow);
}

/* The first of those that came in their turn, or NONE. */
static uint32_t
first_in_turn(const struct dispatch *d, const struct flow *flow)
{
    return flow->ahead_tail == NONE ? flow->head
                                    : d->batches[flow->ahead_tail].next;
}

static void
insert_behind(struct dispatch *d, struct flow *flow, uint32_t before,
              uint32_t at)
{
    uint32_t *link = before == NONE ? &flow->head : &d->batches[before].next;

    d->batches[at].next = *link;
    *link = at;
    if (flow->tail == before) flow->tail = at;
}

/* Behind other repetitions, before the rest: the oldest undecided task of a
 * job holds back everything behind it. Of what waits in its turn, one message
 * goes after AHEAD_MAX at the latest, so that tasks that fail again and again
 * stop nobody. */
static void
put_ahead(struct dispatch *d, struct flow *flow, uint32_t at)
{
    if (first_in_turn(d, flow) == NONE) {
        insert_behind(d, flow, flow->tail, at);
    } else if (flow->ahead < AHEAD_MAX) {
        insert_behind(d, flow, flow->ahead_tail, at);
        flow->ahead++;
        d->count.put_ahead++;
    } else {
        insert_behind(d, flow, flow->tail, at);
        return;
    }
    flow->ahead_tail = at;
}

void
batches_add(struct dispatch *d, uint32_t at_flow, uint32_t at_batch,
            bool repeats)
{
    struct flow *flow = &d->flows[at_flow];

    if (repeats) {
        put_ahead(d, flow, at_batch);
    } else {
        insert_behind(d, flow, flow->tail, at_batch);
    }
    if (flow->queued) {
        jobs_flow_activate(d, at_flow);
        return;
    }
    while (flow->head != NONE) {
        batches_pop(d, flow);
    }
}

/* From there on, the first that still has tasks. */
static uint32_t
skip_empty(const struct dispatch *d, uint32_t at)
{
    while (at != NONE && !d->batches[at].n) {
        at = d->batches[at].next;
    }
    return at;
}

uint32_t
batches_oldest(const struct dispatch *d, const struct flow *flow)
{
    uint32_t head = skip_empty(d, flow->head);
    uint32_t turn = skip_empty(d, first_in_turn(d, flow));

    if (head == NONE || turn == NONE) return head;
    return d->batches[turn].since_ms < d->batches[head].since_ms ? turn : head;
}
