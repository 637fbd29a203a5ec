/* bug.h - planted bugs: places where a test build of the cores can be made to
 * misbehave, so that the simulator proves that it notices (tests/sim/bugs.c
 * has the list). In every other build CO_BUG is 0 and nothing is left. */
#pragma once
#include <stdbool.h>

#ifdef COHORT_PLANTED_BUGS
/* Whether this is the bug that was chosen for the process. */
bool co_bug_is(const char *name);
#define CO_BUG(name)                                                           \
    __extension__({                                                            \
        static int on_ = -1;                                                   \
        if (on_ < 0) on_ = co_bug_is(#name);                                   \
        on_ > 0 ? 1U : 0U;                                                     \
    })
#else
#define CO_BUG(name) 0U
#endif
