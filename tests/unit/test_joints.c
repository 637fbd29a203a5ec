/* test_joints.c - every person falls into the cell that its label names. */
#include "audit/joints.h"
#include "tests/unit/population.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 5000 };

struct fixture {
    struct model *m;
    struct sampler *s;
    struct joints j;
};

static int
set_up(void **state)
{
    static struct fixture f;

    f.m = given_model();
    f.s = given_sampler(f.m, 42, NULL, 0);
    joints_init(&f.j, f.m);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    sampler_free(f->s);
    model_free(f->m);
    return 0;
}

static const char *
label(struct fixture *f, enum joint_id id, const struct person *p)
{
    static char text[256];
    struct co_buf buf;

    co_buf_init(&buf, sizeof text);
    joint_label(&f->j, id, joint_cell(&f->j, id, p), &buf);
    (void)snprintf(text, sizeof text, "%s", co_buf_text(&buf));
    co_buf_fini(&buf);
    return text;
}

static struct person
given_nurse(struct fixture *f)
{
    struct person p = {.sex = 1, .age = 33, .employment = EMPLOY_EMPLOYED};

    p.age_group = f->m->age_group_of[p.age];
    p.education = EDU_BACHELOR;
    p.marital = MARITAL_DIVORCED;
    while (!attribute_matches(f->m, ATTR_STATE, p.state, "TX")) {
        p.state++;
    }
    while (!attribute_matches(f->m, ATTR_OCCUPATION, p.occupation,
                              "Registered nurses")) {
        p.occupation++;
    }
    return p;
}

static void
a_label_names_each_dimension(void **state)
{
    struct fixture *f = *state;
    struct person p = given_nurse(f);

    assert_string_equal(label(f, JOINT_SEX_AGE_STATE, &p), "TX, Female, 30-34");
    assert_string_equal(label(f, JOINT_EDUCATION_AGE_SEX, &p),
                        "25-34, Female, Bachelor's degree");
    assert_string_equal(label(f, JOINT_MARITAL_AGE_SEX, &p),
                        "30-34, Female, Divorced");
    assert_string_equal(label(f, JOINT_OCCUPATION_SEX, &p),
                        "Registered nurses, Female");
    assert_string_equal(label(f, JOINT_OCCUPATION_EDUCATION, &p),
                        "Registered nurses, bachelor's degree");
    p.arrangement = HOME_RELATIVES;
    assert_string_equal(label(f, JOINT_ARRANGEMENT_AGE_STATE, &p),
                        "TX, 18-34, With other relatives");
    assert_string_equal(label(f, JOINT_LANGUAGE_STATE, &p), "TX, English");
}

static void
whom_a_joint_does_not_cover_has_no_cell(void **state)
{
    struct fixture *f = *state;
    struct person young = given_nurse(f), armed = young, child = young;

    young.age = 24;
    assert_int_equal(joint_cell(&f->j, JOINT_OCCUPATION_EDUCATION, &young),
                     JOINT_NO_CELL);
    assert_int_not_equal(joint_cell(&f->j, JOINT_OCCUPATION_SEX, &young),
                         JOINT_NO_CELL);
    armed.employment = EMPLOY_ARMED;
    assert_int_equal(joint_cell(&f->j, JOINT_OCCUPATION_SEX, &armed),
                     JOINT_NO_CELL);
    child.age = 14;
    child.education = EDU_MIDDLE;
    assert_int_equal(joint_cell(&f->j, JOINT_MARITAL_AGE_SEX, &child),
                     JOINT_NO_CELL);
    assert_int_equal(joint_cell(&f->j, JOINT_EDUCATION_AGE_SEX, &child),
                     JOINT_NO_CELL);
}

static void
all_cells_at_once_are_the_cells_one_by_one(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < ROWS; i++) {
        uint32_t cells[JOINT_COUNT];
        struct person p;

        sampler_draw(f->s, i, &p);
        joints_place(&f->j, &p, cells);
        for (unsigned id = 0; id < f->j.used; id++) {
            assert_int_equal(cells[id],
                             joint_cell(&f->j, (enum joint_id)id, &p));
            assert_true(cells[id] == JOINT_NO_CELL ||
                        cells[id] < f->j.cells[id]);
        }
    }
}

static void
cells_are_numbered_with_the_last_dimension_fastest(void **state)
{
    struct fixture *f = *state;
    const uint32_t values[] = {2, 1, 5};

    assert_int_equal(joint_at(&f->j, JOINT_SEX_AGE_STATE, values),
                     (2 * 2 + 1) * f->m->age_group_count + 5);
    assert_int_equal(joint_at(&f->j, JOINT_RACE_STATE, values), 2 * 7 + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(a_label_names_each_dimension),
        T(whom_a_joint_does_not_cover_has_no_cell),
        T(all_cells_at_once_are_the_cells_one_by_one),
        T(cells_are_numbered_with_the_last_dimension_fastest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
