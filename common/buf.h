/* buf.h - a growable byte buffer with a hard limit.
 * Appends never abort: the first failure sticks (co_buf_err) and later
 * appends do nothing, so that a writer checks once at the end. */
#pragma once
#include "common/err.h"

#include <stdarg.h>

struct co_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t limit; /* bytes; an append beyond it fails with CO_FULL */
    enum co_err err;
};

/* An empty buffer that may grow to limit bytes. Allocates nothing yet. */
void co_buf_init(struct co_buf *buf, size_t limit);
/* Releases the memory; the buffer is empty and usable afterwards. */
void co_buf_fini(struct co_buf *buf);
/* Forgets content and error, keeps the memory. */
void co_buf_clear(struct co_buf *buf);
/* Makes room for len more bytes and returns where they go, or NULL. The
 * caller writes there and then calls co_buf_commit with what it used. */
uint8_t *co_buf_reserve(struct co_buf *buf, size_t len);
void co_buf_commit(struct co_buf *buf, size_t len);
void co_buf_append(struct co_buf *buf, const void *src, size_t len);
/* The same as a callback: what msgpack's packer writes with; buf is a struct
 * co_buf. 0, or -1 once the buffer has failed. */
int co_buf_write(void *buf, const char *src, size_t len);
void co_buf_puts(struct co_buf *buf, const char *text);
void co_buf_putc(struct co_buf *buf, char c);
void co_buf_printf(struct co_buf *buf, const char *fmt, ...) co_printf(2, 3);
void co_buf_vprintf(struct co_buf *buf, const char *fmt, va_list args)
    co_printf(2, 0);
/* NUL-terminates (not counted in len) and returns the text, "" on error. */
const char *co_buf_text(struct co_buf *buf);
