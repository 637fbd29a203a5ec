/* money_table.c - calls of which the ledger knows by their task ids: one table
 * with open addressing, a quarter full at most. A job has as many as it has
 * calls in flight, and those that were lost. */
#include "coordinator/money_impl.h"

#include "common/hash.h"

#include <stdlib.h>

static uint32_t
home_of(uint64_t task, uint32_t cap)
{
    return (uint32_t)(co_mix64(task) & (cap - 1));
}

/* The task's place, or the free one where it would stand. */
struct money_entry *
money_find(const struct money *m, uint64_t task)
{
    uint32_t at = home_of(task, m->cap_table);

    while (m->table[at].state && m->table[at].task != task) {
        at = (at + 1) & (m->cap_table - 1);
    }
    return &m->table[at];
}

static bool
resize(struct money *m, uint32_t cap)
{
    struct money_entry *old = m->table;
    const uint32_t old_cap = m->cap_table;

    m->table = calloc(cap, sizeof *m->table);
    if (!m->table) {
        m->table = old;
        return false;
    }
    m->cap_table = cap;
    for (uint32_t i = 0; i < old_cap; i++) {
        if (old[i].state) *money_find(m, old[i].task) = old[i];
    }
    free(old);
    return true;
}

bool
money_grow(struct money *m)
{
    if ((m->named + 1) * 4 <= m->cap_table) return true;
    return resize(m, m->cap_table * 2);
}

/* Moves up what stood behind it because its place was taken. */
void
money_unname(struct money *m, struct money_entry *e)
{
    const uint32_t mask = m->cap_table - 1;
    uint32_t hole = (uint32_t)(e - m->table);

    for (uint32_t at = (hole + 1) & mask; m->table[at].state;
         at = (at + 1) & mask) {
        uint32_t home = home_of(m->table[at].task, m->cap_table);

        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        m->table[hole] = m->table[at];
        hole = at;
    }
    m->table[hole] = (struct money_entry){0};
    m->named--;
}

/* The first ids, up to an eighth of the way from the lowest unknown one to the
 * highest. */
static uint64_t
oldest_end(const struct money *m)
{
    uint64_t low = UINT64_MAX, high = 0;

    for (uint32_t i = 0; i < m->cap_table; i++) {
        if (m->table[i].state != ENTRY_UNKNOWN) continue;
        if (m->table[i].task < low) low = m->table[i].task;
        if (m->table[i].task > high) high = m->table[i].task;
    }
    return low <= high ? low + (high - low) / 8 : 0;
}

/* Forgets the ids of unknown calls, and not their money. Ids grow with the row,
 * and rows are asked in order: the lowest are the oldest, and the least likely
 * to be answered yet. */
static void
unname_oldest(struct money *m)
{
    const uint64_t end = oldest_end(m);

    for (uint32_t i = 0; i < m->cap_table; i++) {
        /* another may move to its place */
        while (m->table[i].state == ENTRY_UNKNOWN && m->table[i].task <= end) {
            money_unname(m, &m->table[i]);
            m->n.nameless++;
        }
    }
}

void
money_forget(struct money *m)
{
    uint32_t cap = m->cap_table, before = 0;

    while (m->named >= MONEY_NAMED_MAX && m->named != before) {
        before = m->named;
        unname_oldest(m);
    }
    while (cap > MONEY_TABLE_FIRST && (m->named + 1) * 16 <= cap) {
        cap /= 2;
    }
    if (cap < m->cap_table) (void)resize(m, cap); /* else it stays as it is */
}
