/* test_home.c - marital status, homes, languages and OCEAN of drawn people
 * against published national figures (ACS 2018, tables in data/README.md),
 * and what may never be drawn. Figures of marital status are added up over
 * the population, not sampled, so they are held to their last digit. */
#include "audit/rules.h"
#include "population/sampler_impl.h"
#include "tests/unit/population.h"

#include <math.h>
#include <stdlib.h>

enum { PEOPLE = 300000 };

static struct model *m;
static struct sampler *s;
static struct person *people;

static int
setup(void **state)
{
    (void)state;
    m = given_model();
    s = given_sampler(m, 11, NULL, 0);
    people = calloc(PEOPLE, sizeof *people);
    if (!people) return -1;
    for (uint64_t i = 0; i < PEOPLE; i++) {
        sampler_draw(s, i, &people[i]);
    }
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    free(people);
    sampler_free(s);
    model_free(m);
    return 0;
}

static void
assert_near(const char *what, double got, double want, double off)
{
    if (fabs(got - want) > off) {
        fail_msg("%s: %.5f, expected %.5f within %.5f", what, got, want, off);
    }
}

/* --- marital status ------------------------------------------------------ */

/* People of 18 and over by status, exactly; race < 0 means all. */
static void
add_up(uint32_t sex, int race, uint32_t low, uint32_t high,
       double ret[MARITAL_COUNT])
{
    for (uint32_t v = 0; v < MARITAL_COUNT; v++) {
        ret[v] = 0;
    }
    for (size_t i = 0; i < sampler_cells(s); i++) {
        struct person p;
        double n = (double)sampler_cell(s, i, &p);

        if (p.sex != sex || p.age < low || p.age > high) continue;
        if (race >= 0 && p.race != race) continue;
        for (uint32_t v = 0; v < MARITAL_COUNT; v++) {
            ret[v] +=
                n * (double)sampler_share(s, &p, ATTR_MARITAL, v) / (1 << 24);
        }
    }
}

static void
statuses_of_adults_are_those_of_the_census(void **state)
{
    static const double want[MODEL_SEXES][MARITAL_COUNT] = {
        {.337489, .487023, .031005, .016721, .027722, .100039},
        {.274998, .457665, .026732, .022696, .090814, .127095}};

    (void)state;
    for (uint32_t x = 0; x < MODEL_SEXES; x++) {
        double got[MARITAL_COUNT], sum = 0;

        add_up(x, -1, 18, 99, got);
        for (uint32_t v = 0; v < MARITAL_COUNT; v++) {
            sum += got[v];
        }
        for (uint32_t v = 0; v < MARITAL_COUNT; v++) {
            assert_near("share of a status", got[v] / sum, want[x][v], 1e-5);
        }
    }
}

/* Married to divorced, so that nobody under 18 counts: B12002A-I. */
static void
statuses_differ_by_race_as_published(void **state)
{
    static const struct {
        int race;
        double married, divorced;
    } women[] = {{RACE_WHITE, 49564157, 12614285},
                 {RACE_BLACK, 4591076, 2325743},
                 {RACE_ASIAN, 4792186, 529814}};

    (void)state;
    for (size_t i = 0; i < co_countof(women); i++) {
        double got[MARITAL_COUNT];
        double want = women[i].married / women[i].divorced;

        add_up(1, women[i].race, 18, 99, got);
        assert_near("married to divorced",
                    (got[MARITAL_MARRIED] + got[MARITAL_ABSENT]) /
                        got[MARITAL_DIVORCED],
                    want, want / 50);
    }
}

static void
who_has_a_degree_is_married_more_often(void **state)
{
    (void)state;
    for (uint32_t st = 0; st < m->states; st++) {
        struct person p = {
            .state = (uint8_t)st, .sex = 1, .age = 40, .race = RACE_WHITE};
        uint32_t none, degree;

        p.education = EDU_NO_DIPLOMA;
        none = sampler_marital_row(s, &p)[MARITAL_MARRIED];
        p.education = EDU_BACHELOR;
        degree = sampler_marital_row(s, &p)[MARITAL_MARRIED];
        assert_true(degree > none + none / 10);
    }
}

/* --- rules ---------------------------------------------------------------- */

static void
nobody_breaks_a_rule(void **state)
{
    struct rules *r = NULL;

    (void)state;
    assert_int_equal(rules_new(m, &r), CO_OK);
    for (size_t i = 0; i < PEOPLE; i++) {
        assert_int_equal(rules_broken(r, &people[i]), 0);
    }
    rules_free(r);
}

static void
own_income_is_never_above_the_household(void **state)
{
    static const uint32_t own[] = {9900, 10000, 99900, 150000, 208000, 5000000};

    (void)state;
    for (size_t i = 0; i < PEOPLE; i += 7) {
        struct person p = people[i];

        p.income_usd = own[i % co_countof(own)];
        sampler_draw_home(s, &p);
        assert_true(p.household_income >= sampler_bracket(m, p.income_usd));
        assert_true(p.household_income < PERSON_BRACKETS);
    }
}

/* --- margins -------------------------------------------------------------- */

/* B09021 without those who live with a spouse: alone, partner, child of the
 * householder, relatives, nonrelatives. */
static void
who_has_no_spouse_lives_as_published(void **state)
{
    static const double want[3][HOME_COUNT] = {
        {5455041, 0, 7284688, 24414862, 9254748, 8499845, 0},
        {15172414, 0, 7337119, 6764611, 16878926, 4814378, 0},
        {13421396, 0, 1025975, 175929, 7843531, 1276588, 0}};

    (void)state;
    for (uint32_t b = 0; b < 3; b++) {
        double got[HOME_COUNT] = {0}, n = 0, all = 0;

        for (size_t i = 0; i < PEOPLE; i++) {
            const struct person *p = &people[i];
            uint32_t band = p->age < 35 ? 0 : p->age < 65 ? 1 : 2;

            if (p->age < 18 || band != b || p->arrangement == HOME_SPOUSE) {
                continue;
            }
            got[p->arrangement]++;
            n++;
        }
        for (uint32_t a = 0; a < HOME_COUNT; a++) {
            all += want[b][a];
        }
        for (uint32_t a = 0; a < HOME_COUNT; a++) {
            assert_near("arrangement", got[a] / n, want[b][a] / all, 0.012);
        }
    }
}

/* How many householders a person stands for, as the tables were fitted. */
static double
holders(const struct person *p)
{
    switch ((enum person_home)p->arrangement) {
    case HOME_ALONE:
        return 1;
    case HOME_SPOUSE:
    case HOME_PARTNER:
        return 0.5;
    case HOME_RELATIVES:
        return p->children ? 1 : 0.45;
    case HOME_NONRELATIVES:
        return 0.4;
    case HOME_PARENTS:
    case HOME_CHILD:
    case HOME_COUNT:
        break;
    }
    return 0;
}

static void
couples_and_single_parents_have_children_as_published(void **state)
{
    double couples = 0, with = 0, mothers = 0, fathers = 0;

    (void)state;
    for (size_t i = 0; i < PEOPLE; i++) {
        const struct person *p = &people[i];
        double half = p->arrangement == HOME_PARTNER ? 0.5 : 1;

        if (p->arrangement == HOME_SPOUSE) {
            couples += 0.5;
            with += p->children ? 0.5 : 0;
        } else if (p->children) {
            *(p->sex ? &mothers : &fathers) += half;
        }
    }
    /* B25115: 58,175,321 married couples, 22,257,765 with own children;
     * 7,778,779 women and 2,740,506 men with children and no spouse. */
    assert_near("couples with children", with / couples, .38260, .006);
    assert_near("single mothers", mothers / couples, 7778779 / 58175321.0,
                .012);
    assert_near("single fathers", fathers / couples, 2740506 / 58175321.0,
                .008);
}

static void
owners_are_as_many_as_published(void **state)
{
    /* B25007: under 35, 35-64, 65 and over. */
    static const double want[] = {.3366, .6749, .7823};
    double owner[3] = {0}, n[3] = {0};

    (void)state;
    for (size_t i = 0; i < PEOPLE; i++) {
        const struct person *p = &people[i];
        uint32_t b = p->age < 35 ? 0 : p->age < 65 ? 1 : 2;

        n[b] += holders(p);
        owner[b] += p->tenure == TENURE_OWNER ? holders(p) : 0;
    }
    for (uint32_t b = 0; b < 3; b++) {
        assert_near("owners", owner[b] / n[b], want[b], .015);
    }
}

/* B19037 by age of householder, after what is below own incomes was cut. */
static void
household_incomes_are_those_of_the_census(void **state)
{
    static const double low[] = {.1649, .0509, .0597, .0668};
    static const double high[] = {.0694, .3149, .3704, .1832};
    double poor[4] = {0}, rich[4] = {0}, n[4] = {0};

    (void)state;
    for (size_t i = 0; i < PEOPLE; i++) {
        const struct person *p = &people[i];
        uint32_t g = m->home.income_row[p->age];

        n[g] += holders(p);
        poor[g] += p->household_income == 0 ? holders(p) : 0;
        rich[g] += p->household_income >= 12 ? holders(p) : 0;
    }
    for (uint32_t g = 0; g < 4; g++) {
        assert_near("under 10,000", poor[g] / n[g], low[g], .015);
        assert_near("100,000 and over", rich[g] / n[g], high[g], .02);
    }
}

static uint32_t
language_named(const char *name)
{
    for (uint32_t k = 0; k < m->language.count; k++) {
        if (attribute_matches(m, ATTR_LANGUAGE, k, name)) return k;
    }
    fail_msg("no language %s", name);
    return 0;
}

static void
languages_are_those_of_the_census_and_of_their_speakers(void **state)
{
    uint32_t spanish = language_named("Spanish");
    uint32_t vietnamese = language_named("Vietnamese");
    double n = 0, english = 0, spoken = 0, hispanic = 0, all = 0, asian = 0;

    (void)state;
    for (size_t i = 0; i < PEOPLE; i++) {
        const struct person *p = &people[i];

        if (p->age < 5) continue;
        n++;
        english += p->language == 0;
        spoken += p->language == spanish;
        hispanic += p->language == spanish && p->hispanic;
        all += p->language == vietnamese;
        asian += p->language == vietnamese && p->race == RACE_ASIAN;
        if (p->language == 0) assert_int_equal(p->english, ENGLISH_VERY_WELL);
    }
    assert_near("English only", english / n, .781255, .003);
    assert_near("Spanish", spoken / n, .134821, .003);
    assert_true(hispanic / spoken > .75);
    assert_true(asian / all > .8);
}

/* --- character ------------------------------------------------------------ */

static void
every_scale_has_mean_50_and_sd_10(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < OCEAN_COUNT; k++) {
        double sum = 0, square = 0;

        for (size_t i = 0; i < PEOPLE; i++) {
            double t = people[i].ocean[k] - 50.0;

            sum += t;
            square += t * t;
        }
        assert_near("mean", sum / PEOPLE, 0, .08);
        assert_near("sd", sqrt(square / PEOPLE), 10, .08);
    }
}

/* From the norms: men and women of 61 and over differ in neuroticism by
 * (63.48 - 58.42) / 16.4 sd, and women under 21 are above both. */
static void
scores_follow_the_norms_of_sex_and_age(void **state)
{
    double sum[MODEL_SEXES][2] = {{0}}, n[MODEL_SEXES][2] = {{0}};

    (void)state;
    for (size_t i = 0; i < PEOPLE; i++) {
        const struct person *p = &people[i];

        if (p->age > 20 && p->age < 61) continue;
        sum[p->sex][p->age >= 61] += p->ocean[OCEAN_N];
        n[p->sex][p->age >= 61]++;
    }
    assert_near("old women above old men",
                sum[1][1] / n[1][1] - sum[0][1] / n[0][1], 3.08, .25);
    assert_near("girls above old women",
                sum[1][0] / n[1][0] - sum[1][1] / n[1][1], 6.05, .25);
}

static void
scales_are_independent_given_sex_and_age(void **state)
{
    double products[OCEAN_COUNT][OCEAN_COUNT] = {{0}}, sum[OCEAN_COUNT] = {0};
    double n = 0;

    (void)state;
    for (size_t i = 0; i < PEOPLE; i++) {
        const struct person *p = &people[i];

        if (p->sex || p->age < 21 || p->age > 40) continue;
        n++;
        for (uint32_t a = 0; a < OCEAN_COUNT; a++) {
            sum[a] += p->ocean[a];
            for (uint32_t b = 0; b < a; b++) {
                products[a][b] += (double)p->ocean[a] * p->ocean[b];
            }
        }
    }
    for (uint32_t a = 0; a < OCEAN_COUNT; a++) {
        for (uint32_t b = 0; b < a; b++) {
            double covariance = products[a][b] / n - sum[a] / n * (sum[b] / n);

            assert_near("correlation", covariance / 100, 0, .025);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_of_adults_are_those_of_the_census),
        cmocka_unit_test(statuses_differ_by_race_as_published),
        cmocka_unit_test(who_has_a_degree_is_married_more_often),
        cmocka_unit_test(nobody_breaks_a_rule),
        cmocka_unit_test(own_income_is_never_above_the_household),
        cmocka_unit_test(who_has_no_spouse_lives_as_published),
        cmocka_unit_test(couples_and_single_parents_have_children_as_published),
        cmocka_unit_test(owners_are_as_many_as_published),
        cmocka_unit_test(household_incomes_are_those_of_the_census),
        cmocka_unit_test(
            languages_are_those_of_the_census_and_of_their_speakers),
        cmocka_unit_test(every_scale_has_mean_50_and_sd_10),
        cmocka_unit_test(scores_follow_the_norms_of_sex_and_age),
        cmocka_unit_test(scales_are_independent_given_sex_and_age),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
