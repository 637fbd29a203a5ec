/* slots_back.c - RETURNED out: what is given back, for whatever reason, and
 * what CANCEL and FORGET end. */
#include "worker/slots_impl.h"

#include <stdlib.h>

/* -- giving back --------------------------------------------------------- */
void
slots_return_raw(struct slots *s, uint32_t link, uint64_t job, uint64_t task,
                 uint32_t attempt, enum return_reason reason,
                 uint32_t not_before_ms)
{
    if (s->returns_n == s->returns_cap) {
        size_t cap = s->returns_cap ? s->returns_cap * 2 : 64;
        struct giveback *v = realloc(s->returns, cap * sizeof *v);

        /* Without memory the task is simply not held any more; the next
         * inventory tells the broker, who calls it lost. */
        if (!v) return;
        s->returns = v;
        s->returns_cap = cap;
    }
    s->returns[s->returns_n++] = (struct giveback){
        .job = job,
        .task = task,
        .attempt = attempt,
        .not_before_ms = not_before_ms,
        .reason = (uint8_t)reason,
        .link = (uint8_t)link,
    };
    s->counters.returned++;
    if (reason == RETURN_NO_RECIPE) s->counters.no_recipe++;
}

void
slots_return_held(struct slots *s, uint32_t index, enum return_reason reason)
{
    const struct held *h = &s->pool[index];

    slots_return_raw(s, h->link, h->job, h->task, h->attempt, reason, 0);
    slots_held_apply(s, index, SLOTS_EV_RETURN);
}

void
slots_return_list(struct slots *s, enum slots_state state,
                  enum return_reason reason)
{
    while (s->lists[state].first != SLOTS_NONE) {
        slots_return_held(s, s->lists[state].first, reason);
    }
}

void
slots_return_queued(struct slots *s, enum return_reason reason)
{
    for (uint32_t i = 0; i < s->config.n_services; i++) {
        const struct held_list *queued = &s->serving[i].queued;

        while (queued->first != SLOTS_NONE) {
            slots_return_held(s, queued->first, reason);
        }
    }
}

static bool
same_return(const struct giveback *a, const struct giveback *b)
{
    return a->job == b->job && a->reason == b->reason && a->link == b->link &&
           a->not_before_ms == b->not_before_ms;
}

/* Consecutive ones of one kind share a message. */
void
slots_push_returns(struct slots *s, struct outbox *out)
{
    size_t i = 0;

    while (i < s->returns_n) {
        const struct giveback *first = &s->returns[i];
        uint32_t n = 0;

        while (i < s->returns_n && n < SLOTS_PAGE &&
               same_return(first, &s->returns[i])) {
            s->words_a[n] = s->returns[i].task;
            s->halves_a[n++] = s->returns[i++].attempt;
        }
        const struct msg m = {
            .type = MSG_returned,
            .returned = {.job = first->job,
                         .tasks = {s->words_a, n},
                         .attempts = {s->halves_a, n},
                         .reason = first->reason,
                         .not_before_ms = first->not_before_ms,
                         .worker = s->config.incarnation},
        };
        outbox_push(out, SLOTS_SIDE, first->link, &m, (struct co_bytes){0});
    }
    s->returns_n = 0;
}

/* -- CANCEL and FORGET --------------------------------------------------- */
void
slots_cancel_held(struct slots *s, uint32_t index)
{
    const struct held *h = &s->pool[index];

    switch ((enum slots_state)h->state) {
    case SLOTS_PARKED:
    case SLOTS_QUEUED:
        s->counters.cancelled++;
        slots_return_held(s, index, RETURN_CANCELLED);
        break;
    case SLOTS_RUNNING:
        s->counters.cancelled++;
        slots_held_apply(s, index, SLOTS_EV_CANCEL);
        break;
    case SLOTS_STOPPING:
    case SLOTS_DROPPED:
    case SLOTS_DONE: /* too late: the result is on its way */
    case SLOTS_FREE:
    case SLOTS_REFUSED:
    case SLOTS_STATE_COUNT:
        break;
    }
}

/* What runs and is begun goes on, and its result comes as usual. */
static bool
is_begun(const struct slots *s, uint32_t index)
{
    const struct held *h = &s->pool[index];

    if (h->state != SLOTS_RUNNING) return false;
    return !s->is_unsent || h->mark == SLOTS_NONE ||
           !s->is_unsent(s->is_unsent_ctx, h->mark);
}

void
slots_on_cancel(struct slots *s, const struct msg_cancel *c)
{
    for (uint32_t k = 0; k < c->tasks.n; k++) {
        uint32_t i = slots_held_find(s, c->job, c->tasks.v[k]), next;

        for (; i != SLOTS_NONE; i = next) {
            next = slots_held_again(s, i);
            if (c->unsent && is_begun(s, i)) continue;
            slots_cancel_held(s, i);
        }
    }
}

static void
forget_list(struct slots *s, const struct held_list *list, uint64_t job)
{
    uint32_t i = list->first, next;

    for (; i != SLOTS_NONE; i = next) {
        next = s->pool[i].next;
        if (s->pool[i].job != job) continue;
        s->counters.forgotten++;
        slots_held_apply(s, i, SLOTS_EV_DROP);
    }
}

void
slots_forget_tasks(struct slots *s, uint64_t job)
{
    forget_list(s, &s->lists[SLOTS_PARKED], job);
    for (uint32_t i = 0; i < s->config.n_services; i++) {
        forget_list(s, &s->serving[i].queued, job);
    }
    forget_list(s, &s->lists[SLOTS_RUNNING], job);
    forget_list(s, &s->lists[SLOTS_STOPPING], job);
}
