/* index.h - where to find something by its number: (u64, u32) -> u32.
 * Open addressing with linear probing; removal shifts back, so that there are
 * no tombstones and a table that lives for months stays as fast as a new one.
 * Not thread-safe. */
#pragma once
#include "common/err.h"

enum { INDEX_NONE = UINT32_MAX };

struct index_cell {
    uint64_t a;
    uint32_t b;
    uint32_t value; /* INDEX_NONE: the cell is empty */
};

struct index {
    struct index_cell *cells;
    uint32_t cap; /* power of two, or 0 */
    uint32_t n;
    uint64_t seed; /* set while empty: who picks keys cannot collide them */
};

void index_fini(struct index *x);
/* Makes room for n keys in all. CO_NOMEM: nothing changed. */
co_must_use enum co_err index_reserve(struct index *x, uint32_t n);
/* The value of (a, b), or INDEX_NONE. */
uint32_t index_get(const struct index *x, uint64_t a, uint32_t b);
/* Adds or replaces. Room must have been reserved (asserted): this never
 * fails, so that a caller reserves first and changes state afterwards. */
void index_put(struct index *x, uint64_t a, uint32_t b, uint32_t value);
/* Removes (a, b); fine when it is not there. */
void index_remove(struct index *x, uint64_t a, uint32_t b);
