/* kind_written_batch.c - asks that go out as batches: which are put together,
 * and what is known of that in a new life.
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

#include <msgpack.h>
#include <stdlib.h>

enum {
    /* Bytes of a task's payload, besides what it quotes. */
    ASK_BYTES = 64,
    /* Tokens are at most bytes, so that this bounds an upload: what JSON
     * escapes has room in BATCH_UPLOAD_MAX. */
    UPLOAD_TOKENS = BATCH_UPLOAD_MAX / 3,
};

/* -- putting together ----------------------------------------------------- */

uint64_t
batch_unix_s(const struct written *w, int64_t now_us)
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
                          batch_unix_s(w, now_us));
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
batch_start(struct written *w, int64_t now_us, int64_t due_us)
{
    batchbook_restart(&w->book, now_us, due_us);
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
