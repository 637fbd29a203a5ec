/* engine_core.h - the engine's inside, shared by engine*.c only.
 * engine.c: life, links, questions. engine_results.c: results, commits, ACKs,
 * replay. engine_retry.c: what a loss, failure or return means; engine_once.c:
 * for tasks that must not be run twice. engine_stop.c: what is called back at
 * the end. engine_notes.c: the kind's own records. engine_foresee.c: before a
 * replay.
 * engine_publish.c: what goes out. engine_why.c: texts and the checker. */
#pragma once
#include "coordinator/engine.h"
#include "coordinator/engine_case.h"
#include "coordinator/engine_tasks.h"

enum {
    WITNESSES = 256, /* workers lost of late that are remembered */
    BATCH_DEFAULT = 64,
    WINDOW_DEFAULT = 16384,
    ACK_WORKERS = 64, /* workers whose acknowledgements are gathered at once */
    ACK_SEQS = 256,   /* and batches each */
    /* Notes not yet committed; at half of that no more results are taken. */
    NOTES_MAX = 4096,
    NOTES_BYTES_MAX = 8 << 20,
};

struct link {
    bool attached;
    bool settling;
    uint32_t epoch; /* counts attachments: tasks of older ones are in doubt */
    uint32_t out;   /* tasks OUT on it */
    uint64_t granted, returned, published; /* since WELCOME */
    int64_t settle_us;                     /* INT64_MAX: not settling */
    int64_t adrift_us; /* when its tasks go elsewhere; INT64_MAX: never */
    int64_t down_us;   /* since when they are adrift */
    int64_t news_us;   /* last word about its tasks, or comparison */
    bool comparing;    /* an INVENTORY was asked for */
    int64_t hold_us;   /* publish nothing before: it said FULL */
};

/* A result message between arrival and ACK, in order of arrival. */
struct pending {
    uint64_t worker, seq; /* worker 0: nobody to acknowledge; seq of a revival
                           * is the task */
    uint32_t first;       /* its tasks, through task.next */
    uint8_t link;
    bool revival; /* an order about no task: a death is withdrawn */
    bool note;    /* an order about no task: a record of the kind's own */
    uint32_t note_bytes;
    bool order; /* goes to the journal; else waits for the one before */
    struct co_bytes head, body; /* until fetched */
    struct co_bytes letter;     /* of a death, until committed */
};

/* A worker that was lost: what else is known of that moment. */
struct witness {
    uint64_t worker; /* 0: unused */
    int64_t at_us;
    bool silent, lone;
    bool heard; /* it was not dead at all */
};

/* Acknowledgements of one turn for one worker. */
struct ack_group {
    uint64_t worker;
    uint32_t count;
    uint8_t link;
    uint64_t seqs[ACK_SEQS];
};

struct engine {
    struct engine_options options;
    const struct job_kind *kind;
    void *state;
    struct outbox *out;
    struct tasks tasks;
    struct link links[ENGINE_LINKS_MAX];
    /* ring of pending messages: [done, fetched) are with the journal,
     * [fetched, made) wait to be fetched; numbers only grow */
    struct pending *pending;
    uint64_t done, fetched, made;
    struct ack_group *acks; /* ACK_WORKERS, by hash of the worker */
    struct co_buf body;     /* payloads of the batch being made */
    struct co_buf note;     /* one that the ring had no room or memory for */
    uint32_t notes;         /* in the ring */
    uint64_t notes_bytes;
    bool judging; /* a message of results: what comes up stands behind it */
    struct msg_reader *reader;
    struct engine_counters n;
    struct cases *cases;
    struct witness witnesses[WITNESSES]; /* a ring */
    unsigned witness_at;
    unsigned alone_link; /* where suspects are out */
    uint64_t moves;      /* messages out and in that count as moving */
    int64_t moved_us;    /* last time that there were any, or no work */
    int64_t stalled_us;  /* since then */
    int64_t kind_due_us; /* RATE, LATER: when the kind has more */
    enum engine_why why;
    enum kind_next next;
    bool stale;
    bool stopping; /* nothing is published any more */
};

#define PENDING(e, number) (&(e)->pending[(number) % ENGINE_PENDING_MAX])

/* -- engine.c */
/* Takes an OUT task off its link and puts it into another state. */
void engine_move(struct engine *e, uint32_t i, enum task_state state);
/* Makes the task OUT on the link. */
void engine_put_out(struct engine *e, uint32_t i, unsigned link);
uint64_t engine_link_credit(const struct link *l);
/* Tells the link's broker to stop these; unsent: only what is not begun. */
void engine_cancel(struct engine *e, unsigned link, const uint64_t *ids,
                   uint32_t n, bool unsent);

/* -- engine_results.c */
/* A new place at the end of the ring, which must have one. */
struct pending *engine_pending_add(struct engine *e, uint64_t worker,
                                   uint64_t seq, unsigned link);
/* One slot stays free for the message that is being judged. */
bool engine_ring_is_full(const struct engine *e);
/* Orders that the task's death be journaled. CO_FULL, CO_NOMEM: not now. */
co_must_use enum co_err engine_order_death(struct engine *e, uint32_t i,
                                           int64_t now_us);
void engine_flush_acks(struct engine *e);

/* -- engine_retry.c */
/* Publish again: at once, or at due_us when that is later than now. */
void engine_again(struct engine *e, uint32_t i, int64_t now_us, int64_t due_us);
/* The entry if this attempt, or an older one, is out there or was lost and is
 * waited for; else TASK_NONE. */
uint32_t engine_in_force(struct engine *e, uint64_t id, uint32_t attempt);
/* An attempt failed (or its result was invalid). */
void engine_task_failed(struct engine *e, uint32_t i, int64_t now_us);
/* A waiting task is due: READY, or its trial ends. */
void engine_task_due(struct engine *e, uint32_t i, int64_t now_us);

/* -- engine_stop.c */
/* True: the job stops, and the kind has taken back this task, which was given
 * back unsent: the engine has forgotten it. */
bool engine_stop_returned(struct engine *e, uint32_t i);
/* The link is there (again): a stop that it was away at reaches it now. */
void engine_stop_attached(struct engine *e, unsigned link);

/* -- engine_lanes.c: jobs with several providers */
/* The provider in whose lane the task goes. */
const char *engine_provider(const struct engine *e, uint64_t id);
/* Whether the job's credit is of all providers of its service. */
bool engine_has_lanes(const struct engine *e);
/* Calls back what the kind wants back. */
void engine_recall(struct engine *e);
/* True: the kind has taken back this task, which was given back unrun: the
 * engine has forgotten it. */
bool engine_lanes_returned(struct engine *e, uint32_t i,
                           const struct msg_returned *r, int64_t now_us);

/* -- engine_once.c: tasks that must not be run twice */
/* Whether a second run costs money. */
bool engine_is_once(const struct engine *e, uint64_t id);
/* How long the answer of a lost call is waited for. */
int64_t engine_once_wait_us(const struct engine *e);
/* The task may have been run and will not be answered by who had it. True: the
 * kind took it over and it is FREE; false: repeat it. */
bool engine_once_gone(struct engine *e, uint32_t i, enum kind_gone how,
                      int64_t now_us);
/* Lost by its worker, which may be alive unless the cause says otherwise.
 * False: it goes the way of tasks that cost nothing. */
bool engine_once_lost(struct engine *e, uint32_t i, uint32_t cause,
                      int64_t now_us);
/* The link's broker has not got it (any more). False: as above. */
bool engine_once_unheard(struct engine *e, uint32_t i, int64_t now_us);

/* -- engine_notes.c: records of the kind's own */
/* Moves what the kind has to write into the ring, as far as there is room. */
void engine_notes_take(struct engine *e);
bool engine_notes_crowded(const struct engine *e);
void engine_notes_committed(struct engine *e, struct pending *p,
                            int64_t now_us);

/* -- engine_guilt.c */
/* A worker was lost with some of our tasks. */
void engine_guilt_lost(struct engine *e, const struct msg_lost *lost,
                       int64_t now_us);
/* A message came from that worker: whatever was said, it lives. */
void engine_guilt_heard(struct engine *e, uint64_t worker);
/* The attempt that was counted as lost is there after all. */
void engine_guilt_found(struct engine *e, uint32_t i);
/* The task was alone at the worker that was lost. Returns how many lone
 * losses stand against it now. */
unsigned engine_guilt_lone(struct engine *e, uint32_t i,
                           const struct msg_lost *lost, int64_t now_us);
/* Strikes out what has been explained since; how many are left. */
unsigned engine_guilt_weigh(struct engine *e, uint32_t i);
