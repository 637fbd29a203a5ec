/* config.c - see config.h. */
#include "coordinator/config.h"

#include "common/metrics_options.h"
#include "common/program_options.h"
#include "job/budget.h"
#include "job/override_options.h"

#include <stdio.h>

#ifndef COHORT_VERSION
#error "COHORT_VERSION is defined by coordinator/CMakeLists.txt"
#endif

/* Four weeks: milliseconds that fit the wire, with room to spare. */
#define TASK_CLOCK_MAX_MS (28ull * 24 * 3600 * 1000)

#define FIELD(name) offsetof(struct coordinator_config, name)

#define COMMON_OPTIONS                                                         \
    {.name = "broker",                                                         \
     .type = CO_OPTION_LIST,                                                   \
     .offset = FIELD(brokers),                                                 \
     .max = 16,                                                                \
     .placeholder = "ENDPOINT",                                                \
     .help = "a broker's front endpoint; give it once for each broker"},       \
        CO_REDIS_OPTIONS(FIELD(redis), FIELD(redis_insecure),                  \
                         "Redis for state and counters; without it nothing "   \
                         "is written there"),                                  \
        {.name = "namespace",                                                  \
         .type = CO_OPTION_STRING,                                             \
         .offset = FIELD(name_space),                                          \
         .def = "default",                                                     \
         .min = 1,                                                             \
         .max = 64,                                                            \
         .is_name = true,                                                      \
         .help = "namespace of the Redis keys"},                               \
        {.name = "scaler",                                                     \
         .type = CO_OPTION_FLAG,                                               \
         .offset = FIELD(scaler),                                              \
         .def = "true",                                                        \
         .help = "be the scaler of the namespace when nobody else is"},        \
        {.name = "scale-quiet",                                                \
         .type = CO_OPTION_DURATION,                                           \
         .offset = FIELD(scale_quiet_ms),                                      \
         .def = "60s",                                                         \
         .min = 1000,                                                          \
         .help = "so long must fewer workers be enough before some leave"},    \
        {.name = "log-level",                                                  \
         .type = CO_OPTION_ENUM,                                               \
         .offset = FIELD(log_level),                                           \
         .def = "warn",                                                        \
         .choices = co_log_levels,                                             \
         .help = "error, warn, info or debug"},                                \
    {                                                                          \
        .name = "status-fd", .type = CO_OPTION_U64,                            \
        .offset = FIELD(status_fd), .def = "1048576", .no_env = true,          \
        .help = "descriptor for progress as lines of JSON"                     \
    }

/* Of whoever runs jobs that may pay for calls. */
#define BUDGET_OPTIONS                                                         \
    {.name = "budget",                                                         \
     .type = CO_OPTION_FLAG,                                                   \
     .offset = FIELD(budget),                                                  \
     .def = "true",                                                            \
     .help = "obey the caps over all jobs that are set in Redis; off where "   \
             "no other job uses it"},                                          \
        {.name = "budget-day",                                                 \
         .type = CO_OPTION_STRING,                                             \
         .offset = FIELD(budget_day),                                          \
         .placeholder = "USD",                                                 \
         .help = "all jobs of the namespace together spend at most this a "    \
                 "UTC day on paid calls; needs --redis"},                      \
    {                                                                          \
        .name = "budget-namespace", .type = CO_OPTION_STRING,                  \
        .offset = FIELD(budget_namespace), .placeholder = "USD",               \
        .help = "the same in all"                                              \
    }

static const struct co_option run_table[] = {
    {.name = "out",
     .type = CO_OPTION_STRING,
     .offset = FIELD(out),
     .placeholder = "DIR",
     .help = "output folder; overrides the job file"},
    JOB_ROWS_OPTION,
    JOB_SEED_OPTION,
    {.name = "data",
     .type = CO_OPTION_STRING,
     .offset = FIELD(data),
     .placeholder = "DIR",
     .help = "folder of the compiled model"},
    {.name = "job-id",
     .type = CO_OPTION_U64,
     .offset = FIELD(job_id),
     .def = "0",
     .no_env = true,
     .help = "id of a new job; 0 = a random one"},
    {.name = "journal-segment",
     .type = CO_OPTION_SIZE,
     .offset = FIELD(segment_bytes),
     .def = "64MiB",
     .min = 64ull * 1024,
     .max = 1 << 30,
     .help = "bytes of a journal segment; smaller ones are deleted sooner"},
    {.name = "task-wait",
     .type = CO_OPTION_DURATION,
     .offset = FIELD(task_wait_ms),
     .def = "0s",
     .max = TASK_CLOCK_MAX_MS,
     .help = "a task waits at most so long in a broker for a worker, then "
             "another broker gets it; 0: no limit"},
    {.name = "task-run",
     .type = CO_OPTION_DURATION,
     .offset = FIELD(task_run_ms),
     .def = "0s",
     .max = TASK_CLOCK_MAX_MS,
     .help = "an attempt that runs longer has failed; 0: no limit"},
    {.name = "task-total",
     .type = CO_OPTION_DURATION,
     .offset = FIELD(task_total_ms),
     .def = "0s",
     .max = TASK_CLOCK_MAX_MS,
     .help = "the same for waiting and running together; 0: no limit"},
    {.name = "late-answers",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(late_answers),
     .def = "true",
     .help = "wait up to 60 s for answers to calls of an earlier run before "
             "they are asked again; off where none of its workers is left"},
    {.name = "task-stall",
     .type = CO_OPTION_DURATION,
     .offset = FIELD(task_stall_ms),
     .def = "10m",
     .max = TASK_CLOCK_MAX_MS,
     .help = "an attempt that makes no progress for so long has failed; "
             "0: no limit"},
    KEYRING_KEY_OPTION,
    KEYRING_OTHERS_OPTION("broker-key", "broker"),
    CO_METRICS_OPTIONS(FIELD(metrics), FIELD(metrics_insecure)),
    BUDGET_OPTIONS,
    COMMON_OPTIONS,
};

static const struct co_option serve_table[] = {
    {.name = "listen",
     .type = CO_OPTION_STRING,
     .offset = FIELD(listen),
     .placeholder = "ENDPOINT",
     .help = "where `cohort submit` reaches this daemon; else "
             "cohort-coordinator.sock in $XDG_RUNTIME_DIR or /tmp/cohort-UID"},
    {.name = "out",
     .type = CO_OPTION_STRING,
     .offset = FIELD(out),
     .def = ".",
     .placeholder = "DIR",
     .help = "folder that output folders with a relative path lie in"},
    {.name = "data",
     .type = CO_OPTION_STRING,
     .offset = FIELD(data),
     .placeholder = "DIR",
     .help = "folder of the compiled model"},
    {.name = "ready-fd",
     .type = CO_OPTION_U64,
     .offset = FIELD(ready_fd),
     .def = "1048576",
     .no_env = true,
     .help = "descriptor that gets a line once the daemon listens"},
    KEYRING_KEY_OPTION,
    KEYRING_OTHERS_OPTION("broker-key", "broker"),
    KEYRING_ALLOW_OPTION,
    BUDGET_OPTIONS,
    COMMON_OPTIONS,
};

static const struct co_option bench_table[] = {
    {.name = "tasks",
     .letter = 'n',
     .type = CO_OPTION_U64,
     .offset = FIELD(tasks),
     .def = "1000000",
     .min = 1,
     .max = 100000000000,
     .help = "number of tasks"},
    {.name = "batch",
     .type = CO_OPTION_U64,
     .offset = FIELD(batch),
     .def = "64",
     .min = 1,
     .max = 1024,
     .help = "tasks in one message, at most"},
    {.name = "window",
     .type = CO_OPTION_U64,
     .offset = FIELD(window),
     .def = "16384",
     .min = 1,
     .max = 65536,
     .help = "tasks under way at once"},
    {.name = "rate",
     .type = CO_OPTION_U64,
     .offset = FIELD(rate),
     .def = "0",
     .help = "tasks a second; 0 = as fast as it goes"},
    {.name = "payload",
     .type = CO_OPTION_U64,
     .offset = FIELD(payload),
     .def = "256",
     .min = 8,
     .max = 65536,
     .help = "bytes of a task"},
    {.name = "keep",
     .type = CO_OPTION_STRING,
     .offset = FIELD(keep),
     .placeholder = "DIR",
     .help = "leave the journal in this folder"},
    KEYRING_KEY_OPTION,
    KEYRING_OTHERS_OPTION("broker-key", "broker"),
    COMMON_OPTIONS,
};

static const struct co_options_spec specs[] = {
    [CONFIG_RUN] = {.program = CO_PROGRAM "-coordinator run",
                    .usage = "[OPTIONS] JOB.yaml",
                    .about = "Runs one job to its end: publishes its tasks, "
                             "journals the results, writes the corpus.",
                    .version = COHORT_VERSION,
                    .table = run_table,
                    .count = co_countof(run_table),
                    .args_min = 1,
                    .args_max = 1},
    [CONFIG_SERVE] = {.program = CO_PROGRAM "-coordinator serve",
                      .usage = "[OPTIONS]",
                      .about = "Waits for jobs from `cohort submit` and runs "
                               "each in a process of its own, which is "
                               "started again if it dies.",
                      .version = COHORT_VERSION,
                      .table = serve_table,
                      .count = co_countof(serve_table)},
    [CONFIG_BENCH] = {.program = CO_PROGRAM "-coordinator bench",
                      .usage = "[OPTIONS]",
                      .about = "Sends small tasks through brokers and workers "
                               "and measures them.",
                      .version = COHORT_VERSION,
                      .table = bench_table,
                      .count = co_countof(bench_table)},
};

static enum co_err
config_cap(const struct coordinator_config *config, const char *option,
           const char *given, int64_t *ret, struct co_diag *diag)
{
    enum co_err err;

    *ret = -1;
    if (!given) return CO_OK;
    err = budget_parse(given, ret, diag);
    if (err) return co_fail_prefix(diag, err, "%s", option);
    if (config->redis && config->budget) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "%s needs --redis URL, that of a Redis that the other jobs "
                   "use, too%s",
                   option, config->redis ? ", and no --no-budget" : "");
}

static enum co_err
config_caps(struct coordinator_config *config, struct co_diag *diag)
{
    enum co_err err = config_cap(config, "--budget-day", config->budget_day,
                                 &config->cap_day, diag);

    if (err) return err;
    return config_cap(config, "--budget-namespace", config->budget_namespace,
                      &config->cap_total, diag);
}

/* What the parser cannot check: which endpoints may be used, and the keys. */
static enum co_err
config_links(enum config_command command, struct coordinator_config *config,
             struct co_diag *diag)
{
    bool keys = keyring_wanted(&config->keys);

    if (config_caps(config, diag)) return CO_USAGE;
    for (size_t i = 0; i < config->brokers.count; i++) {
        if (sock_allowed(config->brokers.items[i], keys, diag)) return CO_USAGE;
    }
    if (command == CONFIG_SERVE && config->listen &&
        sock_allowed(config->listen, keys && config->keys.allow, diag)) {
        return keys ? co_fail(diag, CO_USAGE,
                              "--listen %s needs --allow DIR, the folder of "
                              "public keys (*.pub) that may submit",
                              config->listen)
                    : CO_USAGE;
    }
    return keyring_load(&config->keys, KEY_COORDINATOR, config->brokers.count,
                        KEY_BROKER, "broker-key", &config->ring, diag);
}

bool
config_load(enum config_command command, int argc, char **argv,
            struct coordinator_config *config, struct co_options **ret_options,
            int *ret_status)
{
    struct co_diag diag;
    enum co_err err = co_options_parse(&specs[command], argc, argv, config,
                                       ret_options, &diag);

    if (err) {
        (void)fprintf(stderr, "%s: %s\n", specs[command].program, diag.text);
        *ret_status = 2;
        return false;
    }
    if (co_options_answer(*ret_options)) {
        *ret_status = 0;
        return false;
    }
    err = config_links(command, config, &diag);
    if (err) {
        (void)fprintf(stderr, "%s: %s\n", specs[command].program, diag.text);
        *ret_status = err == CO_USAGE ? 2 : 1;
        return false;
    }
    err = co_log_open("coordinator", (enum co_log_level)config->log_level, NULL,
                      NULL);
    *ret_status = 1;
    return err == CO_OK;
}

int
config_fd(uint64_t fd)
{
    return fd < CONFIG_NO_FD ? (int)fd : -1;
}
