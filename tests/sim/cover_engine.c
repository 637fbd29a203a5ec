/* cover_engine.c - see cover.h: the engine's tasks. Their states change by
 * decisions all over engine*.c, so the table stands here: the drawing in
 * engine.h, and what keeps a state on purpose. */
#include "coordinator/engine_tasks.h"
#include "tests/sim/cover.h"

static bool
allows(unsigned from, unsigned to)
{
    static const bool table[TASK_STATE_COUNT][TASK_STATE_COUNT] = {
        [TASK_FREE] = {[TASK_READY] = true},
        [TASK_OUT] = {[TASK_READY] = true,
                      [TASK_WAITING] = true,
                      [TASK_TAKEN] = true,
                      [TASK_DYING] = true,
                      [TASK_OUT] = true, /* found at another broker */
                      [TASK_FREE] = true},
        [TASK_READY] =
            {[TASK_OUT] = true, [TASK_TAKEN] = true, [TASK_FREE] = true},
        [TASK_WAITING] = {[TASK_READY] = true,
                          [TASK_OUT] = true,
                          [TASK_TAKEN] = true,
                          [TASK_FREE] = true},
        [TASK_TAKEN] = {[TASK_FREE] = true},
        [TASK_DYING] = {[TASK_FREE] = true},
    };

    return table[from][to];
}

const struct cover_table cover_engine_task = {
    .name = "engine.task",
    .n_states = TASK_STATE_COUNT,
    .n_events = TASK_STATE_COUNT,
#define X(name) [TASK_##name] = #name,
    .states = {TASK_STATE_LIST(X)},
    .events = {TASK_STATE_LIST(X)},
#undef X
    .allows = allows,
};
