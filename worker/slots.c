/* slots.c - the slots core's front: making it, and which message goes where.
 * The rules themselves stand in slots_tasks.c, slots_run.c, slots_back.c,
 * slots_results.c, slots_credit.c and slots_link.c. */
#include "common/cover.h"
#include "worker/slots_impl.h"

#include <stdlib.h>
#include <string.h>

enum { HELD_DEFAULT = 256 * 1024 };
static const uint64_t result_bytes_default = 64ull * 1024 * 1024;
static const int64_t result_age_default_us = 24ll * 3600 * 1000 * 1000;

static bool
services_fit(const struct slots_config *c)
{
    for (uint32_t i = 0; i < c->n_services; i++) {
        if (c->services[i].slots > SLOTS_OWN_MAX) return false;
    }
    return true;
}

static bool
config_fits(const struct slots_config *c)
{
    return c->incarnation && c->name && c->services && c->n_services >= 1 &&
           c->n_services <= SLOTS_SERVICES_MAX && c->links >= 1 &&
           c->links <= SLOTS_LINKS_MAX && c->slots >= 1 &&
           c->n_tags <= NAMES_MAX && services_fit(c);
}

static void
fill_defaults(struct slots *s)
{
    struct slots_config *c = &s->config;

    if (!c->held_max) c->held_max = HELD_DEFAULT;
    if (!c->result_bytes_max) c->result_bytes_max = result_bytes_default;
    if (!c->result_age_us) c->result_age_us = result_age_default_us;
    if (!c->software) c->software = "";
    s->limit = c->slots;
    for (uint32_t i = 0; i < c->n_services; i++) {
        s->serving[i] = (struct serving){
            .queued = {SLOTS_NONE, SLOTS_NONE, 0},
            .room = SLOTS_NO_LIMIT,
            .ewma_ns = c->services[i].hint_ns,
        };
    }
    for (uint32_t i = 0; i < c->links; i++) {
        s->links[i].state = LINK_DOWN;
        s->links[i].body_max = BODY_BYTES_MAX;
        s->links[i].batch_max = BATCH_MAX;
        s->links[i].beat_ms = SLOTS_BEAT_MS;
        s->links[i].dead_ms = SLOTS_DEAD_MS;
    }
}

enum co_err
slots_new(const struct slots_config *config, struct slots **ret_slots)
{
    co_auto(slots_freep) struct slots *s = NULL;
    enum co_err err;

    if (!config_fits(config)) return CO_INVALID;
    s = calloc(1, sizeof *s);
    if (!s) return CO_NOMEM;
    s->config = *config;
    fill_defaults(s);
    err = slots_results_init(s);
    if (!err) err = slots_held_init(s);
    if (err) return err;
    *ret_slots = co_take(&s);
    return CO_OK;
}

void
slots_free(struct slots *s)
{
    if (!s) return;
    if (s->result_buckets) slots_results_fini(s);
    slots_held_fini(s);
    free(s->returns);
    free(s);
}

/* Told only of what a worker never gets: a REFUSED is not answered, or two
 * confused peers would never stop. */
static void
refuse(struct slots *s, uint32_t link, const struct msg *m, struct outbox *out)
{
    const struct msg answer = {
        .type = MSG_refused,
        .refused = {.code = msg_text("PROTOCOL"),
                    .text = msg_text("not a message for a worker"),
                    .message = m->type},
    };
    s->counters.bad++;
    outbox_push(out, SLOTS_SIDE, link, &answer, (struct co_bytes){0});
}

/* Flat dispatch. */
static void
on_message(struct slots *s, uint32_t link, const struct msg *m,
           struct co_bytes body, struct outbox *out)
{
    switch (m->type) {
    case MSG_welcome:
        slots_on_welcome(s, link, &m->welcome, s->now_us, out);
        break;
    case MSG_who:
        slots_on_who(s, link, s->now_us, out);
        break;
    case MSG_refused:
        slots_on_refused(s, link, &m->refused);
        break;
    case MSG_tasks:
        if (msg_check_tasks(&m->tasks, body.len)) {
            refuse(s, link, m, out);
        } else {
            slots_on_tasks(s, link, &m->tasks, body, s->now_us, out);
        }
        break;
    case MSG_ack:
        slots_on_ack(s, &m->ack);
        break;
    case MSG_cancel:
        slots_on_cancel(s, &m->cancel);
        break;
    case MSG_no_owner:
        slots_on_no_owner(s, link, &m->no_owner);
        break;
    case MSG_owner_attached:
        slots_send_again(s, link, m->owner_attached.job);
        break;
    case MSG_forget:
        slots_forget_tasks(s, m->forget.job);
        slots_forget_results(s, m->forget.job);
        break;
    case MSG_reclaimed:
        slots_on_reclaimed(s, link, &m->reclaimed);
        break;
    case MSG_blob:
        slots_on_blob(s, &m->blob, body, s->now_us, out);
        break;
    case MSG_inventory_get:
        slots_push_inventory(s, link, out);
        break;
    case MSG_drain:
        slots_drain(s, s->now_us, out);
        break;
    case MSG_part: /* not whole yet */
    case MSG_beat: /* heard_us says it all */
        break;
    default: /* numbers come from the wire: not an enum to be complete over */
        refuse(s, link, m, out);
        break;
    }
}

void
slots_on_message(struct slots *s, uint32_t link, const struct msg *m,
                 struct co_bytes body, int64_t now_us, struct outbox *out)
{
    co_assert(link < s->config.links);
    s->now_us = now_us;
    if (s->links[link].state == LINK_GONE) return;
    s->links[link].heard_us = now_us;
    on_message(s, link, m, body, out);
}

void
slots_flush(struct slots *s, int64_t now_us, struct outbox *out)
{
    s->now_us = now_us;
    slots_seal_all(s);
    slots_push_results(s, now_us, out);
    slots_push_returns(s, out);
    slots_push_credit(s, now_us, out);
    slots_push_start(s, out);
}

/* A bit for each link that is up. */
static uint32_t
links_up(const struct slots *s)
{
    uint32_t up = 0;

    for (uint32_t i = 0; i < s->config.links; i++) {
        if (s->links[i].state == LINK_UP) up |= UINT32_C(1) << i;
    }
    return up;
}

void
slots_tick(struct slots *s, int64_t now_us, struct outbox *out)
{
    s->now_us = now_us;
    slots_links_tick(s, now_us, out);
    slots_results_tick(s, now_us);
    if (s->config.assets) {
        assets_tick(s->config.assets, links_up(s), now_us, out);
    }
}

int64_t
slots_deadline(const struct slots *s)
{
    return s->deadline_us;
}

void
slots_usage(struct slots *s, uint32_t rss_mib, uint32_t cpu_permille)
{
    s->rss_mib = rss_mib;
    s->cpu_permille = cpu_permille;
}

/* -- going --------------------------------------------------------------- */
static void
tell_all(struct slots *s, enum msg_type type, struct outbox *out)
{
    const struct msg m = {.type = type};

    for (uint32_t i = 0; i < s->config.links; i++) {
        if (s->links[i].state != LINK_UP) continue;
        outbox_push(out, SLOTS_SIDE, i, &m, (struct co_bytes){0});
    }
}

void
slots_drain(struct slots *s, int64_t now_us, struct outbox *out)
{
    s->now_us = now_us;
    if (s->draining) return;
    s->draining = true;
    tell_all(s, MSG_drain, out);
    slots_return_list(s, SLOTS_PARKED, RETURN_DRAIN);
    slots_return_queued(s, RETURN_DRAIN);
    slots_push_returns(s, out);
}

static void
drop_list(struct slots *s)
{
    while (s->lists[SLOTS_DROPPED].first != SLOTS_NONE) {
        slots_held_apply(s, s->lists[SLOTS_DROPPED].first, SLOTS_EV_RETURN);
    }
}

void
slots_hand_back(struct slots *s, int64_t now_us, struct outbox *out)
{
    slots_drain(s, now_us, out);
    slots_seal_all(s);
    slots_push_results(s, now_us, out);
    slots_return_list(s, SLOTS_RUNNING, RETURN_DRAIN);
    slots_return_list(s, SLOTS_STOPPING, RETURN_CANCELLED);
    drop_list(s);
    slots_push_returns(s, out);
}

bool
slots_drained(const struct slots *s)
{
    return s->draining && s->held_n == 0 && s->returns_n == 0;
}

void
slots_bye(struct slots *s, struct outbox *out)
{
    const struct msg m = {.type = MSG_bye};

    for (uint32_t i = 0; i < s->config.links; i++) {
        struct link *l = &s->links[i];

        if (l->state == LINK_UP) {
            outbox_push(out, SLOTS_SIDE, i, &m, (struct co_bytes){0});
        }
        CO_SEEN(WORKER_LINK, l->state, LINK_EV_BYE);
        l->state = LINK_GONE; /* as the table has it, from every state */
    }
}

bool
slots_link_up(const struct slots *s, uint32_t link)
{
    return s->links[link].state == LINK_UP;
}

uint32_t
slots_part_max(const struct slots *s, uint32_t link)
{
    return s->links[link].part_max;
}

void
slots_get_stats(const struct slots *s, struct slots_stats *ret_stats)
{
    uint32_t up = 0, running = s->lists[SLOTS_RUNNING].n +
                               s->lists[SLOTS_STOPPING].n +
                               s->lists[SLOTS_DROPPED].n;
    uint64_t credit = 0;

    for (uint32_t i = 0; i < s->config.links; i++) {
        const struct link *l = &s->links[i];

        if (l->state != LINK_UP) continue;
        up++;
        for (uint32_t k = 0; k < s->config.n_services; k++) {
            const struct credit *c = &l->credit[k];
            uint64_t used = c->returned + c->received;

            credit += c->granted > used ? c->granted - used : 0;
        }
    }
    *ret_stats = (struct slots_stats){
        .parked = s->lists[SLOTS_PARKED].n,
        .queued = s->lists[SLOTS_QUEUED].n,
        .running = running,
        .own_running = running - s->running_shared,
        .kept = s->results_n,
        .links_up = up,
        .result_bytes = s->result_bytes,
        .spilled_bytes = s->spilled_bytes,
        .credit = credit,
        .slots = s->limit,
        .draining = s->draining,
        .full = s->full,
        .counters = s->counters,
    };
}
