/* grammar_check.c - what must hold so that expanding cannot fail: lists are
 * not too deep, texts not too long, facts only asked of people who have them,
 * and no list empty for anyone who meets it.
 *
 * The last two are decided, not sampled. All people that can meet a list are
 * a box: a set of values for each class. The box of a column (its age gate)
 * shrinks by the guard of each alternative on the way down. A list is never
 * empty in a box when the boxes of its guards cover it: if no guard covers
 * the box alone, it is cut along a class of some guard, and each half must be
 * covered. Values that can meet no other value left (tags_meet) are taken out
 * first. What remains uncovered is an example for the message; it may be a
 * combination that no person has, never the other way round. */
#include "prose/grammar_impl.h"

#include "common/buf.h"
#include "common/hash.h"
#include "prose/text_columns.h"

#include <stdlib.h>
#include <string.h>

enum {
    TAG_BITS = TAG_WORDS * 64,
    WORK_MAX = 10000000,   /* guards looked at in all; the shipped phrases
                            * need 710,000 */
    VISITED_MAX = 1 << 16, /* pairs of list and box, a power of two */
    EXAMPLE_BYTES = 400,
};

struct box {
    uint64_t open[TAG_WORDS]; /* values that are still possible */
};

struct checker {
    struct grammar_build *b;
    struct grammar *g;
    const char *column;
    uint64_t *visited;        /* hashes of (list, box), 0 = free */
    uint32_t n_visited, work; /* work: guards looked at */
    struct box whole, example;
    struct box class_bits[CLASS_COUNT];
    struct box meets[TAG_BITS]; /* values that a value can meet */
    uint8_t class_of[TAG_BITS];
    uint32_t related[CLASS_COUNT]; /* classes with exclusions, as bits */
    uint32_t *limits;              /* [guard] classes it limits, as bits */
    uint16_t *guards;              /* different guards, list after list */
    uint32_t *guards_at; /* [list] where they begin; one more at the end */
};

/* --- depth and length ----------------------------------------------------- */

enum { DEPTH_UNKNOWN = 0xff, DEPTH_OPEN = 0xfe };

static enum co_err list_depth(struct checker *c, uint32_t list, uint32_t item);

static uint32_t
slot_list(const struct grammar *g, const struct code_slot *s)
{
    return s->kind == CODE_PICK ? g->pick_list[s->which] : s->which;
}

/* Depth and length of one form of an alternative. */
static enum co_err
// NOLINTNEXTLINE(misc-no-recursion): list_depth refuses cycles
form_depth(struct checker *c, uint32_t item, uint32_t form, uint32_t *ret_depth,
           uint32_t *ret_bytes)
{
    const struct grammar *g = c->g;
    const uint8_t *code = grammar_form(g, g->items[item].code, form);
    struct code_slot s;
    uint32_t bytes = 0, depth = 0;

    while (grammar_next_slot(&code, &s, &bytes)) {
        bytes += s.article ? 3 : 0;
        if (s.kind == CODE_FACT) {
            bytes += fact_get((enum fact)s.which)->longest;
        } else {
            uint32_t list = slot_list(g, &s);
            enum co_err err = list_depth(c, list, item);

            if (err) return err;
            bytes += g->lists[list].longest[s.form];
            if (g->lists[list].depth >= depth) {
                depth = g->lists[list].depth + 1U;
            }
        }
    }
    *ret_depth = depth;
    *ret_bytes = bytes;
    return CO_OK;
}

static enum co_err
fail_depth(struct checker *c, uint32_t list, uint32_t item)
{
    return grammar_fail(c->b, grammar_where(c->g, item), CO_INVALID,
                        "lists inside [%s] lie deeper than %d, or contain "
                        "themselves; shorten the chain",
                        c->g->lists[list].name, GRAMMAR_DEPTH);
}

/* item: the alternative that asks, for the message. */
static enum co_err
// NOLINTNEXTLINE(misc-no-recursion): a list that is open already is refused
list_depth(struct checker *c, uint32_t list, uint32_t item)
{
    struct grammar_list *l = &c->g->lists[list];
    uint32_t depth = 0;

    if (l->depth == DEPTH_OPEN) return fail_depth(c, list, item);
    if (l->depth != DEPTH_UNKNOWN) return CO_OK;
    l->depth = DEPTH_OPEN;
    for (uint32_t i = 0; i < l->items; i++) {
        uint32_t it = c->g->by_list[l->first + i];

        for (uint32_t f = 0; f < c->g->items[it].forms; f++) {
            uint32_t d = 0, bytes = 0;
            enum co_err err = form_depth(c, it, f, &d, &bytes);

            if (err) return err;
            if (d > GRAMMAR_DEPTH) return fail_depth(c, list, it);
            if (d > depth) depth = d;
            if (bytes > l->longest[f]) l->longest[f] = bytes;
        }
    }
    l->depth = (uint8_t)depth;
    return CO_OK;
}

static enum co_err
check_depths(struct checker *c)
{
    enum co_err err = CO_OK;

    for (uint32_t l = 0; l < c->g->n_lists; l++) {
        c->g->lists[l].depth = DEPTH_UNKNOWN;
    }
    for (uint32_t l = 0; l < c->g->n_lists && !err; l++) {
        if (c->g->lists[l].items == 0) {
            return co_fail(c->b->diag, CO_INVALID,
                           "phrases: [%s] has no alternative; write one below "
                           "it",
                           c->g->lists[l].name);
        }
        err = list_depth(c, l, c->g->by_list[c->g->lists[l].first]);
    }
    return err;
}

/* --- boxes ---------------------------------------------------------------- */

static bool
box_has(const struct box *b, uint32_t bit)
{
    return b->open[bit / 64] >> bit % 64 & 1;
}

static void
box_set(struct box *b, uint32_t bit)
{
    b->open[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool
box_meets(const struct box *a, const struct box *b, const struct box *c)
{
    uint64_t any = 0;

    for (int i = 0; i < TAG_WORDS; i++) {
        any |= a->open[i] & b->open[i] & c->open[i];
    }
    return any != 0;
}

static void
prepare_bits(struct checker *c)
{
    for (unsigned k = 0; k < CLASS_COUNT; k++) {
        enum tag_class class = (enum tag_class)k;

        for (uint32_t v = 0; v < tags_count(class); v++) {
            box_set(&c->class_bits[k], tags_bit(class) + v);
            box_set(&c->whole, tags_bit(class) + v);
            c->class_of[tags_bit(class) + v] = (uint8_t)k;
        }
    }
}

static void
prepare_pair(struct checker *c, enum tag_class a, enum tag_class b)
{
    for (uint32_t va = 0; va < tags_count(a); va++) {
        for (uint32_t vb = 0; vb < tags_count(b); vb++) {
            if (a == b || tags_meet(a, va, b, vb)) {
                box_set(&c->meets[tags_bit(a) + va], tags_bit(b) + vb);
            } else {
                c->related[a] |= 1U << b;
            }
        }
    }
}

static void
prepare(struct checker *c)
{
    prepare_bits(c);
    for (unsigned a = 0; a < CLASS_COUNT; a++) {
        for (unsigned b = 0; b < CLASS_COUNT; b++) {
            prepare_pair(c, (enum tag_class)a, (enum tag_class)b);
        }
    }
}

static bool
guard_limits_class(const struct checker *c, const struct box *box,
                   const struct grammar_guard *guard, unsigned class)
{
    uint64_t lost = 0;

    for (int i = 0; i < TAG_WORDS; i++) {
        lost |= box->open[i] & guard->denied[i] & c->class_bits[class].open[i];
    }
    return lost != 0;
}

/* What each guard limits, and the different guards of each list: many
 * alternatives share one. */
static enum co_err
prepare_guards(struct checker *c)
{
    const struct grammar *g = c->g;
    uint32_t *seen = calloc(g->n_guards, sizeof *seen), n = 0;

    c->limits = calloc(g->n_guards, sizeof *c->limits);
    c->guards = calloc(g->n_items + 1, sizeof *c->guards);
    c->guards_at = calloc(g->n_lists + 1, sizeof *c->guards_at);
    if (!seen || !c->limits || !c->guards || !c->guards_at) {
        free(seen);
        return CO_NOMEM;
    }
    for (uint32_t i = 0; i < g->n_guards; i++) {
        for (unsigned k = 0; k < CLASS_COUNT; k++) {
            if (guard_limits_class(c, &c->whole, &g->guards[i], k)) {
                c->limits[i] |= 1U << k;
            }
        }
    }
    for (uint32_t l = 0; l < g->n_lists; l++) {
        c->guards_at[l] = n;
        for (uint32_t i = 0; i < g->lists[l].items; i++) {
            uint16_t guard = g->items[g->by_list[g->lists[l].first + i]].guard;

            if (seen[guard] == l + 1) continue;
            seen[guard] = l + 1;
            c->guards[n++] = guard;
        }
    }
    c->guards_at[g->n_lists] = n;
    free(seen);
    return CO_OK;
}

/* Takes out what none of the class's open values meets; true if it did. */
static bool
box_keep_met(const struct checker *c, struct box *box, unsigned class)
{
    struct box met = {{0}};
    uint64_t lost = 0;

    for (uint32_t w = 0; w < TAG_WORDS; w++) {
        uint64_t left = box->open[w] & c->class_bits[class].open[w];

        for (; left; left &= left - 1) {
            uint32_t bit = w * 64 + (uint32_t)__builtin_ctzll(left);

            lost = 0;
            for (int i = 0; i < TAG_WORDS; i++) {
                met.open[i] |= c->meets[bit].open[i];
                lost |= box->open[i] & ~met.open[i];
            }
            if (lost == 0) return false;
        }
    }
    for (int i = 0; i < TAG_WORDS; i++) {
        box->open[i] &= met.open[i];
    }
    return true;
}

/* Classes that limit others and of which a lacks values that b has. */
static uint32_t
classes_lost(const struct checker *c, const struct box *a, const struct box *b)
{
    uint32_t classes = 0;

    for (uint32_t w = 0; w < TAG_WORDS; w++) {
        uint64_t lost = ~a->open[w] & b->open[w];

        while (lost) {
            unsigned k = c->class_of[w * 64 + (uint32_t)__builtin_ctzll(lost)];

            if (c->related[k]) classes |= 1U << k;
            lost &= ~c->class_bits[k].open[w];
        }
    }
    return classes;
}

/* Takes out values that meet nobody, from a box that lost values since `full`
 * was so pruned: only classes that lost some are looked at. False: nobody is
 * left. */
static bool
box_prune(const struct checker *c, struct box *box, const struct box *full)
{
    uint32_t left = classes_lost(c, box, full);

    while (left) {
        unsigned k = (unsigned)__builtin_ctz(left);
        struct box before = *box;

        left &= left - 1;
        if (box_keep_met(c, box, k)) left |= classes_lost(c, box, &before);
    }
    for (unsigned k = 0; k < CLASS_COUNT; k++) {
        if (!box_meets(box, &c->whole, &c->class_bits[k])) return false;
    }
    return true;
}

static struct box
box_guarded(const struct box *box, const struct grammar_guard *guard)
{
    struct box cut;

    for (int i = 0; i < TAG_WORDS; i++) {
        cut.open[i] = box->open[i] & ~guard->denied[i];
    }
    return cut;
}

/* How many classes the guard limits inside the box, *ret_class one of them;
 * 0: it covers the box; CLASS_COUNT: it lets nobody of the box pass. */
static uint32_t
guard_limits(const struct checker *c, const struct box *box, uint32_t guard,
             unsigned *ret_class)
{
    const struct grammar_guard *g = &c->g->guards[guard];
    struct box cut = box_guarded(box, g);
    uint32_t n = 0, left = c->limits[guard];

    if (guard_allows(g, box->open)) return 0;
    for (; left; left &= left - 1) {
        unsigned k = (unsigned)__builtin_ctz(left);

        if (!box_meets(&cut, &c->whole, &c->class_bits[k])) return CLASS_COUNT;
        if (guard_limits_class(c, box, g, k)) {
            *ret_class = k;
            n++;
        }
    }
    return n;
}

/* The guard of the list that covers most of the box: 0 = all of it,
 * CLASS_COUNT = nothing. */
static uint32_t
best_guard(struct checker *c, uint32_t list, const struct box *box,
           const struct grammar_guard **ret_guard, unsigned *ret_class)
{
    uint32_t best = CLASS_COUNT;

    for (uint32_t i = c->guards_at[list];
         i < c->guards_at[list + 1] && best > 0; i++) {
        unsigned class = 0;
        uint32_t n = guard_limits(c, box, c->guards[i], &class);

        c->work++;
        if (n >= best) continue;
        best = n;
        *ret_guard = &c->g->guards[c->guards[i]];
        *ret_class = class;
    }
    return best;
}

/* Lists inside lists multiply the boxes, guard by guard: some kilobytes of
 * phrases could keep their reader busy for hours, and a worker reads those of
 * a job between two beats. */
static bool
spent(const struct checker *c)
{
    return c->work > WORK_MAX;
}

/* Whether the list has an alternative for everyone in the box, which is cut
 * from `full`; if not, the example is a box of which nobody has one. */
static bool
// NOLINTNEXTLINE(misc-no-recursion): each cut has fewer values
covers(struct checker *c, uint32_t list, struct box box, const struct box *full)
{
    const struct grammar_guard *guard = NULL;
    unsigned class = 0;
    uint32_t limits = best_guard(c, list, &box, &guard, &class);
    struct box in, out;

    if (limits == 0) return true;
    if (!box_prune(c, &box, full)) return true;
    limits = best_guard(c, list, &box, &guard, &class);
    if (limits == 0) return true;
    if (limits == CLASS_COUNT || spent(c)) {
        c->example = box;
        return false;
    }
    in = out = box;
    for (int i = 0; i < TAG_WORDS; i++) {
        uint64_t denied = guard->denied[i] & c->class_bits[class].open[i];

        in.open[i] &= ~denied;
        out.open[i] &= ~(c->class_bits[class].open[i] & ~denied);
    }
    return covers(c, list, in, &box) && covers(c, list, out, &box);
}

/* --- messages ------------------------------------------------------------- */

/* " stage=teen sex=m,f": the classes of which the box lacks values. */
static void
describe(const struct checker *c, const struct box *box, struct co_buf *buf)
{
    char name[16];

    for (unsigned k = 0; k < CLASS_COUNT; k++) {
        enum tag_class class = (enum tag_class)k;
        uint32_t shown = 0, open = 0;

        for (uint32_t v = 0; v < tags_count(class); v++) {
            open += box_has(box, tags_bit(class) + v);
        }
        if (open == tags_count(class)) continue;
        co_buf_printf(buf, " %s=", tags_class_name(class));
        for (uint32_t v = 0; v < tags_count(class) && shown < 3; v++) {
            if (!box_has(box, tags_bit(class) + v)) continue;
            co_buf_printf(buf, "%s%s", shown++ ? "," : "",
                          tags_value_name(class, v, name));
        }
        if (open > 3) co_buf_puts(buf, ",...");
    }
    if (buf->len == 0) co_buf_puts(buf, " everyone");
    (void)c;
}

static enum co_err
fail_empty(struct checker *c, const struct phrase_where *at, uint32_t list)
{
    co_auto(co_buf_fini) struct co_buf who;

    co_buf_init(&who, EXAMPLE_BYTES);
    describe(c, &c->example, &who);
    return grammar_fail(
        c->b, *at, CO_INVALID,
        "[%s] has no alternative for%s (column %s): give it one without a "
        "guard, or guard the line that uses it",
        c->g->lists[list].name, co_buf_text(&who), c->column);
}

static enum co_err
fail_spent(struct checker *c, const struct phrase_where *at, uint32_t list)
{
    return grammar_fail(c->b, *at, CO_FULL,
                        "guards around and in [%s] make more kinds of people "
                        "than can be looked at: take fewer of them, or the "
                        "same ones again",
                        c->g->lists[list].name);
}

static enum co_err
fail_fact(struct checker *c, uint32_t item, const struct fact_info *fact,
          const struct box *box)
{
    co_auto(co_buf_fini) struct co_buf who, values;
    char name[16];

    co_buf_init(&who, EXAMPLE_BYTES);
    co_buf_init(&values, EXAMPLE_BYTES);
    describe(c, box, &who);
    for (uint32_t v = 0; v < tags_count(fact->need); v++) {
        if (!(fact->allowed >> v & 1)) continue;
        co_buf_printf(&values, "%s%s", values.len ? "," : "",
                      tags_value_name(fact->need, v, name));
    }
    return grammar_fail(c->b, grammar_where(c->g, item), CO_INVALID,
                        "{%s} needs %s=%s, but the line can meet%s (column "
                        "%s): guard it",
                        fact->name, tags_class_name(fact->need),
                        co_buf_text(&values), co_buf_text(&who), c->column);
}

/* --- the walk down -------------------------------------------------------- */

/* Everyone in the box must have the fact. */
static enum co_err
check_fact(struct checker *c, uint32_t item, enum fact f, const struct box *box)
{
    const struct fact_info *fact = fact_get(f);
    struct box without = *box;

    if (fact->need == CLASS_COUNT) return CO_OK;
    for (uint32_t v = 0; v < tags_count(fact->need); v++) {
        uint32_t bit = tags_bit(fact->need) + v;

        if (fact->allowed >> v & 1) {
            without.open[bit / 64] &= ~(UINT64_C(1) << bit % 64);
        }
    }
    if (!box_prune(c, &without, box)) return CO_OK;
    return fail_fact(c, item, fact, &without);
}

/* True the first time a list is met with this box. */
static bool
first_visit(struct checker *c, uint32_t list, const struct box *box)
{
    uint64_t hash = co_hash64(box, sizeof *box, list) | 1;
    uint64_t at = hash >> 32;

    while (c->visited[at % VISITED_MAX]) {
        if (c->visited[at % VISITED_MAX] == hash) return false;
        at++;
    }
    if (c->n_visited < VISITED_MAX / 2) {
        c->visited[at % VISITED_MAX] = hash;
        c->n_visited++;
    }
    return true;
}

static enum co_err check_list(struct checker *c, uint32_t list, struct box box,
                              const struct phrase_where *at);

static enum co_err
// NOLINTNEXTLINE(misc-no-recursion): depth was checked before
check_item(struct checker *c, uint32_t item, const struct box *box)
{
    const struct grammar *g = c->g;
    struct phrase_where at = grammar_where(g, item);
    enum co_err err = CO_OK;
    uint32_t bytes = 0;

    for (uint32_t f = 0; f < g->items[item].forms; f++) {
        const uint8_t *code = grammar_form(g, g->items[item].code, f);
        struct code_slot s;

        while (!err && grammar_next_slot(&code, &s, &bytes)) {
            err = s.kind == CODE_FACT
                      ? check_fact(c, item, (enum fact)s.which, box)
                      : check_list(c, slot_list(g, &s), *box, &at);
        }
    }
    return err;
}

static enum co_err
// NOLINTNEXTLINE(misc-no-recursion): depth was checked before
check_list(struct checker *c, uint32_t list, struct box box,
           const struct phrase_where *at)
{
    struct grammar_list *l = &c->g->lists[list];
    enum co_err err = CO_OK;

    if (!first_visit(c, list, &box)) return CO_OK;
    l->used = 1;
    if (!covers(c, list, box, &box)) {
        return spent(c) ? fail_spent(c, at, list) : fail_empty(c, at, list);
    }
    for (uint32_t i = 0; i < l->items && !err; i++) {
        uint32_t item = c->g->by_list[l->first + i];
        struct box inside =
            box_guarded(&box, &c->g->guards[c->g->items[item].guard]);

        if (++c->work > WORK_MAX) return fail_spent(c, at, list);
        if (c->g->items[item].guard == 0 || box_prune(c, &inside, &box)) {
            err = check_item(c, item, &inside);
        }
    }
    return err;
}

/* Who has the column: stages from its age on. */
static struct box
column_box(const struct checker *c, uint32_t from_age)
{
    struct box box = c->whole;
    uint32_t first = from_age >= 16  ? STAGE_TEEN
                     : from_age >= 6 ? STAGE_CHILD
                                     : STAGE_INFANT;

    for (uint32_t v = 0; v < first; v++) {
        uint32_t bit = tags_bit(CLASS_STAGE) + v;

        box.open[bit / 64] &= ~(UINT64_C(1) << bit % 64);
    }
    (void)box_prune(c, &box, &c->whole);
    return box;
}

static enum co_err
check_column(struct checker *c, enum text_column column)
{
    const struct text_column_info *info = text_column(column);
    struct box box = column_box(c, info->from_age);
    struct phrase_where at;
    uint32_t list;
    enum co_err err;

    c->column = info->name;
    if (grammar_find(c->g, info->name, strlen(info->name), &list)) {
        return CO_OK; /* the column is null */
    }
    at = grammar_where(c->g, c->g->by_list[c->g->lists[list].first]);
    if (c->g->lists[list].longest[0] > GRAMMAR_TEXT_MAX) {
        return grammar_fail(c->b, at, CO_FULL,
                            "[%s] can make a text of %u bytes; at most %d are "
                            "allowed: shorten its sentences or their lists",
                            info->name, c->g->lists[list].longest[0],
                            GRAMMAR_TEXT_MAX);
    }
    err = check_list(c, list, box, &at);
    if (err || !info->picks ||
        grammar_find(c->g, info->picks, strlen(info->picks), &list)) {
        return err;
    }
    at = grammar_where(c->g, c->g->by_list[c->g->lists[list].first]);
    if (c->g->lists[list].longest[0] > GRAMMAR_PICK_MAX) {
        return grammar_fail(c->b, at, CO_FULL,
                            "form 1 of [%s] stands in a list of the row and "
                            "may have %d bytes; one can have %u",
                            info->picks, GRAMMAR_PICK_MAX,
                            c->g->lists[list].longest[0]);
    }
    return check_list(c, list, box, &at);
}

enum co_err
grammar_check(struct grammar_build *b)
{
    struct checker *c = calloc(1, sizeof *c);
    enum co_err err;

    if (!c) return CO_NOMEM;
    c->b = b;
    c->g = b->g;
    c->visited = calloc(VISITED_MAX, sizeof *c->visited);
    err = c->visited ? CO_OK : CO_NOMEM;
    if (!err) {
        prepare(c);
        err = prepare_guards(c);
    }
    if (!err) err = check_depths(c);
    for (unsigned i = 0; i < TEXT_COUNT && !err; i++) {
        err = check_column(c, (enum text_column)i);
    }
    free(c->visited);
    free(c->limits);
    free(c->guards);
    free(c->guards_at);
    free(c);
    return err;
}
