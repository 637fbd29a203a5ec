/* sampler_impl.h - the sampler's tables, shared by sampler.c (drawing),
 * sampler_build.c (making them) and condition.c (limits). Private. */
#pragma once
#include "population/sampler.h"

enum { GUIDE_BITS = 16, GUIDE_SIZE = 1 << GUIDE_BITS };
/* Occupations open up with age: a class starts at each of these ages. */
enum { OCC_CLASSES = 9 };
/* One random stream per attribute; never reuse or renumber. */
enum stream {
    STREAM_HISPANIC = 1,
    STREAM_EDUCATION,
    STREAM_MARITAL,
    STREAM_EMPLOYMENT,
    STREAM_GROUP,
    STREAM_OCCUPATION,
    STREAM_FIRST,
    STREAM_LAST,
    STREAM_CITY,
    STREAM_PROSE = 1000 /* and up */
};

/* A condition compiled to a set of values. */
struct limit {
    bool on;
    uint8_t *allowed; /* [value] */
    uint32_t values;
};

struct sampler {
    const struct model *m;
    uint64_t key, offset, seed, recipe;
    struct limit limits[ATTR_COUNT];
    uint32_t tested; /* mask of attributes that sampler_accepts looks at */
    uint32_t rate_ppm;

    /* The restricted joint: cells with people, by rising end. */
    size_t cells;
    uint32_t *cell_id;
    uint64_t *cell_end;
    uint64_t total;
    uint32_t guide[GUIDE_SIZE + 1];
    struct {
        uint8_t group, race, age;
    } slot[MODEL_RACES * MODEL_AGES];

    /* Occupations in group order: occ_order[k], groups start at
     * group_start. occ_end[sex][level][class][k] = prefix sums over k. */
    uint16_t *occ_order, *group_start;
    uint64_t *occ_end;
    uint32_t *group_end; /* [state][sex][level][class][group] prefix sums */

    uint32_t *first_end; /* [name group][row entries] prefix sums by row */
    uint32_t *last_end;  /* [name group][surname] */
    uint32_t *city_end;  /* [city] prefix sums by state */
};

/* sampler_build.c */
co_must_use enum co_err sampler_build(struct sampler *s);
co_must_use enum co_err sampler_build_joint(struct sampler *s);
uint32_t sampler_level(uint32_t education);
uint32_t sampler_class(uint32_t age);
uint32_t sampler_name_group(uint32_t race, uint32_t hispanic);
size_t sampler_occ_at(const struct sampler *s, uint32_t sex, uint32_t level,
                      uint32_t class);
size_t sampler_group_at(const struct sampler *s, uint32_t state, uint32_t sex,
                        uint32_t level, uint32_t class);

/* condition.c */
co_must_use enum co_err condition_compile(struct sampler *s,
                                          const struct condition *c, size_t n,
                                          struct co_diag *diag);
/* Whether anybody in the joint can fulfil every condition. */
bool condition_possible(const struct sampler *s);

static inline bool
limit_allows(const struct limit *l, uint32_t value)
{
    return !l->on || (value < l->values && l->allowed[value]);
}
