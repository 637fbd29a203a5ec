/* kind_written_range.c - ranges: their results say which rows were written.
 * A range's result decides about its rows while no more of them are wanted: a
 * row that it does not accept was given up if it was ever asked for, and was
 * not needed if it was not. That is read off the result and the intents before
 * it, both journaled, so that a replay counts the same. */
#include "coordinator/kind_written_core.h"
#include "rows/range.h"

struct outcome {
    uint32_t accepted, gave_up, unasked;
    bool unfinished; /* a row was asked for, and is neither written nor dead */
    bool late_done;  /* a row was answered, and is not written */
    bool awaited;    /* a row will be asked again, and may be written then */
    bool valid;      /* accepts only rows that have their answers */
};

/* That a row was given up for lost calls stands in no record but its letter. It
 * may be missing (too many at once), or come behind the range's result: then a
 * replay finds the row waiting, `unfinished`, and does not count the result.
 * That is as it should be: the range is made once more, which is free, and the
 * row gets its answer if its calls are answered now. Nobody has seen the range
 * yet: once its shard is sealed, the record of that says all. */
static struct outcome
read_outcome(const struct written *w, const struct range_result *r)
{
    struct outcome o = {.valid = true,
                        .awaited = revive_is_awaited(w, r->start, r->count)};

    for (uint32_t i = 0; i < r->count; i++) {
        const uint64_t row = r->start + i;
        const struct talk *t = rows_talk(w, row);
        const bool asked = t && t->state != TALK_IDLE;

        if (r->bitmap[i / 8] >> i % 8 & 1) {
            o.valid &= t && t->state == TALK_DONE;
            o.accepted++;
        } else if (rows_accepts(w, row)) {
            o.gave_up += asked;
            o.unasked += !asked;
            o.unfinished |= asked && talk_is_live(t) && !t->told;
            o.late_done |= asked && t->state == TALK_DONE && !t->told;
        }
    }
    return o;
}

/* Whether a range that leaves candidates out may be decided. With more rows or
 * more money than there were when it was given out it may not: those that it
 * leaves out come before all others, and it is made once more, which is free.
 * So in a replay with more rows than an earlier life wanted; and in one where a
 * row was answered when the last range was with a worker already. While it is
 * given out it may: a worker that will not write a row would get it for ever.
 */
static bool
is_enough(const struct written *w, const struct outcome *o,
          const struct hold *h)
{
    const struct personas_progress at = personas_progress(w->p);

    if (o->awaited || (!h && o->late_done)) return false;
    if (w->final) return true;
    if (o->unfinished) return false;
    if (!o->unasked) return true;
    return (h ? ask_expected(w) : at.accepted + at.ahead + o->accepted) >=
           at.rows;
}

/* The rows of a range that counts. */
static void
count_accepted(struct written *w, const uint8_t *data, uint32_t len)
{
    struct range_result r;

    if (!w->options.table || range_decode(data, len, &r) != CO_OK) return;
    for (uint32_t i = 0; i < r.count; i++) {
        const struct talk *t = rows_talk(w, r.start + i);

        if (t && r.bitmap[i / 8] >> i % 8 & 1) arms_accept(w, r.start + i, t);
    }
    range_result_fini(&r);
}

enum kind_take
range_take(struct written *w, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct outcome o = {.valid = false};
    struct range_result r;
    enum kind_take verdict;
    struct hold *h;

    if ((task & 0xff) == PERSONAS_STEP_PACK ||
        personas_is_decided(w->p, task)) {
        return personas_kind.take(w->p, task, data, len);
    }
    if (range_decode(data, len, &r) == CO_OK) {
        if (r.count <= PERSONAS_CELL && r.start == task >> 8) {
            o = read_outcome(w, &r);
        }
        range_result_fini(&r);
    }
    if (!o.valid) {
        w->n.invalid++;
        return KIND_INVALID;
    }
    h = rows_hold_task(w, task);
    if (!is_enough(w, &o, h)) {
        if (h && h->out) rows_take_back(w, h);
        return KIND_LATE;
    }
    verdict = personas_kind.take(w->p, task, data, len);
    if (verdict != KIND_ACCEPTED) return verdict;
    count_accepted(w, data, len);
    personas_mark(w->p, task, o.gave_up, o.unasked,
                  o.unasked || o.unfinished || o.late_done);
    if (h) h->out = true; /* of an earlier life: need not be given out */
    return verdict;
}

/* The range is decided: nobody waits for its rows any more. */
static void
decided(struct written *w, uint64_t task, uint64_t start, uint32_t count)
{
    struct hold *h = rows_hold_task(w, task);

    if (h) rows_hold_remove(w, h);
    rows_withdraw_range(w, start, count);
}

void
range_place(struct written *w, uint64_t task, int64_t now_us,
            const struct kind_place *place)
{
    uint64_t start = 0;
    uint32_t count = 0;
    const bool known = personas_range(w->p, task, &start, &count) &&
                       (task & 0xff) != PERSONAS_STEP_PACK;

    personas_kind.place(w->p, task, now_us, place);
    if (known) decided(w, task, start, count);
}

unsigned
written_split(void *kind, uint64_t task, uint64_t ret_halves[2])
{
    struct written *w = kind;
    struct hold *h;

    if (written_is_ask(task) || batchbook_is_op(task) || !rows_hold_room(w)) {
        return 0;
    }
    h = rows_hold_task(w, task);
    if (!h || !h->out) return 0;
    if (personas_kind.split(w->p, task, ret_halves) != 2) return 0;
    rows_hold_remove(w, h);
    rows_hold_add(w, ret_halves[0], true);
    rows_hold_add(w, ret_halves[1], true);
    return 2;
}

/* Asks do not die: gone() makes another one. */
void
written_dead(void *kind, uint64_t task)
{
    struct written *w = kind;
    uint64_t start = 0;
    uint32_t count = 0;

    if (written_is_ask(task)) return;
    if (batchbook_is_op(task)) { /* nor do these: tried again later */
        batchbook_gone(&w->book, task, false, w->now_us);
        return;
    }
    if (revive_is_awaited_in(w, task)) return;
    personas_kind.dead(w->p, task);
    if ((task & 0xff) == PERSONAS_STEP_PACK ||
        !personas_range(w->p, task, &start, &count)) {
        return;
    }
    decided(w, task, start, count);
}
