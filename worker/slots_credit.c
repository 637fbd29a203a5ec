/* slots_credit.c - how much work a worker asks for.
 *
 * A grant is a promise: granted counts all tasks that a broker may ever have
 * sent since WELCOME. What it may still send is granted - returned - received;
 * we keep that plus what we hold at the look-ahead. So a grant never has to be
 * lowered: it just is not raised, or asked back by RECLAIM. Because both sides
 * count from WELCOME, a lost connection cannot leak a grant. */
#include "common/bug.h"
#include "worker/slots_impl.h"

enum {
    LOOK_NS = 2 * 1000 * 1000, /* work at hand per slot */
    LOOK_MAX = 1024,
    LOOK_RANGES = 3, /* one runs, one waits, one is on its way */
    EWMA_SHIFT = 3,
    IDLE_US = 1000 * 1000, /* a broker without work lends its share */
    IDLE_PART = 8
};

void
slots_measure(struct slots *s, uint32_t service, uint64_t run_ns)
{
    uint64_t *e = &s->serving[service].ewma_ns;

    if (run_ns >= *e) {
        *e += (run_ns - *e) >> EWMA_SHIFT;
    } else {
        *e -= (*e - run_ns) >> EWMA_SHIFT;
    }
}

uint64_t
slots_look_ahead(const struct slots *s, uint32_t service)
{
    uint64_t ns = co_max_u64(s->serving[service].ewma_ns, 1);
    uint64_t look = s->limit * co_clamp_u64(LOOK_NS / ns, 1, LOOK_MAX);

    /* Its tasks wait: what it could not begin is of more use elsewhere. */
    if (s->config.services[service].slots) {
        return s->config.services[service].slots;
    }
    if (s->config.services[service].range && look < LOOK_RANGES) {
        look = LOOK_RANGES;
    }
    return look;
}

void
slots_credit_reset(struct slots *s, uint32_t link)
{
    for (uint32_t i = 0; i < s->config.n_services; i++) {
        struct credit *c = &s->links[link].credit[i];

        if (CO_BUG(grants_survive_welcome)) continue;
        c->granted = c->returned = c->received = 0;
        c->reclaim_us = 0;
    }
}

/* A link's share of the look-ahead. Brokers that sent nothing for a second
 * keep a small part, so that work that appears there is noticed. */
static uint64_t
share_of(const struct slots *s, uint32_t link, uint64_t look)
{
    uint32_t up = 0, busy = 0;
    bool is_busy = false;

    for (uint32_t i = 0; i < s->config.links; i++) {
        const struct link *l = &s->links[i];
        bool b = l->tasks_us && s->now_us - l->tasks_us < IDLE_US;

        if (l->state != LINK_UP) continue;
        up++;
        busy += b;
        if (i == link) is_busy = b;
    }
    if (up <= 1 || (busy == up) || busy == 0) {
        return co_max_u64(look / (up ? up : 1), 1);
    }
    uint64_t idle = co_max_u64(look / ((uint64_t)up * IDLE_PART), 1);
    if (!is_busy) return idle;
    uint64_t lent = idle * (up - busy);
    return co_max_u64(look > lent ? (look - lent) / busy : 1, 1);
}

/* What the limits of the service allow beyond what waits here already. */
static uint64_t
bound_of(const struct slots *s, uint32_t service)
{
    const struct serving *v = &s->serving[service];
    uint64_t here = 0;

    if (v->room == SLOTS_NO_LIMIT) return UINT64_MAX;
    for (uint32_t i = 0; i < s->config.links; i++) {
        here += s->links[i].credit[service].active;
    }
    here -= v->running; /* those took their place already */
    return v->room > here ? v->room - here : 0;
}

/* How many tasks of the service the broker should be able to send now. */
static uint64_t
room_for(const struct slots *s, uint32_t link, uint32_t service)
{
    const struct serving *v = &s->serving[service];
    const struct credit *c = &s->links[link].credit[service];
    uint64_t look = co_min_u64(slots_look_ahead(s, service),
                               (uint64_t)v->running + v->room);
    uint64_t want = share_of(s, link, look);
    uint64_t pool = s->config.held_max - s->held_n;

    if (s->draining || s->full) return 0;
    want = want > c->active ? want - c->active : 0;
    want = co_min_u64(want, bound_of(s, service));
    return co_min_u64(want, pool);
}

static struct msg_str
service_text(const struct slots *s, uint32_t service)
{
    return msg_text(s->config.services[service].name);
}

static const char *
provider_of(const struct slots *s, uint32_t service)
{
    const char *provider = s->config.services[service].provider;

    return provider ? provider : "";
}

uint32_t
slots_service_of(const struct slots *s, struct msg_str name,
                 struct msg_str provider)
{
    uint32_t i = 0;

    while (i < s->config.n_services &&
           !(msg_str_is(name, s->config.services[i].name) &&
             msg_str_is(provider, provider_of(s, i)))) {
        i++;
    }
    return i;
}

static void
push_grant(struct slots *s, uint32_t link, uint32_t service, struct outbox *out)
{
    const struct msg m = {
        .type = MSG_credit,
        .credit = {.service = service_text(s, service),
                   .granted = s->links[link].credit[service].granted,
                   .provider = msg_text(provider_of(s, service)),
                   .greeting = s->links[link].greeting},
    };
    outbox_push(out, SLOTS_SIDE, link, &m, (struct co_bytes){0});
}

static void
push_reclaim(struct slots *s, uint32_t link, uint32_t service, uint64_t count,
             struct outbox *out)
{
    const struct msg m = {
        .type = MSG_reclaim,
        .reclaim = {.service = service_text(s, service),
                    .count = count,
                    .provider = msg_text(provider_of(s, service))},
    };
    s->links[link].credit[service].reclaim_us = s->now_us;
    outbox_push(out, SLOTS_SIDE, link, &m, (struct co_bytes){0});
}

/* What the broker has not used, as far as we know. */
static uint64_t
outstanding(const struct credit *c)
{
    uint64_t used = c->returned + c->received;

    return c->granted > used ? c->granted - used : 0;
}

static bool
may_reclaim(const struct slots *s, const struct credit *c)
{
    return !c->reclaim_us || s->now_us - c->reclaim_us >= SLOTS_RECLAIM_US;
}

/* Grants that are asked back, because they are more than this. Shared limits
 * change from one moment to the next: small steps are not worth a message. */
static uint64_t
too_many(const struct slots *s, uint32_t service, uint64_t room, uint64_t look)
{
    bool limited = s->serving[service].room < look;

    return 2 * room + (limited ? look / 8 : look);
}

/* A message is worth it when the grant grew by an eighth of the look-ahead or
 * the broker is nearly out of it; otherwise every task would cost one. */
static void
renew(struct slots *s, uint32_t link, uint32_t service, struct outbox *out)
{
    struct credit *c = &s->links[link].credit[service];
    uint64_t room = room_for(s, link, service), out_now = outstanding(c);
    uint64_t look = slots_look_ahead(s, service);
    bool shut = s->draining || s->full || s->serving[service].room == 0;

    if (room > out_now) {
        uint64_t more = room - out_now;

        if (more * 8 < look && out_now * 4 >= look) return;
        c->granted = c->returned + c->received + room;
        push_grant(s, link, service, out);
    } else if (out_now > too_many(s, service, room, look) &&
               may_reclaim(s, c)) {
        push_reclaim(s, link, service, out_now - room, out);
    } else if (out_now > 0 && room == 0 && shut && may_reclaim(s, c)) {
        push_reclaim(s, link, service, out_now, out);
    }
}

void
slots_push_credit(struct slots *s, int64_t now_us, struct outbox *out)
{
    s->now_us = now_us;
    for (uint32_t i = 0; i < s->config.links; i++) {
        if (s->links[i].state != LINK_UP) continue;
        for (uint32_t k = 0; k < s->config.n_services; k++) {
            renew(s, i, k, out);
        }
    }
}

void
slots_on_reclaimed(struct slots *s, uint32_t link,
                   const struct msg_reclaimed *r)
{
    uint32_t k = slots_service_of(s, r->service, r->provider);
    struct credit *c;

    if (k == s->config.n_services) {
        s->counters.bad++;
        return;
    }
    c = &s->links[link].credit[k];
    c->reclaim_us = 0;
    /* Never more than it could have: the rest was used. */
    if (r->returned < c->returned ||
        r->returned > c->granted - co_min_u64(c->granted, c->received)) {
        s->counters.bad++;
        return;
    }
    c->returned = r->returned;
}
