/* dispatch.c - see dispatch.h: the entry points, and which message may come
 * from which side. */
#include "broker/assign.h"
#include "broker/batches.h"
#include "broker/credit.h"
#include "broker/greeting.h"
#include "broker/inventory.h"
#include "broker/jobs.h"
#include "broker/peers.h"
#include "broker/publish.h"
#include "broker/route.h"
#include "broker/tasks.h"

#include <stdlib.h>
#include <string.h>

enum { WHO_PAUSE_MS = 500 }; /* one WHO a peer in this time is enough */

struct dispatch_limits
dispatch_limits_default(void)
{
    return (struct dispatch_limits){
        .peers_max = 4096,
        .jobs_max = 1024,
        .services_max = 256,
        .job_tasks_max = 65536,
        .tasks_max = 262144,
        .queued_bytes_max = (uint64_t)512 << 20,
        .unacked_max = 65536,
        .worker_tasks_max = 65536,
        .window_min = 64,
        .window_max = 16384,
        .merge_max = 256,
        .beat_ms = 1000,
        .dead_ms = 5000,
        .away_ms = 1500,
        .settle_ms = 15000,
        .compare_ms = 30000,
        .orphan_ms = 24U * 3600 * 1000,
        .part_max = HEAD_BYTES_MAX + BODY_BYTES_MAX,
    };
}

enum co_err
dispatch_new(const struct dispatch_limits *limits, uint64_t incarnation,
             const char *name, int64_t now_ms, struct dispatch **ret_dispatch)
{
    co_auto(dispatch_freep) struct dispatch *d = calloc(1, sizeof *d);
    uint32_t nobody;
    enum co_err err;

    if (!d) return CO_NOMEM;
    d->limits = *limits;
    d->incarnation = incarnation;
    msg_str_copy(msg_text(name), d->name, sizeof d->name);
    d->started_ms = now_ms;
    /* A worker has two names, and one that rebinds a third for a moment; tasks
     * count twice, as in tasks_reserve. */
    co_table_init(&d->registry, 3 * limits->peers_max + limits->jobs_max + 2,
                  incarnation);
    co_table_init(&d->by_task, 2 * limits->tasks_max, incarnation);
    d->next_tick = now_ms + DISPATCH_TICK_MS;
    d->entry_free = d->batch_free = NONE;
    /* Lane 0 is for tasks of jobs that only a worker told us of. */
    err = jobs_lane(d, (struct msg_str){0}, (struct msg_str){0}, &nobody);
    if (err) return err;
    *ret_dispatch = co_take(&d);
    return CO_OK;
}

void
dispatch_free(struct dispatch *d)
{
    if (!d) return;
    peers_free(d);
    for (uint32_t i = 0; i < d->batch_cap; i++) {
        co_bytes_unref(&d->batches[i].head);
        co_bytes_unref(&d->batches[i].body);
    }
    for (uint32_t i = 0; i < d->lane_count; i++) {
        free(d->lanes[i]->lines);
        free(d->lanes[i]);
    }
    free(d->lanes);
    free(d->jobs);
    free(d->flows);
    free(d->entries);
    free(d->ids);
    free(d->batches);
    co_table_fini(&d->registry);
    co_table_fini(&d->by_task);
    free(d);
}

/* ---- shared by the core's files ------------------------------------------ */

/* The job that a message is about, for its answer. */
static uint64_t
job_of(const struct msg *m)
{
    switch (m->type) {
    case MSG_attach:
        return m->attach.job;
    case MSG_detach:
        return m->detach.job;
    case MSG_tasks:
        return m->tasks.job;
    case MSG_results:
        return m->results.job;
    case MSG_ack:
        return m->ack.job;
    case MSG_cancel:
        return m->cancel.job;
    case MSG_blob:
        return m->blob.job;
    case MSG_reclaimed:
        return m->reclaimed.job;
    case MSG_returned:
        return m->returned.job;
    default: /* the others are about no job, or are never refused */
        return 0;
    }
}

void
dispatch_refuse(struct outbox *out, enum side side, uint64_t peer,
                const struct msg *about, enum co_err code, const char *text)
{
    struct msg m = {.type = MSG_refused,
                    .refused = {.code = msg_text(co_err_name(code)),
                                .text = msg_text(text),
                                .job = job_of(about),
                                .message = about->type}};

    push(out, side, peer, &m);
}

void
dispatch_event(struct dispatch *d, const char *kind, uint64_t id,
               const char *name, const char *from, const char *to,
               const char *why)
{
    struct event *e = &d->events[d->event_to++ % EVENTS_MAX];

    *e = (struct event){.kind = kind, .from = from, .to = to, .id = id};
    memcpy(e->name, name, strlen(name) + 1);
    msg_str_copy(msg_text(why), e->why, sizeof e->why);
    if (d->event_to - d->event_from > EVENTS_MAX) {
        d->event_from++;
        d->count.events_dropped++;
    }
}

bool
dispatch_take_event(struct dispatch *d, struct dispatch_event *ret_event)
{
    const struct event *e = &d->events[d->event_from % EVENTS_MAX];

    if (d->event_from == d->event_to) return false;
    d->event_from++;
    *ret_event = (struct dispatch_event){
        .kind = e->kind, .id = e->id, .from = e->from, .to = e->to};
    memcpy(ret_event->name, e->name, sizeof ret_event->name);
    memcpy(ret_event->why, e->why, sizeof ret_event->why);
    return true;
}

/* ---- input --------------------------------------------------------------- */

static void
send_who(struct dispatch *d, enum side side, uint64_t peer, int64_t now_ms,
         struct outbox *out)
{
    struct msg m = {.type = MSG_who};

    for (int i = 0; i < WHO_MAX; i++) {
        if (d->who[i].peer == peer && d->who[i].side == side &&
            now_ms < d->who[i].until_ms) {
            return;
        }
    }
    d->who[d->who_at].peer = peer;
    d->who[d->who_at].side = side;
    d->who[d->who_at].until_ms = now_ms + WHO_PAUSE_MS;
    d->who_at = (d->who_at + 1) % WHO_MAX;
    d->count.who_sent++;
    push(out, side, peer, &m);
}

static void
misplaced(struct dispatch *d, enum side side, uint64_t peer,
          const struct msg *m, struct outbox *out)
{
    d->count.misplaced++;
    dispatch_refuse(out, side, peer, m, CO_DENIED,
                    "this peer may not send that message");
}

/* From a coordinator. Takes the references. */
static void
from_owner(struct dispatch *d, struct owner *o, const struct msg *m,
           struct co_bytes head, struct co_bytes body, int64_t now_ms,
           struct outbox *out)
{
    struct job *job;

    switch (m->type) {
    case MSG_tasks:
        job = jobs_fence(d, o, m->tasks.job, m->tasks.owner, m, out);
        if (job && msg_check_tasks(&m->tasks, body.len)) {
            d->count.malformed++;
            dispatch_refuse(out, SIDE_FRONT, o->handle, m, CO_PROTOCOL,
                            "lists and body do not fit");
        } else if (job) {
            publish_tasks(d, job, o->handle, m, head, body, now_ms, out);
            return;
        }
        break;
    case MSG_ack:
        route_ack(d, o, m, head, now_ms, out);
        co_bytes_unref(&body);
        return;
    case MSG_blob:
        route_blob(d, o, m, head, body, out);
        return;
    case MSG_attach:
        jobs_on_attach(d, o, m, now_ms, out);
        break;
    case MSG_detach:
        jobs_on_detach(d, o, m, out);
        break;
    case MSG_reclaimed:
        credit_on_reclaimed(d, o, m, out);
        break;
    case MSG_cancel:
        route_cancel(d, o, m, out);
        break;
    case MSG_beat:
        break;
    case MSG_refused:
        d->count.refusals_heard++;
        break;
    case MSG_bye:
        peers_drop_owner(d, o, now_ms, "bye");
        break;
    default:
        misplaced(d, SIDE_FRONT, o->handle, m, out);
        break;
    }
    co_bytes_unref(&head);
    co_bytes_unref(&body);
}

/* From a worker. Takes the references. */
static void
from_worker(struct dispatch *d, struct worker *w, const struct msg *m,
            struct co_bytes head, struct co_bytes body, int64_t now_ms,
            struct outbox *out)
{
    switch (m->type) {
    case MSG_results:
        route_results(d, w, m, head, body, now_ms, out);
        return;
    case MSG_returned:
        route_returned(d, w, m, head, now_ms, out);
        co_bytes_unref(&body);
        return;
    case MSG_need:
        route_need(d, w, m, m->need.job, m->need.worker, head, out);
        co_bytes_unref(&body);
        return;
    case MSG_blob_get:
        route_need(d, w, m, m->blob_get.job, m->blob_get.worker, head, out);
        co_bytes_unref(&body);
        return;
    case MSG_credit:
        credit_on_credit(d, w, m, out);
        break;
    case MSG_reclaim:
        credit_on_reclaim(d, w, m, out);
        break;
    case MSG_beat:
        inventory_on_beat(d, w, &m->beat, now_ms, out);
        break;
    case MSG_inventory:
        inventory_on_page(d, w, m, now_ms, out);
        break;
    case MSG_drain:
        peers_on_drain(d, w);
        break;
    case MSG_bye:
        peers_on_bye_worker(d, w, out);
        break;
    case MSG_refused:
        d->count.refusals_heard++;
        break;
    default:
        misplaced(d, SIDE_BACK, w->handle, m, out);
        break;
    }
    co_bytes_unref(&head);
    co_bytes_unref(&body);
}

void
dispatch_on_message_of(struct dispatch *d, uint64_t key, enum side side,
                       uint64_t peer, const struct msg *m, struct co_bytes head,
                       struct co_bytes body, int64_t now_ms, struct outbox *out)
{
    d->speaker = key;
    dispatch_on_message(d, side, peer, m, head, body, now_ms, out);
    d->speaker = 0;
}

void
dispatch_on_life(struct dispatch *d, enum side side, uint64_t peer,
                 int64_t now_ms)
{
    struct worker *w = side == SIDE_BACK ? peers_worker(d, peer) : NULL;
    struct owner *o = side == SIDE_FRONT ? peers_owner(d, peer) : NULL;

    if (w && w->state != WORKER_AWAY) w->last_ms = now_ms;
    if (o) o->last_ms = now_ms;
}

void
dispatch_drop_keys(struct dispatch *d,
                   bool (*allowed)(const void *ctx, enum side side,
                                   uint64_t key),
                   const void *ctx, int64_t now_ms, struct outbox *out)
{
    for (uint32_t i = 0; i < d->owner_cap; i++) {
        struct owner *o = &d->owners[i];

        if (!o->used || allowed(ctx, SIDE_FRONT, o->key)) continue;
        d->count.peers_revoked++;
        peers_drop_owner(d, o, now_ms, "revoked");
    }
    for (uint32_t i = 0; i < d->worker_cap; i++) {
        struct worker *w = d->workers[i];

        if (!w || allowed(ctx, SIDE_BACK, w->key)) continue;
        d->count.peers_revoked++;
        peers_drop_worker(d, w, "revoked", out);
    }
}

void
dispatch_on_message(struct dispatch *d, enum side side, uint64_t peer,
                    const struct msg *m, struct co_bytes head,
                    struct co_bytes body, int64_t now_ms, struct outbox *out)
{
    struct worker *w = side == SIDE_BACK ? peers_worker(d, peer) : NULL;
    struct owner *o = side == SIDE_FRONT ? peers_owner(d, peer) : NULL;

    if (m->type == MSG_hello) {
        greeting_on_hello(d, side, peer, m, now_ms, out);
    } else if (w && w->state != WORKER_AWAY) {
        w->last_ms = now_ms;
        from_worker(d, w, m, head, body, now_ms, out);
        return;
    } else if (o) {
        o->last_ms = now_ms;
        from_owner(d, o, m, head, body, now_ms, out);
        return;
    } else if (m->type != MSG_bye) {
        /* Unknown, or something to it was lost: it is to begin anew. */
        send_who(d, side, peer, now_ms, out);
    }
    co_bytes_unref(&head);
    co_bytes_unref(&body);
}

void
dispatch_on_garbage(struct dispatch *d, enum side side, uint64_t peer,
                    enum co_err err, int64_t now_ms, struct outbox *out)
{
    struct msg nothing = {.type = MSG_none};

    (void)now_ms;
    if (err == CO_VERSION) {
        d->count.refused_version++;
    } else {
        d->count.malformed++;
    }
    dispatch_refuse(out, side, peer, &nothing, err,
                    "the header is not a message of protocol version 1");
}

void
dispatch_on_unroutable(struct dispatch *d, enum side side, uint64_t peer,
                       int64_t now_ms, struct outbox *out)
{
    (void)out;
    peers_on_unroutable(d, side, peer, now_ms);
}

void
dispatch_run(struct dispatch *d, int64_t now_ms, struct outbox *out)
{
    assign_run(d, now_ms, out);
    credit_run(d, now_ms, out);
}

/* A lane without waiting tasks is not stalled. */
static void
lanes_tick(struct dispatch *d, int64_t now_ms)
{
    for (uint32_t i = 0; i < d->lane_count; i++) {
        if (!d->lanes[i]->queued) d->lanes[i]->moved_ms = now_ms;
    }
}

void
dispatch_tick(struct dispatch *d, int64_t now_ms, struct outbox *out)
{
    peers_tick(d, now_ms, out);
    jobs_tick(d, now_ms, out);
    route_tick(d, now_ms, out);
    lanes_tick(d, now_ms);
    d->next_tick = now_ms + DISPATCH_TICK_MS;
}

int64_t
dispatch_next_deadline(const struct dispatch *d)
{
    return d->next_tick;
}

/* ---- what can be asked --------------------------------------------------- */

const struct dispatch_counters *
dispatch_counts(const struct dispatch *d)
{
    return &d->count;
}

struct dispatch_totals
dispatch_totals(const struct dispatch *d)
{
    return (struct dispatch_totals){.workers = d->worker_count,
                                    .owners = d->owner_count,
                                    .jobs = d->job_count,
                                    .queued = d->queued,
                                    .in_flight = d->in_flight,
                                    .queued_bytes = d->queued_bytes};
}

bool
dispatch_service_at(const struct dispatch *d, uint32_t i, int64_t now_ms,
                    struct dispatch_service *ret_service)
{
    const struct lane *lane;
    struct dispatch_service s;

    if (i + 1 >= d->lane_count) return false; /* lane 0 is nobody's */
    lane = d->lanes[i + 1];
    s = (struct dispatch_service){
        .service = lane->service,
        .provider = lane->provider,
        .queued = lane->queued,
        .in_flight = lane->in_flight,
        .tasks_in = lane->tasks_in,
        .results = lane->results,
        .stalled_ms = lane->queued ? now_ms - lane->moved_ms : 0};
    for (uint32_t k = 0; k < lane->line_count; k++) {
        const struct line *line = lane->lines[k];

        if (d->workers[line->worker]->state != WORKER_READY) continue;
        s.capacity += credit_line_free(d, line) + line->held;
        s.workers++;
    }
    for (uint32_t k = 0; k < d->flow_cap; k++) {
        const struct flow *flow = &d->flows[k];
        uint32_t at;

        if (!flow->used || flow->lane != i + 1) continue;
        at = batches_oldest(d, flow);
        if (at != NONE && now_ms - d->batches[at].since_ms > s.oldest_ms) {
            s.oldest_ms = now_ms - d->batches[at].since_ms;
        }
    }
    *ret_service = s;
    return true;
}
