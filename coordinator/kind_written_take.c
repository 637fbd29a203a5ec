/* kind_written_take.c - asks: taken, committed, gone, adopted, withdrawn.
 * Whether a result still counts is the ledger's to say: an ask has an entry
 * there from its intent until it is settled. A row that was sealed long ago has
 * no talk any more, but its money is settled all the same.
 * A result is kept from take() to place(): its meaning is decided only when it
 * is committed, in the order of the journal, as in a replay. */
#include "common/bug.h"
#include "coordinator/kind_written_core.h"
#include "llm/fault.h"
#include "llm/provider.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- taken ---------------------------------------------------------------- */

bool
take_keep(struct written *w, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct taken *entry;

    if (w->n_taken == w->cap_taken) {
        const uint32_t cap = w->cap_taken ? 2 * w->cap_taken : 64;
        struct taken **grown = realloc(w->taken, cap * sizeof(struct taken *));

        if (!grown) return false;
        w->taken = grown;
        w->cap_taken = cap;
    }
    entry = malloc(sizeof *entry + len);
    if (!entry) return false;
    entry->task = task;
    entry->len = len;
    memcpy(entry->data, data, len);
    w->taken[w->n_taken++] = entry;
    w->bytes += len;
    return true;
}

/* Commits come in the order of arrival, so that it is among the first. NULL:
 * not taken (its record was copied). */
struct taken *
take_fetch(struct written *w, uint64_t task)
{
    for (uint32_t i = 0; i < w->n_taken; i++) {
        struct taken *entry = w->taken[i];

        if (entry->task != task) continue;
        w->n_taken--;
        memmove(w->taken + i, w->taken + i + 1,
                (w->n_taken - i) * sizeof(struct taken *));
        w->bytes -= entry->len;
        return entry;
    }
    return NULL;
}

/* -- judging -------------------------------------------------------------- */

/* An ask that was never given out cannot have been answered. */
static bool
is_unsent(const struct talk *t, uint32_t ask)
{
    return talk_is_present(t, ask) &&
           (t->state == TALK_INTENT || t->state == TALK_READY);
}

static enum kind_take
ask_take(struct written *w, uint64_t task, const uint8_t *data, uint32_t len)
{
    const uint64_t row = task >> 8;
    struct talk *t = rows_talk(w, row);
    struct row_before before;
    struct ask_result r;

    if (!ask_get_result(data, len, &r) || r.row != row ||
        r.ask != written_ask(task) || (t && is_unsent(t, r.ask))) {
        w->n.invalid++;
        return KIND_INVALID;
    }
    if (!money_has(w->m, task, NULL) ||
        (t && t->state == TALK_TAKEN && talk_is_present(t, r.ask))) {
        w->n.duplicates++;
        return KIND_DUPLICATE;
    }
    if (r.stage != money_phase_of(w->m, task)) { /* its row would wait on */
        w->n.invalid++;
        return KIND_INVALID;
    }
    if (!take_keep(w, task, data, len)) {
        w->n.no_memory++;
        return KIND_INVALID; /* as good as lost */
    }
    if (!t) return KIND_ACCEPTED;
    before = rows_before(t);
    talk_take(t, r.ask, r.stage);
    rows_changed(w, row, t, before, 0);
    return KIND_ACCEPTED;
}

/* -- committed ------------------------------------------------------------ */

/* Settles the call; what was charged. */
static int64_t
settle(struct written *w, uint64_t task, uint8_t writer,
       const struct ask_result *r)
{
    const struct written_writer *by =
        &w->writers[CO_BUG(first_writers_price) ? 0 : writer];
    struct money_call call = {
        .outcome = r->outcome,
        .has_usage = r->has_usage,
        .has_cost = r->has_usage,
        .input = r->input,
        .cached = r->cached,
        .output = r->output,
        .has_characters = r->has_characters,
        .characters = co_min_u64(r->characters, PROVIDER_TOKENS_MAX),
        .has_ms = r->has_held_ms,
        .ms = co_min_u64(r->held_ms, PROVIDER_TOKENS_MAX)};
    int64_t charged = 0, worst = 0;

    (void)money_has(w->m, task, &worst);
    /* where it is not known nothing is capped, and nothing charged */
    if (by->price.input >= 0) money_cost(&by->price, &call);
    if (money_settle(w->m, task, &call, &charged) == CO_RANGE && !w->over) {
        w->over = WRITTEN_OVERRUN;
    }
    return charged;
}

static bool
is_fault(const struct ask_result *r, enum fault fault)
{
    const char *name = fault_name(fault);

    return r->fault.len == strlen(name) &&
           !memcmp(r->fault.text, name, r->fault.len);
}

/* A rejected key or an empty account. With few rows left their own refusals
 * would give them up before a fallback's turn comes, or a breaker opens. */
static bool
is_accounts(const struct ask_result *r)
{
    return is_fault(r, FAULT_UNAUTHORIZED) || is_fault(r, FAULT_NO_MONEY);
}

/* Whether the model was ever reached, and turns down what this row is about. */
static bool
is_rows_own(const struct written *w, const struct ask_result *r)
{
    const struct money_counters *n = money_counters(w->m);

    return n->calls > n->outcomes[ASK_UNKNOWN] + n->outcomes[ASK_REFUSED] &&
           is_fault(r, FAULT_BAD_REQUEST);
}

/* Everybody's refusals stop all asking; the first few count for their rows,
 * unless they are the account's. A row that is refused again says nothing new
 * about the others. While asking is stopped a row is tried now and then; where
 * rows are all that is wrong their refusals must go on counting, or the job
 * would wait for them for ever. */
static bool
count_refusals(struct written *w, const struct ask_result *r)
{
    const struct talk *t = rows_talk(w, r->row);
    const bool paused = ask_is_paused(w);

    if (r->outcome == ASK_REFUSED) {
        w->streak += paused || !t || !t->refused;
        w->refusals++;
        w->n.pauses += !paused && ask_is_paused(w);
        (void)snprintf(w->refusal, sizeof w->refusal, "%.*s: %.*s",
                       (int)r->fault.len, r->fault.len ? r->fault.text : "",
                       (int)r->error.len, r->error.len ? r->error.text : "");
    } else if (r->outcome != ASK_UNKNOWN) {
        w->streak = w->refusals = 0;
    }
    return (!paused && !is_accounts(r)) || is_rows_own(w, r);
}

/* Moves the row on. */
static void
commit(struct written *w, const struct ask_result *r, uint8_t tag,
       int64_t charged, bool own, int64_t now_us)
{
    const uint8_t writer = tag & TAG_WRITER;
    const struct writers_arm *arm = writers_arm_of(w, r->row, NULL);
    struct talk *t = rows_talk(w, r->row);
    const bool answer = r->outcome == ASK_ANSWER;
    struct row_before before;
    enum talk_step step;

    if (!t) {
        w->n.surplus += answer;
        return;
    }
    if (talk_is_live(t) && !talk_is_present(t, r->ask) && answer &&
        r->stage == t->stage) {
        rows_withdraw(w, r->row, t); /* the present ask is not needed */
        w->n.late++;
    }
    before = rows_before(t);
    step = talk_commit(t, &w->options.rules, r, charged, own, now_us);
    w->n.surplus += answer && step == TALK_SAME;
    if (step == TALK_NEXT || step == TALK_COMPLETE) {
        t->served = arm && CO_BUG(fallbacks_unnamed) ? arm->chain[0] : writer;
        t->degraded |= arm && writer != arm->chain[0];
        t->starved |= tag & TAG_POOR;
    }
    rows_changed(w, r->row, t, before, now_us);
}

/* A worker says so: within a day, which no call outlasts. */
static void
count_time(struct written *w, const struct ask_result *r)
{
    const uint64_t day_us = UINT64_C(86400) * 1000 * 1000;

    if (r->total_us == 0 || r->outcome == ASK_UNKNOWN ||
        r->outcome == ASK_REFUSED) {
        return;
    }
    w->timed.calls++;
    w->timed.us += co_min_u64(r->total_us, day_us);
}

void
take_outcome(struct written *w, uint64_t task, const struct ask_result *r,
             int64_t now_us)
{
    const uint8_t tag = money_tag_of(w->m, task), writer = tag & TAG_WRITER;
    int64_t charged;

    kept_offer(w, r);
    count_time(w, r);
    w->n.unrecorded += r->unrecorded > 0;
    charged = settle(w, task, writer, r);
    arms_call(w, r->row, writer, r);
    writers_on_result(w, task, writer, r, is_rows_own(w, r), now_us);
    commit(w, r, tag, charged, count_refusals(w, r), now_us);
}

static void
ask_place(struct written *w, uint64_t task, int64_t now_us)
{
    struct taken *entry = take_fetch(w, task);
    struct ask_result r;
    bool read;

    if (!entry) return;
    read = ask_get_result(entry->data, entry->len, &r);
    co_assert(read); /* as in take() */
    take_outcome(w, task, &r, now_us);
    free(entry);
}

enum kind_take
written_take(void *kind, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct written *w = kind;
    enum kind_take verdict;

    if (batchbook_is_op(task)) return batch_take(w, task, data, len);
    if (!written_is_ask(task)) return range_take(w, task, data, len);
    verdict = ask_take(w, task, data, len);
    if (verdict == KIND_ACCEPTED && CO_BUG(answer_used_early)) {
        ask_place(w, task, 0);
    }
    return verdict;
}

void
written_place(void *kind, uint64_t task, int64_t now_us,
              const struct kind_place *place)
{
    struct written *w = kind;

    if (batchbook_is_op(task)) {
        batch_place(w, task, now_us);
    } else if (written_is_ask(task)) {
        ask_place(w, task, now_us);
    } else {
        range_place(w, task, now_us, place);
    }
}

/* -- gone, adopted, withdrawn --------------------------------------------- */

bool
written_gone(void *kind, uint64_t task, enum kind_gone how, int64_t now_us)
{
    struct written *w = kind;
    const uint64_t row = task >> 8;
    struct talk *t;

    (void)how; /* its worker may have sent it before it failed */
    if (batchbook_is_op(task)) {
        batchbook_gone(&w->book, task, true, now_us);
        return true;
    }
    if (!written_is_ask(task)) return false;
    if (CO_BUG(unknown_released)) (void)money_release(w->m, task);
    (void)money_lost(w->m, task);
    t = rows_talk(w, row);
    if (t && t->state == TALK_OUT && talk_is_present(t, written_ask(task))) {
        const struct row_before before = rows_before(t);

        w->n.lost++;
        talk_lost(t, row, now_us);
        rows_changed(w, row, t, before, now_us);
    }
    return true;
}

static bool
adopt_ask(struct written *w, uint64_t task)
{
    struct talk *t = rows_talk(w, task >> 8);
    struct row_before before;

    if (!t || !money_has(w->m, task, NULL)) return false;
    before = rows_before(t);
    if (!talk_adopt(t, written_ask(task))) return false;
    t->due_us = w->now_us;
    money_found(w->m, task); /* a call is out: the job is not over */
    rows_changed(w, task >> 8, t, before, 0);
    return true;
}

bool
written_adopt(void *kind, uint64_t task)
{
    struct written *w = kind;

    if (batchbook_is_op(task)) return batchbook_adopt(&w->book, task);
    if (written_is_ask(task)) return adopt_ask(w, task);
    if (!rows_hold_room(w) || !personas_kind.adopt(w->p, task)) return false;
    if ((task & 0xff) != PERSONAS_STEP_PACK) rows_hold_add(w, task, true);
    return true;
}

/* A result that came meanwhile is on its way to the disk, and stays so. */
static bool
is_taken(const struct written *w, uint64_t task)
{
    for (uint32_t i = 0; i < w->n_taken; i++) {
        if (w->taken[i]->task == task) return true;
    }
    return false;
}

static bool
next_withdrawn(struct written *w, uint64_t *ret_task)
{
    while (fifo_get(&w->withdrawn, ret_task)) {
        if (!is_taken(w, *ret_task)) return true;
    }
    return false;
}

bool
written_unwanted(void *kind, uint64_t *ret_task)
{
    struct written *w = kind;

    while (!next_withdrawn(w, ret_task)) {
        struct hold *h;
        uint64_t task, start;
        uint32_t count;
        bool out;

        if (!personas_kind.unwanted(w->p, &task)) return false;
        h = rows_hold_task(w, task);
        if (!h) {
            *ret_task = task;
            return true;
        }
        start = h->start;
        count = h->count;
        out = h->out;
        rows_hold_remove(w, h);
        rows_withdraw_range(w, start, count);
        if (!out) continue; /* the engine never heard of it */
        *ret_task = task;
        return true;
    }
    return true;
}
