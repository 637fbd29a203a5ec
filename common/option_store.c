/* option_store.c - see options_impl.h. One text becomes one value in the
 * program's struct; what does not fit is said with its source. */
#include "common/option_value.h"
#include "common/options_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of text[0..len) that lives as long as options; NULL: no memory. */
static const char *
own(struct co_options *options, const char *text, size_t len)
{
    char *copy;

    if (options->owned_count == options->owned_cap) {
        size_t cap = options->owned_cap ? 2 * options->owned_cap : 16;
        char **owned = realloc(options->owned, cap * sizeof *owned);

        if (!owned) return NULL;
        options->owned = owned;
        options->owned_cap = cap;
    }
    copy = strndup(text, len);
    if (copy) options->owned[options->owned_count++] = copy;
    return copy;
}

enum co_err
option_store_nomem(struct co_diag *diag)
{
    return co_fail(diag, CO_NOMEM, "out of memory while reading the options");
}

static enum co_err
bad_value(const struct co_option *option, const struct option_origin *origin,
          const char *text, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf wanted;
    char where[300] = "";

    co_buf_init(&wanted, 4096);
    co_option_value_wanted(option, &wanted);
    if (origin->source == FROM_FILE) {
        (void)snprintf(where, sizeof where, " in %s, line %u", origin->where,
                       origin->line);
    }
    if (origin->source == FROM_ENV) {
        (void)snprintf(where, sizeof where, " in the environment (%s)",
                       origin->where);
    }
    if (origin->source == FROM_DEFAULT) {
        (void)snprintf(where, sizeof where, " by default");
    }
    return co_fail(diag, CO_USAGE, "--%s%s: \"%.200s\" is not %s", option->name,
                   where, option->secret ? "..." : text, co_buf_text(&wanted));
}

/* Appends one item; the array grows one by one, lists are short. */
static enum co_err
add_item(struct co_options *options, const struct co_option *option,
         struct co_option_list *list, const char *text, size_t len)
{
    const char **items;
    const char *copy;

    if (!co_option_value_fits(option, len)) return CO_INVALID;
    if (list->count >= co_option_value_items_max(option)) return CO_RANGE;
    copy = own(options, text, len);
    if (!copy) return CO_NOMEM;
    items = reallocarray(list->items, list->count + 1, sizeof *items);
    if (!items) return CO_NOMEM;
    items[list->count] = copy;
    list->items = items;
    list->count++;
    return CO_OK;
}

/* "a, "b,c", d" from file or environment; a flag's value is one item. */
static enum co_err
add_items(struct co_options *options, const struct co_option *option,
          struct co_option_list *list, const char *text)
{
    enum co_err err = CO_OK;

    for (bool more = *text; more && !err;) {
        size_t len, skip;

        text += strspn(text, " ");
        if (*text == '"') {
            text++;
            len = strcspn(text, "\"");
            if (!text[len]) return CO_INVALID;
            skip = len + 1 + strspn(text + len + 1, " ");
            if (text[skip] && text[skip] != ',') return CO_INVALID;
        } else {
            skip = len = strcspn(text, ",");
            while (len > 0 && text[len - 1] == ' ') {
                len--;
            }
        }
        err = add_item(options, option, list, text, len);
        more = text[skip] == ',';
        text += skip + more;
    }
    return err;
}

static enum co_err
store_value(struct co_options *options, size_t i, const char *text,
            enum option_source source)
{
    const struct co_option *option = &options->spec->table[i];
    void *field = (char *)options->config + option->offset;

    co_assert(text);
    if (option->type == CO_OPTION_STRING) {
        if (!co_option_value_is_text(option, text)) return CO_INVALID;
        text = own(options, text, strlen(text));
        if (!text) return CO_NOMEM;
        *(const char **)field = text;
        return CO_OK;
    }
    if (option->type == CO_OPTION_LIST) {
        struct co_option_list *list = field;

        if (options->sources[i] != source) list->count = 0;
        options->sources[i] = (uint8_t)source;
        return source == FROM_FLAG
                   ? add_item(options, option, list, text, strlen(text))
                   : add_items(options, option, list, text);
    }
    return co_option_value_parse(option, text, options->config);
}

enum co_err
option_store(struct co_options *options, size_t i, const char *text,
             const struct option_origin *origin, struct co_diag *diag)
{
    enum co_err err = store_value(options, i, text, origin->source);

    if (err == CO_NOMEM) return option_store_nomem(diag);
    if (err) {
        return bad_value(&options->spec->table[i], origin, text, diag);
    }
    options->sources[i] = (uint8_t)origin->source;
    return CO_OK;
}
