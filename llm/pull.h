/* pull.h - reads JSON from memory, value by value, checking all of it.
 * Answers of endpoints are read by this: nothing is built, texts are slices of
 * the input, what nobody asks for is stepped over but checked as strictly
 * (RFC 8259: UTF-8, escapes, numbers, nesting up to PULL_DEPTH_MAX). Whoever
 * reads to the end and finds pull_end() true has read valid JSON.
 *
 *     pull_init(&p, body, len);
 *     if (!pull_enter(&p, PULL_OBJECT)) ...
 *     while (pull_key(&p, &key)) {
 *         if (pull_is(&key, "id")) pull_text(&p, &id); else pull_skip(&p);
 *     }
 *
 * The first mistake sticks: from then on every function returns false, so a
 * reader checks once at the end. query/scan.h reads our own rows, where what
 * is inside of texts is known to be right; this reads what strangers send.
 * Keys given twice are given twice. Pure. */
#pragma once
#include "common/buf.h"

enum { PULL_DEPTH_MAX = 64 };

enum pull_type {
    PULL_BAD, /* a mistake, or nothing left */
    PULL_NULL,
    PULL_FALSE,
    PULL_TRUE,
    PULL_NUMBER,
    PULL_TEXT,
    PULL_ARRAY,
    PULL_OBJECT,
};

/* Open only so that it can live on the stack. */
struct pull {
    const uint8_t *start, *p, *end;
    uint64_t objects; /* bit d: level d is an object */
    uint8_t depth;
    bool first;        /* nothing of the innermost level was read yet */
    const char *wrong; /* NULL: all is well */
};

/* A text as it stands there, without its quotes. */
struct pull_slice {
    const char *at;
    size_t len;
    bool escaped; /* holds backslashes: pull_decode() makes it plain */
};

void pull_init(struct pull *p, const void *json, size_t len);
/* What comes next; nothing is consumed. */
enum pull_type pull_peek(struct pull *p);
/* Goes into the object or array that comes next; anything else is a mistake
 * ("an object is missing"). */
bool pull_enter(struct pull *p, enum pull_type type);
/* The next member of the object we are in: its value comes next. False at its
 * end, which is consumed. */
bool pull_key(struct pull *p, struct pull_slice *ret_key);
/* Is there another element in the array we are in? As pull_key. */
bool pull_item(struct pull *p);
bool pull_text(struct pull *p, struct pull_slice *ret_text);
/* An integer from 0 to 2^64-1; another number is a mistake. */
bool pull_u64(struct pull *p, uint64_t *ret_value);
bool pull_bool(struct pull *p, bool *ret_value);
/* Any number, as it stands there. */
bool pull_number(struct pull *p, struct pull_slice *ret_number);
/* Steps over whatever comes next. */
void pull_skip(struct pull *p);
/* Steps over a null, if one comes next. */
bool pull_null(struct pull *p);
/* True: the one value was read to its end, and nothing follows. */
bool pull_end(struct pull *p);
/* Makes what was read last a mistake: what, "no ...", is wrong with it. */
void pull_refuse(struct pull *p, const char *what);
/* Where in the input the mistake is, in bytes. */
size_t pull_where(const struct pull *p);

/* Does the text say word (plain ASCII without escapes)? */
bool pull_is(const struct pull_slice *text, const char *word);
/* Appends the text with its escapes resolved; half a surrogate pair becomes
 * U+FFFD. What is appended is UTF-8. */
void pull_decode(const struct pull_slice *text, struct co_buf *out);
/* The same into an array, cut at its end between characters. Returns out. */
char *pull_copy(const struct pull_slice *text, char *out, size_t size);
