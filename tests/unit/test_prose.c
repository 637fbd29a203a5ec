/* test_prose.c - the shipped phrases: every text of twenty thousand people
 * reads as a sentence and says nothing that a column denies. */
#include "tests/unit/population.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PEOPLE = 20000 };

static struct model *m;
static struct prose *prose;
static struct sampler *s;

static int
set_up(void **state)
{
    (void)state;
    m = given_model();
    prose = given_prose(m);
    s = given_sampler(m, 5, NULL, 0);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    sampler_free(s);
    prose_free(prose);
    model_free(m);
    return 0;
}

typedef void check_fn(const struct person *p, const struct tags *tags,
                      const char *text);

/* Calls check for every text, NUL-terminated. */
static void
each_text(check_fn *check)
{
    char text[PROSE_TEXT_BYTES + 1];

    for (uint64_t i = 0; i < PEOPLE; i++) {
        struct grammar_person gp;
        struct person p;

        sampler_draw(s, i, &p);
        prose_begin(prose, &p, sampler_bits(s, &p, 0), &gp);
        for (unsigned c = 0; c < TEXT_COUNT; c++) {
            char *end = prose_text(prose, &gp, (enum text_column)c, text);

            assert_int_equal(end != NULL,
                             p.age >=
                                 text_column((enum text_column)c)->from_age);
            if (!end) continue;
            *end = '\0';
            check(&p, &gp.tags, text);
        }
    }
}

static void
check_form(const struct person *p, const struct tags *tags, const char *text)
{
    static const char *const never[] = {
        "  ", "{",  "}",  "\"", "\\",    " ,",      " .",        " ;",  "..",
        ",,", ";,", ".,", "|",  " a a ", " an an ", " the the ", "null"};
    size_t len = strlen(text);

    (void)p;
    (void)tags;
    assert_in_range(len, 60, GRAMMAR_TEXT_MAX / 2);
    if (!strchr(".!?", text[len - 1]) || islower((unsigned char)text[0])) {
        fail_msg("%s", text);
    }
    for (size_t i = 0; i < co_countof(never); i++) {
        if (strstr(text, never[i])) fail_msg("\"%s\": %s", never[i], text);
    }
}

static void
texts_have_no_empty_slot_and_end_as_sentences(void **state)
{
    (void)state;
    each_text(check_form);
}

/* Written apart from articles.c: by what the word sounds like. */
static bool
sounds_like_a_vowel(const char *w)
{
    if (isdigit((unsigned char)*w)) {
        return *w == '8' || strncmp(w, "11-", 3) == 0 ||
               strncmp(w, "18-", 3) == 0;
    }
    if (isupper((unsigned char)w[0]) && isupper((unsigned char)w[1])) {
        return strchr("AEFHILMNORSX", *w) != NULL;
    }
    if (strncmp(w, "hono", 4) == 0 || strncmp(w, "hones", 5) == 0 ||
        strncmp(w, "hour", 4) == 0 || strncmp(w, "herb", 4) == 0) {
        return true;
    }
    if (strncmp(w, "use", 3) == 0 || strncmp(w, "usu", 3) == 0 ||
        strncmp(w, "uti", 3) == 0 || strncmp(w, "univ", 4) == 0 ||
        strncmp(w, "uni", 3) == 0 || strncmp(w, "uke", 3) == 0 ||
        strncmp(w, "one", 3) == 0 || strncmp(w, "once", 4) == 0) {
        return false;
    }
    return strchr("aeiouAEIO", *w) != NULL;
}

static void
check_articles(const struct person *p, const struct tags *tags,
               const char *text)
{
    (void)p;
    (void)tags;
    for (const char *w = text; *w; w++) {
        if (w != text && w[-1] != ' ') continue;
        if ((strncasecmp(w, "a ", 2) == 0 && sounds_like_a_vowel(w + 2)) ||
            (strncasecmp(w, "an ", 3) == 0 && !sounds_like_a_vowel(w + 3))) {
            fail_msg("%.30s: %s", w, text);
        }
    }
}

static void
articles_agree_with_what_follows(void **state)
{
    (void)state;
    each_text(check_articles);
}

/* Whether the text has the word, and how often. */
static unsigned
words(const char *text, const char *word)
{
    size_t len = strlen(word);
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, word)); at++) {
        n += (at == text || !isalpha((unsigned char)at[-1])) &&
             !isalpha((unsigned char)at[len]);
    }
    return n;
}

static void
check_pronouns(const struct person *p, const struct tags *tags,
               const char *text)
{
    static const char *const of[2][3] = {{"he", "He", "himself"},
                                         {"she", "She", "herself"}};

    (void)tags;
    for (size_t i = 0; i < 3; i++) {
        if (words(text, of[1 - p->sex][i])) fail_msg("%s", text);
    }
}

static void
pronouns_agree_with_the_sex(void **state)
{
    (void)state;
    each_text(check_pronouns);
}

static void
check_status(const struct person *p, const struct tags *tags, const char *text)
{
    static const struct {
        const char *word;
        enum tag_class class;
        uint32_t value;
    } only[] = {
        {"retired", CLASS_STAGE, STAGE_RETIRED}, {"widowed", CLASS_MARITAL, 3},
        {"divorced", CLASS_MARITAL, 4},          {"Widowed", CLASS_MARITAL, 3},
        {"Divorced", CLASS_MARITAL, 4},
    };

    (void)p;
    for (size_t i = 0; i < co_countof(only); i++) {
        if (tags->value[only[i].class] != only[i].value &&
            words(text, only[i].word)) {
            fail_msg("%s: %s", only[i].word, text);
        }
    }
}

static void
texts_do_not_contradict_the_columns(void **state)
{
    (void)state;
    each_text(check_status);
}

static void
lists_have_three_to_five_different_things_that_texts_name(void **state)
{
    char array[PROSE_ARRAY_BYTES];

    (void)state;
    for (uint64_t i = 0; i < 3000; i++) {
        struct grammar_person gp;
        struct person p;
        unsigned quotes = 0;
        char *end;

        sampler_draw(s, i, &p);
        prose_begin(prose, &p, sampler_bits(s, &p, 0), &gp);
        end = prose_array(prose, &gp, TEXT_HOBBIES, array);
        assert_int_equal(end != NULL, p.age >= 6);
        if (!end) continue;
        *end = '\0';
        for (const char *at = array; (at = strchr(at, '"')); at++) {
            quotes++;
        }
        assert_in_range(quotes, 2 * TEXT_PICKS_MIN, 2 * TEXT_PICKS_MAX);
    }
}

static void
the_same_person_always_gets_the_same_texts(void **state)
{
    char a[PROSE_TEXT_BYTES], b[PROSE_TEXT_BYTES];

    (void)state;
    for (uint64_t i = 0; i < 500; i++) {
        struct grammar_person one, two;
        struct person p;

        sampler_draw(s, i, &p);
        memset(&one, 0, sizeof one);
        memset(&two, 0xff, sizeof two);
        prose_begin(prose, &p, 99, &one);
        prose_begin(prose, &p, 99, &two);
        for (unsigned c = 0; c < TEXT_COUNT; c++) {
            char *x = prose_text(prose, &one, (enum text_column)c, a);
            char *y = prose_text(prose, &two, (enum text_column)c, b);

            assert_int_equal(x ? x - a : 0, y ? y - b : 0);
            if (x) assert_memory_equal(a, b, (size_t)(x - a));
        }
    }
}

static void
all_ten_columns_have_phrases(void **state)
{
    (void)state;
    for (unsigned c = 0; c < TEXT_COUNT; c++) {
        const struct text_column_info *info = text_column((enum text_column)c);
        uint32_t list;

        assert_int_equal(grammar_find(prose_grammar(prose), info->name,
                                      strlen(info->name), &list),
                         CO_OK);
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
        cmocka_unit_test(
            lists_have_three_to_five_different_things_that_texts_name),
        cmocka_unit_test(the_same_person_always_gets_the_same_texts),
        cmocka_unit_test(all_ten_columns_have_phrases),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
