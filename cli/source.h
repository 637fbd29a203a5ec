/* source.h - which Redis a command looks at, and how it asks there.
 * `--redis URL --namespace NS`, or, without, the private Redis of the newest
 * run of this user that still goes on (registry.h). What Redis refuses is an
 * error that says why and what to do. Blocking, one thread. */
#pragma once
#include "common/keys.h"
#include "common/options.h"
#include "common/redis.h"

struct source_config {
    const char *redis; /* NULL: look for a run */
    bool redis_insecure;
    const char *name_space;
};

/* The three options for a command's table; at: offset of its source_config;
 * without: what is looked at when --redis is not given. */
#define SOURCE_OPTIONS(at, without)                                            \
    {.name = "redis",                                                          \
     .type = CO_OPTION_STRING,                                                 \
     .offset = (at) + offsetof(struct source_config, redis),                   \
     .placeholder = "URL",                                                     \
     .help = "ask this Redis (default: " without ")"},                         \
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

#define SOURCE_NEWEST_RUN "that of the newest run going on"

enum { SOURCE_WAIT_MS = 3000 }; /* for a connection, and for an answer */

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

/* One command, its argv ended by NULL. The caller frees *ret_reply. */
co_must_use enum co_err source_call(struct source *source,
                                    const char *const *argv,
                                    struct co_redis_reply **ret_reply,
                                    struct co_diag *diag);
/* Ids of a zset (workers, services ...) told of in the last age_ms. */
co_must_use enum co_err source_list(struct source *source, enum co_key key,
                                    int64_t age_ms,
                                    struct co_redis_reply **ret_reply,
                                    struct co_diag *diag);
/* The hash of key and id, for co_redis_field. */
co_must_use enum co_err source_hash(struct source *source, enum co_key key,
                                    const char *id,
                                    struct co_redis_reply **ret_reply,
                                    struct co_diag *diag);
