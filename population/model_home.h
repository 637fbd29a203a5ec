/* model_home.h - the model's tables of home and character, part of struct
 * model. tools/compile/{marital,living,household,language,character}.py make
 * them and say what they are fitted to; sampler_marital.c, sampler_home.c and
 * sampler_character.c draw from them. "Ends" are prefix sums up to ENDS_ONE:
 * the drawn value is the first whose end is above a number below ENDS_ONE. */
#pragma once
#include "common/err.h"
#include "population/person.h"

enum { ENDS_ONE = 65535 };
enum {
    MARITAL_EDU_GROUPS = 4,
    HOME_WITHOUT = 5, /* arrangements of who has no spouse present */
    HOME_CLASSES = 3, /* never married, apart, widowed */
    HOME_BANDS = 3,   /* 18-34, 35-64, 65 and over */
    HOME_TYPES = 7,   /* household types, see enum household_type */
    HOME_KINDS = 3,   /* of income: alone, couple, other */
    HOME_EXTRAS = 6,  /* see enum home_extra */
    HOME_EXTRA_VALUES = 8,
    HOME_MOTHERS = 64,
    HOME_PARENTS_KINDS = 3, /* married, father alone, mother alone */
    KIDS_TYPES = 3,         /* spouse, partner, relatives */
    KIDS_COUNTS = PERSON_CHILDREN_MAX,
    KIDS_AGES = 18,
    PARENT_MIN_AGE = 15, /* first row of kids_age */
    MOTHER_MAX_AGE = 50, /* at birth */
    FATHER_MAX_AGE = 65,
    HERITAGES = 8, /* seven races, not Hispanic; then Hispanic */
    OCEAN_QUANTILES = 4096,
};
/* Size of the largest household: a couple or a child's parents, six
 * children, seven others. */
enum { HOUSEHOLD_MAX = 15 };

/* Of the householder, with and without own children under 18. */
enum household_type {
    TYPE_MARRIED_KIDS,
    TYPE_MARRIED,
    TYPE_MALE_KIDS,
    TYPE_MALE,
    TYPE_FEMALE_KIDS,
    TYPE_FEMALE,
    TYPE_NONFAMILY
};
/* Whom home_extra counts beyond. */
enum home_extra {
    EXTRA_SPOUSE,   /* both spouses and their children */
    EXTRA_PARTNER,  /* both partners and their children */
    EXTRA_PARENT,   /* a parent and the children */
    EXTRA_RELATIVE, /* the person alone; at least one */
    EXTRA_GROWN,    /* the grown child; at least one */
    EXTRA_HOUSEMATE /* the person alone; at least one */
};

struct model_home {
    /* Whether the model has these tables; without them people have no marital
     * status, home, languages and character (PERSON_NONE8). */
    bool there;

    /* Marital status: factors over the statuses, and rows by age. */
    const uint32_t *mar_age;  /* [state][sex][row][status] */
    const uint32_t *mar_race; /* [state][sex][race][status] */
    const uint32_t *mar_edu;  /* [sex][class][education group][status] */
    const uint8_t *mar_row, *mar_class, *mar_group; /* of age, of level */
    uint32_t mar_rows, mar_classes;

    const uint32_t *nation; /* [mar row][sex][HOME_CLASSES][HOME_WITHOUT] */
    const uint32_t *state;  /* [state][HOME_BANDS][HOME_WITHOUT] */

    const uint16_t *kids_any;     /* [state][sex][mar row][KIDS_TYPES] */
    const uint16_t *kids_count;   /* ends [couple or not][mar row][1..6] */
    const uint16_t *kids_age;     /* ends [sex][age - 15][0..17] */
    const uint16_t *kids_sibs;    /* ends [couple or not][1..6] */
    const uint16_t *kids_parents; /* ends [state][race][3] */
    const uint8_t *mother;        /* quantiles of mothers' ages at birth */

    const uint16_t *extra;  /* ends [HOME_EXTRAS][mar row][0..7] */
    const uint16_t *owner;  /* [state][owner row][HOME_TYPES] */
    const uint16_t *income; /* ends [state][income row][HOME_KINDS][16] */
    const uint8_t *owner_row, *income_row; /* of the householder's age */
    uint32_t owner_rows, income_rows;
    const uint32_t *brackets; /* low end of each income bracket, dollars */

    const uint16_t *lang;       /* ends [state][HERITAGES][language] */
    const uint16_t *lang_well;  /* [state][group]: speaks English very well */
    const uint8_t *lang_group;  /* of a language */
    uint32_t languages, groups; /* languages with English, groups likewise */

    const int16_t *ocean_z; /* normal quantiles, 4096 = 1 */
    const int32_t *ocean_t; /* [scale][sex][row]{mean, sd}, 65536 = 1 point */
    const uint8_t *ocean_row;
    uint32_t ocean_rows;
};
