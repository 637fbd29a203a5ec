/* source.h - which Redis a command that only looks reads, and how.
 * `--redis URL --namespace NS`, or, without, the private Redis of the newest
 * run of this user that still goes on (registry.h). One thread. */
#pragma once
#include "common/options.h"
#include "common/redis.h"

struct source_config {
    const char *redis; /* NULL: look for a run */
    bool redis_insecure;
    const char *name_space;
};

/* The three options for a command's table; at: offset of its source_config. */
#define SOURCE_OPTIONS(at)                                                     \
    {.name = "redis",                                                          \
     .type = CO_OPTION_STRING,                                                 \
     .offset = (at) + offsetof(struct source_config, redis),                   \
     .placeholder = "URL",                                                     \
     .help = "ask this Redis (default: that of the newest run going on)"},     \
        {.name = "redis-insecure",                                             \
         .type = CO_OPTION_FLAG,                                               \
         .offset = (at) + offsetof(struct source_config, redis_insecure),      \
         .help = "allow a Redis beyond this host in the clear"},               \
    {                                                                          \
        .name = "namespace", .type = CO_OPTION_STRING,                         \
        .offset = (at) + offsetof(struct source_config, name_space),           \
        .def = "default", .min = 1, .max = 64, .is_name = true,                \
        .placeholder = "NAME", .help = "part of every Redis key"               \
    }

enum { SOURCE_WAIT_MS = 3000 };

/* An open connection and what it was made with. */
struct source {
    struct co_redis_client *client; /* NULL: away, see source_again */
    char url[700];
    char shown[300]; /* the address without user and password */
    char name_space[80];
    char run[80]; /* the run whose private Redis it is; "": --redis */
    bool insecure;
};

/* CO_NOTFOUND: no --redis, and no run goes on here; else as of
 * co_redis_connect. */
co_must_use enum co_err source_open(const struct source_config *config,
                                    struct source *ret_source,
                                    struct co_diag *diag);
/* The same for a Redis that is known, e.g. from run.json. */
co_must_use enum co_err source_open_url(const char *url, bool insecure,
                                        const char *name_space,
                                        struct source *ret_source,
                                        struct co_diag *diag);
/* Connects anew to the same Redis, whether or not a connection stood. */
co_must_use enum co_err source_again(struct source *source, int64_t timeout_ms,
                                     struct co_diag *diag);
void source_close(struct source *source);

/* Is reply an error answer? Then writes what was refused and what to do, e.g.
 * which command an ACL lacks, and returns CO_DENIED. */
co_must_use enum co_err source_refused(const struct co_redis_reply *reply,
                                       const char *command,
                                       struct co_diag *diag);
