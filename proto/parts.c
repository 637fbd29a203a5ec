/* parts.c - see parts.h. */
#include "proto/parts.h"

#include <stdlib.h>
#include <string.h>

/* The header of a PART itself needs room inside part_max. */
enum { PART_HEAD = 128 };

struct making {
    uint64_t peer;
    uint64_t number;
    uint32_t next, count; /* pieces: the next one due, and all */
    uint32_t head_bytes, total_bytes, filled;
    uint8_t *data; /* inside whole */
    struct co_bytes whole;
    bool used;
};

struct parts {
    size_t max;
    struct making v[];
};

void
parts_push(struct outbox *out, uint8_t side, uint64_t peer, uint64_t number,
           size_t part_max, struct co_bytes head, struct co_bytes body)
{
    size_t most =
        co_clamp_u64(part_max, PART_MAX_LEAST, PART_BYTES_MAX) - PART_HEAD;
    size_t total = head.len + body.len;
    uint32_t count = (uint32_t)((total + most - 1) / most);
    struct co_bytes whole;
    uint8_t *data;

    co_assert(total <= HEAD_BYTES_MAX + BODY_BYTES_MAX);
    if (co_bytes_new(total, &data, &whole)) {
        out->err = CO_NOMEM;
    } else {
        memcpy(data, head.data, head.len);
        if (body.len) memcpy(data + head.len, body.data, body.len);
        for (uint32_t i = 0; i < count; i++) {
            size_t from = (size_t)i * most;
            size_t len = co_min_u64(most, total - from);
            struct msg m = {.type = MSG_part,
                            .part = {.number = number,
                                     .index = i,
                                     .count = count,
                                     .head_bytes = (uint32_t)head.len,
                                     .total_bytes = (uint32_t)total}};

            outbox_push(out, side, peer, &m, co_bytes_slice(whole, from, len));
        }
        co_bytes_unref(&whole);
    }
    co_bytes_unref(&head);
    co_bytes_unref(&body);
}

static bool
parts_any_needed(const struct outbox *out,
                 uint32_t (*part_max)(const void *ctx, uint64_t peer),
                 const void *ctx)
{
    for (size_t i = 0; i < out->n; i++) {
        const struct outmsg *m = &out->v[i];

        if (parts_needed(part_max(ctx, m->peer), m->head.len + m->body.len)) {
            return true;
        }
    }
    return false;
}

void
parts_cut(struct outbox *out, uint64_t *number,
          uint32_t (*part_max)(const void *ctx, uint64_t peer), const void *ctx)
{
    struct outbox cut;

    if (!parts_any_needed(out, part_max, ctx)) return;
    outbox_init(&cut);
    for (size_t i = 0; i < out->n; i++) {
        struct outmsg *m = &out->v[i];
        uint32_t max = part_max(ctx, m->peer);

        if (parts_needed(max, m->head.len + m->body.len)) {
            parts_push(&cut, m->side, m->peer, ++*number, max, m->head,
                       m->body);
        } else {
            outbox_forward(&cut, m->side, m->peer, m->head, m->body);
        }
    }
    out->n = 0; /* cut has the references */
    if (!cut.err) cut.err = out->err;
    outbox_fini(out);
    *out = cut;
}

enum co_err
parts_new(size_t peers_max, struct parts **ret_parts)
{
    struct parts *p = calloc(1, sizeof *p + peers_max * sizeof p->v[0]);

    if (!p) return CO_NOMEM;
    p->max = peers_max;
    *ret_parts = p;
    return CO_OK;
}

static void
making_end(struct making *m)
{
    co_bytes_unref(&m->whole);
    *m = (struct making){0};
}

void
parts_free(struct parts *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->max; i++) {
        making_end(&p->v[i]);
    }
    free(p);
}

static struct making *
parts_find(struct parts *p, uint64_t peer, bool used)
{
    for (size_t i = 0; i < p->max; i++) {
        struct making *m = &p->v[i];

        if (m->used == used && (!used || m->peer == peer)) return m;
    }
    return NULL;
}

void
parts_drop(struct parts *p, uint64_t peer)
{
    struct making *m = parts_find(p, peer, true);

    if (m) making_end(m);
}

/* Takes the first piece's word for the size, within the limits. */
static enum co_err
making_begin(struct parts *p, uint64_t peer, const struct msg_part *part,
             struct making **ret_making)
{
    struct making *m;
    enum co_err err;

    if (part->index != 0 || part->count < 2) return CO_PROTOCOL;
    if (part->total_bytes > HEAD_BYTES_MAX + BODY_BYTES_MAX) return CO_PROTOCOL;
    if (part->head_bytes == 0 || part->head_bytes > HEAD_BYTES_MAX ||
        part->head_bytes > part->total_bytes ||
        part->total_bytes - part->head_bytes > BODY_BYTES_MAX) {
        return CO_PROTOCOL;
    }
    m = parts_find(p, 0, false);
    if (!m) return CO_FULL;
    err = co_bytes_new(part->total_bytes, &m->data, &m->whole);
    if (err) return err;
    m->used = true;
    m->peer = peer;
    m->number = part->number;
    m->count = part->count;
    m->head_bytes = part->head_bytes;
    m->total_bytes = part->total_bytes;
    *ret_making = m;
    return CO_OK;
}

static bool
making_fits(const struct making *m, const struct msg_part *part, size_t len)
{
    return part->number == m->number && part->index == m->next &&
           part->count == m->count && part->head_bytes == m->head_bytes &&
           part->total_bytes == m->total_bytes && len > 0 &&
           len <= m->total_bytes - m->filled;
}

enum co_err
parts_add(struct parts *p, uint64_t peer, const struct msg_part *part,
          struct co_bytes body, struct co_bytes *ret_head,
          struct co_bytes *ret_body)
{
    struct making *m = parts_find(p, peer, true);

    if (!m) {
        enum co_err err = making_begin(p, peer, part, &m);

        if (err) return err;
    }
    if (!making_fits(m, part, body.len)) {
        making_end(m);
        return CO_PROTOCOL;
    }
    memcpy(m->data + m->filled, body.data, body.len);
    m->filled += (uint32_t)body.len;
    m->next++;
    if (m->next < m->count) return CO_AGAIN;
    if (m->filled != m->total_bytes) {
        making_end(m);
        return CO_PROTOCOL;
    }
    *ret_head = co_bytes_slice(m->whole, 0, m->head_bytes);
    *ret_body =
        co_bytes_slice(m->whole, m->head_bytes, m->total_bytes - m->head_bytes);
    making_end(m);
    return CO_OK;
}
