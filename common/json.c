/* json.c - see json.h. */
#include "common/json.h"

#include "common/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
co_json_init(struct co_json *json, struct co_buf *buf)
{
    *json = (struct co_json){.buf = buf};
}

enum co_err
co_json_finish(struct co_json *json)
{
    co_assert(json->done && json->depth == 0);
    return json->buf->err;
}

/* Before each value: is one allowed here, does it need a comma? */
static void
value_begin(struct co_json *json)
{
    co_assert(!json->done);
    if (json->depth > 0) {
        bool in_object = json->close[json->depth] == '}';

        co_assert(in_object == json->after_key);
        if (!in_object && json->comma[json->depth]) co_buf_putc(json->buf, ',');
        json->comma[json->depth] = true;
    }
    json->after_key = false;
}

static void
value_end(struct co_json *json)
{
    if (json->depth == 0) json->done = true;
}

static void
open_level(struct co_json *json, char open, char close)
{
    value_begin(json);
    co_assert(json->depth < CO_JSON_DEPTH_MAX);
    json->depth++;
    json->comma[json->depth] = false;
    json->close[json->depth] = close;
    co_buf_putc(json->buf, open);
}

void
co_json_object(struct co_json *json)
{
    open_level(json, '{', '}');
}

void
co_json_array(struct co_json *json)
{
    open_level(json, '[', ']');
}

void
co_json_end(struct co_json *json)
{
    co_assert(json->depth > 0 && !json->after_key);
    co_buf_putc(json->buf, json->close[json->depth]);
    json->depth--;
    value_end(json);
}

static void
escape(struct co_buf *buf, uint8_t c)
{
    switch (c) {
    case '"':
        co_buf_puts(buf, "\\\"");
        break;
    case '\\':
        co_buf_puts(buf, "\\\\");
        break;
    case '\n':
        co_buf_puts(buf, "\\n");
        break;
    case '\r':
        co_buf_puts(buf, "\\r");
        break;
    case '\t':
        co_buf_puts(buf, "\\t");
        break;
    default:
        co_buf_printf(buf, "\\u%04x", c);
    }
}

static void
quoted(struct co_buf *buf, const uint8_t *text, size_t len)
{
    size_t run = 0; /* start of what needs no change */
    size_t i = 0;

    co_buf_putc(buf, '"');
    while (i < len) {
        size_t n = co_utf8_bytes(text + i, len - i);
        bool plain = n > 1 || (n == 1 && text[i] >= 0x20 && text[i] != '"' &&
                               text[i] != '\\' && text[i] != 0x7f);

        if (plain) {
            i += n;
            continue;
        }
        co_buf_append(buf, text + run, i - run);
        if (n == 0) {
            co_buf_puts(buf, "\xEF\xBF\xBD");
        } else {
            escape(buf, text[i]);
        }
        run = ++i;
    }
    co_buf_append(buf, text + run, len - run);
    co_buf_putc(buf, '"');
}

void
co_json_key(struct co_json *json, const char *key)
{
    co_assert(json->depth > 0 && json->close[json->depth] == '}' &&
              !json->after_key);
    if (json->comma[json->depth]) co_buf_putc(json->buf, ',');
    json->comma[json->depth] = true;
    quoted(json->buf, (const uint8_t *)key, strlen(key));
    co_buf_putc(json->buf, ':');
    json->after_key = true;
}

void
co_json_bytes(struct co_json *json, const void *text, size_t len)
{
    value_begin(json);
    quoted(json->buf, text, len);
    value_end(json);
}

void
co_json_text(struct co_json *json, const char *text)
{
    co_json_bytes(json, text, strlen(text));
}

void
co_json_u64(struct co_json *json, uint64_t value)
{
    value_begin(json);
    co_buf_printf(json->buf, "%" PRIu64, value);
    value_end(json);
}

void
co_json_i64(struct co_json *json, int64_t value)
{
    value_begin(json);
    co_buf_printf(json->buf, "%" PRId64, value);
    value_end(json);
}

void
co_json_fixed(struct co_json *json, int64_t value, unsigned decimals)
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t unit = 1;

    co_assert(decimals <= 18);
    for (unsigned i = 0; i < decimals; i++) {
        unit *= 10;
    }
    value_begin(json);
    if (value < 0) co_buf_putc(json->buf, '-');
    co_buf_printf(json->buf, "%" PRIu64, size / unit);
    if (decimals) {
        co_buf_printf(json->buf, ".%0*" PRIu64, (int)decimals, size % unit);
    }
    value_end(json);
}

void
co_json_double(struct co_json *json, double value)
{
    char text[40];

    if (!isfinite(value)) {
        co_json_null(json);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    co_json_raw(json, text, strlen(text));
}

void
co_json_bool(struct co_json *json, bool value)
{
    co_json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

void
co_json_null(struct co_json *json)
{
    co_json_raw(json, "null", 4);
}

void
co_json_hex64(struct co_json *json, uint64_t value)
{
    value_begin(json);
    co_buf_printf(json->buf, "\"%016" PRIx64 "\"", value);
    value_end(json);
}

void
co_json_raw(struct co_json *json, const char *value, size_t len)
{
    value_begin(json);
    co_buf_append(json->buf, value, len);
    value_end(json);
}

void
co_json_put_text(struct co_json *json, const char *key, const char *text)
{
    co_json_key(json, key);
    co_json_text(json, text);
}

void
co_json_put_u64(struct co_json *json, const char *key, uint64_t value)
{
    co_json_key(json, key);
    co_json_u64(json, value);
}

static enum co_err
read_whole(int fd, const char *path, size_t max_bytes, struct co_buf *buf,
           struct co_diag *diag)
{
    struct stat st;
    ssize_t n = 1;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (uint64_t)st.st_size > max_bytes) {
        return co_fail(diag, CO_FULL, "%s: %lld bytes; allowed are at most %zu",
                       path, (long long)st.st_size, max_bytes);
    }
    while (n > 0) {
        uint8_t *to = co_buf_reserve(buf, 16384);

        if (!to) break;
        n = read(fd, to, 16384);
        if (n < 0 && errno == EINTR) {
            n = 1;
        } else if (n < 0) {
            return co_fail(diag, co_err_from_errno(errno),
                           "%s: cannot be read: %s", path, strerror(errno));
        } else {
            co_buf_commit(buf, (size_t)n);
        }
    }
    if (buf->err == CO_NOMEM) {
        return co_fail(diag, CO_NOMEM, "%s: out of memory", path);
    }
    if (buf->err || buf->len > max_bytes) {
        return co_fail(diag, CO_FULL, "%s: more than %zu bytes", path,
                       max_bytes);
    }
    return CO_OK;
}

enum co_err
co_json_load_file(const char *path, size_t max_bytes, json_t **ret_value,
                  struct co_diag *diag)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct co_buf buf;
    json_error_t error;
    json_t *value = NULL;
    enum co_err err;

    if (fd < 0) {
        return co_fail(diag, co_err_from_errno(errno),
                       "%s: cannot be opened: %s", path, strerror(errno));
    }
    /* with room for the last reads */
    co_buf_init(&buf, max_bytes + (size_t)2 * 16384);
    err = read_whole(fd, path, max_bytes, &buf, diag);
    (void)close(fd);
    if (!err) {
        value = json_loadb((const char *)buf.data, buf.len,
                           JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    }
    co_buf_fini(&buf);
    if (err) return err;
    if (!value) {
        return co_fail(diag, CO_INVALID, "%s:%d: not valid JSON: %s", path,
                       error.line, error.text);
    }
    *ret_value = value;
    return CO_OK;
}
