/* test_work.c - schooling and work of drawn people against the source tables,
 * and what may never be drawn. */
#include "audit/expected.h"
#include "tests/unit/population.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PEOPLE = 400000 };

/* Total variation of counts from a table, less what exact independent draws
 * show on average, in standard deviations of it. */
static double
excess(const uint64_t *counts, const double *table, size_t cells)
{
    double n = 0, all = 0, tv = 0, floor = 0, var = 0;

    for (size_t k = 0; k < cells; k++) {
        n += (double)counts[k];
        all += table[k];
    }
    for (size_t k = 0; k < cells; k++) {
        double p = table[k] / all, sigma2 = p * (1 - p) / n;

        tv += fabs((double)counts[k] / n - p) / 2;
        floor += n * p < 1 ? p * pow(1 - p, n) : sqrt(sigma2) * 0.39894228;
        var += sigma2 * 0.36338 / 4;
    }
    return (tv - floor) / sqrt(var);
}

/* Made once for the whole program; a cell function needs the model. */
static struct world {
    struct model *m;
    struct sampler *s;
} world;

static int
setup(void **state)
{
    world.m = given_model();
    world.s = given_sampler(world.m, 7, NULL, 0);
    *state = &world;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    sampler_free(w->s);
    model_free(w->m);
    return 0;
}

/* Draws PEOPLE, counts them by cell and compares with table. */
static void
assert_drawn_like(const struct world *w, const double *table, size_t cells,
                  size_t (*cell)(const struct person *p))
{
    uint64_t *counts = calloc(cells, sizeof *counts);
    double z;

    assert_non_null(counts);
    for (uint64_t i = 0; i < PEOPLE; i++) {
        struct person p;
        size_t k;

        sampler_draw(w->s, i, &p);
        k = cell(&p);
        if (k < cells) counts[k]++;
    }
    z = excess(counts, table, cells);
    free(counts);
    if (!(z <= 3)) fail_msg("%.2f sd above the noise of %d people", z, PEOPLE);
}

static size_t
by_sex(const struct person *p)
{
    return p->employment == EMPLOY_EMPLOYED
               ? (size_t)p->occupation * MODEL_SEXES + p->sex
               : SIZE_MAX;
}

static size_t
by_level(const struct person *p)
{
    return p->employment == EMPLOY_EMPLOYED && p->age >= 25
               ? (size_t)p->occupation * MODEL_OCC_LEVELS +
                     model_work_level(p->education)
               : SIZE_MAX;
}

static void
assert_source(const struct world *w, const uint32_t *source, size_t cells,
              size_t (*cell)(const struct person *p))
{
    double *table = calloc(cells, sizeof *table);

    assert_non_null(table);
    for (size_t k = 0; k < cells; k++) {
        table[k] = source[k];
    }
    assert_drawn_like(w, table, cells, cell);
    free(table);
}

static void
occupations_have_the_sexes_of_the_census(void **state)
{
    const struct world *w = *state;

    assert_source(w, w->m->src_occ_sex, (size_t)w->m->occupations * MODEL_SEXES,
                  by_sex);
}

static void
occupations_have_the_education_of_the_labor_statistics(void **state)
{
    const struct world *w = *state;

    assert_source(w, w->m->src_occ_edu,
                  (size_t)w->m->occupations * MODEL_OCC_LEVELS, by_level);
}

/* Structural zeros: level needed, youngest age, a place to work at all. */
static void
nobody_works_below_age_or_degree(void **state)
{
    const struct world *w = *state;

    for (uint64_t i = 0; i < PEOPLE; i++) {
        struct person p;

        sampler_draw(w->s, i, &p);
        if (p.employment != EMPLOY_EMPLOYED) continue;
        assert_in_range(p.occupation, 0, w->m->occupations - 1);
        assert_true(p.age >= w->m->occ_age[p.occupation]);
        assert_true(w->m->src_occ_edu[p.occupation * MODEL_OCC_LEVELS +
                                      model_work_level(p.education)] > 0 ||
                    p.age < 25);
    }
}

static size_t
by_band(const struct person *p)
{
    return p->employment == EMPLOY_EMPLOYED
               ? (size_t)p->occupation * PAY_BANDS +
                     model_pay_band(world.m, p->occupation, p->income_usd)
               : SIZE_MAX;
}

static void
wages_have_the_percentiles_of_each_occupation(void **state)
{
    const struct world *w = *state;
    size_t cells = (size_t)w->m->occupations * PAY_BANDS;
    double *table = calloc(cells, sizeof *table);

    assert_non_null(table);
    for (size_t k = 0; k < cells; k++) {
        const uint32_t *sex = w->m->src_occ_sex + k / PAY_BANDS * MODEL_SEXES;

        table[k] = ((double)sex[0] + sex[1]) * w->m->work.pay_share[k];
    }
    assert_drawn_like(w, table, cells, by_band);
    free(table);
}

static size_t
by_field(const struct person *p)
{
    return p->age >= 25 && p->degree_field != PERSON_NONE8
               ? ((size_t)p->sex * FIELD_AGES + model_field_age(p->age)) *
                         MODEL_FIELDS +
                     p->degree_field
               : SIZE_MAX;
}

static void
degrees_have_the_fields_of_the_census(void **state)
{
    const struct world *w = *state;

    assert_source(w, w->m->work.src_field,
                  (size_t)MODEL_SEXES * FIELD_AGES * MODEL_FIELDS, by_field);
}

/* Nurses studied health, engineers engineering: the ties are felt. */
static void
the_field_of_a_degree_follows_the_occupation(void **state)
{
    const struct world *w = *state;
    uint32_t accountants = 0, business = 0, graduates = 0, all_business = 0;

    for (uint64_t i = 0; i < PEOPLE; i++) {
        struct person p;
        struct model_text t;

        sampler_draw(w->s, i, &p);
        if (p.degree_field == PERSON_NONE8) continue;
        t = model_text(&w->m->degree_field, p.degree_field);
        graduates++;
        all_business += t.len == 8 && memcmp(t.data, "Business", 8) == 0;
        if (p.occupation >= w->m->occupations) continue;
        if (model_text(&w->m->occ_title, p.occupation).len != 24) continue;
        if (memcmp(model_text(&w->m->occ_title, p.occupation).data,
                   "Accountants and auditors", 24) != 0) {
            continue;
        }
        accountants++;
        business += t.len == 8 && memcmp(t.data, "Business", 8) == 0;
    }
    assert_true(business * 10 > accountants * 6);
    assert_true(all_business * 10 < graduates * 3);
}

static void
income_and_field_stand_where_work_and_degree_do(void **state)
{
    const struct world *w = *state;

    for (uint64_t i = 0; i < PEOPLE; i++) {
        struct person p;
        const uint16_t *cut;

        sampler_draw(w->s, i, &p);
        assert_int_equal(p.education >= EDU_BACHELOR,
                         p.degree_field != PERSON_NONE8);
        assert_int_equal(p.occupation != PERSON_NO_OCCUPATION,
                         p.income_usd > 0);
        if (!p.income_usd) continue;
        cut = w->m->work.pay_cut + (size_t)p.occupation * PAY_CUTS;
        assert_int_equal(p.income_usd % PAY_UNIT, 0);
        assert_in_range(p.income_usd / PAY_UNIT, cut[0], cut[PAY_BANDS] - 1);
    }
}

static double *
given_target(const struct sampler *s, const struct joints *j, enum joint_id id)
{
    double *shares = calloc(j->cells[id], sizeof *shares);
    enum expected kind;

    assert_non_null(shares);
    assert_int_equal(expected_shares(s, j, id, shares, &kind), CO_OK);
    assert_int_equal(kind, EXPECTED_EXACT);
    return shares;
}

static void
the_target_without_conditions_is_the_source_table(void **state)
{
    const struct world *w = *state;
    struct joints j;
    double *shares, all = 0;
    uint32_t cells;

    joints_init(&j, w->m);
    shares = given_target(w->s, &j, JOINT_OCCUPATION_SEX);
    cells = j.cells[JOINT_OCCUPATION_SEX];
    for (uint32_t k = 0; k < cells; k++) {
        all += w->m->src_occ_sex[k];
    }
    for (uint32_t k = 0; k < cells; k++) {
        assert_true(fabs(shares[k] - w->m->src_occ_sex[k] / all) < 1e-9);
    }
    free(shares);
}

/* Conditions on the root, on schooling and on the occupation itself. */
static void
the_target_takes_account_of_conditions(void **state)
{
    static const enum joint_id ids[] = {JOINT_OCCUPATION_SEX,
                                        JOINT_OCCUPATION_EDUCATION,
                                        JOINT_INCOME_OCCUPATION};
    const char *const texas[] = {"TX", "CA"};
    const char *const degree[] = {"Bachelor's degree", "High school graduate",
                                  "Graduate or professional degree"};
    const char *const married[] = {"Married"};
    const struct condition where[] = {
        {.attribute = "state", .values = texas, .n_values = 2},
        {.attribute = "education_level", .values = degree, .n_values = 3},
        {.attribute = "marital_status", .values = married, .n_values = 1},
        {.attribute = "age", .has_max = true, .max = 50}};
    const struct world *w = *state;
    struct sampler *s = given_sampler(w->m, 11, where, co_countof(where));
    struct joints j;

    joints_init(&j, w->m);
    for (size_t i = 0; i < co_countof(ids); i++) {
        double *shares = given_target(s, &j, ids[i]), z;
        uint64_t *counts = calloc(j.cells[ids[i]], sizeof *counts);

        assert_non_null(counts);
        for (uint64_t row = 0; row < PEOPLE; row++) {
            struct person p;
            uint32_t k;

            sampler_draw(s, row, &p);
            k = sampler_accepts(s, &p) ? joint_cell(&j, ids[i], &p)
                                       : JOINT_NO_CELL;
            if (k != JOINT_NO_CELL) counts[k]++;
        }
        z = excess(counts, shares, j.cells[ids[i]]);
        if (!(z <= 3)) fail_msg("joint %d: %.2f sd", (int)ids[i], z);
        free(shares);
        free(counts);
    }
    sampler_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(occupations_have_the_sexes_of_the_census),
        cmocka_unit_test(
            occupations_have_the_education_of_the_labor_statistics),
        cmocka_unit_test(nobody_works_below_age_or_degree),
        cmocka_unit_test(wages_have_the_percentiles_of_each_occupation),
        cmocka_unit_test(degrees_have_the_fields_of_the_census),
        cmocka_unit_test(the_field_of_a_degree_follows_the_occupation),
        cmocka_unit_test(income_and_field_stand_where_work_and_degree_do),
        cmocka_unit_test(the_target_without_conditions_is_the_source_table),
        cmocka_unit_test(the_target_takes_account_of_conditions),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
