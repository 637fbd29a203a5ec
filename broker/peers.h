/* peers.h - who is there: workers and owners, and whether they live. Internal
 * to the dispatch core. */
#pragma once
#include "broker/state.h"

enum worker_state peers_next_state(enum worker_state state,
                                   enum worker_event event);
const char *peers_state_name(enum worker_state state);

/* The worker or owner behind a handle, or NULL: unknown, send WHO. */
struct worker *peers_worker(struct dispatch *d, uint64_t handle);
struct owner *peers_owner(struct dispatch *d, uint64_t handle);
/* The worker with that incarnation, or NULL. */
struct worker *peers_incarnation(struct dispatch *d, uint64_t incarnation);

/* A worker says HELLO: tells owners if it was given up as dead, here or, for
 * all that is known, by a broker in whose place this one is (begin: it is new
 * here). */
void peers_revive(struct dispatch *d, struct worker *w, bool begin,
                  struct outbox *out);
/* The same, of all such workers, to an owner that has just attached, while
 * workers of a broker that began anew may report. */
void peers_revived(const struct dispatch *d, const struct owner *o,
                   int64_t now_ms, struct outbox *out);
void peers_on_drain(struct dispatch *d, struct worker *w);
void peers_on_bye_worker(struct dispatch *d, struct worker *w,
                         struct outbox *out);
/* The worker is put out: what it holds is lost by its link. w is freed. */
void peers_drop_worker(struct dispatch *d, struct worker *w, const char *why,
                       struct outbox *out);
/* The owner is gone: its jobs wait for another. */
void peers_drop_owner(struct dispatch *d, struct owner *o, int64_t now_ms,
                      const char *why);
void peers_on_unroutable(struct dispatch *d, enum side side, uint64_t handle,
                         int64_t now_ms);
void peers_tick(struct dispatch *d, int64_t now_ms, struct outbox *out);
/* The bits of tags; CO_FULL when the broker knows too many. */
co_must_use enum co_err peers_tags(struct dispatch *d, struct msg_strs tags,
                                   uint64_t *ret_mask);
/* Applies a row of the worker table; false when it is refused. */
bool peers_apply(struct dispatch *d, struct worker *w, enum worker_event event,
                 const char *why);
void peers_free(struct dispatch *d);
