/* tags.c - see tags.h. The classes, their and their names. Which
 * values can meet is in tags_meet.c, making a person's in tags_person.c. */
#include "prose/tags.h"

#include <stdio.h>
#include <string.h>

static const char *const stages[] = {
    "infant",     "toddler",   "preschool", "child",       "middle",
    "teen",       "teen_work", "student",   "employed",    "armed",
    "unemployed", "retired",   "outside",   "outside_old", "adult"};
static const uint8_t age_from[TAG_AGES + 1] = {0,  6,  13, 18, 25,
                                               35, 50, 65, 80, 100};
static const char *const ages[] = {"0-5",   "6-12",  "13-17", "18-24", "25-34",
                                   "35-49", "50-64", "65-79", "80-99"};
static const char *const sexes[] = {"m", "f"};
static const char *const fields[] = {
    "manage",  "business", "computer",  "engineer", "science", "community",
    "legal",   "teach",    "arts",      "health",   "protect", "food",
    "grounds", "service",  "sales",     "office",   "farm",    "build",
    "repair",  "make",     "transport", "move",     "armed",   "none"};
static const char *const regions[] = {"new_england",
                                      "mid_atlantic",
                                      "east_north_central",
                                      "west_north_central",
                                      "south_atlantic",
                                      "east_south_central",
                                      "west_south_central",
                                      "mountain",
                                      "pacific",
                                      "abroad"};
static const char *const towns[] = {"village", "small", "town", "city",
                                    "metro"};
static const char *const edus[] = {"child",    "none",      "high",
                                   "some",     "associate", "bachelor",
                                   "graduate", "unknown"};
static const char *const maritals[] = {"never",   "married",  "separated",
                                       "widowed", "divorced", "unknown"};
static const char *const homes[] = {"alone",   "spouse",    "partner",
                                    "parents", "relatives", "nonrelatives",
                                    "child",   "unknown"};
static const char *const kids[] = {"none", "young", "school", "teen"};
static const char *const tenures[] = {"owner", "renter", "unknown"};
static const char *const incomes[] = {"none", "low", "mid", "high"};
static const char *const thirds[] = {"low", "mid", "high"};
static const char *const langs[] = {"english", "other", "unknown"};
static const char *const heritages[] = {"white", "black",   "native",
                                        "asian", "pacific", "other",
                                        "multi", "hispanic"};
static const char *const interests[] = {"R", "I", "A", "S", "E", "C", "none"};
static const char *const cohorts[] = {"1910s", "1920s", "1930s", "1940s",
                                      "1950s", "1960s", "1970s", "1980s",
                                      "1990s", "2000s", "2010s"};
static const char *const states[TAG_STATES] = {
    "AK", "AL", "AR", "AZ", "CA", "CO", "CT", "DC",  "DE", "FL", "GA",
    "HI", "IA", "ID", "IL", "IN", "KS", "KY", "LA",  "MA", "MD", "ME",
    "MI", "MN", "MO", "MS", "MT", "NC", "ND", "NE",  "NH", "NJ", "NM",
    "NV", "NY", "OH", "OK", "OR", "PA", "RI", "SC",  "SD", "TN", "TX",
    "UT", "VA", "VT", "WA", "WI", "WV", "WY", "none"};

struct class_info {
    const char *name;
    const char *const *values; /* NULL: numbers */
    uint16_t count, bit;
};

#define CLASS(name, values, bit)                                               \
    {                                                                          \
        name, values, co_countof(values), bit                                  \
    }

static const struct class_info classes[CLASS_COUNT] = {
    [CLASS_STAGE] = CLASS("stage", stages, 0),
    [CLASS_AGE] = CLASS("age", ages, 15),
    [CLASS_SEX] = CLASS("sex", sexes, 24),
    [CLASS_FIELD] = CLASS("field", fields, 26),
    [CLASS_REGION] = CLASS("region", regions, 50),
    [CLASS_TOWN] = CLASS("town", towns, 60),
    [CLASS_EDU] = CLASS("edu", edus, 65),
    [CLASS_MARITAL] = CLASS("marital", maritals, 73),
    [CLASS_HOME] = CLASS("home", homes, 79),
    [CLASS_KIDS] = CLASS("kids", kids, 87),
    [CLASS_TENURE] = CLASS("tenure", tenures, 91),
    [CLASS_INCOME] = CLASS("income", incomes, 94),
    [CLASS_O] = CLASS("O", thirds, 98),
    [CLASS_C] = CLASS("C", thirds, 101),
    [CLASS_E] = CLASS("E", thirds, 104),
    [CLASS_A] = CLASS("A", thirds, 107),
    [CLASS_N] = CLASS("N", thirds, 110),
    [CLASS_LANG] = CLASS("lang", langs, 113),
    [CLASS_HERITAGE] = CLASS("heritage", heritages, 116),
    [CLASS_INTEREST] = CLASS("interest", interests, 124),
    [CLASS_COHORT] = CLASS("cohort", cohorts, 131),
    [CLASS_GROUP] = {"group", NULL, TAG_GROUPS, 142},
    [CLASS_STATE] = CLASS("state", states, 258),
};

const char *
tags_class_name(enum tag_class c)
{
    return classes[c].name;
}

uint32_t
tags_count(enum tag_class c)
{
    return classes[c].count;
}

uint32_t
tags_bit(enum tag_class c)
{
    return classes[c].bit;
}

const char *
tags_value_name(enum tag_class c, uint32_t value, char buf[16])
{
    co_assert(value < classes[c].count);
    if (classes[c].values) return classes[c].values[value];
    if (value == 0) return "none";
    (void)snprintf(buf, 16, "%u", (unsigned)value);
    return buf;
}

static bool
same_name(const char *known, const char *name, size_t len)
{
    return strlen(known) == len && memcmp(known, name, len) == 0;
}

enum co_err
tags_find_class(const char *name, size_t len, enum tag_class *ret_class)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        if (!same_name(classes[c].name, name, len)) continue;
        *ret_class = (enum tag_class)c;
        return CO_OK;
    }
    return CO_NOTFOUND;
}

enum co_err
tags_find_value(enum tag_class c, const char *name, size_t len,
                uint32_t *ret_value)
{
    char buf[16];

    for (uint32_t v = 0; v < classes[c].count; v++) {
        if (!same_name(tags_value_name(c, v, buf), name, len)) continue;
        *ret_value = v;
        return CO_OK;
    }
    return CO_NOTFOUND;
}

uint32_t
tags_age_from(uint32_t band)
{
    return age_from[band];
}

uint32_t
tags_age_to(uint32_t band)
{
    return age_from[band + 1] - 1U;
}
