/* spec_fixture.h - job files as texts: read, refused with a message, and with
 * the folder of prompts and prices that their writers are opened with. */
#pragma once
#include "common/fs.h"
#include "job/spec.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "job: personas\nname: a\nrows: 10\n"

co_unused static struct co_diag diag;

co_unused static struct job_spec *
parse(const char *text)
{
    struct job_spec *spec = NULL;

    diag.text[0] = '\0';
    if (spec_parse(text, strlen(text), "us.yaml", &spec, &diag)) return NULL;
    return spec;
}

/* A spec that must be there. abort: gcc knows that it does not return. */
co_unused static struct job_spec *
given(const char *text)
{
    struct job_spec *spec = parse(text);

    if (!spec) {
        print_error("%s\n", diag.text);
        abort();
    }
    return spec;
}

co_unused static void
assert_refused(const char *text, const char *message)
{
    struct job_spec *spec = parse(text);

    assert_null(spec);
    assert_string_equal(diag.text, message);
}

#define MODELS                                                                 \
    "providers:\n  main: {kind: openai, model: m, endpoints: [{url: "          \
    "\"http://127.0.0.1:1\"}]}\n  vendor: {kind: openai, model: "              \
    "gpt-4o-mini}\n"
#define WRITTEN HEAD MODELS "provider: main\n"

#define BACKGROUND "## system\ns\n## user\n{{fields}}\n## repair\n{{error}}\n"

/* A folder with the two files, and a table of prices as the program's. */
co_unused static void
given_data_dir(char dir[64], const char *background)
{
    static const char personas[] = "## system\ns\n## user\n{{background}}\n"
                                   "{{fields}}\n## repair\n{{error}}\n";
    static const char prices[] = "2025-01-02\topenai\tgpt-4o-mini\t1\t-\t2\n";
    const struct {
        const char *name, *text;
    } files[] = {{"prompts/compose/background.md", background},
                 {"prompts/compose/personas.md", personas},
                 {"prices.tsv", prices}};
    char path[128];

    (void)snprintf(dir, 64, "/tmp/spec-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/prompts/compose", dir);
    assert_int_equal(co_fs_mkdirs(path, &diag), CO_OK);
    for (size_t i = 0; i < co_countof(files); i++) {
        FILE *file;

        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        file = fopen(path, "we");
        if (!file) abort();
        assert_true(fputs(files[i].text, file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
}
