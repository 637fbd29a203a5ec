/* bugs.h - planted bugs: mutations of the cores that only the program
 * sim-planted contains (CO_BUG in common/bug.h). */
#pragma once
#include <stdbool.h>

/* One planted bug, and where to look for it. */
struct planted {
    const char *name;
    const char *profile;
    unsigned seeds; /* it must be found within so many, from 1 on */
    unsigned first; /* the seed that found it last, tried before them; 0: none
                     * is kept, as it takes no time to find */
};
extern const struct planted planted_bugs[];
extern const unsigned planted_count;

/* Switches one on for the rest of the process; false: there is none. */
bool bugs_choose(const char *name);
