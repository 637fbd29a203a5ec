/* engine_retry.c - what a loss, a failure or a return means for a task.
 *
 *   event      counts?                      then
 *   returned   no                           again, not before the time given
 *   lost       only if its worker died      first strike: again at once, and
 *              (cause WORKER_DEAD)          alone if few tasks shared the death
 *   failed     yes                          first strike: again after back-off
 *   2 strikes  (charged losses + failures)  halved; a half starts with one, so
 *                                           that it is halved by its next
 *   a row      2 lone losses on different workers more than 10 s apart, or
 *   alone      3 failures: dead
 *
 * A half inherits a strike because one of the two is guilty: otherwise eight
 * levels would cost sixteen workers instead of nine. A worker that held many
 * tasks says little about each: those go out with neighbours again. */
#include "common/bug.h"
#include "coordinator/engine_core.h"

enum {
    RANGE_STRIKES = 2,
    ROW_FAILURES = 3,
    ROW_LONE_LOSSES = 2,
    SUSPECT_NEIGHBOURS = 64,
    LONE_APART_US = 10000000,
    BACKOFF_FIRST_US = 100000,
    BACKOFF_MAX_US = 10000000,
    PAID_WAIT_MS = 60000,
    RETURN_DELAY_US = 100000, /* when nothing was said and it is no drain */
    RETURNS_FREE = 16,        /* returns before that delay grows */
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
        e->tasks.v[half].failed = RANGE_STRIKES - 1;
    }
    e->n.halved++;
    return true;
}

static void
give_up(struct engine *e, uint32_t i, int64_t now_us)
{
    if (engine_order_death(e, i) == CO_OK) return;
    engine_again(e, i, now_us, now_us + RETURN_DELAY_US); /* no room: later */
}

void
engine_task_failed(struct engine *e, uint32_t i, int64_t now_us)
{
    struct task *task = &e->tasks.v[i];

    add16(&task->failed);
    if (task->failed + task->charged >= RANGE_STRIKES && halve(e, i)) return;
    if (task->failed >= ROW_FAILURES) {
        give_up(e, i, now_us);
    } else {
        engine_again(e, i, now_us, now_us + backoff_us(task->failed));
    }
}

/* The worker died while nothing but this task ran there. */
static void
lone_loss(struct engine *e, uint32_t i, uint64_t worker, int64_t now_us)
{
    struct task *task = &e->tasks.v[i];

    e->n.lost_lone++;
    if (!task->lone_losses ||
        (task->loss_worker != worker &&
         (now_us - task->loss_us > LONE_APART_US || CO_BUG(losses_close)))) {
        task->lone_losses++;
        if (CO_BUG(loss_counted_twice)) task->lone_losses++;
        task->loss_worker = worker;
        task->loss_us = now_us;
    }
    if (task->lone_losses >= ROW_LONE_LOSSES) {
        give_up(e, i, now_us);
    } else { /* sooner would prove nothing and cost a worker */
        engine_again(e, i, now_us,
                     CO_BUG(losses_close) ? now_us
                                          : task->loss_us + LONE_APART_US + 1);
    }
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
    if (lost->neighbours <= SUSPECT_NEIGHBOURS ||
        task->charged >= RANGE_STRIKES) {
        engine_tasks_suspect(&e->tasks, i);
    }
    if (task->failed + task->charged >= RANGE_STRIKES && halve(e, i)) return;
    if (lone) {
        lone_loss(e, i, lost->worker, now_us);
    } else {
        engine_again(e, i, now_us, now_us);
    }
}

/* A worker that came back late may have held a higher attempt of an earlier
 * owner; its broker put that in the place of ours. What happens to it happens
 * to the task, and the next attempt must be higher still. */
uint32_t
engine_in_force(struct engine *e, uint64_t id, uint32_t attempt)
{
    uint32_t i = engine_tasks_find(&e->tasks, id);

    if (i == TASK_NONE || e->tasks.v[i].state != TASK_OUT) return TASK_NONE;
    if (attempt < e->tasks.v[i].attempt) return TASK_NONE;
    e->tasks.v[i].attempt = (uint16_t)co_min_u64(attempt, UINT16_MAX);
    return i;
}

/* Work that costs nothing is done again at once. A paid call whose worker
 * may still be alive is not: its answer may come yet. */
static int64_t
uncharged_due_us(const struct engine *e, uint32_t cause, int64_t now_us)
{
    uint64_t ms = e->options.total_ms;

    if (!e->kind->paid || (cause != LOST_LINK && cause != LOST_BROKER)) {
        return now_us;
    }
    ms = ms ? co_min_u64(ms, PAID_WAIT_MS) : PAID_WAIT_MS;
    return now_us + (int64_t)ms * 1000;
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
    for (uint32_t t = 0; t < lost->tasks.n; t++) {
        uint32_t i =
            engine_in_force(e, lost->tasks.v[t], msg_at(lost->attempts, t));

        if (i == TASK_NONE) {
            e->n.stale_lost++;
            continue;
        }
        e->n.lost++;
        add16(&e->tasks.v[i].lost);
        if (lost->cause == LOST_WORKER_DEAD) {
            charge_loss(e, i, lost, now_us);
        } else {
            engine_again(e, i, now_us,
                         uncharged_due_us(e, lost->cause, now_us));
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
        add16(&e->tasks.v[i].returned);
        engine_again(e, i, now_us,
                     return_due_us(&e->tasks.v[i], returned, now_us));
    }
}
