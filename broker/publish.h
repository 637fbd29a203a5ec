/* publish.h - TASKS that an owner publishes: limits, duplicates, queueing.
 * Internal to the dispatch core. */
#pragma once
#include "broker/state.h"

/* TASKS of an owner whose right to publish was checked. Takes one reference
 * of head and body. */
void publish_tasks(struct dispatch *d, struct job *job, uint64_t peer,
                   const struct msg *m, struct co_bytes head,
                   struct co_bytes body, int64_t now_ms, struct outbox *out);
