/* program_options.h - rows that the option tables of several programs have
 * alike: where Redis is, which keys are ours, where the log goes, and what ends
 * a program. Offsets are of members of the program's own config. */
#pragma once
#include "common/log.h"
#include "common/options.h"

/* address: of a const char *, insecure: of a bool; text: what Redis is for. */
#define CO_REDIS_OPTIONS(address, insecure, text)                              \
    {.name = "redis",                                                          \
     .type = CO_OPTION_STRING,                                                 \
     .offset = (address),                                                      \
     .placeholder = "URL",                                                     \
     .help = text},                                                            \
    {                                                                          \
        .name = "redis-insecure", .type = CO_OPTION_FLAG,                      \
        .offset = (insecure),                                                  \
        .help = "allow a Redis beyond this host in the clear"                  \
    }

/* Of a const char *. */
#define CO_NAMESPACE_OPTION(at)                                                \
    {                                                                          \
        .name = "namespace", .type = CO_OPTION_STRING, .offset = (at),         \
        .def = "default", .min = 1, .max = 64, .is_name = true,                \
        .placeholder = "NAME", .help = "part of every Redis key"               \
    }

/* Of an int: enum co_log_level. */
#define CO_LOG_LEVEL_OPTION(at)                                                \
    {                                                                          \
        .name = "log-level", .type = CO_OPTION_ENUM, .offset = (at),           \
        .def = "info", .choices = co_log_levels, .help = "how much to log"     \
    }

/* file: of a const char *. */
#define CO_LOG_OPTIONS(file, level)                                            \
    {.name = "log",                                                            \
     .type = CO_OPTION_STRING,                                                 \
     .offset = (file),                                                         \
     .placeholder = "FILE",                                                    \
     .help = "write the log there (default: stderr)"},                         \
        CO_LOG_LEVEL_OPTION(level)

/* Of a uint64_t; see common/lifeline.h. */
#define CO_LIFELINE_OPTION(at)                                                 \
    {                                                                          \
        .name = "lifeline", .type = CO_OPTION_U64, .offset = (at),             \
        .max = 1024ull * 1024, .placeholder = "FD",                            \
        .help = "end when this descriptor is closed at the other end",         \
        .no_env = true                                                         \
    }
