/* slots_tasks.c - TASKS in, and the recipes that they wait for. */
#include "common/bug.h"
#include "worker/slots_impl.h"

#include <stdlib.h>

/* -- TASKS --------------------------------------------------------------- */
/* What is done with a task of which some attempt is held already. */
enum held_answer { ANSWER_TAKE, ANSWER_IGNORE };

/* A later attempt is asked for: the earlier one must not run any more. The
 * broker still counts it as ours, so it is given back like a cancelled one; an
 * answer that exists already stays on its way (salvage). */
static void
supersede(struct slots *s, uint32_t index)
{
    s->counters.superseded++;
    slots_cancel_held(s, index);
}

/* The same attempt is asked for again, maybe by another broker. */
static void
repeat(struct slots *s, uint32_t index, uint32_t link)
{
    struct held *h = &s->pool[index];

    s->counters.duplicates++;
    /* A result that is still gathered would be sealed for the link before. */
    if (h->state == SLOTS_DONE && !h->result) {
        slots_seal_all(s);
    }
    if (h->state == SLOTS_FREE) return; /* no memory: given back there */
    slots_held_move(s, index, link);
    if (h->state == SLOTS_DONE && h->result) {
        slots_send_result_again(s, h->result, link);
    }
}

static enum held_answer
answer_held(struct slots *s, uint32_t link, uint64_t job, uint64_t task,
            uint32_t attempt)
{
    uint32_t i = slots_held_find(s, job, task), next;

    for (; i != SLOTS_NONE; i = next) {
        const struct held *h = &s->pool[i];

        next = slots_held_again(s, i);
        if (h->state == SLOTS_DROPPED) continue;
        if (h->attempt == attempt) {
            repeat(s, i, link);
            return ANSWER_IGNORE;
        }
        if (h->attempt > attempt) {
            s->counters.stale++;
            return ANSWER_IGNORE;
        }
        supersede(s, i);
    }
    return ANSWER_TAKE;
}

static void
return_all(struct slots *s, uint32_t link, const struct msg_tasks *t,
           enum return_reason reason, uint32_t not_before_ms)
{
    for (uint32_t i = 0; i < t->tasks.n; i++) {
        slots_return_raw(s, link, t->job, t->tasks.v[i], msg_at(t->attempts, i),
                         reason, not_before_ms);
    }
}

static struct intake *
intake_new(const struct slots *s, uint32_t service, const struct msg_tasks *t,
           struct co_bytes body, int64_t now_us)
{
    struct intake *in = malloc(sizeof *in);

    if (!in) return NULL;
    *in = (struct intake){
        .job = t->job,
        .recipe_hash = t->recipe,
        .body = co_bytes_ref(body),
        .refs = 1, /* ours until all tasks are in */
        .owner = t->owner,
        .service = service,
        .run_ms = t->run_ms,
        .stall_ms = t->stall_ms,
        .expires_us =
            t->total_ms ? now_us + (int64_t)t->total_ms * 1000 : INT64_MAX,
        .alone = t->alone != 0,
    };
    if (t->recipe && s->config.assets) {
        (void)assets_get(s->config.assets, t->recipe, &in->recipe);
    }
    return in;
}

/* The tasks that the grant covers; the rest goes back as FULL. Honest brokers
 * never exceed it. */
static uint32_t
count_covered(struct slots *s, struct credit *c, uint32_t n)
{
    uint64_t free = c->granted - c->returned;
    uint32_t covered;

    free = free > c->received ? free - c->received : 0;
    covered = (uint32_t)co_min_u64(free, n);
    c->received += n;
    s->counters.over_credit += n - covered;
    return covered;
}

/* Takes the tasks of one batch over; false: CO_FULL or no memory from here. */
static bool
take_one(struct slots *s, uint32_t link, struct intake *in, uint64_t task,
         uint32_t attempt, uint32_t offset, uint32_t len, bool park)
{
    uint32_t index;

    if (answer_held(s, link, in->job, task, attempt) == ANSWER_IGNORE) {
        return true;
    }
    if (slots_held_add(s, in->job, task, attempt, link, &index)) return false;
    struct held *h = &s->pool[index];
    h->intake = in;
    h->offset = offset;
    h->len = len;
    in->refs++;
    slots_held_apply(s, index, park ? SLOTS_EV_PARK : SLOTS_EV_TAKE);
    return true;
}

static void
take_batch(struct slots *s, uint32_t link, const struct msg_tasks *t,
           struct intake *in, uint32_t covered)
{
    bool park = in->recipe_hash && !in->recipe.chunk;
    uint32_t offset = 0;

    for (uint32_t i = 0; i < t->tasks.n; i++) {
        uint32_t len = msg_at(t->lens, i);
        uint32_t attempt = msg_at(t->attempts, i);

        if (i >= covered ||
            !take_one(s, link, in, t->tasks.v[i], attempt, offset, len, park)) {
            s->counters.refused_full++;
            slots_return_raw(s, link, t->job, t->tasks.v[i], attempt,
                             RETURN_FULL, SLOTS_FULL_RETRY_MS);
        }
        offset += len;
    }
}

/* -- suspects ------------------------------------------------------------
 * A broker promises that its suspect is alone here as far as it knows. What
 * other brokers sent it does not know of: a death by one of their tasks would
 * convict the suspect, and its own death strike them. */

/* Tasks that are here and not done, but for attempts of the suspect itself. */
static uint32_t
others_active(const struct slots *s, const struct msg_tasks *t)
{
    uint32_t n = s->lists[SLOTS_PARKED].n + s->lists[SLOTS_QUEUED].n +
                 s->lists[SLOTS_RUNNING].n + s->lists[SLOTS_STOPPING].n +
                 s->lists[SLOTS_DROPPED].n;
    uint32_t i = n ? slots_held_find(s, t->job, t->tasks.v[0]) : SLOTS_NONE;

    for (; i != SLOTS_NONE; i = slots_held_again(s, i)) {
        n -= slots_is_active(s->pool[i].state);
    }
    return n;
}

/* What waits here goes back, and for a while nobody else gets anything in: a
 * worker that several brokers keep busy would never be empty otherwise. */
static void
make_way(struct slots *s, uint32_t link, int64_t now_us)
{
    if (s->suspects) return; /* one at a time: that one stays */
    s->court_link = (uint8_t)link;
    s->court_until_us = now_us + SLOTS_COURT_US;
    slots_return_queued(s, RETURN_FULL);
    slots_return_list(s, SLOTS_PARKED, RETURN_FULL);
}

/* Whether these tasks must not come in beside what is here. */
static bool
must_stay_out(struct slots *s, uint32_t link, const struct msg_tasks *t,
              int64_t now_us)
{
    if (CO_BUG(two_suspects)) return false;
    if (t->alone && t->tasks.n && others_active(s, t)) {
        make_way(s, link, now_us);
        return true;
    }
    if (s->suspects) return link != s->suspect_link;
    return now_us < s->court_until_us && link != s->court_link;
}

void
slots_on_tasks(struct slots *s, uint32_t link, const struct msg_tasks *t,
               struct co_bytes body, int64_t now_us, struct outbox *out)
{
    struct link *l = &s->links[link];
    uint32_t service = slots_service_of(s, t->service, t->provider), covered;
    bool wrong = t->fingerprint && t->fingerprint != s->config.fingerprint;

    s->counters.tasks += t->tasks.n;
    l->tasks_us = now_us;
    if (service == s->config.n_services) { /* never granted */
        s->counters.over_credit += t->tasks.n;
        return_all(s, link, t, RETURN_FULL, SLOTS_FULL_RETRY_MS);
        return;
    }
    covered = count_covered(s, &l->credit[service], t->tasks.n);
    if (s->draining) {
        return_all(s, link, t, RETURN_DRAIN, 0);
        return;
    }
    if (must_stay_out(s, link, t, now_us)) {
        return_all(s, link, t, RETURN_FULL, SLOTS_FULL_RETRY_MS);
        return;
    }
    if (wrong || (t->recipe && !s->config.assets)) {
        return_all(s, link, t, RETURN_NO_RECIPE, 0);
        return;
    }
    struct intake *in =
        s->full ? NULL : intake_new(s, service, t, body, now_us);
    if (!in) {
        s->counters.refused_full += t->tasks.n;
        return_all(s, link, t, RETURN_FULL, SLOTS_FULL_RETRY_MS);
        return;
    }
    if (t->recipe && !in->recipe.chunk &&
        assets_want(s->config.assets, t->recipe, t->job, link, now_us, out)) {
        return_all(s, link, t, RETURN_FULL, SLOTS_FULL_RETRY_MS);
    } else {
        take_batch(s, link, t, in, covered);
    }
    slots_intake_unref(in);
}

/* -- recipes ------------------------------------------------------------- */
/* All parked tasks that wait for hash: on, or back. */
static void
unpark(struct slots *s, uint64_t hash, struct co_bytes recipe)
{
    uint32_t i = s->lists[SLOTS_PARKED].first, next;

    for (; i != SLOTS_NONE; i = next) {
        struct intake *in = s->pool[i].intake;

        next = s->pool[i].next;
        if (in->recipe_hash != hash) continue;
        if (!recipe.chunk) {
            slots_return_held(s, i, RETURN_NO_RECIPE);
            continue;
        }
        if (!in->recipe.chunk) in->recipe = co_bytes_ref(recipe);
        slots_held_apply(s, i, SLOTS_EV_READY);
    }
}

void
slots_on_blob(struct slots *s, const struct msg_blob *b, struct co_bytes body,
              int64_t now_us, struct outbox *out)
{
    struct co_bytes recipe = {0};
    enum co_err err;

    if (!s->config.assets) {
        s->counters.bad++;
        return;
    }
    err = assets_on_blob(s->config.assets, b, body, now_us, out);
    if (err == CO_AGAIN || err == CO_STATE) return; /* more, or not asked */
    if (!err) (void)assets_get(s->config.assets, b->hash, &recipe);
    unpark(s, b->hash, recipe);
    co_bytes_unref(&recipe);
}
