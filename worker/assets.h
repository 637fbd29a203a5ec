/* assets.h - recipes a worker fetches and keeps: content-addressed, bounded.
 * A task names its recipe by hash. What is not here is announced (NEED) and
 * fetched (BLOB_GET) piece by piece, one piece in flight per blob, and only
 * what hashes right is used. Pure: no socket, clock or file.
 * Not thread-safe: belongs to the worker's loop. */
#pragma once
#include "proto/outbox.h"

struct assets; /* opaque: create with assets_new() */

enum asset_state {
    ASSET_ABSENT,   /* not known */
    ASSET_FETCHING, /* pieces are on their way */
    ASSET_READY,    /* may be used; may be evicted when memory is short */
    ASSET_STATE_COUNT
};

struct assets_limits {
    uint32_t fetches_max; /* blobs in the making; 0 = 64 */
    uint64_t blob_max;    /* bytes of one; 0 = 64 MiB */
    uint64_t cache_max;   /* bytes of all that are ready; 0 = 256 MiB */
};

struct assets_counters {
    uint64_t needs, pieces, fetched, evicted;
    uint64_t absent, wrong_hash, unasked, repeated; /* BLOBs of no use; asked
                                                       again after silence */
};

/* incarnation stands in NEED and BLOB_GET; limits may be NULL. */
co_must_use enum co_err assets_new(uint64_t incarnation,
                                   const struct assets_limits *limits,
                                   struct assets **ret_assets);
void assets_free(struct assets *a);
CO_DEFINE_FREEP(struct assets, assets_free)

/* A reference to the blob, which then outlives its eviction. False: it is not
 * here (yet), and nothing was written. */
bool assets_get(struct assets *a, uint64_t hash, struct co_bytes *ret_blob);
enum asset_state assets_state(const struct assets *a, uint64_t hash);
/* Starts a fetch unless one runs: NEED and the first BLOB_GET by link, on
 * behalf of job. CO_FULL: too many at once. CO_NOMEM. */
co_must_use enum co_err assets_want(struct assets *a, uint64_t hash,
                                    uint64_t job, uint32_t link, int64_t now_us,
                                    struct outbox *out);
/* Takes a piece.
 * CO_OK        the blob is whole and ready
 * CO_AGAIN     more to come
 * CO_STATE     nobody asked for it: ignored
 * CO_NOTFOUND  the owner has none; CO_DAMAGED: wrong hash; CO_PROTOCOL: it
 *              does not fit; CO_FULL: too large; CO_NOMEM. The fetch is over.
 */
co_must_use enum co_err assets_on_blob(struct assets *a,
                                       const struct msg_blob *b,
                                       struct co_bytes body, int64_t now_us,
                                       struct outbox *out);
/* Asks again for pieces that did not come for 2 s, by the next link that is
 * up (a bit each): the broker that was asked may never come back, and whoever
 * has the job's owner has the recipe. */
void assets_tick(struct assets *a, uint32_t up, int64_t now_us,
                 struct outbox *out);
const struct assets_counters *assets_counts(const struct assets *a);
