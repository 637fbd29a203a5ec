/* pull.c - see pull.h. Bytes of texts are looked at eight at a time while they
 * are plain ASCII: that is most of an answer. */
#include "llm/pull.h"

#include "common/utf8.h"

#include <string.h>

enum { CHAR_BYTES_MAX = 4 };

void
pull_init(struct pull *p, const void *json, size_t len)
{
    *p = (struct pull){.start = json, .p = json, .first = true};
    p->end = p->p + len;
}

static bool
wrong(struct pull *p, const char *what)
{
    if (!p->wrong) p->wrong = what;
    return false;
}

static void
blanks(struct pull *p)
{
    while (p->p < p->end &&
           (*p->p == ' ' || *p->p == '\n' || *p->p == '\r' || *p->p == '\t')) {
        p->p++;
    }
}

/* After the blanks: is the next byte c? Then it is consumed. */
static bool
take(struct pull *p, char c)
{
    blanks(p);
    if (p->p == p->end || *p->p != (uint8_t)c) return false;
    p->p++;
    return true;
}

enum pull_type
pull_peek(struct pull *p)
{
    blanks(p);
    if (p->wrong || p->p == p->end) return PULL_BAD;
    switch (*p->p) {
    case '{':
        return PULL_OBJECT;
    case '[':
        return PULL_ARRAY;
    case '"':
        return PULL_TEXT;
    case 'n':
        return PULL_NULL;
    case 't':
        return PULL_TRUE;
    case 'f':
        return PULL_FALSE;
    default:
        return *p->p == '-' || (*p->p >= '0' && *p->p <= '9') ? PULL_NUMBER
                                                              : PULL_BAD;
    }
}

static bool
expect(struct pull *p, enum pull_type type)
{
    static const char *const missing[] = {
        [PULL_BAD] = "a value is missing", [PULL_NULL] = "no null",
        [PULL_FALSE] = "no false",         [PULL_TRUE] = "no true",
        [PULL_NUMBER] = "no number",       [PULL_TEXT] = "no text",
        [PULL_ARRAY] = "no array",         [PULL_OBJECT] = "no object"};

    enum pull_type found = pull_peek(p);

    if (found == type) return true;
    return wrong(p, missing[found == PULL_BAD ? PULL_BAD : type]);
}

/* ---- texts ---- */

/* Eight bytes without quote, backslash, control character or high bit? */
static bool
plain8(const uint8_t *at)
{
    const uint64_t ones = 0x0101010101010101U, high = 0x8080808080808080U;
    uint64_t v, quote, slash;

    memcpy(&v, at, sizeof v);
    quote = v ^ (ones * '"');
    slash = v ^ (ones * '\\');
    return (((v - ones * 0x20) | (quote - ones) | (slash - ones) | v) & high) ==
           0;
}

static int
hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at at; -1: they are not there. */
static int32_t
hex4(const uint8_t *at, const uint8_t *end)
{
    int32_t n = 0;

    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);

        if (digit < 0) return -1;
        n = 16 * n + digit;
    }
    return n;
}

/* Steps over an escape whose backslash is at p->p. */
static bool
escape(struct pull *p)
{
    if (p->end - p->p < 2) return wrong(p, "a text ends in an escape");
    if (p->p[1] == 'u') {
        if (hex4(p->p + 2, p->end) < 0) return wrong(p, "a bad \\u escape");
        p->p += 6;
        return true;
    }
    if (!p->p[1] || !strchr("\"\\/bfnrt", p->p[1])) {
        return wrong(p, "an unknown escape");
    }
    p->p += 2;
    return true;
}

/* One step inside of a text: an escape or a character. */
static bool
text_step(struct pull *p, struct pull_slice *text)
{
    size_t n;

    if (*p->p == '\\') {
        text->escaped = true;
        return escape(p);
    }
    if (*p->p < 0x20) return wrong(p, "a control character in a text");
    n = co_utf8_bytes(p->p, (size_t)(p->end - p->p));
    if (n == 0) return wrong(p, "a text that is not UTF-8");
    p->p += n;
    return true;
}

/* The text whose opening quote is at p->p. */
static bool
quoted(struct pull *p, struct pull_slice *ret_text)
{
    struct pull_slice text = {.at = (const char *)++p->p};

    for (;;) {
        while (p->end - p->p >= 8 && plain8(p->p)) {
            p->p += 8;
        }
        if (p->p == p->end) return wrong(p, "a text that does not end");
        if (*p->p == '"') break;
        if (!text_step(p, &text)) return false;
    }
    text.len = (size_t)((const char *)p->p++ - text.at);
    *ret_text = text;
    return true;
}

bool
pull_text(struct pull *p, struct pull_slice *ret_text)
{
    if (!expect(p, PULL_TEXT)) return false;
    p->first = false;
    return quoted(p, ret_text);
}

bool
pull_is(const struct pull_slice *text, const char *word)
{
    return text->len == strlen(word) && memcmp(text->at, word, text->len) == 0;
}

static size_t
put_utf8(uint32_t c, char out[CHAR_BYTES_MAX])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* The character of the \u escape at at, with its second half when it has one;
 * *ret_bytes are consumed. The slice was checked: four digits are there. */
static uint32_t
unicode(const uint8_t *at, const uint8_t *end, size_t *ret_bytes)
{
    uint32_t c = (uint32_t)hex4(at + 2, end);
    int32_t low;

    *ret_bytes = 6;
    if (c < 0xD800 || c > 0xDFFF) return c;
    if (c >= 0xDC00 || end - at < 12 || at[6] != '\\' || at[7] != 'u') {
        return 0xFFFD;
    }
    low = hex4(at + 8, end);
    if (low < 0xDC00 || low > 0xDFFF) return 0xFFFD;
    *ret_bytes = 12;
    return 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
}

/* One character of a checked text, as UTF-8: *ret_bytes consumed. */
static size_t
character(const uint8_t *at, const uint8_t *end, char out[CHAR_BYTES_MAX],
          size_t *ret_bytes)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *found;
    size_t n;

    if (*at != '\\') {
        n = co_utf8_bytes(at, (size_t)(end - at));
        co_assert(n > 0);
        memcpy(out, at, n);
        *ret_bytes = n;
        return n;
    }
    co_assert(end - at >= 2);
    if (at[1] == 'u') return put_utf8(unicode(at, end, ret_bytes), out);
    *ret_bytes = 2;
    found = strchr(from, at[1]);
    out[0] = found ? to[found - from] : (char)at[1];
    return 1;
}

void
pull_decode(const struct pull_slice *text, struct co_buf *out)
{
    const uint8_t *p = (const uint8_t *)text->at, *end = p + text->len;

    if (!text->escaped) {
        co_buf_append(out, text->at, text->len);
        return;
    }
    while (p < end) {
        const uint8_t *slash = memchr(p, '\\', (size_t)(end - p));
        char bytes[CHAR_BYTES_MAX];
        size_t used, n;

        co_buf_append(out, p, (size_t)((slash ? slash : end) - p));
        if (!slash) return;
        n = character(slash, end, bytes, &used);
        co_buf_append(out, bytes, n);
        p = slash + used;
    }
}

char *
pull_copy(const struct pull_slice *text, char *out, size_t size)
{
    const uint8_t *p = (const uint8_t *)text->at, *end = p + text->len;
    size_t len = 0;

    co_assert(size > 0);
    while (p < end) {
        char bytes[CHAR_BYTES_MAX];
        size_t used, n = character(p, end, bytes, &used);

        if (len + n >= size) break;
        memcpy(out + len, bytes, n);
        len += n;
        p += used;
    }
    out[len] = '\0';
    return out;
}

/* ---- numbers and words ---- */

static size_t
digits(struct pull *p)
{
    const uint8_t *start = p->p;

    while (p->p < p->end && *p->p >= '0' && *p->p <= '9') {
        p->p++;
    }
    return (size_t)(p->p - start);
}

bool
pull_number(struct pull *p, struct pull_slice *ret_number)
{
    const uint8_t *start;
    bool zero;

    if (!expect(p, PULL_NUMBER)) return false;
    p->first = false;
    start = p->p;
    if (*p->p == '-') p->p++;
    zero = p->p < p->end && *p->p == '0';
    switch (digits(p)) {
    case 0:
        return wrong(p, "a number without digits");
    case 1:
        break;
    default:
        if (zero) return wrong(p, "a number that begins with 0");
    }
    if (p->p < p->end && *p->p == '.') {
        p->p++;
        if (digits(p) == 0) return wrong(p, "a number that ends with a point");
    }
    if (p->p < p->end && (*p->p | 0x20) == 'e') {
        p->p++;
        if (p->p < p->end && (*p->p == '+' || *p->p == '-')) p->p++;
        if (digits(p) == 0) return wrong(p, "a number with half an exponent");
    }
    *ret_number = (struct pull_slice){.at = (const char *)start,
                                      .len = (size_t)(p->p - start)};
    return true;
}

bool
pull_u64(struct pull *p, uint64_t *ret_value)
{
    struct pull_slice number;
    uint64_t n = 0;

    if (!pull_number(p, &number)) return false;
    for (size_t i = 0; i < number.len; i++) {
        unsigned digit = (unsigned)number.at[i] - '0';

        if (digit > 9 || n > (UINT64_MAX - digit) / 10) {
            return wrong(p, "no count (an integer from 0 to 2^64-1)");
        }
        n = 10 * n + digit;
    }
    *ret_value = n;
    return true;
}

static bool
literal(struct pull *p, const char *word)
{
    size_t n = strlen(word);

    p->first = false;
    if ((size_t)(p->end - p->p) < n || memcmp(p->p, word, n) != 0) {
        return wrong(p, "an unknown word");
    }
    p->p += n;
    return true;
}

bool
pull_bool(struct pull *p, bool *ret_value)
{
    bool yes = pull_peek(p) == PULL_TRUE;

    if (!yes && !expect(p, PULL_FALSE)) return false;
    if (!literal(p, yes ? "true" : "false")) return false;
    *ret_value = yes;
    return true;
}

bool
pull_null(struct pull *p)
{
    return pull_peek(p) == PULL_NULL && literal(p, "null");
}

/* ---- levels ---- */

static bool
in_object(const struct pull *p)
{
    return p->depth > 0 && (p->objects >> (p->depth - 1) & 1);
}

bool
pull_enter(struct pull *p, enum pull_type type)
{
    co_assert(type == PULL_OBJECT || type == PULL_ARRAY);
    if (!expect(p, type)) return false;
    if (p->depth == PULL_DEPTH_MAX) return wrong(p, "too many levels");
    p->objects &= ~(1ULL << p->depth);
    if (type == PULL_OBJECT) p->objects |= 1ULL << p->depth;
    p->depth++;
    p->first = true;
    p->p++;
    return true;
}

/* Is there another entry in the innermost level? Consumes the comma before it,
 * or what closes the level. */
static bool
another(struct pull *p, char close)
{
    if (p->wrong) return false;
    if (take(p, close)) {
        p->depth--;
        p->first = false;
        return false;
    }
    if (!p->first && !take(p, ',')) return wrong(p, "a comma is missing");
    p->first = false;
    return true;
}

bool
pull_key(struct pull *p, struct pull_slice *ret_key)
{
    co_assert(p->wrong || in_object(p));
    if (!another(p, '}')) return false;
    if (!pull_text(p, ret_key)) return false;
    return take(p, ':') || wrong(p, "a colon is missing");
}

bool
pull_item(struct pull *p)
{
    co_assert(p->wrong || (p->depth > 0 && !in_object(p)));
    if (!another(p, ']')) return false;
    return pull_peek(p) != PULL_BAD || wrong(p, "a value is missing");
}

/* Steps over a scalar, or into an object or array. */
static void
skip_step(struct pull *p)
{
    enum pull_type type = pull_peek(p);
    struct pull_slice text;
    bool yes;

    switch (type) {
    case PULL_OBJECT:
    case PULL_ARRAY:
        (void)pull_enter(p, type);
        return;
    case PULL_TEXT:
        (void)pull_text(p, &text);
        return;
    case PULL_NUMBER:
        (void)pull_number(p, &text);
        return;
    case PULL_NULL:
        (void)pull_null(p);
        return;
    case PULL_TRUE:
    case PULL_FALSE:
        (void)pull_bool(p, &yes);
        return;
    case PULL_BAD:
        (void)wrong(p, "a value is missing");
    }
}

void
pull_skip(struct pull *p)
{
    unsigned level = p->depth;
    struct pull_slice key;

    skip_step(p);
    while (!p->wrong && p->depth > level) {
        if (in_object(p) ? pull_key(p, &key) : pull_item(p)) skip_step(p);
    }
}

bool
pull_end(struct pull *p)
{
    blanks(p);
    if (p->wrong || p->depth > 0 || p->first) return false;
    return p->p == p->end || wrong(p, "something follows the value");
}

void
pull_refuse(struct pull *p, const char *what)
{
    (void)wrong(p, what);
}

size_t
pull_where(const struct pull *p)
{
    return (size_t)(p->p - p->start);
}
