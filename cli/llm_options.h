/* llm_options.h - what `cohort try` and `cohort bench llm` ask in common: which
 * endpoint, with which key, and how long to wait. */
#pragma once
#include "cli/commands.h"
#include "llm/call.h"

struct llm_options {
    const char *url, *model, *key_env, *key_file, *ca_file;
    bool key_in_clear;
    uint64_t max_tokens, body_max;
    uint64_t connect_ms, first_byte_ms, idle_ms, total_ms;
    bool stream;
    bool embed; /* open the endpoint for embeddings */
};

/* Rows of an option table, for a config whose member `llm` they are. */
// clang-format off
#define LLM_OPTION(config, member)                                             \
    offsetof(struct config, llm) + offsetof(struct llm_options, member)
#define LLM_OPTIONS(config)                                                    \
    {.name = "url", .letter = 'u', .type = CO_OPTION_STRING,                   \
     .offset = LLM_OPTION(config, url), .min = 1, .max = 2000,                 \
     .placeholder = "URL", .no_env = true,                                     \
     .help = "the endpoint, as http://127.0.0.1:8000/v1"},                     \
    {.name = "model", .letter = 'm', .type = CO_OPTION_STRING,                 \
     .offset = LLM_OPTION(config, model), .min = 1, .max = 127,                \
     .placeholder = "NAME", .no_env = true,                                    \
     .help = "the model, as the endpoint calls it"},                           \
    {.name = "key-env", .type = CO_OPTION_STRING,                              \
     .offset = LLM_OPTION(config, key_env), .min = 1, .max = 255,              \
     .placeholder = "NAME", .no_env = true,                                    \
     .help = "environment variable that holds the key"},                       \
    {.name = "key-file", .type = CO_OPTION_STRING,                             \
     .offset = LLM_OPTION(config, key_file), .min = 1, .max = 3000,            \
     .placeholder = "FILE", .no_env = true, .help = "file with the key"},      \
    {.name = "key-in-clear", .type = CO_OPTION_FLAG,                           \
     .offset = LLM_OPTION(config, key_in_clear), .no_env = true,               \
     .help = "let a key go to another host over http://"},                     \
    {.name = "ca-file", .type = CO_OPTION_STRING,                              \
     .offset = LLM_OPTION(config, ca_file), .min = 1, .max = 3000,             \
     .placeholder = "FILE",                                                    \
     .help = "trust these authorities (PEM), not the system's"},               \
    {.name = "max-tokens", .type = CO_OPTION_U64,                              \
     .offset = LLM_OPTION(config, max_tokens), .def = "0", .max = 10000000,    \
     .no_env = true, .help = "of the answer; 0: as the API does by itself"},   \
    {.name = "stream", .type = CO_OPTION_FLAG,                                 \
     .offset = LLM_OPTION(config, stream), .no_env = true,                     \
     .help = "have the answer sent as it is made"},                            \
    {.name = "body-max", .type = CO_OPTION_SIZE,                               \
     .offset = LLM_OPTION(config, body_max), .def = "2MiB", .min = 1024,       \
     .max = 4194304, .help = "bytes of an answer"},                            \
    {.name = "connect-timeout", .type = CO_OPTION_DURATION,                    \
     .offset = LLM_OPTION(config, connect_ms), .def = "5s", .min = 10,         \
     .max = 300000, .help = "until there is a connection"},                    \
    {.name = "first-byte-timeout", .type = CO_OPTION_DURATION,                 \
     .offset = LLM_OPTION(config, first_byte_ms), .def = "60s", .min = 10,     \
     .max = 86400000, .help = "from there to the first byte"},                 \
    {.name = "idle-timeout", .type = CO_OPTION_DURATION,                       \
     .offset = LLM_OPTION(config, idle_ms), .def = "30s", .min = 10,           \
     .max = 86400000, .help = "between two bytes of an answer"},               \
    {.name = "total-timeout", .type = CO_OPTION_DURATION,                      \
     .offset = LLM_OPTION(config, total_ms), .def = "10m", .min = 10,          \
     .max = 86400000, .help = "of a whole call"}
// clang-format on

/* The provider of that name; CO_USAGE: diag lists those there are. */
co_must_use enum co_err llm_options_provider(const char *name,
                                             const struct provider **ret,
                                             struct co_diag *diag);
/* The key, if one was asked for; *ret_from says from where ("" none). Without
 * --key-env and --key-file and with the vendor's own host, the variable that
 * is the custom there. */
co_must_use enum co_err llm_options_key(const struct llm_options *options,
                                        const struct provider *provider,
                                        struct secret *ret_secret,
                                        const char **ret_from,
                                        struct co_diag *diag);
/* Opens the HTTP client and the endpoint. */
co_must_use enum co_err
llm_options_open(const struct llm_options *options,
                 const struct provider *provider, const struct secret *secret,
                 uint32_t in_flight, struct call_endpoint *ret_endpoint,
                 struct http **ret_http, struct co_diag *diag);
