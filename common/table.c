/* table.c - see table.h.
 * Robin-hood hashing was left out: at 3/4 full with a good hash, plain linear
 * probing looks at 2.5 slots on average, and needs no distances. The hash is
 * kept in the slot (in what padding would take), so that shifting back and
 * growing never compute it again. */
#include "common/table.h"

#include <stdlib.h>

enum { TABLE_FIRST_SLOTS = 16 };

static struct co_table_slot *
table_make_slots(size_t slot_count)
{
    struct co_table_slot *slots = calloc(slot_count, sizeof *slots);

    for (size_t i = 0; slots && i < slot_count; i++)
        slots[i].value = CO_TABLE_NONE;
    return slots;
}

enum co_err
co_table_new(size_t limit, struct co_table **ret_table)
{
    struct co_table *table;

    co_assert(limit >= 1 && limit <= (size_t)1 << 30);
    table = calloc(1, sizeof *table);
    if (!table) return CO_NOMEM;
    table->limit = limit;
    table->mask = TABLE_FIRST_SLOTS - 1;
    table->slots = table_make_slots(TABLE_FIRST_SLOTS);
    if (!table->slots) {
        free(table);
        return CO_NOMEM;
    }
    *ret_table = table;
    return CO_OK;
}

void
co_table_free(struct co_table *table)
{
    if (!table) return;
    free(table->slots);
    free(table);
}

void
co_table_set_seed(struct co_table *table, uint64_t seed)
{
    co_assert(table->count == 0);
    table->seed = seed;
}

/* Puts a slot that is not inside into the first free place of its run. */
static void
table_insert(struct co_table *table, struct co_table_slot slot)
{
    size_t i = slot.hash & table->mask;

    while (table->slots[i].value != CO_TABLE_NONE)
        i = (i + 1) & table->mask;
    table->slots[i] = slot;
}

static enum co_err
table_grow(struct co_table *table)
{
    struct co_table_slot *old = table->slots;
    size_t old_count = table->mask + 1;
    struct co_table_slot *slots = table_make_slots(2 * old_count);

    if (!slots) return CO_NOMEM;
    table->slots = slots;
    table->mask = 2 * old_count - 1;
    for (size_t i = 0; i < old_count; i++)
        if (old[i].value != CO_TABLE_NONE) table_insert(table, old[i]);
    free(old);
    return CO_OK;
}

enum co_err
co_table_put(struct co_table *table, uint64_t a, uint64_t b, uint32_t value)
{
    struct co_table_slot slot = {
        .a = a, .b = b, .hash = co_table_hash(table, a, b), .value = value};
    enum co_err err = CO_OK;

    co_assert(value != CO_TABLE_NONE);
    if (co_table_at(table, a, b)) return CO_EXISTS;
    if (table->count == table->limit) return CO_FULL;
    if ((table->count + 1) * 4 > (table->mask + 1) * 3) err = table_grow(table);
    if (err) return err;
    table_insert(table, slot);
    table->count++;
    return CO_OK;
}

/* Closes the gap at i: a follower moves into it unless its home lies behind
 * the gap; its own place is the next gap. */
static void
table_shift_back(struct co_table *table, size_t i)
{
    struct co_table_slot *slots = table->slots;
    size_t mask = table->mask;

    for (size_t j = (i + 1) & mask; slots[j].value != CO_TABLE_NONE;
         j = (j + 1) & mask) {
        size_t from_home = (j - slots[j].hash) & mask;

        if (from_home < ((j - i) & mask)) continue;
        slots[i] = slots[j];
        i = j;
    }
    slots[i].value = CO_TABLE_NONE;
}

uint32_t
co_table_del(struct co_table *table, uint64_t a, uint64_t b)
{
    size_t i = co_table_hash(table, a, b) & table->mask;

    for (;; i = (i + 1) & table->mask) {
        uint32_t value = table->slots[i].value;

        if (value == CO_TABLE_NONE) return CO_TABLE_NONE;
        if (table->slots[i].b != b || table->slots[i].a != a) continue;
        table_shift_back(table, i);
        table->count--;
        return value;
    }
}

void
co_table_clear(struct co_table *table)
{
    for (size_t i = 0; i <= table->mask; i++)
        table->slots[i].value = CO_TABLE_NONE;
    table->count = 0;
}

bool
co_table_next(const struct co_table *table, size_t *cursor,
              struct co_table_slot *ret_slot)
{
    while (*cursor <= table->mask) {
        const struct co_table_slot *slot = &table->slots[(*cursor)++];

        if (slot->value == CO_TABLE_NONE) continue;
        *ret_slot = *slot;
        return true;
    }
    return false;
}
