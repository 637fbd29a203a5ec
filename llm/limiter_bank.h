/* limiter_bank.h - what a fleet shares about one endpoint, as the script keeps
 * it in Redis: charges, who is there, Retry-After, AIMD's ceiling, the circuit
 * breaker. A limiter without Redis leases from one of its own; tests hold the
 * script against it. Pure. */
#pragma once
#include "llm/limiter_ring.h"

struct limiter_member {
    uint64_t id;
    int64_t heard_us;  /* when the last answer that reached it was made */
    int64_t share_ppm; /* what it may use by itself when Redis goes */
    int64_t held;      /* places: those it has, or its calls in flight */
    int64_t need;
};

struct limiter_bank {
    bool made;
    uint64_t run; /* of Redis; another one: nothing before counts */
    int64_t epoch, at_us, scan_us;
    struct limiter_ring ring;

    int64_t hold_until_us;
    /* AIMD */
    int64_t ceiling, best, grown, dropped_us;
    /* breaker */
    int64_t breaker, failures, open_us, probe_us;
    uint64_t prober;

    /* Sums over the members, made anew once a second. */
    int64_t workers, shares_ppm, held, active, starved, silent_ppm;
    /* Shares that members had under a Redis that is no more; -1: no sign that
     * there was one. */
    int64_t claims_ppm;

    uint32_t n, max;
    struct limiter_member members[];
};

/* NULL: out of memory. */
struct limiter_bank *limiter_bank_new(uint32_t members_max);
void limiter_bank_free(struct limiter_bank *bank);
CO_DEFINE_FREEP(struct limiter_bank, limiter_bank_free)

/* One exchange of the worker id, at Redis's time. run stands for run_id. */
void limiter_bank_exchange(struct limiter_bank *bank, uint64_t id, uint64_t run,
                           const struct limiter_ask *ask, int64_t now_us,
                           struct limiter_told *ret_told);
