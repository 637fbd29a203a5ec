/* greeting.h - HELLO: a worker or an owner becomes a peer, or one that is
 * known gets a new link. Internal to the dispatch core. */
#pragma once
#include "broker/state.h"

void greeting_on_hello(struct dispatch *d, enum side side, uint64_t handle,
                       const struct msg *m, int64_t now_ms, struct outbox *out);
