/* expected_work.c - the targets of the joints of occupations: the source
 * tables themselves (people by occupation and sex; by occupation and level
 * from 25 on; by occupation and band of wages). Conditions and a mix move
 * them as they move the model:
 *
 *     target(cell) = source(cell) x model under conditions / model without
 *
 * so that without conditions the target is the table, and a distance of the
 * model from its tables is never hidden. Where a user's table replaced one
 * of the model's, the source says nothing and the model alone is the target.
 *
 * People at work are added up by state, sex, level and slot of ages (a slot
 * lies in one class of occupations and one age group of wages). */
#include "audit/expected_impl.h"

#include <stdlib.h>

/* First age of each slot: the classes below 31 and the ages of pay. */
static const uint8_t slot_age[] = {16, 18, 20, 21, 23, 25, 26,
                                   29, 31, 35, 45, 55, 65};
enum { SLOTS = sizeof slot_age, ADULT_SLOT = 5 };
enum { AT_WORK = MODEL_SEXES * MODEL_OCC_LEVELS * SLOTS };
#define ONE ((double)(1 << 24))
#define BIT(id) (UINT64_C(1) << (id))

static const uint64_t known = BIT(ATTR_EDUCATION) | BIT(ATTR_MARITAL) |
                              BIT(ATTR_EMPLOYMENT) | BIT(ATTR_HISPANIC) |
                              BIT(ATTR_OCCUPATION);

static uint32_t
slot_of(uint32_t age)
{
    uint32_t k = 0;

    while (k + 1 < SLOTS && slot_age[k + 1] <= age) {
        k++;
    }
    return k;
}

/* Adds the people at work of one cell to work[sex][level][slot] of a state.
 * Their employment must be allowed, which is part of the condition. */
static void
add_workers(const struct sampler *s, struct person p, double people,
            bool limits, double *work)
{
    uint32_t slot;

    if (p.age < slot_age[0] ||
        (limits &&
         !limit_allows(&s->limits[ATTR_EMPLOYMENT], EMPLOY_EMPLOYED))) {
        return;
    }
    slot = slot_of(p.age);
    for (p.education = 0; p.education < EDU_COUNT; p.education++) {
        struct expected_part part;
        uint32_t at;

        if (!sampler_education_row(s, &p)[p.education]) continue;
        part = expected_part(s, &p, limits);
        at = ((uint32_t)p.state * MODEL_SEXES + p.sex) * MODEL_OCC_LEVELS +
             model_work_level(p.education);
        work[at * SLOTS + slot] +=
            people * part.level * part.marital *
            sampler_employment_share(s, &p, EMPLOY_EMPLOYED) / ONE;
    }
}

/* People at work under the conditions, or of the whole model: of the base's
 * own population, since that is whom the source counts, whatever a user's
 * margins made of it. */
static void
count_workers(const struct sampler *s, bool limits, double *work)
{
    const struct model *m = s->m->base ? s->m->base : s->m;
    uint32_t cells = m->states * MODEL_SEXES * m->joint_slots;

    for (size_t i = 0; limits && i < sampler_cells(s); i++) {
        struct person p;
        double people = (double)sampler_cell(s, i, &p);

        add_workers(s, p, people, true, work);
    }
    for (uint32_t id = 0; !limits && id < cells; id++) {
        struct person p = {0};

        if (!m->joint[id]) continue;
        sampler_cell_person(s, id, &p);
        add_workers(s, p, m->joint[id], false, work);
    }
}

/* The workers of one sex, level and slot by group, over the states. */
static void
spread_groups(const struct sampler *s, const double *work, uint32_t sex,
              uint32_t level, uint32_t slot, double *groups)
{
    const struct model *m = s->m;

    for (uint32_t g = 0; g < m->occ_groups; g++) {
        groups[g] = 0;
    }
    for (uint32_t st = 0; st < m->states; st++) {
        uint32_t at = (st * MODEL_SEXES + sex) * MODEL_OCC_LEVELS + level;
        const uint32_t *end =
            s->group_end +
            sampler_group_at(s, st, sex, level, sampler_class(slot_age[slot]));
        double n = work[at * SLOTS + slot], total = end[m->occ_groups - 1];

        for (uint32_t g = 0; n > 0 && total > 0 && g < m->occ_groups; g++) {
            groups[g] += n * (end[g] - (g ? end[g - 1] : 0)) / total;
        }
    }
}

/* People of one occupation, sex, level and slot go into their cells. */
static void
add_occupation(const struct sampler *s, const struct joints *j,
               enum joint_id id, struct person p, double people, double *shares)
{
    const uint32_t *row;

    if (id != JOINT_INCOME_OCCUPATION) {
        uint32_t k = joint_cell(j, id, &p);

        if (k != JOINT_NO_CELL) shares[k] += people;
        return;
    }
    row = sampler_pay_row(s, &p);
    for (uint32_t b = 0; b < PAY_BANDS; b++) {
        shares[p.occupation * PAY_BANDS + b] += people * row[b] / PAY_ONE;
    }
}

/* A sex, level and slot: groups to occupations, occupations to cells. */
static void
add_row(const struct sampler *s, const struct joints *j, enum joint_id id,
        struct person p, const double *groups, bool limits, double *shares)
{
    const struct model *m = s->m;
    const uint64_t *end =
        s->occ_end + sampler_occ_at(s, p.sex, model_work_level(p.education),
                                    sampler_class(p.age));

    for (uint32_t o = 0; o < m->occupations; o++) {
        uint32_t g = m->occ_of[o], from = s->group_start[g];
        uint64_t base = from ? end[from - 1] : 0;
        uint64_t weight = end[o] - (o ? end[o - 1] : 0);
        uint64_t all = end[s->group_start[g + 1] - 1] - base;

        if (!weight || groups[g] <= 0 ||
            (limits && !limit_allows(&s->limits[ATTR_OCCUPATION], o))) {
            continue;
        }
        p.occupation = (uint16_t)o;
        add_occupation(s, j, id, p, groups[g] * (double)weight / (double)all,
                       shares);
    }
}

/* People of every cell of the joint, as the sampler's tables have them. */
static enum co_err
model_cells(const struct sampler *s, const struct joints *j, enum joint_id id,
            bool limits, double *shares)
{
    double *work = calloc((size_t)s->m->states * AT_WORK, sizeof *work);
    double groups[MODEL_GROUPS_MAX];
    struct person p = {.employment = EMPLOY_EMPLOYED};

    if (!work) return CO_NOMEM;
    count_workers(s, limits, work);
    for (uint32_t i = 0; i < AT_WORK; i++) {
        uint32_t slot = i % SLOTS, level = i / SLOTS % MODEL_OCC_LEVELS;

        p.sex = (uint8_t)(i / SLOTS / MODEL_OCC_LEVELS);
        p.age = slot_age[slot];
        p.education = (uint8_t)(level + EDU_NO_DIPLOMA);
        spread_groups(s, work, p.sex, level, slot, groups);
        add_row(s, j, id, p, groups, limits, shares);
    }
    free(work);
    return CO_OK;
}

/* The published count of a cell. */
static double
source_of(const struct model *m, enum joint_id id, uint32_t cell)
{
    const uint32_t *sex;

    if (id == JOINT_OCCUPATION_SEX) return m->src_occ_sex[cell];
    if (id == JOINT_OCCUPATION_EDUCATION) return m->src_occ_edu[cell];
    sex = &m->src_occ_sex[(size_t)(cell / PAY_BANDS) * MODEL_SEXES];
    return ((double)sex[0] + sex[1]) * m->work.pay_share[cell] / PAY_ONE;
}

static bool
is_replaced(const struct model *m)
{
    for (unsigned k = 0; k < REPLACE_COUNT; k++) {
        if (m->replace[k]) return true;
    }
    return false;
}

bool
expected_work(const struct sampler *s, const struct joints *j, enum joint_id id,
              double *ret_shares, enum expected *ret_kind, enum co_err *ret_err)
{
    double *whole;

    if ((id != JOINT_OCCUPATION_SEX && id != JOINT_OCCUPATION_EDUCATION &&
         id != JOINT_INCOME_OCCUPATION) ||
        s->m->occupations == 0) {
        return false;
    }
    whole = calloc(j->cells[id], sizeof *whole);
    *ret_err = whole ? model_cells(s, j, id, true, ret_shares) : CO_NOMEM;
    if (!*ret_err && !is_replaced(s->m)) {
        *ret_err = model_cells(s, j, id, false, whole);
        for (uint32_t k = 0; k < j->cells[id]; k++) {
            ret_shares[k] *=
                whole[k] > 0 ? source_of(s->m, id, k) / whole[k] : 0;
        }
    }
    free(whole);
    *ret_kind = sampler_tested(s) & ~known ? EXPECTED_ABOUT : EXPECTED_EXACT;
    return true;
}
