/* tags_person.c - the tags of a person (see tags.h). */
#include "prose/tags.h"

#include <stdlib.h>

/* People of a place, below which it is a village, a small town ... */
static const uint32_t town_below[] = {2500, 10000, 50000, 250000};

enum co_err
tags_model_init(struct tags_model *t, const struct model *m)
{
    *t = (struct tags_model){
        .year = m->year, .occupations = m->occupations, .occ_of = m->occ_of};
    t->town = calloc(m->city.count ? m->city.count : 1, 1);
    if (!t->town) return CO_NOMEM;
    for (uint32_t i = 0; i < m->city.count; i++) {
        while (t->town[i] < co_countof(town_below) &&
               m->city_n[i] >= town_below[t->town[i]]) {
            t->town[i]++;
        }
    }
    for (uint32_t i = 0; i < co_countof(t->state); i++) {
        uint32_t value = TAG_STATES - 1;

        if (i < m->state_code.count) {
            struct model_text code = model_text(&m->state_code, i);

            if (tags_find_value(CLASS_STATE, code.data, code.len, &value)) {
                value = TAG_STATES - 1;
            }
        }
        t->state[i] = (uint8_t)value;
    }
    return CO_OK;
}

void
tags_model_fini(struct tags_model *t)
{
    free(t->town);
    t->town = NULL;
}

static enum tag_stage
young_stage(const struct person *p)
{
    if (p->age == 0) return STAGE_INFANT;
    if (p->age < 3) return STAGE_TODDLER;
    if (p->age < 6) return STAGE_PRESCHOOL;
    if (p->age < 11) return STAGE_CHILD;
    if (p->age < 14) return STAGE_MIDDLE;
    return p->age >= 16 && p->occupation != PERSON_NO_OCCUPATION
               ? STAGE_TEEN_WORK
               : STAGE_TEEN;
}

static enum tag_stage
stage_of(const struct tags_model *t, const struct person *p)
{
    bool has = p->occupation < t->occupations, had = p->former < t->occupations;

    if (p->age < 18) return young_stage(p);
    if (p->employment >= EMPLOY_COUNT) return STAGE_ADULT;
    switch ((enum model_employment)p->employment) {
    case EMPLOY_EMPLOYED:
        return has ? STAGE_EMPLOYED : STAGE_ADULT;
    case EMPLOY_ARMED:
        return STAGE_ARMED;
    case EMPLOY_STUDENT:
        return STAGE_STUDENT;
    case EMPLOY_UNEMPLOYED:
        if (had) return STAGE_UNEMPLOYED;
        break;
    case EMPLOY_RETIRED:
        if (had && p->age >= 50) return STAGE_RETIRED;
        break;
    case EMPLOY_UNDER_16:
    case EMPLOY_OUTSIDE:
    case EMPLOY_COUNT:
        break;
    }
    return p->age < 60 ? STAGE_OUTSIDE : STAGE_OUTSIDE_OLD;
}

/* The group of the present or former occupation of stages that have one. */
static uint32_t
group_of(const struct tags_model *t, const struct person *p,
         enum tag_stage stage)
{
    switch (stage) {
    case STAGE_TEEN_WORK:
    case STAGE_EMPLOYED:
        return t->occ_of[p->occupation] + 1U;
    case STAGE_UNEMPLOYED:
    case STAGE_RETIRED:
        return t->occ_of[p->former] + 1U;
    default: /* the others have none */
        return 0;
    }
}

static uint32_t
age_band(uint32_t age)
{
    uint32_t band = 0;

    while (age > tags_age_to(band)) {
        band++;
    }
    return band;
}

static uint32_t
edu_of(const struct person *p, enum tag_stage stage)
{
    static const uint8_t class_of[EDU_COUNT] = {
        [EDU_UNDER_9] = 1,      [EDU_NO_DIPLOMA] = 1, [EDU_HIGH] = 2,
        [EDU_SOME_COLLEGE] = 3, [EDU_ASSOCIATE] = 4,  [EDU_BACHELOR] = 5,
        [EDU_GRADUATE] = 6,
    };

    if (p->age < 13) return 0;
    if (p->education >= EDU_COUNT) {
        return stage == STAGE_ADULT ? TAG_EDU_UNKNOWN : 0;
    }
    if (p->age < 18 && class_of[p->education] >= TAG_EDU_ASSOCIATE) return 3;
    return class_of[p->education];
}

static uint32_t
marital_of(const struct person *p, enum tag_stage stage)
{
    static const uint8_t class_of[MARITAL_COUNT] = {
        [MARITAL_NEVER] = 0,     [MARITAL_MARRIED] = 1, [MARITAL_ABSENT] = 1,
        [MARITAL_SEPARATED] = 2, [MARITAL_WIDOWED] = 3, [MARITAL_DIVORCED] = 4,
    };

    if (p->age < 18) return 0;
    if (p->marital < MARITAL_COUNT) return class_of[p->marital];
    return stage == STAGE_ADULT ? TAG_MARITAL_UNKNOWN : 0;
}

static uint32_t
home_of(const struct person *p, enum tag_stage stage)
{
    if (p->age < 18) return HOME_CHILD;
    if (p->arrangement >= HOME_COUNT) {
        return stage == STAGE_ADULT ? TAG_HOME_UNKNOWN : HOME_RELATIVES;
    }
    return p->arrangement == HOME_CHILD ? HOME_PARENTS : p->arrangement;
}

/* By the youngest child at home. */
static uint32_t
kids_of(const struct person *p)
{
    uint32_t youngest;

    if (p->age < 18 || p->children == 0) return 0;
    youngest = p->child_age[p->children - 1];
    return youngest < 6 ? 1 : youngest < 13 ? 2 : 3;
}

static uint32_t
income_of(const struct person *p, enum tag_stage stage)
{
    bool paid = stage == STAGE_TEEN_WORK || stage == STAGE_EMPLOYED ||
                stage == STAGE_ARMED;

    if (!paid || p->income_usd == 0) return 0;
    return p->income_usd < 35000 ? 1 : p->income_usd < 90000 ? 2 : 3;
}

static uint32_t
cohort_of(const struct tags_model *t, const struct person *p)
{
    uint32_t born = t->year - p->age, last = tags_count(CLASS_COHORT) - 1;
    uint32_t decade = born < 1910 ? 0 : (born - 1910) / 10;

    return decade > last ? last : decade;
}

static void
set_ocean(const struct person *p, struct tags *ret)
{
    for (uint32_t i = 0; i < OCEAN_COUNT; i++) {
        uint32_t score = p->ocean[i] > OCEAN_MAX ? 50 : p->ocean[i];

        ret->value[CLASS_O + i] = (uint8_t)(score < 45   ? 0
                                            : score < 55 ? 1
                                                         : 2);
    }
}

static void
set_bits(struct tags *t)
{
    for (uint32_t i = 0; i < TAG_WORDS; i++) {
        t->bits[i] = 0;
    }
    for (uint32_t c = 0; c < CLASS_COUNT; c++) {
        uint32_t bit = tags_bit((enum tag_class)c) + t->value[c];

        t->bits[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

/* Where nobody says, other. */
static uint32_t
heritage_of(const struct person *p)
{
    if (p->race >= MODEL_RACES) return RACE_OTHER;
    return p->hispanic ? 7 : p->race;
}

void
tags_of(const struct tags_model *t, const struct person *p, struct tags *ret)
{
    enum tag_stage stage = stage_of(t, p);
    uint32_t group = group_of(t, p, stage);
    uint8_t *v = ret->value;

    v[CLASS_STAGE] = (uint8_t)stage;
    v[CLASS_AGE] = (uint8_t)age_band(p->age);
    v[CLASS_SEX] = p->sex;
    v[CLASS_FIELD] =
        (uint8_t)(stage == STAGE_ARMED ? FIELD_ARMED : tags_group_field(group));
    v[CLASS_STATE] = t->state[p->state];
    v[CLASS_REGION] = (uint8_t)tags_state_region(v[CLASS_STATE]);
    v[CLASS_TOWN] = p->city == PERSON_NONE16 ? 0 : t->town[p->city];
    v[CLASS_EDU] = (uint8_t)edu_of(p, stage);
    v[CLASS_MARITAL] = (uint8_t)marital_of(p, stage);
    v[CLASS_HOME] = (uint8_t)home_of(p, stage);
    v[CLASS_KIDS] = (uint8_t)kids_of(p);
    v[CLASS_TENURE] = p->tenure < TENURE_COUNT ? p->tenure : TAG_TENURE_UNKNOWN;
    v[CLASS_INCOME] = (uint8_t)income_of(p, stage);
    set_ocean(p, ret);
    v[CLASS_LANG] =
        p->language == PERSON_NONE8 ? TAG_LANG_UNKNOWN : p->language != 0;
    v[CLASS_HERITAGE] = (uint8_t)heritage_of(p);
    v[CLASS_INTEREST] = (uint8_t)tags_group_interest(group);
    v[CLASS_COHORT] = (uint8_t)cohort_of(t, p);
    v[CLASS_GROUP] = (uint8_t)group;
    set_bits(ret);
}
