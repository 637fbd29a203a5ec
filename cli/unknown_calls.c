/* unknown_calls.c - see unknown_calls.h.
 * A job may make millions of calls, of which a few are unknown: so an intent is
 * forgotten when its outcome follows. They stand in a table with open
 * addressing, as many as are out at a time. */
#include "cli/unknown_calls.h"

#include "common/hash.h"
#include "job/purse_note.h"
#include "journal/reader.h"
#include "llm/batch.h"
#include "llm/price.h"
#include "proto/msg.h"
#include "proto/walk.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    TABLE_FIRST = 1024,
    PREFIX_BYTES = 4, /* length of the header of a RESULTS record */
    /* kinds of notes (docs/journal.md) */
    NOTE_INTENTS = 1,
    NOTE_RELEASES = 2,
    NOTE_DATED = 3,
    NOTE_LETTER = 4,   /* a row that was given up */
    NOTE_KEPT = 5,     /* answers that nothing was paid for */
    NOTE_BATCH = 6,    /* intents that are one batch */
    NOTE_BY = 20,      /* intents, each with its day and its writer */
    NOTE_BUILT = 21,   /* rows that nobody is asked for any more */
    NOTE_BY_POOR = 24, /* as NOTE_BY, and why */
    NOTE_BUILT_POOR = 25,
};

/* Numbers of an intent, or a release; 0: the note has none of these. */
static uint32_t
width_of(uint64_t type)
{
    switch (type) {
    case NOTE_INTENTS:
        return 3;
    case NOTE_RELEASES:
        return 1;
    case NOTE_DATED:
        return 4;
    case NOTE_BY:
        return 5;
    case NOTE_BY_POOR:
        return 6;
    default:
        return 0;
    }
}

struct table {
    struct unknown_call *v;
    bool *used;
    size_t cap, n;
};

void
unknown_calls_fini(struct unknown_calls *calls)
{
    free(calls->v);
    *calls = (struct unknown_calls){0};
}

static void
table_fini(struct table *t)
{
    free(t->v);
    free(t->used);
}

/* ---- the table ---- */

static size_t
home_of(const struct table *t, uint64_t row, uint32_t ask)
{
    return co_hash_task(row, ask) & (t->cap - 1);
}

/* Its place, or the free one where it would stand. */
static size_t
place_of(const struct table *t, uint64_t row, uint32_t ask)
{
    size_t at = home_of(t, row, ask);

    while (t->used[at] && (t->v[at].row != row || t->v[at].ask != ask)) {
        at = (at + 1) & (t->cap - 1);
    }
    return at;
}

static void
put(struct table *t, const struct unknown_call *call)
{
    size_t at = place_of(t, call->row, call->ask);

    t->n += !t->used[at];
    t->used[at] = true;
    t->v[at] = *call;
}

static enum co_err
grow(struct table *t)
{
    struct table more = {.cap = t->cap ? 2 * t->cap : TABLE_FIRST};

    if (2 * (t->n + 1) <= t->cap) return CO_OK;
    more.v = calloc(more.cap, sizeof *more.v);
    more.used = calloc(more.cap, sizeof *more.used);
    if (!more.v || !more.used) {
        table_fini(&more);
        return CO_NOMEM;
    }
    for (size_t i = 0; i < t->cap; i++) {
        if (t->used[i]) put(&more, &t->v[i]);
    }
    table_fini(t);
    *t = more;
    return CO_OK;
}

static struct unknown_call *
find(const struct table *t, uint64_t task)
{
    size_t at;

    if (!t->cap || (task & 0xff) < ASK_STEP) return NULL;
    at = place_of(t, task >> 8, (uint32_t)(task & 0xff) - ASK_STEP);
    return t->used[at] ? &t->v[at] : NULL;
}

/* Moves up what stood behind it because its place was taken. */
static void
forget(struct table *t, struct unknown_call *call)
{
    const size_t mask = t->cap - 1;
    size_t hole = (size_t)(call - t->v);

    for (size_t at = (hole + 1) & mask; t->used[at]; at = (at + 1) & mask) {
        size_t home = home_of(t, t->v[at].row, t->v[at].ask);

        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        t->v[hole] = t->v[at];
        hole = at;
    }
    t->used[hole] = false;
    t->n--;
}

/* ---- records ---- */

static enum co_err
take_intent(struct table *t, uint64_t task, uint64_t stage, uint64_t worst)
{
    const struct unknown_call call = {
        .row = task >> 8,
        .ask = (uint32_t)(task & 0xff) - ASK_STEP,
        .stage = (uint32_t)stage,
        .worst = (int64_t)worst,
    };

    if ((task & 0xff) < ASK_STEP || stage >= ASK_STAGES || worst > INT64_MAX) {
        return CO_DAMAGED;
    }
    if (grow(t)) return CO_NOMEM;
    put(t, &call);
    return CO_OK;
}

static enum co_err
take_entry(struct table *t, struct walk *w, uint64_t type)
{
    const uint64_t task = walk_u64(w);
    uint64_t stage, worst;

    if (type == NOTE_RELEASES) {
        struct unknown_call *call = find(t, task);

        if (call) forget(t, call);
        return CO_OK;
    }
    stage = walk_u64(w);
    worst = walk_u64(w);
    for (uint32_t i = 3; i < width_of(type); i++) {
        (void)walk_u64(w); /* the day of a shared cap, the writer, and why */
    }
    return w->bad ? CO_DAMAGED : take_intent(t, task, stage, worst);
}

/* [6, number, since, task, ...] */
static enum co_err
take_batch(struct table *t, struct walk *w, uint32_t n)
{
    const uint64_t number = walk_u64(w);

    (void)walk_u64(w);
    for (uint32_t i = 3; i < n; i++) {
        struct unknown_call *call = find(t, walk_u64(w));

        if (call) call->batch = number;
    }
    return walk_done(w) ? CO_OK : CO_DAMAGED;
}

/* Of calls that may be out. */
static bool
says_nothing(uint64_t type)
{
    return type == NOTE_LETTER || type == NOTE_KEPT || type == NOTE_BUILT ||
           type == NOTE_BUILT_POOR;
}

static enum co_err
take_note(struct table *t, const struct record *r)
{
    struct walk w = walk_start(r->content, r->length);
    uint32_t n, width;
    uint64_t type;
    enum co_err err = CO_OK;

    if (purse_note_is(r->content, r->length)) return CO_OK;
    n = walk_array(&w);
    type = n ? walk_u64(&w) : 0;
    width = width_of(type);
    if (!w.bad && says_nothing(type)) return CO_OK;
    if (!w.bad && type == NOTE_BATCH) return take_batch(t, &w, n);
    if (w.bad || !width) return CO_VERSION;
    if ((n - 1) % width) return CO_DAMAGED;
    for (uint32_t i = 1; i < n && !err; i += width) {
        err = take_entry(t, &w, type);
    }
    if (err) return err;
    return walk_done(&w) ? CO_OK : CO_DAMAGED;
}

static void
keep_text(const struct ask_text *from, char to[UNKNOWN_TEXT_BYTES])
{
    const size_t len = co_min_u64(from->len, UNKNOWN_TEXT_BYTES - 1);

    if (len) memcpy(to, from->text, len);
    to[len] = '\0';
}

/* A result that was no result of the ask counts for nothing there either. */
static void
take_result(struct table *t, uint64_t task, const uint8_t *data, size_t len)
{
    struct unknown_call *call = find(t, task);
    struct ask_result r;

    if (!call || call->told || !ask_get_result(data, len, &r)) return;
    if (r.row != call->row || r.ask != call->ask) return;
    if (r.outcome != ASK_UNKNOWN) {
        forget(t, call);
        return;
    }
    call->told = true;
    call->status = r.status;
    call->time_s = r.time;
    keep_text(&r.fault, call->fault);
    keep_text(&r.endpoint, call->endpoint);
}

/* None of it was run. */
static void
forget_batch(struct table *t, uint64_t number)
{
    if (!t->used || !t->v) return;
    for (size_t i = 0; i < t->cap;) {
        if (t->used[i] && t->v[i].batch == number) {
            forget(t, &t->v[i]); /* another may stand there now */
        } else {
            i++;
        }
    }
}

/* What a vendor told of a batch: outcomes of its asks, or that all of it is
 * refused. */
static void
take_batch_result(struct table *t, const struct batch_result *r)
{
    struct walk asks = walk_start(r->asks, r->asks_len);
    struct walk unsent = walk_start(r->unsent, r->unsent_len);

    for (uint32_t n = r->asks ? walk_array(&asks) : 0; n; n--) {
        struct ask_result one;
        uint32_t len = 0;
        const uint8_t *data = walk_bin(&asks, &len);

        if (!ask_get_result(data, len, &one)) continue;
        take_result(t, one.row << 8 | (ASK_STEP + one.ask), data, len);
    }
    for (uint32_t n = r->unsent ? walk_array(&unsent) : 0; n; n--) {
        struct unknown_call *call = find(t, walk_u64(&unsent) + ASK_STEP);

        if (call) forget(t, call);
    }
    if (r->state == BATCH_REFUSED) forget_batch(t, r->batch);
}

static void
take_payload(struct table *t, uint64_t task, const uint8_t *data, size_t len)
{
    struct batch_result batch;

    if (batch_get_result(data, len, &batch)) {
        take_batch_result(t, &batch);
    } else {
        take_result(t, task, data, len);
    }
}

static enum co_err
take_results(struct table *t, const struct record *r, struct msg_reader *reader)
{
    const uint8_t *body = r->content + PREFIX_BYTES;
    uint32_t head = 0;
    struct msg m;

    if (r->length < PREFIX_BYTES) return CO_DAMAGED;
    for (unsigned i = PREFIX_BYTES; i-- > 0;) {
        head = head << 8 | r->content[i];
    }
    if (head > r->length - PREFIX_BYTES) return CO_DAMAGED;
    if (msg_decode(reader, body, head, &m) || m.type != MSG_results ||
        msg_check_results(&m.results, r->length - PREFIX_BYTES - head)) {
        return CO_DAMAGED;
    }
    body += head;
    for (uint32_t i = 0; i < m.results.tasks.n; i++) {
        const uint32_t len = msg_at(m.results.lens, i);

        if (msg_at(m.results.statuses, i) == STATUS_OK) {
            take_payload(t, m.results.tasks.v[i], body, len);
        }
        body += len;
    }
    return CO_OK;
}

static enum co_err
read_all(struct reader *reader, struct table *t, struct msg_reader *messages,
         struct co_diag *diag)
{
    struct record r;
    enum co_err err = CO_OK;

    while (!err) {
        err = reader_next(reader, &r, NULL, diag);
        if (err == CO_NOTFOUND) return CO_OK; /* the end */
        if (err) return err;
        if (r.type == RECORD_NOTE) err = take_note(t, &r);
        if (r.type == RECORD_RESULTS) err = take_results(t, &r, messages);
    }
    return co_fail(diag, err,
                   err == CO_NOMEM
                       ? "out of memory"
                       : "a record of the journal is not readable by this "
                         "version; look with the version that wrote it");
}

/* ---- what is left ---- */

static int
by_row(const void *a, const void *b)
{
    const struct unknown_call *x = a, *y = b;

    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    return x->ask < y->ask ? -1 : x->ask > y->ask;
}

/* The table's memory becomes the list's. */
static void
list_all(struct table *t, struct unknown_calls *ret)
{
    struct unknown_calls calls = {.v = t->v};

    t->v = NULL;
    for (size_t i = 0; i < t->cap; i++) {
        if (!t->used[i]) continue;
        calls.v[calls.n] = calls.v[i];
        if (__builtin_add_overflow(calls.worst, calls.v[calls.n].worst,
                                   &calls.worst)) {
            calls.worst = INT64_MAX;
        }
        calls.n++;
    }
    if (calls.n) qsort(calls.v, calls.n, sizeof *calls.v, by_row);
    *ret = calls;
}

static bool
is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static enum co_err
open_journal(const char *dir, struct reader **ret, struct co_diag *diag)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof path, "%s/journal", dir) >= sizeof path ||
        !is_folder(path)) {
        (void)snprintf(path, sizeof path, "%s", dir);
    }
    if (!is_folder(path)) {
        return co_fail(diag, CO_NOTFOUND, "%s: there is no such folder", dir);
    }
    if (reader_open(path, 0, ret, diag)) {
        return co_fail(diag, CO_NOTFOUND,
                       "%s: no journal here; give the output folder of a run",
                       dir);
    }
    return CO_OK;
}

enum co_err
unknown_calls_read(const char *dir, struct unknown_calls *ret,
                   struct co_diag *diag)
{
    co_auto(reader_closep) struct reader *reader = NULL;
    struct msg_reader *messages = malloc(sizeof *messages);
    struct table t = {0};
    enum co_err err = CO_NOMEM;

    if (messages) err = open_journal(dir, &reader, diag);
    if (!err && !reader_plan(reader)->job) {
        err = co_fail(diag, CO_NOTFOUND,
                      "%s: no journal here; give the output folder of a run",
                      dir);
    }
    if (!err) err = read_all(reader, &t, messages, diag);
    if (!err) list_all(&t, ret);
    table_fini(&t);
    free(messages);
    return err;
}
