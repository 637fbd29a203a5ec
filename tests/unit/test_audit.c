/* test_audit.c - the audit's arithmetic, and that it sees what is wrong. */
#include "population/audit.h"
#include "tests/unit/population.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

struct fixture {
    struct model *m;
    struct sampler *s;
    struct audit *a;
};

static int
set_up(void **state)
{
    static struct fixture f;

    f.m = given_model();
    f.s = given_sampler(f.m, 42, NULL, 0);
    assert_int_equal(audit_new(f.m, &f.a), CO_OK);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    audit_free(f->a);
    sampler_free(f->s);
    model_free(f->m);
    return 0;
}

static void
count_rows(struct fixture *f, uint64_t from, uint64_t to, uint64_t step)
{
    for (uint64_t i = from; i < to; i += step) {
        struct person p;

        sampler_draw(f->s, i, &p);
        audit_count(f->a, &p);
    }
}

static void
deltas_add_and_are_taken_back(void **state)
{
    struct fixture *f = *state;
    const struct audit_delta d[] = {{0, 5, 3}, {1, 7, 2}, {2, 0, 9}};

    assert_int_equal(audit_add(f->a, d, 3), CO_OK);
    assert_int_equal(audit_add(f->a, d, 1), CO_OK);
    assert_int_equal(audit_get(f->a, 0, 5), 6);
    assert_int_equal(audit_subtract(f->a, d, 3), CO_OK);
    assert_int_equal(audit_get(f->a, 0, 5), 3);
    assert_int_equal(audit_get(f->a, 2, 0), 0);
    assert_int_equal(audit_subtract(f->a, d, 3), CO_RANGE);
    assert_int_equal(audit_get(f->a, 0, 5), 3);
}

static void
a_cell_that_does_not_exist_adds_nothing(void **state)
{
    struct fixture *f = *state;
    const struct audit_delta d[] = {{0, 0, 1}, {1, 357, 1}};
    const struct audit_delta t = {AUDIT_TABLE_COUNT, 0, 1};

    assert_int_equal(audit_add(f->a, d, 2), CO_RANGE);
    assert_int_equal(audit_get(f->a, 0, 0), 0);
    assert_int_equal(audit_add(f->a, &t, 1), CO_RANGE);
}

static void
stratified_rows_lie_below_the_noise_floor(void **state)
{
    struct fixture *f = *state;
    struct audit_result r;

    count_rows(f, 0, 100000, 1);
    assert_int_equal(audit_compare(f->a, f->s, AUDIT_SEX_AGE_STATE, &r), CO_OK);
    assert_int_equal(r.n, 100000);
    assert_true(r.exact);
    assert_true(r.tv < r.floor / 3);
    assert_true(fabs(r.floor - 0.0523) < 0.002); /* 0.01658 at 10^6 */
}

static void
one_sex_only_is_half_a_unit_away(void **state)
{
    struct fixture *f = *state;
    struct audit_result r;

    for (uint64_t i = 0; i < 100000; i++) {
        struct person p;

        sampler_draw(f->s, i, &p);
        if (p.sex == 0) audit_count(f->a, &p);
    }
    assert_int_equal(audit_compare(f->a, f->s, AUDIT_SEX_AGE_STATE, &r), CO_OK);
    assert_true(fabs(r.tv - 0.507) < 0.005);
    assert_true(r.z > 100);
}

static void
an_empty_audit_reports_zeros(void **state)
{
    struct fixture *f = *state;
    struct audit_result r;

    assert_int_equal(audit_compare(f->a, f->s, AUDIT_RACE_STATE, &r), CO_OK);
    assert_int_equal(r.n, 0);
    assert_true(r.tv >= 0 && r.tv <= 0);
}

static void
the_report_is_json_and_names_the_worst_cells(void **state)
{
    struct fixture *f = *state;
    struct co_buf buf;
    json_t *json, *first, *worst;

    count_rows(f, 0, 20000, 1);
    co_buf_init(&buf, 1 << 16);
    assert_int_equal(audit_report(f->a, f->s, &buf), CO_OK);
    json = json_loadb((const char *)buf.data, buf.len, 0, NULL);
    assert_non_null(json);
    first = json_array_get(json_object_get(json, "joints"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "joint")),
                        "sex x age x state");
    worst = json_object_get(first, "worst");
    assert_int_equal(json_array_size(worst), 5);
    json_decref(json);
    co_buf_fini(&buf);
}

static void
conditions_move_the_target(void **state)
{
    struct fixture *f = *state;
    const char *const level[] = {"Bachelor's degree"};
    const struct condition c = {
        .attribute = "education_level", .values = level, .n_values = 1};
    struct sampler *s = given_sampler(f->m, 42, &c, 1);
    struct audit_result r;

    for (uint64_t i = 0; i < 200000; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        if (sampler_accepts(s, &p)) audit_count(f->a, &p);
    }
    for (unsigned t = 0; t < AUDIT_TABLE_COUNT; t++) {
        assert_int_equal(audit_compare(f->a, s, (enum audit_table)t, &r),
                         CO_OK);
        assert_true(r.exact);
        assert_true(r.z < 3);
    }
    sampler_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(deltas_add_and_are_taken_back),
        T(a_cell_that_does_not_exist_adds_nothing),
        T(stratified_rows_lie_below_the_noise_floor),
        T(one_sex_only_is_half_a_unit_away),
        T(an_empty_audit_reports_zeros),
        T(the_report_is_json_and_names_the_worst_cells),
        T(conditions_move_the_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
