/* revivals.c - see revivals.h. A sorted array: people want few rows back, and
 * dead.jsonl has 10,000 letters at most. */
#include "coordinator/revivals.h"

#include <stdlib.h>
#include <string.h>

void
revivals_fini(struct revivals *r)
{
    free(r->v);
    *r = (struct revivals){0};
}

/* The first at or behind the row. */
static uint32_t
place_of(const struct revivals *r, uint64_t row)
{
    uint32_t low = 0, high = r->n;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (r->v[middle].row < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool
has(const struct revivals *r, uint32_t at, uint64_t row)
{
    return at < r->n && r->v[at].row == row;
}

enum co_err
revivals_add(struct revivals *r, uint64_t row)
{
    const uint32_t at = place_of(r, row);

    if (has(r, at, row)) {
        r->v[at].times++;
        return CO_OK;
    }
    if (r->n == r->cap) {
        const uint32_t cap = r->cap ? 2 * r->cap : 16;
        struct revival *grown = realloc(r->v, cap * sizeof *grown);

        if (!grown) return CO_NOMEM;
        r->v = grown;
        r->cap = cap;
    }
    memmove(r->v + at + 1, r->v + at, (r->n - at) * sizeof *r->v);
    r->v[at] = (struct revival){row, 1};
    r->n++;
    return CO_OK;
}

bool
revivals_remove(struct revivals *r, uint64_t row)
{
    const uint32_t at = place_of(r, row);

    if (!has(r, at, row)) return false;
    if (--r->v[at].times) return true;
    r->n--;
    memmove(r->v + at, r->v + at + 1, (r->n - at) * sizeof *r->v);
    return true;
}

bool
revivals_in(const struct revivals *r, uint64_t start, uint32_t count)
{
    const uint32_t at = place_of(r, start);

    return at < r->n && r->v[at].row - start < count;
}

uint64_t
revivals_first(const struct revivals *r)
{
    return r->n ? r->v[0].row : UINT64_MAX;
}
