/* config.h - the options of cohort-broker, from one table. Read once. */
#pragma once
#include "broker/dispatch.h"
#include "proto/keyring.h"

struct broker_config {
    const char *front, *back; /* endpoints */
    const char *name;         /* NULL: host-pid */
    const char *redis;        /* URL, NULL: counters are not reported */
    bool redis_insecure;
    const char *ns;    /* of the Redis keys */
    uint64_t ready_fd; /* descriptor, 0: none given */
    uint64_t lifeline; /* descriptor, 0: none given */
    uint64_t peers_max, jobs_max, window_min, window_max, part_max;
    uint64_t queued_bytes_max;
    uint64_t beat_ms, dead_ms, away_ms, settle_ms;
    struct keyring_options keys;
    const char *metrics; /* address, NULL: none are served */
    bool metrics_insecure;
    const char *log; /* file, NULL: stderr */
    int log_level;
};

/* CO_USAGE with a message. *ret_options owns the strings of config. */
co_must_use enum co_err config_load(int argc, char *const *argv,
                                    struct broker_config *config,
                                    struct co_options **ret_options,
                                    struct co_diag *diag);
/* Larger messages go as PARTs: --part-max, on links beyond this host at most
 * PART_BYTES_MAX, so that a beat never waits behind more than that. */
uint32_t config_part_max(const struct broker_config *config);
/* The limits of the core that follow from the options. */
struct dispatch_limits config_limits(const struct broker_config *config);
/* The lifeline's descriptor, given by option or environment; -1: none. */
int config_lifeline(const struct broker_config *config);
