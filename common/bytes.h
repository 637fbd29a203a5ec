/* bytes.h - reference-counted byte slices.
 * A payload crosses sockets, tables and the journal thread without being
 * copied: each holder has a slice of one chunk, and the chunk's memory goes
 * back to where it came from (malloc, a zmq_msg_t) with the last of them.
 * The count is atomic: the journal thread and libzmq's I/O threads release
 * slices too. Contents are never changed while more than one holder exists. */
#pragma once
#include "common/err.h"

struct co_chunk; /* opaque */

/* A slice: data[0..len). chunk is NULL for borrowed memory (no ownership). */
struct co_bytes {
    const uint8_t *data;
    size_t len;
    struct co_chunk *chunk;
};

/* A slice of len fresh bytes; *ret_data is where to write them. */
co_must_use enum co_err co_bytes_new(size_t len, uint8_t **ret_data,
                                     struct co_bytes *ret_bytes);
/* A slice holding a copy of src. */
co_must_use enum co_err co_bytes_copy(const void *src, size_t len,
                                      struct co_bytes *ret_bytes);
/* A slice over foreign memory; release(arg) runs once, on whichever thread
 * drops the last reference. On error nothing is taken over. */
co_must_use enum co_err co_bytes_adopt(const void *data, size_t len,
                                       void (*release)(void *arg), void *arg,
                                       struct co_bytes *ret_bytes);
/* A slice without ownership; valid as long as the caller's memory is. */
struct co_bytes co_bytes_borrow(const void *data, size_t len);
/* Another reference to the same slice. */
struct co_bytes co_bytes_ref(struct co_bytes bytes);
/* Another reference to part of it; offset + len must lie inside (asserted). */
struct co_bytes co_bytes_slice(struct co_bytes bytes, size_t offset,
                               size_t len);
/* Drops one reference and empties *bytes; fine on an empty slice. */
void co_bytes_unref(struct co_bytes *bytes);
