/* unknown_calls.h - the calls of a paid job of which nobody knows whether they
 * were paid, one by one, from its journal: intents that no outcome follows,
 * and outcomes that say "sent, and no whole answer came". Their sum is the
 * job's `unknown_usd` once the job is over; while it runs, calls that are out
 * are among them. Reads only, also beside a run. Blocks; one thread. */
#pragma once
#include "common/err.h"
#include "llm/ask.h"

enum { UNKNOWN_TEXT_BYTES = ASK_TEXT_MAX + 1 };

struct unknown_call {
    uint64_t row;
    uint32_t ask; /* the how-manieth of its row, from 0 */
    uint32_t stage;
    int64_t worst;  /* 1e-12 USD that it may have cost at most */
    uint64_t batch; /* number of the batch that it went out in; 0: none */
    /* What was committed of it; all empty when nothing was. */
    bool told;
    uint32_t status;
    uint64_t time_s; /* since 1970 */
    char fault[UNKNOWN_TEXT_BYTES], endpoint[UNKNOWN_TEXT_BYTES];
};

struct unknown_calls {
    struct unknown_call *v; /* owned; by row, then ask */
    size_t n;
    int64_t worst; /* of all together */
};
void unknown_calls_fini(struct unknown_calls *calls);

/* dir: a run's output folder, or the journal in it. CO_NOTFOUND: no journal;
 * CO_DAMAGED, CO_VERSION: one that cannot tell. */
co_must_use enum co_err unknown_calls_read(const char *dir,
                                           struct unknown_calls *ret,
                                           struct co_diag *diag);
