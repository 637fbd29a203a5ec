/* slots.h - the worker's core: what it holds, what runs next, what it tells.
 * Pure: no socket, clock, file or random source. Time comes in as now_us
 * (microseconds of any clock that only goes forward), messages come in decoded
 * and leave through an outbox. Each broker is a link (0 .. links - 1); outbox
 * entries carry the link as their peer and 0 as their side.
 *
 * Life of a task: TASKS -> parked (its recipe is fetched) -> queued ->
 * running -> done (its result is kept) -> acknowledged. Every held task is
 * told to its broker by count and hash in BEAT, in full by INVENTORY. A result
 * leaves only by ACK or FORGET.
 *
 * Nothing is allocated per task: tasks live in one pool, payloads stay in the
 * body of the TASKS message, results are gathered per batch.
 * Not thread-safe: belongs to the worker's loop. */
#pragma once
#include "proto/outbox.h"

struct slots;  /* opaque: create with slots_new() */
struct assets; /* worker/assets.h */

enum {
    SLOTS_LINKS_MAX = 8,
    SLOTS_SERVICES_MAX = 24,   /* persona.write counts once a provider */
    SLOTS_OWN_MAX = 64 * 1024, /* slots that a service may have of its own */
    SLOTS_SIDE = 0,            /* the side of every outbox entry */
    SLOTS_RESULT_TASKS = 256,  /* most tasks in one RESULTS */
    SLOTS_RESULT_BYTES = 1024 * 1024 /* a RESULTS is closed beyond this */
};

/* A service as far as credit is concerned. One name may stand here several
 * times, each time with another provider: each such pair has its own credit. */
struct slots_service {
    const char *name;
    bool range;           /* a task is a range of candidates: look 3 ahead */
    uint32_t hint_ns;     /* expected run time before one was measured */
    const char *provider; /* LLM provider that it calls; NULL or "": none */
    /* Slots of its own, beside those of the config: its tasks wait for others
     * most of the time, and must not keep the CPU's slots from those that do
     * not. 0: it shares the slots of the config. */
    uint32_t slots;
};

/* No bound by slots_room. */
#define SLOTS_NO_LIMIT UINT32_MAX

/* Where results go that do not fit in memory. Each function may block for the
 * time of one file operation. put takes no reference. */
struct slots_spill {
    void *ctx;
    /* CO_FULL, CO_NOSPACE, CO_IO: the body stays in memory. */
    enum co_err (*put)(void *ctx, uint64_t seq, struct co_bytes body);
    /* CO_DAMAGED, CO_IO: the result is lost and its tasks are given back. */
    enum co_err (*get)(void *ctx, uint64_t seq, struct co_bytes *ret_body);
    void (*drop)(void *ctx, uint64_t seq);
};

struct slots_config {
    uint64_t incarnation; /* random, not 0, new at each start */
    uint64_t fingerprint; /* of what decides bytes; 0 = none */
    const char *name;     /* texts and arrays are borrowed for life */
    const char *software;
    const struct slots_service *services;
    uint32_t n_services;
    const char *const *tags;
    uint32_t n_tags;
    uint32_t links;            /* brokers, 1 .. SLOTS_LINKS_MAX */
    uint32_t slots;            /* >= 1: tasks that may ever run at once, of all
                                * services without slots of their own */
    uint32_t held_max;         /* tasks and results; 0 = 262,144 */
    uint64_t result_bytes_max; /* results in memory; 0 = 64 MiB */
    int64_t result_age_us;     /* then spilled; 0 = 24 hours */
    struct slots_spill spill;  /* put == NULL: there is none */
    struct assets *assets;     /* borrowed; NULL: no task with a recipe */
};

/* Names a running task; stays valid until slots_done or slots_give_back. */
struct slots_ref {
    uint32_t index, generation;
};

/* A task to run. payload and recipe are borrowed until the task ends. */
struct slots_task {
    struct slots_ref ref;
    uint64_t job, task;
    uint32_t attempt;
    uint32_t service; /* index in the config */
    const uint8_t *payload;
    uint32_t payload_bytes;
    uint64_t recipe_hash;   /* 0 = none */
    struct co_bytes recipe; /* its bytes */
    int64_t run_until_us;   /* end of its longest run; INT64_MAX = none */
    int64_t stall_us;       /* longest time without progress; 0 = no limit */
};

/* Everything that happened, counted (G8). */
#define SLOTS_COUNTERS(X)                                                      \
    X(tasks, "tasks received")                                                 \
    X(done, "tasks that ended well")                                           \
    X(failed, "tasks that ended badly")                                        \
    X(expired, "tasks whose total time ran out while queued")                  \
    X(returned, "tasks given back")                                            \
    X(cancelled, "tasks told to stop")                                         \
    X(duplicates, "tasks received while held already")                         \
    X(superseded, "tasks replaced by a higher attempt")                        \
    X(stale, "tasks received with a lower attempt than held")                  \
    X(over_credit, "tasks received beyond the grant")                          \
    X(refused_full, "tasks given back because memory is full")                 \
    X(batches, "RESULTS batches made")                                         \
    X(sent, "RESULTS messages sent, repeats included")                         \
    X(resent, "RESULTS messages sent again")                                   \
    X(acked, "RESULTS batches acknowledged")                                   \
    X(ack_unknown, "acknowledgements of batches not held")                     \
    X(no_owner, "RESULTS batches whose owner was away")                        \
    X(forgotten, "tasks and results dropped by FORGET")                        \
    X(spilled, "RESULTS batches moved to disk")                                \
    X(unspilled, "RESULTS batches read back")                                  \
    X(spill_failed, "RESULTS batches that could not be moved to disk")         \
    X(spill_lost, "RESULTS batches damaged on disk, their tasks given back")   \
    X(no_recipe, "tasks given back for want of their recipe")                  \
    X(welcomes, "WELCOME received")                                            \
    X(who, "times a broker did not know this worker")                          \
    X(silences, "times a broker was silent for too long")                      \
    X(inventories, "INVENTORY sent in full")                                   \
    X(refusals, "REFUSED received")                                            \
    X(bad, "messages that made no sense here")

struct slots_counters {
#define X(name, help) uint64_t name;
    SLOTS_COUNTERS(X)
#undef X
};

struct slots_stats {
    uint32_t parked, queued, running, kept; /* tasks by state; kept = results */
    uint32_t links_up;
    uint64_t result_bytes;  /* results in memory */
    uint64_t spilled_bytes; /* results on disk */
    uint64_t credit;        /* grants that brokers have not used */
    uint32_t slots;         /* tasks that may run at once now, of services
                             * without slots of their own */
    uint32_t own_running;   /* of running: tasks of the other services */
    bool draining;
    bool full; /* results fill memory and spill: nothing is taken */
    struct slots_counters counters;
};

/* CO_INVALID: a value of config is out of its range. */
co_must_use enum co_err slots_new(const struct slots_config *config,
                                  struct slots **ret_slots);
void slots_free(struct slots *s);
CO_DEFINE_FREEP(struct slots, slots_free)

/* A HELLO with that number could not be sent: the broker has not heard of us
 * by it. */
void slots_hello_unsent(struct slots *s, uint32_t link, uint32_t greeting);

/* Says HELLO on a link; repeated by slots_tick until WELCOME comes. */
void slots_connect(struct slots *s, uint32_t link, int64_t now_us,
                   struct outbox *out);

/* Takes one message of a broker. head and body stay the caller's; what is kept
 * of them is referenced. Messages that make no sense are counted, answered
 * with REFUSED, and change nothing. */
void slots_on_message(struct slots *s, uint32_t link, const struct msg *m,
                      struct co_bytes body, int64_t now_us, struct outbox *out);

/* At most so many run at once from now on, 1 .. config.slots; 0, or more than
 * that: config.slots. What runs goes on; what waits beyond a lower limit is
 * given back, so that it does not wait here for long. Services with slots of
 * their own are not concerned. */
void slots_limit(struct slots *s, uint32_t limit, int64_t now_us);
/* Of a service with slots of its own, at most so many tasks more may come than
 * are here and running: what its limits allow now. SLOTS_NO_LIMIT until it is
 * called. Tells brokers with the next flush, and asks grants beyond it back. */
void slots_room(struct slots *s, uint32_t service, uint32_t room);
/* The next task to run; it counts as running from now on. False: none may
 * start now. The oldest goes first of those whose service has a free slot. */
bool slots_next(struct slots *s, int64_t now_us, struct slots_task *ret_task);
/* Gives a running task a number that slots_next_stopped names it by. */
void slots_mark(struct slots *s, struct slots_ref ref, uint32_t mark);
/* Whether the marked task is not begun yet, though it runs: it may be called
 * back. Unset: none is. */
void slots_unsent(struct slots *s, bool (*is_unsent)(void *ctx, uint32_t mark),
                  void *ctx);
/* A marked task that should be stopped, as long as there is one: then end it
 * by slots_give_back or slots_done. */
bool slots_next_stopped(const struct slots *s, uint32_t *ret_mark);
/* Whether a running task should be stopped: then call slots_give_back. */
bool slots_stopped(const struct slots *s, struct slots_ref ref);
/* Marks progress, told in the next BEAT. */
void slots_progress(struct slots *s, struct slots_ref ref);
/* A running task ended. payload is copied. run_ns is its own time on the CPU
 * (or its span, for tasks that wait). CO_NOMEM: the task is given back. */
enum co_err slots_done(struct slots *s, struct slots_ref ref,
                       enum task_status status, const void *payload,
                       size_t payload_bytes, uint64_t run_ns);
/* A running task is not done here: RETURNED with reason (a task that was told
 * to stop says RETURN_CANCELLED whatever reason is), not to be tried again
 * before not_before_ms. */
void slots_give_back(struct slots *s, struct slots_ref ref,
                     enum return_reason reason, uint32_t not_before_ms);

/* Sends what the turn made: RESULTS batches, RETURNED, CREDIT. Call once a
 * turn, after the work, and only when the last outbox went out. */
void slots_flush(struct slots *s, int64_t now_us, struct outbox *out);
/* Beats, HELLO again, silence of brokers, results sent again, ageing. Call at
 * least every 100 ms, or at slots_deadline. */
void slots_tick(struct slots *s, int64_t now_us, struct outbox *out);
/* When slots_tick has something to do next. */
int64_t slots_deadline(const struct slots *s);
/* Slots that a service has of its own; 0: it shares those of the config. */
uint32_t slots_own(const struct slots *s, uint32_t service);
/* What the next BEAT says about this process. */
void slots_usage(struct slots *s, uint32_t rss_mib, uint32_t cpu_permille);

/* Finish and go: grants are reclaimed, queued tasks given back, running ones
 * end, results wait for their ACK. */
void slots_drain(struct slots *s, int64_t now_us, struct outbox *out);
/* Everything that is not done is given back at once (running tasks too: abort
 * them first, their refs end here). */
void slots_hand_back(struct slots *s, int64_t now_us, struct outbox *out);
/* Draining, and nothing is held any more. */
bool slots_drained(const struct slots *s);
/* BYE on every link; nothing may be called after but slots_free. */
void slots_bye(struct slots *s, struct outbox *out);

/* Whether the broker of the link knows this worker now. */
bool slots_link_up(const struct slots *s, uint32_t link);
/* Messages to it that are larger go as PARTs; 0: no WELCOME yet. */
uint32_t slots_part_max(const struct slots *s, uint32_t link);
void slots_get_stats(const struct slots *s, struct slots_stats *ret_stats);
/* Walks everything and asserts what must hold. For tests and simulators. */
void slots_check(const struct slots *s);
