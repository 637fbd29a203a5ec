/* decimal.c - see decimal.h. */
#include "common/decimal.h"

#include <string.h>

bool
co_decimal_read(const char *text, size_t whole_max, size_t decimals,
                int64_t *ret_value)
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
    for (size_t i = 0; i < whole + decimals; i++) {
        const char digit = i < whole          ? text[i]
                           : i - whole < part ? p[i - whole]
                                              : '0';

        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, digit - '0', &n)) {
            return false;
        }
    }
    *ret_value = n;
    return true;
}
