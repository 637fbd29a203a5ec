/* sim.h - the simulator's clock, chance, trace and verdict.
 *
 * One seed decides a whole run: which job, which machines, which faults, and
 * the order of events that happen at the same moment. One thread, virtual
 * microseconds, a binary heap of events. Nodes (nodes.h) stand around the real
 * cores and exchange encoded frames through net.h; the journal is the real one
 * on a disk that can lose what was not synced (disk.h). What must hold is
 * checked by oracle.h after each step. The first violation ends the run. */
#pragma once
#include "common/bytes.h"
#include "coordinator/kind.h"

enum {
    SIM_BROKERS_MAX = 3,
    SIM_WORKERS_MAX = 10,
    SIM_JOBS_MAX = 3,
    SIM_OWNERS_MAX = SIM_JOBS_MAX, /* the folder's lock: one a job */
    SIM_NODES_MAX = SIM_OWNERS_MAX + SIM_BROKERS_MAX + SIM_WORKERS_MAX,
    SIM_HOSTS_MAX = 4,
    SIM_TRACE_LINES = 50,
    SIM_TRACE_BYTES = 200,
};

enum sim_profile {
    PROFILE_CALM,  /* nothing breaks but guilty rows */
    PROFILE_CRASH, /* kills, power loss, drain */
    PROFILE_NET,   /* cut, slow and half-dead connections, frozen processes */
    PROFILE_DISK,  /* slow, full and broken disks, torn writes */
    PROFILE_ALL,
    PROFILE_FAULTS, /* of these, one says what breaks in a run */
    /* Jobs whose rows a model writes, with the faults of any of the above. It
     * stands behind them so that their seeds do what they always did. */
    PROFILE_PAID = PROFILE_FAULTS,
    PROFILE_WRITERS, /* of these: several writers, that go away and come back */
    PROFILE_BATCHES, /* of paid: asks go out as batches of their vendor */
    PROFILE_COUNT
};

struct sim;

/* Something that will happen. head and body belong to the event. */
struct sim_event {
    int64_t at_us;
    uint64_t tie; /* random: order among events of the same moment */
    void (*fn)(struct sim *s, struct sim_event *e);
    uint64_t a, b;
    struct co_bytes head, body;
};

/* Counted by kind, for the report. X(name) */
#define SIM_FAULT_LIST(X)                                                      \
    X(kill_worker)                                                             \
    X(kill_broker)                                                             \
    X(kill_owner)                                                              \
    X(kill_in_commit)                                                          \
    X(late_owner)                                                              \
    X(power_loss)                                                              \
    X(torn_write)                                                              \
    X(freeze)                                                                  \
    X(cut)                                                                     \
    X(partition)                                                               \
    X(one_way)                                                                 \
    X(flap)                                                                    \
    X(greet_again)                                                             \
    X(host_loss)                                                               \
    X(suspend)                                                                 \
    X(clock_jump)                                                              \
    X(broker_gone)                                                             \
    X(redis_rollback)                                                          \
    X(redis_loss)                                                              \
    X(redis_down)                                                              \
    X(slow_link)                                                               \
    X(slow_disk)                                                               \
    X(full_disk)                                                               \
    X(broken_disk)                                                             \
    X(drain)                                                                   \
    X(hand_back)                                                               \
    X(stop_owner)                                                              \
    X(poison)                                                                  \
    X(failed_row)                                                              \
    X(spill_refused)                                                           \
    X(spill_damaged)                                                           \
    X(reclaimed)                                                               \
    X(convicted)                                                               \
    X(pack_dead)                                                               \
    X(call_sent)                                                               \
    X(call_limited)                                                            \
    X(call_unconnected)                                                        \
    X(call_broken)                                                             \
    X(call_late)                                                               \
    X(call_stopped)                                                            \
    X(call_orphaned)                                                           \
    X(call_unbilled)                                                           \
    X(call_overrun)                                                            \
    X(call_refused)                                                            \
    X(ask_failed)                                                              \
    X(answer_wrong)                                                            \
    X(answer_salvaged)                                                         \
    X(answer_surplus)                                                          \
    X(money_spent)                                                             \
    X(call_away)                                                               \
    X(call_failing)                                                            \
    X(went_away)                                                               \
    X(row_moved)                                                               \
    X(row_degraded)                                                            \
    X(row_built)                                                               \
    X(batch_made)                                                              \
    X(batch_unsure)                                                            \
    X(batch_not_mine)                                                          \
    X(batch_found)                                                             \
    X(batch_refused)                                                           \
    X(batch_failed)                                                            \
    X(batch_cleaned)                                                           \
    X(batch_forgotten)                                                         \
    X(batch_cancelled)                                                         \
    X(line_unrun)                                                              \
    X(line_missing)

struct sim_faults {
#define X(name) uint64_t name;
    SIM_FAULT_LIST(X)
#undef X
};

struct sim_options {
    uint64_t seed;
    enum sim_profile profile; /* PROFILE_ALL: the seed chooses */
    uint64_t steps_max;       /* 0: a default that no run should need */
    bool print;               /* the whole trace, to stdout */
    const char *dir;          /* scratch folder, emptied for each run */
};

/* What a run says. */
struct sim_result {
    bool failed;
    char invariant[32], text[400];
    uint64_t steps, hash;
    int64_t virtual_us;
    struct sim_faults faults;
};

struct sim_heap {
    struct sim_event *v;
    size_t n, cap;
};

struct node;
struct conn;
struct workload;
struct paid;
struct market;
struct oracle;
struct disk;
struct fault_plan;
struct redis_model;

/* A job, what must hold for it, and the disk of its owners. */
struct sim_job {
    unsigned index;
    struct workload *work;
    struct oracle *oracle;
    struct paid *paid; /* what its calls cost; NULL: it makes none */
    struct disk *disk;
    struct node *in_force; /* its owner in force */
    bool partial;          /* it ended for want of money */
    bool rows_given_up;    /* whole frames of them: which, nobody says */
    uint32_t number_seen;  /* the highest that an owner ever had */
    bool over;
    int64_t over_us;
    struct kind_ledger ledger; /* at the end */
};

struct sim {
    struct sim_options options;
    struct sim_result result;
    enum sim_profile profile; /* of this run: what breaks */
    bool paid;                /* there are jobs whose rows a model writes */
    bool writers;             /* they have several */
    unsigned accounts;        /* of which workers have keys: 1 or 2 */
    bool batches;             /* their asks go out as batches */
    struct market *market;    /* of these; NULL: there are none */
    int64_t now_us;
    uint64_t random; /* schedule */
    struct sim_heap heap;
    char (*trace)[SIM_TRACE_BYTES]; /* the last lines, a ring */
    uint64_t trace_n;

    struct node *nodes; /* owners, brokers, workers: see nodes.h */
    unsigned n_nodes, n_brokers, n_workers;
    struct conn *conns;
    size_t n_conns, cap_conns;
    int64_t delay_us;     /* of a message, at least */
    uint64_t fingerprint; /* of all workers, and what jobs ask for */
    struct sim_job jobs[SIM_JOBS_MAX];
    unsigned n_jobs;
    struct sim_job *job;            /* the one that the running code is about */
    int64_t skew_us[SIM_HOSTS_MAX]; /* of each machine's clock to ours */
    int64_t clock_us;               /* of whoever runs now */
    struct redis_model *redis;
    struct fault_plan *plan;
    bool healed; /* no more faults */
    bool over;   /* all jobs ended */
    int64_t heal_us, over_us;
};

/* The run that is under way: for hooks that get no argument. */
extern struct sim *sim_now;

/* -- time and chance */
void sim_at(struct sim *s, int64_t at_us,
            void (*fn)(struct sim *s, struct sim_event *e), uint64_t a,
            uint64_t b);
/* The same with a frame; takes the references. */
void sim_at_frame(struct sim *s, int64_t at_us,
                  void (*fn)(struct sim *s, struct sim_event *e), uint64_t a,
                  uint64_t b, struct co_bytes head, struct co_bytes body);
uint64_t sim_random(struct sim *s);
/* 0 .. below - 1 */
uint64_t sim_below(struct sim *s, uint64_t below);
/* low .. high */
int64_t sim_between(struct sim *s, int64_t low, int64_t high);
/* True in permille of 1000 cases. */
bool sim_chance(struct sim *s, unsigned permille);

/* -- trace and verdict */
void sim_trace(struct sim *s, const char *fmt, ...) co_printf(2, 3);
/* The first call decides; the run ends after this step. */
void sim_fail(struct sim *s, const char *invariant, const char *fmt, ...)
    co_printf(3, 4);

/* -- jobs. What is asked of a job (workload, oracle, disk) is asked of s->job:
 * whoever acts for another one says so first. */
struct sim_job *sim_job_of(struct sim *s, uint64_t id); /* NULL: none */
void sim_enter(struct sim *s, struct sim_job *job);

/* -- a run (run.c). Prints nothing but the trace if asked. */
struct sim_result sim_run(const struct sim_options *options);
/* The last trace lines of the last run, to f. */
void sim_print_trace(void *file);
const char *sim_profile_name(enum sim_profile profile);
