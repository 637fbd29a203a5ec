/* kind_bench.h - the kind behind `cohort bench tasks`.
 * N tasks with distinct ids (index << 8), each with a payload made from its
 * id; the 64-byte result starts with the task id (u64, little-endian). A
 * window of 65,536 indices is remembered, whatever N is. */
#pragma once
#include "coordinator/kind.h"

enum {
    BENCH_PAYLOAD_BYTES = 256, /* default */
    BENCH_PAYLOAD_MAX = 65536,
    BENCH_RESULT_BYTES = 64,
};

struct bench; /* opaque */

struct bench_options {
    uint64_t tasks;         /* 1..2^56 - 1 */
    uint32_t payload_bytes; /* 8..BENCH_PAYLOAD_MAX; 0 = default */
    uint64_t rate;          /* tasks a second; 0 = no limit */
    const char *service;    /* NULL = "noop"; borrowed */
    /* Called for each committed task with the time since its first publishing
     * in this process; NULL = none. */
    void (*latency)(void *arg, int64_t us);
    void *latency_arg;
};

extern const struct job_kind bench_kind;

/* CO_INVALID: an option is out of its range. */
co_must_use enum co_err bench_new(const struct bench_options *options,
                                  struct bench **ret_bench);
void bench_free(struct bench *b);
CO_DEFINE_FREEP(struct bench, bench_free)
