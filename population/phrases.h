/* phrases.h - the built-in writer's own phrases, as tables.
 * Slots in braces are single letters (prose.c lists them). Phrases hold no
 * character that JSON escapes; a test reads them all. Predicates are in the
 * third person singular. Changing a phrase changes rows: see generator.h. */
#pragma once
#include "common/base.h"

struct phrases {
    const char *const *at;
    uint32_t count;
};

/* Kinds of work, each with clauses of its own. */
enum phrase_field {
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
    FIELD_COUNT
};

/* Stages of life with openings and clauses of their own. */
enum phrase_stage {
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
    STAGE_COUNT
};

enum { PHRASE_COHORTS = 10, PHRASE_STATE_THINGS = 4 };

struct phrase_state {
    const char *code, *region /* with its preposition */,
        *things[PHRASE_STATE_THINGS];
};

struct phrases phrases_opening(enum phrase_stage stage);
/* What children, students and people without work do: predicates. */
struct phrases phrases_stage(enum phrase_stage stage);
struct phrases phrases_work(enum phrase_field field);
/* The field of a group of occupations (0-based, as in the model). */
enum phrase_field phrases_field_of(uint32_t group);
struct phrases phrases_pastime(uint32_t age);
/* Adjectives; not all of them can stand before a noun. */
struct phrases phrases_trait(bool before_noun);
/* When people with a job do other things: adverbials. */
struct phrases phrases_off_time(void);
struct phrases phrases_family(void);
/* What people born in a year share; noun phrases. */
struct phrases phrases_cohort(uint32_t birth_year);
struct phrases phrases_background(bool child);
/* The state's colours; NULL for a code that is not in the table. */
const struct phrase_state *phrases_state(const char *code, size_t len);
