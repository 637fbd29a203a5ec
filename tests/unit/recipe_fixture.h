/* recipe_fixture.h - recipes of job files, with the population of this
 * repository and prompts in a folder of the test's own. */
#pragma once
#include "common/fs.h"
#include "common/hash.h"
#include "job/recipe.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "job: personas\nname: a\nrows: 10\nseed: 42\n"

co_unused static struct co_diag diag;
static char data_dir[] = "/tmp/recipe-XXXXXX"; /* with prompts */

/* Prompts as a user might have them: "%s" is where they differ. */
co_unused static void
write_prompts(const char *dir, const char *word)
{
    static const char *const names[ASK_STAGES] = {"background", "personas"};
    char path[128];

    (void)snprintf(path, sizeof path, "%s/prompts/compose", dir);
    assert_int_equal(co_fs_mkdirs(path, &diag), CO_OK);
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        FILE *file;

        (void)snprintf(path, sizeof path, "%s/prompts/compose/%s.md", dir,
                       names[i]);
        file = fopen(path, "we");
        if (!file) abort();
        assert_true(fprintf(file,
                            "## system\n%s \"A\"\n## user\n%s{{fields}}\n"
                            "## repair\n{{error}}\n",
                            word, i ? "{{background}}\n" : "") > 0);
        assert_int_equal(fclose(file), 0);
    }
}

co_unused static int
open_model(void **state)
{
    struct model *model = NULL;

    if (model_open(CO_SOURCE_DIR "/data/us.model", &diag, &model)) return -1;
    if (!mkdtemp(data_dir)) return -1;
    write_prompts(data_dir, "write");
    *state = model;
    return 0;
}

co_unused static int
close_model(void **state)
{
    model_free(*state);
    return co_fs_remove_tree(data_dir, &diag) != CO_OK;
}

/* The job file's recipe as text; the caller frees it. NULL: refused. */
co_unused static char *
recipe_text(const struct model *m, const char *yaml)
{
    struct job_spec *spec = NULL;
    struct co_buf buf;
    struct recipe recipe;
    char *text;

    if (spec_parse(yaml, strlen(yaml), "us.yaml", &spec, &diag)) return NULL;
    if (spec_check(spec, m, &diag) || spec_open_writer(spec, data_dir, &diag)) {
        spec_free(spec);
        return NULL;
    }
    recipe = recipe_of_spec(spec, 1, 0xabcdef, 0x123456);
    co_buf_init(&buf, RECIPE_BYTES_MAX);
    assert_int_equal(recipe_write(&recipe, &buf), CO_OK);
    text = strdup(co_buf_text(&buf));
    co_buf_fini(&buf);
    spec_free(spec);
    return text;
}

/* What HEAD comes to, up to its conditions. */
#define BEFORE_REST                                                            \
    ",\"generator\":1,\"grid\":250,\"job\":\"personas\","                      \
    "\"model\":\"0000000000abcdef\",\"phases\":[\"corpus\",\"compose\"],"      \
    "\"phrases\":\"0000000000123456\",\"population\":\"us\",\"provider\":"     \
    "\"builtin\",\"seed\":\"42\","                                             \
    "\"version\":1,\"where\":"
#define BEFORE "{\"dedup\":\"exact\"" BEFORE_REST
