/* price_options.h - what one call costs, by prices from the command line. */
#pragma once
#include "common/options.h"
#include "llm/call.h"
#include "llm/price.h"

/* As they were given; NULL: not. */
struct price_options {
    const char *usd[PRICE_CLASSES];
};

#define PRICE_OPTION(holder, member, flag, ID, about)                          \
    {                                                                          \
        .name = flag, .type = CO_OPTION_STRING,                                \
        .offset = offsetof(struct holder, member) +                            \
                  offsetof(struct price_options, usd[PRICE_##ID]),             \
        .min = 1, .max = 20, .placeholder = "USD", .no_env = true,             \
        .help = about                                                          \
    }

/* Entries of a table of options; member is holder's struct price_options. */
#define PRICE_OPTIONS(holder, member)                                          \
    PRICE_OPTION(holder, member, "price-input", INPUT,                         \
                 "of a million input tokens, as 0.15"),                        \
        PRICE_OPTION(holder, member, "price-output", OUTPUT,                   \
                     "of a million output tokens"),                            \
        PRICE_OPTION(holder, member, "price-cached-input", CACHED_INPUT,       \
                     "of a million cached ones; as input if not given"),       \
        PRICE_OPTION(holder, member, "price-call", CALL, "of the call"),       \
        PRICE_OPTION(holder, member, "price-characters", CHARACTER,            \
                     "of a million characters sent"),                          \
        PRICE_OPTION(holder, member, "price-second", MILLISECOND,              \
                     "of a second that it takes")

/* CO_USAGE: one is no price, or lacks another; diag says which. */
co_must_use enum co_err price_options_read(const struct price_options *options,
                                           struct price *ret_price,
                                           struct co_diag *diag);
/* What the call cost that sent so many characters; NULL: that is not known. */
const char *price_options_cost(const struct price *price,
                               const struct call *call, uint64_t characters,
                               char text[PRICE_TEXT_BYTES]);
