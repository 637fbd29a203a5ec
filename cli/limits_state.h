/* limits_state.h - what fleets share about endpoints of models, read from
 * Redis: `limits` and `limit:ENDPOINT` (docs/redis-keys.md). Those that no
 * worker told of for 15 s are left out. Times are of Redis. Blocking. */
#pragma once
#include "common/redis.h"

enum { LIMITS_STATE_MAX = 64 };

struct limits_state_endpoint {
    char provider[34], url[200];
    uint64_t at, hold_until, open_until; /* microseconds */
    uint64_t breaker;                    /* 0 closed, 1 open, 2 half-open */
    uint64_t rpm, tpm;                   /* 0: no limit */
    uint64_t requests_60s, tokens_60s;   /* charged in the last minute */
    uint64_t ceiling, held, workers;     /* places of the fleet; in use */
};

struct limits_state {
    uint64_t now_us;
    struct limits_state_endpoint v[LIMITS_STATE_MAX];
    size_t n;
};

/* CO_DENIED: a command is not permitted, diag names it; else as of
 * co_redis_do. */
co_must_use enum co_err limits_state_read(struct co_redis_client *client,
                                          struct limits_state *ret_state,
                                          struct co_diag *diag);
