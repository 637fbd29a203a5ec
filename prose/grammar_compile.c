/* grammar_compile.c - text with slots becomes code (see grammar_impl.h).
 *
 *   {list}  {list:2}  {list.2}  {list:2.3}  {fact}  {a ANY OF THESE}
 *
 * Text is escaped for JSON here, once. */
#include "prose/grammar_impl.h"
#include "prose/text_columns.h"

#include <stdlib.h>
#include <string.h>

static const char years_noun[] = " years";

/* Compiling one alternative. */
struct compiler {
    struct grammar_build *b;
    uint32_t item;
    struct phrase_where where;
    uint32_t bytes; /* of literals */
    uint32_t open;  /* offset of the literal that may grow; 0: none */
};

static enum co_err
put_byte(struct compiler *c, uint8_t byte)
{
    struct grammar *g = c->b->g;
    enum co_err err = grammar_grow((void **)&g->code, &c->b->cap_code,
                                   g->n_code + CODE_SLACK, 1);

    if (!err) g->code[g->n_code++] = byte;
    return err;
}

static enum co_err
put_char(struct compiler *c, char ch)
{
    struct grammar *g = c->b->g;
    enum co_err err = CO_OK;

    if (++c->bytes > GRAMMAR_ITEM_BYTES) {
        return grammar_fail(c->b, c->where, CO_FULL,
                            "the alternative has more than %d bytes of text; "
                            "cut it into lists",
                            GRAMMAR_ITEM_BYTES);
    }
    if (!c->open || g->code[c->open] == CODE_LITERAL_MAX) {
        c->open = g->n_code;
        err = put_byte(c, 0);
    }
    if (!err) err = put_byte(c, (uint8_t)ch);
    if (!err) g->code[c->open]++;
    return err;
}

static enum co_err
put_text(struct compiler *c, const char *text, size_t len)
{
    enum co_err err = CO_OK;

    for (size_t i = 0; i < len && !err; i++) {
        if (text[i] == '"' || text[i] == '\\') err = put_char(c, '\\');
        if (!err) err = put_char(c, text[i]);
    }
    return err;
}

/* --- slots ---------------------------------------------------------------- */

struct slot_text {
    const char *name;
    size_t len;
    bool article;
    uint32_t pick, form; /* 0: not given */
};

static enum co_err
fail_slot(struct compiler *c, const char *slot, size_t len)
{
    return grammar_fail(c->b, c->where, CO_INVALID,
                        "\"{%.*s\" is no slot: write {fact}, {list}, {list:2}, "
                        "{list.2}, {list:2.3} or {a SLOT}; braces mean nothing "
                        "else",
                        (int)co_min_u64(len, 40), slot);
}

static bool
read_digit(const char **at, const char *end, uint32_t *ret)
{
    if (*at == end || **at < '1' || **at > '9') return false;
    *ret = (uint32_t)(**at - '0');
    ++*at;
    return true;
}

/* What stands between the braces. */
static bool
split_slot(const char *at, const char *end, struct slot_text *ret)
{
    *ret = (struct slot_text){0};
    if (end - at > 2 && at[0] == 'a' && at[1] == ' ') {
        ret->article = true;
        at += 2;
    }
    ret->name = at;
    while (at < end && *at != ':' && *at != '.') {
        at++;
    }
    ret->len = (size_t)(at - ret->name);
    if (at < end && *at == ':') {
        at++;
        if (!read_digit(&at, end, &ret->pick)) return false;
    }
    if (at < end && *at == '.') {
        at++;
        if (!read_digit(&at, end, &ret->form)) return false;
    }
    return at == end && ret->len > 0;
}

static enum co_err
put_slot(struct compiler *c, uint8_t kind, bool article, uint32_t which)
{
    enum co_err err =
        put_byte(c, (uint8_t)(kind | (article ? CODE_ARTICLE : 0)));

    if (!err) err = put_byte(c, (uint8_t)which);
    if (!err && kind != CODE_FACT) err = put_byte(c, (uint8_t)(which >> 8));
    return err;
}

/* The guard of {role} and the like is checked later, with its context. */
static enum co_err
compile_fact(struct compiler *c, const struct slot_text *s, enum fact fact,
             const char *after, const char *end, size_t *ret_skip)
{
    size_t noun = sizeof years_noun - 1;

    if (s->pick || s->form) {
        return grammar_fail(c->b, c->where, CO_INVALID,
                            "{%.*s} is a fact and has neither picks nor forms",
                            (int)s->len, s->name);
    }
    if (fact == FACT_YEARS && (size_t)(end - after) >= noun &&
        memcmp(after, years_noun, noun) == 0) {
        fact = FACT_YEARS_NOUN;
        *ret_skip = noun;
    }
    return put_slot(c, CODE_FACT, s->article, fact);
}

/* Whether an array column shows the list's first picks. */
static bool
shown_as_array(const char *list)
{
    for (unsigned i = 0; i < TEXT_COUNT; i++) {
        const char *picks = text_column((enum text_column)i)->picks;

        if (picks && strcmp(picks, list) == 0) return true;
    }
    return false;
}

/* Told where the forms are to be added, not where they are used: mostly the
 * former is the user's line and the latter a shipped one. */
static enum co_err
too_few_forms(const struct compiler *c, uint32_t list, uint32_t form)
{
    const struct grammar *g = c->b->g;
    const struct grammar_list *l = &g->lists[list];
    uint32_t i = 0;

    while (i + 1 < g->n_items &&
           (g->items[i].list != list || g->items[i].forms >= form)) {
        i++;
    }
    return grammar_fail(c->b, grammar_where(g, i), CO_INVALID,
                        "this alternative of [%s] has %u of the %u forms that "
                        "%s:%u uses ({%s.%u}); forms stand behind each other "
                        "with \" | \" between",
                        l->name, g->items[i].forms, form, c->where.file,
                        c->where.line, l->name, form);
}

static enum co_err
compile_list(struct compiler *c, const struct slot_text *s, uint32_t list)
{
    struct grammar_list *l = &c->b->g->lists[list];
    uint32_t form = s->form ? s->form : 1;
    enum co_err err;

    if (s->pick > GRAMMAR_PICKS_MAX) {
        return grammar_fail(c->b, c->where, CO_INVALID,
                            "{%s:%u}: picks go from 1 to %d", l->name, s->pick,
                            GRAMMAR_PICKS_MAX);
    }
    if (s->pick > TEXT_PICKS_MIN && shown_as_array(l->name)) {
        return grammar_fail(c->b, c->where, CO_INVALID,
                            "{%s:%u}: the row lists %d to %d of them, so that "
                            "texts may speak of picks 1 to %d",
                            l->name, s->pick, TEXT_PICKS_MIN, TEXT_PICKS_MAX,
                            TEXT_PICKS_MIN);
    }
    if (form > l->forms) return too_few_forms(c, list, form);
    err = put_slot(c, s->pick ? CODE_PICK : CODE_LIST, s->article,
                   s->pick ? l->pick + s->pick - 1U : list);
    return err ? err : put_byte(c, (uint8_t)(form - 1));
}

static enum co_err
compile_slot(struct compiler *c, const char *at, const char *end,
             size_t *ret_used)
{
    const char *close = memchr(at, '}', (size_t)(end - at));
    struct slot_text s;
    enum fact fact = FACT_COUNT;
    uint32_t list = 0;
    size_t skip = 0;
    enum co_err err;

    if (!close || !split_slot(at + 1, close, &s)) {
        return fail_slot(c, at + 1,
                         (size_t)((close ? close + 1 : end) - at) - 1);
    }
    c->open = 0;
    if (fact_find(s.name, s.len, &fact) == CO_OK) {
        err = compile_fact(c, &s, fact, close + 1, end, &skip);
    } else if (grammar_find(c->b->g, s.name, s.len, &list) == CO_OK) {
        err = compile_list(c, &s, list);
    } else {
        err = grammar_fail(c->b, c->where, CO_INVALID,
                           "{%.*s} is neither a fact nor a list; is there a "
                           "line [%.*s] in some file?",
                           (int)s.len, s.name, (int)s.len, s.name);
    }
    *ret_used = (size_t)(close + 1 - at) + skip;
    return err;
}

/* --- forms ---------------------------------------------------------------- */

static enum co_err
compile_form(struct compiler *c, const char *at, const char *end)
{
    enum co_err err = CO_OK;

    if (at == end) {
        return grammar_fail(c->b, c->where, CO_INVALID, "an empty form");
    }
    c->open = 0;
    while (at < end && !err) {
        size_t used = 1;

        if (*at == '}') return fail_slot(c, at, 1);
        if (*at == '{') {
            err = compile_slot(c, at, end, &used);
        } else {
            err = put_text(c, at, 1);
        }
        at += used;
    }
    return err ? err : put_byte(c, CODE_END);
}

/* The end of the form that begins at `at`: " | " or the end of the text. */
static const char *
form_end(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (end - at >= 3 && memcmp(at, " | ", 3) == 0) return at;
    }
    return end;
}

/* Room for the offsets of the forms beyond the first. */
static enum co_err
reserve_offsets(struct compiler *c, uint32_t forms)
{
    enum co_err err = CO_OK;

    for (uint32_t i = 0; i < 2 * (forms - 1) && !err; i++) {
        err = put_byte(c, 0);
    }
    return err;
}

static void
set_offset(struct grammar *g, uint32_t first, uint32_t form)
{
    uint32_t offset = g->n_code - first;

    if (form == 0) return;
    g->code[first - 2 * form] = (uint8_t)offset;
    g->code[first - 2 * form + 1] = (uint8_t)(offset >> 8);
}

static enum co_err
compile_item(struct grammar_build *b, uint32_t item)
{
    struct compiler c = {
        .b = b, .item = item, .where = grammar_where(b->g, item)};
    const char *at = b->raw[item].text, *end = at + b->raw[item].len;
    struct grammar_item *it = &b->g->items[item];
    enum co_err err = reserve_offsets(&c, it->forms);

    it->code = b->g->n_code;
    for (uint32_t f = 0; f < it->forms && !err; f++) {
        const char *stop = form_end(at, end);

        set_offset(b->g, it->code, f);
        err = compile_form(&c, at, stop);
        at = stop == end ? end : stop + 3;
    }
    return err;
}

/* --- before slots are read ------------------------------------------------ */

/* How many forms each alternative has; a list has as many as its shortest. */
static enum co_err
count_forms(struct grammar_build *b)
{
    struct grammar *g = b->g;

    for (uint32_t i = 0; i < g->n_items; i++) {
        const char *at = b->raw[i].text, *end = at + b->raw[i].len;
        struct grammar_list *l = &g->lists[g->items[i].list];
        uint32_t forms = 1;

        while ((at = form_end(at, end)) < end) {
            forms++;
            at += 3;
        }
        if (forms > GRAMMAR_FORMS_MAX) {
            return grammar_fail(b, grammar_where(g, i), CO_FULL,
                                "%u forms; at most %d are allowed", forms,
                                GRAMMAR_FORMS_MAX);
        }
        g->items[i].forms = (uint8_t)forms;
        if (l->forms == 0 || forms < l->forms) l->forms = (uint8_t)forms;
    }
    return CO_OK;
}

/* The highest k of each {list:k}, so that picks can be numbered. */
static void
count_picks_of(struct grammar *g, const char *at, const char *end)
{
    while ((at = memchr(at, '{', (size_t)(end - at)))) {
        const char *close = memchr(at, '}', (size_t)(end - at));
        struct slot_text s;
        uint32_t list;

        if (!close) return;
        if (split_slot(at + 1, close, &s) && s.pick <= GRAMMAR_PICKS_MAX &&
            grammar_find(g, s.name, s.len, &list) == CO_OK &&
            s.pick > g->lists[list].picks) {
            g->lists[list].picks = (uint8_t)s.pick;
        }
        at = close;
    }
}

static void
count_array_picks(struct grammar *g)
{
    for (uint32_t l = 0; l < g->n_lists; l++) {
        if (shown_as_array(g->lists[l].name)) {
            g->lists[l].picks = TEXT_PICKS_MAX;
        }
    }
}

static enum co_err
number_picks(struct grammar_build *b)
{
    struct grammar *g = b->g;

    for (uint32_t i = 0; i < g->n_items; i++) {
        count_picks_of(g, b->raw[i].text, b->raw[i].text + b->raw[i].len);
    }
    count_array_picks(g);
    g->pick_list = calloc(GRAMMAR_FACETS_MAX, sizeof *g->pick_list);
    if (!g->pick_list) return CO_NOMEM;
    for (uint32_t l = 0; l < g->n_lists; l++) {
        if (g->n_picks + g->lists[l].picks > GRAMMAR_FACETS_MAX) {
            return co_fail(b->diag, CO_FULL,
                           "phrases: more than %d picks ({list:k}) in all",
                           GRAMMAR_FACETS_MAX);
        }
        g->lists[l].pick = (uint16_t)g->n_picks;
        for (uint32_t k = 0; k < g->lists[l].picks; k++) {
            g->pick_list[g->n_picks++] = (uint16_t)l;
        }
    }
    return CO_OK;
}

enum co_err
grammar_compile(struct grammar_build *b)
{
    /* Byte 0 stays unused: an offset of 0 means none. */
    struct compiler first = {.b = b};
    enum co_err err = count_forms(b);

    if (!err) err = number_picks(b);
    if (!err) err = put_byte(&first, CODE_END);
    for (uint32_t i = 0; i < b->g->n_items && !err; i++) {
        err = compile_item(b, i);
    }
    return err;
}

bool
grammar_next_slot(const uint8_t **code, struct code_slot *ret,
                  uint32_t *literal_bytes)
{
    const uint8_t *at = *code;

    while (*at && *at < CODE_LIST) {
        *literal_bytes += *at;
        at += *at + 1;
    }
    if (*at == CODE_END) return false;
    ret->article = *at & CODE_ARTICLE;
    ret->kind = *at & (uint8_t)~CODE_ARTICLE;
    ret->which = at[1];
    at += 2;
    ret->form = 0;
    if (ret->kind != CODE_FACT) {
        ret->which = (uint16_t)(ret->which | *at << 8);
        ret->form = at[1];
        at += 2;
    }
    *code = at;
    return true;
}
