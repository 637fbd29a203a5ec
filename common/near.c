/* near.c - see near.h. */
#include "common/near.h"

#include <stdint.h>

size_t
co_near_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[CO_NEAR_BYTES_MAX + 1];

    if (a_len > CO_NEAR_BYTES_MAX || b_len > CO_NEAR_BYTES_MAX) return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];

            diagonal = row[j];
            row[j] = change < shorter + 1 ? change : shorter + 1;
        }
    }
    return row[b_len];
}
