/* providers_price.c - what calls of a provider cost. */
#include "llm/providers_impl.h"

enum {
    CALL_DECIMALS = 12, /* 1e-12 USD */
    MTOK_DECIMALS = 6,  /* USD a million tokens: 1e-12 USD a token */
};

/* A call beyond 1,000 USD, a million tokens beyond 1,000,000 USD: a slip. */
#define CALL_PRICE_MAX (UINT64_C(1000) * 1000000000000)
#define MTOK_PRICE_MAX (UINT64_C(1000000) * 1000000)

static enum co_err
read_usd(const struct co_yaml *node, unsigned decimals, uint64_t max,
         int64_t *to, struct co_diag *diag)
{
    uint64_t value = 0;
    enum co_err err = co_yaml_fixed(node, decimals, max, &value, diag);

    if (!err) *to = (int64_t)value;
    return err;
}

static enum co_err
read_mtok(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return read_usd(node, MTOK_DECIMALS, MTOK_PRICE_MAX, to, diag);
}

static enum co_err
read_call(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return read_usd(node, CALL_DECIMALS, CALL_PRICE_MAX, to, diag);
}

static const struct providers_field price_fields[] = {
    {"input_usd_per_mtok", read_mtok,
     offsetof(struct providers_entry, price.input)},
    {"output_usd_per_mtok", read_mtok,
     offsetof(struct providers_entry, price.output)},
    {"cached_input_usd_per_mtok", read_mtok,
     offsetof(struct providers_entry, price.cached_input)},
    {"call_usd", read_call, offsetof(struct providers_entry, call_price)},
};

/* A price of half the tokens is none; one of calls alone has free tokens. */
enum co_err
providers_read_price(struct providers_entry *entry, const struct co_yaml *map,
                     struct co_diag *diag)
{
    struct price *price = &entry->price;
    enum co_err err = providers_read_fields(
        map, price_fields, co_countof(price_fields), entry, diag);

    if (err) return err;
    if (price->input < 0 && price->output < 0 && price->cached_input < 0 &&
        co_yaml_get(map, "call_usd")) {
        price->input = price->output = 0;
    }
    if (price->input < 0 || price->output < 0) {
        return co_yaml_fail(map, diag, CO_INVALID,
                            "%s is missing; input_usd_per_mtok and "
                            "output_usd_per_mtok go together (0 where it costs "
                            "nothing), or call_usd stands alone",
                            price->input < 0 ? "input_usd_per_mtok"
                                             : "output_usd_per_mtok");
    }
    entry->has_price = true;
    return CO_OK;
}
