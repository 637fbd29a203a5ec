/* top_panes.c - the tables of top_view.h: columns, rows, what stands out. */
#include "cli/top_view.h"
#include "cli/why.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define AT(f) offsetof(struct OF, f)

#define OF fleet_job
static const struct top_column job_columns[] = {
    {"JOB", TOP_TEXT, AT(name), 0, 0},
    {"STATE", TOP_TEXT, AT(state), 9, 1},
    {"DONE", TOP_PERMILLE, AT(permille), 6, 2},
    {"ROWS", TOP_COUNT, AT(accepted), 11, 3},
    {"OF", TOP_COUNT, AT(requested), 11, 6},
    {"ROWS/S", TOP_COUNT, AT(rows_per_s), 9, 4},
    {"ETA", TOP_SPAN, AT(eta_s), 10, 5},
    {"TASKS", TOP_COUNT, AT(tasks_out), 6, 8},
    {"LOST", TOP_COUNT, AT(lost), 6, 7},
    {"DEAD", TOP_COUNT, AT(dead), 6, 9},
    {"ID", TOP_TEXT, AT(id), 16, 10},
};
#undef OF
#define OF fleet_queue
static const struct top_column queue_columns[] = {
    {"SERVICE", TOP_TEXT, AT(service), 0, 0},
    {"WORKERS", TOP_COUNT, AT(workers), 7, 3},
    {"WISHED", TOP_RATE, AT(desired), 6, 4},
    {"QUEUED", TOP_COUNT, AT(queued), 8, 1},
    {"RUNNING", TOP_COUNT, AT(in_flight), 8, 2},
    {"ROOM", TOP_COUNT, AT(capacity), 8, 5},
    {"OLDEST", TOP_SPAN, AT(oldest_ms), 10, 6},
    {"RESULTS/S", TOP_RATE, AT(per_s), 9, 7},
    {"RESULTS", TOP_COUNT, AT(results), 11, 9},
    {"BACKLOG", TOP_COUNT, AT(backlog), 8, 8},
};
#undef OF
#define OF fleet_worker
static const struct top_column worker_columns[] = {
    {"WORKER", TOP_TEXT, AT(name), 0, 0},
    {"STATE", TOP_TEXT, AT(state), 8, 1},
    {"RUNS", TOP_COUNT, AT(in_flight), 5, 2},
    {"SLOTS", TOP_COUNT, AT(capacity), 5, 4},
    {"WAIT", TOP_COUNT, AT(queued), 5, 6},
    {"TASKS/S", TOP_RATE, AT(per_s), 8, 3},
    {"DONE", TOP_COUNT, AT(done), 10, 5},
    {"FAILED", TOP_COUNT, AT(failed), 6, 8},
    {"CPU", TOP_PERCENT, AT(cpu_pct), 6, 7},
    {"MEMORY", TOP_BYTES, AT(rss_bytes), 8, 9},
    {"UP", TOP_SPAN, AT(up_ms), 10, 10},
    {"HOST", TOP_TEXT, AT(host), 12, 11},
};
#undef OF
#define OF fleet_broker
static const struct top_column broker_columns[] = {
    {"BROKER", TOP_TEXT, AT(id), 0, 0},
    {"WORKERS", TOP_COUNT, AT(workers), 7, 1},
    {"OWNERS", TOP_COUNT, AT(owners), 6, 3},
    {"QUEUED", TOP_COUNT, AT(queued), 8, 4},
    {"RUNNING", TOP_COUNT, AT(in_flight), 8, 5},
    {"TASKS/S", TOP_RATE, AT(per_s), 9, 2},
    {"LOST", TOP_COUNT, AT(lost_worker_dead), 6, 6},
    {"CPU", TOP_PERCENT, AT(cpu_pct), 6, 7},
    {"MEMORY", TOP_BYTES, AT(rss_bytes), 8, 8},
    {"UP", TOP_SPAN, AT(up_ms), 10, 9},
    {"HOST", TOP_TEXT, AT(host), 12, 10},
};
#undef OF

#define TABLE(name, columns, type, id, none)                                   \
    {                                                                          \
        name, columns, co_countof(columns), sizeof(struct type),               \
            offsetof(struct type, id), none                                    \
    }

static const struct top_table tables[TOP_PANES] = {
    [TOP_JOBS] = TABLE("Jobs", job_columns, fleet_job, id,
                       "no jobs: `" CO_PROGRAM " run FILE` starts one"),
    [TOP_QUEUES] = TABLE("Queues", queue_columns, fleet_queue, service,
                         "no job or worker names a service"),
    [TOP_WORKERS] = TABLE("Workers", worker_columns, fleet_worker, id,
                          "no worker is alive"),
    [TOP_BROKERS] = TABLE("Brokers", broker_columns, fleet_broker, id,
                          "no broker is alive"),
};

const struct top_table *
top_table(enum top_pane pane)
{
    return &tables[pane];
}

const char *
top_rows(const struct fleet_state *s, enum top_pane pane, size_t *ret_n,
         size_t *ret_all)
{
    *ret_n = *ret_all = 0;
    if (!s) return NULL;
#define ROWS(p, list)                                                          \
    case p:                                                                    \
        *ret_n = s->list.n;                                                    \
        *ret_all = s->list.all;                                                \
        return (const char *)s->list.v
    switch (pane) {
        ROWS(TOP_JOBS, jobs);
        ROWS(TOP_QUEUES, queues);
        ROWS(TOP_WORKERS, workers);
        ROWS(TOP_BROKERS, brokers);
    case TOP_PANES:
        break;
    }
#undef ROWS
    return NULL;
}

uint64_t
top_number(const void *row, const struct top_column *c)
{
    uint64_t n;

    memcpy(&n, (const char *)row + c->offset, sizeof n);
    if (c->kind == TOP_RATE && n == FLEET_NO_RATE) n = 0;
    /* The one field in seconds. */
    if (c->kind == TOP_SPAN && strcmp(c->title, "ETA") == 0) n *= 1000;
    return n;
}

/* ---- what stands out ---- */

static enum pen_style
job_style(const struct fleet_state *s, const struct fleet_job *j,
          const struct top_column *c)
{
    bool runs = fleet_job_runs(j);

    (void)s;
    if (strcmp(c->title, "STATE") == 0) {
        if (strcmp(j->state, "failed") == 0 || (runs && !j->lease)) {
            return PEN_BAD;
        }
        if (strcmp(j->state, "complete") == 0) return PEN_GOOD;
        return strcmp(j->state, "running") == 0 ? PEN_PLAIN : PEN_WARN;
    }
    if (strcmp(c->title, "DEAD") == 0 && j->dead) return PEN_BAD;
    if (strcmp(c->title, "LOST") == 0 && j->lost) return PEN_WARN;
    return runs ? PEN_PLAIN : PEN_DIM;
}

static enum pen_style
queue_style(const struct fleet_queue *q, const struct top_column *c)
{
    bool short_of = q->desired != FLEET_NO_RATE && q->actual < q->desired;
    bool waits = q->queued > 0 && q->in_flight < q->capacity;

    if (strcmp(c->title, "WORKERS") == 0 && !q->workers &&
        (q->queued || q->backlog)) {
        return PEN_BAD;
    }
    if (strcmp(c->title, "WISHED") == 0 && short_of) return PEN_WARN;
    if (strcmp(c->title, "OLDEST") == 0 && waits && q->oldest_ms > 10000) {
        return PEN_BAD;
    }
    return q->queued || q->in_flight || q->backlog ? PEN_PLAIN : PEN_DIM;
}

static enum pen_style
worker_style(const struct fleet_worker *w, const struct top_column *c)
{
    if (strcmp(c->title, "STATE") == 0 && strcmp(w->state, "draining") == 0) {
        return PEN_WARN;
    }
    if (strcmp(c->title, "FAILED") == 0 && w->failed) return PEN_WARN;
    return strcmp(w->state, "ready") == 0 ? PEN_DIM : PEN_PLAIN;
}

enum pen_style
top_cell_style(const struct fleet_state *s, enum top_pane pane, const void *row,
               const struct top_column *c)
{
    const struct fleet_broker *b = row;

    switch (pane) {
    case TOP_JOBS:
        return job_style(s, row, c);
    case TOP_QUEUES:
        return queue_style(row, c);
    case TOP_WORKERS:
        return worker_style(row, c);
    case TOP_BROKERS:
        if (strcmp(c->title, "LOST") == 0 && b->lost_worker_dead) {
            return PEN_WARN;
        }
        break;
    case TOP_PANES:
        break;
    }
    return PEN_PLAIN;
}

/* ---- details ---- */

static void
job_detail(const struct fleet_state *s, const struct fleet_job *j,
           struct co_buf *out)
{
    const struct why_finding *f = NULL;
    struct why why;

    why_of_job(s, j, &why);
    for (size_t i = 0; i < why.n; i++) { /* the worst, else the first */
        if (!f || why.v[i].level > f->level) f = &why.v[i];
    }
    co_buf_printf(out, "%s: %s", j->name, f ? f->text : j->why);
    /* What to do only where something is to be done: the line is short. */
    if (f && f->level == WHY_PROBLEM) co_buf_printf(out, " - %s", f->act);
}

void
top_detail(const struct fleet_state *s, enum top_pane pane, const void *row,
           struct co_buf *out)
{
    const struct fleet_queue *q = row;
    const struct fleet_worker *w = row;
    const struct fleet_broker *b = row;

    switch (pane) {
    case TOP_JOBS:
        job_detail(s, row, out);
        break;
    case TOP_QUEUES:
        if (q->desired != FLEET_NO_RATE) {
            co_buf_printf(
                out, "%s: %" PRIu64 " workers wished, %" PRIu64 " live: %s",
                q->service, q->desired, q->actual, q->reason);
            break;
        }
        co_buf_printf(out,
                      "%s: %" PRIu64 " tasks came in, %" PRIu64
                      " results went out, at %u broker%s",
                      q->service, q->tasks_in, q->results, q->brokers,
                      q->brokers == 1 ? "" : "s");
        break;
    case TOP_WORKERS:
        co_buf_printf(out,
                      "%s: id %s, pid %" PRIu64 " on %s, version %s, serves "
                      "%s; returned %" PRIu64 ", sent again %" PRIu64
                      ", %" PRIu64 " results kept",
                      w->name, w->id, w->pid, w->host, w->version, w->services,
                      w->returned, w->resent, w->results_kept);
        break;
    case TOP_BROKERS:
        co_buf_printf(out,
                      "%s: pid %" PRIu64 " on %s, version %s; %" PRIu64
                      " workers died, %" PRIu64 " messages malformed, %" PRIu64
                      " jobs known",
                      b->id, b->pid, b->host, b->version, b->workers_dead,
                      b->malformed, b->jobs);
        break;
    case TOP_PANES:
        break;
    }
}
