/* What models answer is found, judged and made canonical; what is wrong is
 * said in words that they can act on. */
#include "common/utf8.h"
#include "llm/shape.h"
#include "prose/text_columns.h"
#include "tests/co_test.h"

#include <jansson.h>
#include <string.h>

enum { ADULT = 34, CHILD = 3 };

static const char good[] =
    "{\"cultural_background\":\"Grew up in a rented duplex in Toledo, where "
    "her father drove a bread van and two aunts lived upstairs, and moved "
    "away at nineteen.\",\"skills_and_expertise\":\"Reads a blueprint "
    "upside down across a counter, and keeps a stock list in her head that "
    "is off by two.\",\"skills_and_expertise_list\":[\"blueprints\",\"stock "
    "keeping\",\"forklift\"],\"hobbies_and_interests\":\"Fishes for perch "
    "from the pier on Sunday mornings, alone, with a radio that gets one "
    "station.\",\"hobbies_and_interests_list\":[\"perch "
    "fishing\",\"radio\",\"crosswords\"],\"career_goals_and_ambitions\":"
    "\"Wants the inside desk when it comes free in spring, and has told "
    "nobody but her sister about it so far.\"}";

struct answer {
    struct co_buf out;
    struct co_diag diag;
};

static int
set_up(void **state)
{
    static struct answer a;

    co_buf_init(&a.out, 1 << 16);
    *state = &a;
    return 0;
}

static int
tear_down(void **state)
{
    struct answer *a = *state;

    co_buf_fini(&a->out);
    return 0;
}

static enum co_err
check(struct answer *a, enum ask_stage stage, uint32_t age, const char *text)
{
    co_buf_clear(&a->out);
    a->diag.text[0] = '\0';
    return shape_check(shape_of(stage), age, text, strlen(text), &a->out,
                       &a->diag);
}

/* The canonical form of the answer. */
static const char *
canonical(struct answer *a, const char *text)
{
    if (check(a, ASK_BACKGROUND, ADULT, text)) fail_msg("%s", a->diag.text);
    return co_buf_text(&a->out);
}

/* It is refused with these words. */
static void
refused(struct answer *a, const char *text, const char *words)
{
    if (check(a, ASK_BACKGROUND, ADULT, text) != CO_INVALID) {
        fail_msg("taken: %s", text);
    }
    if (!strstr(a->diag.text, words)) {
        fail_msg("'%s' is not in: %s", words, a->diag.text);
    }
    assert_true(strlen(a->diag.text) < ASK_ERROR_MAX);
    assert_int_equal(a->out.len, 0);
}

/* good, with one place of it changed. */
static const char *
changed(const char *from, const char *to)
{
    static char text[16384];
    const char *at = strstr(good, from);

    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to,
                   at + strlen(from));
    return text;
}

static void
the_form_of_a_canonical_answer_is_itself(void **state)
{
    assert_string_equal(canonical(*state, good), good);
}

static void
an_answer_is_found_in_fences_prose_and_thoughts(void **state)
{
    static const char *const around[][2] = {
        {"```json\n", "\n```"},
        {"Here is the profile {as asked}:\n\n", "\n\nShall I go on?"},
        {"<think>{\"name\": \"a draft\"} no, rather</think>\n", ""},
        {"\xEF\xBB\xBF  [", "]"},
        {"{ \"unfinished\": \"", ""},
    };

    for (size_t i = 0; i + 1 < co_countof(around); i++) {
        char text[8192];

        (void)snprintf(text, sizeof text, "%s%s%s", around[i][0], good,
                       around[i][1]);
        assert_string_equal(canonical(*state, text), good);
    }
}

static void
blanks_order_and_escapes_make_no_difference(void **state)
{
    json_t *tree = json_loads(good, 0, NULL);
    char *loose =
        json_dumps(tree, JSON_INDENT(4) | JSON_SORT_KEYS | JSON_ENSURE_ASCII);

    assert_string_equal(canonical(*state, loose), good);
    free(loose);
    json_decref(tree);
    assert_string_equal(canonical(*state, changed("Toledo", "\\u0054oledo")),
                        good);
    assert_string_equal(canonical(*state, changed("\"radio\"", "\" r\\u0061dio"
                                                               "\\n\"")),
                        good);
    assert_string_equal(
        canonical(*state, changed("van and", "van\\r\\n\\u2028\\t and")), good);
}

static void
what_json_needs_is_escaped_and_all_else_is_raw(void **state)
{
    const char *text =
        canonical(*state, changed("Toledo", "\\\"To\\u00e9\\\\do\\\" \\/"));

    assert_non_null(strstr(text, "in \\\"To\xC3\xA9\\\\do\\\" /, where"));
    assert_string_equal(canonical(*state, text), text);
}

static void
the_young_are_asked_less_and_may_not_be_given_more(void **state)
{
    static const char child[] =
        "{\"cultural_background\":\"Lives on the third floor above a shoe "
        "repair shop with both parents and a grandmother who tells the same "
        "three tales.\"}";

    assert_int_equal(check(*state, ASK_BACKGROUND, CHILD, child), CO_OK);
    assert_int_equal(check(*state, ASK_BACKGROUND, CHILD, good), CO_INVALID);
    assert_non_null(
        strstr(((struct answer *)*state)->diag.text,
               "\"skills_and_expertise\" is not asked for: leave it out"));
}

static void
faults_are_told_in_words_that_help(void **state)
{
    struct answer *a = *state;
    char big[2048];

    refused(a, "I am sorry, but I cannot do that.", "no JSON object");
    refused(a, "", "no JSON object");
    refused(a, "{}", "no JSON object");
    refused(a, changed("\"radio\",", ""), "has 2 texts; it has to have 3");
    refused(a, changed(",\"skills_and_expertise_list\"", ",\"skils\""),
            "\"skils\" is not asked for: leave it out; "
            "\"skills_and_expertise_list\" is missing: add it, a list of 3");
    refused(a, changed("\"skills_and_expertise_list\"", "\"persona\""),
            "\"persona\" is not asked for");
    refused(a, changed("}", ",\"cultural_background\":\"x\"}"),
            "\"cultural_background\" is there twice");
    refused(a, changed("\"radio\"", "\" perch  fishing\""),
            "text 2 of \"hobbies_and_interests_list\" is there twice");
    refused(a, changed("\"radio\"", "7"),
            "an entry of \"hobbies_and_interests_list\" is a number");
    refused(a,
            changed("[\"blueprints\",\"stock keeping\",\"forklift\"]",
                    "\"blueprints, forklift\""),
            "is one text; it has to be a list of texts");
    refused(a, changed("Toledo", "Tol\\u0007edo"), "a control character");
    refused(a, changed("Toledo", "Tol\\ud800edo"), "a broken character");
    refused(a, changed("\"radio\"", "\" \""), "is empty: 0 bytes");
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    refused(a, changed("Toledo", big),
            "\"cultural_background\" is too long: 2");
}

static void
broken_json_is_quoted_where_it_breaks(void **state)
{
    struct answer *a = *state;
    char text[sizeof good];

    refused(
        a, changed("Toledo", "To\nledo"),
        "broken after 'Grew up in a rented duplex in To': a control character");
    refused(a, changed("Toledo", "\"Toledo\""), "a comma is missing");
    refused(a, changed("Toledo", "To\xC3(ledo"), "not UTF-8");
    for (size_t n = 1; n < sizeof good - 1; n++) {
        memcpy(text, good, n);
        text[n] = '\0';
        refused(a, text, "the JSON ends in the middle");
    }
}

static void
all_faults_of_an_answer_are_told_at_once(void **state)
{
    struct answer *a = *state;

    refused(a, "{\"cultural_background\":null,\"a\":1}",
            "\"cultural_background\" is null; it has to be one text; \"a\" is "
            "not asked for");
    assert_non_null(strstr(a->diag.text, "; and more"));
}

static void
an_answer_fits_what_rows_and_messages_have_room_for(void **state)
{
    (void)state;
    for (unsigned stage = 0; stage < ASK_STAGES; stage++) {
        const struct shape *shape = shape_of((enum ask_stage)stage);
        size_t most = 2;

        for (uint32_t i = 0; i < shape->n; i++) {
            const struct shape_field *f = &shape->fields[i];
            size_t texts = f->is_list ? f->items_max : 1;

            most += strlen(f->name) + 6 + texts * (f->max + 3U);
        }
        assert_in_range(most, 1, ASK_ANSWER_MAX);
    }
}

static void
quotes_without_end_do_not_make_an_answer_too_large(void **state)
{
    struct answer *a = *state;
    char text[16384], quotes[901];
    int n = snprintf(text, sizeof text, "{");
    const struct shape *shape = shape_of(ASK_PERSONAS);

    memset(quotes, '\\', sizeof quotes);
    for (size_t i = 1; i < sizeof quotes - 1; i += 2) {
        quotes[i] = '"';
    }
    quotes[sizeof quotes - 1] = '\0';
    for (uint32_t i = 0; i < shape->n; i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, "%s\"%s\":\"%s%s\"",
                      i ? "," : "", shape->fields[i].name, quotes,
                      i + 1 < shape->n ? quotes : "");
    }
    (void)snprintf(text + n, sizeof text - (size_t)n, "}");
    assert_int_equal(check(a, ASK_PERSONAS, ADULT, text), CO_INVALID);
    assert_non_null(strstr(a->diag.text, "all texts together are too long"));
    assert_int_equal(a->out.len, 0);
}

static void
fields_are_the_columns_of_rows_with_their_ages(void **state)
{
    unsigned found = 0;

    (void)state;
    for (unsigned stage = 0; stage < ASK_STAGES; stage++) {
        const struct shape *shape = shape_of((enum ask_stage)stage);

        for (unsigned c = 0; c < TEXT_COUNT; c++) {
            const struct text_column_info *info =
                text_column((enum text_column)c);

            for (uint32_t i = 0; i < shape->n; i++) {
                const struct shape_field *f = &shape->fields[i];

                if (strncmp(f->name, info->name, info->name_bytes) != 0) {
                    continue;
                }
                if (strcmp(f->name + info->name_bytes, "_list") == 0) {
                    assert_true(f->is_list && info->picks);
                } else if (f->name[info->name_bytes]) {
                    continue;
                }
                assert_int_equal(f->from_age, info->from_age);
                found++;
            }
        }
    }
    assert_int_equal(found, TEXT_COUNT + 2);
}

/* What servers that are strict about schemas ask for. */
static void
a_schema_asks_for_every_field_and_nothing_else(void **state)
{
    static const uint32_t ages[] = {0, 5, 6, 15, 16, 99};

    (void)state;
    for (unsigned i = 0; i < ASK_STAGES * co_countof(ages); i++) {
        const struct shape *shape = shape_of(i % ASK_STAGES);
        uint32_t age = ages[i / ASK_STAGES];
        struct co_buf out;
        json_t *schema, *properties, *required;
        size_t asked = 0;

        co_buf_init(&out, SHAPE_SCHEMA_MAX);
        shape_schema(shape, age, &out);
        assert_int_equal(out.err, CO_OK);
        schema = json_loads(co_buf_text(&out), JSON_REJECT_DUPLICATES, NULL);
        properties = json_object_get(schema, "properties");
        required = json_object_get(schema, "required");
        assert_true(
            json_is_false(json_object_get(schema, "additionalProperties")));
        for (uint32_t k = 0; k < shape->n; k++) {
            const char *name = shape->fields[k].name;

            if (age < shape->fields[k].from_age) {
                assert_null(json_object_get(properties, name));
                continue;
            }
            assert_string_equal(
                json_string_value(json_array_get(required, asked++)), name);
            assert_non_null(json_object_get(properties, name));
        }
        assert_int_equal(json_array_size(required), asked);
        assert_int_equal(json_object_size(properties), asked);
        json_decref(schema);
        co_buf_fini(&out);
    }
}

static void
values_are_found_by_name_as_they_stand(void **state)
{
    const char *value;
    size_t len;

    (void)state;
    assert_true(shape_value(good, strlen(good), "hobbies_and_interests_list",
                            &value, &len));
    assert_memory_equal(value, "[\"perch fishing\",\"radio\",\"crosswords\"]",
                        len);
    assert_false(shape_value(good, strlen(good), "hobbies", &value, &len));
}

static void
an_answer_in_words_is_no_longer_than_itself(void **state)
{
    struct co_buf out;

    (void)state;
    co_buf_init(&out, sizeof good);
    shape_say(shape_of(ASK_BACKGROUND), good, strlen(good), &out);
    assert_int_equal(out.err, CO_OK);
    assert_true(out.len <= strlen(good));
    assert_non_null(strstr(co_buf_text(&out),
                           "\n- hobbies and interests, in short: perch "
                           "fishing; radio; crosswords\n"));
    co_buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_of_a_canonical_answer_is_itself),
        cmocka_unit_test(an_answer_is_found_in_fences_prose_and_thoughts),
        cmocka_unit_test(blanks_order_and_escapes_make_no_difference),
        cmocka_unit_test(what_json_needs_is_escaped_and_all_else_is_raw),
        cmocka_unit_test(the_young_are_asked_less_and_may_not_be_given_more),
        cmocka_unit_test(faults_are_told_in_words_that_help),
        cmocka_unit_test(broken_json_is_quoted_where_it_breaks),
        cmocka_unit_test(all_faults_of_an_answer_are_told_at_once),
        cmocka_unit_test(an_answer_fits_what_rows_and_messages_have_room_for),
        cmocka_unit_test(quotes_without_end_do_not_make_an_answer_too_large),
        cmocka_unit_test(fields_are_the_columns_of_rows_with_their_ages),
        cmocka_unit_test(a_schema_asks_for_every_field_and_nothing_else),
        cmocka_unit_test(values_are_found_by_name_as_they_stand),
        cmocka_unit_test(an_answer_in_words_is_no_longer_than_itself),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
