/* adoption.c - see adoption.h. */
#include "journal/adoption.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

int
segment_name_compare(struct segment_name a, struct segment_name b)
{
    if (a.owner != b.owner) return a.owner < b.owner ? -1 : 1;
    if (a.sequence != b.sequence) return a.sequence < b.sequence ? -1 : 1;
    return 0;
}

void
adoption_fini(struct adoption *list)
{
    free(list->v);
    *list = (struct adoption){0};
}

/* Index of the first entry not before name. */
static size_t
adoption_place(const struct adoption *list, struct segment_name name)
{
    size_t low = 0;
    size_t high = list->len;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (segment_name_compare(list->v[mid].name, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

struct adopted *
adoption_find(const struct adoption *list, struct segment_name name)
{
    size_t i = adoption_place(list, name);

    if (i == list->len || segment_name_compare(list->v[i].name, name) != 0) {
        return NULL;
    }
    return &list->v[i];
}

static enum co_err
adoption_grow(struct adoption *list)
{
    size_t cap = list->cap ? list->cap * 2 : 16;
    struct adopted *v;

    if (list->len >= ADOPTION_MAX) return CO_FULL;
    if (list->len < list->cap) return CO_OK;
    v = realloc(list->v, cap * sizeof *v);
    if (!v) return CO_NOMEM;
    list->v = v;
    list->cap = cap;
    return CO_OK;
}

enum co_err
adoption_set(struct adoption *list, struct adopted entry)
{
    size_t i = adoption_place(list, entry.name);
    enum co_err err;

    if (i < list->len &&
        segment_name_compare(list->v[i].name, entry.name) == 0) {
        list->v[i] = entry;
        return CO_OK;
    }
    err = adoption_grow(list);
    if (err) return err;
    memmove(list->v + i + 1, list->v + i, (list->len - i) * sizeof *list->v);
    list->v[i] = entry;
    list->len++;
    return CO_OK;
}

bool
adoption_remove(struct adoption *list, struct segment_name name)
{
    struct adopted *entry = adoption_find(list, name);

    if (!entry) return false;
    list->len--;
    memmove(entry, entry + 1,
            (size_t)(list->v + list->len - entry) * sizeof *entry);
    return true;
}

enum co_err
adoption_copy(const struct adoption *from, struct adoption *ret)
{
    struct adoption copy = {.len = from->len, .cap = from->len};

    if (!from->len) {
        *ret = copy;
        return CO_OK;
    }
    copy.v = malloc(from->len * sizeof *copy.v);
    if (!copy.v) return CO_NOMEM;
    memcpy(copy.v, from->v, from->len * sizeof *copy.v);
    *ret = copy;
    return CO_OK;
}

static void
append_u32(struct co_buf *out, uint32_t v)
{
    v = htole32(v);
    co_buf_append(out, &v, sizeof v);
}

static void
append_u64(struct co_buf *out, uint64_t v)
{
    v = htole64(v);
    co_buf_append(out, &v, sizeof v);
}

void
adoption_encode(const struct adoption *list, struct co_buf *out)
{
    size_t i;

    append_u32(out, (uint32_t)list->len);
    append_u32(out, 0);
    for (i = 0; i < list->len; i++) {
        append_u32(out, list->v[i].name.owner);
        append_u32(out, list->v[i].name.sequence);
        append_u64(out, list->v[i].bytes);
        append_u64(out, list->v[i].id);
    }
}

static struct adopted
decode_entry(const uint8_t *in)
{
    uint32_t owner, sequence;
    uint64_t bytes, id;

    memcpy(&owner, in, sizeof owner);
    memcpy(&sequence, in + 4, sizeof sequence);
    memcpy(&bytes, in + 8, sizeof bytes);
    memcpy(&id, in + 16, sizeof id);
    return (struct adopted){
        {le32toh(owner), le32toh(sequence)}, le64toh(bytes), le64toh(id)};
}

enum co_err
adoption_decode(const uint8_t *in, size_t len, struct adoption *ret)
{
    struct adoption list = {0};
    uint32_t count;
    size_t i;

    if (len < 8) return CO_DAMAGED;
    memcpy(&count, in, sizeof count);
    count = le32toh(count);
    if (count > ADOPTION_MAX ||
        len != 8 + (size_t)count * ADOPTION_ENTRY_BYTES) {
        return CO_DAMAGED;
    }
    for (i = 0; i < count; i++) {
        struct adopted e = decode_entry(in + 8 + i * ADOPTION_ENTRY_BYTES);
        enum co_err err = CO_DAMAGED;

        if (i == 0 ||
            segment_name_compare(list.v[list.len - 1].name, e.name) < 0) {
            err = adoption_set(&list, e);
        }
        if (err) {
            adoption_fini(&list);
            return err;
        }
    }
    *ret = list;
    return CO_OK;
}
