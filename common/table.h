/* table.h - from a pair of 64-bit numbers (job, task) to a 32-bit index.
 * Open addressing with linear probing; a deletion shifts its followers back,
 * so there are no tombstones and cost does not grow with age. 24 bytes a
 * slot, at most 3/4 full, doubling up to the limit. Values are indices into
 * an array of the caller. Look-ups are inline: this is the hot path.
 * Not thread-safe. */
#pragma once
#include "common/err.h"
#include "common/hash.h"

/* "Not there"; never a value. */
#define CO_TABLE_NONE UINT32_MAX

/* Open only to be inlined: use the functions. */
struct co_table_slot {
    uint64_t a;
    uint64_t b;
    uint32_t hash;
    uint32_t value; /* CO_TABLE_NONE: empty */
};

struct co_table {
    struct co_table_slot *slots;
    size_t mask;  /* slots - 1 */
    size_t count; /* keys inside */
    size_t limit;
    uint64_t seed;
};

/* An empty table for at most limit keys (1 .. 2^30). */
co_must_use enum co_err co_table_new(size_t limit, struct co_table **ret_table);
void co_table_free(struct co_table *table);
CO_DEFINE_FREEP(struct co_table, co_table_free)
/* Mixes seed into the hash, so that a peer who picks the keys cannot make
 * them collide. Only while the table is empty (asserted). Iteration order
 * depends on it: a simulation gives a fixed one, or none. */
void co_table_set_seed(struct co_table *table, uint64_t seed);

/* Adds a key that is not there. The value must not be CO_TABLE_NONE.
 * CO_EXISTS, CO_FULL (limit), CO_NOMEM: nothing changed. */
co_must_use enum co_err co_table_put(struct co_table *table, uint64_t a,
                                     uint64_t b, uint32_t value);
/* Removes the key; returns its value, CO_TABLE_NONE if it was not there. */
uint32_t co_table_del(struct co_table *table, uint64_t a, uint64_t b);
/* Removes all keys, keeps the memory. */
void co_table_clear(struct co_table *table);

static inline size_t
co_table_count(const struct co_table *table)
{
    return table->count;
}

static inline uint32_t
co_table_hash(const struct co_table *table, uint64_t a, uint64_t b)
{
    return (uint32_t)(co_mix64((a ^ table->seed) * 0x9e3779b97f4a7c15u + b) >>
                      32);
}

/* Where the value of a key stands, NULL if it is not there. Write through it
 * to replace the value; it dies with the next put, del or clear. */
static inline uint32_t *
co_table_at(const struct co_table *table, uint64_t a, uint64_t b)
{
    size_t i = co_table_hash(table, a, b) & table->mask;

    for (;; i = (i + 1) & table->mask) {
        struct co_table_slot *slot = &table->slots[i];

        if (slot->value == CO_TABLE_NONE) return NULL;
        if (slot->b == b && slot->a == a) return &slot->value;
    }
}

/* The value of a key, or CO_TABLE_NONE. */
static inline uint32_t
co_table_find(const struct co_table *table, uint64_t a, uint64_t b)
{
    const uint32_t *value = co_table_at(table, a, b);

    return value ? *value : CO_TABLE_NONE;
}

/* Asks for the key's first slot to be fetched: call it for the keys of a
 * batch some steps ahead of their look-ups. */
static inline void
co_table_prefetch(const struct co_table *table, uint64_t a, uint64_t b)
{
    __builtin_prefetch(&table->slots[co_table_hash(table, a, b) & table->mask]);
}

/* The next key in no useful order: start with *cursor = 0; false at the end.
 * No put and del in between. */
bool co_table_next(const struct co_table *table, size_t *cursor,
                   struct co_table_slot *ret_slot);
