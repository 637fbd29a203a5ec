/* index.c - see index.h. At most 1/4 full, since
 * neighbouring tasks lie side by side (co_hash_task); cells of 16 bytes hold
 * the key, so that a miss is decided without touching what the value points to.
 */
#include "broker/index.h"

#include "common/hash.h"

#include <stdlib.h>

enum { INDEX_FIRST = 64 };

static uint32_t
home(const struct index *x, uint64_t a, uint32_t b)
{
    return (uint32_t)co_hash_task(b ^ x->seed, a) & (x->cap - 1);
}

void
index_fini(struct index *x)
{
    free(x->cells);
    *x = (struct index){0};
}

static void
insert(struct index *x, struct index_cell cell)
{
    uint32_t i = home(x, cell.a, cell.b);

    while (x->cells[i].value != INDEX_NONE)
        i = (i + 1) & (x->cap - 1);
    x->cells[i] = cell;
    x->n++;
}

enum co_err
index_reserve(struct index *x, uint32_t n)
{
    uint32_t cap = x->cap ? x->cap : INDEX_FIRST;
    struct index grown = {.seed = x->seed};

    while (cap / 4 < n)
        cap *= 2;
    if (cap == x->cap) return CO_OK;
    grown.cells = malloc(cap * sizeof *grown.cells);
    if (!grown.cells) return CO_NOMEM;
    grown.cap = cap;
    for (uint32_t i = 0; i < cap; i++)
        grown.cells[i].value = INDEX_NONE;
    for (uint32_t i = 0; i < x->cap; i++) {
        if (x->cells[i].value != INDEX_NONE) insert(&grown, x->cells[i]);
    }
    free(x->cells);
    *x = grown;
    return CO_OK;
}

/* The cell of (a, b), or INDEX_NONE. */
static uint32_t
find(const struct index *x, uint64_t a, uint32_t b)
{
    uint32_t i;

    if (!x->cap) return INDEX_NONE;
    for (i = home(x, a, b); x->cells[i].value != INDEX_NONE;
         i = (i + 1) & (x->cap - 1)) {
        if (x->cells[i].a == a && x->cells[i].b == b) return i;
    }
    return INDEX_NONE;
}

uint32_t
index_get(const struct index *x, uint64_t a, uint32_t b)
{
    uint32_t i = find(x, a, b);

    return i == INDEX_NONE ? INDEX_NONE : x->cells[i].value;
}

void
index_put(struct index *x, uint64_t a, uint32_t b, uint32_t value)
{
    uint32_t i = find(x, a, b);

    if (i != INDEX_NONE) {
        x->cells[i].value = value;
        return;
    }
    co_assert(x->n < x->cap - x->cap / 4);
    insert(x, (struct index_cell){a, b, value});
}

void
index_remove(struct index *x, uint64_t a, uint32_t b)
{
    uint32_t mask = x->cap - 1;
    uint32_t hole = find(x, a, b);

    if (hole == INDEX_NONE) return;
    x->n--;
    /* Move back whatever would no longer be found behind the hole. */
    for (uint32_t i = (hole + 1) & mask; x->cells[i].value != INDEX_NONE;
         i = (i + 1) & mask) {
        uint32_t want = home(x, x->cells[i].a, x->cells[i].b);

        if (((i - want) & mask) >= ((i - hole) & mask)) {
            x->cells[hole] = x->cells[i];
            hole = i;
        }
    }
    x->cells[hole].value = INDEX_NONE;
}
