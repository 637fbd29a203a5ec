/* work.c - see work.h. The clock is read once per chunk of short tasks, not
 * once per task: at a million tasks a second it would be a tenth of the CPU. */
#include "worker/work.h"

#include <stdlib.h>

enum { SLICE_US = 1000, CHUNK = 16, RUN_BYTES_MAX = 8 * 1024 * 1024 };

struct active {
    struct service_run run;
    struct co_buf out;
    int64_t cpu_us;      /* spent so far */
    int64_t progress_us; /* when it last came forward */
    int64_t counted_us;  /* its slot time is counted up to here */
    bool used;
};

struct work {
    struct slots *slots;
    const struct service *const *services;
    struct service_env *env;
    int64_t (*clock_us)(void);
    int64_t deadline_us;
    uint64_t ns_each; /* of the last chunk of short tasks */
    uint32_t n, used;
    struct work_usage usage[SLOTS_SERVICES_MAX];
    uint64_t short_ns[SLOTS_SERVICES_MAX]; /* of tasks shorter than a us */
    struct active active[];
};

enum co_err
work_new(struct slots *slots, uint32_t n_slots,
         const struct service *const *services, struct service_env *env,
         int64_t (*clock_us)(void), struct work **ret_work)
{
    struct work *w = calloc(1, sizeof *w + n_slots * sizeof w->active[0]);

    if (!w) return CO_NOMEM;
    w->slots = slots;
    w->services = services;
    w->env = env;
    w->clock_us = clock_us;
    w->deadline_us = INT64_MAX;
    w->n = n_slots;
    for (uint32_t i = 0; i < n_slots; i++) {
        co_buf_init(&w->active[i].out, RUN_BYTES_MAX);
    }
    *ret_work = w;
    return CO_OK;
}

static void
release(struct work *w, struct active *a)
{
    if (a->run.service->abort && a->run.state) a->run.service->abort(&a->run);
    a->run.state = NULL;
    a->used = false;
    w->used--;
}

void
work_free(struct work *w)
{
    if (!w) return;
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->active[i].used) release(w, &w->active[i]);
        co_buf_fini(&w->active[i].out);
    }
    free(w);
}

static void
count_time(struct work *w, struct active *a, int64_t now_us)
{
    w->usage[a->run.task.service].busy_us += (uint64_t)(now_us - a->counted_us);
    a->counted_us = now_us;
}

/* A task that began and ended within one chunk: the clock was not read. */
static void
count_short(struct work *w, uint32_t service, uint64_t run_ns)
{
    w->short_ns[service] += run_ns;
    w->usage[service].busy_us += w->short_ns[service] / 1000;
    w->short_ns[service] %= 1000;
}

const struct work_usage *
work_used(struct work *w, int64_t now_us)
{
    for (uint32_t i = 0; i < w->n && w->used > 0; i++) {
        if (w->active[i].used) count_time(w, &w->active[i], now_us);
    }
    return w->usage;
}

/* Tells the core how a run ended. False: it goes on. */
static bool
settle(struct work *w, struct active *a, enum service_step step,
       uint64_t run_ns)
{
    struct slots_ref ref = a->run.task.ref;
    enum task_status status = STATUS_OK;

    switch (step) {
    case SERVICE_MORE:
    case SERVICE_WAIT:
        return false;
    case SERVICE_NO_RECIPE:
        slots_give_back(w->slots, ref, RETURN_NO_RECIPE);
        release(w, a);
        return true;
    case SERVICE_FAILED:
        status = STATUS_FAILED;
        break;
    case SERVICE_DONE:
        if (a->out.err) {
            (void)service_fail(&a->run, a->out.err, "result too large");
            status = STATUS_FAILED;
        }
        break;
    }
    /* Without memory for the result the core gives the task back itself. */
    (void)slots_done(w->slots, ref, status, a->out.data, a->out.len, run_ns);
    w->usage[a->run.task.service].done++;
    release(w, a);
    return true;
}

static struct active *
spare(struct work *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (!w->active[i].used) return &w->active[i];
    }
    return NULL;
}

/* Begins tasks, and with them ends those that need no second step. */
static uint32_t
begin_some(struct work *w, int64_t now_us)
{
    uint32_t n = 0;
    struct slots_task task;

    while (n < CHUNK) {
        struct active *a = spare(w);

        if (!a || !slots_next(w->slots, now_us, &task)) break;
        co_buf_clear(&a->out);
        a->run = (struct service_run){
            .service = w->services[task.service],
            .task = task,
            .wait_until_us = INT64_MIN,
            .out = &a->out,
        };
        a->cpu_us = 0;
        a->progress_us = a->counted_us = now_us;
        a->used = true;
        w->used++;
        n++;
        enum service_step step = a->run.service->begin(w->env, &a->run, now_us);
        if (step != SERVICE_WAIT) a->run.wait_until_us = INT64_MIN;
        if (settle(w, a, step, w->ns_each)) {
            count_short(w, task.service, w->ns_each);
        }
    }
    return n;
}

/* When a run has to be cut off. */
static int64_t
limit_of(const struct active *a)
{
    int64_t stall = a->run.task.stall_us;
    int64_t limit = a->run.task.run_until_us;

    if (stall > 0 && a->progress_us + stall < limit) {
        limit = a->progress_us + stall;
    }
    return limit;
}

/* Ends a run that nobody waits for, or that took too long. */
static bool
cut_off(struct work *w, struct active *a, int64_t now_us)
{
    const char *why = "ran for longer than run_ms or total_ms allow";

    if (slots_stopped(w->slots, a->run.task.ref)) {
        slots_give_back(w->slots, a->run.task.ref, RETURN_CANCELLED);
        release(w, a);
        return true;
    }
    if (now_us < limit_of(a)) return false;
    if (now_us < a->run.task.run_until_us) {
        why = "made no progress for stall_ms";
    }
    count_time(w, a, now_us);
    (void)settle(w, a, service_fail(&a->run, CO_TIMEOUT, why),
                 (uint64_t)a->cpu_us * 1000);
    return true;
}

static int64_t
step_one(struct work *w, struct active *a, int64_t now_us)
{
    enum service_step step;
    int64_t after;

    if (cut_off(w, a, now_us)) return now_us;
    if (a->run.wait_until_us > now_us) return now_us;
    step = a->run.service->step(&a->run, now_us);
    after = w->clock_us();
    a->cpu_us += after - now_us;
    count_time(w, a, after);
    if (step != SERVICE_WAIT) a->run.wait_until_us = INT64_MIN;
    if (a->run.progressed) {
        a->run.progressed = false;
        a->progress_us = after;
        slots_progress(w->slots, a->run.task.ref);
    }
    (void)settle(w, a, step, (uint64_t)a->cpu_us * 1000);
    return after;
}

/* The earliest moment at which a run wants to go on or must be cut off;
 * INT64_MIN: now. */
static int64_t
next_wish(const struct work *w)
{
    int64_t next = INT64_MAX;

    for (uint32_t i = 0; i < w->n; i++) {
        const struct active *a = &w->active[i];

        if (!a->used) continue;
        if (a->run.wait_until_us < next) next = a->run.wait_until_us;
        if (limit_of(a) < next) next = limit_of(a);
    }
    return next;
}

/* One pass over what runs, then new tasks into what is free. */
static int64_t
pass(struct work *w, int64_t now_us, bool *ret_busy)
{
    int64_t after = now_us;
    uint32_t n;

    for (uint32_t i = 0; i < w->n && w->used > 0; i++) {
        if (w->active[i].used) after = step_one(w, &w->active[i], after);
    }
    n = begin_some(w, after);
    if (n > 0) {
        int64_t end = w->clock_us();

        /* A chunk's time is known after it; the next one is told it. */
        w->ns_each = (uint64_t)(end - after) * 1000 / n;
        after = end;
    }
    *ret_busy = n > 0;
    return after;
}

bool
work_run(struct work *w, int64_t now_us)
{
    int64_t until = now_us + SLICE_US;
    bool busy = true;

    while (now_us < until) {
        now_us = pass(w, now_us, &busy);
        w->deadline_us = next_wish(w);
        if (!busy && w->deadline_us > now_us) return false;
    }
    return true;
}

int64_t
work_deadline(const struct work *w)
{
    return w->deadline_us;
}

void
work_hand_back(struct work *w, enum return_reason reason)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (!w->active[i].used) continue;
        slots_give_back(w->slots, w->active[i].run.task.ref, reason);
        release(w, &w->active[i]);
    }
    w->deadline_us = INT64_MAX;
}
