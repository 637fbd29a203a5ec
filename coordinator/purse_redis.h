/* purse_redis.h - the I/O of a purse: asks the ledger of the caps over several
 * jobs in Redis (purse_script.h) when the purse says so, through a connection
 * of its own in a thread of its own. Never blocks but in purse_redis_leave.
 * Not thread-safe: belongs to the coordinator's loop. */
#pragma once
#include "coordinator/purse.h"

struct purse_redis; /* opaque */

struct purse_redis_options {
    const char *redis_url;
    bool redis_insecure;
    const char *name_space;
    uint64_t job;
};

/* Texts and the purse are borrowed for life. CO_INVALID, CO_USAGE: the URL. */
co_must_use enum co_err
purse_redis_new(const struct purse_redis_options *options, struct purse *purse,
                struct purse_redis **ret, struct co_diag *diag);
/* What was not given back by purse_redis_leave stays with the job until it
 * goes on. NULL is fine. */
void purse_redis_free(struct purse_redis *r);
CO_DEFINE_FREEP(struct purse_redis, purse_redis_free)
/* Readable when Redis answered; then purse_redis_tick has something to do. */
int purse_redis_fd(const struct purse_redis *r);
/* Call at least every 100 ms. */
void purse_redis_tick(struct purse_redis *r, int64_t now_us);
/* The job is over or stops: gives back what it did not spend, and waits for
 * Redis to say so, at most timeout_ms. False: it did not. */
bool purse_redis_leave(struct purse_redis *r, int64_t timeout_ms);
