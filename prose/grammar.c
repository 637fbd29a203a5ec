/* grammar.c - see grammar.h. Owns the tables and runs the steps that make
 * them (grammar_impl.h lists the files). */
#include "prose/grammar_impl.h"

#include "common/hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 900 };

void
grammar_free(struct grammar *g)
{
    if (!g) return;
    free(g->lists);
    free(g->items);
    free(g->by_list);
    free(g->code);
    free(g->guards);
    free(g->shelf_of);
    free(g->shelves);
    free(g->codes);
    free(g->limits);
    free(g->masks);
    free(g->pick_list);
    free(g->files);
    free(g);
}

enum co_err
grammar_fail(struct grammar_build *b, struct phrase_where at, enum co_err err,
             const char *fmt, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return co_fail(b->diag, err, "%s:%u: %s", at.file, (unsigned)at.line,
                   message);
}

struct phrase_where
grammar_where(const struct grammar *g, uint32_t item)
{
    const struct grammar_item *it = &g->items[item];

    return (struct phrase_where){g->files[it->file], it->line};
}

enum co_err
grammar_grow(void **array, uint32_t *cap, uint32_t used, size_t size)
{
    uint32_t more = *cap ? 2 * *cap : 64;
    void *grown;

    if (used < *cap) return CO_OK;
    grown = realloc(*array, more * size);
    if (!grown) return CO_NOMEM;
    *array = grown;
    *cap = more;
    return CO_OK;
}

/* Guard 0, which allows everyone. */
static enum co_err
build_begin(struct grammar_build *b, size_t files)
{
    struct grammar_guard free_guard = {{0}};
    uint16_t guard;

    b->g->files = calloc(files ? files : 1, sizeof *b->g->files);
    if (!b->g->files) return CO_NOMEM;
    return grammar_guard_add(b, &free_guard, &guard);
}

static enum co_err
build_steps(struct grammar_build *b, const struct phrase_set *shipped,
            const struct phrase_set *extra)
{
    size_t files = 0, more = 0;
    enum co_err err;

    (void)phrase_set_files(shipped, &files);
    if (extra) (void)phrase_set_files(extra, &more);
    err = build_begin(b, files + more);
    if (!err) err = grammar_load(b, shipped);
    if (!err && extra) err = grammar_load(b, extra);
    if (!err) err = grammar_group(b);
    if (!err) err = grammar_compile(b);
    if (!err) err = grammar_check(b);
    if (!err) err = grammar_index(b);
    return err;
}

enum co_err
grammar_new(const struct phrase_set *shipped, const struct phrase_set *extra,
            struct co_diag *diag, struct grammar **ret_grammar)
{
    co_auto(grammar_freep) struct grammar *g = calloc(1, sizeof *g);
    struct grammar_build b = {.g = g, .diag = diag};
    enum co_err err;

    if (!g) return co_fail(diag, CO_NOMEM, "no memory for phrases");
    err = build_steps(&b, shipped, extra);
    free(b.raw);
    if (err == CO_NOMEM) return co_fail(diag, err, "no memory for phrases");
    if (err) return err;
    g->hash = phrase_set_hash(shipped);
    if (extra) {
        uint64_t both[2] = {g->hash, phrase_set_hash(extra)};

        g->hash = co_hash64(both, sizeof both, 0);
    }
    *ret_grammar = co_take(&g);
    return CO_OK;
}

uint64_t
grammar_hash(const struct grammar *g)
{
    return g->hash;
}

uint32_t
grammar_lists(const struct grammar *g)
{
    return g->n_lists;
}

struct grammar_list_info
grammar_list(const struct grammar *g, uint32_t list)
{
    const struct grammar_list *l = &g->lists[list];

    return (struct grammar_list_info){.name = l->name,
                                      .items = l->items,
                                      .forms = l->forms,
                                      .picks = l->picks,
                                      .used = l->used};
}

enum co_err
grammar_find(const struct grammar *g, const char *name, size_t len,
             uint32_t *ret_list)
{
    for (uint32_t i = 0; i < g->n_lists; i++) {
        if (strlen(g->lists[i].name) != len ||
            memcmp(g->lists[i].name, name, len) != 0) {
            continue;
        }
        *ret_list = i;
        return CO_OK;
    }
    return CO_NOTFOUND;
}

uint32_t
grammar_choices(const struct grammar *g, uint32_t list, const struct tags *tags)
{
    const struct grammar_list *l = &g->lists[list];
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->items; i++) {
        const struct grammar_item *it = &g->items[g->by_list[l->first + i]];

        n += guard_allows(&g->guards[it->guard], tags->bits);
    }
    return n;
}
