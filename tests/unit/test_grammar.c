/* test_grammar.c - what a phrase file may hold, what is said of one that may
 * not be used, and what its phrases become. */
#include "prose/grammar.h"
#include "tests/unit/shared_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct co_diag diag;

static struct phrase_set *
given_file(const char *text, size_t len)
{
    struct phrase_set *set = NULL;

    assert_int_equal(phrase_set_new(&set), CO_OK);
    assert_int_equal(phrase_set_add(set, "mine.txt", text, len, &diag), CO_OK);
    return set;
}

/* The prose of one file; a message fails the test. */
static struct prose *
given_phrases(const char *text)
{
    struct phrase_set *set = given_file(text, strlen(text));
    struct prose *prose = NULL;

    if (prose_new(m, &set, NULL, &diag, &prose)) fail_msg("%s", diag.text);
    return prose;
}

static void
assert_refused(const char *text, size_t len, const char *message)
{
    struct phrase_set *set = given_file(text, len);
    struct grammar *g = NULL;

    if (grammar_new(set, NULL, &diag, &g) == CO_OK) fail_msg("%s", text);
    if (!strstr(diag.text, message)) {
        fail_msg("\"%s\" instead of \"%s\"", diag.text, message);
    }
    phrase_set_free(set);
}

/* A grown-up employed man of 40 in the first state and its first city. */
static struct person
given_person(uint64_t row)
{
    return (struct person){.row = row,
                           .age = 40,
                           .education = EDU_BACHELOR,
                           .employment = EMPLOY_EMPLOYED,
                           .former = PERSON_NO_OCCUPATION,
                           .household_size = 1,
                           .ocean = {50, 50, 50, 50, 50}};
}

/* The persona text of the person, NUL-terminated. */
static const char *
persona(const struct prose *prose, const struct person *p)
{
    static char text[PROSE_TEXT_BYTES];
    struct grammar_person gp;
    char *end;

    prose_begin(prose, p, 77 + p->row * 1000003, &gp);
    end = prose_text(prose, &gp, TEXT_PERSONA, text);
    assert_non_null(end);
    *end = '\0';
    return text;
}

static void
a_fault_is_told_with_its_line_and_what_is_allowed(void **state)
{
    static const char *const bad[][2] = {
        {"text", "mine.txt:1: text before the first list"},
        {"[Persona]\n", "mine.txt:1: \"[Persona]\" is no list"},
        {"[persona\n", "is no list: write [name]"},
        {"[age]\n", "[age] is a fact about the person"},
        {"[persona]\n", "[persona] has no alternative"},
        {"[persona]\n(shoe=1) x\n",
         "mine.txt:2: there is no class \"shoe\" for "
         "a guard; there is stage age sex"},
        {"[persona]\n(E=hi) x\n",
         "E has no value \"hi\"; there is low mid high"},
        {"[persona]\n(age=18-50) x\n", "ranges begin and end with the bands"},
        {"[persona]\n(group=116) x\n", "there is none, 1 to 115"},
        {"[persona]\n(sex=m sex=f) x\n", "sex stands twice in the guard"},
        {"[persona]\n(sex!=m,f) x\n", "the guard leaves no value of sex"},
        {"[persona]\n(sex=m\n", "a guard reads (class=value"},
        {"[persona]\n() x\n", "a guard reads (class=value"},
        {"[persona]\n(sex=m)\n", "a guard without a text"},
        {"[persona]\n\n# x\n{nobody} x\n",
         "mine.txt:4: {nobody} is neither a fact nor a list"},
        {"[persona]\n{age.2}\n", "is a fact and has neither picks nor forms"},
        {"[persona]\n{a\n", "\"{a\" is no slot"},
        {"[persona]\nx } y\n", "is no slot"},
        {"[persona]\n{x.2}\n[x]\none | two\nthree\n",
         "mine.txt:5: this alternative of [x] has 1 of the 2 forms that "
         "mine.txt:2 uses ({x.2})"},
        {"[persona]\n{x:9}\n[x]\none\n", "picks go from 1 to 8"},
        {"[hobbies_and_interests]\n{hobby:4}\n[hobby]\none\n",
         "texts may speak of picks 1 to 3"},
        {"[persona]\na | b | c | d | e | f | g\n", "at most 6 are allowed"},
        {"[persona]\n{persona}\n", "lie deeper than 4, or contain themselves"},
        {"[persona]\n{b}\n[b]\n{c}\n[c]\n{d}\n[d]\n{e}\n[e]\n{f}\n[f]\nx\n",
         "lie deeper than 4"},
        {"[persona]\n{role}\n", "mine.txt:2: {role} needs stage=teen_work,"},
        {"[persona]\n(edu=high) {degree_field}\nx\n",
         "{degree_field} needs edu=bachelor,graduate"},
        {"[persona]\n(sex=m) x\n", "[persona] has no alternative for sex=f"},
        {"[persona]\n{x}\n[x]\n(age=0-17) y\n(age=25-99) z\n",
         "mine.txt:2: [x] has no alternative for stage="},
        {"[persona]\nx\x01y\n", "is a control character"},
        {"[persona]\nx\xffy\n", "mine.txt:2: byte 2 (0xff) is not UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_refused(bad[i][0], strlen(bad[i][0]), bad[i][1]);
    }
}

static void
limits_are_refusals(void **state)
{
    size_t len = 0, room = 1 << 20;
    char *text = malloc(room);

    (void)state;
    assert_non_null(text);
    len = (size_t)snprintf(text, room, "[persona]\n");
    memset(text + len, 'x', GRAMMAR_ITEM_BYTES + 1);
    assert_refused(text, len + GRAMMAR_ITEM_BYTES + 1,
                   "has more than 600 bytes of text");
    for (int i = 0; i <= GRAMMAR_ITEMS_MAX; i++) {
        len += (size_t)snprintf(text + len, room - len, "x\n");
    }
    assert_refused(text, len, "alternative 16385; at most 16384 are allowed");
    len = (size_t)snprintf(text, room, "[persona]\n{x}{x}{x}\n[x]\n");
    memset(text + len, 'x', 500);
    assert_refused(text, len + 500, "[persona] can make a text of 1500 bytes");
    free(text);
}

/* [name] with 400 guards that differ, and a line for everyone, as text behind
 * at. */
static size_t
put_guarded(char *at, size_t room, const char *name, const char *slot)
{
    static const char *const classes[] = {"O", "C", "E", "A", "N", "income"};
    static const char *const values[] = {"low", "mid", "high", "low,mid",
                                         "mid,high"};
    size_t len = (size_t)snprintf(at, room, "[%s]\n", name);

    for (unsigned i = 0; i < 400; i++) {
        unsigned a = i % 6, b = (a + 1 + i / 6 % 2) % 6, c = (b + 1) % 6;

        len += (size_t)snprintf(at + len, room - len,
                                "(%s=%s %s=%s %s=%s) x %s\n", classes[a],
                                values[i % 5], classes[b], values[i / 5 % 5],
                                classes[c], values[i / 25 % 5], slot);
    }
    return len + (size_t)snprintf(at + len, room - len, "x\n");
}

static void
guards_that_multiply_are_refused_in_time(void **state)
{
    enum { ROOM = 1 << 18 };
    char *text = malloc(ROOM);
    size_t len;

    (void)state;
    assert_non_null(text);
    len = put_guarded(text, ROOM, "persona", "{a_list}");
    len += put_guarded(text + len, ROOM - len, "a_list", "{b_list}");
    len += put_guarded(text + len, ROOM - len, "b_list", "{c_list}");
    len += put_guarded(text + len, ROOM - len, "c_list", "y");
    (void)alarm(60);
    assert_refused(text, len,
                   "make more kinds of people than can be looked "
                   "at");
    (void)alarm(0);
    free(text);
}

static void
people_that_cannot_be_need_no_phrases(void **state)
{
    struct prose *prose = given_phrases(
        "[persona]\n(age=0-17) {x}\n(age=18-99 stage!=student,adult) {y}\n"
        "(stage=student,adult) {z}\n"
        "[x]\n(home=child marital=never kids=none) a child\n"
        "[y]\n(field=none) at home\n(field!=none group!=none) at {a role}\n"
        "(field=armed) in uniform\n"
        "[z]\n(income=none) learning\n");

    (void)state;
    prose_free(prose);
}

static void
guards_hold(void **state)
{
    struct prose *prose =
        given_phrases("[persona]\n(sex=m) man\n(sex=f E!=high) calm woman\n"
                      "(sex=f E=high) loud woman\n");
    struct person p = given_person(1);

    (void)state;
    assert_string_equal(persona(prose, &p), "Man");
    p.sex = 1;
    assert_string_equal(persona(prose, &p), "Calm woman");
    p.ocean[OCEAN_E] = 60;
    assert_string_equal(persona(prose, &p), "Loud woman");
    prose_free(prose);
}

static void
choices_are_even_among_the_allowed(void **state)
{
    enum { N = 30000 };
    struct prose *prose = given_phrases(
        "[persona]\n(sex=m) a\n(sex=f) x\n(E=mid) b\n(E!=mid) y\n(O=low) z\n"
        "c\n(sex=m E=mid) d\n(age=35-49 O=mid) e\n(age=0-17) w\n");
    unsigned count[5] = {0};

    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        struct person p = given_person(i);
        const char *text = persona(prose, &p);

        assert_in_range(text[0], 'A', 'E');
        count[text[0] - 'A']++;
    }
    for (size_t i = 0; i < 5; i++) {
        assert_in_range(count[i], N / 5 - 350, N / 5 + 350); /* 5 sd */
    }
    prose_free(prose);
}

static void
sentences_begin_with_capitals_and_articles_with_sounds(void **state)
{
    struct prose *prose = given_phrases(
        "[persona]\n{a x} and {a y}. {he} is {a year_old} {man}; at 6 a.m. "
        "{he} wakes. {y}! {a x}\n[x]\nhour\n[y]\nunit\n");
    struct person p = given_person(1);

    (void)state;
    assert_string_equal(persona(prose, &p),
                        "An hour and a unit. He is a 40-year-old man; at 6 "
                        "a.m. he wakes. Unit! An hour");
    prose_free(prose);
}

static void
text_is_escaped_when_it_is_loaded(void **state)
{
    struct prose *prose = given_phrases("[persona]\nsaid \"no\" to C:\\ | x\n");
    struct person p = given_person(1);

    (void)state;
    assert_string_equal(persona(prose, &p), "Said \\\"no\\\" to C:\\\\");
    prose_free(prose);
}

static void
a_pick_is_the_same_in_all_its_forms_and_texts(void **state)
{
    struct prose *prose = given_phrases(
        "[persona]\n{hobby:1}={hobby:1.2} {hobby:2}={hobby:2.2} {hobby}\n"
        "[cultural_background]\n{hobby:2} {hobby:1}\n"
        "[hobby]\na{n} | A{n}\nb{n} | B{n}\nc{n} | C{n}\nd{n} | D{n}\n"
        "e{n} | E{n}\nf{n} | F{n}\n[n]\n1\n2\n3\n4\n");
    struct grammar_person gp;
    char text[PROSE_TEXT_BYTES];

    (void)state;
    for (uint64_t i = 0; i < 500; i++) {
        struct person p = given_person(i);
        const char *one = persona(prose, &p); /* "A1=A1 b2=B2 c3" */

        assert_int_equal(strlen(one), 14);
        assert_memory_equal(one, one + 3, 2);
        assert_int_equal(one[7], one[10]);
        assert_int_not_equal(one[6] - 'a', one[0] - 'A');
        assert_int_not_equal(one[12], one[6]);
        assert_int_not_equal(one[12] - 'a', one[0] - 'A');
        /* In the other order, and alone, they are the same. */
        prose_begin(prose, &p, 77 + i * 1000003, &gp);
        *prose_text(prose, &gp, TEXT_BACKGROUND, text) = '\0';
        assert_int_equal(text[0] - 'A', one[6] - 'a');
        assert_int_equal(text[3] - 'a', one[0] - 'A');
    }
    prose_free(prose);
}

static void
nothing_is_said_twice_while_there_is_something_else(void **state)
{
    struct prose *prose = given_phrases(
        "[persona]\n{x}{x}{x}{x}\n[x]\na\n(E=mid) b\nc\n(E!=mid) q\nd\n");

    (void)state;
    for (uint64_t i = 0; i < 300; i++) {
        struct person p = given_person(i);
        const char *text = persona(prose, &p);
        unsigned seen = 0;

        for (size_t k = 0; k < 4; k++) {
            seen |= 1U << ((text[k] | 32) - 'a');
        }
        assert_int_equal(seen, 0xf);
    }
    prose_free(prose);
}

static void
years_and_children_agree_with_their_number(void **state)
{
    struct prose *prose = given_phrases(
        "[persona]\n(stage=employed kids!=none) {years} years, {children}\n"
        "(stage=employed kids=none) {years} years\n(stage!=employed) x\n");
    struct person p = given_person(1);

    (void)state;
    assert_string_equal(persona(prose, &p), "18 years");
    p.age = 23;
    p.children = 1;
    assert_string_equal(persona(prose, &p), "1 year, one child");
    p.children = 2;
    assert_string_equal(persona(prose, &p), "1 year, two children");
    prose_free(prose);
}

static void
a_folder_of_the_user_continues_lists(void **state)
{
    struct phrase_set *extra = given_file("[persona]\nmine\n", 15);
    struct prose *base = given_phrases("[persona]\nshipped\n"), *both = NULL;
    bool seen[2] = {false};

    (void)state;
    assert_int_equal(prose_extend(base, extra, &diag, &both), CO_OK);
    for (uint64_t i = 0; i < 50; i++) {
        struct person p = given_person(i);

        seen[strcmp(persona(both, &p), "Mine") == 0] = true;
    }
    assert_true(seen[0] && seen[1]);
    assert_true(grammar_hash(prose_grammar(base)) !=
                grammar_hash(prose_grammar(both)));
    prose_free(both);
    prose_free(base);
    phrase_set_free(extra);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_is_told_with_its_line_and_what_is_allowed),
        cmocka_unit_test(limits_are_refusals),
        cmocka_unit_test(guards_that_multiply_are_refused_in_time),
        cmocka_unit_test(people_that_cannot_be_need_no_phrases),
        cmocka_unit_test(guards_hold),
        cmocka_unit_test(choices_are_even_among_the_allowed),
        cmocka_unit_test(
            sentences_begin_with_capitals_and_articles_with_sounds),
        cmocka_unit_test(text_is_escaped_when_it_is_loaded),
        cmocka_unit_test(a_pick_is_the_same_in_all_its_forms_and_texts),
        cmocka_unit_test(nothing_is_said_twice_while_there_is_something_else),
        cmocka_unit_test(years_and_children_agree_with_their_number),
        cmocka_unit_test(a_folder_of_the_user_continues_lists),
    };

    return cmocka_run_group_tests(tests, open_model, close_model);
}
