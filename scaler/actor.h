/* actor.h - when an actor outside this host acts on the scaler's wish, and when
 * it leaves things alone. Pure: no I/O, no clock. An actor sets the number of
 * replicas of something (kubernetes, a command); acting twice on the same wish
 * does no harm, acting on an old one would, so a wish carries the number of the
 * lease it was made under. */
#pragma once
#include "common/base.h"

enum {
    ACTOR_RETRY_FIRST_MS = 1000, /* after a failure; doubles */
    ACTOR_RETRY_MAX_MS = 60000,
    ACTOR_AGAIN_MS = 30000, /* somebody else may have changed it meanwhile */
    ACTOR_STALE_MS = 10000, /* lower numbers are passed over for so long */
};

struct actor {
    uint64_t number; /* of the wish */
    int64_t heard_ms;
    bool told; /* a wish is known */
    uint32_t wanted, applied;
    bool is_applied;
    int64_t due_ms;    /* not earlier than this */
    uint32_t in_a_row; /* failures */
    uint64_t acted, failures;
};

void actor_init(struct actor *a);
/* A wish was read. False: it is of a holder that was replaced. */
bool actor_hear(struct actor *a, uint64_t number, uint32_t wanted,
                int64_t now_ms);
/* Whether to act now. Without a wish never: what runs stays as it is. */
bool actor_due(const struct actor *a, int64_t now_ms);
/* How acting on a->wanted went. */
void actor_done(struct actor *a, bool good, int64_t now_ms);
