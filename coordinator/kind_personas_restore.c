/* kind_personas_restore.c - reads the records of kind_personas_store.c, and
 * opens a cut shard again when more rows are asked for. */
#include "coordinator/kind_personas_core.h"
#include "proto/walk.h"

#include <stdlib.h>
#include <string.h>

/* -- reading -------------------------------------------------------------- */

static void
get_entry(struct walk *w, const struct personas *p, struct personas_shard *s)
{
    uint64_t *const values[STORE_ENTRY_VALUES - 5] = {
        &s->rows,     &s->bytes,    &s->raw_bytes, &s->file_hash,
        &s->raw_hash, &s->rejected, &s->surplus,
    };

    if (walk_array(w) != STORE_ENTRY_VALUES) w->bad = true;
    for (unsigned i = 0; i < co_countof(values); i++) {
        *values[i] = walk_u64(w);
    }
    s->dead = walk_u32(w);
    s->drawn = walk_u32(w);
    s->duplicates = walk_u32(w);
    s->hashes = walk_u32(w);
    s->hashes_hash = walk_u64(w);
    if (s->drawn > p->options.shard_rows || s->hashes > s->drawn ||
        s->duplicates > s->rejected ||
        s->drawn != s->rows + s->rejected + s->surplus + s->dead) {
        w->bad = true;
    }
}

static bool
get_audit(struct walk *w, const struct personas *p, uint64_t *sums)
{
    uint32_t len = 0;
    const uint8_t *deltas = walk_bin(w, &len);

    if (w->bad) return false;
    return !len || count_deltas(p, deltas, len, sums);
}

/* Puts one piece of a record into its cell, halving on the way. */
static void
get_piece(struct walk *w, struct personas *p, struct shard *s, uint64_t *offset)
{
    struct range_info r = {0};
    uint64_t values[STORE_PIECE_VALUES - 2], cell;
    struct piece *piece = NULL;
    const uint8_t *deltas, *bits;
    uint32_t bits_len = 0;

    if (walk_array(w) != STORE_PIECE_VALUES) w->bad = true;
    for (unsigned i = 0; i < co_countof(values); i++) {
        values[i] = i == 0 || i == 6 ? walk_u64(w) : walk_u32(w);
    }
    deltas = walk_bin(w, &r.deltas_len);
    bits = walk_bin(w, &bits_len);
    cell = values[0] / PERSONAS_CELL;
    if (!w->bad && values[0] >> 56 == 0 && cell / p->cells == s->number) {
        piece = grid_piece(p, &s->cells[cell % p->cells],
                           values[0] << 8 | values[2]);
    }
    if (!piece || piece->state != PIECE_IDLE || piece->count != values[1] ||
        (values[3] != PIECE_PLACED && values[3] != PIECE_DEAD) ||
        values[4] > values[1] || values[5] > values[4] ||
        dedup_restore_piece(p, piece, bits, bits_len) ||
        values[5] + piece->duplicates > values[4]) {
        w->bad = true;
        return;
    }
    r.accepted = (uint32_t)values[4];
    r.rows = (uint32_t)values[5];
    r.raw_bytes = values[6];
    r.raw_crc = (uint32_t)values[7];
    r.frame_len = (uint32_t)values[8];
    r.offset = *offset;
    *offset += r.frame_len;
    if (r.deltas_len) r.deltas = malloc(r.deltas_len);
    if (r.deltas_len && !r.deltas) {
        w->bad = true;
        return;
    }
    if (r.deltas) memcpy(r.deltas, deltas, r.deltas_len);
    piece->r = r;
    piece->keep = r.rows;
    piece->state = (uint8_t)values[3];
    s->cells[cell % p->cells].drawn = true;
}

/* *ret_tail: NULL when the record has none. */
static enum co_err
get_tail(struct walk *w, struct personas *p, uint64_t number,
         struct shard **ret_tail)
{
    uint32_t n = walk_array(w);
    uint64_t offset = 0;
    struct shard *s = NULL;

    if (n && !w->bad) {
        s = grid_shard_new(p, number);
        if (!s) return CO_NOMEM;
        for (uint32_t i = 0; i < n && !w->bad; i++) {
            get_piece(w, p, s, &offset);
        }
        for (uint32_t i = 0; i < p->cells; i++) {
            if (s->cells[i].drawn && !grid_decided(&s->cells[i])) w->bad = true;
        }
    }
    if (!walk_done(w)) {
        grid_shard_free(p, s, false);
        return CO_DAMAGED;
    }
    *ret_tail = s;
    return CO_OK;
}

bool
restore_reopen(struct personas *p)
{
    struct shard *s = p->tail;

    if (!s || p->open[KIND_SHARDS_MAX - 1] || p->ordered != p->sealed_n) {
        return false;
    }
    p->tail = NULL;
    store_pop(p);
    memmove(p->open + 1, p->open, sizeof(p->open) - sizeof(struct shard *));
    p->open[0] = s;
    s->reopened = true;
    p->n.reopened++;
    /* the cells behind its last one are not drawn unless they are needed */
    if (!p->open[1]) p->high = s->number * p->cells;
    for (uint32_t i = 0; i < p->cells; i++) {
        if (s->cells[i].drawn && p->high <= s->number * p->cells + i) {
            p->high = s->number * p->cells + i + 1;
        }
    }
    p->ordered = p->sealed_n;
    count_again(p);
    return true;
}

/* More rows are asked for than the cut shard has: it is opened again. What a
 * replay has brought since stays where it is more complete. */
static enum co_err
maybe_reopen(struct personas *p)
{
    struct shard *s = p->tail;

    if (p->base.accepted > p->options.rows) return CO_STATE;
    if (!s || p->base.accepted == p->options.rows) {
        count_again(p);
        return CO_OK;
    }
    return restore_reopen(p) ? CO_OK : CO_FULL;
}

/* The last shard was cut, and has fewer rows than this run asks for: what its
 * cells gave is in the results that are replayed, and which of them still hold
 * is said when they are taken. */
static enum co_err
forget_seal(struct personas *p)
{
    struct shard *s = grid_open(p, p->sealed_n * p->cells);

    if (!s) return CO_NOMEM;
    p->n.reopened += !s->reopened;
    s->reopened = true;
    p->ordered = p->sealed_n;
    count_again(p);
    return CO_OK;
}

static void
measured(struct personas *p, const struct personas_shard *entry)
{
    p->decided += entry->drawn;
    p->good += entry->rows + entry->surplus;
}

static enum co_err
restore_entries(struct walk *w, struct personas *p)
{
    uint32_t n = walk_array(w);

    for (uint32_t i = 0; i < n && !w->bad; i++) {
        struct personas_shard entry = {0};
        enum co_err err;

        get_entry(w, p, &entry);
        if (w->bad) break;
        err = store_push(p, &entry);
        if (err) return err;
        measured(p, &entry);
    }
    return CO_OK;
}

static enum co_err
load_hashes(struct personas *p)
{
    enum co_err err = CO_OK;

    for (uint64_t i = 0; i < p->sealed_n && !err; i++) {
        err = dedup_load(p, i, &p->sealed[i],
                         i + 1 == p->sealed_n ? p->tail : NULL);
    }
    return err;
}

/* All is read: what becomes of the last shard. */
static enum co_err
restore_last(struct personas *p)
{
    const bool forget =
        p->remakes && p->tail && p->base.accepted < p->options.rows;
    enum co_err err;

    if (forget) {
        grid_shard_free(p, co_take(&p->tail), false);
        store_pop(p);
    }
    err = load_hashes(p);
    if (err) return err;
    if (forget) return forget_seal(p);
    p->ordered = p->sealed_n;
    return maybe_reopen(p);
}

enum co_err
personas_restore(struct personas *p, const uint8_t *in, size_t len)
{
    struct walk w = walk_start(in, len);
    bool same = true;
    uint32_t tables;
    enum co_err err;

    if (p->sealed_n || p->drawn) return CO_STATE;
    if (walk_array(&w) != 6 || w.bad) return CO_DAMAGED;
    if (walk_u32(&w) != STORE_VERSION) return w.bad ? CO_DAMAGED : CO_VERSION;
    same &= walk_u32(&w) == p->options.shard_rows;
    tables = walk_array(&w);
    same &= tables == p->options.tables;
    for (uint32_t t = 0; t < tables && !w.bad; t++) {
        uint32_t cells = walk_u32(&w);

        same &= t < PERSONAS_TABLES_MAX && cells == p->table_cells[t];
    }
    if (w.bad) return CO_DAMAGED;
    if (!same) return CO_MISMATCH;
    err = restore_entries(&w, p);
    if (err) return err;
    if (!get_audit(&w, p, p->audit)) return CO_DAMAGED;
    err = get_tail(&w, p, p->sealed_n ? p->sealed_n - 1 : 0, &p->tail);
    if (err) return err;
    if (p->tail && !p->sealed_n) return CO_DAMAGED;
    return restore_last(p);
}

/* Judged by this life too, or need not be. A cell that was not is in the set
 * by now, since the record's hashes are, and would be its own duplicate. */
static bool
cell_judged(const struct personas *p, struct cell *c)
{
    for (uint32_t i = 0; p->said && i < c->n; i++) {
        const struct piece *piece = &cell_pieces(c)[i];

        if (piece->state == PIECE_PLACED && !piece->judged) return false;
    }
    return true;
}

/* The record's file has them. */
static void
cell_forget_hashes(struct cell *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        struct texts *t = cell_pieces(c)[i].texts;

        if (t) t->n = 0;
    }
}

/* A replayed shard as memory has it, where all of it is still known, else as
 * the record has it. */
static void
merge_tail(struct personas *p, struct shard *record, struct shard *memory)
{
    for (uint32_t i = 0; memory && i < p->cells; i++) {
        struct cell *mine = &memory->cells[i], *theirs = &record->cells[i];
        struct cell swap = *mine;

        if (!mine->drawn) continue;
        if (theirs->drawn) {
            if (!grid_decided(mine) || !cell_judged(p, mine)) continue;
            cell_forget_hashes(mine);
        }
        *mine = *theirs;
        *theirs = swap;
    }
    grid_shard_free(p, memory, true);
}

/* The cut shard is sealed anew, with more. */
static void
unseal(struct personas *p)
{
    grid_shard_free(p, co_take(&p->tail), false);
    store_pop(p);
    memmove(p->open + 1, p->open, sizeof(p->open) - sizeof(struct shard *));
    p->open[0] = NULL;
}

/* See personas_remakes(). */
static bool
is_forgotten(const struct personas *p, const struct shard *tail,
             const struct personas_shard *entry)
{
    return tail && p->remakes &&
           p->base.accepted + entry->rows < p->options.rows;
}

/* Made again from the same results, since it was held open for nothing: its
 * file may be another one, as long as the rows are the same. */
static void
sealed_again(struct personas *p, uint64_t shard,
             const struct personas_shard *entry)
{
    struct personas_shard *s = &p->sealed[shard];

    if (!p->remakes || s->rows != entry->rows || s->drawn != entry->drawn) {
        return;
    }
    *s = *entry;
}

/* A shard is among the sealed ones: what the record says takes the place of
 * what memory has of it. */
static void
keep_sealed(struct personas *p, const struct personas_shard *entry,
            const uint64_t *sums, struct shard *tail)
{
    struct shard *memory;

    for (uint32_t i = 0; i < p->table_at[p->options.tables]; i++) {
        p->audit[i] += sums[i];
    }
    measured(p, entry);
    memory = store_shift(p);
    if (tail && p->base.accepted < p->options.rows) {
        merge_tail(p, tail, memory);
    } else {
        grid_shard_free(p, memory, true);
    }
    p->tail = tail;
    if (p->ordered < p->sealed_n) p->ordered = p->sealed_n;
}

enum co_err
personas_replay_sealed(struct personas *p, const uint8_t *in, size_t len)
{
    struct walk w = walk_start(in, len);
    struct personas_shard entry = {0};
    struct shard *tail = NULL;
    uint64_t shard;
    uint64_t *sums;
    enum co_err err;

    if (walk_array(&w) != 5 || w.bad) return CO_DAMAGED;
    if (walk_u32(&w) != STORE_VERSION) return w.bad ? CO_DAMAGED : CO_VERSION;
    shard = walk_u64(&w);
    get_entry(&w, p, &entry);
    if (w.bad) return CO_DAMAGED;
    if (shard >= p->open_from) {
        p->unsealed = co_max_u64(p->unsealed, shard + 1);
        return CO_OK;
    }
    if (p->tail && shard + 1 == p->sealed_n) unseal(p);
    if (shard < p->sealed_n) { /* a checkpoint has it already, or: */
        sealed_again(p, shard, &entry);
        return CO_OK;
    }
    if (shard > p->sealed_n) return CO_DAMAGED;
    sums = calloc(p->table_at[p->options.tables] + 1u, sizeof(*sums));
    if (!sums) return CO_NOMEM;
    err = get_audit(&w, p, sums) ? get_tail(&w, p, shard, &tail) : CO_DAMAGED;
    if (!err && is_forgotten(p, tail, &entry)) {
        grid_shard_free(p, tail, false);
        free(sums);
        return forget_seal(p);
    }
    if (!err) err = dedup_load(p, shard, &entry, tail);
    if (!err) err = store_push(p, &entry);
    if (err) {
        grid_shard_free(p, tail, false);
        free(sums);
        return err;
    }
    keep_sealed(p, &entry, sums, tail);
    free(sums);
    return maybe_reopen(p);
}
