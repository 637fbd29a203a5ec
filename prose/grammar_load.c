/* grammar_load.c - the lines of a phrase file become lists and alternatives.
 * Slots stay text until all lists are known (grammar_compile.c). */
#include "prose/grammar_impl.h"

#include "common/hash.h"
#include "common/utf8.h"

#include <stdlib.h>
#include <string.h>

/* Reading one file. */
struct reader {
    struct grammar_build *b;
    struct phrase_where at;
    uint8_t file;
    uint32_t list; /* current; GRAMMAR_NO_LIST before the first */
};

static bool
name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool
name_ok(const char *name, size_t len)
{
    if (len == 0 || len > GRAMMAR_NAME_MAX) return false;
    for (size_t i = 0; i < len; i++) {
        if (!name_byte(name[i])) return false;
    }
    return name[0] >= 'a';
}

static enum co_err
add_list(struct reader *r, const char *name, size_t len)
{
    struct grammar *g = r->b->g;
    struct grammar_list *l;
    enum co_err err;

    if (g->n_lists == GRAMMAR_LISTS_MAX) {
        return grammar_fail(
            r->b, r->at, CO_FULL, "[%.*s] is list %d; at most %d are allowed",
            (int)len, name, GRAMMAR_LISTS_MAX + 1, GRAMMAR_LISTS_MAX);
    }
    err = grammar_grow((void **)&g->lists, &r->b->cap_lists, g->n_lists,
                       sizeof *g->lists);
    if (err) return err;
    l = &g->lists[g->n_lists];
    memset(l, 0, sizeof *l);
    memcpy(l->name, name, len);
    l->key = co_hash64(name, len, 0);
    r->list = g->n_lists++;
    return CO_OK;
}

/* "[name]" */
static enum co_err
read_header(struct reader *r, const char *line, size_t len)
{
    enum fact fact;

    if (line[len - 1] != ']' || !name_ok(line + 1, len - 2)) {
        return grammar_fail(r->b, r->at, CO_INVALID,
                            "\"%.*s\" is no list: write [name], with a to z, 0 "
                            "to 9 and _, at most %d, a letter first",
                            (int)co_min_u64(len, 80), line, GRAMMAR_NAME_MAX);
    }
    if (fact_find(line + 1, len - 2, &fact) == CO_OK) {
        return grammar_fail(r->b, r->at, CO_INVALID,
                            "%.*s is a fact about the person ({%.*s}); give "
                            "the list another name",
                            (int)len, line, (int)(len - 2), line + 1);
    }
    if (grammar_find(r->b->g, line + 1, len - 2, &r->list) == CO_OK) {
        return CO_OK;
    }
    return add_list(r, line + 1, len - 2);
}

static enum co_err
add_item(struct reader *r, uint16_t guard, const char *text, size_t len)
{
    struct grammar_build *b = r->b;
    struct grammar *g = b->g;
    uint32_t cap = b->cap_items;
    enum co_err err;

    if (g->n_items == GRAMMAR_ITEMS_MAX) {
        return grammar_fail(b, r->at, CO_FULL,
                            "alternative %d; at most %d are allowed",
                            GRAMMAR_ITEMS_MAX + 1, GRAMMAR_ITEMS_MAX);
    }
    err = grammar_grow((void **)&b->raw, &cap, g->n_items, sizeof *b->raw);
    if (!err) {
        err = grammar_grow((void **)&g->items, &b->cap_items, g->n_items,
                           sizeof *g->items);
    }
    if (err) return err;
    b->raw[g->n_items] = (struct raw_item){text, (uint32_t)len};
    g->items[g->n_items++] = (struct grammar_item){.list = (uint16_t)r->list,
                                                   .guard = guard,
                                                   .file = r->file,
                                                   .line = r->at.line};
    g->lists[r->list].items++;
    return CO_OK;
}

/* "(guard) text" or "text" */
static enum co_err
read_item(struct reader *r, const char *line, size_t len)
{
    uint16_t guard = 0;
    size_t used = 0;
    enum co_err err;

    if (r->list == GRAMMAR_NO_LIST) {
        return grammar_fail(r->b, r->at, CO_INVALID,
                            "text before the first list: write a line like "
                            "[hobby] above it");
    }
    if (line[0] == '(') {
        err = grammar_guard_parse(r->b, r->at, line, len, &used, &guard);
        if (err) return err;
    }
    while (used < len && line[used] == ' ') {
        used++;
    }
    if (used == len) {
        return grammar_fail(r->b, r->at, CO_INVALID,
                            "a guard without a text behind it");
    }
    return add_item(r, guard, line + used, len - used);
}

static enum co_err
check_bytes(struct reader *r, const char *line, size_t len)
{
    size_t n;

    for (size_t i = 0; i < len; i += n) {
        uint8_t c = (uint8_t)line[i];

        n = co_utf8_bytes((const uint8_t *)line + i, len - i);
        if (n == 0) {
            return grammar_fail(r->b, r->at, CO_INVALID,
                                "byte %zu (0x%02x) is not UTF-8; save the file "
                                "as UTF-8",
                                i + 1, c);
        }
        if (c < 0x20 || c == 0x7f) {
            return grammar_fail(r->b, r->at, CO_INVALID,
                                "byte %zu (0x%02x) is a control character; "
                                "only text is allowed",
                                i + 1, c);
        }
    }
    return CO_OK;
}

static enum co_err
read_line(struct reader *r, const char *line, size_t len)
{
    enum co_err err;

    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\r')) {
        len--;
    }
    err = check_bytes(r, line, len);
    if (err || len == 0 || line[0] == '#') return err;
    if (line[0] == '[') return read_header(r, line, len);
    return read_item(r, line, len);
}

static enum co_err
read_file(struct reader *r, const struct phrase_file *f)
{
    const char *at = f->data, *end = f->data + f->len;
    enum co_err err = CO_OK;

    while (at < end && !err) {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        const char *stop = nl ? nl : end;

        r->at.line++;
        err = read_line(r, at, (size_t)(stop - at));
        at = nl ? nl + 1 : end;
    }
    return err;
}

enum co_err
grammar_load(struct grammar_build *b, const struct phrase_set *set)
{
    struct grammar *g = b->g;
    size_t count;
    const struct phrase_file *files = phrase_set_files(set, &count);
    enum co_err err = CO_OK;

    for (size_t i = 0; i < count && !err; i++) {
        struct reader r = {.b = b,
                           .file = (uint8_t)g->n_files,
                           .list = GRAMMAR_NO_LIST,
                           .at = {.file = g->files[g->n_files]}};

        memcpy(g->files[g->n_files++], files[i].name, sizeof files[i].name);
        err = read_file(&r, &files[i]);
    }
    return err;
}

enum co_err
grammar_group(struct grammar_build *b)
{
    struct grammar *g = b->g;
    uint32_t first = 0;

    g->by_list = calloc(g->n_items ? g->n_items : 1, sizeof *g->by_list);
    if (!g->by_list) return CO_NOMEM;
    for (uint32_t l = 0; l < g->n_lists; l++) {
        g->lists[l].first = first;
        first += g->lists[l].items;
        g->lists[l].items = 0;
    }
    for (uint32_t i = 0; i < g->n_items; i++) {
        struct grammar_list *l = &g->lists[g->items[i].list];

        g->by_list[l->first + l->items++] = (uint16_t)i;
    }
    return CO_OK;
}
