/* batchbook.c - see batchbook.h: which batches there are, and what is next for
 * each. What results mean for them stands in batchbook_results.c. */
#include "common/bug.h"
#include "coordinator/batchbook_impl.h"

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

uint64_t
batchbook_task_of(const struct batchbook_entry *e, enum batch_op op)
{
    const uint64_t seq = e->seq & ((UINT32_C(1) << BATCHBOOK_SEQ_BITS) - 1);

    return (e->number << BATCHBOOK_SEQ_BITS | seq) << 8 |
           (uint64_t)(BATCHBOOK_STEP + op);
}

/* -- what is next --------------------------------------------------------- */

enum batch_op
batchbook_op_of(const struct batchbook_entry *e)
{
    switch (e->phase) {
    case BATCHBOOK_FIND:
        return BATCH_FIND;
    case BATCHBOOK_RUNS:
        return e->cancels && !e->cancelled ? BATCH_CANCEL : BATCH_POLL;
    case BATCHBOOK_HARVEST:
        return BATCH_HARVEST;
    case BATCHBOOK_CLEAN:
        return BATCH_CLEAN;
    case BATCHBOOK_NEW:
    case BATCHBOOK_SUBMIT:
    case BATCHBOOK_PHASES:
        break;
    }
    return BATCH_SUBMIT;
}

bool
batchbook_is_made(const struct batchbook_entry *e)
{
    return e->phase == BATCHBOOK_SUBMIT || e->phase == BATCHBOOK_FIND;
}

/* Nobody tells when a vendor is through with a request whose answer was lost:
 * so it is given as long again as there was no answer, within bounds that have
 * nothing to do with how often somebody wants to look. OpenAI makes a batch of
 * a short request within seconds, and may list it a little later; Anthropic
 * takes all its requests with it, and cuts off what takes ten minutes. */
static int64_t
settle_us(const struct batchbook *b, const struct batchbook_entry *e,
          int64_t now_us)
{
    int64_t took = e->asked_us ? now_us - e->asked_us : 0;

    if (took > BATCHBOOK_SETTLE_MAX_US) took = BATCHBOOK_SETTLE_MAX_US;
    if (took < BATCHBOOK_SETTLE_US) took = BATCHBOOK_SETTLE_US;
    return took < b->poll_us ? b->poll_us : took;
}

void
batchbook_look_for(const struct batchbook *b, struct batchbook_entry *e,
                   int64_t now_us)
{
    e->phase = BATCHBOOK_FIND;
    e->settled_us = now_us + settle_us(b, e, now_us);
    e->due_us = now_us + b->poll_us;
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
batchbook_restart(struct batchbook *b, int64_t now_us, int64_t due_us)
{
    for (uint32_t i = 0; i < b->n; i++) {
        struct batchbook_entry *e = b->entries[i];

        if (e->phase == BATCHBOOK_CLEAN) {
            e->settled_us = now_us + BATCHBOOK_CLEAN_US;
        }
        if (!batchbook_is_made(e)) continue;
        e->asked_us = 0;
        e->settled_us = now_us + settle_us(b, e, now_us);
        if (e->settled_us < due_us) e->settled_us = due_us;
        if (e->op) continue; /* somebody is at it */
        if (CO_BUG(new_life_submits)) continue;
        e->phase = BATCHBOOK_FIND;
        e->due_us = due_us;
    }
}

uint32_t
batchbook_drop_late(struct batchbook *b, int64_t now_us)
{
    uint32_t files = 0;

    for (uint32_t i = b->n; i-- > 0;) {
        struct batchbook_entry *e = b->entries[i];

        if (e->phase == BATCHBOOK_CLEAN && !e->taken &&
            e->settled_us <= now_us) {
            files += e->n_files + 1; /* and the one that was uploaded */
            batchbook_remove(b, e);
        }
    }
    return files;
}

bool
batchbook_next(struct batchbook *b, int64_t now_us, uint64_t *ret_task)
{
    for (uint32_t i = 0; i < b->n; i++) {
        struct batchbook_entry *e = b->entries[i];

        if (!is_idle(e)) continue;
        /* one that nobody wants is cancelled now, not at the next look */
        if (e->due_us > now_us && batchbook_op_of(e) != BATCH_CANCEL) continue;
        e->op = batchbook_task_of(e, batchbook_op_of(e));
        e->asked_us = now_us;
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
        if (e->phase == BATCHBOOK_CLEAN && e->settled_us < due) {
            due = e->settled_us;
        }
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
    } else if (task != batchbook_task_of(e, batchbook_op_of(e))) {
        return false;
    }
    e->op = task;
    e->asked_us = 0; /* by an earlier life, nobody knows when */
    return true;
}

void
batchbook_gone(struct batchbook *b, uint64_t task, bool ran, int64_t now_us)
{
    struct batchbook_entry *e = batchbook_of(b, task);

    if (!e || e->op != task) return;
    e->op = 0;
    e->due_us = now_us + b->poll_us;
    /* one without its asks made nothing; what an earlier life gave out is not
     * known */
    ran &= e->claimed || !e->asked_us;
    if (ran && e->phase == BATCHBOOK_SUBMIT) batchbook_look_for(b, e, now_us);
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
                               .since = e->since,
                               .account = e->account};
    if (ret->op == BATCH_CLEAN) {
        for (uint32_t i = 0; i < e->n_files; i++) {
            ret->files[ret->n_files++] = ask_text_of(e->files[i]);
        }
        ret->files[ret->n_files++] = ask_text_of(e->input);
    }
    if (ret->op == BATCH_HARVEST) ret->file = ask_text_of(e->files[e->file]);
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
