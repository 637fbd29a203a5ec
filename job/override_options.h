/* override_options.h - options that stand above a job file's keys, for the
 * tables of all that start jobs. FIELD(rows) and FIELD(seed) are of const char
 * *. */
#pragma once
#include "common/options.h"

#define JOB_ROWS_OPTION                                                        \
    {                                                                          \
        .name = "rows", .type = CO_OPTION_STRING, .offset = FIELD(rows),       \
        .placeholder = "N", .no_env = true,                                    \
        .help = "accepted rows wanted; overrides the job file"                 \
    }

#define JOB_SEED_OPTION                                                        \
    {                                                                          \
        .name = "seed", .type = CO_OPTION_STRING, .offset = FIELD(seed),       \
        .placeholder = "S", .no_env = true,                                    \
        .help = "seed; overrides the job file"                                 \
    }
