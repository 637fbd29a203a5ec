/* test_world.c - people of all countries: what is known of them, and null
 * for what is not. */
#include "audit/compare.h"
#include "rows/row.h"
#include "tests/unit/population.h"

#include <string.h>

#define WORLD_PATH CO_SOURCE_DIR "/data/world.model"
enum { ROWS = 200000 };

static struct model *world;

static int
open_world(void **state)
{
    struct co_diag diag = {""};

    (void)state;
    return model_open(WORLD_PATH, &diag, &world) ? -1 : 0;
}

static int
close_world(void **state)
{
    (void)state;
    model_free(world);
    return 0;
}

static void
countries_have_their_share_of_people(void **state)
{
    struct sampler *s = given_sampler(world, 42, NULL, 0);
    struct audit *a = NULL;
    struct comparison r;
    struct person p;

    (void)state;
    assert_int_equal(audit_new(world, &a), CO_OK);
    for (uint64_t i = 0; i < ROWS; i++) {
        sampler_draw(s, i, &p);
        audit_count(a, &p);
    }
    assert_int_equal(compare_joint(a, s, JOINT_SEX_AGE_COUNTRY, &r), CO_OK);
    assert_int_equal(r.n, ROWS);
    assert_int_equal(r.target, EXPECTED_EXACT);
    assert_true(r.z <= 3);
    for (uint32_t k = 0; k < RULE_COUNT; k++) {
        assert_int_equal(audit_get(a, AUDIT_RULES, k), 0);
    }
    audit_free(a);
    sampler_free(s);
}

static void
what_nobody_knows_is_null(void **state)
{
    static const enum attribute_id unknown[] = {
        ATTR_STATE,   ATTR_RACE,       ATTR_HISPANIC,       ATTR_EDUCATION,
        ATTR_MARITAL, ATTR_EMPLOYMENT, ATTR_OCCUPATION,     ATTR_HOUSEHOLD_TYPE,
        ATTR_TENURE,  ATTR_INCOME,     ATTR_HOUSEHOLD_SIZE, ATTR_LANGUAGE};
    struct sampler *s = given_sampler(world, 42, NULL, 0);
    uint64_t unnamed = 0;

    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        for (size_t k = 0; k < co_countof(unknown); k++) {
            assert_int_equal(attribute_of(&p, unknown[k]), UINT32_MAX);
            assert_int_equal(attribute_values(world, unknown[k]), 0);
        }
        assert_true(p.country < world->country.count);
        assert_true(p.ocean[0] >= OCEAN_MIN && p.ocean[0] <= OCEAN_MAX);
        unnamed += p.first == PERSON_NONE16;
    }
    assert_true(unnamed > 4000 && unnamed < 5200); /* 23 % have no list */
    sampler_free(s);
}

static void
a_row_says_null_and_the_country(void **state)
{
    static const char *const indonesia[] = {"Indonesia"};
    const struct condition c = {
        .attribute = "country", .values = indonesia, .n_values = 1};
    struct sampler *s = given_sampler(world, 42, &c, 1);
    struct co_buf buf;
    struct person p;

    (void)state;
    assert_int_equal(sampler_rate_ppm(s), 1000000); /* a root attribute */
    co_buf_init(&buf, 1 << 16);
    sampler_draw(s, 7, &p);
    (void)row_write(s, &p, ROW_ATTRIBUTES, &buf);
    assert_non_null(
        strstr(co_buf_text(&buf),
               "\"state\":null,\"zipcode\":null,\"country\":\"IDN\","
               "\"first_name\":null,\"last_name\":null,"
               "\"race_ethnicity\":null,\"hispanic\":null,"));
    assert_non_null(strstr(co_buf_text(&buf), "\"income_usd\":null,"
                                              "\"household\":null,"
                                              "\"languages\":null,"));
    co_buf_fini(&buf);
    sampler_free(s);
}

static void
countries_can_be_mixed(void **state)
{
    const struct mix_weight mix[] = {
        {.attribute = ATTR_COUNTRY, .value = "IN", .weight = 0},
        {.attribute = ATTR_COUNTRY, .value = "fra", .weight = MIX_MAX}};
    const struct sampler_wish wish = {.mix = mix, .n_mix = co_countof(mix)};
    struct co_diag diag = {""};
    struct sampler *s = NULL;
    unsigned french = 0;

    (void)state;
    assert_int_equal(sampler_make(world, &wish, &diag, &s), CO_OK);
    for (uint64_t i = 0; i < 10000; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        assert_false(
            attribute_matches(world, ATTR_COUNTRY, p.country, "India"));
        french += attribute_matches(world, ATTR_COUNTRY, p.country, "France");
    }
    assert_true(french > 9000); /* 65 of 6,410 million, a thousandfold */
    sampler_free(s);
}

static void
conditions_on_what_is_not_known_are_refused(void **state)
{
    static const char *const ca[] = {"CA"}, *const emma[] = {"Emma"};
    static const char *const idn[] = {"IDN"};
    const struct condition where_state = {
        .attribute = "state", .values = ca, .n_values = 1};
    const struct condition nobody[] = {
        {.attribute = "country", .values = idn, .n_values = 1},
        {.attribute = "first_name", .values = emma, .n_values = 1}};
    struct co_diag diag = {""};
    struct sampler *s = NULL;

    (void)state;
    assert_int_equal(sampler_new(world, 1, &where_state, 1, &diag, &s),
                     CO_INVALID);
    assert_non_null(
        strstr(diag.text, "this population has no attribute \"state\""));
    assert_int_equal(sampler_new(world, 1, nobody, 2, &diag, &s), CO_INVALID);
    assert_non_null(strstr(diag.text, "nobody in the population fulfils"));
}

static void
the_united_states_are_one_country(void **state)
{
    struct model *us = given_model();
    struct sampler *s = given_sampler(us, 1, NULL, 0);
    struct person p;

    (void)state;
    sampler_draw(s, 1, &p);
    assert_int_equal(attribute_of(&p, ATTR_COUNTRY), 0);
    assert_int_equal(attribute_values(us, ATTR_COUNTRY), 1);
    assert_true(attribute_matches(us, ATTR_COUNTRY, 0, "usa"));
    sampler_free(s);
    model_free(us);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(countries_have_their_share_of_people),
        cmocka_unit_test(what_nobody_knows_is_null),
        cmocka_unit_test(a_row_says_null_and_the_country),
        cmocka_unit_test(countries_can_be_mixed),
        cmocka_unit_test(conditions_on_what_is_not_known_are_refused),
        cmocka_unit_test(the_united_states_are_one_country),
    };

    return cmocka_run_group_tests(tests, open_world, close_world);
}
