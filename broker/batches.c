/* batches.c - see batches.h. */
#include "broker/batches.h"

#include "broker/jobs.h"
#include "broker/tasks.h"

#include <stdlib.h>

enum { BATCHES_FIRST = 256 };

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

void
batches_append(struct dispatch *d, uint32_t at_flow, uint32_t at_batch)
{
    struct flow *flow = &d->flows[at_flow];

    if (flow->tail != NONE) d->batches[flow->tail].next = at_batch;
    if (flow->tail == NONE) flow->head = at_batch;
    flow->tail = at_batch;
    if (flow->queued) {
        jobs_flow_activate(d, at_flow);
        return;
    }
    while (flow->head != NONE) {
        batches_pop(d, flow);
    }
}
