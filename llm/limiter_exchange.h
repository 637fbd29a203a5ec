/* limiter_exchange.h - what a fleet's limiters tell each other through Redis:
 * one question and one answer a worker and endpoint, both of whole numbers.
 * The lists below make structs, arguments and answers; the script
 * (limiter_script.c) and its model in C (limiter_bank.h) do the same with
 * them. Pure: worker/worker_limits.c sends and receives. */
#pragma once
#include "llm/limiter.h"

enum {
    LIMITER_PERIOD_MS = 60000, /* limits are of any window this long */
    LIMITER_GUARD_MS = 5000,   /* from a call's start to the endpoint, at most;
                                * and a step of Redis's clock */
    LIMITER_LEASE_MS = 250,    /* a block is spent within, or not at all */
    LIMITER_BURST_PART = 16,   /* b = L / 16, at least 1 */
    LIMITER_EXCHANGE_MS = 100, /* between exchanges while there is work */
    LIMITER_IDLE_MS = 1000,    /* and while there is none */
    LIMITER_SILENT_MS = 2000,  /* not heard for so long: Redis sets its share
                                * aside */
    LIMITER_GONE_MS = 3000,    /* no answer for so long: Redis is gone */
    LIMITER_FORGET_MS = 62000, /* who was not heard for so long is no more */
    LIMITER_SLOTS = 66,        /* seconds of which charges are kept */
    LIMITER_CREW_MAX = 4096,   /* workers at one endpoint */
    LIMITER_PPM = 1000000,     /* a whole share */
    LIMITER_FAILURES = 5,      /* one after the other open the breaker, */
    LIMITER_FAILURES_PART = 8, /* or an eighth of the places held, if more */
    LIMITER_OPEN_MS = 60000,   /* until a probe may go */
    LIMITER_PROBE_MS = 5000,   /* a probe not heard of for so long is lost */
    LIMITER_STEP = 25,         /* successes that add a place, once calls were
                                * refused; before, each does */
    LIMITER_STEP_HIGH = 200,   /* the same from the last ceiling on */
    LIMITER_PLACES = 64,       /* to begin with, when in_flight is not given */
    LIMITER_PLACES_MAX = 16384,
    LIMITER_WANT_MAX = 4096, /* requests of a block, at most */
    LIMITER_SETTLES_MAX = LIMITER_SLOTS,
};

/* A worker to the fleet; X(name, meaning). */
#define LIMITER_ASK_LIST(X)                                                    \
    X(rpm, "requests a minute; 0: no limit")                                   \
    X(tpm, "tokens a minute; 0: no limit")                                     \
    X(places, "calls in flight at most in the fleet; 0: not given")            \
    X(want, "requests that it would start until it asks again")                \
    X(want_tokens, "their tokens at worst")                                    \
    X(call_tokens, "of the largest of them")                                   \
    X(in_flight, "its calls in flight")                                        \
    X(need, "places it has use for, those in flight included")                 \
    X(heard_us, "Redis's time in the last answer that came; 0: none yet")      \
    X(claim_ppm, "its share under a Redis that is no more, while it may spend" \
                 " it")                                                        \
    X(hold_ms, "an endpoint asked to wait so much longer; 0: none did")        \
    X(limited_us, "how long ago the last call began that was refused for "     \
                  "being too many; -1: none was")                              \
    X(successes, "calls that ended well since the last exchange")              \
    X(failures, "calls that failed since, as far as they tell anything")       \
    X(tail, "of them after the last that ended well")                          \
    X(ended, "calls that ended since, in whatever way; for people, as the "    \
             "next three")                                                     \
    X(refusals, "of them: refused for being too many")                         \
    X(errors, "of them: failed")                                               \
    X(took_us, "how long the successes took, together")                        \
    X(probe, "enum limiter_probe")                                             \
    X(bye, "1: the worker ends and gives back all it has")                     \
    X(epoch, "of the settlements that follow")

/* The fleet to a worker. */
#define LIMITER_TOLD_LIST(X)                                                   \
    X(now_us, "Redis's time")                                                  \
    X(epoch, "changes when slots are numbered anew")                           \
    X(slot, "what the block is charged to")                                    \
    X(requests, "leased")                                                      \
    X(tokens, "leased")                                                        \
    X(again_ms, "when there may be more")                                      \
    X(hold_until_us, "Redis's time; 0: nobody asked to wait")                  \
    X(allow, "places of this worker")                                          \
    X(ceiling, "places of the fleet")                                          \
    X(workers, "that are heard")                                               \
    X(share_ppm, "its share should Redis go away")                             \
    X(breaker, "enum limiter_breaker")                                         \
    X(was, "the breaker before this exchange")                                 \
    X(open_ms, "until a probe may go")                                         \
    X(probe, "1: this worker has the one probe")                               \
    X(used, "requests charged in the last minute")                             \
    X(young, "1: nobody has a share of this Redis yet")

struct limiter_settle {
    int64_t slot, requests, tokens; /* given back; tokens < 0: more was used */
};

struct limiter_ask {
#define X(name, meaning) int64_t name;
    LIMITER_ASK_LIST(X)
#undef X
    uint32_t n_settles;
    struct limiter_settle settles[LIMITER_SETTLES_MAX];
};

struct limiter_told {
#define X(name, meaning) int64_t name;
    LIMITER_TOLD_LIST(X)
#undef X
};

enum {
#define X(name, meaning) +1
    LIMITER_ASK_COUNT = 0 LIMITER_ASK_LIST(X),
    LIMITER_TOLD_COUNT = 0 LIMITER_TOLD_LIST(X),
#undef X
};

enum limiter_probe {
    LIMITER_PROBE_NONE,
    LIMITER_PROBE_HELD,   /* not begun, or in flight */
    LIMITER_PROBE_OK,     /* the endpoint answers */
    LIMITER_PROBE_FAILED, /* it does not */
    LIMITER_PROBE_BACK,   /* there was no use for it */
};

/* X(name, word) */
#define LIMITER_BREAKER_LIST(X)                                                \
    X(CLOSED, "closed")                                                        \
    X(OPEN, "open")                                                            \
    X(HALF, "half-open")

enum limiter_breaker {
#define X(name, word) LIMITER_##name,
    LIMITER_BREAKER_LIST(X)
#undef X
        LIMITER_BREAKERS
};
const char *limiter_breaker_name(int64_t breaker);

/* ---- a limiter's side ---- */

/* Workers of a fleet come back from a wait at different times, which follow
 * from the seed (the worker's incarnation). */
void limiter_seed(struct limiter *l, uint64_t seed);
/* Whether an exchange about this endpoint is due; then *ret_ask is to be sent,
 * and exactly one of limiter_granted and limiter_unanswered follows. */
bool limiter_want(struct limiter *l, uint32_t endpoint, int64_t now_us,
                  struct limiter_ask *ret_ask);
/* The answer came. */
void limiter_granted(struct limiter *l, uint32_t endpoint,
                     const struct limiter_told *told, int64_t now_us);
/* None came, or one that must not count: what it leased is never used. */
void limiter_unanswered(struct limiter *l, uint32_t endpoint, int64_t now_us);
/* Redis is not the one that it was: what it said before no longer counts. */
void limiter_restarted(struct limiter *l, int64_t now_us);
/* When the next exchange about any endpoint is due; INT64_MAX: one is under
 * way. */
int64_t limiter_exchange_due_us(const struct limiter *l);
/* The last words about an endpoint: everything is given back. */
void limiter_bye(struct limiter *l, uint32_t endpoint, int64_t now_us,
                 struct limiter_ask *ret_ask);

/* ---- the script ---- */

/* EVAL limiter_script 2 KEY INDEX ARGS...: KEY is limit:ENDPOINT, INDEX the
 * zset `limits`. Arguments: the worker's id, the run_id of Redis as the worker
 * knows it, the endpoint's id, provider and address for people, then
 * the numbers of LIMITER_ASK_LIST, then three a settlement. Answers an array,
 * LIMITER_TOLD_LIST. */
extern const char limiter_script[];
enum { LIMITER_SCRIPT_TEXTS = 5, LIMITER_NUMBER_BYTES = 21 };

/* The numbers of an ask as texts; returns how many. */
enum { LIMITER_NUMBERS_MAX = LIMITER_ASK_COUNT + 3 * LIMITER_SETTLES_MAX };
uint32_t
limiter_ask_numbers(const struct limiter_ask *ask,
                    char texts[LIMITER_NUMBERS_MAX][LIMITER_NUMBER_BYTES]);
/* From the numbers of an answer. False: not what the script answers. */
bool limiter_told_from(const int64_t *numbers, uint32_t n,
                       struct limiter_told *ret_told);
