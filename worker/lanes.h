/* lanes.h - the LLM providers that a worker can call: their endpoints, keys,
 * connections and limits. A lane is one provider; the core announces credit for
 * each. Calls belong to the lane they were begun on, also when nobody waits for
 * them any more: what was sent is in flight until its answer came.
 * Not thread-safe: belongs to the worker's loop. */
#pragma once
#include "common/log.h"
#include "llm/call.h"
#include "llm/limiter.h"
#include "worker/worker_limits.h"

#include <sys/queue.h>

struct lanes; /* opaque */

struct lanes_options {
    const struct providers *providers; /* borrowed for life */
    uint32_t in_flight;                /* calls at once to each of them */
    /* Where limits are shared; NULL: this process is the whole fleet. */
    const struct worker_limits_self *redis;
};

/* What waits for its lane to let it send; made by who asks. */
struct lane_wait {
    TAILQ_ENTRY(lane_wait) entry;
    void (*on_room)(struct lane_wait *wait); /* may try again now */
    bool waits;
};

/* A call that nobody waits for. */
struct lane_orphan {
    LIST_ENTRY(lane_orphan) entry;
    void (*release)(struct lane_orphan *orphan);
};

/* One provider, for the service that calls it. */
struct lane {
    const struct providers_entry *entry;
    const struct provider *speaks; /* entry->kind; or provider_replay, where
                                    * its answers are played */
    int record_fd; /* where answers are recorded; -1: nowhere (any more) */
    struct call_endpoint *endpoints; /* entry->n_endpoints of them */
    struct secret *secrets;          /* of each; empty: it has none */
    struct http *http;
    struct limiter *limiter;
    uint32_t service;   /* number in the slots config */
    uint32_t in_flight; /* most calls at once */
    uint32_t waiting;
    TAILQ_HEAD(, lane_wait) waits;
    LIST_HEAD(, lane_orphan) orphans;
    struct co_log_limit log_limit, held_log_limit;
    uint64_t account; /* lane_account() */
    bool readable;    /* http has something to do */
};

/* Providers whose key is missing, or that cannot be called as the file says,
 * are left out, each with a warning. Errors are those of this machine: too few
 * descriptors (CO_FULL), memory. */
co_must_use enum co_err lanes_new(const struct lanes_options *options,
                                  struct lanes **ret_lanes,
                                  struct co_diag *diag);
/* Ends what is in flight without a word: runs that wait for it must be gone.
 * Takes NULL. */
void lanes_free(struct lanes *lanes);
CO_DEFINE_FREEP(struct lanes, lanes_free)

uint32_t lanes_count(const struct lanes *lanes);
/* The lane with that number, below lanes_count(). */
struct lane *lanes_at(struct lanes *lanes, uint32_t index);
/* The one that the core announces as that service; NULL: none. */
struct lane *lanes_of(struct lanes *lanes, uint32_t service);
/* Readable when a lane's answers came: then call lanes_readable(). */
int lanes_fd(const struct lanes *lanes, uint32_t index);
void lanes_readable(struct lanes *lanes, uint32_t index);
/* The same for the limits in Redis; -1: they are not shared. */
int lanes_limits_fd(const struct lanes *lanes);
void lanes_limits_readable(struct lanes *lanes, int64_t now_us);

/* Does what there is to do, without waiting: answers, time-outs, leases; wakes
 * those that may send now. */
void lanes_turn(struct lanes *lanes, int64_t now_us);
/* When lanes_turn has to be called again. */
int64_t lanes_due_us(const struct lanes *lanes, int64_t now_us);
/* How many calls more a lane could begin now, besides those that wait for it
 * already: what credit is announced for. */
uint32_t lanes_room(const struct lane *lane, int64_t now_us);
/* Calls in flight, all lanes together. */
uint32_t lanes_in_flight(const struct lanes *lanes);

/* Whose the work is that goes to the first endpoint: address and key, the same
 * for all workers that have both (llm/endpoint_id.h). Takes some 10 ms the
 * first time. 0: it cannot be told. */
uint64_t lane_account(struct lane *lane);

/* Waits for room. */
void lane_wait_add(struct lane *lane, struct lane_wait *wait);
void lane_wait_remove(struct lane *lane, struct lane_wait *wait);
