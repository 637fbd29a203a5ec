/* test_mix.c - a mix draws more of some people, and the audit knows. */
#include "audit/compare.h"
#include "tests/unit/shared_model.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 200000 };

static struct sampler *
given_mix(const struct mix_weight *mix, size_t n)
{
    const struct sampler_wish wish = {.seed = 42, .mix = mix, .n_mix = n};
    struct co_diag diag = {""};
    struct sampler *s = NULL;

    if (sampler_make(m, &wish, &diag, &s)) fail_msg("%s", diag.text);
    return s;
}

/* People of the joint with this value, out of a million. */
static double
share(const struct sampler *s, enum attribute_id id, const char *label)
{
    double sum = 0, all = 0;

    for (size_t i = 0; i < sampler_cells(s); i++) {
        struct person p;
        double w = (double)sampler_cell(s, i, &p);

        all += w;
        if (attribute_matches(m, id, attribute_of(&p, id), label)) sum += w;
    }
    return 1e6 * sum / all;
}

static void
a_weight_of_two_doubles_the_odds(void **state)
{
    const struct mix_weight mix[] = {
        {.attribute = ATTR_STATE, .value = "CA", .weight = 2 * MIX_ONE},
        {.attribute = ATTR_SEX, .value = "female", .weight = 3 * MIX_ONE / 2}};
    struct sampler *plain = given_mix(NULL, 0);
    struct sampler *mixed = given_mix(mix, co_countof(mix));
    double before = share(plain, ATTR_STATE, "CA");
    double after = share(mixed, ATTR_STATE, "CA");

    (void)state;
    /* Sexes are shared nearly alike in all states, so not exactly two. */
    assert_true(after / (1e6 - after) > 1.99 * before / (1e6 - before));
    assert_true(after / (1e6 - after) < 2.01 * before / (1e6 - before));
    before = share(plain, ATTR_SEX, "Female");
    after = share(mixed, ATTR_SEX, "Female");
    assert_true(after / (1e6 - after) > 1.49 * before / (1e6 - before));
    assert_true(after / (1e6 - after) < 1.51 * before / (1e6 - before));
    sampler_free(plain);
    sampler_free(mixed);
}

static void
a_weight_of_zero_is_nobody(void **state)
{
    const struct mix_weight mix[] = {
        {.attribute = ATTR_AGE, .from = 0, .to = 17, .weight = 0},
        {.attribute = ATTR_AGE, .from = 80, .to = 99, .weight = 0}};
    struct sampler *s = given_mix(mix, co_countof(mix));

    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        assert_true(p.age >= 18 && p.age < 80);
    }
    assert_int_equal(sampler_rate_ppm(s), 1000000);
    sampler_free(s);
}

static void
only_ratios_count(void **state)
{
    const struct mix_weight twice[] = {
        {.attribute = ATTR_SEX, .value = "Female", .weight = 2 * MIX_ONE}};
    const struct mix_weight half[] = {
        {.attribute = ATTR_SEX, .value = "Male", .weight = MIX_ONE / 2}};
    struct sampler *a = given_mix(twice, 1), *b = given_mix(half, 1);

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        struct person p, q;

        sampler_draw(a, i, &p);
        sampler_draw(b, i, &q);
        assert_memory_equal(&p, &q, sizeof p);
    }
    sampler_free(a);
    sampler_free(b);
}

static void
extreme_weights_lose_nobody(void **state)
{
    /* Products from 10^-24 to 10^12, 120 bits apart. */
    const struct mix_weight mix[] = {
        {.attribute = ATTR_STATE, .value = "CA", .weight = MIX_MAX},
        {.attribute = ATTR_STATE, .value = "WY", .weight = 1},
        {.attribute = ATTR_SEX, .value = "Female", .weight = MIX_MAX},
        {.attribute = ATTR_SEX, .value = "Male", .weight = 1},
        {.attribute = ATTR_AGE, .from = 20, .to = 29, .weight = MIX_MAX - 1},
        {.attribute = ATTR_AGE, .from = 70, .to = 79, .weight = 1},
        {.attribute = ATTR_RACE, .value = "White", .weight = MIX_MAX - 3},
        {.attribute = ATTR_RACE, .value = "Other", .weight = 1}};
    struct mix_weight named[co_countof(mix)];
    struct sampler *plain = given_mix(NULL, 0), *s;

    (void)state;
    memcpy(named, mix, sizeof mix);
    named[6].value = strndup(attribute_label(m, ATTR_RACE, 0).data,
                             attribute_label(m, ATTR_RACE, 0).len);
    named[7].value = strndup(attribute_label(m, ATTR_RACE, 5).data,
                             attribute_label(m, ATTR_RACE, 5).len);
    s = given_mix(named, co_countof(named));
    assert_int_equal(sampler_cells(s), sampler_cells(plain));
    free((char *)(uintptr_t)named[6].value);
    free((char *)(uintptr_t)named[7].value);
    sampler_free(plain);
    sampler_free(s);
}

static void
the_audit_compares_with_the_mixed_population(void **state)
{
    const struct mix_weight mix[] = {
        {.attribute = ATTR_STATE, .value = "CA", .weight = 5 * MIX_ONE},
        {.attribute = ATTR_STATE, .value = "NY", .weight = MIX_ONE / 10},
        {.attribute = ATTR_AGE, .from = 18, .to = 34, .weight = 3 * MIX_ONE}};
    struct sampler *plain = given_mix(NULL, 0);
    struct sampler *s = given_mix(mix, co_countof(mix));
    struct audit *a = NULL;
    struct comparison r;

    (void)state;
    assert_int_equal(audit_new(m, &a), CO_OK);
    for (uint64_t i = 0; i < ROWS; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        audit_count(a, &p);
    }
    for (unsigned id = 0; id < JOINT_COUNT; id++) {
        assert_int_equal(compare_joint(a, s, (enum joint_id)id, &r), CO_OK);
        assert_true(r.target == EXPECTED_EXACT || r.target == EXPECTED_NONE);
        assert_true(r.z <= 3);
    }
    assert_int_equal(compare_joint(a, plain, JOINT_SEX_AGE_STATE, &r), CO_OK);
    assert_true(r.tv > 0.2);
    audit_free(a);
    sampler_free(plain);
    sampler_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_of_two_doubles_the_odds),
        cmocka_unit_test(a_weight_of_zero_is_nobody),
        cmocka_unit_test(only_ratios_count),
        cmocka_unit_test(extreme_weights_lose_nobody),
        cmocka_unit_test(the_audit_compares_with_the_mixed_population),
    };

    return cmocka_run_group_tests(tests, open_model, close_model);
}
