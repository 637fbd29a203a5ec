/* fleet_state.h - everything a namespace tells about itself, read from its
 * Redis in three exchanges (docs/redis-keys.md): who is alive, what waits,
 * how the jobs stand. Who has no hash is not alive, and what a broker that is
 * gone left in a queue does not count. Times are by the clock of Redis, so
 * that a reader's own clock does not matter. Reads only; every list is cut at
 * its limit, and the whole number is told. One thread. */
#pragma once
#include "common/redis.h"

enum {
    FLEET_WORKERS_MAX = 1000,
    FLEET_BROKERS_MAX = 64,
    FLEET_COORDINATORS_MAX = 256,
    FLEET_QUEUES_MAX = 64,
    FLEET_JOBS_MAX = 256,
};

#define FLEET_NO_RATE UINT64_MAX /* per_s: there was no earlier reading */

struct fleet_worker {
    char id[20], name[130], host[66], version[32], services[260], state[16];
    uint64_t pid, started_at, capacity, in_flight, queued, results_kept;
    uint64_t done, failed, returned, resent, rss_bytes, cpu_pct;
    uint64_t beat_at, per_s, up_ms; /* per_s: tasks done */
};

struct fleet_broker {
    char id[130], host[66], version[32], state[16];
    uint64_t pid, started_at, workers, owners, jobs, queued, in_flight;
    uint64_t queued_bytes, rss_bytes, cpu_pct, redis_refused;
    uint64_t tasks_in, tasks_out, results_in, results_out, acks;
    uint64_t returned, lost_worker_dead, workers_dead, malformed;
    uint64_t beat_at, per_s, up_ms; /* per_s: tasks handed out */
};

struct fleet_coordinator {
    char id[130], host[66], job[20], state[16];
    uint64_t pid, redis_refused, redis_failed, redis_reconnects;
};

/* Sums over the brokers and coordinators that are alive. */
struct fleet_queue {
    char service[260];
    unsigned brokers; /* that know the service */
    uint64_t backlog, remaining, queued, in_flight, capacity, workers;
    uint64_t tasks_in, results;
    uint64_t oldest_ms; /* the largest */
    uint64_t desired;   /* workers, by the scaler; FLEET_NO_RATE: none */
    uint64_t actual, scale_at;
    char reason[100];
    uint64_t beat_at, per_s; /* per_s: results */
};

struct fleet_job {
    char id[20], name[130], kind[20], state[16], why[320], why_code[20];
    char host[66], folder[1024], service[260];
    char services[600]; /* of all its providers, separated by commas; "": of an
                         * older coordinator, which tells of the first */
    uint64_t owner, requested, drawn, accepted, rejected, dead, surplus;
    uint64_t pending, rows_per_s, eta_s, tasks_out, tasks_ready;
    uint64_t retried, lost, failed, salvaged, duplicate;
    /* Of jobs that pay for calls; "": they do not, or nobody knows. */
    char settled_usd[32], unknown_usd[32], reserved_usd[32], budget_usd[32];
    char row_usd[32], usd_per_min[32], calls[24];
    uint64_t calls_lost, calls_cached, rows_written;
    uint64_t rows_degraded, rows_built_in; /* by a fallback; of these */
    uint64_t rows_degraded_budget;         /* the same, for want of money */
    uint64_t updated_at, moved_at; /* ms since 1970, by its coordinator */
    uint64_t begun_at;             /* score in `jobs` */
    uint64_t permille;             /* of the rows asked for, rounded down */
    bool lease;                    /* owner:job:ID stands */
};

/* Of a job that pays for calls. USD: exact decimals, "" not known, of the cap:
 * none. */
struct fleet_money {
    char id[20], name[130];
    char settled[32], unknown[32], reserved[32], cap[32], minute[32], row[32];
    uint64_t calls, cached, lost, written;
};

/* Of a model; shared by all fleets that call it. */
struct fleet_endpoint {
    char id[20], provider[34], url[200];
    char state[24]; /* closed, open 20 s, half-open, waits 5 s, rate used, full
                     */
    uint64_t held, ceiling;
    uint64_t requests, rpm, tokens, tpm; /* limits: FLEET_NO_RATE: none */
    uint64_t latency_us, calls, refusals, errors, workers;
    bool shut; /* no call may start */
};

/* A list, and how many there are in all. */
#define FLEET_LIST(type)                                                       \
    struct {                                                                   \
        struct type *v;                                                        \
        size_t n, all;                                                         \
    }

struct fleet_state {
    int64_t now_ms;  /* by Redis */
    char schema[16]; /* "" when no coordinator wrote it yet */
    FLEET_LIST(fleet_worker) workers;
    FLEET_LIST(fleet_broker) brokers;
    FLEET_LIST(fleet_coordinator) coordinators;
    FLEET_LIST(fleet_queue) queues;
    FLEET_LIST(fleet_job) jobs;    /* newest first */
    FLEET_LIST(fleet_money) money; /* of those that pay, in the same order */
    FLEET_LIST(fleet_endpoint) endpoints; /* fleet_limits.h fills it */
};

/* CO_DENIED: a command is not permitted, diag names it; else as of
 * co_redis_call. The client is only good for close after any other error. */
co_must_use enum co_err fleet_state_read(struct co_redis_client *client,
                                         const char *name_space,
                                         struct fleet_state **ret_state,
                                         struct co_diag *diag);
void fleet_state_free(struct fleet_state *s);
CO_DEFINE_FREEP(struct fleet_state, fleet_state_free)

/* Fills the per_s of `now` from what stood in `before`, an earlier reading. */
void fleet_state_rates(struct fleet_state *now,
                       const struct fleet_state *before);

/* NULL when there is none of this id. */
const struct fleet_job *fleet_state_job(const struct fleet_state *s,
                                        const char *id);
const struct fleet_queue *fleet_state_queue(const struct fleet_state *s,
                                            const char *service);
const struct fleet_coordinator *
fleet_state_coordinator_of(const struct fleet_state *s, const char *job);

/* Over a worker's list: does it name the service? */
bool fleet_worker_serves(const struct fleet_worker *w, const char *service);
/* running or stopping: its coordinator should be alive. */
bool fleet_job_runs(const struct fleet_job *j);
