/* test_manifest.c - a user's folder: what it makes, and each mistake told
 * with its file and line. */
#include "common/hash.h"
#include "job/recipe.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    struct model *m;
    char dir[64];
};

static struct co_diag diag;

static int
make(void **state)
{
    static struct fixture f;

    (void)snprintf(f.dir, sizeof f.dir, "/tmp/cohort-manifest-XXXXXX");
    if (!mkdtemp(f.dir)) return -1;
    if (model_open(CO_SOURCE_DIR "/data/us.model", &diag, &f.m)) return -1;
    *state = &f;
    return 0;
}

static int
drop(void **state)
{
    static const char *const names[] = {"manifest.yaml", "a.tsv", "b.tsv"};
    struct fixture *f = *state;
    char path[128];

    for (size_t i = 0; i < co_countof(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", f->dir, names[i]);
        (void)unlink(path);
    }
    model_free(f->m);
    return rmdir(f->dir);
}

static void
put(const struct fixture *f, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

/* The recipe of a job over the folder, or NULL. The caller frees it. */
static char *
recipe_with(const struct fixture *f, const char *where)
{
    co_auto(spec_freep) struct job_spec *spec = NULL;
    char yaml[400];
    struct recipe recipe;
    struct co_buf buf;
    char *text;

    (void)snprintf(yaml, sizeof yaml,
                   "job: personas\nname: a\nrows: 10\npopulation:\n  data: "
                   "%s\n  where: {%s}\n",
                   f->dir, where);
    if (spec_parse(yaml, strlen(yaml), "job.yaml", &spec, &diag) ||
        spec_open_data(spec, &diag) || spec_check(spec, f->m, &diag)) {
        return NULL;
    }
    recipe = recipe_of_spec(spec, 1, model_hash(f->m), 0);
    co_buf_init(&buf, RECIPE_BYTES_MAX);
    assert_int_equal(recipe_write(&recipe, &buf), CO_OK);
    text = strdup(co_buf_text(&buf));
    co_buf_fini(&buf);
    return text;
}

static char *
given(const struct fixture *f, const char *where)
{
    char *text = recipe_with(f, where);

    if (!text) assert_string_equal(diag.text, "");
    return text;
}

#define HEAD "base: us\ntables:\n"
#define COMMUTE                                                                \
    HEAD "  - {attribute: commute, given: [age, sex], file: a.tsv}\n"

static void
a_folder_becomes_integers_in_the_recipe(void **state)
{
    struct fixture *f = *state;
    char *text;

    put(f, "manifest.yaml", COMMUTE);
    put(f, "a.tsv",
        "sex\tage_min\tage_max\tvalue\tweight\n"
        "Male\t16\t999\tcar\t3\nMale\t16\t999\tbus\t1\n"
        "Female\t16\t64\tbus\t0.25\nfemale\t16\t64\tcar\t0.25\n");
    text = given(f, "");
    assert_non_null(strstr(
        text, "\"tables\":[{\"attribute\":\"commute\",\"given\":[\"sex\","
              "\"age\"],\"rows\":[[0,16,99,4194304,12582912],[1,16,64,8388608,"
              "8388608]],\"use\":\"column\",\"values\":[\"bus\",\"car\"]}],"
              "\"version\":1"));
    free(text);
}

static void
the_order_of_lines_and_the_scale_do_not_matter(void **state)
{
    struct fixture *f = *state;
    char *first, *again;

    put(f, "manifest.yaml", COMMUTE);
    put(f, "a.tsv",
        "sex\tage\tvalue\tweight\nMale\t16\tcar\t3\nMale\t16\tbus\t"
        "1\n");
    first = given(f, "");
    put(f, "a.tsv",
        "\xef\xbb\xbfvalue\tweight\tage_max\tage_min\tsex\r\nbus\t10."
        "5\t16\t16\tmale\r\ncar"
        "\t31.5\t16\t16\tMale\r\n\r\n");
    again = given(f, "");
    assert_string_equal(first, again);
    put(f, "a.tsv",
        "sex\tage\tvalue\tweight\nMale\t16\tcar\t3\nMale\t16\tbus\t"
        "2\n");
    free(again);
    again = given(f, "");
    assert_string_not_equal(first, again);
    free(first);
    free(again);
}

static void
a_worker_draws_the_same_from_the_recipe_alone(void **state)
{
    struct fixture *f = *state;
    co_auto(sampler_freep) struct sampler *s = NULL;
    struct recipe recipe;
    char *text;
    unsigned buses = 0;

    put(f, "manifest.yaml", COMMUTE);
    put(f, "a.tsv",
        "sex\tage_min\tage_max\tvalue\tweight\nMale\t0\t99\tcar\t3\n"
        "Male\t0\t99\tbus\t1\n");
    text = given(f, "commute: bus, age: {min: 20}");
    put(f, "a.tsv", "gone");
    assert_int_equal(recipe_parse(text, strlen(text), &recipe, &diag), CO_OK);
    assert_int_equal(recipe_sampler(&recipe, f->m, &diag, &s), CO_OK);
    for (uint64_t i = 0; i < 1000; i++) {
        struct person p;

        sampler_draw(s, i, &p);
        if (!sampler_accepts(s, &p)) continue;
        assert_int_equal(p.sex, 0);
        buses++;
    }
    assert_true(buses > 80 && buses < 180);
    recipe_fini(&recipe);
    free(text);
}

static void
hostile_tables_in_recipes_are_refused(void **state)
{
    struct fixture *f = *state;
    char *text, *bad, *at;
    struct recipe recipe;
    struct sampler *s = NULL;

    put(f, "manifest.yaml", COMMUTE);
    put(f, "a.tsv",
        "sex\tage_min\tage_max\tvalue\tweight\nMale\t16\t64\tcar\t3"
        "\nMale\t16\t64\tbus\t1\n");
    text = given(f, "");
    for (size_t len = 0; len < strlen(text); len++) {
        assert_int_not_equal(recipe_parse(text, len, &recipe, &diag), CO_OK);
    }
    /* Any digit of a key or weight changed: refused, now or by the model. */
    bad = strdup(text);
    at = strstr(bad, "\"rows\":[[");
    for (char *p = at; *p != ']'; p++) {
        char was = *p;

        if (was < '0' || was > '8') continue;
        for (*p = '0'; *p <= '9'; ++*p) {
            if (recipe_parse(bad, strlen(bad), &recipe, &diag)) continue;
            if (recipe_sampler(&recipe, f->m, &diag, &s) == CO_OK) {
                sampler_free(s);
            }
            recipe_fini(&recipe);
        }
        *p = was;
    }
    free(bad);
    free(text);
}

static void
assert_refused(struct fixture *f, const char *manifest, const char *tsv,
               const char *where, const char *message)
{
    char want[700], *text;

    put(f, "manifest.yaml", manifest);
    put(f, "a.tsv", tsv);
    text = recipe_with(f, where);
    assert_null(text);
    /* "@" stands for the folder. */
    want[0] = '\0';
    for (const char *p = message; *p; p++) {
        size_t len = strlen(want);

        if (*p == '@') {
            (void)snprintf(want + len, sizeof want - len, "%s", f->dir);
        } else {
            (void)snprintf(want + len, sizeof want - len, "%c", *p);
        }
    }
    if (strncmp(diag.text, want, strlen(want)) != 0) {
        assert_string_equal(diag.text, want);
    }
}

static void
a_manifest_that_is_a_fifo_is_refused_and_not_waited_for(void **state)
{
    const struct fixture *f = *state;
    char path[128];

    (void)snprintf(path, sizeof path, "%s/manifest.yaml", f->dir);
    (void)unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)alarm(10); /* waiting fails the test, not the run of all tests */
    assert_null(recipe_with(f, ""));
    (void)alarm(0);
    assert_int_equal(unlink(path), 0);
    assert_non_null(strstr(diag.text, "it is not a regular file"));
}

#define TSV "sex\tage\tvalue\tweight\n"
static const struct {
    const char *manifest, *tsv, *where, *message;
} bad[] = {
    {"tables: []\n", "", "",
     "job.yaml: population.data: "
     "@/manifest.yaml: base is missing; it names "
     "the population that the tables stand on"},
    {"base: mars\n", "", "",
     "job.yaml: population.data: @/manifest.yaml:1: base: found \"mars\"; "
     "allowed is us or world"},
    {"base: us\nfiles: 1\n", "", "",
     "job.yaml: population.data: @/manifest.yaml:2: files: unknown key; "},
    {HEAD "  - {attribute: commute}\n", "", "",
     "@/manifest.yaml:3: tables[0]: file is missing"},
    {HEAD "  - {attribute: occupation, file: a.tsv}\n", "", "",
     "@/manifest.yaml:3: tables[0].attribute: occupation cannot be "
     "replaced; allowed are education_level, marital_status and "
     "employment_status, and root attributes"},
    {HEAD "  - {attribute: Commute, file: a.tsv}\n", "", "",
     "@/manifest.yaml:3: tables[0].attribute: found \"Commute\"; allowed "
     "are root attributes"},
    {HEAD "  - {attribute: a, given: b, file: a.tsv}\n", "", "",
     "@/manifest.yaml:3: tables[0].given: there is no attribute b before "
     "this table"},
    {HEAD "  - {attribute: a, file: ../a.tsv}\n", "", "",
     "@/manifest.yaml:3: tables[0].file: found \"../a.tsv\"; allowed is "
     "the name of a file in this folder"},
    {HEAD "  - {attribute: a, file: none.tsv}\n", "", "",
     "cannot read @/none.tsv"},
    {COMMUTE, "", "",
     "@/a.tsv:1: found the column \"\"; allowed are one "
     "for each given attribute"},
    {COMMUTE, "sex\tvalue\tweight\n", "",
     "@/a.tsv:1: the column age (or age_min and age_max) is missing"},
    {COMMUTE, "sex\tage\tsex\tvalue\tweight\n", "",
     "@/a.tsv:1: the column sex is there twice"},
    {COMMUTE, TSV, "", "@/a.tsv:1: there are no lines of data"},
    {COMMUTE, TSV "Male\t16\tcar\n", "",
     "@/a.tsv:2: found 3 cells; the header has 4"},
    {COMMUTE, TSV "Man\t16\tcar\t1\n", "",
     "@/a.tsv:2: sex has no value \"Man\"; allowed: Male; Female"},
    {COMMUTE, TSV "Male\told\tcar\t1\n", "",
     "@/a.tsv:2: found the age \"old\"; allowed are 0 to 99"},
    {COMMUTE, TSV "Male\t16\tcar\t-1\n", "",
     "@/a.tsv:2: found the weight \"-1\"; allowed are numbers from 0 to "
     "1000000000000 with at most 6 decimals"},
    {COMMUTE, TSV "Male\t16\tcar\t1e3\n", "",
     "@/a.tsv:2: found the weight \"1e3\"; "},
    {COMMUTE, TSV "Male\t16\ta\"b\t1\n", "",
     "@/a.tsv:2: found the value \"a\"b\"; allowed are at most 255 values"},
    {COMMUTE, TSV "Male\t16\tcar\t1\nMale\t16\tcar\t2\n", "",
     "@/a.tsv:3: the same people and value stand in line 2 already"},
    {COMMUTE, TSV "Male\t16\tcar\t0\n", "",
     "@/a.tsv:2: all weights of these people are 0"},
    {COMMUTE,
     "sex\tage_min\tage_max\tvalue\tweight\nMale\t16\t30\tcar\t1\nMale\t30"
     "\t40\tcar\t1\n",
     "",
     "@/a.tsv:3: these people have a row already (do the bands of ages "
     "overlap?)"},
    {COMMUTE, "sex\tage_min\tage_max\tvalue\tweight\nMale\t30\t16\tcar\t1\n",
     "", "@/a.tsv:2: the ages 30 to 16 are none"},
    {COMMUTE, TSV "Male\t16\tcar\t1\n", "commute: tram",
     "job.yaml:6: where: commute has no value \"tram\"; allowed: car"},
    {COMMUTE, TSV "Male\t16\tcar\t1\n", "comute: car",
     "job.yaml:6: where: this population has no attribute \"comute\"; "},
    {HEAD "  - {attribute: marital_status, given: age, file: a.tsv}\n",
     "age\tvalue\tweight\n12\tMarried\t1\n", "",
     "@/a.tsv:2: nobody of the ages 12-12 can have marital_status "
     "\"Married\"; give it the weight 0"},
    {HEAD "  - {attribute: sex, file: a.tsv}\n", "sex\tweight\nMale\t1\n", "",
     "@/a.tsv:2: sex: beside this row 1 of 2 values (or ages) have none; "
     "give every one a row, with the weight 0 for nobody"},
    {HEAD "  - {attribute: [sex, city], file: a.tsv}\n", "", "",
     "@/manifest.yaml:3: tables[0].attribute: found city; a joint is of "
     "state, sex, age and race_ethnicity, each once"},
};
#undef TSV

static void
each_mistake_is_told_with_file_and_line(void **state)
{
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_refused(*state, bad[i].manifest, bad[i].tsv, bad[i].where,
                       bad[i].message);
    }
}

static void
tables_too_large_for_a_recipe_are_refused(void **state)
{
    struct fixture *f = *state;
    char path[128];
    FILE *file;

    put(f, "manifest.yaml",
        HEAD "  - {attribute: a, given: [state, sex, age], file: a.tsv}\n");
    (void)snprintf(path, sizeof path, "%s/a.tsv", f->dir);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("state\tsex\tage\tvalue\tweight\n", file);
    for (uint32_t st = 0; st < f->m->states; st++) {
        struct model_text t = attribute_label(f->m, ATTR_STATE, st);

        for (int row = 0; row < 600; row++) {
            (void)fprintf(file, "%.*s\t%s\t%d\tv%d\t1\n", (int)t.len, t.data,
                          row % 2 ? "Male" : "Female", row / 2 % 100,
                          row / 200);
        }
    }
    (void)fclose(file);
    assert_null(recipe_with(f, ""));
    assert_non_null(strstr(diag.text, "job.yaml: population.data: the tables "
                                      "of "));
    assert_non_null(strstr(diag.text, "bytes in the recipe; allowed are "
                                      "262144: take wider bands of ages"));
}

static void
the_example_is_whole(void **state)
{
    struct fixture *f = *state;
    co_auto(manifest_freep) struct manifest *manifest = NULL;

    assert_int_equal(
        manifest_open(CO_SOURCE_DIR "/examples/commute", &manifest, &diag),
        CO_OK);
    assert_string_equal(manifest->base, "us");
    assert_string_equal(manifest->licence, "CC0-1.0");
    assert_int_equal(manifest->year, 2026);
    assert_int_equal(manifest_compile(manifest, f->m, &diag), CO_OK);
    assert_int_equal(manifest->tables.count, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_becomes_integers_in_the_recipe),
        cmocka_unit_test(the_order_of_lines_and_the_scale_do_not_matter),
        cmocka_unit_test(a_worker_draws_the_same_from_the_recipe_alone),
        cmocka_unit_test(hostile_tables_in_recipes_are_refused),
        cmocka_unit_test(
            a_manifest_that_is_a_fifo_is_refused_and_not_waited_for),
        cmocka_unit_test(each_mistake_is_told_with_file_and_line),
        cmocka_unit_test(tables_too_large_for_a_recipe_are_refused),
        cmocka_unit_test(the_example_is_whole),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
