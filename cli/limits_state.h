/* limits_state.h - what fleets share about endpoints of models, read from
 * Redis in two exchanges: `limits` and `limit:ENDPOINT` (docs/redis-keys.md).
 * Those that no worker told of for 15 s are left out. Times are of Redis.
 * Blocking. */
#pragma once
#include "common/redis.h"
#include "llm/endpoint_state.h"

enum { LIMITS_STATE_MAX = 64 };

struct limits_state {
    uint64_t now_us;
    struct endpoint_state v[LIMITS_STATE_MAX];
    size_t n;
};

/* CO_DENIED: a command is not permitted, diag names it; else as of
 * co_redis_do. */
co_must_use enum co_err limits_state_read(struct co_redis_client *client,
                                          struct limits_state *ret_state,
                                          struct co_diag *diag);
