/* near.h - how far a mistyped word is from one that exists. Pure. */
#pragma once
#include <stddef.h>

enum { CO_NEAR_BYTES_MAX = 64 };

/* Levenshtein's distance. Words longer than CO_NEAR_BYTES_MAX are far from
 * everything: SIZE_MAX. */
size_t co_near_distance(const char *a, size_t a_len, const char *b,
                        size_t b_len);
