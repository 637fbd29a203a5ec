/* watch_metrics.h - what a coordinator serves to Prometheus at --metrics: the
 * ledger of its job, rates, what it waits for, and the engine's counters
 * (docs/operations.md). The loop only leaves a text with common/metrics.h. */
#pragma once
#include "coordinator/watch_redis.h"

struct watch_metrics; /* opaque */

co_must_use enum co_err watch_metrics_new(const struct watch_options *options,
                                          struct watch_metrics **ret_metrics,
                                          struct co_diag *diag);
void watch_metrics_free(struct watch_metrics *m);
CO_DEFINE_FREEP(struct watch_metrics, watch_metrics_free)
/* Makes a new text once a second, and at each change of state. redis: NULL
 * without. */
void watch_metrics_job(struct watch_metrics *m, const struct watch_numbers *n,
                       const struct engine_counters *counters,
                       struct watch_redis *redis, int64_t now_ms);
