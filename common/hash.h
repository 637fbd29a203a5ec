/* hash.h - content hashes and checksums.
 * XXH3 names things (recipes, blobs, rows); CRC32C guards records on disk,
 * where its guarantee for short bursts counts; mix64 spreads keys in tables.
 * All values are the same on every machine. Thread-safe: no state. */
#pragma once
#include "common/base.h"

struct co_hash128 {
    uint64_t low;
    uint64_t high;
};

/* XXH3-64 and XXH3-128. Not against an enemy who picks the data. */
uint64_t co_hash64(const void *data, size_t len, uint64_t seed);
struct co_hash128 co_hash128(const void *data, size_t len, uint64_t seed);

/* hash in pieces: init, add any number of times, then value. */
struct co_hash_stream; /* opaque */
/* NULL when out of memory. */
struct co_hash_stream *co_hash_stream_new(uint64_t seed);
void co_hash_stream_free(struct co_hash_stream *h);
CO_DEFINE_FREEP(struct co_hash_stream, co_hash_stream_free)
void co_hash_stream_add(struct co_hash_stream *h, const void *data, size_t len);
/* The same as co_hash64 over everything added so far. */
uint64_t co_hash_stream_value(const struct co_hash_stream *h);

enum { CO_HEX16_SIZE = 17 }; /* 16 digits and the NUL */
/* Writes value as 16 lower-case hex digits; returns text. */
char *co_hex16(uint64_t value, char text[CO_HEX16_SIZE]);
/* Reads exactly 16 hex digits (either case), then NUL. */
bool co_hex16_parse(const char *text, uint64_t *ret_value);

/* CRC32C (Castagnoli) of data, continuing from crc (0 at the start):
 * crc32c(crc32c(0, a), b) = crc32c(0, ab). */
uint32_t co_crc32c(uint32_t crc, const void *data, size_t len);
/* The two ways to compute it; co_crc32c takes the first that this machine
 * can do. For tests. hw returns false where the instruction is missing. */
uint32_t co_crc32c_table(uint32_t crc, const void *data, size_t len);
bool co_crc32c_hw(uint32_t crc, const void *data, size_t len,
                  uint32_t *ret_crc);

/* Spreads all bits of v over all bits of the result (splitmix64's end). */
static inline uint64_t
co_mix64(uint64_t v)
{
    v ^= v >> 30;
    v *= 0xbf58476d1ce4e5b9u;
    v ^= v >> 27;
    v *= 0x94d049bb133111ebu;
    return v ^ (v >> 31);
}

/* A hash of (job, task) for tables of tasks. Neighbouring items are published
 * and decided together, so 16 of them (item = task >> 8) stay side by side,
 * in cache lines that are met again; the groups are spread. All in order would
 * be one long run, which open addressing would have to walk. Tables that probe
 * linearly should stay below a quarter full: runs come in groups. */
static inline uint64_t
co_hash_task(uint64_t job, uint64_t task)
{
    uint64_t group = (task >> 12) + (task << 56);

    return co_mix64(group + job * 0x9e3779b97f4a7c15u) << 4 | (task >> 8 & 15);
}
