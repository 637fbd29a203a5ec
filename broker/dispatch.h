/* dispatch.h - the rules of the broker: who gets which task, who owns which
 * job, who is alive. Messages and time go in, messages come out (struct
 * outbox). No socket, clock, file or random source, so that the simulator runs
 * the same code in virtual time. Memory only: nothing here survives the
 * process, and nothing needs to (owners publish again, workers report what
 * they hold). Not thread-safe: belongs to one loop. */
#pragma once
#include "proto/outbox.h"

struct dispatch; /* opaque */

/* Receivers in the outbox: coordinators in front, workers at the back. */
enum side { SIDE_FRONT = 0, SIDE_BACK = 1 };

/* Everything is bounded; reaching a bound is answered REFUSED FULL and counted,
 * never dropped. */
struct dispatch_limits {
    uint32_t peers_max;        /* workers and owners together */
    uint32_t jobs_max;         /* known at the same time */
    uint32_t services_max;     /* pairs of service and provider */
    uint32_t job_tasks_max;    /* tasks known of one job */
    uint32_t tasks_max;        /* tasks known in all */
    uint64_t queued_bytes_max; /* heads and bodies that wait for a worker */
    uint32_t unacked_max;      /* result batches remembered for one worker */
    uint32_t worker_tasks_max; /* credit believed of one worker and service */
    uint32_t window_min;       /* credit to the owners of a service, in all */
    uint32_t window_max;
    uint32_t merge_max;  /* small messages are merged up to this many tasks */
    uint32_t beat_ms;    /* BEATs are sent and expected this often */
    uint32_t dead_ms;    /* silence for longer means dead */
    uint32_t away_ms;    /* unroutable for longer means dead */
    uint32_t settle_ms;  /* after start workers may report in this long, and
                          * 1 s longer for every 1,500 known peers */
    uint32_t compare_ms; /* a worker never quiet is asked for INVENTORY */
    uint32_t orphan_ms;  /* a job without owner is forgotten after this */
    uint32_t part_max;   /* told to peers in WELCOME */
};

/* The defaults; docs/protocol.md, "Limits". */
struct dispatch_limits dispatch_limits_default(void);

/* Everything that is refused, dropped, lost, late or malformed, and the flow
 * itself. One list: the struct and `broker:ID` in Redis come of it. */
#define DISPATCH_COUNTERS(X)                                                   \
    X(tasks_in, "tasks accepted from owners")                                  \
    X(tasks_out, "tasks handed to workers")                                    \
    X(messages_out, "TASKS messages sent to workers")                          \
    X(results_in, "results taken from workers")                                \
    X(results_out, "results passed on to owners")                              \
    X(acks, "result batches acknowledged by owners")                           \
    X(merged, "TASKS messages merged into a larger one")                       \
    X(split, "TASKS messages cut to fit a worker's credit")                    \
    X(put_ahead, "TASKS messages with repetitions put before what waited")     \
    X(malformed, "messages refused because they were malformed")               \
    X(misplaced, "messages refused because that peer may not send them")       \
    X(refused_version, "peers and messages of another protocol version")       \
    X(refused_role, "HELLOs refused because the role belongs elsewhere")       \
    X(refused_stale, "messages of an owner that is no longer in force")        \
    X(refused_state, "messages about a job that the owner has not attached")   \
    X(refused_mismatch, "messages with another service or worker id")          \
    X(refused_credit, "tasks refused because they exceed the owner's credit")  \
    X(refused_job_full, "tasks refused because the job has too many")          \
    X(refused_tasks_full, "tasks refused because the broker has too many")     \
    X(refused_bytes_full, "tasks refused because too many bytes wait")         \
    X(refused_peers_full, "peers refused because there are too many")          \
    X(refused_jobs_full, "jobs refused because there are too many")            \
    X(refused_names_full, "services and tags refused: too many")               \
    X(refused_memory, "messages refused because memory is short")              \
    X(who_sent, "messages of unknown peers, answered WHO")                     \
    X(have, "tasks published again that are here already")                     \
    X(replaced, "queued tasks replaced by a higher attempt")                   \
    X(superseded, "running tasks replaced by a higher attempt")                \
    X(cancelled_queued, "queued tasks cancelled")                              \
    X(waited_out, "queued tasks given back: no worker in their time")          \
    X(cancelled_running, "running tasks whose worker was told to stop")        \
    X(cancel_unknown, "CANCELs for tasks that are not here")                   \
    X(lost_worker_dead, "tasks lost because their worker died")                \
    X(lost_silent, "tasks lost because their worker fell silent")              \
    X(lost_link, "tasks lost because they did not arrive")                     \
    X(lost_drain, "tasks lost because their worker left")                      \
    X(lost_results, "results that went with their worker, not acknowledged")   \
    X(lost_unheard, "tasks lost while their owner was away")                   \
    X(returned, "tasks given back by workers")                                 \
    X(returned_unheard, "tasks given back while their owner was away")         \
    X(results_late, "results of attempts that are not in force")               \
    X(results_unknown, "results of tasks that are not in the table")           \
    X(no_owner, "result batches kept by workers: no owner attached")           \
    X(refused_forgotten, "messages about jobs that are over")                  \
    X(ack_unroutable, "ACKs for workers that are gone")                        \
    X(blob_unroutable, "BLOBs for workers that are gone")                      \
    X(need_no_owner, "NEEDs and BLOB_GETs without an owner to answer")         \
    X(inventory_asked, "workers asked for their INVENTORY")                    \
    X(inventory_broken, "INVENTORY pages out of order")                        \
    X(inventory_missing, "tasks that a worker should hold and does not")       \
    X(workers_revived, "workers that were given up as dead and came back")     \
    X(inventory_adopted, "tasks that a worker holds and nobody knew")          \
    X(inventory_told, "of these: their owners were told at once")              \
    X(inventory_full, "tasks not adopted because there are too many")          \
    X(unacked_untracked, "result batches beyond unacked_max, not remembered")  \
    X(overgranted, "grants of workers beyond worker_tasks_max, not used")      \
    X(stale_credit, "grants counted from an older HELLO, not used")            \
    X(workers_joined, "workers welcomed")                                      \
    X(workers_rebound, "workers that came back on a new link")                 \
    X(workers_away, "workers that could not be reached for a while")           \
    X(workers_dead, "workers given up")                                        \
    X(workers_left, "workers that said BYE")                                   \
    X(owners_joined, "owners welcomed")                                        \
    X(owners_gone, "owners that fell silent or said BYE")                      \
    X(jobs_attached, "ATTACHes accepted")                                      \
    X(jobs_detached, "jobs that are over")                                     \
    X(jobs_orphaned, "jobs forgotten because no owner came back")              \
    X(refusals_heard, "REFUSED answers of peers")                              \
    X(refused_identity, "HELLOs with the incarnation of another key's worker") \
    X(peers_revoked, "peers given up because their key is not allowed now")    \
    X(events_dropped, "events that nobody fetched in time")

struct dispatch_counters {
#define X(name, help) uint64_t name;
    DISPATCH_COUNTERS(X)
#undef X
};

/* What changed, for the event stream. */
struct dispatch_event {
    const char *kind;      /* "worker", "owner" or "job" */
    uint64_t id;           /* incarnation, or job id */
    const char *from, *to; /* states; static texts */
    char name[NAME_BYTES_MAX + 1], why[NAME_BYTES_MAX + 1];
};

/* What `queue:SERVICE` in Redis shows. */
struct dispatch_service {
    const char *service, *provider;
    uint64_t queued;            /* tasks that wait for a worker */
    uint64_t in_flight;         /* tasks that workers hold */
    uint64_t capacity;          /* what workers would hold: free + in_flight */
    uint64_t tasks_in, results; /* since start */
    int64_t oldest_ms;          /* how long the oldest queued task has waited */
    int64_t stalled_ms;         /* since a task was sent, while some wait */
    uint32_t workers;
};

struct dispatch_totals {
    uint32_t workers, owners, jobs;
    uint32_t queued, in_flight; /* tasks */
    uint64_t queued_bytes;
};

/* incarnation: random, not 0, new at each start. name: for people. */
co_must_use enum co_err dispatch_new(const struct dispatch_limits *limits,
                                     uint64_t incarnation, const char *name,
                                     int64_t now_ms,
                                     struct dispatch **ret_dispatch);
void dispatch_free(struct dispatch *d);
CO_DEFINE_FREEP(struct dispatch, dispatch_free)

/* Takes a decoded message (m may point into head) and one reference of head
 * and body, which must be owned slices: they may be kept or passed on. */
void dispatch_on_message(struct dispatch *d, enum side side, uint64_t peer,
                         const struct msg *m, struct co_bytes head,
                         struct co_bytes body, int64_t now_ms,
                         struct outbox *out);
/* The same of a peer that has proven to hold the key with that id (key_id; 0:
 * the link has no keys). A worker that comes back on a new link must come with
 * the key that it came with before. */
void dispatch_on_message_of(struct dispatch *d, uint64_t key, enum side side,
                            uint64_t peer, const struct msg *m,
                            struct co_bytes head, struct co_bytes body,
                            int64_t now_ms, struct outbox *out);
/* Bytes of peer arrived that are no whole message yet: a sign of life. */
void dispatch_on_life(struct dispatch *d, enum side side, uint64_t peer,
                      int64_t now_ms);
/* Gives up every peer whose key is no longer allowed. What workers hold is
 * lost by their link. */
void dispatch_drop_keys(struct dispatch *d,
                        bool (*allowed)(const void *ctx, enum side side,
                                        uint64_t key),
                        const void *ctx, int64_t now_ms, struct outbox *out);
/* A message that could not be decoded: counted and answered REFUSED. */
void dispatch_on_garbage(struct dispatch *d, enum side side, uint64_t peer,
                         enum co_err err, int64_t now_ms, struct outbox *out);
/* A message to peer could not be delivered and is gone. */
void dispatch_on_unroutable(struct dispatch *d, enum side side, uint64_t peer,
                            int64_t now_ms, struct outbox *out);
/* Hands queued tasks to workers and credit to owners: once a loop turn, after
 * all input. */
void dispatch_run(struct dispatch *d, int64_t now_ms, struct outbox *out);
/* Beats and liveness: at most every DISPATCH_TICK_MS. */
enum { DISPATCH_TICK_MS = 100 };
void dispatch_tick(struct dispatch *d, int64_t now_ms, struct outbox *out);
/* When dispatch_tick has something to do next. */
int64_t dispatch_next_deadline(const struct dispatch *d);

const struct dispatch_counters *dispatch_counts(const struct dispatch *d);
struct dispatch_totals dispatch_totals(const struct dispatch *d);
/* The i-th service; false when there are no more. */
bool dispatch_service_at(const struct dispatch *d, uint32_t i, int64_t now_ms,
                         struct dispatch_service *ret_service);
/* The next event, oldest first; false when there is none. */
bool dispatch_take_event(struct dispatch *d, struct dispatch_event *ret_event);

/* Walks everything and checks what must always hold (counts, links, credit
 * never exceeded, no task twice). NULL, or the name of what does not hold. For
 * tests, fuzzing and the simulator: slow. */
const char *dispatch_check(const struct dispatch *d);
