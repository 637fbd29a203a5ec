/* metrics.h - what the broker serves to Prometheus at --metrics: totals, every
 * counter of dispatch.h, and each service (docs/operations.md). With or
 * without Redis. The loop only leaves a text with common/metrics.h. */
#pragma once
#include "broker/config.h"
#include "broker/report.h"

struct metrics; /* opaque */

/* *ret_metrics is NULL when --metrics was not given. */
co_must_use enum co_err metrics_new(const struct broker_config *config,
                                    struct metrics **ret_metrics,
                                    struct co_diag *diag);
void metrics_free(struct metrics *m);
CO_DEFINE_FREEP(struct metrics, metrics_free)
/* Where; "" for NULL. */
const char *metrics_address(const struct metrics *m);
/* Makes a new text once a second. NULL is fine. */
void metrics_tick(struct metrics *m, const struct dispatch *d,
                  struct report *report, int64_t now_ms);
