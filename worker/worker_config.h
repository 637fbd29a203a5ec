/* worker_config.h - the options of cohort-worker, from one table. Read once. */
#pragma once
#include "common/options.h"
#include "proto/keyring.h"
#include "worker/service.h"

enum { WORKER_PROCESSES_MAX = 1024, WORKER_SLOTS_MAX = 1024 };
/* No service has more slots of its own, and no http more calls in flight. */
enum { WORKER_LLM_SLOTS_MAX = 60000 };

struct worker_config {
    struct co_option_list brokers;  /* endpoints */
    struct co_option_list services; /* empty: all that can be served */
    struct co_option_list tags;
    struct co_option_list crash_rows, fail_rows; /* for tests */
    struct keyring_options keys;
    const char *redis; /* URL, NULL: no heartbeat there */
    bool redis_insecure;
    const char *ns;    /* of the Redis keys */
    const char *name;  /* NULL: host-pid */
    const char *data;  /* folder of the model, NULL: search */
    const char *spill; /* folder, NULL: spill_open chooses */
    uint64_t spill_bytes;
    const char *processes;                 /* as given: N, auto or MIN..MAX */
    uint32_t processes_min, processes_max; /* worker_config_check */
    const char *id_text;        /* given by a supervisor; NULL: none */
    uint64_t id;                /* the same as a number */
    const char *limits_id_text; /* the same of who stands in the limits */
    uint64_t limits_id;
    const char *supervisor; /* its id; NULL: started by itself */
    uint64_t slots;
    const char *providers;  /* file, NULL: no model is called from here */
    uint64_t llm_slots;     /* calls in flight to each provider */
    uint64_t result_memory; /* bytes */
    uint64_t drain_ms;      /* patience of a drain */
    uint64_t lifeline;      /* descriptor, 0: none given */
    const char *log;        /* file, NULL: stderr */
    int log_level;
};

/* CO_USAGE with a message. *ret_options owns the strings of config. */
co_must_use enum co_err worker_config_load(int argc, char *const *argv,
                                           struct worker_config *config,
                                           struct co_options **ret_options,
                                           struct co_diag *diag);
/* CO_USAGE: not a number. */
co_must_use enum co_err worker_config_traps(const struct worker_config *config,
                                            struct row_traps *ret_traps,
                                            struct co_diag *diag);
/* What the parser cannot check; sets processes_min and _max. CO_USAGE without a
 * broker, with numbers of processes that make no sense, with an endpoint that
 * must not be used, or with keys that cannot be. */
co_must_use enum co_err worker_config_check(struct worker_config *config,
                                            struct co_diag *diag);
/* Whether the number of processes follows the scaler (MIN < MAX). */
bool worker_config_elastic(const struct worker_config *config);
/* The keys that the options name. */
co_must_use enum co_err worker_config_keys(const struct worker_config *config,
                                           struct keyring *ret_ring,
                                           struct co_diag *diag);
/* The descriptor that tells when the starter is gone: --lifeline, else the
 * one of the environment (common/lifeline.h), else -1. Call once. */
int worker_config_lifeline(const struct worker_config *config);
