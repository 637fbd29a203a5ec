/* sampler_work.c - schooling and work: the draws, and the tables that they
 * search in. Tables are made once per sampler from the model's factors, in a
 * few milliseconds, so that the model file stays small. */
#include "population/sampler_impl.h"

#include <stdlib.h>

/* Every youngest age in the model is met by one of these. */
static const uint8_t class_age[OCC_CLASSES] = {16, 18, 20, 21, 23,
                                               24, 26, 29, 31};
enum { SHARE_ONE = 1 << 20 };

uint32_t
sampler_class(uint32_t age)
{
    uint32_t c = 0;

    while (c + 1 < OCC_CLASSES && class_age[c + 1] <= age) {
        c++;
    }
    return c;
}

/* The six levels of the occupations' education shares. */
uint32_t
sampler_level(uint32_t education)
{
    return education <= EDU_NO_DIPLOMA ? 0 : education - EDU_NO_DIPLOMA;
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

static void
build_occ_order(struct sampler *s)
{
    const struct model *m = s->m;
    uint16_t n = 0;

    for (uint32_t g = 0; g < m->occ_groups; g++) {
        s->group_start[g] = n;
        for (uint32_t o = 0; o < m->occupations; o++) {
            if (m->occ_of[o] == g) s->occ_order[n++] = (uint16_t)o;
        }
    }
    s->group_start[m->occ_groups] = n;
}

/* Weight of an occupation for one sex, level and class: its people of that
 * sex x the share of its workers with that level, if old enough. */
static uint64_t
occ_weight(const struct model *m, uint32_t occ, uint32_t sex, uint32_t level,
           uint32_t class)
{
    if (m->occ_age[occ] > class_age[class]) return 0;
    return (uint64_t)m->occ_sex[occ * MODEL_SEXES + sex] *
           m->occ_edu[occ * MODEL_OCC_LEVELS + level];
}

static void
build_occ_row(struct sampler *s, uint32_t sex, uint32_t level, uint32_t class)
{
    uint64_t *end = s->occ_end + sampler_occ_at(s, sex, level, class), sum = 0;

    for (uint32_t k = 0; k < s->m->occupations; k++) {
        sum += occ_weight(s->m, s->occ_order[k], sex, level, class);
        end[k] = sum;
    }
}

/* Share of a group's people of one sex who have level and class, by its
 * occupations, in 1/SHARE_ONE. */
static uint64_t
group_share(const struct sampler *s, uint32_t g, uint32_t sex, uint32_t level,
            uint32_t class)
{
    const uint64_t *end = s->occ_end + sampler_occ_at(s, sex, level, class);
    uint32_t from = s->group_start[g], to = s->group_start[g + 1];
    uint64_t people = 0, weight;

    if (from == to) return 0;
    weight = end[to - 1] - (from ? end[from - 1] : 0);
    for (uint32_t k = from; k < to; k++) {
        people += s->m->occ_sex[s->occ_order[k] * MODEL_SEXES + sex];
    }
    if (!people || !weight) return 0;
    return co_max_u64(1, weight * (SHARE_ONE / 1000) / people);
}

/* Prefix sums over the groups of one state, scaled into 32 bits. */
static void
build_group_row(struct sampler *s, uint32_t state, uint32_t sex, uint32_t level,
                uint32_t class, const uint64_t *share)
{
    const struct model *m = s->m;
    const uint32_t *people =
        m->occ_state + (size_t)(state * MODEL_SEXES + sex) * m->occ_groups;
    uint32_t *end =
        s->group_end + sampler_group_at(s, state, sex, level, class);
    uint64_t total = 0, sum = 0;
    unsigned shift = 0;

    for (uint32_t g = 0; g < m->occ_groups; g++) {
        total += people[g] * share[g];
    }
    while (total >> shift > UINT32_MAX / 2) {
        shift++;
    }
    for (uint32_t g = 0; g < m->occ_groups; g++) {
        uint64_t w = people[g] * share[g];

        sum += w ? co_max_u64(1, w >> shift) : 0;
        end[g] = (uint32_t)sum;
    }
}

enum co_err
sampler_build_work(struct sampler *s)
{
    const struct model *m = s->m;
    size_t rows = (size_t)MODEL_SEXES * MODEL_OCC_LEVELS * OCC_CLASSES;
    uint64_t share[256];

    s->occ_order = calloc(m->occupations, sizeof *s->occ_order);
    s->group_start = calloc(m->occ_groups + 1, sizeof *s->group_start);
    s->occ_end = calloc(rows * m->occupations, sizeof *s->occ_end);
    s->group_end =
        calloc(rows * m->states * m->occ_groups, sizeof *s->group_end);
    if (!s->occ_order || !s->group_start || !s->occ_end || !s->group_end) {
        return CO_NOMEM;
    }
    build_occ_order(s);
    for (uint32_t x = 0; x < MODEL_SEXES; x++) {
        for (uint32_t l = 0; l < MODEL_OCC_LEVELS; l++) {
            for (uint32_t c = 0; c < OCC_CLASSES; c++) {
                build_occ_row(s, x, l, c);
                for (uint32_t g = 0; g < m->occ_groups; g++) {
                    share[g] = group_share(s, g, x, l, c);
                }
                for (uint32_t st = 0; st < m->states; st++) {
                    build_group_row(s, st, x, l, c, share);
                }
            }
        }
    }
    return CO_OK;
}

/* --- draws ------------------------------------------------------------- */

/* Occupation by group | state, sex, then title | group, sex; both weighted
 * by the level of education and closed below the title's youngest age. */
static uint16_t
draw_occupation(const struct sampler *s, const struct person *p)
{
    const struct model *m = s->m;
    uint32_t level = sampler_level(p->education), class = sampler_class(p->age);
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
    return s->occ_order[from];
}

/* Who is out of school is no student at 16 or 17, and the other way round;
 * who never finished the ninth grade does not count as one later. */
static void
settle_student(struct person *p)
{
    if (p->employment != EMPLOY_STUDENT) return;
    if (p->education == EDU_UNDER_9 ||
        (p->education == EDU_NO_DIPLOMA && (p->age < 18 || p->age > 20))) {
        p->employment = EMPLOY_OUTSIDE;
    }
}

void
sampler_draw_work(const struct sampler *s, struct person *p)
{
    p->employment =
        sampler_draw_row(model_row(&s->m->emp, p->state, p->sex, p->age),
                         sampler_random(s, p, STREAM_EMPLOYMENT));
    settle_student(p);
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
