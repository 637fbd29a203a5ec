/* grammar_expand.c - code and a person become a text. No allocation, no
 * floating point, nothing that can fail: grammar_check.c saw to that.
 *
 * Choosing. A few tries at random places of the shelf, each accepted if the
 * guard allows it and the person does not have it yet; after that the allowed
 * are counted and one of them is taken. Both ways are uniform among the
 * allowed, so both together are, and the number of steps is bounded. What is
 * allowed comes as 64 bits at a time (a third of a row's instructions went
 * into looking at guards one by one).
 *
 * Picks ({list:k}) have a stream of their own, keyed by person and list, so
 * that it does not matter which text asks first. Lists inside a pick are keyed
 * by the pick: all its forms, wherever they stand, say the same. */
#include "prose/grammar_impl.h"

#include "common/hash.h"
#include "population/random.h"
#include "prose/articles.h"

#include <string.h>

enum { TRIES = 6, BLOCK = GRAMMAR_COPY };

/* --- choosing ------------------------------------------------------------- */

static uint32_t
draw(uint64_t *bits, uint32_t n)
{
    *bits += UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(((co_mix64(*bits) >> 32) * n) >> 32);
}

static const struct grammar_shelf *
shelf_of(const struct grammar_person *gp, const struct grammar_list *l)
{
    uint32_t at = 0;

    for (uint32_t k = 0; k < l->keys; k++) {
        at = at * l->key_count[k] + gp->tags.value[l->key_class[k]];
    }
    return &gp->g->shelves[gp->g->shelf_of[l->shelf + at]];
}

/* Where a list's choice is made from. */
struct offer {
    struct grammar_person *gp;
    const struct grammar_list *l;
    const struct grammar_shelf *s;
    bool again; /* choices may be repeated */
};

/* Alternatives 64 w and up of the shelf that the person may have, as bits.
 * Bits behind the last alternative mean nothing. */
static uint64_t
open_word(const struct offer *o, uint32_t w)
{
    const struct grammar *g = o->gp->g;
    const struct grammar_limit *limit = g->limits + o->s->limit;
    const uint32_t words = (o->s->count + 63U) / 64;
    uint64_t open = o->again ? UINT64_MAX : ~o->gp->used[o->l->used_at + w];

    for (uint32_t k = 0; k < o->s->limits; k++) {
        open &= g->masks[limit[k].at +
                         o->gp->tags.value[limit[k].class] * words + w];
    }
    return open;
}

/* The same without those bits. */
static uint64_t
open_exactly(const struct offer *o, uint32_t w)
{
    uint32_t left = o->s->count - 64 * w;

    return left >= 64 ? open_word(o, w)
                      : open_word(o, w) & ((UINT64_C(1) << left) - 1);
}

static uint32_t
count_bits(uint64_t word)
{
    return (uint32_t)__builtin_popcountll(word);
}

/* The place of set bit k, from 0, which there is. */
static uint32_t
find_bit(uint64_t word, uint32_t k)
{
    while (k--) {
        word &= word - 1;
    }
    return (uint32_t)__builtin_ctzll(word);
}

static uint32_t
count_open(const struct offer *o)
{
    uint32_t fit = 0;

    for (uint32_t at = 0; at < o->s->count; at += 64) {
        fit += count_bits(open_exactly(o, at / 64));
    }
    return fit;
}

/* The exact way. When nothing else is left, choices are repeated. */
static uint32_t
choose_counted(struct offer *o, uint64_t *bits)
{
    uint32_t fit = count_open(o), k, w = 0;

    if (fit == 0) {
        o->again = true;
        fit = count_open(o);
        co_assert(fit); /* grammar_check.c: no list is ever empty */
    }
    for (k = draw(bits, fit);; w++) {
        uint64_t open = open_exactly(o, w);
        uint32_t n = count_bits(open);

        if (k < n) return 64 * w + find_bit(open, k);
        k -= n;
    }
}

/* Which alternative of the shelf. */
static uint32_t
choose_place(struct offer *o, uint64_t *bits)
{
    uint64_t open = open_word(o, 0);
    uint32_t w = 0;

    for (int i = 0; i < TRIES && o->s->count > 1; i++) {
        uint32_t k = draw(bits, o->s->count);

        if (k / 64 != w) open = open_word(o, w = k / 64);
        if (open >> k % 64 & 1) return k;
    }
    return choose_counted(o, bits);
}

/* Where the code of the chosen alternative begins; unless `again`, it is not
 * chosen another time. */
static uint32_t
choose(struct grammar_person *gp, const struct grammar_list *l, bool again,
       uint64_t *bits)
{
    struct offer o = {gp, l, shelf_of(gp, l), again};
    uint32_t k = choose_place(&o, bits);

    if (!again) gp->used[l->used_at + k / 64] |= UINT64_C(1) << k % 64;
    return gp->g->codes[o.s->first + k];
}

/* All picks of a list at once, so that none depends on who asks first. */
static void
choose_picks(struct grammar_person *gp, const struct grammar_list *l)
{
    uint64_t bits = co_mix64(gp->key ^ l->key);

    for (uint32_t k = 0; k < l->picks; k++) {
        gp->pick[l->pick + k] = choose(gp, l, false, &bits);
    }
}

/* Where the code of a fresh choice begins. */
static uint32_t
fresh(struct grammar_person *gp, const struct grammar_list *l)
{
    if (gp->frozen) {
        uint64_t bits = co_mix64(gp->frozen ^ l->key);

        return choose(gp, l, true, &bits);
    }
    if (l->picks && gp->pick[l->pick] == 0) choose_picks(gp, l);
    return choose(gp, l, false, &gp->bits);
}

/* --- writing -------------------------------------------------------------- */

static char *expand(struct grammar_person *gp, const uint8_t *code, char *to);

static char *
// NOLINTNEXTLINE(misc-no-recursion): grammar_check.c bounds the depth
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
put_text(char *to, const void *text, uint32_t len)
{
    for (uint32_t i = 0; i < len; i += BLOCK) {
        memcpy(to + i, (const char *)text + i, BLOCK);
    }
    return to + len;
}

/* Each fact is made once: a person's texts hold thirty, of eight kinds. */
static char *
put_fact(struct grammar_person *gp, enum fact f, char *to)
{
    struct grammar_fact *fact = &gp->fact[f];

    if (fact->bytes == 0) {
        char *end = fact_write(f, gp->m, gp->p, &gp->tags, fact->text);

        fact->bytes = (uint8_t)(end - fact->text);
    }
    if (fact->bytes >= MARK_BYTES_MIN) marks_add(gp->marks, to, MARK_FACT + f);
    return put_text(to, fact->text, fact->bytes);
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
// NOLINTNEXTLINE(misc-no-recursion): grammar_check.c bounds the depth
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
        to = put_fact(gp, (enum fact)which, to);
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
            if (*code >= MARK_BYTES_MIN) {
                marks_add(gp->marks, to,
                          MARK_PHRASE + (uint32_t)(code - gp->g->code) / 8);
            }
            to = put_text(to, code + 1, *code);
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
    gp->marks = NULL;
    for (unsigned f = 0; f < FACT_COUNT; f++) {
        gp->fact[f].bytes = 0;
    }
    memset(gp->pick, 0, g->n_picks * sizeof gp->pick[0]);
    memset(gp->used, 0, g->n_used * sizeof gp->used[0]);
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
