/* expected_home.h - the targets of the joints of homes and languages, added
 * up from the tables that draws use. Part of expected.c. Thread-safe. */
#pragma once
#include "audit/expected.h"

/* Fills ret_shares (zeroed before) with people and says how good they are;
 * false when the joint is not one of homes or languages. */
bool expected_home(const struct sampler *s, const struct joints *j,
                   enum joint_id id, double *ret_shares,
                   enum expected *ret_kind);
