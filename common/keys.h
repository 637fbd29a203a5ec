/* keys.h - the names of everything Cohort keeps in Redis, in one table.
 * A key is cohort:{NAMESPACE}:NAME; the braces keep a namespace on one slot of
 * a cluster. In a name, capitals stand for an id that is filled in.
 * docs/redis-keys.md describes each and is checked against this list. The
 * names are a public interface: changing one raises CO_KEYS_SCHEMA. */
#pragma once
#include "common/err.h"

#include <stdio.h>

#define CO_KEYS_SCHEMA "1"
enum {
    CO_KEY_BYTES = 384, /* of a namespace, a service and a provider, and more */
    CO_KEY_TTL_S = 15,  /* of worker:ID, broker:ID, coordinator:ID */
    CO_KEY_DRAIN_S = 600,      /* of drain:ID; the worker looks every second */
    CO_KEY_EVENTS_MAX = 10000, /* entries kept in `events`, about */
};

/* X(id, name, type, meaning) */
#define CO_KEYS(X)                                                             \
    X(SCHEMA, "schema", "string", "version of this table")                     \
    X(WORKERS, "workers", "zset", "worker id -> last heartbeat, ms")           \
    X(BROKERS, "brokers", "zset", "broker id -> last heartbeat, ms")           \
    X(COORDINATORS, "coordinators", "zset",                                    \
      "coordinator id -> last heartbeat, ms")                                  \
    X(WORKER, "worker:ID", "hash", "what a worker says of itself, TTL 15 s")   \
    X(BROKER, "broker:ID", "hash", "what a broker says of itself, TTL 15 s")   \
    X(COORDINATOR, "coordinator:ID", "hash",                                   \
      "what a coordinator says of itself, TTL 15 s")                           \
    X(QUEUE, "queue:SERVICE", "hash",                                          \
      "backlog, queue and capacity of a service; field.BROKERID a broker")     \
    X(DEMAND, "demand:SERVICE", "set", "a member a worker that should exist")  \
    X(SCALE, "scale:SERVICE", "hash", "desired and actual size, and why")      \
    X(PIN, "pin:SERVICE", "hash", "what a person set: size, bounds, mode")     \
    X(SERVICES, "services", "zset", "service -> last told of, ms")             \
    X(SCALER, "scaler", "string", "lease of the scaler, TTL: number, holder")  \
    X(SCALER_NUMBER, "scaler:number", "string", "last number given out")       \
    X(SUPERVISORS, "supervisors", "zset", "supervisor id -> last beat, ms")    \
    X(SUPERVISOR, "supervisor:ID", "hash", "a host that starts workers")       \
    X(ACTOR, "actor:SERVICE", "hash", "what came of the wish outside, TTL")    \
    X(DRAIN, "drain:ID", "string", "the worker is asked to finish and end")    \
    X(JOBS, "jobs", "zset", "job id -> submitted at, ms")                      \
    X(JOB, "job:ID", "hash", "state, counts and rates of a job")               \
    X(OWNER, "owner:job:ID", "string", "lease of the job's coordinator, TTL")  \
    X(CAPS, "caps:ID", "hash", "caps over jobs, and what is granted of them")  \
    X(DEAD, "dead:ID", "stream", "tasks given up, with the reason")            \
    X(GATE, "gate:JOB:GATE", "hash", "passed, failed, retried, escalated")     \
    X(APPROVALS, "approvals", "zset", "what waits for a person, by deadline")  \
    X(LIMITS, "limits", "zset", "endpoint -> last exchange, ms")               \
    X(LIMIT, "limit:ENDPOINT", "hash", "what a fleet shares of an endpoint")   \
    X(SERIES, "series:JOB", "list", "one line a minute, 1,440 of them")        \
    X(EVENTS, "events", "stream", "every state change, newest 10,000")

/* Members of `workers`, `brokers` and `coordinators` whose score is older are
 * of processes that were killed: every writer removes them on its beat. */
enum { CO_KEY_MEMBER_MS = 3600 * 1000 };
/* A member that is younger is of a process that lives. */
enum { CO_KEY_ALIVE_MS = CO_KEY_TTL_S * 1000 };

enum co_key {
#define X(id, name, type, meaning) CO_KEY_##id,
    CO_KEYS(X)
#undef X
        CO_KEY_COUNT
};

static inline const char *
co_key_name(enum co_key key)
{
    static const char *const names[CO_KEY_COUNT] = {
#define X(id, name, type, meaning) name,
        CO_KEYS(X)
#undef X
    };

    return names[key];
}

/* The full key. id replaces everything behind the last ':' of the name that
 * is in capitals ("worker:ID", id "7" -> "...:worker:7"); for gate:JOB:GATE
 * give "JOB:GATE" filled in; NULL for a key without one. Returns text. */
static inline const char *
co_key(enum co_key key, const char *ns, const char *id, char text[CO_KEY_BYTES])
{
    const char *name = co_key_name(key);
    size_t fixed = 0;

    /* The part that is filled in begins at the first capital. */
    while (name[fixed] && !(name[fixed] >= 'A' && name[fixed] <= 'Z')) {
        fixed++;
    }
    (void)snprintf(text, CO_KEY_BYTES, CO_PROGRAM ":{%s}:%.*s%s", ns,
                   (int)fixed, name, name[fixed] && id ? id : "");
    return text;
}
