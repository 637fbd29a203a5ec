/* person.h - one drawn person, as indices into the model's pools.
 * A plain value: copy it freely, nothing to release. */
#pragma once
#include "common/base.h"

enum { PERSON_NO_OCCUPATION = 0xffff };

struct person {
    uint64_t row;  /* candidate index */
    uint32_t draw; /* 0, or the number of logical re-draws by gates */
    uint8_t state, sex, age, age_group, race;
    uint8_t hispanic; /* 0 or 1; decides names and heritage phrases */
    uint8_t education, marital, employment;
    /* Present occupation (people employed or in the armed forces), else
     * PERSON_NO_OCCUPATION. */
    uint16_t occupation;
    /* Last occupation of the retired and the unemployed: for the prose. */
    uint16_t former;
    uint16_t first, last, city;
};
