/* sampler_work.c - schooling and work: the draws, and the tables that they
 * search in. Tables are made once per sampler from the model's factors, in a
 * few milliseconds, so that the model file stays small. */
#include "population/sampler_impl.h"

#include <stdlib.h>
#include <string.h>

enum { ROW_SUM = 1 << 24, SHARE_BITS = 31 };

/* Every youngest age in the model is met by one of these, and 25, where the
 * education by occupation starts; tools/compile/occupation.py has a copy. */
static const uint8_t class_age[OCC_CLASSES] = {16, 18, 20, 21, 23,
                                               25, 26, 29, 31};

uint32_t
sampler_class(uint32_t age)
{
    uint32_t c = 0;

    while (c + 1 < OCC_CLASSES && class_age[c + 1] <= age) {
        c++;
    }
    return c;
}

size_t
sampler_occ_at(const struct sampler *s, uint32_t sex, uint32_t level,
               uint32_t class)
{
    return ((size_t)(sex * MODEL_OCC_LEVELS + level) * OCC_CLASSES + class) *
           s->m->occupations;
}

size_t
sampler_group_at(const struct sampler *s, uint32_t state, uint32_t sex,
                 uint32_t level, uint32_t class)
{
    size_t row = (size_t)(state * MODEL_SEXES + sex) * MODEL_OCC_LEVELS + level;

    return (row * OCC_CLASSES + class) * s->m->occ_groups;
}

/* --- tables ------------------------------------------------------------ */

/* Weights (below 2^48 in all, not all 0) to integers that sum to 2^24:
 * rounded down, the rest goes to the largest. */
static void
normalize(const uint64_t *weight, uint32_t n, uint32_t *ret)
{
    uint64_t sum = 0, left = ROW_SUM;
    uint32_t top = 0;

    for (uint32_t v = 0; v < n; v++) {
        sum += weight[v];
        if (weight[v] > weight[top]) top = v;
    }
    for (uint32_t v = 0; v < n; v++) {
        uint64_t w = weight[v] << 12; /* below 2^60: in two steps of 12 */

        ret[v] = (uint32_t)((w / sum) << 12 | ((w % sum) << 12) / sum);
        left -= ret[v];
    }
    ret[top] += (uint32_t)left;
}

/* The levels of one row of ages for each race. */
static void
build_education(struct sampler *s)
{
    const struct model *m = s->m;
    uint32_t rows = m->states * MODEL_SEXES * m->edu.rows;
    uint64_t w[EDU_COUNT];

    for (uint32_t i = 0; i < rows * MODEL_RACES; i++) {
        uint32_t row = i / MODEL_RACES, race = i % MODEL_RACES;
        const uint32_t *factor = m->edu_factor + (size_t)row * EDU_COUNT;
        const uint32_t *tilt =
            m->edu_race + ((size_t)(row / m->edu.rows) * MODEL_RACES + race) *
                              MODEL_RACE_LEVELS;
        bool tilted = row % m->edu.rows >= m->edu.row[MODEL_TILTED_FROM];

        for (uint32_t e = 0; e < EDU_COUNT; e++) {
            w[e] =
                (uint64_t)factor[e] * (tilted ? tilt[model_race_level(e)] : 1);
        }
        normalize(w, EDU_COUNT, s->edu + (size_t)i * EDU_COUNT);
    }
}

/* Who is out of school is no student at 16 or 17, and who never finished the
 * ninth grade, or left school before 18, is none later. */
static bool
can_study(uint32_t education, uint32_t age)
{
    if (education == EDU_UNDER_9) return false;
    return education != EDU_NO_DIPLOMA || (age >= 18 && age < 20);
}

/* The statuses of one row of ages (that starts at age) for each level. */
static void
build_employment_row(struct sampler *s, uint32_t row, uint32_t age)
{
    const struct model *m = s->m;
    const uint32_t *base = m->emp.p + (size_t)row * EMPLOY_COUNT;
    uint32_t place = row / m->emp.rows, r = row % m->emp.rows;

    for (uint32_t e = 0; e < EDU_COUNT; e++) {
        uint32_t *w = s->emp + ((size_t)row * EDU_COUNT + e) * EMPLOY_COUNT;
        uint32_t at = base[EMPLOY_EMPLOYED], rest = ROW_SUM - at;

        memcpy(w, base, EMPLOY_COUNT * sizeof *w);
        if (r >= m->emp_tilted && rest > 0) {
            at = m->emp_level[(place * (m->emp.rows - m->emp_tilted) + r -
                               m->emp_tilted) *
                                  MODEL_OCC_LEVELS +
                              model_work_level(e)];
            for (uint32_t v = 0; v < EMPLOY_COUNT; v++) {
                w[v] = (uint32_t)((uint64_t)base[v] * (ROW_SUM - at) / rest);
            }
            w[EMPLOY_EMPLOYED] = at;
        }
        if (!can_study(e, age)) w[EMPLOY_STUDENT] = 0;
        w[EMPLOY_OUTSIDE] = 0;
        for (uint32_t v = 0, left = ROW_SUM; v < EMPLOY_COUNT; v++) {
            left -= w[v];
            if (v + 1 == EMPLOY_COUNT) w[EMPLOY_OUTSIDE] = left;
        }
        if (age < 16) w[EMPLOY_UNDER_16] += w[EMPLOY_OUTSIDE];
        if (age < 16) w[EMPLOY_OUTSIDE] = 0;
    }
}

static void
build_employment(struct sampler *s)
{
    const struct model *m = s->m;

    for (uint32_t row = 0; row < m->states * MODEL_SEXES * m->emp.rows; row++) {
        uint32_t age = 0;

        while (m->emp.row[age] < row % m->emp.rows) {
            age++;
        }
        build_employment_row(s, row, age);
    }
}

/* Where the occupations of each group start; the model has them in order. */
static void
build_group_start(struct sampler *s)
{
    const struct model *m = s->m;
    uint16_t o = 0;

    for (uint32_t g = 0; g <= m->occ_groups; g++) {
        while (o < m->occupations && m->occ_of[o] < g) {
            o++;
        }
        s->group_start[g] = o;
    }
}

/* Prefix sums of u x v over the occupations that a class may have. */
static void
build_occ_row(struct sampler *s, uint32_t sex, uint32_t level, uint32_t class)
{
    const struct model *m = s->m;
    uint64_t *end = s->occ_end + sampler_occ_at(s, sex, level, class), sum = 0;

    for (uint32_t o = 0; o < m->occupations; o++) {
        if (m->occ_age[o] <= class_age[class]) {
            sum += (uint64_t)m->occ_u[sex * m->occupations + o] *
                   m->occ_v[o * MODEL_OCC_LEVELS + level];
        }
        end[o] = sum;
    }
}

/* The sums of the groups in a row of occ_end, in SHARE_BITS. */
static void
group_shares(const struct sampler *s, const uint64_t *end, uint64_t *share)
{
    uint64_t most = 0;
    unsigned shift = 0;

    for (uint32_t g = 0; g < s->m->occ_groups; g++) {
        uint32_t from = s->group_start[g], to = s->group_start[g + 1];

        share[g] = from == to ? 0 : end[to - 1] - (from ? end[from - 1] : 0);
        most = share[g] > most ? share[g] : most;
    }
    while (most >> shift >> SHARE_BITS) {
        shift++;
    }
    for (uint32_t g = 0; g < s->m->occ_groups; g++) {
        if (share[g]) share[g] = co_max_u64(1, share[g] >> shift);
    }
}

/* Prefix sums over the groups of one state, scaled into 31 bits. */
static void
build_group_row(const struct sampler *s, const uint32_t *factor,
                const uint64_t *share, uint32_t *end)
{
    uint64_t weight[MODEL_GROUPS_MAX], total = 0, sum = 0;
    unsigned shift = 0;

    for (uint32_t g = 0; g < s->m->occ_groups; g++) {
        weight[g] = share[g] * factor[g] >> 8; /* 32 + 31 - 8 bits */
        total += weight[g];
    }
    while (total >> shift >> 31) {
        shift++;
    }
    for (uint32_t g = 0; g < s->m->occ_groups; g++) {
        sum += weight[g] >> shift;
        end[g] = (uint32_t)sum;
    }
}

static void
build_occupations(struct sampler *s)
{
    const struct model *m = s->m;
    uint64_t share[MODEL_GROUPS_MAX];

    build_group_start(s);
    for (uint32_t i = 0; i < MODEL_SEXES * MODEL_OCC_LEVELS * OCC_CLASSES;
         i++) {
        uint32_t c = i % OCC_CLASSES, l = i / OCC_CLASSES % MODEL_OCC_LEVELS;
        uint32_t x = i / OCC_CLASSES / MODEL_OCC_LEVELS;

        build_occ_row(s, x, l, c);
        group_shares(s, s->occ_end + sampler_occ_at(s, x, l, c), share);
        for (uint32_t st = 0; st < m->states; st++) {
            build_group_row(
                s, m->occ_a + (size_t)(st * MODEL_SEXES + x) * m->occ_groups,
                share, s->group_end + sampler_group_at(s, st, x, l, c));
        }
    }
}

enum co_err
sampler_build_work(struct sampler *s)
{
    const struct model *m = s->m;
    size_t rows = (size_t)MODEL_SEXES * MODEL_OCC_LEVELS * OCC_CLASSES;
    size_t places = (size_t)m->states * MODEL_SEXES;

    s->edu =
        calloc(places * m->edu.rows * MODEL_RACES * EDU_COUNT, sizeof *s->edu);
    s->emp =
        calloc(places * m->emp.rows * EDU_COUNT * EMPLOY_COUNT, sizeof *s->emp);
    s->group_start = calloc(m->occ_groups + 1, sizeof *s->group_start);
    s->occ_end = calloc(rows * m->occupations, sizeof *s->occ_end);
    s->group_end =
        calloc(rows * m->states * m->occ_groups, sizeof *s->group_end);
    if (!s->edu || !s->emp || !s->group_start || !s->occ_end || !s->group_end) {
        return CO_NOMEM;
    }
    build_education(s);
    build_employment(s);
    build_occupations(s);
    return sampler_build_pay(s);
}

void
sampler_free_work(struct sampler *s)
{
    free(s->edu);
    free(s->emp);
    free(s->group_start);
    free(s->occ_end);
    free(s->group_end);
    free(s->pay_ok);
}

const uint32_t *
sampler_education_row(const struct sampler *s, const struct person *p)
{
    const struct model_table *t = &s->m->edu;
    const uint32_t *own = model_replaced(s->m, REPLACE_EDUCATION, p);
    size_t row =
        (size_t)(p->state * MODEL_SEXES + p->sex) * t->rows + t->row[p->age];

    if (own) return own;
    return s->edu + (row * MODEL_RACES + p->race) * EDU_COUNT;
}

const uint32_t *
sampler_employment_row(const struct sampler *s, const struct person *p)
{
    const struct model_table *t = &s->m->emp;
    size_t row =
        (size_t)(p->state * MODEL_SEXES + p->sex) * t->rows + t->row[p->age];

    return s->emp + (row * EDU_COUNT + p->education) * EMPLOY_COUNT;
}

/* Weight of a user's row that the person's education leaves: where the base
 * has nobody (students who left school), the user has nobody either. */
static uint64_t
left_of(const uint32_t *own, const uint32_t *base)
{
    uint64_t sum = 0;

    for (uint32_t v = 0; v < EMPLOY_COUNT; v++) {
        if (base[v]) sum += own[v];
    }
    return sum;
}

uint32_t
sampler_employment_share(const struct sampler *s, const struct person *p,
                         uint32_t value)
{
    const uint32_t *base = sampler_employment_row(s, p);
    const uint32_t *own = model_replaced(s->m, REPLACE_EMPLOYMENT, p);
    uint64_t left = own ? left_of(own, base) : 0;

    if (!left) return base[value];
    if (!base[value]) return 0;
    return (uint32_t)(((uint64_t)own[value] << 24) / left);
}

/* --- draws ------------------------------------------------------------- */

static uint8_t
draw_employment(const struct sampler *s, const struct person *p)
{
    const uint32_t *base = sampler_employment_row(s, p);
    const uint32_t *own = model_replaced(s->m, REPLACE_EMPLOYMENT, p);
    uint64_t u = sampler_random(s, p, STREAM_EMPLOYMENT);
    uint64_t left = own ? left_of(own, base) : 0, x;
    uint8_t v = 0;

    if (!left) return sampler_draw_row(base, u);
    x = random_scale(u, left);
    while (!base[v] || x >= own[v]) {
        if (base[v]) x -= own[v];
        v++;
    }
    return v;
}

/* The group given state, sex, level and class, then the title in it. */
static uint16_t
draw_occupation(const struct sampler *s, const struct person *p)
{
    const struct model *m = s->m;
    uint32_t level = model_work_level(p->education),
             class = sampler_class(p->age);
    const uint32_t *groups =
        s->group_end + sampler_group_at(s, p->state, p->sex, level, class);
    const uint64_t *end = s->occ_end + sampler_occ_at(s, p->sex, level, class);
    uint64_t total = groups[m->occ_groups - 1], base, x;
    uint32_t g, from, to;

    if (total == 0) return PERSON_NO_OCCUPATION;
    g = sampler_search(groups, 0, m->occ_groups,
                       random_scale(sampler_random(s, p, STREAM_GROUP), total));
    from = s->group_start[g];
    to = s->group_start[g + 1];
    base = from ? end[from - 1] : 0;
    x = base + random_scale(sampler_random(s, p, STREAM_OCCUPATION),
                            end[to - 1] - base);
    while (end[from] <= x) {
        from++;
    }
    return (uint16_t)from;
}

void
sampler_draw_schooling(const struct sampler *s, struct person *p)
{
    p->education = sampler_draw_row(sampler_education_row(s, p),
                                    sampler_random(s, p, STREAM_EDUCATION));
}

void
sampler_draw_work(const struct sampler *s, struct person *p)
{
    p->employment = draw_employment(s, p);
    p->occupation = p->former = PERSON_NO_OCCUPATION;
    switch ((enum model_employment)p->employment) {
    case EMPLOY_EMPLOYED:
        p->occupation = draw_occupation(s, p);
        break;
    case EMPLOY_ARMED:
        p->occupation = (uint16_t)s->m->occupations;
        break;
    case EMPLOY_RETIRED:
    case EMPLOY_UNEMPLOYED:
        p->former = draw_occupation(s, p);
        break;
    case EMPLOY_UNDER_16:
    case EMPLOY_STUDENT:
    case EMPLOY_OUTSIDE:
    case EMPLOY_COUNT:
        break;
    }
}
