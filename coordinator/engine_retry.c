/* engine_retry.c - what a loss, a failure or a return means for a task.
 *
 *   event      counts?                      then
 *   returned   no                           again, not before the time given
 *   lost       only if its worker died      first strike: again at once, and
 *              (WORKER_DEAD, SILENT)        alone if few tasks shared the death
 *   failed     yes                          first strike: again after back-off
 *   2 strikes  (charged losses + failures)  halved; a half starts with one, so
 *                                           that it is halved by its next
 *   once       (engine_once.c) failed: over. lost: over when its worker died,
 *              else when no answer came in time. None of the rest applies
 *   a row      3 failures: dead. 2 lone losses on different workers more than
 *   alone      10 s apart that nothing explains (engine_guilt.c): on trial for
 *              15 s, 60 s when a worker just fell silent; then dead, unless
 *              its result or its worker turned up meanwhile
 *
 * A half inherits a strike because one of the two is guilty: otherwise eight
 * levels would cost sixteen workers instead of nine. A worker that held many
 * tasks says little about each: those go out with neighbours again, until a
 * second one dies of them. With 64 for the limit, a host of 12 slots that was
 * cut off kept other workers busy with one task at a time for a minute, and a
 * fleet in which a worker dies every few seconds hardly moved. */
#include "common/bug.h"
#include "coordinator/engine_core.h"

enum {
    RANGE_STRIKES = 2,
    ROW_FAILURES = 3,
    ROW_LONE_LOSSES = 2,
    TRIAL_US = 15000000, /* a worker whose link broke is back long before */
    TRIAL_SILENT_US = 60000000,
    SUSPECT_NEIGHBOURS = 4, /* each suspect takes a whole worker for itself */
    LONE_APART_US = 10000000,
    BACKOFF_FIRST_US = 100000,
    BACKOFF_MAX_US = 10000000,
    RETURN_DELAY_US = 100000, /* when nothing was said and it is no drain */
    WAITED_OUT_HOLD_US = 1000000,
    RETURNS_FREE = 16, /* returns before that delay grows */
};

static void
add16(uint16_t *counter)
{
    if (*counter < UINT16_MAX) (*counter)++;
}

/* first, twice that, ... */
static int64_t
backoff_us(unsigned times)
{
    int64_t us = BACKOFF_FIRST_US;

    for (unsigned i = 1; i < times && us < BACKOFF_MAX_US; i++) {
        us *= 2;
    }
    return us < BACKOFF_MAX_US ? us : BACKOFF_MAX_US;
}

void
engine_again(struct engine *e, uint32_t i, int64_t now_us, int64_t due_us)
{
    e->n.retried++;
    if (due_us > now_us) {
        e->tasks.v[i].due_us = due_us;
        engine_move(e, i, TASK_WAITING);
    } else {
        engine_move(e, i, TASK_READY);
    }
}

/* True: the task is gone and its halves are queued. */
static bool
halve(struct engine *e, uint32_t i)
{
    uint64_t halves[2];

    if (e->tasks.count[TASK_FREE] < 2) return false;
    if (e->kind->split(e->state, e->tasks.v[i].id, halves) != 2) return false;
    engine_move(e, i, TASK_FREE);
    for (unsigned h = CO_BUG(half_lost); h < 2; h++) {
        uint32_t half = engine_tasks_add(&e->tasks, halves[h], true);

        co_assert(half != TASK_NONE);
        e->tasks.v[half].inherited = true;
    }
    e->n.halved++;
    return true;
}

static void
give_up(struct engine *e, uint32_t i, int64_t now_us)
{
    if (engine_order_death(e, i, now_us) == CO_OK) return;
    e->tasks.v[i].trial = e->tasks.v[i].lone_losses >= ROW_LONE_LOSSES;
    engine_again(e, i, now_us, now_us + RETURN_DELAY_US); /* no room: later */
}

/* A range that failed or was lost twice is halved; a half, once. */
static unsigned
strikes(const struct task *task)
{
    return (unsigned)task->failed + task->charged + task->inherited;
}

void
engine_task_failed(struct engine *e, uint32_t i, int64_t now_us)
{
    struct task *task = &e->tasks.v[i];

    if (engine_once_gone(e, i, KIND_GONE_FAILED, now_us)) return;
    add16(&task->failed);
    if (strikes(task) >= RANGE_STRIKES && halve(e, i)) return;
    if (task->failed >= ROW_FAILURES) {
        give_up(e, i, now_us);
    } else {
        engine_again(e, i, now_us, now_us + backoff_us(task->failed));
    }
}

/* The worker died while nothing but this task ran there. */
static void
lone_loss(struct engine *e, uint32_t i, const struct msg_lost *lost,
          int64_t now_us)
{
    struct task *task = &e->tasks.v[i];
    unsigned losses = engine_guilt_lone(e, i, lost, now_us);
    bool silent = task->loss[0].silent || (losses > 1 && task->loss[1].silent);

    e->n.lost_lone++;
    if (losses >= ROW_LONE_LOSSES) {
        task->trial = true;
        engine_again(e, i, now_us,
                     now_us + (silent ? TRIAL_SILENT_US : TRIAL_US));
    } else { /* sooner would prove nothing and cost a worker */
        engine_again(e, i, now_us,
                     CO_BUG(losses_close) ? now_us
                                          : now_us + LONE_APART_US + 1);
    }
}

/* Work that costs nothing is done again at once. A paid call whose worker
 * may still be alive is not: its answer may come yet. */
static int64_t
lost_due_us(const struct engine *e, const struct task *task, uint32_t cause,
            int64_t now_us)
{
    if (!engine_is_once(e, task->id) || cause == LOST_WORKER_DEAD) {
        return now_us;
    }
    return now_us + engine_once_wait_us(e);
}

static void
charge_loss(struct engine *e, uint32_t i, const struct msg_lost *lost,
            int64_t now_us)
{
    struct task *task = &e->tasks.v[i];
    bool lone =
        (task->alone && lost->neighbours <= 1) || CO_BUG(neighbours_guilty);

    e->n.lost_charged++;
    add16(&task->charged);
    task->lost_last = true;
    if (lost->neighbours <= SUSPECT_NEIGHBOURS ||
        strikes(task) >= RANGE_STRIKES) {
        engine_tasks_suspect(&e->tasks, i);
    }
    if (strikes(task) >= RANGE_STRIKES && halve(e, i)) return;
    if (lone) {
        lone_loss(e, i, lost, now_us);
    } else {
        engine_again(e, i, now_us, lost_due_us(e, task, lost->cause, now_us));
    }
}

void
engine_task_due(struct engine *e, uint32_t i, int64_t now_us)
{
    struct task *task = &e->tasks.v[i];

    if (task->doubted && engine_once_gone(e, i, KIND_GONE_LOST, now_us)) {
        return;
    }
    if (task->trial && engine_guilt_weigh(e, i) >= ROW_LONE_LOSSES) {
        give_up(e, i, now_us);
    } else {
        task->trial = false;
        engine_tasks_set(&e->tasks, i, TASK_READY);
    }
}

/* A worker that came back late may have held a higher attempt of an earlier
 * owner; its broker put that in the place of ours. What happens to it happens
 * to the task, and the next attempt must be higher still. */
uint32_t
engine_in_force(struct engine *e, uint64_t id, uint32_t attempt)
{
    uint32_t i = engine_tasks_find(&e->tasks, id);

    if (i == TASK_NONE) return TASK_NONE;
    if (e->tasks.v[i].state != TASK_OUT && !e->tasks.v[i].doubted) {
        return TASK_NONE;
    }
    if (attempt < e->tasks.v[i].attempt) return TASK_NONE;
    e->tasks.v[i].attempt = (uint16_t)co_min_u64(attempt, UINT16_MAX);
    return i;
}

static void
note_loss(struct engine *e, const struct msg_lost *lost, uint64_t task,
          int64_t now_us)
{
    if (lost->cause == LOST_WORKER_DEAD) {
        engine_case_note(e->cases, task, CASE_DIED, lost->worker, NULL, 0,
                         now_us);
    } else if (lost->cause == LOST_SILENT) {
        engine_case_note(e->cases, task, CASE_SILENT, lost->worker, NULL, 0,
                         now_us);
    }
}

void
engine_on_lost(struct engine *e, unsigned link, const struct msg_lost *lost,
               int64_t now_us)
{
    if (link >= ENGINE_LINKS_MAX || lost->job != e->options.job ||
        !msg_one_or_n(lost->attempts, lost->tasks.n)) {
        e->n.malformed++;
        return;
    }
    engine_guilt_lost(e, lost, now_us);
    e->links[link].news_us = now_us;
    for (uint32_t t = 0; t < lost->tasks.n; t++) {
        uint32_t i =
            engine_in_force(e, lost->tasks.v[t], msg_at(lost->attempts, t));

        if (i == TASK_NONE) {
            e->n.stale_lost++;
            continue;
        }
        e->n.lost++;
        add16(&e->tasks.v[i].lost);
        note_loss(e, lost, lost->tasks.v[t], now_us);
        if (engine_once_lost(e, i, lost->cause, now_us)) continue;
        if (lost->cause == LOST_WORKER_DEAD || lost->cause == LOST_SILENT) {
            charge_loss(e, i, lost, now_us);
        } else {
            engine_again(e, i, now_us,
                         lost_due_us(e, &e->tasks.v[i], lost->cause, now_us));
        }
    }
}

static int64_t
return_due_us(const struct task *task, const struct msg_returned *r,
              int64_t now_us)
{
    int64_t due = now_us + (int64_t)r->not_before_ms * 1000;
    int64_t least = now_us;

    if (r->reason != RETURN_DRAIN) least += RETURN_DELAY_US;
    if (task->returned > RETURNS_FREE) {
        least = now_us + backoff_us(task->returned - RETURNS_FREE);
    }
    return due > least ? due : least;
}

void
engine_on_returned(struct engine *e, unsigned link,
                   const struct msg_returned *returned, int64_t now_us)
{
    if (link >= ENGINE_LINKS_MAX || returned->job != e->options.job ||
        !msg_one_or_n(returned->attempts, returned->tasks.n)) {
        e->n.malformed++;
        return;
    }
    for (uint32_t t = 0; t < returned->tasks.n; t++) {
        uint32_t i = engine_in_force(e, returned->tasks.v[t],
                                     msg_at(returned->attempts, t));

        if (i == TASK_NONE) {
            e->n.stale_returned++;
            continue;
        }
        e->n.returned++;
        /* it waited too long at a broker: let another one have it */
        if (returned->reason == RETURN_LIMIT && !returned->worker &&
            !engine_has_lanes(e)) { /* other lanes may move */
            e->links[link].hold_us = now_us + WAITED_OUT_HOLD_US;
        }
        add16(&e->tasks.v[i].returned);
        if (returned->reason == RETURN_RESULT_LOST &&
            engine_once_gone(e, i, KIND_GONE_FAILED, now_us)) {
            continue;
        }
        if (returned->reason != RETURN_RESULT_LOST &&
            engine_stop_returned(e, i)) {
            continue;
        }
        if (engine_lanes_returned(e, i, returned, now_us)) continue;
        engine_again(e, i, now_us,
                     return_due_us(&e->tasks.v[i], returned, now_us));
    }
}
