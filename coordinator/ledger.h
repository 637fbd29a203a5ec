/* ledger.h - the ledger as JSON, the same wherever it is shown. */
#pragma once
#include "common/json.h"
#include "coordinator/kind.h"

/* Puts requested, drawn, accepted, rejected, dead, surplus, pending into the
 * open object. */
void ledger_put(struct co_json *json, const struct kind_ledger *ledger);
