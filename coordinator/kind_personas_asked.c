/* kind_personas_asked.c - see kind_personas_asked.h. */
#include "coordinator/kind_personas_asked.h"

#include "coordinator/kind_personas_core.h"
#include "proto/walk.h"

enum { REOPEN_ROWS_MAX = 200000 };

struct personas_progress
personas_progress(const struct personas *p)
{
    return (struct personas_progress){.rows = p->options.rows,
                                      .accepted = p->now.accepted,
                                      .ahead = p->ahead,
                                      .front = p->front,
                                      .next = p->high,
                                      .sealed = p->sealed_n * p->cells,
                                      .packs = p->packs_wanted > 0};
}

bool
personas_range(const struct personas *p, uint64_t task, uint64_t *ret_start,
               uint32_t *ret_count)
{
    const struct piece *piece = task_piece(p, task);

    if (!piece) return false;
    *ret_start = piece->start;
    *ret_count = piece->count;
    return true;
}

bool
personas_is_decided(const struct personas *p, uint64_t task)
{
    const struct piece *piece = task_piece(p, task);

    if ((task >> 8) / PERSONAS_CELL < p->sealed_n * p->cells) return true;
    return piece && piece->state > PIECE_OUT;
}

/* A cell whose piece died may be drawn again on a person's word, and one that
 * gave fewer rows than it has may have to give more. */
static bool
piece_is_final(const struct piece *piece)
{
    return piece->state == PIECE_PLACED && piece->pack_state == PACK_NONE &&
           piece->keep == piece->r.accepted - piece->duplicates;
}

bool
personas_may_publish(const struct personas *p, uint64_t cell)
{
    struct cell *c = grid_cell(p, cell);

    if (cell < p->sealed_n * p->cells) {
        /* the cut shard is opened again when more rows are asked for */
        return p->tail && cell >= (p->sealed_n - 1) * p->cells;
    }
    if (!c || !c->drawn || cell >= p->front) return true;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!piece_is_final(&cell_pieces(c)[i])) return true;
    }
    return false;
}

void
personas_mark(struct personas *p, uint64_t task, uint32_t gave_up,
              uint32_t unasked, bool open_ended)
{
    struct piece *piece = task_piece(p, task);

    if (!piece || task_is_pack(task) || piece->state != PIECE_TAKEN) return;
    co_assert(gave_up + unasked + piece->r.accepted <= piece->count);
    piece->gave_up = (uint16_t)gave_up;
    piece->unasked = (uint16_t)unasked;
    piece->open_ended = open_ended;
}

void
personas_remakes(struct personas *p)
{
    p->remakes = true;
}

enum co_err
personas_foresee(struct personas *p, const uint8_t *in, size_t len)
{
    struct walk w = walk_start(in, len);
    uint64_t shard;

    if (walk_array(&w) < 2) return CO_DAMAGED;
    (void)walk_u64(&w); /* the version: its replay looks at it */
    shard = walk_u64(&w);
    if (w.bad) return CO_DAMAGED;
    if (p->foreseen <= shard) p->foreseen = shard + 1;
    return CO_OK;
}

/* Half of the shards that can be open, and what answers may take: those of all
 * rows behind the candidate are kept until it is decided. */
bool
personas_may_reopen(const struct personas *p, uint64_t row)
{
    const uint64_t shard = row / p->options.shard_rows;

    if (shard >= p->foreseen) return true;
    return shard >= p->sealed_n && p->foreseen - shard <= KIND_SHARDS_MAX / 2 &&
           p->foreseen * p->options.shard_rows - row <= REOPEN_ROWS_MAX;
}

void
personas_hold_open(struct personas *p, uint64_t row)
{
    p->open_from = row == UINT64_MAX ? UINT64_MAX : row / p->options.shard_rows;
}

uint64_t
personas_unsealed(const struct personas *p)
{
    return p->unsealed;
}

void
personas_stop(struct personas *p)
{
    p->stopped = true;
    if (p->cell_limit > p->high) p->cell_limit = p->high;
}
