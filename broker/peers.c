/* peers.c - see peers.h. A worker that cannot be reached is not given up at
 * once: links break and come back within a second, and what it runs may have
 * been paid for. It is AWAY, gets nothing, and is dead when away_ms pass. */
#include "broker/peers.h"

#include "broker/credit.h"
#include "broker/jobs.h"
#include "broker/route.h"
#include "broker/tasks.h"
#include "common/bug.h"
#include "common/cover.h"

#include <stdlib.h>
#include <string.h>

/* What each event does to a worker; 0 = refused, else state + 1. */
enum worker_state
peers_next_state(enum worker_state state, enum worker_event event)
{
#define TO(state) ((state) + 1)
    static const uint8_t next[WORKER_STATE_COUNT][WEV_COUNT] = {
        [WORKER_FREE] = {[WEV_HELLO] = TO(WORKER_JOINED)},
        [WORKER_JOINED] = {[WEV_HELLO] = TO(WORKER_JOINED),
                           [WEV_CREDIT] = TO(WORKER_READY),
                           [WEV_DRAIN] = TO(WORKER_DRAINING),
                           [WEV_UNROUTABLE] = TO(WORKER_AWAY),
                           [WEV_SILENT] = TO(WORKER_GONE),
                           [WEV_BYE] = TO(WORKER_GONE)},
        [WORKER_READY] = {[WEV_HELLO] = TO(WORKER_JOINED),
                          [WEV_CREDIT] = TO(WORKER_READY),
                          [WEV_DRAIN] = TO(WORKER_DRAINING),
                          [WEV_UNROUTABLE] = TO(WORKER_AWAY),
                          [WEV_SILENT] = TO(WORKER_GONE),
                          [WEV_BYE] = TO(WORKER_GONE)},
        [WORKER_DRAINING] = {[WEV_HELLO] = TO(WORKER_JOINED),
                             [WEV_CREDIT] = TO(WORKER_DRAINING),
                             [WEV_DRAIN] = TO(WORKER_DRAINING),
                             [WEV_UNROUTABLE] = TO(WORKER_AWAY),
                             [WEV_SILENT] = TO(WORKER_GONE),
                             [WEV_BYE] = TO(WORKER_GONE)},
        [WORKER_AWAY] = {[WEV_HELLO] = TO(WORKER_JOINED),
                         [WEV_UNROUTABLE] = TO(WORKER_AWAY),
                         [WEV_SILENT] = TO(WORKER_GONE),
                         [WEV_BYE] = TO(WORKER_GONE)},
        /* GONE is final. */
    };
#undef TO

    if (!next[state][event]) return WORKER_STATE_COUNT;
    return (enum worker_state)(next[state][event] - 1);
}

const char *
peers_state_name(enum worker_state state)
{
    static const char *const names[WORKER_STATE_COUNT] = {
        "unknown", "joined", "ready", "draining", "away", "gone"};

    return state < WORKER_STATE_COUNT ? names[state] : "refused";
}

bool
peers_apply(struct dispatch *d, struct worker *w, enum worker_event event,
            const char *why)
{
    enum worker_state to = peers_next_state(w->state, event);

    CO_SEEN(BROKER_WORKER, w->state, event);
    if (to == WORKER_STATE_COUNT) return false;
    if (to != w->state) {
        dispatch_event(d, "worker", w->incarnation, w->name,
                       peers_state_name(w->state), peers_state_name(to), why);
    }
    w->state = to;
    return true;
}

/* ---- the registry -------------------------------------------------------- */

struct worker *
peers_worker(struct dispatch *d, uint64_t handle)
{
    uint32_t at = co_table_find(&d->registry, handle, IN_BACK);

    return at == CO_TABLE_NONE ? NULL : d->workers[at];
}

struct owner *
peers_owner(struct dispatch *d, uint64_t handle)
{
    uint32_t at = co_table_find(&d->registry, handle, IN_FRONT);

    return at == CO_TABLE_NONE ? NULL : &d->owners[at];
}

struct worker *
peers_incarnation(struct dispatch *d, uint64_t incarnation)
{
    uint32_t at = co_table_find(&d->registry, incarnation, IN_WORKERS);

    return at == CO_TABLE_NONE ? NULL : d->workers[at];
}

enum co_err
peers_tags(struct dispatch *d, struct msg_strs tags, uint64_t *ret_mask)
{
    uint64_t mask = 0;

    for (uint32_t i = 0; i < tags.n; i++) {
        uint32_t at = 0;

        if (tags.v[i].len > NAME_BYTES_MAX) return CO_RANGE;
        while (at < d->tag_count && !msg_str_is(tags.v[i], d->tags[at])) {
            at++;
        }
        if (at == TAGS_MAX) return CO_FULL;
        if (at == d->tag_count) {
            msg_str_copy(tags.v[i], d->tags[at], sizeof d->tags[at]);
            d->tag_count++;
        }
        mask |= (uint64_t)1 << at;
    }
    *ret_mask = mask;
    return CO_OK;
}

/* ---- going --------------------------------------------------------------- */

static void
worker_free(struct dispatch *d, struct worker *w)
{
    route_unacked_forget(d, w, NONE);
    free(w->unacked);
    credit_drop_lines(d, w);
    free(w);
}

/* A worker works for several brokers: it may have died of what another one
 * sent, before the suspect that is on its way to it from here had begun. */
static bool
suspect_not_begun(const struct dispatch *d, const struct worker *w)
{
    for (uint32_t at = w->first; at != NONE; at = d->entries[at].next) {
        const struct entry *e = &d->entries[at];

        if (e->alone) return !e->started && !CO_BUG(two_suspects);
    }
    return false;
}

/* Everything it held is lost; the slot is free afterwards. */
static void
worker_gone(struct dispatch *d, struct worker *w, enum lost_cause cause,
            struct outbox *out)
{
    uint32_t neighbours = w->held;
    uint32_t n = 0;

    for (uint32_t at = w->first; at != NONE; at = d->entries[at].next) {
        d->ids[n++] = at;
    }
    if (cause == LOST_WORKER_DEAD && w->alone && suspect_not_begun(d, w)) {
        cause = LOST_LINK;
    }
    tasks_lose(d, n, w, cause, neighbours, out);
    route_unacked_lose(d, w, out);
    (void)co_table_del(&d->registry, w->handle, IN_BACK);
    (void)co_table_del(&d->registry, w->incarnation, IN_WORKERS);
    d->workers[w->slot] = NULL;
    d->worker_count--;
    worker_free(d, w);
}

/* Its death was held against what it ran: owners are told that it was none. */
void
peers_revive(struct dispatch *d, struct worker *w, bool begin,
             struct outbox *out)
{
    struct msg m = {.type = MSG_revived, .revived = {.worker = w->incarnation}};
    bool buried = begin && w->back;

    for (uint32_t i = 0; i < BURIED_MAX; i++) {
        if (d->buried[i] != w->incarnation) continue;
        d->buried[i] = 0;
        buried = true;
    }
    if (!buried) return;
    d->count.workers_revived++;
    for (uint32_t i = 0; i < d->owner_cap; i++) {
        if (d->owners[i].used) push(out, SIDE_FRONT, d->owners[i].handle, &m);
    }
}

void
peers_revived(const struct dispatch *d, const struct owner *o, int64_t now_ms,
              struct outbox *out)
{
    struct msg m = {.type = MSG_revived};

    if (!jobs_settle_left_ms(d, now_ms)) return;
    for (uint32_t i = 0; i < d->worker_cap; i++) {
        const struct worker *w = d->workers[i];

        if (!w || !w->back || w->state == WORKER_AWAY) continue;
        m.revived.worker = w->incarnation;
        push(out, SIDE_FRONT, o->handle, &m);
    }
}

void
peers_on_drain(struct dispatch *d, struct worker *w)
{
    w->left = true;
    (void)peers_apply(d, w, WEV_DRAIN, "drain");
}

void
peers_on_bye_worker(struct dispatch *d, struct worker *w, struct outbox *out)
{
    d->count.workers_left++;
    (void)peers_apply(d, w, WEV_BYE, "bye");
    worker_gone(d, w, LOST_DRAIN, out);
}

void
peers_drop_worker(struct dispatch *d, struct worker *w, const char *why,
                  struct outbox *out)
{
    (void)peers_apply(d, w, WEV_SILENT, why);
    worker_gone(d, w, LOST_LINK, out);
}

void
peers_drop_owner(struct dispatch *d, struct owner *o, int64_t now_ms,
                 const char *why)
{
    for (uint32_t i = 0; i < d->job_cap; i++) {
        struct job *job = &d->jobs[i];

        if (!job->id || job->owner_slot != o->slot) continue;
        job->owner_slot = NONE;
        job->since_ms = now_ms;
        dispatch_event(d, "job", job->id, job->name, "attached", "away", why);
    }
    d->count.owners_gone++;
    dispatch_event(d, "owner", o->incarnation, o->name, "ready", "gone", why);
    (void)co_table_del(&d->registry, o->handle, IN_FRONT);
    d->owner_count--;
    o->used = false;
}

void
peers_on_unroutable(struct dispatch *d, enum side side, uint64_t handle,
                    int64_t now_ms)
{
    struct worker *w = side == SIDE_BACK ? peers_worker(d, handle) : NULL;
    struct owner *o = side == SIDE_FRONT ? peers_owner(d, handle) : NULL;

    if (o) peers_drop_owner(d, o, now_ms, "unroutable");
    if (!w || w->state == WORKER_AWAY) return;
    d->count.workers_away++;
    w->away_since = now_ms;
    (void)peers_apply(d, w, WEV_UNROUTABLE, "unroutable");
}

/* ---- beats --------------------------------------------------------------- */

static void
beat(struct outbox *out, enum side side, uint64_t handle)
{
    struct msg m = {.type = MSG_beat};

    push(out, side, handle, &m);
}

/* True when w is to be given up. */
static bool
worker_is_dead(const struct dispatch *d, const struct worker *w, int64_t now_ms)
{
    if (CO_BUG(silent_lives)) return false;
    if (now_ms - w->last_ms >= d->limits.dead_ms) return true;
    return w->state == WORKER_AWAY &&
           now_ms - w->away_since >= d->limits.away_ms;
}

/* What its end says of the tasks that it held: nothing when it was leaving
 * (drains end with a kill at times). A connection that ended is the death of
 * a process; silence may be that of a process that goes on. */
static enum lost_cause
death_cause(const struct worker *w)
{
    if (w->left) return LOST_DRAIN;
    return w->state == WORKER_AWAY ? LOST_WORKER_DEAD : LOST_SILENT;
}

static void
tick_worker(struct dispatch *d, struct worker *w, int64_t now_ms,
            struct outbox *out)
{
    if (worker_is_dead(d, w, now_ms)) {
        enum lost_cause cause = death_cause(w);

        d->count.workers_dead++;
        d->buried[d->buried_at++ % BURIED_MAX] = w->incarnation;
        (void)peers_apply(d, w, WEV_SILENT,
                          w->state == WORKER_AWAY ? "unroutable" : "silent");
        worker_gone(d, w, cause, out);
    } else if (now_ms >= w->beat_at) {
        w->beat_at = now_ms + d->limits.beat_ms;
        if (w->state != WORKER_AWAY) beat(out, SIDE_BACK, w->handle);
    }
}

/* The loop itself stood still (frozen, suspended): what peers sent meanwhile
 * is not read yet, so their silence proves nothing. */
static void
forgive_silence(struct dispatch *d, int64_t now_ms)
{
    for (uint32_t i = 0; i < d->worker_cap; i++) {
        if (d->workers[i]) d->workers[i]->last_ms = now_ms;
    }
    for (uint32_t i = 0; i < d->owner_cap; i++) {
        d->owners[i].last_ms = now_ms;
    }
}

void
peers_tick(struct dispatch *d, int64_t now_ms, struct outbox *out)
{
    if (now_ms - d->next_tick > d->limits.dead_ms / 2) {
        forgive_silence(d, now_ms);
    }
    for (uint32_t i = 0; i < d->worker_cap; i++) {
        if (d->workers[i]) tick_worker(d, d->workers[i], now_ms, out);
    }
    for (uint32_t i = 0; i < d->owner_cap; i++) {
        struct owner *o = &d->owners[i];

        if (!o->used) continue;
        if (now_ms - o->last_ms >= d->limits.dead_ms) {
            peers_drop_owner(d, o, now_ms, "silent");
        } else if (now_ms >= o->beat_at) {
            o->beat_at = now_ms + d->limits.beat_ms;
            beat(out, SIDE_FRONT, o->handle);
        }
    }
}

void
peers_free(struct dispatch *d)
{
    for (uint32_t i = 0; i < d->worker_cap; i++) {
        if (d->workers[i]) worker_free(d, d->workers[i]);
    }
    free(d->workers);
    free(d->owners);
}
