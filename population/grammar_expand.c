/* grammar_expand.c - code and a person become a text. No allocation, no
 * floating point, nothing that can fail: grammar_check.c saw to that.
 *
 * Choosing. A few tries at random places of the shelf, each accepted if the
 * guard allows it and the person does not have it yet; after that the allowed
 * are counted and one of them is taken. Both ways are uniform among the
 * allowed, so both together are, and the number of steps is bounded.
 *
 * Picks ({list:k}) have a stream of their own, keyed by person and list, so
 * that it does not matter which text asks first. Lists inside a pick are keyed
 * by the pick: all its forms, wherever they stand, say the same. */
#include "population/grammar_impl.h"

#include "common/hash.h"
#include "population/articles.h"
#include "population/random.h"

#include <string.h>

enum { TRIES = 6, BLOCK = CODE_SLACK };

/* --- choosing ------------------------------------------------------------- */

static uint32_t
draw(uint64_t *bits, uint32_t n)
{
    *bits += UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(((co_mix64(*bits) >> 32) * n) >> 32);
}

static bool
is_used(const struct grammar_person *gp, uint32_t item)
{
    return gp->used[item / 64] >> item % 64 & 1;
}

static inline bool
guard_fits(const struct grammar_person *gp, uint32_t guard)
{
    return guard == 0 || guard_allows(&gp->g->guards[guard], gp->tags.bits);
}

/* How many entries fit; of them the one with number `stop` ends the count and
 * is *ret_entry. Entries lie by guard, so that few guards are tested. */
static uint32_t
count_fitting(const struct grammar_person *gp, const struct grammar_shelf *s,
              bool again, uint32_t stop, const struct grammar_entry **ret_entry)
{
    const struct grammar_entry *e = gp->g->entries + s->first;
    uint32_t fit = 0, guard = UINT32_MAX;
    bool allowed = false;

    for (uint32_t i = 0; i < s->count; i++) {
        if (e[i].guard != guard) {
            guard = e[i].guard;
            allowed = guard_fits(gp, guard);
        }
        if (!allowed || (!again && is_used(gp, e[i].item))) continue;
        *ret_entry = &e[i];
        if (fit++ == stop) break;
    }
    return fit;
}

/* The exact way; again: choices may be repeated, since nothing else is left. */
static const struct grammar_entry *
choose_counted(const struct grammar_person *gp, const struct grammar_shelf *s,
               bool again, uint64_t *bits)
{
    const struct grammar_entry *e = NULL;
    uint32_t fit = count_fitting(gp, s, again, UINT32_MAX, &e);

    if (fit == 0) fit = count_fitting(gp, s, again = true, UINT32_MAX, &e);
    co_assert(fit > 0); /* grammar_check.c: no list is ever empty */
    (void)count_fitting(gp, s, again, draw(bits, fit), &e);
    return e;
}

static const struct grammar_shelf *
shelf_of(const struct grammar_person *gp, const struct grammar_list *l)
{
    uint32_t shelf = 0;

    for (uint32_t k = 0; k < l->keys; k++) {
        shelf = shelf * l->key_count[k] + gp->tags.value[l->key_class[k]];
    }
    return &gp->g->shelves[l->shelf + shelf];
}

static const struct grammar_entry *
choose(const struct grammar_person *gp, const struct grammar_list *l,
       bool again, uint64_t *bits)
{
    const struct grammar_shelf *s = shelf_of(gp, l);
    const struct grammar_entry *e = gp->g->entries + s->first;

    for (int i = 0; i < TRIES && s->count > 1; i++) {
        uint32_t k = draw(bits, s->count);

        if ((again || !is_used(gp, e[k].item)) && guard_fits(gp, e[k].guard)) {
            return &e[k];
        }
    }
    return choose_counted(gp, s, again, bits);
}

static void
use(struct grammar_person *gp, const struct grammar_entry *e)
{
    gp->used[e->item / 64] |= UINT64_C(1) << e->item % 64;
}

/* All picks of a list at once, so that none depends on who asks first. */
static void
choose_picks(struct grammar_person *gp, const struct grammar_list *l)
{
    uint64_t bits = co_mix64(gp->key ^ l->key);

    for (uint32_t k = 0; k < l->picks; k++) {
        const struct grammar_entry *e = choose(gp, l, false, &bits);

        use(gp, e);
        gp->pick[l->pick + k] = e->code;
    }
}

/* Where the code of a fresh choice begins. */
static uint32_t
fresh(struct grammar_person *gp, const struct grammar_list *l)
{
    const struct grammar_entry *e;

    if (gp->frozen) {
        uint64_t bits = co_mix64(gp->frozen ^ l->key);

        return choose(gp, l, true, &bits)->code;
    }
    if (l->picks && gp->pick[l->pick] == 0) choose_picks(gp, l);
    e = choose(gp, l, false, &gp->bits);
    use(gp, e);
    return e->code;
}

/* --- writing -------------------------------------------------------------- */

static char *expand(struct grammar_person *gp, const uint8_t *code, char *to);

static char *
expand_pick(struct grammar_person *gp, uint32_t pick, uint32_t form, char *to)
{
    const struct grammar_list *l = &gp->g->lists[gp->g->pick_list[pick]];
    uint64_t outer = gp->frozen;

    if (gp->pick[pick] == 0) choose_picks(gp, l);
    gp->frozen = co_mix64((gp->key ^ l->key) + pick - l->pick + 1) | 1;
    to = expand(gp, grammar_form(gp->g, gp->pick[pick], form), to);
    gp->frozen = outer;
    return to;
}

/* Copies in blocks: text and target have slack behind them. */
static char *
put_literal(char *to, const uint8_t *text, uint32_t len)
{
    for (uint32_t i = 0; i < len; i += BLOCK) {
        memcpy(to + i, text + i, BLOCK);
    }
    return to + len;
}

/* A text begins, or a sentence ended before; "a.m. " ends none. */
static bool
begins_sentence(const struct grammar_person *gp, const char *at)
{
    if (!gp->start || at == gp->start) return gp->start != NULL;
    if (at - gp->start < 4 || at[-1] != ' ') return false;
    if (at[-2] == '.') return at[-4] != '.';
    return at[-2] == '!' || at[-2] == '?';
}

static void
capitalise(char *at)
{
    if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 32);
}

/* "a " stands before word; makes it "an " where that sounds right. */
static char *
put_article(char *word, char *end)
{
    *end = '\0'; /* article_is_an looks a byte too far at most */
    if (!article_is_an(word)) return end;
    memmove(word + 1, word, (size_t)(end - word));
    word[-1] = 'n';
    word[0] = ' ';
    return end + 1;
}

/* The slot at code; *ret_next is what follows. */
static char *
expand_slot(struct grammar_person *gp, const uint8_t *code, char *to,
            const uint8_t **ret_next)
{
    uint32_t kind = *code & (uint8_t)~CODE_ARTICLE, which = code[1];
    char *start = to;
    bool article = *code & CODE_ARTICLE;

    if (article) {
        memcpy(to, "a ", 2);
        to += 2;
    }
    if (kind == CODE_FACT) {
        *ret_next = code + 2;
        to = fact_write((enum fact)which, gp->m, gp->p, &gp->tags, to);
    } else {
        which |= (uint32_t)code[2] << 8;
        *ret_next = code + 4;
        if (kind == CODE_PICK) {
            to = expand_pick(gp, which, code[3], to);
        } else {
            uint32_t chosen = fresh(gp, &gp->g->lists[which]);

            to = expand(gp, grammar_form(gp->g, chosen, code[3]), to);
        }
    }
    if (article) to = put_article(start + 2, to);
    if (begins_sentence(gp, start)) capitalise(start);
    return to;
}

static char *
// NOLINTNEXTLINE(misc-no-recursion): grammar_check.c bounds the depth
expand(struct grammar_person *gp, const uint8_t *code, char *to)
{
    while (*code) {
        if (*code < CODE_LIST) {
            to = put_literal(to, code + 1, *code);
            code += *code + 1;
        } else {
            to = expand_slot(gp, code, to, &code);
        }
    }
    return to;
}

void
grammar_begin(struct grammar_person *gp, const struct grammar *g,
              const struct model *m, const struct person *p, uint64_t key)
{
    gp->g = g;
    gp->m = m;
    gp->p = p;
    gp->key = key;
    gp->frozen = 0;
    memset(gp->pick, 0, g->n_picks * sizeof gp->pick[0]);
    memset(gp->used, 0, (g->n_items + 63) / 64 * sizeof gp->used[0]);
}

char *
grammar_write(struct grammar_person *gp, uint32_t list, uint32_t stream,
              char *to)
{
    gp->bits = co_mix64(gp->key + UINT64_C(0x632be59bd9b4e019) * (stream + 1));
    gp->start = to;
    to = expand(gp, grammar_form(gp->g, fresh(gp, &gp->g->lists[list]), 0), to);
    capitalise(gp->start);
    return to;
}

char *
grammar_write_pick(struct grammar_person *gp, uint32_t list, uint32_t k,
                   char *to)
{
    co_assert(k >= 1 && k <= gp->g->lists[list].picks);
    gp->start = NULL; /* a noun phrase, no sentence */
    return expand_pick(gp, gp->g->lists[list].pick + k - 1, 0, to);
}
