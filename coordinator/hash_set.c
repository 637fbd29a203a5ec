/* hash_set.c - see hash_set.h.
 * The place of a hash is the high half of hash * slots, so that a table can
 * have any size: powers of two would waste up to half of the memory. Growing
 * by doubling was rejected for the same reason: it holds both tables while it
 * copies, 3 times the bytes that were promised. */
#include "coordinator/hash_set.h"

#include "common/hash.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    TABLES_MAX = 32,
    MORE_MIN = 1 << 16, /* items of a further table, at least */
    HUGE_BYTES = 4 << 20,
};

struct table {
    uint64_t *slots; /* 0: free */
    uint64_t n_slots, items, used;
};

struct hash_set {
    struct table tables[TABLES_MAX]; /* new items go to the last one */
    unsigned n;
    uint64_t items; /* told at the start */
};

static enum co_err
table_add(struct hash_set *s, uint64_t items)
{
    const uint64_t n_slots = items + items / 2 + 8;
    void *memory;

    if (s->n == TABLES_MAX || items > UINT64_MAX / 16) return CO_NOMEM;
    memory = mmap(NULL, n_slots * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return CO_NOMEM;
    if (n_slots * sizeof(uint64_t) >= HUGE_BYTES) {
        (void)madvise(memory, n_slots * sizeof(uint64_t), MADV_HUGEPAGE);
    }
    s->tables[s->n++] =
        (struct table){.slots = memory, .n_slots = n_slots, .items = items};
    return CO_OK;
}

enum co_err
hash_set_new(uint64_t items, struct hash_set **ret_set)
{
    struct hash_set *s = calloc(1, sizeof *s);
    enum co_err err;

    if (!s) return CO_NOMEM;
    s->items = items;
    err = table_add(s, items);
    if (err) {
        hash_set_free(s);
        return err;
    }
    *ret_set = s;
    return CO_OK;
}

void
hash_set_free(struct hash_set *s)
{
    if (!s) return;
    for (unsigned i = 0; i < s->n; i++) {
        (void)munmap(s->tables[i].slots,
                     s->tables[i].n_slots * sizeof(uint64_t));
    }
    free(s);
}

enum co_err
hash_set_reserve(struct hash_set *s, uint32_t n)
{
    const struct table *last = &s->tables[s->n - 1];
    uint64_t more = s->items / 8;

    if (last->items - last->used >= n) return CO_OK;
    if (more < MORE_MIN) more = MORE_MIN;
    return table_add(s, more < n ? n : more);
}

/* Mixed once more, since hashes that were cut to a few bits (tests) would all
 * begin at the same place. Mixing is one to one. */
static uint64_t
value_of(uint64_t hash)
{
    uint64_t value = co_mix64(hash);

    return value ? value : 1;
}

static uint64_t
place_of(const struct table *t, uint64_t value)
{
    return (uint64_t)((unsigned __int128)value * t->n_slots >> 64);
}

/* The slot of value, or the free one where it belongs. */
static uint64_t *
find(const struct table *t, uint64_t value)
{
    uint64_t at = place_of(t, value);

    while (t->slots[at] && t->slots[at] != value) {
        if (++at == t->n_slots) at = 0;
    }
    return &t->slots[at];
}

bool
hash_set_add(struct hash_set *s, uint64_t hash)
{
    const uint64_t value = value_of(hash);
    struct table *last = &s->tables[s->n - 1];
    uint64_t *slot;

    for (unsigned i = 0; i + 1 < s->n; i++) {
        if (*find(&s->tables[i], value)) return false;
    }
    slot = find(last, value);
    if (*slot) return false;
    co_assert(last->used < last->items); /* hash_set_reserve() */
    last->used++;
    *slot = value;
    return true;
}

void
hash_set_prefetch(const struct hash_set *s, uint64_t hash)
{
    const struct table *t = &s->tables[0];

    __builtin_prefetch(&t->slots[place_of(t, value_of(hash))], 1);
}

uint64_t
hash_set_count(const struct hash_set *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < s->n; i++) {
        n += s->tables[i].used;
    }
    return n;
}

uint64_t
hash_set_bytes(const struct hash_set *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < s->n; i++) {
        n += s->tables[i].n_slots * sizeof(uint64_t);
    }
    return n;
}
