/* fake_calls.h - a small kind of job whose tasks are paid calls, for tests of
 * the engine. A row needs one answered call: id row << 8 | (CALL + ordinal).
 * Before a call is given out its intent is noted. With `frames` a row needs a
 * free task (step 0) after that. What happens is written down in `said`. */
#pragma once
#include "coordinator/kind.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <string.h>

enum { CALL = 16, CALLS_ROWS_MAX = 4096, CALLS_SAID = 4096, CALL_BYTES = 8 };

enum call_state {
    CALL_WANTED,
    CALL_INTENDED, /* its note waits for the disk */
    CALL_READY,
    CALL_OPEN, /* of an earlier life: out, or never sent */
    CALL_OUT,
    CALL_ANSWERED, /* and its free task is wanted */
    CALL_FRAME,    /* that is out */
    CALL_DONE
};

struct calls_row {
    enum call_state state;
    uint8_t ordinal;
    uint32_t settled; /* a bit an ordinal */
};

struct calls {
    struct calls_row row[CALLS_ROWS_MAX];
    uint32_t rows;
    bool frames;
    bool keeps_lost; /* gone() says: repeat it */
    int64_t wait_us; /* open calls are unknown after that */
    int64_t begun_us;
    /* rows whose intent is to be written, and those told of */
    uint32_t intended[CALLS_ROWS_MAX], n_intended, written, told;
    uint32_t room; /* told by the engine */
    uint32_t ticks;
    uint32_t unknown; /* calls lost without an answer */
    char said[CALLS_SAID];
};

static inline void
calls_say(struct calls *c, const char *what, uint64_t task)
{
    size_t at = strlen(c->said);

    (void)snprintf(c->said + at, sizeof c->said - at, "%s%u.%u ", what,
                   (unsigned)(task >> 8), (unsigned)(task & 0xff));
}

static inline uint64_t
calls_id(uint64_t row, unsigned ordinal)
{
    return row << 8 | (CALL + ordinal);
}

static inline bool
calls_is_call(uint64_t task)
{
    return (task & 0xff) >= CALL;
}

static const char *
calls_service(const void *kind)
{
    (void)kind;
    return "ask";
}

static void
calls_room(void *kind, uint32_t tasks)
{
    struct calls *c = kind;

    c->room = tasks;
}

static void
calls_tick(void *kind, int64_t now_us)
{
    struct calls *c = kind;

    (void)now_us;
    c->ticks++;
}

static void
calls_give_up_open(struct calls *c, int64_t now_us)
{
    if (!c->begun_us) c->begun_us = now_us;
    for (uint32_t i = 0; i < c->rows; i++) {
        if (c->row[i].state != CALL_OPEN) continue;
        if (now_us - c->begun_us < c->wait_us) continue;
        c->unknown++;
        c->row[i].ordinal++;
        c->row[i].state = CALL_WANTED;
    }
}

static enum kind_next
calls_next(void *kind, int64_t now_us, uint64_t *ret_task, int64_t *ret_due_us)
{
    struct calls *c = kind;
    uint32_t done = 0, intended = 0;

    (void)ret_due_us;
    calls_give_up_open(c, now_us);
    for (uint32_t i = 0; i < c->rows; i++) {
        struct calls_row *r = &c->row[i];

        if (r->state == CALL_WANTED) {
            r->state = CALL_INTENDED;
            c->intended[c->n_intended++ % CALLS_ROWS_MAX] = i;
        }
    }
    for (uint32_t i = 0; i < c->rows; i++) {
        struct calls_row *r = &c->row[i];

        intended += r->state == CALL_INTENDED;
        done += r->state == CALL_DONE;
        if (r->state == CALL_READY) {
            r->state = CALL_OUT;
            *ret_task = calls_id(i, r->ordinal);
            return KIND_NEXT_TASK;
        }
        if (r->state == CALL_ANSWERED) {
            r->state = CALL_FRAME;
            *ret_task = (uint64_t)i << 8;
            return KIND_NEXT_TASK;
        }
    }
    if (done == c->rows) return KIND_NEXT_OVER;
    return intended ? KIND_NEXT_INTENT : KIND_NEXT_ALL_OUT;
}

static bool
calls_payload(void *kind, uint64_t task, struct co_buf *body)
{
    (void)kind;
    co_buf_append(body, &task, CALL_BYTES);
    return true;
}

static bool
calls_adopt(void *kind, uint64_t task)
{
    struct calls *c = kind;
    struct calls_row *r = &c->row[task >> 8];

    if (!calls_is_call(task)) return false;
    if (calls_id(task >> 8, r->ordinal) != task || r->state != CALL_OPEN) {
        return false;
    }
    r->state = CALL_OUT;
    calls_say(c, "adopt", task);
    return true;
}

static enum kind_take
calls_take(void *kind, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct calls *c = kind;
    struct calls_row *r = &c->row[task >> 8];
    uint64_t told;

    if (len != CALL_BYTES) return KIND_INVALID;
    memcpy(&told, data, sizeof told);
    if (told != task) return KIND_INVALID;
    if (!calls_is_call(task)) {
        if (r->state == CALL_DONE) return KIND_DUPLICATE;
        r->state = CALL_DONE;
    } else {
        uint32_t bit = 1u << ((task & 0xff) - CALL);

        if (r->settled & bit) return KIND_DUPLICATE;
        r->settled |= bit;
        if (r->state < CALL_ANSWERED) {
            r->state = c->frames ? CALL_ANSWERED : CALL_DONE;
        }
    }
    calls_say(c, "take", task);
    return KIND_ACCEPTED;
}

static void
calls_place(void *kind, uint64_t task, int64_t now_us,
            const struct kind_place *place)
{
    (void)now_us;
    (void)place;
    calls_say(kind, "place", task);
}

static unsigned
calls_split(void *kind, uint64_t task, uint64_t ret_halves[2])
{
    (void)ret_halves;
    (void)kind;
    assert_false(calls_is_call(task));
    return 0;
}

static void
calls_dead(void *kind, uint64_t task)
{
    struct calls *c = kind;

    assert_false(calls_is_call(task));
    c->row[task >> 8].state = CALL_DONE;
    calls_say(c, "dead", task);
}

static bool
calls_once(const void *kind, uint64_t task)
{
    (void)kind;
    return calls_is_call(task);
}

static bool
calls_gone(void *kind, uint64_t task, enum kind_gone how, int64_t now_us)
{
    struct calls *c = kind;
    struct calls_row *r = &c->row[task >> 8];

    (void)now_us;
    assert_true(calls_is_call(task));
    calls_say(c, how == KIND_GONE_LOST ? "lost" : "failed", task);
    if (c->keeps_lost) return false;
    c->unknown++;
    r->ordinal++;
    r->state = CALL_WANTED;
    return true;
}

static bool
calls_unsent(void *kind, uint64_t task)
{
    struct calls *c = kind;
    struct calls_row *r = &c->row[task >> 8];

    if (!calls_is_call(task)) return false;
    assert_int_equal(r->state, CALL_OUT);
    r->state = CALL_WANTED;
    r->ordinal++;
    calls_say(c, "unsent", task);
    return true;
}

static bool
calls_note(void *kind, struct co_buf *out)
{
    struct calls *c = kind;
    uint32_t row;
    uint64_t task;

    if (c->written == c->n_intended) return false;
    row = c->intended[c->written++ % CALLS_ROWS_MAX];
    task = calls_id(row, c->row[row].ordinal);
    co_buf_append(out, &task, sizeof task);
    return true;
}

static void
calls_noted(void *kind, int64_t now_us)
{
    struct calls *c = kind;
    struct calls_row *r = &c->row[c->intended[c->told++ % CALLS_ROWS_MAX]];

    (void)now_us;
    assert_true(c->told <= c->written);
    if (r->state == CALL_INTENDED) r->state = CALL_READY;
    calls_say(c, "noted", calls_id((uint64_t)(r - c->row), r->ordinal));
}

static bool
calls_replay_note(void *kind, const uint8_t *data, size_t len)
{
    struct calls *c = kind;
    uint64_t task;

    if (len != sizeof task) return false;
    memcpy(&task, data, sizeof task);
    if (task >> 8 >= c->rows || !calls_is_call(task)) return false;
    c->row[task >> 8].ordinal = (uint8_t)((task & 0xff) - CALL);
    c->row[task >> 8].state = CALL_OPEN;
    calls_say(c, "noted", task);
    return true;
}

static bool
calls_unwanted(void *kind, uint64_t *ret_task)
{
    (void)kind;
    (void)ret_task;
    return false;
}

static enum kind_state
calls_done(const void *kind)
{
    const struct calls *c = kind;

    for (uint32_t i = 0; i < c->rows; i++) {
        if (c->row[i].state != CALL_DONE) return KIND_RUNNING;
    }
    return KIND_DONE;
}

static void
calls_ledger(const void *kind, struct kind_ledger *ret_ledger)
{
    const struct calls *c = kind;

    *ret_ledger = (struct kind_ledger){.requested = c->rows, .drawn = c->rows};
    for (uint32_t i = 0; i < c->rows; i++) {
        if (c->row[i].state == CALL_DONE) {
            ret_ledger->accepted++;
        } else {
            ret_ledger->pending++;
        }
    }
}

static void
calls_summary(const void *kind, struct co_buf *out)
{
    (void)kind;
    co_buf_puts(out, "{}");
}

static void
calls_why(const void *kind, int64_t now_us, struct co_buf *out)
{
    (void)kind;
    (void)now_us;
    (void)out;
}

static const struct job_kind calls_kind = {
    .name = "calls",
    .paid = true,
    .service = calls_service,
    .room = calls_room,
    .tick = calls_tick,
    .next = calls_next,
    .payload = calls_payload,
    .adopt = calls_adopt,
    .take = calls_take,
    .place = calls_place,
    .split = calls_split,
    .dead = calls_dead,
    .once = calls_once,
    .gone = calls_gone,
    .unsent = calls_unsent,
    .note = calls_note,
    .noted = calls_noted,
    .replay_note = calls_replay_note,
    .unwanted = calls_unwanted,
    .done = calls_done,
    .ledger = calls_ledger,
    .summary = calls_summary,
    .why = calls_why,
};
