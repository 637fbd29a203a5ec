/* spend_rate.h - what a job spends a minute: over the last minute, or as long
 * as is known. Pure. */
#pragma once
#include "common/err.h"

enum { SPEND_RATE_SAMPLES = 16, SPEND_RATE_STEP_US = 4000000 };

struct spend_rate {
    struct {
        int64_t at_us, spent; /* 1e-12 USD */
    } sample[SPEND_RATE_SAMPLES];
    unsigned taken; /* in all */
};

/* What was spent until now; -1: nobody knows. Returns the rate in 1e-12 USD a
 * minute, -1 when it is not known (yet). Call it often. */
int64_t spend_rate_take(struct spend_rate *r, int64_t spent, int64_t now_us);
