/* limiter_world.h - processes with a limiter each, a Redis (the model of the
 * script) and an endpoint, in virtual time: clocks that differ, answers that
 * are late or lost, a Redis that goes, is emptied or set back. Every start of a
 * call is noted. */
#pragma once
#include "llm/limiter_bank.h"
#include "tests/co_test.h"

#include <stdlib.h>
#include <string.h>

enum { MS = 1000, STEP_US = 5000 };

enum {
    WORLD_PROCS_MAX = 64,
    WORLD_CALLS_MAX = 1024, /* of a process, in flight */
    WORLD_STARTS_MAX = 200000,
    WORLD_SECOND = 1000000,
};

struct world;

struct world_call {
    int64_t begin_us, end_us; /* by the world's clock */
    uint64_t tokens_max, tokens;
    uint32_t endpoint;
    enum fault fault;
    struct hints hints;
};

struct world_proc {
    uint64_t id;
    struct limiter *limiter;
    int64_t offset_us;       /* its clock less the world's */
    int64_t cut_us;          /* from Redis, until then */
    int64_t deaf_us;         /* its questions arrive, no answer does */
    uint64_t run;            /* of Redis, as it knows it; 0: not connected */
    int64_t connect_us;      /* when it tries to connect again */
    bool asking, answered;   /* an exchange is under way */
    int64_t ask_us, told_us; /* when the question, the answer arrives */
    struct limiter_ask ask;
    struct limiter_told told;
    struct world_call calls[WORLD_CALLS_MAX];
    uint32_t n_calls;
    uint32_t wants; /* calls that wait to begin */
    uint64_t exchanges;
};

struct world_start {
    int64_t at_us;
    uint64_t tokens;
};

struct world {
    uint64_t random;
    int64_t now_us;
    struct providers_entry entry;
    struct limiter_bank *bank;  /* NULL: Redis is down */
    struct limiter_bank *saved; /* what it had on its disk; NULL: nothing */
    uint64_t run;
    int64_t redis_offset_us;
    int64_t delay_us;  /* of a message, at most */
    uint64_t lost_one; /* of so many messages one is lost; 0: none */
    struct world_proc procs[WORLD_PROCS_MAX];
    uint32_t n_procs;
    uint64_t next_id;
    struct world_start *starts;
    size_t n_starts;
    /* What the endpoint does with a call that began now. */
    void (*serve)(struct world *w, struct world_call *call);
    uint64_t ok, refused;
};

static inline uint64_t
world_pick(struct world *w, uint64_t n)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (w->random >> 33) % n;
}

static inline void
world_redis_start(struct world *w)
{
    w->bank = limiter_bank_new(LIMITER_CREW_MAX);
    assert_non_null(w->bank);
    w->run++;
}

static inline void
world_redis_stop(struct world *w)
{
    limiter_bank_free(w->bank);
    w->bank = NULL;
}

static inline void
world_proc_start(struct world *w, struct world_proc *p)
{
    memset(p, 0, sizeof *p);
    p->id = ++w->next_id;
    p->offset_us = (int64_t)world_pick(w, 1000000) * WORLD_SECOND;
    assert_int_equal(limiter_new(&w->entry, true, &p->limiter), CO_OK);
    limiter_seed(p->limiter, p->id * 0x9e3779b97f4a7c15u);
}

static inline void
world_open(struct world *w, uint64_t seed, uint32_t n_procs)
{
    w->random = seed * 2654435761u + 1;
    w->now_us = (int64_t)1000 * WORLD_SECOND;
    w->redis_offset_us = (int64_t)1795919136 * WORLD_SECOND;
    w->delay_us = 2000;
    w->starts = malloc(WORLD_STARTS_MAX * sizeof *w->starts);
    assert_non_null(w->starts);
    w->entry.n_endpoints = 1;
    w->entry.endpoints[0].weight = 1;
    world_redis_start(w);
    w->n_procs = n_procs;
    for (uint32_t i = 0; i < n_procs; i++) {
        world_proc_start(w, &w->procs[i]);
    }
}

static inline void
world_close(struct world *w)
{
    for (uint32_t i = 0; i < w->n_procs; i++) {
        limiter_free(w->procs[i].limiter);
    }
    limiter_bank_free(w->bank);
    limiter_bank_free(w->saved);
    free(w->starts);
    free(w);
}

static inline struct limiter_bank *
world_copy(const struct limiter_bank *bank)
{
    struct limiter_bank *copy = limiter_bank_new(LIMITER_CREW_MAX);

    assert_non_null(copy);
    memcpy(copy, bank, sizeof *bank + bank->n * sizeof bank->members[0]);
    return copy;
}

static inline void
world_redis_save(struct world *w)
{
    limiter_bank_free(w->saved);
    w->saved = w->bank ? world_copy(w->bank) : NULL;
}

/* Restarted with what it had saved. */
static inline void
world_redis_set_back(struct world *w)
{
    if (!w->saved) return;
    limiter_bank_free(w->bank);
    w->bank = world_copy(w->saved);
    w->run++;
}

/* ---- Redis -----------------------------------------------------------------
 */

static inline bool
world_reaches(const struct world *w, const struct world_proc *p)
{
    return w->bank && w->now_us >= p->cut_us;
}

static inline void
world_unanswered(struct world *w, struct world_proc *p)
{
    p->asking = p->answered = false;
    limiter_unanswered(p->limiter, 0, w->now_us + p->offset_us);
}

/* Connecting anew, it learns the run_id first. */
static inline void
world_connect(struct world *w, struct world_proc *p)
{
    uint64_t before = p->run;

    if (!world_reaches(w, p)) return;
    if (w->now_us < p->connect_us || p->run == w->run) return;
    p->run = w->run;
    if (p->asking) world_unanswered(w, p);
    if (before) limiter_restarted(p->limiter, w->now_us + p->offset_us);
}

static inline bool
world_loses(struct world *w)
{
    return w->lost_one && world_pick(w, w->lost_one) == 0;
}

static inline int64_t
world_delay(struct world *w)
{
    return (int64_t)world_pick(w, (uint64_t)w->delay_us) + 1;
}

/* A question, its arrival, the answer's; what is lost is so after a while. */
static inline void
world_talk(struct world *w, struct world_proc *p)
{
    int64_t mine = w->now_us + p->offset_us;

    world_connect(w, p);
    if (!p->asking && p->run && limiter_want(p->limiter, 0, mine, &p->ask)) {
        p->asking = true;
        p->answered = false;
        p->exchanges++;
        p->ask_us = w->now_us + world_delay(w);
        p->told_us = w->now_us + (int64_t)2 * WORLD_SECOND; /* given up */
        if (world_loses(w)) p->ask_us = INT64_MAX;
    }
    if (p->asking && !p->answered && w->now_us >= p->ask_us) {
        p->ask_us = INT64_MAX;
        if (world_reaches(w, p) && p->run == w->run) {
            limiter_bank_exchange(w->bank, p->id, w->run, &p->ask,
                                  w->now_us + w->redis_offset_us, &p->told);
            if (!world_loses(w) && w->now_us >= p->deaf_us) {
                p->answered = true;
                p->told_us = w->now_us + world_delay(w);
            }
        }
    }
    if (p->asking && w->now_us >= p->told_us) {
        if (!p->answered) {
            world_unanswered(w, p);
        } else {
            p->asking = p->answered = false;
            limiter_granted(p->limiter, 0, &p->told, mine);
        }
    }
}

/* ---- calls ------------------------------------------------------------------
 */

static inline void
world_begin(struct world *w, struct world_proc *p, uint64_t tokens_max,
            uint64_t tokens)
{
    struct world_call *c = &p->calls[p->n_calls];
    int64_t until_us;

    if (p->n_calls == WORLD_CALLS_MAX) return;
    *c = (struct world_call){.begin_us = w->now_us,
                             .end_us = w->now_us + WORLD_SECOND,
                             .tokens_max = tokens_max,
                             .tokens = tokens};
    hints_init(&c->hints);
    if (limiter_begin(p->limiter, 0, tokens_max, w->now_us + p->offset_us,
                      &c->endpoint, &until_us)) {
        return;
    }
    p->n_calls++;
    if (p->wants) p->wants--;
    assert_true(w->n_starts < WORLD_STARTS_MAX);
    w->starts[w->n_starts++] = (struct world_start){w->now_us, tokens};
    if (w->serve) w->serve(w, c);
}

static inline void
world_end_calls(struct world *w, struct world_proc *p)
{
    for (uint32_t i = 0; i < p->n_calls; i++) {
        struct world_call c = p->calls[i];

        if (c.end_us > w->now_us) continue;
        p->calls[i--] = p->calls[--p->n_calls];
        w->ok += c.fault == FAULT_NONE;
        w->refused += c.fault != FAULT_NONE;
        limiter_end(p->limiter, c.endpoint, c.tokens_max, c.tokens, c.fault,
                    &c.hints, w->now_us - c.begin_us, w->now_us + p->offset_us);
    }
}

/* Goes on by step_us: answers, ends, then whoever has work begins it. */
static inline void
world_step(struct world *w, int64_t step_us,
           void (*work)(struct world *w, struct world_proc *p))
{
    w->now_us += step_us;
    for (uint32_t i = 0; i < w->n_procs; i++) {
        struct world_proc *p = &w->procs[i];

        world_talk(w, p);
        world_end_calls(w, p);
        work(w, p);
    }
}

/* ---- the promise ------------------------------------------------------------
 */

/* The most requests and tokens that started in any 60 s. */
static inline void
world_most(const struct world *w, uint64_t *ret_requests, uint64_t *ret_tokens)
{
    uint64_t tokens = 0;
    size_t from = 0;

    *ret_requests = *ret_tokens = 0;
    for (size_t i = 0; i < w->n_starts; i++) {
        tokens += w->starts[i].tokens;
        while (w->starts[i].at_us - w->starts[from].at_us >
               (int64_t)60 * WORLD_SECOND) {
            tokens -= w->starts[from++].tokens;
        }
        *ret_requests = co_max_u64(*ret_requests, i - from + 1);
        *ret_tokens = co_max_u64(*ret_tokens, tokens);
    }
}

/* Four calls a turn; each takes a quarter of what it might. */
co_unused static void
steady_work(struct world *w, struct world_proc *p)
{
    for (int i = 0; i < 4; i++) {
        world_begin(w, p, 1000, 250);
    }
}

co_unused static uint64_t
in_flight(const struct world *w)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < w->n_procs; i++) {
        n += w->procs[i].n_calls;
    }
    return n;
}
