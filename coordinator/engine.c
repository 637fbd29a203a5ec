/* engine.c - life of the engine, links and credit.
 * What a link was believed to hold when it went down is neither lost nor
 * held: it is adrift. Publishing it again at once was rejected, since a short
 * break of one link would then double the whole window; waiting for ever
 * would stop the job with that broker. */
#include "common/bug.h"
#include "common/hash.h"
#include "coordinator/engine_core.h"

#include <stdlib.h>

enum {
    ADRIFT_FREE_US = 2000000,
    ADRIFT_PAID_US = 60000000,
    COMPARE_AFTER_US = 30000000,
    COMPARE_HOLD_US = 5000000, /* a broker that does not answer is gone then */
    FULL_HOLD_US = 50000, /* a broker that said FULL gets nothing so long */
    /* Workers are back at a broker that restarted within a second (they try
     * every 100 ms); owners come with what is left at different times. */
    SETTLE_FREE_US = 1000000,
    SETTLE_SPREAD_US = 250000,
};

/* -- life ----------------------------------------------------------------- */

static enum co_err
options_check(struct engine_options *o)
{
    if (!o->batch) o->batch = BATCH_DEFAULT;
    if (!o->window) o->window = WINDOW_DEFAULT;
    if (!o->provider) o->provider = "";
    if (!o->job || !o->owner || o->batch > BATCH_MAX ||
        o->window > ENGINE_LIVE_MAX) {
        return CO_INVALID;
    }
    return CO_OK;
}

static enum co_err
engine_allocate(struct engine *e)
{
    e->pending = calloc(ENGINE_PENDING_MAX, sizeof(*e->pending));
    e->acks = calloc(ACK_WORKERS, sizeof(*e->acks));
    e->reader = calloc(1, sizeof(*e->reader));
    e->cases = calloc(1, sizeof(*e->cases));
    if (!e->cases || !e->pending || !e->acks || !e->reader) return CO_NOMEM;
    /* at once: a note that memory was too short for would be lost */
    if (e->kind->note && !co_buf_reserve(&e->note, KIND_NOTE_BYTES_MAX)) {
        return CO_NOMEM;
    }
    return engine_tasks_init(&e->tasks);
}

enum co_err
engine_new(const struct engine_options *options, const struct job_kind *kind,
           void *state, struct outbox *out, struct engine **ret_engine)
{
    co_auto(engine_freep) struct engine *e = NULL;
    struct engine_options checked = *options;
    enum co_err err;

    err = options_check(&checked);
    if (err) return err;
    e = calloc(1, sizeof(*e));
    if (!e) return CO_NOMEM;
    e->options = checked;
    e->kind = kind;
    e->state = state;
    e->out = out;
    e->why = ENGINE_WHY_NO_LINK;
    e->kind_due_us = INT64_MAX;
    co_buf_init(&e->body, BODY_BYTES_MAX);
    co_buf_init(&e->note, KIND_NOTE_BYTES_MAX);
    for (unsigned i = 0; i < ENGINE_LINKS_MAX; i++) {
        e->links[i].settle_us = e->links[i].adrift_us = INT64_MAX;
    }
    err = engine_allocate(e);
    if (err) return err;
    *ret_engine = co_take(&e);
    return CO_OK;
}

void
engine_free(struct engine *e)
{
    if (!e) return;
    for (uint64_t m = e->done; e->pending && m < e->made; m++) {
        co_bytes_unref(&PENDING(e, m)->head);
        co_bytes_unref(&PENDING(e, m)->body);
        co_bytes_unref(&PENDING(e, m)->letter);
    }
    free(e->cases);
    engine_tasks_fini(&e->tasks);
    co_buf_fini(&e->body);
    co_buf_fini(&e->note);
    free(e->pending);
    free(e->acks);
    free(e->reader);
    free(e);
}

/* -- tasks on links ------------------------------------------------------- */

void
engine_move(struct engine *e, uint32_t i, enum task_state state)
{
    struct task *task = &e->tasks.v[i];

    if (task->state == TASK_OUT) e->links[task->link].out--;
    engine_tasks_set(&e->tasks, i, state);
}

void
engine_put_out(struct engine *e, uint32_t i, unsigned link)
{
    struct task *task = &e->tasks.v[i];

    engine_move(e, i, TASK_OUT); /* takes it off the link it was out on */
    task->link = (uint8_t)link;
    task->epoch = e->links[link].epoch;
    e->links[link].out++;
}

void
engine_cancel(struct engine *e, unsigned link, const uint64_t *ids, uint32_t n,
              bool unsent)
{
    struct msg m = {.type = MSG_cancel};

    e->n.cancelled += n;
    if (!e->links[link].attached || e->stale) return;
    m.cancel.job = e->options.job;
    m.cancel.owner = e->options.owner;
    m.cancel.tasks = (struct msg_u64s){ids, n};
    m.cancel.unsent = unsent;
    outbox_push(e->out, ENGINE_SIDE_BROKER, link, &m, (struct co_bytes){0});
}

/* What the link held before its present attachment, and what has not been
 * named since, is published again. */
static void
republish_doubtful(struct engine *e, unsigned link, int64_t now_us)
{
    const struct link *l = &e->links[link];

    for (uint32_t i = 0; l->out && i < e->tasks.top; i++) {
        const struct task *task = &e->tasks.v[i];

        if (task->state != TASK_OUT || task->link != link) continue;
        if (l->attached &&
            (task->epoch == l->epoch || CO_BUG(doubtful_not_republished))) {
            continue;
        }
        if (!l->attached && now_us - l->down_us < ADRIFT_PAID_US &&
            engine_is_once(e, task->id)) {
            continue;
        }
        if (l->comparing) e->n.reconciled++;
        if (!engine_once_unheard(e, i, now_us)) {
            engine_again(e, i, now_us, now_us);
        }
    }
}

/* Tasks out on a link that is not attached are not waited for for ever. A kind
 * may have both sorts: then those that cost nothing go first. */
static void
set_adrift(struct engine *e, unsigned link, int64_t now_us)
{
    struct link *l = &e->links[link];
    bool all_paid = e->kind->paid && !e->kind->once;

    if (l->attached || !l->out || l->adrift_us != INT64_MAX) return;
    l->down_us = now_us;
    l->adrift_us = now_us + (all_paid ? ADRIFT_PAID_US : ADRIFT_FREE_US);
}

/* A link stayed away for that long. */
static void
adrift_is_over(struct engine *e, unsigned link, int64_t now_us)
{
    struct link *l = &e->links[link];

    l->adrift_us = INT64_MAX;
    if (l->attached) return;
    republish_doubtful(e, link, now_us);
    if (l->out) l->adrift_us = l->down_us + ADRIFT_PAID_US;
}

/* -- attaching ------------------------------------------------------------ */

static bool
link_known(struct engine *e, unsigned link)
{
    if (link < ENGINE_LINKS_MAX) return true;
    e->n.unknown++;
    return false;
}

/* A broker holds this task: it is out there, whatever was believed. */
static bool
adopt(struct engine *e, unsigned link, uint64_t id, uint32_t attempt)
{
    uint32_t i = engine_tasks_find(&e->tasks, id);
    struct task *task;

    if (i == TASK_NONE) {
        if (engine_tasks_live(&e->tasks) >= ENGINE_LIVE_MAX) return true;
        if (!e->kind->adopt(e->state, id)) return false;
        i = engine_tasks_add(&e->tasks, id, false);
    }
    task = &e->tasks.v[i];
    if (task->state == TASK_TAKEN || task->state == TASK_DYING) return true;
    if (task->state == TASK_OUT && task->link != link &&
        e->links[task->link].attached) {
        return true; /* two brokers hold it: the first result counts */
    }
    /* An older attempt proves nothing about the one in force. */
    if (attempt < task->attempt) return true;
    if (task->state == TASK_OUT && task->link == link) { /* as believed */
        task->attempt = (uint16_t)co_min_u64(attempt, UINT16_MAX);
        task->epoch = e->links[link].epoch;
        return true;
    }
    engine_guilt_found(e, i);
    task->attempt = (uint16_t)co_min_u64(attempt, UINT16_MAX);
    engine_put_out(e, i, link);
    e->n.adopted++;
    return true;
}

/* The i-th value of a "one or n" array that may be missing or wrong. */
static uint32_t
nth(struct msg_u32s a, uint32_t n, uint32_t i, uint32_t otherwise)
{
    return a.n && (a.n == 1 || a.n == n) ? msg_at(a, i) : otherwise;
}

void
engine_on_inventory(struct engine *e, unsigned link,
                    const struct msg_inventory *inventory, int64_t now_us)
{
    const uint32_t n = inventory->tasks.n;
    uint64_t unwanted[BATCH_MAX];
    uint32_t count = 0;

    if (!link_known(e, link)) return;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t job = e->options.job;
        uint32_t attempt = nth(inventory->attempts, n, i, 1);
        bool done = nth(inventory->states, n, i, HELD_QUEUED) == HELD_DONE;

        if (inventory->jobs.n) {
            job = inventory->jobs.v[inventory->jobs.n == n ? i : 0];
        }
        if (job != e->options.job) continue;
        if (adopt(e, link, inventory->tasks.v[i], attempt)) continue;
        e->n.not_adopted++;
        if (!done && count < BATCH_MAX) {
            unwanted[count++] = inventory->tasks.v[i];
        }
    }
    /* a result that is only waiting to be sent needs no CANCEL: it will be
     * acknowledged as a duplicate */
    if (count) engine_cancel(e, link, unwanted, count, false);
    set_adrift(e, link, now_us); /* ATTACHED may never come */
}

/* How long the workers of a broker that restarted have for saying what they
 * hold, before it is given out again; 0: nothing is in doubt. A paid call is
 * not made twice for a worker that is slow to come back, so that kind waits
 * as long as the broker says; for others that would cost more than it saves. */
static int64_t
settle_for_us(const struct engine *e, const struct link *l,
              const struct msg_attached *attached)
{
    int64_t us = (int64_t)attached->settle_ms * 1000;

    if (e->kind->paid) return e->options.resumed || l->out ? us : 0;
    if (!l->out || !us) return 0;
    if (us > SETTLE_FREE_US) us = SETTLE_FREE_US;
    return us + (int64_t)(co_mix64(e->options.job) % SETTLE_SPREAD_US);
}

/* The broker has named all that it and its workers hold. */
static void
link_is_known(struct engine *e, unsigned link, int64_t now_us)
{
    republish_doubtful(e, link, now_us);
    engine_stop_attached(e, link);
}

void
engine_on_attached(struct engine *e, unsigned link,
                   const struct msg_attached *attached, int64_t now_us)
{
    struct link *l;
    int64_t settle_us;

    if (!link_known(e, link)) return;
    if (attached->job != e->options.job ||
        attached->owner != e->options.owner) {
        e->n.unknown++;
        return;
    }
    l = &e->links[link];
    l->attached = true;
    /* the broker counts from ATTACH on; its CREDIT comes after ATTACHED */
    l->granted = l->returned = l->published = 0;
    l->adrift_us = INT64_MAX;
    settle_us = settle_for_us(e, l, attached);
    l->settling = settle_us > 0;
    l->settle_us = l->settling ? now_us + settle_us : INT64_MAX;
    l->news_us = now_us;
    if (l->comparing) l->hold_us = 0;
    if (!l->settling) link_is_known(e, link, now_us);
    l->comparing = false;
}

/* Messages keep their order on a link: what the broker names, and what comes
 * before that, is all there is. Only tasks that nobody spoke of for a while
 * are worth it; long ones cost an INVENTORY every half minute. */
unsigned
engine_next_compare(struct engine *e, int64_t now_us)
{
    for (unsigned link = 0; link < ENGINE_LINKS_MAX; link++) {
        struct link *l = &e->links[link];

        if (!l->attached || l->settling || !l->out) continue;
        if (now_us - l->news_us < COMPARE_AFTER_US) continue;
        l->news_us = now_us;
        l->comparing = true;
        l->epoch++;
        l->hold_us = now_us + COMPARE_HOLD_US;
        e->n.compared++;
        return link;
    }
    return ENGINE_LINKS_MAX;
}

void
engine_on_settled(struct engine *e, unsigned link, int64_t now_us)
{
    struct link *l;

    if (!link_known(e, link)) return;
    l = &e->links[link];
    if (!l->settling) return;
    l->settling = false;
    l->settle_us = INT64_MAX;
    link_is_known(e, link, now_us);
}

void
engine_on_malformed(struct engine *e)
{
    e->n.malformed++;
}

void
engine_on_flood(struct engine *e)
{
    e->n.floods++;
}

void
engine_on_link_down(struct engine *e, unsigned link, int64_t now_us)
{
    struct link *l;

    if (!link_known(e, link) || CO_BUG(link_down_ignored)) return;
    l = &e->links[link];
    if (l->attached) e->n.link_downs++;
    l->attached = l->settling = false;
    l->settle_us = INT64_MAX;
    l->granted = l->returned = l->published = 0;
    l->hold_us = 0;
    l->comparing = false;
    l->epoch++;
    set_adrift(e, link, now_us);
}

/* -- credit --------------------------------------------------------------- */

uint64_t
engine_link_credit(const struct link *l)
{
    uint64_t used = l->returned + l->published;

    return used < l->granted + CO_BUG(over_credit)
               ? l->granted + CO_BUG(over_credit) - used
               : 0;
}

/* A broker that knows no provider in ATTACH names none. */
static bool
about_this_job(const struct engine *e, uint64_t job, struct msg_str service,
               struct msg_str provider)
{
    return (!job || job == e->options.job) &&
           msg_str_is(service, e->kind->service(e->state)) &&
           (!provider.len || msg_str_is(provider, e->options.provider));
}

void
engine_on_credit(struct engine *e, unsigned link,
                 const struct msg_credit *credit)
{
    struct link *l;

    if (!link_known(e, link)) return;
    l = &e->links[link];
    if (!about_this_job(e, credit->job, credit->service, credit->provider)) {
        e->n.unknown++;
        return;
    }
    if (credit->granted < l->granted) {
        e->n.credit_odd++; /* a grant is never lowered: an old message */
    } else {
        l->granted = credit->granted;
    }
}

void
engine_on_reclaim(struct engine *e, unsigned link,
                  const struct msg_reclaim *reclaim)
{
    const char *service = e->kind->service(e->state);
    struct msg m = {.type = MSG_reclaimed};
    struct link *l;

    if (!link_known(e, link)) return;
    l = &e->links[link];
    /* Between ATTACH and ATTACHED it is about a count that ended with our
     * ATTACH: the answer would come behind that, and go into the new one. */
    if (!l->attached || l->comparing ||
        !about_this_job(e, reclaim->job, reclaim->service, reclaim->provider)) {
        e->n.unknown++;
        return;
    }
    l->returned += co_min_u64(reclaim->count, engine_link_credit(l));
    m.reclaimed.service = msg_text(service);
    m.reclaimed.returned = l->returned;
    m.reclaimed.provider = msg_text(e->options.provider);
    if (CO_BUG(reclaimed_used)) l->returned = 0;
    m.reclaimed.job = e->options.job;
    outbox_push(e->out, ENGINE_SIDE_BROKER, link, &m, (struct co_bytes){0});
}

/* -- answers to TASKS ----------------------------------------------------- */

/* A grant that was not used up by its task. */
static void
grant_back(struct engine *e, unsigned link)
{
    if (e->links[link].published) {
        e->links[link].published--;
    } else {
        e->n.credit_odd++;
    }
}

void
engine_on_unsent(struct engine *e, unsigned link, const struct msg_tasks *tasks,
                 int64_t now_us)
{
    if (!link_known(e, link)) return;
    for (uint32_t t = 0; t < tasks->tasks.n; t++) {
        uint32_t i = engine_tasks_find(&e->tasks, tasks->tasks.v[t]);

        if (i == TASK_NONE || e->tasks.v[i].state != TASK_OUT ||
            e->tasks.v[i].link != link ||
            e->tasks.v[i].attempt != msg_at(tasks->attempts, t)) {
            continue;
        }
        e->n.unsent++;
        engine_again(e, i, now_us, now_us);
    }
}

void
engine_on_have(struct engine *e, unsigned link, const struct msg_have *have)
{
    if (!link_known(e, link)) return;
    if (have->job != e->options.job ||
        !msg_one_or_n(have->attempts, have->tasks.n)) {
        e->n.malformed++;
        return;
    }
    for (uint32_t h = 0; h < have->tasks.n; h++) {
        uint32_t i = engine_tasks_find(&e->tasks, have->tasks.v[h]);
        uint32_t attempt = msg_at(have->attempts, h);

        e->n.have++;
        if (i == TASK_NONE || e->tasks.v[i].state != TASK_OUT) continue;
        if (e->tasks.v[i].link == link && attempt > e->tasks.v[i].attempt) {
            e->tasks.v[i].attempt = (uint16_t)co_min_u64(attempt, UINT16_MAX);
        }
    }
}

static void
refused_full(struct engine *e, unsigned link, const struct msg_u64s *ids,
             int64_t now_us)
{
    e->links[link].hold_us = now_us + FULL_HOLD_US;
    for (uint32_t r = 0; r < ids->n; r++) {
        uint32_t i = engine_tasks_find(&e->tasks, ids->v[r]);

        e->n.refused_full++;
        grant_back(e, link);
        if (i == TASK_NONE) continue;
        if (e->tasks.v[i].state != TASK_OUT || e->tasks.v[i].link != link) {
            continue;
        }
        engine_again(e, i, now_us, now_us + FULL_HOLD_US);
    }
}

void
engine_on_refused(struct engine *e, unsigned link,
                  const struct msg_refused *refused, int64_t now_us)
{
    if (!link_known(e, link)) return;
    if (refused->job && refused->job != e->options.job) {
        e->n.unknown++;
        return;
    }
    if (msg_str_is(refused->code, co_err_name(CO_STALE))) {
        e->n.refused_stale++;
        /* a broker that answers an older life of this owner is no proof */
        if (!refused->owner || refused->owner > e->options.owner) {
            e->stale = true;
        }
    } else if (msg_str_is(refused->code, co_err_name(CO_FULL)) &&
               refused->tasks.n) {
        refused_full(e, link, &refused->tasks, now_us);
    } else {
        e->n.refused_other++;
    }
}

bool
engine_stale(const struct engine *e)
{
    return e->stale;
}

/* -- time ----------------------------------------------------------------- */

void
engine_tick(struct engine *e, int64_t now_us)
{
    for (uint32_t i = engine_tasks_first_due(&e->tasks);
         i != TASK_NONE && e->tasks.v[i].due_us <= now_us &&
         !CO_BUG(retry_never_due);
         i = engine_tasks_first_due(&e->tasks)) {
        engine_task_due(e, i, now_us);
    }
    for (unsigned link = 0; link < ENGINE_LINKS_MAX; link++) {
        struct link *l = &e->links[link];

        if (l->hold_us <= now_us) l->hold_us = 0;
        if (l->settle_us <= now_us) engine_on_settled(e, link, now_us);
        if (l->adrift_us <= now_us) adrift_is_over(e, link, now_us);
    }
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t
engine_due_us(const struct engine *e)
{
    uint32_t first = engine_tasks_first_due(&e->tasks);
    int64_t due = e->kind_due_us;

    if (first != TASK_NONE) due = earlier(due, e->tasks.v[first].due_us);
    for (unsigned link = 0; link < ENGINE_LINKS_MAX; link++) {
        const struct link *l = &e->links[link];

        due = earlier(due, earlier(l->settle_us, l->adrift_us));
        if (l->attached && engine_link_credit(l) && l->hold_us) {
            due = earlier(due, l->hold_us);
        }
    }
    return due;
}

/* -- questions ------------------------------------------------------------ */

enum kind_state
engine_done(const struct engine *e)
{
    enum kind_state state = e->kind->done(e->state);

    /* tasks may still be out (surplus); what is with the journal must come
     * back first, for its ACK */
    return e->done == e->made ? state : KIND_RUNNING;
}

const struct engine_counters *
engine_counters(const struct engine *e)
{
    return &e->n;
}

void
engine_status(const struct engine *e, struct engine_status *ret_status)
{
    const struct tasks *t = &e->tasks;
    uint32_t first = engine_tasks_first_due(t);

    *ret_status = (struct engine_status){
        .why = e->why,
        .kind = e->next,
        .out = t->count[TASK_OUT],
        .ready = t->count[TASK_READY],
        .waiting = t->count[TASK_WAITING],
        .doubted = t->doubted,
        .taken = t->count[TASK_TAKEN] + t->count[TASK_DYING],
        .pending = (uint32_t)(e->made - e->done),
        .stalled_us = e->stalled_us,
        .next_retry_us = first == TASK_NONE ? INT64_MAX : t->v[first].due_us,
    };
    for (unsigned i = 0; i < ENGINE_LINKS_MAX; i++) {
        ret_status->credit += engine_link_credit(&e->links[i]);
    }
}
