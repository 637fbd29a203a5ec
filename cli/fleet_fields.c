/* fleet_fields.c - see fleet_fields.h. */
#include "cli/fleet_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKER_FIELDS(T, N)                                                    \
    T(name)                                                                    \
    T(host)                                                                    \
    T(version)                                                                 \
    T(services)                                                                \
    T(state)                                                                   \
    N(pid)                                                                     \
    N(started_at)                                                              \
    N(capacity)                                                                \
    N(in_flight)                                                               \
    N(queued)                                                                  \
    N(results_kept)                                                            \
    N(done) N(failed) N(returned) N(resent) N(rss_bytes) N(cpu_pct)
#define BROKER_FIELDS(T, N)                                                    \
    T(host)                                                                    \
    T(version)                                                                 \
    T(state)                                                                   \
    N(pid)                                                                     \
    N(started_at)                                                              \
    N(workers)                                                                 \
    N(owners)                                                                  \
    N(jobs)                                                                    \
    N(queued)                                                                  \
    N(in_flight)                                                               \
    N(queued_bytes)                                                            \
    N(rss_bytes)                                                               \
    N(cpu_pct)                                                                 \
    N(redis_refused)                                                           \
    N(tasks_in)                                                                \
    N(tasks_out)                                                               \
    N(results_in)                                                              \
    N(results_out)                                                             \
    N(acks) N(returned) N(lost_worker_dead) N(workers_dead) N(malformed)
#define COORDINATOR_FIELDS(T, N)                                               \
    T(host)                                                                    \
    T(job) T(state) N(pid) N(redis_refused) N(redis_failed) N(redis_reconnects)
#define JOB_FIELDS(T, N)                                                       \
    T(name)                                                                    \
    T(kind)                                                                    \
    T(state)                                                                   \
    T(why)                                                                     \
    T(why_code)                                                                \
    T(host)                                                                    \
    T(folder)                                                                  \
    T(service)                                                                 \
    T(services)                                                                \
    N(owner)                                                                   \
    N(requested)                                                               \
    N(drawn)                                                                   \
    N(accepted)                                                                \
    N(rejected)                                                                \
    N(dead)                                                                    \
    N(surplus)                                                                 \
    N(pending)                                                                 \
    N(rows_per_s)                                                              \
    N(eta_s)                                                                   \
    N(tasks_out)                                                               \
    N(tasks_ready)                                                             \
    N(retried)                                                                 \
    T(settled_usd)                                                             \
    T(unknown_usd)                                                             \
    T(reserved_usd)                                                            \
    T(budget_usd)                                                              \
    T(row_usd)                                                                 \
    T(usd_per_min)                                                             \
    T(calls)                                                                   \
    N(calls_lost)                                                              \
    N(calls_cached)                                                            \
    N(rows_written)                                                            \
    N(rows_degraded)                                                           \
    N(rows_built_in)                                                           \
    N(rows_degraded_budget)                                                    \
    N(lost) N(failed) N(salvaged) N(duplicate) N(updated_at) N(moved_at)

#define T(f) {#f, offsetof(struct OF, f), sizeof(((struct OF *)0)->f)},
#define N(f) {#f, offsetof(struct OF, f), 0},
#define OF fleet_worker
static const struct fleet_field workers[] = {WORKER_FIELDS(T, N)};
const struct fleet_fields fleet_fields_worker = {workers, co_countof(workers)};
#undef OF
#define OF fleet_broker
static const struct fleet_field brokers[] = {BROKER_FIELDS(T, N)};
const struct fleet_fields fleet_fields_broker = {brokers, co_countof(brokers)};
#undef OF
#define OF fleet_coordinator
static const struct fleet_field coordinators[] = {COORDINATOR_FIELDS(T, N)};
const struct fleet_fields fleet_fields_coordinator = {coordinators,
                                                      co_countof(coordinators)};
#undef OF
#define OF fleet_job
static const struct fleet_field jobs[] = {JOB_FIELDS(T, N)};
const struct fleet_fields fleet_fields_job = {jobs, co_countof(jobs)};
#undef OF
#undef T
#undef N

static void
set_field(const struct fleet_field *f, const char *value, void *to)
{
    char *at = (char *)to + f->offset;

    if (f->size) {
        (void)snprintf(at, f->size, "%s", value);
    } else {
        uint64_t number = strtoull(value, NULL, 10);

        memcpy(at, &number, sizeof number);
    }
}

void
fleet_fields_take(const struct co_redis_reply *hash,
                  const struct fleet_fields *fields, void *to)
{
    for (size_t i = 0; i + 1 < hash->count; i += 2) {
        const struct co_redis_reply *key = &hash->elements[i];
        const struct co_redis_reply *value = &hash->elements[i + 1];

        if (key->type != CO_REDIS_TEXT || value->type != CO_REDIS_TEXT) {
            continue;
        }
        for (size_t k = 0; k < fields->n; k++) {
            if (strcmp(key->text, fields->v[k].name) != 0) continue;
            set_field(&fields->v[k], value->text, to);
            break;
        }
    }
}
