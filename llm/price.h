/* price.h - money as integers: 1 is 1e-12 USD, so that sums are exact.
 * A price of 0.15 USD a million tokens is 150,000 of these a token. What has a
 * price is a class of the list below; job files, recipes, costs and bounds all
 * come from it. docs/decisions/0065. Pure. */
#pragma once
#include "common/err.h"

#include <stddef.h>

enum { PRICE_TEXT_BYTES = 32 };

/* What a call is billed by, in alphabetical order, as recipes have their keys.
 * X(ID, name, key, per, decimals, usd_max, tokens, text)
 * name      member of struct price (1e-12 USD of one) and struct price_use, and
 *           key in a recipe
 * key       in a job file, where the price is that of so many: `per`, with so
 *           many decimals (together 12), at most usd_max: more is a slip
 * tokens    1: its price has to be known; the others cost nothing unless said
 * text      what a person reads behind the number */
#define PRICE_CLASS_LIST(X)                                                    \
    X(CACHED_INPUT, cached_input, "cached_input_usd_per_mtok", 1000000, 6,     \
      1000000, 1, "cached")                                                    \
    X(CALL, call, "call_usd", 1, 12, 1000, 0, "USD a call")                    \
    X(CHARACTER, character, "input_usd_per_mchar", 1000000, 6, 1000000, 0,     \
      "USD a million characters sent")                                         \
    X(INPUT, input, "input_usd_per_mtok", 1000000, 6, 1000000, 1, "in")        \
    X(MILLISECOND, millisecond, "usd_per_second", 1000, 9, 1000, 0,            \
      "USD a second")                                                          \
    X(OUTPUT, output, "output_usd_per_mtok", 1000000, 6, 1000000, 1, "out")

enum price_class {
#define X(ID, name, key, per, decimals, usd_max, tokens, text) PRICE_##ID,
    PRICE_CLASS_LIST(X)
#undef X
        PRICE_CLASSES
};

/* Of one of each; -1: not known. Calls, characters and milliseconds that were
 * not spoken of are 0. */
struct price {
#define X(ID, name, key, per, decimals, usd_max, tokens, text) int64_t name;
    PRICE_CLASS_LIST(X)
#undef X
};

/* How many of each a call, or all of them, took. input has the cached ones. */
struct price_use {
#define X(ID, name, key, per, decimals, usd_max, tokens, text) uint64_t name;
    PRICE_CLASS_LIST(X)
#undef X
};

struct price_class_info {
    const char *name, *key, *text;
    uint64_t per, max; /* max: of one, in 1e-12 USD */
    unsigned decimals;
    bool tokens;
    size_t price_at, use_at; /* in the two structs above */
};

extern const struct price_class_info price_classes[PRICE_CLASSES];
/* Nothing of tokens is known. */
extern const struct price price_unknown;

int64_t *price_of(struct price *price, enum price_class class);
int64_t price_get(const struct price *price, enum price_class class);
/* Whether a call costs nothing, whatever it takes. */
bool price_is_free(const struct price *price);
/* As it stands in a job file: of so many as a class says. */
const char *price_class_text(const struct price *price, enum price_class class,
                             char text[PRICE_TEXT_BYTES]);

/* Reads "0.15", USD a million tokens: at most 6 decimals and 9 digits before
 * them, as exact as it was written. CO_USAGE: it is no such number. */
co_must_use enum co_err price_parse(const char *text, int64_t *ret_per_token,
                                    struct co_diag *diag);
/* The same of another class, with its decimals. */
co_must_use enum co_err price_parse_class(enum price_class class,
                                          const char *text, int64_t *ret,
                                          struct co_diag *diag);
/* What that came to; cached of the input tokens were cached ones (at the input
 * price when none is set for them). False: a price that is needed is unknown,
 * or the sum is beyond int64. */
bool price_cost(const struct price *price, const struct price_use *use,
                int64_t *ret_pico_usd);
/* What one call costs at most that has so many tokens and takes so long,
 * whatever of the input is cached. Characters are no more than bytes, which
 * bound the input's tokens, too. */
bool price_worst(const struct price *price, uint64_t input, uint64_t output,
                 uint64_t millisecond, int64_t *ret_pico_usd);
/* Reads an amount of USD as price_text writes it: at most 12 decimals and 7
 * digits before them. CO_USAGE: it is none. */
co_must_use enum co_err price_usd_parse(const char *text,
                                        int64_t *ret_pico_usd);
/* "0.000123": exact, without zeros at the end. */
const char *price_text(int64_t pico_usd, char text[PRICE_TEXT_BYTES]);
