/* grammar_index.c - puts the alternatives of each list on shelves, one for
 * each combination of the (at most three) classes that limit them most, so
 * that a list keyed by occupation group or state costs no more than a short
 * one, and most of what lies on a shelf is allowed. The rest of a guard is
 * tested when choosing. */
#include "population/grammar_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    ENTRIES_MAX = 1 << 20,
    LIST_ENTRIES_MAX = 1 << 15, /* of one list */
    LIST_SHELVES_MAX = 1 << 12,
    SHARE_MAX = 1024,
    WORTH_PERCENT = 85, /* a class must shorten the shelves to this */
};

static bool
allows_value(const struct grammar_guard *guard, uint32_t bit)
{
    return !(guard->denied[bit / 64] >> bit % 64 & 1);
}

static const struct grammar_guard *
guard_of(const struct grammar *g, const struct grammar_list *l, uint32_t i)
{
    return &g->guards[g->items[g->by_list[l->first + i]].guard];
}

static uint64_t
values_allowed(const struct grammar_guard *guard, enum tag_class c)
{
    uint64_t n = 0;

    for (uint32_t v = 0; v < tags_count(c); v++) {
        n += allows_value(guard, tags_bit(c) + v);
    }
    return n;
}

/* Entries on all shelves when c is added to the keys there are. */
static uint64_t
entries_with(const struct grammar *g, const struct grammar_list *l,
             enum tag_class c)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < l->items; i++) {
        uint64_t shelves = values_allowed(guard_of(g, l, i), c);

        for (uint32_t k = 0; k < l->keys; k++) {
            shelves *= values_allowed(guard_of(g, l, i),
                                      (enum tag_class)l->key_class[k]);
        }
        n += shelves;
    }
    return n;
}

static uint32_t
shelves_of(const struct grammar_list *l)
{
    uint32_t n = 1;

    for (uint32_t k = 0; k < l->keys; k++) {
        n *= tags_count((enum tag_class)l->key_class[k]);
    }
    return n;
}

/* Adds the class whose shelves are shortest; false: none is worth it. */
static bool
add_key(const struct grammar *g, struct grammar_list *l, uint64_t *entries)
{
    enum tag_class best = CLASS_COUNT;
    uint64_t best_entries = 0, shelves = shelves_of(l);

    for (unsigned k = 0; k < CLASS_COUNT; k++) {
        enum tag_class c = (enum tag_class)k;
        uint64_t n = entries_with(g, l, c), all = *entries * tags_count(c);

        if (n * 100 > all * WORTH_PERCENT || n > LIST_ENTRIES_MAX ||
            shelves * tags_count(c) > LIST_SHELVES_MAX) {
            continue;
        }
        if (best < CLASS_COUNT &&
            n * tags_count(best) >= best_entries * tags_count(c)) {
            continue;
        }
        best = c;
        best_entries = n;
    }
    if (best == CLASS_COUNT) return false;
    l->key_count[l->keys] = (uint8_t)tags_count(best);
    l->key_class[l->keys++] = (uint8_t)best;
    *entries = best_entries;
    return true;
}

/* The guards of a list without what its keys say, by guard. */
static enum co_err
rest_guard(struct grammar_build *b, const struct grammar_list *l,
           uint16_t guard, uint16_t *rest)
{
    struct grammar_guard left = b->g->guards[guard];

    if (rest[guard] != UINT16_MAX) return CO_OK;
    for (uint32_t k = 0; k < l->keys; k++) {
        enum tag_class c = (enum tag_class)l->key_class[k];

        for (uint32_t v = 0; v < tags_count(c); v++) {
            uint32_t bit = tags_bit(c) + v;

            left.denied[bit / 64] &= ~(UINT64_C(1) << bit % 64);
        }
    }
    return grammar_guard_add(b, &left, &rest[guard]);
}

static enum co_err
add_entry(struct grammar_build *b, uint16_t item, uint16_t guard)
{
    struct grammar *g = b->g;
    enum co_err err;

    if (g->n_entries == ENTRIES_MAX) {
        return co_fail(b->diag, CO_FULL,
                       "phrases: the guards need more than %d index entries; "
                       "cut large lists",
                       ENTRIES_MAX);
    }
    err = grammar_grow((void **)&g->entries, &b->cap_entries, g->n_entries,
                       sizeof *g->entries);
    if (!err)
        g->entries[g->n_entries++] =
            (struct grammar_entry){g->items[item].code, item, guard};
    return err;
}

/* Whether the guard allows the values that the shelf's number stands for. */
static bool
belongs(const struct grammar_list *l, const struct grammar_guard *guard,
        uint32_t shelf)
{
    for (uint32_t k = l->keys; k-- > 0;) {
        enum tag_class c = (enum tag_class)l->key_class[k];

        if (!allows_value(guard, tags_bit(c) + shelf % tags_count(c))) {
            return false;
        }
        shelf /= tags_count(c);
    }
    return true;
}

/* Many shelves of a list hold the same: they share their entries, which then
 * stay in the cache. Looks at the last shelves only. */
static void
share_shelf(struct grammar *g, const struct grammar_list *l)
{
    struct grammar_shelf *last = &g->shelves[g->n_shelves - 1];

    if (last->count == 0) return;
    for (uint32_t i = 2;
         i <= SHARE_MAX && g->n_shelves - i >= l->shelf && i <= g->n_shelves;
         i++) {
        const struct grammar_shelf *s = &g->shelves[g->n_shelves - i];

        if (s->count != last->count ||
            memcmp(g->entries + s->first, g->entries + last->first,
                   s->count * sizeof g->entries[0]) != 0) {
            continue;
        }
        g->n_entries = last->first;
        last->first = s->first;
        return;
    }
}

/* By guard, so that choosing tests each guard once in a row; then by item. */
static int
compare_entries(const void *a, const void *b)
{
    const struct grammar_entry *x = a, *y = b;

    if (x->guard != y->guard) return x->guard < y->guard ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static enum co_err
add_shelf(struct grammar_build *b, const struct grammar_list *l, uint32_t shelf,
          const uint16_t *rest)
{
    struct grammar *g = b->g;
    uint32_t first = g->n_entries;
    enum co_err err = grammar_grow((void **)&g->shelves, &b->cap_shelves,
                                   g->n_shelves, sizeof *g->shelves);

    for (uint32_t i = 0; i < l->items && !err; i++) {
        uint16_t item = g->by_list[l->first + i];

        if (!belongs(l, guard_of(g, l, i), shelf)) continue;
        err = add_entry(b, item, rest[g->items[item].guard]);
    }
    if (err) return err;
    if (g->n_entries > first) {
        qsort(g->entries + first, g->n_entries - first, sizeof g->entries[0],
              compare_entries);
    }
    g->shelves[g->n_shelves++] =
        (struct grammar_shelf){first, g->n_entries - first};
    share_shelf(g, l);
    return CO_OK;
}

/* rest: room for a number a guard. */
static enum co_err
index_list(struct grammar_build *b, struct grammar_list *l, uint16_t *rest)
{
    uint64_t entries = l->items;
    enum co_err err = CO_OK;

    while (l->keys < GRAMMAR_KEYS_MAX && add_key(b->g, l, &entries)) {
    }
    l->shelf = b->g->n_shelves;
    memset(rest, 0xff, GRAMMAR_GUARDS_MAX * sizeof *rest);
    for (uint32_t i = 0; i < l->items && !err; i++) {
        err = rest_guard(b, l, b->g->items[b->g->by_list[l->first + i]].guard,
                         rest);
    }
    for (uint32_t s = 0; s < shelves_of(l) && !err; s++) {
        err = add_shelf(b, l, s, rest);
    }
    return err;
}

enum co_err
grammar_index(struct grammar_build *b)
{
    uint16_t *rest = calloc(GRAMMAR_GUARDS_MAX, sizeof *rest);
    enum co_err err = rest ? CO_OK : CO_NOMEM;

    for (uint32_t l = 0; l < b->g->n_lists && !err; l++) {
        err = index_list(b, &b->g->lists[l], rest);
    }
    free(rest);
    return err;
}
