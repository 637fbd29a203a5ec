/* batchbook_results.c - see batchbook.h: what a committed result means for its
 * batch. */
#include "common/bug.h"
#include "coordinator/batchbook_impl.h"

#include <string.h>

bool
batchbook_wants(const struct batchbook_entry *e, uint64_t task,
                const struct batch_result *r)
{
    if (e->taken || r->op != batchbook_op(task) || r->batch != e->number) {
        return false;
    }
    /* A submission that was given up may answer after all. That an earlier one
     * came to nothing was seen before there was another. */
    if (r->op == BATCH_SUBMIT) {
        return batchbook_is_made(e) &&
               (r->id.len || task == batchbook_task_of(e, BATCH_SUBMIT));
    }
    /* That it was looked for in a new life, and not submitted, no record says.
     * What was found before it is submitted again says nothing. */
    if (r->op == BATCH_FIND) {
        return batchbook_is_made(e) &&
               task == batchbook_task_of(e, BATCH_FIND) &&
               (!e->op || batchbook_op(e->op) != BATCH_SUBMIT);
    }
    if (e->phase == BATCHBOOK_RUNS) {
        return task == batchbook_task_of(e, BATCH_POLL) ||
               task == batchbook_task_of(e, BATCH_CANCEL);
    }
    return task == batchbook_task_of(e, batchbook_op_of(e));
}

static bool
take_text(char to[BATCH_ID_BYTES], struct ask_text from)
{
    if (!from.len || from.len >= BATCH_ID_BYTES) return false;
    memcpy(to, from.text, from.len);
    to[from.len] = '\0';
    return true;
}

/* It is at the vendor; polling tells more. */
static enum batchbook_step
runs(const struct batchbook *b, struct batchbook_entry *e,
     const struct batch_result *r, int64_t now_us, int64_t due_us)
{
    if (!take_text(e->id, r->id)) {
        batchbook_look_for(b, e, now_us);
        return BATCHBOOK_GOES_ON;
    }
    e->phase = BATCHBOOK_RUNS;
    e->due_us = due_us;
    return BATCHBOOK_GOES_ON;
}

static enum batchbook_step
submitted(struct batchbook *b, struct batchbook_entry *e,
          const struct batch_result *r, int64_t now_us)
{
    if (r->state == BATCH_REFUSED && !r->id.len) return BATCHBOOK_REFUSED;
    if (r->state == BATCH_NONE) { /* nothing was sent: it is that account's */
        e->claimed = true;
        e->account = r->account;
        e->phase = BATCHBOOK_SUBMIT;
        e->due_us = 0;
        return BATCHBOOK_GOES_ON;
    }
    if (r->state == BATCH_UNSURE && CO_BUG(unsure_is_unmade)) {
        e->phase = BATCHBOOK_SUBMIT;
        return BATCHBOOK_GOES_ON;
    }
    if (r->state == BATCH_UNSURE) {
        batchbook_look_for(b, e, now_us);
        return BATCHBOOK_GOES_ON;
    }
    return runs(b, e, r, now_us, now_us + b->poll_us);
}

static enum batchbook_step
found(struct batchbook *b, struct batchbook_entry *e,
      const struct batch_result *r, int64_t now_us)
{
    if (r->id.len) return runs(b, e, r, now_us, 0);
    e->due_us = now_us + b->poll_us;
    if (r->state != BATCH_NONE) return BATCHBOOK_GOES_ON;
    if (e->asked_us < e->settled_us &&
        !CO_BUG(not_listed_is_unmade)) { /* it may be made, or listed, yet */
        if (e->due_us < e->settled_us) e->due_us = e->settled_us;
        return BATCHBOOK_GOES_ON;
    }
    e->phase = BATCHBOOK_SUBMIT;
    e->due_us = 0;
    return BATCHBOOK_GOES_ON;
}

static enum batchbook_step
ended(struct batchbook_entry *e, const struct batch_result *r)
{
    e->phase = BATCHBOOK_HARVEST;
    e->misses = 0;
    e->due_us = 0;
    e->file = 0;
    e->skip = 0;
    e->n_files = 0;
    for (uint32_t i = 0; i < r->n_files; i++) {
        e->n_files += take_text(e->files[e->n_files], r->files[i]);
    }
    return e->n_files ? BATCHBOOK_GOES_ON : BATCHBOOK_DONE;
}

/* A vendor, or what stands before it, may be wrong for a moment, however short
 * `poll` is. True: it was said too often for that. By their number, not by the
 * clock: a replay has to end where the life before it did. */
static bool
is_missed(const struct batchbook *b, struct batchbook_entry *e, int64_t now_us)
{
    const int64_t apart_us = BATCHBOOK_SETTLE_US / 2;

    e->due_us = now_us + (b->poll_us < apart_us ? apart_us : b->poll_us);
    return ++e->misses >= BATCHBOOK_MISSES_MAX;
}

/* Nothing of it was run, and later it may be. */
static bool
is_crowded(const struct batch_result *r)
{
    const char *name = fault_name(FAULT_RATE_LIMITED);

    return r->fault.len == strlen(name) &&
           memcmp(r->fault.text, name, r->fault.len) == 0;
}

static bool
is_alone(const struct batchbook *b, const struct batchbook_entry *e)
{
    for (uint32_t i = 0; i < b->n; i++) {
        const struct batchbook_entry *other = b->entries[i];

        if (other != e && (other->phase == BATCHBOOK_RUNS ||
                           other->phase == BATCHBOOK_HARVEST)) {
            return false;
        }
    }
    return true;
}

/* Only its vendor can say so, and names it. Where there is no room though no
 * other one is there, it is too big: its vendor's words say for what. */
static enum batchbook_step
failed(const struct batchbook *b, struct batchbook_entry *e,
       const struct batch_result *r, int64_t now_us)
{
    e->due_us = now_us + b->poll_us;
    if (!r->id.len) return BATCHBOOK_GOES_ON;
    if (!is_crowded(r)) return BATCHBOOK_REFUSED;
    if (is_alone(b, e) && ++e->crowded >= BATCHBOOK_MISSES_MAX) {
        return BATCHBOOK_REFUSED;
    }
    e->phase = BATCHBOOK_SUBMIT;
    e->due_us = now_us + BATCHBOOK_CROWDED_POLLS * b->poll_us;
    e->id[0] = '\0';
    return BATCHBOOK_GOES_ON;
}

static enum batchbook_step
polled(struct batchbook *b, struct batchbook_entry *e,
       const struct batch_result *r, int64_t now_us)
{
    e->total = r->total;
    e->done = r->done;
    e->failed = r->failed;
    switch (r->state) {
    case BATCH_ENDED:
        /* answers, and no file of them: it may come */
        if (!r->n_files && r->done && !is_missed(b, e, now_us)) {
            return BATCHBOOK_GOES_ON;
        }
        return ended(e, r);
    case BATCH_REFUSED:
        return failed(b, e, r, now_us);
    case BATCH_GONE:
        return is_missed(b, e, now_us) ? BATCHBOOK_LOST : BATCHBOOK_GOES_ON;
    default:
        e->misses = 0;
        e->due_us = now_us + b->poll_us;
        return BATCHBOOK_GOES_ON;
    }
}

static enum batchbook_step
cancelled(struct batchbook_entry *e, const struct batch_result *r)
{
    if (r->state == BATCH_GONE) return BATCHBOOK_LOST;
    e->cancelled = true;
    e->due_us = 0;
    return BATCHBOOK_GOES_ON;
}

static enum batchbook_step
harvested(const struct batchbook *b, struct batchbook_entry *e,
          const struct batch_result *r, int64_t now_us)
{
    const bool gone = r->state == BATCH_GONE;

    if (gone && !is_missed(b, e, now_us)) return BATCHBOOK_GOES_ON;
    e->misses = 0;
    e->due_us = 0;
    if (gone || r->end) {
        e->file++;
        e->skip = 0;
        return e->file < e->n_files ? BATCHBOOK_GOES_ON : BATCHBOOK_DONE;
    }
    e->skip = co_max_u64(r->skip, e->skip);
    return BATCHBOOK_GOES_ON;
}

static bool
is_strange(const struct batchbook_entry *e, const struct batch_result *r)
{
    return r->op != BATCH_SUBMIT && r->state == BATCH_UNSURE && e->account &&
           r->account && r->account != e->account;
}

void
batchbook_clean(struct batchbook *b, struct batchbook_entry *e, int64_t now_us)
{
    if (!e->input[0]) {
        batchbook_remove(b, e);
        return;
    }
    e->phase = BATCHBOOK_CLEAN;
    e->settled_us = now_us + BATCHBOOK_CLEAN_US;
    e->due_us = 0;
}

bool
batchbook_cleans(const struct batchbook *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->entries[i]->phase == BATCHBOOK_CLEAN) return true;
    }
    return false;
}

/* The vendor is asked anew what files there are: one may have come since. */
bool
batchbook_read_again(const struct batchbook *b, struct batchbook_entry *e,
                     int64_t now_us)
{
    if (++e->readings >= BATCHBOOK_READINGS_MAX) return false;
    e->phase = BATCHBOOK_RUNS;
    e->due_us = now_us + b->poll_us;
    if (e->readings > 1) e->due_us += BATCHBOOK_SETTLE_US;
    return true;
}

enum batchbook_step
batchbook_commit(struct batchbook *b, struct batchbook_entry *e, uint64_t task,
                 const struct batch_result *r, int64_t now_us)
{
    const uint32_t seq =
        (uint32_t)(task >> 8) & ((UINT32_C(1) << BATCHBOOK_SEQ_BITS) - 1);

    e->taken = false;
    e->op = 0;
    /* who was told of it has the account, with whatever key */
    if (r->id.len && r->account) e->account = r->account;
    (void)take_text(e->input, r->input);
    e->strange = is_strange(e, r);
    if (e->seq <= seq) e->seq = seq + 1; /* a late one is of the past */
    /* it says nothing about the batch */
    if (e->strange) {
        e->due_us = now_us + b->poll_us;
        return BATCHBOOK_GOES_ON;
    }
    switch (r->op) {
    case BATCH_SUBMIT:
        return submitted(b, e, r, now_us);
    case BATCH_FIND:
        return found(b, e, r, now_us);
    case BATCH_POLL:
        return polled(b, e, r, now_us);
    case BATCH_HARVEST:
        return harvested(b, e, r, now_us);
    case BATCH_CANCEL:
        return cancelled(e, r);
    case BATCH_CLEAN:
    case BATCH_OPS:
        break;
    }
    return BATCHBOOK_OVER;
}
