/* engine_publish.c - what goes out in a turn: acknowledgements first (they
 * free workers), withdrawals, then tasks as far as credit and window go.
 * Repetitions go before new tasks: the oldest undecided candidate holds back
 * everything behind it. */
#include "common/bug.h"
#include "coordinator/engine_core.h"

#include <string.h>

enum { ALONE_OUT_MAX = 8 }; /* suspects out at once: each stops a worker */

/* A batch being made for one link. */
struct batch {
    unsigned link;
    uint32_t n;
    bool alone;
    const char *provider;        /* of all its tasks; NULL: none is in it yet */
    bool same_attempt, same_len; /* one value stands for all */
    uint64_t ids[BATCH_MAX];
    uint32_t attempts[BATCH_MAX];
    uint32_t lens[BATCH_MAX];
};

static void
send_batch(struct engine *e, struct batch *b)
{
    const struct engine_options *o = &e->options;
    struct msg m = {.type = MSG_tasks};
    struct co_bytes body = {0};

    if (!b->n) return;
    if (co_bytes_copy(e->body.data, e->body.len, &body) != CO_OK) {
        /* they stay OUT in the books; a lost link would do the same, so give
         * them back the same way */
        e->why = ENGINE_WHY_NOMEM;
        for (uint32_t t = 0; t < b->n; t++) {
            engine_move(e, engine_tasks_find(&e->tasks, b->ids[t]), TASK_READY);
        }
        b->n = 0;
        co_buf_clear(&e->body);
        return;
    }
    m.tasks.job = o->job;
    m.tasks.owner = o->owner;
    m.tasks.service = msg_text(e->kind->service(e->state));
    m.tasks.tasks = (struct msg_u64s){b->ids, b->n};
    m.tasks.attempts =
        (struct msg_u32s){b->attempts, b->same_attempt ? 1 : b->n};
    m.tasks.lens = (struct msg_u32s){b->lens, b->same_len ? 1 : b->n};
    m.tasks.recipe = o->recipe;
    m.tasks.fingerprint = o->fingerprint;
    m.tasks.wait_ms = o->wait_ms;
    m.tasks.run_ms = o->run_ms;
    m.tasks.total_ms = o->total_ms;
    m.tasks.stall_ms = o->stall_ms;
    m.tasks.cost = o->cost;
    m.tasks.alone = b->alone;
    m.tasks.provider = msg_text(b->provider);
    outbox_push(e->out, ENGINE_SIDE_BROKER, b->link, &m, body);
    e->links[b->link].published += b->n;
    e->n.published += b->n;
    e->n.messages_out++;
    b->n = 0;
    co_buf_clear(&e->body);
}

static void
batch_start(struct batch *b, unsigned link, bool alone)
{
    b->link = link;
    b->n = 0;
    b->alone = alone;
    b->provider = NULL;
    b->same_attempt = b->same_len = true;
}

enum added { ADDED, ADDED_NOT_WANTED, ADDED_NO_ROOM };

/* A message is for one lane. */
static bool
is_of_lane(const struct engine *e, struct batch *b, uint32_t i)
{
    const char *provider = engine_provider(e, e->tasks.v[i].id);

    if (!b->provider) b->provider = provider;
    return b->provider == provider || strcmp(b->provider, provider) == 0;
}

/* Puts a READY task into the batch. */
static enum added
batch_add(struct engine *e, struct batch *b, uint32_t i)
{
    struct task *task = &e->tasks.v[i];
    size_t before = e->body.len;

    if (!e->kind->payload(e->state, task->id, &e->body)) {
        e->n.unwanted++;
        engine_tasks_set(&e->tasks, i, TASK_FREE);
        return ADDED_NOT_WANTED;
    }
    if (e->body.err) { /* over 4 MiB, or no memory: what stands is whole */
        e->body.err = CO_OK;
        e->body.len = before;
        return ADDED_NO_ROOM;
    }
    if (task->attempt < UINT16_MAX) task->attempt++;
    if (task->assigned < UINT16_MAX) task->assigned++;
    task->lost_last = task->lone_last = false;
    b->ids[b->n] = task->id;
    b->attempts[b->n] = task->attempt;
    b->lens[b->n] = (uint32_t)(e->body.len - before);
    b->same_attempt &= b->attempts[b->n] == b->attempts[0];
    b->same_len &= b->lens[b->n] == b->lens[0];
    b->n++;
    engine_put_out(e, i, b->link);
    return ADDED;
}

/* A READY task to publish next: a repetition, or a new one from the kind.
 * TASK_NONE: none, and e->why says why. */
static uint32_t
next_task(struct engine *e, int64_t now_us)
{
    uint64_t id;
    uint32_t i = e->tasks.ready[false].first;

    if (i != TASK_NONE) return i;
    if (engine_tasks_live(&e->tasks) >= ENGINE_LIVE_MAX) {
        e->why = ENGINE_WHY_TABLE;
        return TASK_NONE;
    }
    e->next = e->kind->next(e->state, now_us, &id, &e->kind_due_us);
    if (e->next != KIND_NEXT_TASK) {
        e->why = ENGINE_WHY_KIND;
        if (e->next != KIND_NEXT_RATE && e->next != KIND_NEXT_LATER) {
            e->kind_due_us = INT64_MAX;
        }
        return TASK_NONE;
    }
    e->kind_due_us = INT64_MAX;
    /* an entry with this id means that a result of an earlier life is being
     * committed; the kind knows that and does not give it out */
    i = engine_tasks_add(&e->tasks, id, false);
    co_assert(i != TASK_NONE);
    return i;
}

/* With a paid kind a broker that restarted gets nothing before its workers
 * have said what they hold: an earlier owner may have published anything. Else
 * only what was published on the link waits for that. */
static bool
link_open(const struct engine *e, const struct link *l, int64_t now_us)
{
    return l->attached && (!l->settling || !e->kind->paid) &&
           l->hold_us <= now_us && engine_link_credit(l) > 0;
}

/* How many more may be out. */
static uint32_t
window_left(const struct engine *e)
{
    uint32_t out = e->tasks.count[TASK_OUT];

    return out < e->options.window ? e->options.window - out : 0;
}

/* What could go out now on all links, after what is repeated. */
static void
tell_room(struct engine *e, int64_t now_us)
{
    uint64_t credit = 0, left = window_left(e);
    const uint64_t ready = e->tasks.ready[false].count;

    if (!e->kind->room) return;
    for (unsigned i = 0; i < ENGINE_LINKS_MAX; i++) {
        if (!link_open(e, &e->links[i], now_us)) continue;
        credit += engine_link_credit(&e->links[i]);
    }
    left = co_min_u64(left, credit);
    e->kind->room(e->state, left > ready ? (uint32_t)(left - ready) : 0);
}

/* Fills one batch of at most `most`; false: there was nothing to add. */
static bool
publish_batch(struct engine *e, struct batch *b, unsigned link, uint32_t most,
              int64_t now_us)
{
    enum added added = ADDED;

    batch_start(b, link, false);
    while (b->n < most && added != ADDED_NO_ROOM) {
        uint32_t i = next_task(e, now_us);

        if (i == TASK_NONE) break;
        if (!is_of_lane(e, b, i)) break; /* the next message begins with it */
        added = batch_add(e, b, i);
    }
    if (added == ADDED_NO_ROOM && !b->n) e->why = ENGINE_WHY_NOMEM;
    if (!b->n) return false;
    send_batch(e, b);
    return e->why != ENGINE_WHY_NOMEM;
}

/* The open link with the most credit, or ENGINE_LINKS_MAX. */
static unsigned
best_link(const struct engine *e, int64_t now_us)
{
    unsigned best = ENGINE_LINKS_MAX;

    for (unsigned i = 0; i < ENGINE_LINKS_MAX; i++) {
        if (!link_open(e, &e->links[i], now_us)) continue;
        if (best == ENGINE_LINKS_MAX ||
            engine_link_credit(&e->links[i]) >
                engine_link_credit(&e->links[best])) {
            best = i;
        }
    }
    return best;
}

static void
no_link_why(struct engine *e)
{
    bool attached = false, settling = false;

    for (unsigned i = 0; i < ENGINE_LINKS_MAX; i++) {
        bool settles = e->links[i].settling && e->kind->paid;

        attached |= e->links[i].attached && !settles;
        settling |= settles;
    }
    e->why = attached   ? ENGINE_WHY_NO_CREDIT
             : settling ? ENGINE_WHY_SETTLING
                        : ENGINE_WHY_NO_LINK;
}

/* Suspects, one a message, so that a broker can give each its own worker. All
 * that are out at a time go by one broker: two would know nothing of each
 * other's and could choose the same worker. */
static void
publish_alone(struct engine *e, struct batch *b, int64_t now_us)
{
    while (e->tasks.ready[true].count && window_left(e)) {
        unsigned link = e->tasks.alone_out && !CO_BUG(two_suspects)
                            ? e->alone_link
                            : best_link(e, now_us);

        if (link == ENGINE_LINKS_MAX || e->tasks.alone_out >= ALONE_OUT_MAX ||
            !link_open(e, &e->links[link], now_us)) {
            return;
        }
        e->alone_link = link;
        batch_start(b, link, true);
        (void)is_of_lane(e, b, e->tasks.ready[true].first);
        e->tasks.v[e->tasks.ready[true].first].sent_us = now_us;
        if (batch_add(e, b, e->tasks.ready[true].first) == ADDED_NO_ROOM) {
            return;
        }
        send_batch(e, b);
    }
}

static void
publish_tasks(struct engine *e, struct batch *b, int64_t now_us)
{
    for (;;) {
        uint32_t left = window_left(e);
        unsigned link = best_link(e, now_us);
        uint64_t most;

        e->why = ENGINE_WHY_NONE;
        if (!left) {
            e->why = ENGINE_WHY_WINDOW;
            return;
        }
        if (link == ENGINE_LINKS_MAX) {
            no_link_why(e);
            return;
        }
        most = co_min_u64(engine_link_credit(&e->links[link]), left);
        most = co_min_u64(most, e->options.batch);
        tell_room(e, now_us);
        if (!publish_batch(e, b, link, (uint32_t)most, now_us)) return;
    }
}

/* Tells brokers about what the kind no longer needs, one message a link. */
static void
withdraw(struct engine *e, struct batch *b)
{
    uint64_t id;

    b->n = 0;
    while (e->kind->unwanted(e->state, &id)) {
        uint32_t i = engine_tasks_find(&e->tasks, id);

        e->n.unwanted++;
        if (i == TASK_NONE) continue;
        if (e->tasks.v[i].state == TASK_OUT) {
            if (b->n == BATCH_MAX || (b->n && b->link != e->tasks.v[i].link)) {
                engine_cancel(e, b->link, b->ids, b->n, false);
                b->n = 0;
            }
            b->link = e->tasks.v[i].link;
            b->ids[b->n++] = id;
        }
        engine_move(e, i, TASK_FREE);
    }
    if (b->n) engine_cancel(e, b->link, b->ids, b->n, false);
    b->n = 0;
}

/* A reason that explains more than "the kind has nothing". */
static void
refine_why(struct engine *e)
{
    if (e->why != ENGINE_WHY_KIND) return;
    if (e->kind->done(e->state) != KIND_RUNNING) {
        e->why = ENGINE_WHY_DONE;
    } else if (e->tasks.ready[true].count) {
        e->why = ENGINE_WHY_ALONE;
    } else if (e->tasks.count[TASK_WAITING] && !e->tasks.count[TASK_OUT]) {
        e->why = e->tasks.count[TASK_WAITING] > e->tasks.doubted
                     ? ENGINE_WHY_RETRY
                     : ENGINE_WHY_DOUBT;
    } else if (e->next == KIND_NEXT_INTENT) {
        return; /* what waits for the disk is not results only */
    } else if (e->done != e->made && !e->tasks.count[TASK_OUT]) {
        e->why = ENGINE_WHY_JOURNAL;
    }
}

/* Is there work that somebody could take, or has taken? Tasks that wait for
 * their time are none; what a kind would give out is not known before it is
 * asked, so a job counts when nothing of it is anywhere. */
static bool
has_work(const struct engine *e)
{
    const struct tasks *t = &e->tasks;

    if (e->stale || e->kind->done(e->state) != KIND_RUNNING) return false;
    if (t->ready[false].count || t->ready[true].count) return true;
    if (t->count[TASK_OUT]) return true;
    return !t->count[TASK_WAITING] && e->done == e->made &&
           e->why != ENGINE_WHY_KIND;
}

/* A job moves when tasks go out or results come in. */
static void
measure_stall(struct engine *e, int64_t now_us)
{
    uint64_t moves = e->n.published + e->n.messages_in;

    if (moves != e->moves || !has_work(e) || !e->moved_us) {
        e->moved_us = now_us;
    }
    e->moves = moves;
    e->stalled_us = now_us - e->moved_us;
}

void
engine_publish(struct engine *e, int64_t now_us)
{
    struct batch b;

    engine_flush_acks(e);
    withdraw(e, &b);
    engine_recall(e);
    if (e->stale) {
        e->why = ENGINE_WHY_STALE;
        return;
    }
    if (e->kind->tick) e->kind->tick(e->state, now_us);
    publish_alone(e, &b, now_us);
    publish_tasks(e, &b, now_us);
    engine_notes_take(e);
    refine_why(e);
    measure_stall(e, now_us);
}
