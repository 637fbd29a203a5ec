/* forecast.c - see forecast.h. The weights follow a step within some ten
 * values and let single outliers pass; the trend is slower than the level,
 * since it is multiplied by the number of steps ahead. */
#include "scaler/forecast.h"

#include <string.h>

enum {
    ONE = 1024,
    LEVEL_WEIGHT = 256, /* of the newest value */
    TREND_WEIGHT = 48,  /* of the newest change of the level */
};

/* A value beyond this (10^12 tasks a second) would overflow what follows. */
#define MILLI_MAX ((uint64_t)1000000000000000)

void
forecast_init(struct forecast *f, uint32_t steps)
{
    memset(f, 0, sizeof *f);
    f->steps = (uint32_t)co_clamp_u64(steps, 1, FORECAST_STEPS_MAX);
}

uint64_t
forecast_ahead(const struct forecast *f)
{
    int64_t at = f->level + f->trend * (int64_t)f->steps;

    if (at > f->level / 2 * 3) at = f->level / 2 * 3;
    return at < 0 ? 0 : (uint64_t)at / ONE;
}

void
forecast_take(struct forecast *f, uint64_t milli)
{
    int64_t came = (int64_t)co_min_u64(milli, MILLI_MAX) * ONE;
    int64_t before = f->level;

    if (f->taken == 0) {
        f->level = came;
    } else {
        int64_t expected = f->level + f->trend;

        f->level = expected + (came - expected) / ONE * LEVEL_WEIGHT;
        f->trend += (f->level - before - f->trend) / ONE * TREND_WEIGHT;
        if (f->level < 0) f->level = f->trend = 0; /* a burst is over */
    }
    f->taken++;
    f->told[(f->taken + f->steps) % co_countof(f->told)] =
        (int64_t)forecast_ahead(f);
}

bool
forecast_was(const struct forecast *f, uint64_t *ret_milli)
{
    if (f->taken <= f->steps) return false;
    *ret_milli = (uint64_t)f->told[f->taken % co_countof(f->told)];
    return true;
}
