/* inventory.h - whether a worker holds what we think it holds: BEATs carry a
 * digest, INVENTORY settles a difference. Internal to the dispatch core. */
#pragma once
#include "broker/state.h"

void inventory_on_beat(struct dispatch *d, struct worker *w,
                       const struct msg_beat *beat, int64_t now_ms,
                       struct outbox *out);
void inventory_on_page(struct dispatch *d, struct worker *w,
                       const struct msg *m, int64_t now_ms, struct outbox *out);
/* Loses everything in w's list that the last inventory did not name. */
void inventory_lose_unseen(struct dispatch *d, struct worker *w,
                           struct outbox *out);
