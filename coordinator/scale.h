/* scale.h - the scaler of a namespace, as far as it is I/O: who holds the lease
 * (scaler/lease.h) measures once a second what workers, brokers and
 * coordinators wrote into Redis, lets scaler/scaler.h decide for each service,
 * and writes demand:SERVICE and scale:SERVICE (docs/redis-keys.md). Every
 * coordinator runs one; all but the holder only ask who it is. Redis away:
 * nothing is decided, and everything is written again when it is back. Never
 * blocks. Not thread-safe: belongs to the coordinator's loop. */
#pragma once
#include "common/err.h"
#include "scaler/scaler.h"

struct scale; /* opaque */

struct scale_options {
    const char *redis_url;
    bool redis_insecure;
    const char *name_space;
    int64_t quiet_ms; /* of scaler_config */
};

/* Texts are borrowed for life. CO_INVALID, CO_DENIED: the URL. */
co_must_use enum co_err scale_new(const struct scale_options *options,
                                  struct scale **ret_scale,
                                  struct co_diag *diag);
/* Gives the lease back when it has it (waits for Redis at most 300 ms). */
void scale_free(struct scale *s);
CO_DEFINE_FREEP(struct scale, scale_free)
/* Readable when Redis answered; then scale_tick has something to do. */
int scale_fd(const struct scale *s);
/* Call often. now_ms: co_clock_ms(). */
void scale_tick(struct scale *s, int64_t now_ms);
