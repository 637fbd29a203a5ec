/* engine_tasks.c - entries, index, queues and heap.
 * The index holds entry numbers only and compares ids in the entries: 1 MiB
 * whatever the job's size, of which a window of 16,384 uses a part that caches.
 * A timer wheel in place of the heap would be O(1), but waiting is rare and
 * needs exact times in virtual time. */
#include "coordinator/engine_tasks.h"

#include "common/cover.h"
#include "common/hash.h"

#include <stdlib.h>

enum { INDEX_SLOTS = 1 << 18, INDEX_MASK = INDEX_SLOTS - 1 };

static uint32_t
slot_of(uint64_t id)
{
    return (uint32_t)co_hash_task(0, id) & INDEX_MASK;
}

enum co_err
engine_tasks_init(struct tasks *t)
{
    *t = (struct tasks){
        .ready = {{TASK_NONE, TASK_NONE, 0}, {TASK_NONE, TASK_NONE, 0}}};
    t->v = calloc(TASKS_POOL, sizeof(*t->v));
    t->index = calloc(INDEX_SLOTS, sizeof(*t->index));
    t->heap = calloc(TASKS_POOL, sizeof(*t->heap));
    if (!t->v || !t->index || !t->heap) {
        engine_tasks_fini(t);
        return CO_NOMEM;
    }
    for (uint32_t i = 0; i < TASKS_POOL; i++) {
        t->v[i].next = i + 1 < TASKS_POOL ? i + 1 : (uint32_t)TASK_NONE;
    }
    t->count[TASK_FREE] = TASKS_POOL;
    return CO_OK;
}

void
engine_tasks_fini(struct tasks *t)
{
    free(t->v);
    free(t->index);
    free(t->heap);
    *t = (struct tasks){0};
}

/* -- index ---------------------------------------------------------------- */

uint32_t
engine_tasks_find(const struct tasks *t, uint64_t id)
{
    for (uint32_t s = slot_of(id); t->index[s]; s = (s + 1) & INDEX_MASK) {
        if (t->v[t->index[s] - 1].id == id) return t->index[s] - 1;
    }
    return TASK_NONE;
}

static void
index_add(struct tasks *t, uint32_t i)
{
    uint32_t s = slot_of(t->v[i].id);

    while (t->index[s]) {
        s = (s + 1) & INDEX_MASK;
    }
    t->index[s] = i + 1;
}

/* Moves later entries of the run back, so that no tombstones pile up. */
static void
index_remove(struct tasks *t, uint32_t i)
{
    uint32_t hole = slot_of(t->v[i].id);

    while (t->index[hole] != i + 1) {
        hole = (hole + 1) & INDEX_MASK;
    }
    for (uint32_t s = (hole + 1) & INDEX_MASK; t->index[s];
         s = (s + 1) & INDEX_MASK) {
        uint32_t home = slot_of(t->v[t->index[s] - 1].id);

        if (((s - home) & INDEX_MASK) < ((s - hole) & INDEX_MASK)) continue;
        t->index[hole] = t->index[s];
        hole = s;
    }
    t->index[hole] = 0;
}

/* -- queue of ready tasks ------------------------------------------------- */

static void
list_append(struct tasks *t, struct task_list *list, uint32_t i)
{
    t->v[i].next = TASK_NONE;
    t->v[i].prev = list->last;
    if (list->last == TASK_NONE) {
        list->first = i;
    } else {
        t->v[list->last].next = i;
    }
    list->last = i;
    list->count++;
}

static void
list_remove(struct tasks *t, struct task_list *list, uint32_t i)
{
    struct task *task = &t->v[i];

    if (task->prev == TASK_NONE) {
        list->first = task->next;
    } else {
        t->v[task->prev].next = task->next;
    }
    if (task->next == TASK_NONE) {
        list->last = task->prev;
    } else {
        t->v[task->next].prev = task->prev;
    }
    list->count--;
}

/* -- heap of waiting tasks ------------------------------------------------ */

static void
heap_put(struct tasks *t, uint32_t at, uint32_t i)
{
    t->heap[at] = i;
    t->v[i].heap_at = at;
}

/* Finds i its place, starting from `at`; n entries are in the heap. */
static void
heap_sift(struct tasks *t, uint32_t at, uint32_t n, uint32_t i)
{
    int64_t due = t->v[i].due_us;

    while (at > 0 && t->v[t->heap[(at - 1) / 2]].due_us > due) {
        heap_put(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (uint32_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n &&
            t->v[t->heap[child + 1]].due_us < t->v[t->heap[child]].due_us) {
            child++;
        }
        if (t->v[t->heap[child]].due_us >= due) break;
        heap_put(t, at, t->heap[child]);
        at = child;
    }
    heap_put(t, at, i);
}

/* n: entries in the heap, i among them. */
static void
heap_remove(struct tasks *t, uint32_t i, uint32_t n)
{
    uint32_t at = t->v[i].heap_at, last = t->heap[n - 1];

    if (last != i) heap_sift(t, at, n - 1, last);
}

/* -- states --------------------------------------------------------------- */

static void
leave(struct tasks *t, uint32_t i)
{
    struct task *task = &t->v[i];

    switch ((enum task_state)task->state) {
    case TASK_READY:
        list_remove(t, &t->ready[task->alone], i);
        break;
    case TASK_WAITING:
        heap_remove(t, i, t->count[TASK_WAITING]);
        if (task->doubted) t->doubted--;
        task->doubted = false;
        break;
    case TASK_OUT:
        if (task->alone) t->alone_out--;
        break;
    case TASK_FREE:
    case TASK_TAKEN:
    case TASK_DYING:
    case TASK_STATE_COUNT:
        break;
    }
    t->count[task->state]--;
}

void
engine_tasks_set(struct tasks *t, uint32_t i, enum task_state state)
{
    struct task *task = &t->v[i];

    CO_SEEN(ENGINE_TASK, task->state, state);
    leave(t, i);
    task->state = (uint8_t)state;
    t->count[state]++;
    switch (state) {
    case TASK_READY:
        list_append(t, &t->ready[task->alone], i);
        break;
    case TASK_WAITING:
        heap_sift(t, t->count[TASK_WAITING] - 1, t->count[TASK_WAITING], i);
        break;
    case TASK_OUT:
        if (task->alone) t->alone_out++;
        break;
    case TASK_FREE:
        index_remove(t, i);
        task->next = t->free;
        t->free = i;
        break;
    case TASK_TAKEN:
    case TASK_DYING:
    case TASK_STATE_COUNT:
        break;
    }
}

uint32_t
engine_tasks_add(struct tasks *t, uint64_t id, bool alone)
{
    uint32_t i = t->free;

    if (i == TASK_NONE) return TASK_NONE;
    t->free = t->v[i].next;
    if (i >= t->top) t->top = i + 1;
    t->v[i] = (struct task){.id = id, .alone = alone};
    index_add(t, i);
    engine_tasks_set(t, i, TASK_READY);
    return i;
}

void
engine_tasks_doubt(struct tasks *t, uint32_t i, int64_t due_us)
{
    struct task *task = &t->v[i];

    if (task->doubted && task->due_us < due_us) due_us = task->due_us;
    task->due_us = due_us;
    engine_tasks_set(t, i, TASK_WAITING);
    task->doubted = true;
    t->doubted++;
}

void
engine_tasks_suspect(struct tasks *t, uint32_t i)
{
    struct task *task = &t->v[i];

    co_assert(task->state != TASK_READY);
    if (!task->alone && task->state == TASK_OUT) t->alone_out++;
    task->alone = true;
}

static const char *
check_doubted(const struct tasks *t)
{
    uint32_t doubted = 0;

    for (uint32_t i = 0; i < t->top; i++) {
        const struct task *task = &t->v[i];

        if (task->state == TASK_FREE || !task->doubted) continue;
        if (task->state != TASK_WAITING || task->trial) {
            return "a task that does not wait for an answer is in doubt";
        }
        doubted++;
    }
    return doubted == t->doubted ? NULL : "the count of doubted tasks is wrong";
}

const char *
engine_tasks_check(const struct tasks *t)
{
    uint32_t count[TASK_STATE_COUNT] = {0}, alone_out = 0;

    count[TASK_FREE] = TASKS_POOL - t->top;
    for (uint32_t i = 0; i < t->top; i++) {
        const struct task *task = &t->v[i];

        count[task->state]++;
        if (task->state == TASK_FREE) continue;
        if (task->state == TASK_OUT && task->alone) alone_out++;
        if (engine_tasks_find(t, task->id) != i) {
            return "a task is not in the index";
        }
        if (task->state == TASK_WAITING && t->heap[task->heap_at] != i) {
            return "a waiting task is not in the heap";
        }
    }
    for (int s = 0; s < TASK_STATE_COUNT; s++) {
        if (count[s] != t->count[s]) return "a state's count is wrong";
    }
    if (alone_out != t->alone_out) return "the count of lone tasks is wrong";
    if (t->ready[0].count + t->ready[1].count != count[TASK_READY]) {
        return "the ready queues do not hold the ready tasks";
    }
    for (uint32_t at = 1; at < t->count[TASK_WAITING]; at++) {
        if (t->v[t->heap[at]].due_us < t->v[t->heap[(at - 1) / 2]].due_us) {
            return "the heap is out of order";
        }
    }
    return check_doubted(t);
}
