/* hash_set.h - a set of 64-bit hashes that was told how many will come.
 * 12 bytes an item: open addressing, two thirds full at most. The memory is
 * reserved at once and used as it is touched, so nothing is ever copied to a
 * larger table. Items beyond what was told go to further, smaller tables.
 * Not thread-safe. */
#pragma once
#include "common/err.h"

enum { HASH_SET_ITEM_BYTES = 12 };

struct hash_set; /* opaque */

/* CO_NOMEM: there is no address space for so many items. */
co_must_use enum co_err hash_set_new(uint64_t items, struct hash_set **ret_set);
void hash_set_free(struct hash_set *s);
CO_DEFINE_FREEP(struct hash_set, hash_set_free)

/* Room for n items more, which hash_set_add() needs. CO_NOMEM: none. */
co_must_use enum co_err hash_set_reserve(struct hash_set *s, uint32_t n);
/* Puts it in; false: it was there. Zero is a hash like any other, but the same
 * as one other hash. */
bool hash_set_add(struct hash_set *s, uint64_t hash);
/* Fetches the place of a hash that is looked up soon: a cell of hashes is
 * known before it is judged, and most of a lookup is one cache miss. */
void hash_set_prefetch(const struct hash_set *s, uint64_t hash);
uint64_t hash_set_count(const struct hash_set *s);
/* Bytes of address space; they become memory as they are touched. */
uint64_t hash_set_bytes(const struct hash_set *s);
