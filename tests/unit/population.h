/* population.h - what the tests of population/ share: the built model and
 * samplers over it. */
#pragma once
#include "population/sampler.h"
#include "prose/prose.h"
#include "tests/co_test.h"

#define MODEL_PATH CO_SOURCE_DIR "/data/us.model"

static inline struct model *
given_model(void)
{
    struct co_diag diag = {""};
    struct model *m = NULL;

    if (model_open(MODEL_PATH, &diag, &m)) fail_msg("%s", diag.text);
    return m;
}

static inline struct sampler *
given_sampler(const struct model *m, uint64_t seed,
              const struct condition *conditions, size_t n)
{
    struct co_diag diag = {""};
    struct sampler *s = NULL;

    if (sampler_new(m, seed, conditions, n, &diag, &s)) {
        fail_msg("%s", diag.text);
    }
    return s;
}

/* The shipped phrases. */
static inline struct prose *
given_prose(const struct model *m)
{
    struct co_diag diag = {""};
    struct prose *prose = NULL;

    if (prose_open(m, CO_SOURCE_DIR "/data", &diag, &prose)) {
        fail_msg("%s", diag.text);
    }
    return prose;
}
