/* live.c - see live.h. A sorted array: a journal has tens of segments, and
 * almost all changes are at its end. */
#include "journal/live.h"

#include <stdlib.h>
#include <string.h>

struct live_segment {
    struct segment_name name;
    uint64_t total; /* content bytes, all records */
    uint64_t live;
};

struct live {
    struct live_segment *v;
    size_t len, cap;
    struct segment_name checkpoint; /* owner 0: none */
};

enum co_err
live_new(struct live **ret)
{
    struct live *l = calloc(1, sizeof *l);

    if (!l) return CO_NOMEM;
    *ret = l;
    return CO_OK;
}

void
live_free(struct live *l)
{
    if (!l) return;
    free(l->v);
    free(l);
}

/* Index of the last segment not after name, + 1. */
static size_t
live_place(const struct live *l, struct segment_name name)
{
    size_t i = l->len;

    while (i > 0 && segment_name_compare(l->v[i - 1].name, name) > 0)
        i--;
    return i;
}

static struct live_segment *
live_find(const struct live *l, struct segment_name name)
{
    size_t i = live_place(l, name);

    if (i == 0 || segment_name_compare(l->v[i - 1].name, name) != 0)
        return NULL;
    return &l->v[i - 1];
}

static enum co_err
live_insert(struct live *l, struct segment_name name, struct live_segment **ret)
{
    size_t i = live_place(l, name);

    if (l->len == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct live_segment *v = realloc(l->v, cap * sizeof *v);

        if (!v) return CO_NOMEM;
        l->v = v;
        l->cap = cap;
    }
    memmove(l->v + i + 1, l->v + i, (l->len - i) * sizeof *l->v);
    l->len++;
    l->v[i] = (struct live_segment){.name = name};
    *ret = &l->v[i];
    return CO_OK;
}

enum co_err
live_add(struct live *l, struct journal_pos pos, bool live)
{
    struct live_segment *s = live_find(l, pos.segment);
    enum co_err err = s ? CO_OK : live_insert(l, pos.segment, &s);

    if (err) return err;
    s->total += pos.length;
    if (live) s->live += pos.length;
    return CO_OK;
}

void
live_drop(struct live *l, struct segment_name segment, uint64_t bytes)
{
    struct live_segment *s = live_find(l, segment);

    co_assert(s && s->live >= bytes);
    s->live -= bytes;
}

void
live_checkpoint(struct live *l, struct segment_name segment)
{
    if (segment_name_compare(segment, l->checkpoint) > 0)
        l->checkpoint = segment;
}

void
live_gone(struct live *l, struct segment_name segment)
{
    struct live_segment *s = live_find(l, segment);

    if (!s) return;
    l->len--;
    memmove(s, s + 1, (size_t)(l->v + l->len - s) * sizeof *s);
}

size_t
live_garbage(const struct live *l, struct segment_name current,
             struct live_garbage *ret, size_t max)
{
    size_t count = 0;
    size_t i;

    for (i = 0; i < l->len && count < max; i++) {
        const struct live_segment *s = &l->v[i];

        if (segment_name_compare(s->name, current) >= 0 ||
            segment_name_compare(s->name, l->checkpoint) >= 0)
            break;
        if (s->live * 100 >= s->total * LIVE_COPY_PERCENT && s->live > 0)
            continue;
        ret[count++] =
            (struct live_garbage){s->name, s->live ? LIVE_COPY : LIVE_DELETE};
    }
    return count;
}

uint64_t
live_bytes(const struct live *l, struct segment_name segment)
{
    const struct live_segment *s = live_find(l, segment);

    return s ? s->live : 0;
}
