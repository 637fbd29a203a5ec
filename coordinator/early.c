/* early.c - see early.h. */
#include "coordinator/early.h"

#include <stdlib.h>

enum co_err
early_init(struct early *e)
{
    *e = (struct early){.v = calloc(EARLY_MAX, sizeof *e->v)};
    return e->v ? CO_OK : CO_NOMEM;
}

enum co_err
early_keep(struct early *e, unsigned link, struct co_bytes head,
           struct co_bytes body)
{
    if (e->n == EARLY_MAX || e->bytes + head.len + body.len > EARLY_BYTES_MAX) {
        return CO_FULL;
    }
    e->bytes += head.len + body.len;
    e->v[e->n++] =
        (struct early_message){link, co_bytes_ref(head), co_bytes_ref(body)};
    return CO_OK;
}

static void
forget(struct early *e, struct early_message *m)
{
    e->bytes -= m->head.len + m->body.len;
    co_bytes_unref(&m->head);
    co_bytes_unref(&m->body);
}

void
early_drop_link(struct early *e, unsigned link)
{
    size_t kept = 0;

    for (size_t i = 0; i < e->n; i++) {
        if (e->v[i].link == link) {
            forget(e, &e->v[i]);
        } else {
            e->v[kept++] = e->v[i];
        }
    }
    e->n = kept;
}

void
early_drop(struct early *e)
{
    for (size_t i = 0; i < e->n; i++) {
        forget(e, &e->v[i]);
    }
    e->n = 0;
}

void
early_fini(struct early *e)
{
    if (e->v) early_drop(e);
    free(e->v);
    e->v = NULL;
}
