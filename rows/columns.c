/* columns.c - see columns.h. Sources are named as in the chapters of
 * data/README.md that the model carries. */
#include "rows/columns.h"

#include <string.h>

#define WORDS "phrases of this project, chosen by the other columns"

static const struct column columns[] = {
    {"uuid", "text", "UUIDv8 of (recipe, seed, row): stable between runs",
     "computed"},
    {"professional_persona", "text", "the person at work; null under 16",
     WORDS},
    {"sports_persona", "text", "sports played or followed; null under 6",
     WORDS},
    {"arts_persona", "text", "music, books, films, making; null under 6",
     WORDS},
    {"travel_persona", "text", "trips and how they are made; null under 6",
     WORDS},
    {"culinary_persona", "text", "food, cooking, eating out; null under 6",
     WORDS},
    {"persona", "text", "the person in one or two sentences", WORDS},
    {"cultural_background", "text", "where and among whom the person lives",
     WORDS},
    {"skills_and_expertise", "text",
     "what the person is good at; null "
     "under 16",
     WORDS},
    {"skills_and_expertise_list", "list of texts",
     "the same as a list; null "
     "under 16",
     WORDS},
    {"hobbies_and_interests", "text", "free time; null under 6", WORDS},
    {"hobbies_and_interests_list", "list of texts",
     "the same as a list; null "
     "under 6",
     WORDS},
    {"career_goals_and_ambitions", "text",
     "what the person wants at work; "
     "null under 16",
     WORDS},
    {"sex", "text", "`Male` or `Female`, as the Census asks",
     "ACS 2018 B01001"},
    {"age", "number", "years; 99 stands for 99 and over",
     "ACS 2018 B01001, PEP 2019, UN WPP 2019"},
    {"marital_status", "text", "six statuses",
     "ACS 2018 B12002, B12002A-G, NIST ACS excerpts"},
    {"education_level", "text", "highest level, or the school attended",
     "ACS 2018 B15001, B14003"},
    {"bachelors_field", "text",
     "field of the first bachelor's degree; null "
     "without one",
     "ACS 2018 B15010, B15011"},
    {"occupation", "text", "Census title; null for who does not work",
     "ACS 2018 B24010, B24114-B24116, BLS EP 2022"},
    {"city", "text", "place of 1,000 people or more", "GeoNames"},
    {"state", "text", "USPS code", "ACS 2018 B01001"},
    {"zipcode", "null", "always null, see below", "none"},
    {"country", "text", "country of residence", "the population's tables"},
    {"first_name", "text", "given name of the sex and year of birth",
     "SSA, Tzioumis 2018"},
    {"last_name", "text", "surname, by race and origin", "Census 2010"},
    {"race_ethnicity", "text", "seven races of the Census",
     "ACS 2018 B01001A-I"},
    {"hispanic", "text", "Hispanic or Latino origin, of any race",
     "ACS 2018 B03002"},
    {"employment_status", "text", "seven statuses", "ACS 2018 B23001"},
    {"income_usd", "number",
     "annual wage of who works, rounded to 100; null "
     "for the others",
     "BLS OEWS May 2021"},
    {"household", "object",
     "type, size, ages of own children at home, "
     "tenure, bracket of income",
     "ACS 2018 B09021, B25007, B25115, B19037, B13016, NIST ACS excerpts"},
    {"languages", "list of texts",
     "spoken at home; English for who speaks it very well",
     "ACS 2018 B16001, C16001"},
    {"ocean_openness", "number", "T score 20-80 (mean 50, sd 10)",
     "IPIP-NEO-120 norms"},
    {"ocean_conscientiousness", "number", "T score", "IPIP-NEO-120 norms"},
    {"ocean_extraversion", "number", "T score", "IPIP-NEO-120 norms"},
    {"ocean_agreeableness", "number", "T score", "IPIP-NEO-120 norms"},
    {"ocean_neuroticism", "number", "T score", "IPIP-NEO-120 norms"},
    {"provenance", "object",
     "row, seed, recipe and draw: what regenerates "
     "this row; if a model wrote the texts, which, its tokens, cost and time",
     "computed"},
};

#define NOT_KNOWN "null in every row: no table of the world has it", "none"

/* What the world's tables say otherwise. */
static const struct column world_columns[] = {
    {"sex", "text", "`Male` or `Female`, as the United Nations count",
     "UN WPP 2019"},
    {"age", "number", "years; 99 stands for 99 and over", "UN WPP 2019"},
    {"marital_status", "null", NOT_KNOWN},
    {"education_level", "null", NOT_KNOWN},
    {"bachelors_field", "null", NOT_KNOWN},
    {"occupation", "null", NOT_KNOWN},
    {"city", "text",
     "place of 30,000 people or more; null in countries "
     "without one",
     "GeoNames"},
    {"state", "null", NOT_KNOWN},
    {"country", "text", "ISO code of three letters", "UN WPP 2019"},
    {"first_name", "text",
     "given name, by rank in the country's list; null "
     "where there is no list",
     "Popular Names by Country, ONS"},
    {"last_name", "text",
     "surname, by rank in the country's list; null where "
     "there is no list",
     "Popular Names by Country"},
    {"race_ethnicity", "null", NOT_KNOWN},
    {"hispanic", "null", NOT_KNOWN},
    {"employment_status", "null", NOT_KNOWN},
    {"income_usd", "null", NOT_KNOWN},
    {"household", "null", NOT_KNOWN},
    {"languages", "null", NOT_KNOWN},
};

static const struct column *
find_in(const struct column *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].name, name) == 0) return &table[i];
    }
    return NULL;
}

const struct column *
column_find(const char *name, bool world)
{
    const struct column *c = NULL;

    if (world) c = find_in(world_columns, co_countof(world_columns), name);
    return c ? c : find_in(columns, co_countof(columns), name);
}
