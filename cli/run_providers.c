/* run_providers.c - see run_providers.h. */
#include "cli/run_providers.h"

#include "cli/open_job.h"
#include "common/fs.h"
#include "llm/http.h"
#include "llm/recorded.h"
#include "llm/secret.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Without its key a worker would leave the provider out, and rows of an arm
 * would wait for ever. */
static enum co_err
check_keys(const struct job_spec *spec, const struct providers_entry *entry,
           struct co_diag *diag)
{
    for (uint32_t i = 0; i < entry->n_endpoints; i++) {
        const struct providers_endpoint *e = &entry->endpoints[i];
        struct secret secret;
        enum co_err err;

        if (!e->key_env[0] && !e->key_file[0]) continue;
        err = secret_load(e->key_env[0] ? e->key_env : NULL,
                          e->key_file[0] ? e->key_file : NULL, "key_env",
                          &secret, diag);
        if (err) {
            return co_fail_prefix(diag, err, "%s:%u: provider %s", spec->file,
                                  entry->line, entry->name);
        }
        secret_forget(&secret);
    }
    return CO_OK;
}

/* A worker that cannot record leaves the provider out. */
static enum co_err
check_record(const struct job_spec *spec, const struct providers_entry *entry,
             struct co_diag *diag)
{
    co_auto(co_fs_closep) int fd = -1;
    enum co_err err;

    if (!entry->record_file[0]) return CO_OK;
    err = recorded_open(entry->record_file, &fd, diag);
    if (!err) return CO_OK;
    return co_fail_prefix(diag, err, "%s:%u: provider %s: record", spec->file,
                          entry->line, entry->name);
}

static bool
is_installed(const char *program)
{
    const char *at = getenv("PATH"), *end;

    for (; at && *at; at = *end ? end + 1 : end) {
        char path[PATH_MAX];
        int n;

        end = at + strcspn(at, ":");
        n = snprintf(path, sizeof path, "%.*s/%s", (int)(end - at), at,
                     program);
        if (n < (int)sizeof path && access(path, X_OK) == 0) return true;
    }
    return false;
}

/* Limits a minute hold for all workers together, by way of Redis: without one
 * the workers that are started here would never call, or too often. */
static enum co_err
check_limits(const struct job_spec *spec, const struct providers_entry *entry,
             const struct run_providers_where *where, struct co_diag *diag)
{
    if (where->has_redis || !providers_has_rates(entry)) return CO_OK;
    if (where->has_brokers) {
        return co_fail(diag, CO_USAGE,
                       "%s:%u: provider %s has limits a minute, which workers "
                       "share by way of Redis: give the --redis URL of that "
                       "fleet, or leave --workers out to use its own",
                       spec->file, entry->line, entry->name);
    }
    if (is_installed("redis-server")) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "%s:%u: provider %s has limits a minute, which workers "
                   "share by way of Redis, and there is no redis-server in "
                   "PATH: install it (apt-get install redis-server), or name "
                   "a running one with --redis URL",
                   spec->file, entry->line, entry->name);
}

enum co_err
run_providers_check(const struct job_spec *spec,
                    const struct run_providers_where *where,
                    struct co_diag *diag)
{
    const struct providers_entry *v[PROVIDERS_MAX];
    const uint32_t n = spec_providers(spec, v);
    enum co_err err = CO_OK;

    for (uint32_t i = 0; i < n && !err; i++) {
        err = check_keys(spec, v[i], diag);
    }
    if (!err) err = open_job_check_replay(spec, diag);
    for (uint32_t i = 0; i < n && !err; i++) {
        err = check_record(spec, v[i], diag);
        if (!err) err = check_limits(spec, v[i], where, diag);
    }
    return err;
}

uint64_t
run_providers_slots(const struct job_spec *spec, uint64_t workers)
{
    const struct providers_entry *v[PROVIDERS_MAX];
    const uint32_t n = spec_providers(spec, v);
    uint64_t most = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (!v[i]->limits.in_flight) return 0;
        most = co_max_u64(most,
                          (uint64_t)v[i]->limits.in_flight * v[i]->n_endpoints);
    }
    if (!most || !workers) return 0;
    return co_min_u64((most + workers - 1) / workers, HTTP_IN_FLIGHT_MAX);
}

void
run_providers_key_env(const struct job_spec *spec,
                      const char *ret[RUN_PROVIDERS_KEYS_MAX + 1])
{
    const struct providers *p = spec->providers;
    size_t n = 0;

    for (uint32_t i = 0; p && i < p->n; i++) {
        for (uint32_t k = 0; k < p->entries[i].n_endpoints; k++) {
            const char *name = p->entries[i].endpoints[k].key_env;

            if (name[0]) ret[n++] = name;
        }
    }
    ret[n] = NULL;
}
