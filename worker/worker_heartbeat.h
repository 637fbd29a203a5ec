/* worker_heartbeat.h - tells Redis once a second that this worker lives and
 * what it does (docs/redis-keys.md), and hears there when it is to drain and
 * how many tasks it is to run at once. Redis being away is no reason to stop.
 * Not thread-safe: belongs to the worker's loop. */
#pragma once
#include "worker/work.h"

struct worker_heartbeat; /* opaque */

struct worker_heartbeat_self {
    const char *url, *ns, *name;
    bool insecure;
    uint64_t incarnation;
    const char *services; /* separated by commas, SERVICE@PROVIDER */
    const struct slots_service *service_table;
    uint32_t n_services;
    const char *supervisor; /* id of the one that started it; NULL: none */
    const char *version;
    uint32_t slots;
    uint32_t llm_slots; /* calls that may be in flight, all providers */
};

/* Texts of self are borrowed for life. CO_INVALID, CO_DENIED: the URL. */
co_must_use enum co_err
worker_heartbeat_new(const struct worker_heartbeat_self *self,
                     struct worker_heartbeat **ret_heartbeat,
                     struct co_diag *diag);
/* Takes the worker off the list (waits for Redis at most 200 ms). */
void worker_heartbeat_free(struct worker_heartbeat *h);
CO_DEFINE_FREEP(struct worker_heartbeat, worker_heartbeat_free)
/* Readable when Redis has something to say; then call worker_heartbeat_read. */
int worker_heartbeat_fd(const struct worker_heartbeat *h);
void worker_heartbeat_read(struct worker_heartbeat *h);
/* Whether somebody asked this worker to drain (drain:ID). */
bool worker_heartbeat_drain(const struct worker_heartbeat *h);
/* Tasks that should run here at once (in_flight_max of its services' scale:,
 * the smallest); 0: nobody set a limit, or nobody renews it. */
uint32_t worker_heartbeat_limit(const struct worker_heartbeat *h);
/* Writes the worker's hash and its place in the list; asks about drain:ID
 * and the limit. */
void worker_heartbeat_write(struct worker_heartbeat *h,
                            const struct slots_stats *stats,
                            const struct work_usage *usage,
                            uint32_t llm_in_flight, uint64_t rss_bytes,
                            uint32_t cpu_permille);
