/* test_card.c - a persona laid out: nothing is left out, nothing sticks out,
 * nothing reaches the terminal that is not text. */
#include "cli/card.h"
#include "tests/co_test.h"

#include <stdlib.h>
#include <string.h>

static const char row[] =
    "{\"uuid\":\"u-1\",\"persona\":\"She keeps the score honest and knows how "
    "to end a story politely, whatever the week brings.\",\"sex\":\"Female\","
    "\"age\":47,\"hispanic\":\"Not Hispanic\",\"city\":\"Tampa\",\"state\":"
    "\"FL\",\"zipcode\":null,\"first_name\":\"Zo\xc3\xab\",\"last_name\":"
    "\"Richman\",\"income_usd\":54300,\"household\":{\"type\":\"With spouse\","
    "\"size\":4,\"children\":[9,6],\"income_usd\":[75000,99999],\"pets\":2},"
    "\"hobbies_and_interests_list\":[\"trail running\",\"chess\"],"
    "\"ocean_openness\":57,\"shoe\":{\"size\":9},\"motto\":\"a\\u001b[31mb\","
    "\"provenance\":{\"row\":3,\"seed\":42}}";

static struct co_buf out;

static const char *
card(const char *line, unsigned width)
{
    struct scan_value value;

    co_buf_clear(&out);
    assert_int_equal(scan_value_of(line, strlen(line), &value), CO_OK);
    card_write(&value, "out/x", width, &out);
    assert_int_equal(out.err, CO_OK);
    return co_buf_text(&out);
}

static void
assert_has(const char *text, const char *what)
{
    if (!strstr(text, what)) fail_msg("\"%s\" is not in\n%s", what, text);
}

static void
known_columns_are_put_into_words(void **state)
{
    const char *text = card(row, 80);

    (void)state;
    assert_has(text, "Zo\xc3\xab Richman, 47, Tampa, FL\nu-1 in out/x\n");
    assert_has(text, "\nHome\n  City                Tampa\n");
    assert_has(text, "  Household           With spouse\n");
    assert_has(text, "  Own children        9, 6 years old\n");
    assert_has(text, "  Household income    $75,000 to $99,999 a year\n");
    assert_has(text, "  Income              $54,300 a year\n");
    assert_has(text, "                      - trail running\n"
                     "                      - chess\n");
    assert_has(text, "  Openness            57  high       "
                     "---------------|--#------------\n");
    assert_has(text, "\nWithout a value\n  zipcode\n");
    assert_has(card("{\"household\":null,\"age\":3}", 80),
               "\nWithout a value\n  household\n");
}

static void
columns_that_are_not_known_are_shown_too(void **state)
{
    const char *text = card(row, 80);

    (void)state;
    assert_has(text, "\nMore\n  household.pets      2\n"
                     "  shoe.size           9\n");
    assert_has(text, "  motto               a?[31mb\n");
}

static void
ranges_without_an_end_and_other_shapes_stay_readable(void **state)
{
    (void)state;
    assert_has(card("{\"household\":{\"income_usd\":[200000,null]}}", 80),
               "$200,000 or more a year");
    assert_has(card("{\"household\":{\"income_usd\":[0,9999]}}", 80),
               "up to $9,999 a year");
    assert_has(card("{\"household\":{\"income_usd\":\"unknown\"}}", 80),
               "unknown");
    assert_has(card("{\"household\":{\"children\":[]}}", 80), "none");
    assert_has(card("{\"income_usd\":[1,\"x\"]}", 80), "1, x");
    assert_has(card("{\"ocean_openness\":\"?\"}", 80), "Openness            ?");
    assert_has(card("{\"age\":{\"a\":1}}", 80), "{\"a\":1}");
}

static void
no_line_is_wider_than_asked_and_no_word_is_lost(void **state)
{
    (void)state;
    for (unsigned width = CARD_WIDTH_MIN; width <= 100; width += 7) {
        char *copy = strdup(card(row, width)), *save = NULL;
        size_t words = 0;

        assert_non_null(copy);
        for (char *line = strtok_r(copy, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save)) {
            bool score = strstr(line, "---|") || strstr(line, "(T scores");

            if (strlen(line) > width + 1 && !score) {
                fail_msg("wider than %u: %s", width, line);
            }
            assert_int_not_equal(line[strlen(line) - 1], ' ');
            words += strstr(line, "honest") != NULL;
            words += strstr(line, "brings.") != NULL;
        }
        assert_int_equal(words, 2);
        free(copy);
    }
}

static void
scores_have_five_labels(void **state)
{
    static const struct {
        uint64_t score;
        const char *label;
    } cases[] = {{20, "very low"}, {34, "very low"}, {35, "low"},
                 {44, "low"},      {45, "average"},  {54, "average"},
                 {55, "high"},     {64, "high"},     {65, "very high"},
                 {80, "very high"}};

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        assert_string_equal(card_score_label(cases[i].score), cases[i].label);
    }
}

static int
setup(void **state)
{
    (void)state;
    co_buf_init(&out, 1 << 20);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    co_buf_fini(&out);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_columns_are_put_into_words),
        cmocka_unit_test(columns_that_are_not_known_are_shown_too),
        cmocka_unit_test(ranges_without_an_end_and_other_shapes_stay_readable),
        cmocka_unit_test(no_line_is_wider_than_asked_and_no_word_is_lost),
        cmocka_unit_test(scores_have_five_labels),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
