/* shared_model.h - the built model, opened once for all tests of a program:
 * give open_model and close_model to the group. */
#pragma once
#include "tests/unit/population.h"

static struct model *m;

static inline int
open_model(void **state)
{
    (void)state;
    m = given_model();
    return 0;
}

static inline int
close_model(void **state)
{
    (void)state;
    model_free(m);
    return 0;
}
