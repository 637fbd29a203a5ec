/* kind_personas_grid.c - shards of cells of pieces.
 * A cell is one piece until it is halved; then its pieces stand in an array
 * in index order. Halving is the same everywhere (the left half is the larger
 * one), so that a task id, start and depth, says which piece it is even to an
 * owner who did not do the halving. */
#include "coordinator/kind_personas_core.h"

#include <stdlib.h>
#include <string.h>

static void
piece_init(struct piece *piece, uint64_t start, uint32_t count, uint32_t depth,
           enum piece_state state)
{
    *piece = (struct piece){.start = start,
                            .count = (uint16_t)count,
                            .depth = (uint8_t)depth,
                            .state = (uint8_t)state};
}

struct shard *
grid_shard_new(const struct personas *p, uint64_t number)
{
    struct shard *s = calloc(1, sizeof(*s) + p->cells * sizeof(s->cells[0]));

    if (!s) return NULL;
    s->number = number;
    for (uint32_t i = 0; i < p->cells; i++) {
        uint64_t cell = number * p->cells + i;

        s->cells[i].n = 1;
        piece_init(&s->cells[i].whole, cell * PERSONAS_CELL, PERSONAS_CELL, 0,
                   PIECE_IDLE);
    }
    return s;
}

struct cell *
grid_cell(const struct personas *p, uint64_t cell)
{
    uint64_t shard = cell / p->cells;

    if (shard < p->sealed_n || shard - p->sealed_n >= KIND_SHARDS_MAX) {
        return NULL;
    }
    if (!p->open[shard - p->sealed_n]) return NULL;
    return &p->open[shard - p->sealed_n]->cells[cell % p->cells];
}

struct shard *
grid_open(struct personas *p, uint64_t cell)
{
    uint64_t shard = cell / p->cells;

    if (shard < p->sealed_n || shard - p->sealed_n >= KIND_SHARDS_MAX) {
        return NULL;
    }
    /* none is left out in between: the front walks over all of them */
    for (uint64_t s = p->sealed_n; s <= shard; s++) {
        if (!p->open[s - p->sealed_n]) {
            p->open[s - p->sealed_n] = grid_shard_new(p, s);
            if (!p->open[s - p->sealed_n]) return NULL;
        }
    }
    return p->open[shard - p->sealed_n];
}

/* -- live bytes ----------------------------------------------------------- */

void
grid_free_bytes(struct personas *p, const struct range_info *r)
{
    if (!r->segment || !r->payload_len) return;
    for (uint32_t i = 0; i < p->freed_n; i++) {
        if (p->freed[i].segment == r->segment) {
            p->freed[i].bytes += r->payload_len;
            return;
        }
    }
    if (p->freed_n == p->freed_cap) {
        uint32_t cap = p->freed_cap ? 2 * p->freed_cap : 16;
        void *grown = realloc(p->freed, cap * sizeof(*p->freed));

        if (!grown) return; /* the segment only lives longer */
        p->freed = grown;
        p->freed_cap = cap;
    }
    p->freed[p->freed_n].segment = r->segment;
    p->freed[p->freed_n++].bytes = r->payload_len;
}

static void
piece_drop(struct personas *p, struct piece *piece, bool count_freed)
{
    if (count_freed && piece->state == PIECE_PLACED) {
        grid_free_bytes(p, &piece->r);
    }
    free(piece->r.deltas);
    free(piece->texts);
    if (piece->pack) free(piece->pack->deltas);
    free(piece->pack);
}

static void
cell_drop(struct personas *p, struct cell *c, bool count_freed)
{
    for (uint32_t i = 0; i < c->n; i++) {
        piece_drop(p, &cell_pieces(c)[i], count_freed);
    }
    free(c->halves);
    c->halves = NULL;
    c->n = 1;
}

void
grid_cell_clear(struct personas *p, struct cell *c, uint64_t cell)
{
    cell_drop(p, c, true);
    piece_init(&c->whole, cell * PERSONAS_CELL, PERSONAS_CELL, 0, PIECE_IDLE);
}

void
grid_shard_free(struct personas *p, struct shard *s, bool count_freed)
{
    if (!s) return;
    for (uint32_t i = 0; i < p->cells; i++) {
        cell_drop(p, &s->cells[i], count_freed);
    }
    free(s->said);
    free(s);
}

/* -- pieces --------------------------------------------------------------- */

bool
grid_halve(struct cell *c, struct piece *piece, uint64_t ret_tasks[2],
           enum piece_state state)
{
    const uint32_t at = (uint32_t)(piece - cell_pieces(c));
    const uint32_t depth = piece->depth + 1u, left = (piece->count + 1u) / 2;
    const uint64_t middle = piece->start + left;
    struct piece *halves;

    if (piece->count < 2 || depth > PERSONAS_DEPTH_MAX) return false;
    halves = malloc((c->n + 1) * sizeof(*halves));
    if (!halves) return false;
    memcpy(halves, cell_pieces(c), at * sizeof(*halves));
    memcpy(halves + at + 2, cell_pieces(c) + at + 1,
           (c->n - at - 1) * sizeof(*halves));
    piece_init(&halves[at], piece->start, left, depth, state);
    piece_init(&halves[at + 1], middle, piece->count - left, depth, state);
    ret_tasks[0] = halves[at].start << 8 | depth;
    ret_tasks[1] = middle << 8 | depth;
    free(c->halves);
    c->halves = halves;
    c->n++;
    return true;
}

struct piece *
grid_piece(struct personas *p, struct cell *c, uint64_t task)
{
    const uint64_t start = task >> 8;
    const uint32_t depth = task & 0xff;
    uint64_t tasks[2];

    if (depth > PERSONAS_DEPTH_MAX) return NULL;
    for (;;) {
        struct piece *piece = cell_pieces(c), *end = piece + c->n;

        while (piece < end && piece->start + piece->count <= start) {
            piece++;
        }
        if (piece == end || piece->depth > depth) return NULL;
        if (piece->depth == depth) return piece->start == start ? piece : NULL;
        if (piece->state != PIECE_IDLE) return NULL;
        if (!grid_halve(c, piece, tasks, PIECE_IDLE)) return NULL;
        p->n.splits++;
    }
}

struct piece *
grid_start(struct cell *c, uint64_t start)
{
    for (uint32_t i = 0; i < c->n; i++) {
        if (cell_pieces(c)[i].start == start) return &cell_pieces(c)[i];
    }
    return NULL;
}

bool
grid_decided(struct cell *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        if (cell_pieces(c)[i].state < PIECE_PLACED) return false;
    }
    return true;
}

/* Where the record of a death stands is not known: while the shard is open it
 * may be any segment, and without it the rows would be drawn again. A death
 * that was withdrawn must not come back without that, either. */
static bool
piece_needs(const struct piece *piece, uint64_t segment)
{
    return piece->state == PIECE_DEAD || piece->revived ||
           piece->r.segment == segment ||
           (piece->base && piece->base == segment) ||
           (piece->pack && piece->pack->segment == segment);
}

bool
personas_needs_segment(const struct personas *p, uint64_t segment)
{
    for (uint32_t i = 0; i < KIND_SHARDS_MAX; i++) {
        struct shard *s = p->open[i];

        for (uint32_t c = 0; s && c < p->cells; c++) {
            struct cell *cell = &s->cells[c];

            for (uint32_t k = 0; k < cell->n; k++) {
                if (piece_needs(&cell_pieces(cell)[k], segment)) return true;
            }
        }
    }
    return false;
}
