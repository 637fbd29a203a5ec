/* engine_once.c - tasks that must not be run twice, as each run is paid.
 * Once such a task may have been run, only its answer or time ends it: it is
 * never published again under its id. When it failed, or its worker died, the
 * kind takes it over at once (kind.h, gone); when it was lost in another way
 * its worker may be alive and answer, so it waits first, in doubt. Even a
 * worker that left in order (DRAIN) is no proof that it had not begun.
 * Publishing it again under the same id after the wait was rejected: an answer
 * to the first attempt and one to the second could not be told apart, and one
 * of the two would be paid and never counted. */
#include "common/bug.h"
#include "coordinator/engine_core.h"

bool
engine_is_once(const struct engine *e, uint64_t id)
{
    return e->kind->once ? e->kind->once(e->state, id) : e->kind->paid;
}

int64_t
engine_once_wait_us(const struct engine *e)
{
    return (int64_t)kind_answer_wait_ms(e->options.total_ms) * 1000;
}

static bool
is_asked(const struct engine *e, uint32_t i)
{
    return e->kind->gone && engine_is_once(e, e->tasks.v[i].id) &&
           !CO_BUG(lost_call_repeated);
}

bool
engine_once_gone(struct engine *e, uint32_t i, enum kind_gone how,
                 int64_t now_us)
{
    if (!is_asked(e, i)) return false;
    if (!e->kind->gone(e->state, e->tasks.v[i].id, how, now_us)) return false;
    e->n.gone++;
    engine_move(e, i, TASK_FREE);
    return true;
}

static void
doubt(struct engine *e, uint32_t i, int64_t now_us)
{
    e->n.doubted++;
    if (e->tasks.v[i].state == TASK_OUT) e->links[e->tasks.v[i].link].out--;
    engine_tasks_doubt(&e->tasks, i, now_us + engine_once_wait_us(e));
}

bool
engine_once_lost(struct engine *e, uint32_t i, uint32_t cause, int64_t now_us)
{
    if (!is_asked(e, i)) return false;
    if (cause == LOST_WORKER_DEAD) {
        return engine_once_gone(e, i, KIND_GONE_LOST, now_us);
    }
    doubt(e, i, now_us);
    return true;
}

/* On a link that is attached again the broker has just said so; on one that is
 * not, the time for its coming back is over. */
bool
engine_once_unheard(struct engine *e, uint32_t i, int64_t now_us)
{
    if (!is_asked(e, i)) return false;
    if (!e->links[e->tasks.v[i].link].attached) {
        return engine_once_gone(e, i, KIND_GONE_LOST, now_us);
    }
    doubt(e, i, now_us);
    return true;
}
