/* work.c - see work.h. The clock is read once per chunk of short tasks, not
 * once per task: at a million tasks a second it would be a tenth of the CPU.
 *
 * A run is free, ready (in a list, its turn comes), or waits: then it stands in
 * a heap by the time at which it goes on or has to be cut off. So ten thousand
 * that wait for the network cost nothing until one of them is woken. */
#include "worker/work.h"

#include <stdlib.h>

enum {
    SLICE_US = 1000,
    CHUNK = 16,
    RUN_BYTES_MAX = 8 * 1024 * 1024,
    /* Results of ranges are large, and soon needed again where there are few
     * slots; each of thousands cannot keep the memory of one. */
    OUT_KEPT_MAX = 64 * 1024,
    OUT_KEPT_RUNS = 16,
    NOWHERE = UINT32_MAX,
};

enum run_state { RUN_FREE, RUN_READY, RUN_WAITING, RUN_STEPPING };

struct active {
    struct service_run run; /* first: work_wake() gets its address */
    struct co_buf out;
    int64_t began_us;
    int64_t cpu_us;      /* spent so far */
    int64_t progress_us; /* when it last came forward */
    int64_t counted_us;  /* its slot time is counted up to here */
    int64_t due_us;      /* waiting: when it has to be looked at */
    uint32_t place;      /* waiting: in the heap */
    uint32_t prev, next; /* free, ready: in the list */
    enum run_state state;
    bool woken; /* while it was stepped */
};

struct run_list {
    uint32_t first, last, n;
};

struct work {
    struct slots *slots;
    const struct service *const *services;
    struct service_env *env;
    int64_t (*clock_us)(void);
    uint64_t ns_each; /* of the last chunk of short tasks */
    uint32_t n, used;
    struct run_list free, ready;
    uint32_t *heap, heap_n; /* waiting, the earliest first */
    struct work_usage usage[SLOTS_SERVICES_MAX];
    uint64_t short_ns[SLOTS_SERVICES_MAX]; /* of tasks shorter than a us */
    struct active active[];
};

static uint32_t
index_of(const struct work *w, const struct active *a)
{
    return (uint32_t)(a - w->active);
}

/* -- lists --------------------------------------------------------------- */
static void
list_append(struct work *w, struct run_list *list, uint32_t index)
{
    w->active[index].next = NOWHERE;
    w->active[index].prev = list->n ? list->last : NOWHERE;
    if (list->n++ == 0) {
        list->first = index;
    } else {
        w->active[list->last].next = index;
    }
    list->last = index;
}

/* The one that was used last is the first to be used again. */
static void
list_push(struct work *w, struct run_list *list, uint32_t index)
{
    w->active[index].prev = NOWHERE;
    w->active[index].next = list->n ? list->first : NOWHERE;
    if (list->n++ == 0) {
        list->last = index;
    } else {
        w->active[list->first].prev = index;
    }
    list->first = index;
}

static void
list_remove(struct work *w, struct run_list *list, const struct active *a)
{
    if (a->prev == NOWHERE) {
        list->first = a->next;
    } else {
        w->active[a->prev].next = a->next;
    }
    if (a->next == NOWHERE) {
        list->last = a->prev;
    } else {
        w->active[a->next].prev = a->prev;
    }
    list->n--;
}

static struct active *
list_take(struct work *w, struct run_list *list)
{
    struct active *a = &w->active[list->first];

    list_remove(w, list, a);
    return a;
}

/* -- the heap of those that wait ----------------------------------------- */
static void
heap_put(struct work *w, uint32_t place, uint32_t index)
{
    w->heap[place] = index;
    w->active[index].place = place;
}

static int64_t
heap_due(const struct work *w, uint32_t place)
{
    return w->active[w->heap[place]].due_us;
}

/* Moves what stands at place to where its time belongs. */
static void
heap_settle(struct work *w, uint32_t place)
{
    uint32_t index = w->heap[place], child;
    int64_t due = w->active[index].due_us;

    while (place > 0 && heap_due(w, (place - 1) / 2) > due) {
        heap_put(w, place, w->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    while ((child = 2 * place + 1) < w->heap_n) {
        if (child + 1 < w->heap_n &&
            heap_due(w, child + 1) < heap_due(w, child)) {
            child++;
        }
        if (heap_due(w, child) >= due) break;
        heap_put(w, place, w->heap[child]);
        place = child;
    }
    heap_put(w, place, index);
}

static void
heap_add(struct work *w, struct active *a)
{
    heap_put(w, w->heap_n, index_of(w, a));
    heap_settle(w, w->heap_n++);
}

static void
heap_remove(struct work *w, uint32_t place)
{
    uint32_t last = w->heap[--w->heap_n];

    if (place == w->heap_n) return;
    heap_put(w, place, last);
    heap_settle(w, place);
}

/* For slots: a run by its mark. */
static bool
is_unsent(void *ctx, uint32_t mark)
{
    const struct work *w = ctx;
    const struct active *a = &w->active[mark];

    return a->run.service->unsent && a->run.service->unsent(&a->run);
}

/* -- life ---------------------------------------------------------------- */
enum co_err
work_new(struct slots *slots, uint32_t n_slots,
         const struct service *const *services, struct service_env *env,
         int64_t (*clock_us)(void), struct work **ret_work)
{
    co_auto(work_freep) struct work *w =
        calloc(1, sizeof *w + n_slots * sizeof w->active[0]);

    if (!w) return CO_NOMEM;
    w->slots = slots;
    w->services = services;
    w->env = env;
    w->clock_us = clock_us;
    w->heap = calloc(n_slots, sizeof *w->heap);
    if (!w->heap) return CO_NOMEM;
    w->n = n_slots;
    for (uint32_t i = 0; i < n_slots; i++) {
        co_buf_init(&w->active[i].out, RUN_BYTES_MAX);
        list_append(w, &w->free, i);
    }
    slots_unsent(slots, is_unsent, w);
    *ret_work = co_take(&w);
    return CO_OK;
}

static void
release(struct work *w, struct active *a)
{
    uint32_t index = index_of(w, a);

    if (a->run.service->abort && a->run.state) a->run.service->abort(&a->run);
    a->run.state = NULL;
    if (a->state == RUN_WAITING) heap_remove(w, a->place);
    if (a->state == RUN_READY) list_remove(w, &w->ready, a);
    a->state = RUN_FREE;
    if (index >= OUT_KEPT_RUNS && a->out.cap > OUT_KEPT_MAX) {
        co_buf_fini(&a->out);
    }
    list_push(w, &w->free, index);
    w->used--;
}

void
work_free(struct work *w)
{
    if (!w) return;
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->active[i].state != RUN_FREE) release(w, &w->active[i]);
        co_buf_fini(&w->active[i].out);
    }
    free(w->heap);
    free(w);
}

/* -- usage --------------------------------------------------------------- */
/* A task that began and ended within one chunk: the clock was not read. */
static void
count_short(struct work *w, uint32_t service, uint64_t run_ns)
{
    w->short_ns[service] += run_ns;
    w->usage[service].busy_us += w->short_ns[service] / 1000;
    w->short_ns[service] %= 1000;
}

static void
count_time(struct work *w, struct active *a, int64_t now_us)
{
    uint32_t service = a->run.task.service;
    uint64_t span_us = (uint64_t)(now_us - a->counted_us);
    uint32_t own = slots_own(w->slots, service);

    a->counted_us = now_us;
    if (own) {
        count_short(w, service, span_us * 1000 / own);
    } else {
        w->usage[service].busy_us += span_us;
    }
}

const struct work_usage *
work_used(struct work *w, int64_t now_us)
{
    for (uint32_t i = 0; i < w->n && w->used > 0; i++) {
        if (w->active[i].state != RUN_FREE) {
            count_time(w, &w->active[i], now_us);
        }
    }
    return w->usage;
}

/* -- ends ---------------------------------------------------------------- */
static void
finish(struct work *w, struct active *a, enum task_status status,
       uint64_t run_ns)
{
    if (status == STATUS_OK && a->out.err) {
        (void)service_fail(&a->run, a->out.err, "result too large");
        status = STATUS_FAILED;
    }
    /* Without memory for the result the core gives the task back itself. */
    (void)slots_done(w->slots, a->run.task.ref, status, a->out.data, a->out.len,
                     run_ns);
    w->usage[a->run.task.service].done++;
    release(w, a);
}

static void
give_back(struct work *w, struct active *a, enum return_reason reason,
          uint32_t not_before_ms)
{
    slots_give_back(w->slots, a->run.task.ref, reason, not_before_ms);
    release(w, a);
}

/* Tells the core how a run ended. False: it goes on. */
static bool
settle(struct work *w, struct active *a, enum service_step step,
       uint64_t run_ns)
{
    switch (step) {
    case SERVICE_MORE:
    case SERVICE_WAIT:
        return false;
    case SERVICE_NO_RECIPE:
        give_back(w, a, RETURN_NO_RECIPE, 0);
        break;
    case SERVICE_RETURN:
        give_back(w, a, a->run.reason, a->run.not_before_ms);
        break;
    case SERVICE_FAILED:
        finish(w, a, STATUS_FAILED, run_ns);
        break;
    case SERVICE_DONE:
        finish(w, a, STATUS_OK, run_ns);
        break;
    }
    return true;
}

static uint64_t
run_ns_of(const struct active *a, int64_t now_us)
{
    int64_t us = a->run.service->waits ? now_us - a->began_us : a->cpu_us;

    return (uint64_t)us * 1000;
}

/* Ends a run that may have something to tell; else it is given back. */
static void
stop(struct work *w, struct active *a, enum return_reason reason,
     int64_t now_us)
{
    enum service_step step = SERVICE_RETURN;

    count_time(w, a, now_us);
    if (a->run.service->stop) step = a->run.service->stop(&a->run, now_us);
    if (step == SERVICE_DONE) {
        finish(w, a, STATUS_OK, run_ns_of(a, now_us));
    } else {
        give_back(w, a, reason, 0);
    }
}

/* What was cancelled, and what belongs to a job that is over. */
static void
stop_unwanted(struct work *w, int64_t now_us)
{
    uint32_t index;

    while (slots_next_stopped(w->slots, &index)) {
        stop(w, &w->active[index], RETURN_CANCELLED, now_us);
    }
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

/* Ends a run that took too long. */
static bool
cut_off(struct work *w, struct active *a, int64_t now_us)
{
    const char *why = "ran for longer than run_ms or total_ms allow";

    if (now_us < limit_of(a)) return false;
    if (a->run.service->stop) {
        stop(w, a, RETURN_LIMIT, now_us);
        return true;
    }
    if (now_us < a->run.task.run_until_us) {
        why = "made no progress for stall_ms";
    }
    count_time(w, a, now_us);
    (void)settle(w, a, service_fail(&a->run, CO_TIMEOUT, why),
                 run_ns_of(a, now_us));
    return true;
}

/* -- turns --------------------------------------------------------------- */
static void
make_ready(struct work *w, struct active *a)
{
    a->state = RUN_READY;
    list_append(w, &w->ready, index_of(w, a));
}

/* A run that goes on has its turn again, or waits. */
static void
put(struct work *w, struct active *a, enum service_step step)
{
    if (step != SERVICE_WAIT || a->woken) {
        a->run.wait_until_us = INT64_MIN;
        make_ready(w, a);
        return;
    }
    a->due_us = limit_of(a);
    if (a->run.wait_until_us < a->due_us) a->due_us = a->run.wait_until_us;
    a->state = RUN_WAITING;
    heap_add(w, a);
}

void
work_wake(struct service_run *run)
{
    struct active *a = (struct active *)run;

    if (!run->work) return;
    if (a->state == RUN_STEPPING) a->woken = true;
    if (a->state != RUN_WAITING) return;
    run->wait_until_us = INT64_MIN;
    heap_remove(run->work, a->place);
    make_ready(run->work, a);
}

static void
wake_due(struct work *w, int64_t now_us)
{
    while (w->heap_n > 0 && heap_due(w, 0) <= now_us) {
        struct active *a = &w->active[w->heap[0]];

        heap_remove(w, 0);
        make_ready(w, a);
    }
}

static void
set_up(struct work *w, struct active *a, const struct slots_task *task,
       int64_t now_us)
{
    co_buf_clear(&a->out);
    a->run = (struct service_run){
        .service = w->services[task->service],
        .env = w->env,
        .work = w,
        .task = *task,
        .wait_until_us = INT64_MIN,
        .reason = RETURN_LIMIT,
        .out = &a->out,
    };
    a->cpu_us = 0;
    a->began_us = a->progress_us = a->counted_us = now_us;
    a->state = RUN_STEPPING;
    a->woken = false;
    slots_mark(w->slots, task->ref, index_of(w, a));
    w->used++;
}

/* Begins tasks, and with them ends those that need no second step. */
static uint32_t
begin_some(struct work *w, int64_t now_us)
{
    uint32_t n = 0;
    struct slots_task task;

    for (; n < CHUNK && w->free.n > 0; n++) {
        struct active *a;

        if (!slots_next(w->slots, now_us, &task)) break;
        a = list_take(w, &w->free);
        set_up(w, a, &task, now_us);
        enum service_step step = a->run.service->begin(w->env, &a->run, now_us);
        if (settle(w, a, step, w->ns_each)) {
            count_short(w, task.service, w->ns_each);
        } else {
            put(w, a, step);
        }
    }
    return n;
}

static int64_t
step_one(struct work *w, struct active *a, int64_t now_us)
{
    enum service_step step;
    int64_t after;

    a->state = RUN_STEPPING;
    a->woken = false;
    if (cut_off(w, a, now_us)) return now_us;
    step = a->run.service->step(&a->run, now_us);
    after = w->clock_us();
    a->cpu_us += after - now_us;
    count_time(w, a, after);
    if (a->run.progressed) {
        a->run.progressed = false;
        a->progress_us = after;
        slots_progress(w->slots, a->run.task.ref);
    }
    if (!settle(w, a, step, run_ns_of(a, after))) put(w, a, step);
    return after;
}

/* One turn of each that is ready, as far as the slice goes, then new tasks
 * into what is free. */
static int64_t
pass(struct work *w, int64_t now_us, int64_t until_us, bool *ret_busy)
{
    int64_t after = now_us;
    uint32_t n;

    stop_unwanted(w, now_us);
    wake_due(w, now_us);
    n = w->ready.n;
    for (; n > 0 && after < until_us; n--) {
        after = step_one(w, list_take(w, &w->ready), after);
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
        now_us = pass(w, now_us, until, &busy);
        if (!busy && work_deadline(w) > now_us) return false;
    }
    return true;
}

int64_t
work_deadline(const struct work *w)
{
    if (w->ready.n > 0) return INT64_MIN;
    return w->heap_n > 0 ? heap_due(w, 0) : INT64_MAX;
}

void
work_hand_back(struct work *w, enum return_reason reason)
{
    for (uint32_t i = 0; i < w->n && w->used > 0; i++) {
        struct active *a = &w->active[i];

        if (a->state != RUN_FREE) stop(w, a, reason, w->clock_us());
    }
}
