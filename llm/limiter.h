/* limiter.h - which endpoint of a provider a call goes to, and when. Pure:
 * what the fleet shares comes in as leases from Redis (limiter_exchange.h),
 * what happened to calls as outcomes. One limiter a provider and process.
 * Times are microseconds, monotonic.
 *
 * A call may start at an endpoint when all of these allow it: the lease of
 * requests and tokens (small blocks, good for 250 ms), the concurrency that
 * AIMD allows and the configured most, a Retry-After that anybody was told,
 * and the circuit breaker. Among those that allow it: weight, then expected
 * wait, then error rate. */
#pragma once
#include "llm/fault.h"
#include "llm/hints.h"
#include "llm/providers.h"

struct limiter; /* opaque */

/* Why no call starts now; X(name, text). */
#define LIMITER_WHY_LIST(X)                                                    \
    X(GO, "calls may start")                                                   \
    X(FULL, "as many calls are in flight as the endpoints take")               \
    X(RATE, "the requests or tokens a minute are used up")                     \
    X(RETRY_AFTER, "an endpoint asked to wait")                                \
    X(OPEN, "the endpoints fail: their circuit breakers are open")             \
    X(NO_REDIS, "Redis is away, and the share without it is used up")          \
    X(TOO_BIG, "one call may take more tokens than the limit of a minute")

enum limiter_why {
#define X(name, text) LIMITER_WHY_##name,
    LIMITER_WHY_LIST(X)
#undef X
        LIMITER_WHYS
};

/* entry is borrowed for the limiter's life. shared: limits are leased through
 * Redis; false (no Redis at all: `cohort try`, tests): this process is the
 * fleet and leases from itself. */
co_must_use enum co_err limiter_new(const struct providers_entry *entry,
                                    bool shared, struct limiter **ret_limiter);
void limiter_free(struct limiter *l);
CO_DEFINE_FREEP(struct limiter, limiter_free)

/* Takes a place for one call of at most that many tokens (input and output).
 * Calls of the same near (0: near none) go to the same endpoint while it is
 * about as free as the others: it has read most of their prompts before.
 * LIMITER_WHY_GO: it counts as in flight at *ret_endpoint from now on, until
 * limiter_end. Else *ret_until_us: when to ask again at the latest; INT64_MAX:
 * at any event (TOO_BIG: never, the limits would have to change). */
enum limiter_why limiter_begin(struct limiter *l, uint64_t near,
                               uint64_t tokens_max, int64_t now_us,
                               uint32_t *ret_endpoint, int64_t *ret_until_us);
/* The call ended. tokens: as the answer says, or tokens_max when it says
 * nothing. total_us: how long ago limiter_begin was. hints: NULL for none. */
void limiter_end(struct limiter *l, uint32_t endpoint, uint64_t tokens_max,
                 uint64_t tokens, enum fault fault, const struct hints *hints,
                 int64_t total_us, int64_t now_us);
/* What an answer that ended well was worth: misses have another form than was
 * asked for, and are asked for again. */
void limiter_answered(struct limiter *l, uint32_t endpoint, bool misses);
/* How many more calls of usual size could start now, all endpoints together:
 * what credit may be announced for. */
uint32_t limiter_room(const struct limiter *l, int64_t now_us);
/* Until when no call can start whoever makes it, because every endpoint fails
 * (its breaker is open) or asked for a wait longer than limits of a minute
 * take; 0: that is not so, and who waits waits for a place or for a rate. */
int64_t limiter_away_us(const struct limiter *l, int64_t now_us);
/* When limiter_room or limiter_begin may answer otherwise without an event. */
int64_t limiter_due_us(const struct limiter *l, int64_t now_us);
const char *limiter_why_text(enum limiter_why why);
