/* test_coherence.c - facts that no person may break, over 100,000 people. */
#include "tests/unit/population.h"

enum { PEOPLE = 100000 };

/* Youngest age of each level: years of schooling + 5. */
static const uint8_t youngest[EDU_COUNT] = {
    [EDU_PRESCHOOL] = 3, [EDU_ELEMENTARY] = 5,    [EDU_MIDDLE] = 11,
    [EDU_HIGH_NOW] = 14, [EDU_UNDER_9] = 14,      [EDU_NO_DIPLOMA] = 14,
    [EDU_HIGH] = 17,     [EDU_SOME_COLLEGE] = 18, [EDU_ASSOCIATE] = 19,
    [EDU_BACHELOR] = 21, [EDU_GRADUATE] = 23};

static void
check_work(const struct model *m, const struct person *p)
{
    bool works = p->employment == EMPLOY_EMPLOYED;
    bool had =
        p->employment == EMPLOY_RETIRED || p->employment == EMPLOY_UNEMPLOYED;

    assert_int_equal(p->age < 16, p->employment == EMPLOY_UNDER_16);
    assert_int_equal(works || p->employment == EMPLOY_ARMED,
                     p->occupation != PERSON_NO_OCCUPATION);
    assert_int_equal(had, p->former != PERSON_NO_OCCUPATION);
    if (p->employment == EMPLOY_RETIRED) assert_true(p->age >= 50);
    if (p->employment == EMPLOY_ARMED) assert_true(p->age >= 18);
    if (works) {
        uint32_t level = model_work_level(p->education);

        assert_true(m->occ_age[p->occupation] <= p->age);
        assert_true(m->occ_v[p->occupation * MODEL_OCC_LEVELS + level] > 0);
    }
}

static void
check_names(const struct model *m, const struct person *p)
{
    uint32_t row = (uint32_t)p->sex * MODEL_AGES + p->age, k;

    for (k = m->first_row[row]; k < m->first_row[row + 1]; k++) {
        if (m->first_id[k] == p->first) break;
    }
    assert_true(k < m->first_row[row + 1]);
    assert_in_range(p->city, m->city_row[p->state],
                    m->city_row[p->state + 1] - 1);
}

static void
nobody_breaks_a_rule(void **state)
{
    struct model *m = given_model();
    struct sampler *s = given_sampler(m, 99, NULL, 0);

    (void)state;
    for (uint64_t i = 0; i < PEOPLE; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        assert_true(p.age >= youngest[p.education]);
        if (p.age >= 18) assert_true(p.education >= EDU_UNDER_9);
        if (p.age < 18) assert_int_equal(p.marital, MARITAL_NEVER);
        check_work(m, &p);
        check_names(m, &p);
    }
    sampler_free(s);
    model_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_breaks_a_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
