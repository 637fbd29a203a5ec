/* config.h - the options of cohort-coordinator, one table a sub-command. */
#pragma once
#include "proto/keyring.h"

struct coordinator_config {
    struct co_option_list brokers;
    const char *redis;
    bool redis_insecure;
    const char *name_space;
    bool scaler;
    uint64_t scale_quiet_ms;
    bool late_answers; /* to calls of an earlier run: they can come */
    bool budget;       /* caps over all jobs are asked for in Redis */
    /* Such caps, as given, and in 1e-6 USD; -1: none. */
    const char *budget_day, *budget_namespace;
    int64_t cap_day, cap_total;
    const char *data;
    uint64_t status_fd; /* CONFIG_NO_FD: none */
    int log_level;
    struct keyring_options keys;
    struct keyring ring; /* loaded from keys; config_forget at the end */

    /* run, serve */
    const char *metrics; /* address, NULL: none are served */
    bool metrics_insecure;

    /* run */
    const char *out;
    const char *rows, *seed; /* as given; NULL: as in the job file */
    uint64_t job_id;         /* of a new job; 0: random */

    uint64_t segment_bytes; /* of the journal */
    uint64_t task_wait_ms, task_run_ms, task_total_ms, task_stall_ms;

    /* serve */
    const char *listen;
    uint64_t ready_fd;

    /* bench */
    uint64_t tasks, batch, window, rate, payload;
    const char *keep;
};

enum { CONFIG_NO_FD = 1 << 20 };

enum config_command { CONFIG_RUN, CONFIG_SERVE, CONFIG_BENCH };

/* Parses and answers --help and its kind. Returns false when the program is
 * to end with *ret_status (said already). *ret_options owns config's texts. */
bool config_load(enum config_command command, int argc, char **argv,
                 struct coordinator_config *config,
                 struct co_options **ret_options, int *ret_status);
/* -1 for CONFIG_NO_FD. */
int config_fd(uint64_t fd);
