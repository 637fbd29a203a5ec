/* slots_held.c - the tasks a worker holds: pool, index, lists, states.
 *
 * One pool of fixed entries with a free list, so that a task costs no
 * allocation; the index is chained over (job, task) with pool numbers instead
 * of pointers, because the pool may move when it grows. The attempt is not
 * part of the key: a superseded attempt that still runs stands beside its
 * successor, and whoever looks up a task must see both. */
#include "common/cover.h"
#include "common/hash.h"
#include "worker/slots_impl.h"

#include <stdlib.h>
#include <string.h>

enum { POOL_FIRST = 1024 };

/* What each event does to a task. Omitted means refused (SLOTS_REFUSED). */
static const uint8_t next_state[SLOTS_STATE_COUNT][SLOTS_EVENT_COUNT] = {
    [SLOTS_FREE] = {[SLOTS_EV_TAKE] = SLOTS_QUEUED,
                    [SLOTS_EV_PARK] = SLOTS_PARKED,
                    [SLOTS_EV_DROP] = SLOTS_FREE},
    [SLOTS_PARKED] = {[SLOTS_EV_READY] = SLOTS_QUEUED,
                      [SLOTS_EV_RETURN] = SLOTS_FREE,
                      [SLOTS_EV_DROP] = SLOTS_FREE},
    [SLOTS_QUEUED] = {[SLOTS_EV_START] = SLOTS_RUNNING,
                      [SLOTS_EV_FINISH] = SLOTS_DONE, /* ran out of time */
                      [SLOTS_EV_RETURN] = SLOTS_FREE,
                      [SLOTS_EV_DROP] = SLOTS_FREE},
    [SLOTS_RUNNING] = {[SLOTS_EV_FINISH] = SLOTS_DONE,
                       [SLOTS_EV_CANCEL] = SLOTS_STOPPING,
                       [SLOTS_EV_RETURN] = SLOTS_FREE,
                       [SLOTS_EV_DROP] = SLOTS_DROPPED},
    [SLOTS_STOPPING] = {[SLOTS_EV_FINISH] = SLOTS_DONE,
                        [SLOTS_EV_CANCEL] = SLOTS_STOPPING,
                        [SLOTS_EV_RETURN] = SLOTS_FREE,
                        [SLOTS_EV_DROP] = SLOTS_DROPPED},
    [SLOTS_DROPPED] = {[SLOTS_EV_FINISH] = SLOTS_FREE,
                       [SLOTS_EV_CANCEL] = SLOTS_DROPPED,
                       [SLOTS_EV_RETURN] = SLOTS_FREE,
                       [SLOTS_EV_DROP] = SLOTS_DROPPED},
    [SLOTS_DONE] = {[SLOTS_EV_ACK] = SLOTS_FREE,
                    [SLOTS_EV_RETURN] = SLOTS_FREE, /* lost in the spill */
                    [SLOTS_EV_DROP] = SLOTS_FREE},
};

enum slots_state
slots_state_after(enum slots_state state, enum slots_event event)
{
    return (enum slots_state)next_state[state][event];
}

static uint32_t
bucket_of(const struct slots *s, uint64_t job, uint64_t task)
{
    return (uint32_t)co_hash_task(job, task) & s->bucket_mask;
}

static enum co_err
grow_buckets(struct slots *s, uint32_t n)
{
    uint32_t *buckets = malloc(n * sizeof *buckets);

    if (!buckets) return CO_NOMEM;
    memset(buckets, 0xff, n * sizeof *buckets);
    free(s->buckets);
    s->buckets = buckets;
    s->bucket_mask = n - 1;
    for (uint32_t i = 0; i < s->pool_used; i++) {
        struct held *h = &s->pool[i];

        if (h->state == SLOTS_FREE) continue;
        uint32_t b = bucket_of(s, h->job, h->task);
        h->chain = buckets[b];
        buckets[b] = i;
    }
    return CO_OK;
}

static enum co_err
grow_pool(struct slots *s)
{
    uint32_t cap = s->pool_cap ? s->pool_cap * 2 : POOL_FIRST;
    struct held *pool = realloc(s->pool, cap * sizeof *pool);

    if (!pool) return CO_NOMEM;
    s->pool = pool;
    s->pool_cap = cap;
    return grow_buckets(s, cap);
}

enum co_err
slots_held_init(struct slots *s)
{
    s->free_first = SLOTS_NONE;
    s->told.index = SLOTS_NONE;
    for (unsigned i = 0; i < SLOTS_STATE_COUNT; i++) {
        s->lists[i] = (struct held_list){SLOTS_NONE, SLOTS_NONE, 0};
    }
    return grow_pool(s);
}

void
slots_intake_unref(struct intake *in)
{
    if (!in || --in->refs > 0) return;
    co_bytes_unref(&in->body);
    co_bytes_unref(&in->recipe);
    free(in);
}

void
slots_held_fini(struct slots *s)
{
    for (uint32_t i = 0; i < s->pool_used; i++) {
        if (s->pool[i].state != SLOTS_FREE) {
            slots_intake_unref(s->pool[i].intake);
        }
    }
    free(s->pool);
    free(s->buckets);
}

static uint32_t
chain_find(const struct slots *s, uint32_t i, uint64_t job, uint64_t task)
{
    while (i != SLOTS_NONE &&
           (s->pool[i].task != task || s->pool[i].job != job)) {
        i = s->pool[i].chain;
    }
    return i;
}

uint32_t
slots_held_find(const struct slots *s, uint64_t job, uint64_t task)
{
    return chain_find(s, s->buckets[bucket_of(s, job, task)], job, task);
}

uint32_t
slots_held_again(const struct slots *s, uint32_t index)
{
    const struct held *h = &s->pool[index];

    return chain_find(s, h->chain, h->job, h->task);
}

/* A free pool number; generations go on, so that old refs never fit. */
static enum co_err
pool_take(struct slots *s, uint32_t *ret_index)
{
    uint32_t i = s->free_first;

    if (s->held_n >= s->config.held_max) return CO_FULL;
    if (i != SLOTS_NONE) {
        s->free_first = s->pool[i].chain;
        *ret_index = i;
        return CO_OK;
    }
    if (s->pool_used == s->pool_cap) {
        enum co_err err = grow_pool(s);
        if (err) return err;
    }
    i = s->pool_used++;
    s->pool[i] = (struct held){.state = SLOTS_FREE};
    *ret_index = i;
    return CO_OK;
}

enum co_err
slots_held_add(struct slots *s, uint64_t job, uint64_t task, uint32_t attempt,
               uint32_t link, uint32_t *ret_index)
{
    uint32_t i, b;
    enum co_err err = pool_take(s, &i);

    if (err) return err;
    struct held *h = &s->pool[i];
    *h = (struct held){
        .job = job,
        .task = task,
        .attempt = attempt,
        .generation = h->generation + 1,
        .prev = SLOTS_NONE,
        .next = SLOTS_NONE,
        .mark = SLOTS_NONE,
        .state = SLOTS_FREE,
        .link = (uint8_t)link,
    };
    b = bucket_of(s, job, task);
    h->chain = s->buckets[b];
    s->buckets[b] = i;
    s->held_n++;
    *ret_index = i;
    return CO_OK;
}

static void
pool_give(struct slots *s, uint32_t index)
{
    struct held *h = &s->pool[index];
    uint32_t *at = &s->buckets[bucket_of(s, h->job, h->task)];

    while (*at != index) {
        at = &s->pool[*at].chain;
    }
    *at = h->chain;
    h->state = SLOTS_FREE;
    h->intake = NULL;
    h->result = NULL;
    h->generation++;
    h->chain = s->free_first;
    s->free_first = index;
    s->held_n--;
}

/* The list that a task of that state stands in. */
static struct held_list *
list_of(struct slots *s, const struct held *h, uint8_t state)
{
    return state == SLOTS_QUEUED ? &s->serving[h->intake->service].queued
                                 : &s->lists[state];
}

static void
list_out(struct slots *s, uint32_t index)
{
    struct held *h = &s->pool[index];
    struct held_list *l = list_of(s, h, h->state);

    if (h->prev != SLOTS_NONE) {
        s->pool[h->prev].next = h->next;
    } else {
        l->first = h->next;
    }
    if (h->next != SLOTS_NONE) {
        s->pool[h->next].prev = h->prev;
    } else {
        l->last = h->prev;
    }
    h->prev = h->next = SLOTS_NONE;
    l->n--;
    if (h->state == SLOTS_QUEUED) s->lists[SLOTS_QUEUED].n--;
}

static void
list_in(struct slots *s, uint32_t index, uint8_t state)
{
    struct held *h = &s->pool[index];
    struct held_list *l = list_of(s, h, state);

    if (state == SLOTS_QUEUED) {
        h->order = ++s->order_last;
        s->lists[SLOTS_QUEUED].n++;
    }
    h->prev = l->last;
    h->next = SLOTS_NONE;
    if (l->last != SLOTS_NONE) {
        s->pool[l->last].next = index;
    } else {
        l->first = index;
    }
    l->last = index;
    l->n++;
}

void
slots_held_count(struct slots *s, uint32_t index, bool counted)
{
    struct held *h = &s->pool[index];
    struct link *l = &s->links[h->link];

    if (h->counted == counted) return;
    h->counted = counted;
    l->held_hash ^= msg_held_key(h->job, h->task, h->attempt);
    l->held_count += counted ? 1u : (uint32_t)-1;
}

void
slots_held_move(struct slots *s, uint32_t index, uint32_t link)
{
    struct held *h = &s->pool[index];
    bool counted = h->counted;

    if (h->link == link) return;
    slots_held_count(s, index, false);
    if (slots_is_active(h->state)) {
        s->links[h->link].credit[h->intake->service].active--;
        s->links[link].credit[h->intake->service].active++;
    }
    h->link = (uint8_t)link;
    if (slots_is_active(h->state) && h->intake->alone) {
        s->suspect_link = (uint8_t)link;
    }
    slots_held_count(s, index, counted);
}

/* What a task takes along when it stops being active. */
static void
leave_active(struct slots *s, struct held *h)
{
    s->links[h->link].credit[h->intake->service].active--;
    if (!h->intake->alone) return;
    s->suspects--;
    if (h->state >= SLOTS_RUNNING) s->alone = false;
}

/* Counts a task that takes a slot, or leaves it. */
static void
count_slot(struct slots *s, const struct held *h, uint32_t by)
{
    uint32_t service = h->intake->service;

    s->serving[service].running += by;
    if (!s->config.services[service].slots) s->running_shared += by;
}

static bool
takes_slot(uint8_t state)
{
    return state >= SLOTS_RUNNING && state <= SLOTS_DROPPED;
}

static void
enter_active(struct slots *s, uint32_t index)
{
    const struct held *h = &s->pool[index];

    s->links[h->link].credit[h->intake->service].active++;
    slots_held_count(s, index, true);
    if (!h->intake->alone) return;
    s->suspects++;
    s->suspect_link = h->link;
}

void
slots_held_apply(struct slots *s, uint32_t index, enum slots_event event)
{
    struct held *h = &s->pool[index];
    uint8_t from = h->state, to = next_state[from][event];

    co_assert(to != SLOTS_REFUSED);
    CO_SEEN(WORKER_TASK, from, event);
    if (to == from && from != SLOTS_FREE) return;
    if (takes_slot(to) && !takes_slot(from)) count_slot(s, h, 1);
    if (takes_slot(from) && !takes_slot(to)) count_slot(s, h, (uint32_t)-1);
    if (slots_is_active(from)) {
        list_out(s, index);
        if (!slots_is_active(to)) leave_active(s, h);
    } else if (slots_is_active(to)) {
        enter_active(s, index);
    }
    if (slots_is_active(to)) list_in(s, index, to);
    h->state = to;
    if (to == SLOTS_RUNNING && h->intake->alone) s->alone = true;
    if (to == SLOTS_DROPPED || to == SLOTS_FREE) {
        slots_held_count(s, index, false);
    }
    if (to == SLOTS_FREE) {
        slots_intake_unref(h->intake);
        pool_give(s, index);
    }
}
