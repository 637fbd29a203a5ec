/* test_audit.c - the audit's arithmetic, and that it sees what is wrong. */
#include "audit/audit_report.h"
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

/* Counts rows in grid cells, as ranges do. */
static void
count_rows(struct audit *a, const struct sampler *s, uint64_t rows)
{
    for (uint64_t i = 0; i < rows; i++) {
        struct person p;

        if (i % LAGS_GRID == 0) {
            audit_end(a);
            audit_begin(a, i);
        }
        sampler_draw(s, i, &p);
        if (sampler_accepts(s, &p)) audit_count(a, &p);
    }
    audit_end(a);
}

static struct comparison
compared(const struct audit *a, const struct sampler *s, enum joint_id id)
{
    struct comparison r;

    assert_int_equal(compare_joint(a, s, id, &r), CO_OK);
    return r;
}

static void
deltas_add(void **state)
{
    struct fixture *f = *state;
    const struct audit_delta d[] = {{0, 5, 3}, {3, 7, 2}, {2, 0, 9}};

    assert_int_equal(audit_add(f->a, d, 3), CO_OK);
    assert_int_equal(audit_add(f->a, d, 1), CO_OK);
    assert_int_equal(audit_get(f->a, 0, 5), 6);
    assert_int_equal(audit_get(f->a, 3, 7), 2);
}

static void
a_cell_that_does_not_exist_adds_nothing(void **state)
{
    struct fixture *f = *state;
    const struct audit_delta d[] = {{0, 0, 1}, {0, RULE_COUNT, 1}};
    const struct audit_delta t = {AUDIT_TABLE_COUNT, 0, 1};

    assert_int_equal(audit_add(f->a, d, 2), CO_RANGE);
    assert_int_equal(audit_get(f->a, 0, 0), 0);
    assert_int_equal(audit_add(f->a, &t, 1), CO_RANGE);
}

static void
clearing_forgets_every_count(void **state)
{
    struct fixture *f = *state;

    count_rows(f->a, f->s, 500);
    audit_clear(f->a);
    for (uint32_t t = 0; t < AUDIT_TABLE_COUNT; t++) {
        uint32_t n = 1;

        (void)audit_touched(f->a, t, &n);
        assert_int_equal(n, 0);
        for (uint32_t c = 0; c < audit_cells(f->a, t); c++) {
            assert_int_equal(audit_get(f->a, t, c), 0);
        }
    }
}

static void
stratified_rows_lie_below_the_noise_floor(void **state)
{
    struct fixture *f = *state;
    struct comparison r;

    count_rows(f->a, f->s, 100000);
    r = compared(f->a, f->s, JOINT_SEX_AGE_STATE);
    assert_int_equal(r.n, 100000);
    assert_int_equal(r.target, EXPECTED_EXACT);
    assert_true(r.tv < r.floor / 3);
    assert_true(fabs(r.floor - 0.0523) < 0.002); /* 0.01658 at 10^6 */
}

/* What one of two values gains the other loses: their deviation is a single
 * half-normal with sd = floor sqrt(pi/2 - 1). Taken for two, it would cry
 * wolf in one corpus of twenty-five. */
static void
of_two_values_the_noise_is_that_of_one(void **state)
{
    struct fixture *f = *state;
    struct comparison r;

    count_rows(f->a, f->s, 10000);
    r = compared(f->a, f->s, JOINT_HISPANIC);
    assert_int_equal(r.cells, 2);
    assert_true(fabs(r.sd / r.floor / 0.7555 - 1) < 0.05);
}

static void
one_sex_only_is_half_a_unit_away(void **state)
{
    struct fixture *f = *state;
    struct comparison r;

    for (uint64_t i = 0; i < 100000; i++) {
        struct person p;

        sampler_draw(f->s, i, &p);
        if (p.sex == 0) audit_count(f->a, &p);
    }
    r = compared(f->a, f->s, JOINT_SEX_AGE_STATE);
    assert_true(fabs(r.tv - 0.507) < 0.005);
    assert_true(r.z > 100);
    assert_true(r.srmse > 0.9);
}

/* Everybody's level is the average adult's: the association with age and sex
 * is gone, and the margin is right. */
static void
a_lost_association_shows_in_cramers_v(void **state)
{
    struct fixture *f = *state;
    struct comparison r;
    struct person last = {0};

    for (uint64_t i = 0; i < 100000; i++) {
        struct person p, mixed;

        sampler_draw(f->s, i, &p);
        if (p.age < 25) continue;
        mixed = p;
        mixed.education = last.education;
        if (last.education) audit_count(f->a, &mixed);
        last = p;
    }
    r = compared(f->a, f->s, JOINT_EDUCATION_AGE_SEX);
    assert_true(r.v_target > 0.1);
    assert_true(r.v_change < -0.05);
    audit_clear(f->a);
    count_rows(f->a, f->s, 100000);
    r = compared(f->a, f->s, JOINT_EDUCATION_AGE_SEX);
    assert_true(fabs(r.v_change) < 0.005);
}

static void
an_empty_audit_compares_as_zeros(void **state)
{
    struct fixture *f = *state;
    struct comparison r = compared(f->a, f->s, JOINT_RACE_STATE);

    assert_int_equal(r.n, 0);
    assert_true(r.tv >= 0 && r.tv <= 0);
    assert_int_equal(r.worst_n, 0);
}

static void
the_worst_cells_come_first(void **state)
{
    struct fixture *f = *state;
    struct comparison r;

    count_rows(f->a, f->s, 20000);
    r = compared(f->a, f->s, JOINT_SEX_AGE_STATE);
    assert_int_equal(r.worst_n, COMPARE_WORST);
    for (unsigned i = 1; i < r.worst_n; i++) {
        assert_true(
            fabs((double)r.worst[i].observed - r.worst[i].expected) <=
            fabs((double)r.worst[i - 1].observed - r.worst[i - 1].expected));
    }
}

static void
the_report_is_json_with_its_sections(void **state)
{
    static const char *const sections[] = {"joints", "columns", "rules"};
    struct fixture *f = *state;
    struct audit_figures figures;
    struct co_buf buf;
    struct co_json json;
    json_t *report;

    count_rows(f->a, f->s, 20000);
    assert_int_equal(compare_all(f->a, f->s, 20000, &figures), CO_OK);
    co_buf_init(&buf, 1 << 18);
    co_json_init(&json, &buf);
    co_json_object(&json);
    audit_report(&figures, audit_joints(f->a), &json);
    co_json_end(&json);
    assert_int_equal(co_json_finish(&json), CO_OK);
    report = json_loadb((const char *)buf.data, buf.len, 0, NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_true(json_array_size(json_object_get(report, sections[i])) > 0);
    }
    assert_true(json_is_object(json_object_get(report, "autocorrelation")));
    json_decref(report);
    co_buf_fini(&buf);
}

static void
conditions_move_the_target(void **state)
{
    static const enum joint_id ids[] = {JOINT_SEX_AGE_STATE, JOINT_RACE_STATE,
                                        JOINT_EDUCATION_AGE_SEX};
    struct fixture *f = *state;
    const char *const level[] = {"Bachelor's degree"};
    const struct condition c = {
        .attribute = "education_level", .values = level, .n_values = 1};
    struct sampler *s = given_sampler(f->m, 42, &c, 1);

    count_rows(f->a, s, 200000);
    for (size_t i = 0; i < 3; i++) {
        struct comparison r = compared(f->a, s, ids[i]);

        assert_int_equal(r.target, EXPECTED_EXACT);
        assert_true(r.z < 3);
    }
    sampler_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(deltas_add),
        T(a_cell_that_does_not_exist_adds_nothing),
        T(clearing_forgets_every_count),
        T(stratified_rows_lie_below_the_noise_floor),
        T(of_two_values_the_noise_is_that_of_one),
        T(one_sex_only_is_half_a_unit_away),
        T(a_lost_association_shows_in_cramers_v),
        T(an_empty_audit_compares_as_zeros),
        T(the_worst_cells_come_first),
        T(the_report_is_json_with_its_sections),
        T(conditions_move_the_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
