/* buf.c - see buf.h. */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_BYTES = 256 };

void
co_buf_init(struct co_buf *buf, size_t limit)
{
    *buf = (struct co_buf){.limit = limit};
}

void
co_buf_fini(struct co_buf *buf)
{
    free(buf->data);
    co_buf_init(buf, buf->limit);
}

void
co_buf_clear(struct co_buf *buf)
{
    buf->len = 0;
    buf->err = CO_OK;
}

static void
buf_grow(struct co_buf *buf, size_t need)
{
    size_t cap = buf->cap ? buf->cap : BUF_FIRST_BYTES;
    uint8_t *data;

    while (cap < need) {
        cap *= 2;
    }
    data = realloc(buf->data, cap);
    if (!data) {
        buf->err = CO_NOMEM;
        return;
    }
    buf->data = data;
    buf->cap = cap;
}

uint8_t *
co_buf_reserve(struct co_buf *buf, size_t len)
{
    if (buf->err) return NULL;
    if (len > buf->limit - buf->len) {
        buf->err = CO_FULL;
        return NULL;
    }
    /* One byte more than asked, so that co_buf_text always has room. */
    if (buf->len + len + 1 > buf->cap) buf_grow(buf, buf->len + len + 1);
    return buf->err ? NULL : buf->data + buf->len;
}

void
co_buf_commit(struct co_buf *buf, size_t len)
{
    co_assert(buf->len + len <= buf->cap);
    buf->len += len;
}

void
co_buf_append(struct co_buf *buf, const void *src, size_t len)
{
    uint8_t *to = co_buf_reserve(buf, len);

    if (!to) return;
    if (len) memcpy(to, src, len);
    buf->len += len;
}

int
co_buf_write(void *buf, const char *src, size_t len)
{
    struct co_buf *to = buf;

    co_buf_append(to, src, len);
    return to->err ? -1 : 0;
}

void
co_buf_puts(struct co_buf *buf, const char *text)
{
    co_buf_append(buf, text, strlen(text));
}

void
co_buf_putc(struct co_buf *buf, char c)
{
    co_buf_append(buf, &c, 1);
}

void
co_buf_vprintf(struct co_buf *buf, const char *fmt, va_list args)
{
    char small[512];
    va_list again;
    uint8_t *to;
    int n;

    va_copy(again, args);
    n = vsnprintf(small, sizeof small, fmt, args);
    if (n < 0) {
        buf->err = CO_INVALID;
    } else if ((size_t)n < sizeof small) {
        co_buf_append(buf, small, (size_t)n);
    } else {
        to = co_buf_reserve(buf, (size_t)n + 1);
        if (to) {
            (void)vsnprintf((char *)to, (size_t)n + 1, fmt, again);
            buf->len += (size_t)n;
        }
    }
    va_end(again);
}

void
co_buf_printf(struct co_buf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    co_buf_vprintf(buf, fmt, args);
    va_end(args);
}

const char *
co_buf_text(struct co_buf *buf)
{
    if (buf->err || !co_buf_reserve(buf, 0)) return "";
    buf->data[buf->len] = '\0';
    return (const char *)buf->data;
}
