/* watch_metrics.c - see watch_metrics.h. */
#include "coordinator/watch_metrics.h"

#include "common/hash.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/metrics_text.h"
#include "common/redis.h"
#include "coordinator/watch_metrics_llm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The label of a job's id is job_id: `job` is Prometheus's own. */
struct watch_metrics {
    struct co_metrics *http;
    struct co_buf text;
    char job[CO_HEX16_SIZE];
    char name[128], kind[32], service[260];
    const char *state; /* told last */
};

enum co_err
watch_metrics_new(const struct watch_options *options,
                  struct watch_metrics **ret_metrics, struct co_diag *diag)
{
    co_auto(watch_metrics_freep) struct watch_metrics *m = calloc(1, sizeof *m);
    enum co_err err;

    if (!m) return co_fail(diag, CO_NOMEM, "out of memory");
    co_buf_init(&m->text, CO_METRICS_BYTES_MAX);
    (void)co_hex16(options->job, m->job);
    (void)snprintf(m->name, sizeof m->name, "%s",
                   options->job_name ? options->job_name : "");
    (void)snprintf(m->kind, sizeof m->kind, "%s", options->kind);
    (void)snprintf(m->service, sizeof m->service, "%s",
                   options->service ? options->service : "");
    err = co_metrics_start(options->metrics, options->metrics_insecure,
                           &m->http, diag);
    if (err) return err;
    co_log(CO_LOG_INFO, "metrics.ready", "address=%s",
           co_metrics_address(m->http));
    *ret_metrics = co_take(&m);
    return CO_OK;
}

void
watch_metrics_free(struct watch_metrics *m)
{
    if (!m) return;
    co_metrics_free(m->http);
    co_buf_fini(&m->text);
    free(m);
}

/* ---- the text ---- */

/* X(name, type, how, value, help); n is a struct watch_numbers. */
#define NUMBERS(X)                                                             \
    X("cohort_job_rows_requested", GAUGE, sample, n->ledger.requested,         \
      "rows asked for")                                                        \
    X("cohort_job_candidates_drawn_total", COUNTER, sample, n->ledger.drawn,   \
      "candidates drawn: accepted, rejected, dead, surplus and pending ones")  \
    X("cohort_job_rows_accepted_total", COUNTER, sample, n->ledger.accepted,   \
      "rows that count, on disk")                                              \
    X("cohort_job_candidates_rejected_total", COUNTER, sample,                 \
      n->ledger.rejected,                                                      \
      "candidates that did not fulfil the conditions, or "                     \
      "said what an earlier one says")                                         \
    X("cohort_job_candidates_dead_total", COUNTER, sample, n->ledger.dead,     \
      "candidates given up")                                                   \
    X("cohort_job_candidates_surplus", GAUGE, sample, n->ledger.surplus,       \
      "good candidates beyond the last row asked for")                         \
    X("cohort_job_candidates_pending", GAUGE, sample, n->ledger.pending,       \
      "candidates that are undecided, or an earlier one is")                   \
    X("cohort_job_rows_per_second", GAUGE, sample, n->rate,                    \
      "rows accepted a second, over the last 4 s")                             \
    X("cohort_job_eta_seconds", GAUGE, sample, n->eta_s,                       \
      "time left at that rate; 0 when it is 0")                                \
    X("cohort_job_tasks_out", GAUGE, sample, n->out,                           \
      "tasks with brokers and workers")                                        \
    X("cohort_job_tasks_ready", GAUGE, sample, n->ready,                       \
      "tasks to be published again, at once or later")                         \
    X("cohort_job_owner_number", GAUGE, sample, n->owner,                      \
      "how often the job was taken over or resumed, from 1")                   \
    X("cohort_job_moved_timestamp_seconds", GAUGE, milli,                      \
      (uint64_t)n->moved_ms,                                                   \
      "when the ledger last changed, seconds since "                           \
      "1970")

static void
put_state(const struct watch_metrics *m, const struct watch_numbers *n,
          struct co_buf *out)
{
    static const char *const states[] = {"running", "stopping", "complete",
                                         "partial", "stopped",  "failed"};
    const char *const info[] = {"job_id",  m->job,     "name",
                                m->name,   "kind",     m->kind,
                                "service", m->service, NULL};
    const char *const why[] = {"job_id", m->job, "why", n->why_code, NULL};

    co_metrics_family(out, "cohort_job_info", CO_METRICS_GAUGE,
                      "1; its labels say which job");
    co_metrics_sample(out, "cohort_job_info", info, 1);
    co_metrics_family(out, "cohort_job_state", CO_METRICS_GAUGE,
                      "1 for the state that the job is in, 0 for the others");
    for (size_t i = 0; i < co_countof(states); i++) {
        const char *const labels[] = {"job_id", m->job, "state", states[i],
                                      NULL};

        co_metrics_sample(out, "cohort_job_state", labels,
                          strcmp(states[i], n->state) == 0);
    }
    co_metrics_family(out, "cohort_job_waits", CO_METRICS_GAUGE,
                      "1; its label says why nothing more is published now");
    co_metrics_sample(out, "cohort_job_waits", why, 1);
}

static void
put_numbers(const struct watch_metrics *m, const struct watch_numbers *n,
            const struct engine_counters *c, struct co_buf *out)
{
    const char *const job[] = {"job_id", m->job, NULL};

#define X(name, type, how, value, help)                                        \
    co_metrics_family(out, name, CO_METRICS_##type, help);                     \
    co_metrics_##how(out, name, job, value);
    NUMBERS(X)
#undef X
#define X(field, help)                                                         \
    co_metrics_family(out, "cohort_engine_" #field "_total",                   \
                      CO_METRICS_COUNTER, help);                               \
    co_metrics_sample(out, "cohort_engine_" #field "_total", job, c->field);
    ENGINE_COUNTER_LIST(X)
#undef X
}

static void
put_redis(struct watch_redis *redis, struct co_buf *out)
{
    struct co_redis_counters c;

    watch_redis_counters(redis, &c);
    co_metrics_redis(out, &c);
}

void
watch_metrics_job(struct watch_metrics *m, const struct watch_numbers *n,
                  const struct engine_counters *counters,
                  struct watch_redis *redis, int64_t now_ms)
{
    const struct endpoint_state *endpoints;
    size_t n_endpoints;
    uint64_t redis_us;

    if (!co_metrics_due(m->http, now_ms) && m->state == n->state) return;
    m->state = n->state;
    co_buf_clear(&m->text);
    co_metrics_process(&m->text, CO_PROGRAM "-coordinator", COHORT_VERSION);
    put_state(m, n, &m->text);
    put_numbers(m, n, counters, &m->text);
    watch_metrics_money(m->job, n->money, &m->text);
    endpoints = watch_redis_endpoints(redis, &n_endpoints, &redis_us);
    watch_metrics_endpoints(endpoints, n_endpoints, redis_us, &m->text);
    put_redis(redis, &m->text);
    co_metrics_publish(m->http, &m->text, now_ms);
}
