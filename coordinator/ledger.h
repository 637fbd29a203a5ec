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
/* The same money with what it comes to for a row, 1,000 words and a percent of
 * quality, rounded down; without a price its amounts are -1. */
struct kind_money ledger_told(const struct kind_money *money,
                              uint64_t accepted);
