/* batches.h - the queues: a TASKS message as it came, its tasks chained in
 * payload order, one list of such batches a flow. Internal to the dispatch
 * core. */
#pragma once
#include "broker/state.h"

/* A batch outside any flow. CO_NOMEM: nothing changed. */
co_must_use enum co_err batches_new(struct dispatch *d, uint32_t *ret_batch);
/* Puts it at the end of a flow, or, if it repeats tasks, before what waits
 * there in its turn; goes at once if none of its tasks is queued. */
void batches_add(struct dispatch *d, uint32_t at_flow, uint32_t at_batch,
                 bool repeats);
/* The batch with tasks that has waited longest, or NONE. */
uint32_t batches_oldest(const struct dispatch *d, const struct flow *flow);
/* A batch that is used up leaves its flow's head. */
void batches_pop(struct dispatch *d, struct flow *flow);
/* Steps over dropped entries at the front of a batch. */
void batches_skip_dropped(struct dispatch *d, struct batch *batch);
/* The flow's last task went. It keeps no batches then: they hold memory, and
 * the flow may be given to other tasks. */
void batches_flow_emptied(struct dispatch *d, uint32_t flow);
