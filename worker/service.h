/* service.h - what a worker can do: one table of services, each a small file
 * in worker/services/.
 * A service never blocks and never runs longer than about 1 ms at a time, so
 * that beats go out on time; a task that waits says until when. A run's output
 * depends on the task and its recipe only.
 * Not thread-safe: belongs to the worker's loop. */
#pragma once
#include "common/buf.h"
#include "worker/slots.h"

struct recipes; /* worker/recipes.h */
struct lanes;   /* worker/lanes.h */
struct work;    /* worker/work.h */

enum service_step {
    SERVICE_DONE,     /* the result stands in out */
    SERVICE_FAILED,   /* out says why: "CODE: text" */
    SERVICE_MORE,     /* go on when it is your turn */
    SERVICE_WAIT,     /* go on at wait_until_us or work_wake(), not earlier */
    SERVICE_RETURN,   /* not here, not now: as reason and not_before_ms say */
    SERVICE_NO_RECIPE /* the recipe cannot be used here */
};

/* Candidates that a test wants to go wrong, always: what a guilty row is. */
enum { ROW_TRAPS_MAX = 16 };
struct row_traps {
    uint64_t crash[ROW_TRAPS_MAX], fail[ROW_TRAPS_MAX];
    uint32_t n_crash, n_fail;
};

/* What services share. */
struct service_env {
    struct row_traps traps;
    struct recipes *recipes; /* NULL: no population model on this machine */
    struct lanes *lanes;     /* NULL: no provider can be called from here */
    uint64_t fingerprint;
};

/* One run. The caller keeps it and its out buffer; out is empty at begin. */
struct service_run {
    const struct service *service;
    struct service_env *env;
    struct work *work;         /* runs it; NULL: nobody that could be woken */
    struct slots_task task;    /* payload and recipe are borrowed */
    void *state;               /* the service's own */
    int64_t wait_until_us;     /* INT64_MAX: until it is woken */
    enum return_reason reason; /* of RETURN */
    uint32_t not_before_ms;
    struct co_buf *out;
    bool progressed; /* set by the service: there is news since the last look */
};

struct service {
    const char *name;
    bool range;       /* tasks are ranges of candidates */
    bool needs_model; /* not announced without one */
    bool has_lanes;   /* announced once for each provider that can be called */
    bool waits;       /* its time is the span, not what it takes of the CPU */
    uint32_t hint_ns; /* expected run time of a task */
    /* Reads the payload and makes state. Answers like step. Whatever it
     * answers, abort is called at the end if state is set. */
    enum service_step (*begin)(struct service_env *env, struct service_run *run,
                               int64_t now_us);
    enum service_step (*step)(struct service_run *run, int64_t now_us);
    /* The run has to end: nobody wants it, its time is over, or the process
     * goes. DONE: what now stands in out must reach the owner, because
     * something was begun that cannot be called back. RETURN: nothing was, also
     * where it would fail for want of time. NULL: given back, or fails. */
    enum service_step (*stop)(struct service_run *run, int64_t now_us);
    /* Whether nothing was begun yet that could not be called back, so that the
     * run may be given back. NULL: it is begun. */
    bool (*unsent)(const struct service_run *run);
    /* Releases state; also after DONE. May be NULL. */
    void (*abort)(struct service_run *run);
};

/* All services of this program. */
extern const struct service *const service_table[];
extern const uint32_t service_count;

/* By name, NULL when there is none. */
const struct service *service_find(const char *name);
/* Fails the run with a text for people: "CODE: text". */
enum service_step service_fail(struct service_run *run, enum co_err err,
                               const char *text);
