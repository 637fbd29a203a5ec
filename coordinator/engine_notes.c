/* engine_notes.c - records of the kind's own, in one order with the results.
 * They go through the ring of pending messages, which the journal empties in
 * order: so what the kind wrote before a result stands in front of it, and is
 * told first when both are committed. They are fetched from the kind whenever
 * something is about to enter the ring, and once a turn. */
#include "coordinator/engine_core.h"

bool
engine_notes_crowded(const struct engine *e)
{
    return e->notes >= NOTES_MAX / 2 || e->notes_bytes >= NOTES_BYTES_MAX / 2 ||
           e->note.len;
}

static bool
is_full(const struct engine *e)
{
    return e->notes >= NOTES_MAX || e->notes_bytes >= NOTES_BYTES_MAX ||
           engine_ring_is_full(e);
}

/* The next note stands in e->note; one may stand there since memory was
 * short. */
static bool
fetch(struct engine *e)
{
    if (e->note.len) return true;
    if (!e->kind->note(e->state, &e->note)) return false;
    co_assert(!e->note.err && e->note.len);
    return true;
}

void
engine_notes_take(struct engine *e)
{
    struct co_bytes content;
    struct pending *p;

    while (e->kind->note && !is_full(e) && fetch(e)) {
        if (co_bytes_copy(e->note.data, e->note.len, &content)) return;
        p = engine_pending_add(e, 0, 0, 0);
        p->order = p->note = true;
        p->body = content;
        p->note_bytes = (uint32_t)e->note.len;
        e->notes++;
        e->notes_bytes += e->note.len;
        co_buf_clear(&e->note);
    }
}

void
engine_notes_committed(struct engine *e, struct pending *p, int64_t now_us)
{
    e->notes--;
    e->notes_bytes -= p->note_bytes;
    p->note = false;
    p->note_bytes = 0;
    e->kind->noted(e->state, now_us);
}
