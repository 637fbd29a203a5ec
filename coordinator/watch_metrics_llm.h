/* watch_metrics_llm.h - the part of a coordinator's /metrics that is about
 * calls of models: what they cost, what became of them, and how the endpoints
 * do (docs/operations.md). Pure. */
#pragma once
#include "coordinator/kind.h"
#include "llm/endpoint_state.h"

/* job: its id. m NULL: the job pays for nothing, and the families are empty.
 * What is not known (a price, a cap) has no sample. */
void watch_metrics_money(const char *job, const struct kind_money *m,
                         struct co_buf *out);
/* now_us: by the clock of Redis. */
void watch_metrics_endpoints(const struct endpoint_state *v, size_t n,
                             uint64_t now_us, struct co_buf *out);
