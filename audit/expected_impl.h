/* expected_impl.h - what the files behind expected.h share. Private. */
#pragma once
#include "audit/expected.h"
#include "population/sampler_impl.h"

/* Parts of a cell of the main joint that conditions leave, for one level of
 * education: P(level) x what is allowed of origin, and the parts allowed of
 * marital status and of employment given the level. Without `limits` the
 * conditions are not looked at. */
struct expected_part {
    double level, marital, employment;
};
struct expected_part expected_part(const struct sampler *s,
                                   const struct person *cell, bool limits);

/* expected_work.c: fills ret_shares (zeroed before) for the joints of
 * occupations; false when the joint is another one. CO_NOMEM in *ret_err. */
bool expected_work(const struct sampler *s, const struct joints *j,
                   enum joint_id id, double *ret_shares,
                   enum expected *ret_kind, enum co_err *ret_err);
