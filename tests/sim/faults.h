/* faults.h - what breaks, how often, for how long: decided by seed and
 * profile. Faults stop at heal_us; then everything is started again and must
 * end well within LIVENESS_US. */
#pragma once
#include "tests/sim/nodes.h"

enum { LIVENESS_US = 600 * 1000000 };

/* The same of a run: a provider that was away is tried again after up to ten
 * minutes. */
int64_t faults_liveness_us(const struct sim *s);

struct fault_plan {
    int64_t mean_us;       /* between two faults; 0: none */
    unsigned spill_refuse; /* permille */
    unsigned spill_damage;
    unsigned die_attaching; /* of an owner, permille */
    uint64_t result_memory; /* of a worker; 0: default */
    int64_t commit_us;      /* of the disk, about */
    int64_t slow_disk_until_us[SIM_JOBS_MAX];
    const struct node *gone; /* a broker that never comes back */
};

void faults_make(struct sim *s);
void faults_free(struct sim *s);
/* The owner is about to say ATTACH: sometimes it dies behind it. */
void faults_on_attach(struct sim *s, struct node *n);
/* A poisoned row, a finished drain or a failed disk ended this process: its
 * supervisor starts another a little later. */
void faults_restart(struct sim *s, struct node *n, int64_t least_us);
