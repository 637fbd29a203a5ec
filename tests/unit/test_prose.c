/* test_prose.c - every text reads as a sentence, at every age and stage. */
#include "population/phrases.h"
#include "population/prose_old.h"
#include "tests/unit/population.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PEOPLE = 20000 };

static struct model *m;
static struct sampler *s;

static int
set_up(void **state)
{
    (void)state;
    m = given_model();
    s = given_sampler(m, 5, NULL, 0);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    sampler_free(s);
    model_free(m);
    return 0;
}

typedef void check_fn(const struct person *p, const char *text);

static void
each_text(check_fn *check)
{
    char text[PROSE_MAX_BYTES + 1];

    for (uint64_t i = 0; i < PEOPLE; i++) {
        struct person p;
        struct out o = {text};

        sampler_draw(s, i, &p);
        prose_persona(s, &p, &o);
        *o.at = '\0';
        assert_in_range(o.at - text, 20, PROSE_MAX_BYTES / 2);
        check(&p, text);
        o.at = text;
        prose_background(s, &p, &o);
        *o.at = '\0';
        assert_in_range(o.at - text, 20, PROSE_MAX_BYTES / 2);
        check(&p, text);
    }
}

static void
check_form(const struct person *p, const char *text)
{
    static const char *const never[] = {
        "  ",           "{",  "}",     "\"",      "\\",       " ,", " .",
        " ;",           "..", ",,",    ", ,",     ";,",       ".,", "null",
        "himself self", "|",  " a a ", " an an ", " the the "};

    (void)p;
    assert_true(text[strlen(text) - 1] == '.');
    assert_false(islower((unsigned char)text[0]));
    for (size_t i = 0; i < co_countof(never); i++) {
        if (strstr(text, never[i])) fail_msg("%s: %s", never[i], text);
    }
}

static void
texts_have_no_empty_slot_and_end_as_sentences(void **state)
{
    (void)state;
    each_text(check_form);
}

/* Written apart from prose.c: by what the word sounds like. */
static bool
sounds_like_a_vowel(const char *w)
{
    if (isdigit((unsigned char)*w)) {
        return *w == '8' || strncmp(w, "11-", 3) == 0 ||
               strncmp(w, "18-", 3) == 0;
    }
    if (strncmp(w, "HVAC", 4) == 0 || strncmp(w, "MRI", 3) == 0 ||
        strncmp(w, "hon", 3) == 0 || strncmp(w, "hour", 4) == 0) {
        return true;
    }
    if (strncmp(w, "used", 4) == 0 || strncmp(w, "univ", 4) == 0 ||
        strncmp(w, "one", 3) == 0) {
        return false;
    }
    return strchr("aeiouAEIO", *w) != NULL;
}

static void
check_articles(const struct person *p, const char *text)
{
    (void)p;
    for (const char *w = text; *w; w++) {
        if (w != text && w[-1] != ' ') continue;
        if (strncasecmp(w, "a ", 2) == 0 && sounds_like_a_vowel(w + 2)) {
            fail_msg("%s", text);
        }
        if (strncasecmp(w, "an ", 3) == 0 && !sounds_like_a_vowel(w + 3)) {
            fail_msg("%s", text);
        }
    }
}

static void
articles_agree_with_what_follows(void **state)
{
    (void)state;
    each_text(check_articles);
}

static bool
has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = text; (at = strstr(at, word)); at++) {
        if ((at == text || !isalpha((unsigned char)at[-1])) &&
            !isalpha((unsigned char)at[len])) {
            return true;
        }
    }
    return false;
}

static void
check_pronouns(const struct person *p, const char *text)
{
    static const char *const of[2][5] = {
        {"he", "He", "his", "him", "himself"},
        {"she", "She", "her", "Her", "herself"}};

    for (size_t i = 0; i < 5; i++) {
        struct model_text last = model_text(&m->last, p->last);

        /* Her is a surname too. */
        if (strncmp(of[1 - p->sex][i], last.data, last.len) == 0) continue;
        if (has_word(text, of[1 - p->sex][i])) fail_msg("%s", text);
    }
}

static void
pronouns_agree_with_the_sex(void **state)
{
    (void)state;
    each_text(check_pronouns);
}

static void
check_status(const struct person *p, const char *text)
{
    if (p->age < 18 || p->employment != EMPLOY_RETIRED) {
        assert_null(strstr(text, "retired"));
    }
    if (p->marital != MARITAL_MARRIED && p->marital != MARITAL_ABSENT) {
        assert_null(strstr(text, "Married"));
    }
    if (p->age < 16) assert_null(strstr(text, " works "));
}

static void
texts_do_not_contradict_the_columns(void **state)
{
    (void)state;
    each_text(check_status);
}

static void
most_people_get_a_text_of_their_own(void **state)
{
    enum { N = 5000, BUCKETS = 1 << 16 };
    uint8_t *seen = calloc(BUCKETS, 1);
    unsigned twice = 0;
    char text[PROSE_MAX_BYTES];

    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        struct person p;
        struct out o = {text};
        uint32_t h = 2166136261U;

        sampler_draw(s, i, &p);
        prose_persona(s, &p, &o);
        for (const char *c = text; c < o.at; c++) {
            h = (h ^ (uint8_t)*c) * 16777619U;
        }
        twice += seen[h % BUCKETS]++ > 0;
    }
    assert_true(twice < N * N / BUCKETS); /* chance alone gives half */
    free(seen);
}

static void
every_state_has_phrases(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < m->states; i++) {
        struct model_text code = model_text(&m->state_code, i);

        assert_non_null(phrases_state(code.data, code.len));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_no_empty_slot_and_end_as_sentences),
        cmocka_unit_test(articles_agree_with_what_follows),
        cmocka_unit_test(pronouns_agree_with_the_sex),
        cmocka_unit_test(texts_do_not_contradict_the_columns),
        cmocka_unit_test(most_people_get_a_text_of_their_own),
        cmocka_unit_test(every_state_has_phrases),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
