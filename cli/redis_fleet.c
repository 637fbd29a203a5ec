/* redis_fleet.c - see redis_fleet.h. */
#include "cli/redis_fleet.h"

#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 3000 };

enum co_err
redis_fleet_open(const struct redis_fleet_config *config,
                 struct redis_fleet *ret_fleet, struct co_diag *diag)
{
    ret_fleet->config = config;
    ret_fleet->client = NULL;
    if (!config->redis) {
        return co_fail(diag, CO_USAGE,
                       "which fleet? Give the Redis that its programs were "
                       "given: --redis URL (or COHORT_REDIS)");
    }
    return co_redis_connect(config->redis, config->redis_insecure, WAIT_MS,
                            &ret_fleet->client, diag);
}

void
redis_fleet_close(struct redis_fleet *fleet)
{
    co_redis_close(co_take(&fleet->client));
}

enum co_err
redis_fleet_call(struct redis_fleet *fleet, const char *const *argv,
                 struct co_redis_reply **ret_reply, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    int argc = 0;
    enum co_err err;

    while (argv[argc]) {
        argc++;
    }
    err = co_redis_call(fleet->client, argc, argv, NULL, WAIT_MS, &reply, diag);
    if (err) return err;
    if (reply->type == CO_REDIS_ERROR) {
        return co_fail(diag, CO_DENIED, "Redis refused %s: %s", argv[0],
                       reply->text);
    }
    *ret_reply = co_take(&reply);
    return CO_OK;
}

enum co_err
redis_fleet_list(struct redis_fleet *fleet, enum co_key key, int64_t age_ms,
                 struct co_redis_reply **ret_reply, struct co_diag *diag)
{
    char text[CO_KEY_BYTES], from[24];
    const char *argv[] = {"ZRANGEBYSCORE", NULL, from, "+inf", NULL};

    argv[1] = co_key(key, fleet->config->name_space, NULL, text);
    (void)snprintf(from, sizeof from, "%" PRId64, co_clock_wall_ms() - age_ms);
    return redis_fleet_call(fleet, argv, ret_reply, diag);
}

enum co_err
redis_fleet_hash(struct redis_fleet *fleet, enum co_key key, const char *id,
                 struct co_redis_reply **ret_reply, struct co_diag *diag)
{
    char text[CO_KEY_BYTES];
    const char *argv[] = {"HGETALL", NULL, NULL};

    argv[1] = co_key(key, fleet->config->name_space, id, text);
    return redis_fleet_call(fleet, argv, ret_reply, diag);
}

const char *
redis_fleet_text(const struct co_redis_reply *hash, const char *field)
{
    for (size_t i = 0; i + 1 < hash->count; i += 2) {
        const struct co_redis_reply *name = &hash->elements[i];
        const struct co_redis_reply *value = &hash->elements[i + 1];

        if (name->type == CO_REDIS_TEXT && strcmp(name->text, field) == 0) {
            return value->type == CO_REDIS_TEXT ? value->text : "";
        }
    }
    return "";
}

uint64_t
redis_fleet_number(const struct co_redis_reply *hash, const char *field)
{
    return strtoull(redis_fleet_text(hash, field), NULL, 10);
}
