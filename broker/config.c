/* config.c - see config.h. */
#include "broker/config.h"

#include "common/lifeline.h"
#include "common/metrics_options.h"
#include "common/program_options.h"
#include "proto/parts.h"

#include <fcntl.h>

#define FIELD(f) offsetof(struct broker_config, f)

// clang-format off
static const struct co_option table[] = {
    {.name = "front", .type = CO_OPTION_STRING, .offset = FIELD(front),
     .def = "tcp://127.0.0.1:5570", .min = 1, .max = 255,
     .placeholder = "ENDPOINT",
     .help = "where coordinators connect: ipc://PATH, tcp://127.0.0.1:PORT, "
             "with --key tcp://ADDRESS:PORT"},
    {.name = "back", .type = CO_OPTION_STRING, .offset = FIELD(back),
     .def = "tcp://127.0.0.1:5571", .min = 1, .max = 255,
     .placeholder = "ENDPOINT",
     .help = "where workers connect; PORT may be *"},
    KEYRING_KEY_OPTION,
    KEYRING_ALLOW_OPTION,
    {.name = "name", .type = CO_OPTION_STRING, .offset = FIELD(name),
     .min = 1, .max = NAME_BYTES_MAX, .placeholder = "NAME",
     .help = "name for people (default: host-pid)", .no_env = true},
    CO_REDIS_OPTIONS(FIELD(redis), FIELD(redis_insecure),
                     "where to report counters and events"),
    CO_NAMESPACE_OPTION(FIELD(ns)),
    {.name = "ready-fd", .type = CO_OPTION_U64, .offset = FIELD(ready_fd),
     .max = 1024ull * 1024, .placeholder = "FD",
     .help = "write \"front=... back=...\" there once both are bound",
     .no_env = true},
    CO_LIFELINE_OPTION(FIELD(lifeline)),
    {.name = "peers-max", .type = CO_OPTION_U64, .offset = FIELD(peers_max),
     .def = "4096", .min = 2, .max = 65536, .placeholder = "N",
     .help = "workers and coordinators together"},
    {.name = "jobs-max", .type = CO_OPTION_U64, .offset = FIELD(jobs_max),
     .def = "1024", .min = 1, .max = 65536, .placeholder = "N",
     .help = "jobs known at the same time"},
    {.name = "queued-max", .type = CO_OPTION_SIZE,
     .offset = FIELD(queued_bytes_max), .def = "512MiB", .min = 1 << 20,
     .help = "bytes of tasks that wait for a worker"},
    {.name = "window-min", .type = CO_OPTION_U64, .offset = FIELD(window_min),
     .def = "64", .min = 1, .max = 65536, .placeholder = "TASKS",
     .help = "least credit to the owners of a service, together"},
    {.name = "window-max", .type = CO_OPTION_U64, .offset = FIELD(window_max),
     .def = "16384", .min = 1, .max = 65536, .placeholder = "TASKS",
     .help = "most credit to the owners of a service, together"},
    {.name = "part-max", .type = CO_OPTION_SIZE, .offset = FIELD(part_max),
     .def = "8MiB", .min = PART_MAX_LEAST,
     .help = "send larger messages as PARTs; at most 256KiB when an endpoint "
             "is beyond this host"},
    {.name = "beat", .type = CO_OPTION_DURATION, .offset = FIELD(beat_ms),
     .def = "1s", .min = 50, .max = 60000, .help = "time between beats"},
    {.name = "dead", .type = CO_OPTION_DURATION, .offset = FIELD(dead_ms),
     .def = "5s", .min = 200, .max = 600000,
     .help = "a peer silent for this long is dead"},
    {.name = "away", .type = CO_OPTION_DURATION, .offset = FIELD(away_ms),
     .def = "1500ms", .max = 600000,
     .help = "a worker that cannot be reached for this long is dead"},
    {.name = "settle", .type = CO_OPTION_DURATION, .offset = FIELD(settle_ms),
     .def = "15s", .max = 600000,
     .help = "after the start, workers may report what they hold this long, "
             "and 1 s longer for every 1,500 peers"},
    CO_METRICS_OPTIONS(FIELD(metrics), FIELD(metrics_insecure)),
    CO_LOG_OPTIONS(FIELD(log), FIELD(log_level)),
};
// clang-format on

static const struct co_options_spec spec = {
    .program = CO_PROGRAM "-broker",
    .usage = "[OPTIONS]",
    .about = "Hands the tasks of coordinators to workers and their results "
             "back. Keeps everything in memory: it may be stopped and started "
             "at any time, peers attach again and nothing committed is lost.",
    .version = CO_PROGRAM "-broker " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
};

/* Nothing is bound beyond this host without keys, and no keys are of use
 * without a list of who may come. */
static enum co_err
check_links(const struct broker_config *config, struct co_diag *diag)
{
    const char *const endpoints[] = {config->front, config->back};
    bool keys = keyring_wanted(&config->keys);

    for (size_t i = 0; i < co_countof(endpoints); i++) {
        if (sock_allowed(endpoints[i], keys, diag)) return CO_USAGE;
    }
    if (!keys || config->keys.allow) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "--key needs --allow DIR, the folder of public keys "
                   "(*.pub) that may connect");
}

enum co_err
config_load(int argc, char *const *argv, struct broker_config *config,
            struct co_options **ret_options, struct co_diag *diag)
{
    enum co_err err =
        co_options_parse(&spec, argc, argv, config, ret_options, diag);

    if (err) return err;
    if (config->window_min > config->window_max) {
        return co_fail(diag, CO_USAGE,
                       "--window-min %llu is above --window-max %llu",
                       (unsigned long long)config->window_min,
                       (unsigned long long)config->window_max);
    }
    if (config->dead_ms <= config->beat_ms) {
        return co_fail(diag, CO_USAGE,
                       "--dead must be longer than --beat (%llu ms), best 5 "
                       "times as long",
                       (unsigned long long)config->beat_ms);
    }
    /* What only asks for its options runs nowhere yet. */
    if (co_options_answer_text(*ret_options)) return CO_OK;
    return check_links(config, diag);
}

uint32_t
config_part_max(const struct broker_config *config)
{
    bool local = sock_is_local(config->front) && sock_is_local(config->back);
    uint64_t most = local ? UINT32_MAX : PART_BYTES_MAX;

    return (uint32_t)co_min_u64(config->part_max, most);
}

struct dispatch_limits
config_limits(const struct broker_config *config)
{
    struct dispatch_limits limits = dispatch_limits_default();

    /* The table of options keeps all of these within 32 bits. */
    limits.peers_max = (uint32_t)config->peers_max;
    limits.jobs_max = (uint32_t)config->jobs_max;
    limits.queued_bytes_max = config->queued_bytes_max;
    limits.window_min = (uint32_t)config->window_min;
    limits.window_max = (uint32_t)config->window_max;
    limits.part_max = config_part_max(config);
    limits.beat_ms = (uint32_t)config->beat_ms;
    limits.dead_ms = (uint32_t)config->dead_ms;
    limits.away_ms = (uint32_t)config->away_ms;
    limits.settle_ms = (uint32_t)config->settle_ms;
    return limits;
}

int
config_lifeline(const struct broker_config *config)
{
    int fd = (int)config->lifeline;

    if (!fd) return co_lifeline_adopt();
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}
