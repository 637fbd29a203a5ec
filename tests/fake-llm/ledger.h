/* ledger.h - what the fake endpoint has seen and would bill: totals, requests
 * that it was paid for twice, how much came in any window of time, and a log
 * that outlives it. Limits a minute are kept here, too. */
#pragma once
#include "common/buf.h"
#include "common/err.h"
#include "llm/price.h"

enum { LEDGER_STATUS_MAX = 600 };

struct ledger_options {
    struct price price;
    uint64_t rpm, tpm; /* in any window; 0: no limit */
    int64_t window_us;
    const char *log; /* NULL: none */
};

struct ledger; /* opaque */

/* CO_IO (the log: diag says), CO_NOMEM */
co_must_use enum co_err ledger_new(const struct ledger_options *options,
                                   struct ledger **ret_ledger,
                                   struct co_diag *diag);

/* A request came, whatever becomes of it. Returns how many of the same came
 * before. */
uint64_t ledger_arrive(struct ledger *l, uint64_t hash, int64_t now_us);
/* May it be answered? Else *ret_wait_us says how long not. */
bool ledger_admit(struct ledger *l, uint64_t tokens, int64_t now_us,
                  int64_t *ret_wait_us);
/* It is billed: in the log when this returns. good: with an answer that
 * nobody has a reason to ask for again. */
void ledger_bill(struct ledger *l, uint64_t hash, uint64_t input,
                 uint64_t output, bool good);
/* And what is billed beside tokens: one call of so many characters, at work for
 * so long. */
void ledger_bill_units(struct ledger *l, uint64_t characters, uint64_t ms);
/* As ledger_bill, at half the price. */
void ledger_bill_half(struct ledger *l, uint64_t hash, uint64_t input,
                      uint64_t output, bool good);
void ledger_status(struct ledger *l, int status);
void ledger_refused(struct ledger *l);

/* Members of the object that GET /stats answers with. */
struct co_json;
void ledger_stats(struct ledger *l, struct co_json *json);
