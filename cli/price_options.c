/* price_options.c - see price_options.h. */
#include "cli/price_options.h"

static enum co_err
read_classes(const struct price_options *options, struct price *price,
             struct co_diag *diag)
{
    enum co_err err = CO_OK;

    for (unsigned i = 0; i < PRICE_CLASSES && !err; i++) {
        const enum price_class class = (enum price_class)i;

        if (!options->usd[i]) continue;
        err = price_parse_class(class, options->usd[i], price_of(price, class),
                                diag);
    }
    return err;
}

/* Whether other things than tokens have a price. */
static bool
has_units(const struct price_options *options)
{
    for (unsigned i = 0; i < PRICE_CLASSES; i++) {
        if (options->usd[i] && !price_classes[i].tokens) return true;
    }
    return false;
}

enum co_err
price_options_read(const struct price_options *options, struct price *ret_price,
                   struct co_diag *diag)
{
    struct price price = price_unknown;
    enum co_err err = read_classes(options, &price, diag);

    if (err) return err;
    if (!options->usd[PRICE_INPUT] != !options->usd[PRICE_OUTPUT]) {
        return co_fail(diag, CO_USAGE,
                       "--price-input and --price-output go together");
    }
    if (options->usd[PRICE_CACHED_INPUT] && !options->usd[PRICE_INPUT]) {
        return co_fail(diag, CO_USAGE,
                       "--price-cached-input needs --price-input");
    }
    if (has_units(options) && !options->usd[PRICE_INPUT]) {
        price.input = price.output = 0;
    }
    *ret_price = price;
    return CO_OK;
}

const char *
price_options_cost(const struct price *price, const struct call *call,
                   uint64_t characters, char text[PRICE_TEXT_BYTES])
{
    const struct provider_answer *a = &call->answer;
    /* what it took is known without a usage, too, if there is an answer */
    const bool known =
        a->has_usage || (!call->fault && !price->input && !price->output);
    const struct price_use use = {.cached_input = a->cached_tokens,
                                  .call = 1,
                                  .character = characters,
                                  .input = a->input_tokens,
                                  .millisecond =
                                      ((uint64_t)call->total_us + 999) / 1000,
                                  .output = a->output_tokens};
    int64_t cost;

    if (!known || call->total_us < 0 || price->input < 0 ||
        !price_cost(price, &use, &cost)) {
        return NULL;
    }
    return price_text(cost, text);
}
