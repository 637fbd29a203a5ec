/* redis_log.c - see redis_log.h. */
#include "common/redis_log.h"

#include "common/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { AGAIN_MS = 60000 };

void
co_redis_log_refusals(struct co_redis *redis, struct co_redis_refusals *r,
                      int64_t now_ms)
{
    struct co_redis_counters c;

    co_redis_counters(redis, &c);
    if (c.failed <= r->seen) return;
    if (strcmp(c.last_error, r->last) == 0 && now_ms < r->next_ms) return;
    co_log(CO_LOG_WARN, "redis.refused", "commands=%" PRIu64 " error=%s",
           c.failed - r->seen, co_log_quote(c.last_error).text);
    r->seen = c.failed;
    r->next_ms = now_ms + AGAIN_MS;
    (void)snprintf(r->last, sizeof r->last, "%s", c.last_error);
}
