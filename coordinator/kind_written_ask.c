/* kind_written_ask.c - which rows are asked next, and the intents to do so.
 * Rows that are begun go before new ones: a row that is half done is money
 * spent for nothing (kind_written_means.c). A row whose answers are all in the
 * cache costs nothing, and is begun also when there is no money left. */
#include "coordinator/kind_written_core.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* After a crash an intent without an answer is money nobody knows about:
     * so there are only some more than there are calls out. */
    BATCH_MIN = 16,
    BATCH_PART = 4,
};

/* -- bounds --------------------------------------------------------------- */

bool
ask_bound(const struct written *w, const struct talk *t, uint64_t *ret_input,
          int64_t *ret_worst)
{
    const struct written_writer *by = &w->writers[t->writer];
    const struct written_stage *s = &by->stages[t->stage];
    struct ask_task quotes = {0};
    uint64_t input = s->input_max;

    talk_quotes(t, &quotes);
    input += (uint64_t)s->quote_times * quotes.input_len;
    if (quotes.wrong) {
        input += s->repair_max + quotes.wrong_len +
                 (uint64_t)s->error_times * quotes.error_len;
    }
    *ret_input = input;
    *ret_worst = 0;
    if (by->price.input < 0) return true; /* and there is no cap */
    return money_worst(&by->price, input, s->output_max, by->call_ms,
                       ret_worst);
}

uint64_t
ask_expected(const struct written *w)
{
    const struct personas_progress at = personas_progress(w->p);

    return at.accepted + at.ahead + w->coming;
}

bool
ask_is_paused(const struct written *w)
{
    /* who has a fallback is not asked any more long before */
    return !w->chained && w->streak >= WRITTEN_REFUSED_STREAK;
}

/* Without a price nothing can be counted, and caps over several jobs would hold
 * for nobody. */
bool
ask_is_unpriced(const struct written *w)
{
    return !w->priced && w->options.purse &&
           purse_free(w->options.purse) != INT64_MAX;
}

/* -- intents -------------------------------------------------------------- */

/* Who is asked next, and what for: as_asked is the talk as it will be then.
 * Where the money left does not cover that one, and never will, whoever comes
 * next. */
static enum co_err
reserve(struct written *w, uint64_t row, struct talk *as_asked, int64_t now_us,
        int64_t *ret_worst)
{
    const uint64_t task = written_task(row, as_asked->asks);
    const struct talk before = *as_asked; /* its texts are borrowed */
    enum co_err err = CO_OK;

    do {
        bool poor;
        const uint8_t writer = writers_pick(w, row, &before, now_us, &poor);
        uint64_t input;

        *as_asked = before;
        as_asked->poor = poor;
        as_asked->mend &= before.writer == writer; /* see talk_move() */
        as_asked->writer = writer;
        if (writer >= WRITER_BUILTIN) return CO_OK;
        err = !ask_bound(w, as_asked, &input, ret_worst) ? CO_RANGE
              : !means_cover_call(w, as_asked, *ret_worst)
                  ? CO_FULL
                  : money_reserve(w->m, as_asked->stage, task, *ret_worst);
        if (err == CO_FULL) w->short_phase = money_short_phase(w->m);
    } while (err == CO_FULL && means_give_up(w, as_asked, *ret_worst));
    return err;
}

static bool
not_now(struct written *w, enum co_err err)
{
    w->held_back = err == CO_NOMEM ? KIND_NEXT_MEMORY : KIND_NEXT_ALL_OUT;
    w->is_waiting |= err == CO_UNAVAILABLE;
    w->is_short |= err == CO_FULL;
    w->n.no_memory += err == CO_NOMEM; /* tried again next turn */
    return false;
}

/* False: the money does not reach, or there is no memory; nothing changed. A
 * new row is begun only with its reservation: a replay knows of rows by their
 * intents. */
static bool
intend(struct written *w, struct note *note, uint64_t row, struct talk *t,
       int64_t now_us)
{
    const struct row_before before = rows_before(t);
    struct intent *v = &note->v[note->n];
    struct talk as_asked = *t;
    int64_t worst = 0;
    enum co_err err;

    if (kept_take(w, row, t, now_us)) return true;
    err = reserve(w, row, &as_asked, now_us, &worst);
    if (err) return not_now(w, err);
    if (as_asked.writer == WRITER_BUILTIN) {
        return built_intend(w, row, t, as_asked.poor, now_us);
    }
    if (as_asked.writer == WRITER_NONE) {
        w->held_back = KIND_NEXT_LATER;
        return false;
    }
    if (t->state == TALK_IDLE) talk_begin(t);
    w->n.moved += t->asks && t->writer != as_asked.writer;
    talk_move(t, as_asked.writer);
    t->poor = as_asked.poor;
    *v = (struct intent){.task = written_task(row, t->asks),
                         .amount = worst,
                         .stage = t->stage,
                         .writer = t->writer,
                         .poor = t->poor};
    v->day = money_day(w->m, v->task);
    money_tag(w->m, v->task, writers_tag(w, v));
    writers_asked(w, v->task, t->writer, now_us);
    w->n.mended += t->mend;
    w->n.afresh += !t->mend && t->wrong.data;
    note->n++;
    (void)talk_intend(t);
    rows_changed(w, row, t, before, now_us);
    return true;
}

/* Whether the row's range is held, so that it may be asked. */
static bool
is_held(const struct written *w, uint64_t row)
{
    const struct hold *h = rows_hold(w, row);

    return h && !h->out;
}

static void
put_back(struct written *w, uint64_t row)
{
    if (fifo_put(&w->wanted, row)) return;
    w->n.no_memory++;
    w->rescan = true;
}

/* A row that has to wait longer is lined up for its time. */
static void
intend_wanted(struct written *w, struct note *note, uint32_t room,
              int64_t now_us)
{
    uint64_t row;

    for (uint32_t left = w->wanted.n; left && note->n < room; left--) {
        struct talk *t;

        if (kept_is_full(w) || built_is_full(w)) return;
        (void)fifo_get(&w->wanted, &row);
        t = rows_talk(w, row);
        if (!t || t->state != TALK_WANTED || !is_held(w, row)) continue;
        if (t->due_us > now_us) {
            rows_wait(w, row, t->due_us);
        } else if (!intend(w, note, row, t, now_us)) {
            put_back(w, row);
        }
    }
}

/* -- new rows ------------------------------------------------------------- */

/* The first row, in index order, that is not begun in a held range. */
static bool
next_row(struct written *w, uint64_t *ret_row)
{
    for (uint32_t i = 0; i < w->n_holds; i++) {
        if (!w->holds[i].out && rows_next(w, &w->holds[i], ret_row)) {
            return true;
        }
    }
    return false;
}

/* Whether a range is held that is not held yet. Where nobody is asked any more
 * only one whose answers are there. */
static bool
may_pull(struct written *w)
{
    uint64_t row;

    if (!personas_next_is_new(w->p)) return true;
    if (ask_expected(w) >= personas_progress(w->p).rows) return false;
    return w->over ? revive_finds_answers(w) : !next_row(w, &row);
}

/* Holds the ranges that are drawn and lie idle, and a new one when another row
 * is needed. */
static void
pull(struct written *w, int64_t now_us)
{
    uint64_t task;
    int64_t due;

    while (!personas_progress(w->p).packs && rows_hold_room(w)) {
        enum kind_next next;

        if (!may_pull(w)) return;
        next = personas_kind.next(w->p, now_us, &task, &due);
        if (next != KIND_NEXT_TASK) {
            w->held_back = next;
            return;
        }
        rows_hold_add(w, task, false);
    }
}

/* Whether it costs nothing, as all its answers are in the cache. A row that was
 * looked for in vain is not looked for again in each turn. */
static bool
is_paid_for(struct written *w, uint64_t row)
{
    const uint64_t at = means_times_freed(w) + 1;

    if (w->unkept == row + 1 && w->unkept_at == at) return false;
    if (kept_is_whole(w, row)) return true;
    w->unkept = row + 1;
    w->unkept_at = at;
    return false;
}

/* Whether the money left covers a new row, by whoever that is then. */
static enum kind_next
may_afford(struct written *w, uint64_t row, int64_t now_us)
{
    const bool is_held = w->is_short || w->is_waiting;
    struct talk fresh;
    uint64_t input;
    int64_t worst = 0;

    do {
        bool poor;

        w->is_short &= is_held;
        fresh = (struct talk){.stage = ASK_BACKGROUND};
        fresh.writer = writers_pick(w, row, &fresh, now_us, &poor);
        if (fresh.writer == WRITER_NONE) return KIND_NEXT_LATER;
        if (fresh.writer == WRITER_BUILTIN) return KIND_NEXT_TASK; /* is free */
        if (is_held || !ask_bound(w, &fresh, &input, &worst)) break;
        if (means_cover_row(w, &fresh, worst)) return KIND_NEXT_TASK;
    } while (!w->is_waiting && means_give_up(w, &fresh, worst));
    return is_paid_for(w, row) ? KIND_NEXT_TASK : KIND_NEXT_MONEY;
}

/* Why the row may not be begun; TASK: it may. */
static enum kind_next
may_begin(struct written *w, uint64_t row, int64_t now_us)
{
    const struct personas_progress at = personas_progress(w->p);

    /* the oldest cell goes on whatever it takes: all else waits for it */
    if (w->bytes >= w->options.answers_max && row / PERSONAS_CELL > at.front) {
        return KIND_NEXT_ANSWERS;
    }
    return may_afford(w, row, now_us);
}

static void
intend_new(struct written *w, struct note *note, uint32_t room, int64_t now_us)
{
    while (note->n < room && !kept_is_full(w) && !built_is_full(w)) {
        enum kind_next may;
        struct block *b;
        struct talk *t;
        uint64_t row;

        if (ask_expected(w) >= personas_progress(w->p).rows) {
            w->held_back = KIND_NEXT_ALL_OUT;
            return;
        }
        if (!next_row(w, &row)) pull(w, now_us);
        if (!next_row(w, &row)) return;
        may = may_begin(w, row, now_us);
        if (may != KIND_NEXT_TASK) {
            w->held_back = may;
            return;
        }
        b = rows_block(w, row / PERSONAS_CELL);
        if (!b) {
            w->n.no_memory++;
            w->held_back = KIND_NEXT_MEMORY;
            return;
        }
        t = &b->talks[row % PERSONAS_CELL];
        if (!intend(w, note, row, t, now_us)) return;
    }
}

/* Intents that a record may have. Those that are made already are published
 * first: were there more than can be, a crash would leave them all open. */
static uint32_t
room_of(const struct written *w)
{
    const uint32_t left = w->room > w->ahead ? w->room - w->ahead : 0;
    const uint32_t part = money_open(w->m) / BATCH_PART;

    if (ask_is_paused(w)) return 1;
    return (uint32_t)co_min_u64(
        left, co_clamp_u64(part, BATCH_MIN, WRITTEN_NOTE_MAX));
}

/* The record that intents go into: there before anything is promised. NULL: no
 * memory. */
static struct note *
note_of(struct written *w)
{
    if (w->blank) return w->blank;
    w->blank = calloc(1, sizeof *w->blank);
    if (!w->blank) {
        w->n.no_memory++;
        w->held_back = KIND_NEXT_MEMORY;
        return NULL;
    }
    w->blank->type = NOTE_INTENTS;
    return w->blank;
}

static void
keep_note(struct written *w)
{
    if (!w->blank->n) return;
    w->notes[w->n_notes++] = w->blank;
    w->blank = NULL;
}

/* For a record of intents, and one of answers from the cache or of rows for the
 * built-in writer. */
static bool
has_room(const struct written *w)
{
    return w->n_notes + 1u + (w->options.kept || w->chained) <= NOTES_MAX;
}

/* The same for one that has some already, or is to have none but of rows that
 * are begun. */
static uint32_t
room_beside(const struct written *w, const struct note *note)
{
    const uint32_t left = w->room > w->ahead ? w->room - w->ahead : 0;

    return (uint32_t)co_min_u64((uint64_t)note->n + left, WRITTEN_NOTE_MAX);
}

/* Were they left to ask_prepare(), every new row's first stage that is
 * reserved would go before their second one. */
void
ask_go_on(struct written *w, int64_t now_us)
{
    struct note *last = NULL;

    if (!w->ready.n || !w->wanted.n || w->over) return;
    if (ask_is_unpriced(w) || ask_is_paused(w)) return;
    if ((w->options.kept || w->chained) && !has_room(w)) return;
    if (w->n_notes > w->n_written) last = w->notes[w->n_notes - 1];
    if (last && last->type == NOTE_INTENTS) { /* of this very turn */
        intend_wanted(w, last, room_beside(w, last), now_us);
    } else if (w->n_notes < NOTES_MAX && note_of(w)) {
        intend_wanted(w, w->blank, room_beside(w, w->blank), now_us);
        keep_note(w);
    }
    kept_close(w);
    built_close(w);
}

void
ask_prepare(struct written *w, int64_t now_us)
{
    struct note *note;
    uint32_t room;

    w->held_back = KIND_NEXT_ALL_OUT;
    w->is_short = w->is_waiting = false;
    means_foresee(w);
    w->away_us = INT64_MAX;
    pull(w, now_us);
    if (w->over || !has_room(w)) return;
    if (ask_is_unpriced(w)) {
        w->held_back = KIND_NEXT_MONEY;
        return;
    }
    if (ask_is_paused(w) && (now_us < w->probe_us || w->n_notes)) return;
    note = note_of(w);
    if (!note) return;
    room = room_of(w);
    intend_wanted(w, note, room, now_us);
    intend_new(w, note, room, now_us);
    if (w->is_short || w->is_waiting) w->held_back = KIND_NEXT_MONEY;
    kept_close(w);
    built_close(w);
    keep_note(w);
}
