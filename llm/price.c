/* price.c - see price.h. */
#include "llm/price.h"

#include "common/decimal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WHOLE_MAX = 9, USD_DECIMALS = 12, USD_WHOLE_MAX = 7 };
static const int64_t pico_a_usd = 1000000000000;

const struct price_class_info price_classes[PRICE_CLASSES] = {
#define X(ID, name, key, per, decimals, usd_max, tokens, text)                 \
    [PRICE_##ID] = {#name,                                                     \
                    key,                                                       \
                    text,                                                      \
                    per,                                                       \
                    UINT64_C(usd_max) * (1000000000000 / (per)),               \
                    decimals,                                                  \
                    tokens,                                                    \
                    offsetof(struct price, name),                              \
                    offsetof(struct price_use, name)},
    PRICE_CLASS_LIST(X)
#undef X
};

const struct price price_unknown = {
    .cached_input = -1, .input = -1, .output = -1};

int64_t *
price_of(struct price *price, enum price_class class)
{
    return (int64_t *)(void *)((char *)price + price_classes[class].price_at);
}

int64_t
price_get(const struct price *price, enum price_class class)
{
    struct price copy = *price;

    return *price_of(&copy, class);
}

bool
price_is_free(const struct price *price)
{
    for (unsigned i = 0; i < PRICE_CLASSES; i++) {
        const int64_t one = price_get(price, (enum price_class)i);

        /* cached tokens cost what others do where nothing else is said */
        if (one != 0 && !(one < 0 && i == PRICE_CACHED_INPUT)) return false;
    }
    return true;
}

static uint64_t
use_get(const struct price_use *use, enum price_class class)
{
    uint64_t n;

    memcpy(&n, (const char *)use + price_classes[class].use_at, sizeof n);
    return n;
}

const char *
price_class_text(const struct price *price, enum price_class class,
                 char text[PRICE_TEXT_BYTES])
{
    int64_t value;

    if (__builtin_mul_overflow(price_get(price, class),
                               price_classes[class].per, &value)) {
        value = INT64_MAX;
    }
    return price_text(value, text);
}

enum co_err
price_parse_class(enum price_class class, const char *text, int64_t *ret,
                  struct co_diag *diag)
{
    const struct price_class_info *c = &price_classes[class];

    /* USD of so many, and 1e-12 USD of one, are so many decimals apart. */
    if (co_decimal_read(text, WHOLE_MAX, c->decimals, ret)) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "\"%.40s\" is no price: %s, with at most %u decimals, such "
                   "as 0.15",
                   text, c->tokens ? "USD for a million tokens" : c->text,
                   c->decimals);
}

enum co_err
price_parse(const char *text, int64_t *ret_per_token, struct co_diag *diag)
{
    return price_parse_class(PRICE_INPUT, text, ret_per_token, diag);
}

enum co_err
price_usd_parse(const char *text, int64_t *ret_pico_usd)
{
    return co_decimal_read(text, USD_WHOLE_MAX, USD_DECIMALS, ret_pico_usd)
               ? CO_OK
               : CO_USAGE;
}

static bool
add(int64_t *sum, int64_t price, uint64_t n)
{
    int64_t cost;

    if (n == 0) return true;
    return price >= 0 && !__builtin_mul_overflow(price, n, &cost) &&
           !__builtin_add_overflow(*sum, cost, sum);
}

bool
price_cost(const struct price *price, const struct price_use *use,
           int64_t *ret_pico_usd)
{
    struct price by = *price;
    struct price_use n = *use;
    int64_t sum = 0;

    n.cached_input = co_min_u64(n.cached_input, n.input);
    n.input -= n.cached_input;
    if (by.cached_input < 0) by.cached_input = by.input;
    for (unsigned c = 0; c < PRICE_CLASSES; c++) {
        if (!add(&sum, price_get(&by, (enum price_class)c),
                 use_get(&n, (enum price_class)c))) {
            return false;
        }
    }
    *ret_pico_usd = sum;
    return true;
}

bool
price_worst(const struct price *price, uint64_t input, uint64_t output,
            uint64_t millisecond, int64_t *ret_pico_usd)
{
    const struct price_use most = {.call = 1,
                                   .character = input,
                                   .input = input,
                                   .millisecond = millisecond,
                                   .output = output};
    struct price dearest = *price;

    if (price->input < 0) return false;
    if (dearest.cached_input > dearest.input) {
        dearest.input = dearest.cached_input;
    }
    return price_cost(&dearest, &most, ret_pico_usd);
}

const char *
price_text(int64_t pico_usd, char text[PRICE_TEXT_BYTES])
{
    int n = snprintf(text, PRICE_TEXT_BYTES, "%" PRId64 ".%012" PRId64,
                     pico_usd / pico_a_usd, pico_usd % pico_a_usd);

    while (text[n - 1] == '0') {
        text[--n] = '\0';
    }
    if (text[n - 1] == '.') text[n - 1] = '\0';
    return text;
}
