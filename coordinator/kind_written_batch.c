/* kind_written_batch.c - asks that go out as batches: which are put together,
 * the tasks about a batch, and what their results mean for its asks.
 *
 * An ask is reserved and its intent journaled as that of any other; then it
 * waits until there are many, and a record says which batch it is in. From then
 * on what becomes of it stands in results of that batch, each of which is
 * committed before the next step is made. An ask that was in no batch when its
 * owner died was surely never sent. An ask that no line is about when all files
 * are in is lost like one of which no answer came.
 *
 * The record: [6, number, since, task, task, ...]. */
#include "coordinator/kind_written_core.h"

#include <inttypes.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Bytes of a task's payload, besides what it quotes. */
    ASK_BYTES = 64,
    /* Tokens are at most bytes, so that this bounds an upload: what JSON
     * escapes has room in BATCH_UPLOAD_MAX. */
    UPLOAD_TOKENS = BATCH_UPLOAD_MAX / 3,
};

/* -- putting together ----------------------------------------------------- */

static uint64_t
unix_s(const struct written *w, int64_t now_us)
{
    const int64_t ms = w->options.wall_ms + now_us / 1000;

    return ms > 0 ? (uint64_t)ms / 1000 : 0;
}

/* The next row whose ask is to go out; those that need none are let go. */
static bool
next_ready(struct written *w, uint64_t *ret_row)
{
    while (fifo_get(&w->going, ret_row) || fifo_get(&w->ready, ret_row)) {
        struct talk *t = rows_talk(w, *ret_row);
        const struct hold *h = rows_hold(w, *ret_row);

        if (!t || t->state != TALK_READY) continue;
        if (h && !h->out && !w->over) return true;
        rows_withdraw(w, *ret_row, t);
    }
    return false;
}

/* Whether one more fits; what it takes is added. */
static bool
takes(const struct written *w, const struct talk *t, size_t *bytes,
      uint64_t *tokens)
{
    struct ask_task quotes = {0};
    uint64_t input = 0;
    int64_t worst = 0;

    talk_quotes(t, &quotes);
    *bytes +=
        ASK_BYTES + quotes.input_len + quotes.wrong_len + quotes.error_len;
    (void)ask_bound(w, t, &input, &worst);
    *tokens += input;
    return *bytes <= BATCH_PAYLOAD_MAX && *tokens <= UPLOAD_TOKENS;
}

/* Asks that are ready, as many as fit. */
static uint32_t
gather(struct written *w, uint64_t *tasks, uint32_t most, int64_t now_us)
{
    size_t bytes = 0;
    uint64_t tokens = 0, row;
    uint32_t n = 0;

    while (n < most && next_ready(w, &row)) {
        struct talk *t = rows_talk(w, row);
        const struct row_before before = rows_before(t);

        if (!takes(w, t, &bytes, &tokens) && n > 0) {
            if (!fifo_put(&w->going, row)) w->rescan = true;
            break;
        }
        talk_publish(t);
        rows_changed(w, row, t, before, now_us);
        tasks[n++] = written_task(row, t->asks - 1u);
    }
    return n;
}

static bool
put_record(const struct batchbook_entry *e, struct talk_bytes *ret)
{
    struct co_buf buf;
    msgpack_packer pk;

    co_buf_init(&buf, KIND_NOTE_BYTES_MAX);
    msgpack_packer_init(&pk, &buf, co_buf_write);
    (void)msgpack_pack_array(&pk, 3 + (size_t)e->n);
    (void)msgpack_pack_uint64(&pk, NOTE_BATCH);
    (void)msgpack_pack_uint64(&pk, e->number);
    (void)msgpack_pack_uint64(&pk, e->since);
    for (uint32_t i = 0; i < e->n; i++) {
        (void)msgpack_pack_uint64(&pk, e->tasks[i]);
    }
    if (buf.err) {
        co_buf_fini(&buf);
        return false;
    }
    ret->data = buf.data; /* the caller's now */
    ret->len = (uint32_t)buf.len;
    return true;
}

/* They were not sent, and will be asked for anew. */
static void
ungather(struct written *w, const uint64_t *tasks, uint32_t n)
{
    w->n.no_memory++;
    for (uint32_t i = 0; i < n; i++) {
        struct talk *t = rows_talk(w, tasks[i] >> 8);

        if (t && t->state == TALK_OUT) rows_unsent(w, tasks[i] >> 8, t);
    }
}

static void
make_batch(struct written *w, uint32_t most, int64_t now_us)
{
    uint64_t *tasks = malloc(most * sizeof *tasks);
    struct note *note = calloc(1, sizeof *note);
    struct batchbook_entry *e = NULL;
    uint32_t n = 0;

    if (tasks && note) n = gather(w, tasks, most, now_us);
    if (n) {
        e = batchbook_add(&w->book, w->book.last + 1, tasks, n,
                          unix_s(w, now_us));
    }
    if (e && put_record(e, &note->letter)) {
        note->type = NOTE_BATCH;
        note->v[0].task = e->number;
        w->notes[w->n_notes++] = note;
        w->probe_us = now_us + WRITTEN_PROBE_US;
        note = NULL;
    } else if (n) {
        ungather(w, tasks, n);
        if (e) batchbook_remove(&w->book, e);
    } else if (!tasks || !note) {
        w->n.no_memory++; /* tried again next turn */
    }
    free(note);
    free(tasks);
}

/* Enough are ready, or have been for long enough. */
void
batch_gather(struct written *w, int64_t now_us)
{
    const struct written_batch *o = &w->options.batch;
    uint64_t row;

    if (!o->max_requests) return;
    if (w->over) { /* lets them all go */
        while (next_ready(w, &row)) {
        }
        return;
    }
    if (!w->going.n && !w->ready.n) {
        w->ready_us = 0;
        return;
    }
    if (!w->ready_us) w->ready_us = now_us;
    if (w->going.n + w->ready.n < o->max_requests &&
        now_us < w->ready_us + o->window_us) {
        return;
    }
    if (ask_is_paused(w) && now_us < w->probe_us) return;
    if (w->n_notes == NOTES_MAX || w->book.n == BATCHBOOK_LIVE_MAX) return;
    make_batch(w, o->max_requests, now_us);
    w->ready_us = w->going.n || w->ready.n ? now_us : 0;
}

int64_t
batch_due(const struct written *w)
{
    int64_t due = batchbook_due(&w->book);

    if (w->ready_us && w->book.n < BATCHBOOK_LIVE_MAX && !w->over) {
        int64_t flush = w->ready_us + w->options.batch.window_us;

        if (ask_is_paused(w) && flush < w->probe_us) flush = w->probe_us;
        if (flush < due) due = flush;
    }
    return due;
}

/* -- ends of a batch ------------------------------------------------------ */

/* Surely not paid, and to be asked again. */
static void
unrun(struct written *w, uint64_t task)
{
    const uint64_t row = task >> 8;
    struct talk *t = rows_talk(w, row);

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

/* The batch is over: what its asks are that have no outcome. */
static void
close_batch(struct written *w, struct batchbook_entry *e,
            enum batchbook_step step, const struct batch_result *r,
            int64_t now_us)
{
    for (uint32_t i = 0; i < e->n; i++) {
        if (step == BATCHBOOK_REFUSED) {
            refuse(w, e->tasks[i], r, now_us);
        } else {
            lose(w, e->tasks[i], now_us);
        }
    }
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
            w->n.duplicates++;
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
    if (step != BATCHBOOK_GOES_ON) close_batch(w, e, step, &r, now_us);
    free(entry);
}

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
    task->asks = all.data;
    task->asks_len = all.len;
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
    if (t.op == BATCH_FIND) t.until = unix_s(w, e->lost_us);
    if (t.op != BATCH_SUBMIT) {
        batch_put_task(&t, body);
        return true;
    }
    if (put_submit(w, e, &t, body)) return true;
    batchbook_remove(&w->book, e); /* nobody wants any of it any more */
    return false;
}

/* -- records -------------------------------------------------------------- */

void
batch_noted(struct written *w, const struct note *note)
{
    struct batchbook_entry *e = batchbook_find(&w->book, note->v[0].task);

    if (!e) return;
    w->n.batches++;
    batchbook_noted(e);
}

/* Its asks are out: where, the results after it say. */
static void
restore_asks(struct written *w, const uint64_t *tasks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t row = tasks[i] >> 8;
        struct talk *t = rows_talk(w, row);
        struct row_before before;

        if (!t) continue;
        before = rows_before(t);
        if (!talk_adopt(t, written_ask(tasks[i]))) continue;
        rows_changed(w, row, t, before, 0);
    }
}

/* Batches that were let go before they were submitted, as nobody wanted any ask
 * of them, have no record that says so. Nothing of them is paid for. */
static void
drop_empty(struct written *w)
{
    uint32_t i = 0;

    while (i < w->book.n) {
        struct batchbook_entry *e = w->book.entries[i];
        uint32_t paid = 0;

        for (uint32_t k = 0; k < e->n && !paid; k++) {
            paid += money_has(w->m, e->tasks[k], NULL);
        }
        if (paid) {
            i++;
        } else {
            batchbook_remove(&w->book, e);
        }
    }
}

bool
batch_replay(struct written *w, struct walk *in, uint32_t n)
{
    const uint64_t number = walk_u64(in), since = walk_u64(in);
    uint64_t *tasks;
    struct batchbook_entry *e;

    if (in->bad || n < 3 || n - 2 > BATCH_REQUESTS_MAX ||
        batchbook_find(&w->book, number)) {
        return false;
    }
    n -= 2;
    tasks = malloc(n * sizeof *tasks);
    if (!tasks) return false;
    for (uint32_t i = 0; i < n; i++) {
        tasks[i] = walk_u64(in);
        if (!written_is_ask(tasks[i])) in->bad = true;
    }
    if (w->book.n == BATCHBOOK_LIVE_MAX) drop_empty(w);
    e = walk_done(in) ? batchbook_add(&w->book, number, tasks, n, since) : NULL;
    if (e) {
        batchbook_noted(e);
        restore_asks(w, tasks, n);
        w->n.batches++;
    }
    free(tasks);
    return e != NULL;
}

/* Asks that no batch has were never sent. */
static void
release_open(struct written *w)
{
    for (uint32_t b = 0; b < w->n_blocks; b++) {
        for (uint32_t i = 0; i < PERSONAS_CELL; i++) {
            struct talk *t = &w->blocks[b]->talks[i];

            if (t->state != TALK_OPEN) continue;
            rows_unsent(w, w->blocks[b]->cell * PERSONAS_CELL + i, t);
        }
    }
}

void
batch_start(struct written *w, int64_t settled_us)
{
    batchbook_restart(&w->book, settled_us);
    if (w->options.batch.max_requests) release_open(w);
}

/* -- what the job wants --------------------------------------------------- */

/* The job is over: what still runs is paid for nothing. */
static void
cancel_all(struct written *w)
{
    for (uint32_t i = 0; i < w->book.n; i++) {
        struct batchbook_entry *e = w->book.entries[i];

        if (e->cancels) continue;
        e->cancels = true; /* what is looked for is waited for all the same */
        if (e->phase == BATCHBOOK_RUNS) e->due_us = 0;
    }
}

bool
batch_next(struct written *w, int64_t now_us, uint64_t *ret_task)
{
    if (w->over) cancel_all(w);
    return batchbook_next(&w->book, now_us, ret_task);
}

/* -- questions ------------------------------------------------------------ */

void
batch_tell(struct written *w, int64_t now_us)
{
    const uint64_t now = unix_s(w, now_us);
    const struct batchbook_entry *oldest = NULL;
    uint64_t requests = 0, done = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->book.n; i++) {
        const struct batchbook_entry *e = w->book.entries[i];

        if (e->phase != BATCHBOOK_RUNS) continue;
        if (!oldest) oldest = e;
        requests += e->n;
        done += e->done;
        n++;
    }
    w->batches[0] = '\0';
    if (!oldest) return;
    (void)snprintf(w->batches, sizeof w->batches,
                   "%" PRIu32 " batch%s of %" PRIu64 " requests, %" PRIu64
                   " of them done, at the vendor; the oldest is number "
                   "%" PRIu64 ", %.64s, for %" PRIu64 " s",
                   n, n == 1 ? "" : "es", requests, done, oldest->number,
                   oldest->id, now > oldest->since ? now - oldest->since : 0);
}

void
batch_summary(const struct written *w, struct co_buf *out)
{
    co_buf_puts(out, "[");
    for (uint32_t i = 0; i < w->book.n; i++) {
        const struct batchbook_entry *e = w->book.entries[i];

        co_buf_printf(out,
                      "%s{\"batch\":%" PRIu64 ",\"state\":\"%s\",\"id\":\"",
                      i ? "," : "", e->number, batchbook_phase_name(e->phase));
        /* ids go into addresses, so workers let only plain ones pass */
        for (const char *c = e->id; *c; c++) {
            if (*c > ' ' && *c != '"' && *c != '\\') co_buf_putc(out, *c);
        }
        co_buf_printf(out,
                      "\",\"requests\":%" PRIu32 ",\"done\":%" PRIu64
                      ",\"failed\":%" PRIu64 ",\"since\":%" PRIu64 "}",
                      e->n, e->done, e->failed, e->since);
    }
    co_buf_puts(out, "]");
}

void
batch_why(const struct written *w, int64_t now_us, struct co_buf *out)
{
    const uint64_t now = unix_s(w, now_us);

    if (w->options.batch.max_requests && (w->going.n || w->ready.n)) {
        co_buf_printf(
            out,
            "batches: %" PRIu32 " asks wait to be put into one, for %" PRId64
            " ms more at most\n",
            w->going.n + w->ready.n,
            w->ready_us + w->options.batch.window_us > now_us
                ? (w->ready_us + w->options.batch.window_us - now_us) / 1000
                : 0);
    }
    for (uint32_t i = 0; i < w->book.n; i++) {
        const struct batchbook_entry *e = w->book.entries[i];

        co_buf_printf(out,
                      "batch %" PRIu64 ": %" PRIu32 " requests, for %" PRIu64
                      " s; %s%s%s",
                      e->number, e->n, now > e->since ? now - e->since : 0,
                      batchbook_phase_text(e->phase), e->id[0] ? ", as " : "",
                      e->id);
        if (e->total) {
            co_buf_printf(out, ", %" PRIu64 " done, %" PRIu64 " failed",
                          e->done, e->failed);
        }
        co_buf_puts(out, "\n");
    }
}
