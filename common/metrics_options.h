/* metrics_options.h - `--metrics` and `--metrics-insecure`, for the tables of
 * programs that have them. The environment is left out: programs that one
 * command starts inherit it and would all want the same port. */
#pragma once
#include "common/options.h"

/* address: offset of a const char *, insecure: of a bool. */
#define CO_METRICS_OPTIONS(address, insecure)                                  \
    {.name = "metrics",                                                        \
     .type = CO_OPTION_STRING,                                                 \
     .offset = (address),                                                      \
     .no_env = true,                                                           \
     .max = 64,                                                                \
     .placeholder = "HOST:PORT",                                               \
     .help = "serve /metrics for Prometheus there, e.g. 127.0.0.1:9464"},      \
    {                                                                          \
        .name = "metrics-insecure", .type = CO_OPTION_FLAG,                    \
        .offset = (insecure), .no_env = true,                                  \
        .help = "allow --metrics beyond this host, readable by anybody"        \
    }
