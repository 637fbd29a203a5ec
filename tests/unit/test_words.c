/* test_words.c - a user's phrases travel in the recipe, and change texts. */
#include "job/recipe.h"
#include "rows/generator.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct model *m;
    struct prose *prose;
    char dir[64], file[96];
};

static struct co_diag diag;

static int
make(void **state)
{
    static struct fixture f;

    (void)snprintf(f.dir, sizeof f.dir, "/tmp/cohort-words-XXXXXX");
    if (!mkdtemp(f.dir)) return -1;
    (void)snprintf(f.file, sizeof f.file, "%s/mine.txt", f.dir);
    if (model_open(CO_SOURCE_DIR "/data/us.model", &diag, &f.m)) return -1;
    *state = &f;
    return prose_open(f.m, CO_SOURCE_DIR "/data", &diag, &f.prose) ? -1 : 0;
}

static int
drop(void **state)
{
    struct fixture *f = *state;

    prose_free(f->prose);
    model_free(f->m);
    (void)unlink(f->file);
    return rmdir(f->dir);
}

static void
put(const struct fixture *f, const char *text, size_t len)
{
    FILE *file = fopen(f->file, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    (void)fclose(file);
}

/* The recipe of a job with the folder's phrases, NULL when refused. */
static char *
recipe_text(const struct fixture *f)
{
    co_auto(spec_freep) struct job_spec *spec = NULL;
    char yaml[300], *text;
    struct recipe recipe;
    struct co_buf buf;

    (void)snprintf(yaml, sizeof yaml,
                   "job: personas\nname: a\nrows: 10\npopulation: {phrases: "
                   "%s}\n",
                   f->dir);
    if (spec_parse(yaml, strlen(yaml), "job.yaml", &spec, &diag) ||
        spec_open_data(spec, &diag) || spec_check(spec, f->m, &diag) ||
        spec_check_words(spec, f->prose, &diag)) {
        return NULL;
    }
    recipe = recipe_of_spec(spec, GENERATOR_VERSION, model_hash(f->m),
                            prose_hash(f->prose));
    co_buf_init(&buf, RECIPE_BYTES_MAX);
    assert_int_equal(recipe_write(&recipe, &buf), CO_OK);
    text = strdup(co_buf_text(&buf));
    co_buf_fini(&buf);
    return text;
}

#define MINE                                                                   \
    "[hobby]\nzeppelin spotting | spots zeppelins over the harbor | spotting " \
    "zeppelins over the harbor\n"

static void
phrases_travel_in_the_recipe(void **state)
{
    struct fixture *f = *state;
    struct prose *prose = NULL;
    struct recipe recipe;
    struct co_buf buf;
    char *text;

    put(f, MINE, strlen(MINE));
    text = recipe_text(f);
    if (!text) fail_msg("%s", diag.text);
    assert_non_null(strstr(
        text, ",\"where\":{},\"words\":{\"mine.txt\":\"[hobby]\\nzeppelin "));
    assert_int_equal(recipe_parse(text, strlen(text), &recipe, &diag), CO_OK);
    co_buf_init(&buf, RECIPE_BYTES_MAX);
    assert_int_equal(recipe_write(&recipe, &buf), CO_OK);
    assert_string_equal(co_buf_text(&buf), text);
    assert_int_equal(recipe_prose(&recipe, f->prose, &diag, &prose), CO_OK);
    assert_non_null(prose);
    prose_free(prose);
    co_buf_fini(&buf);
    recipe_fini(&recipe);
    for (size_t len = 0; len < strlen(text); len++) {
        assert_int_not_equal(recipe_parse(text, len, &recipe, &diag), CO_OK);
    }
    free(text);
}

static void
assert_refused(const struct fixture *f, const char *text, size_t len,
               const char *message)
{
    put(f, text, len);
    assert_null(recipe_text(f));
    if (!strstr(diag.text, message)) assert_string_equal(diag.text, message);
}

static void
bad_phrases_are_refused_with_their_place(void **state)
{
    struct fixture *f = *state;
    char *large = malloc(WORDS_BYTES_MAX + 1);

    assert_non_null(large);
    memset(large, '#', WORDS_BYTES_MAX + 1);
    assert_refused(f, "[hobby\n", 7, "job.yaml: population.phrases: ");
    assert_non_null(strstr(diag.text, "mine.txt:1: "));
    assert_refused(f, "[hobby]\n\xff\n", 10, "mine.txt: not a text in UTF-8");
    assert_refused(f, "[hobby]\n\0\n", 10, "mine.txt: not a text in UTF-8");
    assert_refused(f, large, WORDS_BYTES_MAX + 1,
                   "131073 bytes of phrases; allowed are 131072, because they "
                   "travel in the recipe");
    (void)unlink(f->file);
    assert_null(recipe_text(f));
    assert_non_null(strstr(diag.text, "job.yaml: population.phrases: "));
    free(large);
}

static void
names_that_json_cannot_tell_apart_are_refused(void **state)
{
    static const char *const bad[] = {"a\xff.txt", "a\xfe.txt", "a\n.txt",
                                      "a/b.txt"};
    struct phrase_set *set = NULL;

    (void)state;
    assert_int_equal(phrase_set_new(&set), CO_OK);
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_int_equal(phrase_set_add(set, bad[i], "x", 1, &diag),
                         CO_INVALID);
    }
    assert_int_equal(phrase_set_add(set, "\xc3\xa4.txt", "x", 1, &diag), CO_OK);
    phrase_set_free(set);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_json_cannot_tell_apart_are_refused),
        cmocka_unit_test(phrases_travel_in_the_recipe),
        cmocka_unit_test(bad_phrases_are_refused_with_their_place),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
