/* scaler.h - how many workers a service should have, and why.
 * One struct scaler a service. The shell (coordinator/scale.c) measures about
 * once a second and calls scaler_step, which decides; nothing here reads a
 * clock, a key or a random number, so that load curves of a day run in a
 * test in milliseconds. Integers only: two holders that see the same decide
 * the same.
 *
 *   load    slots that are really occupied, measured and foreseen (Holt)
 *   need    load / 80 %, or load + what waits / drain time if that is more, in
 *           workers: fewer are too few. With 70 % it is the comfortable size
 *   up      at once when need exceeds the wish, to the comfortable size, at
 *           most to twice the workers that live
 *   down    to the largest comfortable size of the whole quiet window, but to
 *           none that would be busier than 80 %, once that saves a tenth
 *
 * The gap between 80 and 70 %, the window's maximum and the tenth are all the
 * hysteresis there is: a load that varies inside the gap changes nothing, and
 * nothing goes down that was needed within the window. */
#pragma once
#include "scaler/forecast.h"

/* What makes more workers useless. Told by the jobs; the first that holds. */
#define SCALER_LIMIT_LIST(X)                                                   \
    X(NONE, "none")                                                            \
    X(RATE, "rate")         /* an endpoint takes no more requests */           \
    X(MONEY, "money")       /* the budget is spent or reserved */              \
    X(APPROVAL, "approval") /* a person has to say yes first */                \
    X(OWNER, "coordinator") /* the job's owner cannot take results faster */

enum scaler_limit {
#define X(name, text) SCALER_LIMIT_##name,
    SCALER_LIMIT_LIST(X)
#undef X
        SCALER_LIMIT_COUNT
};

/* What may be changed when there is too much to do. */
#define SCALER_MODE_LIST(X)                                                    \
    X(HORIZONTAL, "horizontal") /* the number of workers */                    \
    X(VERTICAL, "vertical")     /* tasks in flight in each worker */           \
    X(QUALITY, "quality") /* how thorough the job is, under a deadline */      \
    X(HYBRID, "hybrid")   /* workers, then tasks in flight, then quality */

enum scaler_mode {
#define X(name, text) SCALER_MODE_##name,
    SCALER_MODE_LIST(X)
#undef X
        SCALER_MODE_COUNT
};

/* Why the wish is what it is; the text stands in `scale:SERVICE`. */
#define SCALER_REASON_LIST(X)                                                  \
    X(IDLE, "nothing to do")                                                   \
    X(STEADY, "enough workers for what there is to do")                        \
    X(FIRST, "work waits and no worker lives: the first one")                  \
    X(BACKLOG, "up: what waits would take too long")                           \
    X(LOAD, "up: the workers are busy beyond 80 %")                            \
    X(FORECAST, "up: more work is coming than they can do below 80 %")         \
    X(ARRIVING, "more are needed; waiting for those asked for to arrive")      \
    X(AT_MAX, "more are needed, but this is the maximum")                      \
    X(QUIET, "fewer would do; waiting for a quiet window to pass")             \
    X(DOWN, "down: fewer were enough for a whole quiet window")                \
    X(AT_MIN, "nothing to do; this is the minimum")                            \
    X(LIMIT_RATE, "no more workers: the endpoint's rate is the limit")         \
    X(LIMIT_MONEY, "no more workers: the budget is the limit")                 \
    X(LIMIT_APPROVAL, "no more workers: a person's approval is waited for")    \
    X(LIMIT_OWNER, "no more workers: the job's coordinator is the limit")      \
    X(PINNED, "set by hand")                                                   \
    X(HOLD, "a new scaler watches for a quiet window before it decides")       \
    X(MODE, "the workers stay; tasks in flight in each are changed")

enum scaler_reason {
#define X(name, text) SCALER_REASON_##name,
    SCALER_REASON_LIST(X)
#undef X
        SCALER_REASON_COUNT
};

enum {
    SCALER_AUTO = UINT16_MAX, /* no pin */
    SCALER_MAX = 10000,       /* workers of a service */
    SCALER_BUCKETS = 16,      /* of the quiet window */
    SCALER_QUALITY_MAX = 8,   /* levels */
};

struct scaler_config {
    enum scaler_mode mode;
    uint32_t min, max; /* workers; max <= SCALER_MAX */
    uint32_t pin;      /* workers set by hand, or SCALER_AUTO */
    int64_t quiet_ms;  /* so long must fewer be enough; 60,000 */
    int64_t drain_ms;  /* what waits should be done in this time; 30,000 */
    uint32_t ahead;    /* steps that the forecast looks ahead; 10 */
    uint32_t high_permille, low_permille;  /* utilisation: 800 and 700 */
    uint32_t in_flight_min, in_flight_max; /* of a worker (vertical) */
    uint64_t memory_bytes;                 /* of a worker; 0: no limit */
    uint32_t quality_levels;               /* 1: there is nothing to step */
};

/* The defaults above; min 0, max 1,000, horizontal. */
struct scaler_config scaler_defaults(void);

/* What was measured since the last step. */
struct scaler_sample {
    uint64_t waiting; /* tasks that could run now: queued, and not drawn yet */
    uint64_t running; /* tasks in slots now */
    uint64_t arrived, done; /* tasks */
    uint64_t busy_us;       /* slot time used */
    uint32_t workers;       /* that live and do not drain */
    uint32_t slots;         /* of all of them */
    uint64_t errors;        /* of endpoints: refusals, time-outs */
    uint64_t rss_bytes;     /* of the largest worker */
    enum scaler_limit limit;
    int64_t left_ms; /* until the job's deadline; INT64_MAX: none */
};

struct scaler_output {
    uint32_t desired;   /* workers */
    uint32_t in_flight; /* tasks in each worker at once; 0: not set */
    uint32_t quality;   /* 0: full; each level is less thorough */
    enum scaler_reason reason;
    int64_t changed_ms;            /* when desired changed last */
    uint64_t work_ms;              /* what waits, at the present size */
    uint64_t service_us;           /* mean time of a task in a slot */
    uint32_t utilisation_permille; /* smoothed */
    uint64_t in_milli, out_milli;  /* tasks a second, thousandths */
    uint64_t ahead_milli;          /* arrivals foreseen */
    uint64_t out_ahead_milli;      /* results foreseen */
    bool has_was;
    uint64_t was_milli; /* arrivals that had been foreseen for now */
};

/* State of one service; init before use, nothing to free. */
struct scaler {
    bool begun;
    int64_t step_ms;       /* of the last step */
    int64_t hold_until_ms; /* a new holder decides nothing before */
    uint32_t desired;
    int64_t changed_ms;
    struct forecast arrivals, results;
    uint64_t busy_sum, done_sum; /* of late: their quotient is service_us */
    uint64_t running;            /* tasks, in the last step */
    uint64_t load_milli;         /* occupied slots, smoothed */
    uint64_t demand_milli;       /* the same without what works off a backlog */
    uint64_t slots_milli;        /* of a worker, last known */
    uint32_t needs[SCALER_BUCKETS]; /* largest comfortable size of each */
    int64_t bucket_ms;              /* start of the newest bucket */
    uint32_t in_flight;
    int64_t cut_ms;
    uint32_t quality;
    int64_t quality_ms;
};

/* held: another holder decided before; then this one takes the workers that
 * live as its wish, and holds still for one quiet window. */
void scaler_init(struct scaler *s, const struct scaler_config *c, bool held,
                 int64_t now_ms);
/* After scaler_init as another's successor: tasks in flight in each worker go
 * on from what that one said, where the mode sets them. */
void scaler_take_over(struct scaler *s, const struct scaler_config *c,
                      uint32_t in_flight);
/* One step; about a second apart, and now_ms never goes back. */
void scaler_step(struct scaler *s, const struct scaler_config *c,
                 const struct scaler_sample *m, int64_t now_ms,
                 struct scaler_output *ret);

const char *scaler_limit_name(enum scaler_limit limit);
/* Unknown words are NONE: an older scaler must not stop a fleet. */
enum scaler_limit scaler_limit_of(const char *name);
const char *scaler_mode_name(enum scaler_mode mode);
/* Whether somebody acts on what the mode decides. Nobody lowers quality yet:
 * jobs have neither a deadline nor levels. */
bool scaler_mode_acts(enum scaler_mode mode);
/* False: no such mode. */
bool scaler_mode_of(const char *name, enum scaler_mode *ret_mode);
const char *scaler_reason_text(enum scaler_reason reason);
