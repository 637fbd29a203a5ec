/* engine.h - the job engine: one job's tasks, from publishing to commit.
 * Decides what is published where and when, what a loss or failure means, and
 * when a worker may forget a result. Knows brokers as links (0..LINKS-1), the
 * job through kind.h, and no persona. Pure: no I/O, no clock, no random
 * source; time comes in as now_us (monotonic microseconds, never falling).
 * Not thread-safe: belongs to the coordinator's loop.
 *
 * A turn of the shell:
 *   feed events (engine_on_*), hand every order of engine_next_order() to the
 *   journal, engine_on_committed() for what came back, engine_publish(), then
 *   drain the outbox. engine_due_us() says when to come again.
 *
 * A task's states; FREE means the engine does not know it:
 *   FREE --next--> OUT --result taken--> TAKEN --committed--> FREE
 *                  OUT --lost, failed, returned--> READY or WAITING
 *                  READY, WAITING --publish--> OUT; --late result--> TAKEN
 *                  any but TAKEN --halved, unwanted--> FREE
 *                  row given up --> DYING --committed--> FREE
 * A task that must not be run twice (kind.h, once) is not repeated when it may
 * have been run:
 *                  OUT --failed, worker dead--> FREE, and the kind is told
 *                  OUT --lost otherwise--> WAITING (in doubt) --due--> FREE
 *                  in doubt --late result--> TAKEN; --returned--> READY */
#pragma once
#include "coordinator/kind.h"
#include "proto/outbox.h"

enum {
    ENGINE_LINKS_MAX = 16,
    ENGINE_LIVE_MAX = 65536,    /* tasks the engine knows at once */
    ENGINE_PENDING_MAX = 65536, /* result messages between arrival and ACK */
    ENGINE_SIDE_BROKER = 0,     /* side in the outbox; peer = link */
};

struct engine; /* opaque */

struct engine_options {
    uint64_t job;         /* not 0 */
    uint32_t owner;       /* owner number, not 0 */
    uint64_t recipe;      /* stands in TASKS; 0 = none */
    const char *provider; /* stands in TASKS; borrowed; NULL or "" = none */
    uint64_t fingerprint; /* stands in TASKS; 0 = any. Results of kinds that
                           * set it are refused when theirs differs */
    uint32_t batch;       /* tasks a message, 1..BATCH_MAX; 0 = 64 */
    uint32_t window;      /* tasks out at most, 1..ENGINE_LIVE_MAX; 0 = 16384 */
    /* stand in TASKS; 0 = unset */
    uint32_t wait_ms, run_ms, total_ms, stall_ms, cost;
    int64_t wall_ms; /* time of day at microsecond 0, for letters */
    /* A task is given up, and that is committed; also in a replay. One JSON
     * object (engine_case.c), borrowed. NULL: nobody wants to know. */
    void (*dead)(void *ctx, const uint8_t *letter, size_t len);
    /* A death was withdrawn, and that is committed. NULL: as above. */
    void (*revived)(void *ctx, uint64_t task);
    /* Before a replay: calls engine_foresee() for each death that a person
     * wants withdrawn. NULL: none. */
    enum co_err (*wishes)(void *ctx, struct engine *e);
    void *dead_ctx; /* of all of these */
    bool resumed;   /* tasks of an earlier life may be out: with a paid kind a
                     * link publishes only after its settle time */
};

/* Counted since engine_new(); X(name, text). Everything that is refused,
 * repeated or dropped has a line. */
#define ENGINE_COUNTER_LIST(X)                                                 \
    X(published, "tasks published, repetitions included")                      \
    X(messages_out, "TASKS messages")                                          \
    X(messages_in, "RESULTS messages")                                         \
    X(accepted, "results accepted")                                            \
    X(committed, "results committed")                                          \
    X(journaled, "result messages given to the journal")                       \
    X(replayed, "results taken from the journal at start")                     \
    X(duplicate, "results of decided tasks, dropped")                          \
    X(late, "results no longer wanted, dropped")                               \
    X(invalid, "results that were not what was asked")                         \
    X(foreign, "result messages of another job or fingerprint, refused")       \
    X(malformed, "messages not to be read or against the rules, refused")      \
    X(floods, "links begun anew: too much came before the replay")             \
    X(salvaged, "results of an older or given-up attempt, accepted")           \
    X(failed, "attempts reported failed")                                      \
    X(stale_failed, "failures of attempts no longer in force, ignored")        \
    X(lost, "attempts lost")                                                   \
    X(lost_charged, "of these: worker died, counted against the task")         \
    X(lost_lone, "of these: the task was alone at that worker")                \
    X(excused, "losses no longer held against a task: the worker was not "     \
               "dead, or others went with it")                                 \
    X(forgotten, "lost workers no longer remembered, as too many were lost")   \
    X(stale_lost, "losses of attempts no longer in force, ignored")            \
    X(returned, "attempts returned")                                           \
    X(stale_returned, "returns of attempts no longer in force, ignored")       \
    X(refused_full, "tasks refused FULL by a broker, published later")         \
    X(refused_stale, "refusals because another owner is in force")             \
    X(refused_other, "other refusals")                                         \
    X(have, "tasks a broker had already")                                      \
    X(retried, "tasks put back to be published again")                         \
    X(halved, "ranges halved")                                                 \
    X(gone, "tasks not sent again, as they may have been run and paid")        \
    X(doubted, "times that a lost call was waited for: it may be answered")    \
    X(unsent, "tasks in messages that could not be sent, sent again")          \
    X(notes, "records of the kind of job given to the journal")                \
    X(revived, "tasks given up that are wanted again")                         \
    X(dead, "tasks given up")                                                  \
    X(unwanted, "tasks withdrawn as no longer needed")                         \
    X(cancelled, "tasks named in CANCEL")                                      \
    X(compared, "times that tasks unheard of were compared with a broker")     \
    X(reconciled, "tasks that a broker turned out not to have, sent again")    \
    X(adopted, "tasks taken over from a broker's inventory")                   \
    X(not_adopted, "tasks in an inventory that are not needed")                \
    X(acks, "result batches acknowledged")                                     \
    X(acks_only, "of these: nothing in them was new")                          \
    X(link_downs, "links lost")                                                \
    X(credit_odd, "credit that went down or over, corrected")                  \
    X(unknown, "events about a link or task that is not known")

struct engine_counters {
#define X(name, text) uint64_t name;
    ENGINE_COUNTER_LIST(X)
#undef X
};

/* Why nothing (more) is published; X(name, text). */
#define ENGINE_WHY_LIST(X)                                                     \
    X(NONE, "tasks are being published")                                       \
    X(NO_LINK, "no broker is attached")                                        \
    X(SETTLING, "a broker restarted: workers may still report what they hold") \
    X(NO_CREDIT, "the brokers grant no more: their workers are busy or none")  \
    X(WINDOW, "the window is full")                                            \
    X(TABLE, "65,536 tasks are known to the engine")                           \
    X(JOURNAL, "results wait for the disk")                                    \
    X(RETRY, "tasks wait for their time to be tried again")                    \
    X(DOUBT, "lost calls may still be answered, and others would cost again")  \
    X(ALONE, "suspects run alone, and another one does")                       \
    X(KIND, "the kind of job has nothing to publish")                          \
    X(STALE, "another owner has taken over")                                   \
    X(NOMEM, "out of memory")                                                  \
    X(DONE, "the job is over")

enum engine_why {
#define X(name, text) ENGINE_WHY_##name,
    ENGINE_WHY_LIST(X)
#undef X
        ENGINE_WHY_COUNT
};

/* What stands in the engine now. */
struct engine_status {
    enum engine_why why;   /* of the last engine_publish() */
    enum kind_next kind;   /* what the kind said last */
    uint32_t out;          /* published, no result yet */
    uint32_t ready;        /* to be published again */
    uint32_t waiting;      /* for their time */
    uint32_t doubted;      /* of these: lost, may be answered, not repeated */
    uint32_t taken;        /* result or death not yet committed */
    uint32_t pending;      /* result messages not yet acknowledged, and notes
                            * not yet committed */
    uint64_t credit;       /* grants not used, all links */
    int64_t next_retry_us; /* of the first waiting task; INT64_MAX: none */
    int64_t stalled_us;    /* since a task went out or a result came in, while
                            * there is work; 0: it moves */
};

/* Something the journal must keep. Record it as RESULTS: head, then body; a
 * note as NOTE: body, and head is empty. */
struct engine_order {
    uint64_t cookie;
    struct co_bytes head; /* one reference each belongs to the receiver */
    struct co_bytes body; /* empty when the order withdraws a death */
    bool note;            /* a record of the kind's own */
};

/* kind, its state and out are borrowed and must outlive the engine. All
 * memory is allocated here: about 16 MiB, whatever the job's size.
 * CO_INVALID  an option is out of its range
 * CO_NOMEM    nothing was made */
co_must_use enum co_err engine_new(const struct engine_options *options,
                                   const struct job_kind *kind, void *state,
                                   struct outbox *out,
                                   struct engine **ret_engine);
/* Orders that nobody fetched are released. Takes NULL. */
void engine_free(struct engine *e);
CO_DEFINE_FREEP(struct engine, engine_free)

/* -- at start: the journal, oldest record first --------------------------- */

/* Before all of it: the head of a RESULTS record without bodies, which may
 * withdraw deaths. CO_NOMEM. */
co_must_use enum co_err
engine_foresee_results(struct engine *e, const uint8_t *head, size_t head_len);
/* Behind the last of those: asks for wishes (engine_options). */
co_must_use enum co_err engine_foresee_wishes(struct engine *e);
/* engine_revive() will be called for this task. CO_RANGE: it need not be, as
 * that is not possible any more; CO_NOMEM. */
co_must_use enum co_err engine_foresee(struct engine *e, uint64_t task);
/* A journaled RESULTS record, header and body as ordered; place as for
 * engine_on_committed(). No ACK, no order. CO_PROTOCOL: not such a record. */
co_must_use enum co_err
engine_replay_results(struct engine *e, const uint8_t *head, size_t head_len,
                      const uint8_t *body, size_t body_len, uint64_t segment,
                      uint32_t record, uint32_t body_inside);
/* A journaled NOTE, in one order with the results. CO_DAMAGED: the kind does
 * not know it. */
co_must_use enum co_err engine_replay_note(struct engine *e,
                                           const uint8_t *data, size_t len);
/* Replay is over; from now on links and results may come. */
void engine_replay_done(struct engine *e);

/* Withdraws the death of a task: it is wanted again, and an order says so.
 * Between engine_replay_done() and the first engine_publish(), and before
 * anything is sealed.
 * CO_STATE  it is not dead, or cannot be undone any more (kind.h)
 * CO_FULL   try again after orders were committed */
co_must_use enum co_err engine_revive(struct engine *e, uint64_t task);

/* -- links ----------------------------------------------------------------
 * WELCOME -> the shell sends ATTACH; the broker answers INVENTORY pages, then
 * ATTACHED. Nothing is published on a link before engine_on_attached(). */

/* Also accepted on an attached link (a broker that found more). */
void engine_on_inventory(struct engine *e, unsigned link,
                         const struct msg_inventory *inventory, int64_t now_us);
/* What this link was believed to hold and the inventory did not name is
 * published again: at once; or, when the broker says that its workers may
 * still report, 1 s later and a little (with a paid kind after settle_ms).
 * What must not be run twice is in doubt from then on. */
void engine_on_attached(struct engine *e, unsigned link,
                        const struct msg_attached *attached, int64_t now_us);
/* Ends the settle time early; engine_tick() does it when it is over. */
void engine_on_settled(struct engine *e, unsigned link, int64_t now_us);
/* The connection is gone, or the broker said WHO, or welcomed us anew with
 * another incarnation: credit is void. Its tasks are kept for re-attaching,
 * at most 2 s, then published elsewhere; what must not be run twice, 60 s, and
 * is gone then. */
void engine_on_link_down(struct engine *e, unsigned link, int64_t now_us);
/* Counts what the shell could not pass on: a message that cannot be read; a
 * link given up because too much came before the journal was read. */
void engine_on_malformed(struct engine *e);
void engine_on_flood(struct engine *e);
void engine_on_credit(struct engine *e, unsigned link,
                      const struct msg_credit *credit);
/* Answered with RECLAIMED. */
void engine_on_reclaim(struct engine *e, unsigned link,
                       const struct msg_reclaim *reclaim);
/* The message with these tasks was not sent: no worker can have them. They are
 * published again, whatever becomes of the link. */
void engine_on_unsent(struct engine *e, unsigned link,
                      const struct msg_tasks *tasks, int64_t now_us);
/* A task that the broker had already uses up its grant all the same. */
void engine_on_have(struct engine *e, unsigned link,
                    const struct msg_have *have);
/* FULL: its tasks are published again a little later, and use up no grant.
 * STALE: this owner is
 * over: nothing is published or acknowledged any more (engine_stale()). */
void engine_on_refused(struct engine *e, unsigned link,
                       const struct msg_refused *refused, int64_t now_us);
bool engine_stale(const struct engine *e);

/* Nothing is published from now on: paid calls that were not begun are called
 * back, and the kind is told of each that surely was not (kind.h, unsent). Its
 * notes go on as usual. */
void engine_stop(struct engine *e);

/* -- work ----------------------------------------------------------------- */

/* How many RESULTS messages can be taken now; at 0 the shell stops reading
 * (the journal is behind, with results or with notes). */
uint32_t engine_results_room(const struct engine *e);
/* r is the decoded head. Makes at most one order, takes its own references of
 * head and body. A message with nothing new is acknowledged at once, or as
 * soon as the commit it doubles is done.
 * CO_PROTOCOL  broken batch rules, other job or fingerprint: counted, dropped
 * CO_FULL      engine_results_room() was 0: nothing changed
 * CO_STALE     another owner is in force: nothing changed */
co_must_use enum co_err engine_on_results(struct engine *e, unsigned link,
                                          const struct msg_results *r,
                                          struct co_bytes head,
                                          struct co_bytes body, int64_t now_us);
void engine_on_lost(struct engine *e, unsigned link,
                    const struct msg_lost *lost, int64_t now_us);
/* A worker that a broker gave up as dead is alive. */
void engine_on_revived(struct engine *e, uint64_t worker);
void engine_on_returned(struct engine *e, unsigned link,
                        const struct msg_returned *returned, int64_t now_us);

/* The next order for the journal; false: none. The caller owns its slices. */
bool engine_next_order(struct engine *e, struct engine_order *ret_order);
/* The order, results or a note, is in the journal and fsynced. Cookies come
 * back in the order in which the orders were fetched (asserted). segment: owner
 * << 32 | sequence; record: offset of the record there; body_inside: bytes from
 * there to the first byte of body. */
void engine_on_committed(struct engine *e, uint64_t cookie, uint64_t segment,
                         uint32_t record, uint32_t body_inside, int64_t now_us);

/* -- once a turn ---------------------------------------------------------- */

/* Lets retries, settle times and lost links fall due. */
void engine_tick(struct engine *e, int64_t now_us);
/* Pushes ACK, CANCEL and TASKS into the outbox, as far as credit goes. */
void engine_publish(struct engine *e, int64_t now_us);
/* A link whose tasks have not been heard of for 30 s, and that is to be
 * attached again so that its INVENTORY says what became of them; nothing is
 * published there meanwhile. ENGINE_LINKS_MAX: none. */
unsigned engine_next_compare(struct engine *e, int64_t now_us);
/* When engine_tick() or engine_publish() has something to do without an
 * event; INT64_MAX: never. */
int64_t engine_due_us(const struct engine *e);

/* -- questions ------------------------------------------------------------ */

enum kind_state engine_done(const struct engine *e);
const struct engine_counters *engine_counters(const struct engine *e);
void engine_status(const struct engine *e, struct engine_status *ret_status);
const char *engine_why_text(enum engine_why why);
/* Its name in the list: "NO_CREDIT". */
const char *engine_why_name(enum engine_why why);
/* Appends lines for a person: state, reasons, counters that are not 0. */
void engine_why(const struct engine *e, int64_t now_us, struct co_buf *out);
/* Walks everything; NULL, or a text that says which invariant is broken. For
 * tests and the simulator: slow. */
const char *engine_check(const struct engine *e);
