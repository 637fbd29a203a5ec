/* person.h - one drawn person, as indices into the model's pools.
 * A plain value: copy it freely, nothing to release. */
#pragma once
#include "common/base.h"

enum { PERSON_NO_OCCUPATION = 0xffff };
enum {
    PERSON_NONE8 = 0xff,
    PERSON_NONE16 = 0xffff
}; /* no such value: for bytes that may lack one */
enum { PERSON_CHILDREN_MAX = 6 }; /* children told apart; more count as six */

enum { PERSON_USERS = 16 };

/* With whom a person lives. Group quarters (dormitories, barracks, prisons,
 * nursing homes) are not modelled: everyone lives in a household. */
enum person_home {
    HOME_ALONE,
    HOME_SPOUSE,
    HOME_PARTNER,      /* unmarried */
    HOME_PARENTS,      /* adult child of the householder */
    HOME_RELATIVES,    /* other relatives, or own children without a spouse */
    HOME_NONRELATIVES, /* housemates */
    HOME_CHILD,        /* under 18: child or relative of the householder */
    HOME_COUNT
};
enum person_tenure { TENURE_OWNER, TENURE_RENTER, TENURE_COUNT };
enum person_english { ENGLISH_VERY_WELL, ENGLISH_LESS };
enum person_ocean { OCEAN_O, OCEAN_C, OCEAN_E, OCEAN_A, OCEAN_N, OCEAN_COUNT };
enum { OCEAN_MIN = 20, OCEAN_MAX = 80 };
enum { PERSON_BRACKETS = 16 }; /* of household income, as in ACS B19037 */

struct person {
    uint64_t row;  /* candidate index */
    uint32_t draw; /* 0, or the number of logical re-draws by gates */
    uint8_t state, sex, age, age_group, race;
    uint8_t country;  /* in a model of states: 0 */
    uint8_t hispanic; /* 0 or 1; decides names and heritage phrases */
    uint8_t education, marital, employment;
    /* Field of the first bachelor's degree, an index into the pool of
     * fields; PERSON_NONE8 for who has none. */
    uint8_t degree_field;
    /* Present occupation (people employed or in the armed forces), else
     * PERSON_NO_OCCUPATION. */
    uint16_t occupation;
    /* Last occupation of the retired and the unemployed: for the prose. */
    uint16_t former;
    uint16_t first, last, city;
    /* Annual wage of who works, in dollars rounded to 100; 0 = none. */
    uint32_t income_usd;

    uint8_t arrangement; /* enum person_home */
    uint8_t tenure;      /* enum person_tenure, of the household */
    uint8_t household_size;
    /* Own children under 18 at home, and their ages, falling. */
    uint8_t children, child_age[PERSON_CHILDREN_MAX];
    uint8_t household_income; /* bracket, 0..PERSON_BRACKETS - 1 */
    /* Spoken at home, an index into the pool of languages: 0 is English
     * only. Under 5 it is the language of the household. */
    uint8_t language;
    uint8_t english;            /* enum person_english */
    uint8_t ocean[OCEAN_COUNT]; /* T scores, OCEAN_MIN..OCEAN_MAX */
    /* A user's own columns: the value's number, or PERSON_NONE8. */
    uint8_t user[PERSON_USERS];
};
