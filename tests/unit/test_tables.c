/* test_tables.c - a user's tables: drawn from, fitted to, refused. */
#include "audit/compare.h"
#include "population/tables.h"
#include "rows/row.h"
#include "tests/unit/shared_model.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 100000 };

static struct co_diag diag;

/* Tables over static arrays: nothing to release but the model. */
static struct model *
with(struct user_table *list, uint32_t n)
{
    const struct user_tables tables = {list, n};
    struct model *own = NULL;

    if (model_with(m, &tables, &diag, &own)) return NULL;
    return own;
}

static struct model *
given(struct user_table *list, uint32_t n)
{
    struct model *own = with(list, n);

    if (!own) assert_string_equal(diag.text, "");
    return own;
}

static char bus_label[] = "bus", car_label[] = "car";
static char *car_bus[] = {bus_label, car_label};
enum { HALF = TABLE_SUM / 2, MOST = TABLE_SUM / 4 * 3, REST = TABLE_SUM / 4 };

static struct user_table
commute(uint32_t *rows, uint32_t n)
{
    return (struct user_table){
        .use = TABLE_COLUMN,
        .name = "commute",
        .keys = {ATTR_SEX, ATTR_AGE},
        .n_keys = 2,
        .n_given = 2,
        .n_rows = n,
        .n_weights = 2,
        .rows = rows,
        .labels = car_bus,
    };
}

static void
a_new_column_is_drawn_where_its_table_has_a_row(void **state)
{
    uint32_t rows[] = {0, 16, 64, MOST, REST, 1, 16, 64, HALF, HALF};
    struct user_table t = commute(rows, 2);
    struct model *own = given(&t, 1);
    struct sampler *s = given_sampler(own, 42, NULL, 0);
    struct sampler *base = given_sampler(m, 42, NULL, 0);
    uint64_t n[2][2] = {{0}};

    (void)state;
    for (uint64_t i = 0; i < ROWS; i++) {
        struct person p, q;

        sampler_draw(s, i, &p);
        sampler_draw(base, i, &q);
        assert_int_equal(p.age, q.age); /* the rest stays as it was */
        assert_int_equal(p.city, q.city);
        if (p.age < 16 || p.age > 64) {
            assert_int_equal(p.user[0], PERSON_NONE8);
            continue;
        }
        assert_true(p.user[0] < 2);
        n[p.sex][p.user[0]]++;
    }
    assert_true(n[0][0] > n[0][1] * 29 / 10 && n[0][0] < n[0][1] * 31 / 10);
    assert_true(n[1][0] > n[1][1] * 97 / 100 && n[1][0] < n[1][1] * 103 / 100);
    sampler_free(s);
    sampler_free(base);
    model_free(own);
}

static void
a_column_stands_in_the_row_and_in_where(void **state)
{
    static const char *const bus[] = {"BUS"};
    const struct condition c = {
        .attribute = "commute", .values = bus, .n_values = 1};
    uint32_t rows[] = {0, 16, 64, MOST, REST};
    struct user_table t = commute(rows, 1);
    struct model *own = given(&t, 1);
    struct sampler *s = given_sampler(own, 42, &c, 1);
    struct co_buf buf;
    unsigned seen = 0;

    (void)state;
    co_buf_init(&buf, 1 << 20);
    for (uint64_t i = 0; i < 2000; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        if (!sampler_accepts(s, &p)) continue;
        assert_int_equal(p.user[0], 0);
        co_buf_clear(&buf);
        row_write(s, &p, ROW_ATTRIBUTES, &buf);
        assert_non_null(
            strstr(co_buf_text(&buf), ",\"commute\":\"bus\",\"provenance\":"));
        seen++;
    }
    assert_true(seen > 400);
    co_buf_fini(&buf);
    sampler_free(s);
    model_free(own);
}

static void
a_column_may_stand_on_another(void **state)
{
    uint32_t first[] = {0, 0, 99, HALF, HALF, 1, 0, 99, HALF, HALF};
    uint32_t second[] = {0, TABLE_SUM, 0, 1, 0, TABLE_SUM};
    struct user_table t[2] = {commute(first, 2), commute(second, 2)};
    struct model *own;
    struct sampler *s;

    (void)state;
    memcpy(t[1].name, "again", sizeof "again");
    t[1].keys[0] = (enum attribute_id)ATTR_USER;
    t[1].n_keys = t[1].n_given = 1;
    own = given(t, 2);
    s = given_sampler(own, 1, NULL, 0);
    for (uint64_t i = 0; i < 1000; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        assert_int_equal(p.user[0], p.user[1]);
    }
    sampler_free(s);
    model_free(own);
}

static void
the_audit_compares_a_column_with_its_table(void **state)
{
    uint32_t rows[] = {0, 16, 64, MOST, REST, 1, 16, 64, HALF, HALF};
    struct user_table t = commute(rows, 2);
    struct model *own = given(&t, 1);
    struct sampler *s = given_sampler(own, 42, NULL, 0);
    struct audit *a = NULL;
    struct comparison r;
    struct co_buf label;

    (void)state;
    assert_int_equal(audit_new(own, &a), CO_OK);
    for (uint64_t i = 0; i < ROWS; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        audit_count(a, &p);
    }
    assert_int_equal(compare_joint(a, s, JOINT_USER, &r), CO_OK);
    assert_int_equal(r.target, EXPECTED_EXACT);
    assert_int_equal(r.cells, 4);
    assert_true(r.n > ROWS / 2);
    assert_true(r.z < 3);
    co_buf_init(&label, 1000);
    joint_label(audit_joints(a), JOINT_USER, 3, &label);
    assert_string_equal(co_buf_text(&label), "Female, from 16 on: car");
    co_buf_clear(&label);
    assert_int_equal(compare_joint(a, s, (enum joint_id)(JOINT_USER + 1), &r),
                     CO_OK);
    assert_int_equal(r.cells, 0);
    co_buf_fini(&label);
    audit_free(a);
    sampler_free(s);
    model_free(own);
}

/* --- replaced tables ------------------------------------------------------ */

static struct user_table
marital(uint32_t *rows, uint32_t n)
{
    return (struct user_table){
        .use = TABLE_REPLACE,
        .name = "marital_status",
        .keys = {ATTR_AGE},
        .n_keys = 1,
        .n_given = 1,
        .n_rows = n,
        .n_weights = MARITAL_COUNT,
        .rows = rows,
    };
}

static void
a_replaced_table_is_drawn_but_marries_no_child(void **state)
{
    /* Half of everyone is married: of those under 18 nobody can be. */
    uint32_t rows[] = {0, 59, HALF, HALF, 0, 0, 0, 0};
    struct user_table t = marital(rows, 1);
    struct model *own = given(&t, 1);
    struct sampler *s = given_sampler(own, 42, NULL, 0);
    struct sampler *base = given_sampler(m, 42, NULL, 0);
    uint64_t n[2] = {0};

    (void)state;
    for (uint64_t i = 0; i < ROWS; i++) {
        struct person p, q;

        sampler_draw(s, i, &p);
        sampler_draw(base, i, &q);
        if (p.age < 15) assert_int_equal(p.marital, MARITAL_NEVER);
        if (p.age < 18) assert_int_not_equal(p.marital, MARITAL_MARRIED);
        if (p.age > 59) assert_int_equal(p.marital, q.marital);
        if (p.age < 20 || p.age > 59) continue;
        assert_true(p.marital <= MARITAL_MARRIED);
        n[p.marital]++;
    }
    assert_true(n[0] > n[1] * 97 / 100 && n[0] < n[1] * 103 / 100);
    sampler_free(s);
    sampler_free(base);
    model_free(own);
}

static void
a_table_of_everybody_is_drawn_at_the_ages_that_can(void **state)
{
    uint32_t rows[] = {0, TABLE_SUM, 0, 0, 0, 0};
    struct user_table t = marital(rows, 1);
    struct model *own;
    struct sampler *s;

    (void)state;
    t.n_keys = t.n_given = 0;
    own = given(&t, 1);
    s = given_sampler(own, 42, NULL, 0);
    for (uint64_t i = 0; i < 1000; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        assert_int_equal(p.marital == MARITAL_MARRIED, p.age >= 18);
    }
    sampler_free(s);
    model_free(own);
}

static void
a_row_that_nobody_can_fulfil_is_refused(void **state)
{
    uint32_t rows[] = {0, 12, HALF, HALF, 0, 0, 0, 0};
    struct user_table t = marital(rows, 1);

    (void)state;
    assert_null(with(&t, 1));
    assert_string_equal(diag.text,
                        "table marital_status, row 1: nobody of the ages 0-12 "
                        "can have marital_status \"Married\"; give it the "
                        "weight 0");
}

static void
replaced_employment_keeps_the_rules(void **state)
{
    uint32_t rows[] = {16, 30, 0, HALF, 0, 0, HALF, 0, 0};
    struct user_table t = {
        .use = TABLE_REPLACE,
        .name = "employment_status",
        .keys = {ATTR_AGE},
        .n_keys = 1,
        .n_given = 1,
        .n_rows = 1,
        .n_weights = EMPLOY_COUNT,
        .rows = rows,
    };
    struct model *own = given(&t, 1);
    struct sampler *s = given_sampler(own, 42, NULL, 0);
    struct audit *a = NULL;
    uint64_t students = 0;

    (void)state;
    assert_int_equal(audit_new(own, &a), CO_OK);
    for (uint64_t i = 0; i < ROWS; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        audit_count(a, &p);
        students +=
            p.age >= 20 && p.age <= 30 && p.employment == EMPLOY_STUDENT;
    }
    for (uint32_t k = 0; k < RULE_COUNT; k++) {
        assert_int_equal(audit_get(a, AUDIT_RULES, k), 0);
    }
    assert_true(students > ROWS / 20);
    audit_free(a);
    sampler_free(s);
    model_free(own);
}

/* --- margins -------------------------------------------------------------- */

static double
share_of(const struct model *own, enum attribute_id id, uint32_t value)
{
    struct sampler *s = given_sampler(own, 1, NULL, 0);
    double sum = 0, all = 0;

    for (size_t i = 0; i < sampler_cells(s); i++) {
        struct person p;
        double w = (double)sampler_cell(s, i, &p);

        all += w;
        if (attribute_of(&p, id) == value) sum += w;
    }
    sampler_free(s);
    return sum / all;
}

static bool
near(double a, double b)
{
    return a - b < 1e-5 && b - a < 1e-5;
}

static void
the_joint_is_fitted_to_margins(void **state)
{
    uint32_t sexes[] = {0, 40, 1, 60};
    uint32_t ages[] = {0, 17, 10, 18, 64, 70, 65, 99, 20};
    struct user_table t[2] = {
        {.use = TABLE_MARGIN,
         .name = "sex",
         .keys = {ATTR_SEX},
         .n_keys = 1,
         .n_rows = 2,
         .n_weights = 1,
         .rows = sexes},
        {.use = TABLE_MARGIN,
         .name = "age",
         .keys = {ATTR_AGE},
         .n_keys = 1,
         .n_rows = 3,
         .n_weights = 1,
         .rows = ages},
    };
    struct model *own = given(t, 2), *again = given(t, 2);
    double minors = 0;

    (void)state;
    assert_true(near(share_of(own, ATTR_SEX, 0), 0.4));
    for (uint32_t age = 0; age < 18; age++) {
        minors += share_of(own, ATTR_AGE, age);
    }
    assert_true(near(minors, 0.1));
    assert_memory_equal(own->joint, again->joint,
                        (size_t)m->states * MODEL_SEXES * m->joint_slots * 4);
    model_free(own);
    model_free(again);
}

static void
the_audit_of_work_follows_margins(void **state)
{
    static const enum joint_id work[] = {JOINT_OCCUPATION_SEX,
                                         JOINT_OCCUPATION_EDUCATION,
                                         JOINT_INCOME_OCCUPATION};
    uint32_t sexes[] = {0, 0, 1, 100}; /* women only */
    struct user_table t = {.use = TABLE_MARGIN,
                           .name = "sex",
                           .keys = {ATTR_SEX},
                           .n_keys = 1,
                           .n_rows = 2,
                           .n_weights = 1,
                           .rows = sexes};
    struct model *own = given(&t, 1);
    struct sampler *s = given_sampler(own, 42, NULL, 0);
    struct audit *a = NULL;

    (void)state;
    assert_int_equal(audit_new(own, &a), CO_OK);
    for (uint64_t i = 0; i < ROWS; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        audit_count(a, &p);
    }
    for (size_t k = 0; k < co_countof(work); k++) {
        struct comparison r;

        assert_int_equal(compare_joint(a, s, work[k], &r), CO_OK);
        assert_int_equal(r.target, EXPECTED_EXACT);
        assert_true(r.z < 3);
    }
    audit_free(a);
    sampler_free(s);
    model_free(own);
}

static void
a_margin_within_a_state_leaves_the_others_alone(void **state)
{
    uint32_t rows[] = {4, 0, 75, 4, 1, 25}; /* sexes of state number 4 */
    struct user_table t = {
        .use = TABLE_MARGIN,
        .name = "sex",
        .keys = {ATTR_STATE, ATTR_SEX},
        .n_keys = 2,
        .n_given = 1,
        .n_rows = 2,
        .n_weights = 1,
        .rows = rows,
    };
    struct model *own = given(&t, 1);
    struct sampler *s = given_sampler(own, 1, NULL, 0);
    double men = 0, all = 0;

    (void)state;
    for (uint32_t st = 0; st < m->states; st++) {
        assert_true(
            near(share_of(own, ATTR_STATE, st), share_of(m, ATTR_STATE, st)));
    }
    for (size_t i = 0; i < sampler_cells(s); i++) {
        struct person p;
        double w = (double)sampler_cell(s, i, &p);

        if (p.state != 4) continue;
        all += w;
        if (p.sex == 0) men += w;
    }
    assert_true(near(men / all, 0.75));
    sampler_free(s);
    model_free(own);
}

/* --- refused -------------------------------------------------------------- */

static void
assert_refused(struct user_table t, const char *message)
{
    assert_null(with(&t, 1));
    if (!strstr(diag.text, message)) assert_string_equal(diag.text, message);
}

static void
tables_that_do_not_fit_are_refused(void **state)
{
    uint32_t twice[] = {0, 16, 30, HALF, HALF, 0, 30, 64, HALF, HALF};
    uint32_t sum[] = {0, 16, 30, HALF, HALF - 1};
    uint32_t key[] = {2, 16, 30, HALF, HALF};
    uint32_t order[] = {1, 16, 30, HALF, HALF, 0, 16, 30, HALF, HALF};
    uint32_t gap[] = {0, 17, 10, 18, 64, 70};
    uint32_t nobody[] = {0, 0, 1, 0};
    struct user_table t = commute(twice, 2);
    struct user_table margin = {
        .use = TABLE_MARGIN,
        .name = "age",
        .keys = {ATTR_AGE},
        .n_keys = 1,
        .n_rows = 2,
        .n_weights = 1,
        .rows = gap,
    };

    (void)state;
    assert_refused(t, "table commute, row 2: these people have a row already "
                      "(do the bands of ages overlap?)");
    t = commute(sum, 1);
    assert_refused(t, "a key or weight of commute is out of range");
    t = commute(key, 1);
    assert_refused(t, "a key or weight of commute is out of range");
    t = commute(order, 2);
    assert_refused(t, "the rows of commute are out of order, or twice");
    t.keys[0] = ATTR_AGE;
    t.keys[1] = ATTR_SEX;
    assert_refused(t, "out of order");
    t.keys[0] = (enum attribute_id)(ATTR_USER + 3);
    t.n_keys = t.n_given = 1;
    assert_refused(t, "commute cannot be given key number 1; allowed are age "
                      "and attributes with labels that stand before it");
    t = commute(twice, 1);
    memcpy(t.name, "city", sizeof "city");
    assert_refused(t, "a new column cannot be called city");
    memcpy(t.name, "persona", sizeof "persona");
    assert_refused(t, "a new column cannot be called persona");
    memcpy(t.name, "a\"b", sizeof "a\"b");
    assert_refused(t, "a new column cannot be called a\"b");
    assert_refused(margin, "age: beside this row 35 of 100 values (or ages) "
                           "have none; give every one a row, with the weight "
                           "0 for nobody");
    margin.rows = nobody;
    margin.keys[0] = ATTR_SEX;
    assert_refused(margin, "all weights are 0; somebody must be left");
    margin.keys[0] = ATTR_CITY;
    assert_refused(margin, "allowed are state, sex, age and race_ethnicity");
}

static void
contradicting_margins_are_refused(void **state)
{
    uint32_t men[] = {0, 1, 1, 0};
    uint32_t half[] = {0, 1, 1, 1};
    struct user_table t[2] = {
        {.use = TABLE_MARGIN,
         .name = "sex",
         .keys = {ATTR_SEX},
         .n_keys = 1,
         .n_rows = 2,
         .n_weights = 1,
         .rows = men},
        {.use = TABLE_MARGIN,
         .name = "sex",
         .keys = {ATTR_SEX},
         .n_keys = 1,
         .n_rows = 2,
         .n_weights = 1,
         .rows = half},
    };

    (void)state;
    assert_null(with(t, 2));
    assert_non_null(strstr(diag.text, "the population has nobody of these, but "
                                      "the table gives them a weight"));
    men[1] = 3; /* somebody, but another number */
    men[3] = 1;
    assert_null(with(t, 2));
    assert_non_null(strstr(diag.text, "contradict each other: after 200 rounds "
                                      "of fitting"));
}

static void
many_margins_are_fitted_in_fewer_rounds(void **state)
{
    uint32_t rows[2][4] = {{0, 3, 1, 1}, {0, 1, 1, 1}};
    struct user_table t[TABLES_MAX];

    (void)state;
    for (uint32_t i = 0; i < TABLES_MAX; i++) {
        t[i] = (struct user_table){.use = TABLE_MARGIN,
                                   .name = "sex",
                                   .keys = {ATTR_SEX},
                                   .n_keys = 1,
                                   .n_rows = 2,
                                   .n_weights = 1,
                                   .rows = rows[i % 2]};
    }
    assert_null(with(t, TABLES_MAX));
    assert_non_null(strstr(diag.text, "contradict each other: after 20 rounds "
                                      "of fitting"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_column_is_drawn_where_its_table_has_a_row),
        cmocka_unit_test(a_column_stands_in_the_row_and_in_where),
        cmocka_unit_test(a_column_may_stand_on_another),
        cmocka_unit_test(the_audit_compares_a_column_with_its_table),
        cmocka_unit_test(a_replaced_table_is_drawn_but_marries_no_child),
        cmocka_unit_test(a_table_of_everybody_is_drawn_at_the_ages_that_can),
        cmocka_unit_test(a_row_that_nobody_can_fulfil_is_refused),
        cmocka_unit_test(replaced_employment_keeps_the_rules),
        cmocka_unit_test(the_joint_is_fitted_to_margins),
        cmocka_unit_test(the_audit_of_work_follows_margins),
        cmocka_unit_test(a_margin_within_a_state_leaves_the_others_alone),
        cmocka_unit_test(tables_that_do_not_fit_are_refused),
        cmocka_unit_test(contradicting_margins_are_refused),
        cmocka_unit_test(many_margins_are_fitted_in_fewer_rounds),
    };

    return cmocka_run_group_tests(tests, open_model, close_model);
}
