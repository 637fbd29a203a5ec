/* oracle.c - see oracle.h: items, the watched kind, lives of the owner.
 * An item is a bench id or a candidate. What is decided is kept by item, so
 * that a range and its halves need no translation. */
#include "tests/sim/oracle_core.h"

#include "rows/range.h"
#include "tests/sim/net.h"
#include "tests/sim/paid.h"
#include "tests/sim/workload.h"

#include "coordinator/kind_personas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
oracle_make(struct sim *s)
{
    s->job->oracle = calloc(1, sizeof *s->job->oracle);
    co_assert(s->job->oracle);
    s->job->oracle->reader = calloc(1, sizeof *s->job->oracle->reader);
    co_assert(s->job->oracle->reader);
}

void
oracle_free(struct sim *s)
{
    for (unsigned b = 0; b < BATCH_BUCKETS; b++) {
        struct batch *next;

        for (struct batch *x = s->job->oracle->batches[b]; x; x = next) {
            next = x->chain;
            free(x);
        }
    }
    free(s->job->oracle->losses);
    free(s->job->oracle->reader);
    free(s->job->oracle);
    s->job->oracle = NULL;
}

/* ---- items ---- */

bool
oracle_dead(const struct sim *s, uint64_t index)
{
    return index < ITEMS_MAX && s->job->oracle->item[index] & ITEM_DEAD;
}

uint64_t
oracle_decided(const struct sim *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < ITEMS_MAX; i++) {
        n += s->job->oracle->item[i] != 0;
    }
    return n;
}

bool
oracle_is_pack(const struct sim *s, uint64_t task)
{
    return s->job->work->personas && (task & 0xff) == PERSONAS_STEP_PACK;
}

/* A question to a model; paid.c looks after these. */
bool
oracle_is_ask(const struct sim *s, uint64_t task)
{
    return s->job->work->written && (task & 0xff) >= ASK_STEP;
}

/* The items of a task, as far as its payload or result ever said. */
static uint32_t
count_of(const struct sim *s, uint64_t task)
{
    uint8_t step = (uint8_t)task;

    if (!s->job->work->personas) return 1;
    if (task >> 8 >= ITEMS_MAX || step > PERSONAS_DEPTH_MAX) return 0;
    return s->job->oracle->count[task >> 8][step];
}

void
oracle_learn_count(struct sim *s, uint64_t task, const uint8_t *data,
                   size_t len)
{
    struct walk w = walk_start(data, len);
    uint8_t step = (uint8_t)task;
    uint32_t n;

    if (!s->job->work->personas || task >> 8 >= ITEMS_MAX ||
        step > PERSONAS_DEPTH_MAX || walk_map(&w) < 2) {
        return;
    }
    (void)walk_u32(&w);
    (void)walk_u64(&w);
    (void)walk_u32(&w);
    n = walk_u32(&w);
    if (n <= PERSONAS_CELL) {
        s->job->oracle->count[task >> 8][step] = (uint16_t)n;
    }
}

bool
oracle_all_marked(const struct sim *s, uint64_t task, unsigned marks)
{
    uint32_t n = count_of(s, task);

    for (uint32_t i = 0; i < n; i++) {
        uint64_t index = (task >> 8) + i;

        if (index >= ITEMS_MAX || !(s->job->oracle->item[index] & marks)) {
            return false;
        }
    }
    return n > 0;
}

static void
mark(struct sim *s, uint64_t task, uint8_t mark)
{
    uint32_t n = count_of(s, task);

    for (uint32_t i = 0; i < n; i++) {
        s->job->oracle->item[(task >> 8) + i] |= mark;
    }
}

/* A written range that leaves out candidates which could become rows counts
 * while nothing more can be paid. The next owner may have the money: it makes
 * the range once more, from the answers, which are not lost (paid.c). */
static void
note_open(struct sim *s, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct range_result r;
    bool open = false;

    if (!s->job->paid || oracle_is_ask(s, task) || oracle_is_pack(s, task)) {
        return;
    }
    if (range_decode(data, len, &r) != CO_OK) return;
    for (uint32_t i = 0; i < r.count; i++) {
        open |= !(r.bitmap[i / 8] >> i % 8 & 1) &&
                workload_accepts(s->job->work, r.start + i);
    }
    for (uint64_t i = r.start; i < r.start + r.count && i < ITEMS_MAX; i++) {
        uint8_t *item = &s->job->oracle->item[i];

        *item = (uint8_t)(open ? *item | ITEM_OPEN : *item & ~ITEM_OPEN);
    }
    range_result_fini(&r);
}

/* ---- the watched kind ---- */

#define REAL (s->job->oracle->real)

static const char *
watch_service(const void *kind)
{
    struct sim *s = sim_now;

    return REAL->service(kind);
}

/* What was committed is wanted again. */
static void
check_gone(struct sim *s, uint64_t task)
{
    uint32_t n = s->job->work->personas ? PERSONAS_CELL : 1;

    for (uint64_t i = task >> 8; i < (task >> 8) + n && i < ITEMS_MAX; i++) {
        if (s->job->oracle->item[i] & ITEM_GONE) {
            sim_fail(s, "G3", "committed item %llu is lost to the next owner",
                     (unsigned long long)i);
        }
    }
}

static enum kind_next
watch_next(void *kind, int64_t now_us, uint64_t *ret_task, int64_t *ret_due_us)
{
    struct sim *s = sim_now;
    enum kind_next next = REAL->next(kind, now_us, ret_task, ret_due_us);

    if (next == KIND_NEXT_TASK && oracle_is_ask(s, *ret_task)) {
        paid_on_given(s, *ret_task);
        return next;
    }
    if (next == KIND_NEXT_TASK) check_gone(s, *ret_task);
    if (next == KIND_NEXT_TASK && !oracle_is_pack(s, *ret_task) &&
        oracle_all_marked(s, *ret_task, ITEM_PLACED | ITEM_DEAD) &&
        s->job->oracle->current == s->job->oracle->turn) {
        sim_fail(s, "G3", "task %llx is given out again after its commit",
                 (unsigned long long)*ret_task);
    }
    return next;
}

static bool
watch_payload(void *kind, uint64_t task, struct co_buf *body)
{
    struct sim *s = sim_now;
    size_t before = body->len;
    bool ok = REAL->payload(kind, task, body);

    if (ok && !body->err) {
        oracle_learn_count(s, task, body->data + before, body->len - before);
        if (oracle_is_ask(s, task)) {
            paid_on_published(s, task, body->data + before, body->len - before);
        }
    }
    return ok;
}

static bool
watch_adopt(void *kind, uint64_t task)
{
    struct sim *s = sim_now;
    bool wanted = REAL->adopt(kind, task);

    if (wanted && !oracle_is_ask(s, task)) check_gone(s, task);
    return wanted;
}

static enum kind_take
watch_take(void *kind, uint64_t task, const uint8_t *data, uint32_t len)
{
    struct sim *s = sim_now;
    enum kind_take take = REAL->take(kind, task, data, len);

    if (take == KIND_ACCEPTED) {
        oracle_learn_count(s, task, data, len);
        note_open(s, task, data, len);
        if (s->job->paid && !s->job->oracle->replaying) {
            paid_on_taken(s, task, data, len);
        }
        if (!s->job->oracle->replaying &&
            s->job->oracle->turn == s->job->oracle->current &&
            !oracle_is_pack(s, task) &&
            oracle_all_marked(s, task, ITEM_PLACED)) {
            sim_fail(s, "G3", "task %llx is accepted a second time",
                     (unsigned long long)task);
        }
    } else if (take == KIND_LATE) {
        oracle_learn_count(s, task, data, len);
        mark(s, task, ITEM_LATE);
    } else if (take == KIND_INVALID) {
        sim_fail(s, "protocol", "the result of task %llx is called invalid",
                 (unsigned long long)task);
    }
    return take;
}

static void
watch_place(void *kind, uint64_t task, int64_t now_us,
            const struct kind_place *place)
{
    struct sim *s = sim_now;
    struct oracle *o = s->job->oracle;
    uint64_t end = (uint64_t)place->record + place->inside + place->len;

    REAL->place(kind, task, now_us, place);
    if (o->replaying) {
        mark(s, task, ITEM_REPLAYED);
        return;
    }
    if (!disk_is_synced(s, place->segment, end)) {
        sim_fail(s, "G3", "task %llx counts as committed before its sync",
                 (unsigned long long)task);
    }
    if (s->job->paid) paid_on_placed(s, task);
    if (o->turn == o->current) mark(s, task, ITEM_PLACED);
}

static unsigned
watch_split(void *kind, uint64_t task, uint64_t ret_halves[2])
{
    struct sim *s = sim_now;

    return REAL->split(kind, task, ret_halves);
}

static void
watch_dead(void *kind, uint64_t task)
{
    struct sim *s = sim_now;
    struct oracle *o = s->job->oracle;

    REAL->dead(kind, task);
    if (oracle_is_pack(s, task)) {
        if (!o->replaying) oracle_judge_pack(s, task);
        return;
    }
    if (o->replaying) {
        mark(s, task, ITEM_REPLAYED_DEAD);
        return;
    }
    sim_trace(s, "task %llx is dead", (unsigned long long)task);
    oracle_judge_death(s, task, count_of(s, task));
    if (o->turn == o->current) mark(s, task, ITEM_DEAD);
}

/* What only paid kinds have is passed on as it is. */
static bool
watch_once(const void *kind, uint64_t task)
{
    struct sim *s = sim_now;

    return REAL->once(kind, task);
}

static bool
watch_gone(void *kind, uint64_t task, enum kind_gone how, int64_t now_us)
{
    struct sim *s = sim_now;
    bool gone = REAL->gone(kind, task, how, now_us);

    sim_trace(s, "task %llx is %s%s", (unsigned long long)task,
              how == KIND_GONE_LOST ? "lost" : "failed",
              gone ? " and gone" : "");
    return gone;
}

static bool
watch_note(void *kind, struct co_buf *out)
{
    struct sim *s = sim_now;

    const size_t before = out->len;
    const bool is_note = REAL->note(kind, out);

    if (is_note && !out->err) {
        paid_on_note(s, out->data + before, out->len - before);
    }
    return is_note;
}

static void
watch_noted(void *kind, int64_t now_us)
{
    struct sim *s = sim_now;

    paid_on_noted(s);
    REAL->noted(kind, now_us);
}

static bool
watch_replay_note(void *kind, const uint8_t *data, size_t len)
{
    struct sim *s = sim_now;

    return REAL->replay_note(kind, data, len);
}

static const char *
watch_provider(const void *kind, uint64_t task)
{
    struct sim *s = sim_now;

    return REAL->provider(kind, task);
}

static void
watch_room(void *kind, uint32_t tasks)
{
    struct sim *s = sim_now;

    REAL->room(kind, tasks);
}

static void
watch_stopping(void *kind)
{
    struct sim *s = sim_now;

    REAL->stopping(kind);
}

static bool
watch_unsent(void *kind, uint64_t task)
{
    struct sim *s = sim_now;

    return REAL->unsent(kind, task);
}

static bool
watch_returned(void *kind, uint64_t task, const struct kind_return *how,
               int64_t now_us)
{
    struct sim *s = sim_now;

    return REAL->returned(kind, task, how, now_us);
}

static bool
watch_recall(void *kind, uint64_t *ret_task)
{
    struct sim *s = sim_now;

    return REAL->recall(kind, ret_task);
}

static bool
watch_unwanted(void *kind, uint64_t *ret_task)
{
    struct sim *s = sim_now;

    return REAL->unwanted(kind, ret_task);
}

static enum kind_state
watch_done(const void *kind)
{
    struct sim *s = sim_now;

    return REAL->done(kind);
}

static void
watch_ledger(const void *kind, struct kind_ledger *ret_ledger)
{
    struct sim *s = sim_now;

    REAL->ledger(kind, ret_ledger);
}

static void
watch_summary(const void *kind, struct co_buf *out)
{
    struct sim *s = sim_now;

    REAL->summary(kind, out);
}

static void
watch_why(const void *kind, int64_t now_us, struct co_buf *out)
{
    struct sim *s = sim_now;

    REAL->why(kind, now_us, out);
}

static const char *
watch_check(const void *kind)
{
    struct sim *s = sim_now;

    return REAL->check(kind);
}

static const struct job_kind watched = {
    .name = "watched",
    .service = watch_service,
    .next = watch_next,
    .payload = watch_payload,
    .adopt = watch_adopt,
    .take = watch_take,
    .place = watch_place,
    .split = watch_split,
    .dead = watch_dead,
    .unwanted = watch_unwanted,
    .done = watch_done,
    .ledger = watch_ledger,
    .summary = watch_summary,
    .why = watch_why,
    .check = watch_check,
};

/* What seeds of before do not know of. */
static void
watch_lanes(const struct job_kind *real, struct job_kind *kind)
{
    if (real->provider) kind->provider = watch_provider;
    if (real->room) kind->room = watch_room;
    if (real->stopping) kind->stopping = watch_stopping;
    if (real->unsent) kind->unsent = watch_unsent;
    if (real->returned) kind->returned = watch_returned;
    if (real->recall) kind->recall = watch_recall;
}

const struct job_kind *
oracle_kind(struct sim *s, const struct job_kind *real)
{
    struct job_kind *kind = &s->job->oracle->watched;

    s->job->oracle->real = real;
    *kind = watched;
    kind->paid = real->paid;
    if (real->once) kind->once = watch_once;
    if (real->gone) kind->gone = watch_gone;
    if (real->note) kind->note = watch_note;
    if (real->noted) kind->noted = watch_noted;
    if (real->replay_note) kind->replay_note = watch_replay_note;
    if (s->job->work->tells) watch_lanes(real, kind);
    return kind;
}

/* ---- lives of the owner ---- */

void
oracle_owner_turn(struct sim *s, struct node *n)
{
    s->job->oracle->turn = n;
}

void
oracle_on_replay(struct sim *s, struct node *n)
{
    s->job->oracle->replaying = true;
    if (s->job->paid) paid_on_replay(s);
    s->job->oracle->turn = s->job->oracle->current = s->job->in_force = n;
    for (unsigned i = 0; i < ITEMS_MAX; i++) {
        s->job->oracle->item[i] &=
            (uint8_t) ~(ITEM_REPLAYED | ITEM_REPLAYED_DEAD);
    }
}

void
oracle_on_replayed(struct sim *s, struct node *n, uint64_t sealed)
{
    struct oracle *o = s->job->oracle;

    (void)n;
    o->replaying = false;
    for (unsigned i = 0; i < ITEMS_MAX; i++) {
        uint8_t *item = &o->item[i];

        if ((*item & (ITEM_PLACED | ITEM_DEAD)) && i >= sealed &&
            !(*item & (ITEM_REPLAYED | ITEM_REPLAYED_DEAD))) {
            /* Beyond the last row nobody needs it: see check_gone(). */
            *item = *item & ITEM_OPEN ? 0 : ITEM_GONE;
        }
        if (*item & ITEM_REPLAYED) *item |= ITEM_PLACED;
        if (*item & ITEM_REPLAYED_DEAD) *item |= ITEM_DEAD;
    }
}
