/* grammar_index.c - puts the alternatives of each list on shelves, one for
 * each value of the class that limits them most, so that a list keyed by
 * occupation group or state costs no more than a short one. The rest of a
 * guard is tested when choosing. */
#include "population/grammar_impl.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 1 << 20, WORTH_PERCENT = 80 };

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

/* Entries on all shelves of a class. */
static uint32_t
shelved(const struct grammar *g, const struct grammar_list *l, enum tag_class c)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->items; i++) {
        for (uint32_t v = 0; v < tags_count(c); v++) {
            n += allows_value(guard_of(g, l, i), tags_bit(c) + v);
        }
    }
    return n;
}

/* The class whose shelves are shortest on average; CLASS_COUNT: none is worth
 * it. */
static enum tag_class
best_class(const struct grammar *g, const struct grammar_list *l)
{
    enum tag_class best = CLASS_COUNT;
    uint64_t best_percent = WORTH_PERCENT;

    for (unsigned k = 0; k < CLASS_COUNT; k++) {
        enum tag_class c = (enum tag_class)k;
        uint64_t percent =
            UINT64_C(100) * shelved(g, l, c) / (l->items * tags_count(c));

        if (percent < best_percent) {
            best = c;
            best_percent = percent;
        }
    }
    return best;
}

/* The guard without what it says about a class. */
static enum co_err
guard_without(struct grammar_build *b, const struct grammar_guard *guard,
              enum tag_class c, uint16_t *ret_guard)
{
    struct grammar_guard rest = *guard;

    for (uint32_t v = 0; c < CLASS_COUNT && v < tags_count(c); v++) {
        uint32_t bit = tags_bit(c) + v;

        rest.denied[bit / 64] &= ~(UINT64_C(1) << bit % 64);
    }
    return grammar_guard_add(b, &rest, ret_guard);
}

static enum co_err
add_entry(struct grammar_build *b, uint16_t item, enum tag_class c)
{
    struct grammar *g = b->g;
    struct grammar_guard guard = g->guards[g->items[item].guard];
    uint16_t rest = 0;
    enum co_err err = guard_without(b, &guard, c, &rest);

    if (err) return err;
    if (g->n_entries == ENTRIES_MAX) {
        return co_fail(b->diag, CO_FULL,
                       "phrases: the guards need more than %d index entries; "
                       "cut large lists",
                       ENTRIES_MAX);
    }
    err = grammar_grow((void **)&g->entries, &b->cap_entries, g->n_entries,
                       sizeof *g->entries);
    if (!err) g->entries[g->n_entries++] = (struct grammar_entry){item, rest};
    return err;
}

/* The shelf of one value; bit UINT32_MAX: of everybody. */
static enum co_err
add_shelf(struct grammar_build *b, const struct grammar_list *l,
          enum tag_class c, uint32_t bit)
{
    struct grammar *g = b->g;
    uint32_t first = g->n_entries;
    enum co_err err = grammar_grow((void **)&g->shelves, &b->cap_shelves,
                                   g->n_shelves, sizeof *g->shelves);

    for (uint32_t i = 0; i < l->items && !err; i++) {
        if (bit != UINT32_MAX && !allows_value(guard_of(g, l, i), bit)) {
            continue;
        }
        err = add_entry(b, g->by_list[l->first + i], c);
    }
    if (err) return err;
    g->shelves[g->n_shelves++] =
        (struct grammar_shelf){first, g->n_entries - first};
    return CO_OK;
}

static enum co_err
index_list(struct grammar_build *b, struct grammar_list *l)
{
    enum tag_class c = best_class(b->g, l);
    enum co_err err = CO_OK;

    l->index = (uint8_t)c;
    l->shelf = b->g->n_shelves;
    if (c == CLASS_COUNT) return add_shelf(b, l, c, UINT32_MAX);
    for (uint32_t v = 0; v < tags_count(c) && !err; v++) {
        err = add_shelf(b, l, c, tags_bit(c) + v);
    }
    return err;
}

enum co_err
grammar_index(struct grammar_build *b)
{
    enum co_err err = CO_OK;

    for (uint32_t l = 0; l < b->g->n_lists && !err; l++) {
        err = index_list(b, &b->g->lists[l]);
    }
    return err;
}
