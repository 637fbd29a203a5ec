/* table.c - see table.h. At most 1/4 full, since neighbouring tasks lie side
 * by side (co_hash_task) and runs come in groups. Robin-hood hashing was left
 * out: so empty, linear probing is short anyway, and needs no distances. */
#include "common/table.h"

#include <stdlib.h>

enum { TABLE_FIRST = 64, TABLE_SPARE = 4 };

/* What a table without memory looks into, so that no look-up has to ask. It
 * is never written: put needs room, and del finds nothing. */
static struct co_table_cell table_nothing = {.value = CO_TABLE_NONE};

void
co_table_init(struct co_table *table, uint32_t limit, uint64_t seed)
{
    co_assert(limit >= 1 && limit <= 1U << 28);
    *table = (struct co_table){
        .cells = &table_nothing, .limit = limit, .seed = seed};
}

void
co_table_fini(struct co_table *table)
{
    if (table->cells != &table_nothing) free(table->cells);
    *table = (struct co_table){0};
}

enum co_err
co_table_reserve(struct co_table *table, uint32_t n)
{
    struct co_table grown = *table;
    uint32_t cells = table->mask ? table->mask + 1 : TABLE_FIRST;

    if (n > table->limit) return CO_FULL;
    while (cells / TABLE_SPARE < n) {
        cells *= 2;
    }
    if (cells == table->mask + 1) return CO_OK;
    grown.cells = malloc(cells * sizeof *grown.cells);
    if (!grown.cells) return CO_NOMEM;
    grown.mask = cells - 1;
    for (uint32_t i = 0; i < cells; i++) {
        grown.cells[i].value = CO_TABLE_NONE;
    }
    for (uint32_t i = 0; i <= table->mask; i++) {
        const struct co_table_cell *cell = &table->cells[i];

        if (cell->value == CO_TABLE_NONE) continue;
        *co_table_cell(&grown, cell->a, cell->b) = *cell;
    }
    if (table->cells != &table_nothing) free(table->cells);
    *table = grown;
    return CO_OK;
}

void
co_table_put(struct co_table *table, uint64_t a, uint32_t b, uint32_t value)
{
    struct co_table_cell *cell = co_table_cell(table, a, b);

    co_assert(value != CO_TABLE_NONE);
    if (cell->value == CO_TABLE_NONE) {
        co_assert(table->count < (table->mask + 1) / TABLE_SPARE);
        table->count++;
    }
    *cell = (struct co_table_cell){a, b, value};
}

/* Closes the gap at i: a follower moves into it unless its home lies behind
 * the gap; its own place is the next gap. */
static void
table_shift_back(struct co_table *table, uint32_t i)
{
    struct co_table_cell *cells = table->cells;
    uint32_t mask = table->mask;

    for (uint32_t j = (i + 1) & mask; cells[j].value != CO_TABLE_NONE;
         j = (j + 1) & mask) {
        uint32_t home = co_table_home(table, cells[j].a, cells[j].b);

        if (((j - home) & mask) < ((j - i) & mask)) continue;
        cells[i] = cells[j];
        i = j;
    }
    cells[i].value = CO_TABLE_NONE;
}

uint32_t
co_table_del(struct co_table *table, uint64_t a, uint32_t b)
{
    struct co_table_cell *cell = co_table_cell(table, a, b);
    uint32_t value = cell->value;

    if (value == CO_TABLE_NONE) return CO_TABLE_NONE;
    table_shift_back(table, (uint32_t)(cell - table->cells));
    table->count--;
    return value;
}
