/* elastic.h - what the scaler wants of this host: the local actor's view of
 * Redis (docs/redis-keys.md). Tells that a supervisor is here, reads its share
 * of scale:SERVICE, and how busy its workers are when some have to go. When
 * Redis or the scaler are away the last wish stands: nobody is started or sent
 * home on a guess. Not thread-safe: belongs to the supervisor's loop. */
#pragma once
#include "scaler/share.h"
#include "worker/worker_config.h"

struct elastic; /* opaque */

/* Texts of config are borrowed for life. CO_INVALID, CO_DENIED: the URL. */
co_must_use enum co_err elastic_new(const struct worker_config *config,
                                    struct elastic **ret_elastic,
                                    struct co_diag *diag);
/* Takes the supervisor off the list (waits for Redis at most 200 ms). */
void elastic_free(struct elastic *e);
CO_DEFINE_FREEP(struct elastic, elastic_free)
int elastic_fd(const struct elastic *e);
/* The id that workers of this supervisor carry. */
const char *elastic_id(const struct elastic *e);

/* Call about once a second: writes who is here and asks for the shares. */
void elastic_beat(struct elastic *e, uint32_t running);
/* Takes what Redis answered. */
void elastic_read(struct elastic *e);
/* Processes that should run: MIN until a scaler said something. */
uint32_t elastic_wish(const struct elastic *e);

/* Asks how busy the worker is; the answer comes by elastic_read. i: the
 * caller's number of it, below WORKER_PROCESSES_MAX. */
void elastic_ask(struct elastic *e, uint32_t i, uint64_t worker);
/* Asks the worker to drain, which it takes its time for. Say it again with each
 * beat: the question may be lost with Redis. */
void elastic_drain(struct elastic *e, uint64_t worker);
/* The answer, once; false: there is none since the question. */
bool elastic_answer(struct elastic *e, uint32_t i, struct share_worker *ret);
