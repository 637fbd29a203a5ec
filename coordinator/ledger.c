/* ledger.c - see ledger.h. */
#include "coordinator/ledger.h"

void
ledger_put(struct co_json *json, const struct kind_ledger *ledger)
{
    co_json_put_u64(json, "requested", ledger->requested);
    co_json_put_u64(json, "drawn", ledger->drawn);
    co_json_put_u64(json, "accepted", ledger->accepted);
    co_json_put_u64(json, "rejected", ledger->rejected);
    co_json_put_u64(json, "dead", ledger->dead);
    co_json_put_u64(json, "surplus", ledger->surplus);
    co_json_put_u64(json, "pending", ledger->pending);
    co_json_put_u64(json, "duplicates", ledger->duplicates);
}
