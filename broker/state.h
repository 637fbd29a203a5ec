/* state.h - what the dispatch core knows, for its own files only.
 *
 *   struct dispatch
 *     registry    (handle, side) -> slot of an owner or worker
 *     workers[]   alive workers; each has a list of the entries it holds,
 *                 its credit lines (one a service) and unacknowledged batches
 *     owners[]    coordinators
 *     jobs[]      job id -> owner number in force, credit, flows
 *     lanes[]     one a (service, provider): four bands of active flows
 *     flows       one a (job, lane, alone?): a queue of batches
 *     batches[]   TASKS messages as they came; their entries are chained
 *     entries[]   one a task; (task, job slot) -> entry in `by_task`
 *
 * Slots are reused and named by number, so that nothing points into an array
 * that may move. NONE ends every chain. */
#pragma once
#include "broker/dispatch.h"
#include "common/table.h"

enum {
    NONE = UINT32_MAX,
    FLOWS_PER_JOB = 8, /* queues of one job: by provider, alone or not */
    TAGS_MAX = 64,     /* distinct tags a broker knows: a bit each */
    EVENTS_MAX = 4096,
    FORGOTTEN_MAX = 1024,
    BURIED_MAX = 1024,
    WHO_MAX = 64,
};

/* ---- tasks -------------------------------------------------------------- */

enum task_state {
    TASK_FREE,       /* the slot is not in use */
    TASK_QUEUED,     /* in a batch, waits for a worker */
    TASK_DISPATCHED, /* a worker holds it */
    TASK_SUPERSEDED, /* a worker still holds it, a newer attempt is in force */
    TASK_DROPPED,    /* in a batch still, to be stepped over */
    TASK_STATE_COUNT
};
enum task_event {
    TEV_PUBLISH, /* an owner sent it */
    TEV_ADOPT,   /* a worker reported that it holds it */
    TEV_ASSIGN,  /* sent to a worker */
    TEV_FINISH,  /* a result came, or it was returned */
    TEV_LOSE,    /* its worker is gone, or never had it */
    TEV_REPLACE, /* a higher attempt came */
    TEV_CANCEL,  /* the owner does not want it any more */
    TEV_FORGET,  /* the job is over */
    TEV_DEQUEUE, /* its place in the batch was reached */
    TEV_COUNT
};

struct entry {
    uint64_t task;
    uint32_t job;
    uint32_t place;  /* batch slot (QUEUED, DROPPED) or worker slot */
    uint32_t next;   /* in the batch or in the worker's list */
    uint32_t prev;   /* in the worker's list */
    uint32_t len;    /* payload bytes */
    uint32_t number; /* how many the worker was sent before it */
    uint16_t attempt;
    uint16_t lane;
    uint8_t state; /* enum task_state; set by tasks_apply only */
    uint8_t alone;
    uint8_t started; /* alone: its worker said that it begins */
    uint16_t seen;   /* round of the inventory that named it */
};

/* What tasks must share to go in one message. */
struct shape {
    uint64_t recipe, fingerprint;
    uint32_t run_ms, total_ms, stall_ms, cost;
};

struct batch {
    struct co_bytes head, body;
    struct shape shape;
    int64_t since_ms;    /* when it came */
    uint32_t wait_ms;    /* its tasks go back after so long; 0: never */
    uint32_t first;      /* chain of entries, in payload order */
    uint32_t n;          /* of them QUEUED */
    uint32_t dropped;    /* of them DROPPED */
    uint32_t flow, next; /* next batch of the flow */
    bool whole;          /* head still describes exactly what is left */
    bool extra;          /* has trace or idempotency: never merged */
};

/* ---- who is there ------------------------------------------------------- */

enum worker_state {
    WORKER_FREE,
    WORKER_JOINED,   /* welcomed, no credit yet */
    WORKER_READY,    /* takes tasks */
    WORKER_DRAINING, /* finishes what it has */
    WORKER_AWAY,     /* could not be reached; may come back */
    WORKER_GONE,     /* everything it held is lost */
    WORKER_STATE_COUNT
};
enum worker_event {
    WEV_HELLO,
    WEV_CREDIT,
    WEV_DRAIN,
    WEV_UNROUTABLE,
    WEV_SILENT, /* dead_ms or away_ms passed */
    WEV_BYE,
    WEV_COUNT
};

/* Credit of one worker for one lane. All counts since WELCOME. */
struct line {
    uint32_t worker, lane;
    uint64_t granted, returned, used;
    uint32_t held; /* entries of this lane, also from before WELCOME */
    uint32_t at;   /* its place in the lane's lines; credit.c keeps it */
};

struct unacked {
    uint64_t seq;
    uint64_t hash;  /* XOR of the held keys */
    uint64_t first; /* held key of its first task */
    struct co_bytes head;
    uint32_t job, n; /* n 0: acknowledged, waits for older ones */
    bool doubted;    /* neither sent again nor named since the worker said HELLO
                        again */
};

struct worker {
    uint64_t handle, incarnation, fingerprint, tags;
    uint64_t key;      /* that it proved to hold, 0: none */
    uint32_t greeting; /* of its last HELLO: grants are counted from there */
    char name[NAME_BYTES_MAX + 1];
    enum worker_state state;
    int64_t last_ms, beat_at, away_since, quiet_since, compared_ms, asked_ms;
    /* It gave back what this job (a slot; NONE) asked: until then others are
     * asked first, who may have the place or the key that it lacks. */
    int64_t shy_until_ms;
    uint32_t shy_of;
    uint32_t slot;
    uint32_t first; /* entries DISPATCHED or SUPERSEDED here */
    uint32_t held, superseded;
    uint64_t held_hash; /* XOR over them and over unacked */
    uint32_t sent;      /* tasks sent so far; names the next one */
    struct line **lines;
    uint32_t line_count;
    struct unacked *unacked; /* ordered by seq */
    uint32_t unacked_from, unacked_to, unacked_cap;
    uint64_t unacked_tasks;
    bool unacked_lost; /* some were not remembered: hashes cannot agree */
    /* INVENTORY */
    uint32_t inv_mark, inv_page;
    uint16_t inv_round;
    uint8_t mismatches;
    bool inv_asked;
    bool inv_greets; /* it is the one behind HELLO: results follow it */
    bool left;       /* it said DRAIN since its HELLO */
    bool back; /* new here soon after our start, but not its first HELLO on
                  the link: the broker before may have given it up */
    /* alone */
    bool alone;            /* holds a suspect: gets nothing else */
    uint32_t reserved_for; /* flow that waits until it is empty, or NONE */
};

struct owner {
    uint64_t handle, incarnation;
    uint64_t key; /* as of a worker */
    char name[NAME_BYTES_MAX + 1];
    int64_t last_ms, beat_at;
    uint32_t slot;
    bool used;
};

/* ---- jobs --------------------------------------------------------------- */

struct flow {
    uint32_t job, lane;
    uint32_t head, tail; /* batches */
    uint32_t ahead_tail; /* last of those in front that repeat; NONE: none */
    uint32_t ahead;      /* put before others since one of those went */
    uint32_t queued;     /* tasks */
    int64_t deficit;
    uint32_t next; /* active flow of the band behind this one */
    uint32_t blocked_run;
    uint32_t waits_for; /* alone: the worker kept free for it, or NONE */
    uint8_t band;
    bool alone, used, active;
};

struct job {
    uint64_t id;
    char name[NAME_BYTES_MAX + 1];
    uint32_t slot;
    uint32_t owner;      /* number in force; 0: never attached */
    uint32_t owner_slot; /* NONE: away */
    uint32_t lane;       /* of its ATTACH; NONE until then */
    uint64_t fingerprint, tags;
    uint8_t band;
    uint32_t flows[FLOWS_PER_JOB];
    uint32_t live;     /* entries in force: queued + dispatched */
    uint32_t entries;  /* all slots that name this job */
    uint32_t unacked;  /* batches of it that workers keep */
    int64_t since_ms;  /* when the owner went away */
    int64_t active_ms; /* last time it published or had tasks */
    /* credit to the owner, since ATTACHED */
    uint64_t granted, returned, used;
    int64_t reclaim_ms; /* a RECLAIM is out since, or 0 */
};

struct band {
    uint32_t head, tail; /* active flows, served at the head */
    uint32_t n;
    uint32_t passed; /* first passed over since a turn ended, or NONE */
    int64_t age;     /* cost served elsewhere while this band waited */
};

struct lane {
    char service[NAME_BYTES_MAX + 1], provider[NAME_BYTES_MAX + 1];
    struct band bands[PRIORITY_COUNT];
    struct line **lines; /* those with free credit first: open of them */
    uint32_t line_count, open;
    uint32_t root;     /* the lane of the service without a provider */
    uint64_t capacity; /* what workers would hold; roots: of all providers */
    uint32_t attached, active; /* jobs of this lane, and those with demand */
    uint64_t live;             /* tasks of its attached jobs */
    uint32_t turn;             /* where the search for a worker starts */
    uint32_t queued, in_flight;
    uint64_t tasks_in, results;
    uint64_t rated;   /* results when rated_ms was now */
    uint32_t rate;    /* results a second before that */
    int64_t rated_ms; /* since when they are counted */
    int64_t moved_ms; /* last time that it sent a task or had none waiting */
};

struct event {
    const char *kind, *from, *to;
    uint64_t id;
    char name[NAME_BYTES_MAX + 1], why[NAME_BYTES_MAX + 1];
};

struct dispatch {
    struct dispatch_limits limits;
    struct dispatch_counters count;
    uint64_t incarnation;
    uint64_t speaker; /* key of the message that is being taken, 0: none */
    char name[NAME_BYTES_MAX + 1];
    int64_t started_ms, next_tick;
    int64_t summed_ms; /* when capacity was summed; see credit_run */

    struct co_table
        registry;            /* (handle, side), (incarnation, 2), (job id, 3) */
    struct co_table by_task; /* (task, job slot) */

    struct worker **workers; /* by slot; NULL where free */
    struct owner *owners;
    struct job *jobs; /* by slot; id 0 where free */
    struct lane **lanes;
    uint32_t worker_cap, owner_cap, job_cap, lane_count;
    uint32_t worker_count, owner_count, job_count;

    struct entry *entries;
    uint32_t entry_cap, entry_free, entry_count; /* count: not FREE */
    uint32_t *ids;                               /* scratch: entry_cap */
    struct batch *batches;
    uint32_t batch_cap, batch_free;
    struct flow *flows;
    uint32_t flow_cap;
    uint64_t queued_bytes;
    uint32_t queued, in_flight;
    bool waits_limited; /* a batch with wait_ms came once */

    char tags[TAGS_MAX][NAME_BYTES_MAX + 1];
    uint32_t tag_count;
    uint32_t run; /* number of the dispatch_run */

    struct event events[EVENTS_MAX];
    uint32_t event_from, event_to;
    uint64_t forgotten[FORGOTTEN_MAX];
    uint32_t forgotten_at;
    uint64_t buried[BURIED_MAX]; /* incarnations given up as dead, a ring */
    uint32_t buried_at;
    struct {
        uint64_t peer;
        int64_t until_ms;
        enum side side;
    } who[WHO_MAX];
    uint32_t who_at;

    /* room for one message under construction */
    uint64_t words[2][BATCH_MAX];
    uint32_t halves[3][BATCH_MAX];
    struct msg_reader reader;
};

enum registry_space { IN_FRONT = 0, IN_BACK = 1, IN_WORKERS = 2, IN_JOBS = 3 };

/* Answers REFUSED to a peer. */
void dispatch_refuse(struct outbox *out, enum side side, uint64_t peer,
                     const struct msg *about, enum co_err code,
                     const char *text);
void dispatch_event(struct dispatch *d, const char *kind, uint64_t id,
                    const char *name, const char *from, const char *to,
                    const char *why);

static inline void
push(struct outbox *out, enum side side, uint64_t peer, const struct msg *m)
{
    outbox_push(out, (uint8_t)side, peer, m, (struct co_bytes){0});
}
