/* condition_possible.c - whether anybody fulfils all conditions of a job. A
 * search over the cells of the joint that ends at the first one. */
#include "population/sampler_impl.h"

static bool
table_possible(const struct sampler *s, enum attribute_id id,
               const struct person *p)
{
    uint32_t n = attribute_values(s->m, id);

    for (uint32_t v = 0; v < n; v++) {
        if (sampler_share(s, p, id, v)) return true;
    }
    return false;
}

/* An allowed occupation with weight for this person's level. */
static bool
level_possible(const struct sampler *s, const struct person *p)
{
    const struct limit *l = &s->limits[ATTR_OCCUPATION];
    uint32_t level = model_work_level(p->education),
             class = sampler_class(p->age);
    const uint32_t *groups =
        s->group_end + sampler_group_at(s, p->state, p->sex, level, class);
    const uint64_t *end = s->occ_end + sampler_occ_at(s, p->sex, level, class);

    for (uint32_t o = 0; o < s->m->occupations; o++) {
        uint32_t g = s->m->occ_of[o];

        if (end[o] > (o ? end[o - 1] : 0) && limit_allows(l, o) &&
            groups[g] > (g ? groups[g - 1] : 0) && s->pay_ok[o]) {
            return true;
        }
    }
    return false;
}

/* A degree in an allowed field; fields depend on the occupation by weights
 * above zero only. */
static bool
field_possible(const struct sampler *s, const struct person *cell)
{
    struct person p = *cell;
    uint64_t w[MODEL_FIELDS];

    if (!s->limits[ATTR_FIELD].on) return true;
    p.occupation = p.former = PERSON_NO_OCCUPATION;
    if (!sampler_share(s, cell, ATTR_EDUCATION, EDU_BACHELOR) &&
        !sampler_share(s, cell, ATTR_EDUCATION, EDU_GRADUATE)) {
        return false;
    }
    (void)sampler_field_row(s, &p, w);
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
        if (w[f] && limit_allows(&s->limits[ATTR_FIELD], f)) return true;
    }
    return false;
}

static bool
occupation_possible(const struct sampler *s, const struct person *cell)
{
    struct person p = *cell;

    if (!s->limits[ATTR_OCCUPATION].on && !s->limits[ATTR_INCOME].on) {
        return true;
    }
    if (limit_allows(&s->limits[ATTR_OCCUPATION], s->m->occupations) &&
        s->pay_ok[s->m->occupations] &&
        sampler_share(s, cell, ATTR_EMPLOYMENT, EMPLOY_ARMED)) {
        return true;
    }
    if (!sampler_share(s, cell, ATTR_EMPLOYMENT, EMPLOY_EMPLOYED)) return false;
    for (p.education = 0; p.education < EDU_COUNT; p.education++) {
        if (sampler_share(s, cell, ATTR_EDUCATION, p.education) &&
            level_possible(s, &p)) {
            return true;
        }
    }
    return false;
}

static bool
names_possible(const struct sampler *s, const struct person *p, uint32_t group)
{
    const struct model *m = s->m;
    uint32_t row = (uint32_t)p->sex * MODEL_AGES + p->age, k;
    const uint32_t *counts = m->last_n + (size_t)group * m->last.count;

    if (s->limits[ATTR_FIRST_NAME].on) {
        for (k = m->first_row[row]; k < m->first_row[row + 1]; k++) {
            if (limit_allows(&s->limits[ATTR_FIRST_NAME], m->first_id[k])) {
                break;
            }
        }
        if (k == m->first_row[row + 1]) return false;
    }
    if (!s->limits[ATTR_LAST_NAME].on) return true;
    for (k = 0; k < m->last.count; k++) {
        if (counts[k] && limit_allows(&s->limits[ATTR_LAST_NAME], k)) {
            return true;
        }
    }
    return false;
}

static bool
origin_possible(const struct sampler *s, const struct person *p)
{
    const struct model *m = s->m;
    size_t row = (size_t)(p->state * MODEL_SEXES + p->sex) * m->hispanic_rows +
                 m->hispanic_age[p->age];
    bool can = m->hispanic[row * MODEL_RACES + p->race] > 0;

    for (uint32_t h = 0; h <= (can ? 1U : 0U); h++) {
        if (limit_allows(&s->limits[ATTR_HISPANIC], h) &&
            names_possible(s, p, sampler_name_group(p->race, h))) {
            return true;
        }
    }
    return false;
}

static bool
city_possible(const struct sampler *s, const struct person *p)
{
    if (!s->limits[ATTR_CITY].on) return true;
    for (uint32_t k = s->m->city_row[p->state];
         k < s->m->city_row[p->state + 1]; k++) {
        if (limit_allows(&s->limits[ATTR_CITY], k)) return true;
    }
    return false;
}

/* Somebody of this cell can live so, in a household of an allowed size. */
static bool
home_possible(const struct sampler *s, const struct person *cell)
{
    const struct limit *type = &s->limits[ATTR_HOUSEHOLD_TYPE];
    const struct limit *size = &s->limits[ATTR_HOUSEHOLD_SIZE];
    struct person p = *cell;
    uint64_t w[HOME_COUNT];
    bool several = false;

    if (!s->m->home.there) return !type->on && !size->on;
    for (uint32_t n = 2; n <= HOUSEHOLD_MAX; n++) {
        several = several || limit_allows(size, n);
    }
    for (p.marital = 0; p.marital < MARITAL_COUNT; p.marital++) {
        if (!sampler_share(s, cell, ATTR_MARITAL, p.marital)) continue;
        (void)sampler_arrangement_row(s, &p, w);
        for (uint32_t a = 0; a < HOME_COUNT; a++) {
            if (w[a] && limit_allows(type, a) &&
                (a == HOME_ALONE ? limit_allows(size, 1) : several)) {
                return true;
            }
        }
    }
    return false;
}

static bool
ocean_possible(const struct sampler *s)
{
    for (unsigned id = ATTR_OPENNESS; id <= ATTR_NEUROTICISM; id++) {
        bool any = false;

        for (uint32_t t = OCEAN_MIN; t <= OCEAN_MAX; t++) {
            any = any || limit_allows(&s->limits[id], t);
        }
        if (!any) return false;
    }
    return true;
}

/* Whether the row of a column that these people have allows a value. What
 * the row depends on is unknown here, so any row will do. */
static bool
users_possible(const struct sampler *s)
{
    for (uint32_t k = 0; k < s->m->users; k++) {
        const struct limit *l = &s->limits[ATTR_USER + k];
        const struct model_lookup *t = s->m->user[k];
        bool can = !l->on;

        for (size_t i = 0; i < (size_t)t->rows * t->values && !can; i++) {
            can = t->weights[i] && l->allowed[i % t->values];
        }
        if (!can) return false;
    }
    return true;
}

/* Given the cell these are independent of each other (but for occupation,
 * which looks at its parents itself), so one cell that passes each test means
 * that such people exist. Not looked at: language, tenure, and an income with
 * a household bracket below it; a job that asks for nobody in that way ends
 * partial when its candidates are spent. */
bool
condition_possible(const struct sampler *s)
{
    struct person p;

    if (!s->tested) return s->cells > 0;
    if (!ocean_possible(s)) return false;
    if (!users_possible(s)) return false;
    for (size_t i = 0; i < s->cells; i++) {
        (void)sampler_cell(s, i, &p);
        if (s->m->world) {
            if (sampler_world_possible(s, &p)) return true;
            continue;
        }
        if (table_possible(s, ATTR_EDUCATION, &p) &&
            table_possible(s, ATTR_MARITAL, &p) &&
            table_possible(s, ATTR_EMPLOYMENT, &p) && city_possible(s, &p) &&
            origin_possible(s, &p) && occupation_possible(s, &p) &&
            field_possible(s, &p) && home_possible(s, &p)) {
            return true;
        }
    }
    return false;
}
