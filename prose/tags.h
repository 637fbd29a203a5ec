/* tags.h - what a phrase may ask about a person: one-hot classes.
 * Each person has exactly one value in each class, so that a guard is a mask
 * of denied values and holds when it shares no bit with the person's tags.
 * Which pairs of values can meet in one person stands here too (tags_meet):
 * the checker of phrases relies on it, and tags_of sees to it.
 * Thread-safe: constant tables. */
#pragma once
#include "population/model.h"
#include "population/person.h"

/* Stages of life. */
enum tag_stage {
    STAGE_INFANT,    /* 0 */
    STAGE_TODDLER,   /* 1-2 */
    STAGE_PRESCHOOL, /* 3-5 */
    STAGE_CHILD,     /* 6-10 */
    STAGE_MIDDLE,    /* 11-13 */
    STAGE_TEEN,      /* 14-17, not at work */
    STAGE_TEEN_WORK, /* 16-17, employed */
    STAGE_STUDENT,
    STAGE_EMPLOYED,
    STAGE_ARMED,
    STAGE_UNEMPLOYED,
    STAGE_RETIRED,
    STAGE_OUTSIDE,     /* outside the labor force, under 60 */
    STAGE_OUTSIDE_OLD, /* the same from 60 on */
    STAGE_ADULT,       /* nothing known of work */
    STAGE_COUNT
};

/* Kinds of work, of the present or former occupation. */
enum tag_field {
    FIELD_MANAGE,
    FIELD_BUSINESS,
    FIELD_COMPUTER,
    FIELD_ENGINEER,
    FIELD_SCIENCE,
    FIELD_COMMUNITY,
    FIELD_LEGAL,
    FIELD_TEACH,
    FIELD_ARTS,
    FIELD_HEALTH,
    FIELD_PROTECT,
    FIELD_FOOD,
    FIELD_GROUNDS,
    FIELD_SERVICE,
    FIELD_SALES,
    FIELD_OFFICE,
    FIELD_FARM,
    FIELD_BUILD,
    FIELD_REPAIR,
    FIELD_MAKE,
    FIELD_TRANSPORT, /* drivers */
    FIELD_MOVE,      /* goods, mail, ships, aircraft */
    FIELD_ARMED,
    FIELD_NONE,
    FIELD_COUNT
};

/* In the order of their bits. */
enum tag_class {
    CLASS_STAGE,
    CLASS_AGE,
    CLASS_SEX,
    CLASS_FIELD,
    CLASS_REGION,
    CLASS_TOWN,
    CLASS_EDU,
    CLASS_MARITAL,
    CLASS_HOME,
    CLASS_KIDS,
    CLASS_TENURE,
    CLASS_INCOME,
    CLASS_O,
    CLASS_C,
    CLASS_E,
    CLASS_A,
    CLASS_N,
    CLASS_LANG,
    CLASS_HERITAGE,
    CLASS_INTEREST,
    CLASS_COHORT,
    CLASS_GROUP, /* 0 = none, else 1..115: ACS occupation groups */
    CLASS_STATE, /* the last value is none */
    CLASS_COUNT
};

/* Values that rules speak of, in the order of their class. */
enum { TAG_EDU_ASSOCIATE = 4, TAG_EDU_UNKNOWN = 7, TAG_MARITAL_UNKNOWN = 5 };
enum { TAG_HOME_UNKNOWN = 7, TAG_TENURE_UNKNOWN = 2, TAG_LANG_UNKNOWN = 2 };

enum { TAG_WORDS = 5, TAG_AGES = 9, TAG_GROUPS = 116, TAG_STATES = 52 };

/* The person's values, and the same as bits. */
struct tags {
    uint64_t bits[TAG_WORDS];
    uint8_t value[CLASS_COUNT];
};

const char *tags_class_name(enum tag_class c);
uint32_t tags_count(enum tag_class c); /* values */
uint32_t tags_bit(enum tag_class c);   /* of value 0; the others follow */
/* "health", "18-24", "47", "TX": asserted to exist. buf holds numbers. */
const char *tags_value_name(enum tag_class c, uint32_t value, char buf[16]);
/* The class or value of that name; CO_NOTFOUND otherwise. */
co_must_use enum co_err tags_find_class(const char *name, size_t len,
                                        enum tag_class *ret_class);
co_must_use enum co_err tags_find_value(enum tag_class c, const char *name,
                                        size_t len, uint32_t *ret_value);
/* The youngest and oldest age of a band. */
uint32_t tags_age_from(uint32_t band);
uint32_t tags_age_to(uint32_t band);

/* What follows from a group of occupations and from a state. */
uint32_t tags_group_field(uint32_t group);
uint32_t tags_group_interest(uint32_t group);
uint32_t tags_state_region(uint32_t state);

/* False when no person has both values. True says nothing. */
bool tags_meet(enum tag_class a, uint32_t value_a, enum tag_class b,
               uint32_t value_b);

/* What depends on the model alone, looked up once. */
struct tags_model {
    uint32_t year;
    uint32_t occupations;
    const uint8_t *occ_of; /* the model's: occupation -> group - 1 */
    uint8_t state[256];    /* model's state -> value of CLASS_STATE */
    uint8_t *town;         /* [city] */
};

/* CO_NOMEM. m must outlive it; release with tags_model_fini. */
co_must_use enum co_err tags_model_init(struct tags_model *t,
                                        const struct model *m);
void tags_model_fini(struct tags_model *t);

/* The person's tags. Values that tags_meet excludes are mended towards the
 * age: nobody under 18 is married or a parent. */
void tags_of(const struct tags_model *t, const struct person *p,
             struct tags *ret);
