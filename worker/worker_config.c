/* worker_config.c - see worker_config.h. */
#include "worker/worker_config.h"

#include "common/lifeline.h"
#include "common/program_options.h"
#include "llm/http.h"
#include "llm/providers.h"
#include "proto/msg.h"
#include "worker/slots.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)WORKER_LLM_SLOTS_MAX <= (int)HTTP_IN_FLIGHT_MAX &&
                   (int)WORKER_LLM_SLOTS_MAX <= (int)SLOTS_OWN_MAX,
               "each slot is a call");

#define FIELD(f) offsetof(struct worker_config, f)

static const struct co_option table[] = {
    {.name = "broker",
     .type = CO_OPTION_LIST,
     .offset = FIELD(brokers),
     .max = SLOTS_LINKS_MAX,
     .placeholder = "ENDPOINT",
     .help = "a broker's back address (repeat for several)"},
    KEYRING_KEY_OPTION,
    KEYRING_OTHERS_OPTION("broker-key", "broker"),
    CO_REDIS_OPTIONS(FIELD(redis), FIELD(redis_insecure),
                     "where to tell that this worker lives"),
    CO_NAMESPACE_OPTION(FIELD(ns)),
    {.name = "processes",
     .letter = 'n',
     .type = CO_OPTION_STRING,
     .offset = FIELD(processes),
     .def = "1",
     .min = 1,
     .max = 32,
     .placeholder = "N",
     .help = "worker processes; 0: one a core; MIN..MAX: as many as the "
             "scaler asks for (needs --redis); auto: 1..cores"},
    {.name = "slots",
     .type = CO_OPTION_U64,
     .offset = FIELD(slots),
     .def = "1",
     .min = 1,
     .max = WORKER_SLOTS_MAX,
     .placeholder = "N",
     .help = "tasks that run at once in a process"},
    {.name = "providers",
     .type = CO_OPTION_STRING,
     .offset = FIELD(providers),
     .placeholder = "FILE",
     .help = "YAML with the LLM providers that are called from here (a job "
             "file, too); their keys come from the environment or files"},
    {.name = "llm-slots",
     .type = CO_OPTION_U64,
     .offset = FIELD(llm_slots),
     .def = "256",
     .min = 1,
     .max = WORKER_LLM_SLOTS_MAX,
     .placeholder = "N",
     .help = "calls in flight at once to each provider, beside --slots"},
    {.name = "services",
     .type = CO_OPTION_LIST,
     .offset = FIELD(services),
     .max = SLOTS_SERVICES_MAX,
     .placeholder = "NAME",
     .help = "serve only these (default: all that can be served)"},
    {.name = "tags",
     .type = CO_OPTION_LIST,
     .offset = FIELD(tags),
     .max = NAMES_MAX,
     .placeholder = "TAG",
     .help = "offered to jobs that ask for them"},
    {.name = "data",
     .type = CO_OPTION_STRING,
     .offset = FIELD(data),
     .placeholder = "DIR",
     .help = "folder of the population model"},
    {.name = "spill",
     .type = CO_OPTION_STRING,
     .offset = FIELD(spill),
     .placeholder = "DIR",
     .help = "where results go that do not fit in memory (default: below "
             "$TMPDIR, /var/tmp or /tmp, when first needed)"},
    {.name = "spill-max",
     .type = CO_OPTION_SIZE,
     .offset = FIELD(spill_bytes),
     .def = "4GiB",
     .min = 1024ull * 1024,
     .help = "most bytes on disk there"},
    {.name = "result-memory",
     .type = CO_OPTION_SIZE,
     .offset = FIELD(result_memory),
     .def = "64MiB",
     .min = 4096,
     .help = "results kept in memory until acknowledged"},
    {.name = "drain-timeout",
     .type = CO_OPTION_DURATION,
     .offset = FIELD(drain_ms),
     .def = "30s",
     .help = "after this a drain hands everything back"},
    {.name = "name",
     .type = CO_OPTION_STRING,
     .offset = FIELD(name),
     .min = 1,
     .max = NAME_BYTES_MAX - 16,
     .placeholder = "NAME",
     .help = "name for people (default: host-pid)",
     .no_env = true},
    {.name = "id",
     .type = CO_OPTION_STRING,
     .offset = FIELD(id_text),
     .min = 16,
     .max = 16,
     .placeholder = "HEX",
     .help = "id in Redis and on the wire (a supervisor gives it)",
     .no_env = true},
    {.name = "limits-id",
     .type = CO_OPTION_STRING,
     .offset = FIELD(limits_id_text),
     .min = 16,
     .max = 16,
     .placeholder = "HEX",
     .help = "as whom it stands in the limits of endpoints: one that follows a "
             "dead process takes its places over (who starts it gives it)",
     .no_env = true},
    {.name = "supervisor",
     .type = CO_OPTION_STRING,
     .offset = FIELD(supervisor),
     .placeholder = "ID",
     .help = "who started this process (a supervisor gives it)",
     .no_env = true},
    {.name = "crash-rows",
     .type = CO_OPTION_LIST,
     .offset = FIELD(crash_rows),
     .max = ROW_TRAPS_MAX,
     .placeholder = "ROW",
     .help = "for tests: die when this candidate is to be made",
     .no_env = true},
    {.name = "fail-rows",
     .type = CO_OPTION_LIST,
     .offset = FIELD(fail_rows),
     .max = ROW_TRAPS_MAX,
     .placeholder = "ROW",
     .help = "for tests: fail when this candidate is to be made",
     .no_env = true},
    CO_LIFELINE_OPTION(FIELD(lifeline)),
    CO_LOG_OPTIONS(FIELD(log), FIELD(log_level)),
};

static const struct co_options_spec spec = {
    .program = CO_PROGRAM "-worker",
    .usage = "[OPTIONS]",
    .about = "Takes tasks from brokers, runs them, and keeps each result "
             "until it is on disk at its owner. SIGTERM drains, a second "
             "SIGTERM or SIGINT hands everything back at once.",
    .version = CO_PROGRAM "-worker " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
};

enum co_err
worker_config_load(int argc, char *const *argv, struct worker_config *config,
                   struct co_options **ret_options, struct co_diag *diag)
{
    return co_options_parse(&spec, argc, argv, config, ret_options, diag);
}

static enum co_err
read_rows(const struct co_option_list *list, const char *option, uint64_t *rows,
          uint32_t *ret_n, struct co_diag *diag)
{
    for (size_t i = 0; i < list->count; i++) {
        char *end;

        rows[i] = strtoull(list->items[i], &end, 10);
        if (*end || end == list->items[i]) {
            return co_fail(diag, CO_USAGE, "--%s %s: a row's index is needed",
                           option, list->items[i]);
        }
    }
    *ret_n = (uint32_t)list->count;
    return CO_OK;
}

enum co_err
worker_config_traps(const struct worker_config *config,
                    struct row_traps *ret_traps, struct co_diag *diag)
{
    enum co_err err = read_rows(&config->crash_rows, "crash-rows",
                                ret_traps->crash, &ret_traps->n_crash, diag);

    return err ? err
               : read_rows(&config->fail_rows, "fail-rows", ret_traps->fail,
                           &ret_traps->n_fail, diag);
}

static uint32_t
cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1                      ? 1
           : n > WORKER_PROCESSES_MAX ? WORKER_PROCESSES_MAX
                                      : (uint32_t)n;
}

/* Digits up to end; false: something else, or too many. */
static bool
read_count(const char *text, const char *end, uint32_t *ret)
{
    uint64_t n = 0;

    if (text == end) return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') return false;
        n = n * 10 + (uint64_t)(*text - '0');
        if (n > WORKER_PROCESSES_MAX) return false;
    }
    *ret = (uint32_t)n;
    return true;
}

static bool
read_processes(struct worker_config *c)
{
    const char *text = c->processes, *end = text + strlen(text);
    const char *dots = strstr(text, "..");

    if (strcmp(text, "auto") == 0) {
        c->processes_min = 1;
        /* One core: still worth a second process that waits elsewhere. */
        c->processes_max = cores() > 1 ? cores() : 2;
        return true;
    }
    if (dots) {
        return read_count(text, dots, &c->processes_min) &&
               read_count(dots + 2, end, &c->processes_max) &&
               c->processes_min < c->processes_max;
    }
    if (!read_count(text, end, &c->processes_min)) return false;
    if (!c->processes_min) c->processes_min = cores();
    c->processes_max = c->processes_min;
    return true;
}

bool
worker_config_elastic(const struct worker_config *config)
{
    return config->processes_min < config->processes_max;
}

/* Each process alone would use all of it. */
static enum co_err
check_shared(const struct worker_config *config, struct co_diag *diag)
{
    struct providers *providers = NULL;
    enum co_err err;

    if (!config->providers || config->redis || config->processes_max == 1) {
        return CO_OK;
    }
    err = providers_load(config->providers, &providers, diag);
    if (err == CO_NOTFOUND) return CO_OK;
    for (uint32_t i = 0; !err && i < providers->n; i++) {
        if (!providers_has_rates(&providers->entries[i])) continue;
        err = co_fail(diag, CO_USAGE,
                      "--processes %s: provider %s has limits a minute, which "
                      "processes share by way of Redis: give --redis URL, or "
                      "--processes 1",
                      config->processes, providers->entries[i].name);
    }
    free(providers);
    return err;
}

/* text NULL: not given. */
static enum co_err
read_id(const char *option, const char *text, uint64_t *ret_id,
        struct co_diag *diag)
{
    char *end;

    if (!text) return CO_OK;
    *ret_id = strtoull(text, &end, 16);
    if (!*end && *ret_id) return CO_OK;
    return co_fail(diag, CO_USAGE, "--%s: 16 hex digits, not 0", option);
}

enum co_err
worker_config_check(struct worker_config *config, struct co_diag *diag)
{
    bool keys = keyring_wanted(&config->keys);
    struct keyring ring;
    enum co_err err;

    if (config->brokers.count == 0) {
        return co_fail(diag, CO_USAGE,
                       "no broker given: pass --broker ENDPOINT, the back "
                       "address that the broker prints at start");
    }
    if (!read_processes(config)) {
        return co_fail(diag, CO_USAGE,
                       "--processes: found \"%s\"; allowed is a number from 0 "
                       "to %d, MIN..MAX with MIN below MAX, or auto",
                       config->processes, WORKER_PROCESSES_MAX);
    }
    if (worker_config_elastic(config) && !config->redis) {
        return co_fail(diag, CO_USAGE,
                       "--processes %s follows the scaler, whose wish stands "
                       "in Redis: give --redis URL, or a fixed number",
                       config->processes);
    }
    err = read_id("id", config->id_text, &config->id, diag);
    if (!err) {
        err = read_id("limits-id", config->limits_id_text, &config->limits_id,
                      diag);
    }
    if (err) return err;
    for (size_t i = 0; i < config->brokers.count; i++) {
        if (sock_allowed(config->brokers.items[i], keys, diag)) return CO_USAGE;
    }
    err = worker_config_keys(config, &ring, diag);
    if (!err) keyring_forget(&ring);
    return err ? err : check_shared(config, diag);
}

enum co_err
worker_config_keys(const struct worker_config *config, struct keyring *ret_ring,
                   struct co_diag *diag)
{
    return keyring_load(&config->keys, KEY_WORKER, config->brokers.count,
                        KEY_BROKER, "broker-key", ret_ring, diag);
}

int
worker_config_lifeline(const struct worker_config *config)
{
    int inherited = co_lifeline_adopt();
    int fd = (int)config->lifeline;

    if (fd == 0) return inherited;
    /* Children get a lifeline of their own. */
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}
