/* why_impl.h - what the files of why.h share: the table of findings, and how
 * one is said. why.c has the rules over what a coordinator says, why_work.c
 * those over brokers and workers, why_limits.c those over endpoints. */
#pragma once
#include "cli/why.h"

/* Stable code, level, what to do. X(ID, code, level, act) */
#define FINDINGS(X)                                                            \
    X(RUNS, "runs", FINE, "")                                                  \
    X(FULL_LOAD, "full_load", FINE,                                            \
      "nothing; more workers make it faster (`" CO_PROGRAM                     \
      "-worker --processes N`)")                                               \
    X(FULL_CALLS, "full_load", FINE,                                           \
      "nothing; where no limit of an endpoint is named beside this, more "     \
      "workers make it faster (`" CO_PROGRAM "-worker --processes N`)")        \
    X(WINDOW, "window", FINE, "")                                              \
    X(ALL_OUT, "all_out", FINE, "nothing: the last tasks are being worked on") \
    X(NO_OWNER, "no_owner", PROBLEM,                                           \
      "look whether its process lives on the host named; if not, the same "    \
      "command goes on where it ended")                                        \
    X(NO_BROKER, "no_broker", PROBLEM,                                         \
      "start one: `" CO_PROGRAM "-broker --redis URL`; who waits connects by " \
      "itself")                                                                \
    X(NOT_ATTACHED, "not_attached", PROBLEM,                                   \
      "look at --broker of the coordinator and --front of the broker; logs "   \
      "of both say what is refused")                                           \
    X(SETTLING, "settling", FINE, "nothing: it passes within 15 s")            \
    X(NO_WORKERS, "no_workers", PROBLEM,                                       \
      "start some: `" CO_PROGRAM "-worker --broker ENDPOINT --redis URL`")     \
    X(NO_CALLERS, "no_workers", PROBLEM,                                       \
      "start some that know the provider and have its key: `" CO_PROGRAM       \
      "-worker --broker ENDPOINT --redis URL --providers FILE`")               \
    X(NO_CALLS, "calls_wait", NOTE,                                            \
      "nothing if it passes: limits, a Retry-After or an open circuit "        \
      "breaker hold calls back, as is said beside this; if nothing is, the "   \
      "workers' logs say why")                                                 \
    X(DRAINING, "draining", PROBLEM, "start others: these take no new work")   \
    X(UNLIKE, "workers_unlike", PROBLEM,                                       \
      "they need the coordinator's release and model, and its broker: look "   \
      "at their logs and at `" CO_PROGRAM " events --kind worker`")            \
    X(STALL, "stall", PROBLEM,                                                 \
      "look at the broker's log; restarting the broker is safe: owners "       \
      "publish again")                                                         \
    X(SHARED, "shared", NOTE,                                                  \
      "nothing, or more workers; `priority` in the job file decides who goes " \
      "first")                                                                 \
    X(BACKLOG, "backlog", NOTE, "")                                            \
    X(RETRY, "retry", NOTE,                                                    \
      "nothing at first; if it goes on, the workers' logs say why tasks fail") \
    X(SUSPECTS, "suspects", NOTE,                                              \
      "nothing: tasks whose worker died run one at a time, so that the guilty" \
      " one is found")                                                         \
    X(DISK, "disk", PROBLEM,                                                   \
      "`" CO_PROGRAM " doctor DIR` measures how long the disk takes to sync")  \
    X(SHARDS, "shards_open", PROBLEM,                                          \
      "one range hangs: look for a dead or very slow worker (`" CO_PROGRAM     \
      " top`); its tasks are published again once it is given up")             \
    X(MEMORY, "dedup_memory", PROBLEM,                                         \
      "free memory on the coordinator's host, or stop and go on with a "       \
      "smaller job; it continues by itself once there is some")                \
    X(BUDGET, "budget", PROBLEM,                                               \
      "loosen the conditions in the job file, or ask for fewer rows")          \
    X(MONEY, "money", PROBLEM,                                                 \
      "raise budget.usd in the job file; the same command goes on")            \
    X(PHASE, "money_phase", PROBLEM,                                           \
      "raise budget.usd in the job file, or give that phase or the reserve "   \
      "more of it; the same command goes on")                                  \
    X(SHARED_CAP, "shared_budget", PROBLEM,                                    \
      "raise the cap of the namespace (`" CO_PROGRAM                           \
      " budget set --total USD`); the same command goes on")                   \
    X(CAP_WAIT, "budget_wait", NOTE,                                           \
      "nothing: it passes within seconds; if not, `" CO_PROGRAM                \
      " budget show` says what the caps wait for")                             \
    X(CAP_DAY, "budget_day", PROBLEM,                                          \
      "nothing: it goes on with the next day (UTC); or raise the cap "         \
      "(`" CO_PROGRAM " budget set --day USD`)")                               \
    X(CAP_LEDGER, "budget_ledger", PROBLEM,                                    \
      "`" CO_PROGRAM " budget show` says what is wrong with the ledger, "      \
      "docs/operations.md (Budgets over jobs) what to do")                     \
    X(NO_PRICE, "no_price", PROBLEM,                                           \
      "set `price:` of the provider in the job file; the same command goes "   \
      "on")                                                                    \
    X(ENDPOINT, "endpoint_refuses", PROBLEM,                                   \
      "mend what it names (key, model, address, money there) on the workers "  \
      "or in the job file; calls go on by themselves")                         \
    X(HOPELESS, "no_fit_answers", PROBLEM,                                     \
      "`" CO_PROGRAM " dead list OUT` shows the last answers and what was "    \
      "wrong with them; the same command goes on")                             \
    X(OVERRUN, "overrun", PROBLEM,                                             \
      "set `price:` of the provider as the endpoint's owner bills, or leave "  \
      "an endpoint that counts tokens wrongly")                                \
    X(DOUBT, "doubt", NOTE,                                                    \
      "nothing: within a minute they are asked anew, and what they may have "  \
      "cost counts as spent")                                                  \
    X(ANSWERS, "answers", NOTE, "nothing: rows that are done make room")       \
    X(BATCH, "batch", FINE,                                                    \
      "nothing: the vendor answers batches within a day, and most in an hour") \
    X(SPENT, "spent", NOTE, "")                                                \
    X(CALLS_LOST, "calls_lost", NOTE,                                          \
      "the workers' logs say how they were lost; what they may have cost "     \
      "counts as spent")                                                       \
    X(FALLBACKS, "fallbacks", NOTE,                                            \
      "nothing, if that is wanted; else see why their provider is away: what " \
      "is written stays")                                                      \
    X(OTHER_OWNER, "other_owner", PROBLEM,                                     \
      "leave the job to the coordinator that has it now; `" CO_PROGRAM         \
      " status` shows which")                                                  \
    X(NOMEM, "memory", PROBLEM, "free memory on the coordinator's host")       \
    X(TABLE, "task_table", NOTE, "nothing: results make room")                 \
    X(STILL, "still", PROBLEM,                                                 \
      "see the reasons beside this; without any, keep the logs and report it") \
    X(LOST, "lost", NOTE, "`" CO_PROGRAM " events --kind worker` shows whose") \
    X(DEAD, "dead_rows", NOTE, "`" CO_PROGRAM " dead list OUT` names them")    \
    X(ENDPOINT_OPEN, "endpoint_open", PROBLEM,                                 \
      "see whether it answers (`" CO_PROGRAM " try`); `" CO_PROGRAM            \
      " events --kind breaker` says since when")                               \
    X(ENDPOINT_WAITS, "endpoint_waits", NOTE,                                  \
      "nothing: every worker waits, then they go on one after another")        \
    X(ENDPOINT_RATE, "endpoint_rate", NOTE,                                    \
      "more workers do not help; raise rpm or tpm in `limits:` of the "        \
      "provider if the account allows more")                                   \
    X(ENDPOINT_FULL, "endpoint_full", NOTE,                                    \
      "more workers do not help; in_flight in `limits:` is the most, and "     \
      "refusals lower it for a while")                                         \
    X(WRITES, "redis_behind", NOTE,                                            \
      "numbers shown may be old: Redis is slow or was away")                   \
    X(REFUSED, "redis_refuses", PROBLEM,                                       \
      "the coordinator's Redis user lacks a command: docs/operations.md has "  \
      "the ACL")                                                               \
    X(REDIS_AWAY, "redis_away", PROBLEM,                                       \
      "nothing for the run, which goes on without; start that Redis again to " \
      "see it")                                                                \
    X(INTERRUPTED, "interrupted", PROBLEM, "the same command goes on")         \
    X(COMPLETE, "complete", FINE, "")                                          \
    X(PARTIAL, "partial", PROBLEM,                                             \
      "loosen the conditions in the job file, or ask for fewer rows; the same" \
      " command goes on")                                                      \
    X(DUPLICATES, "duplicates", PROBLEM,                                       \
      "ask for fewer rows, or keep such rows (`dedup: {method: none}`) in a "  \
      "new folder")                                                            \
    X(STOPPED, "stopped", NOTE, "the same command goes on")                    \
    X(STOPPING, "stopping", FINE, "nothing: it commits what is under way")     \
    X(DISK_FULL, "disk_full", PROBLEM, "free space; the same command goes on") \
    X(DAMAGED, "damaged", PROBLEM,                                             \
      "copy the folder, then `" CO_PROGRAM                                     \
      " journal repair DIR`, then the same command")                           \
    X(FAILED, "failed", PROBLEM,                                               \
      "mend what the message names; the same command goes on")

enum finding {
#define X(id, code, level, act) F_##id,
    FINDINGS(X)
#undef X
};

/* Adds a finding; what does not fit is left out. */
void why_say(struct why *w, enum finding f, const char *fmt, ...)
    co_printf(3, 4);
/* "s", unless n is 1. */
const char *why_s(uint64_t n);

/* why_work.c */
/* A service that the job's tasks go to: one for each of its providers. */
struct why_lane {
    char service[260];
    const char *provider;        /* within service; NULL: none */
    const struct fleet_queue *q; /* NULL: not known */
    bool wanted;                 /* some of the job's tasks are for it */
};
enum { WHY_LANES_MAX = 8 };
/* Returns how many; at least one. The first is the one that names the job. */
size_t why_lanes(const struct fleet_state *s, const struct fleet_job *j,
                 struct why_lane ret[WHY_LANES_MAX]);
/* Nobody would do the work: that comes before whatever the coordinator says,
 * which may have published all it has and wait. False: somebody would. */
bool why_nobody(const struct fleet_state *s, const struct fleet_job *j,
                struct why *w);
/* The brokers grant no more: all are at work. */
void why_no_credit(const struct fleet_state *s, const struct fleet_job *j,
                   struct why *w);
/* Workers would take it, and still it waits: whatever the coordinator says. */
void why_stall(const struct fleet_state *s, const struct fleet_job *j,
               struct why *w);
