/* bugs.h - planted bugs: mutations of the cores that only the program
 * sim-planted contains (CO_BUG in common/bug.h). */
#pragma once
#include <stdbool.h>

/* Switches one on for the rest of the process; false: there is none. */
bool bugs_choose(const char *name);
