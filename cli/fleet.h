/* fleet.h - the programs that a command starts on this machine and stops
 * again: a private redis-server, a broker, workers, and one coordinator.
 * They talk through sockets in a private folder (rundir.h). Every one dies
 * with the command in whatever way it ends: by death signal (the kernel sends
 * it) and, our own programs, by the lifeline too, which grandchildren see.
 * What dies by itself is started again with back-off, a bounded number of
 * times, and each time it is said. One thread. */
#pragma once
#include "cli/child.h"
#include "common/options.h"

struct fleet; /* opaque */

enum { FLEET_WORKERS_MAX = 64, FLEET_STATUS_FD = 4 };

/* Key files of what is started or used. All NULL and empty: no keys. */
struct fleet_keys {
    const char *coordinator, *worker, *broker; /* secret */
    struct co_option_list broker_keys;         /* public: who must answer */
    const char *allow; /* the own broker's folder of allowed keys */
};

struct fleet_options {
    bool own_broker; /* start one; else brokers are the ones to use */
    struct co_option_list brokers; /* front endpoints of a running fleet */
    const char *broker_back;       /* where own workers connect to that fleet */
    uint64_t workers;              /* processes; 0: none */
    bool workers_apart;    /* a child each, so that each is measured; at most
                              FLEET_WORKERS_MAX. Else one supervises all */
    const char *services;  /* the only one they serve; NULL: all */
    const char *providers; /* file of the models they call; NULL: none */
    /* Variables that hold those models' keys: the workers alone get them, what
     * else is started does not (it may leave a core dump). Ended by NULL; may
     * be NULL. */
    const char *const *key_env;
    uint64_t llm_slots; /* calls at once of a process; 0: its default */
    const char *redis;  /* URL of a running one; NULL: private or none */
    bool redis_insecure;
    const char *name_space; /* NULL: default */
    const char *data;       /* folder of the model; NULL: search */
    uint64_t window;        /* of the broker; 0: its default */
    struct fleet_keys keys;
    /* Something that a person should know happened. */
    void (*notice)(void *arg, const char *text);
    void *notice_arg;
};

/* Makes the private folder and the lifeline; starts nothing. options' texts
 * are borrowed for the fleet's life. */
co_must_use enum co_err fleet_new(const struct fleet_options *options,
                                  struct fleet **ret_fleet,
                                  struct co_diag *diag);
/* Stops whatever runs, at once, and removes the folder. Takes NULL. */
void fleet_free(struct fleet *f);
CO_DEFINE_FREEP(struct fleet, fleet_free)

/* Starts the broker (waits until it is bound) and the workers, as far as the
 * options ask for them. */
co_must_use enum co_err fleet_start(struct fleet *f, struct co_diag *diag);
/* Starts a private redis-server with its data in out/.redis. fleet_redis must
 * have been asked for: it decides the URL before. A failure is a notice: a
 * run goes on without. */
void fleet_start_redis(struct fleet *f, const char *out);
/* The URL that programs are to use: the given one, the private one if it is
 * wanted, else NULL. */
const char *fleet_redis(const struct fleet *f);
void fleet_want_private_redis(struct fleet *f);

/* The coordinator: begin with its sub-command, add arguments with child_arg,
 * then start. It gets the brokers, Redis, namespace and the status pipe. */
struct child *fleet_coordinator(struct fleet *f);
co_must_use enum co_err fleet_begin_coordinator(struct fleet *f,
                                                const char *sub_command);
co_must_use enum co_err fleet_start_coordinator(struct fleet *f,
                                                struct co_diag *diag);
/* Lines of the coordinator; not blocking. */
int fleet_status_fd(const struct fleet *f);

/* Reaps what ended and starts again what is due. Call after SIGCHLD and when
 * fleet_due_ms says so. */
void fleet_tend(struct fleet *f, int64_t now_ms);
/* When fleet_tend has something to do; INT64_MAX: only after SIGCHLD. */
int64_t fleet_due_ms(const struct fleet *f);
/* Something that a run needs stays down: text says what. NULL: all is well. */
const char *fleet_broken(const struct fleet *f);

/* Stops in reverse order; patience of a second or so each. */
void fleet_stop(struct fleet *f);
/* Puts the logs of all programs into out/logs, behind what stands there. */
void fleet_keep_logs(struct fleet *f, const char *out);
/* The last line that the coordinator logged or complained, "" if none. */
void fleet_last_words(const struct fleet *f, char *text, size_t size);

/* What they cost, after fleet_stop. */
struct fleet_cost {
    int64_t broker_us, worker_us, coordinator_us, redis_us;      /* CPU */
    uint64_t broker_rss, worker_rss, coordinator_rss, redis_rss; /* peak */
};
void fleet_cost(const struct fleet *f, struct fleet_cost *ret);
