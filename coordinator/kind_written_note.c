/* kind_written_note.c - the kind's own records: what it is about to ask, and
 * what it did not ask after all.
 * A msgpack array of unsigned integers, but for letters:
 *   [1, task, stage, worst, task, stage, worst, ...]  intents: these asks may
 *        be published once this is committed; worst is reserved for each
 *   [3, task, stage, worst, day, ...]  the same, each with the day whose cap
 *        over several jobs it is charged to
 *   [2, task, task, ...]  releases: these were never published, and their
 *        money is free
 *   [4, row, letter]  a row was given up; a bin: a JSON object for people
 *   [6, number, since, task, task, ...]  asks that are one batch
 *   [5, result, result, ...]  answers from the cache, taken in place of asks;
 *        each a bin: a result as in llm/ask.h, without a usage
 *   [20, task, stage, worst, day, writer, ...]  as 3 (day 0: none), and each
 *        for a writer of the recipe (job/writers.h); those of 1 and 3 are for 0
 *   [21, row, stage, ...]  the built-in writer writes these rows, if they are
 *        in that stage still
 *   [24, task, stage, worst, day, writer, poor, ...]  as 20; poor 1: as money
 *        did not cover a writer that comes before in the row's list
 *   [25, row, stage, poor, ...]  as 21, the same
 *
 * Besides those of the purse, which begin with 'P' (job/purse_note.h). The
 * stage stands in it because a late answer may have moved the row on before the
 * record was committed; such an intent is void, and only its money counts.
 * Versions that know more kinds of records begin them with another number. */
#include "common/bug.h"
#include "coordinator/kind_written_core.h"
#include "proto/walk.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

/* Numbers for each task. */
static uint32_t
width_of(uint64_t type)
{
    if (type == NOTE_BY_POOR) return 6;
    if (type == NOTE_BY) return 5;
    if (type == NOTE_BUILT) return 2;
    if (type == NOTE_BUILT_POOR) return 3;
    if (type == NOTE_DATED) return 4;
    return type == NOTE_INTENTS ? 3 : 1;
}

static bool
is_poor(const struct note *note)
{
    for (uint32_t i = 0; i < note->n; i++) {
        if (note->v[i].poor) return true;
    }
    return false;
}

/* The least that tells all of it: folders with one writer stay readable for
 * older versions. */
static uint8_t
type_of(const struct note *note)
{
    uint8_t type = note->type;

    if (note->type == NOTE_BUILT && is_poor(note)) return NOTE_BUILT_POOR;
    if (note->type != NOTE_INTENTS) return type;
    if (is_poor(note)) return NOTE_BY_POOR;
    for (uint32_t i = 0; i < note->n; i++) {
        if (note->v[i].writer) return NOTE_BY;
        if (note->v[i].day) type = NOTE_DATED;
    }
    return type;
}

/* The numbers of an element, as many as it has in its record. */
static void
put_intent(const struct intent *v, uint8_t type, msgpack_packer *pk)
{
    const bool built = type == NOTE_BUILT_POOR;
    const uint64_t numbers[] = {
        v->task, v->stage,  built ? v->poor : (uint64_t)v->amount,
        v->day,  v->writer, v->poor};

    for (uint32_t k = 0; k < width_of(type); k++) {
        (void)msgpack_pack_uint64(pk, numbers[k]);
    }
}

static void
put_note(const struct note *note, struct co_buf *out)
{
    const uint8_t type = type_of(note);
    const uint32_t width = width_of(type);
    msgpack_packer pk;

    msgpack_packer_init(&pk, out, co_buf_write);
    if (note->type == NOTE_KEPT || note->type == NOTE_BATCH) {
        co_buf_append(out, note->letter.data, note->letter.len);
        return;
    }
    if (note->type == NOTE_LETTER) {
        (void)msgpack_pack_array(&pk, 3);
        (void)msgpack_pack_uint64(&pk, NOTE_LETTER);
        (void)msgpack_pack_uint64(&pk, note->v[0].task);
        (void)msgpack_pack_bin(&pk, note->letter.len);
        (void)msgpack_pack_bin_body(&pk, note->letter.data, note->letter.len);
        return;
    }
    (void)msgpack_pack_array(&pk, 1 + (size_t)note->n * width);
    (void)msgpack_pack_uint64(&pk, type);
    for (uint32_t i = 0; i < note->n; i++) {
        put_intent(&note->v[i], type, &pk);
    }
}

/* The purse's next record, in its place in the order. */
static bool
put_purse_note(struct written *w, struct co_buf *out)
{
    struct note *note;

    if (!w->options.purse || !purse_note_is_due(w->options.purse) ||
        w->n_notes == NOTES_MAX) {
        return false;
    }
    note = calloc(1, sizeof *note);
    if (!note) {
        w->n.no_memory++; /* asked again next turn */
        return false;
    }
    note->type = NOTE_PURSE;
    memmove(&w->notes[w->n_written + 1], &w->notes[w->n_written],
            (w->n_notes - w->n_written) * sizeof(struct note *));
    w->notes[w->n_written++] = note;
    w->n_notes++;
    return purse_note(w->options.purse, out);
}

/* What is to be released, as one record. Intents go first: a release may be
 * about one of them. */
static void
add_releases(struct written *w)
{
    struct note *note;

    if (!w->releases.n || w->n_notes == NOTES_MAX) return;
    note = malloc(sizeof *note);
    if (!note) {
        w->n.no_memory++; /* asked again next turn */
        return;
    }
    *note = (struct note){.type = NOTE_RELEASES};
    while (note->n < WRITTEN_NOTE_MAX &&
           fifo_get(&w->releases, &note->v[note->n].task)) {
        note->n++;
    }
    w->notes[w->n_notes++] = note;
}

static void
add_letter(struct written *w)
{
    struct letter letter;
    struct note *note;

    if (!w->n_letters || w->n_notes == NOTES_MAX) return;
    note = malloc(sizeof *note);
    if (!note) {
        w->n.no_memory++; /* asked again next turn */
        return;
    }
    *note = (struct note){.type = NOTE_LETTER};
    (void)letter_get(w, &letter);
    note->v[0].task = letter.row;
    note->letter = letter.text;
    w->notes[w->n_notes++] = note;
}

bool
written_note(void *kind, struct co_buf *out)
{
    struct written *w = kind;

    if (put_purse_note(w, out)) return true;
    if (w->n_written == w->n_notes) add_releases(w);
    if (w->n_written == w->n_notes) add_letter(w);
    if (w->n_written == w->n_notes) return false;
    put_note(w->notes[w->n_written++], out);
    return true;
}

/* -- committed ------------------------------------------------------------ */

static void
release(struct written *w, uint64_t task)
{
    w->n.unsent += money_release(w->m, task);
}

/* The row may have gone on, or may not be needed any more. */
static void
intended(struct written *w, const struct intent *intent, int64_t now_us)
{
    const uint64_t row = intent->task >> 8;
    struct talk *t = rows_talk(w, row);
    struct row_before before = {0};

    w->n.asks++;
    if (t) before = rows_before(t);
    if (t && talk_intended(t, written_ask(intent->task))) {
        rows_changed(w, row, t, before, now_us);
    } else if (!fifo_put(&w->releases, intent->task)) {
        w->n.no_memory++;
        (void)money_lost(w->m, intent->task);
    }
}

static void
kept_noted(struct written *w, const struct note *note, int64_t now_us)
{
    struct walk in = walk_start(note->letter.data, note->letter.len);
    const uint32_t n = walk_array(&in);
    bool read;

    (void)walk_u64(&in);
    read = kept_commit(w, &in, n - 1, false, now_us);
    co_assert(read); /* it is our own */
}

void
written_noted(void *kind, int64_t now_us)
{
    struct written *w = kind;
    struct note *note = w->notes[0];

    co_assert(w->n_written > 0);
    w->n_written--;
    w->n_notes--;
    memmove(w->notes, w->notes + 1, w->n_notes * sizeof(struct note *));
    if (note->type == NOTE_PURSE) purse_noted(w->options.purse, now_us);
    for (uint32_t i = 0; i < note->n; i++) {
        if (note->type == NOTE_INTENTS) {
            intended(w, &note->v[i], now_us);
        } else if (note->type == NOTE_BUILT) {
            built_commit(w, &note->v[i], now_us);
        } else {
            release(w, note->v[i].task);
        }
    }
    if (note->type == NOTE_LETTER) {
        letter_tell(w, note->letter.data, note->letter.len);
    }
    if (note->type == NOTE_KEPT) kept_noted(w, note, now_us);
    if (note->type == NOTE_BATCH) batch_noted(w, note);
    free(note->letter.data);
    free(note);
}

/* -- replay --------------------------------------------------------------- */

/* An ask of a row that had others: what became of the one before is not
 * known, unless it is settled. */
static void
restore_row(struct written *w, const struct intent *intent)
{
    const uint64_t row = intent->task >> 8;
    struct row_before before;
    struct block *b;
    struct talk *t;

    if (!personas_may_publish(w->p, row / PERSONAS_CELL)) return;
    b = rows_block(w, row / PERSONAS_CELL);
    if (!b) {
        w->n.no_memory++;
        return;
    }
    t = &b->talks[row % PERSONAS_CELL];
    if (t->asks) (void)money_lost(w->m, written_task(row, t->asks - 1u));
    before = rows_before(t);
    talk_restore(t, written_ask(intent->task), (enum ask_stage)intent->stage);
    if (talk_is_live(t) && t->stage == intent->stage) {
        talk_move(t, intent->writer);
        t->poor = intent->poor;
    }
    rows_changed(w, row, t, before, 0);
}

static void
restore_intent(struct written *w, struct walk *in, uint64_t type)
{
    const uint64_t task = walk_u64(in), stage = walk_u64(in),
                   worst = walk_u64(in),
                   day = type == NOTE_INTENTS ? 0 : walk_u64(in),
                   writer = type >= NOTE_BY ? walk_u64(in) : 0,
                   poor = type == NOTE_BY_POOR ? walk_u64(in) : 0;
    const struct intent intent = {.task = task,
                                  .stage = (uint8_t)stage,
                                  .writer = (uint8_t)writer,
                                  .poor = poor == 1};

    if (in->bad || day > UINT32_MAX || !written_is_ask(task) ||
        written_ask(task) >= ASK_MAX || stage >= ASK_STAGES ||
        worst > INT64_MAX || writer >= w->n_writers || poor > 1) {
        in->bad = true;
        return;
    }
    w->n.asks++;
    switch (money_restore(w->m, (unsigned)stage, task, (int64_t)worst,
                          (uint32_t)day)) {
    case CO_OK:
        if (!CO_BUG(replay_forgets_writers)) {
            money_tag(w->m, task, writers_tag(w, &intent));
        }
        restore_row(w, &intent);
        break;
    case CO_NOMEM:
        w->n.no_memory++;
        in->bad = true; /* a job that does not know its money does not start */
        break;
    default:
        in->bad = true; /* given out twice, or beyond what can be counted */
        break;
    }
}

/* A later intent, or a late answer, may stand before the release: what was
 * taken for lost until here was not. An answer begins a new stage, and counts
 * from there. */
static void
restore_release(struct written *w, uint64_t task)
{
    const uint64_t row = task >> 8;
    struct talk *t = rows_talk(w, row);

    if (t && !talk_is_present(t, written_ask(task)) &&
        money_is_unknown(w->m, task) &&
        /* else it began anew */
        (money_tag_of(w->m, task) & TAG_WRITER) == t->writer &&
        money_phase_of(w->m, task) == t->stage) {
        talk_restore_unsent(t);
    }
    release(w, task);
    /* OUT: it was put into a batch, and left out when that was submitted */
    if (t && (t->state == TALK_OPEN || t->state == TALK_OUT) &&
        talk_is_present(t, written_ask(task))) {
        const struct row_before before = rows_before(t);

        talk_withdraw(t);
        rows_changed(w, row, t, before, 0);
    }
}

/* The row is known to have one, should it die of lost calls once more. */
static bool
restore_letter(struct written *w, struct walk *in)
{
    const uint64_t row = walk_u64(in);
    uint32_t len = 0;
    const uint8_t *letter = walk_bin(in, &len);
    struct talk *t = rows_talk(w, row);

    if (!walk_done(in)) return false;
    if (t) t->told = true;
    letter_tell(w, letter, len);
    return true;
}

static void
restore_built(struct written *w, struct walk *in, uint64_t type)
{
    const uint64_t row = walk_u64(in), stage = walk_u64(in),
                   poor = type == NOTE_BUILT_POOR ? walk_u64(in) : 0;
    const struct intent built = {
        .task = row, .stage = (uint8_t)stage, .poor = poor == 1};
    const struct talk *t;

    if (in->bad || stage >= ASK_STAGES || poor > 1) {
        in->bad = true;
        return;
    }
    if (!personas_may_publish(w->p, row / PERSONAS_CELL)) return;
    if (!rows_block(w, row / PERSONAS_CELL)) {
        w->n.no_memory++;
        in->bad = true; /* the row would be asked, and be another one */
        return;
    }
    t = rows_talk(w, row);
    if (t->asks) (void)money_lost(w->m, written_task(row, t->asks - 1u));
    built_commit(w, &built, 0);
}

static bool
is_of_tasks(uint64_t type)
{
    return (type >= NOTE_INTENTS && type <= NOTE_DATED) || type == NOTE_BY ||
           type == NOTE_BUILT || type == NOTE_BY_POOR ||
           type == NOTE_BUILT_POOR;
}

static bool
replay_tasks(struct written *w, struct walk *in)
{
    const uint32_t n = walk_array(in);
    const uint64_t type = n ? walk_u64(in) : 0;
    const uint32_t width = width_of(type);

    if (!in->bad && type == NOTE_LETTER) {
        return n == 3 && restore_letter(w, in);
    }
    if (!in->bad && type == NOTE_KEPT) {
        return kept_commit(w, in, n - 1, true, 0);
    }
    if (!in->bad && type == NOTE_BATCH) return batch_replay(w, in, n - 1);
    if (in->bad || !is_of_tasks(type)) return false;
    if ((n - 1) % width) return false;
    for (uint32_t i = 1; i < n && !in->bad; i += width) {
        if (type == NOTE_RELEASES) {
            restore_release(w, walk_u64(in));
        } else if (type == NOTE_BUILT || type == NOTE_BUILT_POOR) {
            restore_built(w, in, type);
        } else {
            restore_intent(w, in, type);
        }
    }
    return walk_done(in);
}

bool
written_replay_note(void *kind, const uint8_t *data, size_t len)
{
    struct written *w = kind;
    struct walk in = walk_start(data, len);

    if (purse_note_is(data, len)) {
        return w->options.purse && purse_replay(w->options.purse, data, len);
    }
    if (CO_BUG(replay_forgets_notes)) return true;
    return replay_tasks(w, &in);
}
