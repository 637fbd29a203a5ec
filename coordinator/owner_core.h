/* owner_core.h - what an owner does with messages, journal and time: links,
 * engine, hosted job and journal in the order that the guarantees need.
 * Without socket, clock, signal and random source: owner.c gives it those of
 * a process, tests/sim/owner_node.c those of the simulator.
 *
 * A shell's life: owner_core_new; while !owner_core_attached (for a limited
 * time, unless fresh) owner_core_greet, send, owner_core_receive; then
 * owner_core_replay and owner_core_begin; then turns of owner_core_receive,
 * owner_core_work and sending until owner_core_over; owner_core_finish and
 * owner_core_leave. Sending: owner_core_output, then each message of core->out;
 * the head of a message that could not be sent is told to owner_core_unsent.
 * One thread. */
#pragma once
#include "coordinator/early.h"
#include "coordinator/engine.h"
#include "coordinator/hosted.h"
#include "coordinator/letters.h"
#include "coordinator/link.h"
#include "proto/parts.h"

enum {
    OWNER_ATTACH_MS = 1000,
    OWNER_STOP_MS = 3000,
    OWNER_STOP_PAID_MS = 60000
};

/* How a job ended for its owner. */
enum owner_end {
    OWNER_DONE,    /* everything asked for is committed and sealed */
    OWNER_PARTIAL, /* over, but not everything could be made */
    OWNER_STOPPED, /* told to stop: the same command goes on later */
    OWNER_STALE,   /* another owner has taken over */
    OWNER_FAILED,  /* diag says why */
};

/* What the shell may want to tell; any of them may be NULL. */
struct owner_observer {
    void *ctx;
    void (*lost)(void *ctx, unsigned link);
    void (*attached)(void *ctx, unsigned link, uint32_t held);
    /* Too much came before the journal was read; attached again later. */
    void (*flooded)(void *ctx, unsigned link, size_t messages, uint64_t bytes);
    void (*malformed)(void *ctx, unsigned link, enum co_err err);
    void (*odd)(void *ctx, unsigned link, unsigned type);
    /* Before the engine or the link is told of it. */
    void (*input)(void *ctx, unsigned link, const struct msg *m);
};

struct owner_core_options {
    struct link_identity self; /* texts borrowed for the core's life */
    const char *journal_dir;
    bool fresh;              /* nothing was journaled before */
    uint64_t recipe;         /* stands in TASKS; 0 = none */
    const char *provider;    /* of the tasks; borrowed; NULL or "" = none */
    uint32_t batch;          /* tasks a message; 0 = default */
    uint32_t window;         /* tasks out at most; 0 = default */
    uint64_t segment_bytes;  /* of the journal; 0 = default */
    unsigned links;          /* brokers, 1..ENGINE_LINKS_MAX */
    struct letters *letters; /* borrowed; NULL: nobody reads them */
    int64_t wall_ms;         /* time of day at microsecond 0 */
    uint32_t wait_ms, run_ms, total_ms,
        stall_ms;           /* clocks of a task; 0: unlimited */
    uint32_t call_total_ms; /* of a paid call; 0: not known */
    struct owner_observer observer;
};

/* Shells read it; only owner_core.c writes, but for `out`, which the shell
 * empties. */
struct owner_core {
    struct owner_core_options opt;
    const struct hosted *hosted;
    struct link links[ENGINE_LINKS_MAX];
    bool flooded[ENGINE_LINKS_MAX]; /* begun anew after the replay */
    struct engine *engine;
    struct journal *journal; /* NULL until owner_core_replay */
    struct parts *parts;
    uint64_t part_number; /* of the last message that went as PARTs */
    struct outbox out;
    struct msg_reader reader;
    struct early early;
    uint64_t read_bytes; /* that may still be read in this turn */
    bool replayed, stopping, stale;
    bool reviving;    /* nothing is published or sealed before that is done */
    int64_t stop_us;  /* when to stop waiting */
    bool stop_turned; /* a turn was made since: notes are on their way */
    bool full;        /* the disk is: only calls that are out are waited for */
    struct co_diag full_diag;
};

/* hosted is borrowed for the core's life. */
co_must_use enum co_err owner_core_new(const struct owner_core_options *options,
                                       const struct hosted *hosted,
                                       struct owner_core **ret_core);
void owner_core_free(struct owner_core *c);
CO_DEFINE_FREEP(struct owner_core, owner_core_free)

/* ---- before the journal is read ---- */

/* Whether every broker has this owner's number in force. Brokers must refuse
 * the predecessor before its journal is read; one that does not answer has
 * none of its acknowledgements to pass on: it is down, and starts without a
 * memory. */
bool owner_core_attached(const struct owner_core *c);
void owner_core_greet(struct owner_core *c, int64_t now_us);
/* Reads the journal, which can take seconds. */
co_must_use enum co_err owner_core_replay(struct owner_core *c,
                                          struct co_diag *diag);
/* Then what brokers said meanwhile; turns follow. */
co_must_use enum co_err owner_core_begin(struct owner_core *c, int64_t now_us,
                                         struct co_diag *diag);

/* ---- turns ---- */

/* Once before reading: what is taken now comes on top of what waits for the
 * disk. */
void owner_core_measure_room(struct owner_core *c);
/* Whether engine and journal can take another message. */
bool owner_core_has_room(const struct owner_core *c);
/* A message of a broker; hostile input. Borrows head and body. */
void owner_core_receive(struct owner_core *c, unsigned link,
                        struct co_bytes head, struct co_bytes body,
                        int64_t now_us);
/* Journal, time, orders, hosted job, publishing. An error ends the job. A full
 * disk ends a job whose tasks are paid only when the results of those that are
 * out have come, or their time is over. */
co_must_use enum co_err owner_core_work(struct owner_core *c, int64_t now_us,
                                        struct co_diag *diag);
/* Cuts what is too large into parts; c->out is what to send. */
void owner_core_output(struct owner_core *c);
/* A message for the link could not be sent: the link counts as lost and the
 * broker will be greeted anew. Tasks in it are published again at once, unless
 * it was too large to go whole: of those it is not known who has them. Borrows
 * head. */
void owner_core_unsent(struct owner_core *c, unsigned link,
                       struct co_bytes head, int64_t now_us);

/* ---- the end ---- */

/* Nothing new is published; commits under way are waited for until stop_us, and
 * so are results that were paid for. */
void owner_core_stop(struct owner_core *c, int64_t stop_us);
/* Whether the job is over for this owner, and as what. */
bool owner_core_over(const struct owner_core *c, int64_t now_us,
                     enum owner_end *ret_end);
/* The reports, and then the record that says that nothing is missing. */
co_must_use enum co_err owner_core_finish(struct owner_core *c,
                                          enum owner_end end,
                                          struct co_diag *diag);
/* A job that is over is taken from the brokers; one that goes on later keeps
 * what they have of it. Send afterwards. */
void owner_core_leave(struct owner_core *c, enum owner_end end);
