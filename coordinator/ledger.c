/* ledger.c - see ledger.h. */
#include "coordinator/ledger.h"

#include "llm/price.h"

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

int64_t
ledger_row_cost(const struct kind_money *money, uint64_t accepted)
{
    uint64_t spent = (uint64_t)money->settled + (uint64_t)money->unknown;

    if (!money->has_price || accepted == 0) return -1;
    return (int64_t)(spent / accepted);
}

static void
put_usd(struct co_json *json, const char *key, int64_t amount)
{
    char text[PRICE_TEXT_BYTES];

    if (amount >= 0) co_json_put_text(json, key, price_text(amount, text));
}

void
ledger_put_money(struct co_json *json, const struct kind_money *money,
                 uint64_t accepted)
{
    co_json_key(json, "money");
    co_json_object(json);
    put_usd(json, "cap_usd", money->cap);
    if (money->has_price) {
        put_usd(json, "settled_usd", money->settled);
        put_usd(json, "unknown_usd", money->unknown);
        put_usd(json, "reserved_usd", money->reserved);
        put_usd(json, "row_usd", ledger_row_cost(money, accepted));
    }
    co_json_put_u64(json, "calls", money->calls);
    if (money->cached_calls) {
        co_json_put_u64(json, "cached_calls", money->cached_calls);
    }
    co_json_put_u64(json, "lost", money->lost);
    co_json_put_u64(json, "input_tokens", money->input_tokens);
    co_json_put_u64(json, "cached_tokens", money->cached_tokens);
    co_json_put_u64(json, "output_tokens", money->output_tokens);
    co_json_put_u64(json, "written", money->written);
    co_json_end(json);
}
