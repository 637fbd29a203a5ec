/* fleet_questions.c - what is asked of a fleet_state.h that was read. */
#include "cli/fleet_state.h"

#include <string.h>
#include <strings.h>

/* ---- rates ---- */

static uint64_t
rate(uint64_t n, uint64_t before, uint64_t at, uint64_t before_at)
{
    return n > before && at > before_at ? (n - before) * 1000 / (at - before_at)
                                        : 0;
}

/* Both lists are in nearly the same order: looking begins at the same place. */
#define RATES(now, before, list, key, count)                                   \
    for (size_t i = 0; i < (now)->list.n; i++) {                               \
        for (size_t k = 0; k < (before)->list.n; k++) {                        \
            size_t at = (i + k) % (before)->list.n;                            \
            if (strcmp((now)->list.v[i].key, (before)->list.v[at].key) != 0) { \
                continue;                                                      \
            }                                                                  \
            (now)->list.v[i].per_s =                                           \
                rate((now)->list.v[i].count, (before)->list.v[at].count,       \
                     (now)->list.v[i].beat_at, (before)->list.v[at].beat_at);  \
            break;                                                             \
        }                                                                      \
    }

void
fleet_state_rates(struct fleet_state *now, const struct fleet_state *before)
{
    RATES(now, before, workers, id, done)
    RATES(now, before, brokers, id, tasks_out)
    RATES(now, before, queues, service, results)
}

/* ---- one of them ---- */

const struct fleet_job *
fleet_state_job(const struct fleet_state *s, const char *id)
{
    for (size_t i = 0; i < s->jobs.n; i++) {
        if (strcasecmp(s->jobs.v[i].id, id) == 0) return &s->jobs.v[i];
    }
    return NULL;
}

const struct fleet_queue *
fleet_state_queue(const struct fleet_state *s, const char *service)
{
    for (size_t i = 0; i < s->queues.n; i++) {
        if (strcmp(s->queues.v[i].service, service) == 0) {
            return &s->queues.v[i];
        }
    }
    return NULL;
}

const struct fleet_coordinator *
fleet_state_coordinator_of(const struct fleet_state *s, const char *job)
{
    for (size_t i = 0; i < s->coordinators.n; i++) {
        if (strcasecmp(s->coordinators.v[i].job, job) == 0) {
            return &s->coordinators.v[i];
        }
    }
    return NULL;
}

bool
fleet_worker_serves(const struct fleet_worker *w, const char *service)
{
    size_t len = strlen(service);
    const char *at = w->services;

    while (*at) {
        size_t n = strcspn(at, ",");

        if (n == len && strncmp(at, service, n) == 0) return true;
        at += n + (at[n] == ',');
    }
    return false;
}

bool
fleet_job_runs(const struct fleet_job *j)
{
    return strcmp(j->state, "running") == 0 ||
           strcmp(j->state, "stopping") == 0;
}
