/* greeting.c - see greeting.h. */
#include "broker/greeting.h"

#include "broker/credit.h"
#include "broker/inventory.h"
#include "broker/jobs.h"
#include "broker/peers.h"
#include "broker/route.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST = 16 };

/* ---- room ---------------------------------------------------------------- */

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
    w->shy_of = NONE;
    w->reserved_for = NONE;
    d->workers[slot] = w;
    d->worker_count++;
    d->count.workers_joined++;
    co_table_put(&d->registry, incarnation, IN_WORKERS, slot);
    *ret_w = w;
    return CO_OK;
}

/* A link of its own, new or again: credit begins at zero, and what it holds it
 * will report. */
static void
worker_begin(struct dispatch *d, struct worker *w, uint64_t handle,
             const struct msg_hello *h, uint64_t tags, int64_t now_ms,
             struct outbox *out)
{
    w->handle = handle;
    w->key = d->speaker;
    w->fingerprint = h->fingerprint;
    w->tags = tags;
    w->greeting = h->greeting;
    msg_str_copy(h->name, w->name, sizeof w->name);
    w->last_ms = w->quiet_since = w->compared_ms = w->asked_ms = now_ms;
    w->beat_at = now_ms + d->limits.beat_ms;
    w->mismatches = 0;
    w->left = false; /* it says DRAIN again if it still means it */
    w->inv_page = 0;
    w->inv_mark = w->sent;
    w->inv_asked = w->inv_greets = h->held_count > 0;
    w->reserved_for = NONE;
    co_table_put(&d->registry, handle, IN_BACK, w->slot);
    credit_reset_lines(d, w);
    if (!w->inv_asked) {
        route_unacked_lose(d, w, out);
        w->unacked_lost = false;
        w->inv_round++;
        inventory_lose_unseen(d, w, out);
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
    bool begin = !w;
    enum co_err err = peers_tags(d, h->tags, &tags);

    /* One link, one worker: a second incarnation on it is a liar. */
    if (!err && before && before != w) err = CO_STATE;
    /* Incarnations are told to owners, so they are no secret: with keys, only
     * the one that came with it may come back with it. */
    if (!err && w && w->key != d->speaker) err = CO_DENIED;
    if (!err && w) {
        d->count.workers_rebound++;
        (void)co_table_del(&d->registry, w->handle, IN_BACK);
    } else if (!err) {
        err = worker_new(d, h->incarnation, &w);
        /* Behind a broker that has long been there nobody was before. */
        if (!err) {
            w->back = h->greeting > 1 && jobs_settle_left_ms(d, now_ms) > 0;
        }
    }
    if (err) {
        if (err == CO_FULL) d->count.refused_peers_full++;
        if (err == CO_STATE) d->count.misplaced++;
        if (err == CO_DENIED) d->count.refused_identity++;
        dispatch_refuse(out, SIDE_BACK, handle, m, err,
                        err == CO_DENIED
                            ? "this incarnation came with another key"
                            : "too many peers or tags, or a second HELLO");
        return;
    }
    welcome(d, SIDE_BACK, handle, h->greeting, out);
    worker_begin(d, w, handle, h, tags, now_ms, out);
    (void)peers_apply(d, w, WEV_HELLO, "hello");
    peers_revive(d, w, begin, out);
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
    o->key = d->speaker;
    o->incarnation = m->hello.incarnation;
    msg_str_copy(m->hello.name, o->name, sizeof o->name);
    o->last_ms = now_ms;
    o->beat_at = now_ms + d->limits.beat_ms;
    welcome(d, SIDE_FRONT, handle, m->hello.greeting, out);
    dispatch_event(d, "owner", o->incarnation, o->name, "unknown", "ready",
                   "hello");
}

void
greeting_on_hello(struct dispatch *d, enum side side, uint64_t handle,
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
