/* engine_tasks.h - the engine's table of live tasks; private to engine*.c.
 * A fixed pool of entries, an index by task id, the queue of tasks to publish
 * again, the heap of those that wait, and engine_tasks_set(), the only writer
 * of a task's state. No allocation after engine_tasks_init(). */
#pragma once
#include "common/err.h"

enum {
    TASK_NONE = UINT32_MAX, /* no entry */
    /* Beyond this many the engine publishes nothing new; the rest is room
     * for results of tasks that it did not know. */
    TASKS_LIVE_MAX = 65536,
    TASKS_POOL = TASKS_LIVE_MAX + 4096,
};

#define TASK_STATE_LIST(X)                                                     \
    X(FREE)    /* in the pool */                                               \
    X(OUT)     /* published on `link` */                                       \
    X(READY)   /* to be published again, in ready[alone] */                    \
    X(WAITING) /* like READY, but not before due_us, in the heap */            \
    X(TAKEN)   /* its result is with the journal */                            \
    X(DYING)   /* its death is with the journal */

enum task_state {
#define X(name) TASK_##name,
    TASK_STATE_LIST(X)
#undef X
        TASK_STATE_COUNT
};

/* A worker was lost while nothing but this task ran there. */
struct lone_loss {
    uint64_t worker;
    int64_t sent_us, at_us; /* the task went out, the loss was told */
    bool silent;            /* not heard of any more, rather than seen to go */
};

struct task {
    uint64_t id;
    struct lone_loss loss[2]; /* those that nothing explains so far */
    int64_t due_us;           /* WAITING: not before */
    int64_t sent_us;          /* last published alone */
    uint32_t next, prev; /* free or ready list; next: the message's tasks */
    uint32_t heap_at;    /* WAITING: place in the heap */
    uint32_t inside;     /* TAKEN: offset of the payload in the body */
    uint32_t len;        /* TAKEN: its bytes */
    uint32_t epoch;      /* OUT: attachment of the link that it belongs to */
    uint16_t attempt;    /* of the last publishing; 0: never */
    /* the four counters; they stop at 65,535 */
    uint16_t assigned, failed, returned, lost;
    uint16_t charged; /* losses that count against it */
    uint8_t state;    /* enum task_state */
    uint8_t link;
    uint8_t lone_losses; /* 0..2: of loss[] */
    bool alone;          /* suspect: runs without neighbours */
    bool inherited;      /* half of a guilty range: born with a strike */
    bool trial;          /* WAITING: given up when due, unless a loss turns out
                          * to have another reason */
    bool doubted;        /* WAITING: for the answer of an attempt that was lost;
                          * when due the task is over, not published again */
    bool lost_last;      /* the attempt in force was charged as lost */
    bool lone_last;      /* and stands in loss[] */
};

struct task_list {
    uint32_t first, last, count;
};

struct tasks {
    struct task *v;                   /* TASKS_POOL */
    uint32_t *index;                  /* entry + 1, open addressing */
    uint32_t *heap;                   /* WAITING by due_us */
    uint32_t free;                    /* first free entry */
    uint32_t top;                     /* entries from here on were never used */
    struct task_list ready[2];        /* [alone] */
    uint32_t count[TASK_STATE_COUNT]; /* entries by state */
    uint32_t alone_out;               /* OUT and alone */
    uint32_t doubted;                 /* of the WAITING */
};

co_must_use enum co_err engine_tasks_init(struct tasks *t);
void engine_tasks_fini(struct tasks *t);
/* The entry of id, or TASK_NONE. */
uint32_t engine_tasks_find(const struct tasks *t, uint64_t id);
/* A new entry, READY, at the end of its queue; id must be unknown. TASK_NONE:
 * the pool is empty. */
uint32_t engine_tasks_add(struct tasks *t, uint64_t id, bool alone);
/* Moves the entry to another state and the queue that goes with it; for
 * WAITING due_us must be set, for OUT link. FREE forgets the task. */
void engine_tasks_set(struct tasks *t, uint32_t i, enum task_state state);
/* Makes the task run alone from its next publishing on; not while READY. */
void engine_tasks_suspect(struct tasks *t, uint32_t i);
/* Makes the task WAITING, in doubt, until due_us or when it would be over
 * already. */
void engine_tasks_doubt(struct tasks *t, uint32_t i, int64_t due_us);
/* Entries in use. */
static inline uint32_t
engine_tasks_live(const struct tasks *t)
{
    return (uint32_t)TASKS_POOL - t->count[TASK_FREE];
}
/* The first waiting task, or TASK_NONE. */
static inline uint32_t
engine_tasks_first_due(const struct tasks *t)
{
    return t->count[TASK_WAITING] ? t->heap[0] : (uint32_t)TASK_NONE;
}
/* NULL, or what is inconsistent. */
const char *engine_tasks_check(const struct tasks *t);
