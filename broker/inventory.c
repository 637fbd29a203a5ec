/* inventory.c - see inventory.h.
 * Comparing what a worker holds with what we think is exact only while nothing
 * is under way to it, so BEATs are compared after a quiet interval; a worker
 * that is never quiet is asked for its INVENTORY every compare_ms. An answer to
 * INVENTORY_GET covers precisely the tasks that were sent before the question,
 * since messages on a link keep their order. */
#include "broker/inventory.h"

#include "broker/jobs.h"
#include "broker/tasks.h"

enum { MISMATCHES_MAX = 2, ASK_BEATS = 5 };

void
inventory_lose_unseen(struct dispatch *d, struct worker *w, struct outbox *out)
{
    uint32_t neighbours = w->held;
    uint32_t n = 0;

    for (uint32_t at = w->first; at != NONE; at = d->entries[at].next) {
        const struct entry *e = &d->entries[at];

        /* Sent after the question: the answer says nothing about it. */
        if ((int32_t)(e->number - w->inv_mark) > 0) continue;
        if (e->seen != w->inv_round) d->ids[n++] = at;
    }
    d->count.inventory_missing += n;
    tasks_lose(d, n, w, LOST_LINK, neighbours, out);
}

static void
ask(struct dispatch *d, struct worker *w, int64_t now_ms, struct outbox *out)
{
    struct msg m = {.type = MSG_inventory_get};

    d->count.inventory_asked++;
    w->asked_ms = w->compared_ms = now_ms;
    w->mismatches = 0;
    w->inv_asked = true;
    w->inv_mark = w->sent;
    w->inv_page = 0;
    push(out, SIDE_BACK, w->handle, &m);
}

/* A worker says that a suspect begins. */
static void
note_start(struct dispatch *d, const struct worker *w,
           const struct msg_beat *beat)
{
    for (uint32_t at = w->first; at != NONE; at = d->entries[at].next) {
        struct entry *e = &d->entries[at];

        for (uint32_t i = 0; e->alone && i < beat->tasks.n; i++) {
            e->started |= beat->tasks.v[i] == e->task;
        }
    }
}

void
inventory_on_beat(struct dispatch *d, struct worker *w,
                  const struct msg_beat *beat, int64_t now_ms,
                  struct outbox *out)
{
    bool quiet = now_ms - w->quiet_since > d->limits.beat_ms;
    bool comparable = quiet && !w->unacked_lost;
    bool equal = beat->held_count == w->held + w->unacked_tasks &&
                 beat->held_hash == w->held_hash;

    if (w->alone) note_start(d, w, beat);

    if (comparable && equal) {
        w->mismatches = 0;
        w->compared_ms = now_ms;
    } else if (comparable) {
        if (w->mismatches < UINT8_MAX) w->mismatches++;
        /* A difference that no inventory settles is asked about rarely. */
        if (w->mismatches >= MISMATCHES_MAX &&
            now_ms - w->asked_ms >= ASK_BEATS * (int64_t)d->limits.beat_ms) {
            ask(d, w, now_ms, out);
        }
    } else if (now_ms - w->compared_ms > d->limits.compare_ms) {
        ask(d, w, now_ms, out);
    }
}

/* One value, or one for each of n. */
static uint64_t
job_at(struct msg_u64s jobs, uint32_t i)
{
    return jobs.v[jobs.n == 1 ? 0 : i];
}

static bool
page_fits(const struct worker *w, const struct msg_inventory *v)
{
    uint32_t n = v->tasks.n;

    if (v->pages == 0 || v->page >= v->pages || v->page != w->inv_page) {
        return false;
    }
    if (n == 0) return true;
    return n <= BATCH_MAX && (v->jobs.n == 1 || v->jobs.n == n) &&
           msg_one_or_n(v->attempts, n) &&
           (!v->states.n || msg_one_or_n(v->states, n));
}

static void
report_one(struct dispatch *d, struct worker *w, uint64_t id, uint64_t task,
           uint32_t attempt, int64_t now_ms, struct outbox *out)
{
    struct msg over = {.type = MSG_forget, .forget = {.job = id}};
    struct job *job;

    if (id == 0 || attempt > UINT16_MAX) {
        d->count.malformed++;
        return;
    }
    if (jobs_is_forgotten(d, id)) {
        d->count.refused_forgotten++;
        push(out, SIDE_BACK, w->handle, &over);
        return;
    }
    job = jobs_get(d, id, now_ms);
    if (!job || job->live >= d->limits.job_tasks_max ||
        d->queued + d->in_flight >= d->limits.tasks_max) {
        d->count.inventory_full++;
        return;
    }
    tasks_report(d, job, task, (uint16_t)attempt, w, out);
}

void
inventory_on_page(struct dispatch *d, struct worker *w, const struct msg *m,
                  int64_t now_ms, struct outbox *out)
{
    const struct msg_inventory *v = &m->inventory;

    if (!page_fits(w, v) || tasks_reserve(d, v->tasks.n)) {
        d->count.inventory_broken++;
        w->inv_page = 0;
        dispatch_refuse(out, SIDE_BACK, w->handle, m, CO_PROTOCOL,
                        "pages out of order, or lists of unequal length");
        return;
    }
    if (v->page == 0) w->inv_round++;
    for (uint32_t i = 0; i < v->tasks.n; i++) {
        /* Results that wait are sent again anyway; then we know them. */
        if (v->states.n && msg_at(v->states, i) == HELD_DONE) continue;
        report_one(d, w, job_at(v->jobs, i), v->tasks.v[i],
                   msg_at(v->attempts, i), now_ms, out);
    }
    w->inv_page = v->page + 1;
    if (w->inv_page < v->pages) return;
    w->inv_page = 0;
    w->quiet_since = now_ms;
    if (w->inv_asked) inventory_lose_unseen(d, w, out);
    w->inv_asked = false;
}
