/* expected.h - what share of the people each cell of a joint should have:
 * the target that the audit compares with. It follows from the model's
 * tables and the job's conditions alone, never from drawn rows. Floats: no
 * row depends on it.
 * Thread-safe: reads the sampler only. */
#pragma once
#include "audit/joints.h"
#include "population/sampler.h"

enum expected {
    EXPECTED_NONE,  /* no target is known: the joint is not compared */
    EXPECTED_ABOUT, /* some condition is left out of the target */
    EXPECTED_EXACT  /* every condition is taken into account */
};

/* Fills ret_shares (one a cell, they sum to 1 unless nobody is covered) and
 * says how good they are. With EXPECTED_NONE the shares are all 0.
 * CO_NOMEM */
co_must_use enum co_err expected_shares(const struct sampler *s,
                                        const struct joints *j,
                                        enum joint_id id, double *ret_shares,
                                        enum expected *ret_kind);
