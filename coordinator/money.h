/* money.h - the ledger of one job's calls: int64, in 1e-12 USD.
 * Before a call is published its worst case is reserved; when its answer is
 * committed the true cost is settled and the rest is free again. A call of
 * which nobody knows whether it was paid is `unknown`: it stays charged at its
 * worst case, by its task id, until a late answer settles it. When too many are
 * known by their ids the oldest rows' are forgotten: their money stays unknown
 * for good. Always:
 *
 *     settled + unknown + reserved <= cap
 *
 * but for two things that are counted: a call that cost more than its worst
 * case (charged in full, the job stops), and what a journal brings that was
 * written under a higher cap.
 * Where phases have shares of the cap (money_phases), what phases charge beyond
 * their limits is at most the reserve, with the same two exceptions.
 * Where caps over several jobs hold (money_share), each reservation is taken
 * from the purse, too, and stays charged to the day that it was taken on.
 * Pure: no I/O, no clock. Not thread-safe. */
#pragma once
#include "coordinator/purse.h"
#include "job/shares.h"
#include "llm/ask.h"
#include "llm/price.h"

enum {
    MONEY_PHASES = SHARES_PHASES, /* calls of a stage are one phase */
    MONEY_TAGS = 256,
    MONEY_OPEN_MAX = 65536,   /* calls reserved at a time */
    MONEY_NAMED_MAX = 131072, /* those, and the unknown ones with their ids */
};

struct money; /* opaque */

struct money_sums {
    int64_t settled, unknown, reserved;
};

/* Of the calls with one tag, all that there ever were. */
struct money_group {
    struct money_sums sums;
    uint64_t unknown; /* calls that sums.unknown is of */
};

/* Counted since the job began, replays included; X(name, text). */
#define MONEY_COUNTER_LIST(X)                                                  \
    X(calls, "calls that have a result, UNKNOWN ones included")                \
    X(input_tokens, "input tokens, cached ones included")                      \
    X(cached_tokens, "of these: cached by the provider")                       \
    X(output_tokens, "output tokens")                                          \
    X(characters, "characters that were sent, where they have a price")        \
    X(held_ms, "milliseconds that calls took, where seconds have a price")     \
    X(unbilled, "calls without a usage: charged at their worst case")          \
    X(lost, "calls whose outcome was not known when they were given up")       \
    X(salvaged, "of these: settled by a late answer")                          \
    X(overruns, "calls that cost more than their worst case")                  \
    X(released, "reservations of calls that were never made")                  \
    X(nameless,                                                                \
      "of the lost ones: too many to be known by their ids, so that "          \
      "no late answer settles them")

struct money_counters {
#define X(name, text) uint64_t name;
    MONEY_COUNTER_LIST(X)
#undef X
    uint64_t outcomes[ASK_OUTCOMES];
};

/* The same of one phase, as far as people ask for it; calls without UNKNOWN
 * ones. */
struct money_phase {
    struct money_sums sums;
    uint64_t calls, input_tokens, cached_tokens, output_tokens;
    int64_t share, limit; /* shares.h; -1: it has none */
};

/* What a call turned out to be. */
struct money_call {
    enum ask_outcome outcome;
    bool has_usage;                 /* the tokens are known */
    bool has_characters, has_ms;    /* so are these */
    uint64_t input, cached, output; /* tokens */
    uint64_t characters, ms;        /* that were sent; that it took */
    bool has_cost;                  /* all that has a price is known */
    int64_t cost;                   /* with has_cost; else not looked at */
};

/* The most that a call can cost: every token at its dearest, as many characters
 * as the input is bounded by, and all the time that it may take. False: a price
 * is not known, or the sum is beyond int64. */
bool money_worst(const struct price *price, uint64_t input, uint64_t output,
                 uint64_t ms, int64_t *ret_worst);
/* What it did cost, into has_cost and cost: beyond int64, as much as there
 * is. */
void money_cost(const struct price *price, struct money_call *call);

/* cap 0: none. CO_INVALID: it is negative. CO_NOMEM */
co_must_use enum co_err money_new(int64_t cap, struct money **ret_money);
void money_free(struct money *m);
CO_DEFINE_FREEP(struct money, money_free)

/* Reservations come out of the purse from now on, too. Borrowed for life; NULL:
 * none. Before anything is reserved or restored. */
void money_share(struct money *m, struct purse *purse);

/* Phases have shares of the cap from now on. Before anything is reserved or
 * restored. */
void money_phases(struct money *m, const struct shares *shares);
/* What a phase is held to need beyond what it has charged, and leaves to no
 * other; all of its share until it is told so. */
void money_need(struct money *m, unsigned phase, int64_t amount);

/* Whether amount more fits under the cap. */
bool money_fits(const struct money *m, int64_t amount);
/* Whether that much more of each phase fits under the cap, and its phase's
 * money does reach. */
bool money_fits_phases(struct money *m, const int64_t more[MONEY_PHASES]);
/* The same once nothing is reserved any more, should all of that cost nothing:
 * if not, it will never fit. */
bool money_may_fit(const struct money *m, const int64_t more[MONEY_PHASES]);
/* The phase whose money did not reach when the last of these questions, or of
 * the reservations below, was answered no; MONEY_PHASES: it was the cap. */
unsigned money_short_phase(const struct money *m);
/* Whether the purse has so much, now; if not, it is told to get it. */
bool money_is_here(const struct money *m, int64_t amount);
/* Reserves amount for a task that has no entry yet.
 * CO_FULL    does not fit under the cap, or its phase's money does not reach
 * CO_UNAVAILABLE  the purse has less, now
 * CO_AGAIN   too many calls are open
 * CO_EXISTS  it has an entry
 * CO_RANGE   amount is negative, or phase is none
 * CO_NOMEM   nothing changed */
co_must_use enum co_err money_reserve(struct money *m, unsigned phase,
                                      uint64_t task, int64_t amount);
/* The same from a journal: it was reserved, whatever the cap is today, and
 * charged to that day. */
co_must_use enum co_err money_restore(struct money *m, unsigned phase,
                                      uint64_t task, int64_t amount,
                                      uint32_t day);
/* Forgets ids as money_reserve() does, and the memory of them, until there are
 * fewer than MONEY_NAMED_MAX: for the end of a replay. Not in the middle of
 * one: which calls had been given up when, no journal says, and one that is
 * forgotten there may have its answer in the next record. */
void money_forget(struct money *m);
/* The day that a task's entry is charged to, for the journal; 0: none. */
uint32_t money_day(const struct money *m, uint64_t task);
/* Whether the task has an entry (reserved or unknown): a result of it has not
 * been counted yet. *ret_amount (may be NULL): its worst case. */
bool money_has(const struct money *m, uint64_t task, int64_t *ret_amount);
/* A number of the caller's own that goes with the task's entry, if there is
 * one; 0 at first. What the call charges is summed up by it. */
void money_tag(struct money *m, uint64_t task, uint8_t tag);
uint8_t money_tag_of(const struct money *m, uint64_t task);
bool money_is_unknown(const struct money *m, uint64_t task);
/* The phase that its entry is of; MONEY_PHASES: it has none. */
unsigned money_phase_of(const struct money *m, uint64_t task);

/* The call's outcome is committed. An entry, reserved or unknown, is replaced
 * by the true cost; where that is not known, one that is paid costs the worst
 * case; REFUSED costs nothing; UNKNOWN stays unknown for good. *ret_charged
 * (may be NULL): what was added to settled.
 * CO_NOTFOUND: it has no entry: nothing changed.
 * CO_RANGE: charged more than the reservation: an overrun: no
 * further calls may be made. */
enum co_err money_settle(struct money *m, uint64_t task,
                         const struct money_call *call, int64_t *ret_charged);
/* Reserved -> unknown. False: it is not reserved. */
bool money_lost(struct money *m, uint64_t task);
/* Unknown -> reserved: somebody holds it after all. */
void money_found(struct money *m, uint64_t task);
/* The call was surely never made, even if it was given up as lost since: its
 * money is free again. False: it has no entry. */
bool money_release(struct money *m, uint64_t task);

int64_t money_cap(const struct money *m);
struct money_sums money_sums(const struct money *m);
const struct money_counters *money_counters(const struct money *m);
struct money_group money_group(const struct money *m, uint8_t tag);
struct money_phase money_phase(const struct money *m, unsigned phase);
/* Of the reserve, what phases have now; *ret_reserve: all of it, 0: there is
 * none. */
int64_t money_taken(const struct money *m, int64_t *ret_reserve);
/* Calls that are reserved, and unknown ones that may still answer. */
uint32_t money_open(const struct money *m);
uint32_t money_named(const struct money *m);
/* Calls that `unknown` is made of, those that said themselves that they do not
 * know how they ended included. */
uint64_t money_unknown(const struct money *m);
/* The invariant above, and that all sums are those of their parts. NULL, or a
 * text that says what is broken. Walks the table: for tests. */
const char *money_check(const struct money *m);
/* The next unknown (or reserved) call by its id, from *cursor (0 at first) on;
 * false: no more. In no order. money_lost() may be called between. */
bool money_next(const struct money *m, bool unknown, uint32_t *cursor,
                uint64_t *ret_task, int64_t *ret_amount);
/* Appends a JSON object. USD are decimals in texts, as they are exact. */
void money_json(const struct money *m, struct co_buf *out);
