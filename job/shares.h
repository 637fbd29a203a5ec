/* shares.h - a job's money by phase: int64, in 1e-12 USD.
 * The reserve comes off first; the rest is cut into the phases' shares. What a
 * phase leaves of its share flows to the next one, and comes back when it is
 * not needed there. A phase that needs more than that takes it from the
 * reserve. Always, and exactly:
 *
 *     reserve + shares = cap
 *     what phases use beyond their limits <= reserve
 *
 * where a phase's limit is its share, and what it has of the phase before, less
 * what the next has of it. All of it follows from what phases use now: there is
 * nothing to be journaled. Pure. */
#pragma once
#include "llm/ask.h"

enum {
    SHARES_PHASES = ASK_STAGES, /* in their order */
    SHARES_WHOLE = 1000000,     /* 100 %, with four decimals */
};

/* An amount, or a part of what it is taken from, in 1/SHARES_WHOLE. */
struct shares_part {
    int64_t value;
    bool is_percent;
};

/* As a job file has it. All phases are of one kind. */
struct shares_wish {
    bool is_set; /* else the whole cap is one pot */
    struct shares_part reserve, phases[SHARES_PHASES];
};

struct shares {
    bool is_set;
    int64_t reserve, share[SHARES_PHASES];
    int64_t moved[SHARES_PHASES]; /* that it has of the phase before */
};

/* "background", "personas". */
const char *shares_phase_name(unsigned phase);

/* Cuts cap. Parts are rounded down, what is left over goes to the last phase.
 * CO_RANGE    the reserve is more than the cap
 * CO_INVALID  percents are not 100 together, amounts not what the reserve
 *             leaves of the cap; *ret_sum is what they are together */
co_must_use enum co_err shares_split(const struct shares_wish *wish,
                                     int64_t cap, struct shares *ret,
                                     int64_t *ret_sum);

/* What a phase may use without the reserve. */
int64_t shares_limit(const struct shares *s, unsigned phase);
/* Of the reserve, when phases use that much. */
int64_t shares_taken(const struct shares *s, const int64_t used[SHARES_PHASES]);
/* Phases use that much from now on; need: what each is held to use yet beside
 * that, and does not leave to the next. False: the reserve is not enough;
 * nothing changed, and *ret_short (may be NULL) is the first phase that takes
 * from it. */
bool shares_use(struct shares *s, const int64_t used[SHARES_PHASES],
                const int64_t need[SHARES_PHASES], unsigned *ret_short);
/* They do use that much, whatever it is, and leave the rest. */
void shares_must(struct shares *s, const int64_t used[SHARES_PHASES]);
