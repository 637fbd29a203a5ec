/* engine_lanes.c - jobs whose tasks go to several providers: which lane a task
 * is for, and how one that is for a provider that is away comes back. A task
 * that may have been run stays where it is. */
#include "coordinator/engine_core.h"

const char *
engine_provider(const struct engine *e, uint64_t id)
{
    const char *provider =
        e->kind->provider ? e->kind->provider(e->state, id) : NULL;

    return provider ? provider : e->options.provider;
}

bool
engine_has_lanes(const struct engine *e)
{
    return e->kind->provider && !e->options.provider[0];
}

/* One that failed or was lost before may have been run then. */
static bool
is_unrun(const struct engine *e, const struct task *task)
{
    return engine_is_once(e, task->id) && !task->doubted && !task->failed &&
           !task->lost;
}

bool
engine_lanes_returned(struct engine *e, uint32_t i,
                      const struct msg_returned *r, int64_t now_us)
{
    const struct task *task = &e->tasks.v[i];
    const struct kind_return how = {.reason = r->reason,
                                    .not_before_ms = r->not_before_ms,
                                    .waited = r->reason == RETURN_LIMIT &&
                                              !r->worker};

    if (!e->kind->returned || r->reason == RETURN_RESULT_LOST ||
        !is_unrun(e, task)) {
        return false;
    }
    if (!e->kind->returned(e->state, task->id, &how, now_us)) return false;
    engine_move(e, i, TASK_FREE);
    return true;
}

/* What is not out is here: it is taken back when its time comes, as the kind
 * does not make a payload of it then. */
void
engine_recall(struct engine *e)
{
    uint64_t ids[BATCH_MAX], id;
    unsigned link = 0;
    uint32_t n = 0;

    while (e->kind->recall && e->kind->recall(e->state, &id)) {
        const uint32_t i = engine_tasks_find(&e->tasks, id);

        if (i == TASK_NONE || e->tasks.v[i].state != TASK_OUT) continue;
        if (n == BATCH_MAX || (n && e->tasks.v[i].link != link)) {
            engine_cancel(e, link, ids, n, true);
            n = 0;
        }
        link = e->tasks.v[i].link;
        ids[n++] = id;
    }
    if (n) engine_cancel(e, link, ids, n, true);
}
