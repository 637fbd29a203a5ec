/* work.h - runs the tasks that the slots core hands out, a slice at a time.
 * Between core and services: takes tasks, steps services, gives results back.
 * No socket; time comes from the function it is given, because a slice ends
 * by the clock. Not thread-safe: belongs to the worker's loop. */
#pragma once
#include "worker/service.h"
#include "worker/slots.h"

struct work; /* opaque */

/* What a service used of the slots since the start. */
struct work_usage {
    uint64_t done; /* tasks that ended here, well or badly */
    /* Slot time: from begin to end, waiting included. All slots that a service
     * has of its own count as one: what is busy is the process. */
    uint64_t busy_us;
};

/* n_slots: of the slots config, with those that services have of their own.
 * services: by the numbers of that config (borrowed, like slots and env).
 * clock_us: the clock that slots is told, in microseconds. */
co_must_use enum co_err work_new(struct slots *slots, uint32_t n_slots,
                                 const struct service *const *services,
                                 struct service_env *env,
                                 int64_t (*clock_us)(void),
                                 struct work **ret_work);
void work_free(struct work *w);
CO_DEFINE_FREEP(struct work, work_free)

/* Works for about 1 ms, less when there is nothing left. True: there is more
 * to do at once. */
bool work_run(struct work *w, int64_t now_us);
/* What a run waits for has come: it goes on with the next work_run. Nothing
 * happens to one that does not wait. */
void work_wake(struct service_run *run);
/* When a waiting task goes on; INT64_MAX: none does by the clock. */
int64_t work_deadline(const struct work *w);
/* By the numbers of services, SLOTS_SERVICES_MAX of them; tasks that still run
 * are counted up to now_us. */
const struct work_usage *work_used(struct work *w, int64_t now_us);
/* Stops every run and gives its task back, or what it has to tell. */
void work_hand_back(struct work *w, enum return_reason reason);
