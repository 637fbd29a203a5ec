/* engine_guilt.c - whether a lone loss speaks against its task.
 * A worker that is cut off or frozen looks as if it had died. Two such
 * accidents would convict an innocent row, so a loss stops counting when
 *   - the worker is heard again, says HELLO to the broker that gave it up
 *     (REVIVED), or turns out to hold the very attempt: it was not dead;
 *   - another worker was lost within 3 s with work that nobody suspects, or
 *     both fell silent: then the host or the network was it. (Only since the
 *     task went out: its own loss before that was no accident of others.)
 * Two suspects that kill their workers at the same time do not excuse each
 * other: their losses are lone, and seen rather than silent.
 * Only so many lost workers are remembered. What was forgotten may have been an
 * excuse, so a loss whose worker is among them does not count: the row is tried
 * again, and convicted when fewer workers go.
 * Taking every silence for innocent was rejected: a row that makes its worker
 * hang would go round for ever. */
#include "common/bug.h"
#include "coordinator/engine_core.h"

enum {
    LONE_APART_US = 10000000,
    TOGETHER_US = 3000000, /* a beat, and what a tick and a link add */
};

static struct witness *
witness_of(struct engine *e, uint64_t worker)
{
    for (unsigned w = 0; worker && w < WITNESSES; w++) {
        if (e->witnesses[w].worker == worker) return &e->witnesses[w];
    }
    return NULL;
}

void
engine_guilt_lost(struct engine *e, const struct msg_lost *lost, int64_t now_us)
{
    struct witness *w;

    if (lost->cause != LOST_WORKER_DEAD && lost->cause != LOST_SILENT) return;
    w = witness_of(e, lost->worker);
    if (!w) {
        w = &e->witnesses[e->witness_at++ % WITNESSES];
        e->n.forgotten += w->worker != 0;
    }
    *w = (struct witness){.worker = lost->worker,
                          .at_us = now_us,
                          .silent = lost->cause == LOST_SILENT,
                          .lone = lost->neighbours <= 1};
}

void
engine_guilt_heard(struct engine *e, uint64_t worker)
{
    struct witness *w = e->witness_at ? witness_of(e, worker) : NULL;

    if (w) w->heard = true;
}

void
engine_on_revived(struct engine *e, uint64_t worker)
{
    engine_guilt_heard(e, worker);
}

static bool
is_excused(struct engine *e, const struct lone_loss *loss)
{
    const struct witness *own = witness_of(e, loss->worker);

    if (loss->worker && !own) return true; /* forgotten, see above */
    if (own && own->heard) return true;
    for (unsigned k = 0; k < WITNESSES; k++) {
        const struct witness *w = &e->witnesses[k];
        int64_t apart = w->at_us - loss->at_us;

        if (!w->worker || w->worker == loss->worker) continue;
        if (apart < -TOGETHER_US || apart > TOGETHER_US) continue;
        if (w->at_us <= loss->sent_us) continue;
        if (!w->lone || (w->silent && loss->silent)) return true;
    }
    return false;
}

unsigned
engine_guilt_weigh(struct engine *e, uint32_t i)
{
    struct task *task = &e->tasks.v[i];
    uint8_t kept = 0;

    for (uint8_t k = 0; k < task->lone_losses; k++) {
        if (is_excused(e, &task->loss[k]) && !CO_BUG(cut_off_is_dead)) {
            e->n.excused++;
        } else {
            task->loss[kept++] = task->loss[k];
        }
    }
    if (kept < task->lone_losses) task->lone_last = false;
    task->lone_losses = kept;
    return kept;
}

unsigned
engine_guilt_lone(struct engine *e, uint32_t i, const struct msg_lost *lost,
                  int64_t now_us)
{
    struct task *task = &e->tasks.v[i];
    unsigned n = engine_guilt_weigh(e, i);
    bool counts = n == 0 || (task->loss[0].worker != lost->worker &&
                             (now_us - task->loss[0].at_us > LONE_APART_US ||
                              CO_BUG(losses_close)));

    if (!counts || n >= co_countof(task->loss)) return n;
    task->loss[n] = (struct lone_loss){.worker = lost->worker,
                                       .sent_us = task->sent_us,
                                       .at_us = now_us,
                                       .silent = lost->cause == LOST_SILENT};
    task->lone_last = true;
    task->lone_losses = (uint8_t)(n + 1);
    if (CO_BUG(loss_counted_twice) && n == 0) {
        task->loss[1] = task->loss[0];
        task->lone_losses = 2;
    }
    return task->lone_losses;
}

void
engine_guilt_found(struct engine *e, uint32_t i)
{
    struct task *task = &e->tasks.v[i];

    if (task->state != TASK_READY && task->state != TASK_WAITING) return;
    task->trial = false;
    if (!task->lost_last) return;
    task->lost_last = false;
    e->n.excused++;
    if (task->charged) task->charged--;
    if (task->lone_last && task->lone_losses) task->lone_losses--;
    task->lone_last = false;
}
