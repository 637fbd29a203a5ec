/* kind_personas_asked.c - see kind_personas_asked.h. */
#include "coordinator/kind_personas_asked.h"

#include "coordinator/kind_personas_core.h"

struct personas_progress
personas_progress(const struct personas *p)
{
    return (struct personas_progress){.rows = p->options.rows,
                                      .accepted = p->now.accepted,
                                      .ahead = p->ahead,
                                      .front = p->front,
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

void
personas_stop(struct personas *p)
{
    p->stopped = true;
    if (p->cell_limit > p->high) p->cell_limit = p->high;
}
