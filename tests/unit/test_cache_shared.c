/* test_cache_shared.c - answers that equal prompts share: found whatever the
 * row, the seed and the recipe, and never for another prompt. */
#include "coordinator/cache.h"
#include "coordinator/cache_shared.h"
#include "population.h"

#include "common/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Two people of one age and sex are asked the same. */
#define BACKGROUND "## system\nWrite.\n## user\n{{age}}, {{sex}}.\n{{fields}}\n"
#define PERSONAS                                                               \
    "## system\nWrite.\n## user\n{{age}}.\n{{background}}\n{{fields}}\n"
#define REPAIR "## repair\nWrong: {{error}}\n"

enum { ROWS = 2000 };

static struct model *model;
static struct sampler *samplers[2]; /* of two seeds */

static int
open_all(void **state)
{
    (void)state;
    model = given_model();
    samplers[0] = given_sampler(model, 1, NULL, 0);
    samplers[1] = given_sampler(model, 2, NULL, 0);
    return 0;
}

static int
close_all(void **state)
{
    (void)state;
    sampler_free(samplers[0]);
    sampler_free(samplers[1]);
    model_free(model);
    return 0;
}

static struct writer
given_writer(const char *background)
{
    const char *const texts[ASK_STAGES] = {background, PERSONAS REPAIR};
    const char *const names[ASK_STAGES] = {"background.md", "personas.md"};
    struct writer w = {.provider = "main",
                       .kind = "openai",
                       .model = "m",
                       .max_tokens = {500, 500}};
    struct co_diag diag = {""};

    if (prompt_set_parse(texts, names, &w.prompts, &diag)) {
        fail_msg("%s", diag.text);
    }
    return w;
}

static struct co_hash128
named(const struct writer *w, const struct sampler *s, uint64_t row,
      enum ask_stage stage, const char *input)
{
    co_auto(cache_shared_freep) struct cache_shared *shared = NULL;
    struct co_hash128 key = {0, 0};

    assert_int_equal(cache_shared_new(w, s, &shared), CO_OK);
    assert_true(cache_shared_key(shared, row, stage, (const uint8_t *)input,
                                 (uint32_t)strlen(input), &key));
    return key;
}

static bool
same(struct co_hash128 a, struct co_hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

/* The first row of the second seed who is (not) like row 0 of the first. */
static uint64_t
row_like_the_first(bool alike)
{
    struct person first, p;

    sampler_draw(samplers[0], 0, &first);
    for (uint64_t row = 0; row < ROWS; row++) {
        sampler_draw(samplers[1], row, &p);
        if ((p.age == first.age &&
             attribute_of(&p, ATTR_SEX) == attribute_of(&first, ATTR_SEX)) ==
            alike) {
            return row;
        }
    }
    fail();
    return 0;
}

static void
rows_of_two_seeds_that_are_asked_the_same_have_one_name(void **state)
{
    struct writer w = given_writer(BACKGROUND REPAIR);
    const struct co_hash128 first =
        named(&w, samplers[0], 0, ASK_BACKGROUND, "");

    (void)state;
    assert_true(same(first, named(&w, samplers[1], row_like_the_first(true),
                                  ASK_BACKGROUND, "")));
    assert_false(same(first, named(&w, samplers[1], row_like_the_first(false),
                                   ASK_BACKGROUND, "")));
    prompt_set_free(w.prompts);
}

static void
whatever_is_asked_otherwise_has_another_name(void **state)
{
    struct writer w = given_writer(BACKGROUND REPAIR), v[4];
    const struct sampler *s = samplers[0];
    const struct co_hash128 first = named(&w, s, 0, ASK_BACKGROUND, "");
    const struct co_hash128 later =
        named(&w, s, 0, ASK_PERSONAS, "{\"cultural_background\":\"1\"}");

    (void)state;
    for (size_t i = 0; i < co_countof(v); i++) {
        v[i] = w;
    }
    v[0].model[0] = 'n';
    v[1].temperature_milli = 1;
    v[2].max_tokens[ASK_BACKGROUND]++;
    v[3] = given_writer(BACKGROUND "{{country}}\n" REPAIR);
    for (size_t i = 0; i < co_countof(v); i++) {
        assert_false(same(first, named(&v[i], s, 0, ASK_BACKGROUND, "")));
    }
    assert_false(same(later, named(&w, s, 0, ASK_PERSONAS,
                                   "{\"cultural_background\":\"2\"}")));
    /* how often is asked, and what that costs, asks nothing else */
    v[0] = w;
    v[0].repairs = v[0].fresh = 3;
    v[0].price.input = 5;
    assert_true(same(first, named(&v[0], s, 0, ASK_BACKGROUND, "")));
    prompt_set_free(v[3].prompts);
    prompt_set_free(w.prompts);
}

static struct cache *
opened(const char *dir, const char *recipe, bool shared, const struct writer *w,
       const struct sampler *s)
{
    const struct cache_options options = {
        .dir = dir,
        .recipe = co_bytes_borrow(recipe, strlen(recipe)),
        .shared = shared,
        .writer = w,
        .sampler = s};
    struct cache *c = NULL;
    struct co_diag diag = {""};

    if (cache_open(&options, &c, &diag)) fail_msg("%s", diag.text);
    return c;
}

static bool
finds(struct cache *c, uint64_t row, const char *text)
{
    co_auto(co_buf_fini) struct co_buf out;

    co_buf_init(&out, 1000);
    return cache_get(c, row, ASK_BACKGROUND, NULL, 0, &out) &&
           strcmp(co_buf_text(&out), text) == 0;
}

static void
a_job_of_another_seed_and_recipe_finds_the_answer(void **state)
{
    struct writer w = given_writer(BACKGROUND REPAIR);
    const uint64_t alike = row_like_the_first(true);
    char dir[] = "/tmp/co_shared_XXXXXX";
    struct cache *c;

    (void)state;
    assert_non_null(mkdtemp(dir));
    c = opened(dir, "{\"seed\":\"1\"}", true, &w, samplers[0]);
    cache_put(c, 0, ASK_BACKGROUND, NULL, 0, (const uint8_t *)"said", 4);
    assert_true(finds(c, 0, "said")); /* also rows of this very job */
    cache_free(c);
    c = opened(dir, "{\"seed\":\"2\"}", true, &w, samplers[1]);
    assert_int_equal(cache_counters(c)->answers, 1);
    assert_true(finds(c, alike, "said"));
    assert_false(finds(c, row_like_the_first(false), "said"));
    cache_free(c);
    /* who asks for its own alone is not given what others said */
    c = opened(dir, "{\"seed\":\"1\"}", false, &w, samplers[0]);
    assert_false(finds(c, 0, "said"));
    cache_free(c);
    prompt_set_free(w.prompts);
    assert_int_equal(co_fs_remove_tree(dir, NULL), CO_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            rows_of_two_seeds_that_are_asked_the_same_have_one_name),
        cmocka_unit_test(whatever_is_asked_otherwise_has_another_name),
        cmocka_unit_test(a_job_of_another_seed_and_recipe_finds_the_answer),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
