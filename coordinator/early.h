/* early.h - messages that came before the journal was read. The engine cannot
 * judge anything until then, so they wait, in order and within limits, and are
 * given to it afterwards. Owned by one loop. */
#pragma once
#include "common/bytes.h"
#include "common/err.h"

enum {
    EARLY_MAX = 4096,           /* messages */
    EARLY_BYTES_MAX = 16 << 20, /* of them, from all brokers */
};

struct early_message {
    unsigned link;
    struct co_bytes head, body; /* references of its own */
};

struct early {
    struct early_message *v; /* EARLY_MAX of them, until early_fini */
    size_t n;
    uint64_t bytes;
};

co_must_use enum co_err early_init(struct early *e);
/* Takes references. CO_FULL: a limit is reached; nothing is kept. */
co_must_use enum co_err early_keep(struct early *e, unsigned link,
                                   struct co_bytes head, struct co_bytes body);
/* What a link said before it broke counts no more: its INVENTORY would make
 * tasks look held that the broker, begun anew, knows nothing of. */
void early_drop_link(struct early *e, unsigned link);
void early_drop(struct early *e);
void early_fini(struct early *e);
