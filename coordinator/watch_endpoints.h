/* watch_endpoints.h - what the workers of a fleet share about the endpoints of
 * a job's providers, read from Redis once a second over the coordinator's own
 * connection, so that a job can say which of them it waits for. Asks and takes
 * answers; never blocks. Not thread-safe: belongs to the loop. */
#pragma once
#include "common/redis.h"
#include "coordinator/watch_lanes.h"

struct watch_endpoints; /* opaque */

enum { WATCH_ENDPOINTS_MAX = 64 };

/* lanes: of the job, borrowed for life; one without a provider asks no model,
 * and *ret_endpoints is NULL. */
co_must_use enum co_err
watch_endpoints_new(const struct watch_lanes *lanes,
                    struct watch_endpoints **ret_endpoints,
                    struct co_diag *diag);
void watch_endpoints_free(struct watch_endpoints *e);
CO_DEFINE_FREEP(struct watch_endpoints, watch_endpoints_free)

/* Asks when it is time. */
void watch_endpoints_turn(struct watch_endpoints *e, struct co_redis *redis,
                          int64_t now_us);
/* Takes a REPLY of the connection; all questions on it are ours. */
void watch_endpoints_take(struct watch_endpoints *e, struct co_redis *redis,
                          const struct co_redis_item *item, int64_t now_us);
/* The connection is new: its user may be another one. */
void watch_endpoints_up(struct watch_endpoints *e);

/* Those of the providers that a worker told of within 15 s, and the time of
 * Redis now. */
const struct endpoint_state *watch_endpoints_list(struct watch_endpoints *e,
                                                  int64_t now_us, size_t *ret_n,
                                                  uint64_t *ret_now_us);
