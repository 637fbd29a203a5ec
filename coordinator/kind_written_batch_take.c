/* kind_written_batch_take.c - the tasks about a batch, and what their results
 * mean for its asks: which are answered, which were not run and are asked
 * again, and which are lost, as nothing says what became of them. */
#include "common/bug.h"
#include "coordinator/kind_written_core.h"

#include <stdlib.h>

/* -- payloads ------------------------------------------------------------- */

/* Appends the ask, if it is still needed and paid for. */
static bool
put_ask(struct written *w, uint64_t task, struct co_buf *out,
        struct co_buf *scratch)
{
    co_buf_clear(scratch);
    if (!payload_ask(w, task, scratch)) return false;
    if (scratch->err && !out->err) out->err = scratch->err;
    batch_put_bin(scratch->data, scratch->len, out);
    return true;
}

static bool
put_submit(struct written *w, struct batchbook_entry *e,
           struct batch_task *task, struct co_buf *body)
{
    co_auto(co_buf_fini) struct co_buf asks;
    co_auto(co_buf_fini) struct co_buf all;
    co_auto(co_buf_fini) struct co_buf scratch;
    uint32_t n = 0;

    co_buf_init(&asks, (size_t)2 * BATCH_PAYLOAD_MAX);
    co_buf_init(&all, (size_t)2 * BATCH_PAYLOAD_MAX + 16);
    co_buf_init(&scratch, (size_t)4 * ASK_WRONG_MAX);
    for (uint32_t i = 0; i < e->n; i++) {
        n += put_ask(w, e->tasks[i], &asks, &scratch);
    }
    if (!n) return false;
    batch_put_array(n, &all);
    co_buf_append(&all, asks.data, asks.len);
    if (e->claimed) {
        task->asks = all.data;
        task->asks_len = all.len;
    }
    if ((asks.err || all.err) && !body->err) body->err = CO_NOMEM;
    batch_put_task(task, body);
    return true;
}

bool
batch_payload(struct written *w, uint64_t task, struct co_buf *body)
{
    struct batchbook_entry *e = batchbook_of(&w->book, task);
    struct batch_task t;

    /* a submission of before has answered: this one would be a second batch */
    if (!e || e->op != task || e->taken) return false;
    batchbook_task(e, task, &t);
    t.job = w->options.job;
    if (t.op == BATCH_FIND) t.until = batch_unix_s(w, e->settled_us);
    if (t.op != BATCH_SUBMIT) {
        batch_put_task(&t, body);
        return true;
    }
    if (put_submit(w, e, &t, body)) return true;
    batchbook_remove(&w->book, e); /* nobody wants any of it any more */
    return false;
}

/* -- ends of a batch ------------------------------------------------------ */

/* Surely not paid, and to be asked again. */
static void
unrun(struct written *w, uint64_t task)
{
    const uint64_t row = task >> 8;
    struct talk *t = rows_talk(w, row);

    if (CO_BUG(expired_stays_charged)) return;
    if (!money_release(w->m, task)) return; /* settled: it was paid */
    w->n.unrun++;
    if (t && t->state == TALK_OUT && talk_is_present(t, written_ask(task))) {
        const struct row_before before = rows_before(t);

        talk_withdraw(t);
        rows_changed(w, row, t, before, 0);
    }
}

static void
lose(struct written *w, uint64_t task, int64_t now_us)
{
    const uint64_t row = task >> 8;
    struct talk *t = rows_talk(w, row);

    if (!money_has(w->m, task, NULL)) return;
    if (CO_BUG(missing_lines_are_free)) (void)money_release(w->m, task);
    (void)money_lost(w->m, task);
    if (t && t->state == TALK_OUT && talk_is_present(t, written_ask(task))) {
        const struct row_before before = rows_before(t);

        w->n.lost++;
        talk_lost(t, row, now_us);
        rows_changed(w, row, t, before, now_us);
    }
}

static void
refuse(struct written *w, uint64_t task, const struct batch_result *r,
       int64_t now_us)
{
    const struct ask_result result = {
        .row = task >> 8,
        .ask = written_ask(task),
        .stage = (enum ask_stage)money_phase_of(w->m, task),
        .outcome = ASK_REFUSED,
        .error = r->error,
        .fault = r->fault,
    };

    if (money_has(w->m, task, NULL)) take_outcome(w, task, &result, now_us);
}

/* Whether nothing was said of some request of it. */
static bool
has_open(const struct written *w, const struct batchbook_entry *e)
{
    for (uint32_t i = 0; i < e->n; i++) {
        if (money_has(w->m, e->tasks[i], NULL)) return true;
    }
    return false;
}

/* The batch is over: what its asks are that have no outcome. */
static void
close_batch(struct written *w, struct batchbook_entry *e,
            enum batchbook_step step, const struct batch_result *r,
            int64_t now_us)
{
    bool all_known;

    if (step == BATCHBOOK_OVER) {
        w->n.files_deleted += r->done;
        w->n.files_left += r->failed;
        batchbook_remove(&w->book, e);
        return;
    }
    /* else somebody may want to see what is there of them */
    all_known = step == BATCHBOOK_REFUSED || !has_open(w, e);
    for (uint32_t i = 0; i < e->n; i++) {
        if (step == BATCHBOOK_REFUSED) {
            refuse(w, e->tasks[i], r, now_us);
        } else {
            lose(w, e->tasks[i], now_us);
        }
    }
    if (all_known) {
        batchbook_clean(&w->book, e, now_us);
        return;
    }
    w->n.files_left += e->n_files + (e->input[0] != '\0');
    batchbook_remove(&w->book, e);
}

/* -- results -------------------------------------------------------------- */

enum kind_take
batch_take(struct written *w, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct batchbook_entry *e = batchbook_of(&w->book, task);
    struct batch_result r;

    if (!batch_get_result(data, len, &r)) {
        w->n.invalid++;
        return KIND_INVALID;
    }
    if (!e || !batchbook_wants(e, task, &r)) {
        w->n.duplicates++;
        /* whatever it says, it is out no more: it is done again */
        if (e && !e->taken) batchbook_gone(&w->book, task, true, w->now_us);
        return KIND_DUPLICATE;
    }
    if (!take_keep(w, task, data, len)) {
        w->n.no_memory++;
        return KIND_INVALID; /* as good as lost */
    }
    e->taken = true;
    return KIND_ACCEPTED;
}

/* Only what is of this batch counts. */
static bool
is_in(const struct batchbook_entry *e, uint64_t task)
{
    for (uint32_t i = 0; i < e->n; i++) {
        if (e->tasks[i] == task) return true;
    }
    return false;
}

static void
commit_page(struct written *w, const struct batchbook_entry *e,
            const struct batch_result *r, int64_t now_us)
{
    struct walk asks = walk_start(r->asks, r->asks_len);
    struct walk unsent = walk_start(r->unsent, r->unsent_len);
    uint32_t n = r->asks ? walk_array(&asks) : 0;

    for (uint32_t i = 0; i < n; i++) {
        struct ask_result one;
        uint32_t len = 0;
        const uint8_t *data = walk_bin(&asks, &len);
        const bool read = ask_get_result(data, len, &one);
        const uint64_t task = written_task(one.row, one.ask);

        co_assert(read); /* as in take() */
        if (!is_in(e, task) || !money_has(w->m, task, NULL) ||
            one.stage != money_phase_of(w->m, task)) {
            w->n.duplicates += !e->readings; /* else most of them are */
            continue;
        }
        take_outcome(w, task, &one, now_us);
    }
    n = r->unsent ? walk_array(&unsent) : 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t id = walk_u64(&unsent);
        const uint64_t task = written_task(id >> 8, (uint32_t)(id & 0xff));

        if (is_in(e, task)) unrun(w, task);
    }
}

void
batch_place(struct written *w, uint64_t task, int64_t now_us)
{
    struct taken *entry = take_fetch(w, task);
    struct batchbook_entry *e = batchbook_of(&w->book, task);
    enum batchbook_step step;
    struct batch_result r;
    bool read;

    if (!entry) return; /* its record was copied */
    read = batch_get_result(entry->data, entry->len, &r);
    co_assert(read && e); /* as in take() */
    if (r.op == BATCH_HARVEST) commit_page(w, e, &r, now_us);
    step = batchbook_commit(&w->book, e, task, &r, now_us);
    if (step == BATCHBOOK_DONE && has_open(w, e) &&
        batchbook_read_again(&w->book, e, now_us)) {
        step = BATCHBOOK_GOES_ON;
    }
    if (step != BATCHBOOK_GOES_ON) close_batch(w, e, step, &r, now_us);
    free(entry);
}
