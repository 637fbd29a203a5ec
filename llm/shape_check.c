/* shape_check.c - see shape.h: what models answer, read and made canonical.
 *
 * Models wrap JSON into fences, prose and thoughts. So every place where an
 * object may begin is tried, up to PLACES_MAX of them, and the first that is
 * right is taken. When none is, the fault of the one that came furthest is
 * told: a whole object of the wrong shape before a broken one. */
#include "llm/shape.h"

#include "common/utf8.h"
#include "llm/pull.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    PLACES_MAX = 8,
    NAME_BYTES = 64,
    EXCERPT_BYTES = 32,
    TEXT_FACTOR = 8, /* bytes as sent for one of a text: \u0041 are six */
};

/* How an attempt at one place ended. */
enum attempt { NOTHING, BROKEN, WRONG, GOOD, NO_MEMORY };

/* What is wrong, one after the other. */
struct faults {
    char text[ASK_ERROR_MAX];
    size_t len;
    bool full;
};

struct reading {
    const struct shape *shape;
    uint32_t age;
    struct pull p;
    struct co_buf text;   /* being cleaned */
    struct co_buf values; /* canonical, in the order in which they came */
    size_t at[SHAPE_FIELDS_MAX], len[SHAPE_FIELDS_MAX];
    uint32_t seen; /* a bit a field */
    struct faults faults;
};

static void add(struct faults *f, const char *fmt, ...) co_printf(2, 3);

static void
add(struct faults *f, const char *fmt, ...)
{
    static const char more[] = "; and more";
    char text[ASK_ERROR_MAX];
    size_t room = sizeof f->text - f->len - sizeof more;
    va_list args;
    int n;

    if (f->full) return;
    va_start(args, fmt);
    n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n + 2 > room) {
        f->full = true;
        (void)snprintf(f->text + f->len, sizeof more, "%s", more);
        return;
    }
    n = snprintf(f->text + f->len, room, "%s%s", f->len ? "; " : "", text);
    f->len += (size_t)n;
}

/* ---- one text ---- */

/* White space, also that at which readers of lines would cut a row (NEL, LINE
 * and PARAGRAPH SEPARATOR): how many bytes; 0: something else. */
static size_t
white(const uint8_t *p, size_t left)
{
    if (*p == ' ' || (*p >= '\t' && *p <= '\r')) return 1;
    if (left >= 2 && p[0] == 0xC2 && p[1] == 0x85) return 2;
    if (left >= 3 && p[0] == 0xE2 && p[1] == 0x80 &&
        (p[2] == 0xA8 || p[2] == 0xA9)) {
        return 3;
    }
    return 0;
}

/* What no text may hold, in words; NULL: it may. */
static const char *
forbidden(const uint8_t *p, size_t left)
{
    if (*p < 0x20 || *p == 0x7f) return "a control character";
    if (left >= 2 && p[0] == 0xC2 && p[1] < 0xA0) return "a control character";
    if (left >= 3 && memcmp(p, "\xEF\xBF\xBD", 3) == 0) {
        return "a broken character (U+FFFD)";
    }
    return NULL;
}

/* Neither white nor forbidden nor to be escaped, whatever follows. 0xC2, 0xE2
 * and 0xEF begin characters that may be. */
static bool
is_plain(uint8_t c)
{
    if (c < 0x80) return c > ' ' && c != '"' && c != '\\' && c != 0x7f;
    return c != 0xC2 && c != 0xE2 && c != 0xEF;
}

/* Bytes that are copied as they are: most of any text, words with single
 * spaces between them. */
static size_t
plain_run(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *at = p;

    while (at < end && (is_plain(*at) || (*at == ' ' && at > p &&
                                          at + 1 < end && is_plain(at[1])))) {
        at++;
    }
    return (size_t)(at - p);
}

/* r->text, cleaned, as the text of a JSON string at the end of r->values;
 * *ret_bytes of it before escaping. Returns what it holds that it may not. */
static const char *
put_clean(struct reading *r, size_t *ret_bytes)
{
    const uint8_t *p = r->text.data, *end = p + r->text.len;
    size_t bytes = 0;
    bool gap = false;

    while (p < end) {
        const size_t left = (size_t)(end - p), space = white(p, left);
        const char *what = space ? NULL : forbidden(p, left);
        size_t n = plain_run(p, end);

        if (what) return what;
        if (space) {
            gap = bytes > 0;
            p += space;
            continue;
        }
        if (gap) co_buf_putc(&r->values, ' ');
        if (*p == '"' || *p == '\\') co_buf_putc(&r->values, '\\');
        if (n == 0) n = co_utf8_bytes(p, left);
        co_assert(n > 0); /* the reader lets nothing else through */
        co_buf_append(&r->values, p, n);
        bytes += n + gap;
        gap = false;
        p += n;
    }
    *ret_bytes = bytes;
    return NULL;
}

static void
add_length(struct reading *r, const struct shape_field *f, size_t bytes)
{
    const char *one = f->is_list ? "a text in " : "";

    if (bytes > f->max) {
        add(&r->faults,
            "%s\"%s\" is too long: %zu bytes, at most %u are allowed; make it "
            "%s",
            one, f->name, bytes, f->max,
            f->is_list ? "a few words" : f->length);
    } else {
        add(&r->faults,
            "%s\"%s\" is %s: %zu bytes, at least %u are needed; make it %s",
            one, f->name, bytes ? "too short" : "empty", bytes, f->min,
            f->is_list ? "a few words" : f->length);
    }
}

/* Appends the text in quotes to the values. */
static void
take_text(struct reading *r, const struct shape_field *f,
          const struct pull_slice *text)
{
    const char *what;
    size_t bytes = text->len;

    co_buf_putc(&r->values, '"');
    co_buf_clear(&r->text);
    if (text->len > (size_t)TEXT_FACTOR * f->max) {
        add_length(r, f, text->len);
        return;
    }
    pull_decode(text, &r->text);
    if (r->text.err) return;
    what = put_clean(r, &bytes);
    co_buf_putc(&r->values, '"');
    if (what) {
        add(&r->faults, "%s\"%s\" holds %s: write plain text",
            f->is_list ? "a text in " : "", f->name, what);
    } else if (bytes > f->max || bytes < f->min) {
        add_length(r, f, bytes);
    }
}

/* ---- one field ---- */

static void
wrong_type(struct reading *r, const struct shape_field *f, bool item)
{
    static const char *const found[] = {
        [PULL_BAD] = "nothing",     [PULL_NULL] = "null",
        [PULL_FALSE] = "false",     [PULL_TRUE] = "true",
        [PULL_NUMBER] = "a number", [PULL_TEXT] = "one text",
        [PULL_ARRAY] = "a list",    [PULL_OBJECT] = "an object",
    };

    add(&r->faults, "%s\"%s\" is %s; it has to be %s",
        item ? "an entry of " : "", f->name, found[pull_peek(&r->p)],
        item         ? "one text"
        : f->is_list ? "a list of texts"
                     : "one text");
    pull_skip(&r->p);
}

/* Is the text number n of a list, in the values from at[n] on, one of those
 * before it? */
static bool
is_repeated(const struct reading *r, const size_t *at, unsigned n)
{
    const size_t len = r->values.len - at[n];

    if (r->values.err) return false;
    for (unsigned i = 0; i < n; i++) {
        /* A comma stands between two of them. */
        if (at[i + 1] - at[i] - 1 == len &&
            memcmp(r->values.data + at[i], r->values.data + at[n], len) == 0) {
            return true;
        }
    }
    return false;
}

/* Text number n of a list. */
static void
take_item(struct reading *r, const struct shape_field *f,
          size_t at[SHAPE_ITEMS_MAX], unsigned n)
{
    struct pull_slice text;

    if (n > 0) co_buf_putc(&r->values, ',');
    if (n < SHAPE_ITEMS_MAX) at[n] = r->values.len;
    if (pull_peek(&r->p) != PULL_TEXT) {
        wrong_type(r, f, true);
        return;
    }
    if (!pull_text(&r->p, &text)) return;
    take_text(r, f, &text);
    if (n < SHAPE_ITEMS_MAX && is_repeated(r, at, n)) {
        add(&r->faults, "text %u of \"%s\" is there twice: give it once", n + 1,
            f->name);
    }
}

static void
take_list(struct reading *r, const struct shape_field *f)
{
    size_t at[SHAPE_ITEMS_MAX];
    unsigned n = 0;

    (void)pull_enter(&r->p, PULL_ARRAY);
    co_buf_putc(&r->values, '[');
    while (pull_item(&r->p)) {
        take_item(r, f, at, n++);
    }
    co_buf_putc(&r->values, ']');
    if (!r->p.wrong && (n < f->items_min || n > f->items_max)) {
        add(&r->faults, "\"%s\" has %u texts; it has to have %u to %u", f->name,
            n, f->items_min, f->items_max);
    }
}

static void
take_field(struct reading *r, uint32_t i)
{
    const struct shape_field *f = &r->shape->fields[i];
    const enum pull_type type = pull_peek(&r->p);
    struct pull_slice text;

    r->seen |= 1U << i;
    r->at[i] = r->values.len;
    if (type == PULL_BAD) {
        pull_skip(&r->p); /* it says what is wrong */
    } else if (type != (f->is_list ? PULL_ARRAY : PULL_TEXT)) {
        wrong_type(r, f, false);
    } else if (f->is_list) {
        take_list(r, f);
    } else if (pull_text(&r->p, &text)) {
        take_text(r, f, &text);
    }
    r->len[i] = r->values.len - r->at[i];
}

/* ---- the object ---- */

/* A name as a model may have made it up, fit for a message. */
static const char *
printable(const struct pull_slice *key, char name[NAME_BYTES])
{
    (void)pull_copy(key, name, NAME_BYTES);
    for (char *c = name; *c; c++) {
        if ((uint8_t)*c < 0x20 || *c == '"' || *c == 0x7f) *c = '?';
    }
    return name;
}

/* Which field the key names; shape->n: none. */
static uint32_t
find_field(const struct shape *shape, const struct pull_slice *key)
{
    struct pull_slice plain = *key;
    char name[NAME_BYTES];
    uint32_t i = 0;

    if (key->escaped) {
        plain.at = pull_copy(key, name, sizeof name);
        plain.len = strlen(name);
    }
    while (i < shape->n && !pull_is(&plain, shape->fields[i].name)) {
        i++;
    }
    return i;
}

static void
take_member(struct reading *r, const struct pull_slice *key)
{
    const uint32_t i = find_field(r->shape, key);
    char name[NAME_BYTES];

    if (i == r->shape->n || r->age < r->shape->fields[i].from_age) {
        add(&r->faults, "\"%s\" is not asked for: leave it out",
            printable(key, name));
        pull_skip(&r->p);
    } else if (r->seen >> i & 1) {
        add(&r->faults, "\"%s\" is there twice: give it once",
            r->shape->fields[i].name);
        pull_skip(&r->p);
    } else {
        take_field(r, i);
    }
}

/* The last bytes before the mistake, from a whole character on. */
static void
put_excerpt(const struct pull *p, char out[EXCERPT_BYTES + 1])
{
    const uint8_t *at = p->p - co_min_u64(EXCERPT_BYTES, pull_where(p));
    size_t n = 0;

    while (at < p->p && (*at & 0xC0) == 0x80) {
        at++;
    }
    for (; at < p->p; at++) {
        out[n++] = *at < 0x20 || *at == 0x7f ? ' ' : (char)*at;
    }
    out[n] = '\0';
}

static void
add_broken(struct reading *r)
{
    char excerpt[EXCERPT_BYTES + 1];

    put_excerpt(&r->p, excerpt);
    r->faults = (struct faults){.len = 0}; /* first it has to be JSON */
    if (r->p.p == r->p.end) {
        add(&r->faults,
            "the JSON ends in the middle, after '%s': give all of it, with "
            "shorter texts if it became too long",
            excerpt);
    } else {
        add(&r->faults,
            "the JSON is broken after '%s': %s; give one valid JSON object, "
            "each text on one line, with \\\" for quotes inside of it",
            excerpt, r->p.wrong);
    }
}

static void
add_missing(struct reading *r)
{
    for (uint32_t i = 0; i < r->shape->n; i++) {
        const struct shape_field *f = &r->shape->fields[i];

        if (r->age < f->from_age || r->seen >> i & 1) continue;
        add(&r->faults, "\"%s\" is missing: add it, %s", f->name, f->length);
    }
}

/* Reads the object that begins at text. */
static enum attempt
attempt(struct reading *r, const char *text, size_t len)
{
    struct pull_slice key;

    r->seen = 0;
    r->faults = (struct faults){.len = 0};
    co_buf_clear(&r->values);
    pull_init(&r->p, text, len);
    (void)pull_enter(&r->p, PULL_OBJECT);
    while (pull_key(&r->p, &key)) {
        take_member(r, &key);
    }
    if (r->values.err || r->text.err) return NO_MEMORY;
    if (r->p.wrong) {
        add_broken(r);
        return BROKEN;
    }
    add_missing(r);
    return r->faults.len || r->faults.full ? WRONG : GOOD;
}

/* The fields in the table's order. CO_FULL: it is too long. */
static enum co_err
put_canonical(const struct reading *r, struct co_buf *out)
{
    const size_t start = out->len;
    const char *before = "{\"";

    for (uint32_t i = 0; i < r->shape->n; i++) {
        if (!(r->seen >> i & 1)) continue;
        co_buf_puts(out, before);
        co_buf_puts(out, r->shape->fields[i].name);
        co_buf_puts(out, "\":");
        co_buf_append(out, r->values.data + r->at[i], r->len[i]);
        before = ",\"";
    }
    co_buf_putc(out, '}');
    if (out->err) return CO_NOMEM;
    if (out->len - start <= ASK_ANSWER_MAX) return CO_OK;
    out->len = start;
    return CO_FULL;
}

/* Where an object with members may begin; NULL: nowhere (any more). */
static const char *
find_place(const char *at, const char *end)
{
    while ((at = memchr(at, '{', (size_t)(end - at)))) {
        const char *next = at + 1;

        while (next < end && strchr(" \t\r\n", *next) && *next) {
            next++;
        }
        if (next == end || *next == '"') return at;
        at++;
    }
    return NULL;
}

/* Tries one place after the other; *ret_faults are those of the best. */
static enum attempt
search(struct reading *r, const char *text, size_t len,
       struct faults *ret_faults)
{
    const char *end = text + len, *at = find_place(text, end);
    enum attempt best = NOTHING;

    for (int i = 0; at && i < PLACES_MAX; i++) {
        enum attempt a = attempt(r, at, (size_t)(end - at));

        if (a == GOOD || a == NO_MEMORY) return a;
        if (a > best) {
            best = a;
            *ret_faults = r->faults;
        }
        at = find_place(a == WRONG ? (const char *)r->p.p : at + 1, end);
    }
    return best;
}

static enum co_err
judge(struct reading *r, const char *text, size_t len, struct co_buf *out,
      struct co_diag *diag)
{
    struct faults faults = {.len = 0};
    enum attempt found = search(r, text, len, &faults);
    enum co_err err;

    if (found == NO_MEMORY) return co_fail(diag, CO_NOMEM, "no memory");
    if (found == NOTHING) {
        return co_fail(diag, CO_INVALID,
                       "there is no JSON object in the answer: give one JSON "
                       "object and nothing else");
    }
    if (found != GOOD) return co_fail(diag, CO_INVALID, "%s", faults.text);
    err = put_canonical(r, out);
    if (err != CO_FULL) return err;
    return co_fail(diag, CO_INVALID,
                   "all texts together are too long: more than %d bytes; "
                   "shorten each",
                   ASK_ANSWER_MAX);
}

enum co_err
shape_check(const struct shape *shape, uint32_t age, const char *text,
            size_t len, struct co_buf *out, struct co_diag *diag)
{
    struct reading r = {.shape = shape, .age = age};
    enum co_err err;

    /* An escape may double a byte, nothing else makes a text longer. */
    co_buf_init(&r.text, len + 1);
    co_buf_init(&r.values, 2 * len + 64);
    err = judge(&r, text, len, out, diag);
    co_buf_fini(&r.text);
    co_buf_fini(&r.values);
    return err;
}
