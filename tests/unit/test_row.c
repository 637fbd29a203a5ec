/* test_row.c - rows are JSON, in the order that is promised. */
#include "rows/row.h"
#include "tests/unit/population.h"

#include <jansson.h>
#include <string.h>

enum { TEXT_KEYS = 12 };

static const char *const all_keys[] = {"uuid",
                                       "professional_persona",
                                       "sports_persona",
                                       "arts_persona",
                                       "travel_persona",
                                       "culinary_persona",
                                       "persona",
                                       "cultural_background",
                                       "skills_and_expertise",
                                       "skills_and_expertise_list",
                                       "hobbies_and_interests",
                                       "hobbies_and_interests_list",
                                       "career_goals_and_ambitions",
                                       "sex",
                                       "age",
                                       "marital_status",
                                       "education_level",
                                       "bachelors_field",
                                       "occupation",
                                       "city",
                                       "state",
                                       "zipcode",
                                       "country",
                                       "first_name",
                                       "last_name",
                                       "race_ethnicity",
                                       "hispanic",
                                       "employment_status",
                                       "income_usd",
                                       "household",
                                       "languages",
                                       "ocean_openness",
                                       "ocean_conscientiousness",
                                       "ocean_extraversion",
                                       "ocean_agreeableness",
                                       "ocean_neuroticism",
                                       "provenance"};

static void
check_row(const struct sampler *s, uint64_t row, enum row_level level)
{
    struct co_buf buf;
    struct person p;
    json_t *json;
    const char *key;
    json_t *value;
    size_t k = 0;

    co_buf_init(&buf, ROW_MAX_BYTES);
    sampler_draw(s, row, &p);
    row_write(s, &p, level, &buf);
    assert_int_equal(buf.err, CO_OK);
    assert_int_equal(buf.data[buf.len - 1], '\n');
    assert_null(memchr(buf.data, '\n', buf.len - 1));
    json = json_loadb((const char *)buf.data, buf.len, JSON_REJECT_DUPLICATES,
                      NULL);
    assert_non_null(json);
    json_object_foreach(json, key, value)
    {
        if (level == ROW_ATTRIBUTES && k == 1) k += TEXT_KEYS;
        assert_string_equal(key, all_keys[k++]);
        assert_false(json_is_real(value));
    }
    assert_int_equal(k, co_countof(all_keys));
    assert_int_equal(json_integer_value(json_object_get(json, "age")), p.age);
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(json, "provenance"), "row")),
                     row);
    json_decref(json);
    co_buf_fini(&buf);
}

static void
rows_are_json_with_keys_in_schema_order(void **state)
{
    struct model *m = given_model();
    struct prose *prose = given_prose(m);
    struct sampler *s = given_sampler(m, 42, NULL, 0);

    (void)state;
    sampler_set_prose(s, prose);
    for (uint64_t i = 0; i < 3000; i++) {
        check_row(s, i, ROW_TEXTS);
        check_row(s, i, ROW_ATTRIBUTES);
    }
    sampler_free(s);
    prose_free(prose);
    model_free(m);
}

static void
a_full_buffer_is_an_error_and_no_half_row(void **state)
{
    struct model *m = given_model();
    struct prose *prose = given_prose(m);
    struct sampler *s = given_sampler(m, 42, NULL, 0);
    struct co_buf buf;
    struct person p;

    (void)state;
    sampler_set_prose(s, prose);
    co_buf_init(&buf, ROW_MAX_BYTES - 1);
    sampler_draw(s, 0, &p);
    row_write(s, &p, ROW_TEXTS, &buf);
    assert_int_equal(buf.err, CO_FULL);
    assert_int_equal(buf.len, 0);
    co_buf_fini(&buf);
    sampler_free(s);
    prose_free(prose);
    model_free(m);
}

static void
uuids_are_version_8_and_depend_on_each_part(void **state)
{
    char a[36], b[36];

    (void)state;
    row_uuid(1, 2, 3, a);
    assert_int_equal(a[14], '8');
    assert_non_null(memchr("89ab", a[19], 4));
    row_uuid(1, 2, 4, b);
    assert_memory_not_equal(a, b, 36);
    row_uuid(1, 9, 3, b);
    assert_memory_not_equal(a, b, 36);
    row_uuid(9, 2, 3, b);
    assert_memory_not_equal(a, b, 36);
    row_uuid(1, 2, 3, b);
    assert_memory_equal(a, b, 36);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_json_with_keys_in_schema_order),
        cmocka_unit_test(a_full_buffer_is_an_error_and_no_half_row),
        cmocka_unit_test(uuids_are_version_8_and_depend_on_each_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
