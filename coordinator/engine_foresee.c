/* engine_foresee.c - before a replay: which deaths will be withdrawn in it, and
 * which people want withdrawn after it. Some kinds have to know beforehand
 * (kind.h). */
#include "coordinator/engine_core.h"

enum co_err
engine_foresee(struct engine *e, uint64_t task)
{
    return e->kind->foresee ? e->kind->foresee(e->state, task, true) : CO_OK;
}

/* A result record without bodies may be one: see engine_results.c, deaths. */
enum co_err
engine_foresee_results(struct engine *e, const uint8_t *head, size_t head_len)
{
    struct msg m;
    enum co_err err;

    if (!e->kind->foresee) return CO_OK;
    err = msg_decode(e->reader, head, head_len, &m);
    if (err || m.type != MSG_results || m.results.worker) {
        return CO_OK; /* the replay says what is wrong with it */
    }
    for (uint32_t t = 0; t < m.results.tasks.n; t++) {
        if (msg_at(m.results.statuses, t) != STATUS_OK) continue;
        err = e->kind->foresee(e->state, m.results.tasks.v[t], false);
        if (err == CO_NOMEM) return err;
    }
    return CO_OK;
}

enum co_err
engine_foresee_wishes(struct engine *e)
{
    const struct engine_options *o = &e->options;

    return o->wishes ? o->wishes(o->dead_ctx, e) : CO_OK;
}
