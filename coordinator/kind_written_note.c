/* kind_written_note.c - the kind's own records: what it is about to ask, and
 * what it did not ask after all.
 * A msgpack array of unsigned integers:
 *   [1, task, stage, worst, task, stage, worst, ...]  intents: these asks may
 *        be published once this is committed; worst is reserved for each
 *   [2, task, task, ...]  releases: these were never published, and their
 *        money is free
 * The stage stands in it because a late answer may have moved the row on
 * before the record was committed; such an intent is void, and only its money
 * counts. Versions that know more kinds of records begin them with another
 * number. */
#include "coordinator/kind_written_core.h"
#include "proto/walk.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

static int
pack_write(void *data, const char *bytes, size_t len)
{
    co_buf_append(data, bytes, len);
    return 0;
}

static void
put_note(const struct note *note, struct co_buf *out)
{
    const bool intents = note->type == NOTE_INTENTS;
    msgpack_packer pk;

    msgpack_packer_init(&pk, out, pack_write);
    (void)msgpack_pack_array(&pk, 1 + (size_t)note->n * (intents ? 3 : 1));
    (void)msgpack_pack_uint64(&pk, note->type);
    for (uint32_t i = 0; i < note->n; i++) {
        (void)msgpack_pack_uint64(&pk, note->v[i].task);
        if (!intents) continue;
        (void)msgpack_pack_uint64(&pk, note->v[i].stage);
        (void)msgpack_pack_uint64(&pk, (uint64_t)note->v[i].amount);
    }
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

bool
written_note(void *kind, struct co_buf *out)
{
    struct written *w = kind;

    if (w->n_written == w->n_notes) add_releases(w);
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

void
written_noted(void *kind, int64_t now_us)
{
    struct written *w = kind;
    struct note *note = w->notes[0];

    co_assert(w->n_written > 0);
    w->n_written--;
    w->n_notes--;
    memmove(w->notes, w->notes + 1, w->n_notes * sizeof(struct note *));
    for (uint32_t i = 0; i < note->n; i++) {
        if (note->type == NOTE_INTENTS) {
            intended(w, &note->v[i], now_us);
        } else {
            release(w, note->v[i].task);
        }
    }
    free(note);
}

/* -- replay --------------------------------------------------------------- */

/* An ask of a row that had others: what became of the one before is not
 * known, unless it is settled. */
static void
restore_row(struct written *w, uint64_t task, uint8_t stage)
{
    const uint64_t row = task >> 8;
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
    talk_restore(t, written_ask(task), (enum ask_stage)stage);
    rows_changed(w, row, t, before, 0);
}

static void
restore_intent(struct written *w, struct walk *in)
{
    const uint64_t task = walk_u64(in), stage = walk_u64(in),
                   worst = walk_u64(in);

    if (in->bad || !written_is_ask(task) || written_ask(task) >= ASK_MAX ||
        stage >= ASK_STAGES || worst > INT64_MAX) {
        in->bad = true;
        return;
    }
    w->n.asks++;
    switch (money_restore(w->m, (unsigned)stage, task, (int64_t)worst)) {
    case CO_OK:
        restore_row(w, task, (uint8_t)stage);
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

static void
restore_release(struct written *w, uint64_t task)
{
    const uint64_t row = task >> 8;
    struct talk *t = rows_talk(w, row);

    release(w, task);
    if (t && t->state == TALK_OPEN && talk_is_present(t, written_ask(task))) {
        const struct row_before before = rows_before(t);

        talk_withdraw(t);
        rows_changed(w, row, t, before, 0);
    }
}

bool
written_replay_note(void *kind, const uint8_t *data, size_t len)
{
    struct written *w = kind;
    struct walk in = walk_start(data, len);
    const uint32_t n = walk_array(&in);
    const uint64_t type = n ? walk_u64(&in) : 0;

    if (in.bad || (type != NOTE_INTENTS && type != NOTE_RELEASES)) return false;
    if (type == NOTE_INTENTS && n % 3 != 1) return false;
    for (uint32_t i = 1; i < n && !in.bad; i += type == NOTE_INTENTS ? 3 : 1) {
        if (type == NOTE_INTENTS) {
            restore_intent(w, &in);
        } else {
            restore_release(w, walk_u64(&in));
        }
    }
    return walk_done(&in);
}
