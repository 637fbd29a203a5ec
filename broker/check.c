/* check.c - dispatch_check: every count against what it counts. */
#include "broker/peers.h"
#include "broker/tasks.h"

#include "broker/credit.h"

/* Evaluated by the caller that returns; the name says what is broken. */
#define MUST(cond)                                                             \
    do {                                                                       \
        if (!(cond)) return #cond;                                             \
    } while (0)

static const char *
check_entries(const struct dispatch *d)
{
    uint32_t count = 0;
    uint32_t queued = 0;
    uint32_t held = 0;
    uint32_t in_force = 0;

    for (uint32_t i = 0; i < d->entry_cap; i++) {
        const struct entry *e = &d->entries[i];

        if (e->state == TASK_FREE) continue;
        count++;
        MUST(e->job < d->job_cap && d->jobs[e->job].id);
        MUST(e->lane < d->lane_count);
        queued += e->state == TASK_QUEUED;
        if (e->state == TASK_QUEUED || e->state == TASK_DROPPED) {
            MUST(e->place < d->batch_cap && d->batches[e->place].flow != NONE);
        } else {
            MUST(e->place < d->worker_cap && d->workers[e->place]);
            held++;
        }
        if (e->state == TASK_QUEUED || e->state == TASK_DISPATCHED) {
            in_force++;
            MUST(tasks_find(d, e->job, e->task) == i);
        }
    }
    MUST(count == d->entry_count);
    MUST(queued == d->queued);
    MUST(held == d->in_flight);
    MUST(in_force == d->by_task.count);
    return NULL;
}

static const char *
check_line(const struct dispatch *d, const struct line *line)
{
    uint64_t held = 0;
    const struct worker *w = d->workers[line->worker];

    MUST(w);
    /* Never more sent than granted. */
    MUST(line->returned <= line->granted);
    MUST(line->used <= line->granted - line->returned);
    for (uint32_t at = w->first; at != NONE; at = d->entries[at].next) {
        held += d->entries[at].lane == line->lane;
    }
    MUST(held == line->held);
    MUST(line->at < d->lanes[line->lane]->line_count);
    MUST(d->lanes[line->lane]->lines[line->at] == line);
    MUST((line->at < d->lanes[line->lane]->open) ==
         (credit_line_free(d, line) > 0));
    return NULL;
}

static const char *
check_unacked(const struct dispatch *d, const struct worker *w, uint64_t *hash)
{
    uint64_t tasks = 0;

    (void)d;
    for (uint32_t i = w->unacked_from; i < w->unacked_to; i++) {
        const struct unacked *u = &w->unacked[i];

        MUST(i == w->unacked_from || u[-1].seq < u->seq);
        if (!u->n) continue;
        tasks += u->n;
        *hash ^= u->hash;
    }
    MUST(tasks == w->unacked_tasks);
    return NULL;
}

static const char *
check_worker(const struct dispatch *d, const struct worker *w)
{
    const char *bad;
    uint64_t hash = 0;
    uint32_t held = 0;
    uint32_t superseded = 0;
    uint32_t alone = 0;
    uint32_t before = NONE;

    for (uint32_t at = w->first; at != NONE; at = d->entries[at].next) {
        const struct entry *e = &d->entries[at];

        MUST(e->prev == before);
        MUST(e->place == w->slot);
        MUST(e->state == TASK_DISPATCHED || e->state == TASK_SUPERSEDED);
        held++;
        superseded += e->state == TASK_SUPERSEDED;
        alone += e->alone;
        hash ^= msg_held_key(d->jobs[e->job].id, e->task, e->attempt);
        before = at;
    }
    MUST(held == w->held);
    MUST(superseded == w->superseded);
    MUST(w->state != WORKER_GONE && w->state != WORKER_FREE);
    MUST(alone <= 1);
    MUST(w->alone == (alone > 0));
    bad = check_unacked(d, w, &hash);
    if (bad) return bad;
    MUST(hash == w->held_hash);
    for (uint32_t i = 0; i < w->line_count; i++) {
        bad = check_line(d, w->lines[i]);
        if (bad) return bad;
    }
    return NULL;
}

static const char *
check_batch(const struct dispatch *d, uint32_t at_batch, uint64_t *bytes)
{
    const struct batch *batch = &d->batches[at_batch];
    uint32_t queued = 0;
    uint32_t dropped = 0;
    uint64_t payload = 0;

    for (uint32_t at = batch->first; at != NONE; at = d->entries[at].next) {
        const struct entry *e = &d->entries[at];

        MUST(e->place == at_batch);
        MUST(e->state == TASK_QUEUED || e->state == TASK_DROPPED);
        queued += e->state == TASK_QUEUED;
        dropped += e->state == TASK_DROPPED;
        payload += e->len;
    }
    MUST(queued == batch->n);
    MUST(dropped == batch->dropped);
    MUST(payload == batch->body.len);
    *bytes += batch->head.len + batch->body.len;
    return NULL;
}

static const char *
check_flows(const struct dispatch *d)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < d->flow_cap; i++) {
        const struct flow *flow = &d->flows[i];
        uint32_t queued = 0;
        uint32_t last = NONE;
        bool ahead_seen = flow->ahead_tail == NONE;

        if (!flow->used) continue;
        for (uint32_t at = flow->head; at != NONE; at = d->batches[at].next) {
            const char *bad = check_batch(d, at, &bytes);

            if (bad) return bad;
            MUST(d->batches[at].flow == i);
            queued += d->batches[at].n;
            ahead_seen |= at == flow->ahead_tail;
            last = at;
        }
        MUST(queued == flow->queued);
        MUST(last == flow->tail);
        MUST(ahead_seen);
        MUST(flow->active == (queued > 0));
        MUST(queued || flow->head == NONE);
        MUST(d->jobs[flow->job].id);
    }
    MUST(bytes == d->queued_bytes);
    MUST(bytes <= d->limits.queued_bytes_max);
    return NULL;
}

static const char *
check_jobs(const struct dispatch *d)
{
    uint32_t jobs = 0;

    for (uint32_t i = 0; i < d->job_cap; i++) {
        const struct job *job = &d->jobs[i];
        uint32_t live = 0;
        uint32_t entries = 0;

        if (!job->id) continue;
        jobs++;
        for (uint32_t k = 0; k < d->entry_cap; k++) {
            const struct entry *e = &d->entries[k];

            if (e->state == TASK_FREE || e->job != i) continue;
            entries++;
            live += e->state == TASK_QUEUED || e->state == TASK_DISPATCHED;
        }
        MUST(entries == job->entries);
        MUST(live == job->live);
        MUST(live <= d->limits.job_tasks_max);
        MUST(job->returned <= job->granted);
        MUST(job->used <= job->granted - job->returned);
        MUST(job->owner_slot == NONE ||
             (job->owner && d->owners[job->owner_slot].used));
        MUST(job->owner || job->entries || job->unacked);
    }
    MUST(jobs == d->job_count);
    MUST(jobs <= d->limits.jobs_max);
    return NULL;
}

static const char *
check_lanes(const struct dispatch *d)
{
    uint32_t queued = 0;
    uint32_t in_flight = 0;

    for (uint32_t i = 0; i < d->lane_count; i++) {
        const struct lane *lane = d->lanes[i];

        queued += lane->queued;
        in_flight += lane->in_flight;
        for (int b = 0; b < PRIORITY_COUNT; b++) {
            uint32_t n = 0;
            uint32_t last = NONE;

            for (uint32_t at = lane->bands[b].head; at != NONE;
                 at = d->flows[at].next) {
                MUST(d->flows[at].active && d->flows[at].lane == i);
                last = at;
                n++;
            }
            MUST(n == lane->bands[b].n);
            MUST(last == lane->bands[b].tail);
        }
    }
    MUST(queued == d->queued);
    MUST(in_flight == d->in_flight);
    return NULL;
}

const char *
dispatch_check(const struct dispatch *d)
{
    uint32_t workers = 0;
    const char *bad = check_entries(d);

    if (!bad) bad = check_flows(d);
    if (!bad) bad = check_jobs(d);
    if (!bad) bad = check_lanes(d);
    if (bad) return bad;
    for (uint32_t i = 0; i < d->worker_cap; i++) {
        if (!d->workers[i]) continue;
        workers++;
        bad = check_worker(d, d->workers[i]);
        if (bad) return bad;
    }
    MUST(workers == d->worker_count);
    MUST(d->worker_count + d->owner_count <= d->limits.peers_max);
    MUST(d->queued + d->in_flight <= 2 * d->limits.tasks_max);
    return NULL;
}
