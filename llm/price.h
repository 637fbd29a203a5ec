/* price.h - money as integers: 1 is 1e-12 USD, so that sums are exact.
 * A price of 0.15 USD a million tokens is 150,000 of these a token. Pure. */
#pragma once
#include "common/err.h"

enum { PRICE_TEXT_BYTES = 32 };

/* Of one token; -1: not known. */
struct price {
    int64_t input, output, cached_input;
};

/* Reads "0.15", USD a million tokens: at most 6 decimals and 9 digits before
 * them, as exact as it was written. CO_USAGE: it is no such number. */
co_must_use enum co_err price_parse(const char *text, int64_t *ret_per_token,
                                    struct co_diag *diag);
/* What a call cost; cached of the input tokens were cached ones (at the input
 * price when none is set for them). False: a price that is needed is unknown,
 * or the sum is beyond int64. */
bool price_cost(const struct price *price, uint64_t input, uint64_t cached,
                uint64_t output, int64_t *ret_pico_usd);
/* At most, whatever of the input is cached; call_price: of one call. */
bool price_worst(const struct price *price, int64_t call_price, uint64_t input,
                 uint64_t output, int64_t *ret_pico_usd);
/* Reads an amount of USD as price_text writes it: at most 12 decimals and 7
 * digits before them. CO_USAGE: it is none. */
co_must_use enum co_err price_usd_parse(const char *text,
                                        int64_t *ret_pico_usd);
/* "0.000123": exact, without zeros at the end. */
const char *price_text(int64_t pico_usd, char text[PRICE_TEXT_BYTES]);
