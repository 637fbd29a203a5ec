/* levels.c - see levels.h.
 *
 * In flight: additive increase, multiplicative decrease. One more a step while
 * work waits, the slots are used and nothing complains; half of it when an
 * endpoint refuses or memory gets short, at most once in CUT_PAUSE_MS, since
 * what was in flight at the cut goes on failing for a moment.
 *
 * Quality: a level down when the work that is left cannot be done before the
 * deadline even with all workers allowed; one level in a quiet window, so that
 * the effect is seen first. Never up again: rows of one job would differ for
 * no reason that a reader could see. */
#include "scaler/levels.h"

enum {
    CUT_PAUSE_MS = 5000,
    MEMORY_CUT_PERMILLE = 900,
    MEMORY_STOP_PERMILLE = 750, /* no more beyond this */
    USED_PERMILLE = 900,
};

static bool
sets_in_flight(const struct scaler_config *c)
{
    return c->mode == SCALER_MODE_VERTICAL || c->mode == SCALER_MODE_HYBRID;
}

void
levels_init(struct scaler *s, const struct scaler_config *c, int64_t now_ms)
{
    s->in_flight = sets_in_flight(c) ? c->in_flight_min : 0;
    s->quality = 0;
    s->quality_ms = now_ms;
    s->cut_ms = INT64_MIN / 2;
}

/* Workers obey within a second: to begin at the minimum would empty a fleet
 * that was filled one by one. 0: that one set none. */
void
levels_take_over(struct scaler *s, const struct scaler_config *c,
                 uint32_t in_flight)
{
    if (!sets_in_flight(c) || in_flight == 0) return;
    s->in_flight =
        (uint32_t)co_clamp_u64(in_flight, c->in_flight_min, c->in_flight_max);
}

static uint64_t
memory_permille(const struct scaler_config *c, const struct scaler_sample *m)
{
    if (!c->memory_bytes) return 0;
    return (uint64_t)((unsigned __int128)m->rss_bytes * 1000 / c->memory_bytes);
}

static void
step_in_flight(struct scaler *s, const struct scaler_config *c,
               const struct scaler_sample *m, const struct scaler_output *out,
               int64_t now_ms)
{
    uint64_t memory = memory_permille(c, m);
    bool more = m->waiting > 0 && memory < MEMORY_STOP_PERMILLE &&
                out->utilisation_permille >= USED_PERMILLE &&
                m->limit == SCALER_LIMIT_NONE;

    /* A mode that was switched on while it ran. */
    if (s->in_flight < c->in_flight_min) s->in_flight = c->in_flight_min;
    if (m->errors || memory >= MEMORY_CUT_PERMILLE) {
        if (now_ms - s->cut_ms < CUT_PAUSE_MS) return;
        s->cut_ms = now_ms;
        s->in_flight /= 2;
    } else if (more) {
        s->in_flight++;
    }
    if (s->in_flight < c->in_flight_min) s->in_flight = c->in_flight_min;
    if (s->in_flight > c->in_flight_max) s->in_flight = c->in_flight_max;
}

/* Whether all the workers allowed would still be too late. */
static bool
too_late(const struct scaler_config *c, const struct scaler_sample *m,
         const struct scaler_output *out)
{
    uint32_t workers = m->workers ? m->workers : 1;
    uint32_t most =
        c->mode == SCALER_MODE_HYBRID && m->limit == SCALER_LIMIT_NONE
            ? c->max
            : workers;

    if (m->left_ms == INT64_MAX || !out->service_us) return false;
    if (m->left_ms <= 0) return true;
    return (uint64_t)((unsigned __int128)out->work_ms * workers /
                      (most ? most : 1)) > (uint64_t)m->left_ms;
}

void
levels_step(struct scaler *s, const struct scaler_config *c,
            const struct scaler_sample *m, const struct scaler_output *out,
            int64_t now_ms)
{
    bool hybrid = c->mode == SCALER_MODE_HYBRID;
    bool workers_end =
        out->reason == SCALER_REASON_AT_MAX || m->limit == SCALER_LIMIT_RATE;

    if (c->mode == SCALER_MODE_HORIZONTAL) s->in_flight = 0;
    if (c->mode == SCALER_MODE_VERTICAL ||
        (hybrid && (workers_end || m->errors || s->in_flight == 0))) {
        step_in_flight(s, c, m, out, now_ms);
    }
    if (c->mode != SCALER_MODE_QUALITY && !hybrid) return;
    if (s->quality + 1 >= c->quality_levels ||
        now_ms - s->quality_ms < c->quiet_ms || !too_late(c, m, out)) {
        return;
    }
    s->quality++;
    s->quality_ms = now_ms;
}
