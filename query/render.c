/* render.c - see render.h. */
#include "query/render.h"

#include "common/utf8.h"

#include <string.h>

static bool
is_c1(const uint8_t *p, size_t bytes)
{
    return bytes == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

void
render_plain(const char *at, size_t len, struct co_buf *out)
{
    const uint8_t *p = (const uint8_t *)at;

    for (size_t i = 0, n; i < len; i += n ? n : 1) {
        bool space = p[i] == '\n' || p[i] == '\r' || p[i] == '\t';

        n = co_utf8_bytes(p + i, len - i);
        if (space) {
            co_buf_putc(out, ' ');
        } else if (n == 0 || p[i] < 0x20 || p[i] == 0x7f || is_c1(p + i, n)) {
            co_buf_putc(out, '?');
        } else {
            co_buf_append(out, p + i, n);
        }
    }
}

static void
put_text(const struct scan_value *value, struct co_buf *scratch,
         struct co_buf *out)
{
    const char *at;
    size_t len;

    if (!text_of(value, scratch, &at, &len)) {
        out->err = CO_NOMEM;
        return;
    }
    render_plain(at, len, out);
}

static void
put_list(const struct scan_value *list, struct co_buf *scratch,
         struct co_buf *out)
{
    struct scan_walk walk;
    struct scan_value item;
    const char *between = "";

    scan_begin(&walk, list);
    while (scan_next(&walk, &item)) {
        co_buf_puts(out, between);
        between = ", ";
        if (item.type == SCAN_TEXT) {
            put_text(&item, scratch, out);
        } else {
            render_plain(item.at, item.len, out);
        }
    }
}

void
render_value(const struct scan_value *value, struct co_buf *scratch,
             struct co_buf *out)
{
    switch (value->type) {
    case SCAN_MISSING:
    case SCAN_NULL:
        return;
    case SCAN_TEXT:
        put_text(value, scratch, out);
        return;
    case SCAN_ARRAY:
        put_list(value, scratch, out);
        return;
    case SCAN_FALSE:
    case SCAN_TRUE:
    case SCAN_NUMBER:
    case SCAN_OBJECT:
        render_plain(value->at, value->len, out);
        return;
    }
}

/* ---- CSV ---- */

static bool
needs_quotes(const char *at, size_t len)
{
    if (len == 0 || at[0] == ' ' || at[len - 1] == ' ') return true;
    /* Four passes of memchr are faster than one of ours. */
    return memchr(at, '"', len) || memchr(at, ',', len) ||
           memchr(at, '\n', len) || memchr(at, '\r', len);
}

void
render_csv_text(const char *at, size_t len, struct co_buf *out)
{
    if (!needs_quotes(at, len)) {
        co_buf_append(out, at, len);
        return;
    }
    co_buf_putc(out, '"');
    for (size_t i = 0; i < len; i++) {
        const char *quote = memchr(at + i, '"', len - i);
        size_t run = quote ? (size_t)(quote - at) + 1 - i : len - i;

        co_buf_append(out, at + i, run);
        if (quote) co_buf_putc(out, '"');
        i += run - 1;
    }
    co_buf_putc(out, '"');
}

void
render_csv(const struct scan_value *value, struct co_buf *scratch,
           struct co_buf *out)
{
    const char *at = value->at;
    size_t len = value->len;

    if (value->type == SCAN_MISSING || value->type == SCAN_NULL) return;
    if (value->type == SCAN_TEXT && !text_of(value, scratch, &at, &len)) {
        out->err = CO_NOMEM;
        return;
    }
    render_csv_text(at, len, out);
}

/* ---- JSON ---- */

/* Names are paths: nothing in them needs an escape. */
void
render_object(const char *const *names, const struct scan_value *values,
              size_t n, struct co_buf *out)
{
    co_buf_putc(out, '{');
    for (size_t i = 0; i < n; i++) {
        bool missing = values[i].type == SCAN_MISSING;

        co_buf_printf(out, "%s\"%s\":", i ? "," : "", names[i]);
        co_buf_append(out, missing ? "null" : values[i].at,
                      missing ? 4 : values[i].len);
    }
    co_buf_putc(out, '}');
}

void
render_without(const char *line, size_t len, const struct scan_value *gone,
               struct co_buf *out)
{
    const char *start, *end = line + len, *after;

    if (gone->type == SCAN_MISSING) {
        co_buf_append(out, line, len);
        return;
    }
    start = gone->key - 1; /* its opening quote */
    after = gone->at + gone->len;
    /* One comma goes with it: the one in front, or behind the first member. */
    while (start > line && start[-1] != ',' && start[-1] != '{') {
        start--;
    }
    if (start > line && start[-1] == ',') {
        start--;
    } else {
        while (after < end && *after != ',' && *after != '}') {
            after++;
        }
        if (after < end && *after == ',') after++;
    }
    co_buf_append(out, line, (size_t)(start - line));
    co_buf_append(out, after, (size_t)(end - after));
}
