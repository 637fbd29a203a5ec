/* share.h - which hosts start the workers that should exist, and which workers
 * go first. Pure. */
#pragma once
#include "common/base.h"

enum { SHARE_HOSTS_MAX = 256 };

/* A host that can start workers: `cohort-worker --processes MIN..MAX`. */
struct share_host {
    uint32_t max;   /* workers it may run */
    uint32_t share; /* in: what it had; out: what it is to have */
};

/* Changes the shares until they add up to wanted, or every host is full. Those
 * that are fuller give first, those that are emptier get first, and nothing
 * moves from one host to another: a worker that runs is worth more than a
 * balance. Equal ones in their order. */
void share_out(struct share_host *hosts, uint32_t n, uint32_t wanted);

struct share_worker {
    uint32_t load;      /* tasks that run, wait or have results there */
    int64_t started_ms; /* any clock */
    bool busy;          /* a task runs, waits, or is not known about */
};

/* The one to go: among the idle the youngest (its caches are the coldest). If
 * none is idle and busy ones may be told too, the one with least to finish.
 * n: none may go now. */
uint32_t share_victim(const struct share_worker *workers, uint32_t n,
                      bool busy_too);
