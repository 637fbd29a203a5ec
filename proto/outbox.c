/* outbox.c - see outbox.h. */
#include "proto/outbox.h"

#include <stdlib.h>

enum { OUTBOX_FIRST = 64 };

void
outbox_init(struct outbox *out)
{
    *out = (struct outbox){0};
    co_buf_init(&out->scratch, HEAD_BYTES_MAX);
}

void
outbox_clear(struct outbox *out)
{
    for (size_t i = 0; i < out->n; i++) {
        co_bytes_unref(&out->v[i].head);
        co_bytes_unref(&out->v[i].body);
    }
    out->n = 0;
}

void
outbox_fini(struct outbox *out)
{
    outbox_clear(out);
    co_buf_fini(&out->scratch);
    free(out->v);
    out->v = NULL;
    out->cap = 0;
}

static bool
outbox_room(struct outbox *out)
{
    size_t cap = out->cap ? out->cap * 2 : OUTBOX_FIRST;
    struct outmsg *v;

    if (out->n < out->cap) return true;
    v = realloc(out->v, cap * sizeof *v);
    if (!v) return false;
    out->v = v;
    out->cap = cap;
    return true;
}

void
outbox_forward(struct outbox *out, uint8_t side, uint64_t peer,
               struct co_bytes head, struct co_bytes body)
{
    if (!outbox_room(out)) {
        out->err = CO_NOMEM;
        co_bytes_unref(&head);
        co_bytes_unref(&body);
        return;
    }
    out->v[out->n++] = (struct outmsg){side, peer, head, body};
}

void
outbox_push(struct outbox *out, uint8_t side, uint64_t peer,
            const struct msg *m, struct co_bytes body)
{
    struct co_bytes head;

    co_buf_clear(&out->scratch);
    msg_encode(m, &out->scratch);
    /* Larger than a header may be: batches are bounded, so this is ours. */
    co_assert(out->scratch.err != CO_FULL);
    if (out->scratch.err ||
        co_bytes_copy(out->scratch.data, out->scratch.len, &head)) {
        out->err = CO_NOMEM;
        co_bytes_unref(&body);
        return;
    }
    outbox_forward(out, side, peer, head, body);
}
