/* fleet_fields.h - which fields of the hashes in Redis (docs/redis-keys.md) go
 * where in fleet_state.h: tables. Pure. */
#pragma once
#include "cli/fleet_state.h"

struct fleet_field {
    const char *name;
    size_t offset, size; /* size 0: a number */
};

struct fleet_fields {
    const struct fleet_field *v;
    size_t n;
};

/* Of struct fleet_worker, and so on. */
extern const struct fleet_fields fleet_fields_worker, fleet_fields_broker,
    fleet_fields_coordinator, fleet_fields_job;

/* The fields of an HGETALL that the table knows; others are ignored, as
 * docs/redis-keys.md asks of every reader. */
void fleet_fields_take(const struct co_redis_reply *hash,
                       const struct fleet_fields *fields, void *to);
