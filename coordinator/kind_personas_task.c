/* kind_personas_task.c - what a task id of the personas kind stands for.
 * Candidate index << 8 | step; a step is the depth of halving, or a pack. */
#include "coordinator/kind_personas_core.h"

struct cell *
task_cell(const struct personas *p, uint64_t task)
{
    return grid_cell(p, (task >> 8) / PERSONAS_CELL);
}

struct shard *
task_shard(const struct personas *p, uint64_t task)
{
    return p->open[(task >> 8) / PERSONAS_CELL / p->cells - p->sealed_n];
}

bool
task_is_pack(uint64_t task)
{
    return (task & 0xff) == PERSONAS_STEP_PACK;
}

struct piece *
task_piece(const struct personas *p, uint64_t task)
{
    struct cell *c = task_cell(p, task);
    struct piece *piece = c ? grid_start(c, task >> 8) : NULL;

    if (!piece || task_is_pack(task)) return piece;
    return piece->depth == (task & 0xff) ? piece : NULL;
}

struct piece *
task_claim(struct personas *p, uint64_t task)
{
    const uint64_t cell = (task >> 8) / PERSONAS_CELL;
    struct cell *c = grid_cell(p, cell);

    if (cell >= p->cell_limit) return NULL;
    if (!c || !c->drawn) {
        if (count_enough(p)) return NULL;
        if (p->undecided + PERSONAS_CELL > KIND_UNDECIDED_MAX) return NULL;
        if (!c && !grid_open(p, cell)) return NULL;
        c = grid_cell(p, cell);
    }
    return grid_piece(p, c, task);
}

void
task_draw(struct personas *p, uint64_t task)
{
    count_draw(p, task_cell(p, task), (task >> 8) / PERSONAS_CELL);
}
