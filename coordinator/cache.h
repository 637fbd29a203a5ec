/* cache.h - answers that models gave before, in a folder of this machine:
 * cache_key.h or cache_shared.h names them, cache_index.h finds them, this
 * keeps their files.
 * A coordinator appends to one file of its own (flock) and reads all that were
 * there when it began, so that any number of them share a folder. A file ends
 * where its first record that is torn or damaged begins; who appends to it next
 * cuts it there. Nothing is synced: the journal has every answer that was paid,
 * and a replay of it offers them again. Beyond its bytes the oldest files go.
 * Reads of at most CACHE_CONTENT_MAX bytes happen in the caller's loop, and
 * writes to the page cache. One thread. */
#pragma once
#include "common/bytes.h"
#include "llm/ask.h"

struct cache; /* opaque */
struct sampler;
struct writer;

struct cache_options {
    const char *dir;        /* made if missing; borrowed for the call */
    struct co_bytes recipe; /* borrowed for the call */
    /* Equal prompts share answers (cache_shared.h), whatever the row and the
     * recipe; then writer and sampler are borrowed for life. */
    bool shared;
    const struct writer *writer;
    const struct sampler *sampler;
    uint64_t bytes_max;  /* of all files; 0: 1 GiB */
    uint32_t file_bytes; /* of a file; 0: 64 MiB */
};

/* X(name, text) */
#define CACHE_COUNTER_LIST(X)                                                  \
    X(answers, "answers found at the start")                                   \
    X(files, "files found at the start")                                       \
    X(torn, "files whose end was torn or damaged")                             \
    X(hits, "answers given")                                                   \
    X(damaged, "answers that could not be read again")                         \
    X(added, "answers added")                                                  \
    X(left_out, "answers that the folder or memory had no room for")           \
    X(removed, "old files removed")

struct cache_counters {
#define X(name, text) uint64_t name;
    CACHE_COUNTER_LIST(X)
#undef X
};

/* Reads what is there. */
co_must_use enum co_err cache_open(const struct cache_options *options,
                                   struct cache **ret_cache,
                                   struct co_diag *diag);
/* Writes what waits. */
void cache_free(struct cache *c);
CO_DEFINE_FREEP(struct cache, cache_free)
/* The usual folder: $XDG_CACHE_HOME/cohort/answers, or that of ~/.cache.
 * CO_NOTFOUND: the environment names neither. */
co_must_use enum co_err cache_dir(struct co_buf *out, struct co_diag *diag);

/* kind_written's hooks; self is the cache. get appends what put was given. */
bool cache_get(void *self, uint64_t row, enum ask_stage stage,
               const uint8_t *input, uint32_t input_len, struct co_buf *out);
void cache_put(void *self, uint64_t row, enum ask_stage stage,
               const uint8_t *input, uint32_t input_len, const uint8_t *content,
               uint32_t len);
/* Once a turn: hands what waits to the kernel. A disk that does not take it is
 * said once in the log; then nothing is added any more. */
void cache_flush(struct cache *c);
const struct cache_counters *cache_counters(const struct cache *c);
