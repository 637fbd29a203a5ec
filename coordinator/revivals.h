/* revivals.h - rows whose deaths will be withdrawn in a replay, or right after
 * it, each as often as it will be. Known before the replay begins, so that what
 * was decided without them need not be undone. Pure; one thread. */
#pragma once
#include "common/err.h"

struct revivals {
    struct revival {
        uint64_t row;
        uint32_t times;
    } * v; /* by row */
    uint32_t n, cap;
};

void revivals_fini(struct revivals *r);
/* CO_NOMEM: nothing changed. */
co_must_use enum co_err revivals_add(struct revivals *r, uint64_t row);
/* One of them has come. False: none was expected. */
bool revivals_remove(struct revivals *r, uint64_t row);
/* Whether one is to come in [start, start + count). */
bool revivals_in(const struct revivals *r, uint64_t start, uint32_t count);
/* The lowest row; UINT64_MAX: none is to come. */
uint64_t revivals_first(const struct revivals *r);
