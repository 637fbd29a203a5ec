/* talk.c - see talk.h. */
#include "coordinator/talk.h"

#include "common/bug.h"
#include "common/hash.h"

#include <stdlib.h>
#include <string.h>

/* -- texts ---------------------------------------------------------------- */

static void
drop(struct talk_bytes *b)
{
    free(b->data);
    *b = (struct talk_bytes){0};
}

/* At least a byte, so that an empty text is not none. False: no memory, and b
 * is as it was. */
static bool
keep(struct talk_bytes *b, const void *data, uint32_t len)
{
    uint8_t *copy = malloc(len + 1u);

    if (!copy) return false;
    if (len) memcpy(copy, data, len);
    free(b->data);
    *b = (struct talk_bytes){copy, len};
    return true;
}

void
talk_forget(struct talk *t)
{
    for (unsigned s = 0; s < ASK_STAGES; s++) {
        drop(&t->answers[s]);
    }
    drop(&t->model);
    drop(&t->wrong);
    drop(&t->error);
    t->mend = false;
}

void
talk_fini(struct talk *t)
{
    talk_forget(t);
    *t = (struct talk){0};
}

size_t
talk_bytes(const struct talk *t)
{
    size_t bytes = t->model.len + t->wrong.len + t->error.len;

    for (unsigned s = 0; s < ASK_STAGES; s++) {
        bytes += t->answers[s].len;
    }
    return bytes;
}

/* -- states --------------------------------------------------------------- */

static void
set_state(struct talk *t, enum talk_state state)
{
    t->state = (uint8_t)state;
    if (state != TALK_WANTED) t->away = false;
}

static void
give_up(struct talk *t, enum talk_end end)
{
    t->end = (uint8_t)end;
    t->mend = false;
    set_state(t, TALK_DEAD);
}

static void
want(struct talk *t, int64_t due_us)
{
    if (t->asks >= ASK_MAX) {
        give_up(t, TALK_END_ASKS);
        return;
    }
    t->due_us = due_us;
    set_state(t, TALK_WANTED);
}

/* Doubles from a second to a minute; half of it is jitter, so that rows which
 * were lost together do not come back together. From row and ask, not from a
 * random source: a simulated run is the same each time. */
static int64_t
again_us(uint64_t row, const struct talk *t, int64_t now_us)
{
    const unsigned times = (unsigned)t->lost + t->refused;
    int64_t wait = TALK_AGAIN_FIRST_US;

    for (unsigned i = 1; i < times && wait < TALK_AGAIN_MAX_US; i++) {
        wait *= 2;
    }
    if (wait > TALK_AGAIN_MAX_US) wait = TALK_AGAIN_MAX_US;
    return now_us + wait / 2 +
           (int64_t)(co_hash_task(row, t->asks) % (uint64_t)(wait / 2));
}

void
talk_begin(struct talk *t)
{
    co_assert(t->state == TALK_IDLE);
    want(t, 0);
}

uint32_t
talk_intend(struct talk *t)
{
    co_assert(t->state == TALK_WANTED && t->asks < ASK_MAX);
    set_state(t, CO_BUG(intent_not_awaited) ? TALK_READY : TALK_INTENT);
    t->sticks = true;
    return t->asks++;
}

void
talk_keep(struct talk *t)
{
    (void)talk_intend(t);
    set_state(t, TALK_KEPT);
}

void
talk_move(struct talk *t, uint8_t writer)
{
    if (t->writer == writer) return;
    t->writer = writer;
    drop(&t->wrong);
    drop(&t->error);
    t->mend = false;
    t->repairs = t->lost = t->refused = 0;
}

void
talk_build(struct talk *t)
{
    co_assert(t->state == TALK_WANTED);
    set_state(t, TALK_KEPT);
}

bool
talk_built(struct talk *t, enum ask_stage stage)
{
    if (!talk_is_live(t) || t->stage != stage) return false;
    talk_forget(t);
    t->built = t->degraded = true;
    set_state(t, TALK_DONE);
    return true;
}

bool
talk_intended(struct talk *t, uint32_t ask)
{
    if (t->state != TALK_INTENT || !talk_is_present(t, ask)) return false;
    set_state(t, TALK_READY);
    return true;
}

void
talk_restore(struct talk *t, uint32_t ask, enum ask_stage stage)
{
    if (t->state == TALK_IDLE) talk_begin(t);
    if (ask < t->asks) return;
    if (talk_is_live(t) && t->state == TALK_OPEN) t->lost++;
    t->asks = (uint8_t)(ask + 1);
    if (!talk_is_live(t) || t->stage != stage) return;
    set_state(t, TALK_OPEN);
    t->sticks = true;
}

void
talk_restore_unsent(struct talk *t)
{
    if (talk_is_live(t) && t->lost > 0) t->lost--;
}

void
talk_publish(struct talk *t)
{
    co_assert(t->state == TALK_READY);
    set_state(t, TALK_OUT);
}

bool
talk_adopt(struct talk *t, uint32_t ask)
{
    if (!talk_is_present(t, ask)) return false;
    if (t->state != TALK_OPEN && !(t->state == TALK_WANTED && t->away)) {
        return false;
    }
    set_state(t, TALK_OUT);
    return true;
}

void
talk_withdraw(struct talk *t)
{
    co_assert(t->state >= TALK_INTENT && t->state <= TALK_OPEN);
    want(t, 0);
}

void
talk_revive(struct talk *t)
{
    drop(&t->wrong);
    drop(&t->error);
    t->mend = t->sticks = t->told = false;
    t->repairs = t->fresh = t->lost = t->refused = 0;
    t->revived = true; /* of another state, too: see kind_written_revive.c */
    if (t->state != TALK_DEAD) return;
    t->end = TALK_END_NONE;
    want(t, 0);
}

void
talk_stop(struct talk *t)
{
    co_assert(t->state == TALK_WANTED && t->revived);
    give_up(t, TALK_END_STOPPED);
}

void
talk_take(struct talk *t, uint32_t ask, enum ask_stage stage)
{
    if (!talk_is_live(t) || !talk_is_present(t, ask)) return;
    if (t->stage == stage) set_state(t, TALK_TAKEN);
}

void
talk_lost(struct talk *t, uint64_t row, int64_t now_us)
{
    co_assert(t->state == TALK_OUT || t->state == TALK_OPEN);
    t->lost++;
    if (t->lost >= TALK_LOST_MAX) {
        give_up(t, TALK_END_LOST);
        return;
    }
    want(t, again_us(row, t, now_us));
    t->away = t->state == TALK_WANTED;
}

/* -- outcomes ------------------------------------------------------------- */

static enum talk_step
answered(struct talk *t, const struct ask_result *r)
{
    if (!keep(&t->answers[t->stage], r->answer, r->answer_len)) {
        give_up(t, TALK_END_MEMORY);
        return TALK_GIVEN_UP;
    }
    drop(&t->wrong);
    drop(&t->error);
    t->mend = t->sticks = false;
    t->repairs = t->fresh = t->lost = t->refused = 0;
    if (t->stage + 1 < ASK_STAGES) {
        t->stage++;
        want(t, 0);
        return t->state == TALK_DEAD ? TALK_GIVEN_UP : TALK_NEXT;
    }
    t->time = r->time;
    if (!keep(&t->model, r->model.text, r->model.len)) {
        give_up(t, TALK_END_MEMORY);
        return TALK_GIVEN_UP;
    }
    set_state(t, TALK_DONE);
    return TALK_COMPLETE;
}

/* Endpoints refuse a message without text. */
static bool
has_text(const struct ask_result *r)
{
    uint32_t i = 0;

    while (i < r->answer_len && r->answer[i] <= ' ') {
        i++;
    }
    return i < r->answer_len;
}

/* To be mended while the try has turns left, then afresh. Where there is
 * nothing to quote, or no memory to do so, afresh at once. */
static enum talk_step
invalid(struct talk *t, const struct talk_rules *rules,
        const struct ask_result *r)
{
    const bool kept = keep(&t->wrong, r->answer, r->answer_len) &&
                      keep(&t->error, r->error.text, r->error.len);

    /* what a filter stopped is not better for being quoted */
    t->mend = kept && has_text(r) && r->outcome != ASK_FILTERED &&
              t->repairs < rules->repairs;
    if (t->mend) {
        t->repairs++;
    } else if (t->fresh < rules->fresh) {
        t->fresh++;
        t->repairs = 0;
    } else {
        give_up(t, TALK_END_INVALID);
        return TALK_GIVEN_UP;
    }
    want(t, 0);
    return t->state == TALK_DEAD ? TALK_GIVEN_UP : TALK_AGAIN;
}

static enum talk_step
unanswered(struct talk *t, const struct ask_result *r, bool own, int64_t now_us)
{
    if (r->outcome == ASK_UNKNOWN) {
        t->lost++;
    } else if (own) {
        t->refused++;
    }
    /* a turn that mends goes on quoting what is wrong with the answer */
    if (!t->mend) (void)keep(&t->error, r->error.text, r->error.len);
    if (t->lost >= TALK_LOST_MAX) {
        give_up(t, TALK_END_LOST);
    } else if (t->refused >= TALK_REFUSED_MAX) {
        give_up(t, TALK_END_REFUSED);
    } else {
        want(t, again_us(r->row, t, now_us));
    }
    return t->state == TALK_DEAD ? TALK_GIVEN_UP : TALK_AGAIN;
}

static void
add_usage(struct talk *t, const struct ask_result *r, int64_t charged)
{
    if (t->state == TALK_DONE) return; /* the row is written */
    if (__builtin_add_overflow(t->cost, charged, &t->cost)) {
        t->cost = INT64_MAX;
    }
    if (!r->has_usage) return;
    t->input += r->input;
    t->cached += r->cached;
    t->output += r->output;
}

enum talk_step
talk_commit(struct talk *t, const struct talk_rules *rules,
            const struct ask_result *r, int64_t charged, bool own,
            int64_t now_us)
{
    add_usage(t, r, charged);
    if (!talk_is_live(t) || r->stage != t->stage) return TALK_SAME;
    if (r->outcome == ASK_ANSWER) return answered(t, r);
    if (!talk_is_present(t, r->ask)) return TALK_SAME;
    if (r->outcome == ASK_UNKNOWN || r->outcome == ASK_REFUSED) {
        return unanswered(t, r, own, now_us);
    }
    return invalid(t, rules, r);
}

void
talk_quotes(const struct talk *t, struct ask_task *ret_task)
{
    ret_task->stage = (enum ask_stage)t->stage;
    if (t->stage > 0) {
        ret_task->input = t->answers[t->stage - 1].data;
        ret_task->input_len = t->answers[t->stage - 1].len;
    }
    if (!t->mend) return;
    ret_task->wrong = t->wrong.data;
    ret_task->wrong_len = t->wrong.len;
    ret_task->error = (const char *)t->error.data;
    ret_task->error_len = t->error.len;
}

/* -- texts for people ----------------------------------------------------- */

const char *
talk_state_text(enum talk_state state)
{
    static const char *const texts[TALK_STATES] = {
#define X(name, text) text,
        TALK_STATE_LIST(X)
#undef X
    };

    return (unsigned)state < TALK_STATES ? texts[state] : "unknown";
}

const char *
talk_end_text(enum talk_end end)
{
    static const char *const texts[TALK_ENDS] = {
#define X(name, text) text,
        TALK_END_LIST(X)
#undef X
    };

    return (unsigned)end < TALK_ENDS ? texts[end] : "unknown";
}
