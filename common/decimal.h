/* decimal.h - numbers with a point, as whole numbers: nothing is ever rounded.
 * Pure. */
#pragma once
#include "common/base.h"

/* Reads text that is nothing but digits, at most whole_max of them and at least
 * one, and perhaps a point and decimals, at most so many: *ret_value is that
 * number times 10 to their power. False: it is something else, or too large. */
bool co_decimal_read(const char *text, size_t whole_max, size_t decimals,
                     int64_t *ret_value);
