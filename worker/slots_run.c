/* slots_run.c - what runs next, and how what runs ends. */
#include "worker/slots_impl.h"

/* -- limits -------------------------------------------------------------- */
/* Numbers of the queue go on from 2^32 - 1 at 0. */
static bool
is_earlier(const struct slots *s, uint32_t a, uint32_t b)
{
    return (int32_t)(s->pool[a].order - s->pool[b].order) < 0;
}

/* The last in the queue of those that share slots, and how many these are. */
static uint32_t
last_shared(const struct slots *s, uint32_t *ret_count)
{
    uint32_t last = SLOTS_NONE;

    *ret_count = 0;
    for (uint32_t i = 0; i < s->config.n_services; i++) {
        const struct held_list *queued = &s->serving[i].queued;

        if (s->config.services[i].slots || queued->n == 0) continue;
        *ret_count += queued->n;
        if (last == SLOTS_NONE || is_earlier(s, last, queued->last)) {
            last = queued->last;
        }
    }
    return last;
}

/* The last in the queue, which would wait longest, go first. Of short tasks
 * many are at hand, as planned: what would be asked for at once again stays. */
static void
give_excess_back(struct slots *s)
{
    uint32_t n, last;

    while ((last = last_shared(s, &n)) != SLOTS_NONE && n > s->limit) {
        if (n <= slots_look_ahead(s, s->pool[last].intake->service)) return;
        slots_return_held(s, last, RETURN_LIMIT);
    }
}

void
slots_limit(struct slots *s, uint32_t limit, int64_t now_us)
{
    bool lower;

    if (limit == 0 || limit > s->config.slots) limit = s->config.slots;
    lower = limit < s->limit;
    s->now_us = now_us;
    s->limit = limit;
    if (lower) give_excess_back(s);
}

void
slots_room(struct slots *s, uint32_t service, uint32_t room)
{
    co_assert(service < s->config.n_services);
    s->serving[service].room = room;
}

uint32_t
slots_own(const struct slots *s, uint32_t service)
{
    co_assert(service < s->config.n_services);
    return s->config.services[service].slots;
}

/* -- what runs next ------------------------------------------------------ */
static uint32_t
count_running(const struct slots *s)
{
    return s->lists[SLOTS_RUNNING].n + s->lists[SLOTS_STOPPING].n +
           s->lists[SLOTS_DROPPED].n;
}

/* Its total time ran out before it could start: no use to begin. A call, which
 * may cost, is given back: as FAILED it would count as made and perhaps paid.
 */
static void
expire(struct slots *s, uint32_t index)
{
    static const char text[] = "TIMEOUT: total time ran out in the queue";
    uint32_t service = s->pool[index].intake->service;

    s->counters.expired++;
    if (s->config.services[service].slots) {
        slots_return_held(s, index, RETURN_LIMIT);
        return;
    }
    if (slots_gather(s, index, STATUS_FAILED, text, sizeof text - 1, 0)) {
        slots_return_held(s, index, RETURN_FULL);
    }
}

static void
describe(const struct slots *s, uint32_t index, int64_t now_us,
         struct slots_task *ret_task)
{
    const struct held *h = &s->pool[index];
    const struct intake *in = h->intake;
    int64_t until = in->expires_us;

    if (in->run_ms && now_us + (int64_t)in->run_ms * 1000 < until) {
        until = now_us + (int64_t)in->run_ms * 1000;
    }
    *ret_task = (struct slots_task){
        .ref = {index, h->generation},
        .job = h->job,
        .task = h->task,
        .attempt = h->attempt,
        .service = in->service,
        .payload = in->body.data ? in->body.data + h->offset : NULL,
        .payload_bytes = h->len,
        .recipe_hash = in->recipe_hash,
        .recipe = in->recipe,
        .run_until_us = until,
        .stall_us = (int64_t)in->stall_ms * 1000,
    };
}

/* Whether the suspect's broker was told some time ago that it starts now. */
static bool
start_is_told(struct slots *s, uint32_t index, int64_t now_us)
{
    uint32_t generation = s->pool[index].generation;

    if (s->told.index != index || s->told.generation != generation) {
        s->told = (struct slots_ref){index, generation};
        s->told_us = now_us;
        s->tell = true;
    }
    if (!s->tell && now_us - s->told_us >= SLOTS_TOLD_US) return true;
    if (s->told_us + SLOTS_TOLD_US < s->deadline_us) {
        s->deadline_us = s->told_us + SLOTS_TOLD_US;
    }
    return false;
}

static bool
has_slot(const struct slots *s, uint32_t service)
{
    uint32_t own = s->config.services[service].slots;

    return own ? s->serving[service].running < own
               : s->running_shared < s->limit;
}

/* The oldest task that a slot is free for. */
static uint32_t
first_startable(const struct slots *s)
{
    uint32_t first = SLOTS_NONE;

    if (s->lists[SLOTS_QUEUED].n == 0) return first;
    for (uint32_t i = 0; i < s->config.n_services; i++) {
        uint32_t candidate = s->serving[i].queued.first;

        if (candidate == SLOTS_NONE || !has_slot(s, i)) continue;
        if (first == SLOTS_NONE || is_earlier(s, candidate, first)) {
            first = candidate;
        }
    }
    return first;
}

bool
slots_next(struct slots *s, int64_t now_us, struct slots_task *ret_task)
{
    uint32_t i;

    while ((i = first_startable(s)) != SLOTS_NONE) {
        const struct intake *in = s->pool[i].intake;
        uint32_t running = count_running(s);

        if (s->alone) return false;
        if (in->expires_us <= now_us) {
            expire(s, i);
            continue;
        }
        if (in->alone && running > 0) return false;
        /* What was given back beside a suspect is told before it may kill. */
        if (in->alone && s->returns_n > 0) return false;
        if (in->alone && !start_is_told(s, i, now_us)) return false;
        slots_held_apply(s, i, SLOTS_EV_START);
        describe(s, i, now_us, ret_task);
        return true;
    }
    return false;
}

/* -- what runs ----------------------------------------------------------- */
static struct held *
running_task(const struct slots *s, struct slots_ref ref)
{
    struct held *h = &s->pool[ref.index];

    co_assert(ref.index < s->pool_used && h->generation == ref.generation);
    co_assert(h->state >= SLOTS_RUNNING && h->state <= SLOTS_DROPPED);
    return h;
}

void
slots_mark(struct slots *s, struct slots_ref ref, uint32_t mark)
{
    running_task(s, ref)->mark = mark;
}

void
slots_unsent(struct slots *s, bool (*is_unsent)(void *ctx, uint32_t mark),
             void *ctx)
{
    s->is_unsent = is_unsent;
    s->is_unsent_ctx = ctx;
}

bool
slots_next_stopped(const struct slots *s, uint32_t *ret_mark)
{
    static const enum slots_state states[] = {SLOTS_STOPPING, SLOTS_DROPPED};

    for (unsigned k = 0; k < co_countof(states); k++) {
        uint32_t i = s->lists[states[k]].first;

        if (i == SLOTS_NONE || s->pool[i].mark == SLOTS_NONE) continue;
        *ret_mark = s->pool[i].mark;
        return true;
    }
    return false;
}

bool
slots_stopped(const struct slots *s, struct slots_ref ref)
{
    return running_task(s, ref)->state != SLOTS_RUNNING;
}

void
slots_progress(struct slots *s, struct slots_ref ref)
{
    running_task(s, ref)->progressed = true;
}

enum co_err
slots_done(struct slots *s, struct slots_ref ref, enum task_status status,
           const void *payload, size_t payload_bytes, uint64_t run_ns)
{
    struct held *h = running_task(s, ref);
    enum co_err err;

    slots_measure(s, h->intake->service, run_ns);
    if (h->state == SLOTS_DROPPED) { /* nobody wants it any more */
        slots_held_apply(s, ref.index, SLOTS_EV_FINISH);
        return CO_OK;
    }
    err = slots_gather(s, ref.index, status, payload, payload_bytes, run_ns);
    if (err) {
        slots_return_held(s, ref.index, RETURN_RESULT_LOST);
        return err;
    }
    if (status == STATUS_OK) {
        s->counters.done++;
    } else {
        s->counters.failed++;
    }
    return CO_OK;
}

void
slots_give_back(struct slots *s, struct slots_ref ref,
                enum return_reason reason, uint32_t not_before_ms)
{
    const struct held *h = running_task(s, ref);

    if (h->state == SLOTS_STOPPING) {
        slots_return_held(s, ref.index, RETURN_CANCELLED);
        return;
    }
    if (h->state != SLOTS_DROPPED) {
        slots_return_raw(s, h->link, h->job, h->task, h->attempt, reason,
                         not_before_ms);
    }
    slots_held_apply(s, ref.index, SLOTS_EV_RETURN);
}
