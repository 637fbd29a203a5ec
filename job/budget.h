/* budget.h - the ledger of the caps over several jobs, as far as coordinators
 * (coordinator/purse_script.h, which says the rules) and `cohort budget` share
 * it: names of days, and the scripts of the command. Amounts in Redis are whole
 * 1e-6 USD. Pure. */
#pragma once
#include "common/err.h"

enum {
    BUDGET_DAY_BYTES = 12,
    BUDGET_DAY_TTL_S = 40 * 24 * 3600, /* of caps:YYYYMMDD */
};
#define BUDGET_TOTAL "total"     /* ids of caps:ID */
#define BUDGET_MEMBERS "members" /* beside YYYYMMDD */
/* 9 million USD, beyond which 1e-12 USD do not fit into 64 bits. */
#define BUDGET_MAX_MICRO INT64_C(9000000000000)

/* "20261129" of days since 1970; returns text. */
const char *budget_day_text(uint32_t day, char text[BUDGET_DAY_BYTES]);
/* Reads USD ("12.50") as 1e-6 USD: at most 6 decimals. */
co_must_use enum co_err budget_parse(const char *text, int64_t *ret_micro,
                                     struct co_diag *diag);

/* Ids of ledgers are 16 hex digits that grow with time: who knows a later one
 * than Redis has knows that Redis forgot.
 *
 * KEYS caps:total, caps:TODAY · ARGV cap of the day, of the namespace (each
 * in 1e-6 USD, "none", or "" to leave it), id of a new ledger or "". Sets caps;
 * with an id makes the ledger, if there is none. Returns 1; 0: there is no
 * ledger and none was to be made; 2: there was one already. */
extern const char budget_script_set[];
/* KEYS caps:total, caps:TODAY, caps:members · ARGV new id, today since
 * 1970, TTL of the day. Stops all grants under the new id, so that the journals
 * can be read, and forgets all shares; makes the ledger when it is missing.
 * Returns the day by the clock of Redis: if it is another, nothing was done. */
extern const char budget_script_close[];
/* KEYS caps:total, caps:TODAY · ARGV the id given to close, today, "more"
 * or "last", then for each job: id, what it has of all days, of today. The last
 * piece lets it be granted again once coordinators said what they have. Returns
 * 1; 0: another rebuild has begun, or the day has passed. */
extern const char budget_script_rebuild[];
