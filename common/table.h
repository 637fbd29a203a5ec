/* table.h - where to find something by its number: (u64, u32) -> u32, such as
 * (task, job slot) -> index into an array of the caller.
 * Open addressing with linear probing; a removal shifts its followers back, so
 * that there are no tombstones and a table that lives for months stays as fast
 * as a new one. Cells of 16 bytes hold the key, so that a miss is decided
 * without touching what the value points to. Look-ups are inline: this is the
 * hot path. Not thread-safe. */
#pragma once
#include "common/err.h"
#include "common/hash.h"

/* "Not there"; never a value. */
#define CO_TABLE_NONE UINT32_MAX

/* Open only to be inlined: use the functions. */
struct co_table_cell {
    uint64_t a;
    uint32_t b;
    uint32_t value; /* CO_TABLE_NONE: empty */
};

struct co_table {
    struct co_table_cell *cells;
    uint32_t mask;  /* cells - 1 */
    uint32_t count; /* keys inside */
    uint32_t limit;
    uint64_t seed;
};

/* An empty table for at most limit keys (1 .. 2^28); takes no memory yet. The
 * seed goes into the hash, so that a peer who picks the keys cannot make them
 * collide; a simulation gives a fixed one. */
void co_table_init(struct co_table *table, uint32_t limit, uint64_t seed);
/* Frees the memory; fine on a table that is all zero. */
void co_table_fini(struct co_table *table);

/* Makes room for n keys in all, so that adding up to there cannot fail: a
 * caller reserves first and changes its state afterwards.
 * CO_FULL (limit), CO_NOMEM: nothing changed. */
co_must_use enum co_err co_table_reserve(struct co_table *table, uint32_t n);
/* Adds a key that is not there, or replaces its value. Room must have been
 * reserved, and the value not be CO_TABLE_NONE (both asserted). */
void co_table_put(struct co_table *table, uint64_t a, uint32_t b,
                  uint32_t value);
/* Removes the key; returns its value, CO_TABLE_NONE if it was not there. */
uint32_t co_table_del(struct co_table *table, uint64_t a, uint32_t b);

static inline uint32_t
co_table_home(const struct co_table *table, uint64_t a, uint32_t b)
{
    return (uint32_t)co_hash_task(b ^ table->seed, a) & table->mask;
}

/* The cell of a key, or the empty one where the search ended. */
static inline struct co_table_cell *
co_table_cell(const struct co_table *table, uint64_t a, uint32_t b)
{
    uint32_t i = co_table_home(table, a, b);

    for (;; i = (i + 1) & table->mask) {
        struct co_table_cell *cell = &table->cells[i];

        /* co_table_reserve sets every cell; the analyzer gives up on its loop.
         * NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
        if (cell->value == CO_TABLE_NONE) return cell;
        if (cell->a == a && cell->b == b) return cell;
    }
}

/* The value of a key, or CO_TABLE_NONE. */
static inline uint32_t
co_table_find(const struct co_table *table, uint64_t a, uint32_t b)
{
    return co_table_cell(table, a, b)->value;
}
