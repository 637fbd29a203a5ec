/* chain.h - whether a provider can be asked: what its asks say about that.
 * It is away when a worker says that it cannot be called at all (its breaker is
 * open, or it asked for a long wait); when its outcomes were, CHAIN_STRIKES in
 * a row, refusals or calls of which nobody knows the end; and when its asks
 * found no worker for CHAIN_SILENT_US. One that is at a limit of rate, or busy,
 * is not away: its asks wait, and are served.
 * Away it is for CHAIN_AWAY_US; then one ask is tried with it, and while that
 * is out it counts as away for all others. An answer ends it; if it fails, too,
 * the time doubles, up to CHAIN_AWAY_MAX_US.
 * Pure: no I/O, no clock. Times: microseconds, monotonic. */
#pragma once
#include "common/base.h"

enum {
    CHAIN_STRIKES = 5,
    CHAIN_AWAY_US = 60 * 1000 * 1000,
    CHAIN_AWAY_MAX_US = 600 * 1000 * 1000,
    CHAIN_SILENT_US = 75 * 1000 * 1000, /* limits are of a minute */
    CHAIN_TRY_US = 120 * 1000 * 1000,   /* a try that nobody hears of again */
    CHAIN_WAIT_MS = 20 * 1000, /* asks come back that found no worker so long */
};

/* All zeros: it can be asked. */
struct chain {
    bool away;
    bool trying;      /* away, and one ask is out to see whether it still is */
    uint32_t strikes; /* since the last answer */
    uint32_t doubled; /* times that it was found away again */
    int64_t until_us; /* away: not asked before */
    int64_t asked_us; /* the first ask since anything was heard, or the first
                       * of those before that found no worker; 0: none */
    uint64_t try_task;
    uint64_t times; /* that it went away, for people */
};

/* May it be asked now? When it is away, and its time has come, by one ask. */
bool chain_may_ask(const struct chain *c, int64_t now_us);
/* This ask is for it: the one that tries it, if it may be asked and is away. Of
 * a row without a fallback it may be one that does not wait for that. */
void chain_ask(struct chain *c, uint64_t task, int64_t now_us);
/* Whether this ask, which was for it, is to be taken back, as it is away. */
bool chain_is_away_for(const struct chain *c, uint64_t task);

/* Whether an ask that found no worker now would be one too many. */
bool chain_is_silent(const struct chain *c, int64_t now_us);

/* What came of an ask; the last three say whether it is away since then. */
void chain_on_answer(struct chain *c, uint64_t task);
/* Somebody works with it, whatever came of it. */
void chain_on_heard(struct chain *c);
bool chain_on_strike(struct chain *c, uint64_t task, int64_t now_us);
/* A worker says so; it is not to be tried before that many milliseconds. */
bool chain_on_away(struct chain *c, uint64_t task, uint32_t not_before_ms,
                   int64_t now_us);
/* The ask came back, and no worker had it. */
bool chain_on_waited(struct chain *c, uint64_t task, int64_t now_us);
