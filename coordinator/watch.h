/* watch.h - tells people how a job goes: lines of JSON on a descriptor for the
 * command that started us, and the keys of docs/redis-keys.md. Never holds the
 * job up: Redis is behind its own thread, a full pipe skips a line. */
#pragma once
#include "coordinator/engine.h"

struct watch; /* opaque */

struct watch_options {
    int status_fd;         /* lines of JSON; -1: none */
    const char *redis_url; /* NULL: none */
    bool redis_insecure;
    const char *name_space; /* of the keys */
    int64_t scale_quiet_ms; /* quiet window of the scaler; 0: run none */
    uint64_t rows_per_task; /* about; to say how many tasks remain */
    const char *metrics;    /* where /metrics is served; NULL: nowhere */
    bool metrics_insecure;
    uint64_t job;
    const char *job_name, *kind, *folder;
    const char *service; /* plain; each provider has a lane of it */
    /* Those that may write for the job, n_providers of them; 0: none. */
    const char *const *providers;
    uint32_t n_providers;
    uint64_t rows_per_item; /* rows the ledger counts in; 1 */
};

co_must_use enum co_err watch_new(const struct watch_options *options,
                                  struct watch **ret_watch,
                                  struct co_diag *diag);
/* What has to be known to say anything. The engine is borrowed until
 * watch_engine_gone (which keeps its counters), the rest until watch_free. */
void watch_engine(struct watch *w, const struct engine *e,
                  const struct job_kind *kind, const void *state,
                  uint32_t owner);
void watch_engine_gone(struct watch *w);
/* Call often; does something 4 times a second. */
void watch_tick(struct watch *w, int64_t now_us);
/* A change of the job's state: "running", "stopping", "complete" ... */
void watch_state(struct watch *w, const char *state, const char *why);
/* What stands in dead:JOB from now on; letters are borrowed until watch_free,
 * and grow by watch_letter. */
struct dead_file;
struct dead_letter;
void watch_letters(struct watch *w, const struct dead_file *letters);
void watch_letter(struct watch *w, const struct dead_letter *letter);
/* The exchange about caps over several jobs goes on with watch_tick; borrowed
 * until watch_free. */
struct purse_redis;
void watch_purse(struct watch *w, struct purse_redis *purse);
/* For poll; -1 without Redis. */
int watch_fd(const struct watch *w);
/* The last line: how it ended. extra is a JSON object or NULL. */
void watch_end(struct watch *w, int exit_status, const char *text,
               const char *extra);
void watch_free(struct watch *w);
CO_DEFINE_FREEP(struct watch, watch_free)
