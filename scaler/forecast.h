/* forecast.h - Holt's linear trend on a rate, in integers.
 * level and trend are smoothed one after the other, so that a rate that climbs
 * steadily is foreseen and not only followed. A value is in thousandths (of a
 * task a second, of a slot); a step is one call. What was foreseen is kept, to
 * be shown beside what came: a forecast nobody can check is worth nothing.
 * No I/O, no clock. */
#pragma once
#include "common/base.h"

enum { FORECAST_STEPS_MAX = 63 };

struct forecast {
    int64_t level, trend; /* in 1/1024 of a thousandth */
    uint64_t taken;       /* values so far */
    uint32_t steps;       /* how far it looks ahead, 1 .. STEPS_MAX */
    int64_t told[FORECAST_STEPS_MAX + 1]; /* by the step they were for */
};

/* Looks steps ahead (cut to 1 .. FORECAST_STEPS_MAX). */
void forecast_init(struct forecast *f, uint32_t steps);
/* Takes what came in this step. */
void forecast_take(struct forecast *f, uint64_t milli);
/* What is expected in `steps` steps. Never below 0, and never more than half
 * above the level: after a step the trend would promise far more than comes. */
uint64_t forecast_ahead(const struct forecast *f);
/* What was expected, `steps` steps ago, for the step taken last; false while
 * that is too early to say. */
bool forecast_was(const struct forecast *f, uint64_t *ret_milli);
