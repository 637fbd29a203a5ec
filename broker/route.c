/* route.c - see route.h. Results and acknowledgements are passed on as they
 * came. Of a result batch that its worker keeps until ACK only the header is
 * remembered: an owner that attaches is told of it, and a BEAT can be
 * compared. */
#include "broker/route.h"

#include "broker/batches.h"
#include "common/bug.h"

#include "broker/jobs.h"
#include "broker/peers.h"
#include "broker/tasks.h"

#include <stdlib.h>
#include <string.h>

enum {
    UNACKED_FIRST = 64,
    SHY_MS = 10000, /* beyond the time when what was given back comes again */
};

/* ---- unacknowledged batches ---------------------------------------------- */

/* The place of seq in w's list, or where it belongs. */
static uint32_t
unacked_place(const struct worker *w, uint64_t seq)
{
    uint32_t low = w->unacked_from;
    uint32_t high = w->unacked_to;

    /* Almost always it is the oldest (ACK) or behind the newest (RESULTS). */
    if (low < high && w->unacked[low].seq == seq) return low;
    if (low < high && w->unacked[high - 1].seq < seq) return high;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (w->unacked[mid].seq < seq) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Room for one more at the end, sliding down what is left. */
static bool
unacked_room(struct dispatch *d, struct worker *w)
{
    uint32_t n = w->unacked_to - w->unacked_from;
    uint32_t cap = w->unacked_cap ? w->unacked_cap * 2 : UNACKED_FIRST;
    struct unacked *grown;

    if (n >= d->limits.unacked_max) return false;
    if (w->unacked_to < w->unacked_cap) return true;
    if (w->unacked_from > w->unacked_cap / 2) {
        memmove(w->unacked, w->unacked + w->unacked_from, n * sizeof *grown);
        w->unacked_from = 0;
        w->unacked_to = n;
        return true;
    }
    grown = realloc(w->unacked, cap * sizeof *grown);
    if (!grown) return false;
    w->unacked = grown;
    w->unacked_cap = cap;
    return true;
}

static uint64_t
results_hash(const struct msg_results *r)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < r->tasks.n; i++) {
        hash ^= msg_held_key(r->job, r->tasks.v[i], msg_at(r->attempts, i));
    }
    return hash;
}

void
route_unacked_add(struct dispatch *d, struct worker *w, uint64_t seq,
                  struct job *job, const struct msg_results *r,
                  struct co_bytes head)
{
    uint32_t at = unacked_place(w, seq);
    struct unacked *u;

    if (at < w->unacked_to && w->unacked[at].seq == seq) { /* again */
        w->unacked[at].doubted = false;
        return;
    }
    if (!unacked_room(d, w)) {
        d->count.unacked_untracked++;
        w->unacked_lost = true;
        return;
    }
    at = unacked_place(w, seq); /* room may have moved the list */
    u = &w->unacked[at];
    memmove(u + 1, u, (w->unacked_to - at) * sizeof *u);
    w->unacked_to++;
    *u = (struct unacked){
        .seq = seq,
        .hash = results_hash(r),
        .first = msg_held_key(r->job, r->tasks.v[0], msg_at(r->attempts, 0)),
        .head = co_bytes_ref(head),
        .job = job->slot,
        .n = r->tasks.n};
    job->unacked++;
    w->unacked_tasks += u->n;
    w->held_hash ^= u->hash;
}

/* Empties a place; the list shrinks from its old end. */
static void
unacked_clear(struct dispatch *d, struct worker *w, struct unacked *u)
{
    struct job *job = &d->jobs[u->job];

    if (!u->n) return;
    w->held_hash ^= u->hash;
    w->unacked_tasks -= u->n;
    u->n = 0;
    co_bytes_unref(&u->head);
    job->unacked--;
    jobs_maybe_free(d, job);
}

static void
unacked_shrink(struct worker *w)
{
    while (w->unacked_from < w->unacked_to && !w->unacked[w->unacked_from].n) {
        w->unacked_from++;
    }
    if (w->unacked_from < w->unacked_to) return;
    w->unacked_from = w->unacked_to = 0;
    w->unacked_lost = false; /* acknowledged up to the newest we know of */
}

void
route_unacked_remove(struct dispatch *d, struct worker *w, uint64_t seq)
{
    uint32_t at = unacked_place(w, seq);

    if (at >= w->unacked_to || w->unacked[at].seq != seq) return;
    unacked_clear(d, w, &w->unacked[at]);
    unacked_shrink(w);
}

void
route_unacked_forget(struct dispatch *d, struct worker *w, uint32_t job)
{
    for (uint32_t i = w->unacked_from; i < w->unacked_to; i++) {
        struct unacked *u = &w->unacked[i];

        if (job == NONE || u->job == job) unacked_clear(d, w, u);
    }
    unacked_shrink(w);
}

/* One batch that went with its worker. The owner may have it: then it takes
 * this for stale. */
static void
unacked_lose(struct dispatch *d, const struct worker *w,
             const struct unacked *u, struct outbox *out)
{
    const struct job *job = &d->jobs[u->job];
    uint64_t owner;
    struct msg m;
    struct msg lost = {.type = MSG_lost};

    if (!u->n || CO_BUG(kept_results_lost) ||
        !jobs_owner_handle(d, job, &owner)) {
        return;
    }
    if (msg_decode(&d->reader, u->head.data, u->head.len, &m)) return;
    lost.lost = (struct msg_lost){.job = job->id,
                                  .tasks = m.results.tasks,
                                  .attempts = m.results.attempts,
                                  .cause = LOST_LINK,
                                  .worker = w->incarnation};
    d->count.lost_results += u->n;
    push(out, SIDE_FRONT, owner, &lost);
}

void
route_unacked_lose(struct dispatch *d, struct worker *w, struct outbox *out)
{
    for (uint32_t i = w->unacked_from; i < w->unacked_to; i++) {
        unacked_lose(d, w, &w->unacked[i], out);
    }
    route_unacked_forget(d, w, NONE);
}

void
route_unacked_doubt(struct worker *w)
{
    for (uint32_t i = w->unacked_from; i < w->unacked_to; i++) {
        w->unacked[i].doubted = true;
    }
}

static int
compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void
route_unacked_trust(struct worker *w, uint64_t *keys, uint32_t n)
{
    if (!n) return;
    qsort(keys, n, sizeof *keys, compare_keys);
    for (uint32_t i = w->unacked_from; i < w->unacked_to; i++) {
        struct unacked *u = &w->unacked[i];

        /* A worker keeps a batch whole or not at all: one task tells. */
        if (u->doubted &&
            bsearch(&u->first, keys, n, sizeof *keys, compare_keys)) {
            u->doubted = false;
        }
    }
}

/* What its RETURNED said went with the link: a damaged spill, for one. */
void
route_unacked_lose_doubted(struct dispatch *d, struct worker *w,
                           struct outbox *out)
{
    for (uint32_t i = w->unacked_from; i < w->unacked_to; i++) {
        struct unacked *u = &w->unacked[i];

        if (!u->n || !u->doubted) continue;
        d->count.inventory_missing += u->n;
        unacked_lose(d, w, u, out);
        unacked_clear(d, w, u);
    }
    unacked_shrink(w);
}

/* ---- results ------------------------------------------------------------- */

static void
tell_forget(struct dispatch *d, const struct worker *w, uint64_t job,
            struct outbox *out)
{
    struct msg m = {.type = MSG_forget, .forget = {.job = job}};

    d->count.refused_forgotten++;
    push(out, SIDE_BACK, w->handle, &m);
}

static void
tell_no_owner(struct dispatch *d, const struct worker *w, uint64_t job,
              const uint64_t *seq, struct outbox *out)
{
    struct msg m = {.type = MSG_no_owner,
                    .no_owner = {.job = job, .seqs = {seq, seq ? 1 : 0}}};

    d->count.no_owner++;
    push(out, SIDE_BACK, w->handle, &m);
}

/* False when the batch is not what it says; it was answered then. */
static bool
results_fit(struct dispatch *d, const struct worker *w, const struct msg *m,
            size_t body_len, struct outbox *out)
{
    const struct msg_results *r = &m->results;

    if (msg_check_results(r, body_len) || r->seq == 0) {
        d->count.malformed++;
        dispatch_refuse(out, SIDE_BACK, w->handle, m, CO_PROTOCOL,
                        "lists and body do not fit, or seq is 0");
        return false;
    }
    if (r->worker != w->incarnation) {
        d->count.refused_mismatch++;
        dispatch_refuse(out, SIDE_BACK, w->handle, m, CO_MISMATCH,
                        "results carry another worker's incarnation");
        return false;
    }
    return true;
}

static void
finish_all(struct dispatch *d, struct worker *w, const struct job *job,
           struct msg_u64s tasks, struct msg_u32s attempts, uint64_t *unknown,
           struct outbox *out)
{
    for (uint32_t i = 0; i < tasks.n; i++) {
        if (!tasks_finish(d, job->slot, tasks.v[i], msg_at(attempts, i), w,
                          out)) {
            ++*unknown;
        }
    }
}

void
route_results(struct dispatch *d, struct worker *w, const struct msg *m,
              struct co_bytes head, struct co_bytes body, int64_t now_ms,
              struct outbox *out)
{
    const struct msg_results *r = &m->results;
    uint64_t owner;
    struct job *job;

    if (!results_fit(d, w, m, body.len, out)) goto drop;
    d->count.results_in += r->tasks.n;
    if (jobs_is_forgotten(d, r->job)) {
        tell_forget(d, w, r->job, out);
        goto drop;
    }
    job = jobs_get(d, r->job, now_ms);
    if (!job) {
        d->count.refused_jobs_full++;
        tell_no_owner(d, w, r->job, &r->seq, out);
        goto drop;
    }
    finish_all(d, w, job, r->tasks, r->attempts, &d->count.results_unknown,
               out);
    if (job->lane != NONE) d->lanes[job->lane]->results += r->tasks.n;
    route_unacked_add(d, w, r->seq, job, r, head);
    w->quiet_since = now_ms;
    if (jobs_owner_handle(d, job, &owner)) {
        d->count.results_out += r->tasks.n;
        outbox_forward(out, SIDE_FRONT, owner, head, body);
        return;
    }
    tell_no_owner(d, w, r->job, &r->seq, out);
    jobs_maybe_free(d, job);
drop:
    co_bytes_unref(&head);
    co_bytes_unref(&body);
}

/* A batch whose first task is among those given back: the worker lost what it
 * kept (a damaged spill), and gives back the whole batch. */
static bool
is_given_back(struct dispatch *d, const struct unacked *u,
              const struct msg_returned *r)
{
    struct msg m;

    if (msg_decode(&d->reader, u->head.data, u->head.len, &m)) return false;
    for (uint32_t i = 0; i < r->tasks.n; i++) {
        if (r->tasks.v[i] == m.results.tasks.v[0] &&
            msg_at(r->attempts, i) == msg_at(m.results.attempts, 0)) {
            return true;
        }
    }
    return false;
}

static void
unacked_return(struct dispatch *d, struct worker *w, const struct job *job,
               const struct msg_returned *r)
{
    for (uint32_t i = w->unacked_from; i < w->unacked_to; i++) {
        struct unacked *u = &w->unacked[i];

        if (u->n && u->job == job->slot && is_given_back(d, u, r)) {
            unacked_clear(d, w, u);
        }
    }
    unacked_shrink(w);
}

static void
note_shy(struct worker *w, const struct job *job, const struct msg_returned *r,
         int64_t now_ms)
{
    if (r->reason != RETURN_LIMIT && r->reason != RETURN_AWAY) return;
    w->shy_of = job->slot;
    w->shy_until_ms = now_ms + (int64_t)r->not_before_ms + SHY_MS;
}

void
route_returned(struct dispatch *d, struct worker *w, const struct msg *m,
               struct co_bytes head, int64_t now_ms, struct outbox *out)
{
    const struct msg_returned *r = &m->returned;
    uint64_t unknown = 0;
    struct job *job;
    uint64_t owner;

    if (!r->tasks.n || r->tasks.n > BATCH_MAX ||
        !msg_one_or_n(r->attempts, r->tasks.n) ||
        (r->worker && r->worker != w->incarnation)) {
        d->count.malformed++;
        dispatch_refuse(out, SIDE_BACK, w->handle, m, CO_PROTOCOL,
                        "lists do not fit, or another worker's incarnation");
        co_bytes_unref(&head);
        return;
    }
    job = jobs_find(d, r->job);
    if (job) {
        finish_all(d, w, job, r->tasks, r->attempts, &unknown, out);
        if (unknown) unacked_return(d, w, job, r);
        note_shy(w, job, r, now_ms);
        d->count.returned += r->tasks.n;
        job = jobs_find(d, r->job); /* its last batch may have gone */
    }
    if (job && !CO_BUG(returned_not_passed_on) &&
        jobs_owner_handle(d, job, &owner)) {
        outbox_forward(out, SIDE_FRONT, owner, head, (struct co_bytes){0});
        return;
    }
    d->count.returned_unheard += r->tasks.n;
    if (job) jobs_maybe_free(d, job);
    co_bytes_unref(&head);
}

void
route_ack(struct dispatch *d, struct owner *o, const struct msg *m,
          struct co_bytes head, int64_t now_ms, struct outbox *out)
{
    const struct msg_ack *a = &m->ack;
    struct worker *w;

    if (!jobs_fence(d, o, a->job, a->owner, m, out)) goto drop;
    d->count.acks += a->seqs.n;
    w = peers_incarnation(d, a->worker);
    if (!w || w->state == WORKER_AWAY) {
        d->count.ack_unroutable++;
        goto drop;
    }
    for (uint32_t i = 0; i < a->seqs.n; i++) {
        route_unacked_remove(d, w, a->seqs.v[i]);
    }
    w->quiet_since = now_ms;
    outbox_forward(out, SIDE_BACK, w->handle, head, (struct co_bytes){0});
    return;
drop:
    co_bytes_unref(&head);
}

/* ---- cancel -------------------------------------------------------------- */

static void
send_returned(const struct dispatch *d, uint64_t owner, uint64_t job,
              uint32_t n, enum return_reason reason, struct outbox *out)
{
    struct msg m = {.type = MSG_returned,
                    .returned = {.job = job,
                                 .tasks = {d->words[0], n},
                                 .attempts = {d->halves[0], n},
                                 .reason = reason}};

    if (n) push(out, SIDE_FRONT, owner, &m);
}

static void
send_cancels(struct dispatch *d, uint32_t worker, const struct job *job,
             uint32_t n, uint32_t unsent, struct outbox *out)
{
    struct msg m = {.type = MSG_cancel,
                    .cancel = {.job = job->id,
                               .owner = job->owner,
                               .tasks = {d->words[1], n},
                               .unsent = unsent}};

    if (!n) return;
    d->count.cancelled_running += n;
    push(out, SIDE_BACK, d->workers[worker]->handle, &m);
}

void
route_cancel(struct dispatch *d, struct owner *o, const struct msg *m,
             struct outbox *out)
{
    const struct msg_cancel *c = &m->cancel;
    const struct job *job = jobs_fence(d, o, c->job, c->owner, m, out);
    uint32_t returned = 0;
    uint32_t running = 0;
    uint32_t worker = NONE;

    if (!job) return;
    if (c->tasks.n > BATCH_MAX) {
        d->count.malformed++;
        dispatch_refuse(out, SIDE_FRONT, o->handle, m, CO_PROTOCOL,
                        "more tasks than batch_max");
        return;
    }
    for (uint32_t i = 0; i < c->tasks.n; i++) {
        uint32_t at = tasks_find(d, job->slot, c->tasks.v[i]);

        if (at == CO_TABLE_NONE) {
            d->count.cancel_unknown++;
        } else if (d->entries[at].state == TASK_QUEUED) {
            d->words[0][returned] = c->tasks.v[i];
            d->halves[0][returned++] = d->entries[at].attempt;
            d->count.cancelled_queued++;
            tasks_drop_queued(d, at, TEV_CANCEL);
        } else {
            if (d->entries[at].place != worker) {
                send_cancels(d, worker, job, running, c->unsent, out);
                running = 0;
            }
            worker = d->entries[at].place;
            d->words[1][running++] = c->tasks.v[i];
        }
    }
    send_cancels(d, worker, job, running, c->unsent, out);
    send_returned(d, o->handle, job->id, returned, RETURN_CANCELLED, out);
}

/* ---- waiting too long ---------------------------------------------------- */

/* Gives the queued tasks of a batch back to their owner, if it is there: one
 * that is away attaches again, and learns what waits here. */
static bool
give_back_batch(struct dispatch *d, const struct batch *batch,
                struct outbox *out)
{
    const struct job *job = &d->jobs[d->flows[batch->flow].job];
    uint32_t n = 0;
    uint64_t owner;

    if (!jobs_owner_handle(d, job, &owner)) return false;
    for (uint32_t at = batch->first; at != NONE && n < BATCH_MAX;
         at = d->entries[at].next) {
        if (d->entries[at].state != TASK_QUEUED) continue;
        d->ids[n] = at;
        d->words[0][n] = d->entries[at].task;
        d->halves[0][n++] = d->entries[at].attempt;
    }
    send_returned(d, owner, job->id, n, RETURN_LIMIT, out);
    d->count.waited_out += n;
    for (uint32_t i = 0; i < n; i++) {
        tasks_drop_queued(d, d->ids[i], TEV_CANCEL); /* may end the batch */
    }
    return n > 0;
}

/* The batch of the flow that has waited too long, or NONE. */
static uint32_t
waited_out(const struct dispatch *d, const struct flow *flow, int64_t now_ms)
{
    const struct batch *batch;
    uint32_t at;

    if (!flow->used || !flow->queued) return NONE;
    at = batches_oldest(d, flow);
    if (at == NONE) return NONE;
    batch = &d->batches[at];
    return batch->wait_ms && now_ms - batch->since_ms >= batch->wait_ms ? at
                                                                        : NONE;
}

void
route_tick(struct dispatch *d, int64_t now_ms, struct outbox *out)
{
    for (uint32_t i = 0; d->waits_limited && i < d->flow_cap; i++) {
        struct flow *flow = &d->flows[i];
        uint32_t at;

        while ((at = waited_out(d, flow, now_ms)) != NONE) {
            if (!give_back_batch(d, &d->batches[at], out)) break;
            while (flow->used && flow->queued && !d->batches[flow->head].n) {
                batches_pop(d, flow);
            }
        }
    }
}

/* ---- assets -------------------------------------------------------------- */

void
route_need(struct dispatch *d, struct worker *w, const struct msg *m,
           uint64_t id, uint64_t worker, struct co_bytes head,
           struct outbox *out)
{
    const struct job *job = jobs_find(d, id);
    uint64_t owner;

    if (worker != w->incarnation) {
        d->count.refused_mismatch++;
        dispatch_refuse(out, SIDE_BACK, w->handle, m, CO_MISMATCH,
                        "another worker's incarnation");
    } else if (job && jobs_owner_handle(d, job, &owner)) {
        outbox_forward(out, SIDE_FRONT, owner, head, (struct co_bytes){0});
        return;
    } else {
        /* Also of a job that is over here: FORGET would take from the worker
         * what it keeps of the job for other brokers. */
        d->count.need_no_owner++;
        tell_no_owner(d, w, id, NULL, out);
    }
    co_bytes_unref(&head);
}

void
route_blob(struct dispatch *d, struct owner *o, const struct msg *m,
           struct co_bytes head, struct co_bytes body, struct outbox *out)
{
    const struct job *job = jobs_find(d, m->blob.job);
    const struct worker *w = peers_incarnation(d, m->blob.worker);

    if (!job || job->owner_slot != o->slot) {
        d->count.refused_state++;
        dispatch_refuse(out, SIDE_FRONT, o->handle, m, CO_STATE,
                        "the job is not attached by this owner");
    } else if (body.len > BLOB_PIECE_MAX) {
        d->count.malformed++;
        dispatch_refuse(out, SIDE_FRONT, o->handle, m, CO_PROTOCOL,
                        "a piece is at most 1 MiB");
    } else if (!w || w->state == WORKER_AWAY) {
        d->count.blob_unroutable++;
    } else {
        outbox_forward(out, SIDE_BACK, w->handle, head, body);
        return;
    }
    co_bytes_unref(&head);
    co_bytes_unref(&body);
}
