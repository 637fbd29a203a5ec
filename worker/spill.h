/* spill.h - results on disk that did not fit in memory, in one file per process
 * that never has a name: nobody else can read it, and nothing is left when the
 * process dies (its results are lost with it anyway, and their owner hears
 * LOST).
 *
 * A record is a header (magic u32, CRC32C u32 of seq and body, seq u64, body
 * bytes u32, zero u32; little-endian), then the body. Space of dropped records
 * is used again, first fit. Blocks for the time of a file operation.
 * Not thread-safe: belongs to the worker's loop. */
#pragma once
#include "worker/slots.h"

struct spill; /* opaque */

/* dir is made if missing. NULL: the file is made at the first put, in a folder
 * of its own (0700) below $XDG_RUNTIME_DIR, else $TMPDIR, else /tmp, the first
 * where that works; the folder is gone again at once. bytes_max: most bytes of
 * the file. */
co_must_use enum co_err spill_open(const char *dir, uint64_t bytes_max,
                                   struct spill **ret_spill,
                                   struct co_diag *diag);
void spill_free(struct spill *s);
CO_DEFINE_FREEP(struct spill, spill_free)

/* CO_FULL: bytes_max reached; CO_NOSPACE, CO_DENIED, CO_IO: nothing changed.
 * CO_EXISTS: seq is there already. */
co_must_use enum co_err spill_put(struct spill *s, uint64_t seq,
                                  struct co_bytes body);
/* CO_NOTFOUND; CO_DAMAGED: what was read is not what was written; CO_IO. */
co_must_use enum co_err spill_get(struct spill *s, uint64_t seq,
                                  struct co_bytes *ret_body);
void spill_drop(struct spill *s, uint64_t seq);
uint64_t spill_bytes(const struct spill *s); /* in use */
uint32_t spill_count(const struct spill *s);
/* For tests that damage it. */
int spill_fd(const struct spill *s);

/* The interface of the slots core over s; all empty when s is NULL. */
struct slots_spill spill_interface(struct spill *s);
