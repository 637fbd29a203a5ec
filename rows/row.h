/* row.h - a person as one canonical line of JSON.
 * Compact, keys in a fixed order, raw UTF-8, integers only, '\n' at the
 * end: the same person gives the same bytes everywhere. Columns of the deep
 * graph (household, income, languages, OCEAN) go between the existing ones in
 * row.c; generator.h says what else such a change needs.
 * Thread-safe: no state. */
#pragma once
#include "common/buf.h"
#include "population/sampler.h"
#include "prose/marks.h"
#include "rows/row_answers.h"

enum row_level {
    ROW_ATTRIBUTES, /* persona.corpus: no texts */
    ROW_TEXTS,      /* persona.compose */
};

/* The longest line there can be, in bytes: of the built-in writer, and when
 * the texts are a model's. */
enum {
    ROW_MAX_BYTES = 24576,
    ROW_ANSWERED_MAX_BYTES = ROW_MAX_BYTES + ROW_ANSWERS_MAX,
};

/* Where the prose of a row lies, from the line's first byte on: from the key
 * of its first column to the end of the value of its last. len 0: none. */
struct row_prose {
    size_t at, len;
};

/* Appends the person's line; texts by sampler_prose. Fails only as buf does
 * (see buf->err). */
struct row_prose row_write(const struct sampler *s, const struct person *p,
                           enum row_level level, struct co_buf *buf);
/* The same, and where what stands in it: marks are written anew, for offsets
 * from buf->data. */
struct row_prose row_write_marked(const struct sampler *s,
                                  const struct person *p, enum row_level level,
                                  struct co_buf *buf, struct marks *marks);
/* The same, with the texts that a model wrote: the same columns in the same
 * order, null where the person is too young, and more about them in the column
 * provenance. The answers passed row_answers_check for this person. What is
 * new in every row is not marked. */
struct row_prose row_write_answered(const struct sampler *s,
                                    const struct person *p,
                                    const struct row_answers *answers,
                                    struct co_buf *buf);

/* UUIDv8 of (recipe hash, seed, row), 36 characters, no NUL. */
void row_uuid(uint64_t recipe_hash, uint64_t seed, uint64_t row, char to[36]);
