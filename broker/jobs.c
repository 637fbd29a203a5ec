/* jobs.c - see jobs.h. The owner number is the fence: it only grows, and what
 * comes with a lower one is answered STALE, whoever sends it. A job lives here
 * as long as somebody owns it or a worker still holds something of it. */
#include "broker/jobs.h"

#include "broker/peers.h"
#include "broker/route.h"
#include "broker/tasks.h"
#include "common/bug.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_TASKS = BATCH_MAX, FIRST = 16, SETTLE_PEERS = 1500 };

/* ---- lanes and flows ----------------------------------------------------- */

static bool
text_is(struct msg_str s, const char *text)
{
    return msg_str_is(s, text);
}

static enum co_err
lane_new(struct dispatch *d, struct msg_str service, struct msg_str provider,
         uint32_t root, uint32_t *ret_lane)
{
    struct lane *lane;
    struct lane **lanes;

    if (d->lane_count >= d->limits.services_max) return CO_FULL;
    lanes = realloc(d->lanes, (d->lane_count + 1) * sizeof(struct lane *));
    if (!lanes) return CO_NOMEM;
    d->lanes = lanes;
    lane = calloc(1, sizeof *lane);
    if (!lane) return CO_NOMEM;
    msg_str_copy(service, lane->service, sizeof lane->service);
    msg_str_copy(provider, lane->provider, sizeof lane->provider);
    for (int i = 0; i < PRIORITY_COUNT; i++) {
        lane->bands[i].head = lane->bands[i].tail = NONE;
        lane->bands[i].passed = NONE;
    }
    lane->root = root == NONE ? d->lane_count : root;
    *ret_lane = d->lane_count;
    d->lanes[d->lane_count++] = lane;
    return CO_OK;
}

enum co_err
jobs_lane(struct dispatch *d, struct msg_str service, struct msg_str provider,
          uint32_t *ret_lane)
{
    uint32_t root = NONE;
    enum co_err err;

    if (service.len > NAME_BYTES_MAX || provider.len > NAME_BYTES_MAX) {
        return CO_RANGE;
    }
    for (uint32_t i = 0; i < d->lane_count; i++) {
        if (!text_is(service, d->lanes[i]->service)) continue;
        if (d->lanes[i]->provider[0] == '\0') root = i;
        if (!text_is(provider, d->lanes[i]->provider)) continue;
        *ret_lane = i;
        return CO_OK;
    }
    if (provider.len && root == NONE) {
        err = lane_new(d, service, (struct msg_str){0}, NONE, &root);
        if (err) return err;
    }
    return lane_new(d, service, provider, root, ret_lane);
}

static enum co_err
flow_slot(struct dispatch *d, uint32_t *ret_flow)
{
    uint32_t cap = d->flow_cap ? d->flow_cap * 2 : FIRST;
    struct flow *flows;

    for (uint32_t i = 0; i < d->flow_cap; i++) {
        if (d->flows[i].used) continue;
        *ret_flow = i;
        return CO_OK;
    }
    flows = realloc(d->flows, cap * sizeof *flows);
    if (!flows) return CO_NOMEM;
    memset(flows + d->flow_cap, 0, (cap - d->flow_cap) * sizeof *flows);
    *ret_flow = d->flow_cap;
    d->flows = flows;
    d->flow_cap = cap;
    return CO_OK;
}

enum co_err
jobs_flow(struct dispatch *d, struct job *job, uint32_t lane, bool alone,
          uint32_t *ret_flow)
{
    uint32_t *place = NULL;
    enum co_err err;

    for (int i = 0; i < FLOWS_PER_JOB; i++) {
        uint32_t at = job->flows[i];

        if (at == NONE) {
            if (!place) place = &job->flows[i];
        } else if (d->flows[at].lane == lane && d->flows[at].alone == alone) {
            *ret_flow = at;
            return CO_OK;
        } else if (!place && !d->flows[at].queued) {
            place = &job->flows[i]; /* empty: another may have its place */
        }
    }
    if (!place) return CO_FULL;
    if (*place == NONE) {
        err = flow_slot(d, place);
        if (err) return err;
    }
    d->flows[*place] = (struct flow){.job = job->slot,
                                     .lane = lane,
                                     .head = NONE,
                                     .tail = NONE,
                                     .ahead_tail = NONE,
                                     .next = NONE,
                                     .waits_for = NONE,
                                     .band = job->band,
                                     .alone = alone,
                                     .used = true};
    *ret_flow = *place;
    return CO_OK;
}

static struct band *
flow_band(struct dispatch *d, const struct flow *flow)
{
    return &d->lanes[flow->lane]->bands[flow->band];
}

void
jobs_flow_activate(struct dispatch *d, uint32_t at)
{
    struct flow *flow = &d->flows[at];
    struct band *band = flow_band(d, flow);

    if (flow->active) return;
    flow->active = true;
    flow->deficit = 0;
    flow->next = NONE;
    if (band->tail != NONE) d->flows[band->tail].next = at;
    if (band->tail == NONE) band->head = at;
    band->tail = at;
    band->n++;
}

void
jobs_flow_deactivate(struct dispatch *d, uint32_t at)
{
    struct flow *flow = &d->flows[at];
    struct band *band = flow_band(d, flow);
    uint32_t before = NONE;

    if (!flow->active) return;
    for (uint32_t i = band->head; i != at; i = d->flows[i].next) {
        before = i;
    }
    if (before == NONE) band->head = flow->next;
    if (before != NONE) d->flows[before].next = flow->next;
    if (band->tail == at) band->tail = before;
    flow->next = NONE;
    flow->active = false;
    band->n--;
    if (!band->n) band->age = 0;
}

/* A job attached again may have another priority. */
static void
set_band(struct dispatch *d, struct job *job, uint8_t to)
{
    job->band = to;
    for (int i = 0; i < FLOWS_PER_JOB; i++) {
        uint32_t at = job->flows[i];
        bool active;

        if (at == NONE) continue;
        active = d->flows[at].active;
        jobs_flow_deactivate(d, at);
        d->flows[at].band = to;
        if (active) jobs_flow_activate(d, at);
    }
}

/* ---- the table of jobs --------------------------------------------------- */

struct job *
jobs_find(struct dispatch *d, uint64_t id)
{
    uint32_t at = co_table_find(&d->registry, id, IN_JOBS);

    return at == CO_TABLE_NONE ? NULL : &d->jobs[at];
}

static enum co_err
job_slot(struct dispatch *d, uint32_t *ret_slot)
{
    uint32_t cap = d->job_cap ? d->job_cap * 2 : FIRST;
    struct job *jobs;

    if (d->job_count >= d->limits.jobs_max) return CO_FULL;
    for (uint32_t i = 0; i < d->job_cap; i++) {
        if (d->jobs[i].id) continue;
        *ret_slot = i;
        return CO_OK;
    }
    jobs = realloc(d->jobs, cap * sizeof *jobs);
    if (!jobs) return CO_NOMEM;
    memset(jobs + d->job_cap, 0, (cap - d->job_cap) * sizeof *jobs);
    *ret_slot = d->job_cap;
    d->jobs = jobs;
    d->job_cap = cap;
    return CO_OK;
}

struct job *
jobs_get(struct dispatch *d, uint64_t id, int64_t now_ms)
{
    struct job *job = jobs_find(d, id);
    uint32_t slot;

    if (job) return job;
    if (co_table_reserve(&d->registry, d->registry.count + 1)) return NULL;
    if (job_slot(d, &slot)) return NULL;
    job = &d->jobs[slot];
    *job = (struct job){.id = id,
                        .slot = slot,
                        .owner_slot = NONE,
                        .lane = NONE,
                        .since_ms = now_ms};
    for (int i = 0; i < FLOWS_PER_JOB; i++) {
        job->flows[i] = NONE;
    }
    co_table_put(&d->registry, id, IN_JOBS, slot);
    d->job_count++;
    return job;
}

void
jobs_maybe_free(struct dispatch *d, struct job *job)
{
    if (!job->id || job->owner || job->entries || job->unacked) return;
    for (int i = 0; i < FLOWS_PER_JOB; i++) {
        if (job->flows[i] == NONE) continue;
        jobs_flow_deactivate(d, job->flows[i]);
        d->flows[job->flows[i]].used = false;
    }
    (void)co_table_del(&d->registry, job->id, IN_JOBS);
    d->job_count--;
    job->id = 0;
}

bool
jobs_is_forgotten(const struct dispatch *d, uint64_t id)
{
    for (int i = 0; i < FORGOTTEN_MAX; i++) {
        if (d->forgotten[i] == id) return true;
    }
    return false;
}

/* The job is over, here and at every worker. */
static void
forget(struct dispatch *d, struct job *job, const char *why, struct outbox *out)
{
    struct msg m = {.type = MSG_forget, .forget = {.job = job->id}};

    dispatch_event(d, "job", job->id, job->name, "attached", "over", why);
    d->forgotten[d->forgotten_at] = job->id;
    d->forgotten_at = (d->forgotten_at + 1) % FORGOTTEN_MAX;
    for (uint32_t i = 0; i < d->worker_cap; i++) {
        struct worker *w = d->workers[i];

        if (!w) continue;
        route_unacked_forget(d, w, job->slot);
        /* All of them: after a restart nobody knows who holds what. */
        if (w->state != WORKER_AWAY) push(out, SIDE_BACK, w->handle, &m);
    }
    tasks_forget(d, job->slot);
    job->owner = 0;
    job->owner_slot = NONE;
    jobs_maybe_free(d, job);
}

void
jobs_tick(struct dispatch *d, int64_t now_ms, struct outbox *out)
{
    for (uint32_t i = 0; i < d->job_cap; i++) {
        struct job *job = &d->jobs[i];

        if (!job->id || job->owner_slot != NONE) continue;
        if (now_ms - job->since_ms < d->limits.orphan_ms) continue;
        d->count.jobs_orphaned++;
        forget(d, job, "no owner came back", out);
    }
}

/* ---- owners -------------------------------------------------------------- */

bool
jobs_owner_handle(const struct dispatch *d, const struct job *job,
                  uint64_t *ret_handle)
{
    if (job->owner_slot == NONE) return false;
    *ret_handle = d->owners[job->owner_slot].handle;
    return true;
}

static void
refuse_stale(struct dispatch *d, struct owner *o, const struct job *job,
             const struct msg *m, struct outbox *out)
{
    struct msg answer = {
        .type = MSG_refused,
        .refused = {.code = msg_text("STALE"),
                    .text = msg_text("another owner is in force"),
                    .job = job->id,
                    .owner = job->owner,
                    .message = m->type}};

    d->count.refused_stale++;
    push(out, SIDE_FRONT, o->handle, &answer);
}

struct job *
jobs_fence(struct dispatch *d, struct owner *o, uint64_t id, uint32_t number,
           const struct msg *m, struct outbox *out)
{
    struct job *job = jobs_find(d, id);

    if (CO_BUG(stale_owner_served) && job && number < job->owner) return job;
    if (job && number < job->owner) {
        refuse_stale(d, o, job, m, out);
        return NULL;
    }
    if (job && number == job->owner && job->owner_slot == o->slot) return job;
    d->count.refused_state++;
    dispatch_refuse(out, SIDE_FRONT, o->handle, m, CO_STATE,
                    "the job is not attached by this owner: ATTACH first");
    return NULL;
}

/* ---- attach -------------------------------------------------------------- */

/* One page of INVENTORY under construction. */
struct pages {
    uint64_t *tasks;
    uint32_t *attempts, *states;
    uint32_t n, page, pages, held;
    uint64_t job, handle;
    struct outbox *out;
};

static void
page_send(struct pages *p)
{
    uint64_t job = p->job;
    struct msg m = {.type = MSG_inventory,
                    .inventory = {.page = p->page,
                                  .pages = p->pages,
                                  .jobs = {&job, 1},
                                  .tasks = {p->tasks, p->n},
                                  .attempts = {p->attempts, p->n},
                                  .states = {p->states, p->n}}};

    if (!p->n) return;
    push(p->out, SIDE_FRONT, p->handle, &m);
    p->page++;
    p->n = 0;
}

static void
page_add(struct pages *p, uint64_t task, uint32_t attempt, uint32_t state)
{
    p->tasks[p->n] = task;
    p->attempts[p->n] = attempt;
    p->states[p->n] = state;
    p->held++;
    if (++p->n == PAGE_TASKS) page_send(p);
}

/* Results that workers keep: their headers say which tasks. */
static void
pages_add_unacked(struct dispatch *d, struct pages *p, const struct worker *w,
                  uint32_t job)
{
    for (uint32_t i = w->unacked_from; i < w->unacked_to; i++) {
        const struct unacked *u = &w->unacked[i];
        struct msg m;

        if (!u->n || u->job != job) continue;
        if (msg_decode(&d->reader, u->head.data, u->head.len, &m)) continue;
        for (uint32_t k = 0; k < m.results.tasks.n; k++) {
            page_add(p, m.results.tasks.v[k], msg_at(m.results.attempts, k),
                     HELD_DONE);
        }
    }
}

static uint32_t
count_held(const struct dispatch *d, const struct job *job)
{
    uint32_t n = job->live;

    for (uint32_t i = 0; i < d->worker_cap; i++) {
        const struct worker *w = d->workers[i];

        for (uint32_t k = w ? w->unacked_from : 0; w && k < w->unacked_to;
             k++) {
            if (w->unacked[k].job == job->slot) n += w->unacked[k].n;
        }
    }
    return n;
}

/* Sends INVENTORY pages with everything known of the job. */
static uint32_t
send_inventory(struct dispatch *d, const struct job *job, uint64_t handle,
               struct outbox *out)
{
    uint32_t held = count_held(d, job);
    struct pages p = {.tasks = d->words[0],
                      .attempts = d->halves[0],
                      .states = d->halves[1],
                      .pages = (held + PAGE_TASKS - 1) / PAGE_TASKS,
                      .job = job->id,
                      .handle = handle,
                      .out = out};

    for (uint32_t i = 0; job->live && i < d->entry_cap; i++) {
        const struct entry *e = &d->entries[i];

        if (e->job != job->slot) continue;
        if (e->state != TASK_QUEUED && e->state != TASK_DISPATCHED) continue;
        page_add(&p, e->task, e->attempt,
                 e->state == TASK_QUEUED ? HELD_QUEUED : HELD_RUNNING);
    }
    for (uint32_t i = 0; i < d->worker_cap; i++) {
        if (d->workers[i]) pages_add_unacked(d, &p, d->workers[i], job->slot);
    }
    page_send(&p);
    return p.held;
}

/* Workers of a broker that began anew may report for settle_ms, and a second
 * longer for every SETTLE_PEERS that it knows: they all come back at once. */
uint32_t
jobs_settle_left_ms(const struct dispatch *d, int64_t now_ms)
{
    uint32_t peers = d->worker_count + d->owner_count;
    int64_t left = d->started_ms + d->limits.settle_ms +
                   (int64_t)(peers / SETTLE_PEERS) * 1000 - now_ms;

    return left > 0 ? (uint32_t)left : 0;
}

static void
send_attached(struct dispatch *d, const struct job *job, uint64_t handle,
              uint32_t held, int64_t now_ms, struct outbox *out)
{
    struct msg m = {.type = MSG_attached,
                    .attached = {.job = job->id,
                                 .owner = job->owner,
                                 .held = held,
                                 .settle_ms = jobs_settle_left_ms(d, now_ms)}};

    push(out, SIDE_FRONT, handle, &m);
}

static void
tell_workers_attached(struct dispatch *d, const struct job *job,
                      struct outbox *out)
{
    struct msg m = {.type = MSG_owner_attached,
                    .owner_attached = {.job = job->id, .owner = job->owner}};

    for (uint32_t i = 0; i < d->worker_cap; i++) {
        const struct worker *w = d->workers[i];

        if (w && w->state != WORKER_AWAY) push(out, SIDE_BACK, w->handle, &m);
    }
}

/* What ATTACH asks for, checked; CO_OK writes *ret_lane and *ret_tags. */
static enum co_err
attach_check(struct dispatch *d, const struct msg_attach *a, uint32_t *ret_lane,
             uint64_t *ret_tags)
{
    enum co_err err;

    if (!a->job || !a->owner || !a->service.len) return CO_PROTOCOL;
    if (a->priority >= PRIORITY_COUNT) return CO_RANGE;
    err = jobs_lane(d, a->service, a->provider, ret_lane);
    if (err) return err;
    return peers_tags(d, a->tags, ret_tags);
}

static void
attach_refuse(struct dispatch *d, struct owner *o, const struct msg *m,
              enum co_err err, struct outbox *out)
{
    if (err == CO_FULL) d->count.refused_names_full++;
    if (err == CO_NOMEM) d->count.refused_memory++;
    if (err == CO_PROTOCOL || err == CO_RANGE) d->count.malformed++;
    dispatch_refuse(out, SIDE_FRONT, o->handle, m, err,
                    err == CO_FULL ? "too many services or tags"
                                   : "job, owner, service or priority");
}

static void
unforget(struct dispatch *d, uint64_t id)
{
    for (int i = 0; i < FORGOTTEN_MAX; i++) {
        if (d->forgotten[i] == id) d->forgotten[i] = 0;
    }
}

/* The owner before, if it is another process, learns that it was replaced. */
static void
tell_predecessor(struct dispatch *d, struct job *job, const struct owner *o,
                 const struct msg *m, struct outbox *out)
{
    if (job->owner_slot == NONE || job->owner_slot == o->slot) return;
    refuse_stale(d, &d->owners[job->owner_slot], job, m, out);
}

void
jobs_on_attach(struct dispatch *d, struct owner *o, const struct msg *m,
               int64_t now_ms, struct outbox *out)
{
    const struct msg_attach *a = &m->attach;
    struct job *job;
    uint32_t lane;
    uint32_t held;
    uint64_t tags;
    bool compares;
    enum co_err err = attach_check(d, a, &lane, &tags);

    if (err) {
        attach_refuse(d, o, m, err, out);
        return;
    }
    job = jobs_get(d, a->job, now_ms);
    if (!job) {
        d->count.refused_jobs_full++;
        dispatch_refuse(out, SIDE_FRONT, o->handle, m, CO_FULL,
                        "too many jobs: detach some, or use another broker");
        return;
    }
    if (a->owner < job->owner && !CO_BUG(stale_owner_attaches)) {
        refuse_stale(d, o, job, m, out);
        return;
    }
    unforget(d, a->job);
    compares = job->owner_slot == o->slot && job->owner == a->owner;
    job->owner = a->owner;
    tell_predecessor(d, job, o, m, out);
    job->owner_slot = o->slot;
    job->lane = lane;
    job->tags = tags;
    job->fingerprint = a->fingerprint;
    msg_str_copy(a->name, job->name, sizeof job->name);
    set_band(d, job, (uint8_t)a->priority);
    job->granted = job->returned = job->used = 0;
    job->reclaim_ms = 0;
    job->active_ms = now_ms;
    d->count.jobs_attached++;
    dispatch_event(d, "job", job->id, job->name, "away", "attached", o->name);

    held = send_inventory(d, job, o->handle, out);
    send_attached(d, job, o->handle, held, now_ms, out);
    if (!compares) peers_revived(d, o, now_ms, out);
    tell_workers_attached(d, job, out);
}

void
jobs_on_detach(struct dispatch *d, struct owner *o, const struct msg *m,
               struct outbox *out)
{
    struct job *job = jobs_fence(d, o, m->detach.job, m->detach.owner, m, out);

    if (!job) return;
    d->count.jobs_detached++;
    forget(d, job, "detached", out);
}
