/* gc_ask.h - the questions of `cohort gc` to a Redis: one call, its errors, and
 * the walk over all keys. An ERROR answer is an error (co_redis_refused).
 * Blocking, with a deadline for each call. One thread. */
#pragma once
#include "common/redis.h"

struct gc_ask; /* opaque */

co_must_use enum co_err gc_ask_new(const char *url, bool allow_insecure,
                                   struct gc_ask **ret_ask,
                                   struct co_diag *diag);
void gc_ask_free(struct gc_ask *ask);
CO_DEFINE_FREEP(struct gc_ask, gc_ask_free)

/* One command; the caller frees *ret_reply. */
co_must_use enum co_err gc_ask_call(struct gc_ask *ask, size_t argc,
                                    const char *const *argv,
                                    struct co_redis_reply **ret_reply,
                                    struct co_diag *diag);
/* The same when the answer does not matter. */
co_must_use enum co_err gc_ask_do(struct gc_ask *ask, size_t argc,
                                  const char *const *argv,
                                  struct co_diag *diag);
co_must_use enum co_err gc_ask_unlink(struct gc_ask *ask, const char *key,
                                      struct co_diag *diag);
/* What a key takes in Redis's memory; 0: unknown, or there is none. */
uint64_t gc_ask_bytes(struct gc_ask *ask, const char *key);
/* Hands each key that matches to on_key, once and sorted; ends with its first
 * error. Keys are gathered first, so that on_key may ask and remove.
 * CO_FULL: more than a million. */
co_must_use enum co_err
gc_ask_scan(struct gc_ask *ask, const char *pattern,
            enum co_err (*on_key)(void *self, struct gc_ask *ask,
                                  const char *key, struct co_diag *diag),
            void *self, struct co_diag *diag);
/* The text of an answer, "" when it is none. */
const char *gc_ask_text(const struct co_redis_reply *reply);
