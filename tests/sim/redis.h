/* redis.h - Redis as far as the cores read it: the number of a job's owner,
 * which the owner writes a few times a second. It may go away, come back
 * empty, or come back as it was a second ago (an append-only file that is
 * synced once a second). */
#pragma once
#include "tests/sim/nodes.h"

void redis_make(struct sim *s);
void redis_free(struct sim *s);
/* What a new owner reads; 0: nothing, or no Redis. */
uint32_t redis_owner(const struct sim *s, const struct sim_job *job);
/* The owner tells its number now, and again while it lives. */
void redis_put_owner(struct sim *s, struct node *owner, uint32_t number);

/* -- faults */
void redis_down(struct sim *s, int64_t until_us);
void redis_lose(struct sim *s);
/* What was written in the last second is not there. */
void redis_roll_back(struct sim *s);
