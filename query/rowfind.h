/* rowfind.h - one row of a corpus: by its index, or by its uuid.
 * Rows lie in the order of their index, and each says its own, so that a row
 * is found by halving: the files by their first row, then the frames of one
 * file by theirs (a block each), then one frame is uncompressed. A uuid is a
 * hash of recipe, seed and index (rows/row.h): which index it belongs
 * to is found by hashing all of them, some ten million a second, without
 * reading a row. One thread. */
#pragma once
#include "query/frames.h"
#include "query/outdir.h"

struct rowfind; /* opaque */

/* dir is borrowed. Reads the first and the last row. */
co_must_use enum co_err rowfind_new(const struct outdir *dir,
                                    struct rowfind **ret_rowfind,
                                    struct co_diag *diag);
void rowfind_free(struct rowfind *f);
CO_DEFINE_FREEP(struct rowfind, rowfind_free)

/* Indices of the first and the last row. */
uint64_t rowfind_first(const struct rowfind *f);
uint64_t rowfind_last(const struct rowfind *f);

/* The row with that index, without its newline; valid until the next call.
 *
 * CO_RANGE     beyond the last
 * CO_NOTFOUND  a hole: that candidate was not accepted */
co_must_use enum co_err rowfind_index(struct rowfind *f, uint64_t row,
                                      const char **ret_line, size_t *ret_len,
                                      struct co_diag *diag);
/* The row with that uuid (36 characters, either case). CO_NOTFOUND. */
co_must_use enum co_err rowfind_uuid(struct rowfind *f, const char *uuid,
                                     const char **ret_line, size_t *ret_len,
                                     struct co_diag *diag);
/* Whether text has the form of a uuid. */
bool rowfind_is_uuid(const char *text);
