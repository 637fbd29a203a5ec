/* attributes.c - see attributes.h. */
#include "population/attributes.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct attribute attributes[ATTR_COUNT] = {
    [ATTR_STATE] = {"state", ATTR_LABELS, true, "USPS code or name"},
    [ATTR_SEX] = {"sex", ATTR_LABELS, true, "Male or Female"},
    [ATTR_AGE] = {"age", ATTR_INTEGER, true, "years; 99 is 99 and over"},
    [ATTR_RACE] = {"race_ethnicity", ATTR_LABELS, true, "seven races"},
    [ATTR_HISPANIC] = {"hispanic", ATTR_LABELS, false, "No or Yes"},
    [ATTR_EDUCATION] = {"education_level", ATTR_LABELS, false,
                        "highest level, or the school attended"},
    [ATTR_MARITAL] = {"marital_status", ATTR_LABELS, false, "six statuses"},
    [ATTR_EMPLOYMENT] = {"employment_status", ATTR_LABELS, false,
                         "seven statuses"},
    [ATTR_OCCUPATION] = {"occupation", ATTR_LABELS, false,
                         "detailed Census title of who works"},
    [ATTR_FIRST_NAME] = {"first_name", ATTR_LABELS, false, "given name"},
    [ATTR_LAST_NAME] = {"last_name", ATTR_LABELS, false, "surname"},
    [ATTR_CITY] = {"city", ATTR_LABELS, false, "place of 1,000 or more"},
    [ATTR_FIELD] = {"bachelors_field", ATTR_LABELS, false,
                    "field of the first bachelor's degree"},
    [ATTR_INCOME] = {"income_usd", ATTR_INTEGER, false,
                     "annual wage of who works, rounded to 100"},
    [ATTR_HOUSEHOLD_TYPE] = {"household_type", ATTR_LABELS, false,
                             "with whom the person lives, seven kinds"},
    [ATTR_TENURE] = {"tenure", ATTR_LABELS, false, "Owner or Renter"},
    [ATTR_HOUSEHOLD_SIZE] = {"household_size", ATTR_INTEGER, false,
                             "people in the household, 1 to 15"},
    [ATTR_HOUSEHOLD_INCOME] = {"household_income_usd", ATTR_LABELS, false,
                               "sixteen brackets, 0-9999 to 200000+"},
    [ATTR_LANGUAGE] = {"language", ATTR_LABELS, false,
                       "spoken at home; English is English only"},
    [ATTR_OPENNESS] = {"ocean_openness", ATTR_INTEGER, false,
                       "T score, 20 to 80"},
    [ATTR_CONSCIENTIOUSNESS] = {"ocean_conscientiousness", ATTR_INTEGER, false,
                                "T score, 20 to 80"},
    [ATTR_EXTRAVERSION] = {"ocean_extraversion", ATTR_INTEGER, false,
                           "T score, 20 to 80"},
    [ATTR_AGREEABLENESS] = {"ocean_agreeableness", ATTR_INTEGER, false,
                            "T score, 20 to 80"},
    [ATTR_NEUROTICISM] = {"ocean_neuroticism", ATTR_INTEGER, false,
                          "T score, 20 to 80"},
    [ATTR_COUNTRY] = {"country", ATTR_LABELS, true,
                      "ISO code of three or two letters, or name"},
};

static const struct model_text sexes[] = {{"Male", 4}, {"Female", 6}};
static const struct model_text yes_no[] = {{"No", 2}, {"Yes", 3}};
static const struct model_text tenures[] = {{"Owner", 5}, {"Renter", 6}};

const struct attribute *
attribute_get(enum attribute_id id)
{
    co_assert(id < ATTR_COUNT);
    return &attributes[id];
}

enum co_err
attribute_find(const char *name, enum attribute_id *ret_id)
{
    for (unsigned i = 0; i < ATTR_COUNT; i++) {
        if (strcmp(attributes[i].name, name) != 0) continue;
        *ret_id = (enum attribute_id)i;
        return CO_OK;
    }
    return CO_NOTFOUND;
}

const char *
attribute_name(const struct model *m, enum attribute_id id)
{
    if ((unsigned)id < ATTR_USER) return attribute_get(id)->name;
    co_assert((unsigned)id - ATTR_USER < m->users);
    return m->user[(unsigned)id - ATTR_USER]->name;
}

enum attribute_kind
attribute_kind(enum attribute_id id)
{
    return (unsigned)id < ATTR_USER ? attribute_get(id)->kind : ATTR_LABELS;
}

enum co_err
attribute_find_in(const struct model *m, const char *name,
                  enum attribute_id *ret_id)
{
    for (uint32_t i = 0; i < m->users; i++) {
        if (strcmp(m->user[i]->name, name) != 0) continue;
        *ret_id = (enum attribute_id)(ATTR_USER + i);
        return CO_OK;
    }
    return attribute_find(name, ret_id);
}

/* The pool behind the labels; NULL for integers and constant labels. Rows ask
 * twenty times each, hence constant tables. */
static const struct model_pool *
pool_of(const struct model *m, enum attribute_id id)
{
#define POOL(member) offsetof(struct model, member)
    static const uint16_t pools[ATTR_COUNT] = {
        [ATTR_STATE] = POOL(state_code),
        [ATTR_RACE] = POOL(race),
        [ATTR_EDUCATION] = POOL(education),
        [ATTR_MARITAL] = POOL(marital),
        [ATTR_EMPLOYMENT] = POOL(employment),
        [ATTR_OCCUPATION] = POOL(occ_title),
        [ATTR_FIRST_NAME] = POOL(first),
        [ATTR_LAST_NAME] = POOL(last),
        [ATTR_CITY] = POOL(city),
        [ATTR_HOUSEHOLD_TYPE] = POOL(arrangement),
        [ATTR_HOUSEHOLD_INCOME] = POOL(bracket),
        [ATTR_LANGUAGE] = POOL(language),
        [ATTR_COUNTRY] = POOL(country),
        [ATTR_FIELD] = POOL(degree_field),
    };
#undef POOL

    if ((unsigned)id >= ATTR_USER) {
        co_assert((unsigned)id - ATTR_USER < m->users);
        return &m->user[(unsigned)id - ATTR_USER]->labels;
    }
    if (pools[id] == 0) return NULL;
    return (const void *)((const char *)m + pools[id]);
}

/* Labels that are the same in every model; NULL for the other attributes. */
static const struct model_text *
constant_labels(enum attribute_id id)
{
    static const struct model_text *const labels[ATTR_COUNT] = {
        [ATTR_SEX] = sexes,
        [ATTR_HISPANIC] = yes_no,
        [ATTR_TENURE] = tenures,
    };

    return (unsigned)id < ATTR_USER ? labels[id] : NULL;
}

/* One more than the largest value of an integer; 0 for labels. */
static uint32_t
integer_values(enum attribute_id id)
{
    if (id == ATTR_AGE) return MODEL_AGES;
    if (id == ATTR_INCOME) return INCOME_MAX + 1;
    if (id == ATTR_HOUSEHOLD_SIZE) return HOUSEHOLD_MAX + 1;
    if (id >= ATTR_OPENNESS && id <= ATTR_NEUROTICISM) return OCEAN_MAX + 1;
    return 0;
}

/* Attributes without a pool that could be empty. */
static bool
unknown_in_world(enum attribute_id id)
{
    return id == ATTR_HISPANIC || id == ATTR_TENURE ||
           id == ATTR_HOUSEHOLD_SIZE || id == ATTR_INCOME;
}

uint32_t
attribute_values(const struct model *m, enum attribute_id id)
{
    uint32_t integers = integer_values(id);
    const struct model_pool *pool;

    if (m->world && unknown_in_world(id)) return 0;
    if (integers) return integers;
    if (constant_labels(id)) return 2;
    pool = pool_of(m, id);
    return pool ? pool->count : 0;
}

struct model_text
attribute_label(const struct model *m, enum attribute_id id, uint32_t value)
{
    const struct model_text *constant = constant_labels(id);
    const struct model_pool *pool = constant ? NULL : pool_of(m, id);

    if (pool) return model_text(pool, value);
    co_assert(value < attribute_values(m, id));
    return constant ? constant[value] : (struct model_text){NULL, 0};
}

static bool
same_text(struct model_text label, const char *text)
{
    return label.data && strlen(text) == label.len &&
           strncasecmp(text, label.data, label.len) == 0;
}

bool
attribute_matches(const struct model *m, enum attribute_id id, uint32_t value,
                  const char *text)
{
    if (id == ATTR_STATE &&
        same_text(model_text(&m->state_name, value), text)) {
        return true;
    }
    if (id == ATTR_COUNTRY &&
        (same_text(model_text(&m->country_name, value), text) ||
         same_text(model_text(&m->country_iso2, value), text))) {
        return true;
    }
    return same_text(attribute_label(m, id, value), text);
}

static uint32_t
or_none16(uint16_t value)
{
    return value == PERSON_NONE16 ? UINT32_MAX : value;
}

/* A byte that may be missing. */
static uint32_t
or_none(uint8_t value)
{
    return value == PERSON_NONE8 ? UINT32_MAX : value;
}

uint32_t
attribute_of(const struct person *p, enum attribute_id id)
{
    if ((unsigned)id >= ATTR_USER) {
        return or_none(p->user[(unsigned)id - ATTR_USER]);
    }
    switch (id) {
    case ATTR_STATE:
        return or_none(p->state);
    case ATTR_SEX:
        return p->sex;
    case ATTR_AGE:
        return p->age;
    case ATTR_RACE:
        return or_none(p->race);
    case ATTR_HISPANIC:
        return or_none(p->hispanic);
    case ATTR_EDUCATION:
        return or_none(p->education);
    case ATTR_MARITAL:
        return or_none(p->marital);
    case ATTR_EMPLOYMENT:
        return or_none(p->employment);
    case ATTR_OCCUPATION:
        return p->occupation == PERSON_NO_OCCUPATION ? UINT32_MAX
                                                     : p->occupation;
    case ATTR_FIELD:
        return p->degree_field == PERSON_NONE8 ? UINT32_MAX : p->degree_field;
    case ATTR_INCOME:
        return p->income_usd ? p->income_usd : UINT32_MAX;
    case ATTR_FIRST_NAME:
        return or_none16(p->first);
    case ATTR_LAST_NAME:
        return or_none16(p->last);
    case ATTR_CITY:
        return or_none16(p->city);
    case ATTR_HOUSEHOLD_TYPE:
        return or_none(p->arrangement);
    case ATTR_TENURE:
        return or_none(p->tenure);
    case ATTR_HOUSEHOLD_SIZE:
        return p->household_size ? p->household_size : UINT32_MAX;
    case ATTR_HOUSEHOLD_INCOME:
        return or_none(p->household_income);
    case ATTR_LANGUAGE:
        return or_none(p->language);
    case ATTR_OPENNESS:
    case ATTR_CONSCIENTIOUSNESS:
    case ATTR_EXTRAVERSION:
    case ATTR_AGREEABLENESS:
    case ATTR_NEUROTICISM:
        return or_none(p->ocean[id - ATTR_OPENNESS]);
    case ATTR_COUNTRY:
        return p->country;
    case ATTR_COUNT:
        break;
    }
    return UINT32_MAX;
}
