/* metrics.c - see metrics.h. */
#include "broker/metrics.h"

#include "common/metrics.h"
#include "common/metrics_text.h"
#include "common/redis.h"

#include <stdio.h>
#include <stdlib.h>

struct metrics {
    struct co_metrics *http;
    struct co_buf text;
};

enum co_err
metrics_new(const struct broker_config *config, struct metrics **ret_metrics,
            struct co_diag *diag)
{
    co_auto(metrics_freep) struct metrics *m = NULL;
    enum co_err err;

    *ret_metrics = NULL;
    if (!config->metrics) return CO_OK;
    m = calloc(1, sizeof *m);
    if (!m) return co_fail(diag, CO_NOMEM, "out of memory");
    co_buf_init(&m->text, CO_METRICS_BYTES_MAX);
    err = co_metrics_start(config->metrics, config->metrics_insecure, &m->http,
                           diag);
    if (err) return err;
    *ret_metrics = co_take(&m);
    return CO_OK;
}

void
metrics_free(struct metrics *m)
{
    if (!m) return;
    co_metrics_free(m->http);
    co_buf_fini(&m->text);
    free(m);
}

const char *
metrics_address(const struct metrics *m)
{
    return m ? co_metrics_address(m->http) : "";
}

/* ---- the text ---- */

/* X(field, help) */
#define TOTALS(X)                                                              \
    X(workers, "workers that are known")                                       \
    X(owners, "coordinators that are connected")                               \
    X(jobs, "jobs that are known, attached or not")                            \
    X(queued, "tasks that wait for a worker")                                  \
    X(in_flight, "tasks that workers hold")                                    \
    X(queued_bytes, "bytes of tasks that wait for a worker")

static void
put_totals(struct co_buf *out, const struct dispatch *d)
{
    const struct dispatch_counters *c = dispatch_counts(d);
    struct dispatch_totals t = dispatch_totals(d);

#define X(name, help)                                                          \
    co_metrics_one(out, "cohort_broker_" #name, CO_METRICS_GAUGE, help, t.name);
    TOTALS(X)
#undef X
#define X(name, help)                                                          \
    co_metrics_one(out, "cohort_broker_" #name "_total", CO_METRICS_COUNTER,   \
                   help, c->name);
    DISPATCH_COUNTERS(X)
#undef X
}

/* X(field, name, type, milli, help) */
#define SERVICES(X)                                                            \
    X(queued, "cohort_queue_queued", GAUGE, sample,                            \
      "tasks of a service that wait here for a worker")                        \
    X(in_flight, "cohort_queue_in_flight", GAUGE, sample,                      \
      "tasks of a service that workers hold")                                  \
    X(capacity, "cohort_queue_capacity", GAUGE, sample,                        \
      "tasks that the workers of a service would hold, those in flight "       \
      "included")                                                              \
    X(workers, "cohort_queue_workers", GAUGE, sample,                          \
      "workers that gave credit for a service")                                \
    X(oldest_ms, "cohort_queue_oldest_seconds", GAUGE, milli,                  \
      "how long the oldest queued task of a service has waited")               \
    X(tasks_in, "cohort_queue_tasks_total", COUNTER, sample,                   \
      "tasks of a service accepted from coordinators")                         \
    X(results, "cohort_queue_results_total", COUNTER, sample,                  \
      "results of a service passed on")

static void
put_services(struct co_buf *out, const struct dispatch *d, int64_t now_ms)
{
    struct dispatch_service s;

#define X(field, name, type, how, help)                                        \
    co_metrics_family(out, name, CO_METRICS_##type, help);                     \
    for (uint32_t i = 0; dispatch_service_at(d, i, now_ms, &s); i++) {         \
        const char *const labels[] = {"service", s.service, "provider",        \
                                      s.provider, NULL};                       \
                                                                               \
        co_metrics_##how(out, name, labels, (uint64_t)s.field);                \
    }
    SERVICES(X)
#undef X
}

static void
put_redis(struct co_buf *out, struct report *report)
{
    struct co_redis_counters c;

    report_redis(report, &c);
    co_metrics_redis(out, &c);
}

void
metrics_tick(struct metrics *m, const struct dispatch *d, struct report *report,
             int64_t now_ms)
{
    if (!m || !co_metrics_due(m->http, now_ms)) return;
    co_buf_clear(&m->text);
    co_metrics_process(&m->text, CO_PROGRAM "-broker", COHORT_VERSION);
    put_totals(&m->text, d);
    put_services(&m->text, d, now_ms);
    put_redis(&m->text, report);
    co_metrics_publish(m->http, &m->text, now_ms);
}
