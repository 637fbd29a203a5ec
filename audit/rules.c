/* rules.c - see rules.h. */
#include "audit/rules.h"

#include "population/sampler.h"

#include <stdlib.h>

enum {
    MARRIED_AGE = 18,
    WORKING_AGE = 16,
    RETIRED_AGE = 50,
    ARMED_AGE = 18,
};

struct rules {
    const struct model *m;
    uint8_t *named; /* [sex][age][name], a bit each */
    size_t row_bytes;
};

/* Youngest age of a level: years of schooling + 5. */
static const uint8_t level_age[EDU_COUNT] = {
    [EDU_NOT_YET] = 0,     [EDU_PRESCHOOL] = 3, [EDU_ELEMENTARY] = 5,
    [EDU_MIDDLE] = 11,     [EDU_HIGH_NOW] = 14, [EDU_UNDER_9] = 14,
    [EDU_NO_DIPLOMA] = 14, [EDU_HIGH] = 17,     [EDU_SOME_COLLEGE] = 18,
    [EDU_ASSOCIATE] = 20,  [EDU_BACHELOR] = 21, [EDU_GRADUATE] = 23,
};

static bool
schooling(const struct rules *r, const struct person *p)
{
    (void)r;
    return p->education >= EDU_COUNT || p->age >= level_age[p->education];
}

static bool
married(const struct rules *r, const struct person *p)
{
    (void)r;
    return p->marital >= MARITAL_COUNT || p->marital == MARITAL_NEVER ||
           p->age >= MARRIED_AGE;
}

static bool
working_age(const struct rules *r, const struct person *p)
{
    (void)r;
    return p->employment >= EMPLOY_COUNT ||
           (p->employment == EMPLOY_UNDER_16) == (p->age < WORKING_AGE);
}

static bool
has_occupation(const struct rules *r, const struct person *p)
{
    bool works =
        p->employment == EMPLOY_EMPLOYED || p->employment == EMPLOY_ARMED;

    (void)r;
    return p->employment >= EMPLOY_COUNT ||
           works == (p->occupation != PERSON_NO_OCCUPATION);
}

/* A civilian title of the model, or none. */
static bool
has_title(const struct rules *r, const struct person *p)
{
    return p->occupation < r->m->occupations && p->education < EDU_COUNT;
}

static bool
degree(const struct rules *r, const struct person *p)
{
    uint32_t level =
        p->education <= EDU_NO_DIPLOMA ? 0 : p->education - EDU_NO_DIPLOMA;

    return !has_title(r, p) ||
           r->m->occ_v[p->occupation * MODEL_OCC_LEVELS + level] > 0;
}

static bool
youngest(const struct rules *r, const struct person *p)
{
    return !has_title(r, p) || p->age >= r->m->occ_age[p->occupation];
}

static bool
retired(const struct rules *r, const struct person *p)
{
    (void)r;
    return p->employment != EMPLOY_RETIRED || p->age >= RETIRED_AGE;
}

static bool
armed(const struct rules *r, const struct person *p)
{
    (void)r;
    return p->employment != EMPLOY_ARMED || p->age >= ARMED_AGE;
}

static bool
city_in_state(const struct rules *r, const struct person *p)
{
    uint32_t place = r->m->world ? p->country : p->state;

    return place >= r->m->states || p->city == PERSON_NONE16 ||
           (p->city >= r->m->city_row[place] &&
            p->city < r->m->city_row[place + 1]);
}

static size_t
name_row(const struct rules *r, const struct person *p)
{
    return ((size_t)p->sex * MODEL_AGES + p->age) * r->row_bytes;
}

static bool
name_of_year(const struct rules *r, const struct person *p)
{
    return p->first >= r->m->first.count ||
           (r->named[name_row(r, p) + p->first / 8] >> p->first % 8 & 1);
}

/* Whether the model says anything about homes. */
static bool
has_home(const struct person *p)
{
    return p->arrangement < HOME_COUNT;
}

static bool
spouse(const struct rules *r, const struct person *p)
{
    (void)r;
    return !has_home(p) ||
           (p->arrangement == HOME_SPOUSE) == (p->marital == MARITAL_MARRIED);
}

static bool
child(const struct rules *r, const struct person *p)
{
    (void)r;
    return !has_home(p) ||
           (p->arrangement == HOME_CHILD) == (p->age < MARRIED_AGE);
}

static bool
household_size(const struct rules *r, const struct person *p)
{
    bool couple =
        p->arrangement == HOME_SPOUSE || p->arrangement == HOME_PARTNER;

    (void)r;
    return !has_home(p) ||
           ((p->arrangement == HOME_ALONE) == (p->household_size == 1) &&
            p->household_size >= 1 + couple + p->children &&
            p->household_size <= HOUSEHOLD_MAX);
}

/* Falling ages under 18, of a parent of 15 and over at birth and not too
 * old; the parent heads the household or is the head's partner. */
static bool
children(const struct rules *r, const struct person *p)
{
    uint32_t oldest = p->sex ? MOTHER_MAX_AGE : FATHER_MAX_AGE;

    (void)r;
    if (!has_home(p) || p->children == 0) return true;
    if (p->children > PERSON_CHILDREN_MAX ||
        (p->arrangement != HOME_SPOUSE && p->arrangement != HOME_PARTNER &&
         p->arrangement != HOME_RELATIVES)) {
        return false;
    }
    for (uint32_t i = 0; i < p->children; i++) {
        uint32_t age = p->child_age[i];

        if (age >= KIDS_AGES || p->age < age + PARENT_MIN_AGE ||
            p->age > age + oldest ||
            (i && age >= (uint32_t)p->child_age[i - 1])) {
            return false;
        }
    }
    return true;
}

static bool
household_income(const struct rules *r, const struct person *p)
{
    return p->household_income >= PERSON_BRACKETS ||
           p->household_income >= sampler_bracket(r->m, p->income_usd);
}

static bool
ocean(const struct rules *r, const struct person *p)
{
    (void)r;
    for (uint32_t k = 0; k < OCEAN_COUNT; k++) {
        if (p->ocean[k] == PERSON_NONE8) continue;
        if (p->ocean[k] < OCEAN_MIN || p->ocean[k] > OCEAN_MAX) return false;
    }
    return true;
}

static bool
field(const struct rules *r, const struct person *p)
{
    (void)r;
    return p->education >= EDU_COUNT ||
           (p->education >= EDU_BACHELOR) == (p->degree_field != PERSON_NONE8);
}

static bool
income(const struct rules *r, const struct person *p)
{
    const uint16_t *cut;

    if (p->occupation > r->m->occupations) return p->income_usd == 0;
    cut = r->m->work.pay_cut + (size_t)p->occupation * PAY_CUTS;
    return p->income_usd % PAY_UNIT == 0 &&
           p->income_usd >= (uint32_t)cut[0] * PAY_UNIT &&
           p->income_usd < (uint32_t)cut[PAY_BANDS] * PAY_UNIT;
}

static const struct {
    struct rule rule;
    bool (*holds)(const struct rules *r, const struct person *p);
} rules[RULE_COUNT] = {
    [RULE_SCHOOLING] = {{"schooling",
                         "The age is at least the years of schooling of the "
                         "education level plus five."},
                        schooling},
    [RULE_MARRIED] = {{"married", "Who is or was married is 18 or older."},
                      married},
    [RULE_WORKING_AGE] = {{"working_age",
                           "The employment status is `Under 16` exactly for "
                           "those under 16."},
                          working_age},
    [RULE_OCCUPATION] = {{"occupation",
                          "Exactly those employed or in the armed forces "
                          "have an occupation."},
                         has_occupation},
    [RULE_DEGREE] = {{"degree",
                      "The education level is one that the occupation's "
                      "workers have, and the degree that it needs."},
                     degree},
    [RULE_YOUNGEST] = {{"youngest",
                        "Nobody is younger than the occupation's entry "
                        "education and experience take."},
                       youngest},
    [RULE_RETIRED] = {{"retired", "Who is retired is 50 or older."}, retired},
    [RULE_ARMED] = {{"armed", "Who is in the armed forces is 18 or older."},
                    armed},
    [RULE_CITY] = {{"city", "The city lies in the state, or in the country."},
                   city_in_state},
    [RULE_NAME_YEAR] = {{"name_year",
                         "The given name was given to that sex in the year "
                         "of birth."},
                        name_of_year},
    [RULE_SPOUSE] = {{"spouse",
                      "Exactly those married with the spouse present live "
                      "with a spouse."},
                     spouse},
    [RULE_CHILD] = {{"child",
                     "Exactly those under 18 are children of the household."},
                    child},
    [RULE_HOUSEHOLD_SIZE] = {{"household_size",
                              "The household counts the person, the spouse or "
                              "partner and the children; exactly who lives "
                              "alone is one."},
                             household_size},
    [RULE_CHILDREN] = {{"children",
                        "Own children at home are under 18, at least 15 years "
                        "younger than the parent, at most 50 than a mother "
                        "and 65 than a father, and of different ages."},
                       children},
    [RULE_HOUSEHOLD_INCOME] = {{"household_income",
                                "The household's income bracket is not below "
                                "the person's own income."},
                               household_income},
    [RULE_OCEAN] = {{"ocean", "OCEAN scores lie between 20 and 80."}, ocean},
    [RULE_FIELD] = {{"bachelors_field",
                     "Exactly who has a bachelor's or a graduate degree has a "
                     "field of degree."},
                    field},
    [RULE_INCOME] = {{"income",
                      "Exactly who has an occupation has an income, between "
                      "the ends of the occupation's wages."},
                     income},
};

static void
mark_names(struct rules *r)
{
    const struct model *m = r->m;
    uint32_t rows = m->first_rows < MODEL_SEXES * MODEL_AGES
                        ? m->first_rows
                        : MODEL_SEXES * MODEL_AGES;

    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t k = m->first_row[row]; k < m->first_row[row + 1]; k++) {
            uint32_t name = m->first_id[k];

            r->named[row * r->row_bytes + name / 8] |=
                (uint8_t)(1U << name % 8);
        }
    }
}

enum co_err
rules_new(const struct model *m, struct rules **ret_rules)
{
    co_auto(rules_freep) struct rules *r = calloc(1, sizeof *r);

    if (!r) return CO_NOMEM;
    r->m = m;
    r->row_bytes = m->first.count / 8 + 1;
    r->named = calloc((size_t)MODEL_SEXES * MODEL_AGES, r->row_bytes);
    if (!r->named) return CO_NOMEM;
    mark_names(r);
    *ret_rules = co_take(&r);
    return CO_OK;
}

void
rules_free(struct rules *r)
{
    if (!r) return;
    free(r->named);
    free(r);
}

const struct rule *
rule_get(enum rule_id id)
{
    co_assert(id < RULE_COUNT);
    return &rules[id].rule;
}

bool
rule_speaks(const struct model *m, enum rule_id id)
{
    return !m->world || id == RULE_OCEAN || id == RULE_CITY;
}

bool
rule_holds(const struct rules *r, enum rule_id id, const struct person *p)
{
    co_assert(id < RULE_COUNT);
    return !rule_speaks(r->m, id) || rules[id].holds(r, p);
}

uint64_t
rules_broken(const struct rules *r, const struct person *p)
{
    uint64_t broken = 0;

    for (unsigned id = 0; id < RULE_COUNT; id++) {
        if (rule_speaks(r->m, (enum rule_id)id) && !rules[id].holds(r, p)) {
            broken |= UINT64_C(1) << id;
        }
    }
    return broken;
}
