/* grammar_guard.c - "(field=health,teach age=18-49 E!=low)" becomes a mask of
 * denied values. Classes are ANDed, their values ORed; != turns the values of
 * a class around. a-b is a range in the order of the class. */
#include "prose/grammar_impl.h"

#include "common/buf.h"

#include <string.h>

enum { WORD_MAX = 40, ALLOWED_BYTES = 600 };

struct word {
    const char *at;
    size_t len;
};

/* Parsing one guard. */
struct guard_reader {
    struct grammar_build *b;
    struct phrase_where where;
    const char *at, *end;
    uint32_t seen; /* classes, as bits */
    struct grammar_guard guard;
};

/* --- messages ------------------------------------------------------------- */

static enum co_err
fail_class(struct guard_reader *r, struct word name)
{
    co_auto(co_buf_fini) struct co_buf all;

    co_buf_init(&all, ALLOWED_BYTES);
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        co_buf_printf(&all, " %s", tags_class_name((enum tag_class)c));
    }
    return grammar_fail(r->b, r->where, CO_INVALID,
                        "there is no class \"%.*s\" for a guard; there is%s",
                        (int)name.len, name.at, co_buf_text(&all));
}

static enum co_err
fail_value(struct guard_reader *r, enum tag_class c, struct word value)
{
    co_auto(co_buf_fini) struct co_buf all;
    char buf[16];

    co_buf_init(&all, ALLOWED_BYTES);
    if (c == CLASS_GROUP) {
        co_buf_puts(&all, " none, 1 to 115");
    } else {
        for (uint32_t v = 0; v < tags_count(c); v++) {
            co_buf_printf(&all, " %s", tags_value_name(c, v, buf));
        }
    }
    return grammar_fail(
        r->b, r->where, CO_INVALID, "%s has no value \"%.*s\"; %s%s",
        tags_class_name(c), (int)value.len, value.at,
        c == CLASS_AGE ? "ranges begin and end with the bands" : "there is",
        co_buf_text(&all));
}

static enum co_err
fail_form(struct guard_reader *r)
{
    return grammar_fail(r->b, r->where, CO_INVALID,
                        "a guard reads (class=value,value class!=value) in "
                        "one line, with a space between classes; this is "
                        "\"%.*s\"",
                        (int)co_min_u64((uint64_t)(r->end - r->at), 60), r->at);
}

/* --- values --------------------------------------------------------------- */

static bool
word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static struct word
read_word(struct guard_reader *r)
{
    struct word w = {r->at, 0};

    while (r->at < r->end && word_byte(*r->at)) {
        r->at++;
        w.len++;
    }
    return w;
}

static bool
read_number(struct word w, uint32_t *ret)
{
    uint32_t n = 0;

    if (w.len == 0 || w.len > 3) return false;
    for (size_t i = 0; i < w.len; i++) {
        if (w.at[i] < '0' || w.at[i] > '9') return false;
        n = n * 10 + (uint32_t)(w.at[i] - '0');
    }
    *ret = n;
    return true;
}

/* Ages are ranges of years whose ends are ends of bands. */
static bool
age_range(struct word low, struct word high, uint32_t *ret_from,
          uint32_t *ret_to)
{
    uint32_t from, to;
    bool starts = false, ends = false;

    if (!read_number(low, &from) || !read_number(high, &to)) return false;
    for (uint32_t band = 0; band < TAG_AGES; band++) {
        if (tags_age_from(band) == from) {
            *ret_from = band;
            starts = true;
        }
        if (tags_age_to(band) == to) {
            *ret_to = band;
            ends = true;
        }
    }
    return starts && ends && *ret_from <= *ret_to;
}

/* A value, or a range low-high, as numbers of values. */
static bool
value_range(enum tag_class c, struct word w, uint32_t *ret_from,
            uint32_t *ret_to)
{
    const char *dash = memchr(w.at, '-', w.len);
    struct word low = w, high = {NULL, 0};

    if (dash) {
        low.len = (size_t)(dash - w.at);
        high = (struct word){dash + 1, w.len - low.len - 1};
        if (c == CLASS_AGE) return age_range(low, high, ret_from, ret_to);
    }
    if (tags_find_value(c, low.at, low.len, ret_from)) return false;
    *ret_to = *ret_from;
    if (!dash) return true;
    return tags_find_value(c, high.at, high.len, ret_to) == CO_OK &&
           *ret_from <= *ret_to;
}

/* --- the guard ------------------------------------------------------------ */

static void
set_class(struct guard_reader *r, enum tag_class c, const bool *named,
          bool inverse)
{
    for (uint32_t v = 0; v < tags_count(c); v++) {
        uint32_t bit = tags_bit(c) + v;

        if (named[v] == inverse) {
            r->guard.denied[bit / 64] |= UINT64_C(1) << bit % 64;
        }
    }
}

/* "value,value-value" */
static enum co_err
read_values(struct guard_reader *r, enum tag_class c, bool *named)
{
    do {
        struct word w = read_word(r);
        uint32_t from = 0, to = 0;

        if (w.len == 0) return fail_form(r);
        if (!value_range(c, w, &from, &to)) return fail_value(r, c, w);
        for (uint32_t v = from; v <= to; v++) {
            named[v] = true;
        }
    } while (r->at < r->end && *r->at == ',' && r->at++);
    return CO_OK;
}

/* "class=values" or "class!=values" */
static enum co_err
read_term(struct guard_reader *r)
{
    bool named[TAG_GROUPS] = {false}, inverse;
    struct word name = read_word(r);
    enum tag_class c = CLASS_COUNT;
    enum co_err err;

    if (name.len == 0 || name.len > WORD_MAX) return fail_form(r);
    if (tags_find_class(name.at, name.len, &c)) return fail_class(r, name);
    if (r->seen >> c & 1) {
        return grammar_fail(r->b, r->where, CO_INVALID,
                            "%s stands twice in the guard; write its values "
                            "with commas",
                            tags_class_name(c));
    }
    r->seen |= 1U << c;
    inverse = r->end - r->at > 1 && r->at[0] == '!';
    r->at += inverse;
    if (r->at == r->end || *r->at != '=') return fail_form(r);
    r->at++;
    err = read_values(r, c, named);
    if (!err) set_class(r, c, named, inverse);
    return err;
}

/* A class of which no value is left lets nobody pass. */
static enum co_err
check_possible(struct guard_reader *r)
{
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        enum tag_class c = (enum tag_class)i;
        uint32_t left = 0;

        for (uint32_t v = 0; v < tags_count(c); v++) {
            uint32_t bit = tags_bit(c) + v;

            left += !(r->guard.denied[bit / 64] >> bit % 64 & 1);
        }
        if (left == 0) {
            return grammar_fail(r->b, r->where, CO_INVALID,
                                "the guard leaves no value of %s",
                                tags_class_name(c));
        }
    }
    return CO_OK;
}

enum co_err
grammar_guard_add(struct grammar_build *b, const struct grammar_guard *guard,
                  uint16_t *ret_guard)
{
    struct grammar *g = b->g;
    enum co_err err;

    for (uint32_t i = 0; i < g->n_guards; i++) {
        if (memcmp(&g->guards[i], guard, sizeof *guard) == 0) {
            *ret_guard = (uint16_t)i;
            return CO_OK;
        }
    }
    if (g->n_guards == GRAMMAR_GUARDS_MAX) {
        return co_fail(b->diag, CO_FULL,
                       "phrases: more than %d different guards",
                       GRAMMAR_GUARDS_MAX);
    }
    err = grammar_grow((void **)&g->guards, &b->cap_guards, g->n_guards,
                       sizeof *g->guards);
    if (err) return err;
    g->guards[g->n_guards] = *guard;
    *ret_guard = (uint16_t)g->n_guards++;
    return CO_OK;
}

enum co_err
grammar_guard_parse(struct grammar_build *b, struct phrase_where where,
                    const char *text, size_t len, size_t *ret_len,
                    uint16_t *ret_guard)
{
    struct guard_reader r = {
        .b = b, .where = where, .at = text + 1, .end = text + len};
    enum co_err err = CO_OK;

    while (!err && r.at < r.end && *r.at != ')') {
        err = read_term(&r);
        while (!err && r.at < r.end && *r.at == ' ') {
            r.at++;
        }
    }
    if (err) return err;
    if (r.at == r.end || !r.seen) {
        r.at = text;
        return fail_form(&r);
    }
    err = check_possible(&r);
    if (err) return err;
    *ret_len = (size_t)(r.at + 1 - text);
    return grammar_guard_add(b, &r.guard, ret_guard);
}
