/* price.c - see price.h. */
#include "llm/price.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DECIMALS = 6, WHOLE_MAX = 9 };
enum { USD_DECIMALS = 12, USD_WHOLE_MAX = 7 };
static const int64_t pico_a_usd = 1000000000000;

/* Digits, at most whole_max, and decimals, at most so many, times 10 to their
 * power. */
static bool
read_decimal(const char *text, size_t whole_max, size_t decimals, int64_t *ret)
{
    size_t whole = strspn(text, "0123456789"), part = 0;
    const char *p = text + whole;
    int64_t n = 0;

    if (*p == '.') {
        p++;
        part = strspn(p, "0123456789");
    }
    if (whole == 0 || whole > whole_max || part > decimals || p[part]) {
        return false;
    }
    for (size_t i = 0; i < whole; i++) {
        n = 10 * n + (text[i] - '0');
    }
    for (size_t i = 0; i < decimals; i++) {
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, i < part ? p[i] - '0' : 0, &n)) {
            return false;
        }
    }
    *ret = n;
    return true;
}

enum co_err
price_parse(const char *text, int64_t *ret_per_token, struct co_diag *diag)
{
    /* USD a million tokens and 1e-12 USD a token are six decimals apart. */
    if (read_decimal(text, WHOLE_MAX, DECIMALS, ret_per_token)) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "\"%.40s\" is no price: USD for a million tokens, with at "
                   "most %d decimals, such as 0.15",
                   text, DECIMALS);
}

enum co_err
price_usd_parse(const char *text, int64_t *ret_pico_usd)
{
    return read_decimal(text, USD_WHOLE_MAX, USD_DECIMALS, ret_pico_usd)
               ? CO_OK
               : CO_USAGE;
}

static bool
add(int64_t *sum, int64_t price, uint64_t tokens)
{
    int64_t cost;

    if (tokens == 0) return true;
    return price >= 0 && !__builtin_mul_overflow(price, tokens, &cost) &&
           !__builtin_add_overflow(*sum, cost, sum);
}

bool
price_cost(const struct price *price, uint64_t input, uint64_t cached,
           uint64_t output, int64_t *ret_pico_usd)
{
    int64_t sum = 0, cached_price = price->cached_input;

    cached = co_min_u64(cached, input);
    if (cached_price < 0) cached_price = price->input;
    if (!add(&sum, price->input, input - cached)) return false;
    if (!add(&sum, cached_price, cached)) return false;
    if (!add(&sum, price->output, output)) return false;
    *ret_pico_usd = sum;
    return true;
}

bool
price_worst(const struct price *price, int64_t call_price, uint64_t input,
            uint64_t output, int64_t *ret_pico_usd)
{
    struct price dearest = *price;
    int64_t sum;

    if (price->input < 0 || call_price < 0) return false;
    if (dearest.cached_input > dearest.input) {
        dearest.input = dearest.cached_input;
    }
    if (!price_cost(&dearest, input, 0, output, &sum)) return false;
    return !__builtin_add_overflow(sum, call_price, ret_pico_usd);
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
