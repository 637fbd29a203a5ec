/* money_fields.h - what a job has spent, field by field: the names under which
 * it stands in "money" of JSON and in job:ID of Redis. Who tells it, writes it
 * and reads it takes the fields from here. */
#pragma once
#include "common/json.h"
#include "job/shares.h"

/* 1e-12 USD, as exact decimals in texts; -1: not known, of the cap: there is
 * none. What is not known is left out. X(member, in JSON, in Redis) */
#define MONEY_AMOUNT_LIST(X)                                                   \
    X(cap, "cap_usd", "budget_usd")                                            \
    X(settled, "settled_usd", "settled_usd")    /* cost is known */            \
    X(unknown, "unknown_usd", "unknown_usd")    /* lost: their worst case */   \
    X(reserved, "reserved_usd", "reserved_usd") /* out: their worst case */    \
    X(row, "row_usd", "row_usd")                /* of an accepted row */       \
    X(kiloword, "kiloword_usd", "kiloword_usd") /* of 1,000 words */           \
    X(point, "point_usd", "point_usd")          /* of a percent of quality */

/* X(member, in JSON, in Redis, whether it stands in JSON when it is 0) */
#define MONEY_COUNT_LIST(X)                                                    \
    X(calls, "calls", "calls", true)                                           \
    X(cached_calls, "cached_calls", "calls_cached", false) /* in place of */   \
    /* whose answers could not be written to the file of record: */            \
    X(unrecorded, "unrecorded", "calls_unrecorded", false)                     \
    X(lost, "lost", "calls_lost", true)                                        \
    X(input_tokens, "input_tokens", "input_tokens", true)                      \
    X(cached_tokens, "cached_tokens", "cached_tokens", true)                   \
    X(output_tokens, "output_tokens", "output_tokens", true)                   \
    X(characters, "characters", "characters",                                  \
      false)                                    /* if they have a price */     \
    X(held_ms, "held_ms", "held_ms", false)     /* if seconds have one */      \
    X(written, "written", "rows_written", true) /* with all answers */         \
    X(words, "words", "words_written", false)   /* of these rows */            \
    X(quality_ppm, "quality_ppm", "quality_ppm", false)                        \
    X(call_ms, "call_ms", "call_ms", false) /* that a call takes, mean */      \
    X(degraded, "degraded", "rows_degraded", false) /* by a fallback */        \
    X(built, "built_in", "rows_built_in", false)    /* of these */             \
    /* of the degraded ones: as money did not cover the first writer */        \
    X(starved, "degraded_budget", "rows_degraded_budget", false)

/* Of a phase; JSON only, under "phases". X(member, in JSON) */
#define MONEY_PHASE_AMOUNT_LIST(X)                                             \
    X(share, "share_usd")                                                      \
    X(settled, "settled_usd")                                                  \
    X(unknown, "unknown_usd")                                                  \
    X(reserved, "reserved_usd")
#define MONEY_PHASE_COUNT_LIST(X)                                              \
    X(calls, "calls")                                                          \
    X(input_tokens, "input_tokens")                                            \
    X(cached_tokens, "cached_tokens")                                          \
    X(output_tokens, "output_tokens")

struct money_phase_fields {
#define X(member, json) int64_t member;
    MONEY_PHASE_AMOUNT_LIST(X)
#undef X
#define X(member, json) uint64_t member;
    MONEY_PHASE_COUNT_LIST(X)
#undef X
};

#define MONEY_AMOUNT_MEMBER(member, json, redis) int64_t member;
#define MONEY_COUNT_MEMBER(member, json, redis, always) uint64_t member;
#define MONEY_MEMBERS                                                          \
    MONEY_AMOUNT_LIST(MONEY_AMOUNT_MEMBER)                                     \
    MONEY_COUNT_LIST(MONEY_COUNT_MEMBER)                                       \
    bool has_phases;                                                           \
    struct money_phase_fields phases[SHARES_PHASES];

struct money_fields {
    MONEY_MEMBERS
};

/* Within another struct: as its own members, and as `fields`. */
#define MONEY_FIELDS                                                           \
    union {                                                                    \
        struct {                                                               \
            MONEY_MEMBERS                                                      \
        };                                                                     \
        struct money_fields fields;                                            \
    };

/* Puts "money" into the open object. */
void money_fields_put(const struct money_fields *money, struct co_json *json);
