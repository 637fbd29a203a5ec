/* spend_rate.c - see spend_rate.h. Samples are 4 s apart: answers come in
 * bursts, and a shorter span would show a saw. */
#include "coordinator/spend_rate.h"

enum { MINUTE_US = 60000000 };

int64_t
spend_rate_take(struct spend_rate *r, int64_t spent, int64_t now_us)
{
    const unsigned n =
        r->taken < SPEND_RATE_SAMPLES ? r->taken : SPEND_RATE_SAMPLES;
    const unsigned oldest =
        r->taken < SPEND_RATE_SAMPLES ? 0 : r->taken % SPEND_RATE_SAMPLES;
    const unsigned newest =
        (r->taken + SPEND_RATE_SAMPLES - 1) % SPEND_RATE_SAMPLES;
    int64_t span_us, more, rate = -1;

    if (spent < 0) return -1;
    if (n && now_us > r->sample[oldest].at_us) {
        span_us = now_us - r->sample[oldest].at_us;
        more = spent - r->sample[oldest].spent;
        /* a late answer may make it less */
        rate = more <= 0 ? 0 : (int64_t)((__int128)more * MINUTE_US / span_us);
    }
    if (!n || now_us - r->sample[newest].at_us >= SPEND_RATE_STEP_US) {
        r->sample[r->taken % SPEND_RATE_SAMPLES].at_us = now_us;
        r->sample[r->taken % SPEND_RATE_SAMPLES].spent = spent;
        r->taken++;
    }
    return rate;
}
