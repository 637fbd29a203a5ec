/* test_sampler.c - draws follow the joint, the seed and the conditions, and
 * are the same everywhere. tests/golden/us-adults.rows holds 50 rows; after
 * a wanted change raise GENERATOR_VERSION and run this test with
 * CO_WRITE_GOLDEN=1. */
#include "audit/audit.h"
#include "audit/compare.h"
#include "rows/generator.h"
#include "rows/row.h"
#include "tests/unit/shared_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_PATH CO_SOURCE_DIR "/tests/golden/us-adults.rows"
enum { GOLDEN_ROWS = 50, GOLDEN_BYTES = 1 << 18 };

static enum co_err
refused(const struct condition *c, size_t n, struct co_diag *diag)
{
    struct sampler *s = NULL;
    enum co_err err = sampler_new(m, 1, c, n, diag, &s);

    sampler_free(s);
    return err;
}

static struct audit *
counted(const struct sampler *s, uint64_t rows)
{
    struct audit *a = NULL;
    struct person p;

    assert_int_equal(audit_new(m, &a), CO_OK);
    for (uint64_t i = 0; i < rows; i++) {
        sampler_draw(s, i, &p);
        if (sampler_accepts(s, &p)) audit_count(a, &p);
    }
    return a;
}

static void
sex_age_state_stays_within_0_002_at_a_million(void **state)
{
    struct sampler *s = given_sampler(m, 42, NULL, 0);
    struct audit *a = counted(s, 1000000);
    struct comparison r;

    (void)state;
    assert_int_equal(compare_joint(a, s, JOINT_SEX_AGE_STATE, &r), CO_OK);
    assert_true(r.tv <= 0.002);
    assert_int_equal(compare_joint(a, s, JOINT_RACE_STATE, &r), CO_OK);
    assert_true(r.z <= 3);
    assert_int_equal(compare_joint(a, s, JOINT_EDUCATION_AGE_SEX, &r), CO_OK);
    assert_true(r.z <= 3);
    audit_free(a);
    sampler_free(s);
}

static void
a_row_does_not_depend_on_what_was_drawn_before(void **state)
{
    struct sampler *s = given_sampler(m, 7, NULL, 0);
    struct person first, later, other;

    (void)state;
    sampler_draw(s, 123456, &first);
    for (uint64_t i = 0; i < 1000; i++) {
        sampler_draw(s, i * 977, &other);
    }
    sampler_draw(s, 123456, &later);
    assert_memory_equal(&first, &later, sizeof first);
    sampler_free(s);
}

static void
a_redraw_keeps_the_cell_and_changes_the_rest(void **state)
{
    struct sampler *s = given_sampler(m, 7, NULL, 0);
    unsigned changed = 0;

    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        struct person a, b;

        sampler_draw(s, i, &a);
        sampler_redraw(s, i, 1, &b);
        assert_int_equal(a.state, b.state);
        assert_int_equal(a.age, b.age);
        assert_int_equal(a.race, b.race);
        changed += a.last != b.last;
    }
    assert_true(changed > 90);
    sampler_free(s);
}

static void
neighbouring_rows_do_not_correlate(void **state)
{
    enum { N = 50000, LAGS = 50 };
    struct sampler *s = given_sampler(m, 42, NULL, 0);
    int *age = malloc(N * sizeof *age);
    long long mean = 0, var = 0;

    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        age[i] = 1000 * p.age;
        mean += age[i];
    }
    mean /= N;
    for (int i = 0; i < N; i++) {
        var += (age[i] - mean) * (age[i] - mean) / N;
    }
    for (int lag = 1; lag <= LAGS; lag++) {
        long long cov = 0;

        for (int i = 0; i + lag < N; i++) {
            cov += (age[i] - mean) * (age[i + lag] - mean) / N;
        }
        /* 4.5 standard deviations of white noise, 1/sqrt(N) = 0.00447 */
        assert_true(llabs(cov) * 1000 < var * 20);
    }
    free(age);
    sampler_free(s);
}

static void
conditions_on_the_joint_hold_without_rejection(void **state)
{
    const char *const states[] = {"tx", "Rhode Island"};
    const char *const races[] = {"Asian"};
    const struct condition c[] = {
        {.attribute = "age",
         .has_min = true,
         .min = 23,
         .has_max = true,
         .max = 26},
        {.attribute = "state", .values = states, .n_values = 2},
        {.attribute = "race_ethnicity", .values = races, .n_values = 1},
    };
    struct sampler *s = given_sampler(m, 42, c, co_countof(c));

    (void)state;
    assert_int_equal(sampler_rate_ppm(s), 1000000);
    for (uint64_t i = 0; i < 5000; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        assert_true(sampler_accepts(s, &p));
        assert_in_range(p.age, 23, 26);
        assert_int_equal(p.race, RACE_ASIAN);
    }
    sampler_free(s);
}

static void
other_conditions_are_tests_with_a_known_rate(void **state)
{
    const char *const jobs[] = {"Registered nurses"};
    const struct condition c = {
        .attribute = "occupation", .values = jobs, .n_values = 1};
    struct sampler *s = given_sampler(m, 42, &c, 1);
    unsigned accepted = 0;

    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        if (!sampler_accepts(s, &p)) continue;
        accepted++;
        assert_true(attribute_matches(m, ATTR_OCCUPATION, p.occupation,
                                      "registered nurses"));
    }
    assert_in_range(accepted, 100, 400); /* 1 % of people */
    assert_in_range(sampler_rate_ppm(s), 5000, 20000);
    sampler_free(s);
}

static void
an_unknown_attribute_lists_those_there_are(void **state)
{
    const struct condition c = {.attribute = "shoe_size"};
    struct co_diag diag = {""};

    (void)state;
    assert_int_equal(refused(&c, 1, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "shoe_size"));
    assert_non_null(strstr(diag.text, "marital_status"));
}

static void
an_unknown_value_names_the_nearest(void **state)
{
    const char *const jobs[] = {"Registred nurse"};
    const char *const states[] = {"Texs"};
    const struct condition job = {
        .attribute = "occupation", .values = jobs, .n_values = 1};
    const struct condition st = {
        .attribute = "state", .values = states, .n_values = 1};
    struct co_diag diag = {""};

    (void)state;
    assert_int_equal(refused(&job, 1, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "Registered nurses"));
    assert_int_equal(refused(&st, 1, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "TX"));
}

static void
conditions_that_nobody_fulfils_are_refused(void **state)
{
    const char *const graduate[] = {"Graduate or professional degree"};
    const char *const surgeon[] = {"Surgeons"};
    const char *const city[] = {"Chicago"};
    const char *const texas[] = {"TX"};
    const struct condition cases[][2] = {
        {{.attribute = "age", .has_max = true, .max = 17},
         {.attribute = "education_level", .values = graduate, .n_values = 1}},
        {{.attribute = "age", .has_max = true, .max = 22},
         {.attribute = "occupation", .values = surgeon, .n_values = 1}},
        {{.attribute = "state", .values = texas, .n_values = 1},
         {.attribute = "city", .values = city, .n_values = 1}},
        {{.attribute = "age", .has_max = true, .max = 30},
         {.attribute = "age", .has_min = true, .min = 31}},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        struct co_diag diag = {""};

        assert_int_equal(refused(cases[i], 2, &diag), CO_INVALID);
        assert_non_null(strstr(diag.text, "nobody"));
    }
}

static void
the_wrong_kind_of_condition_is_refused(void **state)
{
    const char *const v[] = {"30"};
    const struct condition c[] = {
        {.attribute = "age", .values = v, .n_values = 1},
        {.attribute = "age", .has_min = true, .min = 150},
        {.attribute = "age",
         .has_min = true,
         .min = 40,
         .has_max = true,
         .max = 30},
        {.attribute = "state", .has_min = true, .min = 3},
        {.attribute = "state"},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(c); i++) {
        struct co_diag diag = {""};

        assert_int_equal(refused(&c[i], 1, &diag), CO_INVALID);
    }
}

/* Phrases of their own, so that better phrases leave golden rows alone. */
static struct prose *
golden_prose(void)
{
    struct phrase_set *set = NULL;
    struct prose *prose = NULL;
    struct co_diag diag = {""};

    if (phrase_set_new(&set) ||
        phrase_set_read(set, CO_SOURCE_DIR "/tests/golden/phrases", &diag) ||
        prose_new(m, &set, NULL, &diag, &prose)) {
        fail_msg("%s", diag.text);
    }
    return prose;
}

/* The recipe of the golden rows: adults, seed 42. */
static void
golden_rows(struct co_buf *buf)
{
    const struct condition c = {.attribute = "age", .has_min = true, .min = 18};
    struct sampler *s = given_sampler(m, 42, &c, 1);
    struct prose *prose = golden_prose();

    sampler_set_prose(s, prose);
    sampler_set_recipe(s, UINT64_C(0x0123456789abcdef));
    co_buf_printf(buf, "generator %d\n", GENERATOR_VERSION);
    for (uint64_t i = 0; i < GOLDEN_ROWS; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        row_write(s, &p, ROW_TEXTS, buf);
    }
    sampler_free(s);
    prose_free(prose);
}

static void
rows_change_only_with_the_generator_version(void **state)
{
    struct co_buf buf;
    char *golden = calloc(1, GOLDEN_BYTES);
    bool write_it = getenv("CO_WRITE_GOLDEN") != NULL;
    FILE *f = fopen(GOLDEN_PATH, write_it ? "wb" : "rb");

    (void)state;
    co_buf_init(&buf, GOLDEN_BYTES);
    golden_rows(&buf);
    assert_non_null(f);
    if (write_it) {
        (void)fwrite(buf.data, 1, buf.len, f);
    } else {
        (void)!fread(golden, 1, GOLDEN_BYTES - 1, f);
    }
    (void)fclose(f);
    if (!write_it) assert_string_equal(co_buf_text(&buf), golden);
    co_buf_fini(&buf);
    free(golden);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sex_age_state_stays_within_0_002_at_a_million),
        cmocka_unit_test(a_row_does_not_depend_on_what_was_drawn_before),
        cmocka_unit_test(a_redraw_keeps_the_cell_and_changes_the_rest),
        cmocka_unit_test(neighbouring_rows_do_not_correlate),
        cmocka_unit_test(conditions_on_the_joint_hold_without_rejection),
        cmocka_unit_test(other_conditions_are_tests_with_a_known_rate),
        cmocka_unit_test(an_unknown_attribute_lists_those_there_are),
        cmocka_unit_test(an_unknown_value_names_the_nearest),
        cmocka_unit_test(conditions_that_nobody_fulfils_are_refused),
        cmocka_unit_test(the_wrong_kind_of_condition_is_refused),
        cmocka_unit_test(rows_change_only_with_the_generator_version),
    };

    return cmocka_run_group_tests(tests, open_model, close_model);
}
