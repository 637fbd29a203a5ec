/* job_state.h - how a job stands, from wherever that can be learnt: its Redis
 * while it lives, run.json in its folder otherwise. Reads only. One thread. */
#pragma once
#include "cli/arm_lines.h"
#include "cli/money_line.h"
#include "common/redis.h"

enum { JOB_STATE_PATH = 4096 };

struct job_state {
    char job[17]; /* 16 hex digits, "" unknown */
    char name[80];
    char recipe[17]; /* hash of its recipe, "" unknown */
    char state[32];  /* running, complete, partial, stopped, failed;
                        interrupted: says running, but nobody runs it */
    char why[320];   /* what it waits for, or how it ended */
    char out[JOB_STATE_PATH];
    char redis[400], name_space[80]; /* where it reports to */
    bool live;                       /* the numbers are of now, from Redis */
    bool has_ledger;
    uint64_t requested, drawn, accepted, rejected, dead, surplus, pending;
    uint64_t rows_per_s, eta_s;
    struct money_line money;
    struct arm_lines arms; /* once it has ended */
    int64_t pid;           /* of the coordinator; 0 unknown */
};

/* From dir/run.json, then from the Redis named there if it answers.
 * CO_NOTFOUND: no run.json; CO_DAMAGED: one that no run wrote. */
co_must_use enum co_err job_state_of_folder(const char *dir,
                                            struct job_state *ret,
                                            struct co_diag *diag);
/* From job:ID in a Redis. ret->job says which; the rest is filled.
 * CO_NOTFOUND: it knows no such job. */
co_must_use enum co_err job_state_of_redis(struct co_redis_client *client,
                                           const char *name_space,
                                           struct job_state *ret,
                                           struct co_diag *diag);
/* Has this process ended? Also true when it is dead and only not yet waited
 * for. A pid that is not known (0 or less) is not gone. */
bool job_state_process_gone(int64_t pid);
/* Is text a job id (16 hex digits)? */
bool job_state_is_id(const char *text);
