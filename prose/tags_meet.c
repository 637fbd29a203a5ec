/* tags_meet.c - which values can meet in one person (see tags.h): ages and
 * stages, groups of occupations and kinds of work, states and regions. */
#include "prose/tags.h"

#include <string.h>

/* Ages of a stage; adults' stages begin at 18. */
static bool
stage_meets_age(uint32_t stage, uint32_t band)
{
    static const uint8_t ages_of[STAGE_COUNT][2] = {
        [STAGE_INFANT] = {0, 0},       [STAGE_TODDLER] = {1, 2},
        [STAGE_PRESCHOOL] = {3, 5},    [STAGE_CHILD] = {6, 10},
        [STAGE_MIDDLE] = {11, 13},     [STAGE_TEEN] = {14, 17},
        [STAGE_TEEN_WORK] = {16, 17},  [STAGE_STUDENT] = {18, 99},
        [STAGE_EMPLOYED] = {18, 99},   [STAGE_ARMED] = {18, 99},
        [STAGE_UNEMPLOYED] = {18, 99}, [STAGE_RETIRED] = {50, 99},
        [STAGE_OUTSIDE] = {18, 59},    [STAGE_OUTSIDE_OLD] = {60, 99},
        [STAGE_ADULT] = {18, 99},
    };

    return ages_of[stage][0] <= tags_age_to(band) &&
           ages_of[stage][1] >= tags_age_from(band);
}

/* Who has an occupation, or had one. */
static bool
stage_meets_field(uint32_t stage, uint32_t field)
{
    bool works = stage == STAGE_TEEN_WORK || stage == STAGE_EMPLOYED ||
                 stage == STAGE_UNEMPLOYED || stage == STAGE_RETIRED;

    if (stage == STAGE_ARMED) return field == FIELD_ARMED;
    return works ? field < FIELD_ARMED : field == FIELD_NONE;
}

static bool
stage_meets_income(uint32_t stage, uint32_t income)
{
    return income == 0 || stage == STAGE_TEEN_WORK || stage == STAGE_EMPLOYED ||
           stage == STAGE_ARMED;
}

/* Under 13 everyone is in the school of the age; no degree before 18. */
static bool
age_meets_edu(uint32_t band, uint32_t edu)
{
    if (band < 2) return edu == 0;
    return band > 2 || edu < TAG_EDU_ASSOCIATE;
}

static bool
age_meets_home(uint32_t band, uint32_t home)
{
    return (band <= 2) == (home == HOME_CHILD);
}

/* The cohort is the decade of birth, of tables of 2015-2024. */
static bool
age_meets_cohort(uint32_t band, uint32_t cohort)
{
    uint32_t from = 2015 - tags_age_to(band), to = 2024 - tags_age_from(band);
    uint32_t first = 1910 + 10 * cohort;

    if (cohort + 1 == tags_count(CLASS_COHORT)) return to >= first;
    return from <= first + 9 && to >= first;
}

/* The letter of each group: the interest that leads among its occupations,
 * judged group by group along the Holland types. */
static const char group_interest[TAG_GROUPS + 1] =
    "NEEEEEEEEECCIIIRIAIRIIRSSEECSSSSSCSAAAISSSIRSSSERERRRERSEREERREASSSEECEEEE"
    "ECCCCCCCCERRERRRRRRRRERRERRRRRRRRERRRRRRRR";

uint32_t
tags_group_interest(uint32_t group)
{
    const char *at = strchr("RIASEC", group_interest[group]);

    return at ? (uint32_t)(at - "RIASEC") : 6;
}

/* The last group (1-based, ACS B24010 leaf order) of each field's run. */
uint32_t
tags_group_field(uint32_t group)
{
    static const struct {
        uint8_t last, field;
    } runs[] = {
        {5, FIELD_MANAGE},    {6, FIELD_FARM},        {7, FIELD_MANAGE},
        {11, FIELD_BUSINESS}, {16, FIELD_COMPUTER},   {19, FIELD_ENGINEER},
        {22, FIELD_SCIENCE},  {24, FIELD_COMMUNITY},  {27, FIELD_LEGAL},
        {34, FIELD_TEACH},    {37, FIELD_ARTS},       {46, FIELD_HEALTH},
        {52, FIELD_PROTECT},  {57, FIELD_FOOD},       {61, FIELD_GROUNDS},
        {66, FIELD_SERVICE},  {73, FIELD_SALES},      {79, FIELD_OFFICE},
        {80, FIELD_MOVE},     {82, FIELD_OFFICE},     {85, FIELD_FARM},
        {94, FIELD_BUILD},    {97, FIELD_REPAIR},     {106, FIELD_MAKE},
        {109, FIELD_MOVE},    {112, FIELD_TRANSPORT},
    };

    if (group == 0) return FIELD_NONE;
    for (size_t i = 0; i < co_countof(runs); i++) {
        if (group <= runs[i].last) return runs[i].field;
    }
    return FIELD_MOVE;
}

uint32_t
tags_state_region(uint32_t state)
{
    static const char regions[TAG_STATES + 1] =
        "8567870444483722356040233574330177126810435674082479";

    return (uint32_t)(regions[state] - '0');
}

/* Groups say all about field and interest; soldiers have none. */
static bool
group_meets_field(uint32_t group, uint32_t field)
{
    if (field == FIELD_ARMED) return group == 0;
    return tags_group_field(group) == field;
}

static bool
field_meets_interest(uint32_t field, uint32_t interest)
{
    bool none = field == FIELD_NONE || field == FIELD_ARMED;

    if (none != (interest == tags_group_interest(0))) return false;
    for (uint32_t g = 1; g < TAG_GROUPS && !none; g++) {
        if (tags_group_field(g) == field &&
            tags_group_interest(g) == interest) {
            return true;
        }
    }
    return none;
}

/* Education, marital status and home are unknown of those of whom work is
 * unknown too, and of nobody else. */
static bool
stage_meets_unknown(uint32_t stage, enum tag_class c, uint32_t value)
{
    return value + 1 < tags_count(c) || stage == STAGE_ADULT;
}

static bool
stage_meets(uint32_t stage, enum tag_class c, uint32_t value)
{
    switch (c) {
    case CLASS_EDU:
    case CLASS_MARITAL:
    case CLASS_HOME:
        return stage_meets_unknown(stage, c, value);
    case CLASS_AGE:
        return stage_meets_age(stage, value);
    case CLASS_FIELD:
        return stage_meets_field(stage, value);
    case CLASS_INCOME:
        return stage_meets_income(stage, value);
    default:
        return true;
    }
}

static bool
age_meets(uint32_t age, enum tag_class c, uint32_t value)
{
    switch (c) {
    case CLASS_EDU:
        return age_meets_edu(age, value);
    case CLASS_HOME:
        return age_meets_home(age, value);
    case CLASS_COHORT:
        return age_meets_cohort(age, value);
    case CLASS_MARITAL:
    case CLASS_KIDS:
        return age > 2 || value == 0;
    default:
        return true;
    }
}

static bool
field_meets(uint32_t field, enum tag_class c, uint32_t value)
{
    if (c == CLASS_GROUP) return group_meets_field(value, field);
    return c != CLASS_INTEREST || field_meets_interest(field, value);
}

/* Of a pair in the order of the classes. */
static bool
meet(enum tag_class a, uint32_t va, enum tag_class b, uint32_t vb)
{
    switch (a) {
    case CLASS_STAGE:
        return stage_meets(va, b, vb);
    case CLASS_AGE:
        return age_meets(va, b, vb);
    case CLASS_FIELD:
        return field_meets(va, b, vb);
    case CLASS_INTEREST:
        return b != CLASS_GROUP || tags_group_interest(vb) == va;
    case CLASS_REGION:
        return b != CLASS_STATE || tags_state_region(vb) == va;
    default:
        return true;
    }
}

bool
tags_meet(enum tag_class a, uint32_t value_a, enum tag_class b,
          uint32_t value_b)
{
    return a < b ? meet(a, value_a, b, value_b) : meet(b, value_b, a, value_a);
}
