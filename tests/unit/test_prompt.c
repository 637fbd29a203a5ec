/* Prompt files are taken apart, checked and rendered; the shipped ones say of
 * a person what is known and nothing else. */
#include "llm/prompt.h"
#include "llm/shape.h"
#include "rows/prompt_person.h"
#include "tests/unit/population.h"

#include "common/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMPTS CO_SOURCE_DIR "/prompts/compose"

static const char *const names[ASK_STAGES] = {"background.md", "personas.md"};
static const char second[] = "## system\n## user\n{{fields}} {{background}}\n"
                             "## repair\n{{error}}\n";

/* ---- the format ---- */

static enum co_err
parse(const char *first, struct prompt_set **ret, struct co_diag *diag)
{
    const char *texts[ASK_STAGES] = {first, second};

    return prompt_set_parse(texts, names, ret, diag);
}

/* A set whose first stage's user section is that text. */
static struct prompt_set *
given_user(const char *user)
{
    struct prompt_set *set = NULL;
    struct co_diag diag = {""};
    char text[4096];

    (void)snprintf(text, sizeof text,
                   "A comment {{of any kind}}.\n## system\n{{fields}}\n"
                   "## user\n%s\n## repair\n{{error}}\n",
                   user);
    if (parse(text, &set, &diag)) fail_msg("%s", diag.text);
    return set;
}

/* Only these have a value: their own name. */
static void
say_names(void *self, unsigned name, struct co_buf *out)
{
    const char *known = self;
    static const char *const all[] = {
#define X(ID, text, max, where, about) #text,
        PROMPT_NAME_LIST(X)
#undef X
    };

    if (strstr(known, all[name])) co_buf_puts(out, all[name]);
}

static void
renders(const char *user, const char *known, const char *expected)
{
    struct prompt_set *set = given_user(user);
    char *self = strdup(known);
    struct co_buf out;

    co_buf_init(&out, 1 << 16);
    prompt_render(set, ASK_BACKGROUND, PROMPT_USER, say_names, self, &out);
    assert_string_equal(co_buf_text(&out), expected);
    co_buf_fini(&out);
    free(self);
    prompt_set_free(set);
}

static void
placeholders_become_their_values(void **state)
{
    (void)state;
    renders("I am {{age}}, {{sex}}{{city}}.\nYes.", "age sex city",
            "I am age, sexcity.\nYes.");
}

static void
lines_of_which_nothing_is_known_are_left_out(void **state)
{
    (void)state;
    renders("Age: {{age}}\nTown: {{city}}, {{state}}\n\nEnd", "age",
            "Age: age\n\nEnd");
    renders("Age: {{age}}\nTown: {{city}}, {{state}}", "state",
            "Town: , state");
    renders("Age: {{age}}\n\nTown: {{city}}", "age", "Age: age");
    renders("Age: {{age}}", "", "");
}

static void
four_braces_are_two_and_other_braces_are_themselves(void **state)
{
    (void)state;
    renders("{{{{age}} {\"a\": {}} {{{{{{age}}}}", "age",
            "{{age}} {\"a\": {}} {{age}}");
}

static void
windows_and_blanks_around_make_no_difference(void **state)
{
    (void)state;
    renders("\n\r\n  Age: {{age}}  \r\nEnd\t\n\n\n", "age", "  Age: age\nEnd");
}

/* A file is refused with these words. */
static void
refused(const char *first, const char *words)
{
    struct prompt_set *set = NULL;
    struct co_diag diag = {""};

    assert_int_equal(parse(first, &set, &diag), CO_INVALID);
    if (!strstr(diag.text, words)) {
        fail_msg("'%s' is not in: %s", words, diag.text);
    }
}

static void
faults_name_file_line_and_what_to_do(void **state)
{
    (void)state;
    refused("## system\n## user\n{{fields}}\n{{agee}}\n## repair\n{{error}}",
            "background.md:4: there is no placeholder {{agee}} (did you mean "
            "{{age}}?); ");
    refused("## system\n## user\n{{something else}}\n",
            "no placeholder {{something else}}; docs/prompts.md");
    refused("## system\n## user\n{{age}\n",
            "background.md:3: a placeholder that does not end in this line");
    refused("## system\n## user\n{{background}}\n",
            "background.md:3: {{background}} has no value here, only in the "
            "prompt personas.md");
    refused("## system\n## user\n{{error}}\n",
            "{{error}} has no value here, only in the section ## repair");
    refused("## system\n## user\n{{fields}}\n## user\n",
            "background.md:4: a second section \"## user\"");
    refused("## system\n## user\n{{fields}}\n",
            "background.md: a missing section");
    refused("## system\n## user\n\n## repair\n{{error}}",
            "background.md: an empty section");
    refused("## system\n## user\nhello\n## repair\n{{error}}",
            "{{fields}} stands nowhere that the model would see it");
    refused("## system\n## user\n{{fields}}\n## repair\nagain",
            "{{error}} stands nowhere");
    refused("## system\n## user\n{{fields}}\n## repair\n{{error}}{{error}}",
            "{{error}} stands there more than once");
    refused("## system\n\x01", "background.md:2: byte 1 of the line is a "
                               "control character");
    refused("## system\nabc\xff", "byte 4 of the line is no UTF-8");
}

static void
the_second_prompt_has_to_quote_the_first_answer(void **state)
{
    static const char *const texts[ASK_STAGES] = {
        "## system\n## user\n{{fields}}\n## repair\n{{error}}",
        "## system\n## user\n{{fields}}\n## repair\n{{error}}"};
    struct prompt_set *set = NULL;
    struct co_diag diag = {""};

    (void)state;
    assert_int_equal(prompt_set_parse(texts, names, &set, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "personas.md: {{background}} stands "
                                      "nowhere"));
}

static void
a_prompt_that_could_grow_beyond_its_limit_is_refused(void **state)
{
    static const char line[] = "{{own_columns}}\n";
    struct co_buf text;

    (void)state;
    co_buf_init(&text, 4096);
    co_buf_puts(&text,
                "## system\n## user\n{{fields}}\n## repair\n{{error}}\n");
    for (int i = 0; i < 50; i++) {
        co_buf_puts(&text, line);
    }
    refused(co_buf_text(&text),
            "background.md: with the longest values of its placeholders");
    co_buf_fini(&text);
}

/* What fits without the answer that it quotes would be refused by workers, once
 * money went into that answer. */
static void
the_answer_that_a_prompt_quotes_counts_for_its_limit(void **state)
{
    const char *texts[ASK_STAGES];
    struct prompt_set *set = NULL;
    struct co_diag diag = {""};
    struct co_buf text, more;

    (void)state;
    co_buf_init(&text, 4096);
    co_buf_init(&more, 4096);
    co_buf_puts(&text,
                "## system\n## repair\n{{error}}\n## user\n{{fields}}\n");
    for (int i = 0; i < 37; i++) {
        co_buf_puts(&text, "{{own_columns}}\n");
    }
    co_buf_printf(&more, "%s{{background}}\n", co_buf_text(&text));
    texts[ASK_BACKGROUND] = co_buf_text(&text);
    texts[ASK_PERSONAS] = co_buf_text(&more);
    assert_int_equal(prompt_set_parse(texts, names, &set, &diag), CO_INVALID);
    assert_non_null(strstr(
        diag.text, "personas.md: with the longest values of its placeholders"));
    texts[ASK_PERSONAS] = second;
    assert_int_equal(prompt_set_parse(texts, names, &set, &diag), CO_OK);
    prompt_set_free(set);
    co_buf_fini(&text);
    co_buf_fini(&more);
}

static void
a_missing_file_is_named(void **state)
{
    struct prompt_set *set = NULL;
    struct co_diag diag = {""};

    (void)state;
    assert_int_equal(prompt_set_load("/nowhere", &set, &diag), CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "/nowhere/background.md"));
}

/* Each value as long as it may be, and longer. */
static void
say_much(void *self, unsigned name, struct co_buf *out)
{
    (void)self;
    if (name == PROMPT_NAME_BACKGROUND || name == PROMPT_NAME_ERROR) return;
    for (int i = 0; i < 5000; i++) {
        co_buf_puts(out, "\xC3\xA9");
    }
}

static void
no_value_makes_a_prompt_larger_than_its_bound(void **state)
{
    struct prompt_set *set = NULL;
    struct co_diag diag = {""};
    struct co_buf out;

    (void)state;
    assert_int_equal(prompt_set_load(PROMPTS, &set, &diag), CO_OK);
    co_buf_init(&out, 1 << 20);
    for (unsigned stage = 0; stage < ASK_STAGES; stage++) {
        co_buf_clear(&out);
        prompt_render(set, stage, PROMPT_SYSTEM, say_much, NULL, &out);
        prompt_render(set, stage, PROMPT_USER, say_much, NULL, &out);
        assert_in_range(out.len, 5000, prompt_bound(set, stage));
        assert_in_range(prompt_bound(set, stage), 1, 16384);
        co_buf_clear(&out);
        prompt_render(set, stage, PROMPT_REPAIR, say_much, NULL, &out);
        assert_in_range(out.len, 1, prompt_repair_bound(set, stage));
    }
    co_buf_fini(&out);
    prompt_set_free(set);
}

/* ---- people ---- */

struct people {
    struct model *m;
    struct sampler *s;
    struct prompt_set *set;
    struct co_buf out;
};

static struct people
given_people(const char *model)
{
    struct people x = {0};
    struct co_diag diag = {""};
    char path[512];

    (void)snprintf(path, sizeof path, CO_SOURCE_DIR "/data/%s.model", model);
    if (model_open(path, &diag, &x.m)) fail_msg("%s", diag.text);
    x.s = given_sampler(x.m, 42, NULL, 0);
    if (prompt_set_load(PROMPTS, &x.set, &diag)) fail_msg("%s", diag.text);
    co_buf_init(&x.out, 1 << 16);
    return x;
}

static void
end_people(struct people *x)
{
    co_buf_fini(&x->out);
    prompt_set_free(x->set);
    sampler_free(x->s);
    model_free(x->m);
}

static const char *
user_prompt(struct people *x, const struct person *p)
{
    struct prompt_person who = {.s = x->s, .p = p};

    co_buf_clear(&x->out);
    prompt_render(x->set, ASK_BACKGROUND, PROMPT_USER, prompt_person_value,
                  &who, &x->out);
    return co_buf_text(&x->out);
}

static void
has(const char *text, const char *words)
{
    if (!strstr(text, words)) fail_msg("'%s' is not in:\n%s", words, text);
}

static void
has_not(const char *text, const char *words)
{
    if (strstr(text, words)) fail_msg("'%s' is in:\n%s", words, text);
}

/* A widow with a degree and two children who works; what is drawn is put
 * right here and there. */
static void
a_worker_with_children_is_told_whole(void **state)
{
    struct people x = given_people("us");
    struct person p;
    const char *text;

    (void)state;
    for (uint64_t row = 0;; row++) {
        sampler_draw(x.s, row, &p);
        if (p.age == 41 && p.sex && p.income_usd && p.children == 2 &&
            p.degree_field != PERSON_NONE8 && p.arrangement == HOME_SPOUSE) {
            break;
        }
    }
    p.income_usd = 54300;
    p.household_size = 4;
    p.child_age[0] = 9;
    p.child_age[1] = 6;
    p.tenure = TENURE_OWNER;
    p.household_income = 11;
    p.language = 1;
    p.english = ENGLISH_VERY_WELL;
    p.hispanic = 1;
    p.ocean[OCEAN_O] = 64;
    text = user_prompt(&x, &p);
    has(text, "Age: 41\nSex: female\nLives in: ");
    has(text, ", United States\n");
    has(text, "Origin: Hispanic or Latino\n");
    has(text, "Languages at home: English and Spanish\n");
    has(text, "Household: lives with a spouse, 4 people in all; 2 own "
              "children under 18 at home, aged 9 and 6; the home is owned; "
              "household income $75,000 to $99,999 a year\n");
    has(text, "Field of the bachelor's degree: ");
    has(text, "Employment: employed\nOccupation (title");
    has(text, "Wage: $54,300 a year\n");
    has(text, "- openness 64, high: curious");
    has(text, "\n- \"career_goals_and_ambitions\" (");
    has_not(text, "Last occupation");
    has_not(text, "{{");
    has_not(text, "Also:");
    has_not(text, "null");
    end_people(&x);
}

static void
a_small_child_has_neither_work_nor_plans(void **state)
{
    struct people x = given_people("us");
    struct person p;
    const char *text;

    (void)state;
    for (uint64_t row = 0;; row++) {
        sampler_draw(x.s, row, &p);
        if (p.age == 0) break;
    }
    text = user_prompt(&x, &p);
    has(text, "Age: less than 1\n");
    has(text, "Household: a child in the home of parents or relatives, ");
    has(text, "- \"cultural_background\" (");
    has_not(text, "Marital");
    has_not(text, "Employment");
    has_not(text, "Occupation");
    has_not(text, "Wage");
    has_not(text, "- \"hobbies");
    end_people(&x);
}

static void
of_the_world_only_what_is_known_is_told(void **state)
{
    struct people x = given_people("world");
    struct person p;
    const char *text;

    (void)state;
    sampler_draw(x.s, 7, &p);
    text = user_prompt(&x, &p);
    has(text, "Lives in: ");
    has_not(text, "Race");
    has_not(text, "Origin");
    has_not(text, "Languages");
    has_not(text, "Household:");
    has_not(text, "Schooling");
    has_not(text, "United States");
    end_people(&x);
}

/* Nobody's values are cut, and none is a word for nothing. */
static void
values_of_all_kinds_of_people_fit(void **state)
{
    static const char *const models[] = {"us", "world"};
    static const uint32_t most[] = {
#define X(ID, name, max, where, text) max,
        PROMPT_NAME_LIST(X)
#undef X
    };

    (void)state;
    for (size_t k = 0; k < co_countof(models); k++) {
        struct people x = given_people(models[k]);

        for (uint64_t row = 0; row < 5000; row++) {
            struct person p;
            struct prompt_person who = {.s = x.s, .p = &p};

            sampler_draw(x.s, row, &p);
            for (unsigned name = 0; name < PROMPT_NAMES; name++) {
                co_buf_clear(&x.out);
                prompt_person_value(&who, name, &x.out);
                assert_in_range(x.out.len, 0, most[name]);
                has_not(co_buf_text(&x.out), "null");
            }
        }
        end_people(&x);
    }
}

static void
people_who_are_alike_are_asked_for_different_matters(void **state)
{
    struct people x = given_people("us");
    struct co_buf first;
    struct person p;
    struct prompt_person who = {.s = x.s, .p = &p};

    (void)state;
    co_buf_init(&first, 4096);
    sampler_draw(x.s, 5, &p);
    prompt_person_value(&who, PROMPT_NAME_ANGLES, &first);
    prompt_person_value(&who, PROMPT_NAME_ANGLES, &x.out);
    assert_string_equal(co_buf_text(&first), co_buf_text(&x.out));
    co_buf_clear(&x.out);
    p.row = 6;
    prompt_person_value(&who, PROMPT_NAME_ANGLES, &x.out);
    assert_string_not_equal(co_buf_text(&first), co_buf_text(&x.out));
    co_buf_fini(&first);
    end_people(&x);
}

static void
the_second_stage_gets_the_first_answer_in_words(void **state)
{
    static const char answer[] =
        "{\"cultural_background\":\"Lives above a shop with \\\"nan\\\".\"}";
    struct people x = given_people("us");
    struct person p;
    struct prompt_person who = {.s = x.s,
                                .p = &p,
                                .background = (const uint8_t *)answer,
                                .background_len = sizeof answer - 1,
                                .error = "it is cut",
                                .error_len = 9};

    (void)state;
    sampler_draw(x.s, 5, &p);
    prompt_render(x.set, ASK_PERSONAS, PROMPT_USER, prompt_person_value, &who,
                  &x.out);
    has(co_buf_text(&x.out), "\nBackground, written before:\n- cultural "
                             "background: Lives above a shop with \"nan\".\n");
    has(co_buf_text(&x.out), "- \"persona\" (1 or 2 sentences");
    co_buf_clear(&x.out);
    prompt_render(x.set, ASK_PERSONAS, PROMPT_REPAIR, prompt_person_value, &who,
                  &x.out);
    has(co_buf_text(&x.out), "cannot be used: it is cut.\n");
    end_people(&x);
}

/* ---- the document ---- */

static void
the_document_has_every_placeholder(void **state)
{
    static const struct {
        const char *name, *text;
        uint32_t where;
    } all[] = {
#define X(ID, name, max, where, text) {#name, text, where},
        PROMPT_NAME_LIST(X)
#undef X
    };
    struct co_diag diag = {""};
    struct co_buf doc;

    (void)state;
    co_buf_init(&doc, 1 << 18);
    if (co_fs_read_file(CO_SOURCE_DIR "/docs/prompts.md", 1 << 17, &doc,
                        &diag)) {
        fail_msg("%s", diag.text);
    }
    for (size_t i = 0; i < co_countof(all); i++) {
        const bool repair = all[i].where & PROMPT_IN_REPAIR_ONLY;
        const bool later = !(all[i].where & PROMPT_IN_BACKGROUND);
        char line[512];

        (void)snprintf(line, sizeof line, "\n| `{{%s}}` | %s | %s |\n",
                       all[i].name,
                       repair  ? "repair"
                       : later ? "personas.md"
                               : "everywhere",
                       all[i].text);
        has(co_buf_text(&doc), line);
    }
    co_buf_fini(&doc);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_become_their_values),
        cmocka_unit_test(lines_of_which_nothing_is_known_are_left_out),
        cmocka_unit_test(four_braces_are_two_and_other_braces_are_themselves),
        cmocka_unit_test(windows_and_blanks_around_make_no_difference),
        cmocka_unit_test(faults_name_file_line_and_what_to_do),
        cmocka_unit_test(the_second_prompt_has_to_quote_the_first_answer),
        cmocka_unit_test(a_prompt_that_could_grow_beyond_its_limit_is_refused),
        cmocka_unit_test(the_answer_that_a_prompt_quotes_counts_for_its_limit),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(no_value_makes_a_prompt_larger_than_its_bound),
        cmocka_unit_test(a_worker_with_children_is_told_whole),
        cmocka_unit_test(a_small_child_has_neither_work_nor_plans),
        cmocka_unit_test(of_the_world_only_what_is_known_is_told),
        cmocka_unit_test(values_of_all_kinds_of_people_fit),
        cmocka_unit_test(people_who_are_alike_are_asked_for_different_matters),
        cmocka_unit_test(the_second_stage_gets_the_first_answer_in_words),
        cmocka_unit_test(the_document_has_every_placeholder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
