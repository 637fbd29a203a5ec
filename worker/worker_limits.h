/* worker_limits.h - the shell around a worker's limiters: it runs their
 * exchanges with Redis (llm/limiter_exchange.h) over a connection of its own
 * and never blocks. What changes a circuit breaker here is logged and told to
 * the namespace's `events`. A Redis that is away is no reason to stop: the
 * limiters know what they may do then.
 * Use: worker_limits_new, worker_limits_add for each provider; then in each
 * turn of the loop worker_limits_turn, in each wait worker_limits_fd and
 * worker_limits_due_us. Not thread-safe: belongs to the worker's loop. */
#pragma once
#include "llm/limiter.h"
#include "llm/secret.h"

struct worker_limits; /* opaque */

struct worker_limits_self {
    const char *url, *ns, *name; /* name: of the worker, for events */
    bool insecure;
    uint64_t id; /* of the worker to the limits */
};

/* Texts of self are borrowed for life. CO_USAGE: the URL. */
co_must_use enum co_err worker_limits_new(const struct worker_limits_self *self,
                                          struct worker_limits **ret_limits,
                                          struct co_diag *diag);
/* Gives back what was leased and not spent (waits for Redis at most 200 ms).
 * The limiters must still be there. Takes NULL. */
void worker_limits_free(struct worker_limits *w);
CO_DEFINE_FREEP(struct worker_limits, worker_limits_free)

/* From now on the limits of this provider are shared. limiter was made with
 * shared = true; both are borrowed for life. keys[i] is the key of endpoint i,
 * NULL or empty for none; only a slow digest of it is kept, which takes some
 * 10 ms a key. CO_FULL: more than PROVIDERS_MAX. */
co_must_use enum co_err worker_limits_add(struct worker_limits *w,
                                          const struct providers_entry *entry,
                                          struct limiter *limiter,
                                          const struct secret *const *keys,
                                          struct co_diag *diag);

/* Readable when Redis has something to say; then call worker_limits_read. */
int worker_limits_fd(const struct worker_limits *w);
void worker_limits_read(struct worker_limits *w, int64_t now_us);
/* Sends the exchanges that are due: at most ten a second and endpoint, one a
 * second when it is idle. */
void worker_limits_turn(struct worker_limits *w, int64_t now_us);
/* When worker_limits_turn has something to do next; not in the past of now. */
int64_t worker_limits_due_us(const struct worker_limits *w, int64_t now_us);
