/* fuzz_query.c - any bytes as a condition, and as rows it is asked of.
 * The input is the expression, a newline, then lines of rows. The columns are
 * learned from the first row that is one, or from a fixed one. Whatever is
 * taken as a row must come out of the formats as what it was. */
#include "query/render.h"
#include "query/select.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char known[] =
    "{\"uuid\":\"u\",\"age\":47,\"occupation\":null,\"household\":{\"size\":2,"
    "\"income_usd\":[75000,null]},\"languages\":[\"English\",\"Spanish\"],"
    "\"ok\":true,\"provenance\":{\"row\":12}}";

static struct schema *
learned(const char *rows, size_t len)
{
    const char *newline = memchr(rows, '\n', len);
    struct schema *schema = NULL;

    if (schema_new(&schema)) abort();
    if (schema_learn(schema, rows, newline ? (size_t)(newline - rows) : len)) {
        schema_free(schema);
        schema = NULL;
        if (schema_new(&schema)) abort();
        co_assert(schema_learn(schema, known, strlen(known)) == CO_OK);
    }
    return schema;
}

/* What a row without provenance, or its fields, look like must be JSON. */
static void
check_json(const char *line, size_t len)
{
    struct scan_value value;

    co_assert(scan_value_of(line, len, &value) == CO_OK);
}

static void
ask(const struct select *s, enum select_format format, const char *rows,
    size_t len)
{
    struct select_hand *hand = NULL;
    struct co_diag diag;
    struct co_buf out;

    if (select_hand_new(s, &hand)) abort();
    co_buf_init(&out, 4 << 20);
    for (const char *line = rows, *end = rows + len; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline : end) - line);
        struct scan_value value;
        bool match = false;

        co_buf_clear(&out);
        if (select_row(hand, line, n, &out, &match, &diag) == CO_OK && match &&
            format == SELECT_JSONL && !scan_value_of(line, n, &value)) {
            check_json((const char *)out.data, out.len);
        }
        line += n + 1;
    }
    co_buf_fini(&out);
    select_hand_free(hand);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *newline;
    char *where, *rows;
    size_t len;

    newline = size ? memchr(text, '\n', size) : NULL;
    len = newline ? (size_t)(newline - text) : size;
    where = strndup(size ? text : "", len);
    /* A copy of its own, whose ends a sanitizer watches. */
    rows = malloc(size - len + 1);
    if (!where || !rows) abort();
    memcpy(rows, text + len, size - len);
    for (int format = SELECT_JSONL; format <= SELECT_NOTHING; format++) {
        size_t skip = newline ? 1 : 0, n = size - len - skip;
        struct schema *schema = learned(rows + skip, n);
        const struct select_options options = {.where = where,
                                               .format =
                                                   (enum select_format)format,
                                               .no_provenance = true};
        struct select *s = NULL;
        struct co_diag diag;

        if (!select_new(&options, schema, &s, &diag)) {
            ask(s, options.format, rows + skip, n);
        } else {
            co_assert(diag.text[0]);
        }
        select_free(s);
        schema_free(schema);
    }
    free(where);
    free(rows);
    return 0;
}
