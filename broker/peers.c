/* peers.c - see peers.h. A worker that cannot be reached is not given up at
 * once: links break and come back within a second, and what it runs may have
 * been paid for. It is AWAY, gets nothing, and is dead when away_ms pass.
 *
 * Comparing what a worker holds with what we think is exact only while nothing
 * is under way to it, so BEATs are compared after a quiet interval; a worker
 * that is never quiet is asked for its INVENTORY every compare_ms. An answer to
 * INVENTORY_GET covers precisely the tasks that were sent before the question,
 * since messages on a link keep their order. */
#include "broker/peers.h"

#include "broker/credit.h"
#include "broker/jobs.h"
#include "broker/route.h"
#include "broker/tasks.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST = 16, MISMATCHES_MAX = 2, ASK_BEATS = 5 };

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

static enum co_err
worker_slot(struct dispatch *d, uint32_t *ret_slot)
{
    uint32_t cap = d->worker_cap ? d->worker_cap * 2 : FIRST;
    struct worker **workers;

    for (uint32_t i = 0; i < d->worker_cap; i++) {
        if (d->workers[i]) continue;
        *ret_slot = i;
        return CO_OK;
    }
    workers = realloc(d->workers, cap * sizeof(struct worker *));
    if (!workers) return CO_NOMEM;
    memset(workers + d->worker_cap, 0,
           (cap - d->worker_cap) * sizeof(struct worker *));
    *ret_slot = d->worker_cap;
    d->workers = workers;
    d->worker_cap = cap;
    return CO_OK;
}

static enum co_err
owner_slot(struct dispatch *d, uint32_t *ret_slot)
{
    uint32_t cap = d->owner_cap ? d->owner_cap * 2 : FIRST;
    struct owner *owners;

    for (uint32_t i = 0; d->owners && i < d->owner_cap; i++) {
        if (d->owners[i].used) continue;
        *ret_slot = i;
        return CO_OK;
    }
    owners = realloc(d->owners, cap * sizeof *owners);
    if (!owners) return CO_NOMEM;
    memset(owners + d->owner_cap, 0, (cap - d->owner_cap) * sizeof *owners);
    *ret_slot = d->owner_cap;
    d->owners = owners;
    d->owner_cap = cap;
    return CO_OK;
}

/* ---- HELLO --------------------------------------------------------------- */

static void
welcome(struct dispatch *d, enum side side, uint64_t handle, uint32_t greeting,
        struct outbox *out)
{
    struct msg m = {.type = MSG_welcome,
                    .welcome = {.version = PROTO_VERSION,
                                .incarnation = d->incarnation,
                                .name = msg_text(d->name),
                                .beat_ms = d->limits.beat_ms,
                                .dead_ms = d->limits.dead_ms,
                                .batch_max = BATCH_MAX,
                                .body_max = BODY_BYTES_MAX,
                                .part_max = d->limits.part_max,
                                .greeting = greeting}};

    push(out, side, handle, &m);
}

/* CO_OK when a HELLO may be accepted on that side. */
static enum co_err
hello_check(struct dispatch *d, enum side side, const struct msg_hello *h,
            const char **ret_why)
{
    enum role role = side == SIDE_FRONT ? ROLE_COORDINATOR : ROLE_WORKER;

    if (h->version != PROTO_VERSION) {
        d->count.refused_version++;
        *ret_why = "this broker speaks protocol version 1";
        return CO_VERSION;
    }
    if (h->role != (uint32_t)role) {
        d->count.refused_role++;
        *ret_why = "workers connect to the back, coordinators to the front";
        return CO_DENIED;
    }
    if (!h->incarnation || h->name.len > NAME_BYTES_MAX ||
        h->services.n > NAMES_MAX || h->tags.n > NAMES_MAX) {
        d->count.malformed++;
        *ret_why = "incarnation 0, or a name or list that is too long";
        return CO_PROTOCOL;
    }
    *ret_why = "too many peers: start another broker";
    if (co_table_reserve(&d->registry, d->registry.count + 2)) return CO_NOMEM;
    return CO_OK;
}

static bool
peers_are_full(struct dispatch *d)
{
    return d->worker_count + d->owner_count >= d->limits.peers_max;
}

static enum co_err
worker_new(struct dispatch *d, uint64_t incarnation, struct worker **ret_w)
{
    struct worker *w;
    uint32_t slot;
    enum co_err err;

    if (peers_are_full(d)) return CO_FULL;
    err = worker_slot(d, &slot);
    if (err) return err;
    w = calloc(1, sizeof *w);
    if (!w) return CO_NOMEM;
    w->slot = slot;
    w->incarnation = incarnation;
    w->first = NONE;
    w->reserved_for = NONE;
    d->workers[slot] = w;
    d->worker_count++;
    d->count.workers_joined++;
    co_table_put(&d->registry, incarnation, IN_WORKERS, slot);
    *ret_w = w;
    return CO_OK;
}

/* Everything in w's list that the last inventory did not name. */
static void
lose_unseen(struct dispatch *d, struct worker *w, struct outbox *out)
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

/* A link of its own, new or again: credit begins at zero, and what it holds it
 * will report. */
static void
worker_begin(struct dispatch *d, struct worker *w, uint64_t handle,
             const struct msg_hello *h, uint64_t tags, int64_t now_ms,
             struct outbox *out)
{
    w->handle = handle;
    w->fingerprint = h->fingerprint;
    w->tags = tags;
    w->greeting = h->greeting;
    msg_str_copy(h->name, w->name, sizeof w->name);
    w->last_ms = w->quiet_since = w->compared_ms = w->asked_ms = now_ms;
    w->beat_at = now_ms + d->limits.beat_ms;
    w->mismatches = 0;
    w->inv_page = 0;
    w->inv_mark = w->sent;
    w->inv_asked = h->held_count > 0;
    w->reserved_for = NONE;
    co_table_put(&d->registry, handle, IN_BACK, w->slot);
    credit_reset_lines(w);
    if (!w->inv_asked) {
        route_unacked_lose(d, w, out);
        w->unacked_lost = false;
        w->inv_round++;
        lose_unseen(d, w, out);
    }
}

static void
hello_worker(struct dispatch *d, uint64_t handle, const struct msg *m,
             int64_t now_ms, struct outbox *out)
{
    const struct msg_hello *h = &m->hello;
    struct worker *w = peers_incarnation(d, h->incarnation);
    struct worker *before = peers_worker(d, handle);
    uint64_t tags;
    enum co_err err = peers_tags(d, h->tags, &tags);

    /* One link, one worker: a second incarnation on it is a liar. */
    if (!err && before && before != w) err = CO_STATE;
    if (!err && w) {
        d->count.workers_rebound++;
        (void)co_table_del(&d->registry, w->handle, IN_BACK);
    } else if (!err) {
        err = worker_new(d, h->incarnation, &w);
    }
    if (err) {
        if (err == CO_FULL) d->count.refused_peers_full++;
        if (err == CO_STATE) d->count.misplaced++;
        dispatch_refuse(out, SIDE_BACK, handle, m, err,
                        "too many peers or tags, or a second HELLO");
        return;
    }
    welcome(d, SIDE_BACK, handle, h->greeting, out);
    worker_begin(d, w, handle, h, tags, now_ms, out);
    (void)peers_apply(d, w, WEV_HELLO, "hello");
}

static void
hello_owner(struct dispatch *d, uint64_t handle, const struct msg *m,
            int64_t now_ms, struct outbox *out)
{
    struct owner *o = peers_owner(d, handle);
    enum co_err err = CO_OK;
    uint32_t slot;

    if (!o) {
        err = peers_are_full(d) ? CO_FULL : owner_slot(d, &slot);
        if (err) {
            d->count.refused_peers_full++;
            dispatch_refuse(out, SIDE_FRONT, handle, m, err,
                            "too many peers: start another broker");
            return;
        }
        o = &d->owners[slot];
        *o = (struct owner){.slot = slot, .used = true};
        co_table_put(&d->registry, handle, IN_FRONT, slot);
        d->owner_count++;
        d->count.owners_joined++;
    }
    o->handle = handle;
    o->incarnation = m->hello.incarnation;
    msg_str_copy(m->hello.name, o->name, sizeof o->name);
    o->last_ms = now_ms;
    o->beat_at = now_ms + d->limits.beat_ms;
    welcome(d, SIDE_FRONT, handle, m->hello.greeting, out);
    dispatch_event(d, "owner", o->incarnation, o->name, "unknown", "ready",
                   "hello");
}

void
peers_on_hello(struct dispatch *d, enum side side, uint64_t handle,
               const struct msg *m, int64_t now_ms, struct outbox *out)
{
    const char *why;
    enum co_err err = hello_check(d, side, &m->hello, &why);

    if (err) {
        dispatch_refuse(out, side, handle, m, err, why);
    } else if (side == SIDE_BACK) {
        hello_worker(d, handle, m, now_ms, out);
    } else {
        hello_owner(d, handle, m, now_ms, out);
    }
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
    tasks_lose(d, n, w, cause, neighbours, out);
    route_unacked_lose(d, w, out);
    (void)co_table_del(&d->registry, w->handle, IN_BACK);
    (void)co_table_del(&d->registry, w->incarnation, IN_WORKERS);
    d->workers[w->slot] = NULL;
    d->worker_count--;
    worker_free(d, w);
}

void
peers_on_drain(struct dispatch *d, struct worker *w)
{
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
ask_inventory(struct dispatch *d, struct worker *w, int64_t now_ms,
              struct outbox *out)
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

void
peers_on_beat(struct dispatch *d, struct worker *w, const struct msg_beat *beat,
              int64_t now_ms, struct outbox *out)
{
    bool quiet = now_ms - w->quiet_since > d->limits.beat_ms;
    bool comparable = quiet && !w->unacked_lost;
    bool equal = beat->held_count == w->held + w->unacked_tasks &&
                 beat->held_hash == w->held_hash;

    if (comparable && equal) {
        w->mismatches = 0;
        w->compared_ms = now_ms;
    } else if (comparable) {
        if (w->mismatches < UINT8_MAX) w->mismatches++;
        /* A difference that no inventory settles is asked about rarely. */
        if (w->mismatches >= MISMATCHES_MAX &&
            now_ms - w->asked_ms >= ASK_BEATS * (int64_t)d->limits.beat_ms) {
            ask_inventory(d, w, now_ms, out);
        }
    } else if (now_ms - w->compared_ms > d->limits.compare_ms) {
        ask_inventory(d, w, now_ms, out);
    }
}

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
    if (now_ms - w->last_ms >= d->limits.dead_ms) return true;
    return w->state == WORKER_AWAY &&
           now_ms - w->away_since >= d->limits.away_ms;
}

static void
tick_worker(struct dispatch *d, struct worker *w, int64_t now_ms,
            struct outbox *out)
{
    if (worker_is_dead(d, w, now_ms)) {
        d->count.workers_dead++;
        (void)peers_apply(d, w, WEV_SILENT,
                          w->state == WORKER_AWAY ? "unroutable" : "silent");
        worker_gone(d, w, LOST_WORKER_DEAD, out);
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

/* ---- inventory ----------------------------------------------------------- */

/* One value, or one for each of n. */
static uint64_t
job_at(struct msg_u64s jobs, uint32_t i)
{
    return jobs.v[jobs.n == 1 ? 0 : i];
}

static bool
inventory_fits(const struct worker *w, const struct msg_inventory *v)
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
peers_on_inventory(struct dispatch *d, struct worker *w, const struct msg *m,
                   int64_t now_ms, struct outbox *out)
{
    const struct msg_inventory *v = &m->inventory;

    if (!inventory_fits(w, v) || tasks_reserve(d, v->tasks.n)) {
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
    if (w->inv_asked) lose_unseen(d, w, out);
    w->inv_asked = false;
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
