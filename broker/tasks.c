/* tasks.c - see tasks.h. All changes of a task's state go through
 * tasks_apply, which keeps every count that depends on it: what does not hold
 * after that is found by dispatch_check. */
#include "broker/tasks.h"

#include "broker/batches.h"
#include "broker/credit.h"
#include "broker/jobs.h"
#include "common/bug.h"
#include "common/cover.h"

#include <stdlib.h>

enum { ENTRIES_FIRST = 1024 };

/* What each event does. docs/protocol.md draws the same table. */
enum task_state
tasks_next_state(enum task_state state, enum task_event event)
{
    /* 0 stands for "refused" while the table is written, +1 for the state. */
#define TO(state) ((state) + 1)
    static const uint8_t next[TASK_STATE_COUNT][TEV_COUNT] = {
        [TASK_FREE] = {[TEV_PUBLISH] = TO(TASK_QUEUED),
                       [TEV_ADOPT] = TO(TASK_DISPATCHED)},
        [TASK_QUEUED] = {[TEV_ASSIGN] = TO(TASK_DISPATCHED),
                         [TEV_FINISH] = TO(TASK_DROPPED),
                         [TEV_REPLACE] = TO(TASK_DROPPED),
                         [TEV_CANCEL] = TO(TASK_DROPPED),
                         [TEV_FORGET] = TO(TASK_DROPPED)},
        [TASK_DISPATCHED] = {[TEV_FINISH] = TO(TASK_FREE),
                             [TEV_LOSE] = TO(TASK_FREE),
                             [TEV_REPLACE] = TO(TASK_SUPERSEDED),
                             [TEV_CANCEL] = TO(TASK_DISPATCHED),
                             [TEV_FORGET] = TO(TASK_FREE)},
        [TASK_SUPERSEDED] = {[TEV_FINISH] = TO(TASK_FREE),
                             [TEV_LOSE] = TO(TASK_FREE),
                             [TEV_FORGET] = TO(TASK_FREE)},
        [TASK_DROPPED] = {[TEV_DEQUEUE] = TO(TASK_FREE)},
    };
#undef TO

    if (!next[state][event]) return TASK_STATE_COUNT;
    return (enum task_state)(next[state][event] - 1);
}

const char *
tasks_state_name(enum task_state state)
{
    static const char *const names[TASK_STATE_COUNT] = {
        "free", "queued", "dispatched", "superseded", "dropped"};

    return state < TASK_STATE_COUNT ? names[state] : "refused";
}

uint32_t
tasks_find(const struct dispatch *d, uint32_t job, uint64_t task)
{
    return co_table_find(&d->by_task, task, job);
}

/* ---- the one writer ------------------------------------------------------ */

static bool
is_in_force(uint8_t state)
{
    return state == TASK_QUEUED || state == TASK_DISPATCHED;
}

static bool
is_held(uint8_t state)
{
    return state == TASK_DISPATCHED || state == TASK_SUPERSEDED;
}

static uint64_t
entry_key(const struct dispatch *d, const struct entry *e)
{
    return msg_held_key(d->jobs[e->job].id, e->task, e->attempt);
}

static void
enter_worker(struct dispatch *d, uint32_t at)
{
    struct entry *e = &d->entries[at];
    struct worker *w = d->workers[e->place];
    struct line *line = credit_line(w, e->lane);

    e->prev = NONE;
    e->next = w->first;
    if (w->first != NONE) d->entries[w->first].prev = at;
    w->first = at;
    w->held++;
    w->held_hash ^= entry_key(d, e);
    if (line) line->held++;
    if (e->alone) w->alone = true;
    e->started = 0;
    d->lanes[e->lane]->in_flight++;
    d->in_flight++;
}

static void
leave_worker(struct dispatch *d, uint32_t at)
{
    struct entry *e = &d->entries[at];
    struct worker *w = d->workers[e->place];
    struct line *line = credit_line(w, e->lane);

    if (e->prev != NONE) d->entries[e->prev].next = e->next;
    if (e->prev == NONE) w->first = e->next;
    if (e->next != NONE) d->entries[e->next].prev = e->prev;
    w->held--;
    w->held_hash ^= entry_key(d, e);
    if (line) line->held--;
    if (e->alone) w->alone = false;
    d->lanes[e->lane]->in_flight--;
    d->in_flight--;
}

static void
count_queued(struct dispatch *d, const struct entry *e, uint32_t by)
{
    struct batch *batch = &d->batches[e->place];

    batch->n += by;
    d->flows[batch->flow].queued += by;
    d->lanes[e->lane]->queued += by;
    d->queued += by;
}

static void
entry_release(struct dispatch *d, uint32_t at)
{
    struct entry *e = &d->entries[at];

    d->jobs[e->job].entries--;
    d->entry_count--;
    e->next = d->entry_free;
    d->entry_free = at;
}

void
tasks_apply(struct dispatch *d, uint32_t at, enum task_event event,
            uint32_t place)
{
    struct entry *e = &d->entries[at];
    uint8_t from = e->state;
    enum task_state to = tasks_next_state((enum task_state)from, event);

    co_assert(to != TASK_STATE_COUNT);
    CO_SEEN(BROKER_TASK, from, event);
    if (from == to) return;
    if (from == TASK_QUEUED) count_queued(d, e, (uint32_t)-1);
    if (is_held(from) && !is_held((uint8_t)to)) leave_worker(d, at);
    if (from == TASK_SUPERSEDED) d->workers[e->place]->superseded--;
    if (is_in_force(from) && !is_in_force((uint8_t)to)) {
        (void)co_table_del(&d->by_task, e->task, e->job);
        d->jobs[e->job].live--;
    }

    e->state = (uint8_t)to;
    e->place = place;
    if (from == TASK_FREE) d->jobs[e->job].entries++;
    if (!is_in_force(from) && is_in_force((uint8_t)to)) {
        co_table_put(&d->by_task, e->task, e->job, at);
        d->jobs[e->job].live++;
    }
    if (to == TASK_QUEUED) count_queued(d, e, 1);
    if (to == TASK_DROPPED) {
        d->batches[place].dropped++;
        d->batches[place].whole = false;
    }
    if (to == TASK_SUPERSEDED) d->workers[place]->superseded++;
    if (!is_held(from) && is_held((uint8_t)to)) enter_worker(d, at);
    if (to == TASK_FREE) entry_release(d, at);
}

/* ---- room ---------------------------------------------------------------- */

static enum co_err
entries_grow(struct dispatch *d, uint32_t cap)
{
    struct entry *entries;
    uint32_t *ids = realloc(d->ids, cap * sizeof *ids);

    if (!ids) return CO_NOMEM;
    d->ids = ids;
    entries = realloc(d->entries, cap * sizeof *entries);
    if (!entries) return CO_NOMEM;
    d->entries = entries;
    /* Lowest number first, so that neighbours lie together. */
    for (uint32_t i = cap; i-- > d->entry_cap;) {
        entries[i] = (struct entry){.next = d->entry_free};
        d->entry_free = i;
    }
    d->entry_cap = cap;
    return CO_OK;
}

enum co_err
tasks_reserve(struct dispatch *d, uint32_t n)
{
    uint32_t need = d->entry_count + n;
    uint32_t cap = d->entry_cap ? d->entry_cap : ENTRIES_FIRST;
    enum co_err err;

    /* Twice: superseded and dropped entries need slots too. */
    if (need > 2 * d->limits.tasks_max) return CO_FULL;
    err = co_table_reserve(&d->by_task, need);
    if (err) return err;
    while (cap < need) {
        cap *= 2;
    }
    return cap > d->entry_cap ? entries_grow(d, cap) : CO_OK;
}

uint32_t
tasks_entry_new(struct dispatch *d)
{
    uint32_t at = d->entry_free;

    co_assert(at != NONE); /* tasks_reserve was called */
    d->entry_free = d->entries[at].next;
    d->entry_count++;
    d->entries[at] = (struct entry){.next = NONE, .prev = NONE};
    return at;
}

/* ---- queued tasks ------------------------------------------------------- */

void
tasks_drop_queued(struct dispatch *d, uint32_t at, enum task_event why)
{
    uint32_t place = d->entries[at].place;
    uint32_t flow = d->batches[place].flow;

    tasks_apply(d, at, why, place);
    if (!d->flows[flow].queued) batches_flow_emptied(d, flow);
}

/* ---- at a worker --------------------------------------------------------- */

void
tasks_send_cancel(struct dispatch *d, const struct entry *e, struct outbox *out)
{
    const struct job *job = &d->jobs[e->job];
    uint64_t task = e->task;
    struct msg m = {
        .type = MSG_cancel,
        .cancel = {.job = job->id, .owner = job->owner, .tasks = {&task, 1}}};

    d->count.cancelled_running++;
    push(out, SIDE_BACK, d->workers[e->place]->handle, &m);
}

void
tasks_assign(struct dispatch *d, uint32_t at, struct worker *w,
             struct line *line)
{
    tasks_apply(d, at, TEV_ASSIGN, w->slot);
    d->entries[at].number = ++w->sent;
    if (line) credit_line_use(d, line);
}

/* The superseded entry of an attempt at w, or NONE. Rare, hence a search. */
static uint32_t
find_superseded(const struct dispatch *d, const struct worker *w, uint32_t job,
                uint64_t task, uint32_t attempt)
{
    if (!w->superseded) return NONE;
    for (uint32_t at = w->first; at != NONE; at = d->entries[at].next) {
        const struct entry *e = &d->entries[at];

        if (e->state == TASK_SUPERSEDED && e->job == job && e->task == task &&
            e->attempt == attempt) {
            return at;
        }
    }
    return NONE;
}

static bool
finish_superseded(struct dispatch *d, uint32_t job, uint64_t task,
                  uint32_t attempt, struct worker *w)
{
    uint32_t at = find_superseded(d, w, job, task, attempt);

    if (at == NONE) return false;
    d->count.results_late++;
    tasks_apply(d, at, TEV_FINISH, NONE);
    return true;
}

bool
tasks_finish(struct dispatch *d, uint32_t job, uint64_t task, uint32_t attempt,
             struct worker *w, struct outbox *out)
{
    uint32_t at = tasks_find(d, job, task);
    struct entry *e;

    if (at == CO_TABLE_NONE || d->entries[at].attempt != attempt) {
        return finish_superseded(d, job, task, attempt, w);
    }
    e = &d->entries[at];
    if (e->state == TASK_QUEUED) {
        tasks_drop_queued(d, at, TEV_FINISH);
    } else if (e->place == w->slot) {
        tasks_apply(d, at, TEV_FINISH, NONE);
    } else {
        /* The same attempt runs elsewhere too: it is not needed any more. */
        tasks_send_cancel(d, e, out);
        tasks_apply(d, at, TEV_REPLACE, e->place);
    }
    return true;
}

/* ---- inventory ----------------------------------------------------------- */

static void
adopt(struct dispatch *d, const struct job *job, const struct told *told,
      struct worker *w)
{
    uint32_t at = tasks_entry_new(d);
    struct entry *e = &d->entries[at];

    e->task = told->task;
    e->job = job->slot;
    e->attempt = told->attempt;
    /* A broker sends a worker one suspect: a second is a task like others. */
    e->alone = told->alone && !w->alone;
    /* A job of which only a worker told has no lane yet: lane 0 is nobody's. */
    e->lane = (uint16_t)(job->lane == NONE ? 0 : job->lane);
    e->number = w->inv_mark;
    e->seen = w->inv_round;
    d->count.inventory_adopted++;
    tasks_apply(d, at, TEV_ADOPT, w->slot);
    e->started = told->running;
}

bool
tasks_report(struct dispatch *d, struct job *job, const struct told *told,
             struct worker *w, struct outbox *out)
{
    uint64_t task = told->task;
    uint16_t attempt = told->attempt;
    uint32_t at = tasks_find(d, job->slot, task);
    uint32_t old = find_superseded(d, w, job->slot, task, attempt);
    struct entry *e;

    if (old != NONE) d->entries[old].seen = w->inv_round;
    if (old != NONE) return false;
    if (at == CO_TABLE_NONE) {
        adopt(d, job, told, w);
        return true;
    }
    e = &d->entries[at];
    /* An older attempt: its result will be passed on, nothing waits for it. */
    if (e->attempt > attempt) return false;
    if (e->attempt == attempt && e->state == TASK_DISPATCHED) {
        if (e->place == w->slot) e->seen = w->inv_round;
        return false;
    }
    if (e->state == TASK_QUEUED) {
        tasks_drop_queued(d, at, TEV_REPLACE);
    } else {
        d->count.superseded++;
        tasks_send_cancel(d, e, out);
        tasks_apply(d, at, TEV_REPLACE, e->place);
    }
    adopt(d, job, told, w);
    return true;
}

/* ---- losing -------------------------------------------------------------- */

static int
by_job_then_task(const void *a, const void *b, void *arg)
{
    const struct dispatch *d = arg;
    const struct entry *x = &d->entries[*(const uint32_t *)a];
    const struct entry *y = &d->entries[*(const uint32_t *)b];

    if (x->job != y->job) return x->job < y->job ? -1 : 1;
    return x->task < y->task ? -1 : x->task > y->task;
}

static void
send_lost(struct dispatch *d, const struct job *job, uint32_t n,
          const struct worker *w, enum lost_cause cause, uint32_t neighbours,
          struct outbox *out)
{
    struct msg m = {.type = MSG_lost,
                    .lost = {.job = job->id,
                             .tasks = {d->words[0], n},
                             .attempts = {d->halves[0], n},
                             .cause = cause,
                             .worker = w->incarnation,
                             .neighbours = neighbours}};
    uint64_t owner;

    if (!n || CO_BUG(lost_not_sent)) return;
    if (cause == LOST_WORKER_DEAD) d->count.lost_worker_dead += n;
    if (cause == LOST_SILENT) d->count.lost_silent += n;
    if (cause == LOST_LINK) d->count.lost_link += n;
    if (cause == LOST_DRAIN) d->count.lost_drain += n;
    if (jobs_owner_handle(d, job, &owner)) {
        push(out, SIDE_FRONT, owner, &m);
    } else {
        /* Its INVENTORY at the next ATTACH will lack them. */
        d->count.lost_unheard += n;
    }
}

void
tasks_lose(struct dispatch *d, uint32_t n, const struct worker *w,
           enum lost_cause cause, uint32_t neighbours, struct outbox *out)
{
    uint32_t filled = 0;

    if (n > 1) qsort_r(d->ids, n, sizeof d->ids[0], by_job_then_task, d);
    for (uint32_t i = 0; i < n; i++) {
        struct entry *e = &d->entries[d->ids[i]];
        struct job *job = &d->jobs[e->job];
        bool last = i + 1 == n || d->entries[d->ids[i + 1]].job != e->job;

        if (e->state == TASK_DISPATCHED) {
            d->words[0][filled] = e->task;
            d->halves[0][filled++] = e->attempt;
        }
        tasks_apply(d, d->ids[i], TEV_LOSE, NONE);
        if (last || filled == BATCH_MAX) {
            send_lost(d, job, filled, w, cause, neighbours, out);
            filled = 0;
        }
        if (last) jobs_maybe_free(d, job);
    }
}

void
tasks_forget(struct dispatch *d, uint32_t job)
{
    for (uint32_t at = 0; at < d->entry_cap && d->jobs[job].entries; at++) {
        struct entry *e = &d->entries[at];

        if (e->state == TASK_FREE || e->job != job) continue;
        if (e->state == TASK_QUEUED) {
            tasks_drop_queued(d, at, TEV_FORGET);
        } else if (e->state != TASK_DROPPED) {
            tasks_apply(d, at, TEV_FORGET, NONE);
        }
    }
}
