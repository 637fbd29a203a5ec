/* lease.h - who is the scaler of a namespace: a lease in Redis with a number
 * that only grows (fencing). What Redis answers goes in, what to do comes out;
 * no I/O and no clock. Keys, by common/keys.h:
 *   scaler         "NUMBER HOLDER", expires after LEASE_TTL_MS
 *   scaler:number  the last number given out
 *
 * A holder asks GET and PEXPIRE every second. PEXPIRE after somebody else took
 * the lease prolongs theirs a little, which harms nobody; a SET would take it
 * away from them. What the holder writes carries its number, and who acts on it
 * ignores a lower one: a holder that was frozen cannot turn anything back. */
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
    uint64_t wanted;      /* asked for */
    int64_t until_ms;     /* held until then */
    uint64_t taken, lost; /* how often */
};

enum lease_order {
    LEASE_NOTHING,
    LEASE_DRAW_NUMBER, /* INCR scaler:number, then lease_on_number */
    LEASE_CLAIM, /* SET scaler:number wanted; SET scaler lease_value NX PX */
};

/* id: without blanks, unique among those who try; cut to LEASE_ID_MAX. */
void lease_init(struct lease *l, const char *id);
/* GET's answer; value NULL: there is none. asked_ms: when it was asked. */
enum lease_order lease_on_value(struct lease *l, const char *value,
                                int64_t asked_ms);
enum lease_order lease_on_number(struct lease *l, uint64_t number);
/* SET's answer. */
void lease_on_claim(struct lease *l, bool taken, int64_t asked_ms);
bool lease_held(const struct lease *l, int64_t now_ms);
/* The value that says that this one holds it by the wanted number. */
void lease_value(const struct lease *l, uint64_t number,
                 char text[LEASE_VALUE_BYTES]);
