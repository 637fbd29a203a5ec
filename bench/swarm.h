/* swarm.h - a fleet of simulated workers, measured: what its files share.
 * Sockets, keys, wire and the worker's core are the real ones; only what runs
 * in a worker is missing: a task is answered at once with two times, when its
 * owner sent it and when its worker had it. Workers live in several processes,
 * because libzmq keeps two descriptors a socket (four with keys) and each
 * process has a limit. Nothing here is part of the product. */
#pragma once
#include "common/stats.h"
#include "proto/keyring.h"
#include "proto/outbox.h"

#include <stdatomic.h>
#include <sys/types.h>

enum {
    SWARM_WORKERS_MAX = 65536,
    SWARM_PROCESSES_MAX = 64,
    SWARM_FILES_PER_WORKER = 4, /* socket, mailbox; with keys two more */
    SWARM_FILES_SPARE = 64,
    SWARM_JOB = 7,
};

#define SWARM_SERVICE "noop"

/* What the processes of the workers tell the one that measures. */
struct swarm_shared {
    _Atomic bool stop;
    _Atomic uint64_t tasks, duplicates;   /* that workers had */
    _Atomic uint64_t who, silences;       /* as the workers' core counts them */
    _Atomic uint64_t refused, handshakes; /* REFUSED; handshakes that failed */
    _Atomic uint64_t welcomes;
    _Atomic uint64_t greeter[SWARM_WORKERS_MAX]; /* incarnation of the broker
                                                    that greeted it last */
};

/* Monotonic nanoseconds, the same in all processes. */
int64_t swarm_now_ns(void);

/* ---- swarm_workers.c ----------------------------------------------------- */

/* Plays workers first .. first + n - 1 until shared->stop. */
co_must_use enum co_err swarm_workers_run(uint32_t first, uint32_t n,
                                          const char *back,
                                          const struct keyring *ring,
                                          struct swarm_shared *shared,
                                          struct co_diag *diag);

/* ---- swarm_broker.c ------------------------------------------------------ */

struct swarm_broker {
    const char *program, *log;  /* log: a file, or NULL for stderr */
    const char *key, *allow;    /* NULL: without keys */
    const char *const *options; /* more of them, ended by NULL */
    uint64_t peers;             /* for --peers-max */
    char front[256], back[256], metrics[128]; /* where it listens; the first
                                        start chooses, later ones keep it */
    pid_t pid;
};

co_must_use enum co_err swarm_broker_start(struct swarm_broker *b,
                                           struct co_diag *diag);
void swarm_broker_kill(struct swarm_broker *b);
uint64_t swarm_broker_rss(const struct swarm_broker *b);    /* bytes */
uint64_t swarm_broker_cpu_us(const struct swarm_broker *b); /* since start */
/* A number of /metrics; 0 when it is not there. */
uint64_t swarm_broker_metric(const struct swarm_broker *b, const char *name);

/* ---- swarm_owner.c ------------------------------------------------------- */

/* An owner with one job: publishes, acknowledges, measures. */
struct swarm_owner {
    struct sock *sock;
    struct outbox out;
    struct msg_reader reader;
    uint64_t broker; /* incarnation of the one that greeted it; 0: none */
    bool attached;
    uint64_t granted, used, task; /* task: number of the last one */
    uint64_t results, lost, returned, starved, unsent;
    int64_t said_ms, heard_ms;
    struct co_stats_hist to_worker, to_result; /* microseconds */
};

co_must_use enum co_err swarm_owner_new(void *zmq, const char *front,
                                        const struct keyring *ring,
                                        struct swarm_owner **ret_owner,
                                        struct co_diag *diag);
void swarm_owner_free(struct swarm_owner *o);
/* Reads, beats and greets for at most wait_ms. */
void swarm_owner_turn(struct swarm_owner *o, long wait_ms);
/* Publishes rate tasks a second for so long, each in a message of its own, then
 * waits up to 10 s for the results that are missing. */
void swarm_owner_pace(struct swarm_owner *o, uint64_t rate, int64_t ms);
