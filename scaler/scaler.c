/* scaler.c - see scaler.h. Vertical and quality stand in levels.c. */
#include "scaler/scaler.h"

#include "scaler/levels.h"

#include <string.h>

enum {
    REMEMBERED = 32, /* tasks that the mean service time is made of, or those
                        of a step or two, whichever are more */
    LOAD_SHIFT = 2,  /* weight of the newest load: a quarter */
    STEP_MIN_MS = 1,
};

static const char *const limit_names[SCALER_LIMIT_COUNT] = {
#define X(name, text) text,
    SCALER_LIMIT_LIST(X)
#undef X
};
static const char *const mode_names[SCALER_MODE_COUNT] = {
#define X(name, text) text,
    SCALER_MODE_LIST(X)
#undef X
};
static const char *const reason_texts[SCALER_REASON_COUNT] = {
#define X(name, text) text,
    SCALER_REASON_LIST(X)
#undef X
};

const char *
scaler_limit_name(enum scaler_limit limit)
{
    return limit_names[limit];
}

enum scaler_limit
scaler_limit_of(const char *name)
{
    for (unsigned i = 0; i < SCALER_LIMIT_COUNT; i++) {
        if (strcmp(limit_names[i], name) == 0) return (enum scaler_limit)i;
    }
    return SCALER_LIMIT_NONE;
}

const char *
scaler_mode_name(enum scaler_mode mode)
{
    return mode_names[mode];
}

bool
scaler_mode_acts(enum scaler_mode mode)
{
    return mode != SCALER_MODE_QUALITY;
}

bool
scaler_mode_of(const char *name, enum scaler_mode *ret_mode)
{
    for (unsigned i = 0; i < SCALER_MODE_COUNT; i++) {
        if (strcmp(mode_names[i], name) != 0) continue;
        *ret_mode = (enum scaler_mode)i;
        return true;
    }
    return false;
}

const char *
scaler_reason_text(enum scaler_reason reason)
{
    return reason_texts[reason];
}

struct scaler_config
scaler_defaults(void)
{
    return (struct scaler_config){.mode = SCALER_MODE_HORIZONTAL,
                                  .min = 0,
                                  .max = 1000,
                                  .pin = SCALER_AUTO,
                                  .quiet_ms = 60000,
                                  .drain_ms = 30000,
                                  .ahead = 10,
                                  .high_permille = 800,
                                  .low_permille = 700,
                                  .in_flight_min = 1,
                                  .in_flight_max = 1024,
                                  .quality_levels = 1};
}

void
scaler_init(struct scaler *s, const struct scaler_config *c, bool held,
            int64_t now_ms)
{
    memset(s, 0, sizeof *s);
    forecast_init(&s->arrivals, c->ahead);
    forecast_init(&s->results, c->ahead);
    s->hold_until_ms = held ? now_ms + c->quiet_ms : now_ms;
    s->step_ms = s->bucket_ms = s->changed_ms = now_ms;
    s->slots_milli = 1000;
    levels_init(s, c, now_ms);
}

void
scaler_take_over(struct scaler *s, const struct scaler_config *c,
                 uint32_t in_flight)
{
    levels_take_over(s, c, in_flight);
}

/* ---- measuring ---- */

/* a * b / c without losing the product; counts are far below 2^64, but a
 * faulty peer may write anything into Redis. */
static uint64_t
scaled(uint64_t a, uint64_t b, uint64_t c)
{
    unsigned __int128 v = (unsigned __int128)a * b / (c ? c : 1);

    return v > UINT64_MAX / 4096 ? UINT64_MAX / 4096 : (uint64_t)v;
}

static uint64_t
service_us(const struct scaler *s)
{
    /* Before the first one ended: as long as those that run have taken. */
    uint64_t tasks = s->done_sum ? s->done_sum : s->running;

    return tasks ? s->busy_sum / tasks : 0;
}

/* More waits than a second's work: the slots are then busy with what came
 * earlier, and how busy they are says nothing about how much is coming. A
 * forecast on top would count the step that made the backlog twice. */
static bool
lags(const struct scaler *s, const struct scaler_sample *m)
{
    return scaled(m->waiting, service_us(s), 1000) >
           co_max_u64((uint64_t)m->slots * 1000, 1000);
}

/* Slots that arrivals at this rate occupy. */
static uint64_t
coming_milli(const struct scaler *s, uint64_t rate_milli)
{
    return scaled(rate_milli, service_us(s), 1000000);
}

static uint64_t
level_milli(const struct scaler *s)
{
    return (uint64_t)s->arrivals.level / 1024;
}

static void
smooth(uint64_t *value, uint64_t came)
{
    if (came > *value) {
        *value += (came - *value + 3) >> LOAD_SHIFT;
    } else {
        *value -= (*value - came + 3) >> LOAD_SHIFT;
    }
}

static void
measure(struct scaler *s, const struct scaler_sample *m, int64_t now_ms)
{
    uint64_t span_ms = now_ms - s->step_ms < STEP_MIN_MS
                           ? STEP_MIN_MS
                           : (uint64_t)(now_ms - s->step_ms);
    uint64_t load = scaled(m->busy_us, 1, span_ms); /* us per ms: thousandths */

    s->step_ms = now_ms;
    forecast_take(&s->arrivals, scaled(m->arrived, 1000000, span_ms));
    forecast_take(&s->results, scaled(m->done, 1000000, span_ms));
    if (s->done_sum >= REMEMBERED) {
        s->busy_sum /= 2;
        s->done_sum /= 2;
    }
    s->running = m->running;
    s->busy_sum += scaled(m->busy_us, 1, 1);
    s->done_sum += scaled(m->done, 1, 1);
    if (m->slots && m->workers) {
        s->slots_milli = scaled(m->slots, 1000, m->workers);
        /* What is more was used before this step, by tasks longer than it. */
        load = co_min_u64(load, (uint64_t)m->slots * 1000);
    }
    smooth(&s->load_milli, load);
    smooth(&s->demand_milli,
           lags(s, m) ? co_min_u64(load, coming_milli(s, level_milli(s)))
                      : load);
}

/* ---- need ---- */

struct need {
    uint32_t least;       /* workers; fewer are too few */
    uint32_t comfortable; /* the size to go to */
    uint32_t floor;       /* the size not to go below */
    enum scaler_reason cause;
};

static uint32_t
in_workers(const struct scaler *s, uint64_t slots_milli)
{
    uint64_t each = co_max_u64(s->slots_milli, 1);

    return (uint32_t)co_min_u64((slots_milli + each - 1) / each, SCALER_MAX);
}

static struct need
need_of(const struct scaler *s, const struct scaler_config *c,
        const struct scaler_sample *m)
{
    uint64_t us = service_us(s);
    uint64_t coming = coming_milli(
        s, lags(s, m) ? level_milli(s) : forecast_ahead(&s->arrivals));
    uint64_t drain = scaled(m->waiting, us, (uint64_t)c->drain_ms);
    uint64_t load = co_max_u64(s->demand_milli, coming);
    struct need n = {.cause = SCALER_REASON_LOAD};

    /* What is spare below 100 % works off what waits, so the two do not add. */
    n.least = in_workers(
        s, co_max_u64(scaled(load, 1000, c->high_permille), load + drain));
    n.comfortable = in_workers(
        s, co_max_u64(scaled(load, 1000, c->low_permille), load + drain));
    if ((m->waiting || m->running) && !n.comfortable) {
        n.least = n.comfortable = 1; /* whatever the figures say so far */
    }
    /* Whatever keeps the slots busy, a backlog too: fewer would be busier. */
    n.floor = in_workers(s, scaled(s->load_milli, 1000, c->high_permille));
    if (n.floor < n.comfortable) n.floor = n.comfortable;
    if (drain > load) {
        n.cause = SCALER_REASON_BACKLOG;
    } else if (coming > s->demand_milli) {
        n.cause = SCALER_REASON_FORECAST;
    }
    return n;
}

/* The largest size that was needed in the quiet window, this step included.
 * The window is cut into buckets, so that it costs the same at any length. */
static uint32_t
needed_lately(struct scaler *s, const struct scaler_config *c, uint32_t needed,
              int64_t now_ms)
{
    int64_t width = c->quiet_ms / (SCALER_BUCKETS - 1) + 1;
    uint32_t most = 0;

    for (int i = 0; now_ms - s->bucket_ms >= width; i++) {
        if (i == SCALER_BUCKETS) {
            s->bucket_ms = now_ms; /* a pause longer than the window */
            break;
        }
        memmove(s->needs + 1, s->needs, sizeof s->needs - sizeof s->needs[0]);
        s->needs[0] = 0;
        s->bucket_ms += width;
    }
    if (needed > s->needs[0]) s->needs[0] = needed;
    for (int i = 0; i < SCALER_BUCKETS; i++) {
        if (s->needs[i] > most) most = s->needs[i];
    }
    return most;
}

/* ---- deciding ---- */

static void
set_desired(struct scaler *s, uint32_t desired, int64_t now_ms)
{
    if (desired == s->desired) return;
    s->desired = desired;
    s->changed_ms = now_ms;
}

static enum scaler_reason
limit_reason(enum scaler_limit limit)
{
    switch (limit) {
    case SCALER_LIMIT_RATE:
        return SCALER_REASON_LIMIT_RATE;
    case SCALER_LIMIT_MONEY:
        return SCALER_REASON_LIMIT_MONEY;
    case SCALER_LIMIT_APPROVAL:
        return SCALER_REASON_LIMIT_APPROVAL;
    case SCALER_LIMIT_OWNER:
        return SCALER_REASON_LIMIT_OWNER;
    case SCALER_LIMIT_NONE:
    case SCALER_LIMIT_COUNT:
        break;
    }
    return SCALER_REASON_STEADY;
}

/* More are needed than wished for. */
static enum scaler_reason
go_up(struct scaler *s, const struct scaler_config *c,
      const struct scaler_sample *m, const struct need *n, int64_t now_ms)
{
    uint32_t doubled = m->workers ? 2 * m->workers : 1;
    uint32_t to = n->comfortable < doubled ? n->comfortable : doubled;

    if (m->limit != SCALER_LIMIT_NONE && m->workers) {
        return limit_reason(m->limit);
    }
    if (s->desired >= c->max) return SCALER_REASON_AT_MAX;
    if (to > c->max) to = c->max;
    if (to <= s->desired) return SCALER_REASON_ARRIVING;
    set_desired(s, to, now_ms);
    return m->workers ? n->cause : SCALER_REASON_FIRST;
}

/* Fewer may be enough. lately: what the quiet window needed. */
static enum scaler_reason
go_down(struct scaler *s, const struct scaler_config *c,
        const struct scaler_sample *m, uint32_t lately, uint32_t needed,
        int64_t now_ms)
{
    uint32_t to = lately < c->min ? c->min : lately;

    /* To send one of twenty home is not worth calling it back. */
    if (to < s->desired - s->desired / 10) {
        set_desired(s, to, now_ms);
        return SCALER_REASON_DOWN;
    }
    if (m->limit != SCALER_LIMIT_NONE) return limit_reason(m->limit);
    if (needed < s->desired - s->desired / 10 && s->desired > c->min) {
        return SCALER_REASON_QUIET;
    }
    if (needed > 0) return SCALER_REASON_STEADY;
    return s->desired ? SCALER_REASON_AT_MIN : SCALER_REASON_IDLE;
}

/* In these modes the size is what lives when they begin, and at least one as
 * soon as there is work: none could be turned. */
static enum scaler_reason
keep_size(struct scaler *s, const struct scaler_config *c,
          const struct scaler_sample *m, const struct need *n, int64_t now_ms)
{
    uint32_t to = m->workers ? m->workers : n->least > 0;

    if (s->desired || !to) return SCALER_REASON_MODE;
    set_desired(s, to < c->max ? to : c->max, now_ms);
    return m->workers ? SCALER_REASON_MODE : SCALER_REASON_FIRST;
}

static enum scaler_reason
decide(struct scaler *s, const struct scaler_config *c,
       const struct scaler_sample *m, int64_t now_ms)
{
    struct need n = need_of(s, c, m);
    uint32_t lately = needed_lately(s, c, n.floor, now_ms);

    if (c->pin != SCALER_AUTO) {
        set_desired(s, c->pin, now_ms);
        /* A pin that is lost with Redis, or lifted, leaves a wish that goes
         * down like any other. */
        if (c->pin > s->needs[0]) s->needs[0] = c->pin;
        return SCALER_REASON_PINNED;
    }
    if (s->desired > c->max) set_desired(s, c->max, now_ms);
    if (s->desired < c->min) set_desired(s, c->min, now_ms);
    /* Without any worker nothing can be disturbed by starting one. */
    if (now_ms < s->hold_until_ms && (m->workers || !n.least)) {
        return SCALER_REASON_HOLD;
    }
    if (c->mode == SCALER_MODE_VERTICAL || c->mode == SCALER_MODE_QUALITY) {
        return keep_size(s, c, m, &n, now_ms);
    }
    if (n.least > s->desired) return go_up(s, c, m, &n, now_ms);
    return go_down(s, c, m, lately, n.floor, now_ms);
}

/* ---- telling ---- */

static void
tell(const struct scaler *s, const struct scaler_sample *m,
     struct scaler_output *ret)
{
    uint64_t slots_milli =
        co_max_u64(m->slots ? (uint64_t)m->slots * 1000 : s->slots_milli, 1);

    ret->desired = s->desired;
    ret->in_flight = s->in_flight;
    ret->quality = s->quality;
    ret->changed_ms = s->changed_ms;
    ret->service_us = service_us(s);
    /* us x 1000 / thousandths of slots = us; then ms */
    ret->work_ms = scaled(m->waiting, ret->service_us, slots_milli);
    ret->utilisation_permille =
        m->slots ? (uint32_t)(s->load_milli / m->slots) : 0;
    ret->in_milli = level_milli(s);
    ret->out_milli = (uint64_t)s->results.level / 1024;
    ret->ahead_milli = forecast_ahead(&s->arrivals);
    ret->out_ahead_milli = forecast_ahead(&s->results);
    ret->has_was = forecast_was(&s->arrivals, &ret->was_milli);
}

void
scaler_step(struct scaler *s, const struct scaler_config *c,
            const struct scaler_sample *m, int64_t now_ms,
            struct scaler_output *ret)
{
    *ret = (struct scaler_output){.was_milli = 0};
    if (!s->begun) {
        /* What lives is the wish to begin with: nobody is sent home by a
         * scaler that knows nothing yet. */
        s->desired = m->workers;
        s->needs[0] = m->workers;
        s->begun = true;
    }
    measure(s, m, now_ms);
    ret->reason = decide(s, c, m, now_ms);
    tell(s, m, ret);
    levels_step(s, c, m, ret, now_ms);
    ret->in_flight = s->in_flight;
    ret->quality = s->quality;
}
