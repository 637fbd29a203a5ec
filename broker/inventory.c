/* inventory.c - see inventory.h.
 * Comparing what a worker holds with what we think is exact only while nothing
 * is under way to it, so BEATs are compared after a quiet interval; a worker
 * that is never quiet is asked for its INVENTORY every compare_ms. An answer to
 * INVENTORY_GET covers precisely the tasks that were sent before the question,
 * since messages on a link keep their order. */
#include "broker/inventory.h"

#include "broker/jobs.h"
#include "broker/route.h"
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
    w->inv_greets = false;
    w->inv_mark = w->sent;
    w->inv_page = 0;
    push(out, SIDE_BACK, w->handle, &m);
}

/* One value, or one for each of n. */
static uint64_t
job_at(struct msg_u64s jobs, uint32_t i)
{
    return jobs.v[jobs.n == 1 ? 0 : i];
}

/* A worker says that a suspect begins. Task numbers are those of a job: two
 * jobs count their tasks alike. */
static void
note_start(struct dispatch *d, const struct worker *w,
           const struct msg_beat *beat)
{
    if (beat->jobs.n != 1 && beat->jobs.n != beat->tasks.n) return;
    for (uint32_t at = w->first; at != NONE; at = d->entries[at].next) {
        struct entry *e = &d->entries[at];
        uint64_t job = d->jobs[e->job].id;

        for (uint32_t i = 0; e->alone && i < beat->tasks.n; i++) {
            e->started |=
                beat->tasks.v[i] == e->task && job_at(beat->jobs, i) == job;
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
           (!v->states.n || msg_one_or_n(v->states, n)) &&
           (!v->alone.n || msg_one_or_n(v->alone, n));
}

/* The i-th task of a page. True: it was unknown here and counts as held from
 * now on. */
static bool
report_one(struct dispatch *d, struct worker *w, const struct msg_inventory *v,
           uint32_t i, int64_t now_ms, struct outbox *out)
{
    uint64_t id = job_at(v->jobs, i);
    uint32_t attempt = msg_at(v->attempts, i);
    struct told told = {.task = v->tasks.v[i],
                        .attempt = (uint16_t)attempt,
                        .alone = v->alone.n && msg_at(v->alone, i) == 1,
                        .running = v->states.n &&
                                   msg_at(v->states, i) == HELD_RUNNING};
    struct msg over = {.type = MSG_forget, .forget = {.job = id}};
    struct job *job;

    if (id == 0 || attempt > UINT16_MAX) {
        d->count.malformed++;
        return false;
    }
    if (jobs_is_forgotten(d, id)) {
        d->count.refused_forgotten++;
        push(out, SIDE_BACK, w->handle, &over);
        return false;
    }
    job = jobs_get(d, id, now_ms);
    if (!job || job->live >= d->limits.job_tasks_max ||
        d->queued + d->in_flight >= d->limits.tasks_max) {
        d->count.inventory_full++;
        return false;
    }
    return tasks_report(d, job, &told, w, out);
}

/* What a page brought that its owner may believe lost. */
struct found {
    uint64_t job;
    uint32_t n;
};

/* The worker was cut off, or the broker began anew: the owner is told before
 * it has the same work done elsewhere. */
static void
tell_found(struct dispatch *d, struct found *f, struct outbox *out)
{
    static const uint32_t running = HELD_RUNNING;
    uint32_t at = co_table_find(&d->registry, f->job, IN_JOBS);
    uint64_t handle;
    struct msg m = {.type = MSG_inventory,
                    .inventory = {.pages = 1,
                                  .jobs = {&f->job, 1},
                                  .tasks = {d->words[0], f->n},
                                  .attempts = {d->halves[0], f->n},
                                  .states = {&running, 1}}};

    if (f->n && at != CO_TABLE_NONE &&
        jobs_owner_handle(d, &d->jobs[at], &handle)) {
        d->count.inventory_told += f->n;
        push(out, SIDE_FRONT, handle, &m);
    }
    f->n = 0;
}

/* Results that are kept may take a slow link minutes to come again. */
static void
trust_done(struct dispatch *d, struct worker *w, const struct msg_inventory *v)
{
    uint64_t *keys = d->words[0];
    uint32_t n = 0;

    for (uint32_t i = 0; v->states.n && i < v->tasks.n; i++) {
        if (msg_at(v->states, i) != HELD_DONE) continue;
        keys[n++] = msg_held_key(job_at(v->jobs, i), v->tasks.v[i],
                                 msg_at(v->attempts, i));
    }
    route_unacked_trust(w, keys, n);
}

void
inventory_on_page(struct dispatch *d, struct worker *w, const struct msg *m,
                  int64_t now_ms, struct outbox *out)
{
    const struct msg_inventory *v = &m->inventory;
    struct found found = {0};
    uint64_t job;

    if (!page_fits(w, v) || tasks_reserve(d, v->tasks.n)) {
        d->count.inventory_broken++;
        w->inv_page = 0;
        dispatch_refuse(out, SIDE_BACK, w->handle, m, CO_PROTOCOL,
                        "pages out of order, or lists of unequal length");
        return;
    }
    if (v->page == 0) w->inv_round++;
    /* tasks_report() uses none of the room for messages that tell_found()
     * fills */
    for (uint32_t i = 0; i < v->tasks.n; i++) {
        /* Results that are kept are sent again anyway; then we know them. */
        if (v->states.n && msg_at(v->states, i) == HELD_DONE) continue;
        job = job_at(v->jobs, i);
        if (job != found.job) tell_found(d, &found, out);
        found.job = job;
        if (!report_one(d, w, v, i, now_ms, out)) continue;
        d->words[0][found.n] = v->tasks.v[i];
        d->halves[0][found.n++] = msg_at(v->attempts, i);
    }
    tell_found(d, &found, out);
    trust_done(d, w, v);
    w->inv_page = v->page + 1;
    if (w->inv_page < v->pages) return;
    w->inv_page = 0;
    w->quiet_since = now_ms;
    if (w->inv_asked) inventory_lose_unseen(d, w, out);
    if (w->inv_greets) {
        route_unacked_doubt(w);
    } else if (w->inv_asked) {
        route_unacked_lose_doubted(d, w, out);
    }
    w->inv_asked = w->inv_greets = false;
}
