/* watch_redis.h - the coordinator's keys in Redis (docs/redis-keys.md):
 * job:ID, jobs, coordinator:ID, coordinators, queue:SERVICE, owner:job:ID and
 * events. Everything goes through the Redis actor; what it cannot take is
 * counted there and written again a quarter of a second later. */
#pragma once
#include "coordinator/watch.h"
#include "coordinator/watch_lanes.h"
#include "job/dead_file.h"
#include "llm/endpoint_state.h"

struct watch_redis; /* opaque */

enum { WATCH_LETTERS_MAX = 500 }; /* 8 KiB each at most: 4 MiB a job */

/* What a progress report says. */
struct watch_numbers {
    const char *state, *why;
    const char *limit;    /* what makes more workers useless; "none" */
    uint64_t remaining;   /* tasks that are not drawn yet, about */
    const char *why_code; /* as docs/redis-keys.md lists them */
    int64_t moved_ms;     /* wall clock: when the ledger last changed */
    struct kind_ledger ledger;
    const struct kind_money *money; /* NULL: the job pays for nothing */
    int64_t usd_per_min;            /* 1e-12 USD; -1: not known */
    uint64_t rate;                  /* rows a second */
    uint64_t eta_s;
    uint32_t out, ready; /* tasks with brokers and workers; to be published */
    uint32_t owner;
    uint64_t stalled_ms;
};

/* lanes: borrowed for life; who owns them deals them anew. */
co_must_use enum co_err watch_redis_new(const struct watch_options *options,
                                        const struct watch_lanes *lanes,
                                        struct watch_redis **ret_redis,
                                        struct co_diag *diag);
/* Writes what waits, for at most a second, and ends. NULL is fine. */
void watch_redis_free(struct watch_redis *r);
CO_DEFINE_FREEP(struct watch_redis, watch_redis_free)
int watch_redis_fd(const struct watch_redis *r);
/* Takes what the actor has to say. */
void watch_redis_poll(struct watch_redis *r);
void watch_redis_job(struct watch_redis *r, const struct watch_numbers *n,
                     const struct engine_counters *counters);
void watch_redis_event(struct watch_redis *r, const char *from, const char *to,
                       const char *why);

/* dead:ID holds the newest letters of the file, at most
 * WATCH_LETTERS_MAX: written anew now and whenever Redis comes back. Borrowed
 * until the end. */
void watch_redis_letters(struct watch_redis *r,
                         const struct dead_file *letters);
void watch_redis_letter(struct watch_redis *r,
                        const struct dead_letter *letter);
/* What the job's workers share about the endpoints of its providers, at most a
 * second old; none without Redis, and when it is away. *ret_now_us: the time
 * of Redis. Good until the next poll. */
const struct endpoint_state *watch_redis_endpoints(const struct watch_redis *r,
                                                   size_t *ret_n,
                                                   uint64_t *ret_now_us);
/* How the connection does; all zeros for NULL. */
struct co_redis_counters;
void watch_redis_counters(struct watch_redis *r, struct co_redis_counters *ret);

/* No job has as many owners, and there is room for as many behind it: a number
 * above is damage, and taking it would use the numbers up. */
enum { WATCH_OWNER_MAX = 1 << 30 };
/* CO_DAMAGED: not a number, or above WATCH_OWNER_MAX. */
co_must_use enum co_err watch_redis_number(const char *text,
                                           uint32_t *ret_number);
/* The highest owner number that Redis knows for the job; 0 when it knows none,
 * has something else there (said in the log) or does not answer within a
 * second. Blocks: for the start only. */
uint32_t watch_redis_owner(const char *url, bool insecure,
                           const char *name_space, uint64_t job);
