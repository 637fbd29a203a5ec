/* model_find.h - opens the population model of this machine. */
#pragma once
#include "population/model.h"

/* dir given: only there. Else $COHORT_DATA, else ../share/cohort beside the
 * program's folder (installed, or the build tree).
 * Errors as model_open; diag says where it was looked for. */
co_must_use enum co_err model_find(const char *dir, struct model **ret_model,
                                   struct co_diag *diag);
