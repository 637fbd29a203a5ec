/* kind_written_lists.c - who waits for what.
 * Lists of rows are loose: a row is put in when it needs something and looked
 * at when it comes out. Removing from the middle of a list would cost a link in
 * both directions in each talk, and more code than looking again. */
#include "coordinator/kind_written_core.h"

#include <stdlib.h>

bool
fifo_put(struct fifo *f, uint64_t value)
{
    if (f->n == f->cap) {
        const uint32_t cap = f->cap ? 2 * f->cap : 64;
        uint64_t *grown = malloc(cap * sizeof *grown);

        if (!grown) return false;
        for (uint32_t i = 0; i < f->n; i++) {
            grown[i] = f->v[(f->head + i) & (f->cap - 1)];
        }
        free(f->v);
        f->v = grown;
        f->cap = cap;
        f->head = 0;
    }
    f->v[(f->head + f->n++) & (f->cap - 1)] = value;
    return true;
}

bool
fifo_get(struct fifo *f, uint64_t *ret_value)
{
    if (!f->n) return false;
    *ret_value = f->v[f->head];
    f->head = (f->head + 1) & (f->cap - 1);
    f->n--;
    return true;
}

static bool
wait_before(const struct wait *a, const struct wait *b)
{
    return a->due_us < b->due_us || (a->due_us == b->due_us && a->row < b->row);
}

static void
wait_swap(struct wait *a, struct wait *b)
{
    struct wait swap = *a;

    *a = *b;
    *b = swap;
}

bool
waits_put(struct waits *h, int64_t due_us, uint64_t row)
{
    uint32_t at = h->n;

    if (h->n == h->cap) {
        const uint32_t cap = h->cap ? 2 * h->cap : 64;
        struct wait *grown = realloc(h->v, cap * sizeof *grown);

        if (!grown) return false;
        h->v = grown;
        h->cap = cap;
    }
    h->v[h->n++] = (struct wait){due_us, row};
    while (at > 0 && wait_before(&h->v[at], &h->v[(at - 1) / 2])) {
        wait_swap(&h->v[at], &h->v[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    return true;
}

struct wait
waits_get(struct waits *h)
{
    const struct wait first = h->v[0];
    uint32_t at = 0;

    h->v[0] = h->v[--h->n];
    for (;;) {
        uint32_t least = at;

        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < h->n && wait_before(&h->v[child], &h->v[least])) {
                least = child;
            }
        }
        if (least == at) return first;
        wait_swap(&h->v[at], &h->v[least]);
        at = least;
    }
}
