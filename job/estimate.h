/* estimate.h - what a job will take before it runs: calls, tokens, money, time,
 * bytes. Each is an interval; the middle is the best guess. Three sources, the
 * better the later: arithmetic from the prompts of a hundred people and the
 * lengths that answers may have; what rows of the same job took (a pilot, or
 * an earlier run). Integers only. Pure.
 *
 * Arithmetic takes (low, middle, high):
 *   a token for 5, 4, 3 bytes
 *   an answer of a half, a third, a fifth of the way of its limits, low first
 *   1.00, 1.05, 1.50 calls for each answer (repairs, fresh tries)
 *   100, 50, 20 tokens of an answer a second, and half a second before
 *   batches: `poll`, an hour, 24 hours for those that are out together */
#pragma once
#include "job/spec.h"
#include "population/sampler.h"

enum { ESTIMATE_LOW, ESTIMATE_MID, ESTIMATE_HIGH, ESTIMATES };

/* What the time of a job hangs on; X(id, name, text). */
#define ESTIMATE_BOUND_LIST(X)                                                 \
    X(CPU, "cpu", "the processors of the workers")                             \
    X(SLOTS, "slots", "the calls that the workers make at once")               \
    X(IN_FLIGHT, "in_flight", "limits.in_flight of the endpoints")             \
    X(RPM, "rpm", "limits.rpm of the endpoints")                               \
    X(TPM, "tpm", "limits.tpm of the endpoints")                               \
    X(BATCH, "batch", "the vendor, who answers batches within a day")

enum estimate_bound {
#define X(id, name, text) ESTIMATE_BY_##id,
    ESTIMATE_BOUND_LIST(X)
#undef X
        ESTIMATE_BOUNDS
};

/* What rows of the same job really took. */
struct estimate_history {
    uint64_t rows; /* 0: there is none */
    struct estimate_took {
        uint64_t calls, input_tokens, output_tokens;
        int64_t cost; /* 1e-12 USD; -1: not known */
    } all, phases[ASK_STAGES];
    bool has_phases;
    uint64_t call_ms; /* that a call took, mean; 0: not known */
};

struct estimate_wish {
    uint64_t workers;   /* processes */
    uint64_t llm_slots; /* calls at once of each */
    struct estimate_history history;
};

struct estimate {
    uint64_t rows;
    bool calls_models;
    bool measured; /* from history */
    uint64_t calls[ESTIMATES], input[ESTIMATES], output[ESTIMATES];
    /* Only where they have a price: characters sent, and milliseconds that all
     * calls take together. Else 0. */
    uint64_t characters[ESTIMATES], held_ms[ESTIMATES];
    int64_t cost[ESTIMATES]; /* all -1: not known, or beyond an int64 */
    struct estimate_phase {  /* the same by phase */
        uint64_t calls[ESTIMATES], input[ESTIMATES], output[ESTIMATES];
        uint64_t characters[ESTIMATES], held_ms[ESTIMATES];
        int64_t cost[ESTIMATES];
    } phases[ASK_STAGES];
    uint64_t ms[ESTIMATES], bytes[ESTIMATES];
    enum estimate_bound bound;
    uint64_t call_ms[ESTIMATES]; /* how long a call takes */
    uint64_t batches[ESTIMATES]; /* calls go out as so many; 0: by themselves */
    uint64_t batch_requests[ASK_STAGES]; /* of one, at most, by phase */
    bool half_price; /* as list prices are of single calls */
};

/* spec passed spec_check and spec_open_writer; s is its sampler. */
co_must_use enum co_err estimate_make(const struct job_spec *spec,
                                      const struct sampler *s,
                                      const struct estimate_wish *wish,
                                      struct estimate *ret);
/* Workers that finish e within deadline_ms, in the middle; 0: no number does,
 * as the endpoints' limits forbid it (*ret_bound says which). */
uint64_t estimate_workers(const struct estimate *e, const struct job_spec *spec,
                          const struct estimate_wish *wish,
                          uint64_t deadline_ms, enum estimate_bound *ret_bound);
/* Rows that a budget is enough for, in the middle; UINT64_MAX: all. */
uint64_t estimate_affordable(const struct estimate *e, int64_t budget);
/* The same when it is cut by phase: what the first leaves flows, the reserve is
 * taken. *ret_short: the phase that stops it; SHARES_PHASES: none. */
uint64_t estimate_affordable_shares(const struct estimate *e,
                                    const struct shares *shares,
                                    unsigned *ret_short);
/* estimate_batch.c. Into how many batches the calls go, and how big they are.
 */
void estimate_batches(const struct job_spec *spec, struct estimate *e);
/* Milliseconds that the vendor may take for them. */
uint64_t estimate_batch_ms(const struct estimate *e,
                           const struct job_spec *spec, unsigned guess);
/* Puts calls, input_tokens, output_tokens, characters and held_ms (where they
 * have a price), usd, each [low, middle, high], and the same in "phases", into
 * the open object; and all of it as "estimate". */
void estimate_put_figures(const struct estimate *e, struct co_json *json);
void estimate_put(const struct estimate *e, struct co_json *json);
const char *estimate_bound_name(enum estimate_bound bound);
const char *estimate_bound_text(enum estimate_bound bound);
