/* kind_personas.c - gives out range tasks and answers questions.
 * Order: packs (they hold a shard), then idle pieces from the oldest on, then
 * new cells, as many as the measured acceptance says are needed. A cell near
 * the end is asked for only the rows that can still count, so that with full
 * acceptance no pack is ever needed. */
#include "coordinator/kind_personas_asked.h"
#include "coordinator/kind_personas_core.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX UINT64_C(100000000000)

/* -- life ----------------------------------------------------------------- */

static enum co_err
options_check(struct personas_options *o)
{
    if (!o->shard_rows) o->shard_rows = 10000;
    if (!o->rows || o->rows > ROWS_MAX || !o->service ||
        o->shard_rows % PERSONAS_CELL ||
        o->shard_rows > PERSONAS_SHARD_ROWS_MAX ||
        o->tables > PERSONAS_TABLES_MAX || o->hash_bits > 63) {
        return CO_INVALID;
    }
    if (!o->candidates) o->candidates = 2 * o->rows + 1000;
    return o->candidates < o->rows ? CO_INVALID : CO_OK;
}

static enum co_err
tables_init(struct personas *p)
{
    const struct personas_options *o = &p->options;
    uint64_t total = 0;

    for (uint32_t t = 0; t < o->tables; t++) {
        p->table_at[t] = (uint32_t)total;
        p->table_cells[t] = o->table_cells[t];
        total += o->table_cells[t];
        if (total > UINT32_MAX / 16) return CO_INVALID;
    }
    p->table_at[o->tables] = (uint32_t)total;
    p->audit = calloc(total + 1, sizeof(*p->audit));
    p->report = calloc(total + 1, sizeof(*p->report));
    p->options.table_cells = NULL;
    return p->audit && p->report ? CO_OK : CO_NOMEM;
}

enum co_err
personas_new(const struct personas_options *options,
             struct personas **ret_personas)
{
    co_auto(personas_freep) struct personas *p = NULL;
    struct personas_options o = *options;
    enum co_err err;

    err = options_check(&o);
    if (err) return err;
    p = calloc(1, sizeof(*p));
    if (!p) return CO_NOMEM;
    p->options = o;
    p->cells = o.shard_rows / PERSONAS_CELL;
    /* a whole cell more rather than fewer rows than were asked for */
    p->cell_limit = (o.candidates + PERSONAS_CELL - 1) / PERSONAS_CELL;
    p->cut = p->open_from = UINT64_MAX;
    err = tables_init(p);
    if (!err) err = dedup_init(p);
    if (err) return err;
    *ret_personas = co_take(&p);
    return CO_OK;
}

void
personas_free(struct personas *p)
{
    if (!p) return;
    for (uint32_t i = 0; i < KIND_SHARDS_MAX; i++) {
        grid_shard_free(p, p->open[i], false);
    }
    grid_shard_free(p, p->tail, false);
    free(p->sealed);
    free(p->audit);
    free(p->report);
    free(p->frames);
    free(p->freed);
    hash_set_free(p->said);
    free(p);
}

static const char *
personas_service(const void *kind)
{
    const struct personas *p = kind;

    return p->options.service;
}

/* -- publishing ----------------------------------------------------------- */

/* Rows that what is drawn will give, at the acceptance measured so far. */
static uint64_t
expected_rows(const struct personas *p)
{
    uint64_t coming = p->undecided;

    if (p->decided) coming = coming * p->good / p->decided;
    return p->now.accepted + p->ahead + coming;
}

static bool
next_pack(struct personas *p, uint64_t *ret_task)
{
    for (uint64_t at = p->sealed_n * p->cells; at < p->front; at++) {
        struct cell *c = grid_cell(p, at);

        for (uint32_t i = 0; c && i < c->n; i++) {
            struct piece *piece = &cell_pieces(c)[i];

            if (piece->pack_state != PACK_WANTED) continue;
            count_pack_state(p, p->open[at / p->cells - p->sealed_n], piece,
                             PACK_OUT);
            p->n.packs++;
            *ret_task = piece->start << 8 | PERSONAS_STEP_PACK;
            return true;
        }
    }
    return false;
}

static struct piece *
idle_piece(struct cell *c)
{
    for (uint32_t i = 0; c && i < c->n; i++) {
        if (cell_pieces(c)[i].state == PIECE_IDLE) return &cell_pieces(c)[i];
    }
    return NULL;
}

/* A limit is reached because rows are not decided; when that is for want of
 * memory, waiting for workers would be no help. */
static enum kind_next
full(const struct personas *p, enum kind_next limit)
{
    return p->stalled ? KIND_NEXT_MEMORY : limit;
}

/* Whether the cell at the cursor may be published; a new one only if needed. */
static enum kind_next
may_draw(const struct personas *p, uint64_t cell, const struct cell *c)
{
    if (cell >= p->high) {
        if (cell >= p->cell_limit) return KIND_NEXT_BUDGET;
        if (expected_rows(p) >= p->options.rows) return KIND_NEXT_ALL_OUT;
    }
    if (cell / p->cells - p->sealed_n >= KIND_SHARDS_MAX) {
        return full(p, KIND_NEXT_SHARDS);
    }
    if ((!c || !c->drawn) &&
        p->undecided + PERSONAS_CELL > KIND_UNDECIDED_MAX) {
        return full(p, KIND_NEXT_UNDECIDED);
    }
    return KIND_NEXT_TASK;
}

bool
personas_next_is_new(struct personas *p)
{
    struct cell *c;

    while (p->cursor < p->high && (c = grid_cell(p, p->cursor)) != NULL &&
           !idle_piece(c)) {
        p->cursor++;
    }
    return p->cursor >= p->high;
}

static enum kind_next
personas_next(void *kind, int64_t now_us, uint64_t *ret_task,
              int64_t *ret_due_us)
{
    struct personas *p = kind;
    struct piece *piece;
    struct cell *c;
    enum kind_next may;

    (void)now_us;
    (void)ret_due_us;
    if (p->stalled) count_advance(p);
    if (p->packs_wanted && next_pack(p, ret_task)) return KIND_NEXT_TASK;
    if (count_enough(p)) {
        return personas_done(p) ? KIND_NEXT_OVER : KIND_NEXT_ALL_OUT;
    }
    (void)personas_next_is_new(p);
    c = grid_cell(p, p->cursor);
    may = may_draw(p, p->cursor, c);
    if (may != KIND_NEXT_TASK) return may;
    if (!c && !grid_open(p, p->cursor)) return KIND_NEXT_SHARDS;
    c = grid_cell(p, p->cursor);
    piece = idle_piece(c);
    co_assert(piece != NULL);
    count_draw(p, c, p->cursor);
    piece->state = PIECE_OUT;
    *ret_task = piece->start << 8 | piece->depth;
    return KIND_NEXT_TASK;
}

static void
put_u32(uint8_t **at, uint8_t key, uint32_t value)
{
    const uint8_t bytes[] = {key,
                             0xce,
                             (uint8_t)(value >> 24),
                             (uint8_t)(value >> 16),
                             (uint8_t)(value >> 8),
                             (uint8_t)value};

    memcpy(*at, bytes, sizeof(bytes));
    *at += sizeof(bytes);
}

/* {1: start u64, 2: count u32, 3: take u32}, in msgpack: always 23 bytes, so
 * that a batch needs one length. 4: skip bin comes with packs that leave
 * duplicates out. */
static void
put_payload(struct co_buf *body, uint64_t start, uint32_t count, uint32_t take,
            const uint8_t *skip)
{
    const size_t skip_bytes = skip ? (count + 7) / 8 : 0;
    uint8_t *to = co_buf_reserve(body, 23 + 3 + skip_bytes), *at = to;

    if (!to) return; /* stands in body->err */
    *at++ = skip ? 0x84 : 0x83;
    *at++ = 1;
    *at++ = 0xcf;
    for (int shift = 56; shift >= 0; shift -= 8) {
        *at++ = (uint8_t)(start >> shift);
    }
    put_u32(&at, 2, count);
    put_u32(&at, 3, take);
    if (skip) {
        *at++ = 4;
        *at++ = 0xc4;
        *at++ = (uint8_t)skip_bytes;
        memcpy(at, skip, skip_bytes);
        at += skip_bytes;
    }
    co_buf_commit(body, (size_t)(at - to));
}

static bool
personas_payload(void *kind, uint64_t task, struct co_buf *body)
{
    struct personas *p = kind;
    const struct piece *piece = task_piece(p, task);
    const uint8_t *skip = NULL;
    uint64_t take;

    if (!piece) return false;
    if (task_is_pack(task)) {
        if (piece->pack_state != PACK_OUT) return false;
        take = piece->keep;
        if (piece->duplicates) skip = piece->texts->bits;
    } else {
        if (piece->state != PIECE_OUT) return false;
        take = piece->count;
        if (p->good == p->decided && piece->start < p->options.rows) {
            take = co_min_u64(take, p->options.rows - piece->start);
        }
    }
    put_payload(body, piece->start, piece->count, (uint32_t)take, skip);
    return true;
}

static bool
adopt_pack(struct personas *p, uint64_t task)
{
    struct piece *piece = task_piece(p, task);

    if (!piece || piece->pack_state != PACK_WANTED) return false;
    count_pack_state(p, task_shard(p, task), piece, PACK_OUT);
    return true;
}

static bool
personas_adopt(void *kind, uint64_t task)
{
    struct personas *p = kind;
    struct piece *piece;

    if (task_is_pack(task)) return adopt_pack(p, task);
    piece = task_claim(p, task);
    if (!piece || piece->state != PIECE_IDLE) return false;
    task_draw(p, task);
    piece->state = PIECE_OUT;
    return true;
}

/* Piece by piece; a cell whose last piece came back is withdrawn. A cell with
 * a result on its way to the disk is left to be counted. */
static bool
withdraw_cell(struct personas *p, struct cell *c, uint64_t at,
              uint64_t *ret_task)
{
    for (uint32_t i = 0; i < c->n; i++) {
        if (cell_pieces(c)[i].state == PIECE_TAKEN) return false;
    }
    for (uint32_t i = 0; i < c->n; i++) {
        struct piece *piece = &cell_pieces(c)[i];

        if (piece->state != PIECE_OUT) continue;
        piece->state = PIECE_IDLE;
        *ret_task = piece->start << 8 | piece->depth;
        return true;
    }
    count_undraw(p, c, at);
    return false;
}

static bool
personas_unwanted(void *kind, uint64_t *ret_task)
{
    struct personas *p = kind;

    if (!count_enough(p) || p->front >= p->high) return false;
    if (p->withdraw < p->front) p->withdraw = p->front;
    for (; p->withdraw < p->high; p->withdraw++) {
        struct cell *c = grid_cell(p, p->withdraw);

        if (!c || !c->drawn || grid_decided(c)) continue;
        if (withdraw_cell(p, c, p->withdraw, ret_task)) return true;
    }
    count_advance(p);
    return false;
}

/* -- questions ------------------------------------------------------------ */

static void
personas_summary(const void *kind, struct co_buf *out)
{
    const struct personas *p = kind;
    struct kind_ledger l;

    personas_ledger(p, &l);
    co_buf_printf(out,
                  "{\"requested\":%" PRIu64 ",\"drawn\":%" PRIu64
                  ",\"accepted\":%" PRIu64 ",\"rejected\":%" PRIu64
                  ",\"dead\":%" PRIu64 ",\"surplus\":%" PRIu64
                  ",\"pending\":%" PRIu64 ",\"duplicates\":%" PRIu64
                  ",\"shards\":%" PRIu64 "}",
                  l.requested, l.drawn, l.accepted, l.rejected, l.dead,
                  l.surplus, l.pending, l.duplicates, p->sealed_n);
}

static void
personas_why(const void *kind, int64_t now_us, struct co_buf *out)
{
    const struct personas *p = kind;
    struct kind_ledger l;

    (void)now_us;
    personas_ledger(p, &l);
    co_buf_printf(out,
                  "rows: %" PRIu64 " of %" PRIu64 " accepted in order, %" PRIu64
                  " good ones wait for earlier candidates\n",
                  l.accepted, l.requested, p->ahead);
    co_buf_printf(out,
                  "candidates: %" PRIu64 " drawn of at most %" PRIu64
                  ", %" PRIu64 " undecided, the oldest in cell %" PRIu64 "\n",
                  l.drawn, p->cell_limit * PERSONAS_CELL, p->undecided,
                  p->front);
    if (personas_done(p) == KIND_PARTIAL) {
        co_buf_printf(out,
                      "partial: %s: %" PRIu64 " rejected (%" PRIu64
                      " of them duplicates), %" PRIu64 " dead\n",
                      p->stopped ? "no more candidates are drawn"
                                 : "the candidate budget is spent",
                      l.rejected, l.duplicates, l.dead);
    }
#define X(name, text)                                                          \
    if (p->n.name)                                                             \
        co_buf_printf(out, "%-14s %" PRIu64 "  %s\n", #name, p->n.name, text);
    PERSONAS_COUNTER_LIST(X)
#undef X
}

const struct personas_counters *
personas_counters(const struct personas *p)
{
    return &p->n;
}

const struct job_kind personas_kind = {
    .name = "personas",
    .paid = false,
    .service = personas_service,
    .next = personas_next,
    .payload = personas_payload,
    .adopt = personas_adopt,
    .take = personas_take,
    .place = personas_place,
    .split = personas_split,
    .dead = personas_dead,
    .revive = personas_revive,
    .unwanted = personas_unwanted,
    .done = personas_done,
    .ledger = personas_ledger,
    .summary = personas_summary,
    .why = personas_why,
    .check = personas_check,
};
