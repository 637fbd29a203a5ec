/* run_providers.h - what `cohort run` looks at before it starts workers that
 * call models: whether they could. Of all providers that may write for the job,
 * those of its arms and the fallbacks too: what is wrong with one of them is
 * better said now than found in a worker's log when its turn comes. */
#pragma once
#include "job/spec.h"

enum {
    RUN_PROVIDERS_KEYS_MAX = PROVIDERS_MAX * PROVIDERS_ENDPOINTS_MAX,
};

struct run_providers_where {
    bool has_redis;   /* --redis names one */
    bool has_brokers; /* the broker is a running one */
};

/* That keys are there, recorded answers can be played and answers recorded, and
 * that there is a Redis where limits a minute need one. CO_OK for a job without
 * providers. diag names the file, the line and the provider. */
co_must_use enum co_err
run_providers_check(const struct job_spec *spec,
                    const struct run_providers_where *where,
                    struct co_diag *diag);
/* Calls at once of each worker process, so that all of them have as many as
 * the endpoints of the busiest provider take; 0: that is not known. */
uint64_t run_providers_slots(const struct job_spec *spec, uint64_t workers);
/* The variables of the keys, of all providers in the file: a worker may
 * announce each of them. Ends with NULL. Borrowed from spec. */
void run_providers_key_env(const struct job_spec *spec,
                           const char *ret[RUN_PROVIDERS_KEYS_MAX + 1]);
