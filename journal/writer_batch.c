/* writer_batch.c - records that wait for one commit, and the bytes they share.
 */
#include "journal/writer_impl.h"

#include <stdlib.h>

bool
writer_grow(void **array, size_t *cap, size_t need, size_t item)
{
    size_t next = *cap ? *cap : 64;
    void *p;

    if (need <= *cap) return true;
    while (next < need) {
        next *= 2;
    }
    p = realloc(*array, next * item);
    if (!p) return false;
    *array = p;
    *cap = next;
    return true;
}

bool
writer_batch_reserve(struct writer_batch *b, size_t parts)
{
    void *entries = b->entries;
    void *all = b->parts;
    bool ok = writer_grow(&entries, &b->cap, b->count + 1, sizeof *b->entries);

    b->entries = entries;
    ok = ok && writer_grow(&all, &b->part_cap, b->part_count + parts,
                           sizeof *b->parts);
    b->parts = all;
    return ok;
}

void
writer_batch_link(struct writer_batch *b)
{
    struct co_bytes *parts = b->parts;
    size_t i;

    for (i = 0; i < b->count; i++) {
        b->entries[i].parts = parts;
        parts += b->entries[i].part_count;
    }
}

void
writer_batch_clear(struct writer_batch *b)
{
    size_t i;

    for (i = 0; i < b->part_count; i++) {
        co_bytes_unref(&b->parts[i]);
    }
    b->count = b->part_count = 0;
    b->bytes = 0;
}

void
writer_batch_fini(struct writer_batch *b)
{
    writer_batch_clear(b);
    free(b->entries);
    free(b->parts);
    *b = (struct writer_batch){0};
}
