/* publish.c - see publish.h. */
#include "broker/publish.h"

#include "broker/batches.h"
#include "broker/credit.h"
#include "broker/dispatch.h"
#include "broker/jobs.h"
#include "broker/tasks.h"

static void
refuse_full(uint64_t peer, const struct msg *m, uint64_t *counter,
            const char *text, struct outbox *out)
{
    const struct msg_tasks *t = &m->tasks;
    struct msg answer = {.type = MSG_refused,
                         .refused = {.code = msg_text("FULL"),
                                     .text = msg_text(text),
                                     .job = t->job,
                                     .owner = t->owner,
                                     .message = MSG_tasks,
                                     .tasks = t->tasks}};

    *counter += t->tasks.n;
    push(out, SIDE_FRONT, peer, &answer);
}

/* True when a limit stands against the message; it was answered then. */
static bool
publish_is_refused(struct dispatch *d, const struct job *job, uint64_t peer,
                   const struct msg *m, size_t bytes, struct outbox *out)
{
    struct dispatch_counters *c = &d->count;
    uint32_t n = m->tasks.tasks.n;
    uint32_t known = d->queued + d->in_flight;

    if (n > credit_job_free(job)) {
        refuse_full(peer, m, &c->refused_credit,
                    "more tasks than credit: wait for CREDIT", out);
    } else if (n > d->limits.job_tasks_max - job->live) {
        refuse_full(peer, m, &c->refused_job_full,
                    "the job has too many tasks here", out);
    } else if (known > d->limits.tasks_max || n > d->limits.tasks_max - known) {
        refuse_full(peer, m, &c->refused_tasks_full,
                    "the broker has too many tasks", out);
    } else if (bytes > d->limits.queued_bytes_max - d->queued_bytes) {
        refuse_full(peer, m, &c->refused_bytes_full,
                    "too many bytes wait for workers", out);
    } else if (tasks_reserve(d, n)) {
        refuse_full(peer, m, &c->refused_memory, "the broker's memory is short",
                    out);
    } else {
        return false;
    }
    return true;
}

/* True when the task is here with this attempt or a higher one. */
static bool
have_already(struct dispatch *d, uint32_t job, uint64_t task, uint32_t attempt,
             uint32_t *ret_attempt, struct outbox *out)
{
    uint32_t at = tasks_find(d, job, task);
    struct entry *e;

    if (at == CO_TABLE_NONE) return false;
    e = &d->entries[at];
    if (e->attempt >= attempt) {
        *ret_attempt = e->attempt;
        return true;
    }
    if (e->state == TASK_QUEUED) {
        d->count.replaced++;
        tasks_drop_queued(d, at, TEV_REPLACE);
    } else {
        d->count.superseded++;
        tasks_send_cancel(d, e, out);
        tasks_apply(d, at, TEV_REPLACE, e->place);
    }
    return false;
}

static void
answer_have(struct dispatch *d, uint64_t peer, uint64_t job, uint32_t n,
            struct outbox *out)
{
    struct msg m = {.type = MSG_have,
                    .have = {.job = job,
                             .tasks = {d->words[0], n},
                             .attempts = {d->halves[0], n}}};

    if (!n) return;
    d->count.have += n;
    push(out, SIDE_FRONT, peer, &m);
}

/* Chains one entry a task to the batch, in payload order; what is here already
 * becomes a dropped entry, so that offsets stay true. Returns how many. */
static uint32_t
chain_tasks(struct dispatch *d, struct job *job, uint32_t at_batch,
            uint32_t lane, const struct msg_tasks *t, struct outbox *out)
{
    uint32_t last = NONE;
    uint32_t have = 0;

    for (uint32_t i = 0; i < t->tasks.n; i++) {
        uint32_t attempt = msg_at(t->attempts, i);
        uint64_t task = t->tasks.v[i];
        bool dup =
            have_already(d, job->slot, task, attempt, &d->halves[0][have], out);
        uint32_t at = tasks_entry_new(d);
        struct entry *e = &d->entries[at];

        if (last == NONE) d->batches[at_batch].first = at;
        if (last != NONE) d->entries[last].next = at;
        last = at;
        e->task = task;
        e->job = job->slot;
        e->len = msg_at(t->lens, i);
        e->attempt = (uint16_t)attempt;
        e->lane = (uint16_t)lane;
        e->alone = t->alone == 1;
        if (!dup) {
            tasks_apply(d, at, TEV_PUBLISH, at_batch);
            continue;
        }
        d->words[0][have++] = task;
        e->state = TASK_DROPPED; /* never in force: no table to go through */
        e->place = at_batch;
        job->entries++;
        d->batches[at_batch].dropped++;
        d->batches[at_batch].whole = false;
    }
    return have;
}

static bool
attempts_fit(struct msg_u32s attempts)
{
    for (uint32_t i = 0; i < attempts.n; i++) {
        if (attempts.v[i] > UINT16_MAX) return false;
    }
    return true;
}

/* First attempts have number 1. */
static bool
repeats(struct msg_u32s attempts)
{
    for (uint32_t i = 0; i < attempts.n; i++) {
        if (attempts.v[i] > 1) return true;
    }
    return false;
}

/* Finds where the message goes. False: it was refused. */
static bool
publish_place(struct dispatch *d, struct job *job, uint64_t peer,
              const struct msg *m, size_t bytes, uint32_t *ret_flow,
              uint32_t *ret_batch, struct outbox *out)
{
    const struct msg_tasks *t = &m->tasks;
    uint32_t lane;

    if (!attempts_fit(t->attempts) || t->alone > 1) {
        d->count.malformed++;
        dispatch_refuse(out, SIDE_FRONT, peer, m, CO_PROTOCOL,
                        "attempt above 65535, or alone above 1");
        return false;
    }
    if (!msg_str_is(t->service, d->lanes[job->lane]->service)) {
        d->count.refused_mismatch++;
        dispatch_refuse(out, SIDE_FRONT, peer, m, CO_MISMATCH,
                        "another service than in ATTACH");
        return false;
    }
    if (publish_is_refused(d, job, peer, m, bytes, out)) return false;
    if (jobs_lane(d, t->service, t->provider, &lane) ||
        jobs_flow(d, job, lane, t->alone == 1, ret_flow) ||
        batches_new(d, ret_batch)) {
        refuse_full(peer, m, &d->count.refused_names_full,
                    "too many services, providers or queues", out);
        return false;
    }
    return true;
}

void
publish_tasks(struct dispatch *d, struct job *job, uint64_t peer,
              const struct msg *m, struct co_bytes head, struct co_bytes body,
              int64_t now_ms, struct outbox *out)
{
    const struct msg_tasks *t = &m->tasks;
    uint32_t at_flow;
    uint32_t at_batch;
    uint32_t lane;
    uint32_t have;

    if (!publish_place(d, job, peer, m, head.len + body.len, &at_flow,
                       &at_batch, out)) {
        co_bytes_unref(&head);
        co_bytes_unref(&body);
        return;
    }
    lane = d->flows[at_flow].lane;
    d->batches[at_batch] = (struct batch){
        .head = head,
        .body = body,
        .shape = {t->recipe, t->fingerprint, t->run_ms, t->total_ms,
                  t->stall_ms, t->cost},
        .since_ms = now_ms,
        .wait_ms = t->wait_ms,
        .first = NONE,
        .flow = at_flow,
        .next = NONE,
        .whole = true,
        .extra = t->trace.len || t->idempotency.len,
    };
    d->queued_bytes += head.len + body.len;
    if (t->wait_ms) d->waits_limited = true;
    job->used += t->tasks.n;
    job->active_ms = now_ms;
    have = chain_tasks(d, job, at_batch, lane, t, out);
    d->count.tasks_in += t->tasks.n - have;
    d->lanes[lane]->tasks_in += t->tasks.n - have;
    batches_add(d, at_flow, at_batch, repeats(t->attempts));
    answer_have(d, peer, job->id, have, out);
}
