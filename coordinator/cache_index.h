/* cache_index.h - where answers lie, by their key; and the record that one
 * lies in. Pure, no I/O. Not thread-safe.
 * A record, numbers as this machine has them (a cache belongs to one):
 *   0 magic u32   4 bytes of the content u32   8 key low u64   16 key high u64
 *   24 CRC32C of all that but the magic u32   28 content
 * The checksum covers the key, so that no damage makes one answer another's. */
#pragma once
#include "common/buf.h"
#include "common/hash.h"

enum {
    CACHE_HEAD_BYTES = 28,
    CACHE_CONTENT_MAX = 16 * 1024,
    CACHE_ANSWERS_MAX = 1 << 20, /* in an index: at most 48 MiB */
};

struct cache_place {
    uint32_t file, offset;
};

struct cache_index; /* opaque */

/* CO_NOMEM. max: answers, at most CACHE_ANSWERS_MAX. */
co_must_use enum co_err cache_index_new(uint32_t max,
                                        struct cache_index **ret_index);
void cache_index_free(struct cache_index *x);
CO_DEFINE_FREEP(struct cache_index, cache_index_free)
/* CO_EXISTS: it has one with that key, which stays. CO_FULL, CO_NOMEM: it is
 * not in. */
co_must_use enum co_err cache_index_put(struct cache_index *x,
                                        struct co_hash128 key,
                                        struct cache_place place);
bool cache_index_get(const struct cache_index *x, struct co_hash128 key,
                     struct cache_place *ret_place);
uint32_t cache_index_count(const struct cache_index *x);

struct cache_record {
    struct co_hash128 key;
    const uint8_t *content; /* points into what was read */
    uint32_t len;
    uint32_t bytes; /* of the whole record */
};

/* Appends one. len: at most CACHE_CONTENT_MAX. */
void cache_record_put(struct co_hash128 key, const void *content, uint32_t len,
                      struct co_buf *out);
/* Reads the one that begins at data. False: there is none, or not all of it, or
 * it is damaged. */
bool cache_record_get(const uint8_t *data, size_t len,
                      struct cache_record *ret_record);
