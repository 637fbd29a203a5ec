/* value.h - what a slice of JSON means: its number, its text.
 * Pure. */
#pragma once
#include "query/scan.h"

/* Integers are exact between -2^63 and 2^63 - 1; beyond that, and with a
 * fraction, long double (2^64 is exact on x86 and ARM). */
struct number {
    bool whole;
    int64_t i; /* when whole */
    long double real;
};

/* Reads a number of JSON's grammar (as scan.h checks it). */
struct number number_of(const char *at, size_t len);
/* <0, 0, >0 */
int number_compare(const struct number *a, const struct number *b);
/* An unsigned integer of 64 bits; false: it is none. */
bool number_u64(const struct scan_value *value, uint64_t *ret);

/* The text that a SCAN_TEXT stands for: where it has no escapes, a slice of the
 * line; else scratch, which is overwritten. A half of a surrogate pair, and
 * an escape that JSON does not know, becomes U+FFFD. False: out of memory. */
bool text_of(const struct scan_value *value, struct co_buf *scratch,
             const char **ret_at, size_t *ret_len);

/* Finds needle as it is; ASCII letters in either case with fold. */
bool text_contains(const char *at, size_t len, const char *needle,
                   size_t needle_len, bool fold);
/* Whole text against a pattern: '%' any bytes, '_' one character, '\' in
 * front of one of these takes it as it is. */
bool text_like(const char *at, size_t len, const char *pattern,
               size_t pattern_len);
