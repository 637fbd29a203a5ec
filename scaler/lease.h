/* lease.h - who is the scaler of a namespace: a lease in Redis with a number
 * that only grows (fencing). What Redis answers goes in, what to do comes out;
 * no I/O and no clock. Keys, by common/keys.h:
 *   scaler         "NUMBER HOLDER", expires after LEASE_TTL_MS
 *   scaler:number  the last number given out
 *
 * A holder prolongs it every second. Whatever is done by right of the lease,
 * taking it included, Redis does in one step with the look at who has it
 * (coordinator/scale_script.h). What the holder writes carries its number, and
 * who acts on it ignores a lower one: a holder that was frozen cannot turn
 * anything back. */
#pragma once
#include "common/base.h"

enum {
    LEASE_TTL_MS = 3000,
    LEASE_ASK_MS = 1000,
    LEASE_MARGIN_MS = 500, /* stop so long before Redis would give it away */
    LEASE_ID_MAX = 64,
    LEASE_VALUE_BYTES = LEASE_ID_MAX + 24,
};

struct lease {
    char id[LEASE_ID_MAX + 1];
    uint64_t number;      /* of the lease that is held or was held last */
    uint64_t highest;     /* seen anywhere */
    int64_t until_ms;     /* held until then */
    uint64_t taken, lost; /* how often */
};

/* id: without blanks, unique among those who try; cut to LEASE_ID_MAX. */
void lease_init(struct lease *l, const char *id);
/* Who has it, as Redis says; NULL: nobody. True: try to claim it.
 * asked_ms: when it was asked. */
bool lease_on_value(struct lease *l, const char *value, int64_t asked_ms);
/* The number under which it was claimed, above l->highest; 0: another one was
 * faster. */
void lease_on_claim(struct lease *l, uint64_t number, int64_t asked_ms);
/* Redis refused a write: somebody else has it, or nobody. */
void lease_on_refusal(struct lease *l);
bool lease_held(const struct lease *l, int64_t now_ms);
/* The value that says that this one holds it (or held it last). */
void lease_value(const struct lease *l, char text[LEASE_VALUE_BYTES]);
