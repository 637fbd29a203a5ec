/* value.c - see value.h. */
#include "query/value.h"

#include "common/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBER_DIGITS = 18, NUMBER_BYTES = 400 };

/* ---- numbers ---- */

static bool
whole_of(const char *at, size_t len, int64_t *ret)
{
    bool minus = len > 0 && at[0] == '-';
    int64_t n = 0;

    at += minus;
    len -= minus;
    if (len == 0 || len > NUMBER_DIGITS) return false;
    for (size_t i = 0; i < len; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        n = 10 * n + (at[i] - '0');
    }
    *ret = minus ? -n : n;
    return true;
}

struct number
number_of(const char *at, size_t len)
{
    struct number n = {.whole = false};
    char text[NUMBER_BYTES];

    if (whole_of(at, len, &n.i)) {
        n.whole = true;
        n.real = (long double)n.i;
        return n;
    }
    /* Longer ones differ behind the 399th digit, which no number keeps. */
    if (len >= sizeof text) len = sizeof text - 1;
    memcpy(text, at, len);
    text[len] = '\0';
    n.real = strtold(text, NULL);
    return n;
}

int
number_compare(const struct number *a, const struct number *b)
{
    if (a->whole && b->whole) return (a->i > b->i) - (a->i < b->i);
    return (a->real > b->real) - (a->real < b->real);
}

bool
number_u64(const struct scan_value *value, uint64_t *ret)
{
    uint64_t n = 0;

    if (value->type != SCAN_NUMBER) return false;
    for (size_t i = 0; i < value->len; i++) {
        uint64_t digit = (uint64_t)(value->at[i] - '0');

        if (value->at[i] < '0' || value->at[i] > '9') return false;
        if (n > (UINT64_MAX - digit) / 10) return false;
        n = 10 * n + digit;
    }
    *ret = n;
    return true;
}

/* ---- escapes ---- */

static bool
hex4(const char *p, const char *end, uint32_t *ret)
{
    uint32_t n = 0;

    if (end - p < 4) return false;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;

        if (digit == 16) return false;
        n = n << 4 | digit;
    }
    *ret = n;
    return true;
}

static void
put_utf8(struct co_buf *out, uint32_t c)
{
    if (c < 0x80) {
        co_buf_putc(out, (char)c);
    } else if (c < 0x800) {
        co_buf_putc(out, (char)(0xc0 | c >> 6));
        co_buf_putc(out, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        co_buf_putc(out, (char)(0xe0 | c >> 12));
        co_buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
        co_buf_putc(out, (char)(0x80 | (c & 63)));
    } else {
        co_buf_putc(out, (char)(0xf0 | c >> 18));
        co_buf_putc(out, (char)(0x80 | (c >> 12 & 63)));
        co_buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
        co_buf_putc(out, (char)(0x80 | (c & 63)));
    }
}

/* p stands behind "\u"; returns what follows. */
static const char *
put_unicode(const char *p, const char *end, struct co_buf *out)
{
    uint32_t c, low;

    if (!hex4(p, end, &c)) {
        put_utf8(out, 0xfffd);
        return p;
    }
    p += 4;
    if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' &&
        p[1] == 'u' && hex4(p + 2, end, &low) && low >= 0xdc00 &&
        low < 0xe000) {
        put_utf8(out, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
        return p + 6;
    }
    put_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    return p;
}

/* p stands behind a backslash; returns what follows. */
static const char *
put_escape(const char *p, const char *end, struct co_buf *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *known;

    if (p == end) return p;
    if (*p == 'u') return put_unicode(p + 1, end, out);
    known = memchr(from, *p, sizeof from - 1);
    if (known) {
        co_buf_putc(out, to[known - from]);
    } else {
        put_utf8(out, 0xfffd);
    }
    return p + 1;
}

bool
text_of(const struct scan_value *value, struct co_buf *scratch,
        const char **ret_at, size_t *ret_len)
{
    const char *p = value->at + 1, *end = value->at + value->len - 1;

    if (!memchr(p, '\\', (size_t)(end - p))) {
        *ret_at = p;
        *ret_len = (size_t)(end - p);
        return true;
    }
    co_buf_clear(scratch);
    while (p < end) {
        const char *stop = memchr(p, '\\', (size_t)(end - p));

        if (!stop) stop = end;
        co_buf_append(scratch, p, (size_t)(stop - p));
        p = stop < end ? put_escape(stop + 1, end, scratch) : end;
    }
    if (scratch->err) return false;
    *ret_at = co_buf_text(scratch);
    *ret_len = scratch->len;
    return true;
}

/* ---- finding ---- */

static char
lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool
equal_folded(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

bool
text_contains(const char *at, size_t len, const char *needle, size_t needle_len,
              bool fold)
{
    if (needle_len > len) return false;
    if (!fold) return memmem(at, len, needle, needle_len) != NULL;
    for (size_t i = 0; i + needle_len <= len; i++) {
        if (equal_folded(at + i, needle, needle_len)) return true;
    }
    return false;
}

static size_t
char_bytes(const char *p, size_t left)
{
    size_t n = co_utf8_bytes((const uint8_t *)p, left);

    return n ? n : 1;
}

/* Does one step of the pattern (not '%') take the character at text? */
static bool
takes(const char *text, size_t left, const char *pattern, size_t pattern_left,
      size_t *ret_text, size_t *ret_pattern)
{
    bool escaped = pattern[0] == '\\' && pattern_left > 1;

    *ret_text = 1;
    *ret_pattern = 1 + (size_t)escaped;
    if (pattern[0] == '_') {
        *ret_text = char_bytes(text, left);
        return true;
    }
    return text[0] == pattern[escaped ? 1 : 0];
}

/* Only the last '%' is ever gone back to: length times pattern at worst. */
bool
text_like(const char *at, size_t len, const char *pattern, size_t pattern_len)
{
    size_t t = 0, p = 0, back_t = 0, back_p = 0, dt, dp;
    bool star = false;

    while (t < len || p < pattern_len) {
        if (p < pattern_len && pattern[p] == '%') {
            star = true;
            back_p = ++p;
            back_t = t;
        } else if (t < len && p < pattern_len &&
                   takes(at + t, len - t, pattern + p, pattern_len - p, &dt,
                         &dp)) {
            t += dt;
            p += dp;
        } else if (star && back_t < len) {
            back_t += char_bytes(at + back_t, len - back_t);
            t = back_t;
            p = back_p;
        } else {
            return false;
        }
    }
    return true;
}
