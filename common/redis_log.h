/* redis_log.h - what Redis refuses is said: a command that its ACL does not
 * permit, a key of another type, memory that is full. Programs write without
 * waiting for answers, so only the counters know. One thread. */
#pragma once
#include "common/redis.h"

/* Starts zeroed. */
struct co_redis_refusals {
    uint64_t seen;   /* failed commands told of */
    int64_t next_ms; /* of the next line about the same error */
    char last[128];  /* the error told last */
};

/* Logs `redis.refused` when commands failed since the last call: at once for
 * another error than last time, else once a minute. Call it now and then. */
void co_redis_log_refusals(struct co_redis *redis, struct co_redis_refusals *r,
                           int64_t now_ms);
