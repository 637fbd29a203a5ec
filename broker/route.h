/* route.h - messages that pass through: results, acknowledgements, assets,
 * cancels. Internal to the dispatch core. */
#pragma once
#include "broker/state.h"

/* Each takes one reference of head and body. */
void route_results(struct dispatch *d, struct worker *w, const struct msg *m,
                   struct co_bytes head, struct co_bytes body, int64_t now_ms,
                   struct outbox *out);
void route_returned(struct dispatch *d, struct worker *w, const struct msg *m,
                    struct co_bytes head, int64_t now_ms, struct outbox *out);
void route_ack(struct dispatch *d, struct owner *o, const struct msg *m,
               struct co_bytes head, int64_t now_ms, struct outbox *out);
void route_cancel(struct dispatch *d, struct owner *o, const struct msg *m,
                  struct outbox *out);
/* NEED and BLOB_GET, from a worker to the job's owner. */
void route_need(struct dispatch *d, struct worker *w, const struct msg *m,
                uint64_t job, uint64_t worker, struct co_bytes head,
                struct outbox *out);
void route_blob(struct dispatch *d, struct owner *o, const struct msg *m,
                struct co_bytes head, struct co_bytes body, struct outbox *out);

/* Result batches that a worker keeps until ACK. */
void route_unacked_add(struct dispatch *d, struct worker *w, uint64_t seq,
                       struct job *job, const struct msg_results *r,
                       struct co_bytes head);
void route_unacked_remove(struct dispatch *d, struct worker *w, uint64_t seq);
/* Removes those of one job (or of all: NONE). */
void route_unacked_forget(struct dispatch *d, struct worker *w, uint32_t job);
/* w keeps none of them any more: owners are told that they are lost, because
 * an INVENTORY may have named them. */
void route_unacked_lose(struct dispatch *d, struct worker *w,
                        struct outbox *out);
/* A worker that says HELLO again sends all of them again: doubts those that we
 * know until then, and loses those that neither came nor were named since. */
void route_unacked_doubt(struct worker *w);
/* It keeps the tasks with these held keys as done. Sorts them. */
void route_unacked_trust(struct worker *w, uint64_t *keys, uint32_t n);
void route_unacked_lose_doubted(struct dispatch *d, struct worker *w,
                                struct outbox *out);
/* Tasks that waited longer than their wait_ms go back to their owners. */
void route_tick(struct dispatch *d, int64_t now_ms, struct outbox *out);
