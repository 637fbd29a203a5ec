/* kind_personas.c - gives out range tasks and takes their results.
 * Order: packs (they hold a shard), then idle pieces from the oldest on, then
 * new cells, as many as the measured acceptance says are needed. A cell near
 * the end is asked for only the rows that can still count, so that with full
 * acceptance no pack is ever needed. */
#include "coordinator/kind_personas_core.h"
#include "population/range.h"

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
        o->tables > PERSONAS_TABLES_MAX) {
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
    p->cut = UINT64_MAX;
    err = tables_init(p);
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
    free(p);
}

static const char *
personas_service(const void *kind)
{
    const struct personas *p = kind;

    return p->options.service;
}

/* -- publishing ----------------------------------------------------------- */

static bool
enough(const struct personas *p)
{
    return p->now.accepted >= p->options.rows;
}

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

/* Whether the cell at the cursor may be published; a new one only if needed. */
static enum kind_next
may_draw(const struct personas *p, uint64_t cell, const struct cell *c)
{
    if (cell >= p->high) {
        if (cell >= p->cell_limit) return KIND_NEXT_BUDGET;
        if (expected_rows(p) >= p->options.rows) return KIND_NEXT_ALL_OUT;
    }
    if (cell / p->cells - p->sealed_n >= KIND_SHARDS_MAX) {
        return KIND_NEXT_SHARDS;
    }
    if ((!c || !c->drawn) &&
        p->undecided + PERSONAS_CELL > KIND_UNDECIDED_MAX) {
        return KIND_NEXT_UNDECIDED;
    }
    return KIND_NEXT_TASK;
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
    if (p->packs_wanted && next_pack(p, ret_task)) return KIND_NEXT_TASK;
    if (enough(p)) return personas_done(p) ? KIND_NEXT_OVER : KIND_NEXT_ALL_OUT;
    while (p->cursor < p->high && (c = grid_cell(p, p->cursor)) != NULL &&
           !idle_piece(c)) {
        p->cursor++;
    }
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

/* The cell of a task id; NULL: not open. */
static struct cell *
task_cell(const struct personas *p, uint64_t task)
{
    return grid_cell(p, (task >> 8) / PERSONAS_CELL);
}

static struct shard *
task_shard(const struct personas *p, uint64_t task)
{
    return p->open[(task >> 8) / PERSONAS_CELL / p->cells - p->sealed_n];
}

static bool
is_pack(uint64_t task)
{
    return (task & 0xff) == PERSONAS_STEP_PACK;
}

/* A piece as it stands; no halving on the way. */
static struct piece *
find_piece(const struct personas *p, uint64_t task)
{
    struct cell *c = task_cell(p, task);
    struct piece *piece = c ? grid_start(c, task >> 8) : NULL;

    if (!piece || is_pack(task)) return piece;
    return piece->depth == (task & 0xff) ? piece : NULL;
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
 * that a batch needs one length. */
static void
put_payload(struct co_buf *body, uint64_t start, uint32_t count, uint32_t take)
{
    uint8_t *to = co_buf_reserve(body, 23), *at = to;

    if (!to) return; /* stands in body->err */
    *at++ = 0x83;
    *at++ = 1;
    *at++ = 0xcf;
    for (int shift = 56; shift >= 0; shift -= 8) {
        *at++ = (uint8_t)(start >> shift);
    }
    put_u32(&at, 2, count);
    put_u32(&at, 3, take);
    co_buf_commit(body, (size_t)(at - to));
}

static bool
personas_payload(void *kind, uint64_t task, struct co_buf *body)
{
    struct personas *p = kind;
    const struct piece *piece = find_piece(p, task);
    uint64_t take;

    if (!piece) return false;
    if (is_pack(task)) {
        if (piece->pack_state != PACK_OUT) return false;
        take = piece->keep;
    } else {
        if (piece->state != PIECE_OUT) return false;
        take = piece->count;
        if (p->good == p->decided && piece->start < p->options.rows) {
            take = co_min_u64(take, p->options.rows - piece->start);
        }
    }
    put_payload(body, piece->start, piece->count, (uint32_t)take);
    return true;
}

static bool
adopt_pack(struct personas *p, uint64_t task)
{
    struct piece *piece = find_piece(p, task);

    if (!piece || piece->pack_state != PACK_WANTED) return false;
    count_pack_state(p, task_shard(p, task), piece, PACK_OUT);
    return true;
}

/* The piece of a task from an earlier life, its shard opened; the caller draws
 * its cell once the task proves sound. NULL: not wanted. */
static struct piece *
claim_piece(struct personas *p, uint64_t task)
{
    const uint64_t cell = (task >> 8) / PERSONAS_CELL;
    struct cell *c = grid_cell(p, cell);

    if (cell >= p->cell_limit) return NULL;
    if (!c || !c->drawn) {
        if (enough(p)) return NULL;
        if (p->undecided + PERSONAS_CELL > KIND_UNDECIDED_MAX) return NULL;
        if (!c && !grid_open(p, cell)) return NULL;
        c = grid_cell(p, cell);
    }
    return grid_piece(p, c, task);
}

static void
draw_task(struct personas *p, uint64_t task)
{
    count_draw(p, task_cell(p, task), (task >> 8) / PERSONAS_CELL);
}

static bool
personas_adopt(void *kind, uint64_t task)
{
    struct personas *p = kind;
    struct piece *piece;

    if (is_pack(task)) return adopt_pack(p, task);
    piece = claim_piece(p, task);
    if (!piece || piece->state != PIECE_IDLE) return false;
    draw_task(p, task);
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

    if (!enough(p) || p->front >= p->high) return false;
    if (p->withdraw < p->front) p->withdraw = p->front;
    for (; p->withdraw < p->high; p->withdraw++) {
        struct cell *c = grid_cell(p, p->withdraw);

        if (!c || !c->drawn || grid_decided(c)) continue;
        if (withdraw_cell(p, c, p->withdraw, ret_task)) return true;
    }
    count_advance(p);
    return false;
}

/* -- results -------------------------------------------------------------- */

void
personas_leb(struct co_buf *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;

    do {
        bytes[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    co_buf_append(out, bytes, n);
}

/* Keeps the deltas as LEB128: a third of their size in memory. Each table
 * must count every row once, if it counts any. */
static enum kind_take
keep_deltas(struct personas *p, const struct range_result *r,
            struct range_info *info)
{
    uint64_t counted[PERSONAS_TABLES_MAX] = {0};
    struct co_buf buf;

    co_buf_init(&buf, 1 << 24);
    for (size_t i = 0; i < r->n_deltas; i++) {
        const struct audit_delta *d = &r->deltas[i];

        if (d->table >= p->options.tables ||
            d->cell >= p->table_cells[d->table]) {
            break;
        }
        counted[d->table] += d->n;
        personas_leb(&buf, d->table);
        personas_leb(&buf, d->cell);
        personas_leb(&buf, d->n);
        if (counted[d->table] > audit_sum_max(d->table, r->rows)) break;
        if (i + 1 == r->n_deltas) info->deltas_len = (uint32_t)buf.len;
    }
    if (buf.err || (r->n_deltas && !info->deltas_len)) {
        co_buf_fini(&buf);
        p->n.invalid_audit++;
        return KIND_INVALID;
    }
    info->deltas = buf.data; /* NULL when there are none */
    return KIND_ACCEPTED;
}

/* Reads a result into info. Any number of rows up to those accepted will do:
 * what an earlier life asked for is not known; a pack puts it right. */
static enum kind_take
read_result(struct personas *p, const struct piece *piece, const uint8_t *data,
            uint32_t len, struct range_info *info)
{
    struct range_result r;
    enum kind_take verdict = KIND_INVALID;

    *info = (struct range_info){.payload_len = len};
    if (range_decode(data, len, &r) != CO_OK) {
        p->n.invalid_shape++;
        return KIND_INVALID;
    }
    if (r.start != piece->start || r.count != piece->count ||
        r.drawn != r.count) {
        p->n.invalid_range++;
    } else if (r.accepted > r.count || r.rows > r.accepted ||
               (r.rows && !r.frame_bytes)) {
        p->n.invalid_counts++;
    } else {
        info->accepted = r.accepted;
        info->rows = r.rows;
        info->raw_bytes = r.raw_bytes;
        info->raw_crc = r.raw_crc32;
        info->frame_len = (uint32_t)r.frame_bytes;
        info->frame_at = r.frame_bytes ? (uint32_t)(r.frame - data) : 0;
        verdict = keep_deltas(p, &r, info);
    }
    range_result_fini(&r);
    return verdict;
}

static enum kind_take
take_pack(struct personas *p, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct piece *piece = find_piece(p, task);
    struct range_info *info;
    enum kind_take verdict;

    if (!piece) return KIND_LATE;
    if (piece->pack_state != PACK_WANTED && piece->pack_state != PACK_OUT) {
        return KIND_DUPLICATE;
    }
    info = malloc(sizeof(*info));
    if (!info) return KIND_INVALID; /* as good as lost: asked for again */
    verdict = read_result(p, piece, data, len, info);
    if (verdict == KIND_ACCEPTED &&
        (info->accepted != piece->r.accepted || info->rows != piece->keep)) {
        free(info->deltas);
        p->n.invalid_counts++;
        verdict = KIND_INVALID;
    }
    if (verdict != KIND_ACCEPTED) {
        free(info);
        return verdict;
    }
    piece->pack = info;
    count_pack_state(p, task_shard(p, task), piece, PACK_TAKEN);
    return KIND_ACCEPTED;
}

static enum kind_take
personas_take(void *kind, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct personas *p = kind;
    const uint64_t cell = (task >> 8) / PERSONAS_CELL;
    enum kind_take verdict;
    struct range_info info;
    struct piece *piece;

    if (cell < p->sealed_n * p->cells) return KIND_DUPLICATE;
    if (is_pack(task)) return take_pack(p, task, data, len);
    piece = claim_piece(p, task);
    if (!piece) return KIND_LATE;
    if (piece->state > PIECE_OUT) return KIND_DUPLICATE;
    verdict = read_result(p, piece, data, len, &info);
    if (verdict != KIND_ACCEPTED) return verdict;
    draw_task(p, task);
    piece->r = info;
    piece->state = PIECE_TAKEN;
    return KIND_ACCEPTED;
}

static void
set_place(struct range_info *r, const struct kind_place *place)
{
    r->segment = place->segment;
    r->record = place->record;
    r->payload_len = place->len;
    r->offset = (uint64_t)place->record + place->inside + r->frame_at;
}

static void
place_pack(struct personas *p, uint64_t task, struct piece *piece,
           const struct kind_place *place)
{
    if (piece->pack_state != PACK_TAKEN) { /* copied to another segment */
        if (piece->state == PIECE_PLACED) set_place(&piece->r, place);
        return;
    }
    grid_free_bytes(p, &piece->r);
    if (!piece->base) piece->base = piece->r.segment;
    free(piece->r.deltas);
    piece->r = *piece->pack;
    free(piece->pack);
    piece->pack = NULL;
    set_place(&piece->r, place);
    count_pack_state(p, task_shard(p, task), piece, PACK_NONE);
    if (piece->keep && piece->keep != piece->r.rows) {
        count_pack_state(p, task_shard(p, task), piece, PACK_WANTED);
    }
}

static void
personas_place(void *kind, uint64_t task, int64_t now_us,
               const struct kind_place *place)
{
    struct personas *p = kind;
    struct piece *piece = find_piece(p, task);

    (void)now_us;
    if (!piece) return; /* sealed since: its bytes are in the file */
    if (is_pack(task)) {
        place_pack(p, task, piece, place);
        return;
    }
    if (piece->state == PIECE_PLACED) {
        set_place(&piece->r, place);
        return;
    }
    if (piece->state != PIECE_TAKEN) return;
    set_place(&piece->r, place);
    piece->state = PIECE_PLACED;
    p->n.cells++;
    count_decided(p, piece);
}

static unsigned
personas_split(void *kind, uint64_t task, uint64_t ret_halves[2])
{
    struct personas *p = kind;
    struct piece *piece = find_piece(p, task);

    if (!piece || is_pack(task) || piece->state != PIECE_OUT) return 0;
    if (!grid_halve(task_cell(p, task), piece, ret_halves, PIECE_OUT)) return 0;
    p->n.splits++;
    return 2;
}

/* The frame cannot be cut to size, so that none of its rows can be written. */
static void
dead_pack(struct personas *p, uint64_t task)
{
    struct piece *piece = find_piece(p, task);

    if (!piece || !piece->pack_state) return;
    grid_free_bytes(p, &piece->r);
    free(piece->r.deltas);
    p->good -= co_min_u64(p->good, piece->r.accepted);
    piece->r = (struct range_info){0};
    count_pack_state(p, task_shard(p, task), piece, PACK_NONE);
    piece->state = PIECE_DEAD;
    p->n.packs_dead++;
    count_again(p); /* rows further on count instead */
}

static void
personas_dead(void *kind, uint64_t task)
{
    struct personas *p = kind;
    struct piece *piece;

    if (is_pack(task)) {
        dead_pack(p, task);
        return;
    }
    piece = claim_piece(p, task);
    if (!piece || piece->state > PIECE_OUT) return;
    draw_task(p, task);
    piece->state = PIECE_DEAD;
    count_decided(p, piece);
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
                  ",\"pending\":%" PRIu64 ",\"shards\":%" PRIu64 "}",
                  l.requested, l.drawn, l.accepted, l.rejected, l.dead,
                  l.surplus, l.pending, p->sealed_n);
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
                      "partial: the candidate budget is spent: %" PRIu64
                      " rejected, %" PRIu64 " dead\n",
                      l.rejected, l.dead);
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
    .unwanted = personas_unwanted,
    .done = personas_done,
    .ledger = personas_ledger,
    .summary = personas_summary,
    .why = personas_why,
    .check = personas_check,
};
