/* top_panes.c - the tables of top_view.h: columns, rows, what stands out. */
#include "cli/top_view.h"
#include "cli/why.h"
#include "llm/price.h"

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

#define OF fleet_endpoint
static const struct top_column endpoint_columns[] = {
    {"ENDPOINT", TOP_TEXT, AT(url), 0, 0},
    {"PROVIDER", TOP_TEXT, AT(provider), 10, 6},
    {"BREAKER", TOP_TEXT, AT(state), 10, 1},
    {"PLACES", TOP_COUNT, AT(held), 6, 2},
    {"OF", TOP_COUNT, AT(ceiling), 6, 3},
    {"REQ/MIN", TOP_COUNT, AT(requests), 7, 4},
    {"OF", TOP_RATE, AT(rpm), 7, 7},
    {"TOKENS/MIN", TOP_COUNT, AT(tokens), 10, 8},
    {"OF", TOP_RATE, AT(tpm), 8, 10},
    {"LATENCY", TOP_LATENCY, AT(latency_us), 8, 5},
    {"CALLS", TOP_COUNT, AT(calls), 9, 11},
    {"REFUSED", TOP_COUNT, AT(refusals), 7, 9},
    {"ERRORS", TOP_COUNT, AT(errors), 6, 9},
};
#undef OF
#define OF fleet_money
static const struct top_column money_columns[] = {
    {"MONEY", TOP_TEXT, AT(name), 0, 0},
    {"SETTLED", TOP_USD, AT(settled), 11, 1},
    {"UNKNOWN", TOP_USD, AT(unknown), 10, 4},
    {"RESERVED", TOP_USD, AT(reserved), 10, 5},
    {"CAP", TOP_USD, AT(cap), 10, 2},
    {"USD/MIN", TOP_USD, AT(minute), 10, 3},
    {"USD/ROW", TOP_USD, AT(row), 10, 6},
    {"CALLS", TOP_COUNT, AT(calls), 10, 7},
    {"CACHED", TOP_COUNT, AT(cached), 8, 9},
    {"LOST", TOP_COUNT, AT(lost), 6, 8},
    {"WRITTEN", TOP_COUNT, AT(written), 10, 10},
};
#undef OF

#define TABLE(name, columns, type, id, none, hides)                            \
    {                                                                          \
        name, columns, co_countof(columns), sizeof(struct type),               \
            offsetof(struct type, id), none, hides                             \
    }

static const struct top_table tables[TOP_PANES] = {
    [TOP_JOBS] = TABLE("Jobs", job_columns, fleet_job, id,
                       "no jobs: `" CO_PROGRAM " run FILE` starts one", false),
    [TOP_QUEUES] = TABLE("Queues", queue_columns, fleet_queue, service,
                         "no job or worker names a service", false),
    [TOP_WORKERS] = TABLE("Workers", worker_columns, fleet_worker, id,
                          "no worker is alive", false),
    [TOP_BROKERS] = TABLE("Brokers", broker_columns, fleet_broker, id,
                          "no broker is alive", false),
    [TOP_ENDPOINTS] = TABLE("Endpoints", endpoint_columns, fleet_endpoint, id,
                            "no worker calls an endpoint of a model", true),
    [TOP_MONEY] = TABLE("Money (USD)", money_columns, fleet_money, id,
                        "no job pays for calls", true),
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
        ROWS(TOP_ENDPOINTS, endpoints);
        ROWS(TOP_MONEY, money);
    case TOP_PANES:
        break;
    }
#undef ROWS
    return NULL;
}

uint64_t
top_number(const void *row, const struct top_column *c)
{
    const char *text = (const char *)row + c->offset;
    int64_t amount;
    uint64_t n;

    if (c->kind == TOP_USD) {
        return text[0] && !price_usd_parse(text, &amount) && amount > 0
                   ? (uint64_t)amount
                   : 0;
    }
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

static enum pen_style
endpoint_style(const struct fleet_endpoint *e, const struct top_column *c)
{
    if (strcmp(c->title, "BREAKER") == 0) {
        if (e->shut) return strncmp(e->state, "waits", 5) ? PEN_BAD : PEN_WARN;
        return strcmp(e->state, "closed") == 0 ? PEN_PLAIN : PEN_WARN;
    }
    if (strcmp(c->title, "REFUSED") == 0 && e->refusals) return PEN_WARN;
    if (strcmp(c->title, "ERRORS") == 0 && e->errors) return PEN_WARN;
    return PEN_PLAIN;
}

/* Whether less than a tenth of the cap is left. */
static bool
is_nearly_spent(const struct fleet_money *m)
{
    int64_t settled, unknown, cap, spent;

    return m->cap[0] && !price_usd_parse(m->cap, &cap) &&
           !price_usd_parse(m->settled, &settled) &&
           !price_usd_parse(m->unknown, &unknown) &&
           !__builtin_add_overflow(settled, unknown, &spent) &&
           spent >= cap - cap / 10;
}

static enum pen_style
money_style(const struct fleet_money *m, const struct top_column *c)
{
    if (strcmp(c->title, "SETTLED") == 0 && is_nearly_spent(m)) return PEN_WARN;
    if (strcmp(c->title, "LOST") == 0 && m->lost) return PEN_WARN;
    return PEN_PLAIN;
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
    case TOP_ENDPOINTS:
        return endpoint_style(row, c);
    case TOP_MONEY:
        return money_style(row, c);
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

static void
money_detail(const struct fleet_money *m, struct co_buf *out)
{
    co_buf_printf(out, "%s: %s settled", m->name,
                  m->settled[0] ? m->settled : "price unknown");
    if (m->unknown[0]) co_buf_printf(out, ", %s unknown", m->unknown);
    if (m->reserved[0]) co_buf_printf(out, ", %s reserved", m->reserved);
    if (m->cap[0]) co_buf_printf(out, ", of at most %s", m->cap);
    co_buf_puts(out, " USD");
}

void
top_detail(const struct fleet_state *s, enum top_pane pane, const void *row,
           struct co_buf *out)
{
    const struct fleet_queue *q = row;
    const struct fleet_worker *w = row;
    const struct fleet_broker *b = row;
    const struct fleet_endpoint *e = row;

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
    case TOP_ENDPOINTS:
        co_buf_printf(out,
                      "%s (%s): id %s, %s; %" PRIu64
                      " worker%s share%s %" PRIu64 " places",
                      e->provider, e->url, e->id, e->state, e->workers,
                      e->workers == 1 ? "" : "s", e->workers == 1 ? "s" : "",
                      e->ceiling);
        break;
    case TOP_MONEY:
        money_detail(row, out);
        break;
    case TOP_PANES:
        break;
    }
}
