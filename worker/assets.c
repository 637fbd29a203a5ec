/* assets.c - see assets.h. A list in order of last use; lookups walk it. A
 * worker sees a handful of recipes, so an index would be slower. */
#include "worker/assets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <xxhash.h>

enum { FETCHES_DEFAULT = 64, AGAIN_US = 2 * 1000 * 1000 };
static const uint64_t blob_default = 64ull * 1024 * 1024;
static const uint64_t cache_default = 256ull * 1024 * 1024;

struct asset {
    TAILQ_ENTRY(asset) entry;
    uint64_t hash, job, total, got; /* total 0: not known yet */
    uint32_t link;
    enum asset_state state;
    int64_t asked_us;
    uint8_t *data; /* bytes points to the same memory */
    struct co_bytes bytes;
};
TAILQ_HEAD(asset_list, asset);

struct assets {
    uint64_t incarnation;
    struct assets_limits limits;
    struct asset_list list; /* last used first */
    uint32_t fetches;
    uint64_t ready_bytes;
    struct assets_counters counters;
};

enum co_err
assets_new(uint64_t incarnation, const struct assets_limits *limits,
           struct assets **ret_assets)
{
    struct assets *a = calloc(1, sizeof *a);

    if (!a) return CO_NOMEM;
    a->incarnation = incarnation;
    if (limits) a->limits = *limits;
    if (!a->limits.fetches_max) a->limits.fetches_max = FETCHES_DEFAULT;
    if (!a->limits.blob_max) a->limits.blob_max = blob_default;
    if (!a->limits.cache_max) a->limits.cache_max = cache_default;
    TAILQ_INIT(&a->list);
    *ret_assets = a;
    return CO_OK;
}

static void
asset_remove(struct assets *a, struct asset *x)
{
    TAILQ_REMOVE(&a->list, x, entry);
    if (x->state == ASSET_READY) {
        a->ready_bytes -= x->total;
    } else {
        a->fetches--;
    }
    co_bytes_unref(&x->bytes);
    free(x);
}

void
assets_free(struct assets *a)
{
    struct asset *x;

    if (!a) return;
    while ((x = TAILQ_FIRST(&a->list))) {
        asset_remove(a, x);
    }
    free(a);
}

static struct asset *
find(const struct assets *a, uint64_t hash)
{
    struct asset *x;

    TAILQ_FOREACH(x, &a->list, entry)
    {
        if (x->hash == hash) return x;
    }
    return NULL;
}

enum asset_state
assets_state(const struct assets *a, uint64_t hash)
{
    const struct asset *x = find(a, hash);

    return x ? x->state : ASSET_ABSENT;
}

bool
assets_get(struct assets *a, uint64_t hash, struct co_bytes *ret_blob)
{
    struct asset *x = find(a, hash);

    if (!x || x->state != ASSET_READY) return false;
    TAILQ_REMOVE(&a->list, x, entry);
    TAILQ_INSERT_HEAD(&a->list, x, entry);
    *ret_blob = co_bytes_ref(x->bytes);
    return true;
}

/* -- asking -------------------------------------------------------------- */
static void
push_need(struct assets *a, const struct asset *x, struct outbox *out)
{
    const struct msg m = {
        .type = MSG_need,
        .need = {.job = x->job, .hash = x->hash, .worker = a->incarnation},
    };
    a->counters.needs++;
    outbox_push(out, 0, x->link, &m, (struct co_bytes){0});
}

static void
push_get(struct assets *a, struct asset *x, int64_t now_us, struct outbox *out)
{
    uint64_t left = x->total ? x->total - x->got : BLOB_PIECE_MAX;
    const struct msg m = {
        .type = MSG_blob_get,
        .blob_get = {.job = x->job,
                     .hash = x->hash,
                     .worker = a->incarnation,
                     .offset = x->got,
                     .len = (uint32_t)co_min_u64(left, BLOB_PIECE_MAX)},
    };
    x->asked_us = now_us;
    a->counters.pieces++;
    outbox_push(out, 0, x->link, &m, (struct co_bytes){0});
}

enum co_err
assets_want(struct assets *a, uint64_t hash, uint64_t job, uint32_t link,
            int64_t now_us, struct outbox *out)
{
    struct asset *x = find(a, hash);

    if (x) { /* whoever asks last is most likely to be there */
        x->job = job;
        x->link = link;
        return CO_OK;
    }
    if (a->fetches >= a->limits.fetches_max) return CO_FULL;
    x = calloc(1, sizeof *x);
    if (!x) return CO_NOMEM;
    x->hash = hash;
    x->job = job;
    x->link = link;
    x->state = ASSET_FETCHING;
    a->fetches++;
    TAILQ_INSERT_HEAD(&a->list, x, entry);
    push_need(a, x, out);
    push_get(a, x, now_us, out);
    return CO_OK;
}

/* The one after link that is up; link itself when there is no other. */
static uint32_t
next_up(uint32_t up, uint32_t link)
{
    for (uint32_t i = 1; i <= 32; i++) {
        uint32_t other = (link + i) % 32;

        if (up & UINT32_C(1) << other) return other;
    }
    return link;
}

void
assets_tick(struct assets *a, uint32_t up, int64_t now_us, struct outbox *out)
{
    struct asset *x;

    if (a->fetches == 0) return;
    TAILQ_FOREACH(x, &a->list, entry)
    {
        if (x->state != ASSET_FETCHING || now_us - x->asked_us < AGAIN_US) {
            continue;
        }
        a->counters.repeated++;
        x->link = next_up(up, x->link);
        push_need(a, x, out); /* a new owner may not know that we lack it */
        push_get(a, x, now_us, out);
    }
}

/* -- taking -------------------------------------------------------------- */
static void
evict(struct assets *a, const struct asset *keep)
{
    struct asset *x = TAILQ_LAST(&a->list, asset_list), *prev;

    for (; x && a->ready_bytes > a->limits.cache_max; x = prev) {
        prev = TAILQ_PREV(x, asset_list, entry);
        if (x == keep || x->state != ASSET_READY) continue;
        a->counters.evicted++;
        asset_remove(a, x);
    }
}

static enum co_err
begin_blob(struct assets *a, struct asset *x, uint64_t total)
{
    enum co_err err;

    if (x->total) return x->total == total ? CO_OK : CO_PROTOCOL;
    if (total > a->limits.blob_max) return CO_FULL;
    err = co_bytes_new((size_t)total, &x->data, &x->bytes);
    if (!err) x->total = total;
    return err;
}

static enum co_err
add_piece(struct assets *a, struct asset *x, const struct msg_blob *b,
          struct co_bytes body)
{
    enum co_err err;

    if (b->total == 0) {
        a->counters.absent++;
        return CO_NOTFOUND;
    }
    /* A late answer to a request that was repeated. */
    if (b->offset < x->got) return CO_STATE;
    err = begin_blob(a, x, b->total);
    if (err) return err;
    if (b->offset != x->got || body.len == 0 || body.len > x->total - x->got) {
        return CO_PROTOCOL;
    }
    memcpy(x->data + x->got, body.data, body.len);
    x->got += body.len;
    if (x->got < x->total) return CO_AGAIN;
    if (XXH3_64bits(x->data, (size_t)x->total) != x->hash) {
        a->counters.wrong_hash++;
        return CO_DAMAGED;
    }
    return CO_OK;
}

enum co_err
assets_on_blob(struct assets *a, const struct msg_blob *b, struct co_bytes body,
               int64_t now_us, struct outbox *out)
{
    struct asset *x = find(a, b->hash);
    enum co_err err = CO_STATE;

    if (x && x->state == ASSET_FETCHING && b->worker == a->incarnation) {
        err = add_piece(a, x, b, body);
    }
    if (err == CO_STATE) {
        a->counters.unasked++;
    } else if (err == CO_AGAIN) {
        push_get(a, x, now_us, out);
    } else if (err) {
        asset_remove(a, x);
    } else {
        x->state = ASSET_READY;
        a->fetches--;
        a->ready_bytes += x->total;
        a->counters.fetched++;
        evict(a, x);
    }
    return err;
}

const struct assets_counters *
assets_counts(const struct assets *a)
{
    return &a->counters;
}
