/* actor.c - see actor.h. */
#include "scaler/actor.h"

#include <string.h>

void
actor_init(struct actor *a)
{
    memset(a, 0, sizeof *a);
}

bool
actor_hear(struct actor *a, uint64_t number, uint32_t wanted, int64_t now_ms)
{
    if (a->told && number < a->number &&
        now_ms - a->heard_ms < ACTOR_STALE_MS) {
        return false;
    }
    /* Another wish is a reason to try at once, but not faster than failures
     * allow. */
    if (wanted != a->wanted && !a->in_a_row) a->due_ms = now_ms;
    a->told = true;
    a->number = number;
    a->heard_ms = now_ms;
    a->wanted = wanted;
    return true;
}

bool
actor_due(const struct actor *a, int64_t now_ms)
{
    return a->told && now_ms >= a->due_ms;
}

void
actor_done(struct actor *a, bool good, int64_t now_ms)
{
    int64_t wait = ACTOR_RETRY_FIRST_MS;

    a->acted++;
    if (good) {
        a->in_a_row = 0;
        a->applied = a->wanted;
        a->is_applied = true;
        a->due_ms = now_ms + ACTOR_AGAIN_MS;
        return;
    }
    a->failures++;
    for (uint32_t i = 0; i < a->in_a_row && wait < ACTOR_RETRY_MAX_MS; i++) {
        wait *= 2;
    }
    a->in_a_row++;
    a->due_ms =
        now_ms + (wait < ACTOR_RETRY_MAX_MS ? wait : ACTOR_RETRY_MAX_MS);
}
