/* jobs.h - jobs, the owner number in force for each, and their flows: the
 * queues that lanes serve in bands. Internal to the dispatch core. */
#pragma once
#include "broker/state.h"

/* The job with that id, or NULL. */
struct job *jobs_find(struct dispatch *d, uint64_t id);
/* The same, made when unknown. NULL: too many jobs, or no memory. */
struct job *jobs_get(struct dispatch *d, uint64_t id, int64_t now_ms);
/* Whether the job was declared over lately. */
bool jobs_is_forgotten(const struct dispatch *d, uint64_t id);

void jobs_on_attach(struct dispatch *d, struct owner *o, const struct msg *m,
                    int64_t now_ms, struct outbox *out);
void jobs_on_detach(struct dispatch *d, struct owner *o, const struct msg *m,
                    struct outbox *out);
/* Whether o owns the job by that number. If not it was told why. */
struct job *jobs_fence(struct dispatch *d, struct owner *o, uint64_t job,
                       uint32_t number, const struct msg *m,
                       struct outbox *out);
/* How long workers of a broker that began anew may still report, 0: no more. */
uint32_t jobs_settle_left_ms(const struct dispatch *d, int64_t now_ms);

/* Forgets jobs that no owner came back for. */
void jobs_tick(struct dispatch *d, int64_t now_ms, struct outbox *out);
/* Frees a job that nothing refers to and nobody owns. */
void jobs_maybe_free(struct dispatch *d, struct job *job);

/* The lane of (service, provider), made when unknown; CO_FULL, CO_NOMEM. */
co_must_use enum co_err jobs_lane(struct dispatch *d, struct msg_str service,
                                  struct msg_str provider, uint32_t *ret_lane);
/* The flow of (job, lane, alone), made when unknown; CO_FULL, CO_NOMEM. */
co_must_use enum co_err jobs_flow(struct dispatch *d, struct job *job,
                                  uint32_t lane, bool alone,
                                  uint32_t *ret_flow);
/* Puts a flow that has tasks at the end of its band's ring. */
void jobs_flow_activate(struct dispatch *d, uint32_t flow);
/* Takes a flow that ran empty (or whose job ends) out of it. */
void jobs_flow_deactivate(struct dispatch *d, uint32_t flow);
/* The address of the job's owner; false when it is away. */
bool jobs_owner_handle(const struct dispatch *d, const struct job *job,
                       uint64_t *ret_handle);
