/* engine_stop.c - the job's process is to end: what no worker has begun is
 * called back, so that neither the stop nor the next life waits for it. Calls
 * that were sent are paid for, and go on: brokers and workers give back only
 * what is not begun (CANCEL, unsent). A task stays OUT until its result or its
 * RETURNED comes, since only that is the proof. */
#include "coordinator/engine_core.h"

/* Of a task that is here, or was just given back. One that failed or was lost
 * before may have been run then. */
static bool
take_back(struct engine *e, uint32_t i)
{
    const struct task *task = &e->tasks.v[i];

    if (!e->kind->unsent || !engine_is_once(e, task->id)) return false;
    if (task->doubted || task->failed || task->lost) return false;
    if (!e->kind->unsent(e->state, task->id)) return false;
    engine_move(e, i, TASK_FREE);
    return true;
}

bool
engine_stop_returned(struct engine *e, uint32_t i)
{
    return e->stopping && take_back(e, i);
}

static void
recall(struct engine *e, unsigned link)
{
    uint64_t ids[BATCH_MAX];
    uint32_t n = 0;

    for (uint32_t i = 0; i < e->tasks.top; i++) {
        const struct task *task = &e->tasks.v[i];

        if (task->state != TASK_OUT || task->link != link) continue;
        ids[n++] = task->id;
        if (n < BATCH_MAX) continue;
        engine_cancel(e, link, ids, n, true);
        n = 0;
    }
    if (n) engine_cancel(e, link, ids, n, true);
}

void
engine_stop_attached(struct engine *e, unsigned link)
{
    if (e->stopping && e->links[link].out) recall(e, link);
}

void
engine_stop(struct engine *e)
{
    if (e->stopping || !e->kind->paid) return; /* others are repeated */
    e->stopping = true;
    for (uint32_t i = 0; i < e->tasks.top; i++) {
        const uint8_t state = e->tasks.v[i].state;

        if (state == TASK_READY || state == TASK_WAITING) {
            (void)take_back(e, i);
        }
    }
    for (unsigned link = 0; link < ENGINE_LINKS_MAX; link++) {
        engine_stop_attached(e, link);
    }
}
