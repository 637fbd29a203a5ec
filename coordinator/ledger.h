/* ledger.h - the ledgers of rows and of money as JSON, the same wherever they
 * are shown. */
#pragma once
#include "common/json.h"
#include "coordinator/kind.h"

/* Puts requested, drawn, accepted, rejected, dead, surplus, pending into the
 * open object. */
void ledger_put(struct co_json *json, const struct kind_ledger *ledger);
/* Puts "money" into the open object: USD as exact decimals in texts, calls and
 * tokens. accepted: rows, to say what one costs. */
void ledger_put_money(struct co_json *json, const struct kind_money *money,
                      uint64_t accepted);
/* What an accepted row costs, in 1e-12 USD, rounded down; -1: not known. */
int64_t ledger_row_cost(const struct kind_money *money, uint64_t accepted);
