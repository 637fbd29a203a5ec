/* endpoint_state.h - what fleets share about one endpoint of a model, as it
 * stands in the hash `limit:ENDPOINT` in Redis (docs/redis-keys.md), and what
 * holds calls to it back. Times are microseconds by the clock of Redis, unless
 * they say otherwise. Pure. */
#pragma once
#include "common/buf.h"

/* X(name): numbers of the hash. */
#define ENDPOINT_STATE_LIST(X)                                                 \
    X(at)           /* of the last exchange */                                 \
    X(hold_until)   /* the endpoint asked to wait until then */                \
    X(open_until)   /* when a probe may go */                                  \
    X(breaker)      /* enum limiter_breaker */                                 \
    X(rpm)          /* 0: no limit */                                          \
    X(tpm)          /* 0: no limit */                                          \
    X(requests_60s) /* charged in the last minute */                           \
    X(tokens_60s)                                                              \
    X(ceiling) /* calls in flight at most, of all fleets */                    \
    X(held)    /* of these places: workers have them */                        \
    X(workers)                                                                 \
    X(calls)    /* that ended, since the hash was made */                      \
    X(refusals) /* of these: for being too many */                             \
    X(errors)   /* of these: failed */                                         \
    X(latency_us)

struct endpoint_state {
    char id[20]; /* ENDPOINT */
    char provider[34], url[200];
#define X(name) uint64_t name;
    ENDPOINT_STATE_LIST(X)
#undef X
};

enum {
#define X(name) +1
    ENDPOINT_STATE_FIELDS = 2 ENDPOINT_STATE_LIST(X),
#undef X
    ENDPOINT_STATE_TEXT = 200,
};

/* The fields by number, for HMGET; below ENDPOINT_STATE_FIELDS. */
const char *endpoint_state_field(unsigned i);
/* Takes a field; others are passed over. */
void endpoint_state_set(struct endpoint_state *e, const char *field,
                        const char *value);

/* What holds calls back, the hardest first. */
enum endpoint_hold {
    ENDPOINT_FREE,
    ENDPOINT_OPEN,  /* its circuit breaker is open */
    ENDPOINT_HALF,  /* one call tries it */
    ENDPOINT_WAITS, /* it asked to wait */
    ENDPOINT_RATE,  /* the requests or tokens of the minute are used up */
    ENDPOINT_FULL,  /* all places are held */
};
enum endpoint_hold endpoint_state_hold(const struct endpoint_state *e,
                                       uint64_t now_us);
/* OPEN, HALF or WAITS: no call may start there. */
bool endpoint_state_is_shut(const struct endpoint_state *e, uint64_t now_us);
/* Whether so much of a limit was used that it binds. */
bool endpoint_state_is_used_up(uint64_t used, uint64_t limit);
/* Seconds from now_us until then, at least 1. */
uint64_t endpoint_state_seconds(uint64_t until_us, uint64_t now_us);

/* One short line: "main (127.0.0.1:8000) is open-circuit, next probe in 20 s".
 * Of n endpoints, those of this provider, if none of them may be called: the
 * one that may be called first, and of how many. False: some may be called, or
 * none is known; nothing is written. */
bool endpoint_state_shut_text(const struct endpoint_state *v, size_t n,
                              const char *provider, uint64_t now_us,
                              char text[ENDPOINT_STATE_TEXT]);
