/* bytes.c - see bytes.h. The chunk header stands in front of malloc'ed data,
 * so that an owned slice is one allocation. */
#include "common/bytes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct co_chunk {
    atomic_uint refs;
    void (*release)(void *arg);
    void *arg;
};

static struct co_chunk *
chunk_new(size_t extra)
{
    struct co_chunk *chunk;

    if (extra > SIZE_MAX - sizeof *chunk) return NULL;
    chunk = malloc(sizeof *chunk + extra);
    if (!chunk) return NULL;
    atomic_init(&chunk->refs, 1);
    chunk->release = NULL;
    chunk->arg = NULL;
    return chunk;
}

enum co_err
co_bytes_new(size_t len, uint8_t **ret_data, struct co_bytes *ret_bytes)
{
    struct co_chunk *chunk = chunk_new(len);

    if (!chunk) return CO_NOMEM;
    *ret_data = (uint8_t *)(chunk + 1);
    *ret_bytes = (struct co_bytes){*ret_data, len, chunk};
    return CO_OK;
}

enum co_err
co_bytes_copy(const void *src, size_t len, struct co_bytes *ret_bytes)
{
    uint8_t *data;
    enum co_err err = co_bytes_new(len, &data, ret_bytes);

    if (!err && len) memcpy(data, src, len);
    return err;
}

enum co_err
co_bytes_adopt(const void *data, size_t len, void (*release)(void *arg),
               void *arg, struct co_bytes *ret_bytes)
{
    struct co_chunk *chunk = chunk_new(0);

    if (!chunk) return CO_NOMEM;
    chunk->release = release;
    chunk->arg = arg;
    *ret_bytes = (struct co_bytes){data, len, chunk};
    return CO_OK;
}

struct co_bytes
co_bytes_borrow(const void *data, size_t len)
{
    return (struct co_bytes){data, len, NULL};
}

struct co_bytes
co_bytes_ref(struct co_bytes bytes)
{
    if (bytes.chunk) {
        (void)atomic_fetch_add_explicit(&bytes.chunk->refs, 1,
                                        memory_order_relaxed);
    }
    return bytes;
}

struct co_bytes
co_bytes_slice(struct co_bytes bytes, size_t offset, size_t len)
{
    co_assert(offset <= bytes.len && len <= bytes.len - offset);
    bytes = co_bytes_ref(bytes);
    bytes.data = bytes.data ? bytes.data + offset : NULL;
    bytes.len = len;
    return bytes;
}

void
co_bytes_unref(struct co_bytes *bytes)
{
    struct co_chunk *chunk = bytes->chunk;

    *bytes = (struct co_bytes){0};
    if (!chunk) return;
    if (atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (chunk->release) chunk->release(chunk->arg);
    free(chunk);
}
