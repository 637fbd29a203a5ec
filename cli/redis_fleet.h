/* redis_fleet.h - one fleet as it stands in Redis, for commands that look at
 * it and change what it should be: cohort workers, cohort scale. Blocking, one
 * thread. */
#pragma once
#include "common/keys.h"
#include "common/options.h"
#include "common/redis.h"

struct redis_fleet_config {
    const char *redis, *name_space;
    bool redis_insecure;
};

/* The three options for a command's table; at: where the config lies. */
#define REDIS_FLEET_OPTIONS(at)                                                \
    {.name = "redis",                                                          \
     .type = CO_OPTION_STRING,                                                 \
     .offset = (at) + offsetof(struct redis_fleet_config, redis),              \
     .placeholder = "URL",                                                     \
     .help = "the fleet's Redis"},                                             \
        {.name = "redis-insecure",                                             \
         .type = CO_OPTION_FLAG,                                               \
         .offset = (at) + offsetof(struct redis_fleet_config, redis_insecure), \
         .help = "allow a Redis beyond this host in the clear"},               \
    {                                                                          \
        .name = "namespace", .type = CO_OPTION_STRING,                         \
        .offset = (at) + offsetof(struct redis_fleet_config, name_space),      \
        .def = "default", .min = 1, .max = 64, .is_name = true,                \
        .placeholder = "NAME", .help = "part of every Redis key"               \
    }

struct redis_fleet {
    const struct redis_fleet_config *config;
    struct co_redis_client *client;
};

/* CO_USAGE without --redis. The config is borrowed. */
co_must_use enum co_err
redis_fleet_open(const struct redis_fleet_config *config,
                 struct redis_fleet *ret_fleet, struct co_diag *diag);
void redis_fleet_close(struct redis_fleet *fleet);
/* One command; an answer that is an error becomes CO_DENIED with what Redis
 * said. argv ends with NULL. */
co_must_use enum co_err redis_fleet_call(struct redis_fleet *fleet,
                                         const char *const *argv,
                                         struct co_redis_reply **ret_reply,
                                         struct co_diag *diag);
/* Ids of a zset (workers, services ...) told of in the last age_ms. */
co_must_use enum co_err redis_fleet_list(struct redis_fleet *fleet,
                                         enum co_key key, int64_t age_ms,
                                         struct co_redis_reply **ret_reply,
                                         struct co_diag *diag);
/* The hash of the key and id, as names and values. */
co_must_use enum co_err redis_fleet_hash(struct redis_fleet *fleet,
                                         enum co_key key, const char *id,
                                         struct co_redis_reply **ret_reply,
                                         struct co_diag *diag);
/* A field of such a hash; "" when it is not there. Lives with the reply. */
const char *redis_fleet_text(const struct co_redis_reply *hash,
                             const char *field);
uint64_t redis_fleet_number(const struct co_redis_reply *hash,
                            const char *field);
