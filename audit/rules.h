/* rules.h - what must be true of every person, as one table.
 * The sampler keeps most of these by construction; the worker checks them on
 * every accepted row all the same and counts what fails, so that the report
 * can say "0 of 1,000,000" instead of "by construction". docs/population.md
 * lists the same table (a test compares them); tools/check_rows.py checks the
 * rules again, from the rows alone. A value that a population does not have
 * (no occupation, no state) breaks no rule.
 * Thread-safe after rules_new: only read. */
#pragma once
#include "population/attributes.h"

/* Numbers stand in the deltas of range results: append only. */
enum rule_id {
    RULE_SCHOOLING,
    RULE_MARRIED,
    RULE_WORKING_AGE,
    RULE_OCCUPATION,
    RULE_DEGREE,
    RULE_YOUNGEST,
    RULE_RETIRED,
    RULE_ARMED,
    RULE_CITY,
    RULE_NAME_YEAR,
    RULE_SPOUSE,
    RULE_CHILD,
    RULE_HOUSEHOLD_SIZE,
    RULE_CHILDREN,
    RULE_HOUSEHOLD_INCOME,
    RULE_OCEAN,
    RULE_FIELD,
    RULE_INCOME,
    RULE_COUNT
};

struct rule {
    const char *name; /* short, stable: stands in report.json */
    const char *text; /* a sentence for people */
};

struct rules; /* opaque: a set of names by year of birth, some 250 KB */

co_must_use enum co_err rules_new(const struct model *m,
                                  struct rules **ret_rules);
void rules_free(struct rules *r);
CO_DEFINE_FREEP(struct rules, rules_free)

const struct rule *rule_get(enum rule_id id);
/* Whether the model knows what the rule is about; of the world it knows
 * little. A rule that it does not speak of holds. */
bool rule_speaks(const struct model *m, enum rule_id id);
/* Whether the person keeps the rule. */
bool rule_holds(const struct rules *r, enum rule_id id, const struct person *p);
/* A bit for every rule that is broken; 0 for nearly everyone. */
uint64_t rules_broken(const struct rules *r, const struct person *p);
