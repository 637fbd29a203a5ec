/* kind_written_revive.c - rows that were given up and are asked again.
 * What a row's death led to cannot be undone once it counts: its range was
 * written without it, rows behind it were compared with others, shards were
 * sealed, answers forgotten. So it is not done to begin with. A replay is told
 * beforehand which deaths are withdrawn in it or after it, and until one is, no
 * result of its row's range is taken, and no shard from that one on counts as
 * sealed: all results and answers are in the journal, and ranges cost nothing.
 * The revival itself only has the row asked on, under new ids. Undoing was
 * rejected: the answers of the whole cell would have to be read again, and what
 * others were compared with be taken out of the set of texts. */
#include "coordinator/kind_written_core.h"

enum co_err
written_foresee(void *kind, uint64_t task, bool wished)
{
    struct written *w = kind;
    enum co_err err;

    if (batchbook_is_op(task)) return CO_RANGE; /* those do not die */
    if (wished && !personas_may_reopen(w->p, task >> 8)) return CO_RANGE;
    err = revivals_add(&w->revivals, task >> 8);
    if (!err) personas_hold_open(w->p, revivals_first(&w->revivals));
    return err;
}

bool
revive_is_awaited(const struct written *w, uint64_t start, uint32_t count)
{
    return revivals_in(&w->revivals, start, count);
}

/* Of a range that is not known (yet): a candidate more at most. */
bool
revive_is_awaited_in(const struct written *w, uint64_t task)
{
    const uint32_t depth = task & 0xff;

    if (depth > PERSONAS_DEPTH_MAX) return false; /* a pack is of a result */
    return revivals_in(&w->revivals, task >> 8,
                       (PERSONAS_CELL + (1u << depth) - 1) >> depth);
}

/* One that was given up for lost calls may be waiting for an answer again: a
 * replay knows only that there is a letter. One that was answered late is
 * written now. False: it had all the calls that a row may have. */
static bool
revive_row(struct written *w, uint64_t row)
{
    struct talk *t = rows_talk(w, row);
    struct row_before before;

    if (!t) return false;
    before = rows_before(t);
    w->revives = true;
    talk_revive(t);
    if (before.state == TALK_DEAD && t->state != TALK_DEAD) {
        w->n.revived++;
        arms_revive(w, row, t);
    }
    rows_changed(w, row, t, before, 0);
    return t->state != TALK_DEAD;
}

/* Were they left as rows that are still to be asked, the corpus would end in
 * front of the first of them, for want of what it has all the others for. */
void
revive_stop(struct written *w, int64_t now_us)
{
    for (uint32_t b = 0; b < w->n_blocks; b++) {
        for (uint32_t i = 0; i < PERSONAS_CELL; i++) {
            const uint64_t row = w->blocks[b]->cell * PERSONAS_CELL + i;
            struct talk *t = &w->blocks[b]->talks[i];
            const struct row_before before = rows_before(t);

            if (t->state != TALK_WANTED || !t->revived) continue;
            talk_stop(t);
            rows_changed(w, row, t, before, now_us);
        }
    }
}

bool
revive_finds_answers(const struct written *w)
{
    const uint64_t start = personas_progress(w->p).next * PERSONAS_CELL;

    if (!w->revives) return false;
    for (uint64_t row = start; row < start + PERSONAS_CELL; row++) {
        const struct talk *t = rows_talk(w, row);

        if (t && t->state == TALK_DONE) return true;
    }
    return false;
}

bool
written_revive(void *kind, uint64_t task)
{
    struct written *w = kind;
    const bool awaited =
        !batchbook_is_op(task) && revivals_remove(&w->revivals, task >> 8);

    if (awaited) personas_hold_open(w->p, revivals_first(&w->revivals));
    if (batchbook_is_op(task)) return false;
    if (written_is_ask(task)) return awaited && revive_row(w, task >> 8);
    /* the death of a range that is awaited did not count */
    return personas_kind.revive(w->p, task) || awaited;
}
