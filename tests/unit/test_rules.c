/* test_rules.c - drawn people keep every rule, and each rule sees the person
 * that breaks it. */
#include "audit/rules.h"
#include "tests/unit/population.h"

enum { ROWS = 50000 };

struct fixture {
    struct model *m;
    struct sampler *s;
    struct rules *r;
};

static int
set_up(void **state)
{
    static struct fixture f;

    f.m = given_model();
    f.s = given_sampler(f.m, 42, NULL, 0);
    assert_int_equal(rules_new(f.m, &f.r), CO_OK);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    rules_free(f->r);
    sampler_free(f->s);
    model_free(f->m);
    return 0;
}

/* Somebody of that employment status, as drawn. */
static struct person
given_person(struct fixture *f, uint8_t employment)
{
    struct person p;
    uint64_t row = 0;

    do {
        sampler_draw(f->s, row++, &p);
    } while (p.employment != employment);
    return p;
}

static void
expect_broken(struct fixture *f, const struct person *p, enum rule_id id)
{
    assert_false(rule_holds(f->r, id, p));
    assert_true(rules_broken(f->r, p) & 1U << id);
}

static void
drawn_people_keep_every_rule(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < ROWS; i++) {
        struct person p;

        sampler_draw(f->s, i, &p);
        assert_int_equal(rules_broken(f->r, &p), 0);
    }
}

static void
a_degree_takes_years(void **state)
{
    struct fixture *f = *state;
    struct person p = given_person(f, EMPLOY_EMPLOYED);

    p.age = 20;
    p.education = EDU_BACHELOR;
    expect_broken(f, &p, RULE_SCHOOLING);
}

static void
children_are_not_married_and_do_not_work(void **state)
{
    struct fixture *f = *state;
    struct person p = given_person(f, EMPLOY_EMPLOYED);

    p.age = 15;
    p.marital = MARITAL_WIDOWED;
    expect_broken(f, &p, RULE_MARRIED);
    expect_broken(f, &p, RULE_WORKING_AGE);
}

static void
who_works_has_an_occupation_and_nobody_else(void **state)
{
    struct fixture *f = *state;
    struct person p = given_person(f, EMPLOY_EMPLOYED);

    p.employment = EMPLOY_RETIRED;
    p.age = 49;
    expect_broken(f, &p, RULE_OCCUPATION);
    expect_broken(f, &p, RULE_RETIRED);
    p.employment = EMPLOY_ARMED;
    p.age = 17;
    expect_broken(f, &p, RULE_ARMED);
}

static void
a_surgeon_has_a_degree_and_is_no_youngster(void **state)
{
    struct fixture *f = *state;
    struct person p = given_person(f, EMPLOY_EMPLOYED);

    for (p.occupation = 0;
         !attribute_matches(f->m, ATTR_OCCUPATION, p.occupation, "Lawyers");) {
        p.occupation++;
    }
    p.age = 20;
    p.education = EDU_HIGH;
    expect_broken(f, &p, RULE_DEGREE);
    expect_broken(f, &p, RULE_YOUNGEST);
}

static void
the_city_is_in_the_state(void **state)
{
    struct fixture *f = *state;
    struct person p = given_person(f, EMPLOY_EMPLOYED);

    p.city = (uint16_t)f->m->city_row[p.state + 1];
    expect_broken(f, &p, RULE_CITY);
}

static void
a_name_is_one_of_the_birth_year(void **state)
{
    struct fixture *f = *state;
    struct person p = given_person(f, EMPLOY_RETIRED);

    p.sex = 1;
    p.age = 90;
    for (p.first = 0;
         !attribute_matches(f->m, ATTR_FIRST_NAME, p.first, "Nevaeh");) {
        p.first++;
    }
    expect_broken(f, &p, RULE_NAME_YEAR);
    p.age = 10;
    assert_true(rule_holds(f->r, RULE_NAME_YEAR, &p));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(drawn_people_keep_every_rule),
        T(a_degree_takes_years),
        T(children_are_not_married_and_do_not_work),
        T(who_works_has_an_occupation_and_nobody_else),
        T(a_surgeon_has_a_degree_and_is_no_youngster),
        T(the_city_is_in_the_state),
        T(a_name_is_one_of_the_birth_year),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
