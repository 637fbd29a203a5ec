/* workload.h - the job of a run, and what its rows must be.
 * Two kinds: bench (N ids) and personas (ranges, rejections, exact N; a
 * worker's answer is the one of tests/unit/fake_ranges.h). Guilty rows kill
 * their worker or make their task fail, always. */
#pragma once
#include "common/buf.h"
#include "common/bytes.h"
#include "tests/sim/sim.h"
#include "worker/service.h"

enum { GUILTY_MAX = 3, ITEMS_MAX = 40000 };

struct workload {
    bool personas;
    uint64_t job;
    uint64_t rows;      /* asked for */
    uint64_t items;     /* indices that may ever be drawn */
    unsigned hash_bits; /* dedup with so few that duplicates come; 0: none */
    uint32_t shard_rows, reject_one_in;
    uint32_t batch, window, payload_bytes, run_ms, total_ms;
    uint64_t poison[GUILTY_MAX], failing[GUILTY_MAX];
    unsigned n_poison, n_failing;
    int64_t task_us; /* time of a task, about */
    struct co_bytes recipe;
    uint64_t recipe_hash; /* 0: none */
    const char *service;
};

void workload_make(struct sim *s);
void workload_free(struct sim *s);
/* Is one of the indices [start, start + count) guilty? */
bool workload_poison(const struct workload *w, uint64_t start, uint32_t count);
bool workload_failing(const struct workload *w, uint64_t start, uint32_t count);

/* What stands behind service_env: the worker that runs it. */
struct workload_env {
    struct service_env env;
    struct sim *sim;
    int64_t ahead_us; /* computed in this turn */
    unsigned speed;   /* percent */
    bool die;         /* a poisoned row has struck */
};
extern const struct service workload_bench, workload_range;
