/* batchbook.c - see batchbook.h. */
#include "coordinator/batchbook.h"

#include <stdlib.h>
#include <string.h>

/* -- entries -------------------------------------------------------------- */

static void
entry_free(struct batchbook_entry *e)
{
    free(e->tasks);
    free(e);
}

void
batchbook_fini(struct batchbook *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        entry_free(b->entries[i]);
    }
    b->n = 0;
}

struct batchbook_entry *
batchbook_add(struct batchbook *b, uint64_t number, const uint64_t *tasks,
              uint32_t n, uint64_t since)
{
    struct batchbook_entry *e;

    if (b->n == BATCHBOOK_LIVE_MAX) return NULL;
    e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->tasks = malloc(n * sizeof *tasks);
    if (!e->tasks) {
        free(e);
        return NULL;
    }
    memcpy(e->tasks, tasks, n * sizeof *tasks);
    e->n = n;
    e->number = number;
    e->since = since;
    e->phase = BATCHBOOK_NEW;
    b->entries[b->n++] = e;
    b->last = co_max_u64(b->last, number);
    return e;
}

void
batchbook_remove(struct batchbook *b, struct batchbook_entry *e)
{
    uint32_t i = 0;

    while (b->entries[i] != e) {
        i++;
    }
    b->n--;
    memmove(b->entries + i, b->entries + i + 1,
            (b->n - i) * sizeof(struct batchbook_entry *));
    entry_free(e);
}

struct batchbook_entry *
batchbook_find(const struct batchbook *b, uint64_t number)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->entries[i]->number == number) return b->entries[i];
    }
    return NULL;
}

struct batchbook_entry *
batchbook_of(const struct batchbook *b, uint64_t task)
{
    return batchbook_find(b, task >> (8 + BATCHBOOK_SEQ_BITS));
}

static uint64_t
task_of(const struct batchbook_entry *e, enum batch_op op)
{
    const uint64_t seq = e->seq & ((UINT32_C(1) << BATCHBOOK_SEQ_BITS) - 1);

    return (e->number << BATCHBOOK_SEQ_BITS | seq) << 8 |
           (uint64_t)(BATCHBOOK_STEP + op);
}

/* -- what is next --------------------------------------------------------- */

static enum batch_op
op_of(const struct batchbook_entry *e)
{
    switch (e->phase) {
    case BATCHBOOK_FIND:
        return BATCH_FIND;
    case BATCHBOOK_RUNS:
        return e->cancels && !e->cancelled ? BATCH_CANCEL : BATCH_POLL;
    case BATCHBOOK_HARVEST:
        return BATCH_HARVEST;
    case BATCHBOOK_NEW:
    case BATCHBOOK_SUBMIT:
    case BATCHBOOK_PHASES:
        break;
    }
    return BATCH_SUBMIT;
}

/* Not known to be at the vendor. */
static bool
is_made(const struct batchbook_entry *e)
{
    return e->phase == BATCHBOOK_SUBMIT || e->phase == BATCHBOOK_FIND;
}

/* What became of its submission is not known. */
static void
look_for(struct batchbook_entry *e, int64_t lost_us, int64_t due_us)
{
    e->phase = BATCHBOOK_FIND;
    e->lost_us = lost_us;
    e->due_us = due_us;
}

static bool
is_idle(const struct batchbook_entry *e)
{
    return e->phase != BATCHBOOK_NEW && !e->op && !e->taken;
}

void
batchbook_noted(struct batchbook_entry *e)
{
    e->phase = BATCHBOOK_SUBMIT;
    e->due_us = 0;
}

void
batchbook_restart(struct batchbook *b, int64_t due_us)
{
    for (uint32_t i = 0; i < b->n; i++) {
        struct batchbook_entry *e = b->entries[i];

        if (is_made(e) && !e->op) look_for(e, due_us, due_us);
    }
}

bool
batchbook_next(struct batchbook *b, int64_t now_us, uint64_t *ret_task)
{
    for (uint32_t i = 0; i < b->n; i++) {
        struct batchbook_entry *e = b->entries[i];

        if (!is_idle(e)) continue;
        /* one that nobody wants is cancelled now, not at the next look */
        if (e->due_us > now_us && op_of(e) != BATCH_CANCEL) continue;
        e->op = task_of(e, op_of(e));
        *ret_task = e->op;
        return true;
    }
    return false;
}

int64_t
batchbook_due(const struct batchbook *b)
{
    int64_t due = INT64_MAX;

    for (uint32_t i = 0; i < b->n; i++) {
        const struct batchbook_entry *e = b->entries[i];

        if (is_idle(e) && e->due_us < due) due = e->due_us;
    }
    return due;
}

bool
batchbook_adopt(struct batchbook *b, uint64_t task)
{
    struct batchbook_entry *e = batchbook_of(b, task);

    if (!e || !is_idle(e)) return false;
    if (batchbook_op(task) == BATCH_SUBMIT && !e->id[0]) {
        e->phase = BATCHBOOK_SUBMIT; /* it is not lost */
    } else if (task != task_of(e, op_of(e))) {
        return false;
    }
    e->op = task;
    return true;
}

void
batchbook_gone(struct batchbook *b, uint64_t task, bool ran, int64_t now_us)
{
    struct batchbook_entry *e = batchbook_of(b, task);

    if (!e || e->op != task) return;
    e->op = 0;
    e->due_us = now_us + b->poll_us;
    if (ran && e->phase == BATCHBOOK_SUBMIT) look_for(e, now_us, e->due_us);
}

void
batchbook_task(const struct batchbook_entry *e, uint64_t task,
               struct batch_task *ret)
{
    *ret = (struct batch_task){.op = batchbook_op(task),
                               .batch = e->number,
                               .id = ask_text_of(e->id),
                               .skip = e->skip,
                               .count = e->n,
                               .since = e->since};
    if (ret->op == BATCH_HARVEST) ret->file = ask_text_of(e->files[e->file]);
}

/* -- results -------------------------------------------------------------- */

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
        return is_made(e) && (r->id.len || task == task_of(e, BATCH_SUBMIT));
    }
    /* That it was looked for in a new life, and not submitted, no record says.
     * What was found before it is submitted again says nothing. */
    if (r->op == BATCH_FIND) {
        return is_made(e) && task == task_of(e, BATCH_FIND) &&
               (!e->op || batchbook_op(e->op) != BATCH_SUBMIT);
    }
    if (e->phase == BATCHBOOK_RUNS) {
        return task == task_of(e, BATCH_POLL) ||
               task == task_of(e, BATCH_CANCEL);
    }
    return task == task_of(e, op_of(e));
}

static bool
take_id(struct batchbook_entry *e, struct ask_text id)
{
    if (!id.len || id.len >= sizeof e->id) return false;
    memcpy(e->id, id.text, id.len);
    e->id[id.len] = '\0';
    return true;
}

/* It is at the vendor; polling tells more. */
static enum batchbook_step
runs(struct batchbook_entry *e, const struct batch_result *r, int64_t now_us,
     int64_t due_us)
{
    if (!take_id(e, r->id)) {
        look_for(e, now_us, due_us);
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
    if (r->state == BATCH_UNSURE) {
        look_for(e, now_us, now_us + b->poll_us);
        return BATCHBOOK_GOES_ON;
    }
    return runs(e, r, now_us, now_us + b->poll_us);
}

static enum batchbook_step
found(struct batchbook *b, struct batchbook_entry *e,
      const struct batch_result *r, int64_t now_us)
{
    if (r->state == BATCH_NONE) {
        e->phase = BATCHBOOK_SUBMIT;
        e->due_us = 0;
        return BATCHBOOK_GOES_ON;
    }
    if (r->id.len) return runs(e, r, now_us, 0);
    e->due_us = now_us + b->poll_us;
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
        char *to = e->files[e->n_files++];

        memcpy(to, r->files[i].text, r->files[i].len);
        to[r->files[i].len] = '\0';
    }
    return e->n_files ? BATCHBOOK_GOES_ON : BATCHBOOK_DONE;
}

/* A vendor, or what stands before it, may be wrong for a moment. True: it was
 * said too often for that. */
static bool
is_missed(const struct batchbook *b, struct batchbook_entry *e, int64_t now_us)
{
    e->due_us = now_us + b->poll_us;
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

        if (other != e && other->phase >= BATCHBOOK_RUNS) return false;
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

enum batchbook_step
batchbook_commit(struct batchbook *b, struct batchbook_entry *e, uint64_t task,
                 const struct batch_result *r, int64_t now_us)
{
    const uint32_t seq =
        (uint32_t)(task >> 8) & ((UINT32_C(1) << BATCHBOOK_SEQ_BITS) - 1);

    e->taken = false;
    e->op = 0;
    if (e->seq <= seq) e->seq = seq + 1; /* a late one is of the past */
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
    case BATCH_OPS:
        break;
    }
    return cancelled(e, r);
}

/* -- names ---------------------------------------------------------------- */

const char *
batchbook_phase_text(enum batchbook_phase phase)
{
    static const char *const texts[BATCHBOOK_PHASES] = {
#define X(name, text) text,
        BATCHBOOK_PHASE_LIST(X)
#undef X
    };

    return (unsigned)phase < BATCHBOOK_PHASES ? texts[phase] : "?";
}

const char *
batchbook_phase_name(enum batchbook_phase phase)
{
    static const char *const names[BATCHBOOK_PHASES] = {
#define X(name, text) #name,
        BATCHBOOK_PHASE_LIST(X)
#undef X
    };

    return (unsigned)phase < BATCHBOOK_PHASES ? names[phase] : "?";
}
