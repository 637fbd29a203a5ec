/* words.c - see words.h. */
#include "job/words.h"
#include "common/utf8.h"

#include <string.h>

static bool
is_text(const struct phrase_file *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->len; i += n) {
        n = co_utf8_bytes((const uint8_t *)f->data + i, f->len - i);
        if (n == 0 || f->data[i] == '\0') return false;
    }
    return true;
}

enum co_err
words_read(const char *dir, struct phrase_set **ret_set, struct co_diag *diag)
{
    co_auto(phrase_set_freep) struct phrase_set *set = NULL;
    const struct phrase_file *files;
    size_t count = 0, bytes = 0;
    enum co_err err = phrase_set_new(&set);

    if (err) return co_fail(diag, err, "no memory for phrases");
    err = phrase_set_read(set, dir, diag);
    if (err) return err;
    files = phrase_set_files(set, &count);
    for (size_t i = 0; i < count; i++) {
        if (!is_text(&files[i])) {
            return co_fail(diag, CO_INVALID, "%s/%s: not a text in UTF-8", dir,
                           files[i].name);
        }
        bytes += files[i].len;
    }
    if (bytes > WORDS_BYTES_MAX) {
        return co_fail(diag, CO_FULL,
                       "%s: %zu bytes of phrases; allowed are %d, because they "
                       "travel in the recipe",
                       dir, bytes, WORDS_BYTES_MAX);
    }
    *ret_set = co_take(&set);
    return CO_OK;
}

enum co_err
words_check(const struct phrase_set *set, const struct prose *base,
            struct co_diag *diag)
{
    co_auto(prose_freep) struct prose *prose = NULL;

    return prose_extend(base, set, diag, &prose);
}

void
words_write(const struct phrase_set *set, struct co_json *json)
{
    size_t count = 0;
    const struct phrase_file *files = phrase_set_files(set, &count);

    co_json_object(json);
    for (size_t i = 0; i < count; i++) {
        co_json_key(json, files[i].name);
        co_json_bytes(json, files[i].data, files[i].len);
    }
    co_json_end(json);
}

enum co_err
words_from_json(json_t *object, struct phrase_set **ret_set,
                struct co_diag *diag)
{
    co_auto(phrase_set_freep) struct phrase_set *set = NULL;
    enum co_err err = CO_OK;

    if (!object) return CO_OK;
    if (json_object_size(object) == 0) {
        return co_fail(diag, CO_INVALID, "recipe: words are no object");
    }
    if (phrase_set_new(&set)) return co_fail(diag, CO_NOMEM, "out of memory");
    for (void *at = json_object_iter(object); at && !err;
         at = json_object_iter_next(object, at)) {
        const json_t *text = json_object_iter_value(at);

        if (!json_is_string(text)) {
            return co_fail(diag, CO_INVALID, "recipe: words are no texts");
        }
        err = phrase_set_add(set, json_object_iter_key(at),
                             json_string_value(text), json_string_length(text),
                             diag);
    }
    if (!err) *ret_set = co_take(&set);
    return err;
}
