/* slots_check.c - what must always hold, walked in full. */
#include "worker/slots_impl.h"

static void
check_pool(const struct slots *s)
{
    uint32_t by_state[SLOTS_STATE_COUNT] = {0}, held = 0;
    uint32_t count[SLOTS_LINKS_MAX] = {0};
    uint64_t hash[SLOTS_LINKS_MAX] = {0};

    for (uint32_t i = 0; i < s->pool_used; i++) {
        const struct held *h = &s->pool[i];

        co_assert(h->state > SLOTS_REFUSED && h->state < SLOTS_STATE_COUNT);
        by_state[h->state]++;
        if (h->state == SLOTS_FREE) continue;
        held++;
        co_assert(h->link < s->config.links);
        co_assert(slots_is_active(h->state) == (h->intake != NULL));
        co_assert(h->state == SLOTS_DONE || !h->result);
        co_assert(h->state != SLOTS_DROPPED || !h->counted);
        if (!h->counted) continue;
        count[h->link]++;
        hash[h->link] ^= msg_held_key(h->job, h->task, h->attempt);
    }
    co_assert(held == s->held_n && held <= s->config.held_max);
    for (unsigned k = SLOTS_PARKED; k <= SLOTS_DROPPED; k++) {
        co_assert(by_state[k] == s->lists[k].n);
    }
    for (uint32_t i = 0; i < s->config.links; i++) {
        co_assert(count[i] == s->links[i].held_count);
        co_assert(hash[i] == s->links[i].held_hash);
    }
}

/* What the lists say, counted. */
struct counted {
    uint32_t active[SLOTS_LINKS_MAX][SLOTS_SERVICES_MAX];
    uint32_t running[SLOTS_SERVICES_MAX];
    uint32_t suspects;
    bool alone;
};

static void
check_list(const struct slots *s, const struct held_list *list, unsigned state,
           struct counted *c)
{
    uint32_t n = 0, prev = SLOTS_NONE;

    for (uint32_t i = list->first; i != SLOTS_NONE; i = s->pool[i].next) {
        const struct held *h = &s->pool[i];
        uint32_t service = h->intake->service;

        co_assert(h->state == state && h->prev == prev);
        c->active[h->link][service]++;
        c->running[service] += state >= SLOTS_RUNNING;
        c->alone |= state >= SLOTS_RUNNING && h->intake->alone;
        c->suspects += h->intake->alone;
        prev = i;
        n++;
    }
    co_assert(n == list->n && list->last == prev);
}

static void
check_queues(const struct slots *s, struct counted *c)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < s->config.n_services; k++) {
        const struct held_list *queued = &s->serving[k].queued;
        uint32_t at = queued->first;

        check_list(s, queued, SLOTS_QUEUED, c);
        for (; at != SLOTS_NONE; at = s->pool[at].next) {
            co_assert(s->pool[at].intake->service == k);
        }
        n += queued->n;
    }
    co_assert(n == s->lists[SLOTS_QUEUED].n);
}

static void
check_slots(const struct slots *s, const struct counted *c)
{
    uint32_t shared = 0;

    for (uint32_t k = 0; k < s->config.n_services; k++) {
        uint32_t own = s->config.services[k].slots;

        co_assert(c->running[k] == s->serving[k].running);
        co_assert(!own || c->running[k] <= own);
        if (!own) shared += c->running[k];
    }
    co_assert(shared == s->running_shared && shared <= s->config.slots);
}

static void
check_lists(const struct slots *s)
{
    struct counted c = {.alone = false};

    for (unsigned k = SLOTS_PARKED; k <= SLOTS_DROPPED; k++) {
        if (k != SLOTS_QUEUED) check_list(s, &s->lists[k], k, &c);
    }
    check_queues(s, &c);
    check_slots(s, &c);
    co_assert(c.alone == s->alone);
    co_assert(c.suspects == s->suspects);
    for (uint32_t i = 0; i < s->config.links; i++) {
        for (uint32_t k = 0; k < s->config.n_services; k++) {
            co_assert(c.active[i][k] == s->links[i].credit[k].active);
        }
    }
}

static void
check_results(const struct slots *s)
{
    uint64_t bytes = 0, spilled = 0;
    uint32_t n = 0;

    for (unsigned k = 0; k < 2 * RESULT_STATE_COUNT; k++) {
        const struct result *r;

        TAILQ_FOREACH(r, &s->results[k / 2][k % 2], entry)
        {
            co_assert(r->state == k / 2 && r->spilled == (k % 2 == 1));
            co_assert(r->seq >= 1 && r->seq <= s->seq_last && r->n >= 1);
            for (uint32_t i = 0; i < r->n; i++) {
                const struct held *h = &s->pool[r->data[i]];

                co_assert(h->state == SLOTS_DONE && h->result == r);
            }
            *(r->spilled ? &spilled : &bytes) += r->body_bytes;
            n++;
        }
    }
    co_assert(n == s->results_n);
    co_assert(bytes == s->result_bytes && spilled == s->spilled_bytes);
}

void
slots_check(const struct slots *s)
{
    check_pool(s);
    check_lists(s);
    check_results(s);
}
