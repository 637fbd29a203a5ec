/* purse_note.c - see purse_note.h. */
#include "job/purse_note.h"

static void
put(struct co_buf *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        co_buf_putc(out, (char)(uint8_t)(value >> (8 * i)));
    }
}

static uint64_t
get(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = bytes; i > 0; i--) {
        value = value << 8 | at[i - 1];
    }
    return value;
}

void
purse_note_put(const struct purse_note *note, struct co_buf *out)
{
    put(out, PURSE_NOTE_TAG, 1);
    put(out, PURSE_NOTE_VERSION, 1);
    put(out, note->day, 4);
    put(out, (uint64_t)note->have, 8);
    put(out, note->ledger, 8);
    put(out, note->seq, 8);
}

bool
purse_note_is(const uint8_t *data, size_t len)
{
    return len > 0 && data[0] == PURSE_NOTE_TAG;
}

enum co_err
purse_note_get(const uint8_t *data, size_t len, struct purse_note *ret)
{
    uint64_t have;

    if (len != PURSE_NOTE_BYTES || data[0] != PURSE_NOTE_TAG ||
        data[1] != PURSE_NOTE_VERSION) {
        return CO_DAMAGED;
    }
    have = get(data + 6, 8);
    if (have > INT64_MAX) return CO_DAMAGED;
    *ret = (struct purse_note){.day = (uint32_t)get(data + 2, 4),
                               .have = (int64_t)have,
                               .ledger = get(data + 14, 8),
                               .seq = get(data + 22, 8)};
    return CO_OK;
}
