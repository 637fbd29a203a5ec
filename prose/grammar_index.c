/* grammar_index.c - puts the alternatives of each list on shelves, one for
 * each combination of the (at most three) classes that limit them most, so
 * that a list keyed by occupation group or state costs no more than a short
 * one, and most of what lies on a shelf is allowed. What other classes say
 * stays beside the shelf as bits, tested when choosing.
 * Sets of alternatives are bits here too: bit i is the list's i-th. */
#include "prose/grammar_impl.h"

#include "common/hash.h"

#include <stdlib.h>
#include <string.h>

enum {
    CODES_MAX = 1 << 20, /* of all shelves */
    MASKS_MAX = 1 << 22,
    SHELVES_MAX = UINT16_MAX,
    LIST_ENTRIES_MAX = 1 << 15, /* of one list */
    LIST_SHELVES_MAX = 1 << 12,
    KNOWN_MAX = 2 * LIST_SHELVES_MAX, /* a power of two */
    WORTH_PERCENT = 85, /* a class must shorten the shelves to this */
    TAG_BITS = 64 * TAG_WORDS,
};

struct index {
    struct grammar_build *b;
    struct grammar *g;
    uint8_t (*allowed)[CLASS_COUNT]; /* [guard] values of the class */
    uint16_t *place;                 /* beside g->codes: which of its list */
    uint32_t cap_shelf_of, cap_shelves, cap_codes, cap_place, cap_limits,
        cap_masks;
    /* Of the list in work. */
    size_t words;              /* of a set */
    uint64_t *allows;          /* [tag bit] sets: alternatives it leaves */
    uint64_t *set;             /* of the shelf in work */
    uint16_t known[KNOWN_MAX]; /* shelves by the hash of their set, + 1 */
};

static const struct grammar_guard *
guard_of(const struct grammar *g, const struct grammar_list *l, uint32_t i)
{
    return &g->guards[g->items[g->by_list[l->first + i]].guard];
}

static bool
denies(const struct grammar_guard *guard, uint32_t bit)
{
    return guard->denied[bit / 64] >> bit % 64 & 1;
}

/* --- which classes ------------------------------------------------------- */

static enum co_err
count_allowed(struct index *x)
{
    x->allowed = calloc(x->g->n_guards, sizeof *x->allowed);
    if (!x->allowed) return CO_NOMEM;
    for (uint32_t i = 0; i < x->g->n_guards; i++) {
        for (unsigned c = 0; c < CLASS_COUNT; c++) {
            uint32_t bit = tags_bit((enum tag_class)c), n = 0;

            for (uint32_t v = 0; v < tags_count((enum tag_class)c); v++) {
                n += !denies(&x->g->guards[i], bit + v);
            }
            x->allowed[i][c] = (uint8_t)n;
        }
    }
    return CO_OK;
}

/* Alternatives on all shelves when c is added to the keys there are. */
static uint64_t
entries_with(const struct index *x, const struct grammar_list *l,
             enum tag_class c)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < l->items; i++) {
        uint16_t guard = x->g->items[x->g->by_list[l->first + i]].guard;
        uint64_t shelves = x->allowed[guard][c];

        for (uint32_t k = 0; k < l->keys; k++) {
            shelves *= x->allowed[guard][l->key_class[k]];
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
add_key(const struct index *x, struct grammar_list *l, uint64_t *entries)
{
    enum tag_class best = CLASS_COUNT;
    uint64_t best_entries = 0, shelves = shelves_of(l);

    for (unsigned k = 0; k < CLASS_COUNT; k++) {
        enum tag_class c = (enum tag_class)k;
        uint64_t n = entries_with(x, l, c), all = *entries * tags_count(c);

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

/* --- sets ---------------------------------------------------------------- */

/* What each value of each class leaves of the list. */
static enum co_err
make_sets(struct index *x, const struct grammar_list *l)
{
    free(x->allows);
    free(x->set);
    x->words = (l->items + 63) / 64;
    x->allows = malloc(TAG_BITS * x->words * sizeof *x->allows);
    x->set = malloc(x->words * sizeof *x->set);
    if (!x->allows || !x->set) return CO_NOMEM;
    memset(x->allows, 0xff, TAG_BITS * x->words * sizeof *x->allows);
    for (uint32_t i = 0; i < l->items; i++) {
        const struct grammar_guard *guard = guard_of(x->g, l, i);

        for (uint32_t w = 0; w < TAG_WORDS; w++) {
            for (uint64_t left = guard->denied[w]; left; left &= left - 1) {
                uint32_t bit = 64 * w + (uint32_t)__builtin_ctzll(left);

                x->allows[bit * x->words + i / 64] &= ~(UINT64_C(1) << i % 64);
            }
        }
    }
    return CO_OK;
}

/* x->set becomes what the keys' values, which `shelf` numbers, leave. */
static void
set_of_shelf(struct index *x, const struct grammar_list *l, uint32_t shelf)
{
    memset(x->set, 0xff, x->words * sizeof *x->set);
    if (l->items % 64) x->set[x->words - 1] >>= 64 - l->items % 64;
    for (uint32_t k = l->keys; k-- > 0;) {
        enum tag_class c = (enum tag_class)l->key_class[k];
        const uint64_t *allows =
            x->allows + (tags_bit(c) + shelf % tags_count(c)) * x->words;

        for (size_t w = 0; w < x->words; w++) {
            x->set[w] &= allows[w];
        }
        shelf /= tags_count(c);
    }
}

static bool
same_set(const struct index *x, const struct grammar_shelf *s)
{
    uint32_t n = 0;

    for (size_t w = 0; w < x->words; w++) {
        n += (uint32_t)__builtin_popcountll(x->set[w]);
    }
    if (n != s->count) return false;
    for (uint32_t i = 0; i < n; i++) {
        uint16_t at = x->place[s->first + i];

        if (!(x->set[at / 64] >> at % 64 & 1)) return false;
    }
    return true;
}

/* --- shelves ------------------------------------------------------------- */

static enum co_err
fail_full(struct index *x, const char *what, int max)
{
    return co_fail(x->b->diag, CO_FULL,
                   "phrases: the guards need more than %d %s; cut large lists",
                   max, what);
}

static enum co_err
add_place(struct index *x, const struct grammar_list *l, uint32_t i)
{
    struct grammar *g = x->g;
    enum co_err err;

    if (g->n_codes == CODES_MAX) {
        return fail_full(x, "index entries", CODES_MAX);
    }
    err = grammar_grow((void **)&g->codes, &x->cap_codes, g->n_codes,
                       sizeof *g->codes);
    if (!err) {
        err = grammar_grow((void **)&x->place, &x->cap_place, g->n_codes,
                           sizeof *x->place);
    }
    if (err) return err;
    x->place[g->n_codes] = (uint16_t)i;
    g->codes[g->n_codes++] = g->items[g->by_list[l->first + i]].code;
    return CO_OK;
}

static bool
is_key(const struct grammar_list *l, enum tag_class c)
{
    for (uint32_t k = 0; k < l->keys; k++) {
        if (l->key_class[k] == c) return true;
    }
    return false;
}

/* Whether the class has a say on the shelf. */
static bool
limits_shelf(const struct index *x, const struct grammar_list *l,
             const struct grammar_shelf *s, enum tag_class c)
{
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t at = l->first + x->place[s->first + i];

        if (x->allowed[x->g->items[x->g->by_list[at]].guard][c] <
            tags_count(c)) {
            return true;
        }
    }
    return false;
}

static void
make_masks(struct index *x, const struct grammar_shelf *s, enum tag_class c,
           uint64_t *masks)
{
    size_t words = (s->count + 63U) / 64;

    memset(masks, 0, tags_count(c) * words * sizeof *masks);
    for (uint32_t v = 0; v < tags_count(c); v++, masks += words) {
        const uint64_t *allows = x->allows + (tags_bit(c) + v) * x->words;

        for (uint32_t i = 0; i < s->count; i++) {
            uint16_t at = x->place[s->first + i];

            masks[i / 64] |= (allows[at / 64] >> at % 64 & 1) << i % 64;
        }
    }
}

static enum co_err
add_limit(struct index *x, struct grammar_shelf *s, enum tag_class c)
{
    struct grammar *g = x->g;
    uint32_t words = tags_count(c) * ((s->count + 63U) / 64);
    enum co_err err = grammar_grow((void **)&g->limits, &x->cap_limits,
                                   g->n_limits, sizeof *g->limits);

    if (g->n_masks + words > MASKS_MAX) {
        return fail_full(x, "words of index bits", MASKS_MAX);
    }
    while (!err && x->cap_masks < g->n_masks + words) {
        err = grammar_grow((void **)&g->masks, &x->cap_masks, x->cap_masks,
                           sizeof *g->masks);
    }
    if (err) return err;
    make_masks(x, s, c, g->masks + g->n_masks);
    g->limits[g->n_limits++] = (struct grammar_limit){g->n_masks, c};
    g->n_masks += words;
    s->limits++;
    return CO_OK;
}

/* A shelf of x->set. */
static enum co_err
add_shelf(struct index *x, const struct grammar_list *l)
{
    struct grammar *g = x->g;
    struct grammar_shelf s = {.first = g->n_codes, .limit = g->n_limits};
    enum co_err err = grammar_grow((void **)&g->shelves, &x->cap_shelves,
                                   g->n_shelves, sizeof *g->shelves);

    if (g->n_shelves == SHELVES_MAX) {
        return fail_full(x, "shelves", SHELVES_MAX);
    }
    for (uint32_t i = 0; i < l->items && !err; i++) {
        if (x->set[i / 64] >> i % 64 & 1) err = add_place(x, l, i);
    }
    s.count = (uint16_t)(g->n_codes - s.first);
    for (unsigned c = 0; c < CLASS_COUNT && !err; c++) {
        enum tag_class class = (enum tag_class)c;

        if (is_key(l, class) || !limits_shelf(x, l, &s, class)) continue;
        err = add_limit(x, &s, class);
    }
    if (!err) g->shelves[g->n_shelves++] = s;
    return err;
}

/* The shelf of x->set, a new one unless the list has it already. */
static enum co_err
find_shelf(struct index *x, const struct grammar_list *l, uint16_t *ret_shelf)
{
    uint64_t at = co_hash64(x->set, x->words * sizeof *x->set, 0);
    enum co_err err;

    for (;; at++) {
        uint16_t known = x->known[at % KNOWN_MAX];

        if (known == 0) break;
        if (!same_set(x, &x->g->shelves[known - 1])) continue;
        *ret_shelf = (uint16_t)(known - 1);
        return CO_OK;
    }
    err = add_shelf(x, l);
    if (err) return err;
    x->known[at % KNOWN_MAX] = (uint16_t)x->g->n_shelves;
    *ret_shelf = (uint16_t)(x->g->n_shelves - 1);
    return CO_OK;
}

static enum co_err
index_list(struct index *x, struct grammar_list *l)
{
    struct grammar *g = x->g;
    uint64_t entries = l->items;
    uint32_t shelves;
    enum co_err err = make_sets(x, l);

    if (err) return err;
    while (l->keys < GRAMMAR_KEYS_MAX && add_key(x, l, &entries)) {
    }
    memset(x->known, 0, sizeof x->known);
    l->shelf = g->n_shelf_of;
    l->used_at = g->n_used;
    g->n_used += (uint32_t)x->words;
    shelves = shelves_of(l);
    for (uint32_t s = 0; s < shelves && !err; s++) {
        err = grammar_grow((void **)&g->shelf_of, &x->cap_shelf_of,
                           g->n_shelf_of, sizeof *g->shelf_of);
        if (err) break;
        set_of_shelf(x, l, s);
        err = find_shelf(x, l, &g->shelf_of[g->n_shelf_of]);
        g->n_shelf_of++;
    }
    return err;
}

enum co_err
grammar_index(struct grammar_build *b)
{
    struct index *x = calloc(1, sizeof *x);
    enum co_err err;

    if (!x) return CO_NOMEM;
    x->b = b;
    x->g = b->g;
    err = count_allowed(x);
    for (uint32_t l = 0; l < b->g->n_lists && !err; l++) {
        err = index_list(x, &b->g->lists[l]);
    }
    free(x->allowed);
    free(x->place);
    free(x->allows);
    free(x->set);
    free(x);
    return err;
}
