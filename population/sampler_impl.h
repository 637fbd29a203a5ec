/* sampler_impl.h - the sampler's tables, shared by sampler.c (drawing),
 * sampler_build.c (making them), sampler_work.c (schooling and work, both),
 * sampler_marital.c (likewise), sampler_home.c, sampler_character.c
 * and condition.c (limits). Private. */
#pragma once
#include "population/random.h"
#include "population/sampler.h"
#include "population/tables.h"

enum { GUIDE_BITS = 16, GUIDE_SIZE = 1 << GUIDE_BITS };
enum { LAST_BITS = 10, LAST_GUIDE = (1 << LAST_BITS) + 1 };
/* Occupations open up with age: a class starts at each of these ages. */
enum { OCC_CLASSES = 9 };
enum { MIX_ROOTS = 5, MIX_BITS = 30 };
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
    STREAM_FIELD,
    STREAM_INCOME,
    STREAM_HOME = 64,
    STREAM_HOUSEHOLD,
    STREAM_LANGUAGE,
    STREAM_OCEAN,
    STREAM_USER = 900,  /* 16 columns of the user's */
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
    const struct prose *prose; /* NULL: rows have no texts */
    struct model *own;         /* the same, when it is the sampler's to free */
    uint64_t key, offset, seed, recipe;
    struct limit limits[ATTR_ALL];
    uint64_t tested; /* mask of attributes that sampler_accepts looks at */
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

    uint32_t *edu; /* [state][sex][age row][race][level], rows sum 2^24 */
    uint32_t *emp; /* [state][sex][age row][education][status], the same */
    /* Groups are runs of occupations, from group_start[g] on.
     * occ_end[sex][level][class][occupation] = prefix sums. */
    uint16_t *group_start;
    uint64_t *occ_end;
    uint8_t *pay_ok;     /* [occupation] can earn what conditions allow */
    uint32_t *group_end; /* [state][sex][level][class][group] prefix sums */

    /* Weights over the statuses, 2^24 a row:
     * [state][sex][age row][race][education group] */
    uint32_t *marital;

    uint32_t *first_end; /* [name group][row entries] prefix sums by row */
    uint32_t *last_end;  /* [name group][surname] */
    /* [name group][a 1,024th of the random numbers]: where its surnames begin,
     * the last one again at the end. */
    uint32_t *last_guide;
    uint32_t *city_end; /* [city] prefix sums by state */
};

/* mix.c - weights of a cell's people, from the job's mix. */
struct mix {
    bool on;
    unsigned shift; /* takes the largest product to MIX_BITS bits */
    uint32_t weight[MIX_ROOTS][256]; /* [place in mix_roots][value] */
};
co_must_use enum co_err mix_compile(const struct model *m,
                                    const struct mix_weight *weights, size_t n,
                                    struct co_diag *diag, struct mix *ret);
/* Prepares factors for the people of these cells: call for each one. */
void mix_see(struct mix *mix, const struct person *cell);
/* What the cell's people count is multiplied by, under 2^MIX_BITS. 0: nobody
 * of them is wanted. */
uint32_t mix_factor(const struct mix *mix, const struct person *cell);

/* sampler_build.c */
co_must_use enum co_err sampler_build(struct sampler *s);
co_must_use enum co_err sampler_build_joint(struct sampler *s, struct mix *mix);
void sampler_cell_person(const struct sampler *s, uint32_t id,
                         struct person *p);
uint32_t sampler_name_group(uint32_t race, uint32_t hispanic);

/* sampler_work.c */
uint32_t sampler_class(uint32_t age);
size_t sampler_occ_at(const struct sampler *s, uint32_t sex, uint32_t level,
                      uint32_t class);
size_t sampler_group_at(const struct sampler *s, uint32_t state, uint32_t sex,
                        uint32_t level, uint32_t class);
co_must_use enum co_err sampler_build_work(struct sampler *s);
void sampler_free_work(struct sampler *s);
/* Weights that sum to 2^24: of the levels of education (given state, sex,
 * age, race), and of the statuses of employment (and education). */
const uint32_t *sampler_education_row(const struct sampler *s,
                                      const struct person *p);
uint32_t sampler_employment_share(const struct sampler *s,
                                  const struct person *p, uint32_t value);
const uint32_t *sampler_employment_row(const struct sampler *s,
                                       const struct person *p);
void sampler_draw_schooling(const struct sampler *s, struct person *p);
void sampler_draw_work(const struct sampler *s, struct person *p);

/* sampler_pay.c: weights of the fields of a degree (ret[MODEL_FIELDS];
 * returns the kind of occupation that they follow from), of the bands of an
 * occupation's wages (they sum to PAY_ONE), and the draws. */
co_must_use enum co_err sampler_build_pay(struct sampler *s);
uint32_t sampler_field_row(const struct sampler *s, const struct person *p,
                           uint64_t *ret);
const uint32_t *sampler_pay_row(const struct sampler *s,
                                const struct person *p);
void sampler_draw_pay(const struct sampler *s, struct person *p);

/* sampler_marital.c */
co_must_use enum co_err sampler_build_marital(struct sampler *s);
void sampler_draw_marital(const struct sampler *s, struct person *p);
/* Share of a status in a cell of the joint, over all levels of education,
 * in 2^-24. */
uint64_t sampler_marital_share(const struct sampler *s,
                               const struct person *cell, uint32_t status);

/* sampler_home.c, sampler_character.c. Home needs marital status, origin,
 * race and income. */
void sampler_draw_home(const struct sampler *s, struct person *p);
/* Weight of the person's language given state, race and origin, in
 * 1/ENDS_ONE. */
uint32_t sampler_language_weight(const struct sampler *s,
                                 const struct person *p);
void sampler_draw_language(const struct sampler *s, struct person *p);
void sampler_draw_ocean(const struct sampler *s, struct person *p);

/* condition.c, condition_possible.c */
co_must_use enum co_err condition_compile(struct sampler *s,
                                          const struct condition *c, size_t n,
                                          struct co_diag *diag);
/* sampler_world.c - names and places where places are countries. */
co_must_use enum co_err sampler_build_world(struct sampler *s);
/* Everything but the cell: null what nobody knows. */
void sampler_draw_world(const struct sampler *s, struct person *p);
/* Whether people of the cell can have the names and places that conditions
 * allow. */
bool sampler_world_possible(const struct sampler *s, const struct person *p);

/* "KEY: ATTRIBUTE has no value ...", with the values there are. */
enum co_err condition_no_value(const struct model *m, enum attribute_id id,
                               const char *key, const char *text,
                               struct co_diag *diag);
/* Whether anybody in the joint can fulfil every condition. */
bool condition_possible(const struct sampler *s);

/* First k in [from, to) with end[k] > x; one exists (asserted by sums). */
static inline uint32_t
sampler_search(const uint32_t *end, uint32_t from, uint32_t to, uint64_t x)
{
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;

        if (end[mid] > x) {
            to = mid;
        } else {
            from = mid + 1;
        }
    }
    return from;
}

/* How many of 65,536 people of this state, sex, age and race are Hispanic. */
static inline uint32_t
sampler_hispanic_share(const struct sampler *s, const struct person *p)
{
    const struct model *m = s->m;
    size_t row = (size_t)(p->state * MODEL_SEXES + p->sex) * m->hispanic_rows +
                 m->hispanic_age[p->age];

    return m->hispanic[row * MODEL_RACES + p->race];
}

/* First k with ends[k] > x; x is below ENDS_ONE, where ends end. */
static inline uint32_t
sampler_pick(const uint16_t *ends, uint32_t x)
{
    uint32_t k = 0;

    while (ends[k] <= x) {
        k++;
    }
    return k;
}

/* 64 random bits of one attribute of a person. */
static inline uint64_t
sampler_random(const struct sampler *s, const struct person *p, uint32_t stream)
{
    return random_pair(s->key, p->row, p->draw, stream).a;
}

/* A user's row for the person, where an attribute was replaced; else NULL. */
static inline const uint32_t *
model_replaced(const struct model *m, enum model_replace which,
               const struct person *p)
{
    if (__builtin_expect(m->replace[which] == NULL, 1)) return NULL;
    return model_lookup(m->replace[which], p);
}

/* A value by weights that sum to 2^24. */
static inline uint8_t
sampler_draw_row(const uint32_t *weights, uint64_t u)
{
    uint32_t x = (uint32_t)(u >> 40); /* 24 bits, as the rows sum to 2^24 */
    uint8_t v = 0;

    while (x >= weights[v]) {
        x -= weights[v++];
    }
    return v;
}

static inline bool
limit_allows(const struct limit *l, uint32_t value)
{
    return !l->on || (value < l->values && l->allowed[value]);
}
