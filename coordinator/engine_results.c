/* engine_results.c - results: judged, journaled, committed, acknowledged.
 * One order a message: the message itself, verbatim, if anything in it is
 * new. A message that only repeats results still on their way to the disk is
 * acknowledged after them: an ACK before the commit would let the last worker
 * forget what a crash could still lose. So both wait in one ring, and the
 * commits, which come in order, move its tail. */
#include "common/bug.h"
#include "coordinator/engine_core.h"

#include <string.h>

/* -- acknowledging -------------------------------------------------------- */

static void
flush_group(struct engine *e, struct ack_group *g)
{
    struct msg m = {.type = MSG_ack};

    if (g->count && !e->stale && e->links[g->link].attached) {
        m.ack.job = e->options.job;
        m.ack.owner = e->options.owner;
        m.ack.worker = g->worker;
        m.ack.seqs = (struct msg_u64s){g->seqs, g->count};
        outbox_push(e->out, ENGINE_SIDE_BROKER, g->link, &m,
                    (struct co_bytes){0});
        e->n.acks += g->count;
    }
    g->count = 0;
}

static void
acknowledge(struct engine *e, uint64_t worker, unsigned link, uint64_t seq)
{
    struct ack_group *g = &e->acks[(worker ^ worker >> 32) % ACK_WORKERS];

    if (g->count == ACK_SEQS || g->worker != worker || g->link != link) {
        flush_group(e, g);
    }
    g->worker = worker;
    g->link = (uint8_t)link;
    g->seqs[g->count++] = seq + CO_BUG(ack_wrong_seq);
}

void
engine_flush_acks(struct engine *e)
{
    for (unsigned i = 0; i < ACK_WORKERS; i++) {
        flush_group(e, &e->acks[i]);
    }
}

/* -- the ring of pending messages ----------------------------------------- */

struct pending *
engine_pending_add(struct engine *e, uint64_t worker, uint64_t seq,
                   unsigned link)
{
    struct pending *p = PENDING(e, e->made);

    co_assert(e->made - e->done < ENGINE_PENDING_MAX);
    e->made++;
    *p = (struct pending){.worker = worker,
                          .seq = seq,
                          .first = TASK_NONE,
                          .link = (uint8_t)link};
    return p;
}

bool
engine_ring_is_full(const struct engine *e)
{
    return e->made - e->done + 1 >= ENGINE_PENDING_MAX;
}

bool
engine_next_order(struct engine *e, struct engine_order *ret_order)
{
    engine_notes_take(e);
    while (e->fetched < e->made) {
        struct pending *p = PENDING(e, e->fetched);
        uint64_t cookie = e->fetched++;

        if (!p->order) continue;
        *ret_order = (struct engine_order){.cookie = cookie,
                                           .head = p->head,
                                           .body = p->body,
                                           .note = p->note};
        p->head = p->body = (struct co_bytes){0};
        if (p->note) {
            e->n.notes++;
        } else {
            e->n.journaled++;
        }
        return true;
    }
    return false;
}

/* The tail of the ring: pops what waits for nothing any more. */
static void
pop_ack_only(struct engine *e)
{
    while (e->done < e->made && !PENDING(e, e->done)->order) {
        struct pending *p = PENDING(e, e->done);

        e->done++;
        if (e->fetched < e->done) e->fetched = e->done;
        acknowledge(e, p->worker, p->link, p->seq);
    }
}

static void
tell_dead(const struct engine *e, const uint8_t *letter, size_t len)
{
    if (len && e->options.dead) {
        e->options.dead(e->options.dead_ctx, letter, len);
    }
}

void
engine_on_committed(struct engine *e, uint64_t cookie, uint64_t segment,
                    uint32_t record, uint32_t body_inside, int64_t now_us)
{
    struct pending *p = PENDING(e, cookie);

    co_assert(cookie == e->done && cookie < e->fetched && p->order);
    for (uint32_t i = p->first, next; i != TASK_NONE; i = next) {
        struct task *task = &e->tasks.v[i];
        struct kind_place place = {segment, record, body_inside + task->inside,
                                   task->len};

        next = task->next;
        if (task->state == TASK_DYING) {
            e->kind->dead(e->state, task->id);
            e->n.dead++;
            tell_dead(e, p->letter.data, p->letter.len);
            co_bytes_unref(&p->letter);
        } else {
            e->kind->place(e->state, task->id, now_us, &place);
            e->n.committed++;
        }
        engine_tasks_set(&e->tasks, i, TASK_FREE);
    }
    e->done++;
    if (p->note) engine_notes_committed(e, p, now_us);
    if (p->revival && e->options.revived) {
        e->options.revived(e->options.dead_ctx, p->seq);
    }
    if (p->worker) acknowledge(e, p->worker, p->link, p->seq);
    pop_ack_only(e);
}

uint32_t
engine_results_room(const struct engine *e)
{
    uint64_t ring = ENGINE_PENDING_MAX - (e->made - e->done);
    uint64_t entries = e->tasks.count[TASK_FREE] / BATCH_MAX;

    if (engine_notes_crowded(e)) return 0;
    return (uint32_t)co_min_u64(ring, entries);
}

/* -- judging -------------------------------------------------------------- */

/* One message being judged. */
struct judgement {
    uint32_t first, last; /* accepted tasks */
    uint64_t worker;
    bool doubles_pending; /* repeats a result not yet committed */
};

static void
note_failure(struct engine *e, uint64_t id, uint64_t worker, const char *why,
             int64_t now_us)
{
    engine_case_note(e->cases, id, CASE_FAILED, worker, (const uint8_t *)why,
                     strlen(why), now_us);
}

static void
accept(struct engine *e, uint64_t id, uint32_t i, uint32_t attempt,
       uint32_t inside, uint32_t len, struct judgement *j)
{
    struct task *task;
    bool known = i != TASK_NONE;

    if (!known) i = engine_tasks_add(&e->tasks, id, false);
    co_assert(i != TASK_NONE); /* engine_results_room() */
    task = &e->tasks.v[i];
    if (!known || task->state != TASK_OUT || task->attempt != attempt) {
        e->n.salvaged++;
        if (task->state == TASK_OUT) {
            engine_cancel(e, task->link, &id, 1, false);
        }
    }
    engine_move(e, i, TASK_TAKEN);
    task->inside = inside;
    task->len = len;
    task->next = TASK_NONE;
    if (j->last == TASK_NONE) {
        j->first = i;
    } else {
        e->tasks.v[j->last].next = i;
    }
    j->last = i;
    e->n.accepted++;
}

/* The kind knows the task as over, so nobody need publish it again. */
static void
drop_decided(struct engine *e, uint32_t i)
{
    if (i != TASK_NONE) engine_move(e, i, TASK_FREE);
}

static void
judge_ok(struct engine *e, uint64_t id, uint32_t attempt, const uint8_t *data,
         uint32_t inside, uint32_t len, struct judgement *j, int64_t now_us)
{
    uint32_t i = engine_tasks_find(&e->tasks, id);
    uint8_t state = i == TASK_NONE ? TASK_FREE : e->tasks.v[i].state;

    if (state == TASK_TAKEN || state == TASK_DYING) {
        j->doubles_pending = true;
        e->n.duplicate++;
        return;
    }
    if (CO_BUG(no_salvage) && state == TASK_FREE) return;
    switch (e->kind->take(e->state, id, data + inside, len)) {
    case KIND_ACCEPTED:
        accept(e, id, i, attempt, inside, len, j);
        break;
    case KIND_DUPLICATE:
        e->n.duplicate++;
        drop_decided(e, i);
        break;
    case KIND_LATE:
        e->n.late++;
        drop_decided(e, i);
        break;
    case KIND_INVALID:
        e->n.invalid++;
        if (i != TASK_NONE && (state == TASK_OUT || e->tasks.v[i].doubted) &&
            e->tasks.v[i].attempt == attempt) {
            note_failure(e, id, j->worker, "the result was not what was asked",
                         now_us);
            engine_task_failed(e, i, now_us);
        }
        break;
    }
}

static void
judge_failed(struct engine *e, uint64_t id, uint32_t attempt, uint64_t worker,
             const uint8_t *why, uint32_t len, int64_t now_us)
{
    uint32_t i = engine_in_force(e, id, attempt);

    if (i == TASK_NONE) {
        e->n.stale_failed++;
        return;
    }
    e->n.failed++;
    engine_case_note(e->cases, id, CASE_FAILED, worker, why, len, now_us);
    engine_task_failed(e, i, now_us);
}

static enum co_err
check_message(struct engine *e, unsigned link, const struct msg_results *r,
              size_t body_len)
{
    e->n.messages_in++;
    if (link >= ENGINE_LINKS_MAX || !r->worker ||
        msg_check_results(r, body_len) != CO_OK) {
        e->n.malformed++;
        return CO_PROTOCOL;
    }
    if (r->job != e->options.job ||
        (e->options.fingerprint && r->fingerprint != e->options.fingerprint)) {
        e->n.foreign++;
        return CO_PROTOCOL;
    }
    return CO_OK;
}

static void
judge_all(struct engine *e, const struct msg_results *r, const uint8_t *body,
          struct judgement *j, int64_t now_us)
{
    uint32_t inside = 0;

    for (uint32_t t = 0; t < r->tasks.n; t++) {
        uint32_t len = msg_at(r->lens, t), attempt = msg_at(r->attempts, t);

        if (msg_at(r->statuses, t) == STATUS_OK) {
            judge_ok(e, r->tasks.v[t], attempt, body, inside, len, j, now_us);
        } else {
            judge_failed(e, r->tasks.v[t], attempt, r->worker,
                         len ? body + inside : NULL, len, now_us);
        }
        inside += len;
    }
}

enum co_err
engine_on_results(struct engine *e, unsigned link, const struct msg_results *r,
                  struct co_bytes head, struct co_bytes body, int64_t now_us)
{
    struct judgement j = {TASK_NONE, TASK_NONE, r->worker, false};
    struct pending *p;
    enum co_err err;

    if (e->stale) return CO_STALE;
    if (!engine_results_room(e)) return CO_FULL;
    err = check_message(e, link, r, body.len);
    if (err) return err;
    engine_guilt_heard(e, r->worker);
    e->links[link].news_us = now_us;
    engine_notes_take(e);
    e->judging = true;
    judge_all(e, r, body.data, &j, now_us);
    e->judging = false;
    if (j.first == TASK_NONE) {
        e->n.acks_only++;
        if (!j.doubles_pending || e->done == e->made ||
            CO_BUG(ack_double_early)) {
            acknowledge(e, r->worker, link, r->seq);
        } else if (e->made - e->done < ENGINE_PENDING_MAX) {
            engine_pending_add(e, r->worker, r->seq, link);
        }
        return CO_OK;
    }
    p = engine_pending_add(e, r->worker, r->seq, link);
    p->order = true;
    p->first = j.first;
    p->head = co_bytes_ref(head);
    p->body = co_bytes_ref(body);
    if (CO_BUG(ack_before_commit)) acknowledge(e, r->worker, link, r->seq);
    return CO_OK;
}

/* -- deaths ---------------------------------------------------------------
 * Journaled as a RESULTS message that no worker can send: worker 0, FAILED,
 * and the letter as payload. A death that is withdrawn: worker 0, OK, without
 * payload. Record types of their own would need a second path through the
 * journal, and RESULTS of open shards are read again from anywhere in it. */

/* Makes the header of such a message. */
static enum co_err
own_message(struct engine *e, uint64_t task, uint32_t status, uint32_t len,
            struct co_bytes *ret_head)
{
    static const uint32_t one = 1;
    struct msg m = {.type = MSG_results};
    struct co_buf buf;
    enum co_err err;

    m.results.job = e->options.job;
    m.results.owner = e->options.owner;
    m.results.tasks = (struct msg_u64s){&task, 1};
    m.results.attempts = (struct msg_u32s){&one, 1};
    m.results.statuses = (struct msg_u32s){&status, 1};
    m.results.lens = (struct msg_u32s){&len, 1};
    co_buf_init(&buf, HEAD_BYTES_MAX);
    msg_encode(&m, &buf);
    err = buf.err;
    if (!err) err = co_bytes_copy(buf.data, buf.len, ret_head);
    co_buf_fini(&buf);
    return err;
}

static enum co_err
make_letter(struct engine *e, uint32_t i, int64_t now_us,
            struct co_bytes *ret_letter)
{
    struct co_buf buf;
    enum co_err err;

    co_buf_init(&buf, LETTER_BYTES_MAX);
    err = engine_case_letter(e, i, now_us, &buf);
    if (!err) err = co_bytes_copy(buf.data, buf.len, ret_letter);
    co_buf_fini(&buf);
    return err;
}

enum co_err
engine_order_death(struct engine *e, uint32_t i, int64_t now_us)
{
    struct co_bytes head = {0}, letter = {0};
    struct pending *p;
    enum co_err err;

    if (CO_BUG(death_not_journaled)) {
        e->kind->dead(e->state, e->tasks.v[i].id);
        engine_move(e, i, TASK_FREE);
        return CO_OK;
    }
    if (!e->judging) engine_notes_take(e);
    if (engine_ring_is_full(e)) return CO_FULL;
    err = make_letter(e, i, now_us, &letter);
    if (!err) {
        err = own_message(e, e->tasks.v[i].id, STATUS_FAILED,
                          (uint32_t)letter.len, &head);
    }
    if (err) {
        co_bytes_unref(&letter);
        return err;
    }
    p = engine_pending_add(e, 0, 0, e->tasks.v[i].link);
    p->order = true;
    p->first = i;
    p->head = head;
    p->body = co_bytes_ref(letter);
    p->letter = letter;
    engine_move(e, i, TASK_DYING);
    e->tasks.v[i].next = TASK_NONE;
    return CO_OK;
}

enum co_err
engine_revive(struct engine *e, uint64_t task)
{
    struct co_bytes head = {0};
    struct pending *p;
    enum co_err err;

    engine_notes_take(e);
    if (engine_ring_is_full(e)) return CO_FULL;
    err = own_message(e, task, STATUS_OK, 0, &head);
    if (!err && (!e->kind->revive || !e->kind->revive(e->state, task))) {
        err = CO_STATE;
    }
    if (err) {
        co_bytes_unref(&head);
        return err;
    }
    /* what follows from it comes behind it in the journal */
    p = engine_pending_add(e, 0, 0, 0);
    p->order = p->revival = true;
    p->seq = task;
    p->head = head;
    e->n.revived++;
    return CO_OK;
}

/* -- replay --------------------------------------------------------------- */

static void
replay_task(struct engine *e, const struct msg_results *r, uint32_t t,
            const uint8_t *body, struct kind_place *place)
{
    uint64_t id = r->tasks.v[t];

    if (msg_at(r->statuses, t) != STATUS_OK) {
        if (r->worker || CO_BUG(replay_forgets_deaths)) {
            return; /* attempts start anew with each owner */
        }
        e->kind->dead(e->state, id);
        tell_dead(e, body, place->len);
        e->n.replayed++;
        return;
    }
    if (!r->worker) {
        if (e->kind->revive) (void)e->kind->revive(e->state, id);
        e->n.replayed++;
        return;
    }
    switch (e->kind->take(e->state, id, body, place->len)) {
    case KIND_ACCEPTED:
        e->kind->place(e->state, id, 0, place);
        e->n.replayed++;
        break;
    case KIND_DUPLICATE:
        e->n.duplicate++;
        break;
    case KIND_LATE:
        e->n.late++;
        break;
    case KIND_INVALID:
        e->n.invalid++;
        break;
    }
}

enum co_err
engine_replay_results(struct engine *e, const uint8_t *head, size_t head_len,
                      const uint8_t *body, size_t body_len, uint64_t segment,
                      uint32_t record, uint32_t body_inside)
{
    struct kind_place place = {segment, record, body_inside, 0};
    struct msg m;
    enum co_err err;

    err = msg_decode(e->reader, head, head_len, &m);
    if (err) return CO_PROTOCOL;
    if (m.type != MSG_results || m.results.job != e->options.job ||
        msg_check_results(&m.results, body_len) != CO_OK) {
        return CO_PROTOCOL;
    }
    for (uint32_t t = 0; t < m.results.tasks.n; t++) {
        place.len = msg_at(m.results.lens, t);
        replay_task(e, &m.results, t, body + (place.inside - body_inside),
                    &place);
        place.inside += place.len;
    }
    return CO_OK;
}

enum co_err
engine_replay_note(struct engine *e, const uint8_t *data, size_t len)
{
    if (!e->kind->replay_note || !e->kind->replay_note(e->state, data, len)) {
        return CO_DAMAGED;
    }
    return CO_OK;
}

void
engine_replay_done(struct engine *e)
{
    e->n = (struct engine_counters){.replayed = e->n.replayed,
                                    .duplicate = e->n.duplicate,
                                    .late = e->n.late,
                                    .invalid = e->n.invalid};
}
