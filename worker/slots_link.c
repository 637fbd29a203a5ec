/* slots_link.c - the state of each broker link: HELLO, WELCOME, BEAT,
 * INVENTORY. A link that heard nothing for dead_ms only says HELLO again:
 * tasks run on and results are kept, because the broker restarting is no
 * reason to lose work. */
#include "common/bug.h"
#include "common/cover.h"
#include "worker/slots_impl.h"

#include <string.h>

/* What each event does to a link. Omitted means refused (LINK_NONE). */
static const uint8_t next_link[LINK_STATE_COUNT][LINK_EVENT_COUNT] = {
    [LINK_DOWN] = {[LINK_EV_CONNECT] = LINK_GREETED,
                   [LINK_EV_WHO] = LINK_GREETED,
                   [LINK_EV_BYE] = LINK_GONE},
    [LINK_GREETED] = {[LINK_EV_CONNECT] = LINK_GREETED,
                      [LINK_EV_WELCOME] = LINK_UP,
                      [LINK_EV_WHO] = LINK_GREETED,
                      [LINK_EV_SILENT] = LINK_GREETED,
                      [LINK_EV_BARRED] = LINK_BARRED,
                      [LINK_EV_BYE] = LINK_GONE},
    [LINK_UP] = {[LINK_EV_CONNECT] = LINK_GREETED,
                 [LINK_EV_WELCOME] = LINK_UP, /* HELLO crossed a WELCOME */
                 [LINK_EV_WHO] = LINK_GREETED,
                 [LINK_EV_SILENT] = LINK_GREETED,
                 [LINK_EV_BARRED] = LINK_BARRED,
                 [LINK_EV_BYE] = LINK_GONE},
    [LINK_BARRED] = {[LINK_EV_BYE] = LINK_GONE,
                     /* A broker that was replaced by another version. */
                     [LINK_EV_CONNECT] = LINK_GREETED},
    /* GONE is final: no row. */
};

enum { BARRED_RETRY_US = 10 * 1000 * 1000 };

enum link_state
slots_link_after(enum link_state state, enum link_event event)
{
    return (enum link_state)next_link[state][event];
}

/* The only writer of link.state. False: the event makes no sense now. */
static bool
link_apply(struct slots *s, uint32_t link, enum link_event event)
{
    uint8_t to;

    co_assert(s->links[link].state < LINK_STATE_COUNT);
    CO_SEEN(WORKER_LINK, s->links[link].state, event);
    to = next_link[s->links[link].state][event];
    if (to == LINK_NONE) {
        s->counters.bad++;
        return false;
    }
    s->links[link].state = to;
    return true;
}

/* -- HELLO and WELCOME --------------------------------------------------- */
/* A service is named once, whatever number of providers it has here: which
 * they are is told by CREDIT. */
static uint32_t
name_services(const struct slots *s, struct msg_str *names)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->config.n_services; i++) {
        const char *name = s->config.services[i].name;
        bool named = false;

        for (uint32_t k = 0; k < n; k++) {
            named |= msg_str_is(names[k], name);
        }
        if (!named) names[n++] = msg_text(name);
    }
    return n;
}

static void
push_hello(struct slots *s, uint32_t link, struct outbox *out)
{
    struct msg_str services[SLOTS_SERVICES_MAX], tags[NAMES_MAX];
    struct msg m = {
        .type = MSG_hello,
        .hello = {.version = PROTO_VERSION,
                  .role = ROLE_WORKER,
                  .incarnation = s->config.incarnation,
                  .name = msg_text(s->config.name),
                  .services = {services, name_services(s, services)},
                  .tags = {tags, s->config.n_tags},
                  .fingerprint = s->config.fingerprint,
                  .slots = s->config.slots,
                  .software = msg_text(s->config.software)},
    };
    for (uint32_t i = 0; i < s->config.n_tags; i++) {
        tags[i] = msg_text(s->config.tags[i]);
    }
    m.hello.held_count = s->links[link].held_count;
    m.hello.held_hash = s->links[link].held_hash;
    m.hello.greeting = ++s->links[link].greeting;
    s->links[link].said_us = s->now_us;
    outbox_push(out, SLOTS_SIDE, link, &m, (struct co_bytes){0});
}

void
slots_connect(struct slots *s, uint32_t link, int64_t now_us,
              struct outbox *out)
{
    co_assert(link < s->config.links);
    s->now_us = now_us;
    s->links[link].heard_us = now_us;
    if (link_apply(s, link, LINK_EV_CONNECT)) push_hello(s, link, out);
}

void
slots_hello_unsent(struct slots *s, uint32_t link, uint32_t greeting)
{
    struct link *l = &s->links[link];

    /* A newer one may be under way: no number goes out twice. */
    if (l->greeting == greeting && greeting > 0) l->greeting--;
}

static uint32_t
or_default(uint32_t value, uint32_t fallback, uint32_t most)
{
    return value == 0 ? fallback : value > most ? most : value;
}

void
slots_on_welcome(struct slots *s, uint32_t link, const struct msg_welcome *w,
                 int64_t now_us, struct outbox *out)
{
    struct link *l = &s->links[link];

    /* Two HELLOs crossed: only with the answer to the newer one do both sides
     * count grants from the same point. */
    if (w->greeting && w->greeting != l->greeting &&
        !CO_BUG(old_welcome_taken)) {
        return;
    }
    if (!link_apply(s, link, LINK_EV_WELCOME)) return;
    s->counters.welcomes++;
    l->broker = w->incarnation;
    l->beat_ms = or_default(w->beat_ms, SLOTS_BEAT_MS, 60 * 1000);
    l->dead_ms = or_default(w->dead_ms, SLOTS_DEAD_MS, 600 * 1000);
    l->batch_max = or_default(w->batch_max, BATCH_MAX, BATCH_MAX);
    l->body_max = or_default(w->body_max, BODY_BYTES_MAX, BODY_BYTES_MAX);
    l->part_max = w->part_max;
    l->said_us = now_us;
    slots_credit_reset(s, link);
    /* The broker starts from nothing: tell it what we hold, then repeat what
     * it may not have passed on. */
    if (l->held_count > 0) slots_push_inventory(s, link, out);
    if (CO_BUG(results_dropped_on_welcome)) {
        slots_forget_results(s, 0);
    } else {
        slots_send_again(s, link, 0);
    }
    if (s->draining) {
        const struct msg m = {.type = MSG_drain};
        outbox_push(out, SLOTS_SIDE, link, &m, (struct co_bytes){0});
    }
}

void
slots_on_who(struct slots *s, uint32_t link, int64_t now_us, struct outbox *out)
{
    s->now_us = now_us;
    s->counters.who++;
    /* A HELLO that is under way answers this WHO too; a second one would only
     * start the count of grants over again. */
    if (s->links[link].state == LINK_GREETED &&
        now_us - s->links[link].said_us < SLOTS_HELLO_US / 4) {
        return;
    }
    if (link_apply(s, link, LINK_EV_WHO)) push_hello(s, link, out);
}

void
slots_on_refused(struct slots *s, uint32_t link, const struct msg_refused *r)
{
    s->counters.refusals++;
    if (msg_str_is(r->code, "VERSION") &&
        (r->message == MSG_hello || r->message == 0) &&
        s->links[link].state == LINK_GREETED) {
        (void)link_apply(s, link, LINK_EV_BARRED);
    }
}

/* -- INVENTORY ----------------------------------------------------------- */
static uint32_t
told_state(const struct held *h)
{
    switch ((enum slots_state)h->state) {
    case SLOTS_RUNNING:
    case SLOTS_STOPPING:
        return HELD_RUNNING;
    case SLOTS_DONE:
        return HELD_DONE;
    case SLOTS_PARKED:
    case SLOTS_QUEUED:
    case SLOTS_DROPPED:
    case SLOTS_FREE:
    case SLOTS_REFUSED:
    case SLOTS_STATE_COUNT:
        break;
    }
    return HELD_QUEUED;
}

static void
push_page(struct slots *s, uint32_t link, uint32_t page, uint32_t pages,
          uint32_t n, struct outbox *out)
{
    const struct msg m = {
        .type = MSG_inventory,
        .inventory = {.page = page,
                      .pages = pages,
                      .jobs = {s->words_a, n},
                      .tasks = {s->words_b, n},
                      .attempts = {s->halves_a, n},
                      .states = {s->halves_b, n},
                      .alone = {s->halves_c, s->suspects ? n : 0}},
    };
    outbox_push(out, SLOTS_SIDE, link, &m, (struct co_bytes){0});
}

void
slots_push_inventory(struct slots *s, uint32_t link, struct outbox *out)
{
    uint32_t total = s->links[link].held_count, pages, page = 0, n = 0;

    pages = total ? (total + SLOTS_PAGE - 1) / SLOTS_PAGE : 1;
    s->counters.inventories++;
    for (uint32_t i = 0; i < s->pool_used; i++) {
        const struct held *h = &s->pool[i];

        if (h->state == SLOTS_FREE || h->state == SLOTS_DROPPED) continue;
        if (h->link != link) continue;
        s->words_a[n] = h->job;
        s->words_b[n] = h->task;
        s->halves_a[n] = h->attempt;
        s->halves_c[n] = slots_is_active(h->state) && h->intake->alone;
        s->halves_b[n++] = told_state(h);
        if (n == SLOTS_PAGE) {
            push_page(s, link, page++, pages, n, out);
            n = 0;
        }
    }
    if (n > 0 || total == 0) push_page(s, link, page, pages, n, out);
}

/* -- BEAT ---------------------------------------------------------------- */
/* Running tasks of the link that progressed since the last beat; the marks of
 * what did not fit in one page stay for the next. */
static uint32_t
take_progress(struct slots *s, uint32_t link)
{
    uint32_t n = 0;
    uint32_t i = s->lists[SLOTS_RUNNING].first;

    for (; i != SLOTS_NONE && n < SLOTS_PAGE; i = s->pool[i].next) {
        struct held *h = &s->pool[i];

        if (h->link != link || !h->progressed) continue;
        h->progressed = false;
        s->words_a[n] = h->job;
        s->words_b[n++] = h->task;
    }
    return n;
}

static void
push_beat(struct slots *s, uint32_t link, struct outbox *out)
{
    struct link *l = &s->links[link];
    uint32_t n = take_progress(s, link);
    const struct msg m = {
        .type = MSG_beat,
        .beat = {.held_count = l->held_count,
                 .held_hash = l->held_hash,
                 .jobs = {s->words_a, n},
                 .tasks = {s->words_b, n},
                 .running =
                     s->lists[SLOTS_RUNNING].n + s->lists[SLOTS_STOPPING].n,
                 .rss_mib = s->rss_mib,
                 .cpu_permille = s->cpu_permille},
    };
    l->said_us = s->now_us;
    outbox_push(out, SLOTS_SIDE, link, &m, (struct co_bytes){0});
}

/* Its broker counts a death against a suspect only if it knows that this had
 * begun: what it sent to a process that died of something else did not. */
void
slots_push_start(struct slots *s, struct outbox *out)
{
    struct msg m = {.type = MSG_beat};
    struct held *h;

    if (!s->tell) return;
    s->tell = false;
    h = &s->pool[s->told.index];
    if (h->generation != s->told.generation) return; /* gone meanwhile */
    s->told_us = s->now_us;
    m.beat.held_count = s->links[h->link].held_count;
    m.beat.held_hash = s->links[h->link].held_hash;
    m.beat.jobs = (struct msg_u64s){&h->job, 1};
    m.beat.tasks = (struct msg_u64s){&h->task, 1};
    outbox_push(out, SLOTS_SIDE, h->link, &m, (struct co_bytes){0});
}

static int64_t
us_of(uint32_t ms)
{
    return (int64_t)ms * 1000;
}

/* When the link has something to do next. */
static int64_t
link_deadline(const struct link *l)
{
    int64_t beat, dead;

    switch ((enum link_state)l->state) {
    case LINK_GREETED:
        return l->said_us + SLOTS_HELLO_US;
    case LINK_UP:
        beat = l->said_us + us_of(l->beat_ms);
        dead = l->heard_us + us_of(l->dead_ms);
        return beat < dead ? beat : dead;
    case LINK_BARRED:
        return l->said_us + BARRED_RETRY_US;
    case LINK_DOWN:
    case LINK_GONE:
    case LINK_NONE:
    case LINK_STATE_COUNT:
        break;
    }
    return INT64_MAX;
}

static void
link_tick(struct slots *s, uint32_t link, struct outbox *out)
{
    struct link *l = &s->links[link];

    if (link_deadline(l) > s->now_us) return;
    if (l->state == LINK_UP && s->now_us - l->heard_us < us_of(l->dead_ms)) {
        push_beat(s, link, out);
        return;
    }
    if (l->state == LINK_UP) {
        s->counters.silences++;
        if (!link_apply(s, link, LINK_EV_SILENT)) return;
    } else if (!link_apply(s, link, LINK_EV_CONNECT)) {
        return;
    }
    push_hello(s, link, out);
}

void
slots_links_tick(struct slots *s, int64_t now_us, struct outbox *out)
{
    s->now_us = now_us;
    s->deadline_us = INT64_MAX;
    for (uint32_t i = 0; i < s->config.links; i++) {
        int64_t next;

        link_tick(s, i, out);
        next = link_deadline(&s->links[i]);
        if (next < s->deadline_us) s->deadline_us = next;
    }
}
