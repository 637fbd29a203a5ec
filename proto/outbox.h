/* outbox.h - what a core wants sent: messages with their receivers, in order.
 * Cores push, shells (or the simulator) drain. Bounded by the caller's credit,
 * not here. Not thread-safe: belongs to its core's loop. */
#pragma once
#include "proto/msg.h"

/* A receiver is (side, peer); what they mean is between core and shell. */
struct outmsg {
    uint8_t side;
    uint64_t peer;
    struct co_bytes head; /* encoded header */
    struct co_bytes body; /* may be empty */
};

struct outbox {
    struct outmsg *v;
    size_t n, cap;
    struct co_buf scratch;
    enum co_err err; /* CO_NOMEM sticks: a message could not be queued */
};

void outbox_init(struct outbox *out);
/* Drops what was not drained. */
void outbox_fini(struct outbox *out);
/* Encodes m for the receiver. Takes over one reference of body. */
void outbox_push(struct outbox *out, uint8_t side, uint64_t peer,
                 const struct msg *m, struct co_bytes body);
/* Passes a message on as it came. Takes over one reference of each. */
void outbox_forward(struct outbox *out, uint8_t side, uint64_t peer,
                    struct co_bytes head, struct co_bytes body);
/* Forgets all messages (drops their references), keeps the memory. */
void outbox_clear(struct outbox *out);
