/* slots_tasks.c - TASKS and CANCEL in, RETURNED out, and what runs next. */
#include "common/bug.h"
#include "worker/slots_impl.h"

#include <stdlib.h>
#include <string.h>

/* -- giving back --------------------------------------------------------- */
void
slots_return_raw(struct slots *s, uint32_t link, uint64_t job, uint64_t task,
                 uint32_t attempt, enum return_reason reason,
                 uint32_t not_before_ms)
{
    if (s->returns_n == s->returns_cap) {
        size_t cap = s->returns_cap ? s->returns_cap * 2 : 64;
        struct giveback *v = realloc(s->returns, cap * sizeof *v);

        /* Without memory the task is simply not held any more; the next
         * inventory tells the broker, who calls it lost. */
        if (!v) return;
        s->returns = v;
        s->returns_cap = cap;
    }
    s->returns[s->returns_n++] = (struct giveback){
        .job = job,
        .task = task,
        .attempt = attempt,
        .not_before_ms = not_before_ms,
        .reason = (uint8_t)reason,
        .link = (uint8_t)link,
    };
    s->counters.returned++;
    if (reason == RETURN_NO_RECIPE) s->counters.no_recipe++;
}

void
slots_return_held(struct slots *s, uint32_t index, enum return_reason reason)
{
    const struct held *h = &s->pool[index];

    slots_return_raw(s, h->link, h->job, h->task, h->attempt, reason, 0);
    slots_held_apply(s, index, SLOTS_EV_RETURN);
}

void
slots_return_list(struct slots *s, enum slots_state state,
                  enum return_reason reason)
{
    while (s->lists[state].first != SLOTS_NONE) {
        slots_return_held(s, s->lists[state].first, reason);
    }
}

void
slots_return_queued(struct slots *s, enum return_reason reason)
{
    for (uint32_t i = 0; i < s->config.n_services; i++) {
        const struct held_list *queued = &s->serving[i].queued;

        while (queued->first != SLOTS_NONE) {
            slots_return_held(s, queued->first, reason);
        }
    }
}

static bool
same_return(const struct giveback *a, const struct giveback *b)
{
    return a->job == b->job && a->reason == b->reason && a->link == b->link &&
           a->not_before_ms == b->not_before_ms;
}

/* Consecutive ones of one kind share a message. */
void
slots_push_returns(struct slots *s, struct outbox *out)
{
    size_t i = 0;

    while (i < s->returns_n) {
        const struct giveback *first = &s->returns[i];
        uint32_t n = 0;

        while (i < s->returns_n && n < SLOTS_PAGE &&
               same_return(first, &s->returns[i])) {
            s->words_a[n] = s->returns[i].task;
            s->halves_a[n++] = s->returns[i++].attempt;
        }
        const struct msg m = {
            .type = MSG_returned,
            .returned = {.job = first->job,
                         .tasks = {s->words_a, n},
                         .attempts = {s->halves_a, n},
                         .reason = first->reason,
                         .not_before_ms = first->not_before_ms,
                         .worker = s->config.incarnation},
        };
        outbox_push(out, SLOTS_SIDE, first->link, &m, (struct co_bytes){0});
    }
    s->returns_n = 0;
}

/* -- stopping ------------------------------------------------------------ */
static void
cancel_one(struct slots *s, uint32_t index)
{
    const struct held *h = &s->pool[index];

    switch ((enum slots_state)h->state) {
    case SLOTS_PARKED:
    case SLOTS_QUEUED:
        s->counters.cancelled++;
        slots_return_held(s, index, RETURN_CANCELLED);
        break;
    case SLOTS_RUNNING:
        s->counters.cancelled++;
        slots_held_apply(s, index, SLOTS_EV_CANCEL);
        break;
    case SLOTS_STOPPING:
    case SLOTS_DROPPED:
    case SLOTS_DONE: /* too late: the result is on its way */
    case SLOTS_FREE:
    case SLOTS_REFUSED:
    case SLOTS_STATE_COUNT:
        break;
    }
}

/* -- TASKS --------------------------------------------------------------- */
/* What is done with a task of which some attempt is held already. */
enum held_answer { ANSWER_TAKE, ANSWER_IGNORE };

/* A later attempt is asked for: the earlier one must not run any more. The
 * broker still counts it as ours, so it is given back like a cancelled one; an
 * answer that exists already stays on its way (salvage). */
static void
supersede(struct slots *s, uint32_t index)
{
    s->counters.superseded++;
    cancel_one(s, index);
}

/* The same attempt is asked for again, maybe by another broker. */
static void
repeat(struct slots *s, uint32_t index, uint32_t link)
{
    struct held *h = &s->pool[index];

    s->counters.duplicates++;
    /* A result that is still gathered would be sealed for the link before. */
    if (h->state == SLOTS_DONE && !h->result) {
        slots_seal_all(s);
    }
    if (h->state == SLOTS_FREE) return; /* no memory: given back there */
    slots_held_move(s, index, link);
    if (h->state == SLOTS_DONE && h->result) {
        slots_send_result_again(s, h->result, link);
    }
}

static enum held_answer
answer_held(struct slots *s, uint32_t link, uint64_t job, uint64_t task,
            uint32_t attempt)
{
    uint32_t i = slots_held_find(s, job, task), next;

    for (; i != SLOTS_NONE; i = next) {
        const struct held *h = &s->pool[i];

        next = slots_held_again(s, i);
        if (h->state == SLOTS_DROPPED) continue;
        if (h->attempt == attempt) {
            repeat(s, i, link);
            return ANSWER_IGNORE;
        }
        if (h->attempt > attempt) {
            s->counters.stale++;
            return ANSWER_IGNORE;
        }
        supersede(s, i);
    }
    return ANSWER_TAKE;
}

static void
return_all(struct slots *s, uint32_t link, const struct msg_tasks *t,
           enum return_reason reason, uint32_t not_before_ms)
{
    for (uint32_t i = 0; i < t->tasks.n; i++) {
        slots_return_raw(s, link, t->job, t->tasks.v[i], msg_at(t->attempts, i),
                         reason, not_before_ms);
    }
}

static struct intake *
intake_new(const struct slots *s, uint32_t service, const struct msg_tasks *t,
           struct co_bytes body, int64_t now_us)
{
    struct intake *in = malloc(sizeof *in);

    if (!in) return NULL;
    *in = (struct intake){
        .job = t->job,
        .recipe_hash = t->recipe,
        .body = co_bytes_ref(body),
        .refs = 1, /* ours until all tasks are in */
        .owner = t->owner,
        .service = service,
        .run_ms = t->run_ms,
        .stall_ms = t->stall_ms,
        .expires_us =
            t->total_ms ? now_us + (int64_t)t->total_ms * 1000 : INT64_MAX,
        .alone = t->alone != 0,
    };
    if (t->recipe && s->config.assets) {
        (void)assets_get(s->config.assets, t->recipe, &in->recipe);
    }
    return in;
}

/* The tasks that the grant covers; the rest goes back as FULL. Honest brokers
 * never exceed it. */
static uint32_t
count_covered(struct slots *s, struct credit *c, uint32_t n)
{
    uint64_t free = c->granted - c->returned;
    uint32_t covered;

    free = free > c->received ? free - c->received : 0;
    covered = (uint32_t)co_min_u64(free, n);
    c->received += n;
    s->counters.over_credit += n - covered;
    return covered;
}

/* Takes the tasks of one batch over; false: CO_FULL or no memory from here. */
static bool
take_one(struct slots *s, uint32_t link, struct intake *in, uint64_t task,
         uint32_t attempt, uint32_t offset, uint32_t len, bool park)
{
    uint32_t index;

    if (answer_held(s, link, in->job, task, attempt) == ANSWER_IGNORE) {
        return true;
    }
    if (slots_held_add(s, in->job, task, attempt, link, &index)) return false;
    struct held *h = &s->pool[index];
    h->intake = in;
    h->offset = offset;
    h->len = len;
    in->refs++;
    slots_held_apply(s, index, park ? SLOTS_EV_PARK : SLOTS_EV_TAKE);
    return true;
}

static void
take_batch(struct slots *s, uint32_t link, const struct msg_tasks *t,
           struct intake *in, uint32_t covered)
{
    bool park = in->recipe_hash && !in->recipe.chunk;
    uint32_t offset = 0;

    for (uint32_t i = 0; i < t->tasks.n; i++) {
        uint32_t len = msg_at(t->lens, i);
        uint32_t attempt = msg_at(t->attempts, i);

        if (i >= covered ||
            !take_one(s, link, in, t->tasks.v[i], attempt, offset, len, park)) {
            s->counters.refused_full++;
            slots_return_raw(s, link, t->job, t->tasks.v[i], attempt,
                             RETURN_FULL, SLOTS_FULL_RETRY_MS);
        }
        offset += len;
    }
}

/* -- suspects ------------------------------------------------------------
 * A broker promises that its suspect is alone here as far as it knows. What
 * other brokers sent it does not know of: a death by one of their tasks would
 * convict the suspect, and its own death strike them. */

/* Tasks that are here and not done, but for attempts of the suspect itself. */
static uint32_t
others_active(const struct slots *s, const struct msg_tasks *t)
{
    uint32_t n = s->lists[SLOTS_PARKED].n + s->lists[SLOTS_QUEUED].n +
                 s->lists[SLOTS_RUNNING].n + s->lists[SLOTS_STOPPING].n +
                 s->lists[SLOTS_DROPPED].n;
    uint32_t i = n ? slots_held_find(s, t->job, t->tasks.v[0]) : SLOTS_NONE;

    for (; i != SLOTS_NONE; i = slots_held_again(s, i)) {
        n -= slots_is_active(s->pool[i].state);
    }
    return n;
}

/* What waits here goes back, and for a while nobody else gets anything in: a
 * worker that several brokers keep busy would never be empty otherwise. */
static void
make_way(struct slots *s, uint32_t link, int64_t now_us)
{
    if (s->suspects) return; /* one at a time: that one stays */
    s->court_link = (uint8_t)link;
    s->court_until_us = now_us + SLOTS_COURT_US;
    slots_return_queued(s, RETURN_FULL);
    slots_return_list(s, SLOTS_PARKED, RETURN_FULL);
}

/* Whether these tasks must not come in beside what is here. */
static bool
must_stay_out(struct slots *s, uint32_t link, const struct msg_tasks *t,
              int64_t now_us)
{
    if (CO_BUG(two_suspects)) return false;
    if (t->alone && t->tasks.n && others_active(s, t)) {
        make_way(s, link, now_us);
        return true;
    }
    if (s->suspects) return link != s->suspect_link;
    return now_us < s->court_until_us && link != s->court_link;
}

void
slots_on_tasks(struct slots *s, uint32_t link, const struct msg_tasks *t,
               struct co_bytes body, int64_t now_us, struct outbox *out)
{
    struct link *l = &s->links[link];
    uint32_t service = slots_service_of(s, t->service, t->provider), covered;
    bool wrong = t->fingerprint && t->fingerprint != s->config.fingerprint;

    s->counters.tasks += t->tasks.n;
    l->tasks_us = now_us;
    if (service == s->config.n_services) { /* never granted */
        s->counters.over_credit += t->tasks.n;
        return_all(s, link, t, RETURN_FULL, SLOTS_FULL_RETRY_MS);
        return;
    }
    covered = count_covered(s, &l->credit[service], t->tasks.n);
    if (s->draining) {
        return_all(s, link, t, RETURN_DRAIN, 0);
        return;
    }
    if (must_stay_out(s, link, t, now_us)) {
        return_all(s, link, t, RETURN_FULL, SLOTS_FULL_RETRY_MS);
        return;
    }
    if (wrong || (t->recipe && !s->config.assets)) {
        return_all(s, link, t, RETURN_NO_RECIPE, 0);
        return;
    }
    struct intake *in =
        s->full ? NULL : intake_new(s, service, t, body, now_us);
    if (!in) {
        s->counters.refused_full += t->tasks.n;
        return_all(s, link, t, RETURN_FULL, SLOTS_FULL_RETRY_MS);
        return;
    }
    if (t->recipe && !in->recipe.chunk &&
        assets_want(s->config.assets, t->recipe, t->job, link, now_us, out)) {
        return_all(s, link, t, RETURN_FULL, SLOTS_FULL_RETRY_MS);
    } else {
        take_batch(s, link, t, in, covered);
    }
    slots_intake_unref(in);
}

/* -- recipes ------------------------------------------------------------- */
/* All parked tasks that wait for hash: on, or back. */
static void
unpark(struct slots *s, uint64_t hash, struct co_bytes recipe)
{
    uint32_t i = s->lists[SLOTS_PARKED].first, next;

    for (; i != SLOTS_NONE; i = next) {
        struct intake *in = s->pool[i].intake;

        next = s->pool[i].next;
        if (in->recipe_hash != hash) continue;
        if (!recipe.chunk) {
            slots_return_held(s, i, RETURN_NO_RECIPE);
            continue;
        }
        if (!in->recipe.chunk) in->recipe = co_bytes_ref(recipe);
        slots_held_apply(s, i, SLOTS_EV_READY);
    }
}

void
slots_on_blob(struct slots *s, const struct msg_blob *b, struct co_bytes body,
              int64_t now_us, struct outbox *out)
{
    struct co_bytes recipe = {0};
    enum co_err err;

    if (!s->config.assets) {
        s->counters.bad++;
        return;
    }
    err = assets_on_blob(s->config.assets, b, body, now_us, out);
    if (err == CO_AGAIN || err == CO_STATE) return; /* more, or not asked */
    if (!err) (void)assets_get(s->config.assets, b->hash, &recipe);
    unpark(s, b->hash, recipe);
    co_bytes_unref(&recipe);
}

/* -- CANCEL and FORGET --------------------------------------------------- */
/* What runs and is begun goes on, and its result comes as usual. */
static bool
is_begun(const struct slots *s, uint32_t index)
{
    const struct held *h = &s->pool[index];

    if (h->state != SLOTS_RUNNING) return false;
    return !s->is_unsent || h->mark == SLOTS_NONE ||
           !s->is_unsent(s->is_unsent_ctx, h->mark);
}

void
slots_on_cancel(struct slots *s, const struct msg_cancel *c)
{
    for (uint32_t k = 0; k < c->tasks.n; k++) {
        uint32_t i = slots_held_find(s, c->job, c->tasks.v[k]), next;

        for (; i != SLOTS_NONE; i = next) {
            next = slots_held_again(s, i);
            if (c->unsent && is_begun(s, i)) continue;
            cancel_one(s, i);
        }
    }
}

static void
forget_list(struct slots *s, const struct held_list *list, uint64_t job)
{
    uint32_t i = list->first, next;

    for (; i != SLOTS_NONE; i = next) {
        next = s->pool[i].next;
        if (s->pool[i].job != job) continue;
        s->counters.forgotten++;
        slots_held_apply(s, i, SLOTS_EV_DROP);
    }
}

void
slots_forget_tasks(struct slots *s, uint64_t job)
{
    forget_list(s, &s->lists[SLOTS_PARKED], job);
    for (uint32_t i = 0; i < s->config.n_services; i++) {
        forget_list(s, &s->serving[i].queued, job);
    }
    forget_list(s, &s->lists[SLOTS_RUNNING], job);
    forget_list(s, &s->lists[SLOTS_STOPPING], job);
}

/* -- running ------------------------------------------------------------- */
static uint32_t
count_running(const struct slots *s)
{
    return s->lists[SLOTS_RUNNING].n + s->lists[SLOTS_STOPPING].n +
           s->lists[SLOTS_DROPPED].n;
}

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
