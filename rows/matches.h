/* matches.h - repetitions of a range's rows, as zstd's sequences.
 * zstd's own search looks at every byte of the rows and takes two thirds of
 * its time. Here only the marked places are looked at (prose/marks.h): the
 * text of that number stood somewhere before, and how far both places agree
 * is a match. Frames are as small as those of level 1, and any decoder reads
 * them.
 * Not thread-safe: one thread at a time for each. */
#pragma once
#include "common/err.h"
#include "prose/marks.h"

#include <stddef.h>

struct matches; /* opaque */

co_must_use enum co_err matches_new(struct matches **ret);
void matches_free(struct matches *m);
CO_DEFINE_FREEP(struct matches, matches_free)

/* Forgets everything: a frame begins. */
void matches_begin(struct matches *m);
/* The row raw[from .. to) has been written behind the others; its marks are
 * offsets from raw. CO_NOMEM: the frame cannot be made. */
co_must_use enum co_err matches_row(struct matches *m, const uint8_t *raw,
                                    size_t from, size_t to,
                                    const struct marks *marks);
/* Compresses raw[0 .. len), all rows given so far, into to[0 .. cap).
 * cap: ZSTD_compressBound(len) at least. Writes how many bytes.
 * CO_NOMEM, CO_STATE: zstd refuses the sequences (a bug). */
co_must_use enum co_err matches_compress(struct matches *m, const uint8_t *raw,
                                         size_t len, uint8_t *to, size_t cap,
                                         size_t *ret_len);
/* The same of rows that nobody marked, which are new from word to word: zstd
 * looks for repetitions itself. matches_row was not called. */
co_must_use enum co_err matches_compress_unmarked(struct matches *m,
                                                  const uint8_t *raw,
                                                  size_t len, uint8_t *to,
                                                  size_t cap, size_t *ret_len);
