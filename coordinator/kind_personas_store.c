/* kind_personas_store.c - what the journal keeps of sealed shards.
 *
 * msgpack; a version comes first, and a reader refuses any other. Rule for
 * change: append elements and raise STORE_VERSION; readers keep reading what a
 * release wrote.
 *   CHECKPOINT [version, shard_rows, [table cells...], [entry...], audit, tail]
 *   SEALED     [version, shard, entry, audit, tail]
 *   entry      [rows, bytes, raw_bytes, file_hash, raw_hash, rejected,
 *               surplus, dead, drawn, duplicates, hashes, hashes_hash]
 *   audit      bin: table, cell, n as LEB128; of all shards, or of this one
 *   tail       [] or, when the last shard was cut, its pieces in row order:
 *              [start, count, depth, state, accepted, keep, raw_bytes,
 *               raw_crc, frame_len, deltas, bits of the duplicates or empty]
 * The audit leaves the tail's pieces out: a later run may cut them anew. */
#include "coordinator/kind_personas_core.h"

#include <stdlib.h>
#include <string.h>

/* -- writing -------------------------------------------------------------- */

static void
put_bytes(struct co_buf *out, uint8_t tag, uint64_t value, unsigned bytes)
{
    uint8_t text[9] = {tag};

    for (unsigned i = 0; i < bytes; i++) {
        text[1 + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    }
    co_buf_append(out, text, 1 + bytes);
}

static void
put_uint(struct co_buf *out, uint64_t value)
{
    if (value < 0x80) {
        put_bytes(out, (uint8_t)value, 0, 0);
    } else if (value <= UINT32_MAX) {
        put_bytes(out, 0xce, value, 4);
    } else {
        put_bytes(out, 0xcf, value, 8);
    }
}

static void
put_array(struct co_buf *out, uint32_t n)
{
    put_bytes(out, 0xdd, n, 4);
}

static void
put_bin(struct co_buf *out, const void *data, uint32_t len)
{
    put_bytes(out, 0xc6, len, 4);
    if (len) co_buf_append(out, data, len);
}

static void
put_entry(struct co_buf *out, const struct personas_shard *s)
{
    const uint64_t values[STORE_ENTRY_VALUES] = {
        s->rows,     s->bytes,      s->raw_bytes, s->file_hash,
        s->raw_hash, s->rejected,   s->surplus,   s->dead,
        s->drawn,    s->duplicates, s->hashes,    s->hashes_hash,
    };

    put_array(out, STORE_ENTRY_VALUES);
    for (unsigned i = 0; i < STORE_ENTRY_VALUES; i++) {
        put_uint(out, values[i]);
    }
}

/* The counts that are not 0. */
static enum co_err
put_audit(struct co_buf *out, const struct personas *p, const uint64_t *sums)
{
    struct co_buf text;
    enum co_err err;

    co_buf_init(&text, 1 << 26);
    for (uint32_t t = 0; t < p->options.tables; t++) {
        for (uint32_t c = 0; c < p->table_cells[t]; c++) {
            uint64_t n = sums[p->table_at[t] + c];

            if (!n) continue;
            personas_leb(&text, t);
            personas_leb(&text, c);
            personas_leb(&text, n);
        }
    }
    err = text.err;
    if (!err) put_bin(out, text.data, (uint32_t)text.len);
    co_buf_fini(&text);
    return err;
}

static void
put_piece(struct co_buf *out, const struct piece *k)
{
    put_array(out, STORE_PIECE_VALUES);
    put_uint(out, k->start);
    put_uint(out, k->count);
    put_uint(out, k->depth);
    put_uint(out, k->state);
    put_uint(out, k->r.accepted);
    put_uint(out, k->keep);
    put_uint(out, k->r.raw_bytes);
    put_uint(out, k->r.raw_crc);
    put_uint(out, k->keep ? k->r.frame_len : 0);
    put_bin(out, k->r.deltas, k->keep ? k->r.deltas_len : 0);
    put_bin(out, k->texts ? k->texts->bits : NULL,
            k->duplicates ? (k->count + 7u) / 8 : 0);
}

/* Whether a cell belongs to the kept tail: drawn, and not all surplus. */
static bool
tail_cell(const struct personas *p, const struct shard *s, uint32_t i)
{
    return s->cells[i].drawn && s->number * p->cells + i <= p->cut;
}

static void
put_tail(struct co_buf *out, const struct personas *p, struct shard *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; s && i < p->cells; i++) {
        if (tail_cell(p, s, i)) n += s->cells[i].n;
    }
    put_array(out, n);
    for (uint32_t i = 0; s && i < p->cells; i++) {
        for (uint32_t k = 0; tail_cell(p, s, i) && k < s->cells[i].n; k++) {
            put_piece(out, &cell_pieces(&s->cells[i])[k]);
        }
    }
}

static bool
shard_deltas(const struct personas *p, struct shard *s, uint64_t *sums)
{
    for (uint32_t i = 0; i < p->cells; i++) {
        for (uint32_t k = 0; s->cells[i].drawn && k < s->cells[i].n; k++) {
            const struct piece *piece = &cell_pieces(&s->cells[i])[k];

            if (piece->state != PIECE_PLACED || !piece->keep) continue;
            if (!count_deltas(p, piece->r.deltas, piece->r.deltas_len, sums)) {
                return false;
            }
        }
    }
    return true;
}

static struct personas_shard
make_entry(const struct personas *p, struct shard *s, uint64_t file_hash,
           uint64_t raw_hash)
{
    struct sums sum = count_shard(p, s);
    struct personas_shard entry = {
        .rows = sum.accepted,
        .file_hash = file_hash,
        .raw_hash = raw_hash,
        .rejected = sum.rejected,
        .surplus = sum.surplus,
        .dead = (uint32_t)sum.dead,
        .drawn = (uint32_t)sum.drawn,
        .duplicates = (uint32_t)sum.duplicates,
        .hashes = s->n_said,
        .hashes_hash = s->said_hash,
    };

    for (uint32_t i = 0; i < p->cells; i++) {
        for (uint32_t k = 0; s->cells[i].drawn && k < s->cells[i].n; k++) {
            const struct piece *piece = &cell_pieces(&s->cells[i])[k];

            if (piece->state != PIECE_PLACED || !piece->keep) continue;
            entry.bytes += piece->r.frame_len;
            entry.raw_bytes += piece->r.raw_bytes;
        }
    }
    return entry;
}

enum co_err
personas_sealed_record(const struct personas *p, uint64_t shard,
                       uint64_t file_hash, uint64_t raw_hash,
                       struct co_buf *out)
{
    struct personas_shard entry;
    struct shard *s;
    uint64_t *sums;
    bool tail;
    enum co_err err = CO_OK;

    if (shard < p->sealed_n || shard >= p->ordered) return CO_STATE;
    s = p->open[shard - p->sealed_n];
    tail = count_is_tail(p, s);
    entry = make_entry(p, s, file_hash, raw_hash);
    sums = calloc(p->table_at[p->options.tables] + 1u, sizeof(*sums));
    if (!sums) return CO_NOMEM;
    if (!tail && !shard_deltas(p, s, sums)) err = CO_DAMAGED;
    put_array(out, 5);
    put_uint(out, STORE_VERSION);
    put_uint(out, shard);
    put_entry(out, &entry);
    if (!err) err = put_audit(out, p, sums);
    put_tail(out, p, tail ? s : NULL);
    free(sums);
    return err ? err : out->err;
}

enum co_err
personas_snapshot(const struct personas *p, struct co_buf *out)
{
    enum co_err err;

    put_array(out, 6);
    put_uint(out, STORE_VERSION);
    put_uint(out, p->options.shard_rows);
    put_array(out, p->options.tables);
    for (uint32_t t = 0; t < p->options.tables; t++) {
        put_uint(out, p->table_cells[t]);
    }
    put_array(out, (uint32_t)p->sealed_n);
    for (uint64_t i = 0; i < p->sealed_n; i++) {
        put_entry(out, &p->sealed[i]);
    }
    err = put_audit(out, p, p->audit);
    if (err) return err;
    /* a kept tail has only cells up to its cut, so none is left out here */
    if (p->tail) {
        struct personas whole = *p;

        whole.cut = UINT64_MAX;
        put_tail(out, &whole, p->tail);
    } else {
        put_array(out, 0);
    }
    return out->err;
}

/* -- sealing -------------------------------------------------------------- */

enum co_err
store_reserve(struct personas *p, uint64_t entries)
{
    uint64_t cap = p->sealed_cap ? p->sealed_cap : 64;
    void *grown;

    if (entries <= p->sealed_cap) return CO_OK;
    while (cap < entries) {
        cap *= 2;
    }
    grown = realloc(p->sealed, cap * sizeof(*p->sealed));
    if (!grown) return CO_NOMEM;
    p->sealed = grown;
    p->sealed_cap = cap;
    return CO_OK;
}

enum co_err
store_push(struct personas *p, const struct personas_shard *entry)
{
    enum co_err err = store_reserve(p, p->sealed_n + 1);

    if (err) return err;
    p->sealed[p->sealed_n++] = *entry;
    p->base.drawn += entry->drawn;
    p->base.accepted += entry->rows;
    p->base.rejected += entry->rejected;
    p->base.surplus += entry->surplus;
    p->base.dead += entry->dead;
    p->base.duplicates += entry->duplicates;
    return CO_OK;
}

void
store_pop(struct personas *p)
{
    const struct personas_shard *entry = &p->sealed[--p->sealed_n];

    p->base.drawn -= entry->drawn;
    p->base.accepted -= entry->rows;
    p->base.rejected -= entry->rejected;
    p->base.surplus -= entry->surplus;
    p->base.dead -= entry->dead;
    p->base.duplicates -= entry->duplicates;
}

/* After a push: open[0] is the next shard again. Returns the old first. */
struct shard *
store_shift(struct personas *p)
{
    struct shard *first = p->open[0];

    memmove(p->open, p->open + 1, sizeof(p->open) - sizeof(struct shard *));
    p->open[KIND_SHARDS_MAX - 1] = NULL;
    return first;
}

/* Makes a cut shard what is kept of it: surplus cells go, frames lie one
 * after the other in the file. */
static void
tail_make(struct personas *p, struct shard *s, uint64_t cut)
{
    uint64_t offset = 0;

    for (uint32_t i = 0; i < p->cells; i++) {
        uint64_t at = s->number * p->cells + i;
        struct cell *c = &s->cells[i];

        if (!c->drawn || at > cut) {
            grid_cell_clear(p, c, at);
            c->drawn = false;
            continue;
        }
        for (uint32_t k = 0; k < c->n; k++) {
            struct piece *piece = &cell_pieces(c)[k];

            grid_free_bytes(p, &piece->r);
            piece->r.segment = 0;
            piece->r.payload_len = 0;
            piece->r.rows = piece->keep;
            piece->r.offset = offset;
            if (piece->keep) offset += piece->r.frame_len;
        }
    }
    p->tail = s;
}

void
personas_on_sealed(struct personas *p, uint64_t shard, uint64_t file_hash,
                   uint64_t raw_hash)
{
    struct shard *s = p->open[0];
    struct personas_shard entry;
    uint64_t cut = p->cut;
    enum co_err err;
    bool tail;

    co_assert(shard == p->sealed_n && shard < p->ordered && s);
    entry = make_entry(p, s, file_hash, raw_hash);
    tail = count_is_tail(p, s);
    err = store_push(p, &entry);
    co_assert(err == CO_OK); /* room was reserved when it was named */
    (void)store_shift(p);
    if (tail) {
        tail_make(p, s, cut);
    } else {
        (void)shard_deltas(p, s, p->audit);
        grid_shard_free(p, s, true);
    }
    /* what the front has counted stays counted; only its base has moved */
    if (p->cursor < p->sealed_n * p->cells) p->cursor = p->sealed_n * p->cells;
    if (tail && p->high < p->sealed_n * p->cells) {
        p->high = p->sealed_n * p->cells;
    }
    if (p->front < p->sealed_n * p->cells) p->front = p->sealed_n * p->cells;
}

bool
personas_next_freed(struct personas *p, uint64_t *ret_segment,
                    uint64_t *ret_bytes)
{
    if (!p->freed_n) return false;
    p->freed_n--;
    *ret_segment = p->freed[p->freed_n].segment;
    *ret_bytes = p->freed[p->freed_n].bytes;
    return true;
}

/* -- report --------------------------------------------------------------- */

uint64_t
personas_shards(const struct personas *p)
{
    return p->sealed_n;
}

const struct personas_shard *
personas_shard(const struct personas *p, uint64_t shard)
{
    return shard < p->sealed_n ? &p->sealed[shard] : NULL;
}

const uint64_t *
personas_audit(const struct personas *p, uint32_t table)
{
    if (table >= p->options.tables) return NULL;
    memcpy(p->report, p->audit,
           p->table_at[p->options.tables] * sizeof(*p->report));
    if (p->tail) (void)shard_deltas(p, p->tail, p->report);
    return p->report + p->table_at[table];
}
