/* joints.c - see joints.h. A dimension is an attribute as it stands, a set
 * of age groups, or (for levels that merge others) a function. */
#include "audit/joints.h"

#include "population/tables.h"

#define AGES(...)                                                              \
    (const uint8_t[])                                                          \
    {                                                                          \
        __VA_ARGS__, MODEL_AGES                                                \
    }

struct dim {
    bool attribute;       /* `id` as it stands */
    enum attribute_id id; /* whose labels it uses */
    const uint8_t *ages;  /* first age of each group, then MODEL_AGES */
    uint32_t size;        /* of a function's values */
    uint32_t (*of)(const struct person *p);
    const char *const *labels;
};

enum { ADULT = 18, LEVEL_AGE = 25, ADULT_LEVELS = EDU_COUNT - EDU_UNDER_9 };
enum { NO_GROUP = 0xff };

static uint32_t
adult_education(const struct person *p)
{
    if (p->age < ADULT || p->education < EDU_UNDER_9) return UINT32_MAX;
    return p->education - (uint32_t)EDU_UNDER_9;
}

static const char *const adult_labels[ADULT_LEVELS] = {
    "Less than 9th grade",
    "9th to 12th grade, no diploma",
    "High school graduate",
    "Some college, no degree",
    "Associate's degree",
    "Bachelor's degree",
    "Graduate or professional degree",
};

/* The armed forces are one title without a table by sex or education. */
static bool
civilian_at_work(const struct person *p)
{
    return p->employment == EMPLOY_EMPLOYED;
}

static uint32_t
occupation_of(const struct person *p)
{
    return civilian_at_work(p) ? p->occupation : UINT32_MAX;
}

static uint32_t
level_at_work(const struct person *p)
{
    if (!civilian_at_work(p) || p->age < LEVEL_AGE) return UINT32_MAX;
    if (p->education <= EDU_NO_DIPLOMA) return 0;
    return p->education - (uint32_t)EDU_NO_DIPLOMA;
}

static const char *const level_labels[MODEL_OCC_LEVELS] = {
    "less than high school", "high school graduate", "some college",
    "associate's degree",    "bachelor's degree",    "graduate degree",
};

/* Between the percentiles of the occupation's wages. */
static const char *const band_labels[PAY_BANDS] = {
    "under p10",     "p10 to p25", "p25 to median",
    "median to p75", "p75 to p90", "over p90",
};

static const struct dim dims[DIM_COUNT] = {
    [DIM_STATE] = {.attribute = true, .id = ATTR_STATE},
    [DIM_SEX] = {.attribute = true, .id = ATTR_SEX},
    [DIM_RACE] = {.attribute = true, .id = ATTR_RACE},
    [DIM_HISPANIC] = {.attribute = true, .id = ATTR_HISPANIC},
    [DIM_EDUCATION] = {.attribute = true, .id = ATTR_EDUCATION},
    [DIM_MARITAL] = {.attribute = true, .id = ATTR_MARITAL},
    [DIM_EMPLOYMENT] = {.attribute = true, .id = ATTR_EMPLOYMENT},
    /* the groups of the tables: B01001 (from the model), B15001, B12002 */
    [DIM_EDUCATION_AGE] = {.ages = AGES(18, 25, 35, 45, 65)},
    [DIM_MARITAL_AGE] = {.ages = AGES(15, 18, 20, 25, 30, 35, 40, 45, 50, 55,
                                      60, 65, 75, 85)},
    [DIM_EDUCATION_ADULT] = {.size = ADULT_LEVELS,
                             .of = adult_education,
                             .labels = adult_labels},
    [DIM_OCCUPATION] = {.id = ATTR_OCCUPATION, .of = occupation_of},
    [DIM_OCCUPATION_LEVEL] = {.size = MODEL_OCC_LEVELS,
                              .of = level_at_work,
                              .labels = level_labels},
    [DIM_HOME_AGE] = {.ages = AGES(18, 35, 65)}, /* B09021 */
    [DIM_ARRANGEMENT] = {.attribute = true, .id = ATTR_HOUSEHOLD_TYPE},
    [DIM_LANGUAGE] = {.attribute = true, .id = ATTR_LANGUAGE},
    [DIM_PAY_BAND] = {.size = PAY_BANDS, .labels = band_labels},
    [DIM_COUNTRY] = {.attribute = true, .id = ATTR_COUNTRY},
};

static const struct joint joints[JOINT_USER] = {
    [JOINT_SEX_AGE_STATE] = {"sex x age x state",
                             "everybody",
                             "states, sexes, 23 age groups",
                             "ACS 2018 B01001",
                             false,
                             {DIM_STATE, DIM_SEX, DIM_AGE_GROUP}},
    [JOINT_RACE_STATE] = {"race x state",
                          "everybody",
                          "states, 7 races",
                          "ACS 2018 B01001A-I, B03002",
                          false,
                          {DIM_STATE, DIM_RACE}},
    [JOINT_EDUCATION_AGE_SEX] = {"education x age x sex",
                                 "18 and over",
                                 "5 age groups, sexes, 7 levels",
                                 "ACS 2018 B15001",
                                 false,
                                 {DIM_EDUCATION_AGE, DIM_SEX,
                                  DIM_EDUCATION_ADULT}},
    [JOINT_MARITAL_AGE_SEX] = {"marital status x age x sex",
                               "15 and over",
                               "14 age groups, sexes, 6 statuses",
                               "ACS 2018 B12002",
                               false,
                               {DIM_MARITAL_AGE, DIM_SEX, DIM_MARITAL}},
    [JOINT_OCCUPATION_SEX] = {"occupation x sex",
                              "civilians at work",
                              "every Census title, sexes",
                              "ACS 2018 B24114-6",
                              false,
                              {DIM_OCCUPATION, DIM_SEX}},
    [JOINT_OCCUPATION_EDUCATION] = {"occupation x education",
                                    "civilians at work, 25 and over",
                                    "every Census title, 6 levels",
                                    "BLS EP 2022 5.3, ACS 2018 B24114-6",
                                    false,
                                    {DIM_OCCUPATION, DIM_OCCUPATION_LEVEL}},
    [JOINT_HISPANIC] = {"hispanic",
                        "everybody",
                        "2 values",
                        "ACS 2018 B03002, B01001I",
                        true,
                        {DIM_HISPANIC}},
    [JOINT_EDUCATION] = {"education_level",
                         "everybody",
                         "12 levels",
                         "ACS 2018 B15001, B14003",
                         true,
                         {DIM_EDUCATION}},
    [JOINT_MARITAL] = {"marital_status",
                       "everybody",
                       "6 statuses",
                       "ACS 2018 B12002",
                       true,
                       {DIM_MARITAL}},
    [JOINT_EMPLOYMENT] = {"employment_status",
                          "everybody",
                          "7 statuses",
                          "ACS 2018 B23001",
                          true,
                          {DIM_EMPLOYMENT}},
    [JOINT_ARRANGEMENT_AGE_STATE] = {"household type x age x state",
                                     "18 and over",
                                     "states, 3 age groups, 7 arrangements",
                                     "ACS 2018 B09021",
                                     false,
                                     {DIM_STATE, DIM_HOME_AGE,
                                      DIM_ARRANGEMENT}},
    [JOINT_INCOME_OCCUPATION] = {"income x occupation",
                                 "civilians at work",
                                 "every Census title, 6 bands between the "
                                 "percentiles of its wages",
                                 "BLS OEWS May 2021, ACS 2018 B24114-6",
                                 false,
                                 {DIM_OCCUPATION, DIM_PAY_BAND}},
    [JOINT_LANGUAGE_STATE] = {"language x state",
                              "everybody",
                              "states, every language of the model",
                              "ACS 2018 C16001, B16001",
                              false,
                              {DIM_STATE, DIM_LANGUAGE}},
    [JOINT_SEX_AGE_COUNTRY] = {"sex x age x country",
                               "everybody",
                               "countries, sexes, age groups",
                               "UN WPP 2019",
                               false,
                               {DIM_COUNTRY, DIM_SEX, DIM_AGE_GROUP}},
};

/* Cells are row * values + value of its table. */
static const struct joint user_joint = {
    "a column of the user's",
    "whom its table covers",
    "rows of its table, values",
    "the job's own table",
    false,
    {DIM_NONE},
};

/* --- dimensions -------------------------------------------------------- */

static uint32_t
dim_size(const struct model *m, enum joint_dim id)
{
    const struct dim *d = &dims[id];
    uint32_t n = 0;

    if (id == DIM_NONE) return 1;
    if (id == DIM_AGE_GROUP) return m->age_group_count;
    if (id == DIM_OCCUPATION) return m->occupations;
    if (m->world && id != DIM_COUNTRY && id != DIM_SEX) return 0;
    if (d->attribute) return attribute_values(m, d->id);
    if (!d->ages) return d->size;
    while (d->ages[n + 1] < MODEL_AGES) {
        n++;
    }
    return n + 1;
}

static uint8_t
age_group(const uint8_t *ages, uint32_t age)
{
    uint8_t g = 0;

    if (age < ages[0]) return NO_GROUP;
    while (ages[g + 1] <= age) {
        g++;
    }
    return g;
}

static uint32_t
pay_band(const struct model *m, const struct person *p)
{
    if (p->occupation >= m->occupations || p->income_usd == 0) {
        return UINT32_MAX;
    }
    return model_pay_band(m, p->occupation, p->income_usd);
}

static uint32_t
dim_of(const struct joints *j, enum joint_dim id, const struct person *p)
{
    const struct dim *d = &dims[id];

    if (id == DIM_NONE) return 0;
    if (id == DIM_AGE_GROUP) return p->age_group;
    if (id == DIM_PAY_BAND) return pay_band(j->m, p);
    if (d->attribute) return attribute_of(p, d->id);
    return d->ages ? j->age_group[id][p->age] : d->of(p);
}

static void
put_ages(unsigned low, unsigned high, struct co_buf *out)
{
    if (high >= MODEL_AGES - 1) {
        co_buf_printf(out, "%u+", low);
    } else {
        co_buf_printf(out, "%u-%u", low, high);
    }
}

static void
dim_label(const struct model *m, enum joint_dim id, uint32_t v,
          struct co_buf *out)
{
    const struct dim *d = &dims[id];

    if (id == DIM_AGE_GROUP) {
        const uint8_t *ages = m->age_groups + 2 * (size_t)v;

        put_ages(ages[0], ages[1], out);
    } else if (d->ages) {
        put_ages(d->ages[v], d->ages[v + 1] - 1U, out);
    } else if (d->labels) {
        co_buf_puts(out, d->labels[v]);
    } else {
        struct model_text t = attribute_label(m, d->id, v);

        if (t.data) co_buf_append(out, t.data, t.len);
        if (!t.data) co_buf_printf(out, "%u", v); /* a number */
    }
}

/* --- joints ------------------------------------------------------------ */

void
joints_init(struct joints *j, const struct model *m)
{
    *j = (struct joints){.m = m};
    for (unsigned d = 0; d < DIM_COUNT; d++) {
        j->size[d] = dim_size(m, (enum joint_dim)d);
        for (uint32_t age = 0; dims[d].ages && age < MODEL_AGES; age++) {
            j->age_group[d][age] = age_group(dims[d].ages, age);
        }
    }
    for (unsigned id = 0; id < JOINT_USER; id++) {
        j->cells[id] = 1;
        for (unsigned d = 0; d < JOINT_DIMS_MAX; d++) {
            j->cells[id] *= j->size[joints[id].dims[d]];
        }
    }
    if (!m->world) j->cells[JOINT_SEX_AGE_COUNTRY] = 0;
    for (uint32_t k = 0; k < m->users; k++) {
        j->cells[JOINT_USER + k] = m->user[k]->rows * m->user[k]->values;
    }
    j->used = JOINT_USER + m->users;
}

const struct joint *
joint_get(enum joint_id id)
{
    co_assert(id < JOINT_COUNT);
    return id < JOINT_USER ? &joints[id] : &user_joint;
}

const struct model_lookup *
joint_user(const struct joints *j, enum joint_id id)
{
    if (id < JOINT_USER || (unsigned)id - JOINT_USER >= j->m->users) {
        return NULL;
    }
    return j->m->user[(unsigned)id - JOINT_USER];
}

const char *
joint_name(const struct joints *j, enum joint_id id)
{
    const struct model_lookup *user = joint_user(j, id);

    return user ? user->name : joint_get(id)->name;
}

/* The cell of a person in a user's column: none when it is null. */
static uint32_t
user_cell(const struct joints *j, enum joint_id id, const struct person *p)
{
    const struct model_lookup *t = joint_user(j, id);
    const uint32_t *row = t ? model_lookup(t, p) : NULL;
    uint32_t value = p->user[(unsigned)id - JOINT_USER];

    if (!row || value >= t->values) return JOINT_NO_CELL;
    return (uint32_t)(row - t->weights) + value;
}

uint32_t
joint_size(const struct joints *j, enum joint_id id, unsigned dim)
{
    co_assert(dim < JOINT_DIMS_MAX);
    if (id >= JOINT_USER) {
        const struct model_lookup *t = joint_user(j, id);

        if (!t) return dim == 0 ? 0 : 1;
        return dim == 0 ? t->rows : dim == 1 ? t->values : 1;
    }
    return j->size[joint_get(id)->dims[dim]];
}

/* The cell from values by dimension id; out of range = not covered. */
static uint32_t
cell_of(const struct joints *j, enum joint_id id, const uint32_t *values)
{
    uint32_t cell = 0;

    if (j->cells[id] == 0) return JOINT_NO_CELL;
    for (unsigned d = 0; d < JOINT_DIMS_MAX; d++) {
        enum joint_dim dim = joints[id].dims[d];

        if (dim == DIM_NONE) break; /* the last ones */
        if (values[dim] >= j->size[dim]) return JOINT_NO_CELL;
        cell = cell * j->size[dim] + values[dim];
    }
    return cell;
}

uint32_t
joint_cell(const struct joints *j, enum joint_id id, const struct person *p)
{
    uint32_t values[DIM_COUNT] = {0};

    co_assert(id < JOINT_COUNT);
    if (id >= JOINT_USER) return user_cell(j, id, p);
    for (unsigned d = 0; d < JOINT_DIMS_MAX; d++) {
        values[joints[id].dims[d]] = dim_of(j, joints[id].dims[d], p);
    }
    return cell_of(j, id, values);
}

void
joints_place(const struct joints *j, const struct person *p,
             uint32_t ret_cells[JOINT_COUNT])
{
    uint32_t values[DIM_COUNT];

    for (unsigned d = 0; d < DIM_COUNT; d++) {
        values[d] = dim_of(j, (enum joint_dim)d, p);
    }
    for (unsigned id = 0; id < JOINT_USER; id++) {
        ret_cells[id] = cell_of(j, (enum joint_id)id, values);
    }
    for (unsigned id = JOINT_USER; id < j->used; id++) {
        ret_cells[id] = user_cell(j, (enum joint_id)id, p);
    }
}

uint32_t
joint_at(const struct joints *j, enum joint_id id,
         const uint32_t values[JOINT_DIMS_MAX])
{
    uint32_t cell = 0;

    for (unsigned d = 0; d < JOINT_DIMS_MAX; d++) {
        uint32_t size = joint_size(j, id, d);
        uint32_t v = size == 1 ? 0 : values[d];

        co_assert(v < size);
        cell = cell * size + v;
    }
    return cell;
}

/* "Employed, 25-44: Drives alone": the row by one of the combinations of keys
 * that lead to it. */
static void
user_label(const struct joints *j, enum joint_id id, uint32_t cell,
           struct co_buf *out)
{
    const struct model_lookup *t = joint_user(j, id);
    struct model_text value = model_text(&t->labels, cell % t->values);
    uint32_t row = cell / t->values + 1, at = 0, size = 1;

    while (t->row_of[at] != row) {
        at++;
    }
    for (uint32_t k = 0; k < t->n_keys; k++) {
        size *= t->sizes[k];
    }
    for (uint32_t k = 0; k < t->n_keys; k++) {
        enum attribute_id key = (enum attribute_id)t->keys[k];
        struct model_text label;

        size /= t->sizes[k];
        label = attribute_label(j->m, key, at / size % t->sizes[k]);
        if (label.data) co_buf_append(out, label.data, label.len);
        if (!label.data) {
            co_buf_printf(out, "from %u on", at / size % t->sizes[k]);
        }
        co_buf_puts(out, k + 1 < t->n_keys ? ", " : ": ");
    }
    co_buf_append(out, value.data, value.len);
}

void
joint_label(const struct joints *j, enum joint_id id, uint32_t cell,
            struct co_buf *out)
{
    uint32_t values[JOINT_DIMS_MAX];

    co_assert(id < JOINT_COUNT && cell < j->cells[id]);
    if (id >= JOINT_USER) {
        user_label(j, id, cell, out);
        return;
    }
    for (unsigned d = JOINT_DIMS_MAX; d-- > 0;) {
        values[d] = cell % joint_size(j, id, d);
        cell /= joint_size(j, id, d);
    }
    for (unsigned d = 0; d < JOINT_DIMS_MAX; d++) {
        if (joints[id].dims[d] == DIM_NONE) continue;
        if (d) co_buf_puts(out, ", ");
        dim_label(j->m, joints[id].dims[d], values[d], out);
    }
}
