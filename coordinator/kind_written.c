/* kind_written.c - what is published next.
 * Order: asks whose intent is committed, those of rows that had others before
 * those of new rows; then new intents (the disk works while
 * the rest is looked at), packs and ranges that are complete. Ranges cost only
 * a moment of a CPU and free memory, but an ask takes seconds: so it goes out
 * first. */
#include "coordinator/kind_written_core.h"

#include <stdlib.h>
#include <string.h>

#define ANSWERS_MAX_DEFAULT (UINT64_C(256) << 20)

/* -- life ----------------------------------------------------------------- */

static enum co_err
options_check(struct written_options *o)
{
    const bool priced = o->price.input >= 0 && o->price.output >= 0;

    if (!o->personas || !o->service || o->cap < 0) return CO_INVALID;
    if ((o->cap || (o->purse && o->purse->capped)) && !priced) {
        return CO_INVALID;
    }
    if (!o->writers != !o->table) return CO_INVALID;
    if (!priced) o->price.input = o->price.output = -1;
    if (o->batch.max_requests > BATCH_REQUESTS_MAX) return CO_INVALID;
    if (o->batch.poll_us <= 0) o->batch.poll_us = WRITTEN_POLL_US;
    if (!o->answers_max) o->answers_max = ANSWERS_MAX_DEFAULT;
    for (unsigned s = 0; s < ASK_STAGES; s++) {
        if (!o->stages[s].output_max) return CO_INVALID;
    }
    return CO_OK;
}

/* Whether the dearest ask of each stage, one that mends the longest answer, can
 * be counted: an ask that cannot would be waited for without end. */
static bool
is_countable(const struct written *w, uint8_t writer)
{
    uint8_t longest = 0;

    for (unsigned s = 0; s < ASK_STAGES; s++) {
        struct talk t = {.stage = (uint8_t)s, .writer = writer, .mend = true};
        uint64_t input;
        int64_t worst;

        if (s) t.answers[s - 1] = (struct talk_bytes){&longest, ASK_ANSWER_MAX};
        t.wrong = (struct talk_bytes){&longest, ASK_WRONG_MAX};
        t.error = (struct talk_bytes){&longest, ASK_ERROR_MAX};
        if (!ask_bound(w, &t, &input, &worst)) return false;
    }
    return true;
}

/* The worst case of a row whose stages are asked once: the first, the others.
 */
static bool
worst_row(const struct written *w, uint8_t writer, int64_t *ret_first,
          int64_t *ret_later)
{
    const struct talk fresh = {.stage = ASK_BACKGROUND, .writer = writer};
    uint8_t longest = 0;
    int64_t sum = 0;
    uint64_t bytes;

    if (!ask_bound(w, &fresh, &bytes, ret_first)) return false;
    for (unsigned s = 1; s < ASK_STAGES; s++) {
        struct talk t = {.stage = (uint8_t)s, .writer = writer};
        uint64_t input;
        int64_t worst;

        t.answers[s - 1] = (struct talk_bytes){&longest, ASK_ANSWER_MAX};
        if (!ask_bound(w, &t, &input, &worst)) return false;
        if (__builtin_add_overflow(sum, worst, &sum)) return false;
    }
    *ret_later = sum;
    return true;
}

/* Of the dearest of all writers: nobody knows who will write a row. Where the
 * money decides that, a row stays with its writer, and needs what that one may
 * cost. */
static bool
find_worst(struct written *w)
{
    for (uint32_t i = 0; i < w->n_writers; i++) {
        int64_t first = 0, later = 0;

        if (!is_countable(w, (uint8_t)i) ||
            !worst_row(w, (uint8_t)i, &first, &later)) {
            return false;
        }
        if (first > w->first) w->first = first;
        if (later > w->later) w->later = later;
        w->later_by[i] = later;
        for (unsigned need = 0; need < MEANS_NEEDS; need++) {
            w->beyond[need][i] = INT64_MAX;
        }
    }
    for (uint32_t i = 0; i < w->n_writers && !w->options.degrades; i++) {
        w->later_by[i] = w->later;
    }
    return true;
}

enum co_err
written_new(const struct written_options *options, struct written **ret_written)
{
    co_auto(written_freep) struct written *w = NULL;
    struct written_options checked = *options;
    enum co_err err = options_check(&checked);

    if (err) return err;
    w = calloc(1, sizeof *w);
    if (!w) return CO_NOMEM;
    w->options = checked;
    w->p = checked.personas;
    w->room = UINT32_MAX; /* as long as nobody says */
    err = writers_start(w);
    if (err) return err;
    if (!find_worst(w)) return CO_INVALID;
    err = money_new(checked.cap, &w->m);
    if (err) return err;
    w->book.poll_us = checked.batch.poll_us;
    money_share(w->m, checked.purse);
    if (checked.shares.is_set) money_phases(w->m, &checked.shares);
    personas_remakes(w->p);
    *ret_written = co_take(&w);
    return CO_OK;
}

void
written_free(struct written *w)
{
    if (!w) return;
    for (uint32_t i = 0; i < w->n_notes; i++) {
        free(w->notes[i]->letter.data);
        free(w->notes[i]);
    }
    free(w->blank);
    free(w->built);
    letter_free(w);
    batchbook_fini(&w->book);
    kept_free(w);
    for (uint32_t i = 0; i < w->n_taken; i++) {
        free(w->taken[i]);
    }
    free(w->taken);
    rows_free(w);
    revivals_fini(&w->revivals);
    money_free(w->m);
    free(w);
}

const struct written_counters *
written_counters(const struct written *w)
{
    return &w->n;
}

const struct money *
written_money(const struct written *w)
{
    return w->m;
}

static const char *
written_service(const void *kind)
{
    const struct written *w = kind;

    return w->options.service;
}

/* Ranges cost nothing: they are done again. So is all about a batch but to
 * submit it. */
static bool
written_once(const void *kind, uint64_t task)
{
    (void)kind;
    if (batchbook_is_op(task)) return batchbook_op(task) == BATCH_SUBMIT;
    return written_is_ask(task);
}

/* -- next ----------------------------------------------------------------- */

/* The first call after a replay. What an earlier life asked may still be
 * running somewhere, and is waited for. Whatever was refused then, somebody
 * may have put right: one ask may go at once. */
static void
start(struct written *w, int64_t now_us)
{
    const uint32_t ms = w->options.no_late_answers
                            ? 0
                            : kind_answer_wait_ms(w->options.total_ms);

    w->running = true;
    money_forget(w->m);
    if (w->options.purse) purse_begin(w->options.purse);
    w->probe_us = now_us;
    /* nobody may be left who could answer, but a vendor takes its time */
    batch_start(w, now_us,
                now_us + (int64_t)co_max_u64(ms * UINT64_C(1000),
                                             (uint64_t)w->book.poll_us));
    w->open_due_us = money_open(w->m) ? now_us + (int64_t)ms * 1000 : INT64_MAX;
    rows_sweep(w);
}

static void
tick(struct written *w, int64_t now_us)
{
    const uint64_t front = personas_progress(w->p).front;

    w->now_us = now_us;
    if (!w->running) start(w, now_us);
    if (w->open_due_us <= now_us) {
        w->open_due_us = INT64_MAX;
        rows_give_up_open(w, now_us);
    }
    if (w->swept != front) {
        w->swept = front;
        rows_sweep(w);
    }
    rows_due(w, now_us);
}

/* Files at a vendor hold the end up for some seconds, also where no worker is
 * left that could delete them. */
static void
written_tick(void *kind, int64_t now_us)
{
    struct written *w = kind;

    if (!w->running) return;
    w->n.files_left += batchbook_drop_late(&w->book, now_us);
}

static bool
next_ask(struct written *w, int64_t now_us, uint64_t *ret_task)
{
    uint64_t row;

    if (ask_is_paused(w) && !w->over && now_us < w->probe_us) return false;
    if (w->options.batch.max_requests) return false; /* they go together */
    while (fifo_get(&w->going, &row) || fifo_get(&w->ready, &row)) {
        struct talk *t = rows_talk(w, row);
        const struct hold *h = rows_hold(w, row);
        struct row_before before;

        if (!t || t->state != TALK_READY) continue;
        if (!h || h->out || w->over) {
            rows_withdraw(w, row, t);
            continue;
        }
        before = rows_before(t);
        talk_publish(t);
        rows_changed(w, row, t, before, now_us);
        w->probe_us = now_us + WRITTEN_PROBE_US;
        *ret_task = written_task(row, t->asks - 1u);
        return true;
    }
    return false;
}

/* Every row that is needed of it was written or given up. Where some are not
 * needed they are left out only when all ranges before it are decided: they
 * might have to take the place of others. At the very end one range is, which
 * is the last one then; see personas_stop(). */
static bool
is_complete(struct written *w, struct hold *h)
{
    uint64_t row;

    if (h->out) return false;
    if (w->final && h == w->holds) return true;
    if (h->live) return false;
    if (!rows_next(w, h, &row)) return true;
    return h == w->holds && ask_expected(w) >= personas_progress(w->p).rows;
}

/* Whether a range is out, or can go: what it takes the place of is known only
 * when it is decided. */
static bool
is_decidable(struct written *w)
{
    for (uint32_t i = 0; i < w->n_holds; i++) {
        if (w->holds[i].out || is_complete(w, &w->holds[i])) return true;
    }
    return false;
}

/* When there is no money for another call and nobody can free some, the rows
 * that are done are written, and the job is over. */
static void
settle_over(struct written *w, int64_t now_us)
{
    if (!w->over && means_are_spent(w)) w->over = WRITTEN_SPENT;
    if (!w->over && means_are_shared_out(w, now_us)) w->over = WRITTEN_SHARED;
    if (!w->over || w->final) return;
    if (money_open(w->m) || w->n_notes || w->n_taken) return;
    if (w->going.n || w->ready.n) return;
    revive_stop(w, now_us);
    if (w->revives && is_decidable(w)) return;
    w->final = true;
    personas_stop(w->p);
}

static bool
next_range(struct written *w, int64_t now_us, uint64_t *ret_task)
{
    int64_t due;

    if (personas_progress(w->p).packs) {
        return personas_kind.next(w->p, now_us, ret_task, &due) ==
               KIND_NEXT_TASK;
    }
    for (uint32_t i = 0; i < w->n_holds; i++) {
        if (!is_complete(w, &w->holds[i])) continue;
        w->holds[i].out = true;
        *ret_task = w->holds[i].task;
        return true;
    }
    return false;
}

/* When there is something to do without an event; INT64_MAX: never. */
static int64_t
due_us(const struct written *w, int64_t now_us)
{
    int64_t due = batch_due(w);

    if (w->open_due_us < due) due = w->open_due_us;
    if (w->waits.n && w->waits.v[0].due_us < due) due = w->waits.v[0].due_us;
    if (!w->over && w->away_us < due) due = w->away_us;
    if (w->shared_us && !w->over && w->shared_us + WRITTEN_SHARED_US < due) {
        due = w->shared_us + WRITTEN_SHARED_US;
    }
    if (ask_is_paused(w) && !w->over && w->probe_us > now_us &&
        w->probe_us < due) {
        due = w->probe_us;
    }
    return due;
}

static void
written_room(void *kind, uint32_t tasks)
{
    struct written *w = kind;

    /* asks of a batch wait for others, and not for a worker */
    w->room = w->options.batch.max_requests ? UINT32_MAX : tasks;
}

/* What is given out is no room any more. */
static enum kind_next
given_out(struct written *w)
{
    if (w->room && w->room != UINT32_MAX) w->room--;
    return KIND_NEXT_TASK;
}

static enum kind_state
written_done(const void *kind)
{
    const struct written *w = kind;

    /* what money is free, and who was given up, is written before the end */
    if (w->n_notes || w->releases.n || w->n_letters) return KIND_RUNNING;
    /* and files at a vendor go, for some seconds at most */
    if (w->running && batchbook_cleans(&w->book)) return KIND_RUNNING;
    return personas_kind.done(w->p);
}

static enum kind_next
written_next(void *kind, int64_t now_us, uint64_t *ret_task,
             int64_t *ret_due_us)
{
    struct written *w = kind;
    int64_t due;

    tick(w, now_us);
    ask_go_on(w, now_us);
    if (batch_next(w, now_us, ret_task)) return given_out(w);
    if (next_ask(w, now_us, ret_task)) return given_out(w);
    ask_prepare(w, now_us);
    batch_gather(w, now_us);
    settle_over(w, now_us);
    batch_tell(w, now_us);
    if (next_range(w, now_us, ret_task)) return given_out(w);
    if (w->n_notes || w->releases.n || w->n_letters) return KIND_NEXT_INTENT;
    if (written_done(w) != KIND_RUNNING) return KIND_NEXT_OVER;
    due = due_us(w, now_us);
    if (due == INT64_MAX) {
        co_assert(w->held_back != KIND_NEXT_TASK); /* there is none */
        return w->held_back;
    }
    *ret_due_us = due;
    return KIND_NEXT_LATER;
}

/* -- the rest of the interface -------------------------------------------- */

static void
written_ledger(const void *kind, struct kind_ledger *ret_ledger)
{
    const struct written *w = kind;

    personas_kind.ledger(w->p, ret_ledger);
}

const struct job_kind written_kind = {
    .name = "written personas",
    .paid = true,
    .service = written_service,
    .provider = written_provider,
    .room = written_room,
    .tick = written_tick,
    .next = written_next,
    .payload = written_payload,
    .adopt = written_adopt,
    .take = written_take,
    .place = written_place,
    .split = written_split,
    .dead = written_dead,
    .revive = written_revive,
    .foresee = written_foresee,
    .once = written_once,
    .gone = written_gone,
    .note = written_note,
    .noted = written_noted,
    .replay_note = written_replay_note,
    .stopping = written_stopping,
    .unsent = written_unsent,
    .returned = written_returned,
    .recall = written_recall,
    .unwanted = written_unwanted,
    .done = written_done,
    .ledger = written_ledger,
    .money = written_told,
    .arms = written_arms,
    .lanes = written_lanes,
    .summary = written_summary,
    .why = written_why,
    .check = written_check,
};
