/* slots_impl.h - what the files of the slots core share. Nobody else includes
 * it but tests of the tables. */
#pragma once
#include "worker/assets.h"
#include "worker/slots.h"

#include <sys/queue.h>

enum {
    SLOTS_NONE = 0xffffffffu, /* no index */
    SLOTS_PAGE = BATCH_MAX,   /* tasks in an INVENTORY page or RETURNED */
    SLOTS_BURST_BYTES = 8 * 1024 * 1024, /* RESULTS pushed in one flush */
    SLOTS_RESEND_US = 30 * 1000 * 1000,  /* unacknowledged for so long */
    SLOTS_HELLO_US = 1000 * 1000,        /* HELLO again until WELCOME */
    SLOTS_BEAT_MS = 1000,                /* until WELCOME says otherwise */
    SLOTS_DEAD_MS = 5000,
    SLOTS_RECLAIM_US = 2000 * 1000, /* ask for grants back again */
    SLOTS_SPILL_RETRY_US = 1000 * 1000,
    SLOTS_FULL_RETRY_MS = 1000, /* not_before of tasks refused as FULL */
    /* Between saying that a suspect starts and starting it: time for the
     * message to leave a process that may die of it. */
    SLOTS_TOLD_US = 20000,
    SLOTS_COURT_US = 3000000, /* kept free for a suspect that was sent back */
};

/* -- tasks --------------------------------------------------------------- */
enum slots_state {
    SLOTS_REFUSED, /* 0: not in the table below */
    SLOTS_FREE,
    SLOTS_PARKED,   /* waits for its recipe */
    SLOTS_QUEUED,   /* may start */
    SLOTS_RUNNING,  /* the shell has its ref */
    SLOTS_STOPPING, /* runs, but was cancelled */
    SLOTS_DROPPED,  /* runs, but its job is over: told to nobody */
    SLOTS_DONE,     /* its result is gathered or kept */
    SLOTS_STATE_COUNT
};
enum slots_event {
    SLOTS_EV_TAKE,   /* received, can run */
    SLOTS_EV_PARK,   /* received, recipe missing */
    SLOTS_EV_READY,  /* recipe came */
    SLOTS_EV_START,  /* handed to the shell */
    SLOTS_EV_FINISH, /* the shell has a result */
    SLOTS_EV_CANCEL, /* its owner wants it stopped */
    SLOTS_EV_RETURN, /* given back */
    SLOTS_EV_DROP,   /* nobody is interested any more */
    SLOTS_EV_ACK,    /* result is on disk at its owner */
    SLOTS_EVENT_COUNT
};
/* The state after event, SLOTS_REFUSED when it makes no sense. */
enum slots_state slots_state_after(enum slots_state state,
                                   enum slots_event event);

/* One TASKS message: what its tasks have in common. */
struct intake {
    uint64_t job, recipe_hash;
    struct co_bytes body, recipe;
    uint32_t refs; /* tasks that are parked, queued or running */
    uint32_t owner, service, run_ms, stall_ms;
    int64_t expires_us; /* total_ms, INT64_MAX = never */
    bool alone;
};

/* One task. 72 bytes; lives in the pool, found by (job, task). */
struct held {
    uint64_t job, task;
    struct intake *intake; /* until its result is sealed */
    struct result *result; /* from then on */
    uint32_t attempt, generation;
    uint32_t order;       /* of the queue, over all services */
    uint32_t mark;        /* the shell's number of it, SLOTS_NONE: not given */
    uint32_t chain;       /* next of the hash bucket, or of the free list */
    uint32_t prev, next;  /* in the list of its state */
    uint32_t offset, len; /* payload in the intake's body */
    uint8_t state, link;
    bool progressed;
    bool counted; /* in held_count and held_hash of its link */
};

struct held_list {
    uint32_t first, last, n;
};

/* -- results ------------------------------------------------------------- */
enum result_state {
    RESULT_PENDING, /* to be sent */
    RESULT_SENT,    /* to be acknowledged */
    RESULT_WAITING, /* the owner is away */
    RESULT_STATE_COUNT
};
enum result_event {
    RESULT_EV_SEND,     /* pushed to the outbox */
    RESULT_EV_NO_OWNER, /* broker: keep it */
    RESULT_EV_AGAIN,    /* WELCOME, OWNER_ATTACHED, or asked again */
    RESULT_EVENT_COUNT
};
enum result_state slots_result_after(enum result_state state,
                                     enum result_event event);

/* A sealed RESULTS batch. */
struct result {
    TAILQ_ENTRY(result) entry; /* in lists[state][spilled] */
    struct result *chain;      /* next of the bucket of its seq */
    uint64_t seq, job, run_us;
    int64_t born_us, sent_us;
    struct co_bytes body; /* empty when spilled */
    uint32_t body_bytes, owner, n, sends;
    uint8_t link, state;
    bool spilled;
    uint32_t data[]; /* n pool indexes, n statuses, n lens */
};
TAILQ_HEAD(result_list, result);

/* A batch in the making: one per (job, owner, link) of the turn. */
struct gather {
    uint64_t job, run_ns;
    uint32_t owner, n;
    uint8_t link;
    struct co_buf body;
    uint32_t index[SLOTS_RESULT_TASKS];
    uint32_t status[SLOTS_RESULT_TASKS];
    uint32_t len[SLOTS_RESULT_TASKS];
};
enum { SLOTS_GATHERS = 8 }; /* more (job, owner) pairs seal the oldest early */

/* -- links --------------------------------------------------------------- */
enum link_state {
    LINK_NONE,    /* 0: not in the table */
    LINK_DOWN,    /* nothing said yet */
    LINK_GREETED, /* HELLO sent */
    LINK_UP,      /* WELCOME received */
    LINK_BARRED,  /* REFUSED VERSION: no use to go on */
    LINK_GONE,    /* BYE sent */
    LINK_STATE_COUNT
};
enum link_event {
    LINK_EV_CONNECT,
    LINK_EV_WELCOME,
    LINK_EV_WHO,
    LINK_EV_SILENT,
    LINK_EV_BARRED,
    LINK_EV_BYE,
    LINK_EVENT_COUNT
};
enum link_state slots_link_after(enum link_state state, enum link_event event);

struct credit {
    uint64_t granted, returned, received; /* cumulative since WELCOME */
    uint32_t active;    /* parked, queued or running tasks of this service */
    int64_t reclaim_us; /* when grants were asked back; 0 = not */
};

struct link {
    uint8_t state;
    uint64_t broker;   /* incarnation */
    uint32_t greeting; /* number of the last HELLO */
    uint32_t beat_ms, dead_ms, batch_max, body_max, part_max;
    int64_t heard_us, said_us; /* last message in, last HELLO or BEAT out */
    int64_t tasks_us;          /* last TASKS */
    uint64_t held_hash;
    uint32_t held_count; /* tasks and results, until ACK or RETURNED */
    struct credit credit[SLOTS_SERVICES_MAX];
};

/* A task that is to be given back; sent by the next flush. */
struct giveback {
    uint64_t job, task;
    uint32_t attempt, not_before_ms;
    uint8_t reason, link;
};

/* What is here of a service, by its number in the config. */
struct serving {
    struct held_list queued;
    uint32_t running; /* stopping and dropped ones too */
    uint32_t room;    /* slots_room */
    uint64_t ewma_ns; /* of the run time */
};

struct slots {
    struct slots_config config;
    bool (*is_unsent)(void *ctx, uint32_t mark); /* NULL: nothing that runs */
    void *is_unsent_ctx;
    uint32_t limit;          /* slots in use, 1 .. config.slots */
    uint32_t running_shared; /* tasks that run in these */
    uint32_t order_last;     /* number of the last task that was queued */
    struct serving serving[SLOTS_SERVICES_MAX];
    struct link links[SLOTS_LINKS_MAX];

    struct held *pool;
    uint32_t pool_cap, pool_used, free_first, held_n;
    uint32_t *buckets, bucket_mask;
    /* DONE and FREE are unused; of QUEUED only the number counts, its tasks
     * stand in the lists of their services. */
    struct held_list lists[SLOTS_STATE_COUNT];
    bool alone;            /* a suspect runs: nothing may start beside it */
    uint32_t suspects;     /* active tasks that must be alone */
    uint8_t suspect_link;  /* of them */
    struct slots_ref told; /* the suspect whose start was announced */
    bool tell;             /* the next flush announces it */
    int64_t told_us;
    uint8_t court_link; /* until court_until_us others get nothing in */
    int64_t court_until_us;

    struct gather *gathers[SLOTS_GATHERS];
    uint32_t gathers_n;
    struct result_list results[RESULT_STATE_COUNT][2]; /* [][1] spilled */
    struct result **result_buckets;
    uint32_t result_mask, results_n;
    uint64_t seq_last, result_bytes, spilled_bytes;
    int64_t spill_retry_us;
    bool full;

    struct giveback *returns;
    size_t returns_n, returns_cap;
    int64_t now_us; /* of the call that runs */
    int64_t deadline_us;
    uint32_t rss_mib, cpu_permille;
    bool draining;
    struct slots_counters counters;

    /* Room for the arrays of one outgoing message. */
    uint64_t words_a[SLOTS_PAGE], words_b[SLOTS_PAGE];
    uint32_t halves_a[SLOTS_PAGE], halves_b[SLOTS_PAGE], halves_c[SLOTS_PAGE];
};

/* slots_held.c: the pool, its index and lists */
co_must_use enum co_err slots_held_init(struct slots *s);
void slots_held_fini(struct slots *s);
/* First task of (job, task) in any attempt, then the next one; SLOTS_NONE. */
uint32_t slots_held_find(const struct slots *s, uint64_t job, uint64_t task);
uint32_t slots_held_again(const struct slots *s, uint32_t index);
/* A new task in state FREE, not yet counted. CO_FULL, CO_NOMEM. */
co_must_use enum co_err slots_held_add(struct slots *s, uint64_t job,
                                       uint64_t task, uint32_t attempt,
                                       uint32_t link, uint32_t *ret_index);
/* The only writer of held.state; refused events are bugs of ours (asserted).
 * Entering FREE removes the task from the pool. */
void slots_held_apply(struct slots *s, uint32_t index, enum slots_event event);
void slots_held_count(struct slots *s, uint32_t index, bool counted);
void slots_held_move(struct slots *s, uint32_t index, uint32_t link);
void slots_intake_unref(struct intake *in);
static inline bool
slots_is_active(uint8_t state)
{
    return state >= SLOTS_PARKED && state <= SLOTS_DROPPED;
}

/* slots_tasks.c: TASKS and recipes */
void slots_on_tasks(struct slots *s, uint32_t link, const struct msg_tasks *t,
                    struct co_bytes body, int64_t now_us, struct outbox *out);
void slots_on_blob(struct slots *s, const struct msg_blob *b,
                   struct co_bytes body, int64_t now_us, struct outbox *out);

/* slots_back.c: giving back, CANCEL and FORGET */
/* Ends a task that is not done with RETURNED; frees it. */
void slots_return_held(struct slots *s, uint32_t index,
                       enum return_reason reason);
void slots_return_raw(struct slots *s, uint32_t link, uint64_t job,
                      uint64_t task, uint32_t attempt,
                      enum return_reason reason, uint32_t not_before_ms);
void slots_return_list(struct slots *s, enum slots_state state,
                       enum return_reason reason);
void slots_return_queued(struct slots *s, enum return_reason reason);
void slots_push_returns(struct slots *s, struct outbox *out);
/* What waits is given back, what runs is stopped; what is done stays. */
void slots_cancel_held(struct slots *s, uint32_t index);
void slots_on_cancel(struct slots *s, const struct msg_cancel *c);
void slots_forget_tasks(struct slots *s, uint64_t job);

/* slots_results.c: gathering, keeping, spilling */
co_must_use enum co_err slots_results_init(struct slots *s);
void slots_results_fini(struct slots *s);
co_must_use enum co_err slots_gather(struct slots *s, uint32_t index,
                                     enum task_status status,
                                     const void *payload, size_t len,
                                     uint64_t run_ns);
void slots_seal_all(struct slots *s);
void slots_push_results(struct slots *s, int64_t now_us, struct outbox *out);
void slots_on_ack(struct slots *s, const struct msg_ack *a);
void slots_on_no_owner(struct slots *s, uint32_t link,
                       const struct msg_no_owner *n);
/* Everything of job (0: of every job) that went by link is sent again. */
void slots_send_again(struct slots *s, uint32_t link, uint64_t job);
void slots_send_result_again(struct slots *s, struct result *r, uint32_t link);
void slots_forget_results(struct slots *s, uint64_t job);
void slots_results_tick(struct slots *s, int64_t now_us);

/* slots_credit.c */
void slots_credit_reset(struct slots *s, uint32_t link);
/* The place of (service, provider) in the config; n_services: not here. */
uint32_t slots_service_of(const struct slots *s, struct msg_str name,
                          struct msg_str provider);
uint64_t slots_look_ahead(const struct slots *s, uint32_t service);
void slots_push_credit(struct slots *s, int64_t now_us, struct outbox *out);
void slots_on_reclaimed(struct slots *s, uint32_t link,
                        const struct msg_reclaimed *r);
void slots_measure(struct slots *s, uint32_t service, uint64_t run_ns);

/* slots_link.c: HELLO, WELCOME, BEAT, INVENTORY */
void slots_on_welcome(struct slots *s, uint32_t link,
                      const struct msg_welcome *w, int64_t now_us,
                      struct outbox *out);
void slots_push_start(struct slots *s, struct outbox *out);
void slots_on_who(struct slots *s, uint32_t link, int64_t now_us,
                  struct outbox *out);
void slots_on_refused(struct slots *s, uint32_t link,
                      const struct msg_refused *r);
void slots_push_inventory(struct slots *s, uint32_t link, struct outbox *out);
void slots_links_tick(struct slots *s, int64_t now_us, struct outbox *out);
