/* sse.c - see sse.h. */
#include "llm/sse.h"

#include <stdio.h>
#include <string.h>

void
sse_init(struct sse *sse, size_t limit)
{
    *sse = (struct sse){.has_data = false};
    co_buf_init(&sse->line, limit);
    co_buf_init(&sse->data, limit);
}

void
sse_fini(struct sse *sse)
{
    co_buf_fini(&sse->line);
    co_buf_fini(&sse->data);
}

void
sse_clear(struct sse *sse)
{
    co_buf_clear(&sse->line);
    co_buf_clear(&sse->data);
    sse->name[0] = '\0';
    sse->has_data = sse->after_cr = sse->has_begun = false;
}

/* "field: value": one blank behind the colon belongs to neither. */
static void
take_field(struct sse *sse, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t field = colon ? (size_t)(colon - line) : len;
    const char *value = colon ? colon + 1 : line + len;
    size_t n = (size_t)(line + len - value);

    if (n > 0 && *value == ' ') {
        value++;
        n--;
    }
    if (field == 5 && memcmp(line, "event", 5) == 0) {
        (void)snprintf(sse->name, sizeof sse->name, "%.*s",
                       (int)co_min_u64(n, SSE_NAME_BYTES), value);
    } else if (field == 4 && memcmp(line, "data", 4) == 0) {
        if (sse->has_data) co_buf_putc(&sse->data, '\n');
        co_buf_append(&sse->data, value, n);
        sse->has_data = true;
    }
}

/* A stream may begin with U+FEFF, which belongs to no field. */
static size_t
mark_of(const struct sse *sse)
{
    static const char mark[] = "\xef\xbb\xbf";
    const size_t len = sizeof mark - 1;

    return !sse->has_begun && sse->line.len >= len &&
                   memcmp(sse->line.data, mark, len) == 0
               ? len
               : 0;
}

/* The line is complete: a field, or the empty one that ends an event. */
static bool
end_line(struct sse *sse,
         bool (*on_event)(void *self, const char *name, const char *data,
                          size_t data_len),
         void *self)
{
    const size_t mark = mark_of(sse);
    bool go_on = true;

    sse->has_begun = true;
    if (sse->line.len > mark) {
        take_field(sse, (const char *)sse->line.data + mark,
                   sse->line.len - mark);
    } else {
        if (sse->has_data && !sse->data.err) {
            size_t len = sse->data.len;

            go_on = on_event(self, sse->name, co_buf_text(&sse->data), len);
        }
        sse->has_data = false;
        sse->name[0] = '\0';
        if (!sse->data.err) co_buf_clear(&sse->data);
    }
    if (!sse->line.err) co_buf_clear(&sse->line);
    return go_on;
}

enum co_err
sse_feed(struct sse *sse, const char *bytes, size_t len,
         bool (*on_event)(void *self, const char *name, const char *data,
                          size_t data_len),
         void *self)
{
    const char *end = bytes + len;

    while (bytes < end && !sse->line.err && !sse->data.err) {
        size_t n = 0;

        if (sse->after_cr && *bytes == '\n') { /* the other half of CR LF */
            sse->after_cr = false;
            bytes++;
            continue;
        }
        sse->after_cr = false;
        while (bytes + n < end && bytes[n] != '\n' && bytes[n] != '\r') {
            n++;
        }
        co_buf_append(&sse->line, bytes, n);
        bytes += n;
        if (bytes == end) break;
        sse->after_cr = *bytes++ == '\r';
        if (!end_line(sse, on_event, self)) return CO_OK;
    }
    return sse->line.err ? sse->line.err : sse->data.err;
}
