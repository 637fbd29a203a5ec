/* providers_price.c - what calls of a provider cost: the classes of price.h. */
#include "llm/providers_impl.h"

static enum co_err
check_keys(const struct co_yaml *map, struct co_diag *diag)
{
    const char *names[PRICE_CLASSES + 1] = {NULL};

    for (unsigned c = 0; c < PRICE_CLASSES; c++) {
        names[c] = price_classes[c].key;
    }
    return co_yaml_keys(map, names, diag);
}

/* Whether any class that is of tokens, or is not, stands there. */
static bool
has_any(const struct co_yaml *map, bool tokens)
{
    for (unsigned c = 0; c < PRICE_CLASSES; c++) {
        if (price_classes[c].tokens == tokens &&
            co_yaml_get(map, price_classes[c].key)) {
            return true;
        }
    }
    return false;
}

static enum co_err
read_classes(struct price *price, const struct co_yaml *map,
             struct co_diag *diag)
{
    enum co_err err = check_keys(map, diag);

    for (unsigned c = 0; c < PRICE_CLASSES && !err; c++) {
        const struct price_class_info *of = &price_classes[c];
        const struct co_yaml *node = co_yaml_get(map, of->key);
        uint64_t value = 0;

        if (!node) continue;
        err = co_yaml_fixed(node, of->decimals, of->max, &value, diag);
        if (!err) *price_of(price, (enum price_class)c) = (int64_t)value;
    }
    return err;
}

/* A price of half the tokens is none; one of other things alone has free
 * tokens. */
enum co_err
providers_read_price(struct providers_entry *entry, const struct co_yaml *map,
                     struct co_diag *diag)
{
    struct price *price = &entry->price;
    enum co_err err = read_classes(price, map, diag);

    if (err) return err;
    if (!has_any(map, true) && has_any(map, false)) {
        price->input = price->output = 0;
    }
    if (price->input < 0 || price->output < 0) {
        return co_yaml_fail(map, diag, CO_INVALID,
                            "%s is missing; input_usd_per_mtok and "
                            "output_usd_per_mtok go together (0 where it costs "
                            "nothing), or are left out where other things have "
                            "a price (call_usd, input_usd_per_mchar, "
                            "usd_per_second)",
                            price->input < 0 ? "input_usd_per_mtok"
                                             : "output_usd_per_mtok");
    }
    entry->has_price = true;
    return CO_OK;
}

/* Lines of a batch come by themselves, hours after their questions. */
enum co_err
providers_check_price(const struct providers_entry *entry,
                      const struct co_yaml *map, struct co_diag *diag)
{
    if (!entry->batch.max_requests ||
        (entry->price.character <= 0 && entry->price.millisecond <= 0)) {
        return CO_OK;
    }
    return co_yaml_fail(
        map, diag, CO_INVALID,
        "found %s, and batch: a call of a batch takes no seconds of its own, "
        "and its answer does not say how many characters were sent; give what "
        "a batch costs by tokens or calls, or leave out batch",
        price_classes[entry->price.millisecond > 0 ? PRICE_MILLISECOND
                                                   : PRICE_CHARACTER]
            .key);
}
