/* attributes.h - what a person has, once: `where` conditions, the audit and
 * the row writer all go through this table. A new column of the deep graph
 * starts with a line here.
 * Thread-safe: constant tables and an open model. */
#pragma once
#include "population/model.h"
#include "population/person.h"

enum attribute_id {
    ATTR_STATE,
    ATTR_SEX,
    ATTR_AGE,
    ATTR_RACE,
    ATTR_HISPANIC,
    ATTR_EDUCATION,
    ATTR_MARITAL,
    ATTR_EMPLOYMENT,
    ATTR_OCCUPATION,
    ATTR_FIRST_NAME,
    ATTR_LAST_NAME,
    ATTR_CITY,
    ATTR_HOUSEHOLD_TYPE,
    ATTR_TENURE,
    ATTR_HOUSEHOLD_SIZE,
    ATTR_HOUSEHOLD_INCOME,
    ATTR_LANGUAGE,
    ATTR_OPENNESS,
    ATTR_CONSCIENTIOUSNESS,
    ATTR_EXTRAVERSION,
    ATTR_AGREEABLENESS,
    ATTR_NEUROTICISM,
    ATTR_FIELD,
    ATTR_INCOME,
    ATTR_COUNTRY,
    ATTR_COUNT
};

/* A user's columns follow: number k is (enum attribute_id)(ATTR_USER + k). */
enum { ATTR_USER = ATTR_COUNT, ATTR_ALL = ATTR_COUNT + MODEL_USERS };

enum attribute_kind { ATTR_LABELS, ATTR_INTEGER };

struct attribute {
    const char *name; /* as in the row and in `where` */
    enum attribute_kind kind;
    bool root; /* part of the main joint: conditions cost nothing */
    const char *help;
};

/* Of the built-in ones only. */
const struct attribute *attribute_get(enum attribute_id id);
/* The name and kind of any attribute of the model, a user's columns too. */
const char *attribute_name(const struct model *m, enum attribute_id id);
enum attribute_kind attribute_kind(enum attribute_id id);
/* The same as attribute_find, a user's columns included. */
co_must_use enum co_err attribute_find_in(const struct model *m,
                                          const char *name,
                                          enum attribute_id *ret_id);
/* The attribute of that name; CO_NOTFOUND otherwise. */
co_must_use enum co_err attribute_find(const char *name,
                                       enum attribute_id *ret_id);
/* How many values it has; integers run from 0 to the count - 1. */
uint32_t attribute_values(const struct model *m, enum attribute_id id);
/* Label of a value (asserted to exist); {NULL, 0} for integers. */
struct model_text attribute_label(const struct model *m, enum attribute_id id,
                                  uint32_t value);
/* Whether text names the value: its label, whatever the case; for a state
 * its code too. Several values may match (towns of the same name). */
bool attribute_matches(const struct model *m, enum attribute_id id,
                       uint32_t value, const char *text);
/* The person's value, or UINT32_MAX when there is none (no occupation). */
uint32_t attribute_of(const struct person *p, enum attribute_id id);
