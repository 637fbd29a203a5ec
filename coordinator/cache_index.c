/* cache_index.c - see cache_index.h. Open addressing, at most half full; keys
 * are hashes already. Nothing is taken out: what is gone from disk is seen when
 * it is read. */
#include "coordinator/cache_index.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 1024, MAGIC = 0x31534e41 /* "ANS1" */ };

struct slot {
    struct co_hash128 key;
    uint32_t file_next; /* file + 1; 0: the slot is free */
    uint32_t offset;
};

struct cache_index {
    struct slot *slots;
    uint32_t n, cap, max; /* cap: a power of two */
};

enum co_err
cache_index_new(uint32_t max, struct cache_index **ret_index)
{
    co_auto(cache_index_freep) struct cache_index *x = calloc(1, sizeof *x);

    co_assert(max <= CACHE_ANSWERS_MAX);
    if (x) x->slots = calloc(SLOTS_MIN, sizeof *x->slots);
    if (!x || !x->slots) return CO_NOMEM;
    x->cap = SLOTS_MIN;
    x->max = max;
    *ret_index = co_take(&x);
    return CO_OK;
}

void
cache_index_free(struct cache_index *x)
{
    if (!x) return;
    free(x->slots);
    free(x);
}

/* The key's slot, or the free one where it belongs. */
static struct slot *
find(struct slot *slots, uint32_t cap, struct co_hash128 key)
{
    uint32_t at = (uint32_t)key.low & (cap - 1);

    while (slots[at].file_next &&
           (slots[at].key.low != key.low || slots[at].key.high != key.high)) {
        at = (at + 1) & (cap - 1);
    }
    return &slots[at];
}

static bool
grow(struct cache_index *x)
{
    const uint32_t cap = 2 * x->cap;
    struct slot *slots = calloc(cap, sizeof *slots);

    if (!slots) return false;
    for (uint32_t i = 0; i < x->cap; i++) {
        if (!x->slots[i].file_next) continue;
        *find(slots, cap, x->slots[i].key) = x->slots[i];
    }
    free(x->slots);
    x->slots = slots;
    x->cap = cap;
    return true;
}

enum co_err
cache_index_put(struct cache_index *x, struct co_hash128 key,
                struct cache_place place)
{
    struct slot *slot = find(x->slots, x->cap, key);

    co_assert(place.file != UINT32_MAX);
    if (slot->file_next) return CO_EXISTS;
    if (x->n == x->max) return CO_FULL;
    if (2 * (x->n + 1) > x->cap) {
        if (!grow(x)) return CO_NOMEM;
        slot = find(x->slots, x->cap, key);
    }
    *slot = (struct slot){key, place.file + 1, place.offset};
    x->n++;
    return CO_OK;
}

bool
cache_index_get(const struct cache_index *x, struct co_hash128 key,
                struct cache_place *ret_place)
{
    const struct slot *slot = find(x->slots, x->cap, key);

    if (!slot->file_next) return false;
    *ret_place = (struct cache_place){slot->file_next - 1, slot->offset};
    return true;
}

uint32_t
cache_index_count(const struct cache_index *x)
{
    return x->n;
}

/* -- records -------------------------------------------------------------- */

struct head {
    uint32_t magic, len;
    uint64_t low, high;
};

/* Of the length, the key and the content. */
static uint32_t
sum_of(const struct head *head, const void *content)
{
    const uint64_t guarded[] = {head->len, head->low, head->high};

    return co_crc32c(co_crc32c(0, guarded, sizeof guarded), content, head->len);
}

void
cache_record_put(struct co_hash128 key, const void *content, uint32_t len,
                 struct co_buf *out)
{
    const struct head head = {MAGIC, len, key.low, key.high};
    const uint32_t sum = sum_of(&head, content);

    _Static_assert(sizeof head + sizeof sum == CACHE_HEAD_BYTES, "no padding");
    co_assert(len <= CACHE_CONTENT_MAX);
    co_buf_append(out, &head, sizeof head);
    co_buf_append(out, &sum, sizeof sum);
    co_buf_append(out, content, len);
}

bool
cache_record_get(const uint8_t *data, size_t len,
                 struct cache_record *ret_record)
{
    struct head head;
    uint32_t sum;

    if (len < CACHE_HEAD_BYTES) return false;
    memcpy(&head, data, sizeof head);
    memcpy(&sum, data + sizeof head, sizeof sum);
    if (head.magic != MAGIC || head.len > CACHE_CONTENT_MAX ||
        head.len > len - CACHE_HEAD_BYTES ||
        sum != sum_of(&head, data + CACHE_HEAD_BYTES)) {
        return false;
    }
    *ret_record = (struct cache_record){
        .key = {head.low, head.high},
        .content = data + CACHE_HEAD_BYTES,
        .len = head.len,
        .bytes = CACHE_HEAD_BYTES + head.len,
    };
    return true;
}
